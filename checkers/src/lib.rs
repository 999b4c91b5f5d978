//! History to verdict. Pure: no clock, no randomness, no files, no async, no knowledge of the harness.
//!
//! - [`checker`]: what a checker is: a fold over a history that may still be growing.
//! - [`finding`]: what a checker says: observed, anomalies, evidence.

#![forbid(unsafe_code)]

pub mod checker;
pub mod finding;

pub use checker::{About, Checker};
pub use finding::{Anomaly, Finding, Observed, Relation, RelationKind};
