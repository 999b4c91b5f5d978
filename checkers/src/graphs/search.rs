//! The search for a shortest cycle of each kind in one component.

use std::collections::BTreeMap;

use crate::budget::{Exhausted, Meter};
use crate::models::{AnomalyType, CycleSpec, cycle_spec};

use super::Cycle;
use super::component::Part;
use super::lens::{Form, Lens, implies};
use super::reach::{Closed, closed};
use super::tarjan::Components;
use super::tour::{Tour, starts, two_steps};
use super::walk::Walker;

/// Steps that searches for *shorter* cycles may take in all components together, and in each by itself (besides eight
/// times its edges). They bound work that no verdict depends on.
const SHORTEN: u64 = 1 << 28;
const SHORTEN_EACH: u64 = 1 << 20;

/// Steps that a search for simple cycles one by one may take in each component.
const RETRY: u64 = 1 << 18;

/// A search through the components of one graph.
pub(super) struct Search<'m> {
    meter: &'m Meter<'m>,
    specs: Vec<&'static CycleSpec>,
    purse: u64,
    unknown: BTreeMap<AnomalyType, Unknown>,
}

/// What could not be found out about one kind.
struct Unknown {
    components: u64,
    largest: u32,
    looked_at: u64,
    of: u64,
    why: Exhausted,
}

/// What one search came to.
enum Outcome {
    Absent,
    /// Cycles, those of the kind that was sought among them if it has any.
    Found(Vec<Cycle>),
    /// After so many starts of so many.
    Unknown(Exhausted, usize, usize),
}

impl<'m> Search<'m> {
    pub fn new(specs: Vec<&'static CycleSpec>, meter: &'m Meter<'m>) -> Self {
        Search { meter, specs, purse: SHORTEN, unknown: BTreeMap::new() }
    }

    /// The cycles of a component, at most one of a kind, none of a kind that another one implies.
    pub fn component(&mut self, part: &Part<'_>) -> Vec<Cycle> {
        let (mut walker, mut found) = (None, Vec::new());
        let mut open: Vec<(AnomalyType, Exhausted, usize, usize)> = Vec::new();
        let relations = part.relations();
        for spec in self.specs.clone() {
            let lens = Lens::new(part, spec);
            if implied(&found, spec) || !lens.hopeful(spec, relations) {
                continue;
            }
            match self.seek(&lens, spec, &mut walker) {
                Outcome::Absent => {}
                Outcome::Found(mut cycles) => {
                    let sought = |kind| kind == spec.kind || open.iter().any(|(open, ..)| *open == kind);
                    cycles.retain(|cycle| sought(cycle.kind));
                    found.append(&mut cycles);
                }
                Outcome::Unknown(why, looked_at, of) => open.push((spec.kind, why, looked_at, of)),
            }
        }
        self.note(part.len(), &found, open);
        strongest(found)
    }

    fn note(&mut self, nodes: u32, found: &[Cycle], open: Vec<(AnomalyType, Exhausted, usize, usize)>) {
        for (kind, why, looked_at, of) in open {
            if cycle_spec(kind).is_some_and(|spec| implied(found, spec)) {
                continue;
            }
            let none = Unknown { components: 0, largest: 0, looked_at: 0, of: 0, why };
            let unknown = self.unknown.entry(kind).or_insert(none);
            unknown.components += 1;
            unknown.largest = unknown.largest.max(nodes);
            unknown.looked_at += looked_at as u64;
            unknown.of += of as u64;
        }
    }

    /// What could not be found out, in sentences.
    pub fn doubts(&self) -> Vec<String> {
        let sentence = |(kind, unknown): (&AnomalyType, &Unknown)| {
            let Unknown { components, largest, looked_at, of, why } = unknown;
            let of_them = if *components == 1 { "component" } else { "components, the largest" };
            format!(
                "Whether there is a cycle of kind {kind} is not known in {components} strongly connected {of_them} of \
                 {largest} transactions: {why} after {looked_at} of {of} transactions that overwrite what another one \
                 read were looked at."
            )
        };
        self.unknown.iter().map(sentence).collect()
    }

    /// Looks for a cycle of one kind, given that none that implies it is known.
    fn seek(&mut self, lens: &Lens<'_>, spec: &CycleSpec, walker: &mut Option<Walker>) -> Outcome {
        if let Some(found) = two_steps(lens) {
            return Outcome::Found(found);
        }
        let of = Components::find(lens, |_| {}).of;
        let starts = starts(lens, &of);
        if starts.is_empty() {
            return Outcome::Absent;
        }
        let walker = walker.get_or_insert_with(|| Walker::new(lens.part.len()));
        let size = lens.part.edge_count() + u64::from(lens.part.len());
        let mut tour = Tour::new(lens, spec.kind, &of, starts, self.meter);
        if lens.form == Form::Single && !tour.go(walker, 4 * size + (1 << 16)) && tour.is_empty() {
            match closed(lens, self.meter) {
                Closed::Never => return Outcome::Absent,
                Closed::Unknown(why, looked_at, of) => return Outcome::Unknown(why, looked_at, of),
                Closed::At(heads) => tour.restart(heads),
            }
        }
        let allowance = (SHORTEN_EACH + 8 * size).min(self.purse);
        let before = walker.steps;
        tour.go(walker, allowance);
        tour.retry(RETRY.min(self.purse));
        self.purse -= (walker.steps - before).min(self.purse);
        Outcome::Found(tour.end())
    }
}

/// Whether a cycle was found that is of this kind or implies it.
fn implied(found: &[Cycle], spec: &CycleSpec) -> bool {
    found.iter().filter_map(|cycle| cycle_spec(cycle.kind)).any(|found| implies(found, spec))
}

/// Those whose kind no other one implies. Only a kind that was not decided when it was sought leaves any to be dropped.
fn strongest(found: Vec<Cycle>) -> Vec<Cycle> {
    let needed = |(i, cycle): (usize, &Cycle)| {
        let others = found.iter().enumerate().filter(|(j, other)| *j != i && (other.kind != cycle.kind || *j < i));
        let others: Vec<Cycle> = others.map(|(_, other)| other.clone()).collect();
        cycle_spec(cycle.kind).is_some_and(|spec| !implied(&others, spec))
    };
    let keep: Vec<bool> = found.iter().enumerate().map(needed).collect();
    found.into_iter().zip(keep).filter(|(_, keep)| *keep).map(|(cycle, _)| cycle).collect()
}
