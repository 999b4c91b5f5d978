//! The machine's clock.

use std::time::Duration;

/// What a clock shows, ns; 0 for one that does not exist.
pub(crate) fn now(clock: libc::clockid_t) -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one `timespec`.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    time.tv_sec.wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec)
}

/// The upper half of a `clockid_t` in its register, which the kernel does not look at, of a call that asks for the machine's
/// clock: the agents of hosts let it pass.
const OF_MACHINE: u64 = 0x7362_6d63 << 32;

/// As what to ask for the machine's clock by a system call on a host whose clocks are skewed.
pub(crate) fn machines(clock: libc::clockid_t) -> u64 {
    OF_MACHINE | u64::from(clock as u32)
}

/// Whether it is asked so.
pub(crate) fn asks_machine(clock: u64) -> bool {
    clock & !u64::from(u32::MAX) == OF_MACHINE
}

/// What the machine's clock shows, ns, on a host whose clocks are skewed, too. Some hundred nanoseconds where the call
/// passes by itself, some microseconds where the host's agent lets it pass.
pub(crate) fn now_of_machine(clock: libc::clockid_t) -> i64 {
    read_by_call(machines(clock))
}

/// What a clock shows to a program that asks the kernel, ns.
pub(crate) fn now_by_call(clock: libc::clockid_t) -> i64 {
    read_by_call(clock as u64)
}

fn read_by_call(clock: u64) -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel, or whoever answers for it, writes one `timespec`.
    unsafe { libc::syscall(libc::SYS_clock_gettime, clock, &raw mut time) };
    time.tv_sec.wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec)
}

/// How long this machine has been running, the time that it slept included.
pub(crate) fn since_boot() -> Duration {
    Duration::from_nanos(u64::try_from(now(libc::CLOCK_BOOTTIME)).unwrap_or(0))
}

/// The kernel's time zone, as `gettimeofday` writes it: two numbers that nobody uses.
pub(crate) fn zone() -> [u8; 8] {
    let mut zone = [0u8; 8];
    // SAFETY: the kernel writes a `struct timezone`, two integers, and no time because there is nowhere to write it to.
    unsafe { libc::syscall(libc::SYS_gettimeofday, std::ptr::null_mut::<libc::timeval>(), zone.as_mut_ptr()) };
    zone
}

/// Where the kernel mapped the vDSO of this process.
pub(crate) fn own_vdso() -> Option<u64> {
    // SAFETY: no pointers.
    let at = unsafe { libc::getauxval(libc::AT_SYSINFO_EHDR) };
    (at != 0).then_some(at)
}
