//! Crash loops: one step that kills a node again and again.

use super::draw::between;
use super::{Action, Repeat, Step};
use crate::fault::Fault;
use crate::seed::ChaCha8Rng;

/// A kill that is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CrashLoop {
    /// How long the node is down each time.
    pub down_ms: u64,
    /// How long until it is killed again.
    every_ms: u64,
    times: u32,
}

impl CrashLoop {
    /// What it is unless somebody says more.
    const USUAL: CrashLoop = CrashLoop { down_ms: 150, every_ms: 400, times: 5 };

    /// What is usual, for a step that injects one.
    pub(super) fn usual_of(action: &Action) -> Option<CrashLoop> {
        matches!(action, Action::Inject(Fault::CrashLoop { .. })).then_some(CrashLoop::USUAL)
    }

    /// At least two turns, all within so much time.
    pub(super) fn drawn(rng: &mut ChaCha8Rng, for_ms: u64) -> CrashLoop {
        let (down_ms, up_ms) = (between(rng, (50, 200)), between(rng, (100, 300)));
        let every_ms = (down_ms + up_ms).min(for_ms / 2).max(1);
        let times = (for_ms / every_ms).clamp(2, 1000) as u32;
        CrashLoop { down_ms: down_ms.min(every_ms / 2).max(1), every_ms, times }
    }

    pub(super) fn repeat(self) -> Repeat {
        Repeat { every_ms: Some(self.every_ms), times: Some(self.times) }
    }

    pub(super) fn step(self, at_ms: u64, fault: Fault) -> Step {
        Step { repeat: Some(self.repeat()), ..Step::inject(at_ms, fault, self.down_ms) }
    }
}
