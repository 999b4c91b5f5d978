//! What one node holds: the rows of the keys that it is a home of, and hints for homes that it stood in for.
//!
//! Whatever changes is kept before anybody is told that it is there.

use std::cell::Cell;
use std::collections::BTreeMap;

use super::messages::Record;
use super::ring::digest;
use super::row::{Column, Row};
use super::stamps::Stamp;
use crate::parts::json::Item;

/// Something kept for another node.
#[derive(Clone, Debug)]
pub(super) struct Hint {
    /// What.
    pub row: Row,
    /// Grows with each change, so that an acknowledgement of less does not delete more.
    pub version: u64,
}

/// A row, and its digest if somebody has asked for it since it changed.
#[derive(Clone, Debug, Default)]
struct Held {
    row: Row,
    digest: Cell<Option<u64>>,
}

impl Held {
    fn digest(&self) -> u64 {
        let digest = self.digest.get();
        let digest = digest.unwrap_or_else(|| digest_of(&self.row));
        self.digest.set(Some(digest));
        digest
    }
}

fn digest_of(row: &Row) -> u64 {
    digest(&serde_json::to_vec(row).expect("rows have a JSON form"))
}

/// See the [module](self).
#[derive(Clone, Debug, Default)]
pub(super) struct Replica {
    rows: BTreeMap<Item, Held>,
    hints: BTreeMap<(usize, Item), Hint>,
    versions: u64,
}

impl Replica {
    /// Takes in a record, when it is made and again when the node starts.
    pub fn apply(&mut self, record: &Record) {
        match record {
            Record::Start(_) => {}
            Record::Merge(key, row) => self.change(key, |held| held.merge(row)),
            Record::Replace(key, row) => self.change(key, |held| *held = row.clone()),
            Record::Collect(key, column, stamp) => self.change(key, |held| {
                if held.cells.get(column).is_some_and(|cell| cell.stamp == *stamp) {
                    held.cells.remove(column);
                }
            }),
            Record::Hint(home, key, row) => {
                self.versions += 1;
                let hint = self.hints.entry((*home, key.clone()));
                let hint = hint.or_insert_with(|| Hint { row: Row::default(), version: 0 });
                hint.row.merge(row);
                hint.version = self.versions;
            }
            Record::Handed(home, key) => {
                self.hints.remove(&(*home, key.clone()));
            }
        }
    }

    fn change(&mut self, key: &Item, change: impl FnOnce(&mut Row)) {
        let held = self.rows.entry(key.clone()).or_default();
        change(&mut held.row);
        held.digest.set(None);
    }

    /// The records that say the same as this.
    pub fn records(&self) -> impl Iterator<Item = Record> {
        let rows = self.rows.iter().map(|(key, held)| Record::Merge(key.clone(), held.row.clone()));
        let hints = self.hints.iter().map(|((home, key), hint)| Record::Hint(*home, key.clone(), hint.row.clone()));
        rows.chain(hints)
    }

    /// What is held of a key as its home.
    pub fn row(&self, key: &Item) -> Row {
        self.rows.get(key).map(|held| held.row.clone()).unwrap_or_default()
    }

    /// What is held of a key in any way.
    pub fn everything(&self, key: &Item) -> Row {
        let mut row = self.row(key);
        self.hints.iter().filter(|((_, of), _)| of == key).for_each(|(_, hint)| row.merge(&hint.row));
        row
    }

    /// Whether taking this in would change nothing.
    pub fn has(&self, key: &Item, row: &Row) -> bool {
        let mine = self.row(key);
        let mut merged = mine.clone();
        merged.merge(row);
        merged == mine
    }

    /// Everything, by key.
    pub fn rows(&self) -> impl Iterator<Item = (&Item, &Row, u64)> {
        self.rows.iter().map(|(key, held)| (key, &held.row, held.digest()))
    }

    /// The tombstones, and when each was made.
    pub fn tombstones(&self) -> impl Iterator<Item = (&Item, &Column, Stamp)> {
        let cells = self.rows.iter().flat_map(|(key, held)| held.row.cells.iter().map(move |cell| (key, cell)));
        let dead = cells.filter(|(_, (_, cell))| cell.is_tombstone());
        dead.map(|(key, (column, cell))| (key, column, cell.stamp))
    }

    /// All hints: for whom, of what.
    pub fn hints(&self) -> impl Iterator<Item = (usize, &Item, &Hint)> {
        self.hints.iter().map(|((home, key), hint)| (*home, key, hint))
    }

    /// How much it holds.
    pub fn counts(&self) -> (usize, usize) {
        (self.rows.len(), self.hints.len())
    }
}
