//! Counter bounds: a counter's value is explained by the increments that were acknowledged or may have happened.
//!
//! *The value that is read lies between the sum of what must be in it and the sum of what can be in it.* This is the check
//! of Jepsen's `counter` checker (Kingsbury, `jepsen.checker/counter`), extended to decrements:
//!
//! ```text
//!   |--+1: ok--|                                   must be counted:  1
//!   |--+2------------------------|                 may be counted:   2, 8
//!   |--+4: fail--|                                 cannot be:        4, 16
//!   |--+8: info                                    the read shows at least 1 and at most 1 + 2 + 8 = 11
//!                  |--read--|
//!                              |--+16: ok--|
//! ```
//! An increment that was acknowledged before the read was invoked must be counted; one that was invoked before the
//! read was completed, and neither acknowledged in time nor refused, may be. Of those that may be, positive ones
//! only raise the upper bound, and negative ones only lower the lower one. A final read, when everything has
//! ended, so lies within the acknowledged sum and what ended `info`: each increment is counted exactly once.
//!
//! # What was decided
//!
//! Counters begin at 0; nothing there is 0. An increment that fails after a read was completed while it was open narrows
//! the bounds of that read then. Reads of the same counter that err on the same side one after the other are one anomaly:
//! a lost increment is not reported ten thousand times. All of them are counted as `reads_out_of_bounds`.
//!
//! # What it does not detect
//!
//! A value within its bounds that no subset of the open increments adds up to (with 5 open, 3 is accepted). An increment that is
//! lost while another one that may have happened makes up for it. That two reads contradict each other: see monotonic
//! reads. Keys that are also written are not judged.

use histories::{EventIndex, Guarantee, History, KeyId, Kind};

use crate::checker::{About, Checker};
use crate::finding::{Anomaly, Finding, Observed, RelationKind};
use crate::fold::acts::{Act, acts};
use crate::fold::keys::{Answer, Keys, answer, slot};
use crate::fold::sums::Sums;
use crate::fold::tally::{Headline, Tally, clean, counts, relation};
use crate::fold::words;

/// See the [module](self).
#[derive(Default)]
pub struct CounterBounds {
    keys: Keys,
    counters: Vec<Counter>,
    out_of_bounds: u64,
}

#[derive(Default)]
struct Counter {
    /// Acknowledged increments, in the order of acknowledgement.
    acked: Vec<Ack>,
    /// Everything that was invoked and has not failed.
    possible: Sums,
    /// In the order of completion.
    reads: Vec<Read>,
}

#[derive(Clone, Copy)]
struct Ack {
    call: u32,
    ret: u32,
    /// All that were acknowledged up to here.
    sums: Sums,
}

#[derive(Clone, Copy)]
struct Read {
    call: u32,
    ret: u32,
    shown: i128,
    least: i128,
    most: i128,
}

/// On which side of its bounds a read is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Low,
    Within,
    High,
}

impl Counter {
    fn acked_before(&self, call: u32) -> Option<&Ack> {
        let due = self.acked.partition_point(|ack| ack.ret < call);
        self.acked[..due].last()
    }

    fn acknowledge(&mut self, call: u32, ret: u32, by: i64) {
        let mut sums = self.acked.last().map_or(Sums::default(), |ack| ack.sums);
        sums.add(by);
        self.acked.push(Ack { call, ret, sums });
    }

    /// An increment will never happen. Reads that were completed while it was open reckoned with it. Returns how many
    /// of them are out of bounds now and were not before.
    fn refuse(&mut self, call: u32, by: i64) -> u64 {
        let by = i128::from(by);
        let mut out = 0;
        let reckoned = self.reads.iter_mut().rev().take_while(|read| read.ret > call);
        for read in reckoned {
            let before = read.side();
            if by > 0 {
                read.most -= by;
            } else {
                read.least -= by;
            }
            out += u64::from(before == Side::Within && read.side() != Side::Within);
        }
        if by > 0 {
            self.possible.up -= by;
        } else {
            self.possible.down -= by;
        }
        out
    }

    fn read(&mut self, call: u32, ret: u32, shown: i64) -> Side {
        let acked = self.acked_before(call).map_or(Sums::default(), |ack| ack.sums);
        let (least, most) = (acked.up + self.possible.down, acked.down + self.possible.up);
        let read = Read { call, ret, shown: shown.into(), least, most };
        self.reads.push(read);
        read.side()
    }
}

impl Read {
    fn side(&self) -> Side {
        if self.shown < self.least {
            Side::Low
        } else if self.shown > self.most {
            Side::High
        } else {
            Side::Within
        }
    }
}

pub(crate) const ABOUT: About = About {
    guarantee: Guarantee::CounterBounds,
    definition: "A read of a counter shows at least the sum of the increments that were acknowledged before it was invoked, \
                 and at most the sum of those that were invoked before it was completed and did not fail; \
                 decrements count the other way round.",
    source: "The counter checker of Jepsen (Kingsbury, jepsen.checker/counter), extended to decrements.",
    anomalies: &[
        ("counter-too-low", "A read shows less than what must be counted."),
        ("counter-too-high", "A read shows more than what can be counted."),
    ],
    does_not_detect: "A value within its bounds that no subset of the open increments adds up to. A lost increment that \
                      another one of unknown outcome makes up for. Keys that are also written are not judged.",
    needs: "Increments, and reads of the same keys.",
};

impl Checker for CounterBounds {
    fn about(&self) -> About {
        ABOUT
    }

    fn step(&mut self, history: &History, event: EventIndex) {
        if history.process(event).is_nemesis() {
            return;
        }
        if history.kind(event) == Kind::Invoke {
            self.invoke(history, event);
        } else if let Some(invocation) = history.pair_of(event) {
            self.complete(history, invocation, event);
        }
    }

    fn violations_so_far(&self) -> u64 {
        self.out_of_bounds
    }

    fn finish(mut self: Box<Self>, history: &History) -> Finding {
        let guarantee = Guarantee::CounterBounds;
        let mut tally = Tally::default();
        let (mut reads, mut counters, mut increments) = (0, 0, 0);
        for key in (0..self.counters.len() as u32).map(KeyId) {
            let counter = std::mem::take(&mut self.counters[key.0 as usize]);
            increments += counter.acked.len() as u64;
            reads += counter.reads.len() as u64;
            counters += u64::from(!counter.reads.is_empty());
            let mut side = Side::Within;
            for read in &counter.reads {
                let before = std::mem::replace(&mut side, read.side());
                if side != Side::Within && side != before {
                    tally.add(|| explain(history, key, &counter, read));
                }
            }
        }
        let out = self.out_of_bounds;
        let figures = counts([("reads", reads), ("acknowledged", increments), ("reads_out_of_bounds", out)]);
        if tally.violations() > 0 {
            let what = words::count(out, "read out of bounds", "reads out of bounds");
            return tally.violated(history, guarantee, &what, Headline::Last, figures);
        }
        if reads > 0 {
            let counters = words::count(counters, "counter", "counters");
            let summary = format!("{} of {counters}", words::count(reads, "read", "reads"));
            clean(guarantee, Observed::Held, summary, figures)
        } else if increments > 0 {
            let summary = format!("{}, and no read", words::count(increments, "increment", "increments"));
            clean(guarantee, Observed::Unknown, summary, figures)
        } else {
            clean(guarantee, Observed::NotApplicable, "no counters", figures)
        }
    }
}

impl CounterBounds {
    fn invoke(&mut self, history: &History, event: EventIndex) {
        for (key, act) in acts(history, event) {
            self.keys.note(key, act);
            if let Act::Increment(by) = act {
                slot(&mut self.counters, key.0 as usize).possible.add(by);
            }
        }
    }

    fn complete(&mut self, history: &History, invocation: EventIndex, event: EventIndex) {
        let kind = history.kind(event);
        for (key, act) in acts(history, invocation) {
            let Act::Increment(by) = act else { continue };
            let counter = slot(&mut self.counters, key.0 as usize);
            match kind {
                Kind::Ok => counter.acknowledge(invocation.0, event.0, by),
                Kind::Fail => self.out_of_bounds += counter.refuse(invocation.0, by),
                Kind::Invoke | Kind::Info => {}
            }
        }
        if kind != Kind::Ok {
            return;
        }
        for (key, act) in acts(history, event) {
            let Act::Read(read) = act else { continue };
            if let Some(Answer::Count(shown)) = answer(history, self.keys.kind(key), read) {
                let side = slot(&mut self.counters, key.0 as usize).read(invocation.0, event.0, shown);
                self.out_of_bounds += u64::from(side != Side::Within);
            }
        }
    }
}

fn explain(history: &History, key: KeyId, counter: &Counter, read: &Read) -> Anomaly {
    let last = counter.acked_before(read.call);
    let told = words::told(history, read.call);
    let (kind, verdict) = match read.side() {
        Side::Low => ("counter-too-low", format!("it must be at least {}", read.least)),
        _ => ("counter-too-high", format!("it can be at most {}", read.most)),
    };
    let acked = match last {
        None => "no increment had been acknowledged when it was invoked".to_owned(),
        Some(last) => {
            let n = counter.acked.iter().take_while(|ack| ack.ret < read.call).count() as u64;
            let sum = last.sums.up + last.sums.down;
            let increments = words::count(n, "increment", "increments");
            format!(
                "{increments}, of {sum} in all, had been acknowledged when it was invoked, the last by #{}",
                last.call
            )
        }
    };
    let open = match read.most - read.least {
        0 => "no other could be counted",
        _ => "others could be counted or not",
    };
    let relations = last.map(|last| {
        let reason = format!("#{} was acknowledged before #{} was invoked", last.call, read.call);
        relation(last.call, read.call, RelationKind::Realtime, reason)
    });
    Anomaly {
        kind: kind.to_owned(),
        key: Some(history.key_name(key).to_string()),
        operations: last.map(|last| last.call).into_iter().chain([read.call]).collect(),
        relations: relations.into_iter().collect(),
        explanation: format!("{told}, and {verdict}: {acked}; {open}"),
    }
}
