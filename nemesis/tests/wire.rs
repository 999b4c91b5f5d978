//! The wire without hosts: ports are local sockets, packets are made by hand. Needs no rights.

use std::net::Ipv4Addr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use nemesis::hosts::HostId;
use nemesis::seed::Seed;
use nemesis::wire::{Link, LinkStats, Port, Shape, Stray, Wire};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::unistd::{read, write};
use proptest::prelude::*;

const DEADLINE: Duration = Duration::from_secs(10);
const CUT: Link = Link { cut: true, ..OPEN };
const OPEN: Link = Link {
    cut: false,
    flap_down_us: 0,
    flap_up_us: 0,
    reset: false,
    hold: false,
    delay_us: 0,
    jitter_us: 0,
    shape: Shape::Uniform,
    jitter_correlation_ppm: 0,
    in_order: false,
    loss_ppm: 0,
    loss_correlation_ppm: 0,
    duplicate_ppm: 0,
    reorder_ppm: 0,
    reorder_us: 0,
    corrupt_ppm: 0,
    repair_checksums: false,
    rate_bytes: 0,
    burst_bytes: 0,
};

/// A wire with hosts on it, and the hosts' ends of their ports.
struct Net {
    wire: Wire,
    ends: Vec<OwnedFd>,
}

impl Net {
    fn new(seed: u64, count: usize) -> Net {
        let wire = Wire::start(Seed(seed), None).unwrap();
        let mut net = Net { wire, ends: Vec::new() };
        for host in 0..count {
            let end = net.attach(host);
            net.ends.push(end);
        }
        net
    }

    fn attach(&self, host: usize) -> OwnedFd {
        let (ours, theirs) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_NONBLOCK).unwrap();
        self.wire.attach(HostId(host), address(host), Port::Ip(ours)).unwrap();
        theirs
    }

    /// Sends one packet whose payload is `number`, waiting for room.
    fn send(&self, from: usize, to: usize, number: u64) {
        let packet = packet(from, address(to), number);
        loop {
            match write(&self.ends[from], &packet) {
                Ok(_) => return,
                Err(Errno::EAGAIN) => std::thread::yield_now(),
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// The next packet's payload.
    fn next(&self, host: usize) -> Option<u64> {
        let mut packet = [0; 64];
        match read(&self.ends[host], &mut packet) {
            Ok(length) => Some(u64::from_be_bytes(packet[length - 8..length].try_into().unwrap())),
            Err(Errno::EAGAIN) => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// Waits for `count` packets.
    fn receive(&self, host: usize, count: usize) -> Vec<u64> {
        let deadline = Instant::now() + DEADLINE;
        let mut numbers = Vec::new();
        while numbers.len() < count {
            match self.next(host) {
                Some(number) => numbers.push(number),
                None => {
                    poll(&mut [PollFd::new(self.ends[host].as_fd(), PollFlags::POLLIN)], PollTimeout::from(50u8))
                        .expect("poll");
                }
            }
            assert!(Instant::now() < deadline, "{} of {count} packets", numbers.len());
        }
        numbers
    }

    /// Waits until the wire has read `count` packets of a link.
    fn wait_sent(&self, from: usize, to: usize, count: u64) -> LinkStats {
        self.wait(from, to, |stats| stats.sent >= count)
    }

    /// Waits until the wire has done with `count` packets of a link.
    fn wait_settled(&self, from: usize, to: usize, count: u64) -> LinkStats {
        self.wait(from, to, |stats| stats.sent >= count && settled(stats))
    }

    fn wait(&self, from: usize, to: usize, done: impl Fn(&LinkStats) -> bool) -> LinkStats {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let stats = self.wire.stats(HostId(from), HostId(to));
            if done(&stats) {
                return stats;
            }
            assert!(Instant::now() < deadline, "{stats:?}");
            std::thread::yield_now();
        }
    }

    fn set(&self, from: usize, to: usize, link: Link) -> u64 {
        self.wire.set(&[(HostId(from), HostId(to), link)])
    }
}

/// Whether nothing is under way.
fn settled(stats: &LinkStats) -> bool {
    let gone = stats.cut + stats.rejected + stats.lost + stats.limited + stats.down + stats.overflowed;
    stats.sent + stats.duplicated == stats.forwarded + gone
}

fn address(host: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, 0, host as u8 + 1)
}

fn packet(from: usize, to: Ipv4Addr, number: u64) -> Vec<u8> {
    let mut packet = vec![0; 28];
    packet[0] = 0x45;
    packet[12..16].copy_from_slice(&address(from).octets());
    packet[16..20].copy_from_slice(&to.octets());
    packet[20..].copy_from_slice(&number.to_be_bytes());
    packet
}

#[test]
fn a_packet_goes_where_its_address_says_and_nowhere_else() {
    let net = Net::new(1, 3);
    net.send(0, 2, 7);
    assert_eq!(net.receive(2, 1), [7]);
    net.wait(0, 2, |stats| stats.bytes > 0);
    assert_eq!(net.next(1), None);
    let stats = LinkStats { sent: 1, forwarded: 1, bytes: 28, ..LinkStats::default() };
    assert_eq!(net.wire.total(), stats);
    assert_eq!(net.wire.stats(HostId(2), HostId(0)), LinkStats::default());
    assert_eq!(net.wire.stats(HostId(99_999), HostId(0)), LinkStats::default());
}

#[test]
fn what_belongs_to_no_link_is_counted() {
    let net = Net::new(1, 2);
    for stray in [packet(0, Ipv4Addr::BROADCAST, 1), packet(0, address(9), 1), vec![0x60; 48], vec![0x45]] {
        write(&net.ends[0], &stray).unwrap();
    }
    net.send(0, 1, 5);
    assert_eq!(net.receive(1, 1), [5]);
    assert_eq!(net.wire.stray(), Stray { unknown: 2, foreign: 2 });
}

#[test]
fn after_set_has_returned_the_new_policy_judges_every_packet() {
    let net = Net::new(1, 2);
    for round in 0..200 {
        net.set(0, 1, CUT);
        net.send(0, 1, round);
        net.wait_sent(0, 1, 2 * round + 1);
        net.set(0, 1, OPEN);
        net.send(0, 1, round);
        assert_eq!(net.receive(1, 1), [round]);
    }
    assert_eq!(net.next(1), None);
    assert_eq!(net.wire.generation(), 400);
    assert_eq!(net.wire.stats(HostId(0), HostId(1)).cut, 200);
}

#[test]
fn what_is_under_way_when_the_link_is_cut_never_arrives() {
    let net = Net::new(1, 2);
    net.set(0, 1, Link { delay_us: 300_000, ..OPEN });
    net.send(0, 1, 1);
    net.wait_sent(0, 1, 1);
    net.set(0, 1, CUT);
    net.set(0, 1, OPEN);
    net.send(0, 1, 2);
    assert_eq!(net.receive(1, 1), [2]);
    let stats = net.wait(0, 1, |stats| stats.cut == 1);
    assert_eq!((stats.sent, stats.forwarded), (2, 1));
    assert_eq!(net.next(1), None);
}

#[test]
fn held_packets_wait_for_the_release_and_a_cut_discards_them() {
    let net = Net::new(1, 2);
    let held = Link { hold: true, ..OPEN };
    net.set(0, 1, held);
    (0..10).for_each(|number| net.send(0, 1, number));
    net.wait_sent(0, 1, 10);
    assert_eq!(net.next(1), None);
    net.set(0, 1, OPEN);
    assert_eq!(net.receive(1, 10), (0..10).collect::<Vec<_>>());

    net.set(0, 1, held);
    net.send(0, 1, 1);
    net.wait_sent(0, 1, 11);
    net.set(0, 1, Link { hold: true, ..CUT });
    net.set(0, 1, OPEN);
    assert_eq!(net.wait(0, 1, |stats| stats.cut == 1).forwarded, 10);
}

#[test]
fn a_delayed_packet_that_comes_due_on_a_held_link_is_held() {
    let net = Net::new(1, 3);
    let slow = Link { delay_us: 300_000, ..OPEN };
    net.wire.set(&[(HostId(0), HostId(1), slow), (HostId(0), HostId(2), slow)]);
    net.send(0, 1, 1);
    net.wait_sent(0, 1, 1);
    net.send(0, 2, 2);
    net.set(0, 1, Link { hold: true, ..OPEN });
    // It was sent later and is just as slow: when it is here, the other one is due.
    assert_eq!(net.receive(2, 1), [2]);
    assert_eq!(net.next(1), None);
    net.set(0, 1, OPEN);
    assert_eq!(net.receive(1, 1), [1]);
}

#[test]
fn a_host_that_is_down_receives_nothing_and_keeps_its_address() {
    let mut net = Net::new(1, 2);
    assert!(net.wire.detach(HostId(1)).unwrap().is_some());
    assert!(net.wire.detach(HostId(1)).unwrap().is_none());
    net.send(0, 1, 1);
    assert_eq!(net.wait_settled(0, 1, 1).down, 1);
    net.ends[1] = net.attach(1);
    net.send(0, 1, 2);
    assert_eq!(net.receive(1, 1), [2]);
    assert_eq!(net.wire.stray(), Stray::default());
}

#[test]
fn a_broken_port_is_a_host_that_is_down() {
    let mut net = Net::new(1, 2);
    net.ends.pop();
    net.send(0, 1, 1);
    let stats = net.wait_settled(0, 1, 1);
    assert_eq!((stats.forwarded, stats.down + stats.overflowed), (0, 1));
}

#[test]
fn a_receiver_that_is_full_is_loss_that_nobody_asked_for() {
    let net = Net::new(1, 2);
    (0..2000).for_each(|number| net.send(0, 1, number));
    let stats = net.wait_settled(0, 1, 2000);
    assert!(stats.overflowed > 0, "{stats:?}");
    assert_eq!(stats.forwarded + stats.overflowed, 2000);
}

#[test]
fn jitter_lets_packets_overtake_and_delay_alone_does_not() {
    let net = Net::new(1, 2);
    let sorted = |numbers: &[u64]| numbers.is_sorted();
    net.set(0, 1, Link { delay_us: 1000, ..OPEN });
    (0..100).for_each(|number| net.send(0, 1, number));
    assert!(sorted(&net.receive(1, 100)));
    net.set(0, 1, Link { jitter_us: 5000, ..OPEN });
    (0..100).for_each(|number| net.send(0, 1, number));
    assert!(!sorted(&net.receive(1, 100)));
}

#[test]
fn a_rate_spaces_packets_out() {
    let net = Net::new(1, 2);
    // 28 bytes at 28 000 bytes a second: one a millisecond.
    net.set(0, 1, Link { rate_bytes: 28_000, ..OPEN });
    let began = Instant::now();
    (0..50).for_each(|number| net.send(0, 1, number));
    net.receive(1, 50);
    assert!(began.elapsed() >= Duration::from_millis(49), "{:?}", began.elapsed());
    assert_eq!(net.wire.stats(HostId(0), HostId(1)).lost, 0);
}

#[test]
fn a_bucket_lets_its_fill_pass_at_once() {
    let net = Net::new(1, 2);
    // Twenty packets fit into the bucket; one a second is the rate.
    let size = packet(0, address(1), 0).len() as u64;
    net.set(0, 1, Link { rate_bytes: size, burst_bytes: 20 * size, ..OPEN });
    (0..40).for_each(|number| net.send(0, 1, number));
    let stats = net.wait(0, 1, |stats| stats.sent == 40 && stats.forwarded >= 20);
    assert_eq!(
        (stats.forwarded, stats.limited),
        (20, 19),
        "one waits in the queue of 100 ms, and the rest finds it full"
    );
}

#[test]
fn jitter_in_order_delays_and_keeps_the_order() {
    let net = Net::new(1, 2);
    net.set(0, 1, Link { jitter_us: 20_000, shape: Shape::Pareto, in_order: true, ..OPEN });
    (0..200).for_each(|number| net.send(0, 1, number));
    assert_eq!(net.receive(1, 200), (0..200).collect::<Vec<_>>());
    let stats = net.wait_settled(0, 1, 200);
    assert!(stats.delayed > 190 && stats.delay_us > 200 * 5_000, "{stats:?}");
}

#[test]
fn reordered_packets_are_overtaken_by_the_others() {
    let net = Net::new(1, 2);
    net.set(0, 1, Link { reorder_ppm: 250_000, reorder_us: 30_000, ..OPEN });
    (0..200).for_each(|number| net.send(0, 1, number));
    let arrived = net.receive(1, 200);
    let stats = net.wait_settled(0, 1, 200);
    let prompt = &arrived[..200 - stats.reordered as usize];
    assert!((25..75).contains(&stats.reordered), "{stats:?}");
    assert!(prompt.is_sorted() && !arrived.is_sorted(), "{arrived:?}");
}

#[test]
fn a_flapping_link_is_cut_and_comes_back() {
    let net = Net::new(1, 2);
    net.set(0, 1, Link { flap_down_us: 20_000, flap_up_us: 20_000, ..OPEN });
    let deadline = Instant::now() + DEADLINE;
    let mut number = 0;
    let seen = |stats: LinkStats| stats.cut > 100 && stats.forwarded > 100;
    while !seen(net.wire.stats(HostId(0), HostId(1))) {
        net.send(0, 1, number);
        number += 1;
        while net.next(1).is_some() {}
        assert!(Instant::now() < deadline, "{:?}", net.wire.stats(HostId(0), HostId(1)));
    }
}

#[test]
fn what_is_not_tcp_cannot_be_reset_and_is_dropped() {
    let net = Net::new(1, 2);
    net.set(0, 1, Link { reset: true, ..OPEN });
    (0..5).for_each(|number| net.send(0, 1, number));
    let stats = net.wait_settled(0, 1, 5);
    assert_eq!((stats.rejected, stats.forwarded), (5, 0));
    net.set(0, 1, OPEN);
    net.send(0, 1, 5);
    assert_eq!(net.receive(1, 1), [5]);
}

#[test]
fn the_end_of_a_wire_is_quick() {
    let net = Net::new(1, 4);
    net.set(0, 1, Link { delay_us: 60_000_000, ..OPEN });
    net.send(0, 1, 1);
    let began = Instant::now();
    drop(net);
    assert!(began.elapsed() < Duration::from_millis(100), "{:?}", began.elapsed());
}

/// Which of the packets of one link survive a loss of 30 %.
fn survivors(seed: u64, from: usize, to: usize, disturb: Link) -> Vec<u64> {
    let net = Net::new(seed, 3);
    let loss = Link { loss_ppm: 300_000, ..OPEN };
    net.set(from, to, loss);
    // Traffic of another link does not shift this one's draws.
    net.set(1, 2, disturb);
    let mut survivors = Vec::new();
    for number in 0..300 {
        net.send(1, 2, number);
        net.send(from, to, number);
        net.wait_settled(from, to, number + 1);
        survivors.extend(net.next(to).filter(|_| (from, to) != (1, 2)));
        while net.next(2).is_some() {}
    }
    survivors
}

#[test]
fn losses_follow_from_the_seed_and_the_link_alone() {
    let first = survivors(7, 0, 1, OPEN);
    assert!((170..250).contains(&first.len()), "{}", first.len());
    assert_eq!(survivors(7, 0, 1, Link { loss_ppm: 500_000, jitter_us: 100, ..OPEN }), first);
    assert_ne!(survivors(8, 0, 1, OPEN), first);
    assert_ne!(survivors(7, 2, 0, OPEN), first);
}

prop_compose! {
    fn any_link()(cut in any::<bool>(), hold in any::<bool>(), reset in prop::bool::weighted(0.2), delay_us in 0..300u64,
                  jitter_us in 0..300u64, shape in prop::sample::select(vec![Shape::Uniform, Shape::Normal,
                  Shape::Exponential, Shape::Pareto]), in_order in any::<bool>(), loss_ppm in 0..500_000u32,
                  duplicate_ppm in 0..500_000u32, corrupt_ppm in 0..500_000u32, reorder_ppm in 0..500_000u32)
                 (rate_bytes in prop_oneof![Just(0), 200_000..10_000_000u64], burst_bytes in 0..3_000u64,
                  reorder_us in 0..300u64, link in Just(Link { cut, hold, reset, delay_us, jitter_us, shape, in_order,
                  loss_ppm, duplicate_ppm, corrupt_ppm, reorder_ppm, repair_checksums: reorder_ppm % 2 == 0, ..OPEN }))
                 -> Link {
        Link { rate_bytes, burst_bytes, reorder_us, ..link }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whatever is set while packets flow, each of them is in the end accounted for exactly once.
    #[test]
    fn no_packet_is_unaccounted_for(links in prop::collection::vec(any_link(), 1..8)) {
        let net = Net::new(3, 2);
        let mut sent = 0;
        for link in &links {
            net.set(0, 1, *link);
            for _ in 0..20 {
                net.send(0, 1, sent);
                sent += 1;
            }
            while net.next(1).is_some() {}
        }
        net.wait_sent(0, 1, sent);
        net.set(0, 1, OPEN);
        let stats = net.wait(0, 1, settled);
        prop_assert_eq!(stats.sent, sent);
    }
}
