//! The zygote: this program once more, single-threaded, in the user namespace of the run, cloning agents.
//!
//! It exists because a process with threads can neither make a user namespace for itself nor be cloned safely, and the
//! controller has threads. It reads questions from its standard input, a socket, and ends when that is closed.

use std::convert::Infallible;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};

use super::Rung;
use super::agent::{self, Agent};
use super::message::{Answer, At, Refusal, Reply, Request, Step, ZygoteAsk};
use crate::sys::process::{Cloned, clone_into, close_inherited};
use crate::sys::seqpacket;

/// The first argument of a program that is to become the zygote; the second is the rung.
pub(super) const ARGUMENT: &str = "__zygote";

const SEND_DEADLINE: Duration = Duration::from_secs(5);

/// Becomes the zygote. Returns only what made it impossible.
pub(super) fn run(rung: &str) -> io::Error {
    close_inherited();
    let Some(rung) = Rung::ALL.into_iter().find(|r| r.name() == rung) else {
        return io::Error::new(ErrorKind::InvalidInput, format!("no rung '{rung}'"));
    };
    match prepare().and_then(|socket| Zygote::new(rung, socket)) {
        Ok(zygote) => match zygote.serve() {
            Err(error) => error,
        },
        Err(error) => error,
    }
}

/// Leaves the terminal, dies with the controller, and takes the socket away from standard input.
fn prepare() -> io::Result<OwnedFd> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
    // A process that leads its group already has left the terminal.
    let _ = nix::unistd::setsid();
    std::env::set_current_dir("/")?;
    let socket = io::stdin().as_fd().try_clone_to_owned()?;
    nix::unistd::dup2_stdin(fs::File::open("/dev/null")?)?;
    Ok(socket)
}

struct Zygote {
    rung: Rung,
    socket: OwnedFd,
    signals: SignalFd,
    /// The network namespace in which the far ends of the veth pairs live: this process's own.
    switch: Option<OwnedFd>,
    /// Whether this is a place for hosts.
    place: Result<(), Refusal>,
}

impl Zygote {
    fn new(rung: Rung, socket: OwnedFd) -> io::Result<Self> {
        let signals = child_signals()?;
        let mut zygote = Zygote { rung, socket, signals, switch: None, place: Ok(()) };
        zygote.place = zygote.make_place();
        Ok(zygote)
    }

    fn make_place(&mut self) -> Result<(), Refusal> {
        if self.rung.user_namespace() {
            enter_user_namespace()?;
            // A change of credentials may have cleared it.
            nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).at(Step::UserNamespace)?;
        }
        if !self.rung.tun() {
            self.switch = Some(enter_switch_namespace().at(Step::SwitchNamespace)?);
        }
        Ok(())
    }

    /// Serves until the controller is gone. In a new agent it never returns either.
    fn serve(mut self) -> io::Result<Infallible> {
        loop {
            let mut fds = [
                PollFd::new(self.socket.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut fds, PollTimeout::NONE) {
                Err(nix::errno::Errno::EINTR) => continue,
                other => other?,
            };
            let asked = fds[0].revents().is_some_and(|events| !events.is_empty());
            self.bury()?;
            if !asked {
                continue;
            }
            if let Some(ends) = self.answer()? {
                let Zygote { rung, switch, .. } = self;
                Agent::run(rung, switch, ends);
            }
        }
    }

    /// Answers one question. In a new agent it returns the agent's ends.
    fn answer(&mut self) -> io::Result<Option<agent::Ends>> {
        let (request, _) = seqpacket::receive::<Request<ZygoteAsk>>(&self.socket, Instant::now() + SEND_DEADLINE)?;
        let mut fds = Vec::new();
        let answer = match (&self.place, request.ask) {
            (Err(refusal), _) => Err(refusal.clone()),
            (Ok(()), ZygoteAsk::Hello) => Ok(Answer::Done),
            (Ok(()), ZygoteAsk::Clone) => match clone_agent() {
                Ok(Clone::Agent(ends)) => return Ok(Some(ends)),
                Ok(Clone::Zygote(theirs)) => {
                    fds.extend(theirs);
                    Ok(Answer::Done)
                }
                Err(error) => Err(error).at(Step::CloneAgent),
            },
        };
        let borrowed: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
        seqpacket::send(&self.socket, &Reply { id: request.id, answer }, &borrowed, Instant::now() + SEND_DEADLINE)?;
        Ok(None)
    }

    /// Buries dead agents.
    fn bury(&self) -> io::Result<()> {
        while self.signals.read_signal()?.is_some() {}
        while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            if status == WaitStatus::StillAlive {
                break;
            }
        }
        Ok(())
    }
}

enum Clone {
    Zygote([OwnedFd; 3]),
    Agent(agent::Ends),
}

fn clone_agent() -> io::Result<Clone> {
    let (control, agent_control) = seqpacket::pair()?;
    let (events, agent_events) = seqpacket::pair()?;
    let namespaces = CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWPID;
    Ok(match clone_into(namespaces)? {
        Cloned::Parent(process) => Clone::Zygote([process, control, events]),
        Cloned::Child => Clone::Agent(agent::Ends { control: agent_control, events: agent_events }),
    })
}

/// The user keeps their number inside, so that servers which refuse to run as root run, and files belong to whom they
/// should. The capabilities that come with the namespace are lost at exec, which is as well for the servers.
fn enter_user_namespace() -> Result<(), Refusal> {
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    unshare(CloneFlags::CLONE_NEWUSER).at(Step::UserNamespace)?;
    // Kernels that do not have the file (before 3.19) do not need it.
    let _ = fs::write("/proc/self/setgroups", "deny");
    fs::write("/proc/self/uid_map", format!("{uid} {uid} 1\n")).at(Step::UidMap)?;
    fs::write("/proc/self/gid_map", format!("{gid} {gid} 1\n")).at(Step::UidMap)
}

fn enter_switch_namespace() -> io::Result<OwnedFd> {
    unshare(CloneFlags::CLONE_NEWNET)?;
    // Only to keep neighbour discovery off the wire; /proc/sys may be read-only in a container.
    let _ = fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
    Ok(fs::File::open("/proc/self/ns/net")?.into())
}

/// A descriptor that becomes readable when a child has ended.
pub(super) fn child_signals() -> io::Result<SignalFd> {
    let mut set = SigSet::empty();
    set.add(Signal::SIGCHLD);
    set.thread_set_mask()?;
    Ok(SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?)
}
