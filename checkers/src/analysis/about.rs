//! What each kind of history is, in words.

use super::Workload;

impl Workload {
    /// Its operations, as a history names them.
    pub fn operations(self) -> &'static str {
        match self {
            Workload::ListAppend => "transactions of r and append",
            Workload::RwRegister => "transactions of r and w",
            Workload::Predicate => "transactions with rp, insert, delete",
            Workload::Register | Workload::CasRegister => "read, write, cas",
            Workload::MultiRegister => "transactions of r and w that each happen at one point",
            Workload::KeyValue => "read, write, append of strings",
            Workload::Set => "add, remove, whole reads",
            Workload::MembershipSet => "add, remove, contains, whole reads",
            Workload::Counter => "increment or add of numbers, read",
            Workload::FifoQueue => "enqueue, dequeue, drain, in the order of arrival",
            Workload::Queue => "enqueue, dequeue, drain, in no order",
            Workload::PriorityQueue => "enqueue, dequeue, drain, the largest first",
            Workload::Stack => "push, pop, drain, the last first",
            Workload::AppendLog => "append, whole reads of one list",
            Workload::Lock => "acquire, release, with or without tokens",
            Workload::Bank => "transfer, reads of all accounts",
            Workload::LongFork => "w of keys that are each written once, transactions that read a group of them",
            Workload::UniqueIds => "generate",
            Workload::Sessions => "reads and writes of single objects, by sessions",
        }
    }

    /// What is looked at.
    pub fn about(self) -> &'static str {
        match self {
            Workload::ListAppend => {
                "Lists tell the order of their versions themselves, and with it the dependencies of the transactions \
                 that read and append to them."
            }
            Workload::RwRegister => {
                "Registers with distinct values tell who read whose write; the order of versions is inferred as far as \
                 it shows, and assumed as far as --keys says."
            }
            Workload::Predicate => {
                "Objects of a closed universe, each changed once at most, which transactions also read by predicate."
            }
            Workload::Register | Workload::CasRegister => {
                "Each register by itself: is there a point in time for every operation at which it took effect?"
            }
            Workload::MultiRegister => {
                "Registers that transactions read and write several of at one point in time: is there an order?"
            }
            Workload::KeyValue => "A map of strings: each key by itself, in real time.",
            Workload::Set => {
                "The life of every element: what was added and acknowledged must be in every later read, and stay."
            }
            Workload::MembershipSet => "Sets that are asked for single elements as well: each by itself, in real time.",
            Workload::Counter => "Every read must lie between what was certainly and what was possibly added.",
            Workload::FifoQueue | Workload::PriorityQueue | Workload::Stack => {
                "Each by itself, in real time: does every item come out once, and in its order?"
            }
            Workload::Queue => {
                "Items come out once at most, none is made up, and none is lost where all were taken out."
            }
            Workload::AppendLog => "Each list by itself, in real time.",
            Workload::Lock => "At most one holder at a time; tokens, where there are any, grow and are given once.",
            Workload::Bank => {
                "The sum of all accounts is the same in every read, and nobody is overdrawn unless that is allowed."
            }
            Workload::LongFork => "Two readers never see two independent writes in different orders.",
            Workload::UniqueIds => "No identifier is given out twice.",
            Workload::Sessions => {
                "Session guarantees, PRAM and causal consistency in its three forms, of single objects."
            }
        }
    }
}
