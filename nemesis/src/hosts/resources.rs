//! How much of the machine the processes of a host get: what is wanted, and what was read back.
//!
//! # Processor
//!
//! A *duty cycle*: everything on the host is stopped (SIGSTOP) and continued (SIGCONT) in turns of 50 ms, so that it runs in
//! the wanted share of the time. That is what a virtual machine on a crowded server gets, and it needs no right that a
//! cgroup would need. A turn that lasted longer than it should, because the agent itself did not get the processor,
//! is followed by a stop that is longer in proportion: the share is kept, the period is not.
//!
//! ```text
//!   wanted 20 %    stopped 40 ms        10 ms    stopped 40 ms        13 ms     stopped 52 ms
//!                 |....................|=====|....................|=======|..........................|=====
//! ```
//!
//! # Memory and descriptors
//!
//! A limit that bites is a little above what a process uses at that moment: a *headroom*, on the address space
//! (RLIMIT_AS: `mmap` and `brk` fail with ENOMEM) and on open descriptors (RLIMIT_NOFILE: `open`, `socket` and `accept` fail
//! with EMFILE). Only the soft limit is lowered, since an ordinary user could not raise the hard one again; a program that
//! raises its own, as Go's runtime does when it starts, finds it lowered again within a tenth of a second.
//!
//! Children inherit the limit. A main process that is started again gets what the one before it had: the machine has become no
//! larger. One that had none before it (the node was down when the limit came) is limited half a second after its
//! start, to a little more than it uses then.
//!
//! # What it does not do
//!
//! - A program that is continued may see EINTR from calls such as `epoll_wait` (signal(7) lists them), as after any stop.
//! - A process that was stopped by somebody else, such as a debugger, is continued by the next turn.
//! - Memory is what a process maps, not what it touches: there is no OOM killer here.

use serde::{Deserialize, Serialize};

/// What the processes of a host may use; nothing is limited by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceLimits {
    /// They run in this share of the time, percent from 1 to 99.
    pub cpu_percent: Option<u8>,
    /// Bytes of address space that each process may have beyond what it has when the limit comes.
    pub memory_headroom: Option<u64>,
    /// Descriptors that each process may open beyond those that it has when the limit comes.
    pub descriptor_headroom: Option<u64>,
}

/// What the processes of a host use, and what limits them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceReading {
    /// Time that has passed since the machine's start, ms.
    pub wall_ms: u64,
    /// Processor time that its processes used since then, the dead included, ms; the kernel counts in steps of 10 ms.
    pub cpu_ms: u64,
    /// How often all of them were stopped to keep their share.
    pub stops: u64,
    /// How many of them are stopped now.
    pub stopped: usize,
    /// Each of them.
    pub processes: Vec<ProcessResources>,
}

/// What one process uses, and what limits it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessResources {
    /// Its pid inside the host.
    pub pid: i32,
    /// Whether it is the process started by [`Hosts::spawn`](super::Hosts::spawn).
    pub main: bool,
    /// Bytes of address space.
    pub memory: Usage,
    /// Open descriptors.
    pub descriptors: Usage,
}

/// How much of one thing a process uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// How much it uses now.
    pub used: u64,
    /// Its soft limit, as the kernel has it; none if there is no limit.
    pub limit: Option<u64>,
    /// Whether the limit was lowered by [`Hosts::set_resources`](super::Hosts::set_resources).
    pub lowered: bool,
}

/// The limits that the main process of a host had: the next one gets them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MainLimits {
    pub(crate) memory: Option<u64>,
    pub(crate) descriptors: Option<u64>,
}

impl ResourceReading {
    /// The limits of the main process, as far as they were lowered; none if it does not run.
    pub(crate) fn main_limits(&self) -> Option<MainLimits> {
        let lowered = |usage: Usage| usage.limit.filter(|_| usage.lowered);
        let main = self.processes.iter().find(|process| process.main)?;
        Some(MainLimits { memory: lowered(main.memory), descriptors: lowered(main.descriptors) })
    }
}
