//! Single-leader replication: one node takes all writes, puts them into a log, and ships the log; the others apply it
//! in the same order and may answer reads.
//!
//! The oldest way to keep copies, and the one behind PostgreSQL's streaming replication, MySQL's binlog and Redis. The
//! vocabulary is that of chapter 5 of Martin Kleppmann's *Designing Data-Intensive Applications* (2017): synchronous,
//! asynchronous and semi-synchronous followers, snapshots with a log position, catch-up, failover, replication lag. The
//! election is Raft's (Ongaro and Ousterhout, *In Search of an Understandable Consensus Algorithm*, USENIX ATC 2014,
//! and Ongaro's thesis), because a failover that chooses badly is worse than none; what is *acknowledged* is not
//! Raft's, and that is the point.
//!
//! # A log, and who has how much of it
//!
//! The leader gives each write a **position** and stamps it with its **epoch**, the number of its reign. An epoch has
//! one leader, and a leader never changes what it wrote, so two logs that have the same epoch at the same position are
//! the same up to there. Three nodes, asynchronous; the first entry of a reign says nothing (`·`):
//!
//! ```text
//!   position       1    2    3    4    5
//!   n1 leader     1·   1a   1b   1c   1d       a, b, c and d are acknowledged: they are on n1's disk
//!   n2            1·   1a   1b   1c
//!   n3            1·   1a   1b
//! ```
//!
//! A write is **committed** when enough disks have it; only then is it acknowledged, and only then can anybody read it.
//! How many are enough is `replication`: one (`async`), two (`semi-sync`: the leader and one follower that it has
//! designated; when that one fails to answer in time, another takes its place), or all (`sync`: one silent follower and
//! nothing is acknowledged any more). An acknowledgement is about a position, comes after the flush, and counts once
//! per node.
//!
//! # Failover, and what it can cost
//!
//! Now n1 is cut off. It does not know, and goes on: e is on its disk and acknowledged. n2 and n3 have heard nothing
//! for `failover-timeout`. n3 asks for n2's vote and is refused, for its log is shorter; n2 asks n3, has two of three,
//! and leads in epoch 2. There are two leaders: **split brain**.
//!
//! ```text
//!   position       1    2    3    4    5    6
//!   n1 leader     1·   1a   1b   1c   1d   1e         clients on this side read and write here
//!   ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─
//!   n2 leader     1·   1a   1b   1c   2·   2f         and clients on this side here
//!   n3            1·   1a   1b   1c   2·   2f
//! ```
//! When the link is back, n1 hears of epoch 2. No node obeys a lower epoch than it has heard of (**fencing**), so n1
//! stops leading, and n2 finds that the logs part after position 4: n1 discards d and e, which were acknowledged, and
//! takes what n2 has. Nothing was broken here. It is what asynchronous replication with automatic failover *is*:
//! GitHub's incident of October 2018 began with this picture, with MySQL in it.
//!
//! # Why the quorums must meet
//!
//! What must a candidate have, so that nothing acknowledged is lost? If a write is acknowledged when W nodes have it,
//! and a leader needs V votes, and each voter refuses a candidate whose log is behind its own, then it is enough that
//! **every V nodes include one of every W**: V + W > N. That one has the write, and votes only for a log that has it
//! too. (It must be a log *with an entry of the last reign*, not merely a long one: up to date means the epoch of the
//! last entry first, and then its position.) Besides, two leaders of one epoch must be impossible, which takes a
//! majority. So
//!
//! ```text
//!   V = max(majority, N − W + 1)
//!
//!                     n1   n2   n3   n4   n5
//!   W = 2, copies      ●    ●                      acknowledged on the leader and its synchronous follower
//!   a majority                   ●    ●    ●       three votes, and nobody among them has it
//!   V = 4                   ●    ●    ●    ●       whoever is missing, one of the two is here
//! ```
//!
//! | N = 5       | W | V | nodes gone, writes go on          | nodes gone, a new leader is found | acknowledged writes |
//! |-------------|---|---|-----------------------------------|-----------------------------------|---------------------|
//! | `async`     | 1 | 3 | 4, while the leader is not of them | 2                                | may be lost         |
//! | `semi-sync` | 2 | 4 | 3, while the leader is not of them | 1                                | kept                |
//! | `sync`      | 5 | 3 | 0                                 | 2, and it acknowledges nothing until they are back | kept |
//!
//! That is the price: semi-synchronous replication on five nodes cannot fail over when two of them are gone, though a
//! majority is there. `async` would need V = 5 to be safe, that is, it could replace a dead leader only with the dead
//! leader's vote; it takes the majority and gives durability up. Raft chooses W = V = 3. Whoever promotes a follower by
//! another rule than overlap (the first that answers, the lowest id, the longest log among *some*) loses acknowledged
//! writes in some partition: that cannot be repaired by timeouts, however well chosen, since nobody can tell a dead
//! leader from one behind a cut link.
//!
//! `on-no-sync-follower = degrade` breaks the sum on purpose: a leader that finds no follower goes on with W = 1.
//! `failover = none` makes it irrelevant: n1 leads, always, each start in an epoch of its own, and nobody else is ever
//! asked. `manual` lets an operator start the same election (`promote`); a leader that restarts stands again by itself.
//!
//! Two more rules of Raft are needed. An entry of an earlier epoch is committed only together with one of the leader's
//! own (section 5.4.2 has the counter-example), hence `·`; and until that one is committed a new leader answers no
//! reads, for it does not know how much of its log was acknowledged. And before it stands, a candidate asks whether it
//! *would* be voted for (pre-vote): voters who hear a leader say no, so that a node that comes back from a cut does not
//! depose anybody.
//!
//! # Followers
//!
//! A follower takes entries where they fit. The leader asks, the follower says where to try instead, until they agree
//! on a position; what the follower has after it goes. How far it agrees with *this* leader it remembers (`verified`),
//! and nothing that comes late or twice makes it undo that. A follower that restarts goes on from its own log. One that
//! is behind what the leader still has, or new, gets a **snapshot**: the state at exactly one position, with that
//! position, and entries from the next one on; nothing is applied twice or left out. If it must discard entries that it
//! has applied, the state is built again from its own snapshot, or, when even that has them in it, from the leader's.
//!
//! # Reads
//!
//! `read-from = leader` asks the leader, `any` a replica drawn for each read, `sticky` one chosen by a hash of the
//! session. Replicas lag, so `any` shows a session its past: position 6 here, position 4 there. `sticky` is the
//! chapter's remedy, and holds while the replica can be reached; where a transaction showed the session the leader's
//! state, its replica must come as far before it answers again. A follower that was restarted answers nothing before it
//! has what its leader had committed when they met, so that it does not go back behind itself. With `read-your-writes =
//! token` a session remembers the position of its last write, and a replica that is not there yet waits a while, and
//! then refuses.
//!
//! A session also remembers the epoch of the states that it has seen, and nodes in a lower one refuse it: so it never
//! goes from the new leader back to the old one. Somebody who has not seen the new epoch is served by the old leader,
//! from the past, as long as that is cut off: there is no lease, and a leader does not ask before it reads. Hence
//! `counter-bounds`, which compares reads with the clock on the wall, is not promised under partitions, and everything
//! that compares a session with itself is. `promises.rs` has it all.
//!
//! # What is not here
//!
//! - Nodes cannot be added or removed; a cluster is what it was started as.
//! - No linearizable reads: see above.
//! - Requests carry no identity that outlives a connection. A client never repeats an update that a node may have
//!   begun, and so a broken connection is an unknown outcome where others would ask again.
//! - A node whose disk was emptied does not know that it had a vote and copies; restarted under its old name it counts
//!   like a new one, and can help to elect a leader that lacks what it had acknowledged. A disk that says "flushed" and
//!   is not does the same.
//! - A flipped bit in the very last record of a log is taken for a torn write.
//! - The state is in memory, snapshots are written in one piece, a transaction is one entry: this is a specimen, not a
//!   store.
//! - The log is logical. The chapter's other kinds (statements, write-ahead log, triggers) are not this module's
//!   business.
//!
//! # The parts
//!
//! - [`replica`]: all decisions, as a pure state machine, and the simulation that tries to break it.
//! - [`disk`]: the log, the snapshot and the vote, and the thread that writes them.
//! - [`node`]: a process: connections, batches, answers.
//! - [`bugs`]: what can be wrong on purpose.
//! - [`client`]: finds the leader, and never says `fail` of what may happen.
//! - [`wire`]: messages. [`options`]: settings.

pub mod bugs;
pub mod client;
pub mod disk;
pub mod node;
pub mod options;
mod process;
mod promises;
pub mod replica;
pub mod wire;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde_json::Value as Json;
use tokio_util::bytes::BytesMut;

use self::client::{ClientConfig, SingleLeaderClient};
use self::options::{SPECS, Settings};
use self::wire::{Reply, Request};
use crate::contract::{Contract, Core};
use crate::dial::{BoxFuture, Dial};
use crate::specimen::BugSpec;
use crate::specimen::client::Link;
use crate::specimen::process::command as process_command;
use crate::system::{
    Client, ClientContext, Cluster, Function, NodeCommand, NodeContext, OptionSpec, Options, OptionsError, Probe, Role,
    System,
};

pub(crate) use process::main;

/// Nodes listen here, for each other and for clients.
pub const PORT: u16 = 7000;

/// The name of the system.
pub const NAME: &str = "single-leader";

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct SingleLeader;

impl SingleLeader {
    /// Asks a node to become leader, as an operator would. `None` when it does not answer within `timeout`, else
    /// whether it tries.
    pub async fn promote(&self, node: SocketAddr, dial: &dyn Dial, timeout: Duration) -> Option<bool> {
        let frame = ask(node, dial, timeout, &Request::Promote {}).await?;
        match serde_json::from_slice(&frame) {
            Ok(Reply::Promote(tries)) => Some(tries),
            _ => None,
        }
    }

    /// Asks the node at an address for its state.
    pub async fn probe_at(&self, node: SocketAddr, dial: &dyn Dial, timeout: Duration) -> Option<Probe> {
        let frame = ask(node, dial, timeout, &Request::Probe {}).await?;
        let Ok(Reply::Probe(state)) = serde_json::from_slice(&frame) else { return None };
        let role = if state.leads { Role::Leader } else { Role::Follower };
        Some(Probe { ready: state.ready, role, epoch: Some(state.epoch), position: Some(state.last), duty: None })
    }

    /// Asks the node at an address for everything it holds.
    pub async fn dump_at(&self, node: SocketAddr, dial: &dyn Dial, timeout: Duration) -> Option<Json> {
        let frame = ask(node, dial, timeout, &Request::Dump {}).await?;
        let Ok(Reply::Dump(dump)) = serde_json::from_slice(&frame) else { return None };
        serde_json::from_str(dump.get()).ok()
    }
}

async fn ask(node: SocketAddr, dial: &dyn Dial, timeout: Duration, request: &Request<'_>) -> Option<BytesMut> {
    let exchange = async { Link::new(dial.dial(node).await.ok()?).ask_raw(request).await.ok() };
    tokio::time::timeout(timeout, exchange).await.ok()?
}

fn address(cluster: &Cluster, node: usize) -> Option<SocketAddr> {
    Some(SocketAddr::new(cluster.nodes.get(node)?.1, PORT))
}

impl System for SingleLeader {
    fn name(&self) -> &str {
        NAME
    }

    fn about(&self) -> &str {
        "one leader takes all writes and ships its log to followers: asynchronously, synchronously or to one of them"
    }

    fn options(&self) -> &[OptionSpec] {
        SPECS
    }

    fn bugs(&self) -> &[BugSpec] {
        bugs::ALL
    }

    fn validate(&self, options: &Options) -> Result<(), OptionsError> {
        Settings::new(options).map(|_| ())
    }

    fn functions(&self) -> &[Function] {
        use Function::{Add, Append, Cas, Increment, Read, Txn, Write};
        &[Read, Write, Cas, Append, Add, Increment, Txn]
    }

    fn node(&self, context: &NodeContext, options: &Options) -> NodeCommand {
        process_command(NAME, PORT, context, options)
    }

    fn client_address(&self, node: IpAddr) -> SocketAddr {
        SocketAddr::new(node, PORT)
    }

    fn probe<'a>(
        &'a self,
        node: usize,
        cluster: &'a Cluster,
        dial: &'a dyn Dial,
        timeout: Duration,
    ) -> BoxFuture<'a, Option<Probe>> {
        Box::pin(async move { self.probe_at(address(cluster, node)?, dial, timeout).await })
    }

    fn dump<'a>(
        &'a self,
        node: usize,
        cluster: &'a Cluster,
        dial: &'a dyn Dial,
        timeout: Duration,
    ) -> BoxFuture<'a, Option<Json>> {
        Box::pin(async move { self.dump_at(address(cluster, node)?, dial, timeout).await })
    }

    fn client(&self, context: ClientContext, options: &Options) -> Box<dyn Client> {
        let settings = Settings::new(options).expect("options were validated when they were made");
        Box::new(SingleLeaderClient::new(ClientConfig {
            nodes: context.cluster.nodes.iter().map(|(_, ip)| self.client_address(*ip)).collect(),
            dial: context.dial,
            session: context.session,
            preferred: context.preferred,
            timeout: context.timeout,
            read_from: settings.read_from,
            token: settings.token,
            planted: settings.rules.planted,
        }))
    }

    fn contract(&self, options: &Options, node_count: usize) -> Contract {
        let settings = Settings::new(options).expect("options were validated when they were made");
        promises::contract(&settings, node_count)
    }

    fn core(&self, options: &Options, node_count: usize) -> Core {
        let settings = Settings::new(options).expect("options were validated when they were made");
        promises::core(&settings, node_count)
    }
}
