//! What can be wrong with it on purpose.

use histories::Guarantee;

use crate::specimen::bugs::Tier;
use crate::specimen::{BugSpec, Planted};
use crate::system::Options;

/// One of them. What it is about says [`SPECS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// `silent-homes-counted`
    SilentHomesCounted,
    /// `stand-ins-counted-as-homes`
    StandInsCountedAsHomes,
    /// `hints-in-memory`
    HintsInMemory,
    /// `hint-overwrites-row`
    HintOverwritesRow,
    /// `hint-dropped-when-sent`
    HintDroppedWhenSent,
    /// `absence-is-older`
    AbsenceIsOlder,
    /// `tombstones-collected-by-age`
    TombstonesCollectedByAge,
    /// `answer-before-repair`
    AnswerBeforeRepair,
    /// `stamp-ignores-quorum`
    StampIgnoresQuorum,
    /// `vectors-without-dots`
    VectorsWithoutDots,
    /// `dots-reused-after-restart`
    DotsReusedAfterRestart,
    /// `partial-write-reported-failed`
    PartialWriteReportedFailed,
    /// `merkle-range-without-end`
    MerkleRangeWithoutEnd,
    /// `anti-entropy-overwrites`
    AntiEntropyOverwrites,
    /// `increment-counted-again`
    IncrementCountedAgain,
}

const fn spec(
    name: &'static str,
    about: &'static str,
    breaks: Guarantee,
    tier: Tier,
    witness: &'static str,
) -> BugSpec {
    BugSpec { name, about, breaks, also: &[], tier, witness }
}

const fn also(spec: BugSpec, also: &'static [Guarantee]) -> BugSpec {
    BugSpec { also, ..spec }
}

macro_rules! witness {
    ($name:literal) => {
        include_str!(concat!("bugs/", $name, ".toml"))
    };
}

/// All of them.
pub(super) const SPECS: &[BugSpec] = &[
    also(
        spec(
            "silent-homes-counted",
            "A home that has not answered for a while is counted as if it had.",
            Guarantee::ReadYourWrites,
            Tier::OneFault,
            witness!("silent-homes-counted"),
        ),
        &[Guarantee::Durability, Guarantee::MonotonicReads, Guarantee::CounterBounds],
    ),
    also(
        spec(
            "stand-ins-counted-as-homes",
            "A strict quorum counts nodes that only keep a hint for a home.",
            Guarantee::ReadYourWrites,
            Tier::OneFault,
            witness!("stand-ins-counted-as-homes"),
        ),
        &[Guarantee::Durability, Guarantee::MonotonicReads, Guarantee::CounterBounds],
    ),
    also(
        spec(
            "hints-in-memory",
            "A stand-in acknowledges a hint that is not on its disk.",
            Guarantee::Durability,
            Tier::TwoFaults,
            witness!("hints-in-memory"),
        ),
        &[Guarantee::CounterBounds],
    ),
    also(
        spec(
            "hint-overwrites-row",
            "A home that is handed a hint puts it in the place of what it has.",
            Guarantee::Durability,
            Tier::TwoFaults,
            witness!("hint-overwrites-row"),
        ),
        &[Guarantee::Convergence],
    ),
    also(
        spec(
            "hint-dropped-when-sent",
            "A stand-in forgets a hint when it has sent it, not when the home has it.",
            Guarantee::Durability,
            Tier::OneFault,
            witness!("hint-dropped-when-sent"),
        ),
        &[Guarantee::CounterBounds],
    ),
    spec(
        "absence-is-older",
        "A removed element is deleted instead of leaving a tombstone: who does not know of its removal brings it back.",
        Guarantee::Durability,
        Tier::OneFault,
        witness!("absence-is-older"),
    ),
    spec(
        "tombstones-collected-by-age",
        "A tombstone is collected when it is old, whether or not every replica has seen it.",
        Guarantee::Durability,
        Tier::OneFault,
        witness!("tombstones-collected-by-age"),
    ),
    spec(
        "answer-before-repair",
        "A read answers before enough homes have what it shows.",
        Guarantee::MonotonicReads,
        Tier::OneFault,
        witness!("answer-before-repair"),
    ),
    also(
        spec(
            "stamp-ignores-quorum",
            "A write is stamped by the coordinator's clock, whatever stamp the quorum was found to have.",
            Guarantee::Durability,
            Tier::OneFault,
            witness!("stamp-ignores-quorum"),
        ),
        &[Guarantee::ReadYourWrites],
    ),
    also(
        spec(
            "vectors-without-dots",
            "An update claims to have seen all earlier ones of its coordinator, also those that are still under way.",
            Guarantee::Durability,
            Tier::NoFault,
            witness!("vectors-without-dots"),
        ),
        &[Guarantee::ReadYourWrites, Guarantee::MonotonicReads, Guarantee::Convergence],
    ),
    also(
        spec(
            "dots-reused-after-restart",
            "A node that starts again is the same actor and counts its updates from 1.",
            Guarantee::Durability,
            Tier::OneFault,
            witness!("dots-reused-after-restart"),
        ),
        &[Guarantee::ReadYourWrites, Guarantee::MonotonicReads, Guarantee::CounterBounds, Guarantee::Convergence],
    ),
    spec(
        "partial-write-reported-failed",
        "A write that too few homes acknowledged is reported as one that never happens.",
        Guarantee::Durability,
        Tier::OneFault,
        witness!("partial-write-reported-failed"),
    ),
    spec(
        "merkle-range-without-end",
        "Trees are compared without the last leaf of each branch.",
        Guarantee::Convergence,
        Tier::OneFault,
        witness!("merkle-range-without-end"),
    ),
    also(
        spec(
            "anti-entropy-overwrites",
            "Rows that anti-entropy brings take the place of what is there.",
            Guarantee::Durability,
            Tier::NoFault,
            witness!("anti-entropy-overwrites"),
        ),
        &[Guarantee::ReadYourWrites, Guarantee::MonotonicReads, Guarantee::CounterBounds],
    ),
    spec(
        "increment-counted-again",
        "A coordinator that hears nothing sends an increment again as another one.",
        Guarantee::CounterBounds,
        Tier::OneFault,
        witness!("increment-counted-again"),
    ),
];

/// The one that is switched on.
pub(super) fn planted(options: &Options) -> Planted<Bug> {
    use Bug::*;
    let bug = match options.bug() {
        Some("silent-homes-counted") => SilentHomesCounted,
        Some("stand-ins-counted-as-homes") => StandInsCountedAsHomes,
        Some("hints-in-memory") => HintsInMemory,
        Some("hint-overwrites-row") => HintOverwritesRow,
        Some("hint-dropped-when-sent") => HintDroppedWhenSent,
        Some("absence-is-older") => AbsenceIsOlder,
        Some("tombstones-collected-by-age") => TombstonesCollectedByAge,
        Some("answer-before-repair") => AnswerBeforeRepair,
        Some("stamp-ignores-quorum") => StampIgnoresQuorum,
        Some("vectors-without-dots") => VectorsWithoutDots,
        Some("dots-reused-after-restart") => DotsReusedAfterRestart,
        Some("partial-write-reported-failed") => PartialWriteReportedFailed,
        Some("merkle-range-without-end") => MerkleRangeWithoutEnd,
        Some("anti-entropy-overwrites") => AntiEntropyOverwrites,
        Some("increment-counted-again") => IncrementCountedAgain,
        _ => return Planted::default(),
    };
    Planted::one(bug)
}
