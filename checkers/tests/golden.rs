//! Golden scripts: each file in `golden/` is a claim about an anomaly, with a minimal history that has it and near
//! misses that do not, and what the checker says of each, word for word.
//!
//! A question there is the name of a guarantee.

#[path = "support/script.rs"]
mod script;
mod support;

use checkers::Observed;
use histories::{Guarantee, History};
use support::fold;

#[test]
fn scripts() {
    let played = script::play("golden", |guarantee, history| {
        verdict(guarantee.parse().unwrap_or_else(|e| panic!("{e}: {guarantee}")), history)
    });
    assert!(played.len() >= Guarantee::FOLDS.len(), "one script for each anomaly");
}

fn verdict(guarantee: Guarantee, history: &History) -> String {
    let finding = fold(history, guarantee);
    let observed = match finding.observed {
        Observed::Held => "held",
        Observed::Violated => "violated",
        Observed::Unknown => "unknown",
        Observed::NotApplicable => "not applicable",
    };
    let evidence: String = finding.anomalies.iter().map(script::evidence).collect();
    format!("{observed}: {}\n{evidence}", finding.summary)
}
