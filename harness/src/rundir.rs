//! The run directory: everything about a run in one place that can be checked, inspected and mailed.
//!
//! `runs/<system>/<time>/{run.json, plan.json, history.jsonl, verdict.json, controller.log, ledger.jsonl,
//! nodes/n1/{stdout.log, stderr.log, data/}}`, with `runs/latest` pointing at the newest.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::clock::RunClock;
use crate::failure::{Failure, HARNESS, USAGE};

/// The newest version of any file of a run directory that this program knows. With 2 came the guarantee `liveness`, and nodes
/// by name where 1 had positions; both are read.
const NEWEST_FORMAT: u64 = 2;

/// The directory of one run.
#[derive(Clone, Debug)]
pub struct RunDir {
    /// As it was asked for, for messages.
    shown: PathBuf,
    /// Absolute, without symbolic links.
    path: PathBuf,
}

impl RunDir {
    /// Makes the directory of a new run below `runs`.
    pub fn create(runs: &Path, name: &str, clock: &RunClock) -> Result<Self, Failure> {
        let parent = runs.join(name);
        fs::create_dir_all(&parent).map_err(|e| {
            Failure::file(USAGE, "make the directory", &parent, &e)
                .help("choose a directory that you may write to with --runs DIR")
        })?;
        let base = clock.directory_name();
        for attempt in 0..1000 {
            let leaf = if attempt == 0 { base.clone() } else { format!("{base}-{attempt}") };
            let shown = parent.join(leaf);
            match fs::create_dir(&shown) {
                Ok(()) => {
                    let path = fs::canonicalize(&shown).map_err(|e| Failure::file(HARNESS, "resolve", &shown, &e))?;
                    point_latest_at(runs, &path);
                    return Ok(RunDir { shown, path });
                }
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => {
                    return Err(Failure::file(USAGE, "make the directory", &shown, &e)
                        .help("choose a directory that you may write to with --runs DIR"));
                }
            }
        }
        Err(Failure::harness(format!("{} holds a thousand runs of this millisecond", parent.display())))
    }

    /// An existing run directory.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let resolved = fs::canonicalize(path)
            .map_err(|e| Failure::file(USAGE, "open", path, &e).help("give a run directory, such as runs/latest"))?;
        if !resolved.join("run.json").is_file() {
            return Err(Failure::usage(format!("{} is not a run directory: it has no run.json", path.display()))
                .help("give a run directory, such as runs/latest; `splitbrain check` also takes history files"));
        }
        Ok(RunDir { shown: path.to_owned(), path: resolved })
    }

    /// As the user knows it.
    pub fn shown(&self) -> &Path {
        &self.shown
    }

    /// Absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file of the run.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The directory of a node.
    pub fn node(&self, name: &str) -> PathBuf {
        self.path.join("nodes").join(name)
    }

    /// The history, sealed or not.
    pub fn history(&self) -> PathBuf {
        let sealed = self.file("history.jsonl.gz");
        if sealed.exists() { sealed } else { self.file("history.jsonl") }
    }

    /// Writes a JSON file as a whole: readers see the old one or the new one.
    pub fn write_json<T: Serialize>(&self, name: &str, value: &T) -> Result<(), Failure> {
        let path = self.file(name);
        let mut text = serde_json::to_string_pretty(value)
            .map_err(|e| Failure::harness(format!("cannot put {name} into JSON")).because(&e))?;
        text.push('\n');
        let temporary = self.file(&format!(".{name}.new"));
        let written = fs::File::create(&temporary)
            .and_then(|mut f| f.write_all(text.as_bytes()))
            .and_then(|()| fs::rename(&temporary, &path));
        written.map_err(|e| {
            let _ = fs::remove_file(&temporary);
            Failure::file(HARNESS, "write", &path, &e)
        })
    }

    /// Reads a JSON file of the run.
    pub fn read_json<T: DeserializeOwned>(&self, name: &str) -> Result<T, Failure> {
        let path = self.file(name);
        let text = fs::read_to_string(&path).map_err(|e| Failure::file(USAGE, "read", &path, &e))?;
        let damaged = |e: serde_json::Error| {
            Failure::usage(format!("{} is damaged", path.display()))
                .because(&e)
                .help("the history can still be checked by itself: give its file instead of the directory")
        };
        let json: serde_json::Value = serde_json::from_str(&text).map_err(damaged)?;
        if json["format"].as_u64().is_some_and(|format| format > NEWEST_FORMAT) {
            return Err(Failure::usage(format!("{} was written by a newer version", path.display()))
                .help("use a newer splitbrain to read it"));
        }
        serde_json::from_value(json).map_err(damaged)
    }
}

/// Several runs may start at once; whoever is last wins, and nobody ever sees `latest` missing.
fn point_latest_at(runs: &Path, run: &Path) {
    let Ok(runs) = fs::canonicalize(runs) else { return };
    let target = run.strip_prefix(&runs).unwrap_or(run);
    let temporary = runs.join(format!(".latest.{}.{}", std::process::id(), target.to_string_lossy().replace('/', ".")));
    if std::os::unix::fs::symlink(target, &temporary).is_ok() && fs::rename(&temporary, runs.join("latest")).is_err() {
        let _ = fs::remove_file(&temporary);
    }
}
