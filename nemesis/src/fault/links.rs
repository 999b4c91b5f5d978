//! Which directed links a fault cuts or makes worse.
//!
//! A link is an ordered pair of hosts. Most partitions cut both directions, because that is what a broken cable does;
//! `one-way` and `partition-random` cut single directions, because that is what a broken route does.
//!
//! # The majorities ring
//!
//! Every node sees a majority, and no two nodes see the same one, so that each may believe in a quorum of its own.
//! Jepsen's `majorities-ring` builds it from windows of a majority's size that slide around the ring, each node hearing
//! its own window. With three nodes that is one-way everywhere: n1 hears n2 hears n3 hears n1. No TCP connection, which
//! needs both directions, survives that, and "sees a majority" becomes "sees nobody". So the ring here is symmetric:
//! with a majority of `m` nodes, each node keeps the `⌊(m-1)/2⌋` neighbours on each side, and, when one more is needed,
//! the node opposite. With an odd number of nodes the opposites cannot pair up, and one node keeps two of them.
//!
//! ```text
//!   3 nodes     4 nodes     5 nodes         7 nodes: the ring, and 1-4 2-5 3-6 4-7
//!
//!   1---2       1---2          1             each node sees itself and three others,
//!       |       |   |        /   \           4 sees four
//!       3       4---3       5     2
//!                            \   /           6 nodes: the ring, and 1-4 2-5 3-6
//!                            4---3           9 nodes: the ring, and next but one
//! ```

use std::collections::BTreeSet;

use super::{Direction, Fault, Peers, Reach};
use crate::hosts::HostId;

/// The directed links that a fault cuts or makes worse, ascending, each once; empty for faults of processes and machines. `targets` is
/// what [`Fault::resolve`] returned, `nodes` and `clients` the hosts of the run, nodes by position.
pub fn links(fault: &Fault, targets: &[usize], nodes: &[HostId], clients: &[HostId]) -> Vec<(HostId, HostId)> {
    let node_count = nodes.len();
    let cut: BTreeSet<(usize, usize)> = match fault {
        Fault::PartitionOne { .. } => pairs(node_count, |a, b| targets.contains(&a) || targets.contains(&b)),
        Fault::PartitionHalves { side } => pairs(node_count, |a, b| side.contains(&a) != side.contains(&b)),
        Fault::PartitionSide { .. } => pairs(node_count, |a, b| targets.contains(&a) != targets.contains(&b)),
        Fault::PartitionRing { order } => ring(order, node_count),
        Fault::Bridge { bridge, side } => {
            pairs(node_count, |a, b| a != *bridge && b != *bridge && side.contains(&a) != side.contains(&b))
        }
        Fault::OneWay { .. } => pairs(node_count, |a, b| targets.contains(&a) && !targets.contains(&b)),
        Fault::PartitionMatrix { links } => pairs(node_count, |a, b| links.contains(&(a, b))),
        Fault::ClientsCut { .. } => return between(targets, nodes, clients, Direction::Both),
        Fault::Link { reach, .. } => return impaired(reach, targets, nodes, clients),
        Fault::Stop { .. } | Fault::Kill { .. } | Fault::Pause { .. } => BTreeSet::new(),
        Fault::Crash { .. } | Fault::PowerCut { .. } => BTreeSet::new(),
        Fault::Clock { .. } | Fault::Disk { .. } | Fault::Resources { .. } => BTreeSet::new(),
        Fault::CrashLoop { .. } | Fault::Wipe { .. } | Fault::Rollback { .. } => BTreeSet::new(),
        Fault::FileDamage { .. } => BTreeSet::new(),
    };
    let mut links: Vec<_> = cut.into_iter().map(|(from, to)| (nodes[from], nodes[to])).collect();
    links.sort_unstable();
    links
}

/// The ordered pairs of different nodes for which `cut` holds.
fn pairs(node_count: usize, cut: impl Fn(usize, usize) -> bool) -> BTreeSet<(usize, usize)> {
    (0..node_count).flat_map(|a| (0..node_count).map(move |b| (a, b))).filter(|&(a, b)| a != b && cut(a, b)).collect()
}

/// The links between the targets and their peers. What one target sends to another is going out and coming in.
fn impaired(reach: &Reach, targets: &[usize], nodes: &[HostId], clients: &[HostId]) -> Vec<(HostId, HostId)> {
    let others = match reach.peers {
        Peers::Nodes => between(targets, nodes, nodes, reach.direction),
        Peers::Clients => between(targets, nodes, clients, reach.direction),
        Peers::All => between(targets, nodes, &[nodes, clients].concat(), reach.direction),
    };
    others.into_iter().filter(|(from, to)| from != to).collect()
}

/// The links between the targets and every peer.
fn between(targets: &[usize], nodes: &[HostId], peers: &[HostId], direction: Direction) -> Vec<(HostId, HostId)> {
    let (out, back) = (direction != Direction::In, direction != Direction::Out);
    let mut links = Vec::new();
    for node in targets.iter().filter_map(|target| nodes.get(*target)) {
        for peer in peers {
            links.extend(out.then_some((*node, *peer)));
            links.extend(back.then_some((*peer, *node)));
        }
    }
    links.sort_unstable();
    links.dedup();
    links
}

/// The majorities ring over `order`; nodes that `order` leaves out are put behind it, so that each has a place.
fn ring(order: &[usize], node_count: usize) -> BTreeSet<(usize, usize)> {
    let mut place = vec![None; node_count];
    let all = order.iter().copied().chain(0..node_count);
    let mut next = 0;
    for node in all.filter(|node| *node < node_count) {
        if place[node].is_none() {
            place[node] = Some(next);
            next += 1;
        }
    }
    pairs(node_count, |a, b| match (place[a], place[b]) {
        (Some(a), Some(b)) => !ring_keeps(a.min(b), a.max(b), node_count),
        _ => false,
    })
}

/// Whether the places `low < high` of a ring of `count` nodes see each other.
fn ring_keeps(low: usize, high: usize, count: usize) -> bool {
    let others_needed = count / 2;
    let each_side = others_needed / 2;
    let apart = high - low;
    let opposite = others_needed % 2 == 1 && apart == count / 2;
    apart.min(count - apart) <= each_side || opposite
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen_by(cut: &BTreeSet<(usize, usize)>, node: usize, count: usize) -> BTreeSet<usize> {
        (0..count).filter(|other| *other == node || !cut.contains(&(*other, node))).collect()
    }

    #[test]
    fn on_the_ring_each_node_sees_a_majority_of_its_own() {
        for count in 3..=15 {
            let order: Vec<usize> = (0..count).rev().collect();
            let cut = ring(&order, count);
            let seen: Vec<_> = (0..count).map(|node| seen_by(&cut, node, count)).collect();
            for (node, view) in seen.iter().enumerate() {
                assert!(view.len() > count / 2, "{count} nodes: {node} sees only {view:?}");
                assert!(view.len() < count || count == 3, "{count} nodes: {node} sees everyone");
            }
            let different: BTreeSet<_> = seen.iter().collect();
            assert_eq!(different.len(), count, "{count} nodes: two see the same majority: {seen:?}");
            assert!(cut.iter().all(|(a, b)| cut.contains(&(*b, *a))), "{count} nodes: not symmetric");
        }
    }
}
