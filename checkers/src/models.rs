//! Consistency models and anomalies as data: what implies what, what prohibits what, and what a set of anomalies rules
//! out.

mod anomaly;
mod cycles;
mod model;

pub use anomaly::AnomalyType;
pub use cycles::{CYCLE_SPECS, CycleSpec, classify, cycle_spec};
pub use model::Model;
