//! Invariants of well-known workloads: bank totals, sets, counters, long forks, unique identifiers.
//!
//! They are what Jepsen's tests ask of the systems that have no transactions to speak of, or of those that have them and
//! are asked one question only. Each is one pass over the history, or one and a sort: what they cannot decide in that
//! time, they leave to the searches of [`crate::linearizability`] and [`crate::transactions`], and say so in their
//! essays. What they find is certain.
//!
//! - [`bank`]: transfers between accounts leave the sum of all balances as it was.
//! - [`set`]: an element that was added stays.
//! - [`counter`]: a counter shows what was added to it.
//! - [`long_fork`]: everybody sees independent writes in the same order.
//! - [`unique_ids`]: no identifier is given out twice.

pub mod bank;
pub mod counter;
pub mod long_fork;
pub mod set;
pub mod unique_ids;

use histories::{History, KeyId, Scalar};

use crate::analysis::Found;
use crate::budget::Exhausted;
use crate::finding::{Relation, RelationKind};

fn relation(from: u32, to: u32, kind: RelationKind, reason: impl Into<String>) -> Relation {
    Relation { from, to, kind, reason: reason.into() }
}

/// The name of a key, where there is one.
fn name(history: &History, key: KeyId) -> Option<String> {
    Some(history.key_name(key)).filter(|name| **name != Scalar::Null).map(Scalar::to_string)
}

/// `found` with the reason why not everything was looked at.
fn stopped(mut found: Found, why: Exhausted) -> Found {
    found.doubts.push(format!("Not every operation was looked at: {why}."));
    found
}

/// Adds one doubt about `count` operations, of which `first` is one.
fn doubt(found: &mut Found, count: u64, first: Option<u32>, what: &str) {
    if let Some(first) = first {
        let operations = if count == 1 { "operation" } else { "operations" };
        found.doubts.push(format!("{count} {operations}, the first of them #{first}, {what}."));
    }
}

/// Operations of one sort: how many, and the first of them.
#[derive(Default)]
struct Odd {
    count: u64,
    first: Option<u32>,
}

impl Odd {
    fn note(&mut self, invocation: u32) {
        self.count += 1;
        self.first.get_or_insert(invocation);
    }

    fn join(&mut self, other: &Odd) {
        self.count += other.count;
        self.first = self.first.into_iter().chain(other.first).min();
    }

    fn doubt(&self, found: &mut Found, what: &str) {
        doubt(found, self.count, self.first, what);
    }
}
