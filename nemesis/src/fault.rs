//! The vocabulary of faults, as data. (interface first; being written)

use serde::{Deserialize, Serialize};

/// Nodes by position in the cluster, or by a role that is looked up when the fault is installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// This node, by position from 0.
    Node(usize),
    /// These nodes.
    Nodes(Vec<usize>),
    /// Whoever leads at that moment; `fallback` when nobody is known to.
    Leader {
        /// Position of the node to take when there is no leader.
        fallback: usize,
    },
    /// All nodes.
    All,
}

/// One kind of harm. Everything random about it is drawn when the schedule is made, so that the plan says it all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "fault")]
pub enum Fault {
    /// One node cannot talk to any other node; clients reach all of them.
    PartitionOne {
        /// Who is alone.
        target: Target,
    },
    /// Two groups cannot talk to each other.
    PartitionHalves {
        /// Who is on this side; all others are on the other.
        side: Vec<usize>,
    },
    /// Every node sees a majority, and no two see the same one.
    PartitionRing {
        /// The order of the nodes on the ring.
        order: Vec<usize>,
    },
    /// Two groups that share one node.
    Bridge {
        /// The node that both sides reach.
        bridge: usize,
        /// One side; all others but the bridge are the other.
        side: Vec<usize>,
    },
    /// Packets from these nodes do not reach the others; the way back works.
    OneWay {
        /// Who is not heard.
        target: Target,
    },
    /// Any matrix: these directed links are cut.
    PartitionMatrix {
        /// From, to.
        links: Vec<(usize, usize)>,
    },
    /// Clients cannot reach these nodes; the nodes reach each other.
    ClientsCut {
        /// From whom.
        target: Target,
    },
    /// SIGKILL to all processes of a node; healing starts it again.
    Kill {
        /// Whom.
        target: Target,
    },
    /// The whole machine is gone, silently; healing boots it at the same address and starts the node.
    Crash {
        /// Whom.
        target: Target,
    },
    /// SIGSTOP to all processes of a node.
    Pause {
        /// Whom.
        target: Target,
    },
}
