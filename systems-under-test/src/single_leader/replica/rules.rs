//! The arithmetic of promises: how many copies an acknowledged write has, and how many votes a leader needs so that
//! one of them has seen it.

use serde::{Deserialize, Serialize};

use crate::single_leader::bugs::Bug;
use crate::specimen::Planted;

/// When a write is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Replication {
    /// When it is on the leader's disk.
    Async,
    /// When it is on every node's disk.
    Sync,
    /// When it is on the leader's disk and on that of the one synchronous follower.
    SemiSync,
}

/// Who becomes leader when the leader is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Failover {
    /// A follower that hears nothing from it stands for election.
    Automatic,
    /// Whom an operator promotes. The leader itself stands again after a restart.
    Manual,
    /// Nobody: the first node leads, always.
    None,
}

/// What a leader does when no follower acknowledges any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Alone {
    /// It acknowledges nothing.
    Block,
    /// It goes on without them.
    Degrade,
}

/// The rules of one configuration. Times are microseconds.
#[derive(Clone, Debug)]
pub struct Rules {
    /// When a write is acknowledged.
    pub replication: Replication,
    /// Who becomes leader when the leader is gone.
    pub failover: Failover,
    /// What a leader does when no follower acknowledges any more.
    pub alone: Alone,
    /// How long a leader may be silent before others stand; each waits this long and up to as long again.
    pub failover_timeout_us: u64,
    /// How often a leader says that it is there.
    pub heartbeat_us: u64,
    /// How long a follower that is waited for may owe an acknowledgement.
    pub sync_timeout_us: u64,
    /// How many entries behind the last snapshot are kept.
    pub retention: u64,
    /// What is wrong on purpose.
    pub planted: Planted<Bug>,
}

impl Rules {
    /// W: how many nodes hold an acknowledged write.
    pub fn copies(&self, nodes: usize) -> usize {
        match self.replication {
            Replication::Async => 1,
            Replication::SemiSync => nodes.min(2),
            Replication::Sync => nodes,
        }
    }

    /// V: how many votes make a leader: a majority, so that an epoch has one leader, and at least N − W + 1, so that
    /// every set of voters meets every set of copies. Asynchronous replication gives the second up: with W = 1 it
    /// would need every node, and so could never replace a dead leader.
    pub fn votes_needed(&self, nodes: usize) -> usize {
        let majority = nodes / 2 + 1;
        match self.replication {
            Replication::Async => majority,
            _ => majority.max(nodes + 1 - self.copies(nodes)),
        }
    }

    /// Whether an acknowledged write can be lost by choosing a new leader.
    pub fn may_lose(&self, nodes: usize) -> bool {
        let meet = self.votes_needed(nodes) + self.copies(nodes) > nodes;
        self.failover != Failover::None && (!meet || self.alone == Alone::Degrade)
    }
}

/// Up to which position everything is committed, as far as the copies go. `durable` is what the leader's own disk
/// holds, `acked` what each follower that counts has acknowledged; for semi-synchronous replication that is the one
/// synchronous follower.
pub fn committed(durable: u64, acked: impl IntoIterator<Item = u64>) -> u64 {
    acked.into_iter().fold(durable, u64::min)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(replication: Replication) -> Rules {
        Rules {
            replication,
            failover: Failover::Automatic,
            alone: Alone::Block,
            failover_timeout_us: 500_000,
            heartbeat_us: 100_000,
            sync_timeout_us: 300_000,
            retention: 1000,
            planted: Planted::default(),
        }
    }

    #[test]
    fn voters_meet_copies_exactly_where_that_is_promised() {
        for nodes in 1..=9 {
            for replication in [Replication::Async, Replication::SemiSync, Replication::Sync] {
                let rules = rules(replication);
                let (w, v) = (rules.copies(nodes), rules.votes_needed(nodes));
                assert!(v <= nodes && 2 * v > nodes, "two sets of voters always meet");
                assert_eq!(rules.may_lose(nodes), w + v <= nodes);
                if replication != Replication::Async {
                    assert!(!rules.may_lose(nodes));
                }
            }
        }
        assert!(rules(Replication::Async).may_lose(3));
        assert_eq!(rules(Replication::SemiSync).votes_needed(5), 4);
        assert_eq!(rules(Replication::SemiSync).votes_needed(3), 2);
        assert_eq!(rules(Replication::Sync).votes_needed(5), 3);
    }
}
