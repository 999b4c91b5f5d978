//! What crashes and power cuts take, and what they leave.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use nemesis::disk::{CutMode, Persistence, PowerCut};
use nemesis::hosts::{HostId, Rung};

use crate::lab::{Lab, Scratch, wait_until};
use crate::parts;
use crate::runner::Test;

pub const TESTS: &[Test] = &[
    ("a_process_crash_loses_nothing", a_process_crash_loses_nothing),
    ("a_machine_crash_loses_what_was_not_fsynced", a_machine_crash_loses_what_was_not_fsynced),
    ("a_power_cut_says_what_it_took", a_power_cut_says_what_it_took),
    ("a_rename_is_whole_or_not_at_all", a_rename_is_whole_or_not_at_all),
    ("on_ext4_any_fsync_commits_names", on_ext4_any_fsync_commits_names),
    ("in_the_strict_model_only_the_directory_does", in_the_strict_model_only_the_directory_does),
    ("a_prefix_is_what_was_once_there", a_prefix_is_what_was_once_there),
    ("a_torn_write_ends_at_a_sector", a_torn_write_ends_at_a_sector),
    ("a_subset_keeps_some_sectors", a_subset_keeps_some_sectors),
    ("mapped_memory_is_durable_after_msync_only", mapped_memory_is_durable_after_msync_only),
    ("a_checkpoint_makes_everything_durable", a_checkpoint_makes_everything_durable),
    ("a_dead_machine_does_not_write_to_its_successors_disk", a_dead_machine_does_not_write),
    ("a_host_that_is_gone_leaves_no_thread_and_no_descriptor", a_host_that_is_gone_leaves_no_thread_and_no_descriptor),
    (
        "a_machine_that_dies_by_itself_loses_what_was_not_fsynced",
        a_machine_that_dies_by_itself_loses_what_was_not_fsynced,
    ),
    ("a_killed_controller_leaves_no_mount", a_killed_controller_leaves_no_mount),
];

fn a_process_crash_loses_nothing(rung: Rung) {
    let lab = Lab::new(rung);
    lab.start(&["hold", "f", "written"]);
    lab.wait_said("holding");
    assert_eq!(lab.kill(), 1);
    lab.wait_exit();
    assert_eq!(lab.run(&["read", "f"]), "written");
}

fn a_machine_crash_loses_what_was_not_fsynced(rung: Rung) {
    let lab = Lab::new(rung);
    lab.run(&["put", "f", "synced"]);
    lab.run(&["append", "f", " and not"]);
    lab.run(&["write", "g", "new"]);
    assert_eq!(lab.run(&["read", "f"]), "synced and not");
    lab.crash();
    assert_eq!(lab.shell("ls; cat f"), "f\nsynced");
    assert_eq!(lab.disk.stats().mounts, 2);
}

fn a_power_cut_says_what_it_took(rung: Rung) {
    let lab = Lab::new(rung);
    lab.run(&["put", "f", "synced"]);
    lab.run(&["append", "f", "12345"]);
    lab.run(&["write", "g", "123"]);
    let lost = lab.power_cut(PowerCut::DROP);
    assert_eq!((lost.bytes, lost.files, lost.names, lost.kept_bytes), (8, 2, 1, 0));
    assert_eq!(lab.power_cut(PowerCut::DROP), Default::default());
    lab.hosts.crash(HostId(0)).unwrap();
    assert_eq!(lab.hosts.power_cut(HostId(0), PowerCut::DROP).unwrap(), Default::default());
}

fn a_rename_is_whole_or_not_at_all(rung: Rung) {
    for (synced, expected) in [(false, "old"), (true, "new")] {
        let lab = Lab::new(rung);
        lab.run(&["put", "f", "old"]);
        lab.run(&["put", "t", "new"]);
        lab.shell("mv t f");
        if synced {
            lab.run(&["sync", "."]);
        }
        lab.crash();
        let left = if synced { "f" } else { "f\nt" };
        assert_eq!(lab.shell("ls; cat f"), format!("{left}\n{expected}"));
    }
}

fn on_ext4_any_fsync_commits_names(rung: Rung) {
    let lab = Lab::new(rung);
    lab.shell("mkdir d; echo data > d/named");
    lab.run(&["put", "other", "x"]);
    lab.crash();
    assert_eq!(lab.shell("ls d other; wc -c < d/named"), "other\n\nd:\nnamed\n0");
}

fn in_the_strict_model_only_the_directory_does(rung: Rung) {
    let lab = Lab::with(rung, |spec| spec.persistence = Persistence::Strict);
    lab.run(&["put", "f", "synced"]);
    lab.run(&["put", "g", "synced"]);
    lab.shell("mkdir d");
    lab.run(&["sync", "."]);
    lab.run(&["put", "d/h", "synced"]);
    lab.run(&["put", "g", "again"]);
    lab.crash();
    assert_eq!(lab.shell("ls -R; cat f g"), ".:\nd\nf\ng\n\n./d:\nsyncedagain");
}

fn a_prefix_is_what_was_once_there(rung: Rung) {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..12 {
        let lab = Lab::new(rung);
        lab.run(&["put", "f", ""]);
        lab.shell("for i in 1 2 3 4; do echo -n $i >> f; done");
        lab.power_cut(PowerCut { mode: CutMode::Prefix, seed });
        seen.insert(lab.run(&["read", "f"]));
    }
    assert!(seen.iter().all(|text| "1234".starts_with(text.as_str())), "{seen:?}");
    assert!(seen.len() > 2, "{seen:?}");
}

fn a_torn_write_ends_at_a_sector(rung: Rung) {
    let lab = Lab::new(rung);
    lab.shell("head -c 600 /dev/zero | tr '\\0' a > f");
    lab.shell("dd if=/dev/zero bs=5000 count=1 2>/dev/null | tr '\\0' b | dd of=f bs=5000 oflag=append conv=notrunc iflag=fullblock 2>/dev/null");
    let lost = lab.power_cut(PowerCut { mode: CutMode::Torn, seed: 3 });
    let size: u64 = lab.shell("wc -c < f").parse().unwrap();
    assert!(size == 600 || (size.is_multiple_of(512) && (1024..5600).contains(&size)), "{size}");
    assert_eq!((lost.kept_bytes, lost.bytes), (size, 5600 - size));
    assert_eq!(lab.shell("head -c 600 f | tr -d a | wc -c"), "0");
}

fn a_subset_keeps_some_sectors(rung: Rung) {
    let lab = Lab::new(rung);
    lab.shell("head -c 20480 /dev/zero | tr '\\0' a > f");
    lab.disk.checkpoint();
    lab.shell("head -c 20480 /dev/zero | tr '\\0' b | dd of=f bs=20480 conv=notrunc iflag=fullblock 2>/dev/null");
    let lost = lab.power_cut(PowerCut { mode: CutMode::Subset { probability: 0.5 }, seed: 7 });
    let kept: u64 = lab.shell("tr -d a < f | wc -c").parse().unwrap();
    assert!(kept.is_multiple_of(512) && kept > 0 && kept < 20480, "{kept}");
    assert_eq!((lost.kept_bytes, lost.bytes), (kept, 20480 - kept));
}

fn mapped_memory_is_durable_after_msync_only(rung: Rung) {
    if !crate::databases::installed("python3") {
        crate::runner::skip("python3 is not installed");
    }
    let lab = Lab::new(rung);
    let script = "import mmap, os, sys, time
f = open('f', 'w+b'); f.write(b'a' * 8192); f.flush(); os.fsync(f.fileno())
m = mmap.mmap(f.fileno(), 8192)
m[0:1] = b's'; m.flush()
m[4096:4097] = b'n'
print('mapped'); sys.stdout.flush(); time.sleep(1000)";
    lab.start_program(&["python3", "-c", script]);
    lab.wait_said("mapped");
    lab.crash();
    assert_eq!(lab.shell("head -c 1 f; tail -c 4096 f | head -c 1"), "sa");
}

fn a_checkpoint_makes_everything_durable(rung: Rung) {
    let lab = Lab::new(rung);
    lab.shell("mkdir -p a/b; echo text > a/b/f");
    lab.disk.checkpoint();
    lab.crash();
    assert_eq!(lab.shell("cat a/b/f"), "text");
}

fn a_dead_machine_does_not_write(rung: Rung) {
    let lab = Lab::new(rung);
    for round in 0..5 {
        lab.shell("rm -f f; echo synced > f");
        lab.run(&["sync", "f"]);
        lab.start_program(&["sh", "-c", "echo begun; while :; do echo -n xxxxxxxxxxxxxxxx >> f; done"]);
        wait_until("a write", || lab.disk.stats().unsynced_bytes > 16);
        lab.hosts.crash(HostId(0)).unwrap();
        let written = lab.disk.stats().written_bytes;
        lab.hosts.reboot(HostId(0)).unwrap();
        assert_eq!(lab.shell("cat f"), "synced", "round {round}");
        assert_eq!(lab.disk.stats().written_bytes, written);
    }
}

/// The part of the controller that dies.
pub fn victim(rung: &str, dir: &Path) {
    let rung = Rung::ALL.into_iter().find(|r| r.name() == rung).expect("a rung");
    let lab = Lab::in_dir(rung, Scratch::existing(dir), |_| {});
    lab.start(&["hold", "f", "text"]);
    lab.wait_said("holding");
    println!("ready");
    std::thread::sleep(Duration::from_secs(1000));
}

fn a_killed_controller_leaves_no_mount(rung: Rung) {
    let dir = Scratch::new();
    let mark = dir.path("").display().to_string();
    let mut command = Command::new("/proc/self/exe");
    command.arg0("victim").args([parts::ARGUMENT, "victim", rung.name(), &mark]);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("a victim");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("a line");
    assert_eq!(line, "ready\n");
    assert!(mounted_somewhere(&mark));
    child.kill().expect("kill");
    child.wait().expect("wait");
    wait_until("end of the mount", || !mounted_somewhere(&mark));
    assert!(std::fs::read_dir(dir.path("data")).unwrap().next().is_none());
}

/// Whether any process has a disk below this directory.
fn mounted_somewhere(dir: &str) -> bool {
    let pids = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path().join("mountinfo"));
    let mut tables = pids.filter_map(|path| std::fs::read_to_string(path).ok());
    tables.any(|table| table.lines().any(|line| line.contains(dir) && line.contains("fuse.splitbrain")))
}

fn a_host_that_is_gone_leaves_no_thread_and_no_descriptor(rung: Rung) {
    let count = |what: &str| std::fs::read_dir(format!("/proc/self/{what}")).unwrap().count();
    let before = (count("task"), count("fd"));
    let lab = Lab::new(rung);
    lab.shell("echo text > f; cat f");
    let with_host = (count("task"), count("fd"));
    for _ in 0..3 {
        lab.crash();
        lab.shell("ls");
    }
    wait_until("end of old sessions", || count("task") <= with_host.0 && count("fd") <= with_host.1);
    drop(lab);
    // Less than before, when something of an earlier test was still ending then.
    wait_until("end of the disk", || count("task") <= before.0 && count("fd") <= before.1);
}

fn a_machine_that_dies_by_itself_loses_what_was_not_fsynced(rung: Rung) {
    let lab = Lab::new(rung);
    lab.run(&["put", "f", "synced"]);
    lab.run(&["append", "f", " and not"]);
    // The agent is the parent of everything on the host, and does not die of its children's signals.
    let data = lab.data().display().to_string();
    let agent = agent_of(&data).expect("an agent");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(agent), nix::sys::signal::Signal::SIGKILL).unwrap();
    wait_until("the end of the machine", || agent_of(&data).is_none());
    // Until it is noticed that the machine is gone, a reboot does nothing.
    wait_until("a new machine", || {
        lab.hosts.reboot(HostId(0)).expect("a reboot");
        lab.disk.stats().mounts == 2
    });
    assert_eq!(lab.run(&["read", "f"]), "synced");
}

/// The process, other than a node's, that has a disk mounted at this path.
fn agent_of(data: &str) -> Option<i32> {
    let pids = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|e| e.file_name().to_str()?.parse().ok());
    let mut mounted = pids.filter(|pid: &i32| {
        let table = std::fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
        table.lines().any(|line| line.contains(data) && line.contains("fuse.splitbrain"))
    });
    mounted.next()
}
