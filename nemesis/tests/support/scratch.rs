//! A directory that is gone afterwards, and waiting for what nobody announces.

#![allow(dead_code, reason = "every test file uses its own part of this")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Longer than anything here takes, on a busy machine too.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Waits for what nobody announces.
#[track_caller]
pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !done() {
        assert!(Instant::now() < deadline, "no {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A directory of one test, below `/tmp`, where hosts would not see it unless it is kept.
pub struct Scratch {
    path: PathBuf,
    ours: bool,
}

impl Scratch {
    pub fn new() -> Scratch {
        Scratch::below(Path::new("/tmp"))
    }

    /// On a file system that is no disk.
    pub fn in_memory() -> Scratch {
        Scratch::below(Path::new("/dev/shm"))
    }

    fn below(parent: &Path) -> Scratch {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let unique = format!("splitbrain-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Relaxed));
        let path = parent.join(unique);
        fs::create_dir_all(&path).expect("a directory");
        Scratch { path, ours: true }
    }

    /// Somebody else's.
    pub fn existing(dir: &Path) -> Scratch {
        Scratch { path: dir.to_owned(), ours: false }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.path.clone() } else { self.path.join(name) }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.ours {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}
