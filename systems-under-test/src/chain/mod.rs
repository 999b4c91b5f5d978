//! Chain replication: the nodes stand in a row. The head takes updates, each node passes on what is on its own disk, and what has come to the
//! tail is on every disk: so the tail acknowledges, and answers reads.
//!
//! Robbert van Renesse and Fred Schneider, *Chain Replication for Supporting High Throughput and Availability*, OSDI 2004; in production it
//! carried Azure Storage's streams, FAWN and Hibari. Kleppmann's *Designing Data-Intensive Applications*, chapter 5, names it as a
//! variant of synchronous replication. That a chain stops when any of its nodes does, as one reads, is true of a chain alone; with somebody who
//! takes failed nodes out of it, it goes on.
//!
//! # A row of disks
//!
//! ```text
//!    updates                                          reads
//!       │                                               │
//!       ▼        7            6            5            ▼
//!     head ───────────▶ n2 ───────────▶ n3 ───────────▶ tail
//!     1…7               1…7             1…6             1…5
//!       ◀────────────── acknowledged up to 5 ────────────
//! ```
//!
//! The head numbers updates; every node has a beginning of what the node before it has, and that is the whole proof: *whatever
//! the tail has, everybody has.* So any member can be lost, all but one of them even, and nothing that was acknowledged is; and a read at the tail
//! shows nothing that could still be lost. What a node has passed on and not heard an acknowledgement of is **in flight**, and it keeps it
//! until then (`history`).
//!
//! The load is spread well: each update costs each node one message in and one out, and reads do not disturb the head. Latency is not: it is the sum of
//! all disks, where a leader with followers waits for the second fastest.
//!
//! # Who is gone, and what follows
//!
//! | gone   | what happens | what becomes of updates in flight |
//! |--------|--------------|-----------------------------------|
//! | head   | the next one is the head | those that had not reached it never happen; their clients learn nothing |
//! | middle | its neighbours become neighbours | the one before says again what it has in flight; numbers keep it from being executed twice |
//! | tail   | the one before it is the tail | they are acknowledged at once: what it has, all that are left have |
//!
//! In the drawing, n2 dies: the head has 6 and 7 in flight to n3, says both again, n3 knows 6 and takes 7.
//!
//! Who is in the chain is a **configuration** with a number, its epoch, and everything that is said along the chain names the epoch and is ignored in another.
//! The paper leaves configurations to a master that never fails. Here all nodes decide them, one consensus for each epoch (`register`),
//! so that a cut in the network can never make two chains: a head that is cut off goes on passing updates to nodes that ignore it, and gets nothing
//! acknowledged. Who proposes when, and what it may propose, is in `governing`; that it is links that count, not nodes, in `view`.
//!
//! # The tail that does not know
//!
//! One thing epochs alone do not give: a removed tail that does not know it needs nobody's consent to answer a *read*, from the past. Hence
//! leases: a node answers only while a majority has promised not to decide on a next chain (`lease`). This is why every change of the chain
//! takes as long as a lease, `lease = 300ms`, and why one that is shorter makes failover faster and idle nodes chattier.
//!
//! # Coming back
//!
//! Whoever was left out comes back at the end, with a copy of the last member's state (`joining`); its own state is thrown away, since
//! nobody can say which of its updates in flight have happened.
//!
//! # Reads at every node
//!
//! `reads = craq`: Jeff Terrace and Michael Freedman, *Object Storage on CRAQ*, USENIX ATC 2009. A node that has nothing in flight for a
//! key answers by itself, else it asks the tail how far it is (`reads`). As linearizable as the tail, and reads scale with the chain.
//!
//! # What is not here
//!
//! - Clients' requests have no identity: an update whose answer is lost is unknown to its client, and is not asked again.
//! - The paper's tail answers clients itself. Here the head does, when the acknowledgement has come back to it (as in CRAQ): a client
//!   keeps one connection. It costs half a round more, and an acknowledged update may be read before its client knows.
//! - One chain for all keys. Systems that scale have many, with the heads spread over the nodes.
//! - The chain never has less than a majority of the nodes, though it could work with one: `governing` says why.

mod bugs;
mod configuration;
mod governing;
mod history;
mod joining;
mod lease;
mod message;
mod node;
mod promises;
mod reads;
mod register;
mod system;
#[cfg(test)]
mod tests;
mod updates;
mod view;

pub use system::ChainReplication;
