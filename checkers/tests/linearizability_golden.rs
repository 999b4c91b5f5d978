//! What is a violation, what only looks like one, and what is said of it.

mod linearizability_support;

use checkers::linearizability::registers;
use checkers::{Anomaly, Assumptions, Budget, Found, Question};
use histories::{Scalar, notation};
use linearizability_support::{anomalies, question, verdict};

fn check(text: &str) -> Found {
    let history = notation::history(text);
    let found = registers::check(&history, &question(), &Budget::default());
    verdict(&history, &found);
    found
}

fn valid(text: &str) {
    assert_eq!(check(text).groups.len(), 0, "{text}");
}

fn invalid(text: &str) -> Anomaly {
    let found = check(text);
    let anomaly = anomalies(&found).next().unwrap_or_else(|| panic!("linearizable: {text}"));
    anomaly.clone()
}

fn says(text: &str, operations: &[u32], part: &str) {
    let anomaly = invalid(text);
    assert_eq!(anomaly.operations, operations, "{text}\n{}", anomaly.explanation);
    assert!(anomaly.explanation.contains(part), "{text}\n{}", anomaly.explanation);
}

#[test]
fn a_stale_read() {
    says("0:wx1 1:wx2 2:rx1", &[0, 4, 2], "#2 was completed before #4 was invoked");
    valid("0:wx1 1<wx2 2:rx1 1>wx2");
    valid("0:wx1 1<wx2 2:rx2 1>wx2 3:rx2");
    valid("0:wx1 1:wx2? 2:rx1 3:rx2");
}

#[test]
fn reads_that_go_back() {
    says("0<wx1 1<wx2 2:rx1 3:rx2 4:rx1 0>wx1 1>wx2", &[2, 6, 4], "neither can come first");
    valid("0<wx1 1<wx2 2:rx1 3:rx2 4:rx2 0>wx1 1>wx2");
    valid("0<wx1 1<wx2 2:rx1 3<rx 4:rx1 3>rx2 0>wx1 1>wx2");
    invalid("0<wx1 1<wx2 0>wx1 1>wx2 2:rx1 3:rx2");
    valid("0<wx1 1<wx2 0>wx1 1>wx2 2:rx1 3:rx1");
}

#[test]
fn a_value_nobody_wrote() {
    says("0:wx1 1:rx7", &[2], "nobody ever wrote 7");
    says("0:wx7! 1:rx7", &[2], "nobody ever wrote 7");
    valid("0:wx7? 1:rx7");
    valid("0<wx7 1:rx7");
}

#[test]
fn a_read_before_its_write() {
    says("1:rx7 0:wx7", &[2, 0], "the first has to come before the second");
}

#[test]
fn the_initial_value() {
    says("0:wx1 1:rx_", &[2, 0], "The initial value was there before 1");
    valid("0<wx1 1:rx_ 0>wx1");
    let zero =
        Question { assume: Assumptions { initial: Some(Scalar::Int(0)), ..Assumptions::default() }, ..question() };
    let history = notation::history("0:rx0");
    assert!(registers::check(&history, &zero, &Budget::default()).groups.is_empty());
    invalid("0:rx0");
}

#[test]
fn compare_and_sets() {
    valid("0:wx1 0:cx1>2 1:rx2");
    says("0:wx1 0<cx1>2 1<cx1>3 0>cx1>2 1>cx1>3", &[2, 3], "which the register of x held only once");
    says("0:wx1 0:cx1>2 1:rx1", &[4, 2], "the first has to come before the second");
    says("0<cx1>2 1<cx2>1 0>cx1>2 1>cx2>1", &[0, 1], "in a circle");
    valid("0:wx1 0:cx1>2? 1:rx1 2:rx2");
}

#[test]
fn compare_and_sets_that_failed() {
    says("0:wx1 1:cx1>2!\"mismatch\" 0:rx1", &[0, 2, 4], "all the time");
    valid("0:wx1 1:cx1>2! 0:rx1");
    valid("0:wx1 1:cx1>2!\"connection refused\" 0:rx1");
    valid("0:wx1 1:cx1>2!\"x is 3, not 4\" 0:rx1");
    says("0:wx1 1:cx1>2!\"x is 3, not 1\" 0:rx1", &[0, 2, 4], "all the time");
    valid("0:wx1 2<wx3 1:cx1>2!\"mismatch\" 2>wx3 0:rx3");
    valid("0:wx1 2:wx9? 1:cx1>2!\"mismatch\" 0:wx4");
    says("1:cx_>2!\"mismatch\"", &[0], "it found something else than nil");
}

#[test]
fn repeated_values() {
    valid("0:wx1 0:wx2 0:wx1 1:rx1");
    says("0:wx1 0:wx2 0:wx1 0:wx3 1:rx1", &[0, 4, 6, 8], "what #4 wrote, #6 overwrote before #8 began");
    says("0:wx1 0:wx2 0:wx1 0:wx3 1:rx1", &[0, 4, 6, 8], "in which it finds 3");
}

/// What the essays show.
#[test]
fn one_violation_for_each_key() {
    let found = check("0:wx1 1:wx2 2:rx1 0:wy1 1:wy2 2:ry1 0:wz1 1:rz1");
    assert_eq!(anomalies(&found).map(|a| a.key.clone().unwrap_or_default()).collect::<Vec<_>>(), ["x", "y"]);
    assert_eq!(found.checked["keys"], 3);
}

#[test]
fn whatever_a_history_holds() {
    for text in [
        "",
        "0>wx1 1>rx2 2>cx1>2",
        "0<wx1 0<wx2 0>wx2 0>wx1 0:rx1",
        "0:rx[1,2] 0:wx([1,2]) 0:rx[1,2]",
        "0<rx 0>wx1 0:rx1",
        "0:ax1 0:+x2 0:ix3 0:{wx1ry_} 0:~odd[1]",
        "!cut 0:rx_ *>~x 0:rx_",
    ] {
        let history = notation::history(text);
        registers::check(&history, &question(), &Budget::default());
    }
    let history = notation::history("0:ax1 0:{wx1} 1:wx2 0:rx_");
    let found = registers::check(&history, &question(), &Budget::default());
    assert_eq!(found.doubts.len(), 1, "{:?}", found.doubts);
    assert!(found.doubts[0].starts_with("2 operations are none of a register"), "{:?}", found.doubts);
    assert!(
        registers::check(&notation::history("0:wx([1,2]) 0:rx[1,2]"), &question(), &Budget::default())
            .groups
            .is_empty()
    );
}
