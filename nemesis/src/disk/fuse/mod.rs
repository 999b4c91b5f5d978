//! The disk as a file system of the kernel: FUSE, spoken over a descriptor that a host's agent has opened and mounted.
//!
//! ```text
//!   a program on n1          kernel                    controller
//!   write(fd, …)  ────────▶  /dev/fuse  ─── request ──▶  reads, decides which faults it meets,
//!                 ◀────────             ◀── answer ────  asks the model, answers
//! ```
//!
//! The protocol is spoken here rather than through a crate, because three things decide whether a fault is the one that was
//! asked for, and none of the crates has them: `FUSE_INTERRUPT` (a hung write must end with SIGKILL and with nothing else, as a
//! write to a dead disk does), `O_TMPFILE`, and answers that are held back across threads and dropped when a machine dies. What
//! is left is forty requests of a few numbers each ([`abi`]).
//!
//! **One thread reads and answers**, as nothing that it does takes long; two would only contend. An operation that a
//! fault delays or hangs is *parked*: another thread performs and answers it when its time has come, so a slow fsync of
//! one file does not slow the others. What is performed late also becomes durable late: a power cut during a slow fsync finds
//! it not done.
//!
//! **Signals.** The kernel says that a waiting program was interrupted, not by what. Real disks are waited for
//! uninterruptibly, except by SIGKILL, so the thread's pending signals are looked up in the host's own `/proc`. Where a host has
//! none (in some containers), every signal ends the wait with EINTR.
//!
//! **Epochs.** Each start of a machine is a session of its own. A session that is not the current one is answered EIO and
//! changes nothing: what a dying kernel still writes back from the memory of a crashed machine never reaches the disk.
//!
//! Not seen: `sync(2)` and `syncfs(2)`, which the kernel does not pass on to file systems like this one, so they make nothing
//! durable. Locks and `mmap` are the kernel's own and work.

mod abi;
mod device;
mod parked;
mod perform;
mod session;

pub(super) use device::Session;
pub(super) use session::{Core, Stale};

pub(crate) use device::mount;
