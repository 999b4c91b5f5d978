//! The anomalies of registers, with their evidence and in words.

use histories::KeyId;

use super::orders::{Before, Orders, Source, VersionCycle};
use super::versions::{Access, NONE, Touch, Version, Versions};
use crate::finding::{Anomaly, RelationKind};
use crate::graphs::Relations;
use crate::models::AnomalyType;
use crate::transactions::reading::Row;
use crate::transactions::telling::{Case, Reason, Reasons};

/// See the [module](self).
#[derive(Clone, Copy)]
pub(super) struct Words<'v, 't, 'h> {
    versions: &'v Versions<'t, 'h>,
}

impl<'v, 't, 'h> Words<'v, 't, 'h> {
    pub(super) fn new(versions: &'v Versions<'t, 'h>) -> Self {
        Words { versions }
    }

    fn case(&self, kind: AnomalyType, key: KeyId, rows: &[Row]) -> Case<'_, '_> {
        Case::new(self.versions.txns, kind, Some(key), rows)
    }

    fn who(&self, row: Row) -> String {
        self.versions.txns.who(row)
    }

    fn value(&self, version: Version) -> String {
        self.versions.value(version)
    }

    fn key(&self, key: KeyId) -> String {
        self.versions.txns.object(key)
    }

    /// `process 1 (#3) read 2 from x`.
    fn read(&self, row: Row, key: KeyId, version: Version) -> String {
        format!("{} read {} from {}", self.who(row), self.value(version), self.key(key))
    }

    pub(super) fn internal(&self, access: &Access, known: Version) -> Anomaly {
        self.case(AnomalyType::Internal, access.key, &[access.row]).say(format!(
            "{}, but after its own earlier steps it must find {}",
            self.read(access.row, access.key, access.version),
            self.value(known)
        ))
    }

    pub(super) fn aborted(&self, access: &Access, writer: Row) -> Anomaly {
        let value = self.value(access.version);
        self.case(AnomalyType::G1a, access.key, &[writer, access.row])
            .relation(writer, access.row, RelationKind::Wr, format!("{value} was read, which had been written in vain"))
            .say(format!(
                "{}, but {value} was written by {}, which failed and never took effect",
                self.read(access.row, access.key, access.version),
                self.who(writer)
            ))
    }

    pub(super) fn intermediate(&self, access: &Access, writer: Row) -> Anomaly {
        let (value, key) = (self.value(access.version), self.key(access.key));
        self.case(AnomalyType::G1b, access.key, &[writer, access.row])
            .relation(writer, access.row, RelationKind::Wr, format!("{value} was read from {key}"))
            .say(format!(
                "{}, which {} wrote; but that transaction wrote to {key} again after it, so this was the middle of a \
                 transaction",
                self.read(access.row, access.key, access.version),
                self.who(writer)
            ))
    }

    pub(super) fn garbage(&self, access: &Access) -> Anomaly {
        self.case(AnomalyType::GarbageRead, access.key, &[access.row]).say(format!(
            "{}, but nobody ever wrote that to {}",
            self.read(access.row, access.key, access.version),
            self.key(access.key)
        ))
    }

    pub(super) fn lost_update(&self, version: Version, rows: &[Row]) -> Anomaly {
        let key = self.versions.key(version);
        let all: Vec<String> = rows.iter().take(8).map(|row| self.who(*row)).collect();
        let more = if rows.len() > all.len() { format!(" and {} more", rows.len() - all.len()) } else { String::new() };
        self.case(AnomalyType::LostUpdate, key, &rows[..all.len()]).say(format!(
            "{}{more} each read {} from {} and wrote to it: none of them saw what another one did, and at most one of \
             them can have been the next",
            all.join(", "),
            self.value(version),
            self.key(key)
        ))
    }

    pub(super) fn cyclic_versions(&self, cycle: &VersionCycle) -> Anomaly {
        let shown = |before: &Before| [before.first, before.second];
        let rows: Vec<Row> = cycle.steps.iter().flat_map(shown).filter(|row| *row != NONE).collect();
        let key = self.key(cycle.key);
        let steps: Vec<String> =
            cycle.steps.iter().map(|b| format!("{}, since {}", self.order(b), self.source(b))).collect();
        let mut case = self.case(AnomalyType::CyclicVersions, cycle.key, &rows);
        for before in cycle.steps.iter().filter(|b| b.first != NONE && b.first != b.second) {
            let kind =
                if before.source == Source::Linearizable { RelationKind::Realtime } else { RelationKind::Process };
            case = case.relation(before.first, before.second, kind, self.source(before));
        }
        case.say(format!("The values of {key} cannot be put in an order: {}", steps.join("; ")))
    }

    /// `1 came before 2`.
    fn order(&self, before: &Before) -> String {
        format!("{} came before {}", self.value(before.from), self.value(before.to))
    }

    /// Why one version came before another.
    fn source(&self, before: &Before) -> String {
        let (from, to) = (self.value(before.from), self.value(before.to));
        let touched = |row: Row, version: Version| match self.versions.writer(version) == Some(row) {
            true => format!("{} wrote {}", self.who(row), self.value(version)),
            false => format!("{} read {}", self.who(row), self.value(version)),
        };
        match before.source {
            Source::Initial => format!("{from} was there at the start"),
            Source::Update => format!("{} read {from} and then wrote {to}", self.who(before.first)),
            Source::Sequential => {
                format!("{}, and {} later", touched(before.first, before.from), touched(before.second, before.to))
            }
            Source::Linearizable => format!(
                "{} and had been answered before {}",
                touched(before.first, before.from),
                touched(before.second, before.to)
            ),
        }
    }
}

/// The reasons of dependencies.
pub(super) struct Dependencies<'v, 't, 'h> {
    pub(super) versions: &'v Versions<'t, 'h>,
    pub(super) touches: &'v [Touch],
    pub(super) orders: &'v Orders,
}

impl Reasons for Dependencies<'_, '_, '_> {
    fn reason(&self, from: Row, to: Row, relation: Relations) -> Option<Reason> {
        let words = Words::new(self.versions);
        self.of(to).iter().find_map(|touch| match relation {
            Relations::WR => self.shown(from, touch, &words),
            _ => self.replaced(from, touch, relation == Relations::RW, &words),
        })
    }
}

impl Dependencies<'_, '_, '_> {
    fn of(&self, row: Row) -> &[Touch] {
        let (first, last) =
            (self.touches.partition_point(|t| t.row < row), self.touches.partition_point(|t| t.row <= row));
        &self.touches[first..last]
    }

    fn shown(&self, from: Row, touch: &Touch, words: &Words<'_, '_, '_>) -> Option<Reason> {
        (touch.read != NONE && self.versions.writer(touch.read) == Some(from)).then_some(())?;
        let text = format!("{}, which {} wrote", words.read(touch.row, touch.key, touch.read), words.who(from));
        Some(Reason::new(touch.key, text))
    }

    fn replaced(&self, from: Row, touch: &Touch, reads: bool, words: &Words<'_, '_, '_>) -> Option<Reason> {
        let earlier = self.of(from).iter().find(|t| t.key == touch.key)?;
        let version = if reads { earlier.read } else { earlier.write };
        (version != NONE && touch.write != NONE).then_some(())?;
        let successors = &self.orders.before[self.orders.of_version.range(version as usize)];
        let before = successors.iter().find(|b| b.to == touch.write)?;
        let (did, from_or_to) = if reads { ("read", "from") } else { ("wrote", "to") };
        let order = match before.source {
            Source::Initial => "and what was there at the start came before that".to_owned(),
            Source::Update if before.first == touch.row => format!("after it had read {}", words.value(version)),
            _ => format!("and {}, since {}", words.order(before), words.source(before)),
        };
        let text = format!(
            "{} {did} {} {from_or_to} {}, and {} wrote {} to it, {order}",
            words.who(from),
            words.value(version),
            words.key(touch.key),
            words.who(touch.row),
            words.value(touch.write)
        );
        Some(Reason::new(touch.key, text))
    }
}
