//! One request after the other, from bytes to the model and back.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use nix::errno::Errno;

use super::abi::{self, Cursor, Header, Out, capability, fattr, opcode};
use super::session::{Stale, State, stamp};
use crate::disk::fault::Operation;
use crate::disk::model::{BLOCK, Change, Ino, Kind, Model, NewInode, ROOT, RenameFlags};
use crate::disk::rules::Decision;

type Answer = Result<Vec<u8>, Errno>;

/// What an unlimited disk says of its size.
const ROOMY_BYTES: u64 = 1 << 40;

/// Agrees on how to speak.
pub(super) fn init(mut body: Cursor) -> Answer {
    let (major, _minor, readahead, offered) = (body.u32()?, body.u32()?, body.u32()?, body.u32()?);
    if major != abi::MAJOR {
        return Err(Errno::EPROTO);
    }
    let wanted = capability::ASYNC_READ
        | capability::BIG_WRITES
        | capability::PARALLEL_DIROPS
        | capability::MAX_PAGES
        | capability::CACHE_SYMLINKS
        | capability::HANDLE_KILLPRIV_V2;
    let (background, congestion, granularity_ns) = (64, 48, 1);
    let out = Out::default().u32(abi::MAJOR).u32(abi::MINOR).u32(readahead).u32(offered & wanted);
    let out = out.u16(background).u16(congestion).u32(abi::MAX_WRITE).u32(granularity_ns).u16(abi::MAX_PAGES).u16(0);
    Ok((0..8).fold(out, |out, _| out.u32(0)).0)
}

/// What a program wants, if faults can be had on it.
pub(super) fn operation(header: &Header, mut body: Cursor) -> Option<Operation> {
    Some(match header.opcode {
        opcode::LOOKUP => Operation::Lookup,
        opcode::OPEN => Operation::Open,
        opcode::CREATE | opcode::MKNOD | opcode::TMPFILE => Operation::Create,
        opcode::READ => Operation::Read,
        opcode::WRITE | opcode::COPY_FILE_RANGE => Operation::Write,
        opcode::SETATTR if body.u32().is_ok_and(|valid| valid & fattr::SIZE != 0) => Operation::Truncate,
        opcode::SETATTR | opcode::SETXATTR | opcode::REMOVEXATTR => Operation::Attributes,
        opcode::FALLOCATE => Operation::Allocate,
        opcode::FSYNC => Operation::Fsync,
        opcode::FSYNCDIR => Operation::Fsyncdir,
        opcode::RENAME | opcode::RENAME2 => Operation::Rename,
        opcode::LINK | opcode::SYMLINK => Operation::Link,
        opcode::UNLINK => Operation::Unlink,
        opcode::MKDIR => Operation::Mkdir,
        opcode::RMDIR => Operation::Rmdir,
        opcode::OPENDIR => Operation::Readdir,
        opcode::STATFS => Operation::Statfs,
        _ => return None,
    })
}

/// The paths that a request speaks of.
pub(super) fn paths(model: &Model, header: &Header, body: Cursor) -> Vec<String> {
    let below = |directory: Ino, name: &OsStr| {
        let (path, name) = (model.path(directory), name.to_string_lossy());
        if path.is_empty() { name.into_owned() } else { format!("{path}/{name}") }
    };
    match names(header, body) {
        Ok(names) if !names.is_empty() => names.into_iter().map(|(directory, name)| below(directory, name)).collect(),
        _ => vec![model.path(header.ino)],
    }
}

/// The names that a request speaks of, with their directories.
fn names<'a>(header: &Header, mut body: Cursor<'a>) -> Result<Vec<(Ino, &'a OsStr)>, Errno> {
    let skipped = match header.opcode {
        opcode::LOOKUP | opcode::UNLINK | opcode::RMDIR | opcode::SYMLINK => 0,
        opcode::MKDIR | opcode::LINK => 8,
        opcode::MKNOD | opcode::CREATE => 16,
        opcode::RENAME | opcode::RENAME2 => {
            let to = body.u64()?;
            body.skip(if header.opcode == opcode::RENAME2 { 8 } else { 0 })?;
            return Ok(vec![(header.ino, body.name()?), (to, body.name()?)]);
        }
        _ => return Ok(Vec::new()),
    };
    body.skip(skipped)?;
    Ok(vec![(header.ino, body.name()?)])
}

impl State {
    /// Does what is asked, as far as the decision lets it.
    pub(super) fn perform(&mut self, header: &Header, body: Cursor, decision: &Decision) -> Answer {
        if decision.forget {
            self.model.fsync_that_forgets(header.ino)?;
        }
        if let Some(errno) = decision.error {
            return Err(errno);
        }
        match header.opcode {
            opcode::LOOKUP => self.lookup(header, body),
            opcode::GETATTR => self.stat(header.ino),
            opcode::SETATTR => self.set_attributes(header, body),
            opcode::READLINK => Ok(self.model.target(header.ino)?.as_bytes().to_vec()),
            opcode::SYMLINK | opcode::MKNOD | opcode::MKDIR => self.make(header, body),
            opcode::UNLINK => self.model.unlink(header.ino, { body }.name()?, stamp()).map(|()| Vec::new()),
            opcode::RMDIR => self.model.rmdir(header.ino, { body }.name()?, stamp()).map(|()| Vec::new()),
            opcode::RENAME | opcode::RENAME2 => self.rename(header, body),
            opcode::LINK => self.link(header, body),
            opcode::OPEN => {
                self.model.opened(header.ino);
                Ok(Out::default().opened(0, abi::OPEN_KEEP_CACHE).0)
            }
            opcode::CREATE | opcode::TMPFILE => self.create(header, body),
            opcode::READ => self.read(header, body, decision),
            opcode::WRITE => self.write(header, body, decision),
            opcode::COPY_FILE_RANGE => self.copy(header, body),
            opcode::FALLOCATE => self.allocate(header, body),
            opcode::LSEEK => self.seek(header, body),
            opcode::FSYNC | opcode::FSYNCDIR => self.fsync(header, body, decision),
            opcode::RELEASE => {
                self.model.closed(header.ino);
                Ok(Vec::new())
            }
            opcode::OPENDIR => self.open_directory(header),
            opcode::READDIR => self.list(header, body),
            opcode::RELEASEDIR => {
                self.listings.remove(&{ body }.u64()?);
                Ok(Vec::new())
            }
            opcode::STATFS => Ok(self.statfs()),
            opcode::SETXATTR | opcode::GETXATTR | opcode::LISTXATTR | opcode::REMOVEXATTR => {
                self.extended(header, body)
            }
            _ => Err(Errno::ENOSYS),
        }
    }

    /// Tells the kernel of an inode, which it will have to forget again.
    fn entry(&mut self, ino: Ino) -> Result<Out, Errno> {
        self.model.looked_up(ino);
        Ok(Out::default().entry(ino, self.model.inode(ino)?))
    }

    fn lookup(&mut self, header: &Header, mut body: Cursor) -> Answer {
        let ino = match body.name()? {
            name if name == "." => header.ino,
            name if name == ".." => self.model.parent(header.ino),
            name => self.model.lookup(header.ino, name)?,
        };
        Ok(self.entry(ino)?.0)
    }

    fn stat(&self, ino: Ino) -> Answer {
        Ok(Out::default().stat(ino, self.model.inode(ino)?).0)
    }

    fn set_attributes(&mut self, header: &Header, mut body: Cursor) -> Answer {
        let valid = body.u32()?;
        body.skip(12)?;
        let size = body.u64()?;
        body.skip(8)?;
        let seconds = [body.u64()?, body.u64()?, body.u64()?];
        let nanoseconds = [body.u32()?, body.u32()?, body.u32()?];
        let mode = body.u32()?;
        body.skip(4)?;
        let (uid, gid) = (body.u32()?, body.u32()?);
        let now = stamp();
        let given = |bit: u32, value: u32| (valid & bit != 0).then_some(value);
        let time = |bit: u32, now_bit: u32, at: usize| match valid {
            _ if valid & now_bit != 0 => Some(now),
            _ if valid & bit != 0 => Some(abi::stamp(seconds[at], nanoseconds[at])),
            _ => None,
        };
        if valid & fattr::SIZE != 0 {
            self.model.truncate(header.ino, size, now)?;
        }
        let change = Change {
            mode: given(fattr::MODE, mode),
            uid: given(fattr::UID, uid),
            gid: given(fattr::GID, gid),
            accessed: time(fattr::ATIME, fattr::ATIME_NOW, 0),
            modified: time(fattr::MTIME, fattr::MTIME_NOW, 1),
            drop_privileges: valid & fattr::KILL_SUIDGID != 0,
        };
        let others = fattr::MODE | fattr::UID | fattr::GID | fattr::ATIME | fattr::MTIME | fattr::KILL_SUIDGID;
        if valid & others != 0 {
            self.model.set_attributes(header.ino, &change, now)?;
        }
        self.stat(header.ino)
    }

    fn make(&mut self, header: &Header, mut body: Cursor) -> Answer {
        let (kind, mode, name) = match header.opcode {
            opcode::SYMLINK => {
                let name = body.name()?;
                (Kind::Symlink(body.name()?.to_owned()), 0o777, name)
            }
            opcode::MKDIR => {
                let (mode, umask) = (body.u32()?, body.u32()?);
                (Kind::Directory, mode & !umask, body.name()?)
            }
            _ => {
                let (mode, _device, umask) = (body.u32()?, body.u32()?, body.u32()?);
                body.skip(4)?;
                (special(mode)?, mode & !umask, body.name()?)
            }
        };
        let new = NewInode { kind, mode, uid: header.uid, gid: header.gid };
        let ino = self.model.create(header.ino, name, new, stamp())?;
        Ok(self.entry(ino)?.0)
    }

    fn create(&mut self, header: &Header, mut body: Cursor) -> Answer {
        let (_flags, mode, umask) = (body.u32()?, body.u32()?, body.u32()?);
        body.skip(4)?;
        let new = NewInode { kind: Kind::File, mode: mode & !umask, uid: header.uid, gid: header.gid };
        let ino = if header.opcode == opcode::TMPFILE {
            self.model.create_unnamed(header.ino, new, stamp())?
        } else {
            self.model.create(header.ino, body.name()?, new, stamp())?
        };
        self.model.opened(ino);
        Ok(self.entry(ino)?.opened(0, abi::OPEN_KEEP_CACHE).0)
    }

    fn rename(&mut self, header: &Header, mut body: Cursor) -> Answer {
        let to = body.u64()?;
        let flags = if header.opcode == opcode::RENAME2 { body.u64()? as u32 } else { 0 };
        let known = libc::RENAME_NOREPLACE | libc::RENAME_EXCHANGE;
        if flags & !known != 0 {
            return Err(Errno::EINVAL);
        }
        let flags = RenameFlags {
            no_replace: flags & libc::RENAME_NOREPLACE != 0,
            exchange: flags & libc::RENAME_EXCHANGE != 0,
        };
        let (name, new_name) = (body.name()?, body.name()?);
        self.model.rename((header.ino, name), (to, new_name), flags, stamp())?;
        Ok(Vec::new())
    }

    fn link(&mut self, header: &Header, mut body: Cursor) -> Answer {
        let ino = body.u64()?;
        self.model.link(ino, header.ino, body.name()?, stamp())?;
        Ok(self.entry(ino)?.0)
    }

    fn read(&mut self, header: &Header, mut body: Cursor, decision: &Decision) -> Answer {
        let (_handle, offset, size) = (body.u64()?, body.u64()?, body.u32()?);
        let mut data = self.model.read(header.ino, offset, size as usize)?;
        if let Some(choice) = decision.misread {
            self.misread(header.ino, offset, &mut data, choice)?;
        }
        let flips = if data.is_empty() { &[] } else { decision.flips.as_slice() };
        for random in flips {
            let bit = random % (data.len() as u64 * 8);
            data[(bit / 8) as usize] ^= 1 << (bit % 8);
        }
        Ok(data)
    }

    /// The first block of what was read is another one of the file, if there is another one.
    fn misread(&self, ino: Ino, offset: u64, data: &mut [u8], choice: u64) -> Result<(), Errno> {
        let count = self.model.inode(ino)?.size().div_ceil(BLOCK);
        if count < 2 {
            return Ok(());
        }
        let other = (offset / BLOCK + 1 + choice % (count - 1)) % count;
        let len = data.len().min((BLOCK - offset % BLOCK) as usize);
        let mut wrong = self.model.read(ino, other * BLOCK + offset % BLOCK, len)?;
        wrong.resize(len, 0);
        data[..len].copy_from_slice(&wrong);
        Ok(())
    }

    fn write(&mut self, header: &Header, mut body: Cursor, decision: &Decision) -> Answer {
        let (_handle, offset, size, flags) = (body.u64()?, body.u64()?, body.u32()?, body.u32()?);
        body.skip(16)?;
        let data = body.bytes(size as usize)?;
        match decision.astray {
            Some((fault, astray)) => {
                let changed = self.model.write_astray(header.ino, offset, data, stamp(), fault, astray)?;
                self.stale.extend(changed.into_iter().map(|(offset, len)| Stale::Range(header.ino, offset, len)));
            }
            None => self.model.write(header.ino, offset, data, stamp())?,
        }
        if flags & abi::WRITE_KILL_SUIDGID != 0 {
            self.model.drop_privileges(header.ino)?;
        }
        self.stats.written_bytes += u64::from(size);
        self.model.bound_log();
        Ok(Out::default().u32(size).u32(0).0)
    }

    fn copy(&mut self, header: &Header, mut body: Cursor) -> Answer {
        let (_handle, from, to, _to_handle) = (body.u64()?, body.u64()?, body.u64()?, body.u64()?);
        let (to_offset, len) = (body.u64()?, body.u64()?);
        let data = self.model.read(header.ino, from, len.min(u64::from(abi::MAX_WRITE)) as usize)?;
        self.model.write(to, to_offset, &data, stamp())?;
        self.model.bound_log();
        self.stats.written_bytes += data.len() as u64;
        Ok(Out::default().u32(data.len() as u32).u32(0).0)
    }

    fn allocate(&mut self, header: &Header, mut body: Cursor) -> Answer {
        let (_handle, offset, len, mode) = (body.u64()?, body.u64()?, body.u64()?, body.u32()? as i32);
        let keep = mode & libc::FALLOC_FL_KEEP_SIZE != 0;
        let now = stamp();
        match mode & !libc::FALLOC_FL_KEEP_SIZE {
            0 => self.model.allocate(header.ino, offset, len, keep, now)?,
            libc::FALLOC_FL_PUNCH_HOLE if keep => self.model.punch(header.ino, offset, len, now)?,
            libc::FALLOC_FL_ZERO_RANGE => {
                self.model.punch(header.ino, offset, len, now)?;
                self.model.allocate(header.ino, offset, len, keep, now)?;
            }
            _ => return Err(Errno::EOPNOTSUPP),
        }
        Ok(Vec::new())
    }

    fn seek(&mut self, header: &Header, mut body: Cursor) -> Answer {
        let (_handle, offset, whence) = (body.u64()?, body.u64()?, body.u32()? as i32);
        let hole = match whence {
            libc::SEEK_DATA => false,
            libc::SEEK_HOLE => true,
            _ => return Err(Errno::EINVAL),
        };
        Ok(Out::default().u64(self.model.seek(header.ino, offset, hole)?).0)
    }

    fn fsync(&mut self, header: &Header, mut body: Cursor, decision: &Decision) -> Answer {
        let (_handle, flags) = (body.u64()?, body.u32()?);
        if !decision.lie {
            self.model.fsync(header.ino, flags & abi::FSYNC_DATA_ONLY != 0)?;
        }
        Ok(Vec::new())
    }

    /// What is listed is what there was when the directory was opened: removing while listing skips nothing.
    fn open_directory(&mut self, header: &Header) -> Answer {
        let handle = self.next_handle;
        self.next_handle += 1;
        let listing = self.listing(header.ino)?;
        self.listings.insert(handle, listing);
        Ok(Out::default().opened(handle, 0).0)
    }

    fn listing(&self, directory: Ino) -> Result<Vec<(std::ffi::OsString, Ino, u32)>, Errno> {
        let own = [(".", directory), ("..", self.model.parent(directory))];
        let own = own.map(|(name, ino)| (name.into(), ino, libc::S_IFDIR));
        let kind = |ino: Ino| self.model.inode(ino).map_or(0, |inode| abi::file_type(inode.kind()));
        let entries = self.model.entries(directory)?.into_iter().map(|(name, ino)| (name, ino, kind(ino)));
        Ok(own.into_iter().chain(entries).collect())
    }

    fn list(&mut self, header: &Header, mut body: Cursor) -> Answer {
        let (handle, offset, size) = (body.u64()?, body.u64()?, body.u32()?);
        if offset == 0 {
            let listing = self.listing(header.ino)?;
            self.listings.insert(handle, listing);
        }
        let listing = self.listings.get(&handle).ok_or(Errno::EBADF)?;
        let mut out = Out::default();
        for (at, (name, ino, kind)) in listing.iter().enumerate().skip(offset as usize) {
            out = match out.directory_entry(at as u64 + 1, *ino, *kind, name, size as usize) {
                Ok(out) => out,
                Err(full) => return Ok(full.0),
            };
        }
        Ok(out.0)
    }

    fn statfs(&self) -> Vec<u8> {
        let (used, quota) = self.model.usage();
        let (total, used) = (quota.unwrap_or(ROOMY_BYTES) / BLOCK, used / BLOCK);
        let free = total.saturating_sub(used);
        let (files, names) = (1 << 32, 255);
        let out = Out::default().u64(total).u64(free).u64(free).u64(files).u64(files - self.model.inode_count() as u64);
        let out = out.u32(BLOCK as u32).u32(names).u32(BLOCK as u32);
        (0..7).fold(out, |out, _| out.u32(0)).0
    }

    fn extended(&mut self, header: &Header, mut body: Cursor) -> Answer {
        match header.opcode {
            opcode::SETXATTR => {
                let (size, flags) = (body.u32()?, body.u32()? as i32);
                let (name, value) = (body.name()?, body.bytes(size as usize)?);
                let strict = (flags & libc::XATTR_CREATE != 0, flags & libc::XATTR_REPLACE != 0);
                self.model.set_extended(header.ino, name, value, strict, stamp())?;
                Ok(Vec::new())
            }
            opcode::REMOVEXATTR => {
                self.model.remove_extended(header.ino, body.name()?, stamp())?;
                Ok(Vec::new())
            }
            opcode::GETXATTR => {
                let size = body.u32()?;
                body.skip(4)?;
                let value = self.model.inode(header.ino)?.attributes().extended.get(body.name()?);
                sized(value.ok_or(Errno::ENODATA)?.clone(), size)
            }
            _ => {
                let size = body.u32()?;
                let names = self.model.inode(header.ino)?.attributes().extended.keys();
                sized(names.flat_map(|name| name.as_bytes().iter().copied().chain([0])).collect(), size)
            }
        }
    }
}

/// What was asked for, or how large it is when there is no room for it.
fn sized(value: Vec<u8>, room: u32) -> Answer {
    match room as usize {
        0 => Ok(Out::default().u32(value.len() as u32).u32(0).0),
        room if room < value.len() => Err(Errno::ERANGE),
        _ => Ok(value),
    }
}

fn special(mode: u32) -> Result<Kind, Errno> {
    match mode & libc::S_IFMT {
        libc::S_IFREG => Ok(Kind::File),
        bits @ (libc::S_IFIFO | libc::S_IFSOCK) => Ok(Kind::Special(bits)),
        _ => Err(Errno::EPERM),
    }
}

// The root of the disk is the root that the kernel asks for.
const _: () = assert!(ROOT == 1);
