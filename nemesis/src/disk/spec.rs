//! What a disk is made of, how it loses power, what it counted, and what can go wrong with using it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::fault::Operation;

/// A simulated disk for a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskSpec {
    /// Where the host sees it: an existing directory, normally the node's data directory.
    pub path: PathBuf,
    /// What survives a power cut without an fsync of its own.
    pub persistence: Persistence,
    /// What becomes durable unasked.
    pub write_back: WriteBack,
    /// Bytes that can be allocated; ENOSPC beyond. None: as much memory as there is.
    pub quota_bytes: Option<u64>,
    /// How long an fsync takes at least, in microseconds. 0: as fast as memory.
    pub fsync_latency_us: u64,
}

impl DiskSpec {
    /// A disk like ext4, of 4 GiB, as fast as memory.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        DiskSpec {
            path: path.into(),
            persistence: Persistence::Ext4,
            write_back: WriteBack::default(),
            quota_bytes: Some(4 << 30),
            fsync_latency_us: 0,
        }
    }
}

/// What an fsync makes durable besides the file's own data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Persistence {
    /// As ext4 does: all earlier changes of names, sizes and attributes, in order, whoever made them.
    #[default]
    Ext4,
    /// What POSIX promises and no more: nothing else. A name is durable after an fsync of its directory. Most databases
    /// rely on more than this, so what they lose here is a finding about portability.
    Strict,
}

/// What a kernel does unasked. The defaults are those of Linux.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteBack {
    /// The journal is committed when an edit in it is this old. None: never.
    pub commit_ms: Option<u64>,
    /// A file is written back when something written to it is this old. None: never.
    pub expire_ms: Option<u64>,
    /// More un-synced bytes than this are written back, the oldest files first, whatever their age.
    pub max_bytes: u64,
}

impl Default for WriteBack {
    fn default() -> Self {
        WriteBack { commit_ms: Some(5_000), expire_ms: Some(30_000), max_bytes: 256 << 20 }
    }
}

/// A power cut. What was fsynced is never lost.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PowerCut {
    /// What happens to the rest.
    pub mode: CutMode,
    /// Seed of the draws.
    pub seed: u64,
}

impl PowerCut {
    /// Everything that was not fsynced is lost.
    pub const DROP: PowerCut = PowerCut { mode: CutMode::Drop, seed: 0 };
}

/// What a power cut does to what was not fsynced.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CutMode {
    /// All of it is lost.
    Drop,
    /// What came before some moment is kept, the rest is lost: the disk is as it was then.
    Prefix,
    /// Each sector of 512 bytes is kept with this probability, independently. Changes of names keep their order on ext4 and are
    /// drawn one by one in the strict model.
    Subset {
        /// From 0 to 1.
        probability: f64,
    },
    /// All is kept until the last write, of which only the first sectors arrived, and not all.
    Torn,
}

/// What a power cut took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// Bytes that were written and are gone; overwritten ones count each time.
    pub bytes: u64,
    /// Files that lost bytes.
    pub files: u64,
    /// Changes of names (created, renamed, removed) undone.
    pub names: u64,
    /// Bytes that no fsync had covered and that are there nevertheless.
    pub kept_bytes: u64,
}

/// What a disk has done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskStats {
    /// Requests by kind.
    pub operations: BTreeMap<Operation, u64>,
    /// Bytes written by programs.
    pub written_bytes: u64,
    /// Times that each fault of the current set took effect, in its order.
    pub injected: Vec<u64>,
    /// Operations that wait, for a delay or for healing.
    pub waiting: usize,
    /// Bytes that a power cut would take now, an upper bound.
    pub unsynced_bytes: u64,
    /// Changes of names, sizes and attributes that a power cut would take now.
    pub uncommitted_edits: usize,
    /// Bytes allocated.
    pub used_bytes: u64,
    /// How often a machine started with this disk.
    pub mounts: u64,
}

/// What went wrong with a disk.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// No file matches.
    #[error("no file on the disk matches {pattern}")]
    NoSuchFile {
        /// What was asked for.
        pattern: String,
    },
    /// A fault that cannot be.
    #[error("fault {position}: {what}")]
    Fault {
        /// Its place in the set, from 0.
        position: usize,
        /// What is wrong with it.
        what: String,
    },
    /// The operating system refused.
    #[error("{what}")]
    Io {
        /// What was attempted.
        what: String,
        /// What it said.
        #[source]
        source: std::io::Error,
    },
}
