//! Waiting for descriptors with a nanosecond timeout.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

/// A level-triggered set of readable descriptors, each with a token.
pub(crate) struct Readable {
    epoll: Epoll,
    /// Whether the kernel knows `epoll_pwait2` (5.11, and not hidden by an old seccomp profile).
    nanoseconds: bool,
    events: Vec<EpollEvent>,
}

impl Readable {
    /// An empty set.
    pub(crate) fn new() -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        Ok(Readable { epoll, nanoseconds: true, events: vec![EpollEvent::empty(); 64] })
    }

    /// Adds a descriptor. The token comes back from [`Readable::wait`].
    pub(crate) fn add(&self, fd: impl AsFd, token: u64) -> io::Result<()> {
        Ok(self.epoll.add(fd, EpollEvent::new(EpollFlags::EPOLLIN, token))?)
    }

    /// Takes a descriptor out.
    pub(crate) fn remove(&self, fd: impl AsFd) -> io::Result<()> {
        Ok(self.epoll.delete(fd)?)
    }

    /// Appends the tokens of the descriptors that are readable or broken to `ready`, at the latest after `timeout`.
    pub(crate) fn wait(&mut self, timeout: Duration, ready: &mut Vec<u64>) -> io::Result<()> {
        let count = if self.nanoseconds { self.wait_nanoseconds(timeout) } else { self.wait_milliseconds(timeout) };
        let count = match count {
            Ok(count) => count,
            Err(e) if e.raw_os_error() == Some(libc::EINTR) => 0,
            Err(e) if self.nanoseconds && matches!(e.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => {
                self.nanoseconds = false;
                0
            }
            Err(e) => return Err(e),
        };
        ready.extend(self.events[..count].iter().map(EpollEvent::data));
        Ok(())
    }

    fn wait_nanoseconds(&mut self, timeout: Duration) -> io::Result<usize> {
        let timeout = libc::timespec {
            tv_sec: libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX),
            tv_nsec: libc::c_long::from(timeout.subsec_nanos() as i32),
        };
        // SAFETY: `EpollEvent` is a transparent `epoll_event`; the kernel writes at most `events.len()` of them and
        // reads one timespec; a null signal mask changes nothing.
        let returned = unsafe {
            libc::syscall(
                libc::SYS_epoll_pwait2,
                self.epoll.0.as_raw_fd(),
                self.events.as_mut_ptr().cast::<libc::epoll_event>(),
                self.events.len() as libc::c_int,
                &raw const timeout,
                std::ptr::null::<libc::sigset_t>(),
                0usize,
            )
        };
        super::check(returned as libc::c_int).map(|count| count as usize)
    }

    /// Rounds up: a packet may be a millisecond late, never early.
    fn wait_milliseconds(&mut self, timeout: Duration) -> io::Result<usize> {
        let milliseconds = timeout.as_nanos().div_ceil(1_000_000);
        let timeout = EpollTimeout::from(u16::try_from(milliseconds).unwrap_or(u16::MAX));
        Ok(self.epoll.wait(&mut self.events, timeout)?)
    }
}
