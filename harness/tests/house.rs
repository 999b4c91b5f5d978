//! The arrows between the rooms, and no others: harness → everything; checkers, nemesis and systems-under-test →
//! histories.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const ROOMS: [(&str, &[&str]); 5] = [
    ("histories", &[]),
    ("checkers", &["histories"]),
    // It may know histories, and does not need to.
    ("nemesis", &["histories"]),
    ("systems-under-test", &["histories"]),
    ("harness", &["histories", "checkers", "nemesis", "systems-under-test"]),
];

fn manifest(room: &str) -> toml::Table {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(room).join("Cargo.toml");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    text.parse().unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Every dependency of every kind, for every target.
fn dependencies(table: &toml::Table, kinds: &[&str]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (name, value) in table {
        let Some(inner) = value.as_table() else { continue };
        if kinds.contains(&name.as_str()) {
            found.extend(inner.keys().cloned());
        } else if name == "target" {
            found.extend(inner.values().filter_map(|t| t.as_table()).flat_map(|t| dependencies(t, kinds)));
        }
    }
    found
}

#[test]
fn rooms_know_only_whom_they_may_know() {
    let allowed: BTreeMap<&str, BTreeSet<String>> =
        ROOMS.iter().map(|(room, may)| (*room, may.iter().map(|m| format!("splitbrain-{m}")).collect())).collect();
    for (room, may) in &allowed {
        let all = dependencies(&manifest(room), &["dependencies", "dev-dependencies", "build-dependencies"]);
        let known: BTreeSet<String> = all.into_iter().filter(|d| d.starts_with("splitbrain-")).collect();
        assert!(known.is_subset(may), "{room} knows {known:?}, and may know {may:?}");
    }
}

#[test]
fn checkers_are_pure() {
    let impure = ["tokio", "rand", "nix", "libc", "tracing", "indicatif", "clap"];
    for room in ["checkers", "histories"] {
        let known = dependencies(&manifest(room), &["dependencies"]);
        let found: Vec<_> = impure.iter().filter(|i| known.contains(**i)).collect();
        assert!(found.is_empty(), "{room} knows {found:?}");
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../checkers/src");
    for file in files(&source) {
        let text = std::fs::read_to_string(&file).expect("a source file can be read");
        // Threads that are joined before the answer (`std::thread::scope`) are no impurity; a thread left behind is.
        for word in ["std::time", "std::fs", "std::net", "thread::spawn", "thread::sleep", "std::process", "std::env"] {
            assert!(!text.contains(word), "{} uses {word}", file.display());
        }
    }
}

fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).expect("the sources are there").flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(files(&entry.path())),
            _ => found.push(entry.path()),
        }
    }
    found
}
