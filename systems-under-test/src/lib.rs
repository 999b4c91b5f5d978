//! Replicated stores that run as real processes, and everything the harness must know of a store to test it.
//!
//! - [`system`]: the interface: nodes as argv + environment + files, probes, clients, contract.
//! - [`contract`]: what a configuration promises.
//! - [`dial`]: how clients reach nodes without knowing how the network is made.
//! - [`bundled`]: the systems that come with this crate.
//! - [`single_leader`]: the first of them: one leader, its log, its followers.
//! - [`chain`]: chain replication: a head, a tail, and everything on every disk between them.
//! - [`leaderless`]: quorums of nodes that are all alike.
//! - [`multi_leader`]: several leaders, each with a log of its own.
//! - [`raft`]: consensus, the linearizable reference.
//! - [`specimen`]: everything about being a replicated process except the replication.
//! - [`parts`]: what the specimens are made of.

#![forbid(unsafe_code)]

mod bundled;
pub mod chain;
pub mod contract;
pub mod dial;
pub mod leaderless;
pub mod multi_leader;
pub mod parts;
pub mod raft;
pub mod single_leader;
pub mod specimen;
pub mod system;
#[cfg(test)]
mod test_dir;

pub use bundled::{bundled, find, node_main};
pub use contract::{Contract, Core, Promise};
pub use dial::{BoxFuture, Dial, DirectDial};
pub use system::{
    Answer, Client, ClientContext, Cluster, Function, NodeCommand, NodeContext, OptionSpec, Options, OptionsError,
    Probe, Role, System,
};
