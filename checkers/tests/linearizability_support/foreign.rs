//! The histories of Porcupine and Knossos, read as those of any other tool are.

use std::path::{Path, PathBuf};

use histories::History;
use histories::file::{InputFormat, Limits, read_as};

/// The files in one folder of the corpus, by name.
pub fn corpus(below: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(below);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<PathBuf> = files.map(|f| f.expect("a file of the corpus").path()).collect();
    files.sort();
    files
}

/// A whole file in this format: undamaged, and not by accident empty.
pub fn recorded(path: &Path, format: InputFormat) -> History {
    let loaded = read_as(path, format, Limits::default()).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    assert_eq!(loaded.damage, None, "{}", path.display());
    assert!(!loaded.history.is_empty(), "{}", path.display());
    loaded.history
}
