//! The fast reader: lines as they mostly are, straight into the columns.
//!
//! Of ours it reads the one shape that the writer writes; of other tools' lines ([`fields`]), objects in any order of
//! fields. It gives up on everything else: escapes in strings, fractions, nested values. Giving up is no error:
//! [`super::decode`] reads the line then, and decides what it is.

mod fields;
mod flat;

use std::sync::Arc;

use super::decode::Foreign;
use crate::event::{Kind, Process};
use crate::history::{Function, History, KeyId, MicroFunction, MicroOp, Payload, Row, ScalarRef, nothing};
use crate::operation::ItemFunction;

/// Pushes the event of the line that this text begins with and returns the length of the line, or does nothing and
/// returns `None`. The line is one of ours.
pub(super) fn own(text: &str, history: &mut History) -> Option<usize> {
    let mark = history.mark();
    let mut scanner = Scanner::<false> { text, at: 0 };
    let pushed = scanner.event(history).and_then(|()| scanner.line_end());
    if pushed.is_none() {
        history.rollback(mark);
    }
    pushed
}

/// As [`own`], for a line of another tool.
pub(super) fn foreign(text: &str, foreign: &mut Foreign, history: &mut History) -> Option<usize> {
    let mark = history.mark();
    let pushed = Scanner::<true> { text, at: 0 }.foreign_event(foreign, history);
    if pushed.is_none() {
        history.rollback(mark);
    }
    pushed
}

/// `LOOSE`: white space may stand between any two pieces, and colons in front of names.
struct Scanner<'a, const LOOSE: bool> {
    text: &'a str,
    at: usize,
}

/// Events of ours.
impl Scanner<'_, false> {
    /// The row is pushed last, when the line is known to be whole.
    fn event(&mut self, history: &mut History) -> Option<()> {
        self.expect("{\"index\":")?;
        if self.number()? != history.len() as u64 {
            return None;
        }
        self.expect(",\"time\":")?;
        let time = self.number()?;
        self.expect(",\"process\":")?;
        let process = self.process()?;
        self.expect(",\"type\":\"")?;
        let kind = self.kind()?;
        self.expect("\",\"f\":")?;
        let f = self.string()?;
        let key = if self.eat(",\"key\":") { Some(self.scalar()?) } else { None };
        self.expect(",\"value\":")?;
        let (function, payload) = self.value(f, kind, history)?;
        let key = interned_key(function, key, history)?;
        let node = if self.eat(",\"node\":") { Some(self.string()?) } else { None };
        let session = if self.eat(",\"session\":") { Some(u32::try_from(self.number()?).ok()?) } else { None };
        let error = if self.eat(",\"error\":") { Some(Arc::from(self.string()?)) } else { None };
        self.expect("}")?;
        let mut end = Scanner::<false> { ..*self };
        end.line_end()?;
        history.push_row(Row { time, process, kind, function, key, payload, node, session, error }).ok().map(drop)
    }

    fn process(&mut self) -> Option<Process> {
        if self.eat("\"nemesis\"") {
            return Some(Process::NEMESIS);
        }
        let number = u32::try_from(self.number()?).ok()?;
        (number != u32::MAX).then_some(Process(number))
    }
}

/// The key of an operation, as a history keeps it.
fn interned_key(function: Function, key: Option<ScalarRef<'_>>, history: &mut History) -> Option<Option<KeyId>> {
    match function {
        Function::Txn if key.is_some() => None,
        Function::Txn => Some(None),
        Function::Custom(_) if matches!(key, None | Some(ScalarRef::Null)) => Some(None),
        _ => history.intern_key(key.unwrap_or(ScalarRef::Null)).ok().map(Some),
    }
}

/// Operations.
impl<'a, const LOOSE: bool> Scanner<'a, LOOSE> {
    fn kind(&mut self) -> Option<Kind> {
        [Kind::Invoke, Kind::Ok, Kind::Info, Kind::Fail].into_iter().find(|kind| self.eat(kind.name()))
    }

    fn value(&mut self, f: &str, kind: Kind, history: &mut History) -> Option<(Function, Payload)> {
        let answered = kind == Kind::Ok;
        Some(match f {
            "txn" => (Function::Txn, self.txn(answered, history)?),
            "read" => (Function::Read, self.answer(answered, history)?),
            "append" => (Function::Append, self.update(history)?),
            "write" => (Function::Write, self.update(history)?),
            "add" => (Function::Add, self.update(history)?),
            "remove" => (Function::Remove, self.update(history)?),
            "increment" => (Function::Increment, Payload::Amount(self.signed()?)),
            "cas" => {
                self.open()?;
                let old = self.scalar().and_then(|old| history.intern_value(old).ok())?;
                self.comma().then_some(())?;
                let new = self.scalar().and_then(|new| history.intern_value(new).ok())?;
                self.close()?;
                (Function::Cas, Payload::Pair(old, new))
            }
            "contains" => return None,
            other => match ItemFunction::from_name(other) {
                Some(f) if self.eat("null") => (Function::Item(f), nothing(answered)),
                Some(f) => (Function::Item(f), self.update(history)?),
                None => (history.intern_function(other).ok()?, self.custom(history)?),
            },
        })
    }

    fn txn(&mut self, answered: bool, history: &mut History) -> Option<Payload> {
        let start = history.micro_count();
        self.open()?;
        if self.close().is_none() {
            loop {
                self.micro(answered, history)?;
                if !self.comma() {
                    break self.close()?;
                }
            }
        }
        Some(Payload::Txn { start, len: history.micro_count() - start })
    }

    fn micro(&mut self, answered: bool, history: &mut History) -> Option<()> {
        self.open()?;
        let f = self.micro_function()?;
        self.comma().then_some(())?;
        let key = self.scalar()?;
        let key = history.intern_key(key).ok()?;
        self.comma().then_some(())?;
        let value = match f {
            MicroFunction::Read => self.answer(answered, history)?,
            _ => self.update(history)?,
        };
        self.close()?;
        history.push_micro(MicroOp { f, key, value }).ok()
    }

    fn micro_function(&mut self) -> Option<MicroFunction> {
        self.expect("\"")?;
        if LOOSE {
            self.eat(":");
        }
        let rest = self.rest();
        let (f, len) = match rest {
            [b'r', b'"', ..] => (MicroFunction::Read, 2),
            [b'w', b'"', ..] => (MicroFunction::Write, 2),
            _ if rest.starts_with(b"append\"") => (MicroFunction::Append, 7),
            _ if LOOSE && rest.starts_with(b"read\"") => (MicroFunction::Read, 5),
            _ if LOOSE && rest.starts_with(b"write\"") => (MicroFunction::Write, 6),
            _ => return None,
        };
        self.at += len;
        Some(f)
    }

    fn update(&mut self, history: &mut History) -> Option<Payload> {
        if self.rest().first() == Some(&b'{') {
            return self.flat(history);
        }
        let value = self.scalar()?;
        history.intern_value(value).ok().map(Payload::Value)
    }

    /// The value of a custom operation is kept as JSON text, strings and numbers too.
    fn custom(&mut self, history: &mut History) -> Option<Payload> {
        if self.eat("null") { Some(nothing(true)) } else { self.flat(history) }
    }

    fn flat(&mut self, history: &mut History) -> Option<Payload> {
        let text = self.flat_json()?;
        history.intern_value(ScalarRef::Json(&text)).ok().map(Payload::Value)
    }

    fn answer(&mut self, answered: bool, history: &mut History) -> Option<Payload> {
        self.space();
        if self.eat("null") {
            return Some(nothing(answered));
        }
        if self.open().is_none() {
            return self.update(history);
        }
        let start = history.list_len();
        if self.close().is_none() {
            loop {
                let element = self.scalar()?;
                history.push_element(element).ok()?;
                if !self.comma() {
                    break self.close()?;
                }
            }
        }
        Some(Payload::List { start, len: history.list_len() - start })
    }
}

/// Characters.
impl<'a, const LOOSE: bool> Scanner<'a, LOOSE> {
    #[inline]
    fn rest(&self) -> &'a [u8] {
        &self.text.as_bytes()[self.at..]
    }

    /// Goes past white space within a line.
    #[inline]
    fn space(&mut self) {
        if LOOSE {
            while let [b' ' | b'\t' | b'\r', ..] = self.rest() {
                self.at += 1;
            }
        }
    }

    #[inline]
    fn eat(&mut self, literal: &str) -> bool {
        let found = self.rest().starts_with(literal.as_bytes());
        if found {
            self.at += literal.len();
        }
        found
    }

    #[inline]
    fn expect(&mut self, literal: &str) -> Option<()> {
        self.eat(literal).then_some(())
    }

    /// A single byte with white space around it.
    #[inline]
    fn punctuation(&mut self, byte: u8) -> bool {
        self.space();
        let found = self.rest().first() == Some(&byte);
        if found {
            self.at += 1;
            self.space();
        }
        found
    }

    #[inline]
    fn open(&mut self) -> Option<()> {
        self.punctuation(b'[').then_some(())
    }

    #[inline]
    fn close(&mut self) -> Option<()> {
        self.punctuation(b']').then_some(())
    }

    #[inline]
    fn comma(&mut self) -> bool {
        self.punctuation(b',')
    }

    /// The position behind the line's end, which is here.
    fn line_end(&mut self) -> Option<usize> {
        match self.rest() {
            [] => Some(self.at),
            [b'\n', ..] => Some(self.at + 1),
            [b'\r', b'\n', ..] => Some(self.at + 2),
            _ => None,
        }
    }

    #[inline]
    fn scalar(&mut self) -> Option<ScalarRef<'a>> {
        match self.rest().first()? {
            b'0'..=b'9' | b'-' => self.signed().map(ScalarRef::Int),
            b'"' => self.string().map(ScalarRef::Text),
            b'n' => self.expect("null").map(|()| ScalarRef::Null),
            b't' => self.expect("true").map(|()| ScalarRef::Bool(true)),
            b'f' => self.expect("false").map(|()| ScalarRef::Bool(false)),
            _ => None,
        }
    }

    /// A string that stands for itself.
    fn string(&mut self) -> Option<&'a str> {
        self.expect("\"")?;
        let special = |b: &u8| *b == b'"' || *b == b'\\' || *b < b' ';
        let len = self.rest().iter().position(special)?;
        let string = &self.text[self.at..self.at + len];
        self.at += len;
        self.expect("\"")?;
        Some(string)
    }

    /// `-0` is left to the other reader.
    #[inline]
    fn signed(&mut self) -> Option<i64> {
        if !self.eat("-") {
            return i64::try_from(self.number()?).ok();
        }
        let number = self.number().filter(|n| *n != 0)?;
        0i64.checked_sub_unsigned(number)
    }

    /// Digits without a leading zero. What follows is for the caller to check, who expects no digit, point or exponent.
    #[inline]
    fn number(&mut self) -> Option<u64> {
        let rest = self.rest();
        let mut number: u64 = 0;
        let mut len = 0;
        while let Some(digit) = rest.get(len).map(|b| b.wrapping_sub(b'0')).filter(|d| *d < 10) {
            number = number.wrapping_mul(10).wrapping_add(digit.into());
            len += 1;
        }
        if len == 0 || (len > 1 && rest[0] == b'0') {
            return None;
        }
        // Nineteen digits fit whatever they are.
        if len > 19 {
            number = self.text[self.at..self.at + len].parse().ok()?;
        }
        self.at += len;
        Some(number)
    }
}

#[cfg(test)]
mod tests;
