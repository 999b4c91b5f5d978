//! Counters: a read shows what was added, no less and no more.
//!
//! *The value of a read lies between the sum of everything that must be in it and the sum of everything that can be in
//! it.* The bounds are those of Jepsen's counter checker (Kingsbury, `jepsen.checker/counter`), here also for
//! decrements, for which they are the other way round:
//!
//! ```text
//!   |--+1: ok--|                                   must be counted:  1
//!   |--+2------------------------|                 may be counted:   2, 8
//!   |--+4: fail--|                                 cannot be:        4, 16
//!   |--+8: info                                    the read shows at least 1 and at most 1 + 2 + 8 = 11
//!                  |--read--|
//!                              |--+16: ok--|
//! ```
//! A counter that only ever grows has a second rule: a read that began after another one had ended shows no less.
//!
//! # What was decided
//!
//! Counters begin at 0, and nothing there is 0. To add a whole number to a set that is read as a number is to increment
//! it: so other tools write it. Every read outside its bounds is one anomaly. How operations ended is known from the
//! whole history: what failed was never there. ([`crate::counter_bounds`] judges while the history grows.)
//!
//! # What it does not detect
//!
//! A value within its bounds that no subset of the open increments adds up to: with 5 open, 3 is accepted. To decide that
//! is to solve subset sum.

use histories::{EventIndex, Function, History, KeyId, Kind, Payload, Scalar, ValueId};
use rustc_hash::FxHashMap;

use super::{Odd, name, relation, stopped};
use crate::analysis::{Found, Question};
use crate::budget::{Budget, Meter};
use crate::finding::{Anomaly, RelationKind};
use crate::fold::sums::Sums;
use crate::fold::words;
use crate::models::AnomalyType;

/// Looks for reads that no increments explain. Finds [`AnomalyType::OutOfBounds`] and [`AnomalyType::Nonlinearizable`].
pub fn check(history: &History, _: &Question, budget: &Budget<'_>) -> Found {
    let meter = Meter::new(budget);
    let mut counters: Vec<Counter> = Vec::new();
    counters.resize_with(history.key_count(), Counter::default);
    shrinking(history, &mut counters);
    let (mut found, mut odd, mut tally) = (Found::default(), Odd::default(), [0; 2]);
    for event in history.client_events() {
        if let Err(why) = meter.spend(1) {
            return stopped(found, why);
        }
        let kind = history.kind(event);
        let invocation = if kind == Kind::Invoke { Some(event) } else { history.pair_of(event) };
        let Some((invocation, key)) = invocation.and_then(|i| Some((i, history.key(i)?))) else { continue };
        let counter = &mut counters[key.0 as usize];
        match (act(history, invocation), kind, history.outcome(invocation)) {
            (Act::Increment(by), Kind::Invoke, outcome) => {
                tally[0] += 1;
                if outcome != Kind::Fail {
                    counter.possible.add(by);
                }
            }
            (Act::Increment(by), Kind::Ok, _) => counter.acked.add(by),
            (Act::Read, Kind::Invoke, Kind::Ok) => counter.begin(event.0),
            (Act::Read, Kind::Ok, _) => {
                tally[1] += 1;
                match shown(history, history.payload(event)) {
                    Some(value) => counter.end(history, key, invocation.0, event.0, value, &mut found),
                    None => odd.note(invocation.0),
                }
            }
            _ => {}
        }
    }
    odd.doubt(&mut found, "read something that is not a whole number");
    found.checked = [("increments", tally[0]), ("reads", tally[1])].into();
    found
}

enum Act {
    Increment(i64),
    Read,
    Other,
}

fn act(history: &History, event: EventIndex) -> Act {
    match (history.function(event), history.payload(event)) {
        (Function::Increment, Payload::Amount(by)) => Act::Increment(by),
        (Function::Add, Payload::Value(v)) => match history.value(v) {
            Scalar::Int(by) => Act::Increment(*by),
            _ => Act::Other,
        },
        (Function::Read, _) => Act::Read,
        _ => Act::Other,
    }
}

/// What a read shows; `None` for what is no whole number.
fn shown(history: &History, payload: Payload) -> Option<i64> {
    match payload {
        Payload::Value(ValueId::NULL) => Some(0),
        Payload::Value(v) => match history.value(v) {
            Scalar::Int(value) => Some(*value),
            _ => None,
        },
        _ => None,
    }
}

/// Marks the counters that are ever decremented.
fn shrinking(history: &History, counters: &mut [Counter]) {
    for pair in history.operations().filter(|pair| pair.outcome != Kind::Fail) {
        if let (Some(key), Act::Increment(by)) = (history.key(pair.invocation), act(history, pair.invocation)) {
            counters[key.0 as usize].shrinks |= by < 0;
        }
    }
}

/// A read that is open: what was acknowledged when it began, and the highest read that had ended by then.
struct Open {
    acked: Sums,
    highest: Option<(i64, u32)>,
}

#[derive(Default)]
struct Counter {
    shrinks: bool,
    acked: Sums,
    /// Invoked, and did not fail.
    possible: Sums,
    /// The highest value of a read that has ended, and that read.
    highest: Option<(i64, u32)>,
    /// By invocation; as many as there are processes at most.
    open: FxHashMap<u32, Open>,
}

impl Counter {
    fn begin(&mut self, invocation: u32) {
        self.open.insert(invocation, Open { acked: self.acked, highest: self.highest });
    }

    fn end(&mut self, history: &History, key: KeyId, read: u32, ended: u32, value: i64, found: &mut Found) {
        let Some(open) = self.open.remove(&read) else { return };
        let least = open.acked.up + self.possible.down;
        let most = open.acked.down + self.possible.up;
        let shown = i128::from(value);
        if shown < least || shown > most {
            let all = || out_of_bounds(history, key, read, ended, shown, (least, most));
            found.add(AnomalyType::OutOfBounds, all);
        } else if let Some((before, earlier)) = open.highest.filter(|(before, _)| *before > value && !self.shrinks) {
            found.add(AnomalyType::Nonlinearizable, || fell(history, key, (earlier, before), (read, value)));
        }
        if self.highest.is_none_or(|(highest, _)| highest < value) {
            self.highest = Some((value, read));
        }
    }
}

/// Increments named in the evidence of one read.
const NAMED: usize = 8;

fn out_of_bounds(
    history: &History,
    key: KeyId,
    read: u32,
    ended: u32,
    shown: i128,
    (least, most): (i128, i128),
) -> Anomaly {
    let told = words::told(history, read);
    let low = shown < least;
    let counted = counted(history, key, read, ended, low);
    let explanation = if low {
        format!(
            "{told}, but {least} is the least that it can be: what had been acknowledged when the read began makes {least} \
             together with every decrement that may have happened"
        )
    } else {
        format!(
            "{told}, but {most} is the most that it can be: everything that anybody had asked for when the read ended, and \
             that did not fail, makes {most} together with the decrements that had been acknowledged"
        )
    };
    let reason = |op: &u32| match low {
        true => relation(*op, read, RelationKind::Realtime, format!("#{op} was acknowledged before #{read} began")),
        false => relation(*op, read, RelationKind::Realtime, format!("#{op} had been asked for when #{read} ended")),
    };
    let relations = counted.iter().filter(|op| **op < read).map(reason).collect();
    let operations = counted.into_iter().chain([read]).collect();
    Anomaly::new(AnomalyType::OutOfBounds, name(history, key), operations, relations, explanation)
}

/// The last increments that make up the bound.
fn counted(history: &History, key: KeyId, read: u32, ended: u32, low: bool) -> Vec<u32> {
    let counts = |pair: &histories::Pair| {
        let Act::Increment(by) = act(history, pair.invocation) else { return false };
        let acked = pair.outcome == Kind::Ok && pair.completion.is_some_and(|c| c.0 < read);
        let possible = pair.outcome != Kind::Fail && pair.invocation.0 < ended;
        history.key(pair.invocation) == Some(key) && if (by > 0) == low { acked } else { possible }
    };
    let mut last: Vec<u32> =
        history.operations().rev().filter(counts).take(NAMED).map(|pair| pair.invocation.0).collect();
    last.reverse();
    last
}

fn fell(history: &History, key: KeyId, (earlier, before): (u32, i64), (read, value): (u32, i64)) -> Anomaly {
    let explanation = format!(
        "{}, and later {}: nothing is ever taken from this counter, so it cannot have gone from {before} to {value}",
        words::told(history, earlier),
        words::told(history, read)
    );
    let reason = format!("#{earlier} was completed before #{read} was invoked");
    let relations = vec![relation(earlier, read, RelationKind::Realtime, reason)];
    Anomaly::new(AnomalyType::Nonlinearizable, name(history, key), vec![earlier, read], relations, explanation)
}
