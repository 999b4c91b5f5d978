//! The data of a node in a directory of this machine.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Debug;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

use super::Harm;
use super::damage::{self, FileDamage, Files};
use crate::disk::matches;

/// A directory with more bytes is not kept in memory.
pub const LARGEST_BACKUP: u64 = 1 << 30;

/// A directory and all below it, as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tree {
    /// By path below the directory; a directory comes before what is in it.
    entries: BTreeMap<PathBuf, Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    kind: Kind,
    mode: u32,
    owner: (u32, u32),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Directory,
    File(Vec<u8>),
    Link(OsString),
}

impl Tree {
    /// All that is there now.
    pub(super) fn of(root: &Path) -> io::Result<Tree> {
        let mut tree = Tree::default();
        let mut bytes = 0;
        tree.add(root, Path::new(""), &mut bytes)?;
        Ok(tree)
    }

    fn add(&mut self, root: &Path, below: &Path, bytes: &mut u64) -> io::Result<()> {
        for entry in fs::read_dir(root.join(below))? {
            let path = below.join(entry?.file_name());
            let about = fs::symlink_metadata(root.join(&path))?;
            let kind = match about.file_type() {
                kind if kind.is_dir() => Kind::Directory,
                kind if kind.is_symlink() => Kind::Link(fs::read_link(root.join(&path))?.into_os_string()),
                kind if kind.is_file() => {
                    *bytes += about.len();
                    if *bytes > LARGEST_BACKUP {
                        let what = format!("{} holds more than {LARGEST_BACKUP} bytes", root.display());
                        return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
                    }
                    Kind::File(fs::read(root.join(&path))?)
                }
                _ => continue,
            };
            let is_directory = kind == Kind::Directory;
            let entry = Entry { kind, mode: about.mode() & 0o7777, owner: (about.uid(), about.gid()) };
            self.entries.insert(path.clone(), entry);
            if is_directory {
                self.add(root, &path, bytes)?;
            }
        }
        Ok(())
    }

    /// Its files, by path.
    fn files(&self) -> impl Iterator<Item = (&PathBuf, &Vec<u8>)> {
        self.entries.iter().filter_map(|(path, entry)| match &entry.kind {
            Kind::File(data) => Some((path, data)),
            _ => None,
        })
    }

    fn put(&self, root: &Path) -> io::Result<()> {
        for (path, entry) in &self.entries {
            let path = root.join(path);
            match &entry.kind {
                Kind::Directory => fs::create_dir(&path)?,
                Kind::File(data) => fs::write(&path, data)?,
                Kind::Link(to) => symlink(to, &path)?,
            }
            // An ordinary user's files are that user's in any case.
            let _ = lchown(&path, Some(entry.owner.0), Some(entry.owner.1));
        }
        // Backwards, because a directory may be one in which nothing can be made.
        for (path, entry) in self.entries.iter().rev().filter(|(_, entry)| !matches!(entry.kind, Kind::Link(_))) {
            fs::set_permissions(root.join(path), Permissions::from_mode(entry.mode))?;
        }
        Ok(())
    }

    /// What is no longer as it was in `before`.
    fn since(&self, before: &Tree) -> Harm {
        let (old, new): (BTreeMap<_, _>, BTreeMap<_, _>) = (before.files().collect(), self.files().collect());
        differences(&old, &new)
    }
}

/// Files that are in one of both, or not the same in both. Bytes count once.
pub(super) fn differences<P: Ord + Debug, D: AsRef<[u8]>>(old: &BTreeMap<P, D>, new: &BTreeMap<P, D>) -> Harm {
    let mut harm = Harm::default();
    let gone = old.keys().filter(|path| !new.contains_key(path));
    for path in new.keys().chain(gone) {
        let [old, new] = [old, new].map(|files| files.get(path).map(AsRef::as_ref).unwrap_or_default());
        if old != new {
            let common = old.iter().zip(new).filter(|(old, new)| old != new).count();
            let bytes = (common + old.len().abs_diff(new.len())) as u64;
            (harm.files, harm.bytes) = (harm.files + 1, harm.bytes + bytes);
            harm.note(|| format!("{path:?}: {bytes} bytes").replace('"', ""));
        }
    }
    harm
}

/// Removes everything in a directory, and leaves the directory.
pub(super) fn wipe(root: &Path) -> io::Result<Harm> {
    let mut harm = Harm::default();
    for (path, bytes) in (Directory { root }).list("")? {
        (harm.files, harm.bytes) = (harm.files + 1, harm.bytes + bytes);
        harm.note(|| format!("{path}: {bytes} bytes"));
    }
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => fs::remove_dir_all(entry.path())?,
            false => fs::remove_file(entry.path())?,
        }
    }
    Ok(harm)
}

pub(super) fn roll_back(root: &Path, to: &Tree) -> io::Result<Harm> {
    let now = Tree::of(root)?;
    wipe(root)?;
    to.put(root)?;
    Ok(to.since(&now))
}

pub(super) fn damage(root: &Path, what: &FileDamage) -> io::Result<Harm> {
    damage::damage(&mut Directory { root }, what)
}

/// Path below the root and size of each file that matches.
fn collect(root: &Path, below: &Path, pattern: &str, found: &mut Vec<(String, u64)>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(below))? {
        let entry = entry?;
        let (path, kind) = (below.join(entry.file_name()), entry.file_type()?);
        let name = path.to_string_lossy().into_owned();
        if kind.is_dir() {
            collect(root, &path, pattern, found)?;
        } else if kind.is_file() && matches(pattern, &name) {
            found.push((name, entry.metadata()?.len()));
        }
    }
    Ok(())
}

struct Directory<'a> {
    root: &'a Path,
}

impl Files for Directory<'_> {
    fn list(&self, pattern: &str) -> io::Result<Vec<(String, u64)>> {
        let mut files = Vec::new();
        collect(self.root, Path::new(""), pattern, &mut files)?;
        files.sort();
        Ok(files)
    }

    fn read(&mut self, path: &str, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let mut data = vec![0; len];
        File::open(self.root.join(path))?.read_exact_at(&mut data, offset)?;
        Ok(data)
    }

    fn write(&mut self, path: &str, offset: u64, data: &[u8]) -> io::Result<()> {
        OpenOptions::new().write(true).open(self.root.join(path))?.write_all_at(data, offset)
    }

    fn truncate(&mut self, path: &str, size: u64) -> io::Result<()> {
        OpenOptions::new().write(true).open(self.root.join(path))?.set_len(size)
    }
}
