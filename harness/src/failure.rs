//! What ends a command without a verdict, and the exit codes.
//!
//! Exit codes are an interface: **0** valid, **1** invalid, **2** unknown, **254** usage or configuration, **255** harness
//! failure. A harness failure is our code or the environment, never a statement about the store.

use std::fmt;
use std::io;
use std::path::Path;

/// Exit code of a valid verdict.
pub const VALID: u8 = 0;
/// Exit code of an invalid verdict.
pub const INVALID: u8 = 1;
/// Exit code of an unknown verdict.
pub const UNKNOWN: u8 = 2;
/// Exit code of bad flags, unknown names, impossible combinations, unreadable or damaged files.
pub const USAGE: u8 = 254;
/// Exit code when the harness or its environment broke.
pub const HARNESS: u8 = 255;

/// The exit code of several runs: invalid outranks harness failure outranks usage outranks unknown outranks valid.
pub fn worst(codes: impl IntoIterator<Item = u8>) -> u8 {
    let rank = |code: &u8| [VALID, UNKNOWN, USAGE, HARNESS, INVALID].iter().position(|c| c == code).unwrap_or(3);
    codes.into_iter().max_by_key(rank).unwrap_or(VALID)
}

/// Why there is no verdict.
#[derive(Clone, Debug)]
pub struct Failure {
    /// [`USAGE`] or [`HARNESS`].
    pub code: u8,
    /// What failed, with the place.
    pub what: String,
    /// The chain of causes, outermost first.
    pub causes: Vec<String>,
    /// What to do about it.
    pub help: Option<String>,
}

impl Failure {
    /// Bad flags, names, combinations or files.
    pub fn usage(what: impl Into<String>) -> Self {
        Failure { code: USAGE, what: what.into(), causes: Vec::new(), help: None }
    }

    /// Our code or the environment.
    pub fn harness(what: impl Into<String>) -> Self {
        Failure { code: HARNESS, what: what.into(), causes: Vec::new(), help: None }
    }

    /// A file that cannot be read or written.
    pub fn file(code: u8, doing: &str, path: &Path, error: &io::Error) -> Self {
        let failure =
            Failure { code, what: format!("cannot {doing} {}", path.display()), causes: Vec::new(), help: None };
        failure.because(error)
    }

    /// Adds an error and what lies behind it to the causes.
    pub fn because(mut self, error: &(dyn std::error::Error + 'static)) -> Self {
        let mut next = Some(error);
        while let Some(error) = next {
            let text = error.to_string();
            if self.causes.last().is_none_or(|last| !last.ends_with(&text)) {
                self.causes.push(text);
            }
            next = error.source();
        }
        self
    }

    /// Adds the remedy.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.what)?;
        for cause in &self.causes {
            write!(f, ": {cause}")?;
        }
        if let Some(help) = &self.help {
            for (i, line) in help.lines().enumerate() {
                write!(f, "\n{} {line}", if i == 0 { "help:" } else { "     " })?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_invalid_run_outranks_everything() {
        assert_eq!(worst([VALID, UNKNOWN, HARNESS, INVALID, VALID]), INVALID);
        assert_eq!(worst([VALID, UNKNOWN, HARNESS]), HARNESS);
        assert_eq!(worst([VALID, UNKNOWN]), UNKNOWN);
        assert_eq!(worst([VALID, VALID]), VALID);
        assert_eq!(worst([]), VALID);
    }

    #[test]
    fn causes_are_not_repeated() {
        let inner = io::Error::other("disk full");
        let failure = Failure::file(HARNESS, "write", Path::new("/x/y"), &inner).help("free some room");
        assert_eq!(failure.to_string(), "cannot write /x/y: disk full\nhelp: free some room");
    }
}
