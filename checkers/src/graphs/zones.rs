//! From a graph of millions of nodes to the few that can be on a cycle.
//!
//! Databases mostly do what they are told in the order in which they are told, so the order of completions is nearly a
//! topological order of a dependency graph. Put all nodes on a line in that order (a node that never completed at its
//! invocation): the real-time order and that of a process lead forward, and so do most data edges. A cycle has to come
//! back, so every gap between its first and its last node is crossed by an edge that leads *backward*:
//!
//! ```text
//!     0   1   2   3   4   5   6   7   8   9        backward edges: 4 → 2, 5 → 4, 9 → 8
//!             └───────────┘           └───┘        zones: 2..5 and 8..9
//! ```
//!
//! Overlapping spans of backward edges are merged into zones. A cycle lies within one zone, and all that is outside of
//! them is acyclic without having been looked at. Within the zones the components are found by Tarjan's algorithm, on
//! compressed sparse rows, with the real-time order as a [function](super::clock). A graph without backward edges costs
//! one pass over its edges; one whose zones are everything costs the usual linear time.

use super::clock::{Clock, NEVER, order_by};
use super::tarjan::{Components, Digraph};
use super::{Graph, Order};

/// No node.
pub(super) const NONE: u32 = u32::MAX;

/// The nodes of a graph on a line, so that its order (not its edges) leads forward.
pub(super) struct Line {
    /// For each node its place; `None` where that is the number of the node.
    place: Option<Vec<u32>>,
    /// For each place its node; `None` as above.
    node: Option<Vec<u32>>,
}

impl Line {
    pub fn new(graph: &Graph<'_>) -> Line {
        let Order::Realtime { .. } = graph.order else { return Line { place: None, node: None } };
        let ends = (0..graph.node_count).map(|node| {
            let (invoked, completed) = span(graph, node);
            if completed == NEVER { invoked } else { completed }
        });
        let node = order_by(&ends.collect::<Vec<u32>>());
        let place = node.as_ref().map(|node| {
            let mut place = vec![0; node.len()];
            node.iter().zip(0..).for_each(|(&node, i)| place[node as usize] = i);
            place
        });
        Line { place, node }
    }

    pub fn place(&self, node: u32) -> u32 {
        self.place.as_ref().map_or(node, |place| place[node as usize])
    }

    fn node(&self, place: u32) -> u32 {
        self.node.as_ref().map_or(place, |node| node[place as usize])
    }
}

/// When a node began and ended. A completion that does not follow its invocation is moved to it, and a node that the
/// caller forgot is related to none.
pub(super) fn span(graph: &Graph<'_>, node: u32) -> (u32, u32) {
    let Order::Realtime { invoked, completed } = graph.order else { return (0, NEVER) };
    let at = |of: &[u32], or| of.get(node as usize).copied().unwrap_or(or);
    let invoked = at(invoked, 0);
    (invoked, at(completed, NEVER).max(invoked))
}

/// For each node the next one of the same process.
pub(super) fn successors(graph: &Graph<'_>) -> Vec<(u32, u32)> {
    let Order::Process(processes) = graph.order else { return Vec::new() };
    let mut last = rustc_hash::FxHashMap::default();
    let taking_part = processes.iter().zip(0..graph.node_count).filter(|(process, _)| **process != NONE);
    taking_part.filter_map(|(&process, node)| last.insert(process, node).map(|before| (before, node))).collect()
}

/// Whether both ends exist and differ.
pub(super) fn sound(graph: &Graph<'_>, from: u32, to: u32) -> bool {
    from != to && from < graph.node_count && to < graph.node_count
}

/// The strongly connected components of more than one node, the nodes of each in the order of the line, in the order of
/// their first nodes on it.
pub(super) fn components(graph: &Graph<'_>, line: &Line) -> Vec<Vec<u32>> {
    let Some(zones) = Zones::new(graph, line) else { return Vec::new() };
    let mut found: Vec<Vec<u32>> = Vec::new();
    Components::find(&zones, |members| {
        let mut nodes: Vec<u32> = members.iter().filter_map(|&i| zones.places.get(i as usize).copied()).collect();
        nodes.sort_unstable();
        found.push(nodes);
    });
    found.retain(|nodes| nodes.len() > 1);
    found.sort_unstable();
    found.iter_mut().flatten().for_each(|place| *place = line.node(*place));
    found
}

/// What is within the zones: its places on the line, numbered from 0, then as many places of the clock.
struct Zones {
    places: Vec<u32>,
    rows: Vec<u32>,
    targets: Vec<u32>,
    clock: Option<Clock>,
}

impl Zones {
    fn new(graph: &Graph<'_>, line: &Line) -> Option<Zones> {
        let (places, index) = covered(graph, line)?;
        let steps = successors(graph);
        let (rows, targets) = rows(graph, line, &index, places.len(), &steps);
        let spans = places.iter().map(|&place| span(graph, line.node(place)));
        let clock = matches!(graph.order, Order::Realtime { .. }).then(|| Clock::new(spans));
        Some(Zones { places, rows, targets, clock })
    }
}

impl Digraph for Zones {
    fn len(&self) -> usize {
        self.places.len() * if self.clock.is_some() { 2 } else { 1 }
    }

    fn next(&self, node: u32, cursor: &mut u32) -> Option<u32> {
        let count = self.places.len() as u32;
        *cursor += 1;
        if node < count {
            let (row, end) = (self.rows[node as usize], self.rows[node as usize + 1]);
            let i = row + *cursor - 1;
            if i < end {
                return Some(self.targets[i as usize]);
            }
            let place = self.clock.as_ref().map_or(count, |clock| clock.first_after(node));
            return (i == end && place < count).then_some(count + place);
        }
        match *cursor {
            1 => self.clock.as_ref().map(|clock| clock.by_invocation()[(node - count) as usize]),
            2 if node + 1 < 2 * count => Some(node + 1),
            _ => None,
        }
    }
}

/// The places within zones in order, and for each place of the line its number among them or `NONE`.
fn covered(graph: &Graph<'_>, line: &Line) -> Option<(Vec<u32>, Vec<u32>)> {
    let mut reach: Vec<u32> = Vec::new();
    for &(from, to, _) in &graph.edges {
        if !sound(graph, from, to) {
            continue;
        }
        let (from, to) = (line.place(from), line.place(to));
        if to < from {
            if reach.is_empty() {
                reach = vec![0; graph.node_count as usize];
            }
            reach[to as usize] = reach[to as usize].max(from);
        }
    }
    let (mut places, mut end) = (Vec::new(), None);
    for (place, reach) in (0..).zip(&mut reach) {
        let here = (*reach > place).then_some(*reach);
        end = end.filter(|&end| end >= place).max(here);
        *reach = if end.is_some() { places.len() as u32 } else { NONE };
        if end.is_some() {
            places.push(place);
        }
    }
    (!places.is_empty()).then_some((places, reach))
}

/// Compressed sparse rows of the edges between places within zones. An edge from one zone to another leads forward and
/// is on no cycle; it does no harm.
fn rows(graph: &Graph<'_>, line: &Line, index: &[u32], count: usize, steps: &[(u32, u32)]) -> (Vec<u32>, Vec<u32>) {
    let within = |from: u32, to: u32| {
        let (from, to) = (index[line.place(from) as usize], index[line.place(to) as usize]);
        (from != NONE && to != NONE).then_some((from, to))
    };
    let data = graph.edges.iter().filter(|(from, to, _)| sound(graph, *from, *to)).map(|&(from, to, _)| (from, to));
    let all = || data.clone().chain(steps.iter().copied()).filter_map(|(from, to)| within(from, to));
    let mut rows = vec![0u32; count + 2];
    all().for_each(|(from, _)| rows[from as usize + 2] += 1);
    (2..rows.len()).for_each(|i| rows[i] += rows[i - 1]);
    let mut targets = vec![0; rows[count + 1] as usize];
    for (from, to) in all() {
        let next = &mut rows[from as usize + 1];
        targets[*next as usize] = to;
        *next += 1;
    }
    (rows, targets)
}
