//! How many items stay inside at each *valley*: the moments between an end and a beginning, where the number is least.
//!
//! Numbers over a range go down together, by one. A tree over the valleys keeps the least of each half; a number that
//! reaches zero is reported once.

/// See the [module](self).
pub(super) struct Valleys {
    /// Number of leaves, a power of two.
    width: usize,
    /// The least number below each node, without what the nodes above it have taken off.
    least: Vec<i32>,
    /// What each node has taken off everything below it.
    off: Vec<i32>,
}

impl Valleys {
    /// With these numbers.
    pub fn new(levels: &[i32]) -> Self {
        let width = levels.len().next_power_of_two().max(1);
        let mut least = vec![i32::MAX / 2; 2 * width];
        least[width..width + levels.len()].copy_from_slice(levels);
        for node in (1..width).rev() {
            least[node] = least[2 * node].min(least[2 * node + 1]);
        }
        Valleys { width, least, off: vec![0; 2 * width] }
    }

    /// Takes one off each valley from `from` up to `to`, both included; those that reach zero are appended in order.
    pub fn lower(&mut self, from: usize, to: usize, zeros: &mut Vec<u32>) {
        if from <= to {
            self.lower_node(1, 0, self.width, (from, to + 1), 0, zeros);
        }
    }

    /// The depth is the logarithm of the number of valleys.
    fn lower_node(
        &mut self,
        node: usize,
        start: usize,
        len: usize,
        range: (usize, usize),
        above: i32,
        zeros: &mut Vec<u32>,
    ) {
        if range.1 <= start || start + len <= range.0 {
            return;
        }
        if range.0 <= start && start + len <= range.1 {
            self.off[node] += 1;
            self.least[node] -= 1;
            return self.collect(node, start, len, above, zeros);
        }
        let half = len / 2;
        let below = above + self.off[node];
        self.lower_node(2 * node, start, half, range, below, zeros);
        self.lower_node(2 * node + 1, start + half, half, range, below, zeros);
        self.least[node] = self.least[2 * node].min(self.least[2 * node + 1]) - self.off[node];
    }

    fn collect(&self, node: usize, start: usize, len: usize, above: i32, zeros: &mut Vec<u32>) {
        if self.least[node] - above > 0 {
            return;
        }
        if len == 1 {
            return zeros.push(start as u32);
        }
        let below = above + self.off[node];
        self.collect(2 * node, start, len / 2, below, zeros);
        self.collect(2 * node + 1, start + len / 2, len / 2, below, zeros);
    }
}
