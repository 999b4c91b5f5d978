//! What the processes of nodes get: what all installed faults together leave them, and what was seen of it.

use serde_json::{Map, Value as Json, json};

use super::devices::outcome;
use super::{Condition, Effect, FaultId, Injector, Machines, Outcome};
use crate::fault::{Fault, Shortage};
use crate::hosts::{HostsError, ResourceReading, Usage};

impl<M: Machines> Injector<M> {
    /// Limits the processes of the nodes that a fault is aimed at to what the ledger leaves them, and reads back what they
    /// have. `so_far` is what came of it until its heal.
    pub(super) fn ration(&mut self, id: FaultId, effect: Effect, so_far: Option<Json>) -> Effect {
        let mut errors = Vec::new();
        let (mut nodes, mut count) = (Map::new(), 0);
        if so_far.is_none() {
            self.read_before(id);
        }
        for node in self.targets(id) {
            match self.ration_one(id, node) {
                Ok((hit, told)) => {
                    count += hit;
                    nodes.insert(self.name(node).to_owned(), told);
                }
                Err(error) => errors.push(format!("{}: {error}", self.name(node))),
            }
        }
        let (done, took_effect) = match so_far {
            None => (Outcome::Installed, json!({ self.counted(id): count, "nodes": nodes })),
            Some(mut so_far) => {
                // Whoever was short of memory or of descriptors may have ended of it.
                let restarted = if self.is_throttle(id) { Vec::new() } else { self.restart_ended(id, &mut errors) };
                (so_far["nodes_healed"], so_far["nodes_restarted"]) = (json!(nodes), json!(restarted));
                (Outcome::Healed, so_far)
            }
        };
        effect.took(outcome(done, errors), took_effect, !self.has_bitten(id))
    }

    /// How many processes of a node were hit, and what they have.
    fn ration_one(&mut self, id: FaultId, node: usize) -> Result<(usize, Json), HostsError> {
        let Some(reading) = self.set_resources(node)? else { return Ok((0, json!({ "is": self.conditions[node] }))) };
        if reading.stopped > 0 && self.is_over(id, node) {
            let what = format!("{} processes are still stopped", reading.stopped);
            return Err(HostsError::Host { host: self.name(node).to_owned(), what });
        }
        Ok((self.note_reading(id, node, &reading), told(&reading)))
    }

    /// What a fault has come to, just before it is healed.
    pub(super) fn look_at_resources(&mut self, id: FaultId) -> Json {
        let mut nodes = Map::new();
        let (mut stops, mut cpu_ms, mut wall_ms) = (0, 0, 0);
        for node in self.targets(id) {
            let Ok(Some(now)) = self.machines.read_resources(self.layout.nodes[node].1) else { continue };
            self.note_reading(id, node, &now);
            let before = self.before(id, node, &now);
            let cpu = now.cpu_ms.saturating_sub(before.cpu_ms);
            let wall = now.wall_ms - before.wall_ms;
            (stops, cpu_ms, wall_ms) = (stops + now.stops - before.stops, cpu_ms + cpu, wall_ms + wall);
            let mut of_node = told(&now);
            (of_node["cpu_ms"], of_node["wall_ms"]) = (json!(cpu), json!(wall));
            nodes.insert(self.name(node).to_owned(), of_node);
        }
        match self.is_throttle(id) {
            true => json!({ "stops": stops, "cpu_ms": cpu_ms, "wall_ms": wall_ms, "nodes_at_end": nodes }),
            false => json!({ "nodes_at_end": nodes }),
        }
    }

    fn set_resources(&self, node: usize) -> Result<Option<ResourceReading>, HostsError> {
        let shortages = self.ledger.on_node(node).filter_map(|installed| match &installed.fault {
            Fault::Resources { shortage, .. } => Some(shortage),
            _ => None,
        });
        self.machines.set_resources(self.layout.nodes[node].1, &Shortage::together(shortages))
    }

    /// Notes what is counted already. A node that cannot be read then has counted nothing.
    fn read_before(&mut self, id: FaultId) {
        for node in self.targets(id) {
            if let Ok(Some(reading)) = self.machines.read_resources(self.layout.nodes[node].1) {
                self.ledger.first_reading(id, node, reading);
            }
        }
    }

    /// What was counted when the fault was installed. A machine that has booted since began to count again.
    fn before(&self, id: FaultId, node: usize, now: &ResourceReading) -> ResourceReading {
        let before = self.ledger.get(id).and_then(|installed| installed.readings.get(&node));
        let same = before.filter(|before| before.wall_ms <= now.wall_ms && before.stops <= now.stops);
        same.cloned().unwrap_or_default()
    }

    /// Notes whether the fault has bitten by now. Returns how many processes it has hit.
    fn note_reading(&mut self, id: FaultId, node: usize, now: &ResourceReading) -> usize {
        let Some(installed) = self.ledger.get(id) else { return 0 };
        let Fault::Resources { shortage, .. } = &installed.fault else { return 0 };
        let hit = match shortage {
            Shortage::Cpu { .. } if now.stops > self.before(id, node, now).stops => now.processes.len(),
            Shortage::Cpu { .. } => 0,
            Shortage::Memory { .. } => now.processes.iter().filter(|process| process.memory.lowered).count(),
            Shortage::Descriptors { .. } => now.processes.iter().filter(|process| process.descriptors.lowered).count(),
        };
        let bitten = hit > 0 && !installed.healing;
        if bitten {
            self.ledger.bit(id);
        }
        hit
    }

    /// Whether nothing is to stop a node's processes any more that this fault did.
    fn is_over(&self, id: FaultId, node: usize) -> bool {
        let throttled = |fault: &Fault| matches!(fault, Fault::Resources { shortage: Shortage::Cpu { .. }, .. });
        let healing = self.ledger.get(id).is_some_and(|installed| installed.healing);
        let others = self.ledger.on_node(node).any(|installed| throttled(&installed.fault));
        healing && !others && self.conditions[node] == Condition::Running
    }

    fn is_throttle(&self, id: FaultId) -> bool {
        let fault = self.ledger.get(id).map(|installed| &installed.fault);
        matches!(fault, Some(Fault::Resources { shortage: Shortage::Cpu { .. }, .. }))
    }

    fn counted(&self, id: FaultId) -> &'static str {
        if self.is_throttle(id) { "processes_throttled" } else { "processes_limited" }
    }

    fn has_bitten(&self, id: FaultId) -> bool {
        self.ledger.get(id).is_some_and(|installed| installed.bit)
    }
}

/// The processes and what limits them.
fn told(reading: &ResourceReading) -> Json {
    let usage = |usage: &Usage| match usage.lowered {
        true => json!({ "used": usage.used, "limit": usage.limit }),
        false => json!({ "used": usage.used }),
    };
    let process = |process: &crate::hosts::ProcessResources| json!({ "pid": process.pid, "memory": usage(&process.memory), "descriptors": usage(&process.descriptors) });
    json!({ "processes": reading.processes.iter().map(process).collect::<Vec<_>>() })
}
