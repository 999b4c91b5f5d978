//! Real programs suffer what is asked for, where it is asked for, as often as it is asked for; and healing ends it.

use std::process::Command;
use std::time::{Duration, Instant};

use nemesis::clock::{ClockTier, Skew};
use nemesis::disk::{DiskFault, Effect, ErrorKind, FilesSpec, Operation};
use nemesis::fault::{Fault, Target};
use nemesis::hosts::Rung;
use nemesis::injector::{Injector, Layout, Outcome};

use crate::lab::{HOST, Lab};
use crate::runner::{self, Test};

pub const TESTS: &[Test] = &[
    ("an_fsync_fails_where_it_should_and_as_often", an_fsync_fails_where_it_should_and_as_often),
    ("each_operation_fails_by_itself", each_operation_fails_by_itself),
    ("a_full_disk_is_full_until_it_is_healed", a_full_disk_is_full_until_it_is_healed),
    ("a_slow_disk_holds_up_only_who_waits_for_it", a_slow_disk_holds_up_only_who_waits_for_it),
    ("what_hangs_is_done_when_it_is_healed", what_hangs_is_done_when_it_is_healed),
    ("what_hangs_can_be_killed", what_hangs_can_be_killed),
    ("chance_comes_from_the_seed", chance_comes_from_the_seed),
    ("a_reboot_starts_no_count_anew", a_reboot_starts_no_count_anew),
    ("programs_of_every_kind_suffer", programs_of_every_kind_suffer),
    ("a_database_says_what_it_suffers", a_database_says_what_it_suffers),
    ("there_is_no_way_past", there_is_no_way_past),
    ("files_and_clocks_go_together", files_and_clocks_go_together),
    ("what_takes_a_simulated_disk_is_refused", what_takes_a_simulated_disk_is_refused),
    ("the_injector_counts_what_it_hit", the_injector_counts_what_it_hit),
    ("the_doctor_tries_it", the_doctor_tries_it),
];

fn eio(operations: &[Operation]) -> DiskFault {
    DiskFault::new(Effect::Error(ErrorKind::Eio)).on(operations)
}

fn an_fsync_fails_where_it_should_and_as_often(rung: Rung) {
    let lab = Lab::new(rung);
    lab.start(&["keep"]);
    lab.wait_count("other fsync ok", 3);
    assert_eq!(lab.count("wal fsync 5"), 0);
    lab.set(&[eio(&[Operation::Fsync]).at("wal").times(3), eio(&[Operation::Write]).at("ta?le").times(1)]);
    lab.wait_count("wal fsync 5", 3);
    lab.wait_more("wal fsync ok", 3);
    assert_eq!((lab.count("wal fsync 5"), lab.count("table write 5"), lab.hits()), (3, 1, vec![3, 1]));
    assert_eq!((lab.count("other fsync 5"), lab.count("wal write 5"), lab.count("table fsync 5")), (0, 0, 0));
    // A failed write writes nothing.
    lab.hosts.kill(HOST).unwrap();
    let (lines, tables) = (lab.count("wal write ok"), lab.count("table write ok"));
    let length = |name: &str| std::fs::read_to_string(lab.path(name)).unwrap().lines().count();
    assert!(length("data/wal").abs_diff(lines) <= 1 && length("data/table").abs_diff(tables) <= 1);
}

fn each_operation_fails_by_itself(rung: Rung) {
    use Operation as O;
    let lab = Lab::new(rung);
    std::fs::write(lab.path("elsewhere/spare"), "").unwrap();
    let all = [
        (O::Create, "create"),
        (O::Open, "open"),
        (O::Write, "write"),
        (O::Read, "read"),
        (O::Truncate, "truncate"),
        (O::Allocate, "allocate"),
        (O::Fsync, "fsync"),
        (O::Fsyncdir, "fsyncdir"),
        (O::Mkdir, "mkdir"),
        (O::Link, "link"),
        (O::Rename, "rename"),
        (O::Unlink, "unlink"),
        (O::Rmdir, "rmdir"),
    ];
    let me = std::env::current_exe().unwrap().display().to_string();
    let (said, _) = lab.run(&[&me, crate::parts::ARGUMENT, "operations"]);
    assert!(said.lines().count() == all.len() && said.lines().all(|line| line.ends_with(" ok")), "{said}");
    for (operation, name) in all {
        // Programs open directories and read them, too, and remove what there was before.
        let fault = DiskFault::new(Effect::Error(ErrorKind::Erofs)).on(&[operation]);
        lab.set(&[if operation == O::Open { fault.at("?") } else { fault }]);
        let (said, _) = lab.run(&[&me, crate::parts::ARGUMENT, "operations"]);
        assert!(said.lines().any(|line| line == format!("{name} 30")), "{name}: {said}");
        let failed: Vec<&str> = said.lines().filter(|line| line.ends_with(" 30")).collect();
        assert_eq!(failed, [format!("{name} 30")], "{said}");
        assert!(lab.hits()[0] > 0, "{name}");
        lab.set(&[]);
    }
}

fn a_full_disk_is_full_until_it_is_healed(rung: Rung) {
    let lab = Lab::new(rung);
    std::fs::write(lab.path("data/there"), "kept").unwrap();
    lab.set(&[DiskFault::new(Effect::Error(ErrorKind::Enospc)).on(&[Operation::Write, Operation::Create])]);
    let (said, code) = lab.run(&["sh", "-c", "cat data/there; echo more > data/new"]);
    assert_eq!((said.as_str(), code != 0), ("kept", true));
    assert!(lab.errors().contains("No space left on device"), "{}", lab.errors());
    assert!(!lab.path("data/new").exists(), "what failed was not done");
    let (_, code) = lab.run(&["sh", "-c", "echo more > elsewhere/new"]);
    assert_eq!(code, 0);
    assert_eq!(lab.hits(), [1]);
    lab.set(&[]);
    let (said, code) = lab.run(&["sh", "-c", "echo more > data/new; cat data/new"]);
    assert_eq!((said.as_str(), code), ("more", 0));
}

fn a_slow_disk_holds_up_only_who_waits_for_it(rung: Rung) {
    let lab = Lab::new(rung);
    lab.start(&["keep"]);
    lab.wait_count("other fsync ok", 3);
    assert_eq!(lab.count("wal slow"), 0);
    lab.set(&[DiskFault::new(Effect::Delay { us: 200_000, jitter_us: 0 }).on(&[Operation::Fsync]).at("wal")]);
    lab.wait_count("wal slow", 3);
    assert_eq!(lab.count("table slow"), 0);
    lab.set(&[]);
    lab.wait_more("other fsync ok", 2);
    let before = lab.count("wal slow");
    lab.wait_more("wal fsync ok", 5);
    assert_eq!(lab.count("wal slow"), before);
    lab.hosts.kill(HOST).unwrap();
    lab.wait_exit();
    // Two who wait do so side by side.
    lab.set(&[DiskFault::new(Effect::Delay { us: 400_000, jitter_us: 0 }).on(&[Operation::Fsync])]);
    let began = Instant::now();
    let me = std::env::current_exe().unwrap().display().to_string();
    let (said, _) = lab.run(&[&me, crate::parts::ARGUMENT, "two-at-once"]);
    let took: u64 = said.lines().last().unwrap().parse().unwrap();
    assert!((400..750).contains(&took), "{took} ms, {:?}", began.elapsed());
}

fn hang() -> DiskFault {
    DiskFault::new(Effect::Hang).on(&[Operation::Fsync]).at("wal")
}

fn what_hangs_is_done_when_it_is_healed(rung: Rung) {
    let lab = Lab::new(rung);
    lab.start(&["keep"]);
    lab.wait_count("other fsync ok", 3);
    lab.set(&[hang()]);
    let hung = Instant::now();
    while lab.hits() != [1] {
        assert!(hung.elapsed() < Duration::from_secs(20), "{:?}", lab.hits());
    }
    let before = lab.count("wal fsync ok");
    std::thread::sleep(Duration::from_millis(150));
    assert_eq!(lab.count("wal fsync ok"), before);
    // Another fault does not end it.
    lab.set(&[hang(), eio(&[Operation::Rename])]);
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!((lab.count("wal fsync ok"), lab.hits()), (before, vec![1, 0]));
    lab.set(&[]);
    lab.wait_count("wal fsync ok", before + 3);
    assert_eq!(lab.count("wal fsync 5"), 0);
}

fn what_hangs_can_be_killed(rung: Rung) {
    let lab = Lab::new(rung);
    lab.start(&["keep"]);
    lab.set(&[hang()]);
    while lab.hits() != [1] {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(lab.hosts.kill(HOST).unwrap(), 1);
    assert_eq!(lab.wait_exit().signal, Some(9));
    lab.start(&["keep"]);
    while lab.hits() != [2] {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(lab.hosts.crash(HOST).unwrap(), 1);
    lab.hosts.reboot(HOST).unwrap();
    lab.set(&[]);
    lab.start(&["keep"]);
    lab.wait_more("wal fsync ok", 2);
}

fn chance_comes_from_the_seed(rung: Rung) {
    let pattern = |seed| {
        let lab = Lab::new(rung);
        lab.set(&[DiskFault { probability: 0.5, seed, ..eio(&[Operation::Fsync]).at("wal") }]);
        lab.start(&["keep"]);
        lab.wait_count("other fsync ok", 40);
        lab.hosts.kill(HOST).unwrap();
        let said = lab.said();
        let drawn = said.lines().filter(|line| line.starts_with("wal fsync")).take(40);
        drawn.map(|line| line.ends_with('5')).collect::<Vec<_>>()
    };
    let (one, again, other) = (pattern(7), pattern(7), pattern(8));
    assert_eq!(one, again);
    assert_ne!(one, other);
    let failed = one.iter().filter(|failed| **failed).count();
    assert!((8..32).contains(&failed), "{failed} of 40");
}

fn a_reboot_starts_no_count_anew(rung: Rung) {
    let lab = Lab::new(rung);
    let me = std::env::current_exe().unwrap().display().to_string();
    let run = || lab.run(&[&me, crate::parts::ARGUMENT, "two-at-once"]).0;
    lab.set(&[eio(&[Operation::Fsync]).times(3)]);
    assert_eq!(run().matches("fsync 5").count(), 2);
    lab.hosts.crash(HOST).unwrap();
    assert_eq!(lab.hits(), [2], "what is gone is counted");
    lab.hosts.reboot(HOST).unwrap();
    assert_eq!(run().matches("fsync 5").count(), 1);
    assert_eq!((run().matches("fsync 5").count(), lab.hits()), (0, vec![3]));
}

const C: &str = r#"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
int main(void) {
    int fd = open("data/c", O_CREAT | O_WRONLY, 0644);
    if (fd < 0) { printf("open %d\n", errno); return 1; }
    if (write(fd, "x", 1) != 1) { printf("write %d\n", errno); return 1; }
    if (fsync(fd)) { printf("fsync %d\n", errno); return 1; }
    puts("ok"); return 0;
}
"#;

const GO: &str = r#"
package main
import ("fmt"; "os")
func main() {
	f, err := os.Create("data/go")
	if err == nil { _, err = f.Write([]byte("x")) }
	if err == nil { err = f.Sync() }
	if err != nil { fmt.Println(err); os.Exit(1) }
	fmt.Println("ok")
}
"#;

const PYTHON: &str = "f = open('data/py', 'w'); f.write('x'); f.flush(); import os; os.fsync(f.fileno()); print('ok')";

fn compile(lab: &Lab, name: &str, text: &str, command: &[&str]) -> Result<String, String> {
    let (source, program) = (lab.path(name), lab.path(&format!("{name}.out")));
    std::fs::write(&source, text).map_err(|error| error.to_string())?;
    let mut compiler = Command::new(command[0]);
    compiler.args(&command[1..]).arg("-o").arg(&program).arg(&source).env("CGO_ENABLED", "0").env("GO111MODULE", "off");
    compiler.env("HOME", lab.path("")).env("GOCACHE", lab.path("go-cache"));
    let output = compiler.output().map_err(|error| format!("{}: {error}", command[0]))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(program.display().to_string()) } else { Err(said) }
}

fn programs_of_every_kind_suffer(rung: Rung) {
    let lab = Lab::new(rung);
    let program = |argv: Result<String, String>| argv.map(|program| vec![program]);
    let kinds = [
        ("C", program(compile(&lab, "c.c", C, &["gcc"]))),
        ("static musl", program(compile(&lab, "musl.c", C, &["musl-gcc", "-static"]))),
        ("Go", program(compile(&lab, "sync.go", GO, &["go", "build"]))),
        ("Python", Ok(["python3", "-c", PYTHON].map(str::to_owned).to_vec())),
        (
            "a shell's",
            Ok(["sh", "-c", "dd if=/dev/zero of=data/dd count=1 conv=fsync && echo ok"].map(str::to_owned).to_vec()),
        ),
    ];
    for (name, argv) in kinds {
        let argv = match &argv {
            Ok(argv) => argv.iter().map(String::as_str).collect::<Vec<_>>(),
            Err(why) => {
                eprintln!("SKIPPED {name} programs that write [{rung}]: {why}");
                continue;
            }
        };
        lab.set(&[]);
        assert_eq!(lab.run(&argv), ("ok".to_owned(), 0), "{name}: {}", lab.errors());
        for operation in [Operation::Fsync, Operation::Write, Operation::Open, Operation::Create] {
            let _ = std::fs::remove_dir_all(lab.path("data"));
            std::fs::create_dir(lab.path("data")).unwrap();
            lab.set(&[eio(&[operation])]);
            let (said, code) = lab.run(&argv);
            // Their files are new, so they are made and not opened.
            let suffers = operation != Operation::Open;
            assert_eq!((code != 0, lab.hits()[0] > 0), (suffers, suffers), "{name}, {operation:?}: {said}");
        }
    }
}

const SQLITE: &str = "
import sqlite3
db = sqlite3.connect('data/db')
db.execute('create table if not exists t (n)')
done = 0
for i in range(100):
    try:
        db.execute('insert into t values (?)', (i,)); db.commit(); done += 1
    except sqlite3.OperationalError as e:
        print(e); db.rollback()
print('kept', done == db.execute('select count(*) from t').fetchone()[0])
";

fn a_database_says_what_it_suffers(rung: Rung) {
    let lab = Lab::new(rung);
    if Command::new("python3").args(["-c", "import sqlite3"]).status().is_ok_and(|status| !status.success()) {
        runner::skip("no python3 with sqlite3");
    }
    lab.set(&[DiskFault { probability: 0.1, ..eio(&[Operation::Fsync]) }]);
    let (said, code) = lab.run(&["python3", "-c", SQLITE]);
    assert_eq!(code, 0, "{said} {}", lab.errors());
    assert!(said.contains("disk I/O error") && said.contains("kept True"), "{said}");
}

fn there_is_no_way_past(rung: Rung) {
    let lab = Lab::new(rung);
    let me = std::env::current_exe().unwrap().display().to_string();
    assert_eq!(lab.run(&[&me, crate::parts::ARGUMENT, "ring"]).0, "ring 38");
    lab.set(&[eio(&[Operation::Write, Operation::Fsync])]);
    // Through links, from another directory, in a child, by a descriptor that was handed on.
    std::os::unix::fs::symlink(lab.path("data"), lab.path("elsewhere/link")).unwrap();
    let scripts = [
        "echo x > elsewhere/link/../data/a",
        "echo x > elsewhere/link/b",
        "cd elsewhere/link && (echo x > c)",
        "exec 7> data/d; (cd /; exec sh -c 'echo x >&7')",
        "exec 7> data/e; rm data/e; echo x >&7",
    ];
    for (i, script) in scripts.into_iter().enumerate() {
        let (_, code) = lab.run(&["sh", "-c", script]);
        assert_ne!(code, 0, "{script}");
        assert_eq!(lab.hits(), [i as u64 + 1], "{script}");
    }
}

fn files_and_clocks_go_together(rung: Rung) {
    let lab = Lab::with(rung, |spec| spec.clock = Some(ClockTier::Vdso));
    lab.hosts.set_clock(HOST, &Skew { jump_ns: 3600 * 1_000_000_000, ..Skew::default() }).unwrap();
    // Each new program is made to open the page of its clock, and opening is one of the operations that can fail.
    lab.set(&[eio(&[Operation::Fsync]).at("wal")]);
    lab.start(&["keep"]);
    lab.wait_count("wal fsync 5", 2);
    let reading = lab.hosts.read_clock(HOST).unwrap();
    assert!(reading.is_effective(), "{reading:?}");
}

fn what_takes_a_simulated_disk_is_refused(rung: Rung) {
    let lab = Lab::with(rung, |spec| {
        spec.files = spec.files.take().map(|files| FilesSpec { operations: [Operation::Fsync].into(), ..files });
    });
    let refused = |fault: DiskFault| lab.hosts.set_disk(HOST, &[fault]).unwrap_err().to_string();
    assert_eq!(refused(DiskFault::new(Effect::LyingFsync)), "host a: LyingFsync takes a simulated disk");
    assert_eq!(refused(eio(&[Operation::Write])), "host a: it was made for {Fsync}, not for {Write}");
    assert!(refused(DiskFault { probability: 2.0, ..eio(&[Operation::Fsync]) }).contains("between 0 and 1"));
    assert_eq!(lab.hits().len(), 0);
    let none = Lab::with(rung, |spec| spec.files = None);
    let refused = none.hosts.set_disk(HOST, &[eio(&[Operation::Fsync])]).unwrap_err().to_string();
    assert_eq!(refused, "host a: it has no simulated disk");
}

fn the_injector_counts_what_it_hit(rung: Rung) {
    let lab = Lab::new(rung);
    lab.start(&["keep"]);
    lab.wait_count("other fsync ok", 3);
    let layout = Layout { nodes: vec![("n1".to_owned(), HOST)], ..Layout::default() };
    let injector = Injector::new(&lab.hosts, layout, None).unwrap();
    let fault = |misbehaves| Fault::Disk { target: Target::Node(0), misbehaves };
    let slow = DiskFault::new(Effect::Delay { us: 150_000, jitter_us: 0 }).on(&[Operation::Fsync]).at("wal");
    let ids = [fault(eio(&[Operation::Fsync]).at("table")), fault(slow)].map(|fault| {
        let id = injector.fresh_id();
        let installed = injector.install(id, &fault, &[0]);
        assert_eq!(installed.outcome, Outcome::Installed);
        id
    });
    lab.wait_count("table fsync 5", 2);
    lab.wait_count("wal slow", 2);
    for id in ids {
        let healed = injector.heal(id);
        assert!(!healed.inert && healed.took_effect["operations_hit"].as_u64() >= Some(2), "{}", healed.to_json());
    }
    lab.wait_more("table fsync ok", 2);
    let id = injector.fresh_id();
    injector.install(id, &fault(eio(&[Operation::Rename])), &[0]);
    assert!(injector.heal(id).inert, "nothing was renamed");
}

fn the_doctor_tries_it(rung: Rung) {
    nemesis::doctor::offers(nemesis::fault::Need::FailingDisk, rung).unwrap();
    let checks = nemesis::doctor::examine().checks;
    let disk = checks.iter().find(|check| check.id == "disk").unwrap();
    let files = checks.iter().find(|check| check.id == "failing-files");
    // Only where there is no simulated disk it is of interest.
    assert_eq!(disk.level == nemesis::doctor::Level::Ok, files.is_none());
    assert!(files.is_none_or(|check| check.level == nemesis::doctor::Level::Ok), "{files:?}");
}
