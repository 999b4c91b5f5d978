//! What the search for cycles takes for granted about the lattice is in its tables.

use std::collections::BTreeSet;

use checkers::graphs::Relations;
use checkers::models::{AnomalyType, CYCLE_SPECS, CycleSpec, boundary};

#[path = "graphs_support/mod.rs"]
mod support;

fn ruled_out(kind: AnomalyType) -> BTreeSet<&'static str> {
    let all = boundary(&[kind]);
    [all.not, all.also_not, all.besides].concat().into_iter().map(|model| model.name()).collect()
}

#[test]
fn cycles_imply_what_the_tables_say() {
    for one in CYCLE_SPECS {
        let table = one.kind.implies();
        for other in CYCLE_SPECS {
            let expected = one.kind == other.kind || table.contains(&other.kind);
            assert_eq!(support::implies(one.kind, other.kind), expected, "{} ⇒ {}", one.kind, other.kind);
        }
    }
}

#[test]
fn what_implies_another_is_searched_before_it() {
    for (i, later) in CYCLE_SPECS.iter().enumerate() {
        let after = &CYCLE_SPECS[i + 1..];
        assert!(after.iter().all(|spec| !support::implies(spec.kind, later.kind)), "{}", later.kind);
    }
}

#[test]
fn a_cycle_without_anti_dependencies_rules_out_what_a_nonadjacent_one_does() {
    let level = |spec: &CycleSpec| match spec.usable() {
        usable if usable.meets(Relations::REALTIME) => 2,
        usable if usable.meets(Relations::PROCESS) => 1,
        _ => 0,
    };
    let plain = |spec: &&CycleSpec| !spec.usable().meets(Relations::RW.or(Relations::RWP));
    let mut compared = 0;
    for apart in CYCLE_SPECS.iter().filter(|spec| spec.nonadjacent != Relations::NONE) {
        for other in CYCLE_SPECS.iter().filter(plain).filter(|other| level(other) <= level(apart)) {
            let (less, more) = (ruled_out(apart.kind), ruled_out(other.kind));
            assert!(less.is_subset(&more), "{} without {}: {:?}", apart.kind, other.kind, less.difference(&more));
            compared += 1;
        }
    }
    assert_eq!(compared, 2 * (2 + 4 + 6));
}
