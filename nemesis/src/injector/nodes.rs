//! Nodes: brought down by a fault, and up to where all others want them by its heal.

use super::effect::{Counts, Tally};
use super::{Blow, Condition, Effect, FaultId, Injector, Machines, Outcome, Step};
use crate::disk::PowerCut;
use crate::hosts::HostsError;

impl<M: Machines + Sync> Injector<M> {
    /// Brings the targets of a fault down to where it wants them.
    pub(super) fn strike(&self, step: &Step, blow: &Blow, effect: Effect) -> Effect {
        let mut tally = Tally::default();
        for (node, (was, struck)) in step.each(|node| self.strike_one(step.id, node, blow)) {
            tally.add(self.name(node), ("was", was), struck);
        }
        let bit = tally.total.is_harm();
        tally.effect(effect, Outcome::Installed, !bit)
    }

    fn strike_one(&self, id: FaultId, node: usize, blow: &Blow) -> (Condition, Result<Counts, HostsError>) {
        self.ledger().reach(id, node);
        let was = self.condition(node);
        let struck = if was < blow.to { self.lower(node, blow) } else { Ok(Counts::default()) };
        if struck.as_ref().is_ok_and(Counts::is_harm) {
            self.ledger().bit(id, node);
        }
        (was, struck)
    }

    /// Brings the targets of a fault up to where the other faults want them.
    pub(super) fn revive(&self, step: &Step, effect: Effect) -> Effect {
        let mut tally = Tally::default();
        for (node, (is, raised)) in step.each(|node| self.revive_one(step.id, node)) {
            tally.add(self.name(node), ("is", is), raised);
        }
        let bit = self.ledger().has_bitten(step.id);
        tally.effect(effect, Outcome::Healed, !bit)
    }

    fn revive_one(&self, id: FaultId, node: usize) -> (Condition, Result<Counts, HostsError>) {
        self.ledger().release(id, node);
        let raised = self.raise(node);
        self.ledger().hand_over(id, node);
        (self.condition(node), raised)
    }

    /// Does to a node what makes it worse. The condition is noted first: after an error it may be that bad.
    pub(super) fn lower(&self, node: usize, blow: &Blow) -> Result<Counts, HostsError> {
        self.now_is(node, blow.to);
        self.machines.strike(self.host(node), blow).map(|crashed| Counts::harm(blow.to, &crashed))
    }

    /// Does to a node what makes it better, one step at a time, until it is where the ledger wants it, and counts what runs
    /// on it afterwards.
    pub(super) fn raise(&self, node: usize) -> Result<Counts, HostsError> {
        let to = self.ledger().condition(node);
        while self.condition(node) > to {
            self.now_is(node, self.raise_once(node, to)?);
        }
        if to == Condition::Running {
            self.pay(node)?;
        }
        // A node that was started while a pause lasts has to be stopped again.
        let mut stopped = 0;
        if self.condition(node) < to {
            stopped = self.lower(node, &Blow { to, cut: PowerCut::DROP })?.processes_stopped;
        }
        let running = self.machines.process_count(self.host(node))?.saturating_sub(stopped);
        Ok(Counts { processes_running: Some(running), processes_stopped: stopped, ..Counts::default() })
    }

    fn raise_once(&self, node: usize, to: Condition) -> Result<Condition, HostsError> {
        let host = self.host(node);
        Ok(match self.condition(node) {
            Condition::Crashed => {
                self.machines.reboot(host)?;
                Condition::Killed
            }
            // Dead is dead: nothing is to be started that should be down.
            Condition::Killed if to == Condition::Stopped => Condition::Stopped,
            was @ (Condition::Killed | Condition::Stopped) => {
                // Whoever was asked to end and has not ended by now does not end by itself.
                if was == Condition::Stopped {
                    self.machines.kill(host)?;
                }
                self.start(node)?;
                Condition::Running
            }
            Condition::Paused | Condition::Running => {
                self.machines.resume(host)?;
                Condition::Running
            }
        })
    }

    /// Starts a node; all that is in force there is in force for its processes.
    pub(super) fn start(&self, node: usize) -> Result<(), HostsError> {
        self.machines.restart(self.host(node))?;
        self.owes(node, None);
        self.ledger().runs(node);
        Ok(())
    }
}
