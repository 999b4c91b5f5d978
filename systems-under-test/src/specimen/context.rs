//! What a protocol is given each time it is called, and what it wants done.

use serde_json::Value as Json;

use super::wire::Outcome;
use super::{Micros, Protocol};

/// A client that waits for an answer. Valid once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Caller(pub u64);

/// Something that a protocol wants done.
#[derive(Clone, Debug)]
pub enum Effect<M> {
    /// Say this to a node; to itself too.
    Send {
        /// To whom, by position.
        to: usize,
        /// What.
        message: M,
    },
    /// Answer a client.
    Answer {
        /// Whom.
        caller: Caller,
        /// What came of its operation.
        outcome: Outcome,
        /// What its session is to carry from now on; `None`: what it carries.
        context: Option<Json>,
    },
    /// A line for the node's log.
    Note(String),
    /// A moment at which protocols break is reached.
    Failpoint(&'static str),
}

/// See the [module](self).
#[derive(Debug)]
pub struct Context<P: Protocol> {
    now: Micros,
    wall: Micros,
    random: u64,
    wake: Option<Micros>,
    pub(super) records: Vec<P::Record>,
    /// How many records were kept since the start.
    pub(super) kept: u64,
    /// How many of them are on the disk.
    pub(super) flushed: u64,
    /// What is to be done, and how many records must be on the disk before.
    pub(super) effects: Vec<(u64, Effect<P::Message>)>,
}

impl<P: Protocol> Context<P> {
    pub(super) fn new(random: u64) -> Self {
        let (records, effects) = (Vec::new(), Vec::new());
        Context { now: 0, wall: 0, random, wake: None, records, kept: 0, flushed: 0, effects }
    }

    pub(super) fn set_time(&mut self, now: Micros, wall: Micros) {
        (self.now, self.wall) = (now, wall);
    }

    /// Since this node started, by a clock that never jumps.
    pub fn now(&self) -> Micros {
        self.now
    }

    /// Since 1970, by the clock of this node's machine, which may be wrong.
    pub fn wall(&self) -> Micros {
        self.wall
    }

    /// A number that differs from node to node and from start to start.
    pub fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.random)
    }

    /// A number from `least` to `most`, both included.
    pub fn random_between(&mut self, least: u64, most: u64) -> u64 {
        least + self.random() % (most.saturating_sub(least) + 1)
    }

    /// Wants to be called at this moment of [`Context::now`] at the latest. The earliest wish counts; a call of
    /// [`Protocol::tick`] forgets all.
    pub fn wake_at(&mut self, at: Micros) {
        self.wake = Some(self.wake.map_or(at, |wake| wake.min(at)));
    }

    /// Puts a record into the journal. It is on the disk some time later: see [`Context::durably`].
    pub fn keep(&mut self, record: P::Record) {
        self.records.push(record);
        self.kept += 1;
    }

    /// Says something to a node at once; it may be the node itself.
    pub fn send(&mut self, to: usize, message: P::Message) {
        self.effects.push((0, Effect::Send { to, message }));
    }

    /// Answers a client at once. Its session goes on carrying what it carries.
    pub fn answer(&mut self, caller: Caller, outcome: Outcome) {
        self.effects.push((0, Effect::Answer { caller, outcome, context: None }));
    }

    /// Answers a client at once, and says what its session is to carry from now on.
    pub fn answer_with(&mut self, caller: Caller, outcome: Outcome, context: Json) {
        self.effects.push((0, Effect::Answer { caller, outcome, context: Some(context) }));
    }

    /// What is said by what this returns is said when everything that was kept so far is on the disk.
    pub fn durably(&mut self) -> Durably<'_, P> {
        Durably { after: self.kept, cx: self }
    }

    /// Writes a line into the node's log: an event in one word, then what belongs to it, `became-leader epoch=3`. Schedules wait for
    /// such lines.
    pub fn note(&mut self, line: impl Into<String>) {
        self.effects.push((0, Effect::Note(line.into())));
    }

    /// A moment at which protocols break. Where the node was started with `--failpoint NAME`, it says so in its log and stands still
    /// for a while, so that a schedule can strike exactly here; what was said before it has gone out.
    pub fn failpoint(&mut self, name: &'static str) {
        self.effects.push((0, Effect::Failpoint(name)));
    }

    pub(super) fn take_wake(&mut self) -> Option<Micros> {
        self.wake.take()
    }

    pub(super) fn wake(&self) -> Option<Micros> {
        self.wake
    }
}

/// What waits for the disk. See [`Context::durably`].
#[derive(Debug)]
pub struct Durably<'a, P: Protocol> {
    cx: &'a mut Context<P>,
    after: u64,
}

impl<P: Protocol> Durably<'_, P> {
    fn push(&mut self, effect: Effect<P::Message>) {
        self.cx.effects.push((self.after, effect));
    }

    /// As [`Context::send`].
    pub fn send(&mut self, to: usize, message: P::Message) {
        self.push(Effect::Send { to, message });
    }

    /// As [`Context::answer`].
    pub fn answer(&mut self, caller: Caller, outcome: Outcome) {
        self.push(Effect::Answer { caller, outcome, context: None });
    }

    /// As [`Context::answer_with`].
    pub fn answer_with(&mut self, caller: Caller, outcome: Outcome, context: Json) {
        self.push(Effect::Answer { caller, outcome, context: Some(context) });
    }

    /// As [`Context::failpoint`].
    pub fn failpoint(&mut self, name: &'static str) {
        self.push(Effect::Failpoint(name));
    }
}

/// Steele, Lea and Flood's splitmix64.
pub fn mix(x: u64) -> u64 {
    let mut z = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}
