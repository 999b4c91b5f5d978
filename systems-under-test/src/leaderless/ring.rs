//! Who holds what: the ring of consistent hashing (Karger et al., STOC 1997; DeCandia et al., *Dynamo*, SOSP 2007, section 4.2).
//!
//! Each node stands at several places of a ring, drawn from its name. A key is hashed onto the ring, and whoever comes next,
//! clockwise, is its first home; the next `n - 1` *other* nodes are its further homes, and those after them stand in for
//! homes that cannot be reached.

use histories::Scalar;

use crate::parts::json::Item;
use crate::specimen::mix;

/// Places of one node.
const PLACES: u64 = 16;

/// See the [module](self).
#[derive(Clone, Debug)]
pub struct Ring {
    /// Place and node, clockwise.
    places: Vec<(u64, usize)>,
    node_count: usize,
}

impl Ring {
    /// The ring of these nodes.
    pub fn new(names: &[String]) -> Ring {
        let places = |(node, name): (usize, &String)| {
            let name = hash(&Item(Scalar::from(name.as_str())));
            (0..PLACES).map(move |place| (mix(name ^ mix(place)), node))
        };
        let mut places: Vec<_> = names.iter().enumerate().flat_map(places).collect();
        places.sort_unstable();
        Ring { places, node_count: names.len() }
    }

    /// All nodes, in the order in which they care for this key.
    pub fn preference(&self, key: &Item) -> Vec<usize> {
        let at = hash(key);
        let first = self.places.partition_point(|(place, _)| *place < at);
        let mut nodes = Vec::with_capacity(self.node_count);
        for (_, node) in self.places[first..].iter().chain(&self.places[..first]) {
            if !nodes.contains(node) {
                nodes.push(*node);
            }
        }
        nodes
    }
}

/// The same for a key on every node and in every version: FNV-1a over its JSON, mixed.
pub fn hash(key: &Item) -> u64 {
    let text = serde_json::to_vec(key).expect("scalars have a JSON form");
    digest(&text)
}

/// The digest of some bytes.
pub fn digest(bytes: &[u8]) -> u64 {
    mix(bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(count: usize) -> Ring {
        Ring::new(&(1..=count).map(|n| format!("n{n}")).collect::<Vec<_>>())
    }

    fn key(n: i64) -> Item {
        Item(n.into())
    }

    #[test]
    fn every_node_has_its_share() {
        let mut first = [0; 5];
        (0..1000).for_each(|n| first[ring(5).preference(&key(n))[0]] += 1);
        assert!(first.iter().all(|share| *share > 80), "{first:?}");
    }

    #[test]
    fn a_node_that_joins_takes_only_its_own() {
        for n in 0..200 {
            let (before, mut after) = (ring(4).preference(&key(n)), ring(5).preference(&key(n)));
            assert_eq!(after.len(), 5);
            after.retain(|node| *node != 4);
            assert_eq!(before, after);
        }
    }
}
