//! `splitbrain scorecard`: many short runs, each a process of its own, several side by side.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value as Json;
use systems_under_test::specimen::BugSpec;
use systems_under_test::{Options, System};
use tokio::sync::watch;

use super::args::{CardFormat, ScorecardArgs};
use super::witness::Witness;
use super::{interrupt, names, print};
use crate::failure::{Failure, HARNESS, INVALID, UNKNOWN, VALID};
use crate::report::shell_word;
use crate::scorecard::{Card, Row, Shown, Tally};

/// The length of a run of the search: short ones, many of them, meet more beginnings.
const SEARCH_RUN: &str = "8s";
/// What the search draws from.
const SEARCH_FAULTS: [&str; 4] = ["--faults", "all", "--rhythm", "swarm"];

/// Which figure of which bug.
#[derive(Clone, Copy)]
enum Figure {
    Witness,
    Twin,
    Search,
    SearchTwin,
}

struct Task {
    row: usize,
    figure: Figure,
    seed: u64,
}

/// A planted bug, with what its runs need.
struct Subject {
    system: String,
    bug: &'static BugSpec,
    witness: Witness,
}

pub fn scorecard(args: &ScorecardArgs) -> Result<u8, Failure> {
    let subjects = subjects(args)?;
    let program = std::env::current_exe().map_err(|e| Failure::harness("this program is not found").because(&e))?;
    let interrupted = interrupt::listen(interrupt::OF_A_RUN)?;
    let scratch = args.runs.join("scorecard");
    std::fs::create_dir_all(&scratch).map_err(|e| Failure::file(HARNESS, "make", &scratch, &e))?;
    let tasks = tasks(args, subjects.len());
    let bar = ProgressBar::new(tasks.len() as u64);
    bar.set_style(ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}").unwrap_or(ProgressStyle::default_bar()));
    let desk = Desk { subjects: &subjects, program: &program, scratch: &scratch, budget: args.budget, interrupted };
    let rows = subjects.iter().map(row).collect();
    let card = Mutex::new(Card { rows, ..Card::default() });
    let queue = Mutex::new(tasks);
    std::thread::scope(|scope| {
        for _ in 0..args.jobs {
            scope.spawn(|| {
                while let Some(task) = take(&queue).filter(|_| !*desk.interrupted.borrow()) {
                    let done = desk.perform(&task);
                    let mut card = card.lock().unwrap_or_else(|p| p.into_inner());
                    note(&mut card, &task, done);
                    bar.set_message(subjects[task.row].bug.name);
                    bar.inc(1);
                }
            });
        }
    });
    bar.finish_and_clear();
    let mut card = card.into_inner().unwrap_or_else(|p| p.into_inner());
    card.interrupted = *desk.interrupted.borrow();
    // Empty where every run was as it should be.
    let _ = std::fs::remove_dir(&scratch);
    print(&match args.format {
        CardFormat::Text => card.text(),
        CardFormat::Json => format!("{}\n", serde_json::to_string(&card).unwrap_or_default()),
        CardFormat::Html => card.html(),
    });
    Ok(match &card {
        card if card.twins().1 > 0 => INVALID,
        card if card.broken > 0 => HARNESS,
        card if card.interrupted => UNKNOWN,
        card if card.is_good() => VALID,
        _ => INVALID,
    })
}

fn subjects(args: &ScorecardArgs) -> Result<Vec<Subject>, Failure> {
    let systems: Vec<std::sync::Arc<dyn System>> = match args.systems.is_empty() {
        true => systems_under_test::bundled().into_iter().map(std::sync::Arc::from).collect(),
        false => args.systems.iter().map(|name| names::system(name)).collect::<Result<_, _>>()?,
    };
    let all: Vec<(&std::sync::Arc<dyn System>, &BugSpec)> =
        systems.iter().flat_map(|system| system.bugs().iter().map(move |bug| (system, bug))).collect();
    for name in &args.bugs {
        if !all.iter().any(|(_, bug)| bug.name == *name) {
            let known = all.iter().map(|(_, bug)| bug.name);
            return Err(Failure::usage(format!("no planted bug is named '{name}'"))
                .help(format!("{}; see `splitbrain list bugs`", crate::suggest::hint(name, known))));
        }
    }
    let (shard, shards) = args.shard;
    let chosen = all.into_iter().filter(|(_, bug)| args.bugs.is_empty() || args.bugs.iter().any(|b| b == bug.name));
    let part = chosen.enumerate().filter(|(at, _)| at % shards == shard - 1).map(|(_, chosen)| chosen);
    let subject = |(system, bug): (&std::sync::Arc<dyn System>, &BugSpec)| {
        let witness = Witness::of(bug)?;
        let bug: &'static BugSpec = Box::leak(Box::new(*bug));
        Ok(Subject { system: system.name().to_owned(), bug, witness })
    };
    let subjects: Vec<Subject> = part.map(subject).collect::<Result<_, Failure>>()?;
    match subjects.is_empty() {
        true => Err(Failure::usage("there is no planted bug to be found").help("see `splitbrain list bugs`")),
        false => Ok(subjects),
    }
}

fn row(subject: &Subject) -> Row {
    let BugSpec { name, breaks, tier, .. } = subject.bug;
    Row {
        system: subject.system.clone(),
        bug: (*name).to_owned(),
        tier: tier.name().to_owned(),
        breaks: breaks.to_string(),
        witness: Tally::default(),
        twin: Tally::default(),
        search: Tally::default(),
        search_twin: Tally::default(),
    }
}

fn tasks(args: &ScorecardArgs, count: usize) -> VecDeque<Task> {
    let mut figures = Vec::new();
    if !args.search {
        figures.extend([Figure::Witness, Figure::Twin]);
    }
    if !args.witness {
        figures.extend([Figure::Search, Figure::SearchTwin]);
    }
    let mut tasks = VecDeque::new();
    for seed in 1..=args.seeds {
        for figure in &figures {
            tasks.extend((0..count).map(|row| Task { row, figure: *figure, seed }));
        }
    }
    tasks
}

fn take(queue: &Mutex<VecDeque<Task>>) -> Option<Task> {
    queue.lock().unwrap_or_else(|p| p.into_inner()).pop_front()
}

/// What came of a task.
struct Done {
    shown: Shown,
    /// Until it was found, or the task ended.
    seconds: f64,
    runs: usize,
    broken: usize,
    /// The command that shows what was not as it should be.
    surprise: Option<String>,
}

fn note(card: &mut Card, task: &Task, done: Done) {
    card.runs += done.runs;
    card.broken += done.broken;
    card.surprises.extend(done.surprise);
    let row = &mut card.rows[task.row];
    match task.figure {
        Figure::Witness => row.witness.of_bug(done.shown, done.seconds),
        Figure::Search => row.search.of_bug(done.shown, done.seconds),
        Figure::Twin => row.twin.of_twin(done.shown),
        Figure::SearchTwin => row.search_twin.of_twin(done.shown),
    }
}

struct Desk<'a> {
    subjects: &'a [Subject],
    program: &'a Path,
    scratch: &'a Path,
    budget: Duration,
    interrupted: watch::Receiver<bool>,
}

impl Desk<'_> {
    fn perform(&self, task: &Task) -> Done {
        let subject = &self.subjects[task.row];
        let begun = Instant::now();
        let (shown, runs, broken, command) = match task.figure {
            Figure::Witness | Figure::Twin => {
                let arguments = self.on_witness(subject, matches!(task.figure, Figure::Witness), task.seed);
                let shown = self.run(subject, &arguments);
                (shown.unwrap_or(Shown::Unknown), 1, usize::from(shown.is_none()), arguments)
            }
            Figure::Search => self.search(subject, task.seed, begun),
            Figure::SearchTwin => {
                let arguments = self.searching(subject, false, task.seed);
                let shown = self.run(subject, &arguments);
                (shown.unwrap_or(Shown::Unknown), 1, usize::from(shown.is_none()), arguments)
            }
        };
        let good = match task.figure {
            Figure::Witness | Figure::Search => shown == Shown::Found,
            Figure::Twin | Figure::SearchTwin => shown == Shown::Nothing,
        };
        let words = || command.iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" ");
        let surprise = (!good && !*self.interrupted.borrow()).then(|| format!("{shown:?}: splitbrain {}", words()));
        Done { shown, seconds: begun.elapsed().as_secs_f64(), runs, broken, surprise }
    }

    /// Run after run, until the bug is found or the budget is spent.
    fn search(&self, subject: &Subject, seed: u64, begun: Instant) -> (Shown, usize, usize, Vec<String>) {
        let (mut runs, mut broken) = (0, 0);
        loop {
            let arguments = self.searching(subject, true, seed * 1000 + runs as u64);
            runs += 1;
            match self.run(subject, &arguments) {
                Some(Shown::Found) => return (Shown::Found, runs, broken, arguments),
                Some(_) => {}
                None => broken += 1,
            }
            if begun.elapsed() >= self.budget || *self.interrupted.borrow() {
                return (Shown::Nothing, runs, broken, arguments);
            }
        }
    }

    fn on_witness(&self, subject: &Subject, with_bug: bool, seed: u64) -> Vec<String> {
        let mut words = vec!["test".to_owned(), subject.system.clone()];
        words.extend(["--witness".to_owned(), subject.bug.name.to_owned()]);
        if with_bug {
            words.extend(["--bug".to_owned(), subject.bug.name.to_owned()]);
        }
        words.extend(["--seed".to_owned(), seed.to_string()]);
        words
    }

    fn searching(&self, subject: &Subject, with_bug: bool, seed: u64) -> Vec<String> {
        let mut words = vec!["test".to_owned(), subject.system.clone()];
        for (name, value) in subject.witness.set.iter().filter(|(name, _)| *name != "failpoint") {
            words.extend(["--set".to_owned(), format!("{name}={value}")]);
        }
        if with_bug {
            words.extend(["--set".to_owned(), format!("{}={}", Options::BUG, subject.bug.name)]);
        }
        words.extend(["--nodes".to_owned(), subject.witness.nodes.to_string()]);
        words.extend(SEARCH_FAULTS.map(str::to_owned));
        words.extend(["--duration", SEARCH_RUN, "--fail-fast", "--allow-degraded"].map(str::to_owned));
        words.extend(["--seed".to_owned(), seed.to_string()]);
        words
    }

    /// Runs it; `None` when the harness broke. Its directory stays only if something promised was violated unexpectedly.
    fn run(&self, subject: &Subject, arguments: &[String]) -> Option<Shown> {
        let mut command = Command::new(self.program);
        command.args(arguments).arg("--format").arg("json").arg("--runs").arg(self.scratch);
        let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
        let line = String::from_utf8_lossy(&output.stdout);
        let report: Json = serde_json::from_str(line.trim()).ok()?;
        let shown = shown(subject.bug, &report)?;
        let expected =
            arguments.iter().any(|word| word == "--bug" || word.starts_with("bug=")) == (shown == Shown::Found);
        if expected && let Some(run) = report["run"].as_str() {
            forget(Path::new(run));
        }
        Some(shown)
    }
}

/// Removes a run's directory, and what it leaves empty.
fn forget(run: &Path) {
    let _ = std::fs::remove_dir_all(run);
    if let Some(system) = run.parent() {
        let _ = std::fs::remove_dir(system);
        if let Some(scratch) = system.parent() {
            let latest: PathBuf = scratch.join("latest");
            if !latest.exists() {
                let _ = std::fs::remove_file(latest);
            }
        }
    }
}

/// What a run's report says of a bug.
fn shown(bug: &BugSpec, report: &Json) -> Option<Shown> {
    let violated = |guarantee: &histories::Guarantee| {
        let row = &report["guarantees"][guarantee.name()];
        row["promised"] == true && row["observed"] == "violated"
    };
    match report["verdict"].as_str()? {
        "invalid" if violated(&bug.breaks) || bug.also.iter().any(violated) => Some(Shown::Found),
        "invalid" => Some(Shown::Otherwise),
        "valid" => Some(Shown::Nothing),
        _ => Some(Shown::Unknown),
    }
}
