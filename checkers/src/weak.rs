//! Weak consistency: causal consistency and its kin, PRAM, session guarantees, prefixes, staleness.
//!
//! - [`sessions`]: reads and writes by sessions: causal consistency (CC, CCv, CM), PRAM, the session guarantees.
//! - [`prefix`]: does every read show a prefix of one order of writes?
//! - [`transactional`]: read committed, read atomic and causal, for transactions on registers.

mod causal;
mod clocks;
mod evidence;
mod guarantees;
mod memory;
mod order;
pub mod prefix;
mod repair;
pub mod sessions;
mod table;
mod trace;
pub mod transactional;
