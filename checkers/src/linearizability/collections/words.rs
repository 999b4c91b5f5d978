//! How the monitors of collections tell what they found.

use histories::{EventIndex, Function, History, ItemFunction, Kind, Payload, ValueId};

use super::assign::Grounds;
use super::cover::{cover, without_moment};
use super::items::{Contents, Empty, Item};
use super::journal::{Journal, NEVER};
use crate::analysis::Found;
use crate::finding::{Anomaly, Relation, RelationKind};
use crate::fold::words;
use crate::models::AnomalyType;

/// So many operations are related to each other; of longer proofs only the first ones are.
const RELATED: usize = 24;

/// An anomaly whose operations begin at these positions, in the order of the argument. The relations between them are
/// looked up in the history.
pub(super) fn anomaly(journal: &Journal<'_>, kind: AnomalyType, calls: Vec<u32>, explanation: String) -> Anomaly {
    let mut operations: Vec<u32> = Vec::with_capacity(calls.len());
    for call in calls {
        let event = journal.event(call);
        if !operations.contains(&event) {
            operations.push(event);
        }
    }
    Anomaly {
        kind: kind.name().to_owned(),
        key: journal.name(),
        relations: relations(journal.history, &operations),
        operations,
        explanation,
    }
}

/// Who took what whom had put in, and who was done before whom began, without what follows from the rest.
fn relations(history: &History, operations: &[u32]) -> Vec<Relation> {
    let operations = &operations[..operations.len().min(RELATED)];
    let mut relations = Vec::new();
    for &from in operations {
        for &to in operations {
            if from == to {
                continue;
            }
            if took(history, from, to) {
                let reason = format!("#{to} took out what #{from} had put in");
                relations.push(Relation { from, to, kind: RelationKind::Wr, reason });
            }
            if before(history, from, to)
                && !operations.iter().any(|via| before(history, from, *via) && before(history, *via, to))
            {
                let reason = format!("#{from} was completed before #{to} was invoked");
                relations.push(Relation { from, to, kind: RelationKind::Realtime, reason });
            }
        }
    }
    relations
}

fn before(history: &History, from: u32, to: u32) -> bool {
    let completed = |c: EventIndex| history.kind(c) == Kind::Ok && c.0 < to;
    history.pair_of(EventIndex(from)).is_some_and(completed)
}

fn took(history: &History, put: u32, take: u32) -> bool {
    use ItemFunction::{Dequeue, Enqueue, Pop, Push};
    let (put, take) = (EventIndex(put), EventIndex(take));
    let fits = matches!(
        (history.function(put), history.function(take)),
        (Function::Item(Enqueue), Function::Item(Dequeue)) | (Function::Item(Push), Function::Item(Pop))
    );
    let answer = history.pair_of(take).filter(|c| history.kind(*c) == Kind::Ok).map(|c| history.payload(c));
    fits && matches!((history.payload(put), answer), (Payload::Value(a), Some(Payload::Value(b))) if a == b)
}

/// The value of an item, as text.
pub(super) fn value(journal: &Journal<'_>, value: u32) -> String {
    journal.history.value(ValueId(value)).to_string()
}

/// `process 3 enqueued 5 on x (#40)`.
pub(super) fn told(journal: &Journal<'_>, call: u32) -> String {
    words::told(journal.history, journal.event(call))
}

/// `#40`.
pub(super) fn number(journal: &Journal<'_>, call: u32) -> String {
    format!("#{}", journal.event(call))
}

/// `1, 2 and 3`.
pub(super) fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// An item that nobody put in.
pub(super) fn from_nowhere(journal: &Journal<'_>, item: &Item) -> Anomaly {
    let told = told(journal, item.take_call);
    let why = format!("{told}, but no put of {} took effect: nobody tried, or it failed.", value(journal, item.value));
    anomaly(journal, AnomalyType::UnexpectedElement, vec![item.take_call], why)
}

/// An item that came out more often than it went in.
pub(super) fn taken_twice(journal: &Journal<'_>, item: &Item, puts: usize, takes: &[u32]) -> Anomaly {
    let takers: Vec<String> = takes.iter().map(|call| number(journal, *call)).collect();
    let times = if puts == 1 { "once".to_owned() } else { format!("{puts} times") };
    let why = format!(
        "{} was put in {times} ({}) and taken out {} times, by {}: one item cannot come out twice.",
        value(journal, item.value),
        number(journal, item.put_call),
        takes.len(),
        list(&takers),
    );
    let calls = std::iter::once(item.put_call).chain(takes.iter().copied()).collect();
    anomaly(journal, AnomalyType::DoubleDequeue, calls, why)
}

/// An item that came out before anybody began to put it in.
pub(super) fn taken_before_put(journal: &Journal<'_>, item: &Item) -> Anomaly {
    let why = format!(
        "{}, and was done before {} began to put it in: it came out before it could be inside.",
        told(journal, item.take_call),
        number(journal, item.put_call),
    );
    anomaly(journal, AnomalyType::Nonlinearizable, vec![item.take_call, item.put_call], why)
}

/// `1 was inside from the end of #3 on until #9 began at the earliest`.
pub(super) fn inside(journal: &Journal<'_>, item: &Item) -> String {
    let (value, put) = (value(journal, item.value), number(journal, item.put_call));
    if item.take_call == NEVER {
        return format!("{value} was inside from the end of {put} on, and nobody is known to have taken it out");
    }
    let take = number(journal, item.take_call);
    match item.taken() {
        true => format!("{value} was inside from the end of {put} until {take} began"),
        false => format!("{value} was inside from the end of {put} until {take} began, which may have taken it"),
    }
}

/// The positions of an item's operations, as far as there are any.
pub(super) fn calls(item: &Item) -> impl Iterator<Item = u32> {
    [item.put_call, item.take_call].into_iter().filter(|call| *call != NEVER)
}

/// Operations, by their places in [`Contents::empties`], found nothing although at every moment of them one of these
/// items was inside. If those that were taken are not enough for that, others are lost.
pub(super) fn never_empty(
    journal: &Journal<'_>,
    contents: &Contents,
    items: &[Item],
    empties: &[usize],
    found: &mut Found,
) {
    if empties.is_empty() {
        return;
    }
    let known = || items.iter().copied().filter(|item| item.take_call != NEVER);
    let by_known = without_moment(&contents.empties, known(), contents.end);
    for i in empties {
        let empty = &contents.empties[*i];
        match by_known.binary_search(i) {
            Ok(_) => found.add(AnomalyType::Nonlinearizable, || {
                let cover = cover(known(), empty.call, empty.ret).unwrap_or_default();
                found_nothing(journal, AnomalyType::Nonlinearizable, empty, &cover)
            }),
            Err(_) => found.add(AnomalyType::LostItem, || {
                let cover = cover(items.iter().copied(), empty.call, empty.ret).unwrap_or_default();
                found_nothing(journal, AnomalyType::LostItem, empty, &cover)
            }),
        }
    }
}

fn found_nothing(journal: &Journal<'_>, kind: AnomalyType, empty: &Empty, cover: &[Item]) -> Anomaly {
    let reasons: Vec<String> = cover.iter().map(|item| inside(journal, item)).collect();
    let found = match journal.history.function(EventIndex(journal.event(empty.invocation))) {
        Function::Custom(_) => format!("drain #{} ended with nothing left", journal.event(empty.invocation)),
        _ => told(journal, empty.invocation),
    };
    let why = format!("{found}, but at no moment of it was there nothing inside: {}.", list(&reasons));
    let calls = cover.iter().flat_map(calls).chain([empty.invocation]).collect();
    anomaly(journal, kind, calls, why)
}

/// Nothing was decided about a collection.
pub(super) fn undecided(journal: &Journal<'_>, why: &str) -> String {
    match journal.name() {
        Some(name) => format!("{name} could not be decided: {why}."),
        None => format!("the collection could not be decided: {why}."),
    }
}

/// So many takes of unknown outcome are named.
const NAMED: usize = 8;

/// Whatever the takes of unknown outcome took, something is wrong; `first` tells what is if they took nothing.
pub(super) fn every_way(
    journal: &Journal<'_>,
    contents: &Contents,
    first: Found,
    grounds: &Grounds,
    found: &mut Found,
) {
    let Some(case) = first.groups.into_values().flat_map(|group| group.cases).next() else { return };
    let takes: Vec<String> = contents.unknown.iter().take(NAMED).map(|call| number(journal, *call)).collect();
    let why = format!(
        "What {} of unknown outcome ({}{}) took out, if anything, is not known, but nothing that they can have taken \
         explains the answers of the others. Had they taken nothing: {}",
        words::count(contents.unknown.len() as u64, "operation", "operations"),
        takes.join(", "),
        if takes.len() < contents.unknown.len() { ", …" } else { "" },
        case.explanation,
    );
    let items = contents.items.iter().filter(|item| grounds.values.contains(&item.value));
    let empties = grounds.empties.iter().map(|i| contents.empties[*i].invocation);
    let takes = contents.unknown.iter().copied().take(NAMED);
    let calls = items.flat_map(calls).chain(empties).chain(takes).collect();
    let kind = AnomalyType::Nonlinearizable;
    found.add(kind, || anomaly(journal, kind, calls, why));
}
