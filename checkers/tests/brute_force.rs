//! Every fold agrees with a slow reference on every small history.

mod reference;
mod support;

use std::sync::Arc;

use checkers::Observed;
use histories::{Event, Guarantee, Kind, Operation, Process};
use reference::Past;
use reference::order::{self, Rule};
use support::random::{Objects, Shape};
use support::{Rng, agree, finding, random};

fn violated(events: &[Event], guarantee: Guarantee) -> bool {
    finding(events, guarantee).observed == Observed::Violated
}

/// Compares verdicts on many random histories of these shapes; both verdicts have to be common.
fn verdicts_agree(guarantee: Guarantee, shapes: &[Shape], each: u64, reference: impl Fn(&Past) -> bool) {
    for shape in shapes {
        let mut bad = 0;
        for seed in 0..each {
            let events = random::history(&mut Rng(seed), *shape);
            bad += u64::from(agree(&events, |e| violated(e, guarantee), |e| reference(&Past::of(e))));
        }
        assert!(bad * 30 > each && bad * 20 < each * 19, "{bad} of {each} are violated: {shape:?}");
    }
}

fn shapes(objects: &[Objects]) -> Vec<Shape> {
    objects.iter().map(|objects| Shape::of(*objects)).collect()
}

const EACH: u64 = 2000;

#[test]
fn monotonic_reads() {
    use Objects::*;
    let mut all = shapes(&[Lists, Sets, Registers, Counters, Mixed]);
    all.push(Shape { removes: 30, ..Shape::of(Sets) });
    all.push(Shape { removes: 10, ..Shape::of(Registers) });
    all.push(Shape { keys: 1, sessions: 1, processes: 1, ..Shape::of(Registers) });
    all.push(Shape { keys: 1, sessions: 2, processes: 4, ..Shape::of(Registers) });
    verdicts_agree(Guarantee::MonotonicReads, &all, EACH, reference::reads::monotonic_reads_violated);
}

#[test]
fn read_your_writes() {
    use Objects::*;
    let mut all = shapes(&[Lists, Sets, Registers, Counters, Mixed]);
    all.push(Shape { removes: 30, ..Shape::of(Sets) });
    all.push(Shape { keys: 1, sessions: 2, processes: 4, ..Shape::of(Registers) });
    verdicts_agree(Guarantee::ReadYourWrites, &all, EACH, reference::reads::read_your_writes_violated);
}

/// Shapes in which sessions write and read much.
fn busy() -> Vec<Shape> {
    use Objects::*;
    let busy = |objects| Shape { sessions: 2, operations: 9, lies: 60, ..Shape::of(objects) };
    vec![
        Shape { keys: 1, txns: 0, ..busy(Lists) },
        Shape { keys: 1, txns: 0, operations: 10, lies: 75, ..busy(Sets) },
        Shape { keys: 1, processes: 4, ..busy(Lists) },
        Shape { txns: 60, ..busy(Lists) },
        Shape { txns: 60, ..busy(Registers) },
        Shape { txns: 60, operations: 10, ..busy(Mixed) },
        Shape { keys: 1, txns: 0, removes: 10, operations: 11, lies: 75, ..busy(Sets) },
        Shape { reuse: 20, fails: 20, keys: 1, txns: 0, operations: 11, lies: 75, ..busy(Lists) },
    ]
}

#[test]
fn consistent_prefix() {
    verdicts_agree(Guarantee::ConsistentPrefix, &busy(), EACH, |p| order::violated(p, Rule::ConsistentPrefix));
}

#[test]
fn monotonic_writes() {
    verdicts_agree(Guarantee::MonotonicWrites, &busy(), EACH, |p| order::violated(p, Rule::MonotonicWrites));
}

#[test]
fn writes_follow_reads() {
    verdicts_agree(Guarantee::WritesFollowReads, &busy(), EACH, |p| order::violated(p, Rule::WritesFollowReads));
}

#[test]
fn counter_bounds() {
    let shapes =
        [Shape::of(Objects::Counters), Shape { removes: 40, fails: 20, infos: 15, ..Shape::of(Objects::Counters) }];
    for shape in shapes {
        let mut bad = 0;
        for seed in 0..3 * EACH {
            let events = random::history(&mut Rng(seed), shape);
            let out = agree(
                &events,
                |e| finding(e, Guarantee::CounterBounds).counts["reads_out_of_bounds"] as usize,
                |e| reference::reads::counter_reads_out_of_bounds(&Past::of(e)),
            );
            assert!(out <= reference::reads::counter_reads_inexplicable(&Past::of(&events)));
            bad += usize::from(out > 0);
        }
        assert!(bad * 20 > EACH as usize && bad * 2 < 5 * EACH as usize, "{bad}: {shape:?}");
    }
}

#[test]
fn durability() {
    use Objects::*;
    let mut all = shapes(&[Lists, Sets, Registers, Mixed]);
    all.push(Shape { removes: 30, ..Shape::of(Sets) });
    all.push(Shape { removes: 10, reuse: 10, ..Shape::of(Registers) });
    all.push(Shape { nodes: 2, lies: 70, ..Shape::of(Lists) });
    all.push(Shape { nodes: 2, lies: 70, ..Shape::of(Registers) });
    for shape in all {
        let mut lost = 0;
        for seed in 0..EACH {
            let events = random::history(&mut Rng(seed), shape);
            let account = agree(&events, fold_account, |e| reference::durability::account(&Past::of(e)));
            lost += u64::from(account.lost > 0);
        }
        assert!(lost * 50 > EACH && lost * 20 < EACH * 19, "{lost} of {EACH} have lost something: {shape:?}");
    }
}

fn fold_account(events: &[Event]) -> reference::durability::Account {
    let finding = finding(events, Guarantee::Durability);
    let of = |name: &str| finding.counts[name];
    reference::durability::Account {
        acknowledged: of("acknowledged"),
        never_read: of("never_read"),
        indeterminate: of("indeterminate"),
        surfaced: of("surfaced"),
        lost: of("lost"),
        aborted: of("aborted_reads"),
        phantoms: of("phantoms"),
        duplicated: of("duplicated"),
        resurrected: of("resurrected"),
        forked: of("lost_updates"),
    }
}

/// The events of a nemesis among a few operations, with time passing between them.
fn with_nemesis(rng: &mut Rng, dumps: bool) -> Vec<Event> {
    let mut events = random::history(rng, Shape { keys: 2, operations: 6, txns: 0, ..Shape::of(Objects::Mixed) });
    let mut add = |rng: &mut Rng, f: &str, value: serde_json::Value, node: Option<&str>| {
        let operation = Operation::Custom { f: f.into(), key: None, value };
        let node = node.map(Arc::from);
        let event =
            Event { time: 0, process: Process::NEMESIS, kind: Kind::Info, operation, node, session: None, error: None };
        events.insert(rng.below(events.len() + 1), event);
    };
    for _ in 0..2 + rng.below(4) {
        match rng.below(8) {
            0..=2 => add(rng, "cut", serde_json::Value::Null, None),
            3 => add(rng, "heal-all", serde_json::Value::Null, None),
            4 | 5 => {
                let remaining = rng.below(2);
                add(rng, "heal", serde_json::json!({ "remaining": remaining }), None);
            }
            6 => add(rng, "phase", serde_json::json!("final-reads"), None),
            _ => add(rng, "exit", serde_json::Value::Null, None),
        }
    }
    for _ in 0..if dumps { 4 } else { 0 } {
        let lists = [serde_json::json!([1, 2]), serde_json::json!([2, 1]), serde_json::json!([]), serde_json::json!(1)];
        let dump = serde_json::json!({ "x": rng.pick(&lists), "z": rng.pick(&lists) });
        let node = *rng.pick(&["n1", "n2", "n3"]);
        add(rng, "dump", dump, Some(node));
    }
    let mut time = 0;
    for event in &mut events {
        time += *rng.pick(&[1, 1, 3000, 9000]) * 1_000_000;
        event.time = time;
    }
    events
}

#[test]
fn recovery() {
    let bound = checkers::CheckConfig::default().recovery_bound_ms;
    let mut seen = std::collections::BTreeMap::new();
    for seed in 0..5 * EACH {
        let events = with_nemesis(&mut Rng(seed), false);
        let observed =
            agree(&events, |e| finding(e, Guarantee::Recovery).observed, |e| reference::endings::recovery(e, bound));
        *seen.entry(format!("{observed:?}")).or_insert(0) += 1;
    }
    assert!(seen.len() == 4 && seen.values().all(|n| n * 20 > EACH), "{seen:?}");
}

#[test]
fn convergence() {
    let mut differing = 0;
    for seed in 0..5 * EACH {
        let events = with_nemesis(&mut Rng(seed), true);
        let healed =
            events.iter().any(|e| e.operation.f() == "heal-all") || !events.iter().any(|e| e.operation.f() == "cut");
        if !healed {
            assert_eq!(finding(&events, Guarantee::Convergence).violations, 0);
            continue;
        }
        let keys = |e: &[Event]| {
            let finding = finding(e, Guarantee::Convergence);
            let dumped = finding.counts["replicas"] > 1 && finding.counts["from_dumps"] == 1;
            dumped
                .then(|| finding.anomalies.into_iter().filter_map(|a| a.key).collect::<std::collections::BTreeSet<_>>())
        };
        let expected = |e: &[Event]| reference::endings::differing_dumps(e).map(|keys| keys.into_iter().collect());
        differing += u64::from(agree(&events, keys, expected).is_some_and(|keys| !keys.is_empty()));
    }
    assert!(2 * differing > EACH && differing < 4 * EACH, "{differing}");
}
