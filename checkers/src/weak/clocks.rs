//! What lies in the causal past of each node: vector clocks, of which only those still needed are kept.
//!
//! The clock of a node says for each lane how many of its nodes are in the past (Fidge 1988; Mattern, *Virtual Time and
//! Global States of Distributed Systems*, 1989). One clock for each lane goes along with the sweep. A node that others
//! will read from leaves a copy of it, which is given back after the last of them; nodes of one lane share a
//! copy as long as their session has read nothing new:
//!
//! ```text
//!   lane 0   w  w  w  r  w          copies   [0 0]·  shared by the first three
//!   lane 1      r        r          the 4th read something:  [3 2]·
//! ```
//! So memory is lanes × copies in use, not lanes × nodes. The sweep can be repeated at will: what a first one found
//! suspicious, a second one looks at.

use super::table::Rows;
use super::trace::{INITIAL, Place, Trace};
use crate::budget::{Exhausted, Meter};

/// What looks at each node of a sweep.
pub(crate) trait Visitor {
    /// A node and its past, which does not hold the node itself: of each lane the first so many nodes.
    fn visit(&mut self, node: u32, past: &[u32]);
}

/// Whether a past holds the node at a place.
#[inline]
pub(crate) fn holds(past: &[u32], place: Place) -> bool {
    past[place.lane as usize] > place.position
}

const NONE: u32 = u32::MAX;

struct Sweep<'a> {
    trace: &'a Trace,
    /// The clocks of the lanes under way.
    clocks: Rows,
    /// For each lane its clock.
    clock_of: Vec<u32>,
    copies: Rows,
    /// For each lane the copy of its clock, if that has not changed since.
    latest: Vec<u32>,
    /// For each node its copy.
    copy_of: Vec<u32>,
    /// For each node how many nodes of other lanes have still to look at it.
    due: Vec<u32>,
}

/// Visits all nodes in an order in which parents come first.
///
/// # Errors
/// When the budget does not suffice.
pub(crate) fn sweep(
    trace: &Trace,
    order: &[u32],
    meter: &Meter<'_>,
    visitor: &mut impl Visitor,
) -> Result<(), Exhausted> {
    let width = trace.lanes.len();
    let mut sweep = Sweep {
        trace,
        clocks: Rows::new(width),
        clock_of: vec![NONE; width],
        copies: Rows::new(width),
        latest: vec![NONE; width],
        copy_of: vec![NONE; trace.len()],
        due: due(trace),
    };
    for chunk in order.chunks(1024) {
        meter.spend(1024 + 1024 * width as u64 / 16)?;
        meter.hold(sweep.copies.bytes() + sweep.clocks.bytes())?;
        for node in chunk {
            sweep.step(*node, visitor);
        }
    }
    Ok(())
}

fn due(trace: &Trace) -> Vec<u32> {
    let mut due = vec![0; trace.len()];
    for node in trace.lanes.items() {
        let lane = trace.places[*node as usize].lane;
        for read in trace.reads.of(*node) {
            if read.from != INITIAL && trace.places[read.from as usize].lane != lane {
                due[read.from as usize] += 1;
            }
        }
    }
    for (_, from) in &trace.joins {
        due[*from as usize] += 1;
    }
    due
}

impl Sweep<'_> {
    #[inline]
    fn step(&mut self, node: u32, visitor: &mut impl Visitor) {
        let trace = self.trace;
        let Place { lane, position } = trace.places[node as usize];
        let clock = self.clock(lane, position);
        for read in trace.reads.of(node) {
            if read.from != INITIAL {
                self.merge(lane, clock, read.from);
            }
        }
        for (_, from) in trace.joins_of(node) {
            self.merge(lane, clock, *from);
        }
        visitor.visit(node, self.clocks.of(clock));
        if self.due[node as usize] > 0 {
            self.copy_of[node as usize] = self.copy(lane, clock);
        }
        if position as usize + 1 == trace.lanes.of(lane).len() {
            self.forget(lane);
            self.clocks.release(clock);
        }
    }

    fn clock(&mut self, lane: u32, position: u32) -> u32 {
        let clock = &mut self.clock_of[lane as usize];
        if position == 0 {
            *clock = self.clocks.take_zeros();
        }
        self.clocks.of_mut(*clock)[lane as usize] = position;
        *clock
    }

    /// Takes the past of a node, and the node, into the past of a lane.
    #[inline]
    fn merge(&mut self, lane: u32, clock: u32, from: u32) {
        let place = self.trace.places[from as usize];
        if place.lane == lane {
            return;
        }
        let copy = self.copy_of[from as usize];
        let now = self.clocks.of_mut(clock);
        if !holds(now, place) {
            for (mine, other) in now.iter_mut().zip(self.copies.of(copy)) {
                *mine = (*mine).max(*other);
            }
            now[place.lane as usize] = place.position + 1;
            self.forget(lane);
        }
        let due = &mut self.due[from as usize];
        *due -= 1;
        if *due == 0 {
            self.copies.release(copy);
        }
    }

    fn forget(&mut self, lane: u32) {
        let latest = std::mem::replace(&mut self.latest[lane as usize], NONE);
        if latest != NONE {
            self.copies.release(latest);
        }
    }

    fn copy(&mut self, lane: u32, clock: u32) -> u32 {
        let mut copy = self.latest[lane as usize];
        if copy == NONE {
            copy = self.copies.take(self.clocks.of(clock));
            self.latest[lane as usize] = copy;
        }
        self.copies.hold(copy);
        copy
    }
}
