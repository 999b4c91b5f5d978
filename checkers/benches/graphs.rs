//! How fast cycles are found: graphs without any, one large component of each difficult sort, edges one by one.
//!
//! `acyclic` is what a database without faults leaves behind: each transaction depends on four of the thirty before it,
//! spans overlap with twenty others, real-time order besides. `late` has one anti-dependency in ten that leads back.
//! `lanes` is one component in which no cycle has exactly one anti-dependency, `rings` one of nothing else.

#[path = "../tests/support/rng.rs"]
mod rng;

use std::hint::black_box;

use checkers::graphs::{Graph, OnlineCycles, Order, Relations, cycles};
use checkers::models::{AnomalyType, CYCLE_SPECS};
use checkers::{Budget, Meter};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rng::Rng;

type Edges = Vec<(u32, u32, Relations)>;

/// Transactions numbered as completed.
struct Spans {
    invoked: Vec<u32>,
    completed: Vec<u32>,
    /// The number of each by its commit.
    number: Vec<u32>,
}

fn spans(rng: &mut Rng, nodes: usize, concurrency: usize) -> Spans {
    let mut events = Vec::new();
    for node in 0..nodes {
        let commit = (1 << 40) + node * 64;
        events.push((commit - 1 - rng.below(64 * concurrency), node, false));
        events.push((commit + 1 + rng.below(64 * concurrency), node, true));
    }
    events.sort_unstable();
    let (mut invoked, mut completed, mut number) = (Vec::new(), Vec::new(), vec![0; nodes]);
    let mut begin = vec![0; nodes];
    for (index, (_, node, ends)) in (0u32..).zip(events) {
        if !ends {
            begin[node] = index;
            continue;
        }
        number[node] = invoked.len() as u32;
        invoked.push(begin[node]);
        completed.push(index);
    }
    Spans { invoked, completed, number }
}

fn dependencies(rng: &mut Rng, spans: &Spans, late: usize) -> Edges {
    let mut edges = Vec::new();
    for node in 1..spans.number.len() {
        for relation in [Relations::WW, Relations::WR, Relations::RW, Relations::RW] {
            let before = node - 1 - rng.below(node.min(30));
            let (mut from, mut to) = (spans.number[before], spans.number[node]);
            if relation == Relations::RW && rng.below(100) < late {
                (from, to) = (to, from);
            }
            edges.push((from, to, relation));
        }
    }
    edges
}

fn lanes(rng: &mut Rng, count: u32, nodes: u32) -> Edges {
    let along = (0..nodes - count).map(|i| (i, i + count, if i % 3 == 0 { Relations::WR } else { Relations::WW }));
    let mut any = || rng.below(nodes as usize) as u32;
    let across = (0..nodes).map(|_| (any(), any(), Relations::RW)).filter(|(a, b, _)| a % count != b % count);
    along.chain(across).collect()
}

fn search(nodes: u32, edges: Edges, order: Order<'_>) {
    let all: Vec<AnomalyType> = CYCLE_SPECS.iter().map(|spec| spec.kind).collect();
    let budget = Budget::default();
    black_box(cycles(Graph { node_count: nodes, edges, order }, &all, &Meter::new(&budget)));
}

fn whole(c: &mut Criterion) {
    let mut group = c.benchmark_group("graphs");
    group.sample_size(10);
    for nodes in [100_000, 1_000_000] {
        for (name, late) in [("acyclic", 0), ("late", 10)] {
            let mut rng = Rng(7);
            let spans = spans(&mut rng, nodes, 20);
            let edges = dependencies(&mut rng, &spans, late);
            let order = Order::Realtime { invoked: &spans.invoked, completed: &spans.completed };
            group.throughput(Throughput::Elements(nodes as u64));
            group.bench_function(BenchmarkId::new(name, nodes), |b| {
                b.iter_batched(|| edges.clone(), |edges| search(nodes as u32, edges, order), BatchSize::PerIteration);
            });
        }
    }
    let nodes = 100_000;
    let rings = |rng: &mut Rng| {
        let mut any = || rng.below(nodes as usize) as u32;
        (0..5 * nodes).map(|_| (any(), any(), Relations::RW)).collect()
    };
    group.throughput(Throughput::Elements(u64::from(nodes)));
    for (name, edges) in [("lanes", lanes(&mut Rng(8), 100, nodes)), ("rings", rings(&mut Rng(9)))] {
        group.bench_function(BenchmarkId::new(name, nodes), |b| {
            b.iter_batched(|| edges.clone(), |edges| search(nodes, edges, Order::None), BatchSize::PerIteration);
        });
    }
    group.finish();
}

/// Edges in the order in which their later ends are completed.
fn online(c: &mut Criterion) {
    let mut rng = Rng(7);
    let spans = spans(&mut rng, 100_000, 20);
    let mut edges = dependencies(&mut rng, &spans, 0);
    edges.sort_by_key(|(from, to, _)| *from.max(to));
    let all = Relations(u8::MAX).without(Relations::PROCESS);
    let mut group = c.benchmark_group("online");
    group.sample_size(10).throughput(Throughput::Elements(edges.len() as u64));
    group.bench_function("edges", |b| {
        b.iter(|| {
            let mut online = OnlineCycles::new(all);
            let (mut moments, mut next) = (vec![online.now()], edges.iter().peekable());
            for node in 0..spans.invoked.len() {
                // An invocation sees what was completed before it.
                let seen = spans.completed.partition_point(|end| *end < spans.invoked[node]);
                online.add(moments[seen], u32::MAX, true);
                moments.push(online.now());
                while let Some(&(from, to, of)) = next.next_if(|(from, to, _)| *from.max(to) <= node as u32) {
                    assert_eq!(black_box(online.relate(from, to, of)), None);
                }
            }
        });
    });
    group.finish();
}

criterion_group!(benches, whole, online);
criterion_main!(benches);
