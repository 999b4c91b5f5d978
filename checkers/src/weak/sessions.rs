//! Reads and writes by sessions: causal consistency in its three forms, PRAM, and the four session guarantees.
//!
//! ```text
//!   guarantees of sessions  ◀──  PRAM  ◀──  causal memory (CM)  ──▶  causal consistency (CC)
//!                                          causal convergence (CCv)  ──▶  causal consistency (CC)
//! ```
//! Each arrow leads to what is implied. The definitions stand in `causal`,
//! `memory` and `guarantees`; what counts as a session, and what becomes of
//! writes of unknown outcome and of values written twice, in `trace`. A transaction counts as its
//! steps one after the other, a compare-and-set as a read and a write.
//!
//! A contradiction is named after the weakest form that it contradicts, and is not repeated for the stronger ones: where
//! CC does not hold, no `CyclicCF`, `CyclicHB` or `WriteHBInitRead` is looked for.

use histories::{History, Scalar};

use super::causal::{self, Contradictions, Suspect};
use super::evidence::Evidence;
use super::guarantees;
use super::memory::{self, Base, Impossible};
use super::order::{Parents, order};
use super::trace::{Flaw, FlawKind, Grain, Trace};
use crate::analysis::{Found, Question};
use crate::budget::{Budget, Exhausted, Meter};
use crate::models::{AnomalyType, Model};

/// What to look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Levels {
    /// The four session guarantees.
    pub guarantees: bool,
    /// PRAM.
    pub pram: bool,
    /// Causal consistency.
    pub causal: bool,
    /// Causal convergence, and with it causal consistency.
    pub convergence: bool,
    /// Causal memory, and with it causal consistency.
    pub memory: bool,
}

impl Levels {
    /// Everything.
    pub const ALL: Levels = Levels { guarantees: true, pram: true, causal: true, convergence: true, memory: true };
    /// Nothing.
    pub const NONE: Levels =
        Levels { guarantees: false, pram: false, causal: false, convergence: false, memory: false };

    /// What a question needs; everything, where it asks for nothing that is known here.
    pub fn of(question: &Question) -> Levels {
        let mut levels = Levels::NONE;
        for model in &question.models {
            match model {
                Model::MonotonicReads | Model::MonotonicWrites | Model::ReadYourWrites | Model::WritesFollowReads => {
                    levels.guarantees = true
                }
                Model::Pram => levels.pram = true,
                Model::Causal | Model::CausalCerone => levels.causal = true,
                Model::CausalMemory => levels.memory = true,
                Model::CausalConvergence => levels.convergence = true,
                _ => levels = Levels::ALL,
            }
        }
        if levels == Levels::NONE || !question.anomalies.is_empty() { Levels::ALL } else { levels }
    }
}

/// Looks at a history for everything that the question needs.
pub fn check(history: &History, question: &Question, budget: &Budget<'_>) -> Found {
    levels(history, Levels::of(question), question.assume.initial.as_ref(), &Meter::new(budget))
}

/// Looks at a history for these levels. `initial` is the value of every register at the start, where that is not nothing.
pub fn levels(history: &History, levels: Levels, initial: Option<&Scalar>, meter: &Meter<'_>) -> Found {
    let trace = Trace::new(history, Grain::Operation, initial);
    let evidence = Evidence { history, trace: &trace };
    let mut looking = Looking { evidence, found: evidence.begin("operations", kind_of), meter };
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
    fn look(&mut self, levels: Levels) -> Result<(), Exhausted> {
        let trace = self.evidence.trace;
        if levels.guarantees {
            guarantees::check(&self.evidence, &mut self.found);
        }
        if levels.causal || levels.convergence || levels.memory {
            let contradictions = causal::check(trace, levels.convergence, self.meter)?;
            self.causal(&contradictions);
            if levels.memory && !contradictions.is_not_causal() {
                let ordered = order(&Parents::of_trace(trace), &trace.by_completion);
                let ranks = causal::ranks(trace, &ordered.nodes);
                drop(ordered);
                let impossible = memory::check(trace, Base::Causal, Some(&ranks), self.meter)?;
                self.memory(&impossible);
                if impossible.is_empty() {
                    return Ok(());
                }
            }
        }
        if levels.pram {
            for impossible in memory::check(trace, Base::Sessions, None, self.meter)? {
                let evidence = self.evidence;
                self.found.add(AnomalyType::Nonpram, || evidence.untold(AnomalyType::Nonpram, &suspect(&impossible)));
            }
        }
        Ok(())
    }

    fn causal(&mut self, contradictions: &Contradictions) {
        let (evidence, found) = (self.evidence, &mut self.found);
        for component in &contradictions.cycles {
            found.add(AnomalyType::CyclicCo, || evidence.cycle(AnomalyType::CyclicCo, component, &[]));
        }
        for suspect in &contradictions.initial {
            found.add(AnomalyType::WriteCoInitRead, || evidence.missed(AnomalyType::WriteCoInitRead, suspect));
        }
        for suspect in &contradictions.overwritten {
            found.add(AnomalyType::WriteCoRead, || evidence.missed(AnomalyType::WriteCoRead, suspect));
        }
        for (component, conflicts) in &contradictions.conflicts {
            found.add(AnomalyType::CyclicCf, || evidence.cycle(AnomalyType::CyclicCf, component, conflicts));
        }
    }

    fn memory(&mut self, impossible: &[Impossible]) {
        let evidence = self.evidence;
        for impossible in impossible {
            let initial = impossible.from == super::trace::INITIAL;
            let kind = if initial { AnomalyType::WriteHbInitRead } else { AnomalyType::CyclicHb };
            self.found.add(kind, || evidence.untold(kind, &suspect(impossible)));
        }
    }
}

fn suspect(impossible: &Impossible) -> Suspect {
    let Impossible { reader, from, missed, key } = *impossible;
    Suspect { from, missed, reader, key }
}

fn kind_of(flaw: &Flaw) -> AnomalyType {
    match flaw.kind {
        FlawKind::Twice => AnomalyType::DuplicateElements,
        _ => AnomalyType::ThinAirRead,
    }
}
