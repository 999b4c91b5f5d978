//! Siblings: what was written concurrently is kept side by side until somebody who has seen it replaces it.
//!
//! Each update gets a **dot**: the actor that coordinated it, and its number among that actor's updates of the key. A replica
//! knows which dots it has ever *seen*, and which of them it still *holds*, with their values. Seen and not held means: replaced. This is
//! the difference that a plain version vector cannot make for a value in flight, and why the vectors are *dotted* (Preguiça, Baquero,
//! Almeida, Fonte, Gonçalves: *Dotted Version Vectors*, 2010; as a set, Bieniusa et al.: *An Optimized Conflict-free Replicated
//! Set*, 2012).
//!
//! ```text
//!   two clients add to an empty cart at once
//!   n1: a₁ = milk      seen {a₁}        holds a₁
//!   n2: b₁ = flour     seen {b₁}        holds b₁           n1 has never seen b₁, so b₁ is no garbage: both are kept
//!   merged             seen {a₁ b₁}     holds a₁ b₁
//!   remove milk: whoever asks has read a₁ and replaces it by nothing
//!                      seen {a₁}        holds nothing
//!   merged             seen {a₁ b₁}     holds b₁           no tombstone is needed, and an add that was not seen stays
//! ```
//!
//! What is seen is a version vector (everything of an actor up to a number) and the dots beyond it: updates arrive in any order,
//! and a hole must not be taken for something that was seen.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::pairs;
use super::row::Column;
use super::stamps::Actor;
use crate::parts::json::Item;

/// The name of one update of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Dot {
    /// Who coordinated it.
    pub actor: Actor,
    /// Which of its updates of this key, from 1.
    pub number: u64,
}

/// A set of dots.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Of each actor everything up to here.
    #[serde(with = "pairs")]
    upto: BTreeMap<Actor, u64>,
    /// And these.
    beyond: BTreeSet<Dot>,
}

impl Seen {
    /// Whether it has this one.
    pub fn has(&self, dot: Dot) -> bool {
        self.upto.get(&dot.actor).is_some_and(|upto| dot.number <= *upto) || self.beyond.contains(&dot)
    }

    /// Puts one in.
    pub fn insert(&mut self, dot: Dot) {
        self.beyond.insert(dot);
        self.close();
    }

    /// Everything of this actor up to this number.
    pub fn vector(dot: Dot) -> Seen {
        Seen { upto: BTreeMap::from([(dot.actor, dot.number)]), beyond: BTreeSet::new() }
    }

    fn merge(&mut self, other: &Seen) {
        for (actor, number) in &other.upto {
            let upto = self.upto.entry(*actor).or_default();
            *upto = (*upto).max(*number);
        }
        self.beyond.extend(&other.beyond);
        self.close();
    }

    /// What has come to stand without a hole belongs to the vector.
    fn close(&mut self) {
        let Seen { upto, beyond } = self;
        beyond.retain(|dot| {
            let last = upto.get(&dot.actor).copied().unwrap_or(0);
            if dot.number == last + 1 {
                upto.insert(dot.actor, dot.number);
            }
            dot.number > last + 1
        });
    }
}

/// What one dot wrote: a register's value, or an element of the set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Written {
    /// What was written to.
    pub column: Column,
    /// The value.
    pub value: Item,
}

/// See the [module](self).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Siblings {
    /// Every dot that ever was here.
    pub seen: Seen,
    /// Those that nobody has replaced.
    #[serde(with = "pairs")]
    pub held: BTreeMap<Dot, Written>,
}

impl Siblings {
    /// Whether nothing was ever here.
    pub fn is_empty(&self) -> bool {
        *self == Siblings::default()
    }

    /// Takes in what another replica has, or one update.
    pub fn merge(&mut self, other: &Siblings) {
        self.held.retain(|dot, _| other.held.contains_key(dot) || !other.seen.has(*dot));
        for (dot, written) in &other.held {
            if !self.seen.has(*dot) {
                self.held.insert(*dot, written.clone());
            }
        }
        self.seen.merge(&other.seen);
    }

    /// The dots that hold a column.
    pub fn dots(&self, column: &Column) -> impl Iterator<Item = Dot> {
        self.held.iter().filter(move |(_, written)| written.column == *column).map(|(dot, _)| *dot)
    }

    /// An update that replaces these dots by nothing.
    pub fn without(dots: impl Iterator<Item = Dot>) -> Siblings {
        let mut siblings = Siblings::default();
        dots.for_each(|dot| siblings.seen.insert(dot));
        siblings
    }

    /// The same, and one value in their place.
    pub fn with(mut self, dot: Dot, written: Written) -> Siblings {
        self.seen.insert(dot);
        self.held.insert(dot, written);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dot(node: usize, number: u64) -> Dot {
        Dot { actor: Actor { node, start: 1 }, number }
    }

    fn add(dot: Dot) -> Siblings {
        let item = Item((dot.number as i64).into());
        Siblings::default().with(dot, Written { column: Column::Member(item.clone()), value: item })
    }

    fn merged(parts: &[&Siblings]) -> Siblings {
        let mut all = Siblings::default();
        parts.iter().for_each(|part| all.merge(part));
        all
    }

    #[test]
    fn merging_knows_no_order_and_no_repetition() {
        let (a1, a2, b1) = (add(dot(0, 1)), add(dot(0, 2)), add(dot(1, 1)));
        let gone = Siblings::without([dot(0, 1)].into_iter());
        let all = merged(&[&a1, &a2, &b1, &gone]);
        assert_eq!(all.held.keys().copied().collect::<Vec<_>>(), [dot(0, 2), dot(1, 1)]);
        for order in [[&gone, &b1, &a2, &a1], [&a2, &a1, &gone, &b1], [&b1, &gone, &a1, &a2]] {
            assert_eq!(merged(&order), all);
            assert_eq!(merged(&[&merged(&order), &all, &a1]), all);
        }
    }

    #[test]
    fn a_hole_is_nothing_that_was_seen() {
        let late = merged(&[&add(dot(0, 3)), &add(dot(0, 1))]);
        assert!(!late.seen.has(dot(0, 2)));
        assert_eq!(merged(&[&late, &add(dot(0, 2))]).held.len(), 3);
        assert!(merged(&[&late, &add(dot(0, 2))]).seen.beyond.is_empty(), "it is a vector now");
    }

    #[test]
    fn who_has_not_seen_an_element_does_not_remove_it() {
        let gone = Siblings::without([dot(0, 1)].into_iter());
        let again = add(dot(1, 1));
        assert_eq!(merged(&[&add(dot(0, 1)), &gone, &again]).held.len(), 1);
    }
}
