//! Guarantees that are judged at the end, over the whole of a history: linearizability, causal consistency, PRAM and
//! transactional isolation.
//!
//! A recorded history mixes objects of several kinds. Each kind is a [part](crate::analysis::parts()) and has its own
//! analyzers; a guarantee is violated if one part has an anomaly that its model prohibits, held if at least one part
//! could be judged and none has, unknown if a part could not be judged to its end. What one analyzer finds serves every
//! guarantee that looks at the same part, so nothing is computed twice.

mod watch;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use histories::{Guarantee, History, Kind};

use crate::analysis::{self, Assumptions, Found, Part, Question, Workload};
use crate::budget::{Budget, Exhausted};
use crate::checker::About;
use crate::finding::{Finding, Observed};
use crate::fold::words::count;
use crate::models::{self, AnomalyType, Model};

pub(crate) use watch::AtTheEnd;

/// What such a guarantee is called among the models; `None` for one that is observed event by event.
pub fn model(guarantee: Guarantee) -> Option<Model> {
    Some(match guarantee {
        Guarantee::Pram => Model::Pram,
        Guarantee::Causal => Model::CausalMemory,
        Guarantee::Linearizable => Model::Linearizable,
        Guarantee::ReadCommitted => Model::ReadCommitted,
        Guarantee::SnapshotIsolation => Model::SnapshotIsolation,
        Guarantee::Serializable => Model::Serializable,
        Guarantee::StrictSerializable => Model::StrongSerializable,
        _ => return None,
    })
}

/// What the checker of such a guarantee says about itself.
pub fn about(guarantee: Guarantee) -> Option<About> {
    let about = |definition, source, needs, does_not_detect| About {
        guarantee,
        definition,
        source,
        anomalies: &[],
        does_not_detect,
        needs,
    };
    let transactions = "Transactions (`txn`) that read and append to lists, or that read and write registers.";
    let orders = "Of registers whose writes nobody read between, the order of versions is not known, and anomalies \
                  that need it are not found; appends to lists show their order.";
    Some(match guarantee {
        Guarantee::Pram => about(
            "For each session there is an order of everybody's writes and its own reads in which every read finds the \
             last write, and which agrees with the order of every session.",
            "Lipton and Sandberg, *PRAM: A scalable shared memory* (1988).",
            "Reads and writes of registers, or reads of lists and appends, by at least two sessions; distinct values.",
            "Values that were written twice to one key: such keys are left out and counted.",
        ),
        Guarantee::Causal => about(
            "As PRAM, in an order that also agrees with what was read: whoever has seen an effect has seen its causes.",
            "Ahamad et al., *Causal memory* (1995); Bouajjani, Enea, Guerraoui and Hamza, *On verifying causal \
             consistency* (POPL 2017).",
            "As for PRAM.",
            "Values that were written twice to one key: such keys are left out and counted.",
        ),
        Guarantee::Linearizable => about(
            "Every operation on one object takes effect at one point between its invocation and its completion.",
            "Herlihy and Wing, *Linearizability* (TOPLAS 1990).",
            "Operations on single objects: registers, lists, sets, counters, queues, stacks, locks.",
            "Objects that transactions work on are judged by strict serializability instead.",
        ),
        Guarantee::ReadCommitted => about(
            "Transactions read what was committed, and only final versions of it; versions and reads have no cycle.",
            "Adya, *Weak consistency* (1999), PL-2.",
            transactions,
            orders,
        ),
        Guarantee::SnapshotIsolation => about(
            "Every transaction reads from a snapshot, and two that overlap do not write the same object.",
            "Adya, *Weak consistency* (1999), PL-SI; Cerone, Bernardi and Gotsman (CONCUR 2015).",
            transactions,
            orders,
        ),
        Guarantee::Serializable => about(
            "Transactions take effect as if one after the other.",
            "Adya, *Weak consistency* (1999), PL-3.",
            transactions,
            orders,
        ),
        Guarantee::StrictSerializable => about(
            "Transactions take effect as if one after the other, each at a point between its invocation and its \
             completion.",
            "Adya, *Weak consistency* (1999), PL-SS; Herlihy and Wing (1990).",
            transactions,
            orders,
        ),
        _ => return None,
    })
}

/// What can be said of whole histories.
#[derive(Clone, Debug, Default)]
pub struct Whole {
    /// One finding for each guarantee that is judged at the end, in the order of [`Guarantee::ALL`].
    pub findings: Vec<Finding>,
    /// The weakest models that are ruled out by any part.
    pub not: Vec<Model>,
    /// All stronger models, which are ruled out too.
    pub also_not: Vec<Model>,
    /// Models that are ruled out and that Elle, whose lists those two are, never names.
    pub besides: Vec<Model>,
}

/// What was found in one part by one way to look at it.
struct Seen {
    part: Part,
    by: Lens,
    found: Found,
    /// Whether any of its operations succeeded.
    ended_well: bool,
}

/// A way to look at a part: which guarantees it can decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Lens {
    /// Real-time order of operations on single objects.
    Linear,
    /// Order of sessions.
    Sessions,
    /// Transactions.
    Transactions,
}

impl Lens {
    fn of(guarantee: Guarantee) -> Option<Lens> {
        Some(match guarantee {
            Guarantee::Linearizable => Lens::Linear,
            Guarantee::Pram | Guarantee::Causal => Lens::Sessions,
            Guarantee::ReadCommitted
            | Guarantee::SnapshotIsolation
            | Guarantee::Serializable
            | Guarantee::StrictSerializable => Lens::Transactions,
            _ => return None,
        })
    }
}

/// Judges these guarantees over a whole history.
pub fn whole(history: &History, guarantees: &[Guarantee], budget: &Budget<'_>) -> Whole {
    let lenses: BTreeSet<Lens> = guarantees.iter().filter_map(|g| Lens::of(*g)).collect();
    let (mut seen, mut left_out) = (Vec::new(), Vec::new());
    for part in analysis::parts(history) {
        // Nothing is taken out of a history that is all one part.
        let own = if part.is_whole() { Cow::Borrowed(history) } else { Cow::Owned(part.of(history)) };
        for lens in &lenses {
            match look(&own, &part, *lens, budget) {
                Some(found) => seen.push(found),
                None if *lens == Lens::Linear => left_out.extend(unjudged(&part)),
                None => {}
            }
        }
    }
    let kinds: BTreeSet<AnomalyType> = seen.iter().flat_map(|s| s.found.groups.keys().copied()).collect();
    let boundary = models::boundary(&kinds.into_iter().collect::<Vec<_>>());
    let findings = guarantees.iter().filter_map(|g| Some(finding(*g, model(*g)?, &seen, &left_out))).collect();
    let models::Boundary { not, also_not, besides } = boundary;
    Whole { findings, not, also_not, besides }
}

/// What this lens shows of a part, whose history this is; `None` where it shows nothing.
fn look(history: &History, part: &Part, lens: Lens, budget: &Budget<'_>) -> Option<Seen> {
    let transactional = matches!(part.workload, Workload::ListAppend | Workload::RwRegister | Workload::Predicate);
    let single = || history.operations().all(|o| history.micros(history.payload(o.invocation)).is_empty());
    let run = |workload, models: &[Model]| {
        let question = Question { models: models.to_vec(), anomalies: Vec::new(), assume: Assumptions::default() };
        let found = analysis::look(history, workload, &question, budget);
        let ended_well = history.client_events().any(|event| history.kind(event) == Kind::Ok);
        Some(Seen { part: part.clone(), by: lens, found, ended_well })
    };
    match lens {
        Lens::Transactions if transactional && !single() => run(part.workload, &[Model::StrongSerializable]),
        Lens::Sessions if matches!(part.workload, Workload::Register | Workload::CasRegister) || transactional => {
            run(Workload::Sessions, &[Model::CausalMemory, Model::Pram])
        }
        Lens::Linear => match part.workload {
            Workload::ListAppend if single() => run(Workload::AppendLog, &[Model::Linearizable]),
            Workload::Set => run(Workload::MembershipSet, &[Model::Linearizable]),
            Workload::Queue | Workload::Bank | Workload::UniqueIds | Workload::LongFork => None,
            _ if transactional => None,
            workload => run(workload, &[Model::Linearizable]),
        },
        _ => None,
    }
}

/// The objects of a part that are not judged by themselves in real time, in words.
fn unjudged(part: &Part) -> Option<String> {
    let (one, many) = match part.workload {
        Workload::ListAppend => ("list that transactions touch", "lists that transactions touch"),
        Workload::RwRegister => ("register that transactions touch", "registers that transactions touch"),
        Workload::Predicate => ("object that transactions touch", "objects that transactions touch"),
        Workload::Queue => ("queue in no order", "queues in no order"),
        _ => return None,
    };
    Some(count(object_count(part), one, many))
}

fn object_count(part: &Part) -> u64 {
    part.keys.iter().filter(|key| **key).count() as u64
}

/// `left_out` are the objects that linearizability does not look at, in words.
fn finding(guarantee: Guarantee, model: Model, seen: &[Seen], left_out: &[String]) -> Finding {
    let prohibited = models::prohibited(&[model], &[]);
    let lens = Lens::of(guarantee);
    let seen: Vec<&Seen> = seen.iter().filter(|s| Some(s.by) == lens).collect();
    let mut groups: Vec<(&AnomalyType, &analysis::Group)> =
        seen.iter().flat_map(|s| &s.found.groups).filter(|(kind, _)| prohibited.contains(kind)).collect();
    groups.sort_by_key(|(kind, _)| kind.order());
    let violations: u64 = groups.iter().map(|(_, g)| g.count).sum();
    let doubts: Vec<&String> = seen.iter().flat_map(|s| &s.found.doubts).collect();
    let operations: u64 = seen.iter().map(|s| s.part.operation_count).sum();
    let nothing = !seen.iter().any(|s| s.ended_well);
    let observed = match (violations, operations, doubts.is_empty()) {
        (1.., _, _) => Observed::Violated,
        (0, 0, _) => Observed::NotApplicable,
        (0, _, _) if nothing => Observed::Unknown,
        (0, _, false) => Observed::Unknown,
        (0, _, true) => Observed::Held,
    };
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for (name, count) in seen.iter().flat_map(|s| &s.found.checked) {
        *counts.entry((*name).to_owned()).or_default() += count;
    }
    let summary = match observed {
        Observed::Violated => kinds(&groups),
        Observed::NotApplicable => String::new(),
        Observed::Unknown if nothing => "no operation succeeded".to_owned(),
        Observed::Unknown => {
            let exhausted = doubts.iter().find(|doubt| Exhausted::is_told_in(doubt));
            exhausted.or(doubts.first()).map(|doubt| (*doubt).clone()).unwrap_or_default()
        }
        Observed::Held => {
            let objects = seen.iter().map(|s| object_count(&s.part)).sum();
            let (operations, objects) =
                (count(operations, "operation", "operations"), count(objects, "object", "objects"));
            let without = match left_out {
                _ if guarantee != Guarantee::Linearizable => String::new(),
                [] => String::new(),
                some => format!("; not judged here: {}", some.join(", ")),
            };
            format!("{operations} on {objects}{without}")
        }
    };
    let anomalies = groups.iter().flat_map(|(_, g)| g.cases.iter().cloned()).take(Finding::KEPT).collect();
    Finding { guarantee, observed, summary, counts, violations, anomalies }
}

/// `3 × G-single-item, 1 × G2-item`, the worst first, over all parts.
fn kinds(groups: &[(&AnomalyType, &analysis::Group)]) -> String {
    let mut counts: Vec<(&AnomalyType, u64)> = Vec::new();
    for (kind, group) in groups {
        match counts.last_mut().filter(|(last, _)| last == kind) {
            Some((_, count)) => *count += group.count,
            None => counts.push((kind, group.count)),
        }
    }
    counts.iter().map(|(kind, count)| format!("{count} × {kind}")).collect::<Vec<_>>().join(", ")
}
