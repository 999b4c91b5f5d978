//! Reference for durability: what became of each write.

use histories::{Kind, Scalar, Value};

use super::{KeyKind, Past, Step, elements, version};

/// What the checker counts.
#[derive(Debug, Default, PartialEq, Eq, Clone)]
pub struct Account {
    pub acknowledged: u64,
    pub never_read: u64,
    pub indeterminate: u64,
    pub surfaced: u64,
    pub lost: u64,
    pub aborted: u64,
    pub phantoms: u64,
    pub duplicated: u64,
    pub resurrected: u64,
    pub forked: u64,
}

/// The account of a history without any event of the nemesis.
pub fn account(past: &Past) -> Account {
    let mut account = Account::default();
    for key in past.keys() {
        of_key(past, &key, &mut account);
    }
    account
}

fn of_key(past: &Past, key: &Scalar, account: &mut Account) {
    during_the_run(past, key, account);
    let kind = past.kind(key, past.len);
    if !matches!(kind, KeyKind::List | KeyKind::Set | KeyKind::Register) {
        return;
    }
    if kind == KeyKind::Register {
        account.forked += forked(past, key);
    }
    let end = past.len.saturating_sub(1);
    let finals = final_reads(past, key, kind);
    let mut acknowledged = Vec::new();
    for value in values_written(past, key) {
        let known = past.known(key, &value, end);
        if known.oks > 0 && !(kind == KeyKind::Register && overwritten_by_itself(past, key, &value)) {
            acknowledged.push(value);
        } else if known.oks == 0 && known.possible > 0 {
            account.indeterminate += 1;
            account.surfaced += u64::from(first_shown(past, key, &value).is_some());
        }
    }
    account.acknowledged += acknowledged.len() as u64;
    if finals.is_empty() {
        account.never_read += acknowledged.len() as u64;
        return;
    }
    match kind {
        KeyKind::Register => account.lost += u64::from(register_lost(past, key, &acknowledged, &finals)),
        _ => {
            let shows = |value: &Scalar| finals.iter().any(|f| elements(f).is_some_and(|e| e.contains(value)));
            account.lost += acknowledged.iter().filter(|v| !shows(v) && !may_be_removed(past, key, v)).count() as u64;
            let everywhere = |value: &Scalar| finals.iter().all(|f| elements(f).is_some_and(|e| e.contains(value)));
            let back = |v: &&Scalar| everywhere(v) && certainly_removed(past, key, v);
            account.resurrected += values_written(past, key).iter().filter(back).count() as u64;
        }
    }
}

/// Per node the last read that was invoked after every update of the key had ended.
fn final_reads(past: &Past, key: &Scalar, kind: KeyKind) -> Vec<Value> {
    let updates = past.ops.iter().filter(|op| op.question.iter().any(|s| s.key() == key && s.is_update()));
    let quiet = updates.map(|op| op.ret.unwrap_or(op.call)).max().unwrap_or(0);
    let mut last: Vec<(Option<String>, usize, Value)> = Vec::new();
    for (i, op) in past.ops.iter().enumerate() {
        if past.ok(i).is_none() {
            continue;
        }
        for (k, value) in &op.answer {
            if k != key {
                continue;
            }
            match last.iter_mut().find(|(node, _, _)| *node == op.node) {
                Some(entry) if entry.1 < op.call => *entry = (op.node.clone(), op.call, value.clone()),
                Some(_) => {}
                None => last.push((op.node.clone(), op.call, value.clone())),
            }
        }
    }
    let fits = |value: &Value| match kind {
        KeyKind::Register => version(value).is_some(),
        _ => elements(value).is_some(),
    };
    last.into_iter().filter(|(_, call, value)| *call > quiet && fits(value)).map(|(_, _, value)| value).collect()
}

/// Acknowledged compare-and-sets beyond the first of each version that only one operation can have written.
fn forked(past: &Past, key: &Scalar) -> u64 {
    let of_version = |old: &Scalar| {
        let replaces = |i: usize| {
            let replaces = |s: &Step| matches!(s, Step::Cas(k, o, new) if k == key && o == old && new != old);
            past.ok(i).is_some() && past.ops[i].question.iter().any(replaces)
        };
        (0..past.ops.len()).filter(|i| replaces(*i)).count() as u64
    };
    let once = |value: &Scalar| {
        let known = past.known(key, value, past.len);
        known.possible == 1 && !known.ambiguous
    };
    values_written(past, key).iter().filter(|v| once(v)).map(|v| of_version(v).saturating_sub(1)).sum()
}

fn values_written(past: &Past, key: &Scalar) -> Vec<Scalar> {
    let mut values: Vec<Scalar> = past
        .steps_before(past.len)
        .filter_map(|(_, s)| s.written())
        .filter(|(k, _)| *k == key)
        .map(|(_, v)| v.clone())
        .collect();
    values.sort();
    values.dedup();
    values
}

/// A transaction wrote something else to the same register after it.
fn overwritten_by_itself(past: &Past, key: &Scalar, value: &Scalar) -> bool {
    past.ops.iter().any(|op| {
        let written: Vec<&Scalar> =
            op.question.iter().filter_map(|s| s.written()).filter(|(k, _)| *k == key).map(|(_, v)| v).collect();
        let first = written.iter().position(|v| *v == value);
        first.is_some_and(|i| written[i + 1..].iter().any(|v| *v != value))
    })
}

/// The completion of the first read that shows a value, at a time when the key was of a kind that is judged.
fn first_shown(past: &Past, key: &Scalar, value: &Scalar) -> Option<usize> {
    let shows = |i: usize| {
        let ret = past.ok(i)?;
        let read = |(k, v): &(Scalar, Value)| {
            k == key
                && match past.kind(key, ret) {
                    KeyKind::List | KeyKind::Set => elements(v).is_some_and(|e| e.contains(value)),
                    KeyKind::Register => version(v).as_ref() == Some(value) && *value != Scalar::Null,
                    _ => false,
                }
        };
        let written = past.steps_before(ret).any(|(_, s)| s.written() == Some((key, value)));
        (past.ops[i].answer.iter().any(read) && written).then_some(ret)
    };
    (0..past.ops.len()).filter_map(shows).min()
}

fn removals<'a>(past: &'a Past, key: &'a Scalar, value: &'a Scalar) -> impl Iterator<Item = usize> + 'a {
    let removes = move |i: &usize| past.ops[*i].question.contains(&Step::Remove(key.clone(), value.clone()));
    (0..past.ops.len()).filter(removes).filter(|i| past.ops[*i].end != Kind::Fail)
}

fn may_be_removed(past: &Past, key: &Scalar, value: &Scalar) -> bool {
    let Some(writer) = past.known(key, value, past.len.saturating_sub(1)).writer else { return false };
    let all_before = removals(past, key, value).all(|r| past.ok(r).is_some_and(|ret| ret < past.ops[writer].call));
    removals(past, key, value).next().is_some() && !all_before
}

fn certainly_removed(past: &Past, key: &Scalar, value: &Scalar) -> bool {
    let known = past.known(key, value, past.len.saturating_sub(1));
    let Some(last_ack) = known.last_ack.filter(|_| known.oks == known.possible) else { return false };
    let first = removals(past, key, value).filter(|r| past.ok(*r).is_some()).map(|r| past.ops[r].call).min();
    first.is_some_and(|call| last_ack < call)
}

/// Every final read shows something that certainly came before some acknowledged write.
fn register_lost(past: &Past, key: &Scalar, acknowledged: &[Scalar], finals: &[Value]) -> bool {
    let end = past.len.saturating_sub(1);
    !acknowledged.is_empty()
        && finals.iter().all(|value| {
            let Some(shown) = version(value) else { return false };
            if shown == Scalar::Null {
                return !past.shrinks(key, past.len);
            }
            let now = past.known(key, &shown, end);
            let all_acked = now.last_ack.filter(|_| now.oks == now.possible && now.possible > 0);
            let seen = first_shown(past, key, &shown).filter(|_| now.is_certain());
            let Some(since) = all_acked.filter(|_| !now.is_certain()).or_else(|| {
                let acked = all_acked.filter(|_| now.is_certain());
                acked.into_iter().chain(seen).min()
            }) else {
                return false;
            };
            acknowledged.iter().any(|w| {
                let write = past.known(key, w, end);
                *w != shown && write.is_certain() && write.writer.is_some_and(|op| past.ops[op].call > since)
            })
        })
}

/// What reads show that they must not, at any time.
fn during_the_run(past: &Past, key: &Scalar, account: &mut Account) {
    let mut shown: Vec<Scalar> = Vec::new();
    let (mut aborted, mut phantoms, mut duplicated): (Vec<Scalar>, Vec<Scalar>, Vec<Scalar>) = Default::default();
    let mut order: Vec<(usize, usize)> = (0..past.ops.len()).filter_map(|i| Some((past.ok(i)?, i))).collect();
    order.sort_unstable();
    for (ret, i) in order {
        for (_, value) in past.ops[i].answer.iter().filter(|(k, _)| k == key) {
            let values = match past.kind(key, ret) {
                KeyKind::List | KeyKind::Set => elements(value).unwrap_or_default(),
                KeyKind::Register => version(value).into_iter().filter(|v| *v != Scalar::Null).collect(),
                _ => Vec::new(),
            };
            for v in &values {
                let known = past.known(key, v, ret);
                if known.writer.is_none() {
                    phantoms.push(v.clone());
                } else {
                    let times = values.iter().filter(|x| *x == v).count();
                    if times > 1 && times > known.possible {
                        duplicated.push(v.clone());
                    }
                    if !shown.contains(v) && known.possible == 0 {
                        aborted.push(v.clone());
                    }
                    shown.push(v.clone());
                }
            }
        }
    }
    // What was shown first and failed later.
    for v in values_written(past, key) {
        let Some(first) = first_shown(past, key, &v) else { continue };
        for t in first + 1..past.len {
            let fails = past.ops.iter().any(|op| {
                op.ret == Some(t) && op.end == Kind::Fail && op.question.iter().any(|s| s.written() == Some((key, &v)))
            });
            if fails && past.known(key, &v, t).possible == 0 {
                aborted.push(v.clone());
            }
        }
    }
    for (list, count) in [
        (&mut aborted, &mut account.aborted),
        (&mut phantoms, &mut account.phantoms),
        (&mut duplicated, &mut account.duplicated),
    ] {
        list.sort();
        list.dedup();
        *count += list.len() as u64;
    }
}

/// The final versions of a register.
pub fn final_versions(past: &Past, key: &Scalar) -> Vec<Scalar> {
    final_reads(past, key, KeyKind::Register).iter().filter_map(version).collect()
}
