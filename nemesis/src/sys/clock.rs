//! The machine's clock.

use std::time::Duration;

/// What a clock shows, ns; 0 for one that does not exist.
pub(crate) fn now(clock: libc::clockid_t) -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one `timespec`.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
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
