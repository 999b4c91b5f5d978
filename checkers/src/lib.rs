//! History to verdict. Pure: no clock, no randomness, no files, no async, no knowledge of the harness.
//!
//! - [`mod@checker`]: what a checker is: a fold over a history that may still be growing.
//! - [`finding`]: what a checker says: observed, anomalies, evidence.
//! - [`graph()`]: the evidence as a graph, and [`dot`] of it.
//! - [`minimal`]: the fewest operations that still show an anomaly; [`mod@svg`]: a picture of them.
//! - [`registry`]: all checkers, and [`check`], which runs them over a recorded history.
//!
//! Whole histories at once, under a question and a budget:
//! - [`analysis`]: what is asked, what is answered; [`budget`]: how much it may take.
//! - [`models`]: consistency models and anomalies as data.
//! - [`graphs`]: dependency graphs and the cycles in them; [`transactions`]: where they come from.
//! - [`whole`]: the guarantees that are judged at the end of a history of mixed objects.
//! - [`linearizability`], [`weak`], [`classic`]: everything that is no transaction.
//!
//! One module for each guarantee, each with its definition, its decisions and its limits:
//! [`durability`], [`read_your_writes`], [`monotonic_reads`], [`monotonic_writes`], [`writes_follow_reads`],
//! [`consistent_prefix`], [`convergence`], [`counter_bounds`], [`recovery`], [`liveness`].

#![forbid(unsafe_code)]

pub mod analysis;
pub mod budget;
pub mod checker;
pub mod classic;
pub mod consistent_prefix;
pub mod convergence;
pub mod counter_bounds;
pub mod durability;
pub mod finding;
mod fold;
mod graph;
pub mod graphs;
pub mod linearizability;
pub mod liveness;
pub mod minimal;
pub mod models;
pub mod monotonic_reads;
pub mod monotonic_writes;
pub mod read_your_writes;
pub mod recovery;
pub mod registry;
pub mod svg;
pub mod transactions;
pub mod weak;
pub mod whole;
pub mod writes_follow_reads;

pub use analysis::{Analysis, Answer, Assumptions, Found, Group, Question, Workload};
pub use budget::{Budget, Exhausted, Meter};
pub use checker::{About, Checker};
pub use finding::{Anomaly, Finding, Observed, Relation, RelationKind};
pub use graph::{dot, graph, name as relation_name};
pub use minimal::{Minimal, Shrinker};
pub use models::{AnomalyType, Model};
pub use registry::{CheckConfig, about, all, check, checker, run, seen_only_at_the_end};
pub use svg::{Drawn, svg};
