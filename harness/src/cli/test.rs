//! `splitbrain test`: one configuration, or the suite.

use std::sync::{Arc, Mutex};

use nemesis::seed::Seed;
use tokio::sync::watch;

use super::args::{Format, TestArgs};
use super::logging::Logs;
use super::plan::{Configuration, DEFAULT_DURATION, spec};
use super::progress::{Board, REDRAW};
use super::{interrupt, names, print, suite, witness};
use crate::clock::RunClock;
use crate::failure::Failure;
use crate::render::report;
use crate::run::{self, Finished, Progress, RunSpec};

pub fn test(args: &TestArgs) -> Result<u8, Failure> {
    let seed = Seed(args.seed.unwrap_or_else(fresh_seed));
    let Some(name) = &args.system else { return suite::suite(args, seed) };
    let system = names::system(name)?;
    let args = &witness::applied(args, &*system)?;
    let configuration = Configuration {
        system,
        set: &args.set,
        faults: args.faults.as_deref(),
        seed,
        default_duration: DEFAULT_DURATION,
    };
    let spec = spec(args, configuration)?;
    let logs = Logs::install(args.verbose);
    let interrupt = interrupt::listen(interrupt::OF_A_RUN)?;
    let finished = match watched(spec, args.format, &logs, &Board::default(), None, interrupt) {
        Ok(finished) => finished,
        Err(failure) => {
            if args.format == Format::Json {
                print(&json_failure(name, seed, &failure));
            }
            return Err(failure);
        }
    };
    match args.format {
        Format::Json => print(&json_line(&finished)?),
        Format::Text => print(&report::report(&finished.report, &finished.history)),
    }
    Ok(finished.report.judgement.verdict.code())
}

/// Runs one configuration and shows how it goes. `label` distinguishes it among others; without one it announces itself.
pub fn watched(
    spec: RunSpec,
    format: Format,
    logs: &Logs,
    board: &Board,
    label: Option<String>,
    interrupt: watch::Receiver<bool>,
) -> Result<Finished, Failure> {
    let clock = RunClock::start();
    let dir = run::prepare(&spec, &clock)?;
    logs.also(&dir.file("controller.log"))?;
    if label.is_none() {
        announce(format, &format!("{} · {}", heading(spec.plan.seed), dir.shown().display()));
    }
    let line = board.line(label.unwrap_or_else(|| spec.plan.system.clone()));
    let progress = Arc::new(Mutex::new(Progress::default()));
    std::thread::scope(|scope| {
        let watch = progress.clone();
        // The hosts die with the thread that made them: it must live as long as the run, and does.
        let running = std::thread::Builder::new()
            .name("run".into())
            .spawn_scoped(scope, move || run::run(spec, clock, dir, watch, interrupt))
            .map_err(|e| Failure::harness("cannot start a thread").because(&e))?;
        while !running.is_finished() {
            line.show(&progress);
            std::thread::sleep(REDRAW);
        }
        running.join().unwrap_or_else(|_| Err(Failure::harness("the run broke; please report this with its directory")))
    })
}

/// Program, version and seed: the first line of every test.
pub fn heading(seed: Seed) -> String {
    format!("splitbrain {} · seed {}", env!("CARGO_PKG_VERSION"), seed.0)
}

/// A line that is there at once: with the results for people, beside them for programs.
pub fn announce(format: Format, line: &str) {
    match format {
        Format::Text => print(&format!("{line}\n")),
        Format::Json => anstream::eprintln!("{line}"),
    }
}

/// The report on one line.
pub fn json_line(finished: &Finished) -> Result<String, Failure> {
    let json = serde_json::to_string(&finished.report)
        .map_err(|e| Failure::harness("cannot put the verdict into JSON").because(&e))?;
    Ok(json + "\n")
}

/// A run without a verdict, on one line.
pub fn json_failure(system: &str, seed: Seed, failure: &Failure) -> String {
    let json = serde_json::json!({
        "verdict": null, "system": system, "seed": seed, "run": null, "guarantees": {},
        "error": failure.to_string(), "code": failure.code,
    });
    format!("{json}\n")
}

/// Nothing depends on it but itself: it is printed, stored, and can be given back.
fn fresh_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
    // Short enough to be typed.
    random % 1_000_000_000
}
