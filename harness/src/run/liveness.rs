//! The liveness phase: a core of nodes is healthy and by itself, and must get on. See [`nemesis::schedule::Liveness`] for what
//! is done, and [`checkers::liveness`] for how it is judged.

use std::sync::atomic::Ordering;
use std::time::Duration;

use nemesis::schedule::Liveness;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::Instant;

use super::alarm::Alarm;
use super::faults::Nemesis;
use super::process::{Crew, Phase};
use super::{Run, TICK};
use crate::failure::Failure;

/// How much longer than the bound it is waited: an answer within it must not be missed for the time that it takes to be
/// written down.
const MARGIN: Duration = Duration::from_millis(20);

impl Run<'_> {
    /// Until the core has answered a read and acknowledged an update, the bound has passed, or something ends the run.
    pub(super) async fn core_alone(
        &self,
        liveness: &Liveness,
        crew: &Crew,
        nemesis: &mut Nemesis,
        phases: &watch::Sender<Phase>,
        alarm: &Alarm,
    ) -> Option<Failure> {
        self.phase("leaving a core to itself");
        crew.recorder.nemesis("phase", json!("liveness"));
        let liveness = match nemesis.leave_core_alone(liveness).await {
            Ok(liveness) => liveness,
            Err(failure) => return Some(failure),
        };
        crew.core.get_or_init(|| liveness.core.clone());
        let _ = phases.send(Phase::Liveness);
        self.phase("waiting for the core");
        let deadline = Instant::now() + Duration::from_millis(liveness.within_ms) + MARGIN;
        while !crew.tally.core_got_on() && Instant::now() < deadline {
            if *self.interrupt.borrow() || alarm.proof().is_some() {
                return None;
            }
            if let Some(error) = crew.recorder.failed() {
                return Some(Failure::harness("the history cannot be written").help(error));
            }
            nemesis.collect_exits();
            if let Ok(mut progress) = self.watch.lock() {
                progress.operations = crew.tally.completed();
                progress.faults = nemesis.installed();
            }
            tokio::time::sleep(TICK).await;
        }
        let got_on = crew.tally.core_got_on();
        tracing::info!(got_on, updates = crew.tally.core_updates.load(Ordering::Relaxed), "the core was by itself");
        None
    }
}
