//! What a fold reports, the full definition forbids: no false alarm, on any small history.
//!
//! The folds are incomplete where the full definition asks for an order of writes that nothing in the history shows.
//! `brute_force.rs` says exactly what they detect; here every possible order is tried.

mod reference;
mod support;

use checkers::Observed;
use histories::{Event, Guarantee, notation};
use reference::order::Rule;
use reference::{Past, full};
use support::random::{Objects, Shape};
use support::{Rng, finding, random, shrink};

/// Every violation that the fold reports is one by the full definition, too. Returns how many there were.
fn sound(guarantee: Guarantee, shape: Shape, each: u64, forbidden: impl Fn(&Past) -> bool) -> u64 {
    let false_alarm =
        |events: &[Event]| finding(events, guarantee).observed == Observed::Violated && !forbidden(&Past::of(events));
    let mut violated = 0;
    for seed in 0..each {
        let events = random::history(&mut Rng(seed ^ 0xabcdef), shape);
        if finding(&events, guarantee).observed != Observed::Violated || writes(&events) > 5 {
            continue;
        }
        violated += 1;
        if false_alarm(&events) {
            let small = shrink(&events, false_alarm);
            panic!("a false alarm: {:#?}\n  {}", finding(&small, guarantee).anomalies, notation::print(&small));
        }
    }
    violated
}

/// Every order of these will be tried.
fn writes(events: &[Event]) -> usize {
    let past = Past::of(events);
    past.steps_before(past.len).filter(|(_, step)| step.is_update()).count()
}

fn few_writes(objects: Objects) -> Shape {
    Shape { operations: 7, reuse: 0, fails: 0, sessions: 2, txns: 30, ..Shape::of(objects) }
}

const EACH: u64 = 1500;

#[test]
fn consistent_prefix() {
    for objects in [Objects::Lists, Objects::Sets, Objects::Registers, Objects::Mixed] {
        let shape = Shape { txns: if objects == Objects::Registers { 60 } else { 30 }, ..few_writes(objects) };
        let violated = sound(Guarantee::ConsistentPrefix, shape, EACH, full::no_order_explains);
        assert!(violated * 50 > EACH, "{violated} {objects:?}");
    }
}

#[test]
fn monotonic_writes_and_writes_follow_reads() {
    for objects in [Objects::Lists, Objects::Sets, Objects::Registers, Objects::Mixed] {
        let shape = Shape { txns: if objects == Objects::Registers { 70 } else { 30 }, ..few_writes(objects) };
        let mw =
            sound(Guarantee::MonotonicWrites, shape, EACH, |p| full::no_order_of_sessions(p, Rule::MonotonicWrites));
        let wfr = sound(Guarantee::WritesFollowReads, shape, EACH, |p| {
            full::no_order_of_sessions(p, Rule::WritesFollowReads)
        });
        assert!(mw * 100 > EACH && wfr * 100 > EACH, "{mw} {wfr} {objects:?}");
    }
}

#[test]
fn reads_of_registers() {
    for keys in [1, 2] {
        let shape = Shape { keys, operations: 9, ..few_writes(Objects::Registers) };
        let mr = sound(Guarantee::MonotonicReads, shape, 2 * EACH, full::no_order_of_versions);
        let ryw = sound(Guarantee::ReadYourWrites, shape, 2 * EACH, full::no_order_for_a_session);
        assert!(mr * 20 > EACH && ryw * 20 > EACH, "{mr} {ryw}");
    }
}

#[test]
fn durability_of_registers() {
    for nodes in [0, 2] {
        let shape = Shape { keys: 1, txns: 0, nodes, ..few_writes(Objects::Registers) };
        let lost = sound(Guarantee::Durability, shape, 2 * EACH, |past| {
            let account = reference::durability::account(past);
            let other = account.aborted + account.phantoms + account.duplicated + account.resurrected;
            other > 0 || full::no_final_version(past, |key| reference::durability::final_versions(past, key))
        });
        assert!(lost * 20 > EACH, "{lost}");
    }
}
