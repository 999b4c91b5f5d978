//! System calls that neither the standard library nor `nix` wraps. All unsafe code of the hosts, the wire
//! and the clocks but the machine code of `clock::stub` is here, behind safe functions of a few lines each.
//!
//! - [`clock`]: the machine's clock.
//! - [`epoll`]: waiting with a nanosecond timeout.
//! - [`interface`]: network devices by ioctl: up, address, MTU, queue length, flags, offloads.
//! - [`packet`]: an AF_PACKET socket bound to one device.
//! - [`process`]: clone into new namespaces, process descriptors, the state of a child before exec.
//! - [`seqpacket`]: messages with descriptors over a local socket, with deadlines.
//! - [`tun`]: a TUN device and its descriptor.
//! - [`limits`]: of this process and of others.
//! - [`mapping`]: memory shared with other processes.
//! - [`memory`]: the memory of other processes.
//! - [`ptrace`](self::ptrace): stopping threads, their registers.
//! - [`seccomp`]: system calls that wait for an answer.
//! - [`timer`]: timers behind descriptors.
//! - [`netlink`]: what of network devices cannot be done by ioctl in a user namespace.

use std::io;

pub(crate) mod clock;
pub(crate) mod epoll;
pub(crate) mod interface;
pub(crate) mod limits;
pub(crate) mod mapping;
pub(crate) mod memory;
pub(crate) mod netlink;
pub(crate) mod packet;
pub(crate) mod process;
pub(crate) mod ptrace;
pub(crate) mod seccomp;
pub(crate) mod seqpacket;
pub(crate) mod timer;
pub(crate) mod tun;

/// What a system call returned, or its errno.
fn check(returned: libc::c_int) -> io::Result<libc::c_int> {
    if returned < 0 { Err(io::Error::last_os_error()) } else { Ok(returned) }
}
