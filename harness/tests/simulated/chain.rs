//! Chain replication under storms: nothing that it promises is broken, with reads at the tail or everywhere.

use histories::Guarantee;
use systems_under_test::chain::ChainReplication;
use systems_under_test::specimen::simulation::Weather;

use crate::storm::{ALL, Storm, breaks, keeps_its_promises};

const CRAQ: (&str, &str) = ("reads", "craq");

#[test]
fn reads_at_the_tail_keep_every_promise() {
    keeps_its_promises::<ChainReplication>(&Storm::default(), 0..200);
    keeps_its_promises::<ChainReplication>(&Storm { nodes: 5, ..Storm::default() }, 200..300);
}

#[test]
fn reads_at_every_node_keep_every_promise() {
    let craq = Storm { set: &[CRAQ], ..Storm::default() };
    keeps_its_promises::<ChainReplication>(&craq, 0..200);
    keeps_its_promises::<ChainReplication>(&Storm { nodes: 4, ..craq }, 200..300);
}
