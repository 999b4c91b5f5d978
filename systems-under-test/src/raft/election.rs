//! Who leads: at most one node in each term, and one that has everything that was committed.
//!
//! A candidate needs the votes of a majority, and a node votes once in a term: two leaders of one term would have a voter in common. A
//! voter refuses whoever's log is behind its own, and what is committed is in the logs of a majority: so one of the voters has it, and
//! therefore the winner.
//!
//! Before it takes a new term, a candidate asks whether it *would* be voted for (**pre-vote**, Ongaro's thesis, 9.6). Voters who have
//! heard a leader within the last `election-timeout` say no to both questions (4.2.3): a node that comes back from a cut does not
//! depose anybody, and a leader that was heard by a majority can rely on nobody else leading for that long. A voter that has just
//! started cannot know whom it heard, and keeps silent for as long.

use std::collections::BTreeSet;

use super::Raft;
use super::bugs::Bug;
use super::leading::Leading;
use super::log::Mark;
use super::message::{Canvass, Message};
use super::node::Role;
use crate::specimen::Context;

/// Who has said yes so far.
#[derive(Debug)]
pub struct Votes {
    pre: bool,
    handed_over: bool,
    from: BTreeSet<usize>,
}

impl Raft {
    /// Asks for votes: first whether it would get them, then for them.
    pub(super) fn stand(&mut self, pre: bool, handed_over: bool, cx: &mut Context<Raft>) {
        self.wait_for_leader(cx);
        self.leader = None;
        if !pre {
            (self.term, self.vote) = (self.term + 1, Some(self.seat.me));
            self.keep_ballot(cx);
            cx.note(format!("candidate term={}", self.term));
        }
        let term = self.term + u64::from(pre);
        self.role = Role::Candidate(Votes { pre, handed_over, from: BTreeSet::new() });
        let canvass = Message::Canvass(Canvass { term, last: self.log.last(), pre, handed_over });
        for other in self.seat.others() {
            cx.durably().send(other, canvass.clone());
        }
        // Its own vote, too, counts when it is on its disk.
        let own = Message::Vote { term: self.term, asked: term, pre, granted: true };
        cx.durably().send(self.seat.me, own);
    }

    /// Somebody asks for a vote.
    pub(super) fn canvassed(&mut self, from: usize, canvass: Canvass, cx: &mut Context<Raft>) {
        let leads = matches!(self.role, Role::Leader(_));
        let hears = leads || cx.now() < self.heard_leader + self.settings.election_timeout;
        if !self.counts() || hears && !canvass.handed_over {
            return;
        }
        if !canvass.pre {
            self.meet_term(canvass.term, cx);
        }
        let free = match canvass.pre {
            true => canvass.term > self.term,
            false => canvass.term == self.term && self.vote.is_none_or(|vote| vote == from),
        };
        let granted = free && self.is_up_to_date(canvass.last);
        if granted && !canvass.pre {
            if self.vote.is_none() {
                self.vote = Some(from);
                self.keep_ballot(cx);
                cx.note(format!("voted term={} for={}", self.term, self.seat.names[from]));
            }
            self.wait_for_leader(cx);
        }
        let vote = Message::Vote { term: self.term, asked: canvass.term, pre: canvass.pre, granted };
        cx.durably().send(from, vote);
        if granted && !canvass.pre {
            cx.durably().failpoint("after-vote");
        }
    }

    /// Whether a log that ends there has everything that this one has, as far as it may be committed.
    fn is_up_to_date(&self, last: Mark) -> bool {
        // Bug: anybody will do.
        if self.bug(Bug::VotesForAnyLog) {
            return true;
        }
        // Bug: the longer log wins, however old its entries are.
        if self.bug(Bug::VotesForLongerLog) {
            return last.position >= self.log.last().position;
        }
        last >= self.log.last()
    }

    /// A vote came, or a refusal.
    pub(super) fn voted(
        &mut self,
        from: usize,
        term: u64,
        asked: u64,
        (pre, granted): (bool, bool),
        cx: &mut Context<Raft>,
    ) {
        self.meet_term(term, cx);
        let expected = self.term + u64::from(pre);
        let Role::Candidate(votes) = &mut self.role else { return };
        if !granted || votes.pre != pre || asked != expected {
            return;
        }
        votes.from.insert(from);
        let (won, handed_over) = (votes.from.clone(), votes.handed_over);
        if self.members().suffice(|node| won.contains(&node)) {
            match pre {
                true => self.stand(false, handed_over, cx),
                false => self.take_the_lead(cx),
            }
        }
    }

    fn take_the_lead(&mut self, cx: &mut Context<Raft>) {
        cx.note(format!("became-leader term={}", self.term));
        self.leader = Some(self.seat.me);
        self.role = Role::Leader(Box::new(Leading::new(self.seat.count(), self.log.last().position, cx.now())));
        self.begin_reign(cx);
        cx.failpoint("became-leader");
    }

    /// The leader wants this node to take its place.
    pub(super) fn handed_over(&mut self, from: usize, term: u64, cx: &mut Context<Raft>) {
        if term == self.term && self.leader == Some(from) && self.votes() {
            self.stand(false, true, cx);
        }
    }
}
