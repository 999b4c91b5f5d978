//! The monitors of collections agree with the enumeration of all linearizations on small random histories.

mod collections_support;

use checkers::linearizability::collections::{fifo_queue, priority_queue, queue, stack};
use collections_support::{Shape, Structure, compare};

/// Histories that each structure is compared on; more with `SPLITBRAIN_BRUTE_FORCE`.
fn histories() -> u64 {
    std::env::var("SPLITBRAIN_BRUTE_FORCE").ok().and_then(|n| n.parse().ok()).unwrap_or(60_000)
}

fn shape(structure: Structure) -> Shape {
    Shape { structure, operations: 8, infos: 0, fails: 5, changed: 60, reuse: 0 }
}

/// Compares without and with operations of unknown outcome; both verdicts must be frequent.
fn both(check: checkers::analysis::Analyzer, structure: Structure, doubts_at_most: f64) {
    for (seed, infos) in [(1, 0), (2, 12), (3, 30)] {
        let n = histories() / if infos == 30 { 3 } else { 1 };
        let [valid, invalid, doubted] = compare(check, Shape { infos, ..shape(structure) }, n, seed);
        println!("{structure:?} {infos} % unknown: {valid} valid, {invalid} invalid, {doubted} doubted");
        assert!(valid > n / 10 && invalid > n / 10, "{valid} valid, {invalid} invalid, {doubted} doubted");
        assert!(doubted as f64 <= doubts_at_most * n as f64, "{doubted} of {n} were not decided");
    }
}

#[test]
fn fifo_queue() {
    both(fifo_queue::check, Structure::Fifo, 0.0);
}

#[test]
fn unordered_queue() {
    both(queue::check, Structure::Bag, 0.0);
}

#[test]
fn priority_queue() {
    both(priority_queue::check, Structure::Priority, 0.0);
}

#[test]
fn stack() {
    both(stack::check, Structure::Stack, 0.0);
}
