//! A follower: takes entries where they fit, and snapshots that are ahead of it.
//!
//! Messages come late, twice and in any order, so each says after which entry its entries come. Whatever the follower has after that
//! entry it drops only from the first place on where it *differs*: an old message must not undo what a newer one brought and
//! what was acknowledged since.

use super::Raft;
use super::bugs::Bug;
use super::log::{Entry, Log};
use super::machine::Snapshot;
use super::message::{Append, Appended, Message, Record};
use super::node::Role;
use crate::specimen::Context;

impl Raft {
    /// Whether this is who leads; if so, it was heard.
    fn obeys(&mut self, from: usize, term: u64, cx: &mut Context<Raft>) -> bool {
        self.meet_term(term, cx);
        if term < self.term || matches!(self.role, Role::Leader(_)) {
            return false;
        }
        if self.leader != Some(from) {
            cx.note(format!("follows term={term} leader={}", self.seat.names[from]));
        }
        (self.role, self.leader, self.heard_leader) = (Role::Follower, Some(from), cx.now());
        self.wait_for_leader(cx);
        true
    }

    /// A leader says how its log goes on.
    pub(super) fn appended_by(&mut self, from: usize, append: Append, cx: &mut Context<Raft>) {
        let Append { term, round, prev, mut entries, commit } = append;
        if !self.obeys(from, term, cx) {
            return self.reply(from, 0, Err(self.log.last().position), cx);
        }
        // What lies before the base is committed, and so it is the same.
        let base = self.log.base();
        let known = base.position.saturating_sub(prev.position).min(entries.len() as u64);
        entries.drain(..known as usize);
        let after = prev.position + known;
        if prev.position >= base.position && self.log.mark(prev.position) != Some(prev) {
            let before = self.log.before_term_of(prev.position).min(prev.position.saturating_sub(1));
            return self.reply(from, round, Err(before), cx);
        }
        let end = after + entries.len() as u64;
        self.take(after, entries, cx);
        // Not the end of its own log: of what comes after `end` nobody has said that it is the leader's.
        let committed = commit.min(end);
        if committed > self.commit {
            self.commit = committed;
            self.execute(cx);
        }
        self.reply(from, round, Ok(end), cx);
    }

    /// Writes the entries that it does not have.
    fn take(&mut self, after: u64, mut entries: Vec<Entry>, cx: &mut Context<Raft>) {
        // Bug: whatever stands after these entries is dropped, the same or not.
        if self.bug(Bug::AlwaysTruncates) {
            if after >= self.log.base().position && (self.log.last().position > after || !entries.is_empty()) {
                self.write(after, entries, cx);
            }
            return;
        }
        let same = |(entry, at): &(&Entry, u64)| self.log.mark(*at).is_some_and(|mark| mark.term == entry.term);
        let same = entries.iter().zip(after + 1..).take_while(same).count();
        entries.drain(..same);
        if !entries.is_empty() {
            self.write(after + same as u64, entries, cx);
        }
    }

    /// A leader sends its state, for it has forgotten the entries that come next here.
    pub(super) fn installed_by(
        &mut self,
        from: usize,
        term: u64,
        round: u64,
        snapshot: Snapshot,
        cx: &mut Context<Raft>,
    ) {
        if !self.obeys(from, term, cx) {
            return self.reply(from, 0, Err(self.log.last().position), cx);
        }
        let position = snapshot.last.position;
        // Bug: one that was overtaken by entries sets the node back.
        if position <= self.commit && !self.bug(Bug::StaleSnapshotInstalled) {
            return self.reply(from, round, Ok(position), cx);
        }
        if position <= self.commit {
            self.log = Log::after(snapshot.last);
            self.members.retain(|at, _| *at <= position);
        }
        match self.adopt(snapshot.clone()) {
            Ok(()) => {
                cx.keep(Record::Snapshot(Box::new(snapshot)));
                cx.note(format!("installed position={position}"));
                self.answer_forwarded(cx);
                self.reply(from, round, Ok(position), cx);
                cx.durably().failpoint("after-install");
            }
            Err(garbage) => cx.note(format!("snapshot-refused why={garbage}")),
        }
    }

    /// Only when what it says is true of the disk.
    fn reply(&mut self, to: usize, round: u64, reached: Result<u64, u64>, cx: &mut Context<Raft>) {
        let appended = Appended { term: self.term, round, reached, counts: self.counts() };
        cx.durably().send(to, Message::Appended(appended));
    }
}
