//! A meeting point says what all the edges say that it stands for, and a cycle through it is told in transactions.

use checkers::graphs::{Graph, OnlineCycles, Order, Relations, cycles};
use checkers::models::{AnomalyType, CYCLE_SPECS, classify};
use checkers::{Budget, Meter};

#[path = "graphs_support/mod.rs"]
mod support;

use support::rng::Rng;

fn cyclic(nodes: u32, edges: &[(u32, u32, Relations)]) -> bool {
    let all: Vec<AnomalyType> = CYCLE_SPECS.iter().map(|spec| spec.kind).collect();
    let budget = Budget::default();
    let graph = Graph { node_count: nodes, edges: edges.to_vec(), order: Order::None };
    cycles(graph, &all, &Meter::new(&budget)).component_count > 0
}

/// Readers come to a meeting point and writers leave it, in any order, among other edges.
#[test]
fn a_meeting_point_is_each_before_each() {
    let (mut rng, mut found, mut none) = (Rng(3), 0, 0);
    for _ in 0..20_000 {
        let nodes = 3 + rng.below(5) as u32;
        let mut online = OnlineCycles::new(Relations::WW.or(Relations::RW));
        let now = online.now();
        (0..nodes).for_each(|_| _ = online.add(now, u32::MAX, true));
        let join = online.add_join();
        let (mut edges, mut readers, mut writers) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..4 + rng.below(10) {
            let (from, to) = (rng.below(nodes as usize) as u32, rng.below(nodes as usize) as u32);
            let (cycle, more): (_, Vec<_>) = match rng.below(3) {
                0 if !writers.contains(&from) => {
                    readers.push(from);
                    let more = writers.iter().map(|w| (from, *w, Relations::RW)).collect();
                    (online.relate(from, join, Relations::RW), more)
                }
                1 if !readers.contains(&to) => {
                    writers.push(to);
                    let more = readers.iter().map(|r| (*r, to, Relations::RW)).collect();
                    (online.relate(join, to, Relations::RW), more)
                }
                _ if from != to => (online.relate(from, to, Relations::WW), vec![(from, to, Relations::WW)]),
                _ => continue,
            };
            edges.extend(more);
            assert_eq!(cycle.is_some(), cyclic(nodes, &edges), "{edges:?}");
            let Some(cycle) = cycle else { continue };
            let after = cycle.steps.iter().cycle().skip(1);
            assert!(cycle.steps.iter().zip(after).all(|(a, b)| a.to == b.from), "{cycle:?}");
            let is_edge = |s: &checkers::graphs::Step| edges.contains(&(s.from, s.to, s.relation));
            assert!(cycle.steps.iter().all(is_edge), "{cycle:?} of {edges:?}");
            let relations: Vec<Relations> = cycle.steps.iter().map(|step| step.relation).collect();
            assert_eq!(cycle.kind, classify(&relations));
            found += 1;
            break;
        }
        none += u32::from(!cyclic(nodes, &edges));
    }
    assert!(found > 5_000 && none > 2_000, "{found} {none}");
}

/// What ends after it was added is followed by what is invoked from then on.
#[test]
fn a_transaction_may_end_after_it_was_added() {
    let mut online = OnlineCycles::new(Relations::RW.or(Relations::REALTIME));
    let begin = online.now();
    let early = online.add(begin, u32::MAX, false);
    let before = online.now();
    online.end(early);
    let after = online.now();
    let (beside, later) = (online.add(before, u32::MAX, true), online.add(after, u32::MAX, true));
    assert_eq!(online.relate(beside, early, Relations::RW), None);
    let kind = online.relate(later, early, Relations::RW).map(|cycle| cycle.kind);
    assert_eq!(kind, Some(AnomalyType::GSingleItemRealtime));
}
