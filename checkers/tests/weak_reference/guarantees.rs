//! The session guarantees, held against every order of the versions of each key.

use std::collections::BTreeSet;

use histories::{Scalar, Value};

use super::orders::{Before, Op, What, closed, has, session_order, some_order};

/// One of the four.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Guarantee {
    MonotonicReads,
    ReadYourWrites,
    MonotonicWrites,
    WritesFollowReads,
}

/// Whether a guarantee holds.
pub fn holds(ops: &[Op], guarantee: Guarantee) -> bool {
    let keys: BTreeSet<&Scalar> = ops.iter().map(|op| &op.key).collect();
    keys.into_iter().all(|key| {
        let ops: Vec<&Op> = ops.iter().filter(|op| op.key == *key).collect();
        let is_list = |op: &&Op| matches!(op.what, What::Append(_) | What::Read(Value::List(_)));
        if ops.iter().any(is_list) { list(&ops, guarantee) } else { register(&ops, guarantee) }
    })
}

/// Whether everything that an operation read was written by one of these.
pub fn is_explained(ops: &[Op], op: &Op) -> bool {
    let written = |value: &Scalar| {
        let writes = |what: &What| *what == What::Write(value.clone()) || *what == What::Append(value.clone());
        ops.iter().any(|other| other.key == op.key && writes(&other.what))
    };
    match &op.what {
        What::Read(Value::Scalar(value)) => *value == Scalar::Null || written(value),
        What::Read(Value::List(items)) => items.iter().all(written),
        _ => true,
    }
}

/// Where a version stands: 0 is the initial one. `None` for what nobody wrote.
fn version(ops: &[&Op], order: &[usize], value: &Scalar) -> Option<usize> {
    if *value == Scalar::Null {
        return Some(0);
    }
    order.iter().position(|i| ops[*i].what == What::Write(value.clone())).map(|at| at + 1)
}

fn register(ops: &[&Op], guarantee: Guarantee) -> bool {
    let owned: Vec<Op> = ops.iter().map(|op| (*op).clone()).collect();
    let so = closed(session_order(&owned));
    let writers: BTreeSet<u32> = ops.iter().filter(|op| op.is_write()).map(|op| op.session).collect();
    let writes = (0..ops.len()).filter(|i| ops[*i].is_write()).fold(0, |set: u32, i| set | 1 << i);
    let before: Before = if writers.len() == 1 { so.clone() } else { vec![0; ops.len()] };
    let before: Before = before.into_iter().map(|set| set & writes).collect();
    some_order(writes, &before, &mut |order| {
        let at = |op: &Op| match &op.what {
            What::Write(value) | What::Read(Value::Scalar(value)) => version(ops, order, value),
            _ => None,
        };
        (0..ops.len()).all(|b| {
            (0..ops.len()).filter(|a| has(so[b], *a)).all(|a| {
                let (Some(first), Some(second)) = (at(ops[a]), at(ops[b])) else { return false };
                match (guarantee, ops[a].is_write(), ops[b].is_write()) {
                    (Guarantee::MonotonicReads, false, false)
                    | (Guarantee::ReadYourWrites, true, false)
                    | (Guarantee::MonotonicWrites, true, true)
                    | (Guarantee::WritesFollowReads, false, true) => first <= second,
                    _ => true,
                }
            })
        }) && ops.iter().all(|op| at(op).is_some())
    })
}

fn elements(op: &Op) -> Vec<Scalar> {
    match &op.what {
        What::Append(value) => vec![value.clone()],
        What::Read(Value::List(items)) => items.clone(),
        _ => Vec::new(),
    }
}

fn list(ops: &[&Op], guarantee: Guarantee) -> bool {
    let owned: Vec<Op> = ops.iter().map(|op| (*op).clone()).collect();
    let so = closed(session_order(&owned));
    let reads: Vec<&&Op> = ops.iter().filter(|op| !op.is_write()).collect();
    // In every read that shows `later`, each of `earlier` stands before it.
    let before = |earlier: &[Scalar], later: &Scalar| {
        reads.iter().map(|read| elements(read)).all(|shown| match shown.iter().position(|e| e == later) {
            None => true,
            Some(at) => earlier.iter().filter(|e| *e != later).all(|e| shown[..at].contains(e)),
        })
    };
    (0..ops.len()).all(|b| {
        (0..ops.len()).filter(|a| has(so[b], *a)).all(|a| {
            let (first, second) = (elements(ops[a]), elements(ops[b]));
            match (guarantee, ops[a].is_write(), ops[b].is_write()) {
                (Guarantee::MonotonicReads, false, false) | (Guarantee::ReadYourWrites, true, false) => {
                    first.iter().all(|element| second.contains(element))
                }
                (Guarantee::MonotonicWrites, true, true) | (Guarantee::WritesFollowReads, false, true) => {
                    before(&first, &second[0])
                }
                _ => true,
            }
        })
    })
}
