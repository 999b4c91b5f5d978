//! The memory of other processes, by three ways that machines allow or forbid independently.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A way to write, in the order in which they are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// `process_vm_writev`: respects the protection of pages. Some container profiles forbid it.
    Vector,
    /// `/proc/pid/mem`: ignores protection, unless the kernel was told otherwise.
    File,
    /// `PTRACE_POKEDATA`, a word at a time: ignores protection.
    Poke,
}

/// All three.
pub(crate) const WAYS: [Way; 3] = [Way::Vector, Way::File, Way::Poke];

/// Reads all of `into` from `address`.
pub(crate) fn read(pid: i32, address: u64, into: &mut [u8]) -> io::Result<()> {
    let local = libc::iovec { iov_base: into.as_mut_ptr().cast(), iov_len: into.len() };
    let remote = libc::iovec { iov_base: address as *mut libc::c_void, iov_len: into.len() };
    // SAFETY: the kernel writes at most `into.len()` bytes to `into`; the other address means nothing in this process.
    let count = unsafe { libc::process_vm_readv(pid, &raw const local, 1, &raw const remote, 1, 0) };
    if usize::try_from(count) == Ok(into.len()) {
        return Ok(());
    }
    file(pid, File::options().read(true))?.read_exact_at(into, address)
}

/// The memory of a process as a file. Where `/proc` is that of a surrounding namespace, its numbers are not ours, and the file
/// would be that of a stranger.
fn file(pid: i32, options: &OpenOptions) -> io::Result<File> {
    if std::fs::read_link("/proc/self")? != Path::new(&std::process::id().to_string()) {
        return Err(io::ErrorKind::Unsupported.into());
    }
    options.open(format!("/proc/{pid}/mem"))
}

/// Reads one word.
pub(crate) fn read_word(pid: i32, address: u64) -> io::Result<u64> {
    let mut word = [0; 8];
    read(pid, address, &mut word)?;
    Ok(u64::from_ne_bytes(word))
}

/// Writes all of `bytes`, by the first way that works; for the last one the process must be stopped by its tracer.
pub(crate) fn write(pid: i32, address: u64, bytes: &[u8]) -> io::Result<Way> {
    let mut refused = io::Error::from(io::ErrorKind::Unsupported);
    for way in WAYS {
        match write_by(way, pid, address, bytes) {
            Ok(()) => return Ok(way),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

/// Writes by one way only.
pub(crate) fn write_by(way: Way, pid: i32, address: u64, bytes: &[u8]) -> io::Result<()> {
    match way {
        Way::Vector => write_vector(pid, address, bytes),
        Way::File => file(pid, File::options().write(true))?.write_all_at(bytes, address),
        Way::Poke => poke(pid, address, bytes),
    }
}

fn write_vector(pid: i32, address: u64, bytes: &[u8]) -> io::Result<()> {
    let local = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let remote = libc::iovec { iov_base: address as *mut libc::c_void, iov_len: bytes.len() };
    // SAFETY: the kernel only reads from `bytes`; the other address means nothing in this process.
    match unsafe { libc::process_vm_writev(pid, &raw const local, 1, &raw const remote, 1, 0) } {
        -1 => Err(io::Error::last_os_error()),
        count if usize::try_from(count) == Ok(bytes.len()) => Ok(()),
        _ => Err(io::Error::from_raw_os_error(libc::EFAULT)),
    }
}

fn poke(pid: i32, address: u64, bytes: &[u8]) -> io::Result<()> {
    let mut at = address & !7;
    while at < address + bytes.len() as u64 {
        let mut word = super::ptrace::peek(pid, at)?.to_ne_bytes();
        for (i, byte) in (at..).zip(&mut word) {
            let source = i.checked_sub(address).and_then(|offset| bytes.get(offset as usize));
            *byte = source.copied().unwrap_or(*byte);
        }
        super::ptrace::poke(pid, at, u64::from_ne_bytes(word))?;
        at += 8;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::{process, ptrace};
    use std::process::{Command, Stdio};

    #[test]
    fn each_way_writes_what_it_may() {
        let mut child = Command::new("sleep").arg("60").stdout(Stdio::null()).spawn().unwrap();
        let pid = child.id() as i32;
        ptrace::seize(pid).unwrap();
        ptrace::interrupt(pid).unwrap();
        assert!(matches!(process::wait_change(pid).unwrap(), process::Change::Stopped { .. }));
        let stack = ptrace::registers(pid).unwrap().unwrap().stack_pointer() - 256;
        for (i, way) in WAYS.into_iter().enumerate() {
            // Not aligned, and not a multiple of a word.
            let (bytes, mut seen) = ([i as u8 + 1; 13], [0; 15]);
            write_by(way, pid, stack + 3, &bytes).unwrap();
            read(pid, stack + 2, &mut seen).unwrap();
            assert_eq!(seen[1..14], bytes, "{way:?}");
            assert_ne!((seen[0], seen[14]), (i as u8 + 1, i as u8 + 1), "{way:?} wrote too much");
        }
        // Its code is protected: the first way must not write there, one of the others does.
        let code = ptrace::registers(pid).unwrap().unwrap().instruction_pointer();
        let word = read_word(pid, code).unwrap().to_ne_bytes();
        assert!(write_by(Way::Vector, pid, code, &word).is_err());
        assert_ne!(write(pid, code, &word).unwrap(), Way::Vector);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
