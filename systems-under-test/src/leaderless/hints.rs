//! Hinted handoff: who stood in for a home keeps what it was given for it, and hands it over when the home is back.
//!
//! A hint is a copy that counts for w, so it is on the disk before it is acknowledged, and it is there until the home has said that it has it
//! on *its* disk. The home merges it: by then it may know better.

use super::bugs::Bug;
use super::messages::{Message, Record, Ticket};
use super::node::Leaderless;
use super::row::Row;
use crate::parts::json::Item;
use crate::specimen::{Context, Micros};

/// How often hints are offered to their homes.
const EVERY: Micros = 150_000;
/// So many hints at a time are offered to one home.
const AT_ONCE: usize = 64;

/// When hints are offered next.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Deliveries {
    next: Micros,
}

impl Leaderless {
    /// Keeps something for a home.
    pub(super) fn keep_hint(&mut self, home: usize, key: Item, row: Row, cx: &mut Context<Self>) {
        self.clock.witness(row.newest());
        let record = Record::Hint(home, key, row);
        if self.bug(Bug::HintsInMemory) {
            // It is only for a while. But it counts as a copy, and a copy is to be in the journal.
            return self.replica.apply(&record);
        }
        self.keep(record, cx);
        cx.note(format!("hint-kept for={}", self.seat.names[home]));
        cx.failpoint("hint-kept");
    }

    /// Offers hints to their homes, now and then.
    pub(super) fn deliver(&mut self, cx: &mut Context<Self>) {
        if self.replica.counts().1 == 0 {
            return;
        }
        if cx.now() >= self.deliveries.next {
            self.deliveries.next = cx.now() + EVERY;
            for home in self.seat.others() {
                self.deliver_to(home, cx);
            }
        }
        cx.wake_at(self.deliveries.next);
    }

    fn deliver_to(&mut self, home: usize, cx: &mut Context<Self>) {
        let of_home = self.replica.hints().filter(|(of, _, _)| *of == home).take(AT_ONCE);
        let hints: Vec<_> = of_home.map(|(_, key, hint)| (key.clone(), hint.clone())).collect();
        for (key, hint) in hints {
            let ticket = self.ticket(hint.version);
            cx.send(home, Message::Hand { ticket, key: key.clone(), row: hint.row });
            if self.bug(Bug::HintDroppedWhenSent) {
                // Sent is not arrived: it is to stay until the home says so.
                self.keep(Record::Handed(home, key), cx);
            }
        }
    }

    /// Somebody kept this for us.
    pub(super) fn handed(&mut self, from: usize, ticket: Ticket, key: Item, row: Row, cx: &mut Context<Self>) {
        match self.bug(Bug::HintOverwritesRow) {
            // What comes later is not newer: it is to be merged.
            true => self.keep(Record::Replace(key.clone(), row), cx),
            false => self.take_in(key.clone(), row, cx),
        }
        cx.durably().send(from, Message::Handed { ticket, key });
    }

    /// The home has it; unless the hint has grown since, it has done its work.
    pub(super) fn delivered(&mut self, home: usize, ticket: Ticket, key: Item, cx: &mut Context<Self>) {
        let same = |hint: &super::replica::Hint| self.ticket(hint.version) == ticket;
        let done = self.replica.hints().any(|(of, its, hint)| of == home && *its == key && same(hint));
        if done {
            cx.note(format!("hint-delivered to={}", self.seat.names[home]));
            self.keep(Record::Handed(home, key), cx);
        }
    }
}
