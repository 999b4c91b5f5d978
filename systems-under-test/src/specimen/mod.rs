//! What every specimen has in common: everything about being a replicated process except the replication.
//!
//! A specimen says how it answers when a peer speaks, a client asks, time passes or something has reached the disk. That is a
//! [`Protocol`]: a state machine without sockets, files, threads or clocks, a few hundred lines that read like the paper.
//!
//! ```text
//!              hear(from, message)          send, answer, note, failpoint
//!   peers   ──────────────────────▶ ┌──────────────┐ ─────────────────────▶ at once
//!   clients ── serve(caller, ask) ─▶│   Protocol   │
//!   time    ── tick() ─────────────▶│              │ ── durably().send … ──▶ held back ┐
//!                                   └──────┬───────┘                                   │
//!                                          │ keep(record)                              │
//!                                          ▼                                           │
//!                                   ┌──────────────┐   flushed up to here              │
//!                                   │   journal    │ ──────────────────────────────────┴─▶ now they go
//!                                   └──────────────┘
//! ```
//!
//! # Durability is a word in the protocol
//!
//! Whatever a node must still know after a crash it [keeps](Context::keep) as a record in its journal; a node that starts is given
//! its records back, in order. Whatever it may say only when those records are on the disk it says
//! [durably](Context::durably); everything else it says at once. The difference between a store that loses acknowledged writes at a
//! power cut and one that does not is that one word, and it stands where the paper has it. A node can address itself too:
//! `durably().send(me, …)` is how a leader counts its own copy only when it has one.
//!
//! # Messages
//!
//! Peers keep several connections to each other, messages take either, and what was not confirmed when a connection broke is said
//! again on another. So messages arrive late, twice and out of order, for real, though each connection keeps its order; and a
//! protocol must live with all three. What it cannot count on is that a message arrives at all.
//!
//! # One protocol, two worlds
//!
//! [`node`] runs a protocol as a process: sockets, a thread for the disk, the machine's clocks. [`simulation`] runs a whole cluster of the same
//! protocol in one thread with a clock, a network and disks that it makes up from a seed, thousands of times a minute, and
//! records the history that its clients saw. [`engine`] is what both drive.
//!
//! # The parts
//!
//! - [`Protocol`] and [`Context`]: what a specimen writes, and what it is given.
//! - [`engine`]: holds back what must wait for the disk.
//! - [`journal`]: records on disk.
//! - [`node`], `peers`, `process`: a process.
//! - [`errand`], [`client`]: how a client finds who answers it, and what it says of an operation in the end.
//! - [`wire`]: what goes over connections.
//! - [`bundle`]: a specimen as a [`System`](crate::System).
//! - [`bugs`]: what can be wrong with it on purpose.
//! - [`simulation`]: many clusters a second.

pub mod bugs;
pub mod bundle;
pub mod client;
pub mod context;
pub mod engine;
pub mod errand;
pub mod journal;
pub mod node;
mod peers;
pub(crate) mod process;
pub mod settings;
pub mod simulation;
pub mod wire;

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

pub use bugs::{BugSpec, Planted};
pub use bundle::{Bundled, Specimen};
pub use context::{Caller, Context, Durably, mix};
pub use errand::Route;
pub use wire::{Ask, Outcome, RequestId};

/// Microseconds: since the node started, or since 1970 by its own clock, as is said.
pub type Micros = u64;

/// Where a node sits in its cluster.
#[derive(Clone, Debug)]
pub struct Seat {
    /// Its position.
    pub me: usize,
    /// The names of all nodes, by position.
    pub names: Vec<String>,
}

impl Seat {
    /// How many nodes there are.
    pub fn count(&self) -> usize {
        self.names.len()
    }

    /// The positions of all others.
    pub fn others(&self) -> impl Iterator<Item = usize> + use<> {
        let me = self.me;
        (0..self.count()).filter(move |node| *node != me)
    }

    /// The least number of nodes that is more than half of all.
    pub fn majority(&self) -> usize {
        self.count() / 2 + 1
    }
}

/// What a node says of itself when probed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct State {
    /// Whether it takes part: it can be asked for what its role allows.
    pub ready: bool,
    /// Whether it takes writes for others, or believes so. `None` where there are no such roles.
    pub leads: Option<bool>,
    /// What it is, in the words of its protocol: `head`, `candidate`, `leader of dc1`.
    pub role: String,
    /// The number of the reign or configuration that it obeys, where there is such a number.
    pub epoch: Option<u64>,
    /// How far its log goes, where it has one.
    pub position: Option<u64>,
}

/// A record of the journal, or a snapshot in it, makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what the journal says makes no sense: {0}")]
pub struct Garbage(pub String);

/// A replication protocol: one node of it. See the [module](self).
pub trait Protocol: Sized + 'static {
    /// How it is configured.
    type Settings: Clone + 'static;
    /// What nodes say to each other.
    type Message: Serialize + DeserializeOwned + Clone + Debug + 'static;
    /// What a node keeps.
    type Record: Serialize + DeserializeOwned + Clone + Debug + Send + 'static;

    /// A node that starts, with what it had kept when it ended: nothing at its first start.
    fn start(
        seat: Seat,
        settings: Self::Settings,
        kept: Vec<Self::Record>,
        cx: &mut Context<Self>,
    ) -> Result<Self, Garbage>;

    /// A message came. `from` may be the node itself.
    fn hear(&mut self, from: usize, message: Self::Message, cx: &mut Context<Self>);

    /// A client asks. It is answered with [`Context::answer`], now, later or never.
    fn serve(&mut self, caller: Caller, ask: Ask, cx: &mut Context<Self>);

    /// Time has passed, or something else has happened. Called often; the latest moment is what [`Context::wake_at`] was told.
    fn tick(&mut self, cx: &mut Context<Self>);

    /// The records that say the same as all that were kept so far: what a journal that has grown long is replaced by.
    fn condense(&self) -> Vec<Self::Record>;

    /// What it says of itself.
    fn state(&self) -> State;

    /// Everything it holds, an object with a member per key: what replicas are compared by.
    fn dump(&self) -> Json;

    /// What an operator wants of this node: `["promote"]`, `["leave","n3"]`. What it answers, or why it refuses.
    fn order(&mut self, words: &[String], _cx: &mut Context<Self>) -> Result<String, String> {
        Err(format!("no order is named '{}'", words.first().map_or("", String::as_str)))
    }
}
