//! A program that reads its clocks and says what they show: this program once more, started on a host by its agent like any
//! other program of that host, so that it finds the clock which the host's programs find.

use std::io::Write;

use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// The first argument of a program that is to do this.
pub(crate) const ARGUMENT: &str = "__clock";
/// Some of them are interrupted; the tightest counts.
const READINGS: usize = 64;

/// The real-time clock, read between two readings of the monotonic one, which is the same for all.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Sample {
    pub(crate) realtime_ns: i64,
    /// The middle of the two.
    pub(crate) monotonic_ns: i64,
    /// The distance of the two.
    pub(crate) width_ns: i64,
}

impl Sample {
    /// Of the process that calls this.
    pub(crate) fn take() -> Sample {
        (0..READINGS).map(|_| Sample::once()).min_by_key(|sample| sample.width_ns).unwrap_or_else(Sample::once)
    }

    fn once() -> Sample {
        let before = now(ClockId::CLOCK_MONOTONIC);
        let realtime_ns = now(ClockId::CLOCK_REALTIME);
        let width_ns = now(ClockId::CLOCK_MONOTONIC) - before;
        Sample { realtime_ns, monotonic_ns: before + width_ns / 2, width_ns }
    }
}

/// The machine's clock, or whatever this process has instead, ns.
pub(crate) fn realtime_ns() -> i64 {
    now(ClockId::CLOCK_REALTIME)
}

fn now(clock: ClockId) -> i64 {
    // These clocks are always there; seconds and nanoseconds fit until 2262.
    clock_gettime(clock).map_or(0, |time| time.tv_sec() * 1_000_000_000 + time.tv_nsec())
}

/// Says what the clocks show, and ends.
pub(crate) fn run() -> ! {
    let said = serde_json::to_vec(&Sample::take()).map_err(std::io::Error::other);
    let said = said.and_then(|line| std::io::stdout().write_all(&line));
    std::process::exit(i32::from(said.is_err()));
}
