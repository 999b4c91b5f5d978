//! Timers behind descriptors.

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// A timer on the monotonic clock that is not set.
pub(crate) fn monotonic() -> io::Result<OwnedFd> {
    // SAFETY: no pointers.
    let fd = super::check(unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_CLOEXEC) })?;
    // SAFETY: the kernel has just opened it for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Waits until a timer has elapsed; `false` if it does not in so many milliseconds.
pub(crate) fn elapses(timer: impl AsFd, milliseconds: u8) -> io::Result<bool> {
    let mut fds = [PollFd::new(timer.as_fd(), PollFlags::POLLIN)];
    Ok(poll(&mut fds, PollTimeout::from(milliseconds))? > 0)
}

/// Sets a timer: interval and value, in seconds and nanoseconds each. Returns what it was set to before, with the time left.
pub(crate) fn set(timer: impl AsFd, flags: i32, to: [i64; 4]) -> io::Result<[i64; 4]> {
    let time = |[seconds, nanoseconds]: [i64; 2]| libc::timespec { tv_sec: seconds, tv_nsec: nanoseconds };
    let new = libc::itimerspec { it_interval: time([to[0], to[1]]), it_value: time([to[2], to[3]]) };
    let mut old = libc::itimerspec { it_interval: time([0, 0]), it_value: time([0, 0]) };
    // SAFETY: the kernel reads one `itimerspec` and writes another.
    super::check(unsafe { libc::timerfd_settime(timer.as_fd().as_raw_fd(), flags, &raw const new, &raw mut old) })?;
    let (interval, value) = (old.it_interval, old.it_value);
    Ok([interval.tv_sec, interval.tv_nsec, value.tv_sec, value.tv_nsec])
}

/// What the kernel says of a descriptor of this process.
pub(crate) fn details(descriptor: impl AsFd) -> Option<String> {
    std::fs::read_to_string(format!("/proc/self/fdinfo/{}", descriptor.as_fd().as_raw_fd())).ok()
}
