//! The faults that are installed: which of them an operation meets.

use std::collections::BTreeSet;
use std::time::Duration;

use nix::errno::Errno;
use rand::Rng;

use super::fault::{DiskFault, Effect, Operation, matches};
use super::model::Misplacement;
use crate::seed::{ChaCha8Rng, Seed};

/// All installed faults.
#[derive(Debug, Default)]
pub(super) struct Rules {
    armed: Vec<Armed>,
    next_id: u64,
}

#[derive(Debug)]
struct Armed {
    id: u64,
    fault: DiskFault,
    rng: ChaCha8Rng,
    left: u64,
    injected: u64,
}

/// What happens to one operation.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Decision {
    /// It fails.
    pub(super) error: Option<Errno>,
    /// It waits so long first.
    pub(super) delay: Duration,
    /// It waits for these faults to be healed first.
    pub(super) hang: BTreeSet<u64>,
    pub(super) lie: bool,
    pub(super) forget: bool,
    /// Bits to invert in what is read: random numbers, one each.
    pub(super) flips: Vec<u64>,
    /// Another block is read: a random number.
    pub(super) misread: Option<u64>,
    /// The write goes astray, by this fault.
    pub(super) astray: Option<(u64, Misplacement)>,
}

impl Decision {
    /// Whether it has to wait.
    pub(super) fn waits(&self) -> bool {
        !self.delay.is_zero() || !self.hang.is_empty()
    }
}

impl Rules {
    /// Installs these instead of those. What is in both goes on as it was.
    pub(super) fn set(&mut self, faults: &[DiskFault]) {
        let mut old = std::mem::take(&mut self.armed);
        for fault in faults {
            let same = old.iter().position(|armed| armed.fault == *fault);
            let armed = same.map(|at| old.remove(at)).unwrap_or_else(|| {
                self.next_id += 1;
                let rng = Seed(fault.seed).stream("disk fault");
                Armed {
                    id: self.next_id,
                    fault: fault.clone(),
                    rng,
                    left: fault.count.unwrap_or(u64::MAX),
                    injected: 0,
                }
            });
            self.armed.push(armed);
        }
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.armed.is_empty()
    }

    /// Numbers of the installed faults, never used twice.
    pub(super) fn ids(&self) -> BTreeSet<u64> {
        self.armed.iter().map(|armed| armed.id).collect()
    }

    /// How often each took effect, in the order of the set.
    pub(super) fn injected(&self) -> Vec<u64> {
        self.armed.iter().map(|armed| armed.injected).collect()
    }

    /// Whether any of them shows in what is read.
    pub(super) fn show_in_reads(&self) -> bool {
        self.armed.iter().any(|armed| armed.fault.effect.shows_in_reads())
    }

    /// What happens to an operation. `paths` (a rename has two) are asked for only if there is a fault.
    pub(super) fn decide(&mut self, operation: Operation, paths: impl FnOnce() -> Vec<String>) -> Decision {
        let mut decision = Decision::default();
        if self.armed.is_empty() {
            return decision;
        }
        let paths = paths();
        for armed in &mut self.armed {
            if armed.meets(operation, &paths) {
                armed.join(&mut decision);
            }
        }
        decision
    }
}

impl Armed {
    /// One draw for each operation that it could meet, so that what else is installed does not shift its draws.
    fn meets(&mut self, operation: Operation, paths: &[String]) -> bool {
        let fault = &self.fault;
        let meant = fault.operations.is_empty() || fault.operations.contains(&operation);
        let there = fault.path.as_ref().is_none_or(|pattern| paths.iter().any(|path| matches(pattern, path)));
        if !meant || !there || !fault.effect.applies_to(operation) {
            return false;
        }
        let draw = (self.rng.next_u64() >> 11) as f64;
        let hit = self.left > 0 && draw < fault.probability * (1u64 << 53) as f64;
        if hit {
            self.left -= 1;
            self.injected += 1;
        }
        hit
    }

    fn join(&mut self, decision: &mut Decision) {
        match self.fault.effect {
            Effect::Error(kind) => decision.error = decision.error.or(Some(kind.errno())),
            Effect::Delay { us, jitter_us } => {
                let jitter = self.rng.next_u64() % jitter_us.saturating_add(1).max(1);
                decision.delay += Duration::from_micros(us.saturating_add(jitter));
            }
            Effect::Hang => drop(decision.hang.insert(self.id)),
            Effect::LyingFsync => decision.lie = true,
            Effect::Fsyncgate => {
                decision.forget = true;
                decision.error = decision.error.or(Some(Errno::EIO));
            }
            Effect::FlipBits { bits } => decision.flips.extend((0..bits).map(|_| self.rng.next_u64())),
            Effect::MisdirectedRead => decision.misread = Some(self.rng.next_u64()),
            Effect::MisdirectedWrite => {
                decision.astray = Some((self.id, Misplacement::Elsewhere(self.rng.next_u64() >> 8)));
            }
            Effect::StaleRead => decision.astray = Some((self.id, Misplacement::Nowhere)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::fault::ErrorKind;

    fn hits(rules: &mut Rules, count: usize) -> Vec<bool> {
        (0..count).map(|_| rules.decide(Operation::Write, || vec!["a/b".to_owned()]).error.is_some()).collect()
    }

    #[test]
    fn what_stays_in_the_set_goes_on_as_it_was() {
        let eio = DiskFault { probability: 0.5, count: Some(20), ..DiskFault::new(Effect::Error(ErrorKind::Eio)) };
        let slow = DiskFault::new(Effect::Delay { us: 5, jitter_us: 0 });
        let (mut one, mut other) = (Rules::default(), Rules::default());
        one.set(std::slice::from_ref(&eio));
        other.set(&[slow.clone(), eio.clone()]);
        let mut expected = hits(&mut one, 30);
        let mut seen = hits(&mut other, 15);
        other.set(std::slice::from_ref(&eio));
        seen.extend(hits(&mut other, 15));
        assert_eq!(seen, expected);
        expected.extend(hits(&mut one, 100));
        assert_eq!(expected.iter().filter(|hit| **hit).count(), 20);
        assert_eq!(one.injected(), [20]);
    }

    #[test]
    fn only_what_is_meant_is_met() {
        let mut rules = Rules::default();
        rules.set(&[DiskFault::new(Effect::LyingFsync).at("wal"), DiskFault::new(Effect::Hang).on(&[Operation::Open])]);
        assert_eq!(rules.decide(Operation::Fsync, || vec!["data".to_owned()]), Decision::default());
        assert_eq!(rules.decide(Operation::Write, || vec!["wal".to_owned()]), Decision::default());
        assert!(rules.decide(Operation::Fsync, || vec!["wal".to_owned()]).lie);
        assert!(rules.decide(Operation::Open, || vec!["x".to_owned()]).waits());
        assert_eq!(rules.injected(), [1, 1]);
    }
}
