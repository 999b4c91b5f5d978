//! What a chain promises: everything, under every fault that leaves a node what it has flushed, and clocks that run.
//!
//! There is one order of updates, and it is the head's; nothing is acknowledged, or read, that is not on every disk of the chain; no node
//! speaks for the chain without a lease of it; and whoever comes back begins with a copy. So all operations, transactions among them, take
//! effect one after the other, in real time. What it costs is time: an update waits for every disk, and a change of the chain for
//! leases to run out.

use histories::Guarantee;

use super::system::Settings;
use crate::contract::{Contract, Promise};

/// Leases are counted by these clocks.
const LEASE_CLOCKS: &[&str] = &["clock-monotonic-drift", "clock-monotonic-freeze", "clock-monotonic-jump"];

const SLOW_LEASE: &str =
    "a tail whose monotonic clock runs too slowly takes its lease for valid when the others have let it run out";

/// A node that comes back with less than it had flushed (wiped, rolled back, a damaged end of its journal) may be the only one that is left
/// of the chain, and may have forgotten what it promised about the next.
const HOSTILE: &str = "it trusts TCP with its messages and fsync with its journal: changed on the way, or lost behind its back, is changed \
                       or lost";

/// See the [module](self).
pub(super) fn contract(_: &Settings, nodes: usize) -> Contract {
    use Guarantee::*;
    let convergence = match nodes {
        1 => Promise::No { because: "there is one replica".to_owned() },
        _ => Promise::Yes,
    };
    [
        Durability,
        ReadYourWrites,
        MonotonicReads,
        MonotonicWrites,
        WritesFollowReads,
        ConsistentPrefix,
        CounterBounds,
        Recovery,
        Liveness,
        Linearizable,
        ReadCommitted,
        SnapshotIsolation,
        Serializable,
        StrictSerializable,
    ]
    .into_iter()
    .fold(Contract::new(), |contract, guarantee| contract.with(guarantee, promise(guarantee)))
    .with(Convergence, convergence)
    .void_under("hostile", HOSTILE)
}

/// What is written needs no lease, only that what is read is not of the past.
fn promise(guarantee: Guarantee) -> Promise {
    use Guarantee::{CounterBounds, Linearizable, MonotonicReads, ReadYourWrites, StrictSerializable};
    match guarantee {
        CounterBounds | Linearizable | MonotonicReads | ReadYourWrites | StrictSerializable => Promise::Unless {
            faults: LEASE_CLOCKS.iter().map(|fault| (*fault).to_owned()).collect(),
            because: SLOW_LEASE.to_owned(),
        },
        _ => Promise::Yes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::ChainReplication;
    use crate::specimen::Bundled;
    use crate::system::{Options, System};

    #[test]
    fn everything_is_promised_until_a_disk_forgets() {
        let system = Bundled::<ChainReplication>::default();
        for reads in ["tail", "craq"] {
            let options = Options::new(&system, &[("reads".to_owned(), reads.to_owned())]).expect("options");
            let contract = system.contract(&options, 3);
            // Pram and causal follow from linearizable, and are not promised beside it.
            let followed = [Guarantee::Pram, Guarantee::Causal];
            for guarantee in Guarantee::ALL.into_iter().filter(|guarantee| !followed.contains(guarantee)) {
                assert!(contract.promises(guarantee, &["partition", "kill", "crash", "pause", "clock-jump", "disk"]));
                assert!(!contract.promises(guarantee, &["hostile"]));
            }
            assert!(contract.promises(Guarantee::Durability, LEASE_CLOCKS));
            assert!(LEASE_CLOCKS.iter().all(|fault| !contract.promises(Guarantee::Linearizable, &[fault])));
            assert!(!system.contract(&options, 1).promises(Guarantee::Convergence, &[]));
        }
    }
}
