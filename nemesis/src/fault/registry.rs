//! The faults that can be asked for by name: what each does, how it is proven to have bitten, how it heals.
//!
//! `splitbrain list faults`, `splitbrain explain` and the reference page are printed from these tables.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{ClockFault, LinkKind, Shortage};
use crate::disk::{DiskFault, Effect, ErrorKind, FILLING};

/// A fault as it is asked for, before anything about it is drawn. What each one is, [`FAULTS`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum FaultName {
    PartitionOne,
    PartitionHalves,
    PartitionRing,
    Bridge,
    OneWay,
    PartitionRandom,
    LeaderIsolated,
    LeaderMinority,
    FollowerMinority,
    ClientsCut,
    Slow,
    Jitter,
    Lossy,
    Duplicate,
    Reorder,
    Corrupt,
    CorruptUnnoticed,
    RateLimit,
    Hold,
    Reset,
    Flapping,
    Stop,
    Kill,
    KillLeader,
    Crash,
    CrashLeader,
    Pause,
    PauseLeader,
    PowerCut,
    ClockJump,
    ClockDrift,
    ClockStrobe,
    ClockFreeze,
    ClockMonotonicJump,
    ClockMonotonicDrift,
    ClockMonotonicFreeze,
    DiskError,
    DiskFull,
    DiskSlow,
    DiskHang,
    LyingFsync,
    Fsyncgate,
    BitFlips,
    MisdirectedRead,
    MisdirectedWrite,
    StaleRead,
    CrashLoop,
    CpuThrottle,
    MemoryLimit,
    DescriptorLimit,
    Wipe,
    Rollback,
    FileDamage,
}

/// What there is to say about one fault.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct FaultInfo {
    /// The name as it is typed.
    pub name: &'static str,
    /// `partition`, `clients-cut`, `link`, `stop`, `kill`, `crash`, `pause`, `clock`, `disk`, `resources`, `wipe`, `rollback` or
    /// `file`: what contracts speak of.
    pub family: &'static str,
    /// How many nodes a cluster needs for it to mean anything.
    pub least_node_count: usize,
    /// One sentence.
    pub about: &'static str,
    /// What it does to real processes.
    pub does: &'static str,
    /// How it is proven to have bitten.
    pub proof: &'static str,
    /// How it is undone.
    pub heals: &'static str,
}

/// What a host may have of its own, and some faults need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Need {
    /// A real-time clock.
    Clock,
    /// Monotonic clocks, and timers that go by them: the [trap tier](crate::clock::ClockTier::Trap), which is asked for.
    MonotonicClock,
    /// A simulated disk.
    Disk,
    /// A disk that fails, is slow or hangs: a simulated one or, where there is none, [file operations that the host's agent
    /// answers](crate::disk::FilesSpec).
    FailingDisk,
}

impl Need {
    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Need::Clock => "hosts with clocks of their own",
            Need::MonotonicClock => "hosts with monotonic clocks of their own (--trap-clocks)",
            Need::Disk => "hosts with simulated disks",
            Need::FailingDisk => "hosts with disks that fail",
        }
    }
}

/// Several faults under one name.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Group {
    /// The name as it is typed.
    pub name: &'static str,
    /// One sentence.
    pub about: &'static str,
    /// What it stands for.
    pub members: &'static [FaultName],
}

/// No fault and no group has this name. What there is: [`all_names`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no fault '{name}'")]
pub struct UnknownFault {
    /// What was asked for.
    pub name: String,
}

const COUNT: usize = 53;

impl FaultName {
    /// All of them, in the order of the reference page.
    pub const ALL: [FaultName; COUNT] = [
        FaultName::PartitionOne,
        FaultName::PartitionHalves,
        FaultName::PartitionRing,
        FaultName::Bridge,
        FaultName::OneWay,
        FaultName::PartitionRandom,
        FaultName::LeaderIsolated,
        FaultName::LeaderMinority,
        FaultName::FollowerMinority,
        FaultName::ClientsCut,
        FaultName::Slow,
        FaultName::Jitter,
        FaultName::Lossy,
        FaultName::Duplicate,
        FaultName::Reorder,
        FaultName::Corrupt,
        FaultName::CorruptUnnoticed,
        FaultName::RateLimit,
        FaultName::Hold,
        FaultName::Reset,
        FaultName::Flapping,
        FaultName::Stop,
        FaultName::Kill,
        FaultName::KillLeader,
        FaultName::Crash,
        FaultName::CrashLeader,
        FaultName::Pause,
        FaultName::PauseLeader,
        FaultName::PowerCut,
        FaultName::ClockJump,
        FaultName::ClockDrift,
        FaultName::ClockStrobe,
        FaultName::ClockFreeze,
        FaultName::ClockMonotonicJump,
        FaultName::ClockMonotonicDrift,
        FaultName::ClockMonotonicFreeze,
        FaultName::DiskError,
        FaultName::DiskFull,
        FaultName::DiskSlow,
        FaultName::DiskHang,
        FaultName::LyingFsync,
        FaultName::Fsyncgate,
        FaultName::BitFlips,
        FaultName::MisdirectedRead,
        FaultName::MisdirectedWrite,
        FaultName::StaleRead,
        FaultName::CrashLoop,
        FaultName::CpuThrottle,
        FaultName::MemoryLimit,
        FaultName::DescriptorLimit,
        FaultName::Wipe,
        FaultName::Rollback,
        FaultName::FileDamage,
    ];

    /// What there is to say about it.
    pub fn info(self) -> &'static FaultInfo {
        &FAULTS[self as usize]
    }

    /// The name as it is typed.
    pub fn as_str(self) -> &'static str {
        self.info().name
    }

    /// See [`FaultInfo::family`].
    pub fn family(self) -> &'static str {
        self.info().family
    }

    /// Whether a cluster of this size can suffer it.
    pub fn is_possible(self, node_count: usize) -> bool {
        node_count >= self.info().least_node_count
    }

    /// The fault of links of this kind.
    pub fn of_link(kind: LinkKind) -> FaultName {
        match kind {
            LinkKind::Slow => FaultName::Slow,
            LinkKind::Jitter => FaultName::Jitter,
            LinkKind::Lossy => FaultName::Lossy,
            LinkKind::Duplicate => FaultName::Duplicate,
            LinkKind::Reorder => FaultName::Reorder,
            LinkKind::Corrupt => FaultName::Corrupt,
            LinkKind::CorruptUnnoticed => FaultName::CorruptUnnoticed,
            LinkKind::RateLimit => FaultName::RateLimit,
            LinkKind::Hold => FaultName::Hold,
            LinkKind::Reset => FaultName::Reset,
            LinkKind::Flapping => FaultName::Flapping,
        }
    }

    /// The fault of clocks that is wrong in this way.
    pub fn of_clock(change: &ClockFault) -> FaultName {
        match change {
            ClockFault::Jump { .. } => FaultName::ClockJump,
            ClockFault::Drift { .. } => FaultName::ClockDrift,
            ClockFault::Strobe { .. } => FaultName::ClockStrobe,
            ClockFault::Freeze => FaultName::ClockFreeze,
            ClockFault::MonotonicJump { .. } => FaultName::ClockMonotonicJump,
            ClockFault::MonotonicDrift { .. } => FaultName::ClockMonotonicDrift,
            ClockFault::MonotonicFreeze => FaultName::ClockMonotonicFreeze,
        }
    }

    /// The fault of this shortage.
    pub fn of_shortage(shortage: &Shortage) -> FaultName {
        match shortage {
            Shortage::Cpu { .. } => FaultName::CpuThrottle,
            Shortage::Memory { .. } => FaultName::MemoryLimit,
            Shortage::Descriptors { .. } => FaultName::DescriptorLimit,
        }
    }

    /// The fault of disks that misbehaves in this way. A full disk lets reads and fsyncs be; where those fail as well, as with
    /// `disk-error` and `error = "ENOSPC"`, it is an error.
    pub fn of_disk(fault: &DiskFault) -> FaultName {
        match fault.effect {
            Effect::Error(ErrorKind::Enospc) if fault.operations == FILLING => FaultName::DiskFull,
            Effect::Error(_) => FaultName::DiskError,
            Effect::Delay { .. } => FaultName::DiskSlow,
            Effect::Hang => FaultName::DiskHang,
            Effect::LyingFsync => FaultName::LyingFsync,
            Effect::Fsyncgate => FaultName::Fsyncgate,
            Effect::FlipBits { .. } => FaultName::BitFlips,
            Effect::MisdirectedRead => FaultName::MisdirectedRead,
            Effect::MisdirectedWrite => FaultName::MisdirectedWrite,
            Effect::StaleRead => FaultName::StaleRead,
        }
    }

    /// Whether it belongs to the group `hostile`.
    pub fn is_hostile(self) -> bool {
        HOSTILE.contains(&self)
    }

    /// Whether it is drawn only where it is asked for by name or with the group `clock-monotonic`.
    pub fn is_trapped(self) -> bool {
        TRAPPED.contains(&self)
    }

    /// What of hosts it needs that not every host has.
    pub fn needs(self) -> Option<Need> {
        match self.family() {
            "clock" if self.is_trapped() => Some(Need::MonotonicClock),
            "clock" => Some(Need::Clock),
            _ if FAILING.contains(&self) => Some(Need::FailingDisk),
            "disk" => Some(Need::Disk),
            _ if self == FaultName::PowerCut => Some(Need::Disk),
            _ => None,
        }
    }

    /// The same fault, not aimed at the leader: `kill` for `kill-leader`.
    pub fn without_role(self) -> FaultName {
        match self {
            FaultName::LeaderIsolated => FaultName::PartitionOne,
            FaultName::KillLeader => FaultName::Kill,
            FaultName::CrashLeader => FaultName::Crash,
            FaultName::PauseLeader => FaultName::Pause,
            other => other,
        }
    }
}

impl fmt::Display for FaultName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for FaultName {
    type Err = UnknownFault;

    fn from_str(name: &str) -> Result<Self, UnknownFault> {
        let found = FaultName::ALL.into_iter().find(|fault| fault.as_str() == name);
        found.ok_or_else(|| UnknownFault { name: name.to_owned() })
    }
}

/// The faults that a name stands for: itself, or the members of a group.
pub fn expand(name: &str) -> Result<Vec<FaultName>, UnknownFault> {
    match GROUPS.iter().find(|group| group.name == name) {
        Some(group) => Ok(group.members.to_vec()),
        None => name.parse().map(|fault| vec![fault]),
    }
}

/// Every name that [`expand`] knows: faults, then groups.
pub fn all_names() -> Vec<&'static str> {
    FAULTS.iter().map(|fault| fault.name).chain(GROUPS.iter().map(|group| group.name)).collect()
}

/// The groups.
pub const GROUPS: &[Group] = &[
    Group {
        name: "partition",
        about: "Every partition between nodes.",
        members: &[
            FaultName::PartitionOne,
            FaultName::PartitionHalves,
            FaultName::PartitionRing,
            FaultName::Bridge,
            FaultName::OneWay,
            FaultName::PartitionRandom,
            FaultName::LeaderIsolated,
            FaultName::LeaderMinority,
            FaultName::FollowerMinority,
        ],
    },
    Group {
        name: "leader",
        about: "Every fault that is aimed at whoever leads.",
        members: &[
            FaultName::LeaderIsolated,
            FaultName::LeaderMinority,
            FaultName::ClientsCut,
            FaultName::KillLeader,
            FaultName::CrashLeader,
            FaultName::PauseLeader,
        ],
    },
    Group {
        name: "link",
        about: "Every way in which a link can be bad without being cut, and be noticed.",
        members: &[
            FaultName::Slow,
            FaultName::Jitter,
            FaultName::Lossy,
            FaultName::Duplicate,
            FaultName::Reorder,
            FaultName::Corrupt,
            FaultName::RateLimit,
            FaultName::Hold,
            FaultName::Reset,
            FaultName::Flapping,
        ],
    },
    Group {
        name: "clock",
        about: "Every fault of real-time clocks.",
        members: &[FaultName::ClockJump, FaultName::ClockDrift, FaultName::ClockStrobe, FaultName::ClockFreeze],
    },
    Group {
        name: "clock-monotonic",
        about: "Every fault of monotonic clocks. They are in no other group, because they need --trap-clocks.",
        members: &TRAPPED,
    },
    Group { name: "disk", about: "Disks that fail, and say so.", members: &FAILING },
    Group {
        name: "resources",
        about: "Too little of what processes need.",
        members: &[FaultName::CpuThrottle, FaultName::MemoryLimit, FaultName::DescriptorLimit],
    },
    Group {
        name: "hostile",
        about: "What few systems promise to survive, and must be asked for: a network that changes data unnoticed, a \
                disk that lies, forgets or confuses, a node that lost its data or came back with old or damaged ones.",
        members: &HOSTILE,
    },
    Group {
        name: "all",
        about: "Every fault that is not hostile, and needs nothing that must be asked for.",
        members: &NOT_HOSTILE,
    },
    Group { name: "none", about: "No fault: the workload alone.", members: &[] },
];

/// See the group `hostile`.
const HOSTILE: [FaultName; 10] = [
    FaultName::CorruptUnnoticed,
    FaultName::LyingFsync,
    FaultName::Fsyncgate,
    FaultName::BitFlips,
    FaultName::MisdirectedRead,
    FaultName::MisdirectedWrite,
    FaultName::StaleRead,
    FaultName::Wipe,
    FaultName::Rollback,
    FaultName::FileDamage,
];

/// See the group `clock-monotonic`.
const TRAPPED: [FaultName; 3] =
    [FaultName::ClockMonotonicJump, FaultName::ClockMonotonicDrift, FaultName::ClockMonotonicFreeze];

/// See the group `disk`.
const FAILING: [FaultName; 4] = [FaultName::DiskError, FaultName::DiskFull, FaultName::DiskSlow, FaultName::DiskHang];

/// All others.
const NOT_HOSTILE: [FaultName; COUNT - HOSTILE.len() - TRAPPED.len()] = {
    let mut members = [FaultName::PartitionOne; COUNT - HOSTILE.len() - TRAPPED.len()];
    let (mut from, mut to) = (0, 0);
    while from < COUNT {
        let (mut is_hostile, mut at) = (false, 0);
        while at < HOSTILE.len() {
            is_hostile |= HOSTILE[at] as usize == from;
            at += 1;
        }
        let is_trapped = TRAPPED[0] as usize <= from && from <= TRAPPED[TRAPPED.len() - 1] as usize;
        if !is_hostile && !is_trapped {
            members[to] = FaultName::ALL[from];
            to += 1;
        }
        from += 1;
    }
    members
};

const CUT_PROOF: &str = "The wire counts the packets that it drops on the cut links between installation and healing; \
                         none dropped is inert.";
const CUT_HEALS: &str = "The links are restored at once, except those that another installed fault still cuts. Nothing \
                         is sent again by the wire: TCP retransmits by itself, after its own back-off.";
const LINK_PROOF: &str = "The wire counts the packets of these links to which it did this between installation and \
                          healing; none is inert.";
const LINK_HEALS: &str = "The links are good again at once, as far as no other installed fault wants them bad. What is \
                          under way arrives when it is due.";
const POWER_DOES: &str = "The machine disappears, and of what was written and not fsynced all, some or nothing is lost: all, \
                          what came after some moment, each sector by the toss of a coin, or half of the last write. What \
                          was fsynced is never lost. File names keep their order, as on ext4.";
const POWER_PROOF: &str = "The machine is gone; the bytes, files and names that were lost are counted.";
const CLOCK_PROOF: &str = "The clock is read back by a program on the node, before and after; it is inert when the node's main \
                           process does not live by it (a 32-bit program, or one that reads the processor's counter), \
                           and the reason is recorded.";
const CLOCK_HEALS: &str = "The clock is right again at once, as a time daemon would set it that steps; what another \
                           installed fault wants of it stays.";
const MONOTONIC_PROOF: &str = "The clock is read back by a program on the node, through its vDSO and by a system call, before and \
                               after, and a timer until a time on it is set and timed; it is inert when one of them is not as asked, \
                               or when the node's main process does not live by the clock.";
const MONOTONIC_HEALS: &str = "The clocks go at the right rate again, on from what they show: what they gained or lost stays, \
                               because they never go back, until the machine is rebooted. What another installed fault \
                               wants of them stays.";
const DISK_PROOF: &str = "The disk counts how often it did this between installation and healing; never is inert.";
const DISK_HEALS: &str = "The disk behaves again: what hung is done, what was confused is as it should be, what was lost \
                          stays lost. A node that ended by itself meanwhile is reported, and started again.";
const STOP_DOES: &str = "SIGTERM to every process of the node: an orderly shutdown, in which it may hand over what it leads. \
                         Those that have not ended when the fault is healed are killed then.";
const STOP_PROOF: &str = "The number of processes that were asked; none is inert. After healing, the number that run.";
const KILL_DOES: &str = "SIGKILL to every process of the node. Its network stays up and refuses connections, open \
                         connections are reset, what it wrote to files is kept.";
const KILL_PROOF: &str = "The number of processes that were killed; none is inert. After healing, the number that run.";
const KILL_HEALS: &str = "The node's main process is started again with the same arguments, environment and files.";
const CRASH_DOES: &str = "The whole machine disappears with all its processes, without a word to its peers: packets to \
                          its address are lost, connections hang until they time out. What its files had gained and not fsynced is \
                          lost with it where the node has a simulated disk, which every node of a run with crashes is given if this \
                          machine offers them (`splitbrain doctor`); else the host's page cache keeps it, and a note says so.";
const CRASH_PROOF: &str = "The machine is gone, and how many processes went with it, and the bytes, files and names that its \
                           simulated disk lost; a machine that was gone already is inert. After healing, the number of \
                           processes that run.";
const CRASH_HEALS: &str = "The machine boots at the same address with the same files, and the node's main process is \
                           started again.";
const PAUSE_DOES: &str = "SIGSTOP to every process of the node: its kernel still accepts connections and acknowledges \
                          packets, nobody answers, and its own timers stand still, as in a long garbage collection.";
const PAUSE_PROOF: &str = "The number of processes that the kernel reports as stopped; none is inert. After healing, \
                           the number that run.";
const PAUSE_HEALS: &str = "SIGCONT to every process of the node, which goes on where it stood and does not know.";

const LIMIT_HEALS: &str = "Every process gets back the limit that it had, those that were started meanwhile too. A node that \
                           ended by itself meanwhile is reported, and started again.";
const LOSS_PROOF: &str =
    "The files and bytes that are gone or changed are counted, and the first of them named; none is inert.";

/// What only a program that reads its files can suffer.
macro_rules! at_start {
    ($does:literal) => {
        concat!(
            $does,
            " Only what is read can be wrong, and a server that keeps its data in memory, as single-leader does, reads its log \
             when it starts and never again: in generated schedules each turn of this fault holds a kill of the same nodes, so that \
             they start while it lasts. In one written by hand add that step, or it is inert."
        )
    };
}

macro_rules! faults {
    ($($name:literal $family:literal $least:literal $about:literal $does:expr, $proof:expr, $heals:expr;)*) => {
        /// The faults, in the order of [`FaultName::ALL`].
        pub const FAULTS: [FaultInfo; COUNT] = [$(FaultInfo {
            name: $name,
            family: $family,
            least_node_count: $least,
            about: $about,
            does: $does,
            proof: $proof,
            heals: $heals,
        }),*];
    };
}

faults! {
    "partition-one" "partition" 2
        "One node cannot talk to any other node."
        "Both directions between that node and every other are cut. It still serves its clients, and so do the others.",
        CUT_PROOF, CUT_HEALS;
    "partition-halves" "partition" 2
        "The nodes fall into two groups that cannot talk to each other."
        "Every link between the groups is cut, in both directions. Generated groups are a minority and a majority; with \
         an even number of nodes, two halves, and nobody has a majority.",
        CUT_PROOF, CUT_HEALS;
    "partition-ring" "partition" 3
        "Every node sees a majority, and no two nodes see the same one."
        "The nodes stand on a ring; each keeps just as many neighbours as a majority needs, all other links are cut in \
         both directions.",
        CUT_PROOF, CUT_HEALS;
    "bridge" "partition" 3
        "Two groups that cannot talk to each other share one node that talks to both."
        "Every link between the groups is cut, in both directions, except those of the bridge.",
        CUT_PROOF, CUT_HEALS;
    "one-way" "partition" 2
        "What one side sends does not arrive at the other; the way back works."
        "Only the links from the one side to the other are cut. Half of the generated ones make a node mute, the others \
         make it deaf. TCP connections across stall, datagrams pass one way.",
        CUT_PROOF, CUT_HEALS;
    "partition-random" "partition" 2
        "A random set of links between nodes is cut."
        "Links are cut by the toss of a coin; half of the generated matrices are symmetric, in the others each \
         direction is tossed for by itself.",
        CUT_PROOF, CUT_HEALS;
    "leader-isolated" "partition" 2
        "The leader cannot talk to any other node, and still serves its clients."
        "partition-one, aimed at whoever leads when it is installed; at a node drawn beforehand when nobody is known to \
         lead.",
        CUT_PROOF, CUT_HEALS;
    "leader-minority" "partition" 3
        "The leader is cut off from a majority of the nodes, together with as many as still are a minority."
        "Every link between that side and the other is cut, in both directions. A leader that needs a majority cannot go \
         on; the others may choose another.",
        CUT_PROOF, CUT_HEALS;
    "follower-minority" "partition" 3
        "A minority of the nodes is cut off, and the leader is not among them."
        "Every link between that side and the other is cut, in both directions. A leader that needs a majority goes on.",
        CUT_PROOF, CUT_HEALS;
    "clients-cut" "clients-cut" 1
        "Clients cannot reach the leader; the nodes reach each other."
        "Both directions between the leader, or the given nodes, and every client are cut. Requests under way are left \
         without an answer, so they end as unknown.",
        CUT_PROOF, CUT_HEALS;
    "slow" "link" 1
        "Links are slow: every packet is late."
        "Each packet of these links takes so much longer, by 20 ms to half a second in generated schedules. The order is \
         kept.",
        LINK_PROOF, LINK_HEALS;
    "jitter" "link" 1
        "Links are slow by a random amount."
        "Each packet takes a random time longer: uniform, normal, exponential or Pareto; so packets overtake each other, \
         unless the order is to be kept.",
        LINK_PROOF, LINK_HEALS;
    "lossy" "link" 1
        "Links lose packets."
        "Packets are dropped by chance, alone or in bursts; TCP sends them again, after its back-off.",
        LINK_PROOF, LINK_HEALS;
    "duplicate" "link" 1
        "Links deliver packets twice."
        "Packets are sent twice by chance. TCP discards the second; datagrams arrive twice.",
        LINK_PROOF, LINK_HEALS;
    "reorder" "link" 1
        "Links let packets overtake each other."
        "Some packets are held back, so that later ones overtake them. TCP puts them in order again, and takes it for loss \
         if it is much.",
        LINK_PROOF, LINK_HEALS;
    "corrupt" "link" 1
        "Links flip bits."
        "One bit of a packet is flipped behind its IP header. The receiver's checksum tells, so that to an application \
         it is loss.",
        LINK_PROOF, LINK_HEALS;
    "corrupt-unnoticed" "link" 1
        "Links flip bits of what applications send, and no checksum of the network tells."
        "One bit of what an application sent is flipped, and the checksum made right again: what a broken network card or \
         router does. Only a checksum of the application's own notices.",
        LINK_PROOF, LINK_HEALS;
    "rate-limit" "link" 1
        "Links pass only so many bytes a second."
        "A token bucket in front of a queue of 100 ms; what finds the queue full is lost.",
        LINK_PROOF, LINK_HEALS;
    "hold" "link" 1
        "Packets wait until the fault is healed, and arrive then."
        "Nothing is lost and nothing arrives: the network half of a virtual machine that is moved. Healing delivers \
         everything at once, in order.",
        LINK_PROOF, LINK_HEALS;
    "reset" "link" 1
        "Connections are reset, and new ones refused."
        "Every TCP packet on these links is answered with a reset to both ends, as by a firewall that rejects or a \
         proxy that restarts: the opposite of silence.",
        LINK_PROOF, LINK_HEALS;
    "flapping" "link" 1
        "Links are cut and come back, again and again."
        "The links are cut for a while and good for a while in turns, 50 to 500 ms each in generated schedules.",
        LINK_PROOF, LINK_HEALS;
    "stop" "stop" 1
        "The processes of one node, of some or of all are asked to end."
        STOP_DOES, STOP_PROOF, KILL_HEALS;
    "kill" "kill" 1
        "The processes of one node, of some or of all are killed."
        KILL_DOES, KILL_PROOF, KILL_HEALS;
    "kill-leader" "kill" 1
        "The leader's processes are killed."
        "kill, aimed at whoever leads when it is installed; at a node drawn beforehand when nobody is known to lead.",
        KILL_PROOF, KILL_HEALS;
    "crash" "crash" 1
        "The machine of one node, of some or of all is gone, silently."
        CRASH_DOES, CRASH_PROOF, CRASH_HEALS;
    "crash-leader" "crash" 1
        "The leader's machine is gone, silently."
        "crash, aimed at whoever leads when it is installed; at a node drawn beforehand when nobody is known to lead.",
        CRASH_PROOF, CRASH_HEALS;
    "pause" "pause" 1
        "The processes of one node, of some or of all stand still."
        PAUSE_DOES, PAUSE_PROOF, PAUSE_HEALS;
    "pause-leader" "pause" 1
        "The leader's processes stand still, and go on later in the belief that they still lead."
        "pause, aimed at whoever leads when it is installed; at a node drawn beforehand when nobody is known to lead.",
        PAUSE_PROOF, PAUSE_HEALS;
    "power-cut" "crash" 1
        "The machine of one node, of some or of all loses power, and its disk what was not fsynced, wholly or in part."
        POWER_DOES, POWER_PROOF, CRASH_HEALS;
    "clock-jump" "clock" 1
        "The clock of one node, of some or of all is ahead or behind."
        "CLOCK_REALTIME is off by milliseconds to minutes, for all processes of the node, through restarts. Timers and \
         CLOCK_MONOTONIC are left alone.",
        CLOCK_PROOF, CLOCK_HEALS;
    "clock-drift" "clock" 1
        "The clock of one node, of some or of all is too fast or too slow."
        "CLOCK_REALTIME gains or loses up to half of the time.",
        CLOCK_PROOF, CLOCK_HEALS;
    "clock-strobe" "clock" 1
        "The clock of one node, of some or of all goes back and forth."
        "CLOCK_REALTIME is right and wrong in turns, some milliseconds to a second each.",
        CLOCK_PROOF, CLOCK_HEALS;
    "clock-freeze" "clock" 1
        "The clock of one node, of some or of all stands still."
        "CLOCK_REALTIME shows the same instant until the fault is healed.",
        CLOCK_PROOF, CLOCK_HEALS;
    "clock-monotonic-jump" "clock" 1
        "The monotonic clocks of one node, of some or of all jump ahead."
        "CLOCK_MONOTONIC, _RAW, _COARSE and CLOCK_BOOTTIME are ahead by milliseconds to minutes, and never behind: they do not go \
         back. Waits until a time on them end when they show it: condition variables, clock_nanosleep, timers, as far as their \
         time is absolute. Needs --trap-clocks.",
        MONOTONIC_PROOF, MONOTONIC_HEALS;
    "clock-monotonic-drift" "clock" 1
        "The monotonic clocks of one node, of some or of all are too fast or too slow."
        "They gain or lose up to half of the time; waits until a time on them follow, waits for a while do not. Needs \
         --trap-clocks.",
        MONOTONIC_PROOF, MONOTONIC_HEALS;
    "clock-monotonic-freeze" "clock" 1
        "The monotonic clocks of one node, of some or of all stand still."
        "They show the same instant until the fault is healed, and nothing ends that waits until a later one. Needs \
         --trap-clocks.",
        MONOTONIC_PROOF, MONOTONIC_HEALS;
    "disk-error" "disk" 1
        "Reads, writes or fsyncs fail."
        "Operations on the node's disk fail and do nothing: by chance and with EIO in generated schedules, as `error` says in \
         those written by hand. Without a simulated disk, the system calls of its programs do.",
        DISK_PROOF, DISK_HEALS;
    "disk-full" "disk" 1
        "The disk is full."
        "Writes and new files fail with ENOSPC.",
        DISK_PROOF, DISK_HEALS;
    "disk-slow" "disk" 1
        "The disk is slow."
        "Each fsync and write takes some milliseconds to half a second longer.",
        DISK_PROOF, DISK_HEALS;
    "disk-hang" "disk" 1
        "The disk does not answer."
        "Each fsync and write waits until the fault is healed, and is done then. Only SIGKILL ends it before.",
        DISK_PROOF, DISK_HEALS;
    "lying-fsync" "disk" 1
        "fsync says that it is done, and nothing is durable."
        "As a disk with a volatile cache that ignores flushes: harmless until the power is cut.",
        DISK_PROOF, DISK_HEALS;
    "fsyncgate" "disk" 1
        "fsync fails once, and what was to be written is forgotten."
        "fsync fails with EIO; the next one succeeds, and a power cut loses the data all the same, as on Linux before 4.13.",
        DISK_PROOF, DISK_HEALS;
    "bit-flips" "disk" 1
        "Some bits of what is read are wrong."
        at_start!("Reads return data in which single bits are inverted; what is on the disk is not."),
        DISK_PROOF, DISK_HEALS;
    "misdirected-read" "disk" 1
        "Some reads return another block of the same file."
        at_start!("What is on the disk is right, and the wrong place of it is read."),
        DISK_PROOF, DISK_HEALS;
    "misdirected-write" "disk" 1
        "Some writes land in another block of the same file."
        "The write is acknowledged; where it should be the old contents remain.",
        DISK_PROOF, DISK_HEALS;
    "stale-read" "disk" 1
        "Some writes are acknowledged, and reads go on to show what was there before."
        "As a disk whose cache was not told.",
        DISK_PROOF, DISK_HEALS;
    "crash-loop" "kill" 1
        "The processes of one node, of some or of all are killed again and again, as soon as they have started."
        "kill, repeated: down for 50 to 200 ms and up for 100 to 300 ms in turns in generated schedules, so that a node dies while \
         it recovers from having died. Each turn is a fault of its own in the history.",
        KILL_PROOF, KILL_HEALS;
    "cpu-throttle" "resources" 1
        "The processes of one node, of some or of all run only part of the time."
        "All processes are stopped and continued in turns of 50 ms (SIGSTOP, SIGCONT), so that they run in 2 to 40 % of the \
         time in generated schedules: a virtual machine on a crowded server. Those that are started meanwhile too.",
        "The kernel's account of the processor time that they used is set against the time that passed, and the stops are \
         counted; none is inert.",
        "Every process is continued, unless another installed fault pauses it.";
    "memory-limit" "resources" 1
        "The processes of one node, of some or of all can have little more memory than they have."
        "The address space of each process is limited (RLIMIT_AS) to what it has and a headroom of 1 to 64 MiB in generated \
         schedules: mmap and brk fail with ENOMEM. Children inherit it, and a main process that is started again gets what \
         the one before it had.",
        "The limit of each process is read back from the kernel; it is inert when no process has one.",
        LIMIT_HEALS;
    "descriptor-limit" "resources" 1
        "The processes of one node, of some or of all can open few more files and connections."
        "The descriptors of each process are limited (RLIMIT_NOFILE) to those that it has open and a headroom of 0 to 20 in \
         generated schedules: open, socket and accept fail with EMFILE. Children inherit it, and a main process that is \
         started again gets what the one before it had.",
        "The limit of each process is read back from the kernel; it is inert when no process has one.",
        LIMIT_HEALS;
    "wipe" "wipe" 1
        "The data of one node or of some is gone."
        "The node is killed and everything in its data directory is removed. It stays down until the fault is healed.",
        LOSS_PROOF,
        "The node is started again with an empty data directory: under its old name, without its memory.";
    "rollback" "rollback" 1
        "One node or some are restored from a backup."
        "A backup of the node's data is taken when the fault is injected; its processes stand still for that moment and go on. \
         When the fault is healed, the node is killed and what it has kept since is replaced by the backup: with `for = \"3s\"`, \
         it forgets three seconds.",
        "The files and bytes that the backup changed are counted, and the first of them named; none is inert.",
        "Healing is when it strikes: killed, rolled back, and started again if no other fault holds the node down.";
    "file-damage" "file" 1
        "Files of one node or of some are damaged."
        "The node is killed, and in its data directory bits are inverted, ends of files cut off, or 512 bytes overwritten with \
         others of the same file, at places drawn from the seed. It stays down until the fault is healed.",
        LOSS_PROOF,
        "The node is started again with its files as they are. The damage stays.";
}
