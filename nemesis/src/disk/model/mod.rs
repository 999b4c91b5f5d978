//! A disk as a function: what is on it, and what would be on it after a power cut. No device, no clock, no randomness of
//! its own.
//!
//! Every inode has two versions of its contents, of its attributes and (if it is a directory) of its names: **live**, which
//! programs see, and **durable**, which a power cut leaves. Between the two lie
//!
//! - per file, a *log* of the writes that no fsync has covered, and the set of blocks that they dirtied;
//! - for the whole disk, a *journal*: the edits of names, attributes, sizes and allocations that are not committed, in order.
//!   A rename is one edit, however many names it changes, and is kept or lost as a whole.
//!
//! ```text
//!   create t · write t "new" · fsync t · rename t → f                write g "x"
//!
//!   live       f = "new"                                             g = "x"
//!   journal    [ rename t → f ]       ── committed by the next fsync of anything that changed
//!   log        t: –                   ── emptied by fsync t          g: [ 0 "x" ]
//!   durable    f = "old", t = "new"                                  g = ""
//! ```
//!
//! An fsync of `g` at this point makes `g` durable and, under [`Persistence::Ext4`], commits the rename as well. Under
//! [`Persistence::Strict`] the rename waits for an fsync of the directory.

mod content;
mod cut;
mod files;
mod inode;
mod journal;
mod names;
mod overlay;
mod tree;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use nix::errno::Errno;

pub use content::{BLOCK, Block, Content};
pub use files::{Change, Misplacement};
pub use inode::{Attributes, Ino, Inode, Kind, ROOT, Stamp};
pub use names::{NewInode, RenameFlags};
pub use tree::Snapshot;

use super::spec::{Persistence, WriteBack};
use journal::Edit;

/// A disk in memory.
#[derive(Clone, Debug)]
pub struct Model {
    persistence: Persistence,
    write_back: WriteBack,
    /// Blocks that may be allocated.
    quota: Option<u64>,
    inodes: BTreeMap<Ino, Inode>,
    next_ino: Ino,
    /// Number of the last write or edit.
    order: u64,
    journal: VecDeque<Edit>,
    /// Files with a log.
    unsynced: BTreeSet<Ino>,
    unsynced_bytes: u64,
    /// Blocks allocated by what programs can reach.
    used: u64,
    now_ms: u64,
}

impl Model {
    /// An empty disk, whose root belongs to `uid` and `gid`. `quota_bytes` is rounded down to blocks.
    pub fn new(persistence: Persistence, write_back: WriteBack, quota_bytes: Option<u64>, uid: u32, gid: u32) -> Self {
        let attributes = Attributes { mode: 0o755, uid, gid, ..Attributes::default() };
        let mut root = Inode::new(Kind::Directory, attributes);
        (root.links, root.durable_links) = (1, 1);
        Model {
            persistence,
            write_back,
            quota: quota_bytes.map(|bytes| bytes / BLOCK),
            inodes: BTreeMap::from([(ROOT, root)]),
            next_ino: ROOT + 1,
            order: 0,
            journal: VecDeque::new(),
            unsynced: BTreeSet::new(),
            unsynced_bytes: 0,
            used: 0,
            now_ms: 0,
        }
    }

    /// An inode, ESTALE if there is none of that number.
    pub fn inode(&self, ino: Ino) -> Result<&Inode, Errno> {
        self.inodes.get(&ino).ok_or(Errno::ESTALE)
    }

    fn inode_mut(&mut self, ino: Ino) -> Result<&mut Inode, Errno> {
        self.inodes.get_mut(&ino).ok_or(Errno::ESTALE)
    }

    /// All inodes that the kernel knows of.
    pub fn known(&self) -> Vec<Ino> {
        self.inodes.iter().filter(|(ino, inode)| inode.lookups > 0 || **ino == ROOT).map(|(ino, _)| *ino).collect()
    }

    /// Bytes written that a power cut would take, an upper bound: overwritten ones count.
    pub fn unsynced_bytes(&self) -> u64 {
        self.unsynced_bytes
    }

    /// Edits of names, attributes and sizes that a power cut would take.
    pub fn uncommitted_edits(&self) -> usize {
        self.journal.len()
    }

    /// Bytes allocated, and bytes that can be.
    pub fn usage(&self) -> (u64, Option<u64>) {
        (self.used * BLOCK, self.quota.map(|blocks| blocks * BLOCK))
    }

    /// How many inodes there are.
    pub fn inode_count(&self) -> usize {
        self.inodes.len()
    }

    /// Sets how much can be allocated; what is there stays there.
    pub fn set_quota(&mut self, bytes: Option<u64>) {
        self.quota = bytes.map(|bytes| bytes / BLOCK);
    }

    /// The kernel was told of an inode.
    pub fn looked_up(&mut self, ino: Ino) {
        if let Some(inode) = self.inodes.get_mut(&ino) {
            inode.lookups += 1;
        }
    }

    /// The kernel no longer knows of an inode that it was told of `count` times.
    pub fn forget(&mut self, ino: Ino, count: u64) {
        if let Some(inode) = self.inodes.get_mut(&ino) {
            inode.lookups = inode.lookups.saturating_sub(count);
            self.reap(ino);
        }
    }

    /// Frees what nothing leads to any more. Room is free as soon as a file without a name is not open: the kernel says only
    /// later that it has forgotten it.
    fn reap(&mut self, ino: Ino) {
        let Some(inode) = self.inodes.get_mut(&ino) else { return };
        if inode.links > 0 || inode.opens > 0 {
            return;
        }
        // A kernel throws away what was not yet written of a file that is deleted; what is durable of it can come back.
        self.used -= inode.live.block_count();
        inode.live.truncate(0);
        inode.dirty.clear();
        self.unsynced_bytes -= inode.clear_log();
        self.unsynced.remove(&ino);
        if inode.lookups == 0 && inode.durable_links == 0 && inode.pending == 0 {
            self.inodes.remove(&ino);
        }
    }

    fn next_order(&mut self) -> u64 {
        self.order += 1;
        self.order
    }

    /// Whether so many more blocks can be allocated.
    fn room(&self, blocks: u64) -> Result<(), Errno> {
        match self.quota {
            Some(quota) if blocks > 0 && self.used + blocks > quota => Err(Errno::ENOSPC),
            _ => Ok(()),
        }
    }
}
