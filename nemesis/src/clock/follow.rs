//! Following a host's processes from program to program.
//!
//! Each new program gets a vDSO of its own, so each `execve` has to be seen, and seen before the program runs. A seccomp
//! filter has the kernel ask the agent about every `execve`; for the time of this one call, and no longer, the agent becomes
//! the tracer of the calling thread:
//!
//! ```text
//!   thread                         agent
//!   execve ──── notification ────▶ seize (stop when you are another program)
//!     │  ◀───── let it go on ───── answer, then interrupt (stop before the next instruction)
//!     ├─ it fails ── stop ───────▶ detach: the program has its ENOENT and goes on
//!     └─ it works ── event exec ─▶ go on
//!                    stop ───────▶ inject, detach: first instruction of the new program
//! ```
//!
//! The interruption is asked for only after the answer: before it, the kernel would take the call for interrupted, restart
//! it and ask again. It comes at the border of kernel and program, where the registers are the program's own: at the exec
//! event itself, the call's result is still to be written over them.
//!
//! The agent is PID 1 of its host, has one thread and does all the waiting, so that nobody takes its tracees' stops from
//! it, and no process of the host is traced in the steady state: debuggers work, signals cost what they always cost.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;

use super::ClockTier;
use super::calls::{self, Answer, Calls};
use super::coverage::{InjectionStep, Uncovered, Variant};
use super::inject::{Failure, Injector};
use super::waits::{self, Interrupted, Meeting, Round, Waits};
use crate::hosts::filter::{Architecture, Rule};
use crate::sys::ptrace;
use crate::sys::seccomp::{self, Notification};

/// `execve` and `execveat` of the 32-bit forerunner: a program of that kind may start one of ours.
const FORERUNNER_EXECS: [u32; 2] = if cfg!(target_arch = "x86_64") { [11, 358] } else { [11, 387] };

/// The rules of the filter by which programs are followed, and their system calls that have to do with time answered.
pub(crate) fn rules(tier: ClockTier) -> Vec<Rule> {
    let native = [libc::SYS_execve, libc::SYS_execveat].map(|call| Rule::every(Architecture::Native, call as u32));
    let forerunner = FORERUNNER_EXECS.map(|call| Rule::every(Architecture::Forerunner, call));
    let waits = if tier == ClockTier::Trap { waits::rules() } else { Vec::new() };
    native.into_iter().chain(forerunner).chain(calls::rules(tier)).chain(waits).collect()
}

/// What is followed on one host.
pub(crate) struct Follower {
    injector: Injector,
    calls: Calls,
    /// In the trap tier.
    waits: Option<Waits>,
    /// Threads that are being traced, and what for.
    traced: BTreeMap<i32, Phase>,
    /// What came of each program that was seen to start, by pid.
    outcomes: BTreeMap<i32, Outcome>,
}

/// How a program was made to read the host's clock, or why it was not.
pub(crate) type Outcome = Result<Variant, Uncovered>;

#[derive(Clone, Copy)]
enum Phase {
    /// Its call has been let go on.
    Calling,
    /// It is another program.
    Replaced,
    /// It is about to take a detour.
    Leaving(Round),
    /// It may be on a detour, and the clock was set. Whether it goes there step by step.
    Recalled { steps: bool },
}

impl Follower {
    pub(crate) fn new(injector: Injector, calls: Calls, waits: Option<Waits>) -> Follower {
        Follower { injector, calls, waits, traced: BTreeMap::new(), outcomes: BTreeMap::new() }
    }

    /// Whether a thread is traced just now.
    pub(crate) fn traces(&self, thread: i32) -> bool {
        self.traced.contains_key(&thread)
    }

    /// What came of a program; none if its start was not seen.
    pub(crate) fn outcome(&self, pid: i32) -> Option<&Outcome> {
        self.outcomes.get(&pid)
    }

    /// Forgets what was known of processes that are gone.
    pub(crate) fn keep_only(&mut self, alive: impl Fn(i32) -> bool) {
        self.outcomes.retain(|pid, _| alive(*pid));
    }

    /// Answers a call that one of the [rules] names.
    pub(crate) fn answer(&mut self, listener: &OwnedFd, call: &Notification) -> io::Result<()> {
        if is_exec(call) {
            return self.called(listener, call);
        }
        let meeting = self.waits.as_mut().and_then(|waits| waits.meet(call, || seccomp::is_waiting(listener, call)));
        match meeting {
            None => self.asked(listener, call),
            Some(Meeting::Pass) => seccomp::proceed(listener, call).map(drop),
            Some(Meeting::Done(value)) => seccomp::return_value(listener, call, value).map(drop),
            Some(Meeting::Round(round)) => self.leaves(listener, call, round),
        }
    }

    /// A thread has to take a detour: it is stopped before it sees the answer.
    fn leaves(&mut self, listener: &OwnedFd, call: &Notification, round: Round) -> io::Result<()> {
        let thread = call.thread;
        let stops = match self.traces(thread) {
            // It was recalled, and its stop is still to come.
            true => true,
            false => ptrace::seize(thread).is_ok() && ptrace::interrupt(thread).is_ok(),
        };
        if !stops {
            return seccomp::proceed(listener, call).map(drop);
        }
        self.traced.insert(thread, Phase::Leaving(round));
        seccomp::return_value(listener, call, -i64::from(libc::EINTR)).map(drop)
    }

    /// The clock has been set: whoever waits has to wait anew.
    pub(crate) fn clock_was_set(&mut self) {
        let away = self.waits.as_mut().map(Waits::clock_was_set).unwrap_or_default();
        for thread in away {
            // Whoever is traced is about to leave, and will reckon with the new clock.
            if !self.traces(thread) && ptrace::seize(thread).is_ok() {
                self.traced.insert(thread, Phase::Recalled { steps: false });
                // Only a thread that is gone cannot be interrupted, and its end will be heard of.
                let _ = ptrace::interrupt(thread);
            }
        }
    }

    /// A program asks for the time. One that could not be led to the host's clock keeps the machine's in every way.
    fn asked(&self, listener: &OwnedFd, call: &Notification) -> io::Result<()> {
        let answer = match self.outcomes.get(&call.thread) {
            Some(Err(_)) => Answer::Kernel,
            _ => self.calls.answer(call, || seccomp::is_waiting(listener, call)),
        };
        match answer {
            Answer::Kernel => seccomp::proceed(listener, call).map(drop),
            Answer::Value(value) => seccomp::return_value(listener, call, value).map(drop),
        }
    }

    fn called(&mut self, listener: &OwnedFd, call: &Notification) -> io::Result<()> {
        let seized = match self.traces(call.thread) {
            // A call that was restarted after all.
            true => Ok(()),
            false => ptrace::seize(call.thread),
        };
        let alive = seccomp::proceed(listener, call)?;
        match seized {
            Ok(()) => {
                self.traced.insert(call.thread, Phase::Calling);
                // Only a thread that is gone cannot be interrupted, and its end will be heard of.
                let _ = ptrace::interrupt(call.thread);
            }
            Err(error) if alive => {
                let failed = Uncovered::Failed { step: InjectionStep::Attach, errno: error.raw_os_error() };
                self.outcomes.insert(call.thread, Err(failed));
            }
            Err(_) => {}
        }
        Ok(())
    }

    /// A tracee stopped. What fails here fails because it is gone, which will be heard of.
    pub(crate) fn stopped(&mut self, thread: i32, signal: i32, event: i32) {
        let phase = self.traced.get(&thread).copied();
        let _ = match (event, phase) {
            (ptrace::EVENT_EXEC, _) => self.replaced(thread),
            (_, Some(Phase::Leaving(round))) => self.send(thread, &round, if event == 0 { signal } else { 0 }),
            (_, Some(Phase::Recalled { steps })) => self.recall(thread, signal, event, steps),
            (ptrace::EVENT_STOP, Some(Phase::Replaced)) => self.inject(thread),
            // The call has failed, or a group stopped.
            (ptrace::EVENT_STOP, _) => self.release(thread, 0),
            (_, Some(Phase::Replaced)) => ptrace::proceed(thread, signal),
            _ => self.release(thread, signal),
        };
    }

    /// A thread stopped at the border of its program: the first stop is as good as the one that was asked for.
    fn send(&mut self, thread: i32, round: &Round, signal: i32) -> io::Result<()> {
        let sent = self.waits.as_mut().map_or(Ok(()), |waits| waits.send(thread, round));
        self.release(thread, signal)?;
        sent
    }

    fn recall(&mut self, thread: i32, signal: i32, event: i32, steps: bool) -> io::Result<()> {
        let signalled = event == 0 && !(steps && signal == libc::SIGTRAP);
        if signalled && !steps {
            // The stop that was asked for is still to come.
            return ptrace::proceed(thread, signal);
        }
        let back = self.waits.as_mut().map_or(Ok(Interrupted::Free), |waits| waits.call_back(thread));
        match back {
            Ok(Interrupted::OnItsWay) if !signalled => {
                self.traced.insert(thread, Phase::Recalled { steps: true });
                ptrace::step(thread)
            }
            _ => self.release(thread, if signalled { signal } else { 0 }),
        }
    }

    /// A thread has become another program; it now has the number of its process.
    fn replaced(&mut self, pid: i32) -> io::Result<()> {
        let before = ptrace::event_message(pid).ok().and_then(|thread| i32::try_from(thread).ok());
        self.traced.remove(&before.unwrap_or(pid));
        self.traced.insert(pid, Phase::Replaced);
        self.outcomes.remove(&pid);
        ptrace::interrupt(pid)?;
        ptrace::proceed(pid, 0)
    }

    fn inject(&mut self, pid: i32) -> io::Result<()> {
        let outcome = match self.injector.inject(pid) {
            Ok(variant) => Ok(variant),
            Err(Failure::Uncovered(why)) => Err(why),
            Err(Failure::Gone) => return Ok(()),
        };
        self.outcomes.insert(pid, outcome);
        self.release(pid, 0)
    }

    fn release(&mut self, thread: i32, signal: i32) -> io::Result<()> {
        ptrace::detach(thread, signal)?;
        self.traced.remove(&thread);
        Ok(())
    }

    /// A thread or process ended. Returns what had come of its start, if that was seen.
    pub(crate) fn ended(&mut self, thread: i32) -> Option<Outcome> {
        self.traced.remove(&thread);
        self.outcomes.remove(&thread)
    }
}

fn is_exec(call: &Notification) -> bool {
    call.architecture != Architecture::Native.number()
        || [libc::SYS_execve, libc::SYS_execveat].contains(&i64::from(call.call))
}
