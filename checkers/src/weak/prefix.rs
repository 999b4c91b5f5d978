//! Consistent prefix: every read shows what some prefix of one order of all writes would show.
//!
//! Terry: *Replicated Data Consistency Explained Through Baseball* (CACM 2013), section 3, over whole histories, several keys
//! and transactions. Where the order of each key's versions is known it is a question of cycles.
//!
//! ```text
//!   session 1   wx1                       R3 shows x1 and not y1,   R4 shows y1 and not x1:
//!   session 2   wy1                       x1 ─▶ R3 ─▶ y1 ─▶ R4 ─▶ x1     a long fork
//!   session 3   rx1 ry_  (one transaction)
//!   session 4   rx_ ry1  (one transaction)
//! ```
//!
//! # What was decided
//!
//! **Cuts** ([`check`]). Each transaction is two nodes: what it reads, and what it writes. A read comes after the versions that
//! it shows and before the next version of each of these keys. A write comes after all that was completed before it was
//! invoked (acknowledged writes, and what completed reads had shown; in that are its session's), and after what its own
//! transaction read. Nothing else comes before a read: a session may go back, since that is the business of
//! monotonic reads. With a cycle there is no order of which all reads show prefixes.
//!
//! **Transactions** ([`transactional`]). The prefix consistency of Cerone, Gotsman and Yang (*Algebraic Laws for Weak
//! Consistency*, CONCUR 2017; Burckhardt et al., ECOOP 2015): `((SO ∪ WR) ; RW? ∪ WW)⁺` is irreflexive. There sessions count for
//! reads too, and time does not.
//!
//! **Known orders.** Of a list, its longest reading; a reading of which that is no continuation contradicts every
//! order; appends that nobody read come after it. Of a register that only one session writes, the order of that session. Other registers are left out, and that is
//! a doubt.
//!
//! **A reading that ends within what one transaction appended** is told apart, as `G1b`.
//!
//! **Long forks** are those cycles in which nothing but reads and versions take part: different readers see independent
//! writes in different orders.
//!
//! **Cost.** Linear: time is a chain of nodes of its own, so that "completed before it was invoked" needs two
//! edges for each transaction.

mod orders;

use histories::{History, Scalar};

use super::evidence::Evidence;
use super::order::{Parents, order, way};
use super::table::Table;
use super::trace::{self, FlawKind, Grain, INITIAL, Read, Trace};
use crate::analysis::Found;
use crate::budget::{Exhausted, Meter};
use crate::finding::{Anomaly, Relation, RelationKind};
use crate::fold::words;
use crate::models::AnomalyType;

use orders::Versions;

/// Looks for reads that show no prefix of one order. `initial` is the value of every register at the start, where that is
/// not nothing.
pub fn check(history: &History, initial: Option<&Scalar>, meter: &Meter<'_>) -> Found {
    look(history, initial, meter, true)
}

/// Looks for contradictions to the prefix consistency of transactions.
pub fn transactional(history: &History, initial: Option<&Scalar>, meter: &Meter<'_>) -> Found {
    look(history, initial, meter, false)
}

fn look(history: &History, initial: Option<&Scalar>, meter: &Meter<'_>, cuts: bool) -> Found {
    let trace = Trace::new(history, Grain::Transaction, initial);
    let mut found = Found { doubts: trace.doubts.clone(), ..Found::default() };
    let evidence = Evidence { history, trace: &trace };
    let versions = Versions::new(evidence, &mut found);
    found.checked.insert("transactions", trace.lanes.items().len() as u64);
    found.checked.insert("keys", versions.known_count());
    // Of transactions the order of sessions is part of it, so a contradiction refutes only models that keep sessions.
    let kind = if cuts { AnomalyType::NotPrefix } else { AnomalyType::NotPrefixProcess };
    flaws(&evidence, kind, &mut found);
    let mut graph = Edges { evidence, versions: &versions, kind, list: Vec::new() };
    match cuts {
        true => graph.cuts(),
        false => graph.transactions(),
    }
    if let Err(exhausted) = graph.search(meter, &mut found) {
        found.doubts.push(format!("Not everything was looked at: {exhausted}."));
    }
    found
}

/// What nobody wrote, or tried to in vain, is shown by no prefix. Other reads that are wrong by themselves have no place
/// among the versions, and are left out.
fn flaws(evidence: &Evidence<'_>, kind: AnomalyType, found: &mut Found) {
    let mut left_out = 0;
    for flaw in &evidence.trace.flaws {
        match flaw.kind {
            FlawKind::ThinAir | FlawKind::Aborted(_) => found.add(kind, || evidence.flaw(kind, flaw)),
            _ => left_out += 1,
        }
    }
    if left_out > 0 {
        let reads = words::count(left_out, "read shows", "reads show");
        found.doubts.push(format!("{reads} what its own transaction or another one had replaced by then; left out."));
    }
}

/// What a node of the graph stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Node {
    /// What a transaction reads; or, of [`transactional`], that it follows something.
    Reads(u32),
    /// What it writes; or it as a whole.
    Writes(u32),
    /// A moment, or the end of a key.
    Between,
}

struct Edges<'a> {
    evidence: Evidence<'a>,
    versions: &'a Versions,
    /// What a cycle is.
    kind: AnomalyType,
    list: Vec<(u32, u32)>,
}

/// Looks at parents on the search for a cycle that is told.
const LOOKS: usize = 2_000_000;

impl Edges<'_> {
    fn trace(&self) -> &Trace {
        self.evidence.trace
    }

    /// The nodes: what each transaction writes, what it reads, the moments of completion, and the ends of keys.
    fn node(&self, number: u32) -> Node {
        let count = self.trace().len() as u32;
        match number / count {
            0 => Node::Writes(number),
            1 => Node::Reads(number - count),
            _ => Node::Between,
        }
    }

    fn reads(&self, node: u32) -> u32 {
        node + self.trace().len() as u32
    }

    fn time(&self, node: u32) -> u32 {
        node + 2 * self.trace().len() as u32
    }

    /// All that is known of the order of a key's versions comes before this, and all appends that nobody read after it.
    fn end(&self, key: u32) -> u32 {
        key + 3 * self.trace().len() as u32
    }

    fn cuts(&mut self) {
        let trace = self.evidence.trace;
        for node in trace.lanes.items() {
            let reads = self.reads(*node);
            self.list.push((reads, *node));
            for read in trace.reads.of(*node) {
                // Its writes follow what it read, whether the order of the key's versions is known or not.
                if read.from != INITIAL {
                    self.list.push((read.from, *node));
                    self.list.push((read.from, reads));
                }
                self.overwritten(reads, *node, read);
            }
        }
        self.version_edges();
        self.time_edges();
    }

    /// The next version of what a node read comes after its reading.
    fn overwritten(&mut self, reading: u32, node: u32, read: &Read) {
        if !self.versions.is_known(read.key) {
            return;
        }
        match self.versions.after(read.key, read.from) {
            Some(next) if next == node => {}
            Some(next) => self.list.push((reading, next)),
            None if self.versions.last(read.key) == read.from => self.list.push((reading, self.end(read.key))),
            None => {}
        }
    }

    fn version_edges(&mut self) {
        self.list.extend(self.versions.neighbours());
        for (key, node) in self.versions.unread() {
            let (end, last) = (self.end(*key), self.versions.last(*key));
            self.list.push((end, *node));
            if last != INITIAL {
                self.list.push((last, end));
            }
        }
    }

    /// Each completion is a moment; it follows the one before, and what is invoked later follows it.
    fn time_edges(&mut self) {
        let evidence = self.evidence;
        let trace = evidence.trace;
        let completed = |node: u32| trace::completed(evidence.history, trace.events[node as usize]);
        let nodes = trace.by_completion.iter();
        let done: Vec<(u32, u32)> = nodes.filter_map(|node| Some((completed(*node)?, *node))).collect();
        for pair in done.windows(2) {
            self.list.push((self.time(pair[0].1), self.time(pair[1].1)));
        }
        for (_, node) in &done {
            self.list.push((*node, self.time(*node)));
            self.list.push((self.reads(*node), self.time(*node)));
        }
        for node in trace.lanes.items() {
            let before = done.partition_point(|(completed, _)| *completed < trace.events[*node as usize]);
            if let Some((_, last)) = before.checked_sub(1).map(|last| done[last]) {
                self.list.push((self.time(last), *node));
            }
        }
    }

    fn transactions(&mut self) {
        let trace = self.evidence.trace;
        for node in trace.lanes.items() {
            let after = self.reads(*node);
            for before in Parents::of_trace(trace).of(*node) {
                self.list.push((before, *node));
                self.list.push((before, after));
            }
            for read in trace.reads.of(*node) {
                self.overwritten(after, *node, read);
            }
        }
        self.version_edges();
    }

    fn search(&self, meter: &Meter<'_>, found: &mut Found) -> Result<(), Exhausted> {
        meter.hold(self.list.len() as u64 * 12)?;
        meter.spend(self.list.len() as u64)?;
        let parents = self.list.iter().map(|(from, to)| (*to, *from));
        let count = 3 * self.trace().len() + self.trace().key_count();
        let parents = Table::from_pairs(count, parents, 0);
        let nodes: Vec<u32> = (0..count as u32).collect();
        for component in order(&parents, &nodes).components {
            let cycle = shortest(&parents, &component);
            let forked = self.is_fork(&cycle);
            found.add(self.kind, || self.tell(self.kind, &cycle));
            if forked {
                found.add(AnomalyType::LongFork, || self.tell(AnomalyType::LongFork, &cycle));
            }
        }
        Ok(())
    }

    /// Whether at least two readers, and nothing but what they read, make the cycle.
    fn is_fork(&self, cycle: &[u32]) -> bool {
        let steps = || cycle.windows(2).map(|pair| (self.node(pair[0]), self.node(pair[1])));
        let of_versions = |(from, to): (Node, Node)| match (from, to) {
            (Node::Writes(a), Node::Reads(b)) => self.trace().reads.of(b).iter().any(|read| read.from == a),
            (Node::Reads(a), Node::Writes(b)) => a != b && self.is_overwritten(a, b),
            (Node::Writes(a), Node::Writes(b)) => self.versions.are_neighbours(a, b),
            _ => false,
        };
        steps().filter(|(from, _)| matches!(from, Node::Reads(_))).count() > 1 && steps().all(of_versions)
    }

    fn is_overwritten(&self, reader: u32, writer: u32) -> bool {
        let reads = self.trace().reads.of(reader).iter();
        reads.filter(|read| self.versions.is_known(read.key)).any(|read| {
            let unread = self.versions.last(read.key) == read.from && self.versions.is_unread(read.key, writer);
            unread || self.versions.after(read.key, read.from) == Some(writer)
        })
    }

    fn tell(&self, kind: AnomalyType, cycle: &[u32]) -> Anomaly {
        let mut relations = Vec::new();
        let mut operations = Vec::new();
        let mut before = None;
        for pair in cycle.windows(2) {
            let (from, to) = (self.node(pair[0]), self.node(pair[1]));
            if let Node::Reads(node) | Node::Writes(node) = from {
                before = Some((node, from));
            }
            let (Node::Reads(b) | Node::Writes(b), Some((a, from))) = (to, before) else { continue };
            relations.extend(self.relation(a, from, b, to));
        }
        for relation in &relations {
            for operation in [relation.from, relation.to] {
                if !operations.contains(&operation) {
                    operations.push(operation);
                }
            }
        }
        let reasons: Vec<&str> = relations.iter().map(|relation: &Relation| relation.reason.as_str()).collect();
        let explanation = format!(
            "There is no one order of writes of which every read shows a prefix: {}: a contradiction.",
            reasons.join("; ")
        );
        Anomaly { kind: kind.name().to_owned(), key: None, operations, relations, explanation }
    }

    fn relation(&self, a: u32, from: Node, b: u32, to: Node) -> Option<Relation> {
        let (history, trace) = (self.evidence.history, self.trace());
        let (x, y) = (trace.events[a as usize], trace.events[b as usize]);
        if a == b {
            return None;
        }
        let read = trace.reads.of(b).iter().any(|read| read.from == a);
        let (kind, reason) = match (from, to) {
            (_, Node::Reads(_)) | (Node::Writes(_), Node::Writes(_)) if read => (
                RelationKind::Wr,
                format!("{} showed what #{x} ({}) wrote", words::told(history, y), words::plain(history, x)),
            ),
            (Node::Reads(_), _) if self.is_overwritten(a, b) => {
                let (who, what) = (words::told(history, x), words::plain(history, y));
                (RelationKind::Rw, format!("{who} did not show what #{y} ({what}) wrote next"))
            }
            (Node::Writes(_), _) if self.versions.are_neighbours(a, b) => {
                (RelationKind::Ww, format!("#{y} wrote the version after that of #{x}"))
            }
            _ if history.session(histories::EventIndex(x)) == history.session(histories::EventIndex(y)) => {
                (RelationKind::Process, format!("{} did #{x} before #{y}", words::who(history, y)))
            }
            _ => (RelationKind::Realtime, format!("#{x} was completed before #{y} was invoked")),
        };
        Some(Relation { from: x, to: y, kind, reason })
    }
}

/// A cycle through some node of a component, the first node again at its end.
fn shortest(parents: &Table<u32>, component: &[u32]) -> Vec<u32> {
    let within = |node: u32| component.binary_search(&node).is_ok();
    let starts = component.iter().take(32);
    let ways = starts.filter_map(|node| way(parents, *node, *node, LOOKS, within));
    ways.min_by_key(Vec::len).unwrap_or_else(|| component.to_vec())
}
