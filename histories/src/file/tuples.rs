//! Keys that are hidden in values: the tuples of Jepsen's independent workloads.
//!
//! Jepsen tests many keys with a workload for one by putting the key into the value: a write of 3 to the key 7 is logged
//! as `write [7 3]`, a read of it as `read [7 nil]`, a compare-and-set as `cas [7 [2 3]]`. Nothing in the history says
//! so, and `write [7 3]` may just as well write a list of two. What is decided here:
//!
//! - It is a history of tuples if **every** invocation by a client is one, has no key of its own, and at least one of
//!   them can be nothing else: a question `[k nil]` (`read`, `dequeue`, `pop`, `acquire`) or a compare-and-set
//!   `[k [old new]]`. So a history of nothing but `write [1 2]` or `cas [1 2]` has no tuples.
//! - The key of a tuple is a number or a string. Transactions name their own keys, and are never in tuples.
//! - Every `ok` completion is a tuple with the key of its invocation, too: Jepsen wraps the answers as it wraps the
//!   questions, and a history that adds `[0 7]` and reads `[6 7 8]` is one that lost what it added. A `fail` or an `info`
//!   may have a bare value; it has the key of its invocation.
//!
//! Only the last event can tell, and no one wants to read a file twice. So the first events are taken for tuples until one
//! is none, which is the very first one in nearly every history without them. What was taken wrongly is put back together:
//! the key and the value of each event become its value.

use std::sync::Arc;

use crate::event::{Event, Kind};
use crate::history::History;
use crate::operation::{Operation, Scalar, Value};

/// What is known about the tuples of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tuples {
    /// All invocations so far are; whether one of them can be nothing else.
    Possible { proven: bool },
    /// There are none.
    None,
}

impl Tuples {
    pub fn possible(self) -> bool {
        self != Tuples::None
    }

    /// An invocation was taken for a tuple, with this value beside its key.
    pub fn prove(&mut self) {
        *self = Tuples::Possible { proven: true };
    }

    pub fn give_up(&mut self) {
        *self = Tuples::None;
    }

    /// At the end of a history; says whether the history is to be undone.
    pub fn give_up_unproven(&mut self) -> bool {
        let unproven = *self == Tuples::Possible { proven: false };
        if unproven {
            self.give_up();
        }
        unproven
    }
}

/// Whether an operation with a key is what no value of two elements could be.
pub(super) fn is_proof(kind: Kind, operation: &Operation) -> bool {
    kind == Kind::Invoke
        && match operation {
            Operation::Read { value, .. } => value.is_none(),
            Operation::Item { f, value, .. } => f.is_question() && value.is_none(),
            Operation::Cas { .. } => true,
            _ => false,
        }
}

/// The history with every key back in its value, where clients have keys. The values of the `bare` events, whose indices
/// are in order, had none.
pub(super) fn undone(history: &History, bare: &[u32]) -> History {
    let mut whole = History::new();
    let mut bare = bare.iter().peekable();
    for index in history.events() {
        let event = history.event(index);
        let operation = match event.operation {
            operation if event.process.is_nemesis() => operation,
            operation if bare.next_if(|bare| **bare == index.0).is_some() => keyed(operation, None),
            operation => with_tuple(operation),
        };
        // What fitted with its parts apart fits with its parts together.
        whole.push(&Event { operation, ..event });
    }
    whole
}

/// The same operation on this object.
pub(super) fn keyed(mut operation: Operation, name: Option<Scalar>) -> Operation {
    match &mut operation {
        Operation::Read { key, .. }
        | Operation::Write { key, .. }
        | Operation::Cas { key, .. }
        | Operation::Append { key, .. }
        | Operation::Add { key, .. }
        | Operation::Remove { key, .. }
        | Operation::Increment { key, .. }
        | Operation::Contains { key, .. }
        | Operation::Item { key, .. }
        | Operation::Custom { key, .. } => *key = name,
        Operation::Txn(_) => {}
    }
    operation
}

fn with_tuple(operation: Operation) -> Operation {
    let Some(k) = operation.key().cloned() else { return operation };
    let tuple = |value: &Scalar| Scalar::from_json(vec![k.to_json(), value.to_json()].into());
    match operation {
        Operation::Read { value, .. } => {
            let value = match value {
                None => Scalar::Null,
                Some(Value::Scalar(value)) => value,
                Some(list) => Scalar::from_json(list.to_json()),
            };
            Operation::Read { key: None, value: Some(Value::List(vec![k, value])) }
        }
        Operation::Write { value, .. } => Operation::Write { key: None, value: tuple(&value) },
        Operation::Append { value, .. } => Operation::Append { key: None, value: tuple(&value) },
        Operation::Add { value, .. } => Operation::Add { key: None, value: tuple(&value) },
        Operation::Remove { value, .. } => Operation::Remove { key: None, value: tuple(&value) },
        Operation::Cas { old, new, .. } => {
            let new = Scalar::from_json(vec![old.to_json(), new.to_json()].into());
            Operation::Cas { key: None, old: k, new }
        }
        Operation::Item { f, value, .. } => {
            let value = tuple(value.as_ref().unwrap_or(&Scalar::Null));
            Operation::Item { f, key: None, value: Some(value) }
        }
        Operation::Custom { f, value, .. } => custom(f, &k, value),
        // These have no other reading than that of a tuple.
        Operation::Increment { .. } | Operation::Contains { .. } | Operation::Txn(_) => operation,
    }
}

fn custom(f: Arc<str>, k: &Scalar, value: serde_json::Value) -> Operation {
    Operation::Custom { f, key: None, value: vec![k.to_json(), value].into() }
}
