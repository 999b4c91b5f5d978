//! What each configuration promises, and why not more.

use histories::Guarantee;

use super::settings::{Quorum, Repair, Settings};
use crate::contract::{Contract, Core, Promise};

/// Nodes take each other at their word and their disks too. One that has lost what it acknowledged was one of the w copies.
const HOSTILE: &str = "it trusts TCP with its messages and fsync with its journal: changed on the way, or lost behind its back, is \
                       changed or lost";

/// See the [module](self).
pub(super) fn contract(settings: &Settings, nodes: usize) -> Contract {
    use Guarantee::*;
    let passing =
        "a read that is under way while two writes are meets one home before the first and another after the second";
    Contract::new()
        .with(Durability, durability(settings, nodes))
        .with(ReadYourWrites, read_your_writes(settings, nodes))
        .with(MonotonicReads, monotonic_reads(settings, nodes))
        .with(MonotonicWrites, no(passing))
        .with(WritesFollowReads, no(passing))
        .with(ConsistentPrefix, no("updates of different coordinators have no order in which they reach the homes"))
        .with(CounterBounds, counter_bounds(settings, nodes))
        .with(Convergence, convergence(settings, nodes))
        .with(Recovery, Promise::Yes)
        .with(Liveness, Promise::Yes)
        .with(Linearizable, no("quorums give a register no order of writes and reads that overlap"))
        .void_under("hostile", HOSTILE)
}

/// As many as any key needs of its homes; whoever they are, where others may stand in.
pub(super) fn core(settings: &Settings, nodes: usize) -> Core {
    let Quorum { n, w, r } = settings.quorum(nodes);
    let spare = if stand_ins(settings, nodes) { nodes - w.max(r) } else { n - w.max(r) };
    Core { size: nodes - spare, with: Vec::new() }
}

fn no(because: &str) -> Promise {
    Promise::No { because: because.to_owned() }
}

fn unless_clocks_are_wrong(because: &str) -> Promise {
    Promise::Unless { faults: vec!["clock".to_owned()], because: because.to_owned() }
}

/// Whether there are nodes that can stand in for homes.
fn stand_ins(settings: &Settings, nodes: usize) -> bool {
    settings.sloppy && settings.quorum(nodes).n < nodes
}

/// Why a read may miss an acknowledged write, if it may.
fn misses(settings: &Settings, nodes: usize) -> Option<&'static str> {
    if !settings.overlaps(nodes) {
        return Some("w + r is not more than n: a read may ask only homes that the write has not reached");
    }
    stand_ins(settings, nodes)
        .then_some("a write may be with nodes that stood in for homes, where a read does not look")
}

/// Whether a write is later than every write that anybody knows to have happened before it. What a read has shown counts among these,
/// so reads must not show what the next quorum may not find.
fn in_order(settings: &Settings, nodes: usize) -> bool {
    settings.siblings
        || settings.hybrid && misses(settings, nodes).is_none() && (settings.repair == Repair::Sync || nodes == 1)
}

fn durability(settings: &Settings, nodes: usize) -> Promise {
    let everywhere = settings.quorum(nodes).n >= nodes && settings.anti_entropy.is_some();
    if !settings.overlaps(nodes) && !everywhere {
        return no("w + r is not more than n, and nobody waits until what one home has is with the others");
    }
    match in_order(settings, nodes) {
        true => Promise::Yes,
        false => unless_clocks_are_wrong(
            "the last write wins, and by a clock that is wrong a write that came after another is older",
        ),
    }
}

fn read_your_writes(settings: &Settings, nodes: usize) -> Promise {
    match misses(settings, nodes) {
        Some(because) => no(because),
        None if settings.siblings || settings.hybrid => Promise::Yes,
        None => {
            unless_clocks_are_wrong("a session's next write may be stamped by a clock that is behind its last one's")
        }
    }
}

fn monotonic_reads(settings: &Settings, nodes: usize) -> Promise {
    match misses(settings, nodes) {
        Some(because) => no(because),
        None if settings.repair == Repair::Sync || nodes == 1 => Promise::Yes,
        None => no("a write that is under way may be seen at one home, and the next read asks others"),
    }
}

/// The bounds are those of the moment.
fn counter_bounds(settings: &Settings, nodes: usize) -> Promise {
    misses(settings, nodes).map_or(Promise::Yes, no)
}

fn convergence(settings: &Settings, nodes: usize) -> Promise {
    match settings.anti_entropy {
        _ if nodes == 1 => no("there is one replica"),
        _ if settings.quorum(nodes).n < nodes => {
            no("no node holds everything, so there is nothing that all should hold alike")
        }
        None => no("what nobody reads is repaired by anti-entropy only"),
        Some(_) => Promise::Yes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leaderless::LeaderlessSystem;
    use crate::specimen::Bundled;
    use crate::system::{Options, System};

    fn promises(set: &[(&str, &str)], nodes: usize, guarantee: Guarantee, faults: &[&str]) -> bool {
        let system = Bundled::<LeaderlessSystem>::default();
        let set: Vec<_> = set.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let options = Options::new(&system, &set).expect("options");
        system.contract(&options, nodes).promises(guarantee, faults)
    }

    fn core(set: &[(&str, &str)], nodes: usize) -> usize {
        let system = Bundled::<LeaderlessSystem>::default();
        let set: Vec<_> = set.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        system.core(&Options::new(&system, &set).expect("options"), nodes).size
    }

    #[test]
    fn overlapping_quorums_promise_what_a_session_did_and_saw() {
        use Guarantee::*;
        let every = ["partition", "kill", "crash", "pause", "clock", "link"];
        for guarantee in [Durability, ReadYourWrites, MonotonicReads, CounterBounds, Convergence] {
            assert!(promises(&[], 5, guarantee, &every), "{guarantee}");
            assert!(!promises(&[], 5, guarantee, &["hostile"]), "{guarantee}");
        }
        assert!(!promises(&[], 5, Linearizable, &[]));
        for guarantee in [ReadYourWrites, MonotonicReads, CounterBounds] {
            assert!(!promises(&[("w", "1"), ("r", "1")], 3, guarantee, &[]), "{guarantee}");
            assert!(!promises(&[("n", "3"), ("quorum", "sloppy")], 5, guarantee, &[]), "{guarantee}");
        }
    }

    #[test]
    fn the_last_write_wins_by_clocks_that_may_be_wrong() {
        let clock = ("timestamps", "clock");
        for guarantee in [Guarantee::Durability, Guarantee::ReadYourWrites] {
            assert!(promises(&[clock], 3, guarantee, &["partition"]));
            assert!(!promises(&[clock], 3, guarantee, &["clock"]));
            assert!(promises(&[clock, ("conflict", "siblings")], 3, guarantee, &["clock"]));
        }
    }

    #[test]
    fn a_core_has_a_quorum_of_every_key() {
        assert_eq!(core(&[], 5), 3);
        assert_eq!(core(&[("n", "3")], 5), 4, "any two may be homes of one key");
        assert_eq!(core(&[("n", "3"), ("quorum", "sloppy")], 5), 2);
        assert_eq!(core(&[("w", "1"), ("r", "1")], 3), 1);
    }
}
