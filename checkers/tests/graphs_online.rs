//! The first edge that closes a cycle is told when it is added, and no other.

use checkers::graphs::{Cycle, Graph, IncrementalOrder, OnlineCycles, Order, Relations, cycles};
use checkers::models::{AnomalyType, CYCLE_SPECS, classify};
use checkers::{Budget, Meter};

#[path = "graphs_support/mod.rs"]
mod support;

use support::rng::Rng;

fn cyclic(nodes: u32, edges: &[(u32, u32, Relations)], order: Order<'_>) -> bool {
    let all: Vec<AnomalyType> = CYCLE_SPECS.iter().map(|spec| spec.kind).collect();
    let budget = Budget::default();
    let graph = Graph { node_count: nodes, edges: edges.to_vec(), order };
    cycles(graph, &all, &Meter::new(&budget)).component_count > 0
}

#[test]
fn an_edge_is_refused_exactly_if_it_closes_a_cycle() {
    let (mut rng, mut refused, mut taken) = (Rng(1), 0, 0);
    for _ in 0..20_000 {
        let nodes = 2 + rng.below(8) as u32;
        let mut order = IncrementalOrder::default();
        (0..nodes).for_each(|node| assert_eq!(order.add_node(), node));
        let mut edges: Vec<(u32, u32, Relations)> = Vec::new();
        for _ in 0..rng.below(20) {
            let (from, to) = (rng.below(nodes as usize) as u32, rng.below(nodes as usize) as u32);
            let with = [edges.as_slice(), &[(from, to, Relations::WW)]].concat();
            match order.add_edge(from, to) {
                Ok(_) => {
                    taken += 1;
                    assert!(from != to && !cyclic(nodes, &with, Order::None), "{with:?} has a cycle");
                    edges = with;
                }
                Err(path) => {
                    refused += 1;
                    assert!(from == to || cyclic(nodes, &with, Order::None), "{with:?} has no cycle");
                    let end = path.iter().fold(to, |at, &edge| {
                        assert_eq!(order.edge(edge).0, at, "{path:?} is no path");
                        order.edge(edge).1
                    });
                    assert_eq!(end, from);
                }
            }
            assert!(edges.iter().all(|(from, to, _)| order.place(*from) < order.place(*to)), "{edges:?}");
        }
        assert_eq!(order.edge_count(), edges.len());
    }
    assert!(refused > 20_000 && taken > 50_000, "{refused} refused, {taken} taken");
}

/// Transactions that begin and end at random, and what orders them.
struct Spans {
    invoked: Vec<u32>,
    completed: Vec<u32>,
    processes: Vec<u32>,
}

/// Runs transactions and tells them as they end; edges are between those that were told.
fn run(rng: &mut Rng, watched: Relations) -> (OnlineCycles, Spans) {
    let mut online = OnlineCycles::new(watched);
    let mut spans = Spans { invoked: Vec::new(), completed: Vec::new(), processes: Vec::new() };
    let mut open = Vec::new();
    let count = 2 + rng.below(7);
    for time in 0.. {
        if spans.invoked.len() == count {
            break;
        }
        if open.is_empty() || rng.below(2) == 0 {
            open.push((time, online.now(), rng.below(3) as u32));
        } else {
            let (begin, moment, process) = open.swap_remove(rng.below(open.len()));
            let done = rng.below(6) != 0;
            assert_eq!(online.add(moment, process, done), spans.invoked.len() as u32);
            spans.invoked.push(begin);
            spans.completed.push(if done { time } else { u32::MAX });
            spans.processes.push(process);
        }
    }
    (online, spans)
}

fn check(cycle: &Cycle, edges: &[(u32, u32, Relations)], spans: &Spans) {
    let after = cycle.steps.iter().cycle().skip(1);
    assert!(cycle.steps.iter().zip(after).all(|(a, b)| a.to == b.from), "{cycle:?}");
    for step in &cycle.steps {
        let (from, to) = (step.from as usize, step.to as usize);
        let holds = match step.relation {
            Relations::REALTIME => spans.completed[from] < spans.invoked[to],
            Relations::PROCESS => from < to && spans.processes[from] == spans.processes[to],
            relation => edges.iter().any(|&(a, b, of)| (a, b) == (step.from, step.to) && of.meets(relation)),
        };
        assert!(holds, "{step:?}");
    }
    let relations: Vec<Relations> = cycle.steps.iter().map(|step| step.relation).collect();
    assert_eq!(cycle.kind, classify(&relations));
}

#[test]
fn transactions_are_contradicted_exactly_when_the_whole_graph_has_a_cycle() {
    let data = Relations::WW.or(Relations::WR).or(Relations::RW);
    let (mut rng, mut found, mut none) = (Rng(2), 0, 0);
    for round in 0..30_000 {
        let order = [Relations::NONE, Relations::PROCESS, Relations::REALTIME][round % 3];
        let (mut online, spans) = run(&mut rng, data.or(order));
        let nodes = spans.invoked.len();
        let mut edges = Vec::new();
        for _ in 0..rng.below(12) {
            let (from, to) = (rng.below(nodes) as u32, rng.below(nodes) as u32);
            let relation = Relations(1 << rng.below(3));
            if from == to {
                assert_eq!(online.relate(from, to, relation), None);
                continue;
            }
            let with = [edges.as_slice(), &[(from, to, relation)]].concat();
            let whole = match round % 3 {
                0 => Order::None,
                1 => Order::Process(&spans.processes),
                _ => Order::Realtime { invoked: &spans.invoked, completed: &spans.completed },
            };
            let expected = cyclic(nodes as u32, &with, whole);
            match online.relate(from, to, relation) {
                Some(cycle) => {
                    assert!(expected, "{with:?}: {cycle:?}");
                    check(&cycle, &with, &spans);
                    found += 1;
                }
                None => {
                    assert!(!expected, "{with:?}");
                    edges = with;
                    none += 1;
                }
            }
        }
    }
    assert!(found > 10_000 && none > 10_000, "{found} cycles, {none} none");
}

#[test]
fn relations_that_are_not_watched_are_passed_over() {
    let mut online = OnlineCycles::new(Relations::WW.or(Relations::WR));
    let begin = online.now();
    let (a, b) = (online.add(begin, 0, true), online.add(begin, 0, true));
    assert_eq!(online.relate(a, b, Relations::WR), None);
    assert_eq!(online.relate(b, a, Relations::RW), None);
    assert_eq!(online.relate(b, 7, Relations::WW), None);
    let cycle = online.relate(b, a, Relations::RW.or(Relations::WW)).map(|cycle| cycle.kind);
    assert_eq!(cycle, Some(AnomalyType::G1c));
}
