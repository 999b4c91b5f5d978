//! What nodes have kept: emptied or damaged while a fault holds them down, or set back when it is healed.

use serde_json::json;

use super::devices::outcome;
use super::effect::{Counts, Tally};
use super::{Blow, Condition, Effect, FaultId, Injector, Machines, Outcome, Step};
use crate::data::{Backup, Harm};
use crate::disk::PowerCut;
use crate::fault::Fault;
use crate::hosts::HostsError;

const PAUSE: Blow = Blow { to: Condition::Paused, cut: PowerCut::DROP };
const KILL: Blow = Blow { to: Condition::Killed, cut: PowerCut::DROP };

impl<M: Machines + Sync> Injector<M> {
    /// Brings nodes down and spoils what they have kept.
    pub(super) fn despoil(&self, step: &Step, effect: Effect) -> Effect {
        let Some(fault) = self.ledger().get(step.id).map(|installed| installed.fault.clone()) else { return effect };
        let mut tally = Tally::default();
        for (node, (was, despoilt)) in step.each(|node| self.despoil_one(step.id, node, &fault)) {
            tally.add(self.name(node), ("was", was), despoilt);
        }
        let bit = tally.total.data.files > 0;
        tally.effect(effect, Outcome::Installed, !bit)
    }

    fn despoil_one(&self, id: FaultId, node: usize, fault: &Fault) -> (Condition, Counted) {
        self.ledger().reach(id, node);
        let was = self.condition(node);
        let despoilt = self.bring_down(node).and_then(|counts| {
            let data = self.spoil_data(node, fault)?;
            Ok(Counts { data, ..counts })
        });
        self.note_harm(id, node, &despoilt);
        (was, despoilt)
    }

    fn note_harm(&self, id: FaultId, node: usize, done: &Counted) {
        if done.as_ref().is_ok_and(|counts| counts.data.files > 0) {
            self.ledger().bit(id, node);
        }
    }

    fn spoil_data(&self, node: usize, fault: &Fault) -> Result<Harm, HostsError> {
        let (host, dir) = self.place(node);
        match fault {
            Fault::FileDamage { damage, .. } => self.machines.damage(host, dir, damage),
            _ => self.machines.wipe(host, dir),
        }
    }

    /// Takes backups of nodes, of all at about the same moment. They stand still meanwhile if they run.
    pub(super) fn back_up(&self, step: &Step, effect: Effect) -> Effect {
        let (mut errors, mut count) = (Vec::new(), 0);
        for (node, (backup, awake)) in step.each(|node| self.back_up_one(step.id, node)) {
            match backup {
                Ok(()) => count += 1,
                Err(error) => errors.push(format!("{}: {error}", self.name(node))),
            }
            errors.extend(awake.err().map(|error| error.to_string()));
        }
        // What it does shows when it is healed.
        effect.took(outcome(Outcome::Installed, errors), json!({ "backups": count }), count == 0)
    }

    /// Whether the backup was taken, and whether a node that ran runs again.
    fn back_up_one(&self, id: FaultId, node: usize) -> (Result<(), HostsError>, Result<(), HostsError>) {
        self.ledger().reach(id, node);
        let was = self.condition(node);
        let backup = self.hold_still(node).and_then(|()| self.copy(node));
        let backup = backup.map(|backup| self.ledger().keep(id, node, backup));
        let awake = if was == Condition::Running { self.raise(node).map(drop) } else { Ok(()) };
        (backup, awake)
    }

    /// Pauses a node that is not down. One that is paused already may only be thought to be.
    fn hold_still(&self, node: usize) -> Result<(), HostsError> {
        if self.condition(node) <= Condition::Paused { self.lower(node, &PAUSE).map(drop) } else { Ok(()) }
    }

    fn copy(&self, node: usize) -> Result<Backup, HostsError> {
        let (host, dir) = self.place(node);
        if self.condition(node) > Condition::Paused && self.machines.process_count(host)? > 0 {
            let what = "it should be down and is not".to_owned();
            return Err(HostsError::Host { host: self.name(node).to_owned(), what });
        }
        self.machines.back_up(host, dir)
    }

    /// Restores nodes from their backups, and brings them up to where the other faults want them.
    pub(super) fn roll_back(&self, step: &Step, effect: Effect) -> Effect {
        let mut tally = Tally::default();
        for (node, (back, is, raised)) in step.each(|node| self.roll_back_one(step.id, node)) {
            if let Some(back) = back {
                tally.add(self.name(node), ("was", Condition::Killed), back);
            }
            tally.add(self.name(node), ("is", is), raised);
        }
        let bit = self.ledger().has_bitten(step.id);
        tally.effect(effect, Outcome::Healed, !bit)
    }

    /// What was restored, if anything, and what the node is and runs afterwards.
    fn roll_back_one(&self, id: FaultId, node: usize) -> (Option<Counted>, Condition, Counted) {
        self.ledger().release(id, node);
        // A backup is used once: a heal that is tried again must not set back what the node has done since.
        let backup = self.ledger().backup(id, node).cloned();
        let back = backup.map(|backup| self.restore_data(id, node, &backup));
        back.iter().for_each(|back| self.note_harm(id, node, back));
        let raised = self.raise(node);
        (back, self.condition(node), raised)
    }

    fn restore_data(&self, id: FaultId, node: usize, backup: &Backup) -> Counted {
        let counts = self.bring_down(node)?;
        let (host, dir) = self.place(node);
        let data = self.machines.roll_back(host, dir, backup)?;
        self.ledger().used(id, node);
        Ok(Counts { data, ..counts })
    }

    /// Kills what runs on a node; data must not be touched under a process. A node may only be thought to be down, when
    /// what should have brought it there failed.
    fn bring_down(&self, node: usize) -> Counted {
        let was = self.condition(node);
        if was >= Condition::Killed && self.machines.process_count(self.host(node)).unwrap_or(1) == 0 {
            return Ok(Counts::default());
        }
        self.now_is(node, was.max(Condition::Killed));
        let struck = self.machines.strike(self.host(node), &KILL)?;
        Ok(Counts::harm(Condition::Killed, &struck))
    }
}

type Counted = Result<Counts, HostsError>;
