//! The driver says what is due, when it is due, once; and what to heal when it is stopped early.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use nemesis::fault::{Fault, FaultName, Target};
use nemesis::schedule::{Driver, Due, Intervals, Observed, OutputTail, Schedule, Step, Trigger, generate};
use nemesis::seed::Seed;
use proptest::prelude::*;

fn driver(toml: &str) -> Driver {
    let nodes = ["n1", "n2", "n3"].map(str::to_owned);
    let schedule = Schedule::parse("test.toml", toml, &nodes).expect("the schedule is good");
    Driver::new(&schedule).expect("its patterns are good")
}

/// `kill-leader#0 heal#0`.
fn text(due: &[Due]) -> String {
    let one = |due: &Due| match due {
        Due::Inject { id, fault, .. } => format!("{}#{}", fault.name(), id.0),
        Due::Heal { id, .. } => format!("heal#{}", id.0),
    };
    due.iter().map(one).collect::<Vec<_>>().join(" ")
}

fn seen(now_ms: u64) -> Observed<'static> {
    Observed { now_ms, ..Observed::default() }
}

fn at(driver: &mut Driver, now_ms: u64) -> String {
    text(&driver.poll(&seen(now_ms)))
}

fn prints(driver: &mut Driver, now_ms: u64, lines: &[(usize, &str)]) -> String {
    let lines: Vec<_> = lines.iter().map(|(node, line)| (*node, (*line).to_owned())).collect();
    text(&driver.poll(&Observed { lines: &lines, ..seen(now_ms) }))
}

#[test]
fn a_fault_comes_at_its_time_and_is_healed_after_its_duration() {
    let mut driver = driver("[[step]]\nat = '1s'\nafter = '500ms'\nfault = 'kill-leader'\nfor = '2s'");
    assert_eq!((at(&mut driver, 1499), driver.next_ms()), (String::new(), Some(1500)));
    assert_eq!((at(&mut driver, 1502), driver.next_ms()), ("kill-leader#0".into(), Some(3502)));
    assert_eq!(at(&mut driver, 3501), "");
    assert!(!driver.is_finished());
    assert_eq!(at(&mut driver, 3600), "heal#0");
    assert!(driver.is_finished());
    assert_eq!((at(&mut driver, 9000), driver.next_ms()), (String::new(), None));
}

#[test]
fn a_late_poll_does_everything_in_the_order_in_which_it_was_due() {
    let mut driver = driver(
        "[[step]]\nname = 'cut'\nat = '1s'\nfault = 'leader-isolated'\n\
         [[step]]\nat = '3s'\nfault = 'pause'\ntarget = 'n1'\n\
         [[step]]\nat = '2s'\nheal = 'cut'",
    );
    assert_eq!(at(&mut driver, 5000), "leader-isolated#0 heal#0 pause#1");
}

#[test]
fn heal_all_heals_the_last_first() {
    let mut driver = driver(
        "[[step]]\nat = '1s'\nfault = 'kill-leader'\n[[step]]\nat = '1s'\nfault = 'pause-leader'\nfor = '60s'\n\
         [[step]]\nat = '2s'\nheal = 'all'",
    );
    assert_eq!(at(&mut driver, 1000), "kill-leader#0 pause-leader#1");
    assert_eq!(at(&mut driver, 2000), "heal#1 heal#0");
    assert!(driver.is_finished(), "nothing is healed twice");
}

#[test]
fn acknowledged_operations_are_another_count() {
    let mut driver = driver("[[step]]\nat-acknowledged = 100\nfault = 'kill-leader'\nfor = '1s'");
    assert_eq!(text(&driver.poll(&Observed { completed: 500, acknowledged: 99, ..seen(10) })), "");
    assert_eq!(text(&driver.poll(&Observed { completed: 500, acknowledged: 100, ..seen(20) })), "kill-leader#0");
}

#[test]
fn a_new_leader_is_one_who_did_not_lead_before() {
    let mut driver = driver(
        "[[step]]\non-leader = 'any'\nfault = 'kill'\ntarget = 'n1'\ntimes = 2\n\
         [[step]]\non-leader = 'n3'\nfault = 'pause'\ntarget = 'n3'",
    );
    let mut leads = |leader| text(&driver.poll(&Observed { leader, ..seen(10) }));
    assert_eq!(leads(Some(1)), "", "it led when the watching began");
    assert_eq!(leads(None), "", "nobody is nobody new");
    assert_eq!(leads(Some(1)), "", "it came back");
    assert_eq!(leads(Some(0)), "kill#0");
    assert_eq!(leads(Some(2)), "kill#1 pause#2");
    assert_eq!(leads(Some(0)), "");
}

#[test]
fn a_step_waits_for_the_begin_or_the_end_of_another() {
    let mut driver = driver(
        "[[step]]\nname = 'cut'\nat = '1s'\nfault = 'leader-isolated'\nfor = '2s'\n\
         [[step]]\non-begin-of = 'cut'\nafter = '500ms'\nfault = 'pause'\ntarget = 'n2'\nfor = '100ms'\n\
         [[step]]\non-end-of = 'cut'\nfault = 'kill'\ntarget = 'n3'",
    );
    assert_eq!(at(&mut driver, 1000), "leader-isolated#0");
    assert_eq!(at(&mut driver, 1499), "");
    assert_eq!(at(&mut driver, 1500), "pause#1");
    assert_eq!(at(&mut driver, 1600), "heal#1");
    assert_eq!(at(&mut driver, 3000), "heal#0 kill#2");
}

#[test]
fn a_fault_ends_when_something_happens_or_at_its_limit() {
    let toml = "[[step]]\nat = '1s'\nfault = 'leader-isolated'\nuntil-leader = 'any'\nfor = '5s'\n\
                [[step]]\nat = '1s'\nfault = 'pause'\ntarget = 'n2'\nuntil-acknowledged = 10\n\
                [[step]]\nat = '1s'\nfault = 'kill'\ntarget = 'n3'\nuntil-output = 'ready'";
    let run = |events: &[(u64, u64, Option<usize>, &str)]| {
        let mut driver = driver(toml);
        let mut all = Vec::new();
        for (now_ms, acknowledged, leader, line) in events {
            let lines = [(0, (*line).to_owned())];
            let observed = Observed { acknowledged: *acknowledged, leader: *leader, lines: &lines, ..seen(*now_ms) };
            all.push(text(&driver.poll(&observed)));
        }
        all.join(" | ")
    };
    let begin = (1000, 500, Some(0), "ready");
    assert_eq!(
        run(&[begin, (1100, 509, Some(0), "not yet"), (1200, 510, Some(1), "now ready")]),
        "leader-isolated#0 pause#1 kill#2 |  | heal#0 heal#1 heal#2"
    );
    assert_eq!(run(&[begin, (6000, 500, Some(0), "")]), "leader-isolated#0 pause#1 kill#2 | heal#0");
}

#[test]
fn operations_trigger_once_and_again_after_as_many() {
    let mut driver = driver("[[step]]\nat-operation = 100\nfault = 'kill-leader'\nfor = '1s'\ntimes = 2");
    let mut done = |ms, count| text(&driver.poll(&Observed { completed: count, ..seen(ms) }));
    assert_eq!(done(10, 99), "");
    assert_eq!(done(20, 104), "kill-leader#0");
    assert_eq!(done(30, 203), "");
    assert_eq!(done(40, 204), "kill-leader#1");
    assert_eq!(done(50, 900), "");
    assert_eq!(done(1100, 900), "heal#0 heal#1");
    assert!(driver.is_finished());
}

#[test]
fn output_triggers_by_pattern_and_node() {
    let toml =
        "[[step]]\non-output = 'became leader in epoch \\d+'\noutput-of = 'n2'\nafter = '200ms'\nfault = 'kill-leader'";
    let mut driver = driver(toml);
    assert_eq!(prints(&mut driver, 100, &[(0, "became leader in epoch 1"), (1, "became leader")]), "");
    assert_eq!(prints(&mut driver, 200, &[(1, "12:00 n2 became leader in epoch 2!")]), "");
    assert_eq!(prints(&mut driver, 399, &[(1, "became leader in epoch 3")]), "", "the second match counts for nothing");
    assert_eq!(at(&mut driver, 400), "kill-leader#0");
    assert_eq!(at(&mut driver, 4000), "");
}

#[test]
fn a_pattern_of_any_node_can_count_several_times() {
    let mut driver = driver("[[step]]\non-output = 'leader'\nfault = 'kill-leader'\nfor = '1s'\ntimes = 3");
    assert_eq!(prints(&mut driver, 0, &[(0, "leader"), (2, "leader")]), "kill-leader#0 kill-leader#1");
    assert_eq!(prints(&mut driver, 10, &[(1, "leader"), (1, "leader")]), "kill-leader#2");
    assert_eq!(prints(&mut driver, 5000, &[(1, "leader")]), "heal#0 heal#1 heal#2");
    assert!(driver.is_finished());
}

#[test]
fn an_interval_repeats_and_does_not_make_up_for_what_it_missed() {
    let mut driver = driver("[[step]]\nat = '1s'\nfault = 'kill-leader'\nfor = '100ms'\nevery = '1s'\ntimes = 3");
    assert_eq!(at(&mut driver, 1000), "kill-leader#0");
    assert_eq!(at(&mut driver, 4300), "heal#0 kill-leader#1");
    assert_eq!(at(&mut driver, 4500), "heal#1");
    assert_eq!(at(&mut driver, 5000), "kill-leader#2");
    assert_eq!((at(&mut driver, 9000), driver.is_finished()), ("heal#2".into(), true));
}

#[test]
fn a_repetition_without_end_never_finishes_by_itself() {
    let mut driver = driver("[[step]]\nat = '1s'\nfault = 'kill-leader'\nfor = '100ms'\nevery = '1s'");
    for second in 1..100 {
        assert_eq!(at(&mut driver, second * 1000), format!("kill-leader#{}", second - 1));
        assert_eq!(at(&mut driver, second * 1000 + 100), format!("heal#{}", second - 1));
    }
    assert!(!driver.is_finished());
}

#[test]
fn stopped_early_it_heals_what_is_out_and_is_quiet() {
    let mut driver = driver(
        "[[step]]\nat = '1s'\nfault = 'kill-leader'\nfor = '2s'\n[[step]]\nat = '1s'\nfault = 'leader-isolated'\n\
         [[step]]\nat = '2s'\nfault = 'pause-leader'",
    );
    assert_eq!(at(&mut driver, 1500), "kill-leader#0 leader-isolated#1");
    assert_eq!(text(&driver.stop()), "heal#1 heal#0");
    assert_eq!((at(&mut driver, 9000), text(&driver.stop())), (String::new(), String::new()));
    assert!(driver.is_finished());
}

#[test]
fn a_pattern_that_is_none_names_its_step() {
    let mut step = Step::inject(0, Fault::Kill { target: Target::All }, 1);
    step.when = Trigger::Output { node: None, pattern: "(".to_owned() };
    let error = Driver::new(&Schedule { steps: vec![step] }).expect_err("the bracket is not closed");
    assert!(error.to_string().starts_with("step 1: '(' is no regular expression: "), "{error}");
}

fn scratch(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("splitbrain-tail-{}-{name}", std::process::id()));
    fs::create_dir_all(&dir).expect("a temporary directory");
    dir
}

#[test]
fn the_tail_returns_whole_lines_of_files_that_come_grow_and_shrink() {
    let dir = scratch("lines");
    let (one, two) = (dir.join("n1.out"), dir.join("n2.out"));
    let mut tail = OutputTail::new([(0, one.clone()), (1, two.clone())]);
    let mut read =
        || tail.read().into_iter().map(|(node, line)| format!("{node}:{line}")).collect::<Vec<_>>().join("|");
    assert_eq!(read(), "");
    let mut file = fs::File::create(&one).expect("a file");
    file.write_all(b"first\r\nsec").expect("written");
    assert_eq!(read(), "0:first");
    file.write_all(b"ond\n\nthird \xff\n").expect("written");
    fs::write(&two, "other\n").expect("written");
    assert_eq!(read(), "0:second|0:|0:third \u{fffd}|1:other");
    assert_eq!(read(), "");
    fs::write(&two, "new\n").expect("written");
    assert_eq!(read(), "1:new");
    fs::remove_dir_all(dir).expect("removed");
}

#[test]
fn the_tail_passes_over_what_was_there_before() {
    let dir = scratch("before");
    let path = dir.join("n1.out");
    fs::write(&path, "before\n").expect("written");
    let mut tail = OutputTail::new([(0, path.clone())]);
    assert_eq!(tail.read(), []);
    fs::write(&path, "before\nafter\n").expect("written");
    assert_eq!(tail.read(), [(0, "after".to_owned())]);
    fs::remove_dir_all(dir).expect("removed");
}

#[test]
fn the_tail_takes_a_flood_in_pieces() {
    let dir = scratch("flood");
    let path = dir.join("n1.out");
    let mut tail = OutputTail::new([(0, path.clone())]);
    fs::write(&path, "x".repeat(1 << 20)).expect("written");
    let pieces: Vec<usize> = (0..5).map(|_| tail.read().len()).collect();
    assert_eq!(pieces, [4, 4, 4, 4, 0], "a line without an end comes in pieces of 64 KiB, 256 KiB at once");
    fs::remove_dir_all(dir).expect("removed");
}

proptest! {
    #[test]
    fn every_generated_fault_is_injected_once_and_healed_once(
        seed: u64, node_count in 1usize..=9, tick in 1u64..3000
    ) {
        let schedule = generate(Seed(seed), &FaultName::ALL, node_count, 60_000, &Intervals::default());
        let mut driver = Driver::new(&schedule).expect("no patterns");
        let mut out = Vec::new();
        let mut injected = Vec::new();
        // Each poll injects a repeated step at most once: looking rarely, its last repetitions come that much later.
        let end_ms = 70_000 + 20 * tick;
        for now_ms in (0..end_ms).step_by(tick as usize) {
            for due in driver.poll(&seen(now_ms)) {
                match due {
                    Due::Inject { id, step, .. } => { out.push(id); injected.push(step) }
                    Due::Heal { id, .. } => {
                        let position = out.iter().position(|other| *other == id);
                        prop_assert!(position.is_some(), "healed, but not installed");
                        out.remove(position.unwrap_or(0));
                    }
                }
            }
        }
        prop_assert!(driver.is_finished());
        prop_assert_eq!(out, vec![]);
        injected.sort_unstable();
        // A crash loop is one step that is repeated.
        let times = |step: &Step| step.repeat.and_then(|repeat| repeat.times).unwrap_or(1) as usize;
        let steps = schedule.steps.iter().enumerate();
        let wanted: Vec<usize> = steps.flat_map(|(at, step)| std::iter::repeat_n(at, times(step))).collect();
        prop_assert_eq!(injected, wanted);
    }

    #[test]
    fn stopped_at_any_moment_it_returns_exactly_what_is_out(seed: u64, stop_ms in 0u64..60_000) {
        let schedule = generate(Seed(seed), &FaultName::ALL, 5, 60_000, &Intervals::default());
        let mut driver = Driver::new(&schedule).expect("no patterns");
        let mut out = std::collections::BTreeSet::new();
        for now_ms in (0..stop_ms).step_by(50) {
            for due in driver.poll(&seen(now_ms)) {
                match due {
                    Due::Inject { id, .. } => out.insert(id),
                    Due::Heal { id, .. } => out.remove(&id),
                };
            }
        }
        let healed: std::collections::BTreeSet<_> = driver.stop().into_iter().map(|due| match due {
            Due::Heal { id, .. } | Due::Inject { id, .. } => id,
        }).collect();
        prop_assert_eq!(healed, out);
    }
}
