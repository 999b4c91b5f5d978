//! One node: what it is at the moment, and who gets to see what happens.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::bugs::Bug;
use super::election::Votes;
use super::founding::Identity;
use super::leading::Leading;
use super::log::{Content, Entry, Log};
use super::machine::{Machine, Snapshot};
use super::members::Members;
use super::message::{Message, Record};
use super::reading::Forwarded;
use super::system::Settings;
use crate::specimen::{Ask, Caller, Context, Garbage, Micros, Outcome, Protocol, Seat, State};

/// What a node is in its term.
#[derive(Debug)]
pub enum Role {
    /// It obeys, or waits for somebody to obey.
    Follower,
    /// It asks for votes.
    Candidate(Votes),
    /// It leads.
    Leader(Box<Leading>),
}

/// See the [module](self).
#[derive(Debug)]
pub struct Raft {
    pub(super) seat: Seat,
    pub(super) settings: Settings,
    pub(super) identity: Identity,
    /// The latest term that it knows of, and for whom it voted in it.
    pub(super) term: u64,
    pub(super) vote: Option<usize>,
    pub(super) log: Log,
    /// The members, by the position of the entry that says so: those of the snapshot, and all that are in the log.
    pub(super) members: BTreeMap<u64, Members>,
    pub(super) commit: u64,
    pub(super) machine: Machine,
    pub(super) snapshot: Option<Snapshot>,
    pub(super) role: Role,
    /// Who leads this term, and when that was last heard.
    pub(super) leader: Option<usize>,
    pub(super) heard_leader: Micros,
    pub(super) election_at: Micros,
    /// Reads that wait for what the leader says.
    pub(super) forwarded: BTreeMap<u64, Forwarded>,
}

impl Raft {
    pub(super) fn bug(&self, bug: Bug) -> bool {
        self.settings.bug.is(bug)
    }

    /// By whom it goes: the last that are in its log.
    pub(super) fn members(&self) -> &Members {
        self.members.last_key_value().expect("there are members before the first entry").1
    }

    /// Whether it may stand for election.
    pub(super) fn votes(&self) -> bool {
        self.counts() && self.members().contains(self.seat.me)
    }

    /// Obeys a term that is later than its own.
    pub(super) fn meet_term(&mut self, term: u64, cx: &mut Context<Raft>) {
        if term > self.term {
            (self.term, self.vote, self.leader) = (term, None, None);
            self.keep_ballot(cx);
            self.follow(cx);
        }
    }

    pub(super) fn keep_ballot(&self, cx: &mut Context<Raft>) {
        cx.keep(Record::Ballot { term: self.term, vote: self.vote });
    }

    /// Leads no more, and stands no more.
    pub(super) fn follow(&mut self, cx: &mut Context<Raft>) {
        if let Role::Leader(leading) = std::mem::replace(&mut self.role, Role::Follower) {
            cx.note(format!("stepped-down term={}", self.term));
            leading.abandon(cx);
        }
        self.wait_for_leader(cx);
    }

    /// Gives the leader, known or not, a while to be heard.
    pub(super) fn wait_for_leader(&mut self, cx: &mut Context<Raft>) {
        let least = self.settings.election_timeout;
        let (least, most) = match &self.settings.favourite {
            Some(name) if *name == self.seat.names[self.seat.me] => (least, least * 5 / 4),
            // Long enough for the favourite to ask twice.
            Some(_) => (least * 3, least * 4),
            None => (least, least * 2),
        };
        self.election_at = cx.now() + cx.random_between(least, most);
    }

    /// Adds entries after a position, in place of whatever stood there.
    pub(super) fn write(&mut self, after: u64, entries: Vec<Entry>, cx: &mut Context<Raft>) {
        self.put(after, &entries);
        cx.keep(Record::Entries { after, entries });
        cx.failpoint("after-append");
    }

    fn put(&mut self, after: u64, entries: &[Entry]) {
        self.log.truncate(after);
        self.members.retain(|position, _| *position <= after);
        for (entry, position) in entries.iter().zip(after + 1..) {
            if let Content::Members(members) = &entry.content {
                self.members.insert(position, members.clone());
            }
            self.log.push(entry.clone());
        }
    }

    /// Executes what is committed; answers those who wait for it.
    pub(super) fn execute(&mut self, cx: &mut Context<Raft>) {
        // Bug: a leader executes what it has, committed or not.
        let early = self.bug(Bug::AppliesBeforeCommit) && matches!(self.role, Role::Leader(_));
        let until = if early { self.log.last().position } else { self.commit };
        while self.machine.applied < until {
            let position = self.machine.applied + 1;
            let Some(entry) = self.log.get(position) else { break };
            let outcome = self.machine.execute(entry);
            if let Role::Leader(leading) = &mut self.role {
                leading.executed(position, outcome);
            }
        }
        if let Role::Leader(leading) = &mut self.role {
            leading.release(self.commit, cx);
        }
        self.answer_forwarded(cx);
        self.compact(cx);
    }

    /// Takes a snapshot when the log has grown, and forgets what is in it, but for a part that slower nodes may still want.
    fn compact(&mut self, cx: &mut Context<Raft>) {
        let applied = self.machine.applied;
        let since = self.snapshot.as_ref().map_or(0, |snapshot| snapshot.last.position);
        if applied.saturating_sub(since) < self.settings.snapshot_after {
            return;
        }
        let Some(last) = self.log.mark(applied) else { return };
        let Some((_, members)) = self.members.range(..=applied).next_back() else { return };
        let snapshot = self.machine.snapshot(last, members.clone());
        cx.keep(Record::Snapshot(Box::new(snapshot.clone())));
        cx.note(format!("snapshot position={applied}"));
        cx.durably().failpoint("after-snapshot");
        self.snapshot = Some(snapshot);
        self.log.forget(applied - self.settings.snapshot_after / 2);
        self.forget_members();
    }

    /// Of the members before the log begins only the last matter.
    pub(super) fn forget_members(&mut self) {
        let base = self.log.base().position;
        if let Some((at, _)) = self.members.range(..=base).next_back() {
            let at = *at;
            self.members.retain(|position, _| *position >= at);
        }
    }

    /// Begins at a snapshot, unless the log has it and goes on from there.
    pub(super) fn adopt(&mut self, snapshot: Snapshot) -> Result<(), Garbage> {
        self.machine.restore(&snapshot)?;
        if self.log.mark(snapshot.last.position) != Some(snapshot.last) {
            self.log = Log::after(snapshot.last);
            self.members.clear();
        }
        self.members.insert(snapshot.last.position, snapshot.members.clone());
        self.log.forget(snapshot.last.position);
        self.forget_members();
        self.commit = snapshot.last.position;
        self.snapshot = Some(snapshot);
        Ok(())
    }

    /// Takes in one record of the journal.
    fn recall(&mut self, record: Record) -> Result<(), Garbage> {
        match record {
            Record::Ballot { term, vote } => (self.term, self.vote) = (term, vote),
            Record::Entries { after, .. } if after > self.log.last().position => {
                return Err(Garbage(format!("entries after {after}, where the log does not reach")));
            }
            Record::Entries { after, entries } => {
                let known = self.log.base().position.saturating_sub(after);
                self.put(after + known, entries.get(known as usize..).unwrap_or_default());
            }
            Record::Snapshot(snapshot) => self.adopt(*snapshot)?,
            Record::Born { identity } => self.identity.own = Some(identity),
            Record::Met { node, identity } => self.identity.met[node] = Some(identity),
            Record::Accepted(accepted) => self.identity.accepted = Some(accepted),
        }
        Ok(())
    }
}

impl Protocol for Raft {
    type Settings = Settings;
    type Message = Message;
    type Record = Record;

    fn start(seat: Seat, settings: Settings, kept: Vec<Record>, cx: &mut Context<Raft>) -> Result<Raft, Garbage> {
        let first = Members::first(settings.members.unwrap_or(seat.count()).min(seat.count()));
        let mut node = Raft {
            identity: Identity::new(&seat),
            seat,
            term: 0,
            vote: None,
            log: Log::default(),
            members: BTreeMap::from([(0, first)]),
            commit: 0,
            machine: Machine::new(settings.bug),
            snapshot: None,
            role: Role::Follower,
            leader: None,
            // It may have heard a leader right before it ended: who holds a lease relies on that.
            heard_leader: cx.now(),
            election_at: 0,
            forwarded: BTreeMap::new(),
            settings,
        };
        for record in kept {
            node.recall(record)?;
        }
        node.wait_for_leader(cx);
        cx.note(format!("started term={} position={}", node.term, node.log.last().position));
        Ok(node)
    }

    fn hear(&mut self, from: usize, message: Message, cx: &mut Context<Raft>) {
        match message {
            Message::Greet { identity } => self.greeted(from, identity, cx),
            Message::Known { identity } => self.known_as(from, identity, cx),
            Message::Canvass(canvass) => self.canvassed(from, canvass, cx),
            Message::Vote { term, asked, pre, granted } => self.voted(from, term, asked, (pre, granted), cx),
            Message::Append(append) => self.appended_by(from, append, cx),
            Message::Install { term, round, snapshot } => self.installed_by(from, term, round, *snapshot, cx),
            Message::Appended(appended) => self.acknowledged(from, appended, cx),
            Message::HandOver { term } => self.handed_over(from, term, cx),
            Message::AskIndex { read } => self.index_asked(from, read, cx),
            Message::Index { read, index } => self.index_told(read, index, cx),
        }
    }

    fn serve(&mut self, caller: Caller, ask: Ask, cx: &mut Context<Raft>) {
        if !ask.operation.is_update() {
            return self.read(caller, ask.operation, cx);
        }
        match self.role {
            Role::Leader(_) => self.propose(caller, ask, cx),
            _ => cx.answer(caller, self.not_me(cx)),
        }
    }

    fn tick(&mut self, cx: &mut Context<Raft>) {
        self.introduce(cx);
        match &self.role {
            Role::Leader(_) => self.lead(cx),
            _ if cx.now() < self.election_at => {}
            _ if self.votes() => self.stand(true, false, cx),
            _ => self.wait_for_leader(cx),
        }
        self.forget_forwarded(cx);
        if !matches!(self.role, Role::Leader(_)) {
            cx.wake_at(self.election_at);
        }
    }

    fn condense(&self) -> Vec<Record> {
        let mut records: Vec<Record> = self.identity.records().collect();
        records.push(Record::Ballot { term: self.term, vote: self.vote });
        records.extend(self.snapshot.clone().map(|snapshot| Record::Snapshot(Box::new(snapshot))));
        let after = self.snapshot.as_ref().map_or(0, |snapshot| snapshot.last.position);
        records.push(Record::Entries { after, entries: self.log.since(after, usize::MAX) });
        records
    }

    fn state(&self) -> State {
        let role = match &self.role {
            Role::Leader(_) => "leader",
            Role::Candidate(_) => "candidate",
            Role::Follower if self.identity.accepted == Some(false) => "stranger",
            Role::Follower if !self.members().contains(self.seat.me) => "learner",
            Role::Follower => "follower",
        };
        State {
            ready: self.leader.is_some() || matches!(self.role, Role::Leader(_)),
            leads: Some(matches!(self.role, Role::Leader(_))),
            role: role.to_owned(),
            epoch: Some(self.term),
            position: Some(self.log.last().position),
        }
    }

    fn dump(&self) -> Json {
        self.machine.dump()
    }

    fn order(&mut self, words: &[String], cx: &mut Context<Raft>) -> Result<String, String> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let node = |name: &str| {
            let found = self.seat.names.iter().position(|known| known == name);
            found.ok_or_else(|| format!("no node is named '{name}'"))
        };
        match words[..] {
            ["join", name] => self.change_members(node(name)?, true, cx),
            ["leave", name] => self.change_members(node(name)?, false, cx),
            ["transfer", name] => self.transfer(node(name)?, cx),
            _ => Err("the orders are: join NODE, leave NODE, transfer NODE".to_owned()),
        }
    }
}

impl Raft {
    /// Somebody else does it: whoever leads, if that is known.
    pub(super) fn not_me(&self, cx: &Context<Raft>) -> Outcome {
        let recently = cx.now() < self.heard_leader + 2 * self.settings.election_timeout;
        let ask = self.leader.filter(|leader| *leader != self.seat.me && recently);
        Outcome::Refused { why: "it does not lead".to_owned(), ask }
    }
}
