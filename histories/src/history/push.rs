//! Growing a history: interning, limits and pairing.
//!
//! An event enters in two steps. First its keys, values and lists are interned, which gives a [`Row`] of ids; then the
//! row is pushed onto the columns. When the first step fails halfway, [`History::rollback`] takes back what it left.

use std::hash::Hash;
use std::sync::Arc;

use indexmap::{Equivalent, IndexSet};
use rustc_hash::FxBuildHasher;

use super::scalars::Scalars;
use super::{EventIndex, Function, History, Irregularity, KeyId, MicroFunction, MicroOp, Payload, ValueId};
use crate::event::{Event, Kind, Process};
use crate::operation::{Micro, Operation, Scalar, Value};

pub(super) type Interner<T> = IndexSet<T, FxBuildHasher>;

pub(super) const NO_PAIR: u32 = u32::MAX;
pub(super) const NO_KEY: u32 = u32::MAX;
pub(super) const NO_NODE: u16 = u16::MAX;
pub(super) const NO_SESSION: u32 = u32::MAX;

/// Why a history cannot take an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// A table is full.
    #[error("a history holds at most {limit} {what}")]
    Full {
        /// What there is too much of.
        what: &'static str,
        /// How much of it a history can hold.
        limit: usize,
    },
    /// The number means "no session".
    #[error("session {NO_SESSION} is reserved")]
    ReservedSession,
}

/// A [`Scalar`] that borrows its text. It hashes as the scalar does, so that a table can be asked without allocating.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ScalarRef<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Text(&'a str),
    Json(&'a str),
}

impl<'a> From<&'a Scalar> for ScalarRef<'a> {
    fn from(scalar: &'a Scalar) -> Self {
        match scalar {
            Scalar::Null => ScalarRef::Null,
            Scalar::Bool(b) => ScalarRef::Bool(*b),
            Scalar::Int(i) => ScalarRef::Int(*i),
            Scalar::Text(t) => ScalarRef::Text(t),
            Scalar::Json(j) => ScalarRef::Json(j),
        }
    }
}

impl From<ScalarRef<'_>> for Scalar {
    fn from(scalar: ScalarRef<'_>) -> Self {
        match scalar {
            ScalarRef::Null => Scalar::Null,
            ScalarRef::Bool(b) => Scalar::Bool(b),
            ScalarRef::Int(i) => Scalar::Int(i),
            ScalarRef::Text(t) => Scalar::Text(t.into()),
            ScalarRef::Json(j) => Scalar::Json(j.into()),
        }
    }
}

impl Equivalent<Scalar> for ScalarRef<'_> {
    fn equivalent(&self, scalar: &Scalar) -> bool {
        *self == ScalarRef::from(scalar)
    }
}

/// An event whose keys and values are interned.
pub(crate) struct Row<'a> {
    pub time: u64,
    pub process: Process,
    pub kind: Kind,
    pub function: Function,
    pub key: Option<KeyId>,
    pub payload: Payload,
    pub node: Option<&'a str>,
    pub session: Option<u32>,
    pub error: Option<Arc<str>>,
}

/// How much was interned at some point.
#[derive(Clone, Copy)]
pub(crate) struct Mark {
    keys: usize,
    values: usize,
    customs: usize,
    lists: usize,
    micros: usize,
}

impl History {
    /// Appends an event, interns what it holds and pairs it with its invocation. Returns its index.
    ///
    /// # Panics
    /// Where [`History::try_push`] gives an error.
    pub fn push(&mut self, event: &Event) -> EventIndex {
        match self.try_push(event) {
            Ok(index) => index,
            Err(error) => panic!("{error}"),
        }
    }

    /// Appends an event, interns what it holds and pairs it with its invocation. Returns its index.
    ///
    /// # Errors
    /// More than 2³² − 1 events, keys, values, list elements or micro-operations, or more than 2¹⁶ − 1 names of nodes
    /// or of custom functions. The history is as it was.
    pub fn try_push(&mut self, event: &Event) -> Result<EventIndex, HistoryError> {
        let mark = self.mark();
        let pushed = self.push_event(event);
        if pushed.is_err() {
            self.rollback(mark);
        }
        pushed
    }

    fn push_event(&mut self, event: &Event) -> Result<EventIndex, HistoryError> {
        let (function, key, payload) = self.intern_operation(event.kind, &event.operation)?;
        self.push_row(Row {
            time: event.time,
            process: event.process,
            kind: event.kind,
            function,
            key,
            payload,
            node: event.node.as_deref(),
            session: event.session,
            error: event.error.clone(),
        })
    }

    /// Appends a row to the columns.
    pub(crate) fn push_row(&mut self, row: Row<'_>) -> Result<EventIndex, HistoryError> {
        let index = room(self.times.len(), u32::MAX as usize, "events")? as u32;
        if row.session == Some(NO_SESSION) {
            return Err(HistoryError::ReservedSession);
        }
        let node = match row.node {
            Some(name) => intern_name(&mut self.node_names, name, "nodes")?,
            None => NO_NODE,
        };
        self.times.push(row.time);
        self.processes.push(row.process);
        self.kinds.push(row.kind);
        self.functions.push(row.function);
        self.keys.push(row.key.map_or(NO_KEY, |k| k.0));
        self.payloads.push(row.payload);
        self.nodes.push(node);
        self.sessions.push(row.session.unwrap_or(NO_SESSION));
        self.pairs.push(NO_PAIR);
        if let Some(error) = row.error {
            self.error_bytes += error.len();
            self.errors.insert(index, error);
        }
        if !row.process.is_nemesis() {
            self.pair(index, row.process, row.kind);
        }
        Ok(EventIndex(index))
    }

    fn pair(&mut self, index: u32, process: Process, kind: Kind) {
        let irregularity = match kind {
            Kind::Invoke => self.pair_invocation(index, process),
            _ => self.pair_completion(index, process, kind),
        };
        if let Some(irregularity) = irregularity {
            self.irregularities.push((EventIndex(index), irregularity));
        }
    }

    fn pair_invocation(&mut self, index: u32, process: Process) -> Option<Irregularity> {
        if self.open.insert(process, index).is_some() {
            return Some(Irregularity::InvokedWhileOpen);
        }
        let retired = !self.retired.is_empty() && self.retired.remove(&process);
        retired.then_some(Irregularity::InvokedAfterInfo)
    }

    fn pair_completion(&mut self, index: u32, process: Process, kind: Kind) -> Option<Irregularity> {
        if kind == Kind::Info {
            self.retired.insert(process);
        }
        let Some(invocation) = self.open.remove(&process) else {
            return Some(Irregularity::CompletedWithoutInvocation);
        };
        self.pairs[invocation as usize] = index;
        self.pairs[index as usize] = invocation;
        let (i, c) = (invocation as usize, index as usize);
        let same = self.functions[i] == self.functions[c] && self.keys[i] == self.keys[c];
        (!same).then_some(Irregularity::CompletedOtherwise)
    }
}

/// Interning.
impl History {
    pub(crate) fn mark(&self) -> Mark {
        Mark {
            keys: self.key_names.len(),
            values: self.values.len(),
            customs: self.custom_names.len(),
            lists: self.lists.len(),
            micros: self.micro_ops.len(),
        }
    }

    /// Takes back what was interned since the mark. No row may have been pushed since.
    pub(crate) fn rollback(&mut self, mark: Mark) {
        self.key_names.truncate(mark.keys);
        self.values.truncate(mark.values);
        self.custom_names.truncate(mark.customs);
        self.lists.truncate(mark.lists);
        self.micro_ops.truncate(mark.micros);
    }

    fn intern_operation(
        &mut self,
        kind: Kind,
        operation: &Operation,
    ) -> Result<(Function, Option<KeyId>, Payload), HistoryError> {
        let answered = kind == Kind::Ok;
        let key = match (operation, operation.key()) {
            (Operation::Txn(_), _) | (Operation::Custom { .. }, None | Some(Scalar::Null)) => None,
            (_, key) => Some(self.intern_key(key.map_or(ScalarRef::Null, ScalarRef::from))?),
        };
        let (function, payload) = match operation {
            Operation::Read { value, .. } => (Function::Read, self.intern_read(value.as_ref(), answered)?),
            Operation::Write { value, .. } => (Function::Write, self.intern_payload(value)?),
            Operation::Append { value, .. } => (Function::Append, self.intern_payload(value)?),
            Operation::Add { value, .. } => (Function::Add, self.intern_payload(value)?),
            Operation::Remove { value, .. } => (Function::Remove, self.intern_payload(value)?),
            Operation::Cas { old, new, .. } => {
                let old = self.intern_value(old.into())?;
                (Function::Cas, Payload::Pair(old, self.intern_value(new.into())?))
            }
            Operation::Increment { by, .. } => (Function::Increment, Payload::Amount(*by)),
            Operation::Contains { value, found, .. } => {
                let value = self.intern_value(value.into())?;
                let found = found.map_or(ScalarRef::Null, ScalarRef::Bool);
                (Function::Contains, Payload::Pair(value, self.intern_value(found)?))
            }
            Operation::Item { f, value, .. } => match value {
                None | Some(Scalar::Null) => (Function::Item(*f), nothing(answered)),
                Some(value) => (Function::Item(*f), self.intern_payload(value)?),
            },
            Operation::Txn(micros) => (Function::Txn, self.intern_txn(micros, answered)?),
            Operation::Custom { f, value, .. } => self.intern_custom(f, value)?,
        };
        Ok((function, key, payload))
    }

    /// The value of a custom operation is kept as JSON text, strings and numbers too.
    fn intern_custom(&mut self, f: &str, value: &serde_json::Value) -> Result<(Function, Payload), HistoryError> {
        let function = self.intern_function(f)?;
        let value = match value {
            serde_json::Value::Null => ValueId::NULL,
            other => self.intern_value(ScalarRef::Json(&other.to_string()))?,
        };
        Ok((function, Payload::Value(value)))
    }

    pub(crate) fn intern_function(&mut self, f: &str) -> Result<Function, HistoryError> {
        intern_name(&mut self.custom_names, f, "names of functions").map(Function::Custom)
    }

    fn intern_txn(&mut self, micros: &[Micro], answered: bool) -> Result<Payload, HistoryError> {
        let start = self.micro_count();
        for micro in micros {
            let key = self.intern_key(micro.key().into())?;
            let (f, value) = match micro {
                Micro::Read { value, .. } => (MicroFunction::Read, self.intern_read(value.as_ref(), answered)?),
                Micro::Write { value, .. } => (MicroFunction::Write, self.intern_payload(value)?),
                Micro::Append { value, .. } => (MicroFunction::Append, self.intern_payload(value)?),
                Micro::Insert { value, .. } => (MicroFunction::Insert, self.intern_payload(value)?),
                Micro::Delete { .. } => (MicroFunction::Delete, Payload::Value(ValueId::NULL)),
                Micro::Predicate { found, .. } => (MicroFunction::Predicate, self.intern_found(found.as_deref())?),
            };
            self.push_micro(MicroOp { f, key, value })?;
        }
        Ok(Payload::Txn { start, len: self.micro_count() - start })
    }

    /// JSON has one `null` for "not answered" and for "nothing there": an `ok` completion always has an answer.
    fn intern_read(&mut self, value: Option<&Value>, answered: bool) -> Result<Payload, HistoryError> {
        match value {
            None | Some(Value::Scalar(Scalar::Null)) => Ok(nothing(answered)),
            Some(Value::Scalar(scalar)) => self.intern_payload(scalar),
            Some(Value::List(items)) => {
                let start = self.list_len();
                for item in items {
                    self.push_element(item.into())?;
                }
                Ok(Payload::List { start, len: self.list_len() - start })
            }
        }
    }

    fn intern_found(&mut self, found: Option<&[(Scalar, Scalar)]>) -> Result<Payload, HistoryError> {
        let Some(found) = found else { return Ok(Payload::Unknown) };
        let start = self.list_len();
        for (key, value) in found {
            self.push_element(key.into())?;
            self.push_element(value.into())?;
        }
        Ok(Payload::List { start, len: self.list_len() - start })
    }

    fn intern_payload(&mut self, scalar: &Scalar) -> Result<Payload, HistoryError> {
        self.intern_value(scalar.into()).map(Payload::Value)
    }

    #[inline]
    pub(crate) fn intern_key(&mut self, key: ScalarRef<'_>) -> Result<KeyId, HistoryError> {
        intern_scalar(&mut self.key_names, key, "keys").map(KeyId)
    }

    #[inline]
    pub(crate) fn intern_value(&mut self, value: ScalarRef<'_>) -> Result<ValueId, HistoryError> {
        intern_scalar(&mut self.values, value, "values").map(ValueId)
    }

    /// Length of the arena of lists. Reads push their lists there, so the micro-operations of one transaction stay
    /// adjacent in theirs.
    pub(crate) fn list_len(&self) -> u32 {
        self.lists.len() as u32
    }

    #[inline]
    pub(crate) fn push_element(&mut self, value: ScalarRef<'_>) -> Result<(), HistoryError> {
        let id = self.intern_value(value)?;
        room(self.lists.len(), u32::MAX as usize, "list elements")?;
        self.lists.push(id);
        Ok(())
    }

    /// The payload of an earlier event once more, for an event that repeats it.
    pub(crate) fn repeat(&mut self, earlier: EventIndex) -> Result<Payload, HistoryError> {
        let payload = self.payload(earlier);
        let Payload::Txn { start: from, len } = payload else { return Ok(payload) };
        let start = self.micro_count();
        for i in from..from + len {
            self.push_micro(self.micro_ops[i as usize])?;
        }
        Ok(Payload::Txn { start, len })
    }

    /// Length of the arena of micro-operations.
    pub(crate) fn micro_count(&self) -> u32 {
        self.micro_ops.len() as u32
    }

    pub(crate) fn push_micro(&mut self, micro: MicroOp) -> Result<(), HistoryError> {
        room(self.micro_ops.len(), u32::MAX as usize, "micro-operations")?;
        self.micro_ops.push(micro);
        Ok(())
    }
}

/// What a read without an answer holds.
pub(crate) fn nothing(answered: bool) -> Payload {
    if answered { Payload::Value(ValueId::NULL) } else { Payload::Unknown }
}

fn room(len: usize, limit: usize, what: &'static str) -> Result<usize, HistoryError> {
    if len < limit { Ok(len) } else { Err(HistoryError::Full { what, limit }) }
}

#[inline]
fn intern_scalar(table: &mut Scalars, scalar: ScalarRef<'_>, what: &'static str) -> Result<u32, HistoryError> {
    match table.find(scalar) {
        Some(id) => Ok(id),
        None => {
            room(table.len(), u32::MAX as usize, what)?;
            Ok(table.insert(scalar))
        }
    }
}

fn intern_name(table: &mut Interner<Arc<str>>, name: &str, what: &'static str) -> Result<u16, HistoryError> {
    match table.get_index_of(name) {
        Some(i) => Ok(i as u16),
        None => {
            room(table.len(), u16::MAX as usize, what)?;
            Ok(table.insert_full(name.into()).0 as u16)
        }
    }
}
