//! Disks: what programs wrote, what would survive a power cut, and everything that can go wrong between the two.
//!
//! A host with a disk has, at one directory (normally its node's data directory), a file system of its own whose contents are
//! in the controller's memory. As the controller is the network, it is the disk: it sees every write and every fsync, and
//! decides what each of them does.
//!
//! ```text
//!      n1                              controller
//!   ┌───────────────────┐           ┌─────────────────────────────────────────────┐
//!   │ the node          │           │ faults   EIO on fsync of wal*, once          │
//!   │   write, fsync …  │           │   │                                          │
//!   │ /…/n1/data  (FUSE)│◀─────────▶│ live     wal: a b c d     names: wal, snap   │
//!   └───────────────────┘ /dev/fuse │   │ fsync                                    │
//!                                   │ durable  wal: a b         names: wal         │
//!                                   └─────────────────────────────────────────────┘
//!                                     power cut: live := durable (+ some of c, d, by mode and seed)
//! ```
//!
//! # Three ways to stop, three things to lose
//!
//! | | processes | written, not fsynced | fsynced |
//! |---|---|---|---|
//! | process crash ([`Hosts::kill`](crate::hosts::Hosts::kill)) | gone | kept: the kernel still has it | kept |
//! | machine crash ([`Hosts::crash`](crate::hosts::Hosts::crash)) | gone | lost, all of it | kept |
//! | power cut ([`Hosts::power_cut`](crate::hosts::Hosts::power_cut)) | gone | lost, in part or wholly, by [`CutMode`] | kept |
//!
//! A crash is the power cut that drops everything: an operating system that crashes takes its page cache with it. A host
//! without a disk keeps all its files in any case, because they are files of this machine.
//!
//! # What fsync promises
//!
//! [`Persistence::Ext4`] follows what ext4 does in its default mode, because that is what databases are tested on: names are
//! in one journal, and fsync of anything that changed commits all of it, in order. [`Persistence::Strict`] is POSIX to the letter,
//! close to the abstract persistence model of ALICE (Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014): a
//! name is durable when its directory was fsynced. Take it to ask whether a program depends on more than it may; do not
//! take it for a test of whether it works on Linux. Nor does a kernel wait for fsync for ever: see [`WriteBack`].
//!
//! [`model`] is all of that as plain data, without FUSE, and tested against a naive reference; `fuse` connects it.
//!
//! # Faults
//!
//! [`DiskFault`]s are installed as a set, with [`Disk::set_faults`]. What they do to contents lies *over* the data and never
//! replaces it: a misdirected write is remembered where it should be and shown where it should not, so healing (a set without
//! it) shows what is right again, as the data's owner would have it after a repair. Lying fsync and fsyncgate need no
//! undoing: what they lose is lost by the next power cut and only by it.
//!
//! # Bounds
//!
//! Contents take memory of the controller, live and durable shared block by block: at most twice the quota, and the log of
//! un-synced writes ([`WriteBack::max_bytes`], after which the oldest files are written back, as a kernel under memory
//! pressure does). Snapshots share what has not changed since.
//!
//! # What it does not do
//!
//! - `sync(2)` and `syncfs(2)` make nothing durable: the kernel does not tell file systems like this one of them.
//! - Memory-mapped writes reach the disk when the kernel writes them back, `msync` included: what it had not sent when
//!   the machine dies is lost, as it would be.
//! - No block layer: files are damaged, not the file system's own structures; there is no fsck to run.
//! - A hung operation cannot be stopped by SIGSTOP: pausing a host with one takes as long as the hang.
//!
//! Where `/dev/fuse` cannot be opened, [`FilesSpec`] still has operations fail, be slow or hang, and [`data`](crate::data) damages
//! the files of a node that is down.

pub(crate) mod calls;
pub mod fault;
pub(crate) mod fuse;
pub mod model;
mod rules;
pub mod spec;

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use rand::Rng;

pub use calls::FilesSpec;
pub use fault::{DiskFault, Effect, ErrorKind, Operation};
pub(crate) use fault::{FILLING, WRITING, matches};
pub use model::Snapshot;
pub use spec::{CutMode, DiskError, DiskSpec, DiskStats, Lost, Persistence, PowerCut, WriteBack};

use fuse::{Core, Session, Stale};
use model::{Ino, Model, ROOT};

use crate::seed::Seed;

/// The disk of one host. It outlives the host's machine; dropping it forgets its contents.
pub struct Disk {
    spec: DiskSpec,
    name: String,
    core: Arc<Core>,
    mounts: AtomicU64,
}

impl Disk {
    /// An empty disk that no machine has. Its root belongs to whoever runs this.
    pub fn new(spec: DiskSpec, name: &str) -> io::Result<Disk> {
        let (uid, gid) = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
        let model = Model::new(spec.persistence, spec.write_back, spec.quota_bytes, uid, gid);
        let name = format!("disk {name}");
        let core = Core::start(model, Duration::from_micros(spec.fsync_latency_us), &name)?;
        Ok(Disk { spec, name, core, mounts: AtomicU64::new(0) })
    }

    /// What it was made of.
    pub fn spec(&self) -> &DiskSpec {
        &self.spec
    }

    /// Installs these faults instead of those that were. A fault that is in both sets goes on as it was, its count and draws
    /// included. An empty set heals: what hangs is done, what went astray is found again.
    pub fn set_faults(&self, faults: &[DiskFault]) -> Result<(), DiskError> {
        for (position, fault) in faults.iter().enumerate() {
            if let Some(what) = fault.complaint() {
                return Err(DiskError::Fault { position, what });
            }
        }
        let mut state = self.core.lock();
        let before = state.rules.show_in_reads();
        state.rules.set(faults);
        let ids = state.rules.ids();
        state.model.heal_except(&ids);
        let drop_caches = before || state.rules.show_in_reads();
        drop(state);
        self.core.wake();
        if drop_caches {
            self.drop_caches();
        }
        Ok(())
    }

    /// What it has done so far, and what is on it.
    pub fn stats(&self) -> DiskStats {
        let state = self.core.lock();
        DiskStats {
            injected: state.rules.injected(),
            waiting: state.waiting(),
            unsynced_bytes: state.model.unsynced_bytes(),
            uncommitted_edits: state.model.uncommitted_edits(),
            used_bytes: state.model.usage().0,
            mounts: self.mounts.load(Relaxed),
            ..state.stats.clone()
        }
    }

    /// Has the machine forget what it has read, so that it has to read again. What it has written is not affected.
    pub fn drop_caches(&self) {
        let known = self.core.lock().model.known();
        self.core.invalidate(known.into_iter().map(|ino| Stale::Range(ino, 0, 0)).collect());
    }

    /// Makes everything durable that was written so far, as if all of it had been fsynced.
    pub fn checkpoint(&self) {
        self.core.lock().model.sync();
    }

    /// Sets how much can be allocated. What is on the disk stays there.
    pub fn set_quota(&self, bytes: Option<u64>) {
        self.core.lock().model.set_quota(bytes);
    }

    /// What is on the disk now, without damage. Costs nothing until files are changed.
    pub fn snapshot(&self) -> Snapshot {
        self.core.lock().model.snapshot()
    }

    /// Makes the disk what it was, durably and without damage. Meant for a node that is down: a program that has files open
    /// keeps the files that it has, which have no names any more.
    pub fn restore(&self, snapshot: &Snapshot) {
        self.replace(|model| model.restore(snapshot));
    }

    /// Removes everything, durably. As for [`Disk::restore`], the node had better be down.
    pub fn wipe(&self) {
        self.replace(Model::wipe);
    }

    fn replace(&self, how: impl FnOnce(&mut Model)) {
        let mut state = self.core.lock();
        let mut names = state.model.entries(ROOT).unwrap_or_default();
        how(&mut state.model);
        names.extend(state.model.entries(ROOT).unwrap_or_default());
        drop(state);
        let mut stale: Vec<Stale> = names.into_iter().map(|(name, _)| Stale::Entry(ROOT, name)).collect();
        stale.push(Stale::Range(ROOT, 0, 0));
        self.core.invalidate(stale);
    }

    /// Inverts bits in the files whose paths match (see [`DiskFault::path`]), `count` in all, by the seed. They read so until
    /// they are written again or [unflipped](Disk::unflip_bits), through crashes too. Returns where: path, byte, bit.
    pub fn flip_bits(&self, path: &str, count: usize, seed: u64) -> Result<Vec<(String, u64, u8)>, DiskError> {
        let mut state = self.core.lock();
        let files = state.model.files(path);
        let total: u64 = files.iter().map(|(_, _, size)| size).sum();
        if total == 0 {
            return Err(DiskError::NoSuchFile { pattern: path.to_owned() });
        }
        let mut rng = Seed(seed).stream("flip bits");
        let mut flipped = Vec::new();
        for _ in 0..count {
            let (choice, bit) = (rng.next_u64() % total, (rng.next_u64() % 8) as u8);
            let (ino, path, byte) = pick(&files, choice);
            if state.model.flip(ino, byte, bit).unwrap_or(false) {
                flipped.push((path.to_owned(), byte, bit));
            }
        }
        drop(state);
        self.core.invalidate(files.into_iter().map(|(ino, ..)| Stale::Range(ino, 0, 0)).collect());
        Ok(flipped)
    }

    /// Takes back what [`Disk::flip_bits`] did and nobody has overwritten.
    pub fn unflip_bits(&self) {
        let healed = self.core.lock().model.unflip();
        self.core.invalidate(healed.into_iter().map(|ino| Stale::Range(ino, 0, 0)).collect());
    }

    /// Copies the contents out, for people to look at: what programs see, without damage.
    pub fn export(&self, to: &Path) -> Result<(), DiskError> {
        let exported = self.snapshot().export(to);
        exported.map_err(|source| DiskError::Io { what: format!("cannot export a disk to {}", to.display()), source })
    }

    /// Copies the contents out as a power cut would leave them that dropped everything un-synced now.
    pub fn export_durable(&self, to: &Path) -> Result<(), DiskError> {
        let mut model = self.core.lock().model.clone();
        model.power_cut(&PowerCut::DROP);
        let exported = model.snapshot().export(to);
        exported.map_err(|source| DiskError::Io { what: format!("cannot export a disk to {}", to.display()), source })
    }

    /// Adds, durably, what is in a directory of this machine. Meant for a disk that nobody uses yet.
    pub fn import(&self, from: &Path) -> Result<(), DiskError> {
        let mut imported = Ok(());
        self.replace(|model| imported = model.import(from));
        imported.map_err(|source| DiskError::Io { what: format!("cannot import {} to a disk", from.display()), source })
    }

    /// Serves a machine that has just mounted it. The session before, if it still is one, is cut off.
    pub(crate) fn attach(&self, device: OwnedFd, processes: Option<OwnedFd>) -> io::Result<()> {
        self.core.take_down();
        let epoch = self.mounts.fetch_add(1, Relaxed) + 1;
        self.core.serve(Session::new(epoch, device, processes), &self.name)
    }

    /// Waits until a kernel has said that it will use this disk; `false` if none does in time.
    pub(crate) fn wait_used(&self, patience: Duration) -> bool {
        self.core.wait_used(patience)
    }

    /// From now on nothing that the machine asks for happens, and it hears nothing: it is about to die.
    pub(crate) fn freeze(&self) {
        self.core.freeze();
    }

    /// Ends the session of a machine that is dead, or dying: whoever waits for an answer is let go.
    pub(crate) fn detach(&self) {
        self.core.take_down();
    }

    /// Cuts the power of the disk of a machine that is down.
    pub(crate) fn power_cut(&self, cut: &PowerCut) -> Lost {
        self.core.take_down();
        self.core.lock().model.power_cut(cut)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.core.close();
    }
}

/// The file in which the byte of this number is, counted through all files.
fn pick(files: &[(Ino, String, u64)], mut byte: u64) -> (Ino, &str, u64) {
    for (ino, path, size) in files {
        if byte < *size {
            return (*ino, path, byte);
        }
        byte -= size;
    }
    (ROOT, "", 0)
}
