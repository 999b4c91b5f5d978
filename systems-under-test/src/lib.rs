//! Replicated stores that run as real processes, and everything the harness must know of a store to test it.
//!
//! - [`system`]: the interface: nodes as argv + environment + files, probes, clients, contract.
//! - [`contract`]: what a configuration promises.
//! - [`dial`]: how clients reach nodes without knowing how the network is made.

#![forbid(unsafe_code)]

pub mod contract;
pub mod dial;
pub mod system;

pub use contract::{Contract, Promise};
pub use dial::{BoxFuture, Dial, DirectDial};
pub use system::{
    Answer, Client, ClientContext, Cluster, Function, NodeCommand, NodeContext, OptionSpec, Options, OptionsError,
    Probe, Role, System,
};
