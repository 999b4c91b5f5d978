//! The names of the promises that systems make and checkers observe.

use std::fmt;
use std::str::FromStr;

/// One promise about a replicated store. Contracts list what is promised, checkers what was observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Guarantee {
    /// What was acknowledged is not lost.
    Durability,
    /// A session sees its own acknowledged writes.
    ReadYourWrites,
    /// A session never sees time move backwards.
    MonotonicReads,
    /// The writes of a session take effect in the order of the session, everywhere.
    MonotonicWrites,
    /// A write that follows a read is ordered after the write that was read.
    WritesFollowReads,
    /// Every read sees a prefix of the order of writes: never an answer without its question.
    ConsistentPrefix,
    /// Once writes stop and faults are healed, all replicas hold the same state.
    Convergence,
    /// A counter's value is explained by the increments that were acknowledged or may have happened.
    CounterBounds,
    /// After healing the store takes operations again, within a bound.
    Recovery,
    /// A core of healthy nodes that suffices goes on while the others stay broken, within a bound.
    Liveness,
    /// Each session's view follows the order of every other session's writes.
    Pram,
    /// Whoever has seen an effect has seen its causes.
    Causal,
    /// Every operation on one object takes effect at one point between its invocation and its completion.
    Linearizable,
    /// Transactions read what was committed, and only final versions of it.
    ReadCommitted,
    /// Transactions read from a snapshot, and two that write the same object do not overlap.
    SnapshotIsolation,
    /// Transactions take effect as if one after the other.
    Serializable,
    /// As serializable, in an order that agrees with real time.
    StrictSerializable,
}

impl Guarantee {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Guarantee; 17] = [
        Guarantee::Durability,
        Guarantee::ReadYourWrites,
        Guarantee::MonotonicReads,
        Guarantee::MonotonicWrites,
        Guarantee::WritesFollowReads,
        Guarantee::ConsistentPrefix,
        Guarantee::Convergence,
        Guarantee::CounterBounds,
        Guarantee::Recovery,
        Guarantee::Liveness,
        Guarantee::Pram,
        Guarantee::Causal,
        Guarantee::Linearizable,
        Guarantee::ReadCommitted,
        Guarantee::SnapshotIsolation,
        Guarantee::Serializable,
        Guarantee::StrictSerializable,
    ];

    /// Those that are observed event by event, while the history grows. The others are judged at its end.
    pub const FOLDS: [Guarantee; 10] = [
        Guarantee::Durability,
        Guarantee::ReadYourWrites,
        Guarantee::MonotonicReads,
        Guarantee::MonotonicWrites,
        Guarantee::WritesFollowReads,
        Guarantee::ConsistentPrefix,
        Guarantee::Convergence,
        Guarantee::CounterBounds,
        Guarantee::Recovery,
        Guarantee::Liveness,
    ];

    /// The name in flags and files, such as `read-your-writes`.
    pub fn name(self) -> &'static str {
        match self {
            Guarantee::Durability => "durability",
            Guarantee::ReadYourWrites => "read-your-writes",
            Guarantee::MonotonicReads => "monotonic-reads",
            Guarantee::MonotonicWrites => "monotonic-writes",
            Guarantee::WritesFollowReads => "writes-follow-reads",
            Guarantee::ConsistentPrefix => "consistent-prefix",
            Guarantee::Convergence => "convergence",
            Guarantee::CounterBounds => "counter-bounds",
            Guarantee::Recovery => "recovery",
            Guarantee::Liveness => "liveness",
            Guarantee::Pram => "pram",
            Guarantee::Causal => "causal",
            Guarantee::Linearizable => "linearizable",
            Guarantee::ReadCommitted => "read-committed",
            Guarantee::SnapshotIsolation => "snapshot-isolation",
            Guarantee::Serializable => "serializable",
            Guarantee::StrictSerializable => "strict-serializable",
        }
    }

    /// The name in tables, such as `read your writes`.
    pub fn title(self) -> String {
        self.name().replace('-', " ")
    }
}

impl fmt::Display for Guarantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No guarantee has this name.
#[derive(Debug, thiserror::Error)]
#[error("no guarantee is named '{0}'")]
pub struct UnknownGuarantee(pub String);

impl FromStr for Guarantee {
    type Err = UnknownGuarantee;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let name = s.trim().replace([' ', '_'], "-").to_ascii_lowercase();
        Guarantee::ALL.into_iter().find(|g| g.name() == name).ok_or_else(|| UnknownGuarantee(s.to_owned()))
    }
}

impl serde::Serialize for Guarantee {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> serde::Deserialize<'de> for Guarantee {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        name.parse().map_err(serde::de::Error::custom)
    }
}
