//! Monotonic clocks that are skewed, and waits until a time on any skewed clock.

use std::time::Duration;

use nemesis::clock::{ClockTier, MonotonicSkew, Skew, Strobe};
use nemesis::hosts::{HostId, HostSpec, Rung};

use crate::lab::{Lab, SECOND, monotonic_ns, wait_until};
use crate::runner::{self, Test};
use crate::sources;
use crate::waiting;

pub const TESTS: &[Test] = &[
    ("waits_until_a_time_end_when_the_clock_shows_it", waits_until_a_time_end_when_the_clock_shows_it),
    ("who_waits_while_the_clock_jumps_wakes_at_the_new_time", who_waits_while_the_clock_jumps_wakes_at_the_new_time),
    ("nothing_ends_that_waits_on_a_frozen_clock", nothing_ends_that_waits_on_a_frozen_clock),
    ("waits_on_the_real_time_clock_follow_it_too", waits_on_the_real_time_clock_follow_it_too),
    ("a_wake_up_comes_through_at_once", a_wake_up_comes_through_at_once),
    ("a_storm_of_changes_loses_no_wake_up", a_storm_of_changes_loses_no_wake_up),
    ("runtimes_survive_a_storm_of_changes", runtimes_survive_a_storm_of_changes),
    ("a_monotonic_clock_never_goes_back", a_monotonic_clock_never_goes_back),
    ("system_calls_say_what_the_vdso_says", system_calls_say_what_the_vdso_says),
    (
        "nobody_is_traced_while_it_waits_and_signals_come_through",
        nobody_is_traced_while_it_waits_and_signals_come_through,
    ),
    ("a_monotonic_clock_begins_anew_with_its_machine", a_monotonic_clock_begins_anew_with_its_machine),
    ("monotonic_clocks_take_the_trap_tier", monotonic_clocks_take_the_trap_tier),
];

fn lab(rung: Rung, count: usize) -> Lab {
    if !ClockTier::Trap.is_possible() {
        runner::skip("waits are translated on x86-64 only");
    }
    Lab::with(rung, count, |spec| HostSpec { clock: Some(ClockTier::Trap), ..spec })
}

fn drift(drift_ppm: i64) -> Skew {
    Skew { monotonic: MonotonicSkew { jump_ns: 0, drift_ppm }, ..Skew::default() }
}

fn jump(seconds: i64) -> Skew {
    Skew { monotonic: MonotonicSkew { jump_ns: seconds * SECOND, drift_ppm: 0 }, ..Skew::default() }
}

/// What a program said of one wait.
#[derive(Clone, Debug)]
struct Wait {
    kind: String,
    began: i64,
    took: i64,
    late: i64,
}

/// The waits of a host's program that began after `since`, by the machine's monotonic clock.
fn waits(lab: &Lab, host: usize, since: i64) -> Vec<Wait> {
    let said = lab.said(host);
    let whole = said.rfind('\n').map_or("", |end| &said[..end]);
    let wait = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let [kind, began, took, late] = words[..] else { return None };
        let number = |word: &str| word.parse().ok();
        Some(Wait { kind: kind.to_owned(), began: number(began)?, took: number(took)?, late: number(late)? })
    };
    whole.lines().filter_map(wait).filter(|wait| wait.began > since).collect()
}

/// Waits until each of these ways was taken `count` times since, and returns them all.
#[track_caller]
fn each(lab: &Lab, host: usize, since: i64, ways: &[&str], count: usize) -> Vec<Wait> {
    let mut seen = Vec::new();
    wait_until(&format!("waits of host {host} by {ways:?}: {}", lab.errors(host)), || {
        seen = waits(lab, host, since);
        ways.iter().all(|way| seen.iter().filter(|wait| wait.kind == *way).count() >= count)
    });
    seen
}

/// Starts a program of each kind on a host of its own, waiting 100 ms at a time on the monotonic clock.
fn start_all(rung: Rung) -> (Lab, Vec<(&'static str, Vec<&'static str>)>) {
    let mut here = Vec::new();
    let mut commands = Vec::new();
    for (kind, ways) in waiting::kinds() {
        match kind.argv {
            Ok(argv) => {
                let arguments = ["monotonic", "100"].iter().chain(&ways).map(|word| (*word).to_owned());
                commands.push(argv.into_iter().chain(arguments).collect::<Vec<_>>());
                here.push((kind.name, ways));
            }
            Err(why) => eprintln!("SKIPPED {} programs that wait [{rung}]: {why}", kind.name),
        }
    }
    let lab = lab(rung, here.len());
    for (host, argv) in commands.iter().enumerate() {
        lab.spawn(host, &argv.iter().map(String::as_str).collect::<Vec<_>>());
    }
    (lab, here)
}

const MS: i64 = SECOND / 1000;

fn waits_until_a_time_end_when_the_clock_shows_it(rung: Rung) {
    let (lab, kinds) = start_all(rung);
    // 100 ms on the host's clock are so many on the machine's.
    let stages = [(0, 100), (1_000_000, 50), (-500_000, 200), (4_000_000, 20), (0, 100)];
    for (ppm, expected_ms) in stages {
        (0..kinds.len()).for_each(|host| lab.set(host, drift(ppm)));
        let since = monotonic_ns();
        for (host, (name, ways)) in kinds.iter().enumerate() {
            let seen = each(&lab, host, since, ways, 2);
            for wait in &seen {
                assert!(wait.late >= 0, "{name} at {ppm} ppm woke before its time: {wait:?}");
                assert!(wait.took >= (expected_ms - 1) * MS, "{name} at {ppm} ppm was early: {wait:?}");
            }
            for way in ways {
                let best = seen.iter().filter(|wait| wait.kind == *way).map(|wait| wait.took).min().unwrap_or(i64::MAX);
                let most = (expected_ms + 15) * MS;
                assert!(best < most, "{name} by {way} at {ppm} ppm took {} ms, not {expected_ms}", best / MS);
            }
        }
    }
}

/// Programs that wait a minute, one for each way in which a wait can be found again when the clock is set.
fn start_long(rung: Rung, clock: &str, ways: &[&str]) -> Lab {
    let argv = waiting::program().unwrap_or_else(|why| runner::skip(why));
    let lab = lab(rung, ways.len());
    for (host, way) in ways.iter().enumerate() {
        lab.spawn(host, &[&argv[0], clock, "60000", way]);
    }
    lab
}

fn all_wait(lab: &Lab, ways: &[&str]) {
    for (host, way) in ways.iter().enumerate() {
        wait_until("a beginning", || lab.said(host).contains(&format!("begin {way}\n")));
    }
    // They have said that they will, and a moment later they do.
    std::thread::sleep(Duration::from_millis(50));
}

fn who_waits_while_the_clock_jumps_wakes_at_the_new_time(rung: Rung) {
    let ways = ["sleep", "timerfd", "cond", "futex"];
    let lab = start_long(rung, "monotonic", &ways);
    // Whether they begin on a right clock or on a wrong one.
    lab.set(1, jump(5));
    all_wait(&lab, &ways);
    (0..ways.len()).for_each(|host| lab.set(host, jump(30)));
    (0..ways.len()).for_each(|host| assert_eq!(waits(&lab, host, 0).len(), 0, "too early: {}", lab.said(host)));
    (0..ways.len()).for_each(|host| lab.set(host, jump(70)));
    for (host, way) in ways.iter().enumerate() {
        let wait = &each(&lab, host, 0, &[way], 1)[0];
        assert!(wait.took < 30 * SECOND && wait.late >= 0, "{wait:?}");
    }
}

fn nothing_ends_that_waits_on_a_frozen_clock(rung: Rung) {
    let argv = waiting::program().unwrap_or_else(|why| runner::skip(why));
    let ways = ["sleep", "timerfd", "cond", "futex"];
    let lab = lab(rung, ways.len());
    (0..ways.len()).for_each(|host| lab.set(host, drift(Skew::FREEZE_PPM)));
    for (host, way) in ways.iter().enumerate() {
        lab.spawn(host, &[&argv[0], "monotonic", "100", way]);
    }
    all_wait(&lab, &ways);
    std::thread::sleep(Duration::from_millis(500));
    for host in 0..ways.len() {
        assert_eq!(waits(&lab, host, 0).len(), 0, "{}", lab.said(host));
        let reading = lab.hosts.read_clock(HostId(host)).unwrap();
        assert!(reading.is_effective(), "{reading:?}");
        assert_eq!(reading.monotonic.map(|seen| (seen.timer_ns, seen.timer_asked_ns)), Some((None, None)));
    }
    (0..ways.len()).for_each(|host| lab.set(host, Skew::default()));
    for (host, way) in ways.iter().enumerate() {
        let seen = each(&lab, host, 0, &[way], 3);
        assert!(seen[0].took >= 500 * MS, "{way}: {seen:?}");
        // Healed: 100 ms are 100 ms.
        assert!(seen[1..].iter().any(|wait| wait.took < 120 * MS), "{way}: {seen:?}");
        assert!(seen[1..].iter().all(|wait| wait.took >= 99 * MS && wait.late >= 0), "{way}: {seen:?}");
    }
}

fn waits_on_the_real_time_clock_follow_it_too(rung: Rung) {
    let ways = ["sleep", "timerfd", "cond", "futex"];
    let lab = start_long(rung, "realtime", &ways);
    all_wait(&lab, &ways);
    let back = Skew { jump_ns: -3600 * SECOND, ..Skew::default() };
    (0..ways.len()).for_each(|host| lab.set(host, back));
    std::thread::sleep(Duration::from_millis(200));
    (0..ways.len()).for_each(|host| assert_eq!(waits(&lab, host, 0).len(), 0, "too early: {}", lab.said(host)));
    let ahead = Skew { jump_ns: 61 * SECOND, ..Skew::default() };
    (0..ways.len()).for_each(|host| lab.set(host, ahead));
    let ended = |host: usize, way: &str, count| {
        let seen = each(&lab, host, 0, &[way], count);
        assert!(seen.iter().all(|wait| wait.took < 30 * SECOND), "{seen:?}");
    };
    (0..ways.len()).for_each(|host| ended(host, ways[host], 1));
    // Two minutes ahead, every other twentieth of a second.
    let strobe = Strobe { by_ns: 120 * SECOND, period_ns: 50_000_000 };
    (0..ways.len()).for_each(|host| lab.set(host, Skew { strobe: Some(strobe), ..ahead }));
    (0..ways.len()).for_each(|host| ended(host, ways[host], 2));
}

fn a_wake_up_comes_through_at_once(rung: Rung) {
    let lab = lab(rung, 1);
    lab.set(0, jump(5));
    lab.start(0, &["hand-over", "2000"]);
    let exit = lab.wait_exit(0);
    assert_eq!(exit.code, Some(0), "{}", lab.errors(0));
    assert!(lab.said(0).contains("2000 hand-overs, 0 timeouts"), "{}", lab.said(0));
}

/// Threads are recalled at every point of their way into a wait, in it, and out of it.
fn a_storm_of_changes_loses_no_wake_up(rung: Rung) {
    let lab = lab(rung, 2);
    let argv = waiting::program().unwrap_or_else(|why| runner::skip(why));
    lab.spawn(1, &[&argv[0], "monotonic", "3", "sleep", "timerfd", "cond", "futex", "timer"]);
    lab.start(0, &["hand-over", "6000"]);
    let mut changes = 0;
    while lab.hosts.process_count(HostId(0)).unwrap() > 0 {
        for host in 0..2 {
            lab.set(host, [drift(500_000), drift(-500_000), Skew::default()][changes % 3]);
        }
        changes += 1;
    }
    assert_eq!(lab.wait_exit(0).code, Some(0), "{}", lab.errors(0));
    assert!(lab.said(0).contains("6000 hand-overs, 0 timeouts"), "{}", lab.said(0));
    assert!(changes > 100, "{changes} changes");
    let seen = each(&lab, 1, 0, &["sleep", "timerfd", "cond", "futex", "timer"], 5);
    assert!(seen.iter().all(|wait| wait.late >= 0 || wait.kind == "timer"), "{seen:?}");
    assert_eq!(lab.hosts.process_count(HostId(1)).unwrap(), 1, "{}", lab.errors(1));
}

fn runtimes_survive_a_storm_of_changes(rung: Rung) {
    for kind in waiting::runtimes() {
        let argv = match &kind.argv {
            Ok(argv) => argv.iter().map(String::as_str).collect::<Vec<_>>(),
            Err(why) => {
                eprintln!("SKIPPED {} programs that wait [{rung}]: {why}", kind.name);
                continue;
            }
        };
        let lab = lab(rung, 1);
        lab.spawn(0, &argv);
        let mut changes = 0;
        while lab.hosts.process_count(HostId(0)).unwrap() > 0 {
            lab.set(0, [drift(900_000), drift(-500_000), Skew::default()][changes % 3]);
            changes += 1;
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(lab.wait_exit(0).code, Some(0), "{}: {}", kind.name, lab.errors(0));
        assert_eq!(lab.said(0).matches("done").count(), 4, "{}", kind.name);
        assert!(changes > 100, "{changes} changes");
    }
}

fn a_monotonic_clock_never_goes_back(rung: Rung) {
    let lab = lab(rung, 1);
    lab.start(0, &["watch-clocks"]);
    wait_until("a reading", || lab.said(0).contains("ok"));
    let changes = [drift(1_000_000), drift(Skew::FREEZE_PPM), drift(-900_000), jump(1), drift(50_000), Skew::default()];
    for i in 0..300 {
        lab.set(0, changes[i % changes.len()]);
        std::thread::sleep(Duration::from_micros(300 * (i % 7) as u64));
    }
    let before = lab.said(0).len();
    wait_until("more readings", || lab.said(0).len() > before + 6);
    assert!(!lab.said(0).contains("back"), "{}", lab.said(0));
    assert!(lab.hosts.read_clock(HostId(0)).unwrap().is_effective());
}

#[cfg(target_arch = "x86_64")]
fn system_calls_say_what_the_vdso_says(rung: Rung) {
    let argv = sources::raw().unwrap_or_else(|why| runner::skip(why));
    let lab = lab(rung, 1);
    lab.set(0, Skew { jump_ns: -60 * SECOND, ..jump(7200) });
    lab.spawn(0, &[&argv[0]]);
    let readings = lab.readings(0, monotonic_ns(), 5);
    let off = |reading: &crate::lab::Reading| {
        // What it took for the monotonic clock is two hours ahead, so its reading is, too.
        let machine = reading.monotonic_ns - 7200 * SECOND;
        reading.realtime_ns + 60 * SECOND - (machine + crate::lab::difference())
    };
    let best = readings.iter().map(|reading| off(reading).abs()).min().unwrap();
    assert!(best < 10 * MS, "{best} ns: {readings:?}");
    let reading = lab.hosts.read_clock(HostId(0)).unwrap();
    assert!(reading.is_effective() && reading.monotonic.is_some_and(|seen| seen.calls_agree));
}

#[cfg(not(target_arch = "x86_64"))]
fn system_calls_say_what_the_vdso_says(_: Rung) {
    runner::skip("waits are translated on x86-64 only");
}

fn nobody_is_traced_while_it_waits_and_signals_come_through(rung: Rung) {
    let lab = lab(rung, 1);
    lab.set(0, jump(5));
    lab.start(0, &["wait-under-signals"]);
    wait_until("signals", || lab.said(0).contains("signals 100\n"));
    assert!(lab.said(0).contains("TracerPid:\t0"), "{}", lab.said(0));
    assert_eq!(lab.hosts.pause(HostId(0)).unwrap(), 1, "a thread on a detour stands still like any other");
    lab.set(0, jump(6));
    assert_eq!(lab.hosts.resume(HostId(0)).unwrap(), 1);
    assert!(!lab.said(0).contains("woken"), "{}", lab.said(0));
    lab.set(0, jump(120));
    let exit = lab.wait_exit(0);
    assert_eq!(exit.code, Some(0), "{}", lab.errors(0));
    assert!(lab.said(0).contains("woken"), "{}", lab.said(0));
}

fn a_monotonic_clock_begins_anew_with_its_machine(rung: Rung) {
    let lab = lab(rung, 1);
    let host = HostId(0);
    let ahead = || {
        let monotonic = lab.hosts.read_clock(host).unwrap().monotonic.expect("the trap tier");
        assert!((monotonic.offset_ns - monotonic.asked_ns).abs() < MS, "{monotonic:?}");
        monotonic.offset_ns / SECOND
    };
    lab.set(0, jump(7));
    lab.set(0, Skew::default());
    assert_eq!(ahead(), 7, "healing takes nothing back");
    lab.set(0, jump(3));
    assert_eq!(ahead(), 10);
    lab.hosts.crash(host).unwrap();
    lab.hosts.reboot(host).unwrap();
    assert_eq!(ahead(), 3, "what is wrong is wrong from the start, and nothing else");
    lab.set(0, Skew::default());
    lab.hosts.crash(host).unwrap();
    lab.hosts.reboot(host).unwrap();
    assert_eq!(ahead(), 0);
}

fn monotonic_clocks_take_the_trap_tier(rung: Rung) {
    let lab = Lab::new(rung, 1);
    let refused = lab.hosts.set_clock(HostId(0), &jump(1)).unwrap_err().to_string();
    assert_eq!(refused, "host n0: its monotonic clocks are the machine's: it was made without the trap tier");
    assert_eq!(lab.hosts.read_clock(HostId(0)).unwrap().monotonic, None);
    let back = Skew { monotonic: MonotonicSkew { jump_ns: -1, drift_ppm: 0 }, ..Skew::default() };
    assert!(lab.hosts.set_clock(HostId(0), &back).unwrap_err().to_string().contains("it never goes back"));
}
