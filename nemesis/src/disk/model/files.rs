//! Contents and attributes of files.

use std::ffi::{OsStr, OsString};

use nix::errno::Errno;

use super::Model;
use super::content::{BLOCK, Block, blocks_of};
use super::inode::{Ino, Kind, Stamp, Write};
use super::journal::{Edit, Shape};
use crate::disk::spec::Persistence;

/// A change of attributes; what is none stays.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Permission bits.
    pub mode: Option<u32>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
    /// Last read.
    pub accessed: Option<Stamp>,
    /// Last change of contents.
    pub modified: Option<Stamp>,
    /// Take set-user-id and set-group-id away, as a change of contents or owner does.
    pub drop_privileges: bool,
}

/// What a misbehaving disk does with a write that it acknowledges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misplacement {
    /// The data goes nowhere: the old contents are still read.
    Nowhere,
    /// The data goes to another block of the file, chosen by this number; the old contents are still read where it
    /// should be.
    Elsewhere(u64),
}

const S_ISUID: u32 = 0o4000;
const S_ISGID: u32 = 0o2000;
const S_IXGRP: u32 = 0o010;
const CAPABILITY: &str = "security.capability";

impl Model {
    /// What a program reads, damage included.
    pub fn read(&self, ino: Ino, offset: u64, len: usize) -> Result<Vec<u8>, Errno> {
        let inode = self.inode(ino)?;
        let mut data = inode.live.read(offset, len);
        if !inode.overlay.is_empty() {
            inode.overlay.apply(offset, &mut data);
        }
        Ok(data)
    }

    /// What was written is read from now on, and is durable when an fsync says so. ENOSPC.
    pub fn write(&mut self, ino: Ino, offset: u64, data: &[u8], now: Stamp) -> Result<(), Errno> {
        let inode = self.inode(ino)?;
        let end = offset.checked_add(data.len() as u64).filter(|end| *end <= i64::MAX as u64).ok_or(Errno::EFBIG)?;
        let missing = inode.live.missing(offset, end - offset);
        self.room(missing)?;
        self.used += missing;
        let (order, at_ms) = (self.next_order(), self.now_ms);
        let inode = self.inode_mut(ino)?;
        let live = &inode.live;
        inode.reserved.extend(blocks_of(offset, end - offset).filter(|block| live.block(*block).is_none()));
        inode.live.write(offset, data);
        inode.dirty.extend(blocks_of(offset, end - offset));
        inode.log.push(Write { order, at_ms, offset, data: data.to_vec() });
        inode.overlay.overwritten(offset, end - offset);
        (inode.attributes.modified, inode.attributes.changed) = (now, now);
        self.unsynced.insert(ino);
        self.unsynced_bytes += data.len() as u64;
        Ok(())
    }

    /// A write that is acknowledged and goes astray, as far as reading tells. The disk itself keeps what is right, so that
    /// healing the fault shows it. Returns the bytes that now read as something else.
    pub fn write_astray(
        &mut self,
        ino: Ino,
        offset: u64,
        data: &[u8],
        now: Stamp,
        fault: u64,
        astray: Misplacement,
    ) -> Result<Vec<(u64, u64)>, Errno> {
        let inode = self.inode(ino)?;
        let range = blocks_of(offset, data.len() as u64);
        let old: Vec<(u64, Block)> = range.map(|block| (block, inode.live_block(block))).collect();
        self.write(ino, offset, data, now)?;
        let inode = self.inode_mut(ino)?;
        let mut changed = Vec::new();
        let count = inode.live.size().div_ceil(BLOCK);
        for (block, as_if) in old {
            if let Misplacement::Elsewhere(choice) = astray
                && count > 1
            {
                let target = (block + 1 + choice % (count - 1)) % count;
                let landed = inode.live_block(block);
                inode.overlay.cover(fault, target, landed);
                changed.push((target * BLOCK, BLOCK));
            }
            inode.overlay.cover(fault, block, as_if);
            changed.push((block * BLOCK, BLOCK));
        }
        Ok(changed)
    }

    /// Sets the size.
    pub fn truncate(&mut self, ino: Ino, size: u64, now: Stamp) -> Result<(), Errno> {
        if size > i64::MAX as u64 {
            return Err(Errno::EFBIG);
        }
        let inode = self.file_mut(ino)?;
        inode.flush_on_close |= size == 0;
        // The same size once more is an edit, too: ext4 makes it durable.
        let gone: Vec<u64> = inode.live.allocated_in(size, u64::MAX - size).collect();
        inode.overlay.overwritten(size, (inode.live.size()).saturating_sub(size));
        self.reshape(ino, Shape::Truncate(size), gone, now)
    }

    /// Allocates blocks, so that writing there does not fail for want of room. ENOSPC.
    pub fn allocate(&mut self, ino: Ino, offset: u64, len: u64, keep_size: bool, now: Stamp) -> Result<(), Errno> {
        range_end(offset, len)?;
        let missing = self.file_mut(ino)?.live.missing(offset, len);
        self.room(missing)?;
        let fresh = blocks_of(offset, len).filter(|block| self.inodes[&ino].live.block(*block).is_none()).collect();
        self.reshape(ino, Shape::Allocate { offset, len, keep_size }, fresh, now)
    }

    /// Makes a hole.
    pub fn punch(&mut self, ino: Ino, offset: u64, len: u64, now: Stamp) -> Result<(), Errno> {
        range_end(offset, len)?;
        let gone = self.file_mut(ino)?.live.allocated_in(offset, len).collect();
        self.file_mut(ino)?.overlay.overwritten(offset, len);
        let end = self.inodes[&ino].live.size();
        let grows = self.persistence == Persistence::Ext4 && offset < end;
        let size = if grows { end.min(offset + len) } else { 0 };
        self.reshape(ino, Shape::Punch { offset, len, size }, gone, now)
    }

    fn reshape(&mut self, ino: Ino, shape: Shape, dirty: Vec<u64>, now: Stamp) -> Result<(), Errno> {
        let inode = self.inode_mut(ino)?;
        let before = inode.live.block_count();
        shape.apply(&mut inode.live);
        inode.dirty.extend(dirty);
        let (live, allocated) = (&inode.live, shape.allocates());
        inode.reserved.retain(|block| live.block(*block).is_some() && !allocated.contains(block));
        (inode.attributes.modified, inode.attributes.changed) = (now, now);
        let after = inode.live.block_count();
        self.used = self.used + after - before;
        self.record(Edit::shape(ino, shape));
        Ok(())
    }

    /// Where the next data, or the next hole, begins. ENXIO behind the end.
    pub fn seek(&self, ino: Ino, offset: u64, hole: bool) -> Result<u64, Errno> {
        let live = &self.inode(ino)?.live;
        let found = if hole { live.next_hole(offset) } else { live.next_data(offset) };
        found.ok_or(Errno::ENXIO)
    }

    /// Changes attributes.
    pub fn set_attributes(&mut self, ino: Ino, change: &Change, now: Stamp) -> Result<(), Errno> {
        let attributes = &mut self.inode_mut(ino)?.attributes;
        let owner = change.uid.is_some() || change.gid.is_some();
        attributes.mode = change.mode.map_or(attributes.mode, |mode| mode & 0o7777);
        attributes.uid = change.uid.unwrap_or(attributes.uid);
        attributes.gid = change.gid.unwrap_or(attributes.gid);
        attributes.accessed = change.accessed.unwrap_or(attributes.accessed);
        attributes.modified = change.modified.unwrap_or(attributes.modified);
        attributes.changed = now;
        if change.drop_privileges || owner {
            self.drop_privileges(ino)?;
        }
        self.record_attributes(ino)
    }

    /// Takes set-user-id, set-group-id and capabilities away, as the kernel does when somebody writes.
    pub fn drop_privileges(&mut self, ino: Ino) -> Result<(), Errno> {
        let inode = self.inode_mut(ino)?;
        if inode.is_directory() {
            return Ok(());
        }
        let attributes = &mut inode.attributes;
        attributes.mode &= !S_ISUID;
        if attributes.mode & S_IXGRP != 0 {
            attributes.mode &= !S_ISGID;
        }
        attributes.extended.remove(OsStr::new(CAPABILITY));
        Ok(())
    }

    /// Sets an extended attribute. `create`: EEXIST if it is there; `replace`: ENODATA if it is not.
    pub fn set_extended(
        &mut self,
        ino: Ino,
        name: &OsStr,
        value: &[u8],
        (create, replace): (bool, bool),
        now: Stamp,
    ) -> Result<(), Errno> {
        let attributes = &mut self.inode_mut(ino)?.attributes;
        match attributes.extended.contains_key(name) {
            true if create => return Err(Errno::EEXIST),
            false if replace => return Err(Errno::ENODATA),
            _ => {}
        }
        attributes.extended.insert(name.to_owned(), value.to_vec());
        attributes.changed = now;
        self.record_attributes(ino)
    }

    /// Removes an extended attribute. ENODATA if it is not there.
    pub fn remove_extended(&mut self, ino: Ino, name: &OsStr, now: Stamp) -> Result<(), Errno> {
        let attributes = &mut self.inode_mut(ino)?.attributes;
        attributes.extended.remove(name).ok_or(Errno::ENODATA)?;
        attributes.changed = now;
        self.record_attributes(ino)
    }

    fn record_attributes(&mut self, ino: Ino) -> Result<(), Errno> {
        let attributes = self.inode(ino)?.attributes.clone();
        self.record(Edit::attributes(ino, attributes));
        Ok(())
    }

    /// Where a symbolic link leads.
    pub fn target(&self, ino: Ino) -> Result<&OsString, Errno> {
        match &self.inode(ino)?.kind {
            Kind::Symlink(target) => Ok(target),
            _ => Err(Errno::EINVAL),
        }
    }

    /// Inverts a bit of what is read, for good or until the byte is written. Returns whether there is such a byte.
    pub fn flip(&mut self, ino: Ino, byte: u64, bit: u8) -> Result<bool, Errno> {
        let inode = self.inode_mut(ino)?;
        let there = byte < inode.live.size();
        if there {
            inode.overlay.flip(byte, bit);
        }
        Ok(there)
    }

    /// Takes back all flipped bits. Returns the inodes that had some.
    pub fn unflip(&mut self) -> Vec<Ino> {
        let flipped = |(ino, inode): (&Ino, &mut super::Inode)| (inode.overlay.unflip() > 0).then_some(*ino);
        self.inodes.iter_mut().filter_map(flipped).collect()
    }

    /// Shows again what writes that went astray have hidden, except by these faults. Returns the inodes that had some.
    pub fn heal_except(&mut self, faults: &std::collections::BTreeSet<u64>) -> Vec<Ino> {
        let healed = |(ino, inode): (&Ino, &mut super::Inode)| inode.overlay.retain(faults).then_some(*ino);
        self.inodes.iter_mut().filter_map(healed).collect()
    }

    fn file_mut(&mut self, ino: Ino) -> Result<&mut super::Inode, Errno> {
        let inode = self.inode_mut(ino)?;
        if inode.kind == Kind::File { Ok(inode) } else { Err(Errno::EINVAL) }
    }
}

fn range_end(offset: u64, len: u64) -> Result<u64, Errno> {
    if len == 0 {
        return Err(Errno::EINVAL);
    }
    offset.checked_add(len).filter(|end| *end <= i64::MAX as u64).ok_or(Errno::EFBIG)
}
