//! One order of nodes that respects conflicts which are found only by looking at the order.
//!
//! A conflict says that one write precedes another. There may be far more of them than nodes, and in nearly every
//! order that comes near to what happened nearly all of them hold already. So only those that an order breaks are
//! written down; the nodes are ordered anew, and looked at again. A cycle proves that no order will do: every
//! conflict in it is forced. An order that breaks none is the proof that all is well. After a few rounds all conflicts
//! are written down at once, and one more ordering decides.

use super::causal::Suspect;
use super::order::{Order, Parents, order};
use super::table::Table;
use super::trace::Trace;
use crate::budget::{Exhausted, Meter};

/// Rounds before all conflicts are written down.
pub(crate) const ROUNDS: usize = 5;

/// A strongly connected component, and the conflicts in it.
pub(crate) type Knot = (Vec<u32>, Vec<Suspect>);

/// What there is to look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Conflicts that the order breaks.
    Broken,
    /// All conflicts.
    All,
}

/// Repairs an order, beginning with the conflicts that it breaks. `look` finds the conflicts of a kind.
///
/// # Errors
/// When the budget does not suffice.
pub(crate) fn repair(
    trace: &Trace,
    mut nodes: Vec<u32>,
    mut conflicts: Vec<Suspect>,
    rounds: usize,
    meter: &Meter<'_>,
    mut look: impl FnMut(&[u32], Wanted) -> Result<Vec<Suspect>, Exhausted>,
) -> Result<Vec<Knot>, Exhausted> {
    for _ in 0..rounds {
        if conflicts.is_empty() {
            return Ok(Vec::new());
        }
        let Order { nodes: better, components } = reorder(trace, &nodes, &conflicts);
        if !components.is_empty() {
            return Ok(knots(components, &conflicts));
        }
        nodes = better;
        let broken = look(&nodes, Wanted::Broken)?;
        if broken.is_empty() {
            return Ok(Vec::new());
        }
        conflicts.extend(broken);
        meter.hold(conflicts.len() as u64 * 48)?;
    }
    let all = look(&nodes, Wanted::All)?;
    meter.hold(all.len() as u64 * 48)?;
    Ok(knots(reorder(trace, &nodes, &all).components, &all))
}

fn reorder(trace: &Trace, nodes: &[u32], conflicts: &[Suspect]) -> Order {
    let pairs = conflicts.iter().map(|conflict| (conflict.from, conflict.missed));
    let more = Table::from_pairs(trace.len(), pairs, 0);
    order(&Parents { more: Some(&more), ..Parents::of_trace(trace) }, nodes)
}

fn knots(components: Vec<Vec<u32>>, conflicts: &[Suspect]) -> Vec<Knot> {
    let within = |component: Vec<u32>| {
        let holds = |node: &u32| component.binary_search(node).is_ok();
        let inside = conflicts.iter().filter(|c| holds(&c.from) && holds(&c.missed)).copied().collect();
        (component, inside)
    };
    components.into_iter().map(within).collect()
}
