//! Programs of every kind see every kind of skew, while they run.

use nemesis::clock::{ClockTier, Coverage, Skew, Strobe, Variant};
use nemesis::hosts::{HostId, HostSpec, Rung};

use crate::lab::{self, Lab, SECOND, monotonic_ns, realtime_ns};
use crate::runner::Test;
use crate::sources::{self, Kind};

pub const TESTS: &[Test] = &[
    ("programs_of_every_kind_see_every_skew_while_they_run", programs_of_every_kind_see_every_skew_while_they_run),
    ("programs_of_every_kind_live_in_the_trap_tier", programs_of_every_kind_live_in_the_trap_tier),
    ("a_changed_vdso_serves_where_a_shadow_is_not_wanted", a_changed_vdso_serves_where_a_shadow_is_not_wanted),
    ("a_strobe_is_exact_to_its_period", a_strobe_is_exact_to_its_period),
    ("a_reading_says_what_was_asked_and_what_is_seen", a_reading_says_what_was_asked_and_what_is_seen),
];

/// The kinds that are here; the others are skipped by name.
fn available(rung: Rung) -> Vec<(&'static Kind, Vec<&'static str>)> {
    let mut available = Vec::new();
    for kind in sources::kinds() {
        match &kind.argv {
            Ok(argv) => available.push((kind, argv.iter().map(String::as_str).collect())),
            Err(why) => eprintln!("SKIPPED {} programs [{rung}]: {why}", kind.name),
        }
    }
    available
}

fn programs_of_every_kind_see_every_skew_while_they_run(rung: Rung) {
    let kinds = available(rung);
    let lab = Lab::new(rung, kinds.len());
    suffer_everything(&lab, &kinds);
}

fn programs_of_every_kind_live_in_the_trap_tier(rung: Rung) {
    if !ClockTier::Trap.is_possible() {
        crate::runner::skip("waits are translated on x86-64 only");
    }
    let kinds = available(rung);
    let lab = Lab::with(rung, kinds.len(), |spec| HostSpec { clock: Some(ClockTier::Trap), ..spec });
    suffer_everything(&lab, &kinds);
}

fn a_changed_vdso_serves_where_a_shadow_is_not_wanted(rung: Rung) {
    let kinds = available(rung);
    let dynsym = |spec| HostSpec { clock: Some(ClockTier::Vdso), clock_variant: Some(Variant::Dynsym), ..spec };
    let lab = Lab::with(rung, kinds.len(), dynsym);
    suffer_everything(&lab, &kinds);
    assert_eq!(lab.hosts.read_clock(HostId(0)).unwrap().started_now, Ok(Variant::Dynsym));
}

/// One host for each kind; each skew on all of them before the next, and none of them is started again.
fn suffer_everything(lab: &Lab, kinds: &[(&Kind, Vec<&str>)]) {
    for (host, (_, argv)) in kinds.iter().enumerate() {
        lab.spawn(host, argv);
    }
    let all = |what: &str, expected: &dyn Fn(usize, i64) -> i64| {
        for (host, (kind, _)) in kinds.iter().enumerate() {
            lab.expect_offset(host, &format!("{}, {what}", kind.name), |machine| expected(host, machine));
        }
    };
    // Sets a skew and remembers when, on the machine's clock: the call looks at the clock first, and may take its time then.
    let set = |skew: Skew| -> Vec<i64> {
        let set = |host| {
            let before = realtime_ns();
            lab.set(host, skew);
            before
        };
        (0..kinds.len()).map(set).collect()
    };
    let jump = |seconds: i64| Skew { jump_ns: seconds * SECOND, ..Skew::default() };
    let drift = |drift_ppm| Skew { drift_ppm, ..Skew::default() };
    all("at first", &|_, _| 0);
    set(jump(3600));
    all("ahead by an hour", &|_, _| 3600 * SECOND);
    set(jump(-7200));
    all("behind by two hours", &|_, _| -7200 * SECOND);
    let since = set(drift(500_000));
    all("half as fast again", &|host, machine| (machine - since[host]) / 2);
    let frozen = set(drift(Skew::FREEZE_PPM));
    let gained = |host: usize| (frozen[host] - since[host]) / 2;
    all("frozen", &|host, machine| frozen[host] + gained(host) - machine);
    set(drift(0));
    all("thawed", &|_, _| 0);
    let strobe = Strobe { by_ns: 5 * SECOND, period_ns: 100_000_000 };
    let since = set(Skew { strobe: Some(strobe), ..Skew::default() });
    strobes(lab, kinds, &since);
    set(Skew::default());
    all("after all", &|_, _| 0);
}

/// Every reading is on one of the two sides, and both sides are seen.
fn strobes(lab: &Lab, kinds: &[(&Kind, Vec<&str>)], since: &[i64]) {
    for (host, (kind, _)) in kinds.iter().enumerate() {
        let mut seen = [0, 0];
        let deadline = std::time::Instant::now() + lab::DEADLINE;
        while seen.contains(&0) {
            assert!(std::time::Instant::now() < deadline, "{}: {seen:?}", kind.name);
            for reading in lab.readings(host, monotonic_ns(), 20) {
                let side = usize::from(reading.offset() > 5 * SECOND / 2);
                // A program that is interrupted between its two readings says too much; half the height is too much.
                seen[side] += usize::from((reading.offset() - side as i64 * 5 * SECOND).abs() < SECOND / 100);
                let phase = (reading.machine() - since[host]).rem_euclid(200_000_000);
                let edge = [0, 100_000_000, 200_000_000].iter().any(|edge| (phase - edge).abs() < 20_000_000);
                assert!(edge || side == usize::from(phase > 100_000_000), "{} at {phase}: {reading:?}", kind.name);
            }
        }
    }
}

fn a_strobe_is_exact_to_its_period(rung: Rung) {
    let lab = Lab::new(rung, 1);
    let strobe = Strobe { by_ns: -SECOND, period_ns: 1_000_000 };
    lab.set(0, Skew { strobe: Some(strobe), ..Skew::default() });
    lab.start(0, &["tell"]);
    let readings = lab.readings(0, monotonic_ns(), 40);
    let back = readings.iter().filter(|reading| reading.offset() < -SECOND / 2).count();
    assert!(back > 0 && back < readings.len(), "{back} of {}", readings.len());
}

fn a_reading_says_what_was_asked_and_what_is_seen(rung: Rung) {
    let lab = Lab::new(rung, 1);
    let read = || lab.hosts.read_clock(HostId(0)).unwrap();
    // Nothing runs: the clock is as asked, and nobody suffers from it.
    let idle = read();
    assert!(idle.is_as_asked() && !idle.is_effective() && idle.processes.is_empty(), "{idle:?}");
    assert_eq!(idle.asked_ns, 0);
    lab.start(0, &["tell"]);
    let skews = [
        Skew { jump_ns: 3600 * SECOND, ..Skew::default() },
        Skew { drift_ppm: 100, ..Skew::default() },
        Skew { drift_ppm: 100_000_000, ..Skew::default() },
        Skew { drift_ppm: Skew::FREEZE_PPM, jump_ns: -SECOND, ..Skew::default() },
        Skew { strobe: Some(Strobe { by_ns: 7 * SECOND, period_ns: 1_000_000 }), ..Skew::default() },
        Skew::default(),
    ];
    for skew in skews {
        lab.set(0, skew);
        let reading = read();
        assert!(reading.is_effective(), "{skew:?}: {reading:?}");
        assert!(reading.precision_ns < 200 * 1_000_000, "{reading:?}");
        assert_eq!(reading.started_now, Ok(Variant::Shadow));
        let processes: Vec<_> = reading.processes.iter().map(|p| (p.main, &p.coverage)).collect();
        assert_eq!(processes, [(true, &Coverage::Covered)]);
        assert_eq!(reading.uncovered().count(), 0);
    }
    // The probe is no process of the host and its end is no event.
    assert_eq!(lab.hosts.process_count(HostId(0)).unwrap(), 1);
    assert_eq!(lab.other_exits(), []);
    lab.hosts.kill(HostId(0)).unwrap();
    let exit = lab.wait_exit(0);
    assert_eq!((exit.signal, exit.expected), (Some(9), true));
}
