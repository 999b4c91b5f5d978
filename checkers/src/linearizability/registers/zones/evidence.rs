//! The operations behind a violation: looked for only when there is one.

use super::super::operations::Does;
use super::super::operations::Op;
use super::{Block, Clusters, NONE, Violation};

impl Clusters<'_> {
    fn cluster_of(&self, i: u32) -> Option<u32> {
        match self.does[i as usize] {
            Does::Read(v) | Does::Write(v) | Does::Cas(_, v) => self.all[v as usize].live.then_some(v),
            Does::Not(_) => None,
        }
    }

    /// The clusters of a block, in order.
    pub(in super::super) fn members(&self, root: u32) -> Vec<u32> {
        let next = |at: &u32| match self.all[*at as usize].next {
            NONE => None,
            cas => Some(self.left_by(cas)),
        };
        std::iter::successors(Some(root), next).take(self.all.len()).collect()
    }

    /// The operations that lead from one to the other along the chain of clusters: both, and the writers between.
    fn path(&self, members: &[u32], from: u32, to: u32) -> Vec<u32> {
        let place = |i: u32| members.iter().position(|c| Some(*c) == self.cluster_of(i)).unwrap_or(0);
        let (a, b) = (place(from), place(to));
        let mut between: Vec<u32> =
            members[a.min(b)..=a.max(b)].iter().skip(1).map(|c| self.all[*c as usize].writer).collect();
        if a > b {
            between.reverse();
        }
        between.insert(0, from);
        between.push(to);
        in_order_once(between)
    }

    fn find(&self, members: &[u32], wanted: impl Fn(&Op) -> bool) -> u32 {
        let of = |i: &u32| self.cluster_of(*i).is_some_and(|c| members.contains(&c));
        let hit = |i: &u32| wanted(&self.ops[*i as usize]) && of(i);
        (0..self.ops.len() as u32).find(hit).unwrap_or(NONE)
    }

    /// The operation that began at `start` comes before what ended at `end`, along the chain up to cluster `at`.
    pub(super) fn backwards(&self, root: u32, at: u32, end: u32, start: u32) -> Violation {
        let mut members = self.members(root);
        members.truncate(members.iter().position(|c| *c == at).unwrap_or(0) + 1);
        let first = self.find(&members, |op| op.start == start);
        let last = self.find(&members, |op| op.end == end);
        Violation::Backwards(self.path(&members, first, last))
    }

    pub(super) fn crossed(&self, a: &Block, b: &Block) -> Violation {
        Violation::Crossed(self.extent(a), self.extent(b))
    }

    /// From what ended first to what began last. The initial value has been there before everything.
    fn extent(&self, block: &Block) -> Vec<u32> {
        let members = self.members(block.root);
        let last = self.find(&members, |op| op.start == block.s);
        match block.f {
            0 => self.path_from_start(&members, last),
            f => self.path(&members, self.find(&members, |op| op.end == f), last),
        }
    }

    fn path_from_start(&self, members: &[u32], last: u32) -> Vec<u32> {
        let to = members.iter().position(|c| Some(*c) == self.cluster_of(last)).unwrap_or(0);
        let writers = members[..=to].iter().map(|c| self.all[*c as usize].writer);
        in_order_once(writers.chain([last]).collect())
    }

    /// Some circle of compare-and-sets: there is a cluster that no root leads to.
    pub(super) fn circle(&self) -> Violation {
        let mut reached = vec![false; self.all.len()];
        for root in (0..self.all.len() as u32).filter(|c| self.all[*c as usize].live && self.is_root(*c)) {
            self.members(root).into_iter().for_each(|c| reached[c as usize] = true);
        }
        let on = |c: &u32| self.all[*c as usize].live && !reached[*c as usize];
        let first = (0..self.all.len() as u32).find(on).unwrap_or(0);
        let mut circle = Vec::new();
        let mut at = first;
        loop {
            let next = self.all[at as usize].next;
            if next == NONE || circle.contains(&next) {
                return Violation::Circle(circle);
            }
            circle.push(next);
            at = self.left_by(next);
        }
    }
}

/// The same without repetitions and without what nobody did.
fn in_order_once(path: Vec<u32>) -> Vec<u32> {
    let mut once: Vec<u32> = Vec::new();
    for i in path {
        if i != NONE && !once.contains(&i) {
            once.push(i);
        }
    }
    once
}
