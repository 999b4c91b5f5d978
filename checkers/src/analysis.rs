//! From a history and a question to a verdict: which consistency models does it rule out?
//!
//! The fold checkers observe one guarantee each. An analysis looks at the whole of a history through
//! a [`Workload`], finds every anomaly it can, and asks the [tables of models](crate::models) what they rule out.

mod about;
mod fit;
mod judge;
mod parts;
mod sought;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::str::FromStr;

use histories::History;
use serde::Serialize;

use crate::budget::Budget;
use crate::finding::Anomaly;
use crate::models::{AnomalyType, Model};

pub use judge::{analyse, look};
pub use parts::{Part, infer, parts};

/// What kind of history it is: how its operations are to be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Workload {
    /// Transactions of reads and appends to lists.
    ListAppend,
    /// Transactions of reads and writes of registers.
    RwRegister,
    /// Transactions with reads by predicate over a closed universe of objects.
    Predicate,
    /// Registers that are read and written.
    Register,
    /// Registers that are also compared and set.
    CasRegister,
    /// Transactions that each read or write several registers at one point in time.
    MultiRegister,
    /// A map of strings that are read, set and appended to.
    KeyValue,
    /// Sets that are added to and read at the end, or at any time.
    Set,
    /// Sets with insert, remove and contains.
    MembershipSet,
    /// Counters.
    Counter,
    /// Queues that keep their order.
    FifoQueue,
    /// Queues that do not.
    Queue,
    /// Queues ordered by priority.
    PriorityQueue,
    /// Stacks.
    Stack,
    /// Lists that are appended to and read whole, each by itself.
    AppendLog,
    /// Locks, leases, fencing tokens.
    Lock,
    /// Transfers between accounts.
    Bank,
    /// Groups of keys that are each written once.
    LongFork,
    /// Generated identifiers.
    UniqueIds,
    /// Single-object operations by sessions: session guarantees, PRAM, causal consistency.
    Sessions,
}

impl Workload {
    /// All of them.
    pub const ALL: &'static [Workload] = &[
        Workload::ListAppend,
        Workload::RwRegister,
        Workload::Predicate,
        Workload::Register,
        Workload::CasRegister,
        Workload::MultiRegister,
        Workload::KeyValue,
        Workload::Set,
        Workload::MembershipSet,
        Workload::Counter,
        Workload::FifoQueue,
        Workload::Queue,
        Workload::PriorityQueue,
        Workload::Stack,
        Workload::AppendLog,
        Workload::Lock,
        Workload::Bank,
        Workload::LongFork,
        Workload::UniqueIds,
        Workload::Sessions,
    ];

    /// The name in flags and files.
    pub fn name(self) -> &'static str {
        match self {
            Workload::ListAppend => "list-append",
            Workload::RwRegister => "rw-register",
            Workload::Predicate => "predicate",
            Workload::Register => "register",
            Workload::CasRegister => "cas-register",
            Workload::MultiRegister => "multi-register",
            Workload::KeyValue => "kv",
            Workload::Set => "set",
            Workload::MembershipSet => "membership-set",
            Workload::Counter => "counter",
            Workload::FifoQueue => "fifo-queue",
            Workload::Queue => "queue",
            Workload::PriorityQueue => "priority-queue",
            Workload::Stack => "stack",
            Workload::AppendLog => "append-log",
            Workload::Lock => "lock",
            Workload::Bank => "bank",
            Workload::LongFork => "long-fork",
            Workload::UniqueIds => "unique-ids",
            Workload::Sessions => "sessions",
        }
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No workload has this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownWorkload(pub String);

impl fmt::Display for UnknownWorkload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no workload is named '{}'", self.0)
    }
}

impl std::error::Error for UnknownWorkload {}

impl FromStr for Workload {
    type Err = UnknownWorkload;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let wanted = s.trim().replace([' ', '_'], "-");
        let named = |w: &&Workload| w.name().eq_ignore_ascii_case(&wanted);
        Workload::ALL.iter().find(named).copied().ok_or_else(|| UnknownWorkload(s.to_owned()))
    }
}

/// What is asked of a history.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// The models that it should satisfy.
    pub models: Vec<Model>,
    /// Anomalies that it should not have besides.
    pub anomalies: Vec<AnomalyType>,
    /// What the analysis may assume.
    pub assume: Assumptions,
}

/// What an analysis cannot see in a history and has to be told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Assumptions {
    /// `rw-register`: a transaction that reads a version and writes another one makes the later one. From read committed on
    /// this is implied, and used whatever is said here; said here it counts for read uncommitted, too.
    pub writes_follow_reads_keys: bool,
    /// `rw-register`: each key by itself is sequentially consistent.
    pub sequential_keys: bool,
    /// `rw-register`: each key by itself is linearizable.
    pub linearizable_keys: bool,
    /// The value of every register at the start; `None` for nothing, or where it can be told from the history.
    pub initial: Option<histories::Scalar>,
    /// `bank`: the sum of all accounts; `None` for that of the first read.
    pub total: Option<i64>,
    /// `bank`: whether an account may be overdrawn.
    pub negative_balances: bool,
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// No anomaly that the question prohibits, and everything was looked at.
    Valid,
    /// At least one.
    Invalid,
    /// None was found, but not everything could be looked at.
    Unknown,
}

/// All anomalies of one kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Which kind.
    pub kind: AnomalyType,
    /// How many there are; `cases` holds the first [`crate::Finding::KEPT`] of them.
    pub count: u64,
    /// The anomalies with their evidence.
    pub cases: Vec<Anomaly>,
}

/// What an analyzer found in a history, whatever was asked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// The anomalies, by kind.
    pub groups: BTreeMap<AnomalyType, Group>,
    /// What was looked at: `transactions`, `keys`, `components`.
    pub checked: BTreeMap<&'static str, u64>,
    /// What could not be looked at, and why, in whole sentences. With any of these nothing is certified.
    pub doubts: Vec<String>,
}

impl Found {
    /// Takes in one anomaly.
    pub fn add(&mut self, kind: AnomalyType, case: impl FnOnce() -> Anomaly) {
        let group = self.groups.entry(kind).or_insert_with(|| Group { kind, count: 0, cases: Vec::new() });
        group.count += 1;
        if group.cases.len() < crate::Finding::KEPT {
            group.cases.push(case());
        }
    }

    /// Takes in everything that another analyzer found. What both found counts once: the larger number stands.
    pub fn merge(&mut self, other: Found) {
        for (kind, group) in other.groups {
            match self.groups.entry(kind) {
                Entry::Vacant(free) => drop(free.insert(group)),
                Entry::Occupied(mut known) if known.get().count < group.count => drop(known.insert(group)),
                Entry::Occupied(_) => {}
            }
        }
        for (what, count) in other.checked {
            let known = self.checked.entry(what).or_default();
            *known = count.max(*known);
        }
        for doubt in other.doubts {
            if !self.doubts.contains(&doubt) {
                self.doubts.push(doubt);
            }
        }
    }
}

/// What is known after an analysis.
#[derive(Clone, Debug, PartialEq)]
pub struct Analysis {
    /// How the history was understood.
    pub workload: Workload,
    /// The answer.
    pub answer: Answer,
    /// Why, in a sentence.
    pub reason: String,
    /// The anomalies, worst first. Those that the question does not prohibit are listed too.
    pub groups: Vec<Group>,
    /// The weakest models that are ruled out.
    pub not: Vec<Model>,
    /// All stronger models, which are ruled out too.
    pub also_not: Vec<Model>,
    /// Models that are ruled out and that Elle, whose lists those two are, never names.
    pub besides: Vec<Model>,
    /// What was looked at.
    pub checked: BTreeMap<&'static str, u64>,
    /// What could not be looked at.
    pub doubts: Vec<String>,
}

/// One way to look at a history: the shape of every analyzer in this crate.
pub type Analyzer = fn(&History, &Question, &Budget<'_>) -> Found;
