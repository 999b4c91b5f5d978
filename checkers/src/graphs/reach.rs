//! Whether any anti-dependency is closed by a path without others, for all of them at once.
//!
//! A cycle with exactly one anti-dependency u → v is a path from v to u in the rest. One search for each v is quadratic
//! where there are many; but 256 of them share one pass over the edges, with one bit for each v at every node. And
//! not over all edges: components of the rest are put in a topological order that follows time (each behind its latest
//! ancestor; ties as the components were found), a path leads upwards in it, so only an anti-dependency that leads
//! *down* can be closed, and only what lies between its ends matters. Where transactions depend on what is near them
//! in time, the windows are short and the whole costs little more than one pass.
//!
//! ```text
//!   rank   0   1   2   3   4   5   6   7        rw 5 → 2: can be closed, by a path within 2..5
//!                  └── ? ──────┘                rw 1 → 6: cannot
//! ```

use crate::budget::{Exhausted, Meter};

use super::lens::Lens;
use super::tarjan::{Components, Digraph};

/// Heads that share a pass.
const WIDTH: usize = 256;

type Bits = [u64; WIDTH / 64];

/// An anti-dependency that leads down, or stays in its component.
struct Candidate {
    head: u32,
    tail_rank: u32,
}

/// The rest of a component, its components ranked.
struct Ranked<'a> {
    lens: Lens<'a>,
    /// For each node of the lens.
    rank: Vec<u32>,
    /// The nodes in the order of their ranks, and where those of each rank begin.
    nodes: Vec<u32>,
    starts: Vec<u32>,
}

/// What is known about anti-dependencies that are closed.
pub(super) enum Closed {
    /// None is.
    Never,
    /// One that leads to any of these is, at least.
    At(Vec<u32>),
    /// So many heads of all were looked at in vain.
    Unknown(Exhausted, usize, usize),
}

/// Looks for anti-dependencies of a lens that are closed by a path of its base.
pub(super) fn closed(lens: &Lens<'_>, meter: &Meter<'_>) -> Closed {
    let ranked = Ranked::new(lens.plain());
    let candidates = ranked.candidates(lens);
    let heads: Vec<&[Candidate]> = candidates.chunk_by(|a, b| a.head == b.head).collect();
    let mut done = 0;
    for batch in heads.chunks(WIDTH) {
        match ranked.pass(batch, meter) {
            Err(exhausted) => return Closed::Unknown(exhausted, done, heads.len()),
            Ok(hits) if !hits.is_empty() => return Closed::At(hits),
            Ok(_) => done += batch.len(),
        }
    }
    Closed::Never
}

impl<'a> Ranked<'a> {
    fn new(lens: Lens<'a>) -> Self {
        let mut rank = Components::find(&lens, |_| {}).of;
        let first = rank.iter().min().copied().unwrap_or(0);
        rank.iter_mut().for_each(|of| *of -= first);
        let count = rank.iter().max().map_or(0, |max| max + 1);
        let mut ranked = Ranked { lens, rank, nodes: Vec::new(), starts: Vec::new() };
        ranked.group(count as usize);
        let latest = ranked.latest_ancestors(count as usize);
        if let Some(order) = super::clock::order_by(&latest) {
            let mut new = vec![0; order.len()];
            order.iter().zip(0..).for_each(|(&old, i)| new[old as usize] = i);
            ranked.rank.iter_mut().for_each(|rank| *rank = new[*rank as usize]);
            ranked.group(count as usize);
        }
        ranked
    }

    /// Sorts the nodes by rank.
    fn group(&mut self, count: usize) {
        let mut starts = vec![0u32; count + 2];
        self.rank.iter().for_each(|&rank| starts[rank as usize + 2] += 1);
        (1..starts.len()).for_each(|i| starts[i] += starts[i - 1]);
        self.nodes = vec![0; self.rank.len()];
        for (node, &rank) in (0..).zip(&self.rank) {
            let next = &mut starts[rank as usize + 1];
            self.nodes[*next as usize] = node;
            *next += 1;
        }
        starts.pop();
        self.starts = starts;
    }

    fn members(&self, rank: u32) -> &[u32] {
        &self.nodes[self.starts[rank as usize] as usize..self.starts[rank as usize + 1] as usize]
    }

    /// Calls for each edge that leaves the component of a rank.
    fn leaving(&self, rank: u32, mut each: impl FnMut(u32)) -> u64 {
        let mut steps = 0;
        for &node in self.members(rank) {
            let mut cursor = 0;
            while let Some(next) = self.lens.next(node, &mut cursor) {
                each(self.rank[next as usize]);
                steps += 1;
            }
        }
        steps
    }

    /// For each rank the greatest node of it or of what leads to it.
    fn latest_ancestors(&self, count: usize) -> Vec<u32> {
        let mut latest = vec![0; count];
        for rank in 0..count as u32 {
            let own = self.members(rank).iter().copied().filter(|&node| node < self.lens.part.len()).max();
            let here = latest[rank as usize].max(own.unwrap_or(0));
            latest[rank as usize] = here;
            self.leaving(rank, |next| latest[next as usize] = latest[next as usize].max(here));
        }
        latest
    }

    /// In the order of their heads' ranks.
    fn candidates(&self, lens: &Lens<'_>) -> Vec<Candidate> {
        let mut found = Vec::new();
        for from in 0..lens.part.len() {
            let tail_rank = self.rank[from as usize];
            for (head, bits) in lens.part.edges(from) {
                if bits.meets(lens.anti) && self.rank[head as usize] <= tail_rank {
                    found.push(Candidate { head, tail_rank });
                }
            }
        }
        found.sort_unstable_by_key(|c| (self.rank[c.head as usize], c.head, c.tail_rank));
        found
    }

    /// The heads of those candidates that are closed, each slice being those of one head.
    fn pass(&self, batch: &[&[Candidate]], meter: &Meter<'_>) -> Result<Vec<u32>, Exhausted> {
        let all = || batch.iter().flat_map(|of| of.iter());
        let low = all().map(|c| self.rank[c.head as usize]).min().unwrap_or(0);
        let high = all().map(|c| c.tail_rank).max().unwrap_or(0);
        let mut reached: Vec<Bits> = vec![[0; WIDTH / 64]; (high - low) as usize + 1];
        for (i, of) in batch.iter().enumerate() {
            reached[(self.rank[of[0].head as usize] - low) as usize][i / 64] |= 1 << (i % 64);
        }
        let (mut unpaid, mut rank) = (u64::from(high - low) + 1, low);
        while rank <= high {
            let bits = reached[(rank - low) as usize];
            if bits != [0; WIDTH / 64] {
                unpaid += self.leaving(rank, |next| {
                    if next > rank && next <= high {
                        let there = &mut reached[(next - low) as usize];
                        (0..bits.len()).for_each(|word| there[word] |= bits[word]);
                    }
                });
            }
            if unpaid > 1 << 14 {
                meter.spend(std::mem::take(&mut unpaid))?;
            }
            rank += 1;
        }
        meter.spend(unpaid)?;
        let hit = |i: usize, c: &Candidate| reached[(c.tail_rank - low) as usize][i / 64] >> (i % 64) & 1 == 1;
        Ok(batch.iter().enumerate().filter(|(i, of)| of.iter().any(|c| hit(*i, c))).map(|(_, of)| of[0].head).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Budget;
    use crate::graphs::component::{Part, Parts};
    use crate::graphs::{Graph, Order, Relations, zones};
    use crate::models::{AnomalyType, cycle_spec};

    struct Rng(u64);

    impl Rng {
        fn below(&mut self, n: u32) -> u32 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 % u64::from(n)) as u32
        }
    }

    /// Sparse dependencies that mostly lead forward, anti-dependencies wherever.
    fn edges(rng: &mut Rng, nodes: u32, backward: bool) -> Vec<(u32, u32, Relations)> {
        let mut edges = Vec::new();
        for _ in 0..nodes / 3 {
            let (a, b) = (rng.below(nodes), rng.below(nodes));
            let forward = (a.min(b), a.max(b), Relations::WW);
            edges.push(if backward && rng.below(20) == 0 { (forward.1, forward.0, Relations::WR) } else { forward });
        }
        edges.extend((0..2 * nodes).map(|_| (rng.below(nodes), rng.below(nodes), Relations::RW)));
        edges
    }

    /// The heads of anti-dependencies that a path of the rest closes, by one search for each.
    fn reference(part: &Part<'_>) -> Vec<u32> {
        let closed = |head: &u32| {
            let (mut seen, mut queue) = (vec![false; part.len() as usize], vec![*head]);
            while let Some(node) = queue.pop() {
                for (to, bits) in part.edges(node) {
                    if to == *head && bits.meets(Relations::RW) {
                        return true;
                    }
                    if bits.meets(Relations::WW.or(Relations::WR)) && !std::mem::replace(&mut seen[to as usize], true) {
                        queue.push(to);
                    }
                }
            }
            false
        };
        (0..part.len()).filter(closed).collect()
    }

    #[test]
    fn all_at_once_is_one_by_one() {
        let (mut rng, mut counts) = (Rng(9), [0, 0]);
        let Some(spec) = cycle_spec(AnomalyType::GSingleItem) else { unreachable!() };
        for round in 0..4_000u32 {
            let nodes = if round % 100 == 0 { 1_200 } else { 12 + rng.below(30) };
            let edges = edges(&mut rng, nodes, round % 3 == 0);
            let graph = Graph { node_count: nodes, edges, order: Order::None };
            let parts = Parts::new(&graph, zones::components(&graph, &zones::Line::new(&graph)));
            for part in parts.iter() {
                let (lens, budget) = (Lens::new(&part, spec), Budget::default());
                let expected = reference(&part);
                match closed(&lens, &Meter::new(&budget)) {
                    Closed::Never => assert!(expected.is_empty(), "{expected:?} of {graph:?}"),
                    Closed::At(heads) => assert!(!heads.is_empty() && heads.iter().all(|head| expected.contains(head))),
                    Closed::Unknown(..) => unreachable!("there is no limit"),
                }
                counts[usize::from(expected.is_empty())] += 1;
            }
        }
        assert!(counts.iter().all(|&n| n > 500), "{counts:?}");
    }
}
