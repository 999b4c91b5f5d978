//! All checkers, by the guarantee they observe, and the one pass that runs them over a recorded history.

use histories::{Guarantee, History};

use crate::checker::{About, Checker};
use crate::consistent_prefix::{self, ConsistentPrefix};
use crate::convergence::{self, Convergence};
use crate::counter_bounds::{self, CounterBounds};
use crate::durability::{self, Durability};
use crate::finding::Finding;
use crate::liveness::{self, Liveness};
use crate::monotonic_reads::{self, MonotonicReads};
use crate::monotonic_writes::{self, MonotonicWrites};
use crate::read_your_writes::{self, ReadYourWrites};
use crate::recovery::{self, Recovery};
use crate::whole::{self, AtTheEnd};
use crate::writes_follow_reads::{self, WritesFollowReads};

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

/// One checker for each guarantee that is observed event by event, in the order of [`Guarantee::FOLDS`].
pub fn all(config: &CheckConfig) -> Vec<Box<dyn Checker>> {
    Guarantee::FOLDS.into_iter().map(|guarantee| checker(guarantee, config)).collect()
}

/// The checker that observes this guarantee.
pub fn checker(guarantee: Guarantee, config: &CheckConfig) -> Box<dyn Checker> {
    match guarantee {
        Guarantee::Durability => Box::new(Durability::default()),
        Guarantee::ReadYourWrites => Box::new(ReadYourWrites::default()),
        Guarantee::MonotonicReads => Box::new(MonotonicReads::default()),
        Guarantee::MonotonicWrites => Box::new(MonotonicWrites::default()),
        Guarantee::WritesFollowReads => Box::new(WritesFollowReads::default()),
        Guarantee::ConsistentPrefix => Box::new(ConsistentPrefix::default()),
        Guarantee::Convergence => Box::new(Convergence::default()),
        Guarantee::CounterBounds => Box::new(CounterBounds::default()),
        Guarantee::Recovery => Box::new(Recovery::new(config.recovery_bound_ms)),
        Guarantee::Liveness => Box::new(Liveness::default()),
        at_the_end => Box::new(AtTheEnd::new(at_the_end)),
    }
}

/// What the checker of this guarantee says about itself.
pub fn about(guarantee: Guarantee) -> About {
    match guarantee {
        Guarantee::Durability => durability::ABOUT,
        Guarantee::ReadYourWrites => read_your_writes::ABOUT,
        Guarantee::MonotonicReads => monotonic_reads::ABOUT,
        Guarantee::MonotonicWrites => monotonic_writes::ABOUT,
        Guarantee::WritesFollowReads => writes_follow_reads::ABOUT,
        Guarantee::ConsistentPrefix => consistent_prefix::ABOUT,
        Guarantee::Convergence => convergence::ABOUT,
        Guarantee::CounterBounds => counter_bounds::ABOUT,
        Guarantee::Recovery => recovery::ABOUT,
        Guarantee::Liveness => liveness::ABOUT,
        at_the_end => whole::about(at_the_end).unwrap_or(recovery::ABOUT),
    }
}

/// Why a run cannot be stopped at the first proof that this guarantee is violated, or not at every proof; none where it can.
pub fn seen_only_at_the_end(guarantee: Guarantee) -> Option<&'static str> {
    use Guarantee::*;
    match guarantee {
        Durability => Some(
            "what is lost shows in the final reads; before them it sees what was doubled, aborted or never written",
        ),
        Convergence => Some("replicas are compared when everything is healed"),
        Recovery => Some("it is measured when everything is healed"),
        Liveness => Some("it is measured after the faults"),
        Pram | Causal => Some("it is judged over the whole history"),
        ReadCommitted | SnapshotIsolation | Serializable | StrictSerializable => {
            Some("of registers in transactions it is judged over the whole history; lists are watched")
        }
        ReadYourWrites | MonotonicReads | MonotonicWrites | WritesFollowReads | ConsistentPrefix | CounterBounds
        | Linearizable => None,
    }
}

/// Events that one checker takes in before it is the turn of the next one: few enough to stay in the processor's cache.
const BLOCK: usize = 4096;

/// Runs all checkers over a recorded history, in one pass: one finding for each guarantee.
pub fn check(history: &History, config: &CheckConfig) -> Vec<Finding> {
    run(history, all(config))
}

/// Runs these checkers over a recorded history, in one pass: their findings, in the same order.
pub fn run(history: &History, mut checkers: Vec<Box<dyn Checker>>) -> Vec<Finding> {
    let events = history.len() as u32;
    for start in (0..events).step_by(BLOCK) {
        let block = start..events.min(start + BLOCK as u32);
        for checker in &mut checkers {
            checker.steps(history, block.clone());
        }
    }
    checkers.into_iter().map(|checker| checker.finish(history)).collect()
}
