//! Clocks and disks of nodes: what all installed faults together want of each, and what was seen of it.

use serde_json::{Map, Value as Json, json};

use super::ledger::Ledger;
use super::{Condition, Effect, FaultId, Injector, Machines, Outcome, Step, lock};
use crate::clock::ClockReading;
use crate::disk::DiskFault;
use crate::fault::{ClockFault, Fault};
use crate::hosts::HostsError;

impl<M: Machines + Sync> Injector<M> {
    /// Sets the clocks that a fault is aimed at to what the ledger wants, and reads them back.
    pub(super) fn wind(&self, step: &Step, effect: Effect, done: Outcome) -> Effect {
        let mut nodes = Map::new();
        let mut errors = Vec::new();
        let mut has_bitten = false;
        for (node, (wound, bit)) in step.each(|node| self.wind_one(step.id, node, &done)) {
            has_bitten |= bit;
            match wound {
                Ok(told) => drop(nodes.insert(self.name(node).to_owned(), told)),
                Err(error) => errors.push(format!("{}: {error}", self.name(node))),
            }
        }
        let when = if done == Outcome::Healed { "nodes_healed" } else { "nodes" };
        effect.took(outcome(done, errors), json!({ when: nodes }), !has_bitten)
    }

    /// What is told of the clock, and whether the fault has bitten on this node by now.
    fn wind_one(&self, id: FaultId, node: usize, done: &Outcome) -> (Result<Json, HostsError>, bool) {
        if *done == Outcome::Installed {
            self.ledger().reach(id, node);
        } else if self.ledger().is_on(id, node) {
            // It may have begun to matter since it was set: its node was down then. What cannot be read now shows nothing.
            let _ = self.look_at_clock(node);
            self.ledger().release(id, node);
        }
        let wound = self.set_clock(node);
        (wound, self.ledger().get(id).is_some_and(|installed| installed.bit.contains(&node)))
    }

    fn set_clock(&self, node: usize) -> Result<Json, HostsError> {
        let skew = ClockFault::together(clock_faults(&self.ledger(), node).iter().map(|(_, wrong)| wrong));
        self.machines.set_clock(self.host(node), &skew)?;
        let reading = self.look_at_clock(node)?;
        Ok(reading.map_or_else(|| json!({ "is": self.condition(node) }), |reading| told(&reading)))
    }

    /// What a node's clock shows; nothing while its machine is gone. If it is as asked for, every fault has bitten without
    /// which it would be another.
    fn look_at_clock(&self, node: usize) -> Result<Option<ClockReading>, HostsError> {
        if self.condition(node) == Condition::Crashed {
            return Ok(None);
        }
        let reading = self.machines.read_clock(self.host(node))?;
        if reading.is_effective() {
            let mut ledger = self.ledger();
            visible(&clock_faults(&ledger, node)).for_each(|id| ledger.bit(id, node));
        }
        Ok(Some(reading))
    }

    /// Has the disks that a fault is aimed at misbehave as the ledger wants.
    pub(super) fn spoil(&self, step: &Step, effect: Effect) -> Effect {
        let mut errors = Vec::new();
        let mut disk_count = 0;
        for (node, spoilt) in step.each(|node| self.spoil_one(step.id, node)) {
            match spoilt {
                Ok(spoilt) => disk_count += usize::from(spoilt),
                Err(error) => errors.push(format!("{}: {error}", self.name(node))),
            }
        }
        if disk_count == 0 && errors.is_empty() {
            return effect.skipped("it was healed before its turn came".to_owned());
        }
        // Whether it does anything shows only in time.
        effect.took(outcome(Outcome::Installed, errors), json!({ "disks": disk_count }), disk_count == 0)
    }

    /// Whether the disk is to misbehave: the heal does not wait for its turn, and may have come first.
    fn spoil_one(&self, id: FaultId, node: usize) -> Result<bool, HostsError> {
        let runs = self.machines.process_count(self.host(node)).unwrap_or(1) > 0;
        self.set_disk(node, |ledger| {
            let wanted = ledger.get(id).is_some_and(|installed| !installed.healing);
            if wanted {
                ledger.reach(id, node);
            }
            if wanted && runs {
                ledger.ran(id, node);
            }
            wanted
        })
    }

    /// Has the disks of a fault behave, but for what the others want, and starts the nodes that it has ended.
    pub(super) fn mend(&self, step: &Step, effect: Effect) -> Effect {
        let mended: Vec<_> = step.nodes().map(|node| (node, self.mend_one(step.id, node))).collect();
        let restarted = step.each(|node| self.restart_ended(step.id, node));
        let disk_count = mended.iter().filter(|(_, mended)| mended.is_ok()).count();
        let hits = self.ledger().get(step.id).map_or(0, |installed| installed.hits.values().sum::<u64>());
        let mut took_effect = json!({ "operations_hit": hits, "disks_restored": disk_count });
        let mended = mended.into_iter().filter_map(|(node, mended)| Some((node, mended.err()?)));
        let mut errors: Vec<_> = mended.map(|(node, error)| format!("{}: {error}", self.name(node))).collect();
        errors.extend(self.tell_restarted(step.id, restarted, &mut took_effect));
        effect.took(outcome(Outcome::Healed, errors), took_effect, hits == 0)
    }

    /// How often it hit operations is known only as long as the disk misbehaves.
    fn mend_one(&self, id: FaultId, node: usize) -> Result<(), HostsError> {
        let counted = self.machines.disk_hits(self.host(node));
        self.set_disk(node, |ledger| {
            let position = disk_faults(ledger, node).iter().position(|(of, _)| *of == id);
            if let Some(hits) = position.and_then(|position| counted.get(position)) {
                ledger.hit(id, node, *hits);
            }
            ledger.release(id, node);
        })
    }

    /// Changes what is wanted of a node's disk, and has the disk be so. Others who do the same wait, as the last one to set
    /// it must be the last one who looked.
    fn set_disk<T>(&self, node: usize, change: impl FnOnce(&mut Ledger) -> T) -> Result<T, HostsError> {
        let _one_at_a_time = lock(&self.nodes[node].disk);
        let mut ledger = self.ledger();
        let changed = change(&mut ledger);
        let faults: Vec<_> = disk_faults(&ledger, node).into_iter().map(|(_, fault)| fault).collect();
        drop(ledger);
        self.machines.set_disk(self.host(node), &faults).map(|()| changed)
    }

    /// Says which nodes were started: those that the fault had ended, and those that another had. Returns what went wrong.
    pub(super) fn tell_restarted(
        &self,
        id: FaultId,
        restarted: Vec<(usize, Result<Option<FaultId>, HostsError>)>,
        took_effect: &mut Json,
    ) -> Vec<String> {
        let (mut own, mut others, mut errors) = (Vec::new(), Map::new(), Vec::new());
        for (node, restarted) in restarted {
            match restarted {
                Ok(Some(of)) if of == id => own.push(self.name(node)),
                Ok(Some(of)) => drop(others.insert(self.name(node).to_owned(), json!(of))),
                Ok(None) => {}
                Err(error) => errors.push(format!("{}: {error}", self.name(node))),
            }
        }
        took_effect["nodes_restarted"] = json!(own);
        if !others.is_empty() {
            took_effect["nodes_restarted_for"] = Json::Object(others);
        }
        errors
    }
}

/// The faults of a node's clock that are in force, the first first.
fn clock_faults(ledger: &Ledger, node: usize) -> Vec<(FaultId, ClockFault)> {
    let of_clock = |(id, fault): (FaultId, &Fault)| match fault {
        Fault::Clock { change, .. } => Some((id, *change)),
        _ => None,
    };
    ledger.on_node(node).filter_map(of_clock).collect()
}

/// Those without which the clock would be another: a drift of a clock that stands still is not one of them.
fn visible(wrongs: &[(FaultId, ClockFault)]) -> impl Iterator<Item = FaultId> {
    let all = ClockFault::together(wrongs.iter().map(|(_, wrong)| wrong));
    let without = |id| ClockFault::together(wrongs.iter().filter(move |(of, _)| *of != id).map(|(_, wrong)| wrong));
    wrongs.iter().map(|(id, _)| *id).filter(move |id| without(*id) != all)
}

fn disk_faults(ledger: &Ledger, node: usize) -> Vec<(FaultId, DiskFault)> {
    let of_disk = |(id, fault): (FaultId, &Fault)| match fault {
        // Two that are alike are two all the same, each with its own count and draws.
        Fault::Disk { misbehaves, .. } => {
            let seed = misbehaves.seed ^ u64::from(id.0) << 32;
            Some((id, DiskFault { seed, ..misbehaves.clone() }))
        }
        _ => None,
    };
    ledger.on_node(node).filter_map(of_disk).collect()
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
