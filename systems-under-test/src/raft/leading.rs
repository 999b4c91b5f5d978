//! A leader: puts requests into its log, sends it to all others, and commits what a majority has on disk.
//!
//! # Why only entries of its own term count
//!
//! That a majority has an entry does not make it safe, if the entry is of an earlier term (Ongaro and Ousterhout 2014, figure 8):
//!
//! ```text
//!            S1   S2   S3   S4   S5
//!   term 2   2    2                     S1 leads, and reaches S2 only
//!   term 3                       3      S5 is elected by S3, S4 and itself, writes 3, and fails
//!   term 4   2    2    2                S1 leads again and sends its 2 to S3: a majority has it
//!   term 5   3    3    3    3    3      but S5 may win again, with the votes of S3 and S4: a last term of 3 is more than 2
//! ```
//! With an entry of term 4 on a majority S5 could not win; so the 2 is committed when such an entry is, and not before. That is what the
//! empty entry at the start of each reign is for, and until it is committed the leader does not know what was, and answers no reads.
//!
//! A leader that no majority has answered for `quorum-timeout` steps down: so that its clients look for another, and so that one
//! whose messages arrive while it hears nothing itself does not keep everybody waiting for ever.

use std::collections::BTreeMap;

use super::Raft;
use super::bugs::Bug;
use super::log::{Content, Entry};
use super::message::{Append, Appended, Message};
use super::node::Role;
use super::reading::Pending;
use crate::parts::command::Command;
use crate::specimen::{Ask, Caller, Context, Micros, Outcome, RequestId};

/// So many entries go in one message.
const MOST_ENTRIES: usize = 256;

/// How far one follower is.
#[derive(Clone, Debug)]
pub struct Progress {
    /// The entry to send next, if all goes well.
    pub next: u64,
    /// Its log is the leader's up to here, on its disk.
    pub matched: u64,
    /// The latest round that it answered.
    pub round: u64,
    /// When it answered last.
    pub heard: Micros,
    /// When a snapshot may be sent again.
    install_at: Micros,
}

/// See the [module](self).
#[derive(Debug)]
pub struct Leading {
    /// How far each node is, itself included.
    pub progress: Vec<Progress>,
    /// The position of the first entry of this reign.
    pub first: u64,
    /// How often it has asked whether it still leads.
    pub round: u64,
    /// When each of the last rounds began, by the clock of leases.
    pub begun: BTreeMap<u64, Micros>,
    /// Somebody waits for a new round.
    pub round_wanted: bool,
    /// The reads that wait.
    pub reads: Vec<Pending>,
    /// Who waits for which entry, and what came of it when it was executed.
    waiting: BTreeMap<u64, (Caller, Option<Outcome>)>,
    heartbeat_at: Micros,
    /// How much of its own log is being flushed.
    announced: u64,
    /// Whom it hands over to, and until when it tries.
    handing_over: Option<(usize, Micros)>,
    /// Whether that one was told to stand.
    told: bool,
    /// It has told somebody to stand: from then on its lease is worth nothing.
    pub gave_lease_up: bool,
}

impl Leading {
    /// A leader whose log ended at `last` when it was elected.
    pub fn new(count: usize, last: u64, now: Micros) -> Leading {
        let progress = Progress { next: last + 1, matched: 0, round: 0, heard: now, install_at: 0 };
        Leading {
            progress: vec![progress; count],
            first: last + 1,
            round: 0,
            begun: BTreeMap::new(),
            round_wanted: true,
            reads: Vec::new(),
            waiting: BTreeMap::new(),
            heartbeat_at: now,
            announced: 0,
            handing_over: None,
            told: false,
            gave_lease_up: false,
        }
    }

    /// The entry at this position was executed.
    pub fn executed(&mut self, position: u64, outcome: Outcome) {
        if let Some((_, came)) = self.waiting.get_mut(&position) {
            *came = Some(outcome);
        }
    }

    /// Everything up to here is committed: who waits for it is told.
    pub fn release(&mut self, commit: u64, cx: &mut Context<Raft>) {
        while let Some(first) =
            self.waiting.first_entry().filter(|first| *first.key() <= commit && first.get().1.is_some())
        {
            if let (caller, Some(outcome)) = first.remove() {
                cx.answer(caller, outcome);
            }
        }
    }

    /// It leads no more: what becomes of its entries, others decide.
    pub fn abandon(self, cx: &mut Context<Raft>) {
        for (caller, _) in self.waiting.into_values() {
            cx.answer(caller, Outcome::Unknown("it stopped leading before it was committed".to_owned()));
        }
        for read in self.reads {
            read.refuse(cx);
        }
    }
}

impl Raft {
    /// The state of the leader, for what only a leader does.
    pub(super) fn leading(&mut self) -> Option<&mut Leading> {
        match &mut self.role {
            Role::Leader(leading) => Some(leading),
            _ => None,
        }
    }

    /// The first entry of a reign says nothing.
    pub(super) fn begin_reign(&mut self, cx: &mut Context<Raft>) {
        self.append_own(None, Content::Command(Command::Nothing), cx);
    }

    fn append_own(&mut self, request: Option<RequestId>, content: Content, cx: &mut Context<Raft>) -> u64 {
        let after = self.log.last().position;
        self.write(after, vec![Entry { term: self.term, request, content }], cx);
        after + 1
    }

    /// A client wants something done.
    pub(super) fn propose(&mut self, caller: Caller, ask: Ask, cx: &mut Context<Raft>) {
        if self.leading().is_some_and(|leading| leading.handing_over.is_some()) {
            return cx.answer(caller, Outcome::refused("it hands over"));
        }
        let position = self.append_own(ask.request, Content::Command(Command::Do(ask.operation)), cx);
        if let Some(leading) = self.leading() {
            leading.waiting.insert(position, (caller, None));
        }
        // Bug: it is executed here although nobody else has it.
        if self.bug(Bug::AppliesBeforeCommit) {
            self.execute(cx);
        }
    }

    /// What a leader does when time has passed or something has happened.
    pub(super) fn lead(&mut self, cx: &mut Context<Raft>) {
        if !self.has_majority(cx.now()) || self.is_out(cx) {
            return self.follow(cx);
        }
        self.announce(cx);
        self.hand_over(cx);
        let (now, clock, heartbeat) = (cx.now(), self.lease_clock(cx), self.settings.heartbeat);
        let Some(leading) = self.leading() else { return };
        let due = std::mem::take(&mut leading.round_wanted) || now >= leading.heartbeat_at;
        if due {
            leading.round += 1;
            leading.begun.insert(leading.round, clock);
            leading.heartbeat_at = now + heartbeat;
        }
        cx.wake_at(leading.heartbeat_at);
        let last = self.log.last().position;
        for other in self.seat.others() {
            if due || self.leading().is_some_and(|leading| leading.progress[other].next <= last) {
                self.send_log(other, due, cx);
            }
        }
        self.note_round(self.seat.me, cx);
    }

    /// Whether those who answered lately are enough.
    fn has_majority(&mut self, now: Micros) -> bool {
        let (me, timeout) = (self.seat.me, self.settings.quorum_timeout);
        let Role::Leader(leading) = &self.role else { return false };
        self.members().suffice(|node| node == me || now < leading.progress[node].heard + timeout)
    }

    /// Whether it was removed, and that is committed.
    fn is_out(&self, cx: &mut Context<Raft>) -> bool {
        let (at, members) = self.members.last_key_value().expect("there are members");
        let out = *at <= self.commit && !members.contains(self.seat.me);
        if out {
            cx.note("left");
        }
        out
    }

    /// Tells itself, when they are on its disk, that it has its own new entries.
    fn announce(&mut self, cx: &mut Context<Raft>) {
        let (me, term, last) = (self.seat.me, self.term, self.log.last().position);
        let hasty = self.bug(Bug::LeaderCountsUnflushed);
        let Some(leading) = self.leading() else { return };
        if leading.announced >= last {
            return;
        }
        leading.announced = last;
        let appended = Message::Appended(Appended { term, round: 0, reached: Ok(last), counts: true });
        if hasty {
            // Bug: it counts its own copy before there is one.
            return cx.send(me, appended);
        }
        cx.durably().failpoint("leader-flushed");
        cx.durably().send(me, appended);
    }

    /// Sends one node what comes next for it: entries, none, or a snapshot. `due`: it must hear something.
    pub(super) fn send_log(&mut self, to: usize, due: bool, cx: &mut Context<Raft>) {
        let (now, timeout) = (cx.now(), self.settings.election_timeout);
        let Role::Leader(leading) = &mut self.role else { return };
        let progress = &mut leading.progress[to];
        let (term, round) = (self.term, leading.round);
        let Some(prev) = self.log.mark(progress.next - 1) else {
            let message = match self.snapshot.clone().filter(|_| now >= progress.install_at) {
                Some(snapshot) => {
                    progress.install_at = now + timeout;
                    progress.next = snapshot.last.position + 1;
                    cx.note(format!("installs position={} on={}", snapshot.last.position, self.seat.names[to]));
                    Message::Install { term, round, snapshot: Box::new(snapshot) }
                }
                // It is on its way; meanwhile only so that it hears and is heard.
                None if due => {
                    Message::Append(Append { term, round, prev: self.log.base(), entries: Vec::new(), commit: 0 })
                }
                None => return,
            };
            return cx.send(to, message);
        };
        let entries = self.log.since(prev.position, MOST_ENTRIES);
        progress.next = prev.position + entries.len() as u64 + 1;
        cx.send(to, Message::Append(Append { term, round, prev, entries, commit: self.commit }));
    }

    /// A follower answers, or its own disk.
    pub(super) fn acknowledged(&mut self, from: usize, appended: Appended, cx: &mut Context<Raft>) {
        let Appended { term, round, reached, counts } = appended;
        self.meet_term(term, cx);
        let (now, last, current) = (cx.now(), self.log.last().position, self.term);
        let Some(leading) = self.leading().filter(|_| term == current) else { return };
        let progress = &mut leading.progress[from];
        match reached {
            Ok(position) => {
                progress.next = progress.next.max(position + 1);
                if counts {
                    progress.matched = progress.matched.max(position.min(last));
                }
            }
            // A late refusal costs some entries that are sent twice; they do no harm.
            Err(position) => progress.next = progress.next.min(position + 1).max(1),
        }
        if counts {
            progress.heard = now;
            progress.round = progress.round.max(round);
        }
        self.advance(cx);
        self.confirm_reads(cx);
    }

    /// Commits what a majority has.
    fn advance(&mut self, cx: &mut Context<Raft>) {
        let Role::Leader(leading) = &self.role else { return };
        let reached = self.members().reached(|node| leading.progress[node].matched);
        let own = self.log.mark(reached).is_some_and(|mark| mark.term == self.term);
        if reached > self.commit && own {
            self.commit = reached;
            cx.failpoint("committed");
            self.execute(cx);
            self.settle_members(cx);
        }
    }

    /// A change of members whose first half is committed goes on to its second.
    fn settle_members(&mut self, cx: &mut Context<Raft>) {
        let (at, members) = self.members.last_key_value().expect("there are members");
        if let Some(settled) = members.settled().filter(|_| *at <= self.commit) {
            cx.note(format!("members {:?}", settled.old));
            self.append_own(None, Content::Members(settled), cx);
        }
    }

    /// An operator adds a node or removes one.
    pub(super) fn change_members(&mut self, node: usize, join: bool, cx: &mut Context<Raft>) -> Result<String, String> {
        let commit = self.commit;
        let Some(leading) = self.leading() else { return Err("it does not lead".to_owned()) };
        if commit < leading.first || self.members.last_key_value().is_some_and(|(at, _)| *at > commit) {
            return Err("what came before is not committed yet".to_owned());
        }
        let joint = self.members().change(node, join)?;
        let position = self.append_own(None, Content::Members(joint), cx);
        cx.note(format!("change {} {}", if join { "join" } else { "leave" }, self.seat.names[node]));
        Ok(format!("under way since position {position}"))
    }

    /// An operator wants another leader.
    pub(super) fn transfer(&mut self, node: usize, cx: &mut Context<Raft>) -> Result<String, String> {
        if node == self.seat.me || !self.members().contains(node) {
            return Err("it cannot lead instead".to_owned());
        }
        let until = cx.now() + 2 * self.settings.election_timeout;
        let Some(leading) = self.leading() else { return Err("it does not lead".to_owned()) };
        (leading.handing_over, leading.told) = (Some((node, until)), false);
        Ok("as soon as it has everything".to_owned())
    }

    /// Tells the one that is to lead to stand, when it has everything; meanwhile nothing new is begun.
    fn hand_over(&mut self, cx: &mut Context<Raft>) {
        let (term, last, now) = (self.term, self.log.last().position, cx.now());
        let Some(leading) = self.leading() else { return };
        let Some((to, until)) = leading.handing_over else { return };
        if now >= until {
            leading.handing_over = None;
        } else if leading.progress[to].matched == last && !leading.told {
            (leading.told, leading.gave_lease_up) = (true, true);
            cx.send(to, Message::HandOver { term });
            cx.note(format!("hands-over to={}", self.seat.names[to]));
        }
    }
}
