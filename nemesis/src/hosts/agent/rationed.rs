//! What an agent does for a host whose processes get less than they could use.

use std::fs;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::super::message::{At, Refusal, Step};
use super::super::processes::{self, Member};
use super::super::resources::{MainLimits, ProcessResources, ResourceLimits, ResourceReading};
use super::Agent;
use super::limits::Limits;
use super::throttle::{Throttle, Turn};
use crate::sys::limits::Limited;
use crate::sys::process::{signal_all, ticks_per_second};

/// How often processes are looked at that may have raised their limits, or have none yet.
const ROUND: Duration = Duration::from_millis(100);

/// What the processes of a host get.
pub(super) struct Rations {
    since: Instant,
    /// Whether all were told to stand still until they are told to go on. No turn of the throttle changes that.
    paused: bool,
    throttle: Option<Throttle>,
    stops: u64,
    memory: Limits,
    descriptors: Limits,
    next_round: Instant,
}

impl Rations {
    pub(super) fn new() -> Rations {
        let now = Instant::now();
        Rations {
            since: now,
            paused: false,
            throttle: None,
            stops: 0,
            memory: Limits::none(Limited::Memory),
            descriptors: Limits::none(Limited::Descriptors),
            next_round: now,
        }
    }

    /// Everything stands still from now on.
    pub(super) fn pause(&mut self) {
        self.paused = true;
    }

    /// Everything runs from now on, if there is anything, until the throttle's next turn.
    pub(super) fn run(&mut self, now: Instant) {
        self.paused = false;
        self.throttle.iter_mut().for_each(|throttle| throttle.run_from(now));
    }

    /// How long nothing is to be done; for ever if nothing is limited.
    pub(super) fn left(&self, now: Instant) -> Option<Duration> {
        let turn = self.throttle.as_ref().filter(|_| !self.paused).map(|throttle| throttle.left(now));
        let round = self.are_limited().then(|| self.next_round.saturating_duration_since(now));
        turn.into_iter().chain(round).min()
    }

    fn are_limited(&self) -> bool {
        self.memory.are_set() || self.descriptors.are_set()
    }

    fn due(&mut self, now: Instant) -> Option<Turn> {
        if self.paused { None } else { self.throttle.as_mut()?.due(now) }
    }
}

impl Agent {
    /// Does what is due by now: a turn of the throttle, a round of the limits.
    pub(super) fn ration(&mut self) -> io::Result<()> {
        let now = Instant::now();
        if let Some(turn) = self.rations.due(now) {
            self.take_turn(turn)?;
        }
        if self.rations.are_limited() && now >= self.rations.next_round {
            self.enforce_limits(false)?;
        }
        Ok(())
    }

    fn take_turn(&mut self, turn: Turn) -> io::Result<()> {
        match turn {
            Turn::Continue => signal_all(Signal::SIGCONT).map(drop),
            Turn::Stop => {
                self.rations.stops += u64::from(signal_all(Signal::SIGSTOP)?);
                Ok(())
            }
        }
    }

    /// Has everything go on that stands still, and counts what runs then.
    pub(super) fn resume(&mut self) -> Result<usize, Refusal> {
        signal_all(Signal::SIGCONT).at(Step::Signal)?;
        // What began to run is looked at before the next turn.
        let census = Rc::clone(&self.census);
        let running = census.wait_running(|| self.tend()).at(Step::CountProcesses)?;
        self.rations.run(Instant::now());
        Ok(running)
    }

    /// Limits what the processes use. What is as it should be already is left alone.
    pub(super) fn limit(&mut self, wanted: &ResourceLimits, main: MainLimits) -> Result<ResourceReading, Refusal> {
        self.set_throttle(wanted.cpu_percent)?;
        let members = self.census.members().at(Step::CountProcesses)?;
        self.rations.memory.set(wanted.memory_headroom, main.memory, &members, self.main);
        self.rations.descriptors.set(wanted.descriptor_headroom, main.descriptors, &members, self.main);
        self.rations.next_round = Instant::now() + ROUND;
        self.read_resources()
    }

    fn set_throttle(&mut self, percent: Option<u8>) -> Result<(), Refusal> {
        let now = self.rations.throttle.as_ref().map(Throttle::percent);
        match percent {
            same if same == now => Ok(()),
            Some(percent) => {
                self.rations.throttle = Some(Throttle::new(percent, Instant::now()));
                if self.rations.paused { Ok(()) } else { self.take_turn(Turn::Stop).at(Step::Signal) }
            }
            None => {
                self.rations.throttle = None;
                if self.rations.paused { Ok(()) } else { self.resume().map(drop) }
            }
        }
    }

    pub(super) fn enforce_limits(&mut self, at_once: bool) -> io::Result<()> {
        if self.rations.are_limited() {
            let members = self.census.members()?;
            self.rations.memory.enforce(&members, self.main, at_once);
            self.rations.descriptors.enforce(&members, self.main, at_once);
            self.rations.next_round = Instant::now() + ROUND;
        }
        Ok(())
    }

    pub(super) fn read_resources(&mut self) -> Result<ResourceReading, Refusal> {
        let members = self.census.members().at(Step::ReadResources)?;
        let ticks = members.iter().filter_map(|member| fs::read_to_string(member.dir().join("stat")).ok());
        let ticks: u64 = ticks.map(|stat| processes::cpu_ticks(&stat)).sum();
        let ticks = ticks + processes::buried_ticks().at(Step::ReadResources)?;
        Ok(ResourceReading {
            wall_ms: u64::try_from(self.rations.since.elapsed().as_millis()).unwrap_or(u64::MAX),
            cpu_ms: ticks * 1000 / ticks_per_second(),
            stops: self.rations.stops,
            stopped: self.census.stopped().at(Step::ReadResources)?,
            // One that cannot be looked at has just ended.
            processes: members.iter().filter_map(|member| self.resources(member).ok()).collect(),
        })
    }

    fn resources(&self, member: &Member) -> io::Result<ProcessResources> {
        Ok(ProcessResources {
            pid: member.pid,
            main: self.main == Some(member.pid),
            memory: self.rations.memory.usage(member)?,
            descriptors: self.rations.descriptors.usage(member)?,
        })
    }
}
