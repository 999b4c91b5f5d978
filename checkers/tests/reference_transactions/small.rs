//! Small random histories: from simulated databases, and with something changed in them, so that each model allows many
//! and forbids many.

use histories::{Event, History, Kind, Micro, Operation, Process, Scalar, Value};

use crate::databases::rng::Rng;
use crate::databases::{self, Keys, Level, Shape, Workload};

/// A history of at most so many transactions.
pub fn history(rng: &mut Rng, workload: Workload, most: u64) -> Vec<Event> {
    let level = *rng.pick(&Level::ALL);
    let mut events = of(level, &shape(rng, workload, most));
    for _ in 0..rng.below(4) {
        change(&mut events, rng);
    }
    events
}

/// Transactions that only append, and one that reads all lists at the end, where some elements have changed places: so
/// that it matters who wrote over whom.
pub fn overwritten(rng: &mut Rng, most: u64) -> Vec<Event> {
    let mut shape = shape(rng, Workload::ListAppend, most);
    (shape.writes_percent, shape.keys) = (100, Keys::Fixed(2));
    let mut events = of(Level::StrictSerializable, &shape);
    let written: Vec<(Scalar, Scalar)> = events.iter().filter(|e| e.kind == Kind::Ok).flat_map(writes).collect();
    let list = |key: &Scalar| written.iter().filter(|w| w.0 == *key).map(|w| w.1.clone()).collect();
    let read = |key: i64| Micro::Read { key: key.into(), value: Some(Value::List(list(&key.into()))) };
    let reader = Operation::Txn((0..2).map(read).collect());
    for (kind, operation) in [(Kind::Invoke, reader.question()), (Kind::Ok, reader)] {
        let (time, process) = (u64::MAX / 2, Process(1000));
        events.push(Event { time, process, kind, operation, node: None, session: None, error: None });
    }
    for _ in 0..rng.below(4) {
        exchange(&mut events, rng);
    }
    events
}

/// A shape of at most so many transactions on up to three objects.
pub fn shape(rng: &mut Rng, workload: Workload, most: u64) -> Shape {
    let seed = rng.bits();
    let mut shape = Shape::new(workload, 2 + rng.below(most - 1).max(rng.below(most - 1)), seed);
    shape.processes = 2 + rng.below(4) as u32;
    shape.keys = Keys::Fixed(1 + rng.below(3).min(rng.below(3)) as u32);
    shape.micros = 1..=2 + rng.below(2) as u32;
    shape.writes_percent = 35 + rng.below(35) as u32;
    shape.info_permille = *rng.pick(&[0, 0, 100, 250]);
    shape.fail_permille = *rng.pick(&[0, 50, 150]);
    shape
}

/// The events of a simulated database.
pub fn of(level: Level, shape: &Shape) -> Vec<Event> {
    let mut events = Vec::new();
    databases::each(level, shape, |event| events.push(event));
    events
}

/// The history of these events.
pub fn told(events: &[Event]) -> History {
    History::from_events(events)
}

/// Changes one answer, or all answers about two values, or how something ended, or when.
pub fn change(events: &mut [Event], rng: &mut Rng) {
    let i = rng.below(events.len() as u64) as usize;
    match rng.below(12) {
        0 => reorder(events, i),
        10 | 11 => exchange(events, rng),
        1 if events[i].kind == Kind::Ok => {
            let i = last_of_its_process(events, i);
            let kind = *rng.pick(&[Kind::Info, Kind::Fail]);
            events[i].operation = events[i].operation.question();
            events[i].kind = kind;
        }
        _ => answer(events, rng),
    }
}

/// Lets two values of an object change places wherever they were read, so that its versions had another order.
fn exchange(events: &mut [Event], rng: &mut Rng) {
    let written: Vec<(Scalar, Scalar)> = events.iter().filter(|e| e.kind == Kind::Invoke).flat_map(writes).collect();
    if written.is_empty() {
        return;
    }
    let (key, one) = rng.pick(&written).clone();
    let same: Vec<&Scalar> = written.iter().filter(|w| w.0 == key).map(|w| &w.1).collect();
    let other = (*rng.pick(&same)).clone();
    let swap = |scalar: &mut Scalar| {
        if *scalar == one {
            *scalar = other.clone();
        } else if *scalar == other {
            *scalar = one.clone();
        }
    };
    for event in events {
        let Operation::Txn(micros) = &mut event.operation else { continue };
        for micro in micros {
            match micro {
                Micro::Read { key: k, value: Some(Value::List(items)) } if *k == key => items.iter_mut().for_each(swap),
                Micro::Read { key: k, value: Some(Value::Scalar(value)) } if *k == key => swap(value),
                _ => {}
            }
        }
    }
}

/// Lets two neighbours of different processes change places.
fn reorder(events: &mut [Event], i: usize) {
    if i > 0 && events[i].process != events[i - 1].process {
        events.swap(i, i - 1);
    }
}

/// What may end `info`: nothing of its process comes after it.
fn last_of_its_process(events: &[Event], i: usize) -> usize {
    events.iter().rposition(|e| e.process == events[i].process).unwrap_or(i)
}

fn answer(events: &mut [Event], rng: &mut Rng) {
    let written: Vec<(Scalar, Scalar)> = events.iter().filter(|e| e.kind == Kind::Invoke).flat_map(writes).collect();
    let lists: Vec<(Scalar, Value)> = events.iter().flat_map(answers).collect();
    let answered: Vec<usize> = (0..events.len()).filter(|i| !answers(&events[*i]).is_empty()).collect();
    if answered.is_empty() {
        return;
    }
    let i = *rng.pick(&answered);
    let Operation::Txn(micros) = &mut events[i].operation else { return };
    let reads: Vec<&mut Micro> = micros.iter_mut().filter(|m| matches!(m, Micro::Read { .. })).collect();
    let at = rng.below(reads.len() as u64) as usize;
    let Some(Micro::Read { key, value: Some(value) }) = reads.into_iter().nth(at) else { return };
    let known: Vec<Scalar> = written.into_iter().filter(|w| w.0 == *key).map(|w| w.1).collect();
    match value {
        Value::Scalar(scalar) if known.is_empty() || rng.percent(20) => *scalar = Scalar::Null,
        Value::Scalar(scalar) => *scalar = rng.pick(&known).clone(),
        Value::List(items) => match rng.below(6) {
            0..=2 => drop(items.pop()),
            3 if !known.is_empty() => items.push(rng.pick(&known).clone()),
            4 if items.len() > 1 => {
                let last = items.len() - 1;
                items.swap(last, last - 1);
            }
            _ => {
                let same: Vec<&Value> = lists.iter().filter(|l| l.0 == *key).map(|l| &l.1).collect();
                *value = (*rng.pick(&same)).clone();
            }
        },
    }
}

fn writes(event: &Event) -> Vec<(Scalar, Scalar)> {
    let Operation::Txn(micros) = &event.operation else { return Vec::new() };
    let written = micros.iter().filter_map(|m| match m {
        Micro::Write { key, value } | Micro::Append { key, value } => Some((key.clone(), value.clone())),
        _ => None,
    });
    written.collect()
}

fn answers(event: &Event) -> Vec<(Scalar, Value)> {
    let Operation::Txn(micros) = &event.operation else { return Vec::new() };
    let answered = micros.iter().filter_map(|m| match m {
        Micro::Read { key, value: Some(value) } => Some((key.clone(), value.clone())),
        _ => None,
    });
    answered.collect()
}
