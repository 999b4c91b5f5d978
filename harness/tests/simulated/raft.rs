//! Raft: everything is promised, in every configuration.

use std::collections::BTreeSet;

use checkers::Observed;
use systems_under_test::raft::RaftSystem;

use crate::storm::{Storm, run};

const SEEDS: std::ops::Range<u64> = 0..120;

/// No promise is broken, and enough happens for that to mean something.
fn keeps_its_promises(storm: &Storm, seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let outcome = run::<RaftSystem>(storm, seed);
        let rows = &outcome.judgement.guarantees;
        let broken = rows.iter().filter(|(_, row)| row.promised && row.observed == Observed::Violated);
        let broken: BTreeSet<&str> = broken.map(|(guarantee, _)| guarantee.name()).collect();
        assert!(broken.is_empty(), "seed {seed} {:?}: {broken:?}\n{}", storm.set, outcome.notes);
        assert!(outcome.ok_count * 4 > outcome.operation_count, "seed {seed}: {} ok", outcome.ok_count);
    }
}

#[test]
fn what_is_promised_holds_by_read_index() {
    keeps_its_promises(&Storm { set: &[("snapshot-after", "50")], ..Storm::default() }, SEEDS);
}

#[test]
fn what_is_promised_holds_with_five_nodes() {
    keeps_its_promises(&Storm { nodes: 5, ..Storm::default() }, SEEDS);
}

#[test]
fn what_is_promised_holds_with_leases() {
    let set = &[("reads", "lease"), ("snapshot-after", "50")];
    keeps_its_promises(&Storm { set, ..Storm::default() }, SEEDS);
}

#[test]
fn what_is_promised_holds_when_any_node_reads() {
    let set = &[("read-from", "any"), ("snapshot-after", "200")];
    keeps_its_promises(&Storm { set, ..Storm::default() }, SEEDS);
}

#[test]
fn what_is_promised_holds_without_sessions() {
    let set = &[("sessions", "off"), ("snapshot-after", "200")];
    keeps_its_promises(&Storm { set, ..Storm::default() }, SEEDS);
}

#[test]
fn what_is_promised_of_local_reads_holds() {
    for from in ["leader", "any"] {
        let set = &[("reads", "local"), ("read-from", from)];
        keeps_its_promises(&Storm { set, ..Storm::default() }, 0..150);
    }
}
