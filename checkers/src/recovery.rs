//! Recovery: after healing the store takes operations again, within a bound.
//!
//! *From every moment when everything is healed, the first operation that succeeds is not longer away than the bound, and
//! neither is the first update.* A store that is safe because it answers nothing any more is not what anybody wants;
//! so a test has a phase of safety, with faults, and then a phase of liveness, without (the two phases of
//! TigerBeetle's simulator; Alpern and Schneider, *Defining Liveness*, 1985, for the two words).
//!
//! ```text
//!   nemesis      kill n1   heal-all
//!   clients    ok   ×   ×     |  ×    ×    read ok      write ok
//!                             |------------|  410 ms    |
//!                             |-------------------------|  950 ms
//! ```
//!
//! # What was decided
//!
//! **Every time counts.** Everything is healed at a `heal-all`, and at a `heal` that leaves nothing installed (its value
//! says `"remaining": 0`). From there on time runs until the next fault; a `heal-all` while nothing is installed starts
//! no new time. The slowest recovery is told.
//!
//! **What is a success?** A completion `ok` of an operation that was invoked after healing: one that was under way may owe
//! its success to a leader that is about to be deposed. Reads may come back before updates do, when a leader is still
//! being elected; both are measured, and where updates were tried the guarantee needs one.
//!
//! The final reads belong to no such time, and neither does the time that they take.
//!
//! **When nothing succeeded** the guarantee is violated only if there was time for more than the bound. When the next fault
//! or the end of the history came before, nothing is shown, and only the last such time matters for the verdict.
//!
//! # What it does not detect
//!
//! A store that recovers for some keys, clients or replicas only; how well it works afterwards; how long it took to
//! notice a fault, or to work on in spite of it.

use histories::{EventIndex, Function, Guarantee, History, Kind, Operation};

use crate::checker::{About, Checker};
use crate::finding::{Anomaly, Finding, Observed};
use crate::fold::acts::acts;
use crate::fold::settled::Settled;
use crate::fold::tally::{Headline, Tally, clean, counts};
use crate::fold::words;

/// See the [module](self).
pub struct Recovery {
    bound_ms: u64,
    settled: Settled,
    /// In order; the last one may still go on.
    times: Vec<Healthy>,
    /// Whether nothing is installed now.
    healthy: bool,
}

/// A time without faults.
#[derive(Clone, Copy)]
struct Healthy {
    heal: EventIndex,
    /// The next fault.
    end: Option<EventIndex>,
    /// Completions.
    first: Option<EventIndex>,
    first_update: Option<EventIndex>,
    tried: u64,
    tried_updates: u64,
}

pub(crate) const ABOUT: About = About {
    guarantee: Guarantee::Recovery,
    definition: "From every moment when all faults are healed to the first client operation that succeeds, and to the \
                 first update that succeeds, no more time passes than the bound allows.",
    source: "The liveness phase that follows the safety phase in TigerBeetle's simulator; Alpern and Schneider: Defining \
             Liveness (Information Processing Letters, 1985).",
    anomalies: &[("no-recovery", "The first success after healing comes too late, or never.")],
    does_not_detect: "A store that recovers for some keys, clients or replicas only, how well it works afterwards, or \
                      how long it needed while the fault lasted.",
    needs: "Faults, heals of the nemesis that leave none of them, and client operations after that.",
};

impl Healthy {
    fn since(heal: EventIndex) -> Self {
        Healthy { heal, end: None, first: None, first_update: None, tried: 0, tried_updates: 0 }
    }

    /// The completion that recovery waits for.
    fn needed(&self) -> Option<EventIndex> {
        if self.tried_updates > 0 { self.first_update } else { self.first }
    }

    fn what(&self) -> (&'static str, u64) {
        if self.tried_updates > 0 { ("update", self.tried_updates) } else { ("operation", self.tried) }
    }

    fn took(&self, history: &History, event: Option<EventIndex>) -> Option<u64> {
        event.map(|event| millis(history, self.heal, event))
    }

    fn judge(&self, history: &History, bound_ms: u64) -> Verdict {
        let lasted = self.took(history, self.end.or(history.events().next_back())).unwrap_or(0);
        match self.took(history, self.needed()) {
            _ if self.tried == 0 => Verdict::NothingTried,
            Some(took) if took <= bound_ms => Verdict::Recovered,
            None if lasted <= bound_ms => Verdict::CutShort { lasted },
            took => Verdict::TooLate { took },
        }
    }

    fn in_words(&self, history: &History) -> String {
        let first = self.took(history, self.first).map(|ms| format!("first success after {ms} ms"));
        let update = self.took(history, self.first_update).map(|ms| format!("first update after {ms} ms"));
        [first, update].into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    fn late(&self, history: &History, took: Option<u64>, bound_ms: u64) -> Anomaly {
        let heal = self.heal.0;
        let (what, tried) = self.what();
        let invocation = self.needed().filter(|_| took.is_some()).and_then(|done| history.pair_of(done)).map(|i| i.0);
        let outcome = match (took, invocation) {
            (Some(ms), Some(done)) => {
                format!("the first {what} succeeded {ms} ms later, when {}", words::told(history, done))
            }
            _ => format!("no {what} succeeded, of {tried} that were tried"),
        };
        Anomaly {
            kind: "no-recovery".to_owned(),
            key: None,
            operations: std::iter::once(heal).chain(invocation).collect(),
            relations: Vec::new(),
            explanation: format!("everything was healed (#{heal}), and {outcome}; the bound is {bound_ms} ms"),
        }
    }

    fn operation(&mut self, history: &History, event: EventIndex) {
        let updates = |event| acts(history, event).any(|(_, act)| act.is_update());
        if history.kind(event) == Kind::Invoke {
            self.tried += 1;
            self.tried_updates += u64::from(updates(event));
        } else if history.kind(event) == Kind::Ok
            && let Some(invocation) = history.pair_of(event).filter(|invocation| *invocation > self.heal)
        {
            self.first = self.first.or(Some(event));
            if updates(invocation) {
                self.first_update = self.first_update.or(Some(event));
            }
        }
    }
}

enum Verdict {
    NothingTried,
    Recovered,
    CutShort { lasted: u64 },
    TooLate { took: Option<u64> },
}

impl Recovery {
    /// The time from healing to the first success may be this long.
    pub fn new(bound_ms: u64) -> Self {
        Recovery { bound_ms, settled: Settled::default(), times: Vec::new(), healthy: false }
    }

    fn nemesis(&mut self, history: &History, event: EventIndex) {
        match step(history, event) {
            Step::Fault => {
                self.healthy = false;
                if let Some(time) = self.times.last_mut() {
                    time.end = time.end.or(Some(event));
                }
            }
            Step::Healed if !self.healthy => {
                self.healthy = true;
                self.times.push(Healthy::since(event));
            }
            Step::Over => {
                self.healthy = false;
                if let Some(time) = self.times.last_mut() {
                    time.end = time.end.or(Some(event));
                }
            }
            Step::Healed | Step::Other => {}
        }
    }

    /// The time with the slowest recovery, and in it the longest that anything took.
    fn slowest(&self, history: &History) -> Option<&Healthy> {
        self.times.iter().filter(|t| t.needed().is_some()).max_by_key(|t| t.took(history, t.needed()))
    }

    fn in_words(&self, history: &History) -> String {
        let words = self.slowest(history).map(|t| t.in_words(history)).unwrap_or_default();
        match self.times.len() {
            0 | 1 => words,
            times => format!("{words}, the slowest of {times} times"),
        }
    }
}

/// What an event of the nemesis means here.
enum Step {
    Fault,
    /// Nothing is installed any more.
    Healed,
    /// The final reads begin: what comes now is not tried to see whether the store has recovered.
    Over,
    Other,
}

fn step(history: &History, event: EventIndex) -> Step {
    let Operation::Custom { f, value, .. } = history.operation(event) else { return Step::Other };
    match &*f {
        "heal-all" => Step::Healed,
        "heal" if value.get("remaining").and_then(|n| n.as_u64()) == Some(0) => Step::Healed,
        "phase" if value == "final-reads" => Step::Over,
        "heal" | "phase" | "core" | "dump" | "exit" | "clock-offsets" => Step::Other,
        _ if value.get("outcome").is_some_and(|outcome| outcome.get("skipped").is_some()) => Step::Other,
        _ => Step::Fault,
    }
}

impl Checker for Recovery {
    fn about(&self) -> About {
        ABOUT
    }

    fn step(&mut self, history: &History, event: EventIndex) {
        if history.process(event).is_nemesis() {
            self.settled.note(history, event);
            self.nemesis(history, event);
        } else if self.healthy
            && let Some(time) = self.times.last_mut()
            && !matches!(history.function(event), Function::Custom(_))
        {
            time.operation(history, event);
        }
    }

    fn finish(self: Box<Self>, history: &History) -> Finding {
        let guarantee = Guarantee::Recovery;
        let slowest = self.slowest(history);
        let mut figures = counts([("bound_ms", self.bound_ms), ("healed", self.times.len() as u64)]);
        figures.extend(slowest.and_then(|t| t.took(history, t.first)).map(|ms| ("first_ok_ms".to_owned(), ms)));
        figures
            .extend(slowest.and_then(|t| t.took(history, t.first_update)).map(|ms| ("first_update_ms".to_owned(), ms)));
        if !self.settled.had_faults() {
            return clean(guarantee, Observed::NotApplicable, "no faults", figures);
        }
        let mut tally = Tally::default();
        let mut last_words = String::new();
        for time in &self.times {
            if let Verdict::TooLate { took } = time.judge(history, self.bound_ms) {
                tally.add(|| time.late(history, took, self.bound_ms));
                last_words = match (took, time.in_words(history)) {
                    (None, first) if first.is_empty() => "nothing succeeded after healing".to_owned(),
                    (None, first) => format!("{first}, but no update succeeded"),
                    (Some(_), times) => times,
                };
            }
        }
        if tally.violations() > 0 {
            let what = format!("{last_words}; the bound is {} ms", self.bound_ms);
            let mut finding = tally.violated(history, guarantee, &what, Headline::Last, figures);
            finding.summary = what;
            return finding;
        }
        let unknown = |why: &str, figures| clean(guarantee, Observed::Unknown, why, figures);
        match self.times.last().map(|t| t.judge(history, self.bound_ms)) {
            None => unknown("the history ends before everything was healed", figures),
            Some(Verdict::NothingTried) => unknown("no client operation after healing", figures),
            Some(Verdict::CutShort { lasted }) => {
                unknown(&format!("nothing succeeded yet, but the history ends {lasted} ms after healing"), figures)
            }
            Some(Verdict::Recovered | Verdict::TooLate { .. }) => {
                clean(guarantee, Observed::Held, self.in_words(history), figures)
            }
        }
    }
}

fn millis(history: &History, from: EventIndex, to: EventIndex) -> u64 {
    history.time(to).saturating_sub(history.time(from)) / 1_000_000
}
