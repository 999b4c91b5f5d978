//! Clusters of replicas under every disorder that messages, disks and crashes can make: messages are delivered in any
//! order, lost, repeated; disks are slow; nodes stop at any moment with any part of what was not flushed yet lost;
//! connections break; clocks run on. Thousands of random schedules, each named by its number, which is also its seed.
//!
//! After every step it is checked that
//! - an epoch has one leader;
//! - two logs that have the same mark are the same up to it;
//! - where a new leader always has everything: what was committed anywhere stays committed everywhere, in one order;
//!   a replica that answers reads never goes back, whatever happened to it in between; and a leader that answers as the
//!   leader has everything that was acknowledged in earlier epochs;
//!
//! and, once everything is healed, that one leader is found, all replicas hold the same, and (where promised) every
//! acknowledged write is in it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::log::{Entry, Log, Mark};
use super::message::Message;
use super::rules::{Alone, Failover, Replication, Rules};
use super::{Effect, Identity, Recovered, Replica, Snapshot, Work};
use crate::parts::json::Raw;

struct Random(u64);

impl Random {
    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn below(&mut self, n: usize) -> usize {
        (self.draw() % n as u64) as usize
    }
}

/// What is certainly on a node's disk.
#[derive(Clone, Default)]
struct Disk {
    epoch: u64,
    voted_for: Option<usize>,
    snapshot: Arc<Snapshot>,
    base: Mark,
    entries: Vec<Entry>,
}

impl Disk {
    fn perform(&mut self, work: Work) {
        match work {
            Work::Ballot { epoch, voted_for } => (self.epoch, self.voted_for) = (epoch, voted_for),
            Work::Append { first, entries } => {
                assert_eq!(first, self.base.position + 1 + self.entries.len() as u64, "appended with a gap");
                self.entries.extend(entries);
            }
            Work::Rewrite { base, entries } => (self.base, self.entries) = (base, entries),
            Work::Snapshot { snapshot, base, entries } => {
                self.snapshot = snapshot;
                (self.base, self.entries) = (base, entries);
            }
        }
    }
}

struct Node {
    replica: Option<Replica>,
    disk: Disk,
    work: VecDeque<(u64, Work)>,
    /// The state machine: every write in it, in order, and the position up to which it was built.
    state: Vec<u64>,
    applied: u64,
    /// The highest position at which it answered reads, ever.
    served: u64,
    /// Writes proposed here whose commit is waited for.
    pending: Vec<(Mark, u64)>,
}

struct Cluster {
    name: String,
    safe: bool,
    rules: Rules,
    /// Whether an operator promotes nodes.
    operator: bool,
    nodes: Vec<Node>,
    messages: Vec<(usize, usize, Message)>,
    /// Directed links that are cut.
    cut: Vec<Vec<bool>>,
    now: u64,
    random: Random,
    next_write: u64,
    /// Writes that were acknowledged, with their place.
    acked: Vec<(Mark, u64)>,
    leaders: BTreeMap<u64, usize>,
    /// What stands at each mark, and the mark before it.
    written: BTreeMap<Mark, (Mark, Raw)>,
    /// What was committed at each position, where that is for ever.
    committed: BTreeMap<u64, Mark>,
    notes: Vec<String>,
}

impl Cluster {
    fn new(seed: u64, count: usize, rules: Rules, operator: bool) -> Cluster {
        let safe = !rules.may_lose(count) || (rules.failover == Failover::Manual && !operator);
        let name = format!("schedule {seed} of {count} nodes, {:?}, {:?}", rules.replication, rules.failover);
        let node = || Node {
            replica: None,
            disk: Disk::default(),
            work: VecDeque::new(),
            state: Vec::new(),
            applied: 0,
            served: 0,
            pending: Vec::new(),
        };
        let mut cluster = Cluster {
            name,
            safe,
            rules,
            operator,
            nodes: (0..count).map(|_| node()).collect(),
            messages: Vec::new(),
            cut: vec![vec![false; count]; count],
            now: 1,
            random: Random(seed),
            next_write: 0,
            acked: Vec::new(),
            leaders: BTreeMap::new(),
            written: BTreeMap::new(),
            committed: BTreeMap::new(),
            notes: Vec::new(),
        };
        for node in 0..count {
            cluster.start(node);
        }
        cluster
    }

    fn start(&mut self, me: usize) {
        let names = (1..=self.nodes.len()).map(|n| format!("n{n}")).collect();
        let random = self.random.draw();
        let node = &mut self.nodes[me];
        let disk = &node.disk;
        let mut log = Log::new(disk.base, disk.entries.clone());
        if log.mark(disk.snapshot.mark.position) != Some(disk.snapshot.mark) {
            log = Log::new(disk.snapshot.mark, Vec::new());
            node.disk.base = disk.snapshot.mark;
            node.disk.entries.clear();
        }
        let disk = &node.disk;
        let recovered =
            Recovered { epoch: disk.epoch, voted_for: disk.voted_for, snapshot: (*disk.snapshot).clone(), log };
        let replica = Replica::new(Identity { me, names }, self.rules.clone(), recovered, random, self.now);
        node.replica = Some(replica);
        self.restore(me);
        for peer in 0..self.nodes.len() {
            if peer != me && !self.cut[me][peer] {
                self.with(me, |replica, now| replica.connect(now, peer));
            }
        }
        self.after(me);
    }

    /// The process ends. Of the work that the disk had not confirmed, any first part may have been done.
    fn crash(&mut self, me: usize) {
        let node = &mut self.nodes[me];
        if node.replica.take().is_none() {
            return;
        }
        node.pending.clear();
        // Its connections end with it; what it has sent may still arrive.
        self.messages.retain(|(_, to, _)| *to != me);
        let done = self.random.below(node.work.len() + 1);
        for (_, work) in node.work.drain(..).take(done) {
            node.disk.perform(work);
        }
    }

    fn restore(&mut self, me: usize) {
        let node = &mut self.nodes[me];
        let Some(replica) = &node.replica else { return };
        let snapshot = replica.snapshot();
        node.applied = snapshot.mark.position;
        node.state.clear();
        for part in &snapshot.parts {
            node.state.extend(serde_json::from_str::<Vec<u64>>(part.get()).expect("a part"));
        }
    }

    fn with<T>(&mut self, me: usize, f: impl FnOnce(&mut Replica, u64) -> T) -> Option<T> {
        let now = self.now;
        self.nodes[me].replica.as_mut().map(|replica| f(replica, now))
    }

    /// Does what the node wants done, and checks everything.
    fn after(&mut self, me: usize) {
        loop {
            self.with(me, Replica::pump);
            let Some(effects) = self.with(me, |replica, _| replica.take_effects()) else { return };
            let quiet = effects.is_empty();
            for effect in effects {
                self.perform(me, effect);
            }
            self.apply(me);
            if quiet {
                break;
            }
        }
        self.check(me);
    }

    fn perform(&mut self, me: usize, effect: Effect) {
        match effect {
            Effect::Send { to, message } => self.messages.push((me, to, message)),
            Effect::Store { ticket, work } => self.nodes[me].work.push_back((ticket, work)),
            Effect::Discarded { after } => {
                if self.nodes[me].applied > after {
                    assert!(!self.safe, "{}: n{} undid what was committed", self.name, me + 1);
                    self.restore(me);
                }
            }
            Effect::Restored => {
                let before = self.nodes[me].applied;
                self.restore(me);
                let back = self.nodes[me].applied < before;
                assert!(!self.safe || !back, "{}: n{} went back by a snapshot", self.name, me + 1);
            }
            Effect::Deposed => self.nodes[me].pending.clear(),
            Effect::Note(note) => self.notes.push(format!("{:>8} n{} {note}", self.now, me + 1)),
        }
    }

    fn apply(&mut self, me: usize) {
        let node = &mut self.nodes[me];
        let Some(replica) = &node.replica else { return };
        while node.applied < replica.commit() {
            let position = node.applied + 1;
            let entry = replica.log().get(position).expect("what is committed is there");
            let mark = Mark { epoch: entry.epoch, position };
            if let Ok(write) = serde_json::from_str::<u64>(entry.command.get()) {
                node.state.push(write);
            }
            node.applied = position;
            if let Some(at) = node.pending.iter().position(|(pending, _)| *pending == mark) {
                self.acked.push(node.pending.remove(at));
            }
            if self.safe {
                let before = *self.committed.entry(position).or_insert(mark);
                assert_eq!(before, mark, "{}: two entries committed at {position}", self.name);
            }
        }
    }

    fn check(&mut self, me: usize) {
        let node = &mut self.nodes[me];
        let Some(replica) = &node.replica else { return };
        if replica.is_leader() {
            let leader = *self.leaders.entry(replica.epoch()).or_insert(me);
            assert_eq!(leader, me, "{}: two leaders in epoch {}", self.name, replica.epoch());
        }
        let log = replica.log();
        let mut before = log.base();
        for entry in log.range(before.position + 1, u64::MAX) {
            let mark = Mark { epoch: entry.epoch, position: before.position + 1 };
            let here = (before, entry.command.clone());
            let there = self.written.entry(mark).or_insert_with(|| here.clone());
            assert!(*there == here, "{}: {mark:?} is {there:?} and on n{} {here:?}", self.name, me + 1);
            before = mark;
        }
        if self.safe && replica.may_serve() {
            assert!(node.applied >= node.served, "{}: n{} went back in time", self.name, me + 1);
            node.served = node.applied;
        }
        if self.safe && replica.leads() {
            let owed =
                self.acked.iter().filter(|(mark, _)| mark.epoch < replica.epoch()).map(|(mark, _)| mark.position);
            let owed = owed.max().unwrap_or(0);
            assert!(node.applied >= owed, "{}: n{} leads without what was acknowledged", self.name, me + 1);
        }
    }

    fn deliver(&mut self, index: usize, keep: bool) {
        let (from, to, message) = match keep {
            true => self.messages[index].clone(),
            false => self.messages.swap_remove(index),
        };
        if !self.cut[from][to] {
            let stands = matches!(message, Message::Stand { .. });
            self.with(to, |replica, now| replica.receive(now, from, message));
            self.after(to);
            // A voter that forgets its vote is found only when it ends right then.
            if stands && self.random.below(10) == 0 {
                self.flush(to);
                self.flush(to);
                self.crash(to);
                self.start(to);
            }
        }
    }

    /// What has arrived together is taken in together, before anything is done about it.
    fn deliver_together(&mut self) {
        let to = self.messages[0].1;
        let (now, cut) = (self.now, self.cut.clone());
        let messages = std::mem::take(&mut self.messages);
        let (mine, others) = messages.into_iter().partition(|(_, receiver, _)| *receiver == to);
        self.messages = others;
        for (from, _, message) in mine {
            if let (false, Some(replica)) = (cut[from][to], self.nodes[to].replica.as_mut()) {
                replica.receive(now, from, message);
            }
        }
        self.after(to);
    }

    fn flush(&mut self, me: usize) {
        if let Some((ticket, work)) = self.nodes[me].work.pop_front() {
            self.nodes[me].disk.perform(work);
            self.with(me, |replica, now| replica.stored(now, ticket));
            self.after(me);
        }
    }

    fn propose(&mut self, me: usize) {
        self.next_write += 1;
        let write = self.next_write;
        if let Some(Some(mark)) = self.with(me, |replica, _| replica.propose(Raw::of(&write))) {
            self.nodes[me].pending.push((mark, write));
        }
        self.after(me);
    }

    fn compact(&mut self, me: usize) {
        let node = &mut self.nodes[me];
        let Some(replica) = &mut node.replica else { return };
        if node.applied > replica.snapshot().mark.position {
            let mark = replica.log().mark(node.applied).expect("what is applied is there");
            let parts = node.state.chunks(5).map(Raw::of).collect();
            replica.compact(Snapshot { mark, parts });
        }
        self.after(me);
    }

    fn set_cut(&mut self, from: usize, to: usize, cut: bool) {
        if from == to || self.cut[from][to] == cut {
            return;
        }
        self.cut[from][to] = cut;
        self.with(from, |replica, now| if cut { replica.disconnect(now, to) } else { replica.connect(now, to) });
        self.after(from);
    }

    fn pass(&mut self, us: u64) {
        self.now += us;
        for me in 0..self.nodes.len() {
            self.with(me, Replica::tick);
            self.after(me);
        }
    }

    fn step(&mut self) {
        let (count, queued) = (self.nodes.len(), self.messages.len());
        let me = self.random.below(count);
        match self.random.below(1000) {
            // Oldest first is what TCP mostly does, and without it nothing much would ever happen.
            0..230 if queued > 0 => self.deliver(0, false),
            230..300 if queued > 0 => self.deliver_together(),
            300..420 if queued > 0 => {
                let any = self.random.below(queued);
                self.deliver(any, false);
            }
            420..440 if queued > 0 => {
                let any = self.random.below(queued);
                self.deliver(any, true);
            }
            440..460 if queued > 0 => drop(self.messages.swap_remove(self.random.below(queued))),
            460..700 => self.flush(me),
            700..800 => self.propose(me),
            800..950 => {
                let us = self.random.draw() % 30_000;
                self.pass(us);
            }
            950..965 => self.compact(me),
            965..970 => self.crash(me),
            970..985 if self.nodes[me].replica.is_none() => self.start(me),
            985..990 => {
                let (to, cut) = (self.random.below(count), self.random.below(2) == 0);
                self.set_cut(me, to, cut);
                self.set_cut(to, me, cut);
            }
            990..993 => {
                let (to, cut) = (self.random.below(count), self.random.below(3) == 0);
                self.set_cut(me, to, cut);
            }
            993..995 => self.isolate(me),
            995..998 => self.heal(),
            998 if self.operator => {
                // An operator, now and then, in a hurry.
                self.with(me, |replica, now| replica.promote(now));
                self.after(me);
            }
            _ => {}
        }
        // A network forgets.
        if self.messages.len() > 200 {
            self.messages.drain(..100);
        }
    }

    fn isolate(&mut self, me: usize) {
        for other in 0..self.nodes.len() {
            self.set_cut(me, other, true);
            self.set_cut(other, me, true);
        }
    }

    fn heal(&mut self) {
        for from in 0..self.nodes.len() {
            for to in 0..self.nodes.len() {
                self.set_cut(from, to, false);
            }
        }
    }

    /// Everything works again: soon one leader leads, and all have the same.
    fn settle(&mut self) {
        self.heal();
        for me in 0..self.nodes.len() {
            if self.nodes[me].replica.is_none() {
                self.start(me);
            }
        }
        let deadline = self.now + 30_000_000;
        let mut calm = 0;
        while calm < 20 {
            assert!(self.now < deadline, "{}: does not recover\n{}", self.name, self.notes.join("\n"));
            let mut delivered = 0;
            while !self.messages.is_empty() || self.nodes.iter().any(|node| !node.work.is_empty()) {
                delivered += 1;
                assert!(delivered < 10_000, "{}: endless talk: {:?}", self.name, self.messages);
                for me in 0..self.nodes.len() {
                    self.flush(me);
                }
                if !self.messages.is_empty() {
                    let (from, to, message) = self.messages.remove(0);
                    self.with(to, |replica, now| replica.receive(now, from, message));
                    self.after(to);
                }
            }
            self.pass(10_000);
            // Where nobody stands unasked, an operator looks after it, and tries one node after the other.
            let me = self.random.below(self.nodes.len() * 50);
            let headless = !self.nodes.iter().any(|node| node.replica.as_ref().is_some_and(Replica::is_leader));
            if self.operator && headless && me < self.nodes.len() {
                self.with(me, |replica, now| replica.promote(now));
                self.after(me);
            }
            calm = if self.is_calm() { calm + 1 } else { 0 };
        }
        let state = &self.nodes[0].state;
        for (me, node) in self.nodes.iter().enumerate() {
            assert!(node.state == *state, "{}: n{} differs\n{}", self.name, me + 1, self.notes.join("\n"));
        }
        let mut once = state.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), state.len(), "{}: a write happened twice", self.name);
        if self.safe {
            for (mark, write) in &self.acked {
                assert!(
                    once.binary_search(write).is_ok(),
                    "{}: acknowledged write {write} at {mark:?} is lost",
                    self.name
                );
            }
        }
    }

    fn is_calm(&self) -> bool {
        let replicas = || self.nodes.iter().filter_map(|node| node.replica.as_ref());
        let Some(leader) = replicas().find(|replica| replica.leads()) else { return false };
        replicas().all(|replica| {
            replica.epoch() == leader.epoch()
                && replica.is_ready()
                && replica.commit() == leader.log().last().position
                && replica.log().last() == leader.log().last()
        })
    }
}

fn rules(replication: Replication, failover: Failover, alone: Alone) -> Rules {
    Rules {
        replication,
        failover,
        alone,
        failover_timeout_us: 200_000,
        heartbeat_us: 50_000,
        sync_timeout_us: 120_000,
        retention: 4,
        planted: crate::specimen::Planted::default(),
    }
}

/// How much happened, so that a test that tests nothing is noticed.
#[derive(Default)]
struct Tally {
    acked: usize,
    lost: usize,
    epochs: usize,
    snapshots: usize,
    discards: usize,
    leaders: BTreeSet<usize>,
}

fn run(count: usize, rules: &Rules, operator: bool) -> Tally {
    let mut tally = Tally::default();
    for seed in seeds() {
        let mut cluster = Cluster::new(seed, count, rules.clone(), operator);
        for _ in 0..STEPS {
            cluster.step();
        }
        cluster.settle();
        tally.acked += cluster.acked.len();
        tally.lost += cluster.acked.iter().filter(|(_, write)| !cluster.nodes[0].state.contains(write)).count();
        tally.epochs += cluster.leaders.len();
        tally.leaders.extend(cluster.leaders.values());
        tally.snapshots += cluster.notes.iter().filter(|note| note.contains("installed snapshot")).count();
        tally.discards += cluster.notes.iter().filter(|note| note.contains("discarded")).count();
    }
    println!(
        "{count} nodes: {} acknowledged, {} lost, {} epochs, {} snapshots installed, {} tails discarded",
        tally.acked, tally.lost, tally.epochs, tally.snapshots, tally.discards
    );
    tally
}

/// Schedules per configuration; more with `SPLITBRAIN_SCHEDULES`.
fn seeds() -> std::ops::Range<u64> {
    0..std::env::var("SPLITBRAIN_SCHEDULES").ok().and_then(|n| n.parse().ok()).unwrap_or(100)
}

const STEPS: usize = 1500;

#[test]
fn semi_synchronous_replication_never_loses_what_it_acknowledged() {
    for count in [3, 5] {
        let tally = run(count, &rules(Replication::SemiSync, Failover::Automatic, Alone::Block), false);
        assert!(tally.acked > 0 && tally.epochs > 0 && tally.snapshots > 0 && tally.discards > 0);
        assert_eq!(tally.lost, 0);
    }
}

#[test]
fn synchronous_replication_never_loses_what_it_acknowledged() {
    for count in [3, 5] {
        let tally = run(count, &rules(Replication::Sync, Failover::Automatic, Alone::Block), false);
        assert!(tally.acked > 0 && tally.epochs > 0 && tally.discards > 0);
        assert_eq!(tally.lost, 0);
    }
}

#[test]
fn asynchronous_replication_loses_writes_at_failover_and_converges() {
    for count in [3, 5] {
        let tally = run(count, &rules(Replication::Async, Failover::Automatic, Alone::Block), false);
        assert!(tally.lost > 0, "the lesson of the chapter");
    }
}

#[test]
fn asynchronous_replication_without_failover_loses_nothing() {
    let tally = run(3, &rules(Replication::Async, Failover::None, Alone::Block), false);
    assert!(tally.acked > 0 && tally.snapshots > 0);
    assert_eq!(tally.lost, 0);
}

#[test]
fn degraded_replication_converges_whatever_it_lost() {
    for replication in [Replication::SemiSync, Replication::Sync] {
        let tally = run(3, &rules(replication, Failover::Automatic, Alone::Degrade), false);
        assert!(tally.acked > 0);
    }
}

#[test]
fn an_operator_who_promotes_at_random_loses_nothing_where_voters_meet_copies() {
    for replication in [Replication::SemiSync, Replication::Sync] {
        let tally = run(3, &rules(replication, Failover::Manual, Alone::Block), true);
        assert!(tally.acked > 0);
        assert_eq!(tally.lost, 0);
    }
}

#[test]
fn without_an_operator_manual_failover_is_no_failover_and_loses_nothing() {
    for replication in [Replication::Async, Replication::SemiSync, Replication::Sync] {
        let tally = run(3, &rules(replication, Failover::Manual, Alone::Block), false);
        assert!(tally.acked > 0);
        assert_eq!((tally.lost, tally.leaders), (0, BTreeSet::from([0])));
    }
}

#[test]
fn entries_that_are_taken_and_discarded_in_one_turn_stand_on_disk_once() {
    let mut cluster = Cluster::new(0, 3, rules(Replication::Async, Failover::Automatic, Alone::Block), false);
    let entry = |epoch: u64, write: u64| Entry { epoch, command: Raw::of(&write) };
    let append = |epoch, prev, entries: Vec<Entry>| Message::Append { epoch, prev, last: 3, commit: 0, entries };
    let old = append(1, Mark::default(), vec![entry(1, 1), entry(1, 2), entry(1, 3)]);
    let new = append(2, Mark { epoch: 1, position: 2 }, vec![entry(2, 4)]);
    cluster.messages = vec![(0, 2, old), (1, 2, new)];
    cluster.deliver_together();
    while !cluster.nodes[2].work.is_empty() {
        cluster.flush(2);
    }
    assert_eq!(cluster.nodes[2].disk.entries, [entry(1, 1), entry(1, 2), entry(2, 4)]);
}
