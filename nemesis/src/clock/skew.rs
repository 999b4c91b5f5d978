//! What is wrong with a clock, and how one wrongness follows another.
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

use serde::{Deserialize, Serialize};

use super::page::{Group, Slot, TRUE_RATE};

const MILLION: i64 = 1_000_000;

/// How the real-time clock of a host differs from the machine's. The default is not at all.
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
        if !(Self::FREEZE_PPM..=Self::FASTEST_PPM).contains(&self.drift_ppm) {
            return Err(SkewError::Drift(self.drift_ppm));
        }
        let far = [self.jump_ns, self.strobe.map_or(0, |strobe| strobe.by_ns)];
        if let Some(ns) = far.into_iter().find(|ns| ns.unsigned_abs() > Self::FARTHEST_NS.unsigned_abs()) {
            return Err(SkewError::Far(ns));
        }
        match self.strobe {
            Some(Strobe { period_ns: 0, .. }) => Err(SkewError::Period),
            _ => Ok(()),
        }
    }

    fn rate(&self) -> i64 {
        let rate = i128::from(self.drift_ppm + MILLION) * i128::from(TRUE_RATE) / i128::from(MILLION);
        // Bounded by `check`: at most 101 × 2³².
        rate as i64
    }
}

/// A skew, and since when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Course {
    pub(crate) skew: Skew,
    /// The machine's time at which the clock, without its jump and its strobe, showed `origin`.
    reference: i64,
    origin: i64,
}

impl Course {
    /// What follows when `skew` is set at the machine's time `now`, ns.
    pub(crate) fn then(&self, skew: Skew, now: i64) -> Course {
        let same = skew.drift_ppm == self.skew.drift_ppm;
        let (reference, origin) = match (same, skew.drift_ppm) {
            // The strobe is counted from the reference, so a new one takes a new reference.
            (true, _) if skew.strobe == self.skew.strobe && self.reference != 0 => (self.reference, self.origin),
            (_, 0) => (now, now),
            _ if self.skew.drift_ppm == 0 => (now, now),
            _ => (now, self.drifted().at(now)),
        };
        Course { skew, reference, origin }
    }

    /// What the clock shows when the machine's shows `real`, ns.
    pub(crate) fn at(&self, real: i64) -> i64 {
        self.slot().realtime.map_or(real, |group| group.at(real))
    }

    /// What the state page has to say.
    pub(crate) fn slot(&self) -> Slot {
        if self.skew == Skew::default() {
            return Slot::default();
        }
        let strobe = self.skew.strobe.unwrap_or(Strobe { by_ns: 0, period_ns: 0 });
        let drifted = self.drifted();
        let group = Group {
            origin: drifted.origin.wrapping_add(self.skew.jump_ns),
            strobe_by: strobe.by_ns,
            strobe_period: strobe.period_ns,
            ..drifted
        };
        Slot { realtime: Some(group), monotonic: None }
    }

    fn drifted(&self) -> Group {
        Group { reference: self.reference, origin: self.origin, rate: self.skew.rate(), strobe_by: 0, strobe_period: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;
    const START: i64 = 1_700_000_000 * SECOND;

    fn skew(jump_s: i64, drift_ppm: i64) -> Skew {
        Skew { jump_ns: jump_s * SECOND, drift_ppm, strobe: None }
    }

    /// Sets skews one after the other, 10 s apart, and says how far the clock is off 10 s after each.
    fn offsets(skews: &[Skew]) -> Vec<i64> {
        let mut course = Course::default();
        let mut offsets = Vec::new();
        for (i, skew) in skews.iter().enumerate() {
            let now = START + i as i64 * 10 * SECOND;
            course = course.then(*skew, now);
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
        let course = Course::default().then(skew(0, Skew::FREEZE_PPM), START);
        assert_eq!([course.at(START), course.at(START + SECOND)], [START; 2]);
        let course = course.then(skew(60, Skew::FREEZE_PPM), START + 5 * SECOND);
        assert_eq!(course.at(START + 9 * SECOND), START + 60 * SECOND);
    }

    #[test]
    fn a_strobe_begins_with_a_period_of_the_true_time() {
        let strobe = Some(Strobe { by_ns: 7, period_ns: 100 });
        let course = Course::default().then(Skew { strobe, ..Skew::default() }, START);
        let off = |after: i64| course.at(START + after) - START - after;
        assert_eq!([0, 99, 100, 199, 200].map(off), [0, 0, 7, 7, 0]);
        // A jump on top does not disturb its beat.
        let course = course.then(Skew { strobe, jump_ns: 1000, ..Skew::default() }, START + 50);
        let off = |after: i64| course.at(START + after) - START - after;
        assert_eq!([99, 100, 200].map(off), [1000, 1007, 1000]);
    }

    #[test]
    fn a_strobe_on_a_drifting_clock_does_not_make_it_step() {
        let course = Course::default().then(skew(0, 500_000), START);
        let now = START + 10 * SECOND;
        let strobed = course.then(Skew { strobe: Some(Strobe { by_ns: 9, period_ns: 5 }), ..skew(0, 500_000) }, now);
        assert_eq!(strobed.at(now), course.at(now));
    }

    #[test]
    fn impossible_skews_are_refused() {
        assert_eq!(skew(0, -1_000_001).check(), Err(SkewError::Drift(-1_000_001)));
        assert_eq!(skew(0, Skew::FASTEST_PPM + 1).check(), Err(SkewError::Drift(Skew::FASTEST_PPM + 1)));
        assert_eq!(Skew { jump_ns: i64::MIN, ..Skew::default() }.check(), Err(SkewError::Far(i64::MIN)));
        let strobe = |by_ns, period_ns| Skew { strobe: Some(Strobe { by_ns, period_ns }), ..Skew::default() };
        assert_eq!(strobe(1, 0).check(), Err(SkewError::Period));
        assert_eq!(strobe(i64::MAX, 1).check(), Err(SkewError::Far(i64::MAX)));
        assert_eq!(skew(-3600, Skew::FREEZE_PPM).check(), Ok(()));
    }
}
