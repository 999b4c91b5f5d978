//! The monitors of queues and stacks agree with the enumeration of all linearizations on small random histories.

mod collections_support;

use checkers::analysis::Analyzer;
use checkers::linearizability::collections::{fifo_queue, priority_queue, queue, stack};
use collections_support::{Structure, both, drained, repeated};

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

/// The order within a drain beside which others ran is not always decided.
#[test]
fn drains() {
    assert_eq!(drained(queue::check, Structure::Bag), 0.0);
    assert!(drained(fifo_queue::check, Structure::Fifo) < 0.2);
}

/// Where values repeat, the search takes over.
#[test]
fn values_that_repeat() {
    let all: [(Analyzer, Structure); 4] = [
        (fifo_queue::check, Structure::Fifo),
        (queue::check, Structure::Bag),
        (stack::check, Structure::Stack),
        (priority_queue::check, Structure::Priority),
    ];
    for (check, structure) in all {
        repeated(check, structure);
    }
}
