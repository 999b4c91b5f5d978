//! Cycles while the test runs: the first dependency that contradicts the others is told when it becomes known.
//!
//! Transactions are added when they end, so that the order of ends, which dependencies mostly agree with, is the first
//! guess of the [topological order](super::incremental). The real-time order is a chain of one more node for each
//! transaction that was completed: each end leads to the newest link, and the link that is newest at an invocation
//! leads to what was invoked. A link is reached exactly by what was completed until then.
//!
//! ```text
//!     a ──┐ ends      b ──┐ ends        c is invoked after both ended, d after a only
//!         ▼               ▼
//!       link ─────────▶ link ──▶ c
//!         └──▶ d
//! ```
//!
//! What is found is *a* cycle of what is watched, the one that a new edge closes by a shortest way; which kinds of
//! cycles a whole history has, and which is the worst, the [search over all of it](super::cycles) says.

use rustc_hash::FxHashMap;

use crate::models::classify;

use super::incremental::IncrementalOrder;
use super::{Cycle, Relations, Step, simple};

/// A point in time between the ends of transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment(u32);

/// Dependencies of transactions that grow, without a cycle so far.
///
/// ```
/// use checkers::graphs::{OnlineCycles, Relations};
///
/// let mut online = OnlineCycles::new(Relations::WR.or(Relations::RW).or(Relations::REALTIME));
/// let begin = online.now();
/// let write = online.add(begin, 0, true);
/// let later = online.now();
/// let stale = online.add(later, 1, true);
/// let cycle = online.relate(stale, write, Relations::RW).expect("it missed a write that was over");
/// assert_eq!(cycle.kind.name(), "G-single-item-realtime");
/// ```
#[derive(Debug)]
pub struct OnlineCycles {
    watched: Relations,
    order: IncrementalOrder,
    /// What each edge of the order stands for.
    relations: Vec<Relations>,
    /// The node of each transaction in the order, and the transaction of each node, `LINK` for links of the chain.
    nodes: Vec<u32>,
    transactions: Vec<u32>,
    newest_link: u32,
    last_of_process: FxHashMap<u32, u32>,
}

const LINK: u32 = u32::MAX;
const NONE: u32 = u32::MAX;

impl OnlineCycles {
    /// Watches for cycles of these relations; with `REALTIME` or `PROCESS` among them, of that order too.
    pub fn new(watched: Relations) -> OnlineCycles {
        OnlineCycles {
            watched,
            order: IncrementalOrder::default(),
            relations: Vec::new(),
            nodes: Vec::new(),
            transactions: Vec::new(),
            newest_link: NONE,
            last_of_process: FxHashMap::default(),
        }
    }

    /// Now: to be asked when a transaction is invoked.
    pub fn now(&self) -> Moment {
        Moment(self.newest_link)
    }

    /// Adds a transaction that was invoked then, when it ends or when something is known of it. `done` says whether it
    /// ended for certain, so that what is invoked from now on follows it; a `process` of `u32::MAX` has no order.
    pub fn add(&mut self, invoked: Moment, process: u32, done: bool) -> u32 {
        let (transaction, node) = (self.nodes.len() as u32, self.order.add_node());
        self.nodes.push(node);
        self.transactions.push(transaction);
        if self.watched.meets(Relations::REALTIME) {
            if invoked.0 != NONE {
                self.follow(invoked.0, node, Relations::REALTIME);
            }
            if done {
                self.link(node);
            }
        }
        if self.watched.meets(Relations::PROCESS) && process != u32::MAX {
            let before = self.last_of_process.insert(process, node);
            before.into_iter().for_each(|before| self.follow(before, node, Relations::PROCESS));
        }
        transaction
    }

    /// A transaction that was added before it ended has ended for certain: what is invoked from now on follows it.
    pub fn end(&mut self, transaction: u32) {
        if self.watched.meets(Relations::REALTIME)
            && let Some(node) = self.nodes.get(transaction as usize)
        {
            self.link(*node);
        }
    }

    /// Adds a meeting point, which is numbered as transactions are: what is related to it comes before everything that
    /// it is related to, so that each of many before each of many others costs the sum of them and not the product. A
    /// cycle tells of it as one step.
    pub fn add_join(&mut self) -> u32 {
        let (join, node) = (self.nodes.len() as u32, self.order.add_node());
        self.nodes.push(node);
        self.transactions.push(LINK);
        join
    }

    fn link(&mut self, node: u32) {
        let link = self.order.add_node();
        self.transactions.push(LINK);
        self.follow(node, link, Relations::REALTIME);
        if self.newest_link != NONE {
            self.follow(self.newest_link, link, Relations::REALTIME);
        }
        self.newest_link = link;
    }

    /// An edge to a node that leads nowhere yet.
    fn follow(&mut self, from: u32, to: u32, relation: Relations) {
        if self.order.add_edge(from, to).is_ok() {
            self.relations.push(relation);
        }
    }

    /// How many transactions and meeting points were added.
    pub fn transaction_count(&self) -> usize {
        self.nodes.len()
    }

    /// Relates two transactions, and returns the cycle that this closes. Such a relation is not kept, so that the rest
    /// can go on being watched. Relations that are not watched, and transactions that were not added, are passed over.
    pub fn relate(&mut self, from: u32, to: u32, relations: Relations) -> Option<Cycle> {
        let relation = simple::first(relations.and(self.watched));
        let (start, end) = (*self.nodes.get(from as usize)?, *self.nodes.get(to as usize)?);
        if relation == Relations::NONE || from == to {
            return None;
        }
        match self.order.add_edge(start, end) {
            Ok(_) => {
                self.relations.push(relation);
                None
            }
            Err(path) => Some(self.cycle((start, end, relation), &path)),
        }
    }

    /// The cycle of an edge and a path back from its end to its start. Edges from a transaction to the next one by way
    /// of the chain or of a meeting point are one step, and that of the last of them.
    fn cycle(&self, closing: (u32, u32, Relations), path: &[u32]) -> Cycle {
        let back =
            path.iter().map(|&edge| (self.order.edge(edge).0, self.order.edge(edge).1, self.relations[edge as usize]));
        let mut edges: Vec<(u32, u32, Relations)> = std::iter::once(closing).chain(back).collect();
        let transaction = |node: u32| self.transactions[node as usize];
        let first = edges.iter().position(|edge| transaction(edge.0) != LINK).unwrap_or(0);
        edges.rotate_left(first);
        let mut steps = Vec::new();
        let mut from = transaction(edges[0].0);
        for (_, to, relation) in edges {
            let to = transaction(to);
            if to != LINK {
                steps.push(Step { from, to, relation });
                from = to;
            }
        }
        let relations: Vec<Relations> = steps.iter().map(|step| step.relation).collect();
        Cycle { kind: classify(&relations), steps, shortest: false }
    }
}
