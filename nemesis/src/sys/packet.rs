//! An AF_PACKET socket: every frame that comes out of one network device, and a way to put frames into it.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

const PACKET_STATISTICS: libc::c_int = 6;
const PACKET_QDISC_BYPASS: libc::c_int = 20;
const PACKET_IGNORE_OUTGOING: libc::c_int = 23;
const BUFFER_BYTES: libc::c_int = 8 << 20;

/// Opens a socket on one device of the current network namespace, by its index.
pub(crate) fn open(index: i32) -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    // Protocol 0: nothing arrives before it is bound to its device.
    let socket = socket(AddressFamily::Packet, SockType::Raw, flags, None)?;
    set(&socket, libc::SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)?;
    // Without these it works too, a little slower or with less room in a burst.
    let _ = set(&socket, libc::SOL_PACKET, PACKET_QDISC_BYPASS, 1);
    for (force, plain) in [(libc::SO_RCVBUFFORCE, libc::SO_RCVBUF), (libc::SO_SNDBUFFORCE, libc::SO_SNDBUF)] {
        let _ = set(&socket, libc::SOL_SOCKET, force, BUFFER_BYTES)
            .or_else(|_| set(&socket, libc::SOL_SOCKET, plain, BUFFER_BYTES));
    }
    bind(&socket, index)?;
    Ok(socket)
}

/// Puts frames into the device with one system call. Returns how many it took, at least one, or why it did not take
/// the first.
pub(crate) fn send_all<'a>(socket: impl AsFd, frames: impl Iterator<Item = &'a [u8]>) -> io::Result<usize> {
    let part = |frame: &[u8]| libc::iovec { iov_base: frame.as_ptr().cast_mut().cast(), iov_len: frame.len() };
    let mut parts: Vec<libc::iovec> = frames.map(part).collect();
    let header = |part: &mut libc::iovec| {
        // SAFETY: all zero is a valid `mmsghdr`: no address, no parts, no control data.
        let mut header: libc::mmsghdr = unsafe { std::mem::zeroed() };
        header.msg_hdr.msg_iov = part;
        header.msg_hdr.msg_iovlen = 1;
        header
    };
    let mut headers: Vec<libc::mmsghdr> = parts.iter_mut().map(header).collect();
    let (socket, count) = (socket.as_fd().as_raw_fd(), headers.len() as libc::c_uint);
    // SAFETY: each header has one part and each part one frame, all of which outlive the call; the kernel writes only
    // to the headers.
    let sent = unsafe { libc::sendmmsg(socket, headers.as_mut_ptr(), count, libc::MSG_DONTWAIT) };
    super::check(sent).map(|sent| sent as usize)
}

/// How many frames the socket dropped because it was full, since the last call.
pub(crate) fn drops(socket: impl AsFd) -> io::Result<u64> {
    let mut statistics = [0u32; 2];
    let mut length = size_of_val(&statistics) as libc::socklen_t;
    // SAFETY: `tpacket_stats` is two unsigned ints, packets and drops; the length says so.
    super::check(unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_PACKET,
            PACKET_STATISTICS,
            statistics.as_mut_ptr().cast(),
            &raw mut length,
        )
    })?;
    Ok(u64::from(statistics[1]))
}

fn set(socket: &OwnedFd, level: libc::c_int, option: libc::c_int, value: libc::c_int) -> io::Result<()> {
    let length = size_of_val(&value) as libc::socklen_t;
    // SAFETY: the kernel reads one int.
    super::check(unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const value).cast(), length) })
        .map(drop)
}

fn bind(socket: &OwnedFd, index: i32) -> io::Result<()> {
    // SAFETY: all zero is a valid `sockaddr_ll`.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
    address.sll_ifindex = index;
    let length = size_of_val(&address) as libc::socklen_t;
    // SAFETY: the kernel reads one `sockaddr_ll`.
    super::check(unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) }).map(drop)
}
