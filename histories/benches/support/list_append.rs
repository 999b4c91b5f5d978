//! A serial store of lists and its clients: the list-append history of any length, event by event.
//!
//! Twenty processes run transactions of one to four steps, half of them reads, over ten keys; a key that has had its
//! 32 appends is retired for a new one, as Elle's generator does it. Elements are counted from 1 in each key. One
//! transaction in a hundred ends `info`, and its process goes on under a new number.

use histories::{Event, Kind, Micro, Operation, Process, Scalar, Value};

const PROCESS_COUNT: u64 = 20;
const ACTIVE_KEY_COUNT: u64 = 10;
const APPENDS_PER_KEY: i64 = 32;

/// See the [module](self).
pub struct ListAppend {
    state: u64,
    time: u64,
    /// The number of each process and what it has open.
    processes: Vec<(u32, Option<Vec<Micro>>)>,
    next_process: u32,
    active: Vec<Active>,
    next_key: i64,
    left: usize,
}

/// A key that transactions are drawn from: its name, how many elements were handed out, and what the list holds.
struct Active {
    key: i64,
    drawn: i64,
    list: Vec<Scalar>,
}

impl ListAppend {
    /// As many events; a transaction has two.
    pub fn new(events: usize) -> Self {
        let active = |key| Active { key, drawn: 0, list: Vec::new() };
        ListAppend {
            state: 42,
            time: 0,
            processes: (0..PROCESS_COUNT as u32).map(|process| (process, None)).collect(),
            next_process: PROCESS_COUNT as u32,
            active: (0..ACTIVE_KEY_COUNT as i64).map(active).collect(),
            next_key: ACTIVE_KEY_COUNT as i64,
            left: events,
        }
    }

    fn invoke(&mut self) -> Vec<Micro> {
        let steps = 1 + self.below(4);
        (0..steps).map(|_| self.draw()).collect()
    }

    fn draw(&mut self) -> Micro {
        let i = self.below(ACTIVE_KEY_COUNT) as usize;
        if self.below(2) == 0 {
            return Micro::Read { key: self.active[i].key.into(), value: None };
        }
        if self.active[i].drawn == APPENDS_PER_KEY {
            self.active[i] = Active { key: self.next_key, drawn: 0, list: Vec::new() };
            self.next_key += 1;
        }
        self.active[i].drawn += 1;
        Micro::Append { key: self.active[i].key.into(), value: self.active[i].drawn.into() }
    }

    /// Executes a step. What is done to a retired key is not seen by anyone.
    fn execute(&mut self, step: Micro) -> Micro {
        let key = step.key().clone();
        let active = self.active.iter_mut().find(|active| Scalar::Int(active.key) == key);
        match (step, active) {
            (Micro::Read { key, .. }, active) => {
                let list = active.map_or(Vec::new(), |active| active.list.clone());
                Micro::Read { key, value: Some(Value::List(list)) }
            }
            (Micro::Append { key, value }, Some(active)) => {
                active.list.push(value.clone());
                Micro::Append { key, value }
            }
            (other, _) => other,
        }
    }

    /// A number below `n`, by SplitMix64.
    fn below(&mut self, n: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

impl Iterator for ListAppend {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        self.left = self.left.checked_sub(1)?;
        self.time += 1 + self.below(100_000);
        let i = self.below(PROCESS_COUNT) as usize;
        let process = Process(self.processes[i].0);
        let (kind, micros) = match self.processes[i].1.take() {
            None => {
                let micros = self.invoke();
                self.processes[i].1 = Some(micros.clone());
                (Kind::Invoke, micros)
            }
            Some(micros) if self.below(100) == 0 => {
                self.processes[i].0 = self.next_process;
                self.next_process += 1;
                (Kind::Info, micros)
            }
            Some(micros) => (Kind::Ok, micros.into_iter().map(|step| self.execute(step)).collect()),
        };
        let error = (kind == Kind::Info).then(|| "timeout".into());
        let operation = Operation::Txn(micros);
        Some(Event { time: self.time, process, kind, operation, node: None, session: None, error })
    }
}
