//! The edges of a dependency graph, with "each of these before each of those" kept small.
//!
//! Nobody knows in which order the appends took effect that no read shows; all that is known is that each of them came
//! after each read of the last version that was read. Written out, that is a quadratic number of edges:
//!
//! ```text
//!   readers            writers          readers          writers
//!     R1 ────────────▶ U1                 R1 ──▶      ──▶ U1
//!        ╲  ╱ ╲  ╱                               join
//!     R2 ────────────▶ U2                 R2 ──▶      ──▶ U2
//! ```
//! An extra node in the middle would be small, but it would put a step between two anti-dependencies in a row and so
//! change what a cycle proves. So the extra nodes are used first, and only to find out which edges matter: an edge is on
//! a cycle only if both of its ends are in the strongly connected component of the middle. In a history without anomalies
//! there are none.
//!
//! Where there are, one more thought helps. A cycle that enters a reader by real time may as well enter the one that
//! began last, and one that leaves a writer by real time may as well leave the one that ended first. So all that is
//! written out is from the readers that are entered by their data, and the last two, to the writers that are left by
//! their data, and the first two (two, in case that the best is one and the same transaction).
//!
//! Small products are written out at once. Where even those that matter are more than [`MOST`], the rest is left out,
//! and said so.

use crate::budget::{Exhausted, Meter};
use crate::graphs::{Order, Relations};

/// One edge: from, to, which relations.
pub(super) type Edge = (u32, u32, Relations);

/// A product is written out if it has at most this many edges for each of its members.
const SMALL: usize = 4;

/// Most edges that are written out for joins.
const MOST: usize = 1 << 23;

/// See the [module](self).
#[derive(Default)]
pub(super) struct Edges {
    edges: Vec<Edge>,
    joins: Vec<Join>,
    members: Vec<u32>,
}

struct Join {
    start: usize,
    middle: usize,
    end: usize,
    relation: Relations,
}

impl Edges {
    /// No edges, with room for some.
    pub(super) fn with_capacity(room: usize) -> Self {
        Edges { edges: Vec::with_capacity(room), ..Edges::default() }
    }

    /// One edge, unless it is from a transaction to itself.
    #[inline]
    pub(super) fn push(&mut self, from: u32, to: u32, relation: Relations) {
        if from != to {
            self.edges.push((from, to, relation));
        }
    }

    /// Each of the first before each of the second.
    pub(super) fn join(&mut self, from: &[u32], to: &[u32], relation: Relations) {
        if from.len() * to.len() <= SMALL * (from.len() + to.len()) {
            return from.iter().for_each(|f| to.iter().for_each(|t| self.push(*f, *t, relation)));
        }
        self.keep_join(from, to, relation);
    }

    /// As [`Edges::join`], however few.
    fn keep_join(&mut self, from: &[u32], to: &[u32], relation: Relations) {
        let start = self.members.len();
        self.members.extend_from_slice(from);
        let middle = self.members.len();
        self.members.extend_from_slice(to);
        self.joins.push(Join { start, middle, end: self.members.len(), relation });
    }

    /// All edges that can be on a cycle, and what had to be left out.
    pub(super) fn finish(
        mut self,
        nodes: u32,
        order: &Order<'_>,
        meter: &Meter<'_>,
    ) -> Result<(Vec<Edge>, Option<String>), Exhausted> {
        if self.joins.is_empty() {
            return Ok((self.edges, None));
        }
        let components = self.components(nodes, order, meter)?;
        let (entered, left) = self.by_data(&components, nodes);
        let room = MOST + self.edges.len();
        let mut left_out = 0;
        for (number, join) in self.joins.iter().enumerate() {
            let of_middle = components[nodes as usize + number];
            let inside = |m: &&u32| components[**m as usize] == of_middle;
            let mut from: Vec<u32> = self.members[join.start..join.middle].iter().filter(inside).copied().collect();
            let mut to: Vec<u32> = self.members[join.middle..join.end].iter().filter(inside).copied().collect();
            if let Order::Realtime { invoked, completed } = order {
                keep(&mut from, &entered, |node| std::cmp::Reverse(invoked[node as usize]));
                keep(&mut to, &left, |node| completed[node as usize]);
            }
            if self.edges.len() + from.len() * to.len() > room {
                left_out += from.len() * to.len();
                continue;
            }
            let pairs = from.iter().flat_map(|f| to.iter().map(|t| (*f, *t))).filter(|(f, t)| f != t);
            self.edges.extend(pairs.map(|(f, t)| (f, t, join.relation)));
        }
        let doubt = (left_out > 0)
            .then(|| format!("{left_out} dependencies on writes whose order nobody saw were too many to look at"));
        Ok((self.edges, doubt))
    }

    /// Which nodes are entered, and which ones left, within their components by their data.
    fn by_data(&self, components: &[u32], nodes: u32) -> (Vec<bool>, Vec<bool>) {
        let (mut entered, mut left) = (vec![false; nodes as usize], vec![false; nodes as usize]);
        for (from, to, _) in &self.edges {
            if components[*from as usize] == components[*to as usize] {
                (left[*from as usize], entered[*to as usize]) = (true, true);
            }
        }
        for (number, join) in self.joins.iter().enumerate() {
            let of_middle = components[nodes as usize + number];
            let inside = |m: &&u32| components[**m as usize] == of_middle;
            self.members[join.start..join.middle].iter().filter(inside).for_each(|m| left[*m as usize] = true);
            self.members[join.middle..join.end].iter().filter(inside).for_each(|m| entered[*m as usize] = true);
        }
        (entered, left)
    }

    /// The strongly connected component of each node, and of the middle of each join.
    fn components(&self, nodes: u32, order: &Order<'_>, meter: &Meter<'_>) -> Result<Vec<u32>, Exhausted> {
        let mut pairs: Vec<(u32, u32)> = self.edges.iter().map(|(from, to, _)| (*from, *to)).collect();
        for (number, join) in self.joins.iter().enumerate() {
            let middle = nodes + number as u32;
            pairs.extend(self.members[join.start..join.middle].iter().map(|m| (*m, middle)));
            pairs.extend(self.members[join.middle..join.end].iter().map(|m| (middle, *m)));
        }
        let mut next = nodes + self.joins.len() as u32;
        match order {
            Order::None => {}
            Order::Process(processes) => follow(processes, &mut pairs),
            Order::Realtime { invoked, completed } => next = chain(invoked, completed, next, &mut pairs),
        }
        meter.spend(pairs.len() as u64)?;
        Ok(super::components::components(next, &pairs))
    }
}

/// Keeps the marked nodes and the two that are best.
fn keep<K: Ord>(nodes: &mut Vec<u32>, marked: &[bool], rank: impl Fn(u32) -> K) {
    let mut best = nodes.clone();
    best.sort_by_key(|node| rank(*node));
    best.dedup();
    best.truncate(2);
    nodes.retain(|node| marked[*node as usize] || best.contains(node));
}

/// Each node before the next one of its process.
fn follow(processes: &[u32], pairs: &mut Vec<(u32, u32)>) {
    let count = processes.iter().filter(|p| **p != u32::MAX).max().map_or(0, |p| *p as usize + 1);
    let mut last = vec![u32::MAX; count];
    for (node, process) in processes.iter().enumerate().filter(|(_, p)| **p != u32::MAX) {
        let before = std::mem::replace(&mut last[*process as usize], node as u32);
        if before != u32::MAX {
            pairs.push((before, node as u32));
        }
    }
}

/// The real-time order by a chain of further nodes, one for each completion. Returns how many nodes there are now.
fn chain(invoked: &[u32], completed: &[u32], first: u32, pairs: &mut Vec<(u32, u32)>) -> u32 {
    let mut ends: Vec<(u32, u32)> = completed.iter().enumerate().map(|(node, end)| (*end, node as u32)).collect();
    ends.retain(|(end, _)| *end != u32::MAX);
    ends.sort_unstable();
    for (i, (_, node)) in ends.iter().enumerate() {
        let link = first + i as u32;
        pairs.push((*node, link));
        if i > 0 {
            pairs.push((link - 1, link));
        }
    }
    for (node, begin) in invoked.iter().enumerate() {
        let before = ends.partition_point(|(end, _)| end < begin);
        if before > 0 {
            pairs.push((first + before as u32 - 1, node as u32));
        }
    }
    first + ends.len() as u32
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::budget::Budget;
    use crate::graphs::{Graph, cycles};
    use crate::models::{AnomalyType, CYCLE_SPECS};

    struct Rng(u64);

    impl Rng {
        fn below(&mut self, n: u32) -> u32 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            ((self.0 >> 33) % u64::from(n)) as u32
        }

        fn nodes(&mut self, of: u32) -> Vec<u32> {
            (0..of).filter(|_| self.below(2) == 0).collect()
        }
    }

    /// The kinds of cycles. All of them, so that none is passed over because a worse one was found.
    fn kinds(nodes: u32, edges: Vec<Edge>, order: Order<'_>, meter: &Meter<'_>) -> BTreeSet<AnomalyType> {
        let one = |kind| {
            let graph = Graph { node_count: nodes, edges: edges.clone(), order };
            !cycles(graph, &[kind], meter).cycles.is_empty()
        };
        CYCLE_SPECS.iter().map(|spec| spec.kind).filter(|kind| one(*kind)).collect()
    }

    /// Invocations and completions of transactions that overlap.
    fn times(rng: &mut Rng, nodes: u32) -> (Vec<u32>, Vec<u32>) {
        let invoked: Vec<u32> = (0..nodes).map(|_| 2 * rng.below(40)).collect();
        let length = |rng: &mut Rng| if rng.below(8) == 0 { u32::MAX } else { 1 + 2 * rng.below(12) };
        let completed = invoked.iter().map(|begin| begin.saturating_add(length(rng))).collect();
        (invoked, completed)
    }

    #[test]
    fn joins_find_the_kinds_of_cycles_that_all_their_edges_find() {
        let (mut rng, budget, mut cyclic, mut many) = (Rng(99), Budget::default(), 0, BTreeSet::new());
        let meter = Meter::new(&budget);
        let relations = [Relations::WW, Relations::WR, Relations::RW];
        for round in 0..6_000 {
            let nodes = 3 + rng.below(6);
            let (mut all, mut joined) = (Edges::default(), Edges::default());
            for _ in 0..rng.below(4) {
                let (from, to) = (rng.below(nodes), rng.below(nodes));
                let relation = relations[rng.below(3) as usize];
                all.push(from, to, relation);
                joined.push(from, to, relation);
            }
            for _ in 0..1 + rng.below(2) {
                let (from, to) = (rng.nodes(nodes), rng.nodes(nodes));
                from.iter().for_each(|f| to.iter().for_each(|t| all.push(*f, *t, Relations::RW)));
                joined.keep_join(&from, &to, Relations::RW);
            }
            let (invoked, completed) = times(&mut rng, nodes);
            let processes: Vec<u32> = (0..nodes).map(|_| rng.below(3)).collect();
            let order = match round % 3 {
                0 => Order::None,
                1 => Order::Process(&processes),
                _ => Order::Realtime { invoked: &invoked, completed: &completed },
            };
            let (edges, doubt) = joined.finish(nodes, &order, &meter).expect("no limits");
            assert_eq!(doubt, None);
            let found = kinds(nodes, edges, order, &meter);
            assert_eq!(found, kinds(nodes, all.edges, order, &meter), "round {round}");
            cyclic += u32::from(!found.is_empty());
            many.extend(found);
        }
        assert!((1_000..5_000).contains(&cyclic) && many.len() > 8, "{cyclic} {many:?}");
    }
}
