//! What a transaction may expect of its own steps.
//!
//! After a transaction has read a list, or appended to it, it knows what the list holds, or at least how it ends:
//!
//! ```text
//!   read x → [1 2], append x ← 3, read x → [1 2]      internal: it expected [1 2 3]
//!   append x ← 6, read x → []                         internal: it expected [… 6]
//!   read x → [0 1], append x ← 0                      future-read: 0 was not yet appended
//! ```

use histories::{KeyId, MicroFunction, MicroOp, Payload, ValueId};
use rustc_hash::FxHashSet;

use super::orders::elements;
use super::reads::{Reads, Strange};
use super::words::Words;
use crate::models::AnomalyType;
use crate::transactions::reading::Row;

/// What a transaction knows of one list.
#[derive(Default)]
pub(super) struct Known<'h> {
    /// What it read last.
    pub(super) read: Option<&'h [ValueId]>,
    /// What it appended since.
    pub(super) appended: Vec<ValueId>,
}

impl Known<'_> {
    /// Whether an answer is as expected.
    pub(super) fn allows(&self, answer: &[ValueId]) -> bool {
        match self.read {
            None => answer.ends_with(&self.appended),
            Some(read) => {
                let grown = read.len() + self.appended.len() == answer.len();
                grown && answer.starts_with(read) && answer.ends_with(&self.appended)
            }
        }
    }
}

impl<'h> Reads<'_, '_, 'h> {
    /// Looks at the steps of a transaction that touches some list more than once, list by list.
    pub(super) fn within(&mut self, row: Row) {
        let lists = self.lists;
        let mut steps: Vec<(KeyId, usize, MicroOp)> =
            lists.txns.steps(row).iter().enumerate().map(|(i, s)| (s.key, i, *s)).collect();
        steps.retain(|(_, _, s)| lists.judges(s));
        steps.sort_by_key(|(key, i, _)| (*key, *i));
        for of_key in steps.chunk_by(|a, b| a.0 == b.0).filter(|of_key| of_key.len() > 1) {
            let of_key: Vec<MicroOp> = of_key.iter().map(|(.., s)| *s).collect();
            self.own_answers(row, &of_key);
            self.own_future(row, &of_key);
            self.update(row, &of_key);
        }
    }

    fn own_answers(&mut self, row: Row, steps: &[MicroOp]) {
        let (history, words) = (self.lists.txns.history, Words(self.lists));
        let mut known = Known::default();
        for step in steps {
            match (step.f, step.value) {
                (MicroFunction::Append, Payload::Value(value)) => known.appended.push(value),
                (_, value) => {
                    let Some(answer) = elements(history, value) else { continue };
                    if !known.allows(answer) {
                        self.found.add(AnomalyType::Internal, || {
                            words.internal(row, step.key, answer, known.read, &known.appended)
                        });
                    }
                    known = Known { read: Some(answer), appended: Vec::new() };
                }
            }
        }
    }

    /// Elements that it read before it appended them.
    fn own_future(&mut self, row: Row, steps: &[MicroOp]) {
        let history = self.lists.txns.history;
        let mut longest: &[ValueId] = &[];
        let mut set = FxHashSet::default();
        let mut own = FxHashSet::default();
        for step in steps {
            match (step.f, step.value) {
                (MicroFunction::Append, Payload::Value(value)) => {
                    let many = steps.len() * longest.len() > 4096;
                    if many && set.is_empty() {
                        set.extend(longest.iter().copied());
                    }
                    let seen = if many { set.contains(&value) } else { longest.contains(&value) };
                    if seen && own.insert(value) && !self.lists.is_appended_twice(step.key, value) {
                        let words = Words(self.lists);
                        self.found.add(AnomalyType::FutureRead, || words.future(row, step.key, longest, value));
                    }
                }
                (_, value) => {
                    let answer = elements(history, value).unwrap_or_default();
                    if answer.len() > longest.len() {
                        longest = answer;
                        set.clear();
                    }
                }
            }
        }
    }

    /// Notes a transaction that first read a list and then appended to it.
    fn update(&mut self, row: Row, steps: &[MicroOp]) {
        let lists = self.lists;
        let first = (steps[0].f == MicroFunction::Read).then(|| elements(lists.txns.history, steps[0].value));
        let appends = steps.iter().any(|s| s.f == MicroFunction::Append);
        let Some(read) = first.flatten().filter(|_| appends) else { return };
        let key = steps[0].key;
        match lists.is_prefix(key.0 as usize, read) {
            true => self.updates.push((key, read.len() as u32, row)),
            false => self.strange_updates.push(Strange { key, read, row }),
        }
    }
}
