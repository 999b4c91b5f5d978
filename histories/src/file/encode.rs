//! From an event to its line.

use std::io;

use serde_json::value::RawValue;
use serde_json::{Map, Value as Json};

use super::{FORMAT, VERSION};
use crate::event::Event;
use crate::operation::{Micro, Operation, Scalar, Value};

/// Appends the first line of a file. `format` and `version` come first, whatever else is said.
pub(super) fn header(out: &mut Vec<u8>, about: &Map<String, Json>) {
    out.extend_from_slice(b"{\"format\":\"");
    out.extend_from_slice(FORMAT.as_bytes());
    out.extend_from_slice(b"\",\"version\":");
    number(out, VERSION.into());
    for (name, value) in about.iter().filter(|(name, _)| *name != "format" && *name != "version") {
        out.push(b',');
        string(out, name);
        out.push(b':');
        json(out, value);
    }
    out.extend_from_slice(b"}\n");
}

/// Appends the last line of a file.
pub(super) fn footer(out: &mut Vec<u8>, events: u32) {
    out.extend_from_slice(b"{\"end\":\"");
    out.extend_from_slice(FORMAT.as_bytes());
    out.extend_from_slice(b"\",\"events\":");
    number(out, events.into());
    out.extend_from_slice(b"}\n");
}

/// Appends the line of an event, or nothing where the event has none.
pub(super) fn event(out: &mut Vec<u8>, index: u32, event: &Event) -> io::Result<()> {
    check(event)?;
    out.extend_from_slice(b"{\"index\":");
    number(out, index.into());
    out.extend_from_slice(b",\"time\":");
    number(out, event.time);
    out.extend_from_slice(b",\"process\":");
    match event.process.is_nemesis() {
        true => out.extend_from_slice(b"\"nemesis\""),
        false => number(out, event.process.0.into()),
    }
    out.extend_from_slice(b",\"type\":\"");
    out.extend_from_slice(event.kind.name().as_bytes());
    out.extend_from_slice(b"\",\"f\":");
    string(out, event.operation.f());
    if let Some(key) = event.operation.key().filter(|k| **k != Scalar::Null) {
        out.extend_from_slice(b",\"key\":");
        scalar(out, key);
    }
    out.extend_from_slice(b",\"value\":");
    operation(out, &event.operation);
    if let Some(node) = &event.node {
        out.extend_from_slice(b",\"node\":");
        string(out, node);
    }
    if let Some(session) = event.session {
        out.extend_from_slice(b",\"session\":");
        number(out, session.into());
    }
    if let Some(error) = &event.error {
        out.extend_from_slice(b",\"error\":");
        string(out, error);
    }
    out.extend_from_slice(b"}\n");
    Ok(())
}

/// What would be read back as something else is not written.
fn check(event: &Event) -> io::Result<()> {
    if event.session == Some(u32::MAX) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "session 4294967295 is reserved"));
    }
    match &event.operation {
        Operation::Custom { f, .. } if Operation::is_known(f) => {
            let message = format!("a custom operation cannot be named '{f}': that name has a type of its own");
            Err(io::Error::new(io::ErrorKind::InvalidInput, message))
        }
        _ => Ok(()),
    }
}

/// The field `value` of an operation.
fn operation(out: &mut Vec<u8>, operation: &Operation) {
    match operation {
        Operation::Read { value, .. } => answer(out, value.as_ref()),
        Operation::Write { value, .. }
        | Operation::Append { value, .. }
        | Operation::Add { value, .. }
        | Operation::Remove { value, .. } => scalar(out, value),
        Operation::Cas { old, new, .. } => {
            out.push(b'[');
            scalar(out, old);
            out.push(b',');
            scalar(out, new);
            out.push(b']');
        }
        Operation::Increment { by, .. } => signed(out, *by),
        Operation::Contains { value, found, .. } => {
            out.push(b'[');
            scalar(out, value);
            out.push(b',');
            scalar(out, &found.map_or(Scalar::Null, Scalar::Bool));
            out.push(b']');
        }
        Operation::Item { value, .. } => scalar(out, value.as_ref().unwrap_or(&Scalar::Null)),
        Operation::Txn(micros) => list(out, micros, micro),
        Operation::Custom { value, .. } => json(out, value),
    }
}

fn micro(out: &mut Vec<u8>, micro: &Micro) {
    let name: &[u8] = match micro {
        Micro::Read { .. } => b"[\"r\",",
        Micro::Write { .. } => b"[\"w\",",
        Micro::Append { .. } => b"[\"append\",",
        Micro::Insert { .. } => b"[\"insert\",",
        Micro::Delete { .. } => b"[\"delete\",",
        Micro::Predicate { .. } => b"[\"rp\",",
    };
    out.extend_from_slice(name);
    scalar(out, micro.key());
    out.push(b',');
    match micro {
        Micro::Read { value, .. } => answer(out, value.as_ref()),
        Micro::Write { value, .. } | Micro::Append { value, .. } | Micro::Insert { value, .. } => scalar(out, value),
        Micro::Delete { .. } | Micro::Predicate { found: None, .. } => out.extend_from_slice(b"null"),
        Micro::Predicate { found: Some(found), .. } => list(out, found, |out, (key, value)| {
            out.push(b'[');
            scalar(out, key);
            out.push(b',');
            scalar(out, value);
            out.push(b']');
        }),
    }
    out.push(b']');
}

fn answer(out: &mut Vec<u8>, value: Option<&Value>) {
    match value {
        None => out.extend_from_slice(b"null"),
        Some(Value::Scalar(value)) => scalar(out, value),
        Some(Value::List(items)) => list(out, items, scalar),
    }
}

fn list<T>(out: &mut Vec<u8>, items: &[T], element: impl Fn(&mut Vec<u8>, &T)) {
    out.push(b'[');
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        element(out, item);
    }
    out.push(b']');
}

fn scalar(out: &mut Vec<u8>, scalar: &Scalar) {
    match scalar {
        Scalar::Null => out.extend_from_slice(b"null"),
        Scalar::Bool(true) => out.extend_from_slice(b"true"),
        Scalar::Bool(false) => out.extend_from_slice(b"false"),
        Scalar::Int(i) => signed(out, *i),
        Scalar::Text(text) => string(out, text),
        // The text is as good as whoever made it: only JSON on one line may stand in a line.
        Scalar::Json(text) => match serde_json::from_str::<&RawValue>(text) {
            Ok(_) if !text.contains(['\n', '\r']) => out.extend_from_slice(text.as_bytes()),
            _ => json(out, &scalar.to_json()),
        },
    }
}

fn json(out: &mut Vec<u8>, json: &Json) {
    serde_json::to_writer(out, json).expect("JSON values are written to memory");
}

fn string(out: &mut Vec<u8>, string: &str) {
    let plain = |b: u8| b >= b' ' && b != b'"' && b != b'\\';
    if string.bytes().all(plain) {
        out.push(b'"');
        out.extend_from_slice(string.as_bytes());
        out.push(b'"');
    } else {
        serde_json::to_writer(out, string).expect("strings are written to memory");
    }
}

fn signed(out: &mut Vec<u8>, i: i64) {
    if i < 0 {
        out.push(b'-');
    }
    number(out, i.unsigned_abs());
}

fn number(out: &mut Vec<u8>, mut n: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            return out.extend_from_slice(&digits[at..]);
        }
    }
}
