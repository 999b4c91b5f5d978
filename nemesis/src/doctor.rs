//! What this machine can do, found out by doing.
//!
//! Reading settings would only repeat what is believed about kernels, containers and security modules. So the doctor makes a
//! host on each rung of the ladder, in a child process, and where that fails the check names the step and the kernel's
//! word for it, and what to type. Then it connects two hosts, and reads the clock of one. Everything it makes is gone when it returns, and every
//! question it asks has a deadline.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{SockaddrIn, connect, getsockopt, sockopt};

use crate::clock::{ClockReading, ClockTier, MonotonicSkew, Skew};
use crate::disk::calls::ARGUMENT;
use crate::disk::{DiskFault, DiskSpec, Effect, ErrorKind, FilesSpec, Operation};
use crate::fault::Need;
use crate::hosts::ladder;
use crate::hosts::message::{Refusal, Step};
use crate::hosts::remedy;
use crate::hosts::{HostSpec, Hosts, HostsConfig, HostsError, ProcessSpec, Rung};
use crate::seed::Seed;

/// Descriptors that a run with some hundreds of connections needs.
const OPEN_FILES: u64 = 1024;
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
const DISK_DEADLINE: Duration = Duration::from_secs(5);

/// One thing probed.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Check {
    /// Stable identifier, such as `user-namespace`.
    pub id: &'static str,
    /// `ok`, `warn` or `fail`.
    pub level: Level,
    /// What was seen.
    pub seen: String,
    /// What to type to make it better.
    pub remedy: Option<String>,
}

/// How good it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Works.
    Ok,
    /// Works less well than it could.
    Warn,
    /// Does not work, and something needs it.
    Fail,
}

/// All checks and what follows.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Diagnosis {
    /// The best rung that works, if any.
    pub rung: Option<Rung>,
    /// In the order of probing.
    pub checks: Vec<Check>,
}

/// One rung, tried.
struct Trial {
    rung: Rung,
    /// The warnings of the host that was made, or where the making stopped.
    outcome: Result<Vec<String>, Refusal>,
}

/// Steps that stand or fall together, in the order in which they are taken.
struct Group {
    id: &'static str,
    steps: &'static [Step],
    /// What it means that they worked.
    good: &'static str,
    applies: fn(Rung) -> bool,
}

const GROUPS: &[Group] = &[
    Group { id: "zygote", steps: &[Step::StartZygote], good: "the program starts itself again", applies: |_| true },
    Group {
        id: "user-namespace",
        steps: &[Step::UserNamespace, Step::UidMap],
        good: "user namespaces can be made without root",
        applies: Rung::user_namespace,
    },
    Group {
        id: "namespaces",
        steps: &[Step::SwitchNamespace, Step::CloneAgent],
        good: "network, mount, PID, UTS and IPC namespaces can be made",
        applies: |_| true,
    },
    Group {
        id: "mounts",
        steps: &[Step::KeepPath, Step::PrivateMounts, Step::HostsFile, Step::PrivateDirectory, Step::HostName],
        good: "a host can have its own /tmp, /etc/hosts and name",
        applies: |_| true,
    },
    Group {
        id: "tun-device",
        steps: &[Step::Loopback, Step::OpenTun, Step::AttachTun],
        good: "/dev/net/tun makes TUN devices",
        applies: Rung::tun,
    },
    Group {
        id: "packet-port",
        steps: &[Step::Loopback, Step::Veth, Step::PacketSocket],
        good: "veth pairs and AF_PACKET sockets can be made",
        applies: |rung| !rung.tun(),
    },
    Group { id: "address", steps: &[Step::Address], good: "devices can be configured", applies: |_| true },
];

/// Probes this machine by really doing each step in a child process. The program must have called
/// [`hosts::init`](crate::hosts::init) first thing in `main`. Takes some tens of milliseconds, a minute at most on a
/// machine that does not answer.
pub fn examine() -> Diagnosis {
    let trials = trials();
    let rung = trials.iter().find(|trial| trial.outcome.is_ok()).map(|trial| trial.rung);
    let mut checks = vec![kernel(), processors(), open_files()];
    checks.extend(GROUPS.iter().filter_map(|group| group.check(&trials, rung.is_some())));
    checks.extend(
        trials
            .iter()
            .find_map(|trial| trial.outcome.as_ref().ok())
            .into_iter()
            .flat_map(|warnings| own_file_systems(warnings)),
    );
    checks.extend(rung.map(wire));
    checks.extend(rung.map(clocks));
    checks.extend(rung.map(monotonic_clocks));
    checks.extend(rung.map(disk).unwrap_or_default());
    Diagnosis { rung, checks }
}

/// Tries the rungs meant for this user, and the others only if those do not hold.
fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for pair in ladder::order().chunks(2) {
        for rung in pair {
            let outcome = ladder::try_rung(*rung).map(|(_zygote, warnings)| warnings);
            trials.push(Trial { rung: *rung, outcome });
        }
        if trials.iter().any(|trial| trial.outcome.is_ok()) {
            break;
        }
    }
    trials
}

impl Group {
    /// None when no trial came this far.
    fn check(&self, trials: &[Trial], some_rung_holds: bool) -> Option<Check> {
        let mut passed = false;
        for trial in trials.iter().filter(|trial| (self.applies)(trial.rung)) {
            match &trial.outcome {
                Err(refusal) if self.steps.contains(&refusal.step) => {
                    let level = if some_rung_holds { Level::Warn } else { Level::Fail };
                    let seen = format!("{}: {refusal}", trial.rung);
                    return Some(Check { id: self.id, level, seen, remedy: Some(remedy::for_refusal(refusal)) });
                }
                Err(refusal) => passed |= self.is_before(refusal.step),
                Ok(_) => passed = true,
            }
        }
        passed.then(|| ok(self.id, self.good))
    }

    fn is_before(&self, step: Step) -> bool {
        let place = |id: &str| GROUPS.iter().position(|group| group.id == id);
        let reached = GROUPS.iter().filter(|group| group.steps.contains(&step)).map(|group| group.id).next();
        reached.and_then(place) > place(self.id)
    }
}

fn ok(id: &'static str, seen: impl Into<String>) -> Check {
    Check { id, level: Level::Ok, seen: seen.into(), remedy: None }
}

fn warn(id: &'static str, seen: impl Into<String>, remedy: impl Into<String>) -> Check {
    Check { id, level: Level::Warn, seen: seen.into(), remedy: Some(remedy.into()) }
}

fn kernel() -> Check {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release = release.trim();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map_while(|n| n.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let seen = format!("Linux {release}");
    if version >= (5, 11) {
        ok("kernel", seen)
    } else {
        warn("kernel", seen, "Linux 5.11 or later delays packets by the microsecond, earlier ones by the millisecond")
    }
}

fn processors() -> Check {
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    let seen = format!("{count} for this process");
    if count > 1 {
        ok("processors", seen)
    } else {
        warn("processors", seen, "with one processor everything waits for everything; give it two")
    }
}

fn open_files() -> Check {
    let limit = crate::sys::limits::open_files().unwrap_or(u64::MAX);
    let seen = format!("{limit} descriptors");
    if limit >= OPEN_FILES { ok("open-files", seen) } else { warn("open-files", seen, "ulimit -n 4096") }
}

/// What the host that was made lacks.
fn own_file_systems(warnings: &[String]) -> Vec<Check> {
    if warnings.is_empty() {
        return vec![ok("own-file-systems", "hosts have their own /proc and /sys")];
    }
    let remedy = "in a container: docker run --security-opt systempaths=unconfined; tests work without it";
    vec![warn("own-file-systems", format!("hosts have {}", warnings.join(", ")), remedy)]
}

/// Connects two hosts: the second refuses, which takes a packet each way.
fn wire(rung: Rung) -> Check {
    match round_trip(rung) {
        Ok(time) => ok("wire", format!("two hosts connected on {rung}, round trip {} µs", time.as_micros())),
        Err(error) => Check {
            id: "wire",
            level: Level::Fail,
            seen: format!("two hosts on {rung} do not reach each other: {error}"),
            remedy: Some("please report this, with the output of `splitbrain doctor --format json`".to_owned()),
        },
    }
}

/// Gives a host a simulated disk and, if that cannot be, files that fail. Without either, files can still be damaged while
/// their node is down.
fn disk(rung: Rung) -> Vec<Check> {
    let Err(why) = offers(Need::Disk, rung) else { return vec![ok("disk", "hosts can have simulated disks (FUSE)")] };
    let refusal = Refusal { step: Step::MountDisk, detail: String::new(), errno: None };
    let no_disk = warn("disk", format!("no simulated disks: {why}"), remedy::for_refusal(&refusal));
    let instead = match fail_files(rung) {
        Ok(()) => {
            ok("failing-files", "file operations can fail, be slow and hang all the same (answered system calls)")
        }
        Err(why) => warn("failing-files", format!("nor can file operations fail without: {why}"), SUPERVISOR_REMEDY),
    };
    vec![no_disk, instead]
}

/// Whether hosts that are made so can have what some faults need, found out by making one; if not, why. Takes some tens
/// of milliseconds, and a few seconds on a machine that does not answer.
pub fn offers(need: Need, rung: Rung) -> Result<(), String> {
    match need {
        Need::Clock => set_clock(rung).map(drop),
        Need::MonotonicClock => set_monotonic_clock(rung).map(drop),
        Need::Disk => mount_disk(rung).map_err(|error| error.to_string()),
        Need::FailingDisk => match mount_disk(rung) {
            Ok(()) => Ok(()),
            Err(no_disk) => fail_files(rung).map_err(|why| format!("{no_disk}; {why}")),
        },
    }
}

/// Has an fsync fail that the host's agent is asked about. Every host has a `/tmp` to itself.
fn fail_files(rung: Rung) -> Result<(), String> {
    let said = |error: HostsError| error.to_string();
    let hosts = Hosts::start(HostsConfig { rung: Some(rung), seed: Seed(0), pcap: None }).map_err(said)?;
    let fault = DiskFault::new(Effect::Error(ErrorKind::Eio)).on(&[Operation::Fsync]);
    let files = Some(FilesSpec { path: "/tmp".into(), operations: fault.operations.iter().copied().collect() });
    let spec = HostSpec { files, ..HostSpec::new("doctor", Ipv4Addr::new(10, 77, 0, 1)) };
    let host = hosts.add(spec).map_err(said)?;
    hosts.set_disk(host, &[fault]).map_err(said)?;
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let argv = [&program.display().to_string(), ARGUMENT, "/tmp/doctor"].map(str::to_owned).to_vec();
    let nowhere = || "/dev/null".into();
    let process = ProcessSpec { argv, env: BTreeMap::new(), dir: "/".into(), stdout: nowhere(), stderr: nowhere() };
    let exits = hosts.exits();
    hosts.spawn(host, process).map_err(said)?;
    let exit = exits.and_then(|exits| exits.recv_timeout(DISK_DEADLINE).ok());
    match (exit.and_then(|exit| exit.code), &hosts.disk_hits(host)[..]) {
        (Some(libc::EIO), [1]) => Ok(()),
        (code, hits) => Err(format!("an fsync that should fail did not: code {code:?}, {hits:?} calls answered")),
    }
}

fn mount_disk(rung: Rung) -> Result<(), HostsError> {
    let hosts = Hosts::start(HostsConfig { rung: Some(rung), seed: Seed(0), pcap: None })?;
    // Which every host has, and has to itself.
    let disk = Some(DiskSpec::new("/tmp"));
    let host = hosts.add(HostSpec { disk, ..HostSpec::new("doctor", Ipv4Addr::new(10, 77, 0, 1)) })?;
    let answers = hosts.disk(host).is_some_and(|disk| disk.wait_used(DISK_DEADLINE));
    let silent = || HostsError::Host { host: "doctor".to_owned(), what: "the kernel does not use its disk".to_owned() };
    answers.then_some(()).ok_or_else(silent)
}

fn round_trip(rung: Rung) -> Result<Duration, HostsError> {
    let hosts = Hosts::start(HostsConfig { rung: Some(rung), seed: Seed(0), pcap: None })?;
    let address = |i: u8| Ipv4Addr::new(10, 77, 0, i);
    let spec = |i: u8| HostSpec::new(format!("doctor{i}"), address(i));
    let first = hosts.add(spec(1))?;
    hosts.add(spec(2))?;
    let socket = hosts.socket(first)?;
    let began = Instant::now();
    refused(socket.as_fd(), address(2))
        .map_err(|source| HostsError::Io { what: "cannot connect to the other host".to_owned(), source })?;
    Ok(began.elapsed())
}

const SUPERVISOR_REMEDY: &str = "the clocks of hosts, and files that fail, need seccomp notifications (Linux 5.5) and ptrace \
    of own children: sysctl kernel.yama.ptrace_scope must be 0 or 1; in a container: docker run --cap-add SYS_PTRACE, \
    and no other supervisor of its system calls. Everything else works without";

fn clocks(rung: Rung) -> Check {
    match set_clock(rung) {
        Ok(seen) => ok("clocks", seen),
        Err(why) => warn("clocks", why, SUPERVISOR_REMEDY),
    }
}

fn monotonic_clocks(rung: Rung) -> Check {
    match set_monotonic_clock(rung) {
        Ok(seen) => ok("monotonic-clocks", seen),
        Err(why) => {
            warn("monotonic-clocks", why, "they need what clocks need, a /proc of their own, and an x86-64 processor")
        }
    }
}

/// Has the monotonic clock of a host go twice as fast, and a program there read it and wait until a time on it. Returns what
/// was seen, or why it cannot be.
fn set_monotonic_clock(rung: Rung) -> Result<String, String> {
    let read = || -> Result<ClockReading, HostsError> {
        let hosts = Hosts::start(HostsConfig { rung: Some(rung), seed: Seed(0), pcap: None })?;
        let spec = HostSpec::new("doctor", Ipv4Addr::new(10, 77, 0, 1));
        let host = hosts.add(HostSpec { clock: Some(ClockTier::Trap), ..spec })?;
        let monotonic = MonotonicSkew { jump_ns: 3600 * 1_000_000_000, drift_ppm: 1_000_000 };
        hosts.set_clock(host, &Skew { monotonic, ..Skew::default() })?;
        hosts.read_clock(host)
    };
    let reading = read().map_err(|error| error.to_string())?;
    match (&reading.started_now, &reading.monotonic) {
        (Err(why), _) => Err(format!("programs keep the machine's clock: {why}")),
        (Ok(_), Some(seen)) if reading.is_as_asked() => {
            let ms = seen.timer_ns.unwrap_or_default() as f64 / 1e6;
            Ok(format!("--trap-clocks: a host whose time goes twice as fast, where a timer of 5 ms took {ms:.1} ms"))
        }
        (Ok(_), seen) => Err(format!("a monotonic clock that should go twice as fast does not: {seen:?}")),
    }
}

/// What of all that faults may need hosts have that are made in the best way that works here; none when no host can be
/// made.
pub fn offered() -> Option<Vec<(Need, bool)>> {
    let rung = trials().iter().find(|trial| trial.outcome.is_ok()).map(|trial| trial.rung)?;
    let mut offered =
        [Need::Clock, Need::MonotonicClock, Need::Disk].map(|need| (need, offers(need, rung).is_ok())).to_vec();
    if offered.contains(&(Need::Disk, false)) {
        offered.push((Need::FailingDisk, fail_files(rung).is_ok()));
    }
    Some(offered)
}

/// Sets the clock of a host an hour ahead and has a program there read it. Returns what was seen, or why it cannot be.
fn set_clock(rung: Rung) -> Result<String, String> {
    const HOUR_NS: i64 = 3600 * 1_000_000_000;
    let read = || -> Result<(ClockReading, Duration), HostsError> {
        let hosts = Hosts::start(HostsConfig { rung: Some(rung), seed: Seed(0), pcap: None })?;
        let spec = HostSpec::new("doctor", Ipv4Addr::new(10, 77, 0, 1));
        let host = hosts.add(HostSpec { clock: Some(ClockTier::Vdso), ..spec })?;
        hosts.set_clock(host, &Skew { jump_ns: HOUR_NS, ..Skew::default() })?;
        let began = Instant::now();
        Ok((hosts.read_clock(host)?, began.elapsed()))
    };
    let (reading, took) = read().map_err(|error| error.to_string())?;
    match (&reading.started_now, reading.is_as_asked()) {
        (Ok(variant), true) => {
            let (name, ms) = (variant.name(), took.as_millis());
            Ok(format!("{name}: a host an hour ahead, read back to {} ns in {ms} ms", reading.precision_ns))
        }
        (Err(why), _) => Err(format!("programs keep the machine's clock: {why}")),
        (Ok(_), false) => Err(format!("a host that should be an hour ahead is {} ns ahead", reading.offset_ns)),
    }
}

/// Waits for the other host's refusal.
fn refused(socket: impl AsFd, address: Ipv4Addr) -> std::io::Result<()> {
    let to = SockaddrIn::from(SocketAddrV4::new(address, 9));
    // The answer is awaited below; what is wrong at once is still there then.
    let _ = connect(socket.as_fd().as_raw_fd(), &to);
    let timeout = PollTimeout::try_from(CONNECT_DEADLINE).unwrap_or(PollTimeout::MAX);
    let answered = poll(&mut [PollFd::new(socket.as_fd(), PollFlags::POLLOUT)], timeout)? > 0;
    match getsockopt(&socket, sockopt::SocketError)? {
        libc::ECONNREFUSED => Ok(()),
        0 if !answered => Err(std::io::ErrorKind::TimedOut.into()),
        0 => Ok(()),
        errno => Err(std::io::Error::from_raw_os_error(errno)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(rung: Rung, step: Option<Step>) -> Trial {
        let refusal = |step| Refusal { step, detail: String::new(), errno: Some(libc::EPERM) };
        Trial { rung, outcome: step.map_or(Ok(Vec::new()), |step| Err(refusal(step))) }
    }

    fn levels(trials: &[Trial]) -> Vec<(&'static str, Level)> {
        let holds = trials.iter().any(|trial| trial.outcome.is_ok());
        GROUPS.iter().filter_map(|group| group.check(trials, holds)).map(|check| (check.id, check.level)).collect()
    }

    #[test]
    fn what_was_passed_is_ok_and_what_was_not_reached_is_not_mentioned() {
        let trials = [trial(Rung::UserTun, Some(Step::UidMap)), trial(Rung::UserPacket, Some(Step::UidMap))];
        assert_eq!(levels(&trials), [("zygote", Level::Ok), ("user-namespace", Level::Fail)]);
    }

    #[test]
    fn a_missing_device_is_a_warning_when_another_rung_holds() {
        let trials = [trial(Rung::UserTun, Some(Step::OpenTun)), trial(Rung::UserPacket, None)];
        let expected = [
            ("zygote", Level::Ok),
            ("user-namespace", Level::Ok),
            ("namespaces", Level::Ok),
            ("mounts", Level::Ok),
            ("tun-device", Level::Warn),
            ("packet-port", Level::Ok),
            ("address", Level::Ok),
        ];
        assert_eq!(levels(&trials), expected);
    }

    #[test]
    fn every_step_of_making_a_host_belongs_to_a_group() {
        let steps = [
            Step::StartZygote,
            Step::UserNamespace,
            Step::UidMap,
            Step::SwitchNamespace,
            Step::CloneAgent,
            Step::PrivateMounts,
            Step::KeepPath,
            Step::PrivateDirectory,
            Step::HostsFile,
            Step::HostName,
            Step::Loopback,
            Step::OpenTun,
            Step::AttachTun,
            Step::Veth,
            Step::PacketSocket,
            Step::Address,
        ];
        assert!(steps.iter().all(|step| GROUPS.iter().any(|group| group.steps.contains(step))));
    }
}
