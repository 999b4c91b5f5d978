//! One host with a disk, and a directory that is gone afterwards.

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::mpsc::Receiver;

use nemesis::disk::{Disk, DiskSpec, Lost, PowerCut};
use nemesis::hosts::{Exit, HostId, HostSpec, Hosts, HostsConfig, ProcessSpec, Rung};
use nemesis::seed::Seed;

use crate::parts;
pub use crate::scratch::{DEADLINE, Scratch, wait_until};

const HOST: HostId = HostId(0);

/// One host and its disk.
pub struct Lab {
    pub hosts: Hosts,
    pub disk: Arc<Disk>,
    pub dir: Scratch,
    exits: Mutex<Receiver<Exit>>,
}

impl Lab {
    pub fn new(rung: Rung) -> Lab {
        Lab::with(rung, |_| {})
    }

    /// With a disk to one's liking.
    pub fn with(rung: Rung, change: impl FnOnce(&mut DiskSpec)) -> Lab {
        Lab::in_dir(rung, Scratch::new(), change)
    }

    pub fn in_dir(rung: Rung, dir: Scratch, change: impl FnOnce(&mut DiskSpec)) -> Lab {
        let hosts = Hosts::start(HostsConfig { rung: Some(rung), seed: Seed(1), pcap: None }).expect("hosts");
        let mut spec = spec(&dir);
        spec.disk.as_mut().map(change);
        hosts.add(spec).expect("a host");
        let disk = hosts.disk(HOST).expect("a disk");
        let exits = Mutex::new(hosts.exits().expect("exits"));
        Lab { hosts, disk, dir, exits }
    }

    /// Where the disk is.
    pub fn data(&self) -> PathBuf {
        self.dir.path("data")
    }

    /// Starts a part as the main process of the host, with the disk as its working directory.
    pub fn start(&self, part: &[&str]) {
        let me = std::env::current_exe().expect("the program").display().to_string();
        let argv: Vec<&str> = [me.as_str(), parts::ARGUMENT].into_iter().chain(part.iter().copied()).collect();
        self.start_program(&argv);
    }

    /// Starts any program likewise.
    pub fn start_program(&self, argv: &[&str]) {
        let argv = argv.iter().map(|s| (*s).to_owned()).collect();
        let path = std::env::var("PATH").unwrap_or_default();
        let env = BTreeMap::from([("PATH".to_owned(), path), ("HOME".to_owned(), "/nonexistent".to_owned())]);
        let (stdout, stderr) = (self.dir.path("out"), self.dir.path("err"));
        self.hosts.spawn(HOST, ProcessSpec { argv, env, dir: self.data(), stdout, stderr }).expect("a process");
    }

    /// Runs a part to its end. Returns what it said.
    pub fn run(&self, part: &[&str]) -> String {
        self.finish(|| self.start(part))
    }

    /// Runs a program to its end. Returns what it said.
    pub fn run_program(&self, argv: &[&str]) -> String {
        self.finish(|| self.start_program(argv))
    }

    fn finish(&self, start: impl FnOnce()) -> String {
        let before = self.said().len();
        start();
        let mut exit = self.wait_exit();
        // Whatever a kill or a crash has ended is not what is waited for.
        while exit.expected {
            exit = self.wait_exit();
        }
        assert_eq!((exit.code, exit.signal), (Some(0), None), "{}\n{}", self.said(), self.errors());
        self.said()[before..].trim_end().to_owned()
    }

    /// A shell script on the host, with the disk as its working directory.
    pub fn shell(&self, script: &str) -> String {
        self.run_program(&["sh", "-euc", script])
    }

    /// The next end of the main process.
    pub fn wait_exit(&self) -> Exit {
        let exits = self.exits.lock().unwrap();
        loop {
            let exit = exits.recv_timeout(DEADLINE).expect("an exit");
            if exit.main {
                return exit;
            }
        }
    }

    /// What the programs have said so far.
    pub fn said(&self) -> String {
        fs::read_to_string(self.dir.path("out")).unwrap_or_default()
    }

    pub fn errors(&self) -> String {
        fs::read_to_string(self.dir.path("err")).unwrap_or_default()
    }

    /// Waits until a program has said something.
    pub fn wait_said(&self, text: &str) {
        wait_until(&format!("{text:?} in {:?}, {}", self.said(), self.errors()), || self.said().contains(text));
    }

    pub fn kill(&self) -> usize {
        self.hosts.kill(HOST).expect("killed")
    }

    pub fn power_cut(&self, cut: PowerCut) -> Lost {
        let lost = self.hosts.power_cut(HOST, cut).expect("a power cut").lost;
        self.hosts.reboot(HOST).expect("a reboot");
        lost
    }

    pub fn crash(&self) {
        self.hosts.crash(HOST).expect("a crash");
        self.hosts.reboot(HOST).expect("a reboot");
    }
}

/// Host `a`, with a disk on `data` below a directory.
pub fn spec(dir: &Scratch) -> HostSpec {
    let data = dir.path("data");
    fs::create_dir_all(&data).expect("a directory");
    let address = Ipv4Addr::new(10, 77, 0, 1);
    HostSpec { keep: vec![dir.path("")], disk: Some(DiskSpec::new(data)), ..HostSpec::new("a", address) }
}
