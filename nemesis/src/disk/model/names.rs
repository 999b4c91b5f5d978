//! Names: creating, linking, renaming, removing.
//!
//! Whoever asks has been let in already: the kernel checks permissions, and that a directory is not moved into itself.

use std::ffi::{OsStr, OsString};

use nix::errno::Errno;

use super::Model;
use super::inode::{Attributes, Ino, Inode, Kind, ROOT, Stamp};
use super::journal::{Edit, NameEdit};

/// What is to be created.
#[derive(Clone, Debug)]
pub struct NewInode {
    /// What it is.
    pub kind: Kind,
    /// Permission bits, the umask applied.
    pub mode: u32,
    /// Its owner.
    pub uid: u32,
    /// Its group, unless its directory decides.
    pub gid: u32,
}

/// How a rename treats what is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RenameFlags {
    /// EEXIST if the new name is taken.
    pub no_replace: bool,
    /// The two names change places.
    pub exchange: bool,
}

const NAME_BYTES: usize = 255;
const S_ISGID: u32 = 0o2000;

impl Model {
    /// What a name stands for. ENOENT, ENOTDIR.
    pub fn lookup(&self, directory: Ino, name: &OsStr) -> Result<Ino, Errno> {
        self.entry(directory, name)?.ok_or(Errno::ENOENT)
    }

    fn entry(&self, directory: Ino, name: &OsStr) -> Result<Option<Ino>, Errno> {
        let directory = self.inode(directory)?;
        if !directory.is_directory() {
            return Err(Errno::ENOTDIR);
        }
        Ok(directory.entries.get(name).copied())
    }

    /// Creates an inode with a name. EEXIST, ENAMETOOLONG, ENOENT if the directory was removed.
    pub fn create(&mut self, directory: Ino, name: &OsStr, new: NewInode, now: Stamp) -> Result<Ino, Errno> {
        self.check_new_name(directory, name)?;
        let ino = self.make(directory, new, now)?;
        self.edit_names(vec![NameEdit::set(directory, name, ino)], now)?;
        Ok(ino)
    }

    /// Creates a file without a name, which [`Model::link`] can give it one.
    pub fn create_unnamed(&mut self, directory: Ino, new: NewInode, now: Stamp) -> Result<Ino, Errno> {
        self.make(directory, new, now)
    }

    fn make(&mut self, directory: Ino, new: NewInode, now: Stamp) -> Result<Ino, Errno> {
        let parent = &self.inode(directory)?.attributes;
        let inherits = parent.mode & S_ISGID != 0;
        let gid = if inherits { parent.gid } else { new.gid };
        let extra = if inherits && new.kind == Kind::Directory { S_ISGID } else { 0 };
        let attributes = Attributes {
            mode: new.mode & 0o7777 | extra,
            uid: new.uid,
            gid,
            accessed: now,
            modified: now,
            changed: now,
            ..Attributes::default()
        };
        let ino = self.next_ino;
        self.next_ino += 1;
        let mut inode = Inode::new(new.kind, attributes);
        inode.place.0 = directory;
        self.inodes.insert(ino, inode);
        Ok(ino)
    }

    /// Gives an inode another name.
    pub fn link(&mut self, ino: Ino, directory: Ino, name: &OsStr, now: Stamp) -> Result<(), Errno> {
        self.check_new_name(directory, name)?;
        if self.inode(ino)?.is_directory() {
            return Err(Errno::EPERM);
        }
        self.inode_mut(ino)?.attributes.changed = now;
        self.edit_names(vec![NameEdit::set(directory, name, ino)], now)
    }

    /// Removes the name of something that is no directory. EISDIR.
    pub fn unlink(&mut self, directory: Ino, name: &OsStr, now: Stamp) -> Result<(), Errno> {
        let ino = self.lookup(directory, name)?;
        if self.inode(ino)?.is_directory() {
            return Err(Errno::EISDIR);
        }
        self.edit_names(vec![NameEdit::remove(directory, name)], now)
    }

    /// Removes an empty directory. ENOTDIR, ENOTEMPTY.
    pub fn rmdir(&mut self, directory: Ino, name: &OsStr, now: Stamp) -> Result<(), Errno> {
        let inode = self.inode(self.lookup(directory, name)?)?;
        match inode.is_directory() {
            false => Err(Errno::ENOTDIR),
            true if !inode.entries.is_empty() => Err(Errno::ENOTEMPTY),
            true => self.edit_names(vec![NameEdit::remove(directory, name)], now),
        }
    }

    /// Renames, in one edit.
    pub fn rename(
        &mut self,
        (from, name): (Ino, &OsStr),
        (to, new_name): (Ino, &OsStr),
        flags: RenameFlags,
        now: Stamp,
    ) -> Result<(), Errno> {
        let ino = self.lookup(from, name)?;
        let there = self.entry(to, new_name)?;
        check_name(new_name)?;
        if flags.exchange {
            let there = there.ok_or(Errno::ENOENT)?;
            return self.edit_names(vec![NameEdit::set(from, name, there), NameEdit::set(to, new_name, ino)], now);
        }
        if there == Some(ino) {
            return Ok(());
        }
        if let Some(there) = there {
            self.check_replaceable(there, ino, flags)?;
            self.record_flush(ino);
        }
        self.inode_mut(ino)?.attributes.changed = now;
        self.edit_names(vec![NameEdit::remove(from, name), NameEdit::set(to, new_name, ino)], now)
    }

    fn check_replaceable(&self, there: Ino, by: Ino, flags: RenameFlags) -> Result<(), Errno> {
        let (there, by) = (self.inode(there)?, self.inode(by)?);
        match (there.is_directory(), by.is_directory()) {
            _ if flags.no_replace => Err(Errno::EEXIST),
            (true, false) => Err(Errno::EISDIR),
            (false, true) => Err(Errno::ENOTDIR),
            (true, true) if !there.entries.is_empty() => Err(Errno::ENOTEMPTY),
            _ => Ok(()),
        }
    }

    fn check_new_name(&self, directory: Ino, name: &OsStr) -> Result<(), Errno> {
        check_name(name)?;
        match self.entry(directory, name)? {
            Some(_) => Err(Errno::EEXIST),
            None if self.inode(directory)?.links == 0 => Err(Errno::ENOENT),
            None => Ok(()),
        }
    }

    /// Changes names, live at once and durable when the journal is committed.
    fn edit_names(&mut self, edits: Vec<NameEdit>, now: Stamp) -> Result<(), Errno> {
        let mut touched = Vec::new();
        for edit in &edits {
            let directory = self.inode_mut(edit.directory)?;
            (directory.attributes.modified, directory.attributes.changed) = (now, now);
            let old = match edit.to {
                Some(ino) => directory.entries.insert(edit.name.clone(), ino),
                None => directory.entries.remove(&edit.name),
            };
            if let Some(ino) = edit.to {
                self.name_set(edit.directory, &edit.name, ino);
            }
            if let Some(old) = old {
                self.name_gone(edit.directory, old, now);
                touched.push(old);
            }
        }
        self.record(Edit::names(edits));
        touched.into_iter().for_each(|ino| self.reap(ino));
        Ok(())
    }

    fn name_set(&mut self, directory: Ino, name: &OsStr, ino: Ino) {
        let Some(inode) = self.inodes.get_mut(&ino) else { return };
        inode.links += 1;
        inode.place = (directory, name.to_owned());
        let grows = inode.is_directory();
        if grows && let Some(parent) = self.inodes.get_mut(&directory) {
            parent.subdirectories += 1;
        }
    }

    fn name_gone(&mut self, directory: Ino, ino: Ino, now: Stamp) {
        let Some(inode) = self.inodes.get_mut(&ino) else { return };
        inode.links -= 1;
        inode.attributes.changed = now;
        let shrinks = inode.is_directory();
        if shrinks && let Some(parent) = self.inodes.get_mut(&directory) {
            parent.subdirectories -= 1;
        }
    }

    /// Below the root, as a program would write it: `wal/0001.log`. A file with several names has the last one given.
    pub fn path(&self, ino: Ino) -> String {
        let mut parts = Vec::new();
        let mut at = ino;
        while at != ROOT
            && let Some(inode) = self.inodes.get(&at)
        {
            parts.push(inode.place.1.to_string_lossy());
            at = inode.place.0;
        }
        parts.reverse();
        parts.join("/")
    }

    /// Names and inodes of a directory, in order.
    pub fn entries(&self, directory: Ino) -> Result<Vec<(OsString, Ino)>, Errno> {
        let directory = self.inode(directory)?;
        Ok(directory.entries.iter().map(|(name, ino)| (name.clone(), *ino)).collect())
    }

    /// The directory that a directory is in.
    pub fn parent(&self, ino: Ino) -> Ino {
        self.inodes.get(&ino).map_or(ROOT, |inode| inode.place.0)
    }
}

fn check_name(name: &OsStr) -> Result<(), Errno> {
    if name.len() > NAME_BYTES { Err(Errno::ENAMETOOLONG) } else { Ok(()) }
}
