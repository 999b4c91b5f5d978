//! Liveness: a core of healthy nodes goes on without the others, within a bound.
//!
//! *From the moment when so many nodes are healthy as the system says suffice, and the others stay cut off, paused or dead for
//! good, the first read and the first update that succeed are not longer away than the bound.* That is what a quorum is for:
//! [`recovery`](crate::recovery) lets every node come back first, so that a store that needs all of them to get out of a
//! corner passes it. TigerBeetle's simulator has the same second phase: it picks a core, heals it, and leaves the rest broken
//! (`src/vopr.zig`, *transition to liveness mode*); Alpern and Schneider, *Defining Liveness* (1985), for the word.
//!
//! ```text
//!   nemesis     kill n1 n2   core n1 n3 n4 (n2 killed, n5 paused)            heal-all
//!   n1, n3, n4   ×    ×    |  ×    read ok    ×    write ok                 |
//!   n2, n5       ×    ×    |  ×       ×       ×       ×                     |
//!                          |---------| 120 ms |
//!                          |-----------------------| 700 ms, within the bound
//! ```
//!
//! # What was decided
//!
//! **Who is in the core** the nemesis says: its event `core` names those nodes, the others, the faults that stay, and the
//! bound. This checker knows nothing of quorums; whether a core of that kind must suffice is the contract's business.
//!
//! **What is progress?** A read and an update, each invoked after the event and answered by a node of the core (or by nobody
//! knows whom). What an old leader outside acknowledges is none: that is what a split brain looks like. Of a kind that was
//! never tried none is needed.
//!
//! **When nothing succeeded** the guarantee is violated only if there was time for more than the bound; the time ends at the
//! next event that heals everything, or that begins another phase.
//!
//! # What it does not detect
//!
//! Progress for some keys, clients or sessions only; how well the core works after its first success; how long the cluster
//! stood still before, while faults came and went.

use histories::{EventIndex, Function, Guarantee, History, Kind, Operation};

use crate::checker::{About, Checker};
use crate::finding::{Anomaly, Finding, Observed};
use crate::fold::acts::acts;
use crate::fold::tally::{Headline, Tally, clean, counts};
use crate::fold::words;

/// See the [module](self).
#[derive(Default)]
pub struct Liveness {
    /// In order; the last one may still go on.
    times: Vec<Alone>,
}

/// How many of the last operations without success are named.
const LAST_WORDS: usize = 3;

/// A time in which a core was by itself.
struct Alone {
    /// The event that says so.
    since: EventIndex,
    said: Said,
    end: Option<EventIndex>,
    reads: Kindred,
    updates: Kindred,
    /// The last operations that did not succeed, by their invocation.
    last: Vec<EventIndex>,
}

/// What the event says.
struct Said {
    core: Vec<String>,
    faults: Vec<String>,
    within_ms: u64,
}

/// Reads, or updates.
#[derive(Default)]
struct Kindred {
    tried: u64,
    /// The completion of the first that succeeded.
    first: Option<EventIndex>,
}

pub(crate) const ABOUT: About = About {
    guarantee: Guarantee::Liveness,
    definition: "From the moment when only a core of nodes that suffices is healthy, and the others stay broken for good, \
                 to the first read and to the first update that a node of the core answers, no more time passes than the \
                 bound allows.",
    source: "The liveness mode of TigerBeetle's simulator (src/vopr.zig); Alpern and Schneider: Defining Liveness \
             (Information Processing Letters, 1985).",
    anomalies: &[("no-progress", "The first read or update that the core answers comes too late, or never.")],
    does_not_detect: "Progress for some keys or clients only, and how well the core works after its first success.",
    needs: "A run with --liveness, or an event of the nemesis named core, and client operations after it.",
};

impl Said {
    /// What an event `core` says; none for one that says something else.
    fn of(value: &serde_json::Value) -> Option<Said> {
        let names = |member: &str| -> Vec<String> {
            let list = value.get(member).and_then(|list| list.as_array());
            list.into_iter().flatten().filter_map(|name| name.as_str()).map(str::to_owned).collect()
        };
        let within_ms = value.get("within_ms")?.as_u64()?;
        Some(Said { core: names("core"), faults: names("faults"), within_ms })
    }

    /// `on n1 n3 n4 alone (kill n2; pause n5)`.
    fn in_words(&self) -> String {
        let core = self.core.join(" ");
        match self.faults.is_empty() {
            true => format!("on {core}"),
            false => format!("on {core} alone ({})", self.faults.join("; ")),
        }
    }
}

impl Kindred {
    fn needed(&self) -> bool {
        self.tried > 0
    }

    fn took(&self, history: &History, since: EventIndex) -> Option<u64> {
        self.first.map(|done| millis(history, since, done))
    }
}

enum Verdict {
    NothingTried,
    Progress,
    CutShort { lasted: u64 },
    TooLate,
}

impl Alone {
    fn new(since: EventIndex, said: Said) -> Self {
        Alone { since, said, end: None, reads: Kindred::default(), updates: Kindred::default(), last: Vec::new() }
    }

    fn kinds(&self) -> [(&'static str, &Kindred); 2] {
        [("read", &self.reads), ("update", &self.updates)]
    }

    fn lasted(&self, history: &History) -> u64 {
        self.end.or(history.events().next_back()).map_or(0, |end| millis(history, self.since, end))
    }

    fn judge(&self, history: &History) -> Verdict {
        let kinds = self.kinds().into_iter().filter(|(_, kind)| kind.needed());
        let took: Vec<Option<u64>> = kinds.map(|(_, kind)| kind.took(history, self.since)).collect();
        let in_time = |took: &Option<u64>| took.is_some_and(|ms| ms <= self.said.within_ms);
        let lasted = self.lasted(history);
        match took.is_empty() {
            true => Verdict::NothingTried,
            false if took.iter().all(in_time) => Verdict::Progress,
            false if took.iter().all(|took| in_time(took) || took.is_none()) && lasted <= self.said.within_ms => {
                Verdict::CutShort { lasted }
            }
            false => Verdict::TooLate,
        }
    }

    /// `first read after 3 ms, first update after 900 ms`.
    fn in_words(&self, history: &History) -> String {
        let kinds = self.kinds();
        let told =
            kinds.iter().filter(|(_, kind)| kind.needed()).map(|(name, kind)| match kind.took(history, self.since) {
                Some(ms) => format!("first {name} after {ms} ms"),
                None => format!("no {name} of {} within {} ms", kind.tried, self.lasted(history)),
            });
        told.collect::<Vec<_>>().join(", ")
    }

    fn summary(&self, history: &History) -> String {
        format!("{} {}", self.in_words(history), self.said.in_words())
    }

    fn evidence(&self, history: &History) -> Anomaly {
        let since = self.since.0;
        let faults = if self.said.faults.is_empty() { "nothing".to_owned() } else { self.said.faults.join("; ") };
        let mut explanation = format!(
            "from #{since} on {} were healthy and could reach each other and all clients, and what stayed in place was: \
             {faults}. What came of it: {}; the bound is {} ms",
            self.said.core.join(" "),
            self.in_words(history),
            self.said.within_ms
        );
        let late = self.kinds().into_iter().filter_map(|(_, kind)| kind.first).filter_map(|done| history.pair_of(done));
        let shown: Vec<u32> = late.chain(self.last.iter().copied()).map(|event| event.0).collect();
        let ended = self.last.iter().map(|event| ended(history, *event)).collect::<Vec<_>>();
        if !ended.is_empty() {
            explanation.push_str(&format!(". The last that did not succeed: {}", ended.join("; ")));
        }
        Anomaly {
            kind: "no-progress".to_owned(),
            key: None,
            operations: std::iter::once(since).chain(shown).collect(),
            relations: Vec::new(),
            explanation,
        }
    }

    fn operation(&mut self, history: &History, event: EventIndex) {
        let reads = |event| acts(history, event).any(|(_, act)| !act.is_update());
        let updates = |event| acts(history, event).any(|(_, act)| act.is_update());
        match history.kind(event) {
            Kind::Invoke => {
                self.reads.tried += u64::from(reads(event));
                self.updates.tried += u64::from(updates(event));
            }
            kind => {
                let Some(invocation) = history.pair_of(event).filter(|invocation| *invocation > self.since) else {
                    return;
                };
                if kind != Kind::Ok {
                    self.last.push(invocation);
                    self.last.drain(..self.last.len().saturating_sub(LAST_WORDS));
                } else if self.is_answer_of_core(history, event) {
                    let first = |kind: &mut Kindred, is: bool| kind.first = kind.first.or(is.then_some(event));
                    first(&mut self.reads, reads(invocation));
                    first(&mut self.updates, updates(invocation));
                }
            }
        }
    }

    fn is_answer_of_core(&self, history: &History, completion: EventIndex) -> bool {
        history.node(completion).is_none_or(|node| {
            let name = history.node_name(node);
            self.said.core.iter().any(|member| member == name)
        })
    }
}

/// `#812 append x ← 3: info, no answer in time (n2)`.
fn ended(history: &History, invocation: EventIndex) -> String {
    let completion = history.pair_of(invocation);
    let kind = completion.map_or("no answer", |done| history.kind(done).name());
    let why = completion.and_then(|done| history.error(done)).map(|why| format!(", {why}")).unwrap_or_default();
    format!("{}: {kind}{why}{}", words::numbered(history, invocation.0), words::place(history, invocation.0))
}

impl Checker for Liveness {
    fn about(&self) -> About {
        ABOUT
    }

    fn step(&mut self, history: &History, event: EventIndex) {
        if history.process(event).is_nemesis() {
            let Operation::Custom { f, value, .. } = history.operation(event) else { return };
            if !matches!(&*f, "core" | "heal-all" | "phase") {
                return;
            }
            if let Some(time) = self.times.last_mut() {
                time.end = time.end.or(Some(event));
            }
            if let Some(said) = Said::of(&value).filter(|_| &*f == "core") {
                self.times.push(Alone::new(event, said));
            }
        } else if let Some(time) = self.times.last_mut().filter(|time| time.end.is_none())
            && !matches!(history.function(event), Function::Custom(_))
        {
            time.operation(history, event);
        }
    }

    fn finish(self: Box<Self>, history: &History) -> Finding {
        let guarantee = Guarantee::Liveness;
        let Some(last) = self.times.last() else {
            return clean(guarantee, Observed::NotApplicable, "no core was left to itself", counts([]));
        };
        let mut figures = counts([("within_ms", last.said.within_ms), ("core", last.said.core.len() as u64)]);
        for (name, kind) in last.kinds() {
            figures.extend(kind.took(history, last.since).map(|ms| (format!("first_{name}_ms"), ms)));
        }
        let mut tally = Tally::default();
        let mut worst = None;
        for time in self.times.iter().filter(|time| matches!(time.judge(history), Verdict::TooLate)) {
            tally.add(|| time.evidence(history));
            worst = Some(time);
        }
        if let Some(worst) = worst {
            let what = worst.summary(history);
            let mut finding = tally.violated(history, guarantee, &what, Headline::Last, figures);
            finding.summary = what;
            return finding;
        }
        match last.judge(history) {
            Verdict::NothingTried => {
                clean(guarantee, Observed::Unknown, "no client operation while the core was by itself", figures)
            }
            Verdict::CutShort { lasted } => {
                let why = format!("{}, but that time ends after {lasted} ms", last.in_words(history));
                clean(guarantee, Observed::Unknown, why, figures)
            }
            Verdict::Progress | Verdict::TooLate => clean(guarantee, Observed::Held, last.summary(history), figures),
        }
    }
}

fn millis(history: &History, from: EventIndex, to: EventIndex) -> u64 {
    history.time(to).saturating_sub(history.time(from)) / 1_000_000
}
