//! Packets written down for tcpdump and Wireshark: classic pcap with nanosecond times, raw IP packets.
//!
//! Two files, because a classic pcap cannot say what became of a packet: `wire.pcap` holds what arrived, when it
//! arrived and as it arrived (a duplicate twice, a corrupt packet corrupt), and `wire.dropped.pcap` beside it holds what
//! never did. `mergecap` makes one of them.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

const MAGIC_NANOSECONDS: u32 = 0xa1b2_3c4d;
const VERSION: [u16; 2] = [2, 4];
const SNAP_LENGTH: u32 = 262_144;
const LINKTYPE_RAW: u32 = 101;

/// Both files of a wire.
pub(super) struct Capture {
    arrived: Log,
    dropped: Log,
}

impl Capture {
    /// Creates both files.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let clock = Clock { wall_ns: wall_ns(), start: Instant::now() };
        Ok(Capture { arrived: Log::create(path, clock)?, dropped: Log::create(&dropped_path(path), clock)? })
    }

    pub(super) fn arrived(&mut self, packet: &[u8]) -> io::Result<()> {
        self.arrived.write(packet)
    }

    pub(super) fn dropped(&mut self, packet: &[u8]) -> io::Result<()> {
        self.dropped.write(packet)
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.arrived.file.flush()?;
        self.dropped.file.flush()
    }
}

/// `wire.pcap` → `wire.dropped.pcap`.
pub(super) fn dropped_path(path: &Path) -> PathBuf {
    path.with_extension(match path.extension() {
        Some(extension) => format!("dropped.{}", extension.to_string_lossy()),
        None => "dropped".to_owned(),
    })
}

/// Wall-clock time that never goes back: read once, then counted on.
#[derive(Clone, Copy)]
struct Clock {
    wall_ns: u64,
    start: Instant,
}

struct Log {
    file: BufWriter<File>,
    clock: Clock,
}

impl Log {
    fn create(path: &Path, clock: Clock) -> io::Result<Self> {
        let mut file = BufWriter::with_capacity(1 << 18, File::create(path)?);
        file.write_all(&MAGIC_NANOSECONDS.to_le_bytes())?;
        file.write_all(&VERSION[0].to_le_bytes())?;
        file.write_all(&VERSION[1].to_le_bytes())?;
        for word in [0, 0, SNAP_LENGTH, LINKTYPE_RAW] {
            file.write_all(&u32::to_le_bytes(word))?;
        }
        file.flush()?;
        Ok(Log { file, clock })
    }

    fn write(&mut self, packet: &[u8]) -> io::Result<()> {
        let now = self.clock.wall_ns + self.clock.start.elapsed().as_nanos() as u64;
        let length = packet.len() as u32;
        for word in [(now / 1_000_000_000) as u32, (now % 1_000_000_000) as u32, length, length] {
            self.file.write_all(&word.to_le_bytes())?;
        }
        self.file.write_all(packet)
    }
}

fn wall_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_file_stands_beside_the_first() {
        assert_eq!(dropped_path(Path::new("/r/wire.pcap")), Path::new("/r/wire.dropped.pcap"));
        assert_eq!(dropped_path(Path::new("/r/wire")), Path::new("/r/wire.dropped"));
    }
}
