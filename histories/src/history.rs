//! A history in memory: typed and columnar, with interned keys and values and paired events.
//!
//! One event costs about 40 bytes whatever it holds; strings and lists are stored once, in arenas. Checkers
//! work on [`KeyId`] and [`ValueId`], which are dense from 0, so that a table per key or per value is a `Vec`.
//!
//! A history only ever grows, so that checkers can fold over it while it is being recorded: push an event,
//! step each checker with its index.

use std::sync::Arc;

use indexmap::IndexSet;
use rustc_hash::{FxBuildHasher, FxHashMap};

use crate::event::{Event, Kind, Process};
use crate::operation::{Micro, Operation, Scalar, Value};

type Interner<T> = IndexSet<T, FxBuildHasher>;

/// Position of an event in its history, from 0. On disk this is `index`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventIndex(pub u32);

/// An interned key, dense from 0 within a history. A history of one unnamed object has one key, `null`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub u32);

/// An interned value, dense from 0 within a history. [`ValueId::NULL`] is always `null`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValueId(pub u32);

impl ValueId {
    /// Nothing there: the value of a key that was never written.
    pub const NULL: ValueId = ValueId(0);
}

/// An interned node name, dense from 0 within a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u16);

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Function {
    /// Read a register, list, set or counter.
    Read,
    /// Set a register.
    Write,
    /// Compare and set a register.
    Cas,
    /// Append to a list.
    Append,
    /// Add to a set.
    Add,
    /// Remove from a set.
    Remove,
    /// Add to a counter.
    Increment,
    /// A transaction of micro-operations.
    Txn,
    /// Anything else; see [`History::function_name`].
    Custom(u16),
}

/// What a micro-operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MicroFunction {
    /// Read.
    Read,
    /// Write a register.
    Write,
    /// Append to a list.
    Append,
}

/// The value of an event, in a form that can be copied. Lists and transactions point into the history's arenas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Not known: a read that was not answered.
    Unknown,
    /// One value: what was written, appended, added, removed, or read from a register. `Value(ValueId::NULL)`
    /// is a read that found nothing.
    Value(ValueId),
    /// Compare-and-set: expected and new.
    Pair(ValueId, ValueId),
    /// The amount of an increment.
    Amount(i64),
    /// The elements read from a list or set: see [`History::list`].
    List {
        /// First position in the arena.
        start: u32,
        /// Number of elements.
        len: u32,
    },
    /// The micro-operations of a transaction: see [`History::micros`].
    Txn {
        /// First position in the arena.
        start: u32,
        /// Number of micro-operations.
        len: u32,
    },
}

/// One step of a transaction. `value` is `Unknown`, `Value` or `List`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MicroOp {
    /// What it does.
    pub f: MicroFunction,
    /// On which object.
    pub key: KeyId,
    /// With which value.
    pub value: Payload,
}

const NO_PAIR: u32 = u32::MAX;
const NO_NODE: u16 = u16::MAX;
const NO_SESSION: u32 = u32::MAX;

/// See the [module](self).
#[derive(Clone, Debug)]
pub struct History {
    times: Vec<u64>,
    processes: Vec<Process>,
    kinds: Vec<Kind>,
    functions: Vec<Function>,
    keys: Vec<u32>,
    payloads: Vec<Payload>,
    nodes: Vec<u16>,
    sessions: Vec<u32>,
    pairs: Vec<u32>,
    errors: FxHashMap<u32, Arc<str>>,
    /// The open invocation of each process.
    open: FxHashMap<Process, u32>,
    key_names: Interner<Scalar>,
    values: Interner<Scalar>,
    node_names: Interner<Arc<str>>,
    custom_names: Interner<Arc<str>>,
    lists: Vec<ValueId>,
    micro_ops: Vec<MicroOp>,
}

impl Default for History {
    fn default() -> Self {
        let mut values = Interner::default();
        values.insert(Scalar::Null);
        History {
            times: Vec::new(),
            processes: Vec::new(),
            kinds: Vec::new(),
            functions: Vec::new(),
            keys: Vec::new(),
            payloads: Vec::new(),
            nodes: Vec::new(),
            sessions: Vec::new(),
            pairs: Vec::new(),
            errors: FxHashMap::default(),
            open: FxHashMap::default(),
            key_names: Interner::default(),
            values,
            node_names: Interner::default(),
            custom_names: Interner::default(),
            lists: Vec::new(),
            micro_ops: Vec::new(),
        }
    }
}

impl History {
    /// An empty history.
    pub fn new() -> Self {
        Self::default()
    }

    /// A history of these events.
    pub fn from_events<'a>(events: impl IntoIterator<Item = &'a Event>) -> Self {
        let mut history = History::new();
        for event in events {
            history.push(event);
        }
        history
    }

    /// Appends an event, interns what it holds and pairs it with its invocation. Returns its index.
    pub fn push(&mut self, event: &Event) -> EventIndex {
        let index = self.times.len() as u32;
        let (function, key, payload) = self.intern_operation(event.kind, &event.operation);
        self.times.push(event.time);
        self.processes.push(event.process);
        self.kinds.push(event.kind);
        self.functions.push(function);
        self.keys.push(key);
        self.payloads.push(payload);
        let node = event.node.as_ref().map_or(NO_NODE, |n| self.node_names.insert_full(n.clone()).0 as u16);
        self.nodes.push(node);
        self.sessions.push(event.session.unwrap_or(NO_SESSION));
        self.pairs.push(NO_PAIR);
        if let Some(error) = &event.error {
            self.errors.insert(index, error.clone());
        }
        self.pair(index, event.process, event.kind);
        EventIndex(index)
    }

    fn pair(&mut self, index: u32, process: Process, kind: Kind) {
        if process.is_nemesis() {
            return;
        }
        if kind == Kind::Invoke {
            self.open.insert(process, index);
        } else if let Some(invocation) = self.open.remove(&process) {
            self.pairs[invocation as usize] = index;
            self.pairs[index as usize] = invocation;
        }
    }

    fn intern_operation(&mut self, kind: Kind, operation: &Operation) -> (Function, u32, Payload) {
        let answered = kind == Kind::Ok;
        let key = match operation {
            Operation::Txn(_) => NO_PAIR,
            Operation::Custom { key: None, .. } => NO_PAIR,
            other => self.intern_key(other.key().unwrap_or(&Scalar::Null)).0,
        };
        let (function, payload) = match operation {
            Operation::Read { value, .. } => (Function::Read, self.intern_read(value.as_ref(), answered)),
            Operation::Write { value, .. } => (Function::Write, Payload::Value(self.intern_value(value))),
            Operation::Append { value, .. } => (Function::Append, Payload::Value(self.intern_value(value))),
            Operation::Add { value, .. } => (Function::Add, Payload::Value(self.intern_value(value))),
            Operation::Remove { value, .. } => (Function::Remove, Payload::Value(self.intern_value(value))),
            Operation::Cas { old, new, .. } => {
                (Function::Cas, Payload::Pair(self.intern_value(old), self.intern_value(new)))
            }
            Operation::Increment { by, .. } => (Function::Increment, Payload::Amount(*by)),
            Operation::Txn(micros) => (Function::Txn, self.intern_txn(micros, answered)),
            Operation::Custom { f, value, .. } => {
                let name = self.custom_names.insert_full(f.clone()).0 as u16;
                let value = match value {
                    serde_json::Value::Null => ValueId::NULL,
                    other => self.intern_value(&Scalar::Json(other.to_string().into())),
                };
                (Function::Custom(name), Payload::Value(value))
            }
        };
        (function, key, payload)
    }

    fn intern_txn(&mut self, micros: &[Micro], answered: bool) -> Payload {
        // Reads push their lists into another arena, so the micro-operations of one transaction stay adjacent.
        let start = self.micro_ops.len() as u32;
        for micro in micros {
            let op = match micro {
                Micro::Read { key, value } => MicroOp {
                    f: MicroFunction::Read,
                    key: self.intern_key(key),
                    value: self.intern_read(value.as_ref(), answered),
                },
                Micro::Write { key, value } => MicroOp {
                    f: MicroFunction::Write,
                    key: self.intern_key(key),
                    value: Payload::Value(self.intern_value(value)),
                },
                Micro::Append { key, value } => MicroOp {
                    f: MicroFunction::Append,
                    key: self.intern_key(key),
                    value: Payload::Value(self.intern_value(value)),
                },
            };
            self.micro_ops.push(op);
        }
        Payload::Txn { start, len: micros.len() as u32 }
    }

    /// JSON has one `null` for "not answered" and for "nothing there": an `ok` completion always has an answer.
    fn intern_read(&mut self, value: Option<&Value>, answered: bool) -> Payload {
        match value {
            None | Some(Value::Scalar(Scalar::Null)) if !answered => Payload::Unknown,
            None => Payload::Value(ValueId::NULL),
            Some(Value::Scalar(scalar)) => Payload::Value(self.intern_value(scalar)),
            Some(Value::List(items)) => {
                let start = self.lists.len() as u32;
                for item in items {
                    let id = self.intern_value(item);
                    self.lists.push(id);
                }
                Payload::List { start, len: items.len() as u32 }
            }
        }
    }

    fn intern_key(&mut self, key: &Scalar) -> KeyId {
        if let Some(i) = self.key_names.get_index_of(key) {
            return KeyId(i as u32);
        }
        KeyId(self.key_names.insert_full(key.clone()).0 as u32)
    }

    fn intern_value(&mut self, value: &Scalar) -> ValueId {
        if let Some(i) = self.values.get_index_of(value) {
            return ValueId(i as u32);
        }
        ValueId(self.values.insert_full(value.clone()).0 as u32)
    }
}

/// Reading.
impl History {
    /// Number of events.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether there are no events.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// All indices, in order.
    pub fn events(&self) -> impl DoubleEndedIterator<Item = EventIndex> + ExactSizeIterator + use<> {
        (0..self.times.len() as u32).map(EventIndex)
    }

    /// Nanoseconds since the start of the run.
    pub fn time(&self, event: EventIndex) -> u64 {
        self.times[event.0 as usize]
    }

    /// Who.
    pub fn process(&self, event: EventIndex) -> Process {
        self.processes[event.0 as usize]
    }

    /// Invocation or completion.
    pub fn kind(&self, event: EventIndex) -> Kind {
        self.kinds[event.0 as usize]
    }

    /// What is done.
    pub fn function(&self, event: EventIndex) -> Function {
        self.functions[event.0 as usize]
    }

    /// The name of a function on disk.
    pub fn function_name(&self, function: Function) -> &str {
        match function {
            Function::Read => "read",
            Function::Write => "write",
            Function::Cas => "cas",
            Function::Append => "append",
            Function::Add => "add",
            Function::Remove => "remove",
            Function::Increment => "increment",
            Function::Txn => "txn",
            Function::Custom(i) => &self.custom_names[i as usize],
        }
    }

    /// The object; `None` for transactions and for custom operations without one.
    pub fn key(&self, event: EventIndex) -> Option<KeyId> {
        let key = self.keys[event.0 as usize];
        (key != NO_PAIR).then_some(KeyId(key))
    }

    /// The value.
    pub fn payload(&self, event: EventIndex) -> Payload {
        self.payloads[event.0 as usize]
    }

    /// The elements of a [`Payload::List`]; empty for every other payload.
    pub fn list(&self, payload: Payload) -> &[ValueId] {
        match payload {
            Payload::List { start, len } => &self.lists[start as usize..(start + len) as usize],
            _ => &[],
        }
    }

    /// The micro-operations of a [`Payload::Txn`]; empty for every other payload.
    pub fn micros(&self, payload: Payload) -> &[MicroOp] {
        match payload {
            Payload::Txn { start, len } => &self.micro_ops[start as usize..(start + len) as usize],
            _ => &[],
        }
    }

    /// The node that was asked or that answered, where known.
    pub fn node(&self, event: EventIndex) -> Option<NodeId> {
        let node = self.nodes[event.0 as usize];
        (node != NO_NODE).then_some(NodeId(node))
    }

    /// The session; where none was recorded, the process is one.
    pub fn session(&self, event: EventIndex) -> u32 {
        match self.sessions[event.0 as usize] {
            NO_SESSION => self.processes[event.0 as usize].0,
            session => session,
        }
    }

    /// Why it is `fail` or `info`.
    pub fn error(&self, event: EventIndex) -> Option<&str> {
        self.errors.get(&event.0).map(|e| &**e)
    }

    /// The completion of an invocation, or the invocation of a completion. `None` for an operation that is
    /// still open (treat it as `info`), and for nemesis events.
    pub fn pair_of(&self, event: EventIndex) -> Option<EventIndex> {
        let pair = self.pairs[event.0 as usize];
        (pair != NO_PAIR).then_some(EventIndex(pair))
    }

    /// How an invocation ended; an operation still open has ended `info`.
    pub fn outcome(&self, invocation: EventIndex) -> Kind {
        self.pair_of(invocation).map_or(Kind::Info, |c| self.kind(c))
    }

    /// Number of distinct keys; every [`KeyId`] is below it.
    pub fn key_count(&self) -> usize {
        self.key_names.len()
    }

    /// Number of distinct values; every [`ValueId`] is below it.
    pub fn value_count(&self) -> usize {
        self.values.len()
    }

    /// The name of a key.
    pub fn key_name(&self, key: KeyId) -> &Scalar {
        &self.key_names[key.0 as usize]
    }

    /// The value behind an id.
    pub fn value(&self, value: ValueId) -> &Scalar {
        &self.values[value.0 as usize]
    }

    /// The name of a node.
    pub fn node_name(&self, node: NodeId) -> &str {
        &self.node_names[node.0 as usize]
    }

    /// All nodes that were named.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeId, &str)> {
        self.node_names.iter().enumerate().map(|(i, n)| (NodeId(i as u16), &**n))
    }

    /// The key with this name, if the history has it.
    pub fn find_key(&self, name: &Scalar) -> Option<KeyId> {
        self.key_names.get_index_of(name).map(|i| KeyId(i as u32))
    }

    /// The id of this value, if the history has it.
    pub fn find_value(&self, value: &Scalar) -> Option<ValueId> {
        self.values.get_index_of(value).map(|i| ValueId(i as u32))
    }

    /// The event in its owned form, as it was pushed.
    pub fn event(&self, event: EventIndex) -> Event {
        let i = event.0 as usize;
        Event {
            time: self.times[i],
            process: self.processes[i],
            kind: self.kinds[i],
            operation: self.operation(event),
            node: self.node(event).map(|n| self.node_names[n.0 as usize].clone()),
            session: (self.sessions[i] != NO_SESSION).then_some(self.sessions[i]),
            error: self.errors.get(&event.0).cloned(),
        }
    }

    /// The operation in its owned form; `Display` of it is for people.
    pub fn operation(&self, event: EventIndex) -> Operation {
        let payload = self.payload(event);
        let key = self.key(event).map(|k| self.key_name(k).clone()).filter(|k| *k != Scalar::Null);
        let value = || self.scalar(payload);
        match self.function(event) {
            Function::Read => Operation::Read { key, value: self.read_value(payload) },
            Function::Write => Operation::Write { key, value: value() },
            Function::Append => Operation::Append { key, value: value() },
            Function::Add => Operation::Add { key, value: value() },
            Function::Remove => Operation::Remove { key, value: value() },
            Function::Cas => {
                let Payload::Pair(old, new) = payload else { unreachable!("a cas holds a pair") };
                Operation::Cas { key, old: self.value(old).clone(), new: self.value(new).clone() }
            }
            Function::Increment => {
                let Payload::Amount(by) = payload else { unreachable!("an increment holds an amount") };
                Operation::Increment { key, by }
            }
            Function::Txn => Operation::Txn(self.micros(payload).iter().map(|m| self.micro(*m)).collect()),
            Function::Custom(f) => Operation::Custom {
                f: self.custom_names[f as usize].clone(),
                key,
                value: match value() {
                    Scalar::Json(json) => serde_json::from_str(&json).expect("interned JSON parses"),
                    _ => serde_json::Value::Null,
                },
            },
        }
    }

    fn micro(&self, op: MicroOp) -> Micro {
        let key = self.key_name(op.key).clone();
        match op.f {
            MicroFunction::Read => Micro::Read { key, value: self.read_value(op.value) },
            MicroFunction::Write => Micro::Write { key, value: self.scalar(op.value) },
            MicroFunction::Append => Micro::Append { key, value: self.scalar(op.value) },
        }
    }

    fn scalar(&self, payload: Payload) -> Scalar {
        match payload {
            Payload::Value(v) => self.value(v).clone(),
            _ => Scalar::Null,
        }
    }

    fn read_value(&self, payload: Payload) -> Option<Value> {
        match payload {
            Payload::Value(v) => Some(Value::Scalar(self.value(v).clone())),
            Payload::List { .. } => {
                Some(Value::List(self.list(payload).iter().map(|v| self.value(*v).clone()).collect()))
            }
            _ => None,
        }
    }
}
