//! Models of single operations on single objects.

use crate::models::AnomalyType::*;
use crate::models::Model::*;

use super::ModelAbout;
use super::Needs::{Process, Realtime};
use super::Scope::Objects;

const TERRY: &str = "Terry, Demers, Petersen, Spreitzer, Theimer, Welch: Session Guarantees for Weakly Consistent \
                     Replicated Data (PDIS 1994), section 3; as an axiom: Viotti, Vukolić: Consistency in \
                     Non-Transactional Distributed Storage Systems (ACM Computing Surveys 49, 2016).";

const BOUAJJANI: &str = "Bouajjani, Enea, Guerraoui, Hamza: On Verifying Causal Consistency (POPL 2017).";

const BY_SESSIONS: &str = "By folds over each session and key while the history is recorded, which look at one session at a time; \
                           over whole histories by whether any order of the versions of a key, the same for \
                           everybody, agrees with what all sessions demand.";

const BY_PATTERNS: &str = "On histories whose values are unique: by the bad patterns of its definition, over the order \
                           of sessions and of who read whose write.";

pub(super) const ROWS: &[ModelAbout] = &[
    ModelAbout::new(
        ReadYourWrites,
        Objects,
        "A session sees what it has written itself: a read shows each earlier write of its session, or something \
         newer.",
        TERRY,
    )
    .needs(Process)
    .also_prohibits(&[NotReadYourWrites, GarbageRead])
    .checked(BY_SESSIONS),
    ModelAbout::new(
        MonotonicReads,
        Objects,
        "A session never sees time move backwards: what one of its reads has shown, its later reads show too, or \
         something newer.",
        TERRY,
    )
    .needs(Process)
    .also_prohibits(&[NonMonotonicRead, GarbageRead])
    .checked(BY_SESSIONS),
    ModelAbout::new(
        MonotonicWrites,
        Objects,
        "The writes of a session take effect in its order, everywhere: whoever sees one of them sees those before it.",
        TERRY,
    )
    .needs(Process)
    .also_prohibits(&[NonMonotonicWrites, GarbageRead])
    .checked(BY_SESSIONS),
    ModelAbout::new(
        WritesFollowReads,
        Objects,
        "A write comes after whatever its session had read before: whoever sees the answer sees the question too.",
        TERRY,
    )
    .needs(Process)
    .also_prohibits(&[NotWritesFollowReads, GarbageRead])
    .checked(BY_SESSIONS),
    ModelAbout::new(
        Pram,
        Objects,
        "Each process sees all writes in some order that keeps every process's writes in their order. Two processes may \
         disagree about the writes of two others.",
        "Lipton, Sandberg: PRAM: A Scalable Shared Memory (Princeton, CS-TR-180-88, 1988).",
    )
    .implies(&[MonotonicReads, MonotonicWrites, ReadYourWrites])
    .needs(Process)
    .also_prohibits(&[Nonpram, FutureRead, GarbageRead, G1a, DuplicateElements])
    .checked("By the order in which each process must have seen all writes, on histories whose values are unique."),
    ModelAbout::new(
        ConsistentPrefix,
        Objects,
        "Whoever reads sees a beginning of the sequence of all writes, in the order in which they happened: no write is \
         shown while one is missing that was over when it was asked for, and the reads of a transaction show one state. How \
         old the beginning is, is left open.",
        "Terry: Replicated Data Consistency Explained through Baseball (CACM 56, 2013): consistent prefix; Kleppmann: \
         Designing Data-Intensive Applications (2017), chapter 5.",
    )
    .not_in_elle()
    .needs(Realtime)
    .also_prohibits(&[NotPrefix, NotPrefixProcess, GarbageRead, G1a, DuplicateElements])
    .checked("By a fold over the history, while it is recorded or afterwards."),
    ModelAbout::new(
        Causal,
        Objects,
        "Whoever sees a write also sees what its writer had seen and done before. Writes that do not know of each other \
         may be seen in any order, and in different orders by different sessions.",
        "Bouajjani, Enea, Guerraoui, Hamza: On Verifying Causal Consistency (POPL 2017): CC; after Ahamad, Neiger, \
         Burns, Kohli, Hutto: Causal Memory (Distributed Computing 9, 1995).",
    )
    .implies(&[Pram, WritesFollowReads])
    .needs(Process)
    .also_prohibits(&[
        CyclicCo,
        ThinAirRead,
        WriteCoInitRead,
        WriteCoRead,
        FutureRead,
        GarbageRead,
        G1a,
        DuplicateElements,
    ])
    .checked(BY_PATTERNS),
    ModelAbout::new(
        CausalConvergence,
        Objects,
        "Causal consistency, and everybody resolves conflicting writes in the same order, as stores do in which the last \
         writer wins by a common clock: who has seen the same writes reads the same.",
        BOUAJJANI,
    )
    .not_in_elle()
    .also_implies(&[Causal, ReadYourWrites, MonotonicReads, MonotonicWrites, WritesFollowReads])
    .needs(Process)
    .also_prohibits(&[CyclicCf])
    .checked(BY_PATTERNS),
    ModelAbout::new(
        CausalMemory,
        Objects,
        "Causal consistency, and each process sees all writes in one order of its own that never changes its mind about \
         the past.",
        "Bouajjani, Enea, Guerraoui, Hamza (POPL 2017): CM; Ahamad, Neiger, Burns, Kohli, Hutto: Causal Memory: \
         Definitions, Implementation, and Programming (Distributed Computing 9, 1995).",
    )
    .not_in_elle()
    .also_implies(&[Causal, Pram])
    .needs(Process)
    .also_prohibits(&[WriteHbInitRead, CyclicHb])
    .checked(BY_PATTERNS),
    ModelAbout::new(
        Sequential,
        Objects,
        "All operations took effect one after the other, in an order that keeps every process's own. That order need not \
         be the one of real time: a process may lag behind, as long as it never jumps back.",
        "Lamport: How to Make a Multiprocessor Computer That Correctly Executes Multiprocess Programs (IEEE Transactions \
         on Computers C-28, 1979).",
    )
    .implies(&[Causal])
    .also_implies(&[CausalMemory, CausalConvergence])
    .needs(Process)
    .also_prohibits(&[Nonsequential, IncompatibleOrder, DuplicateId, DoubleDequeue])
    .checked(
        "By linearizability where that holds (it is stronger); otherwise by a search for an order, which is exponential \
         in the worst case and keeps to its budget.",
    ),
    ModelAbout::new(
        Linearizable,
        Objects,
        "Every operation took effect at one moment between its invocation and its completion: the object behaves as if \
         there were one copy of it.",
        "Herlihy, Wing: Linearizability: A Correctness Condition for Concurrent Objects (TOPLAS 12, 1990), section 2.",
    )
    .implies(&[Sequential])
    .needs(Realtime)
    .also_prohibits(&[
        Nonlinearizable,
        StaleRead,
        LostAppend,
        CyclicVersions,
        LostElement,
        StaleElement,
        ResurrectedElement,
        OutOfBounds,
        LostItem,
        DoubleAcquire,
        OldToken,
    ])
    .checked(
        "Object by object, in histories of single operations: near-linear algorithms for registers, queues, stacks and \
         sets whose values are unique, otherwise a search that keeps to its budget.",
    ),
];
