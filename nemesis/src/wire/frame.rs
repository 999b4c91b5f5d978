//! A packet as the switch holds it, and the ports it comes from and goes to.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// Room for an Ethernet header before every packet, used or not, so that a packet may leave by either kind of port.
pub(super) const HEADER: usize = 14;
/// The largest packet that can be read.
pub(super) const MAX_PACKET: usize = 65_536;
/// From whom hosts get all frames.
const SWITCH_ADDRESS: [u8; 6] = [2, 0, 0, 0, 0, 0xfe];
const ETHERTYPE_IPV4: [u8; 2] = [0x08, 0x00];

/// The controller's end of a host's network device.
#[derive(Debug)]
pub enum Port {
    /// One IP packet per read and write: a TUN device, or for tests any socket that keeps messages apart.
    Ip(OwnedFd),
    /// One Ethernet frame per read and write. Frames are given to the host under its own address `mac`, so nobody
    /// needs ARP.
    Ethernet {
        /// The socket.
        socket: OwnedFd,
        /// The hardware address of the host's device.
        mac: [u8; 6],
    },
}

impl AsFd for Port {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Port::Ip(fd) | Port::Ethernet { socket: fd, .. } => fd.as_fd(),
        }
    }
}

impl Port {
    /// Reads one packet into `buffer` behind [`HEADER`] bytes of room. Returns the end of the packet, or none for a
    /// frame that holds no IPv4 packet.
    pub(super) fn read(&self, buffer: &mut [u8]) -> nix::Result<Option<usize>> {
        match self {
            Port::Ip(fd) => Ok(Some(HEADER + nix::unistd::read(fd, &mut buffer[HEADER..])?)),
            Port::Ethernet { socket, .. } => {
                let end = nix::unistd::read(socket, buffer)?;
                Ok((end > HEADER && buffer[12..HEADER] == ETHERTYPE_IPV4).then_some(end))
            }
        }
    }

    /// Packets that the port itself lost since the last call because it was full.
    pub(super) fn drops(&self) -> u64 {
        match self {
            Port::Ip(_) => 0,
            Port::Ethernet { socket, .. } => crate::sys::packet::drops(socket).unwrap_or(0),
        }
    }

    /// Makes reads return at once when nothing is there.
    pub(super) fn set_nonblocking(&self) -> io::Result<()> {
        let fd = self.as_fd();
        let flags = nix::fcntl::OFlag::from_bits_retain(nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_GETFL)?);
        nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_SETFL(flags | nix::fcntl::OFlag::O_NONBLOCK))?;
        Ok(())
    }

    /// For messages: the descriptor's number.
    pub(super) fn number(&self) -> i32 {
        self.as_fd().as_raw_fd()
    }
}

/// Fills the room before a packet with the header of a frame for `mac`.
pub(super) fn address_frame(frame: &mut [u8], mac: [u8; 6]) {
    frame[..6].copy_from_slice(&mac);
    frame[6..12].copy_from_slice(&SWITCH_ADDRESS);
    frame[12..HEADER].copy_from_slice(&ETHERTYPE_IPV4);
}

/// Where an IP packet wants to go; none when it is not IPv4.
pub(super) fn destination(packet: &[u8]) -> Option<Ipv4Addr> {
    if packet.len() < 20 || packet[0] >> 4 != 4 {
        return None;
    }
    Some(Ipv4Addr::new(packet[16], packet[17], packet[18], packet[19]))
}

/// Where the payload of an IPv4 packet begins.
pub(super) fn payload(packet: &[u8]) -> usize {
    (usize::from(packet[0] & 0xf) * 4).min(packet.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_ipv4_headers_have_a_destination() {
        let mut packet = vec![0; 24];
        packet[0] = 0x45;
        packet[16..20].copy_from_slice(&[10, 77, 0, 3]);
        assert_eq!(destination(&packet), Some(Ipv4Addr::new(10, 77, 0, 3)));
        assert_eq!(destination(&packet[..19]), None);
        packet[0] = 0x60;
        assert_eq!(destination(&packet), None);
        assert_eq!(destination(&[]), None);
    }

    #[test]
    fn the_payload_never_begins_behind_the_end() {
        let mut packet = vec![0; 24];
        packet[0] = 0x45;
        assert_eq!(payload(&packet), 20);
        packet[0] = 0x4f;
        assert_eq!(payload(&packet), 24);
    }
}
