//! Which item has its push under way at one position and its pop not ended at another?
//!
//! A tree over the items keeps the earliest beginning of a push and the latest end of a pop of each half, and halves
//! without such an item are passed over. At any position there are at most as many pushes under way as there are
//! clients.

/// See the [module](self).
pub(super) struct Reach {
    width: usize,
    earliest: Vec<u32>,
    latest: Vec<u32>,
}

impl Reach {
    /// Of items whose pushes begin and whose pops end here.
    pub fn new(items: impl ExactSizeIterator<Item = (u32, u32)>) -> Self {
        let width = items.len().next_power_of_two().max(1);
        let (mut earliest, mut latest) = (vec![u32::MAX; 2 * width], vec![0; 2 * width]);
        for (i, (push_call, pop_ret)) in items.enumerate() {
            (earliest[width + i], latest[width + i]) = (push_call, pop_ret);
        }
        for node in (1..width).rev() {
            earliest[node] = earliest[2 * node].min(earliest[2 * node + 1]);
            latest[node] = latest[2 * node].max(latest[2 * node + 1]);
        }
        Reach { width, earliest, latest }
    }

    /// The first item from one on, and before another, whose push begins before `start` and whose pop ends after
    /// `stop`.
    pub fn first(&self, from: usize, to: usize, start: u32, stop: u32) -> Option<usize> {
        let mut node = self.width + from;
        loop {
            if self.earliest[node] < start && self.latest[node] > stop {
                match node < self.width {
                    true => node *= 2,
                    false => return Some(node - self.width).filter(|i| *i < to),
                }
                continue;
            }
            // Up until there is a right neighbour that was not looked at.
            while node % 2 == 1 {
                node /= 2;
                if node <= 1 {
                    return None;
                }
            }
            node += 1;
            if node.is_power_of_two() || self.start_of(node) >= to {
                return None;
            }
        }
    }

    /// The first leaf below a node.
    fn start_of(&self, node: usize) -> usize {
        let depth = self.width.ilog2() - node.ilog2();
        (node << depth) - self.width
    }
}
