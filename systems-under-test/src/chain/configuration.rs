//! Who stands in the chain, and where.

use serde::{Deserialize, Serialize};

/// The number of a configuration; the next one has the next number.
pub type Epoch = u64;

/// The chain of one epoch, head first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configuration {
    /// Its number.
    pub epoch: Epoch,
    /// The nodes, by position in the cluster.
    pub chain: Vec<usize>,
}

impl Configuration {
    /// The first: every node, in the order of their names. Nobody needs to be asked for it.
    pub fn first(count: usize) -> Configuration {
        Configuration { epoch: 1, chain: (0..count).collect() }
    }

    /// Who takes updates.
    pub fn head(&self) -> Option<usize> {
        self.chain.first().copied()
    }

    /// Whose word an acknowledgement is.
    pub fn tail(&self) -> Option<usize> {
        self.chain.last().copied()
    }

    /// Whether a node is in the chain.
    pub fn has(&self, node: usize) -> bool {
        self.chain.contains(&node)
    }

    /// Who stands before a node.
    pub fn before(&self, node: usize) -> Option<usize> {
        let at = self.chain.iter().position(|n| *n == node)?;
        at.checked_sub(1).map(|at| self.chain[at])
    }

    /// Who stands after a node.
    pub fn after(&self, node: usize) -> Option<usize> {
        let at = self.chain.iter().position(|n| *n == node)?;
        self.chain.get(at + 1).copied()
    }

    /// What a node is in it, in a word.
    pub fn role(&self, node: usize) -> &'static str {
        match (self.head() == Some(node), self.tail() == Some(node)) {
            (true, true) => "head and tail",
            (true, false) => "head",
            (false, true) => "tail",
            _ if self.has(node) => "middle",
            _ => "spare",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_has_two_ends_and_neighbours() {
        let chain = Configuration { epoch: 3, chain: vec![2, 0, 1] };
        assert_eq!((chain.head(), chain.tail()), (Some(2), Some(1)));
        assert_eq!((chain.before(2), chain.after(2)), (None, Some(0)));
        assert_eq!((chain.before(1), chain.after(1)), (Some(0), None));
        assert_eq!((chain.before(7), chain.after(7)), (None, None));
        assert_eq!([2, 0, 1, 7].map(|node| chain.role(node)), ["head", "middle", "tail", "spare"]);
    }
}
