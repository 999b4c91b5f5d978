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
    let [stdout, stderr] = outputs(fds)?;
    let name = name(spawn)?;
    fs::metadata(&spawn.dir).at_path(Step::Directory, spawn.dir.display().to_string())?;

    let mut command = Command::new(image(spawn, name));
    command.arg0(name).args(&spawn.argv[1..]).env_clear().envs(&spawn.env).current_dir(&spawn.dir);
    command.stdin(Stdio::null()).stdout(File::from(stdout)).stderr(File::from(stderr));
    start_fresh(&mut command);
    let child = command.spawn().at_path(Step::StartProcess, name)?;
    i32::try_from(child.id()).map_err(|_| refuse("a process: its pid is out of range"))
}

/// Standard output and standard error.
pub(super) fn outputs(fds: Vec<OwnedFd>) -> Result<[OwnedFd; 2], Refusal> {
    <[OwnedFd; 2]>::try_from(fds).map_err(|_| refuse("without its output files"))
}

/// What a program is called.
pub(super) fn name(spawn: &Spawn) -> Result<&str, Refusal> {
    spawn.argv.first().map(String::as_str).ok_or_else(|| refuse("a process without a name"))
}

/// The file that a program is started from. For the running program it is its own image: right even if the file has been
/// replaced since.
pub(super) fn image<'a>(spawn: &Spawn, name: &'a str) -> &'a Path {
    let own = spawn.own_program.as_deref() == Some(Path::new(name));
    Path::new(if own { "/proc/self/exe" } else { name })
}

fn refuse(detail: &str) -> Refusal {
    Refusal { step: Step::StartProcess, detail: detail.to_owned(), errno: None }
}

/// A process of this host.
pub(super) struct Member {
    /// Its pid inside the host.
    pub(super) pid: i32,
    /// Its number and its parent's in the `/proc` that the agent sees.
    pub(super) number: i32,
    pub(super) parent: i32,
}

impl Member {
    /// Its directory in `/proc`.
    pub(super) fn dir(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}", self.number))
    }
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

    /// How many were stopped by a signal, as opposed to a tracer.
    pub(super) fn stopped(&self) -> io::Result<usize> {
        Ok(self
            .names()?
            .iter()
            .filter(|name| letters(name).is_some_and(|letters| letters.contains(&GROUP_STOP)))
            .count())
    }

    /// Waits until all are stopped, and does meanwhile what is to be done. Returns how many are.
    pub(super) fn wait_stopped(&self, tend: impl FnMut() -> io::Result<()>) -> io::Result<usize> {
        self.wait_for(State::Stopped, tend)
    }

    /// Waits until none is stopped, and does meanwhile what is to be done. Returns how many run.
    pub(super) fn wait_running(&self, tend: impl FnMut() -> io::Result<()>) -> io::Result<usize> {
        self.wait_for(State::Running, tend)
    }

    /// The processes that are not dead.
    pub(super) fn members(&self) -> io::Result<Vec<Member>> {
        let names = self.names()?;
        Ok(names.iter().filter(|name| state(name) != State::Dead).filter_map(|name| self.member(name)).collect())
    }

    /// Whether a thread, dead or alive, is a process and a child of the agent.
    pub(super) fn is_child(&self, thread: i32) -> bool {
        let agent = match self {
            Census::Own => 1,
            Census::Inherited { agent, .. } => agent.parse().unwrap_or(0),
        };
        // A thread that is not its process's first has no directory among the others, but it can be looked up.
        let process = match self {
            Census::Own => status_number(&thread.to_string(), "Tgid:").is_some_and(|process| process == thread),
            Census::Inherited { .. } => true,
        };
        let members = || self.names().unwrap_or_default().into_iter().filter_map(|name| self.member(&name));
        process && members().any(|member| member.pid == thread && member.parent == agent)
    }

    fn member(&self, name: &str) -> Option<Member> {
        let number = name.parse().ok()?;
        let pid = match self {
            Census::Own => number,
            Census::Inherited { agent, .. } => {
                // One number for each namespace from the outermost to its own, which may be below this host's.
                let depth = status_line(agent, "NSpid:")?.split_whitespace().count();
                status_line(name, "NSpid:")?.split_whitespace().nth(depth - 1)?.parse().ok()?
            }
        };
        Some(Member { pid, number, parent: status_number(name, "PPid:")? })
    }

    fn wait_for(&self, wanted: State, mut tend: impl FnMut() -> io::Result<()>) -> io::Result<usize> {
        let deadline = Instant::now() + SETTLE;
        loop {
            tend()?;
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
        let mut states: Vec<State> = self.names()?.iter().map(|name| state(name)).collect();
        states.retain(|state| *state != State::Dead);
        Ok(states)
    }

    /// The directories of all processes in `/proc`.
    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name.bytes().all(|b| b.is_ascii_digit()) && self.is_ours(&name) {
                names.push(name);
            }
        }
        Ok(names)
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
/// become a program, counts as stopped when it has its SIGSTOP before it, or another of its threads has stopped for all: it
/// runs no instruction of its own any more.
fn state(pid: &str) -> State {
    let Some(letters) = letters(pid) else { return State::Dead };
    match letters.iter().map(|letter| letter_state(*letter)).min().unwrap_or(State::Dead) {
        State::Deep if letters.contains(&GROUP_STOP) || stop_is_pending(pid) => State::Stopped,
        State::Deep => State::Running,
        other => other,
    }
}

/// The states of a process's threads, as the kernel writes them; none if it is gone.
fn letters(pid: &str) -> Option<Vec<char>> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    let stats = threads.flatten().filter_map(|thread| fs::read_to_string(thread.path().join("stat")).ok());
    Some(stats.filter_map(|stat| stat_letter(&stat)).collect())
}

/// The rest of a line in a process's table of states.
fn status_line(pid: &str, start: &str) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix(start)).map(|rest| rest.trim().to_owned())
}

fn status_number(pid: &str, start: &str) -> Option<i32> {
    status_line(pid, start)?.parse().ok()
}

fn stop_is_pending(pid: &str) -> bool {
    let pending = status_line(pid, "ShdPnd:").and_then(|signals| u64::from_str_radix(&signals, 16).ok());
    pending.is_some_and(|signals| signals & (1 << (libc::SIGSTOP - 1)) != 0)
}

/// A thread that has stopped with all others of its process, as opposed to one that its tracer has stopped.
const GROUP_STOP: char = 'T';

/// A field of the state of a process, numbered as in proc(5), from the fourth on.
pub(super) fn stat_field(process: &Member, number: usize) -> Option<u64> {
    field(&fs::read_to_string(process.dir().join("stat")).ok()?, number)
}

/// Processor time in ticks: of a process, and of those of its children that it has buried.
pub(super) fn cpu_ticks(stat: &str) -> u64 {
    own_and_buried(stat, 14)
}

/// Processor time in ticks of those that this process has buried, their own dead included.
pub(super) fn buried_ticks() -> io::Result<u64> {
    Ok(own_and_buried(&fs::read_to_string("/proc/self/stat")?, 16))
}

fn own_and_buried(stat: &str, from: usize) -> u64 {
    (from..=17).filter_map(|number| field(stat, number)).sum()
}

fn field(stat: &str, number: usize) -> Option<u64> {
    stat.rsplit_once(") ")?.1.split_whitespace().nth(number.checked_sub(3)?)?.parse().ok()
}

/// The third field, behind the name in parentheses, which may itself hold anything.
fn stat_letter(stat: &str) -> Option<char> {
    stat.rsplit_once(") ")?.1.chars().next()
}

fn letter_state(letter: char) -> State {
    match letter {
        GROUP_STOP | 't' => State::Stopped,
        'D' => State::Deep,
        'Z' | 'X' | 'x' => State::Dead,
        _ => State::Running,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_parentheses_does_not_confuse_the_state() {
        let state = |stat| stat_letter(stat).map(letter_state);
        assert!(state("7 (a) Z (b) T 1 7 7 0").is_some_and(|state| state == State::Stopped));
        assert!(state("7 (x) Z 1").is_some_and(|state| state == State::Dead));
        assert!(state("7 (x) S 1").is_some_and(|state| state == State::Running));
        assert!(state("7").is_none());
    }

    #[test]
    fn processor_time_is_in_the_fields_that_the_manual_says() {
        let stat = "7 (a) b) S 4 5 6 7 8 9 10 11 12 13 140 150 1600 1700 18 19 20 21 2222";
        assert_eq!((cpu_ticks(stat), field(stat, 22), field(stat, 23)), (3590, Some(2222), None));
        assert_eq!(own_and_buried(stat, 16), 3300);
    }
}
