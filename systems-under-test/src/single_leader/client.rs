//! The client: finds the leader, remembers what its session has seen, and never says `fail` of an update that a node
//! may have begun.
//!
//! | what happened to an update | outcome |
//! |---|---|
//! | no node could be reached, or each refused it (not the leader, lower epoch) | `fail` |
//! | executed without effect (compare-and-set found another value, wrong type) | `fail` |
//! | sent, and the connection broke or time ran out | `info` |
//! | the node stopped leading before it was committed | `info` |
//!
//! A read has no effect: it may be asked again elsewhere, and is `fail` when nobody answered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use histories::{Completion, Operation};
use serde_json::value::{RawValue, to_raw_value};
use tokio::time::{Instant, sleep, timeout_at};

use super::bugs::Bug;
use super::options::ReadFrom;
use super::wire::{Ask, Outcome, Reply, Request, Told};
use crate::dial::{BoxFuture, Dial};
use crate::parts::command::CommandRef;
use crate::parts::json::answered;
use crate::specimen::client::Link;
use crate::specimen::{Planted, mix};
use crate::system::{Answer, Client};

/// How long a connection may take to open, if the operation has that long.
const CONNECT: Duration = Duration::from_millis(500);
/// How long to wait before asking again when nobody leads.
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// Where a client stands and how it reads.
#[derive(Clone)]
pub struct ClientConfig {
    /// Where it reaches each node.
    pub nodes: Vec<SocketAddr>,
    /// Opens connections.
    pub dial: Arc<dyn Dial>,
    /// On whose behalf it asks.
    pub session: u32,
    /// Which node it asks first.
    pub preferred: usize,
    /// How long one operation may take.
    pub timeout: Duration,
    /// Who answers its reads.
    pub read_from: ReadFrom,
    /// Whether its reads insist on its own last write.
    pub token: bool,
    /// What is wrong on purpose.
    pub planted: Planted<Bug>,
}

/// See the [module](self).
pub struct SingleLeaderClient {
    config: ClientConfig,
    links: Vec<Option<Link>>,
    /// The node that it takes for the leader.
    leader: usize,
    /// The replica that a sticky session reads from.
    replica: usize,
    /// How often in a row that one could not be reached in time.
    doubts: u32,
    draws: u64,
    next_id: u64,
    /// The highest epoch of a state that answered.
    epoch: u64,
    /// The position of the last acknowledged write.
    written: u64,
    /// The position up to which the session has seen the leader's state, in transactions and compare-and-sets that
    /// read there: its own replica must not show it less afterwards.
    seen: u64,
}

/// What one node said, or why it said nothing.
enum Exchange {
    /// It was never asked: no connection could be opened, and `certain` says that this was no matter of time.
    Unreachable { why: String, certain: bool },
    /// It was asked and may have begun.
    Unanswered(String),
    /// It executed the operation: the JSON of what was found.
    Done(Box<RawValue>),
    /// It executed the operation, without effect.
    NoEffect(String),
    /// It did not begin.
    Refused(String, Option<usize>),
}

/// An operation, as it is asked.
struct Question {
    op: Box<RawValue>,
    update: bool,
    /// Whether its answer shows something of the state that it meets, wherever that is.
    shows_state: bool,
}

/// The attempts at one operation.
struct Tries {
    deadline: Instant,
    timeout: Duration,
    /// The last refusal; before the first, whatever happened first.
    said: Option<(Exchange, usize)>,
}

impl Tries {
    fn new(deadline: Instant, timeout: Duration) -> Tries {
        Tries { deadline, timeout, said: None }
    }

    /// Until when to wait for one node, so that time is left for others.
    fn patience(&self) -> Instant {
        self.deadline.min(Instant::now() + self.timeout / 2)
    }

    /// Waits a little before the next attempt. When too little time is left for one, returns what to say in the end:
    /// what a node said rather than that one said nothing.
    async fn again(&mut self, exchange: Exchange, node: usize) -> Option<(Exchange, usize)> {
        if self.said.is_none() || matches!(exchange, Exchange::Refused(..)) {
            self.said = Some((exchange, node));
        }
        if Instant::now() + ASK_AGAIN + self.timeout / 10 >= self.deadline {
            return self.said.take();
        }
        sleep(ASK_AGAIN).await;
        None
    }
}

impl SingleLeaderClient {
    /// A client with no connection yet.
    pub fn new(config: ClientConfig) -> SingleLeaderClient {
        let count = config.nodes.len();
        SingleLeaderClient {
            links: (0..count).map(|_| None).collect(),
            leader: config.preferred % count,
            replica: (mix(u64::from(config.session)) % count as u64) as usize,
            doubts: 0,
            draws: 0,
            next_id: 0,
            epoch: 0,
            written: 0,
            seen: 0,
            config,
        }
    }

    /// Takes this node for the leader, until it says otherwise.
    pub fn prefer(&mut self, node: usize) {
        self.leader = node % self.links.len();
    }

    /// The replica that a sticky session reads from now.
    pub fn replica(&self) -> usize {
        self.replica
    }

    /// Closes all connections; the next operation opens new ones.
    pub fn hang_up(&mut self) {
        self.links.iter_mut().for_each(|link| *link = None);
    }

    async fn run(&mut self, operation: &Operation) -> Answer {
        let deadline = Instant::now() + self.config.timeout;
        let op = match to_raw_value(&CommandRef(operation)) {
            Ok(op) => op,
            Err(error) => return Answer { completion: Completion::Fail(error.to_string()), node: None },
        };
        let update = operation.is_update();
        let shows_state = matches!(operation, Operation::Txn(_) | Operation::Cas { .. });
        let question = Question { op, update, shows_state };
        let (exchange, node) = match self.config.read_from {
            // BUG sticky-is-random: the session's own replica is drawn anew for each read.
            ReadFrom::Sticky if !update && self.config.planted.is(Bug::StickyIsRandom) => {
                self.ask_any(&question, deadline).await
            }
            ReadFrom::Any if !update => self.ask_any(&question, deadline).await,
            ReadFrom::Sticky if !update => self.ask_sticky(&question, deadline).await,
            _ => self.ask_leader(&question, deadline).await,
        };
        let completion = match exchange {
            Exchange::Done(found) => match answered(operation, found.get()) {
                Ok(operation) => Completion::Ok(operation),
                Err(error) => Completion::Info(format!("the answer makes no sense: {error}")),
            },
            Exchange::NoEffect(why) | Exchange::Unreachable { why, .. } | Exchange::Refused(why, _) => {
                Completion::Fail(why)
            }
            Exchange::Unanswered(why) if update => Completion::Info(why),
            Exchange::Unanswered(why) => Completion::Fail(why),
        };
        Answer { completion, node: Some(node) }
    }

    /// Asks whoever leads, following hints, until somebody executes it or time is over.
    async fn ask_leader(&mut self, question: &Question, deadline: Instant) -> (Exchange, usize) {
        let mut hints = 0;
        let mut tries = Tries::new(deadline, self.config.timeout);
        loop {
            let node = self.leader;
            let patience = if question.update { deadline } else { tries.patience() };
            let exchange = self.exchange(node, question, patience).await;
            match &exchange {
                Exchange::Done(_) | Exchange::NoEffect(_) => return (exchange, node),
                Exchange::Unanswered(_) if question.update => {
                    self.leader = (node + 1) % self.links.len();
                    return (exchange, node);
                }
                Exchange::Refused(_, Some(leader)) if *leader < self.links.len() => {
                    self.leader = *leader;
                    hints += 1;
                    // Where the leader changes, hints may lead in a circle.
                    if hints % self.links.len() != 0 {
                        continue;
                    }
                }
                _ => self.leader = (node + 1) % self.links.len(),
            }
            if let Some(last) = tries.again(exchange, node).await {
                return last;
            }
        }
    }

    /// Asks a replica drawn for this read; another when it does not answer.
    async fn ask_any(&mut self, question: &Question, deadline: Instant) -> (Exchange, usize) {
        let mut tries = Tries::new(deadline, self.config.timeout);
        loop {
            self.draws += 1;
            let drawn = mix(u64::from(self.config.session) << 32 ^ self.draws) % self.links.len() as u64;
            let node = drawn as usize;
            let exchange = self.exchange(node, question, tries.patience()).await;
            if matches!(exchange, Exchange::Done(_) | Exchange::NoEffect(_)) {
                return (exchange, node);
            }
            if let Some(last) = tries.again(exchange, node).await {
                return last;
            }
        }
    }

    /// Asks the session's replica. Only when that cannot be reached at all does the session move on, and then it stays
    /// with the next: a replica that refuses or is slow is still the one whose past the session has seen. A connection
    /// that does not open in time may be slow as well; it takes two in a row.
    async fn ask_sticky(&mut self, question: &Question, deadline: Instant) -> (Exchange, usize) {
        let mut tries = Tries::new(deadline, self.config.timeout);
        loop {
            let node = self.replica;
            let exchange = self.exchange(node, question, deadline).await;
            match &exchange {
                Exchange::Done(_) | Exchange::NoEffect(_) => {
                    self.doubts = 0;
                    return (exchange, node);
                }
                Exchange::Unreachable { certain, .. } => {
                    self.doubts += 1;
                    if *certain || self.doubts >= 2 {
                        self.replica = (node + 1) % self.links.len();
                        self.doubts = 0;
                    }
                }
                _ => self.doubts = 0,
            }
            if let Some(last) = tries.again(exchange, node).await {
                return last;
            }
        }
    }

    async fn exchange(&mut self, node: usize, question: &Question, deadline: Instant) -> Exchange {
        // Taken out, so that it is gone if the caller gives up in between: what may still come on it answers this
        // question, not the next.
        let mut link = match self.links[node].take().filter(Link::is_open) {
            Some(link) => link,
            None => match self.connect(node, deadline).await {
                Ok(link) => {
                    if self.config.planted.is(Bug::TokenPerConnection) {
                        // BUG token-per-connection: what the session wrote is forgotten with its connection.
                        self.written = 0;
                    }
                    link
                }
                Err(unreachable) => return unreachable,
            },
        };
        self.next_id += 1;
        let id = self.next_id;
        let position = self.least_position();
        let ask = Ask { id, session: self.config.session, epoch: self.epoch, position, op: &question.op };
        let address = self.config.nodes[node];
        match timeout_at(deadline, link.ask_raw(&Request::Ask(ask))).await {
            Err(_) => Exchange::Unanswered(format!("no answer from {address} in time")),
            Ok(Err(error)) => Exchange::Unanswered(format!("connection to {address} lost: {error}")),
            Ok(Ok(frame)) => match serde_json::from_slice(&frame) {
                Ok(Reply::Answer(told)) if told.id == id => {
                    self.links[node] = Some(link);
                    self.understand(told, question)
                }
                _ => Exchange::Unanswered(format!("{address} answered something else")),
            },
        }
    }

    /// How far a replica must have come to answer this session.
    fn least_position(&self) -> u64 {
        let written = if self.config.token { self.written } else { 0 };
        let seen = if self.config.read_from == ReadFrom::Sticky { self.seen } else { 0 };
        written.max(seen)
    }

    fn understand(&mut self, told: Told<'_>, question: &Question) -> Exchange {
        match told.outcome {
            Outcome::Ok(found) => {
                self.epoch = self.epoch.max(told.epoch);
                if question.update {
                    self.written = self.written.max(told.position);
                }
                if question.shows_state {
                    self.seen = self.seen.max(told.position);
                }
                Exchange::Done(found.to_owned())
            }
            Outcome::Fail(why) => {
                self.epoch = self.epoch.max(told.epoch);
                Exchange::NoEffect(why.into_owned())
            }
            Outcome::Refused { why, leader } => Exchange::Refused(why.into_owned(), leader),
            Outcome::Unknown(why) => Exchange::Unanswered(why.into_owned()),
        }
    }

    async fn connect(&self, node: usize, deadline: Instant) -> Result<Link, Exchange> {
        let address = self.config.nodes[node];
        let deadline = deadline.min(Instant::now() + CONNECT);
        match timeout_at(deadline, self.config.dial.dial(address)).await {
            Ok(Ok(stream)) => Ok(Link::new(stream)),
            Ok(Err(error)) => {
                let certain = error.kind() != std::io::ErrorKind::TimedOut;
                Err(Exchange::Unreachable { why: format!("cannot connect to {address}: {error}"), certain })
            }
            Err(_) => {
                Err(Exchange::Unreachable { why: format!("cannot connect to {address} in time"), certain: false })
            }
        }
    }
}

impl Client for SingleLeaderClient {
    fn invoke<'a>(&'a mut self, operation: &'a Operation) -> BoxFuture<'a, Answer> {
        Box::pin(self.run(operation))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_spread_over_the_replicas() {
        let mut counts = [0; 5];
        for session in 0..1000 {
            counts[(mix(session) % 5) as usize] += 1;
        }
        assert!(counts.iter().all(|n| (150..250).contains(n)), "{counts:?}");
    }
}
