//! What a leader does: it ships its log to every follower that it can reach, counts the copies, and, where replication
//! is semi-synchronous, chooses the follower that is waited for.

use std::collections::VecDeque;

use super::log::{Entry, Mark};
use super::message::Message;
use super::rules::{self, Alone, Replication, Rules};
use super::{Peer, Replica, Role};
use crate::parts::json::Raw;
use crate::single_leader::bugs::Bug;

/// At most this many entries in one message.
const BATCH_ENTRIES: usize = 512;
/// At most about this many bytes of entries in one message.
const BATCH_BYTES: usize = 256 * 1024;
/// At most this many messages with entries under way to one follower: the next is larger instead.
const UNDER_WAY: usize = 2;
/// A commit that no message has told a follower of yet is told after this long.
const TELL_COMMIT_US: u64 = 2_000;
/// A snapshot that was not acknowledged is sent again after this long.
const SNAPSHOT_AGAIN_US: u64 = 5_000_000;
/// A leader looks at its followers at least this often.
const LOOK_US: u64 = 20_000;
/// And never more often than this without a reason from outside.
const LEAST_US: u64 = 500;

#[derive(Debug)]
pub(super) struct Leading {
    since: u64,
    followers: Vec<Follower>,
    /// The synchronous follower.
    designated: Option<Peer>,
    /// No synchronous follower is left, and that was said.
    alone: bool,
}

/// A follower, as the leader knows it.
#[derive(Clone, Debug)]
struct Follower {
    connected: bool,
    pace: Pace,
    /// The next position to send.
    next: u64,
    /// Acknowledged up to here, in this epoch and since the connection was opened.
    acked: u64,
    /// The last position of each message under way.
    under_way: VecDeque<u64>,
    heard: u64,
    sent: u64,
    /// Since when it owes an acknowledgement, or last made progress while it did.
    owes_since: Option<u64>,
    /// The commit position that it was told.
    told: u64,
    /// Synchronous replication waits for it.
    required: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Pace {
    /// It is not known yet where its log and this one agree.
    Probing { asked: bool },
    /// Entries follow as they come.
    Streaming,
    /// It is being sent the state at this mark.
    Snapshot { mark: Mark, since: u64 },
}

impl Leading {
    fn new(count: usize, connected: &[bool], last: u64, now: u64) -> Leading {
        let follower = |peer: usize| Follower {
            connected: connected[peer],
            pace: Pace::Probing { asked: false },
            next: last + 1,
            acked: 0,
            under_way: VecDeque::new(),
            heard: 0,
            sent: 0,
            owes_since: None,
            told: 0,
            required: true,
        };
        Leading { since: now, followers: (0..count).map(follower).collect(), designated: None, alone: false }
    }

    /// A new connection: nothing is known of what the last one lost.
    pub(super) fn start_over(&mut self, peer: Peer, last: u64) {
        let follower = &mut self.followers[peer];
        follower.connected = true;
        follower.pace = Pace::Probing { asked: false };
        follower.next = if follower.acked > 0 { follower.acked + 1 } else { last + 1 };
        follower.acked = 0;
        follower.under_way.clear();
    }

    pub(super) fn wake(&self, now: u64, commit: u64, rules: &Rules) -> u64 {
        let wait = |f: &Follower| if f.is_untold(commit) { TELL_COMMIT_US } else { rules.heartbeat_us };
        let due = self.followers.iter().filter(|f| f.connected).map(|f| f.sent + wait(f)).min();
        due.unwrap_or(now + LOOK_US).clamp(now + LEAST_US, now + LOOK_US)
    }
}

impl Follower {
    fn is_usable(&self, now: u64, rules: &Rules) -> bool {
        self.connected && self.heard > 0 && now < self.heard + rules.sync_timeout_us && !self.is_late(now, rules)
    }

    /// Whether messages that are under way have been for too long.
    fn is_lost(&self, now: u64, heartbeat: u64) -> bool {
        let full = self.under_way.len() >= UNDER_WAY && self.pace == Pace::Streaming;
        full && now >= self.sent + heartbeat && now >= self.heard + 2 * heartbeat
    }

    /// From what is certain.
    fn start_again(&mut self) {
        self.next = self.acked + 1;
        self.under_way.clear();
        self.pace = Pace::Probing { asked: false };
    }

    /// Whether a commit position should be told to it although there is nothing else to send.
    fn is_untold(&self, commit: u64) -> bool {
        self.told < commit && self.pace == Pace::Streaming && self.under_way.len() < UNDER_WAY
    }

    fn is_late(&self, now: u64, rules: &Rules) -> bool {
        self.owes_since.is_some_and(|since| now >= since + rules.sync_timeout_us)
    }
}

impl Replica {
    /// Becomes the leader. The first entry says nothing: what earlier leaders left uncommitted is committed with it
    /// and never by itself, for a later leader could still discard it (Raft, section 5.4.2).
    pub(super) fn lead(&mut self) {
        self.note(format!("leader in epoch {}", self.epoch));
        let last = self.log.last().position;
        let mut leading = Leading::new(self.count(), &self.connected, last, self.now);
        leading.followers[self.identity.me].connected = false;
        self.role = Role::Leading(leading);
        let command = Raw::of(&());
        self.log.push(Entry { epoch: self.epoch, command });
    }

    pub(super) fn take_ack(&mut self, from: Peer, epoch: u64, position: u64) {
        let (now, last) = (self.now, self.log.last().position);
        if epoch != self.epoch || position > last {
            return;
        }
        let Some(follower) = self.follower(from) else { return };
        follower.heard = now;
        if position > follower.acked {
            follower.acked = position;
            follower.owes_since = Some(now);
        }
        while follower.under_way.front().is_some_and(|sent| *sent <= position) {
            follower.under_way.pop_front();
        }
        match follower.pace {
            Pace::Probing { .. } => {
                follower.next = follower.next.max(position + 1);
                follower.pace = Pace::Streaming;
            }
            Pace::Snapshot { mark, .. } if position >= mark.position => {
                follower.next = position + 1;
                follower.pace = Pace::Streaming;
            }
            _ => {}
        }
        self.tend_copies();
    }

    pub(super) fn take_reject(&mut self, from: Peer, epoch: u64, asked: u64, hint: u64, snapshot: bool) {
        let (now, last) = (self.now, self.log.last().position);
        if epoch != self.epoch {
            return;
        }
        let Some(follower) = self.follower(from) else { return };
        follower.heard = now;
        if snapshot || asked <= follower.acked {
            // It goes back behind what it has acknowledged (or this is an old rejection: then it will say so again).
            follower.acked = 0;
        }
        if let Pace::Snapshot { mark, since } = follower.pace {
            // What comes back until the snapshot has arrived is no news, unless it is of no use.
            let useless = hint > mark.position && !snapshot;
            if now < since + SNAPSHOT_AGAIN_US && !useless {
                return;
            }
        }
        follower.under_way.clear();
        if snapshot {
            return self.send_snapshot(from);
        }
        // What it has acknowledged agrees, whatever an old rejection says.
        follower.next = hint.clamp(follower.acked, last) + 1;
        follower.pace = Pace::Probing { asked: false };
    }

    /// Sends every follower what it lacks, or a sign of life.
    pub(super) fn ship(&mut self) {
        for to in 0..self.count() {
            if self.follower(to).is_some_and(|follower| follower.connected) {
                self.ship_to(to);
            }
        }
    }

    fn follower(&mut self, peer: Peer) -> Option<&mut Follower> {
        match &mut self.role {
            Role::Leading(leading) => leading.followers.get_mut(peer),
            _ => None,
        }
    }

    fn ship_to(&mut self, to: Peer) {
        let (now, heartbeat, base) = (self.now, self.rules.heartbeat_us, self.log.base().position);
        let Some(follower) = self.follower(to) else { return };
        let silent = now >= follower.sent + heartbeat;
        if follower.is_lost(now, heartbeat) {
            follower.start_again();
        }
        match follower.pace {
            Pace::Snapshot { since, .. } if now >= since + SNAPSHOT_AGAIN_US => self.send_snapshot(to),
            Pace::Snapshot { mark, .. } if silent && mark.position >= base => self.send_append(to, mark.position, 0),
            Pace::Snapshot { .. } => {}
            _ if follower.next <= base => self.send_snapshot(to),
            Pace::Probing { asked: true } if !silent => {}
            Pace::Probing { .. } => {
                follower.pace = Pace::Probing { asked: true };
                let after = follower.next - 1;
                self.send_append(to, after, 0);
            }
            Pace::Streaming => self.stream_to(to, silent),
        }
    }

    fn stream_to(&mut self, to: Peer, silent: bool) {
        let (now, commit) = (self.now, self.commit);
        // What a follower has, the leader's own disk has too: a leader that restarts is behind nobody.
        let ready = self.disk.durable;
        let mut sent = false;
        while let Some(follower) = self.follower(to) {
            let more = follower.next <= ready && follower.under_way.len() < UNDER_WAY;
            let untold = follower.is_untold(commit) && now >= follower.sent + TELL_COMMIT_US;
            let after = follower.next - 1;
            match more {
                true => self.send_append(to, after, ready),
                false if !sent && (silent || untold) => return self.send_append(to, after, 0),
                false => return,
            }
            sent = true;
        }
    }

    /// Sends the entries after a position, up to `ready` or as many as one message holds.
    fn send_append(&mut self, to: Peer, after: u64, ready: u64) {
        let Some(prev) = self.log.mark(after) else { return self.send_snapshot(to) };
        let mut bytes = 0;
        let within = |entry: &&Entry| {
            bytes += entry.command.get().len();
            bytes <= BATCH_BYTES
        };
        let mut entries: Vec<Entry> =
            self.log.range(after + 1, ready).take(BATCH_ENTRIES).take_while(within).cloned().collect();
        if entries.is_empty() && after < ready {
            entries.extend(self.log.get(after + 1).cloned());
        }
        let (now, commit, last) = (self.now, self.commit, self.log.last().position);
        let Some(follower) = self.follower(to) else { return };
        follower.sent = now;
        follower.told = commit;
        if !entries.is_empty() {
            follower.next = after + entries.len() as u64 + 1;
            follower.under_way.push_back(follower.next - 1);
        }
        self.send(to, Message::Append { epoch: self.epoch, prev, last, commit, entries });
    }

    fn send_snapshot(&mut self, to: Peer) {
        let snapshot = self.snapshot.clone();
        let (epoch, mut mark, last) = (self.epoch, snapshot.mark, self.log.last().position);
        if self.rules.planted.is(Bug::SnapshotWithoutPosition) {
            // BUG snapshot-without-position: the state is an old one, and the follower is told to go on from now.
            mark = self.log.mark(self.disk.durable).unwrap_or(mark);
        }
        let now = self.now;
        let Some(follower) = self.follower(to) else { return };
        follower.pace = Pace::Snapshot { mark, since: now };
        follower.sent = now;
        follower.next = mark.position + 1;
        follower.under_way.clear();
        self.note(format!("sending {} the snapshot at position {}", self.name(to), mark.position));
        let parts = snapshot.parts.len();
        if parts == 0 {
            self.send(to, Message::Snapshot { epoch, mark, last, part: 0, parts, data: Raw::of(&()) });
        }
        for (part, data) in snapshot.parts.iter().enumerate() {
            self.send(to, Message::Snapshot { epoch, mark, last, part, parts, data: data.clone() });
        }
    }

    /// Looks after the copies: who is waited for, and what that makes of the commit position.
    pub(super) fn tend_copies(&mut self) {
        let (now, durable) = (self.now, self.disk.durable);
        let connected = &self.connected;
        let Role::Leading(leading) = &mut self.role else { return };
        for (peer, follower) in leading.followers.iter_mut().enumerate() {
            follower.connected = connected[peer] && peer != self.identity.me;
            if follower.acked >= durable {
                follower.owes_since = None;
            } else {
                follower.owes_since.get_or_insert(now);
            }
        }
        match self.rules.replication {
            Replication::SemiSync if self.count() > 1 => self.tend_designated(),
            Replication::Sync if self.rules.alone == Alone::Degrade => self.tend_required(),
            _ => {}
        }
        self.advance_commit();
    }

    /// Semi-synchronous: one follower is waited for; when it fails, another.
    fn tend_designated(&mut self) {
        let (now, rules) = (self.now, &self.rules);
        let Role::Leading(leading) = &mut self.role else { return };
        let usable = |peer: &Peer| leading.followers[*peer].is_usable(now, rules);
        if leading.designated.as_ref().is_some_and(usable) {
            return;
        }
        // Of those with the longest log the first.
        let best = (0..leading.followers.len()).rev().filter(usable).max_by_key(|p| leading.followers[*p].acked);
        let before = std::mem::replace(&mut leading.designated, best);
        if let Some(peer) = best {
            leading.alone = false;
            self.note(format!("synchronous follower is now {}", self.name(peer)));
        } else if !leading.alone && (before.is_some() || now >= leading.since + rules.sync_timeout_us) {
            leading.alone = true;
            match self.rules.alone {
                Alone::Block => self.note("no synchronous follower left: blocking"),
                Alone::Degrade => self.note("no synchronous follower left: going on without"),
            }
        }
    }

    /// Synchronous, allowed to degrade: those that fail are not waited for until they have caught up again.
    fn tend_required(&mut self) {
        let (now, commit) = (self.now, self.commit);
        let me = self.identity.me;
        for peer in (0..self.count()).filter(|peer| *peer != me) {
            let Role::Leading(leading) = &mut self.role else { return };
            let settled = now >= leading.since + self.rules.sync_timeout_us;
            let follower = &mut leading.followers[peer];
            let usable = follower.is_usable(now, &self.rules);
            if follower.required && !usable && settled {
                follower.required = false;
                self.note(format!("going on without {}", self.name(peer)));
            } else if !follower.required && usable && follower.acked >= commit {
                follower.required = true;
                self.note(format!("waiting for {} again", self.name(peer)));
            }
        }
    }

    /// Commits what enough disks hold, if the last of it is of this epoch.
    pub(super) fn advance_commit(&mut self) {
        let Role::Leading(leading) = &self.role else { return };
        let planted = self.rules.planted;
        // BUG ack-before-flush: what is in memory counts as if it were on the disk.
        let flushed = !planted.is(Bug::AckBeforeFlush);
        let durable = if flushed { self.disk.durable } else { self.log.last().position };
        let others = || leading.followers.iter().enumerate().filter(|(peer, _)| *peer != self.identity.me);
        let position = match self.rules.replication {
            Replication::Async => durable,
            _ if self.count() == 1 => durable,
            // BUG ack-before-sync-copy: the leader's own disk is enough, whatever the configuration says.
            _ if planted.is(Bug::AckBeforeSyncCopy) => durable,
            Replication::Sync => rules::committed(durable, others().filter(|(_, f)| f.required).map(|(_, f)| f.acked)),
            Replication::SemiSync => match leading.designated {
                Some(peer) => rules::committed(durable, [leading.followers[peer].acked]),
                // BUG degrades-silently: without a synchronous follower it goes on as if it had been told to.
                None if leading.alone && (self.rules.alone == Alone::Degrade || planted.is(Bug::DegradesSilently)) => {
                    durable
                }
                None => 0,
            },
        };
        if position > self.commit && self.log.mark(position).is_some_and(|mark| mark.epoch == self.epoch) {
            self.commit = position;
            self.caught_up = true;
        }
    }
}
