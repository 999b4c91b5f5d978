//! How a node that is not in the chain comes into it: behind the last member, with everything that this one has.
//!
//! ```text
//!   tail                                       joiner
//!   serves on      ── state after 80 ────────▶ its own state is gone, this one takes its place, on its disk
//!   serves on      ── 81, 82, 83 … ──────────▶ on its disk; executes nothing, answers nobody
//!   has 97 ◀───────── have 95 ──────────────── nearly
//!   proposes       promises, and so is sealed: takes nothing after 97, acknowledges nothing any more
//!                  ── 96, 97 ────────────────▶
//!          ◀───────── have 97 ──────────────── whole
//!   gets "…, tail, joiner" decided             is the tail of the next epoch, and acknowledges what it has
//! ```
//!
//! Were the tail not sealed, it could acknowledge 98 in the old epoch while the new one is being decided, and if
//! the joiner were then the only one left, 98 would be lost. For the same reason a joiner that has got its state from one member listens to no other in this
//! epoch: it could get more from it than the first one has, and the first one's proposal may be on its way. If the first one is the last no
//! more, whoever is gets the chain decided once again: in a later epoch a joiner begins anew, for what it got may not have survived.

use std::collections::BTreeMap;

use super::bugs::Bug;
use super::configuration::Configuration;
use super::history::{History, Update};
use super::message::{Message, Record};
use super::node::Node;
use crate::parts::json::Raw;
use crate::specimen::{Context, Micros};

/// A joiner is nearly whole when it lacks no more than this.
const NEARLY: u64 = 64;
/// A joiner that lags so much behind its snapshot gets another one.
const TOO_OLD: u64 = 20_000;

/// A node that is being brought in.
#[derive(Debug)]
pub struct Joiner {
    /// The state that it gets, after so many updates.
    base: u64,
    parts: Vec<Raw>,
    /// What it has on its disk of that and what followed.
    have: Option<u64>,
    sent: u64,
    /// It listens to another member.
    taken: bool,
    said_at: Option<Micros>,
}

impl Joiner {
    fn new(history: &History) -> Joiner {
        let base = history.settled();
        Joiner { base, parts: history.snapshot(), have: None, sent: base, taken: false, said_at: None }
    }

    /// The updates after this one must be kept for it.
    pub fn needs_after(&self) -> u64 {
        self.have.unwrap_or(self.base)
    }
}

/// A state that is coming in.
#[derive(Debug, Default)]
pub struct Arriving {
    from: usize,
    position: u64,
    parts: BTreeMap<usize, Raw>,
}

impl Node {
    /// Transfers the state to whoever could join: the work of the last member that is left.
    pub(super) fn bring_in(&mut self, cx: &mut Context<Self>) {
        let now = cx.now();
        let candidates = self.candidates(now);
        let settled = self.history.settled();
        self.joiners.retain(|node, joiner| candidates.contains(node) && settled < joiner.needs_after() + TOO_OLD);
        for node in candidates {
            let history = &self.history;
            self.joiners.entry(node).or_insert_with(|| Joiner::new(history));
        }
        let wait = self.settings.say_again();
        for (node, joiner) in &mut self.joiners {
            if joiner.said_at.is_some_and(|at| now < at + wait) {
                continue;
            }
            joiner.said_at = Some(now);
            match joiner.have {
                Some(have) => joiner.sent = have,
                None => {
                    let (epoch, position, count) = (self.configuration.epoch, joiner.base, joiner.parts.len());
                    for (index, part) in joiner.parts.iter().enumerate() {
                        let (index, part) = ((index, count), part.clone());
                        cx.send(*node, Message::Part { epoch, position, index, part });
                    }
                }
            }
        }
        self.feed(cx);
    }

    /// Who is not in the chain and could be, if this node is the last that is left of it.
    fn candidates(&self, now: Micros) -> Vec<usize> {
        let (me, majority) = (self.me(), self.seat.majority());
        if self.has(Bug::TailServesBeforeTransfer) && self.configuration.tail() != Some(me) {
            return self.joiners.keys().copied().collect();
        }
        let last = self.configuration.has(me) && self.survivors(now).last() == Some(&me);
        if !last || !self.view.connected(now, me, majority) {
            return Vec::new();
        }
        let could = |node: &usize| {
            let linked = self.view.linked(now, me, *node) && self.view.connected(now, *node, majority);
            !self.configuration.has(*node) && linked
        };
        (0..self.seat.count()).filter(could).collect()
    }

    /// Sends joiners what has become durable since.
    pub(super) fn feed(&mut self, cx: &mut Context<Self>) {
        for (node, joiner) in self.joiners.iter_mut().filter(|(_, joiner)| joiner.have.is_some()) {
            let updates: Vec<Update> = self.history.between(joiner.sent, self.durable).cloned().collect();
            joiner.sent = joiner.sent.max(self.durable);
            if !updates.is_empty() {
                let configuration = self.configuration.clone();
                cx.send(*node, Message::Updates { configuration, updates });
            }
        }
    }

    /// A joiner has this much.
    pub(super) fn have(&mut self, from: usize, position: u64, cx: &mut Context<Self>) {
        if let Some(joiner) = self.joiners.get_mut(&from)
            && position >= joiner.base
        {
            joiner.have = joiner.have.max(Some(position));
            joiner.sent = joiner.sent.max(position);
            joiner.said_at = Some(cx.now());
            if self.configuration.has(from) {
                self.joiners.remove(&from);
            }
        }
        self.feed(cx);
    }

    /// A joiner listens to another member in this epoch.
    pub(super) fn taken(&mut self, from: usize) {
        if let Some(joiner) = self.joiners.get_mut(&from) {
            joiner.taken = true;
        }
    }

    /// Whether a joiner listens to another member, which is not the last any more: it takes a new epoch to make it listen.
    pub(super) fn is_stuck(&self) -> bool {
        self.joiners.values().any(|joiner| joiner.taken)
    }

    /// How many joiners lack so little that it is time to propose them.
    pub(super) fn nearly_whole(&self) -> usize {
        // Whoever lacks the state is no member yet, however well it can be reached.
        let nearly = |joiner: &&Joiner| joiner.have.is_some_and(|have| have + NEARLY >= self.history.last());
        let anyhow = self.has(Bug::TailServesBeforeTransfer);
        self.joiners.values().filter(|joiner| anyhow || nearly(joiner)).count()
    }

    /// The joiners that have everything that this node has; it is sealed, so that this stays so.
    pub(super) fn whole(&self) -> Vec<usize> {
        let everything = self.history.last();
        let whole = |joiner: &Joiner| self.durable == everything && joiner.have == Some(everything);
        let anyhow = self.has(Bug::TailServesBeforeTransfer);
        self.joiners.iter().filter(|(_, joiner)| anyhow || whole(joiner)).map(|(node, _)| *node).collect()
    }

    /// A part of the state comes.
    pub(super) fn part(
        &mut self,
        from: usize,
        position: u64,
        ((index, count), part): ((usize, usize), Raw),
        cx: &mut Context<Self>,
    ) {
        if self.configuration.has(self.me()) && !self.has(Bug::TailServesBeforeTransfer) {
            return;
        }
        let epoch = self.epoch();
        if self.whole_in == epoch && (self.source != from || self.history.last() >= position) {
            if self.source != from {
                cx.send(from, Message::Taken { epoch });
            } else if self.stored == self.lineage {
                cx.send(from, Message::Have { epoch, position: self.durable });
            }
            return;
        }
        if (self.arriving.from, self.arriving.position) != (from, position) {
            self.arriving = Arriving { from, position, parts: BTreeMap::new() };
        }
        self.arriving.parts.insert(index, part);
        if self.arriving.parts.len() == count {
            self.install(cx);
        }
    }

    /// The whole state is there: it takes the place of the old one.
    fn install(&mut self, cx: &mut Context<Self>) {
        let Arriving { from, position, parts } = std::mem::take(&mut self.arriving);
        let parts: Vec<Raw> = parts.into_values().collect();
        let Ok(history) = History::restore(position, &parts) else {
            return cx.note(format!("transfer-unreadable position={position}"));
        };
        let epoch = self.epoch();
        (self.history, self.whole_in, self.source) = (history, epoch, from);
        (self.lineage, self.durable, self.sent) = (self.lineage + 1, 0, position);
        self.early.clear();
        cx.note(format!("transferred epoch={epoch} position={position} from={}", self.seat.names[from]));
        cx.keep(Record::State { epoch, source: from, position, parts });
        cx.failpoint("after-transfer");
        let (me, lineage) = (self.me(), self.lineage);
        cx.durably().send(me, Message::Stored { lineage, up_to: position });
    }

    /// Planted bug: whoever is in the chain now gets the state later.
    pub(super) fn owe_transfers(&mut self, old: &Configuration, now: Micros) {
        for node in self.configuration.chain.iter().filter(|node| !old.has(**node)) {
            let joiner = Joiner { said_at: Some(now), ..Joiner::new(&self.history) };
            self.joiners.insert(*node, joiner);
        }
    }
}
