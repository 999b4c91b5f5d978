//! What nodes have kept: emptied or damaged while a fault holds them down, or set back when it is healed.

use std::collections::BTreeMap;

use serde_json::json;

use super::devices::outcome;
use super::effect::{Counts, Tally};
use super::{Blow, Condition, Effect, FaultId, Injector, Machines, Outcome};
use crate::data::{Backup, Harm};
use crate::disk::PowerCut;
use crate::fault::Fault;
use crate::hosts::{Crashed, HostsError};

const PAUSE: Blow = Blow { to: Condition::Paused, cut: PowerCut::DROP };
const KILL: Blow = Blow { to: Condition::Killed, cut: PowerCut::DROP };

impl<M: Machines> Injector<M> {
    /// Brings nodes down and spoils what they have kept.
    pub(super) fn despoil(&mut self, id: FaultId, effect: Effect) -> Effect {
        let Some(installed) = self.ledger.get(id) else { return effect };
        let (fault, targets) = (installed.fault.clone(), installed.targets.clone());
        let before = self.conditions.clone();
        let mut tally = Tally::default();
        for (node, struck) in targets.iter().zip(self.bring_down(&targets)) {
            let result = struck.and_then(|counts| {
                let harm = self.spoil_data(*node, &fault)?;
                Ok(Counts { data: harm, ..counts })
            });
            tally.add(self.name(*node), ("was", before[*node]), result);
        }
        let bit = tally.total.data.files > 0;
        if bit {
            self.ledger.bit(id);
        }
        tally.effect(effect, Outcome::Installed, !bit)
    }

    fn spoil_data(&self, node: usize, fault: &Fault) -> Result<Harm, HostsError> {
        let (host, dir) = self.place(node);
        match fault {
            Fault::FileDamage { damage, .. } => self.machines.damage(host, dir, damage),
            _ => self.machines.wipe(host, dir),
        }
    }

    /// Takes backups of nodes, of all at about the same moment. They stand still meanwhile if they run.
    pub(super) fn back_up(&mut self, id: FaultId, effect: Effect) -> Effect {
        let targets = self.targets(id);
        let running: Vec<usize> =
            targets.iter().copied().filter(|node| self.conditions[*node] == Condition::Running).collect();
        let (mut errors, mut count) = (Vec::new(), 0);
        for (node, still) in targets.iter().zip(self.hold_still(&targets)) {
            match still.and_then(|()| self.back_up_one(*node)) {
                Ok(backup) => {
                    self.ledger.keep(id, *node, backup);
                    count += 1;
                }
                Err(error) => errors.push(format!("{}: {error}", self.name(*node))),
            }
        }
        for node in running {
            errors.extend(self.raise(node, self.ledger.condition(node)).err().map(|error| error.to_string()));
        }
        // What it does shows when it is healed.
        effect.took(outcome(Outcome::Installed, errors), json!({ "backups": count }), count == 0)
    }

    /// Pauses nodes that are not down. One that is paused already may only be thought to be.
    fn hold_still(&mut self, nodes: &[usize]) -> Vec<Result<(), HostsError>> {
        let up: Vec<usize> = nodes.iter().copied().filter(|node| self.conditions[*node] <= Condition::Paused).collect();
        let mut paused: BTreeMap<usize, _> = up.iter().copied().zip(self.lower(&up, &PAUSE)).collect();
        nodes.iter().map(|node| paused.remove(node).map_or(Ok(()), |result| result.map(drop))).collect()
    }

    fn back_up_one(&self, node: usize) -> Result<Backup, HostsError> {
        let (host, dir) = self.place(node);
        if self.conditions[node] > Condition::Paused && self.machines.process_count(host)? > 0 {
            let what = "it should be down and is not".to_owned();
            return Err(HostsError::Host { host: self.name(node).to_owned(), what });
        }
        self.machines.back_up(host, dir)
    }

    /// Restores nodes from their backups, and brings them up to where the other faults want them.
    pub(super) fn roll_back(&mut self, id: FaultId, effect: Effect) -> Effect {
        let targets = self.targets(id);
        let mut tally = Tally::default();
        let behind: Vec<usize> =
            targets.iter().copied().filter(|node| self.ledger.backup(id, *node).is_some()).collect();
        for (node, struck) in behind.iter().zip(self.bring_down(&behind)) {
            let result = struck.and_then(|counts| Ok(Counts { data: self.roll_back_one(id, *node)?, ..counts }));
            tally.add(self.name(*node), ("was", Condition::Killed), result);
        }
        if tally.total.data.files > 0 {
            self.ledger.bit(id);
        }
        for node in targets {
            let result = self.raise(node, self.ledger.condition(node));
            tally.add(self.name(node), ("is", self.conditions[node]), result);
        }
        let inert = self.ledger.get(id).is_none_or(|installed| !installed.bit);
        tally.effect(effect, Outcome::Healed, inert)
    }

    /// A backup is used once: a heal that is tried again must not set back what the node has done since.
    fn roll_back_one(&mut self, id: FaultId, node: usize) -> Result<Harm, HostsError> {
        let Some(backup) = self.ledger.backup(id, node).cloned() else { return Ok(Harm::default()) };
        let (host, dir) = self.place(node);
        let harm = self.machines.roll_back(host, dir, &backup)?;
        self.ledger.used(id, node);
        Ok(harm)
    }

    /// Kills what runs on these nodes; data must not be touched under a process. A node may only be thought to be down, when
    /// what should have brought it there failed.
    fn bring_down(&mut self, nodes: &[usize]) -> Vec<Result<Counts, HostsError>> {
        let hosts: Vec<_> = nodes.iter().map(|node| self.layout.nodes[*node].1).collect();
        let mut up = Vec::new();
        for (node, host) in nodes.iter().zip(&hosts) {
            if self.conditions[*node] < Condition::Killed || self.machines.process_count(*host).unwrap_or(1) > 0 {
                self.conditions[*node] = self.conditions[*node].max(Condition::Killed);
                up.push(*host);
            }
        }
        let mut struck = up.iter().zip(self.machines.strike(&up, &KILL)).collect::<BTreeMap<_, _>>();
        let mut of = |host| struck.remove(host).unwrap_or_else(|| Ok(Crashed::default()));
        hosts.iter().map(|host| of(host).map(|crashed| Counts::harm(Condition::Killed, &crashed))).collect()
    }
}
