//! A few hosts with clocks, what their programs say of the time, and a directory that is gone afterwards.

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::sync::Mutex;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use nemesis::clock::{ClockTier, Skew};
use nemesis::hosts::{Exit, HostId, HostSpec, Hosts, HostsConfig, ProcessSpec, Rung};
use nemesis::seed::Seed;
use nix::time::{ClockId, clock_gettime};

use crate::peers;
pub use crate::scratch::{DEADLINE, Scratch, wait_until};

pub const SECOND: i64 = 1_000_000_000;
/// A program that is interrupted between its two readings is off by that; the best of some readings is off by less than
/// this.
const PRECISION_NS: i64 = SECOND / 1000;

pub struct Lab {
    pub hosts: Hosts,
    pub dir: Scratch,
    exits: Mutex<(Receiver<Exit>, Vec<Exit>)>,
}

/// What a program said: both of its clocks at about one instant.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    pub realtime_ns: i64,
    pub monotonic_ns: i64,
}

impl Reading {
    /// By how much the program's clock is ahead of the machine's, ns.
    pub fn offset(&self) -> i64 {
        self.realtime_ns - self.machine()
    }

    /// What the machine's clock showed then.
    pub fn machine(&self) -> i64 {
        self.monotonic_ns + difference()
    }
}

impl Lab {
    /// Hosts with clocks of their own.
    pub fn new(rung: Rung, count: usize) -> Lab {
        Lab::with(rung, count, |spec| HostSpec { clock: Some(ClockTier::Vdso), ..spec })
    }

    pub fn with(rung: Rung, count: usize, change: impl Fn(HostSpec) -> HostSpec) -> Lab {
        let dir = Scratch::new();
        let hosts = Hosts::start(HostsConfig { rung: Some(rung), seed: Seed(1), pcap: None }).expect("hosts");
        for i in 0..count {
            let spec = HostSpec::new(format!("n{i}"), Ipv4Addr::new(10, 77, 0, i as u8 + 1));
            let mut keep = vec![dir.path("")];
            keep.extend(crate::sources::keep());
            hosts.add(change(HostSpec { keep, ..spec })).expect("a host");
        }
        let exits = Mutex::new((hosts.exits().expect("exits"), Vec::new()));
        Lab { hosts, dir, exits }
    }

    /// Starts a peer as the main process of a host.
    pub fn start(&self, host: usize, part: &[&str]) {
        self.spawn(host, &[&[&own_program(), peers::ARGUMENT][..], part].concat());
    }

    pub fn spawn(&self, host: usize, argv: &[&str]) {
        self.hosts.spawn(HostId(host), self.process(host, argv)).expect("a process");
    }

    pub fn process(&self, host: usize, argv: &[&str]) -> ProcessSpec {
        let argv = argv.iter().map(|argument| (*argument).to_owned()).collect();
        let path = std::env::var("PATH").unwrap_or_default();
        let env = BTreeMap::from([("PATH".to_owned(), path), ("SELF".to_owned(), own_program())]);
        let path = |kind: &str| self.dir.path(&format!("{host}.{kind}"));
        ProcessSpec { argv, env, dir: self.dir.path(""), stdout: path("out"), stderr: path("err") }
    }

    pub fn set(&self, host: usize, skew: Skew) {
        self.hosts.set_clock(HostId(host), &skew).expect("a clock");
    }

    /// The next end of a host's main process.
    pub fn wait_exit(&self, host: usize) -> Exit {
        let mut exits = self.exits.lock().unwrap();
        let (receiver, waiting) = &mut *exits;
        loop {
            if let Some(at) = waiting.iter().position(|exit| exit.host == HostId(host) && exit.main) {
                return waiting.remove(at);
            }
            waiting.push(receiver.recv_timeout(DEADLINE).expect("an exit"));
        }
    }

    /// All ends that have been reported and not been asked for.
    pub fn other_exits(&self) -> Vec<Exit> {
        let mut exits = self.exits.lock().unwrap();
        let (receiver, waiting) = &mut *exits;
        waiting.extend(receiver.try_iter());
        std::mem::take(waiting)
    }

    /// What the programs of a host have said so far.
    pub fn said(&self, host: usize) -> String {
        fs::read_to_string(self.dir.path(&format!("{host}.out"))).unwrap_or_default()
    }

    pub fn errors(&self, host: usize) -> String {
        fs::read_to_string(self.dir.path(&format!("{host}.err"))).unwrap_or_default()
    }

    /// Readings of a host's programs, those after `since` on the monotonic clock, at least `count`.
    pub fn readings(&self, host: usize, since: i64, count: usize) -> Vec<Reading> {
        let mut readings = Vec::new();
        let deadline = Instant::now() + DEADLINE;
        while readings.len() < count {
            assert!(Instant::now() < deadline, "host {host} is silent: {}", self.errors(host));
            std::thread::sleep(Duration::from_millis(5));
            readings = parse(&self.said(host)).into_iter().filter(|r| r.monotonic_ns > since).collect();
        }
        readings
    }

    /// Waits for some new readings of a host's programs, which must be off by `expected`, a function of the machine's time.
    #[track_caller]
    pub fn expect_offset(&self, host: usize, what: &str, expected: impl Fn(i64) -> i64) {
        let readings = self.readings(host, monotonic_ns(), 8);
        let errors: Vec<i64> = readings.iter().map(|r| (r.offset() - expected(r.machine())).abs()).collect();
        let best = errors.iter().min().copied().unwrap_or(i64::MAX);
        assert!(best <= PRECISION_NS, "{what}: off by {errors:?} ns of what it should be: {readings:?}");
    }
}

/// Lines of two numbers.
fn parse(said: &str) -> Vec<Reading> {
    let line = |line: &str| {
        let (realtime, monotonic) = line.split_once(' ')?;
        Some(Reading { realtime_ns: realtime.parse().ok()?, monotonic_ns: monotonic.trim().parse().ok()? })
    };
    let whole = said.rfind('\n').map_or("", |end| &said[..end]);
    whole.lines().filter_map(line).collect()
}

/// What the machine's real-time clock shows more than its monotonic one.
pub fn difference() -> i64 {
    let sample = || {
        let before = monotonic_ns();
        let realtime = realtime_ns();
        let after = monotonic_ns();
        (after - before, realtime - (before + after) / 2)
    };
    (0..16).map(|_| sample()).min().expect("a sample").1
}

pub fn monotonic_ns() -> i64 {
    now(ClockId::CLOCK_MONOTONIC)
}

pub fn realtime_ns() -> i64 {
    now(ClockId::CLOCK_REALTIME)
}

fn now(clock: ClockId) -> i64 {
    let time = clock_gettime(clock).expect("a clock");
    time.tv_sec() * SECOND + time.tv_nsec()
}

pub fn own_program() -> String {
    std::env::current_exe().expect("the program").display().to_string()
}
