//! Which anomalies are looked for: what nobody looks for is not absent because it was not found.
//!
//! Every analyzer has its own kinds. Asked for the absence of another one it has nothing to say, and that is a doubt. Some
//! kinds of Adya are definitions of a level and are never reported by themselves (`G-update`, `G-MSR`, `G-monotonic` of lists, …). Each
//! is a cycle with an anti-dependency, so:
//!
//! - where no such cycle is found there is none;
//! - where the question prohibits the wider kind that holds it, finding none of those is enough (every `G-monotonic` is a `G-single`);
//! - where neither is so, one of the cycles that were found may be one: a doubt.
//!
//! ```text
//!   update-serializable   forbids G1 and G-update
//!   found: G2-item        two writers that each missed the other, so it is one; among readers only it would not be
//! ```

use std::collections::BTreeSet;

use super::judge::Lens;
use super::{Found, Question, Workload};
use crate::models::{self, AnomalyType, cycle_spec};

use AnomalyType::*;

/// Kinds that are never reported by themselves, each with kinds that settle it: where one of these is sought and
/// prohibited, its absence says that the other is absent as well.
const WITHIN: &[(AnomalyType, &[AnomalyType])] = &[
    (GCursor, &[LostUpdate, GSingleItem]),
    (GMonotonic, &[GSingle]),
    (GMonotonicProcess, &[GSingleProcess]),
    (GMsr, &[GNonadjacent]),
    (GSi, &[GNonadjacent]),
    (GSiB, &[GSingle]),
    (GUpdate, &[G2]),
    (WriteSkew, &[G2Item]),
];

/// What nobody looked for, as doubts.
pub(super) fn doubts(workload: Workload, lenses: &BTreeSet<Lens>, question: &Question, found: &Found) -> Vec<String> {
    let sought = |kind: AnomalyType| lenses.iter().any(|lens| seeks(workload, *lens, kind));
    let prohibited = models::prohibited(&question.models, &question.anomalies);
    let anti = found.groups.keys().find(|kind| is_anti(**kind));
    let mut doubts = Vec::new();
    for kind in prohibited.iter().copied().filter(|kind| !sought(*kind)) {
        let asked = question.anomalies.contains(&kind);
        match WITHIN.iter().find(|(named, _)| *named == kind) {
            Some((_, wider)) if wider.iter().any(|w| prohibited.contains(w) && sought(*w)) => {}
            Some(_) if sought(G2Item) => doubts.extend(anti.map(|anti| {
                format!("{kind} is not looked for by itself: whether the {anti} that was found is one is not known.")
            })),
            _ if asked && !is_sum(kind) => {
                doubts.push(format!("Nothing here looks for {kind} in a {workload} history."));
            }
            _ => {}
        }
    }
    doubts
}

/// A kind that is there wherever one of its parts is.
fn is_sum(kind: AnomalyType) -> bool {
    matches!(kind, G1 | G1Process | G1Realtime)
}

/// A cycle with an anti-dependency.
fn is_anti(kind: AnomalyType) -> bool {
    cycle_spec(kind).is_some() && !matches!(kind, G0 | G0Process | G0Realtime | G1c | G1cProcess | G1cRealtime)
}

/// Whether this lens finds every anomaly of this kind that the history shows.
fn seeks(workload: Workload, lens: Lens, kind: AnomalyType) -> bool {
    match lens {
        Lens::Own => own(workload, kind),
        Lens::Sessions => sessions(kind),
        Lens::Objects => {
            kind == Nonlinearizable || (workload == Workload::ListAppend && own(Workload::AppendLog, kind))
        }
        Lens::Transactions => own(Workload::RwRegister, kind),
        Lens::Prefix => matches!(kind, NotPrefix | LongFork),
        Lens::PrefixOfTransactions => kind == NotPrefixProcess,
        Lens::Transactional => matches!(
            kind,
            GMonotonic
                | GMonotonicProcess
                | FracturedRead
                | NotCausal
                | FutureRead
                | GarbageRead
                | Internal
                | G1a
                | G1b
        ),
        Lens::Sequential => kind == Nonsequential,
    }
}

fn own(workload: Workload, kind: AnomalyType) -> bool {
    use Workload as W;
    let cycle = cycle_spec(kind).is_some();
    match workload {
        W::ListAppend => cycle || LISTS.contains(&kind),
        W::RwRegister => cycle || matches!(kind, G1a | G1b | GarbageRead | Internal | LostUpdate | CyclicVersions),
        W::Predicate => cycle || matches!(kind, G1a | GarbageRead | PredicateReadMiss),
        W::Register | W::CasRegister | W::MultiRegister | W::KeyValue => kind == Nonlinearizable,
        W::Lock => matches!(kind, Nonlinearizable | DoubleAcquire | OldToken),
        W::Set => matches!(
            kind,
            DuplicateElements | G1a | LostElement | ResurrectedElement | StaleElement | UnexpectedElement
        ),
        W::MembershipSet => {
            matches!(kind, Nonlinearizable | DuplicateElements | LostElement | UnexpectedElement)
        }
        W::Counter => kind == OutOfBounds,
        W::FifoQueue | W::PriorityQueue | W::Stack => {
            matches!(kind, Nonlinearizable | DoubleDequeue | UnexpectedElement)
        }
        W::Queue => matches!(kind, Nonlinearizable | DoubleDequeue | LostItem | UnexpectedElement),
        W::AppendLog => matches!(kind, Nonlinearizable | DuplicateElements | IncompatibleOrder | UnexpectedElement),
        W::Bank => matches!(kind, MissingKey | NegativeBalance | UnexpectedKey | WrongTotal),
        W::LongFork => matches!(kind, LongFork | GarbageRead | G1a),
        W::UniqueIds => kind == DuplicateId,
        W::Sessions => sessions(kind),
    }
}

const LISTS: &[AnomalyType] = &[
    DirtyUpdate,
    DuplicateElements,
    FutureRead,
    G1a,
    G1b,
    GarbageRead,
    IncompatibleOrder,
    Internal,
    LostAppend,
    LostUpdate,
];

fn sessions(kind: AnomalyType) -> bool {
    matches!(
        kind,
        CyclicCf
            | CyclicCo
            | CyclicHb
            | DuplicateElements
            | Nonpram
            | ThinAirRead
            | WriteCoInitRead
            | WriteCoRead
            | WriteHbInitRead
            | NonMonotonicRead
            | NonMonotonicWrites
            | NotReadYourWrites
            | NotWritesFollowReads
    )
}
