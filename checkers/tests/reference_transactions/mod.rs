//! What each transactional model allows, decided by trying all orders. It shares no code with the checkers.
//!
//! A *model* is a set of histories. A history belongs to it if there is an order of commits, and for each transaction
//! a set of earlier ones that it sees, with certain properties. For a handful of transactions all of them can be tried.
//!
//! # Definitions
//!
//! `ar` is a total order of the committed transactions, `vis ⊆ ar` says who sees whom. From *A Framework for
//! Transactional Consistency Models with Atomic Visibility* (Cerone, Bernardi, Gotsman, CONCUR 2015):
//!
//! - INT: within a transaction, a read returns what the step before it on the same object wrote or read.
//! - EXT: the first read of an object returns what the `ar`-last transaction among the seen writers left there.
//!
//! | model                        | besides INT and EXT                                                        |
//! | ---------------------------- | -------------------------------------------------------------------------- |
//! | read atomic                  |                                                                            |
//! | causal                       | `vis` is transitive                                                        |
//! | parallel snapshot isolation  | that, and of two writers of one object one sees the other                  |
//! | prefix                       | who sees a transaction sees all before it in `ar`                          |
//! | snapshot isolation           | that, and of two writers of one object one sees the other                  |
//! | serializable                 | `vis` is `ar`                                                              |
//!
//! A *session* variant demands that each transaction sees the earlier ones of its process, a *strict* one that it sees
//! those that were completed before it was invoked. Causal consistency with sessions is that of *On the Complexity of
//! Checking Transactional Consistency* (Biswas, Enea, OOPSLA 2019).
//!
//! Below these stand the levels of *Weak Consistency: A Generalized Theory* (Adya 1999), which know of no `vis`: an
//! order of the versions of each object exists such that `ww` (read uncommitted), or `ww` and `wr` (read committed) have
//! no cycle, and nobody reads what was aborted or overwritten by its own writer. See [`adya`], which also decides the
//! stronger ones by cycles: a second opinion on several rows of the table.
//!
//! # Lists
//!
//! An append makes a version, and its versions have one order, so each list that was read is a beginning of the
//! last one. What a list says of that order binds `ar`. To read a list is to read its last version.
//!
//! # What is not known
//!
//! An `info` transaction may have happened or not: a history belongs to a model if it does with some choice. What is
//! read of one has happened, and leaving out one that nobody observed takes no possibility away (restrict `ar` and
//! `vis`: no axiom asks for more). So one choice is enough; [`naive`] tries them all.
#![allow(dead_code, reason = "not every test file uses all of it")]

pub mod adya;
pub mod naive;
pub mod problem;
pub mod raw;
pub mod search;
pub mod small;

use problem::Problem;
pub use raw::Raw;
pub use search::Order;
use search::{Rule, Sees};

/// What the definitions say: by model, `None` where they say nothing about such a history.
pub type Verdicts = Vec<(&'static str, Option<bool>)>;

const ATOMIC: [(&str, Rule); 15] = [
    ("read-atomic", Rule { sees: Sees::Any, conflicts: false, order: Order::None }),
    ("update-atomic", Rule { sees: Sees::Any, conflicts: true, order: Order::None }),
    ("causal-cerone", Rule { sees: Sees::Transitive, conflicts: false, order: Order::None }),
    ("transactional-causal", Rule { sees: Sees::Transitive, conflicts: false, order: Order::Session }),
    ("parallel-snapshot-isolation", Rule { sees: Sees::Transitive, conflicts: true, order: Order::None }),
    ("prefix", Rule { sees: Sees::Prefix, conflicts: false, order: Order::None }),
    ("session-prefix", Rule { sees: Sees::Prefix, conflicts: false, order: Order::Session }),
    ("session-read-atomic", Rule { sees: Sees::Any, conflicts: false, order: Order::Session }),
    ("session-parallel-snapshot-isolation", Rule { sees: Sees::Transitive, conflicts: true, order: Order::Session }),
    ("snapshot-isolation", Rule { sees: Sees::Prefix, conflicts: true, order: Order::None }),
    ("strong-session-snapshot-isolation", Rule { sees: Sees::Prefix, conflicts: true, order: Order::Session }),
    ("strong-snapshot-isolation", Rule { sees: Sees::Prefix, conflicts: true, order: Order::Realtime }),
    ("serializable", Rule { sees: Sees::All, conflicts: false, order: Order::None }),
    ("strong-session-serializable", Rule { sees: Sees::All, conflicts: false, order: Order::Session }),
    ("strong-serializable", Rule { sees: Sees::All, conflicts: false, order: Order::Realtime }),
];

const COMMITTED: [(&str, Order); 3] = [
    ("read-committed", Order::None),
    ("strong-session-read-committed", Order::Session),
    ("strong-read-committed", Order::Realtime),
];

const UNCOMMITTED: [(&str, Order); 3] = [
    ("read-uncommitted", Order::None),
    ("strong-session-read-uncommitted", Order::Session),
    ("strong-read-uncommitted", Order::Realtime),
];

/// What the definitions say about a history of at most [`raw::MOST`] transactions.
pub fn verdicts(raw: &Raw) -> Verdicts {
    let problem = Problem::new(raw, raw.observed());
    judge(raw, &problem)
}

/// The same, if it is also true of each object by itself that its versions follow an order.
pub fn verdicts_if(raw: &Raw, each_object: Order) -> Verdicts {
    let mut problem = Problem::new(raw, raw.observed());
    problem.each_object = each_object;
    let all = judge(raw, &problem).into_iter();
    // Those that are decided without an order of versions.
    all.filter(|(model, _)| UNCOMMITTED.iter().chain(&COMMITTED).all(|m| m.0 != *model)).collect()
}

fn judge(raw: &Raw, problem: &Problem) -> Verdicts {
    let certain = Problem::new(raw, raw.certain());
    let mut verdicts = Vec::with_capacity(32);
    for (model, order) in UNCOMMITTED {
        // Adya leaves open whether an unfinished writer whose version was read and overwritten has committed.
        let (least, most) = (certain.uncommitted(order), problem.uncommitted(order));
        verdicts.push((model, least.filter(|_| least == most)));
    }
    for (model, order) in COMMITTED {
        verdicts.push((model, Some(problem.committed(order))));
    }
    verdicts.push(("monotonic-read-committed", Some(problem.monotonic())));
    for (model, rule) in ATOMIC {
        verdicts.push((model, Some(problem.is_atomic() && search::exists(problem, rule))));
    }
    verdicts.extend(adya::verdicts(problem));
    verdicts
}

/// What the definition of one model says.
///
/// # Panics
/// If no model has this name.
pub fn verdict(raw: &Raw, model: &str) -> Option<bool> {
    if let Some((_, rule)) = ATOMIC.iter().find(|m| m.0 == model) {
        let problem = Problem::new(raw, raw.observed());
        return Some(problem.is_atomic() && search::exists(&problem, *rule));
    }
    let verdicts = verdicts(raw);
    verdicts.iter().find(|v| v.0 == model).unwrap_or_else(|| panic!("{model}")).1
}
