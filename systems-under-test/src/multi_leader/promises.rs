//! What each configuration promises: what this implementation keeps under every fault of the harness, and no more.
//!
//! Three questions decide. **May an acknowledged write be dropped?** Sets, counters and merged lists never drop one; registers do when
//! one of several concurrent versions must win, and lists when the resolver takes the longest. **Does a session always find what it has
//! seen?** At one leader it does, and with tokens everywhere. **Does anybody decide before the others know?** If every key
//! has one home, or all leaders have a write before it is acknowledged, nobody does, and counters can be held against the clock on
//! the wall.

use histories::Guarantee;

use super::options::{Conflicts, Resolver, Settings};
use crate::contract::{Contract, Promise};

const HOSTILE: &str =
    "it trusts TCP with its messages and fsync with its log: a leader that forgets its log gives positions twice";
const RESOLVED: &str = "the resolver drops what stands in the shorter list";
const UNSEEN: &str = "the next node may lack what the session has seen at the last one";

/// See the [module](self).
pub(super) fn contract(settings: &Settings, nodes: usize) -> Contract {
    use Guarantee::*;
    Contract::new()
        .with(Durability, durability(settings, nodes))
        .with(ReadYourWrites, by_session(settings, nodes))
        .with(MonotonicReads, by_session(settings, nodes))
        .with(MonotonicWrites, by_session(settings, nodes))
        .with(WritesFollowReads, by_session(settings, nodes))
        .with(ConsistentPrefix, one_order(settings, nodes))
        .with(CounterBounds, counter_bounds(settings, nodes))
        .with(Convergence, convergence(nodes))
        .with(Recovery, Promise::Yes)
        .with(Liveness, liveness(settings, nodes))
        .void_under("hostile", HOSTILE)
}

fn no(because: &str) -> Promise {
    Promise::No { because: because.to_owned() }
}

/// Whether nobody writes at the same time as somebody else.
fn is_alone(settings: &Settings, nodes: usize) -> bool {
    settings.leader_count(nodes) == 1 || settings.sync || settings.conflicts == Conflicts::Avoidance
}

fn durability(settings: &Settings, nodes: usize) -> Promise {
    match settings.conflicts {
        _ if settings.offline => {
            no("what a client that is offline acknowledges is nowhere else until it has replayed it")
        }
        _ if is_alone(settings, nodes) => Promise::Yes,
        Conflicts::LastWriteWins => {
            no("of two concurrent writes of a register one is dropped, though both were acknowledged")
        }
        Conflicts::Custom(Resolver::Longest) => no(RESOLVED),
        Conflicts::Custom(Resolver::Concatenate) => {
            no("lists are joined, but of two concurrent writes of a register one is dropped")
        }
        Conflicts::Merge | Conflicts::Siblings | Conflicts::Avoidance => Promise::Yes,
    }
}

/// Whether a session meets nodes that may lack what it has seen.
fn may_lack(settings: &Settings, nodes: usize) -> bool {
    let hops = settings.roaming || settings.read_from_follower || settings.conflicts == Conflicts::Avoidance;
    nodes > 1 && hops && !settings.tokens
}

fn by_session(settings: &Settings, nodes: usize) -> Promise {
    if settings.conflicts == Conflicts::Custom(Resolver::Longest) && !is_alone(settings, nodes) {
        return no(RESOLVED);
    }
    if may_lack(settings, nodes) { no(UNSEEN) } else { Promise::Yes }
}

fn one_order(settings: &Settings, nodes: usize) -> Promise {
    match settings.leader_count(nodes) {
        1 if !may_lack(settings, nodes) => Promise::Yes,
        1 => no(UNSEEN),
        _ => no(
            "there is no one order of all writes: leaders that do not know of each other's show them in different orders",
        ),
    }
}

/// The bounds are those of the moment, so whoever answers must have all that was acknowledged.
fn counter_bounds(settings: &Settings, nodes: usize) -> Promise {
    let followers = settings.followers && (settings.read_from_follower || settings.roaming);
    if is_alone(settings, nodes) && !followers {
        return Promise::Yes;
    }
    no("a node that lags shows less than was acknowledged elsewhere")
}

fn convergence(nodes: usize) -> Promise {
    if nodes == 1 { no("there is one replica") } else { Promise::Yes }
}

fn liveness(settings: &Settings, nodes: usize) -> Promise {
    match settings.conflicts {
        _ if settings.sync => no("no leader writes registers and lists without all others"),
        Conflicts::Avoidance => no("a key whose home is gone is not written"),
        _ if settings.leader_count(nodes) == 1 => no("nobody takes the place of the only leader"),
        _ => Promise::Yes,
    }
}
