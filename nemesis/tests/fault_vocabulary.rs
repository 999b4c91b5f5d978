//! The vocabulary is complete, its names lead back to it, and each fault cuts the links that its description says.

use std::collections::BTreeSet;

use nemesis::disk::{DiskFault, Effect};
use nemesis::fault::registry::{FAULTS, GROUPS, all_names};
use nemesis::fault::{Direction, Fault, FaultName, LinkKind, Need, Peers, Reach, Target, expand, links};
use nemesis::hosts::HostId;
use nemesis::schedule::{Intervals, generate};
use nemesis::seed::Seed;
use proptest::prelude::*;

/// The cut links among nodes, as the text `1>2 2>1`, nodes counted from 1; clients are `c1`, …
fn cut(fault: &Fault, node_count: usize) -> String {
    let nodes: Vec<HostId> = (0..node_count).map(HostId).collect();
    let clients = [HostId(node_count), HostId(node_count + 1)];
    let targets = fault.resolve(node_count, Some(0));
    let name = |host: HostId| match host.0.checked_sub(node_count) {
        Some(client) => format!("c{}", client + 1),
        None => (host.0 + 1).to_string(),
    };
    let cut = links(fault, &targets, &nodes, &clients);
    cut.into_iter().map(|(from, to)| format!("{}>{}", name(from), name(to))).collect::<Vec<_>>().join(" ")
}

#[test]
fn every_name_leads_back_to_its_fault() {
    for (position, name) in FaultName::ALL.into_iter().enumerate() {
        assert_eq!(FAULTS[position].name, name.as_str());
        assert_eq!(name.as_str().parse(), Ok(name));
        assert_eq!(expand(name.as_str()), Ok(vec![name]));
        assert_eq!(serde_json::to_value(name).expect("a name is a string"), name.as_str());
        assert!(
            [
                "partition",
                "clients-cut",
                "link",
                "stop",
                "kill",
                "crash",
                "pause",
                "clock",
                "disk",
                "resources",
                "wipe",
                "rollback",
                "file"
            ]
            .contains(&name.family())
        );
    }
    let names = all_names();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "a name means two things");
    let of = |group: &str| expand(group).expect("a group");
    let groups = [of("all"), of("hostile"), of("clock-monotonic")];
    for name in FaultName::ALL {
        assert_eq!(groups.iter().filter(|group| group.contains(&name)).count(), 1, "{name} is in one of them");
        assert_eq!(name.is_trapped(), of("clock-monotonic").contains(&name));
    }
    assert_eq!(groups.concat().len(), FaultName::ALL.len());
    assert!(of("disk").iter().all(|name| name.needs() == Some(Need::FailingDisk)));
    assert!(of("clock-monotonic").iter().all(|name| name.needs() == Some(Need::MonotonicClock)));
    assert!(of("clock").iter().all(|name| name.needs() == Some(Need::Clock)));
    assert_eq!(expand("partitoin").map_err(|unknown| unknown.to_string()), Err("there is no fault 'partitoin'".into()));
}

#[test]
fn the_group_partition_is_the_family_partition() {
    let group = GROUPS.iter().find(|group| group.name == "partition").expect("the group is there");
    let family: Vec<_> = FaultName::ALL.into_iter().filter(|name| name.family() == "partition").collect();
    assert_eq!(group.members, family);
}

#[test]
fn a_fault_answers_to_its_name_its_kind_and_its_family() {
    let leader = Target::Leader { fallback: 2 };
    let names = |fault: Fault| fault.names().join(" ");
    assert_eq!(names(Fault::PartitionOne { target: leader.clone() }), "leader-isolated partition-one partition");
    assert_eq!(names(Fault::Kill { target: leader.clone() }), "kill-leader kill");
    assert_eq!(names(Fault::Kill { target: Target::All }), "kill");
    assert_eq!(names(Fault::ClientsCut { target: leader.clone() }), "clients-cut");
    assert_eq!(names(Fault::OneWay { target: leader }), "one-way partition");
    let lie = Fault::Disk { target: Target::All, misbehaves: DiskFault::new(Effect::LyingFsync) };
    assert_eq!(names(lie), "lying-fsync disk hostile");
}

#[test]
fn an_impaired_link_is_between_its_targets_and_their_peers() {
    let slow = |target, peers, direction| Fault::Link {
        kind: LinkKind::Slow,
        link: LinkKind::Slow.usual(),
        reach: Reach { target, peers, direction },
    };
    assert_eq!(cut(&slow(Target::Node(0), Peers::Nodes, Direction::Out), 3), "1>2 1>3");
    assert_eq!(cut(&slow(Target::Node(0), Peers::Nodes, Direction::In), 3), "2>1 3>1");
    assert_eq!(cut(&slow(Target::All, Peers::Nodes, Direction::Both), 2), "1>2 2>1");
    assert_eq!(cut(&slow(Target::All, Peers::Nodes, Direction::Out), 2), "1>2 2>1");
    assert_eq!(cut(&slow(Target::Node(1), Peers::Clients, Direction::Both), 2), "2>c1 2>c2 c1>2 c2>2");
    assert_eq!(cut(&slow(Target::Node(1), Peers::All, Direction::Out), 2), "2>1 2>c1 2>c2");
    let names = |peers| slow(Target::All, peers, Direction::Both).names().join(" ");
    assert_eq!(names(Peers::Nodes), "slow link");
    assert_eq!(names(Peers::Clients), "slow clients-cut");
    assert_eq!(names(Peers::All), "slow link clients-cut");
}

#[test]
fn targets_are_looked_up_when_asked() {
    assert_eq!(Target::Leader { fallback: 2 }.resolve(3, Some(1)), [1]);
    assert_eq!(Target::Leader { fallback: 2 }.resolve(3, None), [2]);
    assert_eq!(Target::Nodes(vec![2, 0, 2, 7]).resolve(3, None), [0, 2]);
    assert_eq!(Target::All.resolve(3, None), [0, 1, 2]);
}

#[test]
fn minorities_are_with_or_without_whoever_leads() {
    let with = |leader| Target::WithLeader { others: 1, order: vec![3, 0, 1, 2, 4] }.resolve(5, leader);
    assert_eq!((with(Some(1)), with(Some(3)), with(None)), (vec![1, 3], vec![0, 3], vec![0, 3]));
    let without = |leader| Target::Followers { count: 2, order: vec![3, 0, 1, 2, 4] }.resolve(5, leader);
    assert_eq!((without(Some(1)), without(Some(3)), without(None)), (vec![0, 3], vec![0, 1], vec![0, 3]));
    // In these tests n1 leads.
    let side = |target| cut(&Fault::PartitionSide { target }, 3);
    assert_eq!(side(Target::WithLeader { others: 0, order: vec![2, 1, 0] }), "1>2 1>3 2>1 3>1");
    assert_eq!(side(Target::Followers { count: 1, order: vec![0, 1, 2] }), "1>2 2>1 2>3 3>2");
}

#[test]
fn partition_one_cuts_both_directions_and_no_client() {
    assert_eq!(cut(&Fault::PartitionOne { target: Target::Node(1) }, 3), "1>2 2>1 2>3 3>2");
    assert_eq!(cut(&Fault::PartitionOne { target: Target::All }, 3), "1>2 1>3 2>1 2>3 3>1 3>2");
    assert_eq!(cut(&Fault::PartitionOne { target: Target::Leader { fallback: 1 } }, 2), "1>2 2>1");
}

#[test]
fn halves_cut_what_crosses() {
    assert_eq!(cut(&Fault::PartitionHalves { side: vec![0, 1] }, 4), "1>3 1>4 2>3 2>4 3>1 3>2 4>1 4>2");
}

#[test]
fn a_bridge_reaches_both_sides() {
    assert_eq!(cut(&Fault::Bridge { bridge: 1, side: vec![0] }, 3), "1>3 3>1");
    assert_eq!(cut(&Fault::Bridge { bridge: 2, side: vec![0, 1] }, 5), "1>4 1>5 2>4 2>5 4>1 4>2 5>1 5>2");
}

#[test]
fn one_way_cuts_one_direction() {
    assert_eq!(cut(&Fault::OneWay { target: Target::Node(0) }, 3), "1>2 1>3", "mute");
    assert_eq!(cut(&Fault::OneWay { target: Target::Nodes(vec![1, 2]) }, 3), "2>1 3>1", "deaf");
}

#[test]
fn the_ring_of_three_is_a_path_and_of_five_a_ring() {
    assert_eq!(cut(&Fault::PartitionRing { order: vec![0, 1, 2] }, 3), "1>3 3>1");
    let five = "1>3 1>4 2>4 2>5 3>1 3>5 4>1 4>2 5>2 5>3";
    assert_eq!(cut(&Fault::PartitionRing { order: vec![0, 1, 2, 3, 4] }, 5), five);
}

#[test]
fn clients_cut_leaves_the_nodes_alone() {
    let fault = Fault::ClientsCut { target: Target::Leader { fallback: 0 } };
    assert_eq!(cut(&fault, 3), "1>c1 1>c2 c1>1 c2>1");
}

#[test]
fn processes_and_machines_cut_no_link() {
    for fault in [
        Fault::Kill { target: Target::All },
        Fault::Crash { target: Target::All },
        Fault::Pause { target: Target::All },
    ] {
        assert_eq!(cut(&fault, 3), "");
    }
}

proptest! {
    #[test]
    fn on_the_ring_every_node_sees_a_majority_of_its_own(
        order in prop::sample::select(vec![3usize, 4, 5, 7, 9]).prop_flat_map(|n| {
            Just((0..n).collect::<Vec<_>>()).prop_shuffle()
        })
    ) {
        let count = order.len();
        let hosts: Vec<HostId> = (0..count).map(HostId).collect();
        let cut = links(&Fault::PartitionRing { order }, &[], &hosts, &[]);
        let sees = |node: usize| -> BTreeSet<usize> {
            let both = |other: &usize| {
                !cut.contains(&(HostId(node), HostId(*other))) && !cut.contains(&(HostId(*other), HostId(node)))
            };
            (0..count).filter(both).collect()
        };
        let views: BTreeSet<_> = (0..count).map(sees).collect();
        prop_assert_eq!(views.len(), count, "two nodes see the same majority");
        prop_assert!(views.iter().all(|view| view.len() > count / 2));
    }

    #[test]
    fn every_generated_fault_harms_something(seed: u64, node_count in 1usize..=9) {
        let schedule = generate(Seed(seed), &FaultName::ALL, node_count, 90_000, &Intervals::default());
        for fault in schedule.faults() {
            let touches_links = matches!(fault.family(), "partition" | "clients-cut" | "link");
            prop_assert!(!fault.resolve(node_count, None).is_empty());
            prop_assert_eq!(cut(fault, node_count).is_empty(), !touches_links, "{}", fault);
        }
    }
}
