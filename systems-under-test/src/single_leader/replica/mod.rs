//! One replica as a pure state machine: no clock, no disk, no network, no randomness of its own. It is told what
//! happened (a message came, time passed, something is on disk now) and says what to do ([`Effect`]). Everything that
//! must never go wrong is decided here, so that a test can put thousands of clusters through every disorder that
//! messages, disks and crashes can make (`simulation.rs`).
//!
//! - [`rules`]: how many copies, how many votes.
//! - [`log`]: entries and marks.
//! - [`message`]: what replicas say to each other.
//! - `election`: canvassing, standing, voting.
//! - `leading`: shipping the log, counting copies, choosing the synchronous follower.
//! - `following`: taking entries and snapshots, undoing what no leader confirmed.

mod election;
mod following;
mod leading;
pub mod log;
pub mod message;
pub mod rules;
#[cfg(test)]
mod simulation;

use std::collections::VecDeque;
use std::sync::Arc;

use self::following::Incoming;
use self::leading::Leading;
use self::log::{Entry, Log, Mark};
use self::message::Message;
use self::rules::{Failover, Rules};
use crate::parts::json::Raw;
use crate::single_leader::bugs::Bug;

/// A node, by its position in the cluster.
pub type Peer = usize;

/// The state at a mark, in parts that the state machine understands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// The place in the log whose state this is: everything up to it is in, nothing after it.
    pub mark: Mark,
    /// The state.
    pub parts: Vec<Raw>,
}

/// Something for the disk, to be done in the order in which it was asked for.
#[derive(Clone, Debug)]
pub enum Work {
    /// Keep the epoch and the vote.
    Ballot {
        /// The epoch.
        epoch: u64,
        /// Whom this node voted for in it.
        voted_for: Option<Peer>,
    },
    /// Add entries to the log.
    Append {
        /// The position of the first.
        first: u64,
        /// The entries.
        entries: Vec<Entry>,
    },
    /// The log becomes this, whole or not at all.
    Rewrite {
        /// The mark before the first entry.
        base: Mark,
        /// The entries.
        entries: Vec<Entry>,
    },
    /// Keep a snapshot; after that the log becomes this.
    Snapshot {
        /// The snapshot.
        snapshot: Arc<Snapshot>,
        /// The mark before the first entry.
        base: Mark,
        /// The entries.
        entries: Vec<Entry>,
    },
}

/// What the replica wants done, in order.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Send this; it may be lost.
    Send {
        /// To whom.
        to: Peer,
        /// What.
        message: Message,
    },
    /// Have the disk do this and say so with [`Replica::stored`]: a number means it and all before it are done.
    Store {
        /// The number.
        ticket: u64,
        /// What.
        work: Work,
    },
    /// The log ends here now: a state that has more in it must be built again.
    Discarded {
        /// The last position that is left.
        after: u64,
    },
    /// The state is that of [`Replica::snapshot`] now.
    Restored,
    /// This node leads no more: what it was asked and did not answer has no certain outcome.
    Deposed,
    /// A line for the node's log.
    Note(String),
}

/// What a node finds on its disk when it starts.
#[derive(Clone, Debug, Default)]
pub struct Recovered {
    /// The epoch.
    pub epoch: u64,
    /// Its vote in that epoch.
    pub voted_for: Option<Peer>,
    /// The last snapshot.
    pub snapshot: Snapshot,
    /// The log.
    pub log: Log,
}

/// Who a node is.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Its position in the cluster.
    pub me: Peer,
    /// The names of all nodes.
    pub names: Vec<String>,
}

#[derive(Debug)]
enum Role {
    Follower { leader: Option<Peer> },
    Canvassing { granted: Vec<bool> },
    Standing { asked: bool, granted: Vec<bool> },
    Leading(Leading),
}

/// Which part of the log is on disk. Work is numbered; the disk does it in order.
#[derive(Debug, Default)]
struct Disk {
    issued: u64,
    done: u64,
    ballot: u64,
    handed: u64,
    durable: u64,
    pending: VecDeque<(u64, u64)>,
}

/// See the [module](self).
#[derive(Debug)]
pub struct Replica {
    rules: Rules,
    identity: Identity,
    now: u64,
    ticked: u64,
    random: u64,
    epoch: u64,
    voted_for: Option<Peer>,
    log: Log,
    snapshot: Arc<Snapshot>,
    commit: u64,
    role: Role,
    connected: Vec<bool>,
    disk: Disk,
    deadline: u64,
    // As a follower.
    heard: u64,
    verified: u64,
    /// The leader's log differs from what this node's snapshot has in it.
    diverged: bool,
    ack_owed: bool,
    vote_owed: Option<Peer>,
    incoming: Option<Incoming>,
    caught_up: bool,
    catch_up_to: Option<u64>,
    effects: Vec<Effect>,
}

/// In epoch 0 nobody has led yet; the first node asks this often until enough others are there.
const FIRST_CANVASS_US: u64 = 50_000;

impl Replica {
    /// A node that has just started. `random` seeds its timeouts.
    pub fn new(identity: Identity, rules: Rules, recovered: Recovered, random: u64, now: u64) -> Replica {
        let Recovered { epoch, voted_for, snapshot, log } = recovered;
        let last = log.last();
        let mut replica = Replica {
            now,
            ticked: now,
            random: random | 1,
            // A log can be ahead of the ballot only when the ballot was lost; never fall back behind it.
            epoch: epoch.max(last.epoch),
            voted_for: voted_for.filter(|_| epoch >= last.epoch),
            commit: snapshot.mark.position,
            snapshot: Arc::new(snapshot),
            role: Role::Follower { leader: None },
            connected: vec![false; identity.names.len()],
            disk: Disk { handed: last.position, durable: last.position, ..Disk::default() },
            deadline: 0,
            heard: 0,
            verified: 0,
            diverged: false,
            ack_owed: false,
            vote_owed: None,
            incoming: None,
            caught_up: false,
            catch_up_to: None,
            effects: Vec::new(),
            log,
            rules,
            identity,
        };
        replica.first_steps();
        replica
    }

    fn first_steps(&mut self) {
        let first = self.identity.me == 0;
        match self.rules.failover {
            // Nobody else ever leads, and every start of the leader is an epoch of its own, so that followers can
            // tell what this leader has committed from what an earlier one may have.
            Failover::None if first => self.stand(),
            _ if first && self.epoch == 0 => self.deadline = self.now,
            Failover::Manual if self.voted_for == Some(self.identity.me) => self.deadline = self.now,
            _ => self.put_off(),
        }
    }

    /// The number of nodes.
    pub fn count(&self) -> usize {
        self.identity.names.len()
    }

    /// The epoch that it obeys.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Everything up to here is committed: it may be seen and acknowledged.
    pub fn commit(&self) -> u64 {
        self.commit
    }

    /// The log.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The last snapshot.
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// Whether it is, or believes that it is, the leader.
    pub fn is_leader(&self) -> bool {
        matches!(self.role, Role::Leading(_))
    }

    /// Whether it leads and has committed an entry of its own epoch: only then does it know everything that earlier
    /// leaders acknowledged (Ongaro's thesis on Raft, section 6.4), and may answer as the leader.
    pub fn leads(&self) -> bool {
        self.is_leader() && self.committed_in_epoch()
    }

    fn committed_in_epoch(&self) -> bool {
        self.log.mark(self.commit).is_some_and(|mark| mark.epoch == self.epoch)
    }

    /// Whom it takes for the leader, itself included.
    pub fn leader(&self) -> Option<Peer> {
        match &self.role {
            Role::Leading(_) => Some(self.identity.me),
            Role::Follower { leader } => *leader,
            _ => None,
        }
    }

    /// Whether it may answer reads as a replica: since it started it has caught up with a leader once, so nobody who
    /// read here before sees time move backwards.
    pub fn may_serve(&self) -> bool {
        self.caught_up
    }

    /// Whether it takes part: leads, or follows a leader that it has heard lately and caught up with.
    pub fn is_ready(&self) -> bool {
        match self.role {
            Role::Leading(_) => self.leads(),
            _ => self.caught_up && self.leader_is_alive(),
        }
    }

    fn leader_is_alive(&self) -> bool {
        match self.role {
            Role::Leading(_) => true,
            Role::Follower { leader: Some(_) } => self.now < self.heard + self.rules.failover_timeout_us,
            _ => false,
        }
    }

    /// When [`Replica::tick`] is due at the latest.
    pub fn wake(&self) -> u64 {
        match &self.role {
            Role::Leading(leading) => leading.wake(self.now, self.commit, &self.rules),
            _ => self.deadline.min(self.ticked + self.stall_us() / 4),
        }
    }

    /// What is to be done since this was last asked.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// Time passed.
    pub fn tick(&mut self, now: u64) {
        // A node that was not running itself (stopped, starved, its machine asleep) does not blame its leader.
        let stalled = now > self.ticked + self.stall_us();
        self.now = now;
        self.ticked = now;
        if self.is_leader() {
            return self.tend_copies();
        }
        if stalled {
            self.put_off();
        }
        if now >= self.deadline {
            self.deadline_passed();
        }
    }

    fn stall_us(&self) -> u64 {
        self.rules.failover_timeout_us / 2
    }

    /// A message came. Messages may be lost, repeated, late and out of order.
    pub fn receive(&mut self, now: u64, from: Peer, message: Message) {
        self.now = now;
        // BUG old-leader-stays: a leader that hears of a higher epoch goes on leading in its own.
        let stays = self.is_leader() && self.rules.planted.is(Bug::OldLeaderStays);
        if message.epoch() > self.epoch && !stays {
            self.obey(message.epoch());
        }
        match message {
            Message::Append { epoch, prev, last, commit, entries } => {
                if self.accept_leader(from, epoch) {
                    self.take_entries(prev, last, commit, entries);
                }
            }
            Message::Snapshot { epoch, mark, last, part, parts, data } => {
                if self.accept_leader(from, epoch) {
                    self.take_snapshot(mark, last, part, parts, data);
                }
            }
            Message::Ack { epoch, position } => self.take_ack(from, epoch, position),
            Message::Reject { epoch, asked, hint, snapshot } => self.take_reject(from, epoch, asked, hint, snapshot),
            Message::Canvass { epoch, last, forced } => self.take_canvass(from, epoch, last, forced),
            Message::Lean { asked, granted, .. } => self.take_lean(from, asked, granted),
            Message::Stand { epoch, last } => self.take_stand(from, epoch, last),
            Message::Vote { epoch, granted } => self.take_vote(from, epoch, granted),
        }
    }

    /// The disk has done this and everything before it.
    pub fn stored(&mut self, now: u64, ticket: u64) {
        self.now = now;
        self.disk.done = self.disk.done.max(ticket);
        while let Some(&(pending, position)) = self.disk.pending.front() {
            if pending > self.disk.done {
                break;
            }
            self.disk.durable = position;
            self.disk.pending.pop_front();
        }
        if self.disk.done >= self.disk.ballot {
            self.ballot_stored();
            self.pay_ack();
        }
        self.advance_commit();
    }

    /// A connection to this node is open: what is sent now may arrive.
    pub fn connect(&mut self, now: u64, peer: Peer) {
        self.now = now;
        self.connected[peer] = true;
        let last = self.log.last().position;
        if let Role::Leading(leading) = &mut self.role {
            leading.start_over(peer, last);
        }
    }

    /// The connection to this node is gone, and perhaps what was sent last.
    pub fn disconnect(&mut self, now: u64, peer: Peer) {
        self.now = now;
        self.connected[peer] = false;
        self.tend_copies();
    }

    /// A leader adds a command to its log. The mark is its place; it has happened when that is committed and still
    /// there. `None` when this node does not lead.
    pub fn propose(&mut self, command: Raw) -> Option<Mark> {
        if !self.is_leader() {
            return None;
        }
        self.log.push(Entry { epoch: self.epoch, command });
        Some(self.log.last())
    }

    /// An operator asks this node to become leader. It does if enough others would vote for it. `false` when it
    /// leads already, or when in this configuration nobody else ever leads.
    pub fn promote(&mut self, now: u64) -> bool {
        self.now = now;
        if self.is_leader() || self.rules.failover == Failover::None {
            return false;
        }
        self.canvass(true);
        true
    }

    /// The state at some committed position, made by the state machine: what is older is forgotten, save for the
    /// last entries that a follower may still need.
    pub fn compact(&mut self, snapshot: Snapshot) {
        let mark = snapshot.mark;
        assert!(mark.position <= self.commit && self.log.mark(mark.position) == Some(mark), "a snapshot of the past");
        self.snapshot = Arc::new(snapshot);
        self.log.forget(mark.position.saturating_sub(self.rules.retention));
        let (base, entries) = (self.log.base(), self.log.to_vec());
        self.disk.handed = self.log.last().position;
        self.store(Work::Snapshot { snapshot: self.snapshot.clone(), base, entries });
    }

    /// Hands new entries to the disk and to the followers. Called once after a batch of other calls, so that each gets
    /// few and large pieces.
    pub fn pump(&mut self, now: u64) {
        self.now = now;
        let (first, last) = (self.disk.handed + 1, self.log.last().position);
        if first <= last {
            self.disk.handed = last;
            let entries = self.log.range(first, last).cloned().collect();
            self.store(Work::Append { first, entries });
        }
        self.ship();
    }

    fn store(&mut self, work: Work) {
        self.disk.issued += 1;
        let ticket = self.disk.issued;
        match work {
            Work::Ballot { .. } => self.disk.ballot = ticket,
            _ => self.disk.pending.push_back((ticket, self.disk.handed)),
        }
        self.effects.push(Effect::Store { ticket, work });
    }

    fn store_ballot(&mut self) {
        self.store(Work::Ballot { epoch: self.epoch, voted_for: self.voted_for });
    }

    /// What is on disk of the log from here on is no longer what the log says.
    fn undo_durable(&mut self, after: u64) {
        self.disk.durable = self.disk.durable.min(after);
        for (_, position) in &mut self.disk.pending {
            *position = (*position).min(after);
        }
        self.disk.handed = self.disk.handed.min(after);
    }

    /// Enters a higher epoch, as a follower of nobody yet.
    fn obey(&mut self, epoch: u64) {
        assert!(epoch > self.epoch, "a node never obeys a lower epoch");
        self.step_down(epoch);
        self.enter(epoch, None);
    }

    /// What was known of the leader of the last epoch is void.
    fn enter(&mut self, epoch: u64, voted_for: Option<Peer>) {
        self.epoch = epoch;
        self.voted_for = voted_for;
        self.vote_owed = None;
        self.ack_owed = false;
        self.verified = 0;
        self.diverged = false;
        self.incoming = None;
        self.catch_up_to = None;
        self.store_ballot();
    }

    fn step_down(&mut self, epoch: u64) {
        let was = std::mem::replace(&mut self.role, Role::Follower { leader: None });
        if let Role::Leading(_) = was {
            self.note(format!("stepping down from epoch {}: there is epoch {epoch}", self.epoch));
            self.effects.push(Effect::Deposed);
            self.put_off();
        }
    }

    fn send(&mut self, to: Peer, message: Message) {
        self.effects.push(Effect::Send { to, message });
    }

    fn send_all(&mut self, message: &Message) {
        for to in (0..self.count()).filter(|&to| to != self.identity.me) {
            self.effects.push(Effect::Send { to, message: message.clone() });
        }
    }

    fn note(&mut self, line: impl Into<String>) {
        self.effects.push(Effect::Note(line.into()));
    }

    fn name(&self, peer: Peer) -> &str {
        &self.identity.names[peer]
    }

    /// Waits for a leader for one timeout, and up to as long again.
    fn put_off(&mut self) {
        // Marsaglia's xorshift: all it has to do is to keep two nodes from standing at once for ever.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let timeout = self.rules.failover_timeout_us;
        self.deadline = self.now + timeout + self.random % timeout.max(1);
    }
}
