//! Golden scripts of transactional histories: each file in `golden_transactions/` is a claim about an anomaly, with a
//! minimal history that has it and near misses that do not, and what the analyzer says of each, word for word.
//!
//! A script is made of comments (`#`) and of blocks: a workload, a model and assumptions, a history in notation after
//! `>`, and what was found. With `SPLITBRAIN_GOLDEN=write` in the environment the answers are written into the files
//! instead of compared.

use std::fs;
use std::path::{Path, PathBuf};

use checkers::models::{AnomalyType, prohibited};
use checkers::transactions::{list_append, predicate, rw_register};
use checkers::{Assumptions, Budget, Found, Question};
use histories::{History, notation};

#[test]
fn scripts() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden_transactions");
    let mut files: Vec<PathBuf> =
        fs::read_dir(&dir).expect("the scripts are there").map(|f| f.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 20, "one script for each anomaly");
    let mut wrong = Vec::new();
    for file in files {
        let script = fs::read_to_string(&file).unwrap();
        let played = play(&script);
        if std::env::var_os("SPLITBRAIN_GOLDEN").is_some_and(|v| v == "write") {
            fs::write(&file, &played).unwrap();
        } else if played != script {
            wrong.push(format!("{}\n--- written\n{script}\n--- played\n{played}", file.display()));
        }
        claim(&file, &played);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The anomaly that a file is named for is found in its first history, and not in all.
fn claim(file: &Path, played: &str) {
    let name = file.file_stem().unwrap().to_string_lossy().into_owned();
    if let Ok(kind) = name.parse::<AnomalyType>() {
        let found = |block: &str| block.contains(&format!("\n  {kind} ["));
        let blocks: Vec<&str> = played.split("\n\n").collect();
        assert!(found(blocks[0]), "{name}: the first history has it");
        assert!(!blocks.iter().all(|b| found(b)), "{name}: there is a near miss");
    }
}

/// The script with what the analyzers say.
fn play(script: &str) -> String {
    let mut played = String::new();
    let mut asked = None;
    let mut history = String::new();
    for line in script.lines().chain([""]) {
        if line.starts_with('#') {
            played += &format!("{line}\n");
        } else if let Some(part) = line.strip_prefix("> ") {
            history += &format!("{part} ");
            played += &format!("{line}\n");
        } else if line.is_empty() {
            if let Some(asked) = asked.take() {
                played += &answer(asked, &notation::history(&std::mem::take(&mut history)));
            }
            played += "\n";
        } else if asked.is_none() {
            asked = Some(line);
            played += &format!("{line}\n");
        }
    }
    format!("{}\n", played.trim_end())
}

fn answer(asked: &str, history: &History) -> String {
    let mut words = asked.split_whitespace();
    let (workload, model) = (words.next().expect("a workload"), words.next().expect("a model"));
    let assume = words.fold(Assumptions::default(), |assume, word| match word {
        "sequential-keys" => Assumptions { sequential_keys: true, ..assume },
        "linearizable-keys" => Assumptions { linearizable_keys: true, ..assume },
        initial => Assumptions { initial: Some(initial.parse::<i64>().expect("an assumption").into()), ..assume },
    });
    let models = vec![model.parse().expect("a model")];
    let question = Question { models, anomalies: Vec::new(), assume };
    let check = match workload {
        "list-append" => list_append::check,
        "rw-register" => rw_register::check,
        "predicate" => predicate::check,
        other => panic!("no workload {other}"),
    };
    say(&check(history, &question, &Budget::default()), &question)
}

fn say(found: &Found, question: &Question) -> String {
    let bad = prohibited(&question.models, &[]);
    let valid = !found.groups.keys().any(|kind| bad.contains(kind));
    let mut said = match (valid, found.doubts.is_empty()) {
        (false, _) => "invalid\n".to_owned(),
        (true, true) => "valid\n".to_owned(),
        (true, false) => "unknown\n".to_owned(),
    };
    for group in found.groups.values() {
        for anomaly in &group.cases {
            said += &format!("  {} {:?}\n  {}\n", anomaly.kind, anomaly.operations, anomaly.explanation);
            for relation in &anomaly.relations {
                said += &format!("    #{} {:?} #{}: {}\n", relation.from, relation.kind, relation.to, relation.reason);
            }
        }
    }
    found.doubts.iter().for_each(|doubt| said += &format!("  doubt: {doubt}\n"));
    said
}
