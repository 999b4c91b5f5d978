//! The machine inside the machine. (interface first; being written)

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::mpsc::Receiver;

use crate::wire::Wire;

/// A host of this run, dense from 0 in the order of [`Hosts::add`]. It is also its port on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct HostId(pub usize);

/// How the hosts are made on this machine, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rung {
    /// Unprivileged user namespace, TUN ports.
    UserTun,
    /// Unprivileged user namespace, veth + AF_PACKET ports.
    UserPacket,
    /// Root (or capabilities), TUN ports.
    RootTun,
    /// Root (or capabilities), veth + AF_PACKET ports.
    RootPacket,
}

/// What to start with.
#[derive(Clone, Debug)]
pub struct HostsConfig {
    /// This rung or none; `None` takes the best that works.
    pub rung: Option<Rung>,
    /// Seed of the wire's per-link random streams.
    pub seed: crate::seed::Seed,
    /// Write every packet that the wire forwards or drops here.
    pub pcap: Option<PathBuf>,
}

/// One host to be made.
#[derive(Clone, Debug)]
pub struct HostSpec {
    /// Its host name.
    pub name: String,
    /// Its address; the mask is /24 and every host of a run shares the network.
    pub address: Ipv4Addr,
    /// Name → address, for `/etc/hosts`.
    pub names: BTreeMap<String, Ipv4Addr>,
    /// Paths that must stay visible although `/tmp` and `/var/tmp` are private: data directory, program.
    pub keep: Vec<PathBuf>,
}

/// A process to be started on a host.
#[derive(Clone, Debug)]
pub struct ProcessSpec {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// The whole environment.
    pub env: BTreeMap<String, String>,
    /// Working directory.
    pub dir: PathBuf,
    /// Standard output and standard error are appended to these files.
    pub stdout: PathBuf,
    /// See `stdout`.
    pub stderr: PathBuf,
}

/// A process of a host ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// Where.
    pub host: HostId,
    /// Its pid inside the host.
    pub pid: i32,
    /// Its exit code, or none if a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Whether it is the process started by [`Hosts::spawn`] (others are its children).
    pub main: bool,
    /// Whether [`Hosts`] itself ended it (kill, crash, stop).
    pub expected: bool,
}

/// What went wrong, and what to type.
#[derive(Debug, thiserror::Error)]
pub enum HostsError {
    /// No rung of the ladder works here.
    #[error("{what}")]
    Unavailable {
        /// What was tried and what the kernel said.
        what: String,
        /// What to type.
        remedy: String,
    },
    /// A host could not be made or does not answer.
    #[error("host {host}: {what}")]
    Host {
        /// Which.
        host: String,
        /// What.
        what: String,
    },
    /// The operating system refused.
    #[error("{what}")]
    Io {
        /// What was attempted.
        what: String,
        /// What it said.
        #[source]
        source: std::io::Error,
    },
}

/// All hosts of a run. Dropping it ends every process and namespace of the run.
pub struct Hosts {
    _private: (),
}

#[allow(clippy::unimplemented)]
impl Hosts {
    /// Starts the wire and the zygote. No host exists yet.
    pub fn start(_config: HostsConfig) -> Result<Hosts, HostsError> {
        unimplemented!()
    }
    /// How the hosts are made.
    pub fn rung(&self) -> Rung {
        unimplemented!()
    }
    /// Makes a host and connects it to the wire. Waits until it is up.
    pub fn add(&self, _spec: HostSpec) -> Result<HostId, HostsError> {
        unimplemented!()
    }
    /// Starts the main process of a host and remembers how, for [`Hosts::restart`].
    pub fn spawn(&self, _host: HostId, _process: ProcessSpec) -> Result<(), HostsError> {
        unimplemented!()
    }
    /// Starts the main process again, as it was started before. Does nothing when it runs.
    pub fn restart(&self, _host: HostId) -> Result<(), HostsError> {
        unimplemented!()
    }
    /// Ends all processes of a host with SIGTERM and, after `grace_ms`, SIGKILL.
    pub fn stop(&self, _host: HostId, _grace_ms: u64) -> Result<(), HostsError> {
        unimplemented!()
    }
    /// Process crash: SIGKILL to all its processes; the host's network stays and refuses connections. Returns how
    /// many processes it ended.
    pub fn kill(&self, _host: HostId) -> Result<usize, HostsError> {
        unimplemented!()
    }
    /// Machine crash: the host is gone, silently, with all its processes. Returns how many processes it ended.
    pub fn crash(&self, _host: HostId) -> Result<usize, HostsError> {
        unimplemented!()
    }
    /// A crashed host comes back at the same address, with the same files and no processes.
    pub fn reboot(&self, _host: HostId) -> Result<(), HostsError> {
        unimplemented!()
    }
    /// SIGSTOP to all processes of a host. Returns how many are stopped now, as read back from the kernel.
    pub fn pause(&self, _host: HostId) -> Result<usize, HostsError> {
        unimplemented!()
    }
    /// SIGCONT to all processes of a host.
    pub fn resume(&self, _host: HostId) -> Result<usize, HostsError> {
        unimplemented!()
    }
    /// How many processes run on a host, its agent not counted; 0 when it is crashed.
    pub fn process_count(&self, _host: HostId) -> Result<usize, HostsError> {
        unimplemented!()
    }
    /// A new TCP socket (IPv4, non-blocking, close-on-exec, not connected) that lives in the host's network.
    pub fn socket(&self, _host: HostId) -> Result<OwnedFd, HostsError> {
        unimplemented!()
    }
    /// The network.
    pub fn wire(&self) -> &Wire {
        unimplemented!()
    }
    /// Ends of processes, as they happen. Can be taken once.
    pub fn exits(&self) -> Option<Receiver<Exit>> {
        unimplemented!()
    }
}

/// Must be the first thing in `main` of the program: when this process was started as the zygote, it becomes it
/// and never returns.
pub fn init() {}
