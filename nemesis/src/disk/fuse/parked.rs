//! Operations that wait: for their time to come, for a fault to be healed, or for the death of whoever asked.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::abi::Header;
use super::device::Session;
use super::session::{Core, Phase, State};
use crate::disk::rules::Decision;

/// How often somebody who got a signal is looked at: it may be killed later.
const LOOK: Duration = Duration::from_millis(5);
/// How often the model is told the time.
const TICK: Duration = Duration::from_millis(500);

/// One operation that waits.
pub(super) struct Parked {
    pub(super) session: Arc<Session>,
    pub(super) unique: u64,
    pub(super) interrupted: bool,
    pid: u32,
    due: Instant,
    /// Faults that must be healed first.
    hang: BTreeSet<u64>,
    decision: Decision,
    request: Vec<u8>,
}

impl Parked {
    pub(super) fn new(session: &Arc<Session>, header: &Header, request: &[u8], decision: Decision) -> Self {
        Parked {
            session: Arc::clone(session),
            unique: header.unique,
            interrupted: false,
            pid: header.pid,
            due: Instant::now() + decision.delay,
            hang: decision.hang.clone(),
            decision,
            request: request.to_vec(),
        }
    }

    /// It is never performed: its machine is about to die.
    pub(super) fn frozen(session: &Arc<Session>, header: &Header, request: &[u8]) -> Self {
        Parked::new(session, header, request, Decision::default())
    }

    pub(super) fn is(&self, epoch: u64, unique: u64) -> bool {
        self.session.epoch == epoch && self.unique == unique
    }

    fn ready(&self, installed: &BTreeSet<u64>, now: Instant) -> bool {
        self.due <= now && self.hang.is_disjoint(installed)
    }
}

/// What became of an operation that waited.
type Late = (Arc<Session>, u64, Result<Vec<u8>, Errno>);

impl Core {
    /// Performs what has waited long enough, until the disk is closed. Tells the model the time, too.
    pub(super) fn serve_parked(&self) {
        let mut state = self.lock();
        while !state.closed {
            state.model.write_back(self.now_ms());
            let late = state.perform_late();
            if !late.is_empty() {
                drop(state);
                late.into_iter().for_each(|(session, unique, answer)| session.answer(unique, answer));
                state = self.lock();
                continue;
            }
            let patience = state.patience();
            state = self.woken.wait_timeout(state, patience).unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
    }
}

impl State {
    fn perform_late(&mut self) -> Vec<Late> {
        let Phase::Up(current) = self.phase.clone() else { return Vec::new() };
        let (now, installed) = (Instant::now(), self.rules.ids());
        let mut late = Vec::new();
        let mut waiting = Vec::new();
        for parked in std::mem::take(&mut self.parked) {
            if parked.session.epoch != current.epoch {
                late.push((parked.session, parked.unique, Err(Errno::EIO)));
            } else if parked.ready(&installed, now) {
                let answer = self.perform_request(&parked.request, &parked.decision);
                late.push((parked.session, parked.unique, answer));
            } else if parked.interrupted && parked.session.is_killed(parked.pid) {
                late.push((parked.session, parked.unique, Err(Errno::EINTR)));
            } else {
                waiting.push(parked);
            }
        }
        self.parked = waiting;
        late
    }

    fn perform_request(&mut self, request: &[u8], decision: &Decision) -> Result<Vec<u8>, Errno> {
        let (header, body) = Header::split(request)?;
        self.perform(&header, body, decision)
    }

    /// How long nothing will have to be done, unless something happens.
    fn patience(&self) -> Duration {
        if !matches!(self.phase, Phase::Up(_)) {
            return TICK;
        }
        let now = Instant::now();
        let due = |parked: &Parked| match parked.due.checked_duration_since(now) {
            _ if parked.interrupted => LOOK,
            Some(left) if parked.hang.is_empty() => left,
            _ => TICK,
        };
        self.parked.iter().map(due).chain([TICK]).min().unwrap_or(TICK)
    }
}
