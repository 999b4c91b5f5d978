//! Hosts with real processes in them, on every rung of the ladder that this user can stand on.
//!
//! The test program is at once the controller, its own zygote ([`hosts::init`] comes first in `main`, which is why the
//! usual test harness cannot be used), and every server and client that runs on a host (a hidden first argument).
//!
//! A rung that the machine lacks is `SKIPPED`, by name. With `SPLITBRAIN_REQUIRE=1` it is a failure if no rung is left.

mod downs;
mod lab;
mod leftovers;
mod network;
mod odd;
mod peers;
mod places;
mod runner;
#[path = "../support/scratch.rs"]
mod scratch;

use std::process::ExitCode;

fn main() -> ExitCode {
    if std::env::var_os(odd::FORGETFUL).is_none() {
        nemesis::hosts::init();
    }
    if let Some(code) = peers::run_if_asked() {
        return code;
    }
    runner::run(&[downs::TESTS, places::TESTS, network::TESTS, leftovers::TESTS, odd::TESTS])
}
