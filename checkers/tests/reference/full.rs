//! The full definitions, by trying every order of a few writes. A fold may detect less than they forbid, and must
//! never report what they allow.

use histories::{Kind, Scalar};

use super::order::{Reads, Rule, View, Write, all_writes, requires, shown, views};
use super::{KeyKind, Past, Step, version};

/// The full definition of consistent prefix for small histories: there is one order of the writes that may have happened,
/// in which whatever was in effect before another write was invoked comes before it, and every operation shows
/// the state after some prefix of it. Returns whether there is none.
pub fn no_order_explains(past: &Past) -> bool {
    let mut writers: Vec<usize> = (0..past.ops.len())
        .filter(|op| past.ops[*op].end != Kind::Fail && past.ops[*op].question.iter().any(Step::is_update))
        .collect();
    let reads: Reads = (0..past.ops.len()).map(|op| (op, views(past, op))).collect();
    !arrange(past, &reads, &mut writers, &mut Vec::new())
}

fn arrange(past: &Past, reads: &Reads, left: &mut Vec<usize>, order: &mut Vec<usize>) -> bool {
    // Those that are not in the order did not happen: only possible without an acknowledgement.
    if left.iter().all(|w| past.ok(*w).is_none()) && explains(past, reads, order) {
        return true;
    }
    for i in 0..left.len() {
        let next = left.remove(i);
        order.push(next);
        let found = arrange(past, reads, left, order);
        order.pop();
        left.insert(i, next);
        if found {
            return true;
        }
    }
    false
}

fn explains(past: &Past, reads: &Reads, order: &[usize]) -> bool {
    // Each read shows the state after some prefix.
    let prefix_of = |(op, views): &(usize, Vec<View>)| {
        // What an operation reads comes before what it writes.
        let last = order.iter().position(|w| w == op).unwrap_or(order.len());
        views.is_empty() || (0..=last).any(|n| views.iter().all(|view| state_shows(past, &order[..n], view)))
    };
    if !reads.iter().all(prefix_of) {
        return false;
    }
    // What was acknowledged, or shown, before another one was invoked comes before it.
    order.iter().enumerate().all(|(i, first)| {
        order[i + 1..].iter().all(|second| {
            // `second` comes later: it must not have been in effect when `first` was invoked.
            let call = past.ops[first.to_owned()].call;
            let acked = past.ok(*second).is_some_and(|ret| ret < call);
            let shown = reads.iter().any(|(op, views)| {
                past.ok(*op).is_some_and(|ret| ret < call)
                    && past.ops[*second].question.iter().filter_map(|s| s.written()).any(|(k, v)| {
                        views.iter().any(|view| match view {
                            View::List(key, list) | View::Set(key, list) => key == k && list.contains(v),
                            View::Register(key, now) => key == k && now == v,
                        })
                    })
            });
            !acked && !shown
        })
    })
}

fn state_shows(past: &Past, order: &[usize], view: &View) -> bool {
    let steps = order.iter().flat_map(|w| &past.ops[*w].question).filter(|s| s.key() == view.key());
    let mut list: Vec<Scalar> = Vec::new();
    let mut now = Scalar::Null;
    for step in steps {
        match step {
            Step::Append(_, v) => list.push(v.clone()),
            Step::Add(_, v) if !list.contains(v) => list.push(v.clone()),
            Step::Remove(_, v) => list.retain(|x| x != v),
            Step::Write(_, v) | Step::Cas(_, _, v) => now = v.clone(),
            _ => {}
        }
    }
    match view {
        View::List(_, shown) => *shown == list,
        View::Set(_, shown) => {
            let (mut a, mut b) = (shown.clone(), list);
            a.sort();
            b.sort();
            a == b
        }
        View::Register(_, shown) => *shown == now,
    }
}

/// Calls `ok` with every order of these, until it accepts one.
fn some_order<T: Clone>(items: &[T], ok: &mut impl FnMut(&[T]) -> bool) -> bool {
    fn go<T: Clone>(left: &mut Vec<T>, order: &mut Vec<T>, ok: &mut impl FnMut(&[T]) -> bool) -> bool {
        if left.is_empty() {
            return ok(order);
        }
        (0..left.len()).any(|i| {
            let next = left.remove(i);
            order.push(next);
            let found = go(left, order, ok);
            if let Some(next) = order.pop() {
                left.insert(i, next);
            }
            found
        })
    }
    go(&mut items.to_vec(), &mut Vec::new(), ok)
}

/// Monotonic writes or writes follow reads: there is one order of all writes, in which each comes after what it
/// requires, and every read shows, with each write, all that it requires. Returns whether there is none.
pub fn no_order_of_sessions(past: &Past, rule: Rule) -> bool {
    let end = past.len;
    let reads: Reads = (0..past.ops.len()).map(|op| (op, views(past, op))).collect();
    let writes: Vec<Write> =
        all_writes(past, end).into_iter().filter(|(k, v)| past.known(k, v, end).possible > 0).collect();
    let needs = |first: &Write, second: &Write| {
        let single = rule == Rule::WritesFollowReads && one_writer(past, &first.0, end);
        let by_session = single && first.0 == second.0 && requires(past, Rule::MonotonicWrites, first, second, end);
        first != second && (requires(past, rule, first, second, end) || by_session)
    };
    !some_order(&writes, &mut |order| {
        let consistent = (0..order.len()).all(|i| order[i + 1..].iter().all(|later| !needs(later, &order[i])));
        consistent && reads.iter().all(|(op, views)| past.ok(*op).is_none_or(|t| fits(past, views, order, t, &needs)))
    })
}

fn one_writer(past: &Past, key: &Scalar, t: usize) -> bool {
    let mut sessions: Vec<u32> = past
        .steps_before(t)
        .filter(|(_, s)| s.key() == key && matches!(s, Step::Write(..) | Step::Cas(..)))
        .map(|(op, _)| past.ops[op].session)
        .collect();
    sessions.dedup();
    sessions.len() == 1
}

/// Whether what is shown, and all that it requires, looks like this.
fn fits(past: &Past, views: &[View], order: &[Write], t: usize, needs: &impl Fn(&Write, &Write) -> bool) -> bool {
    let mut inside: Vec<Write> = views.iter().flat_map(|view| shown(past, view, t)).collect();
    let mut i = 0;
    while i < inside.len() {
        let more: Vec<Write> = order.iter().filter(|w| needs(w, &inside[i]) && !inside.contains(w)).cloned().collect();
        inside.extend(more);
        i += 1;
    }
    let place = |w: &Write| order.iter().position(|o| o == w);
    views.iter().all(|view| match view {
        View::List(key, list) => {
            let places: Vec<usize> = list.iter().filter_map(|v| place(&(key.clone(), v.clone()))).collect();
            places.is_sorted() && inside.iter().filter(|(k, _)| k == key).all(|(_, v)| list.contains(v))
        }
        View::Set(key, set) => {
            inside.iter().filter(|(k, _)| k == key).all(|(_, v)| set.contains(v) || past.is_removed(key, v, t))
        }
        View::Register(key, now) => {
            let last = inside.iter().filter(|(k, _)| k == key).filter_map(place).max();
            match last {
                None => true,
                Some(_) if *now == Scalar::Null => past.shrinks(key, t),
                // What nobody wrote, or two, could be anywhere.
                Some(last) => !past.known(key, now, t).is_certain() || place(&(key.clone(), now.clone())) >= Some(last),
            }
        }
    })
}

/// Monotonic reads of a register: there is one order of its versions, in which the writes of a session stand in its order,
/// and no session's reads go back. Returns whether some register has none. Values have to be written once.
pub fn no_order_of_versions(past: &Past) -> bool {
    registers(past).iter().any(|key| {
        let reads = reads_of(past, key);
        let versions = versions(past, key, &reads);
        let back = |order: &[Scalar], a: &Scalar, b: &Scalar| {
            order.iter().position(|v| v == b) < order.iter().position(|v| v == a)
        };
        !some_order(&versions, &mut |order| {
            let forward = reads
                .iter()
                .all(|(r1, a)| reads.iter().all(|(r2, b)| !past.session_before(*r1, *r2) || !back(order, a, b)));
            let nothing_first =
                past.shrinks(key, past.len) || order.iter().position(|v| *v == Scalar::Null).is_none_or(|i| i == 0);
            forward && nothing_first && own_order(past, key, order, None)
        })
    })
}

/// Read your writes of a register: for each session there is an order of the versions that agrees with what the session
/// itself knows of it, and in which it reads no version older than its own. Returns whether some session has none.
pub fn no_order_for_a_session(past: &Past) -> bool {
    let mut sessions: Vec<u32> = past.ops.iter().map(|op| op.session).collect();
    sessions.sort_unstable();
    sessions.dedup();
    registers(past).iter().any(|key| {
        let reads = reads_of(past, key);
        let versions = versions(past, key, &reads);
        sessions.iter().any(|session| {
            !some_order(&versions, &mut |order| {
                let place = |v: &Scalar| order.iter().position(|o| o == v);
                let nothing_first = past.shrinks(key, past.len) || place(&Scalar::Null).is_none_or(|i| i == 0);
                let sees_own = reads.iter().filter(|(r, _)| past.ops[*r].session == *session).all(|(r, shown)| {
                    past.steps_before(past.len)
                        .filter(|(w, s)| {
                            s.is_update() && s.key() == key && past.ok(*w).is_some() && past.session_before(*w, *r)
                        })
                        .all(|(_, s)| s.written().is_none_or(|(_, own)| place(shown) >= place(own)))
                });
                nothing_first && sees_own && own_order(past, key, order, Some(*session))
            })
        })
    })
}

/// Whether an order of versions agrees with what sessions know of it: their own writes, and what they had read before
/// (if one session is asked), or replaced.
fn own_order(past: &Past, key: &Scalar, order: &[Scalar], session: Option<u32>) -> bool {
    let place = |v: &Scalar| order.iter().position(|o| o == v);
    past.steps_before(past.len).filter(|(_, s)| s.key() == key).all(|(w, step)| {
        let Some((_, new)) = step.written() else { return true };
        if session.is_some_and(|s| past.ops[w].session != s) {
            return true;
        }
        let after = |old: &Scalar| place(old).is_none() || place(old) < place(new);
        let replaced = match step {
            Step::Cas(_, old, _) if session.is_some() && past.ok(w).is_some() => after(old),
            _ => true,
        };
        let known = past.ops.iter().enumerate().all(|(o, op)| {
            if !past.session_before(o, w) || past.ok(o).is_none() {
                return true;
            }
            let wrote = op.question.iter().filter_map(Step::written).filter(|(k, _)| *k == key).all(|(_, v)| after(v));
            let read = op.answer.iter().filter(|(k, _)| k == key).filter_map(|(_, v)| version(v)).all(|v| after(&v));
            wrote && (session.is_none() || read)
        });
        replaced && known
    })
}

fn registers(past: &Past) -> Vec<Scalar> {
    past.keys().into_iter().filter(|key| past.kind(key, past.len) == KeyKind::Register).collect()
}

fn reads_of(past: &Past, key: &Scalar) -> Vec<(usize, Scalar)> {
    let mut reads = Vec::new();
    for (i, op) in past.ops.iter().enumerate().filter(|(i, _)| past.ok(*i).is_some()) {
        reads.extend(op.answer.iter().filter(|(k, _)| k == key).filter_map(|(_, v)| Some((i, version(v)?))));
    }
    reads
}

fn versions(past: &Past, key: &Scalar, reads: &[(usize, Scalar)]) -> Vec<Scalar> {
    let written = past.steps_before(past.len).filter_map(|(_, s)| s.written()).filter(|(k, _)| *k == key);
    let mut all: Vec<Scalar> = written.map(|(_, v)| v.clone()).chain(reads.iter().map(|(_, v)| v.clone())).collect();
    all.sort();
    all.dedup();
    all
}

/// Durability of registers: for each register there is an order of the writes that happened, which agrees with real time and
/// with what reads showed, in which every acknowledged compare-and-set finds what it replaces, and which ends with one of
/// the final reads, if there are any. Returns whether some register has none.
pub fn no_final_version(past: &Past, finals: impl Fn(&Scalar) -> Vec<Scalar>) -> bool {
    registers(past).iter().any(|key| {
        let last = finals(key);
        let of_key = |op: usize| past.ops[op].question.iter().filter(|s| s.written().is_some_and(|(k, _)| k == key));
        let may_write = |op: &usize| past.ops[*op].end != Kind::Fail && of_key(*op).next().is_some();
        let writers: Vec<usize> = (0..past.ops.len()).filter(may_write).collect();
        let written = |op: usize| of_key(op).filter_map(Step::written).map(|(_, v)| v).next_back();
        let reads = reads_of(past, key);
        let before = |first: usize, second: usize| {
            let call = past.ops[second].call;
            let acked = past.ok(first).is_some_and(|ret| ret < call);
            acked || reads.iter().any(|(r, v)| Some(v) == written(first) && past.ok(*r).is_some_and(|ret| ret < call))
        };
        // What the register holds after these; nothing if an acknowledged compare-and-set did not find what it replaced.
        let state = |order: &[usize]| {
            let mut now = Scalar::Null;
            for op in order {
                for step in of_key(*op) {
                    match step {
                        Step::Cas(_, old, _) if *old != now && past.ok(*op).is_some() => return None,
                        Step::Cas(_, old, new) if *old == now => now = new.clone(),
                        Step::Write(_, new) => now = new.clone(),
                        _ => {}
                    }
                }
            }
            Some(now)
        };
        !some_order(&writers, &mut |order| {
            // What comes behind the end did not happen.
            (0..=order.len()).any(|end| {
                let did_not = order[end..].iter().all(|w| past.ok(*w).is_none());
                let in_order = (0..end).all(|i| (i + 1..end).all(|j| !before(order[j], order[i])));
                let ends = state(&order[..end]).is_some_and(|now| last.is_empty() || last.contains(&now));
                did_not && in_order && ends
            })
        })
    })
}
