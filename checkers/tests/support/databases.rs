//! Simulated databases: histories of any size whose isolation level is known by construction.
//!
//! A database is a store of versions and a rule for what a transaction sees and when it may commit. Clients run side
//! by side: each invokes, its transaction takes effect by the rule at one or more points between invocation and
//! completion, and the turns of all clients are drawn from a seed. So a history of a level is *valid* there, and its
//! known weakness turns up sooner or later:
//!
//! | level                             | sees                                    | commits                  | weakness                    |
//! | --------------------------------- | --------------------------------------- | ------------------------ | --------------------------- |
//! | `strict-serializable`             | everything, at one point in time        | at that point            | none                        |
//! | `strong-session-serializable`     | readers: an older state, never older than their session has seen | at one point | stale reads across sessions |
//! | `serializable`                    | readers: an older state                 | at one point             | sessions go back in time    |
//! | `strong-snapshot-isolation`       | the newest state at its begin           | if nobody wrote its keys | write skew                  |
//! | `strong-session-snapshot-isolation` | a state as new as its session knows   | the same                 | stale reads across sessions |
//! | `snapshot-isolation`              | any recent state                        | the same                 | sessions go back in time    |
//! | `parallel-snapshot-isolation`     | what has reached its replica            | if its replica had all versions of its keys | long forks |
//! | `prefix`                          | any recent state                        | always                   | lost updates                |
//! | `causal`                          | what has reached its replica            | always                   | long forks, lost updates    |
//! | `read-atomic`                     | an old state and some later transactions | always                  | broken causality            |
//! | `read-committed`                  | at each step the newest state           | always                   | fractured reads             |
//! | `read-uncommitted`                | what others write, before they commit   | if nobody else is writing its keys | aborted, intermediate, circular reads |
//! | `eventual`                        | single writes, as they arrive at its replica | always              | everything; last write wins |
//!
//! The replicas of `parallel-snapshot-isolation` and `causal` deliver transactions in an order that respects what each
//! of them had seen, as vector clocks say; a client stays with its replica, so its session is respected too.
//!
//! Elements of lists have one order for each key, that of the commits, and everybody sees a prefix of it (but for
//! `read-uncommitted`, where what was seen may be rolled back, and `eventual`). Where a level lets two transactions
//! append to one list side by side, one that has *read* its own append aborts if another came between: otherwise two
//! clients would have seen two orders, which no level above `read-uncommitted` allows.
//!
//! An operation that ends `info` has taken effect before its client gave up, or does so later (some much later), or
//! never. One that ends `fail` never does. Queues and stacks know two levels only: exact where the level is
//! `strict-serializable`, and everywhere else now and then an item that was taken before, or "empty" from a store that
//! is not.
//!
//! What is not modelled: predicates, crashes of the database, clocks.
#![allow(dead_code, reason = "not every test, bench or example uses all of it")]

#[path = "databases/clients.rs"]
mod clients;
#[path = "databases/level.rs"]
mod level;
#[path = "databases/rng.rs"]
pub mod rng;
#[path = "databases/rules.rs"]
mod rules;
#[path = "databases/shape.rs"]
mod shape;
#[path = "databases/store.rs"]
mod store;
#[path = "databases/transaction.rs"]
mod transaction;

use histories::{Event, History};

pub use level::Level;
#[allow(unused_imports, reason = "each test file uses some of it")]
pub use shape::{Keys, Shape, Workload};

/// A history of a database of this level.
pub fn run(level: Level, shape: &Shape) -> History {
    let mut history = History::new();
    each(level, shape, |event| {
        history.push(&event);
    });
    history
}

/// The events of the same history, one after the other, without holding them.
pub fn each(level: Level, shape: &Shape, sink: impl FnMut(Event)) {
    clients::Clients::new(level, shape, sink).run();
}
