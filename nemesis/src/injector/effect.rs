//! What one step of the nemesis asked for and what took effect.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use super::{Condition, FaultId};
use crate::data::Harm;
use crate::disk::Lost;
use crate::hosts::{Crashed, HostsError};

/// What one installation or heal did: the value of a nemesis event in the history.
///
/// ```json
/// {"id":0,"asked":{"fault":"kill-leader","targets":["n2"],"spec":{…}},"outcome":"installed",
///  "took_effect":{"processes_killed":1,"nodes":{"n2":{"was":"running","processes_killed":1}}},"inert":false}
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// The `f` of its event, and so no part of the value: the fault's name, or `heal`.
    #[serde(skip)]
    pub f: &'static str,
    /// Which fault; a heal has the id of what it heals.
    pub id: FaultId,
    /// The fault's name, the nodes it is aimed at by name, and the fault as it stands in the plan; in a heal also
    /// `heal`, the id.
    pub asked: Json,
    /// How it went.
    pub outcome: Outcome,
    /// What changed, counted as read back.
    pub took_effect: Json,
    /// Nothing was seen to change. Of a cut that is known only when it is healed; a heal speaks of its fault's whole
    /// life. An indeterminate step is inert as long as nothing proves the contrary.
    pub inert: bool,
}

/// How one step of the nemesis went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The fault is there.
    Installed,
    /// The fault is gone.
    Healed,
    /// Nothing was done; why.
    Skipped(String),
    /// It may be there in part, or not; why. What was installed so is healed like all others.
    Indeterminate(String),
}

impl Effect {
    pub(super) fn of(f: &'static str, id: FaultId, asked: Json) -> Effect {
        Effect { f, id, asked, outcome: Outcome::Skipped(String::new()), took_effect: json!({}), inert: true }
    }

    pub(super) fn skipped(self, reason: String) -> Effect {
        Effect { outcome: Outcome::Skipped(reason), ..self }
    }

    pub(super) fn took(self, outcome: Outcome, took_effect: Json, inert: bool) -> Effect {
        Effect { outcome, took_effect, inert, ..self }
    }

    /// The value of its event.
    pub fn to_json(&self) -> Json {
        serde_json::to_value(self).unwrap_or(Json::Null)
    }
}

/// What was done to the processes and the machine of nodes, counted as read back.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    pub processes_killed: usize,
    pub processes_stopped: usize,
    pub processes_ended: usize,
    pub machines_gone: usize,
    /// What disks lost.
    pub lost: Lost,
    /// What was done to data.
    pub data: Harm,
    /// Only a heal counts these.
    pub processes_running: Option<usize>,
}

impl Counts {
    /// One node was made so, and this many of its processes were hit.
    pub fn harm(to: Condition, crashed: &Crashed) -> Counts {
        let counts = Counts { lost: crashed.lost, ..Counts::default() };
        let process_count = crashed.processes;
        match to {
            Condition::Running => counts,
            Condition::Paused => Counts { processes_stopped: process_count, ..counts },
            Condition::Stopped => Counts { processes_ended: process_count, ..counts },
            Condition::Killed => Counts { processes_killed: process_count, ..counts },
            Condition::Crashed => Counts { processes_killed: process_count, machines_gone: 1, ..counts },
        }
    }

    /// Whether anything was harmed.
    pub fn is_harm(&self) -> bool {
        self.processes_killed + self.processes_ended + self.processes_stopped + self.machines_gone > 0
    }

    fn add(&mut self, other: Counts) {
        self.processes_killed += other.processes_killed;
        self.processes_stopped += other.processes_stopped;
        self.processes_ended += other.processes_ended;
        self.machines_gone += other.machines_gone;
        self.lost.bytes += other.lost.bytes;
        self.lost.files += other.lost.files;
        self.lost.names += other.lost.names;
        self.lost.kept_bytes += other.lost.kept_bytes;
        self.data = std::mem::take(&mut self.data).plus(other.data);
        if let Some(more) = other.processes_running {
            self.processes_running = Some(self.processes_running.unwrap_or(0) + more);
        }
    }

    /// Zeros of other kinds of faults are left out; `processes_running` is there whenever it was counted.
    fn to_json(&self) -> Map<String, Json> {
        let lost = |count: u64| Some(count as usize).filter(|count| *count > 0);
        let counts = [
            ("processes_killed", Some(self.processes_killed).filter(|count| *count > 0)),
            ("processes_ended", Some(self.processes_ended).filter(|count| *count > 0)),
            ("processes_stopped", Some(self.processes_stopped).filter(|count| *count > 0)),
            ("machines_gone", Some(self.machines_gone).filter(|count| *count > 0)),
            ("bytes_lost", lost(self.lost.bytes)),
            ("files_that_lost_bytes", lost(self.lost.files)),
            ("names_lost", lost(self.lost.names)),
            ("unsynced_bytes_kept", lost(self.lost.kept_bytes)),
            ("files_harmed", lost(self.data.files)),
            ("bytes_harmed", lost(self.data.bytes)),
            ("processes_running", self.processes_running),
        ];
        let mut json: Map<_, _> =
            counts.into_iter().filter_map(|(name, count)| Some((name.to_owned(), json!(count?)))).collect();
        if !self.data.examples.is_empty() {
            json.insert("harmed".to_owned(), json!(self.data.examples));
        }
        json
    }
}

/// The sum over the nodes of a fault, and what happened to each.
#[derive(Default)]
pub(super) struct Tally {
    pub total: Counts,
    nodes: BTreeMap<String, Json>,
    errors: Vec<String>,
}

impl Tally {
    pub fn add(&mut self, node: &str, condition: (&str, Condition), result: Result<Counts, HostsError>) {
        let mut of_node = Map::from_iter([(condition.0.to_owned(), json!(condition.1))]);
        match result {
            Ok(counts) => {
                of_node.extend(counts.to_json());
                self.total.add(counts);
            }
            Err(error) => self.errors.push(format!("{node}: {}", with_causes(&error))),
        }
        match self.nodes.entry(node.to_owned()).or_insert_with(|| json!({})) {
            Json::Object(so_far) => so_far.extend(of_node),
            other => *other = Json::Object(of_node),
        }
    }

    /// `outcome` if all went well.
    pub fn effect(self, effect: Effect, outcome: Outcome, inert: bool) -> Effect {
        let mut took_effect = self.total.to_json();
        took_effect.insert("nodes".to_owned(), json!(self.nodes));
        let outcome = match self.errors.is_empty() {
            true => outcome,
            false => Outcome::Indeterminate(self.errors.join("; ")),
        };
        effect.took(outcome, Json::Object(took_effect), inert)
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
