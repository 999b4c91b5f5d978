//! What the three kinds of transactional histories share when they tell of an anomaly.

use histories::{KeyId, Scalar};

use super::edges::Edges;
use super::reading::{Row, Transactions};
use crate::analysis::{Found, Question};
use crate::budget::{Budget, Exhausted, Meter};
use crate::finding::{Anomaly, Relation, RelationKind};
use crate::fold::words;
use crate::graphs::{Cycle, Graph, Order, Relations, Step, cycles};
use crate::models::{AnomalyType, CYCLE_SPECS, needs};

/// Why one transaction comes before another.
pub(super) struct Reason {
    /// The object that shows it, where it is one.
    key: Option<KeyId>,
    /// In words: what stands behind "since".
    text: String,
}

impl Reason {
    /// Shown by an object.
    pub(super) fn new(key: KeyId, text: String) -> Reason {
        Reason::of(Some(key), text)
    }

    /// Shown by an object, or by something else.
    pub(super) fn of(key: Option<KeyId>, text: String) -> Reason {
        Reason { key, text }
    }
}

/// Who knows the reasons of the edges between transactions.
pub(super) trait Reasons {
    /// Why one comes before the other by their data. `None` if it does not.
    fn reason(&self, from: Row, to: Row, relation: Relations) -> Option<Reason>;
}

impl Transactions<'_> {
    /// `process 1 (#3)`.
    pub(super) fn who(&self, row: Row) -> String {
        let name = self.name(row);
        format!("{} (#{name})", words::who(self.history, name))
    }

    /// The name of an object, `it` where there is only one.
    pub(super) fn object(&self, key: KeyId) -> String {
        match self.history.key_name(key) {
            Scalar::Null => "it".to_owned(),
            name => name.to_string(),
        }
    }
}

/// An anomaly that is being told.
pub(super) struct Case<'t, 'h> {
    txns: &'t Transactions<'h>,
    anomaly: Anomaly,
}

impl<'t, 'h> Case<'t, 'h> {
    /// Of a kind, on an object, proved by these transactions in the order of the argument.
    pub(super) fn new(txns: &'t Transactions<'h>, kind: AnomalyType, key: Option<KeyId>, rows: &[Row]) -> Self {
        let mut operations = Vec::new();
        for name in rows.iter().map(|row| txns.name(*row)) {
            if !operations.contains(&name) {
                operations.push(name);
            }
        }
        let name = |key: KeyId| Some(txns.history.key_name(key)).filter(|n| **n != Scalar::Null);
        let anomaly = Anomaly {
            kind: kind.name().to_owned(),
            key: key.and_then(name).map(Scalar::to_string),
            operations,
            relations: Vec::new(),
            explanation: String::new(),
        };
        Case { txns, anomaly }
    }

    /// How two of them stand to each other.
    pub(super) fn relation(mut self, from: Row, to: Row, kind: RelationKind, reason: String) -> Self {
        let (from, to) = (self.txns.name(from), self.txns.name(to));
        self.anomaly.relations.push(Relation { from, to, kind, reason });
        self
    }

    /// The argument.
    pub(super) fn say(mut self, explanation: String) -> Anomaly {
        self.anomaly.explanation = explanation;
        self.anomaly
    }
}

/// Looks at transactions as far as a budget goes, and says so where it does not go far enough.
pub(super) fn within(budget: &Budget<'_>, look: impl FnOnce(&Meter<'_>, &mut Found) -> Result<(), Exhausted>) -> Found {
    let mut found = Found::default();
    if let Err(exhausted) = look(&Meter::new(budget), &mut found) {
        found.doubts.push(format!("{exhausted} before all transactions were looked at"));
    }
    found
}

/// Searches the cycles that some edges make and that matter to a question, and tells of them.
pub(super) fn tell_cycles(
    txns: &Transactions<'_>,
    edges: Edges,
    by_predicate: bool,
    question: &Question,
    reasons: &impl Reasons,
    found: &mut Found,
    meter: &Meter<'_>,
) -> Result<(), Exhausted> {
    let needed = needs(&question.models, &question.anomalies);
    let nodes = txns.node_count as usize;
    let processes = if needed.0 { txns.processes() } else { Vec::new() };
    let order = match needed {
        (_, true) => Order::Realtime { invoked: &txns.invoked[..nodes], completed: &txns.completed[..nodes] },
        (true, false) => Order::Process(&processes),
        (false, false) => Order::None,
    };
    let kinds = kinds(&order, by_predicate);
    let (edges, doubt) = edges.finish(txns.node_count, &order, meter)?;
    found.doubts.extend(doubt);
    found.checked.insert("dependencies", edges.len() as u64);
    let result = cycles(Graph { node_count: txns.node_count, edges, order }, &kinds, meter);
    found.checked.insert("components", result.component_count);
    found.doubts.extend(result.doubts);
    for cycle in &result.cycles {
        found.add(cycle.kind, || tell(txns, cycle, reasons));
    }
    Ok(())
}

/// The kinds of cycles that a graph with this order can have.
fn kinds(order: &Order<'_>, by_predicate: bool) -> Vec<AnomalyType> {
    let without = match order {
        Order::None => Relations::PROCESS.or(Relations::REALTIME),
        Order::Process(_) => Relations::REALTIME,
        Order::Realtime { .. } => Relations::PROCESS,
    };
    let without = if by_predicate { without } else { without.or(Relations::RWP) };
    CYCLE_SPECS.iter().filter(|spec| !spec.usable().meets(without)).map(|spec| spec.kind).collect()
}

fn tell(txns: &Transactions<'_>, cycle: &Cycle, reasons: &impl Reasons) -> Anomaly {
    let told: Vec<Reason> = cycle.steps.iter().map(|step| because(txns, step, reasons)).collect();
    let rows: Vec<Row> = cycle.steps.iter().map(|step| step.from).collect();
    let mut keys: Vec<KeyId> = told.iter().filter_map(|reason| reason.key).collect();
    keys.dedup();
    let key = if keys.len() == 1 { keys.first().copied() } else { None };
    let mut case = Case::new(txns, cycle.kind, key, &rows);
    let mut sentences = Vec::new();
    for (step, reason) in cycle.steps.iter().zip(told) {
        sentences.push(format!("#{} came before #{}, since {}", txns.name(step.from), txns.name(step.to), reason.text));
        case = case.relation(step.from, step.to, kind_of(step.relation), reason.text);
    }
    case.say(format!("{}: a contradiction, since none of them can have come first", sentences.join("; ")))
}

fn because(txns: &Transactions<'_>, step: &Step, reasons: &impl Reasons) -> Reason {
    let (from, to) = (step.from, step.to);
    match step.relation {
        Relations::PROCESS => {
            let who = words::who(txns.history, txns.name(from));
            Reason { key: None, text: format!("{who} ran the one after the other") }
        }
        Relations::REALTIME => Reason {
            key: None,
            text: format!(
                "{} had been answered (#{}) before {} began",
                txns.who(from),
                txns.completed[from as usize],
                txns.who(to)
            ),
        },
        relation => {
            let writes = || reasons.reason(from, to, Relations::WW).filter(|_| relation == Relations::WR);
            let reason = reasons.reason(from, to, relation).or_else(writes);
            debug_assert!(reason.is_some(), "{relation:?} from {from} to {to} has a reason");
            reason.unwrap_or(Reason { key: None, text: "their data says so".to_owned() })
        }
    }
}

fn kind_of(relation: Relations) -> RelationKind {
    match relation {
        Relations::WW | Relations::WWP => RelationKind::Ww,
        Relations::WR | Relations::WRP => RelationKind::Wr,
        Relations::RW | Relations::RWP => RelationKind::Rw,
        Relations::PROCESS => RelationKind::Process,
        _ => RelationKind::Realtime,
    }
}

/// `x and 3 more` of some objects, for a doubt.
pub(super) fn some_objects(txns: &Transactions<'_>, keys: &[KeyId]) -> String {
    let first = keys.first().map_or(String::new(), |key| txns.history.key_name(*key).to_string());
    match keys.len() {
        1 => first,
        n => format!("{first} and {} more", n - 1),
    }
}
