//! The recorder: every event gets its place and its time under one lock, goes to the file, and on to the checkers
//! that run while the test runs.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

use checkers::{CheckConfig, Checker, Finding};
use histories::Guarantee;
use histories::file::HistoryWriter;
use histories::{Event, History, Kind, Operation, Process};

use super::alarm::Alarm;
use crate::clock::RunClock;
use crate::failure::{Failure, HARNESS};

/// How long recorded events may wait in memory before they are handed to the kernel.
pub const FLUSH_EVERY_MS: u64 = 10;

/// Appends events to the history of a run. Shared by all processes and the nemesis.
pub struct Recorder {
    inner: Mutex<Inner>,
}

struct Inner {
    /// Times are told from here on.
    clock: RunClock,
    writer: Option<HistoryWriter<File>>,
    path: PathBuf,
    checkers: Option<Sender<Event>>,
    failed: Option<String>,
}

impl Inner {
    /// A history with a hole in it is not a history: nothing is written after the first event that could not be, and
    /// the file is never closed, so that whoever reads it learns that it ends early.
    fn fail(&mut self, error: &std::io::Error) {
        self.failed.get_or_insert_with(|| error.to_string());
        self.writer = None;
    }
}

/// One event without its time.
pub struct Entry {
    /// Who.
    pub process: Process,
    /// Invocation or completion.
    pub kind: Kind,
    /// What.
    pub operation: Operation,
    /// The node that answered.
    pub node: Option<Arc<str>>,
    /// On whose behalf.
    pub session: Option<u32>,
    /// Why it is not `ok`.
    pub error: Option<Arc<str>>,
}

impl Recorder {
    /// Starts the history file of a run. Events also go to `checkers`.
    pub fn create(
        path: &Path,
        about: &serde_json::Map<String, serde_json::Value>,
        clock: RunClock,
        checkers: Sender<Event>,
    ) -> Result<Self, Failure> {
        let writer = HistoryWriter::create(path, about)
            .map_err(|e| Failure::harness(format!("cannot write {}", path.display())).because(&e))?;
        let inner =
            Inner { clock, writer: Some(writer), path: path.to_owned(), checkers: Some(checkers), failed: None };
        Ok(Recorder { inner: Mutex::new(inner) })
    }

    /// Appends an event, now. A write error is kept and ends the run: see [`Recorder::failed`].
    pub fn record(&self, entry: Entry) {
        let mut inner = self.lock();
        let event = Event {
            time: inner.clock.elapsed_ns(),
            process: entry.process,
            kind: entry.kind,
            operation: entry.operation,
            node: entry.node,
            session: entry.session,
            error: entry.error,
        };
        if let Some(Err(error)) = inner.writer.as_mut().map(|w| w.append(&event)) {
            inner.fail(&error);
        }
        if inner.failed.is_some() {
            return;
        }
        if let Some(checkers) = &inner.checkers {
            // The other end lives as long as this one; were it gone, its thread's panic shows at the end.
            let _ = checkers.send(event);
        }
    }

    /// Nanoseconds since the start of the workload.
    pub fn now_ns(&self) -> u64 {
        self.lock().clock.elapsed_ns()
    }

    /// Appends an event of the nemesis.
    pub fn nemesis(&self, f: &str, value: serde_json::Value) {
        self.record(Entry {
            process: Process::NEMESIS,
            kind: Kind::Info,
            operation: Operation::Custom { f: f.into(), key: None, value },
            node: None,
            session: None,
            error: None,
        });
    }

    /// Tells times from this clock's start on, which is that of the workload: schedules count from there as well.
    /// Before the first event.
    pub fn start_clock(&self, clock: RunClock) {
        self.lock().clock = clock;
    }

    /// Hands everything to the kernel, so that it survives the end of this process.
    pub fn flush(&self) {
        let mut inner = self.lock();
        if let Some(Err(error)) = inner.writer.as_mut().map(HistoryWriter::flush) {
            inner.fail(&error);
        }
    }

    /// The first write error, if there was one.
    pub fn failed(&self) -> Option<String> {
        self.lock().failed.clone()
    }

    /// Closes the file and lets the checkers come to their conclusions. The file stays as it is until it is sealed.
    pub fn close(&self) -> Result<(), Failure> {
        let mut inner = self.lock();
        inner.checkers = None;
        let path = inner.path.clone();
        match inner.writer.take().map(HistoryWriter::close) {
            None | Some(Ok(_)) => {}
            Some(Err(error)) => {
                return Err(Failure::harness(format!("cannot write {}", path.display())).because(&error));
            }
        }
        match inner.failed.take() {
            None => Ok(()),
            Some(error) => Err(Failure {
                code: HARNESS,
                what: format!("cannot write {}", path.display()),
                causes: vec![error],
                help: Some("the events up to then are in the file".into()),
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic while the lock was held cannot leave an event half written: the writer buffers whole lines.
        self.inner.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// The checkers of a run, folding over the events as they are recorded, on a thread of their own.
pub struct Online {
    thread: JoinHandle<(History, Vec<Finding>)>,
    alarm: Arc<Alarm>,
}

impl Online {
    /// Starts the checkers. The sender feeds them; when it is dropped they conclude. A violation of one of the
    /// `watched` guarantees raises the alarm as soon as it is certain.
    pub fn start(config: CheckConfig, watched: Vec<Guarantee>) -> (Sender<Event>, Online) {
        let (sender, receiver) = mpsc::channel();
        let alarm = Arc::new(Alarm::default());
        let raised = alarm.clone();
        let thread = std::thread::Builder::new()
            .name("checkers".into())
            .spawn(move || fold(receiver, &config, &watched, &raised))
            .expect("a thread can be started");
        (sender, Online { thread, alarm })
    }

    /// Where a violation shows while the test runs.
    pub fn alarm(&self) -> Arc<Alarm> {
        self.alarm.clone()
    }

    /// Waits for the conclusions.
    pub fn finish(self) -> Result<(History, Vec<Finding>), Failure> {
        self.thread.join().map_err(|panic| {
            let what = panic.downcast_ref::<String>().cloned();
            let what = what.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_default();
            Failure::harness(format!("a checker broke: {what}"))
                .help("the history is complete; please report this together with it")
        })
    }
}

fn fold(
    events: Receiver<Event>,
    config: &CheckConfig,
    watched: &[Guarantee],
    alarm: &Alarm,
) -> (History, Vec<Finding>) {
    let mut history = History::new();
    let mut all: Vec<Box<dyn Checker>> = checkers::all(config);
    // Those that are judged at the end only watch here: the harness judges them together.
    let folds = all.len();
    let at_the_end = watched.iter().filter(|g| !Guarantee::FOLDS.contains(g));
    all.extend(at_the_end.map(|g| checkers::checker(*g, config)));
    let watched: Vec<(usize, Guarantee)> =
        all.iter().map(|c| c.about().guarantee).enumerate().filter(|(_, g)| watched.contains(g)).collect();
    for event in events {
        let index = history.push(&event);
        for checker in &mut all {
            checker.step(&history, index);
        }
        for (checker, guarantee) in &watched {
            if all[*checker].violations_so_far() > 0 {
                alarm.raise(*guarantee, &history, index);
            }
        }
    }
    let findings = all.into_iter().take(folds).map(|c| c.finish(&history)).collect();
    (history, findings)
}
