//! The checker of registers says what the definition says, on every small history.

mod linearizability_support;

use checkers::linearizability::registers;
use checkers::linearizability::specification::{self, Judgement, Specification, linearize};
use checkers::{Budget, Meter};
use histories::{Event, History, Operation, Scalar, Value, notation};
use linearizability_support::orders::{self, Timed};
use linearizability_support::simulated::{self, Shape};
use linearizability_support::{Rng, question, verdict};

/// The sequential specification.
fn step(state: &Scalar, op: &Timed) -> Vec<Scalar> {
    let legal = |next: Option<Scalar>| next.into_iter().collect();
    match (&op.question, &op.answer) {
        (Operation::Read { .. }, Some(Operation::Read { value: Some(Value::Scalar(value)), .. })) => {
            legal((value == state).then(|| state.clone()))
        }
        (Operation::Read { .. }, _) => vec![state.clone()],
        (Operation::Write { value, .. }, _) => legal((!op.failed).then(|| value.clone())),
        (Operation::Cas { old, .. }, _) if op.failed => legal((old != state).then(|| state.clone())),
        (Operation::Cas { old, new, .. }, _) => legal((old == state).then(|| new.clone())),
        _ => Vec::new(),
    }
}

fn by_definition(events: &[Event]) -> bool {
    let all: Vec<Timed> = orders::timed(events);
    let says = |op: &Timed| !op.failed || op.reason.as_deref() == Some("mismatch");
    let all: Vec<Timed> = all.into_iter().filter(says).collect();
    orders::exists(&all, &Scalar::Null, &step)
}

fn by_checker(events: &[Event]) -> bool {
    let history = History::from_events(events);
    verdict(&history, &registers::check(&history, &question(), &Budget::default()))
}

fn agree(shape: impl Fn(&mut Rng) -> Shape, each: u64) {
    let mut valid = 0;
    for seed in 0..each {
        let mut rng = Rng(seed.wrapping_mul(0x1234_5678_9abc_def1));
        let shape = shape(&mut rng);
        let events = simulated::registers(&mut rng, shape);
        let (ours, truth) = (by_checker(&events), by_definition(&events));
        assert_eq!(ours, truth, "seed {seed}: the definition says {truth}\n  {}", notation::print(&events));
        valid += u64::from(truth);
    }
    assert!(valid * 10 > each && (each - valid) * 10 > each, "{valid} of {each} are linearizable");
}

fn small(rng: &mut Rng) -> Shape {
    Shape {
        clients: 2 + rng.below(3),
        operations: 3 + rng.below(6),
        keys: 1,
        values: 0,
        reads: 30 + rng.below(30),
        cas: 0,
        infos: 8.0,
        lies: 40.0,
        haste: 20 + rng.below(60),
        open: rng.percent(50),
        silent: 20,
    }
}

const EACH: u64 = 40_000;

#[test]
fn unique_values() {
    agree(small, EACH);
}

#[test]
fn unique_values_with_compare_and_set() {
    agree(|rng| Shape { cas: 35, reads: 30, lies: 40.0, ..small(rng) }, EACH);
}

#[test]
fn unique_values_with_many_unknown_outcomes() {
    agree(|rng| Shape { cas: 30, infos: 30.0, ..small(rng) }, EACH);
}

#[test]
fn few_values() {
    agree(|rng| Shape { values: 2 + rng.below(3), lies: 50.0, ..small(rng) }, EACH);
}

#[test]
fn few_values_with_compare_and_set() {
    agree(|rng| Shape { values: 1 + rng.below(4), cas: 35, reads: 30, ..small(rng) }, EACH);
}

#[test]
fn few_values_with_many_unknown_outcomes() {
    agree(|rng| Shape { values: 1 + rng.below(3), cas: 30, infos: 30.0, lies: 30.0, ..small(rng) }, EACH);
}

/// A register, as one would tell the general search of it.
struct Plain;

impl Specification for Plain {
    type State = Scalar;
    type Call = Timed;

    fn initial(&self) -> Scalar {
        Scalar::Null
    }

    fn step(&self, state: &Scalar, call: &Timed) -> impl IntoIterator<Item = Scalar> {
        step(state, call)
    }
}

fn by_plain_search(events: &[Event]) -> bool {
    let says = |op: &Timed| !op.failed || op.reason.as_deref() == Some("mismatch");
    let calls: Vec<specification::Timed<Timed>> = orders::timed(events)
        .into_iter()
        .filter(says)
        .map(|op| {
            let (start, end) = (op.start as u32, op.end.map(|end| end as u32));
            specification::Timed::new(op, start, end)
        })
        .collect();
    linearize(&Plain, &calls, &Meter::new(&Budget::default())) == Judgement::Linearizable
}

/// Too long for all orders, and with more open at once: the search that knows nothing of registers is the reference.
#[test]
fn longer_histories() {
    let (each, mut valid) = (24_000u64, 0);
    for seed in 0..each {
        let mut rng = Rng(seed.wrapping_mul(0x1234_5678_9abc_def1));
        let shape = Shape {
            clients: 4 + rng.below(4),
            operations: 12 + rng.below(24),
            values: [0, 2, 3, 5][rng.below(4)],
            cas: [0, 25][rng.below(2)],
            infos: [0.0, 4.0, 12.0][rng.below(3)],
            lies: [2.0, 25.0][rng.below(2)],
            haste: rng.below(50),
            ..small(&mut rng)
        };
        let events = simulated::registers(&mut rng, shape);
        let (ours, truth) = (by_checker(&events), by_plain_search(&events));
        assert_eq!(ours, truth, "seed {seed}: the plain search says {truth}\n  {}", notation::print(&events));
        valid += u64::from(truth);
    }
    assert!(valid * 5 > each && (each - valid) * 5 > each, "{valid} of {each}");
}
