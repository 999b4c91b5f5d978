//! Clocks and disks of nodes: what all installed faults together want of each, and what was seen of it.

use serde_json::{Map, Value as Json, json};

use super::{Condition, Effect, FaultId, Injector, Machines, Outcome};
use crate::clock::ClockReading;
use crate::disk::DiskFault;
use crate::fault::{ClockFault, Fault};
use crate::hosts::HostsError;

impl<M: Machines> Injector<M> {
    /// Sets the clocks that a fault is aimed at to what the ledger wants, and reads them back.
    pub(super) fn wind(&mut self, id: FaultId, effect: Effect, done: Outcome) -> Effect {
        let mut nodes = Map::new();
        let mut errors = Vec::new();
        for node in self.targets(id) {
            let host = self.layout.nodes[node].1;
            let wrongs = self.ledger.on_node(node).filter_map(|installed| match &installed.fault {
                Fault::Clock { change, .. } => Some(change),
                _ => None,
            });
            let skew = ClockFault::together(wrongs);
            let set = self.machines.set_clock(host, &skew);
            match set.and_then(|()| self.read_clock(node)) {
                Ok(Some(reading)) => {
                    // What is right after a heal says nothing of what was wrong before.
                    if done == Outcome::Installed && reading.is_effective() {
                        self.ledger.bit(id);
                    }
                    nodes.insert(self.name(node).to_owned(), told(&reading));
                }
                Ok(None) => drop(nodes.insert(self.name(node).to_owned(), json!({ "is": self.conditions[node] }))),
                Err(error) => errors.push(format!("{}: {error}", self.name(node))),
            }
        }
        let bit = self.ledger.get(id).is_some_and(|installed| installed.bit);
        let when = if done == Outcome::Healed { "nodes_healed" } else { "nodes" };
        effect.took(outcome(done, errors), json!({ when: nodes }), !bit)
    }

    /// A clock may have begun to matter since it was set: its node was down then.
    pub(super) fn look_at_clocks(&mut self, id: FaultId) {
        let effective = |node: &usize| matches!(self.read_clock(*node), Ok(Some(reading)) if reading.is_effective());
        if self.targets(id).iter().any(effective) {
            self.ledger.bit(id);
        }
    }

    /// What a node's clock shows; nothing while its machine is gone.
    fn read_clock(&self, node: usize) -> Result<Option<ClockReading>, HostsError> {
        if self.conditions[node] == Condition::Crashed {
            return Ok(None);
        }
        self.machines.read_clock(self.layout.nodes[node].1).map(Some)
    }

    /// Has the disks that a fault is aimed at misbehave as the ledger wants.
    pub(super) fn spoil(&mut self, id: FaultId, effect: Effect, done: Outcome) -> Effect {
        let mut errors = Vec::new();
        let mut disk_count = 0;
        for node in self.targets(id) {
            let host = self.layout.nodes[node].1;
            let faults: Vec<_> = self.disk_faults(node).into_iter().map(|(_, fault)| fault).collect();
            match self.machines.set_disk(host, &faults) {
                Ok(()) => disk_count += 1,
                Err(error) => errors.push(format!("{}: {error}", self.name(node))),
            }
        }
        let hits = self.ledger.get(id).filter(|installed| installed.healing).map(|installed| installed.hits);
        let took_effect = match hits {
            None => json!({ "disks": disk_count }),
            Some(hits) => {
                let restarted = self.restart_ended(id, &mut errors);
                json!({ "operations_hit": hits, "disks_restored": disk_count, "nodes_restarted": restarted })
            }
        };
        // Whether it does anything shows only in time.
        let inert = hits.map_or(disk_count == 0, |hits| hits == 0);
        effect.took(outcome(done, errors), took_effect, inert)
    }

    /// A server that cannot write had better end, and whoever repairs its disk starts it again: the nodes for which this
    /// was done.
    pub(super) fn restart_ended(&mut self, id: FaultId, errors: &mut Vec<String>) -> Vec<String> {
        let mut restarted = Vec::new();
        for node in self.targets(id) {
            let host = self.layout.nodes[node].1;
            let rest = self.ledger.condition(node);
            if rest > Condition::Paused || self.machines.process_count(host).unwrap_or(1) > 0 {
                continue;
            }
            if rest == Condition::Paused {
                self.owed.insert(node);
                continue;
            }
            match self.machines.restart(host) {
                Ok(()) => restarted.push(self.name(node).to_owned()),
                Err(error) => errors.push(format!("{}: {error}", self.name(node))),
            }
        }
        restarted
    }

    /// How often a fault of disks took effect so far.
    pub(super) fn disk_hits(&self, id: FaultId) -> u64 {
        let on_node = |node: &usize| {
            let position = self.disk_faults(*node).iter().position(|(of, _)| *of == id)?;
            self.machines.disk_hits(self.layout.nodes[*node].1).get(position).copied()
        };
        self.targets(id).iter().filter_map(on_node).sum()
    }

    fn disk_faults(&self, node: usize) -> Vec<(FaultId, DiskFault)> {
        let of_disk = |(id, fault): (FaultId, &Fault)| match fault {
            // Two that are alike are two all the same, each with its own count and draws.
            Fault::Disk { misbehaves, .. } => {
                let seed = misbehaves.seed ^ u64::from(id.0) << 32;
                Some((id, DiskFault { seed, ..misbehaves.clone() }))
            }
            _ => None,
        };
        self.ledger.faults_on(node).filter_map(of_disk).collect()
    }

    pub(super) fn targets(&self, id: FaultId) -> Vec<usize> {
        self.ledger.get(id).map(|installed| installed.targets.clone()).unwrap_or_default()
    }
}

pub(super) fn outcome(done: Outcome, errors: Vec<String>) -> Outcome {
    if errors.is_empty() { done } else { Outcome::Indeterminate(errors.join("; ")) }
}

/// What a clock shows, and which processes do not live by it.
fn told(reading: &ClockReading) -> Json {
    let ms = |ns: i64| ns as f64 / 1e6;
    let mut told = json!({ "offset_ms": ms(reading.offset_ns), "asked_ms": ms(reading.asked_ns) });
    let uncovered: Vec<_> = reading.uncovered().map(|(process, why)| format!("pid {}: {why}", process.pid)).collect();
    if !uncovered.is_empty() {
        told["uncovered"] = json!(uncovered);
    }
    if let Err(why) = &reading.started_now {
        told["not_for_new_programs"] = json!(why.to_string());
    }
    if let Some(monotonic) = &reading.monotonic {
        let timer = |ns: Option<i64>| ns.map(ms);
        told["monotonic_offset_ms"] = json!(ms(monotonic.offset_ns));
        told["monotonic_asked_ms"] = json!(ms(monotonic.asked_ns));
        told["timer_of_5_ms_took_ms"] = json!(timer(monotonic.timer_ns));
        told["timer_asked_ms"] = json!(timer(monotonic.timer_asked_ns));
        told["system_calls_agree"] = json!(monotonic.calls_agree);
    }
    if !reading.is_as_asked() {
        told["precision_ms"] = json!(ms(reading.precision_ns as i64));
    }
    told
}
