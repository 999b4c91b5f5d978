//! What is tested: where operations come from.
//!
//! A workload is a pure generator: the next operation is a function of the seed and of the history so far,
//! which it takes in through [`Workload::observe`]. It knows no clock and no network, so every workload can be
//! driven in a test without a cluster.
//!
//! Several workloads run side by side in one run, each on keys of its own (every workload has a key prefix), so
//! that one cluster under one set of faults answers for all guarantees at once. Worker `i` of a run drives
//! workload `i mod count`.

mod append;
mod cart;
mod conversation;
mod counter;
mod register;
mod sessions;
mod set;

use histories::{Completion, Guarantee, Operation, Scalar, Value};
use nemesis::seed::ChaCha8Rng;
use rand::RngExt;
use systems_under_test::Function;

/// Who asks for the next operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The worker: a slot that always has exactly one live process, from 0.
    pub worker: usize,
    /// The process that occupies the slot now.
    pub process: u32,
    /// The session on whose behalf the process acts.
    pub session: u32,
}

/// Settings common to all workloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// How many objects are in use at a time.
    pub key_count: usize,
    /// Number of workers of the whole run.
    pub concurrency: usize,
    /// Whether the store takes transactions.
    pub transactions: bool,
    /// Whether the store compares and sets.
    pub compare_and_set: bool,
}

/// A source of operations.
pub trait Workload: Send {
    /// The next operation of this process; every workload always has one.
    fn next(&mut self, turn: Turn, rng: &mut ChaCha8Rng) -> Operation;

    /// Takes in how an operation ended.
    fn observe(&mut self, turn: Turn, operation: &Operation, completion: &Completion);

    /// Reads that show the final state of everything this workload has touched.
    fn final_reads(&self) -> Vec<Operation>;
}

/// A workload as data, for `splitbrain list workloads` and `explain`.
#[derive(Clone, Copy)]
pub struct WorkloadSpec {
    /// Name, as in `--workload set`.
    pub name: &'static str,
    /// One sentence.
    pub about: &'static str,
    /// A paragraph: what processes do, and why that shows something.
    pub story: &'static str,
    /// What the store must be able to do.
    pub needs: &'static [Function],
    /// What its histories can be judged by.
    pub judges: &'static [Guarantee],
    /// Makes one.
    pub make: fn(Shape) -> Box<dyn Workload>,
}

/// All workloads, in the order in which they are listed.
pub const ALL: &[WorkloadSpec] =
    &[set::SPEC, append::SPEC, register::SPEC, sessions::SPEC, conversation::SPEC, counter::SPEC, cart::SPEC];

/// The workload with this name.
pub fn find(name: &str) -> Option<&'static WorkloadSpec> {
    ALL.iter().find(|w| w.name == name)
}

/// The workloads that a store with these functions can be tested with.
pub fn supported(functions: &[Function]) -> Vec<&'static WorkloadSpec> {
    ALL.iter().filter(|w| w.needs.iter().all(|f| functions.contains(f))).collect()
}

/// Objects that are used for a while and then left for fresh ones, so that lists stay short and the number of
/// objects grows with the length of the run instead of the cost of each read.
struct Rotation {
    prefix: &'static str,
    writes_per_key: u32,
    /// For each slot the object in use and the number of updates drawn for it so far.
    slots: Vec<(usize, u32)>,
    made: usize,
}

impl Rotation {
    fn new(prefix: &'static str, slots: usize, writes_per_key: u32) -> Self {
        let slots = slots.max(1);
        Rotation { prefix, writes_per_key, slots: (0..slots).map(|i| (i, 0)).collect(), made: slots }
    }

    fn name(&self, object: usize) -> Scalar {
        Scalar::from(format!("{}{object}", self.prefix))
    }

    /// One of the objects in use, for a read.
    fn pick(&self, rng: &mut ChaCha8Rng) -> usize {
        self.slots[rng.random_range(0..self.slots.len())].0
    }

    /// One of the objects in use, for an update, and an element that was never used for it before (from 1).
    fn element(&mut self, rng: &mut ChaCha8Rng) -> (usize, i64) {
        let slot = rng.random_range(0..self.slots.len());
        if self.slots[slot].1 >= self.writes_per_key {
            self.slots[slot] = (self.made, 0);
            self.made += 1;
        }
        let (object, used) = &mut self.slots[slot];
        *used += 1;
        (*object, i64::from(*used))
    }

    fn reads(&self) -> Vec<Operation> {
        (0..self.made).map(|i| read(self.name(i))).collect()
    }
}

fn read(key: Scalar) -> Operation {
    Operation::Read { key: Some(key), value: None }
}

/// The last element of a list that was read.
fn last_element(value: &Value) -> Option<&Scalar> {
    match value {
        Value::List(items) => items.last(),
        Value::Scalar(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nemesis::seed::Seed;

    fn drive(spec: &WorkloadSpec, seed: Seed, steps: usize) -> Vec<Operation> {
        let mut workload =
            (spec.make)(Shape { key_count: 3, concurrency: 4, transactions: true, compare_and_set: true });
        let mut streams: Vec<_> = (0..4).map(|w| seed.stream(&format!("worker {w}"))).collect();
        let mut operations = Vec::new();
        for step in 0..steps {
            let worker = step % 4;
            let turn = Turn { worker, process: worker as u32, session: worker as u32 };
            let operation = workload.next(turn, &mut streams[worker]);
            workload.observe(turn, &operation, &Completion::Ok(operation.clone()));
            operations.push(operation);
        }
        operations.extend(workload.final_reads());
        operations
    }

    #[test]
    fn equal_seeds_and_histories_give_equal_operations() {
        for spec in ALL {
            assert_eq!(drive(spec, Seed(7), 500), drive(spec, Seed(7), 500), "{}", spec.name);
            assert_ne!(drive(spec, Seed(7), 500), drive(spec, Seed(8), 500), "{}", spec.name);
        }
    }

    #[test]
    fn no_value_is_written_twice_to_a_key() {
        for spec in ALL.iter().filter(|s| s.name != "counter") {
            let mut seen = std::collections::HashSet::new();
            for operation in drive(spec, Seed(3), 5000) {
                for (key, value) in updates(&operation) {
                    assert!(seen.insert((key.clone(), value.clone())), "{}: {key} {value} twice", spec.name);
                }
            }
            assert!(!seen.is_empty(), "{} updates something", spec.name);
        }
    }

    #[test]
    fn every_updated_key_is_read_at_the_end() {
        for spec in ALL {
            let operations = drive(spec, Seed(5), 2000);
            let mut workload_keys: Vec<String> =
                operations.iter().flat_map(updates).map(|(k, _)| k.to_string()).collect();
            workload_keys.sort();
            workload_keys.dedup();
            let last: Vec<String> = operations[2000..].iter().filter_map(|o| o.key().map(|k| k.to_string())).collect();
            for key in workload_keys {
                assert!(last.contains(&key), "{}: {key} is not read at the end", spec.name);
            }
        }
    }

    #[test]
    fn keys_of_different_workloads_never_meet() {
        let mut owner = std::collections::HashMap::new();
        for spec in ALL {
            for operation in drive(spec, Seed(5), 2000) {
                for (key, _) in updates(&operation) {
                    let first = *owner.entry(key.clone()).or_insert(spec.name);
                    assert_eq!(first, spec.name, "{key}");
                }
            }
        }
    }

    fn updates(operation: &Operation) -> Vec<(Scalar, Scalar)> {
        let key = || operation.key().cloned().expect("a key");
        match operation {
            Operation::Write { value, .. } | Operation::Append { value, .. } | Operation::Add { value, .. } => {
                vec![(key(), value.clone())]
            }
            Operation::Cas { new, .. } => vec![(key(), new.clone())],
            Operation::Increment { by, .. } => vec![(key(), Scalar::Int(*by))],
            Operation::Txn(micros) => micros
                .iter()
                .filter_map(|m| match m {
                    histories::Micro::Append { key, value } | histories::Micro::Write { key, value } => {
                        Some((key.clone(), value.clone()))
                    }
                    _ => None,
                })
                .collect(),
            _ => Vec::new(),
        }
    }
}
