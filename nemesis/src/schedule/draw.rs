//! Everything random about one fault of a generated schedule: whom it hits, and how badly.
//!
//! Each draw is made by hand from the generator's raw output, in whole numbers; see [`generate`](super::generate()).

use rand::Rng;

use crate::data::{DamageKind, FileDamage};
use crate::disk::{CutMode, DiskFault, Effect, ErrorKind, FILLING, Operation, PowerCut, WRITING};
use crate::fault::{ClockFault, Direction, Fault, FaultName, LinkKind, Peers, Reach, Shortage, Target};
use crate::seed::{ChaCha8Rng, Seed, below};
use crate::wire::{Link, Shape};

/// What a fault is drawn for.
pub(super) struct Cluster {
    node_count: usize,
    /// The nodes whose disks may lie, confuse and forget, and whose data may be gone, old or damaged, in the whole schedule: a minority. What they lose is lost for
    /// good, and no cluster promises anything once most of its disks have lost something.
    victims: Vec<usize>,
}

impl Cluster {
    pub(super) fn new(seed: Seed, node_count: usize) -> Cluster {
        let size = (node_count.saturating_sub(1) / 2).max(1);
        Cluster { node_count, victims: group(&mut seed.stream("schedule victims"), node_count, size) }
    }
}

/// Everything random about one fault.
pub(super) fn draw(name: FaultName, cluster: &Cluster, max_down: Option<usize>, rng: &mut ChaCha8Rng) -> Fault {
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
        FaultName::ClockMonotonicJump => clock(rng, node_count, monotonic_jump),
        FaultName::ClockMonotonicDrift => clock(rng, node_count, monotonic_drift),
        FaultName::ClockMonotonicFreeze => clock(rng, node_count, |_| ClockFault::MonotonicFreeze),
        FaultName::DiskError => disk(rng, node_count, max_down, disk_error),
        FaultName::DiskFull => {
            disk(rng, node_count, max_down, |_| DiskFault::new(Effect::Error(ErrorKind::Enospc)).on(FILLING))
        }
        FaultName::DiskSlow => disk(rng, node_count, max_down, disk_slow),
        FaultName::DiskHang => disk(rng, node_count, max_down, |_| DiskFault::new(Effect::Hang).on(WRITING)),
        FaultName::LyingFsync => hostile(rng, cluster, |_| DiskFault::new(Effect::LyingFsync)),
        FaultName::Fsyncgate => hostile(rng, cluster, |_| DiskFault::new(Effect::Fsyncgate).times(1)),
        FaultName::BitFlips => hostile(rng, cluster, |rng| often(rng, Effect::FlipBits { bits: 1 })),
        FaultName::MisdirectedRead => hostile(rng, cluster, |rng| often(rng, Effect::MisdirectedRead)),
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

/// The same sizes, ahead only.
fn monotonic_jump(rng: &mut ChaCha8Rng) -> ClockFault {
    ClockFault::MonotonicJump { by_ms: powers(rng, 6, 31).unsigned_abs() }
}

fn monotonic_drift(rng: &mut ChaCha8Rng) -> ClockFault {
    let size = between(rng, (10_000, 500_000)) as i64;
    ClockFault::MonotonicDrift { ppm: if below(rng, 2) == 0 { size } else { -size } }
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

/// One time in one to ten: a server that starts reads a few pieces of its log and is done.
fn often(rng: &mut ChaCha8Rng, effect: Effect) -> DiskFault {
    DiskFault { probability: between(rng, (1, 10)) as f64 / 10.0, ..DiskFault::new(effect) }
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
