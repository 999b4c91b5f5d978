//! What can be wrong with single-leader replication on purpose. Each is a branch where the correct line stands, marked `BUG`.

use histories::Guarantee::{self, Convergence, Durability, MonotonicReads, ReadYourWrites};

use crate::specimen::bugs::Tier;
use crate::specimen::{BugSpec, Planted};
use crate::system::Options;

/// All of them: see [`ALL`] for what each is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// Not what the configuration says is waited for.
    AckBeforeSyncCopy,
    /// Memory counts as disk.
    AckBeforeFlush,
    /// A follower acknowledges what its disk does not have.
    AckOnReceive,
    /// Semi-synchronous turns asynchronous.
    DegradesSilently,
    /// Votes are given to anybody.
    PromotesShorterLog,
    /// No fencing.
    OldLeaderStays,
    /// What no leader has stays.
    KeepsUnreplicatedSuffix,
    /// A gap after set-up.
    SnapshotWithoutPosition,
    /// An entry is applied twice.
    ReplaysAppliedEntry,
    /// Errors of flushes are no errors.
    IgnoresFlushErrors,
    /// Sessions jump.
    StickyIsRandom,
    /// Waiting ends in the past.
    StaleAfterWaiting,
    /// Sessions forget.
    TokenPerConnection,
}

impl Bug {
    /// The one that is switched on.
    pub(super) fn planted(options: &Options) -> Planted<Bug> {
        let position = ALL.iter().position(|bug| Some(bug.name) == options.bug());
        position.map_or_else(Planted::default, |at| Planted::one(BUGS[at]))
    }
}

/// In the order of [`ALL`].
const BUGS: [Bug; 13] = [
    Bug::AckBeforeSyncCopy,
    Bug::AckBeforeFlush,
    Bug::AckOnReceive,
    Bug::DegradesSilently,
    Bug::PromotesShorterLog,
    Bug::OldLeaderStays,
    Bug::KeepsUnreplicatedSuffix,
    Bug::SnapshotWithoutPosition,
    Bug::ReplaysAppliedEntry,
    Bug::IgnoresFlushErrors,
    Bug::StickyIsRandom,
    Bug::StaleAfterWaiting,
    Bug::TokenPerConnection,
];

macro_rules! bug {
    ($name:literal, $tier:ident, $breaks:expr, $also:expr, $about:literal) => {
        BugSpec {
            name: $name,
            about: $about,
            breaks: $breaks,
            also: $also,
            tier: Tier::$tier,
            witness: include_str!(concat!("bugs/", $name, ".toml")),
        }
    };
}

/// Where replicas come apart it depends on the moment which of these shows it first.
const ONE_PAST: &[Guarantee] =
    &[Guarantee::ConsistentPrefix, MonotonicReads, ReadYourWrites, Convergence, Guarantee::MonotonicWrites];

/// What can be planted.
pub const ALL: &[BugSpec] = &[
    bug!(
        "ack-before-sync-copy",
        TwoFaults,
        Durability,
        &[],
        "A write is acknowledged before the synchronous follower has it."
    ),
    bug!("ack-before-flush", TwoFaults, Durability, &[], "A write is acknowledged before the leader's disk has it."),
    bug!("ack-on-receive", TwoFaults, Durability, &[], "A follower acknowledges entries before its disk has them."),
    bug!(
        "degrades-silently",
        OneFault,
        Durability,
        &[],
        "A leader that finds no synchronous follower goes on alone and says nothing."
    ),
    bug!(
        "promotes-shorter-log",
        TwoFaults,
        Durability,
        &[],
        "Votes are given to candidates whose log is behind the voter's."
    ),
    bug!(
        "old-leader-stays",
        OneFault,
        Convergence,
        &[],
        "A leader that hears of a higher epoch goes on leading: no fencing."
    ),
    bug!(
        "keeps-unreplicated-suffix",
        OneFault,
        Convergence,
        ONE_PAST,
        "An old leader that rejoins keeps what was never replicated instead of what its new leader has there."
    ),
    bug!(
        "snapshot-without-position",
        OneFault,
        Convergence,
        ONE_PAST,
        "A follower that gets a snapshot goes on from the newest entry instead of the snapshot's position: a gap."
    ),
    bug!(
        "replays-applied-entry",
        OneFault,
        Convergence,
        &[Durability],
        "A node that restarts applies the last entry of its snapshot once more."
    ),
    bug!("ignores-flush-errors", TwoFaults, Durability, &[], "A flush that failed counts as one that did not."),
    bug!("sticky-is-random", OneFault, MonotonicReads, &[], "A sticky session's replica is drawn anew for each read."),
    bug!(
        "stale-after-waiting",
        OneFault,
        ReadYourWrites,
        &[],
        "A replica that has waited long enough for the session's write answers without it."
    ),
    bug!(
        "token-per-connection",
        TwoFaults,
        ReadYourWrites,
        &[],
        "A session forgets the position of its last write when it opens a connection."
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::single_leader::SingleLeader;

    #[test]
    fn each_name_switches_on_its_own_bug() {
        for (spec, bug) in ALL.iter().zip(BUGS) {
            let set = [(Options::BUG.to_owned(), spec.name.to_owned())];
            let options = Options::new(&SingleLeader, &set).expect("there is such a bug");
            assert!(Bug::planted(&options).is(bug));
            let spelled: String = format!("{bug:?}").to_lowercase();
            assert_eq!(spec.name.replace('-', ""), spelled, "the name says which it is");
        }
        assert_eq!(ALL.len(), BUGS.len());
    }
}
