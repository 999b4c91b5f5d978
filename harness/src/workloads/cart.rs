//! `cart`: elements go into sets and out again. Where a store forgets that something was removed, it comes back from the dead.

use std::collections::BTreeMap;

use histories::{Completion, Guarantee, Operation, Scalar, Value};
use nemesis::seed::ChaCha8Rng;
use rand::RngExt;
use systems_under_test::Function;

use super::{Rotation, Shape, Turn, Workload, WorkloadSpec, read};

/// Elements per set before a fresh one is taken: few, for the search for a linear order of adds and removals of one set takes long.
const ELEMENTS: u32 = 25;

pub(super) const SPEC: WorkloadSpec = WorkloadSpec {
    name: "cart",
    about: "add unique elements to sets and remove them again",
    story: "Processes add elements that were never added before, read whole sets, and remove elements that they have seen, each \
            element once. An element is never added twice: one whose removal was acknowledged and that stands in \
            the set at the end has been resurrected by a replica that had not heard of the removal.",
    needs: &[Function::Add, Function::Remove],
    judges: &[Guarantee::Durability],
    make: |shape| Box::new(Cart::new(shape)),
};

struct Cart {
    objects: Rotation,
    /// What was seen in each set and nobody has set out to remove.
    seen: BTreeMap<Scalar, BTreeMap<Scalar, bool>>,
}

impl Cart {
    fn new(shape: Shape) -> Self {
        Cart { objects: Rotation::new("cart", shape.key_count.min(2), ELEMENTS), seen: BTreeMap::new() }
    }

    /// Something that is there and is not being removed, out of any set.
    fn choose(&mut self, rng: &mut ChaCha8Rng) -> Option<Operation> {
        let there = self.seen.iter().flat_map(|(key, set)| set.iter().map(move |(value, left)| (key, value, *left)));
        let there: Vec<_> =
            there.filter(|(_, _, left)| *left).map(|(key, value, _)| (key.clone(), value.clone())).collect();
        let (key, value) = there.get(rng.random_range(0..there.len().max(1)))?.clone();
        self.seen.get_mut(&key)?.insert(value.clone(), false);
        Some(Operation::Remove { key: Some(key), value })
    }
}

impl Workload for Cart {
    fn next(&mut self, _turn: Turn, rng: &mut ChaCha8Rng) -> Operation {
        let choice = rng.random_range(0..10);
        if choice < 3
            && let Some(removal) = self.choose(rng)
        {
            return removal;
        }
        if choice < 8 {
            let (object, value) = self.objects.element(rng);
            return Operation::Add { key: Some(self.objects.name(object)), value: value.into() };
        }
        read(self.objects.name(self.objects.pick(rng)))
    }

    fn observe(&mut self, _turn: Turn, _operation: &Operation, completion: &Completion) {
        let Completion::Ok(answer) = completion else { return };
        let Some(key) = answer.key().cloned() else { return };
        let seen = self.seen.entry(key).or_default();
        match answer {
            Operation::Add { value, .. } => {
                seen.entry(value.clone()).or_insert(true);
            }
            Operation::Read { value: Some(Value::List(values)), .. } => {
                values.iter().for_each(|value| _ = seen.entry(value.clone()).or_insert(true));
            }
            _ => {}
        }
    }

    fn final_reads(&self) -> Vec<Operation> {
        self.objects.reads()
    }
}

#[cfg(test)]
mod tests {
    use nemesis::seed::Seed;

    use super::*;

    #[test]
    fn an_element_is_removed_once_and_only_when_it_was_seen() {
        let mut cart = Cart::new(Shape { key_count: 1, concurrency: 1, transactions: false, compare_and_set: false });
        let (mut rng, turn) = (Seed(1).stream("test"), Turn { worker: 0, process: 0, session: 0 });
        let (mut added, mut removed) = (Vec::new(), Vec::new());
        for _ in 0..300 {
            let operation = cart.next(turn, &mut rng);
            cart.observe(turn, &operation, &Completion::Ok(operation.clone()));
            match operation {
                Operation::Add { key, value } => added.push((key, value)),
                Operation::Remove { key, value } => {
                    assert!(
                        added.contains(&(key.clone(), value.clone()))
                            && !removed.contains(&(key.clone(), value.clone()))
                    );
                    removed.push((key, value));
                }
                _ => {}
            }
        }
        assert!(removed.len() > 50, "{}", removed.len());
    }
}
