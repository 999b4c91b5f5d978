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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::multi_leader::testing::settings;

    const EVERY: &[&str] = &["partition", "kill", "crash", "pause", "clock", "disk", "clients-cut"];

    fn promises(set: &[(&str, &str)], guarantee: Guarantee) -> bool {
        contract(&settings(set), 3).promises(guarantee, EVERY)
    }

    #[test]
    fn what_must_choose_between_concurrent_writes_promises_no_durability() {
        for (set, kept) in [
            (&[][..], true),
            (&[("conflicts", "siblings")], true),
            (&[("conflicts", "avoidance")], true),
            (&[("conflicts", "last-write-wins")], false),
            (&[("conflicts", "custom")], false),
            (&[("conflicts", "last-write-wins"), ("detection", "sync")], true),
        ] {
            assert_eq!(promises(set, Guarantee::Durability), kept, "{set:?}");
            assert!(promises(set, Guarantee::Convergence), "{set:?}");
            assert!(!contract(&settings(set), 3).promises(Guarantee::Convergence, &["hostile"]));
        }
    }

    #[test]
    fn sessions_find_what_they_saw_at_one_leader_or_by_tokens() {
        let (roaming, off) = (("sessions", "roaming"), ("tokens", "off"));
        for (set, kept) in [(&[roaming][..], true), (&[off], true), (&[roaming, off], false)] {
            assert_eq!(promises(set, Guarantee::MonotonicReads), kept, "{set:?}");
        }
        let longest = [("conflicts", "custom"), ("resolver", "longest")];
        assert!(!promises(&longest, Guarantee::ReadYourWrites), "one's own element goes with the shorter list");
    }

    #[test]
    fn only_who_decides_alone_promises_counters_within_the_bounds_of_the_moment() {
        assert!(!promises(&[], Guarantee::CounterBounds));
        assert!(promises(&[("conflicts", "avoidance")], Guarantee::CounterBounds));
        assert!(promises(&[("detection", "sync")], Guarantee::CounterBounds));
        assert!(!promises(&[("detection", "sync")], Guarantee::Liveness), "and goes on only with all others");
    }
}
