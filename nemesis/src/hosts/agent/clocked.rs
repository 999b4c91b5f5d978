//! What an agent does for a host with a clock, or with files that fail: starts its programs so that it is asked about their system
//! calls, and reads the clock.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::OFlag;

use super::super::followed::{self, Starting, Word};
use super::super::message::{At, Refusal, Spawn, Step};
use super::{Agent, Aside, DEATH_DEADLINE};
use crate::clock::follow::Outcome;
use crate::clock::{ClockSurvey, ClockTier, Uncovered, probe};
use crate::sys::{process, seccomp, seqpacket};

/// A program starts within this, on a machine that is out of breath too.
const START_DEADLINE: Duration = Duration::from_secs(10);

impl Agent {
    /// Starts a program on a host whose agent is asked about system calls, and tends the host until it runs. Its end is put aside.
    pub(super) fn start_followed(&mut self, spawn: &Spawn, fds: Vec<OwnedFd>) -> Result<i32, Refusal> {
        let starting = followed::start(spawn, fds, &self.rules())?;
        self.aside.insert(starting.pid, None);
        let started = self.see_start(&starting);
        if started.is_err() {
            // It ends by itself, unless it was killed in the middle, or is stuck.
            let _ = process::signal(starting.pid, libc::SIGKILL);
            self.wait_aside(starting.pid)?;
        }
        started.map(|()| starting.pid)
    }

    fn see_start(&mut self, starting: &Starting) -> Result<(), Refusal> {
        let deadline = Instant::now() + START_DEADLINE;
        let mut speaking = true;
        while speaking || self.is_traced(starting.pid) {
            if Instant::now() > deadline {
                return Err(Errno::ETIMEDOUT).at(Step::FollowPrograms);
            }
            self.wait_briefly(speaking.then_some(&starting.line), 10)?;
            self.tend().at(Step::FollowPrograms)?;
            if speaking {
                speaking = self.hear(starting)?;
            }
        }
        Ok(())
    }

    /// Hears what a child says, if it says anything. `false` when it has become another program, or has ended.
    fn hear(&mut self, starting: &Starting) -> Result<bool, Refusal> {
        match seqpacket::receive::<Word>(&starting.line, Instant::now()) {
            Ok((Word::Listening, fds)) => {
                fds.iter().for_each(seccomp::answer_on_one_processor);
                self.listeners.extend(fds.into_iter().map(Rc::new));
                Ok(true)
            }
            Ok((Word::Failed(refusal), _)) => Err(refusal),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => Ok(true),
            Err(_) => Ok(false),
        }
    }

    pub(super) fn is_traced(&self, pid: i32) -> bool {
        self.clock.as_ref().is_some_and(|clock| clock.follower.traces(pid))
    }

    /// Tends the host until a process whose end is put aside has ended, and kills it when that takes too long.
    fn wait_aside(&mut self, pid: i32) -> Result<Aside, Refusal> {
        let deadline = Instant::now() + START_DEADLINE;
        let mut late = false;
        loop {
            self.tend().at(Step::StartProcess)?;
            if self.aside.get(&pid).is_some_and(Option::is_some) {
                let aside = self.aside.remove(&pid).flatten();
                return aside.filter(|_| !late).ok_or(Errno::ETIMEDOUT).at(Step::StartProcess);
            }
            if Instant::now() > deadline + DEATH_DEADLINE {
                return Err(Errno::ETIMEDOUT).at(Step::StartProcess);
            }
            if Instant::now() > deadline && !late {
                late = true;
                // Whatever it is doing, it ends now.
                let _ = process::signal(pid, libc::SIGKILL);
            }
            self.wait_briefly(None, 10)?;
        }
    }

    /// Starts a program that reads the clock, and looks who else does.
    pub(super) fn read_clock(&mut self) -> Result<ClockSurvey, Refusal> {
        let (said, probe) = self.run_probe()?;
        let probe::Said { sample, waited } =
            serde_json::from_str(&said).map_err(io::Error::from).at(Step::ReadClock)?;
        let members = self.census.members().at(Step::ReadClock)?;
        let Some(clock) = &mut self.clock else { return Err(Errno::ENOENT).at(Step::ReadClock) };
        clock.follower.keep_only(|pid| members.iter().any(|member| member.pid == pid));
        let processes = clock.page.coverage(&members, self.main, &clock.follower);
        Ok(ClockSurvey { sample, waited, probe, processes })
    }

    fn run_probe(&mut self) -> Result<(String, Outcome), Refusal> {
        let waits = self.clock.as_ref().is_some_and(|clock| clock.tier == ClockTier::Trap);
        let arguments = [probe::ARGUMENT].into_iter().chain(waits.then_some(probe::WAIT));
        let argv = ["/proc/self/exe"].into_iter().chain(arguments).map(str::to_owned).collect();
        let spawn = Spawn { argv, env: BTreeMap::new(), dir: PathBuf::from("/"), own_program: None };
        let (from, to) = nix::unistd::pipe2(OFlag::O_CLOEXEC).at(Step::ReadClock)?;
        let nowhere = File::options().write(true).open("/dev/null").at(Step::ReadClock)?;
        let pid = self.start_followed(&spawn, vec![to, nowhere.into()])?;
        let Aside { outcome, .. } = self.wait_aside(pid)?;
        let mut said = String::new();
        File::from(from).read_to_string(&mut said).at(Step::ReadClock)?;
        Ok((said, outcome.unwrap_or(Err(Uncovered::Unseen))))
    }
}
