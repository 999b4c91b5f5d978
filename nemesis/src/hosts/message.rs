//! What the controller, the zygote and the agents say to each other.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::resources::{MainLimits, ResourceLimits, ResourceReading};
use crate::clock::{ClockSurvey, ClockTier, Variant};
use crate::disk::{DiskFault, FilesSpec};

/// A question, numbered so that a late answer to an earlier one is not taken for this one's.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Request<A> {
    pub(crate) id: u64,
    pub(crate) ask: A,
}

/// The answer to the question of the same number.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Reply {
    pub(crate) id: u64,
    pub(crate) answer: Result<Answer, Refusal>,
}

/// Asked of the zygote.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ZygoteAsk {
    /// Whether it could make itself a place for hosts.
    Hello,
    /// A new agent in new namespaces. Its descriptors: process, control, events.
    Clone,
}

/// Asked of an agent.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum AgentAsk {
    /// Become this host. The descriptors of the answer: its port; with a clock the file of the clock's page; with a disk
    /// also its disk and, if it has one, its own `/proc`.
    SetUp(SetUp),
    /// Start the main process; descriptors: standard output, standard error.
    Spawn(Spawn),
    /// SIGTERM to all, stopped ones included.
    Terminate,
    /// SIGKILL to all; answered when all are gone.
    Kill,
    /// SIGSTOP to all; answered when the kernel shows them stopped.
    Pause,
    /// SIGCONT to all; answered when the kernel shows none stopped.
    Resume,
    /// What runs.
    Survey,
    /// A TCP socket of this host: the descriptor of the answer.
    Socket,
    /// What this host's clock shows to its programs, and which of them read it.
    ReadClock,
    /// This host's clock shows something else from now on: whoever waits for it waits anew.
    ClockWasSet,
    /// File operations meet these faults from now on, and no others.
    SetFiles(Vec<DiskFault>),
    /// How often each of them took effect.
    ReadFiles,
    /// Limit what the processes use, to this and nothing else.
    Limit(ResourceLimits, MainLimits),
    /// What the processes use, and what limits them.
    ReadResources,
}

/// What an agent needs to become a host.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SetUp {
    pub(crate) name: String,
    pub(crate) address: Ipv4Addr,
    pub(crate) names: BTreeMap<String, Ipv4Addr>,
    pub(crate) keep: Vec<PathBuf>,
    /// Where its simulated disk is mounted.
    pub(crate) disk: Option<PathBuf>,
    /// Unique among the hosts that one zygote ever made.
    pub(crate) serial: u64,
    pub(crate) clock: Option<ClockSpec>,
    pub(crate) files: Option<FilesSpec>,
}

/// A clock of its own for a host.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct ClockSpec {
    /// How programs are made to read it; `None` is the best that works.
    pub(crate) variant: Option<Variant>,
    pub(crate) tier: ClockTier,
}

/// A process to start.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Spawn {
    pub(crate) argv: Vec<String>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) dir: PathBuf,
    /// The path of the running program, as its user calls it.
    pub(crate) own_program: Option<PathBuf>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    Done,
    Ready {
        /// What could not be made as it should be, though the host works.
        warnings: Vec<String>,
    },
    /// The main process runs already.
    Running,
    Count(usize),
    Survey(Survey),
    Clock(ClockSurvey),
    Resources(ResourceReading),
    Hits(Vec<u64>),
}

/// What an agent sees of its host.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Survey {
    /// The agent and the dead not counted.
    pub(crate) processes: usize,
    /// Packets that the host's device has dropped because its queue was full.
    pub(crate) dropped: u64,
}

/// Said by an agent unasked.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Event {
    Started { pid: i32 },
    Ended { pid: i32, code: Option<i32>, signal: Option<i32>, main: bool, expected: bool },
}

/// What could not be done, and what the kernel said.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Refusal {
    pub(crate) step: Step,
    /// A path or a name, or what happened instead, where the step alone does not say it.
    pub(crate) detail: String,
    pub(crate) errno: Option<i32>,
}

/// The steps at which a machine may say no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Step {
    StartZygote,
    UserNamespace,
    UidMap,
    SwitchNamespace,
    CloneAgent,
    PrivateMounts,
    KeepPath,
    PrivateDirectory,
    HostsFile,
    HostName,
    Loopback,
    OpenTun,
    AttachTun,
    Veth,
    PacketSocket,
    Address,
    MountDisk,
    Directory,
    StartProcess,
    Signal,
    CountProcesses,
    Socket,
    ClockPage,
    FailFiles,
    FollowPrograms,
    ReadClock,
    ReadResources,
}

impl Step {
    fn words(self) -> &'static str {
        match self {
            Step::StartZygote => "start the program again as the zygote",
            Step::UserNamespace => "make a user namespace",
            Step::UidMap => "map the user into the user namespace",
            Step::SwitchNamespace => "make the switch's network namespace",
            Step::CloneAgent => "make network, mount, UTS, IPC and PID namespaces",
            Step::PrivateMounts => "make the mounts private",
            Step::KeepPath => "keep visible",
            Step::PrivateDirectory => "mount a private",
            Step::HostsFile => "give the host its /etc/hosts",
            Step::HostName => "set the host name",
            Step::Loopback => "bring up lo",
            Step::OpenTun => "open /dev/net/tun",
            Step::AttachTun => "make a TUN device",
            Step::Veth => "make a veth pair",
            Step::PacketSocket => "open an AF_PACKET socket",
            Step::Address => "configure eth0",
            Step::MountDisk => "mount a simulated disk on",
            Step::Directory => "enter the directory",
            Step::StartProcess => "start",
            Step::Signal => "signal the processes",
            Step::CountProcesses => "count the processes",
            Step::Socket => "open a socket",
            Step::ClockPage => "give the host a clock of its own",
            Step::FailFiles => "have file operations fail",
            Step::FollowPrograms => "follow programs from exec to exec",
            Step::ReadClock => "read the host's clock",
            Step::ReadResources => "read what the processes use",
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cannot {}", self.step.words())?;
        if !self.detail.is_empty() {
            write!(f, " {}", self.detail)?;
        }
        match self.errno {
            Some(errno) => write!(f, ": {}", io::Error::from_raw_os_error(errno)),
            None => Ok(()),
        }
    }
}

/// Names the step at which an operating system error happened.
pub(crate) trait At<T> {
    fn at(self, step: Step) -> Result<T, Refusal>;
    fn at_path(self, step: Step, detail: impl Into<String>) -> Result<T, Refusal>;
}

impl<T, E: Into<io::Error>> At<T> for Result<T, E> {
    fn at(self, step: Step) -> Result<T, Refusal> {
        self.at_path(step, "")
    }

    fn at_path(self, step: Step, detail: impl Into<String>) -> Result<T, Refusal> {
        self.map_err(|error| {
            let error: io::Error = error.into();
            let mut detail: String = detail.into();
            if error.raw_os_error().is_none() {
                detail = format!("{detail} ({error})").trim_start().to_owned();
            }
            Refusal { step, detail, errno: error.raw_os_error() }
        })
    }
}
