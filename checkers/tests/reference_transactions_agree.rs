//! The reference that judges the checkers of transactions is itself right: three ways to decide the same models agree.

#[path = "support/databases.rs"]
mod databases;
mod reference_transactions;

use std::collections::BTreeMap;

use databases::rng::Rng;
use databases::{Level, Workload};
use histories::{Event, Kind, notation};
use reference_transactions::{Raw, naive, small, verdict, verdicts};

/// Leaves out transactions as long as something stays wrong.
fn shrink(events: &[Event], wrong: impl Fn(&[Event]) -> bool) -> Vec<Event> {
    let mut events = events.to_vec();
    while let Some(smaller) = (0..events.len()).filter(|i| events[*i].kind == Kind::Invoke).find_map(|i| {
        let end = (i + 1..events.len()).find(|j| events[*j].process == events[i].process);
        let rest: Vec<Event> =
            events.iter().enumerate().filter(|(j, _)| *j != i && Some(*j) != end).map(|(_, e)| e.clone()).collect();
        wrong(&rest).then_some(rest)
    }) {
        events = smaller;
    }
    events
}

fn agree_with_the_axioms(workload: Workload, seed: u64, count: usize) {
    let lists = workload == Workload::ListAppend;
    let mut rng = Rng(seed);
    let mut seen: BTreeMap<&str, [u64; 2]> = BTreeMap::new();
    for _ in 0..count {
        let events = small::history(&mut rng, workload, 4);
        let raw = Raw::new(&events, lists);
        for (model, allowed) in naive::verdicts(&raw) {
            seen.entry(model).or_default()[usize::from(allowed)] += 1;
            if verdict(&raw, model) != Some(allowed) {
                let differs = |e: &[Event]| {
                    let raw = Raw::new(e, lists);
                    naive::verdicts(&raw).iter().any(|(m, a)| *m == model && verdict(&raw, m) != Some(*a))
                };
                let small = shrink(&events, differs);
                panic!("{model}: by all orders {allowed}\n  {}", notation::print(&small));
            }
        }
    }
    println!("{workload:?}: forbidden, allowed: {seen:?}");
    assert!(seen.values().all(|[no, yes]| *no * 20 > count as u64 && *yes * 20 > count as u64), "{seen:?}");
}

#[test]
fn lists_by_the_axioms() {
    agree_with_the_axioms(Workload::ListAppend, 1, 20_000);
}

#[test]
fn registers_by_the_axioms() {
    agree_with_the_axioms(Workload::RwRegister, 2, 20_000);
}

/// Snapshot isolation, its parallel form and prefix consistency by orders of commits and by cycles.
#[test]
fn by_orders_and_by_cycles() {
    let pairs = [
        ("snapshot-isolation", "graph-snapshot-isolation"),
        ("parallel-snapshot-isolation", "graph-parallel-snapshot-isolation"),
        ("prefix", "graph-prefix"),
        ("serializable", "repeatable-read"),
    ];
    let mut rng = Rng(3);
    let mut atomic = 0;
    for i in 0..60_000 {
        let workload = if i % 3 == 0 { Workload::RwRegister } else { Workload::ListAppend };
        let events = small::history(&mut rng, workload, 6);
        let raw = Raw::new(&events, workload == Workload::ListAppend);
        let all: BTreeMap<_, _> = verdicts(&raw).into_iter().collect();
        // Cycles know nothing of what happens within a transaction.
        if all["read-atomic"] != Some(true) {
            continue;
        }
        atomic += 1;
        for (orders, cycles) in pairs {
            assert_eq!(all[orders], all[cycles], "{orders}\n  {}", notation::print(&events));
        }
    }
    assert!(atomic > 20_000, "{atomic}");
}

/// Each model allows what a stronger one allows.
#[test]
fn stronger_models_allow_less() {
    let stronger = [
        ("strong-serializable", "strong-session-serializable"),
        ("strong-session-serializable", "serializable"),
        ("strong-serializable", "strong-snapshot-isolation"),
        ("strong-snapshot-isolation", "strong-session-snapshot-isolation"),
        ("strong-session-snapshot-isolation", "snapshot-isolation"),
        ("serializable", "snapshot-isolation"),
        ("snapshot-isolation", "parallel-snapshot-isolation"),
        ("snapshot-isolation", "prefix"),
        ("prefix", "causal-cerone"),
        ("parallel-snapshot-isolation", "causal-cerone"),
        ("parallel-snapshot-isolation", "update-atomic"),
        ("update-atomic", "read-atomic"),
        ("session-prefix", "transactional-causal"),
        ("transactional-causal", "causal-cerone"),
        ("causal-cerone", "read-atomic"),
        ("read-atomic", "read-committed"),
        ("session-read-atomic", "monotonic-read-committed"),
        ("transactional-causal", "session-read-atomic"),
        ("monotonic-read-committed", "read-committed"),
        ("serializable", "repeatable-read"),
        ("serializable", "update-serializable"),
        ("snapshot-isolation", "consistent-view"),
        ("update-serializable", "consistent-view"),
        ("consistent-view", "cursor-stability"),
        ("repeatable-read", "cursor-stability"),
        ("cursor-stability", "read-committed"),
        ("strong-read-committed", "strong-session-read-committed"),
        ("strong-session-read-committed", "read-committed"),
        ("read-committed", "read-uncommitted"),
    ];
    let mut rng = Rng(4);
    let mut differ = BTreeMap::new();
    for _ in 0..60_000 {
        let events = small::history(&mut rng, Workload::ListAppend, 6);
        let all: BTreeMap<_, _> = verdicts(&Raw::new(&events, true)).into_iter().collect();
        for (strong, weak) in stronger {
            let told = || notation::print(&events);
            assert!(all[strong] != Some(true) || all[weak] == Some(true), "{strong}, but not {weak}\n  {}", told());
            *differ.entry((strong, weak)).or_insert(0) += u32::from(all[strong] != all[weak]);
        }
    }
    println!("{differ:?}");
    assert_eq!(stronger.iter().find(|pair| differ[pair] == 0), None, "each step makes a difference");
}

/// The textbook's examples, by name.
#[test]
fn what_everybody_knows() {
    let cases = [
        ("write skew", "0<rx_wy1 1<ry_wx1 0>rx_wy1 1>ry_wx1", "snapshot-isolation", "serializable"),
        ("long fork", "0:{wx1} 1:{wy1} 2:rx1ry_ 3:rx_ry1", "parallel-snapshot-isolation", "snapshot-isolation"),
        ("long fork, prefixes", "0:{wx1} 1:{wy1} 2:rx1ry_ 3:rx_ry1", "causal-cerone", "prefix"),
        ("lost update", "0:rx_wx1 1:rx_wx2", "prefix", "parallel-snapshot-isolation"),
        ("broken causality", "0:{wx1} 1:rx1wy1 2:ry1rx_", "read-atomic", "causal-cerone"),
        ("fractured read", "0:wx1wy1 1:rx1ry_", "read-committed", "read-atomic"),
        ("intermediate read", "0:wx1wx2 1:{rx1}", "read-uncommitted", "read-committed"),
        ("stale read", "0:{wx1} 1:{rx_}", "strong-session-serializable", "strong-serializable"),
        ("a session goes back", "0:{wx1} 0:{rx_}", "serializable", "strong-session-serializable"),
    ];
    for (name, text, allowed, forbidden) in cases {
        let raw = Raw::new(&notation::parse(text).unwrap(), false);
        assert_eq!(verdict(&raw, allowed), Some(true), "{name}: {allowed}");
        assert_eq!(verdict(&raw, forbidden), Some(false), "{name}: {forbidden}");
    }
}

/// Differences that need two objects, several transactions, and little else.
const SUBTLE: [(Level, &str); 4] = [
    (Level::StrongSnapshotIsolation, "serializable"),
    (Level::ParallelSnapshotIsolation, "snapshot-isolation"),
    (Level::Causal, "prefix"),
    (Level::ReadAtomic, "causal-cerone"),
];

/// What is known of each database is true of its small histories, and its weakness shows.
#[test]
fn databases_are_what_they_say() {
    let claims = [
        (Level::StrictSerializable, "strong-serializable", None),
        (Level::StrongSessionSerializable, "strong-session-serializable", Some("strong-serializable")),
        (Level::Serializable, "serializable", Some("strong-session-serializable")),
        (Level::StrongSnapshotIsolation, "strong-snapshot-isolation", Some("serializable")),
        (Level::StrongSessionSnapshotIsolation, "strong-session-snapshot-isolation", Some("strong-snapshot-isolation")),
        (Level::SnapshotIsolation, "snapshot-isolation", Some("strong-session-snapshot-isolation")),
        (Level::ParallelSnapshotIsolation, "session-parallel-snapshot-isolation", Some("snapshot-isolation")),
        (Level::Prefix, "prefix", Some("snapshot-isolation")),
        (Level::Causal, "transactional-causal", Some("prefix")),
        (Level::Causal, "transactional-causal", Some("parallel-snapshot-isolation")),
        (Level::ReadAtomic, "read-atomic", Some("causal-cerone")),
        (Level::ReadCommitted, "read-committed", Some("read-atomic")),
        (Level::ReadUncommitted, "read-uncommitted", Some("read-committed")),
    ];
    let mut rng = Rng(5);
    for (level, holds, fails) in claims {
        let mut weak = [0; 2];
        for i in 0..6_000 {
            let workload = if i % 2 == 0 { Workload::ListAppend } else { Workload::RwRegister };
            let mut shape = small::shape(&mut rng, workload, 8);
            if fails.is_some_and(|model| SUBTLE.contains(&(level, model))) {
                (shape.transactions, shape.processes, shape.replicas) = (10, 6, 2);
                (shape.micros, shape.writes_percent, shape.keys) = (2..=2, 40, databases::Keys::Fixed(2));
            }
            let events = small::of(level, &shape);
            let raw = Raw::new(&events, i % 2 == 0);
            // Where others' writes are seen before they commit, there may be no telling.
            assert_ne!(verdict(&raw, holds), Some(false), "{holds}\n  {}", notation::print(&events));
            weak[i % 2] += fails.map_or(1, |model| u32::from(verdict(&raw, model) == Some(false)));
        }
        println!("{level:?}: not {fails:?} in {weak:?} of 3000 each");
        assert!(weak.iter().all(|w| *w >= 5), "{level:?} {weak:?}");
    }
}
