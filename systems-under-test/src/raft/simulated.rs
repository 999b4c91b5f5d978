//! The invariants of the paper (figure 3) in simulated clusters under storms.

use std::collections::{BTreeMap, BTreeSet};

use histories::{Kind, Operation};

use super::bugs::Bug;
use super::{Raft, RaftSystem};
use crate::specimen::simulation::{Simulation, Weather};
use crate::specimen::{Bundled, Planted, Protocol, Specimen};
use crate::system::Options;

type Cluster = Simulation<RaftSystem>;

fn cluster(set: &[(&str, &str)], nodes: usize, seed: u64, bug: Option<Bug>) -> Cluster {
    let set: Vec<_> = set.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let options = Options::new(&Bundled::<RaftSystem>::default(), &set).expect("options");
    let mut settings = RaftSystem::settings(&options).expect("settings");
    settings.bug = bug.map_or(Planted::default(), Planted::one);
    Simulation::new(settings, nodes, Weather::default(), seed)
}

/// Clients that append numbers, each once.
fn appends(cluster: &mut Cluster, clients: usize) {
    let mut next = 0;
    cluster.clients(clients, move |_: &mut _, _: usize| {
        next += 1;
        Some(Operation::Append { key: Some("list".into()), value: next.into() })
    });
}

/// Something happens to a node or two.
fn strike(cluster: &mut Cluster) {
    let nodes = cluster.count() as u64;
    let node = cluster.chance.below(nodes) as usize;
    let leader = cluster.leader().unwrap_or(node);
    match cluster.chance.below(7) {
        0 => cluster.crash(node),
        1 => cluster.kill(leader),
        2 => cluster.pause(leader),
        3 => cluster.part(&[leader]),
        4 => cluster.part(&[node]),
        5 => (0..cluster.count()).filter(|other| *other != leader).for_each(|other| cluster.cut(other, leader, true)),
        _ => (0..cluster.count()).for_each(|node| cluster.crash(node)),
    }
}

/// Election safety and state machine safety, as far as the logs that are there show.
fn check(cluster: &Cluster) -> Result<(), String> {
    let mut leaders: BTreeMap<u64, BTreeSet<usize>> = BTreeMap::new();
    for (_, node, line) in cluster.notes() {
        if let Some(term) = line.strip_prefix("became-leader term=").and_then(|term| term.parse().ok()) {
            leaders.entry(term).or_default().insert(*node);
        }
    }
    if let Some((term, who)) = leaders.iter().find(|(_, who)| who.len() > 1) {
        return Err(format!("term {term} has the leaders {who:?}"));
    }
    let up: Vec<&Raft> = (0..cluster.count()).filter_map(|node| cluster.node(node)).collect();
    for (a, b) in up.iter().flat_map(|a| up.iter().map(move |b| (a, b))) {
        for position in 1..=a.commit.min(b.commit) {
            if let (Some(one), Some(other)) = (a.log.get(position), b.log.get(position))
                && one != other
            {
                return Err(format!("position {position} is committed as {one:?} and as {other:?}"));
            }
        }
    }
    Ok(())
}

/// What is in the list of each node in the end, and what was acknowledged.
fn end(cluster: &mut Cluster) -> Result<(), String> {
    cluster.heal();
    cluster.run(4_000_000);
    cluster.turn_to(|_: &mut _, _: usize| None);
    cluster.run(3_000_000);
    let dumps = cluster.dumps();
    if dumps.iter().any(|dump| *dump != dumps[0]) {
        return Err("the replicas differ".to_owned());
    }
    let list: Vec<i64> = serde_json::from_value(dumps[0]["list"].clone()).map_err(|error| error.to_string())?;
    let set: BTreeSet<i64> = list.iter().copied().collect();
    if set.len() != list.len() {
        return Err("something was executed twice".to_owned());
    }
    let acknowledged = cluster.events().iter().filter(|event| event.kind == Kind::Ok);
    let lost = acknowledged.filter_map(|event| match &event.operation {
        Operation::Append { value: histories::Scalar::Int(value), .. } if !set.contains(value) => Some(*value),
        _ => None,
    });
    match lost.count() {
        0 if list.len() > 50 => Ok(()),
        0 => Err(format!("only {} entries", list.len())),
        lost => Err(format!("{lost} acknowledged elements are lost")),
    }
}

fn storm(set: &[(&str, &str)], nodes: usize, seed: u64, bug: Option<Bug>) -> Result<(), String> {
    let mut cluster = cluster(set, nodes, seed, bug);
    cluster.run(1_500_000);
    appends(&mut cluster, 4);
    for _ in 0..12 {
        strike(&mut cluster);
        let lasts = 100_000 + cluster.chance.below(1_500_000);
        cluster.run(lasts);
        check(&cluster)?;
        cluster.heal();
        let quiet = cluster.chance.below(800_000);
        cluster.run(quiet);
        check(&cluster)?;
    }
    end(&mut cluster)
}

#[test]
fn one_leader_a_term_one_log_nothing_lost_and_nothing_twice() {
    for seed in 0..120 {
        for (set, nodes) in [(&[("snapshot-after", "40")][..], 3), (&[], 5), (&[("snapshot-after", "7")], 3)] {
            let result = storm(set, nodes, seed, None);
            assert_eq!(result, Ok(()), "seed {seed}, {nodes} nodes, {set:?}");
        }
    }
}

#[test]
fn members_come_and_go_and_leadership_is_handed_over_under_storms() {
    let mut changes = 0;
    for seed in 0..60 {
        let mut cluster = cluster(&[("members", "3"), ("snapshot-after", "40")], 5, seed, None);
        cluster.run(1_500_000);
        appends(&mut cluster, 4);
        for round in 0..16 {
            let name = format!("n{}", 1 + cluster.chance.below(5));
            let word = ["join", "leave", "transfer"][cluster.chance.below(3) as usize];
            if let Some(leader) = cluster.leader() {
                let members = cluster.node(leader).map_or(0, |node| node.members().old.len());
                if word != "leave" || members > 3 {
                    let _ = cluster.order(leader, &[word, &name]);
                }
            }
            cluster.run(200_000);
            if round % 2 == 0 {
                strike(&mut cluster);
            }
            cluster.run(600_000);
            assert_eq!(check(&cluster), Ok(()), "seed {seed}");
            cluster.heal();
            cluster.run(700_000);
        }
        assert_eq!(end(&mut cluster), Ok(()), "seed {seed}");
        changes += cluster.notes().iter().filter(|(.., line)| line.starts_with("members ")).count();
    }
    assert!(changes > 60, "only {changes} changes were completed");
}

#[test]
fn leadership_goes_where_it_is_ordered() {
    let mut cluster = cluster(&[], 3, 1, None);
    cluster.run(2_000_000);
    let leader = cluster.leader().expect("a leader");
    let to = (leader + 1) % 3;
    let name = format!("n{}", to + 1);
    assert!(cluster.order(leader, &["transfer", &name]).is_some_and(|answer| answer.is_ok()));
    cluster.run(300_000);
    assert_eq!(cluster.leader(), Some(to));
}

#[test]
fn a_wiped_node_learns_and_does_not_count() {
    let mut cluster = cluster(&[("favourite", "n1")], 3, 1, None);
    cluster.run(2_000_000);
    appends(&mut cluster, 2);
    cluster.run(500_000);
    cluster.part(&[2]);
    cluster.run(500_000);
    cluster.kill(0);
    cluster.kill(1);
    cluster.wipe(1);
    // The two that do not have everything are a majority, and must not lead.
    for node in 0..2 {
        cluster.cut(2, node, false);
        cluster.cut(node, 2, false);
    }
    cluster.start(1);
    cluster.run(5_000_000);
    assert_eq!(cluster.leader(), None);
    assert_eq!(cluster.node(1).map(|node| node.state().role), Some("stranger".to_owned()));
    assert_eq!(end(&mut cluster), Ok(()));
}

#[test]
fn planted_bugs_break_the_invariants() {
    for bug in [Bug::VotesForAnyLog, Bug::VotesForLongerLog, Bug::AlwaysTruncates, Bug::RetryExecutedTwice] {
        assert!((0..400).any(|seed| storm(&[], 3, seed, Some(bug)).is_err()), "{bug:?} is not seen");
    }
}
