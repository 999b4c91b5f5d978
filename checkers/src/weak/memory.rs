//! Causal memory and PRAM: each session by itself can be told a story in which every read returns the last write.
//!
//! Under *causal memory* (Ahamad, Neiger, Burns, Kohli, Hutto: *Causal memory*, Distributed Computing 1995) there is for
//! each session one sequence of all writes and its own reads that extends the causal order. Under *PRAM* (Lipton,
//! Sandberg: *PRAM: A Scalable Shared Memory*, 1988) the sequence has to extend the orders of all sessions only. Different
//! sessions may be told different stories.
//!
//! What a story must obey beyond that is forced by the reads of its session alone (Bouajjani et al., POPL 2017, definition
//! of HB; Wei, Huang, Cao, Lu: *Verifying Pipelined-RAM Consistency over Read/Write Traces*, TPDS 2016): if r reads x
//! from w2, then every write w1 of x in the past of r comes before w2, which puts w1 and its past into the past of
//! whatever has w2 in its past, and so on:
//!
//! ```text
//!   story of p:    …  w2 of x  …  r1  …  r2 reads x from w2, and w1 of x is in its past
//!                         ▲                     │
//!                  w1 ────┘  so w1 stands here, and r1 might see something that it must not
//! ```
//! `CyclicHB`: that order has a cycle. `WriteHBInitRead`: it puts a write before a read that found nothing.
//!
//! # How it is done
//!
//! Only the session's own operations can tell when a write had arrived. So each write gets the number of the first of them
//! that has it in its past, its *batch*: `C_i`, everything in batches up to i, is the past of operation i. For each key there is
//! the set of writes that have arrived and that nothing is known to follow. A read from w2 puts all others of that set
//! before w2, and leaves w2 alone in it. If one of them is in a later batch than w2, it moves to the batch of w2
//! with all its past; where that passes over a read of a key that is moved, that read puts it before *its* write, and so on until
//! nothing moves. All edges then lead to the same batch or a later one, so a cycle lies within a batch, or it was
//! met before: a write that is read after it was put before another one, an operation of the session that would have to
//! arrive before itself.
//!
//! Each node arrives once in each session, and each write is put before others mostly once: near to nodes × sessions, without any
//! clocks. Only what moves costs more.
//!
//! # What it does not detect
//!
//! Where the operations of one session overlap, each of its lanes is a session of its own, which forbids less.

use rustc_hash::{FxHashMap, FxHashSet};

use super::trace::{INITIAL, Kind, Trace};
use crate::budget::{Exhausted, Meter};

/// Which order the stories have to extend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Base {
    /// The causal order.
    Causal,
    /// The order of each session.
    Sessions,
}

/// What one session cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Impossible {
    /// The read that found nothing, or not everything; or else the cycle was closed by it.
    pub reader: u32,
    /// What it read from; [`INITIAL`] for nothing.
    pub from: u32,
    /// The write that comes in between; or before, where nothing was found.
    pub missed: u32,
    /// The key.
    pub key: u32,
}

/// For each session (each lane) the first thing that it cannot be told. `ranks` numbers the nodes in an order that extends
/// the base.
///
/// # Errors
/// When the budget does not suffice.
pub(crate) fn check(
    trace: &Trace,
    base: Base,
    ranks: Option<&[u32]>,
    meter: &Meter<'_>,
) -> Result<Vec<Impossible>, Exhausted> {
    let mut story = Story::new(trace, base, ranks);
    let mut found = Vec::new();
    for lane in 0..trace.lanes.len() as u32 {
        if trace.lanes.of(lane).iter().any(|node| !trace.reads.of(*node).is_empty()) {
            story.begin(lane);
            found.extend(story.tell(meter)?);
            story.end();
        }
    }
    Ok(found)
}

const NONE: u32 = u32::MAX;

struct Story<'a> {
    trace: &'a Trace,
    base: Base,
    ranks: Option<&'a [u32]>,
    lane: u32,
    /// Batches of this session are numbered from here; lower ones are of sessions before.
    start: u32,
    /// For each node its batch.
    batch: Vec<u32>,
    /// For each key the writes that have arrived, and of registers only those that nothing follows, or did when this
    /// was last looked at; the first, and for each the next.
    head: Vec<u32>,
    next: Vec<u32>,
    /// For each key how many writes have arrived.
    arrived: Vec<u32>,
    keys: Vec<u32>,
    /// For each node the last session in whose story another write of its key follows it, counted from 1.
    followed: Vec<u32>,
    /// Edges found: the earlier write, and the next edge to the same later one.
    edges: Vec<(u32, u32)>,
    /// For each later write its last edge.
    edge_of: Vec<u32>,
    later: Vec<u32>,
    /// Pairs of elements that are known to follow one another.
    pairs: FxHashSet<(u32, u32)>,
    /// The reads of the session by key and number; made when first needed.
    reads: Option<Vec<(u32, u32)>>,
    stack: Vec<u32>,
    moves: Vec<(u32, u32)>,
    steps: u64,
}

impl<'a> Story<'a> {
    fn new(trace: &'a Trace, base: Base, ranks: Option<&'a [u32]>) -> Self {
        Story {
            trace,
            base,
            ranks,
            lane: 0,
            start: 0,
            batch: vec![0; trace.len()],
            head: vec![NONE; trace.key_count()],
            next: vec![NONE; trace.len()],
            arrived: vec![0; trace.key_count()],
            keys: Vec::new(),
            followed: vec![0; trace.len()],
            edges: Vec::new(),
            edge_of: vec![NONE; trace.len()],
            later: Vec::new(),
            pairs: FxHashSet::default(),
            reads: None,
            stack: Vec::new(),
            moves: Vec::new(),
            steps: 0,
        }
    }

    fn begin(&mut self, lane: u32) {
        self.lane = lane;
    }

    /// Forgets what belongs to this session.
    fn end(&mut self) {
        self.start += self.trace.lanes.of(self.lane).len() as u32;
        for key in self.keys.drain(..) {
            self.head[key as usize] = NONE;
            self.arrived[key as usize] = 0;
        }
        for node in self.later.drain(..) {
            self.edge_of[node as usize] = NONE;
        }
        self.edges.clear();
        self.pairs.clear();
        self.reads = None;
        self.moves.clear();
    }

    fn tell(&mut self, meter: &Meter<'_>) -> Result<Option<Impossible>, Exhausted> {
        let trace = self.trace;
        for (number, node) in (self.start + 1..).zip(trace.lanes.of(self.lane)) {
            let impossible = self.arrive(*node, number).or_else(|| self.read(*node));
            meter.spend(std::mem::take(&mut self.steps))?;
            if impossible.is_some() {
                return Ok(impossible);
            }
        }
        Ok(self.cycle_within_a_batch())
    }

    /// A node of the session and whatever of its past was not there. Where the base has no cycle, neither the node
    /// itself nor a later one of the session is in it; the order of sessions has one with what this session read from
    /// itself.
    fn arrive(&mut self, arriving: u32, number: u32) -> Option<Impossible> {
        let mut later = None;
        self.batch[arriving as usize] = number;
        self.stack.push(arriving);
        while let Some(node) = self.stack.pop() {
            self.steps += 1;
            if node != arriving && self.trace.places[node as usize].lane == self.lane {
                later = Some(node);
            }
            for key in self.trace.writes.of(node) {
                self.written(node, *key);
            }
            let (trace, start) = (self.trace, self.start);
            let (batch, stack) = (&mut self.batch, &mut self.stack);
            each_parent(trace, self.base, self.lane, node, |parent| {
                if parent == arriving {
                    later = Some(node);
                } else if batch[parent as usize] <= start {
                    batch[parent as usize] = number;
                    stack.push(parent);
                }
            });
        }
        let read = *self.trace.reads.of(arriving).first()?;
        later.map(|missed| Impossible { reader: arriving, from: read.from, missed, key: read.key })
    }

    fn written(&mut self, node: u32, key: u32) {
        let head = &mut self.head[key as usize];
        if *head == NONE {
            self.keys.push(key);
        }
        self.next[node as usize] = std::mem::replace(head, node);
        self.arrived[key as usize] += 1;
    }

    fn read(&mut self, node: u32) -> Option<Impossible> {
        let reads = self.trace.reads.of(node);
        let first = reads.first()?;
        if self.trace.kinds[first.key as usize] == Kind::List {
            return self.read_list(node);
        }
        reads.iter().find_map(|read| match read.from {
            INITIAL => {
                let missed = self.head[read.key as usize];
                (missed != NONE).then_some(Impossible { reader: node, from: INITIAL, missed, key: read.key })
            }
            from => self.read_register(node, read.key, from),
        })
    }

    fn is_followed(&self, node: u32) -> bool {
        self.followed[node as usize] == self.lane + 1
    }

    /// All writes that have arrived come before the one read from.
    fn read_register(&mut self, reader: u32, key: u32, from: u32) -> Option<Impossible> {
        let mut other = self.head[key as usize];
        if other == from && self.next[from as usize] == NONE && !self.is_followed(from) {
            return None;
        }
        if self.is_followed(from) {
            while other != NONE && self.is_followed(other) {
                other = self.next[other as usize];
            }
            return Some(Impossible { reader, from, missed: other, key });
        }
        while other != NONE {
            let next = self.next[other as usize];
            if other != from && !self.is_followed(other) {
                self.put_before(other, from);
            }
            other = next;
        }
        self.head[key as usize] = from;
        self.next[from as usize] = NONE;
        self.settle(reader)
    }

    fn read_list(&mut self, reader: u32) -> Option<Impossible> {
        let reads = self.trace.reads.of(reader);
        let key = reads[0].key;
        let shown: Vec<u32> = reads.iter().map(|read| read.from).filter(|from| *from != INITIAL).collect();
        if (self.arrived[key as usize] as usize) > shown.len() && !self.trace.partial.contains(&reader) {
            let shown: FxHashSet<u32> = shown.into_iter().collect();
            let mut missed = self.head[key as usize];
            while shown.contains(&missed) {
                missed = self.next[missed as usize];
            }
            return Some(Impossible { reader, from: INITIAL, missed, key });
        }
        for pair in shown.windows(2) {
            if self.pairs.insert((pair[0], pair[1])) {
                self.put_before(pair[0], pair[1]);
            }
        }
        self.settle(reader)
    }

    fn put_before(&mut self, earlier: u32, later: u32) {
        self.followed[earlier as usize] = self.lane + 1;
        let edge = &mut self.edge_of[later as usize];
        if *edge == NONE {
            self.later.push(later);
        }
        let this = self.edges.len() as u32;
        self.edges.push((earlier, std::mem::replace(edge, this)));
        let batch = self.batch[later as usize];
        if self.batch[earlier as usize] > batch {
            self.moves.push((earlier, batch));
        }
    }

    /// Moves what has to be in an earlier batch, until nothing has to.
    fn settle(&mut self, reader: u32) -> Option<Impossible> {
        while let Some((node, batch)) = self.moves.pop() {
            let old = self.batch[node as usize];
            if old <= batch {
                continue;
            }
            self.steps += 1;
            self.batch[node as usize] = batch;
            if self.trace.places[node as usize].lane == self.lane {
                let key = self.trace.reads.of(reader).first().map_or(0, |read| read.key);
                let from = self.trace.reads.of(reader).first().map_or(INITIAL, |read| read.from);
                return Some(Impossible { reader, from, missed: node, key });
            }
            for key in self.trace.writes.of(node) {
                if let Some(impossible) = self.pass_over(node, *key, batch, old) {
                    return Some(impossible);
                }
            }
            let moves = &mut self.moves;
            each_parent(self.trace, self.base, self.lane, node, |parent| moves.push((parent, batch)));
            let mut edge = self.edge_of[node as usize];
            while edge != NONE {
                let (earlier, next) = self.edges[edge as usize];
                self.moves.push((earlier, batch));
                edge = next;
            }
        }
        None
    }

    /// A write moves from a batch to an earlier one: the first read of its key that it passes over has something to say.
    fn pass_over(&mut self, node: u32, key: u32, batch: u32, old: u32) -> Option<Impossible> {
        let reads = self.reads.get_or_insert_with(|| reads_by_key(self.trace, self.lane));
        let start = self.start;
        let at = reads.partition_point(|(k, number)| (*k, *number + start + 1) < (key, batch));
        let until = reads[at..].partition_point(|(k, number)| (*k, *number + start + 1) < (key, old));
        let lane = self.trace.lanes.of(self.lane);
        let mut passed = reads[at..at + until].iter().map(|(_, number)| lane[*number as usize]);
        let reader = passed.find(|reader| !self.trace.partial.contains(reader))?;
        let read = self.trace.reads.of(reader).iter().find(|read| read.key == key)?;
        if read.from == INITIAL || self.trace.kinds[key as usize] == Kind::List {
            return Some(Impossible { reader, from: INITIAL, missed: node, key });
        }
        if read.from != node {
            self.put_before(node, read.from);
        }
        None
    }

    /// An edge within a batch that goes against the ranks may be part of a cycle.
    fn cycle_within_a_batch(&self) -> Option<Impossible> {
        let mut done = FxHashMap::default();
        for later in &self.later {
            let mut edge = self.edge_of[*later as usize];
            while edge != NONE {
                let (earlier, next) = self.edges[edge as usize];
                let rank = |node: u32| self.ranks.map_or(node, |ranks| ranks[node as usize]);
                if self.batch[earlier as usize] == self.batch[*later as usize]
                    && rank(earlier) > rank(*later)
                    && self.closes(earlier, &mut done)
                {
                    return Some(self.witness(earlier, *later));
                }
                edge = next;
            }
        }
        None
    }

    /// Whether a cycle can be reached backwards from a node within its batch.
    fn closes(&self, node: u32, done: &mut FxHashMap<u32, bool>) -> bool {
        let mut path = vec![(node, self.parents_within(node))];
        if done.insert(node, false).is_some() {
            return false;
        }
        while let Some((node, parents)) = path.last_mut() {
            match parents.pop() {
                None => {
                    done.insert(*node, true);
                    path.pop();
                }
                Some(parent) => match done.get(&parent) {
                    Some(true) => {}
                    Some(false) => return true,
                    None => {
                        done.insert(parent, false);
                        path.push((parent, self.parents_within(parent)));
                    }
                },
            }
        }
        false
    }

    fn parents_within(&self, node: u32) -> Vec<u32> {
        let mut parents = Vec::new();
        each_parent(self.trace, self.base, self.lane, node, |parent| parents.push(parent));
        let mut edge = self.edge_of[node as usize];
        while edge != NONE {
            let (earlier, next) = self.edges[edge as usize];
            parents.push(earlier);
            edge = next;
        }
        parents.retain(|parent| self.batch[*parent as usize] == self.batch[node as usize]);
        parents
    }

    /// The first read of the session that reads from the later of two writes.
    fn witness(&self, missed: u32, from: u32) -> Impossible {
        let lane = self.trace.lanes.of(self.lane);
        let reads = lane.iter().flat_map(|node| self.trace.reads.of(*node).iter().map(|read| (*node, *read)));
        let found = reads.filter(|(_, read)| read.from == from).next();
        let (reader, key) = found.map_or((lane[0], 0), |(node, read)| (node, read.key));
        Impossible { reader, from, missed, key }
    }
}

/// What directly precedes a node in the base of the stories of a lane.
#[inline]
fn each_parent(trace: &Trace, base: Base, lane: u32, node: u32, mut take: impl FnMut(u32)) {
    if let Some(before) = trace.before(node) {
        take(before);
    }
    for (_, from) in trace.joins_of(node) {
        take(*from);
    }
    if base == Base::Causal || trace.places[node as usize].lane == lane {
        for read in trace.reads.of(node) {
            if read.from != INITIAL {
                take(read.from);
            }
        }
    }
}

/// The reads of a lane: key, and how manieth node of the lane.
fn reads_by_key(trace: &Trace, lane: u32) -> Vec<(u32, u32)> {
    let nodes = (0..).zip(trace.lanes.of(lane));
    let reads = nodes.flat_map(|(number, node)| trace.reads.of(*node).iter().map(move |read| (read.key, number)));
    let mut reads: Vec<(u32, u32)> = reads.collect();
    reads.sort_unstable();
    reads.dedup();
    reads
}
