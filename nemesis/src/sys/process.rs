//! Processes: clone into new namespaces, process descriptors, and the state in which a program is started.

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::CloneFlags;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};

/// Where a clone finds itself.
pub(crate) enum Cloned {
    /// In the caller: a descriptor of the child.
    Parent(OwnedFd),
    /// In the child.
    Child,
}

/// Clones this process into new namespaces. Like fork: the child has a copy of everything.
///
/// The caller must have one thread only: the child of a process with more would own locks that nobody releases.
pub(crate) fn clone_into(namespaces: CloneFlags) -> io::Result<Cloned> {
    let flags = namespaces.bits() | libc::CLONE_PIDFD | libc::SIGCHLD;
    let mut pidfd: RawFd = -1;
    // SAFETY: no CLONE_VM and no new stack, so this behaves as fork; the kernel writes the descriptor into `pidfd` of
    // the parent. The single thread that the caller promises makes the child's memory consistent. The last two
    // arguments, whose order depends on the architecture, are both zero.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags as libc::c_ulong, 0usize, &raw mut pidfd, 0usize, 0usize) };
    match super::check(pid as libc::c_int)? {
        0 => Ok(Cloned::Child),
        // SAFETY: the kernel has just opened it for us.
        _ => Ok(Cloned::Parent(unsafe { OwnedFd::from_raw_fd(pidfd) })),
    }
}

/// A descriptor of a process that is our child and not yet reaped.
pub(crate) fn descriptor(pid: u32) -> io::Result<OwnedFd> {
    // SAFETY: no pointers.
    let fd = super::check(unsafe { libc::syscall(libc::SYS_pidfd_open, pid as libc::pid_t, 0) } as libc::c_int)?;
    // SAFETY: the kernel has just opened it for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Sends SIGKILL. A process that is gone already is no error.
pub(crate) fn kill(process: impl AsFd) -> io::Result<()> {
    let fd = process.as_fd().as_raw_fd();
    let info = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: a null siginfo stands for the default one.
    let returned = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, libc::SIGKILL, info, 0) };
    match super::check(returned as libc::c_int) {
        Err(e) if e.raw_os_error() == Some(libc::ESRCH) => Ok(()),
        other => other.map(drop),
    }
}

/// Waits until a process has ended; `false` when it has not within `timeout`. The end of a namespace's PID 1 is the
/// end of all processes of that namespace.
pub(crate) fn wait_end(process: impl AsFd, timeout: Duration) -> io::Result<bool> {
    let deadline = std::time::Instant::now() + timeout;
    loop {
        let left = deadline.saturating_duration_since(std::time::Instant::now());
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(process.as_fd(), PollFlags::POLLIN)], timeout) {
            Ok(0) if left.is_zero() => return Ok(false),
            Ok(0) | Err(nix::errno::Errno::EINTR) => {}
            Ok(_) => return Ok(true),
            Err(e) => return Err(e.into()),
        }
    }
}

/// Has the program start as a fresh login would: its own session, every signal at its default and unblocked.
pub(crate) fn start_fresh(command: &mut Command) {
    let prepare = || {
        nix::unistd::setsid()?;
        for signal in 1..=libc::SIGRTMAX() {
            default_disposition(signal);
        }
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?;
        Ok(())
    };
    // SAFETY: only async-signal-safe calls, no allocation, no lock.
    unsafe { command.pre_exec(prepare) };
}

/// Closes every descriptor above standard error: whatever the program's parent left open must not reach the hosts.
pub(crate) fn close_inherited() {
    // SAFETY: called as the very first act of a fresh program, when nothing in it owns a descriptor yet. Kernels
    // without the call (before 5.9) keep the strays.
    unsafe { libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, 0u32) };
}

/// Signals every process of this PID namespace but the caller. `false` when there is none.
pub(crate) fn signal_all(signal: Signal) -> io::Result<bool> {
    match nix::sys::signal::kill(nix::unistd::Pid::from_raw(-1), signal) {
        Ok(()) => Ok(true),
        Err(nix::errno::Errno::ESRCH) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// Puts a signal back to its default. By the system call itself, because the C library does not let go of the two
/// signals it uses, and a parent may have left even those ignored. SIGKILL and SIGSTOP refuse, which is as well.
fn default_disposition(signal: libc::c_int) {
    // Handler, flags, restorer, mask: all zero is the default disposition on every architecture.
    let default = [0u64; 4];
    let old = std::ptr::null_mut::<u64>();
    // SAFETY: the kernel reads at most four words, and the size of its signal mask is 8 bytes. The default
    // disposition runs none of our code.
    unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), old, 8usize) };
}
