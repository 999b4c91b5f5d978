//! Nodes that a fault has ended, and that are started again when it is healed.
//!
//! A server that cannot write, or gets no memory, had better end, and whoever repairs its machine starts it again. A node
//! that ends for any other reason stays down, so the injector has to know what ended it: a fault under which its processes
//! ran, that hit something of theirs, and they are gone.
//!
//! ```text
//!   time →       disk full n1     n1 ends     pause n1    heal disk       heal pause
//!   n1           runs             down        down        down, owed      started: for the disk's sake
//! ```
//!
//! It is not started while it has to be paused, nor while another fault lasts of which it would end again: then it is owed,
//! and started as soon as that is over.

use super::{Condition, FaultId, Injector, Machines, lock};
use crate::fault::{Fault, Shortage};
use crate::hosts::HostsError;

impl<M: Machines + Sync> Injector<M> {
    /// A fault is over on a node: if it has ended the node, that is started, now or later. Returns the fault for whose sake
    /// it was started now.
    pub(super) fn restart_ended(&self, id: FaultId, node: usize) -> Result<Option<FaultId>, HostsError> {
        // What holds the node down starts it when that is healed.
        if self.ledger().condition(node) > Condition::Paused || self.machines.process_count(self.host(node))? > 0 {
            return Ok(None);
        }
        if self.has_ended(id, node) && self.owed(node).is_none() {
            self.owes(node, Some(id));
        }
        if self.ledger().condition(node) == Condition::Paused {
            return Ok(None);
        }
        self.pay(node)
    }

    /// Starts a node that is owed and may run. Returns the fault for whose sake.
    pub(super) fn pay(&self, node: usize) -> Result<Option<FaultId>, HostsError> {
        let Some(of) = self.owed(node).filter(|_| !self.would_end(node)) else { return Ok(None) };
        if self.machines.process_count(self.host(node))? > 0 {
            self.owes(node, None);
            return Ok(None);
        }
        self.start(node).map(|()| Some(of))
    }

    /// Whether processes ran on a node under this fault, and it did something to them.
    fn has_ended(&self, id: FaultId, node: usize) -> bool {
        let hit = |installed: &super::Installed| {
            installed.bit.contains(&node) || installed.hits.get(&node).is_some_and(|hits| *hits > 0)
        };
        self.ledger().get(id).is_some_and(|installed| installed.ran.contains(&node) && hit(installed))
    }

    /// Whether a fault is in force of which servers end.
    fn would_end(&self, node: usize) -> bool {
        self.ledger().on_node(node).any(|(_, fault)| is_deadly(fault))
    }

    fn owed(&self, node: usize) -> Option<FaultId> {
        lock(&self.nodes[node].state).owed
    }

    pub(super) fn owes(&self, node: usize, of: Option<FaultId>) {
        lock(&self.nodes[node].state).owed = of;
    }
}

/// Whether servers may end of a fault by themselves.
fn is_deadly(fault: &Fault) -> bool {
    match fault {
        Fault::Disk { .. } => true,
        Fault::Resources { shortage, .. } => !matches!(shortage, Shortage::Cpu { .. }),
        _ => false,
    }
}
