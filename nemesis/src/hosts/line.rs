//! The controller's end of a conversation: one question at a time, each with a deadline.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::message::{Answer, Refusal, Reply, Request, Step};
use crate::sys::seqpacket;

/// Longer than anything an agent does, even on a machine that is out of breath.
pub(super) const DEADLINE: Duration = Duration::from_secs(15);

/// A socket on which questions are asked.
pub(super) struct Line {
    state: Mutex<State>,
}

struct State {
    socket: OwnedFd,
    last_id: u64,
}

/// Why there is no answer, or not the wanted one.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The other side could not do it.
    Refused(Refusal),
    /// The other side is gone.
    Gone,
    /// The other side is silent, or the socket is broken.
    Silent(io::Error),
}

impl Line {
    pub(super) fn new(socket: OwnedFd) -> Self {
        Line { state: Mutex::new(State { socket, last_id: 0 }) }
    }

    /// Asks and waits for the answer.
    pub(super) fn ask<A: Serialize>(
        &self,
        ask: A,
        fds: &[OwnedFd],
        patience: Duration,
    ) -> Result<(Answer, Vec<OwnedFd>), Trouble> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.last_id += 1;
        let deadline = Instant::now() + patience;
        let fds: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
        seqpacket::send(&state.socket, &Request { id: state.last_id, ask }, &fds, deadline)?;
        loop {
            let (reply, fds) = seqpacket::receive::<Reply>(&state.socket, deadline)?;
            if reply.id == state.last_id {
                return Ok((reply.answer.map_err(Trouble::Refused)?, fds));
            }
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Trouble::Gone,
            _ => Trouble::Silent(error),
        }
    }
}

impl Trouble {
    /// As a refusal of the step that was asked for.
    pub(super) fn into_refusal(self, step: Step) -> Refusal {
        match self {
            Trouble::Refused(refusal) => refusal,
            other => Refusal { step, detail: format!("({other})"), errno: None },
        }
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Trouble::Refused(refusal) => refusal.fmt(f),
            Trouble::Gone => f.write_str("its process is gone"),
            Trouble::Silent(error) if error.kind() == io::ErrorKind::TimedOut => f.write_str("it does not answer"),
            Trouble::Silent(error) => write!(f, "it cannot be asked: {error}"),
        }
    }
}
