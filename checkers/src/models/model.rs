//! The names of all consistency models.

use std::fmt;
use std::str::FromStr;

macro_rules! models {
    ($($variant:ident = $name:literal $(| $alias:literal)*,)*) => {
        /// A consistency model: a set of allowed histories. The name is the friendly one of Elle, where Elle has it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[allow(missing_docs, reason = "the table of models says what each of them means")]
        pub enum Model {
            $($variant,)*
        }

        impl Model {
            /// All of them.
            pub const ALL: &'static [Model] = &[$(Model::$variant,)*];

            /// The name in flags and files, such as `snapshot-isolation`.
            pub fn name(self) -> &'static str {
                match self {
                    $(Model::$variant => $name,)*
                }
            }

            /// Its other names, such as `PL-SI`.
            pub fn aliases(self) -> &'static [&'static str] {
                match self {
                    $(Model::$variant => &[$($alias),*],)*
                }
            }
        }
    };
}

models! {
    // Elle's 36.
    ReadUncommitted = "read-uncommitted" | "PL-1",
    ReadCommitted = "read-committed" | "PL-2",
    ConsistentView = "consistent-view" | "PL-2+",
    RepeatableRead = "repeatable-read" | "PL-2.99",
    MonotonicView = "monotonic-view" | "PL-2L",
    Serializable = "serializable" | "PL-3" | "conflict-serializable",
    UpdateSerializable = "update-serializable" | "PL-3U",
    CursorStability = "cursor-stability" | "PL-CS",
    ForwardConsistentView = "forward-consistent-view" | "PL-FCV",
    MonotonicSnapshotRead = "monotonic-snapshot-read" | "PL-MSR",
    SnapshotIsolation = "snapshot-isolation" | "PL-SI",
    StrongSerializable = "strong-serializable" | "PL-SS" | "strict-serializable",
    OneCopySerializable = "1SR" | "one-copy-serializable",
    Pram = "PRAM" | "pipelined-ram",
    Causal = "causal" | "causal-consistency" | "CC",
    CausalCerone = "causal-cerone",
    Linearizable = "linearizable" | "linearizability",
    MonotonicAtomicView = "monotonic-atomic-view",
    MonotonicReads = "monotonic-reads",
    MonotonicWrites = "monotonic-writes",
    ParallelSnapshotIsolation = "parallel-snapshot-isolation",
    Prefix = "prefix",
    ReadAtomic = "read-atomic",
    ReadYourWrites = "read-your-writes",
    Sequential = "sequential" | "sequential-consistency",
    SessionSerializable = "session-serializable",
    StrongReadUncommitted = "strong-read-uncommitted" | "strong-PL-1",
    StrongReadCommitted = "strong-read-committed" | "strong-PL-2",
    StrongSessionReadUncommitted = "strong-session-read-uncommitted" | "strong-session-PL-1",
    StrongSessionReadCommitted = "strong-session-read-committed" | "strong-session-PL-2",
    StrongSessionSerializable = "strong-session-serializable",
    StrongSessionSnapshotIsolation = "strong-session-snapshot-isolation",
    StrongSnapshotIsolation = "strong-snapshot-isolation",
    UpdateAtomic = "update-atomic",
    ViewSerializable = "view-serializable",
    WritesFollowReads = "writes-follow-reads",
    // What the replication chapter needs besides.
    CausalMemory = "causal-memory" | "CM",
    CausalConvergence = "causal-convergence" | "CCv",
    ConsistentPrefix = "consistent-prefix",
    TransactionalCausal = "transactional-causal",
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No model has this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownModel(pub String);

impl fmt::Display for UnknownModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no consistency model is named '{}'", self.0)
    }
}

impl std::error::Error for UnknownModel {}

impl FromStr for Model {
    type Err = UnknownModel;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let wanted = s.trim().trim_start_matches(':').replace([' ', '_'], "-");
        let same = |name: &str| name.eq_ignore_ascii_case(&wanted);
        let named = |m: &&Model| same(m.name()) || m.aliases().iter().any(|a| same(a));
        Model::ALL.iter().find(named).copied().ok_or_else(|| UnknownModel(s.to_owned()))
    }
}
