//! Registers: is there an order of the versions of a key that agrees with a guarantee?
//!
//! A session's demands on one key would be quadratic in number: every version read before every write after it. So
//! what a session has seen so far is a node of its own:
//!
//! ```text
//!   r(1)  r(2)  w(3)  r(4)  w(5)         1 ─▶ s1 ─▶ s2 ─▶ s3 ─▶ 5
//!                                             2 ─▶ │     4 ─▶
//!                                                  └─▶ 3
//! ```

use std::collections::VecDeque;

use histories::{EventIndex, KeyId};
use rustc_hash::{FxHashMap, FxHashSet};

use super::{Deed, NONE, Rule, Steps, deed, is_register};
use crate::analysis::Found;
use crate::finding::{Anomaly, Relation, RelationKind};
use crate::fold::words;
use crate::weak::evidence::Evidence;
use crate::weak::table::Table;
use crate::weak::trace::{INITIAL, Trace};

/// Looks at each key and rule that is suspicious.
pub(super) fn check(evidence: &Evidence<'_>, steps: &Steps<'_>, suspicious: &[u8], found: &mut Found) {
    let trace = evidence.trace;
    let wanted = |key: u32| suspicious[key as usize] != 0 && is_register(trace, key);
    if !(0..trace.key_count() as u32).any(wanted) {
        return;
    }
    let by_key = by_key(trace, steps, wanted);
    let alone = written_by_one_session(evidence);
    for key in (0..trace.key_count() as u32).filter(|key| wanted(*key)) {
        let alone = alone[key as usize];
        for rule in Rule::ALL {
            let relevant = rule.bit() | if alone { Rule::MonotonicWrites.bit() } else { 0 };
            if suspicious[key as usize] & relevant == 0 {
                continue;
            }
            let mut demands = Demands::new(trace);
            demands.all(rule, by_key.of(key));
            if alone && rule != Rule::MonotonicWrites {
                demands.all(Rule::MonotonicWrites, by_key.of(key));
            }
            if let Some(contradiction) = demands.contradiction() {
                let kind = rule.anomaly();
                found.add(kind, || tell(evidence, rule, key, &contradiction));
            }
        }
    }
}

/// One step of a lane on a key.
#[derive(Clone, Copy)]
struct OnKey {
    lane: u32,
    node: u32,
    own: bool,
}

fn by_key(trace: &Trace, steps: &Steps<'_>, wanted: impl Fn(u32) -> bool) -> Table<OnKey> {
    let mut pairs = Vec::new();
    for lane in 0..trace.lanes.len() as u32 {
        for step in steps.of(lane) {
            if let Deed::Write(key) | Deed::Read(key, _) = deed(trace, step.node)
                && wanted(key)
            {
                pairs.push((key, OnKey { lane, node: step.node, own: step.own }));
            }
        }
    }
    Table::from_pairs(trace.key_count(), pairs.into_iter(), OnKey { lane: 0, node: 0, own: false })
}

/// For each key whether only one session ever wrote it, or tried to.
fn written_by_one_session(evidence: &Evidence<'_>) -> Vec<bool> {
    let mut writer: Vec<Option<u32>> = vec![None; evidence.trace.key_count()];
    let mut alone = vec![true; writer.len()];
    for (node, event) in (0..).zip(&evidence.trace.events) {
        for key in evidence.trace.writes.of(node) {
            let session = evidence.history.session(EventIndex(*event));
            alone[*key as usize] &= *writer[*key as usize].get_or_insert(session) == session;
        }
    }
    alone
}

/// Why one version comes before another: for the sake of an operation, that follows an earlier one in its session.
#[derive(Clone, Copy)]
struct Edge {
    to: u32,
    earlier: u32,
    later: u32,
}

/// What contradicts an order of versions.
enum Contradiction {
    /// This operation found nothing after that one.
    Nothing { earlier: u32, later: u32 },
    /// Each of these versions comes before the next one, and the last before the first; why.
    Cycle(Vec<(u32, Edge)>),
}

/// What a session's steps demand of the versions of a key.
struct Demands<'a> {
    trace: &'a Trace,
    /// The nodes of the trace, then sets of versions.
    number: FxHashMap<u32, u32>,
    names: Vec<u32>,
    edges: Vec<Vec<Edge>>,
    nothing: Option<(u32, u32)>,
}

/// What one lane has seen.
#[derive(Default)]
struct Sofar {
    /// The versions, each with the operation that wrote or read it, and the set of all up to it.
    versions: Vec<(u32, u32, u32)>,
    known: FxHashSet<u32>,
}

impl<'a> Demands<'a> {
    fn new(trace: &'a Trace) -> Self {
        Demands { trace, number: FxHashMap::default(), names: Vec::new(), edges: Vec::new(), nothing: None }
    }

    fn all(&mut self, rule: Rule, steps: &[OnKey]) {
        for lane in steps.chunk_by(|a, b| a.lane == b.lane) {
            let mut sofar = Sofar::default();
            for step in lane {
                self.step(rule, &mut sofar, *step);
            }
        }
    }

    fn step(&mut self, rule: Rule, sofar: &mut Sofar, step: OnKey) {
        let (write, version) = match deed(self.trace, step.node) {
            Deed::Write(_) => (true, step.node),
            Deed::Read(_, from) => (false, from),
            Deed::Nothing => return,
        };
        let (takes, gives) = match rule {
            Rule::MonotonicReads => (!write, !write),
            Rule::ReadYourWrites => (!write, write),
            Rule::MonotonicWrites => (write, write),
            Rule::WritesFollowReads => (write, !write),
        };
        if takes {
            self.after_all(sofar, version, step.node);
        }
        if gives && step.own && version != INITIAL && sofar.known.insert(version) {
            self.add(sofar, version, step.node);
        }
    }

    /// A version joins what was seen.
    fn add(&mut self, sofar: &mut Sofar, version: u32, by: u32) {
        let set = self.new_number(NONE);
        if let Some((_, _, before)) = sofar.versions.last() {
            self.edge(*before, set, by, by);
        }
        let from = self.number_of(version);
        self.edge(from, set, by, by);
        sofar.versions.push((version, by, set));
    }

    /// All that was seen comes before a version, or is it.
    fn after_all(&mut self, sofar: &Sofar, version: u32, by: u32) {
        let Some((_, last, set)) = sofar.versions.last().copied() else { return };
        if version == INITIAL {
            self.nothing = self.nothing.or(Some((last, by)));
            return;
        }
        let to = self.number_of(version);
        if !sofar.known.contains(&version) {
            return self.edge(set, to, last, by);
        }
        let at = sofar.versions.iter().rposition(|(other, ..)| *other == version).unwrap_or(0);
        if let Some((_, earlier, before)) = at.checked_sub(1).map(|at| sofar.versions[at]) {
            self.edge(before, to, earlier, by);
        }
        for (other, earlier, _) in &sofar.versions[at + 1..] {
            let from = self.number_of(*other);
            // What is known to come before needs not be said twice, so that this stays linear.
            if self.edges[from as usize].iter().any(|edge| edge.to == to) {
                continue;
            }
            self.edge(from, to, *earlier, by);
        }
    }

    fn new_number(&mut self, name: u32) -> u32 {
        self.names.push(name);
        self.edges.push(Vec::new());
        self.names.len() as u32 - 1
    }

    fn number_of(&mut self, version: u32) -> u32 {
        if let Some(number) = self.number.get(&version) {
            return *number;
        }
        let number = self.new_number(version);
        self.number.insert(version, number);
        number
    }

    fn edge(&mut self, from: u32, to: u32, earlier: u32, later: u32) {
        self.edges[from as usize].push(Edge { to, earlier, later });
    }

    fn contradiction(&self) -> Option<Contradiction> {
        if let Some((earlier, later)) = self.nothing {
            return Some(Contradiction::Nothing { earlier, later });
        }
        let left = self.without_beginnings();
        let start = (0..left.len()).find(|node| left[*node])?;
        // Everything left has something left before it, so a walk backwards comes round.
        let mut before = vec![NONE; left.len()];
        for (from, edges) in (0..).zip(&self.edges).filter(|(from, _)| left[*from as usize]) {
            for edge in edges.iter().filter(|edge| left[edge.to as usize]) {
                before[edge.to as usize] = from;
            }
        }
        let (mut node, mut seen) = (start as u32, vec![false; left.len()]);
        while !std::mem::replace(&mut seen[node as usize], true) {
            node = before[node as usize];
        }
        Some(Contradiction::Cycle(self.cycle(node)))
    }

    /// Whatever cannot be put in order.
    fn without_beginnings(&self) -> Vec<bool> {
        let mut into = vec![0u32; self.edges.len()];
        for edge in self.edges.iter().flatten() {
            into[edge.to as usize] += 1;
        }
        let mut free: Vec<usize> = (0..into.len()).filter(|node| into[*node] == 0).collect();
        let mut left = vec![true; into.len()];
        while let Some(node) = free.pop() {
            left[node] = false;
            for edge in &self.edges[node] {
                into[edge.to as usize] -= 1;
                if into[edge.to as usize] == 0 {
                    free.push(edge.to as usize);
                }
            }
        }
        left
    }

    /// A shortest cycle through a node, sets left out.
    fn cycle(&self, start: u32) -> Vec<(u32, Edge)> {
        let mut from: Vec<Option<(u32, Edge)>> = vec![None; self.edges.len()];
        let mut queue = VecDeque::from([start]);
        while let Some(node) = queue.pop_front() {
            for edge in &self.edges[node as usize] {
                if from[edge.to as usize].is_none() {
                    from[edge.to as usize] = Some((node, *edge));
                    queue.push_back(edge.to);
                }
            }
        }
        let mut cycle = Vec::new();
        let mut node = start;
        while let Some((before, edge)) = from[node as usize] {
            cycle.push((before, edge));
            node = before;
            if node == start {
                break;
            }
        }
        cycle.reverse();
        self.named(&cycle)
    }

    /// Versions only: an edge that leads into a version, with the version it comes from in the end.
    fn named(&self, cycle: &[(u32, Edge)]) -> Vec<(u32, Edge)> {
        let first = cycle.iter().position(|(node, _)| self.names[*node as usize] != NONE).unwrap_or(0);
        let mut named: Vec<(u32, Edge)> = Vec::new();
        let mut version = NONE;
        for (node, edge) in cycle.iter().cycle().skip(first).take(cycle.len()) {
            if self.names[*node as usize] != NONE {
                version = self.names[*node as usize];
            }
            let to = self.names[edge.to as usize];
            if to != NONE {
                named.push((version, Edge { to, ..*edge }));
            }
        }
        named
    }
}

fn tell(evidence: &Evidence<'_>, rule: Rule, key: u32, contradiction: &Contradiction) -> Anomaly {
    let (history, event) = (evidence.history, |node: u32| evidence.trace.events[node as usize]);
    let mut relations: Vec<Relation> = Vec::new();
    let mut operations = Vec::new();
    let explanation = match contradiction {
        Contradiction::Nothing { earlier, later } => {
            let (a, b) = (event(*earlier), event(*later));
            operations.extend([a, b]);
            let reason = format!("{} did #{a} before #{b}", words::who(history, b));
            relations.push(Relation { from: a, to: b, kind: RelationKind::Process, reason });
            format!("{}, and then {}: a contradiction.", words::told(history, a), words::did(history, b))
        }
        Contradiction::Cycle(cycle) => {
            for (version, edge) in cycle {
                let (from, to) = (event(*version), event(edge.to));
                let (a, b) = (event(edge.earlier), event(edge.later));
                operations.extend([from, a, b, to]);
                let reason = why(rule, &words::who(history, b), [from, to, a, b]);
                relations.push(Relation { from, to, kind: RelationKind::Ww, reason });
            }
            let reasons: Vec<&str> = relations.iter().map(|relation| relation.reason.as_str()).collect();
            let object = match history.key_name(KeyId(key)) {
                histories::Scalar::Null => String::new(),
                name => format!(" of {name}"),
            };
            format!("No order of the versions{object} will do: {}: a contradiction.", reasons.join("; "))
        }
    };
    let mut known = FxHashSet::default();
    operations.retain(|operation| known.insert(*operation));
    let kind = rule.anomaly().name().to_owned();
    Anomaly { kind, key: evidence.key_name(key), operations, relations, explanation }
}

fn why(rule: Rule, who: &str, [from, to, earlier, later]: [u32; 4]) -> String {
    let after = format!("#{from} comes before #{to}, because {who}");
    match rule {
        _ if later == to && earlier == from => format!("{after} wrote both, in this order"),
        Rule::MonotonicReads => format!("{after} read it (#{earlier}) and then the other one (#{later})"),
        Rule::ReadYourWrites => format!("{after} wrote it and then read the other one (#{later})"),
        Rule::MonotonicWrites => format!("{after} wrote both, in this order"),
        Rule::WritesFollowReads => format!("{after} had read it (#{earlier}) before it wrote #{later}"),
    }
}
