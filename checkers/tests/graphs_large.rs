//! In large graphs the right cycles are found, within few steps for each edge.

use std::collections::BTreeMap;

use checkers::graphs::{Cycles, Graph, Order, Relations, Step, cycles};
use checkers::models::{AnomalyType, CYCLE_SPECS};
use checkers::{Budget, Meter};

#[path = "graphs_support/mod.rs"]
mod support;

use support::rng::Rng;

/// Transactions of a database without faults, each with edges from some that were committed shortly before.
struct Orderly {
    invoked: Vec<u32>,
    completed: Vec<u32>,
    processes: Vec<u32>,
    edges: Vec<(u32, u32, Relations)>,
}

impl Orderly {
    /// Each transaction overlaps with up to `concurrency` before and as many after it.
    fn new(rng: &mut Rng, nodes: u32, concurrency: usize) -> Orderly {
        let mut events = Vec::new();
        for node in 0..nodes {
            let commit = 100_000_000 + u64::from(node) * 64;
            events.push((commit - 1 - rng.below(64 * concurrency) as u64, node, false));
            events.push((commit + 1 + rng.below(64 * concurrency) as u64, node, true));
        }
        events.sort_unstable();
        let (mut invoked, mut completed) = (vec![0; nodes as usize], vec![0; nodes as usize]);
        for (index, (_, node, ends)) in (0..).zip(events) {
            let of = if ends { &mut completed } else { &mut invoked };
            of[node as usize] = index;
        }
        let mut edges = Vec::new();
        for node in 1..nodes {
            for relation in [Relations::WW, Relations::WR, Relations::RW] {
                edges.push((node - 1 - rng.below(node.min(30) as usize) as u32, node, relation));
            }
        }
        let processes = (0..nodes).map(|_| rng.below(20) as u32).collect();
        Orderly { invoked, completed, processes, edges }
    }

    fn nodes(&self) -> u32 {
        self.invoked.len() as u32
    }

    /// Adds transactions that are concurrent with each other, half of the history long, on a ring of these relations.
    /// Where that is the real-time order or that of a process, it is no edge.
    fn plant(&mut self, ring: &[Relations]) {
        let (first, end) = (self.nodes(), 2 * self.nodes());
        let next = |i: usize| (i + 1) % ring.len();
        self.invoked.extend(ring.iter().map(|_| end / 4));
        self.completed.extend(ring.iter().map(|_| end / 4 * 3));
        self.processes.extend((0..ring.len()).map(|i| 100 + i as u32));
        for (i, &relation) in ring.iter().enumerate() {
            let (from, to) = (first as usize + i, first as usize + next(i));
            match relation {
                Relations::REALTIME => (self.completed[from], self.invoked[to]) = (end / 2, end / 2 + 1),
                Relations::PROCESS => self.processes[to] = self.processes[from],
                data => self.edges.push((from as u32, to as u32, data)),
            }
        }
    }

    fn cycles(&self, by_process: bool) -> Cycles {
        let order = match by_process {
            true => Order::Process(&self.processes),
            false => Order::Realtime { invoked: &self.invoked, completed: &self.completed },
        };
        search(self.nodes(), self.edges.clone(), order, u64::MAX)
    }
}

fn search(nodes: u32, edges: Vec<(u32, u32, Relations)>, order: Order<'_>, steps: u64) -> Cycles {
    let all: Vec<AnomalyType> = CYCLE_SPECS.iter().map(|spec| spec.kind).collect();
    let budget = Budget { steps, ..Budget::default() };
    cycles(Graph { node_count: nodes, edges, order }, &all, &Meter::new(&budget))
}

/// The smallest rings of some length that are of each kind.
fn ring(kind: AnomalyType) -> Vec<Relations> {
    let name = kind.name();
    let (ww, wr, rw) = (Relations::WW, Relations::WR, Relations::RW);
    let anti = if name.starts_with("G2") || name.contains("-item") { rw } else { Relations::RWP };
    let anti = if name.starts_with("G2") && !name.contains("-item") { Relations::RWP } else { anti };
    let mut ring = match name {
        _ if name.starts_with("G0") => vec![ww, ww, ww, ww, ww],
        _ if name.starts_with("G1c") => vec![ww, wr, ww, ww, ww, ww],
        _ if name.starts_with("G-single") => vec![anti, wr, ww, ww, wr],
        _ if name.starts_with("G-nonadjacent") => vec![anti, wr, rw, ww, ww, rw, ww],
        _ => vec![anti, rw, wr, ww, rw, ww],
    };
    let at = ring.len() - 1;
    match name {
        _ if name.ends_with("-process") => {
            ring[at] = Relations::PROCESS;
            ring.rotate_right(2);
        }
        _ if name.ends_with("-realtime") => ring[at] = Relations::REALTIME,
        _ => {}
    }
    ring
}

#[test]
fn an_orderly_history_has_no_cycle() {
    for concurrency in [1, 5, 50] {
        let orderly = Orderly::new(&mut Rng(5), 100_000, concurrency);
        assert_eq!(orderly.cycles(false), Cycles::default());
    }
}

#[test]
fn one_planted_cycle_of_each_kind_is_found_at_its_length() {
    for spec in CYCLE_SPECS {
        let mut orderly = Orderly::new(&mut Rng(6), 100_000, 10);
        let ring = ring(spec.kind);
        orderly.plant(&ring);
        let by_process = ring.contains(&Relations::PROCESS);
        if by_process {
            // Numbered as completed, without faults, is as committed.
            orderly.edges.iter().for_each(|(from, to, _)| assert!(from < to || *from >= 100_000));
        }
        let found = orderly.cycles(by_process);
        assert_eq!(found.cycles.len(), 1, "{}: {:?}", spec.kind, found);
        let cycle = &found.cycles[0];
        assert_eq!((cycle.kind, cycle.steps.len(), cycle.shortest), (spec.kind, ring.len(), true), "{cycle:?}");
        assert_eq!((found.component_count, found.largest_component), (1, ring.len() as u64), "{}", spec.kind);
    }
}

/// Lanes of transactions that depend on each other in order, with anti-dependencies from lane to lane only: no cycle has
/// exactly one.
fn lanes(rng: &mut Rng, count: u32, length: u32, anti: usize) -> Vec<(u32, u32, Relations)> {
    let nodes = count * length;
    let along = (0..nodes - count).map(|i| (i, i + count, if i % 3 == 0 { Relations::WR } else { Relations::WW }));
    let mut edges: Vec<_> = along.collect();
    while edges.len() < (nodes - count) as usize + anti {
        let (from, to) = (rng.below(nodes as usize) as u32, rng.below(nodes as usize) as u32);
        if from % count != to % count {
            edges.push((from, to, Relations::RW));
        }
    }
    edges
}

#[test]
fn one_large_component_without_single_anti_dependencies_takes_few_steps() {
    let edges = lanes(&mut Rng(7), 100, 1_000, 100_000);
    let found = search(100_000, edges, Order::None, 600_000_000);
    assert_eq!(found.doubts, Vec::<String>::new());
    let kinds: Vec<AnomalyType> = found.cycles.iter().map(|cycle| cycle.kind).collect();
    assert_eq!(kinds, [AnomalyType::GNonadjacentItem]);
    assert!(found.largest_component > 90_000, "{}", found.largest_component);
}

#[test]
fn the_only_single_anti_dependency_among_many_is_found() {
    let mut edges = lanes(&mut Rng(8), 100, 1_000, 100_000);
    edges.push((50_750, 50_250, Relations::RW));
    let found = search(100_000, edges, Order::None, 600_000_000);
    assert_eq!(found.doubts, Vec::<String>::new());
    assert_eq!(found.cycles.len(), 1, "{found:?}");
    let cycle = &found.cycles[0];
    assert_eq!((cycle.kind, cycle.steps.len()), (AnomalyType::GSingleItem, 6), "{cycle:?}");
    assert!(cycle.steps.contains(&Step { from: 50_750, to: 50_250, relation: Relations::RW }));
}

#[test]
fn nothing_but_anti_dependencies_takes_few_steps() {
    let mut rng = Rng(9);
    let edge = |_| (rng.below(100_000) as u32, rng.below(100_000) as u32, Relations::RW);
    let edges = (0..500_000).map(edge).filter(|(from, to, _)| from != to).collect();
    let found = search(100_000, edges, Order::None, 100_000_000);
    let kinds: Vec<_> = found.cycles.iter().map(|cycle| (cycle.kind, cycle.steps.len() <= 4)).collect();
    assert_eq!((kinds, found.doubts), (vec![(AnomalyType::G2Item, true)], Vec::new()));
}

#[test]
fn a_database_of_snapshots_takes_few_steps() {
    // Transactions that read what was committed before they began: write skew between concurrent ones, nothing worse.
    let mut rng = Rng(10);
    let mut orderly = Orderly::new(&mut rng, 100_000, 10);
    orderly.edges.retain(|(.., relation)| *relation != Relations::RW);
    let nodes = orderly.nodes();
    let overlaps =
        |a: usize, b: usize| orderly.invoked[a] < orderly.completed[b] && orderly.invoked[b] < orderly.completed[a];
    let mut anti = Vec::new();
    for from in 0..nodes {
        let to = (from + rng.below(16) as u32).saturating_sub(8).min(nodes - 1);
        if from < to || overlaps(from as usize, to as usize) {
            anti.push((from, to, Relations::RW));
        }
    }
    // What began after a commit has read it; so a dependency leads only from what was over.
    let over = |from: u32, to: u32| orderly.completed[from as usize] < orderly.invoked[to as usize];
    let data = orderly.edges.iter().copied().filter(|(from, to, _)| over(*from, *to));
    let edges: Vec<_> = data.chain(anti).filter(|(from, to, _)| from != to).collect();
    let order = Order::Realtime { invoked: &orderly.invoked, completed: &orderly.completed };
    let found = search(nodes, edges, order, 400_000_000);
    assert_eq!(found.doubts, Vec::<String>::new());
    let kinds: BTreeMap<&str, usize> = found.cycles.iter().fold(BTreeMap::new(), |mut kinds, cycle| {
        *kinds.entry(cycle.kind.name()).or_default() += 1;
        kinds
    });
    assert!(!kinds.contains_key("G-single-item") && kinds.contains_key("G2-item"), "{kinds:?}");
}

#[test]
fn a_budget_that_is_used_up_is_told_and_costs_nothing_else() {
    let edges = lanes(&mut Rng(7), 100, 1_000, 100_000);
    let found = search(100_000, edges, Order::None, 100_000);
    assert_eq!(found.doubts.len(), 1, "{:?}", found.doubts);
    let size = found.largest_component.to_string();
    for part in ["G-single-item", size.as_str(), "budget of search steps"] {
        assert!(found.doubts[0].contains(part), "{}", found.doubts[0]);
    }
    assert_eq!(found.cycles.len(), 1);
    assert_eq!(found.cycles[0].kind, AnomalyType::GNonadjacentItem);
}

#[test]
fn other_numbers_for_the_same_transactions_change_nothing() {
    let mut rng = Rng(11);
    for round in 0..20 {
        let mut orderly = Orderly::new(&mut rng, 2_000, 8);
        for _ in 0..10 + round {
            let late = 60 + rng.below(1_900) as u32;
            let relation = *rng.pick(&[Relations::RW, Relations::RW, Relations::WW, Relations::WR]);
            orderly.edges.push((late, late - 1 - rng.below(40) as u32, relation));
        }
        let mut number: Vec<u32> = (0..orderly.nodes()).collect();
        (1..number.len()).rev().for_each(|i| number.swap(i, rng.below(i + 1)));
        let mut renamed =
            Orderly { invoked: vec![0; 2_000], completed: vec![0; 2_000], processes: Vec::new(), edges: Vec::new() };
        for (old, &new) in number.iter().enumerate() {
            renamed.invoked[new as usize] = orderly.invoked[old];
            renamed.completed[new as usize] = orderly.completed[old];
        }
        let rename = |&(from, to, bits): &(u32, u32, Relations)| (number[from as usize], number[to as usize], bits);
        renamed.edges = orderly.edges.iter().map(rename).rev().collect();
        let summary = |found: Cycles| {
            let all: Vec<_> =
                found.cycles.iter().map(|cycle| (cycle.kind, cycle.steps.len(), cycle.shortest)).collect();
            (all, found.component_count, found.largest_component)
        };
        let (before, after) = (summary(orderly.cycles(false)), summary(renamed.cycles(false)));
        assert!(!before.0.is_empty());
        assert_eq!(before, after);
    }
}

#[test]
fn numbers_that_make_no_sense_are_borne() {
    let invoked = [5, u32::MAX, 0];
    let completed = [3, 1, u32::MAX];
    let edges = vec![(0, 1, Relations::WW), (1, 0, Relations::WR), (2, 2, Relations::RW), (9, 0, Relations(255))];
    let order = Order::Realtime { invoked: &invoked, completed: &completed };
    let found = search(4, edges.clone(), order, u64::MAX);
    assert_eq!(found.cycles.iter().map(|cycle| cycle.kind).collect::<Vec<_>>(), [AnomalyType::G1c]);
    let found = search(4, edges, Order::Process(&[7]), u64::MAX);
    assert_eq!(found.component_count, 1);
    assert_eq!(search(0, vec![(0, 1, Relations::WW)], Order::None, 0), Cycles::default());
}
