//! How fast weak consistency is judged: transactions and single operations on registers and lists, of a store that is
//! serializable and of one whose replicas lag.

use std::hint::black_box;

use checkers::weak::sessions::{self, Levels};
use checkers::weak::transactional::{self, Level};
use checkers::{Budget, Meter};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

#[path = "weak/histories_of_stores.rs"]
mod histories_of_stores;
#[path = "../tests/support/rng.rs"]
mod rng;

use histories_of_stores::{Shape, history};

fn transactions(c: &mut Criterion) {
    for count in [10_000, 100_000] {
        let history = history(Shape { operations: count, ..Shape::transactions() });
        let mut group = c.benchmark_group("transactions");
        group.sample_size(10).throughput(Throughput::Elements(count as u64));
        for level in Level::ALL {
            group.bench_with_input(BenchmarkId::new(format!("{level:?}"), count), level, |b, level| {
                b.iter(|| {
                    let meter = Meter::new(&Budget::default());
                    black_box(transactional::check(&history, &[*level], None, &meter))
                });
            });
        }
        group.finish();
    }
}

fn operations(c: &mut Criterion) {
    let levels = [
        ("guarantees", Levels { guarantees: true, ..Levels::NONE }),
        ("PRAM", Levels { pram: true, ..Levels::NONE }),
        ("CC", Levels { causal: true, ..Levels::NONE }),
        ("CCv", Levels { convergence: true, ..Levels::NONE }),
        ("CM", Levels { memory: true, ..Levels::NONE }),
    ];
    for (store, shape) in [("serial", Shape::operations()), ("lagging", Shape { lag: 50, ..Shape::operations() })] {
        let history = history(Shape { operations: 100_000, ..shape });
        let mut group = c.benchmark_group(format!("operations of a {store} store"));
        group.sample_size(10).throughput(Throughput::Elements(100_000));
        for (name, levels) in levels {
            group.bench_function(name, |b| {
                b.iter(|| black_box(sessions::levels(&history, levels, None, &Meter::new(&Budget::default()))));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, transactions, operations);
criterion_main!(benches);
