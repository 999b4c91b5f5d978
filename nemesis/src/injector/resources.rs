//! What the processes of nodes get: what all installed faults together leave them, and what was seen of it.

use serde_json::{Map, Value as Json, json};

use super::devices::outcome;
use super::{Condition, Effect, FaultId, Injector, Machines, Outcome};
use crate::fault::{Fault, Shortage};
use crate::hosts::{HostsError, ResourceReading, Usage};

impl<M: Machines> Injector<M> {
    /// Limits the processes of the nodes that a fault is aimed at to what the ledger leaves them, and reads back what they
    /// have.
    pub(super) fn ration(&mut self, id: FaultId, effect: Effect, so_far: Option<Json>) -> Effect {
        let mut errors = Vec::new();
        let (mut nodes, mut count) = (Map::new(), 0);
        for node in self.targets(id) {
            let name = self.name(node).to_owned();
            match self.set_resources(node) {
                Ok(Some(reading)) => {
                    count += self.note_reading(id, node, &reading);
                    nodes.insert(name.clone(), told(&reading));
                    if reading.stopped > 0 && self.is_over(id, node) {
                        errors.push(format!("{name}: {} processes are still stopped", reading.stopped));
                    }
                }
                Ok(None) => drop(nodes.insert(name, json!({ "is": self.conditions[node] }))),
                Err(error) => errors.push(format!("{name}: {error}")),
            }
        }
        let Some(mut took_effect) = so_far else {
            let bit = self.has_bitten(id);
            return effect.took(
                outcome(Outcome::Installed, errors),
                json!({ self.counted(id): count, "nodes": nodes }),
                !bit,
            );
        };
        // Whoever was short of memory or of descriptors may have ended of it.
        let restarted = if self.is_throttle(id) { Vec::new() } else { self.restart_ended(id, &mut errors) };
        took_effect["nodes_healed"] = json!(nodes);
        took_effect["nodes_restarted"] = json!(restarted);
        effect.took(outcome(Outcome::Healed, errors), took_effect, !self.has_bitten(id))
    }

    /// What a fault has come to, just before it is healed.
    pub(super) fn look_at_resources(&mut self, id: FaultId) -> Json {
        let mut nodes = Map::new();
        let (mut stops, mut cpu_ms, mut wall_ms) = (0, 0, 0);
        for node in self.targets(id) {
            let Ok(Some(now)) = self.machines.read_resources(self.layout.nodes[node].1) else { continue };
            self.note_reading(id, node, &now);
            let before = self.ledger.get(id).and_then(|installed| installed.readings.get(&node));
            let before = before.filter(|before| before.wall_ms <= now.wall_ms).cloned().unwrap_or_default();
            let since = [now.stops - before.stops.min(now.stops), now.cpu_ms.saturating_sub(before.cpu_ms)];
            let wall = now.wall_ms - before.wall_ms;
            (stops, cpu_ms, wall_ms) = (stops + since[0], cpu_ms + since[1], wall_ms + wall);
            let mut of_node = told(&now);
            (of_node["cpu_ms"], of_node["wall_ms"]) = (json!(since[1]), json!(wall));
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

    /// Remembers the first reading, and whether the fault has bitten by now. Returns how many processes it has hit.
    fn note_reading(&mut self, id: FaultId, node: usize, now: &ResourceReading) -> usize {
        let Some(installed) = self.ledger.get(id) else { return 0 };
        let Fault::Resources { shortage, .. } = &installed.fault else { return 0 };
        let hit = match shortage {
            Shortage::Cpu { .. } if now.stops > 0 => now.processes.len(),
            Shortage::Cpu { .. } => 0,
            Shortage::Memory { .. } => now.processes.iter().filter(|process| process.memory.lowered).count(),
            Shortage::Descriptors { .. } => now.processes.iter().filter(|process| process.descriptors.lowered).count(),
        };
        let bitten = hit > 0 && !installed.healing;
        self.ledger.first_reading(id, node, now);
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
