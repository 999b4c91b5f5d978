//! Whatever a history holds, every checker comes to an end and says something.

mod support;

use std::sync::Arc;

use checkers::{CheckConfig, Finding, Observed, check};
use histories::{Event, Guarantee, History, Kind, Micro, Operation, Scalar, Value, notation};
use support::random::{Objects, Shape};
use support::stores::{ReadFrom, Run, record};
use support::{Rng, fold, odd, random};

/// Any event at all: completions without invocations, two invocations of one process, answers that do not fit.
fn odd_event(rng: &mut Rng) -> Event {
    let who = odd::who(rng, 10, &[Kind::Invoke, Kind::Invoke, Kind::Ok, Kind::Ok, Kind::Fail, Kind::Info]);
    let node = rng.percent(30).then(|| Arc::from(*rng.pick(&["n1", "n2", ""])));
    let session = rng.percent(50).then(|| *rng.pick(&[0, 1, 70_000, u32::MAX - 1]));
    let time = if rng.percent(90) { rng.below(1 << 40) as u64 } else { u64::MAX };
    Event { time, node, session, ..odd::event(who, odd_operation(rng)) }
}

fn scalar(rng: &mut Rng) -> Scalar {
    match rng.below(8) {
        0 => Scalar::Null,
        1 => Scalar::Bool(true),
        2 => Scalar::Text("x".into()),
        3 => Scalar::Json("[1,2".into()),
        4 => Scalar::Json(r#"{"a":[1]}"#.into()),
        5 => Scalar::Int(*rng.pick(&[i64::MIN, i64::MAX])),
        _ => Scalar::Int(rng.below(4) as i64),
    }
}

fn value(rng: &mut Rng) -> Option<Value> {
    odd::value(rng, 3, 5, scalar)
}

fn odd_operation(rng: &mut Rng) -> Operation {
    let key = if rng.percent(20) { None } else { Some(scalar(rng)) };
    match rng.below(12) {
        0..=2 => Operation::Read { key, value: value(rng) },
        3 => Operation::Write { key, value: scalar(rng) },
        4 => Operation::Cas { key, old: scalar(rng), new: scalar(rng) },
        5 => Operation::Append { key, value: scalar(rng) },
        6 => Operation::Add { key, value: scalar(rng) },
        7 => Operation::Remove { key, value: scalar(rng) },
        8 => Operation::Increment { key, by: *rng.pick(&[i64::MIN, -1, 0, 1, i64::MAX]) },
        9 | 10 => {
            let micro = |rng: &mut Rng| match rng.below(3) {
                0 => Micro::Read { key: scalar(rng), value: value(rng) },
                1 => Micro::Write { key: scalar(rng), value: scalar(rng) },
                _ => Micro::Append { key: scalar(rng), value: scalar(rng) },
            };
            Operation::Txn((0..rng.below(4)).map(|_| micro(rng)).collect())
        }
        _ => {
            let f = *rng.pick(&["dump", "heal-all", "heal", "phase", "cut", "transfer"]);
            let values = [
                serde_json::Value::Null,
                serde_json::json!("final-reads"),
                serde_json::json!({"x": [1, 2]}),
                serde_json::json!([1]),
                serde_json::json!({"n": null, "x": {"y": 1.5}}),
            ];
            let value = rng.pick(&values).clone();
            Operation::Custom { f: f.into(), key: None, value }
        }
    }
}

#[test]
fn any_events_at_all() {
    for seed in 0..4000 {
        let mut rng = Rng(seed);
        let events: Vec<Event> = (0..rng.below(40)).map(|_| odd_event(&mut rng)).collect();
        let history = History::from_events(&events);
        for guarantee in Guarantee::FOLDS {
            fold(&history, guarantee);
        }
    }
}

/// The same event between any two others of a run that makes sense.
#[test]
fn a_sound_run_with_odd_events_between() {
    for seed in 0..300 {
        let mut rng = Rng(seed);
        let mut events = random::history(&mut rng, Shape { operations: 30, ..Shape::of(Objects::Mixed) });
        for _ in 0..3 {
            let odd = odd_event(&mut rng);
            events.insert(rng.below(events.len() + 1), odd);
        }
        let history = History::from_events(&events);
        for guarantee in Guarantee::FOLDS {
            fold(&history, guarantee);
        }
    }
}

#[test]
fn a_history_that_ends_anywhere() {
    let recorded = record(&mut Rng(1), Run { operations: 60, ..Run::reading_from(ReadFrom::Any) });
    for end in 0..=recorded.events.len() {
        let history = History::from_events(&recorded.events[..end]);
        for guarantee in Guarantee::FOLDS {
            let finding = fold(&history, guarantee);
            assert!(guarantee != Guarantee::Durability || finding.violations == 0, "{end}: {}", finding.summary);
        }
    }
}

#[test]
fn nothing_happened() {
    for finding in check(&History::new(), &CheckConfig::default()) {
        assert_eq!(finding.observed, Observed::NotApplicable, "{finding:?}");
    }
}

#[test]
fn all_anomalies_are_counted_and_the_first_are_kept() {
    let mut text = String::from("1:ax1 1:ax2 ");
    for _ in 0..500 {
        text += "2:rx12 2:rx1 ";
    }
    let finding = fold(&notation::history(&text), Guarantee::MonotonicReads);
    assert_eq!(finding.violations, 500);
    assert_eq!(finding.anomalies.len(), Finding::KEPT);
    assert!(finding.anomalies.is_sorted_by_key(|a| a.operations.clone()));
    assert_eq!(finding.anomalies[0].operations, [4, 6]);
}

/// Long lists are shown by their end.
#[test]
fn explanations_stay_readable() {
    let mut text = String::new();
    for i in 1..=100 {
        text += &format!("1:ax({i}) ");
    }
    let list = |n: usize| (1..=n).map(|i| i.to_string()).collect::<Vec<_>>().join(",");
    text += &format!("2:rx[{}] 2:rx[{}]", list(100), list(99));
    let finding = fold(&notation::history(&text), Guarantee::MonotonicReads);
    assert_eq!(
        finding.anomalies[0].explanation,
        "process 2 read […88 more… 89 90 91 92 93 94 95 96 97 98 99 100] from x (#200), and later read […87 more… 88 89 90 \
         91 92 93 94 95 96 97 98 99] from x (#202): element 100 had disappeared"
    );
}
