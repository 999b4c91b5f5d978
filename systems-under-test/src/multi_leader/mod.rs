//! Multi-leader replication: several nodes take writes, each for itself, and tell the others afterwards.
//!
//! One leader in each datacentre: a write costs no trip to another one, a datacentre that is cut off goes on, and the network between them
//! may be as bad as it is. So the fifth chapter of Martin Kleppmann's *Designing Data-Intensive Applications* (2017) has it, with
//! MySQL's and PostgreSQL's add-ons, CouchDB, calendars on telephones and editors of documents; its words are used here. The price is that
//! two leaders may change the same thing at the same time, and nobody notices before both are done.
//!
//! # Events, and who knows of whom
//!
//! A leader that is asked to write makes an **event** of it: what is to change, by what name (its origin and its
//! position there), and what its leader had of everybody's events when it made it, a **version vector**. The event goes into the leader's own log;
//! when it is on its disk the client has its answer, and the event goes to the others. Two leaders; `x` is 1 everywhere:
//!
//! ```text
//!            n1                                      n2
//!   has [1 0]  x = 1                        has [1 0]  x = 1
//!   write x ← 2: event n1:2 after [1 0]     write x ← 3: event n2:1 after [1 0]
//!   acknowledged                            acknowledged
//!          └──────────────── they meet ────────────────┘
//!   n2:1 after [1 0] does not have n1:2     n1:2 after [1 0] does not have n2:1
//! ```
//! Neither has the other in its past: they are **concurrent**, and that is all that a conflict is. No clock comes into it. Had n2 seen
//! n1:2 before, its event would say `after [2 0]`, and replace what it had seen.
//!
//! An event takes effect at a node only when everything that it is *after* has (**causal delivery**, `logs.rs`): then nobody sees an answer
//! before its question or an update before what it updates, whichever way the messages took. And a second copy of an event is known by its
//! name, by whatever way it comes: so events may be sent again, and by detours, as often as one likes.
//!
//! # What becomes of conflicts
//!
//! All nodes must come to the same, in whatever order events come: what a node holds must be a function of the *set* of events
//! (`values.rs`). Sets, counters and lists are made so that it is, for their updates can be merged: an element that is added stands beside
//! another, increments add up, elements of a list stand in the order of their stamps. A register holds one value, and with `conflicts` one
//! chooses whose:
//!
//! | `conflicts` | x at both nodes | |
//! |---|---|---|
//! | `merge` | 2 and 3 | a multi-value register: what a leader writes replaces what that leader has |
//! | `siblings` | 2 and 3 | the same, but a write replaces what its *session* has read: as in Riak |
//! | `last-write-wins` | 3, say | the greatest stamp: `clock = hybrid` time, or the most `revision`s as in CouchDB; then the origin |
//! | `custom` | as above | and lists are whole values that a `resolver` makes one of: both joined, or the `longest` |
//! | `avoidance` | cannot be | each key has a home leader that alone writes it |
//!
//! **Last write wins** loses acknowledged writes by design: durability is not promised. What it must not lose is a write that comes
//! *after* one that it has seen, and with clocks of several machines it does: n2, five seconds behind, reads x = 2 and writes 4, and 2 is
//! the later one. Hence hybrid clocks (`clock.rs`): a stamp is later than everything that was seen. **Longest** loses whole branches of
//! acknowledged elements; that too is no bug, and the contract says so.
//!
//! With `detection = sync` conflicts are found before they happen: all leaders agree to a write first, and have it before it is acknowledged
//! (`agreement.rs`). That is possible, promises nearly everything, and gives up all that several leaders are for.
//!
//! # Topologies
//!
//! Events go to everybody from their origin (`all-to-all`), through a hub (`star`), or round (`circular`; `links.rs`). In the last
//! two an event passes through others, and its origin's name is what keeps it from going round for ever. A node that is gone breaks a ring
//! and kills a star; here the ring closes round it, another hub is found, and whoever sees from the others' vectors, which
//! everybody tells everybody, that somebody has lacked for long what it has itself, sends it there. All-to-all has no such weak
//! node, but there messages overtake each other, and without the vectors an update arrives before its insert.
//!
//! Half of the nodes are **followers** with `followers = on`: each has what its leader has, and may answer its reads.
//!
//! # Sessions
//!
//! A session's answers carry a vector: all that it may have seen. A node that has less waits, then refuses (`tokens`); so the session
//! guarantees hold whether its clients stay with one leader (`sticky`) or go anywhere (`roaming`). They hold between sessions too, as
//! causality: whoever answers a question has it among the events that the answer is after.
//!
//! What cannot hold is one order of all writes. Two leaders show two concurrent writes in different orders for a while, and no
//! **consistent prefix** is promised; nor is a counter within the bounds of the moment, for a node that lags has not heard of every
//! increment that was acknowledged. And a store that converges on one of two concurrent writes is not *causal memory* in the sense of Ahamad
//! et al. either: a session may find its write arbitrated away in favour of one that it had no reason to expect (Bouajjani et al.,
//! *On Verifying Causal Consistency*, POPL 2017, set that apart as causal convergence). `promises.rs` has it all.
//!
//! # Clients that work offline
//!
//! A client that cannot reach its leader is a leader itself, of a very small datacentre with a very bad network. With `clients = offline`
//! it answers by itself then, and keeps a queue: `offline.rs`.
//!
//! # What is not here
//!
//! - Logs are never cut off, so no node ever needs a snapshot; a cluster is what it was started as.
//! - A leader whose disk was emptied starts its log anew and gives names twice. It trusts its disk.
//! - Homes do not move: a key whose home leader is gone is not written until that is back.
//! - Each key is merged by itself. Invariants over several, a room that is booked once, an account that is never overdrawn, are not
//!   kept by any merge; `detection = sync` keeps those of one key.

pub mod agreement;
mod bugs;
pub mod clock;
pub mod event;
pub mod links;
pub mod logs;
pub mod message;
pub mod offline;
pub mod options;
mod promises;
pub mod site;
mod system;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
pub mod values;
mod writing;

pub use system::MultiLeader;
