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
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::calls::{self, Answer, Calls};
use super::coverage::{InjectionStep, Uncovered, Variant};
use super::inject::{Failure, Injector};
use crate::hosts::filter::{Architecture, Rule};
use crate::sys::ptrace;
use crate::sys::seccomp::{self, Notification};

/// `execve` and `execveat` of the 32-bit forerunner: a program of that kind may start one of ours.
const FORERUNNER_EXECS: [u32; 2] = if cfg!(target_arch = "x86_64") { [11, 358] } else { [11, 387] };

/// The rules of the filter by which programs are followed, and their readings of the clock by system calls answered.
pub(crate) fn rules() -> Vec<Rule> {
    let native = [libc::SYS_execve, libc::SYS_execveat].map(|call| Rule::every(Architecture::Native, call as u32));
    let forerunner = FORERUNNER_EXECS.map(|call| Rule::every(Architecture::Forerunner, call));
    native.into_iter().chain(forerunner).chain(calls::rules()).collect()
}

/// What is followed on one host.
pub(crate) struct Follower {
    injector: Injector,
    calls: Calls,
    listeners: Vec<OwnedFd>,
    /// Threads that are being traced, and whether they are another program already.
    traced: BTreeMap<i32, Phase>,
    /// What came of each program that was seen to start, by pid.
    outcomes: BTreeMap<i32, Outcome>,
}

/// How a program was made to read the host's clock, or why it was not.
pub(crate) type Outcome = Result<Variant, Uncovered>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Its call has been let go on.
    Calling,
    /// It is another program.
    Replaced,
}

impl Follower {
    pub(crate) fn new(injector: Injector, calls: Calls) -> Follower {
        Follower { injector, calls, listeners: Vec::new(), traced: BTreeMap::new(), outcomes: BTreeMap::new() }
    }

    /// Hears of the programs started by those whose filter this is the listener of.
    pub(crate) fn listen(&mut self, listener: OwnedFd) {
        self.listeners.push(listener);
    }

    /// What to wait for.
    pub(crate) fn listeners(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.listeners.iter().map(AsFd::as_fd)
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

    /// Answers one call of each listener, because a program that never stops asking is not alone on its host, and drops
    /// the listeners to which nobody will speak any more.
    pub(crate) fn answer(&mut self) -> io::Result<()> {
        let mut at = 0;
        while at < self.listeners.len() {
            match readiness(self.listeners[at].as_fd())? {
                Readiness::Idle => at += 1,
                Readiness::Gone => drop(self.listeners.swap_remove(at)),
                Readiness::Calls => {
                    if let Some(call) = seccomp::receive(&self.listeners[at])? {
                        if is_exec(&call) { self.called(at, &call)? } else { self.asked(at, &call)? }
                    }
                    at += 1;
                }
            }
        }
        Ok(())
    }

    /// A program asks for the time. One that could not be led to the host's clock keeps the machine's in every way.
    fn asked(&self, listener: usize, call: &Notification) -> io::Result<()> {
        let listener = &self.listeners[listener];
        let answer = match self.outcomes.get(&call.thread) {
            Some(Err(_)) => Answer::Kernel,
            _ => self.calls.answer(call, || seccomp::is_waiting(listener, call)),
        };
        match answer {
            Answer::Kernel => seccomp::proceed(listener, call).map(drop),
            Answer::Value(value) => seccomp::return_value(listener, call, value).map(drop),
        }
    }

    fn called(&mut self, listener: usize, call: &Notification) -> io::Result<()> {
        let seized = match self.traces(call.thread) {
            // A call that was restarted after all.
            true => Ok(()),
            false => ptrace::seize(call.thread),
        };
        let alive = seccomp::proceed(&self.listeners[listener], call)?;
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
            (ptrace::EVENT_STOP, Some(Phase::Replaced)) => self.inject(thread),
            // The call has failed, or a group stopped.
            (ptrace::EVENT_STOP, _) => self.release(thread, 0),
            (_, Some(Phase::Replaced)) => ptrace::proceed(thread, signal),
            _ => self.release(thread, signal),
        };
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

enum Readiness {
    Idle,
    Calls,
    /// All processes with this filter are gone.
    Gone,
}

fn readiness(listener: BorrowedFd) -> io::Result<Readiness> {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    let mut fds = [PollFd::new(listener, PollFlags::POLLIN)];
    match poll(&mut fds, PollTimeout::ZERO) {
        Ok(_) | Err(nix::errno::Errno::EINTR) => {}
        Err(error) => return Err(error.into()),
    }
    let seen = fds[0].revents().unwrap_or(PollFlags::empty());
    Ok(match seen {
        seen if seen.contains(PollFlags::POLLIN) => Readiness::Calls,
        seen if seen.intersects(PollFlags::POLLHUP | PollFlags::POLLERR) => Readiness::Gone,
        _ => Readiness::Idle,
    })
}
