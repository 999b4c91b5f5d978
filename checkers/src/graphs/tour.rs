//! A tour of the nodes that cycles of one kind must pass, for the shortest of them.
//!
//! Not every node need be a start. A cycle without anti-dependencies comes back somewhere, so it passes the head of an
//! edge that leads backward on the line; any other kind passes the head of an anti-dependency, and one with two in a
//! row the node between them. A first look for cycles of two steps, which are common and cannot be beaten, needs no
//! start at all. The tour ends when every start was tried, when nothing shorter is possible, or at its allowance: then
//! the cycle is *a* cycle, marked as perhaps not the shortest.

use crate::budget::Meter;
use crate::models::AnomalyType;

use super::component::Part;
use super::lens::{Form, How, Lens};
use super::walk::{Hop, Walker};
use super::{Cycle, paths, simple};

/// A tour under way.
pub(super) struct Tour<'a> {
    lens: &'a Lens<'a>,
    kind: AnomalyType,
    of: &'a [u32],
    starts: Vec<u32>,
    next: usize,
    meter: &'a Meter<'a>,
    best: Option<Cycle>,
    /// Cycles of other kinds, from walks that are not simple.
    others: Vec<Cycle>,
    /// Whether any walk had no cycle of this kind.
    astray: bool,
}

impl<'a> Tour<'a> {
    /// Through these starts; `of` names the components of the lens.
    pub fn new(lens: &'a Lens<'a>, kind: AnomalyType, of: &'a [u32], starts: Vec<u32>, meter: &'a Meter<'a>) -> Self {
        Tour { lens, kind, of, starts, next: 0, meter, best: None, others: Vec::new(), astray: false }
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.best.is_none() && self.others.is_empty()
    }

    /// Begins again, with these first.
    pub fn restart(&mut self, first: Vec<u32>) {
        self.starts.splice(..0, first);
        self.next = 0;
    }

    /// Goes on until the allowance is used up, at least to the next start. Returns whether the tour is complete.
    pub fn go(&mut self, walker: &mut Walker, allowance: u64) -> bool {
        let begin = walker.steps;
        while !self.done() {
            let (before, start) = (walker.steps, self.starts[self.next]);
            self.next += 1;
            let limit = self.best.as_ref().map_or(usize::MAX, |best| best.steps.len());
            if let Some(walk) = walker.around(self.lens, self.of, start, limit) {
                self.take(&walk);
            }
            let paid = self.meter.spend(walker.steps - before + 1);
            if !self.done() && (paid.is_err() || walker.steps - begin > allowance) {
                return false;
            }
        }
        true
    }

    fn done(&self) -> bool {
        let least = self.lens.form.least().max(3);
        self.next == self.starts.len() || self.best.as_ref().is_some_and(|best| best.steps.len() <= least)
    }

    fn take(&mut self, walk: &[Hop]) {
        let mut none = true;
        for (kind, steps) in simple::cycles(self.lens, walk) {
            let cycle = Cycle { kind, steps, shortest: false };
            if kind != self.kind {
                self.others.push(cycle);
                continue;
            }
            none = false;
            if self.best.as_ref().is_none_or(|best| cycle.steps.len() < best.steps.len()) {
                self.best = Some(cycle);
            }
        }
        self.astray |= none;
        self.others.truncate(16);
    }

    /// Where walks led astray, tries simple cycles one by one, with so many steps.
    pub fn retry(&mut self, allowance: u64) {
        if !self.astray {
            return;
        }
        let limit = self.best.as_ref().map_or(usize::MAX, |best| best.steps.len());
        if let Ok(found) = paths::shortest(self.lens, self.of, &self.starts, limit, allowance) {
            found.iter().for_each(|walk| self.take(walk));
            self.astray = false;
            self.next = self.starts.len();
        }
    }

    /// What was found.
    pub fn end(mut self) -> Vec<Cycle> {
        let least = self.lens.form.least().max(3);
        let complete = self.done() && !self.astray;
        if let Some(best) = &mut self.best {
            best.shortest = complete || best.steps.len() <= least;
        }
        self.best.into_iter().chain(self.others).collect()
    }
}

/// A cycle of two steps.
pub(super) fn two_steps(lens: &Lens<'_>) -> Option<Vec<Cycle>> {
    let (part, there) = (lens.part, if lens.form == Form::Plain { How::Base } else { How::Anti });
    if lens.form == Form::Apart {
        return None;
    }
    let there_bits = if there == How::Base { lens.base } else { lens.anti };
    (0..part.len()).find_map(|from| {
        part.edges(from).filter(|(_, bits)| bits.meets(there_bits)).find_map(|(to, _)| {
            let how = back(lens, part, to, from)?;
            let walk = [Hop { from, to, how: there }, Hop { from: to, to: from, how }];
            let cycles = simple::cycles(lens, &walk).into_iter();
            Some(cycles.map(|(kind, steps)| Cycle { kind, steps, shortest: true }).collect())
        })
    })
}

/// How to get back in one step.
fn back(lens: &Lens<'_>, part: &Part<'_>, from: u32, to: u32) -> Option<How> {
    let bits = part.between(from, to);
    if lens.form == Form::Several {
        return bits.meets(lens.anti).then_some(How::Anti);
    }
    let waits = || lens.timed && part.clock.is_some_and(|clock| clock.precedes(from, to));
    if bits.meets(lens.base) { Some(How::Base) } else { waits().then_some(How::Time) }
}

/// Where cycles of the form of a lens must pass, in order; `of` names its components.
pub(super) fn starts(lens: &Lens<'_>, of: &[u32]) -> Vec<u32> {
    let count = lens.part.len();
    let (mut entered, mut left) = (vec![false; count as usize], vec![lens.form != Form::Several; count as usize]);
    for from in 0..count {
        for (to, bits) in lens.part.edges(from) {
            let passes =
                if lens.form == Form::Plain { to < from && bits.meets(lens.base) } else { bits.meets(lens.anti) };
            if passes && of[from as usize] == of[lens.root(to)] {
                entered[to as usize] = true;
                left[from as usize] = true;
            }
        }
    }
    (0..count).filter(|&node| entered[node as usize] && left[node as usize]).collect()
}
