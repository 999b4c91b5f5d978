//! From bytes to batches of whole lines: the first half of reading.
//!
//! ```text
//! source ─ gunzip ─▶ Feed ──────▶ batches of whole lines ──────▶ Intake ─▶ history
//!                    (transcribes)   ◀── used ones go back
//! ```
//! A long file has a thread for each half. Batches are taken in in their order by one `Intake`, so the history is
//! the same as if one thread had done it all. JSON Lines pass as they are, cut at the last end of a line; everything
//! else is transcribed into JSON Lines, with the origin of each line beside it.

use std::io::{self, BufRead};

use super::Limits;
use super::damage::{Damage, DamageKind};
use super::transcribe::{Bad, Out, Step, Syntax};

/// A batch is handed on when it has this length.
const BATCH_BYTES: usize = 512 * 1024;

/// Lines, and what is known about them.
#[derive(Debug)]
pub(super) struct Batch {
    /// The lines, if they are text.
    pub text: Result<String, Vec<u8>>,
    /// Where each line comes from, if they are transcribed.
    pub origins: Vec<Origin>,
    /// What they are transcribed from.
    pub raw: Vec<u8>,
    /// What comes after them.
    pub end: Option<End>,
}

/// Where a transcribed line comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    /// The line of the file in which the operation begins, from 1, and where that begins.
    pub line: u64,
    pub line_start: u64,
    /// Where in the file the operation begins.
    pub start: u64,
    /// Where in `raw` it begins and ends.
    pub raw: (usize, usize),
}

/// How a file ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// There is no more of it.
    File,
    /// It cannot be read on.
    Failure(DamageKind),
    /// It cannot be transcribed from a place on.
    Damage(Damage),
}

impl Default for Batch {
    fn default() -> Self {
        Batch { text: Ok(String::new()), origins: Vec::new(), raw: Vec::new(), end: None }
    }
}

impl Batch {
    /// Empties it and takes its buffer for bytes.
    fn reuse(&mut self) -> Vec<u8> {
        self.origins.clear();
        self.raw.clear();
        self.end = None;
        let mut bytes = match std::mem::replace(&mut self.text, Ok(String::new())) {
            Ok(text) => text.into_bytes(),
            Err(bytes) => bytes,
        };
        bytes.clear();
        bytes
    }

    fn fill(&mut self, bytes: Vec<u8>) {
        self.text = String::from_utf8(bytes).map_err(|e| e.into_bytes());
    }
}

/// Makes batches.
pub(super) struct Feed<S> {
    source: Source<S>,
    limits: Limits,
    /// Bytes that were read and are in no batch yet.
    window: Vec<u8>,
    transcribing: Option<Transcribing>,
}

/// Where in a file of another syntax we are.
struct Transcribing {
    syntax: Syntax,
    /// The place in the file where the window begins.
    offset: u64,
    line: u64,
    line_start: u64,
    /// An operation was found.
    found: bool,
}

impl<S: BufRead> Feed<S> {
    /// `window` is what was already read, `end` what was found behind it.
    pub fn new(source: S, gzip: bool, limits: Limits, syntax: Option<Syntax>, start: Start) -> Self {
        let mut window = start.bytes;
        let mut offset = 0;
        if syntax.is_some() && window.starts_with(b"\xef\xbb\xbf") {
            window.drain(..3);
            offset = 3;
        }
        let read = window.len() as u64 + offset;
        let transcribing = syntax.map(|syntax| Transcribing { syntax, offset, line: 1, line_start: 0, found: false });
        Feed {
            source: Source { source, gzip, read, limit: limits.total_bytes, end: start.end },
            limits,
            window,
            transcribing,
        }
    }

    /// Makes the next batch, and says whether it is the last.
    pub fn next(&mut self, batch: &mut Batch) -> bool {
        let bytes = batch.reuse();
        match self.transcribing.take() {
            None => self.lines(bytes, batch),
            Some(mut transcribing) => {
                self.transcribe(&mut transcribing, bytes, batch);
                self.transcribing = Some(transcribing);
            }
        }
        batch.end.is_some()
    }

    /// What was read up to the last end of a line; all of it at the end of the file, and where a line is too long.
    fn lines(&mut self, mut bytes: Vec<u8>, batch: &mut Batch) {
        let mut wanted = BATCH_BYTES;
        let mut searched = 0;
        let whole = loop {
            self.source.read(&mut self.window, wanted);
            if self.source.end.is_some() || self.is_beyond_limits() {
                batch.end = Some(self.source.end.clone().unwrap_or(End::File));
                break self.window.len();
            }
            match self.window[searched..].iter().rposition(|b| *b == b'\n') {
                Some(at) => break searched + at + 1,
                None => searched = self.window.len(),
            }
            wanted = 2 * self.window.len();
        };
        bytes.extend_from_slice(&self.window[whole..]);
        self.window.truncate(whole);
        batch.fill(std::mem::replace(&mut self.window, bytes));
    }

    fn is_beyond_limits(&self) -> bool {
        let no_line_ends = || !self.window.contains(&b'\n');
        self.source.read > self.limits.total_bytes
            || (self.window.len() as u64 > self.limits.line_bytes && no_line_ends())
    }

    fn transcribe(&mut self, place: &mut Transcribing, bytes: Vec<u8>, batch: &mut Batch) {
        let mut out = Out { bytes, marks: None };
        let mut at = 0;
        let end = loop {
            if out.bytes.len() >= BATCH_BYTES {
                break None;
            }
            let whole = self.source.end.is_some();
            let step = match self.window.is_empty() && !whole {
                true => Step::More,
                false => place.syntax.step(&self.window, at, whole, &mut out),
            };
            match step {
                Step::Record { start, end } if (end - start) as u64 > self.limits.line_bytes => {
                    let limit = self.limits.line_bytes;
                    let kind = DamageKind::TooLarge { what: "bytes in one operation", limit };
                    break Some(place.damage(&self.window[at..start], kind));
                }
                Step::Record { start, end } => {
                    place.pass(&self.window[at..start]);
                    batch.origins.push(place.origin(&self.window[start..end], &mut batch.raw));
                    out.bytes.push(b'\n');
                    place.found = true;
                    place.pass(&self.window[start..end]);
                    at = end;
                }
                Step::Skip(to) => {
                    place.pass(&self.window[at..to]);
                    at = to;
                }
                Step::Bad(bad) => break Some(self.bad(place, at, bad)),
                Step::End => break Some(self.ended(place)),
                Step::More => {
                    self.window.drain(..at);
                    at = 0;
                    if let Some(damage) = self.more(place) {
                        break Some(damage);
                    }
                }
            }
        };
        self.window.drain(..at);
        batch.end = end;
        batch.fill(out.bytes);
    }

    /// Reads on, twice as far as before where an operation does not end in what there is.
    fn more(&mut self, place: &mut Transcribing) -> Option<End> {
        let Limits { line_bytes, total_bytes, .. } = self.limits;
        let mut too_large = |what, limit| Some(place.damage(&[], DamageKind::TooLarge { what, limit }));
        if self.window.len() as u64 > line_bytes {
            return too_large("bytes in one operation", line_bytes);
        }
        if self.source.read > total_bytes {
            return too_large("bytes", total_bytes);
        }
        let wanted = BATCH_BYTES.max(2 * self.window.len());
        self.source.read(&mut self.window, wanted);
        None
    }

    /// A file that breaks off in the middle is damaged where the source says, not by what is missing.
    fn bad(&self, place: &mut Transcribing, at: usize, bad: Bad) -> End {
        match &self.source.end {
            Some(End::Failure(kind)) if bad.at >= self.window.len() => place.damage(&self.window[at..], kind.clone()),
            _ => {
                place.pass(&self.window[at..bad.at.min(self.window.len())]);
                let column = (place.offset - place.line_start) as usize + 1;
                place.damage(&[], DamageKind::BadLine { column, problem: bad.problem })
            }
        }
    }

    fn ended(&self, place: &mut Transcribing) -> End {
        match &self.source.end {
            Some(End::Failure(kind)) => place.damage(&[], kind.clone()),
            _ if self.source.read == 0 => place.damage(&[], DamageKind::Empty),
            _ if !place.found && matches!(place.syntax, Syntax::Log(_)) => {
                let problem = "expected a line that tells of an operation, found none in the whole file".to_owned();
                place.damage(&[], DamageKind::BadLine { column: 1, problem })
            }
            _ => End::File,
        }
    }
}

impl Transcribing {
    /// Goes past these bytes.
    fn pass(&mut self, bytes: &[u8]) {
        let lines = bytes.iter().filter(|b| **b == b'\n').count();
        if lines > 0 {
            self.line += lines as u64;
            let last = bytes.iter().rposition(|b| *b == b'\n').unwrap_or_default();
            self.line_start = self.offset + last as u64 + 1;
        }
        self.offset += bytes.len() as u64;
    }

    fn origin(&self, record: &[u8], raw: &mut Vec<u8>) -> Origin {
        let start = raw.len();
        raw.extend_from_slice(record);
        Origin { line: self.line, line_start: self.line_start, start: self.offset, raw: (start, raw.len()) }
    }

    /// Damage behind these bytes.
    fn damage(&mut self, bytes: &[u8], kind: DamageKind) -> End {
        self.pass(bytes);
        End::Damage(Damage { line: self.line, offset: self.line_start, kind })
    }
}

impl Batch {
    /// Where the byte `at` of a transcribed line comes from: the line of the file, where that starts, and the byte in it.
    pub fn locate(&self, origin: &Origin, syntax: &Syntax, at: usize) -> (u64, u64, usize) {
        let record = &self.raw[origin.raw.0..origin.raw.1];
        let at = syntax.locate(record, at).min(record.len());
        let mut place = Transcribing {
            syntax: Syntax::Log(super::transcribe::log::Log),
            offset: origin.start,
            line: origin.line,
            line_start: origin.line_start,
            found: true,
        };
        place.pass(&record[..at]);
        (place.line, place.line_start, (place.offset - place.line_start) as usize)
    }
}

/// The first bytes of a file.
pub(super) struct Start {
    pub bytes: Vec<u8>,
    pub end: Option<End>,
}

impl Start {
    /// As much as it takes to tell a format.
    pub fn read(source: &mut impl BufRead, gzip: bool, limits: &Limits) -> Start {
        let mut source = Source { source, gzip, read: 0, limit: limits.total_bytes, end: None };
        let mut bytes = Vec::new();
        source.read(&mut bytes, 64 * 1024);
        Start { bytes, end: source.end }
    }
}

/// What gives bytes, until it ends or fails.
struct Source<S> {
    source: S,
    gzip: bool,
    /// Number of bytes read, and how many may be.
    read: u64,
    limit: u64,
    end: Option<End>,
}

impl<S: BufRead> Source<S> {
    /// Reads until there are this many bytes, or no more. Of a file that is too long, one byte too much is read.
    fn read(&mut self, into: &mut Vec<u8>, len: usize) {
        let left = (self.limit + 1).saturating_sub(self.read);
        let len = len.min(into.len().saturating_add(usize::try_from(left).unwrap_or(usize::MAX)));
        while into.len() < len && self.end.is_none() {
            match self.source.fill_buf() {
                Ok([]) => self.end = Some(End::File),
                Ok(bytes) => {
                    let taken = bytes.len().min(len - into.len());
                    into.extend_from_slice(&bytes[..taken]);
                    self.source.consume(taken);
                    self.read += taken as u64;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => self.end = Some(End::Failure(self.failure(&e))),
            }
        }
    }

    fn failure(&self, error: &io::Error) -> DamageKind {
        let problem = error.to_string();
        if self.gzip { DamageKind::Gzip { problem } } else { DamageKind::Io { problem } }
    }
}
