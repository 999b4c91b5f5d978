//! Strongly connected components, without recursion, on any graph that can list successors.
//!
//! Pearce's variant (*A space-efficient algorithm for finding strongly connected components*, IPL 2016) of Tarjan's
//! algorithm: one number for each node serves as its visit, its low link and its component. A component of one node
//! never reaches the second stack, so a graph without cycles costs one visit of each edge and little else.

/// A graph that lists the successors of a node one by one.
pub(super) trait Digraph {
    /// How many nodes there are.
    fn len(&self) -> usize;

    /// The next successor; `cursor` is 0 at first and belongs to the callee.
    fn next(&self, node: u32, cursor: &mut u32) -> Option<u32>;
}

struct Frame {
    node: u32,
    cursor: u32,
    entered: u32,
}

/// The components of a graph.
pub(super) struct Components {
    /// For each node a number of its component, from 1. An edge that leaves a component leads to a higher number.
    pub of: Vec<u32>,
}

impl Components {
    /// Finds them. `each` is told those of more than one node, the nodes in no particular order.
    ///
    /// Roots are taken from the last node to the first: where edges lead from lower nodes to higher ones, the stack
    /// stays shallow.
    pub fn find(graph: &impl Digraph, mut each: impl FnMut(&[u32])) -> Components {
        let mut search = Search {
            low: vec![0; graph.len()],
            visited: 1,
            component: graph.len() as u32,
            frames: Vec::new(),
            open: Vec::new(),
        };
        for root in (0..graph.len() as u32).rev() {
            if search.low[root as usize] == 0 {
                search.from(graph, root, &mut each);
            }
        }
        Components { of: search.low }
    }
}

struct Search {
    /// 0: not visited; up to `visited`: on a stack, the earliest visit known to be reachable; from `component` + 1:
    /// the number of its component.
    low: Vec<u32>,
    visited: u32,
    component: u32,
    frames: Vec<Frame>,
    /// Visited nodes that are no roots of their components, which are not complete.
    open: Vec<u32>,
}

impl Search {
    fn from(&mut self, graph: &impl Digraph, root: u32, each: &mut impl FnMut(&[u32])) {
        self.enter(root);
        while let Some(frame) = self.frames.last_mut() {
            let node = frame.node as usize;
            match graph.next(frame.node, &mut frame.cursor) {
                Some(next) if self.low[next as usize] == 0 => self.enter(next),
                Some(next) => self.low[node] = self.low[node].min(self.low[next as usize]),
                None => {
                    self.leave(each);
                    if let Some(parent) = self.frames.last() {
                        let parent = parent.node as usize;
                        self.low[parent] = self.low[parent].min(self.low[node]);
                    }
                }
            }
        }
    }

    fn enter(&mut self, node: u32) {
        self.low[node as usize] = self.visited;
        self.frames.push(Frame { node, cursor: 0, entered: self.visited });
        self.visited += 1;
    }

    fn leave(&mut self, each: &mut impl FnMut(&[u32])) {
        let Some(Frame { node, entered, .. }) = self.frames.pop() else { return };
        self.open.push(node);
        if self.low[node as usize] != entered {
            return;
        }
        let mut first = self.open.len() - 1;
        while first > 0 && self.low[self.open[first - 1] as usize] >= entered {
            first -= 1;
        }
        for &member in &self.open[first..] {
            self.low[member as usize] = self.component;
        }
        if self.open.len() - first > 1 {
            each(&self.open[first..]);
        }
        self.visited -= (self.open.len() - first) as u32;
        self.component -= 1;
        self.open.truncate(first);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct List(Vec<Vec<u32>>);

    impl Digraph for List {
        fn len(&self) -> usize {
            self.0.len()
        }

        fn next(&self, node: u32, cursor: &mut u32) -> Option<u32> {
            *cursor += 1;
            self.0[node as usize].get(*cursor as usize - 1).copied()
        }
    }

    #[test]
    fn components_are_found_and_numbered_in_the_order_of_edges() {
        let graph = List(vec![vec![1], vec![2, 3], vec![0], vec![4], vec![3, 5], vec![]]);
        let mut several = Vec::new();
        let components = Components::find(&graph, |nodes| {
            let mut nodes = nodes.to_vec();
            nodes.sort_unstable();
            several.push(nodes);
        });
        several.sort();
        assert_eq!(several, [vec![0, 1, 2], vec![3, 4]]);
        let of = components.of;
        assert!(of[0] == of[1] && of[1] == of[2] && of[3] == of[4] && of[2] < of[3] && of[4] < of[5]);
    }

    #[test]
    fn a_path_of_a_million_nodes_needs_no_recursion() {
        let nodes = 1_000_000;
        let graph = List((0..nodes).map(|i| vec![(i + 1) % nodes]).collect());
        let mut sizes = Vec::new();
        Components::find(&graph, |nodes| sizes.push(nodes.len()));
        assert_eq!(sizes, [1_000_000]);
    }
}
