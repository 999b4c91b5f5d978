//! What the tests of the classic workloads share: asking a checker, recorded histories, and every order of a few
//! operations.
#![allow(dead_code, reason = "not every test file uses all of it")]

pub mod orders;
pub mod recorded;

use std::collections::BTreeMap;

use checkers::{AnomalyType, Assumptions, Budget, Found, Question, analysis::Analyzer};
use histories::{Event, History, notation};

/// A question without models, with these assumptions.
pub fn question(assume: Assumptions) -> Question {
    Question { models: Vec::new(), anomalies: Vec::new(), assume }
}

/// What a checker finds, with what is true of every finding made sure of.
pub fn found_under(check: Analyzer, history: &History, assume: Assumptions) -> Found {
    let found = check(history, &question(assume), &Budget::default());
    for (kind, group) in &found.groups {
        assert_eq!(*kind, group.kind);
        assert!(group.count >= 1 && group.cases.len() as u64 == group.count.min(100), "{kind}");
        for case in &group.cases {
            assert_eq!(case.kind, kind.name());
            assert!(!case.operations.is_empty() && !case.explanation.is_empty(), "{case:?}");
            let known = |op: &u32| case.operations.contains(op);
            assert!(case.operations.iter().all(|op| (*op as usize) < history.len()), "{case:?}");
            assert!(case.relations.iter().all(|r| known(&r.from) && known(&r.to)), "{case:?}");
        }
    }
    found
}

pub fn found(check: Analyzer, history: &History) -> Found {
    found_under(check, history, Assumptions::default())
}

pub fn found_in(check: Analyzer, text: &str) -> Found {
    found(check, &notation::history(text))
}

/// How many there are of each kind.
pub fn counts(found: &Found) -> BTreeMap<AnomalyType, u64> {
    found.groups.iter().map(|(kind, group)| (*kind, group.count)).collect()
}

/// The smallest history, by leaving out operations, of which a checker says what it does and a reference does not agree.
pub fn agree<T: PartialEq + std::fmt::Debug>(
    events: &[Event],
    checker: impl Fn(&History) -> T,
    reference: impl Fn(&History) -> T,
) -> T {
    let of = |events: &[Event]| {
        let history = History::from_events(events);
        (checker(&history), reference(&history))
    };
    let (ours, theirs) = of(events);
    if ours != theirs {
        let small = crate::support::shrink(events, |e| of(e).0 != of(e).1);
        let (ours, theirs) = of(&small);
        panic!("the checker says {ours:?} and the reference {theirs:?} of\n  {}", notation::print(&small));
    }
    ours
}
