//! Every example in the table of anomalies shows its anomaly to the checker that looks for it.

use std::collections::BTreeSet;

use checkers::analysis::Analyzer;
use checkers::classic::{bank, counter, long_fork, set, unique_ids};
use checkers::linearizability::{collections, locks, registers, sequential};
use checkers::transactions::{list_append, rw_register};
use checkers::weak::{sessions, transactional};
use checkers::{AnomalyType, Assumptions, Budget, Found, Meter, Model, Question};
use histories::{History, notation};

use AnomalyType::*;

/// What is found in a history of lists and registers, by the order of none, of processes and of real time.
fn transactions(check: Analyzer, history: &History) -> BTreeSet<AnomalyType> {
    let assume = Assumptions { linearizable_keys: true, ..Assumptions::default() };
    let mut kinds = BTreeSet::new();
    for model in [Model::Serializable, Model::StrongSessionSerializable, Model::StrongSerializable] {
        let question = Question { models: vec![model], anomalies: Vec::new(), assume: assume.clone() };
        kinds.extend(check(history, &question, &Budget::default()).groups.into_keys());
    }
    kinds
}

fn levels(history: &History) -> Found {
    transactional::check(history, transactional::Level::ALL, None, &Meter::new(&Budget::default()))
}

/// What the checker finds that looks for this kind; nothing where none of those here does.
fn looked_for(kind: AnomalyType, history: &History) -> Option<BTreeSet<AnomalyType>> {
    let question = Question { models: Vec::new(), anomalies: Vec::new(), assume: Assumptions::default() };
    let one = |check: Analyzer| Some(check(history, &question, &Budget::default()).groups.into_keys().collect());
    match kind {
        WrongTotal | NegativeBalance | MissingKey | UnexpectedKey => one(bank::check),
        LostElement | StaleElement | ResurrectedElement | UnexpectedElement => one(set::check),
        OutOfBounds => one(counter::check),
        DuplicateId => one(unique_ids::check),
        LongFork => one(long_fork::check),
        ThinAirRead | CyclicCo | WriteCoInitRead | WriteCoRead | CyclicCf | WriteHbInitRead | CyclicHb | Nonpram => {
            one(sessions::check)
        }
        NonMonotonicRead | NotReadYourWrites | NonMonotonicWrites | NotWritesFollowReads => one(sessions::check),
        Nonsequential => one(sequential::check),
        Nonlinearizable => one(registers::check),
        DoubleDequeue | LostItem => one(collections::queue::check),
        DoubleAcquire | OldToken => one(locks::check),
        FracturedRead | NotCausal => Some(levels(history).groups.into_keys().collect()),
        CyclicVersions => Some(transactions(rw_register::check, history)),
        kind if kind.in_elle() || [GarbageRead, LostAppend].contains(&kind) => {
            Some(transactions(list_append::check, history))
        }
        _ => None,
    }
}

#[test]
fn each_example_shows_its_anomaly() {
    let mut shown = 0;
    for kind in AnomalyType::ALL {
        let Some(example) = kind.about().example else { continue };
        let history = notation::history(example.history);
        assert!(history.irregularities().is_empty(), "{kind}: {}", example.history);
        if let Some(found) = looked_for(*kind, &history) {
            assert!(found.contains(kind), "{kind}: {}\nfound {found:?}", example.history);
            shown += 1;
        }
    }
    assert_eq!(shown, 57, "of so many kinds there is a checker here");
}
