//! One node: what it remembers, and whom it hands what it hears to.
//!
//! The parts of its work stand in files of their own: [`updates`](super::updates) pass along the chain, [`reads`](super::reads) are answered at its
//! end, [`governing`](super::governing) decides who is in it, [`joining`](super::joining) brings a node back.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::bugs::Bug;
use super::configuration::Configuration;
use super::history::{Fit, History, Update};
use super::joining::{Arriving, Joiner};
use super::lease::Lease;
use super::message::{Message, Record};
use super::reads::Question;
use super::register::{Ballot, Proposal, Vote};
use super::system::Settings;
use super::view::View;
use crate::specimen::{Ask, Caller, Context, Garbage, Micros, Outcome, Protocol, Seat, State};

/// See the [module](self).
#[derive(Debug)]
pub struct Node {
    pub(super) seat: Seat,
    pub(super) settings: Settings,
    /// The newest configuration that it knows; and its vote on what follows that.
    pub(super) configuration: Configuration,
    pub(super) vote: Vote,

    /// What it knows of updates, how much of that is on its disk, and how often it was replaced by a transfer.
    pub(super) history: History,
    pub(super) durable: u64,
    pub(super) lineage: u64,
    /// Which of these histories the disk knows of.
    pub(super) stored: u64,
    /// The epoch in which its state was transferred last, and by whom. In that epoch it listens to no other.
    pub(super) whole_in: u64,
    pub(super) source: usize,
    pub(super) arriving: Arriving,
    /// Updates that came before their predecessors.
    pub(super) early: BTreeMap<u64, Update>,

    pub(super) view: View,
    pub(super) lease: Lease,
    pub(super) proposal: Option<Proposal>,
    /// The highest ballot that it has heard of, and when somebody proposed last.
    pub(super) highest: Ballot,
    pub(super) stirred_at: Micros,
    /// When it is going to propose by itself.
    pub(super) propose_at: Option<Micros>,
    pub(super) joiners: BTreeMap<usize, Joiner>,

    /// Up to where its successor was told, and when it last got further.
    pub(super) sent: u64,
    pub(super) progress_at: Micros,
    /// Clients that wait for their update; clients that wait for the tail's word.
    pub(super) callers: BTreeMap<u64, Caller>,
    pub(super) questions: BTreeMap<u64, Question>,
    pub(super) question_count: u64,
    pub(super) beat_at: Micros,

    /// What planted bugs forget to say again, and take for clean.
    pub(super) skipped: u64,
    pub(super) mistaken: u64,
}

impl Node {
    fn new(seat: Seat, settings: Settings, cx: &mut Context<Self>) -> Node {
        let (me, count, now) = (seat.me, seat.count(), cx.now());
        Node {
            configuration: Configuration::first(count),
            vote: Vote::default(),
            history: History::default(),
            durable: 0,
            lineage: 0,
            stored: 0,
            whole_in: 0,
            source: me,
            arriving: Arriving::default(),
            early: BTreeMap::new(),
            view: View::new(me, count, settings.suspect_after, now),
            lease: Lease::new(count, settings.lease, cx.random(), now),
            proposal: None,
            highest: 0,
            stirred_at: now,
            propose_at: None,
            joiners: BTreeMap::new(),
            sent: 0,
            progress_at: now,
            callers: BTreeMap::new(),
            questions: BTreeMap::new(),
            question_count: 0,
            beat_at: now,
            skipped: 0,
            mistaken: 0,
            seat,
            settings,
        }
    }

    pub(super) fn me(&self) -> usize {
        self.seat.me
    }

    pub(super) fn epoch(&self) -> u64 {
        self.configuration.epoch
    }

    pub(super) fn has(&self, bug: Bug) -> bool {
        self.settings.bug.is(bug)
    }

    /// Whether it has promised to take part in what follows this epoch: then it takes no part in this one any more.
    pub(super) fn is_sealed(&self) -> bool {
        self.vote.promised > 0
    }

    /// Whether it does a member's work.
    pub(super) fn is_active(&self) -> bool {
        self.configuration.has(self.me()) && !self.is_sealed()
    }

    /// Whether it may speak for the chain: nobody can have decided on another configuration yet.
    pub(super) fn may_answer(&self, now: Micros) -> bool {
        self.is_active() && self.lease.holds(now, self.seat.majority())
    }

    fn replay(&mut self, record: Record) -> Result<(), Garbage> {
        match record {
            Record::Configuration(configuration) => {
                self.configuration = configuration;
                self.vote = Vote::default();
            }
            Record::Vote(vote) => self.vote = vote,
            Record::State { epoch, source, position, parts } => {
                (self.whole_in, self.source) = (epoch, source);
                self.history = History::restore(position, &parts).map_err(|error| Garbage(error.to_string()))?;
            }
            Record::Updates { settled, updates } => {
                for update in updates {
                    match self.history.fit(&update) {
                        Fit::Next => self.history.push(update),
                        Fit::Known => {}
                        Fit::Gap => return Err(Garbage(format!("update {} has no predecessor", update.number))),
                    }
                }
                self.history.settle(settled);
                self.history.forget(settled);
            }
        }
        Ok(())
    }

    /// Goes over to a configuration that has been decided, if it is a newer one.
    pub(super) fn adopt(&mut self, configuration: Configuration, cx: &mut Context<Self>) {
        if configuration.epoch <= self.epoch() {
            return;
        }
        cx.keep(Record::Configuration(configuration.clone()));
        let old = std::mem::replace(&mut self.configuration, configuration);
        let names: Vec<&str> = self.configuration.chain.iter().map(|node| self.seat.names[*node].as_str()).collect();
        let role = self.configuration.role(self.me());
        cx.note(format!("configuration epoch={} chain={} role={role}", self.epoch(), names.join(",")));
        (self.vote, self.proposal, self.propose_at) = (Vote::default(), None, None);
        self.lease.lapse();
        self.joiners.clear();
        self.arriving = Arriving::default();
        self.early.clear();
        self.disappoint(cx);
        if self.has(Bug::NoResendAfterRemoval) && old.after(self.me()) != self.configuration.after(self.me()) {
            self.skipped = self.durable;
        }
        // What was in flight to the old successor has to be said to the new one.
        (self.sent, self.progress_at) = (self.history.settled().max(self.skipped), cx.now());
        if self.has(Bug::AllCleanAfterTailCrash) && old.tail().is_some_and(|tail| !self.configuration.has(tail)) {
            self.mistaken = self.history.last();
        }
        if self.has(Bug::TailServesBeforeTransfer) && old.tail() == Some(self.me()) {
            self.owe_transfers(&old, cx.now());
        }
        cx.failpoint("after-configuration");
        for other in self.seat.others() {
            cx.send(other, Message::Decided(self.configuration.clone()));
        }
        self.beat_at = cx.now();
        cx.wake_at(self.beat_at);
        self.pass_on(cx);
    }

    /// Those who wait for something that will not come are told so.
    fn disappoint(&mut self, cx: &mut Context<Self>) {
        for (_, question) in std::mem::take(&mut self.questions) {
            cx.answer(question.caller, Outcome::refused("the chain has changed"));
        }
        if self.configuration.head() != Some(self.me()) {
            for (_, caller) in std::mem::take(&mut self.callers) {
                cx.answer(caller, Outcome::Unknown("left the chain before the tail acknowledged".to_owned()));
            }
        }
    }
}

impl Protocol for Node {
    type Settings = Settings;
    type Message = Message;
    type Record = Record;

    fn start(seat: Seat, settings: Settings, kept: Vec<Record>, cx: &mut Context<Self>) -> Result<Self, Garbage> {
        let mut node = Node::new(seat, settings, cx);
        for record in kept {
            node.replay(record)?;
        }
        node.durable = node.history.last();
        node.sent = node.history.settled();
        node.highest = node.vote.promised;
        cx.note(format!("started epoch={} last={} settled={}", node.epoch(), node.durable, node.sent));
        // A tail may have acknowledged everything that it has: before it answers anybody, that is in its state again.
        node.pass_on(cx);
        Ok(node)
    }

    fn hear(&mut self, from: usize, message: Message, cx: &mut Context<Self>) {
        match message {
            Message::Beat { configuration, life, hears, links } => {
                self.adopt(configuration.clone(), cx);
                self.view.heard(cx.now(), from, hears, links);
                self.grant(from, configuration.epoch, life, cx);
            }
            Message::Granted { epoch, life: (incarnation, asked) } if epoch == self.epoch() => {
                self.lease.granted(from, asked, incarnation);
            }
            Message::Prepare { after, ballot } => self.prepare(from, after, ballot, cx),
            Message::Promised { after, ballot, accepted } => self.promised(from, (after, ballot), accepted, cx),
            Message::Accept { after, ballot, chain } => self.accept(from, after, (ballot, chain), cx),
            Message::Accepted { after, ballot } => self.accepted(from, (after, ballot), cx),
            Message::Outbid { after, promised } => self.outbid(after, promised, cx.now()),
            Message::Decided(configuration) => self.adopt(configuration, cx),
            Message::Updates { configuration, updates } => {
                self.adopt(configuration.clone(), cx);
                if configuration.epoch == self.epoch() {
                    self.updates(from, updates, cx);
                }
            }
            Message::Acknowledged { epoch, up_to } if epoch == self.epoch() => self.acknowledged(from, up_to, cx),
            Message::HowFar { epoch, question } if epoch == self.epoch() => self.how_far(from, question, cx),
            Message::ThisFar { epoch, question, up_to } if epoch == self.epoch() => self.this_far(question, up_to, cx),
            Message::Part { epoch, position, index, part } if epoch == self.epoch() => {
                self.part(from, position, (index, part), cx);
            }
            Message::Have { epoch, position } if epoch == self.epoch() => self.have(from, position, cx),
            Message::Taken { epoch } if epoch == self.epoch() => self.taken(from),
            Message::Stored { lineage, up_to } if lineage == self.lineage => {
                (self.durable, self.stored) = (self.durable.max(up_to), lineage);
                self.pass_on(cx);
            }
            // Of another epoch, or of a history that was replaced.
            _ => {}
        }
    }

    fn serve(&mut self, caller: Caller, ask: Ask, cx: &mut Context<Self>) {
        match ask.operation.is_update() {
            true => self.update(caller, ask.operation, cx),
            false => self.read(caller, ask.operation, cx),
        }
    }

    fn tick(&mut self, cx: &mut Context<Self>) {
        if cx.now() >= self.beat_at {
            self.beat_at = cx.now() + self.settings.heartbeat;
            self.beat(cx);
            self.bring_in(cx);
            self.say_again(cx);
            self.govern(cx);
        }
        cx.wake_at(self.beat_at);
    }

    fn condense(&self) -> Vec<Record> {
        let (settled, epoch, source) = (self.history.settled(), self.whole_in, self.source);
        let updates = self.history.between(settled, u64::MAX).cloned().collect();
        vec![
            Record::Configuration(self.configuration.clone()),
            Record::Vote(self.vote.clone()),
            Record::State { epoch, source, position: settled, parts: self.history.snapshot() },
            Record::Updates { settled, updates },
        ]
    }

    fn state(&self) -> State {
        State {
            ready: self.is_active(),
            leads: Some(self.configuration.head() == Some(self.me())),
            role: self.configuration.role(self.me()).to_owned(),
            epoch: Some(self.epoch()),
            position: Some(self.history.last()),
        }
    }

    fn dump(&self) -> Json {
        self.history.dump()
    }
}
