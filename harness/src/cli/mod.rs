//! The `splitbrain` command: arguments in, text or JSON out, an exit code. Only this module prints.

pub mod analyse;
pub mod args;
mod check;
mod doctor;
mod explain;
mod guarantees;
mod inspect;
mod interrupt;
mod list;
mod liveness;
mod logging;
mod names;
mod plan;
mod progress;
mod scorecard;
mod suite;
mod test;
mod witness;

use std::ffi::OsString;
use std::io::Write;
use std::sync::OnceLock;

use clap::Parser;

use self::args::{Cli, Command};
use crate::failure::{Failure, HARNESS, USAGE, VALID};
use crate::render::style::{BAD, Painted, STRONG};

/// Runs the command line and returns the exit code.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let result = match cli.command {
        Command::Test(args) => test::test(&args),
        Command::Scorecard(args) => scorecard::scorecard(&args),
        Command::Check(args) => check::check(&args),
        Command::Inspect(args) => inspect::inspect(&args),
        Command::List(args) => list::list(&args),
        Command::Explain(args) => explain::explain(&args),
        Command::Doctor(args) => doctor::doctor(&args),
    };
    let code = result.unwrap_or_else(|failure| {
        complain(&failure);
        failure.code
    });
    match UNPRINTED.get() {
        None => code,
        Some(error) => {
            complain(&Failure::harness("the results could not be printed").because(error));
            HARNESS
        }
    }
}

/// Why results could not be printed, if that was not the reader's choice.
static UNPRINTED: OnceLock<std::io::Error> = OnceLock::new();

/// clap exits 2 on bad usage; here 2 means an unknown verdict.
fn usage(error: &clap::Error) -> u8 {
    let _ = error.print();
    match error.kind() {
        clap::error::ErrorKind::DisplayHelp | clap::error::ErrorKind::DisplayVersion => VALID,
        _ => USAGE,
    }
}

/// What failed, why, and what to do about it, on standard error.
fn complain(failure: &Failure) {
    let text = failure.to_string();
    let (what, help) = text.split_once("\nhelp:").map_or((text.as_str(), None), |(w, h)| (w, Some(h)));
    anstream::eprintln!("{} {what}", Painted(BAD, "error:"));
    if let Some(help) = help {
        anstream::eprintln!("{}{help}", Painted(STRONG, "help:"));
    }
}

/// Prints results. A reader that has gone away (`| head`) is no failure.
fn print(text: &str) {
    let mut out = anstream::stdout().lock();
    if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush())
        && error.kind() != std::io::ErrorKind::BrokenPipe
    {
        let _ = UNPRINTED.set(error);
    }
}
