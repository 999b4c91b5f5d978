//! The models with atomic visibility, by trying all orders of commits.
//!
//! Transactions are put in order one by one. Each sees at least those that it read from, those that the model's order
//! demands, and, where writers of one object must see each other, its predecessors there; and then whatever follows by
//! transitivity or by prefix. To see *more* never helps: EXT only forbids. So one set for each order is enough.
//! ([`naive`](super::naive) does not know that, and tries all.)

use super::problem::Problem;

/// An order that must be seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// None.
    #[default]
    None,
    /// That of each process.
    Session,
    /// Completed before invoked.
    Realtime,
}

/// What follows from seeing a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sees {
    /// Nothing.
    Any,
    /// What it saw is seen.
    Transitive,
    /// All before it is seen.
    Prefix,
    /// All is seen anyway.
    All,
}

/// A model.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    pub sees: Sees,
    /// Whether of two writers of one object one must see the other.
    pub conflicts: bool,
    pub order: Order,
}

/// Whether there is an order of commits that the rule allows.
pub fn exists(problem: &Problem, rule: Rule) -> bool {
    let n = problem.reads.len();
    let from = |t: usize| problem.reads[t].iter().filter_map(|r| r.from).fold(0, |mask, w| mask | 1 << w);
    let needs: Vec<u16> = (0..n).map(|t| from(t) | problem.ordered(rule.order, t)).collect();
    let first: Vec<u16> = (0..n).map(|t| needs[t] | problem.before[t]).collect();
    // A cheap way to say no.
    if !problem.is_acyclic(|t| first[t]) {
        return false;
    }
    Search { problem, rule, needs, first, upto: [0; 16], vis: [0; 16] }.place(0)
}

struct Search<'a> {
    problem: &'a Problem,
    rule: Rule,
    /// What each transaction must see.
    needs: Vec<u16>,
    /// What must stand before each.
    first: Vec<u16>,
    /// For each placed transaction, itself and all before it.
    upto: [u16; 16],
    vis: [u16; 16],
}

impl Search<'_> {
    /// Whether the rest can be placed after these.
    fn place(&mut self, placed: u16) -> bool {
        let left = self.problem.all & !placed;
        if left == 0 {
            return self.problem.objects_in_order(|_, t| self.upto[t].count_ones() as usize);
        }
        for t in bits(left) {
            if self.first[t] & !placed == 0 {
                self.upto[t] = placed | 1 << t;
                self.vis[t] = self.seen(t, placed);
                if self.reads_right(t, placed) && self.place(placed | 1 << t) {
                    return true;
                }
            }
        }
        false
    }

    fn seen(&self, t: usize, placed: u16) -> u16 {
        let mut needs = self.needs[t];
        if self.rule.conflicts {
            let same = self.problem.writers.iter().filter(|w| **w >> t & 1 == 1);
            needs |= same.fold(0, |mask, w| mask | w) & placed;
        }
        match self.rule.sees {
            Sees::Any => needs,
            Sees::Transitive => bits(needs).fold(needs, |mask, w| mask | self.vis[w]),
            Sees::Prefix => bits(needs).fold(0, |mask, w| mask | self.upto[w]),
            Sees::All => placed,
        }
    }

    /// EXT.
    fn reads_right(&self, t: usize, placed: u16) -> bool {
        self.problem.reads[t].iter().all(|read| {
            let later = read.from.map_or(placed, |w| placed & !self.upto[w]);
            self.vis[t] & self.problem.writers[read.key as usize] & later == 0
        })
    }
}

/// The positions of the ones.
pub fn bits(mut mask: u16) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let i = mask.trailing_zeros() as usize;
        mask &= mask.wrapping_sub(1);
        (i < 16).then_some(i)
    })
}
