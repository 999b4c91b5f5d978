//! The tolerant reader: any JSON object that says what an event says.

mod operation;
mod raw;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value as Json};

use self::operation::Context;
use self::raw::json_error;
use super::tuples::Tuples;
use super::{FORMAT, Header};
use crate::event::{Event, Kind, Process};
use crate::history::History;

/// Processes that other tools name by a string are numbered from here.
const FIRST_NAMED_PROCESS: u32 = 1 << 31;

/// Where and why a line is not an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {problem}")]
pub(super) struct LineError {
    /// Byte within the line, from 1.
    pub column: usize,
    pub problem: String,
}

type Result<T> = std::result::Result<T, LineError>;

/// Whose file this is.
#[derive(Clone, Debug)]
pub(super) enum Dialect {
    /// Ours, which is strict.
    Own,
    /// Another tool's, which is read with goodwill.
    Foreign(Foreign),
}

/// What is remembered of the lines of another tool.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Foreign {
    pub processes: BTreeMap<String, u32>,
    pub last_index: Option<u64>,
    pub last_time: u64,
    pub tuples: Tuples,
    /// In a history of tuples, the completions whose values are none.
    pub bare: Vec<u32>,
}

impl Default for Foreign {
    fn default() -> Self {
        let tuples = Tuples::Possible { proven: false };
        Foreign { processes: BTreeMap::new(), last_index: None, last_time: 0, tuples, bare: Vec::new() }
    }
}

/// The first line of our files; `None` where the line is something else.
pub(super) fn header(line: &str) -> Option<(u64, Header)> {
    let mut about: Map<String, Json> = serde_json::from_str(line).ok()?;
    if about.remove("format")? != FORMAT {
        return None;
    }
    let version = about.remove("version")?.as_u64()?;
    Some((version, Header { version: u32::try_from(version).unwrap_or(u32::MAX), about }))
}

/// The last line of our files: the number of events.
pub(super) fn footer(line: &str) -> Option<u64> {
    #[derive(Deserialize)]
    struct Footer<'a> {
        end: &'a str,
        events: u64,
    }
    let footer: Footer<'_> = serde_json::from_str(line).ok()?;
    (footer.end == FORMAT).then_some(footer.events)
}

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    index: Option<&'a RawValue>,
    #[serde(borrow)]
    time: Option<&'a RawValue>,
    #[serde(borrow)]
    process: Option<&'a RawValue>,
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    f: Option<&'a RawValue>,
    #[serde(borrow)]
    key: Option<&'a RawValue>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
    #[serde(borrow)]
    node: Option<&'a RawValue>,
    #[serde(borrow)]
    session: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

/// The event of a line that comes next in this history.
pub(super) fn event(line: &str, history: &History, dialect: &mut Dialect) -> Result<Event> {
    let fields: Fields<'_> = serde_json::from_str(line).map_err(|e| json_error(&e, 0))?;
    Decoder { line }.event(&fields, history, dialect)
}

/// Whether the event of a line shows that a history has no tuples. A line that is no event shows nothing.
pub(super) fn contradicts_tuples(line: &str, history: &History, foreign: &Foreign) -> bool {
    if !foreign.tuples.possible() {
        return false;
    }
    let decoder = Decoder { line };
    let mut dialect = Dialect::Foreign(Foreign::default());
    let Ok(fields) = serde_json::from_str::<Fields<'_>>(line) else { return false };
    let kind = fields.kind.and_then(|raw| decoder.kind(raw, &dialect).ok());
    let process = fields.process.and_then(|raw| decoder.process(raw, &mut dialect).ok());
    match (kind, process.filter(|process| !process.is_nemesis())) {
        (Some(kind), Some(process)) => {
            decoder.contradicts_tuples(&fields, Context { kind, process, history }, &dialect)
        }
        _ => false,
    }
}

struct Decoder<'a> {
    line: &'a str,
}

/// Events.
impl Decoder<'_> {
    fn event(&self, fields: &Fields<'_>, history: &History, dialect: &mut Dialect) -> Result<Event> {
        let kind = self.kind(self.required(fields.kind, "type")?, dialect)?;
        let process = self.process(self.required(fields.process, "process")?, dialect)?;
        self.index(fields.index, history, dialect)?;
        let (operation, reason) = self.operation(fields, Context { kind, process, history }, dialect)?;
        let session = fields.session.map(|raw| self.session(raw)).transpose()?;
        let node = fields.node.map(|raw| self.words(raw)).transpose()?;
        let error = fields.error.or(reason).map(|raw| self.words(raw)).transpose()?;
        let time = self.time(fields.time, dialect)?;
        Ok(Event { time, process, kind, operation, node, session, error })
    }

    fn kind(&self, raw: &RawValue, dialect: &Dialect) -> Result<Kind> {
        let name = self.text(raw)?;
        let kinds = [Kind::Invoke, Kind::Ok, Kind::Fail, Kind::Info];
        match kinds.into_iter().find(|kind| kind.name() == dialect.keyword(&name)) {
            Some(kind) => Ok(kind),
            None => self.expected(raw, "\"invoke\", \"ok\", \"fail\" or \"info\""),
        }
    }

    fn process(&self, raw: &RawValue, dialect: &mut Dialect) -> Result<Process> {
        const EXPECTED: &str = "a process number below 4294967295, or \"nemesis\"";
        if !raw.get().starts_with('"') {
            return match raw.get().parse() {
                Ok(number) if number != u32::MAX => Ok(Process(number)),
                _ => self.expected(raw, EXPECTED),
            };
        }
        let name = self.text(raw)?;
        match dialect {
            _ if dialect.keyword(&name) == "nemesis" => Ok(Process::NEMESIS),
            Dialect::Own => self.expected(raw, EXPECTED),
            Dialect::Foreign(foreign) => Ok(foreign.process(name)),
        }
    }

    fn index(&self, raw: Option<&RawValue>, history: &History, dialect: &mut Dialect) -> Result<()> {
        match dialect {
            Dialect::Own => {
                let raw = self.required(raw, "index")?;
                if raw.get().parse() != Ok(history.len()) {
                    return self.expected(raw, &format!("index {}", history.len()));
                }
            }
            Dialect::Foreign(foreign) => {
                let Some(raw) = raw else { return Ok(()) };
                let Ok(index) = raw.get().parse::<u64>() else { return self.expected(raw, "an index") };
                if let Some(last) = foreign.last_index.replace(index).filter(|last| index <= *last) {
                    return self.expected(raw, &format!("an index above {last}, which came before"));
                }
            }
        }
        Ok(())
    }

    fn time(&self, raw: Option<&RawValue>, dialect: &mut Dialect) -> Result<u64> {
        const EXPECTED: &str = "a time in nanoseconds, from 0";
        match (dialect, raw) {
            (Dialect::Own, raw) => {
                let raw = self.required(raw, "time")?;
                raw.get().parse().or_else(|_| self.expected(raw, EXPECTED))
            }
            (Dialect::Foreign(foreign), None) => Ok(foreign.last_time),
            (Dialect::Foreign(foreign), Some(raw)) => {
                // Some tools write every number as a fraction; a cast from it saturates.
                let fraction = || raw.get().parse::<f64>().ok().filter(|t| *t >= 0.0).map(|t| t as u64);
                match raw.get().parse().ok().or_else(fraction) {
                    Some(time) => foreign.last_time = time,
                    None => return self.expected(raw, EXPECTED),
                }
                Ok(foreign.last_time)
            }
        }
    }

    fn session(&self, raw: &RawValue) -> Result<u32> {
        match raw.get().parse() {
            Ok(session) if session != u32::MAX => Ok(session),
            _ => self.expected(raw, "a session number below 4294967295"),
        }
    }
}

impl Dialect {
    /// Keywords of Clojure keep their colon in the JSON of some tools.
    fn keyword<'n>(&self, name: &'n str) -> &'n str {
        match self {
            Dialect::Own => name,
            Dialect::Foreign(_) => name.strip_prefix(':').unwrap_or(name),
        }
    }

    /// The name that we have for a function.
    fn function<'n>(&self, name: &'n str) -> &'n str {
        match (self, self.keyword(name)) {
            (Dialect::Foreign(_), "get") => "read",
            (Dialect::Foreign(_), "put") => "write",
            (_, other) => other,
        }
    }

    /// The name that we have for a micro-operation.
    fn micro_function<'n>(&self, name: &'n str) -> &'n str {
        match (self, self.keyword(name)) {
            (Dialect::Foreign(_), "read" | "get") => "r",
            (Dialect::Foreign(_), "write" | "put") => "w",
            (_, other) => other,
        }
    }
}

impl Foreign {
    fn process(&mut self, name: String) -> Process {
        if let Ok(number) = name.parse::<u32>()
            && number < FIRST_NAMED_PROCESS
        {
            return Process(number);
        }
        let next = FIRST_NAMED_PROCESS + self.processes.len() as u32;
        Process(*self.processes.entry(name).or_insert(next))
    }
}
