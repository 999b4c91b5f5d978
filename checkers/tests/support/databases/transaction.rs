//! One transaction on its way: what it asks, what it was answered.

use histories::{ItemFunction, Micro, Operation, Scalar, Value};

use super::shape::Workload;
use super::store::View;

/// What one step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Read a register, list or set.
    Read,
    /// Set a register, append to a list, add to a set.
    Write(i64),
    /// Set a register to the second value if it holds the first.
    Cas(Option<i64>, i64),
    /// Put an item in.
    Put(i64),
    /// Take an item out.
    Take,
}

/// One step.
#[derive(Clone, Debug)]
pub struct Step {
    pub key: u32,
    pub act: Act,
    /// What it was answered.
    pub answer: Option<Value>,
}

impl Step {
    /// What it writes.
    pub fn written(&self) -> Option<(u32, i64)> {
        match self.act {
            Act::Write(value) | Act::Cas(_, value) => Some((self.key, value)),
            _ => None,
        }
    }
}

/// A transaction.
#[derive(Debug)]
pub struct Transaction {
    /// Its number.
    pub id: u64,
    pub steps: Vec<Step>,
    /// How many steps are done.
    pub done: usize,
    /// What it sees, once it has begun.
    pub view: Option<View>,
    pub replica: usize,
    /// The commit that its session has seen.
    pub floor: u32,
    /// The lists in which it saw its own appends, and how many versions stood before them.
    pub pinned: Vec<(u32, usize)>,
    /// How often it waited for somebody who was writing.
    pub waits: u32,
}

impl Transaction {
    /// Whether it writes nothing.
    pub fn only_reads(&self) -> bool {
        self.steps.iter().all(|s| s.act == Act::Read)
    }

    /// What the steps before `step` write to its object.
    pub fn own(&self, step: usize) -> impl Iterator<Item = i64> {
        let key = self.steps[step].key;
        self.steps[..step].iter().filter_map(Step::written).filter(move |w| w.0 == key).map(|w| w.1)
    }

    /// What it leaves behind: all elements of lists, the last value of each register.
    pub fn writes(&self, collects: bool) -> Vec<(u32, i64)> {
        let all: Vec<(u32, i64)> = self.steps.iter().filter_map(Step::written).collect();
        let stays = |i: usize| collects || all[i + 1..].iter().all(|later| later.0 != all[i].0);
        (0..all.len()).filter(|i| stays(*i)).map(|i| all[i]).collect()
    }

    /// The operation, with or without the answers.
    pub fn operation(&self, workload: Workload, answered: bool) -> Operation {
        if workload.is_transactional() {
            return Operation::Txn(self.steps.iter().map(|s| micro(s, workload, answered)).collect());
        }
        let step = &self.steps[0];
        let key = Some(Scalar::from(i64::from(step.key)));
        let answer = if answered { step.answer.clone() } else { None };
        match step.act {
            Act::Read => Operation::Read { key, value: answer },
            Act::Write(value) if workload == Workload::Set => Operation::Add { key, value: value.into() },
            Act::Write(value) => Operation::Write { key, value: value.into() },
            Act::Cas(old, new) => Operation::Cas { key, old: scalar(old), new: new.into() },
            Act::Put(value) => item(workload, true, key, Some(value.into())),
            Act::Take => item(
                workload,
                false,
                key,
                answer.map(|value| match value {
                    Value::Scalar(scalar) => scalar,
                    Value::List(_) => Scalar::Null,
                }),
            ),
        }
    }
}

/// A value, or nothing.
pub fn scalar(value: Option<i64>) -> Scalar {
    value.map_or(Scalar::Null, Scalar::Int)
}

fn item(workload: Workload, puts: bool, key: Option<Scalar>, value: Option<Scalar>) -> Operation {
    let f = match (workload == Workload::Stack, puts) {
        (true, true) => ItemFunction::Push,
        (true, false) => ItemFunction::Pop,
        (false, true) => ItemFunction::Enqueue,
        (false, false) => ItemFunction::Dequeue,
    };
    Operation::Item { f, key, value }
}

fn micro(step: &Step, workload: Workload, answered: bool) -> Micro {
    let key = Scalar::from(i64::from(step.key));
    match step.written() {
        Some((_, value)) if workload == Workload::ListAppend => Micro::Append { key, value: value.into() },
        Some((_, value)) => Micro::Write { key, value: value.into() },
        None => Micro::Read { key, value: if answered { step.answer.clone() } else { None } },
    }
}
