//! The recorder: events per second through one lock into a file, with the checkers folding on their own thread.

use std::hint::black_box;
use std::sync::mpsc;

use checkers::CheckConfig;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use harness::clock::RunClock;
use harness::run::record::{Entry, Online, Recorder};
use histories::{Kind, Operation, Process};

const EVENTS: u64 = 100_000;

fn entry(i: u64) -> Entry {
    let operation = Operation::Append { key: Some(format!("list{}", i / 128).into()), value: ((i / 2) as i64).into() };
    Entry {
        process: Process((i / 2 % 16) as u32),
        kind: if i.is_multiple_of(2) { Kind::Invoke } else { Kind::Ok },
        operation,
        node: None,
        session: Some((i / 2 % 16) as u32),
        error: None,
    }
}

fn record(criterion: &mut Criterion) {
    let dir = std::env::temp_dir().join(format!("splitbrain-bench-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a directory can be made");
    let path = dir.join("history.jsonl");
    let fresh = || {
        let _ = std::fs::remove_file(&path);
    };
    let mut group = criterion.benchmark_group("recorder");
    group.throughput(Throughput::Elements(EVENTS)).sample_size(10);
    group.bench_function("file only", |b| {
        b.iter_batched(
            || {
                fresh();
                let (events, nobody) = mpsc::channel();
                drop(nobody);
                Recorder::create(&path, &serde_json::Map::new(), RunClock::start(), events).expect("a history")
            },
            |recorder| {
                (0..EVENTS).for_each(|i| recorder.record(entry(i)));
                recorder.close().expect("written");
            },
            BatchSize::PerIteration,
        );
    });
    group.bench_function("file and checkers", |b| {
        b.iter_batched(
            || {
                fresh();
                let (events, online) = Online::start(CheckConfig::default(), Vec::new());
                let recorder = Recorder::create(&path, &serde_json::Map::new(), RunClock::start(), events);
                (recorder.expect("a history"), online)
            },
            |(recorder, online)| {
                (0..EVENTS).for_each(|i| recorder.record(entry(i)));
                recorder.close().expect("written");
                black_box(online.finish().expect("findings"));
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
    let _ = std::fs::remove_dir_all(&dir);
}

criterion_group!(benches, record);
criterion_main!(benches);
