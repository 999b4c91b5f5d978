//! Lines of other tools: objects whose fields stand in any order.
//!
//! The value can only be read when it is known of what, and what to make of a missing one only at the end. Most tools
//! write the type and the function before it; where they do not, the value is passed over and read when the rest is known.

use std::sync::Arc;

use super::{Scanner, interned_key};
use crate::event::{Kind, Process};
use crate::file::decode::Foreign;
use crate::file::tuples::Tuples;
use crate::history::{Function, History, KeyId, Payload, Row, ScalarRef};
use crate::operation::{ItemFunction, Operation};

/// The fields of a line, as they were found.
#[derive(Default)]
struct Fields<'a> {
    kind: Option<Kind>,
    f: Option<&'a str>,
    process: Option<Process>,
    time: Option<u64>,
    index: Option<u64>,
    key: Option<ScalarRef<'a>>,
    value: Value,
    node: Option<&'a str>,
    session: Option<u32>,
    error: Option<&'a str>,
}

/// The field `value`.
#[derive(Clone, Copy, Default)]
enum Value {
    /// Missing, or `null`.
    #[default]
    Nothing,
    /// It is read.
    Read(Function, Payload),
    /// It stands from here to there, and is not read yet.
    At(usize, usize),
}

impl<'a> Scanner<'a, true> {
    /// Pushes the event of a line and returns what comes after the line. Nothing of the history or of what is remembered
    /// changes before all is known to be well, but for what is interned.
    pub(super) fn foreign_event(&mut self, foreign: &mut Foreign, history: &mut History) -> Option<usize> {
        let fields = self.fields(foreign, history)?;
        let end = self.line_end()?;
        let (kind, process) = (fields.kind?, fields.process?);
        if fields.index.is_some_and(|index| foreign.last_index.is_some_and(|last| index <= last)) {
            return None;
        }
        let (function, key, payload, tuples) = self.operation(&fields, foreign.tuples, history)?;
        let time = fields.time.unwrap_or(foreign.last_time);
        let Fields { node, session, .. } = fields;
        let error = fields.error.map(Arc::from);
        history.push_row(Row { time, process, kind, function, key, payload, node, session, error }).ok()?;
        foreign.last_time = time;
        foreign.last_index = fields.index.or(foreign.last_index);
        foreign.tuples = tuples;
        Some(end)
    }

    fn fields(&mut self, foreign: &Foreign, history: &mut History) -> Option<Fields<'a>> {
        let mut fields = Fields::default();
        let mut seen = 0u16;
        self.punctuation(b'{').then_some(())?;
        loop {
            let name = self.string()?;
            self.punctuation(b':').then_some(())?;
            let field = self.field(name, &mut fields, foreign, history)?;
            if seen & field != 0 {
                return None;
            }
            seen |= field;
            if !self.comma() {
                self.punctuation(b'}').then_some(())?;
                return Some(fields);
            }
        }
    }

    /// Reads one field, and returns its bit, so that a second one of the same name is noticed.
    #[inline]
    fn field(&mut self, name: &str, fields: &mut Fields<'a>, foreign: &Foreign, history: &mut History) -> Option<u16> {
        let null = self.eat("null");
        match name {
            "type" if !null => fields.kind = Some(self.quoted_kind()?),
            "f" if !null => fields.f = Some(function(self.string()?)),
            "process" if !null => fields.process = Some(self.foreign_process(foreign)?),
            // They are required, and the other reader says so.
            "type" | "f" | "process" => return None,
            "value" if !null => fields.value = self.field_value(fields, foreign.tuples, history)?,
            "time" if !null => fields.time = Some(self.number()?),
            "index" if !null => fields.index = Some(self.number()?),
            "key" if !null => fields.key = Some(self.scalar()?),
            "node" if !null => fields.node = Some(self.string()?),
            "session" if !null => fields.session = Some(u32::try_from(self.number()?).ok()?),
            "error" if !null => fields.error = Some(self.string()?),
            "value" | "time" | "index" | "key" | "node" | "session" | "error" => {}
            _ if null => return Some(0),
            _ => {
                self.scalar()?;
                return Some(0);
            }
        }
        Some(bit(name))
    }

    fn quoted_kind(&mut self) -> Option<Kind> {
        self.expect("\"")?;
        self.eat(":");
        let kind = self.kind()?;
        self.expect("\"").map(|()| kind)
    }

    /// A name that is new is left to the other reader, which gives it a number.
    fn foreign_process(&mut self, foreign: &Foreign) -> Option<Process> {
        if self.rest().first() != Some(&b'"') {
            let number = u32::try_from(self.number()?).ok()?;
            return (number != u32::MAX).then_some(Process(number));
        }
        let name = self.string()?;
        match name.strip_prefix(':').unwrap_or(name) {
            "nemesis" => Some(Process::NEMESIS),
            _ => foreign.processes.get(name).map(|number| Process(*number)),
        }
    }

    /// Reads a value if it is known of what; not in a history that may be one of tuples.
    fn field_value(&mut self, fields: &Fields<'a>, tuples: Tuples, history: &mut History) -> Option<Value> {
        match (fields.f, fields.kind) {
            (Some(f), Some(kind)) if !tuples.possible() && !is_word(kind, self.rest()) => {
                let (function, payload) = self.value(f, kind, history)?;
                Some(Value::Read(function, payload))
            }
            _ => {
                let at = self.at;
                self.pass_over()?;
                Some(Value::At(at, self.at))
            }
        }
    }

    /// Function, key and value, when everything is known.
    fn operation(
        &self,
        fields: &Fields<'a>,
        tuples: Tuples,
        history: &mut History,
    ) -> Option<(Function, Option<KeyId>, Payload, Tuples)> {
        let (kind, process) = (fields.kind?, fields.process?);
        let client = !process.is_nemesis();
        if client && tuples.possible() {
            return self.tuple(fields, kind, process, tuples, history);
        }
        let (function, payload) = match fields.value {
            Value::Read(function, payload) => (function, payload),
            // A word may be a reason.
            Value::At(at, _) if is_word(kind, &self.text.as_bytes()[at..]) => return None,
            Value::At(at, end) => {
                let mut value = Scanner::<true> { text: self.text, at };
                let read = value.value(self.named(fields, at)?, kind, history)?;
                value.ends_at(end)?;
                read
            }
            Value::Nothing if client && is_repetition(kind, fields.f?) => {
                let (function, key, payload) = repeated(fields.f?, process, history)?;
                return Some((function, key, payload, tuples));
            }
            Value::Nothing => Scanner::<true> { text: "null", at: 0 }.value(fields.f?, kind, history)?,
        };
        Some((function, interned_key(function, fields.key, history)?, payload, tuples))
    }

    /// The name of the function. Transactions need none.
    fn named(&self, fields: &Fields<'a>, at: usize) -> Option<&'a str> {
        let opens = || self.text[at..].starts_with("[[");
        fields.f.or_else(|| opens().then_some("txn"))
    }

    /// An operation whose value is a key and a value.
    fn tuple(
        &self,
        fields: &Fields<'a>,
        kind: Kind,
        process: Process,
        tuples: Tuples,
        history: &mut History,
    ) -> Option<(Function, Option<KeyId>, Payload, Tuples)> {
        let f = fields.f.filter(|f| fields.key.is_none() && *f != "txn")?;
        let Value::At(at, end) = fields.value else {
            let (function, key, payload) = repeated(f, process, history).filter(|_| is_repetition(kind, f))?;
            return Some((function, key, payload, tuples));
        };
        let mut value = Scanner::<true> { text: self.text, at };
        value.open()?;
        let key = value.scalar().filter(|key| matches!(key, ScalarRef::Int(_) | ScalarRef::Text(_)))?;
        value.comma().then_some(())?;
        let question = f == "read" || ItemFunction::from_name(f).is_some_and(ItemFunction::is_question);
        let asks = kind == Kind::Invoke && question;
        if asks && !value.rest().starts_with(b"null") {
            return None;
        }
        // The key of a completion must be that of its invocation; what else it may be is for the other reader.
        let named = history.intern_key(key).ok()?;
        if kind != Kind::Invoke && history.open_invocation(process).and_then(|open| history.key(open)) != Some(named) {
            return None;
        }
        let (function, payload) = value.value(f, kind, history)?;
        value.close()?;
        value.ends_at(end)?;
        let proof = asks || (kind == Kind::Invoke && f == "cas");
        let tuples = if proof { Tuples::Possible { proven: true } } else { tuples };
        Some((function, interned_key(function, Some(key), history)?, payload, tuples))
    }

    fn ends_at(&mut self, end: usize) -> Option<()> {
        self.space();
        (self.at == end).then_some(())
    }

    /// Goes past a value without reading it. Whoever reads it later finds out whether it is one.
    fn pass_over(&mut self) -> Option<()> {
        let mut depth = 0usize;
        loop {
            match self.rest().first()? {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'[' | b'{' => depth += 1,
                b']' | b'}' if depth > 0 => depth -= 1,
                b',' | b'}' if depth == 0 => return Some(()),
                b'\n' => return None,
                _ => {}
            }
            self.at += 1;
        }
    }
}

/// The name that we have for a function of another tool.
fn function(name: &str) -> &str {
    match name.strip_prefix(':').unwrap_or(name) {
        "get" => "read",
        "put" => "write",
        other => other,
    }
}

fn bit(name: &str) -> u16 {
    const NAMES: [&str; 10] = ["type", "f", "value", "process", "time", "index", "key", "node", "session", "error"];
    NAMES.iter().position(|known| *known == name).map_or(0, |i| 1 << i)
}

/// A string as the value of what did not certainly happen.
fn is_word(kind: Kind, value: &[u8]) -> bool {
    matches!(kind, Kind::Fail | Kind::Info) && value.first() == Some(&b'"')
}

fn is_repetition(kind: Kind, f: &str) -> bool {
    matches!(kind, Kind::Fail | Kind::Info) && Operation::is_known(f)
}

/// What a process has open, if it goes by this name.
fn repeated(f: &str, process: Process, history: &mut History) -> Option<(Function, Option<KeyId>, Payload)> {
    let asked = history.open_invocation(process)?;
    let function = history.function(asked);
    if history.function_name(function) != f {
        return None;
    }
    Some((function, history.key(asked), history.repeat(asked).ok()?))
}

#[cfg(test)]
mod tests;
