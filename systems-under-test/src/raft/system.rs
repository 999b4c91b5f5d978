//! Its name, its settings, its clients.

use histories::Operation;

use super::Raft;
use super::bugs::{BUGS, Bug};
use super::promises;
use crate::contract::Contract;
use crate::specimen::bundle::Asker;
use crate::specimen::errand::Manners;
use crate::specimen::settings::{Failpoints, count, duration, switch};
use crate::specimen::{BugSpec, Micros, Planted, Route, Specimen};
use crate::system::{Function, OptionSpec, Options, OptionsError};

/// How a read makes sure that it is not stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// The leader asks a majority whether it still leads.
    ReadIndex,
    /// The leader relies on a majority not to elect another for a while.
    Lease,
    /// Not at all.
    Local,
}

/// Who answers reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFrom {
    /// The leader.
    Leader,
    /// Any node.
    Any,
}

/// How it is configured.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The shortest time without a leader after which a node stands.
    pub election_timeout: Micros,
    /// How often a leader is heard when nothing happens.
    pub heartbeat: Micros,
    /// After how long without a majority a leader steps down.
    pub quorum_timeout: Micros,
    /// So many entries are executed between two snapshots.
    pub snapshot_after: u64,
    /// How reads are kept from being stale.
    pub reads: Reads,
    /// Who answers them.
    pub read_from: ReadFrom,
    /// Whether requests that come again are recognised.
    pub sessions: bool,
    /// How many nodes are members at first; `None`: all.
    pub members: Option<usize>,
    /// Who stands before all others.
    pub favourite: Option<String>,
    /// What is wrong on purpose.
    pub bug: Planted<Bug>,
}

const fn option(name: &'static str, default: &'static str, help: &'static str) -> OptionSpec {
    OptionSpec { name, default, choices: &[], help }
}

/// Raft, as a system.
#[derive(Debug)]
pub struct RaftSystem;

impl Specimen for RaftSystem {
    type Protocol = Raft;

    const NAME: &'static str = "raft";
    const ABOUT: &'static str =
        "Consensus on a log: elections, replication to a majority, snapshots, linearizable reads";
    const OPTIONS: &'static [OptionSpec] = &[
        OptionSpec {
            name: "reads",
            default: "read-index",
            choices: &["read-index", "lease", "local"],
            help: "how reads are kept from being stale: the leader asks a majority, relies on its lease, or not at all",
        },
        OptionSpec {
            name: "read-from",
            default: "leader",
            choices: &["leader", "any"],
            help: "who answers reads: the leader, or any node, which asks the leader how far it must have come",
        },
        OptionSpec {
            name: "sessions",
            default: "on",
            choices: &["on", "off"],
            help: "whether clients ask again when they hear nothing, and nodes recognise requests that they have executed",
        },
        option(
            "election-timeout",
            "400ms",
            "the shortest time without a leader after which a node stands for election",
        ),
        option("heartbeat", "60ms", "how often a leader is heard when nothing happens"),
        option("quorum-timeout", "1s", "a leader that no majority has answered for so long steps down"),
        option("snapshot-after", "1000", "so many entries are executed between two snapshots"),
        option("members", "all", "how many nodes, the first ones, are members at first; others join by order"),
        option("favourite", "none", "the node that stands for election before all others, where one should"),
        Failpoints::OPTION,
    ];
    const BUGS: &'static [BugSpec] = BUGS;
    const FUNCTIONS: &'static [Function] = &[
        Function::Read,
        Function::Write,
        Function::Cas,
        Function::Append,
        Function::Add,
        Function::Increment,
        Function::Txn,
    ];

    fn settings(options: &Options) -> Result<Settings, OptionsError> {
        let whole = |name: &str, all: &str| match options.get(name) {
            text if text == all => Ok(None),
            _ => count(options, name).map(|count| Some(count as usize)),
        };
        let settings = Settings {
            election_timeout: duration(options, "election-timeout")?,
            heartbeat: duration(options, "heartbeat")?,
            quorum_timeout: duration(options, "quorum-timeout")?,
            snapshot_after: count(options, "snapshot-after")?,
            reads: match options.get("reads") {
                "lease" => Reads::Lease,
                "local" => Reads::Local,
                _ => Reads::ReadIndex,
            },
            read_from: if options.get("read-from") == "any" { ReadFrom::Any } else { ReadFrom::Leader },
            sessions: switch(options, "sessions"),
            members: whole("members", "all")?,
            favourite: Some(options.get("favourite").to_owned()).filter(|name| name != "none"),
            bug: options.bug().and_then(Bug::named).map_or(Planted::default(), Planted::one),
        };
        match settings.heartbeat * 2 > settings.election_timeout {
            true => Err(OptionsError::Combination(
                "an election-timeout must be at least two heartbeats, or followers stand while their leader is there"
                    .to_owned(),
            )),
            false => Ok(settings),
        }
    }

    fn contract(settings: &Settings, node_count: usize) -> Contract {
        promises::contract(settings, node_count)
    }

    fn manners(settings: &Settings) -> Manners {
        Manners { asks_again: settings.sessions, carries: false }
    }

    fn route(settings: &Settings, _: Asker, operation: &Operation) -> Route {
        match settings.read_from {
            ReadFrom::Any if !operation.is_update() => Route::Any,
            _ => Route::Leader,
        }
    }
}
