//! One operation as the sequence of what it does to keys, whether it is a transaction or not.

use histories::{EventIndex, Function, History, KeyId, MicroFunction, MicroOp, Payload, ValueId};

/// What is done to one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// The answer, or `Unknown`.
    Read(Payload),
    Write(ValueId),
    /// Expected and new.
    Cas(ValueId, ValueId),
    Append(ValueId),
    Add(ValueId),
    Remove(ValueId),
    Increment(i64),
}

impl Act {
    /// Whether it sets a register.
    #[inline]
    pub(crate) fn sets_register(self) -> bool {
        matches!(self, Act::Write(_) | Act::Cas(..))
    }

    /// The value that a key gains by it.
    #[inline]
    pub(crate) fn written(self) -> Option<ValueId> {
        match self {
            Act::Write(v) | Act::Cas(_, v) | Act::Append(v) | Act::Add(v) => Some(v),
            Act::Read(_) | Act::Remove(_) | Act::Increment(_) => None,
        }
    }

    #[inline]
    pub(crate) fn is_update(self) -> bool {
        !matches!(self, Act::Read(_))
    }
}

/// The acts of one event, in order. Custom operations have none.
pub(crate) enum Acts<'h> {
    One(Option<(KeyId, Act)>),
    Many(std::slice::Iter<'h, MicroOp>),
}

/// What this event does, or did, to which keys.
#[inline(always)]
pub(crate) fn acts(history: &History, event: EventIndex) -> Acts<'_> {
    let payload = history.payload(event);
    let act = match (history.function(event), payload) {
        (Function::Read, read) => Act::Read(read),
        (Function::Write, Payload::Value(v)) => Act::Write(v),
        (Function::Cas, Payload::Pair(old, new)) => Act::Cas(old, new),
        (Function::Append, Payload::Value(v)) => Act::Append(v),
        (Function::Add, Payload::Value(v)) => Act::Add(v),
        (Function::Remove, Payload::Value(v)) => Act::Remove(v),
        (Function::Increment, Payload::Amount(by)) => Act::Increment(by),
        (Function::Txn, txn) => return Acts::Many(history.micros(txn).iter()),
        _ => return Acts::One(None),
    };
    Acts::One(history.key(event).map(|key| (key, act)))
}

impl Iterator for Acts<'_> {
    type Item = (KeyId, Act);

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Acts::One(one) => one.take(),
            Acts::Many(micros) => micros.find_map(|m| act_of(m).map(|act| (m.key, act))),
        }
    }
}

fn act_of(micro: &MicroOp) -> Option<Act> {
    match (micro.f, micro.value) {
        (MicroFunction::Read, read) => Some(Act::Read(read)),
        (MicroFunction::Write, Payload::Value(v)) => Some(Act::Write(v)),
        (MicroFunction::Append, Payload::Value(v)) => Some(Act::Append(v)),
        _ => None,
    }
}
