//! Runs a schedule: told what happened, it says what is due.
//!
//! The driver has no clock, reads no file and touches no node. Whoever holds it tells it what is [`Observed`] every few
//! milliseconds, and does what it returns. Each injection
//! gets its [`FaultId`] here, so that its heal names the same one; healing a fault that was skipped does nothing.

use std::collections::BTreeMap;

use super::trigger::{Moment, Observed, Trigger, Watch};
use super::{Action, Heal, Repeat, Schedule, Step};
use crate::fault::Fault;
use crate::injector::FaultId;

/// Something to do now.
#[derive(Clone, Debug, PartialEq)]
pub enum Due {
    /// Install this fault.
    Inject {
        /// What to call it.
        id: FaultId,
        /// Position of the step.
        step: usize,
        /// The fault; its roles are not looked up yet.
        fault: Fault,
        /// When it was due, milliseconds.
        due_ms: u64,
    },
    /// Undo this one.
    Heal {
        /// Which.
        id: FaultId,
        /// Position of the step that injected it.
        step: usize,
        /// When that was due, milliseconds.
        due_ms: u64,
    },
}

/// A step waits for a pattern that is no regular expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("step {}: '{pattern}' is no regular expression: {reason}", step + 1)]
pub struct PatternError {
    /// Position of the step.
    pub step: usize,
    /// The pattern.
    pub pattern: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Runs one schedule once.
#[derive(Debug)]
pub struct Driver {
    waits: Vec<Wait>,
    /// What is out: the step that injected it and when to heal it.
    out: BTreeMap<FaultId, Out>,
    next_id: u32,
    now_ms: u64,
    /// Who was seen to lead last.
    leader: Option<usize>,
    stopped: bool,
}

/// One step and what it waits for.
#[derive(Debug)]
struct Wait {
    step: Step,
    watch: Watch,
    /// Due times whose trigger was met, earliest first.
    due_ms: Vec<u64>,
    /// Whether it still watches its trigger.
    armed: bool,
    fired_count: u32,
}

#[derive(Debug)]
struct Out {
    step: usize,
    heal_ms: Option<u64>,
    until: Option<Watch>,
}

impl Driver {
    /// Prepares to run a schedule.
    pub fn new(schedule: &Schedule) -> Result<Driver, PatternError> {
        let waits = schedule.steps.iter().enumerate().map(|(position, step)| Wait::new(position, step));
        let waits = waits.collect::<Result<_, _>>()?;
        // What ends a fault is watched only once it is there, but a pattern that is none is told now.
        for (position, step) in schedule.steps.iter().enumerate() {
            step.until.as_ref().map(|until| Watch::new(position, until)).transpose()?;
        }
        Ok(Driver { waits, out: BTreeMap::new(), next_id: 0, now_ms: 0, leader: None, stopped: false })
    }

    /// What is due, in the order to do it.
    pub fn poll(&mut self, observed: &Observed) -> Vec<Due> {
        if self.stopped {
            return Vec::new();
        }
        self.now_ms = observed.now_ms.max(self.now_ms);
        let observed = Observed { now_ms: self.now_ms, ..*observed };
        let new_leader = self.new_leader(observed.leader);
        for wait in &mut self.waits {
            wait.watch(&observed, new_leader);
        }
        for out in self.out.values_mut() {
            if out.until.as_ref().is_some_and(|until| until.met_count(&observed, new_leader) > 0) {
                out.heal_ms = Some(self.now_ms);
            }
        }
        let mut due = Vec::new();
        while let Some((due_ms, what)) = self.next_due() {
            match what {
                Next::Heal(id) => due.extend(self.heal(id, due_ms)),
                Next::Step(position) => self.fire(position, due_ms, &observed, &mut due),
            }
        }
        due
    }

    /// The leader, if it was another one before. Nobody is new who was there when the watching began.
    fn new_leader(&mut self, leader: Option<usize>) -> Option<usize> {
        let before = self.leader;
        self.leader = leader.or(before);
        leader.filter(|leader| before.is_some_and(|before| before != *leader))
    }

    /// Whether nothing will come any more by itself: every step is done, and no fault waits for its heal.
    pub fn is_finished(&self) -> bool {
        let healing = self.out.values().any(|out| out.heal_ms.is_some() || out.until.is_some());
        self.stopped || (!healing && self.waits.iter().all(Wait::is_done))
    }

    /// The steps that were never due so far, by position: their trigger was not met, or their time did not come.
    pub fn never_due(&self) -> Vec<usize> {
        let never = self.waits.iter().enumerate().filter(|(_, wait)| wait.fired_count == 0);
        never.map(|(position, _)| position).collect()
    }

    /// When the next thing is due by time alone; `None` when nothing is, or when it waits for something else.
    pub fn next_ms(&self) -> Option<u64> {
        let steps = self.waits.iter().filter_map(Wait::next_ms);
        let heals = self.out.values().filter_map(|out| out.heal_ms);
        steps.chain(heals).min().filter(|_| !self.stopped)
    }

    /// Ends the schedule: what must be healed, the last first. Nothing is due afterwards.
    pub fn stop(&mut self) -> Vec<Due> {
        self.stopped = true;
        self.heal_all(self.now_ms)
    }

    /// The earliest thing that is due by now; a heal before a step of the same moment.
    fn next_due(&self) -> Option<(u64, Next)> {
        let heals = self.out.iter().filter_map(|(id, out)| out.heal_ms.map(|ms| (ms, 0, Next::Heal(*id))));
        let steps = self.waits.iter().enumerate();
        let steps = steps.filter_map(|(position, wait)| wait.next_ms().map(|ms| (ms, 1, Next::Step(position))));
        let due = heals.chain(steps).filter(|(ms, ..)| *ms <= self.now_ms);
        due.min_by_key(|(ms, rank, next)| (*ms, *rank, *next)).map(|(ms, _, next)| (ms, next))
    }

    fn fire(&mut self, position: usize, due_ms: u64, observed: &Observed, due: &mut Vec<Due>) {
        let now_ms = self.now_ms;
        let Some(wait) = self.waits.get_mut(position) else { return };
        wait.fired(now_ms);
        let for_ms = wait.step.for_ms;
        let mut until = wait.step.until.as_ref().and_then(|until| Watch::new(position, until).ok());
        if let Some(until) = &mut until {
            until.begin(observed);
        }
        match wait.step.action.clone() {
            Action::Inject(fault) => {
                let id = FaultId(self.next_id);
                self.next_id += 1;
                let heal_ms = for_ms.map(|ms| now_ms.saturating_add(ms));
                self.out.insert(id, Out { step: position, heal_ms, until });
                due.push(Due::Inject { id, step: position, fault, due_ms });
            }
            Action::Heal(Heal::All) => due.extend(self.heal_all(due_ms)),
            Action::Heal(Heal::Step(step)) => {
                let ids: Vec<_> =
                    self.out.iter().rev().filter(|(_, out)| out.step == step).map(|(id, _)| *id).collect();
                due.extend(ids.into_iter().filter_map(|id| self.heal(id, due_ms)));
            }
        }
        self.note(position, Moment::Begin);
    }

    /// Lets the steps know that wait for this one.
    fn note(&mut self, step: usize, moment: Moment) {
        let now_ms = self.now_ms;
        self.waits.iter_mut().filter(|wait| wait.watch.waits_for(step, moment)).for_each(|wait| wait.met(now_ms));
    }

    fn heal(&mut self, id: FaultId, due_ms: u64) -> Option<Due> {
        let step = self.out.remove(&id)?.step;
        self.note(step, Moment::End);
        Some(Due::Heal { id, step, due_ms })
    }

    fn heal_all(&mut self, due_ms: u64) -> Vec<Due> {
        let ids: Vec<_> = self.out.keys().rev().copied().collect();
        ids.into_iter().filter_map(|id| self.heal(id, due_ms)).collect()
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    Heal(FaultId),
    Step(usize),
}

impl Wait {
    fn new(position: usize, step: &Step) -> Result<Wait, PatternError> {
        // A time is known from the start.
        let (due_ms, armed) = match step.when {
            Trigger::TimeMs(ms) => (vec![ms.saturating_add(step.after_ms)], false),
            _ => (Vec::new(), true),
        };
        Ok(Wait { step: step.clone(), watch: Watch::new(position, &step.when)?, due_ms, armed, fired_count: 0 })
    }

    /// Looks whether its trigger is met. Time triggers are met from the start.
    fn watch(&mut self, observed: &Observed, new_leader: Option<usize>) {
        let count = self.watch.met_count(observed, new_leader);
        if count > 0 {
            (0..count).for_each(|_| self.met(observed.now_ms));
            self.watch.begin(observed);
        }
    }

    /// Its trigger is met: due `after_ms` later; watched again only if it is to be repeated with its trigger.
    fn met(&mut self, now_ms: u64) {
        if !self.armed {
            return;
        }
        self.due_ms.push(now_ms.saturating_add(self.step.after_ms));
        self.armed = match self.step.repeat {
            Some(Repeat { every_ms: None, times }) => {
                let so_far = self.fired_count + self.due_ms.len() as u32;
                times.is_none_or(|times| so_far < times)
            }
            _ => false,
        };
    }

    /// It was done; when it repeats at an interval, the next time is set. Intervals that were missed are not made up for.
    fn fired(&mut self, now_ms: u64) {
        let planned = if self.due_ms.is_empty() { now_ms } else { self.due_ms.remove(0) };
        self.fired_count += 1;
        let Some(Repeat { every_ms: Some(every), times }) = self.step.repeat else { return };
        if times.is_none_or(|times| self.fired_count < times) {
            let every = every.max(1);
            let missed = (now_ms - planned.min(now_ms)) / every;
            self.due_ms.push(planned.saturating_add(every.saturating_mul(missed + 1)));
        }
    }

    fn next_ms(&self) -> Option<u64> {
        self.due_ms.first().copied()
    }

    fn is_done(&self) -> bool {
        self.due_ms.is_empty() && !self.armed
    }
}
