//! A topological order that is kept while edges are added: the first edge that closes a cycle is told at once.
//!
//! Pearce and Kelly (*A dynamic topological sort algorithm for directed acyclic graphs*, JEA 2006): every node has a
//! place. An edge that leads to a higher place changes nothing. One that leads down, from `x` to `y`, concerns only what
//! is between the places of `y` and `x`: what `y` reaches there and what reaches `x` there. If these meet, the edge
//! closes a cycle; if not, the places of both sets are dealt out anew, first to what reaches `x`, then to what `y`
//! reaches.
//!
//! ```text
//!     y ── a    b ── x            new edge x → y
//!     3    4    6    7   places   y reaches {y, a}, {b, x} reach x
//!     6    7    3    4            b x y a
//! ```
//!
//! Where edges mostly agree with the order in which nodes came, as those of a history do, the spans are short and an
//! edge costs a few instructions; the worst case is a search of everything for each edge.
//!
//! One case that histories are full of is taken out of that: a transaction that read an old state precedes what was
//! written long ago, and nothing but older transactions precedes it. It needs no more than a place right before what
//! it has to precede, so between any two places that are dealt out to new nodes there is room for others.

/// A directed acyclic graph with a topological order, both growing.
#[derive(Clone, Debug, Default)]
pub struct IncrementalOrder {
    places: Vec<u64>,
    /// How many places were dealt out below each one that a new node had.
    squeezed: Vec<u32>,
    /// For each node its last edge out and its last edge in.
    last: Vec<[u32; 2]>,
    edges: Vec<Edge>,
    /// For each node the search that visited it last, and the edge by which it did.
    seen: Vec<(u32, u32)>,
    round: u32,
}

#[derive(Clone, Copy, Debug)]
struct Edge {
    /// From, to.
    ends: [u32; 2],
    /// The edge before it out of `from`, and into `to`.
    before: [u32; 2],
}

/// How far apart the places of new nodes are.
const ROOM: u64 = 1 << 20;

const OUT: usize = 0;
const IN: usize = 1;
const NO_EDGE: u32 = u32::MAX;

impl IncrementalOrder {
    /// Adds a node, at the end of the order.
    pub fn add_node(&mut self) -> u32 {
        let node = self.places.len() as u32;
        self.places.push((u64::from(node) + 1) * ROOM);
        self.squeezed.push(0);
        self.last.push([NO_EDGE; 2]);
        self.seen.push((0, NO_EDGE));
        node
    }

    /// How many nodes there are.
    pub fn node_count(&self) -> usize {
        self.places.len()
    }

    /// How many edges there are.
    pub fn edge_count(&self) -> usize {
        self.edges.len()
    }

    /// The place of a node in the order; an edge always leads to a higher one.
    pub fn place(&self, node: u32) -> u64 {
        self.places[node as usize]
    }

    /// From where to where an edge leads; edges are numbered as they were added.
    pub fn edge(&self, edge: u32) -> (u32, u32) {
        let [from, to] = self.edges[edge as usize].ends;
        (from, to)
    }

    /// Adds an edge between two nodes that exist.
    ///
    /// # Errors
    /// If it would close a cycle: the edges of a shortest path from `to` to `from`, none if they are the same. The edge
    /// is not added.
    pub fn add_edge(&mut self, from: u32, to: u32) -> Result<u32, Vec<u32>> {
        if from == to {
            return Err(Vec::new());
        }
        if self.place(to) < self.place(from) && !self.squeeze(from, to) {
            self.make_room(from, to)?;
        }
        let edge = self.edges.len() as u32;
        let before = [self.last[from as usize][OUT], self.last[to as usize][IN]];
        self.edges.push(Edge { ends: [from, to], before });
        self.last[from as usize][OUT] = edge;
        self.last[to as usize][IN] = edge;
        Ok(edge)
    }

    /// Moves `from` right before `to`, if everything that leads to it stands there already. Places are dealt out
    /// downwards, so no two nodes have the same.
    fn squeeze(&mut self, from: u32, to: u32) -> bool {
        let above = (self.place(to).div_ceil(ROOM) - 1) as usize;
        let place = (above as u64 + 1) * ROOM - u64::from(self.squeezed[above]) - 1;
        let mut edge = self.last[from as usize][IN];
        while edge != NO_EDGE {
            let Edge { ends, before } = self.edges[edge as usize];
            if self.place(ends[0]) >= place {
                return false;
            }
            edge = before[IN];
        }
        let fits = u64::from(self.squeezed[above]) + 2 < ROOM;
        if fits {
            self.squeezed[above] += 1;
            self.places[from as usize] = place;
        }
        fits
    }

    /// Moves `from`, and what leads to it, before `to`, and what it leads to.
    fn make_room(&mut self, from: u32, to: u32) -> Result<(), Vec<u32>> {
        let (low, high) = (self.place(to), self.place(from));
        let mut after = self.reached(to, OUT, |place| place <= high, from)?;
        let mut before = self.reached(from, IN, |place| place >= low, NO_EDGE)?;
        for nodes in [&mut before, &mut after] {
            nodes.sort_unstable_by_key(|&node| self.places[node as usize]);
        }
        let moved = [before, after].concat();
        let mut free: Vec<u64> = moved.iter().map(|&node| self.place(node)).collect();
        free.sort_unstable();
        moved.iter().zip(free).for_each(|(&node, place)| self.places[node as usize] = place);
        Ok(())
    }

    /// What is reached in one direction by nodes at places within bounds.
    ///
    /// # Errors
    /// If `never` is: the edges that lead to it.
    fn reached(
        &mut self,
        start: u32,
        way: usize,
        within: impl Fn(u64) -> bool,
        never: u32,
    ) -> Result<Vec<u32>, Vec<u32>> {
        self.next_round();
        self.seen[start as usize] = (self.round, NO_EDGE);
        let (mut queue, mut at) = (vec![start], 0);
        while let Some(&node) = queue.get(at) {
            at += 1;
            let mut edge = self.last[node as usize][way];
            while edge != NO_EDGE {
                let Edge { ends, before } = self.edges[edge as usize];
                let next = ends[1 - way];
                if self.seen[next as usize].0 != self.round && within(self.place(next)) {
                    self.seen[next as usize] = (self.round, edge);
                    if next == never {
                        return Err(self.path(next));
                    }
                    queue.push(next);
                }
                edge = before[way];
            }
        }
        Ok(queue)
    }

    fn next_round(&mut self) {
        if self.round == u32::MAX {
            self.seen.iter_mut().for_each(|seen| seen.0 = 0);
            self.round = 0;
        }
        self.round += 1;
    }

    /// The edges by which the last search came to a node.
    fn path(&self, mut node: u32) -> Vec<u32> {
        let mut path = Vec::new();
        while self.seen[node as usize].1 != NO_EDGE {
            let edge = self.seen[node as usize].1;
            path.push(edge);
            node = self.edges[edge as usize].ends[0];
        }
        path.reverse();
        path
    }
}
