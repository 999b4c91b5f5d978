//! The next configuration, decided once: Lamport's single-decree consensus (*Paxos Made Simple*, 2001), one instance for each epoch.
//!
//! All nodes of the cluster decide, whether they are in the chain or not. Instance 4 is about what follows epoch 4, and nobody takes part in
//! it who does not know epoch 4; once its outcome is known it is forgotten, and instance 5 begins empty. So a node has one *vote* to remember:
//! the highest ballot that it promised, and the chain that it accepted last.
//!
//! ```text
//!   n2 proposes, ballot 4         n1      n2      n3           n1, the tail, is cut off
//!     Prepare 4                    ╳       ●       ●           both promise: no lower ballot, no lease, no part in epoch 4 any more
//!     Promised, nothing accepted           ●       ●           a majority, when their leases have run out: n2 is free to choose
//!     Accept 4: n2 → n3                    ●       ●
//!     Accepted                             ●       ●           decided: epoch 5 is n2 → n3
//! ```
//!
//! Had one of the promises come with a chain that was accepted under a lower ballot, n2 would have to propose that one: it may be decided already.
//! Several may propose at once; then the higher ballot wins, the other gives up and waits for a while that is drawn.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::specimen::Micros;

/// The number of an attempt; each node has its own.
pub type Ballot = u64;

/// What a node must not forget of the instance that is open.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// It takes part in no lower ballot; 0: it has not heard of any.
    pub promised: Ballot,
    /// What it accepted last, and under which ballot.
    pub accepted: Option<(Ballot, Vec<usize>)>,
}

impl Vote {
    /// Promises a ballot, unless a higher one was promised.
    pub fn promise(&mut self, ballot: Ballot) -> bool {
        let may = ballot >= self.promised;
        self.promised = self.promised.max(ballot);
        may
    }

    /// Accepts a chain, unless a higher ballot was promised.
    pub fn accept(&mut self, ballot: Ballot, chain: Vec<usize>) -> bool {
        let may = self.promise(ballot);
        if may {
            self.accepted = Some((ballot, chain));
        }
        may
    }
}

/// An attempt of one node to get a chain decided.
#[derive(Debug)]
pub struct Proposal {
    /// Its number.
    pub ballot: Ballot,
    /// When it began.
    pub begun: Micros,
    /// Who promised, and what each had accepted.
    promised: BTreeMap<usize, Option<(Ballot, Vec<usize>)>>,
    /// What it proposes, once it may.
    pub chain: Option<Vec<usize>>,
    accepted: BTreeSet<usize>,
}

impl Proposal {
    /// An attempt with a ballot above `highest` that no other node ever uses.
    pub fn new(highest: Ballot, me: usize, count: usize, now: Micros) -> Proposal {
        let ballot = (highest / count as u64 + 1) * count as u64 + me as u64;
        let (promised, accepted) = (BTreeMap::new(), BTreeSet::new());
        Proposal { ballot, begun: now, promised, chain: None, accepted }
    }

    /// A node promised.
    pub fn promised(&mut self, by: usize, accepted: Option<(Ballot, Vec<usize>)>) {
        self.promised.insert(by, accepted);
    }

    /// Whether so many promised, the proposer itself among them.
    pub fn may_choose(&self, me: usize, majority: usize) -> bool {
        self.chain.is_none() && self.promised.len() >= majority && self.promised.contains_key(&me)
    }

    /// What must be proposed because it may have been decided already.
    pub fn forced(&self) -> Option<&Vec<usize>> {
        let accepted = self.promised.values().flatten();
        accepted.max_by_key(|(ballot, _)| *ballot).map(|(_, chain)| chain)
    }

    /// A node accepted; the chain, once so many have.
    pub fn accepted(&mut self, by: usize, majority: usize) -> Option<&Vec<usize>> {
        self.accepted.insert(by);
        self.chain.as_ref().filter(|_| self.accepted.len() >= majority)
    }

    /// Whether this node has said all that it is asked for now.
    pub fn has_answered(&self, node: usize) -> bool {
        match self.chain {
            None => self.promised.contains_key(&node),
            Some(_) => self.accepted.contains(&node),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ballots_are_of_one_node_and_grow() {
        let ballots: BTreeSet<Ballot> = (0..3).map(|me| Proposal::new(7, me, 3, 0).ballot).collect();
        assert_eq!(ballots.len(), 3);
        assert!(ballots.iter().all(|ballot| *ballot > 7));
    }

    #[test]
    fn a_vote_never_goes_back() {
        let mut vote = Vote::default();
        assert!(vote.promise(5) && !vote.promise(4) && !vote.accept(4, vec![1]));
        assert!(vote.accept(5, vec![0]) && vote.promise(9));
        assert_eq!(vote, Vote { promised: 9, accepted: Some((5, vec![0])) });
    }

    #[test]
    fn what_may_be_decided_is_proposed_again() {
        let mut proposal = Proposal::new(0, 1, 3, 0);
        proposal.promised(0, Some((4, vec![0, 1])));
        proposal.promised(2, Some((5, vec![1, 2])));
        assert!(!proposal.may_choose(1, 2), "its own promise is missing");
        proposal.promised(1, None);
        assert!(proposal.may_choose(1, 2));
        assert_eq!(proposal.forced(), Some(&vec![1, 2]));
        assert_eq!(proposal.accepted(0, 2), None);
        proposal.chain = Some(vec![1, 2]);
        assert_eq!(proposal.accepted(0, 2), None, "one is no majority");
        assert_eq!(proposal.accepted(1, 2), Some(&vec![1, 2]));
    }
}
