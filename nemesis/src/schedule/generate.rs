//! A schedule drawn from the seed: a quiet lead-in, then cycles of fault, heal, quiet; the last heal before the end.
//!
//! Which faults, when, and what exactly each one is come from streams of their own, and each step has its own, so that
//! one more draw in one place never shifts another. Draws are made by hand from the generator's raw output, in whole
//! numbers, so that a plan is the same on every platform and with every version of a library.
//!
//! One fault at a time: the next comes after the last was healed. Faults of processes and machines hit one node half of
//! the time, a random group a quarter of the time, all nodes a quarter of the time; a cluster that cannot come back when
//! all of it was down is broken, and rarely tested. [`Intervals::max_down`] bounds it where that is too much. A crash loop is one
//! step that is repeated while its turn lasts.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Action, Repeat, Schedule, Step};
use crate::data::{DamageKind, FileDamage};
use crate::disk::{CutMode, DiskFault, Effect, ErrorKind, FILLING, Operation, PowerCut, WRITING};
use crate::fault::{ClockFault, Direction, Fault, FaultName, LinkKind, Peers, Reach, Shortage, Target};
use crate::seed::{ChaCha8Rng, Seed};
use crate::wire::{Link, Shape};
use rand::Rng;

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

/// What a fault is drawn for.
pub(super) struct Cluster {
    node_count: usize,
    /// The nodes whose disks may lie, confuse and forget, and whose data may be gone, old or damaged, in the whole schedule: a minority. What they lose is lost for
    /// good, and no cluster promises anything once most of its disks have lost something.
    victims: Vec<usize>,
}

impl Cluster {
    fn new(seed: Seed, node_count: usize) -> Cluster {
        let size = (node_count.saturating_sub(1) / 2).max(1);
        Cluster { node_count, victims: group(&mut seed.stream("schedule victims"), node_count, size) }
    }
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
    let mut steps = Vec::new();
    let mut at = from_ms + below(&mut times, intervals.quiet_ms.0 / 2 + 1);
    loop {
        let for_ms = between(&mut times, intervals.fault_ms);
        let quiet_ms = between(&mut times, intervals.quiet_ms);
        if names.is_empty() || at + for_ms > last_heal {
            return steps;
        }
        let name = deal(&mut deck, &names, &mut order);
        let mut draws = seed.stream(&format!("{prefix}schedule step {}", steps.len()));
        let fault = draw(name, &cluster, intervals.max_down, &mut draws);
        steps.push(match name {
            FaultName::CrashLoop => CrashLoop::drawn(&mut draws, for_ms).step(at, fault),
            _ => Step::inject(at, fault, for_ms),
        });
        at += for_ms + quiet_ms;
    }
}

/// A kill that is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CrashLoop {
    /// How long the node is down each time.
    pub down_ms: u64,
    /// How long until it is killed again.
    every_ms: u64,
    times: u32,
}

impl CrashLoop {
    /// What it is unless somebody says more.
    const USUAL: CrashLoop = CrashLoop { down_ms: 150, every_ms: 400, times: 5 };

    /// What is usual, for a step that injects one.
    pub(super) fn usual_of(action: &Action) -> Option<CrashLoop> {
        matches!(action, Action::Inject(Fault::CrashLoop { .. })).then_some(CrashLoop::USUAL)
    }

    /// At least two turns, all within so much time.
    fn drawn(rng: &mut ChaCha8Rng, for_ms: u64) -> CrashLoop {
        let (down_ms, up_ms) = (between(rng, (50, 200)), between(rng, (100, 300)));
        let every_ms = (down_ms + up_ms).min(for_ms / 2).max(1);
        let times = (for_ms / every_ms).clamp(2, 1000) as u32;
        CrashLoop { down_ms: down_ms.min(every_ms / 2).max(1), every_ms, times }
    }

    pub(super) fn repeat(self) -> Repeat {
        Repeat { every_ms: Some(self.every_ms), times: Some(self.times) }
    }

    fn step(self, at_ms: u64, fault: Fault) -> Step {
        Step { repeat: Some(self.repeat()), ..Step::inject(at_ms, fault, self.down_ms) }
    }
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

/// Everything random about one fault.
fn draw(name: FaultName, cluster: &Cluster, max_down: Option<usize>, rng: &mut ChaCha8Rng) -> Fault {
    let node_count = cluster.node_count;
    match name {
        FaultName::PartitionOne => Fault::PartitionOne { target: one(rng, node_count) },
        FaultName::PartitionHalves => Fault::PartitionHalves { side: group(rng, node_count, node_count / 2) },
        FaultName::PartitionRing => Fault::PartitionRing { order: permutation(rng, node_count) },
        FaultName::Bridge => bridge(rng, node_count),
        FaultName::OneWay => Fault::OneWay { target: mute_or_deaf(rng, node_count) },
        FaultName::PartitionRandom => Fault::PartitionMatrix { links: matrix(rng, node_count) },
        FaultName::LeaderIsolated => Fault::PartitionOne { target: leader(rng, node_count) },
        FaultName::LeaderMinority => {
            let others = ((node_count.saturating_sub(1)) / 2).saturating_sub(1);
            Fault::PartitionSide { target: Target::WithLeader { others, order: permutation(rng, node_count) } }
        }
        FaultName::FollowerMinority => {
            let count = (node_count.saturating_sub(1) / 2).max(1);
            Fault::PartitionSide { target: Target::Followers { count, order: permutation(rng, node_count) } }
        }
        FaultName::ClientsCut => Fault::ClientsCut { target: leader(rng, node_count) },
        FaultName::Slow => bad_links(rng, node_count, LinkKind::Slow),
        FaultName::Jitter => bad_links(rng, node_count, LinkKind::Jitter),
        FaultName::Lossy => bad_links(rng, node_count, LinkKind::Lossy),
        FaultName::Duplicate => bad_links(rng, node_count, LinkKind::Duplicate),
        FaultName::Reorder => bad_links(rng, node_count, LinkKind::Reorder),
        FaultName::Corrupt => bad_links(rng, node_count, LinkKind::Corrupt),
        FaultName::CorruptUnnoticed => bad_links(rng, node_count, LinkKind::CorruptUnnoticed),
        FaultName::RateLimit => bad_links(rng, node_count, LinkKind::RateLimit),
        FaultName::Hold => bad_links(rng, node_count, LinkKind::Hold),
        FaultName::Reset => bad_links(rng, node_count, LinkKind::Reset),
        FaultName::Flapping => bad_links(rng, node_count, LinkKind::Flapping),
        FaultName::CrashLoop => Fault::CrashLoop { target: some(rng, node_count, max_down) },
        FaultName::CpuThrottle => {
            shortage(rng, node_count, max_down, |rng| Shortage::Cpu { percent: between(rng, (2, 40)) as u8 })
        }
        FaultName::MemoryLimit => {
            shortage(rng, node_count, max_down, |rng| Shortage::Memory { headroom: between(rng, (1, 64)) << 20 })
        }
        FaultName::DescriptorLimit => {
            shortage(rng, node_count, max_down, |rng| Shortage::Descriptors { headroom: below(rng, 21) })
        }
        FaultName::Wipe => Fault::Wipe { target: victims(rng, cluster) },
        FaultName::Rollback => Fault::Rollback { target: victims(rng, cluster) },
        FaultName::FileDamage => Fault::FileDamage { target: victims(rng, cluster), damage: file_damage(rng) },
        FaultName::Stop => Fault::Stop { target: some(rng, node_count, max_down) },
        FaultName::PowerCut => Fault::PowerCut { target: some(rng, node_count, max_down), cut: power_cut(rng) },
        FaultName::ClockJump => clock(rng, node_count, jump),
        FaultName::ClockDrift => clock(rng, node_count, drift),
        FaultName::ClockStrobe => clock(rng, node_count, strobe),
        FaultName::ClockFreeze => clock(rng, node_count, |_| ClockFault::Freeze),
        FaultName::DiskError => disk(rng, node_count, max_down, disk_error),
        FaultName::DiskFull => {
            disk(rng, node_count, max_down, |_| DiskFault::new(Effect::Error(ErrorKind::Enospc)).on(FILLING))
        }
        FaultName::DiskSlow => disk(rng, node_count, max_down, disk_slow),
        FaultName::DiskHang => disk(rng, node_count, max_down, |_| DiskFault::new(Effect::Hang).on(WRITING)),
        FaultName::LyingFsync => hostile(rng, cluster, |_| DiskFault::new(Effect::LyingFsync)),
        FaultName::Fsyncgate => hostile(rng, cluster, |_| DiskFault::new(Effect::Fsyncgate).times(1)),
        FaultName::BitFlips => hostile(rng, cluster, |rng| sometimes(rng, Effect::FlipBits { bits: 1 })),
        FaultName::MisdirectedRead => hostile(rng, cluster, |rng| sometimes(rng, Effect::MisdirectedRead)),
        FaultName::MisdirectedWrite => hostile(rng, cluster, |rng| sometimes(rng, Effect::MisdirectedWrite)),
        FaultName::StaleRead => hostile(rng, cluster, |rng| sometimes(rng, Effect::StaleRead)),
        FaultName::Kill => Fault::Kill { target: some(rng, node_count, max_down) },
        FaultName::KillLeader => Fault::Kill { target: leader(rng, node_count) },
        FaultName::Crash => Fault::Crash { target: some(rng, node_count, max_down) },
        FaultName::CrashLeader => Fault::Crash { target: leader(rng, node_count) },
        FaultName::Pause => Fault::Pause { target: some(rng, node_count, max_down) },
        FaultName::PauseLeader => Fault::Pause { target: leader(rng, node_count) },
    }
}

fn one(rng: &mut ChaCha8Rng, node_count: usize) -> Target {
    Target::Node(index(rng, node_count))
}

fn leader(rng: &mut ChaCha8Rng, node_count: usize) -> Target {
    Target::Leader { fallback: index(rng, node_count) }
}

/// One node, a group of them, or all.
fn some(rng: &mut ChaCha8Rng, node_count: usize, max_down: Option<usize>) -> Target {
    let most = max_down.unwrap_or(node_count).clamp(1, node_count);
    let size = match below(rng, 4) {
        0 | 1 => 1,
        2 => 1 + index(rng, most),
        _ => most,
    };
    match size {
        1 => one(rng, node_count),
        size if size == node_count => Target::All,
        size => Target::Nodes(group(rng, node_count, size)),
    }
}

/// Links among nodes (those of clients in a cluster of one), of all nodes, of the leader or of one, mostly both ways.
fn bad_links(rng: &mut ChaCha8Rng, node_count: usize, kind: LinkKind) -> Fault {
    let target = match below(rng, 4) {
        0 | 1 => Target::All,
        2 => leader(rng, node_count),
        _ => one(rng, node_count),
    };
    let direction = match below(rng, 4) {
        0 => Direction::Out,
        1 => Direction::In,
        _ => Direction::Both,
    };
    let peers = if node_count == 1 { Peers::Clients } else { Peers::Nodes };
    Fault::Link { kind, link: how_bad(rng, kind), reach: Reach { target, peers, direction } }
}

fn how_bad(rng: &mut ChaCha8Rng, kind: LinkKind) -> Link {
    let percent = |rng: &mut ChaCha8Rng, low, high| between(rng, (low, high)) as u32 * 10_000;
    let ms = |rng: &mut ChaCha8Rng, low, high| between(rng, (low, high)) * 1000;
    let usual = kind.usual();
    match kind {
        LinkKind::Slow => Link { delay_us: ms(rng, 20, 500), ..usual },
        LinkKind::Jitter => {
            let shape = [Shape::Uniform, Shape::Normal, Shape::Exponential, Shape::Pareto][index(rng, 4)];
            let (delay_us, jitter_us) = (ms(rng, 5, 50), ms(rng, 5, 200));
            Link { delay_us, jitter_us, shape, in_order: below(rng, 2) == 0, ..usual }
        }
        LinkKind::Lossy => {
            let loss_correlation_ppm = if below(rng, 2) == 0 { 0 } else { percent(rng, 25, 90) };
            Link { loss_ppm: percent(rng, 5, 50), loss_correlation_ppm, ..usual }
        }
        LinkKind::Duplicate => Link { duplicate_ppm: percent(rng, 10, 60), ..usual },
        LinkKind::Reorder => Link { reorder_ppm: percent(rng, 10, 50), reorder_us: ms(rng, 5, 100), ..usual },
        LinkKind::Corrupt => Link { corrupt_ppm: percent(rng, 5, 30), ..usual },
        LinkKind::CorruptUnnoticed => Link { corrupt_ppm: between(rng, (1_000, 20_000)) as u32, ..usual },
        // A cluster that is tested sends tens of kilobytes a second over a link: a limit above that limits nothing.
        LinkKind::RateLimit => Link { rate_bytes: between(rng, (1_000, 16_000)), burst_bytes: 2_000, ..usual },
        LinkKind::Flapping => Link { flap_down_us: ms(rng, 50, 500), flap_up_us: ms(rng, 50, 500), ..usual },
        LinkKind::Hold | LinkKind::Reset => usual,
    }
}

fn power_cut(rng: &mut ChaCha8Rng) -> PowerCut {
    let mode = match below(rng, 4) {
        0 => CutMode::Drop,
        1 => CutMode::Prefix,
        2 => CutMode::Subset { probability: between(rng, (1, 9)) as f64 / 10.0 },
        _ => CutMode::Torn,
    };
    PowerCut { mode, seed: rng.next_u64() >> 12 }
}

/// One clock half of the time, else some or all.
fn clock(rng: &mut ChaCha8Rng, node_count: usize, change: fn(&mut ChaCha8Rng) -> ClockFault) -> Fault {
    let target = some(rng, node_count, None);
    Fault::Clock { target, change: change(rng) }
}

/// Jepsen's range: 1.5 to the power of 6 to 31 milliseconds, about 11 ms to five minutes, either way.
fn jump(rng: &mut ChaCha8Rng) -> ClockFault {
    let size = powers(rng, 6, 31);
    ClockFault::Jump { by_ms: if below(rng, 2) == 0 { size } else { -size } }
}

fn drift(rng: &mut ChaCha8Rng) -> ClockFault {
    let size = between(rng, (10_000, 500_000)) as i64;
    ClockFault::Drift { ppm: if below(rng, 2) == 0 { size } else { -size } }
}

fn strobe(rng: &mut ChaCha8Rng) -> ClockFault {
    let by_ms = powers(rng, 4, 31);
    ClockFault::Strobe { by_ms, period_ms: powers(rng, 0, 17) as u64 }
}

/// 1.5 to a power between these, rounded down; at most 31.
fn powers(rng: &mut ChaCha8Rng, low: u64, high: u64) -> i64 {
    let power = between(rng, (low, high)) as u32;
    (3u64.pow(power) / 2u64.pow(power)) as i64
}

/// The disk of one node mostly, and never of more than may be down: a cluster promises nothing when a majority of its
/// disks is gone.
fn disk(
    rng: &mut ChaCha8Rng,
    node_count: usize,
    max_down: Option<usize>,
    misbehaves: fn(&mut ChaCha8Rng) -> DiskFault,
) -> Fault {
    let minority = (node_count.saturating_sub(1) / 2).max(1);
    let target = some(rng, node_count, Some(max_down.unwrap_or(minority).min(minority)));
    Fault::Disk { target, misbehaves: DiskFault { seed: rng.next_u64() >> 12, ..misbehaves(rng) } }
}

/// Disks of victims.
fn hostile(rng: &mut ChaCha8Rng, cluster: &Cluster, misbehaves: fn(&mut ChaCha8Rng) -> DiskFault) -> Fault {
    let target = victims(rng, cluster);
    Fault::Disk { target, misbehaves: DiskFault { seed: rng.next_u64() >> 12, ..misbehaves(rng) } }
}

/// One of them half of the time, else all.
fn victims(rng: &mut ChaCha8Rng, cluster: &Cluster) -> Target {
    let one = cluster.victims[index(rng, cluster.victims.len())];
    match below(rng, 2) {
        0 => Target::Node(one),
        _ => Target::Nodes(cluster.victims.clone()),
    }
}

/// One piece to eight, anywhere.
fn file_damage(rng: &mut ChaCha8Rng) -> FileDamage {
    let kind = DamageKind::ALL[index(rng, DamageKind::ALL.len())];
    FileDamage { kind, path: None, count: between(rng, (1, 8)), seed: rng.next_u64() >> 12 }
}

fn shortage(
    rng: &mut ChaCha8Rng,
    node_count: usize,
    max_down: Option<usize>,
    of: fn(&mut ChaCha8Rng) -> Shortage,
) -> Fault {
    let target = some(rng, node_count, max_down);
    Fault::Resources { target, shortage: of(rng) }
}

fn disk_error(rng: &mut ChaCha8Rng) -> DiskFault {
    let operations: &[Operation] = match below(rng, 3) {
        0 => &[Operation::Fsync],
        1 => &[Operation::Write],
        _ => &[Operation::Read, Operation::Write, Operation::Fsync],
    };
    DiskFault { probability: between(rng, (1, 10)) as f64 / 10.0, ..DiskFault::new(Effect::Error(ErrorKind::Eio)) }
        .on(operations)
}

fn disk_slow(rng: &mut ChaCha8Rng) -> DiskFault {
    let us = between(rng, (2, 250)) * 1000;
    DiskFault::new(Effect::Delay { us, jitter_us: us }).on(WRITING)
}

/// One time in ten to a hundred.
fn sometimes(rng: &mut ChaCha8Rng, effect: Effect) -> DiskFault {
    DiskFault { probability: between(rng, (1, 10)) as f64 / 100.0, ..DiskFault::new(effect) }
}

fn mute_or_deaf(rng: &mut ChaCha8Rng, node_count: usize) -> Target {
    let node = index(rng, node_count);
    match below(rng, 2) {
        0 => Target::Node(node),
        _ => Target::Nodes((0..node_count).filter(|other| *other != node).collect()),
    }
}

fn bridge(rng: &mut ChaCha8Rng, node_count: usize) -> Fault {
    let order = permutation(rng, node_count);
    let mut side = order[1..=(node_count - 1) / 2].to_vec();
    side.sort_unstable();
    Fault::Bridge { bridge: order[0], side }
}

/// Each link by the toss of a coin, at least one.
fn matrix(rng: &mut ChaCha8Rng, node_count: usize) -> Vec<(usize, usize)> {
    let symmetric = below(rng, 2) == 0;
    let mut links = Vec::new();
    for (a, b) in (0..node_count).flat_map(|a| (a + 1..node_count).map(move |b| (a, b))) {
        let there = below(rng, 2) == 0;
        let back = if symmetric { there } else { below(rng, 2) == 0 };
        links.extend(there.then_some((a, b)));
        links.extend(back.then_some((b, a)));
    }
    if links.is_empty() {
        let node = index(rng, node_count);
        links.push((node, (node + 1) % node_count));
    }
    links.sort_unstable();
    links
}

/// `size` different nodes, ascending.
fn group(rng: &mut ChaCha8Rng, node_count: usize, size: usize) -> Vec<usize> {
    let mut nodes = permutation(rng, node_count);
    nodes.truncate(size);
    nodes.sort_unstable();
    nodes
}

fn permutation(rng: &mut ChaCha8Rng, node_count: usize) -> Vec<usize> {
    let mut nodes: Vec<usize> = (0..node_count).collect();
    shuffle(rng, &mut nodes);
    nodes
}

/// Fisher and Yates.
pub(super) fn shuffle<T>(rng: &mut ChaCha8Rng, items: &mut [T]) {
    for last in (1..items.len()).rev() {
        items.swap(last, index(rng, last + 1));
    }
}

pub(super) fn between(rng: &mut ChaCha8Rng, (low, high): (u64, u64)) -> u64 {
    low + below(rng, high.saturating_sub(low) + 1)
}

fn index(rng: &mut ChaCha8Rng, len: usize) -> usize {
    below(rng, len as u64) as usize
}

/// A number below `bound`, by multiplication: always exactly one draw.
pub(super) fn below(rng: &mut ChaCha8Rng, bound: u64) -> u64 {
    ((u128::from(rng.next_u64()) * u128::from(bound)) >> 64) as u64
}
