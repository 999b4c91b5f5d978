//! Events that make no sense: completions without invocations, two invocations of one process, answers that do not fit.
//!
//! Which scalars and operations there are is for each test to say, since each checker has words of its own.

use histories::{Event, Kind, Operation, Process, Scalar, Value};

use super::Rng;

/// No value, a scalar or a list of fewer than `length`; lists are all but two of so many `choices`.
pub fn value(rng: &mut Rng, choices: usize, length: usize, scalar: impl Fn(&mut Rng) -> Scalar) -> Option<Value> {
    match rng.below(choices) {
        0 => None,
        1 => Some(Value::Scalar(scalar(rng))),
        _ => Some(Value::List((0..rng.below(length)).map(|_| scalar(rng)).collect())),
    }
}

/// Who does something, the nemesis in `nemesis` of 100 cases, and whether it begins or how it ends.
pub fn who(rng: &mut Rng, nemesis: usize, kinds: &[Kind]) -> (Process, Kind) {
    let process = if rng.percent(nemesis) { Process::NEMESIS } else { Process(rng.below(4) as u32) };
    (process, *rng.pick(kinds))
}

/// An event without a time, a node or a session.
pub fn event((process, kind): (Process, Kind), operation: Operation) -> Event {
    Event { time: 0, process, kind, operation, node: None, session: None, error: None }
}
