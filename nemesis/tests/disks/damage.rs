//! Each fault as its victim sees it, and its healing.

use std::time::{Duration, Instant};

use nemesis::disk::{DiskFault, Effect, ErrorKind, Operation, PowerCut};
use nemesis::hosts::{HostId, Rung};

use crate::lab::{Lab, wait_until};
use crate::runner::Test;

pub const TESTS: &[Test] = &[
    ("errors_come_where_they_are_asked_for", errors_come_where_they_are_asked_for),
    ("an_error_comes_as_often_as_asked_for", an_error_comes_as_often_as_asked_for),
    ("a_full_disk_says_so_until_there_is_room", a_full_disk_says_so_until_there_is_room),
    ("a_slow_fsync_is_slow_and_durable_only_when_it_is_done", a_slow_fsync_is_slow),
    ("a_disk_has_the_latency_it_was_made_with", a_disk_has_the_latency_it_was_made_with),
    ("what_hangs_goes_on_when_it_is_healed", what_hangs_goes_on_when_it_is_healed),
    ("what_hangs_can_be_killed_and_only_killed", what_hangs_can_be_killed_and_only_killed),
    ("a_machine_crashes_while_operations_hang", a_machine_crashes_while_operations_hang),
    ("an_fsync_that_lies_makes_nothing_durable", an_fsync_that_lies_makes_nothing_durable),
    ("an_fsync_that_failed_is_forgotten_by_the_next", an_fsync_that_failed_is_forgotten_by_the_next),
    ("flipped_bits_are_read_until_they_are_written_or_healed", flipped_bits_are_read),
    ("reads_that_flip_bits_flip_them_once", reads_that_flip_bits_flip_them_once),
    ("a_misdirected_read_shows_another_block", a_misdirected_read_shows_another_block),
    ("a_misdirected_write_is_found_again_when_healed", a_misdirected_write_is_found_again),
    ("a_stale_read_shows_what_was_before", a_stale_read_shows_what_was_before),
    ("faults_that_make_no_sense_are_refused", faults_that_make_no_sense_are_refused),
];

const EIO: Effect = Effect::Error(ErrorKind::Eio);

fn errors_come_where_they_are_asked_for(rung: Rung) {
    let lab = Lab::new(rung);
    use Operation::{
        Allocate, Attributes, Create, Fsync, Fsyncdir, Link, Lookup, Mkdir, Open, Read, Readdir, Rename, Rmdir, Statfs,
        Truncate, Unlink, Write,
    };
    let cases: [(Operation, &[&str]); 17] = [
        (Lookup, &["lookup", "fresh"]),
        (Open, &["open", "f"]),
        (Create, &["create", "new"]),
        (Read, &["read", "f"]),
        (Write, &["write", "f"]),
        (Truncate, &["truncate", "f"]),
        (Allocate, &["allocate", "f"]),
        (Fsync, &["fsync", "f", "fdatasync", "f"]),
        (Fsyncdir, &["fsyncdir", "d"]),
        (Rename, &["rename", "f"]),
        (Link, &["link", "f"]),
        (Unlink, &["unlink", "f"]),
        (Mkdir, &["mkdir", "new"]),
        (Rmdir, &["rmdir", "d"]),
        (Readdir, &["readdir", "d"]),
        (Attributes, &["chmod", "f"]),
        (Statfs, &["statfs", "f"]),
    ];
    for (operation, part) in cases {
        lab.disk.wipe();
        lab.shell("echo text > f; mkdir d; ls d f > /dev/null; echo x > fresh");
        lab.disk.set_faults(&[DiskFault::new(EIO).on(&[operation])]).unwrap();
        lab.disk.drop_caches();
        if operation == Lookup {
            lab.crash();
        }
        let tried = part.len() / 2;
        assert_eq!(lab.run(&[&["try"], part].concat()), ["EIO"; 2][..tried].join(" "), "{operation:?}");
        assert!(lab.disk.stats().injected[0] >= tried as u64);
        lab.disk.set_faults(&[DiskFault::new(EIO).on(&[operation]).at("elsewhere")]).unwrap();
        if operation != Lookup {
            assert_eq!(lab.run(&[&["try"], part].concat()), ["ok"; 2][..tried].join(" "), "{operation:?}");
        }
        assert_eq!(lab.disk.stats().injected, [0]);
        lab.disk.set_faults(&[]).unwrap();
    }
}

fn an_error_comes_as_often_as_asked_for(rung: Rung) {
    let lab = Lab::new(rung);
    lab.shell("mkdir wal; touch wal/1 data");
    lab.disk.set_faults(&[DiskFault::new(EIO).on(&[Operation::Write]).at("wal/*").times(2)]).unwrap();
    let tried = lab.run(&["try", "write", "data", "write", "wal/1", "write", "wal/1", "write", "wal/1"]);
    assert_eq!(tried, "ok EIO EIO ok");
    assert_eq!(lab.disk.stats().injected, [2]);
}

fn a_full_disk_says_so_until_there_is_room(rung: Rung) {
    let lab = Lab::with(rung, |spec| spec.quota_bytes = Some(1 << 20));
    let script = "head -c 2000000 /dev/zero > big 2>/dev/null || stat -c %s big; df -B1 --output=avail . | tail -1 | tr -d ' '
        echo x > small 2>/dev/null || echo full; head -c 4096 /dev/zero | dd of=big conv=notrunc 2>/dev/null; rm big; echo x > small; cat small";
    assert_eq!(lab.shell(script), "1048576\n0\nfull\nx");
    lab.disk.set_faults(&[DiskFault::new(Effect::Error(ErrorKind::Enospc)).on(&[Operation::Write])]).unwrap();
    assert_eq!(lab.run(&["try", "write", "small"]), "ENOSPC");
    lab.disk.set_quota(Some(0));
    lab.disk.set_faults(&[]).unwrap();
    // In place there is room.
    assert_eq!(lab.run(&["try", "write", "small", "create", "new", "write", "new"]), "ok ok ENOSPC");
}

fn a_slow_fsync_is_slow(rung: Rung) {
    let lab = Lab::new(rung);
    lab.run(&["write", "f", "text"]);
    let slow = DiskFault::new(Effect::Delay { us: 200_000, jitter_us: 0 }).on(&[Operation::Fsync]);
    lab.disk.set_faults(&[slow]).unwrap();
    let said = lab.run(&["time", "fsync", "f"]);
    let took: u64 = said.rsplit(' ').next().unwrap().parse().unwrap();
    assert!(said.starts_with("begun\nok ") && (200..2000).contains(&took), "{said}");
    lab.run(&["append", "f", " and more"]);
    let slower = DiskFault::new(Effect::Delay { us: 60_000_000, jitter_us: 0 }).on(&[Operation::Fsync]);
    lab.disk.set_faults(&[slower]).unwrap();
    lab.start(&["time", "fsync", "f"]);
    wait_until("an fsync that waits", || lab.disk.stats().waiting == 1);
    lab.disk.set_faults(&[]).unwrap();
    lab.crash();
    assert_eq!(lab.run(&["read", "f"]), "text");
}

fn a_disk_has_the_latency_it_was_made_with(rung: Rung) {
    let lab = Lab::with(rung, |spec| spec.fsync_latency_us = 20_000);
    lab.shell("echo x > f");
    let said = lab.run(&["time", "fsync", "f"]);
    let took: u64 = said.rsplit(' ').next().unwrap().parse().unwrap();
    assert!((20..1000).contains(&took), "{said}");
}

fn what_hangs_goes_on_when_it_is_healed(rung: Rung) {
    let lab = Lab::new(rung);
    lab.shell("echo text > f; echo text > g");
    lab.disk.set_faults(&[DiskFault::new(Effect::Hang).on(&[Operation::Write]).at("f")]).unwrap();
    lab.start(&["time", "write", "f"]);
    wait_until("a write that hangs", || lab.disk.stats().waiting == 1);
    // Another set with the same fault in it does not heal it.
    let hang = DiskFault::new(Effect::Hang).on(&[Operation::Write]).at("f");
    lab.disk.set_faults(&[DiskFault::new(EIO).at("elsewhere"), hang]).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!((lab.disk.stats().waiting, lab.disk.stats().injected), (1, vec![0, 1]));
    lab.disk.set_faults(&[]).unwrap();
    assert_eq!(lab.wait_exit().code, Some(0));
    assert!(lab.said().contains("ok "));
    assert_eq!(lab.run(&["read", "f"]), "0123456789");
}

fn what_hangs_can_be_killed_and_only_killed(rung: Rung) {
    let lab = Lab::new(rung);
    lab.shell("echo text > f");
    lab.disk.set_faults(&[DiskFault::new(Effect::Hang).on(&[Operation::Fsync])]).unwrap();
    // A handler that returns, and then SIGKILL.
    let script = "trap 'echo caught' USR1; kill_later() { sleep 0.2; kill -USR1 $1; sleep 0.2; kill -USR1 $1; }; echo $$ > ../pid; exec \"$0\" __part time fsync f";
    let me = std::env::current_exe().unwrap().display().to_string();
    lab.start_program(&["sh", "-c", script, &me]);
    wait_until("an fsync that hangs", || lab.disk.stats().waiting == 1);
    let began = Instant::now();
    assert_eq!(lab.kill(), 1);
    assert_eq!(lab.wait_exit().signal, Some(9));
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    wait_until("nothing that waits", || lab.disk.stats().waiting == 0);
    lab.disk.set_faults(&[]).unwrap();
    assert_eq!(lab.run(&["try", "fsync", "f"]), "ok");
    signals_do_not_end_a_hang(&lab);
}

/// A signal with a handler neither ends the wait nor is lost.
fn signals_do_not_end_a_hang(lab: &Lab) {
    if !crate::databases::installed("python3") {
        return;
    }
    lab.disk.set_faults(&[DiskFault::new(Effect::Hang).on(&[Operation::Fsync])]).unwrap();
    let script = "import os, signal, sys, threading, time
caught = []
signal.signal(signal.SIGUSR1, lambda *_: caught.append(1))
def disturb():
    for _ in range(3): time.sleep(0.05); os.kill(os.getpid(), signal.SIGUSR1)
    print('disturbed'); sys.stdout.flush()
threading.Thread(target=disturb).start()
f = open('f', 'a'); f.write('more'); f.flush()
os.fsync(f.fileno())
time.sleep(0.01)
print('synced', len(caught) > 0)";
    lab.start_program(&["python3", "-c", script]);
    lab.wait_said("disturbed");
    assert_eq!(lab.disk.stats().waiting, 1);
    lab.disk.set_faults(&[]).unwrap();
    assert_eq!(lab.wait_exit().code, Some(0), "{}", lab.errors());
    assert!(lab.said().contains("synced True"), "{}", lab.said());
}

fn a_machine_crashes_while_operations_hang(rung: Rung) {
    let lab = Lab::new(rung);
    lab.run(&["put", "f", "synced"]);
    lab.disk.set_faults(&[DiskFault::new(Effect::Hang).on(&[Operation::Write, Operation::Readdir])]).unwrap();
    lab.start_program(&["sh", "-c", "ls & echo more >> f & ls; echo never"]);
    wait_until("three that hang", || lab.disk.stats().waiting == 3);
    let began = Instant::now();
    lab.hosts.power_cut(HostId(0), PowerCut::DROP).unwrap();
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    lab.hosts.reboot(HostId(0)).unwrap();
    assert_eq!((lab.disk.stats().waiting, lab.run(&["read", "f"])), (0, "synced".to_owned()));
    lab.disk.set_faults(&[]).unwrap();
    assert_eq!(lab.shell("ls; cat f"), "f\nsynced");
    assert!(!lab.said().contains("never") && lab.errors().is_empty(), "{} {}", lab.said(), lab.errors());
}

fn an_fsync_that_lies_makes_nothing_durable(rung: Rung) {
    let lab = Lab::new(rung);
    lab.run(&["put", "f", "old"]);
    lab.disk.set_faults(&[DiskFault::new(Effect::LyingFsync).at("f")]).unwrap();
    assert_eq!(lab.run(&["fsync-twice", "f", " new"]), "ok ok");
    assert_eq!(lab.disk.stats().injected, [2]);
    lab.power_cut(PowerCut::DROP);
    assert_eq!(lab.run(&["read", "f"]), "old");
    lab.disk.set_faults(&[]).unwrap();
    assert_eq!(lab.run(&["fsync-twice", "f", " new"]), "ok ok");
    lab.power_cut(PowerCut::DROP);
    assert_eq!(lab.run(&["read", "f"]), "old new");
}

fn an_fsync_that_failed_is_forgotten_by_the_next(rung: Rung) {
    let lab = Lab::new(rung);
    lab.run(&["put", "f", "old"]);
    lab.disk.set_faults(&[DiskFault::new(Effect::Fsyncgate).times(1)]).unwrap();
    assert_eq!(lab.run(&["fsync-twice", "f", " new"]), "EIO ok");
    assert_eq!(lab.run(&["read", "f"]), "old new");
    let lost = lab.power_cut(PowerCut::DROP);
    assert_eq!((lost.bytes, lost.files), (4, 1));
    assert!(!lab.run(&["read", "f"]).contains("new"));
}

fn flipped_bits_are_read(rung: Rung) {
    let lab = Lab::new(rung);
    let zeros = "tr -d '\\0' < f | wc -c";
    lab.shell("head -c 100000 /dev/zero > f; head -c 100000 /dev/zero > g; cat f g > /dev/null");
    lab.disk.checkpoint();
    let flipped = lab.disk.flip_bits("f", 5, 1).unwrap();
    assert_eq!(flipped.len(), 5);
    assert_eq!(lab.disk.flip_bits("h", 5, 1).unwrap_err().to_string(), "no file on the disk matches h");
    assert_eq!(lab.shell(zeros), "5");
    lab.crash();
    assert_eq!(lab.shell(zeros), "5");
    assert_eq!(lab.shell("tr -d '\\0' < g | wc -c"), "0");
    let at = flipped[0].1;
    lab.shell(&format!("printf '\\0' | dd of=f bs=1 seek={at} conv=notrunc 2>/dev/null"));
    assert_eq!(lab.shell(zeros), "4");
    lab.disk.unflip_bits();
    assert_eq!(lab.shell(zeros), "0");
}

fn reads_that_flip_bits_flip_them_once(rung: Rung) {
    let lab = Lab::new(rung);
    lab.shell("head -c 4096 /dev/zero > f");
    lab.disk.set_faults(&[DiskFault::new(Effect::FlipBits { bits: 3 }).at("f").times(1)]).unwrap();
    assert_eq!(lab.shell("tr -d '\\0' < f | wc -c"), "3");
    lab.disk.set_faults(&[]).unwrap();
    assert_eq!(lab.shell("tr -d '\\0' < f | wc -c"), "0");
}

/// Three blocks: `a`, `b`, `c`.
const BLOCKS: &str = "for c in a b c; do head -c 4096 /dev/zero | tr '\\0' $c; done > f";
const FIRSTS: &str = "for at in 0 1 2; do dd if=f bs=4096 count=1 skip=$at 2>/dev/null | head -c 1; done";

fn a_misdirected_read_shows_another_block(rung: Rung) {
    let lab = Lab::new(rung);
    lab.shell(BLOCKS);
    lab.disk.set_faults(&[DiskFault::new(Effect::MisdirectedRead).at("f").times(1)]).unwrap();
    let seen = lab.shell("head -c 4096 f | head -c 1");
    assert!(seen == "b" || seen == "c", "{seen}");
    lab.disk.set_faults(&[]).unwrap();
    assert_eq!(lab.shell(FIRSTS), "abc");
}

fn a_misdirected_write_is_found_again(rung: Rung) {
    let lab = Lab::new(rung);
    lab.shell(BLOCKS);
    lab.disk.set_faults(&[DiskFault::new(Effect::MisdirectedWrite).at("f").times(1)]).unwrap();
    let write =
        "head -c 4096 /dev/zero | tr '\\0' n | dd of=f bs=4096 seek=1 conv=notrunc,fsync iflag=fullblock 2>/dev/null";
    lab.shell(write);
    wait_until("a write gone astray", || {
        let seen = lab.shell(FIRSTS);
        seen == "nbc" || seen == "abn"
    });
    lab.crash();
    let seen = lab.shell(FIRSTS);
    assert!(seen == "nbc" || seen == "abn", "{seen}");
    lab.disk.set_faults(&[]).unwrap();
    assert_eq!(lab.shell(FIRSTS), "anc");
}

fn a_stale_read_shows_what_was_before(rung: Rung) {
    let lab = Lab::new(rung);
    lab.shell(BLOCKS);
    lab.disk.set_faults(&[DiskFault::new(Effect::StaleRead).at("f").times(1)]).unwrap();
    lab.shell("echo -n new | dd of=f bs=4096 seek=2 conv=notrunc 2>/dev/null");
    wait_until("what was before", || lab.shell(FIRSTS) == "abc");
    lab.disk.set_faults(&[]).unwrap();
    assert_eq!(lab.shell("dd if=f bs=4096 skip=2 2>/dev/null | head -c 5"), "newcc");
}

fn faults_that_make_no_sense_are_refused(rung: Rung) {
    let lab = Lab::new(rung);
    let nonsense = DiskFault::new(Effect::Fsyncgate).on(&[Operation::Read]);
    let refused = lab.disk.set_faults(&[DiskFault::new(EIO), nonsense]).unwrap_err().to_string();
    assert!(refused.starts_with("fault 1: "), "{refused}");
    assert!(lab.disk.stats().injected.is_empty());
}
