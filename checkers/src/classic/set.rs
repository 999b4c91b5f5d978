//! Sets: an element that was added stays.
//!
//! *Once an add was acknowledged, or a read has shown its element, every read that begins afterwards shows it too.* These are
//! Jepsen's `set` and `set-full` checkers (Kingsbury, `jepsen.checker`) in one: with a single read at the end it is an
//! account of what was kept, with many reads it is the life of each element.
//!
//! ```text
//!                known: from here on it must be there
//!                │
//!   |--add 5: ok--|
//!        |--read: no--|  |--read: no--|   |--read: 5--|  |--read: no--|
//!         may miss it      missed it        there again     missed it, to the end
//!                          stale                            lost
//! ```
//! An element that is missing from the last read that should have shown it, in the order of invocations, is *lost*; one
//! that was missed before and shown again is *stale*. Each element is reported once.
//!
//! # What was decided
//!
//! - An add that ended `info` binds nobody until its element is seen. Seen, it was done (`recovered` in the figures).
//! - Elements that nobody was asked to add are unexpected; those of failed adds are aborted reads; those whose add was
//!   invoked only after the read had ended contradict real time.
//! - One read that shows an element twice shows no set. (Jepsen's `set-full` compares the number with 1 the wrong way
//!   round and so never reports it.)
//! - Elements that anybody was asked to remove are not missed when they are gone. One is back from the dead if it is shown
//!   by a read that began after its removal was acknowledged, and every add of it had ended before that removal began
//!   and did not end `info`.
//! - An element that was acknowledged when no more reads came was never looked for (`never_read`); a set that was added
//!   to and never read is a doubt.
//!
//! Elements are numbered, reads are put in the order of their invocations, and of each element only the next read that
//! has to show it is kept: time is linear in what the reads show, memory in the number of elements.
//!
//! # What it does not detect
//!
//! Two reads that each show an element that the other one misses, while both elements are still being added: no order
//! explains them, but neither misses what it must show. [`crate::linearizability`] decides it.

mod evidence;
mod life;

use std::collections::BTreeMap;

use histories::{Function, History, KeyId, Kind, Pair, Payload, ValueId};

use super::{Odd, stopped};
use crate::analysis::{Found, Question};
use crate::budget::{Budget, Exhausted, Meter};
use life::{Fate, Lives, Read};

/// Looks at the life of every element. Finds [`AnomalyType::LostElement`], [`AnomalyType::StaleElement`],
/// [`AnomalyType::UnexpectedElement`], [`AnomalyType::DuplicateElements`], [`AnomalyType::ResurrectedElement`],
/// [`AnomalyType::G1a`] and [`AnomalyType::Nonlinearizable`].
///
/// [`AnomalyType::LostElement`]: crate::AnomalyType::LostElement
/// [`AnomalyType::StaleElement`]: crate::AnomalyType::StaleElement
/// [`AnomalyType::UnexpectedElement`]: crate::AnomalyType::UnexpectedElement
/// [`AnomalyType::DuplicateElements`]: crate::AnomalyType::DuplicateElements
/// [`AnomalyType::ResurrectedElement`]: crate::AnomalyType::ResurrectedElement
/// [`AnomalyType::G1a`]: crate::AnomalyType::G1a
/// [`AnomalyType::Nonlinearizable`]: crate::AnomalyType::Nonlinearizable
pub fn check(history: &History, _: &Question, budget: &Budget<'_>) -> Found {
    let mut found = Found::default();
    match judge(history, &Meter::new(budget), &mut found) {
        Ok(()) => found,
        Err(why) => stopped(found, why),
    }
}

fn judge(history: &History, meter: &Meter<'_>, found: &mut Found) -> Result<(), Exhausted> {
    let mut odd = Odd::default();
    let sets = gather(history, meter)?;
    let mut figures = Figures::default();
    let mut numbers = vec![life::UNNUMBERED; history.value_count()];
    let mut unread = None;
    for set in sets.iter().filter(|set| !set.updates.is_empty()) {
        odd.join(&set.odd);
        let mut lives = Lives::new(history, set, &mut numbers);
        lives.watch(meter, found)?;
        figures.count(set, &lives);
        lives.end(found);
        if set.reads.is_empty() {
            unread = unread.or(set.updates.first().map(|update| update.pair.invocation.0));
        }
    }
    odd.doubt(found, "read something that is not a set");
    if let Some(first) = unread {
        found.doubts.push(format!("The set of #{first} was never read."));
    }
    found.checked = figures.named();
    Ok(())
}

/// What is done to one element.
struct Update {
    pair: Pair,
    value: ValueId,
    removes: bool,
}

/// The operations on one set, in the order of their invocations.
struct Set {
    key: KeyId,
    updates: Vec<Update>,
    reads: Vec<Read>,
    /// Reads of something else.
    odd: Odd,
}

fn gather(history: &History, meter: &Meter<'_>) -> Result<Vec<Set>, Exhausted> {
    let keys = (0..history.key_count() as u32).map(KeyId);
    let set = |key| Set { key, updates: Vec::new(), reads: Vec::new(), odd: Odd::default() };
    let mut sets: Vec<Set> = keys.map(set).collect();
    for pair in history.operations() {
        meter.spend(1)?;
        let Some(key) = history.key(pair.invocation) else { continue };
        let set = &mut sets[key.0 as usize];
        match (history.function(pair.invocation), history.payload(pair.invocation)) {
            (Function::Add, Payload::Value(value)) => set.updates.push(Update { pair, value, removes: false }),
            (Function::Remove, Payload::Value(value)) => set.updates.push(Update { pair, value, removes: true }),
            (Function::Read, _) => set.read(history, pair),
            _ => {}
        }
    }
    Ok(sets)
}

impl Set {
    fn read(&mut self, history: &History, pair: Pair) {
        let (Some(completion), Kind::Ok) = (pair.completion, pair.outcome) else { return };
        let shown = history.payload(completion);
        match shown {
            Payload::List { .. } | Payload::Value(ValueId::NULL) => {
                self.reads.push(Read { call: pair.invocation.0, ret: completion.0, shown });
            }
            _ => self.odd.note(pair.invocation.0),
        }
    }
}

#[derive(Default)]
struct Figures {
    sets: u64,
    adds: u64,
    acknowledged: u64,
    reads: u64,
    recovered: u64,
    never_read: u64,
}

impl Figures {
    fn count(&mut self, set: &Set, lives: &Lives<'_>) {
        let adds = || set.updates.iter().filter(|update| !update.removes);
        self.sets += 1;
        self.adds += adds().count() as u64;
        self.acknowledged += adds().filter(|update| update.pair.outcome == Kind::Ok).count() as u64;
        self.reads += set.reads.len() as u64;
        let fates = |fate| lives.elements().filter(|element| lives.fate(element) == fate).count() as u64;
        self.never_read += fates(Fate::NeverRead);
        self.recovered += lives.elements().filter(|element| element.is_recovered()).count() as u64;
    }

    fn named(&self) -> BTreeMap<&'static str, u64> {
        [
            ("sets", self.sets),
            ("adds", self.adds),
            ("acknowledged", self.acknowledged),
            ("reads", self.reads),
            ("recovered", self.recovered),
            ("never_read", self.never_read),
        ]
        .into()
    }
}
