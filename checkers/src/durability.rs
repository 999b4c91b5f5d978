//! Durability: what was acknowledged is not lost.
//!
//! *An acknowledged write is there at the end, unless something that was asked for has replaced or removed it; a write
//! that failed is never there; and nothing is there that nobody wrote.* The accounting is that of Jepsen's `set` and
//! `set-full` checkers (Kingsbury, `jepsen.checker`), extended to lists and registers; reading a failed write is Adya's
//! G1a (*Weak Consistency*, PhD thesis, MIT 1999, section 4.2.1).
//!
//! ```text
//!   session 1   |--append x ← 1: ok--|  |--append x ← 2: ok--|          ⚡ failover
//!   at the end                                                             |--read x → [1]--|     2 is lost
//! ```
//!
//! # What was decided
//!
//! **What is a final read?** One that was invoked when every update of its key had ended (one that stays open for ever
//! counts as ended when it was invoked) and the store had no excuse left: after the marker of the final reads, or else
//! after the last `heal-all`; a run that was cut short before has none, and nothing is concluded from it. In a
//! history without markers the last event of the nemesis takes their place.
//!
//! **Which replica answered?** A replica that lags at the end is the business of convergence. Per node the last final
//! read counts, and a write is lost when it is in none of them. One that some nodes show and others do not is kept, and
//! counted apart as `kept_on_some`.
//!
//! **Lists and sets**: an acknowledged element that no final read shows is lost, in sets unless it may have been removed. An
//! element that stands more often in one read than there are operations that may have put it there is
//! duplicated. An element whose removal was acknowledged after it had been added, and which every final read
//! shows, is resurrected.
//!
//! **Registers** are overwritten, legitimately, by any other write; which was last is not known. It is a loss if the final
//! version was in the store for certain (acknowledged or read) before an acknowledged write was invoked: that write
//! came later, so it or something later still must stand there. It holds whatever writes and compare-and-sets of
//! unknown outcome there are, since a version that is written once stands there once. Which of several later writes
//! should have stood is not known, so one loss is counted per key, that of the last one. Nothing where something was
//! acknowledged is a loss as well, unless somebody wrote nothing.
//!
//! ```text
//!   |--write x ← 1: ok--|  |--write x ← 2: ok--|   at the end |--read x → 1--|    2 is lost
//!   |--write x ← 1: ok--|
//!      |--write x ← 2: ok--|                       at the end |--read x → 1--|    2 was overwritten
//! ```
//! **Compare-and-sets tell more**: two that were acknowledged and replaced the same version, which was written once, cannot
//! both have happened to the same register. One of them is lost (`lost-update`), whatever stands at the end.
//!
//! **Indeterminate writes** (`info`, or still open) may be there or not; those that were read are counted as
//! `surfaced`. Reads are held against failed writes, values that nobody wrote (`phantom`) and duplicates during the
//! whole run, not only at the end.
//!
//! # What it does not detect
//!
//! A loss that was repaired before the end, and one that only some replicas suffered. In registers: any loss that another
//! write would explain. Which of the intermediate writes of one transaction was exposed. Counters are judged by counter
//! bounds. Keys that were updated in two ways, and keys that were only ever read, are not judged.

use std::collections::BTreeMap;

use histories::{EventIndex, Guarantee, History, KeyId, Kind, Payload, ValueId};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::checker::{About, Checker};
use crate::finding::{Anomaly, Finding, Observed, RelationKind};
use crate::fold::acts::{Act, acts};
use crate::fold::finals::{FinalReads, LastRead};
use crate::fold::keys::{Answer, KeyKind, Keys, answer, slot};
use crate::fold::marks::Marks;
use crate::fold::settled::Settled;
use crate::fold::tally::{Headline, Tally, clean, counts, relation};
use crate::fold::versions::{NEVER, VersionId, Versions};
use crate::fold::words;

/// See the [module](self).
#[derive(Default)]
pub struct Durability {
    keys: Keys,
    versions: Versions,
    fates: Vec<Fate>,
    by_key: Vec<KeyState>,
    removals: FxHashMap<(KeyId, ValueId), Removal>,
    settled: Settled,
    finals: FinalReads,
    phantoms: FxHashSet<(KeyId, ValueId)>,
    marks: Marks,
    tally: Tally,
    kinds: Kinds,
    /// The acknowledged compare-and-sets of each version that they replaced, by their invocations.
    replacements: BTreeMap<(KeyId, ValueId), Vec<u32>>,
}

/// What was seen of a version.
#[derive(Clone, Copy)]
struct Fate {
    /// Completion and invocation of the first read that showed it.
    seen: (u32, u32),
    /// In the list that was checked last, if this is the number of that list.
    list: u32,
    /// A transaction overwrote it itself.
    intermediate: bool,
    duplicated: bool,
    aborted: bool,
}

/// What is known of the removals of an element.
#[derive(Clone, Copy)]
struct Removal {
    /// How many were invoked and have not failed.
    possible: u16,
    acked: u16,
    /// The invocation of the first one that was acknowledged.
    call: u32,
    /// The completion of the last one that was acknowledged.
    last_ack: u32,
}

impl Default for Fate {
    fn default() -> Self {
        Fate { seen: (NEVER, NEVER), list: 0, intermediate: false, duplicated: false, aborted: false }
    }
}

impl Default for Removal {
    fn default() -> Self {
        Removal { possible: 0, acked: 0, call: NEVER, last_ack: 0 }
    }
}

impl Removal {
    /// Whether an element that was added from this event on may have been removed again.
    fn may_follow(&self, added: u32) -> bool {
        self.possible > 0 && !(self.acked == self.possible && self.last_ack < added)
    }
}

#[derive(Default)]
struct KeyState {
    versions: Vec<VersionId>,
    /// The longest list that was checked, and its number.
    checked: Option<Payload>,
    list: u32,
}

#[derive(Default)]
struct Kinds {
    lost: u64,
    aborted: u64,
    phantom: u64,
    duplicated: u64,
    resurrected: u64,
    forked: u64,
}

/// What became of the acknowledged writes.
#[derive(Default)]
struct Account {
    acknowledged: u64,
    kept: u64,
    kept_on_some: u64,
    overwritten: u64,
    removed: u64,
    never_read: u64,
    unread_keys: u64,
    indeterminate: u64,
    surfaced: u64,
}

pub(crate) const ABOUT: About = About {
    guarantee: Guarantee::Durability,
    definition: "An acknowledged write is there at the end unless something that was asked for has replaced or removed \
                 it; a write that failed is never there; nothing is there that nobody wrote, or more often than it was written.",
    source: "The accounting follows Jepsen's set and set-full checkers (Kingsbury, jepsen.checker); reading a failed \
             write is G1a in Adya: Weak Consistency (PhD thesis, MIT 1999), section 4.2.1.",
    anomalies: &[
        (
            "lost-write",
            "An acknowledged write is in none of the final reads, and nothing that was asked for explains it.",
        ),
        ("aborted-read", "A read shows a write that failed (G1a)."),
        ("phantom", "A read shows a value that nobody had been asked to write."),
        ("duplicate-elements", "A read shows an element more often than operations may have put it there."),
        ("resurrected", "A removed element is in all of the final reads."),
        (
            "lost-update",
            "Acknowledged compare-and-sets replaced the same version, which was written once: only one of them happened.",
        ),
    ],
    does_not_detect: "A loss that was repaired before the end, or that only some replicas suffered (see convergence). In \
                      registers, a loss that another write of the key would explain. Counters are judged by \
                      counter-bounds. Keys that were only ever read are not judged.",
    needs: "Appends, adds, writes or compare-and-sets, and reads of the same keys after the last of them.",
};

impl Checker for Durability {
    fn about(&self) -> About {
        ABOUT
    }

    fn step(&mut self, history: &History, event: EventIndex) {
        if history.process(event).is_nemesis() {
            self.settled.note(history, event);
            return;
        }
        self.finals.note(history, event);
        if history.kind(event) == Kind::Invoke {
            self.invoke(history, event);
        } else if let Some(invocation) = history.pair_of(event) {
            self.complete(history, invocation, event);
        }
    }

    fn violations_so_far(&self) -> u64 {
        self.tally.violations()
    }

    fn finish(mut self: Box<Self>, history: &History) -> Finding {
        let mut account = Account::default();
        let cutoff = self.settled.point();
        for key in (0..self.by_key.len() as u32).map(KeyId) {
            let state = std::mem::take(&mut self.by_key[key.0 as usize]);
            self.settle(history, key, &state, cutoff, &mut account);
        }
        self.forks(history);
        self.conclude(history, account, cutoff)
    }
}

impl Durability {
    fn invoke(&mut self, history: &History, event: EventIndex) {
        for (key, act) in acts(history, event) {
            self.keys.note(key, act);
            if let Act::Remove(value) = act {
                let removal = self.removals.entry((key, value)).or_default();
                removal.possible = removal.possible.saturating_add(1);
            }
        }
        let (fates, by_key) = (&mut self.fates, &mut self.by_key);
        let mut written = Vec::new();
        self.versions.invoke(history, event, |id, _| written.push(id));
        for (i, id) in written.iter().enumerate() {
            let key = self.versions.get(*id).key;
            if id.0 as usize == fates.len() {
                fates.push(Fate::default());
                slot(by_key, key.0 as usize).versions.push(*id);
            }
            let later = written[i + 1..].iter().filter(|later| *later != id);
            let overwritten = later.into_iter().any(|later| self.versions.get(*later).key == key);
            if overwritten && self.keys.kind(key) == KeyKind::Register {
                fates[id.0 as usize].intermediate = true;
            }
        }
    }

    fn complete(&mut self, history: &History, invocation: EventIndex, event: EventIndex) {
        let kind = history.kind(event);
        let mut aborted = Vec::new();
        let fates = &mut self.fates;
        self.versions.complete(history, invocation, event, |id, version| {
            if kind == Kind::Fail {
                let fate = &mut fates[id.0 as usize];
                if version.possible == 0 && fate.seen.0 != NEVER && !std::mem::replace(&mut fate.aborted, true) {
                    aborted.push((version.key, version.value, version.writer, fate.seen.1));
                }
            }
        });
        for (key, value, writer, read) in aborted {
            self.aborted(history, key, value, writer, read);
        }
        for (key, act) in acts(history, invocation) {
            if let Act::Remove(value) = act {
                self.removed(key, value, kind, invocation.0, event.0);
            }
        }
        if let (Kind::Ok, Payload::Pair(old, new), Some(key)) =
            (kind, history.payload(invocation), history.key(invocation))
            && old != new
        {
            self.replacements.entry((key, old)).or_default().push(invocation.0);
        }
        if kind == Kind::Ok {
            for (key, act) in acts(history, event) {
                if let Act::Read(read) = act {
                    self.read(history, key, invocation.0, event.0, read);
                }
            }
        }
    }

    fn removed(&mut self, key: KeyId, value: ValueId, kind: Kind, call: u32, ret: u32) {
        let removal = self.removals.entry((key, value)).or_default();
        match kind {
            Kind::Ok => {
                removal.acked = removal.acked.saturating_add(1);
                removal.call = removal.call.min(call);
                removal.last_ack = removal.last_ack.max(ret);
            }
            Kind::Fail => removal.possible = removal.possible.saturating_sub(1),
            Kind::Invoke | Kind::Info => {}
        }
    }

    fn read(&mut self, history: &History, key: KeyId, call: u32, ret: u32, read: Payload) {
        match answer(history, self.keys.kind(key), read) {
            Some(Answer::Elements(shown)) => self.check_elements(history, key, read, shown, call, ret),
            Some(Answer::Version(version)) if version != ValueId::NULL => {
                self.check_value(history, key, version, call, ret);
            }
            _ => {}
        }
    }

    /// Looks at the elements that were not looked at before: those behind the part that is the same as in the longest
    /// list so far.
    fn check_elements(&mut self, history: &History, key: KeyId, read: Payload, shown: &[ValueId], call: u32, ret: u32) {
        let state = slot(&mut self.by_key, key.0 as usize);
        let checked = state.checked.map_or(&[][..], |c| history.list(c));
        if checked.starts_with(shown) {
            return;
        }
        let known = if shown.starts_with(checked) { checked.len() } else { 0 };
        if known == 0 {
            state.list += 1;
        }
        state.checked = Some(read);
        let list = state.list;
        for value in &shown[known..] {
            let Some(id) = self.check_value(history, key, *value, call, ret) else { continue };
            let fate = &mut self.fates[id.0 as usize];
            let repeated = std::mem::replace(&mut fate.list, list) == list;
            if repeated && !fate.duplicated {
                self.repeated(history, key, id, shown, call);
            }
        }
    }

    /// Looks at one value that was read: its version, if somebody was asked to write it.
    fn check_value(&mut self, history: &History, key: KeyId, value: ValueId, call: u32, ret: u32) -> Option<VersionId> {
        let Some((id, version)) = self.versions.find(key, value) else {
            if self.phantoms.insert((key, value)) {
                self.kinds.phantom += 1;
                self.tally.add(|| phantom(history, key, value, call));
            }
            return None;
        };
        let fate = &mut self.fates[id.0 as usize];
        if fate.seen.0 == NEVER {
            fate.seen = (ret, call);
            if version.possible == 0 {
                let writer = version.writer;
                fate.aborted = true;
                self.aborted(history, key, value, writer, call);
            }
        }
        Some(id)
    }

    fn aborted(&mut self, history: &History, key: KeyId, value: ValueId, writer: u32, read: u32) {
        self.kinds.aborted += 1;
        self.tally.add(|| Anomaly {
            kind: "aborted-read".to_owned(),
            key: Some(history.key_name(key).to_string()),
            operations: vec![writer, read],
            relations: vec![relation(writer, read, RelationKind::Wr, format!("#{read} read {}", history.value(value)))],
            explanation: format!(
                "{} failed, so it never happened; and yet {}",
                words::numbered(history, writer),
                words::told(history, read),
            ),
        });
    }

    fn repeated(&mut self, history: &History, key: KeyId, id: VersionId, shown: &[ValueId], read: u32) {
        let version = *self.versions.get(id);
        let times = shown.iter().filter(|v| **v == version.value).count() as u64;
        if times <= u64::from(version.possible) {
            return;
        }
        self.fates[id.0 as usize].duplicated = true;
        self.kinds.duplicated += 1;
        self.tally.add(|| Anomaly {
            kind: "duplicate-elements".to_owned(),
            key: Some(history.key_name(key).to_string()),
            operations: vec![version.writer, read],
            relations: vec![relation(
                version.writer,
                read,
                RelationKind::Wr,
                format!("#{read} shows what #{} added", version.writer),
            )],
            explanation: format!(
                "{}: {} is there {times} times, though only {} asked for it, as #{}",
                words::told(history, read),
                history.value(version.value),
                words::count(version.possible.into(), "operation", "operations"),
                version.writer,
            ),
        });
    }
}

fn fork(history: &History, key: KeyId, old: ValueId, writer: u32, (first, second): (u32, u32)) -> Anomaly {
    let old = history.value(old);
    let read = |by: u32| relation(writer, by, RelationKind::Wr, format!("#{by} found {old}, which #{writer} wrote"));
    Anomaly {
        kind: "lost-update".to_owned(),
        key: Some(history.key_name(key).to_string()),
        operations: vec![first, second, writer],
        relations: vec![read(first), read(second)],
        explanation: format!(
            "{}, and {}. Both were acknowledged, and both replaced {old}, which was written once, by #{writer}: one of them \
             is lost",
            words::told(history, first),
            words::told(history, second),
        ),
    }
}

fn phantom(history: &History, key: KeyId, value: ValueId, read: u32) -> Anomaly {
    Anomaly {
        kind: "phantom".to_owned(),
        key: Some(history.key_name(key).to_string()),
        operations: vec![read],
        relations: Vec::new(),
        explanation: format!("{}: nobody had been asked to write {}", words::told(history, read), history.value(value)),
    }
}

/// The one value of a read, where it has one.
fn scalar(read: Payload) -> ValueId {
    match read {
        Payload::Value(value) => value,
        _ => ValueId::NULL,
    }
}

/// What can be said at the end only.
impl Durability {
    fn settle(&mut self, history: &History, key: KeyId, state: &KeyState, cutoff: Option<u32>, account: &mut Account) {
        let kind = self.keys.kind(key);
        if !matches!(kind, KeyKind::List | KeyKind::Set | KeyKind::Register) {
            return;
        }
        let mut acked = 0;
        for id in &state.versions {
            let version = self.versions.get(*id);
            let fate = &self.fates[id.0 as usize];
            if version.oks > 0 && !fate.intermediate {
                acked += 1;
            } else if version.possible > 0 && version.oks == 0 {
                account.indeterminate += 1;
                account.surfaced += u64::from(fate.seen.0 != NEVER);
            }
        }
        account.acknowledged += acked;
        let mut finals = self.finals.of(key, cutoff);
        finals.retain(|r| answer(history, kind, r.read).is_some());
        if finals.is_empty() {
            account.never_read += acked;
            account.unread_keys += u64::from(acked > 0);
        } else if kind == KeyKind::Register {
            self.settle_register(history, key, state, &finals, acked, account);
        } else {
            self.settle_elements(history, key, state, &finals, account);
        }
    }

    fn settle_elements(
        &mut self,
        history: &History,
        key: KeyId,
        state: &KeyState,
        finals: &[LastRead],
        account: &mut Account,
    ) {
        // How many of the final reads show each version, by its place among the versions of the key.
        let mut shown = vec![0usize; state.versions.len()];
        for read in finals {
            self.marks.set(history.list(read.read));
            for (i, id) in state.versions.iter().enumerate() {
                shown[i] += usize::from(self.marks.has(self.versions.get(*id).value));
            }
        }
        for (id, shown) in state.versions.iter().zip(shown) {
            let version = *self.versions.get(*id);
            let removal = self.removals.get(&(key, version.value)).copied().unwrap_or_default();
            let added_for_good = version.oks > 0 && version.oks == version.possible;
            if shown == finals.len() && removal.acked > 0 && added_for_good && version.last_ack < removal.call {
                self.resurrected(history, key, *id, removal.call, finals);
            }
            if version.oks == 0 {
                continue;
            }
            if shown > 0 {
                account.kept += 1;
                account.kept_on_some += u64::from(shown < finals.len());
            } else if removal.may_follow(version.writer) {
                account.removed += 1;
            } else {
                self.lost(history, key, *id, finals);
            }
        }
    }

    fn settle_register(
        &mut self,
        history: &History,
        key: KeyId,
        state: &KeyState,
        finals: &[LastRead],
        acked: u64,
        account: &mut Account,
    ) {
        // With several writers of one value, which of them was acknowledged is not known.
        let call_of = |id: VersionId| {
            let version = self.versions.get(id);
            if version.is_certain() { version.writer } else { 0 }
        };
        let counts = |id: VersionId| self.versions.get(id).oks > 0 && !self.fates[id.0 as usize].intermediate;
        let acknowledged = state.versions.iter().copied().filter(|id| counts(*id));
        let Some(last) = acknowledged.max_by_key(|id| call_of(*id)) else { return };
        let (version, call) = (*self.versions.get(last), call_of(last));
        let replaced = |read: &LastRead| match answer(history, KeyKind::Register, read.read) {
            Some(Answer::Version(ValueId::NULL)) => !self.keys.shrinks(key),
            Some(Answer::Version(shown)) if shown != version.value => self.in_effect(key, shown) < call,
            _ => false,
        };
        let standing = finals.iter().filter(|read| !replaced(read)).count() as u64;
        if standing == 0 {
            account.overwritten += acked.saturating_sub(1);
            self.lost(history, key, last, finals);
            return;
        }
        let shows_acknowledged = |read: &LastRead| match answer(history, KeyKind::Register, read.read) {
            Some(Answer::Version(shown)) => self.versions.id(key, shown).is_some_and(counts),
            _ => false,
        };
        let kept = u64::from(finals.iter().any(shows_acknowledged)).min(acked);
        account.kept += kept;
        account.kept_on_some += u64::from(standing < finals.len() as u64);
        account.overwritten += acked - kept;
    }

    /// Since when a version of a register was in the store for certain, to be replaced at most once: when all who were
    /// asked to write it had been acknowledged, or, if there is only one, when it was read.
    fn in_effect(&self, key: KeyId, value: ValueId) -> u32 {
        let Some((id, version)) = self.versions.find(key, value) else { return NEVER };
        let seen = self.fates[id.0 as usize].seen.0;
        if version.is_certain() { version.settled().min(seen) } else { version.settled() }
    }

    fn lost(&mut self, history: &History, key: KeyId, id: VersionId, finals: &[LastRead]) {
        self.kinds.lost += 1;
        let version = *self.versions.get(id);
        let seen = self.fates[id.0 as usize].seen;
        self.tally.add(|| {
            let write = version.writer;
            let reads: Vec<u32> = finals.iter().map(|read| read.call).collect();
            let last = reads[reads.len() - 1];
            let mut operations = vec![write];
            let mut relations = Vec::new();
            let before = match seen {
                (NEVER, _) => "no read ever showed it".to_owned(),
                (_, read) => {
                    operations.push(read);
                    format!("#{read} had shown it")
                }
            };
            let last_read = finals[finals.len() - 1].read;
            let older = self.versions.find(version.key, scalar(last_read)).map(|(_, v)| v.writer);
            let gone = match older.filter(|_| self.keys.kind(key) == KeyKind::Register) {
                None => "it is not there".to_owned(),
                Some(older) => {
                    operations.push(older);
                    let shown = history.value(scalar(last_read));
                    relations.push(relation(
                        older,
                        write,
                        RelationKind::Ww,
                        format!("{shown} was there before #{write} was invoked"),
                    ));
                    format!("{shown} was there, by #{older}, before #{write} was invoked")
                }
            };
            let others = match reads.len() {
                1 => String::new(),
                2 => ", and so did the final read on the other node".to_owned(),
                n => format!(", and so did the final reads on {} other nodes", n - 1),
            };
            operations.extend(&reads);
            let ended = |read: &u32| format!("#{write} had ended before #{read} was invoked");
            relations.extend(reads.iter().map(|r| relation(write, *r, RelationKind::Realtime, ended(r))));
            Anomaly {
                kind: "lost-write".to_owned(),
                key: Some(history.key_name(key).to_string()),
                relations,
                explanation: format!(
                    "{}, which was acknowledged; {before}. In the end {}{others}: {gone}",
                    words::told(history, write),
                    words::told(history, last),
                ),
                operations,
            }
        });
    }

    /// Versions that were written once and replaced more than once.
    fn forks(&mut self, history: &History) {
        for ((key, old), replaced_by) in std::mem::take(&mut self.replacements) {
            let once = self.versions.find(key, old).filter(|(_, version)| version.is_certain()).map(|(_, v)| v.writer);
            let Some(writer) = once.filter(|_| self.keys.kind(key) == KeyKind::Register) else { continue };
            for second in &replaced_by[1..] {
                self.kinds.forked += 1;
                self.tally.add(|| fork(history, key, old, writer, (replaced_by[0], *second)));
            }
        }
    }

    fn resurrected(&mut self, history: &History, key: KeyId, id: VersionId, remove: u32, finals: &[LastRead]) {
        self.kinds.resurrected += 1;
        let version = *self.versions.get(id);
        self.tally.add(|| {
            let reads: Vec<u32> = finals.iter().map(|read| read.call).collect();
            let last = reads[reads.len() - 1];
            let mut operations = vec![version.writer, remove];
            operations.extend(&reads);
            Anomaly {
                kind: "resurrected".to_owned(),
                key: Some(history.key_name(key).to_string()),
                relations: vec![
                    relation(version.writer, remove, RelationKind::Realtime, "it was added before it was removed"),
                    relation(remove, last, RelationKind::Realtime, "it was removed before this read was invoked"),
                ],
                explanation: format!(
                    "{}, and {}, which was acknowledged. In the end {}, and {} is there again",
                    words::told(history, version.writer),
                    words::told(history, remove),
                    words::told(history, last),
                    history.value(version.value),
                ),
                operations,
            }
        });
    }

    fn conclude(self, history: &History, account: Account, cutoff: Option<u32>) -> Finding {
        let guarantee = Guarantee::Durability;
        let figures = self.figures(&account);
        if self.tally.violations() > 0 {
            let what = self.kinds.in_words();
            return self.tally.violated(history, guarantee, &what, Headline::First, figures);
        }
        let judged = account.kept + account.overwritten + account.removed;
        let unread = match account.never_read {
            0 => String::new(),
            n => format!(", {n} on keys without a final read"),
        };
        let writes = words::count(account.acknowledged, "acknowledged write", "acknowledged writes");
        if judged > 0 {
            // Of what was overwritten, nothing more is known than that something came later.
            let overwritten = match account.overwritten {
                0 => String::new(),
                n => format!(", {n} of them overwritten by later ones"),
            };
            return clean(guarantee, Observed::Held, format!("{writes}{overwritten}{unread}"), figures);
        }
        if account.acknowledged > 0 {
            let why = match cutoff {
                None => "the run was cut short before its final reads".to_owned(),
                Some(_) => format!("no final read of {}", words::count(account.unread_keys, "key", "keys")),
            };
            return clean(guarantee, Observed::Unknown, format!("{writes}, and {why}"), figures);
        }
        if account.indeterminate > 0 {
            return clean(guarantee, Observed::Unknown, "no write was acknowledged", figures);
        }
        clean(guarantee, Observed::NotApplicable, "no writes", figures)
    }

    fn figures(&self, account: &Account) -> BTreeMap<String, u64> {
        counts([
            ("acknowledged", account.acknowledged),
            ("kept", account.kept),
            ("kept_on_some", account.kept_on_some),
            ("overwritten", account.overwritten),
            ("removed", account.removed),
            ("never_read", account.never_read),
            ("indeterminate", account.indeterminate),
            ("surfaced", account.surfaced),
            ("lost", self.kinds.lost),
            ("aborted_reads", self.kinds.aborted),
            ("phantoms", self.kinds.phantom),
            ("duplicated", self.kinds.duplicated),
            ("resurrected", self.kinds.resurrected),
            ("lost_updates", self.kinds.forked),
        ])
    }
}

impl Kinds {
    fn in_words(&self) -> String {
        let all = [
            (self.lost, "acknowledged write lost", "acknowledged writes lost"),
            (self.aborted, "failed write read", "failed writes read"),
            (self.phantom, "value that nobody wrote", "values that nobody wrote"),
            (self.duplicated, "element duplicated", "elements duplicated"),
            (self.resurrected, "removed element back", "removed elements back"),
            (self.forked, "acknowledged update lost to another one", "acknowledged updates lost to others"),
        ];
        let some = all.into_iter().filter(|(n, _, _)| *n > 0);
        some.map(|(n, one, many)| words::count(n, one, many)).collect::<Vec<_>>().join(", ")
    }
}
