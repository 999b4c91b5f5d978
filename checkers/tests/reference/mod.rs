//! Slow references, straight from the definitions, and independent of the folds: no tables that grow, no
//! frontiers, only questions about the whole history that are answered by looking at all of it.
//!
//! Every question has a moment `t`, the position of the completion at which a fold would have to answer it.
#![allow(dead_code, reason = "not every test file uses all of it")]

pub mod durability;
pub mod endings;
pub mod full;
pub mod order;
pub mod reads;

use std::collections::BTreeMap;

use histories::{Event, Kind, Micro, Operation, Process, Scalar, Value};

/// One step of an operation.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    Read(Scalar, Option<Value>),
    Write(Scalar, Scalar),
    Cas(Scalar, Scalar, Scalar),
    Append(Scalar, Scalar),
    Add(Scalar, Scalar),
    Remove(Scalar, Scalar),
    Increment(Scalar, i64),
}

/// One operation.
#[derive(Clone, Debug)]
pub struct Op {
    pub call: usize,
    /// Position of the completion.
    pub ret: Option<usize>,
    pub end: Kind,
    pub session: u32,
    pub node: Option<String>,
    pub question: Vec<Step>,
    /// Reads only, and only if it ended `ok`.
    pub answer: Vec<(Scalar, Value)>,
}

/// A whole history.
pub struct Past {
    pub ops: Vec<Op>,
    pub len: usize,
    /// All that happens to each value of each key.
    happened: Happened,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    Unknown,
    List,
    Set,
    Register,
    Counter,
    Mixed,
}

/// By key and value: when, by which operation, and how.
type Happened = BTreeMap<(Scalar, Scalar), Vec<(usize, usize, Kind)>>;

/// What is known of a value of a key at a moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Known {
    pub possible: usize,
    pub oks: usize,
    pub ambiguous: bool,
    pub failed: bool,
    /// The operation that counts as its writer.
    pub writer: Option<usize>,
    /// First and last acknowledgement.
    pub acked: Option<usize>,
    pub last_ack: Option<usize>,
}

impl Past {
    pub fn of(events: &[Event]) -> Past {
        let mut ops: Vec<Op> = Vec::new();
        for (i, event) in events.iter().enumerate() {
            if event.process == Process::NEMESIS {
                continue;
            }
            if event.kind == Kind::Invoke {
                ops.push(Op {
                    call: i,
                    ret: None,
                    end: Kind::Invoke,
                    session: event.session.unwrap_or(event.process.0),
                    node: event.node.as_deref().map(str::to_owned),
                    question: steps(&event.operation),
                    answer: Vec::new(),
                });
                continue;
            }
            let begun = |op: &&mut Op| events[op.call].process == event.process;
            let Some(op) = ops.iter_mut().rev().find(begun).filter(|op| op.ret.is_none()) else { continue };
            op.ret = Some(i);
            op.end = event.kind;
            if event.node.is_some() {
                op.node = event.node.as_deref().map(str::to_owned);
            }
            if event.kind == Kind::Ok {
                let read = |step| match step {
                    Step::Read(key, value) => Some((key, value.unwrap_or(Value::Scalar(Scalar::Null)))),
                    _ => None,
                };
                op.answer = steps(&event.operation).into_iter().filter_map(read).collect();
            }
        }
        let happened = happened(&ops);
        Past { ops, len: events.len(), happened }
    }

    /// The completion of an operation that ended `ok`.
    pub fn ok(&self, op: usize) -> Option<usize> {
        self.ops[op].ret.filter(|_| self.ops[op].end == Kind::Ok)
    }

    pub fn keys(&self) -> Vec<Scalar> {
        let mut keys: Vec<Scalar> = self.ops.iter().flat_map(|op| &op.question).map(|s| s.key().clone()).collect();
        keys.sort();
        keys.dedup();
        keys
    }

    /// Whether one operation of a session was complete before another one began.
    pub fn session_before(&self, a: usize, b: usize) -> bool {
        let (first, second) = (&self.ops[a], &self.ops[b]);
        first.session == second.session && first.ret.is_some_and(|ret| ret < second.call)
    }

    /// The kind of a key, by the updates invoked before `t`.
    pub fn kind(&self, key: &Scalar, t: usize) -> KeyKind {
        let mut kinds: Vec<KeyKind> = self
            .steps_before(t)
            .filter(|(_, step)| step.key() == key)
            .filter_map(|(_, step)| match step {
                Step::Read(..) => None,
                Step::Write(..) | Step::Cas(..) => Some(KeyKind::Register),
                Step::Append(..) => Some(KeyKind::List),
                Step::Add(..) | Step::Remove(..) => Some(KeyKind::Set),
                Step::Increment(..) => Some(KeyKind::Counter),
            })
            .collect();
        kinds.dedup();
        match kinds[..] {
            [] => KeyKind::Unknown,
            [one] => one,
            _ => KeyKind::Mixed,
        }
    }

    /// All steps that were invoked before `t`.
    pub fn steps_before(&self, t: usize) -> impl Iterator<Item = (usize, &Step)> {
        let before = self.ops.iter().enumerate().filter(move |(_, op)| op.call < t);
        before.flat_map(|(i, op)| op.question.iter().map(move |step| (i, step)))
    }

    /// Whether anybody was asked, before `t`, to take away what is there.
    pub fn shrinks(&self, key: &Scalar, t: usize) -> bool {
        self.steps_before(t).any(|(_, step)| match step {
            Step::Write(k, v) | Step::Cas(k, _, v) => k == key && *v == Scalar::Null,
            Step::Remove(k, _) => k == key,
            Step::Increment(k, by) => k == key && *by < 0,
            _ => false,
        })
    }

    pub fn is_removed(&self, key: &Scalar, value: &Scalar, t: usize) -> bool {
        self.steps_before(t).any(|(_, step)| *step == Step::Remove(key.clone(), value.clone()))
    }

    /// What is known of a value when event `t` has happened.
    pub fn known(&self, key: &Scalar, value: &Scalar, t: usize) -> Known {
        let mut known = Known::default();
        let all = self.happened.get(&(key.clone(), value.clone()));
        for (now, op, kind) in all.into_iter().flatten().filter(|(now, _, _)| *now <= t) {
            match kind {
                Kind::Invoke => {
                    known.ambiguous |= known.possible > 0;
                    if known.possible == 0 {
                        known.writer = Some(*op);
                    }
                    known.possible += 1;
                }
                Kind::Ok => {
                    known.oks += 1;
                    known.acked = known.acked.or(Some(*now));
                    known.last_ack = Some(*now);
                }
                Kind::Fail => {
                    known.possible -= 1;
                    known.failed = true;
                }
                Kind::Info => {}
            }
        }
        known
    }
}

fn happened(ops: &[Op]) -> Happened {
    let mut happened = Happened::new();
    for (i, op) in ops.iter().enumerate() {
        for (key, value) in op.question.iter().filter_map(Step::written) {
            let all = happened.entry((key.clone(), value.clone())).or_default();
            all.push((op.call, i, Kind::Invoke));
            all.extend(op.ret.map(|ret| (ret, i, op.end)));
        }
    }
    happened.values_mut().for_each(|all| all.sort());
    happened
}

impl Known {
    pub fn is_certain(&self) -> bool {
        self.possible == 1 && !self.ambiguous
    }
}

impl Step {
    pub fn key(&self) -> &Scalar {
        match self {
            Step::Read(k, _)
            | Step::Write(k, _)
            | Step::Cas(k, _, _)
            | Step::Append(k, _)
            | Step::Add(k, _)
            | Step::Remove(k, _)
            | Step::Increment(k, _) => k,
        }
    }

    pub fn written(&self) -> Option<(&Scalar, &Scalar)> {
        match self {
            Step::Write(k, v) | Step::Cas(k, _, v) | Step::Append(k, v) | Step::Add(k, v) => Some((k, v)),
            _ => None,
        }
    }

    pub fn is_update(&self) -> bool {
        !matches!(self, Step::Read(..))
    }
}

fn steps(operation: &Operation) -> Vec<Step> {
    let of = |key: &Option<Scalar>| key.clone().unwrap_or(Scalar::Null);
    match operation {
        Operation::Read { key, value } => vec![Step::Read(of(key), value.clone())],
        Operation::Write { key, value } => vec![Step::Write(of(key), value.clone())],
        Operation::Cas { key, old, new } => vec![Step::Cas(of(key), old.clone(), new.clone())],
        Operation::Append { key, value } => vec![Step::Append(of(key), value.clone())],
        Operation::Add { key, value } => vec![Step::Add(of(key), value.clone())],
        Operation::Remove { key, value } => vec![Step::Remove(of(key), value.clone())],
        Operation::Increment { key, by } => vec![Step::Increment(of(key), *by)],
        Operation::Txn(micros) => micros
            .iter()
            .filter_map(|m| match m {
                Micro::Read { key, value } => Some(Step::Read(key.clone(), value.clone())),
                Micro::Write { key, value } => Some(Step::Write(key.clone(), value.clone())),
                Micro::Append { key, value } => Some(Step::Append(key.clone(), value.clone())),
                _ => None,
            })
            .collect(),
        Operation::Contains { .. } | Operation::Item { .. } | Operation::Custom { .. } => Vec::new(),
    }
}

/// The elements of an answer of a list or a set; nothing there is no elements.
pub fn elements(value: &Value) -> Option<Vec<Scalar>> {
    match value {
        Value::List(items) => Some(items.clone()),
        Value::Scalar(Scalar::Null) => Some(Vec::new()),
        Value::Scalar(_) => None,
    }
}

/// The version in an answer of a register.
pub fn version(value: &Value) -> Option<Scalar> {
    match value {
        Value::Scalar(s) => Some(s.clone()),
        Value::List(_) => None,
    }
}

/// The number in an answer of a counter.
pub fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Scalar(Scalar::Int(i)) => Some(*i),
        Value::Scalar(Scalar::Null) => Some(0),
        _ => None,
    }
}
