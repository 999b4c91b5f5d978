//! Transactional histories: version orders, dependencies, and the anomalies of Adya and Elle.

mod components;
mod edges;
mod groups;
pub mod list_append;
pub mod predicate;
mod reading;
pub mod rw_register;
mod telling;
