//! Each fault says what it asked for and what it did; one that did nothing is inert.

mod injector_fake;

use injector_fake::{Fake, injector, install};
use nemesis::fault::{Fault, Target};
use nemesis::injector::{Effect, FaultId, Outcome};
use serde_json::json;

fn node(node: usize) -> Target {
    Target::Node(node)
}

#[test]
fn a_cut_counts_the_packets_that_it_dropped() {
    let fake = Fake::new(3);
    let injector = injector(&fake, 3);
    let (id, installed) = install(&injector, &Fault::PartitionOne { target: Target::Leader { fallback: 2 } });
    assert_eq!(installed.f, "leader-isolated");
    assert_eq!(
        installed.to_json(),
        json!({
            "id": 0,
            "asked": {
                "fault": "leader-isolated",
                "targets": ["n1"],
                "spec": { "fault": "partition-one", "target": { "leader": { "fallback": "n3" } } },
            },
            "outcome": "installed",
            "took_effect": { "links_cut": 4 },
            "inert": false,
        })
    );
    fake.chatter(3);
    let healed = injector.heal(id);
    assert_eq!((healed.f, &healed.outcome, healed.inert), ("heal", &Outcome::Healed, false));
    assert_eq!(healed.took_effect, json!({ "packets_dropped": 4, "links_restored": 4 }));
    assert_eq!(healed.asked["heal"], json!(0));
    assert_eq!(healed.asked["fault"], json!("leader-isolated"));
}

#[test]
fn a_cut_that_dropped_nothing_is_inert() {
    let fake = Fake::new(3);
    let injector = injector(&fake, 3);
    let (id, installed) = install(&injector, &Fault::PartitionOne { target: node(1) });
    assert!(!installed.inert, "not known yet");
    assert!(injector.heal(id).inert);
}

#[test]
fn packets_that_an_earlier_cut_dropped_do_not_count() {
    let fake = Fake::new(2);
    let injector = injector(&fake, 2);
    let (first, _) = install(&injector, &Fault::PartitionOne { target: node(1) });
    fake.chatter(2);
    injector.heal(first);
    let (second, _) = install(&injector, &Fault::PartitionOne { target: node(1) });
    assert_eq!(injector.heal(second).took_effect["packets_dropped"], json!(0));
}

#[test]
fn kill_crash_and_pause_count_what_they_hit() {
    let cases = [
        (Fault::Kill { target: node(0) }, "dead", json!({ "processes_killed": 1 })),
        (Fault::Crash { target: node(0) }, "gone", json!({ "processes_killed": 1, "machines_gone": 1 })),
        (Fault::Pause { target: node(0) }, "stopped", json!({ "processes_stopped": 1 })),
    ];
    for (fault, state, mut counts) in cases {
        let fake = Fake::new(2);
        let injector = injector(&fake, 2);
        let (id, installed) = install(&injector, &fault);
        assert_eq!((fake.is(0), fake.is(1)), (state, "running"));
        let mut of_node = counts.clone();
        of_node["was"] = json!("running");
        counts["nodes"] = json!({ "n1": of_node });
        assert_eq!((&installed.outcome, installed.inert), (&Outcome::Installed, false));
        assert_eq!(installed.took_effect, counts);
        let healed = injector.heal(id);
        let running = json!({ "is": "running", "processes_running": 1 });
        assert_eq!(healed.took_effect, json!({ "processes_running": 1, "nodes": { "n1": running } }));
        assert_eq!((fake.is(0), healed.outcome, healed.inert), ("running", Outcome::Healed, false));
    }
}

#[test]
fn killing_a_node_that_ended_by_itself_is_inert() {
    let fake = Fake::new(1);
    let injector = injector(&fake, 1);
    fake.dies(0);
    let (id, installed) = install(&injector, &Fault::Kill { target: node(0) });
    assert!(installed.inert);
    assert_eq!(installed.outcome, Outcome::Installed);
    let healed = injector.heal(id);
    assert!(healed.inert);
    assert_eq!(fake.is(0), "running", "a heal starts it all the same");
}

#[test]
fn what_cannot_be_is_skipped_for_a_reason() {
    let fake = Fake::new(1);
    let injector = injector(&fake, 1);
    let skipped = |effect: Effect| match effect.outcome {
        Outcome::Skipped(reason) => reason,
        other => panic!("{other:?}"),
    };
    let (id, effect) = install(&injector, &Fault::PartitionOne { target: node(0) });
    assert_eq!(skipped(effect), "it touches no link of this cluster");
    assert_eq!(skipped(injector.heal(id)), "it was not installed");
    assert_eq!(
        skipped(injector.install(FaultId(5), &Fault::Kill { target: node(7) }, &[7])),
        "it hits no node of this cluster"
    );
    let kill = Fault::Kill { target: node(0) };
    injector.install(FaultId(6), &kill, &[0]);
    assert_eq!(skipped(injector.install(FaultId(6), &kill, &[0])), "fault 6 was installed before");
    injector.heal(FaultId(6));
    assert_eq!(skipped(injector.heal(FaultId(6))), "it is healed already");
}

#[test]
fn what_may_have_happened_is_indeterminate_and_healed_like_the_rest() {
    let fake = Fake::new(2);
    let injector = injector(&fake, 2);
    fake.refuse(&["kill"]);
    let (id, effect) = install(&injector, &Fault::Kill { target: Target::All });
    let reason = "n1: host n1: refuses to kill; n2: host n2: refuses to kill";
    assert_eq!(effect.outcome, Outcome::Indeterminate(reason.to_owned()));
    assert!(effect.inert);
    assert_eq!(injector.heal(id).outcome, Outcome::Healed);
    assert_eq!(fake.done(), "kill 0, restart 0, kill 1, restart 1");
}

#[test]
fn links_that_do_not_read_back_as_cut_are_indeterminate() {
    let fake = Fake::new(2);
    let injector = injector(&fake, 2);
    fake.refuse(&["set_links"]);
    let (_, effect) = install(&injector, &Fault::PartitionOne { target: node(0) });
    assert_eq!(effect.outcome, Outcome::Indeterminate("2 of 2 links are not as asked for when read back".to_owned()));
}

#[test]
fn an_effect_reads_back_from_the_history() {
    let fake = Fake::new(3);
    let injector = injector(&fake, 3);
    let (_, effect) = install(&injector, &Fault::Crash { target: Target::Nodes(vec![0, 2]) });
    let read: Effect = serde_json::from_value(effect.to_json()).expect("what was written can be read");
    assert_eq!(Effect { f: effect.f, ..read }, effect);
}
