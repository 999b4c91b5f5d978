//! Long histories of many clients have the right verdict, whatever the values, the unknown outcomes and the threads; and where
//! the budget is too small, that is a doubt and no verdict.

mod linearizability_support;

use checkers::linearizability::registers;
use checkers::{Budget, Found};
use histories::{Event, History, Kind, Operation, Scalar, Value};
use linearizability_support::simulated::{self, Shape};
use linearizability_support::{Rng, anomalies, question, verdict};

fn check(events: &[Event], threads: usize) -> (bool, Found) {
    let history = History::from_events(events);
    let found = registers::check(&history, &question(), &Budget { threads, ..Budget::default() });
    (verdict(&history, &found), found)
}

/// Makes one read in the second half return a value that was written long before it, was overwritten since, and was not
/// written again. Returns the invocation.
fn plant(events: &mut [Event], clients: usize) -> Option<u32> {
    let wrote = |event: &Event| match &event.operation {
        Operation::Write { value, .. } | Operation::Cas { new: value, .. } => Some(value.clone()),
        _ => None,
    };
    let begin = |place: usize| events[..place].iter().rposition(|event| event.process == events[place].process);
    for place in events.len() / 2..events.len() {
        if !matches!(events[place].operation, Operation::Read { .. }) || events[place].kind != Kind::Ok {
            continue;
        }
        let start = begin(place)?;
        let window = start.saturating_sub(8 * clients)..place + 1;
        let overwritten = (window.start..start).any(|i| {
            let plain = matches!(events[i].operation, Operation::Write { .. }) && events[i].kind == Kind::Ok;
            plain && begin(i).is_some_and(|begin| begin >= window.start)
        });
        let recent: Vec<Scalar> = events[window.clone()].iter().filter_map(wrote).collect();
        let old = events[..window.start].iter().rev().filter_map(wrote).find(|value| !recent.contains(value));
        if let (true, Some(old)) = (overwritten, old) {
            events[place].operation = Operation::Read { key: None, value: Some(Value::Scalar(old)) };
            return Some(start as u32);
        }
    }
    None
}

fn both_ways(shape: Shape, seed: u64) {
    let mut events = simulated::registers(&mut Rng(seed), shape);
    assert!(check(&events, 1).0, "{shape:?}");
    let planted = plant(&mut events, shape.clients).expect("a read to lie in");
    let (linearizable, found) = check(&events, 1);
    assert!(!linearizable, "{shape:?}");
    let named = anomalies(&found).any(|anomaly| anomaly.operations.contains(&planted));
    assert!(named, "#{planted} is not in {found:?}");
}

#[test]
fn unique_values() {
    for (operations, seed) in [(1_000, 1), (10_000, 2), (100_000, 3)] {
        for clients in [5, 20, 100] {
            both_ways(Shape::busy(clients, operations), seed);
            both_ways(Shape { infos: 1.0, ..Shape::busy(clients, operations) }, seed);
        }
    }
}

#[test]
fn unique_values_with_compare_and_set() {
    for (operations, seed) in [(1_000, 1), (10_000, 2), (50_000, 3)] {
        for clients in [5, 20, 100] {
            both_ways(Shape { cas: 20, silent: 100, ..Shape::busy(clients, operations) }, seed);
        }
        let shape = Shape { cas: 20, ..Shape::busy(100, operations) };
        assert!(check(&simulated::registers(&mut Rng(seed), shape), 1).0);
    }
}

#[test]
fn few_values() {
    for clients in [10, 20] {
        for infos in [0.0, 1.0] {
            let shape = Shape { values: 5, cas: 20, infos, ..Shape::busy(clients, 5_000) };
            assert!(check(&simulated::registers(&mut Rng(7), shape), 1).0, "{shape:?}");
        }
        both_ways(Shape { values: 100, cas: 20, ..Shape::busy(clients, 5_000) }, 8);
    }
    both_ways(Shape { values: 20, cas: 20, ..Shape::busy(3, 5_000) }, 9);
}

/// The number of threads changes nothing, a doubt least of all.
#[test]
fn any_number_of_threads() {
    let shape = Shape { keys: 40, values: 30, cas: 20, infos: 0.3, lies: 0.1, ..Shape::busy(30, 8_000) };
    let events = simulated::registers(&mut Rng(11), shape);
    let history = History::from_events(&events);
    for steps in [u64::MAX, 4_000, 400] {
        let found = |threads| registers::check(&history, &question(), &Budget { steps, threads, ..Budget::default() });
        let one = found(1);
        assert!(steps == u64::MAX || !one.doubts.is_empty());
        for threads in [2, 3, 64] {
            assert_eq!(found(threads), one, "{threads} threads, {steps} steps");
        }
    }
}

#[test]
fn a_budget_that_is_too_small() {
    let shape = Shape { values: 5, cas: 20, ..Shape::busy(20, 2_000) };
    let history = History::from_events(&simulated::registers(&mut Rng(5), shape));
    let few = registers::check(&history, &question(), &Budget { steps: 3_000, ..Budget::default() });
    assert!(few.groups.is_empty());
    let doubt = few.doubts.first().expect("a doubt");
    assert!(doubt.contains("the budget of search steps was used up; the first"), "{doubt}");
    let small = registers::check(&history, &question(), &Budget { memory_bytes: 64, ..Budget::default() });
    assert!(small.groups.is_empty() && small.doubts[0].contains("memory"), "{:?}", small.doubts);
    let stopped = registers::check(&history, &question(), &Budget { stop: &|| true, ..Budget::default() });
    assert!(stopped.groups.is_empty() && stopped.doubts.len() <= 1);
}
