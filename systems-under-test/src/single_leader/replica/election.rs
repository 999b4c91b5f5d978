//! Who leads. A node that has heard nothing from a leader for a while asks the others whether they would vote for it
//! (canvassing: Raft's pre-vote), and only then enters a new epoch and stands, so that a node that was cut off and
//! comes back disturbs nobody. A node votes once in an epoch, keeps its vote on disk before it says so, and votes only
//! for a log that is at least as up to date as its own.

use super::log::Mark;
use super::message::Message;
use super::rules::Failover;
use super::{FIRST_CANVASS_US, Peer, Replica, Role};
use crate::single_leader::bugs::Bug;

impl Replica {
    /// No leader was heard in time.
    pub(super) fn deadline_passed(&mut self) {
        if self.may_stand() {
            self.canvass(false);
        } else {
            self.put_off();
        }
    }

    fn may_stand(&self) -> bool {
        let me = self.identity.me;
        match self.rules.failover {
            Failover::Automatic => true,
            Failover::Manual => (self.epoch == 0 && me == 0) || self.voted_for == Some(me),
            Failover::None => false,
        }
    }

    fn ballots(&self) -> Vec<bool> {
        let mut granted = vec![false; self.count()];
        granted[self.identity.me] = true;
        granted
    }

    fn enough(&self, granted: &[bool]) -> bool {
        let count = granted.iter().filter(|g| **g).count();
        self.rules.failover == Failover::None || count >= self.rules.votes_needed(self.count())
    }

    /// Asks who would vote for this node.
    pub(super) fn canvass(&mut self, forced: bool) {
        match self.role {
            Role::Follower { leader: Some(leader) } if !forced => {
                self.note(format!("nothing heard from {}: asking for votes", self.name(leader)));
            }
            _ if forced => self.note("promoted by an operator: asking for votes"),
            _ => {}
        }
        self.put_off();
        if self.epoch == 0 {
            self.deadline = self.now + FIRST_CANVASS_US;
        }
        self.role = Role::Canvassing { granted: self.ballots() };
        self.send_all(&Message::Canvass { epoch: self.epoch, last: self.log.last(), forced });
        self.count_leanings();
    }

    pub(super) fn take_canvass(&mut self, from: Peer, epoch: u64, last: Mark, forced: bool) {
        let granted = epoch == self.epoch
            && self.rules.failover != Failover::None
            && self.is_up_to_date(last)
            && (forced || !self.leader_is_alive());
        self.send(from, Message::Lean { epoch: self.epoch, asked: epoch, granted });
    }

    /// Whether a log that ends there has everything that this one has.
    fn is_up_to_date(&self, last: Mark) -> bool {
        // BUG promotes-shorter-log: whoever asks first is good enough.
        last >= self.log.last() || self.rules.planted.is(Bug::PromotesShorterLog)
    }

    pub(super) fn take_lean(&mut self, from: Peer, asked: u64, yes: bool) {
        if asked != self.epoch || !yes {
            return;
        }
        if let Role::Canvassing { granted } = &mut self.role {
            granted[from] = true;
            self.count_leanings();
        }
    }

    fn count_leanings(&mut self) {
        if let Role::Canvassing { granted } = &self.role
            && self.enough(granted)
        {
            self.stand();
        }
    }

    /// Enters a new epoch and votes for itself; asks the others once that is on disk.
    pub(super) fn stand(&mut self) {
        self.enter(self.epoch + 1, Some(self.identity.me));
        self.role = Role::Standing { asked: false, granted: vec![false; self.count()] };
        self.put_off();
    }

    /// The last ballot is on disk.
    pub(super) fn ballot_stored(&mut self) {
        if let Some(to) = self.vote_owed.take() {
            self.send(to, Message::Vote { epoch: self.epoch, granted: true });
        }
        let ballots = self.ballots();
        if let Role::Standing { asked: asked @ false, granted } = &mut self.role {
            *asked = true;
            *granted = ballots;
            if self.rules.failover != Failover::None {
                self.send_all(&Message::Stand { epoch: self.epoch, last: self.log.last() });
            }
            self.count_votes();
        }
    }

    pub(super) fn take_stand(&mut self, from: Peer, epoch: u64, last: Mark) {
        let free = self.voted_for.is_none_or(|whom| whom == from);
        let idle = matches!(self.role, Role::Follower { leader: None } | Role::Canvassing { .. });
        let granted =
            epoch == self.epoch && self.rules.failover != Failover::None && free && idle && self.is_up_to_date(last);
        if !granted {
            return self.send(from, Message::Vote { epoch: self.epoch, granted: false });
        }
        self.role = Role::Follower { leader: None };
        if self.voted_for.is_none() {
            self.voted_for = Some(from);
            self.store_ballot();
            self.note(format!("voted for {} in epoch {epoch}", self.name(from)));
        }
        self.put_off();
        self.vote_owed = Some(from);
        if self.disk.done >= self.disk.ballot {
            self.ballot_stored();
        }
    }

    pub(super) fn take_vote(&mut self, from: Peer, epoch: u64, yes: bool) {
        if epoch != self.epoch || !yes {
            return;
        }
        if let Role::Standing { asked: true, granted } = &mut self.role {
            granted[from] = true;
            self.count_votes();
        }
    }

    fn count_votes(&mut self) {
        if let Role::Standing { asked: true, granted } = &self.role
            && self.enough(granted)
        {
            self.lead();
        }
    }
}
