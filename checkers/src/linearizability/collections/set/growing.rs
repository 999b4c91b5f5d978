//! Sets that are read whole and from which nothing is removed. See the module above.

use std::collections::BTreeSet;

use histories::{EventIndex, ValueId};

use crate::analysis::Found;
use crate::finding::Anomaly;
use crate::linearizability::collections::journal::{Act, Journal, NEVER, Op, Slots};
use crate::linearizability::collections::stages::{Staged, too_late};
use crate::linearizability::collections::words;
use crate::models::AnomalyType;

/// All that is known of an element: the interval in which it came, and who bounds it.
#[derive(Clone, Copy)]
struct Element {
    value: u32,
    /// Where its first add begins.
    add_call: u32,
    /// Where the last look that missed it begins, if that is later.
    call: u32,
    /// Where it was in: an add of it ended, or a look that found it.
    ret: u32,
    /// The operations that say so.
    call_by: u32,
    ret_by: u32,
    /// The first read, in the order of sizes, that shows it.
    rank: u32,
    /// The last read that shows it, while it is asked whether a read shows it twice.
    shown: u32,
}

pub(super) fn judge(journal: &Journal<'_>, slots: &mut Slots, found: &mut Found) {
    let mut elements = gather(journal, slots);
    bind(journal, slots, &mut elements, found);
    let mut reads: Vec<&Op> = journal.ops.iter().filter(|op| op.act == Act::Read).collect();
    reads.sort_by_key(|read| shown(journal, read).len());
    let ranks = chain(journal, slots, &mut elements, &reads, found);
    let mut staged = Vec::with_capacity(reads.len() + elements.len());
    for (read, rank) in reads.iter().zip(&ranks).filter(|(_, rank)| **rank != NEVER) {
        staged.push(Staged { call: read.call, ret: read.ret, stage: 2 * rank + 1, id: 2 * read.call });
    }
    let last =
        reads.iter().zip(&ranks).filter(|(_, rank)| **rank != NEVER).map(|(read, _)| *read).max_by_key(|r| r.call);
    for (i, element) in elements.iter().enumerate().filter(|(_, e)| e.add_call != NEVER && e.ret != NEVER) {
        match last.filter(|last| element.rank == NEVER && element.ret < last.call) {
            Some(last) => found.add(AnomalyType::LostElement, || lost(journal, element, last)),
            None => {
                let stage = 2 * element.rank.min(reads.len() as u32 + 1);
                staged.push(Staged { call: element.call, ret: element.ret, stage, id: 2 * i as u32 + 1 });
            }
        }
    }
    // An element that was shown but not acknowledged came at some time.
    for (i, e) in elements.iter().enumerate().filter(|(_, e)| e.add_call != NEVER && e.ret == NEVER && e.rank != NEVER)
    {
        staged.push(Staged { call: e.call, ret: NEVER, stage: 2 * e.rank, id: 2 * i as u32 + 1 });
    }
    for (first, second) in too_late(&staged) {
        let same_rank = || reads.iter().zip(&ranks).find(|(_, rank)| **rank == second.stage / 2);
        found.add(AnomalyType::Nonlinearizable, || {
            late(journal, &elements, &first, &second, same_rank().map(|(read, _)| read.call))
        });
    }
    for element in &elements {
        slots.set(element.value, NEVER);
    }
}

fn shown<'h>(journal: &Journal<'h>, read: &Op) -> &'h [ValueId] {
    journal.history.list(journal.history.payload(EventIndex(read.value)))
}

fn element<'e>(elements: &'e mut Vec<Element>, slots: &mut Slots, value: u32) -> &'e mut Element {
    let mut slot = slots.get(value);
    if slot == NEVER {
        slot = elements.len() as u32;
        slots.set(value, slot);
        elements.push(Element {
            value,
            add_call: NEVER,
            call: NEVER,
            ret: NEVER,
            call_by: NEVER,
            ret_by: NEVER,
            rank: NEVER,
            shown: NEVER,
        });
    }
    &mut elements[slot as usize]
}

/// The adds of each element, as one.
fn gather(journal: &Journal<'_>, slots: &mut Slots) -> Vec<Element> {
    let mut elements = Vec::new();
    for op in journal.ops.iter().filter(|op| op.act == Act::Put) {
        let element = element(&mut elements, slots, op.value);
        if element.add_call == NEVER {
            (element.add_call, element.call, element.call_by) = (op.call, op.call, op.call);
        }
        if op.ret < element.ret {
            (element.ret, element.ret_by) = (op.ret, op.call);
        }
    }
    elements
}

/// Binds the adds by the looks. What was found and never added is told.
fn bind(journal: &Journal<'_>, slots: &mut Slots, elements: &mut Vec<Element>, found: &mut Found) {
    for op in journal.ops.iter().filter(|op| matches!(op.act, Act::Present | Act::Absent)) {
        let element = element(elements, slots, op.value);
        match op.act {
            Act::Present if element.add_call == NEVER => {
                found.add(AnomalyType::UnexpectedElement, || stranger(journal, op, op.value));
            }
            Act::Present if op.ret < element.ret => (element.ret, element.ret_by) = (op.ret, op.call),
            Act::Absent if element.add_call != NEVER && op.call > element.call => {
                (element.call, element.call_by) = (op.call, op.call);
            }
            _ => {}
        }
    }
}

/// The rank of each read: reads of one rank show the same. [`NEVER`] for a read that does not fit to smaller ones,
/// which is told.
fn chain(
    journal: &Journal<'_>,
    slots: &mut Slots,
    elements: &mut Vec<Element>,
    reads: &[&Op],
    found: &mut Found,
) -> Vec<u32> {
    let mut ranks = vec![NEVER; reads.len()];
    // How many elements the reads so far show, and the last of them.
    let (mut known, mut rank, mut before) = (0, 0, None);
    for (at, read) in reads.iter().enumerate() {
        let (mut fresh, mut old) = (Vec::new(), 0);
        for value in shown(journal, read) {
            let element = element(elements, slots, value.0);
            if element.shown == at as u32 {
                found.add(AnomalyType::DuplicateElements, || twice(journal, read, value.0));
                continue;
            }
            element.shown = at as u32;
            match element {
                e if e.add_call == NEVER => {
                    found.add(AnomalyType::UnexpectedElement, || stranger(journal, read, value.0))
                }
                e if e.rank == NEVER => fresh.push(value.0),
                _ => old += 1,
            }
        }
        if old < known {
            let smaller: Option<&Op> = before;
            found.add(AnomalyType::Nonlinearizable, || apart(journal, slots, elements, smaller, read, at as u32));
            continue;
        }
        if !fresh.is_empty() {
            rank += 1;
        }
        known += fresh.len();
        fresh.iter().for_each(|value| element(elements, slots, *value).rank = rank);
        ranks[at] = rank;
        before = Some(*read);
    }
    ranks
}

fn stranger(journal: &Journal<'_>, op: &Op, value: u32) -> Anomaly {
    let (told, value) = (words::told(journal, op.call), words::value(journal, value));
    let why = format!("{told}; but no add of {value} took effect: nobody tried, or it failed.");
    words::anomaly(journal, AnomalyType::UnexpectedElement, vec![op.call], why)
}

fn twice(journal: &Journal<'_>, read: &Op, value: u32) -> Anomaly {
    let (told, value) = (words::told(journal, read.call), words::value(journal, value));
    let why = format!("{told}, in which {value} stands twice: no set holds an element twice.");
    words::anomaly(journal, AnomalyType::DuplicateElements, vec![read.call], why)
}

fn lost(journal: &Journal<'_>, element: &Element, read: &Op) -> Anomaly {
    let value = words::value(journal, element.value);
    let why = format!(
        "{}, and this was completed before {} was invoked; nobody removed {value}, yet no read shows it, not even {}.",
        words::told(journal, element.ret_by),
        words::number(journal, read.call),
        words::number(journal, read.call),
    );
    words::anomaly(journal, AnomalyType::LostElement, vec![element.ret_by, read.call], why)
}

/// Two reads of which neither contains the other.
fn apart(
    journal: &Journal<'_>,
    slots: &Slots,
    elements: &[Element],
    smaller: Option<&Op>,
    read: &Op,
    at: u32,
) -> Anomaly {
    let smaller = smaller.unwrap_or(read);
    let shown_by = |value: &&ValueId| elements[slots.get(value.0) as usize].shown == at;
    let missing = shown(journal, smaller).iter().find(|value| !shown_by(value));
    let theirs: BTreeSet<ValueId> = shown(journal, smaller).iter().copied().collect();
    let more = shown(journal, read).iter().find(|value| !theirs.contains(value));
    let name = |value: Option<&ValueId>| value.map_or(String::new(), |value| words::value(journal, value.0));
    let why = format!(
        "{} and {}: the first shows {} and not {}, the second {} and not {}. Nothing was removed, so one of two reads \
         contains the other.",
        words::told(journal, smaller.call),
        words::told(journal, read.call),
        name(missing),
        name(more),
        name(more),
        name(missing),
    );
    words::anomaly(journal, AnomalyType::Nonlinearizable, vec![smaller.call, read.call], why)
}

fn late(journal: &Journal<'_>, elements: &[Element], first: &Staged, second: &Staged, witness: Option<u32>) -> Anomaly {
    let of = |staged: &Staged| (staged.id % 2 == 1).then(|| &elements[staged.id as usize / 2]);
    let begin = |staged: &Staged| of(staged).map_or(staged.id / 2, |e| e.call_by);
    let end = |staged: &Staged| of(staged).map_or(staged.id / 2, |e| e.ret_by);
    let (before, after) = (end(first), begin(second));
    let reason = match (of(first), of(second)) {
        (Some(a), Some(b)) if a.value == b.value => "but nothing was removed in between".to_owned(),
        (Some(a), None) => format!("which does not show {}", words::value(journal, a.value)),
        (None, None) => "which shows less, although nothing was removed".to_owned(),
        (None, Some(b)) => format!("but the read had shown {} already", words::value(journal, b.value)),
        (Some(a), Some(b)) => format!(
            "but some read shows {} without {}, so {} came first",
            words::value(journal, b.value),
            words::value(journal, a.value),
            words::value(journal, b.value),
        ),
    };
    let why = format!(
        "{}, and this was completed before {} was invoked: {}, {reason}.",
        words::told(journal, before),
        words::number(journal, after),
        words::told(journal, after),
    );
    let both = of(first).is_some() && of(second).is_some();
    let calls = [before, after].into_iter().chain(witness.filter(|_| both)).collect();
    words::anomaly(journal, AnomalyType::Nonlinearizable, calls, why)
}
