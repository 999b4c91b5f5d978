//! Monotonic writes: the writes of a session take effect in the order of the session, everywhere.
//!
//! *If write w1 comes before write w2 in a session, then every state that has w2 has w1, and before it.* Terry, Demers,
//! Petersen, Spreitzer, Theimer, Welch: *Session Guarantees for Weakly Consistent Replicated Data* (PDIS 1994), section
//! 3.4. It breaks where a session's writes go through different replicas:
//!
//! ```text
//!   session 7    |--append x ← 1, n1: ok--|  |--append x ← 2, n2: ok--|
//!   session 8                                                             |--read x, n2 → [2]--|
//! ```
//!
//! # What was decided
//!
//! w1 comes before w2 in a session if it was *acknowledged* before w2 was invoked. A write of unknown outcome may still
//! be under way, and may take effect after later ones of its session: that is no broken promise. It counts as
//! the later one of the two, once a read shows it.
//!
//! States are known by what reads show. A read breaks the guarantee if it shows w2 and misses w1, or if a list has w2
//! before w1. An operation that reads several keys shows one state: w1 and w2 may be writes to different
//! keys. A register misses w1 if it shows an older write of the same session, or nothing (unless somebody wrote nothing).
//! A write that was reported missing is not reported again.
//!
//! # What it does not detect
//!
//! The order of writes to one register, of which reads show only the last; whether a session's writes to
//! different keys, which no operation reads together, are in order; values that two operations may have written; elements
//! that somebody was asked to remove; counters; keys that were updated in two ways.

use histories::{EventIndex, Guarantee, History, KeyId};

use crate::checker::{About, Checker};
use crate::finding::{Finding, RelationKind};
use crate::fold::argument::Argument;
use crate::fold::exposure::{Exposed, Exposure, Found, Rule, Told};
use crate::fold::sessions::{BySessionAndKey, SessionIndex};
use crate::fold::tally::{Tally, relation};
use crate::fold::versions::VersionId;
use crate::fold::words;
use crate::fold::world::World;

/// See the [module](self).
#[derive(Default)]
pub struct MonotonicWrites {
    fold: Exposure<SameSession>,
    tally: Tally,
}

/// A session's later write requires its earlier ones.
#[derive(Default)]
struct SameSession {
    /// When a session's first write to a key was acknowledged; 0 for never.
    first: BySessionAndKey<u32>,
}

impl Rule for SameSession {
    const BY_SESSION: bool = true;

    fn requires(&mut self, _: &History, world: &World, earlier: VersionId, later: VersionId) -> bool {
        same_session(world, earlier, later)
    }

    fn replaced(&self, world: &World, shown: VersionId, other: VersionId) -> bool {
        same_session(world, shown, other)
    }

    fn is_test(&self, world: &World, key: KeyId, later: VersionId) -> bool {
        let first = world.author(later).and_then(|author| self.first.get(author, key));
        first.is_some_and(|first| *first < world.call(later))
    }

    fn wrote(&mut self, session: SessionIndex, key: KeyId, ret: u32) {
        let (_, first) = self.first.entry(session, key);
        if *first == 0 {
            *first = ret;
        }
    }
}

/// Whether one session wrote both, and was acknowledged the earlier one before it invoked the later one.
fn same_session(world: &World, earlier: VersionId, later: VersionId) -> bool {
    let author = world.author(later);
    author.is_some() && author == world.author(earlier) && world.get(earlier).acked < world.call(later)
}

pub(crate) const ABOUT: About = About {
    guarantee: Guarantee::MonotonicWrites,
    definition: "Wherever a write of a session is shown, every write that the same session was acknowledged before it \
                 invoked it is shown too, and before it.",
    source: "Terry, Demers, Petersen, Spreitzer, Theimer, Welch: Session Guarantees for Weakly Consistent Replicated \
             Data (PDIS 1994), section 3.4.",
    anomalies: &[
        (
            "later-write-without-earlier",
            "A read shows a write of a session and misses one that the session had been acknowledged before.",
        ),
        ("writes-reversed", "A list has a session's later write before its earlier one."),
    ],
    does_not_detect: "The order of writes to one register, of which reads show only the last. Writes to different keys that \
                      no operation reads together. Writes of unknown outcome that take effect after later ones of their \
                      session. Counters, and elements that somebody tried to remove, are not judged.",
    needs: "Sessions that append or add to the same list or set more than once, or write several keys that are read together.",
};

impl Checker for MonotonicWrites {
    fn about(&self) -> About {
        ABOUT
    }

    fn step(&mut self, history: &History, event: EventIndex) {
        if history.process(event).is_nemesis() {
            return;
        }
        if let Some((read, Found::Exposed(exposed))) = self.fold.step(history, event) {
            let world = &self.fold.world;
            self.tally.add(|| world.expose(history, read, &exposed, argue(history, world, exposed[0])));
        }
    }

    fn violations_so_far(&self) -> u64 {
        self.tally.violations()
    }

    fn finish(self: Box<Self>, history: &History) -> Finding {
        let told = Told {
            guarantee: Guarantee::MonotonicWrites,
            one: "read shows writes out of their session's order",
            many: "reads show writes out of their session's order",
            untested: "no read shows two writes of a session",
        };
        self.fold.conclude(history, self.tally, told)
    }
}

fn argue(history: &History, world: &World, exposed: Exposed) -> Argument {
    let (first, second) = (world.call(exposed.earlier), world.call(exposed.later));
    let who = words::who(history, second);
    Argument {
        kind_missing: "later-write-without-earlier",
        kind_late: "writes-reversed",
        because: format!("#{first} was acknowledged to {who} before it invoked #{second}"),
        between: Vec::new(),
        relations: vec![relation(
            first,
            second,
            RelationKind::Process,
            format!("both are writes of {who}, in this order"),
        )],
    }
}
