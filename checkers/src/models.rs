//! Consistency models and anomalies as data: what implies what, what prohibits what, and what a set of anomalies rules
//! out.

mod anomaly;
mod model;

pub use anomaly::AnomalyType;
pub use model::Model;
