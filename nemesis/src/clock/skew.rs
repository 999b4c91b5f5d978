//! What is wrong with the clocks of a host, and how one wrongness follows another.
//!
//! A [`Skew`] says what the clock is to be from now on; the [`Course`] remembers since when it drifts. While only
//! the jump changes, the drift goes on from where it began. While only the rate changes, the clock goes on from what it
//! shows. Taking the drift away steps the clock back to the true time (and the jump), as a time daemon would
//! that has found its servers again.
//!
//! ```text
//!   host's time                    ╱  drift +500 000 ppm, from the true time at a
//!                               ╱·     the same, jump +3 s at b: only the jump is added
//!                            │╱
//!                         ╱──│·········  drift 0 at c: the true time and the jump
//!                      ╱·    │
//!   ─────────────────·───────│────────▶ machine's time
//!                    a       b    c
//! ```
//!
//! The picture is that of the real-time clock; what becomes of the [monotonic ones](super::monotonic) is another story,
//! because they have no true time to go back to.

use serde::{Deserialize, Serialize};

use super::monotonic::{MonotonicCourse, MonotonicSkew};
use super::page::{Group, MONOTONIC_CLOCKS, REALTIME_CLOCKS, Slot, TRUE_RATE};
use crate::sys::clock;

const MILLION: i64 = 1_000_000;

/// How the clocks of a host differ from the machine's. The default is not at all. Jump, drift and strobe are those of the
/// real-time clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Skew {
    /// It is ahead by this, ns; behind if negative.
    pub jump_ns: i64,
    /// It gains this many microseconds a second, from the moment at which the drift is set: 500 000 is half as fast again,
    /// −1 000 000 stands still.
    pub drift_ppm: i64,
    /// It goes back and forth.
    pub strobe: Option<Strobe>,
    /// What is wrong with the monotonic clocks. Only hosts of [`ClockTier::Trap`](super::ClockTier::Trap) can have it.
    pub monotonic: MonotonicSkew,
}

/// A clock that is right for a period, then ahead (or behind) for a period, and so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Strobe {
    /// By how much, ns.
    pub by_ns: i64,
    /// How long each, ns of the machine's time.
    pub period_ns: u64,
}

/// A skew that no clock can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SkewError {
    /// Time would run backwards, or too fast.
    #[error("a drift of {0} ppm is not between -1000000 (the clock stands still) and {max}", max = Skew::FASTEST_PPM)]
    Drift(i64),
    /// The clock would leave the years that it can show.
    #[error("{0} ns are more than two centuries")]
    Far(i64),
    /// A strobe without a period.
    #[error("a strobe needs a period of at least 1 ns")]
    Period,
    /// A monotonic clock would run backwards.
    #[error("a monotonic clock cannot jump by {0} ns: it never goes back")]
    Backwards(i64),
}

impl Skew {
    /// A clock that stands still from now on.
    pub const FREEZE_PPM: i64 = -MILLION;
    /// A hundred and one times too fast: enough for every test, and no overflow in centuries.
    pub const FASTEST_PPM: i64 = 100 * MILLION;
    /// Two centuries, either way: whatever the machine's clock says, the host's stays between 1970 and 2262.
    pub const FARTHEST_NS: i64 = 200 * 365 * 24 * 3600 * 1_000_000_000;

    /// Whether a clock can be like this.
    pub fn check(&self) -> Result<(), SkewError> {
        let drifts = [self.drift_ppm, self.monotonic.drift_ppm];
        if let Some(ppm) = drifts.into_iter().find(|ppm| !(Self::FREEZE_PPM..=Self::FASTEST_PPM).contains(ppm)) {
            return Err(SkewError::Drift(ppm));
        }
        if self.monotonic.jump_ns < 0 {
            return Err(SkewError::Backwards(self.monotonic.jump_ns));
        }
        let far = [self.jump_ns, self.strobe.map_or(0, |strobe| strobe.by_ns), self.monotonic.jump_ns];
        if let Some(ns) = far.into_iter().find(|ns| ns.unsigned_abs() > Self::FARTHEST_NS.unsigned_abs()) {
            return Err(SkewError::Far(ns));
        }
        match self.strobe {
            Some(Strobe { period_ns: 0, .. }) => Err(SkewError::Period),
            _ => Ok(()),
        }
    }

    fn is_right(&self) -> bool {
        *self == Skew { monotonic: self.monotonic, ..Skew::default() }
    }
}

/// The rate of a group that drifts so.
pub(super) fn rate(drift_ppm: i64) -> i64 {
    let rate = i128::from(drift_ppm + MILLION) * i128::from(TRUE_RATE) / i128::from(MILLION);
    // Bounded by `check`: at most 101 × 2³².
    rate as i64
}

/// A skew, and since when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Course {
    pub(crate) skew: Skew,
    /// The machine's time at which the clock, without its jump and its strobe, showed `origin`.
    reference: i64,
    origin: i64,
    pub(crate) monotonic: MonotonicCourse,
}

impl Course {
    /// What follows when `skew` is set at this instant of the machine.
    pub(crate) fn then(&self, skew: Skew, at: &Instants) -> Course {
        let monotonic = self.monotonic.then(skew.monotonic, at.monotonic);
        Course { monotonic, ..self.realtime_then(skew, at.realtime) }
    }

    /// What follows when the host's machine starts anew: its monotonic clocks do so too.
    pub(crate) fn rebooted(&self, at: &Instants) -> Course {
        Course { monotonic: MonotonicCourse::default().then(self.skew.monotonic, at.monotonic), ..*self }
    }

    fn realtime_then(&self, skew: Skew, now: i64) -> Course {
        let same = skew.drift_ppm == self.skew.drift_ppm;
        let (reference, origin) = match (same, skew.drift_ppm) {
            // The strobe is counted from the reference, so a new one takes a new reference.
            (true, _) if skew.strobe == self.skew.strobe && self.reference != 0 => (self.reference, self.origin),
            (_, 0) => (now, now),
            _ if self.skew.drift_ppm == 0 => (now, now),
            _ => (now, self.drifted().at(now)),
        };
        Course { skew, reference, origin, ..*self }
    }

    /// What the real-time clock shows when the machine's shows `real`, ns.
    pub(crate) fn at(&self, real: i64) -> i64 {
        self.slot().realtime.map_or(real, |group| group.at(real))
    }

    /// What the state page has to say.
    pub(crate) fn slot(&self) -> Slot {
        Slot { realtime: (!self.skew.is_right()).then(|| self.realtime()), monotonic: self.monotonic.groups() }
    }

    fn realtime(&self) -> Group {
        let strobe = self.skew.strobe.unwrap_or(Strobe { by_ns: 0, period_ns: 0 });
        let drifted = self.drifted();
        Group {
            origin: drifted.origin.wrapping_add(self.skew.jump_ns),
            strobe_by: strobe.by_ns,
            strobe_period: strobe.period_ns,
            ..drifted
        }
    }

    fn drifted(&self) -> Group {
        let rate = rate(self.skew.drift_ppm);
        Group { reference: self.reference, origin: self.origin, rate, strobe_by: 0, strobe_period: 0 }
    }
}

/// What the machine's clocks show at one instant, ns.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Instants {
    pub(crate) realtime: i64,
    /// In the order of [`MONOTONIC_CLOCKS`].
    pub(crate) monotonic: [i64; MONOTONIC_CLOCKS.len()],
}

impl Instants {
    /// Now.
    pub(crate) fn now() -> Instants {
        let now = |id: usize| clock::now(id as i32);
        Instants { realtime: now(REALTIME_CLOCKS[0]), monotonic: MONOTONIC_CLOCKS.map(now) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;
    const START: i64 = 1_700_000_000 * SECOND;

    fn skew(jump_s: i64, drift_ppm: i64) -> Skew {
        Skew { jump_ns: jump_s * SECOND, drift_ppm, ..Skew::default() }
    }

    fn at(realtime: i64) -> Instants {
        Instants { realtime, ..Instants::default() }
    }

    /// Sets skews one after the other, 10 s apart, and says how far the clock is off 10 s after each.
    fn offsets(skews: &[Skew]) -> Vec<i64> {
        let mut course = Course::default();
        let mut offsets = Vec::new();
        for (i, skew) in skews.iter().enumerate() {
            let now = START + i as i64 * 10 * SECOND;
            course = course.then(*skew, &at(now));
            let then = now + 10 * SECOND;
            offsets.push((course.at(then) - then) / SECOND);
        }
        offsets
    }

    #[test]
    fn a_jump_is_absolute_and_the_default_is_the_true_time() {
        assert_eq!(offsets(&[skew(3600, 0), skew(-7200, 0), skew(-7200, 0), skew(0, 0)]), [3600, -7200, -7200, 0]);
    }

    #[test]
    fn a_jump_leaves_the_drift_alone() {
        assert_eq!(offsets(&[skew(0, 500_000), skew(3, 500_000), skew(0, 500_000)]), [5, 13, 15]);
    }

    #[test]
    fn another_rate_goes_on_from_what_the_clock_shows() {
        assert_eq!(offsets(&[skew(0, 500_000), skew(0, Skew::FREEZE_PPM), skew(0, -500_000)]), [5, -5, -10]);
    }

    #[test]
    fn without_its_drift_a_clock_shows_the_true_time_and_the_jump() {
        assert_eq!(offsets(&[skew(2, 500_000), skew(2, 0), skew(0, 500_000), skew(0, 0)]), [7, 2, 5, 0]);
    }

    #[test]
    fn a_frozen_clock_jumps_and_stays() {
        let course = Course::default().then(skew(0, Skew::FREEZE_PPM), &at(START));
        assert_eq!([course.at(START), course.at(START + SECOND)], [START; 2]);
        let course = course.then(skew(60, Skew::FREEZE_PPM), &at(START + 5 * SECOND));
        assert_eq!(course.at(START + 9 * SECOND), START + 60 * SECOND);
    }

    #[test]
    fn a_strobe_begins_with_a_period_of_the_true_time() {
        let strobe = Some(Strobe { by_ns: 7, period_ns: 100 });
        let course = Course::default().then(Skew { strobe, ..Skew::default() }, &at(START));
        let off = |after: i64| course.at(START + after) - START - after;
        assert_eq!([0, 99, 100, 199, 200].map(off), [0, 0, 7, 7, 0]);
        // A jump on top does not disturb its beat.
        let course = course.then(Skew { strobe, jump_ns: 1000, ..Skew::default() }, &at(START + 50));
        let off = |after: i64| course.at(START + after) - START - after;
        assert_eq!([99, 100, 200].map(off), [1000, 1007, 1000]);
    }

    #[test]
    fn a_strobe_on_a_drifting_clock_does_not_make_it_step() {
        let course = Course::default().then(skew(0, 500_000), &at(START));
        let now = START + 10 * SECOND;
        let strobed =
            course.then(Skew { strobe: Some(Strobe { by_ns: 9, period_ns: 5 }), ..skew(0, 500_000) }, &at(now));
        assert_eq!(strobed.at(now), course.at(now));
    }

    #[test]
    fn impossible_skews_are_refused() {
        assert_eq!(skew(0, -1_000_001).check(), Err(SkewError::Drift(-1_000_001)));
        assert_eq!(skew(0, Skew::FASTEST_PPM + 1).check(), Err(SkewError::Drift(Skew::FASTEST_PPM + 1)));
        let monotonic =
            |jump_ns, drift_ppm| Skew { monotonic: MonotonicSkew { jump_ns, drift_ppm }, ..Skew::default() };
        assert_eq!(monotonic(-1, 0).check(), Err(SkewError::Backwards(-1)));
        assert_eq!(monotonic(1, -1_000_001).check(), Err(SkewError::Drift(-1_000_001)));
        assert_eq!(monotonic(i64::MAX, 0).check(), Err(SkewError::Far(i64::MAX)));
        assert_eq!(Skew { jump_ns: i64::MIN, ..Skew::default() }.check(), Err(SkewError::Far(i64::MIN)));
        let strobe = |by_ns, period_ns| Skew { strobe: Some(Strobe { by_ns, period_ns }), ..Skew::default() };
        assert_eq!(strobe(1, 0).check(), Err(SkewError::Period));
        assert_eq!(strobe(i64::MAX, 1).check(), Err(SkewError::Far(i64::MAX)));
        assert_eq!(skew(-3600, Skew::FREEZE_PPM).check(), Ok(()));
    }
}
