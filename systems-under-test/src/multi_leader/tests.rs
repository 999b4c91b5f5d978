//! What must hold of all nodes at every moment of every storm.

use std::collections::BTreeSet;

use histories::{Kind, Micro, Operation, Scalar};

use super::MultiLeader;
use super::event::{Dot, Event};
use super::site::Site;
use super::testing::settings;
use crate::parts::json::Item;
use crate::specimen::Protocol;
use crate::specimen::simulation::{Chance, Simulation, Weather};

/// Everything that can be asked, on few keys.
fn ask(next: &mut i64, chance: &mut Chance) -> Operation {
    *next += 1;
    let n = chance.below(2);
    let key = |kind: &str| Some(Scalar::from(format!("{kind}{n}")));
    let value: Scalar = (*next).into();
    match chance.below(9) {
        0 => Operation::Read { key: key("list"), value: None },
        1 => Operation::Write { key: key("register"), value },
        2 => Operation::Cas { key: key("register"), old: (*next - 3).into(), new: value },
        3 => Operation::Append { key: key("list"), value },
        4 => Operation::Add { key: key("set"), value: (*next % 7).into() },
        5 => Operation::Remove { key: key("set"), value: (*next % 7).into() },
        6 => Operation::Increment { key: key("counter"), by: *next % 5 - 2 },
        7 => Operation::Read { key: key("set"), value: None },
        _ => Operation::Txn(vec![
            Micro::Append { key: format!("list{n}").into(), value: value.clone() },
            Micro::Write { key: format!("register{n}").into(), value },
        ]),
    }
}

fn storm(
    set: &[(&str, &str)],
    nodes: usize,
    seed: u64,
    mut watch: impl FnMut(&Simulation<MultiLeader>),
) -> Simulation<MultiLeader> {
    let mut simulation = Simulation::<MultiLeader>::new(settings(set), nodes, Weather::default(), seed);
    let (mut next, mut left) = (0, 400);
    simulation.clients(5, move |chance: &mut Chance, _: usize| {
        left -= 1;
        (left > 0).then(|| ask(&mut next, chance))
    });
    for _ in 0..8 {
        let (node, other) =
            (simulation.chance.below(nodes as u64) as usize, simulation.chance.below(nodes as u64) as usize);
        match simulation.chance.below(6) {
            0 => simulation.kill(node),
            1 => simulation.crash(node),
            2 => simulation.pause(node),
            3 => simulation.part(&[node]),
            4 => simulation.skew(node, -20_000_000),
            _ => simulation.cut(node, other, node != other),
        }
        for _ in 0..5 {
            let lasts = simulation.chance.below(150_000);
            simulation.run(lasts);
            watch(&simulation);
        }
        simulation.heal();
        simulation.run(400_000);
        watch(&simulation);
    }
    simulation.turn_to(|_: &mut Chance, _: usize| None);
    simulation.run(4_000_000);
    simulation
}

fn up(simulation: &Simulation<MultiLeader>) -> Vec<&Site> {
    (0..simulation.count()).filter_map(|node| simulation.node(node)).collect()
}

/// Who has the same events holds the same, and an event is the same at whoever has it.
fn same_events_same_state(simulation: &Simulation<MultiLeader>) {
    let sites = up(simulation);
    for (i, a) in sites.iter().enumerate() {
        for b in &sites[i + 1..] {
            if a.logs.vector() == b.logs.vector() {
                assert_eq!(a.dump(), b.dump());
            }
            let both = a.logs.all().filter(|event| b.logs.vector().has(event.dot));
            for event in both {
                let Dot(origin, position) = event.dot;
                // What is not on its origin's disk yet is nobody's but its origin's.
                assert_eq!(b.logs.after(origin, position - 1).first(), Some(event));
            }
        }
    }
}

/// Nobody has an event without its causes, or without being told that it is on its origin's disk.
fn causes_come_first(simulation: &Simulation<MultiLeader>) {
    for site in up(simulation) {
        assert!(site.logs.all().all(|event| site.logs.vector().covers(&event.after)));
    }
}

const CONFIGURATIONS: &[&[(&str, &str)]] = &[
    &[("topology", "all-to-all")],
    &[("topology", "star"), ("conflicts", "siblings")],
    &[("topology", "circular"), ("conflicts", "last-write-wins")],
    &[("conflicts", "last-write-wins"), ("clock", "revision"), ("sessions", "roaming")],
    &[("conflicts", "custom"), ("followers", "on")],
    &[("conflicts", "custom"), ("resolver", "longest")],
    &[("conflicts", "avoidance"), ("read-from", "follower"), ("followers", "on")],
    &[("detection", "sync")],
];

#[test]
fn equal_events_make_equal_states_in_every_storm() {
    for (set, seed) in
        CONFIGURATIONS.iter().zip(0..).flat_map(|(set, at)| (0..6).map(move |seed| (set, at * 100 + seed)))
    {
        let simulation = storm(set, 4, seed, |simulation| {
            same_events_same_state(simulation);
            causes_come_first(simulation);
        });
        let dumps = simulation.dumps();
        assert!(dumps.iter().all(|dump| *dump == dumps[0]), "{set:?} {seed}: {dumps:?}");
        let ok = simulation.events().iter().filter(|event| event.kind == Kind::Ok).count();
        assert!(ok > 60, "{set:?} {seed}: {ok} ok");
    }
}

#[test]
fn an_acknowledged_update_is_an_event_exactly_once() {
    for seed in 0..40 {
        let simulation = storm(&[], 3, seed, |_| ());
        let site = simulation.node(0).expect("is up");
        let requests: Vec<_> = site.logs.all().filter_map(|event| event.request).collect();
        let distinct: BTreeSet<_> = requests.iter().copied().collect();
        assert_eq!(requests.len(), distinct.len(), "seed {seed}");
        let updates = simulation.events().iter().filter(|event| event.kind == Kind::Ok && event.operation.is_update());
        assert!(updates.count() <= requests.len());
    }
}

#[test]
fn agreement_leaves_nothing_concurrent_on_one_key() {
    for seed in 0..30 {
        let simulation = storm(&[("detection", "sync")], 3, seed, |_| ());
        let site = simulation.node(0).expect("is up");
        let agreed: Vec<&Event> = site.logs.all().filter(|event| event.agreed.is_some()).collect();
        let keys = |event: &Event| event.effects.iter().map(|e| e.key().clone()).collect::<BTreeSet<Item>>();
        for (i, a) in agreed.iter().enumerate() {
            for b in &agreed[i + 1..] {
                let ordered = a.after.has(b.dot) || b.after.has(a.dot) || a.dot.0 == b.dot.0;
                assert!(ordered || keys(a).is_disjoint(&keys(b)), "seed {seed}: {a:?} {b:?}");
            }
        }
        assert!(agreed.len() > 10, "seed {seed}: {}", agreed.len());
    }
}
