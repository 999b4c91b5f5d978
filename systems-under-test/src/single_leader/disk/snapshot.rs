//! The state at a mark: a record that says which, then one record for each part. Replaced whole.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::DiskError;
use crate::parts::json::Raw;
use crate::parts::{atomic, record};
use crate::single_leader::replica::Snapshot;
use crate::single_leader::replica::log::Mark;

const NAME: &str = "snapshot";

#[derive(Serialize, Deserialize)]
struct Head {
    format: u32,
    mark: Mark,
    parts: usize,
}

pub(super) fn write(dir: &Path, snapshot: &Snapshot) -> Result<(), DiskError> {
    let mut content = Vec::new();
    let head = Head { format: 1, mark: snapshot.mark, parts: snapshot.parts.len() };
    record::put(&mut content, |bytes| serde_json::to_writer(bytes, &head).expect("a head has a JSON form"));
    for part in &snapshot.parts {
        record::put(&mut content, |bytes| bytes.extend_from_slice(part.get().as_bytes()));
    }
    atomic::replace(dir, NAME, &content).map_err(DiskError::io("write", &dir.join(NAME)))
}

/// The last snapshot; the empty state before the first.
pub(super) fn read(dir: &Path) -> Result<Snapshot, DiskError> {
    let path = dir.join(NAME);
    let Some(content) = atomic::read(&path).map_err(DiskError::io("read", &path))? else {
        return Ok(Snapshot::default());
    };
    parse(&content).ok_or_else(|| DiskError::damaged(&path, "a checksum is wrong"))
}

fn parse(mut content: &[u8]) -> Option<Snapshot> {
    let mut next = || {
        let payload = record::get(content)?;
        content = &content[record::HEADER_LEN + payload.len()..];
        Some(payload)
    };
    let head: Head = serde_json::from_slice(next()?).ok()?;
    let mut parts = Vec::new();
    for _ in 0..head.parts {
        parts.push(Raw::parse(String::from_utf8(next()?.to_vec()).ok()?).ok()?);
    }
    Some(Snapshot { mark: head.mark, parts })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_dir::TestDir;

    #[test]
    fn a_snapshot_is_read_back_whole_or_refused() {
        let dir = TestDir::new("snapshot");
        assert_eq!(read(dir.path()).expect("reads"), Snapshot::default());
        let mark = Mark { epoch: 3, position: 17 };
        let snapshot = Snapshot { mark, parts: vec![Raw::of("one"), Raw::of(&[2, 2])] };
        write(dir.path(), &snapshot).expect("writes");
        assert_eq!(read(dir.path()).expect("reads"), snapshot);
        let path = dir.path().join(NAME);
        let content = std::fs::read(&path).expect("reads");
        for cut in 0..content.len() {
            std::fs::write(&path, &content[..cut]).expect("writes");
            assert!(matches!(read(dir.path()), Err(DiskError::Damaged { .. })), "cut at {cut}");
        }
    }
}
