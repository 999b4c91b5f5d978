//! What follows from a read, and from what has happened: which transaction came before which.
//!
//! ```text
//!   order        1     2     3                        unread
//!   writers      A ──▶ B ──▶ C ──────────────────────▶ D, E      ww
//!   readers      R of [1]: R ──rw──▶ B
//!                S, T of [1 2 3]: S, T ──rw──▶ join ──▶ D, E     and whoever appends next
//! ```
//! A reader that appends itself is kept out of the meeting point, since it would come before itself there. Two of them
//! at one version have lost an update; so there is one at most, but for elements of which nobody knows the writer.

use histories::{KeyId, MicroOp};

use super::lists::{Append, Part, Transaction};
use super::{NONE, OnlineLists, Stop, UNREAD};
use crate::models::AnomalyType;

impl OnlineLists {
    /// Whatever happened and no read shows came after the last that one shows.
    pub(super) fn follow_unread(&mut self, key: KeyId) {
        let list = &mut self.keys[key.0 as usize];
        let Some((last, _)) = list.last else { return };
        list.unread.retain(|append| self.appends[*append as usize].position == NONE);
        for append in &list.unread {
            let transaction = self.appends[*append as usize].transaction;
            self.graph.precede(last, self.transactions[transaction as usize].node);
        }
    }

    /// A transaction is known to have happened: so did all of its appends.
    pub(super) fn happen(&mut self, transaction: u32) {
        let Transaction { node, appends: (start, end), .. } = self.transactions[transaction as usize];
        for append in start..end {
            let Append { key, position, ambiguous, .. } = self.appends[append as usize];
            let list = &mut self.keys[key.0 as usize];
            if position != NONE || ambiguous || list.part != Part::List {
                continue;
            }
            if let Some((last, _)) = list.last {
                self.graph.precede(last, node);
            }
            if let Some(join) = list.join {
                self.graph.miss(join, node);
            }
            for updater in &list.updaters {
                self.graph.miss(*updater, node);
            }
            if list.unread.len() == UNREAD {
                list.unread.remove(0);
            }
            list.unread.push(append);
        }
    }

    /// What a read says, once the order holds it. `appends` says whether its transaction appends to the list, and
    /// `own` whether it has done so before the read.
    pub(super) fn depend(
        &mut self,
        transaction: u32,
        step: &MicroOp,
        len: u32,
        own: bool,
        appends: bool,
    ) -> Result<(), Stop> {
        let node = self.transactions[transaction as usize].node;
        let list = &self.keys[step.key.0 as usize];
        let last = len.checked_sub(1).map(|at| list.order[at as usize]).filter(|append| *append != NONE);
        if let Some(append) = last {
            let Append { transaction: writer, intermediate, .. } = self.appends[append as usize];
            if writer == transaction && own {
                return Ok(());
            }
            if writer != transaction && intermediate {
                self.found(AnomalyType::G1b)?;
            }
            self.graph.precede(self.transactions[writer as usize].node, node);
        }
        if self.graph.counts_anti() && !own {
            self.miss_later(node, step.key, len, appends);
        }
        Ok(())
    }

    /// What is behind a version that was read, was not seen.
    fn miss_later(&mut self, node: u32, key: KeyId, len: u32, appends: bool) {
        let list = &mut self.keys[key.0 as usize];
        if list.last.is_some_and(|(_, until)| len < until) {
            let known = list.order[len as usize..].iter().take(UNREAD).find(|append| **append != NONE);
            if let Some(append) = known {
                let writer = self.appends[*append as usize].transaction;
                self.graph.miss(node, self.transactions[writer as usize].node);
            }
        } else if appends {
            if list.updaters.len() < UNREAD && list.updaters.last() != Some(&node) {
                list.updaters.push(node);
            }
            self.miss_unread(node, key);
        } else if let Some(join) = list.join {
            self.graph.meet(node, join);
        } else {
            let join = self.graph.add_join();
            list.join = Some(join);
            self.miss_unread(join, key);
            self.graph.meet(node, join);
        }
    }

    /// Whatever no read has shown was not seen by one who read to the end, or by all who meet there.
    fn miss_unread(&mut self, from: u32, key: KeyId) {
        for append in &self.keys[key.0 as usize].unread {
            let writer = self.appends[*append as usize].transaction;
            self.graph.miss(from, self.transactions[writer as usize].node);
        }
    }
}
