//! Counters: increments, and reads of the sum.
//!
//! # Steps of one size
//! Where every increment adds the same amount, one increment is as good as another, and the number of those that took
//! effect is all there is to know. Walk over the events and put off every increment for as long as possible: it takes
//! effect when it is completed, or when a read that ends needs the count to be higher. Of those under way the one that
//! ends first goes first, since it would have had to go first anyway.
//!
//! ```text
//! ix1 |----------|                   At the end of the first read one increment is needed: the upper one, which
//! ix1   |--------------------|       ends first. So the second read may still find 1. It may not if the lower
//! rx      |--1--|                    one has ended before it begins: then both have taken effect.
//! rx                 |--1--|
//! ```
//! The count is never higher than in any other linearization of what happened so far, and what is under way ends never
//! earlier. So a read that *begins* when the count is higher than its answer has no place, and neither has one that
//! *ends* when not enough increments have begun. Exact, and linear but for a heap of the increments under way.
//!
//! # Steps of several sizes
//! Whether some of the increments under way add up to an answer is the problem of subset sums. What is always true is
//! found here: an answer is not below the sum of all that was completed before the read began (and, as far as they are
//! negative, of all that had begun when it ended), not above the sum of all that had begun (as far as they are
//! positive), and where all increments have one sign, a later read is not behind an earlier one. Where no increment ran
//! beside a read, its answer is known exactly. The rest is left to a search.
//!
//! # Decided
//! A counter begins at 0, and reads as `null` or 0 before the first increment. Increments by 0 do nothing.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use histories::{EventIndex, Function, History, Payload, Scalar, ValueId};

use super::journal::{Act, Journal, NEVER, Op, Reading, judge};
use super::{repeats, words};
use crate::analysis::{Found, Question};
use crate::budget::Budget;
use crate::finding::Anomaly;
use crate::fold::words::count;
use crate::models::AnomalyType;

/// Looks at counters: `increment` by any amount, and `read`.
pub fn check(history: &History, _question: &Question, budget: &Budget<'_>) -> Found {
    judge(history, budget, understand, |journal, _, budget| judge_key(journal, budget))
}

fn understand(history: &History, invocation: EventIndex, answer: Option<EventIndex>) -> Reading {
    match (history.function(invocation), answer) {
        (Function::Increment, _) => match history.payload(invocation) {
            Payload::Amount(0) => Reading::Nothing,
            Payload::Amount(_) => Reading::Act(Act::Put, invocation.0),
            _ => Reading::Foreign,
        },
        (Function::Read, None) => Reading::Nothing,
        (Function::Read, Some(answer)) => match history.payload(answer) {
            Payload::Value(value) if number(history, value).is_some() => Reading::Act(Act::Read, answer.0),
            _ => Reading::Foreign,
        },
        _ => Reading::Foreign,
    }
}

fn number(history: &History, value: ValueId) -> Option<i64> {
    match history.value(value) {
        Scalar::Null => Some(0),
        Scalar::Int(n) => Some(*n),
        _ => None,
    }
}

/// What an operation adds, or what it read.
pub(super) fn amount(journal: &Journal<'_>, op: &Op) -> i128 {
    match journal.history.payload(EventIndex(op.value)) {
        Payload::Amount(by) => by.into(),
        Payload::Value(value) => number(journal.history, value).unwrap_or(0).into(),
        _ => 0,
    }
}

fn judge_key(journal: &Journal<'_>, budget: &Budget<'_>) -> Found {
    let mut found = Found::default();
    let mut sizes = journal.ops.iter().filter(|op| op.act == Act::Put).map(|op| amount(journal, op));
    let size = sizes.next().unwrap_or(1);
    if sizes.all(|other| other == size) {
        equal_steps(journal, size, &mut found);
    } else if !bounds(journal, &mut found) && found.groups.is_empty() {
        repeats::judge_counter(journal, budget, &mut found);
    }
    found
}

/// Invocations and completions by position: the place of the operation, twice, and one more for a completion.
fn events(journal: &Journal<'_>) -> Vec<u32> {
    let mut events = vec![NEVER; journal.end() as usize];
    for (i, op) in journal.ops.iter().enumerate() {
        events[op.call as usize] = 2 * i as u32;
        if op.ret != NEVER {
            events[op.ret as usize] = 2 * i as u32 + 1;
        }
    }
    events
}

/// The walk over steps of one size.
struct Walk<'j> {
    journal: &'j Journal<'j>,
    size: i128,
    /// How many increments took effect.
    done: i128,
    /// How many began.
    begun: i128,
    /// Which of them took effect before they were completed.
    early: Vec<bool>,
    /// Those under way, by their ends.
    open: BinaryHeap<Reverse<(u32, u32)>>,
    /// For each read under way, how many had taken effect when it began.
    before: Vec<i128>,
    /// And which read had last needed the count to be higher.
    raised_by: Vec<Option<Op>>,
    /// The read that last needed the count to be higher.
    needed_by: Option<Op>,
}

fn equal_steps(journal: &Journal<'_>, size: i128, found: &mut Found) {
    let mut walk = Walk {
        journal,
        size,
        done: 0,
        begun: 0,
        early: vec![false; journal.ops.len()],
        open: BinaryHeap::new(),
        before: vec![0; journal.ops.len()],
        raised_by: vec![None; journal.ops.len()],
        needed_by: None,
    };
    for event in events(journal) {
        if event != NEVER {
            walk.step((event / 2) as usize, event % 2 == 1, found);
        }
    }
}

impl Walk<'_> {
    fn step(&mut self, i: usize, completed: bool, found: &mut Found) {
        let op = self.journal.ops[i];
        match (op.act, completed) {
            (Act::Put, false) => {
                self.begun += 1;
                self.open.push(Reverse((op.ret, i as u32)));
            }
            (Act::Put, true) => {
                self.done += i128::from(!self.early[i]);
                self.early[i] = true;
            }
            (_, false) => (self.before[i], self.raised_by[i]) = (self.done, self.needed_by),
            (_, true) => self.read(i, &op, found),
        }
    }

    fn read(&mut self, i: usize, op: &Op, found: &mut Found) {
        let answer = amount(self.journal, op);
        let needed = answer / self.size;
        if answer % self.size != 0 || needed < 0 || needed > self.begun {
            found.add(AnomalyType::OutOfBounds, || self.too_far(op, answer));
        } else if needed < self.before[i] {
            found.add(AnomalyType::Nonlinearizable, || self.behind(op, answer, self.raised_by[i]));
        } else {
            self.raise(needed, op);
        }
    }

    fn raise(&mut self, needed: i128, by: &Op) {
        while self.done < needed
            && let Some(Reverse((_, next))) = self.open.pop()
        {
            if !self.early[next as usize] {
                self.early[next as usize] = true;
                self.done += 1;
                self.needed_by = Some(*by);
            }
        }
    }

    fn too_far(&self, read: &Op, answer: i128) -> Anomaly {
        let told = words::told(self.journal, read.call);
        let increments = count(self.begun as u64, "increment", "increments");
        let why = match answer % self.size {
            0 => format!(
                "{told}, but only {increments} by {} had begun when it ended, so it was at most {} steps away from 0.",
                self.size, self.begun
            ),
            _ => format!("{told}, but every increment is by {}: {answer} is no multiple of that.", self.size),
        };
        words::anomaly(self.journal, AnomalyType::OutOfBounds, vec![read.call], why)
    }

    /// A read of less than was certain: from what was acknowledged, or from an earlier read and what came after it.
    fn behind(&self, read: &Op, answer: i128, raised_by: Option<Op>) -> Anomaly {
        let (journal, told) = (self.journal, words::told(self.journal, read.call));
        let acknowledged: Vec<&Op> = journal.ops.iter().filter(|op| op.act == Act::Put && op.ret < read.call).collect();
        let sum = self.size * acknowledged.len() as i128;
        let far = (sum - answer) * self.size.signum() > 0;
        let Some(earlier) = raised_by.filter(|_| !far) else {
            let n = count(acknowledged.len() as u64, "increment was", "increments were");
            let why = format!("{told}, but before it began {n} acknowledged, which is {sum}.");
            return self.less(&acknowledged, None, read, why);
        };
        let since: Vec<&Op> = acknowledged.into_iter().filter(|op| op.call > earlier.ret).collect();
        let first = words::told(journal, earlier.call);
        let number = words::number(journal, read.call);
        let why = match since.len() {
            0 => format!(
                "{first}, and this was completed before {number} was invoked; yet {told}: the counter went back."
            ),
            n => format!(
                "{first}, and between the end of this and the beginning of {number} {} invoked and acknowledged, so \
                 that it was {} at least; yet {told}.",
                count(n as u64, "increment was", "increments were"),
                amount(journal, &earlier) + self.size * n as i128,
            ),
        };
        self.less(&since, Some(earlier.call), read, why)
    }

    fn less(&self, increments: &[&Op], earlier: Option<u32>, read: &Op, why: String) -> Anomaly {
        let shown = increments.iter().rev().take(SHOWN).rev().map(|op| op.call);
        let calls = earlier.into_iter().chain(shown).chain([read.call]).collect();
        words::anomaly(self.journal, AnomalyType::Nonlinearizable, calls, why)
    }
}

/// So many increments are listed.
const SHOWN: usize = 8;

/// The least and the greatest that each read can have found, and reads that go back. Returns whether this is all there
/// is to know.
fn bounds(journal: &Journal<'_>, found: &mut Found) -> bool {
    // The negative and the positive part of what was acknowledged, of what began, and of what each read found
    // acknowledged.
    let (mut acknowledged, mut begun) = ((0i128, 0i128), (0i128, 0i128));
    let mut before = vec![(0i128, 0i128); journal.ops.len()];
    let mut exact = true;
    for event in events(journal).into_iter().filter(|event| *event != NEVER) {
        let (i, completed) = ((event / 2) as usize, event % 2 == 1);
        let op = &journal.ops[i];
        let by = amount(journal, op);
        match (op.act, completed) {
            (Act::Put, false) => add(&mut begun, by),
            (Act::Put, true) => add(&mut acknowledged, by),
            (_, false) => before[i] = acknowledged,
            (_, true) => {
                let (low, high) = (before[i].1 + begun.0, before[i].0 + begun.1);
                exact &= low == high;
                if by < low || by > high {
                    found.add(AnomalyType::OutOfBounds, || outside(journal, op, low, high));
                }
            }
        }
    }
    if begun.0 == 0 || begun.1 == 0 {
        goes_back(journal, if begun.0 == 0 { 1 } else { -1 }, found);
    }
    exact
}

/// Adds to the negative part or to the positive one.
fn add(parts: &mut (i128, i128), by: i128) {
    if by < 0 {
        parts.0 += by;
    } else {
        parts.1 += by;
    }
}

fn outside(journal: &Journal<'_>, read: &Op, low: i128, high: i128) -> Anomaly {
    let told = words::told(journal, read.call);
    let why = format!(
        "{told}, but with what was acknowledged before it began, and what had begun when it ended, the counter was \
         between {low} and {high}."
    );
    let near = journal.ops.iter().filter(|op| op.act == Act::Put && op.call < read.ret).rev().take(SHOWN);
    let calls = near.map(|op| op.call).chain([read.call]).collect();
    words::anomaly(journal, AnomalyType::OutOfBounds, calls, why)
}

fn goes_back(journal: &Journal<'_>, sign: i128, found: &mut Found) {
    let mut furthest: Option<(i128, u32)> = None;
    for event in events(journal).into_iter().filter(|event| *event != NEVER) {
        let op = &journal.ops[(event / 2) as usize];
        if op.act != Act::Read {
            continue;
        }
        let answer = amount(journal, op) * sign;
        if event % 2 == 1 {
            furthest = furthest.max(Some((answer, op.call)));
        } else if let Some((_, first)) = furthest.filter(|(before, _)| *before > answer) {
            found.add(AnomalyType::Nonlinearizable, || {
                let why = format!(
                    "{}, and this was completed before {} was invoked; yet {}: the counter went back.",
                    words::told(journal, first),
                    words::number(journal, op.call),
                    words::told(journal, op.call),
                );
                words::anomaly(journal, AnomalyType::Nonlinearizable, vec![first, op.call], why)
            });
        }
    }
}
