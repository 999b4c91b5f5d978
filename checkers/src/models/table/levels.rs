//! Transactional models that look at nothing but data.

use crate::models::AnomalyType::{self, *};
use crate::models::Model::*;

use super::ModelAbout;
use super::Scope::Transactions;

macro_rules! adya {
    ($level:literal) => {
        concat!(
            "Adya: Weak Consistency: A Generalized Theory and Optimistic Implementations for Distributed Transactions \
             (PhD thesis, MIT 1999), level ",
            $level,
            "."
        )
    };
}

const CERONE: &str = "Cerone, Bernardi, Gotsman: A Framework for Transactional Consistency Models with Atomic \
                      Visibility (CONCUR 2015); with sessions: Cerone, Gotsman, Yang: Algebraic Laws for \
                      Weak Consistency (CONCUR 2017).";

/// What no serial order of the committed transactions can show, whatever order of versions is chosen for it.
const NO_SERIAL_ORDER: &[AnomalyType] = &[
    G0,
    G1,
    G2,
    GCursor,
    GMonotonic,
    GUpdate,
    Internal,
    LostUpdate,
    DuplicateElements,
    IncompatibleOrder,
    CyclicVersions,
    PredicateReadMiss,
    GarbageRead,
    LongFork,
    WrongTotal,
    NegativeBalance,
    DuplicateId,
    DoubleDequeue,
];

pub(super) const ROWS: &[ModelAbout] = &[
    ModelAbout::new(
        ReadUncommitted,
        Transactions,
        "Transactions do not overwrite each other halfway: all objects that two of them write agree on which of the \
         two came later. Reads may show anything that was ever written, also what is later rolled back.",
        adya!("PL-1"),
    )
    .prohibits(&[G0, CyclicVersions, DuplicateElements])
    .also_prohibits(&[GarbageRead]),
    ModelAbout::new(
        ReadCommitted,
        Transactions,
        "Transactions see only what was committed, and of each other transaction only its last write to an object. \
         Each read by itself is sound; two reads of one transaction may belong to different states.",
        adya!("PL-2"),
    )
    .implies(&[ReadUncommitted])
    .prohibits(&[G1]),
    ModelAbout::new(
        MonotonicView,
        Transactions,
        "A transaction that has once seen another one's effects goes on seeing them: what it reads only ever grows \
         newer while it runs.",
        adya!("PL-2L"),
    )
    .implies(&[ReadCommitted])
    .prohibits(&[GMonotonic, G1]),
    ModelAbout::new(
        CursorStability,
        Transactions,
        "Read committed, and an object that a transaction reads and then writes cannot be changed by another one in \
         between. Counters that are read and written back so lose no update.",
        adya!("PL-CS"),
    )
    .implies(&[ReadCommitted])
    .prohibits(&[GCursor, G1, LostUpdate]),
    ModelAbout::new(
        MonotonicSnapshotRead,
        Transactions,
        "The reads of one transaction come from snapshots of committed data, each at least as new as the one before.",
        adya!("PL-MSR"),
    )
    .implies(&[ReadCommitted])
    .prohibits(&[GMsr, G1]),
    ModelAbout::new(
        MonotonicAtomicView,
        Transactions,
        "Once a transaction has seen one write of another one, it sees all of that one's writes from then on. \
         Changes become visible as a whole, but a transaction's view may move while it runs.",
        "Bailis, Davidson, Fekete, Ghodsi, Hellerstein, Stoica: Highly Available Transactions: Virtues and Limitations \
         (VLDB 2014), section 5.1.2.",
    )
    .implies(&[ReadCommitted]),
    ModelAbout::new(
        ConsistentView,
        Transactions,
        "Every transaction sees a state that some sequence of whole transactions could have made: nothing that it has \
         missed has influenced anything that it has seen. What two transactions see may differ.",
        adya!("PL-2+"),
    )
    .implies(&[MonotonicView, CursorStability])
    .prohibits(&[GSingle, G1])
    .also_prohibits(&[WrongTotal, NegativeBalance]),
    ModelAbout::new(
        ForwardConsistentView,
        Transactions,
        "Consistent view, and a transaction sees at least what was committed when it began, as snapshots do; but \
         transactions that write the same object need not exclude each other.",
        adya!("PL-FCV"),
    )
    .implies(&[ConsistentView])
    .prohibits(&[GSiB, G1]),
    ModelAbout::new(
        UpdateSerializable,
        Transactions,
        "The transactions that write are serializable among themselves, and each transaction that only reads is \
         serializable with them; two readers may see independent writers in different orders.",
        adya!("PL-3U"),
    )
    .implies(&[ForwardConsistentView])
    .prohibits(&[GUpdate, G1]),
    ModelAbout::new(
        RepeatableRead,
        Transactions,
        "Serializable as far as single objects are concerned: nothing that a transaction has read by name changes \
         until it ends. Searches may find rows on the second look that were not there on the first.",
        adya!("PL-2.99"),
    )
    .implies(&[CursorStability, MonotonicAtomicView])
    .prohibits(&[G1, G2Item, LostUpdate])
    .also_prohibits(&[WrongTotal, NegativeBalance]),
    ModelAbout::new(
        ReadAtomic,
        Transactions,
        "Transactions are seen whole or not at all: whoever sees one write of a transaction sees all of its writes, or \
         newer ones. Nothing is said about which transactions are seen.",
        "Bailis, Fekete, Ghodsi, Hellerstein, Stoica: Scalable Atomic Visibility with RAMP Transactions (SIGMOD 2014), \
         section 3; as an axiom: Cerone, Bernardi, Gotsman (CONCUR 2015).",
    )
    .implies(&[MonotonicAtomicView])
    .prohibits(&[G1a, FutureRead, Internal])
    .also_prohibits(&[FracturedRead])
    .checked(BY_REGISTERS),
    ModelAbout::new(
        UpdateAtomic,
        Transactions,
        "Read atomic, and of two transactions that write the same object one has seen the other: no update is lost. \
         What is seen need not be closed under causes.",
        CERONE,
    )
    .implies(&[ReadAtomic])
    .prohibits(&[LostUpdate]),
    ModelAbout::new(
        CausalCerone,
        Transactions,
        "Transactions are seen whole, together with everything that they themselves had seen, and everybody resolves \
         conflicting writes in the same order. Independent transactions may be seen in different orders.",
        CERONE,
    )
    .implies(&[ReadAtomic])
    .prohibits(&[G1a, Internal])
    .also_prohibits(&[NotCausal])
    .checked(BY_REGISTERS),
    ModelAbout::new(
        TransactionalCausal,
        Transactions,
        "Causal consistency for transactions with sessions: a transaction sees its session's earlier ones, whatever \
         those had seen, and of each transaction all or nothing; conflicting writes have one order for everybody.",
        "Biswas, Enea: On the Complexity of Checking Transactional Consistency (OOPSLA 2019); in a store: \
         Akkoorath et al.: Cure (ICDCS 2016).",
    )
    .not_in_elle()
    .needs(super::Needs::Process)
    .also_implies(&[CausalCerone, CausalConvergence])
    .checked(BY_REGISTERS),
    ModelAbout::new(
        ParallelSnapshotIsolation,
        Transactions,
        "Snapshot isolation for several sites: each transaction works on a causal snapshot, and of concurrent \
         transactions that write the same object only one commits; but two sites may see independent transactions in \
         opposite orders (a long fork).",
        "Sovran, Power, Aguilera, Li: Transactional Storage for Geo-Replicated Systems (SOSP 2011); as \
         axioms: Cerone, Bernardi, Gotsman (CONCUR 2015).",
    )
    .implies(&[CausalCerone, UpdateAtomic])
    .also_implies(&[TransactionalCausal])
    .prohibits(&[G1a, Internal])
    .also_prohibits(&[WrongTotal, NegativeBalance]),
    ModelAbout::new(
        Prefix,
        Transactions,
        "All transactions commit in one order, and each sees the effects of a beginning of it: nobody sees a \
         transaction without those that were committed before it. Updates may be lost.",
        CERONE,
    )
    .implies(&[CausalCerone])
    .also_implies(&[TransactionalCausal])
    .prohibits(&[G1a, Internal])
    .also_prohibits(&[NotPrefixProcess, LongFork]),
    ModelAbout::new(
        SnapshotIsolation,
        Transactions,
        "Every transaction reads from one snapshot of committed data, and of two concurrent transactions that write \
         the same object only one commits. Two that read what the other writes may both commit: write skew.",
        adya!("PL-SI"),
    )
    .implies(&[
        ForwardConsistentView,
        MonotonicSnapshotRead,
        MonotonicAtomicView,
        ParallelSnapshotIsolation,
        Prefix,
    ])
    .prohibits(&[GSi, GNonadjacent, G1, Internal])
    .also_prohibits(&[LongFork]),
    ModelAbout::new(
        ViewSerializable,
        Transactions,
        "Some order of the transactions, one after the other, gives every read the value that it showed. Which order \
         the versions of an object really had is left open.",
        "Yannakakis: Serializability by Locking (Journal of the ACM 31, 1984); Papadimitriou: The Serializability of \
         Concurrent Database Updates (Journal of the ACM 26, 1979).",
    )
    .also_prohibits(NO_SERIAL_ORDER)
    .checked(BY_FORCED_CYCLES),
    ModelAbout::new(
        OneCopySerializable,
        Transactions,
        "The replicated store behaves as a single copy that runs the transactions one after the other, in any order.",
        "Bernstein, Hadzilacos, Goodman: Concurrency Control and Recovery in Database Systems (1987), chapters 5 and 8.",
    )
    .also_prohibits(NO_SERIAL_ORDER)
    .checked(BY_FORCED_CYCLES),
    ModelAbout::new(
        Serializable,
        Transactions,
        "The transactions have the effect of some order of them, one after the other, that agrees with the order of \
         the versions of every object. The order need not be that of real time, nor of sessions: a transaction may \
         read the distant past.",
        adya!("PL-3"),
    )
    .implies(&[RepeatableRead, UpdateSerializable, SnapshotIsolation, ViewSerializable])
    .also_implies(&[OneCopySerializable])
    .prohibits(&[G1, G2, Internal, PredicateReadMiss]),
];

const BY_REGISTERS: &str = "In histories of transactions: through the anomalies that it forbids; on registers whose \
                            values are unique also directly, by the axioms of its definition.";

const BY_FORCED_CYCLES: &str = "In histories of transactions: by the same cycles as serializability. That is exact \
                                where the order of versions follows from what was read; cycles that need an order of \
                                versions that was only assumed count for nothing here.";
