//! The evidence of an anomaly as a graph: operations, and why one comes before another. Small by nature, so petgraph
//! serves; what is drawn here is explained, never searched.

use std::fmt::Write;

use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;

use crate::finding::{Anomaly, Relation, RelationKind};

/// Operations (indices of invocations) and relations.
pub fn graph(anomaly: &Anomaly) -> DiGraph<u32, Relation> {
    let mut graph = DiGraph::new();
    let node = |graph: &mut DiGraph<u32, Relation>, operation: u32| -> NodeIndex {
        let known = graph.node_indices().find(|n| graph[*n] == operation);
        known.unwrap_or_else(|| graph.add_node(operation))
    };
    for operation in &anomaly.operations {
        node(&mut graph, *operation);
    }
    for relation in &anomaly.relations {
        let (from, to) = (node(&mut graph, relation.from), node(&mut graph, relation.to));
        graph.add_edge(from, to, relation.clone());
    }
    graph
}

/// The same in the language of Graphviz. `label` says what each operation is.
pub fn dot(anomaly: &Anomaly, label: impl Fn(u32) -> String) -> String {
    let graph = graph(anomaly);
    let title = anomaly.key.as_ref().map_or_else(|| anomaly.kind.clone(), |key| format!("{} of {key}", anomaly.kind));
    let mut out = format!("digraph {} {{\n  rankdir=LR; node [shape=box];\n", quoted(&title));
    for node in graph.node_indices() {
        let _ = writeln!(out, "  {} [label={}];", graph[node], quoted(&label(graph[node])));
    }
    for edge in graph.edge_references() {
        let (from, to) = (graph[edge.source()], graph[edge.target()]);
        let text = format!("{}: {}", name(edge.weight().kind), edge.weight().reason);
        let _ = writeln!(out, "  {from} -> {to} [label={}];", quoted(&text));
    }
    out.push_str("}\n");
    out
}

/// The name of a relation in graphs and tables.
pub fn name(kind: RelationKind) -> &'static str {
    match kind {
        RelationKind::Ww => "ww",
        RelationKind::Wr => "wr",
        RelationKind::Rw => "rw",
        RelationKind::Process => "process",
        RelationKind::Realtime => "realtime",
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anomaly() -> Anomaly {
        let relation = |from, to, kind, reason: &str| Relation { from, to, kind, reason: reason.to_owned() };
        Anomaly {
            kind: "lost-write".to_owned(),
            key: Some("x \"1\"".to_owned()),
            operations: vec![4, 9],
            relations: vec![
                relation(4, 9, RelationKind::Realtime, "#4 had ended"),
                relation(4, 6, RelationKind::Wr, "#6 read 1"),
            ],
            explanation: String::new(),
        }
    }

    #[test]
    fn every_operation_stands_once_and_every_relation_is_an_edge() {
        let graph = graph(&anomaly());
        assert_eq!((graph.node_count(), graph.edge_count()), (3, 2));
    }

    #[test]
    fn dot_quotes_what_users_wrote() {
        let text = dot(&anomaly(), |op| format!("#{op} append \"x\""));
        assert_eq!(
            text,
            "digraph \"lost-write of x \\\"1\\\"\" {\n  rankdir=LR; node [shape=box];\n  \
             4 [label=\"#4 append \\\"x\\\"\"];\n  9 [label=\"#9 append \\\"x\\\"\"];\n  \
             6 [label=\"#6 append \\\"x\\\"\"];\n  4 -> 9 [label=\"realtime: #4 had ended\"];\n  \
             4 -> 6 [label=\"wr: #6 read 1\"];\n}\n"
        );
    }
}
