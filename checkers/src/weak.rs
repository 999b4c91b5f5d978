//! Weak consistency: causal consistency and its kin, PRAM, session guarantees, prefixes, staleness.
//!
//! - [`sessions`]: reads and writes by sessions: causal consistency (CC, CCv, CM), PRAM, the session guarantees.
//! - [`prefix`]: does every read show a prefix of one order of writes?
//! - [`staleness`]: how old was what each read returned?
//! - [`exactly_once`]: did anything happen twice?
//! - [`transactional`]: read committed, read atomic and causal, for transactions on registers.

mod causal;
mod clocks;
mod evidence;
pub mod exactly_once;
mod guarantees;
mod memory;
mod order;
pub mod prefix;
mod repair;
pub mod sessions;
pub mod staleness;
mod table;
mod trace;
pub mod transactional;
