//! Locks, with and without fencing tokens.
//!
//! **Without tokens** a lock is an object with one place: acquire puts the caller's session into it if it is empty, release takes
//! the session out of it if it is in there. Every history of it is judged by the [search](super::specification):
//!
//! ```text
//! 1: acquire |---|                      both sessions certainly hold the lock while neither has
//! 2:            acquire |---|           begun to give it back: double-acquire
//! 1:                         release |---|
//! ```
//! An acquire of unknown outcome may have taken the lock, for ever if its session never gives it back; one that failed did
//! not, and says nothing about who held it. A release that was answered was by the holder, or it is a
//! contradiction.
//!
//! **With tokens** a lock is a lease: it may run out, so that another session takes it, with a newer token, while the first believes
//! that it still holds it; the store that the lock protects refuses the older token (Kleppmann, *How to do distributed
//! locking*, 2016). Two holders at once are no contradiction then. What remains are the tokens: each is granted once, and
//! an acquire that begins after another was completed gets a greater one. Tokens that are no whole numbers can only be compared for
//! equality. A lock is taken for a lease if any of its acquires was answered with a token.
//!
//! Not detected: a lease that was overtaken before it ran out, for its length stands nowhere in the history; and a release
//! with a token that was overtaken, which a store may acknowledge without doing anything.

use std::collections::BTreeMap;

use histories::{Function, History, ItemFunction, KeyId, Kind, Pair, Payload, Scalar, ValueId};

use super::keyed::{self, Object, Telling};
use super::specification::{Specification, Stuck, Timed};
use super::words::{self, Skipped};
use crate::analysis::{Found, Question};
use crate::budget::Budget;
use crate::finding::Anomaly;
use crate::fold::words::told;
use crate::models::AnomalyType;

struct Mutex;

#[derive(Clone, Copy)]
enum Call {
    Acquire(u32),
    Release(u32),
}

impl Specification for Mutex {
    type State = Option<u32>;
    type Call = Call;

    fn initial(&self) -> Option<u32> {
        None
    }

    fn step(&self, state: &Option<u32>, call: &Call) -> impl IntoIterator<Item = Option<u32>> {
        match *call {
            Call::Acquire(session) => state.is_none().then_some(Some(session)),
            Call::Release(session) => (*state == Some(session)).then_some(None),
        }
    }
}

struct Words<'a>(&'a History);

impl Telling<Mutex> for Words<'_> {
    fn state(&self, object: &Object<Mutex>, state: &Option<u32>) -> String {
        let mut calls = object.calls.iter();
        let of = |s: &u32| calls.find(|c| matches!(c.call, Call::Acquire(a) if a == *s)).map(|c| c.invocation);
        match state.as_ref().map(of) {
            None => "nobody in it".to_owned(),
            Some(who) => format!("{} in it", who.map_or("somebody".to_owned(), |i| crate::fold::words::who(self.0, i))),
        }
    }

    fn kind(&self, object: &Object<Mutex>, stuck: &Stuck<Option<u32>>) -> AnomalyType {
        match object.calls[stuck.call].call {
            Call::Acquire(_) => AnomalyType::DoubleAcquire,
            Call::Release(_) => AnomalyType::Nonlinearizable,
        }
    }

    /// The last acquire that each possible holder had completed.
    fn others(&self, object: &Object<Mutex>, stuck: &Stuck<Option<u32>>) -> Vec<u32> {
        let end = object.calls[stuck.call].completion.unwrap_or(u32::MAX);
        let took = |s: u32| {
            let mut calls = object.calls.iter().enumerate().filter(|(i, _)| *i != stuck.call);
            calls
                .rfind(|(_, c)| matches!(c.call, Call::Acquire(a) if a == s) && c.invocation < end)
                .map(|(_, c)| c.invocation)
        };
        let mut others: Vec<u32> = stuck.states.iter().flatten().filter_map(|s| took(*s)).collect();
        others.sort_unstable();
        others.dedup();
        others
    }
}

/// An acquire that was answered with a token.
#[derive(Clone, Copy)]
struct Grant {
    invocation: u32,
    completion: u32,
    token: ValueId,
}

#[derive(Default)]
struct Lock {
    calls: Vec<Timed<Call>>,
    grants: Vec<Grant>,
    /// Acquires whose token, if they got one, is not known.
    unknown: u64,
    /// Releases with a token, answered.
    releases: Vec<(u32, u32, ValueId)>,
}

/// Judges every lock. `checked` counts `operations`, `locks` and, among them, `leases`.
pub fn check(history: &History, _question: &Question, budget: &Budget<'_>) -> Found {
    let mut skipped = Skipped::default();
    let mut locks: BTreeMap<KeyId, Lock> = BTreeMap::new();
    let mut operations = 0;
    for pair in history.operations() {
        operations += u64::from(enter(history, pair, &mut locks, &mut skipped));
    }
    let mut found = Found { doubts: skipped.doubts(history, "a lock"), ..Found::default() };
    found.checked.insert("operations", operations);
    found.checked.insert("locks", locks.len() as u64);
    let (leases, mutexes): (Vec<_>, Vec<_>) = locks.into_iter().partition(|(_, lock)| !lock.grants.is_empty());
    found.checked.insert("leases", leases.len() as u64);
    for (key, lock) in leases {
        lease(history, key, lock, &mut found);
    }
    let object = |(key, lock): (KeyId, Lock)| Object {
        spec: Mutex,
        key: words::key_name(history, key),
        name: lock_name(history, key),
        calls: lock.calls,
    };
    let objects: Vec<Object<Mutex>> = mutexes.into_iter().map(object).collect();
    keyed::judge(history, &objects, &Words(history), budget, &mut found);
    found
}

fn lock_name(history: &History, key: KeyId) -> String {
    words::key_name(history, key).map_or("the lock".to_owned(), |key| format!("the lock {key}"))
}

fn enter(history: &History, pair: Pair, locks: &mut BTreeMap<KeyId, Lock>, skipped: &mut Skipped) -> bool {
    let (invocation, session) = (pair.invocation, history.session(pair.invocation));
    let call = match (history.function(invocation), pair.outcome) {
        (_, Kind::Fail) | (Function::Custom(_), _) => return false,
        (Function::Item(ItemFunction::Acquire), _) => Call::Acquire(session),
        (Function::Item(ItemFunction::Release), _) => Call::Release(session),
        _ => {
            skipped.foreign(invocation);
            return false;
        }
    };
    let Some(key) = history.key(invocation) else { return false };
    let answer = pair.completion.filter(|c| skipped.answers(history, invocation, *c));
    let ok = answer.filter(|_| pair.outcome == Kind::Ok);
    let lock = locks.entry(key).or_default();
    let token = |event| match history.payload(event) {
        Payload::Value(v) if v != ValueId::NULL => Some(v),
        _ => None,
    };
    match (call, ok) {
        (Call::Acquire(_), Some(end)) => {
            lock.grants.extend(token(end).map(|token| Grant { invocation: invocation.0, completion: end.0, token }))
        }
        (Call::Acquire(_), None) => lock.unknown += 1,
        (Call::Release(_), Some(end)) => lock.releases.extend(token(invocation).map(|t| (invocation.0, end.0, t))),
        (Call::Release(_), None) => {}
    }
    lock.calls.push(Timed::new(call, invocation.0, ok.map(|c| c.0)));
    true
}

fn lease(history: &History, key: KeyId, lock: Lock, found: &mut Found) {
    let scene = Lease { history, key, lock: &lock };
    scene.granted_twice(found);
    scene.granted_late(found);
    scene.never_granted(found);
}

struct Lease<'a> {
    history: &'a History,
    key: KeyId,
    lock: &'a Lock,
}

impl Lease<'_> {
    fn anomaly(&self, kind: AnomalyType, found: &mut Found, ops: Vec<u32>, ordered: bool, text: String) {
        let relations = if ordered { vec![words::realtime(ops[0], ops[1])] } else { Vec::new() };
        let key = words::key_name(self.history, self.key);
        found.add(kind, || Anomaly::new(kind, key, ops, relations, text));
    }

    fn granted_twice(&self, found: &mut Found) {
        let mut first: BTreeMap<ValueId, Grant> = BTreeMap::new();
        for grant in &self.lock.grants {
            if let Some(earlier) = first.get(&grant.token) {
                let (a, b) = (told(self.history, earlier.invocation), told(self.history, grant.invocation));
                let text = format!("{a}, and {b}: {} granted one token twice", lock_name(self.history, self.key));
                let ops = vec![earlier.invocation, grant.invocation];
                self.anomaly(AnomalyType::DoubleAcquire, found, ops, earlier.completion < grant.invocation, text);
            } else {
                first.insert(grant.token, *grant);
            }
        }
    }

    /// Sweeps over the grants by their beginnings, with the greatest token of those completed before.
    fn granted_late(&self, found: &mut Found) {
        let number = |grant: &Grant| match self.history.value(grant.token) {
            Scalar::Int(n) => Some(*n),
            _ => None,
        };
        let mut ends: Vec<(u32, i64, u32)> =
            self.lock.grants.iter().filter_map(|g| Some((g.completion, number(g)?, g.invocation))).collect();
        ends.sort_unstable();
        let mut ends = ends.into_iter().peekable();
        let mut greatest: Option<(i64, u32)> = None;
        for grant in &self.lock.grants {
            while let Some((_, token, by)) = ends.next_if(|(end, ..)| *end < grant.invocation) {
                greatest = greatest.max(Some((token, by)));
            }
            let (Some(token), Some((newer, by))) = (number(grant), greatest) else { continue };
            if token < newer {
                let (a, b) = (told(self.history, by), told(self.history, grant.invocation));
                let text = format!("{a}, and after that {b}: an older token, which whoever saw the newer one refuses");
                self.anomaly(AnomalyType::OldToken, found, vec![by, grant.invocation], true, text);
            }
        }
    }

    /// A token must have been granted by an acquire that began before its release ended.
    fn never_granted(&self, found: &mut Found) {
        let mut begins: BTreeMap<ValueId, u32> = BTreeMap::new();
        for grant in &self.lock.grants {
            begins.entry(grant.token).or_insert(grant.invocation);
        }
        for (invocation, end, token) in &self.lock.releases {
            let granted = begins.get(token).is_some_and(|begin| begin < end);
            if !granted && self.lock.unknown == 0 {
                let token = self.history.value(*token);
                let text = format!("{}, but nobody had been granted {token}", told(self.history, *invocation));
                self.anomaly(AnomalyType::Nonlinearizable, found, vec![*invocation], false, text);
            }
        }
    }
}
