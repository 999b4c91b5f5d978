//! A host's clock is followed wherever its processes go, and nothing else about them changes.

use std::fs;

use nemesis::clock::{ClockTier, Coverage, MonotonicSkew, Skew};
use nemesis::hosts::{HostId, HostSpec, Rung};

use crate::lab::{Lab, SECOND, own_program, wait_until};
use crate::peers;
use crate::runner::Test;

pub const TESTS: &[Test] = &[
    ("forked_children_have_the_clock_of_their_parents", forked_children_have_the_clock_of_their_parents),
    ("grandchildren_of_shells_have_the_clock", grandchildren_of_shells_have_the_clock),
    ("a_program_found_after_a_search_has_the_clock", a_program_found_after_a_search_has_the_clock),
    ("a_thread_that_becomes_a_program_has_the_clock", a_thread_that_becomes_a_program_has_the_clock),
    ("restarted_and_rebooted_hosts_keep_their_skew", restarted_and_rebooted_hosts_keep_their_skew),
    ("a_storm_of_programs_is_counted_paused_and_killed", a_storm_of_programs_is_counted_paused_and_killed),
    ("signals_do_not_disturb_the_start_of_programs", signals_do_not_disturb_the_start_of_programs),
    (
        "a_program_that_never_stops_asking_leaves_the_host_usable",
        a_program_that_never_stops_asking_leaves_the_host_usable,
    ),
    ("a_crash_amid_a_storm_leaves_nothing", a_crash_amid_a_storm_leaves_nothing),
    ("what_cannot_be_started_is_said_as_without_a_clock", what_cannot_be_started_is_said_as_without_a_clock),
    ("programs_find_what_they_find_without_a_clock", programs_find_what_they_find_without_a_clock),
    ("ends_are_reported_as_without_a_clock", ends_are_reported_as_without_a_clock),
];

const HOUR: Skew =
    Skew { jump_ns: 3600 * SECOND, drift_ppm: 0, strobe: None, monotonic: MonotonicSkew { jump_ns: 0, drift_ppm: 0 } };

fn forked_children_have_the_clock_of_their_parents(rung: Rung) {
    let lab = Lab::new(rung, 1);
    lab.set(0, HOUR);
    lab.start(0, &["fork"]);
    lab.expect_offset(0, "the child", |_| 3600 * SECOND);
    lab.set(0, Skew::default());
    lab.expect_offset(0, "the child later", |_| 0);
    let reading = lab.hosts.read_clock(HostId(0)).unwrap();
    assert_eq!(reading.processes.len(), 2);
    assert!(reading.processes.iter().all(|p| p.coverage == Coverage::Covered), "{reading:?}");
    assert_eq!(reading.processes.iter().filter(|p| p.main).count(), 1);
}

fn grandchildren_of_shells_have_the_clock(rung: Rung) {
    let lab = Lab::new(rung, 1);
    lab.set(0, HOUR);
    let inner = format!("$SELF {} tell & wait", peers::ARGUMENT);
    let outer = format!("sh -c 'env -i SELF=$SELF sh -c \"{inner}\"' ; true");
    lab.spawn(0, &["sh", "-c", &outer]);
    lab.expect_offset(0, "the grandchild", |_| 3600 * SECOND);
    let reading = lab.hosts.read_clock(HostId(0)).unwrap();
    assert!(reading.processes.len() >= 3 && reading.uncovered().count() == 0, "{reading:?}");
}

fn a_program_found_after_a_search_has_the_clock(rung: Rung) {
    let lab = Lab::new(rung, 2);
    (0..2).for_each(|host| lab.set(host, HOUR));
    lab.start(0, &["search"]);
    let path = "/no/a:/no/b:/no/c:/no/d:/usr/sbin:/sbin:/usr/bin:/bin";
    let search = format!("exec env PATH={path} sh -c '$SELF {} tell'", peers::ARGUMENT);
    lab.spawn(1, &["sh", "-c", &search]);
    (0..2).for_each(|host| lab.expect_offset(host, "after a search", |_| 3600 * SECOND));
}

fn a_thread_that_becomes_a_program_has_the_clock(rung: Rung) {
    let lab = Lab::new(rung, 1);
    lab.set(0, HOUR);
    lab.start(0, &["exec-from-thread"]);
    lab.expect_offset(0, "the program", |_| 3600 * SECOND);
    let reading = lab.hosts.read_clock(HostId(0)).unwrap();
    assert!(reading.is_effective(), "{reading:?}");
    assert_eq!(lab.other_exits(), []);
}

fn restarted_and_rebooted_hosts_keep_their_skew(rung: Rung) {
    let lab = Lab::new(rung, 2);
    let skew = Skew { jump_ns: -7200 * SECOND, drift_ppm: 500_000, ..Skew::default() };
    let before = crate::lab::realtime_ns();
    lab.set(0, skew);
    let expected = |machine: i64| -7200 * SECOND + (machine - before) / 2;
    lab.start(0, &["tell"]);
    lab.expect_offset(0, "at first", expected);
    assert_eq!(lab.hosts.kill(HostId(0)).unwrap(), 1);
    lab.hosts.restart(HostId(0)).unwrap();
    lab.expect_offset(0, "after a restart", expected);
    lab.hosts.crash(HostId(0)).unwrap();
    let down = lab.hosts.read_clock(HostId(0)).unwrap_err();
    assert_eq!(down.to_string(), "host n0: it is down");
    lab.hosts.reboot(HostId(0)).unwrap();
    assert!(lab.hosts.read_clock(HostId(0)).unwrap().is_as_asked());
    lab.hosts.restart(HostId(0)).unwrap();
    lab.expect_offset(0, "after a reboot", expected);
    // A clock that is set while its host is down is so from the reboot on.
    lab.hosts.crash(HostId(0)).unwrap();
    lab.set(0, HOUR);
    lab.hosts.reboot(HostId(0)).unwrap();
    lab.hosts.restart(HostId(0)).unwrap();
    lab.expect_offset(0, "set while down", |_| 3600 * SECOND);
    // The other host noticed nothing.
    lab.start(1, &["tell"]);
    lab.expect_offset(1, "the other", |_| 0);
}

fn a_storm_of_programs_is_counted_paused_and_killed(rung: Rung) {
    let lab = Lab::new(rung, 1);
    lab.set(0, HOUR);
    for round in 0..6 {
        lab.start(0, &["storm", "4"]);
        let said = lab.said(0).len();
        wait_until("programs", || lab.said(0).len() > said + 200);
        for _ in 0..5 {
            let paused = lab.hosts.pause(HostId(0)).unwrap();
            assert!((1..=5).contains(&paused), "{paused}");
            assert_eq!(lab.hosts.process_count(HostId(0)).unwrap(), paused, "round {round}");
            let said = lab.said(0).len();
            std::thread::sleep(std::time::Duration::from_millis(20));
            assert_eq!(lab.said(0).len(), said, "something ran while all was paused");
            let running = lab.hosts.resume(HostId(0)).unwrap();
            assert!((1..=5).contains(&running), "{running}");
            wait_until("more programs", || lab.said(0).len() > said + 100);
        }
        assert!(lab.hosts.read_clock(HostId(0)).unwrap().is_effective());
        let killed = lab.hosts.kill(HostId(0)).unwrap();
        assert!((1..=9).contains(&killed), "{killed}");
        assert_eq!(lab.hosts.process_count(HostId(0)).unwrap(), 0);
        let exit = lab.wait_exit(0);
        assert_eq!((exit.signal, exit.main, exit.expected), (Some(9), true, true));
    }
    // Children of children were never orphaned before they were killed.
    assert!(lab.other_exits().iter().all(|exit| exit.expected && !exit.main));
    let readings = lab.readings(0, 0, 100);
    assert!(readings.iter().all(|r| (r.offset() - 3600 * SECOND).abs() < SECOND), "{readings:?}");
}

fn signals_do_not_disturb_the_start_of_programs(rung: Rung) {
    let lab = Lab::new(rung, 1);
    lab.set(0, HOUR);
    let both = format!("$SELF {0} pester & exec $SELF {0} storm 4", peers::ARGUMENT);
    lab.spawn(0, &["sh", "-c", &both]);
    let readings = lab.readings(0, 0, 400);
    assert!(readings.iter().all(|r| (r.offset() - 3600 * SECOND).abs() < SECOND), "{readings:?}");
    assert_eq!(lab.errors(0), "");
    lab.hosts.kill(HostId(0)).unwrap();
    assert_eq!(lab.wait_exit(0).signal, Some(9));
}

fn a_program_that_never_stops_asking_leaves_the_host_usable(rung: Rung) {
    let lab = Lab::new(rung, 1);
    lab.set(0, HOUR);
    lab.start(0, &["ask-without-end"]);
    lab.expect_offset(0, "asked of the kernel", |_| 3600 * SECOND);
    let began = std::time::Instant::now();
    for _ in 0..10 {
        assert_eq!(lab.hosts.process_count(HostId(0)).unwrap(), 1);
        assert_eq!(lab.hosts.pause(HostId(0)).unwrap(), 1);
        assert_eq!(lab.hosts.resume(HostId(0)).unwrap(), 1);
        assert!(lab.hosts.read_clock(HostId(0)).unwrap().is_effective());
    }
    assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
    assert_eq!(lab.hosts.kill(HostId(0)).unwrap(), 1);
}

fn a_crash_amid_a_storm_leaves_nothing(rung: Rung) {
    let lab = Lab::new(rung, 1);
    for _ in 0..4 {
        lab.start(0, &["storm", "4"]);
        let said = lab.said(0).len();
        wait_until("programs", || lab.said(0).len() > said + 200);
        assert!((1..=9).contains(&lab.hosts.crash(HostId(0)).unwrap()));
        let exit = lab.wait_exit(0);
        assert_eq!((exit.signal, exit.main, exit.expected), (Some(9), true, true));
        lab.hosts.reboot(HostId(0)).unwrap();
        assert_eq!(lab.hosts.process_count(HostId(0)).unwrap(), 0);
    }
}

fn what_cannot_be_started_is_said_as_without_a_clock(rung: Rung) {
    let (with, without) = (Lab::new(rung, 1), Lab::with(rung, 1, |spec| spec));
    let text = crate::sources::keep()[0].join("text");
    fs::write(&text, "no program").unwrap();
    let text = text.display().to_string();
    let long = "x".repeat(5000);
    for argv in [&["/no/such/program"][..], &["no-such-program"], &["/etc"], &[&text], &[], &[&long]] {
        let refused = |lab: &Lab| lab.hosts.spawn(HostId(0), lab.process(0, argv)).unwrap_err().to_string();
        assert_eq!(refused(&with), refused(&without));
    }
    let zero = with.hosts.spawn(HostId(0), with.process(0, &["sh", "\0"])).unwrap_err().to_string();
    assert!(zero.starts_with("host n0: cannot start sh "), "{zero}");
    let mut process = with.process(0, &["sh"]);
    process.dir = "/no/such/dir".into();
    let refused = with.hosts.spawn(HostId(0), process).unwrap_err().to_string();
    assert_eq!(refused, "host n0: cannot enter the directory /no/such/dir: No such file or directory (os error 2)");
    // The host is none the worse for it, and no failed start is an end.
    assert_eq!(with.hosts.process_count(HostId(0)).unwrap(), 0);
    assert_eq!(with.other_exits(), []);
    with.start(0, &["tell"]);
    let twice = with.hosts.spawn(HostId(0), with.process(0, &["sh"])).unwrap_err();
    assert_eq!(twice.to_string(), "host n0: its main process runs already");
}

fn programs_find_what_they_find_without_a_clock(rung: Rung) {
    let seen = |clock| {
        let lab = Lab::with(rung, 1, |spec| HostSpec { clock, ..spec });
        lab.start(0, &["look"]);
        assert_eq!(lab.wait_exit(0).code, Some(0));
        let same = |line: &&str| {
            let start = line.split(':').next().unwrap_or_default();
            [
                "SigPnd",
                "SigBlk",
                "SigIgn",
                "SigCgt",
                "Shd",
                "Cap",
                "fds",
                "Tracer",
                "Pid",
                "PPid",
                "Uid",
                "Gid",
                "NoNewPrivs",
            ]
            .iter()
            .any(|s| start.starts_with(s))
        };
        lab.said(0).lines().filter(same).map(str::to_owned).collect::<Vec<_>>()
    };
    let (with, without) = (seen(Some(ClockTier::Vdso)), seen(None));
    assert_eq!(with, without);
    assert!(!ClockTier::Trap.is_possible() || seen(Some(ClockTier::Trap)) == without);
    assert!(with.contains(&"TracerPid:\t0".to_owned()) && with.contains(&"fds 0,1,2,3".to_owned()), "{with:?}");
}

fn ends_are_reported_as_without_a_clock(rung: Rung) {
    let lab = Lab::new(rung, 1);
    lab.spawn(0, &["sh", "-c", "exit 7"]);
    let exit = lab.wait_exit(0);
    assert_eq!((exit.code, exit.signal, exit.main, exit.expected), (Some(7), None, true, false));
    for signal in [15, 40] {
        lab.start(0, &["signal-self", &signal.to_string()]);
        let exit = lab.wait_exit(0);
        assert_eq!((exit.code, exit.signal, exit.main, exit.expected), (None, Some(signal), true, false));
    }
    // A child that outlives its parent is reported, one that does not is its parent's business.
    lab.spawn(0, &["sh", "-c", "true; /bin/true; (sleep 0.2; exit 3) & exec true"]);
    assert_eq!(lab.wait_exit(0).code, Some(0));
    let mut others = Vec::new();
    wait_until("the orphan's end", || {
        others.extend(lab.other_exits());
        !others.is_empty()
    });
    assert_eq!(others.iter().map(|exit| (exit.code, exit.main)).collect::<Vec<_>>(), [(Some(3), false)]);
    assert!(own_program().contains("clocks"));
}
