//! Linearizability: does every operation take effect at one point between its invocation and its completion?
//!
//! Herlihy and Wing, *Linearizability: A Correctness Condition for Concurrent Objects*, TOPLAS 12 (1990): the operations of an
//! object can be put in an order that keeps the order in time of those that do not overlap, and in which each
//! gives the answer that a single copy would have given.
//!
//! ```text
//! wx1 |------|                          the read of 1 comes after write 1 and before write 2;
//! wx2         |-----------------|       the read of 2 after write 2: the order is wx1 rx1 wx2 rx2.
//! rx              |--1--|               Were they the other way around, 1 would have come back: no order
//! rx                     |--2--|        gives that.
//! ```
//! - [`collections`]: queues, stacks, priority queues, sets, counters and lists; near-linear where values are unique.
//! - [`registers`]: read, write, compare-and-set; linear time where values are unique, a search where they are not.
//! - [`key_value`]: maps of strings; [`multi_register`]: several registers at once; [`locks`]: with and without fencing tokens.
//! - [`online`]: registers with unique values, while the test runs.
//! - [`specification`]: any object, by a search. [`sequential`]: the weaker model, for small histories.

pub mod collections;
pub mod key_value;
pub(crate) mod keyed;
pub mod locks;
pub(crate) mod mask;
pub mod multi_register;
pub mod online;
pub mod registers;
pub(crate) mod search;
pub mod sequential;
pub mod specification;
pub(crate) mod words;
