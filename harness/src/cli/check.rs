//! `splitbrain check`: judge recorded runs and histories again. All of them, whatever the first ones say.
//!
//! Ctrl-C ends the search that is under way: what it has proven is said, what it has not is unknown, and the files
//! behind it are named as not checked. A second one ends the program at once.

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::json;
use tokio::sync::watch;

use super::analyse::{self, Asked};
use super::args::{CheckArgs, Format};
use super::guarantees;
use super::interrupt::{self, Words};
use super::{names, print};
use crate::evidence::Place;
use crate::failure::{Failure, UNKNOWN, worst};

const WORDS: Words = Words {
    first: "stopping: what is proven so far is said (again to leave at once)",
    second: "leaving at once",
    code: UNKNOWN,
};

/// Why a search came to no end.
pub const INTERRUPTED: &str = "it was interrupted";

/// One file that is checked.
pub struct Task<'a> {
    /// As it was named.
    pub path: &'a Path,
    /// Its place among all files.
    number: usize,
    /// The flags.
    pub args: &'a CheckArgs,
    evidence: Option<&'a Place>,
    interrupt: &'a watch::Receiver<bool>,
}

impl Task<'_> {
    /// Where its evidence goes, if it is asked for and nobody is in a hurry.
    pub fn place(&self) -> Option<PathBuf> {
        self.evidence.filter(|_| !self.is_interrupted()).map(|place| place.of(self.number, self.path))
    }

    /// Whether the user wants to leave.
    pub fn is_interrupted(&self) -> bool {
        *self.interrupt.borrow()
    }

    /// Whether it is time to end: the time is over from now on, or the user wants to leave.
    pub fn stop(&self) -> impl Fn() -> bool + Sync {
        let deadline = self.args.budget.map(|budget| Instant::now() + budget);
        let interrupt = self.interrupt.clone();
        move || *interrupt.borrow() || deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }
}

pub fn check(args: &CheckArgs) -> Result<u8, Failure> {
    let required = names::guarantees(&args.require)?;
    let asked = Asked::of(args)?;
    refuse(args, asked.is_some())?;
    let place = args.evidence.as_deref().map(|dir| Place::claim(dir, args.paths.len())).transpose()?;
    let interrupt = interrupt::listen(WORDS)?;
    let mut codes = Vec::new();
    for (number, path) in args.paths.iter().enumerate() {
        let task = Task { path, number, args, evidence: place.as_ref(), interrupt: &interrupt };
        let checked = match &asked {
            _ if task.is_interrupted() => Err(left(path)),
            Some(asked) => analyse::analyse(&task, asked),
            None => guarantees::observe(&task, &required),
        };
        codes.push(checked.unwrap_or_else(|failure| tell(path, &failure, args.format)));
    }
    Ok(worst(codes))
}

/// What cannot be, before anything is read.
fn refuse(args: &CheckArgs, one_analysis: bool) -> Result<(), Failure> {
    if args.paths.iter().filter(|path| *path == Path::new("-")).count() > 1 {
        return Err(Failure::usage("standard input can be read only once").help("name - once"));
    }
    let of_one = [
        ("--keys", !args.keys.is_empty()),
        ("--initial", args.initial.is_some()),
        ("--total", args.total.is_some()),
        ("--negative-balances", args.negative_balances),
    ];
    match of_one.iter().find(|(_, given)| *given && !one_analysis) {
        Some((flag, _)) => {
            Err(Failure::usage(format!("{flag} is about one way to understand a history, and none is named"))
                .help("name it: --workload rw-register (`splitbrain list histories`), or a --model"))
        }
        None => Ok(()),
    }
}

fn left(path: &Path) -> Failure {
    Failure { code: UNKNOWN, ..Failure::usage(format!("{} was not checked: interrupted", path.display())) }
}

/// Why a file has no answer. Returns the exit code.
fn tell(path: &Path, failure: &Failure, format: Format) -> u8 {
    match format {
        Format::Json => {
            let object = json!({"file": path, "run": path, "verdict": null, "error": failure.to_string()});
            print(&format!("{object}\n"));
        }
        Format::Text => super::complain(failure),
    }
    failure.code
}
