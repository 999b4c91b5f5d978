//! The specimens in simulated clusters, under storms of faults, judged by what they promise: many seeds a second, with the workloads,
//! the contracts and the checkers of a run on real processes.

#[allow(dead_code, reason = "each specimen uses a part of it")]
mod storm;

mod multi_leader;
