//! A TUN device: a network device whose other end is a descriptor. Reading takes one IP packet that the host sent,
//! writing gives it one. The descriptor belongs to the namespace in which it was attached, works in every process it is
//! passed to, and keeps the device alive.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;

/// Opens the device that makes devices.
pub(crate) fn open() -> io::Result<File> {
    OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open("/dev/net/tun")
}

/// Turns it into the descriptor of a new TUN device of the current network namespace.
pub(crate) fn attach(tun: File, name: &str) -> io::Result<OwnedFd> {
    let mut request = super::interface::request(name);
    request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI) as libc::c_short;
    // SAFETY: TUNSETIFF reads and writes one `ifreq`.
    super::check(unsafe { libc::ioctl(tun.as_raw_fd(), libc::TUNSETIFF, &raw mut request) })?;
    Ok(tun.into())
}
