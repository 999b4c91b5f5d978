//! What happened: operations, events and histories, and everything that is written to disk about them.
//!
//! - [`operation`]: what a client asks of a replicated store, and what it answers.
//! - [`event`]: one line of a history: an invocation or a completion.
//! - [`history`]: the same in memory, typed and columnar, with interned keys and values.
//! - [`views`]: a history by process, session, key and node.
//! - [`guarantee`]: the names of the promises that systems make and checkers observe.
//! - [`mod@file`]: JSON Lines on disk, append-only, gzip when sealed.
//! - [`notation`]: a whole history on one line, for tests.

#![forbid(unsafe_code)]

pub mod event;
pub mod file;
pub mod guarantee;
pub mod history;
pub mod notation;
pub mod operation;
pub mod views;

pub use event::{Event, Kind, Process};
pub use guarantee::Guarantee;
pub use history::{
    EventIndex, Function, History, HistoryError, Irregularity, KeyId, MicroFunction, MicroOp, NodeId, Payload, ValueId,
};
pub use operation::{Completion, ItemFunction, Micro, Operation, Scalar, Value};
pub use views::{Pair, Views};

// The generators of events are written against the published interface.
#[cfg(test)]
extern crate self as histories;

#[cfg(test)]
#[path = "../tests/arbitrary/mod.rs"]
mod arbitrary;

#[cfg(test)]
#[path = "../tests/foreign/mod.rs"]
mod foreign;
