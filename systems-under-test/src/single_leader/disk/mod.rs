//! What a node keeps on disk, and the thread that writes it.
//!
//! Three files: `ballot` (epoch and vote), `snapshot` (the state at a mark) and `log` (entries after a mark).
//! Everything is flushed before anybody is told that it is there, and an error from the disk ends the node: after a
//! failed flush nobody knows what is on the disk, and asking again may say "done" without it being done (Rebello et
//! al., *Can Applications Recover from fsync Failures?*, USENIX ATC 2020).

mod ballot;
mod snapshot;
mod wal;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use tokio::sync::mpsc::UnboundedSender;

use super::bugs::Bug;
use super::replica::log::{Entry, Log};
use super::replica::{Recovered, Work};
use crate::parts::atomic;
use crate::specimen::Planted;
use wal::Wal;

/// What is wrong with a node's disk.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// The operating system refused.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// What was attempted.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What it said.
        #[source]
        source: io::Error,
    },
    /// The content is not what this node wrote, and what it was cannot be known.
    #[error("{} is damaged: {what}; refusing to start, for acknowledged writes may be in it", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Where and how.
        what: String,
    },
    /// The directory is another node's.
    #[error("{} belongs to node {found}, not to {expected}", path.display())]
    Foreign {
        /// Which file.
        path: PathBuf,
        /// Whose it is.
        found: String,
        /// Who asked.
        expected: String,
    },
}

impl DiskError {
    fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DiskError {
        let path = path.to_owned();
        move |source| DiskError::Io { what, path, source }
    }

    fn damaged(path: &Path, what: impl Into<String>) -> DiskError {
        DiskError::Damaged { path: path.to_owned(), what: what.into() }
    }
}

/// Reads what is there. `names` are the nodes of the cluster, `me` is this one. Lines for the node's log are passed to
/// `note`.
pub fn open(
    dir: &Path,
    names: &[String],
    me: usize,
    planted: Planted<Bug>,
    note: &mut dyn FnMut(String),
) -> Result<(Disk, Recovered), DiskError> {
    std::fs::create_dir_all(dir).map_err(DiskError::io("create", dir))?;
    // A process that ended right after a rename may not have flushed the directory.
    atomic::sync_dir(dir).map_err(DiskError::io("flush", dir))?;
    let (epoch, voted_for) = ballot::read(dir, names, me)?;
    let snapshot = snapshot::read(dir)?;
    let (mut wal, mut log) = Wal::open(dir, note)?;
    // BUG ignores-flush-errors: a flush that failed counts as one that did not.
    wal.ignores_flush_errors = planted.is(Bug::IgnoresFlushErrors);
    // When the node ended between replacing the snapshot and replacing the log, the log is an older one. What it says
    // after the snapshot counts only if it agrees with it.
    if log.mark(snapshot.mark.position) != Some(snapshot.mark) {
        if log.base().position > snapshot.mark.position {
            let what = format!(
                "the log begins after position {}, the snapshot is at {}",
                log.base().position,
                snapshot.mark.position
            );
            return Err(DiskError::damaged(&dir.join(wal::NAME), what));
        }
        log = Log::new(snapshot.mark, Vec::new());
    }
    let mut disk = Disk { dir: dir.to_owned(), names: names.to_vec(), me, wal };
    if disk.wal.next() != log.last().position + 1 || disk.wal.base() != log.base() {
        disk.wal.rewrite(log.base(), &log.to_vec())?;
    }
    Ok((disk, Recovered { epoch, voted_for, snapshot, log }))
}

/// The files of a node, open for writing.
#[derive(Debug)]
pub struct Disk {
    dir: PathBuf,
    names: Vec<String>,
    me: usize,
    wal: Wal,
}

impl Disk {
    /// Does one piece of work; on `Ok` it survives a power cut.
    fn perform(&mut self, work: Work) -> Result<(), DiskError> {
        match work {
            Work::Ballot { epoch, voted_for } => ballot::write(&self.dir, &self.names, self.me, epoch, voted_for),
            Work::Append { first, entries } => self.wal.append(first, &entries),
            Work::Rewrite { base, entries } => self.wal.rewrite(base, &entries),
            // Of snapshot and log, at every moment the log begins at or before the snapshot.
            Work::Snapshot { snapshot, base, entries } if snapshot.mark.position < self.wal.base().position => {
                self.wal.rewrite(base, &entries)?;
                snapshot::write(&self.dir, &snapshot)
            }
            Work::Snapshot { snapshot, base, entries } => {
                snapshot::write(&self.dir, &snapshot)?;
                self.wal.rewrite(base, &entries)
            }
        }
    }
}

/// The thread that writes: it takes whatever has piled up, puts the entries among it into one record, flushes once
/// (group commit), and says how far it came.
#[derive(Debug)]
pub struct Writer {
    work: Option<Sender<(u64, Work)>>,
    thread: Option<JoinHandle<()>>,
    abandoned: Arc<AtomicBool>,
}

/// What the writer says: everything up to this ticket is on disk, or why it never will be.
pub type Written = Result<u64, DiskError>;

impl Writer {
    /// Starts the thread.
    pub fn start(disk: Disk, written: UnboundedSender<Written>) -> io::Result<Writer> {
        let (work, todo) = channel();
        let abandoned = Arc::new(AtomicBool::new(false));
        let stop = abandoned.clone();
        let thread =
            std::thread::Builder::new().name("disk".into()).spawn(move || write(disk, todo, written, &stop))?;
        Ok(Writer { work: Some(work), thread: Some(thread), abandoned })
    }

    /// Hands over one piece of work.
    pub fn push(&self, ticket: u64, work: Work) {
        if let Some(sender) = &self.work {
            // When the thread has ended it has said why, and the node is about to end too.
            let _ = sender.send((ticket, work));
        }
    }
}

impl Drop for Writer {
    /// Does not finish what was not begun, as when a process is killed.
    fn drop(&mut self) {
        self.abandoned.store(true, Ordering::Relaxed);
        self.work = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn write(mut disk: Disk, todo: Receiver<(u64, Work)>, written: UnboundedSender<Written>, abandoned: &AtomicBool) {
    while let Ok(first) = todo.recv() {
        let mut pile: Vec<(u64, Work)> = vec![first];
        pile.extend(todo.try_iter());
        for (ticket, work) in merge(pile) {
            if abandoned.load(Ordering::Relaxed) {
                return;
            }
            let result = disk.perform(work).map(|()| ticket);
            let failed = result.is_err();
            if written.send(result).is_err() || failed {
                return;
            }
        }
    }
}

/// Puts runs of appended entries together; each result carries the ticket of its last part.
fn merge(pile: Vec<(u64, Work)>) -> Vec<(u64, Work)> {
    let mut merged: Vec<(u64, Work)> = Vec::with_capacity(pile.len());
    for (ticket, work) in pile {
        match (merged.last_mut(), work) {
            (Some((last, Work::Append { first, entries })), Work::Append { first: next, entries: more })
                if *first + entries.len() as u64 == next =>
            {
                entries.extend::<Vec<Entry>>(more);
                *last = ticket;
            }
            (_, work) => merged.push((ticket, work)),
        }
    }
    merged
}
