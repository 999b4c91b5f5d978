//! References for consistent prefix, monotonic writes and writes follow reads: every read, every pair of writes.

use histories::Scalar;

use super::{KeyKind, Past, Step, elements, version};

/// Which writes come before which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    ConsistentPrefix,
    MonotonicWrites,
    WritesFollowReads,
}

/// What an operation shows of one key.
pub enum View {
    List(Scalar, Vec<Scalar>),
    Set(Scalar, Vec<Scalar>),
    Register(Scalar, Scalar),
}

impl View {
    pub fn key(&self) -> &Scalar {
        match self {
            View::List(k, _) | View::Set(k, _) | View::Register(k, _) => k,
        }
    }
}

pub type Write = (Scalar, Scalar);

/// What each operation shows.
pub type Reads = Vec<(usize, Vec<View>)>;

/// Whether some read breaks the rule.
pub fn violated(past: &Past, rule: Rule) -> bool {
    let reads: Reads = (0..past.ops.len()).map(|op| (op, views(past, op))).collect();
    let broken = |(op, views): &(usize, Vec<View>)| breaks(past, rule, *op, views, &reads);
    reads.iter().any(broken) || (rule == Rule::ConsistentPrefix && forked(&reads))
}

pub fn views(past: &Past, op: usize) -> Vec<View> {
    let Some(t) = past.ok(op) else { return Vec::new() };
    let it = &past.ops[op];
    let own: Vec<Write> = it.question.iter().filter_map(|s| s.written()).map(|(k, v)| (k.clone(), v.clone())).collect();
    let of = |(key, value): &(Scalar, histories::Value)| match past.kind(key, t) {
        KeyKind::List => {
            let mut list = elements(value)?;
            while list.last().is_some_and(|last| own.contains(&(key.clone(), last.clone()))) {
                list.pop();
            }
            Some(View::List(key.clone(), list))
        }
        KeyKind::Set => Some(View::Set(key.clone(), elements(value)?)),
        KeyKind::Register if !own.iter().any(|(k, _)| k == key) => Some(View::Register(key.clone(), version(value)?)),
        _ => None,
    };
    it.answer.iter().filter_map(of).collect()
}

/// Neither of two lists of a key is a prefix of the other.
fn forked(reads: &[(usize, Vec<View>)]) -> bool {
    let lists: Vec<(&Scalar, &Vec<Scalar>)> = reads
        .iter()
        .flat_map(|(_, views)| views)
        .filter_map(|v| if let View::List(k, list) = v { Some((k, list)) } else { None })
        .collect();
    lists.iter().any(|(k, a)| lists.iter().any(|(l, b)| k == l && !a.starts_with(b) && !b.starts_with(a)))
}

fn breaks(past: &Past, rule: Rule, op: usize, views: &[View], reads: &Reads) -> bool {
    let Some(t) = past.ok(op) else { return false };
    let shown: Vec<Write> = views.iter().flat_map(|v| shown(past, v, t)).collect();
    let writes = all_writes(past, t);
    views.iter().any(|view| {
        writes.iter().filter(|w| w.0 == *view.key()).any(|earlier| {
            let Some(since) = effective(past, earlier, t, reads) else { return false };
            let required = |later: &Write| {
                let known = past.known(&later.0, &later.1, t);
                let call = known.writer.map(|w| past.ops[w].call);
                later != earlier && call.is_some_and(|call| since < call) && requires(past, rule, earlier, later, t)
            };
            match view {
                View::List(key, list) => match list.iter().position(|v| *v == earlier.1) {
                    None => shown.iter().any(required),
                    // In its list, before which elements does it have to stand?
                    Some(at) => list[..at]
                        .iter()
                        .map(|v| (key.clone(), v.clone()))
                        .filter(|w| shown.contains(w))
                        .any(|w| required(&w)),
                },
                View::Set(key, set) => {
                    !set.contains(&earlier.1) && !past.is_removed(key, &earlier.1, t) && shown.iter().any(required)
                }
                View::Register(key, now) => {
                    let missed = if *now == Scalar::Null {
                        !past.shrinks(key, t)
                    } else {
                        replaced(past, rule, &(key.clone(), now.clone()), earlier, t, reads)
                    };
                    missed && past.known(key, &earlier.1, t).is_certain() && shown.iter().any(required)
                }
            }
        })
    })
}

/// The writes that a view shows.
pub fn shown(past: &Past, view: &View, t: usize) -> Vec<Write> {
    let of = |key: &Scalar, value: &Scalar| {
        let known = past.known(key, value, t);
        (known.possible > 0 && !known.failed).then(|| (key.clone(), value.clone()))
    };
    match view {
        View::List(key, list) | View::Set(key, list) => list.iter().filter_map(|v| of(key, v)).collect(),
        View::Register(key, now) if past.known(key, now, t).is_certain() => of(key, now).into_iter().collect(),
        View::Register(..) => Vec::new(),
    }
}

pub fn all_writes(past: &Past, t: usize) -> Vec<Write> {
    let mut writes: Vec<Write> =
        past.steps_before(t).filter_map(|(_, s)| s.written()).map(|(k, v)| (k.clone(), v.clone())).collect();
    writes.sort();
    writes.dedup();
    writes
}

/// Since when a write is in effect, as far as is known at `t`: acknowledged, or shown by a complete read.
fn effective(past: &Past, write: &Write, t: usize, reads: &Reads) -> Option<usize> {
    let known = past.known(&write.0, &write.1, t);
    if known.failed || known.possible == 0 {
        return None;
    }
    let shows = |(op, views): &&(usize, Vec<View>)| {
        let Some(ret) = past.ok(*op).filter(|ret| *ret <= t) else { return false };
        let shown = views.iter().filter(|v| *v.key() == write.0).any(|view| match view {
            View::List(_, list) | View::Set(_, list) => list.contains(&write.1),
            // A register shows even what two may have written; that it is in effect is certain.
            View::Register(_, now) => *now == write.1,
        });
        shown && past.known(&write.0, &write.1, ret).possible > 0
    };
    let read = reads.iter().filter(shows).filter_map(|(op, _)| past.ok(*op)).min();
    known.acked.into_iter().chain(read).min()
}

pub fn requires(past: &Past, rule: Rule, earlier: &Write, later: &Write, t: usize) -> bool {
    let (first, second) = (past.known(&earlier.0, &earlier.1, t), past.known(&later.0, &later.1, t));
    let (Some(w1), Some(w2)) = (first.writer, second.writer) else { return false };
    let call = past.ops[w2].call;
    match rule {
        Rule::ConsistentPrefix => true,
        Rule::MonotonicWrites => {
            let certain = first.is_certain() && second.is_certain();
            certain && past.ops[w1].session == past.ops[w2].session && first.acked.is_some_and(|ack| ack < call)
        }
        Rule::WritesFollowReads => {
            let had_read = |(r, op): (usize, &super::Op)| {
                let Some(ret) = past.ok(r).filter(|ret| *ret < call) else { return false };
                op.session == past.ops[w2].session
                    && op.answer.iter().filter(|(k, _)| *k == earlier.0).any(|(k, value)| match past.kind(k, ret) {
                        KeyKind::List | KeyKind::Set => elements(value).is_some_and(|e| e.contains(&earlier.1)),
                        KeyKind::Register => version(value) == Some(earlier.1.clone()),
                        _ => false,
                    })
            };
            second.is_certain() && past.ops.iter().enumerate().any(had_read)
        }
    }
}

/// Whether a register that shows one version has certainly not taken in the other.
fn replaced(past: &Past, rule: Rule, shown: &Write, other: &Write, t: usize, reads: &Reads) -> bool {
    let (now, then) = (past.known(&shown.0, &shown.1, t), past.known(&other.0, &other.1, t));
    let (Some(since), Some(w), Some(by)) = (effective(past, shown, t, reads), then.writer, now.writer) else {
        return false;
    };
    if !now.is_certain() || shown == other || past.ops[w].call <= since {
        return false;
    }
    let acked_before = now.acked.is_some_and(|ack| ack < past.ops[w].call);
    match rule {
        Rule::ConsistentPrefix => true,
        Rule::MonotonicWrites => then.is_certain() && past.ops[by].session == past.ops[w].session && acked_before,
        Rule::WritesFollowReads => {
            let mut sessions: Vec<u32> = past
                .steps_before(t)
                .filter(|(_, s)| *s.key() == shown.0 && matches!(s, Step::Write(..) | Step::Cas(..)))
                .map(|(op, _)| past.ops[op].session)
                .collect();
            sessions.dedup();
            sessions.len() == 1 && acked_before
        }
    }
}
