//! Whatever a history holds, the analyzers of transactions neither panic nor take long, and say the same twice.
//!
//! Events here come in any order: completions that were never invoked, processes that do several things at once,
//! answers of the wrong type, keys that are lists, registers and predicates at the same time.

mod support;

use checkers::transactions::{list_append, predicate, rw_register};
use checkers::{AnomalyType, Assumptions, Budget, Model, Question};
use histories::{Event, History, ItemFunction, Kind, Micro, Operation, Process, Scalar, Value};
use support::{Rng, odd};

fn scalar(rng: &mut Rng) -> Scalar {
    match rng.below(12) {
        0 => Scalar::Null,
        1 => Scalar::Bool(rng.percent(50)),
        2 => Scalar::Text(["true", "1", "x"][rng.below(3)].into()),
        3 => Scalar::Json([r#"["=",1]"#, r#"["mod",2,1]"#, r#"["mod",0,1]"#, "not json"][rng.below(4)].into()),
        4 => Scalar::Int(i64::MIN),
        _ => Scalar::Int(rng.below(4) as i64),
    }
}

fn value(rng: &mut Rng) -> Option<Value> {
    odd::value(rng, 4, 4, scalar)
}

fn micro(rng: &mut Rng) -> Micro {
    let key = scalar(rng);
    match rng.below(10) {
        0..=2 => Micro::Read { key, value: value(rng) },
        3 => Micro::Write { key, value: scalar(rng) },
        4 => Micro::Insert { key, value: scalar(rng) },
        5 => Micro::Delete { key },
        6 => {
            let found = (0..rng.below(3)).map(|_| (scalar(rng), scalar(rng))).collect();
            Micro::Predicate { predicate: key, found: rng.percent(80).then_some(found) }
        }
        _ => Micro::Append { key, value: scalar(rng) },
    }
}

fn operation(rng: &mut Rng) -> Operation {
    let key = rng.percent(70).then(|| scalar(rng));
    match rng.below(14) {
        0 => Operation::Read { key, value: value(rng) },
        1 => Operation::Write { key, value: scalar(rng) },
        2 => Operation::Append { key, value: scalar(rng) },
        3 => Operation::Cas { key, old: scalar(rng), new: scalar(rng) },
        4 => Operation::Add { key, value: scalar(rng) },
        5 => Operation::Item { f: ItemFunction::Enqueue, key, value: None },
        6 => {
            let universe =
                [serde_json::json!({"0": 1, "x": 0}), serde_json::json!([1]), serde_json::json!({"1": null})];
            Operation::Custom { f: "init".into(), key, value: rng.pick(&universe).clone() }
        }
        _ => Operation::Txn((0..rng.below(5)).map(|_| micro(rng)).collect()),
    }
}

fn event(rng: &mut Rng) -> Event {
    let kinds = [Kind::Invoke, Kind::Invoke, Kind::Ok, Kind::Ok, Kind::Ok, Kind::Fail, Kind::Info];
    odd::event(odd::who(rng, 3, &kinds), operation(rng))
}

fn question(rng: &mut Rng) -> Question {
    Question {
        models: (0..rng.below(3)).map(|_| *rng.pick(Model::ALL)).collect(),
        anomalies: (0..rng.below(2)).map(|_| *rng.pick(AnomalyType::ALL)).collect(),
        assume: Assumptions {
            writes_follow_reads_keys: rng.percent(50),
            sequential_keys: rng.percent(50),
            linearizable_keys: rng.percent(50),
            initial: rng.percent(30).then(|| scalar(rng)),
            ..Assumptions::default()
        },
    }
}

#[test]
fn any_history() {
    let (mut rng, mut found_something, mut doubted) = (Rng(11), 0, 0);
    for _ in 0..20_000 {
        let events: Vec<Event> = (0..rng.below(16)).map(|_| event(&mut rng)).collect();
        let history = History::from_events(&events);
        let question = question(&mut rng);
        for check in [list_append::check, rw_register::check, predicate::check] {
            let found = check(&history, &question, &Budget::default());
            assert_eq!(found, check(&history, &question, &Budget { threads: 2, ..Budget::default() }));
            for group in found.groups.values() {
                assert!(group.count >= group.cases.len() as u64 && !group.cases.is_empty());
                for case in &group.cases {
                    assert!(!case.explanation.is_empty() && !case.operations.is_empty(), "{case:?}");
                    assert!(case.operations.iter().all(|o| (*o as usize) < history.len()), "{case:?}");
                    let known = |o: u32| case.operations.contains(&o);
                    assert!(case.relations.iter().all(|r| known(r.from) && known(r.to)), "{case:?}");
                }
            }
            found_something += u32::from(!found.groups.is_empty());
            doubted += u32::from(!found.doubts.is_empty());
        }
    }
    assert!(found_something > 10_000 && doubted > 10_000, "{found_something} {doubted}");
}

/// A check that may take hardly any steps says so, and finds nothing that is not there.
#[test]
fn small_budgets() {
    let mut rng = Rng(12);
    for _ in 0..500 {
        let events: Vec<Event> = (0..30).map(|_| event(&mut rng)).collect();
        let history = History::from_events(&events);
        let question = question(&mut rng);
        for check in [list_append::check, rw_register::check, predicate::check] {
            let all = check(&history, &question, &Budget::default());
            let some = check(&history, &question, &Budget { steps: rng.below(60) as u64, ..Budget::default() });
            assert!(!some.doubts.is_empty() || some == all);
            assert!(
                some.groups.iter().all(|(kind, group)| all.groups.get(kind).is_some_and(|g| g.count >= group.count))
            );
        }
    }
}

fn transaction(process: u32, kind: Kind, steps: Vec<Micro>) -> Event {
    odd::event((Process(process), kind), Operation::Txn(steps))
}

/// A quadratic number of dependencies is not written out: everybody who read nothing precedes every append that nobody
/// read.
#[test]
fn many_reads_of_nothing_and_many_unread_appends() {
    let n = 20_000;
    let mut events = Vec::new();
    for i in 0..n {
        let read = Micro::Read { key: "x".into(), value: Some(Value::List(Vec::new())) };
        let append = Micro::Append { key: "x".into(), value: Scalar::Int(i) };
        for (process, step) in [(0, read), (1, append)] {
            events.push(transaction(process, Kind::Invoke, vec![step.question()]));
            events.push(transaction(process, Kind::Ok, vec![step]));
        }
    }
    let history = History::from_events(&events);
    let ask = |model| Question { models: vec![model], anomalies: Vec::new(), assume: Assumptions::default() };
    let found = list_append::check(&history, &ask(Model::Serializable), &Budget::default());
    assert_eq!((found.groups.len(), found.doubts.len()), (0, 0), "all reads may come first");
    let found = list_append::check(&history, &ask(Model::StrongSerializable), &Budget::default());
    assert!(found.groups.contains_key(&AnomalyType::GSingleItemRealtime), "{:?}", found.doubts);
}

/// Lists with thousands of elements, transactions with thousands of steps.
#[test]
fn long_transactions() {
    let n = 3_000;
    let append = |i: i64| Micro::Append { key: "x".into(), value: Scalar::Int(i) };
    let read = |k: i64| Micro::Read { key: "x".into(), value: Some(Value::List((0..k).map(Scalar::Int).collect())) };
    let steps: Vec<Micro> = (0..n).flat_map(|i| [append(i), read(i + 1)]).collect();
    let events = [transaction(0, Kind::Invoke, steps.clone()), transaction(0, Kind::Ok, steps)];
    let question =
        Question { models: vec![Model::Serializable], anomalies: Vec::new(), assume: Assumptions::default() };
    let found = list_append::check(&History::from_events(&events), &question, &Budget::default());
    assert_eq!((found.groups.len(), found.doubts.len()), (0, 0));
}
