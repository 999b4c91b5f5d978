//! Damage to the files of a node that is down: what Jepsen's file nemesis does (jepsen/nemesis/file.clj). Needs nothing but
//! the files; works on any directory, with or without a simulated disk.
//!
//! A file is seen as chunks of a fixed size, of which some are chosen, by the seed. What is damaged is returned, so that a
//! report can say it. There is no undoing except [`Saved::put_back`], so save first.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::fault::matches;
use crate::seed::{Seed, below};

/// A change that was made to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Which file.
    pub path: PathBuf,
    /// From which byte on.
    pub offset: u64,
    /// How many bytes it affects.
    pub len: u64,
}

/// Files as they were.
#[derive(Clone, Debug)]
pub struct Saved {
    root: PathBuf,
    files: Vec<(PathBuf, Vec<u8>)>,
}

/// The files below a directory whose paths from there match (as in [`DiskFault::path`](super::DiskFault::path)), in order.
pub fn files(root: &Path, pattern: &str) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    collect(root, root, pattern, &mut found)?;
    found.sort();
    Ok(found)
}

fn collect(root: &Path, at: &Path, pattern: &str, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(at)? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        let below = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
        if kind.is_dir() {
            collect(root, &path, pattern, found)?;
        } else if kind.is_file() && matches(pattern, &below) {
            found.push(path);
        }
    }
    Ok(())
}

/// Inverts `count` bits, anywhere in the file, each in a byte of its own draw. An empty file is left alone.
pub fn flip_bits(path: &Path, count: usize, seed: u64) -> io::Result<Vec<Damage>> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let size = file.metadata()?.len();
    let mut rng = Seed(seed).stream("flip bits offline");
    let mut damage = Vec::new();
    for _ in 0..if size == 0 { 0 } else { count } {
        let (offset, bit) = (below(&mut rng, size), below(&mut rng, 8));
        let mut byte = [0];
        file.read_exact_at(&mut byte, offset)?;
        byte[0] ^= 1 << bit;
        file.write_all_at(&byte, offset)?;
        damage.push(Damage { path: path.to_owned(), offset, len: 1 });
    }
    Ok(damage)
}

/// Cuts up to `max_bytes` off the end, at least one if there is one. Returns what is gone.
pub fn truncate(path: &Path, max_bytes: u64, seed: u64) -> io::Result<Damage> {
    let file = OpenOptions::new().write(true).open(path)?;
    let size = file.metadata()?.len();
    let most = max_bytes.min(size);
    let len = if most == 0 { 0 } else { 1 + below(&mut Seed(seed).stream("truncate offline"), most) };
    file.set_len(size - len)?;
    Ok(Damage { path: path.to_owned(), offset: size - len, len })
}

/// Overwrites chunks with the contents of others of the same file: each with this probability. A file of one chunk is left
/// alone.
pub fn copy_chunks(path: &Path, chunk_bytes: u64, probability: f64, seed: u64) -> io::Result<Vec<Damage>> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let chunk_bytes = chunk_bytes.max(1);
    let size = file.metadata()?.len();
    let count = size / chunk_bytes;
    let mut rng = Seed(seed).stream("copy chunks offline");
    let mut damage = Vec::new();
    for chunk in 0..if count < 2 { 0 } else { count } {
        let (hit, choice) = (below(&mut rng, 1 << 53), below(&mut rng, count - 1));
        if (hit as f64) < probability * (1u64 << 53) as f64 {
            let source = (chunk + 1 + choice) % count;
            if copy(&file, source * chunk_bytes, chunk * chunk_bytes, chunk_bytes)? {
                damage.push(Damage { path: path.to_owned(), offset: chunk * chunk_bytes, len: chunk_bytes });
            }
        }
    }
    Ok(damage)
}

/// Returns whether that changed anything.
fn copy(file: &File, from: u64, to: u64, len: u64) -> io::Result<bool> {
    let (mut data, mut old) = (vec![0; len as usize], vec![0; len as usize]);
    file.read_exact_at(&mut data, from)?;
    file.read_exact_at(&mut old, to)?;
    file.write_all_at(&data, to)?;
    Ok(data != old)
}

/// Remembers the files that match.
pub fn save(root: &Path, pattern: &str) -> io::Result<Saved> {
    let read = |path: PathBuf| fs::read(&path).map(|data| (path, data));
    let files = files(root, pattern)?.into_iter().map(read).collect::<io::Result<_>>()?;
    Ok(Saved { root: root.to_owned(), files })
}

impl Saved {
    /// How many files.
    pub fn file_count(&self) -> usize {
        self.files.len()
    }

    /// Makes the files what they were. Files that came later stay.
    pub fn put_back(&self) -> io::Result<()> {
        for (path, data) in &self.files {
            if let Some(directory) = path.parent() {
                fs::create_dir_all(directory)?;
            }
            fs::write(path, data)?;
        }
        Ok(())
    }

    /// Makes chunks of the files what they were, each with this probability, and leaves the others: a disk that lost
    /// writes. Files that are gone stay so.
    pub fn put_back_chunks(&self, chunk_bytes: u64, probability: f64, seed: u64) -> io::Result<Vec<Damage>> {
        let mut rng = Seed(seed).stream("restore chunks offline");
        let mut damage = Vec::new();
        for (path, data) in self.files.iter().filter(|(path, _)| path.exists()) {
            let file = OpenOptions::new().write(true).open(path)?;
            let size = file.metadata()?.len().min(data.len() as u64);
            for (chunk, old) in data[..size as usize].chunks(chunk_bytes.max(1) as usize).enumerate() {
                if (below(&mut rng, 1 << 53) as f64) < probability * (1u64 << 53) as f64 {
                    let offset = chunk as u64 * chunk_bytes.max(1);
                    file.write_all_at(old, offset)?;
                    damage.push(Damage { path: path.clone(), offset, len: old.len() as u64 });
                }
            }
        }
        Ok(damage)
    }

    /// The directory that was saved.
    pub fn root(&self) -> &Path {
        &self.root
    }
}
