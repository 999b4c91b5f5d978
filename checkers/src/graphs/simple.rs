//! From a closed walk to cycles with names.

use crate::models::{AnomalyType, classify};

use super::component::Part;
use super::lens::{How, Lens};
use super::walk::Hop;
use super::{Relations, Step};

/// The relations that a step may count as, the one that makes the worst cycle first.
const PREFERRED: [Relations; 8] = [
    Relations::WW,
    Relations::WWP,
    Relations::WR,
    Relations::WRP,
    Relations::PROCESS,
    Relations::REALTIME,
    Relations::RW,
    Relations::RWP,
];

/// The simple cycles that a closed walk consists of, with what each is.
pub(super) fn cycles(lens: &Lens<'_>, walk: &[Hop]) -> Vec<(AnomalyType, Vec<Step>)> {
    let name = |piece: Vec<Hop>| {
        let steps: Vec<Step> = piece.iter().map(|hop| step(lens, hop)).collect();
        let relations: Vec<Relations> = steps.iter().map(|step| step.relation).collect();
        (classify(&relations), steps)
    };
    pieces(walk).into_iter().map(name).collect()
}

/// Cuts a closed walk wherever it comes back to a node.
fn pieces(walk: &[Hop]) -> Vec<Vec<Hop>> {
    let mut at = rustc_hash::FxHashMap::default();
    let (mut open, mut cut): (Vec<Hop>, Vec<Vec<Hop>>) = (Vec::new(), Vec::new());
    for hop in walk {
        at.insert(hop.from, open.len());
        open.push(*hop);
        if let Some(&begin) = at.get(&hop.to) {
            let piece = open.split_off(begin);
            piece.iter().for_each(|hop| _ = at.remove(&hop.from));
            cut.push(piece);
        }
    }
    cut
}

fn step(lens: &Lens<'_>, hop: &Hop) -> Step {
    let bits = lens.part.between(hop.from, hop.to);
    let relation = match hop.how {
        How::Time => Relations::REALTIME,
        How::Anti if bits.and(lens.anti).meets(Relations::RW) => Relations::RW,
        How::Anti => Relations::RWP,
        How::Base => first(bits.and(lens.base)),
    };
    let name = |part: &Part<'_>, node: u32| part.nodes[node as usize];
    Step { from: name(lens.part, hop.from), to: name(lens.part, hop.to), relation }
}

/// The one of these relations that makes the worst cycle.
pub(super) fn first(bits: Relations) -> Relations {
    PREFERRED.into_iter().find(|r| bits.meets(*r)).unwrap_or(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_that_returns_to_nodes_is_cut_into_cycles() {
        let path = [0, 1, 2, 1, 3, 4, 3, 0];
        let hops: Vec<Hop> = path.windows(2).map(|w| Hop { from: w[0], to: w[1], how: How::Base }).collect();
        let nodes: Vec<Vec<u32>> = pieces(&hops).iter().map(|p| p.iter().map(|hop| hop.from).collect()).collect();
        assert_eq!(nodes, [vec![1, 2], vec![3, 4], vec![0, 1, 3]]);
    }
}
