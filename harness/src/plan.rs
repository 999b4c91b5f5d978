//! The plan of a run: everything that is decided before it starts. A function of the configuration and the seed,
//! byte for byte, and nothing else: no time, no path, no machine.

use std::collections::BTreeMap;

use histories::Guarantee;
use nemesis::fault::{Fault, FaultName, expand};
use nemesis::schedule::{Liveness, Schedule};
use nemesis::seed::Seed;
use serde::{Deserialize, Serialize};

/// The version of `plan.json`.
pub const PLAN_FORMAT: u32 = 2;

/// See the [module](self).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// [`PLAN_FORMAT`].
    pub format: u32,
    /// The source of every choice.
    pub seed: Seed,
    /// Name of the system.
    pub system: String,
    /// Every option of the system, set or default.
    pub options: BTreeMap<String, String>,
    /// Number of nodes, `n1` …
    pub nodes: usize,
    /// Workloads, side by side.
    pub workloads: Vec<String>,
    /// Number of processes at a time.
    pub concurrency: usize,
    /// Objects in use at a time, per workload.
    pub key_count: usize,
    /// Operations per second over all processes (open loop); none: each process asks as soon as it has its answer
    /// (closed loop).
    pub rate: Option<u64>,
    /// Length of the phase with faults, milliseconds.
    pub duration_ms: u64,
    /// End that phase after this many operations, if that is earlier.
    pub operations: Option<u64>,
    /// How long a client waits for one answer, milliseconds.
    pub operation_timeout_ms: u64,
    /// Bound on the recovery phase, milliseconds.
    pub recovery_ms: u64,
    /// The faults asked for.
    pub faults: Vec<String>,
    /// Which fault when.
    pub schedule: Schedule,
    /// What comes after it, where a core is to be left to itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub liveness: Option<Liveness>,
    /// Guarantees promised for this run on top of the contract.
    pub required: Vec<Guarantee>,
}

impl Plan {
    /// The faults that it injects: those of the schedule, and those of the liveness phase.
    pub fn faults(&self) -> impl Iterator<Item = &Fault> {
        self.schedule.faults().chain(self.liveness.iter().flat_map(|liveness| &liveness.rest))
    }

    /// Every fault that was asked for by name or in a group, ascending; not all of them need be in the schedule.
    pub fn asked(&self) -> Vec<FaultName> {
        let names = self.faults.iter().map(|asked| asked.split_once(':').map_or(&**asked, |(name, _)| name));
        let mut asked: Vec<FaultName> = names.flat_map(|name| expand(name).unwrap_or_default()).collect();
        asked.sort_unstable();
        asked.dedup();
        asked
    }

    /// Every name under which a contract may speak of them, ascending.
    pub fn fault_names(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.faults().flat_map(Fault::names).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}
