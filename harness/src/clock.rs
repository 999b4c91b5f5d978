//! The one place where wall-clock time enters: the name of a run directory and the date in `run.json`.

use std::time::{Instant, SystemTime};

/// When a run started, on both clocks.
#[derive(Clone, Copy, Debug)]
pub struct RunClock {
    start: Instant,
    started_at: SystemTime,
}

impl RunClock {
    /// Starts now.
    pub fn start() -> Self {
        RunClock { start: Instant::now(), started_at: SystemTime::now() }
    }

    /// Monotonic nanoseconds since the start.
    pub fn elapsed_ns(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }

    /// Monotonic milliseconds since the start.
    pub fn elapsed_ms(&self) -> u64 {
        self.start.elapsed().as_millis() as u64
    }

    /// Date and time of the start, as RFC 3339 with milliseconds.
    pub fn started_at(&self) -> String {
        humantime::format_rfc3339_millis(self.started_at).to_string()
    }

    /// The same, as a directory name that sorts by time: `20261120T101500.123`.
    pub fn directory_name(&self) -> String {
        self.started_at().trim_end_matches('Z').replace(['-', ':'], "")
    }
}
