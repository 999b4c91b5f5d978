//! Histories that other tools have recorded.

use std::path::Path;

use histories::History;

/// A history of the folder `corpus/elle-cli`.
pub fn recorded(name: &str) -> History {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/elle-cli").join(name);
    let loaded = histories::file::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    assert!(loaded.damage.is_none(), "{name}: {:?}", loaded.damage);
    loaded.history
}
