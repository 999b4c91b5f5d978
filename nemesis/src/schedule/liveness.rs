//! What may come after the faults of a schedule: a core of nodes is healed and left to itself, and the others stay broken for
//! good, so that the run shows whether the core suffices.
//!
//! ```text
//!   safety: faults come and go             liveness                     as ever
//!   ── kill n1 ── heal ── cut n4 ──|── n1 n2 n5 healthy ─────────|── heal everything, recovery, final reads
//!                                  |   n3 paused, n4 cut off     |
//! ```
//!
//! The order matters: first the others are broken, then everything that harms the core is healed, so that there is no moment in
//! which all are healthy, and a leader outside of the core can hand nothing over. Faults that were there before and touch
//! the others only stay as well.
//!
//! Which nodes are the core and what becomes of each of the others is drawn from the seed, from streams of their own: a node
//! is killed, paused, or cut off from the core and from all clients. (Cut off from the core alone, an old leader would go on
//! to serve clients, and theirs would be the only operations.)

//!
//! A core that holds the leader has little to prove. So half of those that are drawn say that whoever leads when the phase begins
//! changes places with one of the others: then the core must find a new leader while the old one is gone for good. Like
//! all roles that one is looked up when it is due, and the event in the history has the names as they came out.

use serde::{Deserialize, Serialize};

use super::draw::shuffle;
use crate::fault::{Fault, Target};
use crate::seed::{ChaCha8Rng, Seed, below};

/// A phase in which a core of nodes is healthy and by itself, and the others stay broken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Liveness {
    /// The nodes that are healthy, by position, ascending.
    #[serde(with = "crate::fault::positions::many")]
    pub core: Vec<usize>,
    /// What stays on the others.
    pub rest: Vec<Fault>,
    /// Whether a leader that is in the core changes places with the first of the others.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub leader_out: bool,
    /// Within so many milliseconds the core must get on.
    pub within_ms: u64,
}

/// What is asked of the phase; what is not said is drawn or left to whoever asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LivenessAsked {
    /// The nodes that are to be healthy, by position; absent: drawn.
    pub core: Option<Vec<usize>>,
    /// See [`Liveness::within_ms`].
    pub within_ms: Option<u64>,
}

impl Liveness {
    /// Draws a core of `size` nodes, those of `with` among them, whoever leads.
    pub fn draw(seed: Seed, node_count: usize, size: usize, with: &[usize], within_ms: u64) -> Liveness {
        let mut others: Vec<usize> = (0..node_count).filter(|node| !with.contains(node)).collect();
        shuffle(&mut seed.stream("liveness core"), &mut others);
        let more = size.saturating_sub(with.len());
        let core = with.iter().copied().filter(|node| *node < node_count).chain(others.into_iter().take(more));
        let leader_out = with.is_empty() && below(&mut seed.stream("liveness leader"), 2) == 0;
        Liveness { leader_out, ..Liveness::of(core.collect(), seed, node_count, within_ms) }
    }

    /// With this core; only the fate of the others is drawn.
    pub fn of(mut core: Vec<usize>, seed: Seed, node_count: usize, within_ms: u64) -> Liveness {
        core.sort_unstable();
        core.dedup();
        let others: Vec<usize> = (0..node_count).filter(|node| !core.contains(node)).collect();
        let rest = fates(&others, &mut seed.stream("liveness rest"));
        Liveness { core, rest, leader_out: false, within_ms }
    }

    /// The same as it is to be while this node leads.
    pub fn under(&self, leader: Option<usize>) -> Liveness {
        let leader = leader.filter(|leader| self.leader_out && self.core.contains(leader));
        let other = self.rest.iter().flat_map(Fault::mentions).min();
        let (Some(leader), Some(other)) = (leader, other) else { return self.clone() };
        let exchanged = |node: &usize| match *node {
            node if node == leader => other,
            node if node == other => leader,
            node => node,
        };
        let mut core: Vec<usize> = self.core.iter().map(exchanged).collect();
        core.sort_unstable();
        let rest = self.rest.iter().map(|fault| {
            let mut nodes: Vec<usize> = fault.mentions().iter().map(exchanged).collect();
            nodes.sort_unstable();
            on(fault, nodes)
        });
        Liveness { core, rest: rest.collect(), ..self.clone() }
    }
}

/// One fault for all that share a fate.
fn fates(nodes: &[usize], rng: &mut ChaCha8Rng) -> Vec<Fault> {
    let (mut killed, mut paused, mut cut) = (Vec::new(), Vec::new(), Vec::new());
    for node in nodes {
        match below(rng, 3) {
            0 => killed.push(*node),
            1 => paused.push(*node),
            _ => cut.push(*node),
        }
    }
    let mut faults = Vec::new();
    if let Some(target) = these(cut.clone()) {
        faults.push(Fault::PartitionHalves { side: cut });
        faults.push(Fault::ClientsCut { target });
    }
    faults.extend(these(killed).map(|target| Fault::Kill { target }));
    faults.extend(these(paused).map(|target| Fault::Pause { target }));
    faults
}

/// The same fault on other nodes.
fn on(fault: &Fault, nodes: Vec<usize>) -> Fault {
    match (fault, these(nodes.clone())) {
        (Fault::PartitionHalves { .. }, _) => Fault::PartitionHalves { side: nodes },
        (Fault::ClientsCut { .. }, Some(target)) => Fault::ClientsCut { target },
        (Fault::Kill { .. }, Some(target)) => Fault::Kill { target },
        (Fault::Pause { .. }, Some(target)) => Fault::Pause { target },
        (other, _) => other.clone(),
    }
}

fn these(nodes: Vec<usize>) -> Option<Target> {
    match nodes[..] {
        [] => None,
        [one] => Some(Target::Node(one)),
        _ => Some(Target::Nodes(nodes)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_node_is_in_the_core_or_broken() {
        for seed in 0..200 {
            let liveness = Liveness::draw(Seed(seed), 5, 3, &[1], 10_000);
            assert_eq!(liveness, Liveness::draw(Seed(seed), 5, 3, &[1], 10_000));
            assert!(liveness.core.len() == 3 && liveness.core.contains(&1) && liveness.core.is_sorted());
            let broken: BTreeSet<usize> = liveness.rest.iter().flat_map(|fault| fault.resolve(5, None)).collect();
            let others: BTreeSet<usize> = (0..5).filter(|node| !liveness.core.contains(node)).collect();
            assert_eq!(broken, others);
        }
    }

    #[test]
    fn seeds_differ_in_the_core_and_in_what_becomes_of_the_others() {
        let all: Vec<_> = (0..50).map(|seed| Liveness::draw(Seed(seed), 5, 3, &[], 1)).collect();
        let cores: BTreeSet<_> = all.iter().map(|liveness| liveness.core.clone()).collect();
        let fates: BTreeSet<_> = all.iter().flat_map(|liveness| &liveness.rest).map(Fault::name).collect();
        assert!(cores.len() > 7, "{} of the ten cores", cores.len());
        assert_eq!(fates, BTreeSet::from(["clients-cut", "kill", "partition-halves", "pause"]));
    }

    #[test]
    fn a_leader_changes_places_with_one_of_the_others_half_of_the_time() {
        let drawn: Vec<_> = (0..100).map(|seed| Liveness::draw(Seed(seed), 5, 3, &[], 1)).collect();
        let out = drawn.iter().filter(|liveness| liveness.leader_out).count();
        assert!((35..65).contains(&out), "{out}");
        for liveness in drawn {
            for leader in 0..5 {
                let now = liveness.under(Some(leader));
                assert!(!liveness.leader_out || !now.core.contains(&leader));
                let broken: BTreeSet<usize> = now.rest.iter().flat_map(|fault| fault.resolve(5, None)).collect();
                let all: BTreeSet<usize> = now.core.iter().copied().chain(broken.iter().copied()).collect();
                assert_eq!((now.core.len(), broken.len(), all.len()), (3, 2, 5), "{now:?}");
                let fates = |liveness: &Liveness| liveness.rest.iter().map(Fault::name).collect::<Vec<_>>();
                assert_eq!(fates(&now), fates(&liveness));
            }
            assert_eq!(liveness.under(None), liveness);
        }
        // Nobody can do without whom the system needs.
        assert!((0..100).all(|seed| !Liveness::draw(Seed(seed), 5, 3, &[0], 1).leader_out));
    }

    #[test]
    fn a_core_of_all_leaves_nobody() {
        assert_eq!(Liveness::draw(Seed(1), 3, 3, &[], 1).rest, vec![]);
        assert_eq!(Liveness::of(vec![2, 0, 2], Seed(1), 3, 1).core, [0, 2]);
    }
}
