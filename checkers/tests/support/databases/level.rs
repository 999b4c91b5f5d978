//! The levels that are simulated, strongest first.

use std::str::FromStr;

/// What a database guarantees; the table in the [parent](super) says how, and what goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// One after the other, at a point between invocation and completion.
    StrictSerializable,
    /// One after the other; readers see old states, but none older than their session has seen.
    StrongSessionSerializable,
    /// One after the other; readers see old states.
    Serializable,
    /// Snapshots of the newest state; the first committer wins.
    StrongSnapshotIsolation,
    /// Snapshots of a state as new as what the session has seen.
    StrongSessionSnapshotIsolation,
    /// Snapshots of any recent state.
    SnapshotIsolation,
    /// Snapshots of replicas with causal delivery; the first committer of a key wins everywhere.
    ParallelSnapshotIsolation,
    /// Snapshots of any recent state; everybody commits.
    Prefix,
    /// Snapshots of replicas with causal delivery; everybody commits.
    Causal,
    /// All or nothing of each other transaction.
    ReadAtomic,
    /// At each step what is committed.
    ReadCommitted,
    /// At each step what is there.
    ReadUncommitted,
    /// Single writes, as they arrive.
    Eventual,
}

impl Level {
    /// All of them.
    pub const ALL: [Level; 13] = [
        Level::StrictSerializable,
        Level::StrongSessionSerializable,
        Level::Serializable,
        Level::StrongSnapshotIsolation,
        Level::StrongSessionSnapshotIsolation,
        Level::SnapshotIsolation,
        Level::ParallelSnapshotIsolation,
        Level::Prefix,
        Level::Causal,
        Level::ReadAtomic,
        Level::ReadCommitted,
        Level::ReadUncommitted,
        Level::Eventual,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Level::StrictSerializable => "strict-serializable",
            Level::StrongSessionSerializable => "strong-session-serializable",
            Level::Serializable => "serializable",
            Level::StrongSnapshotIsolation => "strong-snapshot-isolation",
            Level::StrongSessionSnapshotIsolation => "strong-session-snapshot-isolation",
            Level::SnapshotIsolation => "snapshot-isolation",
            Level::ParallelSnapshotIsolation => "parallel-snapshot-isolation",
            Level::Prefix => "prefix",
            Level::Causal => "causal",
            Level::ReadAtomic => "read-atomic",
            Level::ReadCommitted => "read-committed",
            Level::ReadUncommitted => "read-uncommitted",
            Level::Eventual => "eventual",
        }
    }

    /// Whether its clients talk to replicas that differ.
    pub fn is_replicated(self) -> bool {
        matches!(self, Level::ParallelSnapshotIsolation | Level::Causal | Level::Eventual)
    }
}

impl FromStr for Level {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Level::ALL.into_iter().find(|level| level.name() == s).ok_or_else(|| format!("no level is named '{s}'"))
    }
}
