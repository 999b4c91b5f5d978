//! Updates, from the head to the tail, and the tail's word back.
//!
//! ```text
//!             number 7                number 7                number 7
//!   client ──▶ head: append, flush ──▶ middle: append, flush ──▶ tail: append, flush, execute
//!   client ◀── execute ◀────────────── execute ◀──── acknowledged up to 7
//! ```
//!
//! Each node passes on only what is on its own disk. So whatever a node knows, all before it have on theirs; and what the tail has, everybody
//! has. An acknowledgement says "up to", so one that is lost is made good by the next, and by an answer to whatever is said again.

use histories::Operation;

use super::bugs::Bug;
use super::history::Update;
use super::message::{Message, Record};
use super::node::Node;
use crate::parts::command::Command;
use crate::specimen::{Caller, Context, Outcome};

/// So many updates go into one message.
const BATCH: usize = 256;
/// So many updates may be in flight before the head takes no more.
const MOST_IN_FLIGHT: u64 = 4096;

impl Node {
    /// A client wants something changed.
    pub(super) fn update(&mut self, caller: Caller, operation: Operation, cx: &mut Context<Self>) {
        if let Some(why) = self.refuses_updates(cx) {
            return cx.answer(caller, why);
        }
        let update = Update { number: self.history.last() + 1, command: Command::Do(operation) };
        self.callers.insert(update.number, caller);
        self.take(vec![update], cx);
    }

    fn refuses_updates(&self, cx: &Context<Self>) -> Option<Outcome> {
        match self.configuration.head() {
            Some(head) if head != self.me() => {
                return Some(Outcome::Refused { why: "is not the head".to_owned(), ask: Some(head) });
            }
            _ => {}
        }
        // Not for safety: a head that was removed gets nothing acknowledged. But its clients would wait in vain.
        if !self.may_answer(cx.now()) && !self.has(Bug::HeadGoesOnAlone) {
            return Some(Outcome::refused("may have been removed"));
        }
        let in_flight = self.history.last() - self.history.settled();
        (in_flight >= MOST_IN_FLIGHT).then(|| Outcome::refused("too much in flight"))
    }

    /// Takes the next updates and passes them on when they are on the disk.
    fn take(&mut self, updates: Vec<Update>, cx: &mut Context<Self>) {
        for update in &updates {
            self.history.push(update.clone());
        }
        cx.keep(Record::Updates { settled: self.history.settled(), updates });
        cx.failpoint("after-append");
        let (me, lineage, up_to) = (self.me(), self.lineage, self.history.last());
        cx.durably().send(me, Message::Stored { lineage, up_to });
    }

    /// The node before says what comes next.
    pub(super) fn updates(&mut self, from: usize, updates: Vec<Update>, cx: &mut Context<Self>) {
        let from_before = self.is_active() && self.configuration.before(self.me()) == Some(from);
        let joins = !self.configuration.has(self.me()) && self.whole_in == self.epoch();
        if !(from_before || joins && self.source == from) {
            return;
        }
        let fresh = self.fresh(updates);
        match fresh.is_empty() {
            // Perhaps what was acknowledged was lost.
            true => self.acknowledge(cx),
            false => self.take(fresh, cx),
        }
    }

    /// Those that follow what it knows, in their order. What comes before its predecessors waits for them; a number is executed once, however
    /// often it is said.
    fn fresh(&mut self, updates: Vec<Update>) -> Vec<Update> {
        let last = self.history.last();
        for update in updates {
            if update.number > last && update.number <= last + 2 * MOST_IN_FLIGHT {
                self.early.insert(update.number, update);
            } else if self.has(Bug::ResentUpdateExecutedAgain) {
                self.history.execute_again(&update);
            }
        }
        let mut fresh: Vec<Update> = Vec::new();
        while let Some(update) = self.early.remove(&(last + 1 + fresh.len() as u64)) {
            fresh.push(update);
        }
        fresh
    }

    /// Something has become durable, or the successor is another one: does what follows from it.
    pub(super) fn pass_on(&mut self, cx: &mut Context<Self>) {
        if self.is_active() {
            match self.configuration.after(self.me()) {
                Some(next) => self.forward(next, cx),
                None => {
                    cx.failpoint("before-acknowledge");
                    self.settle(self.durable, cx);
                    self.acknowledge(cx);
                }
            }
        } else if !self.configuration.has(self.me()) {
            self.acknowledge(cx);
        }
        self.feed(cx);
    }

    fn forward(&mut self, next: usize, cx: &mut Context<Self>) {
        if self.has(Bug::AckAtHead) && self.configuration.head() == Some(self.me()) {
            self.acknowledge_blindly(cx);
        }
        if self.sent <= self.history.settled() {
            self.progress_at = cx.now();
        }
        let updates: Vec<Update> = self.history.between(self.sent, self.durable).cloned().collect();
        self.sent = self.sent.max(self.durable);
        if !updates.is_empty() {
            cx.failpoint("before-forward");
        }
        for batch in updates.chunks(BATCH) {
            let configuration = self.configuration.clone();
            cx.send(next, Message::Updates { configuration, updates: batch.to_vec() });
        }
    }

    /// Says to the node before how far the tail is; to whoever transfers, how far oneself is.
    fn acknowledge(&mut self, cx: &mut Context<Self>) {
        let epoch = self.epoch();
        if let Some(before) = self.configuration.before(self.me()) {
            cx.send(before, Message::Acknowledged { epoch, up_to: self.history.settled() });
        } else if !self.configuration.has(self.me()) && self.whole_in == epoch && self.stored == self.lineage {
            cx.send(self.source, Message::Have { epoch, position: self.durable });
        }
    }

    /// The successor passes on the tail's word.
    pub(super) fn acknowledged(&mut self, from: usize, up_to: u64, cx: &mut Context<Self>) {
        if !self.is_active() || self.configuration.after(self.me()) != Some(from) {
            return;
        }
        if up_to > self.history.settled() {
            self.progress_at = cx.now();
        }
        self.settle(up_to, cx);
        self.acknowledge(cx);
    }

    /// Executes what is settled and answers those who waited for it.
    pub(super) fn settle(&mut self, up_to: u64, cx: &mut Context<Self>) {
        for (number, outcome) in self.history.settle(up_to) {
            if let Some(caller) = self.callers.remove(&number) {
                cx.answer(caller, outcome);
            }
        }
        let needed = self.joiners.values().map(|joiner| joiner.needs_after()).min();
        self.history.forget(needed.unwrap_or(u64::MAX));
    }

    /// Says again what was not acknowledged for a while.
    pub(super) fn say_again(&mut self, cx: &mut Context<Self>) {
        let unacknowledged = self.history.settled().max(self.skipped);
        let late = cx.now() >= self.progress_at + self.settings.say_again();
        if self.is_active() && late && unacknowledged < self.durable {
            (self.sent, self.progress_at) = (unacknowledged, cx.now());
            self.pass_on(cx);
        }
    }

    /// Planted bug: what has no other answer than "done" is answered when one disk has it.
    fn acknowledge_blindly(&mut self, cx: &mut Context<Self>) {
        let blind = |operation: &Operation| !matches!(operation, Operation::Cas { .. } | Operation::Txn(_));
        let stored: Vec<u64> = self
            .history
            .between(self.history.settled(), self.durable)
            .filter(|update| matches!(&update.command, Command::Do(operation) if blind(operation)))
            .map(|update| update.number)
            .collect();
        for number in stored {
            if let Some(caller) = self.callers.remove(&number) {
                cx.answer(caller, Outcome::done());
            }
        }
    }
}
