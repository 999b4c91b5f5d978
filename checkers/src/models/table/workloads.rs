//! Broken invariants of well-known workloads.

use crate::models::AnomalyType::*;

use super::AnomalyAbout;
use super::Scope::{Objects, Transactions};

const BANK: &str = "Jepsen's bank test (jepsen.tests.bank).";
const SET: &str = "Jepsen's set and set-full checkers (jepsen.checker).";

pub(super) const ROWS: &[AnomalyAbout] = &[
    AnomalyAbout::ours(
        WrongTotal,
        Transactions,
        2,
        "A read of all accounts shows another sum than there was at the start, though transfers only move money. Each \
         transfer reads what it overwrites, so a reader who sees every transfer whole or not at all sees the right sum: \
         a wrong one is a transfer half seen (read skew) or lost under another one.",
        BANK,
    )
    .example(
        r#"0:r()({"a":10,"b":0}) 1:~transfer{"from":"a","to":"b","amount":5} 0:r()({"a":5,"b":0})"#,
        "5 has left a and not arrived at b.",
    ),
    AnomalyAbout::ours(
        NegativeBalance,
        Transactions,
        2,
        "An account is overdrawn, though each transfer makes sure first that it will not be: between its look and its \
         withdrawal somebody else has withdrawn.",
        BANK,
    )
    .example(r#"0:r()({"a":10,"b":0}) 0:r()({"a":-1,"b":11})"#, "The sum is right, and a is below nothing."),
    AnomalyAbout::ours(
        MissingKey,
        Transactions,
        3,
        "A read of all accounts lacks one that exists.",
        BANK,
    )
    .example(r#"0:r()({"a":10,"b":0}) 0:r()({"a":10})"#, "Where is b?"),
    AnomalyAbout::ours(
        UnexpectedKey,
        Transactions,
        3,
        "A read of all accounts shows one that nobody has opened.",
        BANK,
    )
    .example(r#"0:r()({"a":10,"b":0}) 0:r()({"a":10,"b":0,"c":0})"#, "Nobody opened c."),
    AnomalyAbout::ours(
        LostElement,
        Objects,
        10,
        "An element was acknowledged, or seen, and is missing from the last reads: it is gone.",
        SET,
    )
    .example("0:+x1 0:+x2 1:rx2", "1 was acknowledged and is not there."),
    AnomalyAbout::ours(
        StaleElement,
        Objects,
        12,
        "An element was acknowledged, or seen, then missed by a read that began afterwards, and later it was there again.",
        SET,
    )
    .example("0:+x1 1:rx[] 1:rx1", "The first read began after 1 was acknowledged and does not show it."),
    AnomalyAbout::ours(
        ResurrectedElement,
        Objects,
        10,
        "An element that was removed is back, though nobody added it again.",
        "Kleppmann: Designing Data-Intensive Applications (2017), chapter 5: deletions in leaderless stores.",
    )
    .example("0:+x1 0:-x1 1:rx1", "1 was removed, and it is there."),
    AnomalyAbout::ours(
        UnexpectedElement,
        Objects,
        0,
        "A read shows an element that nobody was asked to add.",
        SET,
    )
    .example("0:+x1 1:rx19", "Nobody added 9.")
    .also_implies(&[GarbageRead]),
    AnomalyAbout::ours(
        DuplicateId,
        Objects,
        1,
        "Two requests for a new identifier got the same one.",
        "Jepsen's unique-ids checker (jepsen.checker).",
    )
    .example("0:~generate=7 1:~generate=7", "Both got 7."),
    AnomalyAbout::ours(
        OutOfBounds,
        Objects,
        11,
        "A counter shows less than what had certainly been added to it when the read began, or more than what anybody had \
         asked to add when it ended.",
        "Jepsen's counter checker (jepsen.checker).",
    )
    .example("0:ix3 1:rx2", "3 had been added, and 2 are there."),
    AnomalyAbout::ours(
        DoubleDequeue,
        Objects,
        1,
        "An item that was put into a queue once was taken out twice.",
        "Jepsen's queue and total-queue checkers (jepsen.checker).",
    )
    .example("0:ex1 1:dx1 2:dx1", "1 was delivered to two clients."),
    AnomalyAbout::ours(
        LostItem,
        Objects,
        10,
        "An item whose enqueueing was acknowledged was never taken out, though the queue was found empty afterwards.",
        "Jepsen's total-queue checker (jepsen.checker).",
    )
    .example("0:ex1 1:dx", "1 had been put in, and the queue was empty."),
    AnomalyAbout::ours(
        DoubleAcquire,
        Objects,
        11,
        "Two clients held a lock at the same time.",
        "Jepsen's mutex model (knossos.model).",
    )
    .example("0:lx 1:lx", "Process 1 got the lock while process 0 had it."),
    AnomalyAbout::ours(
        OldToken,
        Objects,
        11,
        "A lock was given out with a fencing token that is not newer than one given out before.",
        "Kleppmann: Designing Data-Intensive Applications (2017), chapter 8: fencing tokens.",
    )
    .example("0:lx2 0:ux2 1:lx1", "The token went from 2 back to 1."),
];
