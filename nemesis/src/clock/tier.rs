//! How much of time a host has to itself.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What of time is a host's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClockTier {
    /// The real-time clock, as programs read it. Timers go by the machine's clocks.
    Vdso,
    /// The monotonic clocks too, and waits until a time on any of them: the host's agent answers the system calls for
    /// both. See [`waits`](super#the-trap-tier).
    Trap,
}

impl ClockTier {
    /// Whether it is to be had on processors of this kind.
    pub fn is_possible(self) -> bool {
        self == ClockTier::Vdso || cfg!(target_arch = "x86_64")
    }

    /// As in files: `trap`.
    pub fn name(self) -> &'static str {
        match self {
            ClockTier::Vdso => "vdso",
            ClockTier::Trap => "trap",
        }
    }
}

impl fmt::Display for ClockTier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
