//! Runs of the real program, and what they leave behind.

#![allow(dead_code, reason = "every test file uses its own part of this")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A name that nothing else on this machine has.
pub fn unique(name: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("splitbrain-test-{name}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A directory of its own for one test; removed at the end.
pub struct Scratch {
    /// Where.
    pub path: PathBuf,
    /// Part of the path, to be found in command lines.
    pub mark: String,
}

impl Scratch {
    pub fn new(name: &str) -> Self {
        let mark = unique(name);
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(&mark);
        std::fs::create_dir_all(&path).expect("a directory can be made");
        Scratch { path, mark }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// The program, marked so that its children can be recognised, with runs in the scratch directory.
pub fn splitbrain(scratch: &Scratch, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_splitbrain"));
    command.args(arguments).env("NO_COLOR", "1").env("SPLITBRAIN_TEST_MARK", &scratch.mark).current_dir(&scratch.path);
    command
}

pub fn run(scratch: &Scratch, arguments: &[&str]) -> Output {
    splitbrain(scratch, arguments).output().expect("the program starts")
}

pub fn spawn(scratch: &Scratch, arguments: &[&str]) -> Child {
    splitbrain(scratch, arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts")
}

/// Whether hosts can be made here. Says loudly when a test has to be skipped for want of them.
pub fn hosts_available(test: &str) -> bool {
    static DOCTOR: OnceLock<(bool, String)> = OnceLock::new();
    let (available, diagnosis) = DOCTOR.get_or_init(|| {
        let output = Command::new(env!("CARGO_BIN_EXE_splitbrain")).arg("doctor").output().expect("the program starts");
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    });
    if !available {
        assert!(std::env::var_os("SPLITBRAIN_REQUIRE").is_none(), "{test} needs hosts:\n{diagnosis}");
        eprintln!("SKIPPED {test}: hosts cannot be made here\n{diagnosis}");
    }
    *available
}

/// Processes that belong to a marked run: by environment or by command line.
pub fn processes(mark: &str) -> Vec<(i32, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("/proc is there").flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse::<i32>().ok()) else { continue };
        let read = |file: &str| std::fs::read(entry.path().join(file)).unwrap_or_default();
        let (environ, cmdline) = (read("environ"), read("cmdline"));
        let holds = |bytes: &[u8]| bytes.windows(mark.len()).any(|w| w == mark.as_bytes());
        if holds(&environ) || holds(&cmdline) {
            found.push((pid, String::from_utf8_lossy(&cmdline).replace('\0', " ")));
        }
    }
    found
}

/// Waits for something, with a deadline.
pub fn eventually(bound: Duration, mut done: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + bound;
    loop {
        if done() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// What the host looks like from outside of every run.
pub fn host() -> (Vec<String>, String) {
    let mut interfaces: Vec<String> = std::fs::read_dir("/sys/class/net")
        .map(|entries| entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect())
        .unwrap_or_default();
    interfaces.sort();
    (interfaces, std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default())
}
