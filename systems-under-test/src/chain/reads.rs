//! Reads: at the tail, or, with `reads = craq`, at any node.
//!
//! The tail answers from its state: whatever it has is on every disk. Another node knows updates that the tail may not have yet. As
//! long as none of those touches the key, its version is **clean** and the node answers; else the key is **dirty**, and the node asks
//! the tail how far it is, settles up to there, and answers from that (Terrace and Freedman, section 2.3: "version queries").
//!
//! Why a clean version is never too old: an update is acknowledged after it has passed every node of the chain, this one
//! too. What it has not seen nobody has been told of, as long as it *is* in the chain, which its lease says.

use histories::Operation;

use super::bugs::Bug;
use super::message::Message;
use super::node::Node;
use super::system::Reads;
use crate::specimen::{Caller, Context, Outcome};

/// A read that waits for the tail's word.
#[derive(Debug)]
pub struct Question {
    /// Who asked.
    pub caller: Caller,
    /// What.
    pub operation: Operation,
}

impl Node {
    /// A client wants to know something.
    pub(super) fn read(&mut self, caller: Caller, operation: Operation, cx: &mut Context<Self>) {
        let tail = self.configuration.tail();
        let is_tail = tail == Some(self.me());
        if self.settings.reads == Reads::Tail && !is_tail {
            return cx.answer(caller, Outcome::Refused { why: "is not the tail".to_owned(), ask: tail });
        }
        // A tail that was removed may not know it; its lease ends before anybody else is the tail.
        let without_lease = self.has(Bug::TailReadsWithoutLease) && self.is_active();
        if !self.may_answer(cx.now()) && !without_lease {
            return cx.answer(caller, Outcome::refused("has no lease"));
        }
        match tail {
            _ if is_tail || !self.history.is_dirty(&operation) => cx.answer(caller, self.history.read(&operation)),
            // Dirty: what is in flight may yet be lost, and the tail may or may not have shown it.
            _ if self.takes_for_clean() => cx.answer(caller, self.history.read_in_flight(&operation)),
            Some(tail) => self.ask(tail, Question { caller, operation }, cx),
            None => cx.answer(caller, Outcome::refused("there is no tail")),
        }
    }

    /// Planted bugs.
    fn takes_for_clean(&self) -> bool {
        self.has(Bug::DirtyVersionServed) || self.mistaken > self.history.settled()
    }

    fn ask(&mut self, tail: usize, question: Question, cx: &mut Context<Self>) {
        self.question_count += 1;
        self.questions.insert(self.question_count, question);
        cx.send(tail, Message::HowFar { epoch: self.epoch(), question: self.question_count });
    }

    /// Asks again, for all who wait.
    pub(super) fn ask_again(&mut self, cx: &mut Context<Self>) {
        if let (Some((last, _)), Some(tail)) = (self.questions.last_key_value(), self.configuration.tail()) {
            cx.send(tail, Message::HowFar { epoch: self.epoch(), question: *last });
        }
    }

    /// Somebody asks the tail how far it is.
    pub(super) fn how_far(&mut self, from: usize, question: u64, cx: &mut Context<Self>) {
        if self.configuration.tail() == Some(self.me()) && self.may_answer(cx.now()) {
            let (epoch, up_to) = (self.epoch(), self.history.settled());
            cx.send(from, Message::ThisFar { epoch, question, up_to });
        }
    }

    /// The tail is this far, or further: whoever asked before that question was put can be answered.
    pub(super) fn this_far(&mut self, question: u64, up_to: u64, cx: &mut Context<Self>) {
        self.settle(up_to, cx);
        let later = self.questions.split_off(&(question + 1));
        for (_, Question { caller, operation }) in std::mem::replace(&mut self.questions, later) {
            cx.answer(caller, self.history.read(&operation));
        }
    }
}
