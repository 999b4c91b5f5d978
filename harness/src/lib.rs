//! One run from seed to verdict, and the `splitbrain` command.
//!
//! - [`workloads`]: where operations come from.
//! - [`plan`]: everything that is decided before a run starts.
//! - [`run`]: from the plan to the verdict.
//! - [`analyses`]: what is judged over the whole of a history.
//! - [`verdict`]: what was promised against what was observed.
//! - [`report`]: what a run leaves behind as data; [`rundir`]: where.
//! - [`render`]: what people see in the terminal.
//! - [`evidence`]: the evidence of anomalies as files.
//! - [`scorecard`]: how many planted bugs are found, and how many false alarms there are.
//! - [`cli`]: the command.
//! - [`failure`], [`suggest`], [`clock`]: exit codes, the nearest right name, the one place with wall-clock time.

#![forbid(unsafe_code)]

pub mod analyses;
pub mod cli;
pub mod clock;
pub mod evidence;
pub mod failure;
pub mod plan;
pub mod render;
pub mod report;
pub mod run;
pub mod rundir;
pub mod scorecard;
pub mod suggest;
pub mod verdict;
pub mod workloads;
