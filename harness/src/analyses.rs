//! What is judged over the whole of a history, with how much it may take.

use checkers::Budget;
use checkers::whole::{self, Whole};
use histories::{Guarantee, History};

/// Steps of a search where no time is given: some tens of seconds at most, and the same answer on every machine.
pub const STEPS: u64 = 2_000_000_000;
/// Bytes of tables where no memory is given.
pub const MEMORY_BYTES: u64 = 4 << 30;

/// Everything that is judged at the end of a run.
pub fn whole(history: &History) -> Whole {
    whole_within(history, &Budget { steps: STEPS, memory_bytes: MEMORY_BYTES, threads: threads(), ..Budget::default() })
}

/// The same within other bounds.
pub fn whole_within(history: &History, budget: &Budget<'_>) -> Whole {
    let at_the_end: Vec<Guarantee> = Guarantee::ALL.into_iter().filter(|g| !Guarantee::FOLDS.contains(g)).collect();
    whole::whole(history, &at_the_end, budget)
}

/// As many as there are processors for this process.
pub fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
