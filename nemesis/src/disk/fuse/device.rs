//! The descriptor: mounting in the host, reading and answering in the controller.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount as mount_at};

use super::abi;

/// SIGKILL, in the masks of pending signals that `/proc` shows.
const SIGKILL_BIT: u64 = 1 << (libc::SIGKILL - 1);

/// One start of a machine with a disk.
pub(in crate::disk) struct Session {
    pub(super) epoch: u64,
    device: File,
    /// The host's own `/proc`.
    processes: Option<OwnedFd>,
}

/// Mounts a file system whose contents come over the descriptor that is returned. Nothing may look at `path` until somebody
/// serves it. Called in the host, which must be allowed to mount.
pub(crate) fn mount(path: &Path) -> io::Result<OwnedFd> {
    let device = OpenOptions::new().read(true).write(true).open("/dev/fuse")?;
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    let options = format!(
        "fd={},rootmode=40000,user_id={uid},group_id={gid},default_permissions,allow_other",
        device.as_raw_fd()
    );
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount_at(Some("splitbrain"), path, Some("fuse.splitbrain"), flags, Some(options.as_str()))?;
    Ok(device.into())
}

impl Session {
    pub(in crate::disk) fn new(epoch: u64, device: OwnedFd, processes: Option<OwnedFd>) -> Self {
        Session { epoch, device: device.into(), processes }
    }

    /// The next request; none when the file system is no longer mounted anywhere.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> Option<usize> {
        loop {
            match (&self.device).read(buffer) {
                Ok(len) => return Some(len),
                // A request that was taken back before it could be read.
                Err(e) if matches!(e.raw_os_error(), Some(libc::ENOENT | libc::EINTR | libc::EAGAIN)) => {}
                Err(_) => return None,
            }
        }
    }

    /// Answers. Whoever asked may be gone by now, which nobody has to know.
    pub(super) fn answer(&self, unique: u64, answer: Result<Vec<u8>, Errno>) {
        let (error, body) = match answer {
            Ok(body) => (0, body),
            Err(errno) => (-(errno as i32), Vec::new()),
        };
        let header = abi::answer_header(unique, error, body.len());
        let sent = (&self.device).write_vectored(&[IoSlice::new(&header), IoSlice::new(&body)]);
        if let Err(error) = sent
            && !matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENODEV))
        {
            tracing::error!(%error, "an answer of a simulated disk was not taken");
        }
    }

    /// Tells the kernel something unasked. May wait for operations that are on their way.
    pub(super) fn notify(&self, message: &[u8]) {
        // What is not cached need not be forgotten.
        let _ = (&self.device).write(message);
    }

    /// Whether a thread that waits for an answer has been killed.
    pub(super) fn is_killed(&self, pid: u32) -> bool {
        let Some(processes) = &self.processes else { return true };
        let status = fs::read_to_string(format!("/proc/self/fd/{}/{pid}/status", processes.as_raw_fd()));
        // A thread that is not there is not waiting either.
        status.map_or(true, |status| pending(&status) & SIGKILL_BIT != 0)
    }
}

/// Signals that are pending for a thread or its process.
fn pending(status: &str) -> u64 {
    let mask = |line: &str| u64::from_str_radix(line.split_whitespace().nth(1)?, 16).ok();
    let lines = status.lines().filter(|line| line.starts_with("SigPnd:") || line.starts_with("ShdPnd:"));
    lines.filter_map(mask).fold(0, |all, one| all | one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kill_is_seen_among_pending_signals() {
        let status = |own: &str, shared: &str| format!("Name:\tx\nSigPnd:\t{own}\nShdPnd:\t{shared}\nSigBlk:\t0100\n");
        assert_ne!(pending(&status("0000000000000100", "0000000000000000")) & SIGKILL_BIT, 0);
        assert_eq!(pending(&status("0000000000000000", "0000000000004000")) & SIGKILL_BIT, 0);
    }
}
