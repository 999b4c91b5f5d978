//! What people see in the terminal: tables, evidence, timelines. Colour vanishes where it is not wanted (pipes,
//! `NO_COLOR`).

pub mod analysis;
pub mod evidence;
pub mod report;
pub mod staleness;
pub mod style;
pub mod table;
pub mod timeline;
pub mod verdicts;
