//! The duty cycle of a host: whose turn it is, and for how long. See [`resources`](super::super::resources).

use std::time::{Duration, Instant};

/// A turn of running and a turn of standing still, together.
const PERIOD: Duration = Duration::from_millis(50);
/// However late the agent was, no stop lasts longer.
const LONGEST_STOP: Duration = Duration::from_secs(1);

/// What is to be done to all processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Stop,
    Continue,
}

/// A duty cycle in the middle of a turn.
#[derive(Debug)]
pub(super) struct Throttle {
    percent: u8,
    /// What the processes do in this turn.
    turn: Turn,
    since: Instant,
    until: Instant,
}

impl Throttle {
    /// A cycle that begins with a stop, which is to be carried out.
    pub(super) fn new(percent: u8, now: Instant) -> Throttle {
        let percent = percent.clamp(1, 99);
        let until = now + PERIOD * (100 - u32::from(percent)) / 100;
        Throttle { percent, turn: Turn::Stop, since: now, until }
    }

    pub(super) fn percent(&self) -> u8 {
        self.percent
    }

    /// How long nothing is to be done.
    pub(super) fn left(&self, now: Instant) -> Duration {
        self.until.saturating_duration_since(now)
    }

    /// What is due now, if anything.
    pub(super) fn due(&mut self, now: Instant) -> Option<Turn> {
        if now < self.until {
            return None;
        }
        match self.turn {
            Turn::Stop => self.run_from(now),
            Turn::Continue => {
                let ran = now.saturating_duration_since(self.since);
                let stop = ran * (100 - u32::from(self.percent)) / u32::from(self.percent);
                self.begin(Turn::Stop, now, stop.min(LONGEST_STOP));
            }
        }
        Some(self.turn)
    }

    /// The processes run from now on, for a turn.
    pub(super) fn run_from(&mut self, now: Instant) {
        self.begin(Turn::Continue, now, PERIOD * u32::from(self.percent) / 100);
    }

    fn begin(&mut self, turn: Turn, now: Instant, lasts: Duration) {
        (self.turn, self.since, self.until) = (turn, now, now + lasts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_kept_by_whoever_is_late() {
        let began = Instant::now();
        for (percent, late_ms) in [(20, 0), (20, 7), (5, 3), (90, 11)] {
            let (mut throttle, mut now) = (Throttle::new(percent, began), began);
            let (mut ran, mut running) = (Duration::ZERO, false);
            for turn in 0..400 {
                let late = Duration::from_millis(if turn % 3 == 0 { late_ms } else { 0 });
                let lasts = throttle.left(now) + late;
                now += lasts;
                ran += if running { lasts } else { Duration::ZERO };
                running = throttle.due(now).expect("a turn is over") == Turn::Continue;
            }
            let share = 100.0 * ran.as_secs_f64() / (now - began).as_secs_f64();
            // A stop that was too long is not made up for.
            assert!(share <= f64::from(percent) * 1.02, "{percent} %, late by {late_ms} ms: {share}");
            assert!(share >= f64::from(percent) * 0.7, "{percent} %, late by {late_ms} ms: {share}");
        }
    }

    #[test]
    fn no_stop_is_for_ever() {
        let began = Instant::now();
        let mut throttle = Throttle::new(1, began);
        throttle.run_from(began);
        let late = began + Duration::from_secs(60);
        assert_eq!((throttle.due(late), throttle.left(late)), (Some(Turn::Stop), LONGEST_STOP));
    }
}
