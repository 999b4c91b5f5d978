//! Lists that are only ever appended to, and read whole: logs.
//!
//! A read shows the order of all appends before it. The *longest* read is the order; every other one must be a
//! beginning of it. Then the place of each operation is known: a read of length `n` comes after the append of the
//! element at place `n` and before that of the next, and an acknowledged append that nobody read comes after all reads.
//! Operations known by their `stages` are linearizable iff none comes too late:
//!
//! ```text
//! 0:ax1  1<ax2  2:rx1  2:rx12  1>            0:ax1  1:ax2  2:rx1
//! valid: the append of 2 is between the      2 was appended before the read began,
//! two reads                                  which shows the list before that
//! ```
//! The time is that of comparing each read with the longest: linear in what was read.
//!
//! # Decided
//! A list that was never written reads as `null` or as an empty list. An append of unknown outcome that nobody read is
//! left out; one that was read has happened. A value that is appended twice has no place of its own: such a list is
//! left to a search. Transactions are the business of others: here each operation is one append or one read.

use histories::{EventIndex, Function, History, Payload, ValueId};

use super::journal::{Act, Journal, NEVER, Op, Reading, Slots, judge, value_of};
use super::stages::{Staged, too_late};
use super::{repeats, words};
use crate::analysis::{Found, Question};
use crate::budget::Budget;
use crate::finding::Anomaly;
use crate::fold::words::elements;
use crate::models::AnomalyType;

/// Looks at lists: `append`, and `read` of the whole.
pub fn check(history: &History, _question: &Question, budget: &Budget<'_>) -> Found {
    judge(history, budget, understand, judge_key)
}

fn understand(history: &History, invocation: EventIndex, answer: Option<EventIndex>) -> Reading {
    match (history.function(invocation), answer) {
        (Function::Append, _) => match value_of(history, invocation) {
            NEVER => Reading::Foreign,
            value => Reading::Act(Act::Put, value),
        },
        (Function::Read, None) => Reading::Nothing,
        (Function::Read, Some(answer)) => match history.payload(answer) {
            Payload::List { .. } | Payload::Value(ValueId::NULL) => Reading::Act(Act::Read, answer.0),
            _ => Reading::Foreign,
        },
        _ => Reading::Foreign,
    }
}

/// What is known of an element.
#[derive(Clone, Copy)]
struct Element {
    /// Its append.
    append: Op,
    /// Its place in the longest read, from 0.
    place: u32,
}

fn judge_key(journal: &Journal<'_>, slots: &mut Slots, budget: &Budget<'_>) -> Found {
    let mut found = Found::default();
    let mut elements = Vec::new();
    let mut repeated = false;
    for op in journal.ops.iter().filter(|op| op.act == Act::Put) {
        match slots.get(op.value) {
            NEVER => {
                slots.set(op.value, elements.len() as u32);
                elements.push(Element { append: *op, place: NEVER });
            }
            _ => repeated = true,
        }
    }
    match repeated {
        true => repeats::judge_list(journal, budget, &mut found),
        false => judge_elements(journal, slots, &mut elements, &mut found),
    }
    for element in &elements {
        slots.set(element.append.value, NEVER);
    }
    found
}

fn judge_elements(journal: &Journal<'_>, slots: &Slots, elements: &mut [Element], found: &mut Found) {
    let reads = || journal.ops.iter().filter(|op| op.act == Act::Read);
    // The first of the longest.
    let longest = reads().rev().max_by_key(|read| shown(journal, read).len());
    let order = longest.map_or(&[][..], |read| shown(journal, read));
    if let Some(longest) = longest {
        places(journal, slots, elements, longest, found);
    }
    let mut staged = Vec::with_capacity(journal.ops.len());
    for op in journal.ops {
        match op.act {
            Act::Read if order.starts_with(shown(journal, op)) => {
                let stage = 2 * shown(journal, op).len() as u32;
                staged.push(Staged { call: op.call, ret: op.ret, stage, id: op.call });
            }
            Act::Read => departs(journal, op, longest, found),
            _ => {
                let place = elements[slots.get(op.value) as usize].place;
                if place != NEVER || op.ret != NEVER {
                    let stage = 2 * place.min(order.len() as u32) + 1;
                    staged.push(Staged { call: op.call, ret: op.ret, stage, id: op.call });
                }
            }
        }
    }
    for (first, second) in too_late(&staged) {
        found.add(AnomalyType::Nonlinearizable, || late(journal, &first, &second, longest));
    }
}

fn shown<'h>(journal: &Journal<'h>, read: &Op) -> &'h [ValueId] {
    journal.history.list(journal.history.payload(EventIndex(read.value)))
}

/// Notes the place of each element, and tells what is wrong with the longest read by itself.
fn places(journal: &Journal<'_>, slots: &Slots, elements: &mut [Element], longest: &Op, found: &mut Found) {
    for (place, value) in shown(journal, longest).iter().enumerate() {
        match slots.get(value.0) {
            NEVER => found.add(AnomalyType::UnexpectedElement, || stranger(journal, longest, *value)),
            i if elements[i as usize].place != NEVER => {
                found.add(AnomalyType::DuplicateElements, || twice(journal, longest, &elements[i as usize]));
            }
            i => elements[i as usize].place = place as u32,
        }
    }
}

fn stranger(journal: &Journal<'_>, read: &Op, value: ValueId) -> Anomaly {
    let (told, value) = (words::told(journal, read.call), words::value(journal, value.0));
    let why = format!("{told}, which shows {value}; but no append of {value} took effect: nobody tried, or it failed.");
    words::anomaly(journal, AnomalyType::UnexpectedElement, vec![read.call], why)
}

fn twice(journal: &Journal<'_>, read: &Op, element: &Element) -> Anomaly {
    let (told, value) = (words::told(journal, read.call), words::value(journal, element.append.value));
    let append = words::number(journal, element.append.call);
    let why = format!("{told}, in which {value} stands twice; it was appended once, by {append}.");
    words::anomaly(journal, AnomalyType::DuplicateElements, vec![element.append.call, read.call], why)
}

/// A read that is no beginning of the longest.
fn departs(journal: &Journal<'_>, read: &Op, longest: Option<&Op>, found: &mut Found) {
    let Some(longest) = longest else { return };
    found.add(AnomalyType::IncompatibleOrder, || {
        let (mine, order) = (shown(journal, read), shown(journal, longest));
        let at = mine.iter().zip(order).position(|(a, b)| a != b).unwrap_or(0);
        let [a, b] = [mine[at], order[at]].map(|value| words::value(journal, value.0));
        let why = format!(
            "{} and {} show the list in two orders that do not fit together: at place {} the one has {a} and the \
             other {b}, {} as against {}.",
            words::told(journal, longest.call),
            words::told(journal, read.call),
            at + 1,
            elements(journal.history, &mine[..at + 1]),
            elements(journal.history, &order[..at + 1]),
        );
        words::anomaly(journal, AnomalyType::IncompatibleOrder, vec![longest.call, read.call], why)
    });
}

fn late(journal: &Journal<'_>, first: &Staged, second: &Staged, longest: Option<&Op>) -> Anomaly {
    let is_read = |staged: &Staged| staged.stage.is_multiple_of(2);
    let reason = match (is_read(first), is_read(second)) {
        (true, true) => "which shows an earlier state of the list".to_owned(),
        (true, false) => "whose element the read had shown already".to_owned(),
        (false, true) => "which does not show that element".to_owned(),
        (false, false) => match longest {
            Some(longest) => format!("whose element stands before it in {}", words::number(journal, longest.call)),
            None => "whose element stands before it".to_owned(),
        },
    };
    let why = format!(
        "{}, and this was completed before {} was invoked: {}, {reason}.",
        words::told(journal, first.id),
        words::number(journal, second.id),
        words::told(journal, second.id),
    );
    let both = is_read(first) || is_read(second);
    let calls = [first.id, second.id].into_iter().chain(longest.filter(|_| !both).map(|read| read.call)).collect();
    words::anomaly(journal, AnomalyType::Nonlinearizable, calls, why)
}
