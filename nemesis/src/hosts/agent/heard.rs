//! The system calls that an agent is asked about: whom they go to.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::super::filter::Rule;
use super::Agent;
use crate::clock::follow;
use crate::sys::seccomp;

impl Agent {
    /// What the filter of the host's programs names.
    pub(super) fn rules(&self) -> Vec<Rule> {
        let of_clock = self.clock.as_ref().map(|clock| follow::rules(clock.tier)).unwrap_or_default();
        let of_files = self.files.as_ref().map(|files| files.rules()).unwrap_or_default();
        of_clock.into_iter().chain(of_files).collect()
    }

    /// Answers one call of each listener, because a program that never stops asking is not alone on its host, and drops
    /// the listeners to which nobody will speak any more.
    pub(super) fn answer_calls(&mut self) -> io::Result<()> {
        let mut at = 0;
        while at < self.listeners.len() {
            match readiness(self.listeners[at].as_fd())? {
                Readiness::Idle => at += 1,
                Readiness::Gone => drop(self.listeners.swap_remove(at)),
                Readiness::Calls => {
                    self.answer_call(&Rc::clone(&self.listeners[at]))?;
                    at += 1;
                }
            }
        }
        Ok(())
    }

    fn answer_call(&mut self, listener: &Rc<OwnedFd>) -> io::Result<()> {
        let Some(call) = seccomp::receive(listener)? else { return Ok(()) };
        if let Some(files) = self.files.as_mut().filter(|files| files.is_meant(&call)) {
            return files.answer(listener, &call);
        }
        match &mut self.clock {
            Some(clock) => clock.follower.answer(listener, &call),
            None => seccomp::proceed(listener, &call).map(drop),
        }
    }
}

enum Readiness {
    Idle,
    Calls,
    /// All processes with this filter are gone.
    Gone,
}

fn readiness(listener: BorrowedFd) -> io::Result<Readiness> {
    let mut fds = [PollFd::new(listener, PollFlags::POLLIN)];
    match poll(&mut fds, PollTimeout::ZERO) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(error) => return Err(error.into()),
    }
    let seen = fds[0].revents().unwrap_or(PollFlags::empty());
    Ok(match seen {
        seen if seen.contains(PollFlags::POLLIN) => Readiness::Calls,
        seen if seen.intersects(PollFlags::POLLHUP | PollFlags::POLLERR) => Readiness::Gone,
        _ => Readiness::Idle,
    })
}
