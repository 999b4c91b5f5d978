//! `set`: unique elements are added to sets that are read whole. The plainest question that can be asked of a
//! replicated store: is what was acknowledged still there?

use histories::{Completion, Guarantee, Operation};
use nemesis::seed::ChaCha8Rng;
use rand::RngExt;
use systems_under_test::Function;

use super::{Rotation, Shape, Turn, Workload, WorkloadSpec, read};

/// Elements per set before a fresh one is taken.
const ELEMENTS: u32 = 200;

pub(super) const SPEC: WorkloadSpec = WorkloadSpec {
    name: "set",
    about: "add unique elements to sets, read them whole",
    story: "Processes add elements that were never added before, one by one, and now and then read a whole set. \
            After the faults every set is read once more: an acknowledged element that is missing is a lost write. \
            Adds commute, so nothing but the loss of a write can make one disappear.",
    needs: &[Function::Add],
    judges: &[
        Guarantee::Durability,
        Guarantee::ReadYourWrites,
        Guarantee::MonotonicReads,
        Guarantee::MonotonicWrites,
        Guarantee::WritesFollowReads,
        Guarantee::ConsistentPrefix,
    ],
    make: |shape| Box::new(Set::new(shape)),
};

struct Set {
    objects: Rotation,
}

impl Set {
    fn new(shape: Shape) -> Self {
        Set { objects: Rotation::new("set", shape.key_count.min(2), ELEMENTS) }
    }
}

impl Workload for Set {
    fn next(&mut self, _turn: Turn, rng: &mut ChaCha8Rng) -> Operation {
        if rng.random_ratio(3, 4) {
            let (object, value) = self.objects.element(rng);
            Operation::Add { key: Some(self.objects.name(object)), value: value.into() }
        } else {
            read(self.objects.name(self.objects.pick(rng)))
        }
    }

    fn observe(&mut self, _turn: Turn, _operation: &Operation, _completion: &Completion) {}

    fn final_reads(&self) -> Vec<Operation> {
        self.objects.reads()
    }
}
