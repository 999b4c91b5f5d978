//! What can be wrong with a file: words and places.

use std::io;

use super::VERSION;
use crate::history::HistoryError;

/// The place from which on a file cannot be trusted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} (byte {offset}): {kind}")]
pub struct Damage {
    /// The line, from 1.
    pub line: u64,
    /// Where the line starts, in bytes from 0, after decompression.
    pub offset: u64,
    /// What is wrong.
    pub kind: DamageKind,
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DamageKind {
    /// There is nothing in it, not even a first line.
    #[error("the file is empty")]
    Empty,
    /// The last line is incomplete: its writer was stopped in the middle of it.
    #[error("the last line is torn; the file was not closed")]
    Torn,
    /// All lines are whole, but the last one does not say that it is the last.
    #[error("the file was not closed; it ends without its last line")]
    NotClosed,
    /// A whole line is not an event.
    #[error("column {column}: {problem}")]
    BadLine {
        /// Byte within the line, from 1.
        column: usize,
        /// What was expected there.
        problem: String,
    },
    /// Bytes that are not text.
    #[error("column {column}: invalid UTF-8")]
    InvalidUtf8 {
        /// Byte within the line, from 1.
        column: usize,
    },
    /// The last line counts more or fewer events than there are.
    #[error("the last line counts {said} events, but {found} stand before it")]
    WrongCount {
        /// Events according to the last line.
        said: u64,
        /// Events in the file.
        found: u64,
    },
    /// Something stands after the last line.
    #[error("something stands after the last line of the history")]
    AfterEnd,
    /// The compressed data are cut off or corrupt.
    #[error("gzip: {problem}")]
    Gzip {
        /// What the decompressor says.
        problem: String,
    },
    /// The file could not be read on.
    #[error("cannot be read: {problem}")]
    Io {
        /// What the operating system says.
        problem: String,
    },
    /// One of the [`Limits`](super::Limits) is exceeded.
    #[error("more than {limit} {what}")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much is read.
        limit: u64,
    },
    /// A history in memory cannot hold it.
    #[error("{0}")]
    Full(HistoryError),
}

/// Why a file is not a history at all. The path is for the caller to name.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It could not be opened.
    #[error("cannot be opened")]
    Open(#[source] io::Error),
    /// It was written by a newer program.
    #[error("is of version {version} of the history format; this program reads versions up to {VERSION}")]
    Newer {
        /// Its version.
        version: u64,
    },
    /// Its first line is neither ours nor an event.
    #[error("is not a history: line {line}: {problem}")]
    NotAHistory {
        /// The line, from 1.
        line: u64,
        /// What was expected there.
        problem: String,
    },
}
