//! Drives one protocol: hands it what happened, holds back what must wait for the disk, and says what is to be done. It has no
//! clock, socket or file of its own, so that a process and a simulation drive the same.

use std::collections::VecDeque;

use serde_json::Value as Json;

use super::context::{Caller, Context, Effect};
use super::wire::{Ask, Outcome};
use super::{Garbage, Micros, Protocol, Seat};

/// A journal is condensed when it has this many records more than twice what it was condensed to.
const SLACK: u64 = 4096;
/// A protocol that talks to itself this often in one turn will never stop.
const MOST_ROUNDS: usize = 10_000;

/// Something to do, in this order.
#[derive(Clone, Debug)]
pub enum Act<P: Protocol> {
    /// Say this to another node.
    Send(usize, P::Message),
    /// Answer a client: outcome, and what its session carries from now on.
    Answer(Caller, Outcome, Option<Json>),
    /// Write a line into the log.
    Note(String),
    /// A failpoint is reached.
    Failpoint(&'static str),
    /// Write these records; when they are on the disk, call [`Engine::flushed`] with this number.
    Append(u64, Vec<P::Record>),
    /// Replace the whole journal by these records; when that is done, call [`Engine::flushed`] with this number.
    Rewrite(u64, Vec<P::Record>),
}

/// See the [module](self).
#[derive(Debug)]
pub struct Engine<P: Protocol> {
    protocol: P,
    me: usize,
    cx: Context<P>,
    held: VecDeque<(u64, Effect<P::Message>)>,
    /// Records in the journal, and how many there were when it was condensed last.
    journal_len: u64,
    condensed_len: u64,
}

impl<P: Protocol> Engine<P> {
    /// Starts a node with what it had kept.
    pub fn start(
        seat: Seat,
        settings: P::Settings,
        kept: Vec<P::Record>,
        (now, wall): (Micros, Micros),
        random: u64,
    ) -> Result<Self, Garbage> {
        let mut cx = Context::new(random);
        cx.set_time(now, wall);
        let (me, journal_len) = (seat.me, kept.len() as u64);
        let protocol = P::start(seat, settings, kept, &mut cx)?;
        Ok(Engine { protocol, me, cx, held: VecDeque::new(), journal_len, condensed_len: journal_len })
    }

    /// The protocol, to look at.
    pub fn protocol(&self) -> &P {
        &self.protocol
    }

    /// A peer said something.
    pub fn hear(&mut self, now: Micros, wall: Micros, from: usize, message: P::Message) {
        self.cx.set_time(now, wall);
        self.protocol.hear(from, message, &mut self.cx);
    }

    /// A client asks.
    pub fn serve(&mut self, now: Micros, wall: Micros, caller: Caller, ask: Ask) {
        self.cx.set_time(now, wall);
        self.protocol.serve(caller, ask, &mut self.cx);
    }

    /// An operator wants something.
    pub fn order(&mut self, now: Micros, wall: Micros, words: &[String]) -> Result<String, String> {
        self.cx.set_time(now, wall);
        self.protocol.order(words, &mut self.cx)
    }

    /// Everything up to this number is on the disk.
    pub fn flushed(&mut self, ticket: u64) {
        self.cx.flushed = self.cx.flushed.max(ticket);
    }

    /// Lets the protocol do what has become possible. What is to be done, in this order.
    pub fn turn(&mut self, now: Micros, wall: Micros) -> Vec<Act<P>> {
        self.cx.set_time(now, wall);
        self.cx.take_wake();
        self.protocol.tick(&mut self.cx);
        let mut acts = Vec::new();
        for round in 0.. {
            assert!(round < MOST_ROUNDS, "the protocol talks to itself without end");
            let due = self.due();
            if due.is_empty() {
                break;
            }
            for effect in due {
                self.perform(effect, &mut acts);
            }
        }
        self.store(&mut acts);
        acts
    }

    /// When to come back at the latest.
    pub fn wake(&self) -> Option<Micros> {
        self.cx.wake()
    }

    /// What need not wait any more: first what waited for the disk.
    fn due(&mut self) -> Vec<Effect<P::Message>> {
        let flushed = self.cx.flushed;
        let mut due = Vec::new();
        while self.held.front().is_some_and(|(after, _)| *after <= flushed) {
            due.extend(self.held.pop_front().map(|(_, effect)| effect));
        }
        for (after, effect) in std::mem::take(&mut self.cx.effects) {
            if after <= flushed {
                due.push(effect);
            } else {
                self.held.push_back((after, effect));
            }
        }
        due
    }

    fn perform(&mut self, effect: Effect<P::Message>, acts: &mut Vec<Act<P>>) {
        match effect {
            Effect::Send { to, message } if to == self.me => self.protocol.hear(to, message, &mut self.cx),
            Effect::Send { to, message } => acts.push(Act::Send(to, message)),
            Effect::Answer { caller, outcome, context } => acts.push(Act::Answer(caller, outcome, context)),
            Effect::Note(line) => acts.push(Act::Note(line)),
            Effect::Failpoint(name) => acts.push(Act::Failpoint(name)),
        }
    }

    fn store(&mut self, acts: &mut Vec<Act<P>>) {
        let records = std::mem::take(&mut self.cx.records);
        if records.is_empty() {
            return;
        }
        self.journal_len += records.len() as u64;
        if self.journal_len <= 2 * self.condensed_len + SLACK {
            return acts.push(Act::Append(self.cx.kept, records));
        }
        let records = self.protocol.condense();
        self.journal_len = records.len() as u64;
        self.condensed_len = self.journal_len;
        acts.push(Act::Rewrite(self.cx.kept, records));
    }
}
