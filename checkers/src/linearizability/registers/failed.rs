//! Compare-and-sets that failed, between the blocks of a register with unique values.
//!
//! An order of the blocks is made and each failed one is put at the first place where its `old` is not held: at most one
//! cluster further than the operations before it demand. For one order that is the best there is; the places can only grow
//! with time, so who is put early leaves most room. Two orders are tried: blocks as early as possible, and as late.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::operations::{Does, NEVER, Op};
use super::zones::{Block, Clusters, NONE, Violation, Zones};

/// Whether the failed ones fit between the blocks, which by themselves have a linearization.
pub(super) fn place(clusters: &Clusters<'_>, blocks: Vec<Block>) -> Zones {
    if let Some(violation) = held(clusters) {
        return Zones::Violated(violation);
    }
    let zones = Forward::new(&blocks);
    let early = |b: &Block| zones.early(b);
    let late = |b: &Block| zones.late(b);
    let fits = fit(clusters, &blocks, early) || fit(clusters, &blocks, late);
    if fits { Zones::Linearizable } else { Zones::Open }
}

/// For each cluster, from when until when the register certainly held it.
fn certainly(clusters: &Clusters<'_>) -> Vec<(u32, u32)> {
    let mut spans = vec![(NEVER, 0); clusters.all.len()];
    spans[0].0 = 0;
    let mut touch = |v: u32, op: &Op| {
        let span = &mut spans[v as usize];
        *span = (span.0.min(op.end), span.1.max(op.start));
    };
    for (i, op) in clusters.ops.iter().enumerate().filter(|(i, _)| clusters.happened(*i as u32)) {
        match clusters.does[i] {
            Does::Read(v) | Does::Write(v) => touch(v, op),
            Does::Cas(old, new) => {
                touch(old, op);
                touch(new, op);
            }
            Does::Not(_) => {}
        }
    }
    spans
}

fn held(clusters: &Clusters<'_>) -> Option<Violation> {
    let spans = certainly(clusters);
    let failed = |i: &usize| matches!(clusters.does[*i], Does::Not(_));
    (0..clusters.ops.len()).filter(failed).find_map(|i| {
        let (op, Does::Not(old)) = (&clusters.ops[i], clusters.does[i]) else { return None };
        let (from, to) = spans[old as usize];
        (from < op.start && op.end < to).then(|| Violation::Held {
            failed: i as u32,
            first: clusters.touching(old, |o| o.end == from),
            last: clusters.touching(old, |o| o.start == to),
        })
    })
}

impl Clusters<'_> {
    fn touching(&self, value: u32, wanted: impl Fn(&Op) -> bool) -> u32 {
        let touches = |i: &u32| match self.does[*i as usize] {
            Does::Read(v) | Does::Write(v) => v == value,
            Does::Cas(old, new) => old == value || new == value,
            Does::Not(_) => false,
        };
        (0..self.ops.len() as u32).find(|i| wanted(&self.ops[*i as usize]) && touches(i)).unwrap_or(NONE)
    }
}

/// The forward zones in order: they do not overlap.
struct Forward(Vec<(u32, u32)>);

impl Forward {
    fn new(blocks: &[Block]) -> Self {
        let mut zones: Vec<_> = blocks.iter().filter(|b| b.f < b.s).map(|b| (b.f, b.s)).collect();
        zones.sort_unstable();
        Forward(zones)
    }

    fn around(&self, point: u32) -> Option<(u32, u32)> {
        let before = self.0.partition_point(|zone| zone.0 < point);
        self.0[..before].last().copied().filter(|zone| point < zone.1)
    }

    /// As early as possible: a backward zone at its beginning, or behind the forward zone that covers it.
    fn early(&self, block: &Block) -> (u32, u32) {
        match block.f < block.s {
            true => (block.f, 0),
            false => (self.around(block.s).map_or(block.s, |zone| zone.1), 1),
        }
    }

    /// As late as possible: a backward zone at its end, or before the forward zone that covers it.
    fn late(&self, block: &Block) -> (u32, u32) {
        match block.f < block.s {
            true => (block.f, 1),
            false => (self.around(block.f).map_or(block.f, |zone| zone.0), 0),
        }
    }
}

/// Whether every failed one has a place in this order of the blocks.
fn fit(clusters: &Clusters<'_>, blocks: &[Block], key: impl Fn(&Block) -> (u32, u32)) -> bool {
    let ranks = ranks(clusters, blocks, key);
    let rank = |i: usize| match clusters.does[i] {
        Does::Read(v) => Some((ranks[v as usize], ranks[v as usize])),
        Does::Write(v) | Does::Cas(_, v) if clusters.all[v as usize].live => {
            Some((ranks[v as usize], ranks[v as usize] - 1))
        }
        _ => None,
    };
    let upper = upper_bounds(clusters, rank);
    let mut ends = ends(clusters, rank).into_iter().peekable();
    let mut placed: BinaryHeap<Reverse<(u32, i64)>> = BinaryHeap::new();
    let mut lower = 0;
    for (i, op) in clusters.ops.iter().enumerate() {
        let Does::Not(old) = clusters.does[i] else { continue };
        while let Some((_, rank)) = ends.next_if(|(end, _)| *end < op.start) {
            lower = lower.max(rank);
        }
        while placed.peek().is_some_and(|Reverse((end, _))| *end < op.start) {
            lower = lower.max(placed.pop().map_or(0, |Reverse((_, rank))| rank));
        }
        let at = lower + i64::from(ranks[old as usize] == lower);
        if at > upper[clusters.ops.partition_point(|later| later.start < op.end)] {
            return false;
        }
        placed.push(Reverse((op.end, at)));
    }
    true
}

/// The place of each cluster; the initial one comes first, and those that never were have none.
fn ranks(clusters: &Clusters<'_>, blocks: &[Block], key: impl Fn(&Block) -> (u32, u32)) -> Vec<i64> {
    let mut order: Vec<&Block> = blocks.iter().collect();
    order.sort_by_key(|b| (b.root != 0, key(b)));
    let mut ranks = vec![-1; clusters.all.len()];
    ranks[0] = 0;
    let mut next = 1;
    for cluster in order.into_iter().flat_map(|b| clusters.members(b.root)) {
        if cluster != 0 {
            ranks[cluster as usize] = next;
            next += 1;
        }
    }
    ranks
}

/// For each operation, the last place before it and everything that begins after it.
fn upper_bounds(clusters: &Clusters<'_>, rank: impl Fn(usize) -> Option<(i64, i64)>) -> Vec<i64> {
    let mut upper = vec![i64::MAX; clusters.ops.len() + 1];
    upper[clusters.ops.len()] = clusters.all.iter().skip(1).filter(|c| c.live).count() as i64;
    for i in (0..clusters.ops.len()).rev() {
        upper[i] = rank(i).map_or(upper[i + 1], |(_, before)| upper[i + 1].min(before));
    }
    upper
}

/// When each operation ended and where it stands, by time.
fn ends(clusters: &Clusters<'_>, rank: impl Fn(usize) -> Option<(i64, i64)>) -> Vec<(u32, i64)> {
    let certain = |(i, op): (usize, &Op)| Some((op.end, rank(i)?.0)).filter(|_| op.is_certain());
    let mut ends: Vec<_> = clusters.ops.iter().enumerate().filter_map(certain).collect();
    ends.sort_unstable();
    ends
}
