//! What this machine can do, found out by doing. (interface first; being written)

use crate::hosts::Rung;

/// One thing probed.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Check {
    /// Stable identifier, such as `user-namespace`.
    pub id: &'static str,
    /// `ok`, `warn` or `fail`.
    pub level: Level,
    /// What was seen.
    pub seen: String,
    /// What to type to make it better.
    pub remedy: Option<String>,
}

/// How good it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Works.
    Ok,
    /// Works less well than it could.
    Warn,
    /// Does not work, and something needs it.
    Fail,
}

/// All checks and what follows.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Diagnosis {
    /// The best rung that works, if any.
    pub rung: Option<Rung>,
    /// In the order of probing.
    pub checks: Vec<Check>,
}

/// Probes this machine by really doing each step in a child process.
#[allow(clippy::unimplemented)]
pub fn examine() -> Diagnosis {
    unimplemented!()
}
