//! The four session guarantees over whole histories, each by itself.
//!
//! Terry, Demers, Petersen, Spreitzer, Theimer, Welch: *Session Guarantees for Weakly Consistent Replicated Data* (PDIS
//! 1994). In which order the versions of a register came is seldom recorded. So a guarantee is violated if there is *no*
//! order of the versions of a key, the initial one first, that agrees with what it demands (the axioms after Viotti, Vukolić:
//! *Consistency in Non-Transactional Distributed Storage Systems*, ACM Computing Surveys 2016, with the order unknown):
//!
//! ```text
//!   monotonic reads       r1 … r2         the version of r1 is not newer than that of r2
//!   read your writes      w  … r          w is not newer than the version of r
//!   monotonic writes      w1 … w2         w1 comes before w2
//!   writes follow reads   r  … w          the version of r comes before w
//! ```
//! each within one session and on one key.
//!
//! # What was decided
//!
//! **A register that one session alone writes**, or tries to, has its versions in the order in which that session wrote them, for all
//! four guarantees, as the folds have it ([`monotonic_reads`](crate::monotonic_reads) and its kin). Otherwise no order is
//! assumed; then nothing contradicts monotonic writes but a list. Two guarantees that contradict each other only
//! together are the business of PRAM and causal consistency.
//!
//! **Lists** show their order. A read that lacks what the session had seen or appended violates the first two; an
//! element that stands without, or before, what its session had appended or seen violates the others.
//!
//! **Guess first.** Versions are taken to come in the order in which they were acknowledged or first read. With that, each
//! guarantee is a comparison of two numbers, and one pass over the sessions finds the keys where the guess fails. Only for
//! those the demands are put into a graph, in which what a session had seen before is one node however often it is used
//! ([`versions`]).
//!
//! **Cost.** One pass, and the operations of the suspicious keys once more.

mod lists;
mod versions;

use super::causal::ranks;
use super::evidence::Evidence;
use super::trace::{INITIAL, Kind, Place, Trace};
use crate::analysis::Found;
use crate::models::AnomalyType;

/// One guarantee.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rule {
    MonotonicReads,
    ReadYourWrites,
    MonotonicWrites,
    WritesFollowReads,
}

impl Rule {
    const ALL: [Rule; 4] = [Rule::MonotonicReads, Rule::ReadYourWrites, Rule::MonotonicWrites, Rule::WritesFollowReads];

    fn bit(self) -> u8 {
        1 << self as u8
    }

    fn anomaly(self) -> AnomalyType {
        match self {
            Rule::MonotonicReads => AnomalyType::NonMonotonicRead,
            Rule::ReadYourWrites => AnomalyType::NotReadYourWrites,
            Rule::MonotonicWrites => AnomalyType::NonMonotonicWrites,
            Rule::WritesFollowReads => AnomalyType::NotWritesFollowReads,
        }
    }
}

const NONE: u32 = u32::MAX;

/// Looks for violations of all four.
pub(super) fn check(evidence: &Evidence<'_>, found: &mut Found) {
    let trace = evidence.trace;
    let steps = Steps::new(trace);
    let suspicious = Guess::new(trace).suspicious(&steps);
    versions::check(evidence, &steps, &suspicious, found);
    lists::check(evidence, &steps, found);
}

/// A node as seen from a lane: one of its own, or one of another lane that follows it in the session.
#[derive(Clone, Copy)]
struct Step {
    node: u32,
    own: bool,
}

/// The nodes of each lane, with those of other lanes at the end of what they follow.
struct Steps<'a> {
    trace: &'a Trace,
    /// The last node of another lane that a node follows, and the node; by lane and position of the former.
    sides: Vec<(Place, u32)>,
}

impl<'a> Steps<'a> {
    fn new(trace: &'a Trace) -> Self {
        let side = |(node, from): &(u32, u32)| (trace.places[*from as usize], *node);
        let mut sides: Vec<(Place, u32)> = trace.joins.iter().map(side).collect();
        sides.sort_unstable_by_key(|(place, node)| (place.lane, place.position, *node));
        Steps { trace, sides }
    }

    fn of(&self, lane: u32) -> impl Iterator<Item = Step> {
        let start = self.sides.partition_point(|(place, _)| place.lane < lane);
        let end = start + self.sides[start..].partition_point(|(place, _)| place.lane == lane);
        let mut sides = self.sides[start..end].iter().peekable();
        let mut nodes = (0..).zip(self.trace.lanes.of(lane)).peekable();
        std::iter::from_fn(move || {
            let next = nodes.peek().map_or(NONE, |(position, _)| *position);
            if let Some((_, node)) = sides.next_if(|(place, _)| place.position < next) {
                return Some(Step { node: *node, own: false });
            }
            nodes.next().map(|(_, node)| Step { node: *node, own: true })
        })
    }
}

/// What a node does to a register or a list.
#[derive(Clone, Copy)]
enum Deed {
    Write(u32),
    /// The key, and the writer; of a list the last.
    Read(u32, u32),
    Nothing,
}

#[inline]
fn deed(trace: &Trace, node: u32) -> Deed {
    if let [key] = trace.writes.of(node) {
        return Deed::Write(*key);
    }
    trace.reads.of(node).last().map_or(Deed::Nothing, |read| Deed::Read(read.key, read.from))
}

/// What a lane has seen of a key, by the guessed order of versions.
#[derive(Clone, Copy)]
struct Seen {
    lane: u32,
    /// One more than the rank of the newest version read, of the newest written; 0 for none.
    read: u32,
    written: u32,
}

struct Guess<'a> {
    trace: &'a Trace,
    /// For each write its place in the guessed order.
    ranks: Vec<u32>,
    seen: Vec<Seen>,
    /// For each key the rules that the guess breaks.
    broken: Vec<u8>,
}

impl<'a> Guess<'a> {
    fn new(trace: &'a Trace) -> Self {
        let mut ranks = ranks(trace, &trace.by_completion);
        for node in &trace.by_completion {
            for read in trace.reads.of(*node).iter().filter(|read| read.from != INITIAL) {
                let reader = ranks[*node as usize];
                let writer = &mut ranks[read.from as usize];
                *writer = reader.min(*writer);
            }
        }
        let seen = vec![Seen { lane: NONE, read: 0, written: 0 }; trace.key_count()];
        Guess { trace, ranks, seen, broken: vec![0; trace.key_count()] }
    }

    fn suspicious(mut self, steps: &Steps<'_>) -> Vec<u8> {
        for lane in 0..self.trace.lanes.len() as u32 {
            match steps.sides.is_empty() {
                true => {
                    self.trace.lanes.of(lane).iter().for_each(|node| self.step(lane, Step { node: *node, own: true }))
                }
                false => steps.of(lane).for_each(|step| self.step(lane, step)),
            }
        }
        self.broken
    }

    #[inline]
    fn step(&mut self, lane: u32, step: Step) {
        let (key, rank, write) = match deed(self.trace, step.node) {
            Deed::Write(key) => (key, self.ranks[step.node as usize] + 1, true),
            Deed::Read(key, INITIAL) => (key, 0, false),
            Deed::Read(key, from) => (key, self.ranks[from as usize] + 1, false),
            Deed::Nothing => return,
        };
        let seen = &mut self.seen[key as usize];
        if seen.lane != lane {
            *seen = Seen { lane, read: 0, written: 0 };
        }
        let (of_read, of_written) = match write {
            true => (Rule::WritesFollowReads, Rule::MonotonicWrites),
            false => (Rule::MonotonicReads, Rule::ReadYourWrites),
        };
        if seen.read > rank {
            self.broken[key as usize] |= of_read.bit();
        }
        if seen.written > rank {
            self.broken[key as usize] |= of_written.bit();
        }
        match write {
            _ if !step.own => {}
            true => seen.written = seen.written.max(rank),
            false => seen.read = seen.read.max(rank),
        }
    }
}

/// Whether a key is a register.
fn is_register(trace: &Trace, key: u32) -> bool {
    trace.kinds[key as usize] == Kind::Register
}
