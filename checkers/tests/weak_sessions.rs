//! Causal consistency, causal memory, causal convergence and PRAM say of every small history what their definitions say.

mod weak_reference;

use checkers::weak::sessions::{self, Levels};
use checkers::{AnomalyType, Budget, Meter};
use histories::{Event, History};
use weak_reference::orders::{self, Op, some_choice};
use weak_reference::{Shape, agree};

fn has_any(events: &[Event], levels: Levels, kinds: &[AnomalyType]) -> bool {
    let history = History::from_events(events);
    let found = sessions::levels(&history, levels, None, &Meter::new(&Budget::default()));
    assert_eq!(found.doubts, Vec::<String>::new());
    for group in found.groups.values() {
        for case in &group.cases {
            assert!(!case.operations.is_empty() && !case.explanation.is_empty(), "{case:?}");
            assert!(case.operations.iter().all(|operation| (*operation as usize) < events.len()), "{case:?}");
            let known = |operation: u32| case.operations.contains(&operation);
            assert!(case.relations.iter().all(|r| known(r.from) && known(r.to) && r.from != r.to), "{case:?}");
        }
    }
    found.groups.keys().any(|kind| kinds.contains(kind))
}

const CC: [AnomalyType; 5] = [
    AnomalyType::ThinAirRead,
    AnomalyType::DuplicateElements,
    AnomalyType::CyclicCo,
    AnomalyType::WriteCoInitRead,
    AnomalyType::WriteCoRead,
];

fn not_causal(events: &[Event]) -> bool {
    has_any(events, Levels { causal: true, ..Levels::NONE }, &CC)
}

fn not_convergent(events: &[Event]) -> bool {
    let kinds = [&CC[..], &[AnomalyType::CyclicCf]].concat();
    has_any(events, Levels { convergence: true, ..Levels::NONE }, &kinds)
}

fn not_memory(events: &[Event]) -> bool {
    let kinds = [&CC[..], &[AnomalyType::CyclicHb, AnomalyType::WriteHbInitRead]].concat();
    has_any(events, Levels { memory: true, ..Levels::NONE }, &kinds)
}

fn not_pram(events: &[Event]) -> bool {
    let kinds = [AnomalyType::ThinAirRead, AnomalyType::DuplicateElements, AnomalyType::Nonpram];
    has_any(events, Levels { pram: true, ..Levels::NONE }, &kinds)
}

/// With the least causal order that the reads allow.
fn forced(events: &[Event], good: impl Fn(&[Op], &orders::Before) -> bool) -> bool {
    !some_choice(events, |ops| orders::forced(ops).is_some_and(|co| good(ops, &co)))
}

/// With any causal order.
fn any(events: &[Event], good: impl Fn(&[Op], &orders::Before) -> bool) -> bool {
    !some_choice(events, |ops| orders::some_causal_order(ops, |co| good(ops, co)))
}

fn shapes() -> Vec<Shape> {
    vec![
        Shape::default(),
        Shape { sessions: 2, keys: 1, ..Shape::default() },
        Shape { sessions: 4, operations: 8, fresh: 20, nothing: 2, ..Shape::default() },
        Shape { sessions: 2, operations: 8, keys: 3, fresh: 0, nothing: 2, writes: 40, ..Shape::default() },
        Shape { infos: 20, fails: 5, ..Shape::default() },
        Shape { steps: 3, operations: 3, ..Shape::default() },
    ]
}

fn lists() -> Vec<Shape> {
    vec![
        Shape { lists: true, operations: 6, ..Shape::default() },
        Shape { lists: true, operations: 7, keys: 1, sessions: 2, ..Shape::default() },
        Shape { lists: true, operations: 6, infos: 15, ..Shape::default() },
    ]
}

fn overlapping() -> Vec<Shape> {
    vec![
        Shape { overlaps: 40, infos: 10, ..Shape::default() },
        Shape { overlaps: 40, sessions: 1, operations: 6, ..Shape::default() },
        Shape { overlaps: 40, lists: true, operations: 6, sessions: 2, ..Shape::default() },
    ]
}

fn all() -> Vec<Shape> {
    [shapes(), lists(), overlapping()].concat()
}

/// Small enough to go through all causal orders.
fn tiny() -> Vec<Shape> {
    vec![
        Shape { operations: 5, sessions: 2, fresh: 20, ..Shape::default() },
        Shape { operations: 5, sessions: 2, keys: 1, fresh: 20, ..Shape::default() },
        Shape { operations: 5, sessions: 2, lists: true, ..Shape::default() },
    ]
}

const EACH: u64 = 12_000;

#[test]
fn causal_consistency_is_that_of_the_definition() {
    for shape in all() {
        agree(shape, 0..EACH, not_causal, |events| forced(events, orders::is_causal_with));
    }
}

#[test]
fn causal_convergence_is_that_of_the_definition() {
    for shape in all() {
        agree(shape, 0..EACH, not_convergent, |events| forced(events, orders::is_convergent_with));
    }
}

#[test]
fn causal_memory_is_that_of_the_definition() {
    for shape in [shapes(), lists()].concat() {
        agree(shape, 0..EACH, not_memory, |events| forced(events, orders::is_memory_with));
    }
}

#[test]
fn pram_is_that_of_the_definition() {
    for shape in [shapes(), lists()].concat() {
        agree(shape, 0..EACH, not_pram, |events| !some_choice(events, orders::is_pram));
    }
}

#[test]
fn no_other_causal_order_than_the_least_one_would_do() {
    for shape in tiny() {
        agree(shape, 0..1500, not_causal, |events| any(events, orders::is_causal_with));
        agree(shape, 0..1500, not_convergent, |events| any(events, orders::is_convergent_with));
        agree(shape, 0..1500, not_memory, |events| any(events, orders::is_memory_with));
    }
}
