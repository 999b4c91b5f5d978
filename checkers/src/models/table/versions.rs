//! What is wrong within one transaction, with the versions of one object, or with what transactions see of each other.

use crate::models::AnomalyType::*;

use super::AnomalyAbout;
use super::Scope::{Objects, Transactions};

const ELLE: &str = "Elle (elle.list-append, elle.rw-register); Kingsbury, Alvaro (VLDB 2020).";
const ADYA: &str = "Adya: Weak Consistency (PhD thesis, MIT 1999).";

pub(super) const ROWS: &[AnomalyAbout] = &[
    AnomalyAbout::new(
        Internal,
        "A transaction's read disagrees with what the same transaction had read or written just before.",
        "Cerone, Bernardi, Gotsman (CONCUR 2015): the axiom INT.",
    )
    .example("0:{ax1} 1:ax2rx1", "Process 1 appended 2 and did not find it in the next step."),
    AnomalyAbout::new(
        FutureRead,
        "A transaction read an element that it appended itself, later.",
        ELLE,
    )
    .example("0:rx1ax1", "1 was read before it was appended, in one transaction.")
    .implies(&[G1c]),
    AnomalyAbout::new(
        DirtyUpdate,
        "A committed transaction built upon what a failed one had written: the failed write lies below it in the order of \
         versions.",
        ELLE,
    )
    .example("0:{ax1}! 1:{ax2} 2:{rx12}", "2 was appended behind 1, and the append of 1 had failed.")
    .implies(&[G1a]),
    AnomalyAbout::new(
        LostUpdate,
        "Two committed transactions read the same version of an object and then both wrote it: one of the updates was \
         made without knowing of the other.",
        ADYA,
    )
    .example(
        "0<{rx_ax1} 1<{rx_ax2} 0>{rx_ax1} 1>{rx_ax2}",
        "Both found x empty and appended to it; one after the other, the second would have found something.",
    )
    .implies(&[G2Item, WriteSkew]),
    AnomalyAbout::new(
        WriteSkew,
        "Two transactions each read what the other one was about to write, and wrote different objects: together they \
         break what each of them kept. It is found as G2-item, or as G2 where predicates are read.",
        "Berenson, Bernstein, Gray, Melton, O'Neil, O'Neil: A Critique of ANSI SQL Isolation Levels (SIGMOD 1995), A5B.",
    )
    .implies(&[G2]),
    AnomalyAbout::new(
        DuplicateElements,
        "One read shows an element more often than it was put there.",
        ELLE,
    )
    .example("0:{ax1} 1:{rx11}", "1 was appended once and is there twice."),
    AnomalyAbout::new(
        IncompatibleOrder,
        "Two reads of a list disagree on its order: neither is the beginning of the other.",
        ELLE,
    )
    .example("0:{ax1} 1:{ax2} 2:{rx12} 3:{rx21}", "For one reader 1 came first, for the other one 2.")
    .implies(&[G1a]),
    AnomalyAbout::new(
        CyclicVersions,
        "The versions of an object cannot be put in order: what was read, together with what may be assumed of the \
         object, makes one of them older than itself.",
        ELLE,
    )
    .example(
        "0:{wx1} 1:{wx2} 2:{rx2} 3:{rx1}",
        "If x by itself is linearizable, 1 came before 2, since it was written before, and after 2, since it was read \
         afterwards.",
    ),
    AnomalyAbout::new(
        PredicateReadMiss,
        "A read by predicate did not show an object although every version of that object satisfies the predicate.",
        "Elle (elle.closed-predicate).",
    ),
    AnomalyAbout::ours(
        GarbageRead,
        Transactions,
        0,
        "A read shows a value that nobody was asked to write. It contradicts every model: each of them explains reads by \
         writes.",
        "Adya: Weak Consistency (PhD thesis, MIT 1999): in a history every read names the write of the version that it \
         read. Elle stops at such a read, or passes over it.",
    )
    .example("0:{ax1} 1:{rx19}", "9 was never appended."),
    AnomalyAbout::ours(
        LostAppend,
        Transactions,
        0,
        "No read shows an element whose append was acknowledged, although one shows what others began to append only \
         afterwards.",
        "Jepsen's lost writes. It is a cycle of overwriting that closes through real time: the lost element can only come \
         after those that were shown.",
    )
    .example("0:{ax1} 1:{ax2} 2:{rx2}", "The append of 1 was acknowledged before that of 2 began, and 1 is gone.")
    .also_implies(&[G0Realtime, GSingleItemRealtime]),
    AnomalyAbout::ours(
        LongFork,
        Transactions,
        1,
        "Two transactions that only read saw two independent writes in opposite orders: each saw one that the other \
         missed. Parallel snapshot isolation allows it, snapshots of a single order of commits do not.",
        "Sovran, Power, Aguilera, Li: Transactional Storage for Geo-Replicated Systems (SOSP 2011); the test is that of \
         jepsen.tests.long-fork.",
    )
    .example(
        "0:{wx1} 1:{wy1} 2:rx1ry_ 3:rx_ry1",
        "Process 2 saw x and missed y; process 3 saw y and missed x.",
    )
    .also_implies(&[GNonadjacentItem]),
    AnomalyAbout::ours(
        GMonotonicProcess,
        Transactions,
        5,
        "A transaction's view went backwards while it ran, by the order of sessions: it had seen a transaction, and then \
         read an object older than that one has it, where only a session tells which version is the older.",
        "Biswas, Enea: On the Complexity of Checking Transactional Consistency (OOPSLA 2019): read committed, whose order \
         of commits keeps that of each session.",
    )
    .example(
        "0:{wx1} 0:wx2wy2 1:ry2rx1",
        "Process 1 saw y = 2, and then found x older than the same transaction has it.",
    )
    .also_implies(&[NotCausal]),
    AnomalyAbout::ours(
        FracturedRead,
        Transactions,
        2,
        "A transaction saw one write of another transaction, or of one that came before it in its session, and missed \
         another write of the same one.",
        "Bailis, Fekete, Ghodsi, Hellerstein, Stoica: Scalable Atomic Visibility with RAMP Transactions (SIGMOD 2014), \
         section 3; with sessions: Biswas, Enea (OOPSLA 2019).",
    )
    .example("0:wx1wy1 1:wx2wy2 2:rx2ry1", "Of the second transaction, x was seen and y was missed."),
    AnomalyAbout::ours(
        NotCausal,
        Transactions,
        3,
        "The reads of transactions fit no single order of writes that respects causes: some transaction missed a write \
         although it follows, by sessions and reads, from one that saw it.",
        "Biswas, Enea: On the Complexity of Checking Transactional Consistency (OOPSLA 2019).",
    )
    .example(
        "0:{wx1} 0:{wx2} 1:rx2wy1 2:ry1rx1",
        "Process 2 saw y, which was written by one that had seen x = 2, and itself saw the older x = 1.",
    ),
    AnomalyAbout::ours(
        NotPrefix,
        Objects,
        11,
        "What a read shows is no beginning of the sequence of all writes: it shows one and misses another one that was \
         known to have happened when that one was asked for.",
        "Terry: Replicated Data Consistency Explained through Baseball (CACM 56, 2013).",
    )
    .example("0:{ax1} 1:{ay1} 2:ry1rx_", "The write of x was over when that of y began, and process 2 saw y only."),
    AnomalyAbout::ours(
        NotPrefixProcess,
        Transactions,
        3,
        "The transactions have no order of commits of which every one sees a beginning: by what was read, by the order of \
         versions and by that of sessions, one saw a transaction and missed another one that came before it.",
        "Cerone, Gotsman, Yang: Algebraic Laws for Weak Consistency (CONCUR 2017): a cycle in \
         ((SO ∪ WR) ; RW?) ∪ WW.",
    )
    .example("0:{ax1} 0:{ay1} 1:ry1rx_", "Process 0 wrote x first, and process 1 saw y only."),
];
