//! Who is in the chain: every node of the cluster takes part in deciding that, and any may propose.
//!
//! # When
//!
//! A node with links to a majority proposes when a part of the chain does not hold together any more ([`View::longest`](super::view::View::longest)), or when it is the
//! end of what holds together and has brought joiners up to date. Whoever stands first in what is left proposes first, the others a little
//! later and by then mostly no more. Whoever has promised something of which nothing comes proposes after a while, if only the same chain
//! again: for a promise **seals** the epoch at that node, which takes no update, says no acknowledgement, answers no read and grants no lease in it any more.
//!
//! # What is always safe
//!
//! - **To leave members out**: each member has everything that was acknowledged, and those before it have what it has.
//! - **To add a joiner behind the last that is left**, when it has exactly what that one has on its disk and that one is sealed, so that it has
//!   not acknowledged anything since ([`joining`](super::joining)).
//!
//! # How few
//!
//! The chain always has a majority of all nodes. It could work with one; but then everything would hang on that one, though the others
//! come back. So any majority that is healthy has a member in it, which has everything, and can bring the others in: while there are too few
//! members left, the last of them transfers its state *first*, and who is gone is exchanged in one step for who has come.

use super::bugs::Bug;
use super::configuration::{Configuration, Epoch};
use super::message::{Message, Record};
use super::node::Node;
use super::register::{Ballot, Proposal};
use crate::specimen::{Context, Micros};

impl Node {
    /// Says that it is here.
    pub(super) fn beat(&mut self, cx: &mut Context<Self>) {
        let now = cx.now();
        let (hears, links) = (self.view.hears(now), self.view.links(now));
        let (configuration, life) = (self.configuration.clone(), (self.lease.incarnation(), now));
        for node in 0..self.seat.count() {
            let (configuration, hears, links) = (configuration.clone(), hears.clone(), links.clone());
            cx.send(node, Message::Beat { configuration, life, hears, links });
        }
        self.ask_again(cx);
        if self.has(Bug::HeadGoesOnAlone) {
            self.go_on_alone(cx);
        }
    }

    /// Grants a member its lease, unless it is sealed.
    pub(super) fn grant(&mut self, to: usize, epoch: Epoch, life: (u64, Micros), cx: &mut Context<Self>) {
        if epoch == self.epoch() && self.configuration.has(to) && !self.is_sealed() {
            self.lease.grant(cx.now());
            cx.send(to, Message::Granted { epoch, life });
        }
    }

    /// What is left of the chain.
    pub(super) fn survivors(&self, now: Micros) -> Vec<usize> {
        let longest = self.view.longest(now, &self.configuration, self.seat.majority());
        if self.has(Bug::MiddleNeverRemoved) {
            return self.with_the_middle(longest);
        }
        longest
    }

    /// Proposes, or goes on with what it has proposed.
    pub(super) fn govern(&mut self, cx: &mut Context<Self>) {
        let now = cx.now();
        if let Some(proposal) = &self.proposal {
            if now < proposal.begun + self.settings.lease + 10 * self.settings.heartbeat {
                return self.pursue(cx);
            }
            (self.proposal, self.stirred_at) = (None, now);
        }
        let unwanted = !self.is_sealed() && !self.wants_change(now);
        if unwanted || !self.view.connected(now, self.me(), self.seat.majority()) {
            self.propose_at = None;
            return;
        }
        let heartbeat = self.settings.heartbeat;
        let drawn = cx.random_between(0, heartbeat);
        let due = match self.is_sealed() {
            true => self.stirred_at + self.settings.lease + 4 * drawn,
            false => now + self.rank(now) * heartbeat + drawn,
        };
        if now >= *self.propose_at.get_or_insert(due) {
            self.propose(cx);
        }
    }

    /// Whoever stands first in what is left goes first.
    fn rank(&self, now: Micros) -> u64 {
        let survivors = self.survivors(now);
        let nobody_else = survivors == self.configuration.chain || survivors.len() < self.seat.majority();
        let place = survivors.iter().position(|node| *node == self.me()).unwrap_or(survivors.len());
        if nobody_else { 0 } else { place as u64 }
    }

    fn wants_change(&self, now: Micros) -> bool {
        let survivors = self.survivors(now);
        let is_last = survivors.last() == Some(&self.me());
        let brings = if is_last { self.nearly_whole() } else { 0 };
        let enough = survivors.len() + brings >= self.seat.majority();
        is_last && self.is_stuck() || enough && (survivors != self.configuration.chain || brings > 0)
    }

    fn propose(&mut self, cx: &mut Context<Self>) {
        let highest = self.highest.max(self.vote.promised);
        let proposal = Proposal::new(highest, self.me(), self.seat.count(), cx.now());
        cx.note(format!("proposes after={} ballot={}", self.epoch(), proposal.ballot));
        self.propose_at = None;
        self.proposal = Some(proposal);
        self.pursue(cx);
    }

    /// Says again what a proposal needs of those who have not answered.
    fn pursue(&mut self, cx: &mut Context<Self>) {
        self.choose(cx.now());
        let Some(proposal) = &self.proposal else { return };
        let ballot = proposal.ballot;
        for node in (0..self.seat.count()).filter(|node| !proposal.has_answered(*node)) {
            let after = self.configuration.clone();
            cx.send(
                node,
                match &proposal.chain {
                    None => Message::Prepare { after, ballot },
                    Some(chain) => Message::Accept { after, ballot, chain: chain.clone() },
                },
            );
        }
    }

    /// Settles on a chain to propose, once it may.
    fn choose(&mut self, now: Micros) {
        let majority = self.seat.majority();
        let Some(proposal) = self.proposal.as_ref().filter(|proposal| proposal.may_choose(self.me(), majority)) else {
            return;
        };
        let chain = proposal.forced().cloned().or_else(|| self.best_chain(now, proposal.begun));
        if let Some(proposal) = &mut self.proposal {
            proposal.chain = chain;
        }
    }

    /// The chain to propose now; `None` while waiting for joiners.
    fn best_chain(&self, now: Micros, begun: Micros) -> Option<Vec<usize>> {
        let mut chain = self.survivors(now);
        if chain.last() == Some(&self.me()) {
            let whole = self.whole();
            if whole.len() < self.nearly_whole() && now < begun + self.settings.lease + 4 * self.settings.heartbeat {
                return None;
            }
            chain.extend(whole);
        }
        Some(if chain.len() >= self.seat.majority() { chain } else { self.configuration.chain.clone() })
    }

    /// Somebody wants to know what this node would not undo.
    pub(super) fn prepare(&mut self, from: usize, after: Configuration, ballot: Ballot, cx: &mut Context<Self>) {
        if !self.is_about(from, &after, cx) {
            return;
        }
        let before = self.vote.clone();
        if !self.vote.promise(ballot) {
            return cx.send(from, Message::Outbid { after: after.epoch, promised: self.vote.promised });
        }
        self.remember_vote(before != self.vote, ballot, cx);
        // Until its leases have run out it says nothing; it will be asked again.
        if self.lease.is_free(cx.now()) {
            let accepted = self.vote.accepted.clone();
            cx.durably().send(from, Message::Promised { after: after.epoch, ballot, accepted });
        }
    }

    /// Somebody wants this node to accept a chain.
    pub(super) fn accept(
        &mut self,
        from: usize,
        after: Configuration,
        (ballot, chain): (Ballot, Vec<usize>),
        cx: &mut Context<Self>,
    ) {
        if !self.is_about(from, &after, cx) {
            return;
        }
        let before = self.vote.clone();
        if !self.vote.accept(ballot, chain) {
            return cx.send(from, Message::Outbid { after: after.epoch, promised: self.vote.promised });
        }
        self.remember_vote(before != self.vote, ballot, cx);
        if self.lease.is_free(cx.now()) {
            cx.durably().send(from, Message::Accepted { after: after.epoch, ballot });
        }
    }

    /// Whether a message is about what follows the configuration that this node is in; if need be it goes there first.
    fn is_about(&mut self, from: usize, after: &Configuration, cx: &mut Context<Self>) -> bool {
        self.adopt(after.clone(), cx);
        if after.epoch < self.epoch() {
            cx.send(from, Message::Decided(self.configuration.clone()));
        }
        after.epoch == self.epoch()
    }

    fn remember_vote(&mut self, changed: bool, ballot: Ballot, cx: &mut Context<Self>) {
        if self.proposal.as_ref().is_some_and(|proposal| proposal.ballot < ballot) {
            self.proposal = None;
        }
        if changed {
            cx.keep(Record::Vote(self.vote.clone()));
            cx.failpoint("on-vote");
            (self.stirred_at, self.propose_at) = (cx.now(), None);
        }
    }

    fn is_mine(&self, (after, ballot): (Epoch, Ballot)) -> bool {
        after == self.epoch() && self.proposal.as_ref().is_some_and(|proposal| proposal.ballot == ballot)
    }

    /// A node promised.
    pub(super) fn promised(
        &mut self,
        from: usize,
        attempt: (Epoch, Ballot),
        accepted: Option<(Ballot, Vec<usize>)>,
        cx: &mut Context<Self>,
    ) {
        if let Some(proposal) = self.proposal.as_mut().filter(|proposal| proposal.chain.is_none())
            && (attempt.0, attempt.1) == (self.configuration.epoch, proposal.ballot)
        {
            proposal.promised(from, accepted);
            self.choose(cx.now());
            if self.proposal.as_ref().is_some_and(|proposal| proposal.chain.is_some()) {
                self.pursue(cx);
            }
        }
    }

    /// A node accepted; with a majority of them it is decided.
    pub(super) fn accepted(&mut self, from: usize, attempt: (Epoch, Ballot), cx: &mut Context<Self>) {
        let majority = self.seat.majority();
        if self.is_mine(attempt)
            && let Some(proposal) = &mut self.proposal
            && let Some(chain) = proposal.accepted(from, majority).cloned()
        {
            self.adopt(Configuration { epoch: attempt.0 + 1, chain }, cx);
        }
    }

    /// A node has promised a higher ballot.
    pub(super) fn outbid(&mut self, after: Epoch, promised: Ballot, now: Micros) {
        if after == self.epoch() {
            self.highest = self.highest.max(promised);
            if self.proposal.as_ref().is_some_and(|proposal| proposal.ballot < promised) {
                (self.proposal, self.propose_at, self.stirred_at) = (None, None, now);
            }
        }
    }

    /// Planted bug: a head that does not reach its successors leaves them out, and asks nobody.
    fn go_on_alone(&mut self, cx: &mut Context<Self>) {
        let links = self.view.links(cx.now());
        let leads = self.is_active() && self.configuration.head() == Some(self.me());
        if leads && self.configuration.after(self.me()).is_some_and(|next| !links.contains(&next)) {
            self.configuration.chain.retain(|node| links.contains(node));
            cx.note(format!("goes-on-alone epoch={} chain={:?}", self.epoch(), self.configuration.chain));
            self.pass_on(cx);
        }
    }

    /// Planted bug: from the first to the last that is left, and everybody between them.
    fn with_the_middle(&self, survivors: Vec<usize>) -> Vec<usize> {
        let place = |node: Option<&usize>| self.configuration.chain.iter().position(|n| Some(n) == node);
        match (place(survivors.first()), place(survivors.last())) {
            (Some(first), Some(last)) => self.configuration.chain[first..=last].to_vec(),
            _ => survivors,
        }
    }
}
