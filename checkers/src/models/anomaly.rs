//! The names of all anomalies.

use std::fmt;
use std::str::FromStr;

macro_rules! anomalies {
    ($($variant:ident = $name:literal,)*) => {
        /// One kind of contradiction between a history and a consistency model, spelled as Elle prints it where Elle
        /// has it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[allow(missing_docs, reason = "the table of anomalies says what each of them means")]
        pub enum AnomalyType {
            $($variant,)*
        }

        impl AnomalyType {
            /// All of them.
            pub const ALL: &'static [AnomalyType] = &[$(AnomalyType::$variant,)*];

            /// The name in flags and files, such as `G-single-item`.
            pub fn name(self) -> &'static str {
                match self {
                    $(AnomalyType::$variant => $name,)*
                }
            }
        }
    };
}

anomalies! {
    // Cycles (Adya 1999; Elle 2020).
    G0 = "G0",
    G0Process = "G0-process",
    G0Realtime = "G0-realtime",
    G1 = "G1",
    G1Process = "G1-process",
    G1Realtime = "G1-realtime",
    G1a = "G1a",
    G1b = "G1b",
    G1c = "G1c",
    G1cProcess = "G1c-process",
    G1cRealtime = "G1c-realtime",
    GSingle = "G-single",
    GSingleProcess = "G-single-process",
    GSingleRealtime = "G-single-realtime",
    GSingleItem = "G-single-item",
    GSingleItemProcess = "G-single-item-process",
    GSingleItemRealtime = "G-single-item-realtime",
    GNonadjacent = "G-nonadjacent",
    GNonadjacentProcess = "G-nonadjacent-process",
    GNonadjacentRealtime = "G-nonadjacent-realtime",
    GNonadjacentItem = "G-nonadjacent-item",
    GNonadjacentItemProcess = "G-nonadjacent-item-process",
    GNonadjacentItemRealtime = "G-nonadjacent-item-realtime",
    G2Item = "G2-item",
    G2ItemProcess = "G2-item-process",
    G2ItemRealtime = "G2-item-realtime",
    G2 = "G2",
    G2Process = "G2-process",
    G2Realtime = "G2-realtime",
    GCursor = "G-cursor",
    GMonotonic = "G-monotonic",
    GMsr = "G-MSR",
    GSi = "G-SI",
    GSiB = "G-SIb",
    GUpdate = "G-update",
    // Within transactions and between versions (Elle).
    Internal = "internal",
    FutureRead = "future-read",
    DirtyUpdate = "dirty-update",
    LostUpdate = "lost-update",
    WriteSkew = "write-skew",
    DuplicateElements = "duplicate-elements",
    IncompatibleOrder = "incompatible-order",
    CyclicVersions = "cyclic-versions",
    PredicateReadMiss = "predicate-read-miss",
    // What Elle stops at or passes over.
    GarbageRead = "garbage-read",
    LostAppend = "lost-append",
    LongFork = "long-fork",
    // Single objects.
    Nonlinearizable = "nonlinearizable",
    Nonsequential = "nonsequential",
    // Causal consistency (Bouajjani et al. 2017).
    CyclicCo = "CyclicCO",
    ThinAirRead = "ThinAirRead",
    WriteCoInitRead = "WriteCOInitRead",
    WriteCoRead = "WriteCORead",
    CyclicCf = "CyclicCF",
    WriteHbInitRead = "WriteHBInitRead",
    CyclicHb = "CyclicHB",
    // Sessions and the weaker transactional levels.
    NonMonotonicRead = "non-monotonic-read",
    NotReadYourWrites = "not-read-your-writes",
    NonMonotonicWrites = "non-monotonic-writes",
    NotWritesFollowReads = "not-writes-follow-reads",
    Nonpram = "not-PRAM",
    NotPrefix = "not-prefix",
    NotPrefixProcess = "not-prefix-process",
    GMonotonicProcess = "G-monotonic-process",
    FracturedRead = "fractured-read",
    NotCausal = "not-causal",
    StaleRead = "stale-read",
    // Invariants of workloads.
    WrongTotal = "wrong-total",
    NegativeBalance = "negative-balance",
    UnexpectedKey = "unexpected-key",
    MissingKey = "missing-key",
    LostElement = "lost-element",
    StaleElement = "stale-element",
    ResurrectedElement = "resurrected-element",
    UnexpectedElement = "unexpected-element",
    DuplicateId = "duplicate-id",
    OutOfBounds = "out-of-bounds",
    DoubleDequeue = "double-dequeue",
    LostItem = "lost-item",
    DoubleAcquire = "double-acquire",
    OldToken = "old-token",
}

impl fmt::Display for AnomalyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No anomaly has this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownAnomaly(pub String);

impl fmt::Display for UnknownAnomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no anomaly is named '{}'", self.0)
    }
}

impl std::error::Error for UnknownAnomaly {}

impl FromStr for AnomalyType {
    type Err = UnknownAnomaly;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let named = |a: &&AnomalyType| a.name().eq_ignore_ascii_case(s.trim());
        AnomalyType::ALL.iter().find(named).copied().ok_or_else(|| UnknownAnomaly(s.to_owned()))
    }
}
