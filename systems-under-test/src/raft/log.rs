//! The replicated log as one node has it: entries after some base, each with the term of the leader that made it.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::members::Members;
use crate::parts::command::Command;
use crate::specimen::RequestId;

/// A place in a log. A term has one leader, and a leader never changes what it wrote: two logs with the same mark are the same up to it
/// (*log matching*). Marks are ordered as "more up to date" is: by the term of the last entry first, then by its position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Mark {
    /// The term of the entry; 0 before the first.
    pub term: u64,
    /// Its position, from 1; 0 before the first.
    pub position: u64,
}

/// What an entry says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    /// Execute this; or nothing, the first entry of a leader.
    Command(Command),
    /// From here on these are the members.
    Members(Members),
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The term of the leader that made it.
    pub term: u64,
    /// Whose request it is, where the client may ask again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestId>,
    /// What it says.
    pub content: Content,
}

/// See the [module](self).
#[derive(Clone, Debug, Default)]
pub struct Log {
    base: Mark,
    entries: VecDeque<Entry>,
}

impl Log {
    /// An empty log that begins after this mark.
    pub fn after(base: Mark) -> Log {
        Log { base, entries: VecDeque::new() }
    }

    /// The mark before the first entry that is still here.
    pub fn base(&self) -> Mark {
        self.base
    }

    /// The mark of the last entry.
    pub fn last(&self) -> Mark {
        let term = self.entries.back().map_or(self.base.term, |entry| entry.term);
        Mark { term, position: self.base.position + self.entries.len() as u64 }
    }

    /// The mark at a position; `None` where it is forgotten or not there yet.
    pub fn mark(&self, position: u64) -> Option<Mark> {
        match position == self.base.position {
            true => Some(self.base),
            false => self.get(position).map(|entry| Mark { term: entry.term, position }),
        }
    }

    /// The entry at a position.
    pub fn get(&self, position: u64) -> Option<&Entry> {
        let index = position.checked_sub(self.base.position + 1)?;
        self.entries.get(usize::try_from(index).ok()?)
    }

    /// The entries after a position, at most so many.
    pub fn since(&self, position: u64, most: usize) -> Vec<Entry> {
        let skip = position.saturating_sub(self.base.position) as usize;
        self.entries.iter().skip(skip).take(most).cloned().collect()
    }

    /// Adds an entry.
    pub fn push(&mut self, entry: Entry) {
        self.entries.push_back(entry);
    }

    /// Drops everything after a position.
    pub fn truncate(&mut self, position: u64) {
        self.entries.truncate(position.saturating_sub(self.base.position) as usize);
    }

    /// Forgets everything up to a position, which stays the base.
    pub fn forget(&mut self, position: u64) {
        if let Some(mark) = self.mark(position) {
            self.entries.drain(..(position - self.base.position) as usize);
            self.base = mark;
        }
    }

    /// The last position before `position` whose entry is of an earlier term: where to look next when the logs differ there.
    pub fn before_term_of(&self, position: u64) -> u64 {
        let Some(mark) = self.mark(position) else { return self.last().position };
        let mut at = position;
        while at > self.base.position && self.mark(at).is_some_and(|m| m.term == mark.term) {
            at -= 1;
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(base: u64, terms: &[u64]) -> Log {
        let mut log = Log::after(Mark { term: 1, position: base });
        for term in terms {
            log.push(Entry { term: *term, request: None, content: Content::Command(Command::Nothing) });
        }
        log
    }

    #[test]
    fn positions_count_from_the_base() {
        let mut log = log(10, &[1, 2, 2, 5]);
        assert_eq!(log.last(), Mark { term: 5, position: 14 });
        assert_eq!(log.mark(10), Some(Mark { term: 1, position: 10 }));
        assert_eq!((log.mark(9), log.mark(15)), (None, None));
        assert_eq!(log.since(12, 9).iter().map(|entry| entry.term).collect::<Vec<_>>(), [2, 5]);
        log.forget(12);
        assert_eq!((log.base(), log.last()), (Mark { term: 2, position: 12 }, Mark { term: 5, position: 14 }));
        log.truncate(13);
        assert_eq!(log.last(), Mark { term: 2, position: 13 });
    }

    #[test]
    fn a_conflict_skips_the_whole_term() {
        let log = log(10, &[1, 2, 2, 5]);
        assert_eq!([14, 13, 12, 11, 20].map(|at| log.before_term_of(at)), [13, 11, 11, 10, 14]);
    }
}
