//! All checkers, by the guarantee they observe, and the one pass that runs them over a recorded history.

use histories::{Guarantee, History};

use crate::checker::{About, Checker};
use crate::finding::Finding;
use crate::{convergence, counter_bounds, durability, monotonic_reads, read_your_writes, recovery};

/// What the checkers have to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckConfig {
    /// Within how many milliseconds after the last `heal-all` the store has to take operations again.
    pub recovery_bound_ms: u64,
}

impl Default for CheckConfig {
    fn default() -> Self {
        CheckConfig { recovery_bound_ms: 10_000 }
    }
}

/// One checker for each guarantee, in the order of [`Guarantee::ALL`].
pub fn all(config: &CheckConfig) -> Vec<Box<dyn Checker>> {
    Guarantee::ALL.into_iter().filter_map(|guarantee| checker(guarantee, config)).collect()
}

/// The checker that observes this guarantee.
pub fn checker(guarantee: Guarantee, config: &CheckConfig) -> Option<Box<dyn Checker>> {
    Some(match guarantee {
        Guarantee::Durability => Box::new(durability::Durability::default()),
        Guarantee::ReadYourWrites => Box::new(read_your_writes::ReadYourWrites::default()),
        Guarantee::MonotonicReads => Box::new(monotonic_reads::MonotonicReads::default()),
        Guarantee::Convergence => Box::new(convergence::Convergence::default()),
        Guarantee::CounterBounds => Box::new(counter_bounds::CounterBounds::default()),
        Guarantee::Recovery => Box::new(recovery::Recovery::new(config.recovery_bound_ms)),
        _ => return None,
    })
}

/// What the checker of this guarantee says about itself.
pub fn about(guarantee: Guarantee) -> About {
    match guarantee {
        Guarantee::Durability => durability::ABOUT,
        Guarantee::ReadYourWrites => read_your_writes::ABOUT,
        Guarantee::Convergence => convergence::ABOUT,
        Guarantee::CounterBounds => counter_bounds::ABOUT,
        Guarantee::Recovery => recovery::ABOUT,
        _ => monotonic_reads::ABOUT,
    }
}

/// Runs all checkers over a recorded history, in one pass: one finding for each guarantee.
pub fn check(history: &History, config: &CheckConfig) -> Vec<Finding> {
    let mut checkers = all(config);
    for event in history.events() {
        for checker in &mut checkers {
            checker.step(history, event);
        }
    }
    checkers.into_iter().map(|checker| checker.finish(history)).collect()
}
