//! Lists that transactions append to: the alarm is never raised where the analysis of the history so far finds nothing,
//! and comes with the first event after which it does.

#[path = "support/databases.rs"]
mod databases;
mod reference_transactions;
mod support;

use std::collections::{BTreeMap, BTreeSet};

use checkers::transactions::list_append::online::{OnlineLists, Proof, UNREAD};
use checkers::whole::whole;
use checkers::{Budget, CheckConfig, Observed};
use databases::rng::Rng;
use databases::{Level, Shape, Workload};
use histories::{Event, Guarantee, History, Kind, notation};
use reference_transactions::small;
use support::random::{self, Objects};

const GUARANTEES: [Guarantee; 4] =
    [Guarantee::ReadCommitted, Guarantee::SnapshotIsolation, Guarantee::Serializable, Guarantee::StrictSerializable];

/// The event of the alarm, with the events known one by one, and its proof.
fn alarm(events: &[Event], guarantee: Guarantee) -> (Option<(usize, Proof)>, bool) {
    let mut online = OnlineLists::new(guarantee).expect("a guarantee of transactions");
    let mut history = History::new();
    let raised = events.iter().enumerate().find_map(|(i, event)| {
        let index = history.push(event);
        Some((i, online.step(&history, index)?))
    });
    (raised, online.has_given_up())
}

fn violated(events: &[Event]) -> BTreeSet<Guarantee> {
    let history = History::from_events(events);
    let findings = whole(&history, &GUARANTEES, &Budget::default()).findings;
    findings.into_iter().filter(|f| f.observed == Observed::Violated).map(|f| f.guarantee).collect()
}

/// Counts: alarms, no violation at all, violations that only the end sees, and how often watching was given up.
#[derive(Debug, Default)]
struct Counts {
    alarms: u64,
    held: u64,
    late: u64,
    missed: u64,
    given_up: u64,
    kinds: BTreeMap<String, u64>,
}

/// Judges every prefix both ways. `exact` demands the alarm with the very event after which the analysis finds a violation.
fn compare(events: &[Event], exact: bool, counts: &mut BTreeMap<Guarantee, Counts>) {
    let raised: Vec<_> = GUARANTEES.into_iter().map(|g| (g, alarm(events, g))).collect();
    let mut first: BTreeMap<Guarantee, usize> = BTreeMap::new();
    for (i, event) in events.iter().enumerate() {
        let alarmed = raised.iter().any(|(_, (alarm, _))| alarm.is_some_and(|(at, _)| at == i));
        if event.kind == Kind::Invoke && !alarmed && !exact {
            continue;
        }
        let of = violated(&events[..=i]);
        for (guarantee, (alarm, _)) in &raised {
            if of.contains(guarantee) {
                first.entry(*guarantee).or_insert(i);
            } else if let Some((at, proof)) = alarm.filter(|(at, _)| *at == i) {
                panic!("{guarantee}: false alarm {proof:?} at {at}\n  {}", notation::print(&events[..=at]));
            }
        }
    }
    for (guarantee, (alarm, given_up)) in raised {
        let counts = counts.entry(guarantee).or_default();
        let first = first.get(&guarantee).copied();
        match (alarm, first) {
            (Some((at, proof)), Some(first)) => {
                counts.alarms += 1;
                counts.late += u64::from(at > first);
                let proof = match proof {
                    Proof::Cycle => "cycle".to_owned(),
                    Proof::Anomaly(kind) => kind.name().to_owned(),
                };
                *counts.kinds.entry(proof).or_default() += 1;
            }
            (None, Some(_)) => counts.missed += 1,
            _ => counts.held += 1,
        }
        counts.given_up += u64::from(given_up);
        if exact {
            let at = alarm.map(|(at, _)| at);
            assert_eq!(at, first, "{guarantee}\n  {}", notation::print(events));
        }
    }
}

/// Lists of small databases, of all levels, with something changed in them.
#[test]
fn never_a_false_alarm_and_never_a_late_one() {
    let mut counts = BTreeMap::new();
    for seed in 0..60_000 {
        let mut rng = Rng(seed * 7919 + 1);
        let events = small::history(&mut rng, Workload::ListAppend, 8);
        compare(&events, true, &mut counts);
    }
    for (guarantee, of) in &counts {
        println!("{guarantee} {of:?}");
        assert!(of.alarms > 4_000 && of.held > 4_000 && of.kinds.len() > 5, "{guarantee} {of:?}");
    }
}

/// Objects of several kinds, operations by themselves and in transactions, elements that are appended again.
#[test]
fn never_a_false_alarm_on_anything() {
    let (mut counts, mut of_lists) = (BTreeMap::new(), BTreeMap::new());
    for seed in 0..60_000u64 {
        let mut rng = support::Rng(seed ^ 0x0a1a);
        let objects =
            [Objects::Lists, Objects::Mixed, Objects::Sets, Objects::Registers][[0, 0, 0, 1, 1, 2, 3][rng.below(7)]];
        let shape = random::Shape {
            txns: [25, 60, 100][rng.below(3)],
            reuse: [0, 3, 20][rng.below(3)],
            keys: 2 + rng.below(2),
            ..random::Shape::of(objects)
        };
        let events = random::history(&mut rng, shape);
        let unique = objects == Objects::Lists && shape.reuse == 0;
        compare(&events, false, if unique { &mut of_lists } else { &mut counts });
    }
    for (guarantee, of) in &counts {
        println!("{guarantee} {of:?}");
        assert!(of.alarms > 4_000 && of.given_up > 1_000, "{guarantee} {of:?}");
    }
    for (guarantee, of) in &of_lists {
        println!("{guarantee} {of:?}");
        assert!(of.alarms > 4_000 && of.late == 0 && of.missed <= of.given_up, "{guarantee} {of:?}");
    }
}

/// Longer histories of databases that are weaker than asked: the alarm comes with the event after which the analysis finds
/// a violation, and not before.
#[test]
fn longer_histories() {
    let (mut alarms, mut silent) = (0, 0);
    for (seed, level) in (0..4).flat_map(|seed| Level::ALL.into_iter().map(move |level| (seed, level))) {
        let mut rng = Rng(seed * 31 + 5);
        let shape = Shape { processes: 2 + rng.below(12) as u32, ..Shape::new(Workload::ListAppend, 400, seed) };
        let events = small::of(level, &shape);
        for guarantee in GUARANTEES {
            match alarm(&events, guarantee).0 {
                Some((at, proof)) => {
                    alarms += 1;
                    assert!(violated(&events[..=at]).contains(&guarantee), "{level:?} {guarantee} {seed} {proof:?}");
                    assert!(
                        !violated(&events[..at]).contains(&guarantee),
                        "{level:?} {guarantee} {seed} late {proof:?}"
                    );
                }
                None => {
                    silent += 1;
                    assert!(!violated(&events).contains(&guarantee), "{level:?} {guarantee} {seed}");
                }
            }
        }
    }
    assert!(alarms > 60 && silent > 40, "{alarms} {silent}");
}

/// Of the acknowledged appends that no read has shown the newest are related to others at once, an older one when a read
/// shows it.
#[test]
fn an_append_that_no_read_has_shown() {
    let last = |unread: usize, shown: &str| {
        let others: Vec<String> = (0..unread).map(|i| format!("1:ax{}", 100 + i)).collect();
        let text = format!("1:ax50ry_ {} 2:ay1 3:ax1 4:rx1ry1 {shown}", others.join(" "));
        let events = notation::parse(&text).expect("notation");
        let of = violated(&events).contains(&Guarantee::Serializable);
        (alarm(&events, Guarantee::Serializable).0.map(|(at, _)| at + 1 == events.len()), of)
    };
    assert_eq!(last(UNREAD - 2, ""), (Some(true), true), "50 is among the newest");
    assert_eq!(last(UNREAD, ""), (None, true), "it is not");
    assert_eq!(last(UNREAD, "5:rx[1,50]"), (Some(true), true), "and is now read");
}

/// Through the checker that `--fail-fast` runs: one violation, with the event that proves it.
#[test]
fn the_checkers_of_the_guarantees_raise_the_alarm() {
    let history = notation::history("0:ax1ry_ 9:wz1rz1 1:rx1ry_ 0:ay1rx1 3:rx1ry_ 3:rx1ry1");
    let raised = |guarantee| {
        let mut checker = checkers::checker(guarantee, &CheckConfig::default());
        history.events().find(|event| {
            checker.step(&history, *event);
            checker.violations_so_far() > 0
        })
    };
    assert_eq!(raised(Guarantee::Causal), None);
    assert_eq!(raised(Guarantee::Serializable), None);
    let stale = history.events().nth(9);
    assert_eq!(raised(Guarantee::StrictSerializable), stale, "the answer of a read that misses what was acknowledged");
}
