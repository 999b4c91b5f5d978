//! Recovery: after healing the store takes operations again, within a bound.
//!
//! *From the moment when everything is healed, the first operation that succeeds is not longer away than the bound, and
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
//! Time runs from the last `heal-all` to the first completion `ok`, whenever its operation was invoked. Reads may
//! come back before updates do, when a leader is still being elected; both are measured, and where updates were tried
//! the guarantee needs one. If none succeeded, it is violated only when the history goes on beyond the bound: a run that was
//! stopped before that shows nothing.
//!
//! # What it does not detect
//!
//! A store that recovers for some keys, clients or replicas only; how well it works afterwards; how long it took to
//! notice a fault, or to work on in spite of it.

use histories::{EventIndex, Function, Guarantee, History, Kind};

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
    after: After,
}

/// What happened after the last `heal-all`.
#[derive(Clone, Copy, Default)]
struct After {
    heal: Option<EventIndex>,
    /// Completions.
    first: Option<EventIndex>,
    first_update: Option<EventIndex>,
    tried: u64,
    tried_updates: u64,
}

pub(crate) const ABOUT: About = About {
    guarantee: Guarantee::Recovery,
    definition: "From the last heal-all to the first client operation that succeeds, and to the first update that \
                 succeeds, no more time passes than the bound allows.",
    source: "The liveness phase that follows the safety phase in TigerBeetle's simulator; Alpern and Schneider: Defining \
             Liveness (Information Processing Letters, 1985).",
    does_not_detect: "A store that recovers for some keys, clients or replicas only, how well it works afterwards, or \
                      how long it needed while the fault lasted.",
    needs: "Faults, a heal-all event of the nemesis, and client operations after it.",
};

impl Recovery {
    /// The time from healing to the first success may be this long.
    pub fn new(bound_ms: u64) -> Self {
        Recovery { bound_ms, settled: Settled::default(), after: After::default() }
    }

    fn judge(&self, history: &History) -> Verdict {
        let Some(heal) = self.after.heal else { return Verdict::NeverHealed };
        if self.after.tried == 0 {
            return Verdict::NothingTried;
        }
        let since = |event: EventIndex| millis(history, heal, event);
        let needed = if self.after.tried_updates > 0 { self.after.first_update } else { self.after.first };
        match (needed.map(since), history.events().next_back().map(since)) {
            (Some(took), _) if took <= self.bound_ms => Verdict::Recovered,
            (None, Some(recorded)) if recorded <= self.bound_ms => Verdict::CutShort { recorded },
            (took, _) => Verdict::TooLate { took },
        }
    }

    fn took(&self, history: &History, event: Option<EventIndex>) -> Option<u64> {
        Some(millis(history, self.after.heal?, event?))
    }

    fn in_words(&self, history: &History) -> String {
        let first = self.took(history, self.after.first).map(|ms| format!("first success after {ms} ms"));
        let update = self.took(history, self.after.first_update).map(|ms| format!("first update after {ms} ms"));
        [first, update].into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    fn late(&self, history: &History, took: Option<u64>) -> Anomaly {
        let heal = self.after.heal.map_or(0, |h| h.0);
        let what = if self.after.tried_updates > 0 { "update" } else { "operation" };
        let tried = if self.after.tried_updates > 0 { self.after.tried_updates } else { self.after.tried };
        let (operation, outcome) = match took {
            Some(ms) => {
                let done = if self.after.tried_updates > 0 { self.after.first_update } else { self.after.first };
                let invocation = done.and_then(|d| history.pair_of(d)).map(|i| i.0);
                let text = invocation.map(|i| words::told(history, i)).unwrap_or_default();
                (invocation, format!("the first {what} succeeded {ms} ms later, when {text}"))
            }
            None => (None, format!("no {what} succeeded, of {tried} that were tried")),
        };
        Anomaly {
            kind: "no-recovery".to_owned(),
            key: None,
            operations: std::iter::once(heal).chain(operation).collect(),
            relations: Vec::new(),
            explanation: format!("everything was healed (#{heal}), and {outcome}; the bound is {} ms", self.bound_ms),
        }
    }
}

enum Verdict {
    NeverHealed,
    NothingTried,
    Recovered,
    CutShort { recorded: u64 },
    TooLate { took: Option<u64> },
}

impl Checker for Recovery {
    fn about(&self) -> About {
        ABOUT
    }

    fn step(&mut self, history: &History, event: EventIndex) {
        if history.process(event).is_nemesis() {
            self.settled.note(history, event);
            if self.settled.heal_all() == Some(event.0) {
                self.after = After { heal: Some(event), ..After::default() };
            }
        } else if self.after.heal.is_some() && !matches!(history.function(event), Function::Custom(_)) {
            self.after_healing(history, event);
        }
    }

    fn finish(self: Box<Self>, history: &History) -> Finding {
        let guarantee = Guarantee::Recovery;
        let first = self.took(history, self.after.first);
        let update = self.took(history, self.after.first_update);
        let mut figures = counts([("bound_ms", self.bound_ms), ("tried", self.after.tried)]);
        figures.extend(first.map(|ms| ("first_ok_ms".to_owned(), ms)));
        figures.extend(update.map(|ms| ("first_update_ms".to_owned(), ms)));
        if !self.settled.had_faults() {
            return clean(guarantee, Observed::NotApplicable, "no faults", figures);
        }
        let unknown = |why: &str, figures| clean(guarantee, Observed::Unknown, why, figures);
        match self.judge(history) {
            Verdict::NeverHealed => unknown("the history ends before everything was healed", figures),
            Verdict::NothingTried => unknown("no client operation after healing", figures),
            Verdict::Recovered => clean(guarantee, Observed::Held, self.in_words(history), figures),
            Verdict::CutShort { recorded } => {
                unknown(&format!("nothing succeeded yet, but the history ends {recorded} ms after healing"), figures)
            }
            Verdict::TooLate { took } => {
                let mut tally = Tally::default();
                tally.add(|| self.late(history, took));
                let words = match (took, self.in_words(history)) {
                    (None, first) if first.is_empty() => "nothing succeeded after healing".to_owned(),
                    (None, first) => format!("{first}, but no update succeeded"),
                    (Some(_), times) => times,
                };
                let what = format!("{words}; the bound is {} ms", self.bound_ms);
                let mut finding = tally.violated(history, guarantee, &what, Headline::Last, figures);
                finding.summary = what;
                finding
            }
        }
    }
}

impl Recovery {
    fn after_healing(&mut self, history: &History, event: EventIndex) {
        let kind = history.kind(event);
        let updates = |event| acts(history, event).any(|(_, act)| act.is_update());
        if kind == Kind::Invoke {
            self.after.tried += 1;
            self.after.tried_updates += u64::from(updates(event));
        } else if kind == Kind::Ok
            && let Some(invocation) = history.pair_of(event)
        {
            self.after.tried += u64::from(self.after.tried == 0);
            self.after.first = self.after.first.or(Some(event));
            if updates(invocation) {
                self.after.tried_updates += u64::from(self.after.tried_updates == 0);
                self.after.first_update = self.after.first_update.or(Some(event));
            }
        }
    }
}

fn millis(history: &History, from: EventIndex, to: EventIndex) -> u64 {
    history.time(to).saturating_sub(history.time(from)) / 1_000_000
}
