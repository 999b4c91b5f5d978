//! Dependency graphs of transactions, and the cycles in them.
//!
//! An isolation level is a promise that certain cycles do not occur (Adya, *Weak consistency*, 1999; Kingsbury and
//! Alvaro, *Elle*, VLDB 2020). The nodes are transactions, the edges say which came first and why, the
//! [table of cycles](crate::models::CYCLE_SPECS) says which cycle proves what. Two transactions that each read what the
//! other overwrites:
//!
//! ```text
//!     T1: r x=∅, append y 1        T1 ─rw→ T2: T2 appends to x, which T1 read without that
//!     T2: r y=∅, append x 2        T2 ─rw→ T1: T1 appends to y, which T2 read without that
//!                                  two rw in a row: G2-item, write skew
//! ```
//!
//! # How it goes
//! 1. What can be on a cycle at all (`zones`): spans of edges against the order of completions, strongly connected
//!    components in these. Nearly always there are none, and the answer is there after one or two looks at each edge.
//! 2. Each component becomes a graph of its own (`component`). The real-time order is no set of edges (`clock`) but a
//!    number for each node.
//! 3. For each kind of cycle, the worst first, a `lens` shows the part of the component that such a cycle may
//!    use. Whether one exists follows from the strongly connected components of what the lens shows, in linear time.
//!    The exception is exactly one `rw`, which needs reachability: 256 questions at a time (`reach`).
//! 4. A `tour` of breadth-first searches finds a shortest one. Kinds that are implied by one that was found in
//!    the component are not searched: there is at most one cycle of a kind in each component, as in Elle.
//!
//! # What counts as what
//! An edge may have several relations; a step of a cycle counts as one of them, whichever makes a cycle of the kind.
//! So an edge that is `ww` and `rw` may be either. Elle fixes one name for each edge before it looks (`ww`, then `wr`,
//! then `rw`, then the order), and drops a candidate whose fixed names say something else; the models that are ruled
//! out can only become more by trying both, and rightly, since each relation holds by itself. Where several choices
//! remain, the name that makes the worse anomaly is taken, in that same order.
//!
//! # Why walks are enough
//! A breadth-first search over states finds closed *walks*, which may pass a node twice; an anomaly is a *simple*
//! cycle. Whether a simple cycle with certain steps exists is a hard question in general. Here it is not, thanks to the
//! order of the search. Let no kind that implies K be in the component, and let W be a closed walk of the form and
//! relations of K, found without asking that a `wr`, a predicate `rw` or a step of the order occur.
//!
//! - *Simple walks are of kind K.* If one lacked what must occur in K, it would be of a kind that implies K: a
//!   `G-single-item-realtime` without a real-time step is a `G-single-item`, a `G1c` without `wr` is a `G0`.
//! - *Others are cut at the nodes that they pass twice.* Without `rw`: every piece is of a kind that is or implies K.
//!   Exactly one `rw`: the walk is a shortest path and one edge, so it is simple. Two `rw` in a row: a piece that has
//!   any `rw` has one (then it is `G-single`), several apart (`G-nonadjacent`), or two in a row; the first two imply
//!   K, so it is the third.
//! - *`G-nonadjacent`*: cut at v, both pieces have their `rw` apart, unless one of them begins and ends at v with an
//!   `rw`. Then the other one begins and ends without; if it has an `rw`, it is a shorter walk of the same form. If it
//!   has none, it is a `G0` or `G1c` of the same order, which rules out every model that `G-nonadjacent` does. In this
//!   one case simple paths are tried one by one (`paths`), as far as a fixed number of steps goes.
//!
//! So the models that are ruled out are exactly those that the set of all simple cycles rules out, and so are the kinds,
//! but for the case at the end in components of more than some dozens of nodes.
//!
//! # Limits
//! Only "does any cycle have exactly one `rw`" may cost more than linear time; a [`Meter`] that runs out there leaves a
//! doubt in words, and everything else is decided all the same. That a cycle is the *shortest* is tried for so long as
//! it is cheap, and [`Cycle::shortest`] says whether it is certain. Steps in the order of a process join neighbours:
//! a cycle may have several of them in a row.

mod clock;
mod component;
mod incremental;
mod lens;
mod online;
mod paths;
mod reach;
mod search;
mod simple;
mod tarjan;
mod tour;
mod walk;
mod zones;

use crate::budget::Meter;
use crate::models::{AnomalyType, CycleSpec};

pub use incremental::IncrementalOrder;
pub use online::{Moment, OnlineCycles};

use component::Parts;
use search::Search;

/// A set of relations, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Relations(pub u8);

impl Relations {
    /// None.
    pub const NONE: Relations = Relations(0);
    /// The later one's write follows the earlier one's in the order of versions.
    pub const WW: Relations = Relations(1);
    /// The later one read what the earlier one wrote.
    pub const WR: Relations = Relations(2);
    /// The later one overwrote what the earlier one read.
    pub const RW: Relations = Relations(4);
    /// As `WW`, by predicate.
    pub const WWP: Relations = Relations(8);
    /// As `WR`, by predicate.
    pub const WRP: Relations = Relations(16);
    /// As `RW`, by predicate.
    pub const RWP: Relations = Relations(32);
    /// Same process, earlier and later.
    pub const PROCESS: Relations = Relations(64);
    /// The earlier one was completed before the later one was invoked.
    pub const REALTIME: Relations = Relations(128);

    /// Both.
    pub const fn or(self, other: Relations) -> Relations {
        Relations(self.0 | other.0)
    }

    /// Those in both.
    pub const fn and(self, other: Relations) -> Relations {
        Relations(self.0 & other.0)
    }

    /// Those that are not in the other.
    pub const fn without(self, other: Relations) -> Relations {
        Relations(self.0 & !other.0)
    }

    /// Whether all of them are in the other.
    pub const fn within(self, other: Relations) -> bool {
        self.0 & !other.0 == 0
    }

    /// Whether they have one in common.
    pub const fn meets(self, other: Relations) -> bool {
        self.0 & other.0 != 0
    }
}

/// The order of transactions beyond their data.
#[derive(Clone, Copy, Debug)]
pub enum Order<'a> {
    /// None.
    None,
    /// For each node its process. Nodes are numbered in the order of their completions, so the process relation joins
    /// each node to the next one of the same process; `u32::MAX` for a node that takes no part (not known to have
    /// happened).
    Process(&'a [u32]),
    /// For each node the index of its invocation and of its completion; a completion of `u32::MAX` never came: nothing
    /// follows it. The relation holds from a to b iff a completed before b was invoked.
    Realtime {
        /// Index of each node's invocation.
        invoked: &'a [u32],
        /// Index of each node's completion.
        completed: &'a [u32],
    },
}

/// A dependency graph: nodes from 0, and relations between them.
#[derive(Debug)]
pub struct Graph<'a> {
    /// Number of nodes.
    pub node_count: u32,
    /// From, to, which relations. Several between the same two nodes are one with all their bits; no node is related
    /// to itself.
    pub edges: Vec<(u32, u32, Relations)>,
    /// What else orders the nodes.
    pub order: Order<'a>,
}

/// One step of a cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The earlier node.
    pub from: u32,
    /// The later node.
    pub to: u32,
    /// The one relation that this step counts as.
    pub relation: Relations,
}

/// A cycle: each step begins where the one before ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cycle {
    /// What it proves.
    pub kind: AnomalyType,
    /// The steps.
    pub steps: Vec<Step>,
    /// Whether no cycle of this kind in its component is shorter. Where a component is too large to try everything, a
    /// short one is searched, and that it exists is certain all the same.
    pub shortest: bool,
}

/// What was found in a graph.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cycles {
    /// At most one of each kind in each strongly connected component, a shortest one, in the order of components.
    pub cycles: Vec<Cycle>,
    /// How many strongly connected components have more than one node.
    pub component_count: u64,
    /// How many nodes the largest one has.
    pub largest_component: u64,
    /// What could not be searched, in whole sentences.
    pub doubts: Vec<String>,
}

/// Finds cycles of these kinds, and of those that imply one of them, in every strongly connected component. Edges from
/// or to nodes that do not exist are passed over.
pub fn cycles(graph: Graph<'_>, kinds: &[AnomalyType], meter: &Meter<'_>) -> Cycles {
    let specs = lens::wanted(kinds);
    let graph = Graph { order: needed(graph.order, &specs), ..graph };
    let groups = zones::components(&graph, &zones::Line::new(&graph));
    let component_count = groups.len() as u64;
    let largest_component = groups.iter().map(Vec::len).max().unwrap_or(0) as u64;
    if groups.is_empty() {
        return Cycles::default();
    }
    let parts = Parts::new(&graph, groups);
    drop(graph);
    let mut search = Search::new(specs, meter);
    let cycles = parts.iter().flat_map(|part| search.component(&part)).collect();
    Cycles { cycles, component_count, largest_component, doubts: search.doubts() }
}

/// The order, if any of these kinds may use it.
fn needed<'a>(order: Order<'a>, specs: &[&CycleSpec]) -> Order<'a> {
    let used = specs.iter().fold(Relations::NONE, |all, spec| all.or(spec.usable()));
    match order {
        Order::Process(_) if used.meets(Relations::PROCESS) => order,
        Order::Realtime { .. } if used.meets(Relations::REALTIME) => order,
        _ => Order::None,
    }
}
