//! The protocol's own invariants, in simulated storms: every member has a beginning of what the member before it has, an epoch is one
//! chain, and nobody speaks for an old one once a new one is decided.

use std::collections::BTreeMap;

use histories::{Kind, Operation, Scalar};

use super::bugs::Bug;
use super::configuration::Configuration;
use super::node::Node;
use super::system::{ChainReplication, Reads, Settings};
use crate::specimen::simulation::{Chance, Simulation, Weather};
use crate::specimen::{Planted, Protocol};

fn settings(reads: Reads, bug: Planted<Bug>) -> Settings {
    Settings { reads, heartbeat: 50_000, suspect_after: 500_000, lease: 300_000, bug }
}

fn cluster(nodes: usize, seed: u64) -> Simulation<ChainReplication> {
    let settings = settings(Reads::Tail, Planted::default());
    let mut simulation = Simulation::<ChainReplication>::new(settings, nodes, Weather::default(), seed);
    let mut next = 0;
    simulation.clients(5, move |chance: &mut Chance, _: usize| {
        next += 1;
        Some(match chance.percent(60) {
            true => Operation::Append { key: Some("list".into()), value: next.into() },
            false => Operation::Read { key: Some("list".into()), value: None },
        })
    });
    simulation.run(600_000);
    simulation
}

fn nodes(simulation: &Simulation<ChainReplication>) -> impl Iterator<Item = &Node> {
    (0..simulation.count()).filter_map(|node| simulation.node(node))
}

/// What must hold at every moment.
fn look(simulation: &Simulation<ChainReplication>, decided: &mut BTreeMap<u64, Vec<usize>>) {
    for node in nodes(simulation) {
        let Configuration { epoch, chain } = &node.configuration;
        assert_eq!(decided.entry(*epoch).or_insert_with(|| chain.clone()), chain, "two chains in epoch {epoch}");
        assert!(chain.len() >= node.seat.majority());
        assert!(node.history.settled() <= node.history.last());
    }
    let newest = nodes(simulation).map(Node::epoch).max().unwrap_or(0);
    for node in nodes(simulation).filter(|node| node.epoch() == newest && node.is_active()) {
        let before = node.configuration.before(node.me()).and_then(|before| simulation.node(before));
        if let Some(before) = before.filter(|before| before.epoch() == newest) {
            assert!(before.durable >= node.history.last(), "n{} has more than its predecessor", node.me() + 1);
            assert!(before.history.settled() <= node.durable, "acknowledged before it was");
        }
    }
}

fn strike(simulation: &mut Simulation<ChainReplication>) {
    let count = simulation.count() as u64;
    let node = simulation.chance.below(count) as usize;
    let other = simulation.chance.below(count) as usize;
    match simulation.chance.below(7) {
        0 => simulation.kill(node),
        1 => simulation.crash(node),
        2 => simulation.pause(node),
        3 => simulation.part(&[node]),
        4 => simulation.cut(node, other, true),
        5 => (0..simulation.count()).for_each(|node| simulation.crash(node)),
        _ => simulation.skew(node, 60_000_000),
    }
}

/// Appends that were acknowledged and that the chain does not have.
fn lost(simulation: &Simulation<ChainReplication>) -> Vec<i64> {
    let held: Vec<Vec<i64>> = simulation
        .dumps()
        .iter()
        .map(|dump| serde_json::from_value(dump["list"].clone()).expect("a list of numbers"))
        .collect();
    assert!(held.windows(2).all(|pair| pair[0] == pair[1]), "replicas differ");
    let acknowledged = simulation.events().iter().filter(|event| event.kind == Kind::Ok);
    let appended = acknowledged.filter_map(|event| match &event.operation {
        Operation::Append { value: Scalar::Int(value), .. } => Some(*value),
        _ => None,
    });
    appended.filter(|value| held[0].iter().filter(|v| *v == value).count() != 1).collect()
}

fn storm(count: usize, seed: u64) {
    let mut simulation = cluster(count, seed);
    let mut decided = BTreeMap::new();
    for _ in 0..12 {
        strike(&mut simulation);
        for _ in 0..simulation.chance.below(40) {
            simulation.run(25_000);
            look(&simulation, &mut decided);
        }
        if simulation.chance.percent(70) {
            simulation.heal();
        }
    }
    simulation.heal();
    for _ in 0..200 {
        simulation.run(25_000);
        look(&simulation, &mut decided);
    }
    simulation.turn_to(|_: &mut Chance, _: usize| None);
    simulation.run(3_000_000);
    let states: Vec<_> = nodes(&simulation).map(Protocol::state).collect();
    assert!(nodes(&simulation).all(Node::is_active), "seed {seed}: {states:?} {:#?}", simulation.notes());
    assert_eq!(lost(&simulation), Vec::<i64>::new(), "seed {seed}");
}

#[test]
fn in_storms_every_member_has_a_beginning_of_what_its_predecessor_has() {
    for seed in 0..120 {
        storm(3 + (seed % 3) as usize, seed);
    }
}

#[test]
fn a_majority_goes_on_while_the_others_are_gone_for_good() {
    for seed in 0..40 {
        let mut simulation = cluster(5, seed);
        // First some others are gone and come back, so that the chain is in another order and perhaps short.
        let first = simulation.chance.below(5) as usize;
        simulation.kill(first);
        simulation.kill((first + 1) % 5);
        simulation.run(200_000 + seed * 50_000);
        simulation.start(first);
        simulation.start((first + 1) % 5);
        simulation.kill((first + 2) % 5);
        simulation.kill((first + 3) % 5);
        simulation.run(5_000_000);
        let before = simulation.events().len();
        simulation.run(2_000_000);
        let since = &simulation.events()[before..];
        let acknowledged = since.iter().filter(|event| event.kind == Kind::Ok && event.operation.is_update()).count();
        assert!(acknowledged > 5, "seed {seed}: {acknowledged}");
    }
}

#[test]
fn a_node_is_what_its_journal_says() {
    let mut simulation = cluster(3, 7);
    simulation.run(1_000_000);
    let said: Vec<_> = nodes(&simulation).map(|node| (node.dump(), node.condense().len())).collect();
    assert!(said.iter().all(|(_, records)| *records == 4));
    (0..3).for_each(|node| simulation.kill(node));
    (0..3).for_each(|node| simulation.start(node));
    assert_eq!(
        nodes(&simulation).map(Node::dump).collect::<Vec<_>>(),
        said.into_iter().map(|(dump, _)| dump).collect::<Vec<_>>()
    );
}
