//! The clocks that only go forward: `CLOCK_MONOTONIC`, `_RAW`, `_COARSE` and `CLOCK_BOOTTIME`.
//!
//! They promise one thing (clock_gettime(2)): nobody who reads one twice finds it earlier the second time. So whatever is
//! wrong with them, they never go back, and that decides everything else here:
//!
//! ```text
//!   host's time                  ╱·      jump +3 s at a: the clock is ahead
//!                       ______ ╱         freeze at b: it stands still
//!                     ╱b     c           all is healed at c: it goes on from what it shows, at the right rate, and
//!                  │╱                    neither the jump nor the standstill is made up for
//!                  │a
//!               ╱·
//!   ─────────·──────────────────────▶ machine's time
//! ```
//!
//! A jump forward is added and stays. Healing a jump takes nothing away, healing a drift or a freeze sets the rate right. That
//! is all there can be to set right: where a monotonic clock has its zero is unspecified, so it can be at the wrong rate, and
//! never at the wrong time. A host that is rebooted begins anew with what is wrong then, as a machine does.
//!
//! # Never back, while it changes
//!
//! A program reads the kernel's clock first and the state page afterwards. One that is interrupted between the two corrects an
//! old time by a new page; and the controller publishes a moment after it looked at the clock. So each change also
//! moves the clock [`LEAD_NS`] forward (times its rate, if that is more than 1), which hides both unless they take longer than that.

use serde::{Deserialize, Serialize};

use super::page::{Group, MONOTONIC_CLOCKS, Monotonic, TRUE_RATE};
use super::skew::rate;

/// A controller that was interrupted between two instructions is mostly back by then.
const LEAD_NS: i64 = 2_000_000;

/// How the monotonic clocks of a host differ from the machine's. The default is not at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct MonotonicSkew {
    /// They have jumped forward by this, ns; never negative. What is taken away from it later stays in the clocks.
    pub jump_ns: i64,
    /// They gain this many microseconds a second; −1 000 000 stands still.
    pub drift_ppm: i64,
}

/// A skew, and what the clocks have come to by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct MonotonicCourse {
    skew: MonotonicSkew,
    groups: Option<Monotonic>,
}

impl MonotonicCourse {
    /// What follows when `skew` is set, and the machine's clocks show `now`, ns.
    pub(crate) fn then(&self, skew: MonotonicSkew, now: [i64; MONOTONIC_CLOCKS.len()]) -> MonotonicCourse {
        if skew == self.skew {
            return *self;
        }
        let jump = skew.jump_ns.saturating_sub(self.skew.jump_ns).max(0);
        let rate = rate(skew.drift_ppm);
        let fastest = rate.max(self.groups.map_or(0, |groups| groups[0].rate)).max(TRUE_RATE);
        let lead = ((i128::from(fastest) * i128::from(LEAD_NS)) >> 32) as i64;
        let group = |i: usize| {
            let shown = self.groups.map_or(now[i], |groups| groups[i].at(now[i]));
            let origin = shown.saturating_add(lead).saturating_add(jump);
            Group { reference: now[i], origin, rate, strobe_by: 0, strobe_period: 0 }
        };
        MonotonicCourse { skew, groups: Some(std::array::from_fn(group)) }
    }

    /// What the state page has to say.
    pub(crate) fn groups(&self) -> Option<Monotonic> {
        self.groups
    }

    /// What `CLOCK_MONOTONIC` shows when the machine's shows `real`, ns.
    pub(crate) fn at(&self, real: i64) -> i64 {
        self.groups.map_or(real, |groups| groups[0].at(real))
    }

    /// The machine's time at which it shows `host` or later, ns; none if it does not go on.
    pub(crate) fn when(&self, host: i64) -> Option<i64> {
        self.groups.map_or(Some(host), |groups| groups[0].when(host))
    }
}

#[cfg(test)]
mod tests {
    use super::super::skew::Skew;
    use super::*;

    const SECOND: i64 = 1_000_000_000;
    const START: i64 = 5_000 * SECOND;

    fn skew(jump_s: i64, drift_ppm: i64) -> MonotonicSkew {
        MonotonicSkew { jump_ns: jump_s * SECOND, drift_ppm }
    }

    /// Sets skews one after the other, 10 s apart, and says how far the clock is ahead 10 s after each, s.
    fn offsets(skews: &[MonotonicSkew]) -> Vec<i64> {
        let mut course = MonotonicCourse::default();
        let mut offsets = Vec::new();
        for (i, skew) in skews.iter().enumerate() {
            let now = START + i as i64 * 10 * SECOND;
            let before = course.at(now);
            course = course.then(*skew, [now, now + 7, now - 9, now + SECOND]);
            assert!(course.at(now) >= before, "it went back");
            offsets.push((course.at(now + 10 * SECOND) - now - 10 * SECOND) / SECOND);
        }
        offsets
    }

    #[test]
    fn what_was_gained_stays() {
        assert_eq!(offsets(&[skew(5, 0), skew(0, 0), skew(3, 0), skew(4, 0)]), [5, 5, 8, 9]);
        assert_eq!(offsets(&[skew(0, 500_000), skew(0, 0), skew(0, 0)]), [5, 5, 5]);
    }

    #[test]
    fn what_was_lost_is_not_made_up_for() {
        assert_eq!(offsets(&[skew(0, Skew::FREEZE_PPM), skew(0, 0), skew(60, 0)]), [-9, -9, 50]);
    }

    #[test]
    fn each_clock_goes_on_from_what_it_showed() {
        let now = [START, START + 100, START - 4_000_000, START + 60 * SECOND];
        let frozen = MonotonicCourse::default().then(skew(0, Skew::FREEZE_PPM), now);
        let shown = frozen.groups().unwrap().map(|group| group.at(group.reference + SECOND));
        assert_eq!(shown, now.map(|now| now + LEAD_NS));
    }

    #[test]
    fn nothing_set_is_nothing_changed() {
        let course = MonotonicCourse::default().then(MonotonicSkew::default(), [START; 4]);
        assert_eq!(course.groups(), None);
        let jumped = course.then(skew(1, 0), [START; 4]);
        assert_eq!(jumped.then(skew(1, 0), [START + SECOND; 4]), jumped);
    }

    #[test]
    fn who_reads_late_or_early_does_not_see_it_go_back() {
        let changes = [skew(0, 9_000_000), skew(0, Skew::FREEZE_PPM), skew(0, 0), skew(0, -500_000), skew(1, 0)];
        let mut course = MonotonicCourse::default();
        for (i, change) in changes.into_iter().enumerate() {
            let now = START + i as i64 * SECOND;
            let next = course.then(change, [now; 4]);
            let hidden = LEAD_NS * 9 / 10;
            // The old page, a moment after; the new one, by a time from a moment before.
            assert!(course.at(now + hidden) <= next.at(now), "{change:?}");
            assert!(course.at(now) <= next.at(now - hidden), "{change:?}");
            course = next;
        }
    }
}
