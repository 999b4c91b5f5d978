//! Memory shared with other processes, as words that can be read and written while they do the same.

use std::io;
use std::ops::Deref;
use std::os::fd::{AsFd, AsRawFd};
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

use crate::clock::PAGE_WORDS;

/// One mapped page of a file. Gone when dropped.
pub(crate) struct Words {
    at: NonNull<AtomicU64>,
}

// SAFETY: the words are atomic, and the mapping belongs to the process, not to a thread.
unsafe impl Send for Words {}
// SAFETY: as above.
unsafe impl Sync for Words {}

/// Maps the state page of a clock for reading and writing. The file must have been opened for both, and be long enough.
pub(crate) fn shared(file: impl AsFd) -> io::Result<Words> {
    let flags = libc::MAP_SHARED;
    let at = map(flags, Some(file.as_fd().as_raw_fd()))?;
    Ok(Words { at: at.cast() })
}

fn map(flags: libc::c_int, fd: Option<i32>) -> io::Result<NonNull<u8>> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping at an address of the kernel's choice changes nothing that exists.
    let at = unsafe { libc::mmap(std::ptr::null_mut(), BYTES, protection, flags, fd.unwrap_or(-1), 0) };
    if at == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    NonNull::new(at.cast()).ok_or_else(|| io::ErrorKind::OutOfMemory.into())
}

const BYTES: usize = PAGE_WORDS * size_of::<AtomicU64>();

impl Deref for Words {
    type Target = [AtomicU64];

    fn deref(&self) -> &[AtomicU64] {
        // SAFETY: mapped in `shared` with this size, aligned to a page, and unmapped only in `drop`. A file that is
        // made shorter would end the process with SIGBUS; only the agent has it, and makes it once.
        unsafe { std::slice::from_raw_parts(self.at.as_ptr(), PAGE_WORDS) }
    }
}

impl Drop for Words {
    fn drop(&mut self) {
        // SAFETY: mapped in `shared`, and nothing borrowed from it is left.
        unsafe { libc::munmap(self.at.as_ptr().cast(), BYTES) };
    }
}

/// Machine code in this process, for tests of it.
#[cfg(test)]
pub(crate) struct Code(NonNull<u8>);

#[cfg(test)]
impl Code {
    pub(crate) fn new(code: &[u8]) -> io::Result<Code> {
        assert!(code.len() <= BYTES);
        let at = map(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, None)?;
        // SAFETY: fresh memory of our own, large enough; made executable only when nobody writes to it any more.
        unsafe {
            at.as_ptr().copy_from_nonoverlapping(code.as_ptr(), code.len());
            super::check(libc::mprotect(at.as_ptr().cast(), BYTES, libc::PROT_READ | libc::PROT_EXEC))?;
        }
        Ok(Code(at))
    }

    /// The address of a function in it.
    pub(crate) fn at(&self, offset: usize) -> *const u8 {
        self.0.as_ptr().wrapping_add(offset)
    }
}

#[cfg(test)]
impl Drop for Code {
    fn drop(&mut self) {
        // SAFETY: mapped in `new`, and the tests do not keep functions of it.
        unsafe { libc::munmap(self.0.as_ptr().cast(), BYTES) };
    }
}
