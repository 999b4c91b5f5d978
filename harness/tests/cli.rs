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
    refused(&["explain", "crash", "--set", "replication=sync"], &["'crash' is none", "list systems"]);
    refused(&["explain", "single-leader", "--set", "replication=fast"], &["'fast'", "async"]);
    refused(&["test", "single-leader", "--liveness=n9"], &["'n9'", "n1 to n5"]);
    refused(&["test", "single-leader", "--require", "liveness"], &["nothing in this run", "--liveness"]);
    refused(&["explain", "durabilty"], &["did you mean 'durability'?"]);
    refused(&["explain", "snapshot-isolatoin"], &["did you mean 'snapshot-isolation'?"]);
    refused(&["explain", "g-singel-item"], &["did you mean 'G-single-item'?"]);
    refused(&["explain", "PL-2.9"], &["did you mean 'PL-2.99'?"]);
    refused(&["inspect", "--guarantee", "durabilty", "."], &["did you mean 'durability'?"]);
}

#[test]
fn what_costs_every_call_has_to_be_asked_for() {
    let told = ["clock-monotonic-jump cannot be had without --trap-clocks", "add --trap-clocks"];
    refused(&["test", "single-leader", "--faults", "kill,clock-monotonic-jump"], &told);
    let all = ["clock-monotonic-drift, clock-monotonic-freeze, clock-monotonic-jump cannot be had without"];
    refused(&["test", "single-leader", "--faults", "clock-monotonic", "--allow-degraded"], &all);
    let schedule = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("frozen.toml");
    let text = "[[step]]\nat = '2s'\nfault = 'clock-monotonic-freeze'\ntarget = 'n1'\nfor = '1s'\n";
    std::fs::write(&schedule, text).expect("a schedule");
    let path = schedule.display().to_string();
    refused(
        &["test", "single-leader", "--schedule", &path],
        &["clock-monotonic-freeze cannot be had without --trap-clocks"],
    );
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

/// What `list` says as JSON: one object a line.
fn listed(what: &str) -> Vec<serde_json::Value> {
    let output = splitbrain(&["list", what, "--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{what}");
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().map(|line| serde_json::from_str(line).expect("one object a line")).collect()
}

#[test]
fn every_name_that_is_listed_can_be_explained() {
    for what in ["systems", "workloads", "histories", "faults", "guarantees", "checkers", "models", "anomalies"] {
        let items = listed(what);
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

fn explained(name: &str) -> String {
    let output = splitbrain(&["explain", name]);
    assert_eq!(output.status.code(), Some(0), "{name}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn a_model_is_explained_by_every_name_it_has() {
    let text = explained("PL-SI");
    assert!(text.starts_with("snapshot-isolation (PL-SI): a consistency model"), "{text}");
    assert_eq!(explained("pl-si"), text);
    assert!(
        explained("Snapshot Isolation").contains(&text),
        "a guarantee has this name as well, and both are explained"
    );
    assert_eq!(explained("Cursor Stability"), explained("PL-CS"));
    for part in ["one snapshot of committed data", "G-nonadjacent", "strong-serializable", "read-atomic", "Adya"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let linearizable = explained("linearizable");
    assert!(linearizable.contains("Elle has it and forbids nothing for it"), "{linearizable}");
    assert!(linearizable.contains("nonlinearizable") && linearizable.contains("Herlihy, Wing"), "{linearizable}");
}

#[test]
fn an_anomaly_is_explained_with_an_example_and_what_it_rules_out() {
    let text = explained("g-single-item");
    for part in [
        "G-single-item: an anomaly",
        "Read skew",
        "0:ax1ay1 1:rx1ry_ 2:{ry1}\n",
        "consistent-view, repeatable-read, and with them forward-consistent-view",
        "G-nonadjacent-item",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(explained("long-fork").contains("Elle does not know it."));
}

#[test]
fn what_is_a_guarantee_and_a_model_is_explained_as_both() {
    let text = explained("monotonic-reads");
    assert!(text.contains("what the checker does not detect") && text.contains("a consistency model"), "{text}");
}

#[test]
fn models_are_listed_with_what_they_forbid() {
    let items = listed("models");
    let si = items.iter().find(|m| m["name"] == "snapshot-isolation").expect("it is listed");
    assert_eq!(si["aliases"], serde_json::json!(["PL-SI"]));
    assert!(si["forbids"].as_array().is_some_and(|kinds| kinds.contains(&"G-SI".into())), "{si}");
    let output = splitbrain(&["list", "anomalies"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("Not consistent-view, repeatable-read."), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 130), "{text}");
}

#[test]
fn help_and_version_are_no_errors() {
    for arguments in [&["--help"][..], &["test", "--help"], &["--version"]] {
        assert_eq!(splitbrain(arguments).status.code(), Some(0), "{arguments:?}");
    }
}

#[test]
fn the_workloads_of_check_are_listed_and_explained() {
    let listed = splitbrain(&["list", "histories"]);
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    for workload in checkers::Workload::ALL {
        assert!(text.lines().any(|line| line.starts_with(workload.name())), "{workload}: {text}");
    }
    let text = explained("list-append");
    assert!(text.contains("check --workload list-append") && text.contains("strong-serializable"), "{text}");
    let both = explained("set");
    assert!(both.contains("its histories are judged by") && both.contains("check --workload set"), "{both}");
    refused(&["explain", "list-apend"], &["did you mean 'list-append'?"]);
    refused(&["check", "-w", "cheese", "whatever"], &["`splitbrain list histories`"]);
}

#[test]
fn models_are_listed_by_name() {
    let names: Vec<String> = listed("models").iter().map(|model| model["name"].to_string()).collect();
    assert!(names.len() > 20 && names.is_sorted(), "{names:?}");
}

#[test]
fn a_system_is_explained_as_it_is_set() {
    let text = |set: &[&str]| {
        let output = splitbrain(&[&["explain", "single-leader"], set].concat());
        assert_eq!(output.status.code(), Some(0));
        String::from_utf8(output.stdout).expect("text")
    };
    let (plain, sync) = (text(&[]), text(&["--set", "replication=sync", "--set", "failover=none"]));
    assert!(plain.contains("what the default configuration promises, on 5 nodes") && plain.contains("3 of 5 nodes"));
    assert!(sync.contains("what replication=sync failover=none promises, on 5 nodes"), "{sync}");
    assert!(sync.contains("it takes all nodes, n1 among them"), "{sync}");
    let row = |text: &str| {
        let table = text.split("what replication changes of it").nth(1).unwrap_or_default().to_owned();
        table.lines().find(|line| line.trim_start().starts_with("durability")).map(str::to_owned)
    };
    let words: Vec<String> = row(&plain).expect("a row").split_whitespace().map(str::to_owned).collect();
    assert_eq!(words, ["durability", "no", "yes", "yes"], "async, sync, semi-sync");
}
