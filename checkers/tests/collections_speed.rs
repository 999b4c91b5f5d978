//! How long the monitors of collections take: run by hand, with `--release -- --ignored --nocapture`.
//!
//! `SPLITBRAIN_OPERATIONS` sets the number of operations, one million by default; `SPLITBRAIN_CLIENTS` that of the
//! clients, `SPLITBRAIN_INFOS` of how many thousandths of the operations the outcome is unknown, `SPLITBRAIN_ONLY` one
//! structure.

mod collections_support;

use checkers::analysis::Analyzer;
use checkers::linearizability::collections::counter;
use collections_support::large::{ALL, Long, history};
use collections_support::{Structure, found};

/// Processor time of this thread in milliseconds, and the most memory that the process has had, in megabytes.
fn used() -> (f64, u64) {
    let schedule = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds: f64 = schedule.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0.0);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().split(' ').next()?.parse().ok());
    (nanoseconds / 1e6, peak.unwrap_or(0) / 1024)
}

/// Of a thousand operations, how many are of unknown outcome.
fn infos() -> Vec<usize> {
    match std::env::var("SPLITBRAIN_INFOS") {
        Ok(n) => n.split(',').filter_map(|n| n.parse().ok()).collect(),
        Err(_) => vec![0, 2],
    }
}

#[test]
#[ignore = "measures, and judges nothing but the verdict"]
fn speed() {
    let operations = std::env::var("SPLITBRAIN_OPERATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    let clients = std::env::var("SPLITBRAIN_CLIENTS").ok().and_then(|n| n.parse().ok()).unwrap_or(20);
    let only = std::env::var("SPLITBRAIN_ONLY").unwrap_or_default();
    for (check, structure) in ALL.into_iter().chain([(counter::check as Analyzer, Structure::Sums)]) {
        if !only.is_empty() && format!("{structure:?}") != only {
            continue;
        }
        for infos in infos() {
            if infos > 0 && matches!(structure, Structure::Sums) || structure == Structure::Sums && operations > 10_000
            {
                continue;
            }
            let history = history(Long { structure, operations, clients, infos, seed: 7 });
            let held = used().1;
            let mut best = f64::MAX;
            let mut last = None;
            for _ in 0..3 {
                let before = used().0;
                last = Some(found(check, &history));
                best = best.min(used().0 - before);
            }
            let found = last.expect("three runs");
            println!(
                "{structure:?}, {operations} operations, {infos} ‰ unknown: {best:.1} ms of processor, {} MB beyond \
                 the history's {held} MB; {} groups, doubts {:?}",
                used().1.saturating_sub(held),
                found.groups.len(),
                found.doubts,
            );
            assert!(found.groups.is_empty(), "{:#?}", found.groups.values().next().map(|group| &group.cases[0]));
        }
    }
}
