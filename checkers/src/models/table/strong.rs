//! Transactional models that also look at the order of sessions or of real time.

use crate::models::AnomalyType::*;
use crate::models::Model::*;

use super::ModelAbout;
use super::Needs::{Process, Realtime};
use super::Scope::Transactions;

const SESSIONS: &str = "Daudjee, Salem: Lazy Database Replication with Snapshot Isolation (VLDB 2006) and Lazy Database \
                        Replication with Ordering Guarantees (ICDE 2004); the grading by level is Elle's \
                        (elle.consistency-model).";

const BY_SESSIONS: &str = "In histories of transactions: as the level without sessions, with the order of each process \
                           as a further relation.";

const BY_REALTIME: &str = "In histories of transactions: as the level without real time, with a further relation from \
                           each transaction to those that were invoked after it was completed.";

pub(super) const ROWS: &[ModelAbout] = &[
    ModelAbout::new(
        StrongSessionReadUncommitted,
        Transactions,
        "Read uncommitted, and the writes of each session take their place in its order.",
        SESSIONS,
    )
    .implies(&[ReadUncommitted])
    .needs(Process)
    .prohibits(&[G0Process])
    .checked(BY_SESSIONS),
    ModelAbout::new(
        StrongSessionReadCommitted,
        Transactions,
        "Read committed, and nobody sees a transaction of a session while the order of that session contradicts it: \
         writing and reading agree with what each session did one after the other.",
        SESSIONS,
    )
    .implies(&[ReadCommitted, StrongSessionReadUncommitted])
    .needs(Process)
    .prohibits(&[G1cProcess])
    .checked(BY_SESSIONS),
    ModelAbout::new(
        StrongSessionSnapshotIsolation,
        Transactions,
        "Snapshot isolation in which each transaction's snapshot holds everything that its session has done before, and \
         is never older than the session's last one.",
        SESSIONS,
    )
    .implies(&[SnapshotIsolation, StrongSessionReadCommitted])
    .also_implies(&[ParallelSnapshotIsolation, Prefix, CausalMemory])
    .needs(Process)
    .prohibits(&[GNonadjacentProcess, G1Process, Internal])
    .checked(BY_SESSIONS),
    ModelAbout::new(
        SessionSerializable,
        Transactions,
        "The replicated store behaves as a single copy that runs the transactions one after the other, and those of \
         one session in the order in which it asked for them.",
        "Daudjee, Salem: Lazy Database Replication with Ordering Guarantees (ICDE 2004): strong session one-copy \
         serializability.",
    )
    .implies(&[OneCopySerializable])
    .also_implies(&[ViewSerializable, Sequential, Prefix, ParallelSnapshotIsolation])
    .needs(Process)
    .also_prohibits(&[G1Process, G2Process])
    .checked(
        "In histories of transactions: by the same cycles as strong session serializability, as far as they do not need \
         an order of versions that was only assumed.",
    ),
    ModelAbout::new(
        StrongSessionSerializable,
        Transactions,
        "Serializable, in an order that keeps the transactions of each session in the order in which it ran them. What \
         different sessions do may still be ordered against real time.",
        SESSIONS,
    )
    .implies(&[Serializable, StrongSessionSnapshotIsolation])
    .also_implies(&[SessionSerializable])
    .needs(Process)
    .prohibits(&[G1Process, G2Process])
    .checked(BY_SESSIONS),
    ModelAbout::new(
        StrongReadUncommitted,
        Transactions,
        "Read uncommitted, and a transaction that begins after another one has ended also writes after it.",
        SESSIONS,
    )
    .implies(&[StrongSessionReadUncommitted])
    .needs(Realtime)
    .prohibits(&[G0Realtime])
    .checked(BY_REALTIME),
    ModelAbout::new(
        StrongReadCommitted,
        Transactions,
        "Read committed, and nothing that is read or overwritten contradicts real time: no transaction sees, or is \
         overwritten by, the past of one that had ended before.",
        SESSIONS,
    )
    .implies(&[StrongReadUncommitted, StrongSessionReadCommitted])
    .needs(Realtime)
    .prohibits(&[G1cRealtime])
    .checked(BY_REALTIME),
    ModelAbout::new(
        StrongSnapshotIsolation,
        Transactions,
        "Snapshot isolation in which each transaction's snapshot holds everything that was committed before it began. \
         Most textbooks mean this when they say snapshot isolation.",
        SESSIONS,
    )
    .implies(&[StrongReadCommitted, StrongSessionSnapshotIsolation])
    .also_implies(&[ConsistentPrefix])
    .needs(Realtime)
    .prohibits(&[GNonadjacentRealtime, G1Realtime, Internal])
    .also_prohibits(&[
        StaleRead,
        LostElement,
        StaleElement,
        ResurrectedElement,
        OutOfBounds,
        MissingKey,
        UnexpectedKey,
    ])
    .checked(BY_REALTIME),
    ModelAbout::new(
        StrongSerializable,
        Transactions,
        "Serializable, in an order that agrees with real time: a transaction that begins after another one has ended \
         comes after it. The whole store behaves like one program that runs one transaction at a time.",
        "Papadimitriou: The Serializability of Concurrent Database Updates (Journal of the ACM 26, 1979): strict \
         serializability; Herlihy, Wing: Linearizability (TOPLAS 12, 1990), section 3.3.",
    )
    .implies(&[
        Serializable,
        SnapshotIsolation,
        Linearizable,
        SessionSerializable,
        StrongSessionSerializable,
        StrongSnapshotIsolation,
    ])
    .needs(Realtime)
    .prohibits(&[G1, G1cRealtime, G2Realtime])
    .checked(BY_REALTIME),
];
