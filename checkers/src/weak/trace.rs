//! A history as weak consistency looks at it: who wrote what each read returned, and what came before in each session.
//!
//! ```text
//!   session 1   wx1  wy2           node  0    1          node 2 reads x from node 0, and z from the initial state
//!   session 2   rx1  rz_           node  2    3
//! ```
//! A *node* is one operation, or one transaction ([`Grain`]). Nodes are numbered in the order of their invocations, so
//! that neighbours in time are neighbours in memory.
//!
//! # What was decided
//!
//! **Sessions.** One node precedes another one of its session if it was completed before the other was invoked. Where
//! several processes work for one session at the same time that is no chain, so a session is cut into *lanes*, which
//! are, and *joins* say what a node follows in the other lanes.
//!
//! **Unknown outcomes.** A write that ended `info` is there if somebody read it, and not otherwise. It follows what its
//! session had completed, and nothing follows it: it may take effect at any later time. Writes that failed are not there.
//!
//! **Values written twice.** Which of two writes a read returned is then not known. Such a read is left out, which can
//! only hide contradictions, never make one; the keys concerned are counted.
//!
//! **The initial state** is nothing (`null`), or what the caller says.

mod build;
mod lanes;
mod steps;
mod writers;

use histories::{EventIndex, History, Payload, ValueId};
use rustc_hash::FxHashSet;

use super::table::Table;

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grain {
    /// A read or a write. Transactions are taken apart, a compare-and-set is a read and a write.
    Operation,
    /// Everything between an invocation and its completion.
    Transaction,
}

/// The writer of what is there before the first write.
pub(crate) const INITIAL: u32 = u32::MAX;

/// What a node read: a key, from the node that wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Read {
    /// The key.
    pub key: u32,
    /// The node, or [`INITIAL`].
    pub from: u32,
}

/// Where a node stands: the how manieth of which lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The lane.
    pub lane: u32,
    /// From 0.
    pub position: u32,
}

impl Place {
    /// Of a write that nobody saw and of which nobody knows that it happened.
    pub(crate) const ABSENT: Place = Place { lane: u32::MAX, position: u32::MAX };
}

/// What a key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One value, which a write replaces.
    Register,
    /// Elements; a read returns all of them. In [`Grain::Operation`] a read of a list is one [`Read`] for each element.
    List,
    /// Something else, or not only one of these: its operations are left out.
    Other,
}

/// A read that contradicts something by itself. It is not among the reads of its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flaw {
    /// What is wrong.
    pub kind: FlawKind,
    /// Invocation of the reading operation.
    pub event: u32,
    /// The key.
    pub key: u32,
    /// The value read.
    pub value: u32,
}

/// See [`Flaw`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FlawKind {
    /// Nobody wrote it.
    ThinAir,
    /// Only this invocation wrote it, and it failed.
    Aborted(u32),
    /// The transaction of this invocation replaced it before it ended.
    Intermediate(u32),
    /// The transaction itself had written another value before.
    Internal,
    /// The transaction itself wrote it, but later.
    Future,
    /// The element stands in the list twice.
    Twice,
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Trace {
    /// For each node the index of its invocation.
    pub events: Vec<u32>,
    /// For each node where it stands.
    pub places: Vec<Place>,
    /// For each lane its nodes.
    pub lanes: Table<u32>,
    /// For each lane its session, numbered from 0.
    pub session_of: Vec<u32>,
    /// For each node what it read, in its order.
    pub reads: Table<Read>,
    /// For each node the keys that it wrote, each once, in ascending order.
    pub writes: Table<u32>,
    /// Pairs of a node and one that precedes it in another lane of its session, sorted.
    pub joins: Vec<(u32, u32)>,
    /// All nodes that are there, in the order of their completions; those without one at the end.
    pub by_completion: Vec<u32>,
    /// For each key what it holds.
    pub kinds: Vec<Kind>,
    /// For each key its longest list that was read, without what the reader had appended at its end: the invocation that
    /// read it, and the list. Empty without lists.
    pub longest: Vec<Option<(u32, Payload)>>,
    /// For each key the nodes that wrote what the longest list shows, in its order.
    pub versions: Table<u32>,
    /// Nodes that read a list of which some elements are not among their reads.
    pub partial: FxHashSet<u32>,
    /// Reads that are wrong by themselves.
    pub flaws: Vec<Flaw>,
    /// What could not be looked at, in whole sentences.
    pub doubts: Vec<String>,
}

impl Trace {
    /// How many nodes there are, absent ones included.
    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }

    /// How many keys there are.
    pub(crate) fn key_count(&self) -> usize {
        self.kinds.len()
    }

    /// The node before this one in its lane.
    #[inline]
    pub(crate) fn before(&self, node: u32) -> Option<u32> {
        let Place { lane, position } = self.places[node as usize];
        (position > 0 && position != u32::MAX).then(|| self.lanes.of(lane)[position as usize - 1])
    }

    /// The nodes of other lanes that precede this one in its session.
    #[inline]
    pub(crate) fn joins_of(&self, node: u32) -> &[(u32, u32)] {
        if self.joins.is_empty() {
            return &[];
        }
        let start = self.joins.partition_point(|(to, _)| *to < node);
        let len = self.joins[start..].partition_point(|(to, _)| *to == node);
        &self.joins[start..start + len]
    }

    /// The node at a place.
    #[inline]
    pub(crate) fn at(&self, place: Place) -> u32 {
        self.lanes.of(place.lane)[place.position as usize]
    }

    /// For each key the nodes that wrote it, by lane and position.
    pub(crate) fn writers_by_lane(&self) -> Table<u32> {
        let nodes = self.lanes.items();
        let pairs = nodes.iter().flat_map(|node| self.writes.of(*node).iter().map(|key| (*key, *node)));
        Table::from_pairs(self.key_count(), pairs, 0)
    }
}

/// When the operation of an invocation was completed, if it certainly happened.
pub(crate) fn completed(history: &History, event: u32) -> Option<u32> {
    let certain = steps::is_certain(history, EventIndex(event));
    history.pair_of(EventIndex(event)).filter(|_| certain).map(|completion| completion.0)
}

/// The lists that an operation of this invocation read.
pub(crate) fn each_list(history: &History, event: u32, mut take: impl FnMut(u32, Payload)) {
    let certain = steps::is_certain(history, EventIndex(event));
    steps::steps(history, EventIndex(event), certain, |step| {
        if let steps::Step::Read(key, list @ Payload::List { .. }) = step {
            take(key.0, list);
        }
    });
}

/// What an operation of this invocation appended.
pub(crate) fn each_append(history: &History, event: u32, mut take: impl FnMut(u32, ValueId)) {
    let certain = steps::is_certain(history, EventIndex(event));
    steps::steps(history, EventIndex(event), certain, |step| {
        if let steps::Step::Append(key, value) = step {
            take(key.0, value);
        }
    });
}
