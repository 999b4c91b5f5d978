//! Connections between nodes. Each node keeps several open to every other and says over them what it has to say, now over one, now
//! over another; what comes back is how much was heard. What was not heard when a connection breaks is said again on another, and
//! what is not heard for a while is said again on another although the first still stands. So a message that is stuck on one connection
//! arrives after its successor, or after its own copy.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, MissedTickBehavior};

use super::Protocol;
use super::node::Shared;
use super::wire::{Reply, Request};
use crate::parts::connection::{self, Inbox, Outbox};
use crate::parts::json::Raw;

/// How many connections a node opens to each other.
pub(super) const LANES: usize = 2;
/// How long a connection may take to open.
const DIAL: Duration = Duration::from_millis(300);
/// How long to wait before the next attempt.
const REDIAL: Duration = Duration::from_millis(50);
/// How often to ask whether the other is there.
const PING: Duration = Duration::from_millis(300);
/// After this many questions without a word the connection is given up.
const UNANSWERED: u32 = 3;
/// A peer that has been silent for this long is gone.
pub(super) const SILENCE: Duration = Duration::from_secs(5);
/// What was not heard for this long is said again on another connection.
const SAY_AGAIN: Duration = Duration::from_millis(250);
/// What was not heard for this long is not said again any more: protocols say it in other words.
const STALE: Duration = Duration::from_secs(2);
/// So many messages wait for one peer; the oldest are forgotten.
const MOST_WAITING: usize = 10_000;

struct Waiting {
    n: u64,
    since: Instant,
    copied: bool,
    message: Raw,
}

#[derive(Default)]
struct Lane {
    outbox: Option<Rc<Outbox>>,
    next: u64,
    unheard: VecDeque<Waiting>,
}

impl Lane {
    fn is_open(&self) -> bool {
        self.outbox.as_ref().is_some_and(|outbox| !outbox.is_closed())
    }

    fn say(&mut self, message: Raw, since: Instant, copied: bool) {
        let Some(outbox) = &self.outbox else { return };
        self.next += 1;
        let n = self.next;
        let text = serde_json::from_str(message.get()).expect("a message is JSON");
        outbox.put(&Request::Say { n, message: text });
        self.unheard.push_back(Waiting { n, since, copied, message });
        if self.unheard.len() > MOST_WAITING {
            self.unheard.pop_front();
        }
    }

    fn heard(&mut self, n: u64) {
        while self.unheard.front().is_some_and(|waiting| waiting.n <= n) {
            self.unheard.pop_front();
        }
    }
}

/// What a node has to say to one peer.
#[derive(Default)]
pub(super) struct Peer {
    lanes: [Lane; LANES],
    turn: usize,
    /// Said while no connection stood.
    adrift: VecDeque<(Instant, Raw)>,
}

impl Peer {
    /// Says something, over one connection or another.
    pub(super) fn say(&mut self, message: Raw) {
        self.say_since(message, Instant::now(), false, None);
    }

    /// Says it over another connection than `but`, if there is one.
    fn say_since(&mut self, message: Raw, since: Instant, copied: bool, but: Option<usize>) {
        self.turn = self.turn.wrapping_add(1);
        let lanes = (0..LANES).map(|i| (self.turn + i) % LANES);
        match lanes.filter(|lane| Some(*lane) != but).find(|lane| self.lanes[*lane].is_open()) {
            Some(lane) => self.lanes[lane].say(message, since, copied),
            None if copied => {}
            None => {
                self.adrift.push_back((since, message));
                if self.adrift.len() > MOST_WAITING {
                    self.adrift.pop_front();
                }
            }
        }
    }

    /// Hands everything to the kernel.
    pub(super) fn flush(&self) {
        self.lanes.iter().filter_map(|lane| lane.outbox.as_ref()).for_each(|outbox| outbox.flush());
    }

    fn opened(&mut self, lane: usize, outbox: Rc<Outbox>) {
        self.lanes[lane] = Lane { outbox: Some(outbox), ..Lane::default() };
        let now = Instant::now();
        for (since, message) in std::mem::take(&mut self.adrift) {
            if now - since < STALE {
                self.say_since(message, since, false, None);
            }
        }
    }

    fn closed(&mut self, lane: usize) {
        let unheard = std::mem::take(&mut self.lanes[lane]).unheard;
        let now = Instant::now();
        for waiting in unheard.into_iter().filter(|waiting| now - waiting.since < STALE && !waiting.copied) {
            self.say_since(waiting.message, waiting.since, false, None);
        }
    }

    /// Says again, elsewhere, what has been waiting on this connection for too long.
    fn say_again(&mut self, lane: usize) {
        let now = Instant::now();
        let late: Vec<(Instant, Raw)> = self.lanes[lane]
            .unheard
            .iter_mut()
            .filter(|waiting| !waiting.copied && now - waiting.since > SAY_AGAIN)
            .map(|waiting| {
                waiting.copied = true;
                (waiting.since, waiting.message.clone())
            })
            .collect();
        for (since, message) in late {
            self.say_since(message, since, true, Some(lane));
        }
    }
}

/// Keeps one connection to a peer open for ever.
pub(super) async fn keep_in_touch<P: Protocol>(node: Rc<Shared<P>>, peer: usize, lane: usize) {
    let address = node.core.borrow().config.peers[peer];
    loop {
        if let Ok(Ok(stream)) = tokio::time::timeout(DIAL, TcpStream::connect(address)).await
            && let Ok((outbox, inbox)) = connection::split(stream)
        {
            talk_to(&node, peer, lane, &outbox, inbox).await;
            outbox.close();
        }
        tokio::time::sleep(REDIAL).await;
    }
}

async fn talk_to<P: Protocol>(node: &Rc<Shared<P>>, peer: usize, lane: usize, outbox: &Rc<Outbox>, mut inbox: Inbox) {
    {
        let mut core = node.core.borrow_mut();
        let seat = &core.config.seat;
        let (from, to) = (seat.names[seat.me].as_str().into(), seat.names[peer].as_str().into());
        outbox.put(&Request::Hello { from, to });
        core.peers[peer].opened(lane, outbox.clone());
        outbox.flush();
    }
    let mut ping = tokio::time::interval(PING);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut unanswered = 0;
    loop {
        tokio::select! {
            more = inbox.more(outbox) => {
                unanswered = 0;
                if !matches!(more, Ok(true)) || !heed(node, peer, lane, &mut inbox) {
                    break;
                }
            }
            _ = ping.tick() => {
                unanswered += 1;
                if unanswered > UNANSWERED {
                    break;
                }
                node.core.borrow_mut().peers[peer].say_again(lane);
                outbox.put(&Request::Ping {});
                node.core.borrow().peers[peer].flush();
            }
        }
    }
    outbox.close();
    node.core.borrow_mut().peers[peer].closed(lane);
}

/// Takes in how much was heard. `false` when what comes makes no sense.
fn heed<P: Protocol>(node: &Shared<P>, peer: usize, lane: usize, inbox: &mut Inbox) -> bool {
    let mut core = node.core.borrow_mut();
    loop {
        match inbox.arrived() {
            Ok(None) => return true,
            Ok(Some(frame)) => match serde_json::from_slice(&frame) {
                Ok(Reply::Heard(n)) => core.peers[peer].lanes[lane].heard(n),
                Ok(Reply::Pong {}) => {}
                _ => return false,
            },
            Err(_) => return false,
        }
    }
}
