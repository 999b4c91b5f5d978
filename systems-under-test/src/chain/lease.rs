//! Leases: for so long nobody can have decided on the next configuration.
//!
//! A tail that has been removed and does not know it would answer reads from the past. So a member answers only while it holds a lease
//! of its epoch, granted by a majority; and whoever grants one lets no next configuration be decided with its help before the lease has
//! run out. Two majorities meet in a node, so *while anybody holds a lease of epoch 4, nobody can know of an epoch 5.*
//!
//! ```text
//!   holder   ── asks at 100 ──▶ ………………… valid until 100 + 9/10 lease, by its own clock ┊
//!   grantor        hears at 103: answers no Prepare or Accept until 103 + lease, by its own clock ┊
//! ```
//!
//! The holder counts from when it *asked*, so delay only shortens what it has. Two clocks that run, each for itself, are compared over a few
//! hundred milliseconds, which the tenth is for (a monotonic clock that runs slower than that breaks it); what time it is by them does not matter, and clocks that jump are not used (Gray and
//! Cheriton, *Leases*, SOSP 1989). A grantor that restarts does not know what it had granted, and behaves as if it had just granted one. A holder that
//! restarts has none: what it is told is of this `incarnation` or ignored.

use crate::specimen::Micros;

/// What one node holds, and what it has granted. See the [module](self).
#[derive(Debug)]
pub struct Lease {
    duration: Micros,
    incarnation: u64,
    /// When it asked what was granted last, by grantor.
    asked: Vec<Option<Micros>>,
    granted_until: Micros,
}

impl Lease {
    /// For a node that has just started.
    pub fn new(count: usize, duration: Micros, incarnation: u64, now: Micros) -> Lease {
        Lease { duration, incarnation, asked: vec![None; count], granted_until: now + duration }
    }

    /// Which life of this node it is.
    pub fn incarnation(&self) -> u64 {
        self.incarnation
    }

    /// Somebody granted what this node asked for at that time.
    pub fn granted(&mut self, by: usize, asked: Micros, incarnation: u64) {
        if incarnation == self.incarnation {
            self.asked[by] = self.asked[by].max(Some(asked));
        }
    }

    /// A new epoch: what was held is worth nothing.
    pub fn lapse(&mut self) {
        self.asked.fill(None);
    }

    /// Whether so many have granted it and none of these has run out.
    pub fn holds(&self, now: Micros, majority: usize) -> bool {
        let valid = |asked: &&Option<Micros>| asked.is_some_and(|asked| now < asked + self.duration / 10 * 9);
        self.asked.iter().filter(valid).count() >= majority
    }

    /// Grants one.
    pub fn grant(&mut self, now: Micros) {
        self.granted_until = self.granted_until.max(now + self.duration);
    }

    /// Whether everything that this node has ever granted has run out.
    pub fn is_free(&self, now: Micros) -> bool {
        now >= self.granted_until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_counts_from_when_it_was_asked_for_and_ends_before_its_grantors() {
        let mut holder = Lease::new(3, 1000, 7, 0);
        let mut grantor = Lease::new(3, 1000, 8, 0);
        assert!(!grantor.is_free(999) && grantor.is_free(1000), "it may have granted one before it started");
        grantor.grant(5003);
        holder.granted(0, 5000, 7);
        assert!(!holder.holds(5001, 2));
        holder.granted(1, 5000, 7);
        holder.granted(1, 4000, 7);
        assert!(holder.holds(5899, 2) && !holder.holds(5900, 2));
        assert!(!grantor.is_free(6002) && grantor.is_free(6003));
    }

    #[test]
    fn what_another_life_asked_for_and_another_epoch_is_worth_nothing() {
        let mut holder = Lease::new(3, 1000, 7, 0);
        (0..3).for_each(|by| holder.granted(by, 90_000, 6));
        assert!(!holder.holds(100, 2));
        (0..3).for_each(|by| holder.granted(by, 50, 7));
        assert!(holder.holds(100, 2));
        holder.lapse();
        assert!(!holder.holds(100, 1));
    }
}
