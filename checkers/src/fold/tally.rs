//! Counting anomalies, keeping the first of them, and the finding that is made of them in the end.

use std::collections::BTreeMap;

use histories::{Guarantee, History};

use super::words;
use crate::finding::{Anomaly, Finding, Observed, Relation, RelationKind};

/// Anomalies found so far.
#[derive(Default)]
pub(crate) struct Tally {
    violations: u64,
    anomalies: Vec<Anomaly>,
}

/// Which operation of the first anomaly stands in the summary.
#[derive(Clone, Copy)]
pub(crate) enum Headline {
    First,
    Last,
}

impl Tally {
    /// Counts one anomaly; its evidence is made only while it will be kept.
    pub(crate) fn add(&mut self, evidence: impl FnOnce() -> Anomaly) {
        self.violations += 1;
        if self.anomalies.len() < Finding::KEPT {
            self.anomalies.push(evidence());
        }
    }

    pub(crate) fn violations(&self) -> u64 {
        self.violations
    }

    /// The finding that something was violated: `what` says how often, `headline` which operation is named.
    pub(crate) fn violated(
        mut self,
        history: &History,
        guarantee: Guarantee,
        what: &str,
        headline: Headline,
        counts: BTreeMap<String, u64>,
    ) -> Finding {
        self.anomalies.sort_by(|a, b| a.operations.cmp(&b.operations));
        let operation = self.anomalies.first().and_then(|a| match headline {
            Headline::First => a.operations.first(),
            Headline::Last => a.operations.last(),
        });
        let first = operation.map(|o| format!(", first: {}", words::numbered(history, *o))).unwrap_or_default();
        Finding {
            guarantee,
            observed: Observed::Violated,
            summary: format!("{what}{first}"),
            counts,
            violations: self.violations,
            anomalies: self.anomalies,
        }
    }
}

/// The finding that nothing was violated, for one of the other reasons.
pub(crate) fn clean(
    guarantee: Guarantee,
    observed: Observed,
    summary: impl Into<String>,
    counts: BTreeMap<String, u64>,
) -> Finding {
    Finding { guarantee, observed, summary: summary.into(), counts, violations: 0, anomalies: Vec::new() }
}

/// Figures by name.
pub(crate) fn counts<const N: usize>(figures: [(&str, u64); N]) -> BTreeMap<String, u64> {
    figures.into_iter().map(|(name, figure)| (name.to_owned(), figure)).collect()
}

/// A relation between two invocations.
pub(crate) fn relation(from: u32, to: u32, kind: RelationKind, reason: impl Into<String>) -> Relation {
    Relation { from, to, kind, reason: reason.into() }
}
