//! Waits until a time on a skewed clock: the same waits, until the time at which that clock shows it.
//!
//! A program that waits *until* tells the kernel a time on a clock, and the kernel has the machine's clocks only. So the
//! agent of a host of the [trap tier](super::ClockTier::Trap) hears of `futex`, `clock_nanosleep`, `timer_settime` and
//! `timerfd_settime` with an absolute time, and where that time is on a skewed clock has the kernel wait until
//! [another one](super::page::Group::when). The call's own memory is not touched (the time may be a constant, and a program that
//! waits in a loop reads it again), and the agent cannot change a register of a call that it is asked about. So the thread
//! takes a [detour](super::stub::Detour):
//!
//! ```text
//!   thread                                 agent
//!   futex(…, until 13:00:05) ── asked ───▶ seize, interrupt, answer (anything)
//!      stop, before the next instruction ▶ registers: go to the detour, 12:00:05; let go
//!   detour: futex(…, until 12:00:05) ────▶ pass
//!      │ sleeps in the kernel, untraced
//!      └─ woken, or 12:00:05: goes on after its own call, with the result
//! ```
//!
//! When the clock is set meanwhile, every thread that is known to have waited until a time, by whichever clock, is interrupted. One
//! that still does finds itself before its own call again, makes it again, and is asked again; the others are let go. Timers behind
//! descriptors are [another matter](super::timers): the agent sets them itself.
//!
//! A thread is traced for some ten microseconds at the beginning of such a wait, and not while it waits.
//!
//! # What it does not do
//!
//! - Waits *for* a while (`poll`, `epoll_wait`, `nanosleep`, `select`, `FUTEX_WAIT`, all of Go's) pass as they are: they last as
//!   long as the machine's clock says, whatever the rate of the host's. So do the intervals of periodic timers.
//! - `timer_settime` is translated when it is called; a timer that is set is not set anew when the clock is.
//! - `futex_waitv`, `mq_timedsend` and `mq_timedreceive`, and the timeouts of io_uring go by the machine's clock.
//! - A thread that another tracer has waits by the machine's clock.
//! - `pthread_cancel` of a thread that sleeps on a detour works, and unwinds only to the frame that called.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::page::{self, Slot};
use super::stub::{Detour, detours};
use super::timers::Timers;
use crate::hosts::filter::Rule;
use crate::sys::mapping::Words;
use crate::sys::ptrace::{self, Registers};
use crate::sys::seccomp::Notification;
use crate::sys::{memory, process};

const BILLION: i64 = 1_000_000_000;
/// Commands of `futex` that wait until a time: `LOCK_PI`, `WAIT_BITSET`, `WAIT_REQUEUE_PI`, `LOCK_PI2`.
const FUTEX_UNTIL: [u32; 4] = [6, 9, 11, 13];
const FUTEX_LOCK_PI: u64 = 6;
const FUTEX_PRIVATE: u32 = 128;
const FUTEX_REALTIME: u32 = 256;
const FUTEX_COMMAND: u64 = 127;
/// Later than any run lasts, and the kernel can still reckon with it.
const NEVER: i64 = i64::MAX / 2;
/// Bytes of red zone and words of the return address and the register that a detour puts on the stack.
const RED_ZONE: u64 = 128;
/// Threads end unheard; then what is known of them is forgotten all at once.
const MOST_THREADS: usize = 4096;

/// The rules of the filter by which the agent hears of them.
pub(crate) fn rules() -> Vec<Rule> {
    let kinds = [0, FUTEX_PRIVATE, FUTEX_REALTIME, FUTEX_PRIVATE | FUTEX_REALTIME];
    let futex = FUTEX_UNTIL.iter().flat_map(|command| kinds.map(|kind| command | kind)).collect();
    let absolute = || vec![libc::TIMER_ABSTIME as u32];
    vec![
        Rule { given: Some(3), ..Rule::only(libc::SYS_futex, 1, futex) },
        Rule::only(libc::SYS_clock_nanosleep, 1, absolute()),
        Rule::only(libc::SYS_timer_settime, 1, absolute()),
        Rule::only(libc::SYS_timerfd_settime, 1, vec![1, 3]),
    ]
}

/// A time to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Until {
    pub(crate) clock: i32,
    /// On the host's clock.
    pub(crate) host_ns: i64,
}

impl Until {
    /// The same on the machine's clock, ns; never 0, which stands for no time at all.
    pub(crate) fn on_machine(&self, slot: &Slot) -> i64 {
        let when = slot.group(self.clock).map_or(Some(self.host_ns), |group| group.when(self.host_ns));
        when.unwrap_or(NEVER).clamp(1, NEVER)
    }
}

/// What to do about a call.
pub(crate) enum Meeting {
    /// It is right as it is.
    Pass,
    /// It is done, and returns this.
    Done(i64),
    /// Its thread has to go round.
    Round(Round),
}

/// A detour that a thread is about to take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    detour: Detour,
    /// Where the code is in its program.
    code: u64,
    until: Until,
}

/// What became of a thread that was interrupted because the clock was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interrupted {
    /// It does not sleep on a detour, or is before its own call again.
    Free,
    /// It is on its way into a detour: one instruction more.
    OnItsWay,
}

/// Finds where a process maps the state page, in the text of its `/proc/PID/maps`.
type Find = Box<dyn Fn(&str) -> Option<u64>>;

/// The waits of a host's threads.
pub(crate) struct Waits {
    page: Words,
    signature: [u64; 2],
    find: Find,
    detours: Vec<Detour>,
    /// Where threads have the code, as far as it was looked up.
    codes: BTreeMap<i32, u64>,
    /// Threads that waited until a time since the clock was last set.
    waiting: BTreeSet<i32>,
    timers: Timers,
}

impl Waits {
    /// By this state page, which `find` finds among a process's mappings.
    pub(crate) fn new(page: Words, number: u64, find: impl Fn(&str) -> Option<u64> + 'static) -> Waits {
        Waits {
            page,
            signature: page::signature(number),
            find: Box::new(find),
            detours: detours(),
            codes: BTreeMap::new(),
            waiting: BTreeSet::new(),
            timers: Timers::default(),
        }
    }

    /// What to do about a call that is asked about. None: it is no wait.
    pub(crate) fn meet(&mut self, call: &Notification, alive: impl Fn() -> bool) -> Option<Meeting> {
        let number = i64::from(call.call);
        let detour = *self.detours.iter().find(|detour| detour.number == number)?;
        self.note(call.thread);
        let slot = Slot::read(&self.page);
        let sets = number == libc::SYS_timerfd_settime;
        if (slot == Slot::default() && !sets) || !alive() {
            return Some(Meeting::Pass);
        }
        Some(self.round(call, detour, &slot).unwrap_or(Meeting::Pass))
    }

    /// A thread waits until a time, whether by the machine's clock or by another: the clock may be set meanwhile.
    fn note(&mut self, thread: i32) {
        if self.waiting.len() > MOST_THREADS {
            self.waiting.clear();
        }
        self.waiting.insert(thread);
    }

    fn round(&mut self, call: &Notification, detour: Detour, slot: &Slot) -> Option<Meeting> {
        let until = until(call)?;
        if detour.number != libc::SYS_timerfd_settime {
            slot.group(until.clock)?;
        }
        let code = self.code_of(call.thread)?;
        if call.instruction_pointer == code + detour.call + Registers::SYSTEM_CALL_BYTES {
            return None;
        }
        if detour.number == libc::SYS_timerfd_settime
            && let Ok(returned) = self.timers.set(call, until, slot)
        {
            return Some(Meeting::Done(returned));
        }
        slot.group(until.clock)?;
        Some(Meeting::Round(Round { detour, code, until }))
    }

    /// Sends a stopped thread round.
    pub(crate) fn send(&mut self, thread: i32, round: &Round) -> io::Result<()> {
        let machine = round.until.on_machine(&Slot::read(&self.page));
        let registers = ptrace::registers(thread)?.ok_or(io::ErrorKind::Unsupported)?;
        let (seconds, nanoseconds) = ((machine / BILLION) as u64, (machine % BILLION) as u64);
        let sent = registers.sent(round.code + round.detour.start, seconds, nanoseconds);
        ptrace::set_registers(thread, &sent.ok_or(io::ErrorKind::Unsupported)?)
    }

    /// The clock has been set: the threads that may be asleep until a time that is another one now.
    pub(crate) fn clock_was_set(&mut self) -> BTreeSet<i32> {
        self.timers.set_all(&Slot::read(&self.page));
        std::mem::take(&mut self.waiting)
    }

    /// Takes a stopped thread back to its own call, if it is in the middle of that or on a detour from it.
    pub(crate) fn call_back(&mut self, thread: i32) -> io::Result<Interrupted> {
        let registers = ptrace::registers(thread)?.ok_or(io::ErrorKind::Unsupported)?;
        let Some(code) = self.code_of(thread) else { return Ok(Interrupted::Free) };
        let at = registers.instruction_pointer().wrapping_sub(code);
        let within = |detour: &&Detour| (detour.start..=detour.call + Registers::SYSTEM_CALL_BYTES).contains(&at);
        let Some(detour) = self.detours.iter().find(within) else {
            let (end, stack) = (registers.instruction_pointer(), registers.stack_pointer());
            return match registers.interrupted_call().filter(|(number, second)| waits_until(*number, *second)) {
                Some((number, _)) => {
                    ptrace::set_registers(thread, &registers.called_back(number, end, stack, None))?;
                    Ok(Interrupted::Free)
                }
                None => Ok(Interrupted::Free),
            };
        };
        let back = match at {
            at if at == detour.start => {
                let (end, stack) = (registers.returned() as u64, registers.stack_pointer());
                registers.called_back(detour.number, end, stack, None)
            }
            at if at < detour.call => return Ok(Interrupted::OnItsWay),
            at if at > detour.call && registers.interrupted_call().is_none() => return Ok(Interrupted::Free),
            _ => {
                let held = registers.stack_pointer() + 8 * detour.words;
                let address = memory::read_word(thread, held)?;
                let end = memory::read_word(thread, held + 8)?;
                registers.called_back(detour.number, end, held + 16 + RED_ZONE, Some((detour.register, address)))
            }
        };
        ptrace::set_registers(thread, &back).map(|()| Interrupted::Free)
    }

    /// Where a thread's program has the code; none if it has no state page.
    fn code_of(&mut self, thread: i32) -> Option<u64> {
        let page_bytes = process::page_bytes();
        let signature = |code: u64| [8, 16].map(|word| memory::read_word(thread, code + page_bytes + word).ok());
        let known = self.codes.get(&thread).copied();
        if let Some(code) = known.filter(|code| signature(*code) == self.signature.map(Some)) {
            return Some(code);
        }
        let maps = std::fs::read_to_string(format!("/proc/{thread}/maps")).ok()?;
        let code = (self.find)(&maps)?.checked_sub(page_bytes)?;
        if self.codes.len() > MOST_THREADS {
            self.codes.clear();
        }
        self.codes.insert(thread, code);
        Some(code)
    }
}

/// Whether a call with this second argument is one that waits until a time.
fn waits_until(number: i64, second: u64) -> bool {
    match number {
        libc::SYS_futex => FUTEX_UNTIL.contains(&((second & FUTEX_COMMAND) as u32)),
        libc::SYS_clock_nanosleep => second & libc::TIMER_ABSTIME as u64 != 0,
        _ => false,
    }
}

/// Until when a call waits; none if it does not, or as no clock can show.
fn until(call: &Notification) -> Option<Until> {
    let [first, second, third, fourth, ..] = call.arguments;
    let (clock, at) = match i64::from(call.call) {
        libc::SYS_futex => {
            let realtime = second as u32 & FUTEX_REALTIME != 0 || second & FUTEX_COMMAND == FUTEX_LOCK_PI;
            (Some(if realtime { libc::CLOCK_REALTIME } else { libc::CLOCK_MONOTONIC }), fourth)
        }
        libc::SYS_clock_nanosleep => (Some(first as i32), third),
        // The interval comes first.
        _ => (None, third + 16),
    };
    let host_ns = time_at(call.thread, at)?;
    let clock = match i64::from(call.call) {
        libc::SYS_timer_settime => clock_of_timer(call.thread, first as i32),
        libc::SYS_timerfd_settime => super::timers::clock_of(call.thread, first as i32),
        _ => clock,
    };
    Some(Until { clock: clock?, host_ns })
}

/// A `timespec` in a thread's memory, ns. None if there is none, or none that is a time, or the one that stands for no time.
fn time_at(thread: i32, at: u64) -> Option<i64> {
    let mut words = [0; 16];
    memory::read(thread, at, &mut words).ok()?;
    let word = |i: usize| i64::from_ne_bytes(words[i..i + 8].try_into().unwrap_or_default());
    let (seconds, nanoseconds) = (word(0), word(8));
    let is_time = seconds >= 0 && (0..BILLION).contains(&nanoseconds) && (seconds, nanoseconds) != (0, 0);
    is_time.then(|| seconds.checked_mul(BILLION)?.checked_add(nanoseconds)).flatten()
}

/// The clock of a POSIX timer, as `/proc` lists them.
fn clock_of_timer(thread: i32, timer: i32) -> Option<i32> {
    let list = std::fs::read_to_string(format!("/proc/{thread}/timers")).ok()?;
    clock_in_list(&list, timer)
}

fn clock_in_list(list: &str, timer: i32) -> Option<i32> {
    let mut lines = list.lines().skip_while(|line| line.strip_prefix("ID: ") != Some(&timer.to_string()));
    lines.find_map(|line| line.strip_prefix("ClockID: "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::page::{Group, TRUE_RATE};
    use super::super::stub::Held;
    use super::*;

    #[test]
    fn a_timer_is_found_by_its_number() {
        let list = "ID: 1\nsignal: 14/0000000000000000\nnotify: signal/pid.7\nClockID: 1\n\
                    ID: 11\nsignal: 14/0000000000000000\nnotify: none/pid.7\nClockID: 0\n";
        assert_eq!([1, 11, 2].map(|timer| clock_in_list(list, timer)), [Some(1), Some(0), None]);
    }

    #[test]
    fn a_time_on_the_host_is_another_on_the_machine() {
        let ahead = Group { reference: 0, origin: 500, rate: TRUE_RATE, strobe_by: 0, strobe_period: 0 };
        let slot = Slot { realtime: None, monotonic: Some([ahead; 4]) };
        let until = |clock, host_ns| Until { clock, host_ns }.on_machine(&slot);
        assert_eq!([until(1, 700), until(1, 100), until(0, 700)], [200, 1, 700]);
        let frozen = Slot { monotonic: Some([Group { rate: 0, ..ahead }; 4]), ..slot };
        assert_eq!(Until { clock: 7, host_ns: 501 }.on_machine(&frozen), NEVER);
    }

    #[test]
    fn each_detour_lies_in_the_code_and_calls_the_system_where_it_says() {
        let code = super::super::stub::stub().code;
        for detour in detours() {
            let call = detour.call as usize;
            assert!(detour.start < detour.call && call + 2 < code.len());
            assert_eq!(code[call..call + 2], [0x0f, 0x05], "{detour:?}");
            assert_eq!(detour.register == Held::Fourth, detour.number == libc::SYS_futex);
        }
    }
}
