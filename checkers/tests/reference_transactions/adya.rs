//! The levels of Adya's thesis, by trying all orders of the versions of each object.
//!
//! Given the orders, `ww`, `wr` and `rw` are fixed, and each level is a kind of cycle that must not be:
//!
//! | level                    | no cycle                                                                          |
//! | ------------------------ | --------------------------------------------------------------------------------- |
//! | PL-CS cursor stability   | of `ww` and one `rw`, all on one object (G-cursor), nor G1                          |
//! | PL-2+ consistent view    | of `ww`, `wr` and exactly one `rw` (G-single), nor G1                               |
//! | PL-3U update serializable | at all among those that write and any one that does not                           |
//! | PL-2.99 repeatable read  | at all (without predicates that is PL-3, but for steps within a transaction)         |
//!
//! The others are second opinions, under names of their own. *Analysing Snapshot Isolation* (Cerone, Gotsman, JACM 2018) and its
//! relatives: `(ww ∪ wr) ; rw?` has no cycle under snapshot isolation, `(ww ∪ wr)⁺ ; rw?` no loop under the
//! parallel one, `wr ; rw? ∪ ww` no cycle under prefix consistency.

use super::problem::Problem;
use super::search::bits;

/// Relations by successor: row `a` holds the `b` with a → b.
#[derive(Clone, Copy, Default)]
struct Matrix([u16; 16]);

impl Matrix {
    fn or(&self, other: &Matrix) -> Matrix {
        Matrix(std::array::from_fn(|i| self.0[i] | other.0[i]))
    }

    fn then(&self, other: &Matrix) -> Matrix {
        Matrix(std::array::from_fn(|i| bits(self.0[i]).fold(0, |mask, j| mask | other.0[j])))
    }

    fn closed(&self) -> Matrix {
        let mut closed = *self;
        for k in 0..16 {
            for i in 0..16 {
                if closed.0[i] >> k & 1 == 1 {
                    closed.0[i] |= closed.0[k];
                }
            }
        }
        closed
    }

    fn has_loop(&self) -> bool {
        (0..16).any(|i| self.0[i] >> i & 1 == 1)
    }

    fn has_cycle(&self) -> bool {
        self.closed().has_loop()
    }

    fn within(&self, set: u16) -> Matrix {
        Matrix(std::array::from_fn(|i| if set >> i & 1 == 1 { self.0[i] & set } else { 0 }))
    }
}

/// The levels, in the order of `verdicts`.
const LEVELS: [&str; 8] = [
    "repeatable-read",
    "update-serializable",
    "consistent-view",
    "cursor-stability",
    "graph-snapshot-isolation",
    "graph-parallel-snapshot-isolation",
    "graph-prefix",
    "graph-read-committed",
];

/// What the levels say.
pub fn verdicts(problem: &Problem) -> impl Iterator<Item = (&'static str, Option<bool>)> {
    let mut tried = Tried { problem, wr: wr(problem), allowed: [false; LEVELS.len()] };
    if problem.committed(super::Order::None) {
        tried.keys(0, &mut Graph::default());
    }
    LEVELS.into_iter().zip(tried.allowed.map(Some))
}

fn wr(problem: &Problem) -> Matrix {
    let mut wr = Matrix::default();
    for t in bits(problem.all) {
        for w in problem.reads[t].iter().filter_map(|r| r.from) {
            wr.0[w] |= 1 << t;
        }
    }
    wr
}

#[derive(Clone, Default)]
struct Graph {
    ww: Matrix,
    rw: Matrix,
    /// The same for each key.
    by_key: Vec<(Matrix, Matrix)>,
    orders: Vec<Vec<usize>>,
}

struct Tried<'a> {
    problem: &'a Problem,
    wr: Matrix,
    allowed: [bool; LEVELS.len()],
}

impl Tried<'_> {
    /// Tries all orders of the versions of this key, then of the next ones.
    fn keys(&mut self, key: usize, graph: &mut Graph) {
        if graph.ww.or(&self.wr).has_cycle() || self.allowed == [true; LEVELS.len()] {
            return;
        }
        if key == self.problem.writers.len() {
            return self.judge(graph);
        }
        self.versions(key, &mut Vec::new(), graph);
    }

    fn versions(&mut self, key: usize, order: &mut Vec<usize>, graph: &Graph) {
        let placed = order.iter().fold(0, |mask, t| mask | 1 << t);
        let writers = self.problem.writers[key];
        if placed == writers {
            let mut next = graph.clone();
            self.relate(key, order, &mut next);
            return self.keys(key + 1, &mut next);
        }
        for t in bits(writers & !placed) {
            if self.problem.before[t] & writers & !placed == 0 {
                order.push(t);
                self.versions(key, order, graph);
                order.pop();
            }
        }
    }

    /// The relations of one key, with all later versions instead of the next one only.
    fn relate(&self, key: usize, order: &[usize], graph: &mut Graph) {
        let (mut ww, mut rw) = (Matrix::default(), Matrix::default());
        let after = |i: usize| order[i..].iter().fold(0, |mask, t| mask | 1 << t);
        for (i, t) in order.iter().enumerate() {
            ww.0[*t] |= after(i + 1);
        }
        for t in bits(self.problem.all) {
            for read in self.problem.reads[t].iter().filter(|r| r.key as usize == key) {
                let i = read.from.map_or(0, |w| order.iter().position(|o| *o == w).map_or(0, |i| i + 1));
                rw.0[t] |= after(i) & !(1 << t);
            }
        }
        graph.ww = graph.ww.or(&ww);
        graph.rw = graph.rw.or(&rw);
        graph.by_key.push((ww, rw));
        graph.orders.push(order.to_vec());
    }

    fn judge(&mut self, graph: &Graph) {
        let position = |key: usize, t: usize| graph.orders[key].iter().position(|w| *w == t).map_or(0, |i| i + 1);
        if !self.problem.objects_in_order(position) {
            return;
        }
        let dependencies = graph.ww.or(&self.wr);
        let (all, closed) = (dependencies.or(&graph.rw), dependencies.closed());
        let writing = self.problem.writers.iter().fold(0, |mask, w| mask | w);
        let update = |t: usize| all.within(writing | 1 << t).has_cycle();
        let single = closed.then(&graph.rw).has_loop();
        let cursor = graph.by_key.iter().any(|(ww, rw)| ww.then(rw).has_loop());
        let snapshot = dependencies.or(&dependencies.then(&graph.rw)).has_cycle();
        let prefix = self.wr.or(&self.wr.then(&graph.rw)).or(&graph.ww).has_cycle();
        let update = bits(self.problem.all).any(update);
        let found = [all.has_cycle(), update, single, cursor, snapshot, single, prefix, false];
        for (allowed, found) in self.allowed.iter_mut().zip(found) {
            *allowed |= !found;
        }
    }
}
