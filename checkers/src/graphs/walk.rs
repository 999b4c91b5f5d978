//! Breadth-first search for the shortest closed walk through one node.

use super::lens::{How, Lens};

/// One step of a walk, nodes numbered as in their component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hop {
    pub from: u32,
    pub to: u32,
    pub how: How,
}

/// The memory of searches in one component: for each state when it was visited, and from where.
pub(super) struct Walker {
    nodes: usize,
    round: u32,
    visited: Vec<u32>,
    parent: Vec<(u32, How)>,
    queue: Vec<u32>,
    /// Edges looked at since this was last taken.
    pub steps: u64,
}

impl Walker {
    pub fn new(node_count: u32) -> Walker {
        let nodes = node_count as usize;
        let (visited, parent) = (vec![0; 2 * nodes], vec![(0, How::Base); 2 * nodes]);
        Walker { nodes, round: 0, visited, parent, queue: Vec::new(), steps: 0 }
    }

    /// The shortest closed walk through `start` of fewer than `limit` steps that stays within its strongly connected
    /// component; `of` names those of the states.
    pub fn around(&mut self, lens: &Lens<'_>, of: &[u32], start: u32, limit: usize) -> Option<Vec<Hop>> {
        self.begin(lens, start);
        let home = of[lens.root(start)];
        let (mut at, mut depth, mut level_end) = (0, 0, 1);
        let mut unseen = lens.part.len();
        while at < self.queue.len() {
            if at == level_end {
                (depth, level_end) = (depth + 1, self.queue.len());
            }
            if depth + 1 >= limit {
                return None;
            }
            let state = self.queue[at];
            at += 1;
            if let Some(how) = self.expand(lens, of, home, start, state) {
                return Some(self.back(start, state, how));
            }
            if lens.may_wait(self.split(state).1) {
                unseen = self.wait(lens, of, home, state, unseen);
            }
        }
        None
    }

    /// The node and the layer of a state.
    fn split(&self, state: u32) -> (u32, usize) {
        state.checked_sub(self.nodes as u32).map_or((state, 0), |node| (node, 1))
    }

    fn begin(&mut self, lens: &Lens<'_>, start: u32) {
        self.round += 1;
        if self.round == u32::MAX {
            (self.round, self.visited) = (1, vec![0; self.visited.len()]);
        }
        self.queue.clear();
        let state = start as usize + lens.first_layer() * self.nodes;
        self.visited[state] = self.round;
        self.queue.push(state as u32);
    }

    /// Follows the edges of a state. Returns how the walk closes, if it does.
    fn expand(&mut self, lens: &Lens<'_>, of: &[u32], home: u32, start: u32, state: u32) -> Option<How> {
        let (node, layer) = self.split(state);
        for (to, bits) in lens.part.edges(node) {
            self.steps += 1;
            if to == start
                && let Some(how) = lens.closing(layer, bits)
            {
                return Some(how);
            }
            if let Some((how, layer)) = lens.step(layer, bits) {
                self.visit(of, home, to as usize + layer * self.nodes, (state, how));
            }
        }
        let returns = lens.timed && lens.first_layer() == 0;
        (returns && lens.part.clock?.precedes(node, start)).then_some(How::Time)
    }

    /// Visits what follows a state in real time and was not seen in the list before: places up to `unseen`.
    fn wait(&mut self, lens: &Lens<'_>, of: &[u32], home: u32, state: u32, unseen: u32) -> u32 {
        let Some(clock) = lens.part.clock else { return unseen };
        let first = clock.first_after(self.split(state).0);
        for place in first..unseen {
            self.steps += 1;
            self.visit(of, home, clock.by_invocation()[place as usize] as usize, (state, How::Time));
        }
        unseen.min(first)
    }

    fn visit(&mut self, of: &[u32], home: u32, state: usize, parent: (u32, How)) {
        if self.visited[state] != self.round && of[state] == home {
            self.visited[state] = self.round;
            self.parent[state] = parent;
            self.queue.push(state as u32);
        }
    }

    /// The walk that ends with a step from `last` to `start`.
    fn back(&self, start: u32, last: u32, how: How) -> Vec<Hop> {
        let mut hops = vec![Hop { from: self.split(last).0, to: start, how }];
        let mut state = last;
        while state != self.queue[0] {
            let (parent, how) = self.parent[state as usize];
            hops.push(Hop { from: self.split(parent).0, to: self.split(state).0, how });
            state = parent;
        }
        hops.reverse();
        hops
    }
}
