//! How fast hosts are made and how fast the wire is, on every rung that this user can stand on.
//!
//! First the figures of whole runs, with real processes: five hosts made; the round trip of 64 bytes over TCP; packets a
//! second of five hosts that all ask each other (twenty streams of 256-byte questions, each waiting for its answer). Then,
//! by criterion and without rights: a packet through the switch between local sockets, and a change of policy.
//!
//! `cargo bench -p splitbrain-nemesis --bench wire [-- figures [RUNG]…]`

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use nemesis::hosts::{HostId, HostSpec, Hosts, HostsConfig, ProcessSpec, Rung};
use nemesis::seed::Seed;
use nemesis::wire::{Link, Port, Wire};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

const PEER: &str = "__peer";
const HOSTS: usize = 5;
const PORT: u16 = 7000;
const MESH_SECONDS: u64 = 3;
const ROUND_TRIPS: usize = 20_000;
const SLOW_ROUND_TRIPS: usize = 200;

fn main() {
    nemesis::hosts::init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let parts: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match parts[..] {
        [PEER, "echo"] => return echo(),
        [PEER, "ping", address, count] => return ping(address, count.parse().expect("a number")),
        [PEER, "mesh", own] => return mesh(own.parse().expect("a number")),
        _ => {}
    }
    // `cargo test --benches` runs benches to see that they run.
    if parts.contains(&"--test") {
        return;
    }
    let named = |rung: &Rung| parts.contains(&rung.name());
    let all = !Rung::ALL.iter().any(named);
    Rung::ALL.into_iter().filter(|rung| all || named(rung)).for_each(figures);
    if !parts.contains(&"figures") {
        let mut criterion = Criterion::default().configure_from_args();
        switch(&mut criterion);
        policy(&mut criterion);
        criterion.final_summary();
    }
}

fn figures(rung: Rung) {
    match Hosts::start(HostsConfig { rung: Some(rung), seed: Seed(1), pcap: None }) {
        Err(error) => println!("{rung:12} not here: {error}"),
        Ok(_) => {
            println!("{rung:12} {HOSTS} hosts up: {}", up(rung));
            println!("{rung:12} round trip, 64 bytes: {}", round_trips(rung, Link::default()));
            let slow = Link { delay_us: 5000, ..Link::default() };
            println!("{rung:12} round trip, 5 ms each way: {}", round_trips(rung, slow));
            println!("{rung:12} {HOSTS} hosts, {} streams: {}", HOSTS * (HOSTS - 1), packets(rung));
        }
    }
}

/// From nothing, the choice of the rung included, to hosts with a process on each that has said something.
fn up(rung: Rung) -> String {
    let mut times: Vec<Duration> = (0..10)
        .map(|_| {
            let began = Instant::now();
            let lab = Lab::new(rung);
            (0..HOSTS).for_each(|host| lab.start(host, &["echo"]));
            (0..HOSTS).for_each(|host| lab.wait_said(host));
            began.elapsed()
        })
        .collect();
    times.sort();
    format!("median {:.1} ms, worst {:.1} ms", ms(times[times.len() / 2]), ms(times[times.len() - 1]))
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn round_trips(rung: Rung, link: Link) -> String {
    let lab = Lab::new(rung);
    lab.hosts.wire().set(&[(HostId(0), HostId(1), link), (HostId(1), HostId(0), link)]);
    lab.start(0, &["echo"]);
    lab.wait_said(0);
    let count = if link.delay_us == 0 { ROUND_TRIPS } else { SLOW_ROUND_TRIPS };
    lab.start(1, &["ping", &format!("n0:{PORT}"), &count.to_string()]);
    lab.wait_exit(1);
    lab.said(1)
}

fn packets(rung: Rung) -> String {
    let lab = Lab::new(rung);
    (0..HOSTS).for_each(|host| lab.start(host, &["mesh", &host.to_string()]));
    (0..HOSTS).for_each(|host| lab.wait_said(host));
    let (before, began) = (lab.hosts.wire().total(), Instant::now());
    std::thread::sleep(Duration::from_secs(MESH_SECONDS));
    let (after, took) = (lab.hosts.wire().total(), began.elapsed());
    let rate = (after.forwarded - before.forwarded) as f64 / took.as_secs_f64();
    let unwanted: u64 = (0..HOSTS).filter_map(|host| lab.hosts.unwanted_loss(HostId(host)).ok()).sum();
    let lag = lab.hosts.wire().lag();
    format!("{rate:.0} packets/s, {unwanted} lost unasked, timers late by {} µs on average", lag.mean_us)
}

/// Hosts `n0` to `n4`, and files for what they say.
struct Lab {
    hosts: Hosts,
    dir: PathBuf,
}

impl Lab {
    fn new(rung: Rung) -> Lab {
        let dir = Path::new("/tmp").join(format!("splitbrain-bench-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a directory");
        let hosts = Hosts::start(HostsConfig { rung: Some(rung), seed: Seed(1), pcap: None }).expect("hosts");
        let names: BTreeMap<String, Ipv4Addr> = (0..HOSTS).map(|i| (format!("n{i}"), address(i))).collect();
        for i in 0..HOSTS {
            let (names, keep) = (names.clone(), vec![dir.clone()]);
            hosts.add(HostSpec { names, keep, ..HostSpec::new(format!("n{i}"), address(i)) }).expect("a host");
        }
        Lab { hosts, dir }
    }

    fn start(&self, host: usize, part: &[&str]) {
        let me = std::env::current_exe().expect("the program").display().to_string();
        let argv = [me.as_str(), PEER].iter().chain(part).map(|s| (*s).to_owned()).collect();
        let out = |kind: &str| self.dir.join(format!("{host}.{kind}"));
        let (dir, stdout, stderr) = (self.dir.clone(), out("out"), out("err"));
        let process = ProcessSpec { argv, env: BTreeMap::new(), dir, stdout, stderr };
        self.hosts.spawn(HostId(host), process).expect("a process");
    }

    fn said(&self, host: usize) -> String {
        let text = std::fs::read_to_string(self.dir.join(format!("{host}.out"))).unwrap_or_default();
        text.trim().to_owned()
    }

    fn wait_said(&self, host: usize) {
        while self.said(host).is_empty() {
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    fn wait_exit(&self, host: usize) {
        while self.hosts.process_count(HostId(host)).expect("a count") > 0 {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn address(host: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, 0, host as u8 + 1)
}

fn echo() {
    let listener = TcpListener::bind(("0.0.0.0", PORT)).expect("bind");
    println!("listening");
    for stream in listener.incoming() {
        let mut stream = stream.expect("accept");
        stream.set_nodelay(true).expect("nodelay");
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = stream.read(&mut buffer) {
                if stream.write_all(&buffer[..length]).is_err() {
                    break;
                }
            }
        });
    }
}

fn ask(stream: &mut TcpStream, question: &mut [u8]) -> Duration {
    let began = Instant::now();
    stream.write_all(question).expect("write");
    stream.read_exact(question).expect("read");
    began.elapsed()
}

fn ping(address: &str, count: usize) {
    let mut stream = TcpStream::connect(address).expect("connect");
    stream.set_nodelay(true).expect("nodelay");
    let mut times: Vec<Duration> = (0..count).map(|_| ask(&mut stream, &mut [7; 64])).skip(count / 20).collect();
    times.sort();
    let at = |percent: usize| times[times.len() * percent / 100].as_secs_f64() * 1e6;
    println!("median {:.1} µs, p90 {:.1} µs, p99 {:.1} µs", at(50), at(90), at(99));
}

/// Answers everybody, and asks all others without a pause.
fn mesh(own: usize) {
    std::thread::spawn(echo);
    for peer in (0..HOSTS).filter(|peer| *peer != own) {
        std::thread::spawn(move || {
            let mut stream = loop {
                if let Ok(stream) = TcpStream::connect((address(peer), PORT)) {
                    break stream;
                }
            };
            stream.set_nodelay(true).expect("nodelay");
            loop {
                ask(&mut stream, &mut [7; 256]);
            }
        });
    }
    std::thread::sleep(Duration::from_secs(600));
}

/// One packet of 84 bytes from one local socket through the switch to another, a hundred at a time.
fn switch(criterion: &mut Criterion) {
    const BATCH: usize = 100;
    let wire = Wire::start(Seed(1), None).expect("a wire");
    let attach = |host: usize| {
        let flags = SockFlag::empty();
        let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags).expect("sockets");
        wire.attach(HostId(host), address(host), Port::Ip(ours)).expect("a port");
        theirs
    };
    let (sender, receiver) = (attach(0), attach(1));
    let mut packet = [0; 84];
    packet[0] = 0x45;
    packet[16..20].copy_from_slice(&address(1).octets());
    let mut group = criterion.benchmark_group("switch");
    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function("forward", |bencher| {
        bencher.iter(|| {
            let mut buffer = [0; 128];
            for _ in 0..BATCH / 10 {
                (0..10).for_each(|_| assert_eq!(nix::unistd::write(&sender, &packet), Ok(84)));
                (0..10).for_each(|_| assert_eq!(nix::unistd::read(&receiver, &mut buffer), Ok(84)));
            }
        });
    });
    group.finish();
}

/// A partition of five hosts into two and three.
fn policy(criterion: &mut Criterion) {
    let wire = Wire::start(Seed(1), None).expect("a wire");
    let cut = Link { cut: true, ..Link::default() };
    let pairs = (0..5).flat_map(|from| (0..5).map(move |to| (from, to)));
    let across: Vec<_> =
        pairs.filter(|(from, to)| (*from < 2) != (*to < 2)).map(|(from, to)| (HostId(from), HostId(to), cut)).collect();
    criterion.bench_function("policy/halves of five", |bencher| bencher.iter(|| wire.set(&across)));
}
