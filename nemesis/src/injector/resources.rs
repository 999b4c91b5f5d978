//! What the processes of nodes get: what all installed faults together leave them, and what was seen of it.

use serde_json::{Map, Value as Json, json};

use super::devices::outcome;
use super::{Condition, Effect, FaultId, Injector, Machines, Outcome, Step};
use crate::fault::{Fault, Shortage};
use crate::hosts::{HostsError, ResourceReading, Usage};

impl<M: Machines + Sync> Injector<M> {
    /// Limits the processes of the nodes that a fault is aimed at to what the ledger leaves them, and reads back what they
    /// have.
    pub(super) fn ration(&self, step: &Step, effect: Effect) -> Effect {
        let id = step.id;
        let (mut nodes, mut errors, mut count) = (Map::new(), Vec::new(), 0);
        let first = |node| {
            self.read_before(id, node);
            self.ledger().reach(id, node);
            self.ration_one(id, node)
        };
        for (node, rationed) in step.each(first) {
            match rationed {
                Ok((hit, told)) => {
                    count += hit;
                    nodes.insert(self.name(node).to_owned(), told);
                }
                Err(error) => errors.push(format!("{}: {error}", self.name(node))),
            }
        }
        let took_effect = json!({ self.counted(id): count, "nodes": nodes });
        effect.took(outcome(Outcome::Installed, errors), took_effect, count == 0)
    }

    /// Lifts the limits of a fault, but for what the others want, and says what it has come to.
    pub(super) fn unration(&self, step: &Step, effect: Effect) -> Effect {
        let (mut lasts, mut healed, mut restarted, mut errors) = (Vec::new(), Map::new(), Vec::new(), Vec::new());
        for (node, (last, rationed, started)) in step.each(|node| self.unration_one(step.id, node)) {
            lasts.extend(last.map(|last| (node, last)));
            match rationed {
                Ok((_, told)) => drop(healed.insert(self.name(node).to_owned(), told)),
                Err(error) => errors.push(format!("{}: {error}", self.name(node))),
            }
            restarted.push((node, started));
        }
        let mut took_effect = self.came_to(step.id, lasts);
        took_effect["nodes_healed"] = json!(healed);
        errors.extend(self.tell_restarted(step.id, restarted, &mut took_effect));
        effect.took(outcome(Outcome::Healed, errors), took_effect, !self.ledger().has_bitten(step.id))
    }

    /// What the node had come to, what it has now, and for whose sake it was started.
    fn unration_one(&self, id: FaultId, node: usize) -> (Option<Last>, Rationed, Result<Option<FaultId>, HostsError>) {
        let last = self.look_at_resources(id, node);
        self.ledger().release(id, node);
        let rationed = self.ration_one(id, node);
        // Whoever was short of memory or of descriptors may have ended of it.
        let started = if self.is_throttle(id) { Ok(None) } else { self.restart_ended(id, node) };
        (last, rationed, started)
    }

    /// How many processes of a node were hit, and what they have.
    fn ration_one(&self, id: FaultId, node: usize) -> Rationed {
        let Some(reading) = self.set_resources(node)? else { return Ok((0, json!({ "is": self.condition(node) }))) };
        if reading.stopped > 0 && self.is_over(id, node) {
            let what = format!("{} processes are still stopped", reading.stopped);
            return Err(HostsError::Host { host: self.name(node).to_owned(), what });
        }
        Ok((self.note_reading(id, node, &reading), told(&reading)))
    }

    /// What a fault has come to on a node, just before it is healed.
    fn look_at_resources(&self, id: FaultId, node: usize) -> Option<Last> {
        let now = self.machines.read_resources(self.host(node)).ok().flatten()?;
        self.note_reading(id, node, &now);
        let before = self.before(id, node, &now);
        let cpu_ms = now.cpu_ms.saturating_sub(before.cpu_ms);
        let wall_ms = now.wall_ms - before.wall_ms;
        Some(Last { stops: now.stops - before.stops, cpu_ms, wall_ms, told: told(&now) })
    }

    /// What it has come to on all nodes.
    fn came_to(&self, id: FaultId, lasts: Vec<(usize, Last)>) -> Json {
        let sum = |what: fn(&Last) -> u64| lasts.iter().map(|(_, last)| what(last)).sum::<u64>();
        let (stops, cpu_ms, wall_ms) = (sum(|last| last.stops), sum(|last| last.cpu_ms), sum(|last| last.wall_ms));
        let of_node = |(node, mut last): (usize, Last)| {
            (last.told["cpu_ms"], last.told["wall_ms"]) = (json!(last.cpu_ms), json!(last.wall_ms));
            (self.name(node).to_owned(), last.told)
        };
        let nodes: Map<_, _> = lasts.into_iter().map(of_node).collect();
        match self.is_throttle(id) {
            true => json!({ "stops": stops, "cpu_ms": cpu_ms, "wall_ms": wall_ms, "nodes_at_end": nodes }),
            false => json!({ "nodes_at_end": nodes }),
        }
    }

    fn set_resources(&self, node: usize) -> Result<Option<ResourceReading>, HostsError> {
        let shortages: Vec<_> = self.ledger().on_node(node).filter_map(|(_, fault)| shortage(fault).copied()).collect();
        self.machines.set_resources(self.host(node), &Shortage::together(&shortages))
    }

    /// Notes what is counted already. A node that cannot be read then has counted nothing.
    fn read_before(&self, id: FaultId, node: usize) {
        if let Ok(Some(reading)) = self.machines.read_resources(self.host(node)) {
            let mut ledger = self.ledger();
            if !reading.processes.is_empty() {
                ledger.ran(id, node);
            }
            ledger.first_reading(id, node, reading);
        }
    }

    /// What was counted when the fault was installed. A machine that has booted since began to count again.
    fn before(&self, id: FaultId, node: usize, now: &ResourceReading) -> ResourceReading {
        let ledger = self.ledger();
        let before = ledger.get(id).and_then(|installed| installed.readings.get(&node));
        let same = before.filter(|before| before.wall_ms <= now.wall_ms && before.stops <= now.stops);
        same.cloned().unwrap_or_default()
    }

    /// Notes whether the fault has bitten by now. Returns how many processes it has hit.
    fn note_reading(&self, id: FaultId, node: usize, now: &ResourceReading) -> usize {
        let stops_before = self.before(id, node, now).stops;
        let mut ledger = self.ledger();
        let Some(shortage) = ledger.get(id).and_then(|installed| shortage(&installed.fault)) else { return 0 };
        let hit = match shortage {
            Shortage::Cpu { .. } if now.stops > stops_before => now.processes.len(),
            Shortage::Cpu { .. } => 0,
            Shortage::Memory { .. } => now.processes.iter().filter(|process| process.memory.lowered).count(),
            Shortage::Descriptors { .. } => now.processes.iter().filter(|process| process.descriptors.lowered).count(),
        };
        if hit > 0 && ledger.is_on(id, node) {
            ledger.bit(id, node);
        }
        hit
    }

    /// Whether nothing is to stop a node's processes any more that this fault did.
    fn is_over(&self, id: FaultId, node: usize) -> bool {
        let ledger = self.ledger();
        let others = ledger.on_node(node).any(|(_, fault)| matches!(shortage(fault), Some(Shortage::Cpu { .. })));
        !ledger.is_on(id, node) && !others && self.condition(node) == Condition::Running
    }

    fn is_throttle(&self, id: FaultId) -> bool {
        let ledger = self.ledger();
        let shortage = ledger.get(id).and_then(|installed| shortage(&installed.fault));
        matches!(shortage, Some(Shortage::Cpu { .. }))
    }

    fn counted(&self, id: FaultId) -> &'static str {
        if self.is_throttle(id) { "processes_throttled" } else { "processes_limited" }
    }
}

/// How many processes were hit, and what they have.
type Rationed = Result<(usize, Json), HostsError>;

/// What a fault has come to on a node.
struct Last {
    stops: u64,
    cpu_ms: u64,
    wall_ms: u64,
    told: Json,
}

fn shortage(fault: &Fault) -> Option<&Shortage> {
    match fault {
        Fault::Resources { shortage, .. } => Some(shortage),
        _ => None,
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
