//! Starting the zygote, and asking it for agents.

use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::channel;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::Rung;
use super::line::{DEADLINE, Line};
use super::message::{AgentAsk, Answer, At, Refusal, SetUp, Step, ZygoteAsk};
use super::zygote::ARGUMENT;
use crate::sys::{process, seqpacket};

/// Set for the zygote, so that a program which forgot [`init`](super::init) does not start itself without end.
const MARK: &str = "SPLITBRAIN_ZYGOTE";
const SHORT_DEADLINE: Duration = Duration::from_secs(5);

/// The zygote of a run. Dropping it ends it and all its agents.
pub(crate) struct Zygote {
    line: Line,
    process: OwnedFd,
    keeper: Option<JoinHandle<()>>,
    serials: AtomicU64,
}

/// A new agent, in namespaces with nothing in them.
pub(super) struct Fresh {
    pub(super) process: OwnedFd,
    pub(super) line: Line,
    pub(super) events: OwnedFd,
    serial: u64,
}

impl Zygote {
    /// Starts this program again as the zygote of a rung, and has it say whether it can make hosts.
    pub(super) fn start(rung: Rung) -> Result<Self, Refusal> {
        if std::env::var_os(MARK).is_some() {
            let detail = "(hosts::init() must be the first call in main)".to_owned();
            return Err(Refusal { step: Step::StartZygote, detail, errno: None });
        }
        let (socket, theirs) = seqpacket::pair().at(Step::StartZygote)?;
        let (process, keeper) = keep(rung, theirs).at(Step::StartZygote)?;
        let line = Line::new(socket);
        let zygote = Zygote { line, process, keeper: Some(keeper), serials: AtomicU64::new(0) };
        let hello = zygote.line.ask(ZygoteAsk::Hello, &[], SHORT_DEADLINE);
        hello.map_err(|trouble| trouble.into_refusal(Step::StartZygote))?;
        Ok(zygote)
    }

    /// A new agent.
    pub(super) fn clone_agent(&self) -> Result<Fresh, Refusal> {
        let asked = self.line.ask(ZygoteAsk::Clone, &[], DEADLINE);
        let (_, fds) = asked.map_err(|trouble| trouble.into_refusal(Step::CloneAgent))?;
        let [process, control, events] = <[OwnedFd; 3]>::try_from(fds).map_err(|_| Refusal {
            step: Step::CloneAgent,
            detail: "(its descriptors did not arrive: too many open files?)".to_owned(),
            errno: None,
        })?;
        let serial = self.serials.fetch_add(1, Relaxed);
        Ok(Fresh { process, line: Line::new(control), events, serial })
    }

    /// Makes one host to see whether it works, and unmakes it. Returns its warnings.
    pub(super) fn try_host(&self) -> Result<Vec<String>, Refusal> {
        let trial = SetUp {
            name: "trial".to_owned(),
            address: Ipv4Addr::new(10, 77, 0, 254),
            names: Default::default(),
            keep: Vec::new(),
            disk: None,
            serial: 0,
            clock: None,
            files: None,
        };
        let fresh = self.clone_agent()?;
        let made = fresh.set_up(trial);
        // What cannot be killed now ends with the zygote.
        let _ = process::kill(&fresh.process);
        let _ = process::wait_end(&fresh.process, SHORT_DEADLINE);
        made.map(|ready| ready.warnings)
    }
}

/// What an agent that has become a host answers.
pub(super) struct Ready {
    /// The other end of its network device.
    pub(super) port: OwnedFd,
    /// The file of its clock's page, if it has a clock of its own.
    pub(super) clock_page: Option<OwnedFd>,
    /// The other end of its simulated disk, if it has one, and its own `/proc`, if it has one.
    pub(super) disk: Option<(OwnedFd, Option<OwnedFd>)>,
    pub(super) warnings: Vec<String>,
}

impl Fresh {
    /// Has the agent become a host.
    pub(super) fn set_up(&self, spec: SetUp) -> Result<Ready, Refusal> {
        let (clocked, disked) = (spec.clock.is_some(), spec.disk.is_some());
        let ask = AgentAsk::SetUp(SetUp { serial: self.serial, ..spec });
        let answer = self.line.ask(ask, &[], DEADLINE);
        match answer.map_err(|trouble| trouble.into_refusal(Step::CloneAgent))? {
            (Answer::Ready { warnings }, fds) if fds.len() > usize::from(clocked) + usize::from(disked) => {
                let mut fds = fds.into_iter();
                let port = fds.next().ok_or_else(no_port)?;
                let clock_page = if clocked { fds.next() } else { None };
                let disk = fds.next().map(|disk| (disk, fds.next()));
                Ok(Ready { port, clock_page, disk, warnings })
            }
            _ => Err(no_port()),
        }
    }
}

fn no_port() -> Refusal {
    Refusal { step: Step::Address, detail: "(its port did not arrive)".to_owned(), errno: None }
}

impl Drop for Zygote {
    fn drop(&mut self) {
        // Only a process that is gone cannot be killed by its descriptor.
        let _ = process::kill(&self.process);
        let _ = self.keeper.take().map(JoinHandle::join);
    }
}

/// Starts the zygote from a thread that lives as long as it does: the zygote dies with its parent *thread*.
fn keep(rung: Rung, socket: OwnedFd) -> std::io::Result<(OwnedFd, JoinHandle<()>)> {
    let (send, receive) = channel();
    let keeper = thread::Builder::new().name("zygote".to_owned()).spawn(move || {
        let mut command = Command::new("/proc/self/exe");
        command.arg0("splitbrain-hosts").args([ARGUMENT, rung.name()]).env(MARK, "1");
        command.stdin(Stdio::from(socket)).stdout(Stdio::null());
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => return drop(send.send(Err(error))),
        };
        drop(command);
        // Nobody listens only if `keep` has returned early, and it does not.
        let _ = send.send(process::descriptor(child.id()));
        let _ = child.wait();
    })?;
    let process = receive.recv().map_err(std::io::Error::other)??;
    Ok((process, keeper))
}
