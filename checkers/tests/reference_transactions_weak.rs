//! The checker of weak transactional levels decides exactly what the definitions say, on registers; on lists, of which it
//! looks at the last element only, it never says more.

#[path = "support/databases.rs"]
mod databases;
mod reference_transactions;

use std::collections::BTreeMap;

use checkers::weak::transactional::{self, Level};
use checkers::{Budget, Meter};
use databases::Workload;
use databases::rng::Rng;
use histories::{Event, notation};
use reference_transactions::problem::Problem;
use reference_transactions::{Raw, small, verdict};

const LEVELS: [(Level, &str); 3] = [
    (Level::ReadCommitted, "monotonic-read-committed"),
    (Level::ReadAtomic, "session-read-atomic"),
    (Level::Causal, "transactional-causal"),
];

/// What contradicts this level.
fn found(events: &[Event], level: Level) -> Vec<&'static str> {
    let found = transactional::check(&small::told(events), &[level], None, &Meter::new(&Budget::default()));
    found.groups.keys().map(|kind| kind.name()).filter(|kind| level != Level::ReadCommitted || is_dirty(kind)).collect()
}

/// What happens within a transaction contradicts read atomic, not read committed.
fn is_dirty(kind: &str) -> bool {
    !matches!(kind, "internal" | "fractured-read")
}

fn compare(workload: Workload, seed: u64, count: u64, most: u64) {
    let lists = workload == Workload::ListAppend;
    let (mut rng, mut tally) = (Rng(seed), BTreeMap::<&str, [u64; 3]>::new());
    for _ in 0..count {
        let events = small::history(&mut rng, workload, most);
        let raw = Raw::new(&events, lists);
        for (level, model) in LEVELS {
            let (found, allowed) = (found(&events, level), verdict(&raw, model) == Some(true));
            let told = || format!("{model} is {allowed}, found {found:?}\n  {}", notation::print(&events));
            assert!(found.is_empty() || !allowed, "{}", told());
            // A read that must have returned the transaction's own write is not looked at further.
            let internal = level == Level::ReadCommitted && Problem::new(&raw, raw.observed()).internal;
            assert!(lists || internal || found.is_empty() == allowed, "{}", told());
            let counts = tally.entry(model).or_default();
            counts[usize::from(allowed)] += 1;
            counts[2] += u64::from(!found.is_empty());
        }
    }
    println!("{workload:?}, up to {most}: forbidden, allowed, found out: {tally:?}");
    assert!(tally.values().all(|[no, yes, _]| no.min(yes) * 10 > count), "{tally:?}");
}

#[test]
fn registers() {
    compare(Workload::RwRegister, 1, 60_000, 7);
}

#[test]
fn few_registers() {
    compare(Workload::RwRegister, 2, 60_000, 4);
}

#[test]
fn lists() {
    compare(Workload::ListAppend, 3, 60_000, 6);
}
