//! The FUSE protocol as bytes (Linux, `include/uapi/linux/fuse.h`, version 7): requests are read, answers are built.
//! Numbers are in the byte order of the machine.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use nix::errno::Errno;

use crate::disk::model::{Ino, Inode, Kind, Stamp};

/// Bytes of the header of a request.
pub(super) const HEADER_BYTES: usize = 40;
/// The largest write that the kernel sends.
pub(super) const MAX_WRITE: u32 = 1 << 20;
pub(super) const MAX_PAGES: u16 = 256;
pub(super) const MAJOR: u32 = 7;
/// What is spoken here; the kernel speaks this to whoever does not know more.
pub(super) const MINOR: u32 = 38;
/// This process alone changes the files, so what the kernel knows of them stays true.
const FOREVER_S: u64 = 1 << 30;

/// Requests, by number.
pub(super) mod opcode {
    pub(in super::super) const LOOKUP: u32 = 1;
    pub(in super::super) const FORGET: u32 = 2;
    pub(in super::super) const GETATTR: u32 = 3;
    pub(in super::super) const SETATTR: u32 = 4;
    pub(in super::super) const READLINK: u32 = 5;
    pub(in super::super) const SYMLINK: u32 = 6;
    pub(in super::super) const MKNOD: u32 = 8;
    pub(in super::super) const MKDIR: u32 = 9;
    pub(in super::super) const UNLINK: u32 = 10;
    pub(in super::super) const RMDIR: u32 = 11;
    pub(in super::super) const RENAME: u32 = 12;
    pub(in super::super) const LINK: u32 = 13;
    pub(in super::super) const OPEN: u32 = 14;
    pub(in super::super) const READ: u32 = 15;
    pub(in super::super) const WRITE: u32 = 16;
    pub(in super::super) const STATFS: u32 = 17;
    pub(in super::super) const RELEASE: u32 = 18;
    pub(in super::super) const FSYNC: u32 = 20;
    pub(in super::super) const SETXATTR: u32 = 21;
    pub(in super::super) const GETXATTR: u32 = 22;
    pub(in super::super) const LISTXATTR: u32 = 23;
    pub(in super::super) const REMOVEXATTR: u32 = 24;
    pub(in super::super) const INIT: u32 = 26;
    pub(in super::super) const OPENDIR: u32 = 27;
    pub(in super::super) const READDIR: u32 = 28;
    pub(in super::super) const RELEASEDIR: u32 = 29;
    pub(in super::super) const FSYNCDIR: u32 = 30;
    pub(in super::super) const CREATE: u32 = 35;
    pub(in super::super) const INTERRUPT: u32 = 36;
    pub(in super::super) const DESTROY: u32 = 38;
    pub(in super::super) const BATCH_FORGET: u32 = 42;
    pub(in super::super) const FALLOCATE: u32 = 43;
    pub(in super::super) const RENAME2: u32 = 45;
    pub(in super::super) const LSEEK: u32 = 46;
    pub(in super::super) const COPY_FILE_RANGE: u32 = 47;
    pub(in super::super) const TMPFILE: u32 = 51;
}

/// What is agreed on at the start.
pub(super) mod capability {
    pub(in super::super) const ASYNC_READ: u32 = 1 << 0;
    pub(in super::super) const BIG_WRITES: u32 = 1 << 5;
    pub(in super::super) const PARALLEL_DIROPS: u32 = 1 << 18;
    pub(in super::super) const MAX_PAGES: u32 = 1 << 22;
    pub(in super::super) const CACHE_SYMLINKS: u32 = 1 << 23;
    /// Without it the kernel asks for `security.capability` before each write.
    pub(in super::super) const HANDLE_KILLPRIV_V2: u32 = 1 << 28;
}

/// What a change of attributes changes.
pub(super) mod fattr {
    pub(in super::super) const MODE: u32 = 1 << 0;
    pub(in super::super) const UID: u32 = 1 << 1;
    pub(in super::super) const GID: u32 = 1 << 2;
    pub(in super::super) const SIZE: u32 = 1 << 3;
    pub(in super::super) const ATIME: u32 = 1 << 4;
    pub(in super::super) const MTIME: u32 = 1 << 5;
    pub(in super::super) const ATIME_NOW: u32 = 1 << 7;
    pub(in super::super) const MTIME_NOW: u32 = 1 << 8;
    pub(in super::super) const KILL_SUIDGID: u32 = 1 << 11;
}

pub(super) const WRITE_KILL_SUIDGID: u32 = 1 << 2;
pub(super) const FSYNC_DATA_ONLY: u32 = 1 << 0;
/// What the kernel has cached of a file stays when it is opened again.
pub(super) const OPEN_KEEP_CACHE: u32 = 1 << 1;
const NOTIFY_INVALIDATE_INODE: i32 = 2;
const NOTIFY_INVALIDATE_ENTRY: i32 = 3;

/// The header of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) opcode: u32,
    pub(super) unique: u64,
    pub(super) ino: Ino,
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// The thread that asks, as numbered where the file system was mounted.
    pub(super) pid: u32,
}

/// Reads a request from front to back. What is not there is EINVAL.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'a>(&'a [u8]);

impl Header {
    /// The header of a request and the rest of it.
    pub(super) fn split(request: &[u8]) -> Result<(Header, Cursor<'_>), Errno> {
        let mut head = Cursor(request);
        let _len = head.u32()?;
        let (opcode, unique, ino) = (head.u32()?, head.u64()?, head.u64()?);
        let (uid, gid, pid, _extensions) = (head.u32()?, head.u32()?, head.u32()?, head.u32()?);
        Ok((Header { opcode, unique, ino, uid, gid, pid }, head))
    }
}

impl<'a> Cursor<'a> {
    pub(super) fn bytes(&mut self, len: usize) -> Result<&'a [u8], Errno> {
        let (now, later) = self.0.split_at_checked(len).ok_or(Errno::EINVAL)?;
        self.0 = later;
        Ok(now)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Errno> {
        Ok(u32::from_ne_bytes(self.bytes(4)?.try_into().map_err(|_| Errno::EINVAL)?))
    }

    pub(super) fn u64(&mut self) -> Result<u64, Errno> {
        Ok(u64::from_ne_bytes(self.bytes(8)?.try_into().map_err(|_| Errno::EINVAL)?))
    }

    pub(super) fn skip(&mut self, len: usize) -> Result<(), Errno> {
        self.bytes(len).map(drop)
    }

    /// A name, which ends with a zero byte.
    pub(super) fn name(&mut self) -> Result<&'a OsStr, Errno> {
        let len = self.0.iter().position(|b| *b == 0).ok_or(Errno::EINVAL)?;
        let name = self.bytes(len)?;
        self.skip(1)?;
        Ok(OsStr::from_bytes(name))
    }
}

/// The body of an answer.
#[derive(Default)]
pub(super) struct Out(pub(super) Vec<u8>);

impl Out {
    pub(super) fn u16(mut self, value: u16) -> Self {
        self.0.extend(value.to_ne_bytes());
        self
    }

    pub(super) fn u32(mut self, value: u32) -> Self {
        self.0.extend(value.to_ne_bytes());
        self
    }

    pub(super) fn u64(mut self, value: u64) -> Self {
        self.0.extend(value.to_ne_bytes());
        self
    }

    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    /// An inode under the name that was asked for.
    pub(super) fn entry(self, ino: Ino, inode: &Inode) -> Self {
        let generation = 0;
        self.u64(ino).u64(generation).u64(FOREVER_S).u64(FOREVER_S).u32(0).u32(0).attributes(ino, inode)
    }

    /// The attributes of an inode, as `stat` is answered.
    pub(super) fn stat(self, ino: Ino, inode: &Inode) -> Self {
        self.u64(FOREVER_S).u32(0).u32(0).attributes(ino, inode)
    }

    fn attributes(self, ino: Ino, inode: &Inode) -> Self {
        let about = inode.attributes();
        let block_bytes = 4096;
        let device = 0;
        self.u64(ino)
            .u64(inode.size())
            .u64(inode.block_count() * (block_bytes / 512))
            .u64(seconds(about.accessed))
            .u64(seconds(about.modified))
            .u64(seconds(about.changed))
            .u32(nanoseconds(about.accessed))
            .u32(nanoseconds(about.modified))
            .u32(nanoseconds(about.changed))
            .u32(file_type(inode.kind()) | about.mode)
            .u32(inode.link_count())
            .u32(about.uid)
            .u32(about.gid)
            .u32(device)
            .u32(block_bytes as u32)
            .u32(0)
    }

    pub(super) fn opened(self, handle: u64, flags: u32) -> Self {
        self.u64(handle).u32(flags).u32(0)
    }

    /// An entry of a directory. None if it does not fit into `size`.
    pub(super) fn directory_entry(
        self,
        next: u64,
        ino: Ino,
        kind: u32,
        name: &OsStr,
        size: usize,
    ) -> Result<Self, Self> {
        let len = 24 + name.len();
        let padding = len.next_multiple_of(8) - len;
        if self.0.len() + len + padding > size {
            return Err(self);
        }
        let entry = self.u64(ino).u64(next).u32(name.len() as u32).u32(kind >> 12);
        Ok(entry.bytes(name.as_bytes()).bytes(&[0; 8][..padding]))
    }
}

/// The header of an answer, for a body of so many bytes.
pub(super) fn answer_header(unique: u64, error: i32, body_bytes: usize) -> Vec<u8> {
    Out::default().u32(16 + body_bytes as u32).u32(error as u32).u64(unique).0
}

/// Tells the kernel to forget what it has cached of a file, in this range; a length of 0 is up to the end.
pub(super) fn invalidate_inode(ino: Ino, offset: u64, len: u64) -> Vec<u8> {
    let body = Out::default().u64(ino).u64(offset).u64(len).0;
    [answer_header(0, NOTIFY_INVALIDATE_INODE, body.len()), body].concat()
}

/// Tells the kernel to forget what it knows of a name.
pub(super) fn invalidate_entry(directory: Ino, name: &OsStr) -> Vec<u8> {
    let body = Out::default().u64(directory).u32(name.len() as u32).u32(0).bytes(name.as_bytes()).bytes(&[0]).0;
    [answer_header(0, NOTIFY_INVALIDATE_ENTRY, body.len()), body].concat()
}

/// The file type bits of the mode.
pub(super) fn file_type(kind: &Kind) -> u32 {
    match kind {
        Kind::File => libc::S_IFREG,
        Kind::Directory => libc::S_IFDIR,
        Kind::Symlink(_) => libc::S_IFLNK,
        Kind::Special(bits) => *bits,
    }
}

fn seconds(stamp: Stamp) -> u64 {
    stamp / 1_000_000_000
}

fn nanoseconds(stamp: Stamp) -> u32 {
    (stamp % 1_000_000_000) as u32
}

/// From seconds and nanoseconds.
pub(super) fn stamp(seconds: u64, nanoseconds: u32) -> Stamp {
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::from(nanoseconds))
}
