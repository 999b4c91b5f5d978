//! What a checker is: a fold over a history that may still be growing.

use histories::{EventIndex, Guarantee, History};

use crate::finding::Finding;

/// What a checker says about itself, for `splitbrain explain` and the head of its section in a report.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// The guarantee it observes.
    pub guarantee: Guarantee,
    /// The definition, in one or two sentences.
    pub definition: &'static str,
    /// Where the definition comes from: paper and section, or the tool whose behaviour it follows.
    pub source: &'static str,
    /// The kinds of its anomalies ([`crate::Anomaly::kind`]), each with what it means.
    pub anomalies: &'static [(&'static str, &'static str)],
    /// What it does not detect, in whole sentences.
    pub does_not_detect: &'static str,
    /// Which workloads or operations it needs to say anything.
    pub needs: &'static str,
}

/// One guarantee, observed. The same code runs while the test runs and over a recorded history:
/// [`Checker::step`] is called once for every event, in order, after it was pushed.
pub trait Checker: Send {
    /// What it observes, with its source and its limits.
    fn about(&self) -> About;

    /// Takes in one event. `history` holds it and everything before it, and may already hold more: a checker
    /// looks only backwards.
    fn step(&mut self, history: &History, event: EventIndex);

    /// Takes in several events, in order.
    fn steps(&mut self, history: &History, events: std::ops::Range<u32>) {
        for event in events {
            self.step(history, EventIndex(event));
        }
    }

    /// How many violations are certain already. What only the end can show (a lost write) is not counted.
    fn violations_so_far(&self) -> u64 {
        0
    }

    /// The conclusion. May be called once, after the last event.
    fn finish(self: Box<Self>, history: &History) -> Finding;
}
