//! Simulated stores: a leader with a log and followers that apply it in order, with or without planted faults.
//!
//! Every operation takes effect on the leader at some moment between its invocation and its completion, or, when it
//! ends `info`, at some moment after its invocation or never. Reads are answered by the leader, by any replica, or
//! by the one that a session sticks to.

use std::collections::BTreeMap;
use std::sync::Arc;

use histories::{Event, Kind, Micro, Operation, Process, Scalar, Value};

use super::Rng;

/// Who answers reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFrom {
    Leader,
    Any,
    /// The replica that the session's number chooses.
    Sticky,
    /// Each key of a transaction by any replica.
    AnyPerKey,
}

/// What is wrong with a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// At a failover the leader's unreplicated tail is lost.
    LosesTail,
    /// Some updates of the log are applied twice.
    AppliesTwice,
    /// Some acknowledged updates never reach the log.
    SkipsUpdates,
    /// Some refused updates are done all the same.
    DoesRefused,
    /// Followers apply some updates in the wrong order.
    Reorders,
    /// One follower never catches up.
    StuckFollower,
    /// Removed elements come back at the end.
    BringsBack,
}

/// How a run looks.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    pub read_from: ReadFrom,
    pub bug: Option<Bug>,
    pub operations: usize,
    pub replicas: usize,
    pub processes: usize,
    pub infos: usize,
    pub fails: usize,
    /// Dumps in the end, besides final reads.
    pub dumps: bool,
    /// Time between two events once everything is healed, in milliseconds.
    pub recovery_ms: u64,
}

impl Run {
    pub fn reading_from(read_from: ReadFrom) -> Run {
        Run {
            read_from,
            bug: None,
            operations: 1200,
            replicas: 3,
            processes: 6,
            infos: 3,
            fails: 3,
            dumps: true,
            recovery_ms: 1,
        }
    }

    pub fn with(self, bug: Bug) -> Run {
        Run { bug: Some(bug), ..self }
    }
}

/// What a replica holds.
#[derive(Clone, Default, PartialEq)]
struct State {
    lists: BTreeMap<String, Vec<i64>>,
    sets: BTreeMap<String, Vec<i64>>,
    registers: BTreeMap<String, i64>,
    counters: BTreeMap<String, i64>,
}

#[derive(Clone, Debug)]
enum Update {
    Append(String, i64),
    Add(String, i64),
    Remove(String, i64),
    Write(String, i64),
    Increment(String, i64),
}

impl State {
    fn apply(&mut self, update: &Update) {
        match update.clone() {
            Update::Append(k, v) => self.lists.entry(k).or_default().push(v),
            Update::Add(k, v) => {
                let set = self.sets.entry(k).or_default();
                if !set.contains(&v) {
                    set.push(v);
                }
            }
            Update::Remove(k, v) => self.sets.entry(k).or_default().retain(|x| *x != v),
            Update::Write(k, v) => {
                self.registers.insert(k, v);
            }
            Update::Increment(k, by) => *self.counters.entry(k).or_insert(0) += by,
        }
    }

    fn read(&self, key: &str) -> Value {
        let list = |l: Option<&Vec<i64>>| Value::List(l.into_iter().flatten().map(|v| (*v).into()).collect());
        let number = |n: Option<&i64>| Value::Scalar(n.map_or(Scalar::Null, |n| (*n).into()));
        match &key[..1] {
            "l" => list(self.lists.get(key)),
            "s" => list(self.sets.get(key)),
            "r" => number(self.registers.get(key)),
            _ => number(self.counters.get(key)),
        }
    }
}

struct Replica {
    state: State,
    applied: usize,
}

struct Open {
    process: u32,
    session: u32,
    operation: Operation,
    /// It took effect: the answer, and whether it was refused.
    answer: Option<(Operation, bool)>,
    node: usize,
}

/// A run, and what is known of it from inside.
pub struct Recorded {
    pub events: Vec<Event>,
    /// Acknowledged appends that the store has lost.
    pub lost: u64,
}

pub const LISTS: [&str; 3] = ["l1", "l2", "l3"];
const SETS: [&str; 2] = ["s1", "s2"];
const REGISTERS: [&str; 3] = ["r1", "r2", "r3"];
const COUNTERS: [&str; 1] = ["c1"];

struct Sim<'r> {
    rng: &'r mut Rng,
    run: Run,
    events: Vec<Event>,
    time: u64,
    log: Vec<Update>,
    replicas: Vec<Replica>,
    /// Operations that ended `info` and may still take effect.
    ghosts: Vec<Operation>,
    next_value: i64,
    acknowledged: Vec<(String, i64)>,
}

/// A run of a simulated store, with the events of the harness around it.
pub fn record(rng: &mut Rng, run: Run) -> Recorded {
    let replicas = (0..run.replicas).map(|_| Replica { state: State::default(), applied: 0 }).collect();
    let mut sim = Sim {
        rng,
        run,
        events: Vec::new(),
        time: 0,
        log: Vec::new(),
        replicas,
        ghosts: Vec::new(),
        next_value: 0,
        acknowledged: Vec::new(),
    };
    sim.nemesis("phase", "faults".into());
    sim.nemesis("cut", serde_json::json!(["n1", "n2"]));
    sim.clients(run.operations, true);
    sim.core_was_alone();
    sim.nemesis("heal-all", serde_json::Value::Null);
    sim.time += run.recovery_ms * 1_000_000;
    sim.nemesis("phase", "recovery".into());
    sim.clients(run.operations / 20, false);
    sim.catch_up();
    sim.nemesis("phase", "final-reads".into());
    sim.final_reads();
    sim.nemesis("phase", "end".into());
    let survived =
        |(key, value): &&(String, i64)| sim.replicas[0].state.lists.get(key).is_some_and(|list| list.contains(value));
    let lost = sim.acknowledged.iter().filter(|a| !survived(a)).count() as u64;
    Recorded { events: sim.events, lost }
}

impl Sim<'_> {
    fn nemesis(&mut self, f: &str, value: serde_json::Value) {
        let operation = Operation::Custom { f: f.into(), key: None, value };
        self.push(Process::NEMESIS, Kind::Info, operation, None, None);
    }

    /// Since a while before the last event all replicas have been healthy, and nobody else.
    fn core_was_alone(&mut self) {
        let place = self.events.len() - self.events.len() / 8;
        let time = self.events[place].time;
        let core: Vec<String> = (1..=self.run.replicas).map(|n| format!("n{n}")).collect();
        let value = serde_json::json!({ "core": core, "rest": [], "faults": [], "within_ms": 10_000 });
        let operation = Operation::Custom { f: "core".into(), key: None, value };
        let (process, kind, node, session) = (Process::NEMESIS, Kind::Info, None, None);
        self.events.insert(place, Event { time, process, kind, operation, node, session, error: None });
    }

    fn push(&mut self, process: Process, kind: Kind, operation: Operation, node: Option<usize>, session: Option<u32>) {
        self.time += 1_000_000;
        let node = node.map(|n| Arc::from(format!("n{}", n + 1)));
        self.events.push(Event { time: self.time, process, kind, operation, node, session, error: None });
    }

    fn clients(&mut self, operations: usize, faults: bool) {
        let first = self.events.len() as u32 * 100;
        let mut idle: Vec<(u32, u32)> = (0..self.run.processes as u32).map(|p| (first + p, p)).collect();
        let mut next_process = first + self.run.processes as u32;
        let mut open: Vec<Open> = Vec::new();
        let mut left = operations;
        while left > 0 || !open.is_empty() {
            self.replicate();
            if faults && left == operations / 2 && self.run.bug == Some(Bug::LosesTail) {
                self.failover();
            }
            if self.rng.percent(10) && !self.ghosts.is_empty() {
                let i = self.rng.below(self.ghosts.len());
                let ghost = self.ghosts.swap_remove(i);
                self.effect(&ghost, 0, 0);
            }
            if left > 0 && !idle.is_empty() && self.rng.percent(50) {
                left -= 1;
                let (process, session) = idle.swap_remove(self.rng.below(idle.len()));
                let operation = self.operation();
                let node = self.node_for(session);
                self.push(Process(process), Kind::Invoke, operation.clone(), None, Some(session));
                open.push(Open { process, session, operation, answer: None, node });
            } else if !open.is_empty() {
                let i = self.rng.below(open.len());
                if open[i].answer.is_none() && !self.rng.percent(8) {
                    open[i].answer = Some(self.effect(&open[i].operation.clone(), open[i].node, open[i].session));
                    continue;
                }
                let done = open.swap_remove(i);
                let session = done.session;
                let process = if self.end(done) { next_process } else { u32::MAX };
                if process == u32::MAX {
                    let last = self.events[self.events.len() - 1].process.0;
                    idle.push((last, session));
                } else {
                    next_process += 1;
                    idle.push((process, session));
                }
            }
        }
    }

    /// Whether its process is retired.
    fn end(&mut self, done: Open) -> bool {
        let process = Process(done.process);
        let session = Some(done.session);
        match done.answer {
            None if self.rng.percent(30) => {
                // It never reached the store.
                if self.run.bug == Some(Bug::DoesRefused) && self.rng.percent(30) {
                    self.effect(&done.operation, done.node, done.session);
                }
                self.push(process, Kind::Fail, done.operation, None, session);
                false
            }
            None => {
                self.ghosts.push(done.operation.clone());
                self.push(process, Kind::Info, done.operation, None, session);
                true
            }
            Some(_) if self.rng.percent(self.run.infos) => {
                self.push(process, Kind::Info, done.operation, None, session);
                true
            }
            Some((_, true)) => {
                self.push(process, Kind::Fail, done.operation, Some(done.node), session);
                false
            }
            Some((answer, false)) => {
                match &answer {
                    Operation::Append { key: Some(k), value: Scalar::Int(v) } => {
                        self.acknowledged.push((k.to_string(), *v));
                    }
                    Operation::Txn(micros) => {
                        for micro in micros {
                            if let Micro::Append { key, value: Scalar::Int(v) } = micro {
                                self.acknowledged.push((key.to_string(), *v));
                            }
                        }
                    }
                    _ => {}
                }
                self.push(process, Kind::Ok, answer, Some(done.node), session);
                false
            }
        }
    }

    fn node_for(&mut self, session: u32) -> usize {
        match self.run.read_from {
            ReadFrom::Leader => 0,
            ReadFrom::Any | ReadFrom::AnyPerKey => self.rng.below(self.run.replicas),
            ReadFrom::Sticky => session as usize % self.run.replicas,
        }
    }

    fn operation(&mut self) -> Operation {
        self.next_value += 1;
        let value: Scalar = self.next_value.into();
        let key = |name: &&'static str| Some(Scalar::from(*name));
        match self.rng.below(20) {
            0..=2 => Operation::Append { key: key(self.rng.pick(&LISTS)), value },
            3 => Operation::Add { key: key(self.rng.pick(&SETS)), value },
            4 if self.next_value > 10 && self.rng.percent(30) => {
                let known = (self.next_value - 1 - self.rng.below(10) as i64).into();
                Operation::Remove { key: key(&"s2"), value: known }
            }
            5 | 6 => Operation::Write { key: key(self.rng.pick(&REGISTERS)), value },
            7 => {
                let name = *self.rng.pick(&REGISTERS);
                let old = self.replicas[0].state.registers.get(name).map_or(Scalar::Null, |v| (*v).into());
                Operation::Cas { key: key(&name), old, new: value }
            }
            8 => {
                let by = if self.rng.percent(80) { 1 + self.rng.below(5) as i64 } else { -1 };
                Operation::Increment { key: key(self.rng.pick(&COUNTERS)), by }
            }
            9..=13 => {
                let all = [&LISTS[..], &SETS, &REGISTERS, &COUNTERS].concat();
                Operation::Read { key: key(self.rng.pick(&all)), value: None }
            }
            14..=17 => {
                let all = [&LISTS[..], &REGISTERS, &SETS[..1]].concat();
                let read = |name: &&str| Micro::Read { key: (*name).into(), value: None };
                let (a, b) = (*self.rng.pick(&all), *self.rng.pick(&all));
                Operation::Txn([a, b].iter().map(read).collect())
            }
            _ => {
                let (a, b) = (*self.rng.pick(&LISTS), *self.rng.pick(&REGISTERS));
                let mut micros = vec![
                    Micro::Read { key: b.into(), value: None },
                    Micro::Append { key: a.into(), value: value.clone() },
                    Micro::Write { key: b.into(), value },
                ];
                if self.run.read_from == ReadFrom::Sticky {
                    // It runs on the leader, and a session that sticks to another replica must not read there.
                    micros.remove(0);
                }
                Operation::Txn(micros)
            }
        }
    }

    /// Does it: the answer, and whether it is refused.
    fn effect(&mut self, operation: &Operation, node: usize, _session: u32) -> (Operation, bool) {
        let mut updates = Vec::new();
        let mut refused = false;
        let answer = match operation.clone() {
            Operation::Read { key: Some(key), .. } => {
                let value = Some(self.replicas[node].state.read(&key.to_string()));
                Operation::Read { key: Some(key), value }
            }
            Operation::Txn(micros) => {
                // A transaction that writes runs on the leader.
                let reads_only = micros.iter().all(|m| matches!(m, Micro::Read { .. }));
                let node = if reads_only { node } else { 0 };
                let mut own = self.replicas[node].state.clone();
                let steps = micros.into_iter().map(|micro| match micro {
                    Micro::Read { key, .. } => {
                        if self.run.read_from == ReadFrom::AnyPerKey && reads_only {
                            own = self.replicas[self.rng.below(self.run.replicas)].state.clone();
                        }
                        Micro::Read { value: Some(own.read(&key.to_string())), key }
                    }
                    Micro::Append { key, value } => {
                        updates.push(Update::Append(key.to_string(), int(&value)));
                        Micro::Append { key, value }
                    }
                    Micro::Write { key, value } => {
                        updates.push(Update::Write(key.to_string(), int(&value)));
                        Micro::Write { key, value }
                    }
                    other => other,
                });
                Operation::Txn(steps.collect())
            }
            Operation::Cas { key: Some(key), old, new } => {
                let now = self.replicas[0].state.read(&key.to_string());
                refused = now != Value::Scalar(old.clone());
                if !refused || self.run.bug == Some(Bug::DoesRefused) {
                    updates.push(Update::Write(key.to_string(), int(&new)));
                }
                Operation::Cas { key: Some(key), old, new }
            }
            other => {
                let key = other.key().map(Scalar::to_string).unwrap_or_default();
                updates.push(match &other {
                    Operation::Append { value, .. } => Update::Append(key, int(value)),
                    Operation::Add { value, .. } => Update::Add(key, int(value)),
                    Operation::Remove { value, .. } => Update::Remove(key, int(value)),
                    Operation::Write { value, .. } => Update::Write(key, int(value)),
                    Operation::Increment { by, .. } => Update::Increment(key, *by),
                    _ => return (other, false),
                });
                other
            }
        };
        if self.run.bug == Some(Bug::SkipsUpdates) && self.rng.percent(15) {
            return (answer, refused);
        }
        for update in &updates {
            self.write(update);
            if self.run.bug == Some(Bug::AppliesTwice) && self.rng.percent(5) {
                self.write(update);
            }
        }
        (answer, refused)
    }

    fn write(&mut self, update: &Update) {
        self.log.push(update.clone());
        self.replicas[0].state.apply(update);
        self.replicas[0].applied = self.log.len();
    }

    /// A follower applies some of what it lacks. What was done by one transaction is one step, as is what a read sees.
    fn replicate(&mut self) {
        let follower = 1 + self.rng.below(self.run.replicas - 1);
        if self.run.bug == Some(Bug::StuckFollower) && follower == 1 && self.log.len() > 20 {
            return;
        }
        let often = if follower == 1 { 10 } else { 20 };
        if self.rng.percent(often) {
            let n = 1 + self.rng.below(8);
            self.follow(follower, n);
        }
    }

    fn follow(&mut self, follower: usize, n: usize) {
        let replica = &mut self.replicas[follower];
        let until = (replica.applied + n).min(self.log.len());
        if replica.applied >= until {
            return;
        }
        let mut batch = self.log[replica.applied..until].to_vec();
        if self.run.bug == Some(Bug::Reorders) && batch.len() > 1 {
            batch.swap(0, 1);
        }
        for update in &batch {
            replica.state.apply(update);
        }
        replica.applied = until;
    }

    /// The follower that is furthest takes over, and the log ends where it was.
    fn failover(&mut self) {
        let furthest = (1..self.run.replicas).max_by_key(|r| self.replicas[*r].applied).unwrap_or(0);
        let end = self.replicas[furthest].applied;
        self.log.truncate(end);
        self.replicas[0] = Replica { state: self.replicas[furthest].state.clone(), applied: end };
        self.nemesis("kill", serde_json::json!(["n1"]));
    }

    fn catch_up(&mut self) {
        self.ghosts.clear();
        for follower in 1..self.run.replicas {
            if self.run.bug == Some(Bug::StuckFollower) && follower == 1 {
                continue;
            }
            while self.replicas[follower].applied < self.log.len() {
                self.follow(follower, 4);
            }
        }
        if self.run.bug == Some(Bug::BringsBack) {
            let removed: Vec<Update> = self
                .log
                .iter()
                .filter_map(|u| if let Update::Remove(k, v) = u { Some(Update::Add(k.clone(), *v)) } else { None })
                .collect();
            for replica in &mut self.replicas {
                removed.iter().for_each(|u| replica.state.apply(u));
            }
        }
    }

    fn final_reads(&mut self) {
        let first = self.events.len() as u32 * 100;
        for node in 0..self.run.replicas {
            let process = Process(first + node as u32);
            for name in [&LISTS[..], &SETS, &REGISTERS, &COUNTERS].concat() {
                let key = Some(Scalar::from(name));
                self.push(process, Kind::Invoke, Operation::Read { key: key.clone(), value: None }, Some(node), None);
                let value = Some(self.replicas[node].state.read(name));
                self.push(process, Kind::Ok, Operation::Read { key, value }, Some(node), None);
            }
            if self.run.dumps {
                let state = &self.replicas[node].state;
                let all = [&LISTS[..], &SETS, &REGISTERS, &COUNTERS].concat();
                let members: serde_json::Map<String, serde_json::Value> =
                    all.iter().map(|name| ((*name).to_owned(), state.read(name).to_json())).collect();
                let dump = Operation::Custom { f: "dump".into(), key: None, value: members.into() };
                self.push(Process::NEMESIS, Kind::Info, dump, Some(node), None);
            }
        }
    }
}

fn int(value: &Scalar) -> i64 {
    match value {
        Scalar::Int(i) => *i,
        _ => 0,
    }
}
