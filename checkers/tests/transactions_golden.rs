//! Golden scripts of transactional histories: each file in `golden_transactions/` is a claim about an anomaly, with a
//! minimal history that has it and near misses that do not, and what the analyzer says of each, word for word.
//!
//! A question there is a workload, a model and assumptions.

#[path = "support/script.rs"]
mod script;

use checkers::models::{AnomalyType, prohibited};
use checkers::transactions::{list_append, predicate, rw_register};
use checkers::{Assumptions, Budget, Found, Question};
use histories::History;
use script::Played;

#[test]
fn scripts() {
    let played = script::play("golden_transactions", answer);
    assert!(played.len() >= 20, "one script for each anomaly");
    played.iter().for_each(claim);
}

/// The anomaly that a file is named for is found in its first history, and not in all.
fn claim(played: &Played) {
    let name = &played.name;
    if let Ok(kind) = name.parse::<AnomalyType>() {
        let found = |block: &str| block.contains(&format!("\n  {kind} ["));
        let blocks: Vec<&str> = played.text.split("\n\n").collect();
        assert!(found(blocks[0]), "{name}: the first history has it");
        assert!(!blocks.iter().all(|b| found(b)), "{name}: there is a near miss");
    }
}

fn answer(asked: &str, history: &History) -> String {
    let mut words = asked.split_whitespace();
    let (workload, model) = (words.next().expect("a workload"), words.next().expect("a model"));
    let assume = words.fold(Assumptions::default(), |assume, word| match word {
        "sequential-keys" => Assumptions { sequential_keys: true, ..assume },
        "linearizable-keys" => Assumptions { linearizable_keys: true, ..assume },
        initial => Assumptions { initial: Some(initial.parse::<i64>().expect("an assumption").into()), ..assume },
    });
    let models = vec![model.parse().expect("a model")];
    let question = Question { models, anomalies: Vec::new(), assume };
    let check = match workload {
        "list-append" => list_append::check,
        "rw-register" => rw_register::check,
        "predicate" => predicate::check,
        other => panic!("no workload {other}"),
    };
    say(&check(history, &question, &Budget::default()), &question)
}

fn say(found: &Found, question: &Question) -> String {
    let bad = prohibited(&question.models, &[]);
    let valid = !found.groups.keys().any(|kind| bad.contains(kind));
    let mut said = match (valid, found.doubts.is_empty()) {
        (false, _) => "invalid\n".to_owned(),
        (true, true) => "valid\n".to_owned(),
        (true, false) => "unknown\n".to_owned(),
    };
    found.groups.values().flat_map(|group| &group.cases).for_each(|case| said += &script::evidence(case));
    found.doubts.iter().for_each(|doubt| said += &format!("  doubt: {doubt}\n"));
    said
}
