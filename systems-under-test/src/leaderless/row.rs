//! What a replica holds of one key, and how two replicas' rows become one.
//!
//! Merging is commutative, associative and idempotent: rows that have taken in the same updates are equal, in whatever order and however
//! often they came. Everything else here (repair, hints, anti-entropy) is a way to see to it that updates *arrive*.
//!
//! | written | last write wins | siblings |
//! |---|---|---|
//! | a register | one cell, the latest stamp stays | every value that nobody who had seen it replaced |
//! | an element of a set | a cell per element: adds never compete | a dot per add |
//! | an entry of a list | a cell per entry, named and ordered by its stamp | the same |
//! | a counter | a tally per actor, that only the actor changes | the same |
//!
//! Cells are Cassandra's: a row is a map of cells, each with a timestamp of its own, a collection has a cell per element, and a deletion
//! is a cell too, a **tombstone**: absence would only mean that nothing has arrived yet. Tallies are those of a PN-counter (Shapiro,
//! Preguiça, Baquero, Zawirski: *A comprehensive study of Convergent and Commutative Replicated Data Types*, 2011).

use std::collections::BTreeMap;

use histories::Scalar;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::pairs;
use super::siblings::Siblings;
use super::stamps::{Actor, Stamp};
use crate::parts::json::Item;
use crate::specimen::Micros;

/// A part of a row that is written as a whole.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Column {
    /// The register.
    Register,
    /// Whether this is in the set.
    Member(Item),
    /// The entry of the list that was appended then.
    Entry(Stamp),
}

/// One written value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cell {
    /// When.
    pub stamp: Stamp,
    /// What; null is a tombstone.
    pub value: Item,
}

impl Cell {
    /// Whether it says that something is gone.
    pub fn is_tombstone(&self) -> bool {
        self.value.0 == Scalar::Null
    }
}

/// The increments that one actor coordinated: how many, and their sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Tally {
    /// How many: of two tallies of one actor, the one with more is the later one.
    pub count: u64,
    /// Their sum.
    pub sum: i64,
}

/// See the [module](self).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// What the last write wins of.
    #[serde(default, with = "pairs", skip_serializing_if = "BTreeMap::is_empty")]
    pub cells: BTreeMap<Column, Cell>,
    /// What is kept side by side.
    #[serde(default, skip_serializing_if = "Siblings::is_empty")]
    pub siblings: Siblings,
    /// A counter.
    #[serde(default, with = "pairs", skip_serializing_if = "BTreeMap::is_empty")]
    pub tallies: BTreeMap<Actor, Tally>,
}

impl Row {
    /// One cell.
    pub fn cell(column: Column, stamp: Stamp, value: Item) -> Row {
        Row { cells: BTreeMap::from([(column, Cell { stamp, value })]), ..Row::default() }
    }

    /// An update of siblings.
    pub fn siblings(siblings: Siblings) -> Row {
        Row { siblings, ..Row::default() }
    }

    /// One actor's increments.
    pub fn tally(actor: Actor, tally: Tally) -> Row {
        Row { tallies: BTreeMap::from([(actor, tally)]), ..Row::default() }
    }

    /// Takes in another row of the key.
    pub fn merge(&mut self, other: &Row) {
        for (column, cell) in &other.cells {
            // Stamps are unique; the value only decides between a cell and itself.
            if self.cells.get(column).is_none_or(|mine| mine < cell) {
                self.cells.insert(column.clone(), cell.clone());
            }
        }
        self.siblings.merge(&other.siblings);
        for (actor, tally) in &other.tallies {
            let mine = self.tallies.entry(*actor).or_default();
            *mine = (*mine).max(*tally);
        }
    }

    /// Whether the element is in the set.
    pub fn contains(&self, member: &Column) -> bool {
        self.cells.get(member).is_some_and(|cell| !cell.is_tombstone()) || self.siblings.dots(member).next().is_some()
    }

    /// The latest stamp in it.
    pub fn newest(&self) -> Micros {
        self.cells.values().map(|cell| cell.stamp.time).max().unwrap_or(0)
    }

    /// What a read finds, in the form of [`Found`](crate::parts::json::Found). A register with siblings is a list of them, for the
    /// application to choose from. A key is meant to hold one kind of thing; where it was written to as several, the first of
    /// counter, set, list, register is shown.
    pub fn found(&self) -> Json {
        if !self.tallies.is_empty() {
            return json!({ "counter": self.sum() });
        }
        let (members, entries, registers) = self.values();
        match (&members[..], &entries[..], &registers[..]) {
            ([_, ..], _, _) => json!({ "set": members }),
            (_, [_, ..], _) => json!({ "list": entries }),
            (_, _, []) => Json::Null,
            (_, _, [value]) => json!({ "register": value }),
            _ => json!({ "list": registers }),
        }
    }

    /// The same without saying what it is: what replicas are compared by.
    pub fn plain(&self) -> Json {
        match self.found() {
            Json::Object(one) => one.into_iter().next().map_or(Json::Null, |(_, value)| value),
            other => other,
        }
    }

    fn sum(&self) -> i64 {
        self.tallies.values().fold(0, |sum, tally| sum.wrapping_add(tally.sum))
    }

    /// Members, entries, values of the register.
    fn values(&self) -> (Vec<&Item>, Vec<&Item>, Vec<&Item>) {
        let (mut members, mut entries, mut registers) = (Vec::new(), Vec::new(), Vec::new());
        let cells =
            self.cells.iter().filter(|(_, cell)| !cell.is_tombstone()).map(|(column, cell)| (column, &cell.value));
        let siblings = self.siblings.held.values().map(|written| (&written.column, &written.value));
        for (column, value) in cells.chain(siblings) {
            match column {
                Column::Register => registers.push(value),
                Column::Member(element) => members.push(element),
                Column::Entry(_) => entries.push(value),
            }
        }
        members.sort();
        members.dedup();
        registers.sort();
        registers.retain(|value| value.0 != Scalar::Null);
        (members, entries, registers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(time: Micros) -> Stamp {
        Stamp { time, actor: Actor { node: 0, start: 1 }, number: time }
    }

    fn merged(rows: &[Row]) -> Row {
        let mut all = Row::default();
        rows.iter().for_each(|row| all.merge(row));
        all
    }

    #[test]
    fn the_last_write_wins_in_any_order() {
        let write = |time, value: i64| Row::cell(Column::Register, stamp(time), Item(value.into()));
        for rows in [[write(1, 10), write(2, 20)], [write(2, 20), write(1, 10)]] {
            assert_eq!(merged(&rows).found(), json!({ "register": 20 }));
        }
    }

    #[test]
    fn elements_do_not_compete_and_a_tombstone_is_not_absence() {
        let member = |n: i64| Column::Member(Item(n.into()));
        let add = |time, n| Row::cell(member(n), stamp(time), Item(true.into()));
        let remove = |time, n| Row::cell(member(n), stamp(time), Item(Scalar::Null));
        let all = merged(&[add(1, 7), add(1, 8), remove(2, 7), add(1, 7)]);
        assert_eq!(all.plain(), json!([8]));
        assert!(!all.contains(&member(7)) && all.contains(&member(8)));
    }

    #[test]
    fn a_tally_counts_once_however_often_it_comes() {
        let tally = |node, count, sum| Row::tally(Actor { node, start: 1 }, Tally { count, sum });
        let rows = [tally(0, 2, -3), tally(0, 1, 4), tally(1, 1, 5), tally(0, 2, -3)];
        assert_eq!(merged(&rows).found(), json!({ "counter": 2 }));
    }

    #[test]
    fn a_row_survives_as_text() {
        let mut row = merged(&[Row::cell(Column::Entry(stamp(4)), stamp(4), Item("x".into())), Row::default()]);
        row.merge(&Row::tally(Actor { node: 2, start: 3 }, Tally { count: 1, sum: 1 }));
        let text = serde_json::to_string(&row).expect("writes");
        assert_eq!(serde_json::from_str::<Row>(&text).expect("reads"), row);
    }
}
