//! The verdict of one run as a table, and of several side by side.

use std::collections::BTreeMap;

use checkers::Observed;
use histories::Guarantee;

use super::style::{BAD, COST, DIM, GOOD, Painted, STRONG, UNKNOWN};
use super::table::{Cell, Table};
use crate::verdict::{Row, Verdict};

/// guarantee, promised, observed, and one line of figures.
pub fn table(rows: &BTreeMap<Guarantee, Row>) -> String {
    headed(rows, "promised", "no", observed)
}

/// The same where nobody promised anything: everything is asked, or what is required.
pub fn table_of_asked(rows: &BTreeMap<Guarantee, Row>) -> String {
    if rows.values().any(|row| row.required) {
        return headed(rows, "asked", "no", observed);
    }
    headed(rows, "asked", "yes", |row| match row.observed {
        Observed::Unknown if !row.promised => Cell::styled("too little", UNKNOWN),
        _ => observed(row),
    })
}

fn headed(rows: &BTreeMap<Guarantee, Row>, head: &str, otherwise: &str, observed: impl Fn(&Row) -> Cell) -> String {
    let mut table = Table::new(3);
    table.row(["guarantee", head, "observed"].map(|t| Cell::styled(t, STRONG)));
    let shown = rows.iter().filter(|(_, r)| r.observed != Observed::NotApplicable || r.required);
    for (guarantee, row) in shown {
        let promised = match (row.promised, row.required) {
            (_, true) => "required",
            (true, _) => "yes",
            (false, _) if row.waived => "waived",
            (false, _) => otherwise,
        };
        table.row([guarantee.title().into(), promised.into(), observed(row), Cell::new(row.summary.as_str())]);
    }
    table.render()
}

fn observed(row: &Row) -> Cell {
    match row.observed {
        Observed::Held => Cell::styled("held", GOOD),
        Observed::Violated if row.promised => Cell::styled("violated", BAD),
        Observed::Violated => Cell::styled("violated", COST),
        Observed::Unknown => Cell::styled("unknown", UNKNOWN),
        Observed::NotApplicable => Cell::styled("not judged", DIM),
    }
}

/// The verdict as a word in its colour.
pub fn word(verdict: Verdict) -> String {
    let style = match verdict {
        Verdict::Valid => GOOD,
        Verdict::Invalid => BAD,
        Verdict::Unknown => UNKNOWN,
    };
    Painted(style, verdict).to_string()
}

/// One column of the table of several runs.
pub struct Column<'a> {
    /// What distinguishes the run, in a few short lines.
    pub heading: Vec<String>,
    /// Its rows; `None` when the run ended without a verdict.
    pub rows: Option<&'a BTreeMap<Guarantee, Row>>,
    /// Its verdict.
    pub verdict: Option<Verdict>,
}

/// Guarantees × configurations: `✓` promised and held, `✗` promised and violated, `(…)` not promised.
pub fn matrix(columns: &[Column<'_>]) -> String {
    let mut table = Table::new(2);
    let height = columns.iter().map(|c| c.heading.len()).max().unwrap_or(0);
    for line in 0..height {
        let first = if line + 1 == height { "guarantee" } else { "" };
        let headings = columns.iter().map(|c| c.heading.get(line).cloned().unwrap_or_default());
        let cells = std::iter::once(first.to_owned()).chain(headings);
        table.row(cells.map(|t| Cell::styled(t, STRONG)));
    }
    let judged = |g: &Guarantee| {
        let rows = columns.iter().filter_map(|c| c.rows.and_then(|r| r.get(g)));
        rows.into_iter().any(|r| r.promised || r.observed != Observed::NotApplicable)
    };
    for guarantee in Guarantee::ALL.into_iter().filter(judged) {
        let cells: Vec<Cell> = columns.iter().map(|c| matrix_cell(c.rows.and_then(|r| r.get(&guarantee)))).collect();
        table.row(std::iter::once(Cell::new(guarantee.title())).chain(cells));
    }
    let verdicts = columns.iter().map(|c| match c.verdict {
        Some(Verdict::Valid) => Cell::styled("valid", GOOD),
        Some(Verdict::Invalid) => Cell::styled("INVALID", BAD),
        Some(Verdict::Unknown) => Cell::styled("unknown", UNKNOWN),
        None => Cell::styled("no verdict", BAD),
    });
    table.row(std::iter::once(Cell::styled("verdict", STRONG)).chain(verdicts));
    let mut out = table.render();
    out.push_str("✓ promised and held   ✗ promised and violated   ? promised and not decided   (…) not promised   – nothing to judge\n");
    out
}

fn matrix_cell(row: Option<&Row>) -> Cell {
    let Some(row) = row else { return Cell::styled("–", DIM) };
    match (row.observed, row.promised) {
        (Observed::Held, true) => Cell::styled("✓ held", GOOD),
        (Observed::Held, false) => Cell::styled("(held)", DIM),
        (Observed::Violated, true) => Cell::styled(format!("✗ VIOLATED {}", row.violations), BAD),
        (Observed::Violated, false) => Cell::styled(format!("(violated {})", row.violations), COST),
        (Observed::Unknown, true) => Cell::styled("? unknown", UNKNOWN),
        (Observed::Unknown, false) => Cell::styled("(unknown)", DIM),
        (Observed::NotApplicable, _) => Cell::styled("–", DIM),
    }
}
