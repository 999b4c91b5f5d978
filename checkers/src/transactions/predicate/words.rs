//! The anomalies of objects, with their evidence and in words.

use histories::{KeyId, MicroOp, ValueId};

use super::objects::{Objects, State, Version};
use super::reads::{Reads, Saw};
use crate::finding::{Anomaly, RelationKind};
use crate::graphs::Relations;
use crate::models::AnomalyType;
use crate::transactions::reading::Row;
use crate::transactions::telling::{Case, Reason, Reasons};

/// See the [module](self).
pub(super) struct Words<'o, 't, 'h>(pub(super) &'o Objects<'t, 'h>);

impl Words<'_, '_, '_> {
    fn case(&self, kind: AnomalyType, key: KeyId, rows: &[Row]) -> Case<'_, '_> {
        Case::new(self.0.txns, kind, self.0.key(key), rows)
    }

    fn read(&self, row: Row, key: KeyId, value: ValueId) -> String {
        format!("{} read {} from {}", self.0.txns.who(row), self.0.value(key, value), self.0.name(key))
    }

    /// `process 1 (#3) read by the predicate ["=",1]`.
    fn read_by(&self, row: Row, step: &MicroOp) -> String {
        format!("{} read by the predicate {}", self.0.txns.who(row), self.0.txns.history.key_name(step.key))
    }

    pub(super) fn garbage(&self, row: Row, key: KeyId, value: ValueId) -> Anomaly {
        self.case(AnomalyType::GarbageRead, key, &[row])
            .say(format!("{}, but nobody ever wrote that to it", self.read(row, key, value)))
    }

    pub(super) fn aborted(&self, row: Row, key: KeyId, value: ValueId, writer: Row) -> Anomaly {
        self.case(AnomalyType::G1a, key, &[writer, row])
            .relation(writer, row, RelationKind::Wr, "what was read had been written in vain".to_owned())
            .say(format!(
                "{}, but that was written by {}, which failed and never took effect",
                self.read(row, key, value),
                self.0.txns.who(writer)
            ))
    }

    pub(super) fn missed(&self, row: Row, step: &MicroOp, key: KeyId) -> Anomaly {
        let versions: Vec<String> = self.0.of(key).iter().map(|v| self.state(key, *v)).collect();
        self.case(AnomalyType::PredicateReadMiss, key, &[row]).say(format!(
            "{} and did not find {}, of which it always holds: it was {}",
            self.read_by(row, step),
            self.0.name(key),
            versions.join(", then ")
        ))
    }

    pub(super) fn misplaced(&self, row: Row, step: &MicroOp, key: KeyId, value: ValueId) -> Anomaly {
        self.case(AnomalyType::PredicateReadMiss, key, &[row]).say(format!(
            "{} and found {} = {}, of which it does not hold",
            self.read_by(row, step),
            self.0.name(key),
            self.0.value(key, value)
        ))
    }

    fn state(&self, key: KeyId, version: Version) -> String {
        match version.state {
            State::Unborn => "not there yet".to_owned(),
            State::Dead => "gone".to_owned(),
            State::Value(value) => self.0.value(key, value).to_string(),
        }
    }

    /// `process 1 (#3) made x 1`.
    fn made(&self, row: Row, key: KeyId, version: Version) -> String {
        let (who, name) = (self.0.txns.who(row), self.0.name(key));
        match version.state {
            State::Dead => format!("{who} deleted {name}"),
            State::Value(_) if row == self.0.start => format!("{who} made {name} at the start"),
            _ => format!("{who} made {name} {}", self.state(key, version)),
        }
    }
}

/// The reasons of dependencies.
pub(super) struct Dependencies<'r, 'o, 't, 'h>(pub(super) std::cell::RefCell<&'r mut Reads<'o, 't, 'h>>);

impl Reasons for Dependencies<'_, '_, '_, '_> {
    fn reason(&self, from: Row, to: Row, relation: Relations) -> Option<Reason> {
        let reads = &mut **self.0.borrow_mut();
        if relation == Relations::WW {
            return replaced(reads.objects, from, to);
        }
        let (reader, writer) = if relation.meets(Relations::RW.or(Relations::RWP)) { (from, to) } else { (to, from) };
        let objects: Vec<KeyId> = reads.objects.keys().collect();
        let mut own = Vec::new();
        for step in reads.objects.txns.steps(reader).to_vec() {
            if let Some(state) = super::objects::change(&step) {
                own.push((step.key, state));
                continue;
            }
            let by_predicate = relation.meets(Relations::WRP.or(Relations::RWP));
            let looks = if by_predicate {
                reads.answer(reader, &step, &own, &objects).map_or(Vec::new(), |answer| answer.looks)
            } else if step.f == histories::MicroFunction::Read {
                reads.found(&step)
            } else {
                Vec::new()
            };
            for look in looks {
                let words = Words(reads.objects);
                let said = words.because(reader, writer, relation, &step, look.key, look.saw);
                if let Some(text) = said {
                    return Some(Reason::of(reads.objects.key(look.key), text));
                }
            }
        }
        None
    }
}

fn replaced(objects: &Objects<'_, '_>, from: Row, to: Row) -> Option<Reason> {
    let words = Words(objects);
    let changed = |key: &KeyId| objects.of(*key)[1..].iter().find(|v| v.writer == to).copied();
    let (key, version) =
        objects.keys().find_map(|key| Some((key, changed(&key)?)).filter(|_| objects.of(key)[0].writer == from))?;
    let start = words.state(key, objects.of(key)[0]);
    let text = format!("{} was {start} at the start, and {} later", objects.name(key), words.made(to, key, version));
    Some(Reason::of(objects.key(key), text))
}

impl Words<'_, '_, '_> {
    /// Why a look at an object relates a reader to a writer.
    fn because(
        &self,
        reader: Row,
        writer: Row,
        relation: Relations,
        step: &MicroOp,
        key: KeyId,
        saw: Saw,
    ) -> Option<String> {
        let versions = self.0.of(key);
        let by_predicate = relation.meets(Relations::WRP.or(Relations::RWP));
        let found = |state: String| match by_predicate {
            true => format!("{} and saw {} as {state}", self.read_by(reader, step), self.0.name(key)),
            false => format!("{} saw {} as {state}", self.0.txns.who(reader), self.0.name(key)),
        };
        match saw {
            Saw::Before if relation == Relations::RW && writer == self.0.start => {
                let text =
                    format!("{}, before {}", found("not there yet".to_owned()), self.made(writer, key, versions[0]));
                Some(text)
            }
            Saw::Version(seen) if relation.meets(Relations::WR.or(Relations::WRP)) => (versions[seen].writer == writer)
                .then(|| {
                    format!(
                        "{}, and {}",
                        found(self.state(key, versions[seen])),
                        self.made(writer, key, versions[seen])
                    )
                }),
            Saw::Version(0) => {
                let predicate = self.0.txns.history.key_name(step.key);
                let flips = |v: &&Version| !by_predicate || self.flips(key, **v, predicate);
                let later = versions[1..].iter().filter(flips).find(|v| v.writer == writer)?;
                Some(format!("{}, and {} later", found(self.state(key, versions[0])), self.made(writer, key, *later)))
            }
            _ => None,
        }
    }

    fn flips(&self, key: KeyId, version: Version, predicate: &histories::Scalar) -> bool {
        let predicate = super::matching::Predicate::parse(predicate);
        predicate.is_some_and(|p| self.0.matches(key, version, &p) != self.0.matches(key, self.0.of(key)[0], &p))
    }
}
