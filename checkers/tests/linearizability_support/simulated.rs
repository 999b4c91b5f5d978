//! Clients of a register that takes each operation at one random moment, and sometimes lies.

use histories::{Event, Kind, Operation, Scalar, Value};

use super::{Rng, event, int};

/// How a history looks. Percentages.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub clients: usize,
    pub operations: usize,
    pub keys: usize,
    /// Values are drawn from 1 to this; 0 for values that are all different.
    pub values: usize,
    pub reads: usize,
    pub cas: usize,
    /// Operations that end `info`.
    pub infos: f64,
    /// Answers that are drawn instead of read.
    pub lies: f64,
    /// How often something ends or takes effect rather than begins; 50 keeps half of the clients busy.
    pub haste: usize,
    /// Operations left open at the end.
    pub open: bool,
    /// Failures that give no reason.
    pub silent: usize,
}

impl Shape {
    pub fn busy(clients: usize, operations: usize) -> Shape {
        Shape {
            clients,
            operations,
            keys: 1,
            values: 0,
            reads: 50,
            cas: 0,
            infos: 0.0,
            lies: 0.0,
            haste: 0,
            open: false,
            silent: 0,
        }
    }
}

struct Open {
    process: u32,
    key: usize,
    does: Does,
    /// What it found, once it has taken effect.
    found: Option<i64>,
}

#[derive(Clone, Copy)]
enum Does {
    Read,
    Write(i64),
    Cas(i64, i64),
}

struct Store<'r> {
    rng: &'r mut Rng,
    shape: Shape,
    state: Vec<i64>,
    written: Vec<Vec<i64>>,
    next: i64,
    events: Vec<Event>,
    open: Vec<Open>,
    idle: Vec<u32>,
    next_process: u32,
}

/// A history of this shape; without lies it is linearizable.
pub fn registers(rng: &mut Rng, shape: Shape) -> Vec<Event> {
    let mut store = Store {
        rng,
        shape,
        state: vec![0; shape.keys],
        written: vec![vec![0]; shape.keys],
        next: 0,
        events: Vec::with_capacity(2 * shape.operations),
        open: Vec::new(),
        idle: (0..shape.clients as u32).rev().collect(),
        next_process: shape.clients as u32,
    };
    let mut left = shape.operations;
    while left > 0 || !store.open.is_empty() {
        let full = store.idle.is_empty() || left == 0;
        let waits = store.rng.percent(shape.haste) && !store.open.is_empty();
        if !full && !waits {
            left -= 1;
            store.begin();
        } else if left == 0 && shape.open && store.rng.percent(30) {
            break;
        } else {
            let i = store.rng.below(store.open.len());
            store.proceed(i);
        }
    }
    store.events
}

impl Store<'_> {
    fn begin(&mut self) {
        let at = self.rng.below(self.idle.len());
        let process = self.idle.swap_remove(at);
        let key = self.rng.below(self.shape.keys);
        let choice = self.rng.below(100);
        let does = match choice {
            c if c < self.shape.reads => Does::Read,
            c if c < self.shape.reads + self.shape.cas => {
                let old = match self.rng.below(3) {
                    0 => self.known(key),
                    _ => self.state[key],
                };
                Does::Cas(old, self.value(key))
            }
            _ => Does::Write(self.value(key)),
        };
        self.push(process, Kind::Invoke, key, does, None);
        self.open.push(Open { process, key, does, found: None });
    }

    fn known(&mut self, key: usize) -> i64 {
        let recent = self.written[key].len().min(4 * self.shape.clients);
        let at = self.written[key].len() - 1 - self.rng.below(recent);
        self.written[key][at]
    }

    fn value(&mut self, key: usize) -> i64 {
        let value = match self.shape.values {
            0 => {
                self.next += 1;
                self.next
            }
            n => 1 + self.rng.below(n) as i64,
        };
        self.written[key].push(value);
        value
    }

    /// Takes effect, or ends if it has.
    fn proceed(&mut self, i: usize) {
        let chance = |rng: &mut Rng, p: f64| (rng.next() >> 11) as f64 / (1u64 << 53) as f64 * 100.0 < p;
        let uncertain = chance(self.rng, self.shape.infos);
        if self.open[i].found.is_none() && !(uncertain && self.rng.percent(50)) {
            let (key, does) = (self.open[i].key, self.open[i].does);
            let found = self.state[key];
            self.open[i].found = Some(found);
            match does {
                Does::Read => {}
                Does::Write(v) => self.state[key] = v,
                Does::Cas(old, new) if old == found => self.state[key] = new,
                Does::Cas(..) => {}
            }
            if !self.rng.percent(50) {
                return;
            }
        }
        let mut open = self.open.swap_remove(i);
        if chance(self.rng, self.shape.lies) {
            open.found = Some(self.known(open.key));
        }
        self.end(open, uncertain);
    }

    fn end(&mut self, open: Open, uncertain: bool) {
        if uncertain {
            self.push(open.process, Kind::Info, open.key, open.does, None);
            self.idle.push(self.next_process);
            self.next_process += 1;
            return;
        }
        let kind = match (open.does, open.found) {
            (Does::Cas(old, _), found) if found != Some(old) => Kind::Fail,
            _ => Kind::Ok,
        };
        self.push(open.process, kind, open.key, open.does, open.found);
        self.idle.push(open.process);
    }

    fn push(&mut self, process: u32, kind: Kind, key: usize, does: Does, found: Option<i64>) {
        let key = (self.shape.keys > 1).then_some(Scalar::Int(key as i64));
        let operation = match does {
            Does::Read => Operation::Read { key, value: found.map(|v| Value::Scalar(int(v))) },
            Does::Write(v) => Operation::Write { key, value: int(v) },
            Does::Cas(old, new) => Operation::Cas { key, old: int(old), new: int(new) },
        };
        let mut event = event(process, kind, operation, self.events.len());
        if kind == Kind::Fail && !self.rng.percent(self.shape.silent) {
            event.error = Some("mismatch".into());
        }
        self.events.push(event);
    }
}
