//! The loop: read a packet, find its link, judge it, and let it go now, later or never.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::net::Ipv4Addr;
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering::Acquire;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::Shared;
use super::fate::Draws;
use super::flight::{Flight, Flights};
use super::frame::{HEADER, MAX_PACKET, Port, address_frame, destination, payload};
use super::link::{Link, MAX_HOSTS, Policy};
use super::pcap::Capture;
use super::segment::{self, Resets};
use crate::seed::{ChaCha8Rng, Seed};
use crate::sys::epoll::Readable;
use crate::sys::packet;

/// Packets read from one port before the others get their turn.
const TURN: usize = 64;
/// The loop wakes this often with nothing to do: to learn how late it wakes, and to write the capture out.
const BEAT: Duration = Duration::from_millis(50);
/// A rate-limited link queues this much time, then loses.
const QUEUE_NS: i64 = 100_000_000;
/// Delayed and held packets together.
const MAX_WAITING_BYTES: usize = 256 << 20;
/// Frames that go into one device with one system call.
const BATCH: usize = 32;
const WAKE: u64 = u64::MAX;

/// What the switch is asked to do between packets.
pub(super) enum Command {
    /// This port is that host's from now on.
    Attach { host: usize, address: Ipv4Addr, port: Port, done: Sender<io::Result<()>> },
    /// The host has no port any more; its address is still known. Gives the port back.
    Detach { host: usize, done: Sender<Option<Port>> },
    /// How much the host's port has lost because it was full.
    Drops { host: usize, done: Sender<u64> },
    /// Finish the capture and end.
    Stop,
}

/// The switch, owned by its thread.
pub(super) struct Switch {
    shared: Arc<Shared>,
    readable: Readable,
    start: Instant,
    seed: Seed,
    policy: Arc<Policy>,
    hosts: Vec<Place>,
    links: Vec<Option<Box<LinkState>>>,
    holding: BTreeSet<(usize, usize)>,
    flights: Flights,
    waiting_bytes: usize,
    capture: Option<Capture>,
    next_beat_ns: u64,
}

/// A host as the switch sees it.
#[derive(Default)]
struct Place {
    address: Option<Ipv4Addr>,
    port: Option<Port>,
    /// Lost by ports of this host that were full.
    port_drops: u64,
    /// Frames for its device and who sent them (none: the wire itself), until the end of the turn.
    outbox: Vec<(Option<usize>, Vec<u8>)>,
}

struct LinkState {
    stream: ChaCha8Rng,
    /// What was drawn for the packet before.
    before: Option<Draws>,
    /// When the last byte admitted under the rate limit has left; long ago at first, so that the bucket is full.
    idle_at_ns: i64,
    /// When the last packet left or leaves, where the order is kept.
    last_due_ns: u64,
    held: VecDeque<Flight>,
}

impl LinkState {
    fn draw(&mut self, link: &Link) -> Draws {
        let draws = Draws::next(&mut self.stream).after(self.before, link);
        self.before = Some(draws);
        draws
    }
}

/// Flips a bit of an IPv4 packet if its draws and the link say so: anywhere behind its header, where a checksum
/// tells, or in what the application sent, where none does any more. Whether it did.
fn corrupt(link: &Link, draws: &Draws, packet: &mut [u8]) -> bool {
    let range = match link.repair_checksums {
        true => segment::application(packet).unwrap_or(0..0),
        false => payload(packet)..packet.len(),
    };
    let Some(bit) = draws.corrupted(link, range.len() * 8) else { return false };
    let (byte, mask) = (range.start + bit / 8, 1 << (bit % 8));
    match link.repair_checksums {
        true => segment::flip_unnoticed(packet, byte, mask),
        false => packet[byte] ^= mask,
    }
    true
}

/// How long so many bytes take at a rate above 0; centuries at most.
fn takes_ns(bytes: u64, rate_bytes: u64) -> i64 {
    i64::try_from(u128::from(bytes) * 1_000_000_000 / u128::from(rate_bytes)).unwrap_or(i64::MAX)
}

impl Switch {
    pub(super) fn new(shared: Arc<Shared>, seed: Seed, capture: Option<Capture>) -> io::Result<Self> {
        let readable = Readable::new()?;
        readable.add(&shared.wake, WAKE)?;
        Ok(Switch {
            policy: shared.policy(),
            shared,
            readable,
            start: Instant::now(),
            seed,
            hosts: Vec::new(),
            links: (0..MAX_HOSTS * MAX_HOSTS).map(|_| None).collect(),
            holding: BTreeSet::new(),
            flights: Flights::default(),
            waiting_bytes: 0,
            capture,
            next_beat_ns: 0,
        })
    }

    /// Runs until it is told to stop.
    pub(super) fn run(mut self) {
        // The kernel may be 50 µs late by default; a delay of one packet deserves better.
        let _ = nix::sys::prctl::set_timerslack(1);
        let mut buffer = vec![0; HEADER + MAX_PACKET];
        let mut ready = Vec::new();
        loop {
            ready.clear();
            if let Err(error) = self.readable.wait(self.until_next(), &mut ready) {
                tracing::error!(%error, "the wire cannot wait for packets and ends");
                return;
            }
            self.refresh();
            if self.obey().is_break() {
                break;
            }
            self.land();
            for token in &ready {
                match usize::try_from(*token) {
                    Ok(host) if *token != WAKE => self.drain(host, &mut buffer),
                    _ => drop(self.shared.wake.read()),
                }
                self.land();
            }
            (0..self.hosts.len()).for_each(|host| self.empty_outbox(host));
        }
        self.write_out();
    }

    fn now_ns(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }

    fn until_next(&self) -> Duration {
        let next_ns = self.flights.next_ns().map_or(self.next_beat_ns, |due| due.min(self.next_beat_ns));
        Duration::from_nanos(next_ns.saturating_sub(self.now_ns()))
    }

    /// Takes the newest policy, and lets go what it no longer holds back.
    fn refresh(&mut self) {
        if self.shared.generation.load(Acquire) == self.policy.generation {
            return;
        }
        self.policy = self.shared.policy();
        let policy = Arc::clone(&self.policy);
        let released: Vec<_> = self.holding.iter().copied().filter(|(f, t)| !policy.get(*f, *t).link.hold).collect();
        for (from, to) in released {
            self.holding.remove(&(from, to));
            let held = std::mem::take(&mut self.link(from, to).held);
            held.into_iter().for_each(|flight| self.arrive(flight));
        }
    }

    fn obey(&mut self) -> ControlFlow<()> {
        for command in self.shared.take_commands() {
            match command {
                // An asker that has given up does not want its answer.
                Command::Attach { host, address, port, done } => drop(done.send(self.attach(host, address, port))),
                Command::Detach { host, done } => drop(done.send(self.detach(host))),
                Command::Drops { host, done } => drop(done.send(self.port_drops(host))),
                Command::Stop => return ControlFlow::Break(()),
            }
        }
        ControlFlow::Continue(())
    }

    fn attach(&mut self, host: usize, address: Ipv4Addr, port: Port) -> io::Result<()> {
        self.detach(host);
        port.set_nonblocking()?;
        self.readable.add(&port, host as u64)?;
        if self.hosts.len() <= host {
            self.hosts.resize_with(host + 1, Place::default);
        }
        self.hosts[host].address = Some(address);
        self.hosts[host].port = Some(port);
        Ok(())
    }

    fn detach(&mut self, host: usize) -> Option<Port> {
        let place = self.hosts.get_mut(host)?;
        let port = place.port.take()?;
        place.port_drops += port.drops();
        // Fails only if the device has gone before its port, which takes it out as well.
        let _ = self.readable.remove(&port);
        Some(port)
    }

    fn port_drops(&mut self, host: usize) -> u64 {
        let Some(place) = self.hosts.get_mut(host) else { return 0 };
        place.port_drops += place.port.as_ref().map_or(0, Port::drops);
        place.port_drops
    }

    /// Takes one turn's packets from a port.
    fn drain(&mut self, host: usize, buffer: &mut [u8]) {
        for _ in 0..TURN {
            let Some(port) = self.hosts.get(host).and_then(|place| place.port.as_ref()) else { return };
            match port.read(buffer) {
                Ok(Some(end)) => self.judge(host, &mut buffer[..end]),
                Ok(None) => self.shared.stray.foreign.add(1),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return,
                Err(error) => {
                    tracing::warn!(host, port = port.number(), %error, "the port of a host is broken");
                    self.detach(host);
                    return;
                }
            }
        }
    }

    /// Decides what becomes of a packet that `from` has sent.
    fn judge(&mut self, from: usize, frame: &mut [u8]) {
        let Some(address) = destination(&frame[HEADER..]) else { return self.shared.stray.foreign.add(1) };
        let Some(to) = self.hosts.iter().position(|place| place.address == Some(address)) else {
            self.shared.stray.unknown.add(1);
            return self.write_dropped(frame);
        };
        self.refresh();
        let setting = self.policy.get(from, to);
        let link = setting.link;
        let draws = self.link(from, to).draw(&link);
        let shared = Arc::clone(&self.shared);
        let counters = shared.counters.link(from, to);
        counters.sent.add(1);
        let is_cut = link.is_cut_after(setting.since.map_or(0, |since| since.elapsed().as_nanos() as u64));
        if is_cut {
            counters.cut.add(1);
            return self.write_dropped(frame);
        }
        // A reset that a host sends ends the connection as well.
        if link.reset && !segment::is_reset(&frame[HEADER..]) {
            counters.rejected.add(1);
            return self.reject(from, to, frame);
        }
        let Some(queue_ns) = self.queue_ns(from, to, &link, frame.len() - HEADER) else {
            counters.limited.add(1);
            return self.write_dropped(frame);
        };
        if draws.lost(&link) {
            counters.lost.add(1);
            return self.write_dropped(frame);
        }
        counters.corrupted.add(u64::from(corrupt(&link, &draws, &mut frame[HEADER..])));
        let reordered = draws.reordered(&link);
        counters.reordered.add(u64::from(reordered));
        let back_ns = if reordered { link.reorder_us.saturating_mul(1000) } else { 0 };
        let duplicated = draws.duplicated(&link);
        counters.duplicated.add(u64::from(duplicated));
        let delay_ns = queue_ns.saturating_add(draws.delay_ns(&link));
        counters.delayed.add(u64::from(delay_ns > 0 || reordered));
        counters.delay_us.add(delay_ns.saturating_add(back_ns) / 1000);
        for _ in 0..=usize::from(duplicated) {
            self.send(delay_ns, back_ns, (from, to), frame);
        }
    }

    /// Drops a packet, and tells both ends of its connection that it is over.
    fn reject(&mut self, from: usize, to: usize, frame: &[u8]) {
        self.write_dropped(frame);
        let Some(Resets { to_sender, to_receiver }) = segment::resets(&frame[HEADER..]) else { return };
        if !self.policy.get(to, from).link.cut {
            self.inject(from, &to_sender);
        }
        if let Some(reset) = to_receiver {
            self.inject(to, &reset);
        }
    }

    /// Gives a host a packet that the wire itself made. It is in no count.
    fn inject(&mut self, to: usize, packet: &[u8]) {
        let mut frame = vec![0; HEADER];
        frame.extend_from_slice(packet);
        self.deliver(None, to, &mut frame);
    }

    /// Lets a packet go now or later. On a link that keeps the order it goes no earlier than the one before it;
    /// `back_ns`, for which later packets overtake it, comes on top of that.
    fn send(&mut self, delay_ns: u64, back_ns: u64, (from, to): (usize, usize), frame: &mut [u8]) {
        let link = self.policy.get(from, to).link;
        let now_ns = self.now_ns();
        let mut due_ns = now_ns.saturating_add(delay_ns);
        if link.in_order {
            let state = self.link(from, to);
            due_ns = due_ns.max(state.last_due_ns);
            state.last_due_ns = due_ns;
        }
        due_ns = due_ns.saturating_add(back_ns);
        match due_ns <= now_ns && !link.hold {
            true => self.deliver(Some(from), to, frame),
            false => self.postpone(due_ns, from, to, frame),
        }
    }

    /// How long a packet waits for its link's rate limit; none when the queue is full.
    fn queue_ns(&mut self, from: usize, to: usize, link: &Link, length: usize) -> Option<u64> {
        if link.rate_bytes == 0 {
            return Some(0);
        }
        let takes_ns = |bytes: u64| takes_ns(bytes, link.rate_bytes);
        let now_ns = self.now_ns() as i64;
        let state = self.link(from, to);
        // An idle link saves up to a bucket full: as if it had become idle that much earlier.
        let begins_ns = state.idle_at_ns.max(now_ns.saturating_sub(takes_ns(link.burst_bytes)));
        if begins_ns > now_ns.saturating_add(QUEUE_NS) {
            return None;
        }
        state.idle_at_ns = begins_ns.saturating_add(takes_ns(length as u64));
        Some(state.idle_at_ns.saturating_sub(now_ns).max(0) as u64)
    }

    fn postpone(&mut self, due_ns: u64, from: usize, to: usize, frame: &[u8]) {
        if self.waiting_bytes + frame.len() > MAX_WAITING_BYTES {
            self.shared.counters.link(from, to).overflowed.add(1);
            return self.write_dropped(frame);
        }
        self.waiting_bytes += frame.len();
        let flight = Flight { from, to, generation: self.policy.generation, frame: frame.to_vec() };
        if self.policy.get(from, to).link.hold {
            self.hold(flight);
        } else {
            self.flights.push(due_ns, flight);
        }
    }

    fn hold(&mut self, flight: Flight) {
        self.holding.insert((flight.from, flight.to));
        self.shared.counters.link(flight.from, flight.to).held.add(1);
        self.link(flight.from, flight.to).held.push_back(flight);
    }

    /// Lets everything arrive that is due, and notes how late it is.
    fn land(&mut self) {
        let now_ns = self.now_ns();
        while let Some((at_ns, flight)) = self.flights.pop_due(now_ns) {
            self.shared.lag.note(now_ns - at_ns);
            self.arrive(flight);
        }
        if self.next_beat_ns <= now_ns {
            if self.next_beat_ns > 0 {
                self.shared.lag.note(now_ns - self.next_beat_ns);
            }
            self.next_beat_ns = now_ns + BEAT.as_nanos() as u64;
            self.write_out();
        }
    }

    /// A packet reaches the end of its link, unless the link was cut or is held by now.
    fn arrive(&mut self, mut flight: Flight) {
        let setting = self.policy.get(flight.from, flight.to);
        if setting.cut_in <= flight.generation && setting.link.hold {
            return self.hold(flight);
        }
        self.waiting_bytes -= flight.frame.len();
        if setting.cut_in > flight.generation {
            self.shared.counters.link(flight.from, flight.to).cut.add(1);
            return self.write_dropped(&flight.frame);
        }
        self.deliver(Some(flight.from), flight.to, &mut flight.frame);
    }

    /// Gives a host a packet of another, or of the wire itself.
    fn deliver(&mut self, from: Option<usize>, to: usize, frame: &mut [u8]) {
        match self.hosts.get(to).and_then(|place| place.port.as_ref()) {
            None => {
                if let Some(from) = from {
                    self.shared.counters.link(from, to).down.add(1);
                }
                self.write_dropped(frame);
            }
            Some(Port::Ip(port)) => {
                let taken = nix::unistd::write(port, &frame[HEADER..]).is_ok();
                self.note_delivery(from, to, frame, taken);
            }
            Some(Port::Ethernet { mac, .. }) => {
                address_frame(frame, *mac);
                let outbox = &mut self.hosts[to].outbox;
                outbox.push((from, frame.to_vec()));
                if outbox.len() >= BATCH {
                    self.empty_outbox(to);
                }
            }
        }
    }

    /// Gives a device its frames. One that it does not take does not keep it from taking the next.
    fn empty_outbox(&mut self, to: usize) {
        let mut outbox = std::mem::take(&mut self.hosts[to].outbox);
        let mut rest = &outbox[..];
        while !rest.is_empty() {
            let socket = self.hosts[to].port.as_ref().map(Port::as_fd);
            let sent =
                socket.map_or(0, |socket| packet::send_all(socket, rest.iter().map(|(_, f)| &f[..])).unwrap_or(0));
            let (taken, others) = rest.split_at(sent);
            taken.iter().for_each(|(from, frame)| self.note_delivery(*from, to, frame, true));
            rest = others;
            if let Some(((from, frame), others)) = others.split_first().filter(|_| sent == 0) {
                self.note_delivery(*from, to, frame, false);
                rest = others;
            }
        }
        outbox.clear();
        self.hosts[to].outbox = outbox;
    }

    fn note_delivery(&mut self, from: Option<usize>, to: usize, frame: &[u8], taken: bool) {
        match from.map(|from| self.shared.counters.link(from, to)) {
            Some(counters) if taken => {
                counters.forwarded.add(1);
                counters.bytes.add((frame.len() - HEADER) as u64);
            }
            Some(counters) => counters.overflowed.add(1),
            None => {}
        }
        if taken { self.write_arrived(frame) } else { self.write_dropped(frame) }
    }

    fn link(&mut self, from: usize, to: usize) -> &mut LinkState {
        let seed = self.seed;
        self.links[from * MAX_HOSTS + to].get_or_insert_with(|| {
            let stream = seed.stream(&format!("link {from} {to}"));
            Box::new(LinkState { stream, before: None, idle_at_ns: i64::MIN, last_due_ns: 0, held: VecDeque::new() })
        })
    }

    fn write_arrived(&mut self, frame: &[u8]) {
        self.write(|capture| capture.arrived(&frame[HEADER..]));
    }

    fn write_dropped(&mut self, frame: &[u8]) {
        self.write(|capture| capture.dropped(&frame[HEADER..]));
    }

    fn write_out(&mut self) {
        self.write(Capture::flush);
    }

    /// The first error ends the capture, not the wire.
    fn write(&mut self, to: impl FnOnce(&mut Capture) -> io::Result<()>) {
        let Some(capture) = &mut self.capture else { return };
        if let Err(error) = to(capture) {
            tracing::error!(%error, "the packet capture ends here");
            self.capture = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::takes_ns;

    #[test]
    fn no_burst_is_too_large_and_no_rate_too_low() {
        assert_eq!(takes_ns(1500, 1_000_000), 1_500_000);
        assert_eq!(takes_ns(u64::MAX, 1), i64::MAX);
        // Twenty gigabytes are more nanoseconds than fit before they are divided.
        assert_eq!(takes_ns(20_000_000_000, 1_000_000), 20_000_000_000_000);
    }
}
