//! Limits of this process and of others.

use std::io;

/// What can be limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Limited {
    /// Bytes of address space.
    Memory,
    /// Descriptors: the lowest number that none may have.
    Descriptors,
}

/// A limit that is none.
pub(crate) const UNLIMITED: u64 = libc::RLIM_INFINITY;

/// How many descriptors this process may have open; none when the kernel does not say.
pub(crate) fn open_files() -> Option<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel writes one `rlimit`.
    super::check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) }).ok()?;
    Some(limit.rlim_cur)
}

/// The soft limit of a process; [`UNLIMITED`] if there is none.
pub(crate) fn soft(pid: i32, what: Limited) -> io::Result<u64> {
    Ok(get(pid, what)?.rlim_cur)
}

/// Sets the soft limit of a process, as far as its hard limit allows, and leaves that alone.
pub(crate) fn set_soft(pid: i32, what: Limited, soft: u64) -> io::Result<()> {
    let before = get(pid, what)?;
    let limit = libc::rlimit { rlim_cur: soft.min(before.rlim_max), rlim_max: before.rlim_max };
    // SAFETY: the kernel reads one `rlimit` and writes none.
    super::check(unsafe { libc::prlimit(pid, what.number(), &raw const limit, std::ptr::null_mut()) }).map(drop)
}

fn get(pid: i32, what: Limited) -> io::Result<libc::rlimit> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel reads none and writes one `rlimit`.
    super::check(unsafe { libc::prlimit(pid, what.number(), std::ptr::null(), &raw mut limit) })?;
    Ok(limit)
}

impl Limited {
    fn number(self) -> libc::__rlimit_resource_t {
        match self {
            Limited::Memory => libc::RLIMIT_AS,
            Limited::Descriptors => libc::RLIMIT_NOFILE,
        }
    }
}
