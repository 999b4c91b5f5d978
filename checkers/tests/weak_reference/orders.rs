//! Operations of sessions, and the definitions of Bouajjani, Enea, Guerraoui and Hamza (POPL 2017), section 3.

use histories::{Event, Micro, Operation, Scalar, Value};

use super::transactions::{Txn, transactions};

/// One read or write.
#[derive(Clone, Debug)]
pub struct Op {
    pub session: u32,
    pub invoked: usize,
    pub completed: usize,
    pub key: Scalar,
    pub what: What,
    /// It may also not have happened.
    pub doubtful: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub enum What {
    Write(Scalar),
    Append(Scalar),
    Read(Value),
}

impl Op {
    pub fn is_write(&self) -> bool {
        !matches!(self.what, What::Read(_))
    }
}

/// The operations of a history; those that failed are not there.
pub fn operations(events: &[Event]) -> Vec<Op> {
    let each = |txn: Txn| {
        let Txn { session, invoked, completed, steps, doubtful } = txn;
        steps.into_iter().map(move |(key, what)| Op { session, invoked, completed, key, what, doubtful })
    };
    transactions(events).into_iter().flat_map(each).collect()
}

pub fn steps(operation: &Operation) -> Vec<(Scalar, What)> {
    let key = || operation.key().cloned().unwrap_or(Scalar::Null);
    match operation {
        Operation::Read { value: Some(value), .. } => vec![(key(), What::Read(value.clone()))],
        Operation::Write { value, .. } => vec![(key(), What::Write(value.clone()))],
        Operation::Append { value, .. } => vec![(key(), What::Append(value.clone()))],
        Operation::Txn(micros) => micros.iter().filter_map(micro).collect(),
        _ => Vec::new(),
    }
}

fn micro(micro: &Micro) -> Option<(Scalar, What)> {
    match micro {
        Micro::Read { key, value: Some(value) } => Some((key.clone(), What::Read(value.clone()))),
        Micro::Write { key, value } => Some((key.clone(), What::Write(value.clone()))),
        Micro::Append { key, value } => Some((key.clone(), What::Append(value.clone()))),
        _ => None,
    }
}

/// A set of at most 32 operations.
pub type Set = u32;

/// For each operation the set of those before it.
pub type Before = Vec<Set>;

pub fn has(set: Set, i: usize) -> bool {
    set >> i & 1 == 1
}

pub fn members(set: Set) -> impl Iterator<Item = usize> {
    (0..32).filter(move |i| has(set, *i))
}

pub fn session_order(ops: &[Op]) -> Before {
    let before = |a: usize, b: usize| {
        let (a, b, first) = (&ops[a], &ops[b], a < b);
        a.session == b.session && (a.completed < b.invoked || a.invoked == b.invoked && first)
    };
    (0..ops.len()).map(|b| (0..ops.len()).filter(|a| before(*a, b)).fold(0, |set, a| set | 1 << a)).collect()
}

/// The transitive closure.
pub fn closed(mut before: Before) -> Before {
    let n = before.len();
    for middle in 0..n {
        for node in 0..n {
            if has(before[node], middle) {
                before[node] |= before[middle];
            }
        }
    }
    before
}

pub fn is_acyclic(before: &Before) -> bool {
    (0..before.len()).all(|i| !has(before[i], i))
}

/// For each operation those that it read from; `None` if it read what nobody wrote.
pub fn reads_from(ops: &[Op]) -> Option<Before> {
    let writer = |key: &Scalar, value: &Scalar| {
        ops.iter().position(|op| match &op.what {
            What::Write(v) | What::Append(v) => op.key == *key && v == value,
            What::Read(_) => false,
        })
    };
    let from = |op: &Op| match &op.what {
        What::Read(Value::Scalar(Scalar::Null)) => Some(0),
        What::Read(Value::Scalar(value)) => writer(&op.key, value).map(|w| 1 << w),
        What::Read(Value::List(items)) => {
            items.iter().try_fold(0, |set, item| writer(&op.key, item).map(|w| set | 1 << w))
        }
        _ => Some(0),
    };
    ops.iter().map(from).collect()
}

/// Whether the operations of `set` can be put one after the other so that `before` is respected and all reads in `judged`
/// return what the object then holds.
pub fn has_story(ops: &[Op], set: Set, before: &Before, judged: Set) -> bool {
    fn go(ops: &[Op], left: Set, before: &Before, judged: Set, done: &mut Vec<usize>) -> bool {
        if left == 0 {
            return true;
        }
        for i in members(left) {
            if before[i] & left != 0 || has(judged, i) && !is_right(ops, i, done) {
                continue;
            }
            done.push(i);
            let found = go(ops, left & !(1 << i), before, judged, done);
            done.pop();
            if found {
                return true;
            }
            // A judged read that can stand here may as well.
            if has(judged, i) && !ops[i].is_write() {
                return false;
            }
        }
        false
    }
    go(ops, set, before, judged, &mut Vec::new())
}

/// Whether a read returns what the object holds after these operations; a write is always right.
pub fn is_right(ops: &[Op], i: usize, done: &[usize]) -> bool {
    let same = done.iter().map(|j| &ops[*j]).filter(|op| op.key == ops[i].key);
    match &ops[i].what {
        What::Read(Value::List(items)) => {
            let appended = same.filter_map(|op| if let What::Append(value) = &op.what { Some(value) } else { None });
            items.iter().eq(appended)
        }
        What::Read(Value::Scalar(found)) => {
            let last = same.rev().find_map(|op| match &op.what {
                What::Write(value) | What::Append(value) => Some(value),
                What::Read(_) => None,
            });
            last.unwrap_or(&Scalar::Null) == found
        }
        _ => true,
    }
}

/// All linear extensions of `before` on a set, until one is good.
pub fn some_order(set: Set, before: &Before, good: &mut dyn FnMut(&[usize]) -> bool) -> bool {
    fn go(left: Set, before: &Before, done: &mut Vec<usize>, good: &mut dyn FnMut(&[usize]) -> bool) -> bool {
        if left == 0 {
            return good(done);
        }
        members(left).any(|i| {
            before[i] & left == 0 && {
                done.push(i);
                let found = go(left & !(1 << i), before, done, good);
                done.pop();
                found
            }
        })
    }
    go(set, before, &mut Vec::new(), good)
}

fn everything(ops: &[Op]) -> Set {
    (0..ops.len()).fold(0, |set, i| set | 1 << i)
}

/// With this causal order: each operation by itself can be explained by its past.
pub fn is_causal_with(ops: &[Op], co: &Before) -> bool {
    is_acyclic(co) && (0..ops.len()).all(|i| has_story(ops, co[i] | 1 << i, co, 1 << i))
}

/// With this causal order: each session's operations so far can be explained by what is in its past.
pub fn is_memory_with(ops: &[Op], co: &Before) -> bool {
    let po = session_order(ops);
    is_acyclic(co) && (0..ops.len()).all(|i| has_story(ops, co[i] | 1 << i, co, po[i] | 1 << i))
}

/// With this causal order: one order of everything explains each operation by its past.
pub fn is_convergent_with(ops: &[Op], co: &Before) -> bool {
    is_acyclic(co)
        && some_order(everything(ops), co, &mut |order| {
            (0..ops.len()).all(|i| {
                let past: Vec<usize> = order.iter().copied().filter(|j| has(co[i], *j)).collect();
                is_right(ops, i, &past)
            })
        })
}

/// Each session can be told a story of all writes and its own reads.
pub fn is_pram(ops: &[Op]) -> bool {
    let po = closed(session_order(ops));
    let writes = (0..ops.len()).filter(|i| ops[*i].is_write()).fold(0, |set, i| set | 1 << i);
    ops.iter().all(|op| {
        let own = (0..ops.len()).filter(|i| ops[*i].session == op.session).fold(0, |set: Set, i| set | 1 << i);
        has_story(ops, writes | own, &po, own)
    })
}

/// The causal order that the reads force.
pub fn forced(ops: &[Op]) -> Option<Before> {
    let from = reads_from(ops)?;
    Some(closed(session_order(ops).iter().zip(from).map(|(a, b)| a | b).collect()))
}

/// Whether there is any causal order, of all that contain the order of sessions, that is `good`.
pub fn some_causal_order(ops: &[Op], good: impl Fn(&Before) -> bool) -> bool {
    fn go(pairs: &[(usize, usize)], co: Before, good: &dyn Fn(&Before) -> bool) -> bool {
        let Some(((a, b), rest)) = pairs.split_first() else {
            return closed(co.clone()) == co && is_acyclic(&co) && good(&co);
        };
        let with = |from: usize, to: usize| {
            let mut co = co.clone();
            co[to] |= 1 << from;
            co
        };
        go(rest, co.clone(), good) || go(rest, with(*a, *b), good) || go(rest, with(*b, *a), good)
    }
    let po = closed(session_order(ops));
    let open = |a: &usize, b: &usize| !has(po[*a], *b) && !has(po[*b], *a);
    let pairs: Vec<(usize, usize)> =
        (0..ops.len()).flat_map(|b| (0..b).map(move |a| (a, b))).filter(|(a, b)| open(a, b)).collect();
    go(&pairs, po.clone(), &good)
}

/// Whether the operations are good, for some choice of which of the doubtful ones happened.
pub fn some_choice(events: &[Event], good: impl Fn(&[Op]) -> bool) -> bool {
    let ops = operations(events);
    let doubtful: Vec<usize> = (0..ops.len()).filter(|i| ops[*i].doubtful).collect();
    (0..1u32 << doubtful.len()).any(|choice| {
        let absent = |i: &usize| doubtful.iter().position(|d| d == i).is_some_and(|d| !has(choice, d));
        let kept: Vec<Op> = (0..ops.len()).filter(|i| !absent(i)).map(|i| ops[i].clone()).collect();
        good(&kept)
    })
}
