//! Causal consistency: whatever an operation may have been caused by is there.
//!
//! The causal order `co` is the transitive closure of the order of sessions and of reading from. With all written values
//! distinct it is known, and a history is causally consistent unless it holds one of a few *bad patterns* (Bouajjani, Enea,
//! Guerraoui, Hamza: *On Verifying Causal Consistency*, POPL 2017, sections 5 and 6):
//!
//! ```text
//!   CyclicCO          co has a cycle
//!   WriteCOInitRead   r finds nothing in x, and a write of x is in its past
//!   WriteCORead       r reads x from w1, and a write w2 of x lies between them:   w1 ──co──▶ w2 ──co──▶ r
//!   CyclicCF          co with all conflicts w2 ──cf──▶ w1 has a cycle:  r reads x from w1, w2 of x is in its past
//! ```
//! Without the first three it is causally consistent (CC); without all four it converges (CCv): one order
//! of writes explains everything. For transactions the same four are the causal consistency of Biswas and Enea (*On the
//! Complexity of Checking Transactional Consistency*, OOPSLA 2019).
//!
//! # What was decided
//!
//! **Guess an order, then repair it.** There can be as many conflicts as reads times sessions, and nearly all of them say
//! what is plain already. So the nodes are brought into one order that extends `co`, near to that in which they were
//! completed. If no read has in its past a write of its key *later in this order* than the one it read from, the order
//! itself is the proof that all is well, and no conflict was ever written down. Otherwise the writes found later are
//! *suspects* (see [`repair`](super::repair)):
//!
//! ```text
//!   order:   …  w1  …  w2  …  r (reads w1, w2 in its past)        suspect: w2 before w1
//! ```
//! If w1 is in the past of w2, that is WriteCORead. If not, w2 must come before w1: an edge is added, the nodes are ordered
//! anew, and the sweep is repeated. A cycle of `co` and these edges is CyclicCF. When the order is still not right after
//! a few rounds, all conflicts are written down after all, and one more ordering decides.
//!
//! **Lists.** A read of a list shows all elements that it can see. So an append in its past that it does not show is what
//! WriteCOInitRead is to registers, and each element must come before the next one.
//!
//! **Cost.** A sweep takes lanes × nodes steps at most; that is the bound of AWDIT (Møldrup, Pavlogiannis: *AWDIT: An Optimal
//! Weak Database Isolation Tester*, PLDI 2025). A read looks at the writes of its key between the one it read from and
//! itself, mostly one or two, and where there are more than lanes at the last one of each lane.

use rustc_hash::FxHashSet;

use super::clocks::{Visitor, holds, sweep};
use super::order::{Order, Parents, order};
use super::repair::{Knot, ROUNDS, Wanted, repair};
use super::table::Table;
use super::trace::{INITIAL, Kind, Place, Read, Trace};
use crate::budget::{Exhausted, Meter};

/// A write in the past of a read that the read does not account for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Suspect {
    /// The write read from; [`INITIAL`] where nothing was found.
    pub from: u32,
    /// The write in the past.
    pub missed: u32,
    /// The read.
    pub reader: u32,
    /// The key.
    pub key: u32,
}

/// What contradicts causal consistency. Each is empty where an earlier one is not.
#[derive(Debug, Default)]
pub(crate) struct Contradictions {
    /// Components of the causal order.
    pub cycles: Vec<Vec<u32>>,
    /// Reads that found nothing, or a list without an element, with a write in their past.
    pub initial: Vec<Suspect>,
    /// Reads from a write that was overwritten in their past.
    pub overwritten: Vec<Suspect>,
    /// Components of the causal order with the conflicts, and the conflicts that are in them.
    pub conflicts: Vec<Knot>,
}

impl Contradictions {
    /// Whether causal consistency is contradicted, not only convergence.
    pub(crate) fn is_not_causal(&self) -> bool {
        !(self.cycles.is_empty() && self.initial.is_empty() && self.overwritten.is_empty())
    }
}

/// Looks for all of them; for conflicts only if `convergence` is asked.
///
/// # Errors
/// When the budget does not suffice.
pub(crate) fn check(trace: &Trace, convergence: bool, meter: &Meter<'_>) -> Result<Contradictions, Exhausted> {
    let Order { nodes, components } = order(&Parents::of_trace(trace), &trace.by_completion);
    if components.is_empty() {
        return check_in(trace, nodes, convergence, meter);
    }
    Ok(Contradictions { cycles: components, ..Contradictions::default() })
}

/// The same, where all nodes are given parents first.
///
/// # Errors
/// When the budget does not suffice.
pub(crate) fn check_in(
    trace: &Trace,
    nodes: Vec<u32>,
    convergence: bool,
    meter: &Meter<'_>,
) -> Result<Contradictions, Exhausted> {
    contradictions(trace, nodes, convergence, (ROUNDS, usize::MAX), meter)
}

/// With a limit of rounds of repair, and of looks at single writes.
fn contradictions(
    trace: &Trace,
    nodes: Vec<u32>,
    convergence: bool,
    (rounds, patience): (usize, usize),
    meter: &Meter<'_>,
) -> Result<Contradictions, Exhausted> {
    let mut look = Look::new(trace, &nodes, patience);
    sweep(trace, &nodes, meter, &mut look)?;
    let (initial, suspects) = (look.initial, look.suspects);
    let overwritten = overwritten(trace, &nodes, &suspects, meter)?;
    let mut found = Contradictions { initial, overwritten, ..Contradictions::default() };
    if convergence && !found.is_not_causal() {
        found.conflicts = repair(trace, nodes, suspects, rounds, meter, |nodes, wanted| match wanted {
            Wanted::Broken => {
                let mut look = Look::new(trace, nodes, patience);
                sweep(trace, nodes, meter, &mut look).map(|()| look.suspects)
            }
            Wanted::All => {
                let mut all = All { trace, by_lane: trace.writers_by_lane(), conflicts: Vec::new() };
                sweep(trace, nodes, meter, &mut all).map(|()| all.conflicts)
            }
        })?;
    }
    Ok(found)
}

/// Of the suspects those whose write read from is in the past of the missed one.
fn overwritten(
    trace: &Trace,
    nodes: &[u32],
    suspects: &[Suspect],
    meter: &Meter<'_>,
) -> Result<Vec<Suspect>, Exhausted> {
    if suspects.is_empty() {
        return Ok(Vec::new());
    }
    let pairs = suspects.iter().enumerate().map(|(i, suspect)| (suspect.missed, i as u32));
    let at = Table::from_pairs(trace.len(), pairs, 0);
    let mut between = Between { trace, suspects, at, found: Vec::new() };
    sweep(trace, nodes, meter, &mut between)?;
    between.found.sort_unstable();
    Ok(between.found.iter().map(|i| suspects[*i as usize]).collect())
}

struct Between<'a> {
    trace: &'a Trace,
    suspects: &'a [Suspect],
    at: Table<u32>,
    found: Vec<u32>,
}

impl Visitor for Between<'_> {
    fn visit(&mut self, node: u32, past: &[u32]) {
        for i in self.at.of(node) {
            if holds(past, self.trace.places[self.suspects[*i as usize].from as usize]) {
                self.found.push(*i);
            }
        }
    }
}

/// Looks for suspects: at each read, for writes in its past that come later in the order of the sweep.
struct Look<'a> {
    trace: &'a Trace,
    /// For each node its number in the order, only where it is needed.
    order: &'a [u32],
    ranks: Vec<u32>,
    /// For each key the places of the writes so far, in the order of the sweep.
    written: Table<Place>,
    filled: Vec<u32>,
    by_lane: Option<Table<u32>>,
    /// Looks at single writes before each lane's last one is looked for.
    patience: usize,
    known: FxHashSet<(u32, u32)>,
    suspects: Vec<Suspect>,
    initial: Vec<Suspect>,
}

impl<'a> Look<'a> {
    fn new(trace: &'a Trace, order: &'a [u32], patience: usize) -> Self {
        let nodes = trace.lanes.items();
        let keys = nodes.iter().flat_map(|node| trace.writes.of(*node).iter().map(|key| (*key, Place::ABSENT)));
        Look {
            trace,
            order,
            ranks: Vec::new(),
            written: Table::from_pairs(trace.key_count(), keys, Place::ABSENT),
            filled: vec![0; trace.key_count()],
            by_lane: None,
            patience: patience.min(2 * trace.lanes.len() + 16),
            known: FxHashSet::default(),
            suspects: Vec::new(),
            initial: Vec::new(),
        }
    }

    #[inline]
    fn register(&mut self, reader: u32, read: Read, past: &[u32]) {
        let written = &self.written.of(read.key)[..self.filled[read.key as usize] as usize];
        if read.from == INITIAL {
            return self.nothing(reader, read.key, past);
        }
        let from = self.trace.places[read.from as usize];
        for (looks, place) in written.iter().rev().enumerate() {
            if *place == from {
                return;
            }
            if looks > self.patience {
                return self.by_lane(reader, read, past);
            }
            if holds(past, *place) {
                let suspect = Suspect { from: read.from, missed: self.trace.at(*place), reader, key: read.key };
                if self.known.insert((suspect.from, suspect.missed)) {
                    self.suspects.push(suspect);
                }
            }
        }
    }

    /// Among many writes, only the last one of each lane.
    fn by_lane(&mut self, reader: u32, read: Read, past: &[u32]) {
        if self.ranks.is_empty() {
            self.ranks = ranks(self.trace, self.order);
        }
        let by_lane = self.by_lane.get_or_insert_with(|| self.trace.writers_by_lane());
        each_last(self.trace, by_lane.of(read.key), past, |missed, _| {
            if self.ranks[missed as usize] > self.ranks[read.from as usize] && self.known.insert((read.from, missed)) {
                self.suspects.push(Suspect { from: read.from, missed, reader, key: read.key });
            }
        });
    }

    fn nothing(&mut self, reader: u32, key: u32, past: &[u32]) {
        let written = &self.written.of(key)[..self.filled[key as usize] as usize];
        let missed = match written.len() > self.patience {
            false => written.iter().find(|place| holds(past, **place)).map(|place| self.trace.at(*place)),
            true => {
                let by_lane = self.by_lane.get_or_insert_with(|| self.trace.writers_by_lane());
                let mut found = None;
                each_last(self.trace, by_lane.of(key), past, |missed, _| found = found.or(Some(missed)));
                found
            }
        };
        if let Some(missed) = missed {
            self.initial.push(Suspect { from: INITIAL, missed, reader, key });
        }
    }

    /// A read of a list: everything in its past is there, and everything that is there comes before the next one.
    fn list(&mut self, reader: u32, reads: &[Read], past: &[u32]) {
        let key = reads[0].key;
        let shown = reads.iter().filter(|read| read.from != INITIAL);
        self.elements(reader, reads, key);
        let by_lane = self.by_lane.get_or_insert_with(|| self.trace.writers_by_lane());
        let mut visible = 0;
        each_last(self.trace, by_lane.of(key), past, |_, count| visible += count);
        if visible > shown.clone().count() && !self.trace.partial.contains(&reader) {
            let shown: FxHashSet<u32> = shown.map(|read| read.from).collect();
            let there = |node: &&u32| holds(past, self.trace.places[**node as usize]);
            let mut missed = by_lane.of(key).iter().filter(there).filter(|node| !shown.contains(node));
            if let Some(missed) = missed.next() {
                self.initial.push(Suspect { from: INITIAL, missed: *missed, reader, key });
            }
        }
    }

    /// Each element comes before all that stand behind it; those that come later in the order of the sweep are suspects.
    fn elements(&mut self, reader: u32, reads: &[Read], key: u32) {
        if reads.len() < 2 {
            return;
        }
        if self.ranks.is_empty() {
            self.ranks = ranks(self.trace, self.order);
        }
        let rank = |read: &Read| self.ranks[read.from as usize];
        if reads.is_sorted_by_key(rank) {
            return;
        }
        let mut lowest: Vec<u32> = reads.iter().map(rank).collect();
        for i in (1..lowest.len()).rev() {
            lowest[i - 1] = lowest[i - 1].min(lowest[i]);
        }
        for (i, first) in reads.iter().enumerate() {
            let rest = reads[i + 1..].iter().zip(&lowest[i + 1..]).take_while(|(_, lowest)| **lowest < rank(first));
            for (second, _) in rest.filter(|(second, _)| rank(second) < rank(first)) {
                if self.known.insert((second.from, first.from)) {
                    self.suspects.push(Suspect { from: second.from, missed: first.from, reader, key });
                }
            }
        }
    }
}

impl Visitor for Look<'_> {
    #[inline]
    fn visit(&mut self, node: u32, past: &[u32]) {
        let reads = self.trace.reads.of(node);
        if reads.first().is_some_and(|read| self.trace.kinds[read.key as usize] == Kind::List) {
            self.list(node, reads, past);
        } else {
            for read in reads {
                self.register(node, *read, past);
            }
        }
        for key in self.trace.writes.of(node) {
            let filled = &mut self.filled[*key as usize];
            self.written.of_mut(*key)[*filled as usize] = self.trace.places[node as usize];
            *filled += 1;
        }
    }
}

/// For each node its number in an order.
pub(crate) fn ranks(trace: &Trace, order: &[u32]) -> Vec<u32> {
    let mut ranks = vec![0; trace.len()];
    for (rank, node) in order.iter().enumerate() {
        ranks[*node as usize] = rank as u32;
    }
    ranks
}

/// Of nodes that are sorted by lane and position, the last of each lane that is in a past, and how many of its lane are.
pub(crate) fn each_last(trace: &Trace, nodes: &[u32], past: &[u32], mut take: impl FnMut(u32, usize)) {
    let mut rest = nodes;
    while let Some(first) = rest.first() {
        let lane = trace.places[*first as usize].lane;
        let (group, others) = rest.split_at(rest.partition_point(|node| trace.places[*node as usize].lane == lane));
        let count = group.partition_point(|node| holds(past, trace.places[*node as usize]));
        if count > 0 {
            take(group[count - 1], count);
        }
        rest = others;
    }
}

/// All conflicts: at each read the last write of each lane in its past.
struct All<'a> {
    trace: &'a Trace,
    by_lane: Table<u32>,
    conflicts: Vec<Suspect>,
}

impl Visitor for All<'_> {
    fn visit(&mut self, node: u32, past: &[u32]) {
        let mut list: Option<u32> = None;
        for read in self.trace.reads.of(node).iter().filter(|read| read.from != INITIAL) {
            let mut push = |missed| {
                self.conflicts.push(Suspect { from: read.from, missed, reader: node, key: read.key });
            };
            if self.trace.kinds[read.key as usize] == Kind::List {
                if let Some(before) = list.replace(read.from) {
                    push(before);
                }
                continue;
            }
            each_last(self.trace, self.by_lane.of(read.key), past, |missed, _| {
                if missed != read.from {
                    push(missed);
                }
            });
        }
    }
}

#[cfg(test)]
#[path = "../../tests/weak_reference/mod.rs"]
mod weak_reference;

#[cfg(test)]
mod tests {
    use histories::History;

    use super::super::trace::Grain;
    use super::weak_reference::{Rng, Shape, history};
    use super::*;
    use crate::Budget;

    fn found(trace: &Trace, limits: (usize, usize)) -> [bool; 3] {
        let nodes = order(&Parents::of_trace(trace), &trace.by_completion).nodes;
        let found = contradictions(trace, nodes, true, limits, &Meter::new(&Budget::default())).expect("no limits");
        [!found.initial.is_empty(), !found.overwritten.is_empty(), !found.conflicts.is_empty()]
    }

    #[test]
    fn without_patience_and_without_rounds_the_verdict_is_the_same() {
        let shapes = [
            Shape { fresh: 75, operations: 14, nothing: 3, ..Shape::default() },
            Shape { fresh: 60, operations: 8, keys: 1, ..Shape::default() },
            Shape { lists: true, operations: 7, ..Shape::default() },
            Shape { steps: 3, operations: 6, fresh: 70, ..Shape::default() },
        ];
        let mut counts = [0; 3];
        for (seed, shape) in (0..24_000).zip(shapes.iter().cycle()) {
            let history = History::from_events(&history(&mut Rng(seed), *shape));
            let grain = if seed % 2 == 0 { Grain::Operation } else { Grain::Transaction };
            let trace = Trace::new(&history, grain, None);
            if !order(&Parents::of_trace(&trace), &trace.by_completion).components.is_empty() {
                continue;
            }
            let usual = found(&trace, (ROUNDS, usize::MAX));
            for limits in [(0, usize::MAX), (0, 0), (1, 0), (ROUNDS, 0)] {
                assert_eq!(found(&trace, limits), usual, "{limits:?} of seed {seed}");
            }
            counts.iter_mut().zip(usual).for_each(|(count, is)| *count += u32::from(is));
        }
        assert!(counts.iter().all(|count| *count > 300), "{counts:?}");
    }
}
