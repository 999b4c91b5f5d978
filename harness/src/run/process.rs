//! The processes: logical, single-threaded callers. A worker is a slot that always has exactly one live process;
//! a process whose operation ended `info` is retired, and a fresh one with a fresh client takes the slot, as in
//! Jepsen: nobody knows whether the old operation is still running, so nobody may act as if it were over.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use hdrhistogram::Histogram;
use histories::{Completion, Kind, Operation, Process};
use nemesis::seed::{ChaCha8Rng, Seed};
use systems_under_test::{Answer, Client};
use tokio::sync::watch;
use tokio::time::Instant;

use super::cluster::RunningCluster;
use super::record::{Entry, Recorder};
use crate::workloads::{Turn, Workload};

/// How much longer than its own timeout a client may take before the harness gives up on it.
const SLACK: Duration = Duration::from_millis(250);
/// How long a process waits after a refusal, so that a store that is down is not asked a million times a second.
const AFTER_REFUSAL: Duration = Duration::from_millis(25);

/// How far behind its rate an open loop may fall before it lets operations go.
const BACKLOG: Duration = Duration::from_millis(100);

/// Where a run stands, as its workers see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The workload under faults, up to the limit of operations.
    Faults,
    /// A core of nodes is by itself: operations go on, whatever the limit.
    Liveness,
    /// After healing: operations go on, whatever the limit, until the store has recovered.
    Recovery,
    /// No more operations.
    Stop,
}

/// What all workers share.
pub struct Crew {
    /// The history.
    pub recorder: Arc<Recorder>,
    /// Figures.
    pub tally: Tally,
    /// The workloads; worker `i` drives number `i mod len`.
    pub workloads: Mutex<Vec<Box<dyn Workload>>>,
    /// Operations per second over all workers.
    pub rate: Option<u64>,
    /// How many operations may be invoked at most.
    pub limit: Option<u64>,
    /// How long one operation may take.
    pub timeout: Duration,
    /// When the workload started.
    pub started: Instant,
    /// Turns given out.
    turns: AtomicU64,
    /// When the next operation is due (open loop).
    next_due: Mutex<Instant>,
    /// Set when `limit` is reached.
    pub exhausted: AtomicBool,
    /// Set when everything is healed.
    pub healed: AtomicBool,
    /// Set when a core of nodes is by itself: who they are, by position.
    pub core: OnceLock<Vec<usize>>,
    /// The first process that nobody has been yet.
    fresh: AtomicU32,
}

/// Figures of a run, updated as it goes.
#[derive(Default)]
pub struct Tally {
    /// Operations that ended `ok`.
    pub ok: AtomicU64,
    /// Operations that ended `fail`.
    pub fail: AtomicU64,
    /// Operations that ended `info`.
    pub info: AtomicU64,
    /// Updates that ended `ok`.
    pub updates: AtomicU64,
    /// Updates that ended `ok` and were invoked after everything was healed.
    pub updates_healed: AtomicU64,
    /// Operations that a core answered while it was by itself, and that were invoked then: those that read.
    pub core_reads: AtomicU64,
    /// And those that update.
    pub core_updates: AtomicU64,
    /// Operations that began late, or in place of later ones, because every process was busy (open loop only).
    pub late: AtomicU64,
    latencies: Mutex<Option<Histogram<u64>>>,
}

impl Tally {
    /// Operations completed.
    pub fn completed(&self) -> u64 {
        [&self.ok, &self.fail, &self.info].into_iter().map(|c| c.load(Ordering::Relaxed)).sum()
    }

    /// Whether a core that is by itself has answered a read and acknowledged an update.
    pub fn core_got_on(&self) -> bool {
        self.core_reads.load(Ordering::Relaxed) > 0 && self.core_updates.load(Ordering::Relaxed) > 0
    }

    fn note_of_core(&self, operation: &Operation) {
        self.core_reads.fetch_add(u64::from(operation.is_read()), Ordering::Relaxed);
        self.core_updates.fetch_add(u64::from(operation.is_update()), Ordering::Relaxed);
    }

    fn note(&self, operation: &Operation, completion: &Completion, took: Duration, healed: bool) {
        match completion {
            Completion::Ok(_) => {
                self.ok.fetch_add(1, Ordering::Relaxed);
                if operation.is_update() {
                    self.updates.fetch_add(1, Ordering::Relaxed);
                    self.updates_healed.fetch_add(u64::from(healed), Ordering::Relaxed);
                }
                let mut latencies = self.latencies.lock().unwrap_or_else(|p| p.into_inner());
                // Three significant digits from a microsecond to a minute.
                let histogram = latencies
                    .get_or_insert_with(|| Histogram::new_with_bounds(1, 60_000_000, 3).expect("the bounds are right"));
                histogram.saturating_record((took.as_micros() as u64).max(1));
            }
            Completion::Fail(_) => drop(self.fail.fetch_add(1, Ordering::Relaxed)),
            Completion::Info(_) => drop(self.info.fetch_add(1, Ordering::Relaxed)),
        }
    }

    /// Latency of `ok` operations at a quantile, microseconds.
    pub fn latency_us(&self, quantile: f64) -> Option<u64> {
        let latencies = self.latencies.lock().unwrap_or_else(|p| p.into_inner());
        latencies.as_ref().map(|h| h.value_at_quantile(quantile))
    }
}

impl Crew {
    /// A crew that starts now.
    pub fn new(
        recorder: Arc<Recorder>,
        workloads: Vec<Box<dyn Workload>>,
        concurrency: usize,
        timeout: Duration,
        rate: Option<u64>,
        limit: Option<u64>,
    ) -> Self {
        Crew {
            recorder,
            tally: Tally::default(),
            workloads: Mutex::new(workloads),
            rate,
            limit,
            timeout,
            started: Instant::now(),
            turns: AtomicU64::new(0),
            next_due: Mutex::new(Instant::now()),
            exhausted: AtomicBool::new(false),
            healed: AtomicBool::new(false),
            core: OnceLock::new(),
            fresh: AtomicU32::new(concurrency as u32),
        }
    }

    /// A process that nobody has been yet.
    pub fn fresh_process(&self) -> u32 {
        self.fresh.fetch_add(1, Ordering::Relaxed)
    }

    /// Reads of everything that the workloads have touched.
    pub fn final_reads(&self) -> Vec<Operation> {
        let workloads = self.workloads.lock().unwrap_or_else(|p| p.into_inner());
        workloads.iter().flat_map(|w| w.final_reads()).collect()
    }

    /// Waits for the next turn. `false`: there is none.
    async fn turn(&self, phase: &mut watch::Receiver<Phase>) -> bool {
        let turn = self.turns.fetch_add(1, Ordering::Relaxed);
        loop {
            let now = *phase.borrow_and_update();
            let over_limit = self.limit.is_some_and(|limit| turn >= limit);
            match now {
                Phase::Stop => return false,
                Phase::Faults if over_limit => {
                    self.exhausted.store(true, Ordering::Relaxed);
                    if phase.changed().await.is_err() {
                        return false;
                    }
                }
                _ => break,
            }
        }
        let Some(rate) = self.rate else { return true };
        let due = self.due(rate);
        let now = Instant::now();
        if due <= now {
            if now - due >= BACKLOG {
                self.tally.late.fetch_add(1, Ordering::Relaxed);
            }
            return true;
        }
        tokio::select! {
            () = tokio::time::sleep_until(due) => true,
            Ok(_) = phase.wait_for(|p| *p == Phase::Stop) => false,
        }
    }

    /// The time of the next operation. What could not begin while every process was waiting is made up for only as
    /// far as [`BACKLOG`] goes: a store that comes back is not to be met by everything that was ever due.
    fn due(&self, rate: u64) -> Instant {
        let mut next = self.next_due.lock().unwrap_or_else(|p| p.into_inner());
        let earliest = Instant::now().checked_sub(BACKLOG).unwrap_or(self.started);
        let due = (*next).max(earliest);
        *next = due + Duration::from_nanos(1_000_000_000 / rate);
        due
    }

    fn with_workload<T>(&self, worker: usize, f: impl FnOnce(&mut dyn Workload) -> T) -> T {
        let mut workloads = self.workloads.lock().unwrap_or_else(|p| p.into_inner());
        let index = worker % workloads.len();
        f(&mut *workloads[index])
    }
}

/// One worker, until it is told to stop or there are no more turns.
pub async fn work(
    crew: Arc<Crew>,
    cluster: Arc<RunningCluster>,
    worker: usize,
    seed: Seed,
    mut phase: watch::Receiver<Phase>,
) {
    let mut rng = seed.stream(&format!("worker {worker}"));
    let mut process = worker as u32;
    let mut client = cluster.client(process, process as usize, crew.timeout);
    while crew.turn(&mut phase).await {
        let turn = Turn { worker, process, session: process };
        let operation = next_operation(&crew, turn, &mut rng);
        let completion = perform(&crew, &cluster, turn, &mut client, &operation).await;
        crew.with_workload(worker, |w| w.observe(turn, &operation, &completion));
        match completion {
            Completion::Info(_) => {
                process = crew.fresh_process();
                client = cluster.client(process, process as usize, crew.timeout);
            }
            Completion::Fail(_) if !matches!(operation, Operation::Cas { .. }) => {
                tokio::select! { () = tokio::time::sleep(AFTER_REFUSAL) => {}, _ = phase.wait_for(|p| *p == Phase::Stop) => {} }
            }
            _ => {}
        }
    }
}

fn next_operation(crew: &Crew, turn: Turn, rng: &mut ChaCha8Rng) -> Operation {
    crew.with_workload(turn.worker, |w| w.next(turn, rng))
}

/// One operation: invocation, question, answer, completion.
pub async fn perform(
    crew: &Crew,
    cluster: &RunningCluster,
    turn: Turn,
    client: &mut Box<dyn Client>,
    operation: &Operation,
) -> Completion {
    let entry = |kind, operation, node, error| Entry {
        process: Process(turn.process),
        kind,
        operation,
        node,
        session: Some(turn.session),
        error,
    };
    let (healed, core) = (crew.healed.load(Ordering::Relaxed), crew.core.get());
    crew.recorder.record(entry(Kind::Invoke, operation.clone(), None, None));
    let begun = Instant::now();
    let answer = match tokio::time::timeout(crew.timeout + SLACK, client.invoke(operation)).await {
        Ok(answer) => answer,
        Err(_) => Answer { completion: Completion::Info("the client did not come back".into()), node: None },
    };
    let node = answer.node.and_then(|n| cluster.name(n));
    crew.recorder.record(match &answer.completion {
        Completion::Ok(answered) => entry(Kind::Ok, answered.clone(), node, None),
        Completion::Fail(why) => entry(Kind::Fail, operation.clone(), node, Some(why.as_str().into())),
        Completion::Info(why) => entry(Kind::Info, operation.clone(), node, Some(why.as_str().into())),
    });
    crew.tally.note(operation, &answer.completion, begun.elapsed(), healed);
    let by_core = core.is_some_and(|core| answer.node.is_none_or(|node| core.contains(&node)));
    if by_core && matches!(answer.completion, Completion::Ok(_)) {
        crew.tally.note_of_core(operation);
    }
    answer.completion
}

#[cfg(test)]
mod tests {
    use tokio_test::{assert_pending, assert_ready_eq, task};

    use super::*;
    use crate::clock::RunClock;

    /// A crew without workloads, that may take `limit` turns.
    fn crew(name: &str, limit: Option<u64>) -> Crew {
        let path = std::env::temp_dir().join(format!("splitbrain-crew-{}-{name}.jsonl", std::process::id()));
        let (events, _) = std::sync::mpsc::channel();
        let recorder = Recorder::create(&path, &serde_json::Map::new(), RunClock::start(), events).expect("a history");
        std::fs::remove_file(&path).expect("it was made");
        Crew::new(Arc::new(recorder), Vec::new(), 2, Duration::from_secs(1), None, limit)
    }

    #[test]
    fn beyond_the_limit_a_worker_waits_for_the_recovery_phase() {
        let crew = crew("limit", Some(1));
        let (phases, phase) = watch::channel(Phase::Faults);
        let (mut first, mut second) = (phase.clone(), phase);
        assert_ready_eq!(task::spawn(crew.turn(&mut first)).poll(), true);
        let mut waiting = task::spawn(crew.turn(&mut second));
        assert_pending!(waiting.poll());
        assert!(crew.exhausted.load(Ordering::Relaxed), "the phase with faults may end now");
        phases.send(Phase::Recovery).expect("somebody listens");
        assert!(waiting.is_woken());
        assert_ready_eq!(waiting.poll(), true);
    }

    #[test]
    fn a_worker_that_waits_hears_that_the_run_stops() {
        let crew = crew("stop", Some(0));
        let (phases, mut phase) = watch::channel(Phase::Faults);
        let mut waiting = task::spawn(crew.turn(&mut phase));
        assert_pending!(waiting.poll());
        phases.send(Phase::Stop).expect("somebody listens");
        assert_ready_eq!(waiting.poll(), false);
    }

    #[test]
    fn no_process_is_ever_somebody_twice() {
        let crew = crew("fresh", None);
        let fresh: Vec<u32> = (0..3).map(|_| crew.fresh_process()).collect();
        assert_eq!(fresh, [2, 3, 4], "0 and 1 are the workers' first");
    }
}
