//! How long the check of a transactional history takes, and in how much memory.
//!
//! ```text
//! cargo run --release -p splitbrain-checkers --example transactions -- list-append 1000000 [most steps] [model]
//! ```
//! The history is what a serial database gives 20 processes: keys are replaced by new ones after 32 writes, transactions
//! have one to four steps, half of them reads. `stale` as a fifth argument lets one read in a thousand be an old one.

#[path = "../tests/support/rng.rs"]
mod rng;

use std::collections::BTreeMap;
use std::time::Instant;

use checkers::analysis::Analyzer;
use checkers::transactions::{list_append, rw_register};
use checkers::{Assumptions, Budget, Model, Question};
use histories::{Event, History, Kind, Micro, Operation, Process, Scalar, Value};
use rng::Rng;

const PROCESSES: usize = 20;
const WRITES_PER_KEY: usize = 32;

struct Database {
    rng: Rng,
    lists: bool,
    most_steps: usize,
    stale: bool,
    /// The keys in use, and how often each was written.
    keys: Vec<(i64, usize)>,
    next_key: i64,
    values: BTreeMap<i64, Vec<Scalar>>,
}

impl Database {
    fn question(&mut self) -> Vec<Micro> {
        (0..1 + self.rng.below(self.most_steps)).map(|_| self.step()).collect()
    }

    fn step(&mut self) -> Micro {
        let slot = self.rng.below(self.keys.len());
        let key = Scalar::Int(self.keys[slot].0);
        if self.rng.below(2) == 0 {
            return Micro::Read { key, value: None };
        }
        self.keys[slot].1 += 1;
        let value = Scalar::Int(self.keys[slot].1 as i64);
        if self.keys[slot].1 == WRITES_PER_KEY {
            self.keys[slot] = (self.next_key, 0);
            self.next_key += 1;
        }
        if self.lists { Micro::Append { key, value } } else { Micro::Write { key, value } }
    }

    fn run(&mut self, steps: &[Micro]) -> Vec<Micro> {
        steps.iter().map(|step| self.answer(step.clone())).collect()
    }

    fn answer(&mut self, step: Micro) -> Micro {
        let Scalar::Int(number) = *step.key() else { unreachable!("keys are numbers") };
        let values = self.values.entry(number).or_default();
        match step {
            Micro::Read { key, .. } if self.lists => {
                let back = usize::from(self.stale && self.rng.below(1000) == 0);
                let seen = values[..values.len().saturating_sub(back)].to_vec();
                Micro::Read { key, value: Some(Value::List(seen)) }
            }
            Micro::Read { key, .. } => {
                let value = values.last().cloned().unwrap_or(Scalar::Null);
                Micro::Read { key, value: Some(Value::Scalar(value)) }
            }
            Micro::Append { value, .. } | Micro::Write { value, .. } => {
                values.push(value.clone());
                let key = Scalar::Int(number);
                if self.lists { Micro::Append { key, value } } else { Micro::Write { key, value } }
            }
            other => other,
        }
    }
}

fn history(database: &mut Database, count: usize) -> History {
    let mut history = History::new();
    let mut open: Vec<Option<Vec<Micro>>> = vec![None; PROCESSES];
    let (mut begun, mut ended) = (0, 0);
    while ended < count {
        let process = database.rng.below(PROCESSES);
        let (kind, steps) = match open[process].take() {
            Some(steps) => {
                ended += 1;
                (Kind::Ok, database.run(&steps))
            }
            None if begun < count => {
                begun += 1;
                let steps = database.question();
                open[process] = Some(steps.clone());
                (Kind::Invoke, steps)
            }
            None => continue,
        };
        history.push(&Event {
            time: history.len() as u64 * 1000,
            process: Process(process as u32),
            kind,
            operation: Operation::Txn(steps),
            node: None,
            session: None,
            error: None,
        });
    }
    history
}

/// A line of `/proc/self/status`, in MiB; 0 on other systems.
fn memory(line: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let found = status.lines().find_map(|l| l.strip_prefix(line)?.trim_start_matches(':').split_whitespace().next());
    found.and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024
}

/// Processor time of this process, in hundredths of seconds; 0 on other systems.
fn ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    fields.get(11..13).map_or(0, |times| times.iter().filter_map(|t| t.parse::<u64>().ok()).sum())
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let arg = |i: usize, default: &str| args.get(i).cloned().unwrap_or_else(|| default.to_owned());
    let workload = arg(0, "list-append");
    let count: usize = arg(1, "1000000").parse().expect("a number of transactions");
    let mut database = Database {
        rng: Rng(7),
        lists: workload == "list-append",
        most_steps: arg(2, "4").parse().expect("a number of steps"),
        stale: arg(4, "") == "stale",
        keys: (0..20).map(|key| (key, 0)).collect(),
        next_key: 20,
        values: BTreeMap::new(),
    };
    let model: Model = arg(3, "strict-serializable").parse().expect("a model");
    let check: Analyzer = if database.lists { list_append::check } else { rw_register::check };
    let history = history(&mut database, count);
    drop(database);
    let assume = Assumptions { linearizable_keys: true, ..Assumptions::default() };
    let question = Question { models: vec![model], anomalies: Vec::new(), assume };
    let before = memory("VmRSS");
    for _ in 0..5 {
        let (start, cpu) = (Instant::now(), ticks());
        let found = check(&history, &question, &Budget { threads: 2, ..Budget::default() });
        let groups: Vec<String> = found.groups.values().map(|g| format!("{} {}", g.count, g.kind)).collect();
        println!(
            "{:.3} s, {:.2} s of processors, {} + {} MiB; {:?} {groups:?} {:?}",
            start.elapsed().as_secs_f64(),
            (ticks() - cpu) as f64 / 100.0,
            before,
            memory("VmHWM").saturating_sub(before),
            found.checked,
            found.doubts,
        );
    }
}
