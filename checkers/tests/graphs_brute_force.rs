//! In every small graph exactly those kinds of cycles are found that exist, each at its least length.
//!
//! The reference lists all simple cycles of a random graph of up to seven nodes, with every choice of one relation for
//! each step, and asks the rows of the table which kind each of them is.

use std::collections::{BTreeMap, BTreeSet};

use checkers::graphs::{Cycle, Graph, Order, Relations, cycles};
use checkers::models::{AnomalyType, Boundary, CYCLE_SPECS, CycleSpec, boundary, classify, cycle_spec};
use checkers::{Budget, Meter};

#[path = "graphs_support/mod.rs"]
mod support;

use support::rng::Rng;

/// A small graph, and its order written out.
#[derive(Clone, Debug)]
struct Small {
    nodes: usize,
    edges: Vec<(u32, u32, Relations)>,
    order: Ordering,
}

#[derive(Clone, Debug)]
enum Ordering {
    None,
    Process(Vec<u32>),
    Realtime(Vec<u32>, Vec<u32>),
}

impl Small {
    fn random(rng: &mut Rng) -> Small {
        let nodes = 2 + rng.below(6);
        let order = match rng.below(4) {
            0 => Ordering::None,
            1 => Ordering::Process(processes(rng, nodes)),
            _ => spans(rng, nodes),
        };
        let palette = palette(rng);
        let count = rng.below(3 * nodes) + 2;
        let edge = |rng: &mut Rng| {
            let (from, to) = (rng.below(nodes) as u32, rng.below(nodes) as u32);
            (from, to, *rng.pick(&palette))
        };
        let edges = (0..count).map(|_| edge(rng)).filter(|(from, to, _)| from != to).collect();
        Small { nodes, edges, order }
    }

    /// A ring of anti-dependencies and others in turn, some of the others by the order alone, and a little besides.
    fn ring(rng: &mut Rng) -> Small {
        let nodes = 2 + rng.below(6);
        let (first, by_process) = (rng.below(nodes), rng.below(2) == 0);
        let next = |i: usize| (i + 1) % nodes;
        let (mut invoked, mut completed) = (vec![10; nodes], vec![90; nodes]);
        let mut processes: Vec<u32> = (0..nodes as u32).collect();
        let mut edges = Vec::new();
        for i in 0..nodes {
            let other = |rng: &mut Rng| Relations(1 << *rng.pick(&[0, 1, 1, 2, 4, 5]));
            let (from, to) = (i as u32, next(i) as u32);
            if (i + first) % 2 == 0 || rng.below(4) == 0 {
                edges.push((from, to, if rng.below(3) == 0 { Relations::RWP } else { Relations::RW }));
            } else if rng.below(2) == 0 {
                edges.push((from, to, other(rng)));
            } else {
                (completed[i], invoked[next(i)]) = (invoked[i] + 5, invoked[i] + 10);
                processes[next(i)] = processes[i];
            }
        }
        for _ in 0..rng.below(3) {
            edges.push((rng.below(nodes) as u32, rng.below(nodes) as u32, Relations(1 << rng.below(6))));
        }
        edges.retain(|(from, to, _)| from != to);
        completed.iter_mut().zip(&invoked).for_each(|(end, begin)| *end = (*end).max(begin + 1));
        let order = if by_process { Ordering::Process(processes) } else { Ordering::Realtime(invoked, completed) };
        Small { nodes, edges, order }
    }

    fn graph(&self) -> Graph<'_> {
        let order = match &self.order {
            Ordering::None => Order::None,
            Ordering::Process(processes) => Order::Process(processes),
            Ordering::Realtime(invoked, completed) => Order::Realtime { invoked, completed },
        };
        Graph { node_count: self.nodes as u32, edges: self.edges.clone(), order }
    }

    /// What relates each node to each, the order included.
    fn matrix(&self) -> Vec<Vec<Relations>> {
        let mut all = vec![vec![Relations::NONE; self.nodes]; self.nodes];
        let mut add = |from: usize, to: usize, bits| all[from][to] = all[from][to].or(bits);
        for (from, to, bits) in &self.edges {
            add(*from as usize, *to as usize, *bits);
        }
        for from in 0..self.nodes {
            for to in 0..self.nodes {
                match &self.order {
                    Ordering::Realtime(invoked, completed) if completed[from] < invoked[to] => {
                        add(from, to, Relations::REALTIME);
                    }
                    Ordering::Process(of) if next_of_process(of, from, to) => add(from, to, Relations::PROCESS),
                    _ => {}
                }
            }
        }
        all
    }

    /// The same with the order as edges.
    fn written_out(&self) -> Small {
        let matrix = self.matrix();
        let pairs = (0..self.nodes).flat_map(|from| (0..self.nodes).map(move |to| (from, to)));
        let edges = pairs.map(|(from, to)| (from as u32, to as u32, matrix[from][to]));
        let edges = edges.filter(|(.., bits)| *bits != Relations::NONE).collect();
        Small { nodes: self.nodes, edges, order: Ordering::None }
    }
}

/// Whether one node is the next of the same process after another.
fn next_of_process(of: &[u32], from: usize, to: usize) -> bool {
    from < to && of[from] == of[to] && of[from] != u32::MAX && !of[from + 1..to].contains(&of[from])
}

fn processes(rng: &mut Rng, nodes: usize) -> Vec<u32> {
    let some = 1 + rng.below(nodes);
    (0..nodes).map(|_| if rng.below(8) == 0 { u32::MAX } else { rng.below(some) as u32 * 1000 }).collect()
}

/// Spans that overlap much or little, with some that never end, in no order.
fn spans(rng: &mut Rng, nodes: usize) -> Ordering {
    let length = 1 + rng.below(12);
    let invoked: Vec<u32> = (0..nodes).map(|_| rng.below(24) as u32).collect();
    let end = |rng: &mut Rng, begin: u32| match rng.below(6) {
        0 => u32::MAX,
        _ => begin + 1 + rng.below(length) as u32,
    };
    let completed = invoked.iter().map(|&begin| end(rng, begin)).collect();
    Ordering::Realtime(invoked, completed)
}

/// The sets of relations that the edges of one graph have: few, so that every kind is the worst one now and then.
fn palette(rng: &mut Rng) -> Vec<Relations> {
    let one = |rng: &mut Rng| {
        let item = Relations(1 << rng.below(3));
        let predicate = Relations(8 << rng.below(3));
        match rng.below(16) {
            0..=9 => item,
            10 | 11 => predicate,
            12 => item.or(predicate),
            13 => item.or(Relations(1 << rng.below(3))),
            14 => Relations(1 << rng.below(8)),
            _ => Relations::RW,
        }
    };
    (0..1 + rng.below(5)).map(|_| one(rng)).collect()
}

/// Whether a cycle whose steps count as these relations satisfies a row of the table, by its definition.
fn satisfies(spec: &CycleSpec, steps: &[Relations]) -> bool {
    let count = |set: Relations| steps.iter().filter(|step| step.meets(set)).count();
    let usable = steps.iter().all(|step| step.meets(spec.usable()));
    let single = spec.single == Relations::NONE || count(spec.single) == 1;
    let multiple = spec.multiple == Relations::NONE || count(spec.multiple) >= 2;
    let after = steps.iter().cycle().skip(1);
    let apart = steps.iter().zip(after).all(|(a, b)| !a.meets(spec.nonadjacent) || !b.meets(spec.nonadjacent));
    usable && single && multiple && apart && spec.required.iter().all(|set| count(*set) >= 1)
}

/// All simple cycles of a graph, by the sets of relations of their steps.
struct Simple<'a> {
    matrix: &'a [Vec<Relations>],
    path: Vec<usize>,
    kinds: BTreeMap<AnomalyType, usize>,
}

impl Simple<'_> {
    fn extend(&mut self) {
        let (first, last) = (self.path[0], self.path[self.path.len() - 1]);
        for next in first..self.matrix.len() {
            if self.matrix[last][next] == Relations::NONE {
                continue;
            }
            if next == first {
                self.choose(&mut Vec::new());
            } else if !self.path.contains(&next) {
                self.path.push(next);
                self.extend();
                self.path.pop();
            }
        }
    }

    fn choose(&mut self, chosen: &mut Vec<Relations>) {
        let (at, length) = (chosen.len(), self.path.len());
        if at == length {
            let kind = classify(chosen);
            if cycle_spec(kind).is_some_and(|spec| satisfies(spec, chosen)) {
                let least = self.kinds.entry(kind).or_insert(length);
                *least = length.min(*least);
            }
            return;
        }
        let bits = self.matrix[self.path[at]][self.path[(at + 1) % length]];
        for one in (0..8).map(|bit| Relations(1 << bit)).filter(|one| bits.meets(*one)) {
            chosen.push(one);
            self.choose(chosen);
            chosen.pop();
        }
    }
}

/// The strongly connected components of more than one node.
fn components(matrix: &[Vec<Relations>]) -> Vec<Vec<usize>> {
    let nodes = matrix.len();
    let mut reach: Vec<Vec<bool>> =
        matrix.iter().map(|row| row.iter().map(|bits| *bits != Relations::NONE).collect()).collect();
    for via in 0..nodes {
        for from in 0..nodes {
            for to in 0..nodes {
                reach[from][to] |= reach[from][via] && reach[via][to];
            }
        }
    }
    let group = |a: usize| (0..nodes).filter(|&b| a == b || (reach[a][b] && reach[b][a])).collect::<Vec<_>>();
    (0..nodes).map(|a| (a, group(a))).filter(|(a, of)| of[0] == *a && of.len() > 1).map(|(_, of)| of).collect()
}

/// What exists in one component, with the least length of each kind.
fn existing(matrix: &[Vec<Relations>], within: &[usize]) -> BTreeMap<AnomalyType, usize> {
    let cut = |from: &usize| within.iter().map(|to| matrix[*from][*to]).collect();
    let matrix: Vec<Vec<Relations>> = within.iter().map(cut).collect();
    let mut simple = Simple { matrix: &matrix, path: Vec::new(), kinds: BTreeMap::new() };
    for first in 0..matrix.len() {
        simple.path = vec![first];
        simple.extend();
    }
    simple.kinds
}

fn check_cycle(matrix: &[Vec<Relations>], cycle: &Cycle, small: &Small) {
    let after = cycle.steps.iter().cycle().skip(1);
    assert!(cycle.steps.iter().zip(after).all(|(a, b)| a.to == b.from), "{small:?}: {cycle:?} is no cycle");
    let nodes: BTreeSet<u32> = cycle.steps.iter().map(|step| step.from).collect();
    assert_eq!(nodes.len(), cycle.steps.len(), "{small:?}: {cycle:?} passes a node twice");
    for step in &cycle.steps {
        assert!(matrix[step.from as usize][step.to as usize].meets(step.relation), "{small:?}: {step:?}");
        assert_eq!(step.relation.0.count_ones(), 1, "{small:?}: {step:?}");
    }
    let relations: Vec<Relations> = cycle.steps.iter().map(|step| step.relation).collect();
    assert_eq!(classify(&relations), cycle.kind, "{small:?}: {cycle:?}");
    assert!(cycle_spec(cycle.kind).is_some_and(|spec| satisfies(spec, &relations)), "{small:?}: {cycle:?}");
}

#[derive(Default)]
struct Tally {
    graphs: u64,
    acyclic: u64,
    kinds: BTreeMap<AnomalyType, u64>,
    boundaries: BTreeMap<Vec<AnomalyType>, Boundary>,
}

impl Tally {
    /// The models that these kinds rule out.
    fn ruled_out(&mut self, kinds: &[AnomalyType]) -> Boundary {
        self.boundaries.entry(kinds.to_owned()).or_insert_with(|| boundary(kinds)).clone()
    }
}

fn compare(small: &Small, tally: &mut Tally) {
    let all: Vec<AnomalyType> = CYCLE_SPECS.iter().map(|spec| spec.kind).collect();
    let budget = Budget::default();
    let found = cycles(small.graph(), &all, &Meter::new(&budget));
    let matrix = small.matrix();
    let components = components(&matrix);
    assert_eq!(found.component_count, components.len() as u64, "{small:?}");
    assert_eq!(found.largest_component, components.iter().map(Vec::len).max().unwrap_or(0) as u64, "{small:?}");
    assert_eq!(found.doubts, Vec::<String>::new(), "{small:?}");
    found.cycles.iter().for_each(|cycle| check_cycle(&matrix, cycle, small));
    let mut seen = 0;
    for component in &components {
        let existing = existing(&matrix, component);
        let here = |cycle: &&Cycle| component.contains(&(cycle.steps[0].from as usize));
        let reported: BTreeMap<AnomalyType, &Cycle> =
            found.cycles.iter().filter(here).map(|cycle| (cycle.kind, cycle)).collect();
        seen += reported.len();
        let kinds: [Vec<_>; 2] = [reported.keys().copied().collect(), existing.keys().copied().collect()];
        assert_eq!(tally.ruled_out(&kinds[0]), tally.ruled_out(&kinds[1]), "{small:?}");
        for kind in &all {
            let implied = existing.keys().any(|other| other != kind && support::implies(*other, *kind));
            let expected = existing.get(kind).filter(|_| !implied);
            match (expected, reported.get(kind)) {
                (Some(least), Some(cycle)) => {
                    *tally.kinds.entry(*kind).or_default() += 1;
                    assert!(cycle.shortest && cycle.steps.len() == *least, "{small:?}: {cycle:?}, least {least}");
                }
                (None, None) => {}
                (expected, reported) => panic!("{small:?}: {kind}: {expected:?}, found {reported:?}"),
            }
        }
    }
    assert_eq!(seen, found.cycles.len(), "{small:?}: two of a kind in one component");
    tally.graphs += 1;
    tally.acyclic += u64::from(components.is_empty());
}

#[test]
fn all_kinds_of_all_small_graphs_are_found_at_their_least_length() {
    let (mut rng, mut tally) = (Rng(1), Tally::default());
    while tally.graphs < 250_000 {
        compare(&Small::random(&mut rng), &mut tally);
        compare(&Small::ring(&mut rng), &mut tally);
    }
    let Tally { graphs, acyclic, kinds, .. } = tally;
    println!("{graphs} graphs, {acyclic} without cycles, {kinds:?}");
    assert!(acyclic > graphs / 20 && acyclic < graphs / 2, "{acyclic} of {graphs}");
    for spec in CYCLE_SPECS {
        assert!(
            kinds.get(&spec.kind).is_some_and(|&n| n > 30),
            "{} occurred {:?} times",
            spec.kind,
            kinds.get(&spec.kind)
        );
    }
}

#[test]
fn the_order_as_a_function_is_the_order_as_edges() {
    let mut rng = Rng(2);
    let all: Vec<AnomalyType> = CYCLE_SPECS.iter().map(|spec| spec.kind).collect();
    let budget = Budget::default();
    for _ in 0..50_000 {
        let small = if rng.below(2) == 0 { Small::random(&mut rng) } else { Small::ring(&mut rng) };
        let (implicit, explicit) = (small.clone(), small.written_out());
        let implicit = cycles(implicit.graph(), &all, &Meter::new(&budget));
        let explicit = cycles(explicit.graph(), &all, &Meter::new(&budget));
        let mut lengths = [&implicit, &explicit].map(|found| {
            let key = |cycle: &Cycle| (cycle.kind, cycle.steps.len());
            found.cycles.iter().filter(|cycle| cycle.shortest).map(key).collect::<Vec<_>>()
        });
        lengths.iter_mut().for_each(|all| all.sort());
        assert_eq!(lengths[0], lengths[1], "{small:?}");
        assert_eq!(implicit.component_count, explicit.component_count, "{small:?}");
    }
}

#[test]
fn kinds_that_are_asked_for_alone_are_found_alone() {
    let mut rng = Rng(3);
    let budget = Budget::default();
    for round in 0..40_000 {
        let small = if rng.below(2) == 0 { Small::random(&mut rng) } else { Small::ring(&mut rng) };
        let all: Vec<AnomalyType> = CYCLE_SPECS.iter().map(|spec| spec.kind).collect();
        let kind = all[round % all.len()];
        let one = cycles(small.graph(), &[kind], &Meter::new(&budget));
        for cycle in &one.cycles {
            assert!(support::implies(cycle.kind, kind), "{small:?}: {kind} was asked, found {cycle:?}");
        }
        let every = cycles(small.graph(), &all, &Meter::new(&budget));
        let any = |found: &[Cycle]| found.iter().any(|cycle| support::implies(cycle.kind, kind));
        assert_eq!(any(&one.cycles), any(&every.cycles), "{small:?}: {kind}");
    }
}
