//! Read your writes: a session sees its own acknowledged writes.
//!
//! *If read r follows write w in a session, then w is among the writes that r can see.* Terry, Demers, Petersen,
//! Spreitzer, Theimer, Welch: *Session Guarantees for Weakly Consistent Replicated Data* (PDIS 1994), section 3.1. It
//! breaks where a user writes to the leader and reads from a replica that lags:
//!
//! ```text
//!   session 7    |--append x ← 3, n1: ok--|   |--read x, n3 → [1 2]--|      its own element 3 is missing
//! ```
//!
//! # What was decided
//!
//! A write counts from its acknowledgement on, for reads of its key that its session invokes afterwards. One anomaly
//! is one read that misses a write which no read was reported to miss before: a lost write is reported once, not at
//! every later read.
//!
//! - **Lists and sets**: the element is missing. Elements that anybody was asked to remove are left out.
//! - **Registers** show one version only, and another one is no proof: somebody may have overwritten the session's. It
//!   is proof where the version is one that the session itself knows to be older than its write: nothing at all
//!   (unless somebody wrote nothing), a write of its own that was acknowledged before, a version that it read
//!   before, or the one that its compare-and-set replaced.
//! - **Counters** that are only ever incremented: a number below the sum of the session's own increments.
//!
//! ```text
//!   session 7    |--read x → 1--|  |--write x ← 2: ok--|  |--read x → 1--|     it knows 1 to be older than its 2
//! ```
//! Strictly, the last example could also be a store that ordered 2 before 1, and so broke *monotonic writes* or
//! *writes follow reads*. Its user does not see his own write, and that is what this guarantee is about.
//!
//! # What it does not detect
//!
//! A register that shows the version of another session, older than the session's own write but never seen by it. A
//! counter that lacks the session's increments but has enough of others. Writes that ended `info`. Reads
//! inside the transaction that wrote. Keys that were updated in two ways, and counters that were decremented.

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
use crate::fold::versions::Versions;
use crate::fold::words;

/// See the [module](self).
#[derive(Default)]
pub struct ReadYourWrites {
    sessions: Sessions,
    keys: Keys,
    versions: Versions,
    elements: BySessionAndKey<OwnElements>,
    registers: BySessionAndKey<Past<OwnVersion>>,
    /// The session that was asked last to write a version of a register, by number of the version.
    authors: Vec<SessionIndex>,
    /// For a session, a key (as the number of its entry in `registers`) and a version: when the session first read or
    /// replaced it, and by which operation.
    known: FxHashMap<(u32, ValueId), (u32, u32)>,
    /// The last stale version reported for an entry of `registers`, and the write that it missed.
    reported: FxHashMap<u32, (ValueId, u32)>,
    counters: BySessionAndKey<OwnIncrements>,
    removed: FxHashSet<(KeyId, ValueId)>,
    marks: Marks,
    tally: Tally,
    reads: u64,
    writes: u64,
    missed: u64,
}

/// The elements that a session added to a key, in the order of acknowledgement, without those reported as missed.
#[derive(Default)]
struct OwnElements {
    own: Vec<Own>,
    /// So many of them are in `witness`.
    checked: usize,
    witness: Option<Payload>,
}

#[derive(Clone, Copy)]
struct Own {
    value: ValueId,
    call: u32,
    ret: u32,
}

#[derive(Clone, Copy)]
struct OwnVersion {
    value: ValueId,
    /// What a compare-and-set replaced.
    replaced: Option<ValueId>,
}

/// The running sum of a session's acknowledged increments of a key.
#[derive(Default)]
struct OwnIncrements {
    /// Completion, invocation, and the sum up to here.
    sums: Vec<(u32, u32, i64)>,
    /// The sum that a read was last reported to miss.
    reported: i64,
}

pub(crate) const ABOUT: About = About {
    guarantee: Guarantee::ReadYourWrites,
    definition: "A read shows every write of the same session and key that was acknowledged before the read was invoked.",
    source: "Terry, Demers, Petersen, Spreitzer, Theimer, Welch: Session Guarantees for Weakly Consistent Replicated \
             Data (PDIS 1994), section 3.1.",
    anomalies: &[(
        "read-misses-own-write",
        "A read does not show a write of its own session that had been acknowledged, or shows an older version.",
    )],
    does_not_detect: "A register that shows a version of another session which is older than the session's own write but \
                      was never seen by it. A counter that lacks the session's increments but has enough of others. \
                      Reads inside the transaction that wrote. Counters that are also decremented, and elements that \
                      somebody tried to remove, are not judged.",
    needs: "Sessions that write a list, set, register or counter and read it afterwards.",
};

impl Checker for ReadYourWrites {
    fn about(&self) -> About {
        ABOUT
    }

    fn step(&mut self, history: &History, event: EventIndex) {
        if history.process(event).is_nemesis() {
            return;
        }
        if history.kind(event) == Kind::Invoke {
            let session = self.sessions.invoke(history, event);
            let authors = &mut self.authors;
            self.versions.invoke_some(history, event, Act::sets_register, |id, _| {
                if id.0 as usize == authors.len() {
                    authors.push(session);
                } else {
                    authors[id.0 as usize] = session;
                }
            });
            for (key, act) in acts(history, event) {
                self.keys.note(key, act);
                if let Act::Remove(value) = act {
                    self.removed.insert((key, value));
                }
            }
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
            ("own_writes", self.writes),
            ("missed_writes", self.missed),
            ("sessions", self.sessions.len() as u64),
        ]);
        let guarantee = Guarantee::ReadYourWrites;
        let violations = self.tally.violations();
        if violations > 0 {
            let what = words::count(violations, "read missed own writes", "reads missed own writes");
            return self.tally.violated(history, guarantee, &what, Headline::Last, figures);
        }
        if self.reads > 0 {
            let sessions = words::count(self.sessions.len() as u64, "session", "sessions");
            let reads = words::count(self.reads, "read after own writes", "reads after own writes");
            clean(guarantee, Observed::Held, format!("{reads} in {sessions}"), figures)
        } else if self.writes > 0 && !self.has_order(history) {
            clean(guarantee, Observed::NotApplicable, "only counters that are also decremented", figures)
        } else if self.writes > 0 {
            let writes = words::count(self.writes, "acknowledged write", "acknowledged writes");
            let summary = format!("{writes}, and no session read what it had written");
            clean(guarantee, Observed::Unknown, summary, figures)
        } else {
            clean(guarantee, Observed::NotApplicable, "no acknowledged writes", figures)
        }
    }
}

/// What a read missed of its own session's writes.
struct Missed {
    writes: Vec<u32>,
    what: String,
    /// The operation by which the session knew the version to be older.
    because: Option<(u32, String)>,
}

impl ReadYourWrites {
    /// Whether any key shows by its values which writes a read knows of.
    fn has_order(&self, history: &History) -> bool {
        (0..history.key_count() as u32).map(KeyId).any(|key| match self.keys.kind(key) {
            KeyKind::Counter => !self.keys.shrinks(key),
            KeyKind::List | KeyKind::Set | KeyKind::Register => true,
            KeyKind::Unknown | KeyKind::Mixed => false,
        })
    }

    fn complete(&mut self, history: &History, invocation: EventIndex, event: EventIndex) {
        let session = self.sessions.complete(history, invocation);
        self.versions.complete(history, invocation, event, |_, _| {});
        if history.kind(event) != Kind::Ok {
            return;
        }
        // The reads of a transaction come before its own writes, which are no concern of theirs.
        for (key, act) in acts(history, event) {
            if let Act::Read(read) = act {
                self.read(history, session, key, Seen { call: invocation.0, ret: event.0, what: read });
            }
        }
        for (key, act) in acts(history, invocation) {
            self.wrote(session, key, act, invocation.0, event.0);
        }
    }

    fn wrote(&mut self, session: SessionIndex, key: KeyId, act: Act, call: u32, ret: u32) {
        self.writes += u64::from(act.is_update());
        match act {
            Act::Append(value) | Act::Add(value) => {
                self.elements.entry(session, key).1.own.push(Own { value, call, ret });
            }
            Act::Write(value) => self.wrote_register(session, key, OwnVersion { value, replaced: None }, call, ret),
            Act::Cas(old, value) => {
                self.wrote_register(session, key, OwnVersion { value, replaced: Some(old) }, call, ret);
            }
            Act::Increment(by) => {
                let own = &mut self.counters.entry(session, key).1.sums;
                let sum = own.last().map_or(0, |(_, _, sum)| *sum).saturating_add(by);
                own.push((ret, call, sum));
            }
            Act::Read(_) | Act::Remove(_) => {}
        }
    }

    fn wrote_register(&mut self, session: SessionIndex, key: KeyId, what: OwnVersion, call: u32, ret: u32) {
        let (slot, past) = self.registers.entry(session, key);
        past.learn(Seen { call, ret, what }, self.sessions.open(session));
        if let Some(old) = what.replaced {
            self.known.entry((slot, old)).or_insert((ret, call));
        }
    }

    fn read(&mut self, history: &History, session: SessionIndex, key: KeyId, read: Seen<Payload>) {
        let kind = self.keys.kind(key);
        let missed = match answer(history, kind, read.what) {
            Some(Answer::Elements(shown)) => self.read_elements(session, key, &read, shown, history),
            Some(Answer::Version(version)) => self.read_version(history, session, key, &read, version),
            Some(Answer::Count(shown)) if !self.keys.shrinks(key) => self.read_count(session, key, &read, shown),
            _ => None,
        };
        if let Some(missed) = missed {
            self.missed += missed.writes.len() as u64;
            self.tally.add(|| missed.explain(history, key, read.call));
        }
    }

    fn read_elements(
        &mut self,
        session: SessionIndex,
        key: KeyId,
        read: &Seen<Payload>,
        shown: &[ValueId],
        history: &History,
    ) -> Option<Missed> {
        let (_, entry) = self.elements.get_mut(session, key)?;
        if self.keys.shrinks(key) && entry.own.len() > 2 * shown.len() + 32 {
            // What may have been removed need not be there, and must not be looked for at every read.
            entry.own.retain(|own| !self.removed.contains(&(key, own.value)));
            (entry.checked, entry.witness) = (0, None);
        }
        let due = entry.own.partition_point(|own| own.ret < read.call);
        if due == 0 {
            return None;
        }
        self.reads += 1;
        let extends = entry.witness.is_some_and(|w| shown.starts_with(history.list(w)));
        let from = if extends { entry.checked.min(due) } else { 0 };
        let removable = self.keys.shrinks(key);
        let removed = &self.removed;
        let may_miss = |own: &Own| removable && removed.contains(&(key, own.value));
        let missing = missing(&entry.own[from..due], shown, &mut self.marks, may_miss);
        entry.witness = Some(read.what);
        if missing.is_empty() {
            entry.checked = if extends { entry.checked.max(due) } else { due };
            return None;
        }
        entry.own.retain(|own| !missing.iter().any(|m| m.call == own.call && m.value == own.value));
        entry.checked = due - missing.len();
        let values: Vec<ValueId> = missing.iter().map(|m| m.value).collect();
        let what = match values[..] {
            [one] => format!("its own element {} is missing", history.value(one)),
            _ => format!("its own elements {} are missing", words::elements(history, &values)),
        };
        Some(Missed { writes: missing.iter().map(|m| m.call).collect(), what, because: None })
    }

    fn read_version(
        &mut self,
        history: &History,
        session: SessionIndex,
        key: KeyId,
        read: &Seen<Payload>,
        version: ValueId,
    ) -> Option<Missed> {
        let (slot, past) = self.registers.entry(session, key);
        let written = self.versions.find(key, version);
        let once = written.is_none_or(|(_, v)| !v.ambiguous && v.possible <= 1);
        let wrote = written.filter(|(id, _)| self.authors[id.0 as usize] == session).map(|(_, v)| (v.acked, v.writer));
        let known = if version == ValueId::NULL {
            None
        } else {
            let first = *self.known.entry((slot, version)).or_insert((read.ret, read.call));
            [Some(first), wrote].into_iter().flatten().min()
        };
        let mut missed = None;
        let mut judged = false;
        for own in past.before(read.call) {
            judged = true;
            if own.what.value == version {
                continue;
            }
            missed = missed.or_else(|| {
                let why = if version == ValueId::NULL {
                    (!self.keys.shrinks(key)).then(|| ("there is nothing".to_owned(), None))
                } else if !once {
                    None
                } else if own.what.replaced == Some(version) {
                    Some((format!("version {} is the one that it replaced", history.value(version)), None))
                } else {
                    known.filter(|(ret, _)| *ret < own.call).map(|(_, op)| {
                        (format!("version {} is older, as it knew from #{op}", history.value(version)), Some(op))
                    })
                };
                why.map(|(what, op)| (own.call, what, op))
            });
        }
        self.reads += u64::from(judged);
        let (write, what, because) = missed?;
        if self.reported.insert(slot, (version, write)) == Some((version, write)) {
            return None;
        }
        Some(Missed { writes: vec![write], what, because: because.map(|op| (op, "knew the older version".to_owned())) })
    }

    fn read_count(&mut self, session: SessionIndex, key: KeyId, read: &Seen<Payload>, shown: i64) -> Option<Missed> {
        let (_, own) = self.counters.get_mut(session, key)?;
        let due = own.sums.partition_point(|(ret, _, _)| *ret < read.call);
        let (_, call, sum) = *own.sums[..due].last()?;
        self.reads += 1;
        if shown >= sum || sum <= own.reported {
            return None;
        }
        own.reported = sum;
        let what = format!("its own increments alone come to {sum}");
        Some(Missed { writes: vec![call], what, because: None })
    }
}

/// Those of `own` that are not shown and have no excuse.
fn missing(own: &[Own], shown: &[ValueId], marks: &mut Marks, excused: impl Fn(&Own) -> bool) -> Vec<Own> {
    const FEW: usize = 2;
    if own.len() <= FEW {
        // What was written last stands last, as a rule.
        return own.iter().filter(|o| !shown.iter().rev().any(|v| *v == o.value) && !excused(o)).copied().collect();
    }
    marks.set(shown);
    own.iter().filter(|o| !marks.has(o.value) && !excused(o)).copied().collect()
}

impl Missed {
    fn explain(self, history: &History, key: KeyId, read: u32) -> Anomaly {
        let who = words::who(history, read);
        let write = self.writes[0];
        let (wrote, shown) = (words::did(history, write), words::did(history, read));
        let explanation = format!("{who} {wrote}, which was acknowledged, and later {shown}: {}", self.what);
        let mut operations = Vec::new();
        let mut relations = Vec::new();
        if let Some((op, reason)) = self.because {
            operations.push(op);
            relations.push(relation(op, write, RelationKind::Process, format!("{who} {reason} before it wrote")));
        }
        for op in &self.writes {
            let reason = format!("#{op} was acknowledged before #{read} was invoked");
            relations.push(relation(*op, read, RelationKind::Process, reason));
        }
        operations.extend(&self.writes);
        operations.push(read);
        Anomaly {
            kind: "read-misses-own-write".to_owned(),
            key: Some(history.key_name(key).to_string()),
            operations,
            relations,
            explanation,
        }
    }
}
