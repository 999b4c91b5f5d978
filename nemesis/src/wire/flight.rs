//! Packets on their way: those that the wire delays, earliest first, and equal times in the order they were sent.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// One packet under way.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) from: usize,
    pub(super) to: usize,
    /// The policy under which it was sent.
    pub(super) generation: u64,
    /// With room for a header in front.
    pub(super) frame: Vec<u8>,
}

/// All packets under way.
#[derive(Default)]
pub(super) struct Flights {
    heap: BinaryHeap<Reverse<Due>>,
    count: u64,
}

struct Due {
    at_ns: u64,
    order: u64,
    flight: Flight,
}

impl Flights {
    pub(super) fn push(&mut self, at_ns: u64, flight: Flight) {
        self.count += 1;
        self.heap.push(Reverse(Due { at_ns, order: self.count, flight }));
    }

    /// When the next one is due.
    pub(super) fn next_ns(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse(due)| due.at_ns)
    }

    /// The next one if it is due, and when it was.
    pub(super) fn pop_due(&mut self, now_ns: u64) -> Option<(u64, Flight)> {
        if self.next_ns()? > now_ns {
            return None;
        }
        self.heap.pop().map(|Reverse(due)| (due.at_ns, due.flight))
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        (self.at_ns, self.order) == (other.at_ns, other.order)
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at_ns, self.order).cmp(&(other.at_ns, other.order))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flights_land_by_time_and_then_by_order() {
        let mut flights = Flights::default();
        for (at_ns, to) in [(30, 0), (10, 1), (10, 2), (20, 3)] {
            flights.push(at_ns, Flight { from: 0, to, generation: 0, frame: Vec::new() });
        }
        let landed: Vec<usize> = std::iter::from_fn(|| flights.pop_due(25)).map(|(_, flight)| flight.to).collect();
        assert_eq!(landed, [1, 2, 3]);
        assert_eq!(flights.next_ns(), Some(30));
    }
}
