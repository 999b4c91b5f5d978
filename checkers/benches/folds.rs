//! How fast the folds are: events per second over a recorded history of a million events.
//!
//! The histories are what the workloads of the harness produce against a store that is correct: lists that grow to 64
//! elements and are replaced by new ones, read whole, alone and two at a time (`sessions`); registers (`register`);
//! a few sets that are read whole (`set`, shorter, since each read has hundreds of elements); counters (`counter`).

#[path = "../tests/support/rng.rs"]
mod rng;

use std::hint::black_box;
use std::sync::Arc;

use checkers::{CheckConfig, Checker};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use histories::{Event, Guarantee, History, Kind, Micro, Operation, Process, Scalar, Value};
use rng::Rng;

#[derive(Clone, Copy)]
enum Workload {
    Sessions,
    Register,
    Set,
    Counter,
}

const PROCESSES: usize = 20;
const KEYS: usize = 30;

struct Store {
    workload: Workload,
    rng: Rng,
    /// The name of the list that stands at each place, and the list.
    lists: Vec<(i64, Vec<Scalar>)>,
    next_key: i64,
    next_value: i64,
}

impl Store {
    fn question(&mut self) -> Operation {
        let i = self.rng.below(KEYS);
        let key = Some(Scalar::Int(self.lists[i].0));
        self.next_value += 1;
        let value = Scalar::Int(self.next_value);
        match (self.workload, self.rng.below(10)) {
            (Workload::Sessions, 0..=4) => Operation::Append { key, value },
            (Workload::Sessions, 5) => {
                let other = self.rng.below(KEYS);
                let read = |k: usize| Micro::Read { key: Scalar::Int(self.lists[k].0), value: None };
                Operation::Txn(vec![read(i), read(other)])
            }
            (Workload::Register, 0..=4) => Operation::Write { key, value },
            (Workload::Set, 0..=7) => Operation::Add { key: Some(Scalar::Int(i as i64 % 3)), value },
            (Workload::Set, _) => Operation::Read { key: Some(Scalar::Int(i as i64 % 3)), value: None },
            (Workload::Counter, 0..=4) => Operation::Increment { key, by: 1 + self.rng.below(5) as i64 },
            _ => Operation::Read { key, value: None },
        }
    }

    fn find(&mut self, key: &Scalar) -> Option<&mut (i64, Vec<Scalar>)> {
        self.lists.iter_mut().find(|(name, _)| Scalar::Int(*name) == *key)
    }

    fn read(&mut self, key: &Scalar) -> Value {
        let (workload, list) = (self.workload, self.find(key).map(|(_, list)| list.clone()).unwrap_or_default());
        match workload {
            Workload::Sessions | Workload::Set => Value::List(list),
            Workload::Register | Workload::Counter => Value::Scalar(list.last().cloned().unwrap_or(Scalar::Null)),
        }
    }

    fn answer(&mut self, operation: Operation) -> Operation {
        match operation {
            Operation::Read { key: Some(key), .. } => {
                let value = Some(self.read(&key));
                Operation::Read { key: Some(key), value }
            }
            Operation::Txn(micros) => {
                let read = |micro| match micro {
                    Micro::Read { key, .. } => Micro::Read { value: Some(self.read(&key)), key },
                    other => other,
                };
                Operation::Txn(micros.into_iter().map(read).collect())
            }
            other => {
                self.update(&other);
                other
            }
        }
    }

    fn update(&mut self, operation: &Operation) {
        let (next_key, workload) = (self.next_key, self.workload);
        let Some((name, list)) = operation.key().cloned().and_then(|key| self.find(&key)) else { return };
        match operation {
            Operation::Increment { by, .. } => {
                let now = if let Some(Scalar::Int(n)) = list.last() { *n } else { 0 };
                *list = vec![Scalar::Int(now + by)];
            }
            Operation::Write { value, .. } => *list = vec![value.clone()],
            Operation::Append { value, .. } | Operation::Add { value, .. } => list.push(value.clone()),
            _ => {}
        }
        if matches!(workload, Workload::Sessions) && list.len() >= 64 {
            (*name, *list) = (next_key, Vec::new());
            self.next_key += 1;
        }
    }
}

/// A history of a store that is correct. A quarter of the operations is done after its successor was invoked.
fn history(workload: Workload, events: usize) -> History {
    let lists = (0..KEYS as i64).map(|k| (k, Vec::new())).collect();
    let mut store = Store { workload, rng: Rng(7), lists, next_key: KEYS as i64, next_value: 0 };
    let mut history = History::new();
    let mut open: Vec<Option<Operation>> = vec![None; PROCESSES];
    let nodes: Vec<Arc<str>> = (1..=3).map(|n| Arc::from(format!("n{n}"))).collect();
    for i in 0..events {
        let process = store.rng.below(PROCESSES);
        let (kind, operation) = match open[process].take() {
            None => {
                let question = store.question();
                open[process] = Some(question.clone());
                (Kind::Invoke, question)
            }
            Some(question) => (Kind::Ok, store.answer(question)),
        };
        history.push(&Event {
            time: i as u64 * 1000,
            process: Process(process as u32),
            kind,
            operation,
            node: (kind == Kind::Ok).then(|| nodes[process % 3].clone()),
            session: Some(process as u32),
            error: None,
        });
    }
    history
}

fn run(history: &History, checkers: Vec<Box<dyn Checker>>) {
    black_box(checkers::run(history, checkers));
}

fn folds(c: &mut Criterion) {
    let config = CheckConfig::default();
    let sessions = [
        Guarantee::ReadYourWrites,
        Guarantee::MonotonicReads,
        Guarantee::MonotonicWrites,
        Guarantee::WritesFollowReads,
    ];
    for (name, workload, events) in [
        ("sessions", Workload::Sessions, 1_000_000),
        ("register", Workload::Register, 1_000_000),
        ("set", Workload::Set, 20_000),
        ("counter", Workload::Counter, 1_000_000),
    ] {
        let history = history(workload, events);
        let mut group = c.benchmark_group(name);
        group.sample_size(10).throughput(Throughput::Elements(events as u64));
        group.bench_function("all", |b| b.iter(|| run(&history, checkers::all(&config))));
        group.bench_function("sessions' folds", |b| {
            b.iter(|| run(&history, sessions.iter().map(|g| checkers::checker(*g, &config)).collect()));
        });
        for guarantee in Guarantee::FOLDS {
            group.bench_with_input(BenchmarkId::new("one", guarantee), &guarantee, |b, guarantee| {
                b.iter(|| run(&history, vec![checkers::checker(*guarantee, &config)]));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, folds);
criterion_main!(benches);
