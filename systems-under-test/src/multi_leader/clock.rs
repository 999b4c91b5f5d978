//! A hybrid clock: the wall's time where that is ahead of all that was seen, and one more than what was seen where it is not.

use super::event::Stamp;
use crate::specimen::Micros;

/// See the [module](self).
#[derive(Debug, Default)]
pub struct HybridClock {
    last: Stamp,
}

impl HybridClock {
    /// The stamp of something that is written now, later than everything seen. `wall` is microseconds since 1970.
    pub fn next(&mut self, wall: Micros, origin: usize) -> Stamp {
        let time = wall / 1000;
        let count = if time > self.last.time { 0 } else { self.last.count + 1 };
        self.last = Stamp { time: time.max(self.last.time), count, origin };
        self.last
    }

    /// Something with this stamp was seen.
    pub fn see(&mut self, stamp: Stamp) {
        self.last = self.last.max(stamp);
    }
}

/// The wall's time alone: what the planted bug takes for it.
pub fn wall_alone(wall: Micros, origin: usize) -> Stamp {
    Stamp { time: wall / 1000, count: 0, origin }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_after_having_seen_something_is_later_whatever_the_wall_says() {
        let (mut ahead, mut behind) = (HybridClock::default(), HybridClock::default());
        let first = ahead.next(9_000_000, 0);
        behind.see(first);
        let second = behind.next(4_000_000, 1);
        assert!(second > first && second.time == 9_000);
        assert!(wall_alone(4_000_000, 1) < first, "which the wall alone would deny");
        assert_eq!(behind.next(9_001_000, 1), Stamp { time: 9_001, count: 0, origin: 1 });
    }
}
