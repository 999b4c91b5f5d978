//! Weak consistency: causal consistency and its kin, PRAM, session guarantees, prefixes, staleness.
//!
//! - [`sessions`]: reads and writes by sessions: causal consistency (CC, CCv, CM), PRAM.

mod causal;
mod clocks;
mod evidence;
mod memory;
mod order;
pub mod sessions;
mod table;
mod trace;
