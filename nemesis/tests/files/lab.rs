//! One host whose files can fail, and a directory that is gone afterwards.

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use nemesis::disk::{DiskFault, FilesSpec};
use nemesis::hosts::{Exit, HostId, HostSpec, Hosts, HostsConfig, ProcessSpec, Rung};
use nemesis::seed::Seed;

use crate::parts;

/// Longer than anything here takes, on a busy machine too.
const DEADLINE: Duration = Duration::from_secs(40);
pub const HOST: HostId = HostId(0);

pub struct Lab {
    pub hosts: Hosts,
    dir: PathBuf,
    exits: Mutex<Receiver<Exit>>,
}

impl Lab {
    pub fn new(rung: Rung) -> Lab {
        Lab::with(rung, |_| {})
    }

    /// With a host to one's liking.
    pub fn with(rung: Rung, change: impl FnOnce(&mut HostSpec)) -> Lab {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let unique = format!("splitbrain-files-{}-{}", std::process::id(), COUNT.fetch_add(1, Relaxed));
        let dir = Path::new("/tmp").join(unique);
        fs::create_dir_all(dir.join("data")).expect("a directory");
        fs::create_dir_all(dir.join("elsewhere")).expect("a directory");
        let hosts = Hosts::start(HostsConfig { rung: Some(rung), seed: Seed(1), pcap: None }).expect("hosts");
        let files = Some(FilesSpec::new(dir.join("data")));
        let mut spec = HostSpec { keep: vec![dir.clone()], files, ..HostSpec::new("a", Ipv4Addr::new(10, 77, 0, 1)) };
        change(&mut spec);
        hosts.add(spec).expect("a host");
        let exits = Mutex::new(hosts.exits().expect("exits"));
        Lab { hosts, dir, exits }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub fn set(&self, faults: &[DiskFault]) {
        self.hosts.set_disk(HOST, faults).expect("faults");
    }

    pub fn hits(&self) -> Vec<u64> {
        self.hosts.disk_hits(HOST)
    }

    /// Starts a part as the main process of the host, in the directory above the data.
    pub fn start(&self, part: &[&str]) {
        let me = std::env::current_exe().expect("the program").display().to_string();
        self.start_program(&[&[me.as_str(), parts::ARGUMENT], part].concat());
    }

    pub fn start_program(&self, argv: &[&str]) {
        let argv = argv.iter().map(|argument| (*argument).to_owned()).collect();
        let path = std::env::var("PATH").unwrap_or_default();
        let env = BTreeMap::from([("PATH".to_owned(), path), ("HOME".to_owned(), "/nonexistent".to_owned())]);
        let (stdout, stderr) = (self.path("out"), self.path("err"));
        self.hosts.spawn(HOST, ProcessSpec { argv, env, dir: self.dir.clone(), stdout, stderr }).expect("a process");
    }

    /// Runs a program to its end. Returns what it said, and its exit code.
    pub fn run(&self, argv: &[&str]) -> (String, i32) {
        let before = self.said().len();
        self.start_program(argv);
        let exit = self.wait_exit();
        (self.said()[before..].trim_end().to_owned(), exit.code.unwrap_or(-1))
    }

    pub fn wait_exit(&self) -> Exit {
        let exits = self.exits.lock().unwrap();
        loop {
            let exit = exits.recv_timeout(DEADLINE).expect("an exit");
            if exit.main {
                return exit;
            }
        }
    }

    pub fn said(&self) -> String {
        fs::read_to_string(self.path("out")).unwrap_or_default()
    }

    pub fn errors(&self) -> String {
        fs::read_to_string(self.path("err")).unwrap_or_default()
    }

    /// How often a line was said so far.
    pub fn count(&self, line: &str) -> usize {
        self.said().lines().filter(|said| *said == line).count()
    }

    /// Waits until a line was said so often.
    #[track_caller]
    pub fn wait_count(&self, line: &str, count: usize) {
        let deadline = Instant::now() + DEADLINE;
        while self.count(line) < count {
            assert!(Instant::now() < deadline, "no {line:?}: {} {}", self.said(), self.errors());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits until a line was said more often than now.
    #[track_caller]
    pub fn wait_more(&self, line: &str, more: usize) {
        self.wait_count(line, self.count(line) + more);
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}
