//! What the wire does to the traffic of real hosts.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Write};
use std::time::Instant;

use nemesis::hosts::{HostId, Rung};
use nemesis::wire::{Link, LinkStats};

use crate::lab::{DEADLINE, Lab, Scratch, wait_until};
use crate::runner::Test;

pub const TESTS: &[Test] = &[
    ("equal_seeds_lose_the_same_packets", equal_seeds_lose_the_same_packets),
    ("a_delayed_link_is_late_by_its_delay", a_delayed_link_is_late_by_its_delay),
    ("duplicates_arrive_twice_and_corrupt_packets_not_at_all", duplicates_and_corruption),
    ("with_repaired_checksums_corrupt_packets_reach_the_application", repaired_checksums),
    ("a_link_that_resets_ends_connections_at_both_ends", resets),
    ("held_packets_arrive_in_order_when_let_go", held_packets_arrive_in_order_when_let_go),
    ("a_rate_limits_and_then_loses", a_rate_limits_and_then_loses),
    ("the_capture_tells_what_arrived_from_what_did_not", the_capture_tells_what_arrived_from_what_did_not),
    ("an_idle_network_is_silent", an_idle_network_is_silent),
];

const PACKETS: usize = 2000;

/// Which of the packets from 1 to 0 arrive.
fn survivors(rung: Rung, seed: u64, link: Link) -> (Vec<u64>, LinkStats) {
    let lab = Lab::seeded(rung, 2, seed);
    let sent = send(&lab, link, PACKETS);
    assert_eq!(lab.hosts.unwanted_loss(HostId(1)).unwrap(), 0);
    sent
}

/// Sends numbered packets from 1 to 0 over this link, and a last one over an open link when nothing is under way any
/// more. Returns what arrived and what the wire counted, both without the last.
fn send(lab: &Lab, link: Link, count: usize) -> (Vec<u64>, LinkStats) {
    let (from, to, wire) = (HostId(1), HostId(0), lab.hosts.wire());
    wire.set(&[(from, to, link)]);
    lab.start(0, &["udp-sink", "0.0.0.0:7000"]);
    lab.wait_said(0, "listening");
    lab.run(1, &["udp-send", "a:7000", &count.to_string()]);
    let settled = |s: LinkStats| {
        let gone = s.cut + s.rejected + s.lost + s.limited + s.down + s.overflowed;
        s.sent == count as u64 && s.sent + s.duplicated == s.forwarded + gone
    };
    wait_until("end of the packets", || settled(wire.stats(from, to)));
    let stats = wire.stats(from, to);
    wire.set(&[(from, to, Link::default())]);
    lab.run(1, &["udp-end", "a:7000"]);
    lab.wait_exit(0);
    (lab.said(0).lines().filter_map(|line| line.parse().ok()).collect(), stats)
}

fn equal_seeds_lose_the_same_packets(rung: Rung) {
    let link = Link { loss_ppm: 300_000, ..Link::default() };
    let (first, stats) = survivors(rung, 7, link);
    assert_eq!(stats.sent, PACKETS as u64);
    assert_eq!(stats.forwarded + stats.lost, stats.sent);
    assert_eq!(first.len() as u64, stats.forwarded);
    assert!((1300..1500).contains(&first.len()), "{}", first.len());
    assert_eq!(survivors(rung, 7, link).0, first);
    assert_ne!(survivors(rung, 8, link).0, first);
    // Other settings do not shift the draws.
    let jittery = Link { jitter_us: 300, ..link };
    let again: BTreeSet<u64> = survivors(rung, 7, jittery).0.into_iter().collect();
    assert_eq!(again, first.into_iter().collect());
}

fn a_delayed_link_is_late_by_its_delay(rung: Rung) {
    let lab = Lab::new(rung, 2);
    lab.start(0, &["echo", "0.0.0.0:7000"]);
    lab.wait_said(0, "listening");
    for ms in [1, 20] {
        let link = Link { delay_us: ms * 1000, ..Link::default() };
        lab.hosts.wire().set(&[(HostId(0), HostId(1), link), (HostId(1), HostId(0), link)]);
        let mut times: Vec<u64> =
            lab.run(1, &["ping", "a:7000", "31"]).lines().map(|line| line.parse().unwrap()).collect();
        times.sort_unstable();
        let (least, median) = (times[0], times[times.len() / 2]);
        assert!(least >= 2 * ms * 1000, "{least} µs for {ms} ms");
        assert!(median < 2 * ms * 1000 + 2000, "{median} µs for {ms} ms");
    }
}

fn duplicates_and_corruption(rung: Rung) {
    let (twice, stats) = survivors(rung, 1, Link { duplicate_ppm: 1_000_000, ..Link::default() });
    assert_eq!((twice.len(), stats.duplicated), (2 * PACKETS, PACKETS as u64));
    let (whole, stats) = survivors(rung, 1, Link { corrupt_ppm: 900_000, ..Link::default() });
    assert!((1700..1900).contains(&stats.corrupted), "{stats:?}");
    // The one flip that a checksum does not notice is the one that makes it zero, which stands for none.
    let noticed = PACKETS - whole.len();
    assert!(noticed as u64 <= stats.corrupted && noticed as u64 + 10 > stats.corrupted, "{noticed} of {stats:?}");
}

fn repaired_checksums(rung: Rung) {
    let link = Link { corrupt_ppm: 500_000, repair_checksums: true, ..Link::default() };
    let (arrived, stats) = survivors(rung, 1, link);
    assert_eq!(stats.forwarded, PACKETS as u64);
    assert!((900..1100).contains(&stats.corrupted), "{stats:?}");
    let changed = arrived.iter().zip(0..).filter(|(number, sent)| *number != sent).count();
    assert_eq!((arrived.len(), changed as u64), (PACKETS, stats.corrupted), "every packet, the corrupt ones changed");
}

fn resets(rung: Rung) {
    let lab = Lab::new(rung, 2);
    lab.start(0, &["echo", "0.0.0.0:7000"]);
    lab.wait_said(0, "listening");
    let mut stream = lab.connect(1, 0, 7000, DEADLINE).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    // Until the echo the server may not have heard of the connection.
    stream.write_all(b".").unwrap();
    stream.read_exact(&mut [0]).unwrap();
    let (from, to, wire) = (HostId(1), HostId(0), lab.hosts.wire());
    let reset = Link { reset: true, ..Link::default() };
    wire.set(&[(from, to, reset), (to, from, reset)]);
    stream.write_all(b"?").unwrap();
    let broken = stream.read(&mut [0]).unwrap_err();
    assert_eq!(broken.kind(), ErrorKind::ConnectionReset);
    let refused = lab.connect(1, 0, 7000, DEADLINE).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    assert!(wire.stats(from, to).rejected >= 2, "{:?}", wire.stats(from, to));
    // The other end was told too: an echo server that still waited for the first client would hear from it no more.
    wait_until("the end of the other end", || lab.said(0).contains("ended: ConnectionReset"));
    wire.set(&[(from, to, Link::default()), (to, from, Link::default())]);
    let mut stream = lab.connect(1, 0, 7000, DEADLINE).unwrap();
    stream.write_all(b"!").unwrap();
    let mut echoed = [0];
    stream.read_exact(&mut echoed).unwrap();
    assert_eq!(&echoed, b"!");
}

fn held_packets_arrive_in_order_when_let_go(rung: Rung) {
    let lab = Lab::new(rung, 2);
    lab.start(0, &["echo", "0.0.0.0:7000"]);
    lab.wait_said(0, "listening");
    let mut stream = lab.connect(1, 0, 7000, DEADLINE).unwrap();
    let (from, to) = (HostId(1), HostId(0));
    let wire = lab.hosts.wire();
    wire.set(&[(from, to, Link { hold: true, ..Link::default() })]);
    for byte in 0..100 {
        stream.write_all(&[byte]).unwrap();
    }
    wait_until("held packets", || wire.stats(from, to).held > 1);
    let forwarded = wire.stats(from, to).forwarded;
    wire.set(&[(from, to, Link::default())]);
    let mut echoed = [0; 100];
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.read_exact(&mut echoed).unwrap();
    assert!(echoed.iter().enumerate().all(|(i, byte)| i == usize::from(*byte)));
    assert!(wire.stats(from, to).forwarded > forwarded);
}

fn a_rate_limits_and_then_loses(rung: Rung) {
    let lab = Lab::new(rung, 2);
    // 36 bytes a packet: 1000 packets take 360 ms, of which the queue holds 100.
    let began = Instant::now();
    let (arrived, stats) = send(&lab, Link { rate_bytes: 100_000, ..Link::default() }, 1000);
    assert!(stats.limited > 0 && stats.forwarded == arrived.len() as u64, "{stats:?}");
    let least = std::time::Duration::from_secs_f64(arrived.len() as f64 * 36.0 / 100_000.0);
    assert!(began.elapsed() >= least, "{:?} < {least:?}", began.elapsed());
}

fn the_capture_tells_what_arrived_from_what_did_not(rung: Rung) {
    let lab = Lab::new(rung, 2);
    let (survivors, stats) = send(&lab, Link { loss_ppm: 500_000, ..Link::default() }, 100);
    let Lab { hosts, dir, .. } = lab;
    drop(hosts);
    assert_eq!(captured(&dir, "wire.pcap"), stats.forwarded + 1);
    assert_eq!(captured(&dir, "wire.dropped.pcap"), stats.lost);
    assert_eq!(survivors.len() as u64, stats.forwarded);
}

/// How many raw IPv4 packets a capture holds.
fn captured(dir: &Scratch, name: &str) -> u64 {
    let file = std::fs::read(dir.path(name)).unwrap();
    let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
    assert_eq!((word(0), word(20)), (0xa1b2_3c4d, 101));
    let (mut at, mut count) = (24, 0);
    while at < file.len() {
        let length = word(at + 8) as usize;
        assert_eq!(usize::from(u16::from_be_bytes([file[at + 18], file[at + 19]])), length);
        assert_eq!(file[at + 16] >> 4, 4);
        at += 16 + length;
        count += 1;
    }
    assert_eq!(at, file.len());
    count
}

fn an_idle_network_is_silent(rung: Rung) {
    let lab = Lab::new(rung, 3);
    // Neighbour discovery and its like would come within the first second.
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(lab.hosts.wire().total(), LinkStats::default());
    assert_eq!(lab.hosts.wire().stray(), Default::default());
}
