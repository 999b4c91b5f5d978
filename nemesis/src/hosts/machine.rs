//! One host as the controller holds it: its agent, and the thread that hears of its processes.

use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::launch::Fresh;
use super::line::{DEADLINE, Line, Trouble};
use super::message::{AgentAsk, Answer, Event, Survey};
use super::resources::{MainLimits, ResourceLimits, ResourceReading};
use super::{Exit, HostId, HostSpec, ProcessSpec};
use crate::clock::Course;
use crate::disk::{Disk, DiskFault, Lost, PowerCut};
use crate::sys::mapping::Words;
use crate::sys::{process, seqpacket};

/// The kernel ends a PID namespace within milliseconds, unless a process is in the middle of a slow device operation.
pub(super) const DEATH_DEADLINE: Duration = Duration::from_secs(10);
const FOREVER: Duration = Duration::from_secs(24 * 3600);

/// A host, up or down.
pub(super) struct Host {
    pub(super) id: HostId,
    pub(super) spec: HostSpec,
    pub(super) disk: Option<Arc<Disk>>,
    pub(super) process: Mutex<Option<ProcessSpec>>,
    pub(super) state: Mutex<State>,
    /// Packets dropped by devices that this host had before it crashed.
    pub(super) dropped_before: Mutex<u64>,
    pub(super) clock: Mutex<Clock>,
    pub(super) rations: Mutex<Rations>,
    pub(super) files: Mutex<FileFaults>,
    ends: Mutex<u64>,
    ended: Condvar,
}

/// The clock of a host: what it is to be, and, while the host is up and if it has a clock of its own, the page that says
/// so.
#[derive(Default)]
pub(super) struct Clock {
    pub(super) course: Course,
    pub(super) page: Option<Words>,
}

/// What its processes may use, and what its last main process was limited to.
#[derive(Default)]
pub(super) struct Rations {
    pub(super) limits: ResourceLimits,
    pub(super) main: MainLimits,
}

impl Rations {
    pub(super) fn learn(&mut self, reading: &ResourceReading) {
        self.main = reading.main_limits().unwrap_or(self.main);
    }
}

/// The faults that file operations of a host without a simulated disk meet, and how often each took effect on machines that
/// are gone.
#[derive(Default)]
pub(super) struct FileFaults(Vec<(DiskFault, u64)>);

impl FileFaults {
    /// These from now on. One that was there before keeps its count.
    pub(super) fn set(&mut self, faults: &[DiskFault]) {
        let mut old = std::mem::take(&mut self.0);
        let kept = |fault: &DiskFault| {
            let same = old.iter().position(|(other, _)| other == fault);
            same.map_or_else(|| (fault.clone(), 0), |at| old.remove(at))
        };
        self.0 = faults.iter().map(kept).collect();
    }

    /// What this machine's agent has to know: of those that happen a number of times, how many are left.
    pub(super) fn left(&self) -> Vec<DiskFault> {
        let left = |(fault, before): &(DiskFault, u64)| DiskFault {
            count: fault.count.map(|count| count.saturating_sub(*before)),
            ..fault.clone()
        };
        self.0.iter().map(left).collect()
    }

    /// In all, given what this machine's agent has seen.
    pub(super) fn hits(&self, seen: &[u64]) -> Vec<u64> {
        let seen = seen.iter().copied().chain(std::iter::repeat(0));
        self.0.iter().zip(seen).map(|((_, before), seen)| before + seen).collect()
    }

    /// The machine goes, and this was seen of it.
    pub(super) fn close(&mut self, seen: &[u64]) {
        for ((_, before), seen) in self.0.iter_mut().zip(seen) {
            *before += seen;
        }
    }
}

pub(super) enum State {
    /// It runs.
    Up(Arc<Machine>),
    /// It was crashed.
    Down,
    /// It is gone and nobody asked for it.
    Lost,
}

/// The running part of a host: everything that a crash takes away.
pub(super) struct Machine {
    line: Line,
    process: OwnedFd,
    ears: Mutex<Option<JoinHandle<()>>>,
}

impl Host {
    pub(super) fn new(id: HostId, spec: HostSpec) -> std::io::Result<Self> {
        let disk = spec.disk.clone().map(|disk| Disk::new(disk, &spec.name)).transpose()?.map(Arc::new);
        Ok(Host {
            id,
            spec,
            disk,
            process: Mutex::new(None),
            state: Mutex::new(State::Down),
            dropped_before: Mutex::new(0),
            clock: Mutex::default(),
            rations: Mutex::default(),
            files: Mutex::default(),
            ends: Mutex::new(0),
            ended: Condvar::new(),
        })
    }

    /// Cuts the power of its disk, if it has one.
    pub(super) fn cut_disk(&self, cut: &PowerCut) -> Lost {
        self.disk.as_ref().map_or_else(Lost::default, |disk| disk.power_cut(cut))
    }

    /// The machine, if it is up.
    pub(super) fn machine(&self) -> Option<Arc<Machine>> {
        match &*lock(&self.state) {
            State::Up(machine) => Some(Arc::clone(machine)),
            State::Down | State::Lost => None,
        }
    }

    /// How many of its processes have ended so far.
    pub(super) fn ends(&self) -> u64 {
        *lock(&self.ends)
    }

    /// Waits until more than `seen` of its processes have ended, or `patience` is over.
    pub(super) fn wait_end(&self, seen: u64, patience: Duration) {
        let ends = lock(&self.ends);
        let _ = self.ended.wait_timeout_while(ends, patience, |ends| *ends <= seen);
    }

    fn note_end(&self) {
        *lock(&self.ends) += 1;
        self.ended.notify_all();
    }
}

impl Machine {
    /// Takes over an agent that has become a host. `listener` hears of the ends of processes, and at last of the
    /// end of the machine.
    pub(super) fn new(fresh: Fresh, host: &Arc<Host>, listener: impl Listener) -> std::io::Result<Arc<Self>> {
        let Fresh { process, line, events, .. } = fresh;
        let machine = Arc::new(Machine { line, process, ears: Mutex::new(None) });
        let (host, weak) = (Arc::clone(host), Arc::downgrade(&machine));
        let name = format!("host {}", host.spec.name);
        let ears = thread::Builder::new().name(name).spawn(move || {
            let main = hear(&events, &host, &listener);
            if let Some(machine) = weak.upgrade() {
                listener.gone(&host, &machine, main);
            }
        })?;
        *lock(&machine.ears) = Some(ears);
        Ok(machine)
    }

    pub(super) fn ask(&self, ask: AgentAsk, fds: &[OwnedFd]) -> Result<(Answer, Vec<OwnedFd>), Trouble> {
        self.line.ask(ask, fds, DEADLINE)
    }

    /// A question whose answer is a number.
    pub(super) fn count(&self, ask: AgentAsk) -> Result<usize, Trouble> {
        match self.ask(ask, &[])?.0 {
            Answer::Count(count) => Ok(count),
            _ => Err(confused()),
        }
    }

    pub(super) fn survey(&self, patience: Duration) -> Result<Survey, Trouble> {
        match self.line.ask(AgentAsk::Survey, &[], patience)?.0 {
            Answer::Survey(survey) => Ok(survey),
            _ => Err(confused()),
        }
    }

    pub(super) fn resources(&self, patience: Duration) -> Result<ResourceReading, Trouble> {
        match self.line.ask(AgentAsk::ReadResources, &[], patience)?.0 {
            Answer::Resources(reading) => Ok(reading),
            _ => Err(confused()),
        }
    }

    /// How often each fault of file operations took effect since this machine started; nothing is seen of one that does not
    /// answer.
    pub(super) fn file_hits(&self, patience: Duration) -> Vec<u64> {
        match self.line.ask(AgentAsk::ReadFiles, &[], patience) {
            Ok((Answer::Hits(hits), _)) => hits,
            _ => Vec::new(),
        }
    }

    /// Ends the agent, and thereby everything on the host. Does not wait.
    pub(super) fn kill(&self) {
        // Only a process that is gone cannot be killed by its descriptor.
        let _ = process::kill(&self.process);
    }

    /// Waits until everything on the host has ended and has been told to the listener.
    pub(super) fn wait_gone(&self, patience: Duration) -> bool {
        let gone = process::wait_end(&self.process, patience).unwrap_or(false);
        if gone && let Some(ears) = lock(&self.ears).take() {
            // A panic of the thread has been reported by its hook.
            let _ = ears.join();
        }
        gone
    }
}

/// Whoever hears of the ends of processes.
pub(super) trait Listener: Send + 'static {
    /// A process ended.
    fn exit(&self, exit: Exit);
    /// The machine is gone; `main` is its main process if that ran until then.
    fn gone(&self, host: &Arc<Host>, machine: &Arc<Machine>, main: Option<i32>);
}

/// Listens until the agent is gone. Returns the main process if it ran until then.
fn hear(events: &OwnedFd, host: &Host, listener: &impl Listener) -> Option<i32> {
    let mut running = None;
    loop {
        match seqpacket::receive::<Event>(events, Instant::now() + FOREVER) {
            Ok((Event::Started { pid }, _)) => running = Some(pid),
            Ok((Event::Ended { pid, code, signal, main, expected }, _)) => {
                if main {
                    running = None;
                }
                listener.exit(Exit { host: host.id, pid, code, signal, main, expected });
                host.note_end();
            }
            Err(error) if error.kind() == ErrorKind::TimedOut => {}
            Err(_) => return running,
        }
    }
}

pub(super) fn confused() -> Trouble {
    Trouble::Silent(std::io::Error::other("an answer to another question"))
}

/// Nothing is left half-changed under these locks, so a poisoned one is as good as any.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
