//! The machine inside the machine: hosts that real server processes take for machines of their own.
//!
//! A host is a set of fresh namespaces (network, mount, PID, UTS, IPC) on this machine: its own address, its own host name,
//! its own processes, its own `/tmp`; the rest of the file system is the machine's. Nothing of it needs root, a
//! container or a daemon, and nothing of it has a name outside of the run, so any number of runs use the same addresses
//! side by side.
//!
//! ```text
//!   controller ─────────────── zygote ──────────────── agent of n1 = PID 1 of n1
//!   any threads, no rights     one thread, in the      eth0 10.77.0.1, hostname n1
//!   holds: the wire, and       run's user namespace      └─ the node's processes
//!   one port per host          clones agents           agent of n2 = PID 1 of n2 …
//! ```
//!
//! **Who dies with whom.** The zygote dies with the controller, each agent with the zygote, and everything on a host
//! with its agent, because the kernel ends a PID namespace with its first process. Devices go with the last descriptor, mounts
//! with the last process. So whatever ends the controller, `kill -9` included, ends the run without a trace, and there
//! is nothing to clean up because nothing was ever put anywhere.
//!
//! **Three different downs.** [`Hosts::kill`] ends the processes: the host's kernel is alive and refuses connections at
//! once. [`Hosts::crash`] ends the machine: it falls silent, and peers find out by their timeouts; [`Hosts::reboot`] brings
//! it back at the same address with the same files (of a [simulated disk](crate::disk): those that were made durable), and it
//! answers old connections with a reset. A cut
//! [link](crate::wire::Link) harms neither. [`Hosts::pause`] is a fourth: the processes stand still while the host's kernel
//! goes on acknowledging what it receives.
//!
//! **The ladder.** A host's network device is a TUN device where `/dev/net/tun` can be opened, else a veth pair that is
//! read through an AF_PACKET socket; and the namespaces are made in a user namespace, or by root without one. Four
//! [rungs](Rung), tried by making a host on each; where none holds, [`HostsError::Unavailable`] says what to type.
//!
//! **Clocks.** A host that was asked for one has a [real-time clock](crate::clock) of its own: [`Hosts::set_clock`] sets it,
//! [`Hosts::read_clock`] reads it as the host's own programs do.
//!
//! **Resources.** [`Hosts::set_resources`] has the processes of a host run part of the time only, or limits their memory and
//! their descriptors: see [`resources`].
//!
//! **What is not isolated:** the file system outside of `/tmp`, `/var/tmp` and `/dev/shm`, the clocks unless asked for, the
//! processor and the memory. In a user namespace there is one user: a node cannot change to another.

mod agent;
mod clock;
pub(crate) mod filter;
mod followed;
mod keep;
pub(crate) mod ladder;
mod launch;
mod line;
mod machine;
pub(crate) mod message;
mod processes;
pub(crate) mod remedy;
pub mod resources;
mod rung;
mod setup;
mod types;
mod zygote;

use std::fs::{File, OpenOptions};

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

pub use resources::{ProcessResources, ResourceLimits, ResourceReading, Usage};
pub use rung::Rung;
pub use types::{Crashed, Exit, HostId, HostSpec, HostsConfig, HostsError, ProcessSpec};

use crate::clock::probe::{self, Sample};
use crate::clock::{ClockReading, ClockTier, Instants, MonotonicSkew, Skew, page};
use crate::disk::{Disk, DiskFault, FilesSpec, PowerCut};
use crate::sys::mapping;
use crate::wire::{MAX_HOSTS, Port, Wire};
use launch::Zygote;

use machine::{DEATH_DEADLINE, Host, Listener, Machine, Rations, State, lock};
use message::{AgentAsk, Answer, ClockSpec, SetUp, Spawn};
use resources::MainLimits;

/// A machine that is about to be crashed is asked this long what runs on it.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Processes that do not wait for their disk are gone within this when their machine ends.
const STUCK_IN_DISK: Duration = Duration::from_millis(50);

/// All hosts of a run. Dropping it ends every process and namespace of the run.
pub struct Hosts {
    rung: Rung,
    own_program: Option<PathBuf>,
    hosts: RwLock<Vec<Arc<Host>>>,
    adding: Mutex<()>,
    exits: Mutex<Option<Receiver<Exit>>>,
    inner: Arc<Inner>,
    zygote: Zygote,
}

/// What the threads of the hosts share with the controller.
struct Inner {
    wire: Wire,
    exits: Sender<Exit>,
}

impl Hosts {
    /// Starts the wire and the zygote. No host exists yet.
    pub fn start(config: HostsConfig) -> Result<Hosts, HostsError> {
        let (rung, zygote) = ladder::climb(config.rung)?;
        let what = match &config.pcap {
            Some(path) => format!("cannot start the wire with its capture in {}", path.display()),
            None => "cannot start the wire".to_owned(),
        };
        let wire = Wire::start(config.seed, config.pcap).map_err(|source| HostsError::Io { what, source })?;
        let (sender, receiver) = channel();
        Ok(Hosts {
            rung,
            own_program: std::env::current_exe().ok(),
            hosts: RwLock::default(),
            adding: Mutex::new(()),
            exits: Mutex::new(Some(receiver)),
            inner: Arc::new(Inner { wire, exits: sender }),
            zygote,
        })
    }

    /// How the hosts are made.
    pub fn rung(&self) -> Rung {
        self.rung
    }

    /// Makes a host and connects it to the wire. Waits until it is up. The running program is kept visible besides
    /// [`HostSpec::keep`].
    pub fn add(&self, spec: HostSpec) -> Result<HostId, HostsError> {
        let _one_at_a_time = lock(&self.adding);
        let id = HostId(self.all().len());
        self.check(id, &spec)?;
        let io = |source| HostsError::Io { what: "cannot make a simulated disk".to_owned(), source };
        let host = Arc::new(Host::new(id, spec).map_err(io)?);
        self.boot(&host)?;
        self.hosts.write().unwrap_or_else(PoisonError::into_inner).push(host);
        Ok(id)
    }

    /// Starts the main process of a host and remembers how, for [`Hosts::restart`].
    pub fn spawn(&self, host: HostId, process: ProcessSpec) -> Result<(), HostsError> {
        let host = self.host(host)?;
        if self.start_process(&host, &process)? {
            return Err(trouble(&host, "its main process runs already"));
        }
        *lock(&host.process) = Some(process);
        Ok(())
    }

    /// Starts the main process again, as it was started before. Does nothing when it runs.
    pub fn restart(&self, host: HostId) -> Result<(), HostsError> {
        let host = self.host(host)?;
        let process = lock(&host.process).clone();
        let process = process.ok_or_else(|| trouble(&host, "it never had a main process"))?;
        self.start_process(&host, &process).map(drop)
    }

    /// Ends all processes of a host with SIGTERM and, after `grace_ms`, SIGKILL. Returns how many there were.
    pub fn stop(&self, host: HostId, grace_ms: u64) -> Result<usize, HostsError> {
        let host = self.host(host)?;
        let Some(machine) = host.machine() else { return Ok(0) };
        let deadline = Instant::now() + Duration::from_millis(grace_ms);
        let mut seen = host.ends();
        let count = machine.count(AgentAsk::Terminate).map_err(|t| trouble(&host, t))?;
        let mut left = count;
        while left > 0 && Instant::now() < deadline {
            host.wait_end(seen, deadline.saturating_duration_since(Instant::now()));
            seen = host.ends();
            left = machine.survey(line::DEADLINE).map_err(|t| trouble(&host, t))?.processes;
        }
        machine.count(AgentAsk::Kill).map_err(|t| trouble(&host, t)).map(|_| count)
    }

    /// SIGTERM to all processes of a host, stopped ones included. Does not wait for their end. Returns how many there were.
    pub fn terminate(&self, host: HostId) -> Result<usize, HostsError> {
        self.count(host, AgentAsk::Terminate)
    }

    /// Process crash: SIGKILL to all its processes; the host's network stays and refuses connections. Returns how
    /// many processes it ended, 0 for a crashed host. Waits until they are gone.
    pub fn kill(&self, host: HostId) -> Result<usize, HostsError> {
        self.count(host, AgentAsk::Kill)
    }

    /// Machine crash: the host is gone, silently, with all its processes, and with what its simulated disk, if it has one,
    /// had not made durable. Returns how many processes it ended. Does nothing to a host that is down.
    pub fn crash(&self, host: HostId) -> Result<usize, HostsError> {
        self.power_cut(host, PowerCut::DROP).map(|crashed| crashed.processes)
    }

    /// Power cut: a machine crash in which the mode decides what is left of what was not fsynced. Does nothing to a host that
    /// is down; a host without a simulated disk loses nothing.
    pub fn power_cut(&self, host: HostId, cut: PowerCut) -> Result<Crashed, HostsError> {
        let host = self.host(host)?;
        match self.end_machine(&host)? {
            Some(processes) => Ok(Crashed { processes, lost: host.cut_disk(&cut) }),
            None => Ok(Crashed::default()),
        }
    }

    /// The simulated disk of a host, whether it is up or down.
    pub fn disk(&self, host: HostId) -> Option<Arc<Disk>> {
        self.host(host).ok()?.disk.clone()
    }

    /// Ends a machine, and returns how many processes it ended; none if it is down already.
    fn end_machine(&self, host: &Host) -> Result<Option<usize>, HostsError> {
        let machine = match std::mem::replace(&mut *lock(&host.state), State::Down) {
            State::Up(machine) => machine,
            State::Down | State::Lost => return Ok(None),
        };
        // First off the wire: not even the death of its processes may be heard. The port stays open until they are
        // dead, so that they do not see their network go.
        let port = self.inner.wire.detach(host.id).map_err(|e| trouble(host, e))?;
        self.note_limits(host, &machine);
        if host.spec.files.is_some() {
            lock(&host.files).close(&machine.file_hits(LAST_WORDS));
        }
        let survey = machine.survey(LAST_WORDS).ok();
        host.disk.iter().for_each(|disk| disk.freeze());
        machine.kill();
        if host.disk.is_some() && !machine.wait_gone(STUCK_IN_DISK) {
            // Whoever waits for the disk has been killed by now, and dies of the answer.
            host.disk.iter().for_each(|disk| disk.detach());
        }
        if !machine.wait_gone(DEATH_DEADLINE) {
            return Err(trouble(host, "its processes do not die"));
        }
        drop(port);
        lock(&host.clock).page = None;
        *lock(&host.dropped_before) += survey.map_or(0, |survey| survey.dropped);
        Ok(Some(survey.map_or(0, |survey| survey.processes)))
    }

    /// What its main process was limited to, the next one will be.
    fn note_limits(&self, host: &Host, machine: &Machine) {
        let mut rations = lock(&host.rations);
        if rations.limits.memory_headroom.or(rations.limits.descriptor_headroom).is_some()
            && let Ok(reading) = machine.resources(LAST_WORDS)
        {
            rations.learn(&reading);
        }
    }

    /// A crashed host comes back at the same address, with the same files and no processes. Does nothing to a host
    /// that is up.
    pub fn reboot(&self, host: HostId) -> Result<(), HostsError> {
        let host = self.host(host)?;
        let _one_at_a_time = lock(&self.adding);
        if host.machine().is_some() {
            return Ok(());
        }
        self.boot(&host)
    }

    /// SIGSTOP to all processes of a host. Returns how many are stopped now, as read back from the kernel.
    pub fn pause(&self, host: HostId) -> Result<usize, HostsError> {
        self.count(host, AgentAsk::Pause)
    }

    /// SIGCONT to all processes of a host. Returns how many run now, as read back from the kernel.
    pub fn resume(&self, host: HostId) -> Result<usize, HostsError> {
        self.count(host, AgentAsk::Resume)
    }

    /// How many processes run on a host, its agent not counted; 0 when it is crashed.
    pub fn process_count(&self, host: HostId) -> Result<usize, HostsError> {
        let host = self.host(host)?;
        let Some(machine) = host.machine() else { return Ok(0) };
        Ok(machine.survey(line::DEADLINE).map_err(|t| trouble(&host, t))?.processes)
    }

    /// A new TCP socket (IPv4, non-blocking, close-on-exec, not connected) that lives in the host's network.
    pub fn socket(&self, host: HostId) -> Result<OwnedFd, HostsError> {
        let host = self.host(host)?;
        let (_, mut fds) = up(&host)?.ask(AgentAsk::Socket, &[]).map_err(|t| trouble(&host, t))?;
        fds.pop().ok_or_else(|| trouble(&host, "a socket did not arrive: too many open files?"))
    }

    /// Sets the clocks of a host that has clocks of its own, at once for all its processes. What is set stays
    /// through restarts and reboots; [`Skew::default`] is the machine's real-time clock again, and the right rate for the monotonic
    /// ones. On a host that is down it holds from its reboot on.
    pub fn set_clock(&self, host: HostId, skew: &Skew) -> Result<(), HostsError> {
        let host = self.host(host)?;
        let tier = has_clock(&host)?;
        skew.check().map_err(|e| trouble(&host, e))?;
        if tier < ClockTier::Trap && skew.monotonic != MonotonicSkew::default() {
            return Err(trouble(&host, "its monotonic clocks are the machine's: it was made without the trap tier"));
        }
        let mut clock = lock(&host.clock);
        clock.course = clock.course.then(*skew, &Instants::now());
        let Some(words) = &clock.page else { return Ok(()) };
        page::publish(words, &clock.course.slot());
        match (tier, host.machine()) {
            (ClockTier::Trap, Some(machine)) => {
                machine.ask(AgentAsk::ClockWasSet, &[]).map(drop).map_err(|t| trouble(&host, t))
            }
            _ => Ok(()),
        }
    }

    /// Reads the real-time clock of a host that has a clock of its own, as a program started there sees it, and looks which of
    /// its processes live by it. Takes as long as starting a program.
    pub fn read_clock(&self, host: HostId) -> Result<ClockReading, HostsError> {
        let host = self.host(host)?;
        has_clock(&host)?;
        // It is not set while it is being read.
        let clock = lock(&host.clock);
        match up(&host)?.ask(AgentAsk::ReadClock, &[]).map_err(|t| trouble(&host, t))?.0 {
            Answer::Clock(survey) => Ok(ClockReading::of(survey, Sample::take(), &clock.course)),
            _ => Err(trouble(&host, "an answer to another question")),
        }
    }

    /// Has the disk of a host misbehave in these ways and no others: its simulated disk, or its [files](HostSpec::files). A
    /// fault that was there before goes on as it was, its count and draws included.
    pub fn set_disk(&self, host: HostId, faults: &[DiskFault]) -> Result<(), HostsError> {
        let host = self.host(host)?;
        if let Some(disk) = &host.disk {
            return disk.set_faults(faults).map_err(|e| trouble(&host, e));
        }
        let spec = host.spec.files.as_ref().ok_or_else(|| trouble(&host, "it has no simulated disk"))?;
        faults.iter().try_for_each(|fault| spec.check(fault)).map_err(|e| trouble(&host, e))?;
        let mut files = lock(&host.files);
        files.set(faults);
        let Some(machine) = host.machine() else { return Ok(()) };
        machine.ask(AgentAsk::SetFiles(files.left()), &[]).map(drop).map_err(|t| trouble(&host, t))
    }

    /// How often each of them took effect so far.
    pub fn disk_hits(&self, host: HostId) -> Vec<u64> {
        let Ok(host) = self.host(host) else { return Vec::new() };
        match &host.disk {
            Some(disk) => disk.stats().injected,
            None => {
                let files = lock(&host.files);
                let seen = host.machine().map(|machine| machine.file_hits(line::DEADLINE)).unwrap_or_default();
                files.hits(&seen)
            }
        }
    }

    /// Limits what the processes of a host use: to this, and nothing else. What is set stays through restarts and
    /// reboots; on a host that is down it holds from its reboot on. Returns what was read back; nothing from a host that is
    /// down.
    pub fn set_resources(&self, host: HostId, limits: &ResourceLimits) -> Result<Option<ResourceReading>, HostsError> {
        let host = self.host(host)?;
        let mut rations = lock(&host.rations);
        if rations.limits != *limits {
            *rations = Rations { limits: *limits, main: MainLimits::default() };
        }
        let Some(machine) = host.machine() else { return Ok(None) };
        let reading = limit(&machine, &rations).map_err(|t| trouble(&host, t))?;
        rations.learn(&reading);
        Ok(Some(reading))
    }

    /// What the processes of a host use, and what limits them; nothing from a host that is down.
    pub fn read_resources(&self, host: HostId) -> Result<Option<ResourceReading>, HostsError> {
        let host = self.host(host)?;
        let Some(machine) = host.machine() else { return Ok(None) };
        let reading = machine.resources(line::DEADLINE).map_err(|t| trouble(&host, t))?;
        lock(&host.rations).learn(&reading);
        Ok(Some(reading))
    }

    /// Packets that a host sent and that were lost before the wire could read them, since the start: loss that nobody
    /// asked for. Other than 0 it says that the host sent faster than the wire could read.
    pub fn unwanted_loss(&self, host: HostId) -> Result<u64, HostsError> {
        let host = self.host(host)?;
        let port = self.inner.wire.port_drops(host.id).map_err(|e| trouble(&host, e))?;
        let device = match host.machine() {
            Some(machine) => machine.survey(line::DEADLINE).map_err(|t| trouble(&host, t))?.dropped,
            None => 0,
        };
        Ok(port + device + *lock(&host.dropped_before))
    }

    /// The network.
    pub fn wire(&self) -> &Wire {
        &self.inner.wire
    }

    /// Ends of processes, as they happen. Can be taken once.
    pub fn exits(&self) -> Option<Receiver<Exit>> {
        lock(&self.exits).take()
    }

    fn all(&self) -> Vec<Arc<Host>> {
        self.hosts.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn host(&self, id: HostId) -> Result<Arc<Host>, HostsError> {
        let hosts = self.hosts.read().unwrap_or_else(PoisonError::into_inner);
        let unknown = || HostsError::Host { host: format!("#{}", id.0), what: "there is no such host".to_owned() };
        hosts.get(id.0).cloned().ok_or_else(unknown)
    }

    fn check(&self, id: HostId, spec: &HostSpec) -> Result<(), HostsError> {
        let refuse = |what: &str| Err(HostsError::Host { host: spec.name.clone(), what: what.to_owned() });
        if id.0 >= MAX_HOSTS {
            return refuse("a run has at most 254 hosts");
        }
        if spec.clock.is_some_and(|tier| !tier.is_possible()) {
            return refuse("waits until a time can be translated on x86-64 only, so there is no trap tier here");
        }
        for other in self.all() {
            if other.spec.address == spec.address {
                return refuse(&format!("{} has its address {} already", other.spec.name, spec.address));
            }
            if other.spec.address.octets()[..3] != spec.address.octets()[..3] {
                return refuse(&format!("{} is not in the /24 network of {}", spec.address, other.spec.name));
            }
        }
        Ok(())
    }

    /// Makes the machine of a host and connects it.
    fn boot(&self, host: &Arc<Host>) -> Result<(), HostsError> {
        let set_up = self.set_up(&host.spec)?;
        let fresh = self.zygote.clone_agent().map_err(|r| trouble(host, r))?;
        let ready = fresh.set_up(set_up).map_err(|r| trouble(host, r))?;
        self.wind_clock(host, ready.clock_page)?;
        if let (Some(disk), Some((device, processes))) = (&host.disk, ready.disk) {
            disk.attach(device, processes).map_err(|e| trouble(host, e))?;
        }
        let port = if self.rung.tun() {
            Port::Ip(ready.port)
        } else {
            Port::Ethernet { socket: ready.port, mac: setup::hardware_address(host.spec.address) }
        };
        let listener = Ears(Arc::clone(&self.inner));
        let machine = Machine::new(fresh, host, listener).map_err(|e| trouble(host, e))?;
        let rations = lock(&host.rations);
        if rations.limits != ResourceLimits::default() {
            limit(&machine, &rations).map_err(|t| trouble(host, t))?;
        }
        let files = lock(&host.files);
        if host.spec.files.is_some() {
            machine.ask(AgentAsk::SetFiles(files.left()), &[]).map_err(|t| trouble(host, t))?;
        }
        *lock(&host.state) = State::Up(Arc::clone(&machine));
        drop((rations, files));
        let attached = self.inner.wire.attach(host.id, host.spec.address, port);
        attached.map_err(|error| self.not_attached(host, &machine, &error))
    }

    /// A machine that nobody can reach is none: it is down as before, and can be booted again.
    fn not_attached(&self, host: &Host, machine: &Machine, error: &std::io::Error) -> HostsError {
        *lock(&host.state) = State::Down;
        host.disk.iter().for_each(|disk| disk.freeze());
        machine.kill();
        if !machine.wait_gone(DEATH_DEADLINE) {
            return trouble(host, format!("{error}, and its machine does not end"));
        }
        lock(&host.clock).page = None;
        host.cut_disk(&PowerCut::DROP);
        trouble(host, error)
    }

    /// Has the page of a fresh machine say what the host's clock is to be, before anything runs there.
    fn wind_clock(&self, host: &Host, file: Option<OwnedFd>) -> Result<(), HostsError> {
        let mut clock = lock(&host.clock);
        clock.page = file.map(mapping::shared).transpose().map_err(|e| trouble(host, e))?;
        clock.course = clock.course.rebooted(&Instants::now());
        if let Some(words) = &clock.page {
            page::publish(words, &clock.course.slot());
        }
        Ok(())
    }

    fn set_up(&self, spec: &HostSpec) -> Result<SetUp, HostsError> {
        let mut keep = spec.keep.iter().map(|path| absolute(path)).collect::<Result<Vec<_>, _>>()?;
        keep.extend(self.own_program.iter().filter(|program| program.exists()).cloned());
        let clock = spec.clock.map(|tier| ClockSpec { variant: spec.clock_variant, tier });
        let files = spec.files.as_ref().map(|files| Ok(FilesSpec { path: absolute(&files.path)?, ..files.clone() }));
        let files = files.transpose()?;
        let disk = spec.disk.as_ref().map(|disk| absolute(&disk.path)).transpose()?;
        let (name, names) = (spec.name.clone(), spec.names.clone());
        Ok(SetUp { name, address: spec.address, names, keep, disk, serial: 0, clock, files })
    }

    /// Starts the main process. `true` when one runs already.
    fn start_process(&self, host: &Host, process: &ProcessSpec) -> Result<bool, HostsError> {
        let files = [appended(&process.stdout)?, appended(&process.stderr)?];
        let spawn = Spawn {
            argv: process.argv.clone(),
            env: process.env.clone(),
            dir: absolute(&process.dir)?,
            own_program: self.own_program.clone(),
        };
        match up(host)?.ask(AgentAsk::Spawn(spawn), &files.map(OwnedFd::from)).map_err(|t| trouble(host, t))?.0 {
            Answer::Running => Ok(true),
            _ => Ok(false),
        }
    }

    /// Asks a host something that nothing on a crashed host answers with 0.
    fn count(&self, host: HostId, ask: AgentAsk) -> Result<usize, HostsError> {
        let host = self.host(host)?;
        let Some(machine) = host.machine() else { return Ok(0) };
        machine.count(ask).map_err(|t| trouble(&host, t))
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        let hosts = self.all();
        let crash = |host: &Arc<Host>| match std::mem::replace(&mut *lock(&host.state), State::Down) {
            State::Up(machine) => Some(machine),
            State::Down | State::Lost => None,
        };
        let machines: Vec<_> = hosts.iter().filter_map(crash).collect();
        let disks: Vec<_> = hosts.iter().filter_map(|host| host.disk.as_ref()).collect();
        disks.iter().for_each(|disk| disk.freeze());
        machines.iter().for_each(|machine| machine.kill());
        if !disks.is_empty() {
            let deadline = Instant::now() + STUCK_IN_DISK;
            for machine in &machines {
                machine.wait_gone(deadline.saturating_duration_since(Instant::now()));
            }
            disks.iter().for_each(|disk| disk.detach());
        }
        for machine in machines {
            if !machine.wait_gone(DEATH_DEADLINE) {
                tracing::error!("the processes of a host do not die");
            }
        }
    }
}

struct Ears(Arc<Inner>);

impl Listener for Ears {
    fn exit(&self, exit: Exit) {
        // Nobody may want to know.
        let _ = self.0.exits.send(exit);
    }

    fn gone(&self, host: &Arc<Host>, machine: &Arc<Machine>, main: Option<i32>) {
        let mut state = lock(&host.state);
        let unasked = matches!(&*state, State::Up(current) if Arc::ptr_eq(current, machine));
        if unasked {
            // Before anybody can boot it again.
            host.cut_disk(&PowerCut::DROP);
            *state = State::Lost;
        }
        drop(state);
        if unasked {
            tracing::error!(host = host.spec.name, "the agent of a host is gone");
            // The wire ends only with the run.
            let _ = self.0.wire.detach(host.id);
        }
        if let Some(pid) = main {
            let signal = Some(libc::SIGKILL);
            self.exit(Exit { host: host.id, pid, code: None, signal, main: true, expected: !unasked });
        }
    }
}

/// Must be the first thing in `main` of the program: when this process was started as the zygote, it becomes it
/// and never returns.
///
/// The usual test harness has a `main` of its own. Tests that make hosts go into a target with `harness = false`, whose
/// `main` calls this and then runs them, as this crate's own `tests/hosts` does.
pub fn init() {
    let mut arguments = std::env::args_os().skip(1);
    match arguments.next() {
        Some(first) if first == probe::ARGUMENT => probe::run(),
        Some(first) if first == crate::disk::calls::ARGUMENT => crate::disk::calls::run_probe(),
        Some(first) if first == zygote::ARGUMENT => {}
        _ => return,
    }
    let rung = arguments.next().unwrap_or_default();
    let _ended = zygote::run(&rung.to_string_lossy());
    std::process::exit(1);
}

fn limit(machine: &Machine, rations: &Rations) -> Result<ResourceReading, line::Trouble> {
    match machine.ask(AgentAsk::Limit(rations.limits, rations.main), &[])?.0 {
        Answer::Resources(reading) => Ok(reading),
        _ => Err(machine::confused()),
    }
}

fn up(host: &Host) -> Result<Arc<Machine>, HostsError> {
    host.machine().ok_or_else(|| trouble(host, "it is down"))
}

fn has_clock(host: &Host) -> Result<ClockTier, HostsError> {
    host.spec.clock.ok_or_else(|| trouble(host, "it was made without a clock of its own"))
}

fn trouble(host: &Host, what: impl std::fmt::Display) -> HostsError {
    HostsError::Host { host: host.spec.name.clone(), what: what.to_string() }
}

/// Agents stand in the root directory, whatever the controller's is.
fn absolute(path: &Path) -> Result<PathBuf, HostsError> {
    std::path::absolute(path)
        .map_err(|source| HostsError::Io { what: format!("cannot find {}", path.display()), source })
}

fn appended(path: &Path) -> Result<File, HostsError> {
    let opened = OpenOptions::new().create(true).append(true).open(path);
    opened.map_err(|source| HostsError::Io { what: format!("cannot append to {}", path.display()), source })
}
