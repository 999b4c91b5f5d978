//! When a tombstone may go.
//!
//! A tombstone is there for replicas that still have what was removed: meet one of them without it, and the element is back from the
//! dead. Systems that collect tombstones by age (Cassandra's `gc_grace_seconds`) rely on every replica being repaired within that
//! time; a node that was away for longer brings back what was deleted. Here the first home of a key asks *all* nodes, because hints and
//! reads that are under way hold copies too:
//!
//! ```text
//!   first home    Bury x ──▶ every node: takes the tombstone in, also into hints     ◀── Buried
//!   all know      ── five seconds: whatever is still on its way arrives and finds the tombstone ──
//!                 Collect x ──▶ homes
//! ```
//!
//! A home that misses the `Collect` has a tombstone more than the others, which anti-entropy brings back to them; then it is buried
//! again. A node that never comes back keeps tombstones from going: that is the price.

use std::collections::{BTreeMap, BTreeSet};

use super::bugs::Bug;
use super::messages::{Message, Record};
use super::node::Leaderless;
use super::row::{Cell, Column, Row};
use super::stamps::Stamp;
use crate::parts::json::Item;
use crate::specimen::{Context, Micros};

/// Nothing is on its way for longer: what is not heard is not said again then, and connections that were silent for so long are closed.
const LINGER: Micros = 5_000_000;

/// How often tombstones are looked after.
const EVERY: Micros = 300_000;

/// What is being buried.
#[derive(Clone, Debug, Default)]
pub(super) struct Burials {
    next: Micros,
    graves: BTreeMap<(Item, Column), Grave>,
}

#[derive(Clone, Debug)]
struct Grave {
    stamp: Stamp,
    /// Who knows.
    knows: BTreeSet<usize>,
    /// Since when all do.
    since: Option<Micros>,
}

impl Leaderless {
    /// Looks after tombstones, now and then.
    pub(super) fn hold_burials(&mut self, cx: &mut Context<Self>) {
        if cx.now() >= self.burials.next {
            self.burials.next = cx.now() + EVERY;
            let grace = self.settings.grace;
            let old = |stamp: Stamp| stamp.time + grace < cx.wall();
            let tombstones: Vec<(Item, Column, Stamp)> = self
                .replica
                .tombstones()
                .filter(|(_, _, stamp)| old(*stamp))
                .map(|(key, column, stamp)| (key.clone(), column.clone(), stamp))
                .collect();
            self.burials.graves.retain(|(key, column), _| tombstones.iter().any(|(k, c, _)| k == key && c == column));
            for (key, column, stamp) in tombstones {
                match self.bug(Bug::TombstonesCollectedByAge) {
                    // Old enough, one should think. But whoever was away for longer still has the element, and now nobody knows that it
                    // is gone. All are to be asked.
                    true => self.collect(key, column, stamp, cx),
                    false => self.hold_burial(key, column, stamp, cx),
                }
            }
        }
        cx.wake_at(self.burials.next);
    }

    fn hold_burial(&mut self, key: Item, column: Column, stamp: Stamp, cx: &mut Context<Self>) {
        let homes = self.homes(&key);
        if homes[0] != self.seat.me {
            return;
        }
        let new = || Grave { stamp, knows: BTreeSet::new(), since: None };
        let grave = self.burials.graves.entry((key.clone(), column.clone())).or_insert_with(new);
        if grave.stamp != stamp {
            *grave = new();
        }
        let all = 0..self.seat.count();
        if grave.since.is_some_and(|since| cx.now() >= since + LINGER) {
            for home in homes {
                cx.send(home, Message::Collect { key: key.clone(), column: column.clone(), stamp });
            }
            return;
        }
        let row = self.replica.row(&key);
        let Some(cell) = row.cells.get(&column) else { return };
        for node in all.filter(|node| !grave.knows.contains(node)) {
            cx.send(node, Message::Bury { key: key.clone(), column: column.clone(), cell: cell.clone() });
        }
    }

    /// Takes a tombstone in, wherever the element may be here.
    pub(super) fn bury(&mut self, from: usize, key: Item, column: Column, cell: Cell, cx: &mut Context<Self>) {
        let stamp = cell.stamp;
        let row = Row::cell(column.clone(), stamp, cell.value);
        let of_key = self.replica.hints().filter(|(_, its, hint)| **its == key && hint.row.cells.contains_key(&column));
        let hinted: Vec<usize> = of_key.map(|(home, _, _)| home).collect();
        hinted.into_iter().for_each(|home| self.keep(Record::Hint(home, key.clone(), row.clone()), cx));
        if self.homes(&key).contains(&self.seat.me) {
            self.take_in(key.clone(), row, cx);
        }
        cx.durably().send(from, Message::Buried { key, column, stamp });
    }

    /// A node knows.
    pub(super) fn buried(&mut self, from: usize, key: Item, column: Column, stamp: Stamp, cx: &mut Context<Self>) {
        let (now, all) = (cx.now(), self.seat.count());
        let Some(grave) = self.burials.graves.get_mut(&(key, column)).filter(|grave| grave.stamp == stamp) else {
            return;
        };
        grave.knows.insert(from);
        if grave.knows.len() == all {
            grave.since.get_or_insert(now);
        }
    }

    /// Lets a tombstone go.
    pub(super) fn collect(&mut self, key: Item, column: Column, stamp: Stamp, cx: &mut Context<Self>) {
        let is_it = |cell: &Cell| cell.is_tombstone() && cell.stamp == stamp;
        if self.replica.row(&key).cells.get(&column).is_some_and(is_it) {
            cx.note(format!("tombstone-collected key={}", crate::parts::store::member(&key.0)));
            self.keep(Record::Collect(key, column, stamp), cx);
        }
    }
}
