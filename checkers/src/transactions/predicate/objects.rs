//! The objects of a closed universe, and their versions.

use std::collections::BTreeMap;

use histories::{
    EventIndex, Function, History, KeyId, Kind, MicroFunction, MicroOp, Operation, Payload, Scalar, ValueId,
};
use rustc_hash::FxHashMap;

use crate::budget::{Exhausted, Meter};
use crate::transactions::groups::Groups;
use crate::transactions::reading::{Row, Transactions};

/// No transaction.
pub(super) const NONE: u32 = u32::MAX;

/// What an object is in one version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Not yet made.
    Unborn,
    /// Not there any more.
    Dead,
    /// This.
    Value(ValueId),
}

/// One version of an object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Version {
    pub(super) state: State,
    /// Who made it; [`NONE`] for what was there before everything.
    pub(super) writer: Row,
}

/// See the [module](self).
pub(super) struct Objects<'t, 'h> {
    pub(super) txns: &'t Transactions<'h>,
    /// The transaction that made the universe.
    pub(super) start: Row,
    /// Where the versions of each object are: the first is what it was at the start.
    pub(super) objects: Groups,
    pub(super) versions: Vec<Version>,
    /// By key: whether it is an object, and not a predicate or something else.
    exists: Vec<bool>,
    /// Values that were written in vain.
    failed: FxHashMap<(KeyId, ValueId), Row>,
    /// For each transaction that may have happened whether something that it made was read.
    pub(super) observed: Vec<bool>,
    /// Objects that only `init` and answers name; their keys are numbered behind those of the history.
    further: Vec<Scalar>,
    numbers: FxHashMap<Scalar, KeyId>,
    /// The values at the start that nothing else in the history names.
    unnamed: FxHashMap<KeyId, Scalar>,
    /// The objects that names in answers stand for.
    named: FxHashMap<ValueId, Option<KeyId>>,
}

/// The end of the first operation `init` with an object of objects.
pub(super) fn start(history: &History) -> Option<EventIndex> {
    let is_init = |e: &EventIndex| match history.function(*e) {
        f @ Function::Custom(_) => history.function_name(f) == "init",
        _ => false,
    };
    history.client_events().filter(|e| history.kind(*e) == Kind::Ok).find(is_init)
}

impl<'t, 'h> Objects<'t, 'h> {
    /// The universe of a history.
    pub(super) fn new(
        txns: &'t Transactions<'h>,
        start: Option<EventIndex>,
        meter: &Meter<'_>,
    ) -> Result<Self, Exhausted> {
        let history = txns.history;
        let row = start.map_or(NONE, |event| {
            let rows = &txns.completed[..txns.ok_count as usize];
            rows.binary_search(&event.0).map_or(NONE, |row| row as u32)
        });
        let mut objects = Objects {
            txns,
            start: row,
            objects: Groups::default(),
            versions: Vec::new(),
            exists: vec![false; history.key_count()],
            failed: FxHashMap::default(),
            observed: vec![false; (txns.node_count - txns.ok_count) as usize],
            further: Vec::new(),
            numbers: FxHashMap::default(),
            unnamed: FxHashMap::default(),
            named: FxHashMap::default(),
        };
        let beginning = objects.beginning(start);
        objects.lay_out(&beginning);
        meter.spend(objects.versions.len() as u64)?;
        Ok(objects)
    }

    /// What was there at the start: what `init` asked for and what it was answered.
    fn beginning(&mut self, start: Option<EventIndex>) -> BTreeMap<KeyId, ValueId> {
        let history = self.txns.history;
        let mut objects = BTreeMap::new();
        for event in start.into_iter().flat_map(|end| history.pair_of(end).into_iter().chain([end])) {
            let Operation::Custom { value: serde_json::Value::Object(map), .. } = history.operation(event) else {
                continue;
            };
            for (name, value) in map {
                let (key, value) = (self.make(&name), Scalar::from_json(value));
                let known = history.find_value(&value);
                if known.is_none() {
                    self.unnamed.insert(key, value);
                }
                objects.insert(key, known.unwrap_or(ValueId(NONE)));
            }
        }
        objects
    }

    /// The object with this name in JSON, where the names of objects are text even if they are numbers.
    fn make(&mut self, name: &str) -> KeyId {
        let known = self.find(&Scalar::from(name));
        known.unwrap_or_else(|| {
            let key = KeyId(self.exists.len() as u32);
            self.further.push(normal(name));
            self.numbers.insert(normal(name), key);
            self.exists.push(true);
            key
        })
    }

    fn find(&self, name: &Scalar) -> Option<KeyId> {
        let history = self.txns.history;
        let number = match name {
            Scalar::Text(text) => normal(text),
            other => other.clone(),
        };
        history.find_key(name).or_else(|| history.find_key(&number)).or_else(|| self.numbers.get(&number).copied())
    }

    /// Collects the versions of each object.
    fn lay_out(&mut self, beginning: &BTreeMap<KeyId, ValueId>) {
        let changes = self.changes();
        let mut sizes = vec![1; self.exists.len()];
        changes.iter().for_each(|(key, _)| sizes[key.0 as usize] += 1);
        self.objects = Groups::of_sizes(sizes);
        self.versions = vec![Version { state: State::Unborn, writer: NONE }; self.objects.total()];
        for (key, value) in beginning {
            self.exists[key.0 as usize] = true;
            let first = self.objects.start(key.0 as usize) as usize;
            self.versions[first] = Version { state: State::Value(*value), writer: self.start };
        }
        let mut cursors = self.objects.cursors();
        for (key, version) in changes {
            cursors[key.0 as usize] += 1;
            self.versions[cursors[key.0 as usize] as usize] = version;
        }
    }

    /// What each transaction left of each object that it changed, in the order of the transactions.
    fn changes(&mut self) -> Vec<(KeyId, Version)> {
        let mut changes: Vec<(KeyId, Version)> = Vec::new();
        let mut latest = vec![usize::MAX; self.exists.len()];
        for row in 0..self.txns.len() {
            for step in self.txns.steps(row) {
                self.exists[step.key.0 as usize] |= step.f != MicroFunction::Predicate;
                let Some(state) = change(step) else { continue };
                if self.txns.is_failed(row) {
                    if let State::Value(value) = state {
                        self.failed.insert((step.key, value), row);
                    }
                    continue;
                }
                let version = Version { state, writer: row };
                let last = &mut latest[step.key.0 as usize];
                match changes.get_mut(*last).filter(|(_, v)| v.writer == row) {
                    Some((_, left)) => *left = version,
                    None => {
                        *last = changes.len();
                        changes.push((step.key, version));
                    }
                }
            }
        }
        changes
    }

    /// All objects.
    pub(super) fn keys(&self) -> impl Iterator<Item = KeyId> + use<'_, 't, 'h> {
        (0..self.exists.len()).filter(|key| self.exists[*key]).map(|key| KeyId(key as u32))
    }

    /// The versions of an object.
    pub(super) fn of(&self, key: KeyId) -> &[Version] {
        &self.versions[self.objects.range(key.0 as usize)]
    }

    /// The object that a name in an answer stands for.
    pub(super) fn named(&mut self, name: ValueId) -> Option<KeyId> {
        if let Some(known) = self.named.get(&name) {
            return *known;
        }
        let key = self.find(self.txns.history.value(name));
        self.named.insert(name, key);
        key
    }

    /// The name of an object.
    pub(super) fn name(&self, key: KeyId) -> String {
        let history = self.txns.history;
        match (key.0 as usize).checked_sub(history.key_count()) {
            Some(further) => self.further[further].to_string(),
            None => history.key_name(key).to_string(),
        }
    }

    /// The key of an object, if the history itself has it.
    pub(super) fn key(&self, key: KeyId) -> Option<KeyId> {
        Some(key).filter(|key| (key.0 as usize) < self.txns.history.key_count())
    }

    /// The value of a version of an object.
    pub(super) fn value(&self, key: KeyId, value: ValueId) -> &Scalar {
        self.unnamed.get(&key).filter(|_| value == ValueId(NONE)).unwrap_or_else(|| match value {
            ValueId(NONE) => &Scalar::Null,
            value => self.txns.history.value(value),
        })
    }

    /// Whether it took effect: it was acknowledged, or something that it made was read.
    pub(super) fn happened(&self, row: Row) -> bool {
        self.txns.is_ok(row) || row < self.txns.node_count && self.observed[(row - self.txns.ok_count) as usize]
    }

    /// Who wrote a value in vain.
    pub(super) fn failed_writer(&self, key: KeyId, value: ValueId) -> Option<Row> {
        self.failed.get(&(key, value)).copied()
    }
}

/// A name, as a number if it is one.
fn normal(name: &str) -> Scalar {
    name.parse().map_or_else(|_| Scalar::from(name), Scalar::Int)
}

/// What a step leaves of its object.
pub(super) fn change(step: &MicroOp) -> Option<State> {
    match (step.f, step.value) {
        (MicroFunction::Write | MicroFunction::Insert, Payload::Value(value)) => Some(State::Value(value)),
        (MicroFunction::Delete, _) => Some(State::Dead),
        _ => None,
    }
}
