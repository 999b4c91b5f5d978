//! The real-time order as a function of two numbers for each node, never as edges.
//!
//! What follows `a` in real time is everything invoked after `a` was completed: a *suffix* of the list of all nodes in
//! the order of their invocations. So one number for each node, where its suffix begins, stands for up to n edges:
//!
//! ```text
//!   in the order of invocations:   b   a   c   d   e
//!                                          └────────── a was completed before c was invoked
//! ```
//!
//! A search over components walks the list itself: each place of it is one more node, which leads to the node at that
//! place and to the next place, and `a` leads to the place where its suffix begins: 3n edges at most, and as the places
//! can only be left towards nodes that were invoked later, the reachable nodes are exactly those of the relation. A
//! breadth-first search does not even need the places: what is in a suffix that was once walked has been visited, so
//! each search walks the list once, from its end.

/// What orders the nodes of a graph in real time. Nodes must be numbered by the end of their spans: `completed`, or
/// `invoked` where it never came.
#[derive(Debug)]
pub(super) struct Clock {
    invoked: Vec<u32>,
    completed: Vec<u32>,
    by_invocation: Vec<u32>,
    first_after: Vec<u32>,
}

/// A completion that never came.
pub(super) const NEVER: u32 = u32::MAX;

impl Clock {
    /// From `(invoked, completed)` of each node, in the order of their ends.
    pub fn new(spans: impl Iterator<Item = (u32, u32)>) -> Clock {
        let (invoked, completed): (Vec<u32>, Vec<u32>) = spans.unzip();
        let by_invocation = order_by(&invoked).unwrap_or_else(|| (0..invoked.len() as u32).collect());
        let mut place = 0;
        let first_after = completed.iter().map(|&end| {
            if end == NEVER {
                return invoked.len() as u32;
            }
            while by_invocation.get(place).is_some_and(|&node| invoked[node as usize] <= end) {
                place += 1;
            }
            place as u32
        });
        let first_after = first_after.collect();
        Clock { invoked, completed, by_invocation, first_after }
    }

    /// Whether `a` was completed before `b` was invoked.
    pub fn precedes(&self, a: u32, b: u32) -> bool {
        self.completed[a as usize] < self.invoked[b as usize] && self.completed[a as usize] != NEVER
    }

    /// Where the suffix of what follows `a` begins; the number of nodes if nothing does.
    pub fn first_after(&self, a: u32) -> u32 {
        self.first_after[a as usize]
    }

    /// The nodes in the order of their invocations.
    pub fn by_invocation(&self) -> &[u32] {
        &self.by_invocation
    }

    /// Whether any node precedes another.
    pub fn orders_any(&self) -> bool {
        self.first_after.iter().any(|&place| (place as usize) < self.by_invocation.len())
    }
}

/// The places of `keys` in ascending order, equal ones as they are; `None` if they are in order already. A radix sort:
/// linear, and most digits of most histories are one pass.
pub(super) fn order_by(keys: &[u32]) -> Option<Vec<u32>> {
    const BITS: u32 = 11;
    const DIGIT: usize = (1 << BITS) - 1;
    if keys.is_sorted() {
        return None;
    }
    let mut from: Vec<u64> = keys.iter().zip(0u64..).map(|(&key, i)| u64::from(key) << 32 | i).collect();
    let mut to = vec![0; from.len()];
    for shift in [32, 32 + BITS, 32 + 2 * BITS] {
        let mut count = vec![0u32; DIGIT + 2];
        from.iter().for_each(|pair| count[(pair >> shift) as usize % (DIGIT + 1) + 1] += 1);
        if count.contains(&(from.len() as u32)) {
            continue;
        }
        (1..count.len()).for_each(|i| count[i] += count[i - 1]);
        for &pair in &from {
            let next = &mut count[(pair >> shift) as usize % (DIGIT + 1)];
            to[*next as usize] = pair;
            *next += 1;
        }
        std::mem::swap(&mut from, &mut to);
    }
    Some(from.into_iter().map(|pair| pair as u32).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_any_size_are_sorted_and_equal_ones_keep_their_order() {
        let keys = [u32::MAX, 7, 1 << 23, 7, 0, 1 << 11, u32::MAX - 1, 7];
        let mut expected: Vec<u32> = (0..keys.len() as u32).collect();
        expected.sort_by_key(|&i| keys[i as usize]);
        assert_eq!(order_by(&keys), Some(expected));
        assert_eq!(order_by(&[1, 1, 2]), None);
    }

    #[test]
    fn a_suffix_begins_after_the_completion() {
        // a: 0..2, b: 1..4, c: 3..never, d: 5..6.
        let clock = Clock::new([(0, 2), (3, NEVER), (1, 4), (5, 6)].into_iter());
        assert_eq!(clock.by_invocation(), [0, 2, 1, 3]);
        assert_eq!((0..4).map(|node| clock.first_after(node)).collect::<Vec<_>>(), [2, 4, 3, 4]);
        assert!(clock.precedes(0, 1) && !clock.precedes(1, 3) && !clock.precedes(0, 2));
    }
}
