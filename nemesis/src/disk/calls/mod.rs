//! Disks that fail without being simulated: the agent of a host answers its programs' file operations.
//!
//! Where `/dev/fuse` cannot be opened there is no [simulated disk](super), and files are those of the machine. But a program
//! that reads, writes or fsyncs calls the system, and the filter by which the agent follows programs and answers for clocks can
//! name those calls too:
//!
//! ```text
//!   program                     agent
//!   fsync(7) ─── asked ───────▶ /proc/PID/fd/7 is wal/0001, below the data directory
//!      │                        a fault that meets it?   no:    go on
//!      │ ◀── EIO, or later ──── yes: fail, or go on when the delay is over, or when the fault is healed
//! ```
//!
//! So [errors, delays and hangs](Effect) are to be had, with the same paths, operations, probabilities, counts and seeds as on a
//! simulated disk. A call that fails is not executed. One that is held cannot be interrupted but by SIGKILL, like one that
//! waits for a disk.
//!
//! # What it is not
//!
//! - There is one state of the files, that of the machine. Nothing is lost in a crash, so there is no power cut, no lying
//!   fsync and no fsyncgate; and what is read is what was written.
//! - Memory-mapped files are read and written without a call. Programs are told that there is no io_uring (`ENOSYS`), which would be
//!   another way past it; most then do without. `sendfile` and `splice` are not heard of.
//! - Operations that a program does not ask the disk for, because the answer is cached, are its operations here all the same: a
//!   `read` of cached data fails too.
//! - Names are resolved when the call is asked about, and may mean something else when it is executed.
//! - Each call of a named kind costs about 9 µs, on sockets and pipes too, and all of a host's calls are answered by one thread: an
//!   append of 512 bytes takes 10 µs where it takes 1, SQLite in its WAL mode commits 5600 times a second where it commits 7700 times
//!   (`cargo bench --bench disk`, the disk beneath, load 1.4). So a host names only those operations that its run's faults need.

mod table;

use std::collections::BTreeSet;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::fault::{DiskFault, Effect, Operation};
use super::rules::Rules;
use crate::hosts::filter::Rule;
use crate::sys::seccomp::{self, Notification};
use table::{Asked, IO_URING};

/// Where file operations are to fail, and which.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilesSpec {
    /// A directory; what is below it can fail.
    pub path: PathBuf,
    /// The operations that can.
    pub operations: BTreeSet<Operation>,
}

impl FilesSpec {
    /// Everything below a directory that can fail so.
    pub fn new(path: impl Into<PathBuf>) -> FilesSpec {
        FilesSpec { path: path.into(), operations: table::operations() }
    }

    /// The operations that a fault meets, if it can be had so.
    pub fn operations_of(fault: &DiskFault) -> Option<BTreeSet<Operation>> {
        let all = table::operations();
        let is_possible = matches!(fault.effect, Effect::Error(_) | Effect::Delay { .. } | Effect::Hang);
        let named: BTreeSet<Operation> = fault.operations.iter().copied().collect();
        match named.is_empty() {
            true if is_possible => Some(all),
            false if is_possible && named.is_subset(&all) => Some(named),
            _ => None,
        }
    }

    /// Whether a fault can be had here, or why not.
    pub(crate) fn check(&self, fault: &DiskFault) -> Result<(), String> {
        if let Some(what) = fault.complaint() {
            return Err(what);
        }
        match Self::operations_of(fault) {
            None => Err(format!("{:?} takes a simulated disk", fault.effect)),
            Some(some) if fault.operations.is_empty() || some.is_subset(&self.operations) => Ok(()),
            Some(some) => Err(format!("it was made for {:?}, not for {some:?}", self.operations)),
        }
    }
}

/// What becomes of a host's file operations.
pub(crate) struct Files {
    root: PathBuf,
    operations: BTreeSet<Operation>,
    faults: Rules,
    held: Vec<Held>,
}

/// A call that waits.
struct Held {
    listener: Rc<OwnedFd>,
    call: Notification,
    /// None: until none of these faults is left.
    due: Option<Instant>,
    faults: BTreeSet<u64>,
    /// What it returns in the end, other than what the kernel says.
    error: Option<i64>,
}

impl Files {
    /// Nothing fails yet.
    pub(crate) fn new(spec: &FilesSpec) -> Files {
        let root = std::fs::canonicalize(&spec.path).unwrap_or_else(|_| spec.path.clone());
        Files { root, operations: spec.operations.clone(), faults: Rules::default(), held: Vec::new() }
    }

    /// The rules of the filter by which the agent hears of them.
    pub(crate) fn rules(&self) -> Vec<Rule> {
        table::rules(&self.operations)
    }

    /// Whether a call is one of those.
    pub(crate) fn is_meant(&self, call: &Notification) -> bool {
        table::is_meant(call, &self.operations)
    }

    /// From now on operations meet these faults, and no others. What waits for one that is gone goes on.
    pub(crate) fn set(&mut self, faults: &[DiskFault]) {
        self.faults.set(faults);
        let there = self.faults.ids();
        let now = Instant::now();
        for held in &mut self.held {
            if held.due.is_none() && held.faults.is_disjoint(&there) {
                held.due = Some(now);
            }
        }
    }

    /// How often each fault took effect, in the order of the set.
    pub(crate) fn hits(&self) -> Vec<u64> {
        self.faults.injected()
    }

    /// Answers a call, or holds it.
    pub(crate) fn answer(&mut self, listener: &Rc<OwnedFd>, call: &Notification) -> io::Result<()> {
        if i64::from(call.call) == IO_URING {
            return seccomp::return_value(listener, call, -i64::from(libc::ENOSYS)).map(drop);
        }
        let asked =
            (!self.faults.is_empty() && seccomp::is_waiting(listener, call)).then(|| table::asked(call)).flatten();
        let Some((operation, paths)) = asked.and_then(|asked| self.below_root(asked)) else {
            return seccomp::proceed(listener, call).map(drop);
        };
        let decision = self.faults.decide(operation, || paths);
        let held = Held {
            listener: Rc::clone(listener),
            call: *call,
            due: decision.hang.is_empty().then(|| Instant::now() + decision.delay),
            error: decision.error.map(|errno| -i64::from(errno as i32)),
            faults: decision.hang.clone(),
        };
        if decision.waits() {
            self.held.push(held);
            return Ok(());
        }
        held.answer()
    }

    /// The paths of an operation that lie below the root, from there; none if none does.
    fn below_root(&self, asked: Asked) -> Option<(Operation, Vec<String>)> {
        let below = |path: &PathBuf| Some(path.strip_prefix(&self.root).ok()?.to_string_lossy().into_owned());
        let paths: Vec<String> = asked.paths.iter().filter_map(below).collect();
        let is_wanted = self.operations.contains(&asked.operation) && !paths.is_empty();
        is_wanted.then_some((asked.operation, paths))
    }

    /// How long nothing is to be done; for ever if nothing is held, or only until a fault is healed.
    pub(crate) fn left(&self, now: Instant) -> Option<Duration> {
        self.held.iter().filter_map(|held| held.due).min().map(|due| due.saturating_duration_since(now))
    }

    /// Answers what has waited long enough.
    pub(crate) fn release(&mut self, now: Instant) -> io::Result<()> {
        let (due, held) =
            std::mem::take(&mut self.held).into_iter().partition(|held: &Held| held.due.is_some_and(|due| due <= now));
        self.held = held;
        let due: Vec<Held> = due;
        due.iter().try_for_each(Held::answer)
    }
}

impl Held {
    fn answer(&self) -> io::Result<()> {
        match self.error {
            Some(error) => seccomp::return_value(&self.listener, &self.call, error).map(drop),
            None => seccomp::proceed(&self.listener, &self.call).map(drop),
        }
    }
}

/// The first argument of a program that makes a file, writes to it and makes it durable: this program once more, by which
/// the doctor sees whether faults take hold.
pub(crate) const ARGUMENT: &str = "__file";

/// Does so with the file that the second argument names, and ends with the errno of what failed.
pub(crate) fn run_probe() -> ! {
    let write = |path: &Path| -> io::Result<()> {
        let mut file = std::fs::File::create(path)?;
        io::Write::write_all(&mut file, b"splitbrain")?;
        file.sync_all()
    };
    let path = std::env::args().nth(2).map(PathBuf::from).unwrap_or_default();
    let code = write(&path).map_or_else(|error| error.raw_os_error().unwrap_or(-1), |()| 0);
    std::process::exit(code);
}

#[cfg(test)]
mod tests {
    use super::super::fault::ErrorKind;
    use super::*;

    #[test]
    fn what_takes_a_simulated_disk_is_refused() {
        let spec =
            FilesSpec { operations: BTreeSet::from([Operation::Fsync, Operation::Write]), ..FilesSpec::new("/x") };
        let eio = DiskFault::new(Effect::Error(ErrorKind::Eio));
        assert_eq!(spec.check(&eio), Ok(()));
        assert_eq!(spec.check(&eio.clone().on(&[Operation::Fsync])), Ok(()));
        assert!(spec.check(&eio.clone().on(&[Operation::Read])).is_err_and(|why| why.contains("not for {Read}")));
        assert!(spec.check(&eio.on(&[Operation::Lookup])).is_err_and(|why| why.contains("takes a simulated disk")));
        for effect in [Effect::LyingFsync, Effect::Fsyncgate, Effect::StaleRead, Effect::FlipBits { bits: 1 }] {
            assert_eq!(FilesSpec::operations_of(&DiskFault::new(effect)), None, "{effect:?}");
        }
    }
}
