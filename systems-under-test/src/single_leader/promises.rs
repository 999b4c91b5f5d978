//! What each configuration promises: what this implementation keeps under every fault of the harness, and no more.
//!
//! Everything follows from one distinction. Either every set of voters meets every set of copies, or nobody else ever
//! leads ([`Rules::may_lose`](super::replica::rules::Rules::may_lose)): then all replicas go through one and the same
//! sequence of states, some later than others, and what was acknowledged stays in it (*one past*). Or a new leader may
//! lack what the old one acknowledged: then whatever can bring a new leader about voids nearly everything.

use histories::Guarantee;

use super::options::{ReadFrom, Settings};
use super::replica::rules::{Alone, Failover, Replication};
use crate::contract::{Contract, Core, Promise};

/// Faults that make followers miss their leader, or a leader its followers: families of the harness's faults.
const FAILOVER: &[&str] = &["partition", "link", "stop", "kill", "crash", "pause", "disk", "resources"];
/// Faults under which a leader that was replaced may still answer reads for a while.
const OLD_LEADER: &[&str] = &["partition", "link", "pause", "resources"];
/// Faults under which a client cannot open a connection to a node; one whose disk fails ends itself.
const UNREACHABLE: &[&str] = &["clients-cut", "stop", "kill", "crash", "disk", "resources"];
/// What an operator may do.
const PROMOTE: &[&str] = &["promote"];

/// Its messages have no checksum of their own, and what it has fsynced it believes in. A node that comes back with less than it
/// had (wiped, rolled back, a damaged end of its log) lacks what it was a copy of, and votes as if it had never voted: with
/// two copies and a majority of votes, one such node is enough for a leader that knows nothing of what was acknowledged, or
/// for two of one epoch. A log that is damaged in its middle keeps its node from starting, so that not even recovery holds.
const HOSTILE: &str = "it trusts TCP with its messages and fsync with its log: changed on the way, or lost behind its back, is \
                       changed or lost";

const LOST_TAIL: &str =
    "a new leader may lack what the old one acknowledged last; it is discarded when the old one rejoins";

/// See the [module](self).
pub(super) fn contract(settings: &Settings, nodes: usize) -> Contract {
    use Guarantee::*;
    Contract::new()
        .with(Durability, durability(settings, nodes))
        .with(ReadYourWrites, read_your_writes(settings, nodes))
        .with(MonotonicReads, monotonic_reads(settings, nodes))
        .with(MonotonicWrites, one_past(settings, nodes))
        .with(WritesFollowReads, one_past(settings, nodes))
        .with(ConsistentPrefix, one_past(settings, nodes))
        .with(CounterBounds, counter_bounds(settings, nodes))
        .with(Convergence, convergence(settings, nodes))
        .with(Recovery, unattended(settings))
        .with(Liveness, unattended(settings))
        .void_under("hostile", HOSTILE)
}

/// Who must be there for writes to go on: as many as copy each of them, and, where the leader may be among those that are
/// gone, as many as it takes to choose another. Who is never replaced by itself must be there in person.
pub(super) fn core(settings: &Settings, nodes: usize) -> Core {
    let rules = &settings.rules;
    let copies = if rules.alone == Alone::Degrade { 1 } else { rules.copies(nodes) };
    match rules.failover {
        // The first node leads, and after a restart it stands again: then it needs the votes.
        Failover::Manual => Core { size: copies.max(rules.votes_needed(nodes)), with: vec![0] },
        Failover::Automatic => Core { size: copies.max(rules.votes_needed(nodes)), with: Vec::new() },
        Failover::None => Core { size: copies, with: vec![0] },
    }
}

fn no(because: &str) -> Promise {
    Promise::No { because: because.to_owned() }
}

fn unless(faults: &[&str], because: &str) -> Promise {
    let mut faults: Vec<String> = faults.iter().map(|fault| (*fault).to_owned()).collect();
    faults.sort();
    faults.dedup();
    Promise::Unless { faults, because: because.to_owned() }
}

/// What can bring about a leader that lacks something; nothing where that cannot be.
fn forks(settings: &Settings, nodes: usize) -> &'static [&'static str] {
    match settings.rules.failover {
        _ if nodes == 1 || !settings.rules.may_lose(nodes) => &[],
        Failover::Manual => PROMOTE,
        _ => FAILOVER,
    }
}

/// Whatever holds as long as all replicas go through the same states.
fn one_past(settings: &Settings, nodes: usize) -> Promise {
    match forks(settings, nodes) {
        [] => Promise::Yes,
        faults => unless(faults, LOST_TAIL),
    }
}

/// One node has nothing to agree with.
fn convergence(settings: &Settings, nodes: usize) -> Promise {
    if nodes == 1 { no("there is one replica") } else { unattended(settings) }
}

fn durability(settings: &Settings, nodes: usize) -> Promise {
    let rules = &settings.rules;
    if forks(settings, nodes) == FAILOVER && rules.replication == Replication::Async {
        return no("a write is acknowledged when one disk has it, and failover may choose a node that has not");
    }
    match forks(settings, nodes) {
        [] => Promise::Yes,
        faults if rules.replication == Replication::Async => unless(faults, LOST_TAIL),
        faults => unless(faults, "a leader that goes on without its followers acknowledges what only one disk has"),
    }
}

fn read_your_writes(settings: &Settings, nodes: usize) -> Promise {
    if settings.read_from != ReadFrom::Leader && !settings.token && nodes > 1 {
        return no("a replica that lags does not have the session's last write yet");
    }
    one_past(settings, nodes)
}

fn monotonic_reads(settings: &Settings, nodes: usize) -> Promise {
    let forks = forks(settings, nodes);
    match settings.read_from {
        _ if nodes == 1 => Promise::Yes,
        ReadFrom::Leader => one_past(settings, nodes),
        ReadFrom::Any => no("the next read may go to a replica that lags behind the last one's"),
        ReadFrom::Sticky => {
            let because = match forks {
                [] => "a session whose replica cannot be reached moves to another, which may lag behind it",
                _ => "a session may have to move to another replica, and a replica may have to discard what it showed",
            };
            unless(&[forks, UNREACHABLE].concat(), because)
        }
    }
}

/// Everything comes back by itself, unless an operator has deposed a leader without making another.
fn unattended(settings: &Settings) -> Promise {
    match settings.rules.failover {
        Failover::Manual => unless(PROMOTE, "a node that was promoted and finds no votes leaves nobody to lead"),
        _ => Promise::Yes,
    }
}

/// The bounds are those of the moment, so they need reads that are not stale.
fn counter_bounds(settings: &Settings, nodes: usize) -> Promise {
    if nodes == 1 || settings.rules.failover == Failover::None && settings.read_from == ReadFrom::Leader {
        return Promise::Yes;
    }
    if settings.read_from != ReadFrom::Leader {
        return no("a replica that lags shows less than was acknowledged");
    }
    match (forks(settings, nodes), settings.rules.failover) {
        ([], Failover::Manual) => unless(PROMOTE, "a leader that was replaced and does not know it shows less"),
        ([], _) => unless(OLD_LEADER, "a leader that was replaced and does not know it shows less"),
        (faults, _) => unless(faults, LOST_TAIL),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::single_leader::SingleLeader;
    use crate::system::{Options, System};

    fn contract_of(set: &[(&str, &str)], nodes: usize) -> Contract {
        let set: Vec<_> = set.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let options = Options::new(&SingleLeader, &set).expect("options");
        SingleLeader.contract(&options, nodes)
    }

    #[test]
    fn asynchronous_replication_promises_no_durability_across_failover() {
        let contract = contract_of(&[], 5);
        assert!(!contract.promises(Guarantee::Durability, &[]));
        assert!(contract.promises(Guarantee::MonotonicReads, &[]));
        assert!(!contract.promises(Guarantee::MonotonicReads, &["kill"]));
        assert!(contract_of(&[("failover", "none")], 5).promises(Guarantee::Durability, &["kill", "partition"]));
    }

    #[test]
    fn two_copies_and_enough_votes_promise_everything_that_is_no_matter_of_recency() {
        let every = ["partition", "clients-cut", "kill", "crash", "pause"];
        for replication in ["sync", "semi-sync"] {
            let contract = contract_of(&[("replication", replication)], 5);
            for guarantee in Guarantee::FOLDS.into_iter().filter(|g| *g != Guarantee::CounterBounds) {
                assert!(contract.promises(guarantee, &every), "{replication}: {guarantee}");
                assert!(!contract.promises(guarantee, &["hostile"]), "{replication}: {guarantee}");
            }
            let degraded = contract_of(&[("replication", replication), ("on-no-sync-follower", "degrade")], 5);
            assert!(!degraded.promises(Guarantee::Durability, &["partition"]));
            assert!(degraded.promises(Guarantee::Durability, &["clients-cut"]));
        }
    }

    #[test]
    fn a_core_holds_the_copies_and_the_votes() {
        let core = |set: &[(&str, &str)], nodes| {
            let set: Vec<_> = set.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            SingleLeader.core(&Options::new(&SingleLeader, &set).expect("options"), nodes)
        };
        let (sync, semi, none) = (("replication", "sync"), ("replication", "semi-sync"), ("failover", "none"));
        assert_eq!(core(&[], 5), Core { size: 3, with: vec![] }, "a majority elects");
        assert_eq!(core(&[semi], 5), Core { size: 4, with: vec![] }, "one of the two copies must be among the voters");
        assert_eq!(core(&[semi], 3), Core { size: 2, with: vec![] });
        assert_eq!(core(&[sync], 5), Core { size: 5, with: vec![] }, "every copy is needed");
        assert_eq!(core(&[sync, ("on-no-sync-follower", "degrade")], 5), Core { size: 3, with: vec![] });
        assert_eq!(core(&[none], 5), Core { size: 1, with: vec![0] }, "n1 leads, always");
        assert_eq!(core(&[none, semi], 5), Core { size: 2, with: vec![0] });
    }

    #[test]
    fn too_little_of_everything_is_survived_where_failover_is() {
        let semi = contract_of(&[("replication", "semi-sync")], 3);
        assert!(semi.promises(Guarantee::Durability, &["resources"]));
        assert!(!semi.promises(Guarantee::CounterBounds, &["resources"]), "a leader that stood still may answer late");
        assert!(!contract_of(&[], 3).promises(Guarantee::MonotonicReads, &["resources"]));
    }

    #[test]
    fn reads_from_replicas_cost_what_the_chapter_says() {
        let semi = ("replication", "semi-sync");
        let any = contract_of(&[semi, ("read-from", "any")], 3);
        assert!(!any.promises(Guarantee::MonotonicReads, &[]));
        assert!(!any.promises(Guarantee::ReadYourWrites, &[]));
        assert!(any.promises(Guarantee::ConsistentPrefix, &["partition"]));
        let sticky = contract_of(&[semi, ("read-from", "sticky")], 3);
        assert!(sticky.promises(Guarantee::MonotonicReads, &["partition", "pause"]));
        assert!(!sticky.promises(Guarantee::MonotonicReads, &["kill"]));
        assert!(!sticky.promises(Guarantee::MonotonicReads, &["disk-error", "disk"]), "a node ends on a bad disk");
        let token = contract_of(&[semi, ("read-from", "any"), ("read-your-writes", "token")], 3);
        assert!(token.promises(Guarantee::ReadYourWrites, &["partition", "kill"]));
    }
}
