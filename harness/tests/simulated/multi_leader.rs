//! Multi-leader replication keeps its promises in every storm, and each planted bug breaks the one it is meant to break.

use histories::Guarantee;
use systems_under_test::multi_leader::MultiLeader;

use crate::storm::{Storm, breaks, keeps_its_promises};

/// Seeds for each configuration, in a build without optimization; 300 take a release build.
const SEEDS: u64 = 20;

fn holds(set: &[(&str, &str)], nodes: usize) {
    keeps_its_promises::<MultiLeader>(&Storm { set, nodes, ..Storm::default() }, 0..seeds());
}

/// `SPLITBRAIN_SEEDS` for whoever wants more of them, or fewer.
fn seeds() -> u64 {
    std::env::var("SPLITBRAIN_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(SEEDS)
}

#[test]
fn merging_keeps_everything_in_every_topology() {
    for topology in ["all-to-all", "star", "circular"] {
        holds(&[("topology", topology)], 3);
    }
}

#[test]
fn rings_and_stars_of_five() {
    for topology in ["star", "circular"] {
        holds(&[("topology", topology), ("conflicts", "siblings")], 5);
    }
}

#[test]
fn last_write_wins_by_clock_and_by_revision() {
    for clock in ["hybrid", "revision"] {
        holds(&[("conflicts", "last-write-wins"), ("clock", clock)], 3);
    }
}

#[test]
fn resolvers() {
    for resolver in ["concatenate", "longest"] {
        holds(&[("conflicts", "custom"), ("resolver", resolver)], 3);
    }
}

#[test]
fn homes() {
    holds(&[("conflicts", "avoidance")], 3);
    holds(&[("conflicts", "avoidance"), ("followers", "on"), ("read-from", "follower")], 5);
}

#[test]
fn agreement_before_the_write() {
    for conflicts in ["merge", "last-write-wins"] {
        holds(&[("detection", "sync"), ("conflicts", conflicts)], 3);
    }
}

#[test]
fn followers_and_sessions_that_roam() {
    holds(&[("followers", "on"), ("read-from", "follower")], 5);
    holds(&[("sessions", "roaming")], 3);
    holds(&[("sessions", "roaming"), ("tokens", "off"), ("followers", "on")], 4);
}

#[test]
fn what_is_not_promised_is_lost_indeed() {
    let violations =
        |set: &[(&str, &str)], guarantee| breaks::<MultiLeader>(&Storm { set, ..Storm::default() }, guarantee, 0..20);
    let longest = [("conflicts", "custom"), ("resolver", "longest")];
    assert!(violations(&longest, Guarantee::Durability) > 5, "the shorter list is dropped");
    let roaming = [("sessions", "roaming"), ("tokens", "off")];
    assert!(violations(&roaming, Guarantee::MonotonicReads) > 5, "the next node lags");
    assert!(violations(&[], Guarantee::ConsistentPrefix) > 5, "leaders have no one order");
    assert!(violations(&[], Guarantee::CounterBounds) > 5, "a leader lags");
}

/// In how many of 8 storms a planted bug breaks a guarantee.
fn breaking(bug: &str, set: &[(&str, &str)], workload: &str, faults: &[&str], guarantee: Guarantee) -> usize {
    let set: Vec<(&str, &str)> = set.iter().copied().chain([("bug", bug)]).collect();
    let workloads = &[workload];
    breaks::<MultiLeader>(&Storm { set: &set, workloads, faults, ..Storm::default() }, guarantee, 0..8)
}

/// Those that show here. What needs connections that break, a client of its own or writes that stop at the right moment is left to real
/// processes: a request that is repeated, a queue that is replayed, versions that differ in the end.
#[test]
fn planted_bugs_show() {
    use Guarantee::{Convergence, CounterBounds, Durability, ReadYourWrites, WritesFollowReads};
    let (ring, sync) = ([("topology", "circular")], [("detection", "sync")]);
    let (last, star) = ([("conflicts", "last-write-wins")], [("topology", "star")]);
    let found = [
        breaking("wall-clock-alone", &last, "register", &["clock"], ReadYourWrites),
        breaking("gives-up-silent-neighbour", &ring, "set", &["kill"], Convergence),
        breaking("dead-origin-circulates", &ring, "counter", &["kill"], Convergence),
        breaking("loop-filter-by-last-hop", &ring, "counter", &[], Convergence),
        breaking("cursor-at-end-of-log", &star, "set", &["crash", "partition"], Convergence),
        breaking("drops-update-before-insert", &[], "append", &["partition"], Convergence),
        breaking("delivers-without-causes", &[], "conversation", &["partition"], WritesFollowReads),
        breaking("ships-counter-total", &sync, "counter", &[], CounterBounds),
        breaking("writes-before-others-agree", &sync, "register", &[], Durability),
    ];
    assert!(found.iter().all(|found| *found > 0), "{found:?}");
}
