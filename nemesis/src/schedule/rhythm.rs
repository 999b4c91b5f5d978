//! Rhythms: how the faults of a generated schedule follow each other, and how many are there at a time.
//!
//! ```text
//!   steady     network   ====    ===        ====          one after the other, seconds each, with quiet between
//!              processes      ===      ===       ====
//!   dense      network   == == = === == = == = ==         a lane each for network, processes, clocks and disks, all at once,
//!              processes = === == = == == === = ==        less than a second each: about seventy windows a minute and lane
//!   rotating   network   == == =            = == ==       dense, one lane after the other for ten seconds or so, and
//!              processes          == = ==                 every now and then none
//!   swarm                                                 each seed draws its own faults from those asked for, and one of the
//!                                                         others' rhythms: many short runs see more than one long one
//! ```
//!
//! That many combinations, few of them tried in any one run, find more than all of them in each is the finding of *Swarm
//! Testing* (Groce et al., ISSTA 2012): a fault that is always there can hide what its absence would show.
//!
//! **A budget.** Where several lanes run, processes, machines and disks are hit in a minority of nodes at a time; and disks
//! that lie or forget, and data that is lost, old or damaged, are those of one minority in the whole schedule, whatever the
//! rhythm: no cluster promises anything once most of its disks have lost something.

use serde::{Deserialize, Serialize};

use super::Schedule;
use super::draw::{between, shuffle};
use super::generate::{Intervals, Lane, cycles, generate_weighted};
use crate::fault::FaultName;
use crate::seed::{Seed, below};

/// How faults follow each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rhythm {
    /// One at a time, with quiet between.
    #[default]
    Steady,
    /// Several at a time, short ones.
    Dense,
    /// One kind after the other, with quiet periods.
    Rotating,
    /// Drawn from the seed, as is which of the faults there are at all.
    Swarm,
}

const DENSE: Intervals = Intervals { lead_in_ms: 2_000, fault_ms: (200, 1_000), quiet_ms: (100, 400), max_down: None };

/// Draws a schedule for a run of `duration_ms`: faults with their weights, which say how often each comes in
/// proportion to the others.
pub fn compose(
    seed: Seed,
    faults: &[(FaultName, u32)],
    rhythm: Rhythm,
    node_count: usize,
    duration_ms: u64,
    intervals: &Intervals,
) -> Schedule {
    let faults: Vec<_> = faults.iter().copied().filter(|(fault, _)| fault.is_possible(node_count)).collect();
    if faults.is_empty() {
        return Schedule::default();
    }
    match rhythm {
        Rhythm::Steady => generate_weighted(seed, &faults, node_count, duration_ms, intervals),
        Rhythm::Dense => dense(seed, &faults, node_count, duration_ms),
        Rhythm::Rotating => rotating(seed, &faults, node_count, duration_ms),
        Rhythm::Swarm => swarm(seed, &faults, node_count, duration_ms, intervals),
    }
}

/// What a fault has to do with: at most one of a lane at a time.
fn lane(fault: FaultName) -> &'static str {
    match fault.family() {
        "partition" | "clients-cut" | "link" => "network",
        "clock" => "clocks",
        "disk" => "disks",
        _ => "processes",
    }
}

fn lanes(faults: &[(FaultName, u32)]) -> Vec<(&'static str, Vec<(FaultName, u32)>)> {
    let of = |name: &'static str| {
        let members: Vec<_> = faults.iter().copied().filter(|(fault, _)| lane(*fault) == name).collect();
        (!members.is_empty()).then_some((name, members))
    };
    ["network", "processes", "clocks", "disks"].into_iter().filter_map(of).collect()
}

fn minority(node_count: usize) -> Option<usize> {
    Some((node_count.saturating_sub(1) / 2).max(1))
}

fn dense(seed: Seed, faults: &[(FaultName, u32)], node_count: usize, duration_ms: u64) -> Schedule {
    let intervals = Intervals { max_down: minority(node_count), lead_in_ms: lead_in(duration_ms), ..DENSE };
    let mut steps = Vec::new();
    for (name, members) in lanes(faults) {
        let lane = Lane::new(seed, name, &members, node_count);
        steps.extend(cycles(lane, intervals.lead_in_ms, duration_ms, &intervals));
    }
    Schedule::sorted(steps)
}

fn lead_in(duration_ms: u64) -> u64 {
    DENSE.lead_in_ms.min(duration_ms / 5)
}

fn rotating(seed: Seed, faults: &[(FaultName, u32)], node_count: usize, duration_ms: u64) -> Schedule {
    let intervals = Intervals { max_down: minority(node_count), ..DENSE };
    let lanes = lanes(faults);
    let mut rng = seed.stream("schedule rotation");
    let mut steps = Vec::new();
    let mut deck = Vec::new();
    let mut from = lead_in(duration_ms);
    let mut turn = 0;
    while from < duration_ms {
        let until = (from + between(&mut rng, (5_000, 15_000))).min(duration_ms);
        if deck.is_empty() {
            // One turn in three or so is quiet.
            deck.extend((0..lanes.len()).map(Some));
            deck.extend((0..lanes.len().div_ceil(2)).map(|_| None));
            shuffle(&mut rng, &mut deck);
            // A run that begins with quiet has wasted its time.
            let first_loud = deck.iter().rposition(Option::is_some).unwrap_or(0);
            let last = deck.len() - 1;
            if turn == 0 {
                deck.swap(first_loud, last);
            }
        }
        if let Some(Some(lane)) = deck.pop() {
            let (name, members) = &lanes[lane];
            let lane = Lane::new(seed, &format!("{name} {turn}"), members, node_count);
            steps.extend(cycles(lane, from, until, &intervals));
        }
        turn += 1;
        from = until;
    }
    Schedule::sorted(steps)
}

/// Each fault is in by the toss of a coin, and one is in anyway.
fn swarm(
    seed: Seed,
    faults: &[(FaultName, u32)],
    node_count: usize,
    duration_ms: u64,
    intervals: &Intervals,
) -> Schedule {
    let mut rng = seed.stream("schedule swarm");
    let certain = below(&mut rng, faults.len() as u64) as usize;
    let tossed: Vec<bool> = faults.iter().map(|_| below(&mut rng, 2) == 0).collect();
    let chosen: Vec<_> =
        faults.iter().enumerate().filter(|(at, _)| *at == certain || tossed[*at]).map(|(_, fault)| *fault).collect();
    match below(&mut rng, 4) {
        0 => generate_weighted(seed, &chosen, node_count, duration_ms, intervals),
        1 => rotating(seed, &chosen, node_count, duration_ms),
        _ => dense(seed, &chosen, node_count, duration_ms),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::Trigger;

    fn faults() -> Vec<(FaultName, u32)> {
        crate::fault::expand("all").expect("a group").into_iter().map(|fault| (fault, 1)).collect()
    }

    fn drawn(seed: u64, rhythm: Rhythm, faults: &[(FaultName, u32)], duration_ms: u64) -> Schedule {
        compose(Seed(seed), faults, rhythm, 5, duration_ms, &Intervals::default())
    }

    /// When each fault begins and ends, and in which lane.
    fn spans(schedule: &Schedule) -> Vec<(u64, u64, &'static str)> {
        let span = |step: &crate::schedule::Step| {
            let (Trigger::TimeMs(at), Some(ms)) = (&step.when, step.for_ms) else { panic!("{step:?}") };
            (*at, at + ms, lane(step.fault().expect("an injection").fault_name().without_role()))
        };
        schedule.steps.iter().map(span).collect()
    }

    #[test]
    fn dense_has_sixty_windows_a_minute_in_each_lane_and_one_at_a_time_there() {
        for seed in 0..20 {
            let schedule = drawn(seed, Rhythm::Dense, &faults(), 60_000);
            let spans = spans(&schedule);
            for name in ["network", "processes", "clocks", "disks"] {
                let lane: Vec<_> = spans.iter().filter(|span| span.2 == name).collect();
                assert!(lane.len() >= 55, "{name}: {} in a minute", lane.len());
                assert!(lane.windows(2).all(|pair| pair[0].1 < pair[1].0), "{name}");
            }
            assert!(spans.iter().all(|span| span.1 < 60_000) && spans.is_sorted_by_key(|span| span.0));
            assert_eq!(schedule.validate(5, Some(60_000)), vec![]);
        }
    }

    #[test]
    fn no_more_than_a_minority_is_down_or_without_its_disk() {
        for seed in 0..50 {
            for step in drawn(seed, Rhythm::Dense, &faults(), 60_000).steps {
                let fault = step.fault().expect("an injection");
                if matches!(lane(fault.fault_name().without_role()), "processes" | "disks") {
                    assert!(fault.resolve(5, None).len() <= 2, "{fault}");
                }
            }
        }
    }

    #[test]
    fn the_disks_that_lie_are_those_of_one_minority() {
        let hostile: Vec<_> =
            crate::fault::expand("hostile").expect("a group").into_iter().map(|fault| (fault, 1)).collect();
        for seed in 0..20 {
            let schedule = drawn(seed, Rhythm::Dense, &hostile, 60_000);
            let of_disks =
                |fault: &&crate::fault::Fault| ["disk", "wipe", "rollback", "file"].contains(&fault.family());
            let disks = schedule.faults().filter(of_disks);
            let hit: std::collections::BTreeSet<_> = disks.flat_map(|fault| fault.resolve(5, None)).collect();
            assert_eq!(hit.len(), 2);
        }
    }

    #[test]
    fn a_rotation_is_one_lane_at_a_time_with_quiet_turns() {
        for seed in 0..20 {
            let schedule = drawn(seed, Rhythm::Rotating, &faults(), 120_000);
            let spans = spans(&schedule);
            assert!(spans.windows(2).all(|pair| pair[0].1 < pair[1].0), "one at a time");
            let quiet = spans.windows(2).map(|pair| pair[1].0 - pair[0].1).max().unwrap_or(0);
            let kinds: std::collections::BTreeSet<_> = spans.iter().map(|span| span.2).collect();
            assert!(quiet >= 4_000 && kinds.len() == 4, "{quiet} ms, {kinds:?}");
        }
    }

    #[test]
    fn swarms_differ_in_their_faults() {
        let names = |seed| -> std::collections::BTreeSet<_> {
            drawn(seed, Rhythm::Swarm, &faults(), 120_000).faults().map(|fault| fault.fault_name()).collect()
        };
        let all: Vec<_> = (0..20).map(names).collect();
        assert!(all.windows(2).all(|pair| pair[0] != pair[1]));
        assert!(all.iter().all(|names| !names.is_empty() && names.len() < faults().len()));
    }

    #[test]
    fn a_weight_makes_no_fault_shorter() {
        let [one, thousand] = [1, 1000].map(|weight| drawn(3, Rhythm::Steady, &[(FaultName::Kill, weight)], 20_000));
        assert_eq!(spans(&one), spans(&thousand));
    }

    #[test]
    fn weights_are_proportions() {
        for rhythm in [Rhythm::Steady, Rhythm::Dense] {
            let schedule = drawn(3, rhythm, &[(FaultName::Kill, 3), (FaultName::Pause, 1)], 400_000);
            let of = |name| schedule.faults().filter(|fault| fault.fault_name() == name).count() as f64;
            let ratio = of(FaultName::Kill) / of(FaultName::Pause);
            assert!((2.5..3.5).contains(&ratio), "{rhythm:?}: {ratio}");
        }
    }
}
