//! What can be wrong with it on purpose. Each is a branch in the code where the correct line stands.

use histories::Guarantee;

use crate::specimen::BugSpec;
use crate::specimen::bugs::Tier;

macro_rules! bugs {
    ($($bug:ident $name:literal $breaks:ident [$($also:ident),*] $tier:ident $about:literal)*) => {
        /// The planted bugs.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Bug {
            $(#[doc = $about] $bug,)*
        }

        impl Bug {
            /// The one with this name.
            pub fn named(name: &str) -> Option<Bug> {
                match name {
                    $($name => Some(Bug::$bug),)*
                    _ => None,
                }
            }
        }

        /// For whoever lists, searches or scores them.
        pub const BUGS: &[BugSpec] = &[$(BugSpec {
            name: $name,
            about: $about,
            breaks: Guarantee::$breaks,
            also: &[$(Guarantee::$also),*],
            tier: Tier::$tier,
            witness: include_str!(concat!("bugs/", $name, ".toml")),
        }),*];
    };
}

bugs! {
    AlwaysTruncates "append-always-truncates" Durability [Linearizable, StrictSerializable, Convergence] TwoFaults
        "A follower drops everything after the entries that a message brings, also when the message is an old one."
    VotesForLongerLog "votes-for-longer-log" Durability [Linearizable, StrictSerializable, Convergence] TwoFaults
        "Voters compare the lengths of logs and not the terms of their last entries."
    VotesForAnyLog "votes-for-any-log" Durability [Linearizable, StrictSerializable, Convergence] TwoFaults
        "Voters do not ask whether a candidate's log is behind their own."
    LeaderReadsUnconfirmed "leader-reads-unconfirmed" Linearizable [StrictSerializable, ReadYourWrites, MonotonicReads, CounterBounds] OneFault
        "A leader answers reads without asking whether it still leads."
    LeaseByWallClock "lease-by-wall-clock" Linearizable [StrictSerializable, ReadYourWrites, MonotonicReads, CounterBounds] TwoFaults
        "A lease is counted by a clock that can be set."
    StaleSnapshotInstalled "stale-snapshot-installed" Durability [Linearizable, StrictSerializable, Convergence] Sequence
        "A snapshot that arrives late replaces a log that has gone beyond it."
    RetryExecutedTwice "retry-executed-twice" CounterBounds [Linearizable, StrictSerializable] OneFault
        "A request that a client sends again is executed again."
    LeaderCountsUnflushed "leader-counts-unflushed" Durability [Linearizable, StrictSerializable, Convergence] Sequence
        "A leader counts its own copy before it is on its disk."
    FollowerReadsOwnState "follower-reads-own-state" Linearizable [StrictSerializable, ReadYourWrites, MonotonicReads, CounterBounds] OneFault
        "A follower answers reads with what it has executed, and does not ask how far the leader is."
    AppliesBeforeCommit "applies-before-commit" Linearizable [StrictSerializable, Convergence, Durability] OneFault
        "A leader executes entries when it writes them, and shows what nobody else has yet."
    AmnesiacVotes "amnesiac-votes" Durability [Linearizable, StrictSerializable, Convergence] TwoFaults
        "A node that has lost its disk votes and is counted as if it had not."
}
