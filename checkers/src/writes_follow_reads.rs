//! Writes follow reads: a write that follows a read is ordered after what was read.
//!
//! *If read r comes before write w2 in a session, then every state that has w2 has every write w1 that r showed, and before
//! w2.* Terry, Demers, Petersen, Spreitzer, Theimer, Welch: *Session Guarantees for Weakly Consistent Replicated
//! Data* (PDIS 1994), section 3.3. It is what keeps an answer behind its question:
//!
//! ```text
//!   session 1   |--append q ← 1: ok--|
//!   session 2                            |--read q → [1]--|  |--append a ← 2: ok--|
//!   session 3                                                      |--read q → [], a → [2]--|
//! ```
//!
//! # What was decided
//!
//! r comes before w2 if it was complete before w2 was invoked; both may be parts of transactions, and what a transaction
//! reads is not required by what it writes itself. Everything that the session had read until then is required, not
//! only the last read of each key. Both writes may be of unknown outcome: reads have shown them.
//!
//! States are known by what reads show. A read breaks the guarantee if it shows w2 and misses w1, or if a list has w2
//! before w1. An operation that reads several keys shows one state: the question and its answer may stand in different
//! keys. A register misses w1 if it shows nothing (unless somebody wrote nothing), or, where one session alone writes it, a write
//! that this session was acknowledged before it invoked w1. A write that was reported missing is not reported again.
//!
//! # What it does not detect
//!
//! The order of writes to one register, of which reads show only the last; on registers of several writers, any version
//! but nothing; a question and an answer that no operation reads together; answers that two operations may
//! have written; elements that somebody was asked to remove; counters; keys that were updated in two ways. Of a session whose reads of a key
//! contradicted one another more than eight times, the oldest branches are forgotten.

use std::num::NonZeroU32;

use histories::{EventIndex, Guarantee, History, KeyId, Payload, ValueId};

use crate::checker::{About, Checker};
use crate::finding::{Finding, RelationKind};
use crate::fold::argument::Argument;
use crate::fold::exposure::{Exposed, Exposure, Found, Rule, Told};
use crate::fold::keys::{Answer, answer};
use crate::fold::marks::Marks;
use crate::fold::past::Seen;
use crate::fold::sessions::{BySessionAndKey, SessionIndex};
use crate::fold::tally::{Tally, relation};
use crate::fold::versions::VersionId;
use crate::fold::words;
use crate::fold::world::World;

/// See the [module](self).
#[derive(Default)]
pub struct WritesFollowReads {
    fold: Exposure<HadRead>,
    tally: Tally,
}

/// A session's write requires what the session had read.
#[derive(Default)]
struct HadRead {
    reads: BySessionAndKey<Reads>,
    /// Reads of lists and sets that were followed by others of the same session and key.
    bases: Vec<Base>,
    /// Reads of registers that showed another version than the one before.
    versions: Vec<Version>,
    marks: Marks,
    /// The completion of the read whose base is marked, and its key.
    marked: Option<(u32, u32)>,
}

/// What a session has read of a key.
#[derive(Default)]
struct Reads {
    /// The last read of a list or a set that showed anything new.
    base: Option<Base>,
    /// The index of the last version of a register.
    version: Option<NonZeroU32>,
    /// The first read that showed anything.
    first: Option<NonZeroU32>,
}

/// A read. It has in it all that its session had read of the key before, by itself or by those that it refers to.
#[derive(Clone, Copy)]
struct Base {
    /// Completion and invocation of the read.
    ret: u32,
    call: u32,
    list: Payload,
    /// The base of the same session and key before this one.
    before: Option<NonZeroU32>,
    /// The base that has what this one lacks.
    also: Option<NonZeroU32>,
    /// How many there are by way of `also`.
    depth: u8,
}

#[derive(Clone, Copy)]
struct Version {
    value: ValueId,
    ret: u32,
    call: u32,
    before: Option<NonZeroU32>,
}

/// An entry of a table, by its index.
fn at<T: Copy>(table: &[T], index: Option<NonZeroU32>) -> Option<T> {
    Some(table[index?.get() as usize - 1])
}

/// The index of the entry that will be pushed next.
fn next<T>(table: &[T]) -> Option<NonZeroU32> {
    NonZeroU32::new(table.len() as u32 + 1)
}

impl HadRead {
    /// More bases than this are not held together: of what contradicted itself so often, the oldest is forgotten.
    const DEPTH: u8 = 8;

    #[inline]
    fn learn_elements(&mut self, history: &History, slot: u32, read: Seen<Payload>, shown: &[ValueId]) {
        let last = self.reads.at(slot).base;
        let next = next(&self.bases);
        let (also, depth) = match last {
            None => (None, 0),
            Some(last) => {
                let known = history.list(last.list);
                if known.starts_with(shown) {
                    return;
                }
                if shown.starts_with(known) || self.has_all(shown, known) {
                    (last.also, last.depth)
                } else if self.has_all(known, shown) {
                    return;
                } else if last.depth < Self::DEPTH {
                    (next, last.depth + 1)
                } else {
                    (None, 0)
                }
            }
        };
        let before = last.and(next);
        self.bases.extend(last);
        self.reads.at(slot).base = Some(Base { ret: read.ret, call: read.call, list: read.what, before, also, depth });
    }

    fn has_all(&mut self, list: &[ValueId], of: &[ValueId]) -> bool {
        self.marked = None;
        self.marks.set(list);
        of.iter().all(|v| self.marks.has(*v))
    }

    fn learn_version(&mut self, slot: u32, read: Seen<Payload>, value: ValueId) {
        let before = self.reads.at(slot).version;
        if at(&self.versions, before).is_none_or(|last| last.value != value) {
            self.reads.at(slot).version = next(&self.versions);
            self.versions.push(Version { value, ret: read.ret, call: read.call, before });
        }
    }

    /// The first read of a version of a register before `call`. Reads before the version was written need not be looked at.
    fn first_of_version(&self, reads: &Reads, value: ValueId, written: u32, call: u32) -> Option<u32> {
        let all = std::iter::successors(at(&self.versions, reads.version), |v| at(&self.versions, v.before));
        let since = all.take_while(|v| v.ret > written);
        since.filter(|v| v.value == value && v.ret < call).last().map(|v| v.call)
    }

    /// The bases that were complete before a moment, the last one first.
    fn bases_before(&self, reads: &Reads, call: u32) -> impl Iterator<Item = Base> {
        let all = std::iter::successors(reads.base, |base| at(&self.bases, base.before));
        all.filter(move |base| base.ret < call)
    }

    /// The read by which the author of `later` knew `earlier` before it invoked it.
    fn read_of(&self, history: &History, world: &World, earlier: VersionId, later: VersionId) -> Option<u32> {
        let (author, call, earlier) = (world.author(later)?, world.call(later), world.get(earlier));
        let reads = self.reads.get(author, earlier.key)?;
        if let Some(read) = self.first_of_version(reads, earlier.value, earlier.writer, call) {
            return Some(read);
        }
        let has = |base: &Base| history.list(base.list).contains(&earlier.value);
        self.bases_before(reads, call).filter(has).last().map(|base| base.call)
    }
}

impl Rule for HadRead {
    const BY_SESSION: bool = true;

    fn requires(&mut self, history: &History, world: &World, earlier: VersionId, later: VersionId) -> bool {
        let (call, version) = (world.call(later), world.get(earlier));
        let Some(reads) = world.author(later).and_then(|author| self.reads.get(author, version.key)) else {
            return false;
        };
        if self.first_of_version(reads, version.value, version.writer, call).is_some() {
            return true;
        }
        let Some(base) = self.bases_before(reads, call).next() else { return false };
        if self.marked != Some((base.ret, version.key.0)) {
            self.marks.clear();
            for base in std::iter::successors(Some(base), |base| at(&self.bases, base.also)) {
                for value in history.list(base.list) {
                    self.marks.mark(*value);
                }
            }
            self.marked = Some((base.ret, version.key.0));
        }
        self.marks.has(version.value)
    }

    fn replaced(&self, world: &World, shown: VersionId, other: VersionId) -> bool {
        world.writers.is_single(world.get(shown).key) && world.get(shown).acked < world.call(other)
    }

    fn is_test(&self, world: &World, key: KeyId, later: VersionId) -> bool {
        let reads = world.author(later).and_then(|author| self.reads.get(author, key));
        reads.and_then(|reads| reads.first).is_some_and(|first| first.get() < world.call(later))
    }

    #[inline]
    fn learn(&mut self, history: &History, world: &World, session: SessionIndex, key: KeyId, read: Seen<Payload>) {
        let Some(answer) = answer(history, world.keys.kind(key), read.what) else { return };
        let (slot, reads) = self.reads.entry(session, key);
        match answer {
            Answer::Elements(shown) if !shown.is_empty() => {
                reads.first = reads.first.or(NonZeroU32::new(read.ret));
                self.learn_elements(history, slot, read, shown);
            }
            Answer::Version(version) if version != ValueId::NULL => {
                reads.first = reads.first.or(NonZeroU32::new(read.ret));
                self.learn_version(slot, read, version);
            }
            _ => {}
        }
    }
}

pub(crate) const ABOUT: About = About {
    guarantee: Guarantee::WritesFollowReads,
    definition: "Wherever a write of a session is shown, every write that the session had read before it invoked it is shown \
                 too, and before it.",
    source: "Terry, Demers, Petersen, Spreitzer, Theimer, Welch: Session Guarantees for Weakly Consistent Replicated \
             Data (PDIS 1994), section 3.3.",
    anomalies: &[
        ("write-without-what-was-read", "A read shows a write and misses one that its author had read before."),
        ("write-before-what-was-read", "A list has a write before one that its author had read."),
    ],
    does_not_detect: "The order of writes to one register, of which reads show only the last; on registers of several writers, \
                      any version but nothing. Writes to different keys that no operation reads together. What a \
                      transaction reads is not required by what it writes itself. Counters, and elements that somebody tried to \
                      remove, are not judged.",
    needs: "Sessions that read a list or set and then append or add to it, or write another key that is read together with it.",
};

impl Checker for WritesFollowReads {
    fn about(&self) -> About {
        ABOUT
    }

    fn step(&mut self, history: &History, event: EventIndex) {
        if history.process(event).is_nemesis() {
            return;
        }
        if let Some((read, Found::Exposed(exposed))) = self.fold.step(history, event) {
            let (world, rule) = (&self.fold.world, &self.fold.rule);
            self.tally.add(|| world.expose(history, read, &exposed, argue(history, world, rule, exposed[0])));
        }
    }

    fn violations_so_far(&self) -> u64 {
        self.tally.violations()
    }

    fn finish(self: Box<Self>, history: &History) -> Finding {
        let told = Told {
            guarantee: Guarantee::WritesFollowReads,
            one: "read shows a write without what its author had read",
            many: "reads show writes without what their authors had read",
            untested: "no read shows a write that followed a read",
        };
        self.fold.conclude(history, self.tally, told)
    }
}

fn argue(history: &History, world: &World, rule: &HadRead, exposed: Exposed) -> Argument {
    let (first, second) = (world.call(exposed.earlier), world.call(exposed.later));
    let who = words::who(history, second);
    let read = rule.read_of(history, world, exposed.earlier, exposed.later).unwrap_or(first);
    Argument {
        kind_missing: "write-without-what-was-read",
        kind_late: "write-before-what-was-read",
        because: format!("{who} had read it (#{read}) before it invoked #{second}"),
        between: vec![read],
        relations: vec![
            relation(first, read, RelationKind::Wr, format!("#{read} shows what #{first} wrote")),
            relation(
                read,
                second,
                RelationKind::Process,
                format!("{who} completed #{read} before it invoked #{second}"),
            ),
        ],
    }
}
