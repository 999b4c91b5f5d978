//! Files of a node that is down can be damaged without any file system of one's own.

use std::fs;
use std::path::PathBuf;

use nemesis::disk::offline::{copy_chunks, files, flip_bits, save, truncate};

/// A directory of one test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let path = std::env::temp_dir().join(format!("splitbrain-offline-{name}-{}", std::process::id()));
        fs::create_dir_all(path.join("wal")).unwrap();
        Scratch(path)
    }

    /// Ten chunks of ten bytes: `0000000000111…`.
    fn chunks(&self) -> PathBuf {
        let path = self.0.join("wal/log");
        fs::write(&path, ('0'..='9').map(|c| c.to_string().repeat(10)).collect::<String>()).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn files_are_found_by_their_paths() {
    let dir = Scratch::new("found");
    let log = dir.chunks();
    fs::write(dir.0.join("data"), "").unwrap();
    assert_eq!(files(&dir.0, "wal/*").unwrap(), std::slice::from_ref(&log));
    assert_eq!(files(&dir.0, "").unwrap(), [dir.0.join("data"), log]);
}

#[test]
fn bits_flip_where_it_says_and_nowhere_else() {
    let dir = Scratch::new("flip");
    let path = dir.chunks();
    let before = fs::read(&path).unwrap();
    let damage = flip_bits(&path, 3, 7).unwrap();
    let after = fs::read(&path).unwrap();
    let differ: Vec<u64> = (0..100).filter(|at| before[*at as usize] != after[*at as usize]).collect();
    let mut said: Vec<u64> = damage.iter().map(|damage| damage.offset).collect();
    said.sort_unstable();
    assert_eq!((differ, damage.len()), (said, 3));
    // The same seed inverts the same bits, which puts them back.
    assert_eq!(flip_bits(&path, 3, 7).unwrap(), damage);
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_truncated_file_is_a_beginning_of_itself() {
    let dir = Scratch::new("truncate");
    let path = dir.chunks();
    let before = fs::read(&path).unwrap();
    let damage = truncate(&path, 30, 3).unwrap();
    let after = fs::read(&path).unwrap();
    assert!((1..=30).contains(&damage.len) && damage.offset + damage.len == 100);
    assert_eq!(after, before[..damage.offset as usize]);
    fs::write(&path, "").unwrap();
    assert_eq!((truncate(&path, 30, 3).unwrap().len, flip_bits(&path, 3, 3).unwrap().len()), (0, 0));
}

#[test]
fn chunks_are_copied_over_others() {
    let dir = Scratch::new("copy");
    let path = dir.chunks();
    let damage = copy_chunks(&path, 10, 0.5, 2).unwrap();
    assert!(!damage.is_empty() && damage.len() < 10, "{damage:?}");
    let after = fs::read(&path).unwrap();
    for (at, chunk) in after.chunks(10).enumerate() {
        let damaged = damage.iter().any(|damage| damage.offset == at as u64 * 10);
        assert!(chunk.iter().all(|byte| *byte == chunk[0]));
        assert_eq!(chunk[0] != b'0' + at as u8, damaged, "chunk {at}");
    }
}

#[test]
fn files_can_be_put_back_whole_or_in_part() {
    let dir = Scratch::new("save");
    let path = dir.chunks();
    let saved = save(&dir.0, "wal").unwrap();
    let old = fs::read(&path).unwrap();
    fs::write(&path, vec![b'n'; 120]).unwrap();
    let damage = saved.put_back_chunks(10, 0.5, 1).unwrap();
    assert!(!damage.is_empty() && damage.len() < 10, "{damage:?}");
    let mixed = fs::read(&path).unwrap();
    let olds = mixed.chunks(10).filter(|chunk| chunk[0] != b'n').count();
    assert_eq!((olds, mixed.len()), (damage.len(), 120));
    fs::remove_dir_all(dir.0.join("wal")).unwrap();
    saved.put_back().unwrap();
    assert_eq!((fs::read(&path).unwrap(), saved.file_count()), (old, 1));
}
