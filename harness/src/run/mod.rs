//! One run from seed to verdict.
//!
//! ```text
//! plan → hosts → nodes ready → workload and faults → heal everything → recovery → quiet → final reads and dumps
//!      → nodes stop → checkers conclude → verdict
//! ```
//!
//! The recorder writes every event as it happens; the checkers fold over the same events on a thread of their own.
//! Whatever goes wrong on the way, the hosts go away with this process, and what was recorded stays.

pub mod alarm;
pub mod cluster;
pub mod equipment;
mod faults;
mod finale;
mod lateness;
mod liveness;
pub mod process;
pub mod record;
mod steps;
mod watching;

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use checkers::CheckConfig;
use histories::{Guarantee, History};
use nemesis::hosts::Rung;
use serde_json::json;
use systems_under_test::{Contract, Options, Promise, System};
use tokio::sync::watch;
use tokio::time::Instant;

use self::alarm::{Alarm, Proof};
use self::cluster::{ClusterSpec, RunningCluster};
use self::equipment::Equipment;
use self::faults::Nemesis;
use self::process::{Crew, Phase};
use self::record::{FLUSH_EVERY_MS, Online, Recorder};
use crate::analyses;
use crate::clock::RunClock;
use crate::failure::Failure;
use crate::plan::Plan;
use crate::report::{Operations, RUN_FORMAT, Report, RunFile, Status};
use crate::rundir::RunDir;
use crate::verdict::{Circumstances, Terms, judge};
use crate::workloads::{self, Shape};

/// How long nodes may take to become ready at the start.
const READY_BOUND: Duration = Duration::from_secs(20);
/// How often the run looks at itself.
const TICK: Duration = Duration::from_millis(5);

/// What to run.
pub struct RunSpec {
    /// Everything that is decided beforehand.
    pub plan: Plan,
    /// The store.
    pub system: Arc<dyn System>,
    /// Its settings.
    pub options: Options,
    /// Where runs are kept.
    pub runs: PathBuf,
    /// This rung or the best.
    pub rung: Option<Rung>,
    /// Whether to record all packets.
    pub pcap: bool,
    /// Whether to leave out faults that this machine does not offer, rather than to refuse.
    pub allow_degraded: bool,
    /// Whether hosts whose clocks can be wrong are of the [trap tier](nemesis::clock::ClockTier::Trap).
    pub trap_clocks: bool,
    /// The command that runs it again.
    pub again: String,
    /// What the reader of its verdict should know of the configuration.
    pub notes: Vec<String>,
    /// Whether to stop at the first proof that something promised is violated.
    pub fail_fast: bool,
    /// Whether to keep the cluster as it stood then until Enter is typed.
    pub hold: bool,
}

/// How a run goes, for whoever watches.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// What it is doing.
    pub phase: &'static str,
    /// Milliseconds since the start of the workload, and its planned length.
    pub at_ms: (u64, u64),
    /// Operations completed.
    pub operations: u64,
    /// Operations per second of late.
    pub rate: f64,
    /// Faults installed now.
    pub faults: Vec<String>,
}

/// Shared between a run and whoever watches it.
pub type Watch = Arc<Mutex<Progress>>;

/// A run that has a verdict.
pub struct Finished {
    /// What is in `verdict.json`.
    pub report: Report,
    /// What was recorded.
    pub history: History,
    /// Where.
    pub dir: RunDir,
}

/// Makes the run directory and writes the plan. The first thing a user sees names this directory.
pub fn prepare(spec: &RunSpec, clock: &RunClock) -> Result<RunDir, Failure> {
    let dir = RunDir::create(&spec.runs, &spec.plan.system, clock)?;
    dir.write_json("plan.json", &spec.plan)?;
    dir.write_json("run.json", &run_file(spec, clock))?;
    Ok(dir)
}

fn run_file(spec: &RunSpec, clock: &RunClock) -> RunFile {
    RunFile {
        format: RUN_FORMAT,
        version: env!("CARGO_PKG_VERSION").into(),
        started: clock.started_at(),
        status: Status::Running,
        again: spec.again.clone(),
        rung: None,
        failure: None,
        terms: Terms {
            contract: contract(spec),
            required: spec.plan.required.clone(),
            faults: spec.plan.fault_names().into_iter().map(str::to_owned).collect(),
        },
        circumstances: Circumstances::default(),
    }
}

/// What the system promises of this run. A core that it says does not suffice is none that it promises anything of, and
/// where no core is left to itself there is nothing to promise.
fn contract(spec: &RunSpec) -> Contract {
    let (options, nodes) = (&spec.options, spec.plan.nodes);
    let contract = spec.system.contract(options, nodes);
    let Some(liveness) = &spec.plan.liveness else { return contract.without(Guarantee::Liveness) };
    match spec.system.core(options, nodes).lacks(&liveness.core) {
        None => contract,
        Some(because) => contract.with(Guarantee::Liveness, Promise::No { because }),
    }
}

/// Runs to a verdict. `interrupt` turning true heals, stops, saves and still checks.
pub fn run(
    spec: RunSpec,
    clock: RunClock,
    dir: RunDir,
    watch: Watch,
    interrupt: watch::Receiver<bool>,
) -> Result<Finished, Failure> {
    let mut file = run_file(&spec, &clock);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::harness("cannot start the runtime").because(&e))?;
    let outcome = runtime.block_on(Run::new(&spec, clock, &dir, watch, interrupt).execute(&mut file));
    // Whatever still hangs in a blocking call ends with its socket; nobody waits for it.
    runtime.shutdown_timeout(Duration::from_millis(100));
    if let Err(failure) = &outcome {
        tracing::error!(%failure, "the run failed");
        file.status = Status::Failed;
        file.failure = Some(failure.to_string());
        // The failure is what the user must see, not that it could not be noted.
        if let Err(second) = dir.write_json("run.json", &file) {
            tracing::error!(failure = %second, "run.json");
        }
    }
    outcome
}

struct Run<'a> {
    spec: &'a RunSpec,
    clock: RunClock,
    dir: &'a RunDir,
    watch: Watch,
    interrupt: watch::Receiver<bool>,
}

impl<'a> Run<'a> {
    fn new(
        spec: &'a RunSpec,
        clock: RunClock,
        dir: &'a RunDir,
        watch: Watch,
        interrupt: watch::Receiver<bool>,
    ) -> Self {
        Run { spec, clock, dir, watch, interrupt }
    }

    async fn execute(&self, file: &mut RunFile) -> Result<Finished, Failure> {
        let plan = &self.spec.plan;
        let config = CheckConfig { recovery_bound_ms: plan.recovery_ms };
        let (events, online) = Online::start(config, self.watched(&file.terms));
        let recorder = Arc::new(Recorder::create(&self.dir.file("history.jsonl"), &about(plan), self.clock, events)?);
        let lived = self.live(file, &recorder, &online.alarm()).await;
        let closed = recorder.close();
        let checked = online.finish();
        // The first thing that went wrong is the cause of the others.
        let mut lived = lived?;
        closed?;
        let (history, mut findings) = checked?;
        self.phase("checking");
        findings.append(&mut analyses::whole(&history).findings);
        self.phase("sealing");
        let sealed = histories::file::seal(&self.dir.file("history.jsonl"));
        sealed.map_err(|e| Failure::harness("cannot seal the history").because(&e))?;
        file.terms.faults = lived.nemesis.suffered.iter().cloned().collect();
        lived.circumstances.irregular_count = history.irregularities().len() as u64;
        file.circumstances = lived.circumstances;
        file.status = if lived.circumstances.interrupted { Status::Interrupted } else { Status::Finished };
        let judgement = judge(&file.terms, findings, lived.circumstances);
        let run = self.dir.shown().display().to_string();
        let mut report = Report::bare(judgement, run, self.spec.again.clone()).with_plan(plan);
        report.operations = lived.operations;
        report.faults = std::mem::take(&mut lived.nemesis.records);
        report.notes = lived.notes;
        report.wire = lived.wire;
        report.seconds = self.clock.elapsed_ms() as f64 / 1000.0;
        self.dir.write_json("verdict.json", &report)?;
        self.dir.write_json("run.json", file)?;
        Ok(Finished { report, history, dir: self.dir.clone() })
    }

    /// Everything between the first host and the last.
    async fn live(&self, file: &mut RunFile, recorder: &Arc<Recorder>, alarm: &Alarm) -> Result<Lived, Failure> {
        let flusher = tokio::spawn(flush(recorder.clone()));
        let cluster = self.start_cluster()?;
        file.rung = Some(cluster.hosts().rung());
        self.dir.write_json("run.json", file)?;
        self.phase("starting nodes");
        if let Err(behind) = self.unless_interrupted(cluster.wait_ready(READY_BOUND)).await.unwrap_or(Ok(())) {
            return Err(cluster.not_ready(&behind, READY_BOUND));
        }
        let lived = self.workload(&cluster, recorder, alarm).await;
        self.phase("stopping nodes");
        let stopping = cluster.clone();
        let saved = tokio::task::spawn_blocking(move || {
            stopping.stop();
            stopping.save_disks();
        });
        let _ = saved.await;
        recorder.nemesis("phase", json!("end"));
        flusher.abort();
        lived
    }

    fn start_cluster(&self) -> Result<Arc<RunningCluster>, Failure> {
        self.phase("making hosts");
        let spec = ClusterSpec {
            system: self.spec.system.clone(),
            options: self.spec.options.clone(),
            node_count: self.spec.plan.nodes,
            seed: self.spec.plan.seed,
            rung: self.spec.rung,
            pcap: self.spec.pcap.then(|| self.dir.file("wire.pcap")),
            equipment: Equipment::wanted(&self.spec.plan.schedule, &self.spec.plan.asked(), self.spec.trap_clocks),
        };
        let cluster = RunningCluster::new(spec, self.dir)?;
        if !self.spec.allow_degraded {
            cluster.equipment().check(&self.spec.plan.schedule, &self.spec.plan.asked())?;
        }
        cluster.start()?;
        Ok(Arc::new(cluster))
    }

    async fn workload(
        &self,
        cluster: &Arc<RunningCluster>,
        recorder: &Arc<Recorder>,
        alarm: &Alarm,
    ) -> Result<Lived, Failure> {
        let plan = &self.spec.plan;
        let crew = Arc::new(self.crew(recorder.clone()));
        let (phases, phase) = watch::channel(Phase::Faults);
        let clock = RunClock::start();
        recorder.start_clock(clock);
        let mut nemesis = Nemesis::new(plan, cluster.clone(), recorder.clone(), clock, self.dir)?;
        recorder.nemesis("phase", json!("faults"));
        let workers: Vec<_> = (0..plan.concurrency)
            .map(|w| tokio::spawn(process::work(crew.clone(), cluster.clone(), w, plan.seed, phase.clone())))
            .collect();
        self.phase("running");
        let broken = self.under_faults(&crew, &mut nemesis, alarm).await;
        let per_second = crew.tally.completed() as f64 / crew.started.elapsed().as_secs_f64();
        let broken = match &plan.liveness {
            Some(liveness) if broken.is_none() && !*self.interrupt.borrow() && alarm.proof().is_none() => {
                self.core_alone(liveness, &crew, &mut nemesis, &phases, alarm).await
            }
            _ => broken,
        };
        let proof = alarm.proof().filter(|_| broken.is_none());
        let mut stopped = None;
        if let Some(proof) = proof {
            stopped = Some(self.freeze(cluster, recorder, proof).await);
            let _ = phases.send(Phase::Stop);
        }
        self.phase("healing");
        let broken = nemesis.heal_all().await.err().or(broken);
        let cut_short = *self.interrupt.borrow() || stopped.is_some();
        if stopped.is_none() {
            recorder.nemesis("phase", json!("recovery"));
            crew.healed.store(true, Ordering::Relaxed);
            let _ = phases.send(Phase::Recovery);
        }
        if !cut_short && broken.is_none() {
            self.phase("recovering");
            self.unless_interrupted(self.recover(cluster, &crew)).await;
        }
        let _ = phases.send(Phase::Stop);
        for worker in workers {
            worker.await.map_err(|e| Failure::harness("a process of the workload broke").because(&e))?;
        }
        if let Some(failure) = broken.or_else(|| cluster.broken()) {
            return Err(failure);
        }
        let mut silent = Vec::new();
        if !*self.interrupt.borrow() && stopped.is_none() {
            self.phase("final reads");
            recorder.nemesis("phase", json!("final-reads"));
            silent = self.unless_interrupted(finale::finale(cluster, &crew, plan)).await.unwrap_or_default();
        }
        nemesis.collect_exits();
        if let Some(failure) = cluster.broken() {
            return Err(failure);
        }
        let mut lived = self.lived(crew, nemesis, cluster, per_second);
        lived.circumstances.silent_count = silent.len() as u64;
        let names = silent.iter().filter_map(|n| cluster.name(*n));
        lived.notes.extend(names.map(|name| format!("{name} did not answer any more at the end")));
        lived.circumstances.stopped = stopped.is_some();
        lived.notes.extend(stopped);
        Ok(lived)
    }

    fn crew(&self, recorder: Arc<Recorder>) -> Crew {
        let plan = &self.spec.plan;
        let functions = self.spec.system.functions();
        let shape = Shape {
            key_count: plan.key_count,
            concurrency: plan.concurrency,
            transactions: functions.contains(&systems_under_test::Function::Txn),
            compare_and_set: functions.contains(&systems_under_test::Function::Cas),
        };
        let specs = plan.workloads.iter().filter_map(|name| workloads::find(name));
        let made = specs.map(|spec| (spec.make)(shape)).collect();
        let timeout = Duration::from_millis(plan.operation_timeout_ms);
        Crew::new(recorder, made, plan.concurrency, timeout, plan.rate, plan.operations)
    }

    /// Until the planned end, the last operation, an interruption, or something that broke.
    async fn under_faults(&self, crew: &Crew, nemesis: &mut Nemesis, alarm: &Alarm) -> Option<Failure> {
        let planned = self.spec.plan.duration_ms;
        let mut rate = Rate::new();
        loop {
            let at = crew.started.elapsed().as_millis() as u64;
            let over = at >= planned
                || crew.exhausted.load(Ordering::Relaxed)
                || *self.interrupt.borrow()
                || alarm.proof().is_some();
            if over {
                return None;
            }
            if let Some(error) = crew.recorder.failed() {
                return Some(Failure::harness("the history cannot be written").help(error));
            }
            if let Some(failure) = nemesis.broken() {
                return Some(failure);
            }
            nemesis.tick(at, crew.tally.completed(), crew.tally.ok.load(Ordering::Relaxed));
            if let Ok(mut progress) = self.watch.lock() {
                progress.at_ms = (at, planned);
                progress.operations = crew.tally.completed();
                progress.rate = rate.of(progress.operations);
                progress.faults = nemesis.installed();
            }
            tokio::time::sleep(TICK).await;
        }
    }

    /// The guarantees whose violation ends the run.
    fn watched(&self, terms: &Terms) -> Vec<Guarantee> {
        let faults: Vec<&str> = terms.faults.iter().map(String::as_str).collect();
        let counts = |g: &Guarantee| terms.required.contains(g) || terms.contract.promises(*g, &faults);
        Guarantee::ALL.into_iter().filter(|g| self.spec.fail_fast && counts(g)).collect()
    }

    /// Every process of every node stands still, as it stood when the proof came, for as long as the user looks.
    async fn freeze(&self, cluster: &Arc<RunningCluster>, recorder: &Recorder, proof: Proof) -> String {
        let late_ms = recorder.now_ns().saturating_sub(proof.time_ns) / 1_000_000;
        recorder.nemesis("phase", json!("frozen"));
        let frozen = cluster.clone();
        let saved = tokio::task::spawn_blocking(move || {
            frozen.freeze();
            frozen.save_disks();
        });
        let _ = saved.await;
        let Proof { guarantee, event, .. } = proof;
        tracing::info!(%guarantee, event, late_ms, "stopped at the first proof");
        if self.spec.hold {
            self.phase("frozen at the first proof: look around, then press Enter");
            let enter = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new()));
            self.unless_interrupted(enter).await;
        }
        format!(
            "stopped at the first proof: event #{event} violates {}, noticed within {late_ms} ms",
            guarantee.title()
        )
    }

    /// The bounded liveness phase: every node ready, and an update acknowledged that was invoked after healing.
    async fn recover(&self, cluster: &RunningCluster, crew: &Crew) {
        let bound = Duration::from_millis(self.spec.plan.recovery_ms);
        let deadline = Instant::now() + bound;
        if let Err(behind) = cluster.wait_ready(bound).await {
            let names: Vec<_> = behind.iter().filter_map(|n| cluster.name(*n)).collect();
            tracing::warn!(?names, "not ready within the recovery phase");
        }
        while crew.tally.updates_healed.load(Ordering::Relaxed) == 0 && Instant::now() < deadline {
            tokio::time::sleep(TICK).await;
        }
    }

    /// The future's result, or nothing when the user interrupts first.
    async fn unless_interrupted<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let mut interrupt = self.interrupt.clone();
        tokio::select! {
            result = future => Some(result),
            Ok(_) = interrupt.wait_for(|stop| *stop) => None,
        }
    }

    fn lived(&self, crew: Arc<Crew>, nemesis: Nemesis, cluster: &RunningCluster, per_second: f64) -> Lived {
        let tally = &crew.tally;
        let latency_us = [("p50", 0.5), ("p99", 0.99), ("max", 1.0)]
            .into_iter()
            .filter_map(|(name, q)| Some((name.to_owned(), tally.latency_us(q)?)))
            .collect();
        let operations = Operations {
            ok: tally.ok.load(Ordering::Relaxed),
            fail: tally.fail.load(Ordering::Relaxed),
            info: tally.info.load(Ordering::Relaxed),
            per_second,
            late: tally.late.load(Ordering::Relaxed),
            latency_us,
        };
        let circumstances = Circumstances {
            ok_count: operations.ok,
            planned_count: self.spec.plan.faults().count() as u64,
            left_out_count: cluster.equipment().left_out(&self.spec.plan.schedule),
            fault_count: nemesis.records.len() as u64,
            inert_count: nemesis.records.iter().filter(|f| f.inert).count() as u64,
            interrupted: *self.interrupt.borrow(),
            stopped: false,
            update_count: Some(tally.updates.load(Ordering::Relaxed)),
            silent_count: 0,
            unended: false,
            damaged: false,
            irregular_count: 0,
        };
        let mut notes = nemesis.notes();
        notes.extend(self.spec.notes.iter().cloned());
        let late = operations.late;
        // Under faults processes wait, and that is no matter of the machine.
        if nemesis.records.is_empty() && late * 20 > tally.completed() {
            notes
                .push(format!("{late} operations began late: the rate asked for is more than this cluster takes here"));
        }
        notes.extend(cluster.equipment().notes(&self.spec.plan.schedule));
        notes.extend(cluster.notes());
        Lived { operations, circumstances, nemesis, notes, wire: cluster.wire() }
    }

    fn phase(&self, phase: &'static str) {
        tracing::info!(phase, at_ms = self.clock.elapsed_ms(), "phase");
        if let Ok(mut progress) = self.watch.lock() {
            progress.phase = phase;
        }
    }
}

/// What the first line of the history says of the run.
fn about(plan: &Plan) -> serde_json::Map<String, serde_json::Value> {
    let members = [("system", json!(plan.system)), ("seed", json!(plan.seed)), ("workloads", json!(plan.workloads))];
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// What the live part of a run leaves.
struct Lived {
    operations: Operations,
    circumstances: Circumstances,
    nemesis: Nemesis,
    notes: Vec<String>,
    wire: serde_json::Value,
}

async fn flush(recorder: Arc<Recorder>) {
    let mut every = tokio::time::interval(Duration::from_millis(FLUSH_EVERY_MS));
    loop {
        every.tick().await;
        recorder.flush();
    }
}

/// Operations per second over about the last second.
struct Rate {
    since: Instant,
    count: u64,
    rate: f64,
}

impl Rate {
    fn new() -> Self {
        Rate { since: Instant::now(), count: 0, rate: 0.0 }
    }

    fn of(&mut self, count: u64) -> f64 {
        let span = self.since.elapsed().as_secs_f64();
        if span >= 0.5 {
            self.rate = (count - self.count) as f64 / span;
            *self = Rate { since: Instant::now(), count, rate: self.rate };
        }
        self.rate
    }
}
