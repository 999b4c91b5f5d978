//! From lines to events: the second half of reading.

use super::batch::{Batch, End, Origin};
use super::damage::{Damage, DamageKind, ReadError};
use super::decode::{self, Dialect, Foreign};
use super::transcribe::Syntax;
use super::{Header, InputFormat, Limits, Loaded, VERSION, scan, tuples};
use crate::history::History;

/// Why reading stops.
pub(super) enum Stop {
    /// The file ended as it should.
    End,
    Damage(Damage),
    Error(ReadError),
}

/// What is wrong with a line, before it is known where that stands.
enum Wrong {
    Kind(DamageKind),
    Error(ReadError),
}

impl From<DamageKind> for Wrong {
    fn from(kind: DamageKind) -> Self {
        Wrong::Kind(kind)
    }
}

type Taken = std::result::Result<(), Wrong>;

/// One file that is being read.
pub(super) struct Intake {
    limits: Limits,
    history: History,
    header: Option<Header>,
    /// Known after the first line.
    dialect: Option<Dialect>,
    /// For finding places in files that are transcribed.
    syntax: Option<Syntax>,
    /// The last line was read, up to the end of the line.
    closed: bool,
    line: u64,
    /// Where the current line starts.
    offset: u64,
    /// Where it ends.
    total: u64,
}

impl Intake {
    pub fn new(format: InputFormat, limits: Limits) -> Self {
        let syntax = Syntax::of(format);
        Intake {
            limits,
            history: History::new(),
            header: None,
            dialect: syntax.is_some().then(|| Dialect::Foreign(Foreign::default())),
            syntax,
            closed: false,
            line: 0,
            offset: 0,
            total: 0,
        }
    }

    /// Takes in one batch; nothing may follow where reading stops.
    pub fn take(&mut self, batch: &Batch) -> std::result::Result<(), Stop> {
        match self.syntax.is_some() {
            true => self.transcribed(batch),
            false => self.lines(batch),
        }
    }

    /// What was read, and what is wrong with it.
    pub fn finish(mut self, stop: Stop) -> Result<Loaded, ReadError> {
        let damage = match stop {
            Stop::End => None,
            Stop::Damage(damage) => Some(damage),
            Stop::Error(error) => return Err(error),
        };
        if let Some(Dialect::Foreign(foreign)) = &mut self.dialect
            && foreign.tuples.give_up_unproven()
        {
            self.history = tuples::undone(&self.history, &foreign.bare);
        }
        Ok(Loaded { history: self.history, header: self.header, damage })
    }

    fn stop(&self, wrong: Wrong) -> Stop {
        match wrong {
            Wrong::Kind(kind) => Stop::Damage(Damage { line: self.line.max(1), offset: self.offset, kind }),
            Wrong::Error(error) => Stop::Error(error),
        }
    }

    fn check_memory(&self) -> Taken {
        let limit = self.limits.memory_bytes;
        match self.history.memory_bytes() > limit {
            true => Err(DamageKind::TooLarge { what: "bytes of memory", limit }.into()),
            false => Ok(()),
        }
    }
}

/// Lines of the file itself.
impl Intake {
    fn lines(&mut self, batch: &Batch) -> std::result::Result<(), Stop> {
        let taken = match &batch.text {
            Ok(text) => self.text_lines(text, batch.end.as_ref()),
            Err(bytes) => self.byte_lines(bytes, batch.end.as_ref()),
        };
        taken.and_then(|()| self.check_memory()).map_err(|wrong| self.stop(wrong))?;
        let end = match &batch.end {
            None => return Ok(()),
            Some(End::Failure(kind)) => Err(kind.clone().into()),
            Some(_) => self.end(),
        };
        Err(end.map_or_else(|wrong| self.stop(wrong), |()| Stop::End))
    }

    /// Lines that the fast reader can go through from one to the next.
    fn text_lines(&mut self, text: &str, end: Option<&End>) -> Taken {
        let mut at = 0;
        while at < text.len() {
            let rest = &text[at..];
            at += match self.fast(rest) {
                Some(len) => {
                    self.begin_line(len)?;
                    len
                }
                None => {
                    let line = rest.find('\n').map_or(rest, |len| &rest[..=len]);
                    self.byte_line(line.as_bytes(), end)?;
                    line.len()
                }
            };
        }
        Ok(())
    }

    fn byte_lines(&mut self, bytes: &[u8], end: Option<&End>) -> Taken {
        bytes.split_inclusive(|b| *b == b'\n').try_for_each(|line| self.byte_line(line, end))
    }

    /// The event at the beginning of the text, if it is one as they mostly are, and no limit is near.
    fn fast(&mut self, rest: &str) -> Option<usize> {
        let limit = self.limits.line_bytes.min(self.limits.total_bytes - self.total);
        if rest.len() as u64 > limit || self.closed || !self.has_room() {
            return None;
        }
        match &mut self.dialect {
            None => None,
            Some(Dialect::Own) => scan::own(rest, &mut self.history),
            Some(Dialect::Foreign(foreign)) => scan::foreign(rest, foreign, &mut self.history),
        }
    }

    fn has_room(&self) -> bool {
        (self.history.len() as u64) < self.limits.event_count
    }

    fn begin_line(&mut self, len: usize) -> Taken {
        let Limits { line_bytes, total_bytes, .. } = self.limits;
        self.offset = self.total;
        self.line += 1;
        let len = len as u64;
        if len > line_bytes {
            return Err(DamageKind::TooLarge { what: "bytes in one line", limit: line_bytes }.into());
        }
        if len > total_bytes - self.total {
            return Err(DamageKind::TooLarge { what: "bytes", limit: total_bytes }.into());
        }
        self.total += len;
        Ok(())
    }

    /// Takes in one line. A line without its end counts if it is a whole event; if not, the failure that cut it off is
    /// what is wrong with it.
    fn byte_line(&mut self, bytes: &[u8], end: Option<&End>) -> Taken {
        self.begin_line(bytes.len())?;
        let whole = bytes.ends_with(b"\n");
        let result = match std::str::from_utf8(bytes) {
            Ok(text) => self.line(text.trim_end_matches(['\n', '\r']), whole),
            Err(_) if self.dialect.is_none() && (whole || !bytes.starts_with(b"{")) => {
                let problem = "expected text, found bytes".to_owned();
                Err(Wrong::Error(ReadError::NotAHistory { line: self.line, problem }))
            }
            Err(e) => Err(DamageKind::InvalidUtf8 { column: e.valid_up_to() + 1 }.into()),
        };
        match (result, end) {
            (Err(Wrong::Kind(DamageKind::BadLine { .. } | DamageKind::InvalidUtf8 { .. })), _) if !whole => {
                Err(if let Some(End::Failure(kind)) = end { kind.clone() } else { DamageKind::Torn }.into())
            }
            (other, _) => other,
        }
    }

    fn line(&mut self, text: &str, whole: bool) -> Taken {
        if matches!(self.dialect, Some(Dialect::Own))
            && !self.closed
            && let Some(said) = decode::footer(text)
        {
            return self.footer(said, whole);
        }
        if text.trim_ascii().is_empty() {
            return Ok(());
        }
        if self.closed {
            return Err(DamageKind::AfterEnd.into());
        }
        match &self.dialect {
            Some(_) => self.event(text).map_err(Wrong::from),
            None => self.first(text, whole),
        }
    }

    /// The first line decides whose file this is.
    fn first(&mut self, text: &str, whole: bool) -> Taken {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        match decode::header(text) {
            Some((version, _)) if version > VERSION.into() => return Err(Wrong::Error(ReadError::Newer { version })),
            Some((_, header)) => {
                self.header = Some(header);
                self.dialect = Some(Dialect::Own);
                return Ok(());
            }
            None => {}
        }
        let line = self.line;
        let not_a_history = |problem| Err(Wrong::Error(ReadError::NotAHistory { line, problem }));
        match self.event(text) {
            Err(DamageKind::BadLine { .. }) if text.starts_with('[') => {
                not_a_history("expected one event a line, found a JSON array".to_owned())
            }
            Err(kind @ DamageKind::BadLine { .. }) if whole || !text.starts_with('{') => {
                not_a_history(format!("expected an event or the header of a history; {kind}"))
            }
            other => other.map_err(Wrong::from),
        }
    }

    fn event(&mut self, text: &str) -> std::result::Result<(), DamageKind> {
        let dialect = self.dialect.get_or_insert(Dialect::Foreign(Foreign::default()));
        if let Dialect::Foreign(foreign) = dialect
            && decode::contradicts_tuples(text, &self.history, foreign)
        {
            self.history = tuples::undone(&self.history, &foreign.bare);
            foreign.bare = Vec::new();
            foreign.tuples.give_up();
        }
        let event = decode::event(text, &self.history, dialect)
            .map_err(|e| DamageKind::BadLine { column: e.column, problem: e.problem })?;
        if self.history.len() as u64 >= self.limits.event_count {
            return Err(DamageKind::TooLarge { what: "events", limit: self.limits.event_count });
        }
        self.history.try_push(&event).map(drop).map_err(DamageKind::Full)
    }

    fn footer(&mut self, said: u64, whole: bool) -> Taken {
        let found = self.history.len() as u64;
        if said != found {
            return Err(DamageKind::WrongCount { said, found }.into());
        }
        self.closed = whole;
        Ok(())
    }

    fn end(&mut self) -> Taken {
        self.offset = self.total;
        match &self.dialect {
            None => Err(DamageKind::Empty.into()),
            Some(Dialect::Own) if !self.closed => Err(DamageKind::NotClosed.into()),
            Some(_) => Ok(()),
        }
    }
}

/// Lines that were transcribed, each from an operation.
impl Intake {
    fn transcribed(&mut self, batch: &Batch) -> std::result::Result<(), Stop> {
        let taken = match &batch.text {
            Ok(text) => self.transcribed_lines(text, batch),
            Err(bytes) => {
                let mut lines = bytes.split_inclusive(|b| *b == b'\n').zip(&batch.origins);
                lines.try_for_each(|(line, origin)| match std::str::from_utf8(line) {
                    Ok(text) => self.transcribed_line(text, origin, batch),
                    Err(e) => {
                        let column = self.go_to(origin, batch, e.valid_up_to());
                        Err(DamageKind::InvalidUtf8 { column }.into())
                    }
                })
            }
        };
        taken.and_then(|()| self.check_memory()).map_err(|wrong| self.stop(wrong))?;
        match &batch.end {
            None => Ok(()),
            Some(End::Damage(Damage { line, kind: kind @ DamageKind::BadLine { .. }, .. }))
                if self.history.is_empty() =>
            {
                Err(Stop::Error(ReadError::NotAHistory { line: *line, problem: kind.to_string() }))
            }
            Some(End::Damage(damage)) => Err(Stop::Damage(damage.clone())),
            Some(End::Failure(_) | End::File) => Err(Stop::End),
        }
    }

    fn transcribed_lines(&mut self, text: &str, batch: &Batch) -> Taken {
        let mut at = 0;
        for origin in &batch.origins {
            let rest = &text[at..];
            at += match self.fast(rest) {
                Some(len) => len,
                None => {
                    let line = rest.find('\n').map_or(rest, |len| &rest[..=len]);
                    self.transcribed_line(line, origin, batch)?;
                    line.len()
                }
            };
        }
        Ok(())
    }

    fn transcribed_line(&mut self, line: &str, origin: &Origin, batch: &Batch) -> Taken {
        match self.event(line.trim_end_matches('\n')) {
            Ok(()) => Ok(()),
            Err(DamageKind::BadLine { column, problem }) => {
                let column = self.go_to(origin, batch, column.saturating_sub(1));
                let kind = DamageKind::BadLine { column, problem };
                match self.history.is_empty() {
                    true => Err(Wrong::Error(ReadError::NotAHistory { line: self.line, problem: kind.to_string() })),
                    false => Err(kind.into()),
                }
            }
            Err(kind) => {
                self.go_to(origin, batch, 0);
                Err(kind.into())
            }
        }
    }

    /// Makes the place in the file that a byte of a line comes from the current one, and returns its column.
    fn go_to(&mut self, origin: &Origin, batch: &Batch, at: usize) -> usize {
        let Some(syntax) = &self.syntax else { return at + 1 };
        let (line, line_start, column) = batch.locate(origin, syntax, at);
        self.line = line;
        self.offset = line_start;
        column + 1
    }
}
