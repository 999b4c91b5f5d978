//! `splitbrain inspect`: the verdict of a run, its evidence, and the timeline around it.

use checkers::Observed;
use histories::Guarantee;
use histories::file;

use super::args::InspectArgs;
use super::{names, print};
use crate::evidence::{self as evidence_files, Place};
use crate::failure::{Failure, VALID};
use crate::render::style::{BAD, DIM, Painted, STRONG};
use crate::render::{evidence, report, staleness, timeline, verdicts};
use crate::report::{Report, RunFile, shell_word};
use crate::rundir::RunDir;
use crate::verdict::Row;

pub fn inspect(args: &InspectArgs) -> Result<u8, Failure> {
    let only = args.guarantee.as_deref().map(names::guarantee).transpose()?;
    let dir = RunDir::open(&args.run)?;
    let file: RunFile = dir.read_json("run.json")?;
    if !dir.file("verdict.json").exists() {
        return Err(Failure::usage(format!("{} has no verdict: its status is {}", args.run.display(), status(&file)))
            .help(format!("splitbrain check {} judges what was recorded", args.run.display())));
    }
    let stored: Report = dir.read_json("verdict.json")?;
    let loaded = file::read(&dir.history())
        .map_err(|e| Failure::usage(format!("cannot read {}", dir.history().display())).because(&e))?;
    if args.staleness {
        let measured = checkers::weak::staleness::measure(&loaded.history, None);
        print(&staleness::staleness(&measured, args.most));
        return Ok(VALID);
    }
    if args.dot {
        print(&graphs(&stored, &loaded.history, only, args.most));
        return Ok(VALID);
    }
    if let Some(dir) = &args.evidence {
        let place = Place::claim(dir, 1)?.of(0, &args.run);
        let rows = stored.judgement.guarantees.iter().map(|(g, row)| (*g, row));
        let rows = rows.filter(|(g, _)| only.is_none_or(|o| o == *g));
        let written = evidence_files::write_rows(&place, &loaded.history, rows, args.most)?;
        let pieces = if written == 1 { "piece" } else { "pieces" };
        print(&format!("{written} {pieces} of evidence in {}\n", dir.display()));
    }
    let seed = stored.seed.map(|s| s.to_string()).unwrap_or_default();
    let mut out = format!("{} · seed {seed} · started {}\n", args.run.display(), file.started);
    if let Some(damage) = &loaded.damage {
        let again = shell_word(&args.run.display().to_string());
        out.push_str(&format!("{} {damage}\n", Painted(BAD, "the history has been damaged since:")));
        out.push_str(&format!("this is the verdict of then; judge what is left by `splitbrain check {again}`\n"));
    }
    out.push_str(&format!("{}: {}\n\n", verdicts::word(stored.judgement.verdict), stored.judgement.reason));
    out.push_str(&verdicts::table(&stored.judgement.guarantees));
    out.push('\n');
    out.push_str(&report::faults(&stored.faults));
    let wanted = |g: Guarantee| only.is_none_or(|o| o == g);
    for (guarantee, row) in stored.judgement.guarantees.iter().filter(|(g, _)| wanted(**g)) {
        if row.observed == Observed::Violated {
            out.push_str(&violation(*guarantee, row, &loaded.history, args));
        }
    }
    for note in &stored.notes {
        out.push_str(&format!("note: {note}\n"));
    }
    out.push_str(&format!("\nfiles in {}: {}\n", dir.shown().display(), files(&dir)));
    out.push_str(&format!("again: {}\n", stored.again));
    print(&out);
    Ok(VALID)
}

fn violation(guarantee: Guarantee, row: &Row, history: &histories::History, args: &InspectArgs) -> String {
    let about = checkers::about(guarantee);
    let promised = if row.promised { "promised" } else { "not promised" };
    let mut out = format!("\n{} ({promised}), {} found\n", Painted(STRONG, guarantee.title()), row.violations);
    out.push_str(&format!("{}\n", Painted(DIM, about.definition)));
    if let Some(because) = row.because.as_ref().filter(|_| !row.promised) {
        out.push_str(&format!("{}\n", Painted(DIM, format!("not promised because {because}"))));
    }
    for anomaly in row.anomalies.iter().take(args.most) {
        out.push('\n');
        out.push_str(&evidence::anomaly(history, anomaly));
        out.push_str(&timeline::timeline(history, &anomaly.operations, args.around, args.all_faults));
    }
    out.push_str(&format!("{}\n", Painted(DIM, timeline::LEGEND)));
    let more = row.violations.saturating_sub(args.most as u64);
    if more > 0 {
        out.push_str(&format!(
            "\n… and {more} more (--most N shows more, verdict.json holds the first {})\n",
            checkers::Finding::KEPT
        ));
    }
    out
}

/// One graph for each anomaly that would be shown.
fn graphs(report: &Report, history: &histories::History, only: Option<Guarantee>, most: usize) -> String {
    let rows = report.judgement.guarantees.iter().filter(|(g, _)| only.is_none_or(|o| o == **g));
    let anomalies = rows.flat_map(|(_, row)| row.anomalies.iter().take(most));
    anomalies.map(|anomaly| evidence_files::dot(history, anomaly)).collect()
}

fn status(file: &RunFile) -> String {
    serde_json::to_value(file.status).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

fn files(dir: &RunDir) -> String {
    let mut names: Vec<String> = std::fs::read_dir(dir.path())
        .map(|entries| entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect())
        .unwrap_or_default();
    names.sort();
    names.join(", ")
}
