//! What is wrong with a schedule, before it runs.

use std::fmt;

use super::{Action, Heal, Millis, Moment, Schedule, Step, Trigger};
use crate::fault::{links, node_name};
use crate::hosts::HostId;

/// One thing that is wrong, or looks wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Whether the schedule can run.
    pub severity: Severity,
    /// Position of the step.
    pub step: usize,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It runs, but probably not as it is meant.
    Warning,
    /// It cannot run.
    Error,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "step {}: {}", self.step + 1, self.what)
    }
}

pub(super) fn problems(schedule: &Schedule, node_count: usize, duration_ms: Option<u64>) -> Vec<Problem> {
    let mut found = Vec::new();
    for (position, step) in schedule.steps.iter().enumerate() {
        let checks = [
            nodes_exist(step, node_count),
            fault_is_possible(step, node_count),
            heal_has_an_object(schedule, step),
            pattern_is_one(step),
            waits_for_an_earlier_step(schedule, position, step),
            repeat_is_meant(step),
            time_is_within(step, duration_ms),
            healed_by_itself(step),
        ];
        found.extend(checks.into_iter().flatten().map(|(severity, what, remedy)| Problem {
            severity,
            step: position,
            what,
            remedy,
        }));
    }
    found
}

type Found = Option<(Severity, String, String)>;

fn error(what: String, remedy: &str) -> Found {
    Some((Severity::Error, what, remedy.to_owned()))
}

fn warning(what: String, remedy: &str) -> Found {
    Some((Severity::Warning, what, remedy.to_owned()))
}

fn nodes_exist(step: &Step, node_count: usize) -> Found {
    let watched = [Some(&step.when), step.until.as_ref()].into_iter().flatten().filter_map(|trigger| match trigger {
        Trigger::Output { node, .. } | Trigger::Leader { node } => *node,
        _ => None,
    });
    let mentioned = step.fault().map(|fault| fault.mentions()).unwrap_or_default();
    let missing = watched.chain(mentioned).find(|node| *node >= node_count)?;
    let there_are = format!("the nodes are n1 to n{node_count}; name one of them, or run with more (--nodes)");
    error(format!("no node is called '{}'", node_name(missing)), &there_are)
}

/// A fault that cuts no link and hits no process, whoever leads.
fn fault_is_possible(step: &Step, node_count: usize) -> Found {
    let fault = step.fault()?;
    if fault.mentions().iter().any(|node| *node >= node_count) {
        return None;
    }
    let targets = fault.resolve(node_count, None);
    let hosts: Vec<HostId> = (0..node_count).map(HostId).collect();
    let cuts_links = matches!(fault.family(), "partition" | "clients-cut" | "link");
    let cut = links(fault, &targets, &hosts, &[HostId(node_count)]);
    if cuts_links && cut.is_empty() {
        let least = fault.fault_name().info().least_node_count;
        let remedy = match node_count < least {
            true => format!("it needs {least} nodes"),
            false => "leave some nodes on each side".to_owned(),
        };
        return warning(format!("{fault} touches no link among {node_count} nodes"), &remedy);
    }
    if !cuts_links && targets.is_empty() {
        return warning(format!("{} hits no node", fault.name()), "name a node");
    }
    None
}

fn heal_has_an_object(schedule: &Schedule, step: &Step) -> Found {
    match &step.action {
        Action::Heal(Heal::Step(other)) => match schedule.steps.get(*other).map(Step::fault) {
            Some(Some(_)) => None,
            Some(None) => {
                error(format!("heals step {}, which injects nothing", other + 1), "name a step that injects a fault")
            }
            None => {
                error(format!("heals step {}, which does not exist", other + 1), "name a step that injects a fault")
            }
        },
        Action::Heal(Heal::All) if schedule.faults().next().is_none() => {
            warning("heals, and no step injects a fault".to_owned(), "add a step with fault = \"…\"")
        }
        _ => None,
    }
}

fn pattern_is_one(step: &Step) -> Found {
    [Some(&step.when), step.until.as_ref()].into_iter().flatten().find_map(|trigger| {
        let Trigger::Output { pattern, .. } = trigger else { return None };
        let failure = regex_lite::Regex::new(pattern).err()?;
        error(format!("'{pattern}' is no regular expression: {failure}"), "escape characters that are meant literally")
    })
}

/// A step that waited for itself or for a later one might wait in a circle.
fn waits_for_an_earlier_step(schedule: &Schedule, position: usize, step: &Step) -> Found {
    let Trigger::Step { step: other, moment } = step.when else { return None };
    if other >= position {
        return error(format!("waits for step {}, which does not come before it", other + 1), "name an earlier step");
    }
    let injects = schedule.steps.get(other).is_some_and(|other| other.fault().is_some());
    if moment == Moment::End && !injects {
        return error(
            format!("waits for the end of step {}, which injects nothing", other + 1),
            "name a step that injects",
        );
    }
    None
}

fn repeat_is_meant(step: &Step) -> Found {
    let repeat = step.repeat?;
    if repeat.times == Some(0) {
        return error("repeats 0 times".to_owned(), "leave the repetition away, or say how often altogether");
    }
    if repeat.every_ms == Some(0) {
        return error("repeats every 0ms".to_owned(), "give an interval such as \"5s\"");
    }
    let once = matches!(step.when, Trigger::TimeMs(_)) && repeat.every_ms.is_none();
    once.then(|| error("repeats, but its time comes only once".to_owned(), "say how often: every = \"5s\""))?
}

fn time_is_within(step: &Step, duration_ms: Option<u64>) -> Found {
    let (Trigger::TimeMs(at), Some(duration)) = (&step.when, duration_ms) else { return None };
    let due = at.saturating_add(step.after_ms);
    let end = due.saturating_add(step.for_ms.unwrap_or(0));
    let remedy = "make it earlier or shorter, or the run longer (--duration)";
    if due >= duration {
        return warning(format!("is due at {}, but the run ends at {}", Millis(due), Millis(duration)), remedy);
    }
    if end > duration {
        let what = format!("lasts until {}, but the run ends at {}", Millis(end), Millis(duration));
        return warning(what, "it is healed when the run ends; make it earlier or shorter, or the run longer");
    }
    None
}

fn healed_by_itself(step: &Step) -> Found {
    match (&step.action, step.for_ms) {
        (Action::Heal(_), Some(_)) => {
            error("a heal lasts no time".to_owned(), "put the duration on the step that injects")
        }
        (Action::Inject(_), Some(0)) => error("lasts 0ms".to_owned(), "give a duration such as \"3s\""),
        _ => None,
    }
}
