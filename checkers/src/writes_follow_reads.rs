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

use histories::{EventIndex, Guarantee, History, KeyId, Payload, ValueId};
use rustc_hash::FxHashMap;

use crate::checker::{About, Checker};
use crate::finding::{Finding, Observed, RelationKind};
use crate::fold::exposure::{Argument, Exposed, Exposure, Found, Rule};
use crate::fold::keys::{Answer, answer};
use crate::fold::marks::Marks;
use crate::fold::past::Seen;
use crate::fold::sessions::{BySessionAndKey, SessionIndex};
use crate::fold::tally::{Headline, Tally, clean, counts, relation};
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
    /// What a session has read of lists and sets.
    bases: BySessionAndKey<Bases>,
    /// When a session first completed a read of a key that showed anything; 0 for never.
    first: BySessionAndKey<u32>,
    /// The first read of a version of a register by a session: its completion and its invocation.
    versions: FxHashMap<(SessionIndex, KeyId, ValueId), (u32, u32)>,
    marks: Marks,
    /// Which bases are marked: the number of the entry, and of the base within it.
    marked: Option<(u32, u32)>,
}

/// Each base has in it all that was read before, by itself or by the bases that it refers to.
#[derive(Default)]
struct Bases(Vec<Base>);

#[derive(Clone, Copy)]
struct Base {
    /// Completion and invocation of the read.
    ret: u32,
    call: u32,
    list: Payload,
    /// The base that has what this one lacks.
    also: Option<u32>,
    /// How many there are by way of `also`.
    depth: u8,
}

impl Bases {
    const DEPTH: u8 = 8;

    /// The last one that was complete before a moment.
    fn before(&self, call: u32) -> Option<u32> {
        self.0.partition_point(|base| base.ret < call).checked_sub(1).map(|i| i as u32)
    }

    /// A base and those that it refers to.
    fn chain(&self, base: u32) -> impl Iterator<Item = &Base> {
        std::iter::successors(self.0.get(base as usize), |base| self.0.get(base.also? as usize))
    }

    fn learn(&mut self, history: &History, read: Seen<Payload>, shown: &[ValueId], marks: &mut Marks) {
        let new = |also, depth| Base { ret: read.ret, call: read.call, list: read.what, also, depth };
        let Some(last) = self.0.last().copied() else {
            self.0.push(new(None, 0));
            return;
        };
        let known = history.list(last.list);
        if known.starts_with(shown) {
            return;
        }
        if shown.starts_with(known) {
            self.0.push(new(last.also, last.depth));
            return;
        }
        marks.set(shown);
        if known.iter().all(|v| marks.has(*v)) {
            self.0.push(new(last.also, last.depth));
            return;
        }
        marks.set(known);
        if !shown.iter().all(|v| marks.has(*v)) {
            let deep = last.depth >= Self::DEPTH;
            let also = if deep { None } else { Some(self.0.len() as u32 - 1) };
            self.0.push(new(also, if deep { 0 } else { last.depth + 1 }));
        }
    }
}

impl HadRead {
    fn note_first(&mut self, session: SessionIndex, key: KeyId, ret: u32) {
        let (_, first) = self.first.entry(session, key);
        if *first == 0 {
            *first = ret;
        }
    }

    /// The read by which the author of `later` knew `earlier` before it invoked it, as completion and invocation.
    fn read_of(&self, history: &History, world: &World, earlier: VersionId, later: VersionId) -> Option<(u32, u32)> {
        let (author, call) = (world.author(later)?, world.call(later));
        let version = world.get(earlier);
        if let Some(read) = self.versions.get(&(author, version.key, version.value)) {
            return (read.0 < call).then_some(*read);
        }
        let bases = self.bases.get(author, version.key)?;
        let has = |base: &&Base| base.ret < call && history.list(base.list).contains(&version.value);
        bases.0.iter().find(has).map(|base| (base.ret, base.call))
    }
}

impl Rule for HadRead {
    const BY_SESSION: bool = true;

    fn requires(&mut self, history: &History, world: &World, earlier: VersionId, later: VersionId) -> bool {
        let Some(author) = world.author(later) else { return false };
        let (call, version) = (world.call(later), world.get(earlier));
        if let Some((ret, _)) = self.versions.get(&(author, version.key, version.value)) {
            return *ret < call;
        }
        let Some((slot, bases)) = self.bases.get_with_slot(author, version.key) else { return false };
        let Some(base) = bases.before(call) else { return false };
        if self.marked != Some((slot, base)) {
            self.marks.clear();
            for base in bases.chain(base) {
                history.list(base.list).iter().for_each(|v| {
                    self.marks.mark(*v);
                });
            }
            self.marked = Some((slot, base));
        }
        self.marks.has(version.value)
    }

    fn replaced(&self, world: &World, shown: VersionId, other: VersionId) -> bool {
        world.writers.is_single(world.get(shown).key) && world.get(shown).acked < world.call(other)
    }

    fn is_test(&self, world: &World, key: KeyId, later: VersionId) -> bool {
        let first = world.author(later).and_then(|author| self.first.get(author, key));
        first.is_some_and(|first| *first < world.call(later))
    }

    fn learn(&mut self, history: &History, world: &World, session: SessionIndex, key: KeyId, read: Seen<Payload>) {
        match answer(history, world.keys.kind(key), read.what) {
            Some(Answer::Elements(shown)) if !shown.is_empty() => {
                self.marked = None;
                self.note_first(session, key, read.ret);
                let (_, bases) = self.bases.entry(session, key);
                bases.learn(history, read, shown, &mut self.marks);
            }
            Some(Answer::Version(version)) if version != ValueId::NULL => {
                self.note_first(session, key, read.ret);
                self.versions.entry((session, key, version)).or_insert((read.ret, read.call));
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
        let guarantee = Guarantee::WritesFollowReads;
        let figures = self.fold.figures;
        let by_name = counts([
            ("reads", figures.reads),
            ("tests", figures.tests),
            ("writes", figures.writes),
            ("exposed_writes", figures.exposed),
        ]);
        if self.tally.violations() > 0 {
            let what = words::count(
                self.tally.violations(),
                "read shows a write without what its author had read",
                "reads show writes without what their authors had read",
            );
            return self.tally.violated(history, guarantee, &what, Headline::Last, by_name);
        }
        let (reads, writes) =
            (words::count(figures.reads, "read", "reads"), words::count(figures.writes, "write", "writes"));
        if figures.tests > 0 {
            let sessions = words::count(self.fold.world.sessions.len() as u64, "session", "sessions");
            clean(guarantee, Observed::Held, format!("{writes} in {sessions}, {reads}"), by_name)
        } else if figures.reads > 0 && figures.writes > 0 {
            let summary = format!("{writes} and {reads}, but no read shows a write that followed a read");
            clean(guarantee, Observed::Unknown, summary, by_name)
        } else {
            clean(guarantee, Observed::NotApplicable, "no writes and reads of lists, sets or several keys", by_name)
        }
    }
}

fn argue(history: &History, world: &World, rule: &HadRead, exposed: Exposed) -> Argument {
    let (first, second) = (world.call(exposed.earlier), world.call(exposed.later));
    let who = words::who(history, second);
    let (_, read) = rule.read_of(history, world, exposed.earlier, exposed.later).unwrap_or((0, first));
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
