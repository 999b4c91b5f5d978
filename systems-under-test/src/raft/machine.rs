//! The state machine: the store, and for each client the last request that was executed for it.
//!
//! A client that hears nothing cannot know whether its request was executed, and asks again, the same node or another. So the request
//! may be in the log twice. The machine executes it once: it remembers per client the number of the last request and what came of it, and
//! when that number comes again it gives the same answer (Ongaro's thesis, section 6.3). A client has one request at a time, so one
//! answer per client is enough. The table is state like any other: it must be in every snapshot.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::bugs::Bug;
use super::log::{Content, Entry, Mark};
use super::members::Members;
use crate::parts::command::Command;
use crate::parts::json::Raw;
use crate::parts::store::Store;
use crate::specimen::{Garbage, Outcome, Planted};

/// The last request of a client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Last {
    number: u64,
    outcome: Outcome,
}

/// The state after a prefix of the log, with everything needed to go on from there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The last entry that is in it.
    pub last: Mark,
    /// The members by then.
    pub members: Members,
    /// The last request of each client.
    sessions: Raw,
    /// The store.
    state: Vec<Raw>,
}

/// See the [module](self).
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// The position of the last entry that was executed.
    pub applied: u64,
    store: Store,
    sessions: BTreeMap<u64, Last>,
    bug: Planted<Bug>,
}

impl Machine {
    /// Nothing was executed yet.
    pub fn new(bug: Planted<Bug>) -> Machine {
        Machine { bug, ..Machine::default() }
    }

    /// Executes the next entry.
    pub fn execute(&mut self, entry: &Entry) -> Outcome {
        self.applied += 1;
        let Content::Command(Command::Do(operation)) = &entry.content else { return Outcome::done() };
        // Bug: what was executed already is executed again.
        let request = entry.request.filter(|_| !self.bug.is(Bug::RetryExecutedTwice));
        if let Some(last) = request.and_then(|request| self.sessions.get(&request.client).zip(Some(request)))
            && last.0.number >= last.1.number
        {
            let same = last.0.number == last.1.number;
            return if same { last.0.outcome.clone() } else { Outcome::Unknown("an older request".to_owned()) };
        }
        let mut found = Vec::new();
        let outcome = match self.store.execute(operation, &mut found) {
            Ok(()) => done(found),
            Err(refusal) => Outcome::NoEffect(refusal.to_string()),
        };
        if let Some(request) = request {
            self.sessions.insert(request.client, Last { number: request.number, outcome: outcome.clone() });
        }
        outcome
    }

    /// Answers what only reads.
    pub fn read(&self, operation: &histories::Operation) -> Outcome {
        let mut found = Vec::new();
        match self.store.answer(operation, &mut found) {
            Some(()) => done(found),
            None => Outcome::NoEffect(format!("{} does more than read", operation.f())),
        }
    }

    /// Everything, with the mark of the last entry and the members that belong to it.
    pub fn snapshot(&self, last: Mark, members: Members) -> Snapshot {
        Snapshot { last, members, sessions: Raw::of(&self.sessions), state: self.store.snapshot() }
    }

    /// Becomes what the snapshot says.
    pub fn restore(&mut self, snapshot: &Snapshot) -> Result<(), Garbage> {
        let garbage = |error: serde_json::Error| Garbage(error.to_string());
        self.sessions = serde_json::from_str(snapshot.sessions.get()).map_err(garbage)?;
        self.store = Store::restore(&snapshot.state).map_err(garbage)?;
        self.applied = snapshot.last.position;
        Ok(())
    }

    /// What replicas are compared by.
    pub fn dump(&self) -> serde_json::Value {
        serde_json::from_str(self.store.dump().get()).expect("a dump is JSON")
    }
}

fn done(found: Vec<u8>) -> Outcome {
    let text = String::from_utf8(found).expect("JSON is UTF-8");
    Outcome::Done(Raw::parse(text).expect("what was written as JSON is JSON"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::specimen::RequestId;
    use histories::Operation;

    fn increment(number: u64) -> Entry {
        let command = Command::Do(Operation::Increment { key: Some("c".into()), by: 1 });
        let request = Some(RequestId { client: 7, number });
        Entry { term: 1, request, content: Content::Command(command) }
    }

    fn count(machine: &Machine) -> Outcome {
        machine.read(&Operation::Read { key: Some("c".into()), value: None })
    }

    #[test]
    fn a_request_that_comes_again_is_answered_and_not_executed_also_after_a_snapshot() {
        let mut machine = Machine::new(Planted::default());
        assert_eq!(machine.execute(&increment(1)), Outcome::done());
        let mark = Mark { term: 1, position: 1 };
        let snapshot = machine.snapshot(mark, Members::first(1));
        let mut other = Machine::new(Planted::default());
        other.restore(&snapshot).expect("restores");
        for machine in [&mut machine, &mut other] {
            assert_eq!(machine.execute(&increment(1)), Outcome::done());
            assert_eq!(count(machine), done(br#"{"counter":1}"#.to_vec()));
            machine.execute(&increment(2));
            assert!(matches!(machine.execute(&increment(1)), Outcome::Unknown(_)), "nobody waits for that one");
            assert_eq!(count(machine), done(br#"{"counter":2}"#.to_vec()));
            assert_eq!(machine.applied, 4);
        }
    }
}
