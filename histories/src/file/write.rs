//! Recording a history, event by event.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use serde_json::{Map, Value as Json};

use super::encode;
use crate::event::Event;
use crate::history::EventIndex;

/// As much is kept back before it is written by itself.
const BUFFER_BYTES: usize = 64 * 1024;

/// Appends events to a file, or to anything else that takes bytes.
///
/// Events are held back in a buffer of 64 KiB; [`flush`](Self::flush) hands them to the operating system, where they
/// survive the end of this process by whatever signal. Dropping the writer flushes it, but only
/// [`close`](Self::close) writes the line that says that nothing is missing.
///
/// When the disk is full or fails, the event that was being appended is not recorded and the rest waits in
/// the buffer for the next attempt: the file holds a prefix of the history at any time.
#[derive(Debug)]
pub struct HistoryWriter<W: Write> {
    /// Taken by `close`.
    out: Option<W>,
    buffer: Vec<u8>,
    events: u32,
}

impl HistoryWriter<File> {
    /// Creates the file and writes its first line, so that the file is a history from its first moment. The fields of
    /// `about` stand in the first line.
    ///
    /// # Errors
    /// Those of the file system; a file that exists is not overwritten.
    pub fn create(path: &Path, about: &Map<String, Json>) -> io::Result<Self> {
        let mut writer = HistoryWriter::new(File::create_new(path)?, about);
        writer.flush()?;
        Ok(writer)
    }

    /// Flushes, and waits until the disk has it: what survives the machine, too.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn sync(&mut self) -> io::Result<()> {
        self.flush()?;
        self.out.as_ref().map_or(Ok(()), File::sync_data)
    }
}

impl<W: Write> HistoryWriter<W> {
    /// A history that begins here.
    pub fn new(out: W, about: &Map<String, Json>) -> Self {
        let mut buffer = Vec::with_capacity(2 * BUFFER_BYTES);
        encode::header(&mut buffer, about);
        HistoryWriter { out: Some(out), buffer, events: 0 }
    }

    /// Appends an event and returns its index.
    ///
    /// # Errors
    /// Those of the output. The event is then not recorded; the same call may be tried again. An event that would not
    /// be read back as it is (a custom operation by the name of a known one, the reserved session) is refused with
    /// [`io::ErrorKind::InvalidInput`].
    pub fn append(&mut self, event: &Event) -> io::Result<EventIndex> {
        if self.buffer.len() >= BUFFER_BYTES {
            self.flush_buffer()?;
        }
        if self.events == u32::MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a history holds at most 4294967295 events"));
        }
        encode::event(&mut self.buffer, self.events, event)?;
        self.events += 1;
        Ok(EventIndex(self.events - 1))
    }

    /// Number of events appended.
    pub fn event_count(&self) -> u32 {
        self.events
    }

    /// Hands everything to the output.
    ///
    /// # Errors
    /// Those of the output; what it did not take is kept for the next attempt.
    pub fn flush(&mut self) -> io::Result<()> {
        self.flush_buffer()?;
        self.out.as_mut().map_or(Ok(()), Write::flush)
    }

    /// Ends the history with the line that says how many events it holds, and returns the output.
    ///
    /// # Errors
    /// Those of the output.
    pub fn close(mut self) -> io::Result<W> {
        encode::footer(&mut self.buffer, self.events);
        self.flush()?;
        self.out.take().ok_or_else(|| io::ErrorKind::BrokenPipe.into())
    }

    fn flush_buffer(&mut self) -> io::Result<()> {
        let Some(out) = &mut self.out else { return Ok(()) };
        let mut written = 0;
        let result = loop {
            match self.buffer.get(written..) {
                None | Some([]) => break Ok(()),
                Some(rest) => match out.write(rest) {
                    Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
                    Ok(n) => written += n,
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                    Err(e) => break Err(e),
                },
            }
        };
        self.buffer.drain(..written.min(self.buffer.len()));
        result
    }
}

impl<W: Write> Drop for HistoryWriter<W> {
    fn drop(&mut self) {
        // Whoever wants to know calls `flush` or `close`.
        let _ = self.flush();
    }
}
