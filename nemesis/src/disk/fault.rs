//! Faults of disks, as data.

use serde::{Deserialize, Serialize};

/// One way in which a disk misbehaves. Of several that apply to one operation the first that errs decides the error; delays
/// add up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DiskFault {
    /// What it does.
    pub effect: Effect,
    /// To which operations; empty: to all that the effect can be had on.
    #[serde(default)]
    pub operations: Vec<Operation>,
    /// To which paths below the root of the disk: all that contain this or, if there is a `*` or `?` in it, match it
    /// wholly (`*` also matches `/`). None: all.
    #[serde(default)]
    pub path: Option<String>,
    /// How likely, each time; from 0 to 1.
    #[serde(default = "always")]
    pub probability: f64,
    /// How often at most. None: until it is healed.
    #[serde(default)]
    pub count: Option<u64>,
    /// Seed of its draws.
    #[serde(default)]
    pub seed: u64,
}

impl DiskFault {
    /// Everywhere, always, until it is healed.
    pub fn new(effect: Effect) -> Self {
        DiskFault { effect, operations: Vec::new(), path: None, probability: 1.0, count: None, seed: 0 }
    }

    /// Only to these operations.
    pub fn on(self, operations: &[Operation]) -> Self {
        DiskFault { operations: operations.to_vec(), ..self }
    }

    /// Only to these paths.
    pub fn at(self, path: &str) -> Self {
        DiskFault { path: Some(path.to_owned()), ..self }
    }

    /// So often at most.
    pub fn times(self, count: u64) -> Self {
        DiskFault { count: Some(count), ..self }
    }

    /// What makes no sense about it.
    pub(crate) fn complaint(&self) -> Option<String> {
        if !(0.0..=1.0).contains(&self.probability) {
            return Some(format!("a probability of {} is not between 0 and 1", self.probability));
        }
        if let Effect::FlipBits { bits } = self.effect
            && !(1..=MOST_BITS).contains(&bits)
        {
            return Some(format!("{bits} bits of a read is not between 1 and {MOST_BITS}"));
        }
        if self.operations.iter().any(|operation| !self.effect.applies_to(*operation)) {
            return Some(format!("{:?} cannot be had on {:?}", self.effect, self.operations));
        }
        None
    }
}

/// Each bit of each read is drawn, so there has to be an end; a read is wrong all over long before.
const MOST_BITS: u32 = 65_536;

fn always() -> f64 {
    1.0
}

/// What a disk does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// The operation fails, and does nothing.
    Error(ErrorKind),
    /// It takes longer.
    Delay {
        /// By so many microseconds,
        us: u64,
        /// and up to so many more, uniformly.
        jitter_us: u64,
    },
    /// It does not come back until the fault is healed; then it is done. Only SIGKILL ends it before.
    Hang,
    /// fsync says that it is done, and nothing is durable.
    LyingFsync,
    /// fsync fails with EIO and what was to be written counts as clean from then on: the next fsync succeeds, and a
    /// power cut loses the data all the same (PostgreSQL's "fsyncgate", 2018).
    Fsyncgate,
    /// So many bits of what is read are inverted. What is on the disk is not.
    FlipBits {
        /// In each read.
        bits: u32,
    },
    /// A block that is read is another one of the same file.
    MisdirectedRead,
    /// A write is acknowledged and lands in another block of the same file; where it should be the old contents remain.
    MisdirectedWrite,
    /// A write is acknowledged, and reads go on to show what was there before.
    StaleRead,
}

impl Effect {
    /// Whether it makes sense there.
    pub fn applies_to(self, operation: Operation) -> bool {
        use Operation::{Fsync, Fsyncdir, Read, Write};
        match self {
            Effect::Error(_) | Effect::Delay { .. } | Effect::Hang => true,
            Effect::LyingFsync | Effect::Fsyncgate => matches!(operation, Fsync | Fsyncdir),
            Effect::FlipBits { .. } | Effect::MisdirectedRead => operation == Read,
            Effect::MisdirectedWrite | Effect::StaleRead => operation == Write,
        }
    }

    /// Whether what the kernel has cached hides it, or outlives it.
    pub(super) fn shows_in_reads(self) -> bool {
        matches!(self, Effect::FlipBits { .. } | Effect::MisdirectedRead | Effect::MisdirectedWrite | Effect::StaleRead)
    }
}

/// What a program is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ErrorKind {
    /// Input/output error.
    Eio,
    /// No space left on device.
    Enospc,
    /// Disk quota exceeded.
    Edquot,
    /// Read-only file system.
    Erofs,
    /// Permission denied.
    Eacces,
    /// Too many open files in system.
    Enfile,
    /// Resource temporarily unavailable.
    Eagain,
    /// Structure needs cleaning, as ext4 and XFS call corruption.
    Euclean,
}

impl ErrorKind {
    pub(super) fn errno(self) -> nix::errno::Errno {
        use nix::errno::Errno;
        match self {
            ErrorKind::Eio => Errno::EIO,
            ErrorKind::Enospc => Errno::ENOSPC,
            ErrorKind::Edquot => Errno::EDQUOT,
            ErrorKind::Erofs => Errno::EROFS,
            ErrorKind::Eacces => Errno::EACCES,
            ErrorKind::Enfile => Errno::ENFILE,
            ErrorKind::Eagain => Errno::EAGAIN,
            ErrorKind::Euclean => Errno::EUCLEAN,
        }
    }
}

/// What a program asks of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// Finding a name; answers are cached by the kernel.
    Lookup,
    /// Opening a file.
    Open,
    /// Making a file.
    Create,
    /// Reading what the kernel has not cached.
    Read,
    /// Writing.
    Write,
    /// Setting the size.
    Truncate,
    /// fallocate, holes included.
    Allocate,
    /// fsync and fdatasync of a file.
    Fsync,
    /// fsync of a directory.
    Fsyncdir,
    /// Renaming.
    Rename,
    /// Linking, symbolically too.
    Link,
    /// Removing a file.
    Unlink,
    /// Making a directory.
    Mkdir,
    /// Removing a directory.
    Rmdir,
    /// Listing a directory.
    Readdir,
    /// Mode, owner, times, extended attributes.
    Attributes,
    /// How full the disk is.
    Statfs,
}

/// What fills a disk.
pub(crate) const FILLING: &[Operation] =
    &[Operation::Write, Operation::Create, Operation::Allocate, Operation::Mkdir, Operation::Link];
/// What a program does to make something durable.
pub(crate) const WRITING: &[Operation] = &[Operation::Write, Operation::Fsync];

/// Whether a path is meant: see [`DiskFault::path`].
pub(crate) fn matches(pattern: &str, path: &str) -> bool {
    if pattern.contains(['*', '?']) { glob(pattern.as_bytes(), path.as_bytes()) } else { path.contains(pattern) }
}

/// The usual loop with one step back: when something does not fit, the last `*` takes one more byte.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(b) if *b == b'?' || *b == text[t] => (p, t) = (p + 1, t + 1),
            _ => match star {
                Some((at, eaten)) => {
                    star = Some((at, eaten + 1));
                    (p, t) = (at + 1, eaten + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|b| *b == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_parts_or_the_whole() {
        assert!(matches("wal", "db/wal/0001") && matches("", "x"));
        assert!(matches("*.log", "a/b.log") && !matches("*.log", "a/b.log2"));
        assert!(matches("?/*-*1", "a/b-c-1") && !matches("?/*-*1", "aa/b-c-1"));
        assert!(matches("**", "") && !matches("?", ""));
    }

    #[test]
    fn an_effect_out_of_place_is_refused() {
        let fault = DiskFault::new(Effect::LyingFsync).on(&[Operation::Write]);
        assert!(fault.complaint().is_some());
        assert!(DiskFault { probability: 1.5, ..DiskFault::new(Effect::Hang) }.complaint().is_some());
        assert_eq!(DiskFault::new(Effect::StaleRead).on(&[Operation::Write]).complaint(), None);
        let flips = |bits| DiskFault::new(Effect::FlipBits { bits }).complaint();
        assert!(flips(0).is_some() && flips(u32::MAX).is_some() && flips(MOST_BITS).is_none());
    }
}
