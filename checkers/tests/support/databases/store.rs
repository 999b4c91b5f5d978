//! Versions of objects, in the order of their commits, and what a view of them shows.

use std::collections::VecDeque;

use super::rng::{Rng, mix};

/// The most replicas there can be.
pub const REPLICAS: usize = 4;

/// How many transactions of each replica are known.
pub type Clock = [u32; REPLICAS];

/// The transactions that a read may see, by the number of their commit, from 1.
#[derive(Clone, Copy, Debug)]
pub enum View {
    /// All up to this one.
    Upto(u32),
    /// All up to this one, and some of the 64 after it: bit 0 is the next one.
    Some(u32, u64),
    /// Those that a replica knew.
    Known(Clock),
    /// Those that have reached a replica by now.
    Arrived(usize),
}

/// One version of an object: the last element of a list, or the value of a register.
#[derive(Clone, Copy, Debug)]
struct Version {
    value: i64,
    commit: u32,
}

/// One object.
#[derive(Debug, Default)]
pub struct Object {
    versions: Vec<Version>,
    /// Written in place and not yet committed.
    pub dirty: Vec<i64>,
    /// The transaction that alone may write in place.
    pub writer: Option<u64>,
    /// The content of a queue or stack.
    pub items: VecDeque<i64>,
    /// What was taken out of it last.
    pub taken: VecDeque<i64>,
}

impl Object {
    /// How many versions there are.
    pub fn len(&self) -> usize {
        self.versions.len()
    }

    /// The newest committed value.
    pub fn newest(&self) -> Option<i64> {
        self.versions.last().map(|v| v.value)
    }
}

/// All objects, and who knows what.
#[derive(Debug, Default)]
pub struct Store {
    objects: Vec<Object>,
    /// How many transactions are committed.
    pub commits: u32,
    /// For each of the last commits, which ones wrote the versions just before its own.
    before: VecDeque<Vec<u32>>,
    replicas: Replicas,
}

impl Store {
    /// An empty store with so many replicas; with none, everybody sees the same.
    pub fn new(replicas: usize) -> Store {
        let replicas = Replicas { count: replicas.min(REPLICAS), ..Replicas::default() };
        Store { replicas, ..Store::default() }
    }

    /// The object, made when it is first asked for.
    pub fn object(&mut self, key: u32) -> &mut Object {
        let key = key as usize;
        if key >= self.objects.len() {
            self.objects.resize_with(key + 1, Object::default);
        }
        &mut self.objects[key]
    }

    /// How many versions of an object a view shows, the newest visible one being the last.
    pub fn seen(&mut self, key: u32, view: View) -> usize {
        self.object(key);
        let versions = &self.objects[key as usize].versions;
        versions.iter().rposition(|v| self.sees(view, v.commit)).map_or(0, |i| i + 1)
    }

    /// The value of a register after so many versions.
    pub fn value(&self, key: u32, seen: usize) -> Option<i64> {
        seen.checked_sub(1).map(|i| self.objects[key as usize].versions[i].value)
    }

    /// The elements of a list after so many versions. Only a view of single writes has gaps.
    pub fn elements(&self, key: u32, seen: usize, view: View) -> impl Iterator<Item = i64> {
        let whole = !matches!(view, View::Arrived(_));
        let versions = &self.objects[key as usize].versions[..seen];
        versions.iter().filter(move |v| whole || self.sees(view, v.commit)).map(|v| v.value)
    }

    /// Whether a view shows the newest version of an object.
    pub fn is_current(&mut self, key: u32, view: View) -> bool {
        self.seen(key, view) == self.object(key).len()
    }

    fn sees(&self, view: View, commit: u32) -> bool {
        match view {
            View::Upto(upto) => commit <= upto,
            View::Some(upto, more) => commit <= upto || (commit - upto <= 64 && more >> (commit - upto - 1) & 1 == 1),
            View::Known(clock) => {
                let (origin, number) = self.replicas.origins[commit as usize - 1];
                number <= clock[origin as usize]
            }
            View::Arrived(replica) => {
                let (origin, _) = self.replicas.origins[commit as usize - 1];
                let delay = mix(u64::from(commit) * REPLICAS as u64 + replica as u64) % 24;
                origin as usize == replica || u64::from(commit) + delay <= u64::from(self.commits)
            }
        }
    }

    /// An old state and, at random, later transactions: with each, those that wrote just before it.
    pub fn some(&self, rng: &mut Rng) -> View {
        let upto = self.commits - (rng.below(12) as u32).min(self.before.len() as u32);
        let first = self.before.len() - (self.commits - upto) as usize;
        let mut more = 0;
        for (i, before) in self.before.iter().skip(first).enumerate() {
            let known = |c: &u32| *c <= upto || more >> (c - upto - 1) & 1 == 1;
            if rng.percent(60) && before.iter().all(known) {
                more |= 1 << i;
            }
        }
        View::Some(upto, more)
    }

    /// What a replica knows.
    pub fn known(&self, replica: usize) -> View {
        View::Known(self.replicas.clocks[replica])
    }

    /// Installs versions in one commit by a replica, which thereby knows all that they follow. Returns its number.
    pub fn commit(&mut self, writes: &[(u32, i64)], replica: usize) -> u32 {
        let mut before = Vec::with_capacity(writes.len());
        for (key, _) in writes {
            before.extend(self.object(*key).versions.last().map(|v| v.commit));
        }
        self.commits += 1;
        self.replicas.commit(replica, &before);
        let commit = self.commits;
        for (key, value) in writes {
            self.object(*key).versions.push(Version { value: *value, commit });
        }
        self.before.push_back(before);
        if self.before.len() > 64 {
            self.before.pop_front();
        }
        commit
    }

    /// Some replica gets some of what it lacks.
    pub fn deliver(&mut self, rng: &mut Rng) {
        self.replicas.deliver(rng);
    }
}

/// Replicas with causal delivery.
#[derive(Debug, Default)]
struct Replicas {
    count: usize,
    clocks: [Clock; REPLICAS],
    /// Of each replica's transactions, what must be known before them.
    logs: [Vec<Clock>; REPLICAS],
    /// Of each commit, its replica and its number there, from 1.
    origins: Vec<(u8, u32)>,
    /// A pair without connection, and for how many turns.
    cut: (usize, usize, u32),
}

impl Replicas {
    fn commit(&mut self, replica: usize, before: &[u32]) {
        if self.count == 0 {
            return;
        }
        let mut clock = self.clocks[replica];
        for commit in before {
            let Some((origin, number)) = self.origins.get(*commit as usize - 1).copied() else { continue };
            let needed = self.logs[origin as usize][number as usize - 1];
            clock = std::array::from_fn(|i| clock[i].max(needed[i]));
            clock[origin as usize] = clock[origin as usize].max(number);
        }
        self.logs[replica].push(clock);
        clock[replica] += 1;
        self.origins.push((replica as u8, clock[replica]));
        self.clocks[replica] = clock;
    }

    fn deliver(&mut self, rng: &mut Rng) {
        let (from, to) = (rng.below(self.count as u64) as usize, rng.below(self.count as u64) as usize);
        if rng.percent(40) {
            return;
        }
        if rng.below(128) == 0 {
            self.cut = (from, to, 100);
        }
        self.cut.2 = self.cut.2.saturating_sub(1);
        if self.cut.2 > 0 && (self.cut.0, self.cut.1) == (from, to) {
            return;
        }
        for _ in 0..1 + rng.below(4) {
            let next = self.clocks[to][from] as usize;
            let Some(needed) = self.logs[from].get(next) else { return };
            if (0..REPLICAS).any(|i| needed[i] > self.clocks[to][i]) {
                return;
            }
            self.clocks[to][from] += 1;
        }
    }
}
