//! Clients that run side by side, one turn at a time.

use std::sync::Arc;

use histories::{Event, Kind, Operation, Process};

use super::level::Level;
use super::rng::Rng;
use super::rules::{Progress, Rules};
use super::shape::{Keys, Shape};
use super::store::Store;
use super::transaction::{Act, Step, Transaction};

/// What is to become of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// What the database says.
    Open,
    /// It is rolled back, and the client is told so.
    Fails,
    /// It is rolled back, or commits, and the client is not told.
    Untold,
    /// As before, rolled back for certain.
    UntoldFails,
    /// The client goes away before it begins.
    Later,
}

#[derive(Debug)]
struct Running {
    txn: Transaction,
    fate: Fate,
    progress: Progress,
}

#[derive(Debug)]
struct Client {
    process: u32,
    running: Option<Running>,
    floor: u32,
}

/// All clients of a database.
pub struct Clients<'a, S> {
    rules: Rules,
    shape: &'a Shape,
    sink: S,
    rng: Rng,
    store: Store,
    clients: Vec<Client>,
    /// Transactions whose clients are gone.
    ghosts: Vec<Transaction>,
    keys: Pool,
    nodes: Vec<Arc<str>>,
    processes: u32,
    invoked: u64,
    time: u64,
}

impl<'a, S: FnMut(Event)> Clients<'a, S> {
    /// None of which has done anything.
    pub fn new(level: Level, shape: &'a Shape, sink: S) -> Self {
        let processes = shape.processes.max(1);
        Clients {
            rules: Rules { level, workload: shape.workload },
            sink,
            rng: Rng(shape.seed),
            store: Store::new(if level.is_replicated() { shape.replicas.clamp(1, 4) as usize } else { 0 }),
            clients: (0..processes).map(|process| Client { process, running: None, floor: 0 }).collect(),
            ghosts: Vec::new(),
            keys: Pool::new(shape.keys),
            nodes: (1..=shape.replicas.clamp(1, 4)).map(|i| format!("n{i}").into()).collect(),
            processes,
            invoked: 0,
            time: 0,
            shape,
        }
    }

    /// Until all operations are invoked and completed.
    pub fn run(mut self) {
        let mut busy = 0;
        while self.invoked < self.shape.transactions || busy > 0 {
            let i = self.rng.below(self.clients.len() as u64) as usize;
            let was = self.clients[i].running.is_some();
            self.turn(i);
            busy += usize::from(self.clients[i].running.is_some());
            busy -= usize::from(was);
            self.background();
        }
    }

    fn turn(&mut self, i: usize) {
        match self.clients[i].running.take() {
            None if self.invoked < self.shape.transactions => self.invoke(i),
            None => {}
            Some(running) if running.fate == Fate::Later => {
                self.complete(i, &running.txn, Kind::Info);
                self.ghosts.push(running.txn);
            }
            Some(mut running) if running.progress == Progress::Going => {
                let doomed = matches!(running.fate, Fate::Fails | Fate::UntoldFails);
                running.progress = self.rules.advance(&mut running.txn, doomed, &mut self.store, &mut self.rng);
                self.clients[i].running = Some(running);
            }
            Some(running) => {
                let kind = match (running.fate, running.progress) {
                    (Fate::Untold | Fate::UntoldFails, _) => Kind::Info,
                    (_, Progress::Committed) => Kind::Ok,
                    _ => Kind::Fail,
                };
                self.complete(i, &running.txn, kind);
            }
        }
    }

    /// What goes on without clients: the replicas, and whoever was left alone.
    fn background(&mut self) {
        if self.rules.level.is_replicated() {
            self.store.deliver(&mut self.rng);
        }
        if self.ghosts.is_empty() || self.rng.below(8) > 0 {
            return;
        }
        let i = self.rng.below(self.ghosts.len() as u64) as usize;
        let progress = self.rules.advance(&mut self.ghosts[i], false, &mut self.store, &mut self.rng);
        if progress != Progress::Going {
            self.ghosts.swap_remove(i);
        }
    }

    fn invoke(&mut self, i: usize) {
        let replica = i % self.nodes.len();
        let txn = Transaction {
            id: self.invoked,
            steps: self.steps(),
            done: 0,
            view: None,
            replica,
            floor: self.clients[i].floor,
            pinned: Vec::new(),
            waits: 0,
        };
        self.invoked += 1;
        let question = txn.operation(self.shape.workload, false);
        self.emit(self.clients[i].process, Kind::Invoke, question, replica);
        let fate = self.fate(&txn);
        self.clients[i].running = Some(Running { txn, fate, progress: Progress::Going });
    }

    fn fate(&mut self, txn: &Transaction) -> Fate {
        // A compare-and-set that fails says what the register held, so the database alone may decide that.
        let is_cas = matches!(txn.steps.first(), Some(Step { act: Act::Cas(..), .. }));
        match self.rng.below(1000) {
            x if x < u64::from(self.shape.info_permille) => {
                *self.rng.pick(&[Fate::Untold, Fate::UntoldFails, Fate::Later])
            }
            _ if !is_cas && self.rng.permille(self.shape.fail_permille) => Fate::Fails,
            _ => Fate::Open,
        }
    }

    fn steps(&mut self) -> Vec<Step> {
        let (low, high) = (*self.shape.micros.start(), *self.shape.micros.end());
        let count = low + self.rng.below(u64::from(high.saturating_sub(low)) + 1) as u32;
        (0..count.max(1)).map(|_| self.a_step()).collect()
    }

    fn a_step(&mut self) -> Step {
        let workload = self.shape.workload;
        let writes = self.rng.percent(self.shape.writes_percent);
        if !writes {
            let act = if workload.takes() { Act::Take } else { Act::Read };
            return Step { key: self.keys.any(&mut self.rng), act, answer: None };
        }
        let (key, value) = self.keys.next(&mut self.rng);
        let act = match workload {
            w if w.takes() => Act::Put(value),
            super::Workload::CasRegister if self.rng.percent(50) => {
                let newest = self.store.object(key).newest();
                let guess = 1 + self.rng.below(value as u64) as i64;
                Act::Cas(if self.rng.percent(80) { newest } else { Some(guess) }, value)
            }
            _ => Act::Write(value),
        };
        Step { key, act, answer: None }
    }

    fn complete(&mut self, i: usize, txn: &Transaction, kind: Kind) {
        let operation = txn.operation(self.shape.workload, kind == Kind::Ok);
        self.emit(self.clients[i].process, kind, operation, txn.replica);
        let client = &mut self.clients[i];
        if kind == Kind::Info {
            client.process = self.processes;
            client.floor = 0;
            self.processes += 1;
        } else {
            client.floor = client.floor.max(txn.floor);
        }
    }

    fn emit(&mut self, process: u32, kind: Kind, operation: Operation, replica: usize) {
        self.time += 1 + self.rng.below(2000);
        let node = self.rules.level.is_replicated().then(|| self.nodes[replica].clone());
        let error = match kind {
            Kind::Invoke | Kind::Ok => None,
            Kind::Fail => Some("aborted".into()),
            Kind::Info => Some("timeout".into()),
        };
        (self.sink)(Event { time: self.time, process: Process(process), kind, operation, node, session: None, error });
    }
}

/// The objects, and the values written to each: 1, 2, 3, …
struct Pool {
    keys: Keys,
    /// Name and number of writes.
    active: Vec<(u32, u32)>,
    next: u32,
}

impl Pool {
    fn new(keys: Keys) -> Pool {
        let (Keys::Rotating { active: count, .. } | Keys::Fixed(count)) = keys;
        let count = count.max(1);
        Pool { keys, active: (0..count).map(|key| (key, 0)).collect(), next: count }
    }

    fn any(&self, rng: &mut Rng) -> u32 {
        rng.pick(&self.active).0
    }

    fn next(&mut self, rng: &mut Rng) -> (u32, i64) {
        let i = rng.below(self.active.len() as u64) as usize;
        let limit = if let Keys::Rotating { writes, .. } = self.keys { writes.max(1) } else { u32::MAX };
        if self.active[i].1 >= limit {
            self.active[i] = (self.next, 0);
            self.next += 1;
        }
        self.active[i].1 += 1;
        (self.active[i].0, i64::from(self.active[i].1))
    }
}
