//! What the specimens are made of: parts that every replicated store here needs and none has an idea about
//! replication in.
//!
//! - [`json`]: scalars and values as JSON.
//! - [`command`]: operations as they travel and as they stand in a log.
//! - [`store`]: the state machine: keys that hold registers, lists, sets and counters.
//! - [`frame`]: length-prefixed JSON on a connection.
//! - [`connection`]: a connection that is written without waiting.
//! - [`record`]: checksummed records in files.
//! - [`atomic`]: files that are replaced whole or not at all.

pub mod atomic;
pub mod command;
pub mod connection;
pub mod frame;
pub mod json;
pub mod record;
pub mod store;
