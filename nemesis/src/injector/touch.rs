//! What each fault changes.

use super::{Blow, Condition};
use crate::disk::PowerCut;
use crate::fault::Fault;
use crate::wire::LinkStats;

/// What a fault changes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Touch {
    Links,
    Node(Blow),
    Clock,
    Disk,
    Resources,
    /// What a node has kept, while it is down.
    Data,
    /// What a node has kept, when the fault is healed.
    Backup,
}

pub(super) fn touch_of(fault: &Fault) -> Touch {
    let node = |to| Touch::Node(Blow { to, cut: PowerCut::DROP });
    match fault {
        Fault::Pause { .. } => node(Condition::Paused),
        Fault::Stop { .. } => node(Condition::Stopped),
        Fault::Kill { .. } | Fault::CrashLoop { .. } => node(Condition::Killed),
        Fault::Crash { .. } => node(Condition::Crashed),
        Fault::PowerCut { cut, .. } => Touch::Node(Blow { to: Condition::Crashed, cut: *cut }),
        Fault::Clock { .. } => Touch::Clock,
        Fault::Disk { .. } => Touch::Disk,
        Fault::Resources { .. } => Touch::Resources,
        Fault::Wipe { .. } | Fault::FileDamage { .. } => Touch::Data,
        Fault::Rollback { .. } => Touch::Backup,
        Fault::PartitionOne { .. }
        | Fault::PartitionHalves { .. }
        | Fault::PartitionSide { .. }
        | Fault::PartitionRing { .. }
        | Fault::Bridge { .. }
        | Fault::OneWay { .. }
        | Fault::PartitionMatrix { .. }
        | Fault::ClientsCut { .. }
        | Fault::Link { .. } => Touch::Links,
    }
}

/// What a fault makes of a node; nothing when it leaves the node's processes alone.
pub(super) fn condition_of(fault: &Fault) -> Option<Condition> {
    match touch_of(fault) {
        Touch::Node(blow) => Some(blow.to),
        Touch::Data => Some(Condition::Killed),
        Touch::Links | Touch::Clock | Touch::Disk | Touch::Resources | Touch::Backup => None,
    }
}

/// Whether all that a fault does is to cut links.
pub(super) fn is_cut(fault: &Fault) -> bool {
    fault.link().cut
}

/// To how many packets a fault of links did what it does.
pub(super) fn packets(fault: &Fault, stats: &LinkStats) -> u64 {
    match fault {
        Fault::Link { kind, .. } => kind.packets(stats),
        _ => stats.cut,
    }
}
