//! What is known of each list so far, of transactions and of appends, and what of it contradicts itself.

use histories::{EventIndex, History, KeyId, MicroFunction, MicroOp, Payload, ValueId};
use rustc_hash::FxHashMap;

use super::super::orders::{elements, same};
use super::{NONE, OnlineLists, Stop};
use crate::graphs::Moment;
use crate::models::AnomalyType;

/// What an object is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Part {
    /// A list, as far as is known.
    #[default]
    List,
    Other,
}

/// What is known of one object.
#[derive(Debug, Default)]
pub(super) struct Key {
    pub(super) part: Part,
    /// Whether an append to it was invoked.
    pub(super) appended: bool,
    /// Whether a transaction has touched it as a list.
    pub(super) touched: bool,
    /// Its longest read: where that stands in the history's arena of elements.
    start: u32,
    /// For each element of that its append; `NONE` where several may be meant.
    pub(super) order: Vec<u32>,
    /// The last writer of an element that is known, and the position of that, plus one.
    pub(super) last: Option<(u32, u32)>,
    /// The meeting point of those that read up to the last writer and append nothing themselves.
    pub(super) join: Option<u32>,
    /// Transactions that read up to the last writer and append.
    pub(super) updaters: Vec<u32>,
    /// For how many elements there is an update of the version that ends there.
    updated: FxHashMap<u32, u32>,
    /// Appends that happened and that no read has shown, the newest ones.
    pub(super) unread: Vec<u32>,
}

impl Key {
    pub(super) fn is_read(&self) -> bool {
        !self.order.is_empty()
    }
}

/// What is known of one transaction.
#[derive(Debug)]
pub(super) struct Transaction {
    invoked: Moment,
    /// Its node, once it is known to have happened.
    pub(super) node: u32,
    /// Its appends.
    pub(super) appends: (u32, u32),
}

/// One append.
#[derive(Debug)]
pub(super) struct Append {
    pub(super) key: KeyId,
    value: ValueId,
    pub(super) transaction: u32,
    /// Where its element stands in the order of the list.
    pub(super) position: u32,
    /// The append of the same transaction to the same list before it.
    before: u32,
    /// Whether there is one after it.
    pub(super) intermediate: bool,
    /// Whether its element was appended once more.
    pub(super) ambiguous: bool,
}

impl OnlineLists {
    /// A transaction is invoked.
    pub(super) fn begin(&mut self, history: &History, event: EventIndex, steps: &[MicroOp]) -> Result<(), Stop> {
        if steps.iter().all(|step| !self.judges(step.key)) {
            return Ok(());
        }
        let transaction = self.transactions.len() as u32;
        let first = self.appends.len() as u32;
        for step in steps.iter().filter(|step| step.f == MicroFunction::Append) {
            if let Payload::Value(value) = step.value
                && self.judges(step.key)
            {
                self.begin_append(transaction, step.key, value, first)?;
            }
        }
        let (invoked, appends) = (self.graph.now(), (first, self.appends.len() as u32));
        self.transactions.push(Transaction { invoked, node: NONE, appends });
        self.open.insert(history.process(event).0, transaction);
        Ok(())
    }

    fn begin_append(&mut self, transaction: u32, key: KeyId, value: ValueId, first: u32) -> Result<(), Stop> {
        let this = self.appends.len() as u32;
        let mut ambiguous = false;
        match self.elements.entry((key.0, value.0)) {
            std::collections::hash_map::Entry::Vacant(free) => _ = free.insert(this),
            std::collections::hash_map::Entry::Occupied(known) => {
                let other = &mut self.appends[*known.get() as usize];
                let happened = self.transactions.get(other.transaction as usize).is_some_and(|t| t.node != NONE);
                if happened && !other.ambiguous {
                    return Err(Stop::GivenUp);
                }
                (other.ambiguous, ambiguous) = (true, true);
            }
        }
        let before = (first..this).rev().find(|a| self.appends[*a as usize].key == key).unwrap_or(NONE);
        if before != NONE {
            self.appends[before as usize].intermediate = true;
        }
        self.appends.push(Append { key, value, transaction, position: NONE, before, intermediate: false, ambiguous });
        Ok(())
    }

    /// A transaction did not happen.
    pub(super) fn fail(&mut self, transaction: u32) -> Result<(), Stop> {
        let (start, end) = self.transactions[transaction as usize].appends;
        for append in start..end {
            let Append { key, value, position, ambiguous, .. } = self.appends[append as usize];
            if ambiguous {
                continue;
            }
            if position != NONE {
                return self.found(AnomalyType::G1a).and(Err(Stop::GivenUp));
            }
            self.elements.remove(&(key.0, value.0));
        }
        Ok(())
    }

    /// Gives a transaction a node, unless it has one.
    fn add(&mut self, transaction: u32) -> bool {
        let transaction = &mut self.transactions[transaction as usize];
        let fresh = transaction.node == NONE;
        if fresh {
            transaction.node = self.graph.add(transaction.invoked);
        }
        fresh
    }

    /// A transaction is acknowledged.
    pub(super) fn succeed(&mut self, history: &History, transaction: u32, steps: &[MicroOp]) -> Result<(), Stop> {
        let fresh = self.add(transaction);
        self.graph.end(self.transactions[transaction as usize].node);
        for step in steps.iter().filter(|step| step.f == MicroFunction::Read) {
            if let Some(read) = elements(history, step.value).filter(|_| self.judges(step.key)) {
                self.learn(history, step, read)?;
            }
        }
        self.within(history, transaction, steps)?;
        if fresh {
            self.happen(transaction);
        }
        Ok(())
    }

    /// Compares a read with the order of its list, or makes it that.
    fn learn(&mut self, history: &History, step: &MicroOp, read: &[ValueId]) -> Result<(), Stop> {
        let key = &mut self.keys[step.key.0 as usize];
        let len = key.order.len().min(read.len());
        let known = history.list(Payload::List { start: key.start, len: len as u32 });
        if !same(known, &read[..len]) {
            return self.found(AnomalyType::IncompatibleOrder).and(Err(Stop::GivenUp));
        }
        if let Payload::List { start, .. } = step.value
            && read.len() > len
        {
            key.start = start;
            self.extend(step.key, &read[len..])?;
        }
        Ok(())
    }

    /// Elements are found behind the last known one.
    fn extend(&mut self, key: KeyId, more: &[ValueId]) -> Result<(), Stop> {
        let before = self.keys[key.0 as usize].last;
        for value in more {
            let Some(&append) = self.elements.get(&(key.0, value.0)) else {
                // Of a failed append it is an aborted read: whoever prohibits either prohibits both.
                return self.found(AnomalyType::GarbageRead).and(Err(Stop::GivenUp));
            };
            let position = self.keys[key.0 as usize].order.len() as u32;
            let ambiguous = self.appends[append as usize].ambiguous;
            self.keys[key.0 as usize].order.push(if ambiguous { NONE } else { append });
            if !ambiguous {
                self.place(key, append, position)?;
            }
        }
        if self.keys[key.0 as usize].last != before {
            self.follow_unread(key);
        }
        Ok(())
    }

    /// The element of an append is found at a position.
    fn place(&mut self, key: KeyId, append: u32, position: u32) -> Result<(), Stop> {
        let Append { transaction, before, position: known, .. } = self.appends[append as usize];
        if known != NONE {
            return self.found(AnomalyType::DuplicateElements).and(Err(Stop::GivenUp));
        }
        self.appends[append as usize].position = position;
        let earlier = self.appends.get(before as usize).filter(|a| !a.ambiguous);
        if earlier.is_some_and(|a| a.position == NONE) {
            return self.found(AnomalyType::IncompatibleOrder).and(Err(Stop::GivenUp));
        }
        if self.add(transaction) {
            self.happen(transaction);
        }
        let node = self.transactions[transaction as usize].node;
        let list = &mut self.keys[key.0 as usize];
        if let Some((last, _)) = list.last.replace((node, position + 1)) {
            self.graph.precede(last, node);
        }
        if let Some(join) = list.join.take() {
            self.graph.miss(join, node);
        }
        for updater in list.updaters.drain(..) {
            self.graph.miss(updater, node);
        }
        Ok(())
    }

    /// Counts an update of a version. Two of the same one lose one of them.
    pub(super) fn update(&mut self, key: KeyId, len: u32) -> Result<(), Stop> {
        let count = self.keys[key.0 as usize].updated.entry(len).or_insert(0);
        *count += 1;
        if *count > 1 { self.found(AnomalyType::LostUpdate) } else { Ok(()) }
    }

    /// The append of an element, if only one can be meant.
    pub(super) fn append_of(&self, key: KeyId, value: ValueId) -> Option<&Append> {
        let append = self.elements.get(&(key.0, value.0))?;
        Some(&self.appends[*append as usize]).filter(|append| !append.ambiguous)
    }
}
