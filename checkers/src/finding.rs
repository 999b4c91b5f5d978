//! What a checker says: observed, anomalies, evidence. The JSON of these types is part of `verdict.json`.

use std::collections::BTreeMap;

use histories::Guarantee;
use serde::{Deserialize, Serialize};

use crate::models::AnomalyType;

/// What was observed of one guarantee.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Observed {
    /// Enough happened to judge, and nothing contradicts the guarantee.
    Held,
    /// At least one anomaly, with evidence.
    Violated,
    /// Something happened but too little to judge, or a budget ran out; the summary says what.
    Unknown,
    /// The history has no operations that this checker judges.
    NotApplicable,
}

/// What one checker found in one history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The guarantee.
    pub guarantee: Guarantee,
    /// What was observed of it.
    pub observed: Observed,
    /// One line for the verdict table: `12 acknowledged writes lost, first: #4113 append 8 ← 17`, or
    /// `48112 reads in 40 sessions`.
    pub summary: String,
    /// Figures by name, such as `acknowledged`, `lost`, `reads`.
    pub counts: BTreeMap<String, u64>,
    /// How many anomalies there are; [`Finding::anomalies`] holds the first [`Finding::KEPT`] of them.
    pub violations: u64,
    /// The anomalies with their evidence, in the order of their first operation.
    pub anomalies: Vec<Anomaly>,
}

impl Finding {
    /// How many anomalies are kept with their evidence; all are counted.
    pub const KEPT: usize = 100;
}

/// One contradiction between a history and a guarantee.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Anomaly {
    /// What kind, such as `lost-write`.
    pub kind: String,
    /// The key concerned, where there is one.
    pub key: Option<String>,
    /// The operations that prove it, by the index of their invocation, in the order of the argument.
    pub operations: Vec<u32>,
    /// How they stand to each other.
    pub relations: Vec<Relation>,
    /// The argument in plain words; a stranger to the checker understands it.
    pub explanation: String,
}

impl Anomaly {
    /// Of a kind that the tables of models know.
    pub(crate) fn new(
        kind: AnomalyType,
        key: Option<String>,
        operations: Vec<u32>,
        relations: Vec<Relation>,
        explanation: String,
    ) -> Self {
        Anomaly { kind: kind.name().to_owned(), key, operations, relations, explanation }
    }
}

/// Why one operation comes before another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Relation {
    /// Index of the invocation of the earlier operation.
    pub from: u32,
    /// Index of the invocation of the later operation.
    pub to: u32,
    /// What kind of order.
    pub kind: RelationKind,
    /// The reason in words.
    pub reason: String,
}

/// The kinds of order between two operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RelationKind {
    /// The later one's write follows the earlier one's in the order of versions.
    Ww,
    /// The later one read what the earlier one wrote.
    Wr,
    /// The later one overwrote what the earlier one read.
    Rw,
    /// Same session, earlier and later.
    Process,
    /// The earlier one was completed before the later one was invoked.
    Realtime,
}
