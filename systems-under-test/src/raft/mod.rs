//! Raft: several nodes agree on one log, and behave like one that does not fail.
//!
//! The protocol is that of Ongaro and Ousterhout (*In Search of an Understandable Consensus Algorithm*, USENIX ATC 2014) and of Ongaro's
//! thesis (*Consensus: Bridging Theory and Practice*, Stanford 2014); it runs in etcd, CockroachDB, TiKV and Consul. Here it is the
//! reference: what the other specimens give up, in exchange for going on without a majority or for answering sooner, this one keeps.
//!
//! # One log
//!
//! Every update becomes an entry of a log, every node executes the log in its order, so all go through the same states. In each **term**
//! one node leads; only it adds entries. An entry is **committed** when a majority has it on disk; only then is it executed, only then is
//! the client told, and from then on every leader has it:
//!
//! ```text
//!   position         1    2    3    4    5         committed
//!   n1 leader       1·   1a   1b   1c   1d         up to 4: n1 and n2 have it
//!   n2              1·   1a   1b   1c
//!   n3              1·   1a
//! ```
//!
//! n1 fails. n2 and n3 miss its heartbeats. n3 asks for n2's vote and is refused: n2's log is ahead. n2 asks, n3 agrees, and
//! n2 leads in term 2. n1 comes back with an entry that nobody else has, and gives it up; nobody was told of it.
//!
//! ```text
//!   position         1    2    3    4    5    6
//!   n1              1·   1a   1b   1c   1̶d̶
//!   n2 leader       1·   1a   1b   1c   2·   2e    the empty entry 5 commits 4 as well
//!   n3              1·   1a   1b   1c   2·   2e
//! ```
//!
//! Two majorities have a node in common: that is all. A voter who has the entry refuses whoever lacks it; a voter who voted for one
//! candidate of a term refuses the other; a leader that was replaced finds no majority that still answers it. What it takes is that no node
//! forgets: its **term**, its **vote** and its **entries** are on its disk before it says a word that rests on them.
//!
//! # Where to read
//!
//! - [`log`]: entries and marks. [`message`]: what is said, what is kept. [`node`]: one node.
//! - [`election`]: votes, pre-votes, why the winner has everything.
//! - [`following`]: what late, doubled and reordered messages must not do.
//! - [`leading`]: what is committed when, with figure 8 of the paper.
//! - [`reading`]: reads that are never stale, by read index or lease, on the leader or elsewhere.
//! - [`machine`]: the store, and requests that come twice.
//! - [`members`]: who is counted, and how that changes (orders `join n4`, `leave n1`; `transfer n2` makes another node lead).
//! - [`founding`]: a node that comes back without its disk.
//! - [`promises`]: the contract. [`bugs`]: what can be wrong with it on purpose.
//!
//! # What it cannot do
//!
//! Without a majority nothing is written and nothing is read. An update whose answer is lost is asked again (`sessions = on`) until the
//! client's time is over; then it may or may not have happened. It trusts what it has fsynced and what TCP delivers.
//!
//! # What is not here
//!
//! The table of sessions is never cleaned: a run has some hundreds of clients. A snapshot is one message, and is taken while everything
//! else waits. Reads of one transaction that also writes go through the log. A node that was wiped does not become a member again, also
//! not by leaving and joining.

pub mod bugs;
pub mod election;
pub mod following;
pub mod founding;
pub mod leading;
pub mod log;
pub mod machine;
pub mod members;
pub mod message;
pub mod node;
pub mod promises;
pub mod reading;
#[cfg(test)]
mod simulated;
pub mod system;

pub use node::Raft;
pub use system::RaftSystem;
