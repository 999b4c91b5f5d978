//! Chain replication as a system that the harness can test: its settings and its clients.

use histories::Operation;

use super::bugs::{BUGS, Bug};
use super::node::Node;
use super::promises;
use crate::contract::Contract;
use crate::specimen::bundle::Asker;
use crate::specimen::errand::Manners;
use crate::specimen::settings::{Failpoints, duration};
use crate::specimen::{BugSpec, Micros, Planted, Route, Specimen};
use crate::system::{Function, OptionSpec, Options, OptionsError};

/// Who answers reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// The tail.
    Tail,
    /// Every node of the chain: what is clean at once, for the rest it asks the tail.
    Craq,
}

/// All settings, understood.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who answers reads.
    pub reads: Reads,
    /// How often a node says that it is here.
    pub heartbeat: Micros,
    /// After so much silence a node is believed to be gone.
    pub suspect_after: Micros,
    /// For how long a lease is granted.
    pub lease: Micros,
    /// What is wrong on purpose.
    pub bug: Planted<Bug>,
}

impl Settings {
    /// What was not acknowledged for so long is said again.
    pub(super) fn say_again(&self) -> Micros {
        4 * self.heartbeat
    }

    fn new(options: &Options) -> Result<Settings, OptionsError> {
        let settings = Settings {
            reads: if options.get("reads") == "craq" { Reads::Craq } else { Reads::Tail },
            heartbeat: duration(options, "heartbeat")?,
            suspect_after: duration(options, "suspect-after")?,
            lease: duration(options, "lease")?,
            bug: options.bug().and_then(Bug::named).map_or_else(Planted::default, Planted::one),
        };
        for (name, value) in [("suspect-after", settings.suspect_after), ("lease", settings.lease)] {
            if value < 3 * settings.heartbeat {
                let expected = "at least three heartbeats".to_owned();
                return Err(OptionsError::Value {
                    name: name.to_owned(),
                    value: options.get(name).to_owned(),
                    expected,
                });
            }
        }
        Ok(settings)
    }
}

/// See the [module](super).
#[derive(Clone, Copy, Debug)]
pub struct ChainReplication;

impl Specimen for ChainReplication {
    type Protocol = Node;

    const NAME: &'static str = "chain";
    const ABOUT: &'static str =
        "updates pass a chain of nodes from head to tail, and what the tail has is on every disk";
    const OPTIONS: &'static [OptionSpec] = &[
        OptionSpec {
            name: "reads",
            default: "tail",
            choices: &["tail", "craq"],
            help: "who answers reads: the tail, or every node, which asks the tail about what is still in flight",
        },
        OptionSpec { name: "heartbeat", default: "50ms", choices: &[], help: "how often a node says that it is here" },
        OptionSpec {
            name: "suspect-after",
            default: "500ms",
            choices: &[],
            help: "after so much silence a node is left out of the chain",
        },
        OptionSpec {
            name: "lease",
            default: "300ms",
            choices: &[],
            help: "for how long a node may answer after a majority said so; a change of the chain waits for it",
        },
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
        Settings::new(options)
    }

    fn contract(settings: &Settings, node_count: usize) -> Contract {
        promises::contract(settings, node_count)
    }

    fn manners(_: &Settings) -> Manners {
        Manners::default()
    }

    fn route(settings: &Settings, _: Asker, operation: &Operation) -> Route {
        match (operation.is_update(), settings.reads) {
            (true, _) => Route::Leader,
            (false, Reads::Tail) => Route::Reader,
            (false, Reads::Craq) => Route::Any,
        }
    }
}
