//! Simulated disks under real programs, on a rung with a user namespace and, as root, on one without.
//!
//! The test program is at once the controller, its own zygote, and the programs that use the disks (a hidden first argument).
//! Where `/dev/fuse` cannot be opened each test is `SKIPPED`, by name; so is what needs a program that is not installed. With
//! `SPLITBRAIN_REQUIRE=1` it is a failure if no rung is left.

mod damage;
mod databases;
mod ext4;
mod lab;
mod parts;
mod power;
#[path = "../hosts/runner.rs"]
mod runner;
#[path = "../support/scratch.rs"]
mod scratch;
mod works;

use std::process::ExitCode;

use nemesis::hosts::{Hosts, HostsConfig, HostsError, Rung};
use nemesis::seed::Seed;

fn main() -> ExitCode {
    nemesis::hosts::init();
    if let Some(code) = parts::run_if_asked() {
        return code;
    }
    runner::run_once_each(&[works::TESTS, power::TESTS, damage::TESTS, databases::TESTS, ext4::TESTS], disk_can_be_had)
}

fn disk_can_be_had(rung: Rung) -> Result<(), HostsError> {
    let dir = lab::Scratch::new();
    let hosts = Hosts::start(HostsConfig { rung: Some(rung), seed: Seed(0), pcap: None })?;
    hosts.add(lab::spec(&dir)).map(drop)
}
