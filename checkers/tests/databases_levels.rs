//! Histories of many transactions are valid at the level of their database, and a weaker one is caught at the next.

#[path = "support/databases.rs"]
mod databases;

use std::collections::BTreeSet;

use checkers::analysis::Analyzer;
use checkers::models::prohibited;
use checkers::transactions::{list_append, rw_register};
use checkers::{AnomalyType, Assumptions, Budget, Model, Question};
use databases::{Level, Shape, Workload};

/// Each level with its model, and the models that it does not reach.
const LEVELS: [(Level, Model, &[Model]); 12] = [
    (Level::StrictSerializable, Model::StrongSerializable, &[]),
    (Level::StrongSessionSerializable, Model::StrongSessionSerializable, &[Model::StrongSerializable]),
    (Level::Serializable, Model::Serializable, &[Model::StrongSessionSerializable]),
    (Level::StrongSnapshotIsolation, Model::StrongSnapshotIsolation, &[Model::Serializable]),
    (Level::StrongSessionSnapshotIsolation, Model::StrongSessionSnapshotIsolation, &[Model::StrongSnapshotIsolation]),
    (Level::SnapshotIsolation, Model::SnapshotIsolation, &[Model::StrongSessionSnapshotIsolation, Model::Serializable]),
    (Level::ParallelSnapshotIsolation, Model::ParallelSnapshotIsolation, &[Model::SnapshotIsolation]),
    (Level::Prefix, Model::Prefix, &[Model::SnapshotIsolation, Model::CursorStability]),
    (Level::Causal, Model::CausalCerone, &[Model::SnapshotIsolation, Model::CursorStability]),
    (Level::ReadAtomic, Model::ReadAtomic, &[Model::CursorStability, Model::ConsistentView]),
    (Level::ReadCommitted, Model::ReadCommitted, &[Model::ReadAtomic]),
    (Level::ReadUncommitted, Model::ReadUncommitted, &[Model::ReadCommitted]),
];

fn shape(workload: Workload, seed: u64) -> Shape {
    Shape::new(workload, 20_000, seed)
}

/// What contradicts these models.
fn contradictions(check: Analyzer, level: Level, shape: &Shape, model: Model) -> BTreeSet<AnomalyType> {
    let history = databases::run(level, shape);
    let assume = Assumptions { writes_follow_reads_keys: true, ..Assumptions::default() };
    let question = Question { models: vec![model], anomalies: Vec::new(), assume };
    let found = check(&history, &question, &Budget::default());
    assert_eq!(found.doubts, Vec::<String>::new(), "{level:?} {model}");
    let prohibited = prohibited(&[model], &[]);
    found.groups.into_keys().filter(|kind| prohibited.contains(kind)).collect()
}

fn levels(check: Analyzer, workload: Workload, catches: impl Fn(Level) -> bool) {
    for (level, model, beyond) in LEVELS {
        for seed in 0..2 {
            let shape = shape(workload, seed);
            let found = contradictions(check, level, &shape, model);
            assert!(found.is_empty(), "{level:?} is {model}, but {found:?} was found with seed {seed}");
            for model in beyond.iter().filter(|_| catches(level)) {
                let found = contradictions(check, level, &shape, *model);
                println!("{workload:?} {} is not {model}: {found:?}", level.name());
                assert!(!found.is_empty(), "{level:?} is not {model}, but nothing was found with seed {seed}");
            }
        }
    }
}

#[test]
fn lists() {
    levels(list_append::check, Workload::ListAppend, |_| true);
}

/// Without lists less is known of the order of versions; what is caught is caught by reads before writes.
#[test]
fn registers() {
    let subtle = [Level::ParallelSnapshotIsolation];
    levels(rw_register::check, Workload::RwRegister, |level| !subtle.contains(&level));
}

#[test]
fn the_same_seed_gives_the_same_history() {
    for level in Level::ALL {
        for workload in Workload::ALL {
            let shape = Shape::new(workload, 300, 7);
            let (mut one, mut other) = (Vec::new(), Vec::new());
            databases::each(level, &shape, |event| one.push(event));
            databases::each(level, &shape, |event| other.push(event));
            assert_eq!(one, other, "{level:?} {workload:?}");
            let history = databases::run(level, &shape);
            assert!(history.irregularities().is_empty(), "{level:?} {workload:?}");
            assert_eq!(history.operations().count(), 300, "{level:?} {workload:?}");
        }
    }
}
