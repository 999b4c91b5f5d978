//! The evidence of anomalies as files: a picture, a graph, and the smallest history that shows each.
//!
//! ```text
//! DIR/01-G-single-item.svg     who did what when, and why one comes before another
//! DIR/01-G-single-item.dot     the same for Graphviz
//! DIR/01-G-single-item.jsonl   a history of the fewest operations that still show it; `splitbrain check` reads it
//! DIR/01-G-single-item.txt     the argument in words
//! ```

use std::fs;
use std::path::Path;

use checkers::{Anomaly, Drawn, Minimal};
use histories::file::HistoryWriter;
use histories::{EventIndex, History, Kind, notation};
use serde_json::json;

use crate::failure::{Failure, HARNESS};
use crate::render::timeline::short;

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
        None => text.push_str("\nno smaller history shows it\n"),
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
