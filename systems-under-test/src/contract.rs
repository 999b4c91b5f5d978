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
        /// Names of faults, as in `splitbrain list faults`.
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
