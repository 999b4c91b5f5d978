//! File operations that fail, are slow or hang without a simulated disk, on a rung with a user namespace and, as root, on one
//! without.
//!
//! The test program is the controller, its own zygote, and one of the programs. The others are compiled here, or are those that the
//! machine has; what is lacking is `SKIPPED`, by name.

mod lab;
mod parts;
#[path = "../hosts/runner.rs"]
mod runner;
mod suffered;

use std::process::ExitCode;

fn main() -> ExitCode {
    nemesis::hosts::init();
    if let Some(code) = parts::run_if_asked() {
        return code;
    }
    runner::run_once_each(&[suffered::TESTS], runner::hosts_can_be_had)
}
