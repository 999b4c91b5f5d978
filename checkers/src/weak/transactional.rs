//! Read committed, read atomic and causal consistency, for transactions on registers whose written values are distinct.
//!
//! The three levels share one axiom (Biswas, Enea: *On the Complexity of Checking Transactional Consistency*, OOPSLA 2019):
//! there is one *commit order* of all transactions that extends the order of each session and of reading from, and
//!
//! ```text
//!              wr: x
//!        t1 ───────────▶ t3           whenever t3 reads x from t1, and another t2 that writes x
//!         ▲              ▲            is φ-before that read, t2 commits before t1
//!         └── t2 ────────┘
//!                 φ
//!
//!   read committed   φ:  t3 had read something from t2 before it read x
//!   read atomic      φ:  t3 follows t2 in its session, or reads from it
//!   causal           φ:  any chain of sessions and reads
//! ```
//! Before anything is there the initial state was committed, which no t2 precedes.
//!
//! # What was decided
//!
//! **Read committed forbids more than dirty reads.** A transaction that has seen t2 must not see x older than t2 has it
//! afterwards. That is monotonic (atomic) view to others, and so it is called `G-monotonic` here (Adya 1999), while reads of
//! what failed (`G1a`), of what was replaced before it was committed (`G1b`) and cycles of reads alone (`G1c`) are
//! contradictions of the read committed of Adya as well. With sessions in the cycle it is a `G1c-process`.
//!
//! **Read atomic looks at direct predecessors only**, `so ∪ wr`, not at chains of them. Tools that take chains reject what
//! is allowed.
//!
//! **Inside a transaction.** Whoever has written x reads that, be it replaced afterwards or not; anything else is
//! `internal`, whatever it read before. What it wrote itself only later is `future-read`. Reading one key twice from different
//! transactions contradicts read atomic, and not read committed.
//!
//! **Cost.** Read committed and read atomic look, for each transaction and each that it reads from, at the smaller
//! of what the one reads and the other writes: n^1.5 steps for n operations at worst, which is the best possible (Møldrup,
//! Pavlogiannis: *AWDIT*, PLDI 2025), and nearly always n. What is found is held against a guessed order
//! (`repair`). Causal consistency is in `causal`.
//!
//! # What it does not detect
//!
//! Elements missing in the middle of a list: of a list the last element counts, as if it were a register. Reads by
//! predicate. What `info` transactions read.

use histories::{History, Scalar};

use super::causal::{self, Suspect};
use super::evidence::Evidence;
use super::order::{Order, Parents, order};
use super::repair::{Knot, ROUNDS, Wanted, repair};
use super::trace::{Flaw, FlawKind, Grain, Trace};
use crate::analysis::Found;
use crate::budget::{Exhausted, Meter};
use crate::finding::{Anomaly, RelationKind};
use crate::models::AnomalyType;

mod direct;

use direct::Direct;

/// How much a transaction must have seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// Contradicted by [`AnomalyType::GMonotonic`] and by whatever contradicts all three.
    ReadCommitted,
    /// Contradicted by [`AnomalyType::FracturedRead`] and by whatever contradicts read committed.
    ReadAtomic,
    /// Contradicted by [`AnomalyType::NotCausal`] and by whatever contradicts read atomic.
    Causal,
}

impl Level {
    /// All of them.
    pub const ALL: &'static [Level] = &[Level::ReadCommitted, Level::ReadAtomic, Level::Causal];

    /// The anomaly that contradicts this level and not the one below.
    pub fn anomaly(self) -> AnomalyType {
        match self {
            Level::ReadCommitted => AnomalyType::GMonotonic,
            Level::ReadAtomic => AnomalyType::FracturedRead,
            Level::Causal => AnomalyType::NotCausal,
        }
    }
}

/// Looks at a history for what contradicts these levels. `initial` is the value of every register at the start, where that
/// is not nothing.
pub fn check(history: &History, levels: &[Level], initial: Option<&Scalar>, meter: &Meter<'_>) -> Found {
    let trace = Trace::new(history, Grain::Transaction, initial);
    let evidence = Evidence { history, trace: &trace };
    let mut looking = Looking { evidence, found: evidence.begin("transactions", kind_of), meter };
    if let Err(exhausted) = looking.look(levels) {
        looking.found.doubts.push(format!("Not everything was looked at: {exhausted}."));
    }
    looking.found
}

struct Looking<'a> {
    evidence: Evidence<'a>,
    found: Found,
    meter: &'a Meter<'a>,
}

impl Looking<'_> {
    fn look(&mut self, levels: &[Level]) -> Result<(), Exhausted> {
        let trace = self.evidence.trace;
        let Order { nodes, components } = order(&Parents::of_trace(trace), &trace.by_completion);
        if !components.is_empty() {
            self.circular(&components);
            return Ok(());
        }
        let mut levels = levels.to_vec();
        levels.sort_unstable();
        levels.dedup();
        for level in levels {
            match level {
                Level::Causal => self.causal(&nodes)?,
                _ => self.direct(level, &nodes)?,
            }
        }
        Ok(())
    }

    /// Transactions that read from one another in a circle, with the help of sessions or without.
    fn circular(&mut self, components: &[Vec<u32>]) {
        let evidence = self.evidence;
        let reads = Parents { sessions: false, ..Parents::of_trace(evidence.trace) };
        let by_reads = order(&reads, &evidence.trace.by_completion).components;
        for component in &by_reads {
            self.found.add(AnomalyType::G1c, || evidence.circle(AnomalyType::G1c, component, &[], false));
        }
        for component in components {
            if !by_reads.iter().any(|other| component.binary_search(&other[0]).is_ok()) {
                let kind = AnomalyType::G1cProcess;
                self.found.add(kind, || evidence.cycle(kind, component, &[]));
            }
        }
    }

    fn direct(&mut self, level: Level, nodes: &[u32]) -> Result<(), Exhausted> {
        let (trace, meter) = (self.evidence.trace, self.meter);
        let mut direct = Direct::new(trace, level);
        let first = direct.look(nodes, Wanted::Broken, meter)?;
        let initial = std::mem::take(&mut direct.initial);
        let knots = match initial.is_empty() {
            true => {
                repair(trace, nodes.to_vec(), first, ROUNDS, meter, |nodes, wanted| direct.look(nodes, wanted, meter))?
            }
            false => Vec::new(),
        };
        self.tell(level, &initial, &knots);
        Ok(())
    }

    fn causal(&mut self, nodes: &[u32]) -> Result<(), Exhausted> {
        let contradictions = causal::check_in(self.evidence.trace, nodes.to_vec(), true, self.meter)?;
        self.tell(Level::Causal, &contradictions.initial, &contradictions.conflicts);
        let evidence = self.evidence;
        for suspect in &contradictions.overwritten {
            self.found.add(AnomalyType::NotCausal, || evidence.missed(AnomalyType::NotCausal, suspect));
        }
        Ok(())
    }

    fn tell(&mut self, level: Level, initial: &[Suspect], knots: &[Knot]) {
        let (evidence, kind) = (self.evidence, level.anomaly());
        for suspect in initial {
            self.add(kind, || evidence.missed(kind, suspect));
        }
        for (component, conflicts) in knots {
            self.add(kind, || evidence.cycle(kind, component, conflicts));
        }
    }

    /// A contradiction that needs the order of a session refutes less than one that does not.
    fn add(&mut self, kind: AnomalyType, case: impl FnOnce() -> Anomaly) {
        if kind != AnomalyType::GMonotonic {
            return self.found.add(kind, case);
        }
        let case = case();
        let kind = match case.relations.iter().any(|r| r.kind == RelationKind::Process) {
            true => AnomalyType::GMonotonicProcess,
            false => kind,
        };
        self.found.add(kind, || Anomaly { kind: kind.name().to_owned(), ..case });
    }
}

fn kind_of(flaw: &Flaw) -> AnomalyType {
    match flaw.kind {
        FlawKind::ThinAir => AnomalyType::GarbageRead,
        FlawKind::Aborted(_) => AnomalyType::G1a,
        FlawKind::Intermediate(_) => AnomalyType::G1b,
        FlawKind::Internal => AnomalyType::Internal,
        FlawKind::Future => AnomalyType::FutureRead,
        FlawKind::Twice => AnomalyType::DuplicateElements,
    }
}
