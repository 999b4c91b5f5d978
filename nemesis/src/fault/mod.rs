//! The vocabulary of faults, as data: what can be done to a cluster, to whom, and which links that cuts.
//!
//! A [`Fault`] is one harm with everything decided except roles: *partition-halves, n2 and n4 on one side*, or *kill
//! whoever leads*. It is made by a generated schedule, by a hand-written one, or by a test; it is stored in the plan,
//! and it says nothing about when. A [`FaultName`] is what a person types: `--faults leader-isolated,crash`. The
//! [`registry`] says of each name what it does to real processes, how it is proven to have bitten and how it heals;
//! [`links()`] turns a fault into the directed links it cuts.
//!
//! Three kinds of harm:
//!
//! ```text
//!             the network between        the process            the machine
//!             --------------------       ------------------     ---------------------------
//! faults      partitions, clients-cut,   kill, stop, pause      crash, power-cut
//!             slow, lossy, reset, …
//! the peer    silence, then a timeout;   kill, stop: "connec-   silence, then a timeout
//! sees        or late, lost, doubled     tion refused" at once
//!             and corrupt packets        pause: accepted, then
//!                                        silence
//! survives    all state; all sockets     kill, stop: the files  the files
//!             unless reset               pause: everything
//! ```
//!
//! Partitions cut node from node and never client from node: whoever is isolated still serves its clients, which is
//! what makes a split brain visible. `clients-cut` is the opposite. Of an [impaired link](Reach) it is said whom it
//! connects. Beside these a node's clock and its disk may be wrong, of which its peers see nothing but what comes of it; it
//! may get less than it could use (`cpu-throttle`, `memory-limit`, `descriptor-limit`); and what it has kept may be gone, old or
//! damaged when it starts again (`wipe`, `rollback`, `file-damage`), of which it may not even know itself.

mod clocks;
mod disks;
mod impairment;
pub mod links;
pub(crate) mod positions;
pub mod registry;
mod resources;
mod target;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use clocks::ClockFault;
pub use impairment::{Direction, LinkKind, Peers, Reach};
pub use links::links;
pub use registry::{FaultInfo, FaultName, Group, Need, UnknownFault, expand};
pub use resources::Shortage;
pub use target::Target;

use crate::data::FileDamage;
use crate::disk::{DiskFault, FilesSpec, PowerCut};
use crate::wire::Link;

/// One kind of harm. Everything random about it is drawn when the schedule is made, so that the plan says it all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "fault")]
pub enum Fault {
    /// One node cannot talk to any other node; clients reach all of them. Of several targets, each is alone.
    PartitionOne {
        /// Who is alone.
        target: Target,
    },
    /// Two groups cannot talk to each other.
    PartitionHalves {
        /// Who is on this side; all others are on the other.
        #[serde(with = "positions::many")]
        side: Vec<usize>,
    },
    /// These nodes and all others cannot talk to each other; the targets among themselves can.
    PartitionSide {
        /// Who is on this side.
        target: Target,
    },
    /// Every node sees a majority, and no two see the same one.
    PartitionRing {
        /// The order of the nodes on the ring.
        #[serde(with = "positions::many")]
        order: Vec<usize>,
    },
    /// Two groups that share one node.
    Bridge {
        /// The node that both sides reach.
        #[serde(with = "positions::one")]
        bridge: usize,
        /// One side; all others but the bridge are the other.
        #[serde(with = "positions::many")]
        side: Vec<usize>,
    },
    /// Packets from these nodes do not reach the others; the way back works. With all nodes but one as the target,
    /// that one is deaf.
    OneWay {
        /// Who is not heard.
        target: Target,
    },
    /// Any matrix: these directed links are cut.
    #[serde(rename = "partition-random")]
    PartitionMatrix {
        /// From, to.
        #[serde(with = "positions::pairs")]
        links: Vec<(usize, usize)>,
    },
    /// Clients cannot reach these nodes; the nodes reach each other.
    ClientsCut {
        /// From whom.
        target: Target,
    },
    /// Links that are worse than they should be.
    Link {
        /// In which way.
        kind: LinkKind,
        /// How much.
        link: Link,
        /// Which links.
        #[serde(flatten)]
        reach: Reach,
    },
    /// SIGTERM to all processes of a node; healing kills those that have not ended, and starts it again.
    Stop {
        /// Whom.
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
    /// A crash in which what was not fsynced may be lost in part.
    PowerCut {
        /// Whom.
        target: Target,
        /// What is left of what was not fsynced.
        cut: PowerCut,
    },
    /// The real-time clock of a node is wrong.
    Clock {
        /// Whose.
        target: Target,
        /// In which way.
        change: ClockFault,
    },
    /// The disk of a node misbehaves.
    Disk {
        /// Whose.
        target: Target,
        /// In which way.
        misbehaves: DiskFault,
    },
    /// One turn of a crash loop: a kill that the schedule repeats.
    CrashLoop {
        /// Whom.
        target: Target,
    },
    /// The processes of a node get less than they could use.
    Resources {
        /// Whose.
        target: Target,
        /// Of what.
        shortage: Shortage,
    },
    /// A node is killed, and its data is gone.
    Wipe {
        /// Whose.
        target: Target,
    },
    /// When it is healed, a node is killed and restored from a backup of the moment of injection.
    Rollback {
        /// Whose.
        target: Target,
    },
    /// A node is killed, and files of its data are damaged.
    FileDamage {
        /// Whose.
        target: Target,
        /// Which, and how.
        damage: FileDamage,
    },
}

impl Fault {
    /// Its name in the history and in `splitbrain list faults`. A fault aimed at the leader has a name of its own.
    pub fn fault_name(&self) -> FaultName {
        let (plain, leader) = match self {
            Fault::PartitionOne { .. } => (FaultName::PartitionOne, FaultName::LeaderIsolated),
            Fault::Kill { .. } => (FaultName::Kill, FaultName::KillLeader),
            Fault::Crash { .. } => (FaultName::Crash, FaultName::CrashLeader),
            Fault::Pause { .. } => (FaultName::Pause, FaultName::PauseLeader),
            Fault::PartitionHalves { .. } => return FaultName::PartitionHalves,
            Fault::PartitionSide { target: Target::Followers { .. } } => return FaultName::FollowerMinority,
            Fault::PartitionSide { .. } => return FaultName::LeaderMinority,
            Fault::PartitionRing { .. } => return FaultName::PartitionRing,
            Fault::Bridge { .. } => return FaultName::Bridge,
            Fault::OneWay { .. } => return FaultName::OneWay,
            Fault::PartitionMatrix { .. } => return FaultName::PartitionRandom,
            Fault::ClientsCut { .. } => return FaultName::ClientsCut,
            Fault::Link { kind, .. } => return FaultName::of_link(*kind),
            Fault::Stop { .. } => return FaultName::Stop,
            Fault::PowerCut { .. } => return FaultName::PowerCut,
            Fault::Clock { change, .. } => return FaultName::of_clock(change),
            Fault::Disk { misbehaves, .. } => return FaultName::of_disk(misbehaves),
            Fault::CrashLoop { .. } => return FaultName::CrashLoop,
            Fault::Resources { shortage, .. } => return FaultName::of_shortage(shortage),
            Fault::Wipe { .. } => return FaultName::Wipe,
            Fault::Rollback { .. } => return FaultName::Rollback,
            Fault::FileDamage { .. } => return FaultName::FileDamage,
        };
        if self.target().is_some_and(Target::is_leader) { leader } else { plain }
    }

    /// [`Fault::fault_name`] as text.
    pub fn name(&self) -> &'static str {
        self.fault_name().as_str()
    }

    /// See [`FaultInfo::family`].
    pub fn family(&self) -> &'static str {
        self.fault_name().family()
    }

    /// Every name under which a contract may speak of it, most specific first: `leader-isolated`, `partition-one`,
    /// `partition`; `lying-fsync`, `disk`, `hostile`.
    pub fn names(&self) -> Vec<&'static str> {
        let name = self.fault_name();
        let mut names = vec![name.as_str()];
        let family = match self {
            // To a client a bad link is a node that it cannot reach.
            Fault::Link { reach, .. } if reach.peers == Peers::Clients => "clients-cut",
            _ => name.family(),
        };
        let clients = matches!(self, Fault::Link { reach, .. } if reach.peers == Peers::All);
        let hostile = name.is_hostile().then_some("hostile");
        let broader = [Some(name.without_role().as_str()), Some(family), clients.then_some("clients-cut"), hostile];
        for broader in broader.into_iter().flatten() {
            if !names.contains(&broader) {
                names.push(broader);
            }
        }
        names
    }

    /// Its target, where it has one (matrices and groups name their nodes themselves).
    pub fn target(&self) -> Option<&Target> {
        match self {
            Fault::PartitionOne { target }
            | Fault::PartitionSide { target }
            | Fault::OneWay { target }
            | Fault::ClientsCut { target }
            | Fault::Link { reach: Reach { target, .. }, .. }
            | Fault::Stop { target }
            | Fault::PowerCut { target, .. }
            | Fault::Clock { target, .. }
            | Fault::Disk { target, .. }
            | Fault::CrashLoop { target }
            | Fault::Resources { target, .. }
            | Fault::Wipe { target }
            | Fault::Rollback { target }
            | Fault::FileDamage { target, .. }
            | Fault::Kill { target }
            | Fault::Crash { target }
            | Fault::Pause { target } => Some(target),
            Fault::PartitionHalves { .. }
            | Fault::PartitionRing { .. }
            | Fault::Bridge { .. }
            | Fault::PartitionMatrix { .. } => None,
        }
    }

    /// Whether installing it needs to know who leads.
    pub fn needs_leader(&self) -> bool {
        self.target().is_some_and(Target::needs_leader)
    }

    /// The nodes it is aimed at, by position, ascending: its target with the role looked up, one side of a partition,
    /// all nodes of a ring, the senders of a matrix.
    pub fn resolve(&self, node_count: usize, leader: Option<usize>) -> Vec<usize> {
        match self {
            Fault::PartitionHalves { side } | Fault::Bridge { side, .. } => {
                Target::Nodes(side.clone()).resolve(node_count, leader)
            }
            Fault::PartitionRing { order } => Target::Nodes(order.clone()).resolve(node_count, leader),
            Fault::PartitionMatrix { links } => {
                Target::Nodes(links.iter().map(|(from, _)| *from).collect()).resolve(node_count, leader)
            }
            _ => self.target().map_or_else(Vec::new, |target| target.resolve(node_count, leader)),
        }
    }

    /// What the links are to be that [`links()`] names.
    pub fn link(&self) -> Link {
        match self {
            Fault::Link { link, .. } => *link,
            _ => Link { cut: true, ..Link::default() },
        }
    }

    /// What of hosts it needs that not every host has: a clock or a disk of its own.
    pub fn needs(&self) -> Option<Need> {
        match (self.fault_name().needs(), self) {
            // Some operations a program asks of its kernel, and nobody else hears of them.
            (Some(Need::FailingDisk), Fault::Disk { misbehaves, .. })
                if FilesSpec::operations_of(misbehaves).is_none() =>
            {
                Some(Need::Disk)
            }
            (need, _) => need,
        }
    }

    /// Every position that it mentions, for validation.
    pub fn mentions(&self) -> Vec<usize> {
        match self {
            Fault::PartitionHalves { side } => side.clone(),
            Fault::PartitionRing { order } => order.clone(),
            Fault::Bridge { bridge, side } => side.iter().chain([bridge]).copied().collect(),
            Fault::PartitionMatrix { links } => links.iter().flat_map(|(from, to)| [*from, *to]).collect(),
            _ => self.target().map_or_else(Vec::new, Target::mentions),
        }
    }
}

/// The name of a node by position: `n1`, `n2`, …
pub(crate) fn node_name(position: usize) -> String {
    format!("n{}", position + 1)
}

fn node_names(positions: &[usize]) -> String {
    positions.iter().map(|node| node_name(*node)).collect::<Vec<_>>().join(" ")
}

/// For people: `partition-halves n1 n2 | the others`, `kill-leader`, `partition-random n1→n3 n3→n2`.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Fault::PartitionHalves { side } => write!(f, " {} | the others", node_names(side)),
            Fault::PartitionRing { order } => write!(f, " {}", node_names(order)),
            Fault::Bridge { bridge, side } => {
                write!(f, " {} | {} | the others", node_names(side), node_name(*bridge))
            }
            Fault::PartitionMatrix { links } => {
                links.iter().try_for_each(|(from, to)| write!(f, " {}→{}", node_name(*from), node_name(*to)))
            }
            Fault::ClientsCut { target } => write!(f, " {target}"),
            Fault::Clock { target, change } => write!(f, " {target} ({change})"),
            Fault::PowerCut { target, cut } => write!(f, " {target} ({})", disks::cut_in_words(cut)),
            Fault::Resources { target, shortage } => write!(f, " {target} ({shortage})"),
            Fault::FileDamage { target, damage } => write!(f, " {target} ({damage})"),
            Fault::Disk { target, misbehaves } => write!(f, " {target}{}", disks::in_words(misbehaves)),
            Fault::Link { link, reach, .. } => write!(f, " {reach} ({})", impairment::in_words(link)),
            Fault::PartitionSide { target } => write!(f, " {target} | the others"),
            _ if self.target().is_some_and(Target::is_leader)
                && self.fault_name().without_role() != self.fault_name() =>
            {
                Ok(())
            }
            _ => self.target().map_or(Ok(()), |target| write!(f, " {target}")),
        }
    }
}
