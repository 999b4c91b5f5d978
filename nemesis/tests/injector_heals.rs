//! Healing is idempotent, overlapping faults compose, and nothing stays behind.

mod injector_fake;

use std::collections::BTreeMap;

use injector_fake::{Fake, injector, install, layout};
use nemesis::clock::Skew;
use nemesis::data::{DamageKind, FileDamage};
use nemesis::disk::{CutMode, DiskFault, Effect, PowerCut};
use nemesis::fault::{ClockFault, Fault, FaultName, Shortage, Target, links};
use nemesis::hosts::{HostId, ResourceLimits};
use nemesis::injector::{Condition, FaultId, Injector, Ledger, LedgerError, Machines, Outcome, Record};
use nemesis::schedule::{Intervals, generate};
use nemesis::seed::Seed;
use nemesis::wire::Link;
use proptest::prelude::*;

fn kill(node: usize) -> Fault {
    Fault::Kill { target: Target::Node(node) }
}

fn crash(node: usize) -> Fault {
    Fault::Crash { target: Target::Node(node) }
}

fn pause(node: usize) -> Fault {
    Fault::Pause { target: Target::Node(node) }
}

#[test]
fn healing_twice_does_nothing_the_second_time() {
    let fake = Fake::new(3);
    let injector = injector(&fake, 3);
    let (id, _) = install(&injector, &kill(1));
    injector.heal(id);
    fake.done();
    assert!(matches!(injector.heal(id).outcome, Outcome::Skipped(_)));
    assert_eq!(injector.heal_all(), vec![]);
    assert_eq!(fake.done(), "");
}

#[test]
fn a_link_stays_cut_while_any_fault_cuts_it() {
    let fake = Fake::new(3);
    let injector = injector(&fake, 3);
    let (first, _) = install(&injector, &Fault::PartitionOne { target: Target::Node(0) });
    let (second, _) = install(&injector, &Fault::PartitionOne { target: Target::Node(1) });
    let healed = injector.heal(first);
    assert_eq!(healed.took_effect["links_restored"], 2);
    let both = |a, b| [(HostId(a), HostId(b)), (HostId(b), HostId(a))];
    assert_eq!(fake.cut_links(), both(0, 1).into_iter().chain(both(1, 2)).collect());
    injector.heal(second);
    assert!(fake.cut_links().is_empty());
}

#[test]
fn a_node_that_was_killed_while_it_was_crashed_stays_dead_until_both_are_healed() {
    let fake = Fake::new(1);
    let injector = injector(&fake, 1);
    let (crashed, _) = install(&injector, &crash(0));
    let (killed, effect) = install(&injector, &kill(0));
    assert!(effect.inert, "it found no process");
    assert_eq!(effect.took_effect["nodes"]["n1"]["was"], "crashed");
    assert_eq!(injector.heal(crashed).took_effect["nodes"]["n1"]["is"], "killed");
    assert_eq!(fake.is(0), "dead");
    assert!(!injector.heal(killed).inert, "it kept the node down after the crash was healed");
    assert_eq!(fake.done(), "crash 0, reboot 0, restart 0");
}

#[test]
fn a_kill_that_is_over_before_the_crash_is_inert() {
    let fake = Fake::new(1);
    let injector = injector(&fake, 1);
    let (crashed, _) = install(&injector, &crash(0));
    let (killed, _) = install(&injector, &kill(0));
    assert!(injector.heal(killed).inert);
    assert_eq!(fake.is(0), "gone");
    injector.heal(crashed);
    assert_eq!(fake.is(0), "running");
}

#[test]
fn a_killed_node_that_crashes_boots_before_it_starts() {
    let fake = Fake::new(1);
    let injector = injector(&fake, 1);
    let (killed, _) = install(&injector, &kill(0));
    let (crashed, effect) = install(&injector, &crash(0));
    assert!(!effect.inert, "no process was left, but the machine is gone");
    injector.heal(killed);
    injector.heal(crashed);
    assert_eq!(fake.done(), "kill 0, crash 0, reboot 0, restart 0");
}

#[test]
fn a_pause_that_outlasts_a_kill_stops_the_new_process() {
    let fake = Fake::new(1);
    let injector = injector(&fake, 1);
    let (killed, _) = install(&injector, &kill(0));
    let (paused, effect) = install(&injector, &pause(0));
    assert!(effect.inert);
    let healed = injector.heal(killed);
    assert_eq!(healed.took_effect["nodes"]["n1"]["processes_stopped"], 1);
    assert_eq!((fake.is(0), injector.conditions()), ("stopped", vec![Condition::Paused]));
    assert!(!injector.heal(paused).inert);
    assert_eq!(fake.done(), "kill 0, restart 0, pause 0, resume 0");
}

#[test]
fn a_heal_that_fails_is_tried_again() {
    let fake = Fake::new(1);
    let injector = injector(&fake, 1);
    let (id, _) = install(&injector, &crash(0));
    fake.refuse(&["restart"]);
    assert_eq!(injector.heal(id).outcome, Outcome::Indeterminate("n1: host n1: refuses to restart".to_owned()));
    assert_eq!(injector.installed().len(), 1);
    fake.refuse(&[]);
    let healed = injector.heal_all();
    assert_eq!(healed.len(), 1);
    assert_eq!((fake.is(0), &healed[0].1.outcome), ("running", &Outcome::Healed));
    assert_eq!(fake.done(), "crash 0, reboot 0, restart 0, restart 0", "it boots only once");
}

#[test]
fn a_machine_that_does_not_boot_stays_in_the_ledger_until_it_does() {
    let fake = Fake::new(1);
    let injector = injector(&fake, 1);
    let (id, _) = install(&injector, &crash(0));
    fake.refuse(&["reboot"]);
    assert_eq!(injector.heal(id).outcome, Outcome::Indeterminate("n1: host n1: refuses to reboot".to_owned()));
    assert_eq!((injector.conditions(), injector.installed().len()), (vec![Condition::Crashed], 1));
    fake.refuse(&[]);
    assert_eq!((injector.heal_all()[0].1.outcome.clone(), fake.is(0)), (Outcome::Healed, "running"));
}

#[test]
fn a_fault_whose_heal_was_begun_wants_nothing_any_more() {
    let fake = Fake::new(1);
    let injector = injector(&fake, 1);
    let (crashed, _) = install(&injector, &crash(0));
    fake.refuse(&["restart"]);
    injector.heal(crashed);
    fake.refuse(&[]);
    let (paused, _) = install(&injector, &pause(0));
    injector.heal(paused);
    assert_eq!(fake.done(), "crash 0, reboot 0, restart 0, restart 0", "it is not crashed again");
    assert_eq!((fake.is(0), injector.installed().len()), ("running", 1));
    injector.heal_all();
    assert_eq!(injector.installed().len(), 0);
}

#[test]
fn the_ledger_on_disk_is_ahead_of_the_fault() {
    let dir = std::env::temp_dir().join(format!("splitbrain-ledger-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a temporary directory");
    let path = dir.join("ledger.jsonl");
    let fake = Fake::new(2);
    let injector = Injector::new(&fake, layout(2), Some(&path)).expect("the ledger can be made");
    fake.watch(&path);
    injector.install(FaultId(0), &kill(0), &[0]);
    injector.install(FaultId(1), &Fault::PartitionOne { target: Target::Node(1) }, &[1]);
    injector.heal(FaultId(0));
    assert_eq!(fake.done(), "kill 0 after line 1, restart 0 after line 5");
    let records = Ledger::read(&path).expect("the ledger can be read");
    let entries: Vec<_> = records
        .iter()
        .map(|record| match record {
            Record::Install { id, .. } => format!("install {}", id.0),
            Record::Installed { id, .. } => format!("installed {}", id.0),
            Record::Heal { id } => format!("heal {}", id.0),
            Record::Healed { id, .. } => format!("healed {}", id.0),
        })
        .collect();
    assert_eq!(entries.join(", "), "install 0, installed 0, install 1, installed 1, heal 0, healed 0");
    let open: Vec<_> = Ledger::still_installed(&records).into_iter().map(|(id, fault)| (id.0, fault.name())).collect();
    assert_eq!(open, [(1, "partition-one")]);

    let text = std::fs::read(&path).expect("the ledger can be read");
    for cut in 0..text.len() {
        std::fs::write(&path, &text[..cut]).expect("the ledger can be cut off");
        let read = Ledger::read(&path).expect("a ledger that was cut off can be read");
        assert_eq!(read, records[..read.len()]);
        let lines = text[..cut].iter().filter(|byte| **byte == b'\n').count();
        assert!(read.len() >= lines, "cut at {cut}: {} of {lines} whole lines", read.len());
    }
    std::fs::remove_dir_all(&dir).expect("the temporary directory can be removed");
}

#[test]
fn a_ledger_that_cannot_be_made_is_an_error_that_names_it() {
    let missing = std::path::Path::new("/nonexistent/ledger.jsonl");
    let error = Injector::new(Fake::new(1), layout(1), Some(missing)).err().expect("there is no such directory");
    assert!(matches!(error, LedgerError::File { .. }));
    assert_eq!(error.to_string(), "cannot create the ledger /nonexistent/ledger.jsonl");
}

fn clock(node: usize, change: ClockFault) -> Fault {
    Fault::Clock { target: Target::Node(node), change }
}

#[test]
fn a_clock_is_off_by_all_that_is_installed() {
    let fake = Fake::new(3);
    let injector = injector(&fake, 3);
    let (jump, first) = install(&injector, &clock(0, ClockFault::Jump { by_ms: 5 }));
    assert!(!first.inert);
    assert_eq!(first.took_effect["nodes"]["n1"]["offset_ms"], 5.0);
    let (drift, _) = install(&injector, &clock(0, ClockFault::Drift { ppm: 7 }));
    let (again, _) = install(&injector, &clock(0, ClockFault::Jump { by_ms: 1 }));
    assert_eq!((fake.clock(0).jump_ns, fake.clock(0).drift_ppm, fake.clock(1)), (6_000_000, 7, Skew::default()));
    injector.heal(jump);
    assert_eq!((fake.clock(0).jump_ns, fake.clock(0).drift_ppm), (1_000_000, 7));
    injector.heal(drift);
    assert!(!injector.heal(again).inert);
    assert_eq!(fake.clock(0), Skew::default());
}

#[test]
fn a_clock_that_no_process_lives_by_is_inert_until_one_does() {
    let fake = Fake::new(1);
    let injector = injector(&fake, 1);
    fake.dies(0);
    let (id, installed) = install(&injector, &clock(0, ClockFault::Freeze));
    assert!(installed.inert && installed.outcome == Outcome::Installed);
    fake.restart(HostId(0)).expect("it starts");
    assert!(!injector.heal(id).inert, "it started while the clock stood still");
    let (crash, _) = install(&injector, &crash(0));
    let (id, installed) = install(&injector, &clock(0, ClockFault::Freeze));
    assert_eq!(
        (installed.outcome, installed.took_effect["nodes"]["n1"]["is"].as_str()),
        (Outcome::Installed, Some("crashed"))
    );
    assert!(injector.heal(id).inert);
    injector.heal(crash);
}

#[test]
fn a_disk_misbehaves_in_every_way_that_is_installed_and_each_is_counted() {
    let fake = Fake::new(2);
    let injector = injector(&fake, 2);
    let disk = |effect| Fault::Disk { target: Target::Node(1), misbehaves: DiskFault::new(effect) };
    let (hang, _) = install(&injector, &disk(Effect::Hang));
    fake.use_disk(1);
    let (lie, _) = install(&injector, &disk(Effect::LyingFsync));
    fake.use_disk(1);
    assert_eq!(fake.disk(1).len(), 2);
    let healed = injector.heal(hang);
    assert_eq!((healed.took_effect["operations_hit"].as_u64(), healed.inert), (Some(2), false));
    assert_eq!(fake.disk(1).iter().map(|fault| fault.effect).collect::<Vec<_>>(), [Effect::LyingFsync]);
    fake.use_disk(1);
    assert_eq!(injector.heal(lie).took_effect["operations_hit"], 2);
    let (never, _) = install(&injector, &disk(Effect::Hang));
    assert!(injector.heal(never).inert && fake.disk(1).is_empty());
}

#[test]
fn a_node_that_ended_on_a_bad_disk_is_started_again_and_it_is_told() {
    let fake = Fake::new(2);
    let injector = injector(&fake, 2);
    let bad = Fault::Disk { target: Target::All, misbehaves: DiskFault::new(Effect::Hang) };
    let (id, _) = install(&injector, &bad);
    fake.use_disk(1);
    fake.dies(1);
    let healed = injector.heal(id);
    assert_eq!((healed.took_effect["nodes_restarted"].clone(), fake.is(1)), (serde_json::json!(["n2"]), "running"));
    let (id, _) = install(&injector, &bad);
    let (killed, _) = install(&injector, &kill(1));
    assert_eq!(injector.heal(id).took_effect["nodes_restarted"], serde_json::json!([]), "it is to be dead");
    injector.heal(killed);
}

#[test]
fn a_node_that_ended_on_a_bad_disk_while_it_was_paused_is_started_when_it_goes_on() {
    let fake = Fake::new(1);
    let injector = injector(&fake, 1);
    let bad = Fault::Disk { target: Target::All, misbehaves: DiskFault::new(Effect::Hang) };
    let (disk, _) = install(&injector, &bad);
    fake.use_disk(0);
    fake.dies(0);
    let (paused, _) = install(&injector, &pause(0));
    injector.heal(disk);
    assert_eq!(fake.is(0), "dead", "it is to be paused");
    fake.refuse(&["restart"]);
    assert!(matches!(injector.heal(paused).outcome, Outcome::Indeterminate(_)));
    fake.refuse(&[]);
    injector.heal_all();
    assert_eq!((fake.is(0), injector.installed().len()), ("running", 0));
    // A node that ends by itself for any other reason stays down.
    fake.dies(0);
    let (paused, _) = install(&injector, &pause(0));
    injector.heal(paused);
    assert_eq!(fake.is(0), "dead");
}

#[test]
fn a_heal_that_is_tried_again_remembers_what_the_fault_did() {
    let fake = Fake::new(1);
    let injector = injector(&fake, 1);
    let bad = Fault::Disk { target: Target::All, misbehaves: DiskFault::new(Effect::Hang) };
    let (id, _) = install(&injector, &bad);
    fake.use_disk(0);
    fake.dies(0);
    fake.refuse(&["restart"]);
    assert!(matches!(injector.heal(id).outcome, Outcome::Indeterminate(_)));
    fake.refuse(&[]);
    let healed = injector.heal(id);
    assert_eq!((healed.outcome, healed.inert), (Outcome::Healed, false));
    assert_eq!(healed.took_effect["operations_hit"], 1);
}

#[test]
fn two_faults_of_a_disk_that_are_alike_are_counted_apart() {
    let fake = Fake::new(1);
    let injector = injector(&fake, 1);
    let bad = Fault::Disk { target: Target::All, misbehaves: DiskFault::new(Effect::Hang) };
    let (first, _) = install(&injector, &bad);
    fake.use_disk(0);
    let (second, _) = install(&injector, &bad);
    assert_eq!(injector.heal(first).took_effect["operations_hit"], 1);
    assert!(injector.heal(second).inert, "it never hit anything");
}

#[test]
fn a_clock_that_did_not_follow_is_inert_though_it_is_right_again() {
    let fake = Fake::new(1);
    let injector = injector(&fake, 1);
    let jump = Fault::Clock { target: Target::All, change: ClockFault::Jump { by_ms: 5 } };
    fake.clocks_do_not_follow();
    let (id, installed) = install(&injector, &jump);
    assert!(installed.inert && injector.heal(id).inert);
}

#[test]
fn a_power_cut_tells_what_was_lost() {
    let fake = Fake::new(1);
    let injector = injector(&fake, 1);
    let cut = PowerCut { mode: CutMode::Torn, seed: 3 };
    let (id, installed) = install(&injector, &Fault::PowerCut { target: Target::All, cut });
    assert_eq!((installed.f, installed.took_effect["bytes_lost"].as_u64(), fake.is(0)), ("power-cut", Some(7), "gone"));
    injector.heal(id);
    assert_eq!(fake.is(0), "running");
}

fn short(node: usize, shortage: Shortage) -> Fault {
    Fault::Resources { target: Target::Node(node), shortage }
}

#[test]
fn processes_get_the_least_that_any_fault_leaves_them() {
    let fake = Fake::new(2);
    let injector = injector(&fake, 2);
    let (half, first) = install(&injector, &short(0, Shortage::Cpu { percent: 50 }));
    assert_eq!(
        (first.f, first.inert, first.took_effect["processes_throttled"].as_u64()),
        ("cpu-throttle", false, Some(1))
    );
    let (tenth, _) = install(&injector, &short(0, Shortage::Cpu { percent: 10 }));
    let (few, limited) = install(&injector, &short(0, Shortage::Descriptors { headroom: 4 }));
    assert_eq!((limited.inert, limited.took_effect["processes_limited"].as_u64()), (false, Some(1)));
    let both = ResourceLimits { cpu_percent: Some(10), memory_headroom: None, descriptor_headroom: Some(4) };
    assert_eq!((fake.limits(0), fake.limits(1)), (both, ResourceLimits::default()));
    assert_eq!(injector.heal(tenth).outcome, Outcome::Healed);
    assert_eq!(fake.limits(0), ResourceLimits { cpu_percent: Some(50), ..both });
    injector.heal(half);
    assert_eq!(fake.limits(0), ResourceLimits { cpu_percent: None, ..both });
    assert!(!injector.heal(few).inert);
    assert_eq!(fake.limits(0), ResourceLimits::default());
}

#[test]
fn limits_of_a_node_that_is_down_are_inert_until_it_runs() {
    let fake = Fake::new(1);
    let injector = injector(&fake, 1);
    for shortage in [Shortage::Cpu { percent: 5 }, Shortage::Memory { headroom: 1 }] {
        let (killed, _) = install(&injector, &kill(0));
        let (limit, installed) = install(&injector, &short(0, shortage));
        assert_eq!((installed.inert, &installed.outcome), (true, &Outcome::Installed), "{shortage}");
        assert!(injector.heal(limit).inert, "{shortage}");
        let (limit, _) = install(&injector, &short(0, shortage));
        injector.heal(killed);
        fake.set_resources(HostId(0), &Shortage::together([&shortage])).expect("its next turn");
        assert!(!injector.heal(limit).inert, "it ran under it: {shortage}");
        let (crashed, _) = install(&injector, &crash(0));
        let (limit, installed) = install(&injector, &short(0, shortage));
        assert_eq!(installed.took_effect["nodes"]["n1"]["is"], "crashed");
        assert!(injector.heal(limit).inert && injector.heal(crashed).outcome == Outcome::Healed);
    }
}

#[test]
fn who_ended_for_want_of_memory_is_started_again_and_who_was_throttled_is_not() {
    let fake = Fake::new(1);
    let injector = injector(&fake, 1);
    let (id, _) = install(&injector, &short(0, Shortage::Memory { headroom: 1 }));
    fake.dies(0);
    assert_eq!(injector.heal(id).took_effect["nodes_restarted"], serde_json::json!(["n1"]));
    let (id, _) = install(&injector, &short(0, Shortage::Cpu { percent: 1 }));
    fake.dies(0);
    assert_eq!((injector.heal(id).took_effect["nodes_restarted"].clone(), fake.is(0)), (serde_json::json!([]), "dead"));
}

#[test]
fn a_wiped_node_is_down_and_empty_and_comes_back_empty() {
    let fake = Fake::new(2);
    let injector = injector(&fake, 2);
    fake.write(0, "abc");
    let (id, installed) = install(&injector, &Fault::Wipe { target: Target::All });
    assert_eq!((installed.f, installed.inert, &installed.outcome), ("wipe", false, &Outcome::Installed));
    assert_eq!(
        (&installed.took_effect["files_harmed"], &installed.took_effect["bytes_harmed"]),
        (&1.into(), &3.into())
    );
    assert_eq!(fake.done(), "kill 0, wipe 0, kill 1, wipe 1");
    let (killed, _) = install(&injector, &kill(0));
    assert!(!injector.heal(id).inert);
    assert_eq!((fake.is(0), fake.is(1), fake.kept(0).as_str()), ("dead", "running", ""));
    assert!(!injector.heal(killed).inert, "it held the node down");
    assert_eq!(fake.is(0), "running");
    let (id, again) = install(&injector, &Fault::Wipe { target: Target::Node(0) });
    assert!(again.inert && injector.heal(id).inert, "there was nothing to lose");
}

#[test]
fn the_data_of_a_node_that_is_down_can_be_lost_too() {
    let fake = Fake::new(1);
    let injector = injector(&fake, 1);
    fake.write(0, "aaa");
    let (crashed, _) = install(&injector, &crash(0));
    let damage = FileDamage { kind: DamageKind::FlipBits, path: None, count: 2, seed: 1 };
    let (damaged, installed) = install(&injector, &Fault::FileDamage { target: Target::Node(0), damage });
    assert_eq!((installed.f, installed.inert), ("file-damage", false));
    injector.heal(crashed);
    assert_eq!(fake.is(0), "dead", "until the damage is healed too");
    injector.heal(damaged);
    assert_eq!((fake.is(0), fake.kept(0).as_str()), ("running", "??a"));
}

#[test]
fn a_node_that_cannot_be_killed_keeps_its_data() {
    let fake = Fake::new(1);
    let injector = injector(&fake, 1);
    fake.write(0, "a");
    fake.refuse(&["kill"]);
    let (id, installed) = install(&injector, &Fault::Wipe { target: Target::All });
    assert!(matches!(installed.outcome, Outcome::Indeterminate(_)) && installed.inert);
    assert_eq!((fake.kept(0).as_str(), fake.done().as_str()), ("a", "kill 0"));
    fake.refuse(&[]);
    assert!(injector.heal(id).inert);
}

#[test]
fn a_rollback_forgets_what_came_after_its_injection() {
    let fake = Fake::new(1);
    let injector = injector(&fake, 1);
    fake.write(0, "old");
    let (id, installed) = install(&injector, &Fault::Rollback { target: Target::Node(0) });
    assert_eq!((installed.f, installed.took_effect["backups"].as_u64()), ("rollback", Some(1)));
    assert_eq!((fake.is(0), fake.done().as_str()), ("running", "pause 0, back_up 0, resume 0"));
    fake.write(0, " new");
    let healed = injector.heal(id);
    assert_eq!((&healed.outcome, healed.inert, fake.kept(0).as_str()), (&Outcome::Healed, false, "old"));
    assert_eq!((healed.took_effect["bytes_harmed"].as_u64(), fake.is(0)), (Some(4), "running"));
    assert_eq!(fake.done(), "kill 0, roll_back 0, restart 0");
    let (id, _) = install(&injector, &Fault::Rollback { target: Target::Node(0) });
    assert!(injector.heal(id).inert, "nothing was written meanwhile");
}

#[test]
fn a_backup_of_a_paused_node_does_not_wake_it() {
    let fake = Fake::new(1);
    let injector = injector(&fake, 1);
    let (paused, _) = install(&injector, &pause(0));
    let (id, _) = install(&injector, &Fault::Rollback { target: Target::Node(0) });
    assert_eq!((fake.is(0), fake.done().as_str()), ("stopped", "pause 0, pause 0, back_up 0"));
    injector.heal(id);
    assert_eq!(fake.is(0), "stopped", "started again, and paused");
    injector.heal(paused);
    assert_eq!(fake.is(0), "running");
}

#[test]
fn a_rollback_that_is_tried_again_does_not_forget_more() {
    let fake = Fake::new(1);
    let injector = injector(&fake, 1);
    let (id, _) = install(&injector, &Fault::Rollback { target: Target::Node(0) });
    fake.write(0, "a");
    fake.refuse(&["restart"]);
    assert!(matches!(injector.heal(id).outcome, Outcome::Indeterminate(_)));
    fake.refuse(&[]);
    let (killed, _) = install(&injector, &kill(0));
    injector.heal(killed);
    fake.write(0, "b");
    injector.heal_all();
    assert_eq!((fake.kept(0).as_str(), fake.is(0)), ("b", "running"));
}

#[derive(Clone, Debug)]
enum Act {
    Install(usize),
    Heal(usize),
    Refuse(bool),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0usize..40).prop_map(Act::Install),
        4 => (0usize..40).prop_map(Act::Heal),
        1 => any::<bool>().prop_map(Act::Refuse),
    ]
}

/// What must hold after each step: every link and every node is as bad as the worst of what is installed.
fn must_be(injector: &Injector<&Fake>, node: usize) -> &'static str {
    let on_node = |(_, fault, targets): &(FaultId, Fault, Vec<String>)| {
        targets.contains(&format!("n{}", node + 1)).then(|| fault.family())
    };
    let families: Vec<_> = injector.installed().iter().filter_map(on_node).collect();
    let dead = ["kill", "stop", "wipe", "file"].map(|family| (family, "dead"));
    let worst = [("crash", "gone")].into_iter().chain(dead).chain([("pause", "stopped")]);
    worst.into_iter().find(|(family, _)| families.contains(family)).map_or("running", |(_, state)| state)
}

/// The same for links: what those must be that are touched.
fn must_be_set(injector: &Injector<&Fake>) -> BTreeMap<(HostId, HostId), Link> {
    let layout = layout(injector.conditions().len());
    let nodes: Vec<HostId> = layout.nodes.iter().map(|(_, host)| *host).collect();
    let position = |name: &str| layout.nodes.iter().position(|(node, _)| node == name).expect("a node");
    let mut must = BTreeMap::new();
    for (_, fault, targets) in injector.installed() {
        let targets: Vec<_> = targets.iter().map(|name| position(name)).collect();
        for link in links(&fault, &targets, &nodes, &layout.clients) {
            let so_far: &mut Link = must.entry(link).or_default();
            *so_far = so_far.and(fault.link());
        }
    }
    must
}

proptest! {
    #[test]
    fn in_any_order_everything_is_as_the_installed_faults_want_it(
        seed: u64, node_count in 2usize..=5, acts in prop::collection::vec(act(), 1..60)
    ) {
        let faults: Vec<Fault> =
            generate(Seed(seed), &FaultName::ALL, node_count, 300_000, &Intervals::default()).faults().cloned().collect();
        let fake = Fake::new(node_count);
        let injector = injector(&fake, node_count);
        for act in acts {
            match act {
                Act::Install(n) => drop(install(&injector, &faults[n % faults.len()])),
                Act::Heal(n) => drop(injector.heal(FaultId(n as u32))),
                Act::Refuse(_) => {}
            }
            for node in 0..node_count {
                prop_assert_eq!(fake.is(node), must_be(&injector, node), "node {}", node);
            }
            prop_assert_eq!(fake.set_links(), must_be_set(&injector));
        }
        injector.heal_all();
        prop_assert!((0..node_count).all(|node| fake.clock(node) == Skew::default() && fake.disk(node).is_empty()));
        prop_assert!((0..node_count).all(|node| fake.limits(node) == ResourceLimits::default()));
        prop_assert!(fake.set_links().is_empty());
        prop_assert!((0..node_count).all(|node| fake.is(node) == "running"));
    }

    #[test]
    fn whatever_refuses_on_the_way_nothing_stays_behind(
        seed: u64, node_count in 2usize..=5, acts in prop::collection::vec(act(), 1..60)
    ) {
        let faults: Vec<Fault> =
            generate(Seed(seed), &FaultName::ALL, node_count, 300_000, &Intervals::default()).faults().cloned().collect();
        let fake = Fake::new(node_count);
        let injector = injector(&fake, node_count);
        for act in acts {
            match act {
                Act::Install(n) => drop(install(&injector, &faults[n % faults.len()])),
                Act::Heal(n) => drop(injector.heal(FaultId(n as u32))),
                Act::Refuse(true) => fake.refuse(&["stop", "kill", "restart", "pause", "set_links", "set_clock", "read_clock", "set_disk", "set_resources", "read_resources", "wipe", "damage", "back_up", "roll_back"]),
                Act::Refuse(false) => fake.refuse(&[]),
            }
        }
        fake.refuse(&[]);
        injector.heal_all();
        prop_assert_eq!(injector.heal_all(), vec![]);
        prop_assert!(fake.set_links().is_empty());
        prop_assert!((0..node_count).all(|node| fake.is(node) == "running"));
    }
}

#[test]
fn what_harms_some_nodes_is_told_from_what_harms_the_others_only() {
    let fake = Fake::new(5);
    let injector = injector(&fake, 5);
    let core = [0, 1, 2];
    let harmful = [
        Fault::Kill { target: Target::Nodes(vec![2, 4]) },
        Fault::PartitionMatrix { links: vec![(0, 1)] },
        Fault::ClientsCut { target: Target::Node(1) },
        Fault::Pause { target: Target::All },
    ];
    let harmless = [
        Fault::Kill { target: Target::Node(3) },
        Fault::PartitionHalves { side: vec![3, 4] },
        Fault::ClientsCut { target: Target::Nodes(vec![3, 4]) },
        Fault::PartitionMatrix { links: vec![(3, 0), (0, 4)] },
    ];
    for fault in &harmless {
        install(&injector, fault);
    }
    assert_eq!(injector.harming(&core), []);
    let mut ids: Vec<_> = harmful.iter().map(|fault| install(&injector, fault).0).collect();
    ids.reverse();
    assert_eq!(injector.harming(&core), ids, "the last first");
    for id in injector.harming(&core) {
        injector.heal(id);
    }
    assert_eq!((injector.harming(&core), injector.installed().len()), (vec![], harmless.len()));
}
