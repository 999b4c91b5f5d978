//! The first proof that something promised is violated, raised while the test still runs.

use std::sync::OnceLock;

use histories::{EventIndex, Guarantee, History};

/// What the checkers have proven so far, for whoever drives the run.
#[derive(Debug, Default)]
pub struct Alarm {
    proof: OnceLock<Proof>,
}

/// A violation that no later event can explain away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    /// What is violated.
    pub guarantee: Guarantee,
    /// The event that proves it.
    pub event: u32,
    /// When it was recorded, nanoseconds since the start of the workload.
    pub time_ns: u64,
}

impl Alarm {
    /// Takes in a proof. Only the first one counts.
    pub fn raise(&self, guarantee: Guarantee, history: &History, event: EventIndex) {
        let _ = self.proof.set(Proof { guarantee, event: event.0, time_ns: history.time(event) });
    }

    /// The first proof.
    pub fn proof(&self) -> Option<Proof> {
        self.proof.get().copied()
    }
}
