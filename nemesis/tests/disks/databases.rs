//! Real databases keep what they acknowledged, through kills and power cuts.

use std::path::PathBuf;

use nemesis::disk::{CutMode, DiskFault, Effect, PowerCut};
use nemesis::hosts::Rung;

use crate::lab::Lab;
use crate::runner::{Test, skip};

pub const TESTS: &[Test] = &[
    ("sqlite_keeps_acknowledged_transactions_in_all_journal_modes", sqlite_keeps_acknowledged_transactions),
    ("sqlite_loses_some_when_fsync_lies", sqlite_loses_some_when_fsync_lies),
    ("etcd_keeps_acknowledged_keys", etcd_keeps_acknowledged_keys),
    ("postgresql_initialises_and_keeps_acknowledged_rows", postgresql_keeps_acknowledged_rows),
];

/// Whether a program is in the PATH.
pub fn installed(program: &str) -> bool {
    find(program).is_some()
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|path| path.is_file())
}

/// Inserts numbers, each in a transaction of its own, and says each when it is acknowledged.
const SQLITE_WRITER: &str = "import sqlite3, sys
mode = sys.argv[1]
db = sqlite3.connect('db', isolation_level=None)
assert db.execute('pragma journal_mode = ' + mode).fetchone()[0] == mode
db.execute('pragma synchronous = ' + sys.argv[2])
db.execute('create table if not exists t (i integer primary key, filler text)')
i = db.execute('select coalesce(max(i), 0) from t').fetchone()[0]
while True:
    i += 1
    db.execute('insert into t values (?, ?)', (i, 'x' * (i % 700)))
    print(i); sys.stdout.flush()";

const SQLITE_READER: &str = "import sqlite3
db = sqlite3.connect('db')
print(db.execute('pragma integrity_check').fetchone()[0], *db.execute('select count(*), coalesce(max(i), 0) from t').fetchone())";

/// Journal mode, setting of `synchronous`, and how many acknowledged transactions a power cut may take by SQLite's own
/// documentation. With FULL, deleting the journal is the commit, and nothing syncs the directory after it: EXTRA does
/// (sqlite.org/pragma.html#pragma_synchronous).
const MODES: [(&str, &str, u64); 5] = [
    ("delete", "extra", 0),
    ("delete", "full", 1),
    ("truncate", "full", 0),
    ("persist", "full", 0),
    ("wal", "full", 0),
];

/// The last number that was acknowledged, and how many rows there are after a kill or a power cut.
fn sqlite_round(lab: &Lab, mode: &str, synchronous: &str, cut: Option<PowerCut>) -> (u64, String) {
    let before = lab.said().len();
    lab.start_program(&["python3", "-c", SQLITE_WRITER, mode, synchronous]);
    crate::lab::wait_until("transactions", || lab.said()[before..].lines().count() > 40);
    match cut {
        None => drop(lab.kill()),
        Some(cut) => drop(lab.power_cut(cut)),
    }
    let said = lab.said()[before..].to_owned();
    let complete = &said[..said.rfind('\n').map_or(0, |end| end)];
    let acknowledged = complete.lines().last().and_then(|line| line.parse().ok()).unwrap_or(0);
    (acknowledged, lab.run_program(&["python3", "-c", SQLITE_READER]))
}

fn sqlite_keeps_acknowledged_transactions(rung: Rung) {
    if !installed("python3") {
        skip("python3 is not installed");
    }
    let cuts = [CutMode::Drop, CutMode::Prefix, CutMode::Torn, CutMode::Subset { probability: 0.5 }];
    for (mode, synchronous, lost) in MODES {
        let lab = Lab::new(rung);
        let kills = [None].into_iter();
        for (seed, cut) in kills.chain(cuts.map(|mode| Some(PowerCut { mode, seed: 1 }))).enumerate() {
            let cut = cut.map(|cut| PowerCut { seed: seed as u64, ..cut });
            let (acknowledged, read) = sqlite_round(&lab, mode, synchronous, cut);
            let mut words = read.split(' ');
            assert_eq!(words.next(), Some("ok"), "{mode} {cut:?}: {read}");
            let lost = if cut.is_some() { lost } else { 0 };
            let (count, max): (u64, u64) =
                (words.next().unwrap().parse().unwrap(), words.next().unwrap().parse().unwrap());
            assert!(count == max && max + lost >= acknowledged, "{mode} {cut:?}: {read}, {acknowledged} acknowledged");
        }
    }
}

fn sqlite_loses_some_when_fsync_lies(rung: Rung) {
    if !installed("python3") {
        skip("python3 is not installed");
    }
    let lab = Lab::with(rung, |spec| spec.write_back.commit_ms = None);
    lab.shell("python3 -c 'import sqlite3; c = sqlite3.connect(\"db\"); c.execute(\"pragma journal_mode = wal\"); c.execute(\"create table t (i integer primary key, filler text)\")'");
    lab.disk.checkpoint();
    lab.disk.set_faults(&[DiskFault::new(Effect::LyingFsync).at("wal")]).unwrap();
    let (acknowledged, read) = sqlite_round(&lab, "wal", "full", Some(PowerCut::DROP));
    assert!(acknowledged >= 40);
    assert_eq!(read, "ok 0 0");
}

fn etcd_keeps_acknowledged_keys(rung: Rung) {
    let (Some(etcd), Some(etcdctl)) = (find("etcd"), find("etcdctl")) else { skip("etcd is not installed") };
    let lab = Lab::new(rung);
    // Wherever they are installed, the host may not see it.
    let bring = |program: &PathBuf, name: &str| {
        let here = lab.dir.path(name);
        std::fs::copy(program, &here).expect("a copy");
        here
    };
    let (etcd, etcdctl) = (bring(&etcd, "etcd"), bring(&etcdctl, "etcdctl"));
    let script = format!(
        "{} --data-dir etcd --log-level error 2> etcd.log & export ETCDCTL_API=3
         until {ctl} get nothing 2> /dev/null; do sleep 0.05; done
         i=$({ctl} get --prefix key --keys-only | grep -c key || true); echo found $i
         while :; do i=$((i + 1)); {ctl} put key$i $i > /dev/null; echo put $i; done",
        etcd.display(),
        ctl = etcdctl.display()
    );
    survives_power_cuts(&lab, &script);
}

fn postgresql_keeps_acknowledged_rows(rung: Rung) {
    let bin = postgresql().unwrap_or_else(|| skip("PostgreSQL (initdb, postgres, psql) is not installed"));
    if nix::unistd::geteuid().is_root() {
        skip("PostgreSQL does not run as root");
    }
    let lab = Lab::new(rung);
    lab.shell(&format!("{}/initdb -D pg -A trust -U me --no-locale > ../initdb.log 2>&1", bin.display()));
    let script = format!(
        "{bin}/postgres -D pg -k \"$PWD\" -c listen_addresses= >> ../postgres.log 2>&1 &
         sql() {{ {bin}/psql -q -h \"$PWD\" -U me -d postgres -At \"$@\"; }}
         until sql -c 'select 1' > /dev/null 2>&1; do sleep 0.05; done
         sql -c 'create table if not exists t (i int primary key)'
         i=$(sql -c 'select coalesce(max(i), 0) from t'); echo found $i
         while :; do i=$((i + 1)); sql -c \"insert into t values ($i)\"; echo put $i; done",
        bin = bin.display()
    );
    survives_power_cuts(&lab, &script);
}

/// Where the programs of PostgreSQL are; Debian keeps them out of the PATH.
fn postgresql() -> Option<PathBuf> {
    let mut places: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| e.path().join("bin"))
        .collect();
    places.sort();
    places.extend(find("initdb").and_then(|path| path.parent().map(PathBuf::from)));
    places.into_iter().rev().find(|bin| ["initdb", "postgres", "psql"].iter().all(|name| bin.join(name).is_file()))
}

/// Runs a script that says `found 3` when it starts, and then `put 4`, `put 5` … as they are acknowledged, and cuts the power
/// in the middle, three times: nothing that was acknowledged may be gone.
fn survives_power_cuts(lab: &Lab, script: &str) {
    let mut acknowledged = 0;
    for (seed, mode) in [CutMode::Drop, CutMode::Torn, CutMode::Subset { probability: 0.5 }].into_iter().enumerate() {
        let before = lab.said().len();
        lab.start_program(&["sh", "-c", script]);
        crate::lab::wait_until("updates", || lab.said()[before..].matches("put ").count() > 10);
        lab.power_cut(PowerCut { mode, seed: seed as u64 });
        let said = lab.said()[before..].to_owned();
        let number = |word: &str| {
            said.lines().rfind(|line| line.starts_with(word)).and_then(|l| l.split(' ').nth(1)?.parse().ok())
        };
        let found: u64 = number("found ").expect("a count");
        assert!(found >= acknowledged, "{found} of {acknowledged} after {mode:?}");
        acknowledged = number("put ").expect("an update");
    }
}
