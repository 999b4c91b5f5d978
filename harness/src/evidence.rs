//! The evidence of anomalies as files: a picture, a graph, and the smallest history that shows each.
//!
//! ```text
//! DIR/01-G-single-item.svg     who did what when, and why one comes before another
//! DIR/01-G-single-item.dot     the same for Graphviz
//! DIR/01-G-single-item.jsonl   a history of the fewest operations that still show it; `splitbrain check` reads it
//! DIR/01-G-single-item.txt     the argument in words
//! ```
//!
//! Where several histories are checked each has a directory of its own below it, numbered as they were named:
//! `DIR/02-history.edn/01-G0.svg`. A directory that holds evidence already is refused before anything is checked: the files
//! of two histories side by side would be told apart by nobody, and those of the first are not ours to remove.

use std::cell::LazyCell;
use std::fs;
use std::path::{Path, PathBuf};

use checkers::{Anomaly, Budget, CheckConfig, Drawn, Minimal, Shrinker, whole};
use histories::file::HistoryWriter;
use histories::{EventIndex, Guarantee, History, Kind, notation};
use serde_json::json;

use crate::analyses;
use crate::failure::{Failure, HARNESS, USAGE};
use crate::render::timeline::short;
use crate::verdict::Row;

/// A directory that holds no evidence yet.
#[derive(Clone, Debug)]
pub struct Place {
    dir: PathBuf,
    /// Whether each history has a directory of its own below it.
    several: bool,
}

impl Place {
    /// Makes the directory, for the evidence of so many histories.
    ///
    /// # Errors
    /// When it holds evidence already, or cannot be made.
    pub fn claim(dir: &Path, history_count: usize) -> Result<Place, Failure> {
        let remedy = |failure: Failure| failure.help("name a directory that you may write to: --evidence DIR");
        fs::create_dir_all(dir).map_err(|e| remedy(Failure::file(USAGE, "make the directory", dir, &e)))?;
        let entries = fs::read_dir(dir).map_err(|e| remedy(Failure::file(USAGE, "read the directory", dir, &e)))?;
        let mut used: Vec<String> = entries
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| is_numbered(name))
            .collect();
        used.sort();
        match used.first() {
            None => Ok(Place { dir: dir.to_owned(), several: history_count > 1 }),
            Some(first) => Err(Failure::usage(format!("{} holds evidence already, such as {first}", dir.display()))
                .help("name a new directory, or remove that one")),
        }
    }

    /// The directory of one history, by its place among those that are checked.
    pub fn of(&self, place: usize, history: &Path) -> PathBuf {
        if !self.several {
            return self.dir.clone();
        }
        let name = match history.file_name() {
            Some(name) if history != Path::new("-") => name.to_string_lossy().into_owned(),
            _ => "standard-input".to_owned(),
        };
        let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
        self.dir.join(format!("{:02}-{}", place + 1, name.chars().map(plain).collect::<String>()))
    }
}

/// `01-…`: what [`write`] and [`Place::of`] make.
fn is_numbered(name: &str) -> bool {
    let digits = name.bytes().take_while(u8::is_ascii_digit).count();
    digits >= 2 && name[digits..].starts_with('-')
}

/// Writes the evidence of what guarantees were violated, `most` pieces of each. Returns how many.
pub fn write_rows<'a>(
    dir: &Path,
    history: &History,
    rows: impl Iterator<Item = (Guarantee, &'a Row)>,
    most: usize,
) -> Result<usize, Failure> {
    let shrinker = LazyCell::new(|| Shrinker::new(history));
    let mut written = 0;
    for (guarantee, row) in rows {
        let smallest = |case: &Anomaly| shrinker.minimal(case, |part| shows(guarantee, &case.kind, part));
        written = write(dir, written, history, row.anomalies.iter().take(most), &smallest)?;
    }
    Ok(written)
}

/// Whether a part of the history violates a guarantee in this way too.
fn shows(guarantee: Guarantee, kind: &str, part: &History) -> bool {
    let findings = if Guarantee::FOLDS.contains(&guarantee) {
        checkers::run(part, vec![checkers::checker(guarantee, &CheckConfig::default())])
    } else {
        let budget = Budget { steps: analyses::STEPS / 1000, ..Budget::default() };
        whole::whole(part, &[guarantee], &budget).findings
    };
    findings.iter().flat_map(|f| &f.anomalies).any(|a| a.kind == kind)
}

/// Finds the fewest operations that still show an anomaly.
pub type Smallest<'a> = dyn Fn(&Anomaly) -> Option<Minimal> + 'a;

/// Writes the evidence of these anomalies into a directory, which is made. The files are numbered from `before` + 1 on; returns the last number.
pub fn write<'a>(
    dir: &Path,
    before: usize,
    history: &History,
    anomalies: impl Iterator<Item = &'a Anomaly>,
    smallest: &Smallest<'_>,
) -> Result<usize, Failure> {
    fs::create_dir_all(dir).map_err(|e| Failure::file(HARNESS, "make the directory", dir, &e))?;
    let mut count = before;
    for anomaly in anomalies {
        count += 1;
        one(dir, count, history, anomaly, smallest)?;
    }
    Ok(count)
}

fn one(
    dir: &Path,
    number: usize,
    history: &History,
    anomaly: &Anomaly,
    smallest: &Smallest<'_>,
) -> Result<(), Failure> {
    let name = format!("{number:02}-{}", file_name(&anomaly.kind));
    let write = |suffix: &str, text: String| {
        let path = dir.join(format!("{name}.{suffix}"));
        fs::write(&path, text).map_err(|e| Failure::file(HARNESS, "write", &path, &e))
    };
    write("svg", checkers::svg(anomaly, |op| drawn(history, op)))?;
    write("dot", dot(history, anomaly))?;
    let mut text = format!("{}\n\n{}\n\n", anomaly.kind, anomaly.explanation);
    for relation in &anomaly.relations {
        let kind = checkers::relation_name(relation.kind);
        text.push_str(&format!("#{} -> #{} {kind}: {}\n", relation.from, relation.to, relation.reason));
    }
    match smallest(anomaly) {
        Some(found) => {
            let path = dir.join(format!("{name}.jsonl"));
            write_minimal(&path, &found).map_err(|e| Failure::file(HARNESS, "write", &path, &e))?;
            text.push_str(&format!("\nthe fewest operations that still show it:\n{}\n", in_notation(&found.history)));
        }
        None => text.push_str("\nno smaller history that shows it was found\n"),
    }
    write("txt", text)
}

/// The operations and relations as a graph, for Graphviz.
pub fn dot(history: &History, anomaly: &Anomaly) -> String {
    checkers::dot(anomaly, |op| format!("#{op} {}", drawn(history, op).label))
}

fn write_minimal(path: &Path, found: &Minimal) -> std::io::Result<()> {
    let places: Vec<u32> = found.places.iter().map(|e| e.0).collect();
    let mut about = serde_json::Map::new();
    about.insert("events_of_the_whole".into(), json!(places));
    let mut writer = HistoryWriter::create(path, &about)?;
    for event in found.history.events() {
        writer.append(&found.history.event(event))?;
    }
    writer.close().map(|_| ())
}

/// A history on one line.
pub fn in_notation(history: &History) -> String {
    notation::print(&history.events().map(|e| history.event(e)).collect::<Vec<_>>())
}

/// How an operation is drawn: in its process's lane, with what it did.
pub fn drawn(history: &History, operation: u32) -> Drawn {
    let index = EventIndex(operation);
    if operation as usize >= history.len() {
        return Drawn { lane: String::new(), from: operation, to: None, label: String::new() };
    }
    let completion = history.pair_of(index).filter(|c| *c > index);
    let told = completion.filter(|c| history.kind(*c) == Kind::Ok).unwrap_or(index);
    let process = history.process(index);
    let lane = if process.is_nemesis() { "nemesis".to_owned() } else { format!("process {process}") };
    Drawn {
        lane,
        from: operation,
        to: completion.filter(|c| history.kind(*c) != Kind::Info).map(|c| c.0),
        label: short(&history.operation(told).to_string()),
    }
}

/// A kind as a part of a file name, whatever it holds.
fn file_name(kind: &str) -> String {
    kind.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect()
}
