//! A client on real connections: runs an [`Errand`] for each operation.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use histories::{Completion, Operation};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use serde_json::value::to_raw_value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::bytes::BytesMut;
use tokio_util::codec::Decoder;

use super::Micros;
use super::errand::{Errand, Manners, Memory, Next, Route, Said};
use super::wire::{Question, Reply, Request};
use crate::dial::{BoxFuture, Dial};
use crate::parts::command::CommandRef;
use crate::parts::frame::{self, Frames};
use crate::system::{Answer, Client, ClientContext};

/// How long a connection may take to open, if the operation has that long.
const CONNECT: Duration = Duration::from_millis(500);

/// Which node an operation goes to.
pub type Routing = Box<dyn Fn(&Operation) -> Route + Send + Sync>;

/// See the [module](self).
pub struct ErrandClient {
    nodes: Vec<SocketAddr>,
    dial: Arc<dyn Dial>,
    timeout: Duration,
    started: Instant,
    links: Vec<Option<Link>>,
    memory: Memory,
    routing: Routing,
    next_id: u64,
}

impl ErrandClient {
    /// A client with no connection yet. `nodes` are the addresses by position.
    pub fn new(context: ClientContext, nodes: Vec<SocketAddr>, manners: Manners, routing: Routing) -> ErrandClient {
        let memory = Memory::new(nodes.len(), context.session, context.preferred, fresh_client(), manners);
        ErrandClient {
            links: nodes.iter().map(|_| None).collect(),
            nodes,
            dial: context.dial,
            timeout: context.timeout,
            started: Instant::now(),
            memory,
            routing,
            next_id: 0,
        }
    }

    fn now(&self) -> Micros {
        self.started.elapsed().as_micros() as u64
    }

    fn instant(&self, at: Micros) -> Instant {
        self.started + Duration::from_micros(at)
    }

    async fn run(&mut self, operation: &Operation) -> Answer {
        let op = match to_raw_value(&CommandRef(operation)) {
            Ok(op) => op,
            Err(error) => return Answer { completion: Completion::Fail(error.to_string()), node: None },
        };
        let now = self.now();
        let deadline = now + self.timeout.as_micros() as u64;
        let route = (self.routing)(operation);
        let mut errand = Errand::new(&mut self.memory, operation.clone(), route, now, deadline);
        let mut next = errand.proceed(&mut self.memory, now);
        loop {
            next = match next {
                Next::Ask(node, until) => {
                    self.next_id += 1;
                    let question = Question {
                        id: self.next_id,
                        session: self.memory.session(),
                        request: errand.request(),
                        context: self.memory.context().clone(),
                        op: &op,
                    };
                    let said = self.exchange(node, question, self.instant(until)).await;
                    let now = self.now();
                    errand.heard(&mut self.memory, said, now)
                }
                Next::Wait(until) => {
                    sleep_until(self.instant(until)).await;
                    let now = self.now();
                    errand.proceed(&mut self.memory, now)
                }
                Next::End(completion, node) => return Answer { completion, node: Some(node) },
            };
        }
    }

    async fn exchange(&mut self, node: usize, question: Question<'_>, deadline: Instant) -> Said {
        // Taken out, so that it is gone if the caller gives up in between: what may still come on it answers this
        // question, not the next.
        let mut link = match self.links[node].take().filter(Link::is_open) {
            Some(link) => link,
            None => match self.connect(node, deadline).await {
                Ok(link) => link,
                Err(unreachable) => return unreachable,
            },
        };
        let (id, address) = (question.id, self.nodes[node]);
        match timeout_at(deadline, link.ask(&Request::Ask(question))).await {
            Err(_) => Said::Unanswered(format!("no answer from {address} in time")),
            Ok(Err(error)) => Said::Unanswered(format!("connection to {address} lost: {error}")),
            Ok(Ok(Reply::Answer(told))) if told.id == id => {
                self.links[node] = Some(link);
                Said::Told(told)
            }
            Ok(Ok(_)) => Said::Unanswered(format!("{address} answered something else")),
        }
    }

    async fn connect(&self, node: usize, deadline: Instant) -> Result<Link, Said> {
        let address = self.nodes[node];
        let deadline = deadline.min(Instant::now() + CONNECT);
        match timeout_at(deadline, self.dial.dial(address)).await {
            Ok(Ok(stream)) => Ok(Link::new(stream)),
            Ok(Err(error)) => {
                let certain = error.kind() != std::io::ErrorKind::TimedOut;
                Err(Said::Unreachable { why: format!("cannot connect to {address}: {error}"), certain })
            }
            Err(_) => Err(Said::Unreachable { why: format!("cannot connect to {address} in time"), certain: false }),
        }
    }
}

impl Client for ErrandClient {
    fn invoke<'a>(&'a mut self, operation: &'a Operation) -> BoxFuture<'a, Answer> {
        Box::pin(self.run(operation))
    }
}

/// Tells this client from every other that ever asks the same cluster.
pub(crate) fn fresh_client() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let nanos = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64);
    let started = super::mix(nanos ^ u64::from(std::process::id()) << 48);
    // A number that JSON readers in other languages take as it is.
    super::mix(started ^ COUNT.fetch_add(1, Ordering::Relaxed)) >> 11
}

/// A connection on which one question at a time is asked.
#[derive(Debug)]
pub struct Link {
    stream: TcpStream,
    bytes: BytesMut,
    frames: Frames,
}

impl Link {
    /// Takes over a stream.
    pub fn new(stream: TcpStream) -> Link {
        // Without it small questions wait for the acknowledgement of the last; no harm if it cannot be set.
        let _ = stream.set_nodelay(true);
        Link { stream, bytes: BytesMut::with_capacity(4096), frames: Frames::default() }
    }

    /// Whether the other side has not closed it, as far as is known here, and has nothing to say unasked.
    pub fn is_open(&self) -> bool {
        let mut byte = [0];
        matches!(self.stream.try_read(&mut byte), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
    }

    /// Asks, and waits for the answer.
    pub async fn ask<Q: Serialize, A: DeserializeOwned>(&mut self, question: &Q) -> std::io::Result<A> {
        let frame = self.ask_raw(question).await?;
        serde_json::from_slice(&frame).map_err(std::io::Error::from)
    }

    /// Asks, and waits for the answer's JSON text.
    pub async fn ask_raw<Q: Serialize>(&mut self, question: &Q) -> std::io::Result<BytesMut> {
        self.bytes.clear();
        frame::put(question, &mut self.bytes)?;
        self.stream.write_all(&self.bytes).await?;
        self.bytes.clear();
        loop {
            if self.stream.read_buf(&mut self.bytes).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(frame) = self.frames.decode(&mut self.bytes)? {
                return Ok(frame);
            }
        }
    }
}

/// Asks a node one thing on a connection of its own. `None` when it does not answer in time.
pub async fn ask_once(node: SocketAddr, dial: &dyn Dial, timeout: Duration, request: &Request<'_>) -> Option<Reply> {
    let exchange = async { Link::new(dial.dial(node).await.ok()?).ask(request).await.ok() };
    tokio::time::timeout(timeout, exchange).await.ok()?
}

/// Asks a node for everything that it holds.
pub async fn dump(node: SocketAddr, dial: &dyn Dial, timeout: Duration) -> Option<Json> {
    let Some(Reply::Dump(dump)) = ask_once(node, dial, timeout, &Request::Dump {}).await else { return None };
    serde_json::from_str(dump.get()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_link_asks_and_hears_whatever_the_pieces() {
        let answer = br#"{"pong":{}}"#;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("has an address");
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("accepts");
            let mut question = [0; 15];
            stream.read_exact(&mut question).await.expect("reads");
            assert_eq!(&question, b"\x00\x00\x00\x0b{\"ping\":{}}");
            for byte in [&[0, 0, 0, 11], &answer[..]].concat() {
                stream.write_all(&[byte]).await.expect("writes");
                stream.flush().await.expect("flushes");
                tokio::task::yield_now().await;
            }
        });
        let mut link = Link::new(TcpStream::connect(address).await.expect("connects"));
        let frame = link.ask_raw(&Request::Ping {}).await.expect("answers");
        assert_eq!(&frame[..], answer);
        server.await.expect("ends well");
    }
}
