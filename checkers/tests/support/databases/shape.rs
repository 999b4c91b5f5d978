//! What is asked of a database, how often, by how many.

use std::ops::RangeInclusive;
use std::str::FromStr;

/// The operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Workload {
    /// Transactions of reads and appends to lists.
    ListAppend,
    /// Transactions of reads and writes of registers; all values of a register differ.
    RwRegister,
    /// Single reads and writes of registers; all values of a register differ.
    Register,
    /// Single reads, writes and compare-and-sets of registers; all values of a register differ.
    CasRegister,
    /// Single reads of sets and additions to them; all elements of a set differ.
    Set,
    /// Items put into a first-in-first-out queue and taken out; all items differ.
    Queue,
    /// Items put onto a stack and taken off; all items differ.
    Stack,
}

impl Workload {
    /// All of them.
    pub const ALL: [Workload; 7] = [
        Workload::ListAppend,
        Workload::RwRegister,
        Workload::Register,
        Workload::CasRegister,
        Workload::Set,
        Workload::Queue,
        Workload::Stack,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Workload::ListAppend => "list-append",
            Workload::RwRegister => "rw-register",
            Workload::Register => "register",
            Workload::CasRegister => "cas-register",
            Workload::Set => "set",
            Workload::Queue => "queue",
            Workload::Stack => "stack",
        }
    }

    /// Whether a read returns all that was written.
    pub fn collects(self) -> bool {
        matches!(self, Workload::ListAppend | Workload::Set)
    }

    /// Whether its operations are transactions.
    pub fn is_transactional(self) -> bool {
        matches!(self, Workload::ListAppend | Workload::RwRegister)
    }

    /// Whether its operations put items in and take them out.
    pub fn takes(self) -> bool {
        matches!(self, Workload::Queue | Workload::Stack)
    }
}

impl FromStr for Workload {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Workload::ALL.into_iter().find(|w| w.name() == s).ok_or_else(|| format!("no workload is named '{s}'"))
    }
}

/// Which objects are worked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// So many at a time; each is replaced by a new one after so many writes, as in Elle's generator.
    Rotating {
        /// How many at a time.
        active: u32,
        /// After how many writes one is replaced.
        writes: u32,
    },
    /// Always the same ones.
    Fixed(u32),
}

/// How long, how wide, how wild.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    /// The operations.
    pub workload: Workload,
    /// How many are invoked.
    pub transactions: u64,
    /// How many clients run side by side.
    pub processes: u32,
    /// The objects.
    pub keys: Keys,
    /// How many steps a transaction has.
    pub micros: RangeInclusive<u32>,
    /// How many steps of 100 write.
    pub writes_percent: u32,
    /// How many operations of 1000 end `info`.
    pub info_permille: u32,
    /// How many operations of 1000 end `fail`, besides those that the database aborts.
    pub fail_permille: u32,
    /// How many replicas there are, where the level has replicas: 1 to 4.
    pub replicas: u32,
    /// Every draw comes from it.
    pub seed: u64,
}

impl Shape {
    /// The shape of Elle's workloads: ten processes, ten keys at a time with 32 writes each, transactions of one to
    /// four steps, half of them writes; 1 of 100 operations ends `info`, 2 end `fail`.
    pub fn new(workload: Workload, transactions: u64, seed: u64) -> Shape {
        let keys = if workload.takes() { Keys::Fixed(1) } else { Keys::Rotating { active: 10, writes: 32 } };
        Shape {
            workload,
            transactions,
            processes: 10,
            keys,
            micros: if workload.is_transactional() { 1..=4 } else { 1..=1 },
            writes_percent: 50,
            info_permille: 10,
            fail_permille: 20,
            replicas: 3,
            seed,
        }
    }
}
