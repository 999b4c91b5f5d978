//! Seccomp's user notifications: a filter with a listener, and answers to what it hears (seccomp_unotify(2)).

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use libc::sock_filter;

/// A system call that waits for an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Notification {
    /// For the answer.
    pub(crate) id: u64,
    /// The calling thread, as the receiver numbers it.
    pub(crate) thread: i32,
    pub(crate) call: i32,
    pub(crate) architecture: u32,
    /// Where it was called from.
    pub(crate) instruction_pointer: u64,
    pub(crate) arguments: [u64; 6],
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct RawNotification {
    id: u64,
    pid: u32,
    flags: u32,
    call: i32,
    architecture: u32,
    instruction_pointer: u64,
    arguments: [u64; 6],
}

#[repr(C)]
struct RawAnswer {
    id: u64,
    value: i64,
    error: i32,
    flags: u32,
}

/// `_IOWR('!', 0, struct seccomp_notif)` and `_IOWR('!', 1, struct seccomp_notif_resp)`.
const RECEIVE: u32 = ioctl_number(0, size_of::<RawNotification>());
const SEND: u32 = ioctl_number(1, size_of::<RawAnswer>());
/// `_IOW('!', 2, __u64)`.
const ID_VALID: u32 = ioctl_number(2, size_of::<u64>()) & !(2 << 30);
/// `_IOW('!', 4, __u64)`.
const SET_FLAGS: u32 = ioctl_number(4, size_of::<u64>()) & !(2 << 30);
const CONTINUE: u32 = 1;
const SYNC_WAKE_UP: libc::c_ulong = 1;

const fn ioctl_number(number: u32, bytes: usize) -> u32 {
    3 << 30 | (bytes as u32) << 16 | (b'!' as u32) << 8 | number
}

/// Installs a filter for this thread and all that descends from it, and returns its listener.
///
/// Whoever has no right to do that (`CAP_SYS_ADMIN` in its user namespace) gives up the right to gain rights first.
pub(crate) fn install(program: &mut [sock_filter]) -> io::Result<OwnedFd> {
    match install_with_rights(program) {
        Err(error) if error.raw_os_error() == Some(libc::EACCES) => {
            nix::sys::prctl::set_no_new_privs()?;
            install_with_rights(program)
        }
        other => other,
    }
}

fn install_with_rights(program: &mut [sock_filter]) -> io::Result<OwnedFd> {
    let listener = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
    // A call that is being answered is not to be interrupted by signals; kernels before 5.19 do not know this flag.
    match install_flags(program, listener | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => install_flags(program, listener),
        other => other,
    }
}

fn install_flags(program: &mut [sock_filter], flags: libc::c_ulong) -> io::Result<OwnedFd> {
    let raw = crate::hosts::filter::raw(program);
    // SAFETY: the kernel copies the program, which outlives the call.
    let fd = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const raw) };
    let fd = super::check(fd as libc::c_int)?;
    // SAFETY: the kernel has just opened it for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Has the kernel expect that who asks waits for the answer, and run both on one processor: to wake another costs several times
/// as much as the answer. Kernels before 6.6 do not know this, and do without.
pub(crate) fn answer_on_one_processor(listener: impl AsFd) {
    // SAFETY: the kernel takes a number, not an address.
    unsafe { libc::ioctl(listener.as_fd().as_raw_fd(), SET_FLAGS as libc::Ioctl, SYNC_WAKE_UP) };
}

/// The next call that waits; none if its thread has gone meanwhile. Blocks when there is none: poll first.
pub(crate) fn receive(listener: impl AsFd) -> io::Result<Option<Notification>> {
    // The kernel insists on zeros.
    let mut raw = RawNotification::default();
    // SAFETY: the kernel writes one notification of this layout.
    let returned = unsafe { libc::ioctl(listener.as_fd().as_raw_fd(), RECEIVE as libc::Ioctl, &raw mut raw) };
    match super::check(returned) {
        Ok(_) => Ok(Some(Notification {
            id: raw.id,
            thread: raw.pid as i32,
            call: raw.call,
            architecture: raw.architecture,
            instruction_pointer: raw.instruction_pointer,
            arguments: raw.arguments,
        })),
        Err(e) if matches!(e.raw_os_error(), Some(libc::ENOENT | libc::EINTR)) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Has the kernel execute the call. `false` when its thread has gone.
pub(crate) fn proceed(listener: impl AsFd, notification: &Notification) -> io::Result<bool> {
    send(listener, &RawAnswer { id: notification.id, value: 0, error: 0, flags: CONTINUE })
}

/// Has the call return this, without the kernel executing it; a negative value is an errno. `false` when its thread has
/// gone.
pub(crate) fn return_value(listener: impl AsFd, notification: &Notification, value: i64) -> io::Result<bool> {
    let error = i32::try_from(value.min(0)).unwrap_or(-libc::EOVERFLOW);
    send(listener, &RawAnswer { id: notification.id, value: value.max(0), error, flags: 0 })
}

/// Whether a call still waits for its answer.
pub(crate) fn is_waiting(listener: impl AsFd, notification: &Notification) -> bool {
    let id = notification.id;
    // SAFETY: the kernel reads one number.
    unsafe { libc::ioctl(listener.as_fd().as_raw_fd(), ID_VALID as libc::Ioctl, &raw const id) == 0 }
}

fn send(listener: impl AsFd, answer: &RawAnswer) -> io::Result<bool> {
    // SAFETY: the kernel reads one answer of this layout.
    let returned =
        unsafe { libc::ioctl(listener.as_fd().as_raw_fd(), SEND as libc::Ioctl, std::ptr::from_ref(answer)) };
    match super::check(returned) {
        Ok(_) => Ok(true),
        Err(e) if e.raw_os_error() == Some(libc::ENOENT) => Ok(false),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ioctl_numbers_are_the_kernels() {
        assert_eq!((RECEIVE, SEND, ID_VALID, SET_FLAGS), (0xc050_2100, 0xc018_2101, 0x4008_2102, 0x4008_2104));
    }
}
