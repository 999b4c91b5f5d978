//! The monitors of sets, counters and lists agree with the enumeration of all linearizations on small random histories.

mod collections_support;

use checkers::linearizability::collections::{counter, list, set};
use collections_support::{Structure, both, repeated};

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

/// Whole reads of sets from which elements are removed, decrements among increments, values appended twice: searched.
#[test]
fn what_is_searched() {
    repeated(set::check, Structure::Whole);
    repeated(counter::check, Structure::Sums);
    repeated(list::check, Structure::List);
}
