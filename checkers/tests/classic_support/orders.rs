//! Every order of a few operations: does one of them explain all answers?

use std::collections::BTreeSet;

use histories::{History, Kind, Operation, Scalar, Value};

/// One operation: when it may take effect, whether it must, and what it does.
pub struct Step {
    pub call: u32,
    pub ret: u32,
    pub must: bool,
    pub operation: Operation,
}

/// The operations of clients that may have happened.
pub fn steps(history: &History) -> Vec<Step> {
    let happened = history.operations().filter(|pair| pair.outcome != Kind::Fail);
    happened
        .map(|pair| {
            let answered = pair.completion.filter(|_| pair.outcome == Kind::Ok);
            Step {
                call: pair.invocation.0,
                ret: answered.map_or(u32::MAX, |completion| completion.0),
                must: answered.is_some(),
                operation: history.operation(answered.unwrap_or(pair.invocation)),
            }
        })
        .collect()
}

/// Whether some order of these steps, with those that may have happened or not, explains every answer: `apply` gives
/// the next state, or nothing where the answer is wrong. With `realtime` the order agrees with real time.
pub fn explained<S: Ord + Clone>(
    steps: &[Step],
    start: S,
    realtime: bool,
    apply: impl Fn(&S, &Operation) -> Option<S>,
) -> bool {
    let must: u32 = (0..steps.len()).filter(|i| steps[*i].must).fold(0, |all, i| all | 1 << i);
    let mut seen = BTreeSet::new();
    let mut open = vec![(0u32, start)];
    while let Some((done, state)) = open.pop() {
        if done & must == must {
            return true;
        }
        for (i, step) in steps.iter().enumerate().filter(|(i, _)| done >> i & 1 == 0) {
            let waits = |other: &Step, j: usize| done >> j & 1 == 0 && other.ret < step.call;
            if realtime && steps.iter().enumerate().any(|(j, other)| waits(other, j)) {
                continue;
            }
            if let Some(next) = apply(&state, &step.operation) {
                let next = (done | 1 << i, next);
                if seen.insert(next.clone()) {
                    open.push(next);
                }
            }
        }
    }
    false
}

/// The state of one counter for each key.
pub type Counters = std::collections::BTreeMap<Scalar, i64>;

pub fn counter(state: &Counters, operation: &Operation) -> Option<Counters> {
    let mut next = state.clone();
    match operation {
        Operation::Increment { key: Some(key), by } => *next.entry(key.clone()).or_insert(0) += by,
        Operation::Read { key: Some(key), value: Some(value) } => {
            let shown = match value {
                Value::Scalar(Scalar::Int(shown)) => *shown,
                _ => 0,
            };
            return (shown == state.get(key).copied().unwrap_or(0)).then_some(next);
        }
        _ => {}
    }
    Some(next)
}

/// The state of one set for each key.
pub type Sets = std::collections::BTreeMap<Scalar, BTreeSet<Scalar>>;

pub fn set(state: &Sets, operation: &Operation) -> Option<Sets> {
    let mut next = state.clone();
    match operation {
        Operation::Add { key: Some(key), value } => {
            next.entry(key.clone()).or_default().insert(value.clone());
        }
        Operation::Remove { key: Some(key), value } => {
            next.entry(key.clone()).or_default().remove(value);
        }
        Operation::Read { key: Some(key), value: Some(value) } => {
            let shown: Vec<Scalar> = match value {
                Value::List(items) => items.clone(),
                Value::Scalar(_) => Vec::new(),
            };
            let holds = state.get(key).cloned().unwrap_or_default();
            let once: BTreeSet<Scalar> = shown.iter().cloned().collect();
            return (shown.len() == holds.len() && once == holds).then_some(next);
        }
        _ => {}
    }
    Some(next)
}
