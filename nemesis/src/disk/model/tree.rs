//! The disk as a whole: snapshots, wiping, bringing files in and out.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use super::content::Content;
use super::inode::{Ino, ROOT};
use super::{Inode, Kind, Model, NewInode};

/// All that was on a disk at one moment, as programs saw it. Shares its blocks with the disk.
#[derive(Clone, Debug)]
pub struct Snapshot {
    inodes: BTreeMap<Ino, Inode>,
}

impl Snapshot {
    /// Bytes of all files, holes included.
    pub fn bytes(&self) -> u64 {
        self.inodes.values().map(|inode| inode.live.size()).sum()
    }
}

impl Model {
    /// What is on the disk now, without damage.
    pub fn snapshot(&self) -> Snapshot {
        let reachable = self.inodes.iter().filter(|(_, inode)| inode.links > 0);
        let mut inodes: BTreeMap<Ino, Inode> = reachable.map(|(ino, inode)| (*ino, inode.clone())).collect();
        for inode in inodes.values_mut() {
            inode.settle_all();
        }
        Snapshot { inodes }
    }

    /// Makes the disk what it was, durably. What is open stays readable, though without a name.
    pub fn restore(&mut self, snapshot: &Snapshot) {
        self.wipe();
        let shift = self.next_ino - ROOT;
        let moved = |ino: Ino| if ino == ROOT { ROOT } else { ino + shift };
        for (ino, inode) in &snapshot.inodes {
            let mut inode = inode.clone();
            for to in inode.entries.values_mut() {
                *to = moved(*to);
            }
            inode.durable_entries = inode.entries.clone();
            inode.lookups = if *ino == ROOT { self.inodes[&ROOT].lookups } else { 0 };
            self.next_ino = self.next_ino.max(moved(*ino) + 1);
            self.inodes.insert(moved(*ino), inode);
        }
        self.recount();
    }

    /// Removes everything, durably.
    pub fn wipe(&mut self) {
        self.journal.clear();
        for (ino, inode) in &mut self.inodes {
            inode.pending = 0;
            if *ino == ROOT {
                inode.settle_all();
                inode.entries.clear();
                inode.durable_entries.clear();
                inode.subdirectories = 0;
            } else {
                (inode.links, inode.durable_links) = (0, 0);
            }
        }
        let all: Vec<Ino> = self.inodes.keys().copied().collect();
        all.into_iter().for_each(|ino| self.reap(ino));
    }

    /// The files whose paths match a pattern, with their sizes, in order of their numbers.
    pub fn files(&self, pattern: &str) -> Vec<(Ino, String, u64)> {
        let files = self.inodes.iter().filter(|(_, inode)| inode.kind == Kind::File && inode.links > 0);
        let named = files.map(|(ino, inode)| (*ino, self.path(*ino), inode.live.size()));
        named.filter(|(_, path, _)| crate::disk::fault::matches(pattern, path)).collect()
    }

    fn recount(&mut self) {
        self.sync();
        let open: BTreeMap<Ino, (u32, u32)> = self
            .inodes
            .iter()
            .filter(|(_, i)| i.links == 0)
            .map(|(ino, i)| (*ino, (i.links, i.durable_links)))
            .collect();
        self.count_links();
        for (ino, (links, durable_links)) in open {
            if let Some(inode) = self.inodes.get_mut(&ino) {
                (inode.links, inode.durable_links) = (links, durable_links);
            }
        }
        self.used = self.inodes.values().map(|inode| inode.live.block_count()).sum();
    }

    /// Adds what is in a directory of this machine, durably. Sockets, pipes and devices are left out. On an error part
    /// of it may have been added.
    pub fn import(&mut self, from: &Path) -> io::Result<()> {
        self.import_into(ROOT, from)?;
        self.sync();
        Ok(())
    }

    fn import_into(&mut self, directory: Ino, from: &Path) -> io::Result<()> {
        let mut entries = fs::read_dir(from)?.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            self.import_one(directory, &entry.file_name(), &entry.path())?;
        }
        Ok(())
    }

    fn import_one(&mut self, directory: Ino, name: &OsStr, path: &Path) -> io::Result<()> {
        let about = fs::symlink_metadata(path)?;
        let now =
            u64::try_from(about.mtime_nsec()).unwrap_or(0) + 1_000_000_000 * u64::try_from(about.mtime()).unwrap_or(0);
        let kind = match about.file_type() {
            kind if kind.is_dir() => Kind::Directory,
            kind if kind.is_file() => Kind::File,
            kind if kind.is_symlink() => Kind::Symlink(fs::read_link(path)?.into_os_string()),
            _ => return Ok(()),
        };
        let (is_directory, is_file) = (kind == Kind::Directory, kind == Kind::File);
        let new = NewInode { kind, mode: about.permissions().mode() & 0o7777, uid: about.uid(), gid: about.gid() };
        let ino = self.create(directory, name, new, now)?;
        if is_directory {
            self.import_into(ino, path)?;
        } else if is_file {
            self.write(ino, 0, &fs::read(path)?, now)?;
        }
        Ok(())
    }
}

impl Snapshot {
    /// Copies everything into a directory of this machine, which is made. Holes become zeros or holes; owners become
    /// whoever runs this; sockets and pipes are left out.
    pub fn export(&self, to: &Path) -> io::Result<()> {
        fs::create_dir_all(to)?;
        self.export_directory(ROOT, to)
    }

    fn export_directory(&self, ino: Ino, to: &Path) -> io::Result<()> {
        for (name, child) in &self.inodes[&ino].entries {
            let path = to.join(name);
            let Some(inode) = self.inodes.get(child) else { continue };
            match &inode.kind {
                Kind::Directory => {
                    fs::create_dir_all(&path)?;
                    self.export_directory(*child, &path)?;
                }
                Kind::File => export_file(&inode.live, &path)?,
                Kind::Symlink(target) => symlink(target, &path)?,
                Kind::Special(_) => {}
            }
        }
        Ok(())
    }
}

fn export_file(content: &Content, path: &Path) -> io::Result<()> {
    use std::os::unix::fs::FileExt;
    let file = fs::File::create(path)?;
    file.set_len(content.size())?;
    let block_bytes = super::BLOCK;
    for block in content.allocated() {
        file.write_all_at(&content.read(block * block_bytes, block_bytes as usize), block * block_bytes)?;
    }
    Ok(())
}

impl Inode {
    /// Makes the durable state the live one, and whatever else is of the moment empty.
    fn settle_all(&mut self) {
        self.clear_log();
        self.dirty.clear();
        self.forgotten = 0;
        self.durable = self.live.clone();
        self.durable_attributes = self.attributes.clone();
        self.durable_entries = self.entries.clone();
        self.overlay = super::overlay::Overlay::default();
        (self.pending, self.lookups, self.opens) = (0, 0, 0);
    }
}
