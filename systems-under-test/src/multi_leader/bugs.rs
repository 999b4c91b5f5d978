//! What can be wrong with it on purpose. Each is a branch where the correct line stands.

use histories::Guarantee;

use crate::specimen::bugs::Tier;
use crate::specimen::{BugSpec, Planted};
use crate::system::Options;

/// The planted bugs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// Stamps are the wall clock's, whatever was seen.
    WallClockAlone,
    /// Of two versions with equal time the one that was there stays.
    TieStaysAsItIs,
    /// A neighbour that was silent is never sent anything again, and nothing goes round it.
    GivesUpSilentNeighbour,
    /// Only its origin takes an event out of the ring.
    DeadOriginCirculates,
    /// An event is not sent to who it came from, but to its origin.
    LoopFilterByLastHop,
    /// A node that starts takes all that it has for sent.
    CursorAtEndOfLog,
    /// An update whose causes are missing is applied as far as there is something to update.
    DropsUpdateBeforeInsert,
    /// Events are applied as they come.
    DeliversWithoutCauses,
    /// Branches of a list are joined in the order of arrival.
    JoinsAsTheyCame,
    /// A write replaces versions that its author never saw.
    ReplacesUnseenVersions,
    /// Of several versions a read shows one.
    ShowsOneOfSeveral,
    /// A counter travels as its sum.
    ShipsCounterTotal,
    /// A leader writes without asking.
    WritesBeforeOthersAgree,
    /// A request that is asked again is executed again.
    RepeatsRequests,
    /// A client that was offline replays what it was asked last first.
    ReplaysNewestFirst,
}

/// Each with its name and what is to be known of it, in the same order.
const ALL: &[Bug] = &[
    Bug::WallClockAlone,
    Bug::TieStaysAsItIs,
    Bug::GivesUpSilentNeighbour,
    Bug::DeadOriginCirculates,
    Bug::LoopFilterByLastHop,
    Bug::CursorAtEndOfLog,
    Bug::DropsUpdateBeforeInsert,
    Bug::DeliversWithoutCauses,
    Bug::JoinsAsTheyCame,
    Bug::ReplacesUnseenVersions,
    Bug::ShowsOneOfSeveral,
    Bug::ShipsCounterTotal,
    Bug::WritesBeforeOthersAgree,
    Bug::RepeatsRequests,
    Bug::ReplaysNewestFirst,
];

pub(super) const BUGS: &[BugSpec] = &[
    BugSpec {
        name: "wall-clock-alone",
        about: "Writes are stamped by the wall clock alone, so that one which follows what was read, on a machine whose clock is behind, counts as older.",
        breaks: Guarantee::ReadYourWrites,
        also: &[Guarantee::MonotonicReads],
        tier: Tier::OneFault,
        witness: include_str!("bugs/wall-clock-alone.toml"),
    },
    BugSpec {
        name: "tie-stays-as-it-is",
        about: "Of two concurrent versions that are equally new the one that came first stays, and that is another one at each node.",
        breaks: Guarantee::Convergence,
        also: &[],
        tier: Tier::OneFault,
        witness: include_str!("bugs/tie-stays-as-it-is.toml"),
    },
    BugSpec {
        name: "gives-up-silent-neighbour",
        about: "A node of the ring that was silent for a while is never sent anything again, and nothing goes round it.",
        breaks: Guarantee::Convergence,
        also: &[Guarantee::Durability],
        tier: Tier::OneFault,
        witness: include_str!("bugs/gives-up-silent-neighbour.toml"),
    },
    BugSpec {
        name: "dead-origin-circulates",
        about: "Only its origin takes an event out of the ring: when that has gone, the event goes round and is applied each time.",
        breaks: Guarantee::Convergence,
        also: &[Guarantee::CounterBounds],
        tier: Tier::TwoFaults,
        witness: include_str!("bugs/dead-origin-circulates.toml"),
    },
    BugSpec {
        name: "loop-filter-by-last-hop",
        about: "An event is kept from going back to who sent it, and not from going back to its origin, which applies it once more.",
        breaks: Guarantee::Convergence,
        also: &[Guarantee::CounterBounds],
        tier: Tier::NoFault,
        witness: include_str!("bugs/loop-filter-by-last-hop.toml"),
    },
    BugSpec {
        name: "cursor-at-end-of-log",
        about: "A leader that starts takes everything in its log for sent, so that what nobody had is never sent.",
        breaks: Guarantee::Convergence,
        also: &[Guarantee::Durability],
        tier: Tier::TwoFaults,
        witness: include_str!("bugs/cursor-at-end-of-log.toml"),
    },
    BugSpec {
        name: "drops-update-before-insert",
        about: "An update that overtakes the insert that it depends on finds nothing to update, and is dropped.",
        breaks: Guarantee::Convergence,
        also: &[Guarantee::Durability],
        tier: Tier::OneFault,
        witness: include_str!("bugs/drops-update-before-insert.toml"),
    },
    BugSpec {
        name: "delivers-without-causes",
        about: "Events are applied as they come, so that an answer is shown before its question.",
        breaks: Guarantee::WritesFollowReads,
        also: &[Guarantee::Causal, Guarantee::ConsistentPrefix],
        tier: Tier::OneFault,
        witness: include_str!("bugs/delivers-without-causes.toml"),
    },
    BugSpec {
        name: "joins-as-they-came",
        about: "Lists that grew apart are joined in the order in which they came, and that is another one at each node.",
        breaks: Guarantee::Convergence,
        also: &[],
        tier: Tier::OneFault,
        witness: include_str!("bugs/joins-as-they-came.toml"),
    },
    BugSpec {
        name: "replaces-unseen-versions",
        about: "A write replaces whatever a node holds when it comes, concurrent versions that its author never saw among it.",
        breaks: Guarantee::Convergence,
        also: &[Guarantee::Durability],
        tier: Tier::OneFault,
        witness: include_str!("bugs/replaces-unseen-versions.toml"),
    },
    BugSpec {
        name: "shows-one-of-several",
        about: "A read of a register that holds several versions shows one of them.",
        breaks: Guarantee::Durability,
        also: &[Guarantee::ReadYourWrites, Guarantee::MonotonicReads],
        tier: Tier::OneFault,
        witness: include_str!("bugs/shows-one-of-several.toml"),
    },
    BugSpec {
        name: "ships-counter-total",
        about: "An increment travels as the sum that it made where it was asked for, and wipes out what others added.",
        breaks: Guarantee::CounterBounds,
        also: &[Guarantee::Convergence],
        tier: Tier::NoFault,
        witness: include_str!("bugs/ships-counter-total.toml"),
    },
    BugSpec {
        name: "writes-before-others-agree",
        about: "A leader that is to ask all others before it writes asks nobody, so that two replace the same version.",
        breaks: Guarantee::Durability,
        also: &[],
        tier: Tier::OneFault,
        witness: include_str!("bugs/writes-before-others-agree.toml"),
    },
    BugSpec {
        name: "repeats-requests",
        about: "A request that was executed before its leader ended, and is asked again, is executed again.",
        breaks: Guarantee::Durability,
        also: &[],
        tier: Tier::Moment,
        witness: include_str!("bugs/repeats-requests.toml"),
    },
    BugSpec {
        name: "replays-newest-first",
        about: "A client that was offline replays what it was asked last first.",
        breaks: Guarantee::MonotonicWrites,
        also: &[],
        tier: Tier::OneFault,
        witness: include_str!("bugs/replays-newest-first.toml"),
    },
];

/// The one that is switched on.
pub(super) fn planted(options: &Options) -> Planted<Bug> {
    let at = options.bug().and_then(|name| BUGS.iter().position(|spec| spec.name == name));
    at.map_or_else(Planted::default, |at| Planted::one(ALL[at]))
}
