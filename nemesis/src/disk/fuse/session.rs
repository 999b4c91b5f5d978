//! What all sessions of one disk share, and the thread that serves one.

use std::collections::HashMap;
use std::ffi::OsString;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::errno::Errno;

use super::abi::{self, Cursor, HEADER_BYTES, Header, opcode};
use super::device::Session;
use super::parked::Parked;
use crate::disk::fault::Operation;
use crate::disk::model::{Ino, Model, Stamp};
use crate::disk::rules::{Decision, Rules};
use crate::disk::spec::DiskStats;

/// Room for the largest write.
const BUFFER_BYTES: usize = abi::MAX_WRITE as usize + 4096;
/// How long one waits for the kernel to drop what it has cached; it waits for operations that may hang.
const INVALIDATE_PATIENCE: Duration = Duration::from_secs(1);

/// A disk, the faults on it, and who is served.
pub(in crate::disk) struct Core {
    state: Mutex<State>,
    pub(super) woken: Condvar,
    invalidations: Mutex<Sender<Invalidation>>,
    pub(super) fsync_latency: Duration,
    began: Instant,
}

pub(in crate::disk) struct State {
    pub(in crate::disk) model: Model,
    pub(in crate::disk) rules: Rules,
    pub(in crate::disk) stats: DiskStats,
    pub(super) phase: Phase,
    pub(super) parked: Vec<Parked>,
    /// What is listed of open directories.
    pub(super) listings: HashMap<u64, Vec<(OsString, Ino, u32)>>,
    pub(super) next_handle: u64,
    /// Ranges that read otherwise than the kernel believes.
    pub(super) stale: Vec<Stale>,
    pub(super) closed: bool,
    /// Whether a kernel has ever said that it will use this disk.
    used: bool,
}

/// Who is served.
#[derive(Clone)]
pub(super) enum Phase {
    /// Nobody.
    Down,
    /// This session.
    Up(Arc<Session>),
    /// Nobody any more, though this session is not told yet: its machine is about to die, and shall not hear of it.
    Frozen(Arc<Session>),
}

/// Something that the kernel is to forget.
#[derive(Clone, Debug)]
pub(in crate::disk) enum Stale {
    /// Contents and attributes; a length of 0 is up to the end.
    Range(Ino, u64, u64),
    /// A name.
    Entry(Ino, OsString),
}

struct Invalidation {
    session: Arc<Session>,
    stale: Vec<Stale>,
    done: Sender<()>,
}

impl Core {
    pub(in crate::disk) fn start(model: Model, fsync_latency: Duration, name: &str) -> std::io::Result<Arc<Self>> {
        let (sender, receiver) = channel();
        let state = State {
            model,
            rules: Rules::default(),
            stats: DiskStats::default(),
            phase: Phase::Down,
            parked: Vec::new(),
            listings: HashMap::new(),
            next_handle: 1,
            stale: Vec::new(),
            closed: false,
            used: false,
        };
        let core = Arc::new(Core {
            state: Mutex::new(state),
            woken: Condvar::new(),
            invalidations: Mutex::new(sender),
            fsync_latency,
            began: Instant::now(),
        });
        let parked = Arc::clone(&core);
        thread::Builder::new().name(format!("{name} late")).spawn(move || parked.serve_parked())?;
        thread::Builder::new().name(format!("{name} cache")).spawn(move || invalidate(&receiver))?;
        Ok(core)
    }

    pub(in crate::disk) fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing is left half-changed under this lock unless something panicked, and then the disk says what it has.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Milliseconds since the disk was made.
    pub(super) fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Serves a machine that has just been started, from a thread of its own.
    pub(in crate::disk) fn serve(self: &Arc<Self>, session: Session, name: &str) -> std::io::Result<()> {
        let session = Arc::new(session);
        let (core, served) = (Arc::clone(self), Arc::clone(&session));
        self.lock().phase = Phase::Up(session);
        thread::Builder::new().name(name.to_owned()).spawn(move || core.serve_session(&served))?;
        Ok(())
    }

    fn serve_session(&self, session: &Arc<Session>) {
        let mut buffer = vec![0; BUFFER_BYTES];
        while let Some(len) = session.receive(&mut buffer) {
            let request = &buffer[..len];
            match Header::split(request) {
                Ok((header, body)) => self.take(session, &header, body, request),
                Err(_) => tracing::error!(len, "a request to a simulated disk that is too short"),
            }
        }
        self.lock().end(session.epoch);
    }

    fn take(&self, session: &Arc<Session>, header: &Header, body: Cursor, request: &[u8]) {
        match header.opcode {
            opcode::FORGET | opcode::BATCH_FORGET => self.forget(session, header, body),
            opcode::INTERRUPT => self.interrupted(session, body),
            opcode::INIT => {
                session.answer(header.unique, super::perform::init(body));
                self.lock().used = true;
                self.woken.notify_all();
            }
            opcode::DESTROY => session.answer(header.unique, Ok(Vec::new())),
            _ => self.take_operation(session, header, body, request),
        }
    }

    fn take_operation(&self, session: &Arc<Session>, header: &Header, body: Cursor, request: &[u8]) {
        let mut state = self.lock();
        if !state.serves(session) {
            let frozen = matches!(&state.phase, Phase::Frozen(s) if s.epoch == session.epoch);
            if frozen {
                state.parked.push(Parked::frozen(session, header, request));
            } else {
                drop(state);
                session.answer(header.unique, Err(Errno::EIO));
            }
            return;
        }
        let decision = self.decide(&mut state, header, body);
        if decision.waits() {
            state.parked.push(Parked::new(session, header, request, decision));
            drop(state);
            self.woken.notify_all();
            return;
        }
        let answer = state.perform(header, body, &decision);
        let stale = std::mem::take(&mut state.stale);
        drop(state);
        session.answer(header.unique, answer);
        if !stale.is_empty() {
            // Not waited for: the kernel may hold on to a page until it has the answer to what comes next.
            drop(self.send_stale(session, stale));
        }
    }

    fn decide(&self, state: &mut State, header: &Header, body: Cursor) -> Decision {
        let Some(operation) = super::perform::operation(header, body) else { return Decision::default() };
        *state.stats.operations.entry(operation).or_default() += 1;
        let State { rules, model, .. } = state;
        let mut decision = rules.decide(operation, || super::perform::paths(model, header, body));
        if matches!(operation, Operation::Fsync | Operation::Fsyncdir) {
            decision.delay += self.fsync_latency;
        }
        decision
    }

    fn forget(&self, session: &Session, header: &Header, mut body: Cursor) {
        let mut state = self.lock();
        if !state.serves(session) {
            return;
        }
        if header.opcode == opcode::FORGET {
            body.u64().into_iter().for_each(|count| state.model.forget(header.ino, count));
            return;
        }
        let count = body.u32().unwrap_or(0);
        let _ = body.u32();
        for _ in 0..count {
            let (Ok(ino), Ok(times)) = (body.u64(), body.u64()) else { return };
            state.model.forget(ino, times);
        }
    }

    /// Somebody who waits got a signal.
    fn interrupted(&self, session: &Session, mut body: Cursor) {
        let Ok(unique) = body.u64() else { return };
        let mut state = self.lock();
        let waits = |parked: &&mut Parked| parked.is(session.epoch, unique);
        if let Some(parked) = state.parked.iter_mut().find(waits) {
            parked.interrupted = true;
            drop(state);
            self.woken.notify_all();
        }
    }

    /// Has the kernel forget what it has cached. Waits for that, but not for ever: it waits for operations that may hang.
    pub(in crate::disk) fn invalidate(&self, stale: Vec<Stale>) {
        let Phase::Up(session) = self.lock().phase.clone() else { return };
        if self.send_stale(&session, stale).recv_timeout(INVALIDATE_PATIENCE).is_err() {
            tracing::debug!("the kernel takes its time to forget what it has cached");
        }
    }

    fn send_stale(&self, session: &Arc<Session>, stale: Vec<Stale>) -> Receiver<()> {
        let (done, wait) = channel();
        let message = Invalidation { session: Arc::clone(session), stale, done };
        // The other end lives as long as this.
        let _ = self.invalidations.lock().unwrap_or_else(PoisonError::into_inner).send(message);
        wait
    }

    pub(in crate::disk) fn wait_used(&self, patience: Duration) -> bool {
        let waited = self.woken.wait_timeout_while(self.lock(), patience, |state| !state.used);
        waited.unwrap_or_else(PoisonError::into_inner).0.used
    }

    /// Something changed for what waits.
    pub(in crate::disk) fn wake(&self) {
        self.woken.notify_all();
    }

    /// From now on nothing is answered, and nothing that is asked happens.
    pub(in crate::disk) fn freeze(&self) {
        let mut state = self.lock();
        if let Phase::Up(session) = &state.phase {
            state.phase = Phase::Frozen(Arc::clone(session));
        }
    }

    /// Ends the current session: whoever waits is told EIO.
    pub(in crate::disk) fn take_down(&self) {
        let mut state = self.lock();
        state.phase = Phase::Down;
        let parked = std::mem::take(&mut state.parked);
        state.listings.clear();
        drop(state);
        parked.iter().for_each(|parked| parked.session.answer(parked.unique, Err(Errno::EIO)));
    }

    /// Ends the threads.
    pub(in crate::disk) fn close(&self) {
        self.take_down();
        self.lock().closed = true;
        self.woken.notify_all();
        // The thread at the other end stops when there is no sender left.
        *self.invalidations.lock().unwrap_or_else(PoisonError::into_inner) = channel().0;
    }
}

impl State {
    /// How many operations wait.
    pub(in crate::disk) fn waiting(&self) -> usize {
        self.parked.len()
    }

    pub(super) fn serves(&self, session: &Session) -> bool {
        matches!(&self.phase, Phase::Up(current) if current.epoch == session.epoch)
    }

    /// A file system is no longer mounted.
    fn end(&mut self, epoch: u64) {
        if matches!(&self.phase, Phase::Up(s) | Phase::Frozen(s) if s.epoch == epoch) {
            self.phase = Phase::Down;
            self.parked.clear();
            self.listings.clear();
        }
    }
}

fn invalidate(queue: &Receiver<Invalidation>) {
    while let Ok(Invalidation { session, stale, done }) = queue.recv() {
        for stale in stale {
            session.notify(&match stale {
                Stale::Range(ino, offset, len) => abi::invalidate_inode(ino, offset, len),
                Stale::Entry(directory, name) => abi::invalidate_entry(directory, &name),
            });
        }
        // Nobody may wait any more.
        let _ = done.send(());
    }
}

/// The time of files.
pub(super) fn stamp() -> Stamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

// The header is read before anything else, so its size is part of what is agreed on.
const _: () = assert!(HEADER_BYTES < BUFFER_BYTES);
