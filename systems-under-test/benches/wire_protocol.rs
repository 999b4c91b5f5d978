//! What messages cost, without sockets: writing and reading the ones on the hot path.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use histories::Operation;
use systems_under_test::parts::command::{Command, CommandRef};
use systems_under_test::parts::frame::{Frames, put};
use systems_under_test::parts::json::Raw;
use systems_under_test::parts::store::Store;
use systems_under_test::single_leader::replica::log::{Entry, Mark};
use systems_under_test::single_leader::replica::message::Message;
use systems_under_test::single_leader::wire::{Ask, Reply, Request, put_ok};
use tokio_util::bytes::BytesMut;
use tokio_util::codec::Decoder;

fn append(n: i64) -> Operation {
    Operation::Append { key: Some(8.into()), value: n.into() }
}

fn asks(c: &mut Criterion) {
    let mut group = c.benchmark_group("ask");
    group.throughput(Throughput::Elements(1));
    let mut bytes = BytesMut::new();
    group.bench_function("write", |b| {
        b.iter(|| {
            bytes.clear();
            let op = serde_json::value::to_raw_value(&CommandRef(&append(17))).expect("a command");
            put(&Request::Ask(Ask { id: 7, session: 3, epoch: 2, position: 0, op: &op }), &mut bytes).expect("fits");
        });
    });
    let frame = bytes.clone();
    group.bench_function("read, command included", |b| {
        b.iter(|| {
            let mut bytes = frame.clone();
            let frame = Frames::default().decode(&mut bytes).expect("a frame").expect("whole");
            let Ok(Request::Ask(ask)) = serde_json::from_slice(&frame) else { panic!("an ask") };
            black_box(serde_json::from_str::<Command>(ask.op.get()).expect("a command"));
        });
    });
    group.finish();
}

fn answers(c: &mut Criterion) {
    let mut group = c.benchmark_group("answer");
    group.throughput(Throughput::Elements(1));
    let mut store = Store::new();
    for n in 0..100 {
        store.execute(&append(n), &mut Vec::new()).expect("appends");
    }
    let read = Operation::Read { key: Some(8.into()), value: None };
    let (mut found, mut bytes) = (Vec::new(), BytesMut::new());
    group.bench_function("read a list of 100 and write it", |b| {
        b.iter(|| {
            found.clear();
            bytes.clear();
            store.answer(&read, &mut found).expect("a read");
            put_ok(&mut bytes, 7, Mark { epoch: 2, position: 204 }, &found).expect("fits");
        });
    });
    group.bench_function("understand it", |b| {
        b.iter(|| {
            let Ok(Reply::Answer(told)) = serde_json::from_slice(&bytes[4..]) else { panic!("an answer") };
            black_box(told.id);
        });
    });
    group.finish();
}

fn batches(c: &mut Criterion) {
    let mut group = c.benchmark_group("append of 64 entries");
    group.throughput(Throughput::Elements(64));
    let entries = (0..64).map(|n| Entry { epoch: 3, command: Raw::of(&CommandRef(&append(n))) }).collect();
    let prev = Mark { epoch: 3, position: 200 };
    let message = Request::Say(Message::Append { epoch: 3, prev, last: 264, commit: 200, entries });
    let mut bytes = BytesMut::new();
    group.bench_function("write", |b| {
        b.iter(|| {
            bytes.clear();
            put(&message, &mut bytes).expect("fits");
        });
    });
    group.bench_function("read", |b| {
        b.iter(|| {
            let Ok(Request::Say(message)) = serde_json::from_slice(&bytes[4..]) else { panic!("a message") };
            black_box(message);
        });
    });
    group.finish();
}

criterion_group!(benches, asks, answers, batches);
criterion_main!(benches);
