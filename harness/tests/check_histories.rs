//! `splitbrain check` reads what other tools recorded, answers what was asked, and survives what is broken.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value as Json;

fn corpus(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../checkers/tests/corpus").join(name)
}

fn check(args: &[&str], files: &[PathBuf]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_splitbrain")).arg("check").args(args).args(files).output().expect("it runs")
}

fn json(output: &Output) -> Vec<Json> {
    let text = String::from_utf8(output.stdout.clone()).expect("text");
    text.lines().map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{e}: {l}"))).collect()
}

fn scratch(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("splitbrain-check-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).expect("a directory");
    dir
}

fn file(dir: &Path, name: &str, content: &[u8]) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, content).expect("a file");
    path
}

const G_SINGLE: &str = r#"{:index 0 :process 0 :type :invoke :f :txn :value [[:append :x 1] [:append :y 1]]}
{:index 1 :process 0 :type :ok :f :txn :value [[:append :x 1] [:append :y 1]]}
{:index 2 :process 1 :type :invoke :f :txn :value [[:r :x nil] [:r :y nil]]}
{:index 3 :process 1 :type :ok :f :txn :value [[:r :x [1]] [:r :y nil]]}
"#;

#[test]
fn the_answer_names_what_is_ruled_out() {
    let dir = scratch("edn");
    let path = file(&dir, "g-single.edn", G_SINGLE.as_bytes());
    let output = check(&["--workload", "list-append", "--model", "snapshot-isolation", "--format", "json"], &[path]);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let answers = json(&output);
    let answer = &answers[0];
    assert_eq!(answer["verdict"], "invalid");
    assert_eq!(answer["anomalies"][0]["type"], "G-single-item");
    assert_eq!(answer["not"], serde_json::json!(["consistent-view", "repeatable-read"]));
    assert_eq!(answer["anomalies"][0]["operations"].as_array().expect("a list").len(), 2);
    assert!(answer["anomalies"][0]["minimal"]["complete"].as_bool().expect("a smallest history"));
    assert!(answer["anomalies"][0]["explanation"].as_str().expect("words").contains("contradiction"));
    std::fs::remove_dir_all(dir).expect("it was made");
}

#[test]
fn a_weaker_model_allows_what_a_stronger_one_forbids() {
    let dir = scratch("weaker");
    let path = file(&dir, "g-single.edn", G_SINGLE.as_bytes());
    let output = check(&["--model", "read-committed"], &[path]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("valid: nothing contradicts what was asked") && text.contains("G-single-item"), "{text}");
    std::fs::remove_dir_all(dir).expect("it was made");
}

#[test]
fn every_file_is_checked_whatever_the_others_are() {
    let dir = scratch("all");
    let good = file(
        &dir,
        "good.edn",
        b"{:process 0 :type :invoke :f :write :value 1}\n{:process 0 :type :ok :f :write :value 1}",
    );
    let bad = file(
        &dir,
        "bad.json",
        br#"[{"process":0,"type":"invoke","f":"write","value":1},{"process":0,"type":"ok","f":"write","value":1},
            {"process":1,"type":"invoke","f":"read","value":null},{"process":1,"type":"ok","f":"read","value":2}]"#,
    );
    let torn = file(&dir, "torn.edn", b"{:process 0 :type :invoke :f :write :value 1}\n{:process 0 :type :ok :f :wri");
    let none = dir.join("none.edn");
    let output = check(&["--workload", "register", "--format", "json"], &[none, torn, good, bad]);
    assert_eq!(output.status.code(), Some(1), "one is invalid, and that outranks the others");
    let answers = json(&output);
    let verdicts: Vec<&Json> = answers.iter().map(|a| &a["verdict"]).collect();
    assert_eq!(answers.len(), 4, "one object a file");
    assert_eq!((verdicts[0], verdicts[2], verdicts[3]), (&Json::Null, &Json::from("valid"), &Json::from("invalid")));
    assert!(answers[0]["error"].as_str().expect("words").contains("none.edn"));
    assert!(answers[1]["damage"].as_str().expect("a place").contains("line 2"), "{}", answers[1]);
    let alone = check(&["--workload", "register"], &[dir.join("torn.edn")]);
    assert_eq!(alone.status.code(), Some(254), "damaged, and nothing contradicts what is left");
    std::fs::remove_dir_all(dir).expect("it was made");
}

#[test]
fn recorded_histories_of_other_tools_get_their_known_verdicts() {
    for (args, files, verdicts) in [
        (
            &["--workload", "bank"][..],
            &["elle-cli/bank.edn", "elle-cli/bank-tidb.edn", "elle-cli/bank-negative-balances.json"][..],
            &["valid", "invalid", "invalid"][..],
        ),
        (&["--workload", "counter"], &["elle-cli/counter.json"], &["valid"]),
        (&["--workload", "set"], &["elle-cli/set_full.json"], &["invalid"]),
    ] {
        let files: Vec<PathBuf> = files.iter().map(|f| corpus(f)).collect();
        let mut all = args.to_vec();
        all.extend(["--format", "json"]);
        let answers = json(&check(&all, &files));
        let got: Vec<&str> = answers.iter().map(|a| a["verdict"].as_str().unwrap_or("none")).collect();
        assert_eq!(got, verdicts, "{args:?}");
    }
}

#[test]
fn standard_input_and_gzip_are_read_as_files_are() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_splitbrain"))
        .args(["check", "--model", "serializable", "--format", "json", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    std::io::Write::write_all(&mut child.stdin.take().expect("a pipe"), G_SINGLE.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), &json(&output)[0]["file"]), (Some(1), &Json::from("-")));
}

#[test]
fn evidence_is_written_as_files_that_can_be_checked_again() {
    let dir = scratch("evidence");
    let path = file(&dir, "g-single.edn", G_SINGLE.as_bytes());
    let evidence = dir.join("evidence");
    let output = check(&["--model", "serializable", "--evidence", &evidence.display().to_string()], &[path]);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let svg = std::fs::read_to_string(evidence.join("01-G-single-item.svg")).expect("a picture");
    assert!(svg.starts_with("<svg") && svg.matches("<rect").count() == 2, "{svg}");
    assert!(std::fs::read_to_string(evidence.join("01-G-single-item.dot")).expect("a graph").starts_with("digraph"));
    let again = check(&["--model", "serializable"], &[evidence.join("01-G-single-item.jsonl")]);
    assert_eq!(again.status.code(), Some(1), "{}", String::from_utf8_lossy(&again.stdout));
    std::fs::remove_dir_all(dir).expect("it was made");
}

#[test]
fn wrong_names_are_answered_with_the_nearest_right_one() {
    let said = |args: &[&str]| {
        let output = check(args, &[PathBuf::from("whatever")]);
        assert_eq!(output.status.code(), Some(254));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(said(&["--model", "serialisable"]).contains("serializable"));
    assert!(said(&["--workload", "list-apend"]).contains("list-append"));
    assert!(said(&["--anomaly", "G-singel"]).contains("G-single"));
    assert!(said(&["--memory", "lots"]).contains("512MiB"));
}
