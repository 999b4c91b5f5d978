//! Bad input gets a clear error that names the place and the remedy, and exit code 254.

use std::process::{Command, Output};

fn splitbrain(arguments: &[&str]) -> Output {
    let dir = env!("CARGO_TARGET_TMPDIR");
    Command::new(env!("CARGO_BIN_EXE_splitbrain"))
        .args(arguments)
        .env("NO_COLOR", "1")
        .current_dir(dir)
        .output()
        .expect("the program starts")
}

/// Asserts the exit code and that standard error holds every one of these.
fn refused(arguments: &[&str], told: &[&str]) {
    let output = splitbrain(arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(254), "{arguments:?}: {errors}");
    assert!(!errors.contains("panicked"), "{errors}");
    for part in told {
        assert!(errors.contains(part), "{arguments:?} does not say '{part}':\n{errors}");
    }
}

#[test]
fn unknown_names_get_the_nearest_right_one() {
    refused(&["test", "singel-leader"], &["no system is named 'singel-leader'", "did you mean 'single-leader'?"]);
    refused(&["test", "single-leader", "--workload", "sets"], &["no workload is named 'sets'", "did you mean 'set'?"]);
    refused(&["test", "single-leader", "--faults", "partiton"], &["'partiton'", "did you mean 'partition'?"]);
    refused(&["test", "single-leader", "--require", "durabilty"], &["'durabilty'", "did you mean 'durability'?"]);
    refused(&["test", "single-leader", "--set", "replicaton=async"], &["'replicaton'", "did you mean 'replication'?"]);
    refused(&["test", "single-leader", "--set", "replication=fast"], &["'fast'", "async"]);
    refused(&["explain", "durabilty"], &["did you mean 'durability'?"]);
    refused(&["inspect", "--guarantee", "durabilty", "."], &["did you mean 'durability'?"]);
}

#[test]
fn bad_flags_are_usage_errors_and_not_an_unknown_verdict() {
    refused(&["test", "--bogus"], &["--bogus"]);
    refused(&["frobnicate"], &["frobnicate"]);
    refused(&["test", "--duration", "soon"], &["soon", "30s"]);
    refused(&["test", "--nodes", "0"], &["0"]);
    refused(&["test", "single-leader", "--set", "replication"], &["KEY=VALUE"]);
    refused(&["list", "cheeses"], &["cheeses"]);
}

#[test]
fn impossible_combinations_are_found_before_anything_starts() {
    refused(&["test", "single-leader", "--nodes", "2", "--faults", "bridge"], &["bridge needs at least 3 nodes"]);
    refused(
        &["test", "single-leader", "--workload", "set", "--require", "counter-bounds"],
        &["nothing in this run can show counter-bounds", "--workload counter"],
    );
    refused(
        &["test", "single-leader", "--workload", "set,counter,register", "--concurrency", "2"],
        &["2 processes cannot drive 3 workloads"],
    );
    refused(
        &["test", "single-leader", "--faults", "none", "--require", "recovery"],
        &["nothing in this run can show recovery", "let there be faults"],
    );
    refused(&["test", "--set", "replication=async"], &["--set needs a system"]);
}

#[test]
fn unreadable_and_damaged_files_are_named() {
    let dir = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    refused(&["check", "no/such/file"], &["no/such/file"]);
    refused(&["inspect", "no/such/run"], &["no/such/run"]);
    refused(&["inspect", "."], &["not a run directory"]);
    refused(&["test", "single-leader", "--schedule", "no/such.toml"], &["no/such.toml"]);
    let garbage = dir.join("garbage.jsonl");
    std::fs::write(&garbage, b"\x00\xff{{{ not a history\n").expect("a file can be written");
    let output = splitbrain(&["check", "garbage.jsonl"]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!([Some(254), Some(2)].contains(&output.status.code()), "{text}");
    assert!(!text.contains("panicked"), "{text}");
}

#[test]
fn a_run_directory_that_cannot_be_made_is_named_with_the_remedy() {
    refused(&["test", "single-leader", "--runs", "/proc/nowhere"], &["/proc/nowhere", "--runs DIR"]);
}

#[test]
fn every_name_that_is_listed_can_be_explained() {
    for what in ["systems", "workloads", "faults", "guarantees", "checkers"] {
        let output = splitbrain(&["list", what, "--format", "json"]);
        assert_eq!(output.status.code(), Some(0));
        let items: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).expect("a JSON list");
        assert!(!items.is_empty(), "{what}");
        for item in items {
            let name = item["name"].as_str().expect("a name");
            let explained = splitbrain(&["explain", name]);
            assert_eq!(explained.status.code(), Some(0), "{name}");
            let text = String::from_utf8_lossy(&explained.stdout);
            assert!(text.lines().count() > 2, "{name}: {text}");
        }
    }
}

#[test]
fn help_and_version_are_no_errors() {
    for arguments in [&["--help"][..], &["test", "--help"], &["--version"]] {
        assert_eq!(splitbrain(arguments).status.code(), Some(0), "{arguments:?}");
    }
}
