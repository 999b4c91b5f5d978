//! What `splitbrain check` does where no workload, model or anomaly is named: every guarantee is observed, and compared with
//! what the run promised, or with what is asked.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

use checkers::whole::Whole;
use checkers::{CheckConfig, Exhausted, Finding, Observed};
use histories::file::{InputFormat, Loaded};
use histories::{Guarantee, History, Kind};
use serde_json::{Value as Json, json};
use systems_under_test::{Contract, Promise};

use super::analyse;
use super::args::{CheckArgs, Format};
use super::check::{INTERRUPTED, Task};
use super::print;
use crate::analyses;
use crate::evidence;
use crate::failure::{Failure, USAGE};
use crate::plan::Plan;
use crate::render::analysis::names as model_names;
use crate::render::report;
use crate::render::style::{COST, DIM, Painted};
use crate::render::verdicts::{table, table_of_asked};
use crate::report::{Operations, Report, RunFile, Status, shell_word};
use crate::rundir::RunDir;
use crate::verdict::{Circumstances, Row, Terms, Verdict, judge, judge_asked};

/// How many events that break the rules are named.
const IRREGULARITIES: usize = 5;

/// Judges one file and prints what it found. Returns the exit code.
pub fn observe(task: &Task<'_>, required: &[Guarantee]) -> Result<u8, Failure> {
    let checked = check_one(task, required)?;
    print(&show(&checked, task.args.format)?);
    if let Some(place) = task.place() {
        let rows = checked.report.judgement.guarantees.iter().map(|(guarantee, row)| (*guarantee, row));
        evidence::write_rows(&place, &checked.history, rows, task.args.most)?;
    }
    Ok(checked.code())
}

/// A history that was judged again.
struct Checked {
    report: Report,
    history: History,
    damage: Option<String>,
    bare: bool,
    /// What the whole history rules out.
    whole: Whole,
}

impl Checked {
    /// What is left of a damaged file may prove a violation, and nothing else.
    fn code(&self) -> u8 {
        match self.report.judgement.verdict {
            Verdict::Valid | Verdict::Unknown if self.damage.is_some() => USAGE,
            verdict => verdict.code(),
        }
    }
}

fn check_one(task: &Task<'_>, required: &[Guarantee]) -> Result<Checked, Failure> {
    let path = task.path;
    if path == Path::new("-") {
        return check_bare(task, required);
    }
    if path.is_dir() {
        let run = Recorded::open(path)?;
        return check_run(&run, &run.dir.history(), task, required);
    }
    // A history that still lies in its run directory is judged by what the run promised; whatever else lies there is not.
    let is_history = |name: &std::ffi::OsStr| name == "history.jsonl" || name == "history.jsonl.gz";
    if !path.file_name().is_some_and(is_history) {
        return check_bare(task, required);
    }
    let parent = path.parent().map(|p| if p.as_os_str().is_empty() { Path::new(".") } else { p });
    let Some(parent) = parent.filter(|p| p.join("run.json").is_file()) else {
        return check_bare(task, required);
    };
    match Recorded::open(parent) {
        Ok(run) => check_run(&run, path, task, required),
        Err(failure) => {
            anstream::eprintln!("warning: judged without its run: {failure}");
            check_bare(task, required)
        }
    }
}

/// A run directory with what it says of its run.
struct Recorded {
    dir: RunDir,
    file: RunFile,
    plan: Plan,
}

impl Recorded {
    fn open(path: &Path) -> Result<Self, Failure> {
        let dir = RunDir::open(path)?;
        let (file, plan) = (dir.read_json("run.json")?, dir.read_json("plan.json")?);
        Ok(Recorded { dir, file, plan })
    }
}

fn check_run(run: &Recorded, history: &Path, task: &Task<'_>, required: &[Guarantee]) -> Result<Checked, Failure> {
    let (Recorded { dir, file, plan }, args) = (run, task.args);
    let mut terms = file.terms.clone();
    terms.required.extend_from_slice(required);
    let bound = args.recovery.map_or(plan.recovery_ms, |r| r.as_millis() as u64);
    let began = Instant::now();
    let loaded = analyse::load(history, args.input)?;
    // What the run knew of its faults is not in the history alone.
    let seen = circumstances(&loaded);
    let unended = !matches!(file.status, Status::Finished | Status::Interrupted);
    let circumstances = Circumstances { unended, ..seen.with_faults_of(&file.circumstances) };
    let (findings, whole) = findings(&loaded.history, &CheckConfig { recovery_bound_ms: bound }, task);
    let judgement = judge(&terms, findings, circumstances);
    let mut report = Report::bare(judgement, dir.shown().display().to_string(), file.again.clone()).with_plan(plan);
    // What only the run itself could see.
    if let Ok(stored) = dir.read_json::<Report>("verdict.json") {
        let Report { faults, wire, notes, seconds, operations, .. } = stored;
        report = Report { faults, wire, notes, seconds, operations, ..report };
    }
    Ok(finish(report, loaded, whole, began, false))
}

/// Nothing is known of what was promised: everything is asked, or only what is required.
fn check_bare(task: &Task<'_>, required: &[Guarantee]) -> Result<Checked, Failure> {
    let (path, args) = (task.path, task.args);
    let began = Instant::now();
    let loaded = analyse::load(path, args.input)?;
    let mut config = CheckConfig::default();
    if let Some(bound) = args.recovery {
        config.recovery_bound_ms = bound.as_millis() as u64;
    }
    let (findings, whole) = findings(&loaded.history, &config, task);
    // A history that shows too little of a guarantee is no answer to "everything"; a search that came to no end is one.
    let judged = findings.iter().filter(|f| match f.observed {
        Observed::Held | Observed::Violated => true,
        Observed::Unknown => f.summary == INTERRUPTED || Exhausted::is_told_in(&f.summary),
        Observed::NotApplicable => false,
    });
    let contract = match required {
        [] => judged.fold(Contract::new(), |contract, finding| contract.with(finding.guarantee, Promise::Yes)),
        _ => Contract::new(),
    };
    let terms = Terms { contract, required: required.to_vec(), faults: Vec::new() };
    let judgement = judge_asked(&terms, findings, circumstances(&loaded));
    let report = Report::bare(judgement, path.display().to_string(), again(args, path, required));
    Ok(finish(report, loaded, whole, began, true))
}

/// The command that gives the same answer again.
fn again(args: &CheckArgs, path: &Path, required: &[Guarantee]) -> String {
    let mut again = format!("splitbrain check {}", shell_word(&path.display().to_string()));
    for guarantee in required {
        again.push_str(&format!(" --require {guarantee}"));
    }
    if let Some(bound) = args.recovery {
        again.push_str(&format!(" --recovery {}ms", bound.as_millis()));
    }
    if args.input != InputFormat::Auto {
        again.push_str(&format!(" --input {}", args.input.name()));
    }
    if let Some(budget) = args.budget {
        again.push_str(&format!(" --budget {}ms", budget.as_millis()));
    }
    if let Some(bytes) = args.memory {
        again.push_str(&format!(" --memory {bytes}"));
    }
    again
}

/// Every guarantee, event by event and at the end.
fn findings(history: &History, config: &CheckConfig, task: &Task<'_>) -> (Vec<Finding>, Whole) {
    let mut findings = checkers::check(history, config);
    let stop = task.stop();
    let mut whole = analyses::whole_within(history, &analyse::budget(task.args, &stop));
    for finding in &mut whole.findings {
        if task.is_interrupted() && finding.observed == Observed::Unknown && Exhausted::is_told_in(&finding.summary) {
            finding.summary = INTERRUPTED.to_owned();
        }
    }
    findings.append(&mut whole.findings);
    (findings, whole)
}

fn finish(mut report: Report, loaded: Loaded, whole: Whole, began: Instant, bare: bool) -> Checked {
    if bare {
        report.seconds = began.elapsed().as_secs_f64();
    }
    let damage = loaded.damage.map(|d| d.to_string());
    let Operations { ok, fail, info, .. } = operations(&loaded.history);
    report.operations = Operations { ok, fail, info, ..report.operations };
    for (event, irregularity) in loaded.history.irregularities().iter().take(IRREGULARITIES) {
        report.notes.push(format!("event #{}: {}", event.0, irregularity.describe()));
    }
    report.notes.extend(damage.iter().map(|d| format!("only what comes before the damage was judged: {d}")));
    Checked { report, history: loaded.history, damage, bare, whole }
}

/// How client operations ended; one without a completion ended unknown.
fn operations(history: &History) -> Operations {
    let mut operations = Operations::default();
    for operation in history.operations() {
        match operation.outcome {
            Kind::Ok => operations.ok += 1,
            Kind::Fail => operations.fail += 1,
            Kind::Info | Kind::Invoke => operations.info += 1,
        }
    }
    operations
}

fn circumstances(loaded: &Loaded) -> Circumstances {
    let history = &loaded.history;
    let ok = history.client_events().filter(|e| history.kind(*e) == Kind::Ok).count() as u64;
    Circumstances {
        ok_count: ok,
        damaged: loaded.damage.is_some(),
        irregular_count: history.irregularities().len() as u64,
        ..Circumstances::default()
    }
}

fn show(checked: &Checked, format: Format) -> Result<String, Failure> {
    if format == Format::Json {
        return json_line(checked).map_err(|e| Failure::harness("cannot put the verdict into JSON").because(&e));
    }
    let count = checked.history.len();
    let mut out = format!("{}: {count} {}\n", checked.report.run, if count == 1 { "event" } else { "events" });
    if let Some(damage) = &checked.damage {
        out.push_str(&format!("{} {damage}\n", Painted(COST, "damaged:")));
    }
    if checked.bare {
        let required = checked.report.judgement.guarantees.values().any(|row| row.required);
        let asked = if required { "what --require names is asked" } else { "everything is asked" };
        out.push_str(&format!("{}\n", Painted(DIM, format!("nobody is known to have promised anything: {asked}"))));
    }
    let rows = &checked.report.judgement.guarantees;
    out.push_str(&if checked.bare { table_of_asked(rows) } else { table(rows) });
    out.push_str(&report::proofs(&checked.report, &checked.history));
    let Whole { not, also_not, besides, .. } = &checked.whole;
    for (head, models) in [("not", not), ("also not", also_not), ("besides not", besides)] {
        if !models.is_empty() {
            out.push_str(&format!("{head}: {}\n", model_names(models).join(", ")));
        }
    }
    for note in &checked.report.notes {
        out.push_str(&format!("note: {note}\n"));
    }
    out.push_str(&report::conclusion(&checked.report));
    Ok(out)
}

/// The report, with the fields that every checked file has: `file`, `anomalies`, `not`, `also_not`, `checked`.
fn json_line(checked: &Checked) -> serde_json::Result<String> {
    let mut object = serde_json::to_value(&checked.report)?;
    let rows = &checked.report.judgement.guarantees;
    let anomalies: Vec<Json> = rows.iter().flat_map(|(g, row)| anomalies(*g, row)).collect();
    let operations = &checked.report.operations;
    let checked_counts = json!({
        "events": checked.history.len(),
        "operations": operations.ok + operations.fail + operations.info,
        "keys": checked.history.key_count(),
    });
    let fields = [
        ("file", json!(checked.report.run)),
        ("anomalies", json!(anomalies)),
        ("not", json!(model_names(&checked.whole.not))),
        ("also_not", json!(model_names(&checked.whole.also_not))),
        ("besides_not", json!(model_names(&checked.whole.besides))),
        ("checked", checked_counts),
        ("damage", json!(checked.damage)),
    ];
    if let Some(object) = object.as_object_mut() {
        object.extend(fields.map(|(name, value)| (name.to_owned(), value)));
    }
    Ok(serde_json::to_string(&object)? + "\n")
}

/// The anomalies of a guarantee by kind, each with its first evidence. Of many only the first are kept, and counted.
fn anomalies(guarantee: Guarantee, row: &Row) -> Vec<Json> {
    let kinds: BTreeSet<&str> = row.anomalies.iter().map(|a| a.kind.as_str()).collect();
    let one_kind = kinds.len() == 1;
    kinds
        .into_iter()
        .map(|kind| {
            let mut of = row.anomalies.iter().filter(|a| a.kind == kind);
            let count = if one_kind { row.violations } else { of.clone().count() as u64 };
            let first = of.next();
            json!({
                "type": kind,
                "guarantee": guarantee,
                "count": count,
                "operations": first.map(|a| &a.operations),
                "explanation": first.map(|a| &a.explanation),
            })
        })
        .collect()
}
