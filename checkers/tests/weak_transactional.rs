//! Read committed, read atomic and causal consistency of transactions are those of the axioms, on every small history.

mod weak_reference;

use checkers::weak::transactional::{self, Level};
use checkers::{AnomalyType, Budget, Meter};
use histories::{Event, History};
use weak_reference::transactions::{Axiom, violated};
use weak_reference::{Shape, agree};

/// What contradicts all three levels.
const ALWAYS: [AnomalyType; 7] = [
    AnomalyType::GarbageRead,
    AnomalyType::G1a,
    AnomalyType::G1b,
    AnomalyType::Internal,
    AnomalyType::FutureRead,
    AnomalyType::G1c,
    AnomalyType::G1cProcess,
];

fn is_violated(events: &[Event], level: Level) -> bool {
    let history = History::from_events(events);
    let found = transactional::check(&history, &[level], None, &Meter::new(&Budget::default()));
    assert_eq!(found.doubts, Vec::<String>::new());
    for (kind, group) in &found.groups {
        // The same with the order of a session in it.
        let with_session = level == Level::ReadCommitted && *kind == AnomalyType::GMonotonicProcess;
        assert!(ALWAYS.contains(kind) || *kind == level.anomaly() || with_session, "{kind}");
        for case in &group.cases {
            assert!(!case.operations.is_empty() && !case.explanation.is_empty(), "{case:?}");
            let known = |operation: u32| case.operations.contains(&operation);
            assert!(case.relations.iter().all(|r| known(r.from) && known(r.to)), "{case:?}");
        }
    }
    !found.groups.is_empty()
}

fn shapes() -> Vec<Shape> {
    let shape = Shape { steps: 4, operations: 5, nothing: 5, fresh: 70, ..Shape::default() };
    vec![
        shape,
        Shape { sessions: 2, keys: 3, ..shape },
        Shape { sessions: 5, keys: 3, fresh: 60, writes: 60, ..shape },
        Shape { keys: 1, steps: 3, fresh: 75, ..shape },
        Shape { infos: 15, fails: 5, ..shape },
        Shape { overlaps: 50, sessions: 2, infos: 5, ..shape },
        Shape { operations: 3, steps: 16, keys: 3, fresh: 88, nothing: 1, ..shape },
    ]
}

const EACH: u64 = 14_500;

#[test]
fn read_committed_is_that_of_the_axiom() {
    for shape in shapes() {
        agree(shape, 0..EACH, |e| is_violated(e, Level::ReadCommitted), |e| violated(e, Axiom::ReadCommitted));
    }
}

#[test]
fn read_atomic_is_that_of_the_axiom() {
    for shape in shapes() {
        agree(shape, 0..EACH, |e| is_violated(e, Level::ReadAtomic), |e| violated(e, Axiom::ReadAtomic));
    }
}

#[test]
fn causal_consistency_is_that_of_the_axiom() {
    for shape in shapes() {
        agree(shape, 0..EACH, |e| is_violated(e, Level::Causal), |e| violated(e, Axiom::Causal));
    }
}
