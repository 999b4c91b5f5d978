//! A small history as a list of transactions.

use histories::{Event, Kind, Micro, Operation, Process, Scalar, Value};

/// As many transactions can be judged, the failed ones not counted.
pub const MOST: usize = 12;

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A read of a register: the value, 0 for nothing; `None` where it is not known.
    Read(u8, Option<i64>),
    /// A read of a list; `None` where it is not known.
    ReadList(u8, Option<Vec<i64>>),
    /// A write to a register.
    Write(u8, i64),
    /// An append to a list.
    Append(u8, i64),
}

impl Step {
    /// The object.
    pub fn key(&self) -> u8 {
        match self {
            Step::Read(key, _) | Step::ReadList(key, _) | Step::Write(key, _) | Step::Append(key, _) => *key,
        }
    }

    /// What it writes.
    pub fn written(&self) -> Option<(u8, i64)> {
        match self {
            Step::Write(key, value) | Step::Append(key, value) => Some((*key, *value)),
            _ => None,
        }
    }
}

/// One transaction.
#[derive(Clone, Debug)]
pub struct Txn {
    pub process: Process,
    /// Where it begins.
    pub invoked: usize,
    /// Where it ends; `usize::MAX` if nobody knows.
    pub completed: usize,
    /// `Ok` or `Info`; `Fail` is kept apart.
    pub kind: Kind,
    pub steps: Vec<Step>,
}

/// A history: those that may have happened, and what those wrote that did not.
#[derive(Clone, Debug)]
pub struct Raw {
    /// In the order of their invocations.
    pub txns: Vec<Txn>,
    /// Written by transactions that failed.
    pub failed: Vec<(u8, i64)>,
    pub keys: u8,
}

impl Raw {
    /// The transactions of a history of lists or of registers, keys and values being small numbers or names.
    pub fn new(events: &[Event], lists: bool) -> Raw {
        let mut names = Vec::new();
        let mut raw = Raw { txns: Vec::new(), failed: Vec::new(), keys: 0 };
        for (i, event) in events.iter().enumerate().filter(|(_, e)| e.kind == Kind::Invoke) {
            let end = events[i + 1..].iter().position(|e| e.process == event.process).map(|j| i + 1 + j);
            let kind = end.map_or(Kind::Info, |j| events[j].kind);
            let operation = if kind == Kind::Ok { &events[end.unwrap_or(i)].operation } else { &event.operation };
            let Operation::Txn(micros) = operation else { continue };
            let steps: Vec<Step> = micros.iter().map(|m| step(m, lists, &mut names)).collect();
            if kind == Kind::Fail {
                raw.failed.extend(steps.iter().filter_map(Step::written));
                continue;
            }
            let completed = if kind == Kind::Ok { end.unwrap_or(usize::MAX) } else { usize::MAX };
            raw.txns.push(Txn { process: event.process, invoked: i, completed, kind, steps });
        }
        raw.keys = names.len() as u8;
        raw
    }

    /// Those that certainly happened.
    pub fn certain(&self) -> u16 {
        self.mask(|t| t.kind == Kind::Ok)
    }

    /// Those that certainly happened, and those that these have read of.
    pub fn observed(&self) -> u16 {
        let all: Vec<&Step> = self.txns.iter().filter(|t| t.kind == Kind::Ok).flat_map(|t| &t.steps).collect();
        let is_read = |(key, value): (u8, i64)| {
            all.iter().any(|step| match step {
                Step::Read(k, Some(v)) => (*k, *v) == (key, value),
                Step::ReadList(k, Some(list)) => *k == key && list.contains(&value),
                _ => false,
            })
        };
        self.mask(|t| t.kind == Kind::Ok || t.steps.iter().filter_map(Step::written).any(is_read))
    }

    /// All sets that contain those that certainly happened.
    pub fn choices(&self) -> impl Iterator<Item = u16> {
        let (certain, all) = (self.certain(), self.mask(|_| true));
        (0..=all).filter(move |set| set & certain == certain && set & !all == 0)
    }

    fn mask(&self, which: impl Fn(&Txn) -> bool) -> u16 {
        let bits = self.txns.iter().enumerate().filter(|(_, t)| which(t));
        bits.fold(0, |mask, (i, _)| mask | 1 << i)
    }

    /// Which ones were completed before each was invoked.
    pub fn realtime(&self, of: usize) -> u16 {
        let invoked = self.txns[of].invoked;
        self.mask(|t| t.completed < invoked)
    }

    /// The earlier ones of the same process.
    pub fn session(&self, of: usize) -> u16 {
        let (invoked, process) = (self.txns[of].invoked, self.txns[of].process);
        self.mask(|t| t.process == process && t.kind == Kind::Ok && t.completed < invoked)
    }
}

fn step(micro: &Micro, lists: bool, names: &mut Vec<Scalar>) -> Step {
    let key = match names.iter().position(|name| name == micro.key()) {
        Some(i) => i as u8,
        None => {
            names.push(micro.key().clone());
            names.len() as u8 - 1
        }
    };
    match micro {
        Micro::Append { value, .. } => Step::Append(key, number(value)),
        Micro::Write { value, .. } => Step::Write(key, number(value)),
        Micro::Read { value: None, .. } if lists => Step::ReadList(key, None),
        Micro::Read { value: None, .. } => Step::Read(key, None),
        Micro::Read { value: Some(Value::List(items)), .. } => {
            Step::ReadList(key, Some(items.iter().map(number).collect()))
        }
        Micro::Read { .. } if lists => Step::ReadList(key, Some(Vec::new())),
        Micro::Read { value: Some(Value::Scalar(value)), .. } => Step::Read(key, Some(number(value))),
        other => unreachable!("{other:?} is neither read nor write nor append"),
    }
}

fn number(scalar: &Scalar) -> i64 {
    match scalar {
        Scalar::Int(i) => *i,
        Scalar::Null => 0,
        other => unreachable!("{other:?} is not a small number"),
    }
}
