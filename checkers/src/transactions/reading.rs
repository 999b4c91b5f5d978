//! The transactions of a history, in columns.
//!
//! Each transaction is a row. The rows are numbered so that a row is a node of the dependency graph:
//!
//! ```text
//!   0 .. ok_count              certainly happened, in the order of their completions
//!   ok_count .. node_count     may have happened, in the order of their invocations
//!   node_count .. len          certainly did not happen
//! ```
//!
//! A single operation counts as a transaction of one step, a compare-and-set as a read and a write. What is neither
//! (custom operations, sets, queues) is no transaction; if it may have changed an object that transactions work on as
//! well, that object is not judged, and [`Transactions::foreign`] names it.
//!
//! A completion that was never invoked, as in histories that record completions only, is a transaction of which nobody
//! knows when it began: nothing is known to precede it in real time, and no process orders it.

use histories::{EventIndex, Function, History, KeyId, Kind, MicroFunction, MicroOp, Payload};
use rustc_hash::FxHashMap;

use crate::budget::Exhausted;
use crate::graphs::Relations;

/// Number of a transaction; below [`Transactions::node_count`] it is a node.
pub(super) type Row = u32;

/// Rows are numbered below this, so that a bit of a row is free.
const MOST_ROWS: usize = 1 << 31;

/// Bit of a length that says that the steps are in `singles`.
const SINGLE: u32 = 1 << 31;

/// See the [module](self).
pub(super) struct Transactions<'h> {
    pub(super) history: &'h History,
    /// How many certainly happened.
    pub(super) ok_count: u32,
    /// How many may have happened.
    pub(super) node_count: u32,
    /// For each row the index of its invocation; 0 where it has none.
    pub(super) invoked: Vec<u32>,
    /// For each row the index of its completion; `u32::MAX` where nobody knows when it took effect.
    pub(super) completed: Vec<u32>,
    /// For each row the event that names it in evidence.
    named: Vec<u32>,
    /// For each row where its steps are.
    steps: Vec<(u32, u32)>,
    singles: Vec<MicroOp>,
    /// Objects that something else than a transaction changed, in order.
    pub(super) foreign: Vec<KeyId>,
    /// A custom operation that counts as a transaction without steps.
    start: Option<EventIndex>,
}

impl<'h> Transactions<'h> {
    /// All transactions of a history.
    ///
    /// # Errors
    /// If there are too many to be numbered.
    pub(super) fn read(history: &'h History) -> Result<Self, Exhausted> {
        Self::read_after(history, None)
    }

    /// All transactions of a history, and the end of a custom operation as one without steps.
    ///
    /// # Errors
    /// As [`Transactions::read`].
    pub(super) fn read_after(history: &'h History, start: Option<EventIndex>) -> Result<Self, Exhausted> {
        let mut all = Transactions { start, ..Transactions::empty(history) };
        let unsure = all.read_certain();
        all.read_uncertain(&unsure);
        all.foreign.sort_unstable();
        all.foreign.dedup();
        if all.len() as usize >= MOST_ROWS { Err(Exhausted::Memory) } else { Ok(all) }
    }

    fn empty(history: &'h History) -> Self {
        let room = history.len() / 2;
        Transactions {
            history,
            ok_count: 0,
            node_count: 0,
            invoked: Vec::with_capacity(room),
            completed: Vec::with_capacity(room),
            named: Vec::with_capacity(room),
            steps: Vec::with_capacity(room),
            singles: Vec::new(),
            foreign: Vec::new(),
            start: None,
        }
    }

    /// Those that certainly happened. Returns the other ends, and the invocations that never ended.
    fn read_certain(&mut self) -> Vec<EventIndex> {
        let mut unsure = Vec::new();
        for event in self.history.events() {
            match self.history.kind(event) {
                Kind::Ok => self.push(event),
                Kind::Invoke if self.history.pair_of(event).is_some() => {}
                _ => unsure.push(event),
            }
        }
        self.ok_count = self.len();
        unsure
    }

    /// Those that may have happened, then those that did not.
    fn read_uncertain(&mut self, events: &[EventIndex]) {
        let (mut failed, mut open): (Vec<EventIndex>, Vec<EventIndex>) =
            events.iter().partition(|e| self.history.kind(**e) == Kind::Fail);
        open.sort_unstable_by_key(|e| self.history.pair_of(*e).unwrap_or(*e));
        open.into_iter().for_each(|e| self.push(e));
        self.node_count = self.len();
        failed.retain(|e| !self.is_comparison(*e));
        failed.into_iter().for_each(|e| self.push(e));
    }

    /// A compare-and-set that failed says nothing about what it would have written.
    fn is_comparison(&self, event: EventIndex) -> bool {
        self.history.function(event) == Function::Cas
    }

    fn push(&mut self, event: EventIndex) {
        if self.history.process(event).is_nemesis() {
            return;
        }
        let Some(steps) = self.steps_of(event) else { return };
        let (kind, pair) = (self.history.kind(event), self.history.pair_of(event));
        let invocation = if kind == Kind::Invoke { Some(event) } else { pair };
        self.invoked.push(invocation.map_or(0, |e| e.0));
        self.completed.push(if kind == Kind::Ok { event.0 } else { u32::MAX });
        self.named.push(invocation.unwrap_or(event).0);
        self.steps.push(steps);
    }

    fn steps_of(&mut self, event: EventIndex) -> Option<(u32, u32)> {
        let (function, payload) = (self.history.function(event), self.history.payload(event));
        match (function, payload) {
            (Function::Txn, Payload::Txn { start, len }) => Some(self.asked(event).unwrap_or((start, len))),
            (Function::Read, _) => self.single(event, &[(MicroFunction::Read, payload)]),
            (Function::Write, _) => self.single(event, &[(MicroFunction::Write, payload)]),
            (Function::Append, _) => self.single(event, &[(MicroFunction::Append, payload)]),
            (Function::Cas, Payload::Pair(old, new)) => {
                let (old, new) = (Payload::Value(old), Payload::Value(new));
                self.single(event, &[(MicroFunction::Read, old), (MicroFunction::Write, new)])
            }
            (Function::Custom(_), _) if self.start == Some(event) => Some((0, 0)),
            (Function::Custom(_) | Function::Contains | Function::Txn, _) => None,
            _ => {
                self.foreign.extend(self.history.key(event));
                None
            }
        }
    }

    /// The steps of an invocation, where an end without an answer does not repeat them.
    fn asked(&self, event: EventIndex) -> Option<(u32, u32)> {
        let silent =
            self.history.kind(event) != Kind::Ok && self.history.micros(self.history.payload(event)).is_empty();
        match self.history.payload(self.history.pair_of(event).filter(|_| silent)?) {
            Payload::Txn { start, len } => Some((start, len)),
            _ => None,
        }
    }

    fn single(&mut self, event: EventIndex, steps: &[(MicroFunction, Payload)]) -> Option<(u32, u32)> {
        let key = self.history.key(event)?;
        let start = self.singles.len() as u32;
        self.singles.extend(steps.iter().map(|(f, value)| MicroOp { f: *f, key, value: *value }));
        Some((start, steps.len() as u32 | SINGLE))
    }

    /// Number of rows.
    pub(super) fn len(&self) -> u32 {
        self.steps.len() as u32
    }

    /// The steps of a transaction. Answers of reads count only if it certainly happened.
    #[inline]
    pub(super) fn steps(&self, row: Row) -> &[MicroOp] {
        let (start, len) = self.steps[row as usize];
        match len & SINGLE {
            0 => self.history.micros(Payload::Txn { start, len }),
            _ => &self.singles[start as usize..(start + (len & !SINGLE)) as usize],
        }
    }

    /// Whether it certainly happened.
    #[inline]
    pub(super) fn is_ok(&self, row: Row) -> bool {
        row < self.ok_count
    }

    /// Whether it certainly did not happen.
    #[inline]
    pub(super) fn is_failed(&self, row: Row) -> bool {
        row >= self.node_count
    }

    /// The event that names it in evidence: its invocation, or its completion if it was never invoked.
    pub(super) fn name(&self, row: Row) -> u32 {
        self.named[row as usize]
    }

    /// Whether the first was completed before the second was invoked.
    pub(super) fn precedes(&self, first: Row, second: Row) -> bool {
        self.completed[first as usize] < self.invoked[second as usize]
    }

    /// How the order of two writes counts. That a transaction without an answer took effect follows from somebody having
    /// read what it wrote, which proves it only where nobody reads what is not committed. So what rests on it must not
    /// count against models that allow that: it is taken for a read.
    #[inline]
    pub(super) fn ww(&self, first: Row, second: Row) -> Relations {
        if self.is_ok(first) && self.is_ok(second) { Relations::WW } else { Relations::WR }
    }

    /// For each node its process, numbered from 0; `u32::MAX` for those that no process orders: what was never invoked,
    /// and what may not have happened unless it is the last of its process.
    pub(super) fn processes(&self) -> Vec<u32> {
        let mut numbers = FxHashMap::default();
        let mut last: Vec<u32> = Vec::new();
        let mut of_nodes = Vec::with_capacity(self.node_count as usize);
        for row in 0..self.node_count {
            let fresh = numbers.len() as u32;
            let process = self.history.process(EventIndex(self.name(row)));
            let number = *numbers.entry(process).or_insert(fresh);
            if number == fresh {
                last.push(0);
            }
            // Every process does one thing at a time, unless the history is damaged.
            let follows = self.invoked[row as usize] >= last[number as usize];
            let known = self.history.kind(EventIndex(self.name(row))) == Kind::Invoke;
            if follows && known {
                last[number as usize] = self.completed[row as usize];
            }
            of_nodes.push(if follows && known { number } else { u32::MAX });
        }
        of_nodes
    }
}
