//! Who wrote, and when: the names that updates have for ever.

use serde::{Deserialize, Serialize};

use crate::specimen::Micros;

/// One life of one node. A node that starts again is another actor, so that it never gives a name twice, whatever it has forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Actor {
    /// Its position.
    pub node: usize,
    /// How many times it had been started then.
    pub start: u64,
}

/// When a coordinator took an update, by its clock. No two are equal: the last write is always one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Stamp {
    /// Microseconds since 1970, more or less.
    pub time: Micros,
    /// Who.
    pub actor: Actor,
    /// Its how-manieth update.
    pub number: u64,
}

/// Makes stamps.
///
/// A *clock* stamps with what the machine's clock says, and what that says may be an hour late. A *hybrid logical clock* (Kulkarni,
/// Demirbas, Madappa, Avva, Leone: *Logical Physical Clocks*, OPODIS 2014) says something later than everything that it
/// has heard of, and the machine's time where that is later still. Here both halves share one number of microseconds.
#[derive(Clone, Debug)]
pub struct Clock {
    actor: Actor,
    hybrid: bool,
    heard: Micros,
    number: u64,
}

impl Clock {
    /// The clock of this actor.
    pub fn new(actor: Actor, hybrid: bool) -> Clock {
        Clock { actor, hybrid, heard: 0, number: 0 }
    }

    /// Has heard of something that happened then.
    pub fn witness(&mut self, time: Micros) {
        self.heard = self.heard.max(time);
    }

    /// The latest moment that it has heard of.
    pub fn heard(&self) -> Micros {
        self.heard
    }

    /// The stamp of an update now; `wall` is what the machine's clock says.
    pub fn stamp(&mut self, wall: Micros) -> Stamp {
        let time = if self.hybrid { wall.max(self.heard + 1) } else { wall };
        self.number += 1;
        self.heard = self.heard.max(time);
        Stamp { time, actor: self.actor, number: self.number }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hybrid_clock_is_never_behind_what_it_has_heard_of() {
        let actor = Actor { node: 0, start: 1 };
        let times = |hybrid| {
            let mut clock = Clock::new(actor, hybrid);
            let first = clock.stamp(100);
            clock.witness(500);
            let stamps = [first, clock.stamp(90), clock.stamp(90), clock.stamp(1000)];
            assert!(!hybrid || stamps.is_sorted());
            stamps.map(|stamp| stamp.time)
        };
        assert_eq!(times(true), [100, 501, 502, 1000]);
        assert_eq!(times(false), [100, 90, 90, 1000]);
    }
}
