//! A history in memory: typed and columnar, with interned keys and values and paired events.
//!
//! One event costs 47 bytes whatever it holds. Strings are stored once; an element of a list costs 4 bytes in an arena,
//! a step of a transaction 24. Checkers work on [`KeyId`] and [`ValueId`], which are dense from 0, so that a table per
//! key or per value is a `Vec`.
//!
//! A history only ever grows, so that checkers can fold over it while it is being recorded: push an event,
//! step each checker with its index.
//!
//! # Pairs
//!
//! A process does one thing at a time, so a completion belongs to what its process has open:
//!
//! ```text
//! index   0        1        2        3        4
//!         0<wx1    1<rx     0>wx1    1>rx1    2<wx2
//! pair    2        3        0        1        none: still open, so it ends `info`
//! ```
//! Histories of other tools break this rule now and then. Nothing is refused for it, but every break is on record in
//! [`History::irregularities`], because a verdict over a history that is not one is worth nothing:
//! a second invocation leaves the first one open for good, and a completion without an invocation has no pair.

mod part;
mod push;
mod scalars;

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::event::{Event, Kind, Process};
use crate::operation::{ItemFunction, Micro, Operation, Scalar, Value};

pub use push::HistoryError;
use push::{Interner, NO_KEY, NO_NODE, NO_PAIR, NO_SESSION};
pub(crate) use push::{Row, ScalarRef, nothing};
use scalars::Scalars;

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
    /// Ask whether a set holds an element.
    Contains,
    /// Put an item into a queue or stack, take one out, take or give back a lock.
    Item(ItemFunction),
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
    /// Make an object.
    Insert,
    /// Remove an object. Its value is `Value(ValueId::NULL)`.
    Delete,
    /// Read by predicate. The key is the predicate; the value is `Unknown` or a list of keys and values in turn: the
    /// names of the objects found, interned as values, each followed by its value.
    Predicate,
}

/// The value of an event, in a form that can be copied. Lists and transactions point into the history's arenas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Not known: a read that was not answered.
    Unknown,
    /// One value: what was written, appended, added, removed, or read from a register. `Value(ValueId::NULL)`
    /// is a read that found nothing.
    Value(ValueId),
    /// Compare-and-set: expected and new. Of [`Function::Contains`]: the element, and `true`, `false` or `null` for
    /// the answer.
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

/// How an event breaks the rule that a process does one thing at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Irregularity {
    /// An invocation by a process whose last operation is still open. The earlier one stays open for good.
    InvokedWhileOpen,
    /// An invocation by a process that an `info` has retired.
    InvokedAfterInfo,
    /// A completion by a process that has nothing open. It has no pair.
    CompletedWithoutInvocation,
    /// A completion of another function or of another object than was invoked. They are a pair all the same.
    CompletedOtherwise,
}

impl Irregularity {
    /// In words, after "event 17".
    pub fn describe(self) -> &'static str {
        match self {
            Irregularity::InvokedWhileOpen => "invokes while its process has another operation open",
            Irregularity::InvokedAfterInfo => "invokes although its process ended with an unknown outcome",
            Irregularity::CompletedWithoutInvocation => "completes what was never invoked",
            Irregularity::CompletedOtherwise => "completes another operation than was invoked",
        }
    }
}

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
    /// The length of all errors.
    error_bytes: usize,
    /// The open invocation of each process.
    open: FxHashMap<Process, u32>,
    /// The processes that an `info` has retired.
    retired: FxHashSet<Process>,
    irregularities: Vec<(EventIndex, Irregularity)>,
    key_names: Scalars,
    values: Scalars,
    node_names: Interner<Arc<str>>,
    custom_names: Interner<Arc<str>>,
    lists: Vec<ValueId>,
    micro_ops: Vec<MicroOp>,
}

/// An error in its table, without its text.
const ERROR_BYTES: usize = 2 * (size_of::<u64>() + size_of::<Arc<str>>());

impl Default for History {
    fn default() -> Self {
        let mut values = Scalars::default();
        values.insert(ScalarRef::Null);
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
            error_bytes: 0,
            open: FxHashMap::default(),
            retired: FxHashSet::default(),
            irregularities: Vec::new(),
            key_names: Scalars::default(),
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
    ///
    /// # Panics
    /// As [`History::push`].
    pub fn from_events<'a>(events: impl IntoIterator<Item = &'a Event>) -> Self {
        let mut history = History::new();
        for event in events {
            history.push(event);
        }
        history
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

    /// About how many bytes of memory this takes: of what it holds, without what its tables keep in reserve.
    pub fn memory_bytes(&self) -> u64 {
        const EVENT_BYTES: usize = size_of::<u64>()
            + size_of::<Process>()
            + size_of::<Kind>()
            + size_of::<Function>()
            + size_of::<Payload>()
            + size_of::<u16>()
            + 3 * size_of::<u32>();
        let rows = self.len() * EVENT_BYTES;
        let arenas = self.lists.len() * size_of::<ValueId>() + self.micro_ops.len() * size_of::<MicroOp>();
        let scalars = self.key_names.memory_bytes() + self.values.memory_bytes();
        (rows + arenas + scalars + self.errors.len() * ERROR_BYTES + self.error_bytes) as u64
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
            Function::Contains => "contains",
            Function::Item(f) => f.name(),
            Function::Txn => "txn",
            Function::Custom(i) => &self.custom_names[i as usize],
        }
    }

    /// The object; `None` for transactions and for custom operations without one.
    pub fn key(&self, event: EventIndex) -> Option<KeyId> {
        let key = self.keys[event.0 as usize];
        (key != NO_KEY).then_some(KeyId(key))
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

    /// The session; where none was recorded, the process is one. A history should name a session everywhere or
    /// nowhere: session 3 and a process 3 without one are the same to whoever asks here.
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

    /// The open invocation of a process.
    pub fn open_invocation(&self, process: Process) -> Option<EventIndex> {
        self.open.get(&process).map(|i| EventIndex(*i))
    }

    /// Where a process does not do one thing at a time, in the order of the history. Empty for every history that the
    /// harness records.
    pub fn irregularities(&self) -> &[(EventIndex, Irregularity)] {
        &self.irregularities
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
        self.key_names.find(name.into()).map(KeyId)
    }

    /// The id of this value, if the history has it.
    pub fn find_value(&self, value: &Scalar) -> Option<ValueId> {
        self.values.find(value.into()).map(ValueId)
    }

    /// The event in its owned form, as it was pushed. What can be said in two ways comes back in one: a key `null` as
    /// no key, an answer `null` as no answer except in an `ok` completion, and no answer there as `null`.
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
            Function::Contains => {
                let Payload::Pair(value, found) = payload else {
                    unreachable!("an answer and its question are a pair")
                };
                let found = match self.value(found) {
                    Scalar::Bool(found) => Some(*found),
                    _ => None,
                };
                Operation::Contains { key, value: self.value(value).clone(), found }
            }
            Function::Item(f) => Operation::Item {
                f,
                key,
                value: match payload {
                    Payload::Value(value) => Some(self.value(value).clone()),
                    _ => None,
                },
            },
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
            MicroFunction::Insert => Micro::Insert { key, value: self.scalar(op.value) },
            MicroFunction::Delete => Micro::Delete { key },
            MicroFunction::Predicate => Micro::Predicate {
                predicate: key,
                found: matches!(op.value, Payload::List { .. }).then(|| {
                    let pairs = self.list(op.value).chunks_exact(2);
                    pairs.map(|pair| (self.value(pair[0]).clone(), self.value(pair[1]).clone())).collect()
                }),
            },
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
