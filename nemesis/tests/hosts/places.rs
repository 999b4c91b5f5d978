//! What a host looks like from inside, and from outside.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use nemesis::doctor::{Level, examine};
use nemesis::hosts::{HostId, HostSpec, Hosts, HostsConfig, ProcessSpec, Rung};
use nemesis::seed::Seed;

use crate::lab::{self, Lab, Scratch, wait_until};
use crate::runner::Test;

pub const TESTS: &[Test] = &[
    ("hosts_reach_each_other_by_name", hosts_reach_each_other_by_name),
    ("a_process_finds_a_machine_of_its_own", a_process_finds_a_machine_of_its_own),
    ("a_process_gets_all_of_a_large_environment", a_process_gets_all_of_a_large_environment),
    ("what_cannot_be_started_is_said", what_cannot_be_started_is_said),
    ("kept_paths_are_seen_through_links_and_shared", kept_paths_are_seen_through_links_and_shared),
    ("relative_paths_start_where_the_controller_stands", relative_paths_start_where_the_controller_stands),
    ("two_runs_do_not_notice_each_other", two_runs_do_not_notice_each_other),
    ("hosts_can_be_used_from_many_threads", hosts_can_be_used_from_many_threads),
    ("descriptors_are_not_leaked", descriptors_are_not_leaked),
    ("impossible_hosts_are_refused", impossible_hosts_are_refused),
    ("the_doctor_finds_a_rung", the_doctor_finds_a_rung),
];

fn hosts_reach_each_other_by_name(rung: Rung) {
    let lab = Lab::new(rung, 2);
    lab.start(0, &["echo", "a:80"]);
    lab.wait_said(0, "listening");
    assert_eq!(lab.run(1, &["connect", "a:80", "5000"]), "connected\n");
    assert!(lab.hosts.wire().total().forwarded > 0);
}

fn a_process_finds_a_machine_of_its_own(rung: Rung) {
    let lab = Lab::new(rung, 1);
    let seen = lab.run(0, &["look"]);
    let line = |start: &str| seen.lines().find_map(|line| line.strip_prefix(start)).unwrap_or_else(|| panic!("{seen}"));
    assert_eq!(line("hostname "), "a");
    assert_eq!(line("uid "), nix::unistd::geteuid().to_string());
    assert_eq!(line("dir "), lab.dir.path("").display().to_string());
    assert_eq!(line("program "), std::env::current_exe().unwrap().display().to_string());
    assert_eq!(line("env "), "PART=look");
    assert_eq!(line("devices "), "eth0,lo");
    // Standard input, output and error, and the directory that is being listed.
    assert_eq!(line("fds "), "0,1,2,3");
    assert_eq!(line("SigBlk:").trim(), "0000000000000000");
    // A Rust program ignores SIGPIPE, and nothing else.
    assert_eq!(line("SigIgn:").trim(), "0000000000001000");
    assert_eq!(line("NSpid:").split_whitespace().count(), 1);
    if rung.user_namespace() && !nix::unistd::geteuid().is_root() {
        assert_eq!(line("CapEff:").trim(), "0000000000000000");
    }
    let kept = lab.dir.path("").file_name().unwrap().to_string_lossy().into_owned();
    assert!(line("tmp ").split(',').all(|name| name == kept || Some(name) == own_top().as_deref()), "{seen}");
}

/// The entry of `/tmp` below which this program is, if it is.
fn own_top() -> Option<String> {
    let program = std::env::current_exe().ok()?;
    Some(program.strip_prefix("/tmp").ok()?.iter().next()?.to_string_lossy().into_owned())
}

fn a_process_gets_all_of_a_large_environment(rung: Rung) {
    let lab = Lab::new(rung, 1);
    let mut process = lab.process(0, &["look"]);
    // More than a datagram holds; the kernel's own limit is 128 KiB for one string.
    process.env.extend((0..20).map(|i| (format!("LARGE_{i}"), "x".repeat(60_000))));
    lab.hosts.spawn(HostId(0), process).unwrap();
    lab.wait_exit(0);
    let said = lab.said(0);
    assert_eq!(said.matches("LARGE_").count(), 20);
    assert!(said.len() > 20 * 60_000);
}

fn what_cannot_be_started_is_said(rung: Rung) {
    let lab = Lab::new(rung, 1);
    let spawn = |change: &dyn Fn(&mut ProcessSpec)| {
        let mut process = lab.process(0, &["look"]);
        change(&mut process);
        lab.hosts.spawn(HostId(0), process).unwrap_err().to_string()
    };
    let refused = spawn(&|process| process.argv[0] = "/no/such/program".to_owned());
    assert_eq!(refused, "host a: cannot start /no/such/program: No such file or directory (os error 2)");
    let refused = spawn(&|process| process.dir = "/no/such/dir".into());
    assert_eq!(refused, "host a: cannot enter the directory /no/such/dir: No such file or directory (os error 2)");
    let refused = spawn(&|process| process.argv.clear());
    assert_eq!(refused, "host a: cannot start a process without a name");
    let refused = spawn(&|process| process.stdout = "/no/such/file".into());
    assert_eq!(refused, "cannot append to /no/such/file");
    let refused = spawn(&|process| process.argv[1] = "\0".to_owned());
    assert!(refused.starts_with("host a: cannot start "), "{refused}");
    assert!(lab.hosts.restart(HostId(0)).is_err());
    // The host is none the worse for it.
    let exit = |code: &str| {
        lab.start(0, &["exit", code]);
        lab.wait_exit(0).code
    };
    assert_eq!(exit("3"), Some(3));
    lab.start(0, &["sleep"]);
    let twice = lab.hosts.spawn(HostId(0), lab.process(0, &["sleep"])).unwrap_err();
    assert_eq!(twice.to_string(), "host a: its main process runs already");
}

fn kept_paths_are_seen_through_links_and_shared(rung: Rung) {
    let (real, outside) = (Scratch::new(), Scratch::new());
    fs::write(real.path("file"), "before").unwrap();
    std::os::unix::fs::symlink(real.path(""), outside.path("link")).unwrap();
    let lab = Lab::new(rung, 1);
    let keep = vec![outside.path("link/file"), real.path("file"), lab.dir.path("")];
    let names = BTreeMap::new();
    let host = lab.hosts.add(HostSpec { names, keep, ..HostSpec::new("z", lab::address(9)) }).unwrap();
    let script =
        format!("cat {0} && cd {0} 2>/dev/null; echo after > {0}; ls /tmp", outside.path("link/file").display());
    let mut process = lab.process(1, &[]);
    process.argv = vec!["sh".to_owned(), "-c".to_owned(), script];
    process.env = BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]);
    lab.hosts.spawn(host, process).unwrap();
    lab.wait_exit(1);
    assert!(lab.said(1).starts_with("before"), "{}", lab.said(1));
    assert_eq!(fs::read_to_string(real.path("file")).unwrap(), "after\n");
}

fn relative_paths_start_where_the_controller_stands(rung: Rung) {
    let lab = Lab::new(rung, 1);
    let names = BTreeMap::new();
    let host =
        lab.hosts.add(HostSpec { names, keep: vec![".".into()], ..HostSpec::new("z", lab::address(1)) });
    let mut process = lab.process(1, &["look"]);
    process.dir = ".".into();
    lab.hosts.spawn(host.unwrap(), process).unwrap();
    assert_eq!(lab.wait_exit(1).code, Some(0));
    let here = format!("dir {}\n", std::env::current_dir().unwrap().display());
    assert!(lab.said(1).contains(&here), "{}", lab.said(1));
}

fn two_runs_do_not_notice_each_other(rung: Rung) {
    let (one, other) = (Lab::new(rung, 2), Lab::new(rung, 2));
    one.start(0, &["echo", "0.0.0.0:7000"]);
    one.wait_said(0, "listening");
    assert_eq!(one.dial(1, 0, 7000), Ok(()));
    assert_eq!(other.dial(1, 0, 7000), Err(std::io::ErrorKind::ConnectionRefused));
    drop(other);
    assert_eq!(one.dial(1, 0, 7000), Ok(()));
    assert_eq!(one.hosts.process_count(HostId(0)).unwrap(), 1);
}

fn hosts_can_be_used_from_many_threads(rung: Rung) {
    fn shared<T: Send + Sync>(_: &T) {}
    let lab = Lab::new(rung, 3);
    shared(&lab.hosts);
    lab.start(0, &["echo", "0.0.0.0:7000"]);
    lab.wait_said(0, "listening");
    let hosts: &Hosts = &lab.hosts;
    std::thread::scope(|scope| {
        for i in 0..8 {
            let (from, lab) = (HostId(1 + i % 2), &lab);
            scope.spawn(move || {
                for _ in 0..10 {
                    lab.connect(from.0, 0, 7000, lab::DEADLINE).unwrap();
                    assert_eq!(hosts.process_count(HostId(0)).unwrap(), 1);
                }
            });
        }
    });
}

fn descriptors_are_not_leaked(rung: Rung) {
    let count = || fs::read_dir("/proc/self/fd").unwrap().count();
    let before = count();
    let lab = Lab::new(rung, 2);
    let with_hosts = count();
    for _ in 0..3 {
        lab.hosts.crash(HostId(0)).unwrap();
        lab.hosts.reboot(HostId(0)).unwrap();
        lab.start(1, &["sleep"]);
        lab.hosts.kill(HostId(1)).unwrap();
        drop(lab.hosts.socket(HostId(1)).unwrap());
    }
    assert_eq!(count(), with_hosts);
    drop(lab);
    assert_eq!(count(), before);
}

fn impossible_hosts_are_refused(rung: Rung) {
    let pcap = Some("/no/such/dir/wire.pcap".into());
    let refused = Hosts::start(HostsConfig { rung: Some(rung), seed: Seed(1), pcap }).err().map(|e| e.to_string());
    assert_eq!(refused.as_deref(), Some("cannot start the wire with its capture in /no/such/dir/wire.pcap"));
    let lab = Lab::new(rung, 1);
    let add = |name: &str, address: &str, keep: &str| {
        let keep = if keep.is_empty() { Vec::new() } else { vec![keep.into()] };
        let spec = HostSpec { keep, ..HostSpec::new(name, address.parse().unwrap()) };
        lab.hosts.add(spec).unwrap_err().to_string()
    };
    assert_eq!(add("b", "10.77.0.1", ""), "host b: a has its address 10.77.0.1 already");
    assert_eq!(add("b", "10.78.0.2", ""), "host b: 10.78.0.2 is not in the /24 network of a");
    let refused = add("b", "10.77.0.2", "/tmp/no/such/path");
    assert_eq!(refused, "host b: cannot keep visible /tmp/no/such/path: No such file or directory (os error 2)");
    assert_eq!(lab.hosts.socket(HostId(7)).unwrap_err().to_string(), "host #7: there is no such host");
}

fn the_doctor_finds_a_rung(_: Rung) {
    let diagnosis = examine();
    let ids: Vec<_> = diagnosis.checks.iter().map(|check| check.id).collect();
    let mut unique = ids.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), ids.len());
    assert!(diagnosis.rung.is_some());
    assert!(diagnosis.checks.iter().all(|check| check.level != Level::Fail), "{diagnosis:#?}");
    assert!(diagnosis.checks.iter().all(|check| (check.level == Level::Ok) == check.remedy.is_none()));
    assert!(ids.contains(&"wire"));
    let json = serde_json::to_value(&diagnosis).unwrap();
    assert_eq!(json["checks"][0]["id"], "kernel");
    wait_until("end of the doctor's hosts", || {
        std::thread::sleep(Duration::from_millis(1));
        children().is_empty()
    });
}

/// Pids of the children of this process.
fn children() -> Vec<String> {
    let threads = fs::read_dir("/proc/self/task").unwrap().flatten();
    let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect()
}
