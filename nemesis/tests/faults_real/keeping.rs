//! Nodes that lost what they had kept, or came back with what they had once: in a directory and on a simulated disk.

use nemesis::data::{DamageKind, FileDamage};
use nemesis::disk::DiskSpec;
use nemesis::fault::{Fault, Target};
use nemesis::hosts::{HostId, HostSpec, ProcessSpec, Rung};
use nemesis::injector::{FaultId, Injector, Outcome};

use crate::lab::{self, Lab, wait_until};
use crate::runner::{self, Test};
use crate::{Cluster, count, node, numbers};

pub const TESTS: &[Test] = &[
    ("a_wiped_node_starts_empty_and_the_other_does_not", |rung| both(rung, a_wiped_node_starts_empty)),
    ("a_rollback_forgets_what_came_after_its_injection", |rung| both(rung, a_rollback_forgets)),
    ("damage_is_found_by_the_node_that_starts_on_it", |rung| both(rung, damage_is_found)),
    ("data_can_be_lost_while_the_machine_is_gone", |rung| both(rung, data_can_be_lost_while_the_machine_is_gone)),
];

/// Two nodes that keep numbers, first in directories, then, where this rung can make such, on disks of their own.
fn both(rung: Rung, test: fn(&Cluster)) {
    test(&keepers(rung, false).unwrap_or_else(|lacking| panic!("{lacking}")));
    match keepers(rung, true) {
        Ok(cluster) => test(&cluster),
        Err(lacking) => runner::skip(format!("in directories only: {lacking}")),
    }
}

fn keepers(rung: Rung, disks: bool) -> Result<Cluster, String> {
    let data = |name: &str| format!("data-{}", u8::from(name == "b"));
    let equip = |dir: &lab::Scratch, spec: HostSpec| {
        let path = dir.path(&data(&spec.name));
        std::fs::create_dir_all(path.join("empty")).expect("directories");
        HostSpec { disk: disks.then(|| DiskSpec::new(path)), ..spec }
    };
    let lab = Lab::equipped(rung, 3, 1, lab::Scratch::new(), equip).map_err(|error| error.to_string())?;
    let cluster = Cluster { lab, node_count: 2 };
    for node in 0..2 {
        let dir = cluster.data(node);
        let keeper = ProcessSpec { dir, ..cluster.lab.process(node, &["keep", "numbers"]) };
        cluster.lab.hosts.spawn(HostId(node), keeper).expect("a keeper");
    }
    wait_until("numbers", || (0..2).all(|node| kept(&cluster, node) >= 5));
    Ok(cluster)
}

fn kept(cluster: &Cluster, node: usize) -> u64 {
    cluster.last(node, "kept").unwrap_or(0)
}

/// Heals, and returns how many numbers the node then finds, and how many of them are right.
fn found(cluster: &Cluster, injector: &Injector<&nemesis::hosts::Hosts>, id: FaultId) -> (u64, u64) {
    let before = cluster.lab.said(0).len();
    let healed = injector.heal(id);
    assert_eq!((&healed.outcome, healed.inert), (&Outcome::Healed, false), "{}", healed.to_json());
    let said = |word: &str| numbers(&cluster.lab.said(0)[before..], word).get(&0).copied();
    // A talker that is still going on comes before the new one.
    wait_until("what is found", || said("right").is_some() && said("kept").is_some());
    (said("found").unwrap_or(0), said("right").unwrap_or(0))
}

fn a_wiped_node_starts_empty(cluster: &Cluster) {
    let injector = cluster.injector();
    let (id, installed) = cluster.install(&injector, &Fault::Wipe { target: node(0) });
    let lost = (count(&installed, "processes_killed"), count(&installed, "files_harmed"), installed.inert);
    assert_eq!(lost, (1, 1, false), "{}", installed.to_json());
    assert!(count(&installed, "bytes_harmed") >= 40);
    assert_eq!(installed.took_effect["harmed"], installed.took_effect["nodes"]["n1"]["harmed"]);
    let other = kept(cluster, 1);
    wait_until("the other", || kept(cluster, 1) > other + 3);
    assert_eq!(found(cluster, &injector, id), (0, 0));
    assert!(!cluster.lab.said(0).contains("refused"), "it can write");
    let (again, second) = cluster.install(&injector, &Fault::Wipe { target: Target::Nodes(vec![0]) });
    assert!(!second.inert && !injector.heal(again).inert);
}

fn a_rollback_forgets(cluster: &Cluster) {
    let injector = cluster.injector();
    let before_backup = kept(cluster, 0);
    let (id, installed) = cluster.install(&injector, &Fault::Rollback { target: node(0) });
    assert_eq!((&installed.outcome, count(&installed, "backups")), (&Outcome::Installed, 1));
    let after_backup = kept(cluster, 0);
    wait_until("more numbers", || kept(cluster, 0) >= after_backup + 20);
    let (found, right) = found(cluster, &injector, id);
    // What was said a moment after the backup may have been written a moment before it.
    let backup = before_backup..=after_backup + 3;
    assert!(backup.contains(&found), "{found}, and the backup was made at {backup:?}");
    assert_eq!(right, found);
}

fn damage_is_found(cluster: &Cluster) {
    let injector = cluster.injector();
    wait_until("two chunks", || kept(cluster, 0) >= 130);
    for (kind, count_of) in [(DamageKind::FlipBits, 3), (DamageKind::CopyChunks, 2), (DamageKind::Truncate, 1)] {
        let damage = FileDamage { kind, path: Some("lo?".to_owned()), count: count_of, seed: 5 };
        let (id, installed) = cluster.install(&injector, &Fault::FileDamage { target: node(0), damage });
        assert_eq!((count(&installed, "files_harmed"), installed.inert), (1, false), "{}", installed.to_json());
        let before = kept(cluster, 0);
        let (found, right) = found(cluster, &injector, id);
        match kind {
            DamageKind::Truncate => assert!(found < before, "{found} of {before}"),
            _ => assert!(found >= before && right < found, "{right} of {found} right, {before} kept"),
        }
    }
    let nowhere = FileDamage { kind: DamageKind::FlipBits, path: Some("no such file".to_owned()), count: 3, seed: 5 };
    let (id, installed) = cluster.install(&injector, &Fault::FileDamage { target: node(0), damage: nowhere });
    assert!(installed.inert && injector.heal(id).inert);
}

fn data_can_be_lost_while_the_machine_is_gone(cluster: &Cluster) {
    let injector = cluster.injector();
    let (rollback, _) = cluster.install(&injector, &Fault::Rollback { target: node(0) });
    let (crash, _) = cluster.install(&injector, &Fault::Crash { target: node(0) });
    let (wipe, installed) = cluster.install(&injector, &Fault::Wipe { target: node(0) });
    assert_eq!((count(&installed, "files_harmed"), installed.inert), (1, false));
    let healed = injector.heal(rollback);
    assert_eq!((&healed.outcome, healed.inert), (&Outcome::Healed, false), "the backup is back");
    injector.heal(crash);
    assert_eq!(cluster.lab.hosts.process_count(HostId(0)).expect("a count"), 0, "until the wipe is healed too");
    let (found, right) = found(cluster, &injector, wipe);
    assert!(found >= 5 && right == found, "{right} of {found}");
}
