//! Operations and faults on one time axis, in the terminal: one lane an operation, one lane a fault.
//!
//! ```text
//!                  3.20 s                                 4.10 s
//! partition-one           ░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░
//! #4113 process 3  ├──┤                                           append 8 ← 17
//! #4377 process 5                                      ├─┤        read 8 → [1 2]
//! ```

use std::collections::BTreeSet;

use histories::{EventIndex, Function, History, Kind};

use super::evidence::moment;
use super::style::{COST, DIM};
use super::table::{Cell, Table};

/// A span on the axis, nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    from: u64,
    to: u64,
}

/// Columns of the axis.
const WIDTH: usize = 60;
/// Operations drawn at most.
const LANES: usize = 40;
/// Faults drawn at most, unless all are asked for.
const BANDS: usize = 16;
/// What was healed longer before an operation is not drawn, unless all are asked for.
const EFFECT_LINGERS_NS: u64 = 1_000_000_000;

/// What the signs mean.
pub const LEGEND: &str = "├─┤ an operation from invocation to completion, ├─? its end unknown, ░ a fault; the operations named \
                          above stand out, the others touched the same keys around that time";

/// The operations with these invocation indices, with `around` more before and after on the same keys, and the
/// faults of that time: those that were there during one of the operations or shortly before it, or all.
pub fn timeline(history: &History, operations: &[u32], around: usize, all_faults: bool) -> String {
    let lanes = lanes(history, operations, around);
    let spans: Vec<Span> = lanes.iter().map(|op| span(history, *op)).collect();
    let Some(window) = window(&spans) else { return String::new() };
    let chosen: BTreeSet<u32> = operations.iter().copied().collect();
    let mut table = Table::new(2);
    table.row(["".into(), Cell::styled(axis(window), DIM)]);
    let evidence = lanes.iter().zip(&spans).filter(|(op, _)| chosen.contains(&op.0)).map(|(_, span)| *span);
    let bands = faults(history, window);
    let band_count = bands.len();
    let near = if all_faults { bands } else { nearest(bands, &evidence.collect::<Vec<_>>()) };
    let left_out = band_count - near.len();
    for (label, span) in near {
        table.row([Cell::styled(label, COST), Cell::styled(bar(span, window, '░', '░', '░'), COST)]);
    }
    if left_out > 0 {
        let faults = if left_out == 1 { "fault" } else { "faults" };
        let told =
            format!("{left_out} {faults} more in this time, away from these operations: --all-faults shows them");
        table.row([Cell::styled("…", COST), Cell::styled(told, DIM)]);
    }
    for (op, span) in lanes.iter().zip(spans) {
        let open = history.pair_of(*op).is_none_or(|c| history.kind(c) == Kind::Info);
        let told = history.pair_of(*op).filter(|c| history.kind(*c) == Kind::Ok).unwrap_or(*op);
        let lane = bar(span, window, '├', '─', if open { '?' } else { '┤' });
        let what = short(&history.operation(told).to_string());
        let node = history.pair_of(*op).and_then(|c| history.node(c)).map(|n| format!(" {}", history.node_name(n)));
        let label = format!("#{} process {}{}", op.0, history.process(*op), node.unwrap_or_default());
        let style = if chosen.contains(&op.0) { anstyle::Style::new() } else { DIM };
        table.row([Cell::styled(label, style), Cell::styled(lane, style), Cell::styled(what, style)]);
    }
    table.render()
}

fn lanes(history: &History, operations: &[u32], around: usize) -> Vec<EventIndex> {
    let mut chosen: BTreeSet<EventIndex> =
        operations.iter().filter(|i| (**i as usize) < history.len()).map(|i| EventIndex(*i)).collect();
    let (Some(first), Some(last)) = (chosen.first().copied(), chosen.last().copied()) else { return Vec::new() };
    let keys: BTreeSet<u32> = chosen.iter().filter_map(|op| history.key(*op)).map(|k| k.0).collect();
    let same_key =
        |op: &EventIndex| history.kind(*op) == Kind::Invoke && history.key(*op).is_some_and(|k| keys.contains(&k.0));
    let before = (0..first.0).rev().map(EventIndex).filter(same_key).take(around);
    let after = (last.0 + 1..history.len() as u32).map(EventIndex).filter(same_key).take(around);
    let more: Vec<EventIndex> = before.chain(after).collect();
    chosen.extend(more);
    chosen.into_iter().take(LANES).collect()
}

fn span(history: &History, op: EventIndex) -> Span {
    let from = history.time(op);
    Span { from, to: history.pair_of(op).map_or(from, |c| history.time(c)).max(from) }
}

fn window(spans: &[Span]) -> Option<Span> {
    let from = spans.iter().map(|s| s.from).min()?;
    let to = spans.iter().map(|s| s.to).max()?;
    let margin = ((to - from) / 20).max(1_000_000);
    Some(Span { from: from.saturating_sub(margin), to: to + margin })
}

fn axis(window: Span) -> String {
    let (left, right) = (moment(window.from), moment(window.to));
    format!("{left}{right:>width$}", width = WIDTH - left.chars().count())
}

fn column(time: u64, window: Span) -> usize {
    let offset = time.clamp(window.from, window.to) - window.from;
    (offset as u128 * (WIDTH as u128 - 1) / u128::from((window.to - window.from).max(1))) as usize
}

fn bar(span: Span, window: Span, first: char, middle: char, last: char) -> String {
    let (from, to) = (column(span.from, window), column(span.to, window));
    let mut out = " ".repeat(from);
    out.push(first);
    if to > from {
        out.extend(std::iter::repeat_n(middle, to - from - 1));
        out.push(last);
    }
    out
}

/// Those of the bands that can bear on what these operations saw, the nearest if there are many, in the order of time.
fn nearest(bands: Vec<(String, Span)>, evidence: &[Span]) -> Vec<(String, Span)> {
    let distance = |band: &Span| {
        let before = evidence.iter().filter(|op| band.from <= op.to).map(|op| op.from.saturating_sub(band.to));
        before.min().filter(|gap| *gap <= EFFECT_LINGERS_NS)
    };
    let mut near: Vec<(u64, usize)> =
        bands.iter().enumerate().filter_map(|(at, (_, span))| Some((distance(span)?, at))).collect();
    near.sort_unstable();
    near.truncate(BANDS);
    let kept: BTreeSet<usize> = near.into_iter().map(|(_, at)| at).collect();
    bands.into_iter().enumerate().filter(|(at, _)| kept.contains(at)).map(|(_, band)| band).collect()
}

/// Faults by name with the time from installation to healing, as far as they touch the window.
fn faults(history: &History, window: Span) -> Vec<(String, Span)> {
    let mut open: Vec<Band> = Vec::new();
    for event in history.events() {
        let Function::Custom(_) = history.function(event) else { continue };
        if !history.process(event).is_nemesis() {
            continue;
        }
        let time = history.time(event);
        let id = custom(history, event, "id");
        match history.function_name(history.function(event)) {
            "phase" | "core" | "exit" | "dump" | "clock-offsets" => {}
            "heal-all" => open.iter_mut().filter(|band| band.is_open()).for_each(|band| band.span.to = time),
            "heal" => {
                let fault = custom(history, event, "fault");
                // Histories of other tools have no ids.
                let means = |band: &&mut Band| match (&id, &fault) {
                    (Some(_), _) => band.id == id,
                    (None, Some(fault)) => fault == band.fault.as_str(),
                    (None, None) => true,
                };
                if let Some(band) = open.iter_mut().filter(|band| band.is_open()).find(means) {
                    band.span.to = time;
                }
            }
            fault => match told(history, event) {
                Told::Begins => {
                    let label = label(fault, custom(history, event, "asked").as_ref());
                    open.push(Band { fault: fault.to_owned(), label, id, span: Span { from: time, to: u64::MAX } })
                }
                Told::Skipped => {
                    let begun = open.iter().rposition(|band| band.is_open() && band.fault == fault && band.id == id);
                    begun.map(|position| open.remove(position));
                }
                Told::Done => {}
            },
        }
    }
    let bands = open.into_iter().map(|band| (band.label, band.span));
    bands.filter(|(_, span)| span.from <= window.to && span.to >= window.from).collect()
}

/// A fault, from its installation to its healing.
struct Band {
    fault: String,
    /// With its targets.
    label: String,
    id: Option<serde_json::Value>,
    span: Span,
}

impl Band {
    fn is_open(&self) -> bool {
        self.span.to == u64::MAX
    }
}

/// `kill n1 n4`.
fn label(fault: &str, asked: Option<&serde_json::Value>) -> String {
    let targets = asked.and_then(|asked| asked["targets"].as_array());
    let names: Vec<&str> = targets.into_iter().flatten().filter_map(|target| target.as_str()).collect();
    if names.is_empty() { fault.to_owned() } else { format!("{fault} {}", names.join(" ")) }
}

/// What a fault's event says of its installation; other tools record one event for the whole of it.
enum Told {
    Begins,
    Skipped,
    Done,
}

fn told(history: &History, event: EventIndex) -> Told {
    let histories::Operation::Custom { value, .. } = history.operation(event) else { return Told::Done };
    match value.get("outcome") {
        None => Told::Begins,
        Some(outcome) if outcome == "installing" => Told::Begins,
        Some(outcome) if outcome.get("skipped").is_some() => Told::Skipped,
        Some(_) => Told::Done,
    }
}

/// A member of a nemesis event's value.
fn custom(history: &History, event: EventIndex, member: &str) -> Option<serde_json::Value> {
    let histories::Operation::Custom { value, .. } = history.operation(event) else { return None };
    value.get(member).cloned()
}

/// At most 60 characters: the beginning and, because that is where a list differs, more of the end.
pub fn short(text: &str) -> String {
    const MOST: usize = 60;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    let (head, tail): (String, String) =
        (text.chars().take(MOST / 3).collect(), text.chars().skip(text.chars().count() - MOST * 2 / 3 + 1).collect());
    format!("{head}…{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_stand_where_their_time_is() {
        let window = Span { from: 0, to: 59 };
        assert_eq!(bar(Span { from: 0, to: 5 }, window, '├', '─', '┤'), "├────┤");
        assert_eq!(bar(Span { from: 3, to: 3 }, window, '├', '─', '┤'), "   ├");
        assert_eq!(bar(Span { from: 58, to: 900 }, window, '░', '░', '░').chars().count(), 60);
    }

    #[test]
    fn of_many_faults_those_near_the_operations_are_drawn() {
        let second = 1_000_000_000;
        let band = |from: u64, to: u64| (format!("kill at {from}"), Span { from: from * second, to: to * second });
        let evidence = [Span { from: 10 * second, to: 11 * second }, Span { from: 40 * second, to: 40 * second }];
        let bands = vec![band(1, 2), band(8, 9), band(10, 12), band(12, 13), band(39, 50), band(41, 42)];
        let near: Vec<String> = nearest(bands, &evidence).into_iter().map(|(label, _)| label).collect();
        assert_eq!(near, ["kill at 8", "kill at 10", "kill at 39"]);
        let many = (0..100).map(|_| band(9, 11)).collect();
        assert_eq!(nearest(many, &evidence).len(), BANDS);
    }

    #[test]
    fn of_two_faults_of_one_name_each_ends_with_its_own_heal() {
        let nemesis = |index: u64, f: &str, value: &str| {
            format!(
                r#"{{"index":{index},"time":{index},"process":"nemesis","type":"info","f":"{f}","value":{value}}}{}"#,
                '\n'
            )
        };
        let text = [
            r#"{"format":"splitbrain-history","version":1}"#.to_owned() + "\n",
            nemesis(0, "kill", r#"{"id":0,"outcome":"installing"}"#),
            nemesis(1, "kill", r#"{"id":1,"outcome":"installing"}"#),
            nemesis(2, "clock-offsets", r#"{"offsets_ms":{}}"#),
            nemesis(3, "heal", r#"{"id":1,"fault":"kill"}"#),
            nemesis(4, "heal", r#"{"id":0,"fault":"kill"}"#),
        ]
        .concat();
        let read = histories::file::read_from(text.as_bytes()).expect("a history").history;
        let bands = faults(&read, Span { from: 0, to: 9 });
        let spans: Vec<(u64, u64)> = bands.into_iter().map(|(_, span)| (span.from, span.to)).collect();
        assert_eq!(spans, [(0, 4), (1, 3)]);
    }

    #[test]
    fn long_lists_keep_their_end() {
        let text = short(&format!("read x → [{}]", (0..99).map(|i| i.to_string()).collect::<Vec<_>>().join(" ")));
        assert!(text.starts_with("read x → [0") && text.ends_with("98]") && text.chars().count() <= 60, "{text}");
    }
}
