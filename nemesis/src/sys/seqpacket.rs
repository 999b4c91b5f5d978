//! Messages with descriptors over a pair of local sockets, with deadlines.
//!
//! A message is a JSON document. The kernel bounds the size of one datagram, and an environment can be larger than
//! that, so a large document travels as a memory file: its descriptor is the last one of the message.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read, Seek, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Instant;

use nix::cmsg_space;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg, sendmsg, socketpair,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Documents up to this size travel in the message itself.
const INLINE_BYTES: usize = 16 << 10;
const INLINE: u8 = b'i';
const MEMORY_FILE: u8 = b'm';
const MAX_DESCRIPTORS: usize = 8;

/// Two connected ends, closed on exec.
pub(crate) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?)
}

/// Sends one message; [`io::ErrorKind::TimedOut`] when there is no room until `deadline`.
pub(crate) fn send<M: Serialize>(
    socket: impl AsFd,
    message: &M,
    fds: &[BorrowedFd],
    deadline: Instant,
) -> io::Result<()> {
    let document = serde_json::to_vec(message)?;
    let memory_file;
    let mut raw: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
    let (kind, inline) = if document.len() <= INLINE_BYTES {
        (INLINE, document.as_slice())
    } else {
        memory_file = in_memory(&document)?;
        raw.push(memory_file.as_raw_fd());
        (MEMORY_FILE, &[][..])
    };
    let parts = [IoSlice::new(std::slice::from_ref(&kind)), IoSlice::new(inline)];
    let rights = [ControlMessage::ScmRights(&raw)];
    let control = if raw.is_empty() { &[][..] } else { &rights[..] };
    let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
    loop {
        match sendmsg::<()>(socket.as_fd().as_raw_fd(), &parts, control, flags, None) {
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => wait(socket.as_fd(), PollFlags::POLLOUT, deadline)?,
            Err(e) => return Err(e.into()),
        }
    }
}

/// Receives one message and its descriptors. [`io::ErrorKind::UnexpectedEof`] when the other end is gone,
/// [`io::ErrorKind::TimedOut`] after `deadline`.
pub(crate) fn receive<M: DeserializeOwned>(socket: impl AsFd, deadline: Instant) -> io::Result<(M, Vec<OwnedFd>)> {
    let mut buffer = vec![0; INLINE_BYTES + 1];
    let (length, mut fds) = loop {
        wait(socket.as_fd(), PollFlags::POLLIN, deadline)?;
        match receive_raw(socket.as_fd(), &mut buffer) {
            Ok(received) => break received,
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(e) => return Err(e.into()),
        }
    };
    let message = match buffer[..length].split_first() {
        None => return Err(io::ErrorKind::UnexpectedEof.into()),
        Some((&INLINE, document)) => serde_json::from_slice(document)?,
        Some((&MEMORY_FILE, _)) => {
            let file = fds.pop().ok_or_else(|| malformed("a memory file is missing"))?;
            serde_json::from_slice(&whole(file)?)?
        }
        Some(_) => return Err(malformed("unknown kind of message")),
    };
    Ok((message, fds))
}

fn receive_raw(socket: BorrowedFd, buffer: &mut [u8]) -> nix::Result<(usize, Vec<OwnedFd>)> {
    let mut control = cmsg_space!([RawFd; MAX_DESCRIPTORS]);
    let mut parts = [IoSliceMut::new(buffer)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC | MsgFlags::MSG_DONTWAIT;
    let received = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut control), flags)?;
    let mut fds = Vec::new();
    for message in received.cmsgs()? {
        if let ControlMessageOwned::ScmRights(raw) = message {
            // SAFETY: the kernel has just opened them for us, and nobody else knows them.
            fds.extend(raw.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
        }
    }
    Ok((received.bytes, fds))
}

fn wait(fd: BorrowedFd, events: PollFlags, deadline: Instant) -> io::Result<()> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(fd, events)], timeout) {
            Ok(0) if left.is_zero() => return Err(io::ErrorKind::TimedOut.into()),
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Ok(()),
            Err(e) => return Err(e.into()),
        }
    }
}

fn in_memory(document: &[u8]) -> io::Result<File> {
    let mut file = File::from(memfd_create(c"splitbrain-message", MFdFlags::MFD_CLOEXEC)?);
    file.write_all(document)?;
    file.rewind()?;
    Ok(file)
}

fn whole(fd: OwnedFd) -> io::Result<Vec<u8>> {
    let mut document = Vec::new();
    File::from(fd).read_to_end(&mut document)?;
    Ok(document)
}

fn malformed(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    #[test]
    fn a_message_larger_than_a_datagram_arrives_with_its_descriptors() {
        let (a, b) = pair().unwrap();
        let large = "x".repeat(3 << 20);
        let null = File::open("/dev/null").unwrap();
        send(&a, &large, &[null.as_fd()], soon()).unwrap();
        let (received, fds): (String, _) = receive(&b, soon()).unwrap();
        assert_eq!(received, large);
        assert_eq!(fds.len(), 1);
    }

    #[test]
    fn a_closed_end_is_an_end_and_a_silent_one_a_timeout() {
        let (a, b) = pair().unwrap();
        let silent = receive::<String>(&b, Instant::now() + Duration::from_millis(5)).unwrap_err();
        assert_eq!(silent.kind(), io::ErrorKind::TimedOut);
        drop(a);
        assert_eq!(receive::<String>(&b, soon()).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_full_socket_is_a_timeout_for_the_sender() {
        let (a, _b) = pair().unwrap();
        let text = "x".repeat(INLINE_BYTES / 2);
        let full = loop {
            if let Err(e) = send(&a, &text, &[], Instant::now() + Duration::from_millis(5)) {
                break e;
            }
        };
        assert_eq!(full.kind(), io::ErrorKind::TimedOut);
    }
}
