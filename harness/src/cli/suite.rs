//! The suite: what the tool is for, in under ninety seconds. Single-leader replication in its modes, under partitions,
//! kills and crashes, as a table of guarantees × configurations.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use nemesis::seed::Seed;

use super::args::{Format, TestArgs};
use super::logging::Logs;
use super::plan::{Configuration, spec};
use super::progress::Board;
use super::test::{announce, heading, json_failure, json_line, watched};
use super::{interrupt, names, print};
use crate::failure::{Failure, worst};
use crate::render::report;
use crate::render::verdicts::{Column, matrix};
use crate::run::{Finished, RunSpec};

/// Runs at a time: each has processes of its own, and two cores carry two.
const AT_ONCE: usize = 2;

/// Faults of each configuration: long enough for a few failovers, short enough for all within ninety seconds.
const DURATION: Duration = Duration::from_secs(14);

/// One configuration of the suite.
struct Entry {
    heading: &'static [&'static str],
    set: &'static [(&'static str, &'static str)],
    faults: &'static [&'static str],
}

const FAILOVER: &[&str] = &["leader-isolated", "kill-leader", "crash", "partition-halves"];
const LAG: &[&str] = &["partition-one", "partition-halves", "one-way"];

const SUITE: &[Entry] = &[
    Entry {
        heading: &["async", "failover", "read leader"],
        set: &[("replication", "async"), ("failover", "automatic"), ("read-from", "leader")],
        faults: FAILOVER,
    },
    Entry {
        heading: &["semi-sync", "failover", "read leader"],
        set: &[("replication", "semi-sync"), ("failover", "automatic"), ("read-from", "leader")],
        faults: FAILOVER,
    },
    Entry {
        heading: &["sync", "failover", "read leader"],
        set: &[("replication", "sync"), ("failover", "automatic"), ("read-from", "leader")],
        faults: FAILOVER,
    },
    Entry {
        heading: &["async", "no failover", "read any"],
        set: &[("replication", "async"), ("failover", "none"), ("read-from", "any")],
        faults: LAG,
    },
    Entry {
        heading: &["async", "no failover", "any + token"],
        set: &[("replication", "async"), ("failover", "none"), ("read-from", "any"), ("read-your-writes", "token")],
        faults: LAG,
    },
    Entry {
        heading: &["async", "no failover", "read sticky"],
        set: &[("replication", "async"), ("failover", "none"), ("read-from", "sticky")],
        faults: LAG,
    },
];

const SYSTEM: &str = "single-leader";

pub fn suite(args: &TestArgs, seed: Seed) -> Result<u8, Failure> {
    if !args.set.is_empty() {
        return Err(Failure::usage("--set needs a system").help(format!("splitbrain test {SYSTEM} --set …")));
    }
    if args.bug.is_some() || args.witness.is_some() {
        return Err(Failure::usage("planted bugs are those of a system")
            .help("splitbrain test SYSTEM --bug …; see `splitbrain list bugs`"));
    }
    let specs = SUITE.iter().map(|entry| entry_spec(args, entry, seed)).collect::<Result<Vec<_>, _>>()?;
    let logs = Logs::install(args.verbose);
    let interrupt = interrupt::listen(interrupt::OF_A_RUN)?;
    announce(args.format, &format!("{} · {}", heading(seed), args.runs.join(SYSTEM).display()));
    let results = run_all(specs, seed, args.format, &logs, &interrupt);
    logs.close();
    if args.format == Format::Text {
        print(&text(&results));
    }
    Ok(worst(results.iter().map(|r| match r {
        Ok(finished) => finished.report.judgement.verdict.code(),
        Err(failure) => failure.code,
    })))
}

fn entry_spec(args: &TestArgs, entry: &Entry, seed: Seed) -> Result<RunSpec, Failure> {
    let set: Vec<(String, String)> = entry.set.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let own: Vec<String> = entry.faults.iter().map(|f| (*f).to_owned()).collect();
    let faults = args.faults.as_deref().unwrap_or(&own);
    let configuration = Configuration {
        system: names::system(SYSTEM)?,
        set: &set,
        faults: Some(faults),
        seed,
        default_duration: DURATION,
    };
    spec(args, configuration)
}

/// A few at a time, in order; results in the order of the specs. JSON lines come as soon as there is a verdict.
fn run_all(
    specs: Vec<RunSpec>,
    seed: Seed,
    format: Format,
    logs: &Logs,
    interrupt: &tokio::sync::watch::Receiver<bool>,
) -> Vec<Result<Finished, Failure>> {
    let count = specs.len();
    let queue: Mutex<VecDeque<(usize, RunSpec)>> = Mutex::new(specs.into_iter().enumerate().collect());
    let results: Mutex<Vec<Option<Result<Finished, Failure>>>> = Mutex::new((0..count).map(|_| None).collect());
    let board = Board::default();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().unwrap_or_else(|p| p.into_inner()).pop_front();
                    let Some((index, spec)) = next else { return };
                    let result = if *interrupt.borrow() {
                        Err(Failure {
                            code: crate::failure::UNKNOWN,
                            ..Failure::harness("interrupted before it began")
                        })
                    } else {
                        watched(spec, format, logs, &board, Some(SUITE[index].heading.join(", ")), interrupt.clone())
                    };
                    if format == Format::Json {
                        let line = result.as_ref().map_err(Clone::clone).and_then(json_line);
                        print(&line.unwrap_or_else(|failure| json_failure(SYSTEM, seed, &failure)));
                    }
                    results.lock().unwrap_or_else(|p| p.into_inner())[index] = Some(result);
                }
            });
        }
    });
    let results = results.into_inner().unwrap_or_else(|p| p.into_inner());
    results.into_iter().map(|r| r.unwrap_or_else(|| Err(Failure::harness("a run was lost")))).collect()
}

fn text(results: &[Result<Finished, Failure>]) -> String {
    let columns: Vec<Column<'_>> = SUITE
        .iter()
        .zip(results)
        .map(|(entry, result)| Column {
            heading: entry.heading.iter().map(|h| (*h).to_owned()).collect(),
            rows: result.as_ref().ok().map(|f| &f.report.judgement.guarantees),
            verdict: result.as_ref().ok().map(|f| f.report.judgement.verdict),
        })
        .collect();
    let mut out = format!("\n{}\n", matrix(&columns));
    for (entry, result) in SUITE.iter().zip(results) {
        let name = entry.heading.join(", ");
        match result {
            Ok(finished) => out.push_str(&report::brief(&name, &finished.report, &finished.history)),
            Err(failure) => out.push_str(&format!("{name}: no verdict: {failure}\n")),
        }
    }
    out
}
