//! The operations that prove a violation, and the argument in words.

use checkers::Anomaly;
use histories::{EventIndex, History, Kind};

use super::style::{DIM, Painted, STRONG};
use super::table::{Cell, Table};
use super::timeline::short;

/// An anomaly with its operations, its relations and its explanation.
pub fn anomaly(history: &History, anomaly: &Anomaly) -> String {
    let key = anomaly.key.as_ref().map(|k| format!(" of {k}")).unwrap_or_default();
    let mut out = format!("{}{key}\n", Painted(STRONG, &anomaly.kind));
    for line in wrap(&anomaly.explanation, 100) {
        out.push_str(&format!("  {line}\n"));
    }
    let mut table = Table::new(2);
    for index in &anomaly.operations {
        if (*index as usize) < history.len() {
            table.row(std::iter::once(Cell::new(" ")).chain(operation(history, EventIndex(*index))));
        }
    }
    out.push_str(&table.render());
    for relation in &anomaly.relations {
        let line = format!("  #{} → #{}  {}", relation.from, relation.to, relation.reason);
        out.push_str(&format!("{}\n", Painted(DIM, line)));
    }
    out
}

/// One operation: when, who, what, how it ended, where.
pub fn operation(history: &History, invocation: EventIndex) -> [Cell; 6] {
    let completion = history.pair_of(invocation);
    let told = completion.filter(|c| history.kind(*c) == Kind::Ok).unwrap_or(invocation);
    let ended = match completion {
        None if history.process(invocation).is_nemesis() => String::new(),
        None => "never answered".to_owned(),
        Some(c) => match (history.kind(c), history.error(c)) {
            (Kind::Ok, _) => format!("ok after {}", duration(history.time(c).saturating_sub(history.time(invocation)))),
            (kind, Some(why)) => format!("{}: {why}", kind.name()),
            (kind, None) => kind.name().to_owned(),
        },
    };
    let node = completion.and_then(|c| history.node(c)).map(|n| history.node_name(n).to_owned());
    [
        format!("#{}", invocation.0).into(),
        moment(history.time(invocation)).into(),
        format!("process {}", history.process(invocation)).into(),
        short(&history.operation(told).to_string()).into(),
        node.unwrap_or_default().into(),
        Cell::styled(ended, DIM),
    ]
}

/// `3.214 s` since the start.
pub fn moment(ns: u64) -> String {
    format!("{:.3} s", ns as f64 / 1e9)
}

/// A span of time with a fitting unit.
pub fn duration(ns: u64) -> String {
    match ns {
        0..1_000_000 => format!("{} µs", ns / 1000),
        1_000_000..1_000_000_000 => format!("{:.1} ms", ns as f64 / 1e6),
        _ => format!("{:.2} s", ns as f64 / 1e9),
    }
}

/// Text without what a terminal would obey: what stores and histories say is shown, never executed.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

/// Breaks text between words into lines of at most `width` characters.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in printable(text).split_whitespace() {
        let line = lines.last_mut().expect("there is always a line");
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}
