//! Clocks that are wrong, and what comes of several wrongs on one clock.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::clock::{Skew, Strobe};

/// In which way a clock is wrong. The [real-time clock](crate::clock) only: no program is harmed in its timers.
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
}

impl ClockFault {
    /// What a clock is that has all these wrongs: jumps and drifts add up, as far as a [clock can go](Skew::check), a clock
    /// that stands still stands still, and of strobes the last one counts. Without any it is right.
    pub fn together<'a>(wrongs: impl IntoIterator<Item = &'a ClockFault>) -> Skew {
        let mut skew = Skew::default();
        let mut frozen = false;
        for wrong in wrongs {
            match *wrong {
                ClockFault::Jump { by_ms } => skew.jump_ns = skew.jump_ns.saturating_add(by_ms.saturating_mul(MS)),
                ClockFault::Drift { ppm } => skew.drift_ppm = skew.drift_ppm.saturating_add(ppm),
                ClockFault::Strobe { by_ms, period_ms } => {
                    let (by_ns, period_ns) = (by_ms.saturating_mul(MS), period_ms.saturating_mul(MS as u64).max(1));
                    skew.strobe = Some(Strobe { by_ns, period_ns });
                }
                ClockFault::Freeze => frozen = true,
            }
        }
        skew.jump_ns = skew.jump_ns.clamp(-Skew::FARTHEST_NS, Skew::FARTHEST_NS);
        skew.drift_ppm = match frozen {
            true => Skew::FREEZE_PPM,
            false => skew.drift_ppm.clamp(Skew::FREEZE_PPM, Skew::FASTEST_PPM),
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
            ClockFault::Freeze => f.write_str("still"),
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
