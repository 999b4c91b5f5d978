//! How many events a second go into a file and come out of it, on one core.
//!
//! The mix is that of a run: 20 processes on 5 nodes; two thirds of the operations are list-append transactions of one
//! to three steps over keys that are retired after 32 appends, one third are reads, writes and compare-and-sets of
//! registers; one in fifty ends `fail` or `info`. Targets: 500 000 events/s written, 1 000 000 events/s read. The same is
//! read in the notations of other tools, at 100 MB/s or more.
//!
//! A list-append history of a hundred thousand transactions is what the checkers of transactions begin with: a million of
//! them are to be read in 1.4 s on two cores. (`examples/list_append.rs` writes such a file of any length, and
//! `examples/read_history.rs` measures it once, its memory too.)

#[path = "../tests/foreign/mod.rs"]
mod foreign;
#[path = "support/list_append.rs"]
mod list_append;

use std::fs;
use std::hint::black_box;
use std::path::PathBuf;
use std::time::Duration;

use criterion::{Criterion, Throughput};
use histories::file::{HistoryWriter, read, read_from, seal};
use histories::{Event, History, Kind, Micro, Operation, Process, Scalar, Value, Views};
use list_append::ListAppend;
use serde_json::Map;

const EVENT_COUNT: usize = 1_000_000;
const PROCESS_COUNT: u64 = 20;
const APPENDS_PER_KEY: usize = 32;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    benchmark(&mut criterion);
    criterion.final_summary();
}

fn benchmark(criterion: &mut Criterion) {
    let events = Mix::new().events(EVENT_COUNT);
    let bytes = written(Vec::new(), &events);
    println!("{} events, {} bytes an event", events.len(), bytes.len() / events.len());
    let directory = Directory::new();
    let mut group = criterion.benchmark_group("history_file");
    group.sample_size(10).warm_up_time(Duration::from_secs(1)).throughput(Throughput::Elements(events.len() as u64));

    group.bench_function("write to memory", |b| {
        b.iter_with_large_drop(|| written(Vec::with_capacity(bytes.len()), &events));
    });
    group.bench_function("write to a file", |b| {
        b.iter(|| {
            let path = directory.0.join("written.jsonl");
            let _ = fs::remove_file(&path);
            written(fs::File::create_new(&path).expect("a new file"), &events)
        });
    });
    group.bench_function("read from memory", |b| {
        b.iter_with_large_drop(|| black_box(read_from(&bytes[..]).expect("a history")));
    });

    let path = directory.0.join("history.jsonl");
    fs::write(&path, &bytes).expect("a new file");
    group.bench_function("read from a file", |b| {
        b.iter_with_large_drop(|| black_box(read(&path).expect("a history")));
    });
    seal(&path).expect("a sealed file");
    group.bench_function("read from a sealed file", |b| {
        b.iter_with_large_drop(|| black_box(read(&path).expect("a history")));
    });

    group.bench_function("push in memory", |b| b.iter_with_large_drop(|| History::from_events(&events)));
    let history = History::from_events(&events);
    group.bench_function("build the views", |b| b.iter_with_large_drop(|| Views::new(&history)));
    group.finish();
    read_in_other_words(criterion, "mix in other words", &events);
    let events: Vec<_> = ListAppend::new(200_000).collect();
    read_in_other_words(criterion, "list-append in other words", &events);
    read_own(criterion, "list-append", &written(Vec::new(), &events));
}

fn read_own(criterion: &mut Criterion, name: &str, bytes: &[u8]) {
    let mut group = criterion.benchmark_group(name);
    group.sample_size(10).warm_up_time(Duration::from_secs(1)).throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("own", |b| b.iter_with_large_drop(|| black_box(read_from(bytes).expect("a history"))));
    group.finish();
}

/// The same events as other tools write them.
fn read_in_other_words(criterion: &mut Criterion, name: &str, events: &[Event]) {
    let lines = |line: &dyn Fn(usize, &Event) -> String| -> String {
        events.iter().enumerate().map(|(i, event)| line(i, event) + "\n").collect()
    };
    let array = lines(&|i, event| format!("{}{}", if i == 0 { "[" } else { "," }, foreign::json(i, event, ""))) + "]";
    let texts = [
        ("JSON Lines", lines(&|i, event| foreign::json(i, event, ":"))),
        ("a JSON array", array),
        ("EDN", lines(&foreign::edn)),
    ];
    let mut group = criterion.benchmark_group(name);
    group.sample_size(10).warm_up_time(Duration::from_secs(1));
    for (format, text) in texts {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(format, |b| {
            b.iter_with_large_drop(|| black_box(read_from(text.as_bytes()).expect("a history")));
        });
    }
    group.finish();
}

fn written<W: std::io::Write>(out: W, events: &[Event]) -> W {
    let mut writer = HistoryWriter::new(out, &Map::new());
    for event in events {
        writer.append(event).expect("the output takes it");
    }
    writer.close().expect("the output takes it")
}

struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("splitbrain-history-bench-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a temporary directory");
        Directory(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A serial store and its clients. Each process alternates between invoking and completing.
struct Mix {
    state: u64,
    time: u64,
    open: Vec<Option<Operation>>,
    lists: Vec<(i64, Vec<Scalar>)>,
    next_key: i64,
    next_value: i64,
    registers: Vec<Scalar>,
}

impl Mix {
    fn new() -> Self {
        Mix {
            state: 42,
            time: 0,
            open: vec![None; PROCESS_COUNT as usize],
            lists: (0..8).map(|key| (key, Vec::new())).collect(),
            next_key: 8,
            next_value: 0,
            registers: vec![Scalar::Null; 10],
        }
    }

    fn events(mut self, count: usize) -> Vec<Event> {
        (0..count).map(|_| self.event()).collect()
    }

    fn event(&mut self) -> Event {
        let process = self.below(PROCESS_COUNT);
        self.time += 1 + self.below(100_000);
        let node = Some(["n1", "n2", "n3", "n4", "n5"][self.below(5) as usize].into());
        let (kind, operation) = match self.open[process as usize].take() {
            None => {
                let operation = if self.below(3) < 2 { self.transaction() } else { self.register() };
                self.open[process as usize] = Some(operation.clone());
                (Kind::Invoke, operation)
            }
            Some(operation) => match self.below(100) {
                0 => (Kind::Fail, operation),
                1 => (Kind::Info, operation),
                _ => (Kind::Ok, self.answer(operation)),
            },
        };
        let error = matches!(kind, Kind::Fail | Kind::Info).then(|| "connection reset by peer".into());
        Event { time: self.time, process: Process(process as u32), kind, operation, node, session: None, error }
    }

    fn transaction(&mut self) -> Operation {
        let steps = 1 + self.below(3);
        let mut micros = Vec::new();
        for _ in 0..steps {
            let i = self.below(8) as usize;
            let key = Scalar::Int(self.lists[i].0);
            micros.push(match self.below(2) {
                0 => Micro::Read { key, value: None },
                _ => {
                    self.next_value += 1;
                    Micro::Append { key, value: self.next_value.into() }
                }
            });
        }
        Operation::Txn(micros)
    }

    fn register(&mut self) -> Operation {
        let register = self.below(10) as usize;
        let key = Some(Scalar::from(format!("r{register}")));
        self.next_value += 1;
        match self.below(4) {
            0 => Operation::Write { key, value: self.next_value.into() },
            1 => Operation::Cas { key, old: self.registers[register].clone(), new: self.next_value.into() },
            _ => Operation::Read { key, value: None },
        }
    }

    fn answer(&mut self, operation: Operation) -> Operation {
        match operation {
            Operation::Txn(micros) => Operation::Txn(micros.into_iter().map(|m| self.answer_step(m)).collect()),
            Operation::Write { key, value } => {
                self.registers[register_of(&key)] = value.clone();
                Operation::Write { key, value }
            }
            Operation::Read { key, .. } => {
                let value = Some(Value::Scalar(self.registers[register_of(&key)].clone()));
                Operation::Read { key, value }
            }
            other => other,
        }
    }

    fn answer_step(&mut self, micro: Micro) -> Micro {
        let list = self.lists.iter().position(|(key, _)| *micro.key() == Scalar::Int(*key));
        match (micro, list) {
            (Micro::Read { key, .. }, list) => {
                let items = list.map_or(Vec::new(), |i| self.lists[i].1.clone());
                Micro::Read { key, value: Some(Value::List(items)) }
            }
            (Micro::Append { key, value }, Some(i)) => {
                self.lists[i].1.push(value.clone());
                if self.lists[i].1.len() == APPENDS_PER_KEY {
                    self.lists[i] = (self.next_key, Vec::new());
                    self.next_key += 1;
                }
                Micro::Append { key, value }
            }
            (other, _) => other,
        }
    }

    /// A number below `n`, by SplitMix64.
    fn below(&mut self, n: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

fn register_of(key: &Option<Scalar>) -> usize {
    match key {
        Some(Scalar::Text(name)) => name[1..].parse().expect("the name of a register"),
        _ => 0,
    }
}
