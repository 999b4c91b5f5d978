//! Golden scripts: each file in `golden/` is a claim about an anomaly, with a minimal history that has it and near
//! misses that do not, and what the checker says of each, word for word.
//!
//! A script is made of comments (`#`) and of blocks: the name of a guarantee, a history in notation after `>`, and the
//! verdict. With `SPLITBRAIN_GOLDEN=write` in the environment the verdicts are written into the files instead of compared.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use checkers::Observed;
use histories::{Guarantee, notation};
use support::fold;

#[test]
fn scripts() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut files: Vec<PathBuf> =
        fs::read_dir(&dir).expect("the scripts are there").map(|f| f.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= Guarantee::FOLDS.len(), "one script for each anomaly");
    let mut wrong = Vec::new();
    for file in files {
        let script = fs::read_to_string(&file).unwrap();
        let played = play(&script);
        if std::env::var_os("SPLITBRAIN_GOLDEN").is_some_and(|v| v == "write") {
            fs::write(&file, &played).unwrap();
        } else if played != script {
            wrong.push(format!("{}\n--- written\n{script}\n--- played\n{played}", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The script with the verdicts that the checkers give.
fn play(script: &str) -> String {
    let mut played = String::new();
    let mut guarantee = None;
    let mut history = String::new();
    for line in script.lines().chain([""]) {
        if line.starts_with('#') {
            played += &format!("{line}\n");
        } else if let Some(part) = line.strip_prefix("> ") {
            history += &format!("{part} ");
            played += &format!("{line}\n");
        } else if line.is_empty() {
            if let Some(guarantee) = guarantee.take() {
                played += &verdict(guarantee, &std::mem::take(&mut history));
            }
            played += "\n";
        } else if guarantee.is_none() {
            guarantee = Some(line.parse::<Guarantee>().unwrap_or_else(|e| panic!("{e}: {line}")));
            played += &format!("{line}\n");
        }
    }
    format!("{}\n", played.trim_end())
}

fn verdict(guarantee: Guarantee, text: &str) -> String {
    let finding = fold(&notation::history(text), guarantee);
    let observed = match finding.observed {
        Observed::Held => "held",
        Observed::Violated => "violated",
        Observed::Unknown => "unknown",
        Observed::NotApplicable => "not applicable",
    };
    let mut said = format!("{observed}: {}\n", finding.summary);
    for anomaly in &finding.anomalies {
        said += &format!("  {} {:?}\n  {}\n", anomaly.kind, anomaly.operations, anomaly.explanation);
        for relation in &anomaly.relations {
            said += &format!("    #{} {:?} #{}: {}\n", relation.from, relation.kind, relation.to, relation.reason);
        }
    }
    said
}
