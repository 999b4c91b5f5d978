//! Monotonic reads: a session never sees time move backwards.
//!
//! *If read r1 comes before read r2 in a session, then every write that r1 could see, r2 can see.* Terry, Demers,
//! Petersen, Spreitzer, Theimer, Welch: *Session Guarantees for Weakly Consistent Replicated Data* (PDIS 1994),
//! section 3.2. It breaks where a user's requests hop between replicas that lag by different amounts:
//!
//! ```text
//!   n2 (fresh)   [1 2 3]
//!   n3 (stale)   [1 2]
//!
//!   session 7    |--read x, n2 → [1 2 3]--|   |--read x, n3 → [1 2]--|      element 3 had disappeared
//! ```
//!
//! # What was decided
//!
//! Each read is compared with the read of the same key before it in its session (with each of them, where operations
//! of the session overlap). Going back is a step: a session that stays on the stale replica is counted once, and
//! once more when it has been on the fresh one in between. What counts as less depends on the key:
//!
//! - **Lists and sets**: an element that was there is not there. Order is not looked at; Terry's definition has sets of
//!   writes, and replicas that order writes differently are the business of consistent prefix. An element
//!   that anybody was asked to remove may go.
//! - **Registers**: nothing where something was (unless somebody wrote nothing); a version that had been seen, and
//!   then another one, and now the first again, although it was written once; and on a register that one session
//!   alone writes, an older one of its acknowledged writes than was seen.
//! - **Counters** that are only ever incremented: a smaller number.
//!
//! What several *other* sessions saw is never held against a session. Two sessions that see the writes of two others
//! in opposite orders contradict every single order of versions; but neither has seen time move backwards.
//!
//! # What it does not detect
//!
//! Registers with several writers show one version at a time, so a session that is thrown back to a version which
//! it had never seen is not noticed. Reads within one transaction are not compared with one another, nor are different keys.
//! Keys that were updated in two ways (appended to and written), answers that do not fit their key, sets from which the
//! element was removed, and counters that were decremented are not judged.

use histories::{EventIndex, Guarantee, History, KeyId, Kind, Payload, ValueId};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::checker::{About, Checker};
use crate::finding::{Anomaly, Finding, Observed, RelationKind};
use crate::fold::acts::{Act, acts};
use crate::fold::keys::{Answer, KeyKind, Keys, answer};
use crate::fold::marks::Marks;
use crate::fold::past::{Past, Seen};
use crate::fold::sessions::{BySessionAndKey, SessionIndex, Sessions};
use crate::fold::tally::{Headline, Tally, clean, counts, relation};
use crate::fold::versions::{NEVER, Versions};
use crate::fold::words;
use crate::fold::writers::Writers;

/// See the [module](self).
#[derive(Default)]
pub struct MonotonicReads {
    sessions: Sessions,
    keys: Keys,
    versions: Versions,
    writers: Writers,
    past: BySessionAndKey<Past<Look>>,
    /// For a session, a key (as the number of its entry in `past`) and a version: the first read that returned it.
    first_seen: FxHashMap<(u32, ValueId), (u32, u32)>,
    removed: FxHashSet<(KeyId, ValueId)>,
    marks: Marks,
    /// Empty between two events.
    looks: Vec<Learnt>,
    tally: Tally,
    reads: u64,
    compared: u64,
}

/// What a read showed.
#[derive(Clone, Copy)]
struct Look {
    answer: Payload,
    /// Of a register that one session writes: the latest invocation of a write that was seen, and the read that saw it.
    newest: (u32, u32),
    /// This read has gone back: it says nothing about what came before what.
    stale: bool,
}

/// What is to be remembered of a read.
struct Learnt {
    /// The entry of `past`.
    slot: u32,
    look: Look,
    /// Of a register.
    version: Option<ValueId>,
}

/// What a read went back from.
struct Step {
    /// The invocation of the earlier read.
    earlier: u32,
    /// The element or version that disappeared or came back.
    value: Option<ValueId>,
    how: How,
}

#[derive(Clone, Copy)]
enum How {
    Disappeared,
    NothingLeft,
    /// The version was seen by this earlier read too, before the one that was gone back from.
    CameBack {
        first: u32,
    },
    Overwritten,
    Fell,
}

pub(crate) const ABOUT: About = About {
    guarantee: Guarantee::MonotonicReads,
    definition: "If a session reads a key twice, the second read shows everything that the first one showed: a session \
                 never sees time move backwards.",
    source: "Terry, Demers, Petersen, Spreitzer, Theimer, Welch: Session Guarantees for Weakly Consistent Replicated \
             Data (PDIS 1994), section 3.2.",
    anomalies: &[(
        "non-monotonic-read",
        "A read does not show what an earlier read of its session had shown, or shows an older version.",
    )],
    does_not_detect: "A session thrown back to a version of a register that it had never seen, where several sessions \
                      write the register. Reads within one transaction are not compared with one another, nor are \
                      different keys. Counters that are also decremented, and elements that somebody tried to remove, \
                      are not judged.",
    needs: "Sessions that read the same list, set, register or counter more than once.",
};

impl Checker for MonotonicReads {
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
        self.tally.violations()
    }

    fn finish(self: Box<Self>, history: &History) -> Finding {
        let figures = counts([
            ("reads", self.reads),
            ("compared", self.compared),
            ("sessions", self.sessions.len() as u64),
            ("went_back", self.tally.violations()),
        ]);
        let guarantee = Guarantee::MonotonicReads;
        if self.tally.violations() > 0 {
            let what = words::count(self.tally.violations(), "read went back", "reads went back");
            return self.tally.violated(history, guarantee, &what, Headline::Last, figures);
        }
        let reads = words::count(self.reads, "read", "reads");
        if self.compared > 0 {
            let sessions = words::count(self.sessions.len() as u64, "session", "sessions");
            clean(guarantee, Observed::Held, format!("{reads} in {sessions}"), figures)
        } else if self.reads > 0 {
            clean(guarantee, Observed::Unknown, format!("{reads}, and no session read a key twice"), figures)
        } else {
            clean(guarantee, Observed::NotApplicable, "no reads", figures)
        }
    }
}

impl MonotonicReads {
    fn invoke(&mut self, history: &History, event: EventIndex) {
        let session = self.sessions.invoke(history, event);
        self.versions.invoke_some(history, event, Act::sets_register, |_, _| {});
        for (key, act) in acts(history, event) {
            self.keys.note(key, act);
            match act {
                Act::Write(_) | Act::Cas(..) => self.writers.note(key, session),
                Act::Remove(value) => {
                    self.removed.insert((key, value));
                }
                _ => {}
            }
        }
    }

    fn complete(&mut self, history: &History, invocation: EventIndex, event: EventIndex) {
        let session = self.sessions.complete(history, invocation);
        self.versions.complete(history, invocation, event, |_, _| {});
        if history.kind(event) != Kind::Ok {
            return;
        }
        let mut looks = std::mem::take(&mut self.looks);
        for (key, act) in acts(history, event) {
            if let Act::Read(read) = act {
                let seen = Seen { call: invocation.0, ret: event.0, what: read };
                looks.extend(self.read(history, session, key, seen));
            }
        }
        // What one operation reads is compared with what was read before it, and not within itself.
        for Learnt { slot, look, version } in looks.drain(..) {
            if let Some(version) = version {
                self.first_seen.entry((slot, version)).or_insert((event.0, invocation.0));
            }
            let seen = Seen { call: invocation.0, ret: event.0, what: look };
            self.past.at(slot).learn(seen, self.sessions.open(session));
        }
        self.looks = looks;
    }

    /// What is to be remembered of a read, if it can be judged.
    fn read(&mut self, history: &History, session: SessionIndex, key: KeyId, read: Seen<Payload>) -> Option<Learnt> {
        let kind = self.keys.kind(key);
        let now = answer(history, kind, read.what)?;
        if kind == KeyKind::Counter && self.keys.shrinks(key) {
            return None;
        }
        self.reads += 1;
        let (slot, past) = self.past.entry(session, key);
        let mut look = Look { answer: read.what, newest: (0, NEVER), stale: false };
        let mut step = None;
        let mut compared = false;
        let judge = Judge {
            key,
            shrinks: self.keys.shrinks(key),
            removed: &self.removed,
            versions: &self.versions,
            first_seen: &self.first_seen,
            single_writer: self.writers.is_single(key),
            slot,
        };
        for then in past.before(read.call) {
            compared = true;
            if then.what.newest.0 > look.newest.0 {
                look.newest = then.what.newest;
            }
            let Some(earlier) = answer(history, kind, then.what.answer) else { continue };
            step = step.or_else(|| judge.step(earlier, then, now, &mut self.marks));
        }
        let mut shown = None;
        if let Answer::Version(version) = now {
            step = step.or_else(|| judge.overwritten(version, look.newest));
            let repeats = past.before(read.call).any(|then| then.what.stale && then.what.answer == read.what);
            look.stale = repeats || step.is_some();
            step = step.filter(|_| !repeats);
            let written = judge.certain_call(version);
            if written > look.newest.0 {
                look.newest = (written, read.call);
            }
            shown = Some(version);
        }
        self.compared += u64::from(compared);
        if let Some(step) = step {
            self.tally.add(|| step.explain(history, key, read.call));
        }
        Some(Learnt { slot, look, version: shown })
    }
}

/// What is needed to compare two answers.
struct Judge<'a> {
    key: KeyId,
    shrinks: bool,
    removed: &'a FxHashSet<(KeyId, ValueId)>,
    versions: &'a Versions,
    first_seen: &'a FxHashMap<(u32, ValueId), (u32, u32)>,
    single_writer: bool,
    slot: u32,
}

impl Judge<'_> {
    fn step(&self, earlier: Answer<'_>, then: &Seen<Look>, now: Answer<'_>, marks: &mut Marks) -> Option<Step> {
        let step = |value, how| Some(Step { earlier: then.call, value, how });
        match (earlier, now) {
            (Answer::Elements(before), Answer::Elements(after)) => {
                let gone = self.disappeared(before, after, marks)?;
                step(Some(gone), How::Disappeared)
            }
            (Answer::Count(before), Answer::Count(after)) if after < before => step(None, How::Fell),
            (Answer::Version(before), Answer::Version(after)) if before != after => {
                if after == ValueId::NULL {
                    return if self.shrinks { None } else { step(Some(before), How::NothingLeft) };
                }
                let first = self.seen_before(after, then)?;
                step(Some(after), How::CameBack { first })
            }
            _ => None,
        }
    }

    fn disappeared(&self, before: &[ValueId], after: &[ValueId], marks: &mut Marks) -> Option<ValueId> {
        if after.starts_with(before) {
            return None;
        }
        marks.set(after);
        let may_go = |v: ValueId| self.shrinks && self.removed.contains(&(self.key, v));
        before.iter().copied().find(|v| !marks.has(*v) && !may_go(*v))
    }

    /// The read that returned this version before `then` was invoked, if its coming back means anything.
    fn seen_before(&self, version: ValueId, then: &Seen<Look>) -> Option<u32> {
        if then.what.stale {
            return None;
        }
        if self.versions.find(self.key, version).is_some_and(|(_, v)| v.ambiguous || v.possible > 1) {
            return None;
        }
        let (ret, call) = *self.first_seen.get(&(self.slot, version))?;
        (ret < then.call).then_some(call)
    }

    /// Whether this version was acknowledged before the newest write that the session has seen was invoked.
    fn overwritten(&self, version: ValueId, newest: (u32, u32)) -> Option<Step> {
        let (_, written) = self.versions.find(self.key, version)?;
        let known = self.single_writer && version != ValueId::NULL && written.is_certain() && written.acked < newest.0;
        known.then_some(Step { earlier: newest.1, value: Some(version), how: How::Overwritten })
    }

    /// The invocation of the write of this version, where the order of writes is that of their only session.
    fn certain_call(&self, version: ValueId) -> u32 {
        match self.versions.find(self.key, version) {
            Some((_, written)) if self.single_writer && written.is_certain() => written.writer,
            _ => 0,
        }
    }
}

impl Step {
    fn explain(&self, history: &History, key: KeyId, later: u32) -> Anomaly {
        let name = history.key_name(key);
        let value = self.value.map(|v| history.value(v).to_string()).unwrap_or_default();
        let verdict = match self.how {
            How::Disappeared => format!("element {value} had disappeared"),
            How::NothingLeft => format!("version {value} had disappeared"),
            How::CameBack { first } => {
                format!("version {value} came back, which it had already seen replaced after #{first}")
            }
            How::Overwritten => {
                format!("version {value} is older, in the order of the only session that writes {name}")
            }
            How::Fell => "the counter, which is only ever incremented, had fallen".to_owned(),
        };
        let (earlier, who) = (self.earlier, words::who(history, later));
        let (then, now) = (words::did(history, earlier), words::did(history, later));
        let explanation = format!("{who} {then}, and later {now}: {verdict}");
        let mut operations = vec![earlier, later];
        let mut relations = vec![relation(
            earlier,
            later,
            RelationKind::Process,
            format!("{who} completed #{earlier} before it invoked #{later}"),
        )];
        if let How::CameBack { first } = self.how {
            operations.insert(0, first);
            relations.insert(
                0,
                relation(
                    first,
                    earlier,
                    RelationKind::Process,
                    format!("{who} completed #{first} before it invoked #{earlier}"),
                ),
            );
        }
        Anomaly {
            kind: "non-monotonic-read".to_owned(),
            key: Some(name.to_string()),
            operations,
            relations,
            explanation,
        }
    }
}
