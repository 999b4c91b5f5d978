//! What a node does for a client: asks the homes of the key, waits for enough of them, answers.
//!
//! ```text
//!   read      Get ─▶ n homes     r rows: merge them          lagging ones: Put, wait for w    answer
//!   add       Put ─▶ n homes     w kept it: answer
//!   write     Get ─▶ n homes     r rows: a later stamp, or what it replaces     Put, w kept it: answer
//! ```
//!
//! Adds, appends and increments compete with nothing and need not ask first. A removal replaces what was seen, so it asks; so does
//! a write that is to be later than what is there.
//!
//! An update that was sent to anybody may happen, whoever answered or not: too few answers mean that nobody knows.

use std::collections::BTreeMap;

use histories::{Operation, Scalar};
use serde_json::json;

use super::bugs::Bug;
use super::messages::{Message, Ticket};
use super::node::Leaderless;
use super::row::Row;
use super::settings::Repair;
use super::updates::{member, understands};
use crate::parts::json::{Item, Raw};
use crate::specimen::{Ask, Caller, Context, Micros, Outcome};

/// Homes that are silent are asked again after this.
const AGAIN: Micros = 60_000;
/// Others stand in for homes that were silent for so long.
const STAND_IN: Micros = 100_000;
/// The coordinator gives up after this.
const GIVE_UP: Micros = 800_000;

/// An operation that is under way.
#[derive(Debug)]
pub(super) struct Task {
    caller: Caller,
    operation: Operation,
    key: Item,
    /// All nodes, in the order in which they care for the key; the first are its homes.
    preference: Vec<usize>,
    step: Step,
    begun: Micros,
    again: Micros,
    /// Who stands in for which home, and how often others were looked for.
    stand_ins: BTreeMap<usize, usize>,
    rounds: usize,
}

#[derive(Debug)]
enum Step {
    /// Asking what there is.
    Asking { rows: BTreeMap<usize, Row> },
    /// Seeing to it that enough homes have this: which do, and who said so for them.
    Writing { row: Row, homes: BTreeMap<usize, usize>, outcome: Outcome },
}

impl Leaderless {
    /// A client asks.
    pub(super) fn coordinate(&mut self, caller: Caller, ask: Ask, cx: &mut Context<Self>) {
        let operation = ask.operation;
        if !understands(&operation) {
            let why = format!("no command is named '{}'", operation.f());
            return cx.answer(caller, Outcome::NoEffect(why));
        }
        // A session's next update is later than what it has seen.
        self.clock.witness(ask.context.as_u64().unwrap_or(0));
        let key = Item(operation.key().cloned().unwrap_or(Scalar::Null));
        let preference = self.ring.preference(&key);
        let step = match self.asks_first(&operation) {
            true => Step::Asking { rows: BTreeMap::new() },
            false => {
                let row = self.update(&key, &operation, &Row::default(), cx.wall());
                Step::Writing { row, homes: BTreeMap::new(), outcome: Outcome::done() }
            }
        };
        let (begun, stand_ins) = (cx.now(), BTreeMap::new());
        let task = Task { caller, operation, key, preference, step, begun, again: begun + AGAIN, stand_ins, rounds: 0 };
        self.last_ticket += 1;
        self.tasks.insert(self.last_ticket, task);
        self.address_silent(self.last_ticket, cx);
    }

    /// Whether it matters to an operation what is there.
    fn asks_first(&self, operation: &Operation) -> bool {
        match operation {
            Operation::Read { .. } | Operation::Remove { .. } => true,
            Operation::Write { .. } => self.settings.siblings || self.settings.hybrid,
            _ => false,
        }
    }

    /// Asks the homes that have not answered, or those who stand in for them.
    fn address_silent(&mut self, number: u64, cx: &mut Context<Self>) {
        let (Some(task), ticket) = (self.tasks.get(&number), self.ticket(number)) else { return };
        let both = |home: usize| {
            let stand_in = task.stand_ins.get(&home).map(|other| (*other, Some(home)));
            std::iter::once((home, None)).chain(stand_in)
        };
        let addressees: Vec<(usize, Option<usize>)> = task.silent(self.quorum.n).flat_map(both).collect();
        for (to, instead_of) in addressees {
            let key = task.key.clone();
            let message = match &task.step {
                Step::Asking { .. } => Message::Get { ticket, key },
                Step::Writing { row, .. } => Message::Put { ticket, key, row: row.clone(), instead_of },
            };
            cx.send(to, message);
        }
    }

    /// What a node holds.
    pub(super) fn heard_row(&mut self, from: usize, ticket: Ticket, row: Row, cx: &mut Context<Self>) {
        let Some(task) = self.tasks.get_mut(&ticket.number).filter(|_| ticket.start == self.actor.start) else {
            return;
        };
        let stood_for = task.home_of(from, self.quorum.n);
        let (Step::Asking { rows }, Some(home)) = (&mut task.step, stood_for) else { return };
        rows.insert(home, row);
        if rows.len() >= self.quorum.r {
            self.asked_enough(ticket.number, cx);
        }
    }

    fn asked_enough(&mut self, number: u64, cx: &mut Context<Self>) {
        let Some(Task { step: Step::Asking { rows }, operation, key, .. }) = self.tasks.get_mut(&number) else {
            return;
        };
        let (rows, operation, key) = (std::mem::take(rows), operation.clone(), key.clone());
        let mut merged = Row::default();
        rows.values().for_each(|row| merged.merge(row));
        self.clock.witness(merged.newest());
        if operation.is_read() {
            return self.repair(number, rows, merged, cx);
        }
        if matches!(&operation, Operation::Remove { value, .. } if !merged.contains(&member(value))) {
            return self.end(number, Outcome::NoEffect("the set does not have it".to_owned()), cx);
        }
        let row = self.update(&key, &operation, &merged, cx.wall());
        self.write(number, row, BTreeMap::new(), Outcome::done(), cx);
    }

    /// A read has found this; not all may have it.
    fn repair(&mut self, number: u64, rows: BTreeMap<usize, Row>, merged: Row, cx: &mut Context<Self>) {
        let outcome = Outcome::Done(Raw::of(&merged.found()));
        let have: BTreeMap<usize, usize> =
            rows.iter().filter(|(_, row)| **row == merged).map(|(home, _)| (*home, *home)).collect();
        if self.settings.repair == Repair::Off || have.len() >= self.quorum.w.max(rows.len()) {
            return self.end(number, outcome, cx);
        }
        if have.len() < rows.len() {
            cx.note("read-repair");
        }
        // The next read may meet other homes: what this one shows must be where every read looks before it is shown.
        let early = self.settings.repair == Repair::Async || self.bug(Bug::AnswerBeforeRepair);
        let enough = have.len() >= self.quorum.w;
        self.write(number, merged, have, outcome.clone(), cx);
        if early || enough {
            self.end(number, outcome, cx);
        }
    }

    fn write(
        &mut self,
        number: u64,
        row: Row,
        homes: BTreeMap<usize, usize>,
        outcome: Outcome,
        cx: &mut Context<Self>,
    ) {
        let Some(task) = self.tasks.get_mut(&number) else { return };
        task.step = Step::Writing { row, homes, outcome };
        task.again = cx.now() + AGAIN;
        self.address_silent(number, cx);
    }

    /// A node has it on its disk, as this home or in its place.
    pub(super) fn heard_kept(&mut self, from: usize, ticket: Ticket, home: usize, cx: &mut Context<Self>) {
        let Some(task) = self.tasks.get_mut(&ticket.number).filter(|_| ticket.start == self.actor.start) else {
            return;
        };
        let Step::Writing { homes, outcome, .. } = &mut task.step else { return };
        // A node that answers for two homes is one copy.
        if homes.iter().any(|(other, node)| *node == from && *other != home) {
            return;
        }
        homes.insert(home, from);
        if homes.len() >= self.quorum.w {
            let outcome = outcome.clone();
            self.end(ticket.number, outcome, cx);
        }
    }

    /// Time has passed: silent homes are asked again, others stand in for them, and in the end it gives up.
    pub(super) fn press_on(&mut self, cx: &mut Context<Self>) {
        let now = cx.now();
        let due: Vec<u64> =
            self.tasks.iter().filter(|(_, task)| task.again <= now).map(|(number, _)| *number).collect();
        for number in due {
            let Some(task) = self.tasks.get_mut(&number) else { continue };
            task.again = now + AGAIN;
            if now >= task.begun + GIVE_UP {
                self.give_up(number, cx);
                continue;
            }
            if now >= task.begun + STAND_IN {
                self.find_others(number, cx);
            }
            self.address_silent(number, cx);
        }
        if let Some(next) = self.tasks.values().map(|task| task.again).min() {
            cx.wake_at(next);
        }
    }

    /// Homes have been silent for a while.
    fn find_others(&mut self, number: u64, cx: &mut Context<Self>) {
        if self.bug(Bug::IncrementCountedAgain) {
            self.count_again(number, cx);
        }
        let Some(task) = self.tasks.get_mut(&number) else { return };
        if self.settings.bug.is(Bug::SilentHomesCounted) {
            // They will surely have it soon. An answer is to be an answer: w + r > n says nothing of homes that were only asked.
            let silent: Vec<usize> = task.silent(self.quorum.n).collect();
            let ticket = Ticket { start: self.actor.start, number };
            return silent.into_iter().for_each(|home| self.heard_kept(home, ticket, home, cx));
        }
        // A strict quorum is one of homes only: others would let a write and a read pass each other by.
        if self.settings.sloppy || self.settings.bug.is(Bug::StandInsCountedAsHomes) {
            task.find_stand_ins(self.quorum.n);
        }
    }

    fn count_again(&mut self, number: u64, cx: &mut Context<Self>) {
        let Some(Task { operation, key, .. }) = self.tasks.get(&number) else { return };
        if let Operation::Increment { .. } = operation {
            // Says "and again by so much". A question that is repeated is to say the same: the tally that was made for it.
            let (operation, key) = (operation.clone(), key.clone());
            let more = self.update(&key, &operation, &Row::default(), cx.wall());
            if let Some(Task { step: Step::Writing { row, .. }, .. }) = self.tasks.get_mut(&number) {
                *row = more;
            }
        }
    }

    fn give_up(&mut self, number: u64, cx: &mut Context<Self>) {
        let Some(task) = self.tasks.get(&number) else { return };
        let outcome = match &task.step {
            Step::Asking { rows } => {
                Outcome::refused(format!("{} of {} homes answered in time", rows.len(), self.quorum.r))
            }
            Step::Writing { .. } if task.operation.is_read() => {
                Outcome::refused("too few homes have taken in what the others hold")
            }
            Step::Writing { homes, .. } => {
                let why = format!("{} of {} homes kept it in time", homes.len(), self.quorum.w);
                match self.bug(Bug::PartialWriteReportedFailed) {
                    // It has failed, has it not? Homes that have it pass it on: nobody can say that it never happens.
                    true => Outcome::NoEffect(why),
                    false => Outcome::Unknown(why),
                }
            }
        };
        self.end(number, outcome, cx);
    }

    fn end(&mut self, number: u64, outcome: Outcome, cx: &mut Context<Self>) {
        if let Some(task) = self.tasks.remove(&number) {
            cx.failpoint("answer");
            cx.answer_with(task.caller, outcome, json!(self.clock.heard()));
        }
    }
}

impl Task {
    fn has_answered(&self, home: usize) -> bool {
        match &self.step {
            Step::Asking { rows } => rows.contains_key(&home),
            Step::Writing { homes, .. } => homes.contains_key(&home),
        }
    }

    fn silent(&self, n: usize) -> impl Iterator<Item = usize> {
        self.preference[..n].iter().copied().filter(|home| !self.has_answered(*home))
    }

    /// The home that a node answers for.
    fn home_of(&self, node: usize, n: usize) -> Option<usize> {
        if self.preference[..n].contains(&node) {
            return Some(node);
        }
        self.stand_ins.iter().find(|(_, stand_in)| **stand_in == node).map(|(home, _)| *home)
    }

    /// The next nodes on the ring stand in for silent homes; others, when these are silent too.
    fn find_stand_ins(&mut self, n: usize) {
        self.rounds += 1;
        let counted: Vec<usize> = match &self.step {
            Step::Asking { rows } => rows.keys().filter_map(|home| self.stand_ins.get(home)).copied().collect(),
            Step::Writing { homes, .. } => homes.values().copied().collect(),
        };
        let mut others: Vec<usize> =
            self.preference[n..].iter().copied().filter(|node| !counted.contains(node)).collect();
        if !others.is_empty() {
            let turn = (self.rounds - 1) % others.len();
            others.rotate_left(turn);
        }
        let silent: Vec<usize> = self.silent(n).collect();
        self.stand_ins.extend(silent.into_iter().zip(others));
    }
}
