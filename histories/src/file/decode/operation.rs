//! What a line says was done.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::raw::json_error;
use super::{Decoder, Dialect, Fields, Result};
use crate::event::{Kind, Process};
use crate::file::tuples;
use crate::history::History;
use crate::operation::{ItemFunction, Micro, Operation, Scalar, Value};

/// What stands around an operation.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub kind: Kind,
    pub process: Process,
    pub history: &'a History,
}

impl<'a> Context<'a> {
    /// The object of the operation that the process has open.
    fn asked_key(&self) -> Option<&'a Scalar> {
        let open = self.history.open_invocation(self.process)?;
        self.history.key(open).map(|key| self.history.key_name(key))
    }
}

/// An operation, and the reason for its end where that stood in the place of its value.
pub(super) type Said<'a> = (Operation, Option<&'a RawValue>);

/// The function, the key and the value of a line.
#[derive(Clone, Copy)]
struct Parts<'f, 'r> {
    f: &'f str,
    /// Where the function stands, or what stands for it.
    raw_f: &'r RawValue,
    key: Option<&'r RawValue>,
    value: Option<&'r RawValue>,
}

impl Decoder<'_> {
    /// The operation of a line. In a history of tuples its key comes out of its value.
    pub(super) fn operation<'r>(
        &self,
        fields: &Fields<'r>,
        context: Context<'_>,
        dialect: &mut Dialect,
    ) -> Result<Said<'r>> {
        let (raw_f, name) = self.function(fields, dialect)?;
        let f = dialect.function(&name);
        let parts = Parts { f, raw_f, key: fields.key, value: fields.value };
        let foreign = match dialect {
            Dialect::Own => return Ok((self.typed(&parts, context.kind, dialect)?, None)),
            Dialect::Foreign(foreign) => foreign,
        };
        let repeats = matches!(context.kind, Kind::Fail | Kind::Info) && !context.process.is_nemesis();
        if !foreign.tuples.possible() || context.process.is_nemesis() {
            return self.foreign(parts, repeats, context, dialect);
        }
        let asked = context.asked_key();
        let is_tuple = |key: &RawValue| context.kind == Kind::Invoke || self.scalar(key).ok().as_ref() == asked;
        match fields.value.and_then(tuple).filter(|(key, _)| is_tuple(key)) {
            Some((key, value)) => {
                let parts = Parts { key: Some(key), value: Some(value), ..parts };
                let operation = self.typed(&parts, context.kind, dialect)?;
                if let Dialect::Foreign(foreign) = dialect
                    && tuples::is_proof(context.kind, &operation)
                {
                    foreign.tuples.prove();
                }
                Ok((operation, None))
            }
            None => {
                let (operation, reason) = self.foreign(parts, repeats, context, dialect)?;
                if operation.key().is_some() {
                    return Ok((operation, reason));
                }
                if let Dialect::Foreign(foreign) = dialect {
                    foreign.bare.push(context.history.len() as u32);
                }
                Ok((tuples::keyed(operation, asked.cloned()), reason))
            }
        }
    }

    /// Whether this line cannot belong to a history of tuples; see [`tuples`].
    pub(super) fn contradicts_tuples(&self, fields: &Fields<'_>, context: Context<'_>, dialect: &Dialect) -> bool {
        let Ok((_, name)) = self.function(fields, dialect) else { return false };
        let f = dialect.function(&name);
        if fields.key.is_some() || f == "txn" {
            return true;
        }
        let question = ItemFunction::from_name(f).map_or(f == "read", ItemFunction::is_question);
        if context.kind != Kind::Invoke {
            let Some(asked) = context.asked_key() else { return true };
            let of_asked = |(key, _): (&RawValue, &RawValue)| self.scalar(key).is_ok_and(|key| key == *asked);
            return context.kind == Kind::Ok && !fields.value.and_then(tuple).is_some_and(of_asked);
        }
        match fields.value.and_then(tuple) {
            None => true,
            Some((_, value)) if question => value.get() != "null",
            Some((_, value)) if f == "cas" => self.array(value, value, "").map_or(true, |pair| pair.len() != 2),
            Some(_) => false,
        }
    }

    fn function<'r>(&self, fields: &Fields<'r>, dialect: &Dialect) -> Result<(&'r RawValue, String)> {
        let steps = fields.value.filter(|raw| raw.get() == "[]" || opens_list(raw.get()));
        match (fields.f, dialect, steps) {
            // The histories in Elle's own tests are nothing but transactions, and do not say so.
            (None, Dialect::Foreign(_), Some(steps)) => Ok((steps, "txn".to_owned())),
            _ => {
                let raw = self.required(fields.f, "f")?;
                Ok((raw, self.text(raw)?))
            }
        }
    }

    /// An operation in another tool's words.
    fn foreign<'r>(
        &self,
        parts: Parts<'_, 'r>,
        repeats: bool,
        context: Context<'_>,
        dialect: &Dialect,
    ) -> Result<Said<'r>> {
        let Context { kind, process, history } = context;
        let asked = history.open_invocation(process).filter(|_| Operation::is_known(parts.f));
        let asked = asked.map(|open| history.operation(open)).filter(|asked| is_about(asked, parts.f));
        match (asked, parts.value) {
            (Some(asked), None) if repeats => Ok((asked, None)),
            // A word in the place of the value is the reason, if it is not what was asked.
            (Some(asked), Some(value)) if repeats && value.get().starts_with('"') => {
                let same = self.typed(&parts, kind, dialect).is_ok_and(|said| said == asked);
                Ok((asked, (!same).then_some(value)))
            }
            (Some(Operation::Contains { key, value, .. }), Some(found))
                if kind == Kind::Ok && matches!(found.get(), "true" | "false") =>
            {
                Ok((Operation::Contains { key, value, found: self.boolean(found)? }, None))
            }
            _ => Ok((self.goodwill(parts, kind, dialect)?, None)),
        }
    }

    /// Forms that are not ours: reads and writes that are transactions, and questions for an element by itself.
    fn goodwill(&self, parts: Parts<'_, '_>, kind: Kind, dialect: &Dialect) -> Result<Operation> {
        match (parts.f, parts.value) {
            ("read" | "write", Some(value)) if self.is_transaction(value, dialect) => {
                self.typed(&Parts { f: "txn", ..parts }, kind, dialect)
            }
            ("contains", Some(value)) if !value.get().starts_with('[') => {
                let key = self.key(&parts)?;
                Ok(Operation::Contains { key, value: self.scalar(value)?, found: None })
            }
            _ => self.typed(&parts, kind, dialect),
        }
    }

    /// Whether this is a list of micro-operations, and of nothing else.
    fn is_transaction(&self, value: &RawValue, dialect: &Dialect) -> bool {
        opens_list(value.get())
            && self.array(value, value, "").is_ok_and(|micros| {
                let is_micro = |micro: &&RawValue| {
                    let named = micro.get().strip_prefix('[').is_some_and(|rest| rest.trim_start().starts_with('"'));
                    named && self.micro(micro, false, dialect).is_ok()
                };
                micros.iter().all(is_micro)
            })
    }

    fn key(&self, parts: &Parts<'_, '_>) -> Result<Option<Scalar>> {
        Ok(parts.key.map(|raw| self.scalar(raw)).transpose()?.filter(|k| *k != Scalar::Null))
    }

    /// An operation in our words.
    fn typed(&self, parts: &Parts<'_, '_>, kind: Kind, dialect: &Dialect) -> Result<Operation> {
        let key = self.key(parts)?;
        // Where there is no value, an error about it points at the function.
        let value = parts.value.unwrap_or(RawValue::NULL);
        let at = parts.value.unwrap_or(parts.raw_f);
        let answered = kind == Kind::Ok;
        Ok(match parts.f {
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
}

/// Parts of operations.
impl Decoder<'_> {
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
        match dialect.micro_function(&name) {
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

/// The two parts of a value that may be a tuple: a number or a string, and anything.
fn tuple(value: &RawValue) -> Option<(&RawValue, &RawValue)> {
    if !value.get().starts_with('[') {
        return None;
    }
    let (key, value): (&RawValue, &RawValue) = serde_json::from_str(value.get()).ok()?;
    key.get().starts_with(['"', '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']).then_some((key, value))
}

/// Whether this is a list that begins with a list.
fn opens_list(text: &str) -> bool {
    text.strip_prefix('[').is_some_and(|rest| rest.trim_start().starts_with('['))
}

/// Whether a completion by this name can belong to an invocation. Reads and writes may turn out to be transactions.
fn is_about(asked: &Operation, f: &str) -> bool {
    asked.f() == f || (matches!(asked, Operation::Txn(_)) && matches!(f, "read" | "write"))
}
