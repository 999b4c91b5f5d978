//! Connections between nodes. Each node keeps one open to every other and says over it what it has to say; answers
//! come back on the connection by which the question went. A connection that has gone quiet is opened anew, for the
//! kernel would go on trying the old one at intervals as long as the cut that broke it.

use std::rc::Rc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::MissedTickBehavior;

use super::{Inbox, Outbox, Shared, connection};
use crate::single_leader::wire::{Reply, Request};

/// How long a connection may take to open.
const DIAL: Duration = Duration::from_millis(300);
/// The same at most before the first has been opened. All nodes of a large cluster start at once, and on a small machine none
/// is answered within [`DIAL`]: whoever then tried as often would keep all others from being answered.
const LONGEST_DIAL: Duration = Duration::from_secs(5);
/// How long to wait before the next attempt.
const REDIAL: Duration = Duration::from_millis(50);
/// How often to ask whether the other is there.
const PING: Duration = Duration::from_millis(400);
/// After this many questions without a word the connection is given up.
const UNANSWERED: u32 = 3;

/// Keeps a connection to a peer open for ever.
pub(super) async fn keep_in_touch(node: Rc<Shared>, peer: usize) {
    let address = node.core.borrow().config.peers[peer];
    let mut patience = DIAL;
    let mut met = false;
    loop {
        let dialled = tokio::time::timeout(patience, TcpStream::connect(address)).await;
        if !met && dialled.is_err() {
            patience = (patience * 2).min(LONGEST_DIAL);
        }
        if let Ok(Ok(stream)) = dialled
            && let Ok((outbox, inbox)) = connection::split(stream)
        {
            (met, patience) = (true, DIAL);
            talk_to(&node, peer, &outbox, inbox).await;
            outbox.close();
        }
        tokio::time::sleep(REDIAL).await;
    }
}

async fn talk_to(node: &Rc<Shared>, peer: usize, outbox: &Rc<Outbox>, mut inbox: Inbox) {
    {
        let mut core = node.core.borrow_mut();
        let names = &core.config.names;
        let (from, to) = (names[core.config.me].as_str().into(), names[peer].as_str().into());
        outbox.put(&Request::Hello { from, to });
        core.dialled[peer] = Some(outbox.clone());
        let now = core.now();
        core.replica.connect(now, peer);
    }
    node.wake.notify_one();
    let mut ping = tokio::time::interval(PING);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut unanswered = 0;
    loop {
        tokio::select! {
            more = inbox.more(outbox) => {
                unanswered = 0;
                if !matches!(more, Ok(true)) || !hear(node, peer, &mut inbox) {
                    break;
                }
            }
            _ = ping.tick() => {
                unanswered += 1;
                if unanswered > UNANSWERED {
                    break;
                }
                outbox.put(&Request::Ping {});
                outbox.flush();
            }
        }
    }
    let mut core = node.core.borrow_mut();
    core.dialled[peer] = None;
    let now = core.now();
    core.replica.disconnect(now, peer);
    node.wake.notify_one();
}

/// Takes in the answers that arrived. `false` when they make no sense.
fn hear(node: &Shared, peer: usize, inbox: &mut Inbox) -> bool {
    let mut core = node.core.borrow_mut();
    let now = core.now();
    loop {
        match inbox.arrived() {
            Ok(None) => break,
            Ok(Some(frame)) => match serde_json::from_slice(&frame) {
                Ok(Reply::Say(message)) => core.replica.receive(now, peer, message),
                Ok(Reply::Pong {}) => {}
                _ => return false,
            },
            Err(_) => return false,
        }
    }
    node.wake.notify_one();
    true
}

/// Takes in what a peer says on the connection that it opened. A newer connection of the same peer ends this one, so
/// that nothing said on it is heard after what was said later.
pub(super) async fn listen_to(node: Rc<Shared>, peer: usize, outbox: &Rc<Outbox>, mut inbox: Inbox) {
    if let Some(older) = node.core.borrow_mut().came[peer].replace(outbox.clone()) {
        older.close();
    }
    while heed(&node, peer, outbox, &mut inbox) && matches!(inbox.more(outbox).await, Ok(true)) {}
    let came = &mut node.core.borrow_mut().came[peer];
    if came.as_ref().is_some_and(|current| Rc::ptr_eq(current, outbox)) {
        *came = None;
    }
}

fn heed(node: &Shared, peer: usize, outbox: &Outbox, inbox: &mut Inbox) -> bool {
    let mut core = node.core.borrow_mut();
    let now = core.now();
    loop {
        match inbox.arrived() {
            Ok(None) => break,
            Ok(Some(frame)) => match serde_json::from_slice(&frame) {
                Ok(Request::Say(message)) => core.replica.receive(now, peer, message),
                Ok(Request::Ping {}) => outbox.put(&Reply::Pong {}),
                _ => return false,
            },
            Err(_) => return false,
        }
    }
    node.wake.notify_one();
    true
}
