//! Chain replication.
//!
mod bugs;
mod configuration;
mod governing;
mod history;
mod joining;
mod lease;
mod message;
mod node;
mod promises;
mod reads;
mod register;
mod system;
mod updates;
mod view;

pub use system::ChainReplication;
