//! What the tests of linearizability share: randomness with a seed, simulated registers, and a reference that tries every
//! order.
#![allow(dead_code, reason = "not every test file uses all of it")]

pub mod foreign;
pub mod orders;
#[path = "../support/rng.rs"]
pub mod rng;
pub mod simulated;

use checkers::{Anomaly, AnomalyType, Assumptions, Found, Question};
use histories::{Event, History, Kind, Operation, Process, Scalar};
pub use rng::Rng;

pub fn question() -> Question {
    Question { models: Vec::new(), anomalies: Vec::new(), assume: Assumptions::default() }
}

/// `true` for linearizable; panics where the checker has a doubt, or where its evidence makes no sense.
pub fn verdict(history: &History, found: &Found) -> bool {
    assert!(found.doubts.is_empty(), "a doubt: {:?}", found.doubts);
    for anomaly in anomalies(found) {
        sane(history, anomaly);
    }
    found.groups.is_empty()
}

pub fn anomalies(found: &Found) -> impl Iterator<Item = &Anomaly> {
    found.groups.values().flat_map(|group| &group.cases)
}

/// What is true of all evidence.
fn sane(history: &History, anomaly: &Anomaly) {
    assert!(anomaly.kind.parse::<AnomalyType>().is_ok());
    assert!(!anomaly.operations.is_empty() && !anomaly.explanation.is_empty(), "{anomaly:?}");
    for operation in anomaly.operations.iter().chain(anomaly.relations.iter().flat_map(|r| [&r.from, &r.to])) {
        assert!((*operation as usize) < history.len(), "{anomaly:?}");
        assert_eq!(history.kind(histories::EventIndex(*operation)), Kind::Invoke, "{anomaly:?}");
    }
    for relation in anomaly.relations.iter().filter(|r| r.kind == checkers::RelationKind::Realtime) {
        let end = history.pair_of(histories::EventIndex(relation.from)).map_or(u32::MAX, |e| e.0);
        assert!(end < relation.to, "no order in time: {anomaly:?}");
    }
}

pub fn event(process: u32, kind: Kind, operation: Operation, index: usize) -> Event {
    let time = index as u64 * 1_000_000;
    Event { time, process: Process(process), kind, operation, node: None, session: None, error: None }
}

pub fn int(value: i64) -> Scalar {
    if value == 0 { Scalar::Null } else { Scalar::Int(value) }
}
