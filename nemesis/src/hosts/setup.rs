//! Making a host out of fresh namespaces: its mounts, its name, its network.
//!
//! Everything that can fail without making the host useless is a warning; the rest is a refusal that names the step.

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns};

use super::Rung;
use super::clock::PageFile;
use super::keep;
use super::message::{At, Refusal, SetUp, Step};
use super::processes::Census;
use crate::sys::interface::Interface;
use crate::sys::{netlink, packet, tun};

const DEVICE: &str = "eth0";
const MTU: i32 = 1500;
/// Short queues lose packets that nobody asked to lose: 1000 lost a thousand in three seconds of one full-speed
/// stream, 5000 none.
const QUEUE_LENGTH: u32 = 10_000;
const MASK: Ipv4Addr = Ipv4Addr::new(255, 255, 255, 0);
const NONE: Option<&str> = None;

/// What came of it.
pub(super) struct Host {
    /// The other end of its network device.
    pub(super) port: OwnedFd,
    /// The other end of its simulated disk and, if it has one, its own `/proc`.
    pub(super) disk: Vec<OwnedFd>,
    pub(super) census: Census,
    pub(super) warnings: Vec<String>,
    pub(super) clock_page: Option<PageFile>,
}

/// Turns the current process and its namespaces into a host.
pub(super) fn become_host(rung: Rung, switch: Option<OwnedFd>, spec: &SetUp) -> Result<Host, Refusal> {
    let mut warnings = Vec::new();
    let kept = keep::plan(&spec.keep)?;
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE).at(Step::PrivateMounts)?;
    let census = mount_proc(&mut warnings)?;
    mount_sys(&mut warnings);
    mount_name_files(spec, &mut warnings)?;
    kept.mount()?;
    let number = spec.serial + 1;
    let clock_page = spec.clock.map(|_| PageFile::make(kept.private(), number)).transpose()?;
    nix::unistd::sethostname(&spec.name).at_path(Step::HostName, &spec.name)?;
    set_sysctls(&mut warnings);
    Interface::open("lo").and_then(|lo| lo.up()).at(Step::Loopback)?;
    let port = if rung.tun() { tun_port()? } else { packet_port(switch, spec)? };
    configure(spec.address).at(Step::Address)?;
    let disk = spec.disk.as_deref().map_or(Ok(Vec::new()), |path| mount_disk(path, &census))?;
    Ok(Host { port, disk, census, warnings, clock_page })
}

/// Last of all, as nothing can look at the directory before the controller serves it.
fn mount_disk(path: &Path, census: &Census) -> Result<Vec<OwnedFd>, Refusal> {
    let at = |step: std::io::Result<OwnedFd>| step.at_path(Step::MountDisk, path.display().to_string());
    let mut fds = vec![at(crate::disk::fuse::mount(path))?];
    if matches!(census, Census::Own) {
        fds.push(at(fs::File::open("/proc").map(OwnedFd::from))?);
    }
    Ok(fds)
}

/// The hardware address of the host with this address, on a rung that has such addresses.
pub(super) fn hardware_address(address: Ipv4Addr) -> [u8; 6] {
    let [a, b, c, d] = address.octets();
    [2, 0, a, b, c, d]
}

/// Packets that the host's device has dropped because its queue was full.
pub(super) fn device_drops() -> u64 {
    fs::read_to_string("/proc/self/net/dev").ok().and_then(|table| transmit_drops(&table, DEVICE)).unwrap_or(0)
}

fn transmit_drops(table: &str, device: &str) -> Option<u64> {
    let line = table.lines().find_map(|line| line.trim().strip_prefix(device)?.strip_prefix(':'))?;
    // Eight columns of receiving, then bytes, packets, errs, drop.
    line.split_whitespace().nth(11)?.parse().ok()
}

fn mount_proc(warnings: &mut Vec<String>) -> Result<Census, Refusal> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    match mount(Some("proc"), "/proc", Some("proc"), flags, NONE) {
        Ok(()) => Ok(Census::Own),
        Err(error) => {
            warnings.push(format!("no /proc of its own: {error}"));
            Census::inherited().at(Step::CountProcesses)
        }
    }
}

fn mount_sys(warnings: &mut Vec<String>) {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC | MsFlags::MS_RDONLY;
    if let Err(error) = mount(Some("sysfs"), "/sys", Some("sysfs"), flags, NONE) {
        warnings.push(format!("no /sys of its own: {error}"));
    }
}

/// Lays the host's own `/etc/hosts`, and an empty `/etc/resolv.conf`, over those of the machine: names resolve at once
/// or not at all. The files live on a file system that is mounted nowhere else.
fn mount_name_files(spec: &SetUp, warnings: &mut Vec<String>) -> Result<(), Refusal> {
    let scratch = Path::new("/tmp");
    mount(Some("tmpfs"), scratch, Some("tmpfs"), MsFlags::empty(), Some("mode=0755")).at(Step::HostsFile)?;
    for (name, text) in [("hosts", hosts_file(spec)), ("resolv.conf", String::new())] {
        let file = scratch.join(name);
        fs::write(&file, text).at(Step::HostsFile)?;
        let target = Path::new("/etc").join(name);
        if let Err(error) = mount(Some(&file), &target, NONE, MsFlags::MS_BIND, NONE) {
            warnings.push(format!("no {} of its own: {error}", target.display()));
        }
    }
    umount2(scratch, MntFlags::MNT_DETACH).at(Step::HostsFile)
}

fn hosts_file(spec: &SetUp) -> String {
    let mut names: BTreeMap<&str, Ipv4Addr> = spec.names.iter().map(|(name, to)| (name.as_str(), *to)).collect();
    names.insert(&spec.name, spec.address);
    let mut text = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n".to_owned();
    for (name, address) in names {
        text.push_str(&format!("{address} {name}\n"));
    }
    text
}

fn set_sysctls(warnings: &mut Vec<String>) {
    let settings = [
        // Before eth0 exists: no neighbour discovery on the wire. `all` would take ::1 away from lo.
        ("net/ipv6/conf/default/disable_ipv6", "1"),
        // A server that is not root may want port 80.
        ("net/ipv4/ip_unprivileged_port_start", "0"),
    ];
    for (name, value) in settings {
        let path = Path::new("/proc/sys").join(name);
        if path.exists()
            && let Err(error) = fs::write(&path, value)
        {
            warnings.push(format!("cannot set {}: {error}", name.replace('/', ".")));
        }
    }
}

fn tun_port() -> Result<OwnedFd, Refusal> {
    let device = tun::open().at(Step::OpenTun)?;
    tun::attach(device, DEVICE).at(Step::AttachTun)
}

/// A veth pair whose far end, in the switch's network namespace, is read and written through an AF_PACKET socket.
fn packet_port(switch: Option<OwnedFd>, spec: &SetUp) -> Result<OwnedFd, Refusal> {
    let Some(switch) = switch else {
        return Err(Refusal { step: Step::Veth, detail: "twice".to_owned(), errno: None });
    };
    let far = format!("p{}", spec.serial);
    netlink::create_veth(DEVICE, hardware_address(spec.address), &far, switch.as_fd()).at(Step::Veth)?;
    let near = Interface::open(DEVICE).at(Step::Veth)?;
    near.offloads_off().at(Step::Veth)?;
    near.no_arp().at(Step::Veth)?;

    let home = fs::File::open("/proc/self/ns/net").at(Step::PacketSocket)?;
    setns(&switch, CloneFlags::CLONE_NEWNET).at(Step::PacketSocket)?;
    let port = Interface::open(&far).and_then(|far| {
        far.up()?;
        packet::open(far.index()?)
    });
    setns(home, CloneFlags::CLONE_NEWNET).at(Step::PacketSocket)?;
    port.at(Step::PacketSocket)
}

fn configure(address: Ipv4Addr) -> std::io::Result<()> {
    let device = Interface::open(DEVICE)?;
    device.mtu(MTU)?;
    netlink::set_queue_length(DEVICE, QUEUE_LENGTH)?;
    device.address(address, MASK)?;
    device.up()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_are_the_twelfth_column_with_or_without_a_space() {
        let table = "Inter-|   Receive\n face |bytes\n    lo: 1 2 3 4 5 6 7 8 9 10 11 12 13\n  eth0:1 2 3 4 5 6 7 8 9 10 11 42 13\n";
        assert_eq!(transmit_drops(table, "eth0"), Some(42));
        assert_eq!(transmit_drops(table, "lo"), Some(12));
        assert_eq!(transmit_drops(table, "eth1"), None);
    }

    #[test]
    fn every_host_knows_itself_and_its_peers() {
        let spec = SetUp {
            name: "n1".to_owned(),
            address: Ipv4Addr::new(10, 77, 0, 1),
            names: BTreeMap::from([("n2".to_owned(), Ipv4Addr::new(10, 77, 0, 2))]),
            keep: Vec::new(),
            disk: None,
            serial: 0,
            clock: None,
            files: None,
        };
        let text = hosts_file(&spec);
        assert!(text.contains("10.77.0.1 n1\n") && text.contains("10.77.0.2 n2\n") && text.starts_with("127.0.0.1"));
    }
}
