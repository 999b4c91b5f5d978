//! Merkle trees (Merkle, *A Digital Signature Based on a Conventional Encryption Function*, CRYPTO 1987), as Dynamo has them: a tree of
//! digests over what two nodes are both homes of. Equal roots: nothing to do. Otherwise they go down where digests differ, and
//! send each other the rows of the leaves that differ, not everything.
//!
//! ```text
//!               root                     n1: Root(17) ────────────▶ n2: is not mine
//!         ┌──────┼── … ──┐               n1 ◀──────── Branches([…]) n2
//!      branch 0  1  …     7              n1: Leaves(1, […]) ──────▶ n2: the third differs
//!       ┌┼─ … ┐                          n1 ◀─── Rows(leaf 10, […]) n2
//!    leaf 0 … 7                          n1: Rows(leaf 10, […]) ──▶ n2
//! ```
//!
//! The digest of a leaf is made from the digests of its keys and rows in the order of the keys. (The exclusive or of all would be the same
//! with two changes that cancel out.)

use super::ring::hash;
use crate::parts::json::Item;
use crate::specimen::mix;

/// So many branches, and so many leaves in each.
pub(super) const WIDTH: usize = 8;

/// The leaf of a key. Low bits: the ring uses the order of the same hash, and neighbours there must not be neighbours here.
pub(super) fn leaf_of(key: &Item) -> usize {
    (hash(key) % (WIDTH * WIDTH) as u64) as usize
}

/// See the [module](self).
#[derive(Clone, Debug)]
pub(super) struct Tree {
    leaves: Vec<u64>,
}

impl Tree {
    /// The tree of these keys, in their order, with the digests of their rows.
    pub fn new<'a>(rows: impl Iterator<Item = (&'a Item, u64)>) -> Tree {
        let mut leaves = vec![0; WIDTH * WIDTH];
        for (key, digest) in rows {
            let leaf = &mut leaves[leaf_of(key)];
            *leaf = fold(*leaf, hash(key) ^ digest.rotate_left(32));
        }
        Tree { leaves }
    }

    /// The leaves of a branch; of one that does not exist none.
    pub fn leaves(&self, branch: usize) -> &[u64] {
        self.leaves.chunks(WIDTH).nth(branch).unwrap_or(&[])
    }

    /// All branches.
    pub fn branches(&self) -> Vec<u64> {
        self.leaves.chunks(WIDTH).map(|leaves| leaves.iter().copied().fold(0, fold)).collect()
    }

    /// The root.
    pub fn root(&self) -> u64 {
        self.branches().into_iter().fold(0, fold)
    }
}

fn fold(digest: u64, next: u64) -> u64 {
    mix(digest.rotate_left(1) ^ next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_shows_on_its_way_down_and_nowhere_else() {
        let keys: Vec<Item> = (0..1000).map(|n: i64| Item(n.into())).collect();
        let tree = |changed: Option<usize>| {
            Tree::new(keys.iter().enumerate().map(|(i, key)| (key, if changed == Some(i) { 1 } else { i as u64 + 7 })))
        };
        let before = tree(None);
        for changed in [0, 17, 999] {
            let after = tree(Some(changed));
            let leaf = leaf_of(&keys[changed]);
            assert_ne!(before.root(), after.root());
            let differing = |a: &[u64], b: &[u64]| (0..a.len()).filter(|i| a[*i] != b[*i]).collect::<Vec<_>>();
            assert_eq!(differing(&before.branches(), &after.branches()), [leaf / WIDTH]);
            let branch = leaf / WIDTH;
            assert_eq!(differing(before.leaves(branch), after.leaves(branch)), [leaf % WIDTH]);
        }
        assert_eq!(before.root(), tree(None).root());
    }
}
