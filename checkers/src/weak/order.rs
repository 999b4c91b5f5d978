//! Orders of nodes in which whatever precedes a node comes first, and the cycles that forbid one.
//!
//! The search follows edges backwards, from a node to its parents, so that no table of children is needed. It is Tarjan's
//! algorithm (*Depth-First Search and Linear Graph Algorithms*, SIAM J. Comput. 1972) in the form of Pearce (*A
//! Space-Efficient Algorithm for Finding Strongly Connected Components*, IPL 2016) with a stack of its own.
//! Components come out parents first, which is the order wanted.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use super::table::Table;
use super::trace::{INITIAL, Trace};

/// A graph that is walked backwards.
pub(crate) trait Backwards {
    /// How many nodes there are; they are numbered from 0.
    fn count(&self) -> usize;
    /// The parents of a node one by one, `None` after the last; [`INITIAL`] is none, and to be passed over.
    fn nth(&self, node: u32, i: usize) -> Option<u32>;
}

impl Backwards for Table<u32> {
    fn count(&self) -> usize {
        self.len()
    }

    fn nth(&self, node: u32, i: usize) -> Option<u32> {
        self.of(node).get(i).copied()
    }
}

/// What directly precedes a node: its session, what it read from, and edges besides.
#[derive(Clone, Copy)]
pub(crate) struct Parents<'a> {
    pub trace: &'a Trace,
    /// Whether the order of sessions counts.
    pub sessions: bool,
    /// For each node what else precedes it.
    pub more: Option<&'a Table<u32>>,
}

impl<'a> Parents<'a> {
    /// Sessions and reads only: the causal order.
    pub(crate) fn of_trace(trace: &'a Trace) -> Self {
        Parents { trace, sessions: true, more: None }
    }

    /// All parents.
    pub(crate) fn of(&self, node: u32) -> impl Iterator<Item = u32> + use<'a> {
        let parents = *self;
        (0..).map_while(move |i| parents.nth(node, i)).filter(|parent| *parent != INITIAL)
    }
}

impl Backwards for Parents<'_> {
    fn count(&self) -> usize {
        self.trace.len()
    }

    #[inline]
    fn nth(&self, node: u32, i: usize) -> Option<u32> {
        let Some(i) = i.checked_sub(1) else {
            let before = if self.sessions { self.trace.before(node) } else { None };
            return Some(before.unwrap_or(INITIAL));
        };
        let reads = self.trace.reads.of(node);
        if let Some(read) = reads.get(i) {
            return Some(read.from);
        }
        let i = i - reads.len();
        let joins = if self.sessions { self.trace.joins_of(node) } else { &[] };
        if let Some(join) = joins.get(i) {
            return Some(join.1);
        }
        self.more.and_then(|more| more.of(node).get(i - joins.len()).copied())
    }
}

/// All nodes, parents first, and where that is impossible.
pub(crate) struct Order {
    /// The nodes.
    pub nodes: Vec<u32>,
    /// The strongly connected components of more than one node, each in ascending order.
    pub components: Vec<Vec<u32>>,
}

/// How many nodes may be on the way; no node has this number.
const DONE: u32 = u32::MAX;

struct Search<'a, G> {
    parents: &'a G,
    /// For each node 0, the lowest number that it reaches, or [`DONE`].
    low: Vec<u32>,
    next: u32,
    /// Nodes on the way: the node, its number, and its next parent.
    path: Vec<(u32, u32, u32)>,
    /// Nodes that are left and whose component is not complete.
    waiting: Vec<u32>,
    order: Order,
}

/// Orders nodes, those named first as early as possible.
pub(crate) fn order(parents: &impl Backwards, nodes: &[u32]) -> Order {
    let mut search = Search {
        parents,
        low: vec![0; parents.count()],
        next: 1,
        path: Vec::new(),
        waiting: Vec::new(),
        order: Order { nodes: Vec::with_capacity(nodes.len()), components: Vec::new() },
    };
    for node in nodes {
        if search.low[*node as usize] == 0 {
            search.enter(*node);
            search.run();
        }
    }
    search.order
}

impl<G: Backwards> Search<'_, G> {
    fn enter(&mut self, node: u32) {
        self.low[node as usize] = self.next;
        self.path.push((node, self.next, 0));
        self.next += 1;
    }

    fn run(&mut self) {
        while let Some((node, number, at)) = self.path.last_mut() {
            let (node, number) = (*node, *number);
            match self.parents.nth(node, *at as usize) {
                None => self.leave(node, number),
                Some(parent) => {
                    *at += 1;
                    if parent != INITIAL {
                        self.look(node, parent);
                    }
                }
            }
        }
    }

    #[inline]
    fn look(&mut self, node: u32, parent: u32) {
        match self.low[parent as usize] {
            0 => self.enter(parent),
            DONE => {}
            low => self.low[node as usize] = self.low[node as usize].min(low),
        }
    }

    fn leave(&mut self, node: u32, number: u32) {
        self.path.pop();
        let low = self.low[node as usize];
        if low < number {
            self.waiting.push(node);
            if let Some((child, ..)) = self.path.last() {
                let child = *child as usize;
                self.low[child] = self.low[child].min(low);
            }
            return;
        }
        let first = self.order.nodes.len();
        while let Some(member) = self.waiting.pop_if(|member| self.low[*member as usize] >= number) {
            self.finish(member);
        }
        self.finish(node);
        let component = &self.order.nodes[first..];
        if component.len() > 1 {
            let mut component = component.to_vec();
            component.sort_unstable();
            self.order.components.push(component);
        }
    }

    fn finish(&mut self, node: u32) {
        self.low[node as usize] = DONE;
        self.order.nodes.push(node);
    }
}

/// A shortest way from `from` to `to` along edges from parents to children, both ends included. Only nodes that `allowed`
/// allows are walked over. `None` if there is none, or none within so many looks.
pub(crate) fn way(
    parents: &impl Backwards,
    from: u32,
    to: u32,
    looks: usize,
    allowed: impl Fn(u32) -> bool,
) -> Option<Vec<u32>> {
    let mut child_of: FxHashMap<u32, u32> = FxHashMap::default();
    let mut queue = VecDeque::from([to]);
    let mut left = looks;
    while let Some(node) = queue.pop_front() {
        for parent in (0..).map_while(|i| parents.nth(node, i)).filter(|parent| *parent != INITIAL) {
            left = left.checked_sub(1)?;
            if !allowed(parent) || parent == to && from != to || child_of.contains_key(&parent) {
                continue;
            }
            child_of.insert(parent, node);
            if parent == from {
                return Some(walk(&child_of, from, to));
            }
            queue.push_back(parent);
        }
    }
    None
}

fn walk(child_of: &FxHashMap<u32, u32>, from: u32, to: u32) -> Vec<u32> {
    let mut way = vec![from];
    let mut node = child_of[&from];
    while node != to {
        way.push(node);
        node = child_of[&node];
    }
    way.push(to);
    way
}
