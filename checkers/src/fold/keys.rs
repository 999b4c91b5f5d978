//! What kind of object a key is, by what was asked of it so far.
//!
//! A history does not declare its keys; their updates do. Until the first update was invoked nothing is known of a
//! key, and nothing can have been read from it but nothing. A key that was updated in two ways (written *and*
//! appended to) is judged by no checker from then on: what its reads mean is anybody's guess. What was judged
//! before stands, since an update cannot change an answer that was there before it was asked for.

use histories::{History, KeyId, Payload, Scalar, ValueId};

use super::acts::Act;

/// What kind of object a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyKind {
    /// Never updated so far.
    Unknown,
    /// Appended to.
    List,
    /// Added to, removed from.
    Set,
    /// Written, compared and set.
    Register,
    /// Incremented.
    Counter,
    /// Several of these.
    Mixed,
}

#[derive(Clone, Copy, Default)]
struct Facts {
    kinds: u8,
    /// A set was removed from, a register was set to nothing, a counter was decremented.
    shrinks: bool,
}

const LIST: u8 = 1;
const SET: u8 = 2;
const REGISTER: u8 = 4;
const COUNTER: u8 = 8;

/// See the [module](self).
#[derive(Default)]
pub(crate) struct Keys(Vec<Facts>);

impl Keys {
    /// Takes in the invocation of an act.
    #[inline]
    pub(crate) fn note(&mut self, key: KeyId, act: Act) {
        let (kind, shrinks) = match act {
            Act::Read(_) => return,
            Act::Append(_) => (LIST, false),
            Act::Add(_) => (SET, false),
            Act::Remove(_) => (SET, true),
            Act::Write(v) | Act::Cas(_, v) => (REGISTER, v == ValueId::NULL),
            Act::Increment(by) => (COUNTER, by < 0),
        };
        let facts = slot(&mut self.0, key.0 as usize);
        facts.kinds |= kind;
        facts.shrinks |= shrinks;
    }

    #[inline]
    pub(crate) fn kind(&self, key: KeyId) -> KeyKind {
        match self.0.get(key.0 as usize).map_or(0, |f| f.kinds) {
            0 => KeyKind::Unknown,
            LIST => KeyKind::List,
            SET => KeyKind::Set,
            REGISTER => KeyKind::Register,
            COUNTER => KeyKind::Counter,
            _ => KeyKind::Mixed,
        }
    }

    /// Whether anybody tried to remove from this set, to set this register to nothing, or to decrement this counter.
    #[inline]
    pub(crate) fn shrinks(&self, key: KeyId) -> bool {
        self.0.get(key.0 as usize).is_some_and(|f| f.shrinks)
    }
}

/// The answer of a read, as its key understands it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer<'h> {
    /// The elements of a list or a set; nothing there is no elements.
    Elements(&'h [ValueId]),
    /// What a register holds; `ValueId::NULL` is nothing.
    Version(ValueId),
    /// What a counter shows; nothing there is 0.
    Count(i64),
}

/// What a read of a key of this kind says; `None` where the answer does not fit the kind, or is not known.
#[inline]
pub(crate) fn answer(history: &History, kind: KeyKind, read: Payload) -> Option<Answer<'_>> {
    match (kind, read) {
        (KeyKind::List | KeyKind::Set, Payload::List { .. }) => Some(Answer::Elements(history.list(read))),
        (KeyKind::List | KeyKind::Set, Payload::Value(ValueId::NULL)) => Some(Answer::Elements(&[])),
        (KeyKind::Register, Payload::Value(v)) => Some(Answer::Version(v)),
        (KeyKind::Counter, Payload::Value(v)) => match history.value(v) {
            Scalar::Int(count) => Some(Answer::Count(*count)),
            Scalar::Null => Some(Answer::Count(0)),
            _ => None,
        },
        _ => None,
    }
}

/// The entry of a table that grows on demand.
#[inline]
pub(crate) fn slot<T: Default>(table: &mut Vec<T>, index: usize) -> &mut T {
    if index >= table.len() {
        table.resize_with(index + 1, T::default);
    }
    &mut table[index]
}
