//! The histories of Porcupine and Knossos, as their files hold them.

use std::path::{Path, PathBuf};

use histories::{Event, Kind, Micro, Operation, Scalar, Value};

use super::event;

pub fn corpus(below: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(below);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<PathBuf> = files.map(|f| f.expect("a file of the corpus").path()).collect();
    files.sort();
    files
}

fn kind(name: &str) -> Kind {
    match name {
        "invoke" => Kind::Invoke,
        "ok" => Kind::Ok,
        "fail" => Kind::Fail,
        "info" => Kind::Info,
        other => panic!("no kind {other}"),
    }
}

/// `INFO  jepsen.util - 3 :invoke :cas [3 0]`, with tabs between the last four.
pub fn log(path: &Path) -> Vec<Event> {
    let text = std::fs::read_to_string(path).expect("a log");
    let lines = text.lines().filter_map(|line| line.strip_prefix("INFO  jepsen.util - "));
    let mut events = Vec::new();
    for line in lines {
        let mut fields = line.splitn(4, '\t').map(str::trim);
        let (Some(process), Some(kind_name), Some(f), Some(value)) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let Ok(process) = process.parse() else { continue };
        let numbers: Vec<Scalar> =
            value.trim_matches(['[', ']']).split(' ').filter_map(|n| n.parse::<i64>().ok()).map(Scalar::Int).collect();
        let kind = kind(&kind_name[1..]);
        let operation = match (f, numbers.as_slice()) {
            (":read", [value]) => Operation::Read { key: None, value: Some(Value::Scalar(value.clone())) },
            (":read", _) => Operation::Read { key: None, value: None },
            (":write", [value]) => Operation::Write { key: None, value: value.clone() },
            (":cas", [old, new]) => Operation::Cas { key: None, old: old.clone(), new: new.clone() },
            _ => asked(&events, process),
        };
        events.push(event(process, kind, operation, events.len()));
    }
    events
}

/// What a process asked last.
fn asked(events: &[Event], process: u32) -> Operation {
    let last = events.iter().rev().find(|e| e.process.0 == process);
    last.map(|e| e.operation.clone()).expect("an invocation before its completion")
}

#[derive(Debug, Clone, PartialEq)]
enum Edn {
    Word(String),
    Text(String),
    List(Vec<Edn>),
    Map(Vec<(Edn, Edn)>),
}

impl Edn {
    fn field(&self, name: &str) -> Option<&Edn> {
        let Edn::Map(fields) = self else { return None };
        fields.iter().find(|(key, _)| *key == Edn::Word(name.to_owned())).map(|(_, value)| value)
    }

    fn word(&self) -> &str {
        match self {
            Edn::Word(word) => word.trim_start_matches(':'),
            other => panic!("no word: {other:?}"),
        }
    }

    fn list(&self) -> &[Edn] {
        match self {
            Edn::List(items) => items,
            other => panic!("no list: {other:?}"),
        }
    }

    fn scalar(&self) -> Scalar {
        match self {
            Edn::Word(word) if word == "nil" => Scalar::Null,
            Edn::Word(word) => word.parse::<i64>().map_or_else(|_| word.trim_start_matches(':').into(), Scalar::Int),
            Edn::Text(text) => text.as_str().into(),
            other => panic!("no scalar: {other:?}"),
        }
    }
}

struct Reader<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
}

impl Reader<'_> {
    fn skip(&mut self) {
        while let Some(c) = self.rest.peek() {
            match c {
                ';' => while self.rest.next().is_some_and(|c| c != '\n') {},
                c if c.is_whitespace() || *c == ',' => drop(self.rest.next()),
                _ => return,
            }
        }
    }

    fn one(&mut self) -> Option<Edn> {
        self.skip();
        match self.rest.next()? {
            '[' | '(' => Some(Edn::List(self.until_closed())),
            '{' => {
                let items = self.until_closed();
                Some(Edn::Map(items.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect()))
            }
            '"' => Some(Edn::Text(self.text())),
            ']' | ')' | '}' => None,
            first => {
                let mut word = String::from(first);
                while let Some(c) = self.rest.next_if(|c| !c.is_whitespace() && !"[](){},;\"".contains(*c)) {
                    word.push(c);
                }
                Some(Edn::Word(word))
            }
        }
    }

    fn text(&mut self) -> String {
        let mut text = String::new();
        while let Some(c) = self.rest.next().filter(|c| *c != '"') {
            text.extend(if c == '\\' { self.rest.next() } else { Some(c) });
        }
        text
    }

    fn until_closed(&mut self) -> Vec<Edn> {
        std::iter::from_fn(|| self.one()).collect()
    }
}

/// One vector of maps, or one map after another.
pub fn edn(path: &Path) -> Vec<Event> {
    let text = std::fs::read_to_string(path).expect("an EDN file");
    let mut reader = Reader { rest: text.chars().peekable() };
    let mut all = reader.until_closed();
    if let [Edn::List(items)] = all.as_slice() {
        all = items.clone();
    }
    let mut events = Vec::new();
    for map in &all {
        let Ok(process) = map.field(":process").expect("a process").word().parse::<u32>() else { continue };
        let kind = kind(map.field(":type").expect("a type").word());
        let key = map.field(":key").map(Edn::scalar);
        let value = map.field(":value").cloned().unwrap_or(Edn::Word("nil".to_owned()));
        let operation = operation(map.field(":f").expect("a function").word(), key, &value, kind);
        events.push(event(process, kind, operation, events.len()));
    }
    events
}

fn operation(f: &str, key: Option<Scalar>, value: &Edn, kind: Kind) -> Operation {
    let answer = || Some(value.scalar()).filter(|v| kind == Kind::Ok || *v != Scalar::Null).map(Value::Scalar);
    match f {
        "read" | "get" => Operation::Read { key, value: answer() },
        "write" | "put" => Operation::Write { key, value: value.scalar() },
        "append" => Operation::Append { key, value: value.scalar() },
        "cas" => Operation::Cas { key, old: value.list()[0].scalar(), new: value.list()[1].scalar() },
        "txn" => Operation::Txn(value.list().iter().map(|m| micro(m.list(), kind)).collect()),
        other => panic!("no function {other}"),
    }
}

fn micro(parts: &[Edn], kind: Kind) -> Micro {
    let (key, value) = (parts[1].scalar(), parts[2].scalar());
    match parts[0].word() {
        "read" => Micro::Read { key, value: Some(value).filter(|_| kind == Kind::Ok).map(Value::Scalar) },
        _ => Micro::Write { key, value },
    }
}
