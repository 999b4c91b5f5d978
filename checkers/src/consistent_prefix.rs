//! Consistent prefix: no read ever shows an answer without its question.
//!
//! *If a sequence of writes happens in a certain order, then anyone reading those writes sees them appear in the same
//! order.* Terry, *Replicated Data Consistency Explained Through Baseball* (CACM 2013), section 3; Kleppmann, *Designing
//! Data-Intensive Applications* (2017), chapter 5, for the story. It breaks where partitions of the data are
//! replicated apart from one another, and where a failover takes back what had been seen:
//!
//! ```text
//!   session 1   |--append q ← 1: ok--|
//!   session 2                            |--read q → [1]--|  |--append a ← 2: ok--|
//!   session 3                                                      |--read q → [], a → [2]--|
//!
//!   the answer a ← 2 is shown, and the question q ← 1, which came first, is not
//! ```
//!
//! # What was decided
//!
//! **Which write comes first?** w1 precedes w2 if w1 was *in effect* when w2 was invoked: acknowledged, or shown by a read
//! that was complete by then. That has in it that a session's writes follow one another, that an answer follows
//! the question that its author had read, and all chains of these; it is an interval order, so one number per
//! write is enough. Writes that overlap are not ordered, whatever lists show of them.
//!
//! **What is a read?** One operation; a transaction that reads several keys shows one state of the store. It must not show w2
//! and miss w1, and a list must not have w2 before w1. What an operation adds itself, and sees at the end of its own list,
//! is not counted as shown.
//!
//! **What is missing?** From a list or a set, an element, unless somebody was asked to remove it. From a register, a
//! write that certainly came after the version shown: that version was in effect when the write was invoked. Nothing
//! misses every write, unless somebody wrote nothing.
//!
//! **Lists that fork**: two reads of a list of which neither is a prefix of the other (`incompatible-order`) cannot both be
//! prefixes of one order. Each new branch is one anomaly.
//!
//! A write that was lost for good is missing from every read that shows a later one: durability says that it is lost, and
//! this guarantee that what came after it is there. It is reported once, by the first read that misses it.
//!
//! # What it does not detect
//!
//! Whether different sessions see different prefixes (see monotonic reads). An operation that reads one register only shows
//! one version, which is always a prefix of something. Orders that follow only from several reads together. Reads of counters,
//! and keys that were updated in two ways. A transaction of which only a part is shown.

use histories::{EventIndex, Guarantee, History, KeyId};

use crate::checker::{About, Checker};
use crate::finding::{Anomaly, Finding, Observed, RelationKind};
use crate::fold::argument::Argument;
use crate::fold::exposure::{Exposed, Exposure, Found, Rule};
use crate::fold::tally::{Headline, Tally, clean, counts, relation};
use crate::fold::versions::VersionId;
use crate::fold::words;
use crate::fold::world::World;

/// See the [module](self).
#[derive(Default)]
pub struct ConsistentPrefix {
    fold: Exposure<InEffect>,
    tally: Tally,
}

/// Whatever was in effect before a write was invoked is required by it.
#[derive(Default)]
struct InEffect;

impl Rule for InEffect {
    const BY_SESSION: bool = false;

    fn requires(&mut self, _: &History, _: &World, _: VersionId, _: VersionId) -> bool {
        true
    }

    fn replaced(&self, _: &World, _: VersionId, _: VersionId) -> bool {
        true
    }

    fn is_test(&self, _: &World, _: KeyId, _: VersionId) -> bool {
        true
    }
}

pub(crate) const ABOUT: About = About {
    guarantee: Guarantee::ConsistentPrefix,
    definition: "No read shows a write while it misses one that came before it. A write comes before another one if it was \
                 acknowledged, or shown by a complete read, when the other one was invoked. The reads of one transaction \
                 show one state.",
    source: "Terry: Replicated Data Consistency Explained Through Baseball (CACM 2013), section 3; Kleppmann: Designing \
             Data-Intensive Applications (2017), chapter 5.",
    anomalies: &[
        ("missing-predecessor", "A read shows a write and misses one that was in effect when it was invoked."),
        ("order-reversed", "A list has a write before one that was in effect when it was invoked."),
        ("incompatible-order", "Two reads of a list, of which neither is a prefix of the other."),
    ],
    does_not_detect: "Different prefixes in different reads (see monotonic-reads). Anything in operations that read one \
                      register only. Orders that follow from several reads together. Counters are not judged.",
    needs: "Reads of lists or sets, or transactions that read several lists, sets or registers.",
};

impl Checker for ConsistentPrefix {
    fn about(&self) -> About {
        ABOUT
    }

    fn step(&mut self, history: &History, event: EventIndex) {
        if history.process(event).is_nemesis() {
            return;
        }
        match self.fold.step(history, event) {
            None => {}
            Some((read, Found::Exposed(exposed))) => {
                let world = &self.fold.world;
                self.tally.add(|| world.expose(history, read, &exposed, argue(history, world, exposed[0])));
            }
            Some((read, Found::Fork { key, earlier })) => self.tally.add(|| fork(history, key, earlier, read)),
        }
    }

    fn violations_so_far(&self) -> u64 {
        self.tally.violations()
    }

    fn finish(self: Box<Self>, history: &History) -> Finding {
        let guarantee = Guarantee::ConsistentPrefix;
        let figures = self.fold.figures;
        let reads = words::count(figures.reads, "read", "reads");
        let by_name = counts([
            ("reads", figures.reads),
            ("exposed_writes", figures.exposed),
            ("violations", self.tally.violations()),
        ]);
        if self.tally.violations() > 0 {
            let what = words::count(self.tally.violations(), "read is no prefix", "reads are no prefixes");
            return self.tally.violated(history, guarantee, &what, Headline::Last, by_name);
        }
        if figures.tested {
            return clean(guarantee, Observed::Held, reads, by_name);
        }
        if figures.reads > 0 {
            return clean(guarantee, Observed::Unknown, format!("{reads}, and none of them shows a write"), by_name);
        }
        clean(guarantee, Observed::NotApplicable, "no reads of lists, sets or several keys", by_name)
    }
}

/// Why one write comes before the other: acknowledged in time, or shown in time.
fn argue(history: &History, world: &World, exposed: Exposed) -> Argument {
    let (first, second) = (world.call(exposed.earlier), world.call(exposed.later));
    let event = EventIndex(world.effective(exposed.earlier));
    let by = history.pair_of(event).map_or(first, |i| i.0);
    let shown = !world.get(exposed.earlier).acked.eq(&event.0);
    let in_time = |op: u32| {
        relation(op, second, RelationKind::Realtime, format!("#{op} was complete when #{second} was invoked"))
    };
    let (because, between, relations) = if shown {
        let read = relation(first, by, RelationKind::Wr, format!("#{by} shows what #{first} wrote"));
        (format!("#{by} had shown #{first} before #{second} was invoked"), vec![by], vec![read, in_time(by)])
    } else {
        (format!("#{first} was acknowledged before #{second} was invoked"), Vec::new(), vec![in_time(first)])
    };
    Argument { kind_missing: "missing-predecessor", kind_late: "order-reversed", because, between, relations }
}

fn fork(history: &History, key: KeyId, earlier: u32, read: u32) -> Anomaly {
    Anomaly {
        kind: "incompatible-order".to_owned(),
        key: Some(history.key_name(key).to_string()),
        operations: vec![earlier, read],
        relations: Vec::new(),
        explanation: format!(
            "{}, and {}: neither list is a prefix of the other",
            words::told(history, earlier),
            words::told(history, read),
        ),
    }
}
