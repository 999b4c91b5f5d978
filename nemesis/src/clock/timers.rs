//! Timers behind descriptors (timerfd_create(2)) that are set to a time on a skewed clock: the agent sets them itself, through
//! descriptors of its own, and sets them anew when the clock is.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;

use super::page::Slot;
use super::waits::Until;
use crate::sys::seccomp::Notification;
use crate::sys::{memory, process, timer};

const BILLION: i64 = 1_000_000_000;
/// The flags of the last setting, as `/proc` shows them: until a time.
const ABSOLUTE: u32 = 1;
/// That many before those are looked for that are no longer used.
const MOST: usize = 64;

/// The timers that are set.
#[derive(Default)]
pub(super) struct Timers {
    set: Vec<Set>,
}

struct Set {
    process: i32,
    descriptor: i32,
    copy: OwnedFd,
    flags: i32,
    interval: [i64; 2],
    until: Until,
}

impl Timers {
    /// Does what a `timerfd_settime` asks for, by the host's clock. An error: not from here.
    pub(super) fn set(&mut self, call: &Notification, until: Until, slot: &Slot) -> io::Result<i64> {
        let [descriptor, flags, new, old, ..] = call.arguments;
        let (descriptor, flags) = (descriptor as i32, flags as i32);
        let interval = [0, 8].map(|word| memory::read_word(call.thread, new + word));
        let [seconds, nanoseconds] = interval;
        let process = process_of(call.thread).ok_or(io::ErrorKind::NotFound)?;
        let copy = process::borrow_descriptor(process, descriptor)?;
        let set = Set { process, descriptor, copy, flags, interval: [seconds? as i64, nanoseconds? as i64], until };
        let before = match set.apply(slot) {
            Ok(before) => before,
            Err(error) => return Ok(-i64::from(error.raw_os_error().unwrap_or(libc::EINVAL))),
        };
        self.remember(set);
        let bytes: Vec<u8> = before.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let told = old == 0 || memory::write_by(memory::Way::Vector, call.thread, old, &bytes).is_ok();
        Ok(if told { 0 } else { -i64::from(libc::EFAULT) })
    }

    fn remember(&mut self, set: Set) {
        self.set.retain(|other| (other.process, other.descriptor) != (set.process, set.descriptor));
        if self.set.len() >= MOST {
            self.set.retain(Set::is_used);
        }
        self.set.push(set);
    }

    /// Sets all of them anew.
    pub(super) fn set_all(&mut self, slot: &Slot) {
        self.set.retain(Set::is_used);
        for set in &self.set {
            // What could be set once can be set again.
            let _ = set.apply(slot);
        }
    }
}

impl Set {
    /// Returns what the timer was set to before: interval and time left, in seconds and nanoseconds each.
    fn apply(&self, slot: &Slot) -> io::Result<[i64; 4]> {
        let machine = self.until.on_machine(slot);
        let [seconds, nanoseconds] = self.interval;
        timer::set(&self.copy, self.flags, [seconds, nanoseconds, machine / BILLION, machine % BILLION])
    }

    /// Whether it still runs as it was set last, for a program that still has it.
    fn is_used(&self) -> bool {
        let link = fs::read_link(format!("/proc/{}/fd/{}", self.process, self.descriptor));
        let there = link.is_ok_and(|link| link.to_string_lossy().contains("timerfd"));
        there && timer::details(&self.copy).is_some_and(|text| is_running(&text))
    }
}

fn is_running(details: &str) -> bool {
    let value = |key: &str| details.lines().find_map(|line| line.strip_prefix(key)).map(str::trim);
    let absolute = value("settime flags:").and_then(|flags| u32::from_str_radix(flags, 8).ok());
    absolute.is_some_and(|flags| flags & ABSOLUTE != 0) && value("it_value:").is_some_and(|left| left != "(0, 0)")
}

/// The clock of a descriptor; none if it is no timer.
pub(super) fn clock_of(thread: i32, descriptor: i32) -> Option<i32> {
    let details = fs::read_to_string(format!("/proc/{thread}/fdinfo/{descriptor}")).ok()?;
    details.lines().find_map(|line| line.strip_prefix("clockid:"))?.trim().parse().ok()
}

fn process_of(thread: i32) -> Option<i32> {
    let status = fs::read_to_string(format!("/proc/{thread}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("Tgid:"))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_that_elapsed_or_was_set_otherwise_is_not_set_again() {
        let details = |flags: &str, left: &str| {
            format!("pos:\t0\nclockid: 1\nticks: 0\nsettime flags: {flags}\nit_value: {left}\nit_interval: (0, 0)\n")
        };
        assert!(is_running(&details("01", "(3, 4)")) && is_running(&details("03", "(0, 4)")));
        assert!(!is_running(&details("00", "(3, 4)")) && !is_running(&details("01", "(0, 0)")) && !is_running(""));
    }
}
