//! What a host's clock shows, as the host's own programs see it.

use serde::{Deserialize, Serialize};

use super::coverage::{Coverage, ProcessClock, Uncovered, Variant};
use super::probe::{PATIENCE_NS, Sample, WAIT_NS, Waited};
use super::skew::Course;

/// What an agent finds out.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ClockSurvey {
    pub(crate) sample: Sample,
    /// In the trap tier.
    pub(crate) waited: Option<Waited>,
    /// How the probe was made to read the host's clock.
    pub(crate) probe: Result<Variant, Uncovered>,
    pub(crate) processes: Vec<ProcessClock>,
}

/// What a host's real-time clock shows, and which of its processes live by it.
///
/// A program is started on the host as all its programs are; it reads its clocks through its vDSO, between two
/// readings of the machine's `CLOCK_MONOTONIC`, the tightest of 64, which say what the machine's clocks showed at that instant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockReading {
    /// The host's clock is ahead of the machine's by this, ns.
    pub offset_ns: i64,
    /// It should be ahead by this, ns: what [`Hosts::set_clock`](crate::hosts::Hosts::set_clock) asked for comes to
    /// this at the instant of the reading.
    pub asked_ns: i64,
    /// Both are known to this, ns: how far apart the enclosing readings were, times the rate of the clock.
    pub precision_ns: u64,
    /// The monotonic clock, on a host of the [trap tier](super::ClockTier::Trap).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monotonic: Option<MonotonicReading>,
    /// How programs started now are made to read the host's clock, or why they are not.
    pub started_now: Result<Variant, Uncovered>,
    /// The processes of the host, by pid.
    pub processes: Vec<ProcessClock>,
}

/// What a host's monotonic clock shows, what a system call says of it, and how long a timer until a time on it takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MonotonicReading {
    /// It is ahead of the machine's by this, ns.
    pub offset_ns: i64,
    /// It should be ahead by this, ns.
    pub asked_ns: i64,
    /// Whether `clock_gettime` as a system call says the same as the vDSO.
    pub calls_agree: bool,
    /// How long a timer took that was set to 5 ms ahead on this clock, by the machine's, ns; none if more than 60 ms.
    pub timer_ns: Option<i64>,
    /// How long it should take; none if longer than that.
    pub timer_asked_ns: Option<i64>,
}

/// A timer may be late by this, on a busy machine.
const LATE_NS: i64 = 50_000_000;

impl MonotonicReading {
    fn of(theirs: &Sample, waited: &Waited, course: &Course) -> MonotonicReading {
        let real = theirs.monotonic_ns;
        let shown = course.monotonic.at(real);
        let timer_asked_ns = course.monotonic.when(shown + WAIT_NS).map(|at| at.saturating_sub(real).max(0));
        MonotonicReading {
            offset_ns: theirs.shown_monotonic_ns - real,
            asked_ns: shown - real,
            calls_agree: waited.calls_agree,
            timer_ns: waited.took_ns,
            timer_asked_ns: timer_asked_ns.filter(|ns| *ns < PATIENCE_NS),
        }
    }

    fn is_as_asked(&self, precision_ns: u64) -> bool {
        // What the timer was set to was read a moment before it was.
        let early = i64::try_from(precision_ns).unwrap_or(i64::MAX).saturating_add(1_000_000);
        let timer = match (self.timer_asked_ns, self.timer_ns) {
            (Some(asked), Some(took)) => (asked - early..asked + LATE_NS).contains(&took),
            // A timer that is due when patience ends, or is late, may be seen or not.
            (Some(asked), None) => asked + LATE_NS > PATIENCE_NS,
            (None, took) => took.is_none(),
        };
        self.calls_agree && timer && self.offset_ns.abs_diff(self.asked_ns) <= precision_ns
    }
}

impl ClockReading {
    /// From a survey of the host, a sample of the machine's clock taken afterwards, and what the clock should be.
    pub(crate) fn of(survey: ClockSurvey, machine: Sample, course: &Course) -> ClockReading {
        let theirs = survey.sample;
        let real = theirs.monotonic_ns + (machine.realtime_ns - machine.monotonic_ns);
        let offset_ns = theirs.realtime_ns - real;
        let width = theirs.width_ns + machine.width_ns;
        // A strobe may have turned within the precision: the nearer of its two sides is meant.
        let sides = [real, real - width, real + width].map(|real| course.at(real) - real);
        let asked_ns = sides.into_iter().min_by_key(|side| side.abs_diff(offset_ns)).unwrap_or(sides[0]);
        let fastest = course.skew.drift_ppm.unsigned_abs().max(course.skew.monotonic.drift_ppm.unsigned_abs());
        let rate = 1 + fastest / 1_000_000;
        ClockReading {
            offset_ns,
            asked_ns,
            precision_ns: width.unsigned_abs() * (rate + 1),
            monotonic: survey.waited.map(|waited| MonotonicReading::of(&theirs, &waited, course)),
            started_now: survey.probe,
            processes: survey.processes,
        }
    }

    /// Whether programs started now see what was asked for.
    pub fn is_as_asked(&self) -> bool {
        let monotonic = self.monotonic.as_ref().is_none_or(|reading| reading.is_as_asked(self.precision_ns));
        monotonic && self.offset_ns.abs_diff(self.asked_ns) <= self.precision_ns
    }

    /// The process started by [`Hosts::spawn`](crate::hosts::Hosts::spawn), if it runs.
    pub fn main(&self) -> Option<&ProcessClock> {
        self.processes.iter().find(|process| process.main)
    }

    /// Whether the clock is as asked for and the main process of the host lives by it. If not, a fault of this clock is
    /// ineffective, whatever was asked for.
    pub fn is_effective(&self) -> bool {
        self.is_as_asked() && self.main().is_some_and(|process| process.coverage == Coverage::Covered)
    }

    /// The processes that read the machine's clock, and why.
    pub fn uncovered(&self) -> impl Iterator<Item = (&ProcessClock, &Uncovered)> {
        self.processes.iter().filter_map(|process| match &process.coverage {
            Coverage::Covered => None,
            Coverage::Uncovered(why) => Some((process, why)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::monotonic::MonotonicSkew;
    use super::super::skew::{Instants, Skew, Strobe};
    use super::*;

    fn sample(realtime_ns: i64, monotonic_ns: i64) -> Sample {
        Sample { realtime_ns, monotonic_ns, width_ns: 50, shown_monotonic_ns: monotonic_ns }
    }

    fn reading(theirs: Sample, machine: Sample, skew: Skew) -> ClockReading {
        let course = Course::default().then(skew, &Instants { realtime: 1_000_000, ..Instants::default() });
        let survey = ClockSurvey { sample: theirs, waited: None, probe: Ok(Variant::Shadow), processes: Vec::new() };
        ClockReading::of(survey, machine, &course)
    }

    #[test]
    fn the_monotonic_clock_says_what_the_machine_showed() {
        // The machine is 1 s later, the host 5 ns ahead.
        let reading = reading(sample(2_000_005, 500), sample(2_001_000, 1_500), Skew { jump_ns: 5, ..Skew::default() });
        assert_eq!((reading.offset_ns, reading.asked_ns), (5, 5));
        assert!(reading.is_as_asked());
        // Nothing runs that could suffer from it.
        assert!(!reading.is_effective());
    }

    #[test]
    fn a_timer_that_goes_by_the_machine_is_seen() {
        let twice = Skew { monotonic: MonotonicSkew { jump_ns: 0, drift_ppm: 1_000_000 }, ..Skew::default() };
        let course = Course::default().then(twice, &Instants { realtime: 0, monotonic: [1_000_000; 4] });
        let now = 11_000_000;
        let right = Sample { shown_monotonic_ns: course.monotonic.at(now), ..sample(0, now) };
        let is_as_asked = |sample: &Sample, calls_agree, took_ns| {
            let reading = MonotonicReading::of(sample, &Waited { calls_agree, took_ns }, &course);
            assert_eq!(reading.timer_asked_ns, Some(WAIT_NS / 2));
            reading.is_as_asked(100)
        };
        assert!(is_as_asked(&right, true, Some(2_600_000)));
        assert!(!is_as_asked(&right, false, Some(2_600_000)), "a call that says something else");
        assert!(!is_as_asked(&right, true, Some(1_000_000)), "a timer that is early");
        assert!(!is_as_asked(&sample(0, now), true, Some(2_600_000)), "a clock that did not follow");
    }

    #[test]
    fn a_clock_that_did_not_follow_is_seen() {
        let reading = reading(sample(2_000_000, 0), sample(2_000_000, 0), Skew { jump_ns: 500, ..Skew::default() });
        assert_eq!((reading.offset_ns, reading.asked_ns), (0, 500));
        assert!(!reading.is_as_asked());
    }

    #[test]
    fn a_strobe_is_met_on_either_side_of_its_turn() {
        let strobe = Some(Strobe { by_ns: 700, period_ns: 1000 });
        for offset in [0, 700] {
            let at = 1_002_000;
            let skew = Skew { strobe, ..Skew::default() };
            assert!(reading(sample(at + offset, 0), sample(at, 0), skew).is_as_asked(), "{offset}");
            assert!(!reading(sample(at + offset + 500, 500), sample(at, 0), skew).is_as_asked() || offset == 0);
        }
    }
}
