//! The rules of each level: what a transaction sees, and whether it may commit.

use histories::{Scalar, Value};

use super::level::Level;
use super::rng::Rng;
use super::shape::Workload;
use super::store::{Store, View};
use super::transaction::{Act, Transaction, scalar};

/// Where a transaction stands after a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It wants another turn.
    Going,
    /// It has taken effect.
    Committed,
    /// It never will.
    Aborted,
}

/// The rules of a level for a workload.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    pub level: Level,
    pub workload: Workload,
}

impl Rules {
    /// One turn of a transaction. One that is doomed does everything but commit.
    pub fn advance(self, txn: &mut Transaction, doomed: bool, store: &mut Store, rng: &mut Rng) -> Progress {
        if self.workload.takes() {
            return if doomed { Progress::Aborted } else { self.take(txn, store, rng) };
        }
        match self.level {
            Level::StrictSerializable | Level::StrongSessionSerializable | Level::Serializable => {
                self.begin(txn, store, rng);
                self.end(txn, doomed, store)
            }
            Level::ReadCommitted if txn.done < txn.steps.len() => {
                txn.view = Some(View::Upto(store.commits));
                self.step(txn, store)
            }
            Level::ReadUncommitted => self.in_place(txn, doomed, store),
            Level::Eventual => self.single(txn, doomed, store),
            _ if txn.view.is_none() => self.begin(txn, store, rng),
            _ => self.end(txn, doomed, store),
        }
    }

    /// Takes a view and reads everything from it.
    fn begin(self, txn: &mut Transaction, store: &mut Store, rng: &mut Rng) -> Progress {
        txn.view = Some(self.view(txn, store, rng));
        let mut progress = Progress::Going;
        while txn.done < txn.steps.len() && progress == Progress::Going {
            progress = self.step(txn, store);
        }
        progress
    }

    fn view(self, txn: &Transaction, store: &Store, rng: &mut Rng) -> View {
        let now = store.commits;
        // Those who write seldom come late, or hardly anybody would commit.
        let late = rng.percent(if txn.only_reads() { 60 } else { 25 });
        let old = if late { now - (rng.below(12) as u32).min(now) } else { now };
        match self.level {
            Level::Serializable if txn.only_reads() => View::Upto(old),
            Level::StrongSessionSerializable if txn.only_reads() => View::Upto(old.max(txn.floor)),
            Level::StrongSessionSnapshotIsolation => View::Upto(old.max(txn.floor)),
            Level::SnapshotIsolation | Level::Prefix => View::Upto(old),
            Level::ParallelSnapshotIsolation | Level::Causal => store.known(txn.replica),
            Level::ReadAtomic => store.some(rng),
            _ => View::Upto(now),
        }
    }

    /// The next step, without effect on the store. A compare-and-set that finds something else aborts.
    fn step(self, txn: &mut Transaction, store: &mut Store) -> Progress {
        let i = txn.done;
        txn.done += 1;
        let act = txn.steps[i].act;
        match act {
            Act::Read => {
                let answer = self.read(txn, i, store);
                txn.steps[i].answer = Some(answer);
            }
            Act::Cas(old, _) if self.read(txn, i, store) != Value::Scalar(scalar(old)) => return Progress::Aborted,
            _ => {}
        }
        Progress::Going
    }

    fn read(self, txn: &mut Transaction, i: usize, store: &mut Store) -> Value {
        let key = txn.steps[i].key;
        let view = txn.view.unwrap_or(View::Upto(store.commits));
        let mut seen = store.seen(key, view);
        if !self.workload.collects() {
            return Value::Scalar(scalar(txn.own(i).last().or_else(|| store.value(key, seen))));
        }
        if txn.own(i).next().is_some() {
            match txn.pinned.iter().find(|p| p.0 == key) {
                Some(pinned) => seen = pinned.1,
                None => txn.pinned.push((key, seen)),
            }
        }
        Value::List(store.elements(key, seen, view).chain(txn.own(i)).map(Scalar::Int).collect())
    }

    /// Commits, or not.
    fn end(self, txn: &mut Transaction, doomed: bool, store: &mut Store) -> Progress {
        // A compare-and-set that failed has not come to its end.
        if doomed || !self.may_commit(txn, store) {
            return Progress::Aborted;
        }
        let writes = txn.writes(self.workload.collects());
        if !writes.is_empty() {
            txn.floor = store.commit(&writes, txn.replica);
        } else if let Some(View::Upto(upto)) = txn.view {
            txn.floor = txn.floor.max(upto);
        }
        Progress::Committed
    }

    fn may_commit(self, txn: &Transaction, store: &mut Store) -> bool {
        let view = txn.view.unwrap_or(View::Upto(store.commits));
        let first_committer_wins = matches!(
            self.level,
            Level::StrongSnapshotIsolation
                | Level::StrongSessionSnapshotIsolation
                | Level::SnapshotIsolation
                | Level::ParallelSnapshotIsolation
        );
        let cas_holds = |store: &mut Store| match txn.steps[0].act {
            Act::Cas(old, _) => {
                let seen = store.seen(txn.steps[0].key, view);
                store.value(txn.steps[0].key, seen) == old
            }
            _ => true,
        };
        cas_holds(store)
            && txn.pinned.iter().all(|(key, seen)| store.object(*key).len() == *seen)
            && (!first_committer_wins
                || txn.steps.iter().filter_map(|s| s.written()).all(|(key, _)| store.is_current(key, view)))
    }

    /// One step that everybody sees at once, behind a lock for each object that is written.
    fn in_place(self, txn: &mut Transaction, doomed: bool, store: &mut Store) -> Progress {
        if txn.done == txn.steps.len() {
            return self.settle(txn, !doomed, store);
        }
        let (key, id) = (txn.steps[txn.done].key, txn.id);
        let object = store.object(key);
        let newest = object.dirty.last().copied().or_else(|| object.newest());
        let act = txn.steps[txn.done].act;
        match act {
            Act::Read => txn.steps[txn.done].answer = Some(self.there(key, store)),
            _ if object.writer.is_some_and(|writer| writer != id) => {
                txn.waits += 1;
                return if txn.waits > 8 { self.settle(txn, false, store) } else { Progress::Going };
            }
            Act::Cas(old, _) if old != newest => return self.settle(txn, false, store),
            act => {
                object.writer = Some(id);
                let (Act::Write(value) | Act::Cas(_, value)) = act else { return Progress::Going };
                object.dirty.push(value);
            }
        }
        txn.done += 1;
        Progress::Going
    }

    /// What stands there, committed or not.
    fn there(self, key: u32, store: &mut Store) -> Value {
        let len = store.object(key).len();
        let dirty = store.object(key).dirty.clone();
        if self.workload.collects() {
            let committed = store.elements(key, len, View::Upto(u32::MAX));
            return Value::List(committed.chain(dirty).map(Scalar::Int).collect());
        }
        Value::Scalar(scalar(dirty.last().copied().or_else(|| store.value(key, len))))
    }

    /// Ends what was written in place.
    fn settle(self, txn: &mut Transaction, commits: bool, store: &mut Store) -> Progress {
        for key in txn.steps[..txn.done].iter().filter_map(|s| s.written()).map(|w| w.0).collect::<Vec<_>>() {
            let object = store.object(key);
            object.writer = None;
            object.dirty.clear();
        }
        if !commits {
            return Progress::Aborted;
        }
        let writes = txn.writes(self.workload.collects());
        if !writes.is_empty() {
            store.commit(&writes, txn.replica);
        }
        Progress::Committed
    }

    /// One step at a replica, its write a transaction of its own.
    fn single(self, txn: &mut Transaction, doomed: bool, store: &mut Store) -> Progress {
        if doomed {
            return Progress::Aborted;
        }
        let (i, view) = (txn.done, View::Arrived(txn.replica));
        let key = txn.steps[i].key;
        let seen = store.seen(key, view);
        let value = store.value(key, seen);
        match txn.steps[i].act {
            Act::Read if self.workload.collects() => {
                let all = store.elements(key, seen, view).map(Scalar::Int).collect();
                txn.steps[i].answer = Some(Value::List(all));
            }
            Act::Read => txn.steps[i].answer = Some(Value::Scalar(scalar(value))),
            Act::Cas(old, _) if value != old => return Progress::Aborted,
            _ => {
                if let Some(write) = txn.steps[i].written() {
                    store.commit(&[write], txn.replica);
                }
            }
        }
        txn.done += 1;
        if txn.done == txn.steps.len() { Progress::Committed } else { Progress::Going }
    }

    /// An operation on a queue or stack, at one point in time.
    fn take(self, txn: &mut Transaction, store: &mut Store, rng: &mut Rng) -> Progress {
        let exact = self.level == Level::StrictSerializable;
        let object = store.object(txn.steps[0].key);
        let answer = match txn.steps[0].act {
            Act::Put(value) => {
                object.items.push_back(value);
                None
            }
            _ if !exact && rng.percent(2) => None,
            _ if !exact && !object.taken.is_empty() && rng.percent(5) => {
                Some(object.taken[rng.below(object.taken.len() as u64) as usize])
            }
            _ if self.workload == Workload::Stack => object.items.pop_back(),
            _ => object.items.pop_front(),
        };
        object.taken.extend(answer);
        if object.taken.len() > 16 {
            object.taken.pop_front();
        }
        txn.steps[0].answer = Some(Value::Scalar(scalar(answer)));
        Progress::Committed
    }
}
