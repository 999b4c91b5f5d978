//! A whole report for the terminal: what ran, what it suffered, what was promised, what was seen, what proves it.

use checkers::Observed;
use histories::{EventIndex, Guarantee, History};
use nemesis::fault::Fault;

use super::evidence::{duration, operation, wrap};
use super::style::{COST, DIM, Painted, STRONG};
use super::table::{Cell, Table};
use super::verdicts::{table, word};
use crate::report::{FaultRecord, Report};
use crate::verdict::Row;

/// How many operations of an anomaly are shown in a report; `inspect` shows all.
const OPERATIONS: usize = 3;

/// How many lines of an argument; `inspect` shows all.
const LINES: usize = 8;

/// One run, in full.
pub fn report(report: &Report, history: &History) -> String {
    let mut out = what_ran(report);
    out.push_str(&faults(&report.faults));
    out.push_str(&operations(report));
    out.push('\n');
    out.push_str(&table(&report.judgement.guarantees));
    out.push('\n');
    out.push_str(&proofs(report, history));
    for note in &report.notes {
        out.push_str(&format!("note: {note}\n"));
    }
    out.push_str(&conclusion(report));
    out
}

/// One run among several: its proofs and where to look.
pub fn brief(name: &str, report: &Report, history: &History) -> String {
    let mut out =
        format!("{} {}: {}\n", Painted(STRONG, name), word(report.judgement.verdict), report.judgement.reason);
    out.push_str(&proofs(report, history));
    for note in &report.notes {
        out.push_str(&format!("  note: {note}\n"));
    }
    let inspect = report.inspect().unwrap_or_default();
    out.push_str(&format!("{}\n", Painted(DIM, format!("  evidence  {inspect}"))));
    out.push_str(&format!("{}\n", Painted(DIM, format!("  again     {}", report.again))));
    out
}

/// The first anomaly of every violated guarantee.
pub fn proofs(report: &Report, history: &History) -> String {
    violated(report).map(|(guarantee, row)| proof(guarantee, row, history)).collect()
}

/// The verdict, where the evidence is, and the command that runs it again.
pub fn conclusion(report: &Report) -> String {
    let mut table = Table::new(2);
    if let Some(command) = report.inspect() {
        table.row(["evidence".into(), command.into()]);
    }
    table.row(["again".into(), Cell::new(report.again.as_str())]);
    format!("{}: {}\n{}", word(report.judgement.verdict), report.judgement.reason, table.render())
}

/// The first operations of an argument and its last, each once: the last one is where the contradiction shows.
pub fn telling(operations: &[u32], known: usize) -> Vec<u32> {
    let mut told: Vec<u32> = Vec::new();
    for index in operations.iter().filter(|i| (**i as usize) < known) {
        if !told.contains(index) {
            told.push(*index);
        }
    }
    if told.len() > OPERATIONS {
        told.drain(OPERATIONS - 1..told.len() - 1);
    }
    told
}

fn violated(report: &Report) -> impl Iterator<Item = (Guarantee, &Row)> {
    report.judgement.guarantees.iter().filter(|(_, r)| r.observed == Observed::Violated).map(|(g, r)| (*g, r))
}

fn what_ran(report: &Report) -> String {
    let options: Vec<String> = report.options.iter().map(|(k, v)| format!("{k}={v}")).collect();
    let text = format!(
        "{} on {} nodes: {}; workloads {}",
        report.system,
        report.nodes,
        options.join(" "),
        report.workloads.join(", ")
    );
    wrap(&text, 110).join("\n  ") + "\n"
}

/// What was done to the nodes, and what that did.
pub fn faults(faults: &[FaultRecord]) -> String {
    let mut table = Table::new(2);
    for (i, fault) in faults.iter().enumerate() {
        let until = fault.to_ms.map(|ms| format!("{:.1}", ms as f64 / 1000.0)).unwrap_or_else(|| "?".into());
        let skipped = fault.outcome.get("skipped").and_then(|reason| reason.as_str());
        let effect = if let Some(reason) = skipped {
            Cell::styled(format!("{}: skipped: {reason}", targets(fault)), COST)
        } else if fault.inert {
            let why = why_inert(fault).map(|why| format!(": {why}")).unwrap_or_default();
            Cell::styled(format!("{}: inert, it changed nothing{why}", targets(fault)), COST)
        } else {
            effect(fault).into()
        };
        table.row([
            if i == 0 { "faults".into() } else { Cell::default() },
            fault.fault.as_str().into(),
            format!("{:.1}–{until} s", fault.from_ms as f64 / 1000.0).into(),
            effect,
        ]);
    }
    table.render()
}

fn targets(fault: &FaultRecord) -> String {
    let targets = fault.asked["targets"].as_array().map(Vec::as_slice).unwrap_or_default();
    let names: Vec<&str> = targets.iter().filter_map(|t| t.as_str()).collect();
    names.join(" ")
}

/// Why a fault changed nothing, as far as what it recorded says so.
fn why_inert(fault: &FaultRecord) -> Option<String> {
    let took = &fault.took_effect;
    let spec: Option<Fault> = serde_json::from_value(fault.asked["spec"].clone()).ok();
    if let Some(sent) = took["packets_sent"].as_u64() {
        let links = took["links_cut"].as_u64().or(took["links_impaired"].as_u64()).unwrap_or_default();
        let over = if links == 1 { "its link".to_owned() } else { format!("its {links} links") };
        return Some(match sent {
            0 => format!("nobody sent anything over {over}"),
            sent => format!("it hit none of the {sent} packets over {over}"),
        });
    }
    if took.get("operations_hit").is_some() {
        let reads = matches!(&fault.fault[..], "bit-flips" | "misdirected-read");
        let what = if reads { "nothing was read that it could hit" } else { "it hit no operation of its disk" };
        let down = if states(took, "was").is_empty() { "" } else { ", as the node was down" };
        return Some(format!("{what}{down}"));
    }
    match (&spec, states(took, "was")) {
        (Some(Fault::Clock { .. }), _) => {
            uncovered(took).or_else(|| Some(format!("no process of {} lived by it", targets(fault))))
        }
        (Some(Fault::Resources { .. }), _) => Some("no process ran that it could limit".to_owned()),
        (Some(Fault::Wipe { .. } | Fault::FileDamage { .. }), _) => {
            Some("there was nothing in the way of data".to_owned())
        }
        (Some(Fault::Rollback { .. }), _) => Some("nothing had changed since the backup".to_owned()),
        (_, was) if was.is_empty() => None,
        (_, was) => Some(was.join(", ")),
    }
}

/// `n5 was killed already`: the condition of each node before, where the fault found one.
fn states(took: &serde_json::Value, member: &str) -> Vec<String> {
    let nodes = took["nodes"].as_object();
    let said = nodes.into_iter().flatten().filter_map(|(name, node)| Some((name, node[member].as_str()?)));
    said.map(|(name, was)| match was {
        "running" => format!("no process of {name} ran"),
        down => format!("{name} was {down} already"),
    })
    .collect()
}

/// Why a clock that is wrong was nobody's.
fn uncovered(took: &serde_json::Value) -> Option<String> {
    let nodes = took["nodes"].as_object()?;
    let told = nodes.iter().find_map(|(name, node)| {
        let why = node["uncovered"][0].as_str().or(node["not_for_new_programs"].as_str());
        why.map(|why| format!("{name}: {why}"))
    });
    told.or_else(|| nodes.iter().find_map(|(name, node)| Some(format!("{name} was {}", node["is"].as_str()?))))
}

/// `n1: 93 packets dropped`; an outcome that is not plain `installed` comes with its reason.
fn effect(fault: &FaultRecord) -> String {
    let did: Vec<String> = EFFECTS
        .iter()
        .filter_map(|(name, one, many)| {
            let count = fault.took_effect[name].as_u64().filter(|c| *c > 0)?;
            Some(format!("{count} {}", if count == 1 { one } else { many }))
        })
        .collect();
    let mut did = did.into_iter().chain(amount(fault)).collect::<Vec<_>>();
    if did.is_empty() {
        did.push("as it was: another fault holds it".to_owned());
    }
    if fault.fault == "power-cut"
        && fault.took_effect["bytes_lost"].is_null()
        && fault.took_effect["names_lost"].is_null()
    {
        did.push("nothing was unsynced".to_owned());
    }
    let mut text = format!("{}: {}", targets(fault), did.join(", "));
    let restarted = fault.took_effect["nodes_restarted"].as_array().map(Vec::as_slice).unwrap_or_default();
    let restarted: Vec<&str> = restarted.iter().filter_map(|node| node.as_str()).collect();
    if !restarted.is_empty() {
        let were = if restarted.len() == 1 { "was" } else { "were" };
        text.push_str(&format!("; {} ended and {were} started again", restarted.join(" ")));
    }
    if let Some(outcome) = fault.outcome.as_object() {
        for (outcome, reason) in outcome {
            text.push_str(&format!(" ({outcome}: {})", reason.as_str().unwrap_or_default()));
        }
    }
    text
}

/// `-86 ms`, `20 % of the time`: in which way the clocks were wrong, how little there was.
fn amount(fault: &FaultRecord) -> Option<String> {
    match serde_json::from_value(fault.asked["spec"].clone()).ok()? {
        Fault::Clock { change, .. } => Some(change.to_string()),
        Fault::Resources { shortage, .. } => Some(shortage.to_string()),
        _ => None,
    }
}

/// What counts as having taken effect, in the words of a sentence.
const EFFECTS: [(&str, &str, &str); 15] = [
    ("packets_dropped", "packet dropped", "packets dropped"),
    ("packets_hit", "packet hit", "packets hit"),
    ("operations_hit", "operation hit", "operations hit"),
    ("machines_gone", "machine gone", "machines gone"),
    ("processes_killed", "process killed", "processes killed"),
    ("processes_ended", "process ended", "processes ended"),
    ("processes_stopped", "process stopped", "processes stopped"),
    ("bytes_lost", "byte lost", "bytes lost"),
    ("names_lost", "file name lost", "file names lost"),
    ("unsynced_bytes_kept", "unsynced byte kept", "unsynced bytes kept"),
    ("files_harmed", "file gone or changed", "files gone or changed"),
    ("bytes_harmed", "byte of data", "bytes of data"),
    ("processes_throttled", "process throttled", "processes throttled"),
    ("processes_limited", "process limited", "processes limited"),
    ("stops", "stop", "stops"),
];

fn operations(report: &Report) -> String {
    let operations = &report.operations;
    let latency = |q: &str| operations.latency_us.get(q).map(|us| duration(us * 1000)).unwrap_or_else(|| "–".into());
    format!(
        "operations  {} ok, {} failed, {} unknown; {:.0}/s; latency p50 {}, p99 {}\n",
        operations.ok,
        operations.fail,
        operations.info,
        operations.per_second,
        latency("p50"),
        latency("p99")
    )
}

/// The first anomaly of a guarantee: the argument and the operations.
fn proof(guarantee: Guarantee, row: &Row, history: &History) -> String {
    let Some(first) = row.anomalies.first() else { return String::new() };
    let mut out = format!("  {} {}\n", Painted(STRONG, guarantee.title()), Painted(DIM, &first.kind));
    let words = wrap(&first.explanation, 100);
    for line in words.iter().take(LINES) {
        out.push_str(&format!("    {line}\n"));
    }
    if words.len() > LINES {
        out.push_str(&format!("    … and {} lines more\n", words.len() - LINES));
    }
    let mut table = Table::new(2);
    for index in telling(&first.operations, history.len()) {
        table.row(std::iter::once(Cell::new("   ")).chain(operation(history, EventIndex(index))));
    }
    out.push_str(&table.render());
    out
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;

    fn inert(fault: &str, spec: Json, took_effect: Json) -> String {
        let asked = json!({ "fault": fault, "targets": ["n5"], "spec": spec });
        let (outcome, took_effect) = (json!("installed"), took_effect);
        let (fault, healing) = (fault.to_owned(), None);
        let record = FaultRecord {
            fault,
            from_ms: 0,
            to_ms: Some(1),
            late_ms: 0,
            heal_late_ms: None,
            healing,
            asked,
            outcome,
            took_effect,
            inert: true,
        };
        faults(&[record]).trim_end().to_owned()
    }

    #[test]
    fn what_was_inert_says_whose_and_why() {
        let node = json!({ "node": "n5" });
        let kill = json!({ "fault": "kill", "target": node });
        let cases = [
            (inert("kill", kill.clone(), json!({ "nodes": { "n5": { "was": "crashed" } } })), "n5 was crashed already"),
            (inert("kill", kill, json!({ "nodes": { "n5": { "was": "running" } } })), "no process of n5 ran"),
            (
                inert(
                    "hold",
                    json!({ "fault": "link" }),
                    json!({ "links_impaired": 8, "packets_hit": 0, "packets_sent": 0 }),
                ),
                "nobody sent anything over its 8 links",
            ),
            (
                inert(
                    "corrupt",
                    json!({ "fault": "link" }),
                    json!({ "links_impaired": 8, "packets_hit": 0, "packets_sent": 7 }),
                ),
                "it hit none of the 7 packets over its 8 links",
            ),
            (
                inert("bit-flips", json!({ "fault": "disk" }), json!({ "operations_hit": 0 })),
                "nothing was read that it could hit",
            ),
            (
                inert(
                    "clock-jump",
                    json!({ "fault": "clock", "target": node, "change": { "jump": { "by_ms": 5 } } }),
                    json!({ "nodes": { "n5": { "uncovered": ["pid 7: a 32-bit program"] } } }),
                ),
                "n5: pid 7: a 32-bit program",
            ),
        ];
        for (line, why) in cases {
            assert!(line.contains(&format!("n5: inert, it changed nothing: {why}")), "{line}");
        }
    }
}
