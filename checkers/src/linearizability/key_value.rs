//! A map of strings: read a key, set it, append to it.
//!
//! The model of Porcupine's tests and of the key-value service in MIT's course on distributed systems (6.5840). Each key is an
//! object of its own and begins as the empty string, which is what a read that finds nothing returns; an initial value can
//! be assumed. An append is recorded as the append of an element whose text is added at the end. Values that are not
//! text count by the way they are written.
//!
//! # Looking ahead
//! Ten appends side by side can be put in 3 628 800 orders, all of them different texts. So each is told what the next read
//! that begins after it has ended will find: unless a put lies between them or beside them, the text has to be a
//! beginning of that. And a text that is no beginning of anything ever read cannot be told from another such text.
//!
//! ```text
//! append a |---|                           ab would be no beginning of what the read finds,
//! append b   |---|                         so b came first
//! read              |--ba--|
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use histories::{Function, History, KeyId, Kind, Pair, Payload, Scalar, Value};

use super::keyed::{self, Object, Telling, quoted, text_of};
use super::specification::{Specification, Timed};
use super::words::{self, Skipped};
use crate::analysis::{Found, Question};
use crate::budget::Budget;

/// The beginning of a text that a read finds: the first such text, and how long the beginning is. `None` is any text that
/// is no such beginning: nobody can tell one from another.
type Held = Option<(u32, u32)>;

struct Text {
    initial: Arc<str>,
    /// What reads find, in order.
    found: Vec<Arc<str>>,
}

impl Text {
    /// A text, if it matters.
    fn seen(&self, text: &str) -> Held {
        let first = self.found.partition_point(|found| **found < *text);
        let begins = self.found.get(first).is_some_and(|found| found.starts_with(text));
        begins.then_some((first as u32, text.len() as u32))
    }

    fn text(&self, held: (u32, u32)) -> &str {
        &self.found[held.0 as usize][..held.1 as usize]
    }

    /// Whether a text is a beginning of what it must be one of.
    fn fits(&self, held: Held, whole: &Option<Arc<str>>) -> bool {
        match whole {
            None => true,
            Some(whole) => held.is_some_and(|held| whole.starts_with(self.text(held))),
        }
    }
}

#[derive(Clone)]
enum Call {
    Get(Arc<str>),
    /// The second is what the text must be a beginning of, then.
    Put(Arc<str>, Option<Arc<str>>),
    Append(Arc<str>, Option<Arc<str>>),
}

impl Specification for Text {
    type State = Held;
    type Call = Call;

    fn initial(&self) -> Held {
        self.seen(&self.initial)
    }

    fn step(&self, state: &Held, call: &Call) -> impl IntoIterator<Item = Held> {
        match call {
            Call::Get(found) => state.is_some_and(|held| self.text(held) == &**found).then_some(*state),
            Call::Put(value, whole) => Some(self.seen(value)).filter(|text| self.fits(*text, whole)),
            Call::Append(value, whole) => {
                let text = state.and_then(|held| self.seen(&[self.text(held), value].concat()));
                self.fits(text, whole).then_some(text)
            }
        }
    }

    fn only_looks(&self, call: &Call) -> bool {
        matches!(call, Call::Get(_))
    }
}

struct Words;

impl Telling<Text> for Words {
    fn state(&self, object: &Object<Text>, state: &Held) -> String {
        state.map_or_else(|| "a text that no read finds".to_owned(), |held| quoted(object.spec.text(held)))
    }

    fn foresee(&self, calls: &[Timed<Call>]) -> Option<Vec<Timed<Call>>> {
        Some(told_ahead(calls))
    }
}

/// Tells every update what the next read after it finds, unless a put is open between its beginning and the end of the read.
fn told_ahead(calls: &[Timed<Call>]) -> Vec<Timed<Call>> {
    let mut gets: Vec<(u32, u32, &Arc<str>)> = Vec::new();
    let mut puts: Vec<(u32, u32)> = Vec::new();
    for call in calls {
        match (&call.call, call.completion) {
            (Call::Get(found), Some(end)) => gets.push((call.invocation, end, found)),
            (Call::Put(..), end) => puts.push((call.invocation, end.unwrap_or(u32::MAX))),
            _ => {}
        }
    }
    let latest = puts.iter().scan(0, |latest: &mut u32, put| {
        *latest = (*latest).max(put.1);
        Some(*latest)
    });
    let latest: Vec<u32> = latest.collect();
    let mut ahead = calls.to_vec();
    for call in &mut ahead {
        let Some(end) = call.completion else { continue };
        let Some((_, until, found)) = gets.get(gets.partition_point(|get| get.0 < end)) else { continue };
        let before = puts.partition_point(|put| put.0 < call.invocation);
        let open = before > 0 && latest[before - 1] > call.invocation;
        let own = usize::from(matches!(call.call, Call::Put(..)));
        let later = puts.get(before + own).is_some_and(|put| put.0 < *until);
        if let (false, false, Call::Put(_, whole) | Call::Append(_, whole)) = (open, later, &mut call.call) {
            *whole = Some((*found).clone());
        }
    }
    ahead
}

/// Judges a map of strings, key by key. `checked` counts `operations` and `keys`.
pub fn check(history: &History, question: &Question, budget: &Budget<'_>) -> Found {
    let initial: Arc<str> = question.assume.initial.as_ref().map_or_else(String::new, text_of).into();
    let mut skipped = Skipped::default();
    let mut keys: BTreeMap<KeyId, Vec<Timed<Call>>> = BTreeMap::new();
    for pair in history.operations() {
        if let (Some(key), Some(call)) = (history.key(pair.invocation), call(history, pair, &mut skipped)) {
            keys.entry(key).or_default().push(call);
        }
    }
    let object = |(key, calls): (KeyId, Vec<Timed<Call>>)| Object {
        spec: Text { initial: initial.clone(), found: found(&calls) },
        key: words::key_name(history, key),
        name: format!("the text{}", words::of_key(history, key)),
        calls,
    };
    let objects: Vec<Object<Text>> = keys.into_iter().map(object).collect();
    let mut found = Found { doubts: skipped.doubts(history, "a map of strings"), ..Found::default() };
    found.checked.insert("operations", objects.iter().map(|o| o.calls.len() as u64).sum());
    found.checked.insert("keys", objects.len() as u64);
    keyed::judge(history, &objects, &Words, budget, &mut found);
    found
}

fn found(calls: &[Timed<Call>]) -> Vec<Arc<str>> {
    let found = |call: &Timed<Call>| match &call.call {
        Call::Get(found) => Some(found.clone()),
        _ => None,
    };
    let mut all: Vec<Arc<str>> = calls.iter().filter_map(found).collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn call(history: &History, pair: Pair, skipped: &mut Skipped) -> Option<Timed<Call>> {
    let invocation = pair.invocation;
    let answer = pair.completion.filter(|c| skipped.answers(history, invocation, *c));
    let ok = answer.filter(|_| pair.outcome == Kind::Ok);
    let text = |payload| match payload {
        Payload::Value(v) => text_of(history.value(v)).into(),
        payload @ Payload::List { .. } => {
            let items = history.list(payload).iter().map(|v| history.value(*v).clone()).collect();
            text_of(&Scalar::from_json(Value::List(items).to_json())).into()
        }
        _ => Arc::from(""),
    };
    let call = match (history.function(invocation), pair.outcome) {
        (_, Kind::Fail) | (Function::Custom(_), _) => return None,
        (Function::Read, _) => Call::Get(text(history.payload(ok?))),
        (Function::Write, _) => Call::Put(text(history.payload(invocation)), None),
        (Function::Append, _) => Call::Append(text(history.payload(invocation)), None),
        _ => {
            skipped.foreign(invocation);
            return None;
        }
    };
    Some(Timed::new(call, invocation.0, ok.map(|c| c.0)))
}
