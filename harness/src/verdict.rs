//! From what was promised and what was observed to a verdict.
//!
//! ```text
//! guarantee           promised   observed
//! durability          no         violated    12 acknowledged writes lost, first: #4113 append 8 ← 17
//! monotonic reads     yes        held        48112 reads in 40 sessions
//! ```
//!
//! `invalid` when something promised was violated. An unpromised violation is shown, and is no failure.
//! `unknown` when too little happened to say anything: no operation succeeded, every fault was inert, a promised
//! guarantee could not be judged, the run was interrupted. Everything else is `valid`.

use std::collections::BTreeMap;
use std::fmt;

use checkers::{Anomaly, Finding, Observed};
use histories::Guarantee;
use serde::{Deserialize, Serialize};
use systems_under_test::{Contract, Promise};

use crate::failure;

/// The version of `verdict.json` and of the JSON on standard output.
pub const VERDICT_FORMAT: u32 = 2;

/// The answer of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Nothing promised was violated, and enough happened to say so.
    Valid,
    /// Something promised was violated.
    Invalid,
    /// Too little happened to say anything.
    Unknown,
}

impl Verdict {
    /// The exit code.
    pub fn code(self) -> u8 {
        match self {
            Verdict::Valid => failure::VALID,
            Verdict::Invalid => failure::INVALID,
            Verdict::Unknown => failure::UNKNOWN,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::Valid => "valid",
            Verdict::Invalid => "invalid",
            Verdict::Unknown => "unknown",
        })
    }
}

/// One guarantee: what was promised of it, what was observed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Whether it counts towards the verdict: by contract, or because the user required it.
    pub promised: bool,
    /// Whether the user required it for this run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
    /// Whether the contract promises it, but not under the faults of this run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waived: bool,
    /// Why the contract does not promise it, or not under these faults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// What was observed.
    pub observed: Observed,
    /// Number of anomalies.
    pub violations: u64,
    /// One line.
    pub summary: String,
    /// Figures.
    pub counts: BTreeMap<String, u64>,
    /// Evidence of the first anomalies.
    pub anomalies: Vec<Anomaly>,
}

/// What a run is judged by.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    /// What the configuration promises.
    pub contract: Contract,
    /// What the user requires on top.
    pub required: Vec<Guarantee>,
    /// Families and names of the faults of the run: some promises hold only without some of them.
    pub faults: Vec<String>,
}

/// What happened besides the history's own content, as far as it bears on the verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Circumstances {
    /// Client operations that ended `ok`.
    pub ok_count: u64,
    /// Updates that ended `ok`, where that was counted.
    #[serde(default)]
    pub update_count: Option<u64>,
    /// Nodes that did not answer at the end although others did.
    #[serde(default)]
    pub silent_count: u64,
    /// Faults that the schedule holds.
    #[serde(default)]
    pub planned_count: u64,
    /// Those of them that this machine does not offer.
    #[serde(default)]
    pub left_out_count: u64,
    /// Faults that were installed.
    pub fault_count: u64,
    /// Faults that changed nothing.
    pub inert_count: u64,
    /// Whether the run was stopped before its end.
    pub interrupted: bool,
    /// Whether the run ended itself at the first proof of a violation.
    #[serde(default)]
    pub stopped: bool,
    /// Whether the run failed or its controller died: nobody knows what else happened.
    #[serde(default)]
    pub unended: bool,
    /// Whether the record is damaged: what came after is not known.
    #[serde(default)]
    pub damaged: bool,
    /// Events that break the rules of a history: a process with two operations open, a completion without an
    /// invocation. Nothing that follows from such a history can be trusted.
    #[serde(default)]
    pub irregular_count: u64,
}

impl Circumstances {
    /// The same with what the run, `other`, knew of its faults and of its end.
    pub fn with_faults_of(self, other: &Circumstances) -> Self {
        let Circumstances {
            planned_count,
            left_out_count,
            fault_count,
            inert_count,
            interrupted,
            update_count,
            silent_count,
            stopped,
            ..
        } = *other;
        Circumstances {
            planned_count,
            left_out_count,
            fault_count,
            inert_count,
            interrupted,
            update_count,
            silent_count,
            stopped,
            ..self
        }
    }
}

/// Verdict and rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// The answer.
    pub verdict: Verdict,
    /// Why, in a sentence.
    pub reason: String,
    /// Row by row.
    pub guarantees: BTreeMap<Guarantee, Row>,
}

/// Compares what was promised with what was observed.
pub fn judge(terms: &Terms, findings: Vec<Finding>, circumstances: Circumstances) -> Judgement {
    judge_in_words(terms, findings, circumstances, "promised")
}

/// The same where nobody is known to have promised anything: the terms are what is asked.
pub fn judge_asked(terms: &Terms, findings: Vec<Finding>, circumstances: Circumstances) -> Judgement {
    let word = if terms.required.is_empty() { "asked" } else { "required" };
    judge_in_words(terms, findings, circumstances, word)
}

fn judge_in_words(terms: &Terms, findings: Vec<Finding>, circumstances: Circumstances, word: &str) -> Judgement {
    let guarantees: BTreeMap<Guarantee, Row> = findings.into_iter().map(|f| (f.guarantee, row(terms, f))).collect();
    let (verdict, reason) = conclude(&guarantees, circumstances, word);
    Judgement { verdict, reason, guarantees }
}

fn row(terms: &Terms, finding: Finding) -> Row {
    let guarantee = finding.guarantee;
    let faults: Vec<&str> = terms.faults.iter().map(String::as_str).collect();
    let required = terms.required.contains(&guarantee);
    let by_contract = terms.contract.promises(guarantee, &faults);
    let because = match terms.contract.get(guarantee) {
        Some(Promise::No { because }) => Some(because.clone()),
        Some(Promise::Unless { because, .. }) if !by_contract => Some(because.clone()),
        _ => None,
    };
    Row {
        promised: by_contract || required,
        required,
        waived: !by_contract && matches!(terms.contract.get(guarantee), Some(Promise::Unless { .. })),
        because,
        observed: finding.observed,
        violations: finding.violations,
        summary: finding.summary,
        counts: finding.counts,
        anomalies: finding.anomalies,
    }
}

/// `word` is what the guarantees that count were: promised, asked or required.
fn conclude(rows: &BTreeMap<Guarantee, Row>, circumstances: Circumstances, word: &str) -> (Verdict, String) {
    if circumstances.irregular_count > 0 {
        let count = circumstances.irregular_count;
        let events = if count == 1 { "event breaks" } else { "events break" };
        return (Verdict::Unknown, format!("{count} {events} the rules of a history, so nothing follows from it"));
    }
    let promised = || rows.iter().filter(|(_, r)| r.promised);
    let titles = |observed: Observed, required_only: bool| -> Vec<String> {
        promised()
            .filter(|(_, r)| r.observed == observed && (r.required || !required_only))
            .map(|(g, _)| g.title())
            .collect()
    };
    let violated = titles(Observed::Violated, false);
    if !violated.is_empty() {
        let verb = if violated.len() == 1 { "was" } else { "were" };
        let required = promised().filter(|(_, r)| r.observed == Observed::Violated).all(|(_, r)| r.required);
        let asked = if required { "required" } else { word };
        return (Verdict::Invalid, format!("{} {verb} {asked} and violated", list(&violated)));
    }
    if circumstances.unended {
        return (Verdict::Unknown, format!("the run did not come to its end; nothing {word} was violated until then"));
    }
    if circumstances.damaged {
        return (Verdict::Unknown, format!("the history is damaged; nothing {word} was violated until there"));
    }
    if circumstances.interrupted {
        return (Verdict::Unknown, format!("the run was interrupted; nothing {word} was violated until then"));
    }
    if circumstances.stopped {
        return (Verdict::Unknown, "the run ended itself at a proof that the whole history does not bear out".into());
    }
    if circumstances.ok_count == 0 {
        return (Verdict::Unknown, "no operation succeeded".into());
    }
    if circumstances.update_count == Some(0) {
        return (Verdict::Unknown, "no update succeeded".into());
    }
    if circumstances.silent_count > 0 {
        let count = circumstances.silent_count;
        let nodes = if count == 1 { "node did" } else { "nodes did" };
        return (Verdict::Unknown, format!("{count} {nodes} not answer any more at the end"));
    }
    if circumstances.planned_count > 0 && circumstances.planned_count == circumstances.left_out_count {
        return (Verdict::Unknown, "every fault was left out, as this machine does not offer it".into());
    }
    if circumstances.planned_count > 0 && circumstances.fault_count == 0 {
        return (Verdict::Unknown, "the run ended before its first fault".into());
    }
    if circumstances.fault_count > 0 && circumstances.inert_count == circumstances.fault_count {
        return (Verdict::Unknown, "every fault was inert: none changed anything".into());
    }
    let unjudged = [titles(Observed::Unknown, false), titles(Observed::NotApplicable, true)].concat();
    if !unjudged.is_empty() {
        return (Verdict::Unknown, format!("{} could not be judged", list(&unjudged)));
    }
    if promised().next().is_none() && rows.values().any(|r| r.waived) {
        let help = "nothing is promised under these faults: --require makes a guarantee count";
        return (Verdict::Unknown, help.into());
    }
    if promised().all(|(_, r)| r.observed == Observed::NotApplicable) {
        return (Verdict::Unknown, format!("nothing that was {word} could be judged"));
    }
    let unpromised = rows.values().filter(|r| !r.promised && r.observed == Observed::Violated).count();
    let waived = rows.values().any(|r| r.waived && r.observed == Observed::Violated);
    let undecided = rows.values().any(|r| !r.promised && r.observed == Observed::Unknown);
    let reason = match unpromised {
        0 if promised().any(|(_, r)| r.observed == Observed::NotApplicable) => {
            format!("everything {word} that this workload shows was observed to hold")
        }
        0 if word == "asked" && undecided => "everything that could be judged was observed to hold".into(),
        0 => format!("everything {word} was observed to hold"),
        1 if waived => format!("everything {word} held; what was violated is not {word} under these faults"),
        n if waived => format!("everything {word} held; the {n} violated guarantees are not {word} under these faults"),
        1 => format!("everything {word} held; the one violation was never {word}"),
        n => format!("everything {word} held; the {n} violated guarantees were never {word}"),
    };
    (Verdict::Valid, reason)
}

fn list(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [head @ .., last] => format!("{} and {last}", head.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(guarantee: Guarantee, observed: Observed) -> Finding {
        let violations = u64::from(observed == Observed::Violated);
        Finding {
            guarantee,
            observed,
            summary: String::new(),
            counts: BTreeMap::new(),
            violations,
            anomalies: Vec::new(),
        }
    }

    fn verdict(terms: &Terms, observed: Observed, circumstances: Circumstances) -> (Verdict, String) {
        let judgement = judge(terms, vec![finding(Guarantee::Durability, observed)], circumstances);
        (judgement.verdict, judgement.reason)
    }

    const RAN: Circumstances = Circumstances {
        ok_count: 9,
        update_count: None,
        silent_count: 0,
        planned_count: 2,
        left_out_count: 0,
        fault_count: 2,
        inert_count: 1,
        interrupted: false,
        stopped: false,
        unended: false,
        damaged: false,
        irregular_count: 0,
    };

    fn promising() -> Terms {
        Terms { contract: Contract::new().with(Guarantee::Durability, Promise::Yes), ..Terms::default() }
    }

    #[test]
    fn a_promised_violation_is_invalid() {
        let (v, reason) = verdict(&promising(), Observed::Violated, RAN);
        assert_eq!((v, reason.as_str()), (Verdict::Invalid, "durability was promised and violated"));
    }

    #[test]
    fn an_unpromised_violation_is_no_failure_until_it_is_required() {
        let not = Promise::No { because: "asynchronous".into() };
        let mut terms = Terms {
            contract: Contract::new().with(Guarantee::Durability, not).with(Guarantee::Convergence, Promise::Yes),
            ..Terms::default()
        };
        let findings = || {
            vec![finding(Guarantee::Durability, Observed::Violated), finding(Guarantee::Convergence, Observed::Held)]
        };
        assert_eq!(judge(&terms, findings(), RAN).verdict, Verdict::Valid);
        terms.required.push(Guarantee::Durability);
        assert_eq!(judge(&terms, findings(), RAN).verdict, Verdict::Invalid);
    }

    #[test]
    fn a_promise_is_void_under_the_faults_it_excludes() {
        let unless = Promise::Unless { faults: vec!["kill".into()], because: "its replica may die".into() };
        let contract = Contract::new().with(Guarantee::Durability, unless).with(Guarantee::Recovery, Promise::Yes);
        let findings =
            || vec![finding(Guarantee::Durability, Observed::Violated), finding(Guarantee::Recovery, Observed::Held)];
        let terms = |fault: &str| Terms { contract: contract.clone(), faults: vec![fault.into()], required: vec![] };
        assert_eq!(judge(&terms("kill"), findings(), RAN).verdict, Verdict::Valid);
        assert_eq!(judge(&terms("partition"), findings(), RAN).verdict, Verdict::Invalid);
    }

    #[test]
    fn too_little_is_unknown_and_never_valid() {
        for (observed, circumstances) in [
            (Observed::Held, Circumstances { ok_count: 0, ..RAN }),
            (Observed::Held, Circumstances { inert_count: 2, ..RAN }),
            (Observed::Held, Circumstances { fault_count: 0, inert_count: 0, ..RAN }),
            (Observed::Held, Circumstances { fault_count: 0, inert_count: 0, left_out_count: 2, ..RAN }),
            (Observed::Held, Circumstances { interrupted: true, ..RAN }),
            (Observed::Held, Circumstances { damaged: true, ..RAN }),
            (Observed::Held, Circumstances { update_count: Some(0), ..RAN }),
            (Observed::Held, Circumstances { silent_count: 1, ..RAN }),
            (Observed::Held, Circumstances { unended: true, ..RAN }),
            (Observed::Unknown, RAN),
            (Observed::NotApplicable, RAN),
        ] {
            assert_eq!(
                verdict(&promising(), observed, circumstances).0,
                Verdict::Unknown,
                "{observed:?} {circumstances:?}"
            );
        }
        assert_eq!(verdict(&promising(), Observed::Held, RAN).0, Verdict::Valid);
    }

    #[test]
    fn a_violation_counts_even_when_the_run_was_interrupted() {
        assert_eq!(
            verdict(&promising(), Observed::Violated, Circumstances { interrupted: true, ..RAN }).0,
            Verdict::Invalid
        );
    }

    #[test]
    fn a_history_that_breaks_the_rules_proves_nothing() {
        let broken = Circumstances { irregular_count: 1, ..RAN };
        assert_eq!(verdict(&promising(), Observed::Violated, broken).0, Verdict::Unknown);
    }

    #[test]
    fn a_required_guarantee_that_cannot_be_judged_is_unknown() {
        let terms = Terms { required: vec![Guarantee::Durability], ..Terms::default() };
        assert_eq!(verdict(&terms, Observed::NotApplicable, RAN).0, Verdict::Unknown);
    }
}
