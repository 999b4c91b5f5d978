//! Elements that are judged one by one. See the module above.

use crate::analysis::Found;
use crate::finding::Anomaly;
use crate::linearizability::collections::flag::{Flag, Touch, order};
use crate::linearizability::collections::journal::{Act, Journal, NEVER, Op, Slots};
use crate::linearizability::collections::words;
use crate::models::AnomalyType;

/// All that is known of an element, in positions.
#[derive(Clone, Copy)]
struct Element {
    value: u32,
    add_call: u32,
    add_ret: u32,
    remove_call: u32,
    remove_ret: u32,
    /// The first end of a look that found it, and the last beginning; one more, so that 0 is none.
    found_ret: u32,
    found_call: u32,
    /// The last beginning of a look that missed it; one more, so that 0 is none.
    missed_call: u32,
    /// Added or removed more than once.
    again: bool,
    /// A look that missed it lies where it was inside for certain.
    missed_within: bool,
}

impl Element {
    fn new(value: u32) -> Element {
        Element {
            value,
            add_call: NEVER,
            add_ret: NEVER,
            remove_call: NEVER,
            remove_ret: NEVER,
            found_ret: NEVER,
            found_call: 0,
            missed_call: 0,
            again: false,
            missed_within: false,
        }
    }

    fn take_in(&mut self, op: &Op) {
        match op.act {
            Act::Put => {
                self.again |= self.add_call != NEVER;
                (self.add_call, self.add_ret) = (op.call, op.ret);
            }
            Act::Take => {
                self.again |= self.remove_call != NEVER;
                (self.remove_call, self.remove_ret) = (op.call, op.ret);
            }
            Act::Present => {
                self.found_ret = self.found_ret.min(op.ret);
                self.found_call = self.found_call.max(op.call + 1);
            }
            _ => self.missed_call = self.missed_call.max(op.call + 1),
        }
    }

    /// By then it was in.
    fn hi(&self) -> u32 {
        self.add_ret.min(self.found_ret)
    }

    /// One more than where it was not yet out.
    fn lo(&self) -> u32 {
        (self.remove_call + 1).max(self.found_call)
    }

    fn look_within(&mut self, op: &Op) {
        if self.remove_call != NEVER && op.call > self.hi() && op.ret < self.lo() {
            self.missed_within = true;
        }
    }

    fn fine(&self) -> bool {
        if self.add_call == NEVER {
            return self.found_call == 0;
        }
        if self.add_ret == NEVER && self.found_call == 0 {
            return true;
        }
        self.can_stay() || self.can_go()
    }

    fn can_stay(&self) -> bool {
        let removed = if self.remove_ret == NEVER { 0 } else { self.remove_call + 1 };
        let latest = (self.add_call + 1).max(self.missed_call).max(removed);
        latest <= self.hi()
    }

    fn can_go(&self) -> bool {
        if self.remove_call == NEVER || self.missed_within {
            return false;
        }
        let (hi, lo) = (self.hi(), self.lo());
        self.add_call < hi && lo <= self.remove_ret && (lo > hi || self.add_call.max(lo - 1) < hi.min(self.remove_ret))
    }
}

/// Judges every element by itself; whole reads are passed over.
pub(super) fn judge(journal: &Journal<'_>, slots: &mut Slots, found: &mut Found) {
    let mut elements: Vec<Element> = Vec::with_capacity(journal.ops.len() / 4 + 1);
    let mut missed = false;
    for op in journal.ops.iter().filter(|op| op.act != Act::Read) {
        let mut slot = slots.get(op.value);
        if slot == NEVER {
            slot = elements.len() as u32;
            slots.set(op.value, slot);
            elements.push(Element::new(op.value));
        }
        elements[slot as usize].take_in(op);
        missed |= op.act == Act::Absent;
    }
    if missed {
        for op in journal.ops.iter().filter(|op| op.act == Act::Absent) {
            elements[slots.get(op.value) as usize].look_within(op);
        }
    }
    let mut wrong: Vec<u32> = (0..elements.len() as u32).filter(|i| !elements[*i as usize].fine()).collect();
    let again: Vec<u32> = (0..elements.len() as u32).filter(|i| elements[*i as usize].again).collect();
    if !wrong.is_empty() || !again.is_empty() {
        let touches = gather(journal, slots, &elements, &wrong, &again);
        wrong.retain(|i| !elements[*i as usize].again);
        tell(journal, &elements, touches, found);
    }
    for element in &elements {
        slots.set(element.value, NEVER);
    }
}

/// The operations of the elements that are to be looked at closely.
fn gather<'j>(
    journal: &Journal<'j>,
    slots: &Slots,
    elements: &[Element],
    wrong: &[u32],
    again: &[u32],
) -> Vec<(u32, Vec<&'j Op>)> {
    let mut close: Vec<u32> = wrong.iter().chain(again).copied().collect();
    close.sort_unstable();
    close.dedup();
    let mut place = vec![NEVER; elements.len()];
    close.iter().zip(0..).for_each(|(i, p)| place[*i as usize] = p);
    let mut touches: Vec<(u32, Vec<&Op>)> = close.iter().map(|i| (*i, Vec::new())).collect();
    for op in journal.ops.iter().filter(|op| op.act != Act::Read) {
        let p = place[slots.get(op.value) as usize];
        if p != NEVER {
            touches[p as usize].1.push(op);
        }
    }
    touches
}

fn tell(journal: &Journal<'_>, elements: &[Element], touches: Vec<(u32, Vec<&Op>)>, found: &mut Found) {
    for (i, ops) in touches {
        match order(&as_touches(&ops), true) {
            Flag::Fine => {}
            Flag::TooWide => {
                let value = words::value(journal, elements[i as usize].value);
                found.doubts.push(format!("more than 128 operations on {value} were under way at once."));
            }
            Flag::Stuck(last) => {
                let kind = kind(&ops);
                found.add(kind, || wrong(journal, kind, &ops, last));
            }
        }
    }
}

fn as_touches(ops: &[&Op]) -> Vec<Touch> {
    let touch = |op: &&Op| Touch {
        call: op.call,
        ret: op.ret,
        up: matches!(op.act, Act::Put | Act::Present),
        write: matches!(op.act, Act::Put | Act::Take),
    };
    ops.iter().map(touch).collect()
}

fn kind(ops: &[&Op]) -> AnomalyType {
    let has = |act| ops.iter().any(|op| op.act == act);
    let acknowledged = ops.iter().filter(|op| op.act == Act::Put).map(|op| op.ret).min().unwrap_or(NEVER);
    let missed_after = ops.iter().any(|op| op.act == Act::Absent && op.call > acknowledged);
    match (has(Act::Put), has(Act::Take), has(Act::Present)) {
        (false, _, true) => AnomalyType::UnexpectedElement,
        (true, false, false) if missed_after => AnomalyType::LostElement,
        _ => AnomalyType::Nonlinearizable,
    }
}

/// So many looks are tried one by one, whether the proof can do without them.
const TRIED: usize = 200;

/// The last operations that are wrong by themselves, whatever was before them, and without the looks that the proof can
/// do without. Adds and removes stay: that there are no others is part of it. Returns whether they are all there are.
fn fewest<'o>(ops: &[&'o Op], last: usize) -> (Vec<&'o Op>, bool) {
    let end = ops[last].ret;
    let changes = |op: &Op| matches!(op.act, Act::Put | Act::Take);
    let before: Vec<&Op> = ops.iter().copied().filter(|op| op.call <= end && (changes(op) || op.ret <= end)).collect();
    let wrong = |few: &[&Op], whole: bool| order(&as_touches(few), whole) != Flag::Fine;
    let windows = [8, 16, 32, 64, 128].into_iter().filter(|window| *window < before.len());
    let window = |window: usize| {
        let since = before[before.len() - window].call;
        let few: Vec<&Op> = before.iter().copied().filter(|op| op.ret > since).collect();
        wrong(&few, false).then_some(few)
    };
    let local = windows.into_iter().find_map(window);
    let whole = local.is_none();
    let mut few = local.unwrap_or(before);
    for i in (0..few.len()).rev().filter(|_| few.len() <= TRIED).collect::<Vec<_>>() {
        if !changes(few[i]) {
            let mut less = few.clone();
            less.remove(i);
            if wrong(&less, whole) {
                few = less;
            }
        }
    }
    if !few.iter().any(|op| op.act == Act::Put) && whole {
        few.extend(ops.iter().copied().find(|op| op.act == Act::Put));
    }
    (few, whole)
}

/// So many operations are told.
const TOLD: usize = 10;

fn wrong(journal: &Journal<'_>, kind: AnomalyType, ops: &[&Op], last: usize) -> Anomaly {
    let (few, whole) = fewest(ops, last);
    let value = words::value(journal, few[0].value);
    let calls: Vec<u32> = few.iter().map(|op| op.call).collect();
    let looks: Vec<&&Op> = few.iter().filter(|op| matches!(op.act, Act::Present | Act::Absent)).collect();
    let adds: Vec<&&Op> = few.iter().filter(|op| op.act == Act::Put).collect();
    let removes = few.iter().filter(|op| op.act == Act::Take).count();
    let why = match (&looks[..], &adds[..], removes) {
        ([look, ..], [], _) if whole => {
            format!(
                "{}, but no add of {value} took effect: nobody tried, or it failed.",
                words::told(journal, look.call)
            )
        }
        ([look], [add], 0) if look.act == Act::Absent && whole => format!(
            "{}, and this was completed before {} was invoked; nobody ever removed {value}, yet {}.",
            words::told(journal, add.call),
            words::number(journal, look.call),
            words::told(journal, look.call),
        ),
        ([look, ..], [add, ..], _) if look.act == Act::Present && look.ret < add.call && whole => format!(
            "{}, before {} began to add it, and nobody had added it before that.",
            words::told(journal, look.call),
            words::number(journal, add.call),
        ),
        _ => {
            let told: Vec<String> = few.iter().rev().take(TOLD).rev().map(|op| line(journal, op)).collect();
            let more = if few.len() > TOLD {
                format!(" ({} earlier ones are left out here)", few.len() - TOLD)
            } else {
                String::new()
            };
            format!(
                "These operations on {value} cannot be put in any order that gives their answers{}: {}{more}. At the \
                 end of {} there is none left.",
                if whole { "" } else { ", whatever was before them" },
                told.join("; "),
                words::number(journal, ops[last].call),
            )
        }
    };
    words::anomaly(journal, kind, calls, why)
}

/// `process 1 added 5 to x (#3), done before #7`.
fn line(journal: &Journal<'_>, op: &Op) -> String {
    let told = words::told(journal, op.call);
    match op.ret {
        NEVER => format!("{told}, outcome unknown"),
        ret => format!("{told}, completed at {}", journal.event(ret)),
    }
}
