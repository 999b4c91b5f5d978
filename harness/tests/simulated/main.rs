//! The specimens in simulated clusters, under storms of faults, judged by what they promise: many seeds a second, with the workloads,
//! the contracts and the checkers of a run on real processes.

mod chain;
mod leaderless;
mod multi_leader;
mod raft;
mod storm;
