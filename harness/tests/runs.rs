//! Whole runs: real processes, real faults, a recorded history, a verdict.

mod common;

use std::path::Path;
use std::time::Duration;

use common::{Scratch, eventually, host, hosts_available, processes, run, spawn};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value as Json;

/// Short and small, so that several fit in a test run.
const SMALL: &[&str] = &["--nodes", "3", "--duration", "4s", "--rate", "200", "--concurrency", "6"];

fn test(scratch: &Scratch, arguments: &[&str]) -> (Option<i32>, Json, String) {
    let output = run(scratch, &[&["test", "single-leader", "--format", "json"], SMALL, arguments].concat());
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let json = serde_json::from_slice(&output.stdout).unwrap_or(Json::Null);
    assert!(!errors.contains("panicked"), "{errors}");
    (output.status.code(), json, errors)
}

#[test]
fn a_run_without_faults_is_valid_and_leaves_its_files() {
    if !hosts_available("a_run_without_faults_is_valid_and_leaves_its_files") {
        return;
    }
    let scratch = Scratch::new("plain");
    let before = host();
    let (code, json, errors) = test(&scratch, &["--faults", "none", "--seed", "11", "--pcap"]);
    assert_eq!(code, Some(0), "{json:#}\n{errors}");
    assert_eq!(json["verdict"], "valid");
    assert_eq!(json["seed"], 11);
    for (name, row) in json["guarantees"].as_object().expect("guarantees") {
        assert!(row["promised"].is_boolean() && row["observed"].is_string() && row["violations"].is_u64(), "{name}");
        assert_ne!(row["observed"], "violated", "{name}: {row}");
    }
    let dir = scratch.path.join("runs/latest");
    for file in [
        "run.json",
        "plan.json",
        "verdict.json",
        "history.jsonl.gz",
        "controller.log",
        "nodes/n1/stderr.log",
        "wire.pcap",
    ] {
        assert!(dir.join(file).is_file(), "{file}");
    }
    assert!(!dir.join("history.jsonl").exists(), "the history is sealed");
    assert_eq!(host(), before, "the host is as it was");
    assert!(
        eventually(Duration::from_secs(1), || processes(&scratch.mark).is_empty()),
        "{:?}",
        processes(&scratch.mark)
    );
    // Checked again from what was recorded, the verdict is the same.
    let again = run(&scratch, &["check", "runs/latest", "--format", "json"]);
    assert_eq!(again.status.code(), Some(0), "{}", String::from_utf8_lossy(&again.stderr));
    let again: Json = serde_json::from_slice(&again.stdout).expect("JSON");
    assert_eq!(again["guarantees"], json["guarantees"]);
    let seen = run(&scratch, &["inspect", "runs/latest"]);
    assert_eq!(seen.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&seen.stdout).contains("valid"));
}

#[test]
fn monotonic_clocks_are_wrong_in_a_run_that_asks_for_it() {
    let name = "monotonic_clocks_are_wrong_in_a_run_that_asks_for_it";
    if !hosts_available(name) {
        return;
    }
    if !cfg!(target_arch = "x86_64") {
        eprintln!("SKIPPED {name}: waits are translated on x86-64 only");
        return;
    }
    let scratch = Scratch::new("monotonic");
    let faults = ["--faults", "clock-monotonic", "--trap-clocks", "--rhythm", "dense", "--seed", "3"];
    let (code, json, errors) = test(&scratch, &faults);
    assert_eq!(code, Some(0), "{json:#}\n{errors}");
    let faults = json["faults"].as_array().expect("faults");
    assert!(faults.iter().any(|fault| fault["inert"] == false), "{json:#}");
    let (refused, _, errors) = test(&scratch, &["--faults", "clock-monotonic"]);
    assert!(refused == Some(254) && errors.contains("without --trap-clocks"), "{errors}");
}

#[test]
fn asynchronous_replication_loses_writes_at_failover_and_that_is_valid_until_it_is_required() {
    if !hosts_available("asynchronous_replication_loses_writes_at_failover_and_that_is_valid_until_it_is_required") {
        return;
    }
    let scratch = Scratch::new("async");
    let lossy = ["--workload", "set", "--faults", "leader-isolated", "--duration", "8s", "--seed", "5"];
    let (code, json, errors) = test(&scratch, &lossy);
    assert_eq!(code, Some(0), "{json:#}\n{errors}");
    let row = &json["guarantees"]["durability"];
    assert_eq!((&row["promised"], &row["observed"]), (&Json::Bool(false), &Json::from("violated")), "{json:#}");
    let (code, json, _) = test(&scratch, &[&lossy[..], &["--require", "durability"]].concat());
    assert_eq!(code, Some(1), "{json:#}");
    assert_eq!(json["verdict"], "invalid");
    let first = &json["guarantees"]["durability"]["anomalies"][0];
    assert!(!first["operations"].as_array().expect("operations").is_empty(), "{first}");
    let seen = run(&scratch, &["inspect", "runs/latest"]);
    let text = String::from_utf8_lossy(&seen.stdout).into_owned();
    assert!(text.contains("leader-isolated") && text.contains('#'), "{text}");
}

#[test]
fn reads_from_any_replica_go_back_in_time_and_sticky_ones_do_not() {
    if !hosts_available("reads_from_any_replica_go_back_in_time_and_sticky_ones_do_not") {
        return;
    }
    let scratch = Scratch::new("reads");
    let lagging = ["--faults", "partition-one,partition-halves", "--duration", "8s", "--seed", "4"];
    let reads = |from: &str| {
        let set = format!("read-from={from}");
        let (code, json, errors) = test(&scratch, &[&lagging[..], &["--set", "failover=none", "--set", &set]].concat());
        assert_eq!(code, Some(0), "{json:#}\n{errors}");
        json["guarantees"]["monotonic-reads"].clone()
    };
    let any = reads("any");
    let measured = run(&scratch, &["inspect", "--staleness", "--most", "1"]);
    let text = String::from_utf8_lossy(&measured.stdout).into_owned();
    assert!(text.contains("versions were newer") || text.contains("version was newer"), "{text}");
    assert_eq!((&any["promised"], &any["observed"]), (&Json::Bool(false), &Json::from("violated")), "{any}");
    let sticky = reads("sticky");
    assert_eq!((&sticky["promised"], &sticky["observed"]), (&Json::Bool(true), &Json::from("held")), "{sticky}");
}

#[test]
fn what_is_judged_over_the_whole_history_can_be_required() {
    if !hosts_available("what_is_judged_over_the_whole_history_can_be_required") {
        return;
    }
    let scratch = Scratch::new("require");
    let quiet = ["--faults", "none", "--duration", "2s", "--workload", "register", "--require", "linearizable"];
    let (code, json, errors) = test(&scratch, &quiet);
    assert_eq!(code, Some(0), "{json:#}\n{errors}");
    assert_eq!(json["guarantees"]["linearizable"]["required"], true, "{json:#}");
}

#[test]
fn the_same_seed_gives_the_same_plan_byte_for_byte() {
    if !hosts_available("the_same_seed_gives_the_same_plan_byte_for_byte") {
        return;
    }
    let scratch = Scratch::new("plan");
    let plans: Vec<Vec<u8>> = [("a", "9"), ("b", "9"), ("c", "10")]
        .iter()
        .map(|(runs, seed)| {
            let (code, json, errors) = test(
                &scratch,
                &[
                    "--faults",
                    "all",
                    "--allow-degraded",
                    "--ops",
                    "1",
                    "--duration",
                    "20s",
                    "--runs",
                    runs,
                    "--seed",
                    seed,
                ],
            );
            assert!(matches!(code, Some(0 | 2)), "{json}\n{errors}");
            std::fs::read(scratch.path.join(runs).join("latest/plan.json")).expect("a plan")
        })
        .collect();
    assert_eq!(plans[0], plans[1]);
    assert_ne!(plans[0], plans[2]);
}

#[test]
fn a_node_that_dies_by_itself_is_named_and_the_verdict_is_not_valid() {
    if !hosts_available("a_node_that_dies_by_itself_is_named_and_the_verdict_is_not_valid") {
        return;
    }
    let scratch = Scratch::new("dies");
    let arguments =
        [&["test", "single-leader", "--format", "json", "--faults", "none", "--recovery", "1s"], SMALL].concat();
    let child = spawn(&scratch, &arguments);
    let n3 =
        || processes(&scratch.mark).into_iter().find(|(_, line)| line.contains("__node") && line.contains("--id n3"));
    let history = scratch.path.join("runs/latest/history.jsonl");
    let under_way = || std::fs::read_to_string(&history).is_ok_and(|text| text.contains("\"type\":\"ok\""));
    assert!(eventually(Duration::from_secs(40), under_way), "operations succeed");
    let (pid, _) = n3().expect("n3 runs");
    kill(Pid::from_raw(pid), Signal::SIGKILL).expect("it can be killed");
    let output = child.wait_with_output().expect("it ends");
    let json: Json = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(output.status.code(), Some(2), "{json:#}");
    assert!(json["notes"].to_string().contains("n3 ended by itself"), "{}", json["notes"]);
    // What the run knew is not forgotten when its history is checked again, from wherever.
    let again = common::splitbrain(&scratch, &["check", "history.jsonl.gz", "--format", "json"])
        .current_dir(scratch.path.join("runs/latest"))
        .output()
        .expect("the program starts");
    assert_eq!(again.status.code(), Some(2), "{}", String::from_utf8_lossy(&again.stderr));
}

#[test]
fn a_failure_of_the_harness_is_255_and_json_all_the_same() {
    if !hosts_available("a_failure_of_the_harness_is_255_and_json_all_the_same") {
        return;
    }
    let scratch = Scratch::new("broken");
    // Not enough descriptors for hosts.
    let script = format!("ulimit -n 24; exec {} test single-leader --format json", env!("CARGO_BIN_EXE_splitbrain"));
    let output = std::process::Command::new("sh")
        .args(["-c", &script])
        .env("SPLITBRAIN_TEST_MARK", &scratch.mark)
        .current_dir(&scratch.path)
        .output()
        .expect("a shell starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(255), "{errors}");
    assert!(!errors.contains("panicked"), "{errors}");
    let json: Json = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert_eq!((&json["verdict"], &json["code"]), (&Json::Null, &Json::from(255)), "{json}");
    assert!(eventually(Duration::from_secs(1), || processes(&scratch.mark).is_empty()));
    // A run that failed has no verdict, whatever its history looks like.
    let checked = run(&scratch, &["check", "runs/latest"]);
    assert!(matches!(checked.status.code(), Some(2 | 254)), "{}", String::from_utf8_lossy(&checked.stdout));
}

#[test]
fn two_runs_side_by_side_do_not_notice_each_other() {
    if !hosts_available("two_runs_side_by_side_do_not_notice_each_other") {
        return;
    }
    let scratch = Scratch::new("pair");
    let arguments =
        [&["test", "single-leader", "--format", "json", "--faults", "kill"], SMALL, &["--seed", "3"]].concat();
    let children: Vec<_> = (0..2).map(|_| spawn(&scratch, &arguments)).collect();
    let mut dirs = Vec::new();
    for child in children {
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        let json: Json = serde_json::from_slice(&output.stdout).expect("JSON");
        dirs.push(json["run"].as_str().expect("a directory").to_owned());
    }
    assert_ne!(dirs[0], dirs[1]);
}

/// Starts a long run and waits until a fault is installed.
fn under_fault(scratch: &Scratch, fault: &str) -> std::process::Child {
    let arguments = ["test", "single-leader", "--nodes", "3", "--duration", "60s", "--rate", "200", "--faults", fault];
    let child = spawn(scratch, &[&arguments[..], &["--seed", "1", "--format", "json"]].concat());
    let history = scratch.path.join("runs/latest/history.jsonl");
    let event = format!("\"f\":\"{fault}\"");
    let installed = || std::fs::read_to_string(&history).is_ok_and(|text| text.contains(&event));
    assert!(eventually(Duration::from_secs(40), installed), "no fault was installed");
    child
}

#[test]
fn nothing_is_left_when_the_controller_is_killed_in_the_middle_of_a_fault() {
    if !hosts_available("nothing_is_left_when_the_controller_is_killed_in_the_middle_of_a_fault") {
        return;
    }
    let before = host();
    for fault in ["partition-one", "pause", "crash"] {
        let scratch = Scratch::new("kill9");
        let mut child = under_fault(&scratch, fault);
        assert!(processes(&scratch.mark).len() > 3, "controller, zygote, agents and nodes run");
        kill(Pid::from_raw(child.id() as i32), Signal::SIGKILL).expect("the controller can be killed");
        child.wait().expect("it is gone");
        let gone = eventually(Duration::from_secs(1), || processes(&scratch.mark).is_empty());
        assert!(gone, "{fault}: left behind: {:?}", processes(&scratch.mark));
        assert_eq!(host(), before, "{fault}: interfaces and mounts are as they were");
        // What was recorded can be read: the history ends where the controller died.
        let checked = run(&scratch, &["check", "runs/latest"]);
        let text = String::from_utf8_lossy(&checked.stdout).into_owned();
        assert!(text.contains("damaged:") && text.contains("events"), "{text}");
        only_these_files(&scratch.path.join("runs/latest/"));
    }
}

/// No temporary file lies in a run directory.
fn only_these_files(dir: &Path) {
    for entry in std::fs::read_dir(dir).expect("a run directory").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        assert!(!name.starts_with('.') && !name.ends_with(".partial"), "{name} was left behind");
    }
}

#[test]
fn ctrl_c_heals_stops_saves_and_still_checks() {
    if !hosts_available("ctrl_c_heals_stops_saves_and_still_checks") {
        return;
    }
    let scratch = Scratch::new("ctrlc");
    let child = under_fault(&scratch, "leader-isolated");
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).expect("it can be interrupted");
    let output = child.wait_with_output().expect("it ends");
    let json: Json = serde_json::from_slice(&output.stdout).expect("a verdict");
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(json["verdict"], "unknown");
    assert!(json["operations"]["ok"].as_u64() > Some(0));
    let run_json = std::fs::read_to_string(scratch.path.join("runs/latest/run.json")).expect("run.json");
    assert!(run_json.contains("interrupted"), "{run_json}");
    assert!(scratch.path.join("runs/latest/history.jsonl.gz").is_file());
    assert!(eventually(Duration::from_secs(1), || processes(&scratch.mark).is_empty()));
}

#[test]
fn a_second_ctrl_c_leaves_at_once_and_leaves_nothing() {
    if !hosts_available("a_second_ctrl_c_leaves_at_once_and_leaves_nothing") {
        return;
    }
    let scratch = Scratch::new("ctrlcc");
    let mut child = under_fault(&scratch, "pause");
    let pid = Pid::from_raw(child.id() as i32);
    // Signals of one kind that arrive together count as one: keep on until it is gone.
    let ended = eventually(Duration::from_secs(5), || {
        let _ = kill(pid, Signal::SIGINT);
        child.try_wait().expect("it can be waited for").is_some()
    });
    assert!(ended, "it left");
    assert!(
        eventually(Duration::from_secs(1), || processes(&scratch.mark).is_empty()),
        "{:?}",
        processes(&scratch.mark)
    );
}
