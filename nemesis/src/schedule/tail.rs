//! Reads the lines that nodes add to their output files, without waiting for any.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

/// Follows a few growing files. A file need not exist yet; one that became shorter is read from its beginning again.
pub struct OutputTail {
    files: Vec<Tail>,
}

struct Tail {
    node: usize,
    path: PathBuf,
    file: Option<File>,
    offset: u64,
    partial: Vec<u8>,
}

/// Read from one file in one go, so that a node that floods its log does not hold up the nemesis.
const MOST_BYTES: usize = 256 * 1024;
/// Longer lines are cut into pieces of this size.
const LONGEST_LINE: usize = 64 * 1024;

impl OutputTail {
    /// Follows these files from here on: position of the node, path. A node may have several. What they hold already is
    /// passed over; a file that is made later is read from its beginning.
    pub fn new(files: impl IntoIterator<Item = (usize, PathBuf)>) -> Self {
        let tail = |(node, path): (usize, PathBuf)| {
            let offset = std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
            Tail { node, path, file: None, offset, partial: Vec::new() }
        };
        OutputTail { files: files.into_iter().map(tail).collect() }
    }

    /// The complete lines that were added since the last call, per file in their order: position of the node, line
    /// without its end. Bytes that are no UTF-8 are replaced. A file that cannot be read has nothing new.
    pub fn read(&mut self) -> Vec<(usize, String)> {
        let mut lines = Vec::new();
        for tail in &mut self.files {
            tail.read(&mut lines);
        }
        lines
    }
}

impl Tail {
    fn read(&mut self, lines: &mut Vec<(usize, String)>) {
        let added = self.added().unwrap_or_default();
        self.partial.extend_from_slice(&added);
        let mut start = 0;
        while let Some(end) = line_end(&self.partial[start..]) {
            let line = &self.partial[start..start + end.length];
            lines.push((self.node, String::from_utf8_lossy(line).trim_end_matches('\r').to_owned()));
            start += end.consumed;
        }
        self.partial.drain(..start);
    }

    fn added(&mut self) -> std::io::Result<Vec<u8>> {
        if self.file.is_none() {
            self.file = Some(File::open(&self.path)?);
        }
        let Some(file) = &mut self.file else { return Ok(Vec::new()) };
        let length = file.metadata()?.len();
        if length < self.offset {
            self.offset = 0;
            self.partial.clear();
        }
        if length == self.offset {
            return Ok(Vec::new());
        }
        file.seek(SeekFrom::Start(self.offset))?;
        let mut added = Vec::new();
        file.take(MOST_BYTES as u64).read_to_end(&mut added)?;
        self.offset += added.len() as u64;
        Ok(added)
    }
}

struct LineEnd {
    length: usize,
    consumed: usize,
}

fn line_end(bytes: &[u8]) -> Option<LineEnd> {
    match bytes.iter().take(LONGEST_LINE).position(|byte| *byte == b'\n') {
        Some(length) => Some(LineEnd { length, consumed: length + 1 }),
        None if bytes.len() >= LONGEST_LINE => Some(LineEnd { length: LONGEST_LINE, consumed: LONGEST_LINE }),
        None => None,
    }
}
