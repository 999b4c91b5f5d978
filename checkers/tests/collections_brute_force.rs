//! The monitors of collections agree with the enumeration of all linearizations on small random histories.

mod collections_support;

use checkers::analysis::Analyzer;
use checkers::linearizability::collections::{counter, fifo_queue, list, priority_queue, queue, set, stack};
use collections_support::{Shape, Structure, compare};

/// Histories that each structure is compared on; more with `SPLITBRAIN_BRUTE_FORCE`.
fn histories() -> u64 {
    std::env::var("SPLITBRAIN_BRUTE_FORCE").ok().and_then(|n| n.parse().ok()).unwrap_or(60_000)
}

fn shape(structure: Structure) -> Shape {
    Shape { structure, operations: 8, infos: 0, fails: 5, changed: 85, reuse: 0 }
}

/// Compares without and with operations of unknown outcome; both verdicts must be frequent.
fn both(check: Analyzer, structure: Structure) {
    for (seed, infos) in [(1, 0), (2, 12), (3, 30)] {
        let n = histories() / if infos == 30 { 3 } else { 1 };
        let [valid, invalid, doubted] = compare(check, Shape { infos, ..shape(structure) }, n, seed);
        println!("{structure:?} {infos} % unknown: {valid} valid, {invalid} invalid, {doubted} doubted");
        assert!(valid > n / 10 && invalid > n / 10, "{valid} valid, {invalid} invalid, {doubted} doubted");
        assert_eq!(doubted, 0, "of {n}, with {infos} % of unknown outcome");
    }
}

#[test]
fn fifo_queue() {
    both(fifo_queue::check, Structure::Fifo);
}

#[test]
fn unordered_queue() {
    both(queue::check, Structure::Bag);
}

#[test]
fn priority_queue() {
    both(priority_queue::check, Structure::Priority);
}

#[test]
fn stack() {
    both(stack::check, Structure::Stack);
}

#[test]
fn set_of_members() {
    both(set::check, Structure::Members);
}

#[test]
fn set_that_grows() {
    both(set::check, Structure::Growing);
}

#[test]
fn counter_of_equal_steps() {
    both(counter::check, Structure::Counter);
}

#[test]
fn counter_of_several_steps() {
    both(counter::check, Structure::Sums);
}

#[test]
fn list() {
    both(list::check, Structure::List);
}

/// Where values repeat, the search takes over.
#[test]
fn values_that_repeat() {
    let all: [(Analyzer, Structure); 5] = [
        (fifo_queue::check, Structure::Fifo),
        (queue::check, Structure::Bag),
        (stack::check, Structure::Stack),
        (priority_queue::check, Structure::Priority),
        (list::check, Structure::List),
    ];
    for (check, structure) in all {
        let n = histories() / 6;
        let [valid, invalid, doubted] = compare(check, Shape { infos: 10, reuse: 40, ..shape(structure) }, n, 4);
        println!("{structure:?} with repeated values: {valid} valid, {invalid} invalid, {doubted} doubted");
        assert!(
            valid > n / 10 && invalid > n / 10 && doubted == 0,
            "{valid} valid, {invalid} invalid, {doubted} doubted"
        );
    }
}
