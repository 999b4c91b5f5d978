//! A generated schedule is a function of the seed, names every fault, and heals before the end.

use nemesis::fault::FaultName;
use nemesis::schedule::{Intervals, Schedule, Trigger, generate};
use nemesis::seed::Seed;
use proptest::prelude::*;

const GOLDEN: &str = include_str!("schedule_seed_7.jsonl");

/// The faults that there were at first: more names must not change what these give.
const FIRST: [FaultName; 14] = [
    FaultName::PartitionOne,
    FaultName::PartitionHalves,
    FaultName::PartitionRing,
    FaultName::Bridge,
    FaultName::OneWay,
    FaultName::PartitionRandom,
    FaultName::LeaderIsolated,
    FaultName::ClientsCut,
    FaultName::Kill,
    FaultName::KillLeader,
    FaultName::Crash,
    FaultName::CrashLeader,
    FaultName::Pause,
    FaultName::PauseLeader,
];

fn all(seed: u64, node_count: usize, duration_ms: u64) -> Schedule {
    generate(Seed(seed), &FaultName::ALL, node_count, duration_ms, &Intervals::default())
}

/// When each step comes, and when it is healed.
fn spans(schedule: &Schedule) -> Vec<(u64, u64)> {
    let span = |step: &nemesis::schedule::Step| match (&step.when, step.for_ms) {
        (Trigger::TimeMs(at), Some(ms)) => (*at, at + ms),
        other => panic!("a generated step comes at a time and is healed after a while, not {other:?}"),
    };
    schedule.steps.iter().map(span).collect()
}

/// A schedule without the kills in the middle of faults that only reads show, and when those come.
fn without_restarts(mut schedule: Schedule) -> (Schedule, Vec<(u64, u64)>) {
    let only_read = |step: &nemesis::schedule::Step| {
        let name = step.fault().expect("an injection").fault_name();
        matches!(name, FaultName::BitFlips | FaultName::MisdirectedRead)
    };
    let mut kills = Vec::new();
    let mut kept: Vec<nemesis::schedule::Step> = Vec::new();
    for step in schedule.steps {
        if kept.last().is_some_and(only_read) && kills.len() < kept.iter().filter(|step| only_read(step)).count() {
            kills.push(step);
        } else {
            kept.push(step);
        }
    }
    schedule.steps = kills;
    let times = spans(&schedule);
    schedule.steps = kept;
    (schedule, times)
}

#[test]
fn what_only_reads_show_comes_with_a_restart_of_the_same_nodes() {
    let names = [FaultName::BitFlips, FaultName::MisdirectedRead];
    let schedule = generate(Seed(3), &names, 5, 60_000, &Intervals::default());
    let pairs: Vec<_> = schedule.steps.chunks(2).collect();
    assert!(pairs.len() >= 6, "{} of them", pairs.len());
    for pair in pairs {
        let [fault, kill] = pair else { panic!("a fault without a kill: {pair:?}") };
        let (fault, kill) = (fault.fault().expect("a fault"), kill.fault().expect("a kill"));
        assert_eq!((kill.fault_name(), kill.target()), (FaultName::Kill, fault.target()));
        assert!(names.contains(&fault.fault_name()), "{fault}");
    }
    let times = spans(&schedule);
    assert!(times.chunks(2).all(|pair| pair[0].0 < pair[1].0 && pair[1].1 < pair[0].1), "{times:?}");
}

/// A change here means that old seeds no longer replay their plans: a break for everyone who noted one down.
#[test]
fn seed_7_gives_the_plan_that_it_always_gave() {
    let line = |step| serde_json::to_string(step).expect("a step is plain data") + "\n";
    let first = generate(Seed(7), &FIRST, 5, 120_000, &Intervals::default());
    let plan: String = first.steps.iter().map(line).collect();
    if std::env::var_os("SPLITBRAIN_UPDATE").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/schedule_seed_7.jsonl");
        std::fs::write(path, &plan).expect("the golden plan can be written");
        return;
    }
    assert_eq!(plan, GOLDEN, "rewrite it with SPLITBRAIN_UPDATE=1 if the break is meant");
}

#[test]
fn different_seeds_give_different_plans() {
    assert_ne!(all(1, 5, 60_000), all(2, 5, 60_000));
}

#[test]
fn no_fault_or_no_time_gives_an_empty_plan() {
    assert_eq!(generate(Seed(1), &[], 5, 60_000, &Intervals::default()), Schedule::default());
    for duration_ms in [0, 1, 100, 500] {
        assert_eq!(all(1, 5, duration_ms), Schedule::default());
    }
    let partitions = [FaultName::PartitionRing, FaultName::Bridge];
    assert_eq!(generate(Seed(1), &partitions, 2, 60_000, &Intervals::default()), Schedule::default());
}

#[test]
fn intervals_shrink_so_that_each_fault_comes_once() {
    let schedule = all(3, 5, 90_000);
    for name in FaultName::ALL {
        assert!(schedule.faults().any(|fault| fault.fault_name() == name), "{name} is missing in 90 s");
    }
}

proptest! {
    #[test]
    fn equal_seeds_give_equal_bytes(seed: u64, node_count in 1usize..=9, duration_ms in 0u64..300_000) {
        let text = |schedule: &Schedule| serde_json::to_string(schedule).expect("a schedule is plain data");
        let schedule = all(seed, node_count, duration_ms);
        prop_assert_eq!(text(&schedule), text(&all(seed, node_count, duration_ms)));
        let read: Schedule = serde_json::from_str(&text(&schedule)).expect("what was written can be read");
        prop_assert_eq!(read, schedule);
    }

    #[test]
    fn it_is_valid_and_healed_before_the_end(seed: u64, node_count in 1usize..=9, duration_ms in 0u64..300_000) {
        let schedule = all(seed, node_count, duration_ms);
        prop_assert_eq!(schedule.validate(node_count, Some(duration_ms)), vec![]);
        let (schedule, kills) = without_restarts(schedule);
        let spans = spans(&schedule);
        prop_assert!(spans.iter().chain(&kills).all(|(_, heal)| *heal < duration_ms));
        prop_assert!(spans.windows(2).all(|pair| pair[0].1 < pair[1].0), "one at a time: {:?}", spans);
    }

    #[test]
    fn every_fault_comes_when_there_is_time(seed: u64, node_count in 1usize..=9) {
        let schedule = all(seed, node_count, 120_000);
        for name in FaultName::ALL.into_iter().filter(|name| name.is_possible(node_count)) {
            prop_assert!(schedule.faults().any(|fault| fault.fault_name() == name), "{} is missing", name);
        }
    }

    #[test]
    fn no_more_nodes_are_down_than_asked_for(seed: u64, node_count in 1usize..=9, most in 1usize..=4) {
        let intervals = Intervals { max_down: Some(most), ..Intervals::default() };
        let names = [FaultName::Kill, FaultName::Crash, FaultName::Pause];
        for fault in generate(Seed(seed), &names, node_count, 120_000, &intervals).faults() {
            prop_assert!(fault.resolve(node_count, None).len() <= most);
        }
    }

    #[test]
    fn the_draws_of_one_fault_do_not_shift_the_times_of_the_next(seed: u64) {
        let times = |fault| spans(&generate(Seed(seed), &[fault], 5, 60_000, &Intervals::default()));
        prop_assert_eq!(times(FaultName::KillLeader), times(FaultName::PartitionRandom));
    }
}
