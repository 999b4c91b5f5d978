//! Network devices of the current network namespace, by ioctl: no netlink library, no `ip` binary.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

/// `ETHTOOL_STXCSUM`, `ETHTOOL_STSO`, `ETHTOOL_SGSO`: the offloads that make a sender's kernel hand over unfinished
/// checksums and segments larger than the MTU.
const OFFLOADS: [u32; 3] = [0x17, 0x1f, 0x24];

/// One device, by name. Valid for the network namespace in which it was opened.
pub(crate) struct Interface {
    name: String,
    control: OwnedFd,
}

impl Interface {
    /// Does not check that the device exists.
    pub(crate) fn open(name: &str) -> io::Result<Self> {
        let control = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
        Ok(Interface { name: name.to_owned(), control })
    }

    /// Brings it up.
    pub(crate) fn up(&self) -> io::Result<()> {
        self.add_flags(libc::IFF_UP | libc::IFF_RUNNING)
    }

    /// Makes an Ethernet device never ask who has an address.
    pub(crate) fn no_arp(&self) -> io::Result<()> {
        self.add_flags(libc::IFF_NOARP)
    }

    /// Sets the address and the mask; the kernel adds the route to the network.
    pub(crate) fn address(&self, address: Ipv4Addr, mask: Ipv4Addr) -> io::Result<()> {
        self.set_address(libc::SIOCSIFADDR, address)?;
        self.set_address(libc::SIOCSIFNETMASK, mask)
    }

    /// Sets the largest packet, bytes.
    pub(crate) fn mtu(&self, bytes: i32) -> io::Result<()> {
        let mut request = request(&self.name);
        request.ifr_ifru.ifru_mtu = bytes;
        self.call(libc::SIOCSIFMTU, &mut request)
    }

    /// The device's index.
    pub(crate) fn index(&self) -> io::Result<i32> {
        let mut request = request(&self.name);
        self.call(libc::SIOCGIFINDEX, &mut request)?;
        // SAFETY: SIOCGIFINDEX filled in the index.
        Ok(unsafe { request.ifr_ifru.ifru_ifindex })
    }

    /// Makes the kernel finish checksums and cut segments before it hands packets to the device.
    pub(crate) fn offloads_off(&self) -> io::Result<()> {
        for command in OFFLOADS {
            let mut value = [command, 0u32];
            let mut request = request(&self.name);
            request.ifr_ifru.ifru_data = value.as_mut_ptr().cast();
            self.call(libc::SIOCETHTOOL, &mut request)?;
        }
        Ok(())
    }

    fn add_flags(&self, flags: libc::c_int) -> io::Result<()> {
        let mut request = request(&self.name);
        self.call(libc::SIOCGIFFLAGS, &mut request)?;
        // SAFETY: SIOCGIFFLAGS filled in the flags.
        let present = unsafe { request.ifr_ifru.ifru_flags };
        request.ifr_ifru.ifru_flags = present | flags as libc::c_short;
        self.call(libc::SIOCSIFFLAGS, &mut request)
    }

    fn set_address(&self, command: libc::Ioctl, address: Ipv4Addr) -> io::Result<()> {
        let inet = libc::sockaddr_in {
            sin_family: libc::AF_INET as libc::sa_family_t,
            sin_port: 0,
            sin_addr: libc::in_addr { s_addr: u32::from(address).to_be() },
            sin_zero: [0; 8],
        };
        let mut request = request(&self.name);
        // SAFETY: both are 16 bytes and plain data; a sockaddr of family AF_INET is read as a sockaddr_in.
        request.ifr_ifru.ifru_addr = unsafe { std::mem::transmute::<libc::sockaddr_in, libc::sockaddr>(inet) };
        self.call(command, &mut request)
    }

    fn call(&self, command: libc::Ioctl, request: &mut libc::ifreq) -> io::Result<()> {
        // SAFETY: every command used here reads and writes one `ifreq`; where its union holds a pointer
        // (SIOCETHTOOL), the caller's buffer outlives the call.
        super::check(unsafe { libc::ioctl(self.control.as_raw_fd(), command, std::ptr::from_mut(request)) }).map(drop)
    }
}

/// An interface request that names a device; names longer than the kernel's are cut.
pub(super) fn request(name: &str) -> libc::ifreq {
    // SAFETY: all zero is a valid `ifreq`: integers, an array, and a union of plain data.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (slot, byte) in request.ifr_name[..libc::IFNAMSIZ - 1].iter_mut().zip(name.bytes()) {
        *slot = byte as libc::c_char;
    }
    request
}
