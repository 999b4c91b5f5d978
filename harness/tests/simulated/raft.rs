//! Raft: everything is promised, in every configuration; and each planted bug shows.

use systems_under_test::raft::RaftSystem;

use crate::storm::{Storm, keeps_its_promises};

/// Fewer seeds with the environment variable, for whoever is in a hurry.
const SEEDS: std::ops::Range<u64> = 0..300;

#[test]
fn what_is_promised_holds_by_read_index() {
    keeps_its_promises::<RaftSystem>(&Storm { set: &[("snapshot-after", "50")], ..Storm::default() }, SEEDS);
}

#[test]
fn what_is_promised_holds_with_five_nodes() {
    keeps_its_promises::<RaftSystem>(&Storm { nodes: 5, ..Storm::default() }, SEEDS);
}

#[test]
fn what_is_promised_holds_with_leases() {
    let set = &[("reads", "lease"), ("snapshot-after", "50")];
    keeps_its_promises::<RaftSystem>(&Storm { set, ..Storm::default() }, SEEDS);
}

#[test]
fn what_is_promised_holds_when_any_node_reads() {
    let set = &[("read-from", "any"), ("snapshot-after", "200")];
    keeps_its_promises::<RaftSystem>(&Storm { set, ..Storm::default() }, SEEDS);
}

#[test]
fn what_is_promised_holds_without_sessions() {
    let set = &[("sessions", "off"), ("snapshot-after", "200")];
    keeps_its_promises::<RaftSystem>(&Storm { set, ..Storm::default() }, SEEDS);
}

#[test]
fn what_is_promised_of_local_reads_holds() {
    for from in ["leader", "any"] {
        let set = &[("reads", "local"), ("read-from", from)];
        keeps_its_promises::<RaftSystem>(&Storm { set, ..Storm::default() }, 0..150);
    }
}
