//! Reads that show a later write while they miss an earlier one.
//!
//! Consistent prefix, monotonic writes and writes follow reads differ in which write is *required* by which: wherever
//! the later one is shown, the earlier one must be shown too, and before it. They are one fold with three rules
//! (see [`Rule`]). All three rules require only writes that were in effect when the later one was invoked, and that
//! makes the fold cheap: of a read, two moments are compared first,
//!
//! ```text
//!   V   the latest invocation of a write that it shows
//!   M   since when the first one of the writes that it misses is in effect
//! ```
//! and unless `M < V` no rule can be broken. Only then are the writes themselves looked at.
//!
//! - **Lists** are compared when they grow (see [`super::branches`]): an element that is new is held against what was
//!   in effect before it was invoked and does not stand before it. A prefix of a list that was judged has nothing new.
//! - **Sets** are compared at each read.
//! - **Several keys in one read** (a transaction that reads) are one view of the store: what one key shows is held against what
//!   another one misses. Registers take part here: one misses a write if it shows a version that was replaced by it for certain.
//!
//! A write that was reported missing is not reported again.

use histories::{EventIndex, Function, Guarantee, History, KeyId, Kind, Payload, ValueId};
use rustc_hash::{FxHashMap, FxHashSet};

use super::acts::{Act, acts};
use super::branches::{Branches, Held, Place};
use super::keys::{Answer, KeyKind, answer, slot};
use super::marks::Marks;
use super::past::Seen;
use super::sessions::SessionIndex;
use super::tally::{Headline, Tally, clean, counts};
use super::versions::{NEVER, VersionId};
use super::words;
use super::world::World;
use crate::finding::{Finding, Observed};

/// Which writes require which.
pub(crate) trait Rule: Default + Send {
    /// Whether only some sessions' writes require a given one, so that the latest shown of each session is looked at.
    const BY_SESSION: bool;

    /// Whether `earlier`, in effect before `later` was invoked, must be shown wherever `later` is.
    fn requires(&mut self, history: &History, world: &World, earlier: VersionId, later: VersionId) -> bool;

    /// Whether a register that shows `shown` (a known one, in effect before `other` was invoked) has not taken in `other`.
    fn replaced(&self, world: &World, shown: VersionId, other: VersionId) -> bool;

    /// Whether anything on this key may be required by a write, so that showing it is a test of the rule.
    fn is_test(&self, world: &World, key: KeyId, later: VersionId) -> bool;

    /// A session completed a read.
    fn learn(&mut self, _: &History, _: &World, _: SessionIndex, _: KeyId, _: Seen<Payload>) {}

    /// A session was acknowledged a write; called until the rule was tested.
    fn wrote(&mut self, _session: SessionIndex, _key: KeyId, _ret: u32) {}
}

/// A write that is missing or stands too late, and the one that requires it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exposed {
    pub(crate) earlier: VersionId,
    pub(crate) later: VersionId,
}

/// What a read gave away.
pub(crate) enum Found {
    /// Writes that it misses or shows too late.
    Exposed(Vec<Exposed>),
    /// It contradicts this earlier read: neither of the two lists is a prefix of the other.
    Fork { key: KeyId, earlier: u32 },
}

/// See the [module](self).
#[derive(Default)]
pub(crate) struct Exposure<R> {
    pub(crate) world: World,
    pub(crate) rule: R,
    by_key: Vec<OfKey>,
    held: Held,
    reported: FxHashSet<VersionId>,
    marks: Marks,
    pub(crate) figures: Figures,
}

/// How much was judged.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figures {
    /// Reads that could be judged.
    pub(crate) reads: u64,
    /// Whether some read tested the rule: it showed a write that might have required another one.
    pub(crate) tested: bool,
    /// Writes reported as missing or late.
    pub(crate) exposed: u64,
    pub(crate) writes: u64,
}

/// What a guarantee that relates the writes of sessions to one another says in its own words.
pub(crate) struct Told {
    pub(crate) guarantee: Guarantee,
    /// What one anomaly is, after "1".
    pub(crate) one: &'static str,
    /// The same of several.
    pub(crate) many: &'static str,
    /// What was missing where reads and writes tested nothing.
    pub(crate) untested: &'static str,
}

impl<R: Rule> Exposure<R> {
    /// The finding of such a guarantee.
    pub(crate) fn conclude(&self, history: &History, tally: Tally, told: Told) -> Finding {
        let Told { guarantee, one, many, untested } = told;
        let figures = self.figures;
        let by_name =
            counts([("reads", figures.reads), ("writes", figures.writes), ("exposed_writes", figures.exposed)]);
        if tally.violations() > 0 {
            let what = words::count(tally.violations(), one, many);
            return tally.violated(history, guarantee, &what, Headline::Last, by_name);
        }
        let (reads, writes) =
            (words::count(figures.reads, "read", "reads"), words::count(figures.writes, "write", "writes"));
        if figures.tested {
            let sessions = words::count(self.world.sessions.len() as u64, "session", "sessions");
            clean(guarantee, Observed::Held, format!("{writes} in {sessions}, {reads}"), by_name)
        } else if figures.reads > 0 && figures.writes > 0 {
            clean(guarantee, Observed::Unknown, format!("{writes} and {reads}, but {untested}"), by_name)
        } else {
            clean(guarantee, Observed::NotApplicable, "no writes and reads of lists, sets or several keys", by_name)
        }
    }
}

#[derive(Default)]
struct OfKey {
    /// In the order in which they came into effect.
    effective: Vec<(u32, VersionId)>,
    branches: Branches,
}

/// What a read shows of one key.
#[derive(Clone, Copy)]
enum View<'h> {
    List { key: KeyId, place: Place },
    Set { key: KeyId, shown: &'h [ValueId] },
    Register { key: KeyId, shown: Option<VersionId> },
}

impl View<'_> {
    fn key(&self) -> KeyId {
        match self {
            View::List { key, .. } | View::Set { key, .. } | View::Register { key, .. } => *key,
        }
    }
}

impl<R: Rule> Exposure<R> {
    /// Takes in an event of a client; what a read gave away.
    pub(crate) fn step(&mut self, history: &History, event: EventIndex) -> Option<(u32, Found)> {
        if history.kind(event) == Kind::Invoke {
            self.world.invoke(history, event);
            return None;
        }
        let invocation = history.pair_of(event)?;
        let (by_key, held) = (&mut self.by_key, &self.held);
        let session = self.world.complete(history, invocation, event, |id, key| {
            slot(by_key, key.0 as usize).enrol(held, id, event.0);
        });
        if history.kind(event) != Kind::Ok {
            return None;
        }
        let found = self.judge(history, invocation.0, event);
        for (key, act) in acts(history, event) {
            if let Act::Read(what) = act {
                let read = Seen { call: invocation.0, ret: event.0, what };
                self.rule.learn(history, &self.world, session, key, read);
            }
        }
        for (key, act) in acts(history, invocation) {
            if act.is_update() {
                self.figures.writes += 1;
                if !self.figures.tested {
                    self.rule.wrote(session, key, event.0);
                }
            }
        }
        found.map(|found| (invocation.0, found))
    }

    fn judge(&mut self, history: &History, call: u32, event: EventIndex) -> Option<Found> {
        let mut exposed = Vec::new();
        let mut fork = None;
        if history.function(event) == Function::Txn {
            let own = Own::of(history, event);
            let mut views = Vec::new();
            for (key, act) in acts(history, event) {
                views.extend(self.view(history, key, act, &own, call, event.0, &mut exposed, &mut fork));
            }
            self.judge_views(history, &views, &own, event.0, &mut exposed);
        } else if let Some((key, act)) = acts(history, event).next() {
            let own = Own::default();
            if let Some(view) = self.view(history, key, act, &own, call, event.0, &mut exposed, &mut fork) {
                self.judge_views(history, &[view], &own, event.0, &mut exposed);
            }
        }
        if exposed.is_empty() {
            return fork;
        }
        self.figures.exposed += exposed.len() as u64;
        Some(Found::Exposed(exposed))
    }

    /// What an act shows of its key, if it reads. Lists are judged at once.
    #[allow(clippy::too_many_arguments, reason = "one read has that many sides")]
    #[inline]
    fn view<'h>(
        &mut self,
        history: &'h History,
        key: KeyId,
        act: Act,
        own: &Own,
        call: u32,
        ret: u32,
        exposed: &mut Vec<Exposed>,
        fork: &mut Option<Found>,
    ) -> Option<View<'h>> {
        let Act::Read(read) = act else { return None };
        let kind = self.world.keys.kind(key);
        match answer(history, kind, read)? {
            Answer::Elements(shown) if kind == KeyKind::List => {
                let place = self.grow(history, key, own.without_tail(key, shown), call, ret, exposed);
                if let Some(earlier) = place.fork {
                    fork.get_or_insert(Found::Fork { key, earlier });
                }
                Some(View::List { key, place })
            }
            Answer::Elements(shown) => Some(View::Set { key, shown }),
            Answer::Version(shown) if !own.writes(key) => self.register(key, shown, ret),
            _ => None,
        }
    }

    /// Judges what one operation shows of sets, and of several keys.
    fn judge_views(&mut self, history: &History, views: &[View<'_>], own: &Own, ret: u32, exposed: &mut Vec<Exposed>) {
        let many = views.len() > 1;
        let any_set = views.iter().any(|view| matches!(view, View::Set { .. }));
        let judged = many || views.iter().any(|view| !matches!(view, View::Register { .. }));
        self.figures.reads += u64::from(judged);
        if many || any_set {
            self.first_shown(views, ret);
            self.figures.tested = self.figures.tested || (many && self.is_test(views));
            self.compare(history, views, own, exposed);
        }
    }
}

impl OfKey {
    fn enrol(&mut self, held: &Held, id: VersionId, effective: u32) {
        self.effective.push((effective, id));
        self.branches.enrol(held, id, effective);
    }
}

/// What an operation itself writes: in its own reads that is not yet in the store.
#[derive(Default)]
struct Own(Vec<(KeyId, ValueId)>);

impl Own {
    fn of(history: &History, event: EventIndex) -> Own {
        Own(acts(history, event).filter_map(|(key, act)| Some((key, act.written()?))).collect())
    }

    fn writes(&self, key: KeyId) -> bool {
        self.0.iter().any(|(k, _)| *k == key)
    }

    fn has(&self, key: KeyId, value: ValueId) -> bool {
        !self.0.is_empty() && self.0.contains(&(key, value))
    }

    /// The list without what the operation itself has put at its end.
    fn without_tail<'h>(&self, key: KeyId, mut shown: &'h [ValueId]) -> &'h [ValueId] {
        while let [rest @ .., last] = shown
            && self.has(key, *last)
        {
            shown = rest;
        }
        shown
    }
}

/// Lists.
impl<R: Rule> Exposure<R> {
    /// Finds the branch of a read and judges the elements that are new to it.
    fn grow(
        &mut self,
        history: &History,
        key: KeyId,
        shown: &[ValueId],
        call: u32,
        ret: u32,
        exposed: &mut Vec<Exposed>,
    ) -> Place {
        let of_key = slot(&mut self.by_key, key.0 as usize);
        let OfKey { effective, branches } = of_key;
        let place = branches.place(&self.world, &mut self.held, key, shown, call, effective);
        let known = branches.get(place.branch).list.len();
        if known >= shown.len() {
            return place;
        }
        branches.get_mut(place.branch).reader = call;
        for value in &shown[known..] {
            self.push(history, key, place.branch, *value, ret, exposed);
        }
        place
    }

    fn push(
        &mut self,
        history: &History,
        key: KeyId,
        index: usize,
        value: ValueId,
        ret: u32,
        exposed: &mut Vec<Exposed>,
    ) {
        let of_key = &mut self.by_key[key.0 as usize];
        let id = self.world.find(key, value).filter(|id| self.held.insert(*id, index));
        let Some(id) = id else {
            of_key.branches.get_mut(index).push(value, 0, NEVER);
            return;
        };
        if self.world.shown(id, ret) {
            of_key.enrol(&self.held, id, ret);
        }
        self.figures.tested = self.figures.tested || self.rule.is_test(&self.world, key, id);
        let call = self.world.call(id);
        let branch = of_key.branches.get_mut(index);
        if branch.earliest_absent(&self.world, &self.held, index) < call {
            let before = exposed.len();
            for (effective, earlier) in branch.absent_before(call) {
                let absent = effective == self.world.effective(earlier)
                    && !self.held.has(earlier, index)
                    && !self.reported.contains(&earlier);
                if absent && self.rule.requires(history, &self.world, earlier, id) {
                    self.reported.insert(earlier);
                    exposed.push(Exposed { earlier, later: id });
                }
            }
            if exposed.len() > before {
                branch.forget(|id| self.reported.contains(&id));
            }
        }
        branch.push(value, call, self.world.effective(id));
    }
}

/// Sets, and several keys in one read.
impl<R: Rule> Exposure<R> {
    fn register(&mut self, key: KeyId, shown: ValueId, ret: u32) -> Option<View<'static>> {
        if shown == ValueId::NULL {
            return (!self.world.keys.shrinks(key)).then_some(View::Register { key, shown: None });
        }
        let id = self.world.find(key, shown)?;
        if self.world.shown(id, ret) {
            slot(&mut self.by_key, key.0 as usize).enrol(&self.held, id, ret);
        }
        self.world.get(id).is_certain().then_some(View::Register { key, shown: Some(id) })
    }

    /// Elements of sets that no read has shown before are in effect from now on.
    fn first_shown(&mut self, views: &[View<'_>], ret: u32) {
        for view in views {
            let View::Set { key, shown } = *view else { continue };
            for value in shown {
                let Some(id) = self.world.find(key, *value) else { continue };
                if self.held.insert(id, 0) {
                    self.figures.tested = self.figures.tested || self.rule.is_test(&self.world, key, id);
                    if self.world.shown(id, ret) {
                        slot(&mut self.by_key, key.0 as usize).enrol(&self.held, id, ret);
                    }
                }
            }
        }
    }

    /// Whether the last write that one key shows may require something on another one.
    fn is_test(&self, views: &[View<'_>]) -> bool {
        let last = |view: &View<'_>| match *view {
            View::List { key, place } => {
                let list = &self.by_key[key.0 as usize].branches.get(place.branch).list[..place.len];
                list.last().and_then(|value| self.world.find(key, *value))
            }
            View::Set { key, shown } => shown.last().and_then(|value| self.world.find(key, *value)),
            View::Register { shown, .. } => shown,
        };
        views.iter().any(|view| {
            let tests = |later| views.iter().any(|other| self.rule.is_test(&self.world, other.key(), later));
            last(view).is_some_and(tests)
        })
    }

    fn compare(&mut self, history: &History, views: &[View<'_>], own: &Own, exposed: &mut Vec<Exposed>) {
        let missed = views.iter().map(|view| self.earliest_missed(view)).min().unwrap_or(NEVER);
        if missed == NEVER || missed >= self.latest_shown(views) {
            return;
        }
        let shown = self.latest_by_session(views, own);
        let Some(latest) = shown.iter().map(|(call, _)| *call).max() else { return };
        for view in views {
            for earlier in self.missed_before(view, latest) {
                let effective = self.world.effective(earlier);
                let candidates = shown.iter().filter(|(call, _)| effective < *call);
                let (rule, world) = (&mut self.rule, &self.world);
                let later = candidates.map(|(_, later)| *later).find(|l| rule.requires(history, world, earlier, *l));
                if let Some(later) = later
                    && self.reported.insert(earlier)
                {
                    exposed.push(Exposed { earlier, later });
                }
            }
        }
    }

    /// The latest invocation of a write that is shown.
    fn latest_shown(&self, views: &[View<'_>]) -> u32 {
        let of_view = |view: &View<'_>| match *view {
            View::List { key, place } => self.by_key[key.0 as usize].branches.get(place.branch).latest_of(place.len),
            View::Set { key, shown } => {
                let ids = shown.iter().filter_map(|value| self.world.find(key, *value));
                ids.map(|id| self.world.call(id)).max().unwrap_or(0)
            }
            View::Register { shown, .. } => shown.map_or(0, |id| self.world.call(id)),
        };
        views.iter().map(of_view).max().unwrap_or(0)
    }

    /// The latest write that is shown, of each session or of all of them, with its invocation.
    fn latest_by_session(&self, views: &[View<'_>], own: &Own) -> Vec<(u32, VersionId)> {
        let mut latest: FxHashMap<Option<SessionIndex>, (u32, VersionId)> = FxHashMap::default();
        let mut show = |id: VersionId| {
            let author = if R::BY_SESSION { self.world.author(id) } else { None };
            let this = (self.world.call(id), id);
            latest.entry(author).and_modify(|other| *other = this.max(*other)).or_insert(this);
        };
        for view in views {
            match *view {
                View::List { key, place } => {
                    let list = &self.by_key[key.0 as usize].branches.get(place.branch).list[..place.len];
                    list.iter().filter_map(|value| self.world.find(key, *value)).for_each(&mut show);
                }
                View::Set { key, shown } => {
                    let others = shown.iter().filter(|value| !own.has(key, **value));
                    others.filter_map(|value| self.world.find(key, *value)).for_each(&mut show);
                }
                View::Register { shown, .. } => shown.into_iter().for_each(&mut show),
            }
        }
        let mut latest: Vec<(u32, VersionId)> = latest.into_values().collect();
        latest.sort_unstable_by(|a, b| b.cmp(a));
        latest
    }

    /// Since when the first write that a view misses is in effect.
    fn earliest_missed(&mut self, view: &View<'_>) -> u32 {
        if let View::List { key, place } = *view {
            let branch = self.by_key[key.0 as usize].branches.get_mut(place.branch);
            return branch.earliest_beyond(&self.world, &self.held, place.branch, place.len);
        }
        let mut first = NEVER;
        self.each_missed(view, |effective, _| {
            first = effective;
            false
        });
        first
    }

    /// The writes in effect before a moment that a view misses and that were not reported before.
    fn missed_before(&mut self, view: &View<'_>, time: u32) -> Vec<VersionId> {
        let mut missed = Vec::new();
        if let View::List { key, place } = *view {
            let branch = self.by_key[key.0 as usize].branches.get(place.branch);
            // An element that is there twice is not missing.
            let (shown, beyond) = branch.list.split_at(place.len);
            self.marks.set(shown);
            let beyond = beyond.iter().filter(|value| !self.marks.has(**value));
            let beyond = beyond.filter_map(|value| self.world.find(key, *value));
            let in_effect = |id: &VersionId| self.world.effective(*id) < time && !self.reported.contains(id);
            missed.extend(beyond.filter(in_effect));
            let absent = branch
                .absent_before(time)
                .filter(|(effective, id)| *effective == self.world.effective(*id) && !self.held.has(*id, place.branch));
            missed.extend(absent.map(|(_, id)| id).filter(in_effect));
        } else {
            self.each_missed(view, |effective, id| {
                if effective < time {
                    missed.push(id);
                }
                effective < time
            });
        }
        missed
    }

    /// The writes that a set or a register misses, in the order in which they came into effect, while `go_on` says so.
    fn each_missed(&mut self, view: &View<'_>, mut go_on: impl FnMut(u32, VersionId) -> bool) {
        let Some(of_key) = self.by_key.get_mut(view.key().0 as usize) else { return };
        let (world, marks, reported) = (&self.world, &mut self.marks, &self.reported);
        let in_effect =
            |(effective, id): &(u32, VersionId)| *effective == world.effective(*id) && !reported.contains(id);
        match *view {
            View::List { .. } => {}
            View::Set { key, shown } => {
                marks.set(shown);
                let excused =
                    |entry: &(u32, VersionId)| !in_effect(entry) || world.is_removed(key, world.get(entry.1).value);
                let (mut seen, mut useless) = (0, 0);
                for entry in &of_key.effective {
                    seen += 1;
                    if marks.has(world.get(entry.1).value) {
                        continue;
                    }
                    useless += usize::from(excused(entry));
                    if !excused(entry) && !go_on(entry.0, entry.1) {
                        break;
                    }
                }
                // What need not be there will never have to be: it must not be looked at again at every read.
                if useless > 32 && 2 * useless > seen {
                    of_key.effective.retain(|entry| !excused(entry));
                }
            }
            View::Register { shown, .. } => {
                let since = shown.map(|id| world.effective(id));
                let from = since.map_or(0, |since| of_key.effective.partition_point(|(at, _)| *at <= since));
                let missed = of_key.effective[from..].iter().filter(|(_, id)| {
                    let replaced = |shown| self.rule.replaced(world, shown, *id);
                    let after = since.is_none_or(|since| world.call(*id) > since);
                    world.get(*id).is_certain() && after && shown.is_none_or(replaced)
                });
                for (effective, id) in missed.filter(|entry| in_effect(entry)) {
                    if !go_on(*effective, *id) {
                        return;
                    }
                }
            }
        }
    }
}
