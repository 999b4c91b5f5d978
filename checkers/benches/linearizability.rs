//! How long the check of registers takes, without making or reading the history.
//!
//! `unique`: one register, values that are all different, clients that are always busy. `few`: values 1 to 5 with
//! compare-and-set, where only a search helps. `keys`: reads, writes and compare-and-sets of 1 000 registers. `etcd`: the 52 logs
//! that come with Porcupine.

#[path = "../tests/linearizability_support/mod.rs"]
mod linearizability_support;

use std::hint::black_box;
use std::time::Duration;

use checkers::Budget;
use checkers::linearizability::online::OnlineRegisters;
use checkers::linearizability::registers;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use histories::History;
use histories::file::InputFormat;
use linearizability_support::simulated::{self, Shape};
use linearizability_support::{Rng, foreign, question};

fn made(shape: Shape) -> History {
    History::from_events(&simulated::registers(&mut Rng(42), shape))
}

fn check(history: &History) -> bool {
    registers::check(black_box(history), &question(), &Budget::default()).groups.is_empty()
}

fn bench(c: &mut Criterion, name: &str, operations: usize, rows: &[(&str, Shape)]) {
    let mut group = c.benchmark_group(name);
    group.throughput(Throughput::Elements(operations as u64));
    group.sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    for (row, shape) in rows {
        let history = made(*shape);
        group.bench_with_input(BenchmarkId::from_parameter(row), &history, |b, h| b.iter(|| check(h)));
    }
    group.finish();
}

fn unique(c: &mut Criterion) {
    let n = 1_000_000;
    let rows = [5, 20, 100].map(|clients| Shape::busy(clients, n));
    let [five, twenty, hundred] = rows;
    let cas = Shape { cas: 20, ..hundred };
    let infos = Shape { infos: 1.0, ..hundred };
    bench(c, "unique", n, &[("5", five), ("20", twenty), ("100", hundred), ("100-cas", cas), ("100-info", infos)]);
}

fn few(c: &mut Criterion) {
    let n = 100_000;
    let of = |clients| Shape { values: 5, cas: 20, ..Shape::busy(clients, n) };
    bench(c, "few", n, &[("10", of(10)), ("20", of(20)), ("10-info", Shape { infos: 0.1, ..of(10) })]);
}

fn keys(c: &mut Criterion) {
    let n = 1_000_000;
    bench(c, "keys", n, &[("1000", Shape { keys: 1000, cas: 20, ..Shape::busy(100, n) })]);
}

fn etcd(c: &mut Criterion) {
    let logs: Vec<History> = foreign::corpus("porcupine/jepsen")
        .iter()
        .map(|path| foreign::recorded(path, InputFormat::JepsenLog))
        .collect();
    c.bench_function("etcd/52", |b| b.iter(|| logs.iter().filter(|log| check(log)).count()));
}

fn online(c: &mut Criterion) {
    let history = made(Shape::busy(20, 1_000_000));
    let mut group = c.benchmark_group("online");
    group.throughput(Throughput::Elements(history.len() as u64)).sample_size(10);
    group.bench_function("20", |b| {
        b.iter(|| {
            let mut online = OnlineRegisters::new(None);
            history.events().filter(|event| online.step(&history, *event).is_some()).count()
        });
    });
    group.finish();
}

criterion_group!(benches, unique, few, keys, etcd, online);
criterion_main!(benches);
