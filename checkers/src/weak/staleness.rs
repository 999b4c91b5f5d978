//! Staleness, as a measurement: how old was what each read returned?
//!
//! A read is *stale* if a version newer than the one it returned was acknowledged before the read was invoked. It is behind by
//! so many *versions* as there are such, and by the *time* since the first of them was acknowledged: with reads that are at
//! most so old the store would have been as fresh as it seemed.
//!
//! ```text
//!   x = 1 |--ok--|   x = 2 |--ok--|      x = 3 |--ok--|
//!                                 ├────────── age ──────────┤
//!                                                           |--read x → 1--|       2 versions behind
//! ```
//!
//! # What was decided
//!
//! **Which version is newer?** Of a list, whatever stands behind the last element shown, in the longest reading; an append
//! that nobody ever read is not counted. Of a register, a write that was invoked when the version read was in effect
//! already (acknowledged, or read by somebody): that one certainly came later. Writes that overlap with it may have, and are
//! not counted, so the figures of registers with several writers are lower bounds; for one writer they are exact.
//!
//! **Registers as a whole** have a figure that needs no order (Golab, Li, Shah: *Analyzing Consistency Properties for Fun
//! and Profit*, PODC 2011): Δ, the least time by which all reads would have to be invoked earlier so that the history were
//! linearizable. It is found by bisection over the test of zones of Gibbons and Korach (*Testing Shared Memories*, SIAM
//! J. Comput. 1997), and only where the test fails with Δ = 0 (see `zones`).
//!
//! **What is left out:** reads of values that nobody wrote, or that several wrote (a doubt says of how many keys), transactions'
//! reads of what they wrote themselves, and other objects than lists and registers.
//!
//! **Cost.** O(n log n): for each key one pass over its versions from the newest, with a tree of sums over the times of
//! acknowledgement.

mod zones;

use std::collections::BTreeMap;

use histories::{EventIndex, History, KeyId, Scalar};
use rustc_hash::FxHashMap;

use super::evidence::Evidence;
use super::table::Table;
use super::trace::{Grain, INITIAL, Trace, completed};
use crate::fold::words;

/// How many of the stalest reads are kept.
pub const KEPT: usize = 10;

/// How stale the reads of a history are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Staleness {
    /// Of all reads.
    pub all: Figures,
    /// Of the reads of each key that was read, by its name.
    pub keys: BTreeMap<String, Figures>,
    /// The stalest reads by time, the first in the history first among equals.
    pub worst: Vec<StaleRead>,
    /// What could not be measured, in whole sentences.
    pub doubts: Vec<String>,
}

/// Of a set of reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// How many there are.
    pub reads: u64,
    /// How many of them are stale.
    pub stale: u64,
    /// Their ages in nanoseconds, 0 for those that are not stale.
    pub age_ns: Quantiles,
    /// By how many versions they are behind.
    pub versions: Quantiles,
    /// Δ in nanoseconds: the largest of all registers, or that of this one. `None` for lists, and where no Δ would do.
    pub delta_ns: Option<u64>,
}

/// Of numbers, each the least that is no smaller than this part of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quantiles {
    /// Half of them.
    pub median: u64,
    /// 90 in 100.
    pub p90: u64,
    /// 99 in 100.
    pub p99: u64,
    /// 999 in 1000.
    pub p999: u64,
    /// The largest.
    pub max: u64,
}

/// One stale read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaleRead {
    /// The key, unless the store has one object only.
    pub key: Option<String>,
    /// Its invocation.
    pub operation: u32,
    /// The invocation of the first acknowledged operation that wrote a newer version.
    pub missed: u32,
    /// Time from that acknowledgement to the invocation of the read, in nanoseconds.
    pub age_ns: u64,
    /// How many newer versions had been acknowledged.
    pub versions: u64,
    /// In plain words.
    pub explanation: String,
}

/// Measures all reads. `initial` is the value of every register at the start, where that is not nothing.
pub fn measure(history: &History, initial: Option<&Scalar>) -> Staleness {
    let trace = Trace::new(history, Grain::Transaction, initial);
    let mut measuring = Measuring::new(Evidence { history, trace: &trace });
    let reads = measuring.reads_by_key();
    let writers = trace.writers_by_lane();
    for key in 0..trace.key_count() as u32 {
        if !reads.of(key).is_empty() {
            measuring.key(key, reads.of(key), writers.of(key));
        }
    }
    measuring.finish()
}

/// A read, or a version that was read.
#[derive(Clone, Copy)]
struct OneRead {
    reader: u32,
    from: u32,
}

/// A version, and where it stands in the order of its key.
#[derive(Clone, Copy)]
struct Version {
    /// Newer than all that are asked about with a smaller number.
    order: u32,
    node: u32,
    /// The index of its acknowledgement.
    acknowledged: u32,
}

/// What one read lacks.
#[derive(Clone, Copy, Default)]
struct Lack {
    versions: u64,
    age_ns: u64,
    missed: u32,
}

struct Measuring<'a> {
    evidence: Evidence<'a>,
    /// For each node its completion, where it certainly happened.
    completed: Vec<u32>,
    measured: Vec<(u64, u64)>,
    worst: Vec<(u64, u32, u32, Lack)>,
    keys: BTreeMap<String, Figures>,
    delta_ns: Option<u64>,
    unbounded: u64,
}

const NEVER: u32 = u32::MAX;

impl<'a> Measuring<'a> {
    fn new(evidence: Evidence<'a>) -> Self {
        let completion = |event: &u32| completed(evidence.history, *event).unwrap_or(NEVER);
        Measuring {
            evidence,
            completed: evidence.trace.events.iter().map(completion).collect(),
            measured: Vec::new(),
            worst: Vec::new(),
            keys: BTreeMap::new(),
            delta_ns: None,
            unbounded: 0,
        }
    }

    fn reads_by_key(&self) -> Table<OneRead> {
        let trace = self.evidence.trace;
        let of_node = |node: u32| {
            trace.reads.of(node).iter().map(move |read| (read.key, OneRead { reader: node, from: read.from }))
        };
        let pairs = (0..trace.len() as u32).flat_map(of_node);
        Table::from_pairs(trace.key_count(), pairs, OneRead { reader: 0, from: 0 })
    }

    fn invoked(&self, node: u32) -> u32 {
        self.evidence.trace.events[node as usize]
    }

    fn time(&self, event: u32) -> u64 {
        self.evidence.history.time(EventIndex(event))
    }

    fn key(&mut self, key: u32, reads: &[OneRead], writers: &[u32]) {
        let trace = self.evidence.trace;
        let list = trace.longest.get(key as usize).is_some_and(Option::is_some);
        let (versions, questions) = match list {
            true => self.of_list(trace.versions.of(key), reads),
            false => self.of_register(reads, writers),
        };
        let lacks = self.lacks(versions, &questions, reads);
        let start = self.measured.len();
        for (read, lack) in reads.iter().zip(&lacks) {
            self.measured.push((lack.age_ns, lack.versions));
            if lack.versions > 0 {
                self.remember(key, read.reader, *lack);
            }
        }
        let mut figures = figures(&self.measured[start..]);
        if !list {
            figures.delta_ns = self.delta(reads, writers);
            self.delta_ns = self.delta_ns.max(figures.delta_ns);
            self.unbounded += u64::from(figures.delta_ns.is_none());
        }
        let name = self.evidence.history.key_name(KeyId(key)).to_string();
        self.keys.insert(name, figures);
    }

    /// The order of a list is that of its longest reading.
    fn of_list(&self, nodes: &[u32], reads: &[OneRead]) -> (Vec<Version>, Vec<u32>) {
        let version = |(at, node): (u32, &u32)| Version {
            order: at + 1,
            node: *node,
            acknowledged: self.completed[*node as usize],
        };
        let versions = (0..).zip(nodes).map(version).collect();
        let mut last = std::collections::HashMap::<u32, u32, rustc_hash::FxBuildHasher>::default();
        for (at, node) in (0..).zip(nodes) {
            last.insert(*node, at + 1);
        }
        // A version that stands in no order known is taken for the newest, so that nothing is held against its reader.
        let question = |read: &OneRead| match read.from {
            INITIAL => 0,
            from => last.get(&from).copied().unwrap_or(NEVER),
        };
        (versions, reads.iter().map(question).collect())
    }

    /// Newer is what was invoked after a version had been acknowledged or read.
    fn of_register(&self, reads: &[OneRead], writers: &[u32]) -> (Vec<Version>, Vec<u32>) {
        let version = |node: &u32| Version {
            order: self.invoked(*node),
            node: *node,
            acknowledged: self.completed[*node as usize],
        };
        let mut versions: Vec<Version> = writers.iter().map(version).collect();
        versions.sort_unstable_by_key(|version| version.order);
        let mut effect: FxHashMap<u32, u32> = FxHashMap::default();
        for read in reads.iter().filter(|read| read.from != INITIAL) {
            let effect = effect.entry(read.from).or_insert(self.completed[read.from as usize]);
            *effect = (*effect).min(self.completed[read.reader as usize]);
        }
        let question = |read: &OneRead| effect.get(&read.from).copied().unwrap_or(0);
        // Nothing was there before the first write, so every write is newer than that.
        if let Some(first) = versions.first_mut()
            && first.order == 0
        {
            first.order = 1;
        }
        (versions, reads.iter().map(question).collect())
    }

    /// For each read the versions of a higher order that were acknowledged before it was invoked.
    fn lacks(&self, versions: Vec<Version>, questions: &[u32], reads: &[OneRead]) -> Vec<Lack> {
        let mut acknowledged: Vec<u32> = versions.iter().map(|version| version.acknowledged).collect();
        acknowledged.sort_unstable();
        let mut sums = Sums(vec![0; acknowledged.len() + 1]);
        let mut by_question: Vec<usize> = (0..reads.len()).collect();
        by_question.sort_unstable_by_key(|i| std::cmp::Reverse(questions[*i]));
        let mut newer = versions.iter().rev().peekable();
        let mut first: Option<Version> = None;
        let mut lacks = vec![Lack::default(); reads.len()];
        for i in by_question {
            while let Some(version) = newer.next_if(|version| version.order > questions[i]) {
                sums.add(acknowledged.partition_point(|time| *time < version.acknowledged));
                first = Some(first.filter(|first| first.acknowledged < version.acknowledged).unwrap_or(*version));
            }
            let invoked = self.invoked(reads[i].reader);
            if let Some(first) = first.filter(|first| first.acknowledged < invoked) {
                lacks[i] = Lack {
                    versions: sums.below(acknowledged.partition_point(|time| *time < invoked)),
                    age_ns: self.time(invoked).saturating_sub(self.time(first.acknowledged)),
                    missed: first.node,
                };
            }
        }
        lacks
    }

    fn remember(&mut self, key: u32, reader: u32, lack: Lack) {
        self.worst.push((lack.age_ns, reader, key, lack));
        if self.worst.len() > 64 * KEPT {
            self.keep_worst();
        }
    }

    fn keep_worst(&mut self) {
        self.worst.sort_unstable_by_key(|(age, reader, key, _)| (std::cmp::Reverse(*age), *reader, *key));
        self.worst.truncate(KEPT);
    }

    fn delta(&self, reads: &[OneRead], writers: &[u32]) -> Option<u64> {
        let time = |event: u32| if event == NEVER { u64::MAX } else { self.time(event) };
        let moments = |node: u32| (time(self.invoked(node)), time(self.completed[node as usize]));
        let writes = writers.iter().map(|node| (*node, moments(*node)));
        let reads = reads.iter().map(|read| (read.from, moments(read.reader)));
        zones::delta(writes, reads)
    }

    fn finish(mut self) -> Staleness {
        self.keep_worst();
        let mut doubts = self.evidence.trace.doubts.clone();
        if !self.evidence.trace.flaws.is_empty() {
            let count = self.evidence.trace.flaws.len();
            doubts.push(format!("{count} reads returned what was not written or not complete; they are left out."));
        }
        if self.unbounded > 0 {
            doubts.push(format!("{} registers have a read that no Δ explains.", self.unbounded));
        }
        Staleness {
            all: Figures { delta_ns: self.delta_ns, ..figures(&self.measured) },
            worst: self.worst.iter().map(|(_, reader, key, lack)| self.tell(*reader, *key, *lack)).collect(),
            keys: self.keys,
            doubts,
        }
    }

    fn tell(&self, reader: u32, key: u32, lack: Lack) -> StaleRead {
        let (operation, missed) = (self.invoked(reader), self.invoked(lack.missed));
        let history = self.evidence.history;
        let explanation = format!(
            "{}, although #{missed} ({}) had been acknowledged {} before; {} newer.",
            words::told(history, operation),
            words::plain(history, missed),
            age(lack.age_ns),
            words::count(lack.versions, "version was", "versions were"),
        );
        let key = self.evidence.key_name(key);
        StaleRead { key, operation, missed, age_ns: lack.age_ns, versions: lack.versions, explanation }
    }
}

/// For people: `1.500 ms`.
fn age(ns: u64) -> String {
    match ns {
        0..1_000 => format!("{ns} ns"),
        1_000..1_000_000 => format!("{:.3} µs", ns as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.3} ms", ns as f64 / 1e6),
        _ => format!("{:.3} s", ns as f64 / 1e9),
    }
}

/// Sums over prefixes (Fenwick: *A New Data Structure for Cumulative Frequency Tables*, 1994).
struct Sums(Vec<u64>);

impl Sums {
    fn add(&mut self, at: usize) {
        let mut i = at + 1;
        while i < self.0.len() {
            self.0[i] += 1;
            i += i & i.wrapping_neg();
        }
    }

    /// The sum of all before `end`.
    fn below(&self, end: usize) -> u64 {
        let (mut i, mut sum) = (end, 0);
        while i > 0 {
            sum += self.0[i];
            i &= i - 1;
        }
        sum
    }
}

fn figures(measured: &[(u64, u64)]) -> Figures {
    Figures {
        reads: measured.len() as u64,
        stale: measured.iter().filter(|(_, versions)| *versions > 0).count() as u64,
        age_ns: quantiles(measured.iter().map(|(age, _)| *age).collect()),
        versions: quantiles(measured.iter().map(|(_, versions)| *versions).collect()),
        delta_ns: None,
    }
}

fn quantiles(mut numbers: Vec<u64>) -> Quantiles {
    numbers.sort_unstable();
    let part = |parts: usize, of: usize| {
        let rank = (numbers.len() * parts).div_ceil(of);
        rank.checked_sub(1).map_or(0, |rank| numbers[rank])
    };
    Quantiles { median: part(1, 2), p90: part(90, 100), p99: part(99, 100), p999: part(999, 1000), max: part(1, 1) }
}
