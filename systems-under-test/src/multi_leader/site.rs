//! One node: a leader of its datacentre, or a follower of one.
//!
//! A leader that is asked to write makes an event of it, puts it into its own log, and when that is on its disk acknowledges it and
//! sends it on; it asks nobody (unless [`agreement`](super::agreement) is set). What it hears of others' events it applies in causal
//! order and passes on along the topology. Everything it tells a client or a peer that it has is on its disk: an event
//! whose position was given twice, once before a crash and once after, would be two events of one name.

use serde_json::Value as Json;

use super::agreement::Agreements;
use super::bugs::Bug;
use super::clock::HybridClock;
use super::event::{Dot, Event, Vector};
use super::links::{Link, Map};
use super::logs::Logs;
use super::message::{Message, Record};
use super::options::Settings;
use super::values::Values;
use super::writing::Requests;
use crate::parts::json::Raw;
use crate::specimen::{Ask, Caller, Context, Garbage, Micros, Outcome, Protocol, Seat, State};

/// How long a question waits for what its session has seen elsewhere.
const PATIENCE: Micros = 400_000;
/// A cursor is kept when it has moved by so many events.
const CURSOR: u64 = 200;

/// A question that waits.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) caller: Caller,
    pub(super) ask: Ask,
    pub(super) since: Micros,
}

/// An update that is acknowledged when all leaders have it.
#[derive(Debug)]
pub(super) struct Owed {
    pub(super) position: u64,
    pub(super) caller: Caller,
    pub(super) answer: Raw,
}

/// See the [module](self).
#[derive(Debug)]
pub struct Site {
    pub(super) seat: Seat,
    pub(super) settings: Settings,
    pub(super) map: Map,
    pub(super) logs: Logs,
    pub(super) values: Values,
    pub(super) clock: HybridClock,
    pub(super) links: Vec<Link>,
    pub(super) requests: Requests,
    pub(super) agreements: Agreements,
    /// How much of its own log is on the disk.
    pub(super) durable: u64,
    pub(super) waiting: Vec<Asked>,
    pub(super) owed: Vec<Owed>,
    heartbeat_at: Micros,
    silent: Vec<bool>,
}

impl Protocol for Site {
    type Settings = Settings;
    type Message = Message;
    type Record = Record;

    fn start(seat: Seat, settings: Settings, kept: Vec<Record>, cx: &mut Context<Self>) -> Result<Self, Garbage> {
        let map = Map::new(&settings, seat.me, seat.count());
        let origins = map.leaders;
        let mut site = Site {
            logs: Logs::new(origins),
            values: Values::new(&settings),
            clock: HybridClock::default(),
            links: vec![Link::new(Vector::default(), origins); seat.count()],
            requests: Requests::default(),
            agreements: Agreements::default(),
            durable: 0,
            waiting: Vec::new(),
            owed: Vec::new(),
            heartbeat_at: 0,
            silent: vec![false; seat.count()],
            map,
            seat,
            settings,
        };
        site.remember(kept)?;
        cx.note(format!("started position={}", site.logs.vector().total()));
        Ok(site)
    }

    fn hear(&mut self, from: usize, message: Message, cx: &mut Context<Self>) {
        if from != self.seat.me {
            self.links[from].heard = Some(cx.now());
        }
        match message {
            Message::Events(events) => self.take_in(from, events, cx),
            Message::Have(vector) => self.confirm(from, &vector, cx),
            Message::Flushed(position) => self.durable = self.durable.max(position),
            other => self.hear_of_agreement(from, other, cx),
        }
    }

    fn serve(&mut self, caller: Caller, ask: Ask, cx: &mut Context<Self>) {
        let since = cx.now();
        self.attend(Asked { caller, ask, since }, cx);
    }

    fn tick(&mut self, cx: &mut Context<Self>) {
        let now = cx.now();
        for asked in std::mem::take(&mut self.waiting) {
            self.attend(asked, cx);
        }
        self.pursue_agreements(cx);
        self.pay(cx);
        if now >= self.heartbeat_at {
            self.heartbeat_at = now + self.settings.heartbeat;
            self.seat.others().for_each(|other| self.tell_what_is_here(other, cx));
            self.look_round(cx);
        }
        self.seat.others().for_each(|other| self.send_events(other, cx));
        cx.wake_at(self.heartbeat_at);
    }

    fn condense(&self) -> Vec<Record> {
        let events = self.logs.all().cloned().map(Record::Event);
        let cursors = self.seat.others().map(|peer| Record::Cursor { peer, has: self.links[peer].has.clone() });
        events.chain(cursors).chain(self.agreements.records()).collect()
    }

    fn state(&self) -> State {
        let leads = self.leads();
        let datacentre = self.settings.leader_of(self.seat.me, self.seat.count()) + 1;
        State {
            ready: true,
            leads: Some(leads),
            role: format!("{} dc{datacentre}", if leads { "leader of" } else { "follower in" }),
            epoch: None,
            position: Some(self.logs.vector().total()),
        }
    }

    fn dump(&self) -> Json {
        self.values.dump()
    }
}

impl Site {
    /// Whether it takes writes.
    pub(super) fn leads(&self) -> bool {
        self.seat.me < self.map.leaders
    }

    /// Takes in what was kept.
    fn remember(&mut self, kept: Vec<Record>) -> Result<(), Garbage> {
        let nodes = self.seat.count();
        for record in kept {
            match record {
                Record::Event(event) => {
                    self.logs.take(event);
                    while let Some(event) = self.logs.ready() {
                        self.apply(event);
                    }
                }
                Record::Cursor { peer, .. } if peer >= nodes => {
                    return Err(Garbage(format!("a cursor of node {peer}")));
                }
                Record::Cursor { peer, has } => self.links[peer] = Link::new(has, self.map.leaders),
                Record::Granted(grant) => self.agreements.remember(grant),
                Record::Released(id) => drop(self.agreements.release(id)),
            }
        }
        self.durable = self.logs.vector().of(self.seat.me);
        if self.settings.bug.is(Bug::CursorAtEndOfLog) {
            // Whatever is here was surely sent before.
            let here = self.logs.vector().clone();
            self.links.iter_mut().for_each(|link| *link = Link::new(here.clone(), self.map.leaders));
        }
        match self.logs.waiting_count() {
            0 => Ok(()),
            lost => Err(Garbage(format!("{lost} events without their causes"))),
        }
    }

    /// Applies an event whose turn it is.
    pub(super) fn apply(&mut self, event: Event) {
        self.clock.see(event.stamp);
        self.do_effects(&event);
        self.note_event(event);
    }

    /// Puts an event that has been applied into its log.
    pub(super) fn note_event(&mut self, event: Event) {
        self.agreements.event(&event);
        if event.dot.0 == self.seat.me {
            self.requests.event(&event);
        }
        self.logs.add(event);
    }

    fn take_in(&mut self, from: usize, events: Vec<Event>, cx: &mut Context<Self>) {
        for event in events {
            if self.circulates(&event, cx) {
                continue;
            }
            self.logs.take(event);
        }
        while let Some(event) = self.next_event() {
            cx.keep(Record::Event(event.clone()));
            self.apply(event);
        }
        cx.failpoint("after-append");
        self.tell_what_is_here(from, cx);
    }

    /// The next event to apply: one whose causes are all here.
    fn next_event(&mut self) -> Option<Event> {
        if let Some(event) = self.logs.ready() {
            return Some(event);
        }
        if self.settings.bug.is(Bug::DropsUpdateBeforeInsert) {
            // Does not wait for the causes, and has nothing to update yet.
            let mut event = self.logs.ready_or_not()?;
            event.effects.retain(|effect| self.values.kind(effect.key()).is_some());
            return Some(event);
        }
        if self.settings.bug.is(Bug::DeliversWithoutCauses) {
            return self.logs.ready_or_not();
        }
        None
    }

    /// A copy of an event that came round: known, and dropped with the others that are. With the planted bug it is its origin alone
    /// that takes it out of the ring, and when that has gone, nobody does.
    fn circulates(&mut self, event: &Event, cx: &mut Context<Self>) -> bool {
        let Dot(origin, _) = event.dot;
        if origin == self.seat.me && self.settings.bug.is(Bug::LoopFilterByLastHop) {
            // Not from who it was sent to, so it is new.
            self.do_effects(event);
            return true;
        }
        let gone = origin != self.seat.me && origin < self.silent.len() && self.silent[origin];
        let is_new = !self.logs.vector().has(event.dot);
        if !gone || !self.leads() || !self.settings.bug.is(Bug::DeadOriginCirculates) {
            return false;
        }
        if !is_new {
            self.do_effects(event);
        }
        let next = self.map.next(&|node| !self.silent[node]);
        if next != self.seat.me {
            cx.send(next, Message::Events(vec![event.clone()]));
        }
        !is_new
    }

    fn do_effects(&mut self, event: &Event) {
        for (index, effect) in event.effects.iter().enumerate() {
            self.values.apply(effect, event.dot, event.stamp, index);
        }
    }

    fn confirm(&mut self, from: usize, has: &Vector, cx: &mut Context<Self>) {
        let link = &mut self.links[from];
        link.confirm(has, cx.now());
        if link.has.total() >= link.kept + CURSOR {
            link.kept = link.has.total();
            cx.keep(Record::Cursor { peer: from, has: link.has.clone() });
        }
    }

    /// Says how much is here, when it is on the disk.
    fn tell_what_is_here(&self, to: usize, cx: &mut Context<Self>) {
        let mut here = self.logs.vector().clone();
        if self.leads() {
            here.set(self.seat.me, self.durable);
        }
        cx.durably().send(to, Message::Have(here));
    }

    /// Notes who has become silent and who is heard again.
    fn look_round(&mut self, cx: &mut Context<Self>) {
        for other in self.seat.others() {
            let silent = !self.links[other].is_alive(cx.now(), self.settings.reroute_after);
            if std::mem::replace(&mut self.silent[other], silent) != silent {
                let word = if silent { "silent" } else { "heard" };
                cx.note(format!("{word} node={}", self.seat.names[other]));
            }
            if silent && self.settings.bug.is(Bug::GivesUpSilentNeighbour) && self.links[other].heard.is_some() {
                // Nothing is sent to it any more, and nothing goes round it.
                self.links[other].given_up = true;
            }
        }
    }

    /// Sends what a node is to have and was not sent.
    fn send_events(&mut self, to: usize, cx: &mut Context<Self>) {
        let (now, limit) = (cx.now(), self.settings.reroute_after);
        let here = self.sendable();
        self.links[to].watch(&here, now);
        if !self.links[to].is_alive(now, limit) || self.links[to].given_up {
            return;
        }
        let mut batch = Vec::new();
        for origin in 0..self.map.leaders {
            if !self.is_due(origin, to, now) {
                continue;
            }
            let link = &mut self.links[to];
            let (from, room) = (link.sent.of(origin), link.room());
            let until = here.of(origin).min(from + room);
            if until > from {
                let events = &self.logs.after(origin, from)[..(until - from) as usize];
                batch.extend_from_slice(events);
                link.sent.raise(origin, until);
                link.moved = now;
            }
        }
        if !batch.is_empty() {
            cx.send(to, Message::Events(batch));
            cx.failpoint("after-send");
        }
    }

    /// Whether events of this origin are to be sent to this node now: along the topology, or round what is in the way.
    fn is_due(&self, origin: usize, to: usize, now: Micros) -> bool {
        let limit = self.settings.reroute_after;
        let alive = |node: usize| self.links[node].is_alive(now, limit) && !self.links[node].given_up;
        if self.settings.bug.is(Bug::GivesUpSilentNeighbour) {
            return self.map.is_direct(origin, to, &|_| true);
        }
        if self.settings.bug.is(Bug::LoopFilterByLastHop) && origin == to && to == self.map.next(&alive) {
            return true;
        }
        self.map.is_direct(origin, to, &alive) || self.links[to].is_stuck(origin, now, limit) && origin != to
    }

    /// What may be sent: of its own log what is on the disk.
    fn sendable(&self) -> Vector {
        let mut here = self.logs.vector().clone();
        if self.leads() {
            here.set(self.seat.me, self.durable);
        }
        here
    }

    /// Answers a question, or lets it wait for what its session has seen.
    fn attend(&mut self, asked: Asked, cx: &mut Context<Self>) {
        let seen = seen(&asked.ask);
        if self.settings.tokens && !self.logs.vector().covers(&seen) {
            if cx.now() < asked.since + PATIENCE {
                cx.wake_at(asked.since + PATIENCE);
                return self.waiting.push(asked);
            }
            return cx.answer(asked.caller, Outcome::refused("it lacks what the session has seen elsewhere"));
        }
        match asked.ask.operation.is_update() {
            true => self.update(asked.caller, asked.ask, cx),
            false => self.read(asked.caller, &asked.ask, cx),
        }
    }

    /// Answers updates that all leaders have by now.
    fn pay(&mut self, cx: &mut Context<Self>) {
        let me = self.seat.me;
        let everywhere = (0..self.map.leaders).filter(|node| *node != me).map(|node| self.links[node].has.of(me)).min();
        let everywhere = everywhere.unwrap_or(u64::MAX).min(self.durable);
        let (due, owed) =
            std::mem::take(&mut self.owed).into_iter().partition(|owed: &Owed| owed.position <= everywhere);
        self.owed = owed;
        for Owed { caller, answer, .. } in due {
            cx.durably().answer_with(caller, Outcome::Done(answer), self.token());
        }
    }

    /// What a session carries: how much it may have seen.
    pub(super) fn token(&self) -> Json {
        serde_json::to_value(self.logs.vector()).expect("a vector has a JSON form")
    }
}

/// What the session that asks has seen; nothing at first.
pub(super) fn seen(ask: &Ask) -> Vector {
    serde_json::from_value(ask.context.clone()).unwrap_or_default()
}
