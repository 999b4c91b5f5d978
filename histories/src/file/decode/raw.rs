//! Pieces of JSON, and where in their line they stand.

use std::sync::Arc;

use serde_json::Value as Json;
use serde_json::value::RawValue;

use super::{Decoder, LineError, Result};

impl Decoder<'_> {
    pub(super) fn required<'r>(&self, raw: Option<&'r RawValue>, name: &str) -> Result<&'r RawValue> {
        raw.ok_or_else(|| LineError { column: 1, problem: format!("expected a field \"{name}\", found none") })
    }

    pub(super) fn text(&self, raw: &RawValue) -> Result<String> {
        serde_json::from_str(raw.get()).or_else(|_| self.expected(raw, "a string"))
    }

    /// A string, or the text of whatever stands in its place.
    pub(super) fn words(&self, raw: &RawValue) -> Result<Arc<str>> {
        match raw.get().starts_with('"') {
            true => self.text(raw).map(Arc::from),
            false => Ok(raw.get().into()),
        }
    }

    pub(super) fn array<'r>(&self, raw: &'r RawValue, at: &RawValue, expected: &str) -> Result<Vec<&'r RawValue>> {
        match raw.get().starts_with('[') {
            true => serde_json::from_str(raw.get()).map_err(|e| json_error(&e, self.offset(raw))),
            false => self.expected(at, expected),
        }
    }

    pub(super) fn json(&self, raw: &RawValue) -> Result<Json> {
        serde_json::from_str(raw.get()).map_err(|e| json_error(&e, self.offset(raw)))
    }

    pub(super) fn expected<T>(&self, raw: &RawValue, expected: &str) -> Result<T> {
        let found: String = raw.get().chars().take(40).collect();
        let dots = if found.len() < raw.get().len() { "…" } else { "" };
        let problem = format!("expected {expected}, found {found}{dots}");
        Err(LineError { column: self.offset(raw) + 1, problem })
    }

    /// Where in the line this stands: every raw value is a piece of it.
    pub(super) fn offset(&self, raw: &RawValue) -> usize {
        let offset = (raw.get().as_ptr() as usize).wrapping_sub(self.line.as_ptr() as usize);
        if offset < self.line.len() { offset } else { 0 }
    }
}

pub(super) fn json_error(error: &serde_json::Error, offset: usize) -> LineError {
    let text = error.to_string();
    let problem = text.rsplit_once(" at line ").map_or(text.as_str(), |(problem, _)| problem);
    LineError { column: offset + error.column(), problem: problem.to_owned() }
}
