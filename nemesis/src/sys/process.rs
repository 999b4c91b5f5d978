//! Processes: clone into new namespaces, fork, process descriptors, waiting, and the state in which a program is started.

use std::ffi::CString;
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

/// A descriptor of our own for what another process has open as `descriptor` (pidfd_getfd(2)).
pub(crate) fn borrow_descriptor(pid: i32, descriptor: i32) -> io::Result<OwnedFd> {
    let process = self::descriptor(u32::try_from(pid).map_err(io::Error::other)?)?;
    // SAFETY: no pointers.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), descriptor, 0) };
    let fd = super::check(fd as libc::c_int)?;
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
    // SAFETY: only async-signal-safe calls, no allocation, no lock.
    unsafe { command.pre_exec(become_fresh) };
}

/// Makes this process one as a fresh login would be. Async-signal-safe.
pub(crate) fn become_fresh() -> io::Result<()> {
    nix::unistd::setsid()?;
    for signal in 1..=libc::SIGRTMAX() {
        default_disposition(signal);
    }
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?;
    Ok(())
}

/// Forks, runs `child` in the child, and ends that with 127 when it returns. Returns the child's pid.
///
/// The caller must have one thread only: the child of a process with more would own locks that nobody releases.
pub(crate) fn fork(child: impl FnOnce()) -> io::Result<i32> {
    // SAFETY: the single thread that the caller promises makes the child's memory consistent.
    match super::check(unsafe { libc::fork() })? {
        0 => {
            // A panic must not unwind into the copy of what the parent was doing.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(child));
            // SAFETY: ends this process.
            unsafe { libc::_exit(127) }
        }
        pid => Ok(pid),
    }
}

/// Becomes another program, looked up in the `PATH` of `env` if its name has no slash. Returns only why not.
pub(crate) fn become_program(program: &CString, argv: &[CString], env: &[CString]) -> io::Error {
    fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
        strings.iter().map(|string| string.as_ptr()).chain([std::ptr::null()]).collect()
    }
    unsafe extern "C" {
        static mut environ: *const *const libc::c_char;
    }
    let (argv, env) = (pointers(argv), pointers(env));
    // SAFETY: both lists end with a null and outlive the call, as do the strings. Called in a fresh fork, where no
    // other thread can be reading the environment.
    unsafe {
        environ = env.as_ptr();
        libc::execvp(program.as_ptr(), argv.as_ptr());
    }
    let error = io::Error::last_os_error();
    // SAFETY: as above; nobody may find the list when it is gone.
    unsafe { environ = std::ptr::null() };
    error
}

/// What happened to a child or a tracee.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// It ended.
    Ended(End),
    /// It stopped for its tracer: before it gets a signal, or at an event (otherwise 0).
    Stopped { signal: i32, event: i32 },
}

/// How a process ended: one of the two is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
}

/// The next change of any child or tracee, without taking it: none if nothing has changed.
pub(crate) fn next_change() -> io::Result<Option<(i32, Change)>> {
    wait_id(libc::P_ALL, 0, libc::WNOHANG | libc::WNOWAIT)
}

/// Takes a change that has been seen. A child that has ended is thereby buried.
pub(crate) fn take_change(pid: i32) -> io::Result<Option<Change>> {
    Ok(wait_id(libc::P_PID, pid, libc::WNOHANG)?.map(|(_, change)| change))
}

/// Waits for the next change of one tracee. A stop is taken, an end is not.
pub(crate) fn wait_change(pid: i32) -> io::Result<Change> {
    loop {
        match wait_id(libc::P_PID, pid, libc::WNOWAIT)? {
            Some((_, end @ Change::Ended(_))) => return Ok(end),
            Some(_) => {
                if let Some(stop @ Change::Stopped { .. }) = take_change(pid)? {
                    return Ok(stop);
                }
            }
            None => return Err(io::Error::from_raw_os_error(libc::ESRCH)),
        }
    }
}

fn wait_id(kind: libc::idtype_t, id: i32, flags: libc::c_int) -> io::Result<Option<(i32, Change)>> {
    // SAFETY: all zero is a valid `siginfo_t`.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let flags = flags | libc::WEXITED | libc::__WALL;
    loop {
        // SAFETY: the kernel writes one `siginfo_t`.
        match super::check(unsafe { libc::waitid(kind, id as libc::id_t, &raw mut info, flags) }) {
            Ok(_) => break,
            Err(e) if e.raw_os_error() == Some(libc::EINTR) => {}
            Err(e) if e.raw_os_error() == Some(libc::ECHILD) => return Ok(None),
            Err(e) => return Err(e),
        }
    }
    // SAFETY: waitid fills in these two fields, or leaves the zeros.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    let change = match info.si_code {
        libc::CLD_EXITED => Change::Ended(End { code: Some(status), signal: None }),
        libc::CLD_KILLED | libc::CLD_DUMPED => Change::Ended(End { code: None, signal: Some(status) }),
        _ => Change::Stopped { signal: status & 0x7f, event: status >> 8 },
    };
    Ok((pid != 0).then_some((pid, change)))
}

/// Sends a signal to a process.
pub(crate) fn signal(pid: i32, signal: i32) -> io::Result<()> {
    // SAFETY: no pointers.
    super::check(unsafe { libc::kill(pid, signal) }).map(drop)
}

/// Bytes of a page of memory.
pub(crate) fn page_bytes() -> u64 {
    // SAFETY: no pointers.
    u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

/// Steps of the kernel's account of processor time, a second.
pub(crate) fn ticks_per_second() -> u64 {
    // SAFETY: no pointers.
    u64::try_from(unsafe { libc::sysconf(libc::_SC_CLK_TCK) }).ok().filter(|ticks| *ticks > 0).unwrap_or(100)
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
