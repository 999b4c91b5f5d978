//! What a node has kept: emptied, set back to an earlier moment, or damaged, while the node is down.
//!
//! A node's data is a directory of this machine, or a [simulated disk](crate::disk) in the controller's memory that only the
//! node sees at that place. What is done here is done to both alike, and by the same draws: the same seed damages
//! the same bytes of the same files.
//!
//! ```text
//!   wipe       n2 lost its disk and got an empty one
//!   rollback   n2 was restored from a backup: it remembers nothing since, and nobody told it
//!   damage     n2's disk kept its files, not all of their bits
//! ```
//!
//! None of them is undone. A cluster that promises to survive the loss of one disk is to show it.
//!
//! A backup of a directory is taken while the node's processes stand still; it keeps names, contents, modes, symbolic links
//! and, where this process may set them, owners. A simulated disk is copied at one instant and shares its blocks with the copy.
//! Both are in the controller's memory, a directory up to [`LARGEST_BACKUP`] bytes.
//!
//! What it does not do: sockets, pipes and devices are neither kept nor counted; hard links become files of their own.

mod damage;
mod directory;
mod simulated;

use std::any::Any;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use damage::{DamageKind, FileDamage};
pub use directory::LARGEST_BACKUP;

use crate::disk::Disk;

/// The data of one node.
#[derive(Clone)]
pub enum Data {
    /// In a directory of this machine.
    Directory(PathBuf),
    /// On a disk of its own.
    Disk(Arc<Disk>),
}

/// What was done to files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Harm {
    /// Files that are gone, or are no longer what they were.
    pub files: u64,
    /// Bytes of them that are gone or others.
    pub bytes: u64,
    /// The first of them, in words: `wal/0001: bit 3 of byte 517`.
    pub examples: Vec<String>,
}

/// How many examples are told.
const EXAMPLES: usize = 8;

/// The data of a node at one moment. What it is, only whoever made it knows.
#[derive(Clone, Debug)]
pub struct Backup(Arc<dyn Any + Send + Sync>);

impl Backup {
    /// Of anything.
    pub fn new<T: Any + Send + Sync>(what: T) -> Backup {
        Backup(Arc::new(what))
    }

    /// If it is one of these.
    pub fn get<T: Any>(&self) -> Option<&T> {
        self.0.downcast_ref()
    }
}

impl Harm {
    fn note(&mut self, example: impl FnOnce() -> String) {
        if self.examples.len() < EXAMPLES {
            self.examples.push(example());
        }
    }

    /// Both together.
    pub fn plus(mut self, other: Harm) -> Harm {
        (self.files, self.bytes) = (self.files + other.files, self.bytes + other.bytes);
        self.examples.extend(other.examples);
        self.examples.truncate(EXAMPLES);
        self
    }
}

impl Data {
    /// Removes everything.
    pub fn wipe(&self) -> io::Result<Harm> {
        match self {
            Data::Directory(path) => directory::wipe(path),
            Data::Disk(disk) => Ok(simulated::wipe(disk)),
        }
    }

    /// Remembers everything. Of a directory, nobody may be writing to it; [`io::ErrorKind::FileTooLarge`] if it is larger
    /// than [`LARGEST_BACKUP`].
    pub fn back_up(&self) -> io::Result<Backup> {
        match self {
            Data::Directory(path) => directory::Tree::of(path).map(Backup::new),
            Data::Disk(disk) => Ok(Backup::new(disk.snapshot())),
        }
    }

    /// Makes it what it was.
    pub fn roll_back(&self, to: &Backup) -> io::Result<Harm> {
        let foreign = || io::Error::new(io::ErrorKind::InvalidInput, "the backup is of something else");
        match self {
            Data::Directory(path) => directory::roll_back(path, to.get().ok_or_else(foreign)?),
            Data::Disk(disk) => Ok(simulated::roll_back(disk, to.get().ok_or_else(foreign)?)),
        }
    }

    /// Damages files.
    pub fn damage(&self, damage: &FileDamage) -> io::Result<Harm> {
        match self {
            Data::Directory(path) => directory::damage(path, damage),
            Data::Disk(disk) => simulated::damage(disk, damage),
        }
    }
}
