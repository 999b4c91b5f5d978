//! Anti-entropy: now and then each node compares its Merkle tree with that of another, over the keys that both are homes of, and both
//! take in what they lack. It is what brings together replicas of keys that nobody reads.

use super::bugs::Bug;
use super::merkle::{Tree, WIDTH, leaf_of};
use super::messages::{Compare, Message, Record};
use super::node::Leaderless;
use super::row::Row;
use crate::parts::json::Item;
use crate::specimen::Context;

impl Leaderless {
    /// Begins to compare with another node, when it is time.
    pub(super) fn start_comparison(&mut self, cx: &mut Context<Self>) {
        let Some(every) = self.settings.anti_entropy.filter(|_| self.seat.count() > 1) else { return };
        if cx.now() >= self.next_comparison {
            // At no fixed rhythm, so that nodes do not march in step.
            self.next_comparison = cx.now() + cx.random_between(every / 2, every + every / 2);
            let nth = cx.random_between(0, self.seat.count() as u64 - 2) as usize;
            if let Some(peer) = self.seat.others().nth(nth) {
                cx.send(peer, Message::Compare(Compare::Root(self.tree(peer).root())));
            }
        }
        cx.wake_at(self.next_comparison);
    }

    /// The rows of keys that both this node and the peer are homes of.
    fn shared(&self, peer: usize) -> impl Iterator<Item = (&Item, &Row, u64)> {
        self.replica.rows().filter(move |(key, _, _)| {
            // A range has an end, and what lies there belongs to it.
            let left_out = self.bug(Bug::MerkleRangeWithoutEnd) && leaf_of(key) % WIDTH == WIDTH - 1;
            !left_out && self.homes(key).contains(&peer)
        })
    }

    fn tree(&self, peer: usize) -> Tree {
        Tree::new(self.shared(peer).map(|(key, _, digest)| (key, digest)))
    }

    /// The other one's step, and the answer to it.
    pub(super) fn compare(&mut self, peer: usize, compare: Compare, cx: &mut Context<Self>) {
        let mut say = |compare| cx.send(peer, Message::Compare(compare));
        match compare {
            Compare::Root(root) => {
                let tree = self.tree(peer);
                if tree.root() != root {
                    say(Compare::Branches(tree.branches()));
                }
            }
            Compare::Branches(theirs) => {
                let tree = self.tree(peer);
                for branch in differing(&tree.branches(), &theirs) {
                    say(Compare::Leaves { branch, leaves: tree.leaves(branch).to_vec() });
                }
            }
            Compare::Leaves { branch, leaves } => {
                for leaf in differing(self.tree(peer).leaves(branch), &leaves) {
                    let leaf = branch * WIDTH + leaf;
                    say(Compare::Rows { leaf, rows: self.rows_of(leaf, peer), ask: true });
                }
            }
            Compare::Rows { leaf, rows, ask } => self.take_in_leaf(peer, leaf, rows, ask, cx),
        }
    }

    fn rows_of(&self, leaf: usize, peer: usize) -> Vec<(Item, Row)> {
        let here = self.shared(peer).filter(|(key, _, _)| leaf_of(key) == leaf);
        here.map(|(key, row, _)| (key.clone(), row.clone())).collect()
    }

    fn take_in_leaf(&mut self, peer: usize, leaf: usize, rows: Vec<(Item, Row)>, ask: bool, cx: &mut Context<Self>) {
        if ask {
            cx.send(peer, Message::Compare(Compare::Rows { leaf, rows: self.rows_of(leaf, peer), ask: false }));
        }
        for (key, row) in rows {
            match self.bug(Bug::AntiEntropyOverwrites) {
                // Theirs is other, not newer: it is to be merged.
                true => self.keep(Record::Replace(key, row), cx),
                false => self.take_in(key, row, cx),
            }
        }
    }
}

fn differing(mine: &[u64], theirs: &[u64]) -> Vec<usize> {
    (0..mine.len()).filter(|i| theirs.get(*i) != Some(&mine[*i])).collect()
}
