//! From a history to a [`Trace`], in two passes: who writes what, then who read from whom.

use std::collections::BTreeSet;

use histories::{EventIndex, History, Payload, Scalar, ValueId};
use rustc_hash::FxHashSet;

use super::lanes::Lanes;
use super::steps::{Step, is_certain, steps};
use super::writers::{Writer, Writers};
use super::{Flaw, FlawKind, Grain, INITIAL, Kind, Read, Table, Trace};

const WRITTEN: u8 = 1;
const APPENDED: u8 = 2;
const OTHER: u8 = 4;
const READ_AS_LIST: u8 = 8;
const READ_AS_VALUE: u8 = 16;

const NONE: u32 = u32::MAX;

impl Trace {
    /// The trace of a history. `initial` is the value of every register at the start, where that is not nothing.
    pub(crate) fn new(history: &History, grain: Grain, initial: Option<&Scalar>) -> Trace {
        let mut numbering = Numbering::new(history, grain);
        numbering.number();
        let kinds: Vec<Kind> = numbering.flags.iter().map(|flags| kind(*flags)).collect();
        let initial = initial.and_then(|value| history.find_value(value)).map_or(NONE, |value| value.0);
        let mut resolving = Resolving::new(history, grain, &numbering, &kinds, initial);
        resolving.resolve();
        let versions = resolving.versions();
        let Resolving { reads, flaws, observed, ambiguous, partial, longest, .. } = resolving;
        let lanes = Lanes::new(history, &numbering.events, &observed);
        let judged = |kind: &Kind| if grain == Grain::Transaction { Kind::Register } else { *kind };
        let doubts = doubts(&numbering.flags, &kinds, ambiguous.len());
        Trace {
            events: numbering.events,
            writes: numbering.writes,
            places: lanes.places,
            lanes: lanes.nodes,
            session_of: lanes.session_of,
            joins: lanes.joins,
            by_completion: lanes.by_completion,
            reads,
            kinds: kinds.iter().map(judged).collect(),
            longest,
            versions,
            partial,
            flaws,
            doubts,
        }
    }
}

fn kind(flags: u8) -> Kind {
    match (flags & (WRITTEN | APPENDED | OTHER), flags & READ_AS_LIST != 0, flags & READ_AS_VALUE != 0) {
        (0 | WRITTEN, false, _) => Kind::Register,
        (0 | APPENDED, _, false) => Kind::List,
        _ => Kind::Other,
    }
}

fn doubts(flags: &[u8], kinds: &[Kind], ambiguous: usize) -> Vec<String> {
    let mut doubts = Vec::new();
    let other = flags.iter().zip(kinds).filter(|(flags, kind)| **kind == Kind::Other && **flags != 0).count();
    if other > 0 {
        doubts
            .push(format!("{other} of the keys are neither registers nor lists and nothing else; they are left out."));
    }
    if ambiguous > 0 {
        doubts.push(format!(
            "Of {ambiguous} of the keys a value was read that was written more than once (or is what was there at the \
             start); such reads are left out."
        ));
    }
    doubts
}

/// The first pass.
struct Numbering<'h> {
    history: &'h History,
    grain: Grain,
    /// For each node its invocation.
    events: Vec<u32>,
    writes: Table<u32>,
    writers: Writers,
    flags: Vec<u8>,
    /// For each key the last node that wrote it, and what.
    last: Vec<(u32, u32)>,
}

impl<'h> Numbering<'h> {
    fn new(history: &'h History, grain: Grain) -> Self {
        Numbering {
            history,
            grain,
            events: Vec::new(),
            writes: Table::new(),
            writers: Writers::new(history.value_count()),
            flags: vec![0; history.key_count()],
            last: vec![(NONE, NONE); history.key_count()],
        }
    }

    fn number(&mut self) {
        for pair in self.history.operations() {
            match pair.outcome {
                histories::Kind::Fail => self.failed(pair.invocation),
                _ => self.operation(pair.invocation),
            }
        }
    }

    fn failed(&mut self, invocation: EventIndex) {
        steps(self.history, invocation, false, |step| {
            if let Step::Write(key, value) | Step::Append(key, value) = step {
                self.writers.add_failed(key.0, value.0, invocation.0);
            }
        });
    }

    fn operation(&mut self, invocation: EventIndex) {
        let certain = is_certain(self.history, invocation);
        let (history, transaction) = (self.history, self.grain == Grain::Transaction);
        let node = self.events.len();
        let mut something = false;
        steps(history, invocation, certain, |step| {
            something = true;
            self.step(step);
            if !transaction && !matches!(step, Step::Other(_)) {
                self.close(invocation);
            }
        });
        if transaction && something {
            self.close(invocation);
        }
        debug_assert!(!transaction || self.events.len() <= node + 1);
    }

    fn close(&mut self, invocation: EventIndex) {
        self.events.push(invocation.0);
        self.writes.close_sorted();
    }

    fn step(&mut self, step: Step) {
        let (key, flag) = match step {
            Step::Read(key, Payload::List { .. }) => (key, READ_AS_LIST),
            Step::Read(key, Payload::Value(ValueId::NULL)) => (key, 0),
            Step::Read(key, _) => (key, READ_AS_VALUE),
            Step::Write(key, value) => (key, self.write(key.0, value.0, WRITTEN)),
            Step::Append(key, value) => (key, self.write(key.0, value.0, APPENDED)),
            Step::Other(key) => (key, OTHER),
        };
        self.flags[key.0 as usize] |= flag;
    }

    fn write(&mut self, key: u32, value: u32, flag: u8) -> u8 {
        let node = self.events.len() as u32;
        self.writers.add(key, value, node);
        let (last, old) = std::mem::replace(&mut self.last[key as usize], (node, value));
        if last != node {
            self.writes.push(key);
        } else if old != value && flag == WRITTEN {
            self.writers.replace(key, old, value);
        }
        flag
    }
}

/// The second pass.
struct Resolving<'n, 'h> {
    history: &'h History,
    grain: Grain,
    numbering: &'n Numbering<'h>,
    kinds: &'n [Kind],
    initial: u32,
    reads: Table<Read>,
    flaws: Vec<Flaw>,
    /// For each node whether it is there: it certainly happened, or somebody read from it.
    observed: Vec<bool>,
    /// Nodes that read a list of which some elements are left out.
    partial: FxHashSet<u32>,
    /// For each node the last read of a list that showed it.
    shown: Vec<u32>,
    lists: u32,
    /// For each key the longest list that was read, and by which invocation.
    longest: Vec<Option<(u32, Payload)>>,
    /// Keys with a read whose writer is not known.
    ambiguous: BTreeSet<u32>,
    /// For each key the last node that wrote it so far, and what.
    own: Vec<(u32, u32)>,
    node: u32,
}

impl<'n, 'h> Resolving<'n, 'h> {
    fn new(history: &'h History, grain: Grain, numbering: &'n Numbering<'h>, kinds: &'n [Kind], initial: u32) -> Self {
        Resolving {
            history,
            grain,
            numbering,
            kinds,
            initial,
            reads: Table::new(),
            flaws: Vec::new(),
            observed: vec![false; numbering.events.len()],
            partial: FxHashSet::default(),
            shown: Vec::new(),
            lists: 0,
            longest: Vec::new(),
            ambiguous: BTreeSet::new(),
            own: match grain {
                Grain::Operation => Vec::new(),
                Grain::Transaction => vec![(NONE, NONE); kinds.len()],
            },
            node: 0,
        }
    }

    fn resolve(&mut self) {
        let (history, numbering) = (self.history, self.numbering);
        let mut last = NONE;
        for event in &numbering.events {
            if *event == last {
                continue;
            }
            last = *event;
            let certain = is_certain(history, EventIndex(*event));
            steps(history, EventIndex(*event), certain, |step| {
                self.step(step, *event);
                if self.grain == Grain::Operation && !matches!(step, Step::Other(_)) {
                    self.close(certain);
                }
            });
            if self.grain == Grain::Transaction {
                self.close(certain);
            }
        }
    }

    fn close(&mut self, certain: bool) {
        self.reads.close();
        self.observed[self.node as usize] |= certain;
        self.node += 1;
    }

    fn step(&mut self, step: Step, event: u32) {
        match step {
            Step::Read(key, value) => match self.kinds[key.0 as usize] {
                Kind::Register => self.register(key.0, value, event),
                Kind::List => self.list(key.0, value, event),
                Kind::Other => {}
            },
            Step::Write(key, value) if self.grain == Grain::Transaction => {
                self.own[key.0 as usize] = (self.node, value.0);
            }
            _ => {}
        }
    }

    fn register(&mut self, key: u32, value: Payload, event: u32) {
        let Payload::Value(ValueId(value)) = value else { return };
        if let Some(kind) = self.flaw(key, value) {
            self.flaws.push(Flaw { kind, event, key, value });
        }
    }

    /// Finds who wrote it, or what is wrong with it.
    fn flaw(&mut self, key: u32, value: u32) -> Option<FlawKind> {
        if let Some((node, own)) = self.own.get(key as usize)
            && *node == self.node
        {
            return (*own != value).then_some(FlawKind::Internal);
        }
        let writers = &self.numbering.writers;
        match (writers.of(key, value), self.is_initial(value)) {
            (Writer::Several, _) | (Writer::Node(_), true) => drop(self.ambiguous.insert(key)),
            (Writer::Nobody, true) => self.reads.push(Read { key, from: INITIAL }),
            (Writer::Nobody, false) => return Some(self.nobody(key, value)),
            (Writer::Node(from), _) if from == self.node => return Some(FlawKind::Future),
            (Writer::Node(from), _) if writers.is_intermediate(key, value) => {
                return Some(FlawKind::Intermediate(self.numbering.events[from as usize]));
            }
            (Writer::Node(from), _) => {
                self.observed[from as usize] = true;
                self.reads.push(Read { key, from });
            }
        }
        None
    }

    fn is_initial(&self, value: u32) -> bool {
        value == ValueId::NULL.0 || value == self.initial
    }

    fn nobody(&self, key: u32, value: u32) -> FlawKind {
        self.numbering.writers.failed(key, value).map_or(FlawKind::ThinAir, FlawKind::Aborted)
    }

    /// A read of a list reads from everybody who appended to it, in the order of the elements; of a transaction only
    /// the last one matters, and its own appends at the end are its own.
    fn list(&mut self, key: u32, value: Payload, event: u32) {
        if self.shown.is_empty() {
            self.shown.resize(self.observed.len(), 0);
            self.longest.resize(self.kinds.len(), None);
        }
        self.lists += 1;
        let (start, history) = (self.reads.items().len(), self.history);
        let elements = history.list(value);
        self.remember(key, value, event);
        let good = elements.iter().filter(|element| self.element(key, element.0, event)).count();
        if good < elements.len() {
            self.partial.insert(self.node);
        }
        if self.reads.items().len() == start && good == elements.len() {
            self.reads.push(Read { key, from: INITIAL });
        } else if self.grain == Grain::Transaction {
            self.reads.keep_last(start);
        }
    }

    /// The longest list, without what the reader itself had appended at its end.
    fn remember(&mut self, key: u32, value: Payload, event: u32) {
        let Payload::List { start, .. } = value else { return };
        let own = |value: &ValueId| self.numbering.writers.of(key, value.0) == Writer::Node(self.node);
        let others = self.history.list(value).iter().rposition(|value| !own(value)).map_or(0, |at| at as u32 + 1);
        let longest = &mut self.longest[key as usize];
        if longest.is_none_or(|(_, known)| self.history.list(known).len() < others as usize) {
            *longest = Some((event, Payload::List { start, len: others }));
        }
    }

    /// For each key who wrote the elements of its longest list.
    fn versions(&self) -> Table<u32> {
        let mut versions = Table::new();
        for key in 0..self.kinds.len() {
            let longest = self.longest.get(key).copied().flatten();
            let elements = longest.map_or(&[][..], |(_, list)| self.history.list(list));
            for element in elements {
                if let Writer::Node(node) = self.numbering.writers.of(key as u32, element.0) {
                    versions.push(node);
                }
            }
            versions.close();
        }
        versions
    }

    fn element(&mut self, key: u32, value: u32, event: u32) -> bool {
        let kind = match self.numbering.writers.of(key, value) {
            Writer::Several => {
                self.ambiguous.insert(key);
                return false;
            }
            Writer::Nobody => self.nobody(key, value),
            Writer::Node(from) if from == self.node => return true,
            Writer::Node(from) if self.shown[from as usize] == self.lists && self.grain == Grain::Operation => {
                FlawKind::Twice
            }
            Writer::Node(from) => {
                self.shown[from as usize] = self.lists;
                self.observed[from as usize] = true;
                self.reads.push(Read { key, from });
                return true;
            }
        };
        self.flaws.push(Flaw { kind, event, key, value });
        false
    }
}
