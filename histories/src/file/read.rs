//! Reading a history back, whole or damaged, ours or another tool's.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{self, Builder};

use flate2::bufread::MultiGzDecoder;

use super::batch::{Batch, Feed, Start};
use super::damage::{Damage, ReadError};
use super::intake::{Intake, Stop};
use super::seal::{SEALED_SUFFIX, with_suffix};
use super::transcribe::Syntax;
use super::{Header, InputFormat};
use crate::history::History;

const BUFFER_BYTES: usize = 256 * 1024;

/// How many batches wait to be taken in.
const WAITING: usize = 2;

/// A history that was read, and what is wrong with its file.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Every event before the damage.
    pub history: History,
    /// The first line; `None` in files of other tools.
    pub header: Option<Header>,
    /// Where reading stopped, if that was not the end of a file that was closed.
    pub damage: Option<Damage>,
}

/// How much is read, so that no file takes more memory than there is. The defaults are generous.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes in one line, or in one operation that stands on several: 64 MiB.
    pub line_bytes: u64,
    /// Bytes in all, after decompression: 16 GiB.
    pub total_bytes: u64,
    /// Number of events: as many as a [`History`] can hold.
    pub event_count: u64,
    /// [`History::memory_bytes`] of what was read: 16 GiB. It is looked at after each half of a mebibyte.
    pub memory_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { line_bytes: 64 << 20, total_bytes: 16 << 30, event_count: u32::MAX.into(), memory_bytes: 16 << 30 }
    }
}

/// Reads the file at `path`, plain or compressed, or `path.gz` where only that exists. The format is recognised.
///
/// # Errors
/// Where there is no history at all. A damaged one is no error: see [`Loaded::damage`].
pub fn read(path: &Path) -> Result<Loaded, ReadError> {
    Reader::default().read(path)
}

/// Reads whatever gives bytes, such as standard input, plain or compressed. The format is recognised.
///
/// # Errors
/// As [`read`].
pub fn read_from(source: impl BufRead) -> Result<Loaded, ReadError> {
    Reader::default().read_from(source)
}

/// Reads the file at `path` in a format, within limits.
///
/// # Errors
/// As [`read`].
pub fn read_as(path: &Path, format: InputFormat, limits: Limits) -> Result<Loaded, ReadError> {
    Reader::with_limits(limits).in_format(format).read(path)
}

/// Reads whatever gives bytes in a format, within limits.
///
/// # Errors
/// As [`read`].
pub fn read_from_as(source: impl BufRead, format: InputFormat, limits: Limits) -> Result<Loaded, ReadError> {
    Reader::with_limits(limits).in_format(format).read_from(source)
}

/// Reads histories within [`Limits`]. Compression is recognised by its first two bytes, not by the file's name.
///
/// A file of more than a mebibyte is read on two threads, with the same result as on one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reader {
    limits: Limits,
    format: InputFormat,
}

impl Reader {
    /// With other limits.
    pub fn with_limits(limits: Limits) -> Self {
        Reader { limits, ..Reader::default() }
    }

    /// For files in this format only.
    #[must_use]
    pub fn in_format(self, format: InputFormat) -> Self {
        Reader { format, ..self }
    }

    /// As [`read`].
    ///
    /// # Errors
    /// As [`read`].
    pub fn read(&self, path: &Path) -> Result<Loaded, ReadError> {
        let file = match File::open(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                File::open(with_suffix(path, SEALED_SUFFIX)).map_err(|_| ReadError::Open(e))?
            }
            other => other.map_err(ReadError::Open)?,
        };
        self.read_from(BufReader::with_capacity(BUFFER_BYTES, file))
    }

    /// As [`read_from`].
    ///
    /// # Errors
    /// As [`read`].
    pub fn read_from(&self, mut source: impl BufRead) -> Result<Loaded, ReadError> {
        let mut magic = Vec::new();
        // An error comes again, and is reported, when the lines are read.
        let _ = source.by_ref().take(2).read_to_end(&mut magic);
        // One byte of the two is a compressed file that was cut off early: no text begins with it.
        let gzip = !magic.is_empty() && [0x1f, 0x8b].starts_with(&magic);
        let whole = Cursor::new(magic).chain(source);
        match gzip {
            true => self.read_plain(BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(whole)), true),
            false => self.read_plain(whole, false),
        }
    }

    fn read_plain(&self, mut source: impl BufRead, gzip: bool) -> Result<Loaded, ReadError> {
        let start = Start::read(&mut source, gzip, &self.limits);
        let format = match self.format {
            InputFormat::Auto => InputFormat::detect(&start.bytes),
            other => other,
        };
        let feed = Feed::new(source, gzip, self.limits, Syntax::of(format), start);
        load(feed, Intake::new(format, self.limits))
    }
}

/// Reads a file to its end: a short one here, a long one on two threads.
fn load<S: BufRead>(mut feed: Feed<S>, mut intake: Intake) -> Result<Loaded, ReadError> {
    let mut batch = Batch::default();
    for _ in 0..2 {
        feed.next(&mut batch);
        if let Err(stop) = intake.take(&batch) {
            return intake.finish(stop);
        }
    }
    let stop = match on_two_threads(&mut feed, &mut intake) {
        Some(stop) => stop,
        None => on_one_thread(&mut feed, &mut intake, batch),
    };
    intake.finish(stop)
}

fn on_one_thread<S: BufRead>(feed: &mut Feed<S>, intake: &mut Intake, mut batch: Batch) -> Stop {
    loop {
        feed.next(&mut batch);
        if let Err(stop) = intake.take(&batch) {
            return stop;
        }
    }
}

/// The source stays on this thread, as it may not be able to leave it. `None`, and nothing read, where there is no other
/// thread to be had.
fn on_two_threads<S: BufRead>(feed: &mut Feed<S>, intake: &mut Intake) -> Option<Stop> {
    let (full, incoming) = sync_channel(WAITING);
    let (used, empty) = channel();
    thread::scope(|scope| {
        let taker = Builder::new().spawn_scoped(scope, move || take_all(intake, &incoming, &used)).ok()?;
        feed_all(feed, &full, &empty);
        drop(full);
        Some(taker.join().unwrap_or_else(|panic| resume_unwind(panic)))
    })
}

fn feed_all<S: BufRead>(feed: &mut Feed<S>, full: &SyncSender<Batch>, empty: &Receiver<Batch>) {
    loop {
        let mut batch = empty.try_recv().unwrap_or_default();
        let last = feed.next(&mut batch);
        if full.send(batch).is_err() || last {
            return;
        }
    }
}

fn take_all(intake: &mut Intake, incoming: &Receiver<Batch>, used: &Sender<Batch>) -> Stop {
    for batch in incoming {
        if let Err(stop) = intake.take(&batch) {
            return stop;
        }
        // The other side may be done.
        let _ = used.send(batch);
    }
    unreachable!("the last batch ends the reading")
}
