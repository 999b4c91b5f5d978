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
//! that has it in its past, its *batch*: `C_i`, everything in batches up to i, is the past of operation i. When operation
//! i reads x from w2, every write of x in `C_i` comes before w2. One of an earlier batch does. One of a later batch moves
//! to the batch of w2 with all its past; where that passes over an operation that read a key which is moved, that
//! one puts it before *its* write; where something moves that was read from, the writes before it move too; and so on
//! until nothing moves. All edges then lead to the same batch or to a later one, so a cycle lies within a batch, or it
//! was met before: a write that is read although another one was read after it had arrived, or an operation of the
//! session that would have to arrive before itself.
//!
//! ```text
//!   batches of p    1: w2      2: …      3: w1          operation 3 of p reads x from w2:  w1 moves to batch 1
//! ```
//! Each node arrives once in each session, and nearly all reads look at one or two writes: near to nodes × sessions, without
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

/// What a node is, in [`Cell::from`]; other numbers are the node that a read of a register read from.
const NOTHING: u32 = INITIAL;
const WRITE: u32 = u32::MAX - 1;
/// A read of a list, or a node that does nothing that counts.
const SEVERAL: u32 = u32::MAX - 2;

/// All that is known of a node, in half a line of cache: every session looks at nearly all of them.
#[derive(Clone, Copy)]
struct Cell {
    /// The node before it in its lane.
    before: u32,
    key: u32,
    from: u32,
    /// Its batch; numbers of earlier sessions are lower.
    batch: u32,
    /// The batch in which it was before anything moved.
    arrived: u32,
    /// Of a write: the one of its key that arrived before it.
    next: u32,
    /// Of a write: the last operation of the session that read from it; numbers of earlier sessions are lower.
    told: u32,
    /// Of a write: the last edge to it.
    edge: u32,
}

/// What a session has read of a key.
#[derive(Clone, Copy)]
struct Key {
    /// The write that arrived last.
    head: u32,
    /// How many have arrived.
    count: u32,
    /// The operation of the session that read it last, and from where.
    last: u32,
    from: u32,
}

const UNTOUCHED: Key = Key { head: NONE, count: 0, last: 0, from: NONE };

struct Story<'a> {
    trace: &'a Trace,
    base: Base,
    ranks: Option<&'a [u32]>,
    lane: u32,
    /// Batches of this session are numbered from here; lower ones are of sessions before.
    start: u32,
    cells: Vec<Cell>,
    keys: Vec<Key>,
    touched: Vec<u32>,
    /// Edges found: the earlier write, and the next edge to the same later one.
    edges: Vec<(u32, u32)>,
    /// The writes that edges lead to.
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
            cells: (0..trace.len() as u32).map(|node| cell(trace, node)).collect(),
            keys: vec![UNTOUCHED; trace.key_count()],
            touched: Vec::new(),
            edges: Vec::new(),
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
        for key in self.touched.drain(..) {
            self.keys[key as usize] = UNTOUCHED;
        }
        for node in self.later.drain(..) {
            self.cells[node as usize].edge = NONE;
        }
        self.edges.clear();
        self.pairs.clear();
        self.reads = None;
        self.moves.clear();
    }

    fn tell(&mut self, meter: &Meter<'_>) -> Result<Option<Impossible>, Exhausted> {
        let trace = self.trace;
        for (number, node) in (self.start + 1..).zip(trace.lanes.of(self.lane)) {
            let impossible = self.arrive(*node, number).or_else(|| self.read(*node, number));
            meter.spend(std::mem::take(&mut self.steps))?;
            if impossible.is_some() {
                return Ok(impossible);
            }
        }
        Ok(self.cycle_within_a_batch())
    }

    /// A node of the session and whatever of its past was not there. Where the base has no cycle, the node itself is
    /// not in it; the order of sessions has one with what this session read from its own future.
    fn arrive(&mut self, arriving: u32, number: u32) -> Option<Impossible> {
        let mut later = None;
        self.cells[arriving as usize].batch = number;
        self.stack.push(arriving);
        while let Some(node) = self.stack.pop() {
            self.steps += 1;
            let cell = self.cells[node as usize];
            if cell.from == WRITE {
                self.written(node, cell.key, number);
            }
            let (cells, stack, start) = (&mut self.cells, &mut self.stack, self.start);
            let every = self.base == Base::Causal || node == arriving;
            each_parent(self.trace, cell, node, every, |parent| {
                let batch = &mut cells[parent as usize].batch;
                if parent == arriving {
                    later = Some(node);
                } else if *batch <= start {
                    *batch = number;
                    stack.push(parent);
                }
            });
        }
        let read = *self.trace.reads.of(arriving).first()?;
        later.map(|missed| Impossible { reader: arriving, from: read.from, missed, key: read.key })
    }

    #[inline]
    fn written(&mut self, node: u32, key: u32, number: u32) {
        let state = &mut self.keys[key as usize];
        if state.head == NONE {
            self.touched.push(key);
        }
        state.count += 1;
        let cell = &mut self.cells[node as usize];
        cell.next = std::mem::replace(&mut state.head, node);
        cell.arrived = number;
    }

    #[inline]
    fn read(&mut self, node: u32, number: u32) -> Option<Impossible> {
        let Cell { key, from, .. } = self.cells[node as usize];
        match from {
            WRITE => None,
            SEVERAL if self.trace.reads.of(node).is_empty() => None,
            SEVERAL => self.read_list(node),
            NOTHING => {
                let missed = self.keys[key as usize].head;
                (missed != NONE).then_some(Impossible { reader: node, from: INITIAL, missed, key })
            }
            from => self.read_register(node, number, key, from),
        }
    }

    /// All writes that have arrived come before the one read from. Those that had arrived at the read before come
    /// before what that one read from.
    fn read_register(&mut self, reader: u32, number: u32, key: u32, from: u32) -> Option<Impossible> {
        let Key { head, last, from: before, .. } = self.keys[key as usize];
        let batch = self.cells[from as usize].batch;
        if before != from && batch <= last {
            return Some(Impossible { reader, from, missed: before, key });
        }
        self.cells[from as usize].told = number;
        let state = &mut self.keys[key as usize];
        (state.last, state.from) = (number, from);
        let mut other = head;
        while other != NONE {
            let Cell { arrived, next, batch: its, .. } = self.cells[other as usize];
            if arrived < batch || arrived <= last {
                break;
            }
            if other != from && its >= batch {
                self.put_before(other, from);
            }
            self.steps += 1;
            other = next;
        }
        self.settle(reader)
    }

    fn read_list(&mut self, reader: u32) -> Option<Impossible> {
        let reads = self.trace.reads.of(reader);
        let key = reads[0].key;
        let shown: Vec<u32> = reads.iter().map(|read| read.from).filter(|from| *from != INITIAL).collect();
        if (self.keys[key as usize].count as usize) > shown.len() && !self.trace.partial.contains(&reader) {
            let shown: FxHashSet<u32> = shown.into_iter().collect();
            let mut missed = self.keys[key as usize].head;
            while shown.contains(&missed) {
                missed = self.cells[missed as usize].next;
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
        let this = self.edges.len() as u32;
        let Cell { batch, edge, .. } = &mut self.cells[later as usize];
        let batch = *batch;
        let next = std::mem::replace(edge, this);
        if next == NONE {
            self.later.push(later);
        }
        self.edges.push((earlier, next));
        if self.cells[earlier as usize].batch > batch {
            self.moves.push((earlier, batch));
        }
    }

    /// Moves what has to be in an earlier batch, until nothing has to.
    fn settle(&mut self, reader: u32) -> Option<Impossible> {
        while let Some((node, batch)) = self.moves.pop() {
            let cell = self.cells[node as usize];
            if cell.batch <= batch {
                continue;
            }
            self.steps += 1;
            self.cells[node as usize].batch = batch;
            let own = self.trace.places[node as usize].lane == self.lane;
            if own {
                let read = self.trace.reads.of(reader).first()?;
                return Some(Impossible { reader, from: read.from, missed: node, key: read.key });
            }
            if cell.from == WRITE
                && let Some(impossible) = self.pass_over(node, cell.key, batch, cell.batch)
            {
                return Some(impossible);
            }
            if cell.told > self.start {
                self.take_along(node, cell, batch);
            }
            let moves = &mut self.moves;
            let every = self.base == Base::Causal;
            each_parent(self.trace, cell, node, every, |parent| moves.push((parent, batch)));
            let mut edge = cell.edge;
            while edge != NONE {
                let (earlier, next) = self.edges[edge as usize];
                self.moves.push((earlier, batch));
                edge = next;
            }
        }
        None
    }

    /// A write that was read from moves to a batch: the writes that come before it do too.
    fn take_along(&mut self, node: u32, cell: Cell, batch: u32) {
        let mut other = self.keys[cell.key as usize].head;
        while other != NONE {
            let Cell { arrived, next, batch: its, .. } = self.cells[other as usize];
            if arrived < batch {
                break;
            }
            if other != node && its >= batch && its <= cell.told {
                self.put_before(other, node);
            }
            self.steps += 1;
            other = next;
        }
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
            let end = self.cells[*later as usize];
            let mut edge = end.edge;
            while edge != NONE {
                let (earlier, next) = self.edges[edge as usize];
                let rank = |node: u32| self.ranks.map_or(node, |ranks| ranks[node as usize]);
                if self.cells[earlier as usize].batch == end.batch
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
        let cell = self.cells[node as usize];
        let own = self.trace.places[node as usize].lane == self.lane;
        each_parent(self.trace, cell, node, own || self.base == Base::Causal, |parent| parents.push(parent));
        let mut edge = cell.edge;
        while edge != NONE {
            let (earlier, next) = self.edges[edge as usize];
            parents.push(earlier);
            edge = next;
        }
        parents.retain(|parent| self.cells[*parent as usize].batch == cell.batch);
        parents
    }

    /// The first read of the session that reads from the later of two writes.
    fn witness(&self, missed: u32, from: u32) -> Impossible {
        let lane = self.trace.lanes.of(self.lane);
        let mut reads = lane.iter().flat_map(|node| self.trace.reads.of(*node).iter().map(|read| (*node, *read)));
        let found = reads.find(|(_, read)| read.from == from);
        let (reader, key) = found.map_or((lane[0], 0), |(node, read)| (node, read.key));
        Impossible { reader, from, missed, key }
    }
}

fn cell(trace: &Trace, node: u32) -> Cell {
    let (reads, writes) = (trace.reads.of(node), trace.writes.of(node));
    let (key, from) = match (writes, reads) {
        ([key], _) => (*key, WRITE),
        (_, [read]) if trace.kinds[read.key as usize] == Kind::Register => (read.key, read.from),
        (_, reads) => (reads.first().map_or(0, |read| read.key), SEVERAL),
    };
    let before = trace.before(node).unwrap_or(NONE);
    Cell { before, key, from, batch: 0, arrived: 0, next: NONE, told: 0, edge: NONE }
}

/// What directly precedes a node; what it read from only if `every` parent is wanted.
#[inline]
fn each_parent(trace: &Trace, cell: Cell, node: u32, every: bool, mut take: impl FnMut(u32)) {
    if cell.before != NONE {
        take(cell.before);
    }
    for (_, from) in trace.joins_of(node) {
        take(*from);
    }
    match cell.from {
        from if from < SEVERAL && every => take(from),
        SEVERAL if every => {
            trace.reads.of(node).iter().filter(|read| read.from != INITIAL).for_each(|read| take(read.from));
        }
        _ => {}
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
