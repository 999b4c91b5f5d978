//! How a configuration is set, and who leads in it.

use crate::specimen::settings::{duration, switch};
use crate::specimen::{Micros, Planted};
use crate::system::{OptionSpec, Options, OptionsError};

use super::bugs::{self, Bug};

pub(super) const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "topology",
        default: "all-to-all",
        choices: &["all-to-all", "star", "circular"],
        help: "along which links leaders pass events on: everybody tells everybody, through the first of them, or round",
    },
    OptionSpec {
        name: "conflicts",
        default: "merge",
        choices: &["merge", "siblings", "last-write-wins", "custom", "avoidance"],
        help: "what becomes of concurrent writes: merge and siblings keep them all (siblings: until a session that has read them \
               replaces them), last-write-wins keeps one, custom joins lists by the resolver, avoidance gives each key a home leader",
    },
    OptionSpec {
        name: "resolver",
        default: "concatenate",
        choices: &["concatenate", "longest"],
        help: "with conflicts=custom, what becomes of lists that grew apart: all elements, or the longest list alone",
    },
    OptionSpec {
        name: "clock",
        default: "hybrid",
        choices: &["hybrid", "revision"],
        help: "what is last with last-write-wins: the latest by a hybrid clock, or what was changed most often",
    },
    OptionSpec {
        name: "detection",
        default: "async",
        choices: &["async", "sync"],
        help: "whether conflicts are found when events meet, or before the write, which all leaders then agree to and have",
    },
    OptionSpec {
        name: "followers",
        default: "off",
        choices: &["off", "on"],
        help: "whether half of the nodes, rounded down, follow one leader each instead of leading",
    },
    OptionSpec {
        name: "read-from",
        default: "leader",
        choices: &["leader", "follower"],
        help: "who answers reads of one datacentre, where it has a follower",
    },
    OptionSpec {
        name: "sessions",
        default: "sticky",
        choices: &["sticky", "roaming"],
        help: "whether a session stays with the leader of its datacentre or asks any node",
    },
    OptionSpec {
        name: "tokens",
        default: "on",
        choices: &["on", "off"],
        help: "whether nodes that lack what a session has seen let it wait",
    },
    OptionSpec {
        name: "clients",
        default: "online",
        choices: &["online", "offline"],
        help: "offline: a client whose leader it cannot reach answers by itself, and replays what it was asked when it can",
    },
    OptionSpec {
        name: "heartbeat",
        default: "50ms",
        choices: &[],
        help: "how often nodes tell each other how much they have",
    },
    OptionSpec {
        name: "reroute-after",
        default: "500ms",
        choices: &[],
        help: "how long a node may lack events, or be silent, before others go round what is in the way",
    },
    crate::specimen::settings::Failpoints::OPTION,
];

/// Along which links events go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topology {
    /// Everybody tells everybody.
    AllToAll,
    /// Through a hub.
    Star,
    /// Round and round.
    Circular,
}

/// What becomes of concurrent writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflicts {
    /// All are kept; a leader's write replaces what the leader has.
    Merge,
    /// All are kept; a session's write replaces what the session has seen.
    Siblings,
    /// One is kept.
    LastWriteWins,
    /// Lists are resolved by an application's function.
    Custom(Resolver),
    /// There are none: each key has a home.
    Avoidance,
}

/// What an application makes of lists that grew apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolver {
    /// All elements, the older branch first.
    Concatenate,
    /// The longest.
    Longest,
}

/// How a node is set.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(super) topology: Topology,
    pub(super) conflicts: Conflicts,
    /// Registers count revisions instead of asking a clock.
    pub(super) revisions: bool,
    /// All leaders agree to a write and have it before it is acknowledged.
    pub(super) sync: bool,
    pub(super) followers: bool,
    pub(super) read_from_follower: bool,
    pub(super) roaming: bool,
    pub(super) tokens: bool,
    pub(super) offline: bool,
    pub(super) heartbeat: Micros,
    pub(super) reroute_after: Micros,
    pub(super) bug: Planted<Bug>,
}

impl Settings {
    pub(super) fn new(options: &Options) -> Result<Settings, OptionsError> {
        let is = |name: &str, value: &str| options.get(name) == value;
        let settings = Settings {
            topology: match options.get("topology") {
                "star" => Topology::Star,
                "circular" => Topology::Circular,
                _ => Topology::AllToAll,
            },
            conflicts: match options.get("conflicts") {
                "siblings" => Conflicts::Siblings,
                "last-write-wins" => Conflicts::LastWriteWins,
                "custom" if is("resolver", "longest") => Conflicts::Custom(Resolver::Longest),
                "custom" => Conflicts::Custom(Resolver::Concatenate),
                "avoidance" => Conflicts::Avoidance,
                _ => Conflicts::Merge,
            },
            revisions: is("clock", "revision"),
            sync: is("detection", "sync"),
            followers: switch(options, "followers"),
            read_from_follower: is("read-from", "follower"),
            roaming: is("sessions", "roaming"),
            tokens: switch(options, "tokens"),
            offline: is("clients", "offline"),
            heartbeat: duration(options, "heartbeat")?,
            reroute_after: duration(options, "reroute-after")?,
            bug: bugs::planted(options),
        };
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), OptionsError> {
        let not_together = [
            (
                self.sync && self.conflicts == Conflicts::Avoidance,
                "where each key has a home there is no conflict to detect",
            ),
            (self.offline && self.sync, "a client that is offline cannot wait until all leaders agree"),
            (self.offline && self.roaming, "a client that works offline replays to one leader, and so stays with it"),
            (
                self.offline && self.conflicts == Conflicts::Avoidance,
                "a client that works offline has one leader, not many homes",
            ),
        ];
        match not_together.into_iter().find(|(wrong, _)| *wrong) {
            Some((_, why)) => Err(OptionsError::Combination(why.to_owned())),
            None => Ok(()),
        }
    }

    /// How many of so many nodes lead: the first ones.
    pub(super) fn leader_count(&self, nodes: usize) -> usize {
        if self.followers { nodes - nodes / 2 } else { nodes }
    }

    /// The leader of the datacentre that this node is in.
    pub(super) fn leader_of(&self, node: usize, nodes: usize) -> usize {
        let leaders = self.leader_count(nodes);
        if node < leaders { node } else { node - leaders }
    }

    /// The follower of this leader, if it has one.
    pub(super) fn follower_of(&self, leader: usize, nodes: usize) -> Option<usize> {
        let leaders = self.leader_count(nodes);
        Some(leaders + leader).filter(|follower| leader < leaders && *follower < nodes)
    }

    /// Whether an update is told what it replaces by its session, and not by its leader.
    pub(super) fn session_decides(&self) -> bool {
        self.conflicts == Conflicts::Siblings
    }

    /// Whether a register may hold several values at once.
    pub(super) fn keeps_all(&self) -> bool {
        matches!(self.conflicts, Conflicts::Merge | Conflicts::Siblings)
    }
}
