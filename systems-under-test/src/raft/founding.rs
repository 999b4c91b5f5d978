//! A node that has lost its disk is not the node that it was.
//!
//! It has forgotten for whom it voted and what it told a leader was safe; if it goes on as before, two leaders of one term and lost
//! writes follow:
//!
//! ```text
//!   n1 leader   a    on two disks of three: committed, acknowledged
//!   n2          a    its disk is replaced: it knows nothing
//!   n3                                          n1 fails; n2 and n3 are a majority, and have never heard of a
//! ```
//!
//! So each node draws an **identity** when it makes its journal, and tells all others, who note durably the first that they meet
//! under its name and say whom they noted. When *everybody* has noted it, it is accepted, once and for ever: only then it votes, stands,
//! and is counted. One that comes back without its journal has another identity, hears that from the first node it meets, and stays a
//! **stranger**: it gets the log and executes it, and counts for nothing.
//!
//! The price: a cluster begins only when all its nodes have met, and a stranger lowers the number of failures that the others can bear
//! until an operator rebuilds the cluster. (The thesis of Raft has no such rule: it takes disks for immortal.)

use super::Raft;
use super::bugs::Bug;
use super::message::{Message, Record};
use crate::specimen::{Context, Micros, Seat};

/// How often to introduce oneself.
const AGAIN: Micros = 100_000;

/// Who a node is, and to whom.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// Its own identity; `None` before its first start.
    pub own: Option<u64>,
    /// Whom it has met under each name.
    pub met: Vec<Option<u64>>,
    /// Whether it is who it says; `None` while not everybody was heard.
    pub accepted: Option<bool>,
    /// Who knows it.
    known_to: Vec<bool>,
    greet_at: Micros,
}

impl Identity {
    /// One that has met nobody.
    pub fn new(seat: &Seat) -> Identity {
        Identity { met: vec![None; seat.count()], known_to: vec![false; seat.count()], ..Identity::default() }
    }

    /// Everything to keep of it.
    pub fn records(&self) -> impl Iterator<Item = Record> {
        let met = self.met.iter().enumerate();
        let met = met.filter_map(|(node, identity)| identity.map(|identity| Record::Met { node, identity }));
        let own = self.own.map(|identity| Record::Born { identity });
        own.into_iter().chain(met).chain(self.accepted.map(Record::Accepted))
    }
}

impl Raft {
    /// Whether it may vote, stand and be counted.
    pub(super) fn counts(&self) -> bool {
        // Bug: who has forgotten everything goes on as if it never knew anything.
        self.identity.accepted == Some(true) || self.bug(Bug::AmnesiacVotes)
    }

    /// Introduces itself to whoever does not know it yet.
    pub(super) fn introduce(&mut self, cx: &mut Context<Raft>) {
        let identity = match self.identity.own {
            Some(identity) => identity,
            None => {
                // Numbers up to 2^53 survive every reader of JSON.
                let identity = cx.random() >> 11;
                cx.keep(Record::Born { identity });
                *self.identity.own.insert(identity)
            }
        };
        if self.identity.accepted.is_some() {
            return;
        }
        if self.seat.count() == 1 {
            return self.accept(true, cx);
        }
        if cx.now() >= self.identity.greet_at {
            self.identity.greet_at = cx.now() + AGAIN;
            for other in self.seat.others().filter(|other| !self.identity.known_to[*other]) {
                cx.durably().send(other, Message::Greet { identity });
            }
        }
        cx.wake_at(self.identity.greet_at);
    }

    /// Somebody introduces itself.
    pub(super) fn greeted(&mut self, from: usize, identity: u64, cx: &mut Context<Raft>) {
        let known = *self.identity.met[from].get_or_insert_with(|| {
            cx.keep(Record::Met { node: from, identity });
            identity
        });
        cx.durably().send(from, Message::Known { identity: known });
    }

    /// Somebody says whom it knows under this node's name.
    pub(super) fn known_as(&mut self, from: usize, identity: u64, cx: &mut Context<Raft>) {
        if self.identity.accepted.is_some() {
            return;
        }
        if self.identity.own != Some(identity) {
            return self.accept(false, cx);
        }
        self.identity.known_to[from] = true;
        if self.seat.others().all(|other| self.identity.known_to[other]) {
            self.accept(true, cx);
        }
    }

    fn accept(&mut self, accepted: bool, cx: &mut Context<Raft>) {
        self.identity.accepted = Some(accepted);
        cx.keep(Record::Accepted(accepted));
        cx.note(if accepted { "accepted" } else { "stranger" });
    }
}
