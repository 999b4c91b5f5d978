//! Synchronous conflict detection: a leader asks all others before it writes, and its clients wait until all have what it wrote.
//!
//! ```text
//!   n1   |── write x ──▶ reserve x? ─┬─▶ n2  nobody writes x, and n1 has all of x that I have: agree
//!                                    └─▶ n3  the same: agree
//!        event e, after all that n1 has ──▶ n2, n3: applied, and x is free again
//!   n1 acknowledges when n2 and n3 say that e is on their disks
//! ```
//! A leader agrees only if the proposer has every event of these keys that it has itself, and then lets nobody else write them until it
//! has the event. So of two writes of one key one always has the other in its past: there are no conflicts left to resolve. The price is the
//! one that the chapter names: no leader writes without all others, and having several is of no use.
//!
//! It is two-phase commit with presumed abort (Mohan, Lindsay and Obermarck, *Transaction Management in the R\* Distributed Database
//! Management System*, TODS 1986). The decision is the event in the proposer's log. Who agreed keeps that on its disk and is bound; when it hears nothing it inquires, and a proposer
//! that neither pursues the proposal nor has an event of it says that there will be none.
//!
//! Sets and counters need no agreement, for their updates commute; they wait only until all leaders have them.

use std::collections::{BTreeMap, BTreeSet};

use histories::Operation;
use serde::{Deserialize, Serialize};

use super::bugs::Bug;
use super::event::{Event, Vector};
use super::message::{Message, Record};
use super::site::Site;
use super::writing::written_keys;
use crate::parts::json::Item;
use crate::specimen::{Ask, Caller, Context, Micros, Outcome};

/// A proposal that is not agreed to by then is given up.
const PATIENCE: Micros = 800_000;
/// Who has not answered is asked again, and who agreed inquires, this often.
const ASK_AGAIN: Micros = 150_000;

/// What a leader has agreed to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Grant {
    id: u64,
    proposer: usize,
    keys: Vec<Item>,
}

#[derive(Debug)]
struct Proposal {
    caller: Caller,
    ask: Ask,
    keys: Vec<Item>,
    agreed: BTreeSet<usize>,
    since: Micros,
    asked: Micros,
}

/// What this leader wants to write, and what it has agreed to.
#[derive(Debug, Default)]
pub struct Agreements {
    proposals: BTreeMap<u64, Proposal>,
    grants: BTreeMap<u64, Grant>,
    inquired: Micros,
    /// Of this node's proposals those that have become events.
    written: BTreeSet<u64>,
    /// How much of each origin has touched a key.
    touched: BTreeMap<Item, Vector>,
}

impl Agreements {
    /// Takes in a grant that was kept.
    pub(super) fn remember(&mut self, grant: Grant) {
        self.grants.insert(grant.id, grant);
    }

    /// The keys of this grant are free again.
    pub(super) fn release(&mut self, id: u64) -> Option<Grant> {
        self.grants.remove(&id)
    }

    /// What must be kept.
    pub(super) fn records(&self) -> impl Iterator<Item = Record> {
        self.grants.values().cloned().map(Record::Granted)
    }

    /// An event was applied.
    pub(super) fn event(&mut self, event: &Event) {
        let Some(id) = event.agreed else { return };
        for effect in &event.effects {
            self.touched.entry(effect.key().clone()).or_default().raise(event.dot.0, event.dot.1);
        }
        if self.grants.remove(&id).is_none() {
            self.written.insert(id);
        }
    }

    /// Whether somebody else may write one of these keys.
    fn is_granted(&self, keys: &[Item]) -> bool {
        self.grants.values().any(|grant| grant.keys.iter().any(|key| keys.contains(key)))
    }

    /// The proposals of this node for one of these keys.
    fn proposed(&self, keys: &[Item]) -> Vec<u64> {
        let same = |proposal: &Proposal| proposal.keys.iter().any(|key| keys.contains(key));
        self.proposals.iter().filter(|(_, proposal)| same(proposal)).map(|(id, _)| *id).collect()
    }

    /// Whether whoever has this much has every event of these keys that is here.
    fn knows_all(&self, keys: &[Item], has: &Vector) -> bool {
        keys.iter().filter_map(|key| self.touched.get(key)).all(|touched| has.covers(touched))
    }
}

impl Site {
    /// Whether two such updates at once would be a conflict.
    pub(super) fn needs_agreement(&self, operation: &Operation) -> bool {
        !matches!(operation, Operation::Add { .. } | Operation::Remove { .. } | Operation::Increment { .. })
    }

    fn other_leaders(&self) -> impl Iterator<Item = usize> + use<> {
        let me = self.seat.me;
        (0..self.map.leaders).filter(move |node| *node != me)
    }

    /// Asks all other leaders for an update.
    pub(super) fn propose(&mut self, caller: Caller, ask: Ask, cx: &mut Context<Self>) {
        if let Err(why) = self.check(&ask.operation) {
            return cx.answer(caller, Outcome::NoEffect(why));
        }
        let keys = written_keys(&ask.operation);
        let held = self.agreements.is_granted(&keys) || !self.agreements.proposed(&keys).is_empty();
        if held {
            return cx.answer(caller, Outcome::refused("somebody else is writing it"));
        }
        let id = cx.random() >> 11;
        if self.map.leaders == 1 || self.settings.bug.is(Bug::WritesBeforeOthersAgree) {
            return self.commit(caller, ask, Some(id), cx);
        }
        let (agreed, since, asked) = (BTreeSet::new(), cx.now(), cx.now());
        let request = Message::Reserve { id, keys: keys.clone(), has: self.logs.vector().clone() };
        self.other_leaders().for_each(|leader| cx.send(leader, request.clone()));
        self.agreements.proposals.insert(id, Proposal { caller, ask, keys, agreed, since, asked });
    }

    /// Hears what belongs to agreements.
    pub(super) fn hear_of_agreement(&mut self, from: usize, message: Message, cx: &mut Context<Self>) {
        match message {
            Message::Reserve { id, keys, has } => self.consider(Grant { id, proposer: from, keys }, &has, cx),
            Message::Agree(id) => self.agreed(id, from, cx),
            Message::Refuse(id) => self.give_up(id, "another leader does not agree", cx),
            Message::Release(id) => self.let_go(id, from, cx),
            Message::Inquire(id) => {
                let open = self.agreements.proposals.contains_key(&id) || self.agreements.written.contains(&id);
                if !open {
                    cx.send(from, Message::Release(id));
                }
            }
            Message::Events(_) | Message::Have(_) | Message::Flushed(_) => {}
        }
    }

    /// Another leader wants to write.
    fn consider(&mut self, grant: Grant, has: &Vector, cx: &mut Context<Self>) {
        let (id, proposer) = (grant.id, grant.proposer);
        if self.agreements.grants.contains_key(&id) {
            return cx.durably().send(proposer, Message::Agree(id));
        }
        let rivals = self.agreements.proposed(&grant.keys);
        // Of two that want the same one goes first, or neither ever would.
        let first = rivals.iter().all(|rival| id < *rival);
        let knows = self.agreements.knows_all(&grant.keys, has);
        if !first || !knows || self.agreements.is_granted(&grant.keys) {
            return cx.send(proposer, Message::Refuse(id));
        }
        rivals.into_iter().for_each(|rival| self.give_up(rival, "somebody else is writing it", cx));
        cx.keep(Record::Granted(grant.clone()));
        self.agreements.remember(grant);
        cx.durably().failpoint("on-agree");
        cx.durably().send(proposer, Message::Agree(id));
    }

    fn agreed(&mut self, id: u64, by: usize, cx: &mut Context<Self>) {
        let Some(proposal) = self.agreements.proposals.get_mut(&id) else { return };
        proposal.agreed.insert(by);
        let all = self.other_leaders().all(|leader| self.agreements.proposals[&id].agreed.contains(&leader));
        if !all {
            return;
        }
        let Some(proposal) = self.agreements.proposals.remove(&id) else { return };
        match self.check(&proposal.ask.operation) {
            Ok(()) => self.commit(proposal.caller, proposal.ask, Some(id), cx),
            Err(why) => {
                self.other_leaders().for_each(|leader| cx.send(leader, Message::Release(id)));
                cx.answer(proposal.caller, Outcome::NoEffect(why));
            }
        }
    }

    fn give_up(&mut self, id: u64, why: &str, cx: &mut Context<Self>) {
        let Some(proposal) = self.agreements.proposals.remove(&id) else { return };
        self.other_leaders().for_each(|leader| cx.send(leader, Message::Release(id)));
        cx.answer(proposal.caller, Outcome::refused(why));
    }

    fn let_go(&mut self, id: u64, from: usize, cx: &mut Context<Self>) {
        let held = self.agreements.grants.get(&id).is_some_and(|grant| grant.proposer == from);
        if held {
            self.agreements.release(id);
            cx.keep(Record::Released(id));
        }
    }

    /// Asks again who has not answered, gives up what took too long, and inquires after what was agreed to.
    pub(super) fn pursue_agreements(&mut self, cx: &mut Context<Self>) {
        let now = cx.now();
        let late: Vec<u64> = self.overdue(now, |proposal| proposal.since + PATIENCE);
        late.into_iter().for_each(|id| self.give_up(id, "not all leaders answer", cx));
        let has = self.logs.vector().clone();
        for id in self.overdue(now, |proposal| proposal.asked + ASK_AGAIN) {
            let leaders: Vec<usize> = self.other_leaders().collect();
            let Some(proposal) = self.agreements.proposals.get_mut(&id) else { continue };
            proposal.asked = now;
            let request = Message::Reserve { id, keys: proposal.keys.clone(), has: has.clone() };
            let silent = leaders.into_iter().filter(|leader| !proposal.agreed.contains(leader));
            silent.for_each(|leader| cx.send(leader, request.clone()));
        }
        if now >= self.agreements.inquired + ASK_AGAIN {
            self.agreements.inquired = now;
            let grants = self.agreements.grants.values();
            grants.for_each(|grant| cx.send(grant.proposer, Message::Inquire(grant.id)));
        }
    }

    fn overdue(&self, now: Micros, due: impl Fn(&Proposal) -> Micros) -> Vec<u64> {
        self.agreements.proposals.iter().filter(|(_, proposal)| now >= due(proposal)).map(|(id, _)| *id).collect()
    }
}
