//! Which system call is which file operation, and on which files.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use libc::c_long;

use super::super::fault::Operation;
use crate::hosts::filter::{Architecture, Rule};
use crate::sys::memory;
use crate::sys::seccomp::Notification;

/// Answered, whatever the faults: there is none.
pub(super) const IO_URING: c_long = libc::SYS_io_uring_setup;
/// Paths are no longer, as far as the kernel is concerned.
const PATH_BYTES: usize = 4096;
const PAGE_BYTES: u64 = 4096;

/// What a call does, where that does not depend on its arguments alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Does {
    Always(Operation),
    /// Makes the file if it is not there and this argument says so.
    OpenOrCreate(usize),
    /// Likewise, and the flags are behind this argument.
    OpenHow(usize),
    /// Of a file or of a directory.
    Sync,
    /// A directory, if this argument says so.
    Remove(usize),
}

/// Which arguments say on what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
enum On {
    Descriptor(usize),
    /// From the working directory.
    Path(usize),
    /// A directory's descriptor, and from there.
    At(usize, usize),
    Paths([usize; 2]),
    Ats([(usize, usize); 2]),
}

struct Call {
    number: c_long,
    does: Does,
    on: On,
}

const fn call(number: c_long, does: Does, on: On) -> Call {
    Call { number, does, on }
}

const fn always(number: c_long, operation: Operation, on: On) -> Call {
    call(number, Does::Always(operation), on)
}

const CALLS: &[Call] = &[
    always(libc::SYS_read, Operation::Read, On::Descriptor(0)),
    always(libc::SYS_pread64, Operation::Read, On::Descriptor(0)),
    always(libc::SYS_readv, Operation::Read, On::Descriptor(0)),
    always(libc::SYS_preadv, Operation::Read, On::Descriptor(0)),
    always(libc::SYS_preadv2, Operation::Read, On::Descriptor(0)),
    always(libc::SYS_write, Operation::Write, On::Descriptor(0)),
    always(libc::SYS_pwrite64, Operation::Write, On::Descriptor(0)),
    always(libc::SYS_writev, Operation::Write, On::Descriptor(0)),
    always(libc::SYS_pwritev, Operation::Write, On::Descriptor(0)),
    always(libc::SYS_pwritev2, Operation::Write, On::Descriptor(0)),
    always(libc::SYS_copy_file_range, Operation::Write, On::Descriptor(2)),
    call(libc::SYS_fsync, Does::Sync, On::Descriptor(0)),
    call(libc::SYS_fdatasync, Does::Sync, On::Descriptor(0)),
    always(libc::SYS_ftruncate, Operation::Truncate, On::Descriptor(0)),
    always(libc::SYS_truncate, Operation::Truncate, On::Path(0)),
    always(libc::SYS_fallocate, Operation::Allocate, On::Descriptor(0)),
    call(libc::SYS_openat, Does::OpenOrCreate(2), On::At(0, 1)),
    call(libc::SYS_openat2, Does::OpenHow(2), On::At(0, 1)),
    always(libc::SYS_mkdirat, Operation::Mkdir, On::At(0, 1)),
    call(libc::SYS_unlinkat, Does::Remove(2), On::At(0, 1)),
    always(libc::SYS_renameat, Operation::Rename, On::Ats([(0, 1), (2, 3)])),
    always(libc::SYS_renameat2, Operation::Rename, On::Ats([(0, 1), (2, 3)])),
    always(libc::SYS_linkat, Operation::Link, On::Ats([(0, 1), (2, 3)])),
    always(libc::SYS_symlinkat, Operation::Link, On::At(1, 2)),
];

/// Those that newer architectures do without.
#[cfg(target_arch = "x86_64")]
const OLD_CALLS: &[Call] = &[
    call(libc::SYS_open, Does::OpenOrCreate(1), On::Path(0)),
    call(libc::SYS_creat, Does::OpenOrCreate(CREATES), On::Path(0)),
    always(libc::SYS_mkdir, Operation::Mkdir, On::Path(0)),
    always(libc::SYS_rmdir, Operation::Rmdir, On::Path(0)),
    always(libc::SYS_unlink, Operation::Unlink, On::Path(0)),
    always(libc::SYS_rename, Operation::Rename, On::Paths([0, 1])),
    always(libc::SYS_link, Operation::Link, On::Paths([0, 1])),
    always(libc::SYS_symlink, Operation::Link, On::Path(1)),
];
#[cfg(not(target_arch = "x86_64"))]
const OLD_CALLS: &[Call] = &[];
/// No argument says so: it always does.
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
const CREATES: usize = usize::MAX;

fn calls() -> impl Iterator<Item = &'static Call> {
    CALLS.iter().chain(OLD_CALLS)
}

impl Does {
    fn operations(self) -> &'static [Operation] {
        match self {
            Does::Always(Operation::Read) => &[Operation::Read],
            Does::Always(Operation::Write) => &[Operation::Write],
            Does::Always(Operation::Truncate) => &[Operation::Truncate],
            Does::Always(Operation::Allocate) => &[Operation::Allocate],
            Does::Always(Operation::Mkdir) => &[Operation::Mkdir],
            Does::Always(Operation::Rmdir) => &[Operation::Rmdir],
            Does::Always(Operation::Unlink) => &[Operation::Unlink],
            Does::Always(Operation::Rename) => &[Operation::Rename],
            Does::Always(Operation::Link) => &[Operation::Link],
            Does::Always(_) => &[],
            Does::OpenOrCreate(_) | Does::OpenHow(_) => &[Operation::Open, Operation::Create],
            Does::Sync => &[Operation::Fsync, Operation::Fsyncdir],
            Does::Remove(_) => &[Operation::Unlink, Operation::Rmdir],
        }
    }

    /// Which of them it is this time.
    fn operation(self, call: &Notification, path: &Path) -> Option<Operation> {
        let opens = |flags: u64| match flags & libc::O_CREAT as u64 != 0 && fs::symlink_metadata(path).is_err() {
            true => Operation::Create,
            false => Operation::Open,
        };
        Some(match self {
            Does::Always(operation) => operation,
            Does::OpenOrCreate(flags) => opens(call.arguments.get(flags).copied().unwrap_or(libc::O_CREAT as u64)),
            Does::OpenHow(how) => opens(memory::read_word(call.thread, call.arguments[how]).ok()?),
            Does::Sync if path.is_dir() => Operation::Fsyncdir,
            Does::Sync => Operation::Fsync,
            Does::Remove(flags) if call.arguments[flags] & libc::AT_REMOVEDIR as u64 != 0 => Operation::Rmdir,
            Does::Remove(_) => Operation::Unlink,
        })
    }
}

/// All operations that some call is.
pub(super) fn operations() -> BTreeSet<Operation> {
    calls().flat_map(|call| call.does.operations()).copied().collect()
}

fn may_be(call: &Call, wanted: &BTreeSet<Operation>) -> bool {
    call.does.operations().iter().any(|operation| wanted.contains(operation))
}

/// The rules that name the calls of these operations. The agent itself has programs open a file when they start
/// ([`inject`](crate::clock::inject)), and cannot be asked about that.
pub(super) fn rules(wanted: &BTreeSet<Operation>) -> Vec<Rule> {
    let rule = |call: &Call| Rule {
        unmarked: (call.number == libc::SYS_openat).then_some(0),
        ..Rule::every(Architecture::Native, call.number as u32)
    };
    let named = calls().filter(|call| may_be(call, wanted)).map(rule);
    named.chain([Rule::every(Architecture::Native, IO_URING as u32)]).collect()
}

/// Whether a call is named by them.
pub(super) fn is_meant(asked: &Notification, wanted: &BTreeSet<Operation>) -> bool {
    let number = i64::from(asked.call);
    let native = asked.architecture == Architecture::Native.number();
    native && (number == IO_URING || calls().any(|call| call.number == number && may_be(call, wanted)))
}

/// What a program asks for.
pub(super) struct Asked {
    pub(super) operation: Operation,
    pub(super) paths: Vec<PathBuf>,
}

/// What a call asks for; none if that cannot be found out.
pub(super) fn asked(asked: &Notification) -> Option<Asked> {
    let call = calls().find(|call| call.number == i64::from(asked.call))?;
    let paths = paths(asked, call.on);
    let operation = call.does.operation(asked, paths.first()?)?;
    Some(Asked { operation, paths })
}

fn paths(asked: &Notification, on: On) -> Vec<PathBuf> {
    let argument = |i: usize| asked.arguments[i];
    let path = |dir: Option<usize>, at: usize| {
        let text = text_at(asked.thread, argument(at))?;
        resolve(asked.thread, dir.map(|dir| argument(dir) as i32), &text)
    };
    let found = match on {
        On::Descriptor(i) => vec![of_descriptor(asked.thread, argument(i) as i32)],
        On::Path(at) => vec![path(None, at)],
        On::At(dir, at) => vec![path(Some(dir), at)],
        On::Paths(both) => both.map(|at| path(None, at)).to_vec(),
        On::Ats(both) => both.map(|(dir, at)| path(Some(dir), at)).to_vec(),
    };
    found.into_iter().flatten().collect()
}

/// What a descriptor stands for; a file that was removed has the name that it had.
fn of_descriptor(thread: i32, descriptor: i32) -> Option<PathBuf> {
    let link = fs::read_link(format!("/proc/{thread}/fd/{descriptor}")).ok()?;
    let text = link.to_str()?;
    Some(PathBuf::from(text.strip_suffix(" (deleted)").unwrap_or(text)))
}

/// A path as the kernel would follow it, but for its last part.
fn resolve(thread: i32, dir: Option<i32>, text: &Path) -> Option<PathBuf> {
    let from = match dir.filter(|dir| *dir != libc::AT_FDCWD) {
        _ if text.is_absolute() => PathBuf::from("/"),
        Some(dir) => of_descriptor(thread, dir)?,
        None => fs::read_link(format!("/proc/{thread}/cwd")).ok()?,
    };
    let whole = from.join(text);
    let (parent, name) = (whole.parent()?, whole.file_name()?);
    Some(fs::canonicalize(parent).ok()?.join(name))
}

/// A text of a thread's memory, up to its zero.
fn text_at(thread: i32, at: u64) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStringExt;
    let mut text = Vec::new();
    let mut at = at;
    while text.len() < PATH_BYTES {
        // The page after this one may not be there.
        let mut part = vec![0; (PAGE_BYTES - at % PAGE_BYTES) as usize];
        memory::read(thread, at, &mut part).ok()?;
        if let Some(end) = part.iter().position(|byte| *byte == 0) {
            text.extend_from_slice(&part[..end]);
            return Some(PathBuf::from(std::ffi::OsString::from_vec(text)));
        }
        at += part.len() as u64;
        text.extend(part);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;

    fn ask(number: c_long, arguments: [u64; 6]) -> Option<(Operation, Vec<PathBuf>)> {
        let architecture = Architecture::Native.number();
        let thread = std::process::id() as i32;
        let call = Notification { id: 0, thread, call: number as i32, architecture, instruction_pointer: 0, arguments };
        asked(&call).map(|asked| (asked.operation, asked.paths))
    }

    #[test]
    fn calls_are_operations_on_files() {
        let dir =
            fs::canonicalize(std::env::temp_dir()).unwrap().join(format!("splitbrain-calls-{}", std::process::id()));
        fs::create_dir_all(dir.join("sub")).unwrap();
        let file = fs::File::create(dir.join("file")).unwrap();
        let open_dir = fs::File::open(&dir).unwrap();
        let text = |path: &str| std::ffi::CString::new(path).unwrap();
        let (there, new) = (text(dir.join("sub/../file").to_str().unwrap()), text("new"));
        let (there, new, at) = (there.as_ptr() as u64, new.as_ptr() as u64, open_dir.as_raw_fd() as u64);
        let create = libc::O_CREAT as u64;
        let one = |name: &str| vec![dir.join(name)];
        let fd = file.as_raw_fd() as u64;
        assert_eq!(ask(libc::SYS_write, [fd, 0, 0, 0, 0, 0]), Some((Operation::Write, one("file"))));
        assert_eq!(ask(libc::SYS_fsync, [fd, 0, 0, 0, 0, 0]), Some((Operation::Fsync, one("file"))));
        assert_eq!(ask(libc::SYS_fsync, [at, 0, 0, 0, 0, 0]), Some((Operation::Fsyncdir, vec![dir.clone()])));
        assert_eq!(ask(libc::SYS_openat, [0, there, create, 0, 0, 0]), Some((Operation::Open, one("file"))));
        assert_eq!(ask(libc::SYS_openat, [at, new, create, 0, 0, 0]), Some((Operation::Create, one("new"))));
        assert_eq!(ask(libc::SYS_openat, [at, new, 0, 0, 0, 0]), Some((Operation::Open, one("new"))));
        assert_eq!(ask(libc::SYS_unlinkat, [at, new, 0x200, 0, 0, 0]), Some((Operation::Rmdir, one("new"))));
        let both = vec![dir.join("file"), dir.join("new")];
        assert_eq!(ask(libc::SYS_renameat, [at, there, at, new, 0, 0]), Some((Operation::Rename, both)));
        assert_eq!(ask(libc::SYS_write, [9999, 0, 0, 0, 0, 0]), None);
        assert_eq!(ask(libc::SYS_openat, [at, 8, 0, 0, 0, 0]), None, "no text there");
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn only_the_calls_of_wanted_operations_are_named() {
        let named = |wanted: &[Operation]| -> Vec<c_long> {
            rules(&wanted.iter().copied().collect()).iter().map(|rule| c_long::from(rule.call)).collect()
        };
        let expected = [libc::SYS_fsync, libc::SYS_fdatasync, IO_URING];
        assert_eq!(named(&[Operation::Fsync]), expected);
        assert!(!named(&[Operation::Write]).contains(&libc::SYS_read));
        let lacking = [Operation::Lookup, Operation::Readdir, Operation::Attributes, Operation::Statfs];
        assert!(operations().is_disjoint(&lacking.into()) && operations().len() == 13);
    }
}
