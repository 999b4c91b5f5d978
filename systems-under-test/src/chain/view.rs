//! Who can talk with whom, as far as one node knows, and which chain would still hold together.
//!
//! Each node says regularly whom it *hears*, and with whom it has a *link*: whom it hears and who hears it. So a node knows its own
//! links and, from what others say, theirs. That is more than "who is alive", and it is needed: when only the link between two
//! neighbours is cut, both are alive, a majority sees both, and the chain is broken all the same.
//!
//! ```text
//!    n1 ─── n2          chain  n1 → n2 → n3 → n4
//!     │ ╲    ╳          the link n2–n3 is gone: n1 → n2 → n4 holds together, and so does n1 → n3 → n4
//!    n4 ─── n3          both have three nodes; the first by position is taken, so that all who look take the same
//! ```
//!
//! What holds together is the longest part of the chain, in its order, in which each neighbour has a link to the next, and each
//! has links to a majority: without those it gets no lease. Whether somebody is slow, paused, dead or cut off cannot be told
//! apart, and need not: whoever is left out wrongly comes back as a new tail.

use super::configuration::Configuration;
use crate::specimen::Micros;

#[derive(Clone, Debug)]
struct Row {
    at: Micros,
    hears: Vec<usize>,
    links: Vec<usize>,
}

/// See the [module](self).
#[derive(Debug)]
pub struct View {
    me: usize,
    rows: Vec<Row>,
    patience: Micros,
}

impl View {
    /// At first everybody is believed to hear everybody: a node that has just started accuses nobody.
    pub fn new(me: usize, count: usize, patience: Micros, now: Micros) -> View {
        let all: Vec<usize> = (0..count).collect();
        View { me, rows: vec![Row { at: now, hears: all.clone(), links: all }; count], patience }
    }

    /// A node said whom it hears and with whom it has a link.
    pub fn heard(&mut self, now: Micros, from: usize, hears: Vec<usize>, links: Vec<usize>) {
        self.rows[from] = Row { at: now, hears, links };
    }

    fn is_fresh(&self, now: Micros, node: usize) -> bool {
        node == self.me || now < self.rows[node].at + self.patience
    }

    /// Whom this node hears, itself included.
    pub fn hears(&self, now: Micros) -> Vec<usize> {
        (0..self.rows.len()).filter(|node| self.is_fresh(now, *node)).collect()
    }

    /// With whom it has a link, itself included.
    pub fn links(&self, now: Micros) -> Vec<usize> {
        let mutual = |node: &usize| *node == self.me || self.rows[*node].hears.contains(&self.me);
        self.hears(now).into_iter().filter(mutual).collect()
    }

    /// Whether two nodes have a link: by their own words, as far as they are heard; and at least one must be.
    pub fn linked(&self, now: Micros, a: usize, b: usize) -> bool {
        if a == self.me || b == self.me {
            return self.links(now).contains(&(a + b - self.me));
        }
        let says = |one: usize, other: usize| self.is_fresh(now, one).then(|| self.rows[one].links.contains(&other));
        match (says(a, b), says(b, a)) {
            (Some(one), Some(other)) => one && other,
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => false,
        }
    }

    /// Whether a node has links with so many, itself included.
    pub fn connected(&self, now: Micros, node: usize, majority: usize) -> bool {
        let linked = |other: &usize| *other == node || self.linked(now, node, *other);
        (0..self.rows.len()).filter(linked).count() >= majority
    }

    /// The longest part of a chain that holds together; of several the first by position.
    pub fn longest(&self, now: Micros, configuration: &Configuration, majority: usize) -> Vec<usize> {
        let chain = &configuration.chain;
        // From the end: the longest that begins with this node.
        let mut best: Vec<Vec<usize>> = vec![Vec::new(); chain.len()];
        for i in (0..chain.len()).rev() {
            if !self.connected(now, chain[i], majority) {
                continue;
            }
            let mut rest: &[usize] = &[];
            for j in i + 1..chain.len() {
                if best[j].len() > rest.len() && self.linked(now, chain[i], chain[j]) {
                    rest = &best[j];
                }
            }
            best[i] = [&[chain[i]], rest].concat();
        }
        let mut longest = Vec::new();
        for part in best {
            if part.len() > longest.len() {
                longest = part;
            }
        }
        longest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What n1 sees when these links of four nodes are cut.
    fn seen(cut: &[(usize, usize)]) -> View {
        let mut view = View::new(0, 4, 100, 0);
        let linked = |a: usize, b: usize| !cut.contains(&(a, b)) && !cut.contains(&(b, a));
        for node in (1..4).filter(|node| linked(0, *node)) {
            let links: Vec<usize> = (0..4).filter(|other| linked(node, *other)).collect();
            view.heard(1000, node, links.clone(), links);
        }
        view
    }

    fn longest(cut: &[(usize, usize)], majority: usize) -> Vec<usize> {
        seen(cut).longest(1001, &Configuration::first(4), majority)
    }

    #[test]
    fn a_cut_between_neighbours_costs_one_of_them() {
        assert_eq!(longest(&[], 3), [0, 1, 2, 3]);
        assert_eq!(longest(&[(1, 2)], 3), [0, 1, 3]);
        assert_eq!(longest(&[(1, 3)], 3), [0, 1, 2, 3], "they are no neighbours");
        assert_eq!(longest(&[(0, 1)], 3), [0, 2, 3]);
    }

    #[test]
    fn whoever_is_cut_off_is_left_out() {
        assert_eq!(longest(&[(2, 0), (2, 1), (2, 3)], 3), [0, 1, 3]);
        assert_eq!(
            longest(&[(0, 1), (0, 2), (0, 3)], 3),
            Vec::<usize>::new(),
            "alone, one knows nothing of the others"
        );
        assert_eq!(longest(&[(0, 2), (0, 3), (1, 2), (1, 3)], 2), [0, 1]);
    }

    #[test]
    fn one_way_is_no_link() {
        let mut view = View::new(0, 3, 100, 0);
        view.heard(1000, 1, vec![1, 2], vec![1, 2]);
        view.heard(1000, 2, vec![0, 1, 2], vec![0, 1, 2]);
        assert_eq!((view.hears(1001), view.links(1001)), (vec![0, 1, 2], vec![0, 2]));
        assert_eq!(view.hears(1100), [0]);
    }

    #[test]
    fn nobody_is_accused_before_its_time() {
        let view = View::new(0, 3, 100, 0);
        assert_eq!(view.links(99), [0, 1, 2]);
        assert_eq!(view.links(100), [0]);
    }
}
