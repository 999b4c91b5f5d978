//! The agent: PID 1 of a host. It makes the host out of its fresh namespaces, starts, counts, signals and reaps the
//! host's processes, and hands out sockets of the host's network. When the controller closes its socket, or dies, or
//! the zygote dies, the agent ends, and the kernel ends everything in its PID namespace with it.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::sys::signalfd::SignalFd;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};

use super::Rung;
use super::message::{AgentAsk, Answer, At, Event, Refusal, Reply, Request, Spawn, Step, Survey};
use super::processes::{self, Census};
use super::setup;
use super::zygote::child_signals;
use crate::sys::process::signal_all;
use crate::sys::seqpacket;

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

/// PID 1 of a host.
pub(super) struct Agent {
    rung: Rung,
    switch: Option<OwnedFd>,
    ends: Ends,
    signals: SignalFd,
    census: Census,
    main: Option<i32>,
    /// Whether processes are ending because they were told to.
    ending: bool,
    unsent: VecDeque<Event>,
}

impl Agent {
    /// Serves until the controller is gone, and ends the host with itself.
    pub(super) fn run(rung: Rung, switch: Option<OwnedFd>, ends: Ends) -> ! {
        let served = nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).map_err(io::Error::from).and_then(|()| {
            let signals = child_signals()?;
            let unsent = VecDeque::new();
            let census = Census::Own;
            Agent { rung, switch, ends, signals, census, main: None, ending: false, unsent }.serve()
        });
        std::process::exit(i32::from(served.is_err()));
    }

    fn serve(&mut self) -> io::Result<()> {
        loop {
            self.wait()?;
            self.reap()?;
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

    /// Waits for a question, the end of a child, or room for an event.
    fn wait(&self) -> io::Result<()> {
        let mut fds = vec![
            PollFd::new(self.ends.control.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
        ];
        if !self.unsent.is_empty() {
            fds.push(PollFd::new(self.ends.events.as_fd(), PollFlags::POLLOUT));
        }
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(e) => Err(e.into()),
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
            AgentAsk::SetUp(spec) => {
                let host = setup::become_host(self.rung, self.switch.take(), &spec)?;
                self.census = host.census;
                let fds = [host.port].into_iter().chain(host.disk).collect();
                return Ok((Answer::Ready { warnings: host.warnings }, fds));
            }
            AgentAsk::Socket => return Ok((Answer::Done, vec![open_socket().at(Step::Socket)?])),
            AgentAsk::Spawn(spawn) => self.spawn(&spawn, fds)?,
            AgentAsk::Terminate => self.terminate()?,
            AgentAsk::Kill => self.kill()?,
            AgentAsk::Pause => {
                signal_all(Signal::SIGSTOP).at(Step::Signal)?;
                Answer::Count(self.census.wait_stopped().at(Step::CountProcesses)?)
            }
            AgentAsk::Resume => {
                signal_all(Signal::SIGCONT).at(Step::Signal)?;
                Answer::Count(self.census.wait_running().at(Step::CountProcesses)?)
            }
            AgentAsk::Survey => {
                let processes = self.census.count().at(Step::CountProcesses)?;
                Answer::Survey(Survey { processes, dropped: setup::device_drops() })
            }
        };
        Ok((answer, Vec::new()))
    }

    fn spawn(&mut self, spawn: &Spawn, fds: Vec<OwnedFd>) -> Result<Answer, Refusal> {
        self.reap().at(Step::StartProcess)?;
        if self.main.is_some() {
            return Ok(Answer::Running);
        }
        let pid = processes::start(spawn, fds)?;
        self.main = Some(pid);
        self.ending = false;
        self.unsent.push_back(Event::Started { pid });
        Ok(Answer::Done)
    }

    fn terminate(&mut self) -> Result<Answer, Refusal> {
        self.reap().at(Step::Signal)?;
        let count = self.census.count().at(Step::CountProcesses)?;
        self.ending = true;
        signal_all(Signal::SIGTERM).at(Step::Signal)?;
        // A stopped process does not hear the other signal.
        signal_all(Signal::SIGCONT).at(Step::Signal)?;
        Ok(Answer::Count(count))
    }

    fn kill(&mut self) -> Result<Answer, Refusal> {
        self.reap().at(Step::Signal)?;
        let count = self.census.count().at(Step::CountProcesses)?;
        self.ending = true;
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

    /// Reaps everything that has ended.
    fn reap(&mut self) -> io::Result<()> {
        while self.signals.read_signal()?.is_some() {}
        loop {
            let (pid, code, signal) = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, code)) => (pid.as_raw(), Some(code), None),
                Ok(WaitStatus::Signaled(pid, signal, _)) => (pid.as_raw(), None, Some(signal as i32)),
                Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return Ok(()),
                Ok(_) | Err(Errno::EINTR) => continue,
                Err(e) => return Err(e.into()),
            };
            let main = self.main == Some(pid);
            if main {
                self.main = None;
            }
            self.unsent.push_back(Event::Ended { pid, code, signal, main, expected: self.ending });
        }
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
