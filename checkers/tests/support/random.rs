//! Small random histories: a few processes, one or two keys, and answers that are right as often as they are wrong.

use std::collections::BTreeMap;
use std::sync::Arc;

use histories::{Event, Kind, Micro, Operation, Process, Scalar, Value};

use super::Rng;

/// What the keys of a random history are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Objects {
    Lists,
    Sets,
    Registers,
    Counters,
    Mixed,
}

/// How a random history looks.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub objects: Objects,
    pub keys: usize,
    pub sessions: usize,
    pub processes: usize,
    pub operations: usize,
    /// In percent.
    pub txns: usize,
    pub fails: usize,
    pub infos: usize,
    /// Values that were used before.
    pub reuse: usize,
    pub removes: usize,
    /// How often an answer is not the state of a serial store.
    pub lies: usize,
    pub nodes: usize,
}

impl Shape {
    pub fn of(objects: Objects) -> Shape {
        Shape {
            objects,
            keys: 2,
            sessions: 3,
            processes: 3,
            operations: 8,
            txns: 25,
            fails: 8,
            infos: 8,
            reuse: 3,
            removes: 0,
            lies: 50,
            nodes: 0,
        }
    }
}

struct Open {
    process: u32,
    session: u32,
    operation: Operation,
}

struct Maker<'r> {
    rng: &'r mut Rng,
    shape: Shape,
    events: Vec<Event>,
    open: Vec<Open>,
    next_value: BTreeMap<usize, i64>,
    next_process: u32,
    /// What a serial store would hold, with an update done when it is invoked or when it is completed.
    state: BTreeMap<usize, Vec<i64>>,
    written: BTreeMap<usize, Vec<i64>>,
}

/// A random history of this shape.
pub fn history(rng: &mut Rng, shape: Shape) -> Vec<Event> {
    let mut maker = Maker {
        rng,
        shape,
        events: Vec::new(),
        open: Vec::new(),
        next_value: BTreeMap::new(),
        next_process: shape.processes as u32,
        state: BTreeMap::new(),
        written: BTreeMap::new(),
    };
    let mut idle: Vec<u32> = (0..shape.processes as u32).collect();
    let mut left = shape.operations;
    while left > 0 || !maker.open.is_empty() {
        let begin = left > 0 && !idle.is_empty() && (maker.open.is_empty() || maker.rng.percent(40));
        if begin {
            left -= 1;
            let process = idle.swap_remove(maker.rng.below(idle.len()));
            maker.begin(process);
        } else if maker.rng.percent(97) || left > 0 {
            let i = maker.rng.below(maker.open.len());
            let open = maker.open.swap_remove(i);
            idle.push(maker.end(open));
        } else {
            break;
        }
    }
    maker.events
}

impl Maker<'_> {
    fn begin(&mut self, process: u32) {
        let session = process % self.shape.sessions as u32;
        let operation = self.operation();
        self.apply(&operation, 50);
        self.push(process, session, Kind::Invoke, operation.clone());
        self.open.push(Open { process, session, operation });
    }

    /// Returns the process that goes on: another one, of the same session, after `info`.
    fn end(&mut self, open: Open) -> u32 {
        let kind = match self.rng.below(100) {
            n if n < self.shape.fails => Kind::Fail,
            n if n < self.shape.fails + self.shape.infos => Kind::Info,
            _ => Kind::Ok,
        };
        if kind == Kind::Ok {
            self.apply(&open.operation, 100);
            let answered = self.answered(open.operation);
            self.push(open.process, open.session, kind, answered);
        } else {
            self.push(open.process, open.session, kind, open.operation);
        }
        if kind != Kind::Info {
            return open.process;
        }
        let sessions = self.shape.sessions as u32;
        while self.next_process % sessions != open.session {
            self.next_process += 1;
        }
        self.next_process += 1;
        self.next_process - 1
    }

    fn push(&mut self, process: u32, session: u32, kind: Kind, operation: Operation) {
        let node = match (kind, self.shape.nodes) {
            (Kind::Ok, n) if n > 0 => Some(Arc::from(format!("n{}", 1 + self.rng.below(n)))),
            _ => None,
        };
        let (time, process) = (self.events.len() as u64 * 1_000_000, Process(process));
        self.events.push(Event { time, process, kind, operation, node, session: Some(session), error: None });
    }

    fn operation(&mut self) -> Operation {
        let txn = self.rng.percent(self.shape.txns);
        if txn && !matches!(self.shape.objects, Objects::Counters) {
            let reads_only = self.rng.percent(50);
            let n = 2 + self.rng.below(2);
            return Operation::Txn((0..n).map(|_| self.micro(reads_only)).collect());
        }
        let k = self.rng.below(self.shape.keys);
        let key = Some(name(k));
        if self.rng.percent(50) {
            return Operation::Read { key, value: None };
        }
        match self.objects(k) {
            Objects::Lists => Operation::Append { key, value: self.value(k).into() },
            Objects::Sets if self.rng.percent(self.shape.removes) => {
                let known = self.written.get(&k).cloned().unwrap_or_default();
                let value = if known.is_empty() { self.value(k) } else { *self.rng.pick(&known) };
                Operation::Remove { key, value: value.into() }
            }
            Objects::Sets => Operation::Add { key, value: self.value(k).into() },
            Objects::Counters => {
                let by = if self.rng.percent(self.shape.removes) { -1 } else { 1 };
                Operation::Increment { key, by: by * (1 + self.rng.below(4) as i64) }
            }
            _ if self.rng.percent(self.shape.removes) => Operation::Write { key, value: Scalar::Null },
            _ if self.rng.percent(25) => {
                let known = self.written.get(&k).cloned().unwrap_or_default();
                let old = if known.is_empty() { Scalar::Null } else { (*self.rng.pick(&known)).into() };
                Operation::Cas { key, old, new: self.value(k).into() }
            }
            _ => Operation::Write { key, value: self.value(k).into() },
        }
    }

    fn micro(&mut self, reads_only: bool) -> Micro {
        let k = self.rng.below(self.shape.keys);
        let key = name(k);
        if reads_only || self.rng.percent(50) {
            return Micro::Read { key, value: None };
        }
        match self.objects(k) {
            Objects::Lists => Micro::Append { key, value: self.value(k).into() },
            Objects::Registers => Micro::Write { key, value: self.value(k).into() },
            _ => Micro::Read { key, value: None },
        }
    }

    fn objects(&mut self, k: usize) -> Objects {
        match self.shape.objects {
            Objects::Mixed if self.rng.percent(10) => {
                *self.rng.pick(&[Objects::Lists, Objects::Sets, Objects::Registers])
            }
            Objects::Mixed => [Objects::Lists, Objects::Registers, Objects::Sets][k % 3],
            one => one,
        }
    }

    fn value(&mut self, k: usize) -> i64 {
        if self.rng.percent(self.shape.reuse)
            && let Some(known) = self.written.get(&k).filter(|known| !known.is_empty())
        {
            return *self.rng.pick(known);
        }
        let next = self.next_value.entry(k).or_insert(0);
        *next += 1;
        *next
    }

    /// Does an update to the state with this probability, unless it was done before.
    fn apply(&mut self, operation: &Operation, percent: usize) {
        let mut update = |key: &Scalar, value: &Scalar| {
            let k = number(key);
            if let Scalar::Int(v) = value {
                let written = self.written.entry(k).or_default();
                if !written.contains(v) {
                    written.push(*v);
                }
                let state = self.state.entry(k).or_default();
                if !state.contains(v) && self.rng.percent(percent) {
                    state.push(*v);
                }
            }
        };
        match operation {
            Operation::Txn(micros) => micros.iter().for_each(|m| match m {
                Micro::Append { key, value } | Micro::Write { key, value } => update(key, value),
                _ => {}
            }),
            Operation::Append { key: Some(key), value }
            | Operation::Add { key: Some(key), value }
            | Operation::Cas { key: Some(key), new: value, .. }
            | Operation::Write { key: Some(key), value } => update(key, value),
            Operation::Remove { key: Some(key), value: Scalar::Int(v) } => {
                let k = number(key);
                self.state.entry(k).or_default().retain(|x| x != v);
            }
            Operation::Increment { key: Some(key), by } => {
                // The state of a counter is one number, and increments are done when they end, as a rule.
                let state = self.state.entry(number(key)).or_default();
                if percent == 100 {
                    let sum = state.first().copied().unwrap_or(0) + by;
                    *state = vec![sum];
                }
            }
            _ => {}
        }
    }

    fn answered(&mut self, operation: Operation) -> Operation {
        match operation {
            Operation::Read { key: Some(key), .. } => {
                let value = Some(self.answer(&key));
                Operation::Read { key: Some(key), value }
            }
            Operation::Txn(micros) => Operation::Txn(
                micros
                    .into_iter()
                    .map(|m| match m {
                        Micro::Read { key, .. } => {
                            let value = Some(self.answer(&key));
                            Micro::Read { key, value }
                        }
                        other => other,
                    })
                    .collect(),
            ),
            other => other,
        }
    }

    fn answer(&mut self, key: &Scalar) -> Value {
        let k = number(key);
        let mut state = self.state.get(&k).cloned().unwrap_or_default();
        let lies = self.rng.percent(self.shape.lies);
        match self.objects(k) {
            Objects::Counters => {
                let shift = if lies { self.rng.below(9) as i64 - 4 } else { 0 };
                Value::Scalar((state.first().copied().unwrap_or(0) + shift).into())
            }
            Objects::Registers => {
                if lies {
                    state = self.written.get(&k).cloned().unwrap_or_default();
                    if self.rng.percent(20) {
                        state.clear();
                    }
                    if self.rng.percent(3) {
                        state.push(77);
                    }
                    if !state.is_empty() {
                        state = vec![*self.rng.pick(&state)];
                    }
                }
                Value::Scalar(state.last().map_or(Scalar::Null, |v| (*v).into()))
            }
            _ => {
                if lies {
                    self.lie(k, &mut state);
                }
                Value::List(state.into_iter().map(Scalar::from).collect())
            }
        }
    }

    fn lie(&mut self, k: usize, state: &mut Vec<i64>) {
        match self.rng.below(8) {
            0..=2 => state.truncate(self.rng.below(state.len() + 1)),
            3 | 4 => {
                *state = self.written.get(&k).cloned().unwrap_or_default();
                let drop = self.rng.below(3);
                for _ in 0..drop.min(state.len()) {
                    state.remove(self.rng.below(state.len()));
                }
            }
            5 if state.len() > 1 => {
                let (i, j) = (self.rng.below(state.len()), self.rng.below(state.len()));
                state.swap(i, j);
            }
            6 if self.rng.percent(20) && !state.is_empty() => state.push(state[0]),
            7 if self.rng.percent(20) => state.push(77),
            _ => {}
        }
    }
}

pub fn name(k: usize) -> Scalar {
    ["x", "y", "z"][k].into()
}

fn number(key: &Scalar) -> usize {
    ["x", "y", "z"].iter().position(|n| Scalar::from(*n) == *key).unwrap_or(0)
}
