//! One strongly connected component as a graph of its own: compressed sparse rows, parallel edges merged into bits.

use super::clock::Clock;
use super::zones::{self, NONE};
use super::{Graph, Order, Relations};

/// The components of a graph, one after the other in common arrays.
pub(super) struct Parts {
    nodes: Vec<u32>,
    /// Where the nodes of each component begin, and their end.
    starts: Vec<usize>,
    rows: Vec<usize>,
    targets: Vec<u32>,
    bits: Vec<Relations>,
    clocks: Vec<Option<Clock>>,
}

/// One of them. Its nodes are numbered from 0 in the order of the [line](super::zones).
pub(super) struct Part<'a> {
    /// Their numbers in the whole graph.
    pub nodes: &'a [u32],
    rows: &'a [usize],
    targets: &'a [u32],
    bits: &'a [Relations],
    /// What precedes what in real time, if that is asked.
    pub clock: Option<&'a Clock>,
}

impl Parts {
    /// Cuts these components, the nodes of each in the order of the line, out of a graph.
    pub fn new(graph: &Graph<'_>, groups: Vec<Vec<u32>>) -> Parts {
        let starts = std::iter::once(0).chain(groups.iter().scan(0, |end, group| {
            *end += group.len();
            Some(*end)
        }));
        let starts: Vec<usize> = starts.collect();
        let clocks = groups.iter().map(|group| clock(graph, group)).collect();
        let nodes = groups.concat();
        let mut home = vec![(NONE, NONE); graph.node_count as usize];
        for (group, part) in groups.iter().zip(0..) {
            for (&node, i) in group.iter().zip(0..) {
                home[node as usize] = (part, i);
            }
        }
        let mut parts = Parts { nodes, starts, rows: Vec::new(), targets: Vec::new(), bits: Vec::new(), clocks };
        parts.fill(graph, &home);
        parts
    }

    fn fill(&mut self, graph: &Graph<'_>, home: &[(u32, u32)]) {
        let steps = zones::successors(graph);
        let sound = |&&(from, to, _): &&(u32, u32, Relations)| zones::sound(graph, from, to);
        let ordered = steps.iter().map(|&(from, to)| (from, to, Relations::PROCESS));
        let all = graph.edges.iter().filter(sound).copied().chain(ordered);
        let within = all.filter_map(|(from, to, bits)| {
            let ((part, from), (other, to)) = (home[from as usize], home[to as usize]);
            (part == other && part != NONE).then(|| ((self.starts[part as usize] + from as usize) as u32, to, bits))
        });
        let mut edges: Vec<(u32, u32, Relations)> = within.collect();
        edges.sort_unstable();
        self.rows = vec![0; self.nodes.len() + 1];
        let mut last = None;
        for (from, to, bits) in edges {
            if last == Some((from, to))
                && let Some(merged) = self.bits.last_mut()
            {
                *merged = merged.or(bits);
                continue;
            }
            last = Some((from, to));
            self.targets.push(to);
            self.bits.push(bits);
            self.rows[from as usize + 1] += 1;
        }
        (1..self.rows.len()).for_each(|i| self.rows[i] += self.rows[i - 1]);
    }

    /// All of them, in their order.
    pub fn iter(&self) -> impl Iterator<Item = Part<'_>> {
        self.starts.windows(2).zip(&self.clocks).map(|(range, clock)| Part {
            nodes: &self.nodes[range[0]..range[1]],
            rows: &self.rows[range[0]..=range[1]],
            targets: &self.targets,
            bits: &self.bits,
            clock: clock.as_ref(),
        })
    }
}

fn clock(graph: &Graph<'_>, group: &[u32]) -> Option<Clock> {
    let Order::Realtime { .. } = graph.order else { return None };
    let clock = Clock::new(group.iter().map(|&node| zones::span(graph, node)));
    clock.orders_any().then_some(clock)
}

impl Part<'_> {
    /// How many nodes it has.
    pub fn len(&self) -> u32 {
        self.nodes.len() as u32
    }

    /// How many edges, the real-time order not counted.
    pub fn edge_count(&self) -> u64 {
        (self.rows[self.nodes.len()] - self.rows[0]) as u64
    }

    /// Where the edges of a node are.
    pub fn row(&self, node: u32) -> std::ops::Range<usize> {
        self.rows[node as usize]..self.rows[node as usize + 1]
    }

    /// The edge at a place of a row.
    pub fn edge(&self, at: usize) -> (u32, Relations) {
        (self.targets[at], self.bits[at])
    }

    /// The edges of a node: targets in ascending order.
    pub fn edges(&self, node: u32) -> impl Iterator<Item = (u32, Relations)> {
        self.row(node).map(|at| self.edge(at))
    }

    /// The relations between two nodes that are edges.
    pub fn between(&self, from: u32, to: u32) -> Relations {
        let row = self.row(from);
        let found = self.targets[row.clone()].binary_search(&to);
        found.map_or(Relations::NONE, |i| self.bits[row.start + i])
    }

    /// All relations that occur in it.
    pub fn relations(&self) -> Relations {
        let all = self.rows[0]..self.rows[self.nodes.len()];
        let timed = if self.clock.is_some() { Relations::REALTIME } else { Relations::NONE };
        self.bits[all].iter().fold(timed, |all, bits| all.or(*bits))
    }
}
