//! How fast transactional histories are checked: transactions per second, by what the database guarantees.
//!
//! Lists of at most 32 elements and registers, 20 clients, one to four steps: first the histories of a strictly
//! serializable database, in which there is nothing to find, then those of snapshot isolation asked for serializability,
//! with thousands of cycles to tell of.

#[path = "../tests/support/databases.rs"]
mod databases;

use std::hint::black_box;

use checkers::analysis::Analyzer;
use checkers::transactions::list_append::online::OnlineLists;
use checkers::transactions::{list_append, rw_register};
use checkers::{Assumptions, Budget, Model, Question};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use databases::{Keys, Level, Shape, Workload};
use histories::Guarantee;

const TRANSACTIONS: u64 = 100_000;

fn transactions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("transactions");
    group.throughput(Throughput::Elements(TRANSACTIONS)).sample_size(10);
    let lists = (Workload::ListAppend, list_append::check as Analyzer);
    let registers = (Workload::RwRegister, rw_register::check as Analyzer);
    for (workload, check) in [lists, registers] {
        for (level, model) in
            [(Level::StrictSerializable, Model::StrongSerializable), (Level::SnapshotIsolation, Model::Serializable)]
        {
            let shape = Shape {
                processes: 20,
                keys: Keys::Rotating { active: 20, writes: 32 },
                micros: 1..=4,
                ..Shape::new(workload, TRANSACTIONS, 1)
            };
            let history = databases::run(level, &shape);
            let assume = Assumptions { linearizable_keys: workload == Workload::RwRegister, ..Assumptions::default() };
            let question = Question { models: vec![model], anomalies: Vec::new(), assume };
            let name = format!("{} of a {} database, {}", workload.name(), level.name(), model.name());
            group.bench_function(BenchmarkId::from_parameter(name), |b| {
                b.iter(|| black_box(check(&history, &question, &Budget::default())))
            });
        }
    }
    group.finish();
}

/// The same histories event by event, as the harness watches them with `--fail-fast`, of levels that give what is watched.
fn online(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("online");
    group.throughput(Throughput::Elements(TRANSACTIONS)).sample_size(10);
    for (level, guarantee) in [
        (Level::StrictSerializable, Guarantee::StrictSerializable),
        (Level::StrictSerializable, Guarantee::SnapshotIsolation),
        (Level::Serializable, Guarantee::Serializable),
        (Level::SnapshotIsolation, Guarantee::SnapshotIsolation),
        (Level::ReadCommitted, Guarantee::ReadCommitted),
    ] {
        let keys = Keys::Rotating { active: 20, writes: 32 };
        let shape = Shape { processes: 20, keys, micros: 1..=4, ..Shape::new(Workload::ListAppend, TRANSACTIONS, 1) };
        let history = databases::run(level, &shape);
        let name = format!("list-append of a {} database, {guarantee}", level.name());
        group.bench_function(BenchmarkId::from_parameter(name), |b| {
            b.iter(|| {
                let mut online = OnlineLists::new(guarantee).expect("a guarantee of transactions");
                let alarm = history.events().find(|event| online.step(&history, *event).is_some());
                assert!(alarm.is_none() && !online.has_given_up(), "{alarm:?}");
            })
        });
    }
    group.finish();
}

criterion_group!(benches, transactions, online);
criterion_main!(benches);
