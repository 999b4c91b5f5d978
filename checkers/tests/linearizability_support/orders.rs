//! The definition itself: try every order of the operations that keeps those apart in time in order.

use histories::{Event, History, Kind, Operation, Pair};

/// One operation with everything that is known about it.
pub struct Timed {
    pub start: usize,
    /// `None` where it may take effect at any later time, or never.
    pub end: Option<usize>,
    pub question: Operation,
    pub answer: Option<Operation>,
    pub failed: bool,
    pub reason: Option<String>,
    pub process: u32,
}

pub fn timed(events: &[Event]) -> Vec<Timed> {
    let history = History::from_events(events);
    history.operations().map(|pair| one(&history, pair)).collect()
}

fn one(history: &History, pair: Pair) -> Timed {
    let ok = pair.completion.filter(|_| pair.outcome == Kind::Ok);
    let failed = pair.outcome == Kind::Fail;
    Timed {
        start: pair.invocation.0 as usize,
        end: pair.completion.filter(|_| pair.outcome != Kind::Info).map(|c| c.0 as usize),
        question: history.operation(pair.invocation),
        answer: ok.map(|c| history.operation(c)),
        failed,
        reason: pair.completion.and_then(|c| history.error(c)).map(str::to_owned),
        process: history.process(pair.invocation).0,
    }
}

/// Whether there is an order in which every operation makes a step. `step` gives the states that may follow; it is called
/// for operations that failed, too.
pub fn exists<S: Clone>(all: &[Timed], start: &S, step: &dyn Fn(&S, &Timed) -> Vec<S>) -> bool {
    let mut done = vec![false; all.len()];
    extend(all, &mut done, start, step, &|a, b| a.end.is_some_and(|end| end < b.start))
}

/// The same with another order to be kept.
pub fn exists_with<S: Clone>(
    all: &[Timed],
    start: &S,
    step: &dyn Fn(&S, &Timed) -> Vec<S>,
    before: &dyn Fn(&Timed, &Timed) -> bool,
) -> bool {
    extend(all, &mut vec![false; all.len()], start, step, before)
}

fn extend<S: Clone>(
    all: &[Timed],
    done: &mut [bool],
    state: &S,
    step: &dyn Fn(&S, &Timed) -> Vec<S>,
    before: &dyn Fn(&Timed, &Timed) -> bool,
) -> bool {
    if all.iter().zip(done.iter()).all(|(op, done)| *done || op.end.is_none()) {
        return true;
    }
    for i in 0..all.len() {
        let waits = |j: usize| j != i && !done[j] && before(&all[j], &all[i]);
        if done[i] || (0..all.len()).any(waits) {
            continue;
        }
        done[i] = true;
        for next in step(state, &all[i]) {
            if extend(all, done, &next, step, before) {
                return true;
            }
        }
        done[i] = false;
    }
    false
}
