//! What a follower does: it takes entries where they fit, undoes what its leader's log does not have, and takes a
//! snapshot when entries cannot help.
//!
//! `verified` is the heart of it: up to there this log is known to be the log of this epoch's leader. A leader only
//! ever adds to its log, so whatever a late or repeated message says about positions up to `verified` is old news and
//! never a reason to undo anything.

use std::sync::Arc;

use super::log::{Entry, Log, Mark};
use super::message::Message;
use super::{Effect, Peer, Replica, Role, Snapshot, Work};
use crate::parts::json::Raw;
use crate::single_leader::bugs::Bug;

/// A snapshot of which some parts have come.
#[derive(Debug)]
pub(super) struct Incoming {
    mark: Mark,
    parts: Vec<Option<Raw>>,
}

/// How the start of a message's entries fits this log.
enum Fit {
    /// They come right after this position, and it matches.
    After(u64),
    /// They do not; the leader should try after this one.
    Try(u64),
    /// The logs differ in what the snapshot has in it, where nothing can be undone.
    Diverged,
}

impl Replica {
    /// Whether `from` leads in this epoch. A message of a lower epoch is answered with the higher one.
    pub(super) fn accept_leader(&mut self, from: Peer, epoch: u64) -> bool {
        if epoch < self.epoch {
            self.reject(from, 0, 0, false);
            return false;
        }
        if self.is_leader() {
            self.note(format!("{} claims to lead in epoch {epoch} as well: ignored", self.name(from)));
            return false;
        }
        if self.leader() != Some(from) {
            self.note(format!("following {} in epoch {epoch}", self.name(from)));
            self.role = Role::Follower { leader: Some(from) };
        }
        self.heard = self.now;
        self.put_off();
        true
    }

    pub(super) fn take_entries(&mut self, prev: Mark, last: u64, commit: u64, mut entries: Vec<Entry>) {
        let Some(leader) = self.leader() else { return };
        let fit = match self.fit(prev, last, &mut entries) {
            Fit::After(position) => self.compare(position, &entries),
            other => other,
        };
        let after = match fit {
            Fit::After(position) => position,
            Fit::Try(hint) => return self.reject(leader, prev.position, hint, false),
            Fit::Diverged => {
                self.diverged = true;
                let hint = self.log.base().position;
                return self.reject(leader, prev.position, hint, true);
            }
        };
        let quiet = entries.is_empty();
        self.add_entries(after, entries);
        self.commit = self.commit.max(commit.min(self.verified));
        self.look_whether_caught_up(commit);
        self.ack_owed = true;
        if quiet || self.disk.durable >= self.verified || self.rules.planted.is(Bug::AckOnReceive) {
            self.pay_ack();
        }
    }

    fn reject(&mut self, leader: Peer, asked: u64, hint: u64, snapshot: bool) {
        self.send(leader, Message::Reject { epoch: self.epoch, asked, hint, snapshot });
    }

    /// Where the entries after `prev` belong. Those that this log has forgotten already are taken off.
    fn fit(&self, prev: Mark, last: u64, entries: &mut Vec<Entry>) -> Fit {
        let base = self.log.base();
        if prev.position < base.position {
            let forgotten = (base.position - prev.position) as usize;
            let at_base = entries.get(forgotten - 1).map(|entry| entry.epoch);
            if self.verified >= base.position || at_base == Some(base.epoch) {
                entries.drain(..forgotten.min(entries.len()));
                return Fit::After(base.position);
            }
            // The leader's log has something else at the base, or nothing at all.
            return if at_base.is_some() || last < base.position { Fit::Diverged } else { Fit::Try(base.position) };
        }
        match self.log.mark(prev.position) {
            None => Fit::Try(self.log.last().position),
            Some(mark) if mark == prev => Fit::After(prev.position),
            // BUG keeps-unreplicated-suffix: whatever stands there counts as if the leader had sent it.
            Some(_) if self.rules.planted.is(Bug::KeepsUnreplicatedSuffix) => Fit::After(prev.position),
            Some(_) if prev.position <= self.snapshot.mark.position => Fit::Diverged,
            Some(_) => Fit::Try(self.log.before_epoch_of(prev.position)),
        }
    }

    /// Whether what the snapshot has in it is what the leader sends.
    fn compare(&self, after: u64, entries: &[Entry]) -> Fit {
        let covered = self.snapshot.mark.position.saturating_sub(after) as usize;
        let same = |(position, entry): (u64, &Entry)| self.log.mark(position).is_none_or(|m| m.epoch == entry.epoch);
        match (after + 1..).zip(entries.iter().take(covered)).all(same) {
            true => Fit::After(after),
            false => Fit::Diverged,
        }
    }

    fn add_entries(&mut self, after: u64, entries: Vec<Entry>) {
        self.verified = self.verified.max(after);
        for (position, entry) in (after + 1..).zip(entries) {
            match self.log.mark(position) {
                Some(mark) if mark.epoch == entry.epoch => {}
                // BUG keeps-unreplicated-suffix: what was never replicated stays instead of what the leader has.
                Some(_) if self.rules.planted.is(Bug::KeepsUnreplicatedSuffix) => {}
                Some(_) => {
                    self.discard_after(position - 1);
                    self.log.push(entry);
                }
                None => self.log.push(entry),
            }
            self.verified = self.verified.max(position);
        }
    }

    /// Drops the tail that the leader of this epoch does not have.
    fn discard_after(&mut self, position: u64) {
        assert!(position >= self.verified, "what the leader has is never undone");
        let first = position + 1;
        let epoch = self.log.mark(first).map_or(0, |mark| mark.epoch);
        let dropped = self.log.truncate(position);
        let seen = self.commit.saturating_sub(position);
        self.undo_durable(position);
        self.disk.handed = position;
        self.commit = self.commit.min(position);
        self.effects.push(Effect::Discarded { after: position });
        match seen {
            0 => self.note(format!("discarded {dropped} entries from position {first} (epoch {epoch})")),
            _ => self.note(format!(
                "discarded {dropped} entries from position {first} (epoch {epoch}), {seen} of them committed there"
            )),
        }
        let (base, entries) = (self.log.base(), self.log.to_vec());
        self.store(Work::Rewrite { base, entries });
    }

    /// After a restart a follower answers no reads until it has everything that its leader had committed when they
    /// met; and that must include an entry of the leader's own epoch, for before that the leader itself does not know
    /// how far its predecessors came.
    fn look_whether_caught_up(&mut self, leaders_commit: u64) {
        if self.caught_up {
            return;
        }
        let goal = *self.catch_up_to.get_or_insert(leaders_commit);
        if self.commit >= goal && self.committed_in_epoch() {
            self.caught_up = true;
            self.note(format!("caught up at position {}", self.commit));
        }
    }

    /// Says how far the log is on disk and verified, if that is owed.
    pub(super) fn pay_ack(&mut self) {
        let Role::Follower { leader: Some(leader) } = self.role else { return };
        if !self.ack_owed || self.disk.done < self.disk.ballot {
            return;
        }
        // BUG ack-on-receive: what has arrived is acknowledged, though the disk does not have it yet.
        let on_receive = self.rules.planted.is(Bug::AckOnReceive);
        let position = if on_receive { self.verified } else { self.disk.durable.min(self.verified) };
        self.ack_owed = position < self.verified;
        self.send(leader, Message::Ack { epoch: self.epoch, position });
    }

    pub(super) fn take_snapshot(&mut self, mark: Mark, last: u64, part: usize, parts: usize, data: Raw) {
        let Some(leader) = self.leader() else { return };
        if !self.needs(mark, last) {
            self.incoming = None;
            if self.log.mark(mark.position) == Some(mark) {
                self.verified = self.verified.max(mark.position);
            }
            self.ack_owed = true;
            return match self.verified >= mark.position {
                true => self.pay_ack(),
                // It is older than what this log has forgotten: the leader should look there.
                false => {
                    let hint = self.log.base().position;
                    self.reject(leader, mark.position, hint, false);
                }
            };
        }
        if self.incoming.as_ref().is_none_or(|incoming| incoming.mark != mark || incoming.parts.len() != parts) {
            self.incoming = Some(Incoming { mark, parts: vec![None; parts] });
        }
        let Some(incoming) = &mut self.incoming else { return };
        if let Some(slot) = incoming.parts.get_mut(part) {
            *slot = Some(data);
        }
        if incoming.parts.iter().all(Option::is_some) {
            let parts = std::mem::take(&mut incoming.parts).into_iter().flatten().collect();
            self.incoming = None;
            self.install(Snapshot { mark, parts });
        }
    }

    /// Whether a snapshot of the leader's log helps: it is beyond this log's end, or this log provably is another one.
    fn needs(&self, mark: Mark, last: u64) -> bool {
        let base = self.log.base();
        if self.diverged {
            return true;
        }
        match self.log.mark(mark.position) {
            Some(own) => own != mark,
            None if mark.position > base.position => true,
            None => self.verified < base.position && last < base.position,
        }
    }

    fn install(&mut self, snapshot: Snapshot) {
        let mark = snapshot.mark;
        let lost = self.commit.saturating_sub(mark.position);
        if lost > 0 {
            self.note(format!("discarded {lost} committed entries from position {}", mark.position + 1));
        }
        self.note(format!("installed snapshot at position {}", mark.position));
        self.log = Log::new(mark, Vec::new());
        self.undo_durable(0);
        self.disk.handed = mark.position;
        self.commit = mark.position;
        self.verified = mark.position;
        self.diverged = false;
        self.snapshot = Arc::new(snapshot);
        self.store(Work::Snapshot { snapshot: self.snapshot.clone(), base: mark, entries: Vec::new() });
        self.effects.push(Effect::Restored);
        self.ack_owed = true;
    }
}
