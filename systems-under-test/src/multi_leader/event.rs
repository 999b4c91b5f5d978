//! What leaders tell each other: events, each with its origin, its position there, and what it depends on.

use serde::{Deserialize, Serialize};

use crate::parts::json::Item;
use crate::specimen::RequestId;

/// An event's name: the node that it comes from, and its how-manieth it is, from 1. It stays the same however often and by whatever way the
/// event is passed on; that is what makes a second copy recognisable, and ends loops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Dot(pub usize, pub u64);

/// How much of each origin's log somebody has: a version vector (Parker et al., *Detection of Mutual Inconsistency in Distributed
/// Systems*, 1983). Positions that are not there are 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Vector(Vec<u64>);

impl Vector {
    /// How much of this origin.
    pub fn of(&self, origin: usize) -> u64 {
        self.0.get(origin).copied().unwrap_or(0)
    }

    /// Has this much of this origin, if it had less.
    pub fn raise(&mut self, origin: usize, to: u64) {
        if self.0.len() <= origin {
            self.0.resize(origin + 1, 0);
        }
        self.0[origin] = self.0[origin].max(to);
    }

    /// Has this much of this origin, even if it had more.
    pub fn set(&mut self, origin: usize, to: u64) {
        self.raise(origin, to);
        self.0[origin] = to;
    }

    /// Has whatever the other has.
    pub fn join(&mut self, other: &Vector) {
        other.0.iter().enumerate().for_each(|(origin, to)| self.raise(origin, *to));
    }

    /// Whether it has everything that the other has.
    pub fn covers(&self, other: &Vector) -> bool {
        other.0.iter().enumerate().all(|(origin, at)| self.of(origin) >= *at)
    }

    /// Whether it has this event.
    pub fn has(&self, dot: Dot) -> bool {
        self.of(dot.0) >= dot.1
    }

    /// The sum of all positions.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

/// When something was written: by a hybrid clock (Kulkarni et al., *Logical Physical Clocks*, OPODIS 2014), and where. The clock
/// is the wall's as long as that is ahead of everything that was seen; else it counts on from what was seen. So whoever writes after
/// having seen something has the greater stamp, however wrong the clocks are; and the origin makes all stamps different.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Stamp {
    /// Milliseconds since 1970; of a register that counts revisions, the revision.
    pub time: u64,
    /// Counts what falls into one millisecond.
    pub count: u32,
    /// Who wrote it.
    pub origin: usize,
}

/// What an event does to one key: what is written down is what replicas can apply in any order in which causes come first, and come to
/// the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// A register gets a value, in place of these.
    Put {
        /// The register.
        key: Item,
        /// The value.
        value: Item,
        /// What decides between it and others, where something must.
        stamp: Stamp,
        /// The versions that its author had seen.
        replaces: Vec<Dot>,
    },
    /// A list gets one more element.
    Append {
        /// The list.
        key: Item,
        /// The element.
        value: Item,
    },
    /// A list becomes this one, in place of these.
    Whole {
        /// The list.
        key: Item,
        /// All of its elements.
        items: Vec<Item>,
        /// The branches that it continues.
        replaces: Vec<Dot>,
    },
    /// A set gets an element.
    Add {
        /// The set.
        key: Item,
        /// The element.
        value: Item,
    },
    /// A set loses an element, as far as its author had seen it being added.
    Remove {
        /// The set.
        key: Item,
        /// The element.
        value: Item,
        /// The additions that are undone.
        adds: Vec<Dot>,
    },
    /// A counter changes by this much.
    Increment {
        /// The counter.
        key: Item,
        /// How much.
        by: i64,
    },
    /// A counter becomes this much: only where a planted bug ships it so.
    Total {
        /// The counter.
        key: Item,
        /// How much it is.
        sum: i64,
    },
}

impl Effect {
    /// Of which key.
    pub fn key(&self) -> &Item {
        match self {
            Effect::Put { key, .. }
            | Effect::Append { key, .. }
            | Effect::Whole { key, .. }
            | Effect::Add { key, .. }
            | Effect::Remove { key, .. }
            | Effect::Increment { key, .. }
            | Effect::Total { key, .. } => key,
        }
    }
}

/// One update, as it stands in its origin's log and travels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its name.
    pub dot: Dot,
    /// Everything that its origin had when it made it: its causes, and more.
    pub after: Vector,
    /// When.
    pub stamp: Stamp,
    /// What it does, in this order, as one.
    pub effects: Vec<Effect>,
    /// Whose request it was: its origin recognises it when it is asked again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestId>,
    /// What all leaders agreed to, where conflicts are detected before they happen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreed: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_of_different_lengths_compare() {
        let mut a = Vector::default();
        let mut b = Vector::default();
        assert!(a.covers(&b));
        b.raise(2, 5);
        assert!(b.covers(&a) && !a.covers(&b));
        a.raise(0, 1);
        assert!(!b.covers(&a) && !a.covers(&b), "neither knows the other: concurrent");
        a.join(&b);
        assert!(a.covers(&b) && a.has(Dot(2, 5)) && !a.has(Dot(2, 6)));
        assert_eq!(a.total(), 6);
    }
}
