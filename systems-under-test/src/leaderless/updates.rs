//! What an operation makes of a row: a small row to be merged into it.

use histories::{Operation, Scalar};

use super::bugs::Bug;
use super::node::Leaderless;
use super::row::{Column, Row};
use super::siblings::{Dot, Seen, Siblings, Written};
use crate::parts::json::Item;
use crate::specimen::Micros;

/// Whether there is such an operation here. A compare-and-set takes consensus, which quorums are not.
pub(super) fn understands(operation: &Operation) -> bool {
    use Operation::{Add, Append, Increment, Read, Remove, Write};
    matches!(operation, Read { .. } | Write { .. } | Add { .. } | Remove { .. } | Append { .. } | Increment { .. })
}

/// An element of a set.
pub(super) fn member(element: &Scalar) -> Column {
    Column::Member(Item(element.clone()))
}

impl Leaderless {
    /// What this update changes in a row that was found to be `found`, where that matters.
    pub(super) fn update(&mut self, key: &Item, operation: &Operation, found: &Row, wall: Micros) -> Row {
        let (column, value) = match operation {
            Operation::Increment { by, .. } => return self.increment(key, *by),
            Operation::Append { value, .. } => {
                let stamp = self.clock.stamp(wall);
                return Row::cell(Column::Entry(stamp), stamp, Item(value.clone()));
            }
            Operation::Write { value, .. } => (Column::Register, Some(Item(value.clone()))),
            Operation::Add { value, .. } => (member(value), Some(Item(true.into()))),
            Operation::Remove { value, .. } => (member(value), None),
            _ => return Row::default(),
        };
        match self.settings.siblings {
            true => Row::siblings(self.replace(key, column, value, &found.siblings)),
            // Nothing, as a value: a tombstone.
            false => Row::cell(column, self.clock.stamp(wall), value.unwrap_or(Item(Scalar::Null))),
        }
    }

    /// A value in the place of those that were found, or nothing in their place.
    fn replace(&mut self, key: &Item, column: Column, value: Option<Item>, found: &Siblings) -> Siblings {
        let without = Siblings::without(found.dots(&column));
        let Some(value) = value else { return without };
        let dot = self.dot(key);
        let mut update = without.with(dot, Written { column, value });
        if self.bug(Bug::VectorsWithoutDots) {
            // A version vector without dots: has seen all of this actor's updates up to this one. Those that are still on their way it has
            // not seen, and whoever merges this takes them for replaced. Its own dot is all that it is to claim.
            update.seen = Seen::vector(dot);
        }
        update
    }

    fn dot(&mut self, key: &Item) -> Dot {
        let number = self.dots.entry(key.clone()).or_default();
        *number += 1;
        Dot { actor: self.actor, number: *number }
    }

    /// This life's increments of a key, with one more.
    fn increment(&mut self, key: &Item, by: i64) -> Row {
        let tally = self.tallies.entry(key.clone()).or_default();
        tally.count += 1;
        tally.sum = tally.sum.wrapping_add(by);
        Row::tally(self.actor, *tally)
    }
}
