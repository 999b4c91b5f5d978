//! Odd machines and accidents: containers, missing rights, lost agents, programs that forgot something.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output};

use nemesis::doctor::{Level, examine};
use nemesis::hosts::{HostId, Hosts, HostsConfig, HostsError, Rung};
use nemesis::seed::Seed;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getegid, geteuid};

use crate::lab::{self, Lab, wait_until};
use crate::peers;
use crate::runner::Test;

pub const TESTS: &[Test] = &[
    ("where_no_rung_holds_the_remedy_is_said", where_no_rung_holds_the_remedy_is_said),
    ("hosts_work_where_proc_cannot_be_mounted", hosts_work_where_proc_cannot_be_mounted),
    ("a_lost_agent_is_a_lost_host_and_no_hang", a_lost_agent_is_a_lost_host_and_no_hang),
    ("descriptors_above_1024_work", descriptors_above_1024_work),
    ("a_program_that_forgot_init_is_told", a_program_that_forgot_init_is_told),
];

/// Set for a program that does not call `init`.
pub const FORGETFUL: &str = "SPLITBRAIN_TEST_FORGETFUL";

/// Runs this program in another part and wants it to succeed.
fn in_part(part: &[&str], change: impl FnOnce(&mut Command)) -> Output {
    let mut command = Command::new("/proc/self/exe");
    command.arg0("hosts").arg(peers::ARGUMENT).args(part);
    change(&mut command);
    let output = command.output().expect("a process");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

fn where_no_rung_holds_the_remedy_is_said(_: Rung) {
    in_part(&["limited"], |_| {});
}

/// First half: a user namespace in which nobody is root and that allows no others within.
pub fn limited() {
    enter_user_namespace(1000);
    fs::write("/proc/sys/user/max_user_namespaces", "0").expect("the limit");
    in_part(&["without-rights"], |_| {});
}

/// Second half: what is said there.
pub fn without_rights() {
    let Err(HostsError::Unavailable { what, remedy }) = start(None) else { panic!("hosts were made") };
    assert!(what.contains("user-packet: cannot make a user namespace: No space left on device"), "{what}");
    assert!(what.contains("root-tun: cannot make network, mount, UTS, IPC and PID namespaces"), "{what}");
    assert!(remedy.starts_with("no more user namespaces are allowed. Type: sudo sysctl"), "{remedy}");
    let diagnosis = examine();
    assert!(diagnosis.rung.is_none());
    let check = diagnosis.checks.iter().find(|check| check.id == "user-namespace").expect("the check");
    assert_eq!((check.level, check.remedy.as_ref()), (Level::Fail, Some(&remedy)));
}

fn hosts_work_where_proc_cannot_be_mounted(rung: Rung) {
    // Without a user namespace the kernel allows it everywhere.
    if rung.user_namespace() {
        in_part(&["masked", rung.name()], |_| {});
    }
}

/// A place as in a container: part of `/proc` is masked, so a user namespace gets no fresh one.
pub fn masked(rung: &str) {
    if !geteuid().is_root() {
        enter_user_namespace(geteuid().as_raw());
    }
    unshare(CloneFlags::CLONE_NEWNS).expect("a mount namespace");
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).expect("private mounts");
    mount(Some("/dev/null"), "/proc/cmdline", none, MsFlags::MS_BIND, none).expect("a mask");
    let rung = Rung::ALL.into_iter().find(|r| r.name() == rung).expect("a rung");
    let lab = Lab::new(rung, 2);
    lab.start(0, &["family", "2"]);
    lab.start(1, &["sleep"]);
    wait_until("family", || lab.said(0).matches("asleep").count() == 2);
    assert_eq!(lab.hosts.process_count(HostId(0)).unwrap(), 3);
    assert_eq!(lab.hosts.pause(HostId(0)).unwrap(), 3);
    assert_eq!(lab.hosts.resume(HostId(0)).unwrap(), 3);
    assert_eq!(lab.hosts.process_count(HostId(1)).unwrap(), 1);
    assert_eq!(lab.hosts.kill(HostId(0)).unwrap(), 3);
    assert_eq!(lab.hosts.process_count(HostId(0)).unwrap(), 0);
    assert_eq!(lab.hosts.crash(HostId(1)).unwrap(), 1);
    let warned = examine().checks.into_iter().find(|check| check.id == "own-file-systems").expect("the check");
    // The doctor looks at the best rung, and root's needs no user namespace.
    assert_eq!(warned.level, if geteuid().is_root() { Level::Ok } else { Level::Warn }, "{}", warned.seen);
}

/// Becomes `uid` in a user namespace of its own.
fn enter_user_namespace(uid: u32) {
    let (outer_uid, outer_gid) = (geteuid(), getegid());
    unshare(CloneFlags::CLONE_NEWUSER).expect("a user namespace");
    fs::write("/proc/self/setgroups", "deny").expect("setgroups");
    fs::write("/proc/self/uid_map", format!("{uid} {outer_uid} 1")).expect("uid_map");
    fs::write("/proc/self/gid_map", format!("{uid} {outer_gid} 1")).expect("gid_map");
}

fn a_lost_agent_is_a_lost_host_and_no_hang(rung: Rung) {
    let lab = Lab::new(rung, 2);
    lab.start(0, &["sleep"]);
    let zygote = children_of("self").pop().expect("a zygote");
    // In the order of their making.
    let agents = children_of(&zygote);
    kill(Pid::from_raw(agents[0].parse().unwrap()), Signal::SIGKILL).unwrap();
    let exit = lab.wait_exit(0);
    assert_eq!((exit.signal, exit.main, exit.expected), (Some(9), true, false));
    assert_eq!(lab.hosts.process_count(HostId(0)).unwrap(), 0);
    assert_eq!(lab.hosts.socket(HostId(0)).unwrap_err().to_string(), "host a: it is down");
    assert_eq!(lab.dial(1, 0, 7000), Err(std::io::ErrorKind::TimedOut));
    lab.hosts.reboot(HostId(0)).unwrap();
    assert_eq!(lab.dial(1, 0, 7000), Err(std::io::ErrorKind::ConnectionRefused));
    lab.hosts.restart(HostId(0)).unwrap();
    assert_eq!(lab.hosts.process_count(HostId(0)).unwrap(), 1);
}

/// Pids of the children of all threads of a process.
fn children_of(pid: &str) -> Vec<String> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect()
}

fn descriptors_above_1024_work(rung: Rung) {
    let null = || fs::File::open("/dev/null");
    let many: Vec<fs::File> = (0..1100).map_while(|_| null().ok()).collect();
    if many.len() < 1100 {
        eprintln!("SKIPPED descriptors_above_1024_work [{rung}]: only {} descriptors are allowed", many.len());
        return;
    }
    let lab = Lab::new(rung, 2);
    lab.start(0, &["echo", "0.0.0.0:7000"]);
    lab.wait_said(0, "listening");
    lab.connect(1, 0, 7000, lab::DEADLINE).unwrap();
    assert_eq!(lab.hosts.kill(HostId(0)).unwrap(), 1);
}

fn a_program_that_forgot_init_is_told(rung: Rung) {
    in_part(&["start", rung.name()], |command| {
        command.env(FORGETFUL, "1");
    });
}

/// What a program is told whose zygote does not become one.
pub fn forgetful(rung: &str) {
    let rung = Rung::ALL.into_iter().find(|r| r.name() == rung);
    let Err(HostsError::Unavailable { what, remedy }) = start(rung) else { panic!("hosts were made") };
    assert!(what.contains("cannot start the program again as the zygote"), "{what}");
    assert!(remedy.contains("nemesis::hosts::init() must be the first call in main"), "{remedy}");
}

fn start(rung: Option<Rung>) -> Result<Hosts, HostsError> {
    Hosts::start(HostsConfig { rung, seed: Seed(1), pcap: None })
}
