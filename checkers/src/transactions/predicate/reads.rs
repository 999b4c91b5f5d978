//! Which versions each transaction saw, and what follows from that.

use std::collections::BTreeMap;

use histories::{KeyId, MicroFunction, MicroOp, Payload, ValueId};

use super::matching::Predicate;
use super::objects::{NONE, Objects, State, Version, change};
use super::words::Words;
use crate::analysis::Found;
use crate::budget::{Exhausted, Meter};
use crate::graphs::Relations;
use crate::models::AnomalyType;
use crate::transactions::edges::Edges;
use crate::transactions::reading::Row;

/// What a read says about an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Saw {
    /// The version with this position among those of the object.
    Version(usize),
    /// Nothing, before the universe was made.
    Before,
    /// Nothing that can be told.
    Unclear,
    /// A value that nobody wrote.
    Garbage,
    /// What was written in vain, by this transaction.
    Failed(Row),
}

/// Most edges; more are not looked at.
const MOST: usize = 1 << 24;

/// One look at one object.
#[derive(Clone, Copy)]
pub(super) struct Look {
    pub(super) key: KeyId,
    pub(super) saw: Saw,
    /// The value that was read, if one was.
    pub(super) value: Option<ValueId>,
}

/// A read by predicate.
pub(super) struct Answer {
    /// What was found, and what was not.
    pub(super) looks: Vec<Look>,
    /// Objects that should have been found.
    pub(super) missed: Vec<KeyId>,
}

/// See the [module](self).
pub(super) struct Reads<'o, 't, 'h> {
    pub(super) objects: &'o mut Objects<'t, 'h>,
    /// The predicates that are understood, by key.
    pub(super) predicates: BTreeMap<KeyId, Option<Predicate>>,
    pub(super) edges: Edges,
    edge_count: usize,
    unclear: u64,
}

impl<'o, 't, 'h> Reads<'o, 't, 'h> {
    pub(super) fn new(objects: &'o mut Objects<'t, 'h>) -> Self {
        Reads { objects, predicates: BTreeMap::new(), edges: Edges::default(), edge_count: 0, unclear: 0 }
    }

    /// Finds out which transactions that may have happened did.
    pub(super) fn observe(&mut self, meter: &Meter<'_>) -> Result<(), Exhausted> {
        for row in 0..self.objects.txns.ok_count {
            let steps = self.objects.txns.steps(row).to_vec();
            meter.spend(steps.len() as u64)?;
            for step in &steps {
                for look in self.found(step) {
                    self.see(look);
                }
            }
        }
        Ok(())
    }

    fn see(&mut self, look: Look) {
        let Saw::Version(version) = look.saw else { return };
        let writer = self.objects.of(look.key)[version].writer;
        if writer != NONE && !self.objects.txns.is_ok(writer) {
            let row = writer - self.objects.txns.ok_count;
            self.objects.observed[row as usize] = true;
        }
    }

    /// What a step says that it found.
    pub(super) fn found(&mut self, step: &MicroOp) -> Vec<Look> {
        let history = self.objects.txns.history;
        match (step.f, step.value) {
            (MicroFunction::Read, Payload::Value(ValueId::NULL)) => {
                vec![Look { key: step.key, saw: self.objects.nothing(step.key), value: None }]
            }
            (MicroFunction::Read, Payload::Value(value)) => {
                vec![Look { key: step.key, saw: self.objects.saw(step.key, value), value: Some(value) }]
            }
            (MicroFunction::Predicate, found @ Payload::List { .. }) => {
                let pairs = history.list(found).chunks_exact(2);
                let known = pairs.filter_map(|pair| Some((self.objects.named(pair[0])?, pair[1])));
                let known: Vec<(KeyId, ValueId)> = known.collect();
                let look = |(key, value): (KeyId, ValueId)| Look {
                    key,
                    saw: self.objects.saw(key, value),
                    value: Some(value),
                };
                known.into_iter().map(look).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Looks at every transaction.
    pub(super) fn walk(&mut self, found: &mut Found, meter: &Meter<'_>) -> Result<(), Exhausted> {
        let objects: Vec<KeyId> = self.objects.keys().collect();
        for row in 0..self.objects.txns.ok_count {
            let steps = self.objects.txns.steps(row).to_vec();
            meter.spend(steps.len() as u64)?;
            let mut own: Vec<(KeyId, State)> = Vec::new();
            for step in &steps {
                match step.f {
                    MicroFunction::Read => {
                        let looks = self.found(step);
                        looks.into_iter().for_each(|look| self.item(row, look, &own, found));
                    }
                    MicroFunction::Predicate => {
                        meter.spend(objects.len() as u64)?;
                        self.predicate(row, step, &own, &objects, found);
                    }
                    _ => own.extend(change(step).map(|state| (step.key, state))),
                }
            }
            if self.edge_count > MOST {
                found.doubts.push(format!(
                    "more than {MOST} dependencies: reads after #{} were not looked at",
                    self.objects.txns.name(row)
                ));
                break;
            }
        }
        if self.unclear > 0 {
            found.doubts.push(format!("{} reads fit several versions of their object", self.unclear));
        }
        Ok(())
    }

    /// A read of one object.
    fn item(&mut self, row: Row, look: Look, own: &[(KeyId, State)], found: &mut Found) {
        if own.iter().any(|(key, _)| *key == look.key) {
            return;
        }
        self.judge(row, look, found);
        let key = look.key;
        match look.saw {
            Saw::Before => self.push(row, self.objects.start, Relations::RW),
            Saw::Version(0) => {
                self.push(self.objects.of(key)[0].writer, row, Relations::WR);
                for version in 1..self.objects.of(key).len() {
                    self.push(row, self.objects.of(key)[version].writer, Relations::RW);
                }
            }
            Saw::Version(version) => self.push(self.objects.of(key)[version].writer, row, Relations::WR),
            Saw::Unclear => self.unclear += 1,
            Saw::Garbage | Saw::Failed(_) => {}
        }
    }

    fn judge(&mut self, row: Row, look: Look, found: &mut Found) {
        let words = Words(self.objects);
        match (look.saw, look.value) {
            (Saw::Garbage, Some(value)) => found.add(AnomalyType::GarbageRead, || words.garbage(row, look.key, value)),
            (Saw::Failed(writer), Some(value)) => {
                found.add(AnomalyType::G1a, || words.aborted(row, look.key, value, writer));
            }
            _ => {}
        }
    }

    fn push(&mut self, from: Row, to: Row, relation: Relations) {
        if from != NONE && to != NONE && self.objects.happened(from) && self.objects.happened(to) {
            self.edge_count += 1;
            self.edges.push(from, to, relation);
        }
    }

    /// A read by predicate.
    fn predicate(&mut self, row: Row, step: &MicroOp, own: &[(KeyId, State)], objects: &[KeyId], found: &mut Found) {
        let Some(answer) = self.answer(row, step, own, objects) else { return };
        let Some(Some(predicate)) = self.predicates.get(&step.key).cloned() else { return };
        for key in &answer.missed {
            let words = Words(self.objects);
            found.add(AnomalyType::PredicateReadMiss, || words.missed(row, step, *key));
        }
        for look in &answer.looks {
            self.judge(row, *look, found);
            let wrong = look.value.filter(|value| !predicate.holds(self.objects.value(look.key, *value)));
            if let Some(value) = wrong {
                let words = Words(self.objects);
                found.add(AnomalyType::PredicateReadMiss, || words.misplaced(row, step, look.key, value));
            }
            self.by_predicate(row, *look, &predicate);
        }
    }

    /// The dependencies of one object in an answer.
    fn by_predicate(&mut self, row: Row, look: Look, predicate: &Predicate) {
        let Saw::Version(seen) = look.saw else { return };
        self.push(self.objects.of(look.key)[seen].writer, row, Relations::WRP);
        if seen > 0 {
            return;
        }
        let before = self.objects.matches(look.key, self.objects.of(look.key)[0], predicate);
        for version in 1..self.objects.of(look.key).len() {
            let later = self.objects.of(look.key)[version];
            if self.objects.matches(look.key, later, predicate) != before {
                self.push(row, later.writer, Relations::RWP);
            }
        }
    }

    /// What a read by predicate says about every object that its transaction did not change before; `None` if its
    /// predicate is not understood, or its answer not known.
    pub(super) fn answer(
        &mut self,
        row: Row,
        step: &MicroOp,
        own: &[(KeyId, State)],
        objects: &[KeyId],
    ) -> Option<Answer> {
        let history = self.objects.txns.history;
        let parse = || Predicate::parse(history.key_name(step.key));
        let predicate = self.predicates.entry(step.key).or_insert_with(parse).clone()?;
        (!matches!(step.value, Payload::Unknown)).then_some(())?;
        let mut looks = self.found(step);
        looks.sort_by_key(|look| look.key);
        let (mut missed, mut unseen) = (Vec::new(), Vec::new());
        for key in objects {
            if looks.binary_search_by_key(key, |look| look.key).is_ok() {
                continue;
            }
            match self.objects.unseen(*key, row, &predicate) {
                Unseen::Missed => missed.push(*key),
                Unseen::Version(version) => unseen.push(Look { key: *key, saw: Saw::Version(version), value: None }),
                Unseen::Unclear => {}
            }
        }
        let changed = |key: &KeyId| own.iter().any(|(k, _)| k == key);
        looks.extend(unseen);
        looks.retain(|look| !changed(&look.key));
        missed.retain(|key| !changed(key));
        Some(Answer { looks, missed })
    }
}

/// What it says that an object was not found.
enum Unseen {
    /// No version explains it.
    Missed,
    /// This one does, and no other.
    Version(usize),
    /// Several do.
    Unclear,
}

impl Objects<'_, '_> {
    /// Whether a predicate holds of a version.
    pub(super) fn matches(&self, key: KeyId, version: Version, predicate: &Predicate) -> bool {
        match version.state {
            State::Unborn | State::Dead => false,
            State::Value(value) => predicate.holds(self.value(key, value)),
        }
    }

    /// Which version a value is.
    fn saw(&self, key: KeyId, value: ValueId) -> Saw {
        let mut versions = self.of(key).iter().enumerate().filter(|(_, v)| v.state == State::Value(value));
        match (versions.next(), versions.next()) {
            (Some((version, _)), None) => Saw::Version(version),
            (Some(_), Some(_)) => Saw::Unclear,
            (None, _) => self.failed_writer(key, value).map_or(Saw::Garbage, Saw::Failed),
        }
    }

    /// Which version nothing is: that after a deletion, or that before everything.
    fn nothing(&self, key: KeyId) -> Saw {
        let unborn = self.of(key)[0].state == State::Unborn;
        let mut dead = self.of(key).iter().enumerate().filter(|(_, v)| v.state == State::Dead);
        match (unborn, dead.next(), dead.next()) {
            (true, None, _) => Saw::Version(0),
            (false, None, _) => Saw::Before,
            (false, Some((version, _)), None) => Saw::Version(version),
            _ => Saw::Unclear,
        }
    }

    /// What it says that a transaction did not find an object. Its own later versions cannot have been there.
    fn unseen(&self, key: KeyId, row: Row, predicate: &Predicate) -> Unseen {
        let others = self.of(key).iter().enumerate().filter(|(i, v)| *i == 0 || v.writer != row);
        let mut hidden = others.filter(|(_, v)| !self.matches(key, **v, predicate));
        match (hidden.next(), hidden.next()) {
            (None, _) => Unseen::Missed,
            (Some((version, _)), None) => Unseen::Version(version),
            (Some(_), Some(_)) => Unseen::Unclear,
        }
    }
}
