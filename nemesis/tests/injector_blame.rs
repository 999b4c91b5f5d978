//! A fault is said to have done what it did, and nothing else.

mod injector_fake;

use injector_fake::{Fake, injector, install};
use nemesis::disk::{DiskFault, Effect as DiskEffect};
use nemesis::fault::{ClockFault, Fault, Target};
use nemesis::injector::{Effect, Outcome};
use serde_json::json;

fn bad_disk(effect: DiskEffect) -> Fault {
    Fault::Disk { target: Target::Node(0), misbehaves: DiskFault::new(effect) }
}

fn restarted(healed: &Effect) -> serde_json::Value {
    healed.took_effect["nodes_restarted"].clone()
}

#[test]
fn a_disk_that_hit_nothing_ended_nobody() {
    let fake = Fake::new(1);
    let injector = injector(&fake, 1);
    let (id, _) = install(&injector, &bad_disk(DiskEffect::Hang));
    fake.dies(0);
    let healed = injector.heal(id);
    assert_eq!((restarted(&healed), healed.inert, fake.is(0)), (json!([]), true, "dead"));
}

#[test]
fn who_did_not_run_was_not_ended_by_a_disk() {
    let fake = Fake::new(1);
    let injector = injector(&fake, 1);
    fake.dies(0);
    let (id, _) = install(&injector, &bad_disk(DiskEffect::Hang));
    // Whoever looks at the files is hit as well.
    fake.use_disk(0);
    let healed = injector.heal(id);
    assert_eq!((restarted(&healed), healed.inert, fake.is(0)), (json!([]), false, "dead"));
}

#[test]
fn who_was_started_under_a_fault_ran_under_it() {
    let fake = Fake::new(1);
    let injector = injector(&fake, 1);
    let (killed, _) = install(&injector, &Fault::Kill { target: Target::All });
    let (id, _) = install(&injector, &bad_disk(DiskEffect::Hang));
    injector.heal(killed);
    fake.use_disk(0);
    fake.dies(0);
    assert_eq!((restarted(&injector.heal(id)), fake.is(0)), (json!(["n1"]), "running"));
}

#[test]
fn who_was_ended_by_a_disk_waits_for_the_other_fault_of_it() {
    let fake = Fake::new(1);
    let injector = injector(&fake, 1);
    let (first, _) = install(&injector, &bad_disk(DiskEffect::Hang));
    fake.use_disk(0);
    fake.dies(0);
    let (second, _) = install(&injector, &bad_disk(DiskEffect::LyingFsync));
    let (paused, _) = install(&injector, &Fault::Pause { target: Target::All });
    assert_eq!((restarted(&injector.heal(first)), fake.is(0)), (json!([]), "dead"));
    injector.heal(paused);
    assert_eq!(fake.is(0), "dead", "it would end again");
    let healed = injector.heal(second);
    assert_eq!((healed.outcome.clone(), healed.inert, fake.is(0)), (Outcome::Healed, true, "running"));
    assert_eq!((restarted(&healed), &healed.took_effect["nodes_restarted_for"]), (json!([]), &json!({ "n1": first })));
}

#[test]
fn a_clock_fault_that_another_hides_has_not_bitten() {
    let clock = |change| Fault::Clock { target: Target::Node(0), change };
    let fake = Fake::new(1);
    let injector = injector(&fake, 1);
    let (still, first) = install(&injector, &clock(ClockFault::Freeze));
    let (drift, second) = install(&injector, &clock(ClockFault::Drift { ppm: 9 }));
    let (jump, third) = install(&injector, &clock(ClockFault::Jump { by_ms: 3 }));
    assert_eq!((first.inert, second.inert, third.inert), (false, true, false), "a jump shows on a still clock");
    assert!(injector.heal(drift).inert);
    let (drift, _) = install(&injector, &clock(ClockFault::Drift { ppm: 9 }));
    assert!(!injector.heal(still).inert);
    assert!(!injector.heal(drift).inert, "it showed as soon as the clock went on");
    injector.heal(jump);
    let strobe = |by_ms| clock(ClockFault::Strobe { by_ms, period_ms: 5 });
    let (one, _) = install(&injector, &strobe(1));
    let (same, installed) = install(&injector, &strobe(1));
    assert!(installed.inert, "there is one already");
    assert!(!injector.heal(one).inert);
    assert!(!injector.heal(same).inert, "it took its place");
}
