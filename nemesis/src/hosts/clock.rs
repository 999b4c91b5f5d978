//! The clock of a host, as its agent has it: the file of its state page, and who maps it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};

use super::message::{At, Refusal, Step};
use super::processes::{Census, Member};
use crate::clock::follow::Follower;
use crate::clock::{Coverage, InjectionStep, ProcessClock, Uncovered, page};
use crate::sys::mapping;

const NAME: &str = ".splitbrain-clock";

/// The file of a state page.
pub(super) struct PageFile {
    pub(super) path: PathBuf,
    /// What it says of itself.
    pub(super) number: u64,
    /// Opened for reading and writing.
    pub(super) file: OwnedFd,
    /// By which a mapping of it is known in `/proc`: device and inode, as they stand there.
    device: String,
    inode: u64,
}

impl PageFile {
    /// Makes a fresh page in a directory that nobody outside of the host sees. Its processes can neither remove it nor write
    /// to it: it is mounted on itself, read-only.
    pub(super) fn make(private: Option<&Path>, number: u64) -> Result<PageFile, Refusal> {
        let Some(dir) = private else {
            let detail = "(/dev/shm, /tmp and /var/tmp are all kept, so none of them is the host's own)".to_owned();
            return Err(Refusal { step: Step::ClockPage, detail, errno: None });
        };
        let path = dir.join(NAME);
        let make = || -> io::Result<PageFile> {
            let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o644).open(&path)?;
            file.set_len(page::BYTES as u64)?;
            page::prepare(&mapping::shared(&file)?, number);
            protect(&path)?;
            PageFile::known_by(path.clone(), number, file)
        };
        make().at_path(Step::ClockPage, path.display().to_string())
    }

    fn known_by(path: PathBuf, number: u64, file: File) -> io::Result<PageFile> {
        let metadata = file.metadata()?;
        let (major, minor) = (nix::sys::stat::major(metadata.dev()), nix::sys::stat::minor(metadata.dev()));
        let device = format!("{major:02x}:{minor:02x}");
        Ok(PageFile { path, number, device, inode: metadata.ino(), file: file.into() })
    }

    /// Finds where a process maps the page, in the text of its `/proc/PID/maps`; possible only where that is the host's own,
    /// because threads have other numbers elsewhere.
    pub(super) fn finder(&self, census: &Census) -> Result<impl Fn(&str) -> Option<u64> + use<>, Refusal> {
        if !matches!(census, Census::Own) {
            let detail = "whose monotonic clocks are skewed (it takes a /proc of its own)".to_owned();
            return Err(Refusal { step: Step::ClockPage, detail, errno: None });
        }
        let (device, inode) = (self.device.clone(), self.inode);
        Ok(move |maps: &str| mapped_at(maps, &device, inode))
    }

    /// Which of these processes read this clock. One that was forked maps what its parent maps; one that does not is without it
    /// for the reason of the program whose image it is, its own or that of an ancestor.
    pub(super) fn coverage(&self, members: &[Member], main: Option<i32>, follower: &Follower) -> Vec<ProcessClock> {
        members.iter().map(|member| self.process(member, members, main, follower)).collect()
    }

    fn process(&self, member: &Member, all: &[Member], main: Option<i32>, follower: &Follower) -> ProcessClock {
        let name = fs::read_to_string(member.dir().join("comm")).unwrap_or_default().trim_end().to_owned();
        let coverage = match fs::read_to_string(member.dir().join("maps")) {
            Ok(maps) if mapped_at(&maps, &self.device, self.inode).is_some() => Coverage::Covered,
            Ok(_) => Coverage::Uncovered(reason(member, all, follower)),
            Err(error) => {
                let why = Uncovered::Failed { step: InjectionStep::Read, errno: error.raw_os_error() };
                Coverage::Uncovered(why)
            }
        };
        ProcessClock { pid: member.pid, name, main: main == Some(member.pid), coverage }
    }
}

/// Where the file of this device and inode is mapped.
fn mapped_at(maps: &str, device: &str, inode: u64) -> Option<u64> {
    let at = |line: &str| {
        // Addresses, rights, offset, device, inode.
        let mut fields = line.split_whitespace();
        let start = fields.next()?.split('-').next()?;
        let mut fields = fields.skip(2);
        let same = fields.next() == Some(device) && fields.next()?.parse() == Ok(inode);
        same.then(|| u64::from_str_radix(start, 16).ok()).flatten()
    };
    maps.lines().find_map(at)
}

fn reason(member: &Member, all: &[Member], follower: &Follower) -> Uncovered {
    let mut at = Some(member);
    // No process is its own ancestor, but the table was not read at one instant.
    for _ in 0..all.len() {
        let Some(member) = at else { break };
        match follower.outcome(member.pid) {
            Some(Err(why)) => return why.clone(),
            Some(Ok(_)) => break,
            None => at = all.iter().find(|other| other.number == member.parent),
        }
    }
    Uncovered::Unseen
}

fn protect(path: &Path) -> io::Result<()> {
    let none = None::<&str>;
    mount(Some(path), path, none, MsFlags::MS_BIND, none)?;
    let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(none, path, none, flags, none)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_is_known_by_device_and_inode() {
        let at = |maps: String| mapped_at(&maps, "00:2a", 7);
        let maps = |device: &str, inode: u64| format!("7f00-7f10 r--s 00000000 {device} {inode}      /dev/shm/x y\n");
        assert_eq!(at(format!("0-1 r-xp 0 00:00 0 [vdso]\n{}", maps("00:2a", 7))), Some(0x7f00));
        assert_eq!([at(maps("00:2b", 7)), at(maps("00:2a", 77)), at(String::new())], [None; 3]);
    }
}
