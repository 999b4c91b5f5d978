//! From events to text.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::Value as Json;

use super::parse::{ITEM_LETTERS, Uses, is_name};
use crate::event::{Event, Kind, Process};
use crate::operation::{Micro, Operation, Scalar, Value};

const MILLISECOND: u64 = 1_000_000;

/// The text that [`parse`](super::parse) reads as these events. An invocation and its completion become one token
/// where they stand side by side and say nothing that the token could not say.
pub fn print(events: &[Event]) -> String {
    let printer = Printer::new(events);
    let mut tokens = Vec::new();
    let mut time = 0;
    let mut rest = events;
    while let [event, after @ ..] = rest {
        if event.time != time {
            tokens.push(print_time(event.time));
        }
        rest = match after {
            [completion, after @ ..] if is_whole(event, completion) => {
                tokens.push(printer.event(completion, ':'));
                after
            }
            _ => {
                tokens.push(printer.event(event, if event.kind == Kind::Invoke { '<' } else { '>' }));
                after
            }
        };
        time = events[events.len() - rest.len() - 1].time.saturating_add(MILLISECOND);
    }
    tokens.join(" ")
}

fn print_time(time: u64) -> String {
    let (milliseconds, rest) = (time / MILLISECOND, time % MILLISECOND);
    match rest {
        0 => format!("t={milliseconds}"),
        _ => format!("t={milliseconds}.{rest:06}").trim_end_matches('0').to_owned(),
    }
}

fn is_whole(invocation: &Event, completion: &Event) -> bool {
    let expected = Event {
        time: completion.time.saturating_sub(MILLISECOND),
        kind: Kind::Invoke,
        operation: completion.operation.question(),
        error: None,
        ..completion.clone()
    };
    completion.kind != Kind::Invoke && completion.time >= MILLISECOND && *invocation == expected
}

struct Printer {
    lists: BTreeSet<Scalar>,
    /// Keys of which nothing but reads is known.
    only_read: BTreeSet<Scalar>,
}

impl Printer {
    fn new(events: &[Event]) -> Self {
        let mut uses = Uses::default();
        let mut read = BTreeSet::new();
        for event in events {
            note_uses(&event.operation, &mut uses, &mut read);
        }
        let lists = uses.lists();
        let only_read =
            read.into_iter().filter(|k| !uses.collections.contains(k) && !uses.registers.contains(k)).collect();
        Printer { lists, only_read }
    }

    fn event(&self, event: &Event, half: char) -> String {
        if let Some(text) = self.nemesis(event) {
            return text;
        }
        let mut text = prefix(event, half);
        self.body(&mut text, event);
        let mark = match event.kind {
            Kind::Fail => "!",
            Kind::Info => "?",
            _ if event.error.is_some() => ".",
            _ => "",
        };
        text.push_str(mark);
        if let Some(error) = &event.error {
            push_string(&mut text, error);
        }
        text
    }

    fn nemesis(&self, event: &Event) -> Option<String> {
        let plain = event.process.is_nemesis()
            && event.kind == Kind::Info
            && event.session.is_none()
            && event.error.is_none()
            && matches!(event.operation, Operation::Custom { .. });
        plain.then(|| {
            let mut text = "!".to_owned();
            push_custom(&mut text, event);
            text
        })
    }

    /// The operation and its node.
    fn body(&self, text: &mut String, event: &Event) {
        let key = |text: &mut String| push_key(text, event.operation.key());
        match &event.operation {
            Operation::Read { key: name, value } => {
                text.push('r');
                key(text);
                self.push_answer(text, name.as_ref().unwrap_or(&Scalar::Null), value.as_ref());
            }
            Operation::Write { value, .. } => push_update(text, 'w', key, value),
            Operation::Append { value, .. } => push_update(text, 'a', key, value),
            Operation::Add { value, .. } => push_update(text, '+', key, value),
            Operation::Remove { value, .. } => push_update(text, '-', key, value),
            Operation::Cas { old, new, .. } => {
                push_update(text, 'c', key, old);
                text.push('>');
                push_scalar(text, new);
            }
            Operation::Increment { by, .. } => push_update(text, 'i', key, &Scalar::Int(*by)),
            Operation::Contains { value, found, .. } => {
                push_update(text, 'h', key, value);
                text.push_str(match found {
                    Some(true) => "=",
                    Some(false) => "/",
                    None => "",
                });
            }
            Operation::Item { f, value, .. } => {
                text.extend(ITEM_LETTERS.iter().find(|(_, function)| function == f).map(|(letter, _)| letter));
                key(text);
                if let Some(value) = value.as_ref().filter(|v| **v != Scalar::Null) {
                    push_scalar(text, value);
                }
            }
            Operation::Txn(micros) => self.push_txn(text, micros),
            Operation::Custom { .. } => {
                text.push('~');
                return push_custom(text, event);
            }
        }
        push_node(text, event);
    }

    fn push_txn(&self, text: &mut String, micros: &[Micro]) {
        let plain = |m: &Micro| matches!(m, Micro::Read { .. } | Micro::Write { .. } | Micro::Append { .. });
        let braces = micros.len() < 2 || !micros.iter().all(plain);
        text.push_str(if braces { "{" } else { "" });
        for micro in micros {
            let key = |text: &mut String| push_key(text, Some(micro.key()));
            match micro {
                Micro::Read { key: name, value } => {
                    text.push('r');
                    key(text);
                    self.push_answer(text, name, value.as_ref());
                }
                Micro::Write { value, .. } => push_update(text, 'w', key, value),
                Micro::Append { value, .. } => push_update(text, 'a', key, value),
                Micro::Insert { value, .. } => push_update(text, 'n', key, value),
                Micro::Delete { .. } => {
                    text.push('k');
                    key(text);
                }
                Micro::Predicate { found, .. } => {
                    text.push('q');
                    key(text);
                    let pair = |(key, value): &(Scalar, Scalar)| Json::from(vec![key.to_json(), value.to_json()]);
                    if let Some(found) = found {
                        push_json(text, &found.iter().map(pair).collect());
                    }
                }
            }
        }
        text.push_str(if braces { "}" } else { "" });
    }

    /// What a read found, so that it is read as what it is whatever else the text does with its key.
    fn push_answer(&self, text: &mut String, key: &Scalar, value: Option<&Value>) {
        match value {
            None => {}
            Some(Value::List(items)) => {
                let digits: Option<String> = items.iter().map(digit).collect();
                // Two digits show by themselves that a key that is only read holds lists.
                let enough = if self.only_read.contains(key) { 2 } else { 1 };
                match digits.filter(|d| d.len() >= enough && self.lists.contains(key)) {
                    Some(digits) => text.push_str(&digits),
                    None => push_json(text, &items.iter().map(Scalar::to_json).collect()),
                }
            }
            Some(Value::Scalar(Scalar::Int(i)))
                if *i >= 0 && (self.lists.contains(key) || (*i > 9 && self.only_read.contains(key))) =>
            {
                let _ = write!(text, "({i})");
            }
            Some(Value::Scalar(scalar)) => push_scalar(text, scalar),
        }
    }
}

fn note_uses(operation: &Operation, uses: &mut Uses, read: &mut BTreeSet<Scalar>) {
    let name = operation.key().cloned().unwrap_or(Scalar::Null);
    match operation {
        Operation::Read { value, .. } => note_read(name, value.as_ref(), uses, read),
        Operation::Write { .. } | Operation::Cas { .. } | Operation::Increment { .. } => {
            uses.registers.insert(name);
        }
        Operation::Append { .. } | Operation::Add { .. } | Operation::Remove { .. } | Operation::Contains { .. } => {
            uses.collections.insert(name);
        }
        Operation::Txn(micros) => {
            for micro in micros {
                match micro {
                    Micro::Read { key, value } => note_read(key.clone(), value.as_ref(), uses, read),
                    Micro::Write { key, .. } | Micro::Insert { key, .. } => {
                        uses.registers.insert(key.clone());
                    }
                    Micro::Delete { .. } | Micro::Predicate { .. } => {}
                    Micro::Append { key, .. } => drop(uses.collections.insert(key.clone())),
                }
            }
        }
        Operation::Item { .. } | Operation::Custom { .. } => {}
    }
}

fn note_read(key: Scalar, value: Option<&Value>, uses: &mut Uses, read: &mut BTreeSet<Scalar>) {
    if matches!(value, Some(Value::List(_))) {
        uses.read_as_lists.insert(key.clone());
    }
    read.insert(key);
}

fn prefix(event: &Event, half: char) -> String {
    let mut text = String::new();
    if half == ':' && event.process == Process(0) && event.session.is_none() {
        return text;
    }
    match event.process.is_nemesis() {
        true => text.push('*'),
        false => text.push_str(&event.process.to_string()),
    }
    if let Some(session) = event.session {
        let _ = write!(text, "/s{session}");
    }
    text.push(half);
    text
}

fn push_update(text: &mut String, letter: char, key: impl Fn(&mut String), value: &Scalar) {
    text.push(letter);
    key(text);
    push_scalar(text, value);
}

fn push_custom(text: &mut String, event: &Event) {
    let Operation::Custom { f, key, value } = &event.operation else { return };
    push_name(text, f);
    match key {
        None => {}
        Some(Scalar::Text(name)) => push_parentheses(text, &Json::from(&**name)),
        Some(other) => push_parentheses(text, &other.to_json()),
    }
    push_node(text, event);
    match value {
        Json::Null => {}
        Json::Array(_) | Json::Object(_) | Json::String(_) => push_json(text, value),
        other => {
            text.push('=');
            push_scalar(text, &Scalar::from_json(other.clone()));
        }
    }
}

fn push_node(text: &mut String, event: &Event) {
    if let Some(node) = &event.node {
        text.push('@');
        push_name(text, node);
    }
}

fn push_name(text: &mut String, name: &str) {
    match !name.is_empty() && name.chars().all(is_name) {
        true => text.push_str(name),
        false => push_string(text, name),
    }
}

fn push_key(text: &mut String, key: Option<&Scalar>) {
    match key {
        None => text.push_str("()"),
        Some(Scalar::Text(name)) if name.len() == 1 && name.chars().all(|c| c.is_ascii_alphabetic()) => {
            text.push_str(name);
        }
        Some(other) => push_parentheses(text, &other.to_json()),
    }
}

fn push_scalar(text: &mut String, scalar: &Scalar) {
    match scalar {
        Scalar::Null => text.push('_'),
        Scalar::Int(i) => {
            let _ = write!(text, "{i}");
        }
        Scalar::Text(t) => push_string(text, t),
        Scalar::Bool(_) | Scalar::Json(_) => push_parentheses(text, &scalar.to_json()),
    }
}

fn push_parentheses(text: &mut String, json: &Json) {
    text.push('(');
    push_json(text, json);
    text.push(')');
}

fn push_string(text: &mut String, string: &str) {
    push_json(text, &Json::from(string));
}

fn push_json(text: &mut String, json: &Json) {
    let _ = write!(text, "{json}");
}

fn digit(scalar: &Scalar) -> Option<String> {
    match scalar {
        Scalar::Int(i @ 0..=9) => Some(i.to_string()),
        _ => None,
    }
}
