//! Several registers at one point in time: each transaction reads and writes some of them, all at once.
//!
//! That is Knossos' multi-register, and strict serializability said in other words. Registers that no transaction has ever
//! touched together have nothing to do with each other, so the registers are split into connected groups and each is judged by
//! itself, by the [search](super::specification). Reads and writes outside transactions count as transactions of one step.
//!
//! Within a transaction the steps follow each other: a read after a write finds what was written. A transaction without
//! an answer may have taken effect with all of its writes, at any later time, or never; what it read is not known. One
//! that only reads then says nothing.

use std::collections::BTreeMap;

use histories::{EventIndex, Function, History, KeyId, Kind, MicroFunction, Pair, Payload};

use super::keyed::{self, Object, Telling};
use super::registers::operations::initial_id;
use super::specification::{Specification, Timed};
use super::words::{self, Skipped};
use crate::analysis::{Found, Question};
use crate::budget::Budget;

struct Group {
    keys: Vec<KeyId>,
    initial: u32,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// It held this; `None` where the answer is not known.
    Read(u32, Option<u32>),
    Write(u32, u32),
}

impl Step {
    fn key(&mut self) -> &mut u32 {
        match self {
            Step::Read(key, _) | Step::Write(key, _) => key,
        }
    }
}

impl Specification for Group {
    type State = Box<[u32]>;
    type Call = Vec<Step>;

    fn initial(&self) -> Box<[u32]> {
        vec![self.initial; self.keys.len()].into()
    }

    fn step(&self, state: &Box<[u32]>, call: &Vec<Step>) -> impl IntoIterator<Item = Box<[u32]>> {
        let mut next = state.clone();
        let fits = call.iter().all(|step| match *step {
            Step::Read(key, found) => found.is_none_or(|found| next[key as usize] == found),
            Step::Write(key, value) => {
                next[key as usize] = value;
                true
            }
        });
        fits.then_some(next)
    }

    fn only_looks(&self, call: &Vec<Step>) -> bool {
        call.iter().all(|step| matches!(step, Step::Read(..)))
    }
}

struct Words<'a> {
    history: &'a History,
    question: &'a Question,
}

impl Telling<Group> for Words<'_> {
    fn state(&self, object: &Object<Group>, state: &Box<[u32]>) -> String {
        let value = |v: u32| words::value(self.history, v, self.question.assume.initial.as_ref());
        let one = |(key, v): (&KeyId, &u32)| format!("{} = {}", self.history.key_name(*key), value(*v));
        object.spec.keys.iter().zip(state).map(one).collect::<Vec<_>>().join(", ")
    }
}

/// Judges groups of registers. `checked` counts `transactions`, `keys` and `groups`.
pub fn check(history: &History, question: &Question, budget: &Budget<'_>) -> Found {
    let mut skipped = Skipped::default();
    let calls: Vec<Timed<Vec<Step>>> = history.operations().filter_map(|p| call(history, p, &mut skipped)).collect();
    let objects = groups(history, question, calls);
    let mut found = Found { doubts: skipped.doubts(history, "a transaction on registers"), ..Found::default() };
    found.checked.insert("transactions", objects.iter().map(|o| o.calls.len() as u64).sum());
    found.checked.insert("keys", objects.iter().map(|o| o.spec.keys.len() as u64).sum());
    found.checked.insert("groups", objects.len() as u64);
    keyed::judge(history, &objects, &Words { history, question }, budget, &mut found);
    found
}

/// The steps of an operation, with keys as they are numbered in the history.
fn call(history: &History, pair: Pair, skipped: &mut Skipped) -> Option<Timed<Vec<Step>>> {
    let invocation = pair.invocation;
    if pair.outcome == Kind::Fail || matches!(history.function(invocation), Function::Custom(_)) {
        return None;
    }
    let answer = pair.completion.filter(|c| skipped.answers(history, invocation, *c));
    let ok = answer.filter(|_| pair.outcome == Kind::Ok);
    let Some(steps) = steps(history, ok.unwrap_or(invocation), ok.is_some()) else {
        skipped.foreign(invocation);
        return None;
    };
    let says = ok.is_some() || steps.iter().any(|step| matches!(step, Step::Write(..)));
    (says && !steps.is_empty()).then(|| Timed::new(steps, invocation.0, ok.map(|c| c.0)))
}

fn steps(history: &History, event: EventIndex, answered: bool) -> Option<Vec<Step>> {
    let payload = history.payload(event);
    let found = |value: Payload| match value {
        Payload::Value(v) => Some(Some(v.0).filter(|_| answered)),
        Payload::Unknown => Some(None),
        _ => None,
    };
    let written = |value: Payload| match value {
        Payload::Value(v) => Some(v.0),
        _ => None,
    };
    match (history.function(event), history.key(event)) {
        (Function::Read, Some(key)) => Some(vec![Step::Read(key.0, found(payload)?)]),
        (Function::Write, Some(key)) => Some(vec![Step::Write(key.0, written(payload)?)]),
        (Function::Cas, Some(key)) => match payload {
            Payload::Pair(old, new) => Some(vec![Step::Read(key.0, Some(old.0)), Step::Write(key.0, new.0)]),
            _ => None,
        },
        (Function::Txn, _) => {
            let micro = |m: &histories::MicroOp| match m.f {
                MicroFunction::Read => Some(Step::Read(m.key.0, found(m.value)?)),
                MicroFunction::Write => Some(Step::Write(m.key.0, written(m.value)?)),
                _ => None,
            };
            history.micros(payload).iter().map(micro).collect()
        }
        _ => None,
    }
}

/// Splits the registers into groups that transactions hold together.
fn groups(history: &History, question: &Question, calls: Vec<Timed<Vec<Step>>>) -> Vec<Object<Group>> {
    let mut parent: Vec<u32> = (0..history.key_count() as u32).collect();
    for call in &calls {
        let mut keys = call.call.iter().copied().map(|mut step| *step.key());
        let first = keys.next().map(|key| root(&mut parent, key));
        for key in keys {
            let other = root(&mut parent, key);
            parent[other as usize] = first.unwrap_or(other);
        }
    }
    let initial = initial_id(history, question.assume.initial.as_ref());
    let mut groups: BTreeMap<u32, Object<Group>> = BTreeMap::new();
    let mut places: BTreeMap<u32, u32> = BTreeMap::new();
    for mut call in calls {
        let Some(first) = call.call.first_mut().map(|step| *step.key()) else { continue };
        let group = groups.entry(root(&mut parent, first)).or_insert_with(|| Object {
            spec: Group { keys: Vec::new(), initial },
            key: None,
            name: String::new(),
            calls: Vec::new(),
        });
        for step in &mut call.call {
            let key = step.key();
            let keys = &mut group.spec.keys;
            *key = *places.entry(*key).or_insert_with(|| {
                keys.push(KeyId(*key));
                keys.len() as u32 - 1
            });
        }
        group.calls.push(call);
    }
    groups.into_values().map(|group| named(history, group)).collect()
}

fn named(history: &History, mut group: Object<Group>) -> Object<Group> {
    const SHOWN: usize = 6;
    let names: Vec<String> = group.spec.keys.iter().map(|k| history.key_name(*k).to_string()).collect();
    group.key = Some(names.join(", ")).filter(|_| names.len() == 1);
    let more = names.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!(" and {more} others") } else { String::new() };
    group.name = format!("the registers {}{more}", names[..names.len().min(SHOWN)].join(", "));
    group
}

fn root(parent: &mut [u32], key: u32) -> u32 {
    let mut top = key;
    while parent[top as usize] != top {
        top = parent[top as usize];
    }
    let mut at = key;
    while parent[at as usize] != top {
        at = std::mem::replace(&mut parent[at as usize], top);
    }
    top
}
