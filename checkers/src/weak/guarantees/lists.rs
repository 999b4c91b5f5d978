//! Lists: what a read shows is compared with what its session had seen and done, and each element with what *its* session
//! had seen and done before it appended it.
//!
//! For the latter only reads that are no prefix of the longest one need to be looked at, and the longest one itself: what
//! stands before an element is the same in all others.

use rustc_hash::FxHashMap;

use super::{Deed, NONE, Rule, Steps, deed, is_register};
use crate::analysis::Found;
use crate::finding::{Anomaly, Relation, RelationKind};
use crate::fold::words;
use crate::weak::evidence::Evidence;
use crate::weak::table::Table;
use crate::weak::trace::{INITIAL, Read, Trace};

/// Looks at all lists.
pub(super) fn check(evidence: &Evidence<'_>, steps: &Steps<'_>, found: &mut Found) {
    let trace = evidence.trace;
    if (0..trace.key_count() as u32).all(|key| is_register(trace, key)) {
        return;
    }
    let mut lists =
        Lists { evidence, found, position: vec![(0, 0); trace.len()], reading: 0, before: FxHashMap::default() };
    for lane in 0..trace.lanes.len() as u32 {
        lists.lane(steps, lane);
    }
    lists.elements();
}

/// What a lane has seen of a list.
#[derive(Default)]
struct Sofar {
    /// The last read, and reads before it that showed what it did not.
    reads: Vec<u32>,
    /// The appends.
    appends: Vec<u32>,
}

struct Lists<'a, 'f> {
    evidence: &'a Evidence<'a>,
    found: &'f mut Found,
    /// For each append the last reading that showed it, and where.
    position: Vec<(u32, u32)>,
    reading: u32,
    /// For each append the reads of its list, and the last append to it, that its session had done before.
    before: FxHashMap<u32, Vec<u32>>,
}

impl Lists<'_, '_> {
    fn trace(&self) -> &Trace {
        self.evidence.trace
    }

    fn shown(&self, read: u32) -> impl Iterator<Item = u32> {
        let shown = self.evidence.trace.reads.of(read).iter();
        shown.map(|read: &Read| read.from).filter(|from| *from != INITIAL)
    }

    fn lane(&mut self, steps: &Steps<'_>, lane: u32) {
        let mut seen: FxHashMap<u32, Sofar> = FxHashMap::default();
        for step in steps.of(lane) {
            match deed(self.trace(), step.node) {
                Deed::Write(key) if !is_register(self.trace(), key) => {
                    let sofar = seen.entry(key).or_default();
                    let before = self.before.entry(step.node).or_default();
                    before.extend(sofar.reads.iter().copied().chain(sofar.appends.last().copied()));
                    if step.own {
                        sofar.appends.push(step.node);
                    }
                }
                Deed::Read(key, _) if !is_register(self.trace(), key) => {
                    let sofar = seen.entry(key).or_default();
                    let back = self.read(key, step.node, sofar);
                    if step.own {
                        if !back {
                            sofar.reads.clear();
                        }
                        sofar.reads.push(step.node);
                    }
                }
                _ => {}
            }
        }
    }

    fn mark(&mut self, read: u32) {
        self.reading += 1;
        for (at, append) in (0..).zip(self.evidence.trace.reads.of(read)) {
            if append.from != INITIAL {
                self.position[append.from as usize] = (self.reading, at);
            }
        }
    }

    /// Where the marked reading shows an append.
    fn at(&self, append: u32) -> Option<u32> {
        let (reading, at) = self.position[append as usize];
        (reading == self.reading).then_some(at)
    }

    /// Whether something is missing that a read before had shown.
    fn read(&mut self, key: u32, node: u32, sofar: &Sofar) -> bool {
        if self.trace().partial.contains(&node) {
            return true;
        }
        self.mark(node);
        let gone = |read: &u32| Some((*read, self.shown(*read).find(|append| self.at(*append).is_none())?));
        let gone = sofar.reads.iter().rev().find_map(gone);
        if let Some((read, append)) = gone {
            self.add(Rule::MonotonicReads, key, [append, read, node]);
        }
        if let Some(append) = sofar.appends.iter().copied().find(|append| self.at(*append).is_none()) {
            self.add(Rule::ReadYourWrites, key, [append, append, node]);
        }
        gone.is_some()
    }

    fn elements(&mut self) {
        let trace = self.evidence.trace;
        let of_list = |node: &&u32| trace.reads.of(**node).first().is_some_and(|read| !is_register(trace, read.key));
        let reads = trace.lanes.items().iter().filter(of_list);
        let reads = reads.map(|node| (trace.reads.of(*node)[0].key, *node));
        let by_key = Table::from_pairs(trace.key_count(), reads, 0);
        for key in 0..by_key.len() as u32 {
            let Some(longest) = by_key.of(key).iter().copied().rev().max_by_key(|read| trace.reads.of(*read).len())
            else {
                continue;
            };
            self.order(key, longest);
            for read in by_key.of(key) {
                if !trace.reads.of(longest).starts_with(trace.reads.of(*read)) {
                    self.order(key, *read);
                }
            }
        }
    }

    /// Each element of a reading against what its session had done.
    fn order(&mut self, key: u32, read: u32) {
        if self.trace().partial.contains(&read) {
            return;
        }
        self.mark(read);
        let shown: Vec<u32> = self.shown(read).collect();
        let mut broken = [None; 2];
        for append in shown {
            let at = self.at(append).unwrap_or(NONE);
            for earlier in self.before.get(&append).into_iter().flatten() {
                let late = |other: &u32| self.at(*other).is_none_or(|before| before > at);
                match deed(self.trace(), *earlier) {
                    Deed::Write(_) if late(earlier) => {
                        broken[0] = broken[0].or(Some((Rule::MonotonicWrites, [*earlier, append, read])));
                    }
                    Deed::Read(..) => {
                        let missing = self.shown(*earlier).find(|other| *other != append && late(other));
                        let case = missing.map(|missing| (Rule::WritesFollowReads, [missing, append, read]));
                        broken[1] = broken[1].or(case);
                    }
                    _ => {}
                }
            }
        }
        for (rule, nodes) in broken.into_iter().flatten() {
            self.add(rule, key, nodes);
        }
    }

    fn add(&mut self, rule: Rule, key: u32, nodes: [u32; 3]) {
        let evidence = self.evidence;
        self.found.add(rule.anomaly(), || tell(evidence, rule, key, nodes));
    }
}

fn tell(evidence: &Evidence<'_>, rule: Rule, key: u32, nodes: [u32; 3]) -> Anomaly {
    let history = evidence.history;
    let [append, other, read] = nodes.map(|node| evidence.trace.events[node as usize]);
    let (first, last) = (words::plain(history, append), words::told(history, read));
    let why = match rule {
        Rule::MonotonicReads => format!("it had seen #{append} ({first}) before, in #{other}"),
        Rule::ReadYourWrites => format!("it had done #{append} ({first}) itself before"),
        Rule::MonotonicWrites => {
            format!("#{append} ({first}) came before #{other} in its session and is not before it there")
        }
        Rule::WritesFollowReads => {
            format!("whoever did #{other} had seen #{append} ({first}), which is not before it there")
        }
    };
    let relation = |from, to, kind, reason: &str| Relation { from, to, kind, reason: reason.to_owned() };
    let relations = match rule {
        Rule::ReadYourWrites => vec![relation(append, read, RelationKind::Process, "the same session, later")],
        Rule::MonotonicReads => vec![
            relation(append, other, RelationKind::Wr, "shown by it"),
            relation(other, read, RelationKind::Process, "the same session, later"),
        ],
        Rule::MonotonicWrites => vec![
            relation(append, other, RelationKind::Process, "the same session, later"),
            relation(other, read, RelationKind::Wr, "shown by it"),
        ],
        Rule::WritesFollowReads => vec![
            relation(append, other, RelationKind::Ww, "seen by its session before"),
            relation(other, read, RelationKind::Wr, "shown by it"),
        ],
    };
    let mut operations = vec![append, other, read];
    operations.dedup();
    Anomaly {
        kind: rule.anomaly().name().to_owned(),
        key: evidence.key_name(key),
        operations,
        relations,
        explanation: format!("{last}, but {why}: a contradiction."),
    }
}
