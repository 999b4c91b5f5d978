//! What a step waits for, and what ends its fault.

use std::fmt;

use regex_lite::Regex;
use serde::{Deserialize, Serialize};

use super::{Millis, PatternError};
use crate::fault::node_name;

/// What a step waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// This long after the workload's start.
    TimeMs(u64),
    /// This many client operations have completed, however they ended.
    Operations(u64),
    /// This many client operations were acknowledged (`ok`).
    Acknowledged(u64),
    /// A line of a node's standard output or error matches.
    Output {
        /// Which node, by position; absent: any.
        #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::fault::positions::maybe")]
        node: Option<usize>,
        /// A regular expression, searched for anywhere in the line.
        pattern: String,
    },
    /// A node leads that did not lead before, as the nodes say when they are asked.
    Leader {
        /// Which node, by position; absent: any.
        #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::fault::positions::maybe")]
        node: Option<usize>,
    },
    /// Another step is done, or its fault is healed.
    Step {
        /// Position of that step.
        step: usize,
        /// Which of both.
        moment: Moment,
    },
}

/// A moment of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// It is done: its fault is injected.
    Begin,
    /// Its fault is healed.
    End,
}

/// What whoever runs a [`Driver`](super::Driver) sees of the run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Observed<'a> {
    /// Milliseconds since the workload's start.
    pub now_ms: u64,
    /// Client operations that have completed so far.
    pub completed: u64,
    /// Those of them that were acknowledged.
    pub acknowledged: u64,
    /// What the nodes printed since the last time: position of the node, line. See
    /// [`OutputTail`](super::OutputTail).
    pub lines: &'a [(usize, String)],
    /// Who leads now, where it is known; looked at only if [`Schedule::watches_leader`](super::Schedule::watches_leader).
    pub leader: Option<usize>,
}

/// A trigger that is being watched.
#[derive(Debug)]
pub(super) struct Watch {
    trigger: Trigger,
    pattern: Option<Regex>,
    /// Where its counts begin.
    from: u64,
}

impl Watch {
    /// `step` is whose trigger it is, for the error.
    pub(super) fn new(step: usize, trigger: &Trigger) -> Result<Watch, PatternError> {
        let pattern = match trigger {
            Trigger::Output { pattern, .. } => Some(Regex::new(pattern).map_err(|error| PatternError {
                step,
                pattern: pattern.clone(),
                reason: error.to_string(),
            })?),
            _ => None,
        };
        Ok(Watch { trigger: trigger.clone(), pattern, from: 0 })
    }

    /// Counts begin here.
    pub(super) fn begin(&mut self, observed: &Observed) {
        self.from = match self.trigger {
            Trigger::Operations(_) => observed.completed,
            Trigger::Acknowledged(_) => observed.acknowledged,
            _ => 0,
        };
    }

    /// How often it is met by what is seen. `new_leader` is who leads that did not before. Times and steps are not
    /// watched here.
    pub(super) fn met_count(&self, observed: &Observed, new_leader: Option<usize>) -> usize {
        match &self.trigger {
            Trigger::TimeMs(_) | Trigger::Step { .. } => 0,
            Trigger::Operations(count) => usize::from(observed.completed >= self.from.saturating_add(*count)),
            Trigger::Acknowledged(count) => usize::from(observed.acknowledged >= self.from.saturating_add(*count)),
            Trigger::Output { node, .. } => {
                let Some(pattern) = &self.pattern else { return 0 };
                let heard =
                    |(of, line): &&(usize, String)| node.is_none_or(|node| node == *of) && pattern.is_match(line);
                observed.lines.iter().filter(heard).count()
            }
            Trigger::Leader { node } => {
                usize::from(new_leader.is_some_and(|leader| node.is_none_or(|node| node == leader)))
            }
        }
    }

    /// Whether it waits for this moment of that step.
    pub(super) fn waits_for(&self, other: usize, now: Moment) -> bool {
        matches!(self.trigger, Trigger::Step { step, moment } if step == other && moment == now)
    }
}

impl Trigger {
    /// For people, as the end of a fault: `300 operations later`, `n1 prints /leader/`.
    pub(super) fn after_injection(&self) -> String {
        match self {
            Trigger::TimeMs(ms) => Millis(*ms).to_string(),
            Trigger::Operations(count) => format!("{count} operations later"),
            Trigger::Acknowledged(count) => format!("{count} acknowledged operations later"),
            other => other.to_string().trim_start_matches("when ").to_owned(),
        }
    }
}

/// For people: `at 2s`, `at operation 500`, `when n1 prints /leader/`.
impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trigger::TimeMs(ms) => write!(f, "at {}", Millis(*ms)),
            Trigger::Operations(count) => write!(f, "at operation {count}"),
            Trigger::Acknowledged(count) => write!(f, "at acknowledged operation {count}"),
            Trigger::Output { node: Some(node), pattern } => write!(f, "when {} prints /{pattern}/", node_name(*node)),
            Trigger::Output { node: None, pattern } => write!(f, "when any node prints /{pattern}/"),
            Trigger::Leader { node: Some(node) } => write!(f, "when {} becomes the leader", node_name(*node)),
            Trigger::Leader { node: None } => f.write_str("when a node becomes the leader"),
            Trigger::Step { step, moment: Moment::Begin } => write!(f, "when step {} is done", step + 1),
            Trigger::Step { step, moment: Moment::End } => write!(f, "when the fault of step {} is healed", step + 1),
        }
    }
}
