//! The write-ahead log on disk.
//!
//! ```text
//! log:  [head: base mark] [record: positions 205–207] [record: 208] [record: 209–340] …
//!                                                                   └ one write, one flush
//! ```
//!
//! Entries that are flushed together are one record, and the next record is written only after the flush. So whatever
//! a power cut does to the file, only the *last* record can be hurt by it, and that one was not acknowledged: a bad
//! record at the very end is a **torn tail** and is cut off. A bad record that has a good one after it was flushed
//! once: somebody damaged it since, acknowledged entries are gone, and the node must not start and pretend that it
//! never had them. (It cannot tell a flipped bit in the last record from a torn tail: nothing follows that would prove
//! the flush.)
//!
//! Whatever is not an append (compaction, dropping a tail) writes a new file and renames it. Its head says how long it
//! was then: up to there nothing can be torn, and everything bad is damage.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::DiskError;
use crate::parts::json::Raw;
use crate::parts::{atomic, record};
use crate::single_leader::replica::log::{Entry, Log, Mark};

pub(super) const NAME: &str = "log";

const MAGIC: &[u8; 8] = b"sb-log-1";

/// The record at the start: magic, epoch and position of the base, how long the file was when it was written whole.
const HEAD_LEN: usize = record::HEADER_LEN + MAGIC.len() + 3 * 8;

#[derive(Debug)]
pub(super) struct Wal {
    dir: PathBuf,
    file: File,
    base: Mark,
    next: u64,
    buffer: Vec<u8>,
    /// A planted bug.
    pub(super) ignores_flush_errors: bool,
}

impl Wal {
    /// Opens the log, or makes an empty one. A torn tail is cut off.
    pub(super) fn open(dir: &Path, note: &mut dyn FnMut(String)) -> Result<(Wal, Log), DiskError> {
        let path = dir.join(NAME);
        if atomic::read(&path).map_err(DiskError::io("read", &path))?.is_none() {
            atomic::replace(dir, NAME, &whole(Mark::default(), &[])).map_err(DiskError::io("create", &path))?;
        }
        let content = std::fs::read(&path).map_err(DiskError::io("read", &path))?;
        let Scanned { base, entries, good } = scan(&content).map_err(|what| DiskError::damaged(&path, what))?;
        let mut file = OpenOptions::new().write(true).open(&path).map_err(DiskError::io("open", &path))?;
        if good < content.len() {
            note(format!("cut {} bytes of a torn tail off the log", content.len() - good));
            file.set_len(good as u64).map_err(DiskError::io("cut", &path))?;
        }
        // A process that ended between write and flush left a good record that the disk may not have.
        file.sync_all().map_err(DiskError::io("flush", &path))?;
        file.seek(SeekFrom::Start(good as u64)).map_err(DiskError::io("seek in", &path))?;
        let log = Log::new(base, entries);
        let next = log.last().position + 1;
        let dir = dir.to_owned();
        Ok((Wal { dir, file, base, next, buffer: Vec::new(), ignores_flush_errors: false }, log))
    }

    /// The mark before the first entry.
    pub(super) fn base(&self) -> Mark {
        self.base
    }

    /// The position of the next entry.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Adds entries as one record and flushes it.
    pub(super) fn append(&mut self, first: u64, entries: &[Entry]) -> Result<(), DiskError> {
        assert_eq!(first, self.next, "entries are appended without gaps");
        self.buffer.clear();
        record::put(&mut self.buffer, |bytes| put_entries(bytes, first, entries));
        self.next += entries.len() as u64;
        let path = self.dir.join(NAME);
        self.file.write_all(&self.buffer).map_err(DiskError::io("write", &path))?;
        match self.file.sync_data() {
            // BUG ignores-flush-errors.
            Err(_) if self.ignores_flush_errors => Ok(()),
            flushed => flushed.map_err(DiskError::io("flush", &path)),
        }
    }

    /// Replaces the log.
    pub(super) fn rewrite(&mut self, base: Mark, entries: &[Entry]) -> Result<(), DiskError> {
        let path = self.dir.join(NAME);
        atomic::replace(&self.dir, NAME, &whole(base, entries)).map_err(DiskError::io("replace", &path))?;
        self.file = OpenOptions::new().append(true).open(&path).map_err(DiskError::io("open", &path))?;
        self.base = base;
        self.next = base.position + 1 + entries.len() as u64;
        Ok(())
    }
}

/// The bytes of a log that is written at once.
fn whole(base: Mark, entries: &[Entry]) -> Vec<u8> {
    let mut content = Vec::new();
    if !entries.is_empty() {
        record::put(&mut content, |bytes| put_entries(bytes, base.position + 1, entries));
    }
    let sealed = (HEAD_LEN + content.len()) as u64;
    let mut bytes = Vec::with_capacity(HEAD_LEN + content.len());
    record::put(&mut bytes, |bytes| {
        bytes.extend_from_slice(MAGIC);
        for number in [base.epoch, base.position, sealed] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
    });
    bytes.extend_from_slice(&content);
    bytes
}

fn put_entries(bytes: &mut Vec<u8>, first: u64, entries: &[Entry]) {
    bytes.extend_from_slice(&first.to_le_bytes());
    for entry in entries {
        let command = entry.command.get().as_bytes();
        bytes.extend_from_slice(&entry.epoch.to_le_bytes());
        bytes.extend_from_slice(&(command.len() as u32).to_le_bytes());
        bytes.extend_from_slice(command);
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*taken)
}

fn get_head(payload: &[u8]) -> Option<(Mark, u64)> {
    let mut rest = payload.strip_prefix(MAGIC)?;
    let mut number = || take(&mut rest).map(u64::from_le_bytes);
    let (epoch, position, sealed) = (number()?, number()?, number()?);
    rest.is_empty().then_some((Mark { epoch, position }, sealed))
}

fn get_entries(mut payload: &[u8], first: u64, entries: &mut Vec<Entry>) -> Option<()> {
    if u64::from_le_bytes(take(&mut payload)?) != first {
        return None;
    }
    while !payload.is_empty() {
        let epoch = u64::from_le_bytes(take(&mut payload)?);
        let length = u32::from_le_bytes(take(&mut payload)?) as usize;
        let (command, rest) = payload.split_at_checked(length)?;
        payload = rest;
        let command = Raw::parse(String::from_utf8(command.to_vec()).ok()?).ok()?;
        entries.push(Entry { epoch, command });
    }
    Some(())
}

struct Scanned {
    base: Mark,
    entries: Vec<Entry>,
    /// How many bytes from the start are good.
    good: usize,
}

fn scan(content: &[u8]) -> Result<Scanned, String> {
    let payload = record::get(content).ok_or("its head has a wrong checksum")?;
    let (base, sealed) = get_head(payload).ok_or("it is not a log of this format")?;
    let mut good = HEAD_LEN;
    let mut entries = Vec::new();
    while let Some(payload) = record::get(&content[good..]) {
        let first = base.position + 1 + entries.len() as u64;
        get_entries(payload, first, &mut entries).ok_or_else(|| {
            format!("the record at byte {good} has the right checksum and does not hold the entries from {first} on")
        })?;
        good += record::HEADER_LEN + payload.len();
    }
    if (good as u64) < sealed {
        return Err(format!("the record at byte {good} is bad and was written whole"));
    }
    let next = base.position + 1 + entries.len() as u64;
    if let Some(at) = record_after(content, good, next) {
        return Err(format!("the record at byte {good} is bad and the one at byte {at} is good"));
    }
    Ok(Scanned { base, entries, good })
}

/// Where, after a bad record, a good one begins that holds later entries.
fn record_after(content: &[u8], bad: usize, next: u64) -> Option<usize> {
    (bad + 1..content.len()).find(|&at| {
        // Looks at the position before it computes a checksum: nearly every byte fails here.
        let position = content.get(at + record::HEADER_LEN..at + record::HEADER_LEN + 8);
        let position = position.and_then(|p| p.try_into().ok()).map(u64::from_le_bytes);
        position.is_some_and(|p| p > next && p < next + (1 << 32)) && record::get(&content[at..]).is_some()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_dir::TestDir;

    fn entry(epoch: u64, n: u64) -> Entry {
        Entry { epoch, command: Raw::of(&("append", "k", n)) }
    }

    fn open(dir: &Path) -> Result<(Wal, Log, Vec<String>), DiskError> {
        let mut notes = Vec::new();
        let (wal, log) = Wal::open(dir, &mut |note| notes.push(note))?;
        Ok((wal, log, notes))
    }

    /// Three records: positions 1–2, 3, 4–6. Returns the content and where each record ends.
    fn three_records(dir: &Path) -> (Vec<u8>, Vec<usize>) {
        let path = dir.join(NAME);
        let (mut wal, _, _) = open(dir).expect("opens");
        let mut ends = vec![std::fs::metadata(&path).expect("is there").len() as usize];
        for (first, last) in [(1, 2), (3, 3), (4, 6)] {
            let entries: Vec<Entry> = (first..=last).map(|n| entry(1, n)).collect();
            wal.append(first, &entries).expect("appends");
            ends.push(std::fs::metadata(&path).expect("is there").len() as usize);
        }
        (std::fs::read(&path).expect("reads"), ends)
    }

    const POSITION_AT: [u64; 4] = [0, 2, 3, 6];

    #[test]
    fn a_log_cut_at_any_byte_keeps_every_whole_record_and_goes_on() {
        let dir = TestDir::new("wal-cut");
        let (content, ends) = three_records(dir.path());
        for cut in ends[0]..=content.len() {
            std::fs::write(dir.path().join(NAME), &content[..cut]).expect("writes");
            let whole = ends.iter().rposition(|end| *end <= cut).expect("the head is whole");
            let (mut wal, log, notes) = open(dir.path()).expect("opens");
            assert_eq!(log.last().position, POSITION_AT[whole], "cut at {cut}");
            assert_eq!(notes.is_empty(), ends.contains(&cut), "cut at {cut}: {notes:?}");
            let next = log.last().position + 1;
            wal.append(next, &[entry(2, 99)]).expect("appends");
            drop(wal);
            let (_, log, _) = open(dir.path()).expect("opens");
            assert_eq!(log.last(), Mark { epoch: 2, position: next });
        }
    }

    #[test]
    fn a_tail_of_zeroes_or_of_garbage_is_cut_off() {
        let dir = TestDir::new("wal-zeroes");
        let (content, _) = three_records(dir.path());
        for tail in [vec![0; 4096], vec![0xff; 100], b"no record, certainly".to_vec()] {
            std::fs::write(dir.path().join(NAME), [content.clone(), tail].concat()).expect("writes");
            let (_, log, notes) = open(dir.path()).expect("opens");
            assert_eq!(log.last().position, 6);
            assert_eq!(notes.len(), 1);
            assert_eq!(std::fs::read(dir.path().join(NAME)).expect("reads"), content);
        }
    }

    #[test]
    fn damage_anywhere_but_in_the_last_record_is_refused() {
        let dir = TestDir::new("wal-damage");
        let (content, ends) = three_records(dir.path());
        for at in 0..ends[2] {
            let mut damaged = content.clone();
            damaged[at] ^= 0x10;
            std::fs::write(dir.path().join(NAME), &damaged).expect("writes");
            let error = open(dir.path()).expect_err("refuses");
            assert!(matches!(error, DiskError::Damaged { .. }), "byte {at}");
            assert_eq!(std::fs::read(dir.path().join(NAME)).expect("reads"), damaged, "nothing is touched");
        }
        assert!(open(dir.path()).expect_err("refuses").to_string().contains("refusing to start"));
    }

    #[test]
    fn damage_anywhere_in_what_was_written_whole_is_refused() {
        let dir = TestDir::new("wal-sealed");
        let (mut wal, _, _) = open(dir.path()).expect("opens");
        let base = Mark { epoch: 1, position: 10 };
        wal.rewrite(base, &[entry(1, 11), entry(2, 12)]).expect("rewrites");
        drop(wal);
        let path = dir.path().join(NAME);
        let content = std::fs::read(&path).expect("reads");
        for at in 0..content.len() {
            let mut damaged = content.clone();
            damaged[at] ^= 0x10;
            std::fs::write(&path, &damaged).expect("writes");
            assert!(matches!(open(dir.path()), Err(DiskError::Damaged { .. })), "byte {at}");
            std::fs::write(&path, &content[..at]).expect("writes");
            assert!(matches!(open(dir.path()), Err(DiskError::Damaged { .. })), "cut at {at}");
        }
    }

    #[test]
    fn a_rewritten_log_holds_what_it_was_given_and_takes_more() {
        let dir = TestDir::new("wal-rewrite");
        three_records(dir.path());
        let (mut wal, log, _) = open(dir.path()).expect("opens");
        let base = log.mark(3).expect("is there");
        wal.rewrite(base, &[entry(1, 4)]).expect("rewrites");
        wal.append(5, &[entry(2, 5)]).expect("appends");
        drop(wal);
        let (_, log, notes) = open(dir.path()).expect("opens");
        assert_eq!((log.base(), log.last()), (base, Mark { epoch: 2, position: 5 }));
        assert!(notes.is_empty());
    }
}
