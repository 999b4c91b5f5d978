//! The epoch and the vote: one JSON line and its checksum, replaced whole.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::DiskError;
use crate::parts::atomic;

const NAME: &str = "ballot";

#[derive(Serialize, Deserialize)]
struct Ballot {
    format: u32,
    node: String,
    epoch: u64,
    voted_for: Option<String>,
}

pub(super) fn write(
    dir: &Path,
    names: &[String],
    me: usize,
    epoch: u64,
    voted_for: Option<usize>,
) -> Result<(), DiskError> {
    let voted_for = voted_for.map(|peer| names[peer].clone());
    let ballot = Ballot { format: 1, node: names[me].clone(), epoch, voted_for };
    let line = serde_json::to_string(&ballot).expect("a ballot has a JSON form");
    let content = format!("{line}\n{:08x}\n", crc32fast::hash(line.as_bytes()));
    atomic::replace(dir, NAME, content.as_bytes()).map_err(DiskError::io("write", &dir.join(NAME)))
}

/// The epoch and the vote; epoch 0 when nothing was written yet.
pub(super) fn read(dir: &Path, names: &[String], me: usize) -> Result<(u64, Option<usize>), DiskError> {
    let path = dir.join(NAME);
    let Some(content) = atomic::read(&path).map_err(DiskError::io("read", &path))? else { return Ok((0, None)) };
    let ballot = parse(&content).ok_or_else(|| DiskError::damaged(&path, "the checksum is wrong"))?;
    if ballot.node != names[me] {
        return Err(DiskError::Foreign { path, found: ballot.node, expected: names[me].clone() });
    }
    let voted_for = match ballot.voted_for {
        None => None,
        Some(name) => match names.iter().position(|n| *n == name) {
            Some(peer) => Some(peer),
            None => return Err(DiskError::damaged(&path, format!("there is no node {name} to have voted for"))),
        },
    };
    Ok((ballot.epoch, voted_for))
}

fn parse(content: &[u8]) -> Option<Ballot> {
    let (line, crc) = std::str::from_utf8(content).ok()?.strip_suffix('\n')?.split_once('\n')?;
    let right = u32::from_str_radix(crc, 16).ok()? == crc32fast::hash(line.as_bytes());
    serde_json::from_str(line).ok().filter(|_| right)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_dir::TestDir;

    #[test]
    fn a_vote_is_remembered_and_damage_is_refused() {
        let dir = TestDir::new("ballot");
        let names = ["n1".to_owned(), "n2".to_owned()];
        assert_eq!(read(dir.path(), &names, 0).expect("reads"), (0, None));
        write(dir.path(), &names, 0, 7, Some(1)).expect("writes");
        assert_eq!(read(dir.path(), &names, 0).expect("reads"), (7, Some(1)));
        assert!(matches!(read(dir.path(), &names, 1), Err(DiskError::Foreign { .. })));
        let path = dir.path().join(NAME);
        let content = std::fs::read(&path).expect("reads");
        for cut in 0..content.len() - 1 {
            std::fs::write(&path, &content[..cut]).expect("writes");
            assert!(matches!(read(dir.path(), &names, 0), Err(DiskError::Damaged { .. })), "cut at {cut}");
        }
    }
}
