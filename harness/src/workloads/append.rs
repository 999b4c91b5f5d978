//! `append`: transactions that append unique elements to lists and read whole lists, after Elle's list-append
//! (Alvaro & Kingsbury, VLDB 2020): what was read tells the order of the writes.

use histories::{Completion, Guarantee, Micro, Operation};
use nemesis::seed::ChaCha8Rng;
use rand::RngExt;
use systems_under_test::Function;

use super::{Rotation, Shape, Turn, Workload, WorkloadSpec, read};

/// Appends per list before a fresh one is taken.
const ELEMENTS: u32 = 64;
/// Longest transaction, in micro-operations.
const LONGEST: usize = 4;

pub(super) const SPEC: WorkloadSpec = WorkloadSpec {
    name: "append",
    about: "transactions that append unique elements to lists and read whole lists",
    story: "Each transaction has one to four steps, each an append of a fresh element or a read of a whole list. \
            Because no element is ever appended twice, one read of a list shows every version that came before \
            it, in order. Stores without transactions get the steps as single operations.",
    needs: &[Function::Append],
    judges: &[
        Guarantee::Durability,
        Guarantee::ReadYourWrites,
        Guarantee::MonotonicReads,
        Guarantee::MonotonicWrites,
        Guarantee::WritesFollowReads,
        Guarantee::ConsistentPrefix,
    ],
    make: |shape| Box::new(Append::new(shape)),
};

struct Append {
    objects: Rotation,
    transactions: bool,
}

impl Append {
    fn new(shape: Shape) -> Self {
        Append { objects: Rotation::new("list", shape.key_count, ELEMENTS), transactions: shape.transactions }
    }

    fn step(&mut self, rng: &mut ChaCha8Rng) -> Micro {
        if rng.random_ratio(1, 2) {
            let (object, value) = self.objects.element(rng);
            Micro::Append { key: self.objects.name(object), value: value.into() }
        } else {
            Micro::Read { key: self.objects.name(self.objects.pick(rng)), value: None }
        }
    }
}

impl Workload for Append {
    fn next(&mut self, _turn: Turn, rng: &mut ChaCha8Rng) -> Operation {
        if self.transactions {
            let steps = rng.random_range(1..=LONGEST);
            return Operation::Txn((0..steps).map(|_| self.step(rng)).collect());
        }
        match self.step(rng) {
            Micro::Append { key, value } => Operation::Append { key: Some(key), value },
            other => read(other.key().clone()),
        }
    }

    fn observe(&mut self, _turn: Turn, _operation: &Operation, _completion: &Completion) {}

    fn final_reads(&self) -> Vec<Operation> {
        self.objects.reads()
    }
}
