//! Strongly connected components of a graph given by its edges (Tarjan 1972, with its own stack).

/// Adjacency in compressed rows.
pub(super) struct Rows {
    starts: Vec<u32>,
    targets: Vec<u32>,
}

impl Rows {
    /// From pairs of nodes below `count`.
    pub(super) fn new(count: u32, pairs: &[(u32, u32)]) -> Rows {
        let mut starts = vec![0; count as usize + 1];
        for (from, _) in pairs {
            starts[*from as usize + 1] += 1;
        }
        for i in 0..count as usize {
            starts[i + 1] += starts[i];
        }
        let mut cursors = starts.clone();
        let mut targets = vec![0; pairs.len()];
        for (from, to) in pairs {
            let cursor = &mut cursors[*from as usize];
            targets[*cursor as usize] = *to;
            *cursor += 1;
        }
        Rows { starts, targets }
    }

    /// Where the edges of a node lead.
    pub(super) fn of(&self, node: u32) -> &[u32] {
        &self.targets[self.starts[node as usize] as usize..self.starts[node as usize + 1] as usize]
    }
}

const UNSEEN: u32 = u32::MAX;

/// For each node the number of its component. Components are numbered in reverse topological order.
pub(super) fn components(count: u32, pairs: &[(u32, u32)]) -> Vec<u32> {
    let rows = Rows::new(count, pairs);
    let mut search = Search {
        rows: &rows,
        index: vec![UNSEEN; count as usize],
        low: vec![0; count as usize],
        component: vec![UNSEEN; count as usize],
        open: Vec::new(),
        seen: 0,
        found: 0,
    };
    (0..count).for_each(|node| search.visit(node));
    search.component
}

struct Search<'r> {
    rows: &'r Rows,
    index: Vec<u32>,
    low: Vec<u32>,
    component: Vec<u32>,
    open: Vec<u32>,
    seen: u32,
    found: u32,
}

impl Search<'_> {
    fn visit(&mut self, root: u32) {
        if self.index[root as usize] != UNSEEN {
            return;
        }
        let mut path = vec![(root, self.enter(root))];
        while let Some((node, edge)) = path.last_mut() {
            let node = *node;
            match self.rows.of(node).get(*edge as usize).copied() {
                Some(next) => {
                    *edge += 1;
                    if self.index[next as usize] == UNSEEN {
                        path.push((next, self.enter(next)));
                    } else if self.component[next as usize] == UNSEEN {
                        self.low[node as usize] = self.low[node as usize].min(self.index[next as usize]);
                    }
                }
                None => {
                    path.pop();
                    self.leave(node, path.last().map(|(parent, _)| *parent));
                }
            }
        }
    }

    /// Numbers a node; returns where its edges begin.
    fn enter(&mut self, node: u32) -> u32 {
        self.index[node as usize] = self.seen;
        self.low[node as usize] = self.seen;
        self.seen += 1;
        self.open.push(node);
        0
    }

    fn leave(&mut self, node: u32, parent: Option<u32>) {
        if self.low[node as usize] == self.index[node as usize] {
            self.close(node);
        }
        if let Some(parent) = parent {
            self.low[parent as usize] = self.low[parent as usize].min(self.low[node as usize]);
        }
    }

    fn close(&mut self, node: u32) {
        while let Some(member) = self.open.pop() {
            self.component[member as usize] = self.found;
            if member == node {
                break;
            }
        }
        self.found += 1;
    }
}
