//! Steps of the nemesis that are under way: each on a thread of its own, as one that waits for a node must not hold up those
//! of others.
//!
//! A step is begun on the thread of the schedule, in the order of the schedule, and lines up there for its nodes; only what
//! may have to wait goes to a thread. What it did is written into the history by that thread, at the moment at which it is
//! done, and told here afterwards, an installation always before its heal.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use nemesis::fault::Fault;
use nemesis::hosts::Hosts;
use nemesis::injector::{Effect, FaultId, Injector, Outcome, Step};
use serde_json::{Value as Json, json};

use super::record::Recorder;
use crate::clock::RunClock;

/// How often it is looked whether all are done.
const LOOK: Duration = Duration::from_millis(5);

/// See the [module](self).
pub struct Steps {
    injector: Arc<Injector<Arc<Hosts>>>,
    recorder: Arc<Recorder>,
    clock: RunClock,
    threads: Vec<JoinHandle<()>>,
    tell: Sender<Done>,
    told: Receiver<Done>,
    broken: bool,
}

/// A step that is done.
pub struct Done {
    /// Of which fault.
    pub id: FaultId,
    /// What it did.
    pub effect: Effect,
    /// When it was done, milliseconds since the start.
    pub at_ms: u64,
    /// How much later than it was due, milliseconds; `None` when the schedule did not ask for it.
    pub late_ms: Option<u64>,
    /// Whether it is the heal.
    pub heal: bool,
}

/// What a step is about.
struct About {
    id: FaultId,
    due_ms: Option<u64>,
    heal: bool,
    /// What the event of an installation says besides.
    more: Vec<(&'static str, Json)>,
}

impl Steps {
    /// None is under way.
    pub fn new(injector: Injector<Arc<Hosts>>, recorder: Arc<Recorder>, clock: RunClock) -> Self {
        let (tell, told) = mpsc::channel();
        Steps { injector: Arc::new(injector), recorder, clock, threads: Vec::new(), tell, told, broken: false }
    }

    /// The injector.
    pub fn injector(&self) -> &Injector<Arc<Hosts>> {
        &self.injector
    }

    /// Begins to install a fault that was due at `due_ms`, if the schedule asked for it; its event says this `more`.
    pub fn install(
        &mut self,
        id: FaultId,
        fault: &Fault,
        targets: &[usize],
        due_ms: Option<u64>,
        more: Vec<(&'static str, Json)>,
    ) {
        let step = self.injector.begin_install(id, fault, targets);
        self.carry_out(step, About { id, due_ms, heal: false, more });
    }

    /// Begins to heal a fault. It was due at `due_ms`, or is healed because the end has come.
    pub fn heal(&mut self, id: FaultId, due_ms: Option<u64>) {
        let step = self.injector.begin_heal(id);
        self.carry_out(step, About { id, due_ms, heal: true, more: Vec::new() });
    }

    fn carry_out(&mut self, step: Step, about: About) {
        let (injector, recorder, clock) = (self.injector.clone(), self.recorder.clone(), self.clock);
        let tell = self.tell.clone();
        let is_done = step.is_done();
        let step = Arc::new(Mutex::new(Some((step, about))));
        let work = {
            let step = step.clone();
            move || {
                let taken = step.lock().unwrap_or_else(|p| p.into_inner()).take();
                let Some((step, about)) = taken else { return };
                injector.carry_out(step, |effect| {
                    let done = about.done(effect, clock.elapsed_ms());
                    record(&recorder, &injector, &about, &done);
                    // Nobody listens any more when the run is over.
                    let _ = tell.send(done);
                });
            }
        };
        if is_done {
            return work();
        }
        let name = "nemesis step".to_owned();
        match std::thread::Builder::new().name(name).spawn(work.clone()) {
            Ok(thread) => self.threads.push(thread),
            // There are no more threads to be had.
            Err(_) => work(),
        }
    }

    /// What was done since the last time.
    pub fn done(&mut self) -> Vec<Done> {
        let (ended, running) = std::mem::take(&mut self.threads).into_iter().partition(JoinHandle::is_finished);
        self.threads = running;
        let ended: Vec<JoinHandle<()>> = ended;
        // Its panic has been reported by its hook.
        self.broken |= ended.into_iter().any(|thread| thread.join().is_err());
        self.told.try_iter().collect()
    }

    /// Waits until nothing is under way. Returns what was done since the last time.
    pub async fn finish(&mut self) -> Vec<Done> {
        let mut done = Vec::new();
        while !self.threads.is_empty() {
            done.extend(self.done());
            tokio::time::sleep(LOOK).await;
        }
        done.extend(self.done());
        done
    }

    /// Whether one of them panicked.
    pub fn are_broken(&self) -> bool {
        self.broken
    }
}

impl About {
    fn done(&self, effect: Effect, at_ms: u64) -> Done {
        let late_ms = self.due_ms.map(|due_ms| at_ms.saturating_sub(due_ms));
        Done { id: self.id, effect, at_ms, late_ms, heal: self.heal }
    }
}

/// Writes the event of a step into the history. A heal of what is not installed is none.
fn record(recorder: &Recorder, injector: &Injector<Arc<Hosts>>, about: &About, done: &Done) {
    let effect = &done.effect;
    if about.heal && matches!(effect.outcome, Outcome::Skipped(_)) {
        return;
    }
    let mut value = effect.to_json();
    if let Some(late_ms) = done.late_ms {
        value["late_ms"] = json!(late_ms);
    }
    for (name, more) in &about.more {
        value[*name] = more.clone();
    }
    if about.heal {
        value["fault"] = effect.asked["fault"].clone();
        value["remaining"] = json!(injector.installed().len());
    }
    recorder.nemesis(effect.f, value);
    let outcome = &effect.outcome;
    tracing::info!(step = effect.f, fault = %effect.asked["fault"], ?outcome, late_ms = done.late_ms, "done");
}
