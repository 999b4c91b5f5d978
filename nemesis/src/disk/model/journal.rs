//! The journal: edits in order, committed by fsync and, in time, by nobody's asking.
//!
//! What commits what follows ext4 in its default mode (`data=ordered`, delayed allocation; fs/ext4/fsync.c,
//! fs/jbd2/commit.c): there is one journal, and an fsync of an inode that has changed commits the running transaction, which
//! is all edits so far, of any file. Data goes with it only for the file itself. Two details that databases depend on, often
//! without knowing: a rename over an existing file first writes the data of the renamed one, and so does closing a file that
//! was emptied (both `auto_da_alloc`); and `fdatasync` after a write in place has nothing to commit.
//!
//! Not followed: what a hole or a new end within a block does to that block's un-synced data (ext4 writes it along with the
//! next commit, here it waits for an fsync); and a write that grows a file within its last, allocated block has its size journalled at once by ext4, with or
//! without its data. Here both wait for an fsync of the file.
//!
//! A kernel does not wait for fsync for ever: it commits the journal every 5 s and writes back data after 30 s
//! ([`WriteBack`](crate::disk::WriteBack)). So does [`Model::write_back`], which also keeps the log within its bound.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};

use nix::errno::Errno;

use super::Model;
use super::content::{Content, blocks_of};
use super::inode::{Attributes, Ino, Inode};
use crate::disk::spec::Persistence;

/// More edits than this are committed: names take memory too.
const EDIT_COUNT: usize = 100_000;

/// An edit that a power cut keeps or loses as a whole.
#[derive(Clone, Debug)]
pub(super) struct Edit {
    pub(super) order: u64,
    pub(super) at_ms: u64,
    pub(super) what: What,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    Names(Vec<NameEdit>),
    Shape(Ino, Shape),
    Attributes(Ino, Box<Attributes>),
    /// The data written to a file so far.
    Flush(Ino),
}

/// A name that leads somewhere else, or nowhere.
#[derive(Clone, Debug)]
pub(super) struct NameEdit {
    pub(super) directory: Ino,
    pub(super) name: OsString,
    pub(super) to: Option<Ino>,
}

/// A change of what is allocated.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    Truncate(u64),
    Allocate {
        offset: u64,
        len: u64,
        keep_size: bool,
    },
    /// A hole, and the size that the file has at least once it is durable: ext4 first makes the size durable up to the end
    /// of the hole (`ext4_update_disksize_before_punch`), without the data before it.
    Punch {
        offset: u64,
        len: u64,
        size: u64,
    },
}

impl NameEdit {
    pub(super) fn set(directory: Ino, name: &OsStr, ino: Ino) -> Self {
        NameEdit { directory, name: name.to_owned(), to: Some(ino) }
    }

    pub(super) fn remove(directory: Ino, name: &OsStr) -> Self {
        NameEdit { directory, name: name.to_owned(), to: None }
    }
}

impl Shape {
    pub(super) fn apply(self, content: &mut Content) {
        match self {
            Shape::Truncate(size) => content.truncate(size),
            Shape::Allocate { offset, len, keep_size } => content.allocate(offset, len, keep_size),
            Shape::Punch { offset, len, size } => {
                content.punch(offset, len);
                content.grow(size);
            }
        }
    }

    /// The blocks that have a place on the disk from then on.
    pub(super) fn allocates(self) -> std::ops::Range<u64> {
        match self {
            Shape::Allocate { offset, len, .. } => blocks_of(offset, len),
            Shape::Truncate(_) | Shape::Punch { .. } => 0..0,
        }
    }

    /// The bytes that it destroys.
    fn destroys(self) -> Option<(u64, u64)> {
        match self {
            Shape::Truncate(size) => Some((size, u64::MAX)),
            Shape::Punch { offset, len, .. } => Some((offset, offset + len)),
            Shape::Allocate { .. } => None,
        }
    }
}

impl Edit {
    fn new(what: What) -> Self {
        Edit { order: 0, at_ms: 0, what }
    }

    pub(super) fn names(edits: Vec<NameEdit>) -> Self {
        Edit::new(What::Names(edits))
    }

    pub(super) fn shape(ino: Ino, shape: Shape) -> Self {
        Edit::new(What::Shape(ino, shape))
    }

    pub(super) fn attributes(ino: Ino, attributes: Attributes) -> Self {
        Edit::new(What::Attributes(ino, Box::new(attributes)))
    }

    /// The inodes that it speaks of.
    fn inodes(&self) -> Vec<Ino> {
        match &self.what {
            What::Names(edits) => edits.iter().flat_map(|edit| [Some(edit.directory), edit.to]).flatten().collect(),
            What::Shape(ino, _) | What::Attributes(ino, _) | What::Flush(ino) => vec![*ino],
        }
    }

    fn directories(&self) -> impl Iterator<Item = Ino> {
        let edits = if let What::Names(edits) = &self.what { edits.as_slice() } else { &[] };
        edits.iter().map(|edit| edit.directory)
    }

    fn is_of_file(&self, ino: Ino) -> bool {
        matches!(&self.what, What::Shape(of, _) | What::Attributes(of, _) if *of == ino)
    }
}

impl Model {
    /// Puts an edit, which is live already, into the journal.
    pub(super) fn record(&mut self, edit: Edit) {
        let edit = Edit { order: self.next_order(), at_ms: self.now_ms, ..edit };
        for ino in edit.inodes() {
            if let Some(inode) = self.inodes.get_mut(&ino) {
                inode.pending += 1;
            }
        }
        self.journal.push_back(edit);
        if self.journal.len() > EDIT_COUNT {
            self.commit_all();
        }
    }

    /// What a rename over an existing file does first, on ext4: it writes the data of a file that has some without a place on
    /// the disk (`ext4_alloc_da_blocks`), and nothing of one that was only written in place.
    pub(super) fn record_flush(&mut self, ino: Ino) {
        let Some(inode) = self.inodes.get_mut(&ino) else { return };
        let delayed = !std::mem::take(&mut inode.reserved).is_empty();
        if delayed && self.persistence == Persistence::Ext4 {
            self.record(Edit::new(What::Flush(ino)));
        }
    }

    /// Somebody opened a file.
    pub fn opened(&mut self, ino: Ino) {
        if let Some(inode) = self.inodes.get_mut(&ino) {
            inode.opens += 1;
        }
    }

    /// Somebody closed a file.
    pub fn closed(&mut self, ino: Ino) {
        let Some(inode) = self.inodes.get_mut(&ino) else { return };
        inode.opens = inode.opens.saturating_sub(1);
        if std::mem::take(&mut inode.flush_on_close) {
            self.record_flush(ino);
        }
        self.reap(ino);
    }

    /// Makes a file or directory durable. `data_only` is `fdatasync`.
    pub fn fsync(&mut self, ino: Ino, data_only: bool) -> Result<(), Errno> {
        let inode = self.inode(ino)?;
        match self.persistence {
            Persistence::Ext4 if inode.needs_commit(data_only) => self.commit_all(),
            Persistence::Ext4 => {}
            Persistence::Strict if inode.is_directory() => self.commit_directory(ino),
            Persistence::Strict => self.commit_some(|edit| edit.is_of_file(ino)),
        }
        self.write_back_file(ino);
        Ok(())
    }

    /// A failed fsync as Linux does it: what was dirty is clean from now on, though it never reached the disk.
    pub fn fsync_that_forgets(&mut self, ino: Ino) -> Result<(), Errno> {
        let bytes = self.inode_mut(ino)?.forget_dirty();
        self.unsynced_bytes -= bytes;
        self.unsynced.remove(&ino);
        Ok(())
    }

    /// Makes everything durable.
    pub fn sync(&mut self) {
        self.commit_all();
        while let Some(ino) = self.unsynced.first().copied() {
            self.write_back_file(ino);
        }
    }

    /// Does what a kernel does unasked as time goes by. `now_ms` only grows.
    pub fn write_back(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
        let old = |at_ms: u64, age_ms: Option<u64>| age_ms.is_some_and(|age| at_ms.saturating_add(age) <= now_ms);
        if self.journal.front().is_some_and(|edit| old(edit.at_ms, self.write_back.commit_ms)) {
            self.commit_all();
        }
        let expire = self.write_back.expire_ms;
        let expired = |ino: &Ino| self.inodes[ino].log.first().is_some_and(|write| old(write.at_ms, expire));
        let expired: Vec<Ino> = self.unsynced.iter().copied().filter(expired).collect();
        expired.into_iter().for_each(|ino| self.write_back_file(ino));
        self.bound_log();
    }

    /// Writes back the oldest data until the log is half of what it may be.
    pub fn bound_log(&mut self) {
        if self.unsynced_bytes <= self.write_back.max_bytes {
            return;
        }
        let first = |ino: &Ino| self.inodes[ino].log.first().map_or(0, |write| write.order);
        let mut files: Vec<(u64, Ino)> = self.unsynced.iter().map(|ino| (first(ino), *ino)).collect();
        files.sort_unstable();
        for (_, ino) in files {
            if self.unsynced_bytes <= self.write_back.max_bytes / 2 {
                break;
            }
            self.write_back_file(ino);
        }
    }

    fn write_back_file(&mut self, ino: Ino) {
        if let Some(inode) = self.inodes.get_mut(&ino) {
            self.unsynced_bytes -= inode.persist();
        }
        self.unsynced.remove(&ino);
    }

    pub(super) fn commit_all(&mut self) {
        self.commit_some(|_| true);
    }

    /// Under the strict model a directory's fsync commits the edits of its names, and of whatever directories these have
    /// in common with others: half a rename is never durable.
    fn commit_directory(&mut self, directory: Ino) {
        let mut touched = BTreeSet::from([directory]);
        loop {
            let before = touched.len();
            for edit in &self.journal {
                if edit.directories().any(|d| touched.contains(&d)) {
                    touched.extend(edit.directories());
                }
            }
            if touched.len() == before {
                break;
            }
        }
        self.commit_some(|edit| edit.is_of_file(directory) || edit.directories().any(|d| touched.contains(&d)));
    }

    /// Commits the edits that are chosen, in order. The others stay.
    pub(super) fn commit_some(&mut self, mut chosen: impl FnMut(&Edit) -> bool) {
        for edit in std::mem::take(&mut self.journal) {
            if chosen(&edit) {
                self.apply(&edit);
                self.settle(&edit);
            } else {
                self.journal.push_back(edit);
            }
        }
    }

    fn apply(&mut self, edit: &Edit) {
        match &edit.what {
            What::Names(edits) => edits.iter().for_each(|name| self.apply_name(name)),
            What::Shape(ino, shape) => self.apply_shape(*ino, *shape, edit.order),
            What::Attributes(ino, attributes) => {
                if let Some(inode) = self.inodes.get_mut(ino) {
                    inode.durable_attributes = (**attributes).clone();
                }
            }
            What::Flush(ino) => {
                if let Some(inode) = self.inodes.get_mut(ino) {
                    self.unsynced_bytes -= inode.persist_until(edit.order);
                }
            }
        }
    }

    fn apply_name(&mut self, edit: &NameEdit) {
        let Some(directory) = self.inodes.get_mut(&edit.directory) else { return };
        let old = match edit.to {
            Some(ino) => directory.durable_entries.insert(edit.name.clone(), ino),
            None => directory.durable_entries.remove(&edit.name),
        };
        if let Some(inode) = edit.to.and_then(|ino| self.inodes.get_mut(&ino)) {
            inode.durable_links += 1;
        }
        if let Some(old) = old
            && let Some(inode) = self.inodes.get_mut(&old)
        {
            inode.durable_links -= 1;
            self.reap(old);
        }
    }

    /// Writes that came before and are still only in the log lose what this destroys.
    fn apply_shape(&mut self, ino: Ino, shape: Shape, order: u64) {
        let Some(inode) = self.inodes.get_mut(&ino) else { return };
        shape.apply(&mut inode.durable);
        if let Some((from, to)) = shape.destroys() {
            self.unsynced_bytes -= inode.subtract(from, to, order);
        }
    }

    /// An edit is no longer in the journal.
    pub(super) fn settle(&mut self, edit: &Edit) {
        for ino in edit.inodes() {
            if let Some(inode) = self.inodes.get_mut(&ino) {
                inode.pending -= 1;
                self.reap(ino);
            }
        }
    }
}

impl Inode {
    /// Whether an fsync has anything to commit: on ext4 a transaction is committed for the inodes that are in it.
    fn needs_commit(&self, data_only: bool) -> bool {
        let end = |write: &super::inode::Write| write.offset + write.data.len() as u64;
        let in_place = |write: &super::inode::Write| {
            end(write) <= self.durable.size() && self.durable.missing(write.offset, write.data.len() as u64) == 0
        };
        self.pending > 0 || if data_only { !self.log.iter().all(in_place) } else { !self.log.is_empty() }
    }
}
