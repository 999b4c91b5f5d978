//! Histories that a store makes up as they are asked for: transactions that take effect at one point, and reads that may
//! be answered by a replica that lags.

use std::collections::VecDeque;

use histories::{Event, History, Kind, Micro, Operation, Process, Scalar, Value};

use super::rng::Rng;

/// What a history looks like.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub sessions: usize,
    /// Operations or transactions.
    pub operations: usize,
    pub keys: usize,
    /// Steps of each transaction; 0 for single operations.
    pub steps: usize,
    /// In percent.
    pub writes: usize,
    /// By how many updates a session's replica lags at most; it never goes back.
    pub lag: usize,
    pub seed: u64,
}

impl Shape {
    pub fn transactions() -> Shape {
        Shape { sessions: 50, operations: 100_000, keys: 10_000, steps: 10, writes: 50, lag: 0, seed: 7 }
    }

    pub fn operations() -> Shape {
        Shape { steps: 0, keys: 1_000, ..Shape::transactions() }
    }
}

/// What a transaction is going to do: keys, and for each the value to write, or that it is to be read.
type Plan = Vec<(usize, Option<i64>)>;

/// One replica, and the updates on their way to it.
#[derive(Clone, Default)]
struct Replica {
    state: Vec<i64>,
    due: VecDeque<(usize, i64)>,
}

struct Store {
    shape: Shape,
    rng: Rng,
    replicas: Vec<Replica>,
    next: i64,
}

impl Store {
    fn plan(&mut self) -> Plan {
        let steps = self.shape.steps.max(1);
        let mut step = || {
            let key = self.rng.below(self.shape.keys);
            let write = self.rng.below(100) < self.shape.writes;
            self.next += i64::from(write);
            (key, write.then_some(self.next))
        };
        (0..steps).map(|_| step()).collect()
    }

    /// Carries out a plan at the replica of a session. All replicas take all updates in the same order.
    fn execute(&mut self, session: usize, plan: &[(usize, Option<i64>)]) -> Vec<Micro> {
        let at = if self.shape.lag == 0 { 0 } else { session };
        let keep = if self.shape.lag == 0 { 0 } else { self.rng.below(self.shape.lag) };
        let writes = plan.iter().any(|(_, write)| write.is_some());
        let replica = &mut self.replicas[at];
        while replica.due.len() > if writes { 0 } else { keep } {
            if let Some((key, value)) = replica.due.pop_front() {
                replica.state[key] = value;
            }
        }
        let mut micros = Vec::with_capacity(plan.len());
        for (key, write) in plan.iter() {
            let name = Scalar::Int(*key as i64);
            match write {
                Some(value) => {
                    self.replicas[at].state[*key] = *value;
                    micros.push(Micro::Write { key: name, value: Scalar::Int(*value) });
                }
                None => {
                    let found = self.replicas[at].state[*key];
                    let value = if found == 0 { Scalar::Null } else { Scalar::Int(found) };
                    micros.push(Micro::Read { key: name, value: Some(Value::Scalar(value)) });
                }
            }
        }
        for (_, replica) in self.replicas.iter_mut().enumerate().filter(|(other, _)| *other != at) {
            replica.due.extend(plan.iter().filter_map(|(key, write)| write.map(|value| (*key, value))));
        }
        micros
    }
}

/// The history: each operation is invoked, takes effect and is completed at three times of its own.
pub fn history(shape: Shape) -> History {
    let replica = Replica { state: vec![0; shape.keys], due: VecDeque::new() };
    let replicas = vec![replica; if shape.lag == 0 { 1 } else { shape.sessions }];
    let mut store = Store { shape, rng: Rng(shape.seed), replicas, next: 0 };
    let mut history = History::new();
    let mut open: Vec<Option<(Plan, Option<Operation>)>> = vec![None; shape.sessions];
    let mut left = shape.operations;
    let mut time = 0;
    let mut push = |process: usize, kind, operation| {
        time += 1000;
        let process = Process(process as u32);
        history.push(&Event { time, process, kind, operation, node: None, session: None, error: None });
    };
    while left > 0 {
        let session = store.rng.below(shape.sessions);
        match open[session].take() {
            None => {
                let plan = store.plan();
                push(session, Kind::Invoke, operation(shape, questions(&plan)));
                open[session] = Some((plan, None));
            }
            Some((plan, None)) => {
                let micros = store.execute(session, &plan);
                open[session] = Some((plan, Some(operation(shape, micros))));
            }
            Some((_, Some(answer))) => {
                push(session, Kind::Ok, answer);
                left -= 1;
            }
        }
    }
    history
}

fn questions(plan: &[(usize, Option<i64>)]) -> Vec<Micro> {
    let micro = |(key, write): &(usize, Option<i64>)| {
        let key = Scalar::Int(*key as i64);
        match write {
            Some(value) => Micro::Write { key, value: Scalar::Int(*value) },
            None => Micro::Read { key, value: None },
        }
    };
    plan.iter().map(micro).collect()
}

fn operation(shape: Shape, mut micros: Vec<Micro>) -> Operation {
    match (shape.steps, micros.pop()) {
        (0, Some(Micro::Write { key, value })) => Operation::Write { key: Some(key), value },
        (0, Some(Micro::Read { key, value })) => Operation::Read { key: Some(key), value },
        (_, last) => {
            micros.extend(last);
            Operation::Txn(micros)
        }
    }
}
