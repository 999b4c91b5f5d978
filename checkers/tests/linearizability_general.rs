//! Multi-registers, maps of strings, locks and sequential consistency are judged as their definitions judge them, on every
//! small history.

mod linearizability_support;

use std::collections::BTreeMap;

use checkers::linearizability::{key_value, locks, multi_register, sequential};
use checkers::{Budget, Found, Question};
use histories::{Event, History, ItemFunction, Kind, Micro, Operation, Scalar, Value, notation};
use linearizability_support::orders::{self, Timed};
use linearizability_support::simulated::{self, Shape};
use linearizability_support::{Rng, event, question, verdict};

type Check = fn(&History, &Question, &Budget<'_>) -> Found;

fn agree(check: Check, make: impl Fn(&mut Rng) -> Vec<Event>, truth: impl Fn(&[Event]) -> bool, each: u64) {
    let mut valid = 0;
    for seed in 0..each {
        let mut rng = Rng(seed.wrapping_mul(0x1234_5678_9abc_def1));
        let events = make(&mut rng);
        let history = History::from_events(&events);
        let ours = verdict(&history, &check(&history, &question(), &Budget::default()));
        let truth = truth(&events);
        assert_eq!(ours, truth, "seed {seed}: the definition says {truth}\n  {}", notation::print(&events));
        valid += u64::from(truth);
    }
    assert!(valid * 10 > each && (each - valid) * 10 > each, "{valid} of {each} are valid");
}

/// Operations of a simulated object: each takes effect at a random moment, and some lie.
fn simulate<S: Clone>(
    rng: &mut Rng,
    mut state: S,
    ask: impl Fn(&mut Rng, u32) -> Operation,
    act: impl Fn(&mut Rng, &mut S, &Operation, u32) -> Option<Operation>,
) -> Vec<Event> {
    let (clients, haste, infos) = (2 + rng.below(3), 20 + rng.below(60), [0, 10, 30][rng.below(3)]);
    let mut left = 3 + rng.below(6);
    let (mut events, mut idle): (Vec<Event>, Vec<u32>) = (Vec::new(), (0..clients as u32).collect());
    let mut open: Vec<(u32, Operation, Option<Option<Operation>>)> = Vec::new();
    let mut next = clients as u32;
    while left > 0 || !open.is_empty() {
        if left > 0 && !idle.is_empty() && (open.is_empty() || !rng.percent(haste)) {
            left -= 1;
            let process = idle.remove(rng.below(idle.len()));
            let question = ask(rng, process);
            events.push(event(process, Kind::Invoke, question.clone(), events.len()));
            open.push((process, question, None));
            continue;
        }
        if left == 0 && rng.percent(10) {
            break;
        }
        let i = rng.below(open.len());
        if open[i].2.is_none() && rng.percent(80) {
            let (process, question) = (open[i].0, open[i].1.clone());
            open[i].2 = Some(act(rng, &mut state, &question, process));
            continue;
        }
        let (process, question, answer) = open.swap_remove(i);
        let (kind, operation) = match answer {
            _ if rng.percent(infos) => (Kind::Info, question),
            Some(Some(answer)) => (Kind::Ok, answer),
            _ => (Kind::Fail, question),
        };
        events.push(event(process, kind, operation, events.len()));
        idle.push(if kind == Kind::Info { next } else { process });
        next += u32::from(kind == Kind::Info);
    }
    events
}

fn happened(events: &[Event]) -> Vec<Timed> {
    orders::timed(events).into_iter().filter(|op| !op.failed).collect()
}

const KEYS: [&str; 3] = ["x", "y", "z"];

fn transactions(rng: &mut Rng) -> Vec<Event> {
    let values = 2 + rng.below(6) as i64;
    let ask = |rng: &mut Rng, _| {
        let micros = (0..1 + rng.below(3)).map(|_| {
            let key = Scalar::from(KEYS[rng.below(3)]);
            match rng.percent(50) {
                true => Micro::Read { key, value: None },
                false => Micro::Write { key, value: Scalar::Int(1 + rng.below(values as usize) as i64) },
            }
        });
        Operation::Txn(micros.collect())
    };
    let act = |rng: &mut Rng, state: &mut BTreeMap<Scalar, Scalar>, question: &Operation, _| {
        let Operation::Txn(micros) = question else { return None };
        let answered = micros.iter().map(|micro| match micro {
            Micro::Read { key, .. } => {
                let value = match rng.percent(12) {
                    true => Scalar::Int(1 + rng.below(values as usize) as i64),
                    false => state.get(key).cloned().unwrap_or(Scalar::Null),
                };
                Micro::Read { key: key.clone(), value: Some(Value::Scalar(value)) }
            }
            Micro::Write { key, value } => {
                state.insert(key.clone(), value.clone());
                micro.clone()
            }
            other => other.clone(),
        });
        Some(Operation::Txn(answered.collect()))
    };
    simulate(rng, BTreeMap::new(), ask, act)
}

fn serial(state: &BTreeMap<Scalar, Scalar>, op: &Timed) -> Vec<BTreeMap<Scalar, Scalar>> {
    let mut state = state.clone();
    let Operation::Txn(micros) = op.answer.as_ref().unwrap_or(&op.question) else { return Vec::new() };
    for micro in micros {
        match micro {
            Micro::Read { value: Some(Value::Scalar(value)), key }
                if state.get(key).unwrap_or(&Scalar::Null) != value =>
            {
                return Vec::new();
            }
            Micro::Write { key, value } => drop(state.insert(key.clone(), value.clone())),
            _ => {}
        }
    }
    vec![state]
}

#[test]
fn multi_registers() {
    let truth = |events: &[Event]| orders::exists(&happened(events), &BTreeMap::new(), &serial);
    agree(multi_register::check, transactions, truth, 60_000);
}

fn texts(rng: &mut Rng) -> Vec<Event> {
    let ask = |rng: &mut Rng, _| {
        let key = Some(Scalar::from(KEYS[rng.below(2)]));
        let value: Scalar = ["a", "b", "ab"][rng.below(3)].into();
        match rng.below(4) {
            0 | 1 => Operation::Read { key, value: None },
            2 => Operation::Append { key, value },
            _ => Operation::Write { key, value },
        }
    };
    let act = |rng: &mut Rng, state: &mut BTreeMap<Option<Scalar>, String>, question: &Operation, _| {
        let text = |value: &Scalar| value.to_string();
        match question {
            Operation::Read { key, .. } => {
                let mut found = state.get(key).cloned().unwrap_or_default();
                if rng.percent(15) {
                    found.push('a');
                }
                let value = Some(Value::Scalar(found.into()));
                return Some(Operation::Read { key: key.clone(), value });
            }
            Operation::Append { key, value } => state.entry(key.clone()).or_default().push_str(&text(value)),
            Operation::Write { key, value } => drop(state.insert(key.clone(), text(value))),
            _ => {}
        }
        Some(question.clone())
    };
    simulate(rng, BTreeMap::new(), ask, act)
}

#[test]
fn maps_of_strings() {
    let step = |state: &BTreeMap<Option<Scalar>, String>, op: &Timed| {
        let mut state = state.clone();
        match op.answer.as_ref().unwrap_or(&op.question) {
            Operation::Read { key, value: Some(value) } => {
                let fits = state.get(key).map_or("", String::as_str) == value.to_string();
                return if fits { vec![state] } else { Vec::new() };
            }
            Operation::Append { key, value } => state.entry(key.clone()).or_default().push_str(&value.to_string()),
            Operation::Write { key, value } => drop(state.insert(key.clone(), value.to_string())),
            _ => {}
        }
        vec![state]
    };
    agree(key_value::check, texts, |events| orders::exists(&happened(events), &BTreeMap::new(), &step), 60_000);
}

fn lock_calls(rng: &mut Rng) -> Vec<Event> {
    let ask = |rng: &mut Rng, _| {
        let f = if rng.percent(50) { ItemFunction::Acquire } else { ItemFunction::Release };
        Operation::Item { f, key: None, value: None }
    };
    let act = |rng: &mut Rng, state: &mut Option<u32>, question: &Operation, process| {
        let Operation::Item { f, .. } = question else { return None };
        let legal = match f {
            ItemFunction::Acquire => state.is_none(),
            _ => *state == Some(process),
        };
        if !legal && !rng.percent(8) {
            return None;
        }
        *state = (*f == ItemFunction::Acquire).then_some(process);
        Some(question.clone())
    };
    simulate(rng, None, ask, act)
}

#[test]
fn locks_without_tokens() {
    let step = |state: &Option<u32>, op: &Timed| match op.question {
        Operation::Item { f: ItemFunction::Acquire, .. } if state.is_none() => vec![Some(op.process)],
        Operation::Item { f: ItemFunction::Release, .. } if *state == Some(op.process) => vec![None],
        _ => Vec::new(),
    };
    agree(locks::check, lock_calls, |events| orders::exists(&happened(events), &None, &step), 60_000);
}

#[test]
fn sequential_consistency() {
    let shape = |rng: &mut Rng| Shape {
        clients: 2 + rng.below(2),
        operations: 3 + rng.below(5),
        keys: 2,
        values: 2 + rng.below(4),
        cas: 15,
        infos: 6.0,
        lies: 45.0,
        haste: 20 + rng.below(60),
        open: rng.percent(50),
        ..Shape::busy(2, 0)
    };
    let step = |state: &BTreeMap<Option<Scalar>, Scalar>, op: &Timed| {
        let mut state = state.clone();
        let held = |state: &BTreeMap<_, _>, key: &Option<Scalar>| state.get(key).cloned().unwrap_or(Scalar::Null);
        let legal = match op.answer.as_ref().unwrap_or(&op.question) {
            Operation::Read { key, value: Some(Value::Scalar(value)) } => held(&state, key) == *value,
            Operation::Cas { key, old, .. } if op.failed => held(&state, key) != *old,
            Operation::Cas { key, old, new } => {
                let fits = held(&state, key) == *old;
                state.insert(key.clone(), new.clone());
                fits
            }
            Operation::Write { key, value } => {
                state.insert(key.clone(), value.clone());
                true
            }
            _ => true,
        };
        if legal { vec![state] } else { Vec::new() }
    };
    let truth = |events: &[Event]| {
        let all = orders::timed(events);
        let before = |a: &Timed, b: &Timed| a.process == b.process && a.start < b.start;
        orders::exists_with(&all, &BTreeMap::new(), &step, &before)
    };
    let make = |rng: &mut Rng| {
        let shape = shape(rng);
        simulated::registers(rng, shape)
    };
    agree(sequential::check, make, truth, 40_000);
}

#[test]
fn leases() {
    let tokens = |text: &str| {
        let history = notation::history(text);
        let found = locks::check(&history, &question(), &Budget::default());
        assert!(found.doubts.is_empty());
        found.groups.keys().map(|kind| kind.name()).collect::<Vec<_>>()
    };
    assert!(tokens("0:lx1 0:ux1 1:lx2 1:ux2").is_empty());
    assert!(tokens("0:lx1 1:lx2 0:ux1 1:ux2").is_empty(), "a lease may be overtaken");
    assert!(tokens("0<lx 1<lx 0>lx2 1>lx1").is_empty(), "side by side, either may come first");
    assert_eq!(tokens("0:lx2 1:lx1"), ["old-token"]);
    assert_eq!(tokens("0:lx1 1:lx1"), ["double-acquire"]);
    assert_eq!(tokens("0:lx1 0:ux2"), ["nonlinearizable"]);
    assert!(tokens("0:lx1 1:lx? 0:ux2").is_empty(), "the other may have been granted it");
    assert_eq!(tokens("0:lx 1:lx"), ["double-acquire"]);
    assert_eq!(tokens("0:lx 1:ux"), ["nonlinearizable"]);
    assert!(tokens("0:lx 0:ux? 1:lx").is_empty());
}
