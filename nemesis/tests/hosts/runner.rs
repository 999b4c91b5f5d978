//! Runs tests one after the other, each on every rung, and prints what libtest would print.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Instant;

use nemesis::hosts::{Hosts, HostsConfig, HostsError, Rung};
use nemesis::seed::Seed;

/// A claim, and the function that checks it on one rung.
pub type Test = (&'static str, fn(Rung));

struct Outcome {
    passed: usize,
    failed: Vec<String>,
    ignored: usize,
    filtered_out: usize,
}

/// Whether a rung can be stood on, or why not.
pub type Probe = fn(Rung) -> Result<(), HostsError>;

/// What a test ends with that lacks something.
struct Lacking(String);

/// Ends a test that needs what is not here. It is reported by name.
#[allow(dead_code)]
pub fn skip(why: impl Into<String>) -> ! {
    std::panic::resume_unwind(Box::new(Lacking(why.into())))
}

/// Runs all tests whose names contain one of the filters on the command line.
#[allow(dead_code)]
pub fn run(groups: &[&[Test]]) -> ExitCode {
    run_on(groups, rungs(hosts_can_be_had))
}

/// Likewise, where the kind of network device makes no difference, on rungs that also have what these tests need: one with
/// a user namespace and, for root, one without.
#[allow(dead_code)]
pub fn run_once_each(groups: &[&[Test]], probe: Probe) -> ExitCode {
    run_on(
        groups,
        rungs(probe).into_iter().fold(Vec::new(), |mut kept, rung| {
            let same = |other: &&mut Stand| other.0.user_namespace() == rung.0.user_namespace();
            match kept.iter_mut().find(same) {
                None => kept.push(rung),
                Some(other) if other.1.is_err() => *other = rung,
                Some(_) => {}
            }
            kept
        }),
    )
}

/// Whether hosts can be made at all.
pub fn hosts_can_be_had(rung: Rung) -> Result<(), HostsError> {
    Hosts::start(HostsConfig { rung: Some(rung), seed: Seed(0), pcap: None }).map(drop)
}

/// A rung, and whether the machine has it.
type Stand = (Rung, Result<(), String>);

fn run_on(groups: &[&[Test]], rungs: Vec<Stand>) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let tests: Vec<Test> = groups.concat();
    if arguments.iter().any(|a| a == "--list") {
        tests.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let filters: Vec<&String> = arguments.iter().filter(|a| !a.starts_with('-')).collect();
    let started = Instant::now();
    println!("\nrunning {} tests on {} rungs", tests.len(), rungs.len());
    let mut outcome = Outcome { passed: 0, failed: Vec::new(), ignored: 0, filtered_out: 0 };
    for (rung, available) in &rungs {
        for (name, test) in &tests {
            let name = format!("{name} [{rung}]");
            if filters.is_empty() || filters.iter().any(|filter| name.contains(*filter)) {
                outcome.note(name, available, || test(*rung));
            } else {
                outcome.filtered_out += 1;
            }
        }
    }
    if std::env::var_os("SPLITBRAIN_REQUIRE").is_some() && rungs.iter().all(|(_, available)| available.is_err()) {
        outcome.failed.push("no rung at all, and SPLITBRAIN_REQUIRE is set".to_owned());
    }
    outcome.finish(started)
}

/// The rungs that this user may stand on, and whether the machine has them.
fn rungs(probe: Probe) -> Vec<Stand> {
    let root = nix::unistd::geteuid().is_root();
    let rungs = Rung::ALL.into_iter().filter(|rung| root || rung.user_namespace());
    rungs.map(|rung| (rung, probe(rung).map_err(|error| error.to_string()))).collect()
}

impl Outcome {
    fn note(&mut self, name: String, available: &Result<(), String>, test: impl FnOnce()) {
        if let Err(why) = available {
            eprintln!("SKIPPED {name}: {why}");
            println!("test {name} ... ignored");
            self.ignored += 1;
            return;
        }
        let started = Instant::now();
        let verdict = match catch_unwind(AssertUnwindSafe(test)) {
            Ok(()) => {
                self.passed += 1;
                "ok"
            }
            Err(panic) if panic.is::<Lacking>() => {
                let why = panic.downcast::<Lacking>().map_or_else(|_| String::new(), |lacking| lacking.0);
                eprintln!("SKIPPED {name}: {why}");
                self.ignored += 1;
                "ignored"
            }
            Err(_) => {
                self.failed.push(name.clone());
                "FAILED"
            }
        };
        println!("test {name} ... {verdict} ({} ms)", started.elapsed().as_millis());
    }

    fn finish(self, started: Instant) -> ExitCode {
        let Outcome { passed, failed, ignored, filtered_out } = self;
        if !failed.is_empty() {
            println!("\nfailures:\n    {}", failed.join("\n    "));
        }
        let verdict = if failed.is_empty() { "ok" } else { "FAILED" };
        let seconds = started.elapsed().as_secs_f64();
        println!(
            "\ntest result: {verdict}. {passed} passed; {} failed; {ignored} ignored; 0 measured; {filtered_out} filtered out; \
             finished in {seconds:.2}s\n",
            failed.len()
        );
        if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
