//! Evidence in words: which operations contradict what, and why one comes before another.

use histories::{History, KeyId, Scalar};

use super::causal::Suspect;
use super::order::{Parents, way};
use super::table::Table;
use super::trace::{Flaw, FlawKind, Trace};
use crate::analysis::Found;
use crate::finding::{Anomaly, Relation, RelationKind};
use crate::fold::words;
use crate::models::AnomalyType;

/// Looks at parents on the search for a way that is only told, not judged.
const LOOKS: usize = 4_000_000;

/// Where evidence is taken from.
#[derive(Clone, Copy)]
pub(crate) struct Evidence<'a> {
    pub history: &'a History,
    pub trace: &'a Trace,
}

/// An argument that grows.
struct Case {
    operations: Vec<u32>,
    relations: Vec<Relation>,
}

impl Evidence<'_> {
    fn event(&self, node: u32) -> u32 {
        self.trace.events[node as usize]
    }

    /// The name of a key, unless the store has one object only.
    pub(crate) fn key_name(&self, key: u32) -> Option<String> {
        match self.history.key_name(KeyId(key)) {
            Scalar::Null => None,
            name => Some(name.to_string()),
        }
    }

    fn told(&self, node: u32) -> String {
        words::told(self.history, self.event(node))
    }

    /// What there is to look at, as so many of these, and the reads that are wrong by themselves.
    pub(crate) fn begin(&self, units: &'static str, kind_of: impl Fn(&Flaw) -> AnomalyType) -> Found {
        let trace = self.trace;
        let sessions = trace.session_of.iter().max().map_or(0, |last| u64::from(*last) + 1);
        let mut found = Found { doubts: trace.doubts.clone(), ..Found::default() };
        found.checked =
            [(units, trace.lanes.items().len() as u64), ("keys", trace.key_count() as u64), ("sessions", sessions)]
                .into();
        for flaw in &trace.flaws {
            let kind = kind_of(flaw);
            found.add(kind, || self.flaw(kind, flaw));
        }
        found
    }

    /// A read that is wrong by itself.
    pub(crate) fn flaw(&self, kind: AnomalyType, flaw: &Flaw) -> Anomaly {
        let reader = words::told(self.history, flaw.event);
        let value = self.history.value(histories::ValueId(flaw.value));
        let (other, why) = match flaw.kind {
            FlawKind::ThinAir => (None, format!("nobody ever wrote {value} there: a contradiction")),
            FlawKind::Aborted(writer) => {
                let writer_did = words::plain(self.history, writer);
                (Some(writer), format!("{value} was written by #{writer} ({writer_did}) only, which failed"))
            }
            FlawKind::Intermediate(writer) => {
                (Some(writer), format!("#{writer} replaced {value} by another value before it ended"))
            }
            FlawKind::Internal => (None, format!("it had written another value before it read {value}")),
            FlawKind::Future => (None, format!("it wrote {value} itself only after that read")),
            FlawKind::Twice => (None, format!("{value} stands there twice, and was appended once")),
        };
        let relation = |writer| Relation {
            from: writer,
            to: flaw.event,
            kind: RelationKind::Wr,
            reason: format!("#{} read {value}, which #{writer} wrote", flaw.event),
        };
        Anomaly {
            kind: kind.name().to_owned(),
            key: self.key_name(flaw.key),
            operations: other.into_iter().chain([flaw.event]).collect(),
            relations: other.map(relation).into_iter().collect(),
            explanation: format!("{reader}, but {why}."),
        }
    }

    /// A read that does not account for a write in its past.
    pub(crate) fn missed(&self, kind: AnomalyType, suspect: &Suspect) -> Anomaly {
        let initial = suspect.from == super::trace::INITIAL;
        let mut case = Case { operations: Vec::new(), relations: Vec::new() };
        if !initial {
            self.walk(&mut case, suspect.from, suspect.missed);
        }
        self.walk(&mut case, suspect.missed, suspect.reader);
        let (reader, missed) = (self.event(suspect.reader), self.event(suspect.missed));
        let because = match initial {
            true => format!(
                "{}, but #{missed} ({}) comes before it in the causal order and is not in what it read",
                self.told(suspect.reader),
                words::plain(self.history, missed)
            ),
            false => {
                let from = self.event(suspect.from);
                case.add(read_from(reader, from));
                format!(
                    "{} as #{from} had written it, but #{missed} ({}) had replaced that, and comes before #{reader} in \
                     the causal order",
                    self.told(suspect.reader),
                    words::plain(self.history, missed)
                )
            }
        };
        case.anomaly(kind, self.key_name(suspect.key), &because)
    }

    /// What one session cannot be told.
    pub(crate) fn untold(&self, kind: AnomalyType, suspect: &Suspect) -> Anomaly {
        let mut case = Case { operations: Vec::new(), relations: Vec::new() };
        let (reader, missed) = (self.event(suspect.reader), self.event(suspect.missed));
        let explanation = if suspect.from == super::trace::INITIAL {
            case.name(missed);
            format!(
                "{}, but what it had read before can be explained only if #{missed} ({}) was there already",
                self.told(suspect.reader),
                words::plain(self.history, missed)
            )
        } else {
            let from = self.event(suspect.from);
            case.name(missed);
            case.add(read_from(reader, from));
            format!(
                "{} as #{from} had written it. To explain what {} read, #{missed} ({}) has to come both before and \
                 after #{from}",
                self.told(suspect.reader),
                words::who(self.history, reader),
                words::plain(self.history, missed)
            )
        };
        case.name(reader);
        case.anomaly(kind, self.key_name(suspect.key), &explanation)
    }

    /// A cycle in a component of the causal order and some conflicts.
    pub(crate) fn cycle(&self, kind: AnomalyType, component: &[u32], conflicts: &[Suspect]) -> Anomaly {
        self.circle(kind, component, conflicts, true)
    }

    /// The same, with the order of sessions or without.
    pub(crate) fn circle(
        &self,
        kind: AnomalyType,
        component: &[u32],
        conflicts: &[Suspect],
        sessions: bool,
    ) -> Anomaly {
        let pairs = conflicts.iter().map(|conflict| (conflict.from, conflict.missed));
        let more = Table::from_pairs(self.trace.len(), pairs, 0);
        let parents = Parents { trace: self.trace, sessions, more: Some(&more) };
        let within = |node: u32| component.binary_search(&node).is_ok();
        let starts = conflicts.iter().map(|c| (c.from, c.missed)).chain(component.first().map(|node| (*node, *node)));
        let ways = starts.take(64).filter_map(|(from, to)| way(&parents, from, to, LOOKS / 8, within));
        let way = ways.min_by_key(Vec::len).unwrap_or_else(|| component.to_vec());
        let mut case = Case { operations: Vec::new(), relations: Vec::new() };
        let closed = way.iter().copied().chain(way.first().copied().filter(|first| way.last() != Some(first)));
        let closed: Vec<u32> = closed.collect();
        for pair in closed.windows(2) {
            match conflicts.iter().find(|c| (c.missed, c.from) == (pair[0], pair[1])) {
                Some(conflict) if !self.is_parent(pair[0], pair[1]) => self.conflict(&mut case, conflict),
                _ => self.step(&mut case, pair[0], pair[1]),
            }
        }
        let key = conflicts.first().and_then(|conflict| self.key_name(conflict.key));
        case.anomaly(kind, key, "Each of these operations would have to come before itself")
    }

    fn is_parent(&self, from: u32, to: u32) -> bool {
        Parents::of_trace(self.trace).of(to).any(|parent| parent == from)
    }

    fn conflict(&self, case: &mut Case, conflict: &Suspect) {
        let (from, to) = (self.event(conflict.missed), self.event(conflict.from));
        let reader = self.event(conflict.reader);
        let reason = format!("#{reader} read what #{to} wrote, although it comes after #{from} too");
        case.add(Relation { from, to, kind: RelationKind::Ww, reason });
        case.name(reader);
    }

    fn walk(&self, case: &mut Case, from: u32, to: u32) {
        let parents = Parents::of_trace(self.trace);
        match way(&parents, from, to, LOOKS, |_| true) {
            Some(way) => way.windows(2).for_each(|pair| self.step(case, pair[0], pair[1])),
            None => [from, to].into_iter().for_each(|node| case.name(self.event(node))),
        }
    }

    fn step(&self, case: &mut Case, from: u32, to: u32) {
        let read = self.trace.reads.of(to).iter().find(|read| read.from == from);
        let (a, b) = (self.event(from), self.event(to));
        let (kind, reason) = match read {
            Some(read) => {
                let key = self.key_name(read.key).map_or(String::new(), |key| format!(" to {key}"));
                (RelationKind::Wr, format!("#{b} read what #{a} wrote{key}"))
            }
            None => (RelationKind::Process, format!("{} did #{a} before #{b}", words::who(self.history, b))),
        };
        case.add(Relation { from: a, to: b, kind, reason });
    }
}

fn read_from(reader: u32, writer: u32) -> Relation {
    let reason = format!("#{reader} read what #{writer} wrote");
    Relation { from: writer, to: reader, kind: RelationKind::Wr, reason }
}

impl Case {
    fn name(&mut self, operation: u32) {
        if !self.operations.contains(&operation) {
            self.operations.push(operation);
        }
    }

    /// A relation, unless it stands between steps of one operation or is there already.
    fn add(&mut self, relation: Relation) {
        self.name(relation.from);
        self.name(relation.to);
        if relation.from != relation.to && !self.relations.contains(&relation) {
            self.relations.push(relation);
        }
    }

    fn anomaly(self, kind: AnomalyType, key: Option<String>, what: &str) -> Anomaly {
        let reasons: Vec<&str> = self.relations.iter().map(|relation| relation.reason.as_str()).collect();
        let reasons = if reasons.is_empty() { String::new() } else { format!(": {}", reasons.join("; ")) };
        Anomaly {
            kind: kind.name().to_owned(),
            key,
            explanation: format!("{what}{reasons}: a contradiction."),
            operations: self.operations,
            relations: self.relations,
        }
    }
}
