//! The agent: PID 1 of a host. It makes the host out of its fresh namespaces, starts, counts, signals and reaps the
//! host's processes, and hands out sockets of the host's network. When the controller closes its socket, or dies, or
//! the zygote dies, the agent ends, and the kernel ends everything in its PID namespace with it.

mod clocked;
mod heard;
mod limits;
mod rationed;
mod throttle;

use std::collections::{BTreeMap, VecDeque};
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::rc::Rc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll, ppoll};
use nix::sys::signal::Signal;
use nix::sys::signalfd::SignalFd;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use nix::sys::time::TimeSpec;

use super::Rung;
use super::clock::PageFile;
use super::message::{AgentAsk, Answer, At, Event, Refusal, Reply, Request, SetUp, Spawn, Step, Survey};
use super::processes::{self, Census};
use super::setup;
use super::zygote::child_signals;
use crate::clock::ClockTier;
use crate::clock::calls::Calls;
use crate::clock::follow::{Follower, Outcome};
use crate::clock::inject::Injector;
use crate::clock::waits::Waits;
use crate::disk::calls::Files;
use crate::sys::process::{self, Change, End, signal_all};
use crate::sys::{mapping, ptrace, seqpacket};
use rationed::Rations;

const SEND_DEADLINE: Duration = Duration::from_secs(5);
/// Processes that have been killed are gone within this, unless the kernel itself is stuck.
const DEATH_DEADLINE: Duration = Duration::from_secs(5);

/// The agent's ends of its two sockets.
pub(super) struct Ends {
    /// Questions and answers.
    pub(super) control: OwnedFd,
    /// Events.
    pub(super) events: OwnedFd,
}

/// The clock of a host that has one of its own.
struct Clock {
    tier: ClockTier,
    page: PageFile,
    follower: Follower,
}

/// The end of a process, and what had come of its start if that was seen.
struct Aside {
    end: End,
    outcome: Option<Outcome>,
}

/// PID 1 of a host.
pub(super) struct Agent {
    rung: Rung,
    switch: Option<OwnedFd>,
    ends: Ends,
    signals: SignalFd,
    census: Rc<Census>,
    clock: Option<Clock>,
    /// What becomes of file operations, on a host without a simulated disk whose disk is to fail all the same.
    files: Option<Files>,
    /// On which programs ask about system calls.
    listeners: Vec<Rc<OwnedFd>>,
    main: Option<i32>,
    /// Processes whose ends are no events, and their ends.
    aside: BTreeMap<i32, Option<Aside>>,
    /// Whether processes are ending because they were told to.
    ending: bool,
    rations: Rations,
    unsent: VecDeque<Event>,
}

impl Agent {
    /// Serves until the controller is gone, and ends the host with itself.
    pub(super) fn run(rung: Rung, switch: Option<OwnedFd>, ends: Ends) -> ! {
        let served = nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).map_err(io::Error::from).and_then(|()| {
            let signals = child_signals()?;
            Agent::new(rung, switch, ends, signals).serve()
        });
        std::process::exit(i32::from(served.is_err()));
    }

    fn new(rung: Rung, switch: Option<OwnedFd>, ends: Ends, signals: SignalFd) -> Agent {
        Agent {
            rung,
            switch,
            ends,
            signals,
            census: Rc::new(Census::Own),
            clock: None,
            files: None,
            listeners: Vec::new(),
            main: None,
            aside: BTreeMap::new(),
            ending: false,
            rations: Rations::new(),
            unsent: VecDeque::new(),
        }
    }

    fn serve(&mut self) -> io::Result<()> {
        loop {
            self.wait()?;
            self.tend()?;
            self.ration()?;
            self.send_events()?;
            while self.asked()? {
                let (request, fds) = seqpacket::receive::<Request<AgentAsk>>(&self.ends.control, soon())?;
                let answered = self.answer(request.ask, fds);
                let (answer, fds) = match answered {
                    Ok((answer, fds)) => (Ok(answer), fds),
                    Err(refusal) => (Err(refusal), Vec::new()),
                };
                self.send_events()?;
                let fds: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
                seqpacket::send(&self.ends.control, &Reply { id: request.id, answer }, &fds, soon())?;
            }
        }
    }

    /// Waits for a question, a change of a process, a program about to be started, or room for an event.
    fn wait(&self) -> io::Result<()> {
        let mut fds = self.processes();
        fds.push(PollFd::new(self.ends.control.as_fd(), PollFlags::POLLIN));
        if !self.unsent.is_empty() {
            fds.push(PollFd::new(self.ends.events.as_fd(), PollFlags::POLLOUT));
        }
        let now = Instant::now();
        let held = self.files.as_ref().and_then(|files| files.left(now));
        let patience = self.rations.left(now).into_iter().chain(held).min().map(TimeSpec::from_duration);
        match ppoll(&mut fds, patience, None) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    /// What says that a process wants something.
    fn processes(&self) -> Vec<PollFd<'_>> {
        let listeners = self.listeners.iter().map(|listener| listener.as_fd());
        let signals = std::iter::once(self.signals.as_fd());
        signals.chain(listeners).map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect()
    }

    /// Waits, not long, for a process or for `fd`.
    fn wait_briefly(&self, fd: Option<&OwnedFd>, milliseconds: u8) -> Result<(), Refusal> {
        let mut fds = self.processes();
        fds.extend(fd.map(|fd| PollFd::new(fd.as_fd(), PollFlags::POLLIN)));
        match poll(&mut fds, PollTimeout::from(milliseconds)) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(e) => Err(e).at(Step::StartProcess),
        }
    }

    fn asked(&self) -> io::Result<bool> {
        let mut fds = [PollFd::new(self.ends.control.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, PollTimeout::ZERO) {
            Ok(ready) => Ok(ready > 0),
            Err(Errno::EINTR) => Ok(false),
            Err(e) => Err(e.into()),
        }
    }

    fn answer(&mut self, ask: AgentAsk, fds: Vec<OwnedFd>) -> Result<(Answer, Vec<OwnedFd>), Refusal> {
        let answer = match ask {
            AgentAsk::SetUp(spec) => return self.set_up(&spec),
            AgentAsk::Socket => return Ok((Answer::Done, vec![open_socket().at(Step::Socket)?])),
            AgentAsk::Spawn(spawn) => self.spawn(&spawn, fds)?,
            AgentAsk::Terminate => self.terminate()?,
            AgentAsk::Kill => self.kill()?,
            AgentAsk::Pause => {
                self.rations.pause();
                signal_all(Signal::SIGSTOP).at(Step::Signal)?;
                let census = Rc::clone(&self.census);
                Answer::Count(census.wait_stopped(|| self.tend()).at(Step::CountProcesses)?)
            }
            AgentAsk::Resume => Answer::Count(self.resume()?),
            AgentAsk::Survey => {
                let processes = self.census.count().at(Step::CountProcesses)?;
                Answer::Survey(Survey { processes, dropped: setup::device_drops() })
            }
            AgentAsk::ReadClock => Answer::Clock(self.read_clock()?),
            AgentAsk::ClockWasSet => {
                self.clock.iter_mut().for_each(|clock| clock.follower.clock_was_set());
                Answer::Done
            }
            AgentAsk::SetFiles(faults) => {
                self.files.iter_mut().for_each(|files| files.set(&faults));
                Answer::Done
            }
            AgentAsk::ReadFiles => Answer::Hits(self.files.as_ref().map(Files::hits).unwrap_or_default()),
            AgentAsk::Limit(limits, main) => Answer::Resources(self.limit(&limits, main)?),
            AgentAsk::ReadResources => Answer::Resources(self.read_resources()?),
        };
        Ok((answer, Vec::new()))
    }

    fn set_up(&mut self, spec: &SetUp) -> Result<(Answer, Vec<OwnedFd>), Refusal> {
        let host = setup::become_host(self.rung, self.switch.take(), spec)?;
        self.census = Rc::new(host.census);
        let mut fds = vec![host.port];
        if let (Some(page), Some(clock)) = (host.clock_page, spec.clock) {
            fds.push(page.file.try_clone().at(Step::ClockPage)?);
            let path = CString::new(page.path.as_os_str().as_bytes()).map_err(io::Error::from).at(Step::ClockPage)?;
            let injector = Injector { path, number: page.number, variant: clock.variant };
            let words = || mapping::shared(&page.file).at(Step::ClockPage);
            let waits = match clock.tier {
                ClockTier::Vdso => None,
                ClockTier::Trap => Some(Waits::new(words()?, page.number, page.finder(&self.census)?)),
            };
            let follower = Follower::new(injector, Calls::new(words()?), waits);
            self.clock = Some(Clock { tier: clock.tier, page, follower });
        }
        if let Some(files) = &spec.files {
            if !matches!(*self.census, Census::Own) {
                let detail = "(it takes a /proc of its own)".to_owned();
                return Err(Refusal { step: Step::FailFiles, detail, errno: None });
            }
            self.files = Some(Files::new(files));
        }
        fds.extend(host.disk);
        Ok((Answer::Ready { warnings: host.warnings }, fds))
    }

    fn spawn(&mut self, spawn: &Spawn, fds: Vec<OwnedFd>) -> Result<Answer, Refusal> {
        self.reap().at(Step::StartProcess)?;
        if self.main.is_some() {
            return Ok(Answer::Running);
        }
        let pid = match (&self.clock, &self.files) {
            (None, None) => processes::start(spawn, fds)?,
            _ => self.start_followed(spawn, fds)?,
        };
        self.main = Some(pid);
        self.ending = false;
        self.enforce_limits(false).at(Step::StartProcess)?;
        self.unsent.push_back(Event::Started { pid });
        if let Some(Aside { end, outcome }) = self.aside.remove(&pid).flatten() {
            self.note_end(pid, end, outcome);
        }
        Ok(Answer::Done)
    }

    fn terminate(&mut self) -> Result<Answer, Refusal> {
        self.reap().at(Step::Signal)?;
        let count = self.census.count().at(Step::CountProcesses)?;
        self.ending = true;
        self.rations.run(Instant::now());
        signal_all(Signal::SIGTERM).at(Step::Signal)?;
        // A stopped process does not hear the other signal.
        signal_all(Signal::SIGCONT).at(Step::Signal)?;
        Ok(Answer::Count(count))
    }

    fn kill(&mut self) -> Result<Answer, Refusal> {
        self.reap().at(Step::Signal)?;
        let count = self.census.count().at(Step::CountProcesses)?;
        self.ending = true;
        self.rations.run(Instant::now());
        let deadline = Instant::now() + DEATH_DEADLINE;
        // Whatever is orphaned becomes a child of this process, so no child left means no process left.
        while signal_all(Signal::SIGKILL).at(Step::Signal)? {
            self.reap().at(Step::Signal)?;
            if Instant::now() > deadline {
                return Err(Errno::ETIMEDOUT).at(Step::Signal);
            }
            let mut fds = [PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
            let _ = poll(&mut fds, PollTimeout::from(2u8));
        }
        Ok(Answer::Count(count))
    }

    /// Does what processes wait for: buries the dead, follows the living from program to program.
    fn tend(&mut self) -> io::Result<()> {
        self.reap()?;
        self.answer_calls()?;
        self.files.as_mut().map_or(Ok(()), |files| files.release(Instant::now()))
    }

    /// Reaps everything that has ended, and sees to what has stopped for its tracer.
    fn reap(&mut self) -> io::Result<()> {
        while self.signals.read_signal()?.is_some() {}
        while let Some((pid, _)) = process::next_change()? {
            // A tracee's end is shown to its tracer first, and then to its parent.
            let ours = !self.is_traced(pid) || self.census.is_child(pid);
            match process::take_change(pid)? {
                Some(Change::Stopped { signal, event }) => self.stopped(pid, signal, event),
                Some(Change::Ended(end)) => {
                    let outcome = self.clock.as_mut().and_then(|clock| clock.follower.ended(pid));
                    if ours {
                        self.note_end(pid, end, outcome);
                    }
                }
                None => {}
            }
        }
        Ok(())
    }

    fn stopped(&mut self, pid: i32, signal: i32, event: i32) {
        match &mut self.clock {
            Some(clock) => clock.follower.stopped(pid, signal, event),
            // Nobody traces here; a child that asked to be traced (PTRACE_TRACEME) is let go.
            None => drop(ptrace::detach(pid, signal)),
        }
    }

    fn note_end(&mut self, pid: i32, end: End, outcome: Option<Outcome>) {
        if let Some(slot) = self.aside.get_mut(&pid) {
            *slot = Some(Aside { end, outcome });
            return;
        }
        let main = self.main == Some(pid);
        if main {
            self.main = None;
        }
        let End { code, signal } = end;
        self.unsent.push_back(Event::Ended { pid, code, signal, main, expected: self.ending });
    }

    /// Sends as many events as there is room for.
    fn send_events(&mut self) -> io::Result<()> {
        while let Some(event) = self.unsent.front() {
            match seqpacket::send(&self.ends.events, event, &[], Instant::now()) {
                Ok(()) => drop(self.unsent.pop_front()),
                Err(e) if e.kind() == io::ErrorKind::TimedOut => break,
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}

fn open_socket() -> nix::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    socket(AddressFamily::Inet, SockType::Stream, flags, None)
}

fn soon() -> Instant {
    Instant::now() + SEND_DEADLINE
}
