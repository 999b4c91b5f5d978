//! Reads show prefixes of one order of writes if and only if there is such an order: on every small history of lists.

mod weak_reference;

use checkers::weak::prefix;
use checkers::{AnomalyType, Budget, Found, Meter};
use histories::{Event, History, notation};
use weak_reference::{Shape, agree, prefixes};

fn violated(found: &Found) -> bool {
    assert_eq!(found.doubts, Vec::<String>::new());
    for case in found.groups.values().flat_map(|group| &group.cases) {
        let known = |operation: u32| case.operations.contains(&operation);
        assert!(case.relations.iter().all(|r| known(r.from) && known(r.to) && r.from != r.to), "{case:?}");
        assert!(!case.operations.is_empty() && !case.explanation.is_empty(), "{case:?}");
    }
    // A part of a transaction is told apart from what is no prefix of transactions for another reason.
    found
        .groups
        .keys()
        .any(|kind| matches!(kind, AnomalyType::NotPrefix | AnomalyType::NotPrefixProcess | AnomalyType::G1b))
}

fn not_prefix(events: &[Event]) -> bool {
    violated(&prefix::check(&History::from_events(events), None, &Meter::new(&Budget::default())))
}

fn not_prefix_of_transactions(events: &[Event]) -> bool {
    violated(&prefix::transactional(&History::from_events(events), None, &Meter::new(&Budget::default())))
}

fn shapes() -> Vec<Shape> {
    let shape = Shape { lists: true, steps: 3, operations: 5, fresh: 60, overlaps: 30, ..Shape::default() };
    vec![
        shape,
        Shape { steps: 0, operations: 7, ..shape },
        Shape { keys: 3, overlaps: 70, sessions: 4, ..shape },
        Shape { infos: 15, overlaps: 50, ..shape },
        Shape { steps: 2, writes: 30, operations: 6, overlaps: 80, sessions: 6, ..shape },
    ]
}

const EACH: u64 = 20_000;

#[test]
fn cuts_are_prefixes_of_one_order() {
    for shape in shapes() {
        agree(shape, 0..EACH, not_prefix, |events| !prefixes::is_consistent(events));
    }
}

#[test]
fn transactional_prefix_consistency_is_that_of_the_definition() {
    for shape in shapes() {
        agree(shape, 0..EACH, not_prefix_of_transactions, |events| !prefixes::is_transactional(events));
    }
}

fn kinds(text: &str) -> Vec<&'static str> {
    let found = prefix::check(&notation::history(text), None, &Meter::new(&Budget::default()));
    found.groups.keys().map(|kind| kind.name()).collect()
}

#[test]
fn a_long_fork_is_no_prefix() {
    assert_eq!(kinds("1<ax1 2<ay1 1> 2> 3:rx1ry[] 4:rx[]ry1 5:rx1ry1"), ["long-fork", "not-prefix"]);
    assert_eq!(kinds("1<ax1 2<ay1 1> 2> 3:rx1ry[] 4:rx[]ry[] 5:rx1ry1"), [""; 0]);
}

#[test]
fn an_answer_without_its_question_is_no_prefix() {
    assert_eq!(kinds("1:aq1 2:rq1 2:aa2 3:rq[]ra2 4:rq1ra2"), ["not-prefix"]);
    assert_eq!(kinds("1:aq1 2:rq1 2:aa2 3:rq1ra[] 4:rq1ra2"), [""; 0]);
}

#[test]
fn a_session_may_go_back() {
    assert_eq!(kinds("1:ax1 1:ax2 2:rx12 2:rx1"), [""; 0]);
}
