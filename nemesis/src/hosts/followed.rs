//! Starting a program that is to be followed from exec to exec.
//!
//! The first `execve` waits for the agent's answer like any other, so the agent cannot wait for it in turn, as the standard
//! library's way of starting programs does. It forks; the child installs the filter, hands its listener over and calls
//! `execve`; meanwhile the agent answers, and hears on the same socket of an error, or of nothing: the program is there.

use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::filter::{self, Rule};
use super::message::{At, Refusal, Spawn, Step};
use super::processes;
use crate::sys::{process, seccomp, seqpacket};

/// What a child says before it is another program.
#[derive(Serialize, Deserialize)]
pub(super) enum Word {
    /// The listener of its filter comes with this.
    Listening,
    Failed(Refusal),
}

/// A child that is about to be another program.
pub(super) struct Starting {
    pub(super) pid: i32,
    /// It speaks on this; the end says that it is.
    pub(super) line: OwnedFd,
}

struct Program {
    path: CString,
    argv: Vec<CString>,
    env: Vec<CString>,
}

/// Starts a program, with standard output and standard error as given, under a filter of these rules.
pub(super) fn start(spawn: &Spawn, fds: Vec<OwnedFd>, rules: &[Rule]) -> Result<Starting, Refusal> {
    let outputs = processes::outputs(fds)?;
    let name = processes::name(spawn)?;
    let program = Program::new(spawn, name).at_path(Step::StartProcess, name)?;
    let (ours, theirs) = seqpacket::pair().at_path(Step::StartProcess, name)?;
    let pid = process::fork(|| {
        let refusal = program.run_in(spawn, name, &outputs, rules, &theirs);
        // Without an agent to tell there is nothing left to do.
        let _ = seqpacket::send(&theirs, &Word::Failed(refusal), &[], Instant::now());
    });
    Ok(Starting { pid: pid.at_path(Step::StartProcess, name)?, line: ours })
}

impl Program {
    fn new(spawn: &Spawn, name: &str) -> std::io::Result<Program> {
        let pair = |(key, value): (&String, &String)| CString::new(format!("{key}={value}"));
        let path = processes::image(spawn, name).as_os_str().as_bytes();
        Ok(Program {
            path: CString::new(path)?,
            argv: spawn.argv.iter().map(|argument| CString::new(argument.as_str())).collect::<Result<_, _>>()?,
            env: spawn.env.iter().map(pair).collect::<Result<_, _>>()?,
        })
    }

    /// In the child. Returns only why it is still the same program.
    fn run_in(&self, spawn: &Spawn, name: &str, outputs: &[OwnedFd; 2], rules: &[Rule], line: &OwnedFd) -> Refusal {
        let prepared = || -> Result<(), Refusal> {
            process::become_fresh().at_path(Step::StartProcess, name)?;
            nix::unistd::chdir(&spawn.dir).at_path(Step::Directory, spawn.dir.display().to_string())?;
            redirect(outputs).at_path(Step::StartProcess, name)?;
            let listener = seccomp::install(&mut filter::program(rules)).at(Step::FollowPrograms)?;
            seqpacket::send(line, &Word::Listening, &[listener.as_fd()], Instant::now()).at(Step::FollowPrograms)
        };
        match prepared() {
            Err(refusal) => refusal,
            Ok(()) => {
                let error = process::become_program(&self.path, &self.argv, &self.env);
                Refusal { step: Step::StartProcess, detail: name.to_owned(), errno: error.raw_os_error() }
            }
        }
    }
}

fn redirect([stdout, stderr]: &[OwnedFd; 2]) -> std::io::Result<()> {
    nix::unistd::dup2_stdin(File::open("/dev/null")?)?;
    nix::unistd::dup2_stdout(stdout)?;
    nix::unistd::dup2_stderr(stderr)?;
    Ok(())
}
