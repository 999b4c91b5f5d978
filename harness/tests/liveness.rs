//! The liveness phase of whole runs: a core that suffices gets on without the others, and one that does not is seen.

mod common;

use common::{Scratch, hosts_available, run};
use serde_json::Value as Json;

fn test(scratch: &Scratch, arguments: &[&str]) -> (Option<i32>, Json, String) {
    let small = ["--duration", "3s", "--rate", "200", "--concurrency", "6", "--workload", "append", "--format", "json"];
    let output = run(scratch, &[&["test", "single-leader"], &small[..], arguments].concat());
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!errors.contains("panicked"), "{errors}");
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or(Json::Null), errors)
}

fn plan(scratch: &Scratch) -> Json {
    let plan = std::fs::read(scratch.path.join("runs/latest/plan.json")).expect("a plan");
    serde_json::from_slice(&plan).expect("JSON")
}

#[test]
fn a_majority_gets_on_without_the_others() {
    if !hosts_available("a_majority_gets_on_without_the_others") {
        return;
    }
    let scratch = Scratch::new("core");
    let (code, json, errors) = test(&scratch, &["--faults", "partition-one", "--seed", "5", "--liveness"]);
    assert_eq!(code, Some(0), "{json:#}\n{errors}");
    let row = &json["guarantees"]["liveness"];
    assert_eq!((&row["promised"], &row["observed"]), (&Json::Bool(true), &Json::from("held")), "{row}");
    let liveness = plan(&scratch)["liveness"].clone();
    let names: Vec<&str> = liveness["core"].as_array().expect("names").iter().filter_map(Json::as_str).collect();
    assert_eq!(names.len(), 3, "a majority of five: {liveness}");
    assert_eq!(liveness["within_ms"], 10_000, "{liveness}");
    let alone = row["summary"].as_str().is_some_and(|text| text.contains(" alone ("));
    assert!(alone, "it says who and under which faults: {row}");
    // Everything was healed after it, as in every run.
    assert_eq!(json["guarantees"]["recovery"]["observed"], "held", "{json:#}");
    assert_eq!(json["guarantees"]["convergence"]["observed"], "held", "{json:#}");
    assert!(row["counts"]["first_update_ms"].as_u64() < Some(10_000) && row["counts"]["core"] == 3, "{row}");
    // Judged again from what was recorded, it is the same.
    let again = run(&scratch, &["check", "runs/latest", "--format", "json"]);
    let again: Json = serde_json::from_slice(&again.stdout).expect("JSON");
    assert_eq!(&again["guarantees"]["liveness"], row);
}

#[test]
fn a_core_without_the_only_leader_is_seen_to_stand_still() {
    if !hosts_available("a_core_without_the_only_leader_is_seen_to_stand_still") {
        return;
    }
    let scratch = Scratch::new("still");
    let alone = [
        "--set",
        "failover=none",
        "--faults",
        "pause",
        "--seed",
        "2",
        "--liveness=n2,n3,n4",
        "--liveness-within",
        "2s",
    ];
    let (code, json, errors) = test(&scratch, &alone);
    // The system says that nothing goes on without n1: it is shown, and no failure.
    assert_eq!(code, Some(0), "{json:#}\n{errors}");
    assert!(errors.contains("nothing goes on without n1"), "{errors}");
    let row = &json["guarantees"]["liveness"];
    assert_eq!((&row["promised"], &row["observed"]), (&Json::Bool(false), &Json::from("violated")), "{row}");
    let explanation = row["anomalies"][0]["explanation"].as_str().expect("an explanation");
    for part in ["n2 n3 n4 were healthy", "n1", "no update of", "the bound is 2000 ms", "The last that did not succeed"]
    {
        assert!(explanation.contains(part), "{part}: {explanation}");
    }
    let (code, json, _) = test(&scratch, &[&alone[..], &["--require", "liveness"]].concat());
    assert_eq!(code, Some(1), "{json:#}");
}
