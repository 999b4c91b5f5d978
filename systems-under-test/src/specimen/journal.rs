//! What a node keeps: one file of records, written at its end, and now and then replaced by fewer records that say the same.
//!
//! ```text
//! journal:  [head: whose, how long when written whole] [batch] [batch] …
//!                                                        └ a JSON list of records; one write, one flush
//! ```
//!
//! Records that are flushed together are one batch with one checksum, and the next batch is written only after the flush. So
//! whatever a power cut does to the file, only the *last* batch can be hurt by it, and nobody was told of that one: a bad batch at the
//! very end is a **torn tail** and is cut off. A bad batch with a good one after it was flushed once: somebody damaged it since, what
//! was promised to others is gone, and the node must not start and pretend that it never had it. (A flipped bit in the very last batch
//! cannot be told from a torn tail: nothing follows that would prove the flush.)
//!
//! A whole new journal is written beside the old one and renamed over it; the head says how long it was then, and up to there nothing can
//! be torn.
//!
//! An error from the disk ends the node: after a failed flush nobody knows what is on the disk, and asking again may say "done" without
//! it being done (Rebello et al., *Can Applications Recover from fsync Failures?*, USENIX ATC 2020).

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::parts::{atomic, record};

/// The name of the file.
pub const NAME: &str = "journal";

const MAGIC: &[u8; 8] = b"sb-jnl-1";

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
    #[error("{} belongs to {found}, not to {expected}", path.display())]
    Foreign {
        /// Which file.
        path: PathBuf,
        /// Whose it is.
        found: String,
        /// Who asked.
        expected: String,
    },
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DiskError {
    let path = path.to_owned();
    move |source| DiskError::Io { what, path, source }
}

/// A journal, open for writing.
#[derive(Debug)]
pub struct Journal {
    dir: PathBuf,
    owner: String,
    file: File,
    buffer: Vec<u8>,
}

impl Journal {
    /// Opens the journal in a directory, or makes an empty one, and returns its records. `owner` is the system and the node, such as
    /// `raft n1`. Lines for the node's log are passed to `note`.
    pub fn open<R: DeserializeOwned>(
        dir: &Path,
        owner: &str,
        note: &mut dyn FnMut(String),
    ) -> Result<(Journal, Vec<R>), DiskError> {
        std::fs::create_dir_all(dir).map_err(failed("create", dir))?;
        // A process that ended right after a rename may not have flushed the directory.
        atomic::sync_dir(dir).map_err(failed("flush", dir))?;
        let path = dir.join(NAME);
        if atomic::read(&path).map_err(failed("read", &path))?.is_none() {
            atomic::replace(dir, NAME, &whole::<()>(owner, &[])).map_err(failed("create", &path))?;
        }
        let content = std::fs::read(&path).map_err(failed("read", &path))?;
        let damaged = |what| DiskError::Damaged { path: path.clone(), what };
        let (found, scanned) = scan(&content).map_err(damaged)?;
        if found != owner {
            return Err(DiskError::Foreign { path, found, expected: owner.to_owned() });
        }
        let mut file = OpenOptions::new().write(true).open(&path).map_err(failed("open", &path))?;
        if scanned.good < content.len() {
            note(format!("torn-tail bytes={}", content.len() - scanned.good));
            file.set_len(scanned.good as u64).map_err(failed("cut", &path))?;
        }
        // A process that ended between write and flush left a good batch that the disk may not have.
        file.sync_all().map_err(failed("flush", &path))?;
        file.seek(SeekFrom::Start(scanned.good as u64)).map_err(failed("seek in", &path))?;
        let journal = Journal { dir: dir.to_owned(), owner: owner.to_owned(), file, buffer: Vec::new() };
        Ok((journal, scanned.records))
    }

    /// Adds records as one batch and flushes it.
    pub fn append<R: Serialize>(&mut self, records: &[R]) -> Result<(), DiskError> {
        self.buffer.clear();
        put_batch(&mut self.buffer, records);
        let path = self.dir.join(NAME);
        self.file.write_all(&self.buffer).map_err(failed("write", &path))?;
        self.file.sync_data().map_err(failed("flush", &path))
    }

    /// Replaces all records by these.
    pub fn rewrite<R: Serialize>(&mut self, records: &[R]) -> Result<(), DiskError> {
        let path = self.dir.join(NAME);
        let content = whole(&self.owner, records);
        atomic::replace(&self.dir, NAME, &content).map_err(failed("replace", &path))?;
        self.file = OpenOptions::new().append(true).open(&path).map_err(failed("open", &path))?;
        Ok(())
    }
}

fn put_batch<R: Serialize>(bytes: &mut Vec<u8>, records: &[R]) {
    record::put(bytes, |bytes| serde_json::to_writer(bytes, records).expect("records have a JSON form"));
}

/// The bytes of a journal that is written at once.
fn whole<R: Serialize>(owner: &str, records: &[R]) -> Vec<u8> {
    let mut content = Vec::new();
    if !records.is_empty() {
        put_batch(&mut content, records);
    }
    let head_len = record::HEADER_LEN + MAGIC.len() + 8 + owner.len();
    let mut bytes = Vec::with_capacity(head_len + content.len());
    record::put(&mut bytes, |bytes| {
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&((head_len + content.len()) as u64).to_le_bytes());
        bytes.extend_from_slice(owner.as_bytes());
    });
    bytes.extend_from_slice(&content);
    bytes
}

struct Scanned<R> {
    records: Vec<R>,
    /// Bytes up to the end of the last good batch.
    good: usize,
}

/// Reads a journal: whose it is and what it says, or what is wrong with it.
fn scan<R: DeserializeOwned>(content: &[u8]) -> Result<(String, Scanned<R>), String> {
    let head = record::get(content).and_then(|head| head.strip_prefix(MAGIC)).ok_or("its head is bad")?;
    let (sealed, owner) = head.split_first_chunk::<8>().ok_or("its head is too short")?;
    let (sealed, owner) = (u64::from_le_bytes(*sealed) as usize, String::from_utf8_lossy(owner).into_owned());
    let mut good = record::HEADER_LEN + MAGIC.len() + 8 + owner.len();
    let mut records = Vec::new();
    while good < content.len() {
        let Some(payload) = record::get(&content[good..]) else { break };
        let batch: Vec<R> = serde_json::from_slice(payload).map_err(|error| format!("byte {good}: {error}"))?;
        records.extend(batch);
        good += record::HEADER_LEN + payload.len();
    }
    if good < sealed {
        return Err(format!("the batch at byte {good} is bad, and it was written whole"));
    }
    if (good + 1..content.len()).any(|at| record::get(&content[at..]).is_some()) {
        return Err(format!("the batch at byte {good} is bad, and one after it is good"));
    }
    Ok((owner, Scanned { records, good }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_dir::TestDir;

    fn open(dir: &Path) -> Result<(Journal, Vec<u32>, Vec<String>), DiskError> {
        let mut notes = Vec::new();
        let (journal, records) = Journal::open(dir, "test n1", &mut |note| notes.push(note))?;
        Ok((journal, records, notes))
    }

    fn three_batches(dir: &Path) {
        let (mut journal, records, _) = open(dir).expect("opens");
        assert!(records.is_empty());
        for batch in [vec![1, 2], vec![3], vec![4, 5]] {
            journal.append(&batch).expect("appends");
        }
    }

    #[test]
    fn records_come_back_in_order_after_appends_and_rewrites() {
        let dir = TestDir::new("journal");
        three_batches(dir.path());
        let (mut journal, records, notes) = open(dir.path()).expect("opens");
        assert_eq!((records, notes.len()), (vec![1, 2, 3, 4, 5], 0));
        journal.rewrite(&[9]).expect("rewrites");
        journal.append(&[10]).expect("appends");
        drop(journal);
        assert_eq!(open(dir.path()).expect("opens").1, [9, 10]);
        assert!(matches!(
            Journal::open::<u32>(dir.path(), "test n2", &mut |_| ()),
            Err(DiskError::Foreign { found, .. }) if found == "test n1"
        ));
    }

    #[test]
    fn a_journal_cut_anywhere_in_its_last_batch_goes_on_before_it() {
        let dir = TestDir::new("journal-torn");
        three_batches(dir.path());
        let path = dir.path().join(NAME);
        let content = std::fs::read(&path).expect("reads");
        let last = record::HEADER_LEN + b"[4,5]".len();
        for cut in content.len() - last..content.len() {
            std::fs::write(&path, &content[..cut]).expect("writes");
            let (mut journal, records, notes) = open(dir.path()).expect("opens");
            assert_eq!(records, [1, 2, 3]);
            assert_eq!(notes.len(), usize::from(cut > content.len() - last));
            journal.append(&[6]).expect("appends");
            drop(journal);
            assert_eq!(open(dir.path()).expect("opens").1, [1, 2, 3, 6]);
        }
    }

    #[test]
    fn damage_before_what_is_good_is_refused() {
        let dir = TestDir::new("journal-damaged");
        three_batches(dir.path());
        let path = dir.path().join(NAME);
        let content = std::fs::read(&path).expect("reads");
        let last = content.len() - record::HEADER_LEN - b"[4,5]".len();
        for at in 0..last {
            let mut damaged = content.clone();
            damaged[at] ^= 0x10;
            std::fs::write(&path, &damaged).expect("writes");
            assert!(open(dir.path()).is_err(), "byte {at}");
            assert_eq!(std::fs::read(&path).expect("reads"), damaged, "nothing is touched");
        }
        let (mut journal, ..) = {
            std::fs::write(&path, &content).expect("writes");
            open(dir.path()).expect("opens")
        };
        journal.rewrite(&[7, 8]).expect("rewrites");
        let content = std::fs::read(&path).expect("reads");
        for cut in 0..content.len() {
            std::fs::write(&path, &content[..cut]).expect("writes");
            assert!(open(dir.path()).is_err(), "cut at {cut}");
        }
    }
}
