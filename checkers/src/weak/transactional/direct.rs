//! What read committed and read atomic demand: conflicts with transactions that are read from directly, or that come
//! before in the session.

use super::{Level, Suspect, Wanted};
use crate::budget::{Exhausted, Meter};
use crate::weak::causal::ranks;
use crate::weak::table::Table;
use crate::weak::trace::{INITIAL, Read, Trace};

const NONE: u32 = u32::MAX;

/// Few enough to compare each with each.
const FEW: usize = 8;

/// See the [module](self).
pub(super) struct Direct<'a> {
    trace: &'a Trace,
    level: Level,
    /// Reads that found nothing where something had to be.
    pub(super) initial: Vec<Suspect>,
    suspects: Vec<Suspect>,
    ranks: Vec<u32>,
    /// For each key the transaction that last read it, and the number of that read.
    read: Vec<(u32, u32)>,
    /// For each key the last transaction that wrote it.
    written: Vec<u32>,
    /// For each read of a large transaction the one of the same key before.
    earlier: Vec<u32>,
    by_lane: Option<Table<u32>>,
}

impl<'a> Direct<'a> {
    pub(super) fn new(trace: &'a Trace, level: Level) -> Self {
        Direct {
            trace,
            level,
            initial: Vec::new(),
            suspects: Vec::new(),
            ranks: Vec::new(),
            read: vec![(NONE, 0); trace.key_count()],
            written: Vec::new(),
            earlier: Vec::new(),
            by_lane: None,
        }
    }

    /// The conflicts that an order breaks, or all.
    ///
    /// # Errors
    /// When the budget does not suffice.
    pub(super) fn look(&mut self, nodes: &[u32], wanted: Wanted, meter: &Meter<'_>) -> Result<Vec<Suspect>, Exhausted> {
        self.ranks = match wanted {
            Wanted::Broken => ranks(self.trace, nodes),
            Wanted::All => Vec::new(),
        };
        self.read.fill((NONE, 0));
        for chunk in nodes.chunks(1024) {
            meter.spend(1024)?;
            meter.hold(self.suspects.len() as u64 * 16)?;
            for node in chunk {
                self.read_from(*node);
            }
        }
        if self.level == Level::ReadAtomic {
            self.sessions(meter)?;
        }
        Ok(std::mem::take(&mut self.suspects))
    }

    /// `missed` precedes what `read` read from.
    #[inline]
    fn found(&mut self, missed: u32, reader: u32, read: Read) {
        let suspect = Suspect { from: read.from, missed, reader, key: read.key };
        if read.from == INITIAL {
            self.initial.push(suspect);
        } else if self.ranks.is_empty() || self.ranks[missed as usize] > self.ranks[read.from as usize] {
            self.suspects.push(suspect);
        }
    }

    #[inline]
    fn read_from(&mut self, node: u32) {
        let reads = self.trace.reads.of(node);
        if reads.len() < 2 {
            return;
        }
        if reads.len() <= FEW {
            self.few(node, reads);
        } else {
            self.many(node, reads);
        }
    }

    /// From which read on another one is held against this writer, if it was first read from here.
    fn since(&self, at: usize) -> usize {
        if self.level == Level::ReadCommitted { at + 1 } else { 0 }
    }

    fn few(&mut self, node: u32, reads: &[Read]) {
        for (at, first) in reads.iter().enumerate() {
            let other = first.from;
            if other == INITIAL || reads[..at].iter().any(|read| read.from == other) {
                continue;
            }
            let writes = self.trace.writes.of(other);
            if writes.len() < 2 && reads.iter().all(|read| read.key != first.key || read.from == other) {
                continue;
            }
            for read in &reads[self.since(at)..] {
                if read.from != other && contains(writes, read.key) {
                    self.found(other, node, *read);
                }
            }
        }
    }

    fn many(&mut self, node: u32, reads: &[Read]) {
        self.earlier.clear();
        for (at, read) in reads.iter().enumerate() {
            let last = std::mem::replace(&mut self.read[read.key as usize], (node, at as u32));
            self.earlier.push(if last.0 == node { last.1 } else { NONE });
        }
        let mut others: Vec<(u32, usize)> = reads
            .iter()
            .enumerate()
            .filter(|(_, read)| read.from != INITIAL)
            .map(|(at, read)| (read.from, at))
            .collect();
        others.sort_unstable();
        others.dedup_by_key(|(other, _)| *other);
        for (other, at) in others {
            let (writes, since) = (self.trace.writes.of(other), self.since(at));
            if writes.len() > reads.len() - since {
                for read in &reads[since..] {
                    if read.from != other && contains(writes, read.key) {
                        self.found(other, node, *read);
                    }
                }
                continue;
            }
            for key in writes {
                self.reads_of(node, *key, since, other);
            }
        }
    }

    /// The reads of a key, from the last one back.
    fn reads_of(&mut self, node: u32, key: u32, since: usize, other: u32) {
        let (reader, mut at) = self.read[key as usize];
        if reader != node {
            return;
        }
        while at != NONE && at as usize >= since {
            let read = self.trace.reads.of(node)[at as usize];
            if read.from != other {
                self.found(other, node, read);
            }
            at = self.earlier[at as usize];
        }
    }

    /// Each read against the last write of its key before it in its session.
    fn sessions(&mut self, meter: &Meter<'_>) -> Result<(), Exhausted> {
        let trace = self.trace;
        self.written.resize(trace.key_count(), NONE);
        self.written.fill(NONE);
        for lane in 0..trace.lanes.len() as u32 {
            meter.spend(trace.lanes.of(lane).len() as u64)?;
            for node in trace.lanes.of(lane) {
                for read in trace.reads.of(*node) {
                    let last = self.written[read.key as usize];
                    if last != NONE && last != read.from && trace.places[last as usize].lane == lane {
                        self.found(last, *node, *read);
                    }
                }
                for key in trace.writes.of(*node) {
                    self.written[*key as usize] = *node;
                }
            }
        }
        for (node, before) in &trace.joins {
            self.other_lane(*node, *before);
        }
        Ok(())
    }

    /// The same for what comes before it in another lane of its session.
    fn other_lane(&mut self, node: u32, before: u32) {
        let trace = self.trace;
        let end = trace.places[before as usize];
        for read in trace.reads.of(node) {
            let by_lane = self.by_lane.get_or_insert_with(|| trace.writers_by_lane());
            let writers = by_lane.of(read.key);
            let until = writers.partition_point(|writer| {
                let place = trace.places[*writer as usize];
                (place.lane, place.position) <= (end.lane, end.position)
            });
            let last = writers[..until].last().copied();
            if let Some(last) = last.filter(|last| trace.places[*last as usize].lane == end.lane && *last != read.from)
            {
                self.found(last, node, *read);
            }
        }
    }
}

/// Long lists of keys are sorted.
#[inline]
fn contains(writes: &[u32], key: u32) -> bool {
    if writes.len() <= FEW { writes.contains(&key) } else { writes.binary_search(&key).is_ok() }
}
