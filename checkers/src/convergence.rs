//! Convergence: once writes stop and faults are healed, all replicas hold the same state.
//!
//! *If no new updates are made, eventually all replicas return the same, last updated value.* Terry, Demers, Petersen,
//! Spreitzer, Theimer, Welch (PDIS 1994), section 2, under the name of eventual consistency; Vogels, *Eventually
//! Consistent* (ACM Queue, 2008). "Eventually" is here: at the end of the recovery phase.
//!
//! ```text
//!   heal-all   recovery …   dump n1  {"x": [1,2,3]}
//!                           dump n2  {"x": [1,2,3]}
//!                           dump n3  {"x": [1,2]}        n3 differs on x
//! ```
//!
//! # What was decided
//!
//! The state of a replica is the last dump that it gave after the last `heal-all`. A key that a dump does not have is
//! `null` in it. Sets (keys that were added to) are compared without order, everything else as it stands. One
//! anomaly is one key on which replicas differ. Where no replica gave a dump, the final reads of each key take their
//! place, per node that answered, if the history says when the faults were healed or when the final reads began. Nodes that gave nothing are named, and are not held to differ; with fewer than two
//! that did, nothing can be said.
//!
//! # What it does not detect
//!
//! Whether the common state is the right one: replicas may agree on having lost everything (see durability). Replicas
//! that did not answer. How long it took. And it trusts the run to have waited: an update of unknown
//! outcome that happens only between two dumps makes them differ.

use std::collections::{BTreeMap, BTreeSet};

use histories::{EventIndex, Function, Guarantee, History, KeyId, Kind, NodeId, Payload, Scalar};
use serde_json::Value as Json;

use crate::checker::{About, Checker};
use crate::finding::{Anomaly, Finding, Observed};
use crate::fold::acts::acts;
use crate::fold::finals::FinalReads;
use crate::fold::keys::{KeyKind, Keys};
use crate::fold::settled::Settled;
use crate::fold::tally::{Tally, clean, counts};
use crate::fold::words;

/// See the [module](self).
#[derive(Default)]
pub struct Convergence {
    keys: Keys,
    settled: Settled,
    finals: FinalReads,
    /// The last dump of each node since the last `heal-all`, by the event that holds it.
    dumps: BTreeMap<NodeId, EventIndex>,
}

pub(crate) const ABOUT: About = About {
    guarantee: Guarantee::Convergence,
    definition: "When updates have stopped, everything is healed and the recovery phase is over, all replicas that answer \
                 hold the same state.",
    source: "Terry, Demers, Petersen, Spreitzer, Theimer, Welch: Session Guarantees for Weakly Consistent Replicated \
             Data (PDIS 1994), section 2; Vogels: Eventually Consistent (ACM Queue, 2008).",
    anomalies: &[("diverged", "Replicas hold different values of a key.")],
    does_not_detect: "Whether the common state is the right one (see durability). Replicas that gave no answer; they are \
                      named. An update of unknown outcome that happens between two dumps makes them differ.",
    needs: "Dumps of at least two replicas after the last heal-all, or final reads of the same key from two nodes.",
};

/// What one replica says of one key.
struct Said {
    node: NodeId,
    /// The event of the dump, or the invocation of the read.
    operation: u32,
    value: Json,
}

impl Checker for Convergence {
    fn about(&self) -> About {
        ABOUT
    }

    fn step(&mut self, history: &History, event: EventIndex) {
        if self.is_dump(history, event) {
            if let Some(node) = history.node(event) {
                self.dumps.insert(node, event);
            }
        } else if history.process(event).is_nemesis() {
            self.settled.note(history, event);
            if self.settled.heal_all() == Some(event.0) {
                self.dumps.clear();
            }
        } else {
            if history.kind(event) == Kind::Invoke {
                for (key, act) in acts(history, event) {
                    self.keys.note(key, act);
                }
            }
            self.finals.note(history, event);
        }
    }

    fn finish(self: Box<Self>, history: &History) -> Finding {
        let guarantee = Guarantee::Convergence;
        let (keys, from) = if self.dumps.is_empty() {
            (self.finally_read(history), "final reads")
        } else if self.settled.had_faults() && self.settled.heal_all().is_none() {
            (BTreeMap::new(), "dumps")
        } else {
            (self.dumped(history), "dumps")
        };
        let answered: BTreeSet<NodeId> = keys.values().flatten().map(|said| said.node).collect();
        let silent: Vec<&str> =
            history.nodes().filter(|(id, _)| !answered.contains(id)).map(|(_, name)| name).collect();
        let missing = match silent[..] {
            [] => String::new(),
            _ => format!("; no answer from {}", silent.join(", ")),
        };
        let compared = keys.values().filter(|said| said.len() > 1).count() as u64;
        let mut figures = counts([
            ("replicas", answered.len() as u64),
            ("silent", silent.len() as u64),
            ("keys", compared),
            ("from_dumps", u64::from(!self.dumps.is_empty())),
        ]);
        let mut tally = Tally::default();
        for (name, said) in &keys {
            if said.windows(2).any(|pair| pair[0].value != pair[1].value) {
                tally.add(|| differ(history, name, said, from));
            }
        }
        figures.insert("differing".to_owned(), tally.violations());
        let of = format!("{} of {}", tally.violations(), words::count(compared, "key", "keys"));
        if tally.violations() > 0 {
            let first = keys.iter().find(|(_, said)| said.windows(2).any(|pair| pair[0].value != pair[1].value));
            let name = first.map(|(name, _)| name.clone()).unwrap_or_default();
            let mut finding = tally.violated(history, guarantee, &of, crate::fold::tally::Headline::First, figures);
            finding.summary = format!("replicas differ on {of}, first: {name}{missing}");
            return finding;
        }
        let replicas = words::count(answered.len() as u64, "replica", "replicas");
        if answered.len() > 1 && (compared > 0 || !self.dumps.is_empty()) {
            let keys = words::count(compared, "key", "keys");
            return clean(guarantee, Observed::Held, format!("{replicas}, {keys}{missing}"), figures);
        }
        self.too_little(history, &replicas, &missing, figures)
    }
}

impl Convergence {
    fn is_dump(&self, history: &History, event: EventIndex) -> bool {
        let function = history.function(event);
        let answered = match history.kind(event) {
            Kind::Ok => true,
            Kind::Info => history.process(event).is_nemesis(),
            Kind::Invoke | Kind::Fail => false,
        };
        answered && matches!(function, Function::Custom(_)) && history.function_name(function) == "dump"
    }

    /// What each replica's dump says, by key. A dump that is no JSON object is no answer.
    fn dumped(&self, history: &History) -> BTreeMap<String, Vec<Said>> {
        let kinds = self.kinds_by_name(history);
        let dumps: Vec<(NodeId, EventIndex, serde_json::Map<String, Json>)> =
            self.dumps.iter().filter_map(|(node, event)| Some((*node, *event, object(history, *event)?))).collect();
        let names: BTreeSet<&String> = dumps.iter().flat_map(|(_, _, dump)| dump.keys()).collect();
        let mut keys = BTreeMap::new();
        for name in names {
            let set = kinds.get(name) == Some(&KeyKind::Set);
            let said = dumps.iter().map(|(node, event, dump)| {
                let value = state(dump.get(name).cloned().unwrap_or(Json::Null), set);
                Said { node: *node, operation: invocation(history, *event), value }
            });
            keys.insert(name.clone(), said.collect());
        }
        if keys.is_empty() {
            // Empty replicas are equal ones.
            let said = |(node, event, _): &(NodeId, EventIndex, _)| Said {
                node: *node,
                operation: invocation(history, *event),
                value: Json::Null,
            };
            keys.insert("(nothing)".to_owned(), dumps.iter().map(said).collect());
        }
        keys
    }

    /// What the final reads of each node say, by key.
    fn finally_read(&self, history: &History) -> BTreeMap<String, Vec<Said>> {
        let cutoff = self.settled.marked();
        let mut keys = BTreeMap::new();
        for key in (0..self.finals.key_count()).map(KeyId) {
            let set = self.keys.kind(key) == KeyKind::Set;
            let said: Vec<Said> = self
                .finals
                .of(key, cutoff)
                .into_iter()
                .filter_map(|read| {
                    let value = state(json(history, read.read), set);
                    Some(Said { node: read.node?, operation: read.call, value })
                })
                .collect();
            if !said.is_empty() {
                keys.insert(history.key_name(key).to_string(), said);
            }
        }
        keys
    }

    fn kinds_by_name(&self, history: &History) -> BTreeMap<String, KeyKind> {
        let keys = (0..history.key_count() as u32).map(KeyId);
        keys.map(|key| (history.key_name(key).to_string(), self.keys.kind(key))).collect()
    }

    fn too_little(&self, history: &History, replicas: &str, missing: &str, figures: BTreeMap<String, u64>) -> Finding {
        let guarantee = Guarantee::Convergence;
        let nodes = history.nodes().count();
        if nodes == 0 || (nodes < 2 && self.dumps.is_empty()) {
            return clean(guarantee, Observed::NotApplicable, "no two replicas are named", figures);
        }
        let why = if self.settled.had_faults() && self.settled.marked().is_none() {
            "the history ends before everything was healed".to_owned()
        } else if self.settled.marked().is_none() && self.dumps.is_empty() {
            "no dumps, and nothing says when the replicas should have converged".to_owned()
        } else {
            format!("{replicas} answered for the same key{missing}")
        };
        clean(guarantee, Observed::Unknown, why, figures)
    }
}

fn differ(history: &History, name: &str, said: &[Said], from: &str) -> Anomaly {
    let mut groups: Vec<(&Json, Vec<&str>)> = Vec::new();
    for one in said {
        let node = history.node_name(one.node);
        match groups.iter_mut().find(|(value, _)| *value == &one.value) {
            Some((_, nodes)) => nodes.push(node),
            None => groups.push((&one.value, vec![node])),
        }
    }
    let mut parts = Vec::new();
    for (value, nodes) in &mut groups {
        nodes.sort_unstable();
        let verb = if nodes.len() == 1 { "holds" } else { "hold" };
        parts.push(format!("{} {verb} {}", nodes.join(", "), text(value)));
    }
    let mut operations: Vec<u32> = said.iter().map(|one| one.operation).collect();
    operations.sort_unstable();
    Anomaly {
        kind: "diverged".to_owned(),
        key: Some(name.to_owned()),
        operations,
        relations: Vec::new(),
        explanation: format!("after healing the replicas differ on {name}, by their {from}: {}", parts.join("; ")),
    }
}

fn invocation(history: &History, event: EventIndex) -> u32 {
    history.pair_of(event).unwrap_or(event).0
}

fn object(history: &History, event: EventIndex) -> Option<serde_json::Map<String, Json>> {
    let Payload::Value(value) = history.payload(event) else { return None };
    let Scalar::Json(text) = history.value(value) else { return None };
    match serde_json::from_str(text) {
        Ok(Json::Object(object)) => Some(object),
        _ => None,
    }
}

fn json(history: &History, read: Payload) -> Json {
    match read {
        Payload::Value(value) => history.value(value).to_json(),
        Payload::List { .. } => history.list(read).iter().map(|v| history.value(*v).to_json()).collect(),
        _ => Json::Null,
    }
}

/// A value as it is compared: an empty list is nothing, and a set has no order.
fn state(value: Json, set: bool) -> Json {
    match value {
        Json::Array(items) if items.is_empty() => Json::Null,
        Json::Array(mut items) if set => {
            items.sort_by_cached_key(Json::to_string);
            Json::Array(items)
        }
        other => other,
    }
}

fn text(value: &Json) -> String {
    const SHOWN: usize = 12;
    match value {
        Json::Null => "nothing".to_owned(),
        Json::Array(items) => {
            let hidden = items.len().saturating_sub(SHOWN);
            let shown: Vec<String> = items[hidden..].iter().map(Json::to_string).collect();
            let before = if hidden > 0 { format!("…{hidden} more… ") } else { String::new() };
            format!("[{before}{}]", shown.join(" "))
        }
        other => other.to_string(),
    }
}
