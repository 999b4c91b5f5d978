//! How fast the monitors of collections are: operations per second over recorded histories of twenty clients.
//!
//! A real structure is played, and each operation takes effect somewhere between its beginning and its end. One key, so
//! that nothing is won by taking keys apart.

#[path = "../tests/collections_support/mod.rs"]
mod collections_support;

use std::hint::black_box;

use checkers::analysis::Analyzer;
use checkers::linearizability::collections::{counter, fifo_queue, list, priority_queue, queue, set, stack};
use collections_support::large::{Long, history};
use collections_support::{Structure, found};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const ALL: [(&str, Analyzer, Structure); 8] = [
    ("fifo-queue", fifo_queue::check, Structure::Fifo),
    ("queue", queue::check, Structure::Bag),
    ("priority-queue", priority_queue::check, Structure::Priority),
    ("stack", stack::check, Structure::Stack),
    ("membership-set", set::check, Structure::Members),
    ("set", set::check, Structure::Growing),
    ("counter", counter::check, Structure::Counter),
    ("list", list::check, Structure::List),
];

fn collections(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("collections");
    group.sample_size(10);
    for (name, check, structure) in ALL {
        for (operations, infos) in [(100_000, 0), (1_000_000, 0), (1_000_000, 2)] {
            let history = history(Long { structure, operations, clients: 20, infos, seed: 7 });
            group.throughput(Throughput::Elements(operations as u64));
            let what = if infos == 0 { "answered" } else { "two of a thousand unanswered" };
            group.bench_function(BenchmarkId::new(format!("{name}, {what}"), operations), |bencher| {
                bencher.iter(|| black_box(found(check, black_box(&history))));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, collections);
criterion_main!(benches);
