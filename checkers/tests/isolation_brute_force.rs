//! The checkers of transactions never contradict the definitions, and where lists tell everything they decide exactly.
//!
//! Hundreds of thousands of small histories, from simulated databases and with something changed in them, are judged
//! twice: by the checkers, and by trying all orders (`reference_transactions`). For every model:
//!
//! 1. *Sound*: if some order satisfies the model, no anomaly is found that the model prohibits.
//! 2. *Exact*, where all orders of versions can be told from the lists that were read: if no order does, one is found.

#[path = "support/databases.rs"]
mod databases;
mod reference_transactions;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{self, AssertUnwindSafe};

use checkers::models::prohibited;
use checkers::transactions::{list_append, rw_register};
use checkers::{AnomalyType, Assumptions, Budget, Model, Question};
use databases::Workload;
use databases::rng::Rng;
use histories::{Event, Kind, notation};
use reference_transactions::problem::Problem;
use reference_transactions::{Order, Raw, Verdicts, small, verdicts, verdicts_if};

/// What is exact: the model asked for, and what is then decided.
const EXACT: [(Model, &[&str]); 3] = [
    (
        Model::Serializable,
        &[
            "read-uncommitted",
            "read-committed",
            "snapshot-isolation",
            "serializable",
            "repeatable-read",
            "consistent-view",
        ],
    ),
    (
        Model::StrongSessionSerializable,
        &[
            "strong-session-read-uncommitted",
            "strong-session-read-committed",
            "strong-session-snapshot-isolation",
            "strong-session-serializable",
        ],
    ),
    (
        Model::StrongSerializable,
        &["strong-read-uncommitted", "strong-read-committed", "strong-snapshot-isolation", "strong-serializable"],
    ),
];

/// Names of models with what they prohibit; the reference knows some that are no models of ours.
struct Tables(BTreeMap<String, BTreeSet<AnomalyType>>);

impl Tables {
    fn new() -> Tables {
        Tables(Model::ALL.iter().map(|m| (m.name().to_owned(), prohibited(&[*m], &[]))).collect())
    }

    fn rules_out(&self, model: &str, found: &[AnomalyType]) -> bool {
        self.0.get(model).is_some_and(|kinds| found.iter().any(|kind| kinds.contains(kind)))
    }
}

/// What is compared: the analyzer, what it may assume, and what the definitions say then.
#[derive(Clone)]
struct Side {
    workload: Workload,
    assume: Assumptions,
    each_object: Option<Order>,
}

impl Side {
    fn lists() -> Side {
        Side { workload: Workload::ListAppend, assume: Assumptions::default(), each_object: None }
    }

    fn raw(&self, events: &[Event]) -> Raw {
        Raw::new(events, self.workload == Workload::ListAppend)
    }

    fn defined(&self, raw: &Raw) -> Verdicts {
        match self.each_object {
            Some(order) => verdicts_if(raw, order),
            None if self.assume.writes_follow_reads_keys => verdicts_if(raw, Order::None),
            None => verdicts(raw),
        }
    }

    /// The anomalies found when this model is asked for, and whether everything was looked at.
    fn found(&self, events: &[Event], model: Model) -> (Vec<AnomalyType>, bool) {
        let history = small::told(events);
        let question = Question { models: vec![model], anomalies: Vec::new(), assume: self.assume.clone() };
        let found = match self.workload {
            Workload::ListAppend => list_append::check(&history, &question, &Budget::default()),
            _ => rw_register::check(&history, &question, &Budget::default()),
        };
        (found.groups.into_keys().collect(), found.doubts.is_empty())
    }

    /// The first disagreement, in words.
    fn disagreement(&self, events: &[Event], tables: &Tables, tally: &mut Tally) -> Option<String> {
        let raw = self.raw(events);
        let defined = self.defined(&raw);
        let problem = Problem::new(&raw, raw.observed());
        let complete = self.workload == Workload::ListAppend && problem.complete;
        let told = raw.observed() == raw.certain();
        tally.histories += 1;
        tally.complete += u64::from(complete);
        for (asked, exact) in EXACT {
            let Ok((found, sure)) = panic::catch_unwind(AssertUnwindSafe(|| self.found(events, asked))) else {
                return Some(format!("the checker is broken: asked for {asked} it panics"));
            };
            for (model, allowed) in &defined {
                let ruled_out = tables.rules_out(model, &found);
                if *allowed == Some(true) && ruled_out {
                    return Some(format!("{model} is satisfied, but asked for {asked} it finds {found:?}"));
                }
                // Overwriting across a transaction of unknown outcome is told as a weaker anomaly.
                let exact = exact.contains(model) && (told || !model.ends_with("uncommitted"));
                if complete && sure && *allowed == Some(false) && exact && !ruled_out {
                    return Some(format!("{model} is not satisfied, but asked for {asked} it finds {found:?}"));
                }
                tally.count(model, *allowed, ruled_out);
            }
        }
        None
    }
}

/// How often what was said.
#[derive(Default)]
struct Tally {
    histories: u64,
    complete: u64,
    /// By model: allowed, forbidden, forbidden and found out for at least one question.
    models: BTreeMap<&'static str, [u64; 3]>,
}

impl Tally {
    fn count(&mut self, model: &'static str, allowed: Option<bool>, ruled_out: bool) {
        let counts = self.models.entry(model).or_default();
        counts[0] += u64::from(allowed == Some(true));
        counts[1] += u64::from(allowed == Some(false));
        counts[2] += u64::from(ruled_out);
    }

    /// Prints it, and fails where a verdict on a model whose name has this in it hardly occurs.
    fn close(&self, what: &str, often: impl Fn(&str) -> bool) {
        println!("{what}: {} histories, {} with known orders of versions", self.histories, self.complete);
        for (model, [yes, no, found]) in &self.models {
            // Each history was asked about three times.
            println!("  {model:36} satisfied {:7}  not {:7}  found out {:5.1} %", yes / 3, no / 3, {
                *found as f64 * 100.0 / (*no).max(1) as f64
            });
        }
        let rare = self.models.iter().find(|(m, [yes, no, _])| often(m) && (*yes).min(*no) < self.histories * 3 / 50);
        assert!(rare.is_none(), "{rare:?}");
    }
}

fn compare(what: &str, side: &Side, seed: u64, count: u64, most: u64) {
    // Who writes over whom is seldom seen in these.
    let often = |model: &str| !model.ends_with("uncommitted");
    compare_those(what, side, count, often, &mut Rng(seed), |rng| small::history(rng, side.workload, most));
}

fn compare_those(
    what: &str,
    side: &Side,
    count: u64,
    often: impl Fn(&str) -> bool,
    rng: &mut Rng,
    make: impl Fn(&mut Rng) -> Vec<Event>,
) {
    let (tables, mut tally) = (Tables::new(), Tally::default());
    for _ in 0..count {
        let events = make(rng);
        if let Some(disagreement) = side.disagreement(&events, &tables, &mut tally) {
            let kind = |s: &str| s.split(" is ").map(|part| part[..3.min(part.len())].to_owned()).collect::<Vec<_>>();
            let same = |e: &[Event]| {
                let smaller = side.disagreement(e, &tables, &mut Tally::default());
                smaller.is_some_and(|s| kind(&s)[1..] == kind(&disagreement)[1..])
            };
            let small = shrink(&events, same);
            let now = side.disagreement(&small, &tables, &mut Tally::default()).unwrap_or_default();
            panic!("{what}: {now}\n  {}\nfirst: {disagreement}", notation::print(&small));
        }
    }
    tally.close(what, often);
}

/// Leaves out transactions as long as something stays wrong.
fn shrink(events: &[Event], wrong: impl Fn(&[Event]) -> bool) -> Vec<Event> {
    let mut events = events.to_vec();
    while let Some(smaller) = (0..events.len()).filter(|i| events[*i].kind == Kind::Invoke).find_map(|i| {
        let end = (i + 1..events.len()).find(|j| events[*j].process == events[i].process);
        let rest = events.iter().enumerate().filter(|(j, _)| *j != i && Some(*j) != end);
        let rest: Vec<Event> = rest.map(|(_, e)| e.clone()).collect();
        wrong(&rest).then_some(rest)
    }) {
        events = smaller;
    }
    events.iter_mut().enumerate().for_each(|(i, e)| e.time = i as u64 * 1_000_000);
    events
}

#[test]
fn what_was_once_wrong() {
    let (tables, assume) =
        (Tables::new(), |wfr| Assumptions { writes_follow_reads_keys: wfr, ..Assumptions::default() });
    let lines = include_str!("reference_transactions/pinned.txt").lines();
    for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (what, text) = line.split_once(' ').expect("lists or registers, then a history");
        let sides = match what {
            "lists" => vec![Side::lists()],
            _ => vec![registers(assume(false), None), registers(assume(true), None)],
        };
        let events = notation::parse(text).expect("notation");
        for side in sides {
            assert_eq!(side.disagreement(&events, &tables, &mut Tally::default()), None, "{text}");
        }
    }
}

#[test]
fn small_lists() {
    compare("lists of up to 4 transactions", &Side::lists(), 1, 120_000, 4);
}

#[test]
fn lists() {
    compare("lists of up to 7 transactions", &Side::lists(), 2, 80_000, 7);
}

#[test]
fn lists_written_over() {
    let often = |model: &str| model.ends_with("uncommitted");
    compare_those("appends", &Side::lists(), 40_000, often, &mut Rng(7), |rng| small::overwritten(rng, 6));
}

fn registers(assume: Assumptions, each_object: Option<Order>) -> Side {
    Side { workload: Workload::RwRegister, assume, each_object }
}

#[test]
fn plain_registers() {
    compare("registers", &registers(Assumptions::default(), None), 3, 60_000, 6);
}

#[test]
fn registers_in_the_order_of_reads() {
    let assume = Assumptions { writes_follow_reads_keys: true, ..Assumptions::default() };
    compare("registers, writes follow reads", &registers(assume, None), 4, 60_000, 6);
}

#[test]
fn registers_in_the_order_of_sessions() {
    let assume = Assumptions { sequential_keys: true, ..Assumptions::default() };
    compare("registers, each sequentially consistent", &registers(assume, Some(Order::Session)), 5, 60_000, 6);
}

#[test]
fn registers_in_real_time() {
    let assume = Assumptions { linearizable_keys: true, ..Assumptions::default() };
    compare("registers, each linearizable", &registers(assume, Some(Order::Realtime)), 6, 60_000, 6);
}
