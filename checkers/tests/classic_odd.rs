//! Whatever a history holds, the classic checkers come to an end, and equal questions get equal answers.

mod classic_support;
mod support;

use checkers::analysis::Analyzer;
use checkers::classic::{bank, counter, long_fork, set, unique_ids};
use checkers::{Assumptions, Budget, Finding};
use classic_support::{found, question};
use histories::{Event, History, Kind, Micro, Operation, Scalar, Value, notation};
use support::{Rng, odd};

const ALL: [Analyzer; 5] = [bank::check, counter::check, long_fork::check, set::check, unique_ids::check];

fn scalar(rng: &mut Rng) -> Scalar {
    match rng.below(9) {
        0 => Scalar::Null,
        1 => Scalar::Bool(true),
        2 => Scalar::Text("x".into()),
        3 => Scalar::Json("[1,2".into()),
        4 => Scalar::Json(r#"{"a":9223372036854775807,"b":[1]}"#.into()),
        5 => Scalar::Json(r#"{"a":1,"b":-9223372036854775808,"b":1e99}"#.into()),
        6 => Scalar::Int(*rng.pick(&[i64::MIN, i64::MAX])),
        _ => Scalar::Int(rng.below(4) as i64),
    }
}

fn value(rng: &mut Rng) -> Option<Value> {
    odd::value(rng, 3, 5, scalar)
}

fn operation(rng: &mut Rng) -> Operation {
    let key = if rng.percent(40) { None } else { Some(scalar(rng)) };
    match rng.below(10) {
        0..=2 => Operation::Read { key, value: value(rng) },
        3 => Operation::Add { key, value: scalar(rng) },
        4 => Operation::Remove { key, value: scalar(rng) },
        5 => Operation::Increment { key, by: *rng.pick(&[i64::MIN, -1, 0, 1, i64::MAX]) },
        6 => Operation::Write { key, value: scalar(rng) },
        7 => {
            let micro = |rng: &mut Rng| match rng.below(4) {
                0 => Micro::Write { key: scalar(rng), value: scalar(rng) },
                1 => Micro::Append { key: scalar(rng), value: scalar(rng) },
                _ => Micro::Read { key: scalar(rng), value: value(rng) },
            };
            Operation::Txn((0..rng.below(4)).map(|_| micro(rng)).collect())
        }
        _ => {
            let f = *rng.pick(&["transfer", "generate", "dump"]);
            let values = [
                serde_json::Value::Null,
                serde_json::json!({"from": 1, "to": [2], "amount": i64::MIN}),
                serde_json::json!({"from": "a", "amount": 1.5}),
                serde_json::json!([1]),
                serde_json::json!("id"),
            ];
            Operation::Custom { f: f.into(), key: None, value: rng.pick(&values).clone() }
        }
    }
}

fn event(rng: &mut Rng) -> Event {
    let kinds = [Kind::Invoke, Kind::Invoke, Kind::Ok, Kind::Ok, Kind::Fail, Kind::Info];
    odd::event(odd::who(rng, 5, &kinds), operation(rng))
}

#[test]
fn any_events_at_all() {
    for seed in 0..20_000 {
        let mut rng = Rng(seed);
        let events: Vec<Event> = (0..rng.below(40)).map(|_| event(&mut rng)).collect();
        let history = History::from_events(&events);
        for check in ALL {
            assert_eq!(found(check, &history), found(check, &history), "{}", notation::print(&events));
        }
    }
}

#[test]
fn odd_assumptions() {
    let history = notation::history(r#"0:r()({"a":10,"b":0}) 1:{wx1} 2:rx1ry5 0:~generate=1"#);
    for total in [i64::MIN, -1, i64::MAX] {
        for initial in [None, Some(Scalar::Null), Some(5.into()), Some("gone".into())] {
            let assume = Assumptions { total: Some(total), initial, ..Assumptions::default() };
            for check in ALL {
                check(&history, &question(assume.clone()), &Budget::default());
            }
        }
    }
}

#[test]
fn all_anomalies_are_counted_and_the_first_are_kept() {
    let mut text = String::new();
    for i in 0..300 {
        text += &format!("0:+x({i}) 0:~generate=7 ");
    }
    let history = notation::history(&format!("{text} 1:rx[]"));
    for (check, count) in [(set::check as Analyzer, 300), (unique_ids::check, 299)] {
        let found = found(check, &history);
        let group = found.groups.values().next().expect("it is found");
        assert_eq!((group.count, group.cases.len()), (count, Finding::KEPT));
    }
}
