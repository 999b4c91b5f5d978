//! Generators of events, for property tests.

#![allow(dead_code, reason = "each test file uses some of it")]

use std::ops::Range;
use std::sync::Arc;

use histories::{Event, ItemFunction, Kind, Micro, Operation, Process, Scalar, Value};
use proptest::prelude::*;
use serde_json::Value as Json;

/// Failures are minimal and printed; no file is kept of them.
pub fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

/// Events that say everything in one way only: the form in which they come back from text and file.
pub fn events(count: Range<usize>) -> BoxedStrategy<Vec<Event>> {
    prop::collection::vec((event(), 0..3u8), count)
        .prop_map(|events| {
            let mut time = 0;
            let mut all: Vec<Event> = Vec::new();
            for (mut event, step) in events {
                time += [0, 1_000_000, event.time % 10_000_000_000][step as usize];
                event.time = time;
                match all.last().filter(|last| step == 1 && last.kind == Kind::Invoke && event.kind != Kind::Invoke) {
                    // Every other completion completes.
                    Some(last) => {
                        let (node, session) = (last.node.clone(), last.session);
                        let operation = complete(&last.operation, event.kind);
                        let process = last.process;
                        all.push(Event { process, node, session, operation, ..event });
                    }
                    None => all.push(event),
                }
            }
            all
        })
        .boxed()
}

fn complete(operation: &Operation, kind: Kind) -> Operation {
    match operation {
        Operation::Read { key, value } if kind == Kind::Ok => {
            Operation::Read { key: key.clone(), value: value.clone().or(Some(Value::Scalar(Scalar::Null))) }
        }
        Operation::Item { f, key, value } if kind == Kind::Ok => {
            Operation::Item { f: *f, key: key.clone(), value: value.clone().or(Some(Scalar::Null)) }
        }
        Operation::Txn(micros) => Operation::Txn(micros.iter().cloned().map(|m| answered_micro(m, kind)).collect()),
        other => other.clone(),
    }
}

fn event() -> BoxedStrategy<Event> {
    (
        any::<u64>(),
        process(),
        kind(),
        operation(),
        prop::option::of(name()),
        prop::option::of(prop_oneof![0..4u32, 0..u32::MAX]),
        prop::option::of(name()),
    )
        .prop_map(|(time, process, kind, operation, node, session, error)| {
            let operation = in_one_way(operation, kind);
            Event { time, process, kind, operation, node, session, error }
        })
        .boxed()
}

/// Where an answer is due, there is one; elsewhere `null` is no answer.
fn in_one_way(operation: Operation, kind: Kind) -> Operation {
    match operation {
        Operation::Read { key, value } => Operation::Read { key, value: answer_in_one_way(value, kind) },
        Operation::Item { f, key, value } => {
            let value = match kind {
                Kind::Ok => value.or(Some(Scalar::Null)),
                _ => value.filter(|v| *v != Scalar::Null),
            };
            Operation::Item { f, key, value }
        }
        Operation::Txn(micros) => Operation::Txn(micros.into_iter().map(|m| answered_micro(m, kind)).collect()),
        other => other,
    }
}

fn answered_micro(micro: Micro, kind: Kind) -> Micro {
    match micro {
        Micro::Read { key, value } => Micro::Read { key, value: answer_in_one_way(value, kind) },
        Micro::Predicate { predicate, found } => {
            Micro::Predicate { predicate, found: found.or((kind == Kind::Ok).then(Vec::new)) }
        }
        other => other,
    }
}

fn answer_in_one_way(value: Option<Value>, kind: Kind) -> Option<Value> {
    let nil = Value::Scalar(Scalar::Null);
    match kind {
        Kind::Ok => value.or(Some(nil)),
        _ => value.filter(|v| *v != nil),
    }
}

fn process() -> BoxedStrategy<Process> {
    prop_oneof![8 => (0..4u32).prop_map(Process), 1 => (0..u32::MAX).prop_map(Process), 2 => Just(Process::NEMESIS)]
        .boxed()
}

fn kind() -> BoxedStrategy<Kind> {
    prop_oneof![3 => Just(Kind::Invoke), 3 => Just(Kind::Ok), 1 => Just(Kind::Fail), 1 => Just(Kind::Info)].boxed()
}

/// Names, some of them odd.
pub fn name() -> BoxedStrategy<Arc<str>> {
    prop_oneof![4 => "[a-z]{1,3}[0-9]?", 1 => "\\PC{0,6}", 1 => "[\\x00-\\x20\"\\\\\u{2028}]{0,3}"]
        .prop_map(Arc::from)
        .boxed()
}

fn key() -> BoxedStrategy<Option<Scalar>> {
    // `Some(Null)` is another way to say `None`.
    prop::option::weighted(0.9, object()).prop_map(|k| k.filter(|k| *k != Scalar::Null)).boxed()
}

fn object() -> BoxedStrategy<Scalar> {
    prop_oneof![4 => "[a-c]".prop_map(Scalar::from), 2 => (0..3i64).prop_map(Scalar::Int), 1 => scalar()].boxed()
}

/// Any scalar, in the form that `from_json` gives.
pub fn scalar() -> BoxedStrategy<Scalar> {
    prop_oneof![
        6 => (-2..15i64).prop_map(Scalar::Int),
        2 => any::<i64>().prop_map(Scalar::Int),
        2 => name().prop_map(Scalar::Text),
        2 => json().prop_map(Scalar::from_json),
    ]
    .boxed()
}

/// A scalar that a read does not turn into a list.
fn indivisible() -> BoxedStrategy<Scalar> {
    scalar()
        .prop_map(|s| match s {
            Scalar::Json(json) if json.starts_with('[') => Scalar::Int(json.len() as i64),
            other => other,
        })
        .boxed()
}

fn answer() -> BoxedStrategy<Option<Value>> {
    prop_oneof![
        1 => Just(None),
        2 => indivisible().prop_map(|s| Some(Value::Scalar(s))),
        3 => prop::collection::vec((0..10i64).prop_map(Scalar::Int), 0..5).prop_map(|l| Some(Value::List(l))),
        1 => prop::collection::vec(scalar(), 0..5).prop_map(|l| Some(Value::List(l))),
    ]
    .boxed()
}

fn operation() -> BoxedStrategy<Operation> {
    prop_oneof![
        3 => (key(), answer()).prop_map(|(key, value)| Operation::Read { key, value }),
        1 => (key(), scalar()).prop_map(|(key, value)| Operation::Write { key, value }),
        1 => (key(), scalar(), scalar()).prop_map(|(key, old, new)| Operation::Cas { key, old, new }),
        1 => (key(), scalar()).prop_map(|(key, value)| Operation::Append { key, value }),
        1 => (key(), scalar()).prop_map(|(key, value)| Operation::Add { key, value }),
        1 => (key(), scalar()).prop_map(|(key, value)| Operation::Remove { key, value }),
        1 => (key(), any::<i64>()).prop_map(|(key, by)| Operation::Increment { key, by }),
        1 => (key(), scalar(), any::<Option<bool>>())
            .prop_map(|(key, value, found)| Operation::Contains { key, value, found }),
        2 => (prop::sample::select(&ItemFunction::ALL[..]), key(), prop::option::of(scalar()))
            .prop_map(|(f, key, value)| Operation::Item { f, key, value }),
        3 => prop::collection::vec(micro(), 0..5).prop_map(Operation::Txn),
        2 => (custom_name(), key(), json()).prop_map(|(f, key, value)| Operation::Custom { f, key, value }),
    ]
    .boxed()
}

fn micro() -> BoxedStrategy<Micro> {
    prop_oneof![
        (object(), answer()).prop_map(|(key, value)| Micro::Read { key, value }),
        (object(), scalar()).prop_map(|(key, value)| Micro::Write { key, value }),
        (object(), scalar()).prop_map(|(key, value)| Micro::Append { key, value }),
        (object(), scalar()).prop_map(|(key, value)| Micro::Insert { key, value }),
        object().prop_map(|key| Micro::Delete { key }),
        (object(), prop::option::of(prop::collection::vec((scalar(), scalar()), 0..3)))
            .prop_map(|(predicate, found)| Micro::Predicate { predicate, found }),
    ]
    .boxed()
}

/// Not the name of an operation that is known.
fn custom_name() -> BoxedStrategy<Arc<str>> {
    name()
        .prop_map(|n| match &*n {
            known if Operation::is_known(known) => "other".into(),
            _ => n,
        })
        .boxed()
}

/// Any JSON, not deep.
pub fn json() -> BoxedStrategy<Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        // Decimal fractions, which have one text.
        (any::<i32>(), 0..6i32).prop_map(|(n, e)| Json::from(f64::from(n) / 10f64.powi(e))),
        name().prop_map(|n| Json::from(&*n)),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Json::from),
            prop::collection::btree_map(name().prop_map(|n| n.to_string()), inner, 0..3)
                .prop_map(|m| Json::Object(m.into_iter().collect())),
        ]
    })
    .boxed()
}
