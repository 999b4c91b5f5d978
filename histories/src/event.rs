//! One line of a history: an invocation or a completion, by a process or by the nemesis.

use std::fmt;
use std::sync::Arc;

use crate::operation::Operation;

/// A logical, single-threaded caller, or the nemesis. A process has at most one operation open; when an
/// operation ends `info` its process is retired and never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Process(pub u32);

impl Process {
    /// The injector of faults, and the marker of a run's phases.
    pub const NEMESIS: Process = Process(u32::MAX);

    /// Whether this is [`Process::NEMESIS`].
    pub fn is_nemesis(self) -> bool {
        self == Process::NEMESIS
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_nemesis() { f.write_str("nemesis") } else { write!(f, "{}", self.0) }
    }
}

/// What an event says about its operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// The operation begins.
    Invoke,
    /// It certainly happened.
    Ok,
    /// It certainly did not happen, and never will.
    Fail,
    /// Unknown: it may have happened, or may still happen. Nemesis events are always `info`.
    Info,
}

impl Kind {
    /// The name on disk.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Invoke => "invoke",
            Kind::Ok => "ok",
            Kind::Fail => "fail",
            Kind::Info => "info",
        }
    }
}

/// One event of a history. Its index is its position.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Monotonic nanoseconds since the start of the run.
    pub time: u64,
    /// Who.
    pub process: Process,
    /// Invocation or completion.
    pub kind: Kind,
    /// What: the question in an invocation, the answer in an `ok` completion, the question again otherwise.
    pub operation: Operation,
    /// The node that was asked or that answered, where known.
    pub node: Option<Arc<str>>,
    /// The session (user) on whose behalf; where absent, every process is a session of its own.
    pub session: Option<u32>,
    /// Why it is `fail` or `info`.
    pub error: Option<Arc<str>>,
}
