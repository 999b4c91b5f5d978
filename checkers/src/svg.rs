//! The evidence of an anomaly as a picture that stands by itself: who did what when, and why one comes before another.
//!
//! ```text
//!   process 0   [ append 1 to x ]─────────────╮ wr
//!                                             ▼
//!   process 1          [ read x, y ]       [ … ]
//! ```
//! Each process has a lane. An operation is a box from its invocation to its completion; the axis is not to scale: it
//! has one step for each of the moments that matter, so that what happened within a microsecond can be told apart. The
//! reason of each relation is its tooltip.

use std::collections::BTreeMap;
use std::fmt::Write;

use petgraph::visit::EdgeRef;

use crate::finding::{Anomaly, RelationKind};
use crate::graph::{graph, name};

/// Where and how an operation is drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drawn {
    /// The lane: a process or a session.
    pub lane: String,
    /// Index of its invocation.
    pub from: u32,
    /// Index of its completion; `None` while it is open.
    pub to: Option<u32>,
    /// What it did: `append 8 ← 17`.
    pub label: String,
}

const LANE_HEIGHT: u32 = 84;
const BOX_HEIGHT: u32 = 34;
const LEFT: u32 = 110;
const TOP: u32 = 56;
/// Width of one character of a label, about.
const CHARACTER: u32 = 7;
/// Labels are cut to this many characters; the tooltip has the whole.
const LABEL: usize = 42;

/// The picture. `draw` says how each operation, named by the index of its invocation, is drawn.
pub fn svg(anomaly: &Anomaly, draw: impl Fn(u32) -> Drawn) -> String {
    let graph = graph(anomaly);
    let drawn: BTreeMap<u32, Drawn> = graph.node_weights().map(|op| (*op, draw(*op))).collect();
    let layout = Layout::new(&drawn);
    let mut out = head(anomaly, &layout);
    for (lane, y) in &layout.lanes {
        let _ = writeln!(
            out,
            "  <text class=\"lane\" x=\"8\" y=\"{}\">{}</text>\n  <line class=\"lane\" x1=\"{LEFT}\" y1=\"{y}\" x2=\"{}\" y2=\"{y}\"/>",
            y + 4,
            escaped(&cut(lane, 15)),
            layout.width
        );
    }
    for edge in graph.edge_references() {
        let (from, to) = (graph[edge.source()], graph[edge.target()]);
        layout.arrow(&mut out, from, to, edge.weight().kind, &edge.weight().reason);
    }
    for (operation, drawn) in &drawn {
        layout.operation(&mut out, *operation, drawn);
    }
    out.push_str("</svg>\n");
    out
}

fn head(anomaly: &Anomaly, layout: &Layout) -> String {
    let (width, height) = (layout.width, layout.height);
    let title = anomaly.key.as_ref().map_or_else(|| anomaly.kind.clone(), |key| format!("{} of {key}", anomaly.kind));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         role=\"img\" font-family=\"ui-monospace, monospace\" font-size=\"12\">\n  <title>{}</title>\n  <desc>{}</desc>\n{STYLE}\
         \x20 <text class=\"title\" x=\"8\" y=\"22\">{}</text>\n",
        escaped(&title),
        escaped(&anomaly.explanation),
        escaped(&title)
    )
}

const STYLE: &str = "  <style>\n    svg { background: #fff; } text { fill: #1b1f24; } .title { font-weight: bold; font-size: 14px; }\n    \
     line.lane { stroke: #d0d7de; } text.lane { fill: #57606a; }\n    rect { fill: #f6f8fa; stroke: #57606a; }\n    \
     .open { stroke-dasharray: 4 3; } .index { fill: #57606a; font-size: 10px; }\n    path { fill: none; stroke-width: 1.6; }\n    \
     .ww { stroke: #8250df; } .wr { stroke: #1a7f37; } .rw { stroke: #cf222e; } .process { stroke: #57606a; } .realtime { stroke: #0969da; }\n    \
     text.ww { fill: #8250df; } text.wr { fill: #1a7f37; } text.rw { fill: #cf222e; } text.process { fill: #57606a; } text.realtime { fill: #0969da; }\n    \
     text.ww, text.wr, text.rw, text.process, text.realtime { stroke: #fff; stroke-width: 3px; paint-order: stroke; }\n  </style>\n  \
     <defs><marker id=\"head\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto-start-reverse\">\
     <path d=\"M0 0 L8 4 L0 8 z\" style=\"fill:#57606a;stroke:none\"/></marker></defs>\n";

struct Layout {
    width: u32,
    height: u32,
    /// Name and middle of each lane.
    lanes: Vec<(String, u32)>,
    /// Left, right and middle of each box.
    boxes: BTreeMap<u32, (u32, u32, u32)>,
}

impl Layout {
    fn new(drawn: &BTreeMap<u32, Drawn>) -> Self {
        let mut names: Vec<&String> = drawn.values().map(|d| &d.lane).collect();
        names.sort_by_key(|n| (n.len(), (*n).clone()));
        names.dedup();
        let middle = |lane: usize| TOP + lane as u32 * LANE_HEIGHT + LANE_HEIGHT / 2;
        let lanes: Vec<(String, u32)> = names.iter().enumerate().map(|(i, n)| ((*n).clone(), middle(i))).collect();
        let axis = Axis::new(drawn);
        let boxes = drawn
            .iter()
            .map(|(operation, d)| {
                let lane = names.iter().position(|n| **n == d.lane).unwrap_or(0);
                (*operation, (axis.at(d.from), d.to.map_or(axis.end, |to| axis.at(to)), middle(lane)))
            })
            .collect();
        Layout { width: axis.end + 40, height: TOP + lanes.len() as u32 * LANE_HEIGHT + 12, lanes, boxes }
    }

    fn operation(&self, out: &mut String, operation: u32, drawn: &Drawn) {
        let Some((left, right, y)) = self.boxes.get(&operation).copied() else { return };
        let class = if drawn.to.is_none() { " class=\"open\"" } else { "" };
        let top = y - BOX_HEIGHT / 2;
        let _ = writeln!(
            out,
            "  <g><title>#{operation} {}: {}</title><rect{class} x=\"{left}\" y=\"{top}\" width=\"{}\" height=\"{BOX_HEIGHT}\" rx=\"4\"/>\
             <text x=\"{}\" y=\"{}\">{}</text><text class=\"index\" x=\"{}\" y=\"{}\">#{operation}</text></g>",
            escaped(&drawn.lane),
            escaped(&drawn.label),
            right - left,
            left + 6,
            y + 11,
            escaped(&cut(&drawn.label, LABEL)),
            left + 6,
            y - 4,
        );
    }

    /// From the upper or lower edge of one box to that of the other; within a lane above both.
    fn arrow(&self, out: &mut String, from: u32, to: u32, kind: RelationKind, reason: &str) {
        let (Some(a), Some(b)) = (self.boxes.get(&from), self.boxes.get(&to)) else { return };
        let half = BOX_HEIGHT / 2;
        let (ax, bx) = (a.0 + (a.1 - a.0) * 2 / 3, b.0 + (b.1 - b.0) / 3);
        let (ay, by, bend) = match a.2.cmp(&b.2) {
            std::cmp::Ordering::Less => (a.2 + half, b.2 - half, 0),
            std::cmp::Ordering::Greater => (a.2 - half, b.2 + half, 0),
            std::cmp::Ordering::Equal => (a.2 - half, b.2 - half, 34),
        };
        let lift = |y: u32| if bend > 0 { y.saturating_sub(bend) } else { u32::midpoint(ay, by) };
        let name = name(kind);
        let (label_x, label_y) = (u32::midpoint(ax, bx), if bend > 0 { ay - 22 } else { u32::midpoint(ay, by) });
        let _ = writeln!(
            out,
            "  <g><title>{}</title><path class=\"{name}\" marker-end=\"url(#head)\" d=\"M{ax} {ay} C{ax} {}, {bx} {}, {bx} {by}\"/>\
             <text class=\"{name}\" x=\"{label_x}\" y=\"{label_y}\" text-anchor=\"middle\">{name}</text></g>",
            escaped(reason),
            lift(ay),
            lift(by),
        );
    }
}

/// The moments that matter, in order, each far enough from the next one that the labels have room.
struct Axis {
    at: BTreeMap<u32, u32>,
    end: u32,
}

impl Axis {
    fn new(drawn: &BTreeMap<u32, Drawn>) -> Self {
        let moments: std::collections::BTreeSet<u32> =
            drawn.values().flat_map(|d| std::iter::once(d.from).chain(d.to)).collect();
        // A box has room for its label between its two moments, however many others lie between.
        let mut at: BTreeMap<u32, u32> = BTreeMap::new();
        let mut x = LEFT + 12;
        for moment in moments {
            let ending = drawn.values().filter(|d| d.to == Some(moment));
            let needed = ending.filter_map(|d| Some(at.get(&d.from)? + room(&d.label))).max().unwrap_or(0);
            x = x.max(needed);
            at.insert(moment, x);
            x += 36;
        }
        let open = drawn.values().filter(|d| d.to.is_none());
        let end = open.filter_map(|d| Some(at.get(&d.from)? + room(&d.label))).fold(x, u32::max);
        Axis { at, end }
    }

    fn at(&self, moment: u32) -> u32 {
        self.at.get(&moment).copied().unwrap_or(LEFT)
    }
}

fn room(label: &str) -> u32 {
    label.chars().count().min(LABEL) as u32 * CHARACTER + CHARACTER + 12
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most - 1).chain(['…']).collect(),
    }
}

/// Text as it stands in XML: nothing of it is markup, and what XML cannot hold is shown as a replacement.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(' '),
            c if c < ' ' || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Relation;

    fn picture(label: &str) -> String {
        let relation = |from, to, kind| Relation { from, to, kind, reason: format!("<because of {label}>") };
        let anomaly = Anomaly {
            kind: "G-single".to_owned(),
            key: None,
            operations: vec![0, 1],
            relations: vec![relation(0, 1, RelationKind::Wr), relation(1, 0, RelationKind::Rw)],
            explanation: "a contradiction".to_owned(),
        };
        svg(&anomaly, |op| Drawn {
            lane: format!("process {op}"),
            from: op,
            to: (op == 0).then_some(4),
            label: label.into(),
        })
    }

    #[test]
    fn every_operation_and_every_relation_is_drawn_once() {
        let picture = picture("append x ← 1");
        assert_eq!((picture.matches("<rect").count(), picture.matches("<path class=").count()), (2, 2));
        assert_eq!(picture.matches("class=\"open\"").count(), 1, "the one that never came back");
        assert_eq!(picture.matches("text class=\"lane\"").count(), 2);
    }

    #[test]
    fn what_users_wrote_is_no_markup() {
        let picture = picture("<script>alert(\"x\")</script>\u{1}&");
        assert!(!picture.contains("<script"), "{picture}");
        assert!(picture.contains("&lt;script&gt;") && picture.contains("\u{fffd}&amp;"));
    }

    #[test]
    fn a_box_is_as_wide_as_its_label() {
        let long = "x".repeat(500);
        let picture = picture(&long);
        assert!(picture.contains(&format!("{}…", "x".repeat(LABEL - 1))), "the label is cut");
        assert!(picture.contains(&long), "the tooltip is not");
    }
}
