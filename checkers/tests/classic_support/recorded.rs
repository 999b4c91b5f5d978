//! Histories that other tools have recorded, in JSON and in as much of Clojure's notation as they need.

use std::path::Path;

use histories::{Event, History, Kind, Operation, Process, Scalar, Value};
use serde_json::{Map, Value as Json};

/// A history of the folder `corpus/elle-cli`.
pub fn recorded(name: &str) -> History {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/elle-cli").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let events: Vec<Json> = match name.ends_with(".edn") {
        true => text.lines().filter(|line| !line.trim().is_empty()).map(|line| Edn::new(line).form()).collect(),
        false => serde_json::from_str(&text).expect("JSON"),
    };
    History::from_events(&events.iter().map(event).collect::<Vec<_>>())
}

fn event(json: &Json) -> Event {
    let value = json["value"].clone();
    let kind = match json["type"].as_str().expect("a type") {
        "invoke" => Kind::Invoke,
        "ok" => Kind::Ok,
        "fail" => Kind::Fail,
        _ => Kind::Info,
    };
    let operation = match json["f"].as_str().expect("a function") {
        "read" if kind == Kind::Ok => Operation::Read { key: None, value: Some(Value::from_json(value)) },
        "read" => Operation::Read { key: None, value: None },
        "add" => Operation::Add { key: None, value: Scalar::from_json(value) },
        f => Operation::Custom { f: f.into(), key: None, value },
    };
    let process = json["process"].as_u64().map_or(Process::NEMESIS, |process| Process(process as u32));
    let time = json["time"].as_u64().unwrap_or(0);
    Event { time, process, kind, operation, node: None, session: None, error: None }
}

/// Maps, vectors, keywords, strings, whole numbers, `nil` and words. Keys of maps become strings.
struct Edn<'t> {
    rest: &'t str,
}

impl<'t> Edn<'t> {
    fn new(rest: &'t str) -> Self {
        Edn { rest }
    }

    fn peek(&mut self) -> char {
        self.rest = self.rest.trim_start_matches([' ', ',']);
        self.rest.chars().next().expect("more of the form")
    }

    fn form(&mut self) -> Json {
        match self.peek() {
            '{' => self.map(),
            '[' => self.vector(),
            '"' => self.text(),
            _ => self.word(),
        }
    }

    fn map(&mut self) -> Json {
        self.rest = &self.rest[1..];
        let mut map = Map::new();
        while self.peek() != '}' {
            let key = match self.form() {
                Json::String(key) => key,
                other => other.to_string(),
            };
            map.insert(key, self.form());
        }
        self.rest = &self.rest[1..];
        Json::Object(map)
    }

    fn vector(&mut self) -> Json {
        self.rest = &self.rest[1..];
        let mut items = Vec::new();
        while self.peek() != ']' {
            items.push(self.form());
        }
        self.rest = &self.rest[1..];
        Json::Array(items)
    }

    fn text(&mut self) -> Json {
        let end = self.rest[1..].find('"').expect("the end of a string") + 1;
        let text = self.rest[1..end].to_owned();
        self.rest = &self.rest[end + 1..];
        Json::String(text)
    }

    fn word(&mut self) -> Json {
        let end = self.rest.find([' ', ',', '}', ']']).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        match (word, word.parse::<i64>()) {
            ("nil", _) => Json::Null,
            (_, Ok(number)) => number.into(),
            _ => Json::String(word.trim_start_matches(':').to_owned()),
        }
    }
}
