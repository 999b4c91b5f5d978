//! The leaderless specimen keeps what each configuration promises, and each planted bug that a simulation can show breaks it.
//!
//! Hints are lost by two faults at once, and a read that answers too early is seen by two reads in a row: those bugs their witnesses show, with
//! real processes.
//!
//! `SPLITBRAIN_SEEDS=300` looks at so many storms of each configuration.

use histories::Guarantee;
use systems_under_test::leaderless::LeaderlessSystem;

use super::storm::{ALL, Storm, breaks, keeps_its_promises};

type Set<'a> = &'a [(&'a str, &'a str)];

fn keeps(set: Set, nodes: usize) {
    let seeds = std::env::var("SPLITBRAIN_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(12);
    keeps_its_promises::<LeaderlessSystem>(&Storm { set, nodes, ..Storm::default() }, 0..seeds);
}

const CLOCK: (&str, &str) = ("timestamps", "clock");
const SIBLINGS: (&str, &str) = ("conflict", "siblings");
const ONE: (&str, &str) = ("w", "1");
const SLOPPY: (&str, &str) = ("quorum", "sloppy");
const THREE: (&str, &str) = ("n", "3");

#[test]
fn strict_quorums_where_the_last_write_wins() {
    keeps(&[], 3);
    keeps(&[], 5);
    keeps(&[THREE], 5);
}

#[test]
fn strict_quorums_with_siblings() {
    keeps(&[SIBLINGS], 3);
    keeps(&[SIBLINGS, THREE], 5);
}

#[test]
fn timestamps_of_clocks_that_are_right() {
    let faults: Vec<&str> = ALL.iter().copied().filter(|fault| *fault != "clock").collect();
    keeps_its_promises::<LeaderlessSystem>(&Storm { set: &[CLOCK], faults: &faults, ..Storm::default() }, 0..12);
}

#[test]
fn timestamps_of_clocks_that_may_be_wrong() {
    keeps(&[CLOCK], 3);
    keeps(&[CLOCK, SIBLINGS], 3);
}

#[test]
fn all_for_writes_and_one_for_reads() {
    keeps(&[("w", "3"), ("r", "1")], 3);
}

#[test]
fn repair_later_or_never() {
    keeps(&[("read-repair", "async")], 3);
    keeps(&[("read-repair", "off"), ("anti-entropy", "off")], 3);
}

#[test]
fn quorums_that_do_not_overlap() {
    keeps(&[ONE, ("r", "1")], 3);
    keeps(&[ONE, ("r", "1"), SIBLINGS], 3);
}

#[test]
fn sloppy_quorums() {
    keeps(&[SLOPPY, THREE], 5);
    keeps(&[SLOPPY, THREE, SIBLINGS], 5);
}

/// The bug is seen, in a configuration whose unbroken twin keeps its promises above.
fn shows(bug: &str, set: Set, nodes: usize, workloads: &[&str], guarantee: Guarantee) {
    let set: Vec<(&str, &str)> = set.iter().copied().chain([("bug", bug)]).collect();
    let storm = Storm { set: &set, nodes, workloads, ..Storm::default() };
    let seen = breaks::<LeaderlessSystem>(&storm, guarantee, 0..12);
    assert!(seen > 0, "{bug} does not break {guarantee}");
    eprintln!("{bug}: {guarantee} broken under {seen} of 12 seeds");
}

#[test]
fn planted_bugs_of_quorums_and_reads() {
    use Guarantee::{CounterBounds, Durability, ReadYourWrites};
    shows("silent-homes-counted", &[], 3, &["set"], ReadYourWrites);
    shows("stand-ins-counted-as-homes", &[THREE], 5, &["set"], ReadYourWrites);
    shows("partial-write-reported-failed", &[], 3, &["set"], Durability);
    shows("increment-counted-again", &[], 3, &["counter"], CounterBounds);
}

#[test]
fn planted_bugs_of_conflicts() {
    use Guarantee::Durability;
    shows("stamp-ignores-quorum", &[], 3, &["register"], Durability);
    shows("vectors-without-dots", &[SIBLINGS], 3, &["set"], Durability);
    shows("dots-reused-after-restart", &[SIBLINGS], 3, &["set"], Durability);
}

#[test]
fn planted_bugs_of_hints() {
    use Guarantee::Durability;
    let unrepaired = [SLOPPY, THREE, ("anti-entropy", "off"), ("read-repair", "off")];
    shows("hint-overwrites-row", &unrepaired, 5, &["set"], Durability);
}

#[test]
fn planted_bugs_of_removal_and_anti_entropy() {
    use Guarantee::{Convergence, Durability};
    shows("absence-is-older", &[], 3, &["cart"], Durability);
    shows("tombstones-collected-by-age", &[("grace", "100ms")], 3, &["cart"], Durability);
    shows("merkle-range-without-end", &[("read-repair", "off")], 3, &["sessions"], Convergence);
    shows("anti-entropy-overwrites", &[], 3, &["set"], Durability);
}
