//! Which faults harm some of the nodes: those that are healed when these are to be healthy and others are not.

use std::collections::BTreeSet;

use super::{FaultId, Injector, Machines, Touch, touch_of};
use crate::hosts::HostId;

impl<M: Machines> Injector<M> {
    /// The installed faults that harm any of these nodes, or a link between two of them or between one of them and a client,
    /// the last first. What a fault does to links between them and other nodes is no harm to them.
    pub fn harming(&self, nodes: &[usize]) -> Vec<FaultId> {
        let hosts = nodes.iter().filter_map(|node| self.layout.nodes.get(*node)).map(|(_, host)| *host);
        let hosts: BTreeSet<HostId> = hosts.chain(self.layout.clients.iter().copied()).collect();
        let harms = |installed: &super::Installed| match touch_of(&installed.fault) {
            Touch::Links => installed.links.iter().any(|(from, to)| hosts.contains(from) && hosts.contains(to)),
            _ => installed.targets.iter().any(|node| nodes.contains(node)),
        };
        self.ledger().iter().rev().filter(|(_, installed)| harms(installed)).map(|(id, _)| id).collect()
    }
}
