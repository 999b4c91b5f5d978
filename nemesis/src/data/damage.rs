//! Damage to files of any kind: which pieces, by the seed, and what becomes of them.
//!
//! Pieces are drawn one after the other: first a file, in proportion to its size, then a place in it. So a large file
//! suffers more often than a small one, as it would.

use std::collections::BTreeSet;
use std::fmt;
use std::io;

use rand::Rng;
use serde::{Deserialize, Serialize};

use super::Harm;
use crate::seed::{Seed, scaled};

/// What damages files, and which.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileDamage {
    /// In which way.
    pub kind: DamageKind,
    /// Only files whose paths below the data directory match; see [`DiskFault::path`](crate::disk::DiskFault::path).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// How many pieces of damage.
    pub count: u64,
    /// Seed of the draws.
    pub seed: u64,
}

/// One piece of damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DamageKind {
    /// One bit is inverted.
    FlipBits,
    /// Up to 4096 bytes are missing at the end.
    Truncate,
    /// 512 bytes hold what belongs to another place of the same file. A file with fewer than two chunks is left alone.
    CopyChunks,
}

/// The most that one piece of damage cuts off.
pub const CUT_BYTES: u64 = 4096;
/// What a disk writes at once.
pub const CHUNK_BYTES: u64 = 512;

/// The files of a node, as damage sees them.
pub(super) trait Files {
    /// Path below the data directory and size of each that matches, in the order of the paths.
    fn list(&self, pattern: &str) -> io::Result<Vec<(String, u64)>>;
    fn read(&mut self, path: &str, offset: u64, len: usize) -> io::Result<Vec<u8>>;
    fn write(&mut self, path: &str, offset: u64, data: &[u8]) -> io::Result<()>;
    fn truncate(&mut self, path: &str, size: u64) -> io::Result<()>;
}

/// Does it.
pub(super) fn damage(files: &mut impl Files, damage: &FileDamage) -> io::Result<Harm> {
    let mut rng = Seed(damage.seed).stream("file damage");
    let mut harm = Harm::default();
    let mut hit = BTreeSet::new();
    for _ in 0..damage.count {
        let mut candidates = files.list(damage.path.as_deref().unwrap_or(""))?;
        candidates.retain(|(_, size)| *size >= damage.kind.least_bytes());
        let draw = [rng.next_u64(), rng.next_u64(), rng.next_u64()];
        let Some((path, size)) = pick(&candidates, draw[0]) else { break };
        let (bytes, what) = damage.kind.strike(files, path, size, draw)?;
        harm.bytes += bytes;
        if bytes > 0 {
            hit.insert(path.to_owned());
            harm.note(|| format!("{path}: {what}"));
        }
    }
    harm.files = hit.len() as u64;
    Ok(harm)
}

/// A file by the toss of its bytes.
fn pick(files: &[(String, u64)], draw: u64) -> Option<(&str, u64)> {
    let total = files.iter().map(|(_, size)| size).sum();
    let mut byte = scaled(draw, total);
    files.iter().find_map(|(path, size)| {
        let here = byte < *size;
        byte = byte.saturating_sub(*size);
        here.then_some((path.as_str(), *size))
    })
}

impl DamageKind {
    /// All of them.
    pub const ALL: [DamageKind; 3] = [DamageKind::FlipBits, DamageKind::Truncate, DamageKind::CopyChunks];

    /// As it is written in a schedule.
    pub fn name(self) -> &'static str {
        match self {
            DamageKind::FlipBits => "flip-bits",
            DamageKind::Truncate => "truncate",
            DamageKind::CopyChunks => "copy-chunks",
        }
    }

    fn least_bytes(self) -> u64 {
        if self == DamageKind::CopyChunks { 2 * CHUNK_BYTES } else { 1 }
    }

    /// One piece of damage to one file: how many bytes changed, and which.
    fn strike(self, files: &mut impl Files, path: &str, size: u64, draw: [u64; 3]) -> io::Result<(u64, String)> {
        let [_, place, choice] = draw;
        match self {
            DamageKind::FlipBits => {
                let (at, bit) = (scaled(place, size), choice % 8);
                let mut byte = files.read(path, at, 1)?;
                byte.iter_mut().for_each(|byte| *byte ^= 1 << bit);
                files.write(path, at, &byte)?;
                Ok((byte.len() as u64, format!("bit {bit} of byte {at}")))
            }
            DamageKind::Truncate => {
                let cut = 1 + scaled(place, size.min(CUT_BYTES));
                files.truncate(path, size - cut)?;
                Ok((cut, format!("the last {cut} bytes")))
            }
            DamageKind::CopyChunks => {
                let count = size / CHUNK_BYTES;
                let to = scaled(place, count);
                let from = (to + 1 + scaled(choice, count - 1)) % count;
                let (old, new) =
                    (files.read(path, to * CHUNK_BYTES, CHUNK)?, files.read(path, from * CHUNK_BYTES, CHUNK)?);
                files.write(path, to * CHUNK_BYTES, &new)?;
                let changed = old.iter().zip(&new).filter(|(old, new)| old != new).count() as u64;
                Ok((changed, format!("{CHUNK_BYTES} bytes at {} as at {}", to * CHUNK_BYTES, from * CHUNK_BYTES)))
            }
        }
    }
}

const CHUNK: usize = CHUNK_BYTES as usize;

/// For people: `3 flip-bits, at wal*`.
impl fmt::Display for FileDamage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.count, self.kind.name())?;
        self.path.as_ref().map_or(Ok(()), |path| write!(f, ", at {path}"))
    }
}
