//! The fewest operations that still show an anomaly.
//!
//! An anomaly comes with the operations of its argument. Here they are put to the test: a history of these operations
//! alone is judged again, and as long as it shows an anomaly of the same kind, operations are taken out, until none
//! can go. What is left is minimal in this sense: without any one of its operations the anomaly is gone.
//!
//! ```text
//!   the whole history              23 000 operations    lost-write
//!   the evidence                        4 operations    lost-write
//!   without #7                          3 operations    lost-write
//!   without #2 as well                  2 operations    –           so #2 is needed
//! ```
//! Only *closed* parts of the history are tried: with a read go the writes that it saw, and a write goes together with
//! its reads, or a contradiction would appear that was never there (see the module `needs`). Some anomalies need more
//! than their evidence: that a key was never written to again is a statement about all operations on it. Then
//! everything on the keys of the evidence is tried, then the whole history, then both with the events of the nemesis,
//! which say when a run read for the last time. Pieces are taken out by halves before single operations (Zeller and
//! Hildebrandt, *Simplifying and Isolating Failure-Inducing Input*, IEEE TSE 2002). The work is bounded, by the
//! operations of all trials together; where the bound is hit, what is left is not minimal and says so.

mod needs;

use std::collections::BTreeSet;

use histories::{EventIndex, History, KeyId};

use self::needs::{Needing, Needs};
use crate::finding::Anomaly;

/// A small history that shows an anomaly.
#[derive(Clone, Debug)]
pub struct Minimal {
    /// It, with indices of its own.
    pub history: History,
    /// For each of its events the index in the whole history.
    pub places: Vec<EventIndex>,
    /// Whether no operation can be taken out of it, alone or with those that need it; `false`: the bound was hit
    /// first.
    pub minimal: bool,
}

/// How many operations are judged at most, over all trials.
const JUDGED: usize = 2_000_000;
/// How many operations a part may have that is cut down.
const LARGEST: usize = 20_000;

/// Finds the smallest parts of one history, for as many anomalies as one likes.
pub struct Shrinker<'h> {
    history: &'h History,
    needs: Needs<'h>,
}

impl<'h> Shrinker<'h> {
    /// Looks once at the whole history.
    pub fn new(history: &'h History) -> Self {
        Shrinker { history, needs: Needs::new(history) }
    }

    /// The fewest operations that still show what `anomaly` says. `shows` judges a history: whether it has an anomaly of
    /// this kind. `None` where not even the evidence together with everything else on its keys does, or where that is
    /// too much to be cut down.
    pub fn minimal(&self, anomaly: &Anomaly, shows: impl Fn(&History) -> bool) -> Option<Minimal> {
        let evidence: BTreeSet<u32> =
            anomaly.operations.iter().copied().chain(anomaly.relations.iter().flat_map(|r| [r.from, r.to])).collect();
        let evidence: Vec<EventIndex> =
            evidence.into_iter().filter(|e| (*e as usize) < self.history.len()).map(EventIndex).collect();
        let mut trials = Trials { from: self, shows: &shows, nemesis: Vec::new(), left: JUDGED };
        let start = trials.start(&evidence).or_else(|| {
            trials.nemesis = self.history.nemesis_events().collect();
            trials.start(&evidence)
        })?;
        let (operations, minimal) = trials.reduce(start);
        let (history, places) = trials.part(&operations);
        Some(Minimal { history, places, minimal })
    }
}

struct Trials<'s, 'h, F> {
    from: &'s Shrinker<'h>,
    shows: &'s F,
    /// Events of the nemesis that every part has.
    nemesis: Vec<EventIndex>,
    left: usize,
}

impl<F: Fn(&History) -> bool> Trials<'_, '_, F> {
    /// A history of these operations.
    fn part(&self, operations: &[EventIndex]) -> (History, Vec<EventIndex>) {
        let events: Vec<EventIndex> = operations.iter().chain(&self.nemesis).copied().collect();
        self.from.history.extract(&events)
    }

    /// Whether these operations alone show it.
    fn shown_by(&mut self, operations: &[EventIndex]) -> bool {
        self.left = self.left.saturating_sub(operations.len().max(1));
        (self.shows)(&self.part(operations).0)
    }

    /// The evidence, or everything on its keys, or everything, each with what it needs.
    fn start(&mut self, evidence: &[EventIndex]) -> Option<Vec<EventIndex>> {
        let Shrinker { history, needs } = self.from;
        let evidence = needs.with_needed(evidence, LARGEST)?;
        if self.shown_by(&evidence) {
            return Some(evidence);
        }
        let keys: BTreeSet<KeyId> = evidence.iter().flat_map(|e| history.keys_of(*e)).collect();
        let all = || history.operations().map(|o| o.invocation);
        let near = all().filter(|e| history.keys_of(*e).any(|k| keys.contains(&k))).take(LARGEST + 1);
        let near = needs.with_needed(&near.collect::<Vec<_>>(), LARGEST)?;
        if self.shown_by(&near) {
            return Some(near);
        }
        let whole: Vec<EventIndex> = all().take(LARGEST + 1).collect();
        (whole.len() <= LARGEST && self.shown_by(&whole)).then_some(whole)
    }

    /// Takes out halves, quarters, …, single operations, as long as anything can go.
    fn reduce(&mut self, mut operations: Vec<EventIndex>) -> (Vec<EventIndex>, bool) {
        let needing = Needing::new(&self.from.needs, &operations);
        let mut piece = operations.len().div_ceil(2).max(1);
        loop {
            let gone = self.pass(&needing, &mut operations, piece);
            if self.left == 0 {
                return (operations, false);
            }
            match (gone, piece) {
                (false, 1) => return (operations, true),
                (false, _) => piece = piece.div_ceil(2).max(1),
                (true, _) => piece = piece.min(operations.len().div_ceil(2)).max(1),
            }
        }
    }

    /// Tries to take out each piece in turn, the last first, with what needs it; whether one went.
    fn pass(&mut self, needing: &Needing<'_>, operations: &mut Vec<EventIndex>, piece: usize) -> bool {
        let mut gone = false;
        let mut end = operations.len();
        while end > 0 && self.left > 0 {
            let start = end.saturating_sub(piece);
            let out = needing.with_needing(&operations[start..end]);
            let rest: Vec<EventIndex> = operations.iter().filter(|o| !out.contains(o)).copied().collect();
            if !rest.is_empty() && self.shown_by(&rest) {
                *operations = rest;
                gone = true;
            }
            end = start.min(operations.len());
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use histories::{Guarantee, notation};

    fn violated(guarantee: Guarantee, kind: &str) -> impl Fn(&History) -> bool {
        move |history: &History| {
            let found = crate::run(history, vec![crate::checker(guarantee, &crate::CheckConfig::default())]);
            found[0].anomalies.iter().any(|a| a.kind == kind)
        }
    }

    fn reduced(text: &str, guarantee: Guarantee) -> String {
        let history = notation::history(text);
        let found = crate::run(&history, vec![crate::checker(guarantee, &crate::CheckConfig::default())]);
        let anomaly = &found[0].anomalies[0];
        let shows = violated(guarantee, &anomaly.kind);
        let minimal = Shrinker::new(&history).minimal(anomaly, &shows).expect("it can be shown");
        assert!(minimal.minimal);
        let needs = Needs::new(&minimal.history);
        let all: Vec<EventIndex> = minimal.history.operations().map(|o| o.invocation).collect();
        let needing = Needing::new(&needs, &all);
        for operation in minimal.history.operations() {
            let out = needing.with_needing(&[operation.invocation]);
            let others: Vec<EventIndex> =
                minimal.history.operations().map(|o| o.invocation).filter(|e| !out.contains(e)).collect();
            assert!(!shows(&minimal.history.extract(&others).0), "an operation could go");
        }
        let events: Vec<_> = minimal.history.events().map(|e| minimal.history.event(e)).collect();
        notation::print(&events)
    }

    #[test]
    fn what_is_not_needed_goes() {
        let text = "1:ax1 1:ax2 2:rx12 3:ay1 2:rx1 3:ry1 2:rx12";
        assert_eq!(reduced(text, Guarantee::MonotonicReads), "1:ax1 1:ax2 2:rx12 t=8 2:rx1");
    }

    #[test]
    fn a_loss_is_a_statement_about_everything_on_its_key() {
        let text = "1:wx1 2:ry_ 1:wx2 3:rx1 3:wy1 3:rx1";
        let left = reduced(text, Guarantee::Durability);
        assert!(left.contains("wx2") && !left.contains('y'), "{left}");
    }

    #[test]
    fn no_part_contradicts_what_the_whole_explains() {
        let history = notation::history("wx1 wx2 rx2 cx1>3! ix1 +s1 -s1 rs[] eq1 dq1 wy5 ry5 ay1ry51");
        let needs = Needs::new(&history);
        let at = |index: u32| EventIndex(index);
        let needed = |index| {
            let all = needs.with_needed(&[at(index)], usize::MAX).expect("no bound");
            all.iter().map(|e| e.0).collect::<Vec<_>>()
        };
        let all: Vec<EventIndex> = history.operations().map(|o| o.invocation).collect();
        let needing = Needing::new(&needs, &all);
        assert!(needed(4).contains(&2), "a read needs the write that it saw");
        assert!(needed(6).starts_with(&[0, 2]), "a failed compare-and-set needs every write");
        assert_eq!(needed(18), [16, 18], "what was dequeued needs to be enqueued");
        assert!(needing.with_needing(&[at(12)]).contains(&at(10)), "an element that was removed was added");
        assert!(needing.with_needing(&[at(20)]).contains(&at(22)), "a write goes with its reads");
    }

    #[test]
    fn what_cannot_be_shown_again_is_not_made_up() {
        let history = notation::history("wx1 rx1");
        let anomaly = Anomaly {
            kind: "lost-write".into(),
            key: None,
            operations: vec![0, 2, 99],
            relations: Vec::new(),
            explanation: String::new(),
        };
        assert!(Shrinker::new(&history).minimal(&anomaly, |_| false).is_none());
    }
}
