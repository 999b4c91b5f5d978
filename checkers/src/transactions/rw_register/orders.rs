//! The order of the versions of each register, from what may be assumed of it.
//!
//! | source              | says                                                                                   |
//! | ------------------- | -------------------------------------------------------------------------------------- |
//! | initial state       | what was there at the start came before everything that was written                    |
//! | sequential keys     | what a process saw or left came before what it saw or left the next time               |
//! | linearizable keys   | the same of any two transactions of which one ended before the other began             |
//! | updates             | what a transaction read came before what it wrote                                      |
//!
//! # Linearizable keys without a quadratic set
//!
//! Let `f` of a version be the first completion of a transaction that left it as it is, and `s` the last invocation of
//! one that found it. Version `a` came before `b` exactly if `f(a) < s(b)`: the zones of Gibbons and Korach (*Testing
//! Shared Memories*, 1997). So the whole order is told by two numbers for each version:
//!
//! ```text
//!   a  |--write a--|                          f(a) = 1
//!   b        |--write b--|    |--read b--|    s(b) = 2, f(b) later
//!                  1          2      time ▶   a before b
//! ```
//! One sweep over the numbers, with those versions at hand that ended and that no later one has replaced, gives each
//! version its direct predecessors. As long as every process does one thing at a time, no more versions are at hand
//! than there are processes.
//!
//! The second and the third are assumed if the question says so, the others hold always, the last with a restriction.
//!
//! # Why nothing needs to be assumed of updates
//!
//! Let a transaction read `a` and leave `b`. If `b` came before `a`, its write came before the one that it read from,
//! which is a `G1c`. So from read committed on `a` came before `b`, whatever is assumed (in Elle it is an assumption,
//! `wfr-keys?`). Below that nothing may follow from it, and nothing does: such a pair makes no `ww`, in place of which
//! the `wr` stands already, only the `rw` of others that read `a`; and where it contradicts the other sources it is left
//! out in silence, since the `G1c` tells of that.
//!
//! With `writes_follow_reads_keys` it is assumed below read committed, too. Then such a pair makes a `ww` as all others do,
//! and a contradiction is told of: what was a `G1c` may be a `G0` or `cyclic-versions`, which rule out read uncommitted. No
//! other model is judged otherwise. Where the sources contradict each other anywhere, `cyclic-versions` says enough, and
//! no such pair makes a `ww`.
//!
//! # When the sources contradict each other
//!
//! Then the versions form a cycle, which is `cyclic-versions`. Sources are taken in the order of the table, register by
//! register; one that would close a cycle is reported and left out for that register, the others stand. (Elle leaves it
//! out for all registers.)

use std::collections::{BTreeMap, VecDeque};

use histories::KeyId;

use super::versions::{NONE, Touch, Version, Versions};
use crate::analysis::Assumptions;
use crate::budget::{Exhausted, Meter};
use crate::transactions::components::components;
use crate::transactions::groups::Groups;
use crate::transactions::reading::Row;

/// Where an order of versions comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    Initial,
    Sequential,
    Linearizable,
    Update,
}

/// One version before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Before {
    pub(super) from: Version,
    pub(super) to: Version,
    pub(super) source: Source,
    /// The transactions that show it, where the source needs any.
    pub(super) first: Row,
    pub(super) second: Row,
}

/// A cycle of versions, and the source that closed it.
pub(super) struct VersionCycle {
    pub(super) key: KeyId,
    pub(super) steps: Vec<Before>,
}

/// What the sources say together.
pub(super) struct Orders {
    /// Sorted by `from`.
    pub(super) before: Vec<Before>,
    /// Where those of each version stand.
    pub(super) of_version: Groups,
    pub(super) cycles: Vec<VersionCycle>,
}

/// The orders of all registers.
pub(super) fn orders(
    versions: &Versions<'_, '_>,
    touches: &[Touch],
    assume: &Assumptions,
    meter: &Meter<'_>,
) -> Result<Orders, Exhausted> {
    let mut sources = vec![initial_state(versions, touches)];
    if assume.sequential_keys || assume.linearizable_keys {
        let by_key = by_key(versions, touches);
        if assume.sequential_keys {
            sources.push(sequential_keys(versions, touches, &by_key));
        }
        if assume.linearizable_keys {
            sources.push(linearizable_keys(versions, touches));
        }
    }
    sources.push(updates(versions, touches));
    meter.spend(sources.iter().map(|s| s.len() as u64).sum())?;
    let cycles = drop_cycles(versions, &mut sources, assume.writes_follow_reads_keys);
    Ok(collect(versions, sources, cycles))
}

fn collect(versions: &Versions<'_, '_>, sources: Vec<Vec<Before>>, cycles: Vec<VersionCycle>) -> Orders {
    let mut all: Vec<Before> = sources.into_iter().flatten().collect();
    let mut preceded = vec![false; versions.all.len()];
    for before in all.iter().filter(|b| b.source != Source::Initial) {
        preceded[before.to as usize] |= versions.writer(before.from).is_some();
    }
    // The initial version comes before the first ones, and by their writers before all others.
    all.retain(|b| b.source != Source::Initial || !preceded[b.to as usize]);
    let mut sizes = vec![0; versions.all.len()];
    all.iter().for_each(|b| sizes[b.from as usize] += 1);
    all.sort_by_key(|b| b.from);
    Orders { before: all, of_version: Groups::of_sizes(sizes), cycles }
}

/// What a touch found: the version that it read, or else the one that it left.
fn found(touch: &Touch) -> Version {
    if touch.read == NONE { touch.write } else { touch.read }
}

/// What a touch left: the version that it wrote, or else the one that it read.
fn left(touch: &Touch) -> Version {
    if touch.write == NONE { touch.read } else { touch.write }
}

/// Before everything that was written, and before what was read though nobody is known to have written it.
fn initial_state(versions: &Versions<'_, '_>, touches: &[Touch]) -> Vec<Before> {
    let foreign = |version: Version| version != NONE && versions.writer(version).is_none();
    let others = touches.iter().flat_map(|t| {
        let read = Some(t.read).filter(|read| foreign(*read));
        [Some(t.write), read].into_iter().flatten().map(move |version| (version, t))
    });
    let others = others.filter(|(version, t)| versions.is_ordered(*version) && *version != versions.initial(t.key));
    others
        .map(|(to, t)| Before {
            from: versions.initial(t.key),
            to,
            source: Source::Initial,
            first: NONE,
            second: t.row,
        })
        .collect()
}

fn updates(versions: &Versions<'_, '_>, touches: &[Touch]) -> Vec<Before> {
    let both = touches.iter().filter(|t| versions.is_ordered(t.read) && versions.is_ordered(t.write));
    both.filter(|t| t.read != t.write)
        .map(|t| Before { from: t.read, to: t.write, source: Source::Update, first: t.row, second: t.row })
        .collect()
}

/// The touches of each register, in the order of their transactions.
fn by_key(versions: &Versions<'_, '_>, touches: &[Touch]) -> Vec<u32> {
    let mut counts = vec![0; versions.registers.len()];
    touches.iter().for_each(|t| counts[t.key.0 as usize] += 1);
    let mut cursors = Groups::of_sizes(counts).cursors();
    let mut order = vec![0; touches.len()];
    for (i, touch) in touches.iter().enumerate() {
        let cursor = &mut cursors[touch.key.0 as usize];
        order[*cursor as usize] = i as u32;
        *cursor += 1;
    }
    order
}

fn sequential_keys(versions: &Versions<'_, '_>, touches: &[Touch], by_key: &[u32]) -> Vec<Before> {
    let processes = versions.txns.processes();
    let count = processes.iter().filter(|p| **p != u32::MAX).max().map_or(0, |p| *p as usize + 1);
    let mut last = vec![NONE; count];
    let mut before = Vec::new();
    for index in by_key {
        let touch = &touches[*index as usize];
        let process = processes[touch.row as usize];
        if process == u32::MAX {
            continue;
        }
        let earlier = touches.get(last[process as usize] as usize).filter(|t| t.key == touch.key);
        if let Some(earlier) = earlier {
            let (from, to) = (left(earlier), found(touch));
            if from != to && versions.is_ordered(from) && versions.is_ordered(to) {
                before.push(Before { from, to, source: Source::Sequential, first: earlier.row, second: touch.row });
            }
        }
        last[process as usize] = *index;
    }
    before
}

/// When a version was there at the latest, and when it was found last, and by whom.
#[derive(Clone, Copy)]
struct Zone {
    left: u32,
    left_by: Row,
    found: u32,
    found_by: Row,
}

fn zones(versions: &Versions<'_, '_>, touches: &[Touch]) -> Vec<Zone> {
    let never = Zone { left: u32::MAX, left_by: NONE, found: 0, found_by: NONE };
    let mut zones = vec![never; versions.all.len()];
    let txns = versions.txns;
    for touch in touches {
        let (found, left) = (found(touch), left(touch));
        let completed = txns.completed[touch.row as usize];
        if versions.is_ordered(left) && completed < zones[left as usize].left {
            (zones[left as usize].left, zones[left as usize].left_by) = (completed, touch.row);
        }
        let invoked = txns.invoked[touch.row as usize];
        if versions.is_ordered(found) && invoked > zones[found as usize].found {
            (zones[found as usize].found, zones[found as usize].found_by) = (invoked, touch.row);
        }
    }
    zones
}

fn linearizable_keys(versions: &Versions<'_, '_>, touches: &[Touch]) -> Vec<Before> {
    let zones = zones(versions, touches);
    let mut sweep = Sweep { zones: &zones, at_hand: VecDeque::new(), before: Vec::new() };
    let mut moments: Vec<(u32, bool, Version)> = Vec::new();
    for key in 0..versions.registers.len() {
        moments.clear();
        for version in versions.registers.range(key) {
            let zone = &zones[version];
            moments.extend((zone.found_by != NONE).then_some((zone.found, false, version as u32)));
            moments.extend((zone.left_by != NONE).then_some((zone.left, true, version as u32)));
        }
        moments.sort_unstable();
        sweep.at_hand.clear();
        for (_, end, version) in &moments {
            if *end { sweep.end(*version) } else { sweep.link(*version) }
        }
    }
    sweep.before
}

struct Sweep<'z> {
    zones: &'z [Zone],
    /// Versions that ended, in that order, and that no later one has replaced.
    at_hand: VecDeque<Version>,
    before: Vec<Before>,
}

impl Sweep<'_> {
    /// All that ended came before this version, which is found now.
    fn link(&mut self, to: Version) {
        for from in self.at_hand.iter().copied().filter(|from| *from != to) {
            let (first, second) = (self.zones[from as usize].left_by, self.zones[to as usize].found_by);
            self.before.push(Before { from, to, source: Source::Linearizable, first, second });
        }
    }

    /// This version has ended. What it follows need not be at hand any more.
    fn end(&mut self, version: Version) {
        let Zone { left, found, found_by, .. } = self.zones[version as usize];
        if found_by == NONE {
            return self.at_hand.push_back(version);
        }
        if found > left {
            self.link(version);
        }
        while self.at_hand.front().is_some_and(|first| self.zones[*first as usize].left < found) {
            self.at_hand.pop_front();
        }
        self.at_hand.push_back(version);
    }
}

/// Takes out, register by register, each source that would close a cycle. Of updates it tells only if they were assumed.
fn drop_cycles(versions: &Versions<'_, '_>, sources: &mut [Vec<Before>], updates: bool) -> Vec<VersionCycle> {
    let mut found = Vec::new();
    let all: Vec<Before> = sources.iter().flatten().copied().collect();
    let suspects = cyclic(versions, &all);
    if suspects.is_empty() {
        return found;
    }
    let suspected = |b: &Before| suspects.contains_key(&versions.key(b.from));
    let mut kept: Vec<Before> = Vec::new();
    for source in sources {
        let of_suspects: Vec<Before> = source.iter().filter(|b| suspected(b)).copied().collect();
        let together: Vec<Before> = kept.iter().chain(&of_suspects).copied().collect();
        let bad = cyclic(versions, &together);
        let told = source.first().is_some_and(|b| updates || b.source != Source::Update);
        for (key, cycles) in bad.iter().filter(|_| told) {
            found.extend(cycles.iter().map(|steps| VersionCycle { key: *key, steps: steps.clone() }));
        }
        kept.extend(of_suspects.iter().filter(|b| !bad.contains_key(&versions.key(b.from))));
        source.retain(|b| !bad.contains_key(&versions.key(b.from)));
    }
    found
}

/// A shortest cycle in each component of versions, by register.
fn cyclic(versions: &Versions<'_, '_>, before: &[Before]) -> BTreeMap<KeyId, Vec<Vec<Before>>> {
    let pairs: Vec<(u32, u32)> = before.iter().map(|b| (b.from, b.to)).collect();
    let component = components(versions.all.len() as u32, &pairs);
    let mut inside: Vec<Before> =
        before.iter().filter(|b| component[b.from as usize] == component[b.to as usize]).copied().collect();
    inside.sort_unstable_by_key(|b| (component[b.from as usize], *b));
    let mut cycles: BTreeMap<KeyId, Vec<Vec<Before>>> = BTreeMap::new();
    for of_component in inside.chunk_by(|a, b| component[a.from as usize] == component[b.from as usize]) {
        let key = versions.key(of_component[0].from);
        cycles.entry(key).or_default().push(short_cycle(of_component));
    }
    cycles
}

/// A shortest cycle through the first version of a component, whose edges are sorted.
fn short_cycle(edges: &[Before]) -> Vec<Before> {
    let start = edges[0].from;
    let mut came_by: BTreeMap<Version, Before> = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(version) = queue.pop_front() {
        let first = edges.partition_point(|e| e.from < version);
        for edge in edges[first..].iter().take_while(|e| e.from == version) {
            if edge.to == start {
                return walk_back(&came_by, start, *edge);
            }
            came_by.entry(edge.to).or_insert_with(|| {
                queue.push_back(edge.to);
                *edge
            });
        }
    }
    edges.to_vec()
}

fn walk_back(came_by: &BTreeMap<Version, Before>, start: Version, last: Before) -> Vec<Before> {
    let mut steps = vec![last];
    while let Some(step) = steps.last().filter(|step| step.from != start).and_then(|step| came_by.get(&step.from)) {
        steps.push(*step);
    }
    steps.reverse();
    steps
}
