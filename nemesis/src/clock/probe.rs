//! A program that reads its clocks and says what they show: this program once more, started on a host by its agent like any
//! other program of that host, so that it finds the clock which the host's programs find.

use std::io::{self, Write};

use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::sys::{clock, timer};

const BILLION: i64 = 1_000_000_000;
/// The first argument of a program that is to do this.
pub(crate) const ARGUMENT: &str = "__clock";
/// Some of them are interrupted; the tightest counts.
const READINGS: usize = 64;

/// The second argument of one that is also to wait until a time.
pub(crate) const WAIT: &str = "wait";
/// How far ahead that time is on the host's clock, and how long it waits for it by the machine's.
pub(crate) const WAIT_NS: i64 = 5_000_000;
pub(crate) const PATIENCE_NS: i64 = 60_000_000;

/// The clocks, read between two readings of the machine's monotonic one, which is the same for all.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Sample {
    pub(crate) realtime_ns: i64,
    /// The middle of the two.
    pub(crate) monotonic_ns: i64,
    /// The distance of the two.
    pub(crate) width_ns: i64,
    /// What programs take for the monotonic clock.
    pub(crate) shown_monotonic_ns: i64,
}

impl Sample {
    /// Of the process that calls this.
    pub(crate) fn take() -> Sample {
        (0..READINGS).map(|_| Sample::once()).min_by_key(|sample| sample.width_ns).unwrap_or_else(Sample::once)
    }

    fn once() -> Sample {
        let before = clock::now_of_machine(libc::CLOCK_MONOTONIC);
        let (realtime_ns, shown_monotonic_ns) = (realtime_ns(), monotonic_ns());
        let width_ns = clock::now_of_machine(libc::CLOCK_MONOTONIC) - before;
        Sample { realtime_ns, monotonic_ns: before + width_ns / 2, width_ns, shown_monotonic_ns }
    }
}

/// What a program says.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Said {
    pub(crate) sample: Sample,
    /// Of one that waited.
    pub(crate) waited: Option<Waited>,
}

/// What became of a timer until a time on the monotonic clock, and of a reading of that clock by a system call.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Waited {
    /// The call shows what was seen before and after it.
    pub(crate) calls_agree: bool,
    /// How long it took, by the machine's clock; none if longer than anybody waited.
    pub(crate) took_ns: Option<i64>,
}

impl Waited {
    fn look() -> io::Result<Waited> {
        let before = monotonic_ns();
        let called = clock::now_by_call(libc::CLOCK_MONOTONIC);
        let calls_agree = (before..=monotonic_ns()).contains(&called);
        let timer = timer::monotonic()?;
        // In this order: whatever holds the program up in between makes the timer late, never early.
        let began = clock::now_of_machine(libc::CLOCK_MONOTONIC);
        let until = monotonic_ns() + WAIT_NS;
        timer::set(&timer, libc::TFD_TIMER_ABSTIME, [0, 0, until / BILLION, until % BILLION])?;
        let elapsed = timer::elapses(&timer, (PATIENCE_NS / 1_000_000) as u8)?;
        let took_ns = clock::now_of_machine(libc::CLOCK_MONOTONIC) - began;
        Ok(Waited { calls_agree, took_ns: elapsed.then_some(took_ns) })
    }
}

/// The machine's clock, or whatever this process has instead, ns.
pub(crate) fn realtime_ns() -> i64 {
    now(ClockId::CLOCK_REALTIME)
}

fn monotonic_ns() -> i64 {
    now(ClockId::CLOCK_MONOTONIC)
}

fn now(clock: ClockId) -> i64 {
    // These clocks are always there; seconds and nanoseconds fit until 2262.
    clock_gettime(clock).map_or(0, |time| time.tv_sec() * BILLION + time.tv_nsec())
}

/// Says what the clocks show, and ends.
pub(crate) fn run() -> ! {
    let waits = std::env::args().nth(2).as_deref() == Some(WAIT);
    let waited = if waits { Waited::look().map(Some) } else { Ok(None) };
    let said = waited.map(|waited| Said { sample: Sample::take(), waited });
    let said = said.and_then(|said| serde_json::to_vec(&said).map_err(io::Error::other));
    let said = said.and_then(|line| io::stdout().write_all(&line));
    std::process::exit(i32::from(said.is_err()));
}
