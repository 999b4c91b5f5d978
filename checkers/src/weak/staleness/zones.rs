//! Δ-atomicity of one register: the least Δ so that the history is linearizable if each read had been invoked Δ earlier.
//!
//! All operations on one value are a *cluster*: `f` is the first time at which one of them was completed, `s` the last
//! at which one was invoked. Cluster A has to come before B if `f` of A is before `s` of B. The history is linearizable iff no
//! two clusters have to come before each other. A larger Δ only moves `s` back, as far as the invocation of the write.

use rustc_hash::FxHashMap;

use crate::weak::trace::INITIAL;

#[derive(Clone, Copy)]
struct Cluster {
    first_completed: u64,
    write_invoked: u64,
    read_invoked: u64,
}

impl Cluster {
    /// The last invocation, with reads invoked so much earlier.
    fn last_invoked(&self, delta: u64) -> u64 {
        self.write_invoked.max(self.read_invoked.saturating_sub(delta))
    }
}

/// Δ in nanoseconds; `None` if none will do. Writes and reads are given as what was written (the node that wrote it), and the
/// times of invocation and completion, which is the largest number where it never came.
pub(super) fn delta(
    writes: impl Iterator<Item = (u32, (u64, u64))>,
    reads: impl Iterator<Item = (u32, (u64, u64))>,
) -> Option<u64> {
    let start = Cluster { first_completed: 0, write_invoked: 0, read_invoked: 0 };
    // What was there at the start was written before everything: its write is invoked and completed at 0, and all
    // else happens later than that.
    let mut clusters: FxHashMap<u32, Cluster> = FxHashMap::from_iter([(INITIAL, start)]);
    let later = |time: u64| time.saturating_add(1);
    for (node, (invoked, completed)) in writes {
        let write = Cluster { first_completed: later(completed), write_invoked: later(invoked), read_invoked: 0 };
        clusters.insert(node, write);
    }
    for (from, (invoked, completed)) in reads {
        let cluster = clusters.get_mut(&from)?;
        if later(completed) < cluster.write_invoked {
            return None;
        }
        cluster.first_completed = cluster.first_completed.min(later(completed));
        cluster.read_invoked = cluster.read_invoked.max(later(invoked));
    }
    // A write that was neither acknowledged nor read may never have happened.
    let mut clusters: Vec<Cluster> = clusters.into_values().filter(|c| c.first_completed < u64::MAX).collect();
    clusters.sort_unstable_by_key(|c| (c.first_completed, c.write_invoked, c.read_invoked));
    let mut enough = clusters.iter().map(|c| c.read_invoked).max().unwrap_or(0);
    if is_linearizable(&clusters, 0) {
        return Some(0);
    }
    if !is_linearizable(&clusters, enough) {
        return None;
    }
    let mut short = 0;
    while enough - short > 1 {
        let middle = short + (enough - short) / 2;
        match is_linearizable(&clusters, middle) {
            true => enough = middle,
            false => short = middle,
        }
    }
    Some(enough)
}

/// `clusters` are sorted by their first completion.
fn is_linearizable(clusters: &[Cluster], delta: u64) -> bool {
    // The largest last invocation among the first so many clusters.
    let mut largest = Vec::with_capacity(clusters.len() + 1);
    largest.push(0);
    for cluster in clusters {
        let before = largest[largest.len() - 1];
        largest.push(cluster.last_invoked(delta).max(before));
    }
    clusters.iter().enumerate().all(|(i, cluster)| {
        // Of those before it in this order, these have to come before it; none of them may have to come after it.
        let last = cluster.last_invoked(delta);
        let count = clusters[..i].partition_point(|other| other.first_completed < last);
        largest[count] <= cluster.first_completed
    })
}
