//! Registers with unique values, judged while the test runs: the alarm comes with the event that proves the violation.
//!
//! The [zones](super::registers) of a history only grow while it does: a completion may give a cluster its earliest end and
//! may move its latest start, and never takes anything back. So what contradicts itself once does so for good, whatever the operations
//! that are still open will do; and a prefix without contradiction has a linearization, in which what is open has
//! taken effect or not. The alarm can be neither earlier nor later. It is raised once for each key.
//!
//! ```text
//! event   0<wx1  0>wx1  1<wx2  1>wx2  2<rx  2>rx2  3<rx  3>rx1
//! 1              [ ends before ……………………………………………………  a read of 1 begins: forward, and over 2
//! 2                            [ ends before  a read of 2 begins ]      the alarm: ↑
//! ```
//! Blocks are numbered as they get their earliest end, so these ends are in order, and a tree of the latest starts
//! tells whether some block that has to come before this one has to come after it, too: O(log n) for an event.
//!
//! # Limits
//! A key is given up, and counted as such, when a value is written to it again, or the initial one. Of compare-and-sets that
//! failed only those raise the alarm whose `old` was certainly held; whether the others fit is asked at the end.

use histories::{EventIndex, Function, History, KeyId, Kind, Payload, Scalar, ValueId};
use rustc_hash::FxHashMap;

use super::registers::operations::{NEVER, is_mismatch};
use super::registers::{self, operations::UNHEARD};
use super::words::Skipped;
use crate::finding::Anomaly;

const NONE: u32 = u32::MAX;

/// See the [module](self).
pub struct OnlineRegisters {
    initial: Option<Scalar>,
    /// Its number, once the history has it.
    initial_id: u32,
    keys: FxHashMap<KeyId, Register>,
    skipped: Skipped,
}

impl OnlineRegisters {
    /// Registers that hold this value at the start; `None` for nothing.
    pub fn new(initial: Option<Scalar>) -> Self {
        let initial_id = if initial.is_none() { ValueId::NULL.0 } else { UNHEARD };
        OnlineRegisters { initial, initial_id, keys: FxHashMap::default(), skipped: Skipped::default() }
    }

    /// Takes in the next event of a history, which may hold later events as well. Returns the violation that it proves, if
    /// its key had none before.
    pub fn step(&mut self, history: &History, event: EventIndex) -> Option<Anomaly> {
        if self.initial_id == UNHEARD {
            self.initial_id = self.initial.as_ref().and_then(|v| history.find_value(v)).map_or(UNHEARD, |v| v.0);
        }
        let key = history.key(event).filter(|_| !history.process(event).is_nemesis())?;
        let initial = self.initial_id;
        let register = self.keys.entry(key).or_insert_with(Register::new);
        if register.state != State::Watched {
            return None;
        }
        let result = match history.kind(event) {
            Kind::Invoke => register.begin(history, event, initial),
            Kind::Info => Ok(()),
            kind => match history.pair_of(event).filter(|start| self.skipped.answers(history, *start, event)) {
                Some(start) => register.end(history, start, event, kind, initial),
                None => Ok(()),
            },
        };
        match result {
            Ok(()) => None,
            Err(Trouble::Repeated) => {
                *register = Register { state: State::GivenUp, ..Register::new() };
                None
            }
            Err(Trouble::Violated) => {
                *register = Register { state: State::Violated, ..Register::new() };
                registers::prove(history, key, event, self.initial.as_ref())
            }
        }
    }

    /// How many keys are no longer watched because values were repeated.
    pub fn given_up(&self) -> usize {
        self.keys.values().filter(|register| register.state == State::GivenUp).count()
    }

    /// How many keys were violated.
    pub fn violated(&self) -> usize {
        self.keys.values().filter(|register| register.state == State::Violated).count()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Watched,
    GivenUp,
    Violated,
}

enum Trouble {
    Repeated,
    Violated,
}

/// A value and what is known of it. Times are positions plus one.
#[derive(Clone, Copy)]
struct Cluster {
    /// When its write began; `NEVER` if none has.
    begin: u32,
    /// The cluster that its compare-and-set found.
    from: u32,
    live: bool,
    /// The cluster that replaced it, by a compare-and-set.
    replaced: bool,
    /// The earliest end in a later cluster of its block.
    later: u32,
    /// The earliest end and the latest start of what holds it or finds it.
    first: u32,
    last: u32,
    /// The earliest end of a failed compare-and-set that began after `first`.
    avoided: u32,
    block: u32,
}

const EMPTY: Cluster = Cluster {
    begin: NEVER,
    from: NONE,
    live: false,
    replaced: false,
    later: NEVER,
    first: NEVER,
    last: 0,
    avoided: NEVER,
    block: NONE,
};

struct Register {
    state: State,
    numbers: FxHashMap<u32, u32>,
    clusters: Vec<Cluster>,
    /// The block of a chain: its place in `ends`, `NONE` while nothing of it has ended.
    blocks: Vec<u32>,
    /// The earliest end of each block, in order.
    ends: Vec<u32>,
    starts: Starts,
}

impl Register {
    fn new() -> Self {
        Register {
            state: State::Watched,
            numbers: FxHashMap::default(),
            clusters: Vec::new(),
            blocks: Vec::new(),
            ends: Vec::new(),
            starts: Starts::default(),
        }
    }

    /// The cluster of a value. The first is that of the initial one, which has been there before everything.
    fn cluster(&mut self, value: u32, initial: u32) -> u32 {
        if self.clusters.is_empty() {
            self.clusters.push(Cluster { begin: 0, live: true, first: 0, block: 0, ..EMPTY });
            self.blocks.push(0);
            self.ends.push(0);
            self.starts.raise(0, 0);
        }
        if value == initial {
            return 0;
        }
        let next = self.clusters.len() as u32;
        let cluster = *self.numbers.entry(value).or_insert(next);
        if cluster == next {
            self.clusters.push(EMPTY);
        }
        cluster
    }

    fn begin(&mut self, history: &History, event: EventIndex, initial: u32) -> Result<(), Trouble> {
        let (old, new) = match (history.function(event), history.payload(event)) {
            (Function::Write, Payload::Value(v)) => (None, v.0),
            (Function::Cas, Payload::Pair(old, new)) => (Some(old.0), new.0),
            _ => return Ok(()),
        };
        let from = old.map_or(NONE, |old| self.cluster(old, initial));
        let cluster = self.cluster(new, initial);
        let cluster = &mut self.clusters[cluster as usize];
        if cluster.begin != NEVER {
            return Err(Trouble::Repeated);
        }
        (cluster.begin, cluster.from) = (event.0 + 1, from);
        Ok(())
    }

    fn end(
        &mut self,
        history: &History,
        start: EventIndex,
        event: EventIndex,
        kind: Kind,
        initial: u32,
    ) -> Result<(), Trouble> {
        let (begin, end) = (start.0 + 1, event.0 + 1);
        match (history.function(start), history.payload(start), kind) {
            (Function::Read, _, Kind::Ok) => {
                let cluster = self.cluster(registers::operations::answer_of(history, event), initial);
                self.happen(cluster, end)?;
                self.touch(cluster, begin, end)
            }
            (Function::Write, Payload::Value(ValueId(new)), Kind::Ok)
            | (Function::Cas, Payload::Pair(_, ValueId(new)), Kind::Ok) => {
                let cluster = self.cluster(new, initial);
                self.happen(cluster, end)?;
                let from = self.clusters[cluster as usize].from;
                if from != NONE {
                    self.find(from, begin, end)?;
                }
                self.touch(cluster, begin, end)
            }
            (Function::Write, Payload::Value(ValueId(new)), Kind::Fail) => self.never(new, initial),
            (Function::Cas, Payload::Pair(old, ValueId(new)), Kind::Fail) => {
                self.never(new, initial)?;
                if is_mismatch(history, event, old) {
                    self.avoid(old.0, begin, end, initial);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// What was begun never happened; it is a contradiction if it was seen.
    fn never(&mut self, new: u32, initial: u32) -> Result<(), Trouble> {
        let cluster = self.cluster(new, initial);
        let cluster = &mut self.clusters[cluster as usize];
        if cluster.live {
            return Err(Trouble::Violated);
        }
        (cluster.begin, cluster.from) = (NEVER, NONE);
        Ok(())
    }

    fn avoid(&mut self, old: u32, begin: u32, end: u32, initial: u32) {
        let cluster = self.cluster(old, initial);
        let cluster = &mut self.clusters[cluster as usize];
        if cluster.first < begin {
            cluster.avoided = cluster.avoided.min(end);
        }
    }

    /// A value was certainly there, and so was what its compare-and-set found, and so on.
    fn happen(&mut self, cluster: u32, now: u32) -> Result<(), Trouble> {
        let mut path = Vec::new();
        let mut at = cluster;
        while !self.clusters[at as usize].live {
            let Cluster { begin, from, .. } = self.clusters[at as usize];
            if begin == NEVER {
                return Err(Trouble::Violated);
            }
            self.clusters[at as usize].live = true;
            path.push(at);
            if from == NONE {
                break;
            }
            // Live, and without a block: it is on this path already, and they run in a circle.
            let next = &self.clusters[from as usize];
            if next.live && next.block == NONE {
                return Err(Trouble::Violated);
            }
            at = from;
        }
        for at in path.into_iter().rev() {
            self.join(at, now)?;
        }
        Ok(())
    }

    /// Puts a new cluster at the end of the block that its compare-and-set found, or makes a block of it.
    fn join(&mut self, at: u32, now: u32) -> Result<(), Trouble> {
        let Cluster { begin, from, .. } = self.clusters[at as usize];
        if from == NONE {
            self.clusters[at as usize].block = self.blocks.len() as u32;
            self.blocks.push(NONE);
        } else {
            if std::mem::replace(&mut self.clusters[from as usize].replaced, true) {
                return Err(Trouble::Violated);
            }
            self.clusters[at as usize].block = self.clusters[from as usize].block;
            self.find(from, begin, NEVER)?;
            self.note_later(from, now);
        }
        self.touch(at, begin, NEVER)
    }

    /// Something of a later cluster has ended. What has heard of an earlier end need not hear of this one.
    fn note_later(&mut self, from: u32, now: u32) {
        let mut at = from;
        while at != NONE && self.clusters[at as usize].later == NEVER {
            self.clusters[at as usize].later = now;
            at = self.clusters[at as usize].from;
        }
    }

    /// A compare-and-set found this value: it was held then.
    fn find(&mut self, cluster: u32, begin: u32, end: u32) -> Result<(), Trouble> {
        let cluster = &mut self.clusters[cluster as usize];
        cluster.first = cluster.first.min(end);
        cluster.last = cluster.last.max(begin);
        if cluster.avoided < cluster.last { Err(Trouble::Violated) } else { Ok(()) }
    }

    /// Something of a cluster began and ended then.
    fn touch(&mut self, at: u32, begin: u32, end: u32) -> Result<(), Trouble> {
        self.find(at, begin, end)?;
        let cluster = self.clusters[at as usize];
        if cluster.later < begin {
            return Err(Trouble::Violated);
        }
        let place = self.blocks[cluster.block as usize];
        if place == NONE && end == NEVER {
            return Ok(());
        }
        if place == NONE {
            let place = self.first_end(cluster.block, end);
            return self.raise(place, self.last_above(at));
        }
        self.raise(place, begin)
    }

    fn raise(&mut self, place: u32, begin: u32) -> Result<(), Trouble> {
        if self.starts.raise(place, begin) { self.compare(place) } else { Ok(()) }
    }

    /// The latest start in a chain up to here.
    fn last_above(&self, cluster: u32) -> u32 {
        let (mut at, mut last) = (cluster, 0);
        while at != NONE {
            last = last.max(self.clusters[at as usize].last);
            at = self.clusters[at as usize].from;
        }
        last
    }

    fn first_end(&mut self, block: u32, end: u32) -> u32 {
        let place = self.ends.len() as u32;
        self.blocks[block as usize] = place;
        self.ends.push(end);
        place
    }

    /// Whether another block has to come before this one and after it.
    fn compare(&self, place: u32) -> Result<(), Trouble> {
        let (f, s) = (self.ends[place as usize], self.starts.of(place));
        let before = self.ends.partition_point(|end| *end < s) as u32;
        let latest = self.starts.latest(0, before.min(place)).max(self.starts.latest(place + 1, before));
        if latest > f { Err(Trouble::Violated) } else { Ok(()) }
    }
}

/// The latest start of each block, as a tree of maxima.
#[derive(Default)]
struct Starts {
    tree: Vec<u32>,
    leaves: usize,
}

impl Starts {
    fn of(&self, place: u32) -> u32 {
        self.tree.get(self.leaves + place as usize).copied().unwrap_or(0)
    }

    /// Raises one; `false` where it was as high already.
    fn raise(&mut self, place: u32, start: u32) -> bool {
        if place as usize >= self.leaves {
            self.grow(place as usize + 1);
        }
        let mut at = self.leaves + place as usize;
        if self.tree[at] >= start {
            return false;
        }
        while at > 0 && self.tree[at] < start {
            self.tree[at] = start;
            at /= 2;
        }
        true
    }

    fn grow(&mut self, wanted: usize) {
        let leaves = wanted.next_power_of_two().max(16);
        let mut tree = vec![0; 2 * leaves];
        tree[leaves..leaves + self.leaves].copy_from_slice(&self.tree[self.leaves..]);
        for at in (1..leaves).rev() {
            tree[at] = tree[2 * at].max(tree[2 * at + 1]);
        }
        (self.tree, self.leaves) = (tree, leaves);
    }

    /// The latest of those from one place up to another.
    fn latest(&self, from: u32, until: u32) -> u32 {
        let (mut low, mut high) = (self.leaves + from as usize, self.leaves + until as usize);
        let mut latest = 0;
        while low < high {
            if low % 2 == 1 {
                latest = latest.max(self.tree[low]);
                low += 1;
            }
            if high % 2 == 1 {
                high -= 1;
                latest = latest.max(self.tree[high]);
            }
            (low, high) = (low / 2, high / 2);
        }
        latest
    }
}
