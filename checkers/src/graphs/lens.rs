//! A component as one kind of cycle sees it: which edges there are, and which may follow which.
//!
//! A [`CycleSpec`] asks for up to three things: a *form* (no anti-dependency, exactly one, several of which none are in
//! a row, several), a set of relations, and that some relations (`process`, `realtime`, `wr`, a predicate `rw`) occur.
//! The search leaves the third out. A kind is only searched when no kind that implies it was found, and a cycle of the
//! right form and relations that lacks what must occur *is* of a kind that implies it: a `G-single-item-realtime`
//! without a real-time step is a `G-single-item`. So what is found is of the right kind, and the search has only the
//! form to remember: whether the last step was an anti-dependency.
//!
//! A state is a node and a layer. Layer 1 is reached by an anti-dependency where that matters:
//!
//! ```text
//!   form      from layer 0                       from layer 1            a cycle through v
//!   plain     base → 0                           —                       leaves (v, 0), comes back by base
//!   single    base → 0                           base → 0                leaves (v, 1), comes back by rw, layer 0
//!   apart     base → 0, rw → 1                   base → 0                leaves (v, 1), comes back by rw, layer 0
//!   several   base → 0, rw → 0                   rw → 0                  leaves (v, 1), comes back by rw, layer 0
//! ```

use crate::models::{AnomalyType, CYCLE_SPECS, CycleSpec};

use super::Relations;
use super::component::Part;
use super::tarjan::Digraph;

/// How many anti-dependencies a cycle has, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Form {
    /// None.
    Plain,
    /// Exactly one.
    Single,
    /// Several, none of them in a row.
    Apart,
    /// Several, two of them in a row.
    Several,
}

impl Form {
    /// Of cycles of a kind.
    pub fn of(spec: &CycleSpec) -> Form {
        match (spec.single, spec.nonadjacent, spec.multiple) {
            (Relations::NONE, Relations::NONE, Relations::NONE) => Form::Plain,
            (Relations::NONE, Relations::NONE, _) => Form::Several,
            (Relations::NONE, ..) => Form::Apart,
            _ => Form::Single,
        }
    }

    /// The fewest steps of such a cycle.
    pub fn least(self) -> usize {
        if self == Form::Apart { 4 } else { 2 }
    }
}

/// The relations that count once, several times or never in a row.
fn anti(spec: &CycleSpec) -> Relations {
    spec.single.or(spec.nonadjacent).or(spec.multiple)
}

/// Whether a cycle of the first kind implies one of the second: both without anti-dependencies or both with, the form
/// no worse, and nothing used or demanded that the other does not know.
pub(super) fn implies(one: &CycleSpec, other: &CycleSpec) -> bool {
    let (form, wider) = (Form::of(one), Form::of(other));
    let later = |spec: &CycleSpec| match () {
        () if spec.usable().meets(Relations::REALTIME) => 2,
        () if spec.usable().meets(Relations::PROCESS) => 1,
        () => 0,
    };
    let data = Relations::PROCESS.or(Relations::REALTIME);
    let subset = (one.usable().without(data)).within(other.usable().without(data));
    (form == Form::Plain) == (wider == Form::Plain) && form <= wider && later(one) <= later(other) && subset
}

/// The rows of the table to be searched: those of these kinds and those that imply one of them.
pub(super) fn wanted(kinds: &[AnomalyType]) -> Vec<&'static CycleSpec> {
    let asked = |spec: &&CycleSpec| kinds.contains(&spec.kind);
    let asked: Vec<&CycleSpec> = CYCLE_SPECS.iter().filter(asked).collect();
    CYCLE_SPECS.iter().filter(|spec| asked.iter().any(|other| implies(spec, other))).collect()
}

/// How a step of a cycle was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// By an edge that counts as a relation of the base.
    Base,
    /// By an edge that counts as an anti-dependency.
    Anti,
    /// By the real-time order.
    Time,
}

/// One kind's view of a component.
pub(super) struct Lens<'a> {
    /// The component.
    pub part: &'a Part<'a>,
    /// The form of its cycles.
    pub form: Form,
    /// What any number of steps may be.
    pub base: Relations,
    /// What is counted.
    pub anti: Relations,
    /// Whether the real-time order is part of the base.
    pub timed: bool,
    /// Whether layer 1 is part of the graph that [`Digraph`] shows.
    layered: bool,
}

impl<'a> Lens<'a> {
    /// The view that finds cycles of a kind.
    pub fn new(part: &'a Part<'a>, spec: &CycleSpec) -> Lens<'a> {
        let (form, anti) = (Form::of(spec), anti(spec));
        let base = spec.anywhere.without(anti);
        let timed = part.clock.is_some() && base.meets(Relations::REALTIME);
        Lens { part, form, base, anti, timed, layered: matches!(form, Form::Single | Form::Apart) }
    }

    /// The same without anti-dependencies.
    pub fn plain(&self) -> Lens<'a> {
        Lens { form: Form::Plain, anti: Relations::NONE, layered: false, ..*self }
    }

    /// Whether what must occur in a cycle of this kind is among the relations that occur at all.
    pub fn hopeful(&self, spec: &CycleSpec, all: Relations) -> bool {
        let by_predicate = !self.anti.meets(Relations::RWP) || all.meets(Relations::RWP);
        let counted = self.form == Form::Plain || all.meets(self.anti);
        counted && by_predicate && all.meets(self.base.or(self.anti)) && spec.required.iter().all(|r| all.meets(*r))
    }

    /// The step along an edge with these relations from a layer, and the layer that it leads to.
    pub fn step(&self, layer: usize, bits: Relations) -> Option<(How, usize)> {
        let (base, anti) = (bits.meets(self.base), bits.meets(self.anti));
        match (self.form, layer) {
            (Form::Several, 1) => anti.then_some((How::Anti, 0)),
            (Form::Several, _) if !base && anti => Some((How::Anti, 0)),
            (Form::Apart, 0) if !base && anti => Some((How::Anti, 1)),
            _ => base.then_some((How::Base, 0)),
        }
    }

    /// The step along an edge with these relations from a layer to the node where the cycle began.
    pub fn closing(&self, layer: usize, bits: Relations) -> Option<How> {
        match self.form {
            Form::Plain => bits.meets(self.base).then_some(How::Base),
            _ => (layer == 0 && bits.meets(self.anti)).then_some(How::Anti),
        }
    }

    /// Whether the real-time order may be followed from a layer.
    pub fn may_wait(&self, layer: usize) -> bool {
        self.timed && !(self.form == Form::Several && layer == 1)
    }

    /// The layer in which a cycle begins.
    pub fn first_layer(&self) -> usize {
        usize::from(self.form != Form::Plain)
    }

    /// Nodes by layer, before the places of the clock.
    fn state_count(&self) -> u32 {
        self.part.len() * if self.layered { 2 } else { 1 }
    }

    /// Where, among the nodes that [`Digraph`] shows, the component of a cycle through `node` is looked up.
    pub fn root(&self, node: u32) -> usize {
        node as usize + if self.layered { self.part.len() as usize } else { 0 }
    }

    /// The node of a state.
    fn node(&self, state: u32) -> u32 {
        state.checked_sub(self.part.len()).unwrap_or(state)
    }

    fn along(&self, state: u32, cursor: u32) -> Option<Option<u32>> {
        let (count, node) = (self.part.len(), self.node(state));
        let at = self.part.row(node).start + cursor as usize / if self.layered { 2 } else { 1 };
        if at >= self.part.row(node).end {
            return None;
        }
        let (to, bits) = self.part.edge(at);
        Some(match (self.layered, cursor % 2) {
            (true, 1) => (state < count && bits.meets(self.anti)).then_some(to + count),
            (true, _) => bits.meets(self.base).then_some(to),
            (false, _) if self.form == Form::Plain => bits.meets(self.base).then_some(to),
            (false, _) => bits.meets(self.base.or(self.anti)).then_some(to),
        })
    }
}

/// The nodes by layer, then the places of the clock.
impl Digraph for Lens<'_> {
    fn len(&self) -> usize {
        (self.state_count() + if self.timed { self.part.len() } else { 0 }) as usize
    }

    fn next(&self, node: u32, cursor: &mut u32) -> Option<u32> {
        let (count, states) = (self.part.len(), self.state_count());
        if node < states {
            while *cursor != u32::MAX {
                *cursor += 1;
                match self.along(node, *cursor - 1) {
                    Some(None) => {}
                    Some(found) => return found,
                    None => *cursor = u32::MAX,
                }
                if *cursor == u32::MAX {
                    let clock = self.part.clock.filter(|_| self.timed)?;
                    let place = clock.first_after(self.node(node));
                    return (place < count).then_some(states + place);
                }
            }
            return None;
        }
        let (clock, place) = (self.part.clock?, node - states);
        *cursor += 1;
        match *cursor {
            1 => Some(clock.by_invocation()[place as usize]),
            2 if place + 1 < count => Some(node + 1),
            _ => None,
        }
    }
}
