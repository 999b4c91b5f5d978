//! `splitbrain check --workload … --model …`: which consistency models does a history rule out?

use std::cell::LazyCell;
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Instant;

use checkers::analysis::{self, Analysis, Answer, Assumptions, Question, Workload};
use checkers::{Anomaly, AnomalyType, Budget, Exhausted, Model, Shrinker, models, whole};
use histories::file::{self, InputFormat, Limits, Loaded, ReadError};
use histories::{Guarantee, History};

use super::args::{CheckArgs, Format, KeyOrder};
use super::check::{INTERRUPTED, Task};
use super::names;
use super::print;
use crate::analyses;
use crate::evidence;
use crate::failure::{Failure, INVALID, UNKNOWN, USAGE, VALID};
use crate::render::analysis as render;
use crate::rundir::RunDir;

/// What the flags ask, for every file.
pub struct Asked {
    workload: Option<Workload>,
    models: Vec<Model>,
    anomalies: Vec<AnomalyType>,
    assume: Assumptions,
}

impl Asked {
    /// What these arguments ask; `None` where they ask for guarantees only.
    pub fn of(args: &CheckArgs) -> Result<Option<Asked>, Failure> {
        if args.workload.is_none() && args.model.is_empty() && args.anomaly.is_empty() {
            return Ok(None);
        }
        let workload = args.workload.as_deref().map(names::history_workload).transpose()?;
        let models = args.model.iter().map(|m| names::model(m)).collect::<Result<Vec<_>, _>>()?;
        let anomalies = args.anomaly.iter().map(|a| names::anomaly(a)).collect::<Result<Vec<_>, _>>()?;
        let assume = Assumptions {
            writes_follow_reads_keys: args.keys.contains(&KeyOrder::WritesFollowReads),
            sequential_keys: args.keys.contains(&KeyOrder::Sequential),
            linearizable_keys: args.keys.contains(&KeyOrder::Linearizable),
            initial: args.initial.as_deref().map(scalar),
            total: args.total,
            negative_balances: args.negative_balances,
        };
        Ok(Some(Asked { workload, models, anomalies, assume }))
    }

    /// The question for a history that is understood this way.
    fn question(&self, workload: Workload) -> Question {
        let mut question = Question { assume: self.assume.clone(), ..Question::usual(workload) };
        if !self.models.is_empty() || !self.anomalies.is_empty() {
            question.models.clone_from(&self.models);
            question.anomalies.clone_from(&self.anomalies);
        }
        question
    }
}

/// JSON, or text where it is none.
fn scalar(text: &str) -> histories::Scalar {
    serde_json::from_str(text).map_or_else(|_| text.into(), histories::Scalar::from_json)
}

/// A file that was read and judged.
pub struct Analysed {
    /// As it was named.
    pub file: String,
    /// What was found.
    pub analysis: Analysis,
    /// What was asked.
    pub question: Question,
    /// Number of events.
    pub event_count: usize,
    /// What is wrong with the file.
    pub damage: Option<String>,
    /// Reading and checking.
    pub seconds: f64,
}

impl Analysed {
    /// The exit code.
    fn code(&self) -> u8 {
        match self.analysis.answer {
            Answer::Valid | Answer::Unknown if self.damage.is_some() => USAGE,
            Answer::Valid => VALID,
            Answer::Invalid => INVALID,
            Answer::Unknown => UNKNOWN,
        }
    }
}

/// Judges one file and prints what it found. Returns the exit code.
pub fn analyse(task: &Task<'_>, asked: &Asked) -> Result<u8, Failure> {
    let (path, args) = (task.path, task.args);
    let began = Instant::now();
    let loaded = load(path, args.input)?;
    let history = &loaded.history;
    let workload = asked.workload.or_else(|| analysis::infer(history)).ok_or_else(|| no_kind(path, &loaded))?;
    assumed(args, workload)?;
    let question = asked.question(workload);
    let stop = task.stop();
    let budget = budget(args, &stop);
    let mut analysis = analysis::analyse(history, workload, &question, &budget);
    if analysis.answer != Answer::Invalid && asked.workload.is_none() {
        analysis.doubts.extend(several_kinds(history, workload, &question));
    }
    if task.is_interrupted() {
        let stopped = Exhausted::Stopped.to_string();
        analysis.doubts.iter_mut().for_each(|doubt| *doubt = doubt.replace(&stopped, INTERRUPTED));
    }
    let damage = loaded.damage.as_ref().map(ToString::to_string);
    if damage.is_some() && analysis.answer == Answer::Valid {
        analysis.answer = Answer::Unknown;
        analysis.reason = "the history is damaged; nothing contradicts what was asked until there".to_owned();
    }
    let seconds = began.elapsed().as_secs_f64();
    let file = path.display().to_string();
    let analysed = Analysed { file, analysis, question, event_count: history.len(), damage, seconds };
    let shrinker = LazyCell::new(|| Shrinker::new(history));
    let shows = shows(&analysed);
    let minimal = |case: &Anomaly| shrinker.minimal(case, |part| shows(&case.kind, part));
    // Whoever wants to leave waits for no smaller history.
    let smallest = |case: &Anomaly| if task.is_interrupted() { None } else { minimal(case) };
    match args.format {
        Format::Json => print(&render::json(&analysed, &smallest)),
        Format::Text => print(&render::text(&analysed, history)),
    }
    if let Some(place) = task.place() {
        let cases = analysed.analysis.groups.iter().flat_map(|g| g.cases.iter().take(args.most));
        evidence::write(&place, 0, history, cases, &smallest)?;
    }
    Ok(analysed.code())
}

fn no_kind(path: &Path, loaded: &Loaded) -> Failure {
    let failure = Failure::usage(format!("{}: nothing in it says what kind of history it is", path.display()));
    match &loaded.damage {
        Some(damage) => failure.because(damage),
        None => failure,
    }
    .help("name it: --workload list-append (`splitbrain list histories`)")
}

/// What may be assumed of one kind of history says nothing of another.
fn assumed(args: &CheckArgs, workload: Workload) -> Result<(), Failure> {
    let registers = matches!(workload, Workload::RwRegister | Workload::Register | Workload::CasRegister);
    let of_a_bank = args.total.is_some() || args.negative_balances;
    let (flag, kind) = match () {
        () if !args.keys.is_empty() && !registers => ("--keys is", Workload::RwRegister),
        () if of_a_bank && workload != Workload::Bank => ("--total and --negative-balances are", Workload::Bank),
        () => return Ok(()),
    };
    Err(Failure::usage(format!("{flag} about {kind} histories, and this one is taken as {workload}"))
        .help(format!("leave it out, or say --workload {kind}")))
}

/// Of a history of several kinds one analysis looks at one. Where the models are guarantees, all can be looked at.
fn several_kinds(history: &History, workload: Workload, question: &Question) -> Option<String> {
    let kinds: Vec<String> = analysis::parts(history).iter().map(|part| part.workload.to_string()).collect();
    let guarantee = |model: &Model| Guarantee::ALL.into_iter().find(|g| whole::model(*g) == Some(*model));
    let guarantees: Option<Vec<&str>> = question.models.iter().map(|m| guarantee(m).map(Guarantee::name)).collect();
    let guarantees = guarantees.filter(|all| !all.is_empty() && kinds.len() > 1)?;
    Some(format!(
        "Its objects are of several kinds ({}), and all were taken as {workload}: `--require {}` instead of --model judges \
         each kind by itself.",
        kinds.join(", "),
        guarantees.join(",")
    ))
}

/// Whether a part of the history has an anomaly of this kind, under the same question.
fn shows(analysed: &Analysed) -> impl Fn(&str, &History) -> bool {
    let (workload, question) = (analysed.analysis.workload, analysed.question.clone());
    move |kind, part| {
        let kind: Result<AnomalyType, _> = kind.parse();
        let budget = Budget { steps: analyses::STEPS / 1000, ..Budget::default() };
        kind.is_ok_and(|kind| analysis::look(part, workload, &question, &budget).groups.contains_key(&kind))
    }
}

/// What the flags allow.
pub fn budget<'a>(args: &CheckArgs, stop: &'a (dyn Fn() -> bool + Sync)) -> Budget<'a> {
    Budget {
        steps: if args.budget.is_some() { u64::MAX } else { analyses::STEPS },
        memory_bytes: args.memory.unwrap_or(analyses::MEMORY_BYTES),
        stop,
        threads: analyses::threads(),
    }
}

/// Reads a history in whatever form it is; of a run directory its history.
pub fn load(path: &Path, format: InputFormat) -> Result<Loaded, Failure> {
    let loaded = if path == Path::new("-") {
        file::read_from_as(std::io::stdin().lock(), format, Limits::default())
    } else if path.is_dir() {
        file::read_as(&RunDir::open(path)?.history(), format, Limits::default())
    } else {
        file::read_as(path, format, Limits::default())
    };
    loaded.map_err(|e| unreadable(path, &e))
}

fn unreadable(path: &Path, error: &ReadError) -> Failure {
    let failure = Failure::usage(format!("cannot read {}", path.display())).because(error);
    match error {
        ReadError::Open(why) => match why.kind() {
            ErrorKind::NotFound => failure.help("name a file or a run directory that is there"),
            ErrorKind::PermissionDenied => failure.help("you may not read it: change its mode, or copy it"),
            _ => failure,
        },
        ReadError::Newer { .. } => failure.help("use a newer splitbrain to read it"),
        ReadError::NotAHistory { .. } => {
            failure.help("a history is JSON Lines, EDN, a JSON array or a Jepsen log: docs/reference/history-format.md")
        }
    }
}

/// The models that the question names and that the anomalies found refute.
pub fn refuted(analysed: &Analysed) -> Vec<Model> {
    let found: BTreeSet<AnomalyType> = analysed.analysis.groups.iter().map(|g| g.kind).collect();
    let asked = analysed.question.models.iter().copied();
    asked.filter(|m| models::prohibited(&[*m], &[]).iter().any(|a| found.contains(a))).collect()
}
