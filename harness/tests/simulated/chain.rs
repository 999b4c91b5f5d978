//! Chain replication under storms: nothing that it promises is broken, with reads at the tail or everywhere.

use histories::Guarantee;
use systems_under_test::chain::ChainReplication;
use systems_under_test::specimen::simulation::Weather;

use crate::storm::{Storm, breaks, keeps_its_promises};

const CRAQ: (&str, &str) = ("reads", "craq");

#[test]
fn reads_at_the_tail_keep_every_promise() {
    keeps_its_promises::<ChainReplication>(&Storm::default(), 0..40);
    keeps_its_promises::<ChainReplication>(&Storm { nodes: 5, ..Storm::default() }, 200..220);
}

#[test]
fn reads_at_every_node_keep_every_promise() {
    let craq = Storm { set: &[CRAQ], ..Storm::default() };
    keeps_its_promises::<ChainReplication>(&craq, 0..40);
    keeps_its_promises::<ChainReplication>(&Storm { nodes: 4, ..craq }, 200..220);
}

/// How many of thirty storms show a planted bug by this guarantee.
fn shown(set: &[(&str, &str)], guarantee: Guarantee) -> usize {
    breaks::<ChainReplication>(&Storm { set, ..Storm::default() }, guarantee, 0..30)
}

/// The others need longer faults than storms have, or a disk that hangs: their witnesses show them.
#[test]
fn storms_show_planted_bugs() {
    let weather = Weather { delay: (1_000, 20_000), ..Weather::default() };
    let slow = Storm { set: &[CRAQ, ("bug", "dirty-version-served")], faults: &["kill"], weather, ..Storm::default() };
    assert!(breaks::<ChainReplication>(&slow, Guarantee::Linearizable, 0..30) > 0, "dirty-version-served");
    for (bug, guarantee) in [
        ("ack-at-head", Guarantee::Durability),
        ("no-resend-after-removal", Guarantee::Convergence),
        ("tail-serves-before-transfer", Guarantee::Linearizable),
        ("resent-update-executed-again", Guarantee::Convergence),
        ("head-goes-on-alone", Guarantee::Durability),
    ] {
        let count = shown(&[("bug", bug)], guarantee);
        println!("{bug}: {count} of 30");
        assert!(count > 0, "{bug}");
    }
}
