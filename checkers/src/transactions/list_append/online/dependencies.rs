//! The dependencies that a guarantee does not let run in a circle.
//!
//! Snapshot isolation allows cycles with two anti-dependencies in a row and no others. There each transaction is two
//! nodes: one that is come to by an anti-dependency, from which no other one leads on, and one for everything else.
//!
//! ```text
//!      T ──ww, wr──▶ U            T ──▶ U   T' ──▶ U
//!      T ────rw────▶ U            T ──▶ U'
//! ```
//! A closed walk through these nodes may pass a transaction twice. Cut there, one of its pieces is a cycle that is
//! prohibited: see [`crate::graphs`].

use histories::Guarantee;

use crate::graphs::{Moment, OnlineCycles, Relations};

/// See the [module](self). Transactions and meeting points have numbers.
pub(super) struct Dependencies {
    cycles: OnlineCycles,
    /// Whether each transaction is two nodes, the second of which is the next one.
    twofold: bool,
    /// Whether anti-dependencies count.
    anti: bool,
    cycle: bool,
}

impl Dependencies {
    /// Those of a guarantee of transactions.
    pub(super) fn new(guarantee: Guarantee) -> Option<Dependencies> {
        let reads = Relations::WW.or(Relations::WR);
        let all = reads.or(Relations::RW);
        let watched = match guarantee {
            Guarantee::ReadCommitted => reads,
            Guarantee::SnapshotIsolation | Guarantee::Serializable => all,
            Guarantee::StrictSerializable => all.or(Relations::REALTIME),
            _ => return None,
        };
        Some(Dependencies {
            cycles: OnlineCycles::new(watched),
            twofold: guarantee == Guarantee::SnapshotIsolation,
            anti: watched.meets(Relations::RW),
            cycle: false,
        })
    }

    /// Whether anti-dependencies count.
    pub(super) fn counts_anti(&self) -> bool {
        self.anti
    }

    /// Whether some dependencies run in a circle.
    pub(super) fn has_cycle(&self) -> bool {
        self.cycle
    }

    /// To be asked when a transaction is invoked.
    pub(super) fn now(&self) -> Moment {
        self.cycles.now()
    }

    /// Adds a transaction that was invoked then and that is known to have happened.
    pub(super) fn add(&mut self, invoked: Moment) -> u32 {
        let node = self.cycles.add(invoked, u32::MAX, false);
        if self.twofold {
            self.cycles.add(invoked, u32::MAX, false);
        }
        node
    }

    /// A transaction was acknowledged.
    pub(super) fn end(&mut self, node: u32) {
        self.cycles.end(node);
    }

    /// Adds a meeting point of readers and writers.
    pub(super) fn add_join(&mut self) -> u32 {
        self.cycles.add_join()
    }

    /// A transaction was read by another one, or its version stands before the other's.
    pub(super) fn precede(&mut self, from: u32, to: u32) {
        if from == to {
            return;
        }
        self.relate(from, to, Relations::WR);
        if self.twofold {
            self.relate(from + 1, to, Relations::WR);
        }
    }

    /// A transaction, or all that came to a meeting point, did not see what another one wrote.
    pub(super) fn miss(&mut self, from: u32, to: u32) {
        if from != to {
            self.relate(from, to + u32::from(self.twofold), Relations::RW);
        }
    }

    /// A transaction comes to a meeting point.
    pub(super) fn meet(&mut self, node: u32, join: u32) {
        self.relate(node, join, Relations::RW);
    }

    fn relate(&mut self, from: u32, to: u32, relation: Relations) {
        self.cycle |= self.cycles.relate(from, to, relation).is_some();
    }
}
