//! What of network devices cannot be done by ioctl in a user namespace: two rtnetlink messages, written by hand.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send, socket,
};

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_TXQLEN: u16 = 13;
const IFLA_LINKINFO: u16 = 18;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const VETH_INFO_PEER: u16 = 1;
const NESTED: u16 = 0x8000;

/// Makes a pair of virtual Ethernet devices: `name` with hardware address `mac` here, and `peer`, born in
/// `peer_namespace`.
pub(crate) fn create_veth(name: &str, mac: [u8; 6], peer: &str, peer_namespace: BorrowedFd) -> io::Result<()> {
    let mut far = no_link();
    attribute(&mut far, IFLA_IFNAME, &terminated(peer));
    attribute(&mut far, IFLA_NET_NS_FD, &peer_namespace.as_raw_fd().to_ne_bytes());
    let mut data = Vec::new();
    attribute(&mut data, VETH_INFO_PEER | NESTED, &far);
    let mut info = Vec::new();
    attribute(&mut info, IFLA_INFO_KIND, b"veth");
    attribute(&mut info, IFLA_INFO_DATA | NESTED, &data);

    let mut body = no_link();
    attribute(&mut body, IFLA_IFNAME, &terminated(name));
    attribute(&mut body, IFLA_ADDRESS, &mac);
    attribute(&mut body, IFLA_LINKINFO | NESTED, &info);
    request(libc::RTM_NEWLINK, libc::NLM_F_EXCL | libc::NLM_F_CREATE, &body)
}

/// Sets how many packets may wait in a device.
pub(crate) fn set_queue_length(name: &str, packets: u32) -> io::Result<()> {
    let mut body = no_link();
    attribute(&mut body, IFLA_IFNAME, &terminated(name));
    attribute(&mut body, IFLA_TXQLEN, &packets.to_ne_bytes());
    request(libc::RTM_NEWLINK, 0, &body)
}

/// Sends one request and waits for its acknowledgement: an error message whose error is 0.
fn request(kind: u16, flags: libc::c_int, body: &[u8]) -> io::Result<()> {
    let flags = (libc::NLM_F_REQUEST | libc::NLM_F_ACK | flags) as u16;
    let mut message = Vec::new();
    message.extend((size_of::<libc::nlmsghdr>() as u32 + body.len() as u32).to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.extend([0; 8]);
    message.extend(body);

    let socket = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute)?;
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
    send(socket.as_raw_fd(), &message, MsgFlags::empty())?;
    acknowledged(socket.as_fd())
}

fn acknowledged(socket: BorrowedFd) -> io::Result<()> {
    let mut answer = [0; 4096];
    let length = recv(socket.as_raw_fd(), &mut answer, MsgFlags::empty())?;
    let header = size_of::<libc::nlmsghdr>();
    let Some(code) = answer[..length].get(header..header + 4).and_then(|b| b.try_into().ok()) else {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "short netlink answer"));
    };
    match i32::from_ne_bytes(code) {
        0 => Ok(()),
        errno => Err(io::Error::from_raw_os_error(-errno)),
    }
}

/// An `ifinfomsg` that names no device: its name is an attribute.
fn no_link() -> Vec<u8> {
    vec![0; size_of::<libc::ifinfomsg>()]
}

fn attribute(message: &mut Vec<u8>, kind: u16, payload: &[u8]) {
    message.extend((payload.len() as u16 + 4).to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(payload);
    message.resize(message.len().next_multiple_of(4), 0);
}

fn terminated(name: &str) -> Vec<u8> {
    let mut bytes = name.as_bytes().to_vec();
    bytes.push(0);
    bytes
}
