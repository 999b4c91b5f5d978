//! The nemesis of a run: follows the schedule, writes what it did into the same history, and heals everything.

use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};

use nemesis::fault::Fault;
use nemesis::hosts::{Exit, Hosts};
use nemesis::injector::{Effect, FaultId, Injector, Layout, Outcome};
use nemesis::schedule::{Driver, Due, OutputTail};
use serde_json::{Value as Json, json};

use super::cluster::RunningCluster;
use super::record::Recorder;
use crate::clock::RunClock;
use crate::failure::Failure;
use crate::plan::Plan;
use crate::report::FaultRecord;
use crate::rundir::RunDir;

/// See the [module](self).
pub struct Nemesis {
    cluster: Arc<RunningCluster>,
    recorder: Arc<Recorder>,
    clock: RunClock,
    driver: Driver,
    tail: Option<OutputTail>,
    injector: Arc<Mutex<Injector<Arc<Hosts>>>>,
    exits: Option<Receiver<Exit>>,
    /// Nodes that ended although nobody ended them.
    unexpected: Vec<String>,
    /// Every fault so far, with the id of the injector.
    pub records: Vec<FaultRecord>,
    ids: Vec<FaultId>,
    /// Injections that were skipped, with the reason.
    skipped: Vec<String>,
}

impl Nemesis {
    /// Nothing is installed yet.
    pub fn new(
        plan: &Plan,
        cluster: Arc<RunningCluster>,
        recorder: Arc<Recorder>,
        clock: RunClock,
        dir: &RunDir,
    ) -> Result<Self, Failure> {
        let driver = Driver::new(&plan.schedule).map_err(|e| Failure::usage("the schedule").because(&e))?;
        let names = (0..cluster.nodes().len()).map(|i| (cluster.name(i).to_string(), cluster.nodes()[i]));
        let layout = Layout { nodes: names.collect(), clients: cluster.clients() };
        let injector = Injector::new(cluster.hosts().clone(), layout, Some(&dir.file("ledger.jsonl")))
            .map_err(|e| Failure::harness("the ledger").because(&e))?;
        let tail = plan.schedule.watches_output().then(|| OutputTail::new(cluster.outputs()));
        Ok(Nemesis {
            exits: cluster.exits(),
            injector: Arc::new(Mutex::new(injector)),
            cluster,
            recorder,
            clock,
            driver,
            tail,
            unexpected: Vec::new(),
            records: Vec::new(),
            ids: Vec::new(),
            skipped: Vec::new(),
        })
    }

    /// Does what is due at `at_ms` of the workload.
    pub async fn tick(&mut self, at_ms: u64, operations: u64) {
        self.collect_exits();
        let lines = self.tail.as_mut().map(OutputTail::read).unwrap_or_default();
        for due in self.driver.poll(at_ms, operations, &lines) {
            match due {
                Due::Inject { id, fault, .. } => self.inject(id, fault).await,
                Due::Heal { id, .. } => self.heal(id).await,
            }
        }
    }

    async fn inject(&mut self, id: FaultId, fault: Fault) {
        let leader = if fault.needs_leader() { self.cluster.leader().await } else { None };
        let targets = fault.resolve(self.cluster.nodes().len(), leader);
        let from_ms = self.clock.elapsed_ms();
        let Some(effect) = self.with_injector(move |injector| injector.install(id, &fault, &targets)).await else {
            return;
        };
        self.recorder.nemesis(effect.f, effect.to_json());
        tracing::info!(fault = effect.f, outcome = ?effect.outcome, "injected");
        if let Outcome::Skipped(reason) = &effect.outcome {
            self.skipped.push(format!("{} was skipped: {reason}", effect.f));
        }
        self.ids.push(id);
        self.records.push(FaultRecord {
            fault: effect.f.to_owned(),
            from_ms,
            to_ms: None,
            outcome: json!(effect.outcome),
            inert: effect.inert,
            asked: effect.asked,
            took_effect: effect.took_effect,
        });
    }

    async fn heal(&mut self, id: FaultId) {
        if let Some(effect) = self.with_injector(move |injector| injector.heal(id)).await {
            self.healed(id, &effect);
        }
    }

    /// Heals everything, whatever is installed, and says so in the history.
    pub async fn heal_all(&mut self) {
        self.driver.stop();
        let effects = self.with_injector(Injector::heal_all).await.unwrap_or_default();
        for (id, effect) in &effects {
            self.healed(*id, effect);
        }
        self.recorder.nemesis("heal-all", json!({ "healed": effects.len() }));
    }

    fn healed(&mut self, id: FaultId, effect: &Effect) {
        if matches!(effect.outcome, Outcome::Skipped(_)) {
            return;
        }
        let mut value = effect.to_json();
        value["fault"] = effect.asked["fault"].clone();
        value["remaining"] = json!(self.installed().len());
        self.recorder.nemesis(effect.f, value);
        tracing::info!(fault = %effect.asked["fault"], outcome = ?effect.outcome, "healed");
        let to_ms = self.clock.elapsed_ms();
        let Some(position) = self.ids.iter().position(|known| *known == id) else { return };
        let record = &mut self.records[position];
        record.to_ms = Some(to_ms);
        record.inert = effect.inert;
        merge(&mut record.took_effect, &effect.took_effect);
    }

    /// The faults that are installed now: name and targets.
    pub fn installed(&self) -> Vec<String> {
        let Ok(injector) = self.injector.try_lock() else { return Vec::new() };
        injector.installed().iter().map(|(_, fault, nodes)| format!("{} {}", fault.name(), nodes.join(" "))).collect()
    }

    /// Installing and healing wait for processes to die and machines to boot: not on the thread of the processes.
    async fn with_injector<T: Send + 'static>(
        &self,
        f: impl FnOnce(&mut Injector<Arc<Hosts>>) -> T + Send + 'static,
    ) -> Option<T> {
        let injector = self.injector.clone();
        let done =
            tokio::task::spawn_blocking(move || f(&mut injector.lock().unwrap_or_else(|p| p.into_inner()))).await;
        done.inspect_err(|error| tracing::error!(%error, "the injector broke")).ok()
    }

    /// Takes note of nodes that ended by themselves.
    pub fn collect_exits(&mut self) {
        let Some(exits) = &self.exits else { return };
        while let Ok(exit) = exits.try_recv() {
            if !exit.main || exit.expected {
                continue;
            }
            let Some(node) = self.cluster.nodes().iter().position(|host| *host == exit.host) else { continue };
            let name = self.cluster.name(node);
            self.recorder.nemesis("exit", json!({"node": &*name, "code": exit.code, "signal": exit.signal}));
            let how = match (exit.code, exit.signal) {
                (Some(code), _) => format!("with code {code}"),
                (None, Some(signal)) => format!("by signal {signal}"),
                (None, None) => String::new(),
            };
            let at = self.clock.elapsed_ms() as f64 / 1000.0;
            self.unexpected.push(format!("{name} ended by itself {how} at {at:.1} s: see nodes/{name}/stderr.log"));
        }
    }

    /// What the reader should know.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = self.unexpected.clone();
        notes.extend(self.skipped.iter().cloned());
        notes
    }
}

fn merge(into: &mut Json, from: &Json) {
    match (into.as_object_mut(), from.as_object()) {
        (Some(into), Some(from)) => into.extend(from.iter().map(|(k, v)| (k.clone(), v.clone()))),
        _ => *into = from.clone(),
    }
}
