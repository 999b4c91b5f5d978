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
//! a cycle only if both of its ends are in the strongly connected component of the middle. Only those are written out.
//! In a history without anomalies there are none.
//!
//! Small products are written out at once. Where even those that matter are more than [`MOST`], the rest is left out,
//! and said so.

use super::reading::Transactions;
use crate::budget::{Exhausted, Meter};
use crate::graphs::{Order, Relations};

/// One edge: from, to, which relations.
pub(super) type Edge = (u32, u32, Relations);

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
        if from.len() * to.len() <= 4 * (from.len() + to.len()) {
            return from.iter().for_each(|f| to.iter().for_each(|t| self.push(*f, *t, relation)));
        }
        let start = self.members.len();
        self.members.extend_from_slice(from);
        let middle = self.members.len();
        self.members.extend_from_slice(to);
        self.joins.push(Join { start, middle, end: self.members.len(), relation });
    }

    /// All edges that can be on a cycle, and what had to be left out.
    pub(super) fn finish(
        mut self,
        txns: &Transactions<'_>,
        order: &Order<'_>,
        meter: &Meter<'_>,
    ) -> Result<(Vec<Edge>, Option<String>), Exhausted> {
        if self.joins.is_empty() {
            return Ok((self.edges, None));
        }
        let components = self.components(txns, order, meter)?;
        let room = MOST + self.edges.len();
        let first_middle = txns.node_count as usize;
        let mut left_out = 0;
        for (number, join) in self.joins.iter().enumerate() {
            let of_middle = components[first_middle + number];
            let inside = |m: &&u32| components[**m as usize] == of_middle;
            let from: Vec<u32> = self.members[join.start..join.middle].iter().filter(inside).copied().collect();
            let to: Vec<u32> = self.members[join.middle..join.end].iter().filter(inside).copied().collect();
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

    /// The strongly connected component of each node, and of the middle of each join.
    fn components(&self, txns: &Transactions<'_>, order: &Order<'_>, meter: &Meter<'_>) -> Result<Vec<u32>, Exhausted> {
        let nodes = txns.node_count;
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
