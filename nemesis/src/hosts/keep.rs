//! Private `/tmp`, `/var/tmp` and `/dev/shm`, with holes for what must stay visible.
//!
//! What is to stay is opened before it is hidden, and bound to the same path afterwards. A path that leads through
//! symbolic links stays valid both as it was written and as it resolves.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};

use super::message::{At, Refusal, Step};

const PRIVATE: [&str; 3] = ["/tmp", "/var/tmp", "/dev/shm"];

/// What is to be hidden, and what kept.
pub(super) struct Kept {
    hide: Vec<PathBuf>,
    holes: Vec<Hole>,
}

struct Hole {
    at: PathBuf,
    what: File,
    is_dir: bool,
}

/// Opens what must stay visible. To be called before anything is mounted.
pub(super) fn plan(keep: &[PathBuf]) -> Result<Kept, Refusal> {
    let mut hide: Vec<PathBuf> = PRIVATE.iter().filter_map(|dir| fs::canonicalize(dir).ok()).collect();
    hide.sort();
    hide.dedup();
    let mut wanted: Vec<(PathBuf, PathBuf)> = Vec::new();
    for path in keep {
        let resolved = fs::canonicalize(path).at_path(Step::KeepPath, path.display().to_string())?;
        wanted.push((path.clone(), resolved.clone()));
        wanted.push((resolved.clone(), resolved));
    }
    // Whoever keeps all of a directory does not want it hidden.
    hide.retain(|dir| !wanted.iter().any(|(_, resolved)| dir.starts_with(resolved)));
    wanted.retain(|(at, _)| hide.iter().any(|dir| hides(dir, at)));
    wanted.sort();
    wanted.dedup();
    let mut kept = Kept { hide, holes: Vec::new() };
    for (at, resolved) in wanted {
        if kept.holes.iter().any(|hole| hole.is_dir && at.starts_with(&hole.at)) {
            continue;
        }
        kept.holes.push(Hole::open(at, &resolved)?);
    }
    Ok(kept)
}

/// Whether a file system mounted on `dir` hides `path`, through symbolic links above it as well.
fn hides(dir: &Path, path: &Path) -> bool {
    path.ancestors().any(|ancestor| fs::canonicalize(ancestor).is_ok_and(|resolved| resolved == *dir))
}

impl Kept {
    /// A directory that is the host's own; the one that programs clear least often first.
    pub(super) fn private(&self) -> Option<&Path> {
        self.hide.iter().find(|dir| dir.ends_with("shm")).or(self.hide.first()).map(PathBuf::as_path)
    }

    /// Hides the directories and makes the holes.
    pub(super) fn mount(&self) -> Result<(), Refusal> {
        for dir in &self.hide {
            let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
            mount(Some("tmpfs"), dir, Some("tmpfs"), flags, Some("mode=1777"))
                .at_path(Step::PrivateDirectory, dir.display().to_string())?;
        }
        self.holes.iter().try_for_each(|hole| hole.mount().at_path(Step::KeepPath, hole.at.display().to_string()))
    }
}

impl Hole {
    fn open(at: PathBuf, resolved: &Path) -> Result<Self, Refusal> {
        let open = || -> io::Result<(File, bool)> {
            let what = OpenOptions::new().read(true).custom_flags(libc::O_PATH).open(resolved)?;
            let is_dir = what.metadata()?.is_dir();
            Ok((what, is_dir))
        };
        let (what, is_dir) = open().at_path(Step::KeepPath, at.display().to_string())?;
        Ok(Hole { at, what, is_dir })
    }

    fn mount(&self) -> io::Result<()> {
        if self.is_dir {
            fs::create_dir_all(&self.at)?;
        } else {
            self.at.parent().map_or(Ok(()), fs::create_dir_all)?;
            OpenOptions::new().create(true).append(true).open(&self.at)?;
        }
        let source = PathBuf::from(format!("/proc/self/fd/{}", self.what.as_raw_fd()));
        mount(Some(&source), &self.at, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>)?;
        Ok(())
    }
}
