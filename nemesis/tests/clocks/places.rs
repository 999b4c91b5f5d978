//! Whose clock it is: one host's, and nobody else's.

use nemesis::clock::{ClockTier, Skew};
use nemesis::hosts::{HostId, HostSpec, Rung};

use crate::lab::{Lab, SECOND, monotonic_ns, realtime_ns};
use crate::runner::Test;

pub const TESTS: &[Test] = &[
    (
        "each_host_has_its_own_clock_and_the_machine_keeps_its_own",
        each_host_has_its_own_clock_and_the_machine_keeps_its_own,
    ),
    ("a_host_without_a_clock_refuses_to_be_set", a_host_without_a_clock_refuses_to_be_set),
    ("impossible_skews_are_refused", impossible_skews_are_refused),
    ("the_state_page_is_safe_from_the_programs_that_read_it", the_state_page_is_safe_from_the_programs_that_read_it),
    ("the_doctor_reads_a_clock", the_doctor_reads_a_clock),
];

fn each_host_has_its_own_clock_and_the_machine_keeps_its_own(rung: Rung) {
    let lab = Lab::with(rung, 3, |spec| HostSpec { clock: (spec.name != "n2").then_some(ClockTier::Vdso), ..spec });
    let (real, monotonic) = (realtime_ns(), monotonic_ns());
    (0..3).for_each(|host| lab.start(host, &["tell"]));
    lab.set(0, Skew { jump_ns: 3600 * SECOND, ..Skew::default() });
    lab.set(1, Skew { jump_ns: -60 * SECOND, ..Skew::default() });
    lab.expect_offset(0, "the first", |_| 3600 * SECOND);
    lab.expect_offset(1, "the second", |_| -60 * SECOND);
    lab.expect_offset(2, "the one without", |_| 0);
    let (real, monotonic) = (realtime_ns() - real, monotonic_ns() - monotonic);
    assert!((real - monotonic).abs() < SECOND / 100, "the machine's clock moved: {real} {monotonic}");
}

fn a_host_without_a_clock_refuses_to_be_set(rung: Rung) {
    let lab = Lab::with(rung, 1, |spec| spec);
    let refused = lab.hosts.set_clock(HostId(0), &Skew::default()).unwrap_err();
    assert_eq!(refused.to_string(), "host n0: it was made without a clock of its own");
    assert!(lab.hosts.read_clock(HostId(0)).is_err());
}

fn impossible_skews_are_refused(rung: Rung) {
    let lab = Lab::new(rung, 1);
    let refused = lab.hosts.set_clock(HostId(0), &Skew { drift_ppm: -1_000_001, ..Skew::default() }).unwrap_err();
    assert!(refused.to_string().starts_with("host n0: a drift of -1000001 ppm is not between"), "{refused}");
    let reading = lab.hosts.read_clock(HostId(0)).unwrap();
    assert_eq!((reading.asked_ns, reading.is_as_asked()), (0, true));
}

fn the_state_page_is_safe_from_the_programs_that_read_it(rung: Rung) {
    let lab = Lab::new(rung, 1);
    lab.set(0, Skew { jump_ns: 3600 * SECOND, ..Skew::default() });
    let attack = "cd /dev/shm; ls -A; rm -rf ./.??* ./*; echo x > .splitbrain-clock; mv .splitbrain-clock y; \
        dd if=/dev/zero of=.splitbrain-clock count=8; chmod 777 .splitbrain-clock; ls -A; exec $SELF __peer tell";
    lab.spawn(0, &["sh", "-c", attack]);
    lab.expect_offset(0, "after the attack", |_| 3600 * SECOND);
    assert_eq!(lab.said(0).matches(".splitbrain-clock\n").count(), 2, "{}", lab.said(0));
    assert!(lab.hosts.read_clock(HostId(0)).unwrap().is_effective());
}

fn the_doctor_reads_a_clock(_: Rung) {
    let diagnosis = nemesis::doctor::examine();
    let check = diagnosis.checks.iter().find(|check| check.id == "clocks").expect("the check");
    assert_eq!(check.level, nemesis::doctor::Level::Ok, "{check:?}");
    assert!(check.seen.contains("shadow"), "{check:?}");
}
