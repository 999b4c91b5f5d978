//! Plays golden scripts: text files that hold histories and, word for word, what is said of each.
//!
//! A script is made of comments (`#`) and of blocks, with empty lines between them. A block is a question, a history in
//! notation after `>`, and the answer:
//!
//! ```text
//! # A write that failed was read.
//! durability
//! > 1:ax1! 2:rx1
//! violated: 1 failed write read, first: #0 append x ← 1
//! ```
//! With `SPLITBRAIN_GOLDEN=write` in the environment the answers are written into the files instead of compared.
#![allow(dead_code, reason = "not every test file uses all of it")]

use std::fs;
use std::path::{Path, PathBuf};

use checkers::Anomaly;
use histories::{History, notation};

/// A script as it was played.
pub struct Played {
    /// The name of its file, without the ending.
    pub name: String,
    /// Its text, with the answers that were given now.
    pub text: String,
}

/// Plays all scripts of a folder of `tests`, by name, and gives them back.
///
/// # Panics
/// If an answer is not the one that the file holds.
pub fn play(folder: &str, answer: impl Fn(&str, &History) -> String) -> Vec<Played> {
    let write = std::env::var_os("SPLITBRAIN_GOLDEN").is_some_and(|v| v == "write");
    let (mut all, mut wrong) = (Vec::new(), Vec::new());
    for file in files(folder) {
        let script = fs::read_to_string(&file).unwrap();
        let text = with_answers(&script, &answer);
        if write {
            fs::write(&file, &text).unwrap();
        } else if text != script {
            wrong.push(format!("{}\n--- written\n{script}\n--- played\n{text}", file.display()));
        }
        all.push(Played { name: file.file_stem().unwrap().to_string_lossy().into_owned(), text });
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    all
}

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let files = fs::read_dir(&folder).expect("the scripts are there");
    let mut files: Vec<PathBuf> = files.map(|f| f.unwrap().path()).collect();
    files.sort();
    files
}

/// The script with the answers that are given now in the place of those that it holds.
fn with_answers(script: &str, answer: impl Fn(&str, &History) -> String) -> String {
    let mut played = String::new();
    let mut question = None;
    let mut history = String::new();
    for line in script.lines().chain([""]) {
        if line.starts_with('#') {
            played += &format!("{line}\n");
        } else if let Some(part) = line.strip_prefix("> ") {
            history += &format!("{part} ");
            played += &format!("{line}\n");
        } else if line.is_empty() {
            if let Some(question) = question.take() {
                played += &answer(question, &notation::history(&std::mem::take(&mut history)));
            }
            played += "\n";
        } else if question.is_none() {
            question = Some(line);
            played += &format!("{line}\n");
        }
    }
    format!("{}\n", played.trim_end())
}

/// An anomaly as the answers show it: its operations, its explanation, and the relations that prove it.
pub fn evidence(anomaly: &Anomaly) -> String {
    let mut said = format!("  {} {:?}\n  {}\n", anomaly.kind, anomaly.operations, anomaly.explanation);
    for relation in &anomaly.relations {
        said += &format!("    #{} {:?} #{}: {}\n", relation.from, relation.kind, relation.to, relation.reason);
    }
    said
}
