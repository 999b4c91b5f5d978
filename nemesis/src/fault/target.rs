//! Whom a fault is aimed at.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{node_name, node_names, positions};

/// Nodes by position in the cluster, or by a role that is looked up when the fault is installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// This node, by position from 0; written by name, like all others.
    Node(#[serde(with = "positions::one")] usize),
    /// These nodes.
    Nodes(#[serde(with = "positions::many")] Vec<usize>),
    /// Whoever leads at that moment; `fallback` when nobody is known to.
    Leader {
        /// Position of the node to take when there is no leader.
        #[serde(with = "positions::one")]
        fallback: usize,
    },
    /// The first so many of `order` that do not lead at that moment.
    Followers {
        /// How many.
        count: usize,
        /// All nodes, in the order in which they are taken.
        #[serde(with = "positions::many")]
        order: Vec<usize>,
    },
    /// Whoever leads at that moment and the first so many others of `order`; the first of it for the leader when nobody
    /// is known to lead.
    WithLeader {
        /// How many besides the leader.
        others: usize,
        /// All nodes, in the order in which they are taken.
        #[serde(with = "positions::many")]
        order: Vec<usize>,
    },
    /// All nodes.
    All,
}

impl Target {
    /// The positions meant, ascending, each once. `leader` is who leads now, where known.
    pub fn resolve(&self, node_count: usize, leader: Option<usize>) -> Vec<usize> {
        let mut nodes = match self {
            Target::Node(node) => vec![*node],
            Target::Nodes(nodes) => nodes.clone(),
            Target::Leader { fallback } => vec![leader.unwrap_or(*fallback)],
            Target::Followers { count, order } => {
                order.iter().copied().filter(|node| leader != Some(*node)).take(*count).collect()
            }
            Target::WithLeader { others, order } => {
                let leader = leader.or(order.first().copied());
                let rest = order.iter().copied().filter(|node| leader != Some(*node));
                leader.into_iter().chain(rest.take(*others)).collect()
            }
            Target::All => (0..node_count).collect(),
        };
        nodes.retain(|node| *node < node_count);
        nodes.sort_unstable();
        nodes.dedup();
        nodes
    }

    /// Every position that it mentions, the fallback included.
    pub fn mentions(&self) -> Vec<usize> {
        match self {
            Target::Node(node) => vec![*node],
            Target::Nodes(nodes) => nodes.clone(),
            Target::Leader { fallback } => vec![*fallback],
            Target::Followers { order, .. } | Target::WithLeader { order, .. } => order.clone(),
            Target::All => Vec::new(),
        }
    }

    /// Whether it has to be known who leads.
    pub fn needs_leader(&self) -> bool {
        matches!(self, Target::Leader { .. } | Target::Followers { .. } | Target::WithLeader { .. })
    }

    pub(super) fn is_leader(&self) -> bool {
        matches!(self, Target::Leader { .. })
    }
}

/// For people: `n3`, `n1 n2`, `the leader`, `all nodes`.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Node(node) => f.write_str(&node_name(*node)),
            Target::Nodes(nodes) => f.write_str(&node_names(nodes)),
            Target::Leader { .. } => f.write_str("the leader"),
            Target::Followers { count: 1, .. } => f.write_str("a follower"),
            Target::Followers { count, .. } => write!(f, "{count} followers"),
            Target::WithLeader { others: 0, .. } => f.write_str("the leader"),
            Target::WithLeader { others, .. } => write!(f, "the leader and {others} more"),
            Target::All => f.write_str("all nodes"),
        }
    }
}
