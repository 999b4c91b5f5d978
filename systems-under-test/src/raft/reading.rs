//! Reads that show everything that was acknowledged before they began, without an entry in the log for each.
//!
//! A leader's own state is not enough: it may have been replaced without knowing, and show what was true then. So a read
//!
//! 1. notes how far is committed when it arrives (the **read index**), which the leader knows once an entry of its own term is;
//! 2. waits until a majority has answered a question that the leader put *after* the read arrived: then nobody else had been
//!    elected before it did;
//! 3. waits until the state is that far, and reads it (Ongaro's thesis, 6.4).
//!
//! Another node can answer too: it asks the leader for the index and waits until its own state is that far (`read-from = any`).
//!
//! # Leases
//!
//! Step 2 costs a round trip. With `reads = lease` the leader remembers when it began the last round that a majority
//! answered: from then on each of them keeps silent to candidates for an `election-timeout`, so for a little less than that nobody else
//! leads, and the leader reads at once (6.4.1). That needs no clock that is *right*, only clocks that go about equally fast: it is counted
//! by those that never jump. A leader that has told another to stand has no lease any more.
//!
//! `reads = local` leaves step 1 and 2 out, and whoever is asked answers with what it has.

use histories::Operation;

use super::Raft;
use super::bugs::Bug;
use super::message::Message;
use super::node::Role;
use super::system::{ReadFrom, Reads};
use crate::specimen::{Caller, Context, Micros, Outcome};

/// Who wants to know whether the leader still leads.
#[derive(Clone, Debug)]
enum Reader {
    Client(Caller, Operation),
    Node { node: usize, read: u64 },
}

/// A read that waits for a round.
#[derive(Clone, Debug)]
pub struct Pending {
    reader: Reader,
    /// The round that must be answered.
    round: u64,
    /// How far was committed when it arrived; `None` while the leader does not know.
    index: Option<u64>,
}

impl Pending {
    /// Whoever asked must ask somebody else.
    pub fn refuse(self, cx: &mut Context<Raft>) {
        match self.reader {
            Reader::Client(caller, _) => cx.answer(caller, Outcome::refused("it stopped leading")),
            Reader::Node { node, read } => cx.send(node, Message::Index { read, index: None }),
        }
    }
}

/// A read that was sent on to the leader.
#[derive(Clone, Debug)]
pub struct Forwarded {
    caller: Caller,
    operation: Operation,
    index: Option<u64>,
    until: Micros,
}

impl Raft {
    /// A client wants to read.
    pub(super) fn read(&mut self, caller: Caller, operation: Operation, cx: &mut Context<Raft>) {
        let leads = matches!(self.role, Role::Leader(_));
        if !leads && self.settings.read_from == ReadFrom::Leader {
            return cx.answer(caller, self.not_me(cx));
        }
        let local = self.settings.reads == Reads::Local
            // Bug: a leader takes it for granted that it leads.
            || leads && self.bug(Bug::LeaderReadsUnconfirmed)
            // Bug: what a follower has executed is taken for everything.
            || !leads && self.bug(Bug::FollowerReadsOwnState);
        match leads {
            _ if local => cx.answer(caller, self.machine.read(&operation)),
            true => self.confirm(Reader::Client(caller, operation), cx),
            false => self.forward(caller, operation, cx),
        }
    }

    /// Lets a read wait until it is known that this node still led when it arrived.
    fn confirm(&mut self, reader: Reader, cx: &mut Context<Raft>) {
        let commit = self.commit;
        let Some(leading) = self.leading() else { return };
        let index = (commit >= leading.first).then_some(commit);
        leading.reads.push(Pending { reader, round: leading.round + 1, index });
        if self.settings.reads == Reads::Lease {
            self.confirm_reads(cx);
        }
        if let Some(leading) = self.leading() {
            leading.round_wanted |= !leading.reads.is_empty();
        }
    }

    /// The leader's own answer to a round that has just begun.
    pub(super) fn note_round(&mut self, me: usize, cx: &mut Context<Raft>) {
        if let Some(leading) = self.leading() {
            leading.progress[me].round = leading.round;
        }
        self.confirm_reads(cx);
    }

    /// Answers the reads whose round a majority has answered, or all of them while the lease holds.
    pub(super) fn confirm_reads(&mut self, cx: &mut Context<Raft>) {
        let Role::Leader(leading) = &self.role else { return };
        let confirmed = self.members().reached(|node| leading.progress[node].round);
        let holds = self.lease_holds(confirmed, cx);
        let commit = self.commit;
        let Some(leading) = self.leading() else { return };
        leading.begun = leading.begun.split_off(&confirmed);
        let (first, mut ready) = (leading.first, Vec::new());
        let sure = |read: &Pending| holds || read.round <= confirmed;
        leading.reads.retain_mut(|read| {
            // A read that came before the leader knew what is committed has the index of the moment when it did.
            let index = read.index.or((commit >= first).then_some(commit));
            read.index = index;
            let done = index.is_some() && sure(read);
            if done {
                ready.push(read.clone());
            }
            !done
        });
        for read in ready {
            self.finish(read, cx);
        }
    }

    fn finish(&mut self, read: Pending, cx: &mut Context<Raft>) {
        match read.reader {
            // A leader's state is at its commit index.
            Reader::Client(caller, operation) => cx.answer(caller, self.machine.read(&operation)),
            Reader::Node { node, read: number } => {
                cx.send(node, Message::Index { read: number, index: read.index });
                // It cannot answer before it has heard that this is committed.
                self.send_log(node, true, cx);
            }
        }
    }

    /// Whether nobody else can lead yet, as the answers to this round promise.
    fn lease_holds(&self, confirmed: u64, cx: &Context<Raft>) -> bool {
        let Role::Leader(leading) = &self.role else { return false };
        if self.settings.reads != Reads::Lease || leading.gave_lease_up {
            return false;
        }
        // Some of it is left for clocks that do not go equally fast.
        let lasts = self.settings.election_timeout * 9 / 10;
        let Some(begun) = leading.begun.get(&confirmed) else { return false };
        self.lease_clock(cx) < begun + lasts
    }

    /// The clock by which leases are counted.
    pub(super) fn lease_clock(&self, cx: &Context<Raft>) -> Micros {
        // Bug: one that can be set, or stand still.
        if self.bug(Bug::LeaseByWallClock) { cx.wall() } else { cx.now() }
    }

    /// Asks the leader how far to wait.
    fn forward(&mut self, caller: Caller, operation: Operation, cx: &mut Context<Raft>) {
        let Some(leader) = self.leader.filter(|leader| *leader != self.seat.me) else {
            return cx.answer(caller, Outcome::refused("it knows no leader"));
        };
        // A number that no other read ever has, also of this node before it was started again.
        let read = cx.random() >> 11;
        let until = cx.now() + self.settings.election_timeout;
        self.forwarded.insert(read, Forwarded { caller, operation, index: None, until });
        cx.send(leader, Message::AskIndex { read });
    }

    /// Somebody who was asked to read asks how far to wait.
    pub(super) fn index_asked(&mut self, from: usize, read: u64, cx: &mut Context<Raft>) {
        match self.role {
            Role::Leader(_) => self.confirm(Reader::Node { node: from, read }, cx),
            _ => cx.send(from, Message::Index { read, index: None }),
        }
    }

    /// The leader says how far to wait.
    pub(super) fn index_told(&mut self, read: u64, index: Option<u64>, cx: &mut Context<Raft>) {
        match (self.forwarded.get_mut(&read), index) {
            (Some(forwarded), Some(index)) => forwarded.index = Some(index),
            (Some(forwarded), None) => {
                cx.answer(forwarded.caller, Outcome::refused("the node it asked does not lead"));
                self.forwarded.remove(&read);
            }
            (None, _) => {}
        }
        self.answer_forwarded(cx);
    }

    /// Answers the reads for which the state is far enough.
    pub(super) fn answer_forwarded(&mut self, cx: &mut Context<Raft>) {
        let machine = &self.machine;
        self.forwarded.retain(|_, read| {
            let ready = read.index.is_some_and(|index| machine.applied >= index);
            if ready {
                cx.answer(read.caller, machine.read(&read.operation));
            }
            !ready
        });
    }

    /// Gives up reads that nobody helps with.
    pub(super) fn forget_forwarded(&mut self, cx: &mut Context<Raft>) {
        let now = cx.now();
        self.forwarded.retain(|_, read| {
            if now >= read.until {
                cx.answer(read.caller, Outcome::refused("the leader does not say how far to wait"));
            }
            now < read.until
        });
        if let Some(until) = self.forwarded.values().map(|read| read.until).min() {
            cx.wake_at(until);
        }
    }
}
