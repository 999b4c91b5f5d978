//! Which fault when.
//!
//! A [`Schedule`] is a list of steps; each waits for its [`Trigger`], then injects a fault or heals one. It is
//! [generated](generate()) from the seed, or [written by hand](Schedule::parse), and it is stored in the plan of the
//! run: everything random about it is drawn beforehand, so that the plan says it all and the same seed gives the same
//! plan, byte for byte. Only roles ("the leader") are looked up when a step is due. The [`Driver`] runs it.
//!
//! ```text
//!   time →   0      lead-in      3.1 s      5.4 s        8.0 s        11.2 s                 end
//!            |-------------------#==========|------------#============|-----------------------|
//!                                leader-    healed       kill n2      healed   recovery, final reads
//!                                isolated
//! ```
//!
//! What a schedule does not promise: what the processes do with it. The same plan meets a different interleaving each
//! time, so a replay has a rate, not a certainty. Triggers by operation count and by a node's output come closer to the
//! same moment than triggers by time do.

mod amounts;
mod crash_loop;
mod draw;
mod driver;
mod file;
mod generate;
mod liveness;
mod raw;
mod rhythm;
mod tail;
mod trigger;
mod validate;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use driver::{Driver, Due, PatternError};
pub use file::ScheduleError;
pub use generate::{Intervals, generate};
pub use liveness::{Liveness, LivenessAsked};
pub use rhythm::{Rhythm, compose};
pub use tail::OutputTail;
pub use trigger::{Moment, Observed, Trigger};
pub use validate::{Problem, Severity};

use crate::fault::Fault;

/// The plan of the nemesis.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// In the order in which they were written; each waits for its own trigger.
    pub steps: Vec<Step>,
}

/// One thing to do, and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// What a hand-written schedule calls it, so that a later step can heal it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it waits for.
    pub when: Trigger,
    /// How much longer it waits then.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub after_ms: u64,
    /// What it does.
    #[serde(flatten)]
    pub action: Action,
    /// How long after its injection the fault is healed; absent: `until` or a later step heals it, or the end of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_ms: Option<u64>,
    /// What heals the fault when it happens after the injection; counts begin there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Trigger>,
    /// Whether it is done more than once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat: Option<Repeat>,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Installs a fault.
    Inject(Fault),
    /// Undoes what is installed.
    Heal(Heal),
}

/// What to undo.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Heal {
    /// Everything that is installed, the last first.
    All,
    /// Whatever the step at this position installed.
    Step(usize),
}

/// How a step is done more than once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repeat {
    /// This long after the last time; absent: whenever its trigger is met again, that is, with the next line that
    /// matches, or after as many operations again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_ms: Option<u64>,
    /// How often altogether; absent: until the run ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
}

impl Schedule {
    /// Reads a hand-written schedule. `file` is what to call it in errors; `nodes` are the names of the cluster's nodes
    /// by position.
    pub fn parse(file: &str, text: &str, nodes: &[String]) -> Result<Schedule, ScheduleError> {
        file::parse(file, text, nodes)
    }

    /// What a hand-written schedule says of the [`Liveness`] phase after it; none where it says nothing.
    pub fn parse_liveness(file: &str, text: &str, nodes: &[String]) -> Result<Option<LivenessAsked>, ScheduleError> {
        file::parse_liveness(file, text, nodes)
    }

    /// Of these steps, in the order in which they come.
    fn sorted(mut steps: Vec<Step>) -> Schedule {
        steps.sort_by_key(|step| match step.when {
            Trigger::TimeMs(ms) => ms,
            _ => u64::MAX,
        });
        Schedule { steps }
    }

    /// What is wrong with it for a cluster of this size and a run of this length (absent: open).
    pub fn validate(&self, node_count: usize, duration_ms: Option<u64>) -> Vec<Problem> {
        validate::problems(self, node_count, duration_ms)
    }

    /// The faults that it injects, in the order of its steps.
    pub fn faults(&self) -> impl Iterator<Item = &Fault> {
        self.steps.iter().filter_map(Step::fault)
    }

    /// Every name under which a contract may speak of its faults, ascending; see [`Fault::names`].
    pub fn fault_names(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.faults().flat_map(Fault::names).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Whether any step watches the nodes' output.
    pub fn watches_output(&self) -> bool {
        self.triggers().any(|trigger| matches!(trigger, Trigger::Output { .. }))
    }

    /// Whether any step watches who leads.
    pub fn watches_leader(&self) -> bool {
        self.triggers().any(|trigger| matches!(trigger, Trigger::Leader { .. }))
    }

    fn triggers(&self) -> impl Iterator<Item = &Trigger> {
        self.steps.iter().flat_map(|step| [Some(&step.when), step.until.as_ref()]).flatten()
    }
}

impl Step {
    /// A fault at a time, healed after a while.
    pub fn inject(at_ms: u64, fault: Fault, for_ms: u64) -> Step {
        Step {
            name: None,
            when: Trigger::TimeMs(at_ms),
            after_ms: 0,
            action: Action::Inject(fault),
            for_ms: Some(for_ms),
            until: None,
            repeat: None,
        }
    }

    /// The fault that it injects, if it injects one.
    pub fn fault(&self) -> Option<&Fault> {
        match &self.action {
            Action::Inject(fault) => Some(fault),
            Action::Heal(_) => None,
        }
    }
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// `250ms`, `2s`, `1.5s`, `90s`.
pub(crate) struct Millis(pub u64);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Millis(ms) = self;
        match (ms / 1000, ms % 1000) {
            (0, rest) if rest > 0 => write!(f, "{rest}ms"),
            (seconds, 0) => write!(f, "{seconds}s"),
            (seconds, rest) => {
                let fraction = format!("{rest:03}");
                write!(f, "{seconds}.{}s", fraction.trim_end_matches('0'))
            }
        }
    }
}

/// For people: `at 2s: partition-halves n1 n2 | the others, for 3s`.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.when)?;
        if self.after_ms > 0 {
            write!(f, " + {}", Millis(self.after_ms))?;
        }
        match &self.action {
            Action::Inject(fault) => write!(f, ": {fault}")?,
            Action::Heal(Heal::All) => f.write_str(": heal everything")?,
            Action::Heal(Heal::Step(step)) => write!(f, ": heal step {}", step + 1)?,
        }
        if let Some(ms) = self.for_ms {
            write!(f, ", for {}", Millis(ms))?;
        }
        if let Some(until) = &self.until {
            write!(f, ", until {}", until.after_injection())?;
        }
        match self.repeat {
            None => Ok(()),
            Some(Repeat { every_ms, times }) => {
                f.write_str(", again")?;
                every_ms.map_or(Ok(()), |ms| write!(f, " every {}", Millis(ms)))?;
                times.map_or(Ok(()), |times| write!(f, ", {times} times in all"))
            }
        }
    }
}
