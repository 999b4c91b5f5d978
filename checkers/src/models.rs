//! Consistency models and anomalies as data: what implies what, what prohibits what, and what a set of anomalies rules
//! out.
//!
//! - [`Model`], [`AnomalyType`]: the names; [`table`]: a row for each, with its meaning and its source.
//! - [`lattice`]: what follows from the rows: [`prohibited`], [`boundary`], [`worst_first`], [`needs`].
//! - [`CYCLE_SPECS`], [`classify`]: which cycle of a dependency graph proves which anomaly.

mod anomaly;
mod cycles;
pub mod lattice;
mod model;
mod notes;
pub mod table;

pub use anomaly::AnomalyType;
pub use cycles::{CYCLE_SPECS, CycleSpec, classify, cycle_spec};
pub use lattice::{Boundary, VersionOrder, boundary, boundary_under, needs, prohibited, prohibited_under, worst_first};
pub use model::Model;
pub use table::{AnomalyAbout, Example, ModelAbout, Needs, Scope};
