//! Elle's own test suite, and the files of `elle-cli`: the same anomalies and the same verdict as Elle's, except where
//! Elle gives up or is wrong, each of which is named here with the reason.
//!
//! The histories and what Elle 0.2.7 said of them are in `corpus/elle-tests`. Histories there are sometimes damaged on
//! purpose: several transactions of one process overlap, and completions were never invoked. So transactions are paired
//! by what they say, and each one that overlaps gets a process of its own.

use std::collections::BTreeSet;

use checkers::models::{boundary, cycle_spec, prohibited};
use checkers::transactions::{list_append, predicate, rw_register};
use checkers::{AnomalyType, Assumptions, Budget, Found, Model, Question};
use histories::{Event, History, Kind, Micro, Operation, Process, Scalar, Value};
use serde_json::Value as Json;

/// What is expected where it is not what Elle says: the number of the case, the kinds of anomalies, and why.
const DEVIATIONS: &[(usize, &[&str], &str)] = &[
    (
        1,
        &["G2", "G-single-realtime"],
        "Elle explains an edge that is rwp and realtime as rwp only, and so drops the cycle",
    ),
    (5, &["G2-item", "G-single-item-realtime", "lost-update"], "the same of rw and realtime"),
    (39, &["garbage-read"], "a value that nobody wrote; Elle's own comment there is that this is a bug"),
    (51, &["G-single-item", "garbage-read"], "a value that nobody wrote"),
    (52, &["G1c-realtime", "cyclic-versions", "garbage-read"], "a value that nobody wrote"),
];

struct Case {
    name: String,
    workload: String,
    question: Question,
    history: History,
    result: Json,
}

fn case(line: &str) -> Option<Case> {
    let json: Json = serde_json::from_str(line).expect("each line is JSON");
    let opts = json.get("opts")?;
    let models = opts.get("consistency-models").filter(|m| !m.is_null());
    let anomalies = opts.get("anomalies").filter(|m| !m.is_null());
    let strict = vec![Model::StrongSerializable];
    let named = models.map(|m| texts(m).iter().map(|m| m.parse().expect("a model")).collect());
    let flag = |name: &str| opts.get(name).and_then(Json::as_bool).unwrap_or(false);
    let question = Question {
        models: named.unwrap_or(if anomalies.is_some() { Vec::new() } else { strict }),
        anomalies: anomalies.map_or(Vec::new(), |a| texts(a).iter().map(|a| a.parse().expect("an anomaly")).collect()),
        assume: Assumptions {
            writes_follow_reads_keys: flag("wfr-keys?"),
            sequential_keys: flag("sequential-keys?"),
            linearizable_keys: flag("linearizable-keys?"),
            ..Assumptions::default()
        },
    };
    Some(Case {
        name: format!("{} {}", json["var"].as_str()?, json["context"]),
        workload: json["workload"].as_str()?.to_owned(),
        question,
        history: History::from_events(&events(json["history"].as_array()?)),
        result: json["result"].clone(),
    })
}

fn texts(json: &Json) -> Vec<String> {
    json.as_array().expect("a list").iter().map(|t| t.as_str().expect("a name").to_owned()).collect()
}

/// The events, with a process for every transaction that is open beside another one of its process.
fn events(lines: &[Json]) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    let mut open: Vec<(u64, Operation, Process)> = Vec::new();
    let mut next = 1000;
    for line in lines {
        let kind = match line["type"].as_str() {
            Some("invoke") => Kind::Invoke,
            Some("ok") => Kind::Ok,
            Some("fail") => Kind::Fail,
            _ => Kind::Info,
        };
        let number = line["process"].as_u64().unwrap_or(0);
        let operation = operation(line);
        let mine = |o: &&(u64, Operation, Process)| o.0 == number;
        let process = if kind == Kind::Invoke {
            let process = if open.iter().any(|o| mine(&o)) {
                next += 1;
                Process(next)
            } else {
                Process(number as u32)
            };
            open.push((number, operation.question(), process));
            process
        } else {
            let matching = open.iter().position(|o| o.0 == number && o.1 == operation.question());
            match matching.or_else(|| open.iter().position(|o| mine(&o))) {
                Some(i) => open.remove(i).2,
                None => Process(number as u32),
            }
        };
        let time = events.len() as u64;
        events.push(Event { time, process, kind, operation, node: None, session: None, error: None });
    }
    events
}

fn operation(line: &Json) -> Operation {
    match &line["value"] {
        Json::Array(steps) => Operation::Txn(steps.iter().map(micro).collect()),
        value => Operation::Custom { f: line["f"].as_str().unwrap_or("init").into(), key: None, value: value.clone() },
    }
}

fn micro(step: &Json) -> Micro {
    let key = Scalar::from_json(step[1].clone());
    let value = step.get(2).cloned().unwrap_or(Json::Null);
    match step[0].as_str() {
        Some("r") => {
            let value = Some(Value::from_json(value)).filter(|v| *v != Value::Scalar(Scalar::Null));
            Micro::Read { key, value }
        }
        Some("w") => Micro::Write { key, value: Scalar::from_json(value) },
        Some("append") => Micro::Append { key, value: Scalar::from_json(value) },
        Some("insert") => Micro::Insert { key, value: Scalar::from_json(value) },
        Some("delete") => Micro::Delete { key },
        Some("rp") => {
            let pairs =
                value.as_object().map(|o| o.iter().map(|(k, v)| (name(k), Scalar::from_json(v.clone()))).collect());
            Micro::Predicate { predicate: key, found: pairs }
        }
        other => panic!("{other:?}"),
    }
}

/// The names of objects in JSON are text, even those of numbers.
fn name(text: &str) -> Scalar {
    text.parse::<i64>().map_or_else(|_| Scalar::from(text), Scalar::Int)
}

fn check(case: &Case) -> Found {
    let budget = Budget::default();
    match case.workload.as_str() {
        "list-append" => list_append::check(&case.history, &case.question, &budget),
        "rw-register" => rw_register::check(&case.history, &case.question, &budget),
        "closed-predicate" => predicate::check(&case.history, &case.question, &budget),
        other => panic!("{other}"),
    }
}

/// What Elle says when it cannot say what: our answer is concrete.
fn is_vague(kind: &str) -> bool {
    kind.ends_with("-cycle-exists") || kind == "empty-transaction-graph" || kind == "cycle-search-timeout"
}

/// Cases of single functions: how many of these anomalies each history has.
#[test]
fn functions() {
    let mut count = 0;
    for line in include_str!("corpus/elle-tests/elle-tests.jsonl").lines() {
        let json: Json = serde_json::from_str(line).expect("each line is JSON");
        let Some((workload, function)) = json["workload"].as_str().and_then(|w| w.split_once(':')) else { continue };
        let kinds: &[&str] = match function {
            "g1a-cases" => &["G1a"],
            "g1b-cases" => &["G1b"],
            "internal-cases" => &["internal", "future-read"],
            other => panic!("{other}"),
        };
        let case = Case {
            name: String::new(),
            workload: workload.to_owned(),
            question: Question { models: vec![], anomalies: vec![], assume: Assumptions::default() },
            history: History::from_events(&events(json["history"].as_array().expect("a list"))),
            result: Json::Null,
        };
        let found = check(&case);
        let ours: u64 = found.groups.values().filter(|g| kinds.contains(&g.kind.name())).map(|g| g.count).sum();
        assert_eq!(ours as usize, json["result"].to_string().matches(":mop").count(), "{line}");
        count += 1;
    }
    assert_eq!(count, 11);
}

fn corpus(name: &str) -> History {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(name);
    let loaded = histories::file::read(&path).expect("the file is there");
    assert!(loaded.damage.is_none(), "{name}");
    loaded.history
}

fn kinds(found: &Found) -> Vec<&'static str> {
    found.groups.keys().map(|k| k.name()).collect()
}

fn asked(model: Model, assume: Assumptions) -> Question {
    Question { models: vec![model], anomalies: Vec::new(), assume }
}

fn linearizable_keys() -> Assumptions {
    Assumptions { linearizable_keys: true, ..Assumptions::default() }
}

#[test]
fn files_of_elle_cli() {
    let (budget, plain) = (Budget::default(), Assumptions::default());
    let strict = asked(Model::StrongSerializable, plain.clone());
    let paper = list_append::check(&corpus("elle-cli/paper-example.edn"), &strict, &budget);
    assert_eq!(kinds(&paper), ["G-single-item"]);
    let serializable = asked(Model::Serializable, plain);
    let skew = list_append::check(&corpus("elle-cli/list-append-gh-30.edn"), &serializable, &budget);
    assert_eq!(kinds(&skew), ["G2-item"]);
    // Elle takes this one for valid, because it passes over reads of what nobody wrote.
    let garbage = rw_register::check(&corpus("elle-cli/rw-register.edn"), &strict, &budget);
    assert_eq!(kinds(&garbage), ["garbage-read"]);
}

#[test]
fn a_serial_history_is_valid_with_linearizable_keys() {
    let history = corpus("elle-false-positive/rw-ss-150-fp-seed1.jsonl");
    let found =
        rw_register::check(&history, &asked(Model::StrongSerializable, linearizable_keys()), &Budget::default());
    assert_eq!((kinds(&found), found.doubts.len(), found.checked["transactions"]), (vec![], 0, 150));
}

#[test]
fn suite() {
    let text = include_str!("corpus/elle-tests/elle-tests.jsonl");
    let cases: Vec<(usize, Case)> = text.lines().enumerate().filter_map(|(i, line)| Some((i, case(line)?))).collect();
    assert!(cases.len() >= 45, "the suite is there");
    let mut wrong = Vec::new();
    for (number, case) in &cases {
        let found = check(case);
        let prohibited = prohibited(&case.question.models, &case.question.anomalies);
        let bad: BTreeSet<&str> = found.groups.keys().filter(|k| prohibited.contains(k)).map(|k| k.name()).collect();
        let elle: Vec<String> = texts(&case.result["anomaly-types"]);
        let deviation = DEVIATIONS.iter().find(|d| d.0 == *number);
        let expected: BTreeSet<&str> = match deviation {
            Some((_, kinds, _)) => kinds.iter().copied().collect(),
            None => elle.iter().map(|k| k.as_str()).filter(|k| !is_vague(k)).collect(),
        };
        if bad != expected {
            wrong.push(format!("{number} {}: {bad:?}, not {expected:?}; all {:?}", case.name, found.groups.keys()));
        }
        // Elle searches no cycle that the question allows; what it rules out is compared without those.
        let cycle = |kind: &AnomalyType| cycle_spec(*kind).is_some();
        let ours = found.groups.keys().filter(|k| k.in_elle() && (prohibited.contains(k) || !cycle(k)));
        let all: Vec<AnomalyType> = ours.copied().collect();
        let not: Vec<&str> = boundary(&all).not.iter().map(|m| m.name()).collect();
        let also: Vec<&str> = boundary(&all).also_not.iter().map(|m| m.name()).collect();
        // Of a valid history it lists nothing, and what a vague answer rules out is not comparable.
        let silent = case.result["valid"] == true || elle.iter().any(|k| k.ends_with("-cycle-exists"));
        if !silent && (not != texts(&case.result["not"]) || also != texts(&case.result["also-not"])) {
            wrong.push(format!("{number} {}: not {not:?}, but {}", case.name, case.result["not"]));
        }
        if let Some((.., why)) = deviation {
            assert!(bad != elle.iter().map(|k| k.as_str()).collect(), "{number} is no deviation: {why}");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
