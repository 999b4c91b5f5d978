//! What a simulated disk costs, and one whose operations are answered without one, beside the disk beneath and memory: `cargo bench -p splitbrain-nemesis --bench disk`.
//!
//! One host, one thread; each figure is the median of the runs of one workload in a process of its own, and the same binary
//! runs it in each place. Noisy on a busy machine: compare the columns of one run.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use nemesis::disk::{DiskSpec, FilesSpec};
use nemesis::hosts::{HostSpec, Hosts, HostsConfig, ProcessSpec};
use nemesis::seed::Seed;

const ARGUMENT: &str = "__workload";
const PATIENCE: Duration = Duration::from_secs(120);
const RUNS: usize = 3;

fn main() {
    nemesis::hosts::init();
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.get(1).is_some_and(|first| first == ARGUMENT) {
        return workloads().expect("workloads");
    }
    let beneath = Scratch::new(&std::env::current_dir().expect("a directory"));
    let memory = Scratch::new(Path::new("/dev/shm"));
    let mut table: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for _ in 0..RUNS {
        note(&mut table, "simulated", &on_host(&std::env::temp_dir(), true));
        note(&mut table, "answered", &on_host(&beneath.0, false));
        note(&mut table, "beneath", &plain(&beneath.0));
        note(&mut table, "memory", &plain(&memory.0));
    }
    print(table);
}

fn note(table: &mut BTreeMap<String, Vec<f64>>, place: &str, said: &str) {
    for line in said.lines() {
        let Some((what, value)) = line.rsplit_once(' ') else { continue };
        table.entry(format!("{what}|{place}")).or_default().push(value.parse().expect("a number"));
    }
}

fn print(table: BTreeMap<String, Vec<f64>>) {
    let median = |what: &str, place: &str| {
        let mut values = table.get(&format!("{what}|{place}")).cloned().unwrap_or_default();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    };
    let mut whats: Vec<&str> = table.keys().filter_map(|key| key.split('|').next()).collect();
    whats.dedup();
    println!("{:28} {:>12} {:>12} {:>12} {:>12}", "", "simulated", "answered", "beneath", "memory");
    for what in whats {
        let values = ["simulated", "answered", "beneath", "memory"].map(|place| median(what, place));
        let shown = values.map(|value| value.map_or("-".to_owned(), |value| format!("{value:.1}")));
        println!("{what:28} {:>12} {:>12} {:>12} {:>12}", shown[0], shown[1], shown[2], shown[3]);
    }
}

/// All workloads on a host with a simulated disk, or with the disk beneath and an agent that is asked about each operation on it.
fn on_host(beneath: &Path, simulated: bool) -> String {
    let dir = Scratch::new(beneath);
    let data = dir.0.join("data");
    fs::create_dir(&data).expect("a directory");
    let hosts = Hosts::start(HostsConfig { rung: None, seed: Seed(1), pcap: None }).expect("hosts");
    let spec = HostSpec {
        keep: vec![dir.0.clone()],
        disk: simulated.then(|| DiskSpec::new(&data)),
        files: (!simulated).then(|| FilesSpec::new(&data)),
        ..HostSpec::new("a", Ipv4Addr::new(10, 77, 0, 1))
    };
    let host = hosts.add(spec).expect("a host");
    let exits = hosts.exits().expect("exits");
    let me = std::env::current_exe().expect("the program").display().to_string();
    let env = BTreeMap::from([("PATH".to_owned(), std::env::var("PATH").unwrap_or_default())]);
    let argv = vec![me, ARGUMENT.to_owned()];
    let (stdout, stderr) = (dir.0.join("out"), dir.0.join("err"));
    hosts.spawn(host, ProcessSpec { argv, env, dir: data, stdout: stdout.clone(), stderr }).expect("a process");
    let exit = exits.recv_timeout(PATIENCE).expect("an exit");
    assert_eq!(exit.code, Some(0), "{}", fs::read_to_string(dir.0.join("err")).unwrap_or_default());
    fs::read_to_string(stdout).expect("figures")
}

fn plain(dir: &Path) -> String {
    let me = std::env::current_exe().expect("the program");
    let output = Command::new(me).arg(ARGUMENT).current_dir(dir).output().expect("a workload");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn workloads() -> io::Result<()> {
    append_and_fsync()?;
    append()?;
    sequential()?;
    for mode in ["delete", "wal"] {
        sqlite(mode);
    }
    Ok(())
}

/// 512 bytes at a time, each followed by an fsync: a write-ahead log.
fn append_and_fsync() -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open("log")?;
    let (began, mut fsyncs) = (Instant::now(), Vec::new());
    while began.elapsed() < Duration::from_secs(1) {
        file.write_all(&[7; 512])?;
        let fsync = Instant::now();
        file.sync_data()?;
        fsyncs.push(fsync.elapsed());
    }
    println!("append 512 B + fdatasync /s {}", fsyncs.len() as f64 / began.elapsed().as_secs_f64());
    fsyncs.sort_unstable();
    println!("fdatasync p50 us {}", fsyncs[fsyncs.len() / 2].as_nanos() as f64 / 1000.0);
    println!("fdatasync p99 us {}", fsyncs[fsyncs.len() * 99 / 100].as_nanos() as f64 / 1000.0);
    fs::remove_file("log")
}

fn append() -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open("log")?;
    let began = Instant::now();
    let mut count = 0u32;
    while began.elapsed() < Duration::from_millis(500) {
        file.write_all(&[7; 512])?;
        count += 1;
    }
    println!("append 512 B us {}", began.elapsed().as_secs_f64() * 1e6 / f64::from(count));
    fs::remove_file("log")
}

fn sequential() -> io::Result<()> {
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open("big")?;
    let block = vec![3; 1 << 20];
    let began = Instant::now();
    for _ in 0..128 {
        file.write_all(&block)?;
    }
    println!("sequential write MB/s {}", 128.0 * 1.048 / began.elapsed().as_secs_f64());
    file.sync_all()?;
    file.seek(SeekFrom::Start(0))?;
    let (began, mut buffer) = (Instant::now(), block);
    while file.read(&mut buffer)? > 0 {}
    println!("sequential read MB/s {}", 128.0 * 1.048 / began.elapsed().as_secs_f64());
    fs::remove_file("big")
}

/// Transactions of one row, `synchronous = full`, from Python.
fn sqlite(mode: &str) {
    let script = format!(
        "import sqlite3, time
db = sqlite3.connect('{mode}.db', isolation_level=None)
db.execute('pragma journal_mode = {mode}'); db.execute('pragma synchronous = full')
db.execute('create table t (i integer primary key, x text)')
n, t = 0, time.monotonic()
while time.monotonic() - t < 1:
    db.execute('insert into t (x) values (?)', ('x' * 100,)); n += 1
print(n / (time.monotonic() - t))"
    );
    // Without Python there is one figure less.
    let Ok(output) = Command::new("python3").args(["-c", &script]).output() else { return };
    print!("sqlite {mode} transactions /s {}", String::from_utf8_lossy(&output.stdout));
    for name in ["", "-wal", "-shm", "-journal"] {
        let _ = fs::remove_file(format!("{mode}.db{name}"));
    }
}

struct Scratch(PathBuf);

impl Scratch {
    fn new(below: &Path) -> Scratch {
        let path = below.join(format!("splitbrain-bench-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a directory");
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
