//! A node that hangs holds up what concerns it, in order, and nothing else.

mod injector_fake;

use std::sync::Mutex;
use std::time::{Duration, Instant};

use injector_fake::{Fake, injector, install};
use nemesis::disk::{DiskFault, Effect as DiskEffect};
use nemesis::fault::{Fault, FaultName, Target};
use nemesis::injector::{Effect, FaultId, Injector, Outcome, Step};
use nemesis::schedule::{Intervals, generate};
use nemesis::seed::Seed;
use proptest::prelude::*;

fn kill(target: Target) -> Fault {
    Fault::Kill { target }
}

fn hang(node: usize) -> Fault {
    Fault::Disk { target: Target::Node(node), misbehaves: DiskFault::new(DiskEffect::Hang) }
}

fn begin(injector: &Injector<&Fake>, fault: &Fault) -> Step {
    injector.begin_install(injector.fresh_id(), fault, &fault.resolve(injector.conditions().len(), Some(0)))
}

fn until(done: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < deadline, "it does not come");
        std::thread::yield_now();
    }
}

/// Carries a step out on another thread, and waits until it hangs.
fn hanging<'scope, 'env>(
    scope: &'scope std::thread::Scope<'scope, 'env>,
    fake: &Fake,
    injector: &'env Injector<&Fake>,
    step: Step,
) -> std::thread::ScopedJoinHandle<'scope, Effect> {
    let thread = scope.spawn(move || injector.carry_out(step, |effect| effect));
    fake.wait_hanging(0);
    thread
}

#[test]
fn a_node_that_hangs_holds_up_no_other_and_no_link() {
    let fake = Fake::new(3);
    let injector = injector(&fake, 3);
    fake.hang(0);
    std::thread::scope(|scope| {
        let first = hanging(scope, &fake, &injector, begin(&injector, &kill(Target::Node(0))));
        let (cut, effect) = install(&injector, &Fault::PartitionOne { target: Target::Node(0) });
        assert_eq!((effect.outcome, fake.cut_links().len()), (Outcome::Installed, 4));
        assert_eq!(injector.heal(cut).outcome, Outcome::Healed);
        let (other, effect) = install(&injector, &kill(Target::Node(1)));
        assert_eq!((effect.outcome, fake.is(1)), (Outcome::Installed, "dead"));
        assert_eq!((injector.heal(other).outcome, fake.is(1)), (Outcome::Healed, "running"));
        // Of a fault of several nodes only the part that hangs waits.
        let all = begin(&injector, &kill(Target::All));
        let all = scope.spawn(|| injector.carry_out(all, |effect| effect));
        until(|| fake.is(1) == "dead" && fake.is(2) == "dead");
        assert_eq!((fake.is(0), all.is_finished(), injector.installed().len()), ("running", false, 2));
        fake.go_on(0);
        assert!(!first.join().expect("an effect").inert);
        assert_eq!(all.join().expect("an effect").took_effect["nodes"]["n1"]["was"], "killed");
    });
    injector.heal_all();
    assert!((0..3).all(|node| fake.is(node) == "running"));
}

#[test]
fn the_heal_of_what_still_hangs_comes_right_after_it() {
    let fake = Fake::new(2);
    let injector = injector(&fake, 2);
    fake.hang(0);
    let told = Mutex::new(Vec::new());
    let tell = |effect: Effect| told.lock().expect("nobody panics").push((effect.f, effect.outcome));
    std::thread::scope(|scope| {
        let step = begin(&injector, &kill(Target::All));
        scope.spawn(|| injector.carry_out(step, tell));
        fake.wait_hanging(0);
        until(|| fake.is(1) == "dead");
        let heal = injector.begin_heal(FaultId(0));
        scope.spawn(|| injector.carry_out(heal, tell));
        until(|| fake.is(1) == "running");
        assert_eq!((fake.is(0), injector.installed().len()), ("running", 1), "not killed yet");
        fake.go_on(0);
    });
    assert_eq!(fake.done(), "kill 0, restart 0, kill 1, restart 1");
    let told = told.into_inner().expect("nobody panics");
    assert_eq!(told, [("kill", Outcome::Installed), ("heal", Outcome::Healed)]);
    assert!(injector.installed().is_empty());
}

#[test]
fn a_disk_is_set_right_while_somebody_waits_for_it_to_die() {
    let fake = Fake::new(1);
    let injector = injector(&fake, 1);
    let (disk, _) = install(&injector, &hang(0));
    fake.use_disk(0);
    fake.hang(0);
    std::thread::scope(|scope| {
        let killed = hanging(scope, &fake, &injector, begin(&injector, &kill(Target::Node(0))));
        let heal = injector.begin_heal(disk);
        let healed = scope.spawn(|| injector.carry_out(heal, |effect| effect));
        until(|| fake.disk(0).is_empty());
        assert!(!killed.is_finished() && !healed.is_finished(), "who was ended is looked for in turn");
        fake.go_on(0);
        let healed = healed.join().expect("an effect");
        assert_eq!((healed.outcome, healed.inert), (Outcome::Healed, false));
        assert_eq!((&healed.took_effect["operations_hit"], fake.is(0)), (&1.into(), "dead"));
    });
}

#[test]
fn a_disk_that_was_healed_before_its_turn_came_never_misbehaves() {
    let fake = Fake::new(1);
    let injector = injector(&fake, 1);
    fake.hang(0);
    std::thread::scope(|scope| {
        hanging(scope, &fake, &injector, begin(&injector, &Fault::Pause { target: Target::Node(0) }));
        let spoil = begin(&injector, &hang(0));
        let spoil = scope.spawn(|| injector.carry_out(spoil, |effect| effect));
        let heal = injector.begin_heal(FaultId(1));
        let heal = scope.spawn(|| injector.carry_out(heal, |effect| effect));
        fake.go_on(0);
        let reason = "it was healed before its turn came".to_owned();
        assert_eq!(spoil.join().expect("an effect").outcome, Outcome::Skipped(reason));
        let healed = heal.join().expect("an effect");
        assert_eq!((healed.outcome, healed.inert), (Outcome::Healed, true));
    });
    assert_eq!((fake.disk(0).len(), injector.installed().len()), (0, 1));
}

#[test]
fn everything_is_healed_after_what_still_hangs() {
    let fake = Fake::new(2);
    let injector = injector(&fake, 2);
    fake.hang(0);
    std::thread::scope(|scope| {
        let killed = hanging(scope, &fake, &injector, begin(&injector, &kill(Target::All)));
        let healing = scope.spawn(|| injector.heal_all());
        until(|| fake.is(1) == "running" && injector.conditions()[1] == nemesis::injector::Condition::Running);
        fake.go_on(0);
        assert_eq!(killed.join().expect("an effect").outcome, Outcome::Installed);
        let healed = healing.join().expect("effects");
        assert_eq!(
            healed.iter().map(|(id, effect)| (id.0, &effect.outcome)).collect::<Vec<_>>(),
            [(0, &Outcome::Healed)]
        );
    });
    assert_eq!((fake.is(0), injector.installed().len()), ("running", 0));
}

#[test]
fn a_second_heal_of_the_same_finds_nothing_to_do() {
    let fake = Fake::new(1);
    let injector = injector(&fake, 1);
    let (id, _) = install(&injector, &kill(Target::All));
    let (first, second) = (injector.begin_heal(id), injector.begin_heal(id));
    assert_eq!(injector.carry_out(first, |effect| effect).outcome, Outcome::Healed);
    let second = injector.carry_out(second, |effect| effect);
    assert_eq!(second.outcome, Outcome::Skipped("it is healed already".to_owned()));
    assert_eq!(fake.done(), "kill 0, restart 0");
}

#[test]
fn a_step_that_is_never_carried_out_gives_up_its_place() {
    let fake = Fake::new(2);
    let injector = injector(&fake, 2);
    drop(begin(&injector, &kill(Target::All)));
    assert_eq!(install(&injector, &Fault::Pause { target: Target::All }).1.outcome, Outcome::Installed);
    assert_eq!(injector.heal_all().len(), 2);
    assert_eq!(fake.is(0), "running");
}

#[derive(Clone, Debug)]
enum Act {
    Install(usize),
    Heal(u32),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![(0usize..40).prop_map(Act::Install), (0u32..30).prop_map(Act::Heal)]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(96) })]

    /// But for disks, which do not wait for their turn.
    #[test]
    fn begun_together_every_node_suffers_what_it_suffers_one_by_one(
        seed: u64, node_count in 2usize..=4, acts in prop::collection::vec(act(), 1..24)
    ) {
        let schedule = generate(Seed(seed), &FaultName::ALL, node_count, 300_000, &Intervals::default());
        let waits = |fault: &&Fault| !matches!(fault, Fault::Disk { .. });
        let faults: Vec<Fault> = schedule.faults().filter(waits).cloned().collect();
        let (alone, together) = (Fake::new(node_count), Fake::new(node_count));
        let one_by_one = injector(&alone, node_count);
        let at_once = injector(&together, node_count);
        let mut steps = Vec::new();
        let mut effects = Vec::new();
        let mut next = 0;
        for act in acts {
            match act {
                Act::Install(n) => {
                    let (id, fault) = (FaultId(next), &faults[n % faults.len()]);
                    let targets = fault.resolve(node_count, Some(0));
                    effects.push(one_by_one.install(id, fault, &targets));
                    steps.push(at_once.begin_install(id, fault, &targets));
                    next += 1;
                }
                // The same heal twice is another story: the second is begun before the first is over.
                Act::Heal(n) if one_by_one.installed().iter().any(|(id, ..)| id.0 == n) => {
                    effects.push(one_by_one.heal(FaultId(n)));
                    steps.push(at_once.begin_heal(FaultId(n)));
                }
                Act::Heal(_) => {}
            }
        }
        let told: Vec<Effect> = std::thread::scope(|scope| {
            let carry_out = |step| scope.spawn(|| at_once.carry_out(step, |effect| effect));
            let threads: Vec<_> = steps.into_iter().rev().map(carry_out).collect();
            threads.into_iter().rev().map(|thread| thread.join().expect("an effect")).collect()
        });
        prop_assert_eq!(together.done(), alone.done());
        prop_assert_eq!(at_once.conditions(), one_by_one.conditions());
        for (told, effect) in told.iter().zip(&effects) {
            prop_assert_eq!(&told.took_effect, &effect.took_effect);
            prop_assert_eq!((&told.outcome, told.inert), (&effect.outcome, effect.inert));
        }
        at_once.heal_all();
        prop_assert!((0..node_count).all(|node| together.is(node) == "running"));
        prop_assert!(together.set_links().is_empty());
    }
}
