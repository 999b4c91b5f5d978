//! Clocks of hosts, as programs of many kinds see them, on a rung with a user namespace and, as root, on one without.
//!
//! The test program is the controller, its own zygote, and one of the programs. The others are compiled here, by compilers
//! that the machine may lack; what is lacking is `SKIPPED`, by name.

mod failures;
mod follow;
mod kinds;
mod lab;
mod peers;
mod places;
#[path = "../hosts/runner.rs"]
mod runner;
#[path = "../support/scratch.rs"]
mod scratch;
mod sources;
mod traps;
mod waiting;

use std::process::ExitCode;

fn main() -> ExitCode {
    nemesis::hosts::init();
    if let Some(code) = peers::run_if_asked() {
        return code;
    }
    let code = runner::run_once_each(
        &[kinds::TESTS, follow::TESTS, places::TESTS, failures::TESTS, traps::TESTS],
        runner::hosts_can_be_had,
    );
    sources::clean();
    code
}
