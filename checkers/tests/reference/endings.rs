//! References for what is judged by the nemesis' events: recovery and convergence.

use std::collections::{BTreeMap, BTreeSet};

use checkers::Observed;
use histories::{Event, Kind, Operation, Process};
use serde_json::Value as Json;

use super::{KeyKind, Past};

fn custom(event: &Event) -> Option<(&str, &Json)> {
    match &event.operation {
        Operation::Custom { f, value, .. } => Some((f, value)),
        _ => None,
    }
}

fn of_nemesis(event: &Event) -> Option<(&str, &Json)> {
    custom(event).filter(|_| event.process == Process::NEMESIS)
}

fn is_healing(event: &Event) -> bool {
    matches!(of_nemesis(event), Some(("heal-all", _)))
        || matches!(of_nemesis(event), Some(("heal", value)) if value["remaining"] == 0)
}

fn is_fault(event: &Event) -> bool {
    of_nemesis(event).is_some_and(|(f, _)| !["phase", "heal", "heal-all", "dump", "exit"].contains(&f))
}

fn is_over(event: &Event) -> bool {
    is_fault(event) || matches!(of_nemesis(event), Some(("phase", value)) if value == "final-reads")
}

/// What is observed of recovery.
pub fn recovery(events: &[Event], bound_ms: u64) -> Observed {
    if !events.iter().any(is_fault) {
        return Observed::NotApplicable;
    }
    let mut last = Observed::Unknown;
    for (i, event) in events.iter().enumerate() {
        // The first healing since a fault, or at all.
        let before = events[..i].iter().rev().find(|e| is_healing(e) || is_over(e));
        if !is_healing(event) || before.is_some_and(is_healing) {
            continue;
        }
        let end = events[i + 1..].iter().position(is_over).map_or(events.len(), |j| i + 1 + j);
        last = one_recovery(events, i, end, bound_ms);
        if last == Observed::Violated {
            return last;
        }
    }
    last
}

fn one_recovery(events: &[Event], heal: usize, end: usize, bound_ms: u64) -> Observed {
    let client = |e: &Event| e.process != Process::NEMESIS && custom(e).is_none();
    let invoked_by = |i: usize| {
        let begun = events[..i].iter().enumerate().rev().find(|(_, e)| e.process == events[i].process)?;
        (begun.1.kind == Kind::Invoke).then_some(begun.0)
    };
    let tried: Vec<usize> =
        (heal + 1..end).filter(|i| client(&events[*i]) && events[*i].kind == Kind::Invoke).collect();
    let any_update = tried.iter().any(|i| events[*i].operation.is_update());
    let millis = |to: usize| events[to].time.saturating_sub(events[heal].time) / 1_000_000;
    let success = (heal + 1..end).find(|i| {
        let invocation = invoked_by(*i).filter(|call| *call > heal);
        let counts = invocation.is_some_and(|call| !any_update || events[call].operation.is_update());
        client(&events[*i]) && events[*i].kind == Kind::Ok && counts
    });
    match success {
        _ if tried.is_empty() => Observed::Unknown,
        Some(i) if millis(i) <= bound_ms => Observed::Held,
        Some(_) => Observed::Violated,
        None if millis(end.min(events.len() - 1)) <= bound_ms => Observed::Unknown,
        None => Observed::Violated,
    }
}

/// On which keys the replicas' last dumps after the last `heal-all` differ; `None` where fewer than two gave one.
pub fn differing_dumps(events: &[Event]) -> Option<Vec<String>> {
    let past = Past::of(events);
    let start = events.iter().rposition(|e| matches!(of_nemesis(e), Some(("heal-all", _)))).map_or(0, |i| i + 1);
    let mut dumps: BTreeMap<&str, &serde_json::Map<String, Json>> = BTreeMap::new();
    for event in &events[start..] {
        let answered = event.kind == Kind::Ok || (event.kind == Kind::Info && event.process == Process::NEMESIS);
        if let (Some(("dump", Json::Object(dump))), Some(node), true) = (custom(event), &event.node, answered) {
            dumps.insert(node, dump);
        }
    }
    let keys: BTreeSet<&String> = dumps.values().flat_map(|dump| dump.keys()).collect();
    let differs = |key: &&&String| {
        let is_set = past.kind(&key.as_str().into(), past.len) == KeyKind::Set;
        let states: BTreeSet<String> = dumps.values().map(|dump| state(dump.get(**key), is_set)).collect();
        states.len() > 1
    };
    (dumps.len() > 1).then(|| keys.iter().filter(differs).map(|key| (*key).clone()).collect())
}

/// A value as it is compared, in words.
fn state(value: Option<&Json>, is_set: bool) -> String {
    match value {
        None | Some(Json::Null) => "nothing".to_owned(),
        Some(Json::Array(items)) if items.is_empty() => "nothing".to_owned(),
        Some(Json::Array(items)) => {
            let mut items: Vec<String> = items.iter().map(Json::to_string).collect();
            if is_set {
                items.sort();
            }
            items.join(" ")
        }
        Some(other) => other.to_string(),
    }
}
