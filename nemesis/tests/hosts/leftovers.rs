//! Nothing stays behind, whatever ends the controller.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use nemesis::clock::{ClockTier, Skew};
use nemesis::disk::{DiskFault, DiskSpec, Effect, Operation};
use nemesis::hosts::{HostId, HostSpec, ProcessSpec, ResourceLimits, Rung};
use nemesis::wire::Link;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::lab::{Lab, Scratch, wait_until};
use crate::peers;
use crate::runner::Test;

pub const TESTS: &[Test] = &[
    ("a_killed_controller_leaves_nothing", a_killed_controller_leaves_nothing),
    ("a_controller_killed_amid_faults_of_all_kinds_leaves_nothing", a_controller_killed_amid_faults_leaves_nothing),
    ("a_killed_zygote_takes_all_hosts_with_it", a_killed_zygote_takes_all_hosts_with_it),
    ("dropping_hosts_is_quick_and_leaves_nothing", dropping_hosts_is_quick_and_leaves_nothing),
];

/// In the environment of the victim and of everything that it starts.
const MARK: &str = "SPLITBRAIN_TEST_MARK";
const A_SECOND: Duration = Duration::from_secs(1);

/// The part of the controller that dies: hosts, processes, and every kind of fault.
pub fn victim(rung: &str, dir: &str) {
    let rung = Rung::ALL.into_iter().find(|r| r.name() == rung).expect("a rung");
    let lab = Lab::in_dir(rung, 4, 1, Scratch::existing(Path::new(dir)));
    let mark = std::env::var(MARK).expect("a mark");
    for host in 0..4 {
        let mut process = lab.process(host, &["family", "2"]);
        process.env.insert(MARK.to_owned(), mark.clone());
        lab.hosts.spawn(HostId(host), process).expect("a process");
    }
    let cut = Link { cut: true, ..Link::default() };
    let slow = Link { delay_us: 100_000, ..Link::default() };
    let held = Link { hold: true, ..Link::default() };
    let ids = [HostId(0), HostId(1), HostId(2)];
    lab.hosts.wire().set(&[(ids[0], ids[1], cut), (ids[1], ids[0], slow), (ids[0], ids[2], held)]);
    lab.hosts.pause(HostId(2)).expect("paused");
    lab.hosts.crash(HostId(3)).expect("crashed");
    let _socket = lab.hosts.socket(HostId(0)).expect("a socket");
    println!("ready");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).expect("a line");
    let began = Instant::now();
    drop(lab);
    println!("{}", began.elapsed().as_millis());
    std::io::stdin().read_line(&mut line).expect("an end");
}

/// Another controller that dies: its nodes have the wrong time, hang in their disks, are throttled and short of memory.
pub fn sick_victim(rung: &str, dir: &str) {
    let rung = Rung::ALL.into_iter().find(|r| r.name() == rung).expect("a rung");
    let equip = |dir: &Scratch, spec: HostSpec| {
        let path = dir.path(&format!("disk-{}", spec.name));
        fs::create_dir_all(&path).expect("a directory");
        HostSpec { clock: Some(ClockTier::Vdso), disk: Some(DiskSpec::new(path)), ..spec }
    };
    let lab = match Lab::equipped(rung, 4, 1, Scratch::existing(Path::new(dir)), equip) {
        Ok(lab) => lab,
        Err(lacking) => return println!("{lacking}"),
    };
    let mark = std::env::var(MARK).expect("a mark");
    let throttled = ResourceLimits { cpu_percent: Some(5), ..ResourceLimits::default() };
    let limited = ResourceLimits { memory_headroom: Some(1 << 20), descriptor_headroom: Some(2), ..throttled };
    for host in 0..4 {
        let dir = lab.dir.path(&format!("disk-{}", crate::lab::name(host)));
        let mut process = ProcessSpec { dir, ..lab.process(host, &["write"]) };
        process.env.insert(MARK.to_owned(), mark.clone());
        lab.hosts.spawn(HostId(host), process).expect("a process");
        lab.wait_said(host, "written 3 true");
    }
    for host in 0..4 {
        lab.hosts.set_clock(HostId(host), &Skew { jump_ns: 3_600_000_000_000, ..Skew::default() }).expect("a clock");
        lab.hosts.set_resources(HostId(host), if host % 2 == 0 { &throttled } else { &limited }).expect("limits");
    }
    let hang = DiskFault::new(Effect::Hang).on(&[Operation::Write, Operation::Fsync]);
    for host in [1, 2] {
        let disk = lab.hosts.disk(HostId(host)).expect("a disk");
        disk.set_faults(std::slice::from_ref(&hang)).expect("a fault");
        wait_until("an operation that hangs", || disk.stats().waiting > 0);
    }
    lab.hosts.pause(HostId(3)).expect("paused");
    let before = lab.hosts.read_resources(HostId(0)).expect("a reading").expect("it is up").stops;
    wait_until("turns", || {
        lab.hosts.read_resources(HostId(0)).is_ok_and(|now| now.is_some_and(|now| now.stops > before + 3))
    });
    println!("ready");
    std::io::stdin().read_line(&mut String::new()).expect("an end");
}

fn a_controller_killed_amid_faults_leaves_nothing(rung: Rung) {
    let mut victim = Victim::playing(rung, "sick-victim").unwrap_or_else(|lacking| crate::runner::skip(lacking));
    victim.child.kill().expect("kill");
    assert_eq!(victim.child.wait().expect("wait").signal(), Some(9));
    victim.nothing_left_but(0);
}

fn a_killed_controller_leaves_nothing(rung: Rung) {
    let mut victim = Victim::start(rung);
    victim.child.kill().expect("kill");
    assert_eq!(victim.child.wait().expect("wait").signal(), Some(9));
    victim.nothing_left_but(0);
    let files: Vec<_> = fs::read_dir(victim.dir.path("")).unwrap().flatten().map(|entry| entry.file_name()).collect();
    let asked_for = |name: &str| name.ends_with(".pcap") || name.ends_with(".out") || name.ends_with(".err");
    assert!(files.iter().all(|name| asked_for(&name.to_string_lossy())), "{files:?}");
}

fn a_killed_zygote_takes_all_hosts_with_it(rung: Rung) {
    let victim = Victim::start(rung);
    let threads = fs::read_dir(format!("/proc/{}/task", victim.child.id())).unwrap().flatten();
    let mut children = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    let zygote = children.find_map(|pids| pids.split_whitespace().next()?.parse().ok()).expect("a zygote");
    kill(Pid::from_raw(zygote), Signal::SIGKILL).unwrap();
    victim.nothing_left_but(1);
}

fn dropping_hosts_is_quick_and_leaves_nothing(rung: Rung) {
    let mut victim = Victim::start(rung);
    std::io::Write::write_all(&mut victim.child.stdin.as_ref().unwrap(), b"drop\n").unwrap();
    let took: u64 = victim.says().parse().unwrap();
    assert!(took < 200, "{took} ms");
    victim.nothing_left_but(1);
}

/// A controller in a process of its own, and what the machine looked like before and with it.
struct Victim {
    child: Child,
    out: BufReader<ChildStdout>,
    dir: Scratch,
    mark: String,
    mounts: Vec<String>,
    devices: BTreeSet<String>,
    /// Of its hosts and zygote.
    namespaces: BTreeSet<String>,
    /// Everything that ran beside it and could hold something of it. Numbers of namespaces are used again, so a
    /// process that was started later and has a namespace of the same number has another one.
    witnesses: BTreeSet<(String, String)>,
}

impl Victim {
    fn start(rung: Rung) -> Victim {
        Victim::playing(rung, "victim").expect("a victim")
    }

    /// The error is what it lacks here.
    fn playing(rung: Rung, part: &str) -> Result<Victim, String> {
        let dir = Scratch::new();
        let (mounts, devices) = (mounts(), names("/sys/class/net"));
        let mark = dir.path("").display().to_string();
        let mut command = Command::new("/proc/self/exe");
        command.arg0("victim").args([peers::ARGUMENT, part, rung.name(), &mark]).env(MARK, &mark);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a victim");
        let out = BufReader::new(child.stdout.take().expect("its output"));
        let (namespaces, witnesses) = (BTreeSet::new(), BTreeSet::new());
        let mut victim = Victim { child, out, dir, mark, mounts, devices, namespaces, witnesses };
        let said = victim.says();
        if said != "ready" {
            return Err(said);
        }
        let processes = victim.processes();
        // Itself, the zygote, three agents, and three families of three.
        assert!(processes.len() >= 5, "{processes:?}");
        let own: BTreeSet<String> = links("/proc/self/ns").collect();
        victim.namespaces = processes.iter().flat_map(|pid| links(&format!("/proc/{pid}/ns"))).collect();
        victim.namespaces.retain(|namespace| !own.contains(namespace));
        assert!(victim.namespaces.len() >= 3 * 5, "{:?}", victim.namespaces);
        victim.witnesses = pids().filter_map(|pid| Some((pid.clone(), alive_since(&pid)?))).collect();
        Ok(victim)
    }

    fn says(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).expect("a line");
        line.trim().to_owned()
    }

    /// Everything that carries the mark, the dead not yet buried included.
    fn processes(&self) -> Vec<String> {
        let of = format!("{MARK}={}", self.mark);
        let carries = |pid: &String| {
            fs::read(format!("/proc/{pid}/environ")).is_ok_and(|env| env.split(|b| *b == 0).any(|v| v == of.as_bytes()))
        };
        pids().filter(carries).collect()
    }

    /// Waits a second at most for the end of everything but `count` processes.
    fn nothing_left_but(&self, count: usize) {
        let deadline = Instant::now() + A_SECOND;
        loop {
            let left = self.left(count);
            if left.is_empty() {
                return;
            }
            assert!(Instant::now() < deadline, "left behind: {left:#?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn left(&self, count: usize) -> Vec<String> {
        let mut left: Vec<String> = self.processes().into_iter().map(|pid| format!("process {pid}")).collect();
        left.truncate(if left.len() > count { left.len() } else { 0 });
        let witness =
            |pid: &String| alive_since(pid).is_some_and(|since| self.witnesses.contains(&(pid.clone(), since)));
        for pid in pids().filter(witness) {
            let held = links(&format!("/proc/{pid}/ns")).chain(links(&format!("/proc/{pid}/fd")));
            left.extend(held.filter(|link| self.namespaces.contains(link)).map(|link| format!("{link} by {pid}")));
        }
        left.extend(mounts().into_iter().filter(|mount| !self.mounts.contains(mount)));
        left.extend(names("/sys/class/net").difference(&self.devices).cloned());
        for dir in ["/tmp", "/var/tmp", "/dev/shm"] {
            let foreign = |name: &String| name.contains(&format!("splitbrain-test-{}-", self.child.id()));
            left.extend(names(dir).into_iter().filter(foreign));
        }
        left
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn pids() -> impl Iterator<Item = String> {
    names("/proc").into_iter().filter(|name| name.bytes().all(|b| b.is_ascii_digit()))
}

/// When a process was started; none for a dead one, which waits for whoever inherited it to bury it and holds nothing
/// but its number.
fn alive_since(pid: &str) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    (!matches!(fields[0], "Z" | "X")).then(|| fields[19].to_owned())
}

fn mounts() -> Vec<String> {
    let table = fs::read_to_string("/proc/self/mountinfo").expect("mounts");
    table.lines().map(str::to_owned).collect()
}

fn names(dir: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

fn links(dir: &str) -> impl Iterator<Item = String> + use<> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter_map(|entry| Some(fs::read_link(entry.path()).ok()?.display().to_string()))
}
