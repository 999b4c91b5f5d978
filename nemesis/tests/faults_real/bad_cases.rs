//! What goes wrong around faults: nodes that are down already, or end by themselves, and are not quietly started again.

use std::fs;

use nemesis::fault::{ClockFault, Fault, LinkKind, Peers, Shortage, Target};
use nemesis::hosts::{HostId, ProcessSpec, Rung};
use nemesis::injector::Outcome;

use crate::lab::{Lab, wait_until};
use crate::runner::Test;
use crate::{Cluster, bad, count, node};

pub const TESTS: &[Test] = &[
    ("who_ends_by_itself_during_a_fault_is_reported_and_not_started", who_ends_by_itself_is_not_started),
    ("every_fault_on_a_node_that_is_down_is_healed_without_a_trace", every_fault_on_a_node_that_is_down),
    ("everything_is_healed_while_a_node_is_down", everything_is_healed_while_a_node_is_down),
];

/// Two nodes that end when they are told to, by a file.
fn mortals(rung: Rung) -> Cluster {
    let cluster = Cluster { lab: Lab::new(rung, 3), node_count: 2 };
    for node in 0..2 {
        fs::create_dir(cluster.data(node)).expect("a directory");
        let process = ProcessSpec { dir: cluster.data(node), ..cluster.lab.process(node, &["mortal", "0"]) };
        cluster.lab.hosts.spawn(HostId(node), process).expect("a process");
    }
    wait_until("life", || (0..2).all(|node| cluster.last(node, "alive").is_some()));
    cluster
}

fn who_ends_by_itself_is_not_started(rung: Rung) {
    for fault in [
        bad(LinkKind::Slow, Target::All, Peers::All),
        Fault::Resources { target: node(0), shortage: Shortage::Cpu { percent: 30 } },
        Fault::Pause { target: node(1) },
    ] {
        let cluster = mortals(rung);
        let injector = cluster.injector();
        let (id, _) = cluster.install(&injector, &fault);
        fs::write(cluster.data(0).join("end"), "").expect("a word");
        let exit = cluster.lab.wait_exit(0);
        assert_eq!((exit.code, exit.main, exit.expected), (Some(3), true, false), "nobody asked it to: {fault}");
        assert_eq!(injector.heal(id).outcome, Outcome::Healed);
        assert_eq!(cluster.lab.hosts.process_count(HostId(0)).expect("a count"), 0, "nobody started it: {fault}");
        let (again, killed) = cluster.install(&injector, &Fault::Kill { target: node(0) });
        assert!(killed.inert, "there was nothing to kill");
        fs::remove_file(cluster.data(0).join("end")).expect("forgotten");
        assert_eq!(count(&injector.heal(again), "processes_running"), 1, "whoever heals a kill starts the node");
    }
}

fn everything() -> Vec<Fault> {
    let target = || node(0);
    vec![
        Fault::Resources { target: target(), shortage: Shortage::Cpu { percent: 20 } },
        Fault::Resources { target: target(), shortage: Shortage::Memory { headroom: 1 << 20 } },
        Fault::Resources { target: target(), shortage: Shortage::Descriptors { headroom: 1 } },
        Fault::Pause { target: target() },
        Fault::Stop { target: target() },
        Fault::Kill { target: target() },
        Fault::CrashLoop { target: target() },
        Fault::Rollback { target: target() },
        Fault::Wipe { target: target() },
        bad(LinkKind::Lossy, target(), Peers::All),
        bad(LinkKind::Slow, target(), Peers::All),
        Fault::PartitionOne { target: target() },
    ]
}

fn every_fault_on_a_node_that_is_down(rung: Rung) {
    let cluster = Cluster::new(rung, 2);
    let injector = cluster.injector();
    for down in [Fault::Kill { target: node(0) }, Fault::Crash { target: node(0) }] {
        for fault in everything() {
            let (first, _) = cluster.install(&injector, &down);
            let (id, installed) = cluster.install(&injector, &fault);
            assert_eq!(installed.outcome, Outcome::Installed, "{fault} under {down}: {}", installed.to_json());
            assert!(
                installed.inert
                    || installed.took_effect["links_cut"].is_u64()
                    || fault.family() == "link"
                    || fault.family() == "rollback"
            );
            assert_eq!(injector.heal(id).outcome, Outcome::Healed, "{fault} under {down}");
            assert_eq!(cluster.lab.hosts.process_count(HostId(0)).expect("a count"), 0, "{fault} under {down}");
            assert_eq!(count(&injector.heal(first), "processes_running"), 1, "{fault} under {down}");
        }
    }
    cluster.only_silent(&std::collections::BTreeSet::new());
}

fn everything_is_healed_while_a_node_is_down(rung: Rung) {
    let cluster = Cluster::new(rung, 2);
    let injector = cluster.injector();
    let mut faults = everything();
    faults.insert(3, Fault::Crash { target: Target::All });
    for fault in &faults {
        cluster.install(&injector, fault);
    }
    assert_eq!(injector.installed().len(), faults.len());
    // Not in the order of the stack.
    let ids: Vec<_> = injector.installed().iter().map(|(id, ..)| *id).collect();
    for id in ids.into_iter().step_by(2) {
        assert_eq!(injector.heal(id).outcome, Outcome::Healed);
    }
    for (_, healed) in injector.heal_all() {
        assert_eq!(healed.outcome, Outcome::Healed, "{}", healed.to_json());
    }
    let reading = cluster.lab.hosts.read_resources(HostId(0)).expect("a reading").expect("it is up");
    assert_eq!((reading.stopped, reading.processes.len()), (0, 1));
    assert!(!reading.processes[0].memory.lowered && !reading.processes[0].descriptors.lowered);
    cluster.only_silent(&std::collections::BTreeSet::new());
    let jump = Fault::Clock { target: node(0), change: ClockFault::Freeze };
    let (id, refused) = cluster.install(&injector, &jump);
    assert!(matches!(refused.outcome, Outcome::Indeterminate(_)) && refused.inert, "these hosts have no clocks");
    drop(injector.heal(id));
}
