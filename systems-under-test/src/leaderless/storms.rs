//! Simulated clusters under storms: what must be true inside, whatever clients can see of it.

use std::collections::BTreeSet;

use histories::{Kind, Operation, Scalar};

use super::row::{Column, Row};
use super::siblings::Written;
use super::{LeaderlessSystem, Settings};
use crate::parts::json::Item;
use crate::specimen::simulation::{Chance, Simulation, Weather};
use crate::specimen::{Bundled, Specimen};
use crate::system::Options;

type Cluster = Simulation<LeaderlessSystem>;

fn settings(set: &[(&str, &str)]) -> Settings {
    let set: Vec<_> = set.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let options = Options::new(&Bundled::<LeaderlessSystem>::default(), &set).expect("options");
    LeaderlessSystem::settings(&options).expect("settings")
}

/// Adds and removals of elements of three sets, increments, appends and writes; every element once.
fn ask(chance: &mut Chance, last: &mut i64) -> Operation {
    let key = |name: &str, chance: &mut Chance| Some(Scalar::from(format!("{name}{}", chance.below(3))));
    match chance.below(10) {
        0..4 => {
            *last += 1;
            Operation::Add { key: key("set", chance), value: (*last).into() }
        }
        4..6 => Operation::Remove { key: key("set", chance), value: (chance.below(*last as u64 + 1) as i64).into() },
        6 => Operation::Increment { key: key("counter", chance), by: 1 },
        7 => Operation::Append { key: key("list", chance), value: 1.into() },
        8 => Operation::Write { key: key("register", chance), value: (chance.below(100) as i64).into() },
        _ => Operation::Read { key: key("set", chance), value: None },
    }
}

fn strike(cluster: &mut Cluster) {
    let count = cluster.count() as u64;
    let node = cluster.chance.below(count) as usize;
    match cluster.chance.below(6) {
        0 => cluster.kill(node),
        1 => cluster.crash(node),
        2 => cluster.pause(node),
        3 => cluster.part(&[node, (node + 1) % count as usize]),
        4 => cluster.cut(node, (node + 1) % count as usize, true),
        _ => {
            let offset = cluster.chance.below(20_000_000) as i64 - 10_000_000;
            cluster.skew(node, offset);
        }
    }
}

/// A cluster after a storm, when all is quiet.
fn weathered(set: &[(&str, &str)], nodes: usize, seed: u64) -> Cluster {
    let mut cluster = Cluster::new(settings(set), nodes, Weather::default(), seed);
    let mut last = 0;
    cluster.run(500_000);
    cluster.clients(4, move |chance: &mut Chance, _: usize| Some(ask(chance, &mut last)));
    for _ in 0..8 {
        strike(&mut cluster);
        cluster.run(300_000);
        if cluster.chance.percent(60) {
            cluster.heal();
        }
    }
    cluster.heal();
    cluster.turn_to(|_: &mut Chance, _: usize| None);
    cluster.run(8_000_000);
    cluster
}

/// What all homes of a key hold; nothing else is held of it by anybody.
fn agreed(cluster: &Cluster, key: &Item, seed: u64) -> Row {
    let first = cluster.node(0).expect("up");
    let homes = first.homes(key);
    let rows: Vec<Row> = homes.iter().map(|home| cluster.node(*home).expect("up").replica.row(key)).collect();
    assert!(rows.windows(2).all(|pair| pair[0] == pair[1]), "seed {seed}: {key:?} at {homes:?}: {rows:?}");
    for other in (0..cluster.count()).filter(|node| !homes.contains(node)) {
        assert_eq!(cluster.node(other).expect("up").replica.row(key), Row::default(), "seed {seed}");
    }
    rows[0].clone()
}

fn elements(row: &Row) -> BTreeSet<Item> {
    let cells = row.cells.iter().filter(|(_, cell)| !cell.is_tombstone()).map(|(column, _)| column);
    let columns = cells.chain(row.siblings.held.values().map(|Written { column, .. }| column));
    columns
        .filter_map(|column| if let Column::Member(element) = column { Some(element.clone()) } else { None })
        .collect()
}

fn acknowledged(cluster: &Cluster, is: impl Fn(&Operation) -> Option<(Item, Item)>) -> BTreeSet<(Item, Item)> {
    let ok = cluster.events().iter().filter(|event| event.kind == Kind::Ok);
    ok.filter_map(|event| is(&event.operation)).collect()
}

fn pair(key: &Option<Scalar>, value: &Scalar) -> Option<(Item, Item)> {
    Some((Item(key.clone()?), Item(value.clone())))
}

/// Replicas become one, what was acknowledged is in them, what was removed is not, and nobody keeps anything for others any more.
fn judge(set: &[(&str, &str)], nodes: usize, seeds: std::ops::Range<u64>) {
    let (mut added_count, least) = (0, 10 * seeds.clone().count());
    for seed in seeds {
        let cluster = weathered(set, nodes, seed);
        let hints: usize = (0..nodes).map(|node| cluster.node(node).expect("up").replica.counts().1).sum();
        assert_eq!(hints, 0, "seed {seed}: hints that were never handed over");
        let keys: BTreeSet<Item> =
            cluster.events().iter().filter_map(|event| event.operation.key().cloned()).map(Item).collect();
        let rows: Vec<(Item, Row)> = keys.into_iter().map(|key| (key.clone(), agreed(&cluster, &key, seed))).collect();
        let asked: BTreeSet<(Item, Item)> = cluster
            .events()
            .iter()
            .filter_map(
                |event| if let Operation::Remove { key, value } = &event.operation { pair(key, value) } else { None },
            )
            .collect();
        let removed =
            acknowledged(&cluster, |o| if let Operation::Remove { key, value } = o { pair(key, value) } else { None });
        let added =
            acknowledged(&cluster, |o| if let Operation::Add { key, value } = o { pair(key, value) } else { None });
        let there: BTreeSet<(Item, Item)> = rows
            .iter()
            .flat_map(|(key, row)| elements(row).into_iter().map(move |element| (key.clone(), element)))
            .collect();
        let lost: Vec<_> = added.difference(&there).filter(|one| !asked.contains(one)).collect();
        assert!(lost.is_empty(), "seed {seed} {set:?}: lost {lost:?}");
        let undead: Vec<_> = removed.intersection(&there).collect();
        assert!(undead.is_empty(), "seed {seed} {set:?}: back from the dead {undead:?}");
        added_count += added.len();
    }
    assert!(added_count > least, "{added_count} elements");
}

const SLOPPY: (&str, &str) = ("quorum", "sloppy");
const SIBLINGS: (&str, &str) = ("conflict", "siblings");

#[test]
fn replicas_become_one_and_keep_what_was_acknowledged() {
    judge(&[], 3, 0..20);
    judge(&[SIBLINGS], 3, 20..40);
    judge(&[("n", "3"), SIBLINGS], 5, 40..50);
}

#[test]
fn what_others_kept_comes_home() {
    judge(&[("n", "3"), SLOPPY, SIBLINGS], 5, 0..20);
}

#[test]
fn what_nobody_asks_for_is_brought_by_anti_entropy() {
    judge(&[("w", "1"), ("r", "1"), ("read-repair", "off"), SIBLINGS], 3, 0..20);
}
