//! Histories in the words of other tools, for tests and benchmarks.

#![allow(dead_code, reason = "each user takes some of it")]

use std::fmt::Write;

use histories::{Event, Micro, Operation, Scalar, Value};
use serde_json::Value as Json;

/// One event as a JSON object, its fields in Jepsen's order; `colon` stands before each keyword.
pub fn json(index: usize, event: &Event, colon: &str) -> String {
    let mut out = String::new();
    let f = Json::from(format!("{colon}{}", event.operation.f()));
    let process = match event.process.is_nemesis() {
        true => format!("\"{colon}nemesis\""),
        false => event.process.to_string(),
    };
    let _ = write!(out, "{{\"type\":\"{colon}{}\",\"f\":{f},\"value\":", event.kind.name());
    out.push_str(&match &event.operation {
        Operation::Txn(micros) => list(micros.iter().map(|micro| json_micro(micro, colon)), ','),
        other => value(other).to_string(),
    });
    if let Some(key) = event.operation.key() {
        let _ = write!(out, ",\"key\":{}", key.to_json());
    }
    let _ = write!(out, ",\"process\":{process},\"time\":{},\"index\":{index}", event.time);
    if let Some(node) = &event.node {
        let _ = write!(out, ",\"node\":{}", Json::from(&**node));
    }
    if let Some(session) = event.session {
        let _ = write!(out, ",\"session\":{session}");
    }
    if let Some(error) = &event.error {
        let _ = write!(out, ",\"error\":{}", Json::from(&**error));
    }
    out.push('}');
    out
}

/// One event as a map of Clojure's.
pub fn edn(index: usize, event: &Event) -> String {
    let mut out = String::new();
    let name = event.operation.f();
    let f = match !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        true => format!(":{name}"),
        false => edn_value(&Json::from(name)),
    };
    let process = match event.process.is_nemesis() {
        true => ":nemesis".to_owned(),
        false => event.process.to_string(),
    };
    let _ = write!(out, "{{:index {index}, :time {}, :type :{}, ", event.time, event.kind.name());
    let _ = write!(out, ":process {process}, :f {f}, :value ");
    out.push_str(&match &event.operation {
        Operation::Txn(micros) => list(micros.iter().map(edn_micro), ' '),
        other => edn_value(&value(other)),
    });
    if let Some(key) = event.operation.key() {
        let _ = write!(out, ", :key {}", edn_value(&key.to_json()));
    }
    if let Some(node) = &event.node {
        let _ = write!(out, ", :node {}", edn_value(&Json::from(&**node)));
    }
    if let Some(session) = event.session {
        let _ = write!(out, ", :session {session}");
    }
    if let Some(error) = &event.error {
        let _ = write!(out, ", :error {}", edn_value(&Json::from(&**error)));
    }
    out.push('}');
    out
}

fn value(operation: &Operation) -> Json {
    let answer = |value: &Option<Value>| value.as_ref().map_or(Json::Null, Value::to_json);
    match operation {
        Operation::Read { value, .. } => answer(value),
        Operation::Write { value, .. }
        | Operation::Append { value, .. }
        | Operation::Add { value, .. }
        | Operation::Remove { value, .. } => value.to_json(),
        Operation::Cas { old, new, .. } => Json::from(vec![old.to_json(), new.to_json()]),
        Operation::Increment { by, .. } => (*by).into(),
        Operation::Contains { value, found, .. } => Json::from(vec![value.to_json(), Json::from(*found)]),
        Operation::Item { value, .. } => value.as_ref().map_or(Json::Null, Scalar::to_json),
        Operation::Custom { value, .. } => value.clone(),
        Operation::Txn(_) => unreachable!("transactions have words of their own"),
    }
}

/// The name, the key and the value of a micro-operation.
fn step(micro: &Micro) -> (&'static str, Json, Json) {
    let key = micro.key().to_json();
    match micro {
        Micro::Read { value, .. } => ("r", key, value.as_ref().map_or(Json::Null, Value::to_json)),
        Micro::Write { value, .. } => ("w", key, value.to_json()),
        Micro::Append { value, .. } => ("append", key, value.to_json()),
        Micro::Insert { value, .. } => ("insert", key, value.to_json()),
        Micro::Delete { .. } => ("delete", key, Json::Null),
        Micro::Predicate { found, .. } => {
            let pair = |(key, value): &(Scalar, Scalar)| Json::from(vec![key.to_json(), value.to_json()]);
            ("rp", key, found.as_ref().map_or(Json::Null, |found| found.iter().map(pair).collect()))
        }
    }
}

fn json_micro(micro: &Micro, colon: &str) -> String {
    let (f, key, value) = step(micro);
    format!("[\"{colon}{f}\",{key},{value}]")
}

fn edn_micro(micro: &Micro) -> String {
    let (f, key, value) = step(micro);
    format!("[:{f} {} {}]", edn_value(&key), edn_value(&value))
}

/// JSON in Clojure's words. Field names stay strings.
pub fn edn_value(json: &Json) -> String {
    match json {
        Json::Null => "nil".to_owned(),
        Json::Array(items) => list(items.iter().map(edn_value), ' '),
        Json::Object(fields) => {
            let pairs = fields.iter().map(|(name, value)| format!("{} {}", Json::from(&**name), edn_value(value)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

fn list(items: impl Iterator<Item = String>, separator: char) -> String {
    let mut out = "[".to_owned();
    for (i, item) in items.enumerate() {
        if i > 0 {
            out.push(separator);
        }
        out.push_str(&item);
    }
    out.push(']');
    out
}

/// Whether an event says all of itself in other tools' words. What failed without a value, or with a word in its place,
/// takes it from its invocation; a list of steps is a transaction; two elements may be a key and a value.
pub fn is_said(event: &Event) -> bool {
    let value = match &event.operation {
        Operation::Txn(_) => return true,
        other => value(other),
    };
    let completes = matches!(event.kind, histories::Kind::Fail | histories::Kind::Info) && !event.process.is_nemesis();
    let name = event.operation.f();
    !(completes && (value.is_null() || value.is_string()))
        && !matches!(name, "get" | "put")
        && !name.starts_with(':')
        && value.as_array().is_none_or(|items| items.len() != 2)
        && !(name == "contains" || name.contains(|c: char| !c.is_ascii_graphic()))
}
