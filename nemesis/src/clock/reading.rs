//! What a host's clock shows, as the host's own programs see it.

use serde::{Deserialize, Serialize};

use super::coverage::{Coverage, ProcessClock, Uncovered, Variant};
use super::probe::Sample;
use super::skew::Course;

/// What an agent finds out.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ClockSurvey {
    pub(crate) sample: Sample,
    /// How the probe was made to read the host's clock.
    pub(crate) probe: Result<Variant, Uncovered>,
    pub(crate) processes: Vec<ProcessClock>,
}

/// What a host's real-time clock shows, and which of its processes live by it.
///
/// A program is started on the host as all its programs are; it reads `CLOCK_REALTIME` through its vDSO, between two
/// readings of `CLOCK_MONOTONIC`, the tightest of 64. The monotonic clock is the same for host and machine, so it says what
/// the machine's clock showed at that instant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockReading {
    /// The host's clock is ahead of the machine's by this, ns.
    pub offset_ns: i64,
    /// It should be ahead by this, ns: what [`Hosts::set_clock`](crate::hosts::Hosts::set_clock) asked for comes to
    /// this at the instant of the reading.
    pub asked_ns: i64,
    /// Both are known to this, ns: how far apart the enclosing readings were, times the rate of the clock.
    pub precision_ns: u64,
    /// How programs started now are made to read the host's clock, or why they are not.
    pub started_now: Result<Variant, Uncovered>,
    /// The processes of the host, by pid.
    pub processes: Vec<ProcessClock>,
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
        let rate = 1 + course.skew.drift_ppm.unsigned_abs() / 1_000_000;
        ClockReading {
            offset_ns,
            asked_ns,
            precision_ns: width.unsigned_abs() * (rate + 1),
            started_now: survey.probe,
            processes: survey.processes,
        }
    }

    /// Whether programs started now see what was asked for.
    pub fn is_as_asked(&self) -> bool {
        self.offset_ns.abs_diff(self.asked_ns) <= self.precision_ns
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
    use super::super::skew::{Skew, Strobe};
    use super::*;

    fn sample(realtime_ns: i64, monotonic_ns: i64) -> Sample {
        Sample { realtime_ns, monotonic_ns, width_ns: 50 }
    }

    fn reading(theirs: Sample, machine: Sample, skew: Skew) -> ClockReading {
        let course = Course::default().then(skew, 1_000_000);
        let survey = ClockSurvey { sample: theirs, probe: Ok(Variant::Shadow), processes: Vec::new() };
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
