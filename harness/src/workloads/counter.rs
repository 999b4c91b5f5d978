//! `counter`: increments and decrements, and reads of the sum.

use histories::{Completion, Guarantee, Operation, Scalar};
use nemesis::seed::ChaCha8Rng;
use rand::RngExt;
use systems_under_test::Function;

use super::{Turn, Workload, WorkloadSpec, read};

pub(super) const SPEC: WorkloadSpec = WorkloadSpec {
    name: "counter",
    about: "increment and decrement counters, read the sums",
    story: "Increments are not idempotent: one that is applied twice, or not at all, shows in the sum for ever. An \
            increment that was never answered may count once or not at all, so the sum has bounds instead of one \
            right value.",
    needs: &[Function::Increment],
    judges: &[Guarantee::CounterBounds],
    make: |shape| Box::new(Counter { count: shape.key_count.clamp(1, 2) }),
};

struct Counter {
    count: usize,
}

impl Counter {
    fn name(index: usize) -> Scalar {
        Scalar::from(format!("counter{index}"))
    }
}

impl Workload for Counter {
    fn next(&mut self, _turn: Turn, rng: &mut ChaCha8Rng) -> Operation {
        let key = Counter::name(rng.random_range(0..self.count));
        let by = rng.random_range(1..=5);
        match rng.random_range(0..4) {
            0..2 => Operation::Increment { key: Some(key), by },
            2 => Operation::Increment { key: Some(key), by: -by },
            _ => read(key),
        }
    }

    fn observe(&mut self, _turn: Turn, _operation: &Operation, _completion: &Completion) {}

    fn final_reads(&self) -> Vec<Operation> {
        (0..self.count).map(|i| read(Counter::name(i))).collect()
    }
}
