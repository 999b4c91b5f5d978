//! A schedule drawn from the seed: a quiet lead-in, then cycles of fault, heal, quiet; the last heal before the end.
//!
//! Which faults, when, and what exactly each one is come from streams of their own, and each step has its own, so that
//! one more draw in one place never shifts another. Draws are made by hand from the generator's raw output, in whole
//! numbers, so that a plan is the same on every platform and with every version of a library.
//!
//! One fault at a time: the next comes after the last was healed. Faults of processes and machines hit one node half of
//! the time, a random group a quarter of the time, all nodes a quarter of the time; a cluster that cannot come back when
//! all of it was down is broken, and rarely tested. [`Intervals::max_down`] bounds it where that is too much. A crash loop is one
//! step that is repeated while its turn lasts. Faults that only reads show (`bit-flips`, `misdirected-read`) come with a kill in
//! their middle, so that the node reads its files again while they last.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::crash_loop::CrashLoop;
use super::draw::{Cluster, between, draw, shuffle};
use super::{Schedule, Step};
use crate::fault::{Fault, FaultName};
use crate::seed::{ChaCha8Rng, Seed, below};

/// How long things take in a generated schedule, and how much may be down at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intervals {
    /// Nothing happens before; at most a fifth of the run.
    pub lead_in_ms: u64,
    /// A fault lasts between these two.
    pub fault_ms: (u64, u64),
    /// Between the heal of one fault and the next fault.
    pub quiet_ms: (u64, u64),
    /// The most nodes that a kill, a crash or a pause hits at once; absent: all of them.
    pub max_down: Option<usize>,
}

impl Default for Intervals {
    /// Long enough for a failure detector with a timeout of a second to notice, and for the cluster to recover.
    fn default() -> Self {
        Intervals { lead_in_ms: 2_000, fault_ms: (2_000, 5_000), quiet_ms: (1_500, 3_000), max_down: None }
    }
}

/// No fault is made shorter than this to fit more of them in.
const SHORTEST_FAULT_MS: u64 = 1_000;
/// Nor any pause between two faults.
const SHORTEST_QUIET_MS: u64 = 500;

/// Draws a schedule for a run of `duration_ms`. Faults that a cluster of this size cannot suffer
/// ([`FaultName::is_possible`]) are left out.
///
/// Every requested fault comes once before any comes twice. When one of each does not fit, faults and pauses are
/// shortened, down to a second and half a second; when it does not fit even then, the later ones are missing, and a run
/// too short for a single fault has none.
pub fn generate(
    seed: Seed,
    faults: &[FaultName],
    node_count: usize,
    duration_ms: u64,
    intervals: &Intervals,
) -> Schedule {
    let faults: Vec<_> = faults.iter().map(|fault| (*fault, 1)).collect();
    generate_weighted(seed, &faults, node_count, duration_ms, intervals)
}

/// The same, with weights: a fault of weight 3 comes three times as often as one of weight 1. How long faults last does
/// not depend on their weights.
pub(super) fn generate_weighted(
    seed: Seed,
    faults: &[(FaultName, u32)],
    node_count: usize,
    duration_ms: u64,
    intervals: &Intervals,
) -> Schedule {
    let lane = Lane::new(seed, "", faults, node_count);
    if lane.names.is_empty() {
        return Schedule::default();
    }
    let different: BTreeSet<FaultName> = lane.names.iter().copied().collect();
    let intervals = fit(intervals, different.len() as u64, duration_ms);
    Schedule { steps: cycles(lane, intervals.lead_in_ms, duration_ms, &intervals) }
}

/// Faults of which there is one at a time.
pub(super) struct Lane {
    seed: Seed,
    /// Prefix of its streams.
    name: String,
    /// Each as often as its weight says.
    names: Vec<FaultName>,
    cluster: Cluster,
}

impl Lane {
    /// Of those that a cluster of this size can suffer. `name` distinguishes its streams from others'.
    pub(super) fn new(seed: Seed, name: &str, faults: &[(FaultName, u32)], node_count: usize) -> Lane {
        let mut faults: Vec<_> = faults.iter().copied().filter(|(fault, _)| fault.is_possible(node_count)).collect();
        faults.sort_unstable_by_key(|(fault, _)| *fault);
        faults.dedup_by_key(|(fault, _)| *fault);
        let names = faults.iter().flat_map(|(fault, weight)| (0..*weight).map(|_| *fault)).collect();
        let name = if name.is_empty() { String::new() } else { format!("{name} ") };
        Lane { seed, name, names, cluster: Cluster::new(seed, node_count) }
    }
}

/// Cycles of fault, heal, quiet between two moments; the last heal a quiet interval before the end.
pub(super) fn cycles(lane: Lane, from_ms: u64, until_ms: u64, intervals: &Intervals) -> Vec<Step> {
    let Lane { seed, name: prefix, names, cluster } = lane;
    let last_heal = until_ms.saturating_sub(intervals.quiet_ms.0);
    let mut times = seed.stream(&format!("{prefix}schedule times"));
    let mut order = seed.stream(&format!("{prefix}schedule order"));
    let mut deck = Vec::new();
    let (mut steps, mut turn) = (Vec::new(), 0);
    let mut at = from_ms + below(&mut times, intervals.quiet_ms.0 / 2 + 1);
    loop {
        let for_ms = between(&mut times, intervals.fault_ms);
        let quiet_ms = between(&mut times, intervals.quiet_ms);
        if names.is_empty() || at + for_ms > last_heal {
            return steps;
        }
        let name = deal(&mut deck, &names, &mut order);
        let mut draws = seed.stream(&format!("{prefix}schedule step {turn}"));
        turn += 1;
        let fault = draw(name, &cluster, intervals.max_down, &mut draws);
        let restart = restart_within(name, &fault).map(|kill| Step::inject(at + for_ms / 3, kill, for_ms / 3));
        steps.push(match name {
            FaultName::CrashLoop => CrashLoop::drawn(&mut draws, for_ms).step(at, fault),
            _ => Step::inject(at, fault, for_ms),
        });
        steps.extend(restart);
        at += for_ms + quiet_ms;
    }
}

/// What shows only in reads shows in a server that keeps its data in memory only when it starts: it is killed in the middle.
fn restart_within(name: FaultName, fault: &Fault) -> Option<Fault> {
    let target = fault.target().filter(|_| matches!(name, FaultName::BitFlips | FaultName::MisdirectedRead))?;
    Some(Fault::Kill { target: target.clone() })
}

/// Shortens the intervals so that `count` cycles of the longest kind fit, as far as that goes.
fn fit(wanted: &Intervals, count: u64, duration_ms: u64) -> Intervals {
    let lead_in_ms = wanted.lead_in_ms.min(duration_ms / 5);
    let room = duration_ms - lead_in_ms;
    let cycle = (wanted.fault_ms.1 + wanted.quiet_ms.1).max(1);
    // The lead-in is followed by up to half a quiet interval, the last heal by one.
    let needed = count * cycle + wanted.quiet_ms.1;
    let shorten = |ms: u64, least: u64| match needed > room {
        true => scale(ms, room, needed).max(ms.min(least)),
        false => ms,
    };
    let range = |(low, high): (u64, u64), least| {
        let low = shorten(low, least);
        (low, shorten(high, least).max(low))
    };
    Intervals {
        lead_in_ms,
        fault_ms: range(wanted.fault_ms, SHORTEST_FAULT_MS),
        quiet_ms: range(wanted.quiet_ms, SHORTEST_QUIET_MS),
        max_down: wanted.max_down,
    }
}

/// `ms × part / whole` without overflow.
fn scale(ms: u64, part: u64, whole: u64) -> u64 {
    (u128::from(ms) * u128::from(part) / u128::from(whole)) as u64
}

/// The next fault: the deck is shuffled, dealt to its end, and shuffled again.
fn deal(deck: &mut Vec<FaultName>, names: &[FaultName], rng: &mut ChaCha8Rng) -> FaultName {
    if deck.is_empty() {
        deck.extend_from_slice(names);
        shuffle(rng, deck);
    }
    deck.pop().unwrap_or(names[0])
}
