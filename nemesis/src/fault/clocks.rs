//! Clocks that are wrong, and what comes of several wrongs on one clock.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::clock::{MonotonicSkew, Skew, Strobe};

/// In which way a clock is wrong. The first four are those of the [real-time clock](crate::clock), the others those of the
/// clocks that [never go back](crate::clock::MonotonicSkew).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClockFault {
    /// It is ahead by this, or behind if negative.
    Jump {
        /// Milliseconds.
        by_ms: i64,
    },
    /// It gains, or loses if negative.
    Drift {
        /// Microseconds a second.
        ppm: i64,
    },
    /// It goes back and forth.
    Strobe {
        /// Milliseconds.
        by_ms: i64,
        /// Milliseconds that it stays.
        period_ms: u64,
    },
    /// It stands still.
    Freeze,
    /// The monotonic clocks jump ahead by this. They keep what they have gained.
    MonotonicJump {
        /// Milliseconds.
        by_ms: u64,
    },
    /// The monotonic clocks gain, or lose if negative.
    MonotonicDrift {
        /// Microseconds a second.
        ppm: i64,
    },
    /// The monotonic clocks stand still.
    MonotonicFreeze,
}

impl ClockFault {
    /// Whether it is about the monotonic clocks.
    pub fn is_monotonic(&self) -> bool {
        match self {
            ClockFault::Jump { .. } | ClockFault::Drift { .. } | ClockFault::Strobe { .. } | ClockFault::Freeze => {
                false
            }
            ClockFault::MonotonicJump { .. } | ClockFault::MonotonicDrift { .. } | ClockFault::MonotonicFreeze => true,
        }
    }

    /// What a clock is that has all these wrongs: jumps and drifts add up, as far as a [clock can go](Skew::check), a clock
    /// that stands still stands still, and of strobes the last one counts. Without any it is right.
    pub fn together<'a>(wrongs: impl IntoIterator<Item = &'a ClockFault>) -> Skew {
        let mut skew = Skew::default();
        let mut frozen = false;
        let mut monotonic_frozen = false;
        let monotonic = &mut MonotonicSkew::default();
        for wrong in wrongs {
            match *wrong {
                ClockFault::Jump { by_ms } => skew.jump_ns = skew.jump_ns.saturating_add(by_ms.saturating_mul(MS)),
                ClockFault::Drift { ppm } => skew.drift_ppm = skew.drift_ppm.saturating_add(ppm),
                ClockFault::Strobe { by_ms, period_ms } => {
                    let (by_ns, period_ns) = (by_ms.saturating_mul(MS), period_ms.saturating_mul(MS as u64).max(1));
                    skew.strobe = Some(Strobe { by_ns, period_ns });
                }
                ClockFault::Freeze => frozen = true,
                ClockFault::MonotonicJump { by_ms } => {
                    let by_ns = i64::try_from(by_ms).unwrap_or(i64::MAX).saturating_mul(MS);
                    monotonic.jump_ns = monotonic.jump_ns.saturating_add(by_ns);
                }
                ClockFault::MonotonicDrift { ppm } => monotonic.drift_ppm = monotonic.drift_ppm.saturating_add(ppm),
                ClockFault::MonotonicFreeze => monotonic_frozen = true,
            }
        }
        skew.jump_ns = skew.jump_ns.clamp(-Skew::FARTHEST_NS, Skew::FARTHEST_NS);
        let rate = |frozen: bool, ppm: i64| match frozen {
            true => Skew::FREEZE_PPM,
            false => ppm.clamp(Skew::FREEZE_PPM, Skew::FASTEST_PPM),
        };
        skew.drift_ppm = rate(frozen, skew.drift_ppm);
        skew.monotonic = MonotonicSkew {
            jump_ns: monotonic.jump_ns.min(Skew::FARTHEST_NS),
            drift_ppm: rate(monotonic_frozen, monotonic.drift_ppm),
        };
        skew
    }
}

const MS: i64 = 1_000_000;

/// For people: `+3600000 ms`, `500000 ppm`, `±200 ms every 10 ms`, `still`.
impl fmt::Display for ClockFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClockFault::Jump { by_ms } => write!(f, "{by_ms:+} ms"),
            ClockFault::Drift { ppm } => write!(f, "{ppm:+} ppm"),
            ClockFault::Strobe { by_ms, period_ms } => write!(f, "{by_ms:+} ms every other {period_ms} ms"),
            ClockFault::Freeze | ClockFault::MonotonicFreeze => f.write_str("still"),
            ClockFault::MonotonicJump { by_ms } => write!(f, "+{by_ms} ms"),
            ClockFault::MonotonicDrift { ppm } => write!(f, "{ppm:+} ppm"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrongs_add_up_and_stillness_wins() {
        let jump = ClockFault::Jump { by_ms: 5 };
        let drift = ClockFault::Drift { ppm: -2_000_000 };
        assert_eq!(ClockFault::together([]), Skew::default());
        assert_eq!(ClockFault::together([&jump, &jump]).jump_ns, 10_000_000);
        assert_eq!(ClockFault::together([&drift]).drift_ppm, Skew::FREEZE_PPM, "no clock goes backwards");
        let all = ClockFault::together([&jump, &ClockFault::Freeze, &ClockFault::Drift { ppm: 7 }]);
        assert_eq!((all.jump_ns, all.drift_ppm), (5_000_000, Skew::FREEZE_PPM));
    }

    #[test]
    fn what_is_wrong_with_one_kind_of_clock_leaves_the_other_alone() {
        let jump = ClockFault::MonotonicJump { by_ms: 5 };
        let drift = ClockFault::MonotonicDrift { ppm: 7 };
        let skew = ClockFault::together([&jump, &drift, &jump, &ClockFault::Freeze]);
        assert_eq!(skew.monotonic, MonotonicSkew { jump_ns: 10_000_000, drift_ppm: 7 });
        assert_eq!((skew.jump_ns, skew.drift_ppm), (0, Skew::FREEZE_PPM));
        let far = ClockFault::MonotonicJump { by_ms: u64::MAX };
        let skew = ClockFault::together([&far, &far, &drift, &ClockFault::MonotonicFreeze]);
        assert_eq!((skew.check(), skew.monotonic.drift_ppm, skew.drift_ppm), (Ok(()), Skew::FREEZE_PPM, 0));
    }

    #[test]
    fn what_each_clock_can_be_a_clock_can_be_together() {
        let fast = ClockFault::Drift { ppm: Skew::FASTEST_PPM };
        let far = ClockFault::Jump { by_ms: Skew::FARTHEST_NS / MS };
        let back = ClockFault::Jump { by_ms: -Skew::FARTHEST_NS / MS };
        assert_eq!(ClockFault::together([&fast, &fast]).drift_ppm, Skew::FASTEST_PPM);
        for wrongs in [[&fast, &fast, &far], [&far, &far, &fast], [&back, &back, &back]] {
            assert_eq!(ClockFault::together(wrongs).check(), Ok(()), "{wrongs:?}");
        }
    }
}
