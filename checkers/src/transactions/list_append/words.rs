//! The anomalies of lists, with their evidence and in words.

use histories::{KeyId, MicroFunction, MicroOp, Payload, ValueId};

use super::orders::{Lists, NONE, elements};
use crate::finding::{Anomaly, RelationKind};
use crate::fold::words::elements as shown;
use crate::graphs::Relations;
use crate::models::AnomalyType;
use crate::transactions::reading::Row;
use crate::transactions::telling::{Case, Reason, Reasons};

/// See the [module](self).
#[derive(Clone, Copy)]
pub(super) struct Words<'l, 't, 'h>(pub(super) &'l Lists<'t, 'h>);

impl Words<'_, '_, '_> {
    fn case(&self, kind: AnomalyType, key: KeyId, rows: &[Row]) -> Case<'_, '_> {
        Case::new(self.0.txns, kind, Some(key), rows)
    }

    fn who(&self, row: Row) -> String {
        self.0.txns.who(row)
    }

    fn list(&self, read: &[ValueId]) -> String {
        shown(self.0.txns.history, read)
    }

    fn value(&self, value: ValueId) -> String {
        self.0.txns.history.value(value).to_string()
    }

    fn key(&self, key: KeyId) -> String {
        self.0.txns.object(key)
    }

    /// `process 1 (#3) read [1 2] from x`.
    fn read(&self, row: Row, key: KeyId, read: &[ValueId]) -> String {
        format!("{} read {} from {}", self.who(row), self.list(read), self.key(key))
    }

    pub(super) fn aborted(&self, row: Row, key: KeyId, read: &[ValueId], value: ValueId, writer: Row) -> Anomaly {
        let (value, writer_name) = (self.value(value), self.who(writer));
        self.case(AnomalyType::G1a, key, &[writer, row])
            .relation(writer, row, RelationKind::Wr, format!("{value} was read, which had been appended in vain"))
            .say(format!(
                "{}, but {value} was appended by {writer_name}, which failed and never took effect",
                self.read(row, key, read)
            ))
    }

    pub(super) fn intermediate(&self, row: Row, key: KeyId, read: &[ValueId], writer: Row) -> Anomaly {
        let last = read.last().map_or(String::new(), |v| self.value(*v));
        let writer_name = self.who(writer);
        self.case(AnomalyType::G1b, key, &[writer, row])
            .relation(writer, row, RelationKind::Wr, format!("{last} was read as the last element"))
            .say(format!(
                "{}, which ends with {last}, appended by {writer_name}; but that transaction appended more to {}, so this \
                 was the middle of it",
                self.read(row, key, read),
                self.key(key)
            ))
    }

    pub(super) fn garbage(&self, row: Row, key: KeyId, read: &[ValueId], value: ValueId) -> Anomaly {
        self.case(AnomalyType::GarbageRead, key, &[row]).say(format!(
            "{}, but nobody ever appended {} to {}",
            self.read(row, key, read),
            self.value(value),
            self.key(key)
        ))
    }

    pub(super) fn duplicate(&self, row: Row, key: KeyId, read: &[ValueId], value: ValueId) -> Anomaly {
        let times = read.iter().filter(|v| **v == value).count();
        self.case(AnomalyType::DuplicateElements, key, &[row]).say(format!(
            "{}: {} is there {times} times, but it was appended only once",
            self.read(row, key, read),
            self.value(value)
        ))
    }

    pub(super) fn incompatible(&self, row: Row, key: KeyId, read: &[ValueId]) -> Anomaly {
        let (reader, order) = (self.0.lists[key.0 as usize].reader, self.0.order(key.0 as usize));
        let at = read.iter().zip(order).take_while(|(a, b)| a == b).count();
        self.case(AnomalyType::IncompatibleOrder, key, &[row, reader]).say(format!(
            "{}, and {}: they contradict each other from element {} on, and a list only ever grows at its end",
            self.read(row, key, read),
            self.read(reader, key, order),
            at + 1
        ))
    }

    pub(super) fn reversed(&self, list: usize, first: u32, second: u32) -> Anomaly {
        let lists = self.0;
        let (key, row, reader) = (KeyId(list as u32), lists.rows[first as usize], lists.lists[list].reader);
        let place = if lists.positions[first as usize] == NONE { "is there without" } else { "stands before" };
        let (first, second) = (self.value(lists.values[first as usize]), self.value(lists.values[second as usize]));
        self.case(AnomalyType::IncompatibleOrder, key, &[row, reader]).say(format!(
            "{} appended first {first} and then {second} to {}, but {}: {second} {place} {first}, and a list only ever \
             grows at its end",
            self.who(row),
            self.key(key),
            self.read(reader, key, lists.order(list))
        ))
    }

    pub(super) fn internal(
        &self,
        row: Row,
        key: KeyId,
        answer: &[ValueId],
        known: Option<&[ValueId]>,
        appended: &[ValueId],
    ) -> Anomaly {
        let own: Vec<ValueId> = known.unwrap_or_default().iter().chain(appended).copied().collect();
        let expected = match known {
            Some(_) => self.list(&own),
            None => format!("a list that ends with {}", self.list(&own)),
        };
        self.case(AnomalyType::Internal, key, &[row])
            .say(format!("{}, but after its own earlier steps it must find {expected}", self.read(row, key, answer)))
    }

    pub(super) fn future(&self, row: Row, key: KeyId, read: &[ValueId], value: ValueId) -> Anomaly {
        self.case(AnomalyType::FutureRead, key, &[row]).say(format!(
            "{} and found {}, which it appended only in a later step",
            self.read(row, key, read),
            self.value(value)
        ))
    }

    pub(super) fn lost_update(&self, key: KeyId, read: &[ValueId], rows: &[Row]) -> Anomaly {
        let all: Vec<String> = rows.iter().take(8).map(|row| self.who(*row)).collect();
        let more = if rows.len() > all.len() { format!(" and {} more", rows.len() - all.len()) } else { String::new() };
        self.case(AnomalyType::LostUpdate, key, &rows[..all.len()]).say(format!(
            "{}{more} each read {} from {} and appended to it: none of them saw what another one did, and at most one of \
             them can have been the next",
            all.join(", "),
            self.list(read),
            self.key(key)
        ))
    }

    pub(super) fn dirty(&self, list: usize, failed: u32, append: u32) -> Anomaly {
        let lists = self.0;
        let key = KeyId(list as u32);
        let (aborted, writer) = (lists.rows[failed as usize], lists.rows[append as usize]);
        let (old, new) = (self.value(lists.values[failed as usize]), self.value(lists.values[append as usize]));
        let reader = lists.lists[list].reader;
        self.case(AnomalyType::DirtyUpdate, key, &[aborted, writer, reader])
            .relation(aborted, writer, RelationKind::Ww, format!("{new} stands behind {old} in {}", self.key(key)))
            .say(format!(
                "{}, which failed, appended {old} to {}, and {}, which was acknowledged, appended {new} behind it, as {} \
                 shows",
                self.who(aborted),
                self.key(key),
                self.who(writer),
                self.who(reader)
            ))
    }

    pub(super) fn passed_over(&self, list: usize, append: u32, position: usize, latest: Row) -> Anomaly {
        let lists = self.0;
        let (key, row, reader) = (KeyId(list as u32), lists.rows[append as usize], lists.lists[list].reader);
        let (lost, later) = (self.value(lists.values[append as usize]), self.value(lists.order(list)[position]));
        let who = self.who(latest);
        self.case(AnomalyType::LostAppend, key, &[row, latest, reader])
            .relation(row, latest, RelationKind::Realtime, format!("{lost} was acknowledged before {later} was begun"))
            .relation(latest, row, RelationKind::Ww, format!("{later} was read in {}, and {lost} never", self.key(key)))
            .say(format!(
                "{} appended {lost} to {} and was acknowledged; after that {who} began to append {later}. {later} was \
                 read, for example by {}, but no read ever shows {lost} in its place before it",
                self.who(row),
                self.key(key),
                self.who(reader)
            ))
    }
}

impl Reasons for Words<'_, '_, '_> {
    fn reason(&self, from: Row, to: Row, relation: Relations) -> Option<Reason> {
        let lists = self.0;
        let of = if relation == Relations::RW { from } else { to };
        let mut steps = lists.txns.steps(of).iter().filter(|s| lists.judges(s));
        steps.find_map(|step| match relation {
            Relations::WW => self.behind(from, to, step),
            Relations::WR => self.shown(from, to, step),
            Relations::RW => self.missed(from, to, step),
            _ => None,
        })
    }
}

impl Words<'_, '_, '_> {
    /// The appends of a transaction to a list.
    fn appends(&self, list: usize, row: Row) -> impl Iterator<Item = u32> {
        let range = self.0.appends.range(list);
        let rows = &self.0.rows[range.clone()];
        let (first, last) = (rows.partition_point(|r| *r < row), rows.partition_point(|r| *r <= row));
        (range.start + first) as u32..(range.start + last) as u32
    }

    /// The last element before a position that is known to be somebody's.
    fn before(&self, list: usize, position: usize) -> Option<(usize, Row)> {
        (0..position).rev().find_map(|p| Some((p, self.0.place(list, p).writer()?)))
    }

    fn behind(&self, from: Row, to: Row, step: &MicroOp) -> Option<Reason> {
        let list = step.key.0 as usize;
        let order = self.0.order(list);
        let value = step_value(step)?;
        let append = self.appends(list, to).find(|a| self.0.values[*a as usize] == value)?;
        let position = self.0.positions[append as usize];
        let end = if position == NONE { order.len() } else { position as usize };
        let (earlier, _) = self.before(list, end).filter(|(_, row)| *row == from)?;
        let (old, new, key) = (self.value(order[earlier]), self.value(value), self.key(step.key));
        let reader = self.who(self.0.lists[list].reader);
        let how = match position {
            NONE => format!("{reader} found {key} to end with {old}, without {new}"),
            _ => format!("{reader} found {new} behind {old} in {key}"),
        };
        Some(Reason::new(
            step.key,
            format!("{} appended {old} and {} appended {new} to {key}, and {how}", self.who(from), self.who(to)),
        ))
    }

    fn shown(&self, from: Row, to: Row, step: &MicroOp) -> Option<Reason> {
        let (list, read) = (step.key.0 as usize, read_of(self.0, step)?);
        let last = *read.last()?;
        self.appends(list, from).find(|a| self.0.values[*a as usize] == last)?;
        let (last, key) = (self.value(last), self.key(step.key));
        Some(Reason::new(
            step.key,
            format!(
                "{}, whose last element {last} was appended to {key} by {}",
                self.read(to, step.key, read),
                self.who(from)
            ),
        ))
    }

    fn missed(&self, from: Row, to: Row, step: &MicroOp) -> Option<Reason> {
        let (list, read) = (step.key.0 as usize, read_of(self.0, step)?);
        let append = self.appends(list, to).find(|a| {
            let position = self.0.positions[*a as usize];
            let next = self.next_of(list, read);
            let follows = if position == NONE {
                next == NONE
            } else {
                next == to && position as usize >= self.length(list, read)
            };
            // A read that contradicts the order may hold one of several elements that follow.
            follows && !read.contains(&self.0.values[*a as usize])
        })?;
        let (value, key) = (self.value(self.0.values[append as usize]), self.key(step.key));
        Some(Reason::new(
            step.key,
            format!("{}, without {value}, which {} appended to {key}", self.read(from, step.key, read), self.who(to)),
        ))
    }

    /// How much of the order of a list a read has seen.
    fn length(&self, list: usize, read: &[ValueId]) -> usize {
        if self.0.is_prefix(list, read) {
            return read.len();
        }
        let last = read.last().and_then(|last| self.0.order(list).iter().position(|v| v == last));
        last.map_or(self.0.order(list).len(), |position| position + 1)
    }

    fn next_of(&self, list: usize, read: &[ValueId]) -> u32 {
        self.0.place(list, self.length(list, read)).next
    }
}

fn step_value(step: &MicroOp) -> Option<ValueId> {
    match (step.f, step.value) {
        (MicroFunction::Append, Payload::Value(value)) => Some(value),
        _ => None,
    }
}

fn read_of<'h>(lists: &Lists<'_, 'h>, step: &MicroOp) -> Option<&'h [ValueId]> {
    (step.f == MicroFunction::Read).then(|| elements(lists.txns.history, step.value)).flatten()
}
