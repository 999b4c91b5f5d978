//! Exactly once: no increment counts twice, no element stands twice, nothing that was removed comes back.
//!
//! A client that retries, or a log that is replayed, may apply an operation a second time. That shows as an element that
//! stands more often in a list or set than operations may have put it there; as a counter above the sum of all increments
//! that can have happened by then; as a removed element that all final reads show. Those are the accounts that
//! [`durability`](crate::durability) and [`counter_bounds`](crate::counter_bounds) keep; here they answer for a
//! whole history, by the names of the anomalies.
//!
//! # What it does not detect
//!
//! What these two do not: an increment that was applied twice while another one of unknown outcome was not applied, and
//! values of counters within the bounds. That something was applied *less* than once is a loss, and theirs to tell.

use histories::{Guarantee, History};

use crate::analysis::Found;
use crate::models::AnomalyType;
use crate::registry::{CheckConfig, checker, run};

/// For each guarantee the kinds of its anomalies that are told here, and under which name.
const KINDS: [(Guarantee, &[(&str, AnomalyType)]); 2] = [
    (
        Guarantee::Durability,
        &[("duplicate-elements", AnomalyType::DuplicateElements), ("resurrected", AnomalyType::ResurrectedElement)],
    ),
    (Guarantee::CounterBounds, &[("counter-too-high", AnomalyType::OutOfBounds)]),
];

/// Looks for what happened more than once. Each finding keeps its first [`crate::Finding::KEPT`] anomalies of any kind;
/// where there are more, a doubt says so.
pub fn check(history: &History) -> Found {
    let config = CheckConfig::default();
    let checkers = KINDS.iter().map(|(guarantee, _)| checker(*guarantee, &config)).collect();
    let mut found = Found::default();
    for (finding, (_, kinds)) in run(history, checkers).into_iter().zip(KINDS) {
        for anomaly in &finding.anomalies {
            if let Some((_, kind)) = kinds.iter().find(|(name, _)| *name == anomaly.kind) {
                let renamed = || crate::Anomaly { kind: kind.name().to_owned(), ..anomaly.clone() };
                found.add(*kind, renamed);
            }
        }
        if finding.violations > finding.anomalies.len() as u64 {
            found.doubts.push(format!(
                "Of {} anomalies of {} only the first {} were looked at.",
                finding.violations,
                finding.guarantee,
                finding.anomalies.len()
            ));
        }
    }
    found.checked.insert("operations", history.operations().count() as u64);
    found
}
