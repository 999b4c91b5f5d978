//! What a node has been told: the updates in their order, and the state after those that are settled.
//!
//! ```text
//!                      settled                 in flight
//!   number     1  2  3  4  5  6  7  8  9 │ 10  11  12      acknowledged up to 9
//!              └────── in the state ─────┘ └─ in the log, executed when the tail's word comes back
//! ```
//!
//! A node executes an update when it is *settled*: known to be on every disk of the chain. So the state that it reads from never shows
//! anything that could still be lost, an update's answer is computed where its client waits, and what is in flight is
//! exactly what has to be said again to a new successor (the paper's *Sent*). All execute the same commands in the same order and
//! come to the same answers.

use std::collections::VecDeque;

use histories::{Micro, Operation, Scalar};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::parts::command::Command;
use crate::parts::json::Raw;
use crate::parts::store::Store;
use crate::specimen::Outcome;

/// An update with its number: the head counts from 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Update {
    /// Its place in the order.
    pub number: u64,
    /// What to execute.
    pub command: Command,
}

/// Where an update stands relative to what is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// It is the next one.
    Next,
    /// It is known already.
    Known,
    /// Others are missing before it.
    Gap,
}

/// See the [module](self).
#[derive(Debug, Default)]
pub struct History {
    state: Store,
    settled: u64,
    /// The updates after `floor`, without a gap. Some may be settled: a joiner needs them.
    log: VecDeque<Update>,
    floor: u64,
}

impl History {
    /// The state after so many updates, from its parts.
    pub fn restore(position: u64, parts: &[Raw]) -> Result<History, serde_json::Error> {
        Ok(History { state: Store::restore(parts)?, settled: position, log: VecDeque::new(), floor: position })
    }

    /// The number of the last update that it knows.
    pub fn last(&self) -> u64 {
        self.floor + self.log.len() as u64
    }

    /// The number of the last update that is in the state.
    pub fn settled(&self) -> u64 {
        self.settled
    }

    /// Where an update stands.
    pub fn fit(&self, update: &Update) -> Fit {
        match update.number {
            number if number == self.last() + 1 => Fit::Next,
            number if number <= self.last() => Fit::Known,
            _ => Fit::Gap,
        }
    }

    /// Takes the next update.
    pub fn push(&mut self, update: Update) {
        assert_eq!(self.fit(&update), Fit::Next, "updates are taken in their order");
        self.log.push_back(update);
    }

    /// The updates with numbers above one and up to another.
    pub fn between(&self, above: u64, up_to: u64) -> impl Iterator<Item = &Update> {
        let skip = above.saturating_sub(self.floor) as usize;
        self.log.iter().skip(skip).take_while(move |update| update.number <= up_to)
    }

    /// Executes what is settled now, and says what came of it.
    pub fn settle(&mut self, up_to: u64) -> Vec<(u64, Outcome)> {
        let up_to = up_to.min(self.last());
        let mut outcomes = Vec::new();
        while self.settled < up_to {
            self.settled += 1;
            let update = &self.log[(self.settled - self.floor - 1) as usize];
            outcomes.push((update.number, execute(&mut self.state, &update.command)));
        }
        outcomes
    }

    /// Forgets updates up to this number, as far as they are in the state.
    pub fn forget(&mut self, up_to: u64) {
        let up_to = up_to.min(self.settled);
        while self.floor < up_to {
            self.log.pop_front();
            self.floor += 1;
        }
    }

    /// Whether an update in flight touches what this operation reads.
    pub fn is_dirty(&self, operation: &Operation) -> bool {
        let wanted = keys(operation);
        let touches = |update: &Update| match &update.command {
            Command::Nothing => false,
            Command::Do(operation) => keys(operation).iter().any(|key| wanted.contains(key)),
        };
        self.between(self.settled, u64::MAX).any(touches)
    }

    /// What an operation that only reads finds in the state.
    pub fn read(&self, operation: &Operation) -> Outcome {
        found(&self.state, operation)
    }

    /// The state in parts: see [`Store::snapshot`]. At least one.
    pub fn snapshot(&self) -> Vec<Raw> {
        let parts = self.state.snapshot();
        if parts.is_empty() { vec![Raw::of::<[(); 0]>(&[])] } else { parts }
    }

    /// Everything this node holds, what is in flight included.
    pub fn dump(&self) -> Json {
        serde_json::from_str(self.ahead().dump().get()).expect("a dump is JSON")
    }

    /// The state as it would be if everything in flight were settled.
    fn ahead(&self) -> Store {
        let mut ahead = self.state.clone();
        for update in self.between(self.settled, u64::MAX) {
            execute(&mut ahead, &update.command);
        }
        ahead
    }

    /// What an operation would find if everything in flight were settled. For planted bugs: nobody may answer this.
    pub fn read_in_flight(&self, operation: &Operation) -> Outcome {
        found(&self.ahead(), operation)
    }

    /// Executes once more what is in the state already. For planted bugs.
    pub fn execute_again(&mut self, update: &Update) {
        if update.number <= self.settled {
            execute(&mut self.state, &update.command);
        }
    }
}

fn found(state: &Store, operation: &Operation) -> Outcome {
    let mut answer = Vec::new();
    match state.answer(operation, &mut answer) {
        Some(()) => done(answer),
        None => Outcome::NoEffect(format!("no read is named '{}'", operation.f())),
    }
}

fn execute(state: &mut Store, command: &Command) -> Outcome {
    let Command::Do(operation) = command else { return Outcome::done() };
    let mut answer = Vec::new();
    match state.execute(operation, &mut answer) {
        Ok(()) => done(answer),
        Err(refusal) => Outcome::NoEffect(refusal.to_string()),
    }
}

fn done(answer: Vec<u8>) -> Outcome {
    let text = String::from_utf8(answer).expect("answers are UTF-8");
    Outcome::Done(Raw::parse(text).expect("answers are JSON"))
}

/// What an operation reads or writes. A store of one object only has the key `null`.
fn keys(operation: &Operation) -> Vec<&Scalar> {
    match operation {
        Operation::Txn(micros) => micros.iter().map(Micro::key).collect(),
        other => vec![other.key().unwrap_or(&Scalar::Null)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(number: u64, key: &str, value: i64) -> Update {
        let operation = Operation::Write { key: Some(key.into()), value: value.into() };
        Update { number, command: Command::Do(operation) }
    }

    fn read(key: &str) -> Operation {
        Operation::Read { key: Some(key.into()), value: None }
    }

    fn three() -> History {
        let mut history = History::default();
        for (number, key) in [(1, "x"), (2, "y"), (3, "x")] {
            history.push(write(number, key, number as i64));
        }
        history
    }

    #[test]
    fn what_is_in_flight_is_known_and_not_read() {
        let mut history = three();
        assert_eq!(history.settle(2).len(), 2);
        assert_eq!((history.settled(), history.last()), (2, 3));
        assert!(history.is_dirty(&read("x")) && !history.is_dirty(&read("y")));
        assert_eq!(history.read(&read("x")), Outcome::Done(Raw::of(&serde_json::json!({ "register": 1 }))));
        assert_eq!(history.dump(), serde_json::json!({ "x": 3, "y": 2 }));
        assert_eq!(history.settle(9).len(), 1, "not more than there is");
        assert!(!history.is_dirty(&read("x")));
    }

    #[test]
    fn an_update_fits_or_is_known_or_leaves_a_gap() {
        let mut history = three();
        assert_eq!([3, 4, 5].map(|n| history.fit(&write(n, "x", 0))), [Fit::Known, Fit::Next, Fit::Gap]);
        history.settle(3);
        history.forget(2);
        assert_eq!([3, 4, 5].map(|n| history.fit(&write(n, "x", 0))), [Fit::Known, Fit::Next, Fit::Gap]);
        let numbers = |above, up_to| history.between(above, up_to).map(|u| u.number).collect::<Vec<_>>();
        assert_eq!((numbers(0, 9), numbers(3, 9), numbers(2, 2)), (vec![3], vec![], vec![]));
    }

    #[test]
    fn a_state_goes_over_whole() {
        let mut history = three();
        history.settle(3);
        let copy = History::restore(3, &history.snapshot()).expect("restores");
        assert_eq!((copy.last(), copy.dump()), (3, history.dump()));
        let nothing = History::default();
        assert_eq!(History::restore(0, &nothing.snapshot()).expect("restores").last(), 0);
    }
}
