//! How much a checker may take, and what it says when that is not enough.
//!
//! Work is counted in steps, which are the same on every machine, so that a verdict never depends on how fast the
//! machine is. Whoever wants a limit in seconds gives a `stop` that looks at a clock: this crate has none.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// How much one check may take. The default has no limits and one thread.
#[derive(Clone, Copy)]
pub struct Budget<'a> {
    /// Steps of searches that may be exponential.
    pub steps: u64,
    /// Bytes of tables that may grow without bound.
    pub memory_bytes: u64,
    /// Asked now and then; `true` ends the check.
    pub stop: &'a (dyn Fn() -> bool + Sync),
    /// Threads that may work side by side. The answer is the same for every number.
    pub threads: usize,
}

impl Default for Budget<'_> {
    fn default() -> Self {
        Budget { steps: u64::MAX, memory_bytes: u64::MAX, stop: &|| false, threads: 1 }
    }
}

/// Why a check ended before its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exhausted {
    /// The budget of steps.
    Steps,
    /// The budget of memory.
    Memory,
    /// `stop` said so.
    Stopped,
}

impl Exhausted {
    const ALL: [Exhausted; 3] = [Exhausted::Steps, Exhausted::Memory, Exhausted::Stopped];

    /// Whether a doubt is of this sort: more time or memory might settle it.
    pub fn is_told_in(doubt: &str) -> bool {
        Exhausted::ALL.iter().any(|why| doubt.contains(&why.to_string()))
    }
}

impl fmt::Display for Exhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Exhausted::Steps => "the budget of search steps was used up",
            Exhausted::Memory => "the memory budget was used up",
            Exhausted::Stopped => "the time budget was used up",
        })
    }
}

/// What was spent of a budget. Threads share one.
pub struct Meter<'a> {
    budget: Budget<'a>,
    steps: AtomicU64,
}

/// Steps between two looks at `stop`.
const GLANCE: u64 = 1 << 16;

impl<'a> Meter<'a> {
    /// With nothing spent.
    pub fn new(budget: &Budget<'a>) -> Self {
        Meter { budget: *budget, steps: AtomicU64::new(0) }
    }

    /// Threads that may work side by side.
    pub fn threads(&self) -> usize {
        self.budget.threads.max(1)
    }

    /// Spends steps. Call it once for many.
    ///
    /// # Errors
    /// When they are used up, or when it is time to stop.
    pub fn spend(&self, steps: u64) -> Result<(), Exhausted> {
        let before = self.steps.fetch_add(steps, Ordering::Relaxed);
        let after = before.saturating_add(steps);
        if after > self.budget.steps {
            return Err(Exhausted::Steps);
        }
        match before / GLANCE != after / GLANCE && (self.budget.stop)() {
            true => Err(Exhausted::Stopped),
            false => Ok(()),
        }
    }

    /// Whether a table may have this many bytes.
    ///
    /// # Errors
    /// When it may not.
    pub fn hold(&self, bytes: u64) -> Result<(), Exhausted> {
        if bytes > self.budget.memory_bytes { Err(Exhausted::Memory) } else { Ok(()) }
    }
}
