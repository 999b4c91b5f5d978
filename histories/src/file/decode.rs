//! The tolerant reader: any JSON object that says what an event says.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value as Json};

use super::{FORMAT, Header};
use crate::event::{Event, Kind, Process};
use crate::history::History;
use crate::operation::{ItemFunction, Micro, Operation, Scalar, Value};

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
#[derive(Clone, Debug, Default)]
pub(super) struct Foreign {
    processes: BTreeMap<String, u32>,
    last_index: Option<u64>,
    last_time: u64,
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

struct Decoder<'a> {
    line: &'a str,
}

/// Events.
impl Decoder<'_> {
    fn event(&self, fields: &Fields<'_>, history: &History, dialect: &mut Dialect) -> Result<Event> {
        let kind = self.kind(self.required(fields.kind, "type")?, dialect)?;
        let process = self.process(self.required(fields.process, "process")?, dialect)?;
        self.index(fields.index, history, dialect)?;
        let operation = self.operation(fields, kind, process, history, dialect)?;
        let session = fields.session.map(|raw| self.session(raw)).transpose()?;
        let node = fields.node.map(|raw| self.words(raw)).transpose()?;
        let error = fields.error.map(|raw| self.words(raw)).transpose()?;
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

/// Operations.
impl Decoder<'_> {
    fn operation(
        &self,
        fields: &Fields<'_>,
        kind: Kind,
        process: Process,
        history: &History,
        dialect: &Dialect,
    ) -> Result<Operation> {
        let steps = fields.value.filter(|raw| raw.get().starts_with("[[") || raw.get() == "[]");
        let (raw_f, name) = match (fields.f, dialect, steps) {
            // The histories in Elle's own tests are nothing but transactions, and do not say so.
            (None, Dialect::Foreign(_), Some(steps)) => (steps, "txn".to_owned()),
            _ => {
                let raw = self.required(fields.f, "f")?;
                (raw, self.text(raw)?)
            }
        };
        let f = dialect.keyword(&name);
        let key = fields.key.map(|raw| self.scalar(raw)).transpose()?.filter(|k| *k != Scalar::Null);
        if fields.value.is_none()
            && let Some(invoked) = asked(f, kind, process, history, dialect)
        {
            return Ok(invoked);
        }
        // Where there is no value, an error about it points at the function.
        let value = fields.value.unwrap_or(RawValue::NULL);
        let at = fields.value.unwrap_or(raw_f);
        let answered = kind == Kind::Ok;
        Ok(match f {
            "read" => Operation::Read { key, value: self.answer(value, answered)? },
            "write" => Operation::Write { key, value: self.scalar(value)? },
            "append" => Operation::Append { key, value: self.scalar(value)? },
            "add" => Operation::Add { key, value: self.scalar(value)? },
            "remove" => Operation::Remove { key, value: self.scalar(value)? },
            "cas" => match self.array(value, at, "a list [expected, new]")?[..] {
                [old, new] => Operation::Cas { key, old: self.scalar(old)?, new: self.scalar(new)? },
                _ => return self.expected(at, "a list [expected, new]"),
            },
            "increment" => match value.get().parse() {
                Ok(by) => Operation::Increment { key, by },
                Err(_) => return self.expected(at, "a whole number of 64 bits"),
            },
            "contains" => match self.array(value, at, "a list [element, found]")?[..] {
                [value, found] => Operation::Contains { key, value: self.scalar(value)?, found: self.boolean(found)? },
                _ => return self.expected(at, "a list [element, found]"),
            },
            "txn" => {
                let micros = self.array(value, at, "a list of micro-operations")?;
                Operation::Txn(
                    micros.into_iter().map(|micro| self.micro(micro, answered, dialect)).collect::<Result<_>>()?,
                )
            }
            other => match ItemFunction::from_name(other) {
                Some(f) => {
                    let value = Some(self.scalar(value)?).filter(|v| answered || *v != Scalar::Null);
                    Operation::Item { f, key, value }
                }
                None => Operation::Custom { f: other.into(), key, value: self.json(value)? },
            },
        })
    }

    fn micro(&self, raw: &RawValue, answered: bool, dialect: &Dialect) -> Result<Micro> {
        const EXPECTED: &str =
            "a micro-operation [\"r\", \"w\", \"append\", \"insert\", \"delete\" or \"rp\", key, value]";
        let parts = self.array(raw, raw, EXPECTED)?;
        let (f, key, value) = match parts[..] {
            [f, key, value] => (f, key, value),
            [f, key] => (f, key, RawValue::NULL),
            _ => return self.expected(raw, EXPECTED),
        };
        let name = self.text(f)?;
        let key = self.scalar(key)?;
        match dialect.keyword(&name) {
            "r" => Ok(Micro::Read { key, value: self.answer(value, answered)? }),
            "w" if parts.len() == 3 => Ok(Micro::Write { key, value: self.scalar(value)? }),
            "append" if parts.len() == 3 => Ok(Micro::Append { key, value: self.scalar(value)? }),
            "insert" if parts.len() == 3 => Ok(Micro::Insert { key, value: self.scalar(value)? }),
            "delete" => Ok(Micro::Delete { key }),
            "rp" => Ok(Micro::Predicate { predicate: key, found: self.found(value, answered)? }),
            _ => self.expected(f, EXPECTED),
        }
    }

    /// What a read by predicate found: an object `{key: value}` or an array of pairs; nothing, where it is `null`.
    fn found(&self, raw: &RawValue, answered: bool) -> Result<Option<Vec<(Scalar, Scalar)>>> {
        const EXPECTED: &str = "an object of what was found, or an array of pairs [key, value]";
        match raw.get().as_bytes().first() {
            Some(b'n') => Ok(answered.then(Vec::new)),
            Some(b'{') => {
                let found: BTreeMap<String, &RawValue> =
                    serde_json::from_str(raw.get()).map_err(|e| json_error(&e, self.offset(raw)))?;
                let pair = |(key, value): (String, &RawValue)| {
                    let key = key.parse().map_or(Scalar::Text(key.as_str().into()), Scalar::Int);
                    Ok((key, self.scalar(value)?))
                };
                Ok(Some(found.into_iter().map(pair).collect::<Result<_>>()?))
            }
            _ => {
                let pair = |pair: &RawValue| match self.array(pair, pair, EXPECTED)?[..] {
                    [key, value] => Ok((self.scalar(key)?, self.scalar(value)?)),
                    _ => self.expected(pair, EXPECTED),
                };
                Ok(Some(self.array(raw, raw, EXPECTED)?.into_iter().map(pair).collect::<Result<_>>()?))
            }
        }
    }

    fn boolean(&self, raw: &RawValue) -> Result<Option<bool>> {
        match raw.get() {
            "true" => Ok(Some(true)),
            "false" => Ok(Some(false)),
            "null" => Ok(None),
            _ => self.expected(raw, "true, false or null"),
        }
    }

    /// What a read found; no answer is `null` in an `ok` completion.
    fn answer(&self, raw: &RawValue, answered: bool) -> Result<Option<Value>> {
        Ok(match raw.get().as_bytes().first() {
            Some(b'n') => answered.then_some(Value::Scalar(Scalar::Null)),
            Some(b'[') => {
                let items = self.array(raw, raw, "a list")?;
                Some(Value::List(items.into_iter().map(|item| self.scalar(item)).collect::<Result<_>>()?))
            }
            _ => Some(Value::Scalar(self.scalar(raw)?)),
        })
    }

    fn scalar(&self, raw: &RawValue) -> Result<Scalar> {
        let text = raw.get();
        if let Ok(int) = text.parse() {
            return Ok(Scalar::Int(int));
        }
        // A number that is too long keeps its digits: as a fraction it would be equal to its neighbours.
        if text.bytes().all(|b| b == b'-' || b.is_ascii_digit()) {
            return Ok(Scalar::Json(text.into()));
        }
        // `serde_json` reads fractions to within one unit in the last place, the standard library exactly.
        match text.parse::<f64>() {
            Ok(fraction) if fraction.is_finite() => Ok(Scalar::from_json(fraction.into())),
            Ok(_) => self.expected(raw, "a number of 64 bits"),
            Err(_) => self.json(raw).map(Scalar::from_json),
        }
    }
}

/// JSON.
impl Decoder<'_> {
    fn required<'r>(&self, raw: Option<&'r RawValue>, name: &str) -> Result<&'r RawValue> {
        raw.ok_or_else(|| LineError { column: 1, problem: format!("expected a field \"{name}\", found none") })
    }

    fn text(&self, raw: &RawValue) -> Result<String> {
        serde_json::from_str(raw.get()).or_else(|_| self.expected(raw, "a string"))
    }

    /// A string, or the text of whatever stands in its place.
    fn words(&self, raw: &RawValue) -> Result<Arc<str>> {
        match raw.get().starts_with('"') {
            true => self.text(raw).map(Arc::from),
            false => Ok(raw.get().into()),
        }
    }

    fn array<'r>(&self, raw: &'r RawValue, at: &RawValue, expected: &str) -> Result<Vec<&'r RawValue>> {
        match raw.get().starts_with('[') {
            true => serde_json::from_str(raw.get()).map_err(|e| json_error(&e, self.offset(raw))),
            false => self.expected(at, expected),
        }
    }

    fn json(&self, raw: &RawValue) -> Result<Json> {
        serde_json::from_str(raw.get()).map_err(|e| json_error(&e, self.offset(raw)))
    }

    fn expected<T>(&self, raw: &RawValue, expected: &str) -> Result<T> {
        let found: String = raw.get().chars().take(40).collect();
        let dots = if found.len() < raw.get().len() { "…" } else { "" };
        let problem = format!("expected {expected}, found {found}{dots}");
        Err(LineError { column: self.offset(raw) + 1, problem })
    }

    /// Where in the line this stands: every raw value is a piece of it.
    fn offset(&self, raw: &RawValue) -> usize {
        let offset = (raw.get().as_ptr() as usize).wrapping_sub(self.line.as_ptr() as usize);
        if offset < self.line.len() { offset } else { 0 }
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

/// Other tools may leave out what a `fail` or an `info` was about: it is what its process asked.
fn asked(f: &str, kind: Kind, process: Process, history: &History, dialect: &Dialect) -> Option<Operation> {
    let foreign = matches!(dialect, Dialect::Foreign(_)) && matches!(kind, Kind::Fail | Kind::Info);
    if !foreign || !Operation::is_known(f) {
        return None;
    }
    let asked = history.operation(history.open_invocation(process)?);
    (asked.f() == f).then_some(asked)
}

fn json_error(error: &serde_json::Error, offset: usize) -> LineError {
    let text = error.to_string();
    let problem = text.rsplit_once(" at line ").map_or(text.as_str(), |(problem, _)| problem);
    LineError { column: offset + error.column(), problem: problem.to_owned() }
}
