//! A register whose values are all different: linear, whatever the number of clients.
//!
//! Gibbons and Korach, *Testing Shared Memories*, SIAM Journal on Computing 26 (1997). A *cluster* is a write and all reads
//! of its value; where every value is written once, a cluster stands together in every linearization. Let `f` be
//! the earliest completion in it and `s` the latest invocation. Cluster A has to come before B if something of A ended
//! before something of B began: `f(A) < s(B)`. If that holds both ways there is no linearization:
//!
//! ```text
//! wx1  |---|                               1 comes before 2, for write 1 ended before write 2 began;
//! wx2         |---|                        2 comes before 1, for write 2 ended before the read of 1 began
//! rx1                |---|                 f(1) < s(2) and f(2) < s(1)
//! ```
//! If it never holds both ways, there is one: in a circle of such orders the cluster with the least `f` precedes all the
//! others, and one of them precedes it, so there are no longer circles without short ones. A cluster with `f < s` is *forward*, and
//! the register certainly holds its value from `f` to `s`; the others are *backward*, and can be squeezed into one point between
//! `s` and `f`. So: no two forward zones overlap, and no backward zone lies within a forward one.
//!
//! # Compare-and-set
//! One that succeeded found `a` and left `b`, both at once, so the clusters of `a` and `b` stand side by side; chains of
//! them are *blocks*. Inside a block the order is forced and is checked by walking along it; between blocks the rule is that of
//! clusters. Two that found the same version contradict each other, and so does a circle of them.
//!
//! One that failed (and says that it found something else) saw the register without its `old`. It is impossible if
//! `old` was certainly held all the time. Otherwise an order of the blocks is [made](super::failed) that leaves room for it. If
//! that does not succeed, there may be one all the same, and the [search](super::front) decides.
//!
//! # Unknown outcomes
//! - A read without an answer says nothing and is left out.
//! - A write or compare-and-set of unknown outcome whose value was observed (by a read, or by a compare-and-set that
//!   happened) did happen; its end is never, so it bounds nothing from above.
//! - If its value was never observed it is left out. A linearization without it is one with it, since it need not have
//!   taken effect. And from a linearization with it, it can be taken out: nobody reads its value, so until
//!   the next write nothing looks at the register but compare-and-sets that failed. Those are not counted
//!   against a history here, except by what is certainly held with or without it.

mod evidence;

use super::operations::{Does, NEVER, Op};

pub(super) const NONE: u32 = u32::MAX;

/// What the zones say.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Zones {
    Linearizable,
    Violated(Violation),
    /// A value was written twice, or the initial one again.
    Repeated,
    /// All is well but for compare-and-sets that failed; whether they fit is not known.
    Open,
}

/// Why there is no linearization. Numbers are places in the list of operations.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Violation {
    /// It found what nobody ever wrote.
    Unwritten(u32),
    /// Both replaced the same version.
    Twice(u32, u32),
    /// Each found what the one before it left, around in a circle.
    Circle(Vec<u32>),
    /// The first has to come before the last, as the operations between them show, but the last ended before the first
    /// began.
    Backwards(Vec<u32>),
    /// Two blocks, each with something that ended before something of the other began. The operations of each lead from what
    /// ended first to what began last.
    Crossed(Vec<u32>, Vec<u32>),
    /// The failed one found something else than what was held from before it began until after it ended. `first` ended
    /// before it, `last` began after it.
    Held { failed: u32, first: u32, last: u32 },
}

/// A write and what was found of its value.
#[derive(Clone, Copy)]
pub(super) struct Cluster {
    /// The operation that writes it; `NONE` for the initial value, and where nobody did.
    pub writer: u32,
    /// The compare-and-set that replaced it.
    pub next: u32,
    /// The earliest end and the latest start of its reads.
    read_end: u32,
    read_start: u32,
    /// Whether it was certainly there.
    pub live: bool,
}

const EMPTY: Cluster = Cluster { writer: NONE, next: NONE, read_end: NEVER, read_start: 0, live: false };

/// Numbers for the values of one key, from 0. One table serves key after key.
pub(crate) struct Numbers {
    table: Vec<u32>,
    used: Vec<u32>,
}

impl Numbers {
    pub(crate) fn new(values: usize) -> Self {
        Numbers { table: vec![NONE; values + 2], used: Vec::new() }
    }

    fn place(&self, value: u32) -> usize {
        match value as usize {
            v if v < self.table.len() - 2 => v,
            _ => self.table.len() - 1 - (NONE - value).min(1) as usize,
        }
    }

    pub(super) fn of(&mut self, value: u32) -> u32 {
        let place = self.place(value);
        if self.table[place] == NONE {
            self.table[place] = self.used.len() as u32;
            self.used.push(place as u32);
        }
        self.table[place]
    }

    pub(super) fn clear(&mut self) {
        for place in self.used.drain(..) {
            self.table[place as usize] = NONE;
        }
    }
}

/// A chain of clusters that stand together.
#[derive(Clone, Copy)]
pub(super) struct Block {
    /// The earliest end.
    pub f: u32,
    /// The latest start.
    pub s: u32,
    /// Its first cluster.
    pub root: u32,
}

pub(super) struct Clusters<'a> {
    pub ops: &'a [Op],
    pub all: Vec<Cluster>,
    /// For each operation, what it writes or reads: operations of values in the numbers of this key.
    pub does: Vec<Does>,
    pub failed: bool,
}

/// Judges one register. `initial` is the value at the start.
pub(super) fn judge(ops: &[Op], initial: u32, numbers: &mut Numbers) -> Zones {
    numbers.clear();
    let Some(mut clusters) = Clusters::new(ops, initial, numbers) else { return Zones::Repeated };
    match clusters.blocks().and_then(|blocks| clusters.compare(blocks)) {
        Err(violation) => Zones::Violated(violation),
        Ok(_) if !clusters.failed => Zones::Linearizable,
        Ok(blocks) => super::failed::place(&clusters, &blocks),
    }
}

impl<'a> Clusters<'a> {
    /// `None` where a value is written twice. The initial value has the number 0.
    fn new(ops: &'a [Op], initial: u32, numbers: &mut Numbers) -> Option<Self> {
        let first = numbers.of(initial) as usize;
        let mut clusters = Clusters { ops, all: Vec::new(), does: Vec::with_capacity(ops.len()), failed: false };
        for (i, op) in ops.iter().enumerate() {
            let does = match op.does {
                Does::Read(v) => Does::Read(numbers.of(v)),
                Does::Write(v) => Does::Write(numbers.of(v)),
                Does::Cas(old, new) => Does::Cas(numbers.of(old), numbers.of(new)),
                Does::Not(old) => Does::Not(numbers.of(old)),
            };
            clusters.all.resize(numbers.used.len(), EMPTY);
            clusters.does.push(does);
            clusters.enter(i as u32, does)?;
        }
        clusters.all.resize(numbers.used.len(), EMPTY);
        debug_assert_eq!(first, 0);
        if clusters.all[0].writer != NONE {
            return None;
        }
        clusters.follow_observations();
        Some(clusters)
    }

    fn enter(&mut self, i: u32, does: Does) -> Option<()> {
        let op = self.ops[i as usize];
        match does {
            Does::Read(v) => {
                let cluster = &mut self.all[v as usize];
                cluster.live = true;
                cluster.read_end = cluster.read_end.min(op.end);
                cluster.read_start = cluster.read_start.max(op.start);
            }
            Does::Write(v) | Does::Cas(_, v) => {
                let cluster = &mut self.all[v as usize];
                if cluster.writer != NONE {
                    return None;
                }
                cluster.writer = i;
                cluster.live |= op.is_certain();
                if let (Does::Cas(old, _), true) = (does, op.is_certain()) {
                    self.all[old as usize].live = true;
                }
            }
            Does::Not(_) => self.failed = true,
        }
        Some(())
    }

    /// What an uncertain compare-and-set found was there if what it left was.
    fn follow_observations(&mut self) {
        for i in 0..self.ops.len() {
            let mut i = i;
            while let (Does::Cas(old, new), false) = (self.does[i], self.ops[i].is_certain()) {
                if !self.all[new as usize].live || self.all[old as usize].live {
                    break;
                }
                self.all[old as usize].live = true;
                match self.all[old as usize].writer {
                    NONE => break,
                    writer => i = writer as usize,
                }
            }
        }
    }

    /// Whether a write or compare-and-set happened; other operations always did.
    pub fn happened(&self, i: u32) -> bool {
        match self.does[i as usize] {
            Does::Write(v) | Does::Cas(_, v) => self.all[v as usize].live,
            Does::Read(_) | Does::Not(_) => true,
        }
    }

    /// Chains the clusters and walks along each chain.
    fn blocks(&mut self) -> Result<Vec<Block>, Violation> {
        self.chain()?;
        let mut blocks = Vec::with_capacity(self.all.len());
        let mut walked = 0;
        for root in 0..self.all.len() as u32 {
            let cluster = self.all[root as usize];
            if cluster.live && self.is_root(root) {
                blocks.push(self.walk(root, &mut walked)?);
            }
        }
        let live = self.all.iter().filter(|c| c.live).count();
        if walked < live { Err(self.circle()) } else { Ok(blocks) }
    }

    fn is_root(&self, cluster: u32) -> bool {
        match self.all[cluster as usize].writer {
            NONE => true,
            writer => matches!(self.does[writer as usize], Does::Write(_)),
        }
    }

    fn chain(&mut self) -> Result<(), Violation> {
        for i in 0..self.ops.len() as u32 {
            match self.does[i as usize] {
                Does::Cas(old, new) if self.all[new as usize].live => {
                    let next = &mut self.all[old as usize].next;
                    if *next != NONE {
                        return Err(Violation::Twice(*next, i));
                    }
                    *next = i;
                    self.written(i, old)?;
                }
                Does::Read(v) => self.written(i, v)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn written(&self, i: u32, value: u32) -> Result<(), Violation> {
        let nobody = value != 0 && self.all[value as usize].writer == NONE;
        if nobody { Err(Violation::Unwritten(i)) } else { Ok(()) }
    }

    /// From the first cluster of a block to its last: who comes later must not have ended before who comes earlier
    /// began.
    fn walk(&self, root: u32, walked: &mut usize) -> Result<Block, Violation> {
        let mut block = Block { f: if root == 0 { 0 } else { NEVER }, s: 0, root };
        let mut at = root;
        loop {
            let cluster = &self.all[at as usize];
            *walked += 1;
            if cluster.writer != NONE {
                let writer = self.ops[cluster.writer as usize];
                self.step(&mut block, at, writer.end, writer.start)?;
            }
            if cluster.read_start > 0 {
                self.step(&mut block, at, cluster.read_end, cluster.read_start)?;
            }
            if cluster.next == NONE {
                return Ok(block);
            }
            at = self.left_by(cluster.next);
        }
    }

    /// When the last read of a value began.
    pub fn last_read(&self, cluster: u32) -> u32 {
        self.all[cluster as usize].read_start
    }

    /// The cluster that a compare-and-set leads to.
    pub fn left_by(&self, cas: u32) -> u32 {
        let Does::Cas(_, new) = self.does[cas as usize] else { unreachable!("only compare-and-sets lead on") };
        new
    }

    fn step(&self, block: &mut Block, at: u32, end: u32, start: u32) -> Result<(), Violation> {
        if end < block.s {
            return Err(self.backwards(block.root, at, end, block.s));
        }
        block.f = block.f.min(end);
        block.s = block.s.max(start);
        Ok(())
    }

    /// Compares the blocks with each other.
    fn compare(&self, blocks: Vec<Block>) -> Result<Vec<Block>, Violation> {
        let mut forward: Vec<u64> = Vec::with_capacity(blocks.len());
        forward
            .extend(blocks.iter().enumerate().filter(|(_, b)| b.f < b.s).map(|(i, b)| u64::from(b.f) << 32 | i as u64));
        forward.sort_unstable();
        let zone = |i: usize| &blocks[forward[i] as u32 as usize];
        for i in 1..forward.len() {
            if zone(i).f < zone(i - 1).s {
                return Err(self.crossed(zone(i - 1), zone(i)));
            }
        }
        for block in blocks.iter().filter(|b| b.f >= b.s) {
            let before = forward.partition_point(|key| (key >> 32) < u64::from(block.s));
            if before > 0 && block.f < zone(before - 1).s {
                return Err(self.crossed(zone(before - 1), block));
            }
        }
        Ok(blocks)
    }
}
