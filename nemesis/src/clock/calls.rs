//! Programs that ask the kernel for the time, past their vDSO.
//!
//! A static program without a C library may know no vDSO, and some runtimes prefer system calls. The filter that follows
//! programs also has the kernel ask the agent about the calls that read the real-time clock, and the agent answers them by the
//! same state page. That takes some microseconds, but only those programs pay them: whoever goes through the vDSO makes no
//! call.
//!
//! A vDSO makes the call itself where the machine's clock can only be read by the kernel (a `clocksource` like `hpet`). Its
//! result goes through the stub, so it must be the machine's time. Such a call is known by the place it comes from: the kernel
//! maps the same image into every process, this one included.

use std::io;

use super::ClockTier;
use super::page::{self, Slot};
use crate::hosts::filter::{Architecture, Rule};
use crate::sys::mapping::Words;
use crate::sys::seccomp::Notification;
use crate::sys::{clock, memory};

const BILLION: i64 = 1_000_000_000;
/// Enough of an image to tell it from every other program: its ELF header and some of its program headers.
const HEAD_BYTES: usize = 256;

/// The rules of the filter by which the agent hears of such calls: those that read the real-time clock or, in the trap tier, any
/// that may be skewed.
pub(crate) fn rules(tier: ClockTier) -> Vec<Rule> {
    let monotonic = &page::MONOTONIC_CLOCKS[..if tier == ClockTier::Trap { page::MONOTONIC_CLOCKS.len() } else { 0 }];
    let clocks = page::REALTIME_CLOCKS.iter().chain(monotonic).map(|clock| *clock as u32).collect();
    let mut rules = vec![
        Rule::only(libc::SYS_clock_gettime, 0, clocks),
        Rule::every(Architecture::Native, libc::SYS_gettimeofday as u32),
    ];
    #[cfg(target_arch = "x86_64")]
    rules.push(Rule::every(Architecture::Native, libc::SYS_time as u32));
    rules
}

/// What to tell the caller.
pub(crate) enum Answer {
    /// Let the kernel answer.
    Kernel,
    /// This is what the call returns; what it wrote has been written. An errno is negative.
    Value(i64),
}

/// Answers such calls.
pub(crate) struct Calls {
    page: Words,
    /// The head of the image of the vDSO, and how many bytes it has.
    head: Vec<u8>,
    bytes: u64,
}

impl Calls {
    /// By this state page.
    pub(crate) fn new(page: Words) -> Calls {
        let (head, bytes) = own_vdso().unwrap_or_default();
        Calls { page, head, bytes }
    }

    /// What to answer. `alive` says whether the call still waits: only then the thread's memory is the caller's.
    pub(crate) fn answer(&self, call: &Notification, alive: impl Fn() -> bool) -> Answer {
        let [first, second, ..] = call.arguments;
        let asked = if i64::from(call.call) == libc::SYS_clock_gettime { first as i32 } else { libc::CLOCK_REALTIME };
        let Some(group) = Slot::read(&self.page).group(asked) else { return Answer::Kernel };
        if clock::asks_machine(first) || self.is_vdso(call) || !alive() {
            return Answer::Kernel;
        }
        let told = match i64::from(call.call) {
            libc::SYS_clock_gettime => {
                let now = group.at(clock::now(asked));
                tell(call.thread, second, &[now / BILLION, now % BILLION]).map(|()| 0)
            }
            libc::SYS_gettimeofday => {
                let now = group.at(clock::now(libc::CLOCK_REALTIME));
                let time = tell_unless_null(call.thread, first, &[now / BILLION, now % BILLION / 1000]);
                time.and_then(|()| tell_zone(call.thread, second)).map(|()| 0)
            }
            // The only other rule is that of `time`.
            _ => {
                let seconds = group.at(clock::now(libc::CLOCK_REALTIME_COARSE)) / BILLION;
                tell_unless_null(call.thread, first, &[seconds]).map(|()| seconds)
            }
        };
        Answer::Value(told.unwrap_or_else(|error| -i64::from(error.raw_os_error().unwrap_or(libc::EFAULT))))
    }

    /// Whether the call comes from a vDSO.
    fn is_vdso(&self, call: &Notification) -> bool {
        let page = call.instruction_pointer & !(page::BYTES as u64 - 1);
        let starts = (0..self.bytes).step_by(page::BYTES).map(|offset| page.wrapping_sub(offset));
        let mut head = vec![0; self.head.len()];
        starts.into_iter().any(|start| memory::read(call.thread, start, &mut head).is_ok() && head == self.head)
    }
}

fn own_vdso() -> io::Result<(Vec<u8>, u64)> {
    let here = clock::own_vdso().ok_or(io::ErrorKind::NotFound)?;
    let mut start = vec![0; page::BYTES];
    memory::read(std::process::id() as i32, here, &mut start)?;
    let bytes = super::vdso::image_bytes(&start).ok_or(io::ErrorKind::InvalidData)?;
    start.truncate(HEAD_BYTES);
    Ok((start, bytes as u64))
}

fn tell(thread: i32, at: u64, words: &[i64]) -> io::Result<()> {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    memory::write_by(memory::Way::Vector, thread, at, &bytes)
}

fn tell_unless_null(thread: i32, at: u64, words: &[i64]) -> io::Result<()> {
    if at == 0 { Ok(()) } else { tell(thread, at, words) }
}

fn tell_zone(thread: i32, at: u64) -> io::Result<()> {
    if at == 0 { Ok(()) } else { memory::write_by(memory::Way::Vector, thread, at, &clock::zone()) }
}

#[cfg(test)]
mod tests {
    use super::super::page::{Group, prepare, publish};
    use super::*;
    use crate::sys::mapping;

    fn call(number: i64, instruction_pointer: u64, arguments: [u64; 6]) -> Notification {
        Notification {
            id: 0,
            thread: std::process::id() as i32,
            call: number as i32,
            architecture: Architecture::Native.number(),
            instruction_pointer,
            arguments,
        }
    }

    /// A page on which it is always the first second of 1970 plus `ns`.
    fn calls(ns: i64) -> Calls {
        let file = nix::sys::memfd::memfd_create(c"page", nix::sys::memfd::MFdFlags::MFD_CLOEXEC).unwrap();
        nix::unistd::ftruncate(&file, page::BYTES as i64).unwrap();
        let words = mapping::shared(&file).unwrap();
        prepare(&words, 1);
        let frozen = Group { reference: 0, origin: ns, rate: 0, strobe_by: 0, strobe_period: 0 };
        let later = |more| Group { origin: ns + more, ..frozen };
        publish(&words, &Slot { realtime: Some(frozen), monotonic: Some([1, 2, 3, 4].map(later)) });
        Calls::new(words)
    }

    #[test]
    fn each_call_is_answered_as_the_kernel_would() {
        let calls = calls(7 * BILLION + 123_456_789);
        let (mut time, mut zone) = ([0i64; 2], [1u8; 8]);
        let (at, zone_at) = (time.as_mut_ptr() as u64, zone.as_mut_ptr() as u64);
        let value = |number, arguments| match calls.answer(&call(number, 0, arguments), || true) {
            Answer::Value(value) => value,
            Answer::Kernel => panic!("{number}"),
        };
        assert_eq!(value(libc::SYS_clock_gettime, [0, at, 0, 0, 0, 0]), 0);
        assert_eq!(time, [7, 123_456_789]);
        for (i, id) in page::MONOTONIC_CLOCKS.into_iter().enumerate() {
            assert_eq!(value(libc::SYS_clock_gettime, [id as u64, at, 0, 0, 0, 0]), 0);
            assert_eq!(time, [7, 123_456_790 + i as i64]);
        }
        assert_eq!(value(libc::SYS_gettimeofday, [at, zone_at, 0, 0, 0, 0]), 0);
        assert_eq!(time, [7, 123_456]);
        assert_eq!(zone, clock::zone());
        assert_eq!(value(libc::SYS_gettimeofday, [0; 6]), 0);
        assert_eq!(value(libc::SYS_clock_gettime, [0, 8, 0, 0, 0, 0]), -i64::from(libc::EFAULT));
        #[cfg(target_arch = "x86_64")]
        assert_eq!([value(libc::SYS_time, [at, 0, 0, 0, 0, 0]), value(libc::SYS_time, [0; 6]), time[0]], [7; 3]);
    }

    #[test]
    fn the_kernel_answers_the_vdso_and_the_dead() {
        let calls = calls(7 * BILLION);
        let mut time = [0i64; 2];
        let arguments = [0, time.as_mut_ptr() as u64, 0, 0, 0, 0];
        let base = clock::own_vdso().unwrap();
        for place in [base + 100, base + calls.bytes - 1] {
            let answer = calls.answer(&call(libc::SYS_clock_gettime, place, arguments), || true);
            assert!(matches!(answer, Answer::Kernel));
        }
        assert!(matches!(calls.answer(&call(libc::SYS_clock_gettime, 0, arguments), || false), Answer::Kernel));
        let code = the_kernel_answers_the_vdso_and_the_dead as *const () as u64;
        assert!(matches!(calls.answer(&call(libc::SYS_clock_gettime, code, arguments), || true), Answer::Value(0)));
        assert_eq!(time, [7, 0]);
        // Neither is a clock that nothing is wrong with, nor one of the machine's that is asked for as such.
        for asked in [2, clock::machines(libc::CLOCK_MONOTONIC)] {
            let arguments = [asked, arguments[1], 0, 0, 0, 0];
            assert!(matches!(calls.answer(&call(libc::SYS_clock_gettime, code, arguments), || true), Answer::Kernel));
        }
    }
}
