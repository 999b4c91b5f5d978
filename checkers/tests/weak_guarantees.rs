//! The session guarantees say of every small history whether there is an order of versions that agrees with them.

mod weak_reference;

use checkers::weak::sessions::{self, Levels};
use checkers::{AnomalyType, Budget, Meter};
use histories::{Event, History};
use weak_reference::guarantees::Guarantee;
use weak_reference::orders::{Op, operations, some_choice};
use weak_reference::{Shape, agree, guarantees};

fn anomaly(guarantee: Guarantee) -> AnomalyType {
    match guarantee {
        Guarantee::MonotonicReads => AnomalyType::NonMonotonicRead,
        Guarantee::ReadYourWrites => AnomalyType::NotReadYourWrites,
        Guarantee::MonotonicWrites => AnomalyType::NonMonotonicWrites,
        Guarantee::WritesFollowReads => AnomalyType::NotWritesFollowReads,
    }
}

fn violated(events: &[Event], guarantee: Guarantee) -> bool {
    let history = History::from_events(events);
    let levels = Levels { guarantees: true, ..Levels::NONE };
    let found = sessions::levels(&history, levels, None, &Meter::new(&Budget::default()));
    for case in found.groups.values().flat_map(|group| &group.cases) {
        let known = |operation: u32| case.operations.contains(&operation);
        assert!(case.relations.iter().all(|r| known(r.from) && known(r.to)), "{case:?}");
        assert!(!case.explanation.is_empty() && !case.operations.is_empty(), "{case:?}");
    }
    found.groups.contains_key(&anomaly(guarantee))
}

/// A read of what nobody can have written is another anomaly, and says nothing here.
fn held_by_definition(events: &[Event], guarantee: Guarantee) -> bool {
    let all = operations(events);
    let possible = |op: &Op| guarantees::is_explained(&all, op);
    some_choice(events, |ops| {
        let ops: Vec<Op> = ops.iter().filter(|op| possible(op)).cloned().collect();
        ops.iter().all(|op| guarantees::is_explained(&ops, op)) && guarantees::holds(&ops, guarantee)
    })
}

fn compare(guarantee: Guarantee, shapes: &[Shape], each: u64) {
    for shape in shapes {
        agree(*shape, 0..each, |e| violated(e, guarantee), |e| !held_by_definition(e, guarantee));
    }
}

fn registers() -> Vec<Shape> {
    let shape = Shape { fresh: 30, nothing: 4, operations: 8, ..Shape::default() };
    vec![
        shape,
        Shape { sessions: 2, keys: 1, operations: 7, ..shape },
        Shape { sessions: 1, keys: 1, operations: 6, ..shape },
        Shape { overlaps: 40, sessions: 2, ..shape },
        Shape { infos: 20, sessions: 2, keys: 1, ..shape },
    ]
}

fn lists() -> Vec<Shape> {
    let shape = Shape { lists: true, operations: 8, ..Shape::default() };
    vec![shape, Shape { overlaps: 40, sessions: 2, ..shape }, Shape { infos: 15, ..shape }]
}

const EACH: u64 = 13_000;

#[test]
fn monotonic_reads() {
    compare(Guarantee::MonotonicReads, &[registers(), lists()].concat(), EACH);
}

#[test]
fn read_your_writes() {
    compare(Guarantee::ReadYourWrites, &[registers(), lists()].concat(), EACH);
}

#[test]
fn writes_follow_reads() {
    let on_one_key = |shape: Shape| Shape { keys: 1, ..shape };
    let shapes: Vec<Shape> = registers().into_iter().chain(lists()).map(on_one_key).collect();
    compare(Guarantee::WritesFollowReads, &shapes, EACH);
}

#[test]
fn monotonic_writes() {
    // Without a recorded order, only lists contradict it.
    let sure = Shape { operations: 10, sessions: 2, keys: 1, ..lists()[0] };
    compare(Guarantee::MonotonicWrites, &[sure, Shape { overlaps: 30, ..sure }], EACH * 4);
}
