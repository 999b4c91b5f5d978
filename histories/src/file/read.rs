//! Reading a history back, whole or damaged.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::damage::{Damage, DamageKind, ReadError};
use super::decode::{self, Dialect, Foreign};
use super::seal::{SEALED_SUFFIX, with_suffix};
use super::{Header, VERSION, scan};
use crate::history::History;

const BUFFER_BYTES: usize = 256 * 1024;

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
    /// Bytes in one line: 64 MiB.
    pub line_bytes: u64,
    /// Bytes in all, after decompression: 16 GiB.
    pub total_bytes: u64,
    /// Number of events: as many as a [`History`] can hold.
    pub event_count: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { line_bytes: 64 << 20, total_bytes: 16 << 30, event_count: u32::MAX.into() }
    }
}

/// Reads the file at `path`, plain or compressed, or `path.gz` where only that exists.
///
/// # Errors
/// Where there is no history at all. A damaged one is no error: see [`Loaded::damage`].
pub fn read(path: &Path) -> Result<Loaded, ReadError> {
    Reader::default().read(path)
}

/// Reads whatever gives bytes, such as standard input, plain or compressed.
///
/// # Errors
/// As [`read`].
pub fn read_from(source: impl BufRead) -> Result<Loaded, ReadError> {
    Reader::default().read_from(source)
}

/// Reads histories within [`Limits`]. Compression is recognised by its first two bytes, not by the file's name.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reader {
    limits: Limits,
}

impl Reader {
    /// With other limits.
    pub fn with_limits(limits: Limits) -> Self {
        Reader { limits }
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
        let compressed = !magic.is_empty() && [0x1f, 0x8b].starts_with(&magic);
        let whole = Cursor::new(magic).chain(source);
        if compressed {
            let plain = BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(whole));
            Loading::new(plain, true, self.limits).run()
        } else {
            Loading::new(whole, false, self.limits).run()
        }
    }
}

/// Why reading stops.
enum Stop {
    Damage(DamageKind),
    Error(ReadError),
}

impl From<DamageKind> for Stop {
    fn from(kind: DamageKind) -> Self {
        Stop::Damage(kind)
    }
}

/// One file that is being read.
struct Loading<S> {
    source: S,
    compressed: bool,
    limits: Limits,
    history: History,
    header: Option<Header>,
    /// Known after the first line.
    dialect: Option<Dialect>,
    /// The last line was read, up to the end of the line.
    closed: bool,
    line: u64,
    offset: u64,
    /// Bytes read, the current line included.
    total: u64,
}

impl<S: BufRead> Loading<S> {
    fn new(source: S, compressed: bool, limits: Limits) -> Self {
        Loading {
            source,
            compressed,
            limits,
            history: History::new(),
            header: None,
            dialect: None,
            closed: false,
            line: 0,
            offset: 0,
            total: 0,
        }
    }

    fn run(mut self) -> Result<Loaded, ReadError> {
        let damage = match self.lines() {
            Ok(()) => None,
            Err(Stop::Damage(kind)) => Some(Damage { line: self.line.max(1), offset: self.offset, kind }),
            Err(Stop::Error(error)) => return Err(error),
        };
        Ok(Loaded { history: self.history, header: self.header, damage })
    }

    fn lines(&mut self) -> Result<(), Stop> {
        let mut line = Vec::new();
        loop {
            line.clear();
            let failure = self.next_line(&mut line)?;
            let whole = line.ends_with(b"\n");
            if !line.is_empty() {
                self.line(&line, whole, failure.as_ref())?;
            }
            match failure {
                Some(failure) => return Err(failure.into()),
                None if !whole => return self.end(),
                None => {}
            }
        }
    }

    /// Reads up to the next end of line, and returns what kept it from getting there.
    fn next_line(&mut self, line: &mut Vec<u8>) -> Result<Option<DamageKind>, Stop> {
        self.offset = self.total;
        let limit = self.limits.line_bytes.min(self.limits.total_bytes - self.total);
        let result = self.source.by_ref().take(limit + 1).read_until(b'\n', line);
        let len = line.len() as u64;
        if len > 0 || result.is_err() {
            self.line += 1;
        }
        if len > self.limits.line_bytes {
            return Err(DamageKind::TooLarge { what: "bytes in one line", limit: self.limits.line_bytes }.into());
        }
        if len > limit {
            return Err(DamageKind::TooLarge { what: "bytes", limit: self.limits.total_bytes }.into());
        }
        self.total += len;
        let problem = |e: io::Error| match self.compressed {
            true => DamageKind::Gzip { problem: e.to_string() },
            false => DamageKind::Io { problem: e.to_string() },
        };
        Ok(result.err().map(problem))
    }

    /// Takes in one line. A line without its end counts if it is a whole event; if not, the failure that cut it off is
    /// what is wrong with it.
    fn line(&mut self, bytes: &[u8], whole: bool, failure: Option<&DamageKind>) -> Result<(), Stop> {
        let result = match std::str::from_utf8(bytes) {
            Ok(text) => self.text(text.trim_end_matches(['\n', '\r']), whole),
            Err(_) if self.dialect.is_none() && (whole || !bytes.starts_with(b"{")) => {
                Err(Stop::Error(ReadError::NotAHistory { problem: "expected text, found bytes".to_owned() }))
            }
            Err(e) => Err(DamageKind::InvalidUtf8 { column: e.valid_up_to() + 1 }.into()),
        };
        match result {
            Err(Stop::Damage(DamageKind::BadLine { .. } | DamageKind::InvalidUtf8 { .. })) if !whole => {
                Err(failure.cloned().unwrap_or(DamageKind::Torn).into())
            }
            other => other,
        }
    }

    fn text(&mut self, text: &str, whole: bool) -> Result<(), Stop> {
        let next = self.history.len() as u32;
        if matches!(self.dialect, Some(Dialect::Own)) && !self.closed {
            if u64::from(next) < self.limits.event_count && scan::scan(text, next, &mut self.history).is_some() {
                return Ok(());
            }
            if let Some(said) = decode::footer(text) {
                return self.footer(said, whole);
            }
        }
        if text.trim_ascii().is_empty() {
            return Ok(());
        }
        if self.closed {
            return Err(DamageKind::AfterEnd.into());
        }
        match &self.dialect {
            Some(_) => self.event(text).map_err(Stop::from),
            None => self.first(text, whole),
        }
    }

    fn event(&mut self, text: &str) -> Result<(), DamageKind> {
        let dialect = self.dialect.get_or_insert(Dialect::Foreign(Foreign::default()));
        let event = decode::event(text, &self.history, dialect)
            .map_err(|e| DamageKind::BadLine { column: e.column, problem: e.problem })?;
        if self.history.len() as u64 >= self.limits.event_count {
            return Err(DamageKind::TooLarge { what: "events", limit: self.limits.event_count });
        }
        self.history.try_push(&event).map(drop).map_err(DamageKind::Full)
    }

    /// The first line decides whose file this is.
    fn first(&mut self, text: &str, whole: bool) -> Result<(), Stop> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        match decode::header(text) {
            Some((version, _)) if version > VERSION.into() => return Err(Stop::Error(ReadError::Newer { version })),
            Some((_, header)) => {
                self.header = Some(header);
                self.dialect = Some(Dialect::Own);
                return Ok(());
            }
            None => {}
        }
        match self.event(text) {
            Err(DamageKind::BadLine { .. }) if text.starts_with('[') => {
                let problem = "expected one event a line, found a JSON array".to_owned();
                Err(Stop::Error(ReadError::NotAHistory { problem }))
            }
            Err(kind @ DamageKind::BadLine { .. }) if whole || !text.starts_with('{') => {
                let problem = format!("expected an event or the header of a history; {kind}");
                Err(Stop::Error(ReadError::NotAHistory { problem }))
            }
            other => other.map_err(Stop::from),
        }
    }

    fn footer(&mut self, said: u64, whole: bool) -> Result<(), Stop> {
        let found = self.history.len() as u64;
        if said != found {
            return Err(DamageKind::WrongCount { said, found }.into());
        }
        self.closed = whole;
        Ok(())
    }

    fn end(&mut self) -> Result<(), Stop> {
        self.offset = self.total;
        match &self.dialect {
            None => Err(DamageKind::Empty.into()),
            Some(Dialect::Own) if !self.closed => Err(DamageKind::NotClosed.into()),
            Some(_) => Ok(()),
        }
    }
}
