//! What the tests share: a source of randomness with a seed, small random histories, and a way to shrink them.
#![allow(dead_code, reason = "not every test file uses all of it")]

pub mod odd;
pub mod random;
pub mod rng;
pub mod stores;

use checkers::{CheckConfig, Finding, Observed};
use histories::{Event, Guarantee, History, Process, notation};
pub use rng::Rng;

/// What the checker of one guarantee says about these events.
pub fn finding(events: &[Event], guarantee: Guarantee) -> Finding {
    let history = History::from_events(events);
    fold(&history, guarantee)
}

/// The same of a history in notation.
pub fn finding_in(text: &str, guarantee: Guarantee) -> Finding {
    fold(&notation::history(text), guarantee)
}

pub fn fold(history: &History, guarantee: Guarantee) -> Finding {
    let mut checker = checkers::checker(guarantee, &CheckConfig::default());
    for event in history.events() {
        checker.step(history, event);
    }
    let so_far = checker.violations_so_far();
    let finding = checker.finish(history);
    assert!(so_far == 0 || finding.observed == Observed::Violated, "what was certain is certain");
    sane(&finding, history);
    finding
}

/// What is true of every finding.
fn sane(finding: &Finding, history: &History) {
    assert_eq!(finding.violations > 0, finding.observed == Observed::Violated, "{finding:?}");
    assert_eq!(finding.violations.min(Finding::KEPT as u64), finding.anomalies.len() as u64, "{finding:?}");
    let kinds = checkers::about(finding.guarantee).anomalies;
    for anomaly in &finding.anomalies {
        assert!(kinds.iter().any(|(kind, _)| *kind == anomaly.kind), "{} is not listed", anomaly.kind);
        assert!(!anomaly.operations.is_empty() && !anomaly.explanation.is_empty(), "{anomaly:?}");
        for operation in &anomaly.operations {
            assert!((*operation as usize) < history.len(), "{anomaly:?}");
        }
        for relation in &anomaly.relations {
            let known = |op: u32| anomaly.operations.contains(&op);
            assert!(known(relation.from) && known(relation.to), "{anomaly:?}");
            assert!(relation.from < relation.to || anomaly.operations.len() > 1, "{anomaly:?}");
        }
    }
}

/// The smallest history, by leaving out operations one after the other, that still has a property.
pub fn shrink(events: &[Event], wrong: impl Fn(&[Event]) -> bool) -> Vec<Event> {
    let mut events = events.to_vec();
    let mut progress = true;
    while progress {
        progress = false;
        for i in (0..events.len()).rev() {
            let smaller = without(&events, i);
            if smaller.len() < events.len() && wrong(&smaller) {
                events = smaller;
                progress = true;
                break;
            }
        }
    }
    events
}

/// Without the event at `i`, and what belongs to it if it is an invocation.
fn without(events: &[Event], i: usize) -> Vec<Event> {
    let process = events[i].process;
    let end = events[i + 1..].iter().position(|e| e.process == process).map(|j| i + 1 + j);
    let pair = end.filter(|j| {
        process != Process::NEMESIS
            && events[i].kind == histories::Kind::Invoke
            && events[*j].kind != histories::Kind::Invoke
    });
    events.iter().enumerate().filter(|(j, _)| *j != i && Some(*j) != pair).map(|(_, e)| e.clone()).collect()
}

/// Compares a fold with a reference on one history; on disagreement fails with the smallest one found.
pub fn agree<T: PartialEq + std::fmt::Debug>(
    events: &[Event],
    of_fold: impl Fn(&[Event]) -> T,
    of_reference: impl Fn(&[Event]) -> T,
) -> T {
    let fold = of_fold(events);
    if fold == of_reference(events) {
        return fold;
    }
    let small = shrink(events, |e| of_fold(e) != of_reference(e));
    panic!(
        "the fold says {:?} and the reference {:?} of\n  {}",
        of_fold(&small),
        of_reference(&small),
        notation::print(&small)
    );
}
