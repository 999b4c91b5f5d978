//! Histories on disk: JSON Lines, one event a line, append-only while it is recorded, gzip when sealed.
//!
//! ```text
//! {"format":"splitbrain-history","version":1,"seed":42}
//! {"index":0,"time":1200,"process":0,"type":"invoke","f":"append","key":"x","value":1,"node":"n1"}
//! {"index":1,"time":5300,"process":0,"type":"ok","f":"append","key":"x","value":1,"node":"n1"}
//! {"end":"splitbrain-history","events":2}
//! ```
//! The first line says what the file is and of which version; the last one, how many events it holds. What stands
//! between is a prefix of a history at every moment, so a recorder may be killed at any byte: the file then has no last
//! line, or half of one, and [`read`] returns every whole event together with the [`Damage`]. The page
//! `docs/reference/history-format.md` specifies every field.
//!
//! # Decisions
//!
//! - **Text, not a binary format.** `grep`, `jq` and every language read it. Binary would be half the size of plain
//!   text, but not smaller than gzip.
//! - **The names of Jepsen's fields,** so that whoever knows those can read these. A file without a first line of ours
//!   is taken for a history of another tool, and read with the freedoms that the reference lists.
//! - **One reader of events.** EDN, JSON arrays and logs are transcribed into JSON Lines on the way, so what an operation
//!   means is decided once, and a damage is still named by its place in the file.
//! - **Nothing after a damage is returned.** A history with a hole in it is not a history: an operation that seems to
//!   be missing, or open, would become an anomaly that never was.
//! - **A fast and a tolerant reader.** Lines as they mostly are go straight into the columns; whatever the fast
//!   reader does not recognise is read by `serde_json`. Property tests hold that both read the same.
//! - **Two threads** for long files: one reads, decompresses and transcribes, the other takes the events in, in their
//!   order. With more threads, tables of keys and values would have to be merged, for a file that is read in a second.
//!
//! # What it does not detect
//!
//! A value that was changed within a line of plain text, such as a 1 that became a 2, is not noticed: there is no
//! checksum, so that a file can be edited by hand. In a sealed file gzip's own checksum notices it.

mod batch;
mod damage;
mod decode;
mod encode;
mod format;
mod intake;
mod read;
mod scan;
mod seal;
mod transcribe;
mod tuples;
mod write;

use serde_json::{Map, Value as Json};

pub use damage::{Damage, DamageKind, ReadError};
pub use format::{InputFormat, UnknownFormat};
pub use read::{Limits, Loaded, Reader, read, read_as, read_from, read_from_as};
pub use seal::{SEALED_SUFFIX, seal};
pub use write::HistoryWriter;

/// The name of the format, in the first and in the last line.
pub const FORMAT: &str = "splitbrain-history";

/// The newest version of the format, which is the one that is written.
pub const VERSION: u32 = 1;

/// The first line of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// The version of the format.
    pub version: u32,
    /// Everything else that the first line says: whatever the recorder chose to say about its run.
    pub about: Map<String, Json>,
}
