//! What a host looks like from inside.

use nemesis::hosts::Rung;

use crate::lab::Lab;
use crate::runner::Test;

pub const TESTS: &[Test] = &[
    ("hosts_reach_each_other_by_name", hosts_reach_each_other_by_name),
    ("a_process_finds_a_machine_of_its_own", a_process_finds_a_machine_of_its_own),
];

fn hosts_reach_each_other_by_name(rung: Rung) {
    let lab = Lab::new(rung, 2);
    lab.start(0, &["echo", "a:80"]);
    lab.wait_said(0, "listening");
    assert_eq!(lab.run(1, &["connect", "a:80", "5000"]), "connected\n");
}

fn a_process_finds_a_machine_of_its_own(rung: Rung) {
    let lab = Lab::new(rung, 1);
    let seen = lab.run(0, &["look"]);
    eprintln!("{seen}");
}
