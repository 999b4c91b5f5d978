//! What each configuration promises: all of it, except where reads are allowed to be stale.

use histories::Guarantee;

use super::system::{Reads, Settings};
use crate::contract::{Contract, Promise};

/// Every fault of the group `hostile` but `wipe`: a node that has lost everything knows that it has, and does not count any more; one that
/// has lost a part does not know, and says what is not true.
const UNTRUE: &[&str] = &[
    "corrupt-unnoticed",
    "lying-fsync",
    "fsyncgate",
    "bit-flips",
    "misdirected-read",
    "misdirected-write",
    "stale-read",
    "rollback",
    "file-damage",
];

const TRUST: &str = "it trusts TCP with its messages and fsync with its journal: changed on the way, or lost behind its back, is changed or lost";

const STALE: &str =
    "whoever is asked answers with what it has, and a node that is behind or was replaced does not know it";

/// What a state of the past satisfies too: every node goes through the same states, and shows one of them.
const OF_THE_PAST: &[Guarantee] = &[
    Guarantee::Durability,
    Guarantee::MonotonicWrites,
    Guarantee::WritesFollowReads,
    Guarantee::ConsistentPrefix,
    Guarantee::Convergence,
    Guarantee::Recovery,
    Guarantee::Liveness,
    Guarantee::ReadCommitted,
    Guarantee::SnapshotIsolation,
    Guarantee::Serializable,
];

/// Leases are counted by these clocks.
const LEASE_CLOCKS: &[&str] = &["clock-monotonic-drift", "clock-monotonic-freeze", "clock-monotonic-jump"];

const SLOW_LEASE: &str =
    "a leader whose monotonic clock runs too slowly takes its lease for valid when the others have elected another";

/// See the [module](self).
pub(super) fn contract(settings: &Settings, nodes: usize) -> Contract {
    let each = Guarantee::ALL.into_iter().map(|guarantee| (guarantee, promise(settings, nodes, guarantee)));
    each.fold(Contract::new(), |contract, (guarantee, promise)| contract.with(guarantee, promise))
}

fn promise(settings: &Settings, nodes: usize, guarantee: Guarantee) -> Promise {
    let no = |because: &str| Promise::No { because: because.to_owned() };
    let stale = settings.reads == Reads::Local && nodes > 1;
    match guarantee {
        // They follow from linearizable and strict serializable. Their own checker is not asked: of transactions that append several times to
        // one list it can see a contradiction where there is none.
        Guarantee::Pram | Guarantee::Causal => no("it follows from linearizable, and is not promised beside it"),
        Guarantee::Convergence if nodes == 1 => no("there is one replica"),
        Guarantee::Liveness if settings.members.is_some_and(|members| members < nodes) => {
            no("nodes that are no members yet are not enough, however many there are")
        }
        // A wiped node executes the log, and does not count.
        Guarantee::Recovery | Guarantee::Liveness => unless(&["wipe"], "a node that was wiped does not vote any more"),
        _ if stale && !OF_THE_PAST.contains(&guarantee) => no(STALE),
        _ if settings.reads == Reads::Lease && !OF_THE_PAST.contains(&guarantee) => unless(LEASE_CLOCKS, SLOW_LEASE),
        _ => unless(&[], ""),
    }
}

fn unless(more: &[&str], because: &str) -> Promise {
    let mut faults: Vec<String> = UNTRUE.iter().chain(more).map(|fault| (*fault).to_owned()).collect();
    faults.sort();
    let because = if because.is_empty() { TRUST.to_owned() } else { format!("{TRUST}; {because}") };
    Promise::Unless { faults, because }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raft::RaftSystem;
    use crate::specimen::Bundled;
    use crate::specimen::Specimen as _;
    use crate::system::Options;

    fn contract_of(set: &[(&str, &str)]) -> Contract {
        let set: Vec<_> = set.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let options = Options::new(&Bundled::<RaftSystem>::default(), &set).expect("options");
        contract(&RaftSystem::settings(&options).expect("settings"), 5)
    }

    #[test]
    fn everything_is_promised_under_every_fault_that_does_not_lie() {
        let every = [
            "partition",
            "link",
            "clients-cut",
            "kill",
            "crash",
            "pause",
            "clock-jump",
            "disk",
            "resources",
            "hostile",
        ];
        for set in [&[][..], &[("reads", "lease")], &[("read-from", "any")], &[("sessions", "off")]] {
            let followed = [Guarantee::Pram, Guarantee::Causal];
            for guarantee in Guarantee::ALL.into_iter().filter(|guarantee| !followed.contains(guarantee)) {
                assert!(contract_of(set).promises(guarantee, &every), "{set:?} {guarantee}");
                assert!(!contract_of(set).promises(guarantee, &["lying-fsync"]), "{set:?} {guarantee}");
            }
        }
        assert!(contract_of(&[]).promises(Guarantee::Durability, &["wipe"]));
        assert!(!contract_of(&[]).promises(Guarantee::Liveness, &["wipe"]));
    }

    #[test]
    fn leases_need_monotonic_clocks_that_run_and_read_indexes_do_not() {
        for fault in LEASE_CLOCKS {
            assert!(contract_of(&[]).promises(Guarantee::Linearizable, &[fault]));
            assert!(!contract_of(&[("reads", "lease")]).promises(Guarantee::Linearizable, &[fault]));
            assert!(contract_of(&[("reads", "lease")]).promises(Guarantee::Durability, &[fault]));
        }
    }

    #[test]
    fn reads_of_whatever_a_node_has_are_of_the_past() {
        let local = contract_of(&[("reads", "local"), ("read-from", "any")]);
        for guarantee in [Guarantee::Linearizable, Guarantee::MonotonicReads, Guarantee::ReadYourWrites] {
            assert!(!local.promises(guarantee, &[]), "{guarantee}");
        }
        assert!(local.promises(Guarantee::Serializable, &["partition"]));
    }
}
