//! What a host is made of, what happens on it, and what can go wrong.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use super::Rung;
use crate::clock::{ClockTier, Variant};
use crate::disk::{DiskSpec, FilesSpec, Lost};

/// A host of this run, dense from 0 in the order of [`Hosts::add`](super::Hosts::add). It is also its port on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct HostId(pub usize);

/// What to start with.
#[derive(Clone, Debug)]
pub struct HostsConfig {
    /// This rung or none; `None` takes the best that works.
    pub rung: Option<Rung>,
    /// Seed of the wire's per-link random streams.
    pub seed: crate::seed::Seed,
    /// Write every packet that the wire forwards here, and every packet that it drops beside it: `wire.pcap` and
    /// `wire.dropped.pcap`.
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
    /// Paths that must stay visible although `/tmp`, `/var/tmp` and `/dev/shm` are private: data directory, program.
    pub keep: Vec<PathBuf>,
    /// Clocks of its own, which [`Hosts::set_clock`](super::Hosts::set_clock) sets. Costs each of its programs a
    /// millisecond at its start, and each reading of the clock about 2 ns; see [`ClockTier::Trap`] for what that costs.
    pub clock: Option<ClockTier>,
    /// Programs are made to read that clock in this way or none; `None` takes the best that works.
    pub clock_variant: Option<Variant>,
    /// A simulated disk, mounted on an existing directory that only this host sees so.
    pub disk: Option<DiskSpec>,
    /// Instead of a simulated disk: a directory of the machine in which file operations fail, are slow or hang as
    /// [`Hosts::set_disk`](super::Hosts::set_disk) says. Costs each of those operations some microseconds, wherever its file is.
    pub files: Option<FilesSpec>,
}

impl HostSpec {
    /// A host that knows no others, keeps nothing visible, has the machine's clock and no simulated disk.
    pub fn new(name: impl Into<String>, address: Ipv4Addr) -> HostSpec {
        HostSpec {
            name: name.into(),
            address,
            names: BTreeMap::new(),
            keep: Vec::new(),
            clock: None,
            clock_variant: None,
            disk: None,
            files: None,
        }
    }
}

/// A process to be started on a host.
#[derive(Clone, Debug)]
pub struct ProcessSpec {
    /// Program and arguments. A name without a slash is looked up in the `PATH` of `env`; a relative path starts at
    /// `dir`.
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

/// What a machine crash took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Crashed {
    /// Processes that ended with it.
    pub processes: usize,
    /// What its simulated disk lost.
    pub lost: Lost,
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
    /// Whether it is the process started by [`Hosts::spawn`](super::Hosts::spawn) (others are its children, reported
    /// only if they outlived their parent).
    pub main: bool,
    /// Whether [`Hosts`](super::Hosts) itself ended it (kill, crash, stop).
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
