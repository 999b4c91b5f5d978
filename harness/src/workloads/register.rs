//! `register`: reads, writes and, where there are any, compare-and-sets of registers, every written value unique per register.

use std::collections::BTreeMap;

use histories::{Completion, Guarantee, Operation, Scalar, Value};
use nemesis::seed::ChaCha8Rng;
use rand::RngExt;
use systems_under_test::Function;

use super::{Rotation, Shape, Turn, Workload, WorkloadSpec, read};

/// Updates per register before a fresh one is taken.
const UPDATES: u32 = 500;

pub(super) const SPEC: WorkloadSpec = WorkloadSpec {
    name: "register",
    about: "read, write and compare-and-set registers with unique values",
    story: "Half of the operations read, a third write a value that was never written before, the rest replace the \
            value that was last seen by a fresh one, if it is still there; where the store has no compare-and-set, they write as well. A compare-and-set that finds another \
            value fails, and that is no fault of the store.",
    needs: &[Function::Read, Function::Write],
    judges: &[Guarantee::Durability, Guarantee::ReadYourWrites],
    make: |shape| Box::new(Register::new(shape)),
};

struct Register {
    objects: Rotation,
    compare_and_set: bool,
    /// What each register was last seen to hold.
    seen: BTreeMap<Scalar, Scalar>,
}

impl Register {
    fn new(shape: Shape) -> Self {
        let objects = Rotation::new("reg", shape.key_count, UPDATES);
        Register { objects, compare_and_set: shape.compare_and_set, seen: BTreeMap::new() }
    }
}

impl Workload for Register {
    fn next(&mut self, _turn: Turn, rng: &mut ChaCha8Rng) -> Operation {
        let choice = rng.random_range(0..10);
        if choice < 5 {
            return read(self.objects.name(self.objects.pick(rng)));
        }
        let (object, value) = self.objects.element(rng);
        let key = self.objects.name(object);
        match self.seen.get(&key) {
            Some(old) if choice >= 8 && self.compare_and_set => {
                Operation::Cas { old: old.clone(), new: value.into(), key: Some(key) }
            }
            _ => Operation::Write { key: Some(key), value: value.into() },
        }
    }

    fn observe(&mut self, _turn: Turn, _operation: &Operation, completion: &Completion) {
        let Completion::Ok(answer) = completion else { return };
        let seen = match answer {
            Operation::Read { value: Some(Value::Scalar(value)), .. } if *value != Scalar::Null => value,
            Operation::Write { value, .. } | Operation::Cas { new: value, .. } => value,
            _ => return,
        };
        if let Some(key) = answer.key() {
            self.seen.insert(key.clone(), seen.clone());
        }
    }

    fn final_reads(&self) -> Vec<Operation> {
        self.objects.reads()
    }
}
