//! A whole cluster of one protocol in one thread: clock, network and disks are made up from a seed, and what the clients saw is a
//! history like any other. Seconds of cluster time take milliseconds, so that a protocol meets more storms in a minute than its processes
//! do in a day; and whatever happens under a seed happens again.
//!
//! It is crueller than a real network in what matters to a protocol: every message has a delay of its own, some are lost, some come
//! twice; flushes take their time, and a crash loses what was not flushed; clocks are off. It knows nothing of TCP, of
//! file systems or of the kernel: for those there are processes.
//!
//! ```
//! # use systems_under_test::specimen::simulation::{Chance, Weather};
//! let mut chance = Chance::new(7);
//! assert!(chance.below(10) < 10);
//! assert!(Weather::default().loss_percent < 100);
//! ```

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use histories::{Completion, Event, History, Kind, Operation, Process};
use serde_json::Value as Json;

use super::bundle::{Asker, Specimen};
use super::context::{Caller, mix};
use super::engine::{Act, Engine};
use super::errand::{Errand, Memory, Next, Said};
use super::wire::{Ask, Told};
use super::{Micros, Protocol, Seat};

/// Clocks begin here: microseconds since 1970.
const EPOCH: Micros = 1_700_000_000_000_000;

/// Draws from a seed.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// All draws follow from this.
    pub fn new(seed: u64) -> Chance {
        Chance(mix(seed))
    }

    /// Any number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below this one, which is not 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.draw() % bound
    }

    /// A number from one to the other, both included.
    pub fn between(&mut self, (least, most): (u64, u64)) -> u64 {
        least + self.below(most - least + 1)
    }

    /// Whether something happens that happens this often in a hundred times.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// How bad things are all the time, microseconds.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// Messages take this long, each for itself.
    pub delay: (Micros, Micros),
    /// So many in a hundred are lost.
    pub loss_percent: u64,
    /// So many in a hundred come twice.
    pub twice_percent: u64,
    /// A flush takes this long.
    pub flush: (Micros, Micros),
    /// A client waits this long for one operation.
    pub patience: Micros,
    /// A client thinks this long between two operations.
    pub think: (Micros, Micros),
}

impl Default for Weather {
    fn default() -> Self {
        Weather {
            delay: (200, 5_000),
            loss_percent: 2,
            twice_percent: 2,
            flush: (100, 3_000),
            patience: 1_000_000,
            think: (0, 20_000),
        }
    }
}

/// Something that happens at a moment.
#[derive(Debug)]
enum Happening<P: Protocol> {
    /// A message arrives.
    Message { from: usize, to: usize, message: P::Message },
    /// Records are on the disk of a node that was started so many times.
    Flushed { node: usize, start: u64, ticket: u64 },
    /// A node wanted to be called.
    Wake { node: usize, start: u64 },
    /// A client's question arrives.
    Asked { node: usize, client: usize, turn: u64, ask: Box<Ask> },
    /// An answer arrives.
    Told { client: usize, turn: u64, said: Box<Said> },
    /// A client goes on.
    Proceed { client: usize, turn: u64 },
}

struct Scheduled<P: Protocol>(Micros, u64, Happening<P>);

impl<P: Protocol> PartialEq for Scheduled<P> {
    fn eq(&self, other: &Self) -> bool {
        (self.0, self.1) == (other.0, other.1)
    }
}
impl<P: Protocol> Eq for Scheduled<P> {}
impl<P: Protocol> PartialOrd for Scheduled<P> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<P: Protocol> Ord for Scheduled<P> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.0, self.1).cmp(&(other.0, other.1))
    }
}

/// What was given to a disk, and which flush ends it.
struct Write<R> {
    ticket: u64,
    rewrite: bool,
    records: Vec<R>,
}

struct Machine<P: Protocol> {
    engine: Option<Engine<P>>,
    started: Micros,
    starts: u64,
    /// What is on the disk.
    durable: Vec<P::Record>,
    /// What is on its way there, oldest first.
    writing: Vec<Write<P::Record>>,
    disk_free: Micros,
    paused: bool,
    /// What came while it was paused.
    missed: Vec<Happening<P>>,
    clock_offset: i64,
    woken: Option<Micros>,
    callers: BTreeMap<Caller, (usize, u64)>,
    next_caller: u64,
}

/// Where the operations of clients come from.
pub trait Source {
    /// The next operation of a client, whose process has this number now; `None` when it has asked enough.
    fn next(&mut self, chance: &mut Chance, client: usize, process: Process) -> Option<Operation>;

    /// An operation ended this way.
    fn observe(&mut self, _client: usize, _process: Process, _asked: &Operation, _completion: &Completion) {}
}

impl<F: FnMut(&mut Chance, usize) -> Option<Operation>> Source for F {
    fn next(&mut self, chance: &mut Chance, client: usize, _: Process) -> Option<Operation> {
        self(chance, client)
    }
}

struct Walker {
    memory: Memory,
    errand: Option<Errand>,
    process: Process,
    /// Grows with each question, so that late answers and alarms are known as such.
    turn: u64,
    until: Micros,
}

/// See the [module](self).
pub struct Simulation<S: Specimen> {
    settings: <S::Protocol as Protocol>::Settings,
    names: Vec<String>,
    weather: Weather,
    /// The draws of the network and the disks.
    pub chance: Chance,
    now: Micros,
    order: u64,
    queue: BinaryHeap<Reverse<Scheduled<S::Protocol>>>,
    machines: Vec<Machine<S::Protocol>>,
    cut: Vec<Vec<bool>>,
    /// Clients that cannot reach a node, by node.
    hidden: Vec<bool>,
    clients: Vec<Walker>,
    source: Box<dyn Source>,
    next_process: u32,
    events: Vec<Event>,
    notes: Vec<(Micros, usize, String)>,
}

impl<S: Specimen> Simulation<S>
where
    <S::Protocol as Protocol>::Settings: Clone,
{
    /// A cluster of nodes that have just started, and no client yet.
    pub fn new(settings: <S::Protocol as Protocol>::Settings, node_count: usize, weather: Weather, seed: u64) -> Self {
        let machine = || Machine {
            engine: None,
            started: 0,
            starts: 0,
            durable: Vec::new(),
            writing: Vec::new(),
            disk_free: 0,
            paused: false,
            missed: Vec::new(),
            clock_offset: 0,
            woken: None,
            callers: BTreeMap::new(),
            next_caller: 0,
        };
        let mut simulation = Simulation {
            settings,
            names: (1..=node_count).map(|n| format!("n{n}")).collect(),
            weather,
            chance: Chance::new(seed),
            now: 0,
            order: 0,
            queue: BinaryHeap::new(),
            machines: (0..node_count).map(|_| machine()).collect(),
            cut: vec![vec![false; node_count]; node_count],
            hidden: vec![false; node_count],
            clients: Vec::new(),
            source: Box::new(|_: &mut Chance, _: usize| None),
            next_process: 0,
            events: Vec::new(),
            notes: Vec::new(),
        };
        (0..node_count).for_each(|node| simulation.start(node));
        simulation
    }

    /// Lets so many clients ask what `source` makes for them, until it makes nothing more.
    pub fn clients(&mut self, count: usize, source: impl Source + 'static) {
        self.source = Box::new(source);
        for _ in 0..count {
            let client = self.clients.len();
            let (process, memory) = self.fresh_process(client);
            self.clients.push(Walker { memory, errand: None, process, turn: 0, until: 0 });
            self.at(self.now, Happening::Proceed { client, turn: 0 });
        }
    }

    /// Lets the clients ask what this makes for them instead, as soon as their last operations have ended.
    pub fn turn_to(&mut self, source: impl Source + 'static) {
        self.source = Box::new(source);
        for client in 0..self.clients.len() {
            if self.clients[client].errand.is_none() {
                self.clients[client].turn += 1;
                let turn = self.clients[client].turn;
                self.at(self.now, Happening::Proceed { client, turn });
            }
        }
    }

    /// Writes an event of the nemesis into the history; with the name of a node, about that one.
    pub fn mark(&mut self, f: &str, value: Json, node: Option<usize>) {
        let operation = Operation::Custom { f: f.into(), key: None, value };
        let node = node.map(|node| self.names[node].as_str().into());
        let (time, process, kind) = (self.next_time(), Process::NEMESIS, Kind::Info);
        self.events.push(Event { time, process, kind, operation, node, session: None, error: None });
    }

    /// Two events are never at one moment.
    fn next_time(&self) -> u64 {
        self.events.last().map_or(0, |last| last.time + 1).max(self.now * 1000)
    }

    /// Microseconds since the start.
    pub fn now(&self) -> Micros {
        self.now
    }

    /// A node that is up.
    pub fn node(&self, node: usize) -> Option<&S::Protocol> {
        self.machines[node].engine.as_ref().map(Engine::protocol)
    }

    /// How many nodes there are.
    pub fn count(&self) -> usize {
        self.machines.len()
    }

    /// The first node that says it leads.
    pub fn leader(&self) -> Option<usize> {
        (0..self.count()).find(|node| self.node(*node).is_some_and(|n| n.state().leads == Some(true)))
    }

    /// The lines of all logs: when, who, what.
    pub fn notes(&self) -> &[(Micros, usize, String)] {
        &self.notes
    }

    /// Everything that each node holds; null for one that is down.
    pub fn dumps(&self) -> Vec<Json> {
        (0..self.count()).map(|node| self.node(node).map_or(Json::Null, Protocol::dump)).collect()
    }

    /// What the clients saw.
    pub fn history(&self) -> History {
        History::from_events(&self.events)
    }

    /// The events of that history.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Lets time pass.
    pub fn run(&mut self, duration: Micros) {
        let end = self.now + duration;
        while self.queue.peek().is_some_and(|Reverse(next)| next.0 <= end) {
            let Some(Reverse(Scheduled(at, _, what))) = self.queue.pop() else { break };
            self.now = self.now.max(at);
            self.happen(what);
        }
        self.now = end;
    }

    /// Cuts one direction of a link, or restores it.
    pub fn cut(&mut self, from: usize, to: usize, cut: bool) {
        self.cut[from][to] = cut;
    }

    /// Parts these nodes from the others, in both directions.
    pub fn part(&mut self, side: &[usize]) {
        for a in 0..self.count() {
            for b in 0..self.count() {
                self.cut[a][b] |= side.contains(&a) != side.contains(&b);
            }
        }
    }

    /// Hides a node from clients, or shows it.
    pub fn hide(&mut self, node: usize, hidden: bool) {
        self.hidden[node] = hidden;
    }

    /// Restores all links, resumes and starts all nodes, sets all clocks right.
    pub fn heal(&mut self) {
        self.cut.iter_mut().flatten().for_each(|cut| *cut = false);
        self.hidden.iter_mut().for_each(|hidden| *hidden = false);
        for node in 0..self.count() {
            self.machines[node].clock_offset = 0;
            self.resume(node);
            self.start(node);
        }
    }

    /// Ends a process. What it has written survives, flushed or not.
    pub fn kill(&mut self, node: usize) {
        let machine = &mut self.machines[node];
        for write in std::mem::take(&mut machine.writing) {
            put(&mut machine.durable, write);
        }
        self.down(node);
    }

    /// Ends a machine: of what it has written and not flushed an initial part survives.
    pub fn crash(&mut self, node: usize) {
        let machine = &mut self.machines[node];
        let survives = self.chance.below(machine.writing.len() as u64 + 1) as usize;
        for write in std::mem::take(&mut machine.writing).into_iter().take(survives) {
            put(&mut machine.durable, write);
        }
        self.down(node);
    }

    /// Empties a disk.
    pub fn wipe(&mut self, node: usize) {
        self.machines[node].durable.clear();
        self.machines[node].writing.clear();
    }

    fn down(&mut self, node: usize) {
        let machine = &mut self.machines[node];
        machine.engine = None;
        machine.paused = false;
        machine.missed.clear();
        machine.callers.clear();
    }

    /// Starts a node that is down.
    ///
    /// # Panics
    /// When it cannot make sense of its own records.
    pub fn start(&mut self, node: usize) {
        if self.machines[node].engine.is_some() {
            return;
        }
        let seat = Seat { me: node, names: self.names.clone() };
        let random = self.chance.draw();
        let machine = &mut self.machines[node];
        machine.started = self.now;
        machine.starts += 1;
        machine.disk_free = self.now;
        machine.woken = None;
        let wall = (EPOCH + self.now).saturating_add_signed(machine.clock_offset);
        let kept = machine.durable.clone();
        let engine = Engine::start(seat, self.settings.clone(), kept, (0, wall), random);
        machine.engine = Some(engine.unwrap_or_else(|error| panic!("{}: {error}", self.names[node])));
        self.turn(node);
    }

    /// Stops a process where it stands.
    pub fn pause(&mut self, node: usize) {
        self.machines[node].paused = self.machines[node].engine.is_some();
    }

    /// Lets it go on.
    pub fn resume(&mut self, node: usize) {
        self.machines[node].paused = false;
        for missed in std::mem::take(&mut self.machines[node].missed) {
            self.happen(missed);
        }
        if self.machines[node].engine.is_some() {
            self.turn(node);
        }
    }

    /// Sets a node's clock off by so many microseconds.
    pub fn skew(&mut self, node: usize, offset: i64) {
        self.machines[node].clock_offset = offset;
    }

    /// An operator's order to a node that is up.
    pub fn order(&mut self, node: usize, words: &[&str]) -> Option<Result<String, String>> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let (now, wall) = self.time(node);
        let result = self.machines[node].engine.as_mut()?.order(now, wall, &words);
        self.turn(node);
        Some(result)
    }

    fn time(&self, node: usize) -> (Micros, Micros) {
        let machine = &self.machines[node];
        (self.now - machine.started, (EPOCH + self.now).saturating_add_signed(machine.clock_offset))
    }

    fn at(&mut self, at: Micros, what: Happening<S::Protocol>) {
        self.order += 1;
        self.queue.push(Reverse(Scheduled(at, self.order, what)));
    }

    /// A process that asks from now on: a new caller with a session of its own, which knows nothing.
    fn fresh_process(&mut self, client: usize) -> (Process, Memory) {
        let number = self.next_process;
        self.next_process += 1;
        let manners = S::manners(&self.settings);
        (Process(number), Memory::new(self.machines.len(), number, client, u64::from(number), manners))
    }

    fn happen(&mut self, what: Happening<S::Protocol>) {
        let node = match &what {
            Happening::Message { to, .. } => Some(*to),
            Happening::Wake { node, .. } | Happening::Asked { node, .. } => Some(*node),
            // The disk goes on while its process stands still, which hears of it later.
            Happening::Flushed { .. } | Happening::Told { .. } | Happening::Proceed { .. } => None,
        };
        if let Some(node) = node.filter(|node| self.machines[*node].paused) {
            return self.machines[node].missed.push(what);
        }
        match what {
            Happening::Message { from, to, message } => {
                let (now, wall) = self.time(to);
                if let Some(engine) = &mut self.machines[to].engine {
                    engine.hear(now, wall, from, message);
                    self.turn(to);
                }
            }
            Happening::Flushed { node, start, ticket } => self.flushed(node, start, ticket),
            Happening::Wake { node, start } => {
                if self.machines[node].starts == start && self.machines[node].engine.is_some() {
                    self.machines[node].woken = None;
                    self.turn(node);
                }
            }
            Happening::Asked { node, client, turn, ask } => self.asked(node, client, turn, *ask),
            Happening::Told { client, turn, said } => self.told(client, turn, *said),
            Happening::Proceed { client, turn } => self.proceed(client, turn),
        }
    }

    fn flushed(&mut self, node: usize, start: u64, ticket: u64) {
        let machine = &mut self.machines[node];
        if machine.starts != start || machine.engine.is_none() {
            return;
        }
        while machine.writing.first().is_some_and(|write| write.ticket <= ticket) {
            let write = machine.writing.remove(0);
            put(&mut machine.durable, write);
        }
        if let Some(engine) = &mut machine.engine {
            engine.flushed(ticket);
        }
        if !self.machines[node].paused {
            self.turn(node);
        }
    }

    /// Lets a node do what it wants.
    fn turn(&mut self, node: usize) {
        let (now, wall) = self.time(node);
        let Some(engine) = &mut self.machines[node].engine else { return };
        let acts = engine.turn(now, wall);
        let wake = engine.wake();
        for act in acts {
            self.perform(node, act);
        }
        let machine = &mut self.machines[node];
        if let Some(at) = wake.map(|wake| (machine.started + wake).max(self.now + 1))
            && machine.woken.is_none_or(|woken| at < woken)
        {
            machine.woken = Some(at);
            let start = machine.starts;
            self.at(at, Happening::Wake { node, start });
        }
    }

    fn perform(&mut self, node: usize, act: Act<S::Protocol>) {
        match act {
            Act::Send(to, message) => self.send(node, to, message),
            Act::Answer(caller, outcome, context) => {
                let Some((client, turn)) = self.machines[node].callers.remove(&caller) else { return };
                let told = Said::Told(Told { id: turn, outcome, context });
                self.reply(node, client, turn, told);
            }
            Act::Note(line) => self.notes.push((self.now, node, line)),
            Act::Failpoint(_) => {}
            Act::Append(ticket, records) => self.write(node, Write { ticket, rewrite: false, records }),
            Act::Rewrite(ticket, records) => self.write(node, Write { ticket, rewrite: true, records }),
        }
    }

    fn send(&mut self, from: usize, to: usize, message: <S::Protocol as Protocol>::Message) {
        let copies = 1 + u64::from(self.chance.percent(self.weather.twice_percent));
        for _ in 0..copies {
            let lost = self.chance.percent(self.weather.loss_percent);
            let at = self.now + self.chance.between(self.weather.delay);
            if !lost && !self.cut[from][to] {
                self.at(at, Happening::Message { from, to, message: message.clone() });
            }
        }
    }

    fn write(&mut self, node: usize, write: Write<<S::Protocol as Protocol>::Record>) {
        let takes = self.chance.between(self.weather.flush);
        let machine = &mut self.machines[node];
        machine.disk_free = machine.disk_free.max(self.now) + takes;
        let (at, start, ticket) = (machine.disk_free, machine.starts, write.ticket);
        machine.writing.push(write);
        self.at(at, Happening::Flushed { node, start, ticket });
    }

    fn asked(&mut self, node: usize, client: usize, turn: u64, ask: Ask) {
        let (now, wall) = self.time(node);
        let machine = &mut self.machines[node];
        match &mut machine.engine {
            None => {
                let said = Said::Unreachable { why: "connection refused".to_owned(), certain: true };
                self.reply(node, client, turn, said);
            }
            Some(engine) => {
                let caller = Caller(machine.next_caller);
                machine.next_caller += 1;
                machine.callers.insert(caller, (client, turn));
                engine.serve(now, wall, caller, ask);
                self.turn(node);
            }
        }
    }

    fn reply(&mut self, node: usize, client: usize, turn: u64, said: Said) {
        if !self.hidden[node] && !self.chance.percent(self.weather.loss_percent) {
            let at = self.now + self.chance.between(self.weather.delay);
            self.at(at, Happening::Told { client, turn, said: Box::new(said) });
        }
    }

    fn told(&mut self, client: usize, turn: u64, said: Said) {
        let now = self.now;
        let caller = &mut self.clients[client];
        if caller.turn != turn {
            return;
        }
        if let Some(errand) = &mut caller.errand {
            let next = errand.heard(&mut caller.memory, said, now);
            self.next(client, next);
        }
    }

    /// A client's alarm: it begins, goes on after a wait, or has waited long enough.
    fn proceed(&mut self, client: usize, turn: u64) {
        if self.clients[client].turn != turn {
            return;
        }
        let now = self.now;
        if self.clients[client].errand.is_none() {
            return self.begin(client);
        }
        let caller = &mut self.clients[client];
        let Some(errand) = &mut caller.errand else { return };
        let next = match caller.until {
            0 => errand.proceed(&mut caller.memory, now),
            _ => errand.heard(&mut caller.memory, Said::Unanswered("no answer in time".to_owned()), now),
        };
        self.next(client, next);
    }

    fn begin(&mut self, client: usize) {
        let process = self.clients[client].process;
        let Some(operation) = self.source.next(&mut self.chance, client, process) else { return };
        let (now, count) = (self.now, self.count());
        let caller = &mut self.clients[client];
        let asker = Asker { session: caller.memory.session(), preferred: client % count, count };
        let route = S::route(&self.settings, asker, &operation);
        let deadline = now + self.weather.patience;
        let mut errand = Errand::new(&mut caller.memory, operation.clone(), route, now, deadline);
        let next = errand.proceed(&mut caller.memory, now);
        caller.errand = Some(errand);
        self.record(client, Kind::Invoke, operation, None, None);
        self.next(client, next);
    }

    fn next(&mut self, client: usize, next: Next) {
        self.clients[client].turn += 1;
        let turn = self.clients[client].turn;
        match next {
            Next::Ask(node, until) => {
                let at = self.now + self.chance.between(self.weather.delay);
                let lost = self.hidden[node] || self.chance.percent(self.weather.loss_percent);
                let caller = &mut self.clients[client];
                caller.until = until.max(1);
                let Some(errand) = &caller.errand else { return };
                let ask = Ask {
                    session: caller.memory.session(),
                    request: errand.request(),
                    context: caller.memory.context().clone(),
                    operation: errand.operation().clone(),
                };
                self.at(until, Happening::Proceed { client, turn });
                if !lost {
                    self.at(at, Happening::Asked { node, client, turn, ask: Box::new(ask) });
                }
            }
            Next::Wait(until) => {
                self.clients[client].until = 0;
                self.at(until, Happening::Proceed { client, turn });
            }
            Next::End(completion, node) => self.end(client, completion, node),
        }
    }

    fn end(&mut self, client: usize, completion: Completion, node: usize) {
        let Some(errand) = self.clients[client].errand.take() else { return };
        let question = errand.operation().question();
        self.source.observe(client, self.clients[client].process, &question, &completion);
        match completion {
            Completion::Ok(operation) => self.record(client, Kind::Ok, operation, Some(node), None),
            Completion::Fail(why) => self.record(client, Kind::Fail, question, Some(node), Some(why)),
            Completion::Info(why) => {
                self.record(client, Kind::Info, question, Some(node), Some(why));
                let (process, memory) = self.fresh_process(client);
                self.clients[client].process = process;
                self.clients[client].memory = memory;
            }
        }
        let at = self.now + self.chance.between(self.weather.think);
        let turn = self.clients[client].turn;
        self.at(at, Happening::Proceed { client, turn });
    }

    fn record(&mut self, client: usize, kind: Kind, operation: Operation, node: Option<usize>, error: Option<String>) {
        let caller = &self.clients[client];
        self.events.push(Event {
            time: self.next_time(),
            process: caller.process,
            kind,
            operation,
            node: node.map(|node| self.names[node].as_str().into()),
            session: Some(caller.memory.session()),
            error: error.map(Into::into),
        });
    }
}

fn put<R>(durable: &mut Vec<R>, write: Write<R>) {
    if write.rewrite {
        durable.clear();
    }
    durable.extend(write.records);
}
