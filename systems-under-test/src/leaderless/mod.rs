//! Leaderless replication, as in Amazon's Dynamo and its heirs Riak, Cassandra and Voldemort.
//!
//! Any node takes any request. Each key has `n` homes on a ring; the node that a client happens to ask coordinates: it sends a write
//! to all homes and answers when `w` have it on disk, and a read to all homes and answers when `r` have said what they hold. Nobody
//! leads, so nobody has to be elected: what is down is simply not among those that answer. (DeCandia, Hastorun, Jampani, Kakulapati,
//! Lakshman, Pilchin, Sivasubramanian, Vosshall, Vogels: *Dynamo: Amazon's Highly Available Key-value Store*, SOSP 2007; quorums:
//! Gifford, *Weighted Voting for Replicated Data*, SOSP 1979; *Designing Data-Intensive Applications*, chapter 5.)
//!
//! ```text
//!   n = 3, w = 2, r = 2
//!                                  n1   n2   n3
//!   w x ← 6, ok                    6    6    6
//!   n3 is cut off   ╳              6    6    6 ╳
//!   w x ← 7, ok by n1 and n2       7    7    6 ╳
//!   n3 is back                     7    7    6
//!   r x asks n2 and n3                  7    6    → 7: w + r > n, so one of any two homes has it
//!   read repair                    7    7    7
//! ```
//!
//! # How what was missed arrives
//!
//! - **Read repair**: a read that finds homes lagging sends them what it found. With `read-repair = sync` it answers only when `w` homes
//!   have it, so that nobody reads less afterwards; Attiya, Bar-Noy and Dolev's registers do the same (*Sharing Memory Robustly in
//!   Message-Passing Systems*, JACM 1995).
//! - **Anti-entropy** ([`sync`]): nodes compare Merkle trees ([`merkle`]) in the background.
//! - **Hinted handoff** ([`hints`]): with `quorum = sloppy` other nodes stand in for homes that do not answer, and hand over what they
//!   kept for them. Writes go on where a strict quorum would refuse; `w + r > n` then says nothing any more.
//!
//! All of them move rows, and rows merge ([`row`]): the order and the number of arrivals never matter.
//!
//! # What was written at once
//!
//! Two writes that know nothing of each other reach the homes in different orders, so no order of arrival can decide.
//! - `conflict = last-write-wins`: the later stamp stays, the other write is gone although it was acknowledged. That is no fault but the
//!   rule. It does become one when the *later* write is the one that goes: by clocks that are wrong. With
//!   `timestamps = hybrid` a coordinator first asks `r` homes and stamps after whatever they have ([`stamps`]).
//! - `conflict = siblings`: both stay until a writer who has seen both replaces them ([`siblings`]).
//!
//! Elements of sets, entries of lists and increments of counters compete with nothing in either case: each has a place of its own in
//! the row. So a set keeps every acknowledged element, whatever the clocks say.
//!
//! Removing leaves a tombstone behind, where the last write wins; when that may go says [`burial`].
//!
//! # What it promises, and what it cannot
//!
//! | | strict, `w + r > n` | `w + r ≤ n` | sloppy |
//! |---|---|---|---|
//! | acknowledged elements stay | yes | yes | yes |
//! | an acknowledged write is not undone by an older one | yes (clocks: `hybrid`, or siblings) | while clocks are right | while clocks are right |
//! | read your writes | yes | no | no |
//! | monotonic reads | with `read-repair = sync` | no | no |
//! | linearizable | no | no | no |
//!
//! Linearizability is not there even with strict quorums: a write that reaches one home and is then given up may be seen by one read,
//! not by the next (without synchronous repair), and with it there is still no compare-and-set, which takes consensus. [`promises`] has
//! the reasons for each configuration.
//!
//! # What is not here
//!
//! Coordination by the client (the numbers are the same, one hop less), datacentres with local quorums, and changes of the ring's
//! membership. Version vectors that are pruned: an actor is a life of a node here, so they grow with restarts. Digests in the place of
//! rows in reads.

mod bugs;
pub mod burial;
mod coordinate;
pub mod hints;
pub mod merkle;
mod messages;
mod node;
mod pairs;
pub mod promises;
mod replica;
pub mod ring;
pub mod row;
mod settings;
pub mod siblings;
pub mod stamps;
#[cfg(test)]
mod storms;
pub mod sync;
mod system;
mod updates;

pub use messages::{Message, Record};
pub use node::Leaderless;
pub use settings::Settings;
pub use system::LeaderlessSystem;
