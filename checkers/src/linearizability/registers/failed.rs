//! Compare-and-sets that failed, between the blocks of a register with unique values.
//!
//! One that failed saw a value other than its `old`. Impossible is that only if `old` was certainly held all the time. Whether
//! *some* order of the blocks satisfies all of them is found out by making one, on a walk along the events:
//!
//! - A block begins when something of it ends, and no earlier than it must. Before a forward one come all blocks that something
//!   ended in before its last operation begins; they can all be squeezed into the moment before.
//! - A failed one that begins while its `old` is held waits for the next change. If it ends and is still waiting, the
//!   register has to change now: to the next value of the block if that has begun, or to one of the blocks that have begun
//!   completely, of which the one that has to come first anyway is taken.
//! - A write that was left out because its outcome is unknown and nobody read it may serve, too.
//!
//! ```text
//! wx1 |---|
//! wx2        |-----------------------|      2 may come at any time; it comes when the failed one ends,
//! cx1>9 fail       |-----|                  which would else have seen 1 all the time
//! rx3                                 …
//! ```
//! If the walk comes to its end, what it made is a linearization. If not, that proves nothing, and the
//! [search](super::front) decides.

use std::collections::BTreeSet;

use super::operations::{Does, NEVER, Op};
use super::zones::{Block, Clusters, NONE, Violation, Zones};

/// Whether the failed ones fit between the blocks, which by themselves have a linearization.
pub(super) fn place(clusters: &Clusters<'_>, blocks: &[Block]) -> Zones {
    if let Some(violation) = held(clusters) {
        return Zones::Violated(violation);
    }
    match Walk::new(clusters, blocks).finish() {
        Some(()) => Zones::Linearizable,
        None => Zones::Open,
    }
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

/// A linearization in the making: the block that the register is in, and those that have begun and wait.
struct Walk<'a> {
    clusters: &'a Clusters<'a>,
    /// For each cluster, its block and its rank therein.
    block_of: Vec<u32>,
    ranks: Vec<u32>,
    blocks: Vec<Block>,
    /// By the time at which something of them ends.
    waiting: BTreeSet<(u32, u32)>,
    placed: Vec<bool>,
    block: u32,
    cluster: u32,
    /// Failed ones that have begun and have seen nothing but their `old`.
    unsatisfied: Vec<u32>,
    satisfied: Vec<bool>,
}

impl<'a> Walk<'a> {
    fn new(clusters: &'a Clusters<'a>, blocks: &[Block]) -> Self {
        let mut blocks = blocks.to_vec();
        if blocks.first().is_none_or(|b| b.root != 0) {
            blocks.insert(0, Block { f: 0, s: 0, root: 0 });
        }
        let mut block_of = vec![NONE; clusters.all.len()];
        let mut ranks = vec![0; clusters.all.len()];
        for (i, block) in blocks.iter().enumerate() {
            for (rank, cluster) in clusters.members(block.root).into_iter().enumerate() {
                (block_of[cluster as usize], ranks[cluster as usize]) = (i as u32, rank as u32);
            }
        }
        Walk {
            clusters,
            block_of,
            ranks,
            placed: vec![false; blocks.len()],
            blocks,
            waiting: BTreeSet::new(),
            block: 0,
            cluster: 0,
            unsatisfied: Vec::new(),
            satisfied: vec![false; clusters.ops.len()],
        }
    }

    fn finish(mut self) -> Option<()> {
        let ops = self.clusters.ops;
        let mut ends: Vec<(u32, u32)> =
            ops.iter().enumerate().filter(|(_, op)| op.is_certain()).map(|(i, op)| (op.end, i as u32)).collect();
        ends.sort_unstable();
        let mut ends = ends.into_iter().peekable();
        self.placed[0] = true;
        for (i, op) in ops.iter().enumerate() {
            while let Some((now, ended)) = ends.next_if(|(end, _)| *end < op.start) {
                self.end(ended, now)?;
            }
            self.begin(i as u32);
        }
        ends.try_for_each(|(now, ended)| self.end(ended, now))
    }

    fn begin(&mut self, i: u32) {
        match self.clusters.does[i as usize] {
            Does::Write(v) if !self.clusters.all[v as usize].live => {
                self.block_of[v as usize] = self.blocks.len() as u32;
                self.waiting.insert((NEVER, self.blocks.len() as u32));
                self.blocks.push(Block { f: NEVER, s: self.clusters.ops[i as usize].start, root: v });
                self.placed.push(false);
            }
            Does::Write(v) => {
                let block = self.block_of[v as usize];
                self.waiting.insert((self.blocks[block as usize].f, block));
            }
            Does::Not(old) if old == self.cluster => self.unsatisfied.push(i),
            Does::Not(_) => self.satisfied[i as usize] = true,
            Does::Read(_) | Does::Cas(..) => {}
        }
    }

    fn end(&mut self, i: u32, now: u32) -> Option<()> {
        match self.clusters.does[i as usize] {
            Does::Not(_) if self.satisfied[i as usize] => Some(()),
            Does::Not(_) => self.change(now),
            Does::Read(v) | Does::Write(v) | Does::Cas(_, v) => self.reach(v, now),
        }
    }

    /// Goes on at least to this cluster.
    fn reach(&mut self, cluster: u32, now: u32) -> Option<()> {
        let block = self.block_of[cluster as usize];
        if !self.placed[block as usize] {
            self.enter(block, now)?;
        }
        if block == self.block && self.ranks[cluster as usize] > self.ranks[self.cluster as usize] {
            while self.cluster != cluster {
                self.step()?;
            }
        }
        Some(())
    }

    /// The register holds something else.
    fn hold(&mut self, cluster: u32) {
        self.cluster = cluster;
        for i in self.unsatisfied.drain(..) {
            self.satisfied[i as usize] = true;
        }
    }

    fn step(&mut self) -> Option<()> {
        match self.clusters.all[self.cluster as usize].next {
            NONE => None,
            cas => {
                self.hold(self.clusters.left_by(cas));
                Some(())
            }
        }
    }

    /// Leaves the present block for this one, and for those that have to come before it.
    fn enter(&mut self, block: u32, now: u32) -> Option<()> {
        let Block { f, s, .. } = self.blocks[block as usize];
        self.waiting.remove(&(f, block));
        if s > now {
            while let Some((_, first)) = self.waiting.first().copied().filter(|(end, _)| *end < s) {
                if self.blocks[first as usize].s > now {
                    return None;
                }
                self.enter(first, now)?;
            }
        }
        if self.blocks[self.block as usize].s > now {
            return None;
        }
        while self.clusters.all[self.cluster as usize].next != NONE {
            self.step()?;
        }
        self.placed[block as usize] = true;
        self.block = block;
        self.hold(self.blocks[block as usize].root);
        Some(())
    }

    /// Something else has to be held now.
    fn change(&mut self, now: u32) -> Option<()> {
        if self.clusters.all[self.cluster as usize].next != NONE {
            let next = self.clusters.all[self.cluster as usize].next;
            let begun = self.clusters.ops[next as usize].start < now && self.clusters.last_read(self.cluster) < now;
            return if begun { self.step() } else { None };
        }
        let complete = |(_, b): &&(u32, u32)| self.blocks[*b as usize].s <= now;
        let next = self.waiting.iter().find(complete).or(self.waiting.first()).copied()?;
        self.enter(next.1, now)
    }
}
