//! From text to events, in two passes: what the keys hold is known only after the first.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value as Json;

use super::NotationError;
use crate::event::{Event, Kind, Process};
use crate::operation::{ItemFunction, Micro, Operation, Scalar, Value};

const MILLISECOND: u64 = 1_000_000;

type Result<T> = std::result::Result<T, NotationError>;

pub(super) fn parse(text: &str) -> Result<Vec<Event>> {
    let mut first = Parser::new(text, None);
    first.tokens()?;
    let lists = first.uses.lists();
    let mut second = Parser::new(text, Some(lists));
    second.tokens()?;
    Ok(second.events)
}

/// What the text does with each key. Printing asks the same questions.
#[derive(Default)]
pub(super) struct Uses {
    /// Appended to, added to or removed from.
    pub collections: BTreeSet<Scalar>,
    /// Written, compared or incremented.
    pub registers: BTreeSet<Scalar>,
    /// Read with brackets or with two digits.
    pub read_as_lists: BTreeSet<Scalar>,
}

impl Uses {
    /// The keys that hold lists or sets.
    pub fn lists(&self) -> BTreeSet<Scalar> {
        let only_read = self.read_as_lists.difference(&self.registers);
        self.collections.iter().chain(only_read).cloned().collect()
    }
}

/// Who acts, on whose behalf, and which half of the operation this is.
struct Prefix {
    process: Process,
    session: Option<u32>,
    half: Half,
}

#[derive(Clone, Copy, PartialEq)]
enum Half {
    Whole,
    Invocation,
    Completion,
}

struct Parser<'a> {
    text: &'a str,
    /// Byte position.
    at: usize,
    /// The keys that hold lists; not known in the first pass, which leaves out what depends on it.
    lists: Option<BTreeSet<Scalar>>,
    uses: Uses,
    time: u64,
    open: BTreeMap<Process, Operation>,
    events: Vec<Event>,
}

/// Tokens.
impl<'a> Parser<'a> {
    fn new(text: &'a str, lists: Option<BTreeSet<Scalar>>) -> Self {
        Parser { text, at: 0, lists, uses: Uses::default(), time: 0, open: BTreeMap::new(), events: Vec::new() }
    }

    fn tokens(&mut self) -> Result<()> {
        loop {
            while self.peek().is_some_and(|c| c.is_ascii_whitespace()) {
                self.at += 1;
            }
            match self.peek() {
                None => return Ok(()),
                Some('t') => self.set_time()?,
                Some('!') => self.nemesis()?,
                Some(_) => self.operation_token()?,
            }
            if self.peek().is_some_and(|c| !c.is_ascii_whitespace()) {
                return self.expected("white space");
            }
        }
    }

    fn set_time(&mut self) -> Result<()> {
        self.at += 1;
        if !self.eat('=') {
            return self.expected("'=' and a time in milliseconds");
        }
        let start = self.at;
        let whole = self.digits::<u64>("a time in milliseconds")?;
        let mut nanoseconds = whole.checked_mul(MILLISECOND);
        if self.eat('.') {
            let decimals = self.take_while(|c| c.is_ascii_digit());
            let fraction = format!("{decimals:0<6}").parse().ok().filter(|_| (1..=6).contains(&decimals.len()));
            nanoseconds = nanoseconds.zip(fraction).and_then(|(n, f)| n.checked_add(f));
        }
        match nanoseconds {
            Some(time) => self.time = time,
            None => return self.expected_at(start, "a time below 2^64 ns with at most six decimals"),
        }
        Ok(())
    }

    fn nemesis(&mut self) -> Result<()> {
        self.at += 1;
        let (operation, mut node) = self.custom()?;
        self.node(&mut node)?;
        let prefix = Prefix { process: Process::NEMESIS, session: None, half: Half::Completion };
        self.push(&prefix, Kind::Info, operation, node, None);
        Ok(())
    }

    fn operation_token(&mut self) -> Result<()> {
        let prefix = self.prefix()?;
        let (operation, mut node) = self.body(&prefix)?;
        self.node(&mut node)?;
        let (kind, error) = self.end(prefix.half)?;
        self.node(&mut node)?;
        match prefix.half {
            Half::Whole => {
                self.push(&prefix, Kind::Invoke, operation.question(), node.clone(), None);
                self.push(&prefix, kind, answered(operation, kind), node, error);
            }
            Half::Invocation => self.push(&prefix, kind, operation, node, error),
            Half::Completion => self.push(&prefix, kind, answered(operation, kind), node, error),
        }
        Ok(())
    }

    fn push(
        &mut self,
        prefix: &Prefix,
        kind: Kind,
        operation: Operation,
        node: Option<Arc<str>>,
        error: Option<Arc<str>>,
    ) {
        if kind == Kind::Invoke {
            self.open.insert(prefix.process, operation.clone());
        } else {
            self.open.remove(&prefix.process);
        }
        let (time, process, session) = (self.time, prefix.process, prefix.session);
        self.events.push(Event { time, process, kind, operation, node, session, error });
        self.time = self.time.saturating_add(MILLISECOND);
    }
}

/// Prefixes and suffixes.
impl Parser<'_> {
    fn prefix(&mut self) -> Result<Prefix> {
        let start = self.at;
        let process = if self.eat('*') {
            Process::NEMESIS
        } else if self.peek().is_some_and(|c| c.is_ascii_digit()) {
            Process(self.digits("a process number")?)
        } else {
            Process(0)
        };
        let session = match self.eat('/') {
            true if self.eat('s') => Some(self.digits("a session number")?),
            true => return self.expected("'s' and a session number"),
            false => None,
        };
        let explicit = self.at > start;
        let half = match self.peek() {
            Some(':') => Half::Whole,
            Some('<') => Half::Invocation,
            Some('>') => Half::Completion,
            _ if explicit => return self.expected("':', '<' or '>' after the process"),
            _ => return Ok(Prefix { process, session, half: Half::Whole }),
        };
        self.at += 1;
        Ok(Prefix { process, session, half })
    }

    fn node(&mut self, node: &mut Option<Arc<str>>) -> Result<()> {
        if node.is_none() && self.eat('@') {
            *node = Some(self.name("a node's name")?);
        }
        Ok(())
    }

    fn end(&mut self, half: Half) -> Result<(Kind, Option<Arc<str>>)> {
        let unmarked = if half == Half::Invocation { Kind::Invoke } else { Kind::Ok };
        let kind = match self.peek() {
            Some('!') if half != Half::Invocation => Kind::Fail,
            Some('?') if half != Half::Invocation => Kind::Info,
            Some('.') => unmarked,
            _ => return Ok((unmarked, None)),
        };
        self.at += 1;
        let error = if self.peek() == Some('"') { Some(self.quoted()?) } else { None };
        Ok((kind, error))
    }
}

pub(super) const ITEM_LETTERS: [(char, ItemFunction); 6] = [
    ('e', ItemFunction::Enqueue),
    ('d', ItemFunction::Dequeue),
    ('p', ItemFunction::Push),
    ('o', ItemFunction::Pop),
    ('l', ItemFunction::Acquire),
    ('u', ItemFunction::Release),
];

fn item_function(letter: char) -> ItemFunction {
    let found = ITEM_LETTERS.into_iter().find(|(l, _)| *l == letter);
    found.map_or(ItemFunction::Enqueue, |(_, f)| f)
}

/// An `ok` completion has an answer: nothing found, where none is written.
fn answered(operation: Operation, kind: Kind) -> Operation {
    let nil = |value: Option<Value>| value.or((kind == Kind::Ok).then_some(Value::Scalar(Scalar::Null)));
    match operation {
        Operation::Read { key, value } => Operation::Read { key, value: nil(value) },
        Operation::Item { f, key, value: None } => {
            Operation::Item { f, key, value: (kind == Kind::Ok).then_some(Scalar::Null) }
        }
        Operation::Txn(micros) => Operation::Txn(
            micros
                .into_iter()
                .map(|micro| match micro {
                    Micro::Read { key, value } => Micro::Read { key, value: nil(value) },
                    Micro::Predicate { predicate, found } => {
                        Micro::Predicate { predicate, found: found.or((kind == Kind::Ok).then(Vec::new)) }
                    }
                    other => other,
                })
                .collect(),
        ),
        other => other,
    }
}

/// Operations.
impl Parser<'_> {
    /// The operation, and its node where the notation puts it before the value.
    fn body(&mut self, prefix: &Prefix) -> Result<(Operation, Option<Arc<str>>)> {
        match self.peek() {
            Some('~') => {
                self.at += 1;
                self.custom()
            }
            Some('{') => Ok((self.braced()?, None)),
            Some('r' | 'w' | 'a' | 'c' | '+' | '-' | 'i' | 'h' | 'e' | 'd' | 'p' | 'o' | 'l' | 'u') => {
                Ok((self.steps()?, None))
            }
            _ if prefix.half == Half::Completion => match self.open.get(&prefix.process) {
                Some(open) => Ok((open.clone(), None)),
                None => self.expected("an operation: this process has none open"),
            },
            _ => self.expected("an operation (one of r w a c + - i h e d p o l u { ~ !) or t="),
        }
    }

    fn braced(&mut self) -> Result<Operation> {
        self.at += 1;
        let mut micros = Vec::new();
        while !self.eat('}') {
            micros.push(self.micro()?);
        }
        Ok(Operation::Txn(micros))
    }

    /// One operation, or a transaction where several steps stand without space.
    fn steps(&mut self) -> Result<Operation> {
        let start = self.at;
        let single = self.single()?;
        if !matches!(self.peek(), Some('r' | 'w' | 'a')) {
            return Ok(single);
        }
        self.at = start;
        let mut micros = Vec::new();
        while matches!(self.peek(), Some('r' | 'w' | 'a')) {
            micros.push(self.micro()?);
        }
        if micros.is_empty() {
            return self.expected("a step of a transaction (one of r w a)");
        }
        Ok(Operation::Txn(micros))
    }

    fn single(&mut self) -> Result<Operation> {
        let letter = self.next_char();
        let key = self.key()?;
        let name = key.clone().unwrap_or(Scalar::Null);
        Ok(match letter {
            Some('r') => Operation::Read { value: self.answer(&name)?, key },
            Some('w') => {
                self.uses.registers.insert(name);
                Operation::Write { key, value: self.value()? }
            }
            Some('c') => {
                self.uses.registers.insert(name);
                let old = self.value()?;
                if !self.eat('>') {
                    return self.expected("'>' and the new value");
                }
                Operation::Cas { key, old, new: self.value()? }
            }
            Some('i') => {
                self.uses.registers.insert(name);
                Operation::Increment { key, by: self.int()? }
            }
            Some('h') => {
                self.uses.collections.insert(name);
                let value = self.value()?;
                let found = match self.peek() {
                    Some('=') => Some(true),
                    Some('/') => Some(false),
                    _ => None,
                };
                self.at += usize::from(found.is_some());
                Operation::Contains { key, value, found }
            }
            Some(letter @ ('e' | 'd' | 'p' | 'o' | 'l' | 'u')) => {
                Operation::Item { f: item_function(letter), key, value: self.item()? }
            }
            Some(letter) => {
                self.uses.collections.insert(name);
                let value = self.value()?;
                match letter {
                    '+' => Operation::Add { key, value },
                    '-' => Operation::Remove { key, value },
                    _ => Operation::Append { key, value },
                }
            }
            None => return self.expected("an operation"),
        })
    }

    fn micro(&mut self) -> Result<Micro> {
        let letter = self.peek();
        if !matches!(letter, Some('r' | 'w' | 'a' | 'n' | 'k' | 'q')) {
            return self.expected("a step of a transaction (one of r w a n k q)");
        }
        self.at += 1;
        let Some(key) = self.key()? else { return self.expected_at(self.at - 1, "the key of a step") };
        Ok(match letter {
            Some('r') => Micro::Read { value: self.answer(&key)?, key },
            Some('w') => {
                self.uses.registers.insert(key.clone());
                Micro::Write { key, value: self.value()? }
            }
            Some('n') => {
                self.uses.registers.insert(key.clone());
                Micro::Insert { key, value: self.value()? }
            }
            Some('k') => Micro::Delete { key },
            Some('q') => Micro::Predicate { predicate: key, found: self.found()? },
            _ => {
                self.uses.collections.insert(key.clone());
                Micro::Append { key, value: self.value()? }
            }
        })
    }

    /// The item of an operation on a queue, a stack or a lock, where one stands.
    fn item(&mut self) -> Result<Option<Scalar>> {
        match self.peek() {
            Some(c) if matches!(c, '-' | '_' | '"' | '(') || c.is_ascii_digit() => {
                Ok(Some(self.value()?).filter(|v| *v != Scalar::Null))
            }
            _ => Ok(None),
        }
    }

    /// What a read by predicate found: pairs of key and value.
    fn found(&mut self) -> Result<Option<Vec<(Scalar, Scalar)>>> {
        if self.peek() != Some('[') {
            return Ok(None);
        }
        let start = self.at;
        let pair = |pair: Json| match pair {
            Json::Array(pair) => {
                let [key, value] = <[Json; 2]>::try_from(pair).ok()?;
                Some((Scalar::from_json(key), Scalar::from_json(value)))
            }
            _ => None,
        };
        match self.json()? {
            Json::Array(pairs) => match pairs.into_iter().map(pair).collect() {
                Some(found) => Ok(Some(found)),
                None => self.expected_at(start, "pairs [key, value]"),
            },
            _ => self.expected_at(start, "an array of pairs [key, value]"),
        }
    }

    /// After `~` or `!`: name, key, node, value.
    fn custom(&mut self) -> Result<(Operation, Option<Arc<str>>)> {
        let f = self.name("a name")?;
        let key = if self.peek() == Some('(') { self.key()? } else { None };
        let mut node = None;
        self.node(&mut node)?;
        let value = match self.peek() {
            Some('{' | '[' | '"') => self.json()?,
            Some('=') => {
                self.at += 1;
                self.value()?.to_json()
            }
            _ => Json::Null,
        };
        Ok((Operation::Custom { f, key, value }, node))
    }

    fn key(&mut self) -> Result<Option<Scalar>> {
        match self.peek() {
            Some(c) if c.is_ascii_alphabetic() => {
                self.at += 1;
                Ok(Some(Scalar::Text(c.to_string().into())))
            }
            Some('(') if self.text[self.at..].starts_with("()") => {
                self.at += 2;
                Ok(None)
            }
            Some('(') => self.in_parentheses().map(Some),
            _ => self.expected("a key (a letter, or JSON in parentheses)"),
        }
    }

    /// What a read found.
    fn answer(&mut self, key: &Scalar) -> Result<Option<Value>> {
        match self.peek() {
            Some('[') => {
                self.uses.read_as_lists.insert(key.clone());
                self.json().map(|json| Some(Value::from_json(json)))
            }
            Some(c) if c.is_ascii_digit() => {
                let start = self.at;
                let digits = self.take_while(|c| c.is_ascii_digit());
                if digits.len() > 1 {
                    self.uses.read_as_lists.insert(key.clone());
                }
                let Some(lists) = &self.lists else { return Ok(None) };
                if lists.contains(key) {
                    let elements = digits.bytes().map(|b| Scalar::Int((b - b'0').into())).collect();
                    return Ok(Some(Value::List(elements)));
                }
                self.at = start;
                self.int().map(|i| Some(Value::Scalar(Scalar::Int(i))))
            }
            Some('-' | '_' | '"' | '(') => self.value().map(|v| Some(Value::Scalar(v))),
            _ => Ok(None),
        }
    }

    fn value(&mut self) -> Result<Scalar> {
        match self.peek() {
            Some('_') => {
                self.at += 1;
                Ok(Scalar::Null)
            }
            Some('"') => self.quoted().map(Scalar::Text),
            Some('(') => self.in_parentheses(),
            Some(c) if c == '-' || c.is_ascii_digit() => self.int().map(Scalar::Int),
            _ => self.expected("a value (a number, _, a JSON string, or JSON in parentheses)"),
        }
    }
}

/// Characters.
impl<'a> Parser<'a> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn next_char(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn eat(&mut self, c: char) -> bool {
        let found = self.peek() == Some(c);
        if found {
            self.at += c.len_utf8();
        }
        found
    }

    fn take_while(&mut self, accept: impl Fn(char) -> bool) -> &'a str {
        let rest = &self.text[self.at..];
        let len = rest.find(|c| !accept(c)).unwrap_or(rest.len());
        self.at += len;
        &rest[..len]
    }

    fn digits<T: std::str::FromStr>(&mut self, what: &str) -> Result<T> {
        let start = self.at;
        self.take_while(|c| c.is_ascii_digit()).parse().or_else(|_| self.expected_at(start, what))
    }

    fn int(&mut self) -> Result<i64> {
        let start = self.at;
        self.eat('-');
        self.take_while(|c| c.is_ascii_digit());
        let number = &self.text[start..self.at];
        number.parse().or_else(|_| self.expected_at(start, "a whole number of 64 bits"))
    }

    fn name(&mut self, what: &str) -> Result<Arc<str>> {
        if self.peek() == Some('"') {
            return self.quoted();
        }
        let start = self.at;
        let name = self.take_while(is_name);
        if name.is_empty() { self.expected_at(start, what) } else { Ok(name.into()) }
    }

    fn quoted(&mut self) -> Result<Arc<str>> {
        let start = self.at;
        match self.json()? {
            Json::String(s) => Ok(s.into()),
            _ => self.expected_at(start, "a JSON string"),
        }
    }

    /// A JSON array, object or string: what ends by itself.
    fn json(&mut self) -> Result<Json> {
        let mut values = serde_json::Deserializer::from_str(&self.text[self.at..]).into_iter::<Json>();
        match values.next() {
            Some(Ok(json)) => {
                self.at += values.byte_offset();
                Ok(json)
            }
            _ => self.expected("JSON"),
        }
    }

    /// Any JSON in parentheses.
    fn in_parentheses(&mut self) -> Result<Scalar> {
        let start = self.at;
        self.at += 1;
        let json = if matches!(self.peek(), Some('{' | '[' | '"')) {
            self.json()?
        } else {
            let literal = self.take_while(|c| c != ')');
            serde_json::from_str(literal).or_else(|_| self.expected_at(start, "JSON in parentheses"))?
        };
        if !self.eat(')') {
            return self.expected("')'");
        }
        Ok(Scalar::from_json(json))
    }

    fn expected<T>(&self, expected: &str) -> Result<T> {
        self.expected_at(self.at, expected)
    }

    fn expected_at<T>(&self, at: usize, expected: &str) -> Result<T> {
        let found: String = self.text[at..].chars().take_while(|c| !c.is_ascii_whitespace()).take(12).collect();
        let found = match (found.is_empty(), at == self.text.len()) {
            (_, true) => "the end".to_owned(),
            (true, _) => "white space".to_owned(),
            _ => format!("'{found}'"),
        };
        let column = self.text[..at].chars().count() + 1;
        Err(NotationError { column, expected: expected.to_owned(), found })
    }
}

/// What a name of a node or a function holds without quotes.
pub(super) fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}
