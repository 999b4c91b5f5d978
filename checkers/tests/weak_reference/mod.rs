//! What the tests of weak consistency share: small random histories, and the definitions, tried out by enumeration.
//!
//! Nothing here knows of bad patterns, clocks or batches: relations are sets of pairs, and "there is an order" is shown by
//! going through the orders.
#![allow(dead_code, reason = "not every test file uses all of it")]

pub mod guarantees;
pub mod orders;
pub mod prefixes;
#[path = "../support/rng.rs"]
pub mod rng;
pub mod transactions;

use histories::{Event, Kind, Micro, Operation, Process, Scalar, Value, notation};
pub use rng::Rng;

/// How a random history looks.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub sessions: usize,
    /// Operations or transactions.
    pub operations: usize,
    pub keys: usize,
    /// In percent: writes among the steps.
    pub writes: usize,
    /// Reads that find nothing.
    pub nothing: usize,
    /// Reads that return the newest value by the clock; the others return any.
    pub fresh: usize,
    pub infos: usize,
    pub fails: usize,
    /// Operations that overlap with the next one of their session.
    pub overlaps: usize,
    /// Steps of each transaction; 0 for single operations.
    pub steps: usize,
    pub lists: bool,
}

impl Default for Shape {
    fn default() -> Self {
        Shape {
            sessions: 3,
            operations: 7,
            keys: 2,
            writes: 50,
            nothing: 8,
            fresh: 40,
            infos: 0,
            fails: 0,
            overlaps: 0,
            steps: 0,
            lists: false,
        }
    }
}

/// A random history: operations follow one another, except where those of one session overlap.
pub fn history(rng: &mut Rng, shape: Shape) -> Vec<Event> {
    let mut plan: Vec<(u32, Vec<(usize, bool)>)> = Vec::new();
    for _ in 0..shape.operations {
        let steps = if shape.steps == 0 { 1 } else { 1 + rng.below(shape.steps) };
        let steps = (0..steps).map(|_| (rng.below(shape.keys), rng.percent(shape.writes))).collect();
        plan.push((rng.below(shape.sessions) as u32, steps));
    }
    let (mut next, mut written) = (0i64, vec![Vec::new(); shape.keys]);
    let mut operations: Vec<(u32, Kind, Vec<Micro>)> = Vec::new();
    for (session, steps) in plan {
        let end = match rng.below(100) {
            n if n < shape.infos => Kind::Info,
            n if n < shape.infos + shape.fails => Kind::Fail,
            _ => Kind::Ok,
        };
        let micros = steps.into_iter().map(|(key, write)| {
            let name = Scalar::from(["x", "y", "z"][key]);
            if !write {
                return Micro::Read { key: name, value: None };
            }
            next += 1;
            written[key].push(next);
            match shape.lists {
                true => Micro::Append { key: name, value: next.into() },
                false => Micro::Write { key: name, value: next.into() },
            }
        });
        operations.push((session, end, micros.collect()));
    }
    answer(rng, shape, &mut operations, &written);
    events(rng, shape, operations)
}

/// Answers that may be right: of a register any value of its key, mostly of the near past.
fn answer(rng: &mut Rng, shape: Shape, operations: &mut [(u32, Kind, Vec<Micro>)], written: &[Vec<i64>]) {
    let mut last = vec![None; shape.keys];
    let orders: Vec<Vec<i64>> = written.iter().map(|values| shuffled_a_little(rng, values)).collect();
    for (_, _, micros) in operations {
        for micro in micros {
            let key = ["x", "y", "z"].iter().position(|name| *micro.key() == Scalar::from(*name)).unwrap_or(0);
            match micro {
                Micro::Read { value, .. } if shape.lists => {
                    *value = Some(list(rng, &orders[key], shape, last[key]));
                }
                Micro::Read { value, .. } => {
                    let any = (!written[key].is_empty()).then(|| written[key][rng.below(written[key].len())]);
                    let found = if rng.percent(shape.fresh) { last[key] } else { any };
                    let found = found.filter(|_| !rng.percent(shape.nothing));
                    *value = Some(Value::Scalar(found.map_or(Scalar::Null, Scalar::Int)));
                }
                Micro::Write { value: Scalar::Int(value), .. } | Micro::Append { value: Scalar::Int(value), .. } => {
                    last[key] = Some(*value);
                }
                _ => {}
            }
        }
    }
}

fn shuffled_a_little(rng: &mut Rng, values: &[i64]) -> Vec<i64> {
    let mut values = values.to_vec();
    for i in 1..values.len() {
        if rng.percent(25) {
            values.swap(i - 1, i);
        }
    }
    values
}

fn list(rng: &mut Rng, order: &[i64], shape: Shape, last: Option<i64>) -> Value {
    let fresh = last.and_then(|last| order.iter().position(|value| *value == last)).map_or(0, |at| at + 1);
    let len = if rng.percent(shape.fresh + 20) { fresh } else { rng.below(order.len() + 1) };
    let mut shown: Vec<i64> = order[..len].to_vec();
    if shown.len() > 1 && rng.percent(15) {
        shown.remove(rng.below(len));
    }
    if shown.len() > 1 && rng.percent(8) {
        shown.swap(0, 1);
    }
    Value::List(shown.into_iter().map(Scalar::Int).collect())
}

fn events(rng: &mut Rng, shape: Shape, operations: Vec<(u32, Kind, Vec<Micro>)>) -> Vec<Event> {
    let mut events = Vec::new();
    let mut late: Vec<Event> = Vec::new();
    for (process, (session, kind, micros)) in operations.into_iter().enumerate() {
        let operation = if shape.steps == 0 { single(micros[0].clone()) } else { Operation::Txn(micros) };
        let event = |kind, operation| Event {
            time: 0,
            process: Process(process as u32),
            kind,
            operation,
            node: None,
            session: Some(session),
            error: None,
        };
        events.push(event(Kind::Invoke, operation.question()));
        if kind != Kind::Info {
            let answered = if kind == Kind::Ok { operation } else { operation.question() };
            late.push(event(kind, answered));
        }
        while !late.is_empty() && !rng.percent(shape.overlaps) {
            events.push(late.remove(rng.below(late.len())));
        }
    }
    events.append(&mut late);
    for (i, event) in events.iter_mut().enumerate() {
        event.time = i as u64 * 1_000_000;
    }
    events
}

fn single(micro: Micro) -> Operation {
    match micro {
        Micro::Read { key, value } => Operation::Read { key: Some(key), value },
        Micro::Write { key, value } => Operation::Write { key: Some(key), value },
        Micro::Append { key, value } => Operation::Append { key: Some(key), value },
        other => Operation::Txn(vec![other]),
    }
}

/// Compares a verdict (`true` for violated) with a reference on random histories; both verdicts have to be common.
pub fn agree(
    shape: Shape,
    seeds: std::ops::Range<u64>,
    verdict: impl Fn(&[Event]) -> bool,
    reference: impl Fn(&[Event]) -> bool,
) {
    let (mut bad, count) = (0, seeds.end - seeds.start);
    for seed in seeds {
        let events = history(&mut Rng(seed.wrapping_mul(0x2545_f491_4f6c_dd1d)), shape);
        let violated = verdict(&events);
        if violated != reference(&events) {
            let small = shrink(&events, |events| is_explained(events) && verdict(events) != reference(events));
            panic!(
                "violated: {}, and the reference says otherwise, of\n  {}",
                verdict(&small),
                notation::print(&small)
            );
        }
        bad += u64::from(violated);
    }
    assert!(bad * 25 > count && bad * 25 < count * 24, "{bad} of {count} are violated: {shape:?}");
}

/// Whether everything that was read was also written.
fn is_explained(events: &[Event]) -> bool {
    let ops = orders::operations(events);
    ops.iter().all(|op| guarantees::is_explained(&ops, op))
}

/// The smallest history, by leaving out operations one after the other, that still has a property.
pub fn shrink(events: &[Event], wrong: impl Fn(&[Event]) -> bool) -> Vec<Event> {
    let mut events = events.to_vec();
    loop {
        let processes: Vec<Process> = events.iter().map(|event| event.process).collect();
        let without = |process: &Process| -> Vec<Event> {
            events.iter().filter(|event| event.process != *process).cloned().collect()
        };
        match processes.iter().map(without).find(|smaller| wrong(smaller)) {
            Some(smaller) => events = smaller,
            None => return events,
        }
    }
}
