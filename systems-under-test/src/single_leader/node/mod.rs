//! A node as a process: one thread that does everything but wait for the disk, and one that does only that.
//!
//! ```text
//!  clients ──asks──▶ ┌──────────────┐ ◀──entries, votes──▶ peers
//!          ◀answers─ │ replica      │
//!                    │ store        │ ──work──▶ ┌──────┐
//!                    └──────────────┘ ◀─done──  │ disk │ one record, one flush per batch
//!                                               └──────┘
//! ```
//!
//! Whatever arrives is given to the replica at once; what the replica wants done is done in `Core::turn`, once for
//! everything that arrived together. So the busier a node is, the larger are its batches, on the wire and on disk.

mod clients;
mod peers;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;

use self::clients::{Pending, Waiting};
use super::bugs::Bug;
use super::disk::{self, DiskError, Writer, Written};
use super::options::Settings;
use super::replica::log::Mark;
use super::replica::{Effect, Identity, Replica, Snapshot};
use super::wire::{Reply, Request};
use crate::parts::command::Command;
use crate::parts::connection::{self, Inbox, Outbox};
use crate::parts::store::Store;

/// Where the lines of a node's log go.
pub type Notes = Arc<dyn Fn(&str) + Send + Sync>;

/// What a node is started from.
#[derive(Clone)]
pub struct NodeConfig {
    /// The names of all nodes.
    pub names: Vec<String>,
    /// Where this node reaches each of them; its own is not used.
    pub peers: Vec<SocketAddr>,
    /// Its position among them.
    pub me: usize,
    /// Where it listens, for nodes and clients alike.
    pub listen: SocketAddr,
    /// Its own directory.
    pub data: PathBuf,
    /// How it is configured.
    pub settings: Settings,
    /// Where the lines of its log go.
    pub notes: Notes,
}

impl fmt::Debug for NodeConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node {} at {} with its data in {}", self.names[self.me], self.listen, self.data.display())
    }
}

/// Why a node ended, or could not begin.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// Its address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// Its disk failed, or what is on it is damaged.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// A thread, a runtime or a connection could not be made.
    #[error("cannot {what}")]
    Start {
        /// What.
        what: &'static str,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// A committed entry or a snapshot cannot be executed.
    #[error("what is at position {position} of the log is no command")]
    Garbage {
        /// Where.
        position: u64,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
}

/// A node on a thread of its own, for tests and for programs that want a cluster inside. Dropping it ends it as SIGKILL
/// ends a process: nothing more is written, nobody is told.
#[derive(Debug)]
pub struct Node {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<Result<(), NodeError>>>,
}

impl Node {
    /// Starts a node and waits until it listens.
    pub async fn start(config: NodeConfig) -> Result<Node, NodeError> {
        let (stop, stopped) = oneshot::channel();
        let (listening, listens) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name(config.names[config.me].clone())
            .spawn(move || run(config, stopped, |address| _ = listening.send(address)))
            .map_err(|source| NodeError::Start { what: "start a thread", source })?;
        let mut node = Node { address: ([0, 0, 0, 0], 0).into(), stop: Some(stop), thread: Some(thread) };
        match listens.await {
            Ok(address) => node.address = address,
            Err(_) => node.stop()?,
        }
        Ok(node)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it, if it has not ended by itself, and says why it had.
    pub fn stop(&mut self) -> Result<(), NodeError> {
        drop(self.stop.take());
        match self.thread.take().map(std::thread::JoinHandle::join) {
            None => Ok(()),
            Some(Ok(result)) => result,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Runs a node on this thread until `stop` is dropped or used, or something goes wrong that it cannot live with.
pub fn run(
    config: NodeConfig,
    stop: oneshot::Receiver<()>,
    listening: impl FnOnce(SocketAddr),
) -> Result<(), NodeError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| NodeError::Start { what: "start the runtime", source })?;
    let tasks = tokio::task::LocalSet::new();
    tasks.block_on(&runtime, serve(config, stop, listening))
}

async fn serve(
    config: NodeConfig,
    mut stop: oneshot::Receiver<()>,
    listening: impl FnOnce(SocketAddr),
) -> Result<(), NodeError> {
    // Before anything is touched: whoever cannot have the address may be a second process with the same directory.
    let address = config.listen;
    let listen = |source| NodeError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    let (count, me) = (config.names.len(), config.me);
    let (written, mut done) = mpsc::unbounded_channel();
    let node = Rc::new(Shared { core: RefCell::new(Core::open(config, written)?), wake: Notify::new() });
    listening(address);
    node.core.borrow().note(&format!("listening on {address}"));
    tokio::task::spawn_local(accept(node.clone(), listener));
    for peer in (0..count).filter(|peer| *peer != me) {
        tokio::task::spawn_local(peers::keep_in_touch(node.clone(), peer));
    }
    loop {
        let wake = node.core.borrow_mut().turn()?;
        tokio::select! {
            biased;
            _ = &mut stop => return Ok(()),
            Some(result) = done.recv() => {
                let mut core = node.core.borrow_mut();
                core.stored(result)?;
                while let Ok(result) = done.try_recv() {
                    core.stored(result)?;
                }
            }
            () = node.wake.notified() => {}
            () = tokio::time::sleep_until(wake) => {}
        }
    }
}

async fn accept(node: Rc<Shared>, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::task::spawn_local(welcome(node.clone(), stream))),
            // Out of descriptors, most likely: others will be closed.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

/// The first message says whether a node calls or a client.
async fn welcome(node: Rc<Shared>, stream: TcpStream) {
    let Ok((outbox, mut inbox)) = connection::split(stream) else { return };
    let from = loop {
        match inbox.arrived() {
            Ok(Some(frame)) => match serde_json::from_slice(&frame) {
                Ok(Request::Hello { from, to }) => break node.core.borrow().peer(&from, &to),
                Ok(request) => {
                    node.core.borrow_mut().serve_client(&outbox, request);
                    node.wake.notify_one();
                    outbox.flush();
                    clients::converse(node, &outbox, inbox).await;
                    return outbox.close();
                }
                Err(_) => break None,
            },
            Ok(None) if matches!(inbox.more(&outbox).await, Ok(true)) => {}
            _ => break None,
        }
    };
    if let Some(peer) = from {
        peers::listen_to(node, peer, &outbox, inbox).await;
    }
    outbox.close();
}

/// What the tasks of a node share. All of them run on one thread; none holds the core across an `await`.
#[derive(Debug)]
struct Shared {
    core: RefCell<Core>,
    wake: Notify,
}

/// Replica, store, and who waits for what.
#[derive(Debug)]
struct Core {
    config: NodeConfig,
    started: Instant,
    replica: Replica,
    writer: Writer,
    store: Store,
    /// The last entry in the store.
    applied: Mark,
    /// Writes in the log whose commit is waited for, by position.
    pending: VecDeque<Pending>,
    /// Reads that insist on a position.
    waiting: Vec<Waiting>,
    /// The connection that this node opened to each peer: for what it says.
    dialled: Vec<Option<Rc<Outbox>>>,
    /// The connection that each peer opened to this node: for answers.
    came: Vec<Option<Rc<Outbox>>>,
    scratch: Vec<u8>,
}

impl Core {
    fn open(config: NodeConfig, written: mpsc::UnboundedSender<Written>) -> Result<Core, NodeError> {
        let notes = config.notes.clone();
        let (disk, recovered) =
            disk::open(&config.data, &config.names, config.me, config.settings.rules.planted, &mut |note| {
                notes(&note)
            })?;
        let writer =
            Writer::start(disk, written).map_err(|source| NodeError::Start { what: "start a thread", source })?;
        let position = recovered.snapshot.mark.position;
        let store =
            Store::restore(&recovered.snapshot.parts).map_err(|source| NodeError::Garbage { position, source })?;
        notes(&format!("epoch {}, log up to position {}", recovered.epoch, recovered.log.last().position));
        let count = config.names.len();
        let identity = Identity { me: config.me, names: config.names.clone() };
        let mut applied = recovered.snapshot.mark;
        if config.settings.rules.planted.is(Bug::ReplaysAppliedEntry) && recovered.log.get(applied.position).is_some() {
            // BUG replays-applied-entry: a node that restarts begins one entry too early.
            applied.position -= 1;
        }
        let replica = Replica::new(identity, config.settings.rules.clone(), recovered, random(config.me), 0);
        Ok(Core {
            started: Instant::now(),
            replica,
            writer,
            store,
            applied,
            pending: VecDeque::new(),
            waiting: Vec::new(),
            dialled: vec![None; count],
            came: vec![None; count],
            scratch: Vec::new(),
            config,
        })
    }

    /// Microseconds since the start.
    fn now(&self) -> u64 {
        self.started.elapsed().as_micros() as u64
    }

    fn note(&self, line: &str) {
        (self.config.notes)(line);
    }

    fn stored(&mut self, written: Written) -> Result<(), NodeError> {
        let now = self.now();
        self.replica.stored(now, written?);
        Ok(())
    }

    /// Does everything that has become possible, and says when to come back at the latest.
    fn turn(&mut self) -> Result<Instant, NodeError> {
        let now = self.now();
        self.replica.tick(now);
        loop {
            self.replica.pump(now);
            let effects = self.replica.take_effects();
            let quiet = effects.is_empty();
            for effect in effects {
                self.perform(effect)?;
            }
            self.apply()?;
            self.compact();
            if quiet {
                break;
            }
        }
        self.release_waiting(now);
        for outbox in self.dialled.iter().chain(&self.came).flatten() {
            outbox.flush();
        }
        let waiting = self.waiting.iter().map(|waiting| waiting.until).min().unwrap_or(u64::MAX);
        let wake = self.replica.wake().min(waiting).max(now);
        Ok(self.started + Duration::from_micros(wake))
    }

    fn perform(&mut self, effect: Effect) -> Result<(), NodeError> {
        match effect {
            Effect::Send { to, message } => {
                if message.is_answer() {
                    if let Some(outbox) = &self.came[to] {
                        outbox.put(&Reply::Say(message));
                    }
                } else if let Some(outbox) = &self.dialled[to] {
                    outbox.put(&Request::Say(message));
                }
            }
            Effect::Store { ticket, work } => self.writer.push(ticket, work),
            Effect::Discarded { after } if self.applied.position > after => self.rebuild()?,
            Effect::Discarded { .. } => {}
            Effect::Restored => self.rebuild()?,
            Effect::Deposed => self.abandon_pending(),
            Effect::Note(line) => self.note(&line),
        }
        Ok(())
    }

    /// Goes back to the snapshot; what is committed after it is applied again.
    fn rebuild(&mut self) -> Result<(), NodeError> {
        let snapshot = self.replica.snapshot();
        self.applied = snapshot.mark;
        let position = snapshot.mark.position;
        self.store = Store::restore(&snapshot.parts).map_err(|source| NodeError::Garbage { position, source })?;
        Ok(())
    }

    /// Executes what is committed, in order, and answers those who asked for it.
    fn apply(&mut self) -> Result<(), NodeError> {
        while self.applied.position < self.replica.commit() {
            let position = self.applied.position + 1;
            let Some(entry) = self.replica.log().get(position) else { break };
            let command =
                serde_json::from_str(entry.command.get()).map_err(|source| NodeError::Garbage { position, source })?;
            self.applied = Mark { epoch: entry.epoch, position };
            self.scratch.clear();
            let result = match command {
                Command::Nothing => Ok(()),
                Command::Do(operation) => self.store.execute(&operation, &mut self.scratch),
            };
            self.answer_pending(result);
        }
        Ok(())
    }

    /// Keeps a snapshot of the state when enough has happened since the last, and forgets the log behind it. Enough is
    /// a multiple of what is kept, and grows with the state, so that its cost per entry does not.
    fn compact(&mut self) {
        let keep = self.config.settings.rules.retention;
        let held = self.applied.position.saturating_sub(self.replica.log().base().position);
        let enough = (2 * keep).max(keep + self.store.element_count() as u64 / 2);
        if held >= enough && self.replica.log().mark(self.applied.position) == Some(self.applied) {
            self.replica.compact(Snapshot { mark: self.applied, parts: self.store.snapshot() });
        }
    }

    /// The peer that says it is `from` and wants `to`.
    fn peer(&self, from: &str, to: &str) -> Option<usize> {
        let names = &self.config.names;
        let peer = names.iter().position(|name| name == from).filter(|peer| *peer != self.config.me);
        peer.filter(|_| names[self.config.me] == to)
    }
}

/// Something that differs from node to node and from start to start, for timeouts.
fn random(me: usize) -> u64 {
    let nanos = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64);
    let mut x = nanos ^ (me as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(std::process::id()) << 32;
    x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x ^ x >> 31
}
