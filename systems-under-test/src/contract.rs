//! What a configuration of a system promises.

use std::collections::BTreeMap;

use histories::Guarantee;
use serde::{Deserialize, Serialize};

/// Whether a guarantee is promised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "promised")]
pub enum Promise {
    /// Under every fault that the harness injects.
    Yes,
    /// Not at all; a violation is shown, and is no failure.
    No {
        /// Why not, for the reader of the table.
        because: String,
    },
    /// Only in runs without any of these faults.
    Unless {
        /// Names of faults, of their families, or `hostile`, as in `splitbrain list faults`.
        faults: Vec<String>,
        /// Why they void it.
        because: String,
    },
}

/// The promises of one configuration. What is not listed is not promised.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contract {
    promises: BTreeMap<Guarantee, Promise>,
}

impl Contract {
    /// Nothing is promised.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets one promise; the last word counts.
    pub fn with(mut self, guarantee: Guarantee, promise: Promise) -> Self {
        self.promises.insert(guarantee, promise);
        self
    }

    /// Nothing is promised in a run with this fault.
    pub fn void_under(mut self, fault: &str, reason: &str) -> Self {
        for promise in self.promises.values_mut() {
            *promise = match std::mem::replace(promise, Promise::Yes) {
                Promise::Yes => Promise::Unless { faults: vec![fault.to_owned()], because: reason.to_owned() },
                Promise::Unless { mut faults, because } => {
                    faults.push(fault.to_owned());
                    faults.sort();
                    Promise::Unless { faults, because: format!("{because}; {reason}") }
                }
                no @ Promise::No { .. } => no,
            };
        }
        self
    }

    /// The same without a word on this guarantee, and so without a promise of it.
    pub fn without(mut self, guarantee: Guarantee) -> Self {
        self.promises.remove(&guarantee);
        self
    }

    /// What is said of this guarantee, if anything.
    pub fn get(&self, guarantee: Guarantee) -> Option<&Promise> {
        self.promises.get(&guarantee)
    }

    /// Whether it is promised in a run with these faults.
    pub fn promises(&self, guarantee: Guarantee, faults: &[&str]) -> bool {
        match self.promises.get(&guarantee) {
            None | Some(Promise::No { .. }) => false,
            Some(Promise::Yes) => true,
            Some(Promise::Unless { faults: voiding, .. }) => !voiding.iter().any(|v| faults.contains(&v.as_str())),
        }
    }
}

/// Which nodes are enough for a system to go on while the others are gone for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Core {
    /// How many there must be.
    pub size: usize,
    /// Which of them must be among these, by position: a leader that nobody replaces.
    pub with: Vec<usize>,
}

impl Core {
    /// Any majority.
    pub fn majority(node_count: usize) -> Core {
        Core { size: node_count / 2 + 1, with: Vec::new() }
    }

    /// Why these nodes do not suffice, if they do not.
    pub fn lacks(&self, nodes: &[usize]) -> Option<String> {
        let missing = self.with.iter().find(|node| !nodes.contains(node));
        match missing {
            Some(node) => Some(format!("nothing goes on without n{}", node + 1)),
            None if nodes.len() < self.size => {
                Some(format!("it takes {} nodes to go on, and these are {}", self.size, nodes.len()))
            }
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_says_what_it_lacks() {
        let core = Core { size: 2, with: vec![0] };
        assert_eq!(core.lacks(&[0, 2]), None);
        assert_eq!(core.lacks(&[1, 2]).as_deref(), Some("nothing goes on without n1"));
        assert_eq!(core.lacks(&[0]).as_deref(), Some("it takes 2 nodes to go on, and these are 1"));
        assert_eq!([1, 2, 3, 4, 5].map(|nodes| Core::majority(nodes).size), [1, 2, 2, 3, 3]);
    }

    #[test]
    fn what_voids_everything_leaves_nothing_promised_and_no_is_no() {
        let unless = Promise::Unless { faults: vec!["kill".into()], because: "it forgets".into() };
        let contract = Contract::new()
            .with(Guarantee::Durability, Promise::Yes)
            .with(Guarantee::Recovery, unless)
            .with(Guarantee::Convergence, Promise::No { because: "it is one".into() })
            .void_under("hostile", "no checksum");
        assert!(contract.promises(Guarantee::Durability, &["kill"]));
        assert!(
            contract.promises(Guarantee::Recovery, &["pause"]) && !contract.promises(Guarantee::Recovery, &["kill"])
        );
        for guarantee in [Guarantee::Durability, Guarantee::Recovery, Guarantee::Convergence] {
            assert!(!contract.promises(guarantee, &["hostile"]), "{guarantee}");
        }
    }
}
