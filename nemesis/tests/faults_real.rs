//! Each fault by what it does to real processes, on every rung of the ladder that this user can stand on.
//!
//! Every node runs a talker: it sends numbered datagrams to all others, says which it sent and which it heard, and answers
//! on TCP. So a cut shows as a silence between two processes while all others go on talking, which is waited for and not
//! slept for: by the time that every uncut link has carried several numbers, a cut one has carried none.

#[path = "faults_real/bad_cases.rs"]
mod bad_cases;
#[path = "faults_real/keeping.rs"]
mod keeping;
#[path = "hosts/lab.rs"]
#[allow(dead_code)]
mod lab;
#[path = "faults_real/resources.rs"]
mod resources;
#[path = "hosts/runner.rs"]
mod runner;
#[path = "support/scratch.rs"]
mod scratch;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use lab::{DEADLINE, Lab, address, wait_until};
use nemesis::clock::ClockTier;
use nemesis::disk::{CutMode, DiskFault, DiskSpec, Effect as DiskEffect, ErrorKind as DiskError, Operation, PowerCut};
use nemesis::fault::{ClockFault, Direction, Fault, FaultName, LinkKind, Peers, Reach, Target, links};
use nemesis::hosts::{HostId, HostSpec, Hosts, ProcessSpec, Rung};
use nemesis::injector::{Condition, Effect, FaultId, Injector, Layout, Outcome};
use nemesis::schedule::{Driver, Due, Intervals, Observed, generate};
use nemesis::seed::Seed;
use nemesis::wire::Link;
use runner::Test;

const TESTS: &[Test] = &[
    ("partitions_silence_exactly_their_links", partitions_silence_exactly_their_links),
    ("clients_are_cut_off_while_the_nodes_talk", clients_are_cut_off_while_the_nodes_talk),
    ("a_killed_node_refuses_and_is_started_again", a_killed_node_refuses_and_is_started_again),
    ("a_crashed_node_is_silent_and_boots_again", a_crashed_node_is_silent_and_boots_again),
    ("a_paused_node_accepts_and_does_not_answer", a_paused_node_accepts_and_does_not_answer),
    ("every_kind_of_bad_link_hits_packets_and_heals", every_kind_of_bad_link_hits_packets_and_heals),
    ("a_slow_link_is_slow_for_a_client_and_only_for_it", a_slow_link_is_slow_for_a_client_and_only_for_it),
    ("a_link_that_resets_refuses_clients", a_link_that_resets_refuses_clients),
    ("two_faults_on_a_link_are_healed_one_by_one", two_faults_on_a_link_are_healed_one_by_one),
    ("a_stopped_node_was_asked_and_is_started_again", a_stopped_node_was_asked_and_is_started_again),
    ("a_cut_outlasts_a_crash_of_its_node", a_cut_outlasts_a_crash_of_its_node),
    ("overlapping_downs_compose", overlapping_downs_compose),
    ("killing_a_node_that_never_started_is_inert", killing_a_node_that_never_started_is_inert),
    ("a_clock_is_wrong_for_its_node_alone_and_right_again", a_clock_is_wrong_for_its_node_alone_and_right_again),
    ("a_monotonic_clock_is_wrong_and_goes_right_again", a_monotonic_clock_is_wrong_and_goes_right_again),
    ("a_disk_refuses_and_a_power_cut_loses_nothing_that_was_kept", a_disk_refuses_and_a_power_cut_loses_nothing),
    ("a_hung_disk_holds_up_no_fault_of_another_node", a_hung_disk_holds_up_no_other_node),
    ("a_whole_generated_schedule_leaves_nothing_behind", a_whole_generated_schedule_leaves_nothing_behind),
];

fn main() -> ExitCode {
    nemesis::hosts::init();
    if let Some(code) = peers::run_if_asked() {
        return code;
    }
    runner::run(&[TESTS, resources::TESTS, keeping::TESTS, bad_cases::TESTS])
}

/// The talker: this program with a hidden first argument.
mod peers {
    use super::*;

    pub const ARGUMENT: &str = "__talker";

    pub fn run_if_asked() -> Option<ExitCode> {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let [part, me, node_count] = &arguments[..] else { return None };
        if part != ARGUMENT {
            return None;
        }
        match me.as_str() {
            "keep" => keep(),
            "burn" => burn(),
            "grab" => grab(),
            "start" => start(),
            "nothing" => return Some(ExitCode::SUCCESS),
            "mortal" => mortal(),
            _ => {}
        }
        talk(me.parse().expect("a position"), node_count.parse().expect("a number"));
        Some(ExitCode::SUCCESS)
    }

    /// Says `sent 17` and `heard 2 17`, for ever.
    fn talk(me: u8, node_count: u8) {
        let listener = TcpListener::bind("0.0.0.0:7000").expect("bind");
        std::thread::spawn(move || answer(&listener));
        let socket = UdpSocket::bind("0.0.0.0:7100").expect("bind");
        let ear = socket.try_clone().expect("a second descriptor");
        std::thread::spawn(move || listen(&ear));
        // A new process goes on above the numbers of the one before it.
        let began = std::time::UNIX_EPOCH.elapsed().expect("a clock").as_millis() as u64;
        for number in began.. {
            for other in (0..node_count).filter(|other| *other != me) {
                let mut datagram = vec![me];
                datagram.extend(number.to_le_bytes());
                // Nobody may be there.
                let _ = socket.send_to(&datagram, (address(usize::from(other)), 7100));
            }
            println!("sent {number}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Says what it finds in its file, how many of these numbers are right, then `clock 1234` and `kept 17`, or `refused 5`, for ever: the time in milliseconds, a
    /// number that was written and fsynced, an error.
    fn keep() -> ! {
        let file = || OpenOptions::new().create(true).append(true).open("log");
        let found = std::fs::read("log").map_or(0, |bytes| bytes.len() / 8);
        println!("found {found}");
        let numbers = std::fs::read("log").unwrap_or_default();
        let right =
            numbers.chunks_exact(8).zip(1u64..).filter(|(bytes, number)| **bytes == number.to_le_bytes()).count();
        println!("right {right}");
        for number in found as u64 + 1.. {
            println!("clock {}", std::time::UNIX_EPOCH.elapsed().expect("a clock").as_millis());
            let kept = file().and_then(|mut file| file.write_all(&number.to_le_bytes()).and_then(|()| file.sync_all()));
            match kept {
                Ok(()) => println!("kept {number}"),
                Err(error) => println!("refused {}", error.raw_os_error().unwrap_or(0)),
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        std::process::exit(0)
    }

    /// Says how long it was away at most, in milliseconds, whenever that was longer than ever; uses all the processor that it
    /// can get.
    fn burn() -> ! {
        println!("burning 0");
        let (mut last, mut longest) = (Instant::now(), 5);
        loop {
            let now = Instant::now();
            let away = now.duration_since(last).as_millis();
            if away > longest {
                longest = away;
                println!("away {away}");
            }
            last = now;
        }
    }

    /// Wants 32 MiB and 24 descriptors again and again, and says what it got: `memory 0`, `descriptors 24`.
    fn grab() -> ! {
        loop {
            let mut memory: Vec<u8> = Vec::new();
            println!("memory {}", u8::from(memory.try_reserve_exact(32 << 20).is_ok()));
            let files: Vec<_> = (0..24).map_while(|_| std::fs::File::open("/dev/null").ok()).collect();
            println!("descriptors {}", files.len());
            drop((memory, files));
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Starts one program after the other, and says how many have ended well.
    fn start() -> ! {
        let me = std::env::current_exe().expect("the program");
        for number in 1.. {
            let done = std::process::Command::new(&me).args([ARGUMENT, "nothing", "0"]).status();
            assert!(done.expect("a program").success());
            println!("started {number}");
        }
        std::process::exit(0)
    }

    /// Ends by itself as soon as there is a file of this name.
    fn mortal() -> ! {
        println!("alive 1");
        while !std::path::Path::new("end").exists() {
            std::thread::sleep(Duration::from_millis(2));
        }
        std::process::exit(3)
    }

    fn listen(socket: &UdpSocket) {
        let mut datagram = [0; 9];
        while let Ok(length) = socket.recv(&mut datagram) {
            if let (9, [from, number @ ..]) = (length, datagram) {
                println!("heard {from} {}", u64::from_le_bytes(number));
            }
        }
    }

    fn answer(listener: &TcpListener) {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut byte = [0];
                while stream.read_exact(&mut byte).and_then(|()| stream.write_all(&byte)).is_ok() {}
            });
        }
    }
}

/// Nodes that talk, and one client.
struct Cluster {
    lab: Lab,
    node_count: usize,
}

impl Cluster {
    fn new(rung: Rung, node_count: usize) -> Cluster {
        let lab = Lab::new(rung, node_count + 1);
        let cluster = Cluster { lab, node_count };
        for node in 0..node_count {
            let talker = cluster.lab.process(node, &[&node.to_string(), &node_count.to_string()]);
            std::fs::create_dir(cluster.data(node)).expect("a directory");
            cluster.lab.hosts.spawn(HostId(node), talker).expect("a talker");
        }
        cluster.only_silent(&BTreeSet::new());
        cluster
    }

    fn injector(&self) -> Injector<&Hosts> {
        let layout = Layout {
            nodes: (0..self.node_count).map(|node| (format!("n{}", node + 1), HostId(node))).collect(),
            clients: vec![HostId(self.node_count)],
            data: (0..self.node_count).map(|node| (HostId(node), self.data(node))).collect(),
        };
        Injector::new(&self.lab.hosts, layout, Some(&self.lab.dir.path("ledger.jsonl"))).expect("a ledger")
    }

    /// Where the data of a node is, unless it has a simulated disk.
    fn data(&self, node: usize) -> PathBuf {
        self.lab.dir.path(&format!("data-{node}"))
    }

    fn install(&self, injector: &Injector<&Hosts>, fault: &Fault) -> (FaultId, Effect) {
        let id = injector.fresh_id();
        (id, injector.install(id, fault, &fault.resolve(self.node_count, Some(0))))
    }

    /// Waits until every link between nodes but these carries numbers that were sent from now on, and makes sure that
    /// these carry none.
    fn only_silent(&self, silent: &BTreeSet<(usize, usize)>) {
        let sent = |node: usize| numbers(&self.lab.said(node), "sent").values().copied().next().unwrap_or(0);
        let from: Vec<u64> = (0..self.node_count).map(sent).collect();
        let heard = |link: &(usize, usize)| {
            let last = numbers(&self.lab.said(link.1), "heard").get(&link.0).copied().unwrap_or(0);
            // Two numbers may have been on their way when the link was cut.
            last.saturating_sub(from[link.0] + 2)
        };
        let all = (0..self.node_count).flat_map(|a| (0..self.node_count).map(move |b| (a, b)));
        let loud: Vec<_> = all.filter(|link| link.0 != link.1 && !silent.contains(link)).collect();
        wait_until("talk", || {
            (0..self.node_count).all(|node| sent(node) >= from[node] + 5) && loud.iter().all(|link| heard(link) >= 3)
        });
        for link in silent {
            assert_eq!(heard(link), 0, "{link:?} is not silent");
        }
    }

    /// The last number that a node said after this word.
    fn last(&self, node: usize, word: &str) -> Option<u64> {
        numbers(&self.lab.said(node), word).get(&0).copied()
    }

    /// Whether the client can connect to a node.
    fn dial(&self, node: usize) -> Result<(), ErrorKind> {
        self.lab.dial(self.node_count, node, 7000)
    }

    /// Every link from and to these nodes.
    fn around(&self, nodes: &[usize]) -> BTreeSet<(usize, usize)> {
        let all = (0..self.node_count).flat_map(|a| (0..self.node_count).map(move |b| (a, b)));
        all.filter(|(a, b)| a != b && (nodes.contains(a) || nodes.contains(b))).collect()
    }
}

/// The last number per speaker in lines such as `heard 2 17` or `sent 17`.
fn numbers(said: &str, verb: &str) -> BTreeMap<usize, u64> {
    let mut numbers = BTreeMap::new();
    // The last line may be half written.
    let whole = said.rfind('\n').map_or("", |end| &said[..end]);
    for line in whole.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let (who, number) = match words[..] {
            [first, number] if first == verb => (0, number),
            [first, who, number] if first == verb => (who.parse().expect("a position"), number),
            _ => continue,
        };
        numbers.insert(who, number.parse().expect("a number"));
    }
    numbers
}

fn count(effect: &Effect, what: &str) -> u64 {
    count_of(&effect.took_effect, what)
}

fn count_of(took_effect: &serde_json::Value, what: &str) -> u64 {
    took_effect[what].as_u64().unwrap_or_else(|| panic!("no {what} in {took_effect}"))
}

fn node(node: usize) -> Target {
    Target::Node(node)
}

fn partitions_silence_exactly_their_links(rung: Rung) {
    let cluster = Cluster::new(rung, 5);
    let injector = cluster.injector();
    let hosts: Vec<HostId> = (0..5).map(HostId).collect();
    for fault in [
        Fault::PartitionOne { target: Target::Leader { fallback: 3 } },
        Fault::PartitionHalves { side: vec![1, 3] },
        Fault::PartitionRing { order: vec![0, 2, 4, 1, 3] },
        Fault::Bridge { bridge: 2, side: vec![0, 1] },
        Fault::OneWay { target: node(4) },
        Fault::OneWay { target: Target::Nodes(vec![0, 1, 2, 3]) },
        Fault::PartitionMatrix { links: vec![(0, 1), (2, 4), (4, 2)] },
    ] {
        let targets = fault.resolve(5, Some(0));
        let (id, installed) = cluster.install(&injector, &fault);
        assert_eq!(installed.outcome, Outcome::Installed);
        let cut: BTreeSet<_> = links(&fault, &targets, &hosts, &[]).iter().map(|(a, b)| (a.0, b.0)).collect();
        assert_eq!(count(&installed, "links_cut"), cut.len() as u64);
        cluster.only_silent(&cut);
        assert!((0..5).all(|node| cluster.dial(node).is_ok()), "clients reach every node under {fault}");
        let healed = injector.heal(id);
        assert_eq!((&healed.outcome, healed.inert), (&Outcome::Healed, false));
        assert!(count(&healed, "packets_dropped") >= 3 * cut.len() as u64, "{}", healed.to_json());
        cluster.only_silent(&BTreeSet::new());
    }
}

fn clients_are_cut_off_while_the_nodes_talk(rung: Rung) {
    let cluster = Cluster::new(rung, 3);
    let injector = cluster.injector();
    let (id, _) = cluster.install(&injector, &Fault::ClientsCut { target: Target::Leader { fallback: 1 } });
    assert_eq!(cluster.dial(0), Err(ErrorKind::TimedOut));
    assert_eq!(cluster.dial(1), Ok(()));
    cluster.only_silent(&BTreeSet::new());
    let healed = injector.heal(id);
    assert!(count(&healed, "packets_dropped") > 0 && !healed.inert);
    assert_eq!(cluster.dial(0), Ok(()));
}

fn a_killed_node_refuses_and_is_started_again(rung: Rung) {
    let cluster = Cluster::new(rung, 3);
    let injector = cluster.injector();
    let (id, installed) = cluster.install(&injector, &Fault::Kill { target: Target::Leader { fallback: 2 } });
    assert_eq!((installed.f, count(&installed, "processes_killed"), installed.inert), ("kill-leader", 1, false));
    assert_eq!(cluster.dial(0), Err(ErrorKind::ConnectionRefused));
    assert_eq!(cluster.lab.hosts.process_count(HostId(0)).expect("a count"), 0);
    let healed = injector.heal(id);
    assert_eq!((&healed.outcome, count(&healed, "processes_running")), (&Outcome::Healed, 1));
    cluster.only_silent(&BTreeSet::new());
    wait_until("answer", || cluster.dial(0).is_ok());
}

fn a_crashed_node_is_silent_and_boots_again(rung: Rung) {
    let cluster = Cluster::new(rung, 3);
    let injector = cluster.injector();
    let (id, installed) = cluster.install(&injector, &Fault::Crash { target: Target::Nodes(vec![1, 2]) });
    assert_eq!((count(&installed, "machines_gone"), count(&installed, "processes_killed")), (2, 2));
    assert_eq!(cluster.dial(1), Err(ErrorKind::TimedOut));
    assert_eq!(cluster.dial(0), Ok(()));
    let healed = injector.heal(id);
    assert_eq!((&healed.outcome, count(&healed, "processes_running")), (&Outcome::Healed, 2));
    cluster.only_silent(&BTreeSet::new());
    wait_until("answer", || cluster.dial(1).is_ok() && cluster.dial(2).is_ok());
}

fn a_paused_node_accepts_and_does_not_answer(rung: Rung) {
    let cluster = Cluster::new(rung, 2);
    let injector = cluster.injector();
    let (id, installed) = cluster.install(&injector, &Fault::Pause { target: node(1) });
    assert_eq!((count(&installed, "processes_stopped"), installed.inert), (1, false));
    let mut stream = cluster.lab.connect(2, 1, 7000, DEADLINE).expect("its kernel accepts");
    stream.write_all(b"x").expect("its kernel acknowledges");
    stream.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout");
    assert_eq!(stream.read(&mut [0]).map_err(|error| error.kind()), Err(ErrorKind::WouldBlock));
    let healed = injector.heal(id);
    assert_eq!((&healed.outcome, count(&healed, "processes_running")), (&Outcome::Healed, 1));
    stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    assert_eq!(stream.read(&mut [0]).map_err(|error| error.kind()), Ok(1));
    cluster.only_silent(&BTreeSet::new());
}

fn bad(kind: LinkKind, target: Target, peers: Peers) -> Fault {
    Fault::Link { kind, link: kind.usual(), reach: Reach { target, peers, direction: Direction::Both } }
}

fn every_kind_of_bad_link_hits_packets_and_heals(rung: Rung) {
    use LinkKind::*;
    let cluster = Cluster::new(rung, 3);
    let injector = cluster.injector();
    let wire = cluster.lab.hosts.wire();
    for kind in [Slow, Jitter, Lossy, Duplicate, Reorder, Corrupt, CorruptUnnoticed, RateLimit, Hold, Flapping] {
        let before = wire.stats(HostId(0), HostId(1));
        let (id, installed) = cluster.install(&injector, &bad(kind, node(0), Peers::Nodes));
        assert_eq!((installed.outcome, count_of(&installed.took_effect, "links_impaired")), (Outcome::Installed, 4));
        // The talkers' trickle stays below any rate: what a limit does to a flood, the tests of the wire say.
        let enough = if kind == RateLimit { 0 } else { 3 };
        wait_until("packets that are hit", || {
            let stats = wire.stats(HostId(0), HostId(1)).since(before);
            stats.sent > 10 && kind.packets(&stats) >= enough
        });
        let healed = injector.heal(id);
        assert_eq!(healed.outcome, Outcome::Healed, "{kind:?}");
        assert!(
            count(&healed, "packets_hit") >= enough && count(&healed, "links_restored") == 4,
            "{}",
            healed.to_json()
        );
        assert_eq!(healed.inert, count(&healed, "packets_hit") == 0);
        cluster.only_silent(&BTreeSet::new());
    }
}

fn a_slow_link_is_slow_for_a_client_and_only_for_it(rung: Rung) {
    let cluster = Cluster::new(rung, 2);
    let injector = cluster.injector();
    let round_trip = |node| {
        let mut stream = cluster.lab.connect(cluster.node_count, node, 7000, DEADLINE).expect("a connection");
        let began = Instant::now();
        stream.write_all(b"?").and_then(|()| stream.read_exact(&mut [0])).expect("an echo");
        began.elapsed()
    };
    let (id, _) = cluster.install(&injector, &bad(LinkKind::Slow, node(0), Peers::Clients));
    assert!(round_trip(0) >= Duration::from_millis(200), "100 ms each way");
    assert!(round_trip(1) < Duration::from_millis(100));
    cluster.only_silent(&BTreeSet::new());
    let healed = injector.heal(id);
    assert_eq!((healed.inert, count(&healed, "mean_delay_us")), (false, 100_000));
    assert!(round_trip(0) < Duration::from_millis(100));
}

fn a_link_that_resets_refuses_clients(rung: Rung) {
    let cluster = Cluster::new(rung, 2);
    let injector = cluster.injector();
    let mut stream = cluster.lab.connect(cluster.node_count, 0, 7000, DEADLINE).expect("a connection");
    stream.write_all(b"?").and_then(|()| stream.read_exact(&mut [0])).expect("an echo");
    let (id, _) = cluster.install(&injector, &bad(LinkKind::Reset, node(0), Peers::Clients));
    stream.write_all(b"?").expect("the kernel takes it");
    let broken = stream.read(&mut [0]).expect_err("a reset");
    assert_eq!(broken.kind(), ErrorKind::ConnectionReset);
    assert_eq!((cluster.dial(0), cluster.dial(1)), (Err(ErrorKind::ConnectionRefused), Ok(())));
    cluster.only_silent(&BTreeSet::new());
    assert!(count(&injector.heal(id), "packets_hit") >= 2);
    assert_eq!(cluster.dial(0), Ok(()));
}

fn two_faults_on_a_link_are_healed_one_by_one(rung: Rung) {
    let cluster = Cluster::new(rung, 2);
    let injector = cluster.injector();
    let wire = cluster.lab.hosts.wire();
    let link = || wire.link(HostId(0), HostId(1));
    let (slow, _) = cluster.install(&injector, &bad(LinkKind::Slow, Target::All, Peers::Nodes));
    let (lossy, _) = cluster.install(&injector, &bad(LinkKind::Lossy, Target::All, Peers::Nodes));
    let (cut, _) = cluster.install(&injector, &Fault::PartitionOne { target: node(0) });
    assert_eq!((link().cut, link().delay_us, link().loss_ppm), (true, 100_000, 200_000));
    injector.heal(slow);
    assert_eq!((link().cut, link().delay_us, link().loss_ppm), (true, 0, 200_000));
    cluster.only_silent(&cluster.around(&[0]));
    injector.heal(cut);
    assert_eq!((link().cut, link().loss_ppm), (false, 200_000));
    injector.heal(lossy);
    assert_eq!(link(), Link::default());
    cluster.only_silent(&BTreeSet::new());
}

fn a_stopped_node_was_asked_and_is_started_again(rung: Rung) {
    let cluster = Cluster::new(rung, 2);
    let injector = cluster.injector();
    let (id, installed) = cluster.install(&injector, &Fault::Stop { target: node(1) });
    assert_eq!((count(&installed, "processes_ended"), installed.inert), (1, false));
    let exit = cluster.lab.wait_exit(1);
    assert_eq!((exit.host, exit.signal, exit.expected), (HostId(1), Some(15), true), "it was asked, not killed");
    wait_until("silence", || cluster.dial(1) == Err(ErrorKind::ConnectionRefused));
    // A node that is down already is not killed; when the kill is healed it is still to be down.
    let (kill, second) = cluster.install(&injector, &Fault::Kill { target: node(1) });
    assert!(second.inert);
    injector.heal(kill);
    assert_eq!(injector.conditions()[1], Condition::Stopped);
    assert_eq!(cluster.lab.hosts.process_count(HostId(1)).expect("a count"), 0);
    assert_eq!(count(&injector.heal(id), "processes_running"), 1);
    cluster.only_silent(&BTreeSet::new());
}

fn a_cut_outlasts_a_crash_of_its_node(rung: Rung) {
    let cluster = Cluster::new(rung, 3);
    let injector = cluster.injector();
    let (cut, _) = cluster.install(&injector, &Fault::PartitionOne { target: node(0) });
    let (crashed, _) = cluster.install(&injector, &Fault::Crash { target: node(0) });
    injector.heal(crashed);
    wait_until("answer", || cluster.dial(0).is_ok());
    cluster.only_silent(&cluster.around(&[0]));
    injector.heal(cut);
    cluster.only_silent(&BTreeSet::new());
}

fn overlapping_downs_compose(rung: Rung) {
    let cluster = Cluster::new(rung, 2);
    let injector = cluster.injector();
    let (crashed, _) = cluster.install(&injector, &Fault::Crash { target: node(0) });
    let (killed, kill) = cluster.install(&injector, &Fault::Kill { target: node(0) });
    let (paused, pause) = cluster.install(&injector, &Fault::Pause { target: node(0) });
    assert!(kill.inert && pause.inert, "nothing was left to hit");
    assert_eq!(cluster.dial(0), Err(ErrorKind::TimedOut));
    injector.heal(crashed);
    assert_eq!((cluster.dial(0), injector.conditions()[0]), (Err(ErrorKind::ConnectionRefused), Condition::Killed));
    let healed = injector.heal(killed);
    assert_eq!((count(&healed, "processes_stopped"), injector.conditions()[0]), (1, Condition::Paused));
    assert!(!injector.heal(paused).inert, "it kept the new process from talking");
    cluster.only_silent(&BTreeSet::new());
    assert_eq!(injector.heal_all(), vec![]);
}

fn killing_a_node_that_never_started_is_inert(rung: Rung) {
    let cluster = Cluster::new(rung, 2);
    cluster.lab.hosts.kill(HostId(1)).expect("it ends without the nemesis");
    let injector = cluster.injector();
    let (id, installed) = cluster.install(&injector, &Fault::Kill { target: node(1) });
    assert!(installed.inert && installed.outcome == Outcome::Installed);
    assert!(injector.heal(id).inert);
    cluster.only_silent(&BTreeSet::new());
}

/// Two nodes with clocks and disks of their own that keep numbers, where this rung can make such.
fn equipped(rung: Rung) -> Cluster {
    let lab = Lab::equipped(rung, 3, 1, lab::Scratch::new(), |dir, spec| {
        let path = dir.path(&format!("disk-{}", spec.name));
        std::fs::create_dir(&path).expect("a directory");
        HostSpec { clock: Some(ClockTier::Vdso), disk: Some(DiskSpec::new(path)), ..spec }
    });
    let lab = lab.unwrap_or_else(|lacking| runner::skip(lacking.to_string()));
    for (node, name) in ["a", "b"].into_iter().enumerate() {
        let keeper =
            ProcessSpec { dir: lab.dir.path(&format!("disk-{name}")), ..lab.process(node, &["keep", "numbers"]) };
        lab.hosts.spawn(HostId(node), keeper).expect("a keeper");
    }
    let cluster = Cluster { lab, node_count: 2 };
    wait_until("numbers", || (0..2).all(|node| cluster.last(node, "kept").is_some()));
    cluster
}

fn a_clock_is_wrong_for_its_node_alone_and_right_again(rung: Rung) {
    let cluster = equipped(rung);
    let injector = cluster.injector();
    // Minutes that a clock is ahead of this program's.
    let ahead = |node| {
        let said = cluster.last(node, "clock").map_or(0, |ms| ms as i64);
        (said - std::time::UNIX_EPOCH.elapsed().expect("a clock").as_millis() as i64) / 60_000
    };
    let jump = Fault::Clock { target: node(0), change: ClockFault::Jump { by_ms: 3_600_000 } };
    let (id, installed) = cluster.install(&injector, &jump);
    assert_eq!((&installed.outcome, installed.inert), (&Outcome::Installed, false), "{}", installed.to_json());
    wait_until("an hour", || (59..=60).contains(&ahead(0)));
    assert_eq!(ahead(1), 0);
    let (kill, _) = cluster.install(&injector, &Fault::Kill { target: node(0) });
    injector.heal(kill);
    let (crash, _) = cluster.install(&injector, &Fault::Crash { target: node(0) });
    injector.heal(crash);
    let before = cluster.lab.said(0).len();
    wait_until("an hour after a reboot", || {
        cluster.lab.said(0)[before..].contains("clock") && (59..=60).contains(&ahead(0))
    });
    assert!(!injector.heal(id).inert);
    wait_until("the right time", || ahead(0) == 0);
}

fn a_monotonic_clock_is_wrong_and_goes_right_again(rung: Rung) {
    if !ClockTier::Trap.is_possible() {
        runner::skip("waits are translated on x86-64 only");
    }
    let lab =
        Lab::equipped(rung, 2, 1, lab::Scratch::new(), |_, spec| HostSpec { clock: Some(ClockTier::Trap), ..spec });
    let lab = lab.unwrap_or_else(|lacking| runner::skip(lacking.to_string()));
    lab.hosts.spawn(HostId(0), lab.process(0, &["start", "0"])).expect("a process");
    let cluster = Cluster { lab, node_count: 1 };
    let injector = cluster.injector();
    let number = |effect: &nemesis::injector::Effect, when: &str, field: &str| {
        effect.took_effect[when]["n1"][field].as_f64().unwrap_or(f64::NAN)
    };
    let clock = |change| Fault::Clock { target: node(0), change };
    let (jump, installed) = cluster.install(&injector, &clock(ClockFault::MonotonicJump { by_ms: 60_000 }));
    assert_eq!((&installed.outcome, installed.inert), (&Outcome::Installed, false), "{}", installed.to_json());
    assert!((60_000.0..60_100.0).contains(&number(&installed, "nodes", "monotonic_offset_ms")));
    let (drift, installed) = cluster.install(&injector, &clock(ClockFault::MonotonicDrift { ppm: 1_000_000 }));
    assert!((2.0..20.0).contains(&number(&installed, "nodes", "timer_of_5_ms_took_ms")), "{}", installed.to_json());
    let healed = injector.heal(jump);
    assert!(!healed.inert && number(&healed, "nodes_healed", "monotonic_offset_ms") > 60_000.0, "it never goes back");
    let healed = injector.heal(drift);
    let took = number(&healed, "nodes_healed", "timer_of_5_ms_took_ms");
    assert!(!healed.inert && (4.9..40.0).contains(&took), "{}", healed.to_json());
    let (freeze, installed) = cluster.install(&injector, &clock(ClockFault::MonotonicFreeze));
    assert!(!installed.inert && number(&installed, "nodes", "timer_of_5_ms_took_ms").is_nan());
    assert_eq!(injector.heal(freeze).outcome, Outcome::Healed);
    let healed = cluster.lab.hosts.read_clock(HostId(0)).expect("a reading");
    assert!(healed.is_effective(), "{healed:?}");
}

fn a_disk_refuses_and_a_power_cut_loses_nothing(rung: Rung) {
    let cluster = equipped(rung);
    let injector = cluster.injector();
    let error = DiskFault::new(DiskEffect::Error(DiskError::Eio)).on(&[Operation::Fsync]);
    let (id, installed) = cluster.install(&injector, &Fault::Disk { target: node(0), misbehaves: error });
    assert_eq!((&installed.outcome, count(&installed, "disks")), (&Outcome::Installed, 1));
    wait_until("a refusal", || cluster.last(0, "refused") == Some(5));
    assert!(cluster.last(1, "refused").is_none());
    let healed = injector.heal(id);
    assert!(count(&healed, "operations_hit") > 0 && !healed.inert);
    let since = cluster.last(0, "kept").unwrap_or(0);
    wait_until("more", || cluster.last(0, "kept") > Some(since));
    let cut = PowerCut { mode: CutMode::Torn, seed: 5 };
    let (id, installed) = cluster.install(&injector, &Fault::PowerCut { target: Target::Nodes(vec![0, 1]), cut });
    assert_eq!((count(&installed, "machines_gone"), count(&installed, "processes_killed")), (2, 2));
    let kept: Vec<_> = (0..2).map(|node| cluster.last(node, "kept")).collect();
    let before: Vec<_> = (0..2).map(|node| cluster.lab.said(node).len()).collect();
    injector.heal(id);
    let found = |node: usize| numbers(&cluster.lab.said(node)[before[node]..], "found").get(&0).copied();
    wait_until("what is found", || (0..2).all(|node| found(node).is_some()));
    for (node, kept) in kept.into_iter().enumerate() {
        assert!(found(node) >= kept, "n{}: {kept:?} was kept", node + 1);
    }
}

/// How long a hung disk takes to let go of whom is the kernel's affair: here it is only seen that nobody else waits for it.
fn a_hung_disk_holds_up_no_other_node(rung: Rung) {
    let cluster = equipped(rung);
    let injector = cluster.injector();
    let at_once = |begun: Instant| assert!(begun.elapsed() < Duration::from_millis(100), "{:?}", begun.elapsed());
    let hang = DiskFault::new(DiskEffect::Hang).on(&[Operation::Fsync]);
    let (hung, _) = cluster.install(&injector, &Fault::Disk { target: node(0), misbehaves: hang });
    let hits = || cluster.lab.hosts.disk(HostId(0)).expect("a disk").stats().injected[0];
    wait_until("somebody who hangs", || hits() > 0);
    std::thread::scope(|scope| {
        let begun = Instant::now();
        let pause = injector.begin_install(injector.fresh_id(), &Fault::Pause { target: node(0) }, &[0]);
        let kill = injector.begin_install(injector.fresh_id(), &Fault::Kill { target: Target::All }, &[0, 1]);
        at_once(begun);
        let paused = scope.spawn(|| injector.carry_out(pause, |effect| effect));
        let killed = scope.spawn(|| injector.carry_out(kill, |effect| effect));
        let begun = Instant::now();
        let (_, cut) = cluster.install(&injector, &Fault::PartitionOne { target: node(1) });
        at_once(begun);
        assert_eq!((count(&cut, "links_cut"), cut.outcome), (2, Outcome::Installed));
        wait_until("death of the other", || cluster.lab.hosts.process_count(HostId(1)).expect("a count") == 0);
        assert!(!injector.heal(hung).inert);
        let (paused, killed) = (paused.join().expect("an effect"), killed.join().expect("an effect"));
        assert_eq!((count(&paused, "processes_stopped"), count(&killed, "processes_killed")), (1, 2));
    });
    assert!(injector.heal_all().iter().all(|(_, healed)| healed.outcome == Outcome::Healed));
    let kept: Vec<_> = (0..2).map(|node| cluster.last(node, "kept")).collect();
    wait_until("more", || (0..2).all(|node| cluster.last(node, "kept") > kept[node]));
}

/// Runs in no time: the driver is told that the next moment has come as soon as there is nothing to do.
fn a_whole_generated_schedule_leaves_nothing_behind(rung: Rung) {
    let cluster = Cluster::new(rung, 3);
    let injector = cluster.injector();
    let faults: Vec<_> = FaultName::ALL.into_iter().filter(|fault| fault.needs().is_none()).collect();
    let schedule = generate(Seed(7), &faults, 3, 60_000, &Intervals::default());
    let mut driver = Driver::new(&schedule).expect("no patterns");
    let mut effects = Vec::new();
    while let Some(now_ms) = driver.next_ms() {
        for due in driver.poll(&Observed { now_ms, ..Observed::default() }) {
            effects.push(match due {
                Due::Inject { id, fault, .. } => injector.install(id, &fault, &fault.resolve(3, Some(1))),
                Due::Heal { id, .. } => injector.heal(id),
            });
        }
    }
    for effect in &effects {
        assert!(matches!(effect.outcome, Outcome::Installed | Outcome::Healed), "{}", effect.to_json());
    }
    let times = schedule.steps.iter().map(|step| step.repeat.and_then(|repeat| repeat.times).unwrap_or(1) as usize);
    assert_eq!(effects.len(), 2 * times.sum::<usize>());
    assert!(driver.is_finished() && injector.installed().is_empty());
    cluster.only_silent(&BTreeSet::new());
    wait_until("answers", || (0..3).all(|node| cluster.dial(node).is_ok()));
}
