//! The data of a node on a simulated disk. What is done is durable, as it is on a disk that was taken out and put back.

use std::collections::BTreeMap;
use std::io;

use super::Harm;
use super::damage::{self, FileDamage, Files};
use super::directory::differences;
use crate::disk::model::{Ino, Model, Stamp};
use crate::disk::{Disk, Snapshot};

/// A copy of what is on a disk, to look at and to change.
struct Copy {
    model: Model,
}

impl Copy {
    fn of(disk: &Disk, snapshot: &Snapshot) -> Copy {
        let spec = disk.spec();
        let mut model = Model::new(spec.persistence, spec.write_back, None, 0, 0);
        model.restore(snapshot);
        Copy { model }
    }

    /// A file, and when it was written last: damage does not announce itself by a date.
    fn file(&self, path: &str) -> io::Result<(Ino, Stamp)> {
        let found = self.model.files("").into_iter().find(|(_, known, _)| known == path);
        let (ino, ..) = found.ok_or(io::ErrorKind::NotFound)?;
        Ok((ino, self.model.inode(ino)?.attributes().modified))
    }

    fn contents(&self) -> BTreeMap<String, Vec<u8>> {
        let read = |(ino, path, size): (Ino, String, u64)| {
            let size = usize::try_from(size).unwrap_or(usize::MAX);
            Some((path, self.model.read(ino, 0, size).ok()?))
        };
        self.model.files("").into_iter().filter_map(read).collect()
    }
}

pub(super) fn wipe(disk: &Disk) -> Harm {
    let mut harm = Harm::default();
    for (_, path, bytes) in Copy::of(disk, &disk.snapshot()).model.files("") {
        (harm.files, harm.bytes) = (harm.files + 1, harm.bytes + bytes);
        harm.note(|| format!("{path}: {bytes} bytes"));
    }
    disk.wipe();
    harm
}

pub(super) fn roll_back(disk: &Disk, to: &Snapshot) -> Harm {
    let (old, new) = (Copy::of(disk, &disk.snapshot()), Copy::of(disk, to));
    disk.restore(to);
    differences(&old.contents(), &new.contents())
}

pub(super) fn damage(disk: &Disk, what: &FileDamage) -> io::Result<Harm> {
    let mut copy = Copy::of(disk, &disk.snapshot());
    let harm = damage::damage(&mut copy, what)?;
    disk.restore(&copy.model.snapshot());
    Ok(harm)
}

impl Files for Copy {
    fn list(&self, pattern: &str) -> io::Result<Vec<(String, u64)>> {
        let mut files: Vec<_> = self.model.files(pattern).into_iter().map(|(_, path, size)| (path, size)).collect();
        files.sort();
        Ok(files)
    }

    fn read(&mut self, path: &str, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let (ino, _) = self.file(path)?;
        Ok(self.model.read(ino, offset, len)?)
    }

    fn write(&mut self, path: &str, offset: u64, data: &[u8]) -> io::Result<()> {
        let (ino, modified) = self.file(path)?;
        Ok(self.model.write(ino, offset, data, modified)?)
    }

    fn truncate(&mut self, path: &str, size: u64) -> io::Result<()> {
        let (ino, modified) = self.file(path)?;
        Ok(self.model.truncate(ino, size, modified)?)
    }
}
