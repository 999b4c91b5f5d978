//! Long histories of collections: a real structure, and clients whose operations take effect somewhere between their
//! beginning and their end.

use std::collections::{BinaryHeap, VecDeque};

use checkers::analysis::Analyzer;
use checkers::linearizability::collections::{counter, fifo_queue, list, priority_queue, queue, set, stack};
use histories::{Event, History, Kind, Process};

use super::{Answer, Call, Rng, Step, Structure, operation};

/// Each structure with what judges it; those that give items back come first.
pub const ALL: [(Analyzer, Structure); 8] = [
    (fifo_queue::check, Structure::Fifo),
    (queue::check, Structure::Bag),
    (priority_queue::check, Structure::Priority),
    (stack::check, Structure::Stack),
    (set::check, Structure::Members),
    (set::check, Structure::Growing),
    (counter::check, Structure::Counter),
    (list::check, Structure::List),
];

/// One copy of a structure, as fast as it can be.
struct Copy {
    structure: Structure,
    line: VecDeque<i64>,
    heap: BinaryHeap<i64>,
    count: i64,
}

impl Copy {
    fn size(&self) -> usize {
        self.line.len() + self.heap.len()
    }

    fn apply(&mut self, rng: &mut Rng, call: Call) -> Answer {
        use Structure::*;
        match (self.structure, call) {
            (Counter | Sums, Call::Put(by)) => {
                self.count += by;
                Answer::None
            }
            (Counter | Sums, _) => Answer::Number(self.count),
            (Priority, Call::Put(v)) => {
                self.heap.push(v);
                Answer::None
            }
            (Priority, Call::Take) => Answer::Item(self.heap.pop()),
            (_, Call::Put(v)) => {
                self.line.push_back(v);
                Answer::None
            }
            (Fifo, Call::Take) => Answer::Item(self.line.pop_front()),
            (Stack, Call::Take) => Answer::Item(self.line.pop_back()),
            (_, Call::Take) if self.line.is_empty() => Answer::Item(None),
            (_, Call::Take) => Answer::Item(self.line.swap_remove_back(rng.below(self.line.len()))),
            (_, Call::Remove(v)) => {
                self.line.retain(|x| *x != v);
                Answer::None
            }
            (_, Call::Contains(v)) => Answer::Found(self.line.contains(&v)),
            (_, Call::Drain) => Answer::All(self.line.drain(..).collect()),
            (_, Call::Read) => Answer::All(self.line.iter().copied().collect()),
        }
    }
}

/// How a long history looks.
#[derive(Clone, Copy)]
pub struct Long {
    pub structure: Structure,
    pub operations: usize,
    pub clients: usize,
    /// Of a thousand operations, how many end `info`.
    pub infos: usize,
    pub seed: u64,
}

struct Client {
    process: u32,
    /// What it does, and the answer once it has taken effect.
    open: Option<(Call, Option<Answer>)>,
}

struct Source {
    next: i64,
    recent: VecDeque<i64>,
}

impl Source {
    fn fresh(&mut self, structure: Structure, rng: &mut Rng) -> i64 {
        self.next += 1;
        let value = match structure {
            // Distinct, and in no order: an odd factor permutes the numbers below a power of two.
            Structure::Priority => (self.next as u64).wrapping_mul(0x9e37_79b1) as i64 & 0xffff_ffff,
            _ => self.next,
        };
        if self.recent.len() == 64 {
            self.recent.remove(rng.below(64));
        }
        self.recent.push_back(value);
        value
    }

    fn call(&mut self, structure: Structure, rng: &mut Rng, size: usize) -> Call {
        let known = |rng: &mut Rng, recent: &VecDeque<i64>| match recent.is_empty() {
            true => 0,
            false => recent[rng.below(recent.len())],
        };
        match (structure, rng.below(100)) {
            (Structure::Counter, n) => {
                if n < 50 {
                    Call::Put(1)
                } else {
                    Call::Read
                }
            }
            (Structure::Sums, n) => {
                if n < 50 {
                    Call::Put(1 + rng.below(9) as i64)
                } else {
                    Call::Read
                }
            }
            (Structure::List | Structure::Growing, n) if n > 98 && size < 2000 => Call::Read,
            (Structure::List | Structure::Growing, _) => Call::Put(self.fresh(structure, rng)),
            (Structure::Members, n) => match n {
                0..25 => Call::Put(self.fresh(structure, rng)),
                25..50 if !self.recent.is_empty() => {
                    let at = rng.below(self.recent.len());
                    Call::Remove(self.recent.remove(at).unwrap_or(0))
                }
                _ => Call::Contains(known(rng, &self.recent)),
            },
            (_, n) => {
                let puts = if size > 200 { 45 } else { 55 };
                if n < puts { Call::Put(self.fresh(structure, rng)) } else { Call::Take }
            }
        }
    }
}

/// Plays a history, event by event.
pub fn play(long: Long, mut event: impl FnMut(Step)) {
    let mut rng = Rng(long.seed);
    let mut copy = Copy { structure: long.structure, line: VecDeque::new(), heap: BinaryHeap::new(), count: 0 };
    let mut source = Source { next: 0, recent: VecDeque::new() };
    let mut clients: Vec<Client> = (0..long.clients as u32).map(|process| Client { process, open: None }).collect();
    let (mut begun, mut open, mut next_process) = (0, 0, long.clients as u32);
    while begun < long.operations || open > 0 {
        let at = rng.below(clients.len());
        let client = &mut clients[at];
        match client.open.take() {
            None if begun < long.operations => {
                let call = source.call(long.structure, &mut rng, copy.size());
                event(Step { process: client.process, kind: Kind::Invoke, call, answer: Answer::None });
                client.open = Some((call, None));
                begun += 1;
                open += 1;
            }
            None => {}
            // One that never takes effect ends `info` as well.
            Some((call, None)) if rng.below(3000) < long.infos => {
                open -= 1;
                event(Step { process: client.process, kind: Kind::Info, call, answer: Answer::None });
                client.process = next_process;
                next_process += 1;
            }
            Some((call, None)) => client.open = Some((call, Some(copy.apply(&mut rng, call)))),
            Some((call, Some(answer))) => {
                open -= 1;
                let info = rng.below(1000) < long.infos;
                let (kind, answer) = if info { (Kind::Info, Answer::None) } else { (Kind::Ok, answer) };
                event(Step { process: client.process, kind, call, answer });
                if info {
                    client.process = next_process;
                    next_process += 1;
                }
            }
        }
    }
}

/// The steps of a history.
pub fn steps(long: Long) -> Vec<Step> {
    let mut steps = Vec::new();
    play(long, |step| steps.push(step));
    steps
}

/// The history, without the steps in between.
pub fn history(long: Long) -> History {
    let mut history = History::new();
    let mut time = 0;
    play(long, |step| {
        history.push(&Event {
            time,
            process: Process(step.process),
            kind: step.kind,
            operation: operation(long.structure, step.call, &step.answer),
            node: None,
            session: None,
            error: None,
        });
        time += 1000;
    });
    history
}
