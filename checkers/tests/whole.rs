//! The guarantees that are judged at the end agree with each other and with those that are observed event by event: what
//! refutes a weaker one refutes every stronger one.

mod support;

use std::collections::BTreeMap;

use checkers::whole::whole;
use checkers::{Budget, Observed};
use histories::{Event, Guarantee, History, notation};
use support::random::{Objects, Shape};
use support::{Rng, random, shrink};

type Observations = BTreeMap<Guarantee, Observed>;

fn observed(events: &[Event]) -> Observations {
    let history = History::from_events(events);
    let at_the_end: Vec<Guarantee> = Guarantee::ALL.into_iter().filter(|g| !Guarantee::FOLDS.contains(g)).collect();
    let whole = whole(&history, &at_the_end, &Budget::default()).findings;
    let folds = checkers::check(&history, &checkers::CheckConfig::default());
    folds.into_iter().chain(whole).map(|f| (f.guarantee, f.observed)).collect()
}

/// `weaker` violated, and `stronger` held all the same.
fn contradiction(observed: &Observations) -> Option<(Guarantee, Guarantee)> {
    use Guarantee as G;
    let implied = [
        (G::Pram, G::Causal),
        (G::ReadCommitted, G::SnapshotIsolation),
        (G::SnapshotIsolation, G::Serializable),
        (G::Serializable, G::StrictSerializable),
    ];
    // A fold takes the reads of a transaction as one view; causal consistency takes them one after the other.
    let of_sessions = [(G::ReadYourWrites, G::Pram), (G::MonotonicReads, G::Pram), (G::WritesFollowReads, G::Causal)];
    let is = |g: &Guarantee, what| observed.get(g) == Some(&what);
    let judged = |g: &Guarantee| !matches!(observed.get(g), None | Some(Observed::NotApplicable));
    let transactional = judged(&G::StrictSerializable);
    let all = implied.into_iter().chain(of_sessions.into_iter().filter(|_| !transactional));
    all.into_iter().find(|(weak, strong)| is(weak, Observed::Violated) && is(strong, Observed::Held))
}

/// No contradiction in random histories; how often each guarantee was violated and held.
fn agree(shape: Shape, each: u64) -> BTreeMap<Guarantee, (u64, u64)> {
    let mut seen: BTreeMap<Guarantee, (u64, u64)> = BTreeMap::new();
    for seed in 0..each {
        let events = random::history(&mut Rng(seed ^ 0x5eed), shape);
        let of = observed(&events);
        if let Some((weak, strong)) = contradiction(&of) {
            let small = shrink(&events, |e| contradiction(&observed(e)) == Some((weak, strong)));
            panic!("{weak} is violated and {strong} held:\n  {}", notation::print(&small));
        }
        for (guarantee, observed) in of {
            let (violated, held) = seen.entry(guarantee).or_default();
            *violated += u64::from(observed == Observed::Violated);
            *held += u64::from(observed == Observed::Held);
        }
    }
    seen
}

#[test]
fn on_registers_and_lists() {
    for objects in [Objects::Registers, Objects::Lists] {
        let shape = Shape { reuse: 0, removes: 0, txns: 0, fails: 10, infos: 10, ..Shape::of(objects) };
        let seen = agree(shape, 4000);
        for guarantee in [Guarantee::Pram, Guarantee::Causal, Guarantee::Linearizable] {
            let (violated, held) = seen[&guarantee];
            assert!(violated > 100 && held > 100, "{guarantee} {violated} {held}");
        }
    }
}

#[test]
fn on_transactions() {
    let shape = Shape { reuse: 0, removes: 0, txns: 100, fails: 10, infos: 10, ..Shape::of(Objects::Lists) };
    let seen = agree(shape, 4000);
    for guarantee in [Guarantee::ReadCommitted, Guarantee::SnapshotIsolation, Guarantee::StrictSerializable] {
        let (violated, held) = seen[&guarantee];
        assert!(violated > 100 && held > 100, "{guarantee} {violated} {held}");
    }
}

#[test]
fn objects_of_every_kind_are_judged_in_one_history() {
    let text = "0:wx1 0:+s1 0:ay1rz_ 1:az1ry_ 0:rs[] 1:rx1 1:ic3 0:rc(3) 2:rx1 2:ex9 2:ev7";
    let of = observed(&notation::parse(text).expect("notation"));
    assert_eq!(of[&Guarantee::Linearizable], Observed::Violated, "the set lost what was added");
    assert_ne!(of[&Guarantee::ReadCommitted], Observed::Violated);
    assert_eq!(of[&Guarantee::Causal], Observed::Held);
}

#[test]
fn whatever_a_monitor_of_collections_finds_rules_out_linearizability() {
    use checkers::AnomalyType as A;
    let prohibited = checkers::models::prohibited(&[checkers::Model::Linearizable], &[]);
    for kind in [
        A::Nonlinearizable,
        A::LostItem,
        A::DoubleDequeue,
        A::UnexpectedElement,
        A::LostElement,
        A::DuplicateElements,
        A::IncompatibleOrder,
        A::OutOfBounds,
    ] {
        assert!(prohibited.contains(&kind), "{kind}");
    }
}

#[test]
fn what_no_lens_decides_is_not_certified() {
    use checkers::analysis::{Answer, Question, Workload, analyse};
    let ask = |text: &str, workload, model| {
        let question = Question { models: vec![model], ..Question::usual(workload) };
        analyse(&notation::history(text), workload, &Question { anomalies: vec![], ..question }, &Budget::default())
            .answer
    };
    use checkers::Model as M;
    let transactions = "0:ax1ry_ 1:ay1rx1 0:rx1ry1";
    assert_eq!(ask(transactions, Workload::ListAppend, M::StrongSerializable), Answer::Valid);
    assert_eq!(ask(transactions, Workload::ListAppend, M::Linearizable), Answer::Unknown);
    assert_eq!(ask("0:ax1 0:rx1", Workload::ListAppend, M::Linearizable), Answer::Valid);
    assert_eq!(ask("0:ax1 0:rx[]", Workload::ListAppend, M::Linearizable), Answer::Invalid);
    assert_eq!(ask("0:wx1 1:rx_", Workload::Register, M::StrongSerializable), Answer::Invalid);
    assert_eq!(ask("0:wx1 1:rx_", Workload::Register, M::Serializable), Answer::Valid);
    assert_eq!(ask("0:wx1 1:rx_", Workload::Register, M::Linearizable), Answer::Invalid);
    assert_eq!(ask("0:wx1 1:rx_", Workload::Register, M::Sequential), Answer::Valid);
    assert_eq!(ask("0:+x1 1:rx1", Workload::Set, M::Serializable), Answer::Unknown);
    assert_eq!(ask("0:+x1 1:rx[]", Workload::Set, M::Linearizable), Answer::Invalid);
}

#[test]
fn a_stale_read_of_a_register_raises_the_alarm_at_once() {
    let history = notation::history("0:rx_ 1:ic3 1:rc(3) 0:wx1 1:wx2 2:rx1 2:rx2 0:+s5 0:rs[]");
    let mut checker = checkers::checker(Guarantee::Linearizable, &checkers::CheckConfig::default());
    let mut alarm = None;
    for event in history.events() {
        checker.step(&history, event);
        if checker.violations_so_far() > 0 && alarm.is_none() {
            alarm = Some(event.0);
        }
    }
    assert_eq!(alarm, Some(11), "with the answer of the stale read");
    assert_eq!(checker.finish(&history).observed, Observed::Violated);
}

#[test]
fn prefixes_are_judged_by_the_model_that_is_asked_for() {
    use checkers::Model as M;
    use checkers::analysis::{Answer, Question, Workload, analyse};
    let ask = |text: &str, model| {
        let question = Question { models: vec![model], ..Question::usual(Workload::ListAppend) };
        analyse(&notation::history(text), Workload::ListAppend, &question, &Budget::default()).answer
    };
    let forked = "0:{ax1} 1:{ay1} 2:rx1ry_ 3:rx_ry1 4:rx1ry1";
    assert_eq!(ask(forked, M::Prefix), Answer::Invalid, "each saw what the other one missed");
    assert_eq!(ask("0:{ax1} 1:{ay1} 2:rx1ry_ 3:rx1ry1", M::Prefix), Answer::Valid);
    assert_eq!(ask("0:{ax1} 1:{ay1} 2:rx1ry_ 3:rx_ry_ 4:rx1ry1", M::ConsistentPrefix), Answer::Valid);
    assert_eq!(ask("0:{ax1} 0:{ay1} 2:rx_ry1 4:rx1ry1", M::ConsistentPrefix), Answer::Invalid);
}

fn found(text: &str, guarantee: Guarantee) -> checkers::Finding {
    whole(&notation::history(text), &[guarantee], &Budget::default()).findings.remove(0)
}

#[test]
fn linearizability_says_which_objects_it_leaves_out() {
    let finding = found("wz1 rz1 {ax1} {ay1} {rx1ry1}", Guarantee::Linearizable);
    assert_eq!(finding.observed, Observed::Held);
    assert_eq!(finding.summary, "2 operations on 1 object; not judged here: 2 lists that transactions touch");
    let finding = found("wz1 rz1", Guarantee::Linearizable);
    assert_eq!(finding.summary, "2 operations on 1 object");
}

#[test]
fn nothing_holds_where_nothing_succeeded() {
    for text in ["wx1? rx?", "0<wx1 1<rx", "wx1! rx!"] {
        assert_eq!(found(text, Guarantee::Linearizable).observed, Observed::Unknown, "{text}");
    }
    assert_eq!(found("{ax1}? {rx}?", Guarantee::Serializable).observed, Observed::Unknown);
    assert_eq!(found("{ax1} {rx1}", Guarantee::Serializable).observed, Observed::Held);
}
