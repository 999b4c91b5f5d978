//! The network of a run: a switch that the controller holds.
//!
//! Every host has one network device, and the controller holds the other end of each: a descriptor from which it
//! reads the IP packets that the host sends, and to which it writes those that reach it. One thread reads, judges
//! and writes. There is no bridge, no firewall rule and no queueing discipline behind it, so a fault of the network is a
//! line of code here, needs no right on the machine, and cannot outlive the controller.
//!
//! ```text
//!   n1 ──eth0── port ─┐                          ┌─ port ──eth0── n2
//!                     ├─→ link n1→n2: judge ─→ ──┤
//!   n3 ──eth0── port ─┘    cut? lost? later?     └─ port ──eth0── c1
//! ```
//!
//! **Links.** A [`Link`] is what happens from one host to another, in one direction. All links together are one policy:
//! [`Wire::set`] replaces it as a whole, so no packet sees half a partition, and every packet that is read after `set` has
//! returned is judged by the new one. Each policy has a generation number for the history.
//!
//! **What is under way when a link is cut is lost**, as in a cable: a delayed or held packet that was sent before the cut
//! never arrives, even if the link is healed before the packet was due. What is under way to a machine that crashes is
//! lost if it arrives while the machine is down, and arrives if the machine is back; what a crashed machine had
//! already sent still arrives.
//!
//! **Randomness.** Each link has its own stream of the seed and draws the same numbers for every packet whatever is set,
//! so which packets a link loses depends on the seed, the link and the packet's position in it. What TCP puts into
//! the k-th packet, and when, is up to the hosts' kernels and is not reproducible.
//!
//! **Corruption** flips a bit behind the IP header, so receivers notice it by their checksum: to an application it is
//! mostly loss. With repaired checksums the bit is one of the application's, and nobody but the application can notice.
//!
//! **Rejection** is the opposite of silence: both ends of a TCP connection are told at once that it is over, as by a
//! firewall that rejects or a proxy that was restarted.
//!
//! **Order.** Packets of a link keep their order unless jitter or reordering lets one overtake another, or the delay of
//! the link is made shorter while some are under way; with `in_order` they keep it under jitter too.
//!
//! **Rate.** A link with a limit is a token bucket in front of a queue of 100 ms; what finds the queue full is lost.
//!
//! What the wire does *not* do: IPv6, broadcast and multicast ([`Stray`] counts them), routes between networks, and loss
//! of bytes of a connection (the unit is the packet, at most 1500 bytes). A host that sends faster than the wire reads
//! loses packets in its own device: nobody asked for that, so it is counted ([`LinkStats::overflowed`],
//! [`Hosts::unwanted_loss`](crate::hosts::Hosts::unwanted_loss)) and ought to be zero.

mod fate;
mod flight;
mod frame;
mod link;
mod pcap;
mod segment;
mod switch;

use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Release};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::eventfd::{EfdFlags, EventFd};

pub use frame::Port;
pub(crate) use link::is_default;
pub use link::{Link, LinkStats, MAX_HOSTS, Shape};

use crate::hosts::HostId;
use crate::seed::Seed;
use link::{Counter, Counters, Policy};
use switch::{Command, Switch};

/// The switch answers between two packets.
const DEADLINE: Duration = Duration::from_secs(5);

/// The network of a run: a single-threaded switch that the controller holds. Dropping it ends the thread.
pub struct Wire {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// Packets that belong to no link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Stray {
    /// To an address that no host of the run has or had, broadcast and multicast included.
    pub unknown: u64,
    /// Not IPv4.
    pub foreign: u64,
}

/// How late the wire is: for delayed packets, and for a timer that goes off twenty times a second. Large values say that
/// the machine had too little processor for the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Lag {
    /// The worst, microseconds.
    pub worst_us: u64,
    /// The mean, microseconds.
    pub mean_us: u64,
}

/// What the switch and its users share.
struct Shared {
    generation: AtomicU64,
    policy: Mutex<Arc<Policy>>,
    commands: Mutex<Vec<Command>>,
    wake: EventFd,
    counters: Counters,
    stray: StrayCounters,
    lag: LagCounters,
}

#[derive(Default)]
struct StrayCounters {
    unknown: Counter,
    foreign: Counter,
}

#[derive(Default)]
struct LagCounters {
    worst_ns: Counter,
    sum_ns: Counter,
    count: Counter,
}

impl Wire {
    /// Starts the switch, with no ports. `seed` makes the streams of the links; `pcap` is the capture of what arrives,
    /// and what does not is written beside it (`wire.pcap` and `wire.dropped.pcap`).
    pub fn start(seed: Seed, pcap: Option<PathBuf>) -> io::Result<Wire> {
        let capture = pcap.map(|path| pcap::Capture::create(&path)).transpose()?;
        let shared = Arc::new(Shared {
            generation: AtomicU64::new(0),
            policy: Mutex::new(Arc::new(Policy::default())),
            commands: Mutex::new(Vec::new()),
            wake: EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?,
            counters: Counters::new(),
            stray: StrayCounters::default(),
            lag: LagCounters::default(),
        });
        let switch = Switch::new(Arc::clone(&shared), seed, capture)?;
        let thread = std::thread::Builder::new().name("wire".to_owned()).spawn(move || switch.run())?;
        Ok(Wire { shared, thread: Some(thread) })
    }

    /// Gives a host its port. From its return on, packets to `address` go there.
    pub fn attach(&self, host: HostId, address: Ipv4Addr, port: Port) -> io::Result<()> {
        if host.0 >= MAX_HOSTS {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "more hosts than a /24 has addresses"));
        }
        self.ask(|done| Command::Attach { host: host.0, address, port, done })?
    }

    /// Takes a host off the wire, silently. From its return on nothing reaches it and nothing of it is read. Gives
    /// the port back: as long as it is open, the host's device stays up.
    pub fn detach(&self, host: HostId) -> io::Result<Option<Port>> {
        self.ask(|done| Command::Detach { host: host.0, done })
    }

    /// Changes links, all at once: no packet sees half of it. Returns the generation of the new policy.
    pub fn set(&self, links: &[(HostId, HostId, Link)]) -> u64 {
        let mut policy = lock(&self.shared.policy);
        let next = policy.with(links);
        let generation = next.generation;
        *policy = Arc::new(next);
        self.shared.generation.store(generation, Release);
        drop(policy);
        self.shared.wake();
        generation
    }

    /// What is set for a link.
    pub fn link(&self, from: HostId, to: HostId) -> Link {
        self.shared.policy().get(from.0, to.0).link
    }

    /// How many times links were changed.
    pub fn generation(&self) -> u64 {
        self.shared.policy().generation
    }

    /// Packets of one link.
    pub fn stats(&self, from: HostId, to: HostId) -> LinkStats {
        self.shared.counters.stats(from.0, to.0)
    }

    /// Packets of all links.
    pub fn total(&self) -> LinkStats {
        self.shared.counters.total()
    }

    /// Packets of no link.
    pub fn stray(&self) -> Stray {
        Stray { unknown: self.shared.stray.unknown.get(), foreign: self.shared.stray.foreign.get() }
    }

    /// How late the wire is.
    pub fn lag(&self) -> Lag {
        let lag = &self.shared.lag;
        let mean_ns = lag.sum_ns.get().checked_div(lag.count.get()).unwrap_or(0);
        Lag { worst_us: lag.worst_ns.get() / 1000, mean_us: mean_ns / 1000 }
    }

    /// Packets that a host sent and that its port lost because it was full.
    pub(crate) fn port_drops(&self, host: HostId) -> io::Result<u64> {
        self.ask(|done| Command::Drops { host: host.0, done })
    }

    fn ask<T>(&self, command: impl FnOnce(Sender<T>) -> Command) -> io::Result<T> {
        let (done, answer): (_, Receiver<T>) = channel();
        self.shared.command(command(done));
        let silent = |_| io::Error::new(io::ErrorKind::TimedOut, "the wire does not answer");
        answer.recv_timeout(DEADLINE).map_err(silent)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.shared.command(Command::Stop);
        // A panic of the thread has been reported by its hook.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

impl Shared {
    fn policy(&self) -> Arc<Policy> {
        Arc::clone(&lock(&self.policy))
    }

    fn command(&self, command: Command) {
        lock(&self.commands).push(command);
        self.wake();
    }

    fn take_commands(&self) -> Vec<Command> {
        std::mem::take(&mut *lock(&self.commands))
    }

    fn wake(&self) {
        // Fails only when the counter is full, and then the switch wakes anyway.
        let _ = self.wake.write(1);
    }
}

impl LagCounters {
    fn note(&self, ns: u64) {
        self.worst_ns.raise_to(ns);
        self.sum_ns.add(ns);
        self.count.add(1);
    }
}

/// Nothing is left half-changed under these locks, so a poisoned one is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
