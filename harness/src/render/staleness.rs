//! How stale the reads of a history were, as a table.

use checkers::weak::staleness::{Figures, Staleness};

use super::evidence::{duration, wrap};
use super::style::{DIM, Painted, STRONG};
use super::table::{Cell, Table};

/// Keys that are shown, the stalest first.
const KEYS: usize = 10;

/// All reads, the stalest keys, the stalest reads with the reason.
pub fn staleness(measured: &Staleness, most: usize) -> String {
    if measured.all.reads == 0 {
        return "no read of a register or list whose age could be told\n".to_owned();
    }
    let mut table = Table::new(2);
    let head = ["", "reads", "stale", "age p50", "p99", "max", "versions p50", "p99", "max", "Δ"];
    table.row(head.map(|title| Cell::styled(title, DIM)));
    table.row(figures("all", &measured.all));
    let mut keys: Vec<_> = measured.keys.iter().filter(|(_, figures)| figures.stale > 0).collect();
    keys.sort_by_key(|(key, figures)| (std::cmp::Reverse(figures.age_ns.max), (*key).clone()));
    let left = keys.len().saturating_sub(KEYS);
    keys.iter().take(KEYS).for_each(|(key, of_key)| table.row(figures(key, of_key)));
    let mut out = format!("{}\n{}", Painted(STRONG, "how old what reads returned was"), table.render());
    if left > 0 {
        out.push_str(&format!("… and {left} more keys with stale reads\n"));
    }
    for read in measured.worst.iter().take(most) {
        out.push_str(&format!("\n  {} old, {} behind\n", duration(read.age_ns), versions(read.versions)));
        wrap(&read.explanation, 100).iter().for_each(|line| out.push_str(&format!("    {line}\n")));
    }
    measured.doubts.iter().for_each(|doubt| out.push_str(&format!("note: {doubt}\n")));
    out
}

fn figures(name: &str, figures: &Figures) -> [Cell; 10] {
    let share = 100.0 * figures.stale as f64 / figures.reads.max(1) as f64;
    let (age, behind) = (&figures.age_ns, &figures.versions);
    let delta = figures.delta_ns.map_or_else(|| "–".to_owned(), duration);
    [
        name.into(),
        figures.reads.to_string().into(),
        format!("{} ({share:.1} %)", figures.stale).into(),
        duration(age.median).into(),
        duration(age.p99).into(),
        duration(age.max).into(),
        behind.median.to_string().into(),
        behind.p99.to_string().into(),
        behind.max.to_string().into(),
        delta.into(),
    ]
}

fn versions(count: u64) -> String {
    if count == 1 { "1 version".to_owned() } else { format!("{count} versions") }
}
