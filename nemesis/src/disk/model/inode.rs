//! One file, directory or link: as it is, as it would be after a power cut, and what lies between.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;

use super::content::{BLOCK, Block, Content};
use super::overlay::Overlay;

/// Number of an inode, never used twice on one disk.
pub type Ino = u64;

/// The root directory, as FUSE numbers it.
pub const ROOT: Ino = 1;

/// Nanoseconds since 1970. Time enters the model only as arguments.
pub type Stamp = u64;

/// What an inode is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link and where it leads.
    Symlink(OsString),
    /// A pipe or a socket: a name without contents; the file type bits of its mode.
    Special(u32),
}

/// What can be changed without changing contents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Last read, as far as anybody told.
    pub accessed: Stamp,
    /// Last change of contents.
    pub modified: Stamp,
    /// Last change of anything.
    pub changed: Stamp,
    /// Extended attributes.
    pub extended: BTreeMap<OsString, Vec<u8>>,
}

/// A write that no fsync has covered.
#[derive(Clone, Debug)]
pub struct Write {
    pub(super) order: u64,
    pub(super) at_ms: u64,
    pub(super) offset: u64,
    pub(super) data: Vec<u8>,
}

/// One inode.
#[derive(Clone, Debug)]
pub struct Inode {
    pub(super) kind: Kind,
    pub(super) attributes: Attributes,
    pub(super) durable_attributes: Attributes,
    pub(super) live: Content,
    pub(super) durable: Content,
    /// Blocks that differ, or may differ, between live and durable and are known to.
    pub(super) dirty: BTreeSet<u64>,
    /// Writes behind those differences.
    pub(super) log: Vec<Write>,
    /// Blocks that were written to and have no place on the disk yet (delayed allocation).
    pub(super) reserved: BTreeSet<u64>,
    /// Bytes that a failed fsync marked clean although they never reached the disk.
    pub(super) forgotten: u64,
    pub(super) entries: BTreeMap<OsString, Ino>,
    pub(super) durable_entries: BTreeMap<OsString, Ino>,
    /// Names that lead here.
    pub(super) links: u32,
    /// Durable names that lead here.
    pub(super) durable_links: u32,
    /// Edits in the journal that speak of this inode.
    pub(super) pending: u32,
    /// How often the kernel was told of it and has not yet forgotten it.
    pub(super) lookups: u64,
    /// How often it is open.
    pub(super) opens: u64,
    pub(super) subdirectories: u32,
    /// The directory and the name under which it was last put.
    pub(super) place: (Ino, OsString),
    pub(super) overlay: Overlay,
    /// It was emptied, so ext4 will write its data when it is closed.
    pub(super) flush_on_close: bool,
}

impl Inode {
    pub(super) fn new(kind: Kind, attributes: Attributes) -> Self {
        Inode {
            kind,
            durable_attributes: attributes.clone(),
            attributes,
            live: Content::default(),
            durable: Content::default(),
            dirty: BTreeSet::new(),
            log: Vec::new(),
            reserved: BTreeSet::new(),
            forgotten: 0,
            entries: BTreeMap::new(),
            durable_entries: BTreeMap::new(),
            links: 0,
            durable_links: 0,
            pending: 0,
            lookups: 0,
            opens: 0,
            subdirectories: 0,
            place: (ROOT, OsString::new()),
            overlay: Overlay::default(),
            flush_on_close: false,
        }
    }

    /// What it is.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// Its attributes.
    pub fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    /// Bytes.
    pub fn size(&self) -> u64 {
        match &self.kind {
            Kind::Symlink(target) => target.len() as u64,
            Kind::Directory => BLOCK,
            _ => self.live.size(),
        }
    }

    /// Blocks of 4 KiB that it takes.
    pub fn block_count(&self) -> u64 {
        self.live.block_count()
    }

    /// How many names lead here, as `stat` counts them.
    pub fn link_count(&self) -> u32 {
        match self.kind {
            Kind::Directory if self.links > 0 => 2 + self.subdirectories,
            _ => self.links,
        }
    }

    /// Entries of a directory.
    pub fn entries(&self) -> &BTreeMap<OsString, Ino> {
        &self.entries
    }

    pub(super) fn is_directory(&self) -> bool {
        self.kind == Kind::Directory
    }

    pub(super) fn log_bytes(&self) -> u64 {
        self.log.iter().map(|write| write.data.len() as u64).sum()
    }

    /// Makes everything durable that was written. Returns how many bytes of the log that took away.
    pub(super) fn persist(&mut self) -> u64 {
        for block in std::mem::take(&mut self.dirty) {
            self.durable.set_block(block, self.live.block(block).cloned());
        }
        self.durable.truncate(self.live.size());
        self.durable_attributes = self.attributes.clone();
        self.clear_log()
    }

    /// Marks everything clean that was written, without writing it.
    pub(super) fn forget_dirty(&mut self) -> u64 {
        self.dirty.clear();
        let bytes = self.clear_log();
        self.forgotten += bytes;
        bytes
    }

    /// Applies the writes up to `order` to the durable contents, in order. Returns how many bytes that took from the log.
    pub(super) fn persist_until(&mut self, order: u64) -> u64 {
        let later = self.log.iter().position(|write| write.order > order).unwrap_or(self.log.len());
        let mut bytes = 0;
        for write in self.log.drain(..later) {
            self.durable.write(write.offset, &write.data);
            bytes += write.data.len() as u64;
        }
        bytes
    }

    /// Takes a range of bytes out of the writes before `order`: something that is durable destroyed them. Returns how
    /// many bytes that took.
    pub(super) fn subtract(&mut self, from: u64, to: u64, order: u64) -> u64 {
        let before = self.log_bytes();
        let mut kept = Vec::with_capacity(self.log.len());
        for write in self.log.drain(..) {
            let end = write.offset + write.data.len() as u64;
            if write.order > order || end <= from || write.offset >= to {
                kept.push(write);
                continue;
            }
            if write.offset < from {
                let data = write.data[..(from - write.offset) as usize].to_vec();
                kept.push(Write { data, ..write.clone() });
            }
            if end > to {
                let data = write.data[(to - write.offset) as usize..].to_vec();
                kept.push(Write { offset: to, data, ..write });
            }
        }
        self.log = kept;
        before - self.log_bytes()
    }

    /// What a block holds, zeros for a hole.
    pub(super) fn live_block(&self, block: u64) -> Block {
        self.live.block(block).cloned().unwrap_or_else(|| Block::new([0; BLOCK as usize]))
    }

    pub(super) fn clear_log(&mut self) -> u64 {
        self.reserved.clear();
        let bytes = self.log_bytes();
        // A log that was long once must not stay so.
        self.log = Vec::new();
        bytes
    }
}
