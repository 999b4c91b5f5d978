//! The answer of an analysis: for people, and as one JSON object.

use checkers::analysis::{Answer, Group};
use checkers::{Anomaly, Minimal, Model, models};
use histories::{EventIndex, History};
use serde_json::{Value as Json, json};

use super::evidence::{operation, wrap};
use super::report::telling;
use super::style::{BAD, DIM, GOOD, Painted, STRONG, UNKNOWN};
use super::table::{Cell, Table};
use crate::cli::analyse::{Analysed, refuted};
use crate::evidence::{Smallest, in_notation};

/// How many anomalies of a kind are told in text.
const TOLD: usize = 1;
/// How many lines of an argument, and how many of its relations.
const LINES: usize = 12;

/// For people.
pub fn text(analysed: &Analysed, history: &History) -> String {
    let analysis = &analysed.analysis;
    let mut out = format!(
        "{}: {}, {}, {:.2} s\n",
        analysed.file,
        analysis.workload,
        count(analysed.event_count as u64, "events"),
        analysed.seconds
    );
    if let Some(damage) = &analysed.damage {
        out.push_str(&format!("{} {damage}\n", Painted(BAD, "damaged:")));
    }
    let mut table = Table::new(2);
    table.row(["asked".into(), Cell::new(asked(analysed))]);
    let checked: Vec<String> = analysis.checked.iter().map(|(what, n)| count(*n, what)).collect();
    table.row(["checked".into(), Cell::new(checked.join(", "))]);
    let prohibited = models::prohibited(&analysed.question.models, &analysed.question.anomalies);
    for group in &analysis.groups {
        let allowed = if prohibited.contains(&group.kind) { "" } else { ", which was not asked about" };
        let first = group.cases.first().map(|c| numbers(&c.operations)).unwrap_or_default();
        let count = if group.count == 1 { String::new() } else { format!(" × {}", group.count) };
        table
            .row([Cell::styled("found", STRONG), Cell::new(format!("{}{count}  first: {first}{allowed}", group.kind))]);
    }
    for (name, models) in [("not", &analysis.not), ("also not", &analysis.also_not), ("besides not", &analysis.besides)]
    {
        if !models.is_empty() {
            table.row([name.into(), Cell::new(names(models).join(", "))]);
        }
    }
    out.push_str(&table.render());
    for group in analysis.groups.iter().filter(|g| prohibited.contains(&g.kind)) {
        out.push_str(&told(group, history));
    }
    for doubt in &analysis.doubts {
        out.push_str(&format!("{} {doubt}\n", Painted(UNKNOWN, "not decided:")));
    }
    let (style, word) = match analysis.answer {
        Answer::Valid => (GOOD, "valid"),
        Answer::Invalid => (BAD, "invalid"),
        Answer::Unknown => (UNKNOWN, "unknown"),
    };
    out.push_str(&format!("{}: {}\n", Painted(style, word), analysis.reason));
    out
}

/// `2 dependencies`, `1 dependency`.
fn count(n: u64, things: &str) -> String {
    match things.strip_suffix("ies") {
        _ if n != 1 => format!("{n} {things}"),
        Some(stem) => format!("1 {stem}y"),
        None => format!("1 {}", things.strip_suffix('s').unwrap_or(things)),
    }
}

fn asked(analysed: &Analysed) -> String {
    let models = analysed.question.models.iter().map(|m| m.name());
    let anomalies = analysed.question.anomalies.iter().map(|a| a.name());
    models.chain(anomalies).collect::<Vec<_>>().join(", ")
}

/// What they are called.
pub fn names(models: &[Model]) -> Vec<&'static str> {
    models.iter().map(|m| m.name()).collect()
}

fn numbers(operations: &[u32]) -> String {
    operations.iter().take(6).map(|o| format!("#{o}")).collect::<Vec<_>>().join(" ")
}

fn told(group: &Group, history: &History) -> String {
    let mut out = String::new();
    for case in group.cases.iter().take(TOLD) {
        let key = case.key.as_ref().map(|k| format!(" on {k}")).unwrap_or_default();
        out.push_str(&format!("\n  {}{}\n", Painted(STRONG, &case.kind), Painted(DIM, key)));
        let words = wrap(&case.explanation, 100);
        for line in words.iter().take(LINES) {
            out.push_str(&format!("    {line}\n"));
        }
        if words.len() > LINES {
            out.push_str(&format!("    … and {} lines more: --format json has them all\n", words.len() - LINES));
        }
        for relation in case.relations.iter().take(LINES) {
            let kind = checkers::relation_name(relation.kind);
            let line = format!("#{} → #{} {kind}: {}", relation.from, relation.to, relation.reason);
            for line in wrap(&line, 96) {
                out.push_str(&format!("      {}\n", Painted(DIM, line)));
            }
        }
        let mut table = Table::new(2);
        for index in telling(&case.operations, history.len()) {
            table.row(std::iter::once(Cell::new("   ")).chain(operation(history, EventIndex(index))));
        }
        out.push_str(&table.render());
    }
    out.push('\n');
    out
}

/// One JSON object on one line. `smallest` finds the fewest operations that still show an anomaly.
pub fn json(analysed: &Analysed, smallest: &Smallest<'_>) -> String {
    let analysis = &analysed.analysis;
    let anomalies: Vec<Json> = analysis.groups.iter().map(|g| group(g, smallest)).collect();
    let object = json!({
        "file": analysed.file,
        "verdict": analysis.answer,
        "reason": analysis.reason,
        "workload": analysis.workload.name(),
        "models": names(&analysed.question.models),
        "refuted": names(&refuted(analysed)),
        "anomalies": anomalies,
        "not": names(&analysis.not),
        "also_not": names(&analysis.also_not),
        "besides_not": names(&analysis.besides),
        "checked": analysis.checked,
        "undecided": analysis.doubts,
        "damage": analysed.damage,
        "events": analysed.event_count,
        "seconds": analysed.seconds,
    });
    format!("{object}\n")
}

fn group(group: &Group, smallest: &Smallest<'_>) -> Json {
    let first = group.cases.first();
    json!({
        "type": group.kind.name(),
        "count": group.count,
        "operations": first.map(|c| &c.operations),
        "explanation": first.map(|c| &c.explanation),
        "relations": first.map(|c| &c.relations),
        "minimal": first.and_then(smallest).map(|found| minimal(&found)),
        "cases": group.cases.iter().map(case).collect::<Vec<_>>(),
    })
}

fn case(case: &Anomaly) -> Json {
    json!({"key": case.key, "operations": case.operations, "explanation": case.explanation, "relations": case.relations})
}

/// In notation, and by the indices of its events.
fn minimal(found: &Minimal) -> Json {
    let places: Vec<u32> = found.places.iter().map(|e| e.0).collect();
    json!({"history": in_notation(&found.history), "events": places, "complete": found.minimal})
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn one_is_not_many() {
        assert_eq!(
            [count(1, "dependencies"), count(2, "keys"), count(0, "keys")],
            ["1 dependency", "2 keys", "0 keys"]
        );
        assert_eq!([count(1, "components"), count(1, "searched")], ["1 component", "1 searched"]);
    }
}
