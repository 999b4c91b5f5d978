//! Faults and their undoing: the machine inside the machine, the wire between its hosts, schedules and the ledger.
//!
//! - [`hosts`]: network, mount, PID, UTS and IPC namespaces; processes; three different downs.
//! - [`wire`]: the network: a single-threaded switch with a policy per link.
//! - [`clock`]: a real-time clock per host, read by its own programs.
//! - [`disk`]: disks in memory that lose what was not fsynced, and misbehave as told.
//! - [`data`]: what a node has kept: emptied, set back, damaged while it is down.
//! - [`doctor`]: what this machine can do, found out by doing.
//! - [`fault`]: the vocabulary of faults, as data.
//! - [`schedule`]: which fault when: generated from the seed, or written by hand.
//! - [`injector`]: installs faults, heals them, keeps the ledger, says what each one did.
//! - [`seed`]: one named stream of random numbers per purpose.

#![deny(unsafe_code)]

pub mod clock;
pub mod data;
pub mod disk;
pub mod doctor;
pub mod fault;
pub mod hosts;
pub mod injector;
pub mod schedule;
pub mod seed;
#[allow(unsafe_code)]
mod sys;
pub mod wire;
