//! What a run leaves behind as data: `run.json` while and after it runs, `verdict.json` and the JSON on standard output.

use std::collections::BTreeMap;

use nemesis::hosts::Rung;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::plan::Plan;
use crate::verdict::{Circumstances, Judgement, Terms};

/// The version of `run.json`.
pub const RUN_FORMAT: u32 = 2;

/// `run.json`: what is needed to know what this run was, and to check it again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunFile {
    /// [`RUN_FORMAT`].
    pub format: u32,
    /// Version of the program.
    pub version: String,
    /// When it started, RFC 3339.
    pub started: String,
    /// Where it stands.
    pub status: Status,
    /// The command that runs it again.
    pub again: String,
    /// How the hosts were made; absent until they were.
    #[serde(default)]
    pub rung: Option<Rung>,
    /// What it is judged by.
    pub terms: Terms,
    /// Why there is no verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// What bears on the verdict besides the history.
    #[serde(default)]
    pub circumstances: Circumstances,
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It runs, or its controller died.
    Running,
    /// It has a verdict.
    Finished,
    /// It was stopped by hand, healed, saved and checked.
    Interrupted,
    /// The harness or its environment broke.
    Failed,
}

/// One fault: what was asked, what took effect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaultRecord {
    /// Its name.
    pub fault: String,
    /// When it was installed, milliseconds since the start.
    pub from_ms: u64,
    /// When it was healed.
    pub to_ms: Option<u64>,
    /// How much later than it was due it was all there, milliseconds.
    #[serde(default)]
    pub late_ms: u64,
    /// The same of its heal; absent when that was not in the schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heal_late_ms: Option<u64>,
    /// Why it is not known whether it was healed, where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healing: Option<String>,
    /// What was asked.
    pub asked: Json,
    /// `installed`, `skipped` or `indeterminate`, with the reason.
    pub outcome: Json,
    /// What took effect.
    pub took_effect: Json,
    /// Whether it changed nothing.
    pub inert: bool,
}

/// Client operations of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Operations {
    /// Ended `ok`.
    pub ok: u64,
    /// Ended `fail`.
    pub fail: u64,
    /// Ended `info`.
    pub info: u64,
    /// Completed operations per second of the phase with faults.
    pub per_second: f64,
    /// Began late because every process was busy.
    pub late: u64,
    /// Latency of `ok` operations, microseconds, by quantile (`p50`, `p99`, `max`).
    pub latency_us: BTreeMap<String, u64>,
}

/// `verdict.json`, and the JSON on standard output.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// [`crate::verdict::VERDICT_FORMAT`].
    pub format: u32,
    /// Verdict, reason and one row for each guarantee.
    #[serde(flatten)]
    pub judgement: Judgement,
    /// The seed; absent for a history whose run is not known.
    pub seed: Option<u64>,
    /// The run directory.
    pub run: String,
    /// The command that runs it again.
    pub again: String,
    /// Name of the system.
    pub system: String,
    /// Its options.
    pub options: BTreeMap<String, String>,
    /// Number of nodes.
    pub nodes: usize,
    /// Workloads.
    pub workloads: Vec<String>,
    /// Client operations.
    pub operations: Operations,
    /// Faults, in the order of installation.
    pub faults: Vec<FaultRecord>,
    /// Packets and lateness of the wire.
    #[serde(default)]
    pub wire: Json,
    /// What the reader should know besides: nodes that ended by themselves, operations that began late.
    pub notes: Vec<String>,
    /// Length of the run, start of the hosts to the verdict.
    pub seconds: f64,
}

impl Report {
    /// A report without figures, for histories that were only checked.
    pub fn bare(judgement: Judgement, run: String, again: String) -> Self {
        Report {
            format: crate::verdict::VERDICT_FORMAT,
            judgement,
            seed: None,
            run,
            again,
            system: String::new(),
            options: BTreeMap::new(),
            nodes: 0,
            workloads: Vec::new(),
            operations: Operations::default(),
            faults: Vec::new(),
            wire: Json::Null,
            notes: Vec::new(),
            seconds: 0.0,
        }
    }

    /// The command that shows the evidence; none for a history without a run directory.
    pub fn inspect(&self) -> Option<String> {
        (!self.system.is_empty()).then(|| format!("splitbrain inspect {}", shell_word(&self.run)))
    }

    /// With what the plan says.
    pub fn with_plan(mut self, plan: &Plan) -> Self {
        self.seed = Some(plan.seed.0);
        self.system.clone_from(&plan.system);
        self.options.clone_from(&plan.options);
        self.nodes = plan.nodes;
        self.workloads.clone_from(&plan.workloads);
        self
    }
}

/// A word as a shell takes it: quoted where it has to be.
pub fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./,=:+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
