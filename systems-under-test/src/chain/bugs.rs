//! What can be wrong with a chain on purpose. Each is a branch where the correct line stands.

use histories::Guarantee;

use crate::specimen::BugSpec;
use crate::specimen::bugs::Tier;

/// A planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// The head acknowledges when its own disk has the update.
    AckAtHead,
    /// A tail answers without a lease.
    TailReadsWithoutLease,
    /// What was in flight to a removed node is not said again to its successor.
    NoResendAfterRemoval,
    /// A joiner is made the tail, and gets the state afterwards.
    TailServesBeforeTransfer,
    /// Any node answers what is in flight as if it were settled.
    DirtyVersionServed,
    /// When the tail is gone, every node takes what it has in flight for settled, not only the new tail.
    AllCleanAfterTailCrash,
    /// An update that comes again is executed again.
    ResentUpdateExecutedAgain,
    /// A head that cannot reach the others goes on alone, in its old epoch.
    HeadGoesOnAlone,
    /// A node in the middle of the chain is never left out.
    MiddleNeverRemoved,
}

impl Bug {
    /// The one with this name.
    pub fn named(name: &str) -> Option<Bug> {
        let at = BUGS.iter().position(|bug| bug.name == name)?;
        ALL.get(at).copied()
    }
}

const ALL: [Bug; 9] = [
    Bug::AckAtHead,
    Bug::TailReadsWithoutLease,
    Bug::NoResendAfterRemoval,
    Bug::TailServesBeforeTransfer,
    Bug::DirtyVersionServed,
    Bug::AllCleanAfterTailCrash,
    Bug::ResentUpdateExecutedAgain,
    Bug::HeadGoesOnAlone,
    Bug::MiddleNeverRemoved,
];

/// In the order of [`Bug`].
pub(super) const BUGS: &[BugSpec] = &[
    BugSpec {
        name: "ack-at-head",
        about: "the head acknowledges an update when its own disk has it, before it has passed the chain",
        breaks: Guarantee::Durability,
        also: &[Guarantee::Linearizable, Guarantee::ReadYourWrites, Guarantee::CounterBounds],
        tier: Tier::TwoFaults,
        witness: include_str!("bugs/ack-at-head.toml"),
    },
    BugSpec {
        name: "tail-reads-without-lease",
        about: "a tail that was removed and does not know it goes on answering reads, because it needs no lease for that",
        breaks: Guarantee::Linearizable,
        also: &[Guarantee::CounterBounds, Guarantee::ReadYourWrites, Guarantee::StrictSerializable],
        tier: Tier::OneFault,
        witness: include_str!("bugs/tail-reads-without-lease.toml"),
    },
    BugSpec {
        name: "no-resend-after-removal",
        about: "when the middle is removed, its predecessor does not say again to the successor what was in flight",
        breaks: Guarantee::Recovery,
        also: &[Guarantee::Convergence, Guarantee::Liveness],
        tier: Tier::TwoFaults,
        witness: include_str!("bugs/no-resend-after-removal.toml"),
    },
    BugSpec {
        name: "tail-serves-before-transfer",
        about: "a joiner becomes the tail, and answers, before the state has been transferred to it",
        breaks: Guarantee::Linearizable,
        also: &[Guarantee::MonotonicReads, Guarantee::ReadYourWrites, Guarantee::CounterBounds, Guarantee::Durability],
        tier: Tier::OneFault,
        witness: include_str!("bugs/tail-serves-before-transfer.toml"),
    },
    BugSpec {
        name: "dirty-version-served",
        about: "any node answers with a dirty version without asking the tail (reads = craq)",
        breaks: Guarantee::Linearizable,
        also: &[Guarantee::MonotonicReads, Guarantee::CounterBounds, Guarantee::StrictSerializable],
        tier: Tier::OneFault,
        witness: include_str!("bugs/dirty-version-served.toml"),
    },
    BugSpec {
        name: "all-clean-after-tail-crash",
        about: "when the tail is gone, every node takes its dirty versions for clean, not only the new tail (reads = craq)",
        breaks: Guarantee::Linearizable,
        also: &[Guarantee::MonotonicReads, Guarantee::CounterBounds, Guarantee::StrictSerializable],
        tier: Tier::TwoFaults,
        witness: include_str!("bugs/all-clean-after-tail-crash.toml"),
    },
    BugSpec {
        name: "resent-update-executed-again",
        about: "an update that is said again after a reconfiguration is executed again, whatever its number",
        breaks: Guarantee::Linearizable,
        also: &[Guarantee::CounterBounds, Guarantee::Convergence],
        tier: Tier::TwoFaults,
        witness: include_str!("bugs/resent-update-executed-again.toml"),
    },
    BugSpec {
        name: "head-goes-on-alone",
        about: "a head that cannot reach its successors drops them by itself and acknowledges in its old epoch: two heads",
        breaks: Guarantee::Durability,
        also: &[Guarantee::Linearizable, Guarantee::ReadYourWrites, Guarantee::CounterBounds],
        tier: Tier::OneFault,
        witness: include_str!("bugs/head-goes-on-alone.toml"),
    },
    BugSpec {
        name: "middle-never-removed",
        about: "only the ends of the chain are ever left out: one paused node in the middle stalls it for ever",
        breaks: Guarantee::Liveness,
        also: &[],
        tier: Tier::OneFault,
        witness: include_str!("bugs/middle-never-removed.toml"),
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_bugs_are_in_one_order() {
        assert_eq!(BUGS.len(), ALL.len());
        assert_eq!(Bug::named("ack-at-head"), Some(Bug::AckAtHead));
        assert_eq!(Bug::named("middle-never-removed"), Some(Bug::MiddleNeverRemoved));
        assert_eq!(Bug::named("none"), None);
        for (spec, bug) in BUGS.iter().zip(ALL) {
            let spelled: String = spec.name.split('-').flat_map(|word| word.chars()).collect();
            assert_eq!(spelled, format!("{bug:?}").to_lowercase());
        }
    }
}
