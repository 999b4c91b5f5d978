//! The processes of a host, as its agent starts and sees them.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::message::{At, Refusal, Spawn, Step};
use crate::sys::process::start_fresh;

/// The kernel stops or continues a process within microseconds, unless it is in the middle of a slow device operation.
const SETTLE: Duration = Duration::from_secs(1);

/// Starts a process, with standard output and standard error as given. Returns its pid in this host.
pub(super) fn start(spawn: &Spawn, fds: Vec<OwnedFd>) -> Result<i32, Refusal> {
    let refuse = |detail: &str| Refusal { step: Step::StartProcess, detail: detail.to_owned(), errno: None };
    let [stdout, stderr] = <[OwnedFd; 2]>::try_from(fds).map_err(|_| refuse("without its output files"))?;
    let Some((name, arguments)) = spawn.argv.split_first() else { return Err(refuse("a process without a name")) };
    fs::metadata(&spawn.dir).at_path(Step::Directory, spawn.dir.display().to_string())?;

    // The running program is started from its own image: right even if the file has been replaced since.
    let own = spawn.own_program.as_deref() == Some(Path::new(name));
    let mut command = Command::new(if own { "/proc/self/exe" } else { name });
    command.arg0(name).args(arguments).env_clear().envs(&spawn.env).current_dir(&spawn.dir);
    command.stdin(Stdio::null()).stdout(File::from(stdout)).stderr(File::from(stderr));
    start_fresh(&mut command);
    let child = command.spawn().at_path(Step::StartProcess, name)?;
    i32::try_from(child.id()).map_err(|_| refuse("a process: its pid is out of range"))
}

/// How to see the processes of this host.
pub(super) enum Census {
    /// `/proc` is this host's own and shows nothing else.
    Own,
    /// `/proc` is the surrounding container's, which does not allow a fresh one: it also shows processes of others,
    /// which are told apart by their PID namespace.
    Inherited {
        /// This agent, by its number in that `/proc`.
        agent: String,
        /// This host's PID namespace.
        namespace: PathBuf,
    },
}

/// What a process does, as the kernel shows it, the liveliest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Running,
    /// In the kernel, where no signal reaches it.
    Deep,
    Stopped,
    Dead,
}

impl Census {
    /// Through the `/proc` of the surrounding container.
    pub(super) fn inherited() -> io::Result<Self> {
        let agent = fs::read_link("/proc/self")?.display().to_string();
        Ok(Census::Inherited { agent, namespace: fs::read_link("/proc/self/ns/pid")? })
    }

    /// How many processes live here, the agent not counted.
    pub(super) fn count(&self) -> io::Result<usize> {
        Ok(self.states()?.len())
    }

    /// Waits until all are stopped. Returns how many are.
    pub(super) fn wait_stopped(&self) -> io::Result<usize> {
        self.wait_for(State::Stopped)
    }

    /// Waits until none is stopped. Returns how many run.
    pub(super) fn wait_running(&self) -> io::Result<usize> {
        self.wait_for(State::Running)
    }

    fn wait_for(&self, wanted: State) -> io::Result<usize> {
        let deadline = Instant::now() + SETTLE;
        loop {
            let states = self.states()?;
            let there = states.iter().filter(|state| **state == wanted).count();
            if there == states.len() || Instant::now() > deadline {
                return Ok(there);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// The states of all processes that are not dead.
    fn states(&self) -> io::Result<Vec<State>> {
        let mut states = Vec::new();
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name.bytes().all(|b| b.is_ascii_digit()) && self.is_ours(&name) {
                states.push(state(&name));
            }
        }
        states.retain(|state| *state != State::Dead);
        Ok(states)
    }

    fn is_ours(&self, pid: &str) -> bool {
        match self {
            Census::Own => pid != "1",
            Census::Inherited { agent, namespace } => {
                pid != agent && fs::read_link(format!("/proc/{pid}/ns/pid")).is_ok_and(|link| link == *namespace)
            }
        }
    }
}

/// A process is stopped when all its threads are. One that waits in the kernel, as a parent does until its new child has
/// become a program, counts as stopped when it has its SIGSTOP before it: it runs no instruction of its own any more.
fn state(pid: &str) -> State {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return State::Dead };
    let states = threads.flatten().filter_map(|thread| {
        let stat = fs::read_to_string(thread.path().join("stat")).ok()?;
        stat_state(&stat)
    });
    let liveliest = states.min().unwrap_or(State::Dead);
    match liveliest {
        State::Deep if stop_is_pending(pid) => State::Stopped,
        State::Deep => State::Running,
        other => other,
    }
}

fn stop_is_pending(pid: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let pending = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("ShdPnd:")?.trim(), 16).ok());
    pending.is_some_and(|signals| signals & (1 << (libc::SIGSTOP - 1)) != 0)
}

/// The third field, behind the name in parentheses, which may itself hold anything.
fn stat_state(stat: &str) -> Option<State> {
    match stat.rsplit_once(") ")?.1.chars().next()? {
        'T' | 't' => Some(State::Stopped),
        'D' => Some(State::Deep),
        'Z' | 'X' | 'x' => Some(State::Dead),
        _ => Some(State::Running),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_parentheses_does_not_confuse_the_state() {
        assert!(stat_state("7 (a) Z (b) T 1 7 7 0").is_some_and(|state| state == State::Stopped));
        assert!(stat_state("7 (x) Z 1").is_some_and(|state| state == State::Dead));
        assert!(stat_state("7 (x) S 1").is_some_and(|state| state == State::Running));
        assert!(stat_state("7").is_none());
    }
}
