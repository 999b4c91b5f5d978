//! Programs of every kind.
use crate::lab::*;
use crate::runner::Test;
use nemesis::clock::*;
use nemesis::hosts::*;
pub const TESTS: &[Test] = &[("smoke", smoke)];
fn smoke(rung: Rung) {
    let lab = Lab::new(rung, 1);
    lab.start(0, &["tell"]);
    lab.expect_offset(0, "idle", |_| 0);
    lab.set(0, Skew { jump_ns: 3600 * SECOND, ..Skew::default() });
    lab.expect_offset(0, "jump", |_| 3600 * SECOND);
    println!("{:?}", lab.hosts.read_clock(HostId(0)).unwrap());
    lab.hosts.kill(HostId(0)).unwrap();
}
