//! Cycles of dependencies between transactions.

use crate::models::AnomalyType::*;

use super::AnomalyAbout;

const ADYA: &str = "Adya: Weak Consistency (PhD thesis, MIT 1999).";
const ELLE: &str = "Kingsbury, Alvaro: Elle: Inferring Isolation Anomalies from Experimental Observations (VLDB 2020); \
                    the variants by order are Elle's (elle.txn).";

pub(super) const ROWS: &[AnomalyAbout] = &[
    AnomalyAbout::new(
        G0,
        "A cycle of overwriting: each transaction wrote an object before the next one did, all the way round. Their \
         writes are interleaved (a dirty write), so no order of the transactions explains the state.",
        ADYA,
    )
    .example(
        "0:ax1ay1 1:ax2ay2 2:rx12ry21",
        "In x, 1 by process 0 comes before 2 by process 1; in y it is the other way round.",
    )
    .implies(&[G0Process, G1c]),
    AnomalyAbout::new(
        G1a,
        "Aborted read: a transaction read what another one had written that certainly did not happen.",
        ADYA,
    )
    .example("0:{ax1}! 1:{rx1}", "The append of 1 failed, and yet it was read.")
    .implies(&[G1]),
    AnomalyAbout::new(
        G1b,
        "Intermediate read: a transaction read a value that its writer had itself replaced before it committed.",
        ADYA,
    )
    .example(
        "0:ax1ax2 1:{rx1} 2:{rx12}",
        "Process 0 appended 1 and 2 in one transaction; process 1 saw only half of it.",
    )
    .implies(&[G1]),
    AnomalyAbout::new(
        G1c,
        "Circular information flow: a cycle of overwriting and reading. Each transaction has seen or overwritten the one \
         before it, so each must come before itself.",
        ADYA,
    )
    .example("0:ax1ry1 1:ay1rx1", "Each transaction read what the other one wrote.")
    .implies(&[G1, G1cProcess]),
    AnomalyAbout::new(
        G1,
        "One of G1a, G1b and G1c: a transaction saw what was not the final work of a committed transaction before it. It \
         names the three together and is never reported by itself.",
        ADYA,
    )
    .implies(&[G1Process]),
    AnomalyAbout::new(
        GSingleItem,
        "Read skew: a cycle with exactly one anti-dependency on an object. A transaction missed a write of another one \
         although it has seen that one's other effects, or effects of those.",
        ELLE,
    )
    .example(
        "0:ax1ay1 1:rx1ry_ 2:{ry1}",
        "Process 1 saw the transaction's append to x and not the one to y.",
    )
    .implies(&[GNonadjacentItem, GSingle, GSingleItemProcess]),
    AnomalyAbout::new(
        GSingle,
        "A cycle with exactly one anti-dependency, by an object or by a predicate: a transaction missed something that \
         influenced what it has seen.",
        ADYA,
    )
    .implies(&[GNonadjacent, GSingleProcess]),
    AnomalyAbout::new(
        GNonadjacentItem,
        "A cycle with several anti-dependencies on objects, no two of them in a row. Two transactions that only read, \
         say, saw two independent writes in opposite orders.",
        ELLE,
    )
    .example(
        "0:{ax1} 1:{ay1} 2:rx1ry_ 3:ry1rx_ 4:rx1ry1",
        "Process 2 saw the append to x and not the one to y; process 3 the one to y and not the one to x.",
    )
    .implies(&[GNonadjacent, GNonadjacentItemProcess, G2Item]),
    AnomalyAbout::new(
        GNonadjacent,
        "A cycle with several anti-dependencies, by object or by predicate, no two of them in a row: what snapshots \
         exclude.",
        "Elle's reading of Cerone, Gotsman: Analysing Snapshot Isolation (PODC 2016): snapshot isolation allows only \
         cycles with two anti-dependencies in a row.",
    )
    .implies(&[GNonadjacentProcess, G2]),
    AnomalyAbout::new(
        G2Item,
        "A cycle with anti-dependencies on objects: each transaction misses something, and together they cannot be put \
         one after the other. With two of them in a row it is write skew.",
        ADYA,
    )
    .example(
        "0<{rx_ay1} 1<{ry_ax1} 0>{rx_ay1} 1>{ry_ax1} 2:rx1ry1",
        "Each transaction read what the other one was about to change, and found it unchanged.",
    )
    .implies(&[G2, G2ItemProcess]),
    AnomalyAbout::new(
        G2,
        "A cycle with anti-dependencies, by object or by predicate: no serial order explains what was read.",
        ADYA,
    )
    .implies(&[G2Process]),
    AnomalyAbout::new(
        G0Process,
        "A cycle of overwriting that closes through the order of a session: its later transaction was overwritten by its \
         earlier one.",
        ELLE,
    )
    .example("0:{ax1} 0:{ax2} 1:{rx21}", "Process 0 appended 1 before 2, and the list has them the other way round.")
    .implies(&[G0Realtime, G1cProcess]),
    AnomalyAbout::new(
        G1cProcess,
        "A cycle of overwriting and reading that closes through the order of a session: it read what it caused only \
         later.",
        ELLE,
    )
    .example(
        "0:{rx1} 0:{ay1} 1:ry1ax1",
        "Process 0 read 1 from x before its own append to y, but the writer of x had read that append.",
    )
    .implies(&[G1Process, G1cRealtime]),
    AnomalyAbout::new(
        G1Process,
        "G1a, G1b, G1c or G1c-process. It names them together and is never reported by itself.",
        ELLE,
    )
    .implies(&[G1Realtime]),
    AnomalyAbout::new(
        GSingleItemProcess,
        "Read skew through the order of a session: a session missed a write that one of its own earlier transactions \
         had made, seen, or followed.",
        ELLE,
    )
    .example("0:{ax1} 0:{rx_} 1:{rx1}", "Process 0 does not see its own append, which is there for others.")
    .implies(&[GNonadjacentItemProcess, GSingleItemRealtime, GSingleProcess]),
    AnomalyAbout::new(
        GSingleProcess,
        "A cycle with exactly one anti-dependency, by object or by predicate, that closes through the order of a \
         session.",
        ELLE,
    )
    .implies(&[GNonadjacentProcess, GSingleRealtime]),
    AnomalyAbout::new(
        GNonadjacentItemProcess,
        "A cycle with several anti-dependencies on objects, no two in a row, that closes through the order of a session.",
        ELLE,
    )
    .example(
        "0:{ax1} 0:{ry_} 1:{ay1} 1:{rx_} 2:rx1ry1",
        "Each process wrote one list and then missed the other one's write: neither saw what the other had done first.",
    )
    .implies(&[GNonadjacentItemRealtime, GNonadjacentProcess, G2ItemProcess]),
    AnomalyAbout::new(
        GNonadjacentProcess,
        "A cycle with several anti-dependencies, by object or by predicate, no two in a row, that closes through the \
         order of a session.",
        ELLE,
    )
    .implies(&[GNonadjacentRealtime, G2Process]),
    AnomalyAbout::new(
        G2ItemProcess,
        "A cycle with several anti-dependencies on objects that closes through the order of a session.",
        ELLE,
    )
    .example(
        "1<{ry_ax1} 0:{ay1} 0:{rx_} 1>{ry_ax1} 2:rx1ry1",
        "Process 0's read missed the append to x, whose transaction missed the append to y, which process 0 had done \
         before its read.",
    )
    .implies(&[G2ItemRealtime, G2Process]),
    AnomalyAbout::new(
        G2Process,
        "A cycle with several anti-dependencies, by object or by predicate, that closes through the order of a session.",
        ELLE,
    )
    .implies(&[G2Realtime]),
    AnomalyAbout::new(
        G0Realtime,
        "A cycle of overwriting that closes through real time: a transaction was overwritten by one that had ended before \
         it began.",
        ELLE,
    )
    .example("0:{ax1} 1:{ax2} 2:{rx21}", "1 was appended before the append of 2 began, and yet it comes after it.")
    .implies(&[G1cRealtime]),
    AnomalyAbout::new(
        G1cRealtime,
        "A cycle of overwriting and reading that closes through real time: a transaction saw, directly or through others, \
         one that began only after it had ended.",
        ELLE,
    )
    .example("0:{rx1} 1:{ax1}", "1 was read before anybody asked for it to be appended.")
    .implies(&[G1Realtime]),
    AnomalyAbout::new(
        G1Realtime,
        "G1a, G1b, G1c, or G1c by the order of sessions or of real time. It names them together and is never reported by \
         itself.",
        ELLE,
    ),
    AnomalyAbout::new(
        GSingleItemRealtime,
        "Stale read: a cycle with exactly one anti-dependency on an object that closes through real time. A transaction \
         missed what had been committed before it began.",
        ELLE,
    )
    .example("0:{ax1} 1:{rx_} 2:{rx1}", "The append of 1 was over when process 1 asked, and it was not shown.")
    .implies(&[GNonadjacentItemRealtime, GSingleRealtime]),
    AnomalyAbout::new(
        GSingleRealtime,
        "A cycle with exactly one anti-dependency, by object or by predicate, that closes through real time.",
        ELLE,
    )
    .implies(&[GNonadjacentRealtime]),
    AnomalyAbout::new(
        GNonadjacentItemRealtime,
        "A cycle with several anti-dependencies on objects, no two in a row, that closes through real time.",
        ELLE,
    )
    .example(
        "2<{rx_ry1} 1<{ay1} 0:{ax1} 3:{ry_} 1>{ay1} 2>{rx_ry1} 4:rx1ry1",
        "Process 2 saw the append to y and missed the one to x, which was over when process 3 began, which missed the one \
         to y.",
    )
    .implies(&[GNonadjacentRealtime, G2ItemRealtime]),
    AnomalyAbout::new(
        GNonadjacentRealtime,
        "A cycle with several anti-dependencies, by object or by predicate, no two in a row, that closes through real \
         time.",
        ELLE,
    )
    .implies(&[G2Realtime]),
    AnomalyAbout::new(
        G2ItemRealtime,
        "A cycle with several anti-dependencies on objects that closes through real time.",
        ELLE,
    )
    .example(
        "1<{ry_ax1} 0:{ay1} 2:{rx_} 1>{ry_ax1} 3:rx1ry1",
        "Process 2 missed the append to x, whose transaction missed the append to y, which was over when process 2 began.",
    )
    .implies(&[G2Realtime]),
    AnomalyAbout::new(
        G2Realtime,
        "A cycle with several anti-dependencies, by object or by predicate, that closes through real time: some serial \
         order may explain the reads, but none that agrees with the clock on the wall.",
        ELLE,
    ),
    AnomalyAbout::new(
        GCursor,
        "A cycle on one object with one anti-dependency and otherwise overwriting: an update through a cursor was lost. \
         It is named for the definition of cursor stability; what is reported is lost-update.",
        ADYA,
    ),
    AnomalyAbout::new(
        GMonotonic,
        "A cycle with one anti-dependency that begins at a single read of a transaction and comes back to an earlier one: \
         its view went backwards. It is named for the definition of monotonic view and never reported.",
        ADYA,
    ),
    AnomalyAbout::new(
        GMsr,
        "A transaction's reads come from no sequence of ever newer snapshots. It is named for the definition of \
         monotonic snapshot reads and never reported.",
        ADYA,
    ),
    AnomalyAbout::new(
        GSi,
        "Two transactions depend on each other although they ran at the same time (G-SIa), or a cycle has one \
         anti-dependency once the order of starts is added (G-SIb). Recorded histories do not show starts; what is \
         reported is G-nonadjacent.",
        ADYA,
    ),
    AnomalyAbout::new(
        GSiB,
        "Missed effects: a cycle with exactly one anti-dependency once the order in which transactions started is added. \
         Recorded histories do not show starts; what is reported is G-single.",
        ADYA,
    ),
    AnomalyAbout::new(
        GUpdate,
        "A cycle of anti-dependencies among the transactions that write, together with one that only reads. It is \
         named for the definition of update serializability and never reported.",
        ADYA,
    ),
];
