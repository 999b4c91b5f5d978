//! What each read says: dependencies, and what it should not have seen.
//!
//! A read that agrees with the order of its list needs no look at its elements: it is compared once, and its length says
//! the rest. Only where a list has failed, unknown or repeated elements are those looked at, and reads that contradict
//! the order one by one, in [`super::strange`].

use std::collections::BTreeSet;

use histories::{KeyId, MicroFunction, ValueId};

use super::orders::{Lists, NONE, Origin, elements};
use super::words::Words;
use crate::analysis::Found;
use crate::budget::{Exhausted, Meter};
use crate::graphs::Relations;
use crate::models::AnomalyType;
use crate::transactions::edges::Edges;
use crate::transactions::reading::Row;

/// The transaction that touched a list last, and the one that appended to it last.
#[derive(Clone, Copy)]
struct Touch {
    row: Row,
    appended: Row,
}

/// A read that contradicts the order of its list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Strange<'h> {
    pub(super) key: KeyId,
    pub(super) read: &'h [ValueId],
    pub(super) row: Row,
}

/// One pass over all transactions that certainly happened.
pub(super) struct Reads<'l, 't, 'h> {
    pub(super) lists: &'l Lists<'t, 'h>,
    pub(super) found: &'l mut Found,
    pub(super) edges: Edges,
    touches: Vec<Touch>,
    /// Reads of the last known version of a list to which more was appended.
    at_end: Vec<(KeyId, Row)>,
    pub(super) strange: Vec<Strange<'h>>,
    /// Transactions that first read a list, up to this length, and then appended to it.
    pub(super) updates: Vec<(KeyId, u32, Row)>,
    /// As `updates`, for reads that contradict the order of the list.
    pub(super) strange_updates: Vec<Strange<'h>>,
    /// Elements that nobody appended and that were told of.
    pub(super) garbage: BTreeSet<(KeyId, ValueId)>,
}

impl<'l, 't, 'h> Reads<'l, 't, 'h> {
    /// Nothing read yet.
    pub(super) fn new(lists: &'l Lists<'t, 'h>, found: &'l mut Found) -> Self {
        let room = lists.rows.len() + lists.txns.ok_count as usize * 2;
        Reads {
            lists,
            found,
            edges: Edges::with_capacity(room),
            touches: vec![Touch { row: NONE, appended: NONE }; lists.lists.len()],
            at_end: Vec::new(),
            strange: Vec::new(),
            updates: Vec::new(),
            strange_updates: Vec::new(),
            garbage: BTreeSet::new(),
        }
    }

    /// Looks at every transaction.
    pub(super) fn walk(&mut self, meter: &Meter<'_>) -> Result<(), Exhausted> {
        for row in 0..self.lists.txns.ok_count {
            if row % 1024 == 0 {
                meter.spend(1024)?;
            }
            if self.look_at(row) {
                self.within(row);
            }
        }
        Ok(())
    }

    /// Returns whether it touched a list twice.
    fn look_at(&mut self, row: Row) -> bool {
        let mut twice = false;
        let lists = self.lists;
        for step in lists.txns.steps(row).iter().filter(|s| lists.judges(s)) {
            let touch = &mut self.touches[step.key.0 as usize];
            twice |= touch.row == row;
            touch.row = row;
            match step.f {
                MicroFunction::Append => touch.appended = row,
                _ => {
                    let own = touch.appended == row;
                    if let Some(read) = elements(lists.txns.history, step.value) {
                        self.read(row, step.key, read, own);
                    }
                }
            }
        }
        twice
    }

    fn read(&mut self, row: Row, key: KeyId, read: &'h [ValueId], own: bool) {
        let (lists, list) = (self.lists, key.0 as usize);
        if !lists.is_prefix(list, read) {
            return self.strange.push(Strange { key, read, row });
        }
        if read.len() > lists.lists[list].odd as usize {
            self.odd(row, key, read);
        }
        let last = read.len().checked_sub(1).map(|last| lists.place(list, last));
        if let Some((place, writer)) = last.and_then(|place| Some((place, place.writer()?))) {
            if writer == row && own {
                return;
            }
            self.depends(row, key, read, writer, place.is_intermediate());
        }
        let next = lists.place(list, read.len()).next;
        if next != NONE {
            self.edges.push(row, next, Relations::RW);
        } else if !lists.unread(list).is_empty() {
            self.at_end.push((key, row));
        }
    }

    /// The last element of a read is another's.
    pub(super) fn depends(&mut self, row: Row, key: KeyId, read: &[ValueId], writer: Row, intermediate: bool) {
        if intermediate && writer != row {
            let words = Words(self.lists);
            self.found.add(AnomalyType::G1b, || words.intermediate(row, key, read, writer));
        }
        self.edges.push(writer, row, Relations::WR);
    }

    /// A read that reaches an element that failed, that nobody appended, or that was there already.
    fn odd(&mut self, row: Row, key: KeyId, read: &[ValueId]) {
        let (lists, list, words) = (self.lists, key.0 as usize, Words(self.lists));
        let mut twice = false;
        for position in lists.lists[list].odd as usize..read.len() {
            match lists.origin_at(list, position) {
                Origin::Append(append) => self.aborted(row, key, read, append),
                Origin::Nobody => self.unknown(row, key, read, read[position]),
                Origin::Again if !std::mem::replace(&mut twice, true) => {
                    self.found.add(AnomalyType::DuplicateElements, || words.duplicate(row, key, read, read[position]));
                }
                Origin::Again | Origin::Perhaps => {}
            }
        }
    }

    /// Tells of a failed append that was read.
    pub(super) fn aborted(&mut self, row: Row, key: KeyId, read: &[ValueId], append: u32) {
        let (writer, words) = (self.lists.rows[append as usize], Words(self.lists));
        if self.lists.txns.is_failed(writer) {
            let value = self.lists.values[append as usize];
            self.found.add(AnomalyType::G1a, || words.aborted(row, key, read, value, writer));
        }
    }

    /// Tells of an element that nobody appended, once.
    pub(super) fn unknown(&mut self, row: Row, key: KeyId, read: &[ValueId], value: ValueId) {
        if self.garbage.insert((key, value)) {
            let words = Words(self.lists);
            self.found.add(AnomalyType::GarbageRead, || words.garbage(row, key, read, value));
        }
    }

    /// The dependencies between writes, and of reads on writes that nobody read.
    pub(super) fn finish(&mut self) {
        for list in (0..self.lists.lists.len()).filter(|list| !self.lists.lists[*list].spoiled) {
            self.chain(list);
        }
        for (first, second) in &self.lists.reversed {
            let list = self.lists.appends.group_of(*first as usize);
            if !self.lists.lists[list].spoiled {
                let words = Words(self.lists);
                self.found.add(AnomalyType::IncompatibleOrder, || words.reversed(list, *first, *second));
            }
        }
        let mut at_end = std::mem::take(&mut self.at_end);
        at_end.sort_unstable();
        at_end.dedup();
        for readers in at_end.chunk_by(|a, b| a.0 == b.0) {
            let unread = self.unread_rows(readers[0].0.0 as usize);
            let readers: Vec<Row> = readers.iter().map(|(_, row)| *row).collect();
            self.edges.join(&readers, &unread, Relations::RW);
        }
    }

    /// Those who appended to a list what no read shows.
    fn unread_rows(&self, list: usize) -> Vec<Row> {
        let mut rows: Vec<Row> = self.lists.unread(list).iter().map(|a| self.lists.rows[*a as usize]).collect();
        rows.dedup();
        rows
    }

    /// Each writer of a list before the next one, the last one before all that no read shows; looks for acknowledged
    /// appends that were passed over.
    fn chain(&mut self, list: usize) {
        let lists = self.lists;
        let mut last: Option<Row> = None;
        for position in 0..lists.lists[list].len as usize {
            let Some(writer) = lists.place(list, position).writer() else { continue };
            if let Some(last) = last {
                self.edges.push(last, writer, lists.txns.ww(last, writer));
            }
            last = Some(writer);
        }
        if let Some(last) = last.filter(|_| !lists.unread(list).is_empty()) {
            self.unread_rows(list).into_iter().for_each(|row| self.edges.push(last, row, lists.txns.ww(last, row)));
            self.passed_over(list);
        }
        if lists.lists[list].odd != NONE {
            self.dirty(list);
        }
    }

    /// Acknowledged appends that no read shows, although one shows what was begun after that.
    fn passed_over(&mut self, list: usize) {
        let lists = self.lists;
        let writers = (0..lists.lists[list].len as usize).filter_map(|p| lists.place(list, p).writer().map(|w| (p, w)));
        let writers = writers.filter(|(_, w)| lists.txns.is_ok(*w));
        let Some((position, latest)) = writers.max_by_key(|(_, w)| lists.txns.invoked[*w as usize]) else { return };
        for append in lists.unread(list) {
            let row = lists.rows[*append as usize];
            if lists.txns.precedes(row, latest) {
                let words = Words(lists);
                self.found.add(AnomalyType::LostAppend, || words.passed_over(list, *append, position, latest));
            }
        }
    }

    /// Failed elements that acknowledged ones were put behind.
    fn dirty(&mut self, list: usize) {
        let lists = self.lists;
        let mut failed = None;
        for position in lists.lists[list].odd as usize..lists.lists[list].len as usize {
            let Origin::Append(append) = lists.origin_at(list, position) else {
                failed = None;
                continue;
            };
            let row = lists.rows[append as usize];
            if lists.txns.is_failed(row) {
                failed = Some(append);
            } else if lists.is_ambiguous(append) || lists.txns.is_ok(row) {
                let failed = failed.take().filter(|_| !lists.is_ambiguous(append));
                if let Some(failed) = failed {
                    let words = Words(lists);
                    self.found.add(AnomalyType::DirtyUpdate, || words.dirty(list, failed, append));
                }
            }
        }
    }
}
