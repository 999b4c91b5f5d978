//! Who votes, and how many of them are enough.
//!
//! Two majorities of one set of members overlap; a majority of the old members and one of the new need not, and nobody can switch all
//! nodes at one moment. So a change goes through **joint consensus** (Ongaro and Ousterhout 2014, section 6): first an entry that says
//! "old *and* new", under which everything takes a majority of each; when that is committed, one that says "new".
//!
//! ```text
//!   members {1 2 3}     {1 2 3} and {1 2 3 4 5}          {1 2 3 4 5}
//!  ───────────────────┬────────────────────────────────┬──────────────────▶ log
//!                     └ from here 2 of 3 and 3 of 5    └ from here 3 of 5
//! ```
//!
//! A node goes by the last such entry in its log, committed or not. Nodes that are no members get the log all the same, so they are up to
//! date when they join; they do not vote, do not stand, and nobody counts them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// See the [module](self).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Members {
    /// The members, by position.
    pub old: BTreeSet<usize>,
    /// Those that are about to take their place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<BTreeSet<usize>>,
}

impl Members {
    /// The first so many nodes.
    pub fn first(count: usize) -> Members {
        Members { old: (0..count).collect(), new: None }
    }

    /// Whether a change is under way.
    pub fn is_joint(&self) -> bool {
        self.new.is_some()
    }

    /// Whether this node votes.
    pub fn contains(&self, node: usize) -> bool {
        self.sets().any(|set| set.contains(&node))
    }

    /// Whether these nodes are enough: a majority of each set.
    pub fn suffice(&self, is_in: impl Fn(usize) -> bool) -> bool {
        self.reached(|node| u64::from(is_in(node))) == 1
    }

    /// The greatest number that a majority of each set has reached.
    pub fn reached(&self, of: impl Fn(usize) -> u64) -> u64 {
        let median = |set: &BTreeSet<usize>| {
            let mut reached: Vec<u64> = set.iter().map(|node| of(*node)).collect();
            reached.sort_unstable();
            reached.get(reached.len().wrapping_sub(1) / 2).copied().unwrap_or(0)
        };
        self.sets().map(median).min().unwrap_or(0)
    }

    /// The joint members of a change that adds or removes one node; why not, otherwise.
    pub fn change(&self, node: usize, join: bool) -> Result<Members, String> {
        let mut new = self.old.clone();
        let changed = if join { new.insert(node) } else { new.remove(&node) };
        match (self.is_joint(), changed, new.is_empty()) {
            (true, ..) => Err("another change is under way".to_owned()),
            (_, false, _) => Err(format!("it is {} member", if join { "already a" } else { "no" })),
            (.., true) => Err("nobody would be left".to_owned()),
            _ => Ok(Members { old: self.old.clone(), new: Some(new) }),
        }
    }

    /// What follows when the joint entry is committed.
    pub fn settled(&self) -> Option<Members> {
        self.new.clone().map(|new| Members { old: new, new: None })
    }

    fn sets(&self) -> impl Iterator<Item = &BTreeSet<usize>> {
        std::iter::once(&self.old).chain(&self.new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_majority_of_each_set_is_enough_and_nothing_less() {
        let members = Members { old: [0, 1, 2].into(), new: Some([2, 3, 4, 5, 6].into()) };
        assert!(members.suffice(|node| [0, 2, 3, 4].contains(&node)));
        assert!(!members.suffice(|node| [2, 3, 4, 5, 6].contains(&node)), "one of the old three");
        assert!(!members.suffice(|node| [0, 1, 2, 3].contains(&node)), "two of the new five");
    }

    #[test]
    fn what_a_majority_has_reached_is_the_median() {
        let reached = [7, 3, 9, 1];
        assert_eq!(Members::first(3).reached(|node| reached[node]), 7);
        assert_eq!(Members::first(4).reached(|node| reached[node]), 3, "three of four");
        assert_eq!(Members::first(1).reached(|node| reached[node]), 7);
    }

    #[test]
    fn changes_come_one_at_a_time() {
        let joint = Members::first(3).change(3, true).expect("joins");
        assert!(joint.change(1, false).is_err());
        assert_eq!(joint.settled(), Some(Members::first(4)));
        assert!(Members::first(3).change(1, true).is_err() && Members::first(3).change(4, false).is_err());
        assert!(Members::first(1).change(0, false).is_err());
    }
}
