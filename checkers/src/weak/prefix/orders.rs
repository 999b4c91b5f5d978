//! In which order the versions of each key came, where that is known.

use histories::{EventIndex, History, Payload, ValueId};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::analysis::Found;
use crate::finding::{Anomaly, Relation, RelationKind};
use crate::fold::words;
use crate::models::AnomalyType;
use crate::weak::evidence::Evidence;
use crate::weak::trace::{INITIAL, Trace, each_append, each_list};

/// For each key the nodes that wrote its versions, one after the other.
pub(super) struct Versions {
    known: Vec<bool>,
    first: FxHashMap<u32, u32>,
    /// For a key and a node the next one.
    after: FxHashMap<(u32, u32), u32>,
    /// Pairs of nodes that wrote one version and the next of some key.
    neighbours: FxHashSet<(u32, u32)>,
    /// The same in order.
    pairs: Vec<(u32, u32)>,
    /// For each key the last one, or [`INITIAL`].
    last: Vec<u32>,
    /// Keys, and nodes that appended to them what no reading shows; sorted.
    unread: Vec<(u32, u32)>,
}

impl Versions {
    /// Readings of a list that contradict every order are told at once.
    pub(super) fn new(evidence: Evidence<'_>, found: &mut Found) -> Versions {
        let trace = evidence.trace;
        let mut versions = Versions {
            known: vec![false; trace.key_count()],
            first: FxHashMap::default(),
            after: FxHashMap::default(),
            neighbours: FxHashSet::default(),
            pairs: Vec::new(),
            last: vec![INITIAL; trace.key_count()],
            unread: Vec::new(),
        };
        for key in 0..trace.key_count() as u32 {
            if trace.longest.get(key as usize).is_some_and(Option::is_some) {
                versions.add(key, trace.versions.of(key));
            }
        }
        versions.not_read(evidence, found);
        versions.registers(evidence, found);
        forks(evidence, found);
        versions
    }

    fn add(&mut self, key: u32, nodes: &[u32]) {
        let mut nodes = nodes.to_vec();
        nodes.dedup();
        self.known[key as usize] = true;
        if let (Some(first), Some(last)) = (nodes.first(), nodes.last()) {
            self.first.insert(key, *first);
            self.last[key as usize] = *last;
        }
        for pair in nodes.windows(2).filter(|pair| pair[0] != pair[1]) {
            self.after.insert((key, pair[0]), pair[1]);
            if self.neighbours.insert((pair[0], pair[1])) {
                self.pairs.push((pair[0], pair[1]));
            }
        }
    }

    /// Appends that no reading shows. Where others of the same transaction are shown, that is a part of it.
    fn not_read(&mut self, evidence: Evidence<'_>, found: &mut Found) {
        let trace = evidence.trace;
        if trace.longest.is_empty() {
            return;
        }
        let mut shown: FxHashMap<(u32, u32), Run> = FxHashMap::default();
        for key in 0..trace.key_count() as u32 {
            for (at, node) in trace.versions.of(key).iter().enumerate() {
                shown.entry((key, *node)).or_insert(Run { start: at, count: 0 }).count += 1;
            }
        }
        for node in trace.lanes.items() {
            for key in trace.writes.of(*node).iter().filter(|key| self.known[**key as usize]) {
                match shown.get(&(*key, *node)) {
                    Some(run) => within(evidence, *key, *node, *run, found),
                    None => self.unread.push((*key, *node)),
                }
            }
        }
        self.unread.sort_unstable();
    }

    /// Keys, and who appended to them what no reading shows.
    pub(super) fn unread(&self) -> &[(u32, u32)] {
        &self.unread
    }

    pub(super) fn is_unread(&self, key: u32, node: u32) -> bool {
        self.unread.binary_search(&(key, node)).is_ok()
    }

    /// Who wrote the last version that is known.
    pub(super) fn last(&self, key: u32) -> u32 {
        self.last[key as usize]
    }

    /// Those that one session alone writes, or tries to, one after the other.
    fn registers(&mut self, evidence: Evidence<'_>, found: &mut Found) {
        let trace = evidence.trace;
        let lists = |key: u32| trace.longest.get(key as usize).is_some_and(Option::is_some);
        let mut session: Vec<Option<u32>> = vec![None; trace.key_count()];
        let mut several = vec![false; trace.key_count()];
        for (node, event) in (0..).zip(&trace.events) {
            for key in trace.writes.of(node) {
                let this = evidence.history.session(EventIndex(*event));
                several[*key as usize] |= *session[*key as usize].get_or_insert(this) != this;
            }
        }
        let by_lane = trace.writers_by_lane();
        for key in (0..trace.key_count() as u32).filter(|key| !lists(*key)) {
            let one_lane = by_lane
                .of(key)
                .windows(2)
                .all(|pair| trace.places[pair[0] as usize].lane == trace.places[pair[1] as usize].lane);
            match several[key as usize] || !one_lane {
                true => session[key as usize] = None,
                false => self.add(key, by_lane.of(key)),
            }
        }
        let mut read = vec![false; trace.key_count()];
        trace.reads.items().iter().for_each(|r| read[r.key as usize] = true);
        let unknown = read.iter().zip(&self.known).filter(|(read, known)| **read && !**known).count();
        if unknown > 0 {
            found.doubts.push(format!(
                "In which order the versions of {unknown} of the registers came is not known; they are left out."
            ));
        }
    }

    /// How many keys' orders are known.
    pub(super) fn known_count(&self) -> u64 {
        self.known.iter().filter(|known| **known).count() as u64
    }

    pub(super) fn is_known(&self, key: u32) -> bool {
        self.known[key as usize]
    }

    /// Who wrote the version after that of a node.
    pub(super) fn after(&self, key: u32, node: u32) -> Option<u32> {
        match node {
            INITIAL => self.first.get(&key).copied(),
            node => self.after.get(&(key, node)).copied(),
        }
    }

    pub(super) fn are_neighbours(&self, a: u32, b: u32) -> bool {
        self.neighbours.contains(&(a, b))
    }

    pub(super) fn neighbours(&self) -> impl Iterator<Item = (u32, u32)> {
        self.pairs.iter().copied()
    }
}

/// Readings of a list of which the longest one is no continuation. What the reader appended itself, at the end, is its
/// own.
fn forks(evidence: Evidence<'_>, found: &mut Found) {
    let (history, trace) = (evidence.history, evidence.trace);
    if trace.longest.is_empty() {
        return;
    }
    let mut last = None;
    for node in 0..trace.len() as u32 {
        let event = trace.events[node as usize];
        if last.replace(event) == Some(event) {
            continue;
        }
        for (key, list) in lists_of(history, event) {
            let Some((longest, elements)) = trace.longest[key as usize] else { continue };
            let (shown, order) = (history.list(list), history.list(elements));
            let own = own_appends(history, event, key);
            let others = shown.iter().rposition(|element| !own.contains(element)).map_or(0, |at| at + 1);
            if order.starts_with(&shown[..others]) {
                let writer = cut_within(trace, key, others, order.len());
                if let Some(writer) = writer.filter(|writer| trace.events[*writer as usize] != event) {
                    found.add(AnomalyType::G1b, || tell_part(evidence, key, event, writer));
                }
                continue;
            }
            found.add(AnomalyType::NotPrefix, || tell(evidence, key, event, longest));
        }
    }
}

/// Where a longest list shows what one transaction appended.
#[derive(Clone, Copy)]
struct Run {
    start: usize,
    count: usize,
}

/// What a transaction appended to one list is shown all at once and in its order. What only it saw itself is its own
/// business.
fn within(evidence: Evidence<'_>, key: u32, node: u32, run: Run, found: &mut Found) {
    let event = evidence.trace.events[node as usize];
    let Some((reader, list)) = evidence.trace.longest[key as usize].filter(|(reader, _)| *reader != event) else {
        return;
    };
    let own = own_appends(evidence.history, event, key);
    if own.len() > run.count {
        found.add(AnomalyType::G1b, || tell_part(evidence, key, reader, node));
    } else if evidence.history.list(list).get(run.start..run.start + run.count) != Some(&own[..]) {
        found.add(AnomalyType::NotPrefix, || tell_disorder(evidence, key, reader, event));
    }
}

fn tell_disorder(evidence: Evidence<'_>, key: u32, reader: u32, writer: u32) -> Anomaly {
    let what = words::plain(evidence.history, writer);
    let reason = format!("#{reader} showed what #{writer} appended, in another order");
    let but = format!("but not one after the other as #{writer} ({what}) appended it");
    shown_otherwise(evidence, AnomalyType::NotPrefix, key, (writer, reader), reason, &but)
}

/// A reading shows otherwise what one writer appended.
fn shown_otherwise(
    evidence: Evidence<'_>,
    kind: AnomalyType,
    key: u32,
    (writer, reader): (u32, u32),
    reason: String,
    but: &str,
) -> Anomaly {
    let relation = Relation { from: writer, to: reader, kind: RelationKind::Wr, reason };
    let explanation = format!("{}, {but}: a contradiction.", words::told(evidence.history, reader));
    Anomaly::new(kind, evidence.key_name(key), vec![writer, reader], vec![relation], explanation)
}

/// The node that appended both the last element of a reading and the one after it.
fn cut_within(trace: &Trace, key: u32, len: usize, total: usize) -> Option<u32> {
    let versions = trace.versions.of(key);
    let inside = len > 0 && len < total && versions.len() == total && versions[len - 1] == versions[len];
    inside.then(|| versions[len])
}

fn tell_part(evidence: Evidence<'_>, key: u32, event: u32, writer: u32) -> Anomaly {
    let writer = evidence.trace.events[writer as usize];
    let what = words::plain(evidence.history, writer);
    let reason = format!("#{event} showed a part of what #{writer} appended");
    let but = format!("which is only a part of what #{writer} ({what}) appended to it");
    shown_otherwise(evidence, AnomalyType::G1b, key, (writer, event), reason, &but)
}

fn lists_of(history: &History, event: u32) -> Vec<(u32, Payload)> {
    let mut lists = Vec::new();
    each_list(history, event, |key, list| lists.push((key, list)));
    lists
}

fn own_appends(history: &History, event: u32, key: u32) -> Vec<ValueId> {
    let mut own = Vec::new();
    each_append(history, event, |other, value| {
        if other == key {
            own.push(value);
        }
    });
    own
}

fn tell(evidence: Evidence<'_>, key: u32, event: u32, longest: u32) -> Anomaly {
    let history = evidence.history;
    let shown = words::told(history, longest);
    let relation = || Relation {
        from: event,
        to: longest,
        kind: RelationKind::Rw,
        reason: "neither shows a continuation of what the other shows".to_owned(),
    };
    let explanation = match event == longest {
        true => format!("{shown}: of two lists that it read, neither is a continuation of the other: a contradiction."),
        false => format!(
            "{shown}, and {}: neither list is a continuation of the other: a contradiction.",
            words::told(history, event)
        ),
    };
    let operations = if event == longest { vec![event] } else { vec![longest, event] };
    let relations = if event == longest { Vec::new() } else { vec![relation()] };
    Anomaly::new(AnomalyType::NotPrefix, evidence.key_name(key), operations, relations, explanation)
}
