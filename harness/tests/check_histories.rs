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
    assert_eq!(answers[1]["verdict"], "unknown", "{}", answers[1]);
    for args in [&["--workload", "register"][..], &[]] {
        let alone = check(args, &[dir.join("torn.edn")]);
        let text = String::from_utf8_lossy(&alone.stdout).into_owned();
        assert_eq!(alone.status.code(), Some(254), "damaged, and nothing contradicts what is left: {text}");
        assert!(text.contains("damaged: line 2") && text.contains("\nunknown: "), "{text}");
    }
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
        // It holds 287 increments and no read: elle-cli finds nothing wrong with it, and nothing was judged.
        (&["--workload", "counter"], &["elle-cli/counter.json"], &["unknown"]),
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

/// A run of a store that wrote and read one register, as its directory is left.
fn run_directory(dir: &Path, history: &str) -> PathBuf {
    let run = dir.join("run");
    std::fs::create_dir_all(&run).expect("a directory");
    let contract = serde_json::json!({"promises": {"linearizable": {"promised": "yes"}}});
    let terms = serde_json::json!({"contract": contract, "required": [], "faults": []});
    let run_json = serde_json::json!({
        "format": 1, "version": "0", "started": "2026-01-01T00:00:00Z", "status": "finished",
        "again": "splitbrain test", "terms": terms,
    });
    let plan = serde_json::json!({
        "format": 1, "seed": 1, "system": "single-leader", "options": {}, "nodes": 3, "workloads": ["register"],
        "concurrency": 1, "key_count": 1, "rate": null, "duration_ms": 1000, "operations": null,
        "operation_timeout_ms": 1000, "recovery_ms": 1000, "faults": [], "schedule": {"steps": []}, "required": [],
    });
    file(&run, "run.json", run_json.to_string().as_bytes());
    file(&run, "plan.json", plan.to_string().as_bytes());
    file(&run, "history.jsonl", history.as_bytes());
    run
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn a_history_of_another_kind_is_never_valid() {
    for (workload, name) in [
        ("list-append", "elle-cli/bank.edn"),
        ("rw-register", "elle-cli/list-append-gh-30.edn"),
        ("predicate", "elle-cli/set_full.json"),
        ("list-append", "elle-cli/counter.json"),
        ("long-fork", "elle-cli/rw-register.edn"),
    ] {
        let output = check(&["-w", workload], &[corpus(name)]);
        assert_eq!(output.status.code(), Some(2), "{workload} {name}: {}", text(&output));
        assert!(!text(&output).contains("\nvalid"), "{}", text(&output));
    }
}

#[test]
fn flags_that_mean_nothing_here_are_refused() {
    let path = corpus("elle-cli/bank.edn");
    for (args, told) in [
        (&["--keys", "linearizable"][..], "--workload rw-register"),
        (&["--initial", "0"], "--initial"),
        (&["--total", "100"], "--total"),
        (&["--negative-balances"], "--negative-balances"),
        (&["--most", "2"], "--evidence"),
        (&["-w", "bank", "--recovery", "3s"], "--recovery"),
        (&["-w", "bank", "--keys", "sequential"], "--workload rw-register"),
        (&["-w", "register", "--total", "100"], "--workload bank"),
    ] {
        let output = check(args, std::slice::from_ref(&path));
        assert_eq!(output.status.code(), Some(254), "{args:?}: {}", text(&output));
        assert!(text(&output).contains(told), "{args:?}: {}", text(&output));
    }
    let twice = check(&["-", "-"], &[]);
    assert_eq!(twice.status.code(), Some(254));
    assert!(text(&twice).contains("standard input can be read only once"), "{}", text(&twice));
}

#[test]
fn evidence_of_several_files_has_a_directory_each_and_is_never_written_over() {
    let dir = scratch("places");
    let one = file(&dir, "one.edn", G_SINGLE.as_bytes());
    let two = file(&dir, "two.edn", G_SINGLE.as_bytes());
    let evidence = dir.join("evidence");
    let flag = evidence.display().to_string();
    let args = ["--model", "serializable", "--evidence", &flag];
    assert_eq!(check(&args, &[one.clone(), two]).status.code(), Some(1));
    for below in ["01-one.edn", "02-two.edn"] {
        for suffix in ["svg", "dot", "txt", "jsonl"] {
            assert!(evidence.join(below).join(format!("01-G-single-item.{suffix}")).is_file(), "{below} {suffix}");
        }
    }
    let before = std::fs::read(evidence.join("01-one.edn/01-G-single-item.svg")).expect("a picture");
    let again = check(&args, std::slice::from_ref(&one));
    assert_eq!(again.status.code(), Some(254), "{}", text(&again));
    assert!(
        text(&again).contains("holds evidence already") && text(&again).contains("new directory"),
        "{}",
        text(&again)
    );
    assert!(again.stdout.is_empty(), "it is refused before anything is checked");
    assert_eq!(std::fs::read(evidence.join("01-one.edn/01-G-single-item.svg")).expect("a picture"), before);
    let nowhere = check(&["--evidence", "/proc/nowhere"], &[one]);
    assert_eq!(nowhere.status.code(), Some(254));
    std::fs::remove_dir_all(dir).expect("it was made");
}

#[test]
fn violated_guarantees_leave_evidence_too() {
    let dir = scratch("guarantees");
    let path = file(&dir, "g-single.edn", G_SINGLE.as_bytes());
    let evidence = dir.join("evidence");
    let output = check(&["--evidence", &evidence.display().to_string()], &[path]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let names: Vec<String> = std::fs::read_dir(&evidence)
        .expect("evidence")
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    assert!(names.iter().any(|n| n.ends_with("G-single-item.svg")), "{names:?}");
    let smallest = names.iter().find(|n| n.ends_with("G-single-item.jsonl")).expect("a smallest history");
    assert_eq!(check(&[], &[evidence.join(smallest)]).status.code(), Some(1));
    std::fs::remove_dir_all(dir).expect("it was made");
}

const REGISTER: &str = r#"{"index":0,"time":0,"process":0,"type":"invoke","f":"write","key":"x","value":1}
{"index":1,"time":1,"process":0,"type":"ok","f":"write","key":"x","value":1}
{"index":2,"time":2,"process":0,"type":"invoke","f":"read","key":"x","value":null}
{"index":3,"time":3,"process":0,"type":"ok","f":"read","key":"x","value":1}
"#;

#[test]
fn a_run_directory_is_asked_for_a_model_as_its_history_is_and_its_damage_is_254_in_every_mode() {
    let dir = scratch("run");
    let run = run_directory(&dir, REGISTER);
    for args in [&["--model", "linearizable"][..], &[]] {
        let output = check(args, std::slice::from_ref(&run));
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", text(&output));
    }
    let torn = &REGISTER[..REGISTER.len() - 20];
    file(&run, "history.jsonl", torn.as_bytes());
    for args in [&["--model", "linearizable"][..], &[]] {
        let output = check(args, std::slice::from_ref(&run));
        assert_eq!(output.status.code(), Some(254), "{args:?}: {}", text(&output));
        assert!(text(&output).contains("unknown: the history is damaged"), "{}", text(&output));
    }
    std::fs::remove_dir_all(dir).expect("it was made");
}

fn inspect(run: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_splitbrain")).arg("inspect").arg(run).args(args).output().expect("it runs")
}

#[test]
fn the_evidence_of_a_run_is_never_written_over_either() {
    let dir = scratch("inspect");
    let bad = REGISTER.trim_end().strip_suffix("1}").expect("a read of 1").to_owned() + "2}\n";
    let run = run_directory(&dir, &bad);
    let judged = check(&["--format", "json"], std::slice::from_ref(&run));
    assert_eq!(judged.status.code(), Some(1), "{}", text(&judged));
    file(&run, "verdict.json", &judged.stdout);
    let evidence = dir.join("evidence");
    let flag = evidence.display().to_string();
    let first = inspect(&run, &["--evidence", &flag]);
    assert_eq!(first.status.code(), Some(0), "{}", text(&first));
    let mut names = std::fs::read_dir(&evidence).expect("evidence").flatten().map(|entry| entry.file_name());
    assert!(names.any(|name| name.to_string_lossy().ends_with("-nonlinearizable.svg")), "{}", text(&first));
    let again = inspect(&run, &["--evidence", &flag]);
    assert_eq!(again.status.code(), Some(254), "{}", text(&again));
    assert!(text(&again).contains("holds evidence already"), "{}", text(&again));
    assert_eq!(inspect(&run, &["--evidence", &flag, "--dot"]).status.code(), Some(254), "one of them would be ignored");
    std::fs::remove_dir_all(dir).expect("it was made");
}

#[test]
fn one_question_about_objects_of_several_kinds_is_answered_with_the_way_to_ask_of_each() {
    let dir = scratch("mixed");
    let mixed = r#"{"process":0,"type":"invoke","f":"write","key":"x","value":1}
{"process":0,"type":"ok","f":"write","key":"x","value":1}
{"process":0,"type":"invoke","f":"append","key":"l","value":1}
{"process":0,"type":"ok","f":"append","key":"l","value":1}
{"process":0,"type":"invoke","f":"read","key":"l","value":null}
{"process":0,"type":"ok","f":"read","key":"l","value":[1]}
"#;
    let path = file(&dir, "mixed.jsonl", mixed.as_bytes());
    let output = check(&["--model", "linearizable"], std::slice::from_ref(&path));
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(text(&output).contains("`--require linearizable` instead of --model"), "{}", text(&output));
    let output = check(&["--require", "linearizable"], &[path]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    std::fs::remove_dir_all(dir).expect("it was made");
}

#[test]
fn of_a_bare_history_nothing_is_said_to_have_been_promised() {
    let dir = scratch("asked");
    let path = file(&dir, "good.jsonl", REGISTER.as_bytes());
    let bad = REGISTER.trim_end().strip_suffix("1}").expect("a read of 1").to_owned() + "2}\n";
    let bad = file(&dir, "bad.jsonl", bad.as_bytes());
    let output = check(&["--memory", "1GiB", "--input", "jsonl", "--budget", "60s"], &[path, bad]);
    let text = text(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("asked and violated") && !text.replace("to have promised", "").contains("promised"),
        "{text}"
    );
    assert!(text.contains("--input jsonl --budget 60000ms --memory 1073741824"), "{text}");
    assert!(!text.contains(" no  ") && text.contains("yes"), "{text}");
    let bank = check(&[], &[corpus("elle-cli/bank.edn")]);
    assert!(self::text(&bank).contains("too little"), "{}", self::text(&bank));
    std::fs::remove_dir_all(dir).expect("it was made");
}

#[test]
fn a_list_that_is_read_from_a_register_is_told_with_the_read() {
    let dir = scratch("list");
    let read = REGISTER.trim_end().strip_suffix("1}").expect("a read of 1").to_owned() + "[1,2]}\n";
    let path = file(&dir, "list.jsonl", read.as_bytes());
    for initial in [&[][..], &["--initial", "0"]] {
        let output = check(&[&["-w", "register"], initial].concat(), std::slice::from_ref(&path));
        let text = text(&output).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains("but nobody ever wrote that value to the register of x"), "{text}");
    }
    std::fs::remove_dir_all(dir).expect("it was made");
}

#[test]
fn help_fits_what_is_wrong_with_a_file_and_one_of_a_thing_is_not_many() {
    let dir = scratch("help");
    let missing = check(&[], &[dir.join("none.edn")]);
    assert!(text(&missing).contains("that is there") && !text(&missing).contains("JSON Lines"), "{}", text(&missing));
    let garbage = file(&dir, "garbage", b"no history at all\n");
    assert!(text(&check(&[], &[garbage])).contains("JSON Lines"));
    let one = file(&dir, "one.edn", G_SINGLE.as_bytes());
    let output = text(&check(&["-w", "list-append"], &[one]));
    assert!(output.contains("1 component,") && output.contains("4 events"), "{output}");
    let one = file(&dir, "one.jsonl", REGISTER.lines().next().expect("a line").as_bytes());
    assert!(text(&check(&[], &[one])).contains("one.jsonl: 1 event\n"));
    std::fs::remove_dir_all(dir).expect("it was made");
}

/// Thirty transactions of which nobody knows the outcome, and a read that no order of any of them explains: the search
/// takes longer than anybody waits.
fn endless() -> String {
    let mut lines = Vec::new();
    let mut event = |process: usize, kind: &str, value: &str| {
        let index = lines.len();
        lines.push(format!(
            r#"{{"index":{index},"time":{index},"process":{process},"type":"{kind}","f":"txn","value":{value}}}"#
        ));
    };
    for i in 0..30 {
        event(10 + i, "invoke", &format!(r#"[["w","x",{i}],["w","y",{i}]]"#));
    }
    event(0, "invoke", r#"[["r","x",null],["r","y",null]]"#);
    event(0, "ok", r#"[["r","x",1],["r","y",2]]"#);
    lines.join("\n") + "\n"
}

/// Until a process has used three tenths of a second of processor time: it has read its small files, and searches.
fn wait_for_work(pid: u32) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    let used = || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        fields[11].parse::<u64>().expect("ticks in user mode") + fields[12].parse::<u64>().expect("ticks in the kernel")
    };
    while used() < 30 {
        assert!(std::time::Instant::now() < deadline, "it does nothing");
        std::thread::yield_now();
    }
}

#[test]
fn ctrl_c_ends_the_search_and_says_what_was_proven() {
    use std::io::{BufRead, BufReader, Read};
    let dir = scratch("ctrl-c");
    let good = file(&dir, "good.jsonl", REGISTER.as_bytes());
    let endless = file(&dir, "endless.jsonl", endless().as_bytes());
    for format in ["json", "text"] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_splitbrain"))
            .args(["check", "--workload", "multi-register", "--budget", "1h", "--format", format])
            .args([&good, &endless, &good])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut out = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut first = String::new();
        while !first.contains("valid") {
            assert!(out.read_line(&mut first).expect("text") > 0, "{first}");
        }
        wait_for_work(child.id());
        let pid = nix::unistd::Pid::from_raw(child.id() as i32);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).expect("it can be interrupted");
        let mut rest = String::new();
        out.read_to_string(&mut rest).expect("text");
        let output = child.wait_with_output().expect("it ends");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{rest}{errors}");
        assert!(rest.contains("it was interrupted"), "{rest}{errors}");
        assert!(errors.contains("stopping: what is proven so far is said"), "{errors}");
        assert!(format!("{rest}{errors}").contains("was not checked: interrupted"), "{rest}{errors}");
        assert_eq!(format == "json", rest.lines().count() == 2, "{rest}");
    }
    std::fs::remove_dir_all(dir).expect("it was made");
}

#[test]
fn a_search_that_came_to_no_end_is_no_valid_history() {
    let dir = scratch("budget");
    let path = file(&dir, "endless.jsonl", endless().as_bytes());
    let output = check(&["-w", "multi-register", "--budget", "50ms"], &[path]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(text(&output).contains("the time budget was used up"), "{}", text(&output));
    std::fs::remove_dir_all(dir).expect("it was made");
}
