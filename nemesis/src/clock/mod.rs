//! Clocks: a host's clocks jump, drift, strobe and stand still, and the machine's do not.
//!
//! All hosts share one kernel and it has one real-time clock, so that clock is never touched. What a program takes for
//! the time is what it *reads*, and nearly every program reads it without asking the kernel: through the functions of the vDSO,
//! a small library that the kernel maps into each program (vdso(7)). On a host with a clock of its own each program finds
//! other functions there, which call the kernel's and correct what they say by one page of memory that all programs of the
//! host share and the controller writes:
//!
//! ```text
//!   controller                 host n1
//!   set_clock(n1, +1 h) ─────▶ state page ◀── read ── every program of n1
//!                              seq 7                   clock_gettime ─▶ stub ─▶ the kernel's function: 12:00:00
//!                              +1 h, ×1.5                                 └──▶ 13:00:00
//! ```
//!
//! - `page`: what the page says, and the arithmetic; one store changes the clock of all programs at once.
//! - `stub`: the machine code that does this arithmetic in the programs, 24 ns a reading where the kernel's takes 22, and 30
//!   when the clock is skewed.
//! - `inject`: how a program is led to the stub, before its first instruction; `remote`, `vdso`: with what.
//! - `follow`: how every program of a host is seen to start, forks and execs and all.
//! - `calls`: programs that do ask the kernel.
//! - `monotonic`, `waits`, `timers`: the [trap tier](#the-trap-tier), in which monotonic clocks can be wrong, too.
//! - [`Skew`]: what can be wrong with a clock, and how one wrongness follows another.
//! - [`ClockReading`]: what a host's programs really see, and which of them do not see it, and why.
//!
//! # What was decided, and why
//!
//! *Not `clock_settime`*, as Jepsen does on machines of its own: it needs root, and here it would set the clock of every node
//! and of the machine. *Not a library that is preloaded* (libfaketime): static programs and Go do not call the C library.
//! *Not a time namespace*: the kernel has them for the monotonic clock only (time_namespaces(7)). *Not tracing*: a traced
//! program stops at each signal and each new thread, and a debugger cannot attach to it; here the agent of a host traces a program for the
//! fraction of a millisecond in which it starts, and nothing afterwards.
//!
//! *The page has two slots and a sequence*, so that a controller that dies between two stores has changed nothing, and
//! readers never wait. *The strobe is evaluated by the reader*, so that it is exact at any period and costs no thread.
//!
//! *The shadow of the vDSO comes first* because it needs no right to write to protected memory, and goes on working where
//! the kernel seals its own mappings (Linux 6.15, `MSEAL_SYSTEM_MAPPINGS`).
//!
//! # The trap tier
//!
//! A monotonic clock cannot be wrong for itself. Programs wait *until* a time on it, condition variables do, and the kernel
//! knows the machine's clock only: with a clock that is five seconds ahead, a wait of one second would last six; with one behind,
//! none at all. No real machine shows that, and every finding by it would be false. So on a host of [`ClockTier::Trap`] the agent also
//! hears of the system calls that wait until a time, and of those that read any clock, and answers them by the host's
//! clocks (`waits` says how). That makes absolute waits on a skewed `CLOCK_REALTIME` right, too.
//!
//! It costs those programs something that never asked for it, so it has to be asked for. Measured on two busy cores, by a
//! program on the host against the same call on a host without a clock (`cargo bench --bench clocks`, Linux 6.18, load 1.4; medians; the
//! last row is one thread that wakes another, which waits with a timeout):
//!
//! | a call | natively | trap tier, clocks right | monotonic clock skewed |
//! |---|---|---|---|
//! | `clock_gettime` through the vDSO | 22 ns | 24 ns | 30 ns |
//! | `clock_gettime`, the system call | 0.25 µs | 8 µs | 14 µs |
//! | `clock_nanosleep` until a time gone by | 15 µs | 25 µs | 105 µs |
//! | `timerfd_settime` to a time | 0.6 µs | 47 µs | 48 µs |
//! | `futex` until a time, woken by another | 6 µs | 9 µs | 80 µs |
//!
//! Other ways, and why they are not taken: to rewrite the time in the program's memory (it may be a constant, and loops read it again);
//! to rewrite the register that holds its address while the call waits for its answer (only a stopped thread's registers can
//! be set, and it is not stopped there); to stay its tracer until the call returns (`SECCOMP_RET_TRACE`, which was tried first: every signal and every
//! thread of the program stops at the agent, and no debugger can attach); to have the agent wait in its place (it would miss
//! the wake-up of a `futex`, and a thread that waits for an answer takes no signals). There is no form of it for aarch64 yet, where
//! to go on at an address takes a register, and the program may be using all of them.
//!
//! # What a skewed clock does not change
//!
//! - `CLOCK_MONOTONIC` without the trap tier, and waits until a time on `CLOCK_REALTIME` (`clock_nanosleep` and `timerfd` with
//!   `TIMER_ABSTIME`, `pthread_cond_timedwait`): they elapse by the machine's clock, so a wait of one second begins an hour ago and
//!   is over at once, or lasts an hour longer. On a real machine the kernel would have set them anew.
//! - Waits for a while, which are most, in either tier: they last as long as the machine's clock says. `waits` lists the few calls
//!   with a time that the trap tier leaves alone.
//! - `adjtimex` and `ntp_gettime`, which read the machine's real-time clock; `timer_gettime` and its like, in the machine's time.
//! - File times, `/proc/uptime`, `SO_TIMESTAMP`, and what other hosts and the wire say of the time.
//! - Programs that read the processor's counter (`rdtsc`), and x86-64's `vsyscall` page, which only very old programs use.
//!   Neither can be seen from outside.
//! - 32-bit programs, programs that left the page behind by `chroot` or have no descriptor free at their start, programs under
//!   another tracer. These are [reported](ClockReading::uncovered), and a host whose main process is one of them has
//!   [no effective fault](ClockReading::is_effective).
//!
//! Descriptors and memory: a program has three mappings more than it would have, and no descriptor. A profiler that unwinds through the
//! stub finds no unwinding table for its 400 bytes.
//!
//! On aarch64 the stub is held against the arithmetic by the same tests under emulation (`scripts/test-clock-aarch64.sh`); following
//! and injecting are the same code with other registers, and have not run on such a machine.

pub(crate) mod calls;
pub(crate) mod coverage;
pub(crate) mod follow;
pub(crate) mod inject;
mod monotonic;
pub(crate) mod page;
pub(crate) mod probe;
mod reading;
mod remote;
mod skew;
#[allow(unsafe_code)]
pub(crate) mod stub;
mod tier;
mod timers;
mod vdso;
pub(crate) mod waits;

pub use coverage::{Coverage, InjectionStep, ProcessClock, Uncovered, Variant};
pub use monotonic::MonotonicSkew;
pub(crate) use page::WORDS as PAGE_WORDS;
pub(crate) use reading::ClockSurvey;
pub use reading::{ClockReading, MonotonicReading};
pub(crate) use skew::{Course, Instants};
pub use skew::{Skew, SkewError, Strobe};
pub use tier::ClockTier;
