//! What a system is, to the harness. Nothing here is for bundled systems only: a store described by a file,
//! written in any language, is given and asked exactly the same.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use histories::{Completion, Operation};
use serde_json::Value as Json;

use crate::contract::{Contract, Core};
use crate::dial::{BoxFuture, Dial};
use crate::specimen::BugSpec;

/// One setting of a system.
#[derive(Clone, Copy, Debug)]
pub struct OptionSpec {
    /// Name, as in `--set replication=async`.
    pub name: &'static str,
    /// The value when it is not set.
    pub default: &'static str,
    /// The allowed values; empty when it is not a choice (a duration, a number): then [`System::validate`] judges.
    pub choices: &'static [&'static str],
    /// One sentence.
    pub help: &'static str,
}

/// The settings of one configuration: every option of the system, set or default.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Options(BTreeMap<String, String>);

/// A setting that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// The system has no option of this name.
    #[error("{system} has no option '{name}'")]
    Unknown {
        /// The system.
        system: String,
        /// What was asked.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// The system has no planted bug of this name.
    #[error("{system} has no planted bug '{name}'")]
    Bug {
        /// The system.
        system: String,
        /// What was asked.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// The option does not take this value.
    #[error("option '{name}' does not take '{value}': {expected}")]
    Value {
        /// The option.
        name: String,
        /// What was given.
        value: String,
        /// What it takes.
        expected: String,
    },
    /// These options do not go together.
    #[error("{0}")]
    Combination(String),
}

impl Options {
    /// Not an option of any system: the planted bug that is switched on, if one is.
    pub const BUG: &'static str = "bug";

    /// The planted bug that is switched on.
    pub fn bug(&self) -> Option<&str> {
        self.0.get(Self::BUG).map(String::as_str)
    }

    /// The defaults with `set` laid over them. Names and choices are checked here, all else by [`System::validate`].
    pub fn new(system: &dyn System, set: &[(String, String)]) -> Result<Self, OptionsError> {
        let specs = system.options();
        let mut values: BTreeMap<String, String> =
            specs.iter().map(|s| (s.name.to_owned(), s.default.to_owned())).collect();
        for (name, value) in set {
            if name == Self::BUG {
                values.insert(name.clone(), known_bug(system, value)?.name.to_owned());
                continue;
            }
            let Some(spec) = specs.iter().find(|s| s.name == name) else {
                return Err(OptionsError::Unknown {
                    system: system.name().to_owned(),
                    name: name.clone(),
                    known: specs.iter().map(|s| s.name.to_owned()).collect(),
                });
            };
            if !spec.choices.is_empty() && !spec.choices.contains(&value.as_str()) {
                let expected = format!("one of {}", spec.choices.join(", "));
                return Err(OptionsError::Value { name: name.clone(), value: value.clone(), expected });
            }
            values.insert(name.clone(), value.clone());
        }
        let options = Options(values);
        system.validate(&options)?;
        Ok(options)
    }

    /// The value of an option. Panics when the system has no such option: that is a mistake in its code.
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).unwrap_or_else(|| panic!("no option {name}"))
    }

    /// All of them, ordered by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }
}

fn known_bug<'a>(system: &'a dyn System, name: &str) -> Result<&'a BugSpec, OptionsError> {
    system.bugs().iter().find(|bug| bug.name == name).ok_or_else(|| OptionsError::Bug {
        system: system.name().to_owned(),
        name: name.to_owned(),
        known: system.bugs().iter().map(|bug| bug.name.to_owned()).collect(),
    })
}

/// The nodes of one run: names and addresses.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// `n1`, `n2`, … with the address that each has for its peers and for clients.
    pub nodes: Vec<(String, IpAddr)>,
}

/// What a node is started from.
#[derive(Clone, Debug)]
pub struct NodeContext {
    /// Its name, which resolves to its address on every node.
    pub name: String,
    /// Its position in [`Cluster::nodes`].
    pub position: usize,
    /// Its own directory, kept over restarts and crashes. The path is the same inside and outside of the node.
    pub data_dir: PathBuf,
    /// Every node of the run, itself included.
    pub cluster: Cluster,
    /// This program: bundled nodes are a hidden subcommand of it.
    pub own_program: PathBuf,
}

/// How to start a node: what an external system's node is started from, and no more.
#[derive(Clone, Debug, Default)]
pub struct NodeCommand {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Environment; nothing is inherited but `PATH`.
    pub env: BTreeMap<String, String>,
    /// Files to write into the data directory before the first start: relative path and content.
    pub files: Vec<(PathBuf, String)>,
}

/// What a node says of itself when probed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Whether it takes part: it can be asked for what its role allows.
    pub ready: bool,
    /// Its role.
    pub role: Role,
    /// The epoch (term, generation) in which it has that role, where the system has such a number.
    pub epoch: Option<u64>,
    /// How far its log goes, where it has one.
    pub position: Option<u64>,
    /// What it is in the words of its protocol (`head`, `candidate`), where it says so.
    pub duty: Option<String>,
}

/// The role of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It takes writes, or believes so.
    Leader,
    /// It follows another.
    Follower,
    /// Not known, or the system has no such roles.
    Unknown,
}

/// Where a client stands.
#[derive(Clone)]
pub struct ClientContext {
    /// The nodes.
    pub cluster: Cluster,
    /// Opens connections from the client's side of the network.
    pub dial: Arc<dyn Dial>,
    /// The session on whose behalf it asks.
    pub session: u32,
    /// Which node it should prefer, by position, as a load balancer would spread clients; taken modulo the
    /// number of nodes.
    pub preferred: usize,
    /// How long one operation may take; the harness also cuts it off a little later.
    pub timeout: Duration,
}

/// A client: connection code for one process. It is dropped when its process is retired.
pub trait Client: Send {
    /// Asks for one operation and waits for the answer, at most [`ClientContext::timeout`].
    ///
    /// `Fail` only for what certainly never happens (never sent, refused before any effect); every doubt is
    /// `Info`. A read that was not answered has no effect and may be `Fail`.
    fn invoke<'a>(&'a mut self, operation: &'a Operation) -> BoxFuture<'a, Answer>;
}

/// A completion, and which node gave it.
#[derive(Clone, Debug)]
pub struct Answer {
    /// How it ended.
    pub completion: Completion,
    /// Position in [`Cluster::nodes`] of the node that answered or was asked last, where known.
    pub node: Option<usize>,
}

/// What workloads may ask of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Function {
    /// Read a register.
    Read,
    /// Write a register.
    Write,
    /// Compare and set.
    Cas,
    /// Append to a list, read the whole list.
    Append,
    /// Add to a set, read the whole set.
    Add,
    /// Remove an element from a set.
    Remove,
    /// Increment a counter, read it.
    Increment,
    /// Several of these in one transaction.
    Txn,
}

/// A store that can be tested.
pub trait System: Send + Sync {
    /// Name, as in `splitbrain test single-leader`.
    fn name(&self) -> &str;

    /// One sentence.
    fn about(&self) -> &str;

    /// Its settings.
    fn options(&self) -> &[OptionSpec];

    /// What can be wrong with it on purpose.
    fn bugs(&self) -> &[BugSpec] {
        &[]
    }

    /// Checks what [`OptionSpec`] cannot say: numbers, durations, combinations.
    fn validate(&self, options: &Options) -> Result<(), OptionsError>;

    /// What workloads may ask of it.
    fn functions(&self) -> &[Function];

    /// How to start a node.
    fn node(&self, context: &NodeContext, options: &Options) -> NodeCommand;

    /// Where a node listens for clients (the harness waits for it and points clients at it).
    fn client_address(&self, node: IpAddr) -> SocketAddr;

    /// Asks one node for its state. `None` when it does not answer within `timeout`.
    fn probe<'a>(
        &'a self,
        node: usize,
        cluster: &'a Cluster,
        dial: &'a dyn Dial,
        timeout: Duration,
    ) -> BoxFuture<'a, Option<Probe>>;

    /// Everything that one node holds, for comparison after the faults; `None` when the system cannot tell or the
    /// node does not answer. The JSON has one member per key.
    fn dump<'a>(
        &'a self,
        node: usize,
        cluster: &'a Cluster,
        dial: &'a dyn Dial,
        timeout: Duration,
    ) -> BoxFuture<'a, Option<Json>>;

    /// What an operator wants of one node, such as `["promote"]`: what it answers, or why it refuses. `None` when it does not answer
    /// within `timeout`, or the system takes no orders.
    fn order<'a>(
        &'a self,
        _node: usize,
        _words: &'a [String],
        _cluster: &'a Cluster,
        _dial: &'a dyn Dial,
        _timeout: Duration,
    ) -> BoxFuture<'a, Option<Result<String, String>>> {
        Box::pin(std::future::ready(None))
    }

    /// Makes a client.
    fn client(&self, context: ClientContext, options: &Options) -> Box<dyn Client>;

    /// What this configuration promises.
    fn contract(&self, options: &Options, node_count: usize) -> Contract;

    /// Which nodes suffice for this configuration to go on while the others are gone for good: what its promise of
    /// [`Liveness`](histories::Guarantee::Liveness) is about.
    fn core(&self, _options: &Options, node_count: usize) -> Core {
        Core::majority(node_count)
    }
}
