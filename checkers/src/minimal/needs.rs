//! Which operations cannot go without others.
//!
//! Taking a write out of a history and leaving a read of its value makes a contradiction that was never there. So a
//! part of a history has to be *closed*: with every operation it holds whatever explains what that operation saw.
//!
//! ```text
//!   read x → [1 2]       needs the appends of 1 and of 2
//!   cas x 1 → 2          needs the writes of 1; one that failed needs every write to x, for it saw "not 1"
//!   read counter → 7     needs every increment of the counter
//!   dequeue → 3          and the enqueueing of 3 need each other, and so do adding and removing an element
//! ```
//! A closed part of a history that satisfies a model satisfies it too: of a serial order that explains the whole,
//! what is left of it explains the part. So an anomaly of a closed part is one of the whole.

use std::collections::BTreeSet;

use histories::{EventIndex, Function, History, ItemFunction, KeyId, Kind, MicroFunction, Payload, ValueId};
use rustc_hash::{FxHashMap, FxHashSet};

/// What an operation can see or change: a value of an object, or the whole of an object, or everything.
type Thing = (u32, u32);

const ALL: u32 = u32::MAX;
const EVERYTHING: Thing = (ALL, ALL);

/// What is done to an object besides reading and writing it.
#[derive(Clone, Copy, Default)]
struct Uses {
    /// Items come and go: what takes one out matters as much as what puts it in.
    taken: bool,
    counted: bool,
    failed_cas: bool,
    locked: bool,
}

/// Who changed what, in a whole history: where an operation finds what it needs.
pub(super) struct Needs<'h> {
    history: &'h History,
    uses: Vec<Uses>,
    /// Whether there are operations of which is not known what they see.
    odd: bool,
    changed_by: FxHashMap<Thing, Vec<EventIndex>>,
}

impl<'h> Needs<'h> {
    /// Of all operations of clients.
    pub fn new(history: &'h History) -> Self {
        let odd = history.operations().any(|o| is_odd(history, o.invocation));
        let mut needs = Needs { history, uses: uses(history), odd, changed_by: FxHashMap::default() };
        for operation in history.operations() {
            for thing in needs.of(operation.invocation).changes {
                needs.changed_by.entry(thing).or_default().push(operation.invocation);
            }
        }
        needs
    }

    fn of(&self, invocation: EventIndex) -> Of {
        let outcome = self.history.outcome(invocation);
        let answer = self.history.pair_of(invocation).filter(|_| outcome == Kind::Ok).unwrap_or(invocation);
        let mut of = Of { sees: Vec::new(), changes: Vec::new() };
        if self.odd {
            of.both(EVERYTHING);
        }
        of.operation(self.history, answer, outcome, &self.uses);
        of
    }

    /// These operations and all that they need; `None` if that is more than `most`.
    pub fn with_needed(&self, operations: &[EventIndex], most: usize) -> Option<Vec<EventIndex>> {
        closure(operations, most, |operation| self.of(operation).sees, &self.changed_by)
    }
}

/// Who saw what, in a part of a history: who cannot stay when an operation goes.
pub(super) struct Needing<'n> {
    needs: &'n Needs<'n>,
    seen_by: FxHashMap<Thing, Vec<EventIndex>>,
}

impl<'n> Needing<'n> {
    /// Of these operations.
    pub fn new(needs: &'n Needs<'n>, operations: &[EventIndex]) -> Self {
        let mut seen_by: FxHashMap<Thing, Vec<EventIndex>> = FxHashMap::default();
        for operation in operations {
            for thing in needs.of(*operation).sees {
                seen_by.entry(thing).or_default().push(*operation);
            }
        }
        Needing { needs, seen_by }
    }

    /// These operations and all that need them.
    pub fn with_needing(&self, operations: &[EventIndex]) -> BTreeSet<EventIndex> {
        let all = closure(operations, usize::MAX, |operation| self.needs.of(operation).changes, &self.seen_by);
        all.into_iter().flatten().collect()
    }
}

/// These operations, those that have a thing in common with one of them, and so on.
fn closure(
    operations: &[EventIndex],
    most: usize,
    things: impl Fn(EventIndex) -> Vec<Thing>,
    others: &FxHashMap<Thing, Vec<EventIndex>>,
) -> Option<Vec<EventIndex>> {
    let mut taken: BTreeSet<EventIndex> = operations.iter().copied().collect();
    let mut done: FxHashSet<Thing> = FxHashSet::default();
    let mut open: Vec<EventIndex> = operations.to_vec();
    while let Some(operation) = open.pop() {
        if taken.len() > most {
            return None;
        }
        for thing in things(operation).into_iter().filter(|thing| done.insert(*thing)) {
            open.extend(others.get(&thing).into_iter().flatten().filter(|o| taken.insert(**o)));
        }
    }
    (taken.len() <= most).then(|| taken.into_iter().collect())
}

/// An operation of which is not known what it sees.
fn is_odd(history: &History, invocation: EventIndex) -> bool {
    let predicate = |m: &histories::MicroOp| {
        matches!(m.f, MicroFunction::Predicate | MicroFunction::Insert | MicroFunction::Delete)
    };
    matches!(history.function(invocation), Function::Custom(_))
        || history.micros(history.payload(invocation)).iter().any(predicate)
}

fn uses(history: &History) -> Vec<Uses> {
    let mut uses = vec![Uses::default(); history.key_count()];
    for event in history.client_events() {
        let Some(key) = history.key(event) else { continue };
        let uses = &mut uses[key.0 as usize];
        match history.function(event) {
            Function::Remove => uses.taken = true,
            Function::Increment => uses.counted = true,
            Function::Cas if history.kind(event) == Kind::Fail => uses.failed_cas = true,
            Function::Item(ItemFunction::Acquire | ItemFunction::Release) => uses.locked = true,
            Function::Item(_) => uses.taken = true,
            _ => {}
        }
    }
    uses
}

/// What one operation sees and changes.
struct Of {
    sees: Vec<Thing>,
    changes: Vec<Thing>,
}

impl Of {
    fn both(&mut self, thing: Thing) {
        self.sees.push(thing);
        self.changes.push(thing);
    }

    fn operation(&mut self, history: &History, answer: EventIndex, outcome: Kind, uses: &[Uses]) {
        let payload = history.payload(answer);
        for micro in history.micros(payload) {
            match (micro.f, micro.value) {
                (MicroFunction::Read, read) => self.read(history, micro.key, read, uses),
                (_, Payload::Value(value)) => self.write(micro.key, value, uses),
                _ => {}
            }
        }
        let Some(key) = history.key(answer) else { return };
        let of = uses[key.0 as usize];
        if of.locked {
            self.both((key.0, ALL));
        }
        match (history.function(answer), payload) {
            (Function::Read, read) => self.read(history, key, read, uses),
            (Function::Cas, Payload::Pair(old, new)) => {
                self.sees.push((key.0, old.0));
                self.write(key, new, uses);
                if outcome == Kind::Fail {
                    self.sees.push((key.0, ALL));
                }
            }
            (Function::Contains, Payload::Pair(value, _)) => self.sees.push((key.0, value.0)),
            (Function::Increment, _) => self.changes.push((key.0, ALL)),
            (_, Payload::Value(value)) if of.taken => self.both((key.0, value.0)),
            (_, Payload::Value(value)) => self.write(key, value, uses),
            _ => {}
        }
    }

    fn read(&mut self, history: &History, key: KeyId, read: Payload, uses: &[Uses]) {
        if uses[key.0 as usize].counted {
            self.sees.push((key.0, ALL));
        }
        match read {
            Payload::Value(value) if value != ValueId::NULL => self.sees.push((key.0, value.0)),
            list => self.sees.extend(history.list(list).iter().map(|v| (key.0, v.0))),
        }
    }

    fn write(&mut self, key: KeyId, value: ValueId, uses: &[Uses]) {
        self.changes.push((key.0, value.0));
        if uses[key.0 as usize].failed_cas {
            self.changes.push((key.0, ALL));
        }
    }
}
