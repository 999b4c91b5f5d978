//! The log in memory: the entries after some base, each with the epoch in which a leader made it.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::parts::json::Raw;

/// A place in a log: a position, from 1, and the epoch of the entry there. As an epoch has one leader and a leader
/// never changes what it wrote, two logs that have the same mark are the same up to it. The order of marks is the
/// order of "more up to date": epoch first, then position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Mark {
    /// The epoch of the leader that made the entry; 0 before the first.
    pub epoch: u64,
    /// The position; 0 before the first.
    pub position: u64,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The epoch of the leader that made it.
    pub epoch: u64,
    /// What it says.
    pub command: Raw,
}

/// See the [module](self).
#[derive(Clone, Debug, Default)]
pub struct Log {
    base: Mark,
    entries: VecDeque<Entry>,
}

impl Log {
    /// A log of these entries after `base`.
    pub fn new(base: Mark, entries: Vec<Entry>) -> Log {
        Log { base, entries: entries.into() }
    }

    /// The mark before the first entry: what is at or below it cannot be looked up any more.
    pub fn base(&self) -> Mark {
        self.base
    }

    /// The mark of the last entry.
    pub fn last(&self) -> Mark {
        let epoch = self.entries.back().map_or(self.base.epoch, |entry| entry.epoch);
        Mark { epoch, position: self.base.position + self.entries.len() as u64 }
    }

    /// The mark at a position; `None` below the base and beyond the end.
    pub fn mark(&self, position: u64) -> Option<Mark> {
        if position == self.base.position {
            return Some(self.base);
        }
        self.get(position).map(|entry| Mark { epoch: entry.epoch, position })
    }

    /// The entry at a position.
    pub fn get(&self, position: u64) -> Option<&Entry> {
        let index = position.checked_sub(self.base.position + 1)?;
        self.entries.get(usize::try_from(index).ok()?)
    }

    /// The entries from `first` on, at most up to `last`.
    pub fn range(&self, first: u64, last: u64) -> impl Iterator<Item = &Entry> {
        let last = last.min(self.last().position);
        (first..=last).map_while(|position| self.get(position))
    }

    /// A copy of all entries.
    pub fn to_vec(&self) -> Vec<Entry> {
        self.entries.iter().cloned().collect()
    }

    /// Adds an entry at the end.
    pub fn push(&mut self, entry: Entry) {
        assert!(entry.epoch >= self.last().epoch, "epochs never fall along a log");
        self.entries.push_back(entry);
    }

    /// Drops everything after a position, which must not be below the base. Returns how many entries that were.
    pub fn truncate(&mut self, position: u64) -> u64 {
        assert!(position >= self.base.position, "what is below the base cannot be undone");
        let keep = position - self.base.position;
        let dropped = (self.entries.len() as u64).saturating_sub(keep);
        self.entries.truncate(keep as usize);
        dropped
    }

    /// Forgets everything up to and including a position, if it is still there.
    pub fn forget(&mut self, position: u64) {
        if let Some(mark) = self.mark(position) {
            self.entries.drain(..(position - self.base.position) as usize);
            self.base = mark;
        }
    }

    /// The last position below `position` whose entry is of an earlier epoch than the one at `position`: where to
    /// look next when the logs differ there. Not below the base.
    pub fn before_epoch_of(&self, position: u64) -> u64 {
        let Some(mark) = self.mark(position) else { return self.last().position };
        let mut at = position;
        while at > self.base.position && self.mark(at).is_some_and(|m| m.epoch == mark.epoch) {
            at -= 1;
        }
        at
    }
}
