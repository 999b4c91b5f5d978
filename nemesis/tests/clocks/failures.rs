//! Programs that a host's clock does not reach are reported, by name and with the reason.

use std::process::Command;

use nemesis::clock::{ClockTier, Coverage, InjectionStep, MonotonicSkew, Skew, Uncovered};
use nemesis::disk::FilesSpec;
use nemesis::hosts::{HostId, HostSpec, Hosts, HostsConfig, Rung};
use nemesis::seed::Seed;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use crate::lab::{Lab, SECOND, own_program, wait_until};
use crate::peers;
use crate::runner::Test;
use crate::sources;

pub const TESTS: &[Test] = &[
    ("a_32_bit_program_is_reported", a_32_bit_program_is_reported),
    ("a_program_that_left_the_page_behind_is_reported", a_program_that_left_the_page_behind_is_reported),
    ("clocks_work_where_proc_cannot_be_mounted", clocks_work_where_proc_cannot_be_mounted),
    ("a_program_under_another_tracer_is_reported", a_program_under_another_tracer_is_reported),
    ("a_program_that_cannot_open_the_page_is_reported", a_program_that_cannot_open_the_page_is_reported),
];

const HOUR: Skew =
    Skew { jump_ns: 3600 * SECOND, drift_ppm: 0, strobe: None, monotonic: MonotonicSkew { jump_ns: 0, drift_ppm: 0 } };

/// The program, or none with a word of why.
fn available(what: &str, rung: Rung, argv: Result<Vec<String>, String>) -> Option<Vec<String>> {
    argv.map_err(|why| eprintln!("SKIPPED {what} [{rung}]: {why}")).ok()
}

/// What is said of the only process of the host.
fn reason(lab: &Lab) -> Uncovered {
    let reading = lab.hosts.read_clock(HostId(0)).unwrap();
    assert!(reading.is_as_asked() && !reading.is_effective(), "{reading:?}");
    match &reading.processes[..] {
        [process] if process.main => match &process.coverage {
            Coverage::Uncovered(why) => why.clone(),
            Coverage::Covered => panic!("{reading:?}"),
        },
        _ => panic!("{reading:?}"),
    }
}

fn a_32_bit_program_is_reported(rung: Rung) {
    let Some(argv) = available("a_32_bit_program_is_reported", rung, sources::old()) else { return };
    let lab = Lab::new(rung, 1);
    lab.set(0, HOUR);
    lab.spawn(0, &argv.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(reason(&lab), Uncovered::ThirtyTwoBit);
}

fn a_program_that_cannot_open_the_page_is_reported(rung: Rung) {
    let Some(argv) = available("a_program_that_cannot_open_the_page_is_reported", rung, sources::raw()) else { return };
    let lab = Lab::new(rung, 1);
    lab.set(0, HOUR);
    // No descriptor is free in it.
    lab.spawn(0, &["sh", "-c", &format!("ulimit -n 3; exec {}", argv[0])]);
    lab.expect_offset(0, "uncovered", |_| 0);
    let expected = Uncovered::Failed { step: InjectionStep::OpenPage, errno: Some(24) };
    assert_eq!(reason(&lab), expected);
}

fn a_program_that_left_the_page_behind_is_reported(rung: Rung) {
    let name = "a_program_that_left_the_page_behind_is_reported";
    if rung.user_namespace() && !nix::unistd::geteuid().is_root() {
        eprintln!("SKIPPED {name} [{rung}]: an ordinary user cannot chroot");
        return;
    }
    let Some(argv) = available(name, rung, sources::raw()) else { return };
    let lab = Lab::new(rung, 1);
    lab.set(0, HOUR);
    std::fs::copy(&argv[0], lab.dir.path("raw")).unwrap();
    lab.start(0, &["chroot", &lab.dir.path("").display().to_string(), "/raw"]);
    lab.expect_offset(0, "uncovered", |_| 0);
    let expected = Uncovered::Failed { step: InjectionStep::OpenPage, errno: Some(2) };
    assert_eq!(reason(&lab), expected);
    assert_eq!(expected.to_string(), "cannot open the state page in it: No such file or directory (os error 2)");
}

fn a_program_under_another_tracer_is_reported(rung: Rung) {
    let lab = Lab::new(rung, 1);
    lab.set(0, HOUR);
    lab.start(0, &["trace-another"]);
    lab.expect_offset(0, "traced", |_| 0);
    let reading = lab.hosts.read_clock(HostId(0)).unwrap();
    let covered: Vec<_> = reading.processes.iter().map(|process| (process.main, process.coverage.clone())).collect();
    let failed = Uncovered::Failed { step: InjectionStep::Attach, errno: Some(1) };
    assert_eq!(covered, [(true, Coverage::Covered), (false, Coverage::Uncovered(failed))]);
    assert_eq!(reading.uncovered().count(), 1);
}

fn clocks_work_where_proc_cannot_be_mounted(rung: Rung) {
    // Without a user namespace the kernel allows it everywhere.
    if !rung.user_namespace() {
        return;
    }
    let output = Command::new(own_program()).args([peers::ARGUMENT, "masked", rung.name()]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A place as in a container: part of `/proc` is masked, so a user namespace gets no fresh one, and processes have other
/// numbers there than on their host.
pub fn masked(rung: &str) {
    if !nix::unistd::geteuid().is_root() {
        enter_user_namespace();
    }
    unshare(CloneFlags::CLONE_NEWNS).expect("a mount namespace");
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).expect("private mounts");
    mount(Some("/dev/null"), "/proc/cmdline", none, MsFlags::MS_BIND, none).expect("a mask");
    let rung = Rung::ALL.into_iter().find(|r| r.name() == rung).expect("a rung");
    // Whoever looks threads up there would find strangers.
    let hosts = Hosts::start(HostsConfig { rung: Some(rung), seed: Seed(1), pcap: None }).unwrap();
    let spec = || HostSpec::new("z", std::net::Ipv4Addr::new(10, 77, 0, 1));
    let trapped = HostSpec { clock: Some(ClockTier::Trap), ..spec() };
    let failing = HostSpec { files: Some(FilesSpec::new("/tmp")), ..spec() };
    for (spec, what) in [(trapped, "monotonic clocks are skewed"), (failing, "file operations fail")] {
        let refused = hosts.add(spec).unwrap_err().to_string();
        assert!(refused.contains(what) && refused.contains("takes a /proc of its own"), "{refused}");
    }
    drop(hosts);
    let lab = Lab::new(rung, 2);
    lab.set(0, HOUR);
    lab.start(0, &["storm", "3"]);
    let storm = lab.readings(0, 0, 50);
    assert!(storm.iter().all(|r| (r.offset() - 3600 * SECOND).abs() < SECOND), "{storm:?}");
    let reading = lab.hosts.read_clock(HostId(0)).unwrap();
    assert!(reading.is_effective(), "{reading:?}");
    assert!(lab.hosts.kill(HostId(0)).unwrap() >= 1);
    assert_eq!((lab.wait_exit(0).signal, lab.hosts.process_count(HostId(0)).unwrap()), (Some(9), 0));
    lab.start(0, &["fork"]);
    lab.expect_offset(0, "the child", |_| 3600 * SECOND);
    let reading = lab.hosts.read_clock(HostId(0)).unwrap();
    let processes: Vec<_> = reading.processes.iter().map(|p| (p.main, p.coverage == Coverage::Covered)).collect();
    assert_eq!(processes, [(true, true), (false, true)], "{reading:?}");
    assert!(reading.processes[0].pid < 10_000, "{reading:?}");
    if let Ok(argv) = sources::old() {
        lab.spawn(1, &["sh", "-c", &format!("{} & wait", argv[0])]);
        wait_until("the 32-bit program", || {
            let reading = lab.hosts.read_clock(HostId(1)).unwrap();
            reading.uncovered().any(|(process, why)| !process.main && *why == Uncovered::ThirtyTwoBit)
        });
    }
}

/// Stays the same user, in a user namespace that can mount.
fn enter_user_namespace() {
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    unshare(CloneFlags::CLONE_NEWUSER).expect("a user namespace");
    std::fs::write("/proc/self/setgroups", "deny").expect("setgroups");
    std::fs::write("/proc/self/uid_map", format!("{uid} {uid} 1")).expect("uid_map");
    std::fs::write("/proc/self/gid_map", format!("{gid} {gid} 1")).expect("gid_map");
}
