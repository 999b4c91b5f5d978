//! A protocol as a process: one thread that does everything but wait for the disk, and one that does only that.
//!
//! Whatever arrives is given to the protocol at once; what it wants done is done in `Core::turn`, once for everything that arrived
//! together. So the busier a node is, the larger are its batches, on the wire and on disk.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;

use super::context::{Caller, mix};
use super::engine::{Act, Engine};
use super::journal::{DiskError, Journal};
use super::peers::{self, Peer};
use super::settings::{Failpoint, Failpoints};
use super::wire::{Ask, Question, Reply, Request, Told};
use super::{Garbage, Micros, Protocol, Seat};
use crate::parts::command::Command;
use crate::parts::connection::{self, Inbox, Outbox};
use crate::parts::json::Raw;

/// Where the lines of a node's log go.
pub type Notes = Arc<dyn Fn(&str) + Send + Sync>;

/// What a node is started from.
#[derive(Clone)]
pub struct NodeConfig<S> {
    /// The system's name: the journal is of a node of this system.
    pub system: &'static str,
    /// Who it is among whom.
    pub seat: Seat,
    /// Where it reaches each of them; its own is not used.
    pub peers: Vec<SocketAddr>,
    /// Where it listens, for nodes and clients alike.
    pub listen: SocketAddr,
    /// Its own directory.
    pub data: PathBuf,
    /// How it is configured.
    pub settings: S,
    /// Where it is to stand still.
    pub failpoints: Failpoints,
    /// Where the lines of its log go.
    pub notes: Notes,
}

impl<S> fmt::Debug for NodeConfig<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.seat.names[self.seat.me];
        write!(f, "node {name} at {} with its data in {}", self.listen, self.data.display())
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
    /// What it had kept makes no sense.
    #[error(transparent)]
    Garbage(#[from] Garbage),
    /// A thread, a runtime or a connection could not be made.
    #[error("cannot {what}")]
    Start {
        /// What.
        what: &'static str,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
}

/// Runs a node on this thread until `stop` is dropped or used, or something goes wrong that it cannot live with.
pub fn run<P: Protocol>(
    config: NodeConfig<P::Settings>,
    stop: oneshot::Receiver<()>,
    listening: impl FnOnce(SocketAddr),
) -> Result<(), NodeError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| NodeError::Start { what: "start the runtime", source })?;
    let tasks = tokio::task::LocalSet::new();
    tasks.block_on(&runtime, serve::<P>(config, stop, listening))
}

async fn serve<P: Protocol>(
    config: NodeConfig<P::Settings>,
    mut stop: oneshot::Receiver<()>,
    listening: impl FnOnce(SocketAddr),
) -> Result<(), NodeError> {
    // Before anything is touched: whoever cannot have the address may be a second process with the same directory.
    let address = config.listen;
    let listen = |source| NodeError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    let others: Vec<usize> = config.seat.others().collect();
    let (written, mut done) = mpsc::unbounded_channel();
    let node = Rc::new(Shared { core: RefCell::new(Core::<P>::open(config, written)?), wake: Notify::new() });
    listening(address);
    node.core.borrow().note(&format!("listening address={address}"));
    tokio::task::spawn_local(accept(node.clone(), listener));
    for peer in others {
        for lane in 0..peers::LANES {
            tokio::task::spawn_local(peers::keep_in_touch(node.clone(), peer, lane));
        }
    }
    loop {
        let wake = node.core.borrow_mut().turn();
        tokio::select! {
            biased;
            _ = &mut stop => return Ok(()),
            Some(result) = done.recv() => {
                let mut core = node.core.borrow_mut();
                core.engine.flushed(result?);
                while let Ok(result) = done.try_recv() {
                    core.engine.flushed(result?);
                }
            }
            () = node.wake.notified() => {}
            () = tokio::time::sleep_until(wake) => {}
        }
    }
}

async fn accept<P: Protocol>(node: Rc<Shared<P>>, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::task::spawn_local(welcome(node.clone(), stream))),
            // Out of descriptors, most likely: others will be closed.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

/// The first message says whether a node calls or a client.
async fn welcome<P: Protocol>(node: Rc<Shared<P>>, stream: TcpStream) {
    let Ok((outbox, mut inbox)) = connection::split(stream) else { return };
    let mut from = None;
    while let Ok(true) = converse(&node, &outbox, &mut inbox, &mut from) {
        outbox.flush();
        node.wake.notify_one();
        let more = tokio::time::timeout(peers::SILENCE, inbox.more(&outbox)).await;
        match more {
            Ok(Ok(true)) => {}
            // A client may be silent for as long as it likes.
            Err(_) if from.is_none() => {}
            _ => break,
        }
    }
    outbox.close();
}

/// Takes in all that has arrived. `false` when the conversation is over.
fn converse<P: Protocol>(
    node: &Shared<P>,
    outbox: &Rc<Outbox>,
    inbox: &mut Inbox,
    from: &mut Option<usize>,
) -> io::Result<bool> {
    let mut core = node.core.borrow_mut();
    let mut heard = 0;
    while let Some(frame) = inbox.arrived()? {
        match (serde_json::from_slice(&frame)?, *from) {
            (Request::Hello { from: name, to }, None) => match core.peer(&name, &to) {
                None => return Ok(false),
                peer => *from = peer,
            },
            (Request::Say { n, message }, Some(peer)) => {
                let message = serde_json::from_str(message.get())?;
                let (now, wall) = core.time();
                core.engine.hear(now, wall, peer, message);
                heard = n;
            }
            (Request::Ping {}, _) => outbox.put(&Reply::Pong {}),
            (request, None) => core.attend(outbox, request),
            _ => return Ok(false),
        }
    }
    if heard > 0 {
        outbox.put(&Reply::Heard(heard));
    }
    Ok(true)
}

/// What the tasks of a node share. All of them run on one thread; none holds the core across an `await`.
pub(super) struct Shared<P: Protocol> {
    pub(super) core: RefCell<Core<P>>,
    pub(super) wake: Notify,
}

/// The protocol, and who waits for what.
pub(super) struct Core<P: Protocol> {
    pub(super) config: NodeConfig<P::Settings>,
    started: Instant,
    engine: Engine<P>,
    writer: Writer<P::Record>,
    callers: HashMap<Caller, (Rc<Outbox>, u64)>,
    next_caller: u64,
    pub(super) peers: Vec<Peer>,
    reached: BTreeMap<&'static str, u64>,
}

impl<P: Protocol> Core<P> {
    fn open(
        config: NodeConfig<P::Settings>,
        written: mpsc::UnboundedSender<Result<u64, DiskError>>,
    ) -> Result<Self, NodeError> {
        let notes = config.notes.clone();
        let owner = format!("{} {}", config.system, config.seat.names[config.seat.me]);
        let (journal, kept) = Journal::open(&config.data, &owner, &mut |note| notes(&note))?;
        let started = Instant::now();
        let seat = config.seat.clone();
        let peers = (0..seat.count()).map(|_| Peer::default()).collect();
        let random = random(seat.me);
        let engine = Engine::start(seat, config.settings.clone(), kept, (0, wall()), random)?;
        let writer = Writer::start(journal, config.failpoints.clone(), notes, written)
            .map_err(|source| NodeError::Start { what: "start a thread", source })?;
        let (callers, reached) = (HashMap::new(), BTreeMap::new());
        Ok(Core { config, started, engine, writer, callers, next_caller: 0, peers, reached })
    }

    /// Since the start, and since 1970.
    fn time(&self) -> (Micros, Micros) {
        (self.started.elapsed().as_micros() as u64, wall())
    }

    fn note(&self, line: &str) {
        (self.config.notes)(line);
    }

    /// Does everything that has become possible, and says when to come back at the latest.
    fn turn(&mut self) -> Instant {
        let (now, wall) = self.time();
        for act in self.engine.turn(now, wall) {
            match act {
                Act::Send(to, message) => self.peers[to].say(Raw::of(&message)),
                Act::Answer(caller, outcome, context) => {
                    if let Some((outbox, id)) = self.callers.remove(&caller) {
                        outbox.put(&Reply::Answer(Told { id, outcome, context }));
                        outbox.flush();
                    }
                }
                Act::Note(line) => self.note(&line),
                Act::Failpoint(name) => self.reach(name),
                Act::Append(ticket, records) => self.writer.push(ticket, Work::Append(records)),
                Act::Rewrite(ticket, records) => self.writer.push(ticket, Work::Rewrite(records)),
            }
        }
        self.peers.iter().for_each(Peer::flush);
        let hour = now + 3_600_000_000;
        self.started + Duration::from_micros(self.engine.wake().unwrap_or(hour).min(hour))
    }

    /// Stands still here, if that is wanted: everything said so far goes out first.
    fn reach(&mut self, name: &'static str) {
        let count = self.reached.entry(name).or_default();
        *count += 1;
        if let Some(hold) = self.config.failpoints.hold(name, *count) {
            self.peers.iter().for_each(Peer::flush);
            self.note(&format!("failpoint name={name}"));
            std::thread::sleep(hold);
        }
    }

    /// The peer that says it is `from` and wants `to`.
    fn peer(&self, from: &str, to: &str) -> Option<usize> {
        let Seat { me, names } = &self.config.seat;
        let peer = names.iter().position(|name| name == from).filter(|peer| peer != me);
        peer.filter(|_| names[*me] == to)
    }

    /// Answers a client, or remembers that it waits.
    fn attend(&mut self, outbox: &Rc<Outbox>, request: Request<'_>) {
        match request {
            Request::Ask(question) => self.take(outbox, question),
            Request::Probe {} => outbox.put(&Reply::Probe(self.engine.protocol().state())),
            Request::Dump {} => outbox.put(&Reply::Dump(Raw::of(&self.engine.protocol().dump()))),
            Request::Order(words) => {
                let (now, wall) = self.time();
                outbox.put(&Reply::Order(self.engine.order(now, wall, &words)));
            }
            Request::Ping {} | Request::Hello { .. } | Request::Say { .. } => outbox.close(),
        }
    }

    fn take(&mut self, outbox: &Rc<Outbox>, question: Question<'_>) {
        let Question { id, session, request, context, op } = question;
        let why = match serde_json::from_str(op.get()) {
            Ok(Command::Do(operation)) => {
                let caller = Caller(self.next_caller);
                self.next_caller += 1;
                self.callers.insert(caller, (outbox.clone(), id));
                let (now, wall) = self.time();
                return self.engine.serve(now, wall, caller, Ask { session, request, context, operation });
            }
            Ok(Command::Nothing) => "nothing to do".to_owned(),
            Err(error) => format!("no command: {error}"),
        };
        outbox.put(&Reply::Answer(Told { id, outcome: super::Outcome::NoEffect(why), context: None }));
    }
}

fn wall() -> Micros {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_micros() as u64)
}

/// Something that differs from node to node and from start to start, for timeouts.
fn random(me: usize) -> u64 {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64);
    mix(nanos ^ (me as u64 + 1) << 32 ^ u64::from(std::process::id()) << 16)
}

enum Work<R> {
    Append(Vec<R>),
    Rewrite(Vec<R>),
}

/// The thread that writes: it takes whatever has piled up, puts runs of records into one batch, flushes once (group commit),
/// and says how far it came.
struct Writer<R> {
    work: Option<Sender<(u64, Work<R>)>>,
    thread: Option<std::thread::JoinHandle<()>>,
    abandoned: Arc<AtomicBool>,
}

impl<R: serde::Serialize + Send + 'static> Writer<R> {
    fn start(
        journal: Journal,
        failpoints: Failpoints,
        notes: Notes,
        written: mpsc::UnboundedSender<Result<u64, DiskError>>,
    ) -> io::Result<Writer<R>> {
        let (work, todo) = channel();
        let abandoned = Arc::new(AtomicBool::new(false));
        let desk = Desk { journal, failpoints, notes, count: 0, stop: abandoned.clone() };
        let thread = std::thread::Builder::new().name("disk".into()).spawn(move || desk.write(todo, written))?;
        Ok(Writer { work: Some(work), thread: Some(thread), abandoned })
    }

    fn push(&self, ticket: u64, work: Work<R>) {
        if let Some(sender) = &self.work {
            // When the thread has ended it has said why, and the node is about to end too.
            let _ = sender.send((ticket, work));
        }
    }
}

impl<R> Drop for Writer<R> {
    /// Does not finish what was not begun, as when a process is killed.
    fn drop(&mut self) {
        self.abandoned.store(true, Ordering::Relaxed);
        self.work = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Desk {
    journal: Journal,
    failpoints: Failpoints,
    notes: Notes,
    count: u64,
    stop: Arc<AtomicBool>,
}

impl Desk {
    fn write<R: serde::Serialize>(
        mut self,
        todo: Receiver<(u64, Work<R>)>,
        written: mpsc::UnboundedSender<Result<u64, DiskError>>,
    ) {
        while let Ok(first) = todo.recv() {
            let mut pile = vec![first];
            pile.extend(todo.try_iter());
            for (ticket, work) in merge(pile) {
                if self.stop.load(Ordering::Relaxed) {
                    return;
                }
                self.reach(Failpoint::BEFORE_FLUSH);
                let result = match work {
                    Work::Append(records) => self.journal.append(&records),
                    Work::Rewrite(records) => self.journal.rewrite(&records),
                };
                self.reach(Failpoint::AFTER_FLUSH);
                let failed = result.is_err();
                if written.send(result.map(|()| ticket)).is_err() || failed {
                    return;
                }
            }
        }
    }

    fn reach(&mut self, name: &str) {
        self.count += u64::from(name == Failpoint::BEFORE_FLUSH);
        if let Some(hold) = self.failpoints.hold(name, self.count) {
            (self.notes)(&format!("failpoint name={name}"));
            std::thread::sleep(hold);
        }
    }
}

/// Puts runs of appended records together; each result carries the ticket of its last part. What comes before a rewrite is in it.
fn merge<R>(pile: Vec<(u64, Work<R>)>) -> Vec<(u64, Work<R>)> {
    let mut merged: Vec<(u64, Work<R>)> = Vec::with_capacity(pile.len());
    for (ticket, work) in pile {
        match (merged.last_mut(), work) {
            (Some((last, Work::Append(records))), Work::Append(more)) => {
                records.extend(more);
                *last = ticket;
            }
            (_, Work::Rewrite(records)) => {
                merged.clear();
                merged.push((ticket, Work::Rewrite(records)));
            }
            (_, work) => merged.push((ticket, work)),
        }
    }
    merged
}
