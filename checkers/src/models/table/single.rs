//! What is wrong with single operations on single objects, and with sessions of them.

use crate::models::AnomalyType::*;

use super::AnomalyAbout;
use super::Scope::Objects;

const BOUAJJANI: &str = "Bouajjani, Enea, Guerraoui, Hamza: On Verifying Causal Consistency (POPL 2017), bad patterns.";
const TERRY: &str = "Terry, Demers, Petersen, Spreitzer, Theimer, Welch: Session Guarantees for Weakly Consistent \
                     Replicated Data (PDIS 1994), section 3.";

pub(super) const ROWS: &[AnomalyAbout] = &[
    AnomalyAbout::ours(
        ThinAirRead,
        Objects,
        0,
        "A read shows a value that nobody has written: it came out of thin air.",
        BOUAJJANI,
    )
    .example("0:wx1 1:rx9", "Nobody wrote 9.")
    .also_implies(&[GarbageRead]),
    AnomalyAbout::ours(
        CyclicCo,
        Objects,
        1,
        "The order of causes is a cycle: by sessions and by who read whose write, an operation comes before itself.",
        BOUAJJANI,
    )
    .example(
        "0<rx1 1<ry1 0>rx1 1>ry1 0:wy1 1:wx1",
        "Each session read what the other one wrote only after its own read.",
    ),
    AnomalyAbout::ours(
        WriteCoInitRead,
        Objects,
        2,
        "A read shows that an object was never written, although a write of it is among the causes of the read.",
        BOUAJJANI,
    )
    .example(
        "0:wx1 0:wy1 1:ry1 1:rx_",
        "Process 1 saw y = 1, which was written after x = 1 by the same session, and then found x empty.",
    ),
    AnomalyAbout::ours(
        WriteCoRead,
        Objects,
        2,
        "A read shows a version although a later one, which follows from it, is among the causes of the read.",
        BOUAJJANI,
    )
    .example(
        "0:wx1 0:wx2 0:wy1 1:ry1 1:rx1",
        "Process 1 saw y = 1, which was written after x = 2 by the same session, and then found the older x = 1.",
    ),
    AnomalyAbout::ours(
        CyclicCf,
        Objects,
        4,
        "No single order of conflicting writes explains the reads: who saw both writes read the one, or the other, so \
         that each of them must have come last.",
        BOUAJJANI,
    )
    .example(
        "0<wx1 1<wx2 0>wx1 1>wx2 0:rx2 1:rx1",
        "Process 0 took 2 for the later write and process 1 took 1 for it.",
    ),
    AnomalyAbout::ours(
        WriteHbInitRead,
        Objects,
        4,
        "A process read that an object was never written although, by the order in which it must have seen all writes, one \
         had come before.",
        BOUAJJANI,
    )
    .example(
        "0:wz1 0:wx1 0:wy1 1:wx2 1:rz_ 1:ry1 1:rx2",
        "Process 1 read y = 1, so it has seen x = 1, and then read x = 2: it put its 2 behind that 1. But its 2 came before \
         it found z empty, and z was written before x = 1.",
    ),
    AnomalyAbout::ours(
        CyclicHb,
        Objects,
        4,
        "The order in which a process must have seen all writes, by what it read, is a cycle: it changed its mind about \
         the past.",
        BOUAJJANI,
    )
    .example("0:wx1 1:wx2 1:rx1 1:rx2", "Process 1 saw its own 2 replaced by 1, and then 1 by 2, which was written once."),
    AnomalyAbout::ours(
        NonMonotonicRead,
        Objects,
        3,
        "A session's later read shows an older state than an earlier one of its reads had shown, whichever order the \
         versions have.",
        TERRY,
    )
    .example("0:wx1 1:rx1 1:rx_", "Process 1 saw 1, and then nothing."),
    AnomalyAbout::ours(
        NotReadYourWrites,
        Objects,
        3,
        "A session's read does not show a write that the session itself had been told to be done, nor anything newer, \
         whichever order the versions have.",
        TERRY,
    )
    .example("0:wx1 0:rx_", "Process 0 wrote 1 and found nothing."),
    AnomalyAbout::ours(
        NonMonotonicWrites,
        Objects,
        3,
        "Two writes of one session were seen in the other order, or the second without the first.",
        TERRY,
    )
    .example("0:ax1 0:ax2 1:rx2", "2 is there and 1, which the same session appended before it, is not."),
    AnomalyAbout::ours(
        NotWritesFollowReads,
        Objects,
        3,
        "A write was seen without, or before, something that its session had read before it wrote.",
        TERRY,
    )
    .example("0:ax1 1:rx1 1:ax2 2:rx2", "2 was appended by one who had seen 1, and is there without it."),
    AnomalyAbout::ours(
        Nonpram,
        Objects,
        4,
        "No order of all writes that keeps each process's writes in theirs explains what one process has read.",
        "Lipton, Sandberg: PRAM (Princeton, CS-TR-180-88, 1988).",
    )
    .example("0:wx1 0:wx2 1:rx2 1:rx1", "Process 0 wrote 1 and then 2; process 1 saw them the other way round."),
    AnomalyAbout::ours(
        Nonsequential,
        Objects,
        9,
        "No order of all operations that keeps each process's own explains what was read.",
        "Lamport: How to Make a Multiprocessor Computer That Correctly Executes Multiprocess Programs (1979).",
    )
    .example(
        "0<wx1 1<wy1 0>wx1 1>wy1 0<ry_ 1<rx_ 0>ry_ 1>rx_",
        "Each process wrote one object and then missed the other one's write: one of the writes came first.",
    ),
    AnomalyAbout::ours(
        StaleRead,
        Objects,
        12,
        "A read shows an older version than one that was certainly there when the read began.",
        "Golab, Li, Shah: Analyzing Consistency Properties for Fun and Profit (PODC 2011).",
    )
    .example("0:wx1 0:wx2 1:rx1", "The write of 2 was over when process 1 asked."),
    AnomalyAbout::ours(
        Nonlinearizable,
        Objects,
        14,
        "No order of the operations of an object that agrees with real time explains their answers.",
        "Herlihy, Wing: Linearizability (TOPLAS 12, 1990).",
    )
    .example("0:wx1 1:rx1 2:rx_", "1 was read, and later it was not there yet."),
];
